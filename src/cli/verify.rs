//! `nas-navigator verify`: retrains candidates from scratch, to see how well their proxy accuracies rank them.

use super::{arguments, job, output, progress::ProgressPrinter, runs};
use crate::{
    engine::{
        data::DataSource,
        device::DeviceChoice,
        kendall::Kendall,
        lab::{Lab, Verification, VerifySettings},
    },
    format::{Quality, counted},
};
use anyhow::Result;
use clap::Args;
use std::{path::PathBuf, process::ExitCode};

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
    /// Where to train: auto, cpu, cuda:N or wgpu:N.
    #[arg(long, value_name = "DEVICE", default_value = "auto", env = "NAS_NAVIGATOR_DEVICE")]
    device: DeviceChoice,
    /// Folder that holds the runs.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "runs",
        env = "NAS_NAVIGATOR_RUNS",
        value_parser = arguments::path()
    )]
    runs: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: VerifyArgs) -> Result<ExitCode> {
    let control = job::control_with_signals()?;
    let mut lab = Lab::open_to_write(&runs::folder(&args.runs, args.run), args.device)?;
    if let Some(data) = args.data {
        lab.move_data(data);
    }
    let settings = VerifySettings {
        top: args.top,
        random: args.random,
        epochs: args.epochs.map(|epochs| epochs as usize),
    };
    let mut printer = ProgressPrinter::new(Quality::of_lab(&lab));
    let stopped = lab.verify(settings, &control, &mut |report| printer.print(&report))?;
    printer.finish();
    let verification = lab.verification(Some(settings.epochs.unwrap_or(lab.epochs())));
    let printed = match &verification {
        _ if args.json => output::json(&verification),
        Some(verification) => output::data(&text(verification, Quality::of_lab(&lab))),
        None => Ok(()),
    };
    job::exit_code(stopped, printed)
}

/// The table of a verification, and what it says.
pub(super) fn text(verification: &Verification, quality: Quality) -> String {
    let mut text = format!("{:>9} {:>8} {:>9}\n", "candidate", "proxy", "retrained");
    for candidate in &verification.candidates {
        text += &format!(
            "{:>9} {:>8} {:>9}\n",
            candidate.candidate.0,
            quality.text(candidate.proxy_accuracy),
            quality.text(candidate.retrained_accuracy)
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
                "Kendall's tau {tau:.2}, {interval}, {count} candidates retrained for {epochs}\n"
            )
        }
        None => "Kendall's tau: too few candidates, or none that differ\n".to_owned(),
    };
    text
}
