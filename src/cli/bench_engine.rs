//! `nas-navigator bench engine`: how fast this machine trains and evaluates.

use super::{arguments::Device, job::load_template, output};
use crate::engine::speed;
use anyhow::Result;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `bench engine`.
#[derive(Debug, Args)]
pub(super) struct EngineBenchArgs {
    /// Scene file, or name of a preset.
    #[arg(long, value_name = "FILE|PRESET", default_value = speed::TEMPLATE)]
    template: String,
    #[command(flatten)]
    device: Device,
    /// Print the results as one line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &EngineBenchArgs) -> Result<ExitCode> {
    let speed = speed::measure(&load_template(&args.template)?, &args.device.device)?;
    if args.json {
        output::json_line(&speed)?;
    } else {
        output::data(&format!(
            "{} on {}, {} threads, template {}\n\
             training    {:>9.0} images/s\n\
             evaluation  {:>9.1} candidates/s over 1,024 images, ten together\n\
             \u{20}           {:>9.1} candidates/s one by one\n",
            speed.engine,
            speed.device,
            speed.threads,
            speed.template,
            speed.train_samples_per_s,
            speed.candidates_per_s_at_1024_images,
            speed.candidates_per_s_one_by_one,
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
