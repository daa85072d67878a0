//! `nas-navigator serve`: a lab for programs elsewhere.

use super::{
    arguments::{self, RunsFolder},
    job::LabArgs,
    output,
    progress::{ProgressPrinter, goal},
};
use crate::{
    engine::{
        remote::{Certificate, DEFAULT_PORT, Limits, ServerOptions, Token},
        serve::Host,
    },
    signals,
};
use anyhow::{Context, Result};
use clap::Args;
use std::{
    fs,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_long_help = super::data::HELP)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    lab: LabArgs,
    /// Where to listen; at port 0 the system chooses one.
    #[arg(long, value_name = "HOST:PORT", default_value_t = format!("localhost:{DEFAULT_PORT}"))]
    listen: String,
    /// File with the token that viewers must show; made where there is none [default: `token` in the folder of the runs].
    #[arg(long, value_name = "FILE", value_parser = arguments::path())]
    token: Option<PathBuf>,
    /// Encrypt connections, with this certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "key", value_parser = arguments::path())]
    certificate: Option<PathBuf>,
    /// The key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "certificate", value_parser = arguments::path())]
    key: Option<PathBuf>,
    /// Let other machines connect without encryption, as in a network that no one else can read.
    #[arg(long)]
    exposed: bool,
}

/// Where the token is, unless it is said.
pub(super) fn token_file(given: Option<PathBuf>, runs: &RunsFolder) -> PathBuf {
    given.unwrap_or_else(|| runs.runs.join("token"))
}

pub(super) fn execute(args: ServeArgs) -> Result<ExitCode> {
    let ServeArgs { lab, listen, token, certificate, key, exposed } = args;
    let token_file = token_file(token, &lab.runs);
    if let Some(folder) = token_file.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let certificate =
        certificate.zip(key).map(|(certificate, key)| Certificate { certificate, key });
    let encrypts = certificate.is_some();
    let options = ServerOptions {
        listen,
        token: Token::read_or_make(&token_file)?,
        certificate,
        exposed,
        limits: Limits::default(),
    };
    let lab = lab.lab(None)?;
    let mut printer = ProgressPrinter::new(goal(&lab));
    let ends = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&ends);
    signals::listen(move |signal| {
        output::message(&format!("{}: ending; what is done is kept", signal.name()));
        heard.store(true, Ordering::Relaxed);
    })?;
    let mut host = Host::start(options, move || Ok(lab))?;
    let scheme = if encrypts { "tls://" } else { "" };
    output::message(&format!(
        "serving at {scheme}{}; the token is in {}",
        host.address(),
        token_file.display()
    ));
    while !ends.load(Ordering::Relaxed) {
        host.tend(&mut |report| printer.print(report))?;
    }
    host.end(&mut |report| printer.print(report))?;
    printer.finish();
    Ok(ExitCode::SUCCESS)
}
