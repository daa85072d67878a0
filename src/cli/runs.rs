//! `nas-navigator runs`: lists and shows run folders, without changing them.

use super::{output, report::RunReport};
use crate::{
    engine::{
        device::DeviceChoice,
        lab::Lab,
        run::{self, Event, Run, RunError},
    },
    format,
};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Arguments of `runs`.
#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    #[command(subcommand)]
    command: RunsCommand,
    /// Folder that holds the runs.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "runs",
        env = "NAS_NAVIGATOR_RUNS"
    )]
    runs: PathBuf,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    /// One line a run.
    List,
    /// The report of one run.
    Show {
        /// Name of the run, or its folder.
        run: PathBuf,
    },
}

/// A line of `runs list`.
#[derive(Debug, Serialize)]
struct RunLine {
    name: String,
    template: String,
    data: String,
    seed: u64,
    epochs: usize,
    iterations: u32,
    evaluated: usize,
    best_proxy_accuracy: Option<f64>,
}

pub(super) fn execute(args: RunsArgs) -> Result<ExitCode> {
    match args.command {
        RunsCommand::List => list(&args.runs, args.json),
        RunsCommand::Show { run } => {
            let folder = if run.exists() { run } else { args.runs.join(run) };
            RunReport::new(&Lab::open(&folder, DeviceChoice::Auto)?).print(args.json)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(runs: &Path, json: bool) -> Result<ExitCode> {
    let mut lines = Vec::new();
    let mut damaged = false;
    for (folder, opened) in run::list(runs)? {
        match opened.and_then(summary) {
            Ok(line) => lines.push(line),
            Err(error) => {
                damaged = true;
                output::message(&format!("error: {}: {error}", folder.display()));
            }
        }
    }
    if json {
        output::json(&lines)?;
    } else if lines.is_empty() && !damaged {
        output::message(&format!(
            "no runs in {}; `nas-navigator search` makes one",
            runs.display()
        ));
    } else {
        let width = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0).max(4);
        let mut text = format!(
            "{:<width$} {:>6} {:>10} {:>9} {:>7}\n",
            "run", "epochs", "iterations", "evaluated", "best"
        );
        for line in &lines {
            let best = line.best_proxy_accuracy.map_or_else(|| "-".to_owned(), format::percent);
            text += &format!(
                "{:<width$} {:>6} {:>10} {:>9} {:>7}\n",
                line.name, line.epochs, line.iterations, line.evaluated, best
            );
        }
        output::data(&text)?;
    }
    Ok(if damaged { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn summary(mut run: Run) -> Result<RunLine, RunError> {
    let config = run.config();
    let mut line = RunLine {
        name: run.name(),
        template: config.template.clone(),
        data: config.data.to_string(),
        seed: config.seed,
        epochs: 0,
        iterations: 0,
        evaluated: 0,
        best_proxy_accuracy: None,
    };
    let mut evaluated = std::collections::BTreeSet::new();
    for entry in run.journal()? {
        match entry.event {
            Event::Epoch(epoch) => line.epochs = epoch.epoch,
            Event::Iteration { iteration, .. } => line.iterations = iteration,
            Event::Evaluated { id, accuracy, .. } => {
                evaluated.insert(id);
                line.best_proxy_accuracy =
                    Some(line.best_proxy_accuracy.map_or(accuracy, |best| best.max(accuracy)));
            }
            _ => {}
        }
    }
    line.evaluated = evaluated.len();
    Ok(line)
}
