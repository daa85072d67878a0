//! `nas-navigator search`: trains a supernet where that is missing, then searches its candidates; or searches a table of
//! known results.

use super::{
    job::{self, MOST},
    progress::{ProgressPrinter, goal},
    steering::SteeringArgs,
    training::named,
};
use crate::engine::{
    lab::{LabError, Plan},
    run::{Budget, Targets},
    search::Objective,
};
use anyhow::Result;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `search`.
#[derive(Debug, Args)]
#[command(after_long_help = super::data::HELP)]
pub(super) struct SearchArgs {
    #[command(flatten)]
    job: job::JobArgs,
    /// Iterations in all; a resumed run does those that are missing [default: 17, no limit where a budget is given,
    /// or what the resumed run set out to do].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST))]
    iterations: Option<u32>,
    /// Candidates that an iteration evaluates [default: 10, or as the resumed run did].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST))]
    candidates: Option<u32>,
    /// The most candidates to evaluate in all [default: no limit, or as the resumed run].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST))]
    budget_candidates: Option<u32>,
    /// The most seconds to search in all, training left out [default: no limit, or as the resumed run].
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..))]
    budget_seconds: Option<u32>,
    /// What the search makes large from here on [default: accuracy, or as the resumed run did].
    #[arg(long, value_name = "WHAT", value_parser = named::<Objective>())]
    objective: Option<Objective>,
    #[command(flatten)]
    steering: SteeringArgs,
    /// Time the best candidates at the end, too.
    #[arg(long)]
    latency: bool,
}

/// Where neither the command line nor a resumed run says.
const DEFAULT_ITERATIONS: u32 = 17;
const DEFAULT_CANDIDATES: usize = 10;

pub(super) fn execute(args: SearchArgs) -> Result<ExitCode> {
    let control = job::control_with_signals()?;
    let mut lab = args.job.lab()?;
    if args.latency && lab.is_of_table() {
        return Err(LabError::NoCosts.into());
    }
    if let Some(objective) = args.objective {
        lab.aim_at(objective)?;
    }
    let mut printer = ProgressPrinter::new(goal(&lab));
    let epochs = args.job.epochs_to_go(&lab);
    let targets = lab.targets();
    let given = Budget {
        candidates: args.budget_candidates.map(|candidates| candidates as usize),
        seconds: args.budget_seconds.map(u64::from),
    };
    let budget = Budget {
        candidates: given.candidates.or(targets.budget.candidates),
        seconds: given.seconds.or(targets.budget.seconds),
    };
    let wanted = match (args.iterations, targets.iterations) {
        (Some(iterations), _) => iterations,
        // A new budget is not to end at an older number of iterations.
        (None, _) if given != Budget::default() => MOST as u32,
        (None, earlier) => earlier.unwrap_or(DEFAULT_ITERATIONS),
    };
    let candidates = args.candidates.map(|candidates| candidates as usize);
    let candidates = candidates.or(targets.candidates).unwrap_or(DEFAULT_CANDIDATES);
    // First of all, so that what cannot be met costs nothing.
    args.steering.steer(&mut lab)?;
    // Also for a run that is killed before the search begins.
    lab.aim(Targets {
        epochs: targets.epochs,
        iterations: Some(wanted),
        candidates: Some(candidates),
        budget,
    })?;
    if job::train_missing(&mut lab, epochs, &control, &mut printer)? {
        let iterations = wanted.saturating_sub(lab.iterations());
        let report = &mut |report| printer.print(&report);
        lab.work(Plan::Search { iterations, candidates, budget }, &control, report)?;
    }
    printer.finish();
    job::conclude(&lab, args.job.json, args.latency, &control)
}
