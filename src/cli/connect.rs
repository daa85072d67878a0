//! Which served lab is meant and how it is reached: what `ask` and the window have in common.

use super::{
    arguments::{self, RunsFolder},
    serve::token_file,
};
use crate::engine::remote::{ClientOptions, Limits, Token, Waits};
use anyhow::{Result, bail};
use clap::Args;
use std::path::PathBuf;

/// Where a lab is served.
#[derive(Debug, Args)]
pub(super) struct ConnectArgs {
    /// Where the lab is served: HOST:PORT, or tls://HOST:PORT.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) connect: Option<String>,
    /// File with the token of the server [default: `token` in the folder of the runs].
    #[arg(long, value_name = "FILE", value_parser = arguments::path())]
    token: Option<PathBuf>,
    /// The certificate of an encrypted server, or those of authorities (PEM).
    #[arg(long, value_name = "FILE", value_parser = arguments::path())]
    trust: Option<PathBuf>,
    /// Show the token to another machine without encryption, as in a network that no one else can read.
    #[arg(long)]
    exposed: bool,
}

impl ConnectArgs {
    /// What a viewer needs, who wishes to give commands if `write` says so; `None` where no lab is named.
    pub(super) fn options(self, runs: &RunsFolder, write: bool) -> Result<Option<ClientOptions>> {
        let Self { connect, token, trust, exposed } = self;
        let Some(address) = connect else {
            let given = [
                ("--token", token.is_some()),
                ("--trust", trust.is_some()),
                ("--exposed", exposed),
            ];
            if let Some((flag, _)) = given.into_iter().find(|&(_, given)| given) {
                bail!("{flag} is about a lab that is served; say with --connect where it is");
            }
            return Ok(None);
        };
        let token = Token::read(&token_file(token, runs))?;
        let (waits, limits) = (Waits::default(), Limits::default());
        Ok(Some(ClientOptions { address, token, write, trust, exposed, waits, limits }))
    }
}
