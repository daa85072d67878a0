//! `nas-navigator verify`: retrains candidates from scratch, to see how well their proxies rank them.

use super::{
    arguments::{self, Device, RunsFolder},
    job, output,
    progress::{ProgressPrinter, goal},
    runs,
};
use crate::{
    engine::{
        command::VerifySettings,
        data::DataSource,
        kendall::Kendall,
        lab::{Lab, Plan, ShareStanding, Verification},
        run::Share,
    },
    format::{Goal, Quality, counted},
};
use anyhow::Result;
use clap::Args;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Name of the run, or its folder.
    #[arg(value_parser = arguments::path())]
    run: PathBuf,
    /// How many of the best candidates.
    #[arg(long, value_name = "N", default_value_t = 5)]
    top: usize,
    /// How many of the other evaluated candidates, drawn with the seed of the run.
    #[arg(long, value_name = "N", default_value_t = 5)]
    random: usize,
    /// Epochs of training for each [default: as many as the supernet was trained].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=job::MOST))]
    epochs: Option<u32>,
    /// Where the data of the run is now, if it has moved.
    #[arg(long, value_name = "DATA")]
    data: Option<DataSource>,
    /// Train only share I of N of them, from 1 to N, beside processes that train the others: the run is only read, and `runs
    /// merge` records in it what the shares have found out.
    #[arg(long, value_name = "I/N")]
    share: Option<Share>,
    #[command(flatten)]
    device: Device,
    #[command(flatten)]
    runs: RunsFolder,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: VerifyArgs) -> Result<ExitCode> {
    let control = job::control_with_signals()?;
    let folder = runs::folder(&args.runs.runs, args.run);
    let mut lab = match args.share {
        None => Lab::open_to_write(&folder, args.device.device)?,
        Some(_) => Lab::open(&folder, args.device.device)?,
    };
    if let Some(data) = args.data {
        lab.move_data(data);
    }
    let settings = VerifySettings {
        top: args.top,
        random: args.random,
        epochs: args.epochs.map(|epochs| epochs as usize),
    };
    let plan = match args.share {
        None => Plan::Verify(settings),
        Some(share) => Plan::VerifyShare(settings, share),
    };
    let mut printer = ProgressPrinter::new(goal(&lab));
    let stopped = lab.work(plan, &control, &mut |report| printer.print(&report))?;
    printer.finish();
    if let Some(share) = args.share {
        let standing = lab.share_standing(settings, share)?;
        let printed = if args.json {
            output::json(&standing)
        } else {
            output::data(&text_of_share(&standing, &folder))
        };
        return job::exit_code(stopped, printed);
    }
    let verification = lab.verification(Some(settings.epochs.unwrap_or(lab.epochs())));
    let printed = match &verification {
        _ if args.json => output::json(&verification),
        Some(verification) => output::data(&text(verification, goal(&lab).quality)),
        None => Ok(()),
    };
    job::exit_code(stopped, printed)
}

/// How far a share is, and what to do once all are done.
fn text_of_share(standing: &ShareStanding, run: &Path) -> String {
    let ShareStanding { share, file, epochs, done, missing } = standing;
    let all = counted(done.len() + missing.len(), "candidate is", "candidates are");
    let (done, epochs) = (done.len(), counted(*epochs, "epoch", "epochs"));
    let next = if missing.is_empty() {
        format!("once all shares are: nas-navigator runs merge {}", run.display())
    } else {
        "the same command goes on".to_owned()
    };
    format!(
        "share {share}: {done} of {all} retrained for {epochs}, see {}; {next}\n",
        file.display()
    )
}

/// The table of a verification, and what it says.
pub(super) fn text(verification: &Verification, quality: Quality) -> String {
    let goal = Goal { quality, objective: verification.objective };
    let name = goal.name();
    let mut text = format!("{:>9} {:>8} {:>9}  ({name})\n", "candidate", "proxy", "retrained");
    for candidate in &verification.candidates {
        text += &format!(
            "{:>9} {:>8} {:>9}\n",
            candidate.candidate.0,
            goal.text(candidate.proxy),
            goal.text(candidate.retrained)
        );
    }
    text += &match verification.kendall {
        Some(Kendall { tau, low, high, count }) => {
            let interval = if low < high {
                format!("95 % interval {low:.2} to {high:.2}")
            } else {
                "no interval, since resamples do not differ".to_owned()
            };
            let epochs = counted(verification.epochs, "epoch", "epochs");
            format!(
                "Kendall's tau of {name} {tau:.2}, {interval}, {count} candidates retrained for {epochs}\n"
            )
        }
        None => format!("Kendall's tau of {name}: too few candidates, or none that differ\n"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{candidate::CandidateId, lab::Verified, search::Objective};

    #[test]
    fn the_figures_are_those_of_the_objective_and_are_named() {
        let verified = |candidate, proxy, retrained| Verified {
            candidate: CandidateId(candidate),
            proxy,
            retrained,
            proxy_accuracy: 0.9,
            retrained_accuracy: 0.8,
            params: 1,
            flops: 1,
            seconds: 1.0,
        };
        let candidates = vec![verified(7, 0.25, 0.125), verified(3, 0.5, f64::NAN)];
        let kendall = Some(Kendall { tau: 0.5, low: -0.25, high: 0.75, count: 5 });
        let verification =
            Verification { epochs: 2, objective: Objective::Loss, candidates, kendall };
        let told = text(&verification, Quality::Accuracy);
        let lines: Vec<_> =
            told.lines().map(|l| l.split_whitespace().collect::<Vec<_>>()).collect();
        assert_eq!(lines[0], ["candidate", "proxy", "retrained", "(loss)"]);
        assert_eq!(lines[1], ["7", "0.2500", "0.1250"]);
        assert_eq!(lines[2], ["3", "0.5000", "not", "a", "number"]);
        assert!(told.contains("Kendall's tau of loss 0.50, 95 % interval -0.25 to 0.75"), "{told}");
        let balanced = Verification { objective: Objective::BalancedAccuracy, ..verification };
        let told = text(&balanced, Quality::Accuracy);
        assert!(told.contains("(balanced accuracy)") && told.contains("25.0 %"), "{told}");
    }
}
