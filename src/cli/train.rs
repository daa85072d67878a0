//! `nas-navigator train`: trains a supernet and keeps its weights.

use super::{
    job,
    progress::{ProgressPrinter, goal},
};
use anyhow::Result;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `train`.
#[derive(Debug, Args)]
#[command(after_long_help = super::data::HELP)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    job: job::JobArgs,
}

pub(super) fn execute(args: TrainArgs) -> Result<ExitCode> {
    let control = job::control_with_signals()?;
    let mut lab = args.job.lab()?;
    lab.check_trains()?;
    let mut printer = ProgressPrinter::new(goal(&lab));
    let epochs = args.job.epochs_to_go(&lab);
    job::train_missing(&mut lab, epochs, &control, &mut printer)?;
    printer.finish();
    job::conclude(&lab, args.job.json, false, &control)
}
