//! `nas-navigator runs`: lists and shows run folders without changing them, edits the template of one, and merges the shares
//! of its verification.

use super::{
    arguments::{self, Device, RunsFolder},
    job::load_template,
    output,
    progress::goal,
    report::RunReport,
};
use crate::{
    engine::{
        device::DeviceChoice,
        lab::{Caution, Lab, MergedShares, MissingShare},
        named::by_name,
        run,
        search::Objective,
        study::{Edited, Inherited},
        template::{Checked, NodeId, TemplateDiff},
    },
    format::{Goal, Quality, counted},
};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{
    path::Component,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Arguments of `runs`.
#[derive(Debug, Args)]
#[command(mut_arg("runs", |runs| runs.global(true)))]
pub(super) struct RunsArgs {
    #[command(subcommand)]
    command: RunsCommand,
    #[command(flatten)]
    runs: RunsFolder,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    /// One line per run.
    List,
    /// The report of one run.
    Show {
        /// Name of the run, or its folder.
        #[arg(value_parser = arguments::path())]
        run: PathBuf,
        /// Tell how the run was after the first K of its events, which are the lines of its journal.
        #[arg(long, value_name = "K", conflicts_with = "latency")]
        events: Option<usize>,
        /// Time the best candidates, too.
        #[arg(long)]
        latency: bool,
        #[command(flatten)]
        device: Device,
    },
    /// Go on with an edited template: what is known of the nodes that stay is kept.
    Edit {
        /// Name of the run, or its folder.
        #[arg(value_parser = arguments::path())]
        run: PathBuf,
        /// Scene file, or name of a preset.
        #[arg(long, value_name = "FILE|PRESET")]
        template: String,
    },
    /// Record in a run what the shares of its verification have found out.
    Merge {
        /// Name of the run, or its folder.
        #[arg(value_parser = arguments::path())]
        run: PathBuf,
        /// Files of shares that were trained elsewhere; those in the run's folder are merged in any case.
        #[arg(value_name = "FILE", value_parser = arguments::path())]
        files: Vec<PathBuf>,
    },
}

/// The output of `runs edit`.
#[derive(Debug, Serialize)]
struct EditReport {
    kept: Vec<NodeId>,
    /// Nodes of an earlier template that have their weights again.
    back: Vec<NodeId>,
    added: Vec<NodeId>,
    changed: Vec<NodeId>,
    dropped: Vec<NodeId>,
    /// New nodes that begin with the weights of nodes like them.
    weights_inherited: Vec<Inherited>,
    candidates_kept: usize,
    candidates_retired: usize,
    /// Those that lacked a node before, which is back.
    candidates_returned: usize,
    /// Nodes that went in earlier edits, and whose weights there was no more room for.
    weights_forgotten: usize,
    /// Pinned and forbidden nodes that the template lacks.
    steering_rests: Vec<NodeId>,
    candidates_to_evaluate_again: usize,
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
    /// What the best is: accuracy, or R² where numbers are predicted.
    measure: Quality,
    best_proxy_accuracy: Option<f64>,
    /// What the search makes large, and the best of that.
    #[serde(serialize_with = "by_name")]
    objective: Objective,
    best_proxy: Option<f64>,
    /// Whether all candidates have that, so that none is best.
    tie: bool,
    /// Why results are not worth what they seem to be.
    cautions: Vec<Caution>,
}

impl RunLine {
    /// Whether the best means less than it seems to.
    fn is_doubtful(&self) -> bool {
        self.best_proxy.is_some() && !self.cautions.is_empty()
    }
}

pub(super) fn execute(args: RunsArgs) -> Result<ExitCode> {
    let runs = &args.runs.runs;
    match args.command {
        RunsCommand::List => list(runs, args.json),
        RunsCommand::Show { run, events, latency, device } => {
            let lab = Lab::open(&folder(runs, run), device.device)?;
            let mut report = match events {
                Some(events) => RunReport::at(&lab, events)?,
                None => RunReport::new(&lab),
            };
            if latency {
                report.time(&lab)?;
            }
            report.print(args.json)?;
            Ok(ExitCode::SUCCESS)
        }
        RunsCommand::Edit { run, template } => {
            edit(&folder(runs, run), load_template(&template)?, args.json)
        }
        RunsCommand::Merge { run, files } => merge(&folder(runs, run), &files, args.json),
    }
}

/// The folder of the run with this name, in this folder, or of which this is a file such as its `run.ron`. A name is
/// first looked for among `runs`; what has several parts is a path.
pub(super) fn folder(runs: &Path, run: PathBuf) -> PathBuf {
    let is_run = |folder: &Path| folder.join("run.ron").exists();
    let named = runs.join(&run);
    let is_name = matches!(*run.components().collect::<Vec<_>>(), [Component::Normal(_)]);
    match run.parent() {
        _ if is_name && is_run(&named) => named,
        Some(parent) if run.is_file() && is_run(parent) => parent.to_owned(),
        _ if is_name && !is_run(&run) => named,
        _ => run,
    }
}

fn edit(folder: &Path, template: Checked, json: bool) -> Result<ExitCode> {
    let mut lab = Lab::open_to_write(folder, DeviceChoice::Cpu)?;
    let (template, fitted) = lab.study().fit(template);
    for edit in fitted {
        output::message(&format!("note: as the data of the run is, {edit}"));
    }
    let moved = template.template() != lab.template();
    let edited = lab.edit(template)?;
    if edited.is_none() {
        let what = if moved { "only its looks are taken over" } else { "nothing is changed" };
        output::message(&format!("this is the network that the run has already; {what}"));
    }
    if json {
        let edited = edited.unwrap_or_else(|| lab.unedited());
        let Edited {
            nodes: TemplateDiff { kept, added, changed, dropped },
            back,
            inherited,
            valid,
            retired,
            returned,
            forgotten,
            resting,
            stale,
        } = edited;
        output::json(&EditReport {
            kept,
            back,
            added,
            changed,
            dropped,
            weights_inherited: inherited,
            candidates_kept: valid,
            candidates_retired: retired,
            candidates_returned: returned,
            weights_forgotten: forgotten,
            steering_rests: resting,
            candidates_to_evaluate_again: stale,
        })?;
    } else if let Some(edited) = edited {
        output::data(&format!("{edited}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn merge(folder: &Path, files: &[PathBuf], json: bool) -> Result<ExitCode> {
    let mut lab = Lab::open_to_write(folder, DeviceChoice::Cpu)?;
    let merged = lab.merge_shares(files)?;
    for why in &merged.refused {
        output::message(&format!("error: {why}"));
    }
    if json {
        output::json(&merged)?;
    } else {
        output::data(&text_of_merge(&merged, folder))?;
    }
    Ok(if merged.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What has come of a merge, and what to do next; what was refused is told apart from it.
fn text_of_merge(shares: &MergedShares, run: &Path) -> String {
    let MergedShares { merged, known, left_out, refused, missing } = shares;
    let mut text = format!(
        "{} merged, {known} known already\n",
        counted(merged.len(), "result is", "results are")
    );
    for why in left_out {
        text += &format!("left out: {why}\n");
    }
    for MissingShare { share, epochs, candidates } in missing {
        let ids: Vec<_> = candidates.iter().map(ToString::to_string).collect();
        let epochs = counted(*epochs, "epoch", "epochs");
        text += &format!("missing: share {share}, {epochs} of candidates {}\n", ids.join(" "));
    }
    if missing.is_empty() && refused.is_empty() {
        text += &format!("all shares are merged: nas-navigator verify {}\n", run.display());
    }
    text
}

fn list(runs: &Path, json: bool) -> Result<ExitCode> {
    let mut lines = Vec::new();
    let mut damaged = false;
    for folder in run::list(runs)? {
        match Lab::open_briefly(&folder) {
            Ok(lab) => lines.push(summary(&folder, &lab)),
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
            let goal = Goal { quality: line.measure, objective: line.objective };
            let mark = if line.is_doubtful() { " !" } else { "" };
            let best = line.best_proxy.map_or_else(|| "-".to_owned(), |best| goal.text(best));
            let mut what = if line.best_proxy.is_none() || line.objective.is_default() {
                String::new()
            } else {
                format!(" ({})", goal.name())
            };
            if line.tie {
                what += " (all tie)";
            }
            text += &format!(
                "{:<width$} {:>6} {:>10} {:>9} {:>7}{what}{mark}\n",
                line.name, line.epochs, line.iterations, line.evaluated, best
            );
        }
        if lines.iter().any(RunLine::is_doubtful) {
            text += "! means less than it seems to: `runs show NAME` says why\n";
        }
        output::data(&text)?;
    }
    Ok(if damaged { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn summary(folder: &Path, lab: &Lab) -> RunLine {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let best = lab.best().and_then(|best| best.evaluation);
    let objective = lab.objective();
    RunLine {
        name: name.unwrap_or_default(),
        template: lab.template().name.clone(),
        data: lab.settings().data.to_string(),
        seed: lab.settings().seed,
        epochs: lab.epochs(),
        iterations: lab.iterations(),
        evaluated: lab.evaluated(),
        measure: goal(lab).quality,
        best_proxy_accuracy: best.map(|best| best.accuracy),
        objective,
        best_proxy: best.map(|best| objective.figure(&best)),
        tie: lab.tie().is_some(),
        cautions: lab.cautions(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_run_is_found_by_its_name_its_folder_and_a_file_in_it() {
        let outer = tempfile::tempdir().expect("a folder");
        let runs = outer.path().join("runs");
        let (mine, other) = (runs.join("mine"), outer.path().join("other"));
        for run in [&mine, &other] {
            fs::create_dir_all(run.join("weights")).expect("is made");
            fs::write(run.join("run.ron"), "()").expect("is written");
        }
        for (given, wanted) in [
            (PathBuf::from("mine"), &mine),
            (PathBuf::from("mine/"), &mine),
            (mine.clone(), &mine),
            (mine.join("run.ron"), &mine),
            (other.clone(), &other),
            (other.join("run.ron"), &other),
            (PathBuf::from("nothing"), &runs.join("nothing")),
            (PathBuf::from("no/thing"), &PathBuf::from("no/thing")),
            (mine.join("weights"), &mine.join("weights")),
        ] {
            assert_eq!(folder(&runs, given), *wanted);
        }
    }
}
