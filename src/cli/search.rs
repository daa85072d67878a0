//! `nas-navigator search`: trains a supernet where that is missing, then searches its candidates.

use super::{
    job::{self, MOST},
    progress::ProgressPrinter,
};
use crate::engine::run::Targets;
use anyhow::Result;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `search`.
#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    #[command(flatten)]
    job: job::JobArgs,
    /// Iterations in all; a resumed run does those that are missing [default: 17, or what the resumed run
    /// set out to do].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST))]
    iterations: Option<u32>,
    /// Candidates that an iteration evaluates [default: 10, or as the resumed run did].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST))]
    candidates: Option<u32>,
    /// Time the best candidates at the end, too.
    #[arg(long)]
    latency: bool,
}

/// Where neither the command line nor a resumed run says.
const DEFAULT_ITERATIONS: u32 = 17;
const DEFAULT_CANDIDATES: usize = 10;

pub(super) fn execute(args: SearchArgs) -> Result<ExitCode> {
    let control = job::control_with_ctrl_c()?;
    let mut lab = args.job.lab()?;
    let mut printer = ProgressPrinter::new();
    let epochs = args.job.epochs_to_go(&lab);
    let targets = lab.targets();
    let wanted = args.iterations.or(targets.iterations).unwrap_or(DEFAULT_ITERATIONS);
    let given = args.candidates.map(|candidates| candidates as usize);
    let candidates = given.or(targets.candidates).unwrap_or(DEFAULT_CANDIDATES);
    // Also for a run that is killed before the search begins.
    lab.aim(Targets { iterations: Some(wanted), candidates: Some(candidates), ..targets })?;
    if job::train_missing(&mut lab, epochs, &control, &mut printer)? {
        let iterations = wanted.saturating_sub(lab.iterations());
        lab.search(iterations, candidates, &control, &mut |report| printer.print(&report))?;
    }
    printer.finish();
    job::conclude(&lab, args.job.json, args.latency, &control)
}
