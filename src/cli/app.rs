//! `nas-navigator app`: the window, or a tour through it.

use super::{
    arguments::{self, Device, RunsFolder},
    connect::ConnectArgs,
    data::DataArgs,
    job, runs,
};
use crate::{
    app::{self, AppOptions, document::Document, offscreen, settings::Settings, tour::TourOptions},
    engine::{data::DataSource, training::TrainSettings},
    signals,
};
use anyhow::{Result, bail};
use bevy::{app::AppExit, math::UVec2};
use clap::Args;
use std::{path::PathBuf, process::ExitCode};

/// Arguments of `app`, and of the program without a command.
#[derive(Debug, Args)]
#[command(after_long_help = super::data::HELP)]
pub(super) struct AppArgs {
    /// Scene file, or name of a preset; not with a table of known results, which makes its own [default: vgg11].
    #[arg(long, value_name = "FILE|PRESET", conflicts_with_all = ["run", "connect"])]
    template: Option<String>,
    /// Open the run of this name, or in this folder.
    #[arg(long, value_name = "NAME|DIR", conflicts_with = "connect", value_parser = arguments::path())]
    run: Option<PathBuf>,
    #[command(flatten, next_help_heading = "A lab elsewhere")]
    connect: ConnectArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Seed of every random draw; a run keeps its own.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "run")]
    seed: u64,
    #[command(flatten)]
    device: Device,
    /// The most of the machine's memory that the evaluation of new runs may take, such as 500M or 2G [default: half of what
    /// is free].
    #[arg(long, value_name = "BYTES", value_parser = job::bytes)]
    memory: Option<u64>,
    #[command(flatten)]
    runs: RunsFolder,
    /// Walk through the program as this file says; off-screen where there is no display.
    #[arg(long, value_name = "FILE", value_parser = arguments::path())]
    tour: Option<PathBuf>,
    /// Folder for the tour's screenshots.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "shots",
        requires = "tour",
        value_parser = arguments::path()
    )]
    shots: PathBuf,
    /// Exit when the tour is over, with code 1 if a step failed; off-screen it always does.
    #[arg(long, requires = "tour")]
    exit: bool,
    /// Size of the window or the pictures, in logical pixels.
    #[arg(long, value_name = "WxH", default_value = "1600x900", value_parser = parse_size)]
    size: UVec2,
    /// No camera moves, flights or pulses.
    #[arg(long)]
    reduced_motion: bool,
    /// Keep writing what is where on the screen to this file, for tests and scripts.
    #[arg(long, value_name = "FILE", hide = true)]
    dump_state: Option<PathBuf>,
}

/// The template on the plate where the command line does not say.
const DEFAULT_TEMPLATE: &str = "vgg11";

/// `1600x900`.
fn parse_size(text: &str) -> Result<UVec2, String> {
    let wrong = || {
        format!(
            "`{text}` is not a size; give width and height in pixels, such as {}x{}",
            offscreen::DEFAULT_SIZE.x,
            offscreen::DEFAULT_SIZE.y
        )
    };
    let (width, height) = text.split_once('x').ok_or_else(wrong)?;
    let side = |text: &str| {
        text.parse().ok().filter(|side| (320..=16384).contains(side)).ok_or_else(wrong)
    };
    Ok(UVec2::new(side(width)?, side(height)?))
}

pub(super) fn execute(args: AppArgs) -> Result<ExitCode> {
    if let Some(flag) = args.data.settled().filter(|_| args.run.is_some()) {
        bail!(
            "{flag} was settled when the run began; leave it out, or open a template without --run"
        );
    }
    if let Some(address) = &args.connect.connect
        && let Some(data) = &args.data.data
    {
        bail!("the lab at {address} has its own data; leave --data {data} out");
    }
    let lab = args.connect.options(&args.runs, true)?;
    let moved_data = args.data.data.clone().filter(|_| args.run.is_some());
    let document = match args.run {
        Some(run) => Document::of_run(&runs::folder(&args.runs.runs, run))?,
        None => match (&args.data.data, args.template) {
            (Some(DataSource::Table(_)), Some(template)) => {
                return Err(job::makes_its_own(&template));
            }
            (Some(DataSource::Table(file)), None) => {
                Document::of_table(file, args.data.read().decimal)?
            }
            (_, template) => {
                let name = template.as_deref().unwrap_or(DEFAULT_TEMPLATE);
                let (template, file) = job::find_template(name)?;
                match lab {
                    Some(lab) => Document::of_lab(lab, template),
                    None => Document::new(template, file),
                }
            }
        },
    };
    let settings = Settings {
        moved_data,
        read: args.data.read(),
        fit: args.data.fit,
        memory: args.memory,
        data: args.data.data.unwrap_or_default(),
        training: TrainSettings::default(),
        device: args.device.device,
        epochs: 3,
        iterations: 4,
        candidates: 10,
        seed: args.seed,
        runs: args.runs.runs,
        reduced_motion: args.reduced_motion,
        low_quality: false,
    };
    let tour = TourOptions {
        file: args.tour,
        shots: args.shots,
        exit: args.exit,
        dump_state: args.dump_state,
    };
    let exit = app::run(AppOptions { document, settings, tour, size: args.size })?;
    Ok(match exit {
        AppExit::Success => ExitCode::SUCCESS,
        AppExit::Error(code) => ExitCode::from(signals::exit_code().unwrap_or(code.get())),
    })
}
