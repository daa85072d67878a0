//! `nas-navigator template stamps`, `paste` and `copy`: parts of templates.

use super::{ProblemReport, clean, keep_and_save, problem_reports, read, table};
use crate::{
    cli::output,
    engine::{
        files,
        template::{Edit, Fragment, NodeId, Template, stamps, to_ron},
    },
    format::counted,
};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Arguments of `template paste`.
#[derive(Debug, Args)]
pub(super) struct PasteArgs {
    /// Scene file; with `--output`, the name of a preset will do.
    file: String,
    /// File of a stamp, or name of one that comes with the program.
    #[arg(value_name = "FILE|STAMP")]
    stamp: String,
    /// The nodes that feed it. Links from these to those that it feeds give way to it.
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    after: Vec<String>,
    /// The nodes that it feeds.
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    before: Vec<String>,
    /// Write the template here instead.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Arguments of `template copy`.
#[derive(Debug, Args)]
pub(super) struct CopyArgs {
    /// Scene file, or name of a preset.
    #[arg(value_name = "FILE|PRESET")]
    template: String,
    /// The nodes.
    #[arg(value_name = "ID", required = true)]
    nodes: Vec<String>,
    /// The file of the stamp to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

/// A line of `stamps`.
#[derive(Debug, Serialize)]
struct StampReport {
    name: &'static str,
    about: String,
    nodes: usize,
    links: usize,
    /// The nodes that are fed from outside, and those that feed what is outside.
    heads: Vec<NodeId>,
    tails: Vec<NodeId>,
}

pub(super) fn list(json: bool) -> Result<ExitCode> {
    let mut reports = Vec::new();
    for stamp in stamps() {
        let Fragment { template, heads, tails } = stamp.fragment()?;
        let (nodes, links) = (template.network.nodes.len(), template.network.links.len());
        let (name, about) = (stamp.name, template.about);
        reports.push(StampReport { name, about, nodes, links, heads, tails });
    }
    if json {
        output::json(&reports)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows =
        vec![["stamp", "nodes", "links", "heads", "tails", "what it is"].map(str::to_owned)];
    rows.extend(reports.into_iter().map(|report| {
        [
            report.name.to_owned(),
            report.nodes.to_string(),
            report.links.to_string(),
            report.heads.len().to_string(),
            report.tails.len().to_string(),
            report.about,
        ]
    }));
    output::data(&table(&rows, 1..5))?;
    Ok(ExitCode::SUCCESS)
}

/// The stamp called `name`: a file, or else one that comes with the program.
fn find_stamp(name: &str) -> Result<Fragment> {
    let path = files::expand_home(Path::new(name));
    if path.exists() && !path.is_dir() {
        return Ok(Fragment::load(&path)?);
    }
    let known = stamps();
    let Some(stamp) = known.iter().find(|stamp| stamp.name == name) else {
        let names: Vec<_> = known.iter().map(|stamp| stamp.name).collect();
        bail!(
            "there is no file {name}, nor a stamp of that name; the stamps are {}",
            names.join(", ")
        );
    };
    Ok(stamp.fragment()?)
}

/// The nodes of a template that are called so; `what` says for what they were given.
pub(super) fn nodes_of(
    template: &Template,
    name: &str,
    ids: &[String],
    what: &str,
) -> Result<Vec<NodeId>> {
    let ids: Vec<_> = ids.iter().map(|id| NodeId::new(id.trim())).collect();
    if let Some(missing) = ids.iter().find(|id| template.node(id).is_none()) {
        bail!(
            "{what} names `{missing}`, which is no node of {name}; `template check` lists its nodes"
        );
    }
    Ok(ids)
}

/// The output of `paste`.
#[derive(Debug, Serialize)]
struct PasteReport {
    file: PathBuf,
    /// The ids of the new nodes, in the order of the stamp.
    nodes: Vec<NodeId>,
    /// The problems of the template that there is now.
    problems: Vec<ProblemReport>,
}

pub(super) fn paste(args: PasteArgs, json: bool) -> Result<ExitCode> {
    let PasteArgs { file, stamp, after, before, output: to } = args;
    let path = files::expand_home(Path::new(&file));
    let (name, _, template) = read(&file)?;
    if to.is_none() && !path.is_file() {
        bail!("{file} is a preset, which stays as it is; say with --output where to write");
    }
    let fragment = find_stamp(&stamp)?;
    let from = nodes_of(&template, &name, &after, "--after")?;
    let to_feed = nodes_of(&template, &name, &before, "--before")?;
    let edit = Edit::Paste { fragment, from, to: to_feed, position: None };
    let pasted = template.edited(&[edit])?;
    let nodes: Vec<_> = pasted.network.nodes[template.network.nodes.len()..]
        .iter()
        .map(|node| node.id.clone())
        .collect();
    let problems = pasted.analysis().problems;
    let to = keep_and_save(&path, to, &pasted)?;
    if json {
        let problems = problem_reports(&problems, &to_ron(&pasted)?);
        output::json(&PasteReport { file: to, nodes, problems })?;
        return Ok(ExitCode::SUCCESS);
    }
    let ids: Vec<_> = nodes.iter().map(NodeId::as_str).collect();
    let state = match problems.len() {
        0 => "the template has no problem".to_owned(),
        count => format!(
            "the template has {} now; `template check` tells",
            counted(count, "problem", "problems")
        ),
    };
    output::data(&clean(&format!("pasted {}\n", ids.join(", "))))?;
    output::data(&format!("{}: {state}\n", to.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The output of `copy`.
#[derive(Debug, Serialize)]
struct CopyReport {
    file: PathBuf,
    nodes: usize,
    links: usize,
    heads: Vec<NodeId>,
    tails: Vec<NodeId>,
}

pub(super) fn copy(args: CopyArgs, json: bool) -> Result<ExitCode> {
    let CopyArgs { template, nodes, output: to } = args;
    let to = files::expand_home(&to);
    if to.exists() {
        bail!("{} exists; choose another name, or delete it", to.display());
    }
    let (name, _, template) = read(&template)?;
    let nodes = nodes_of(&template, &name, &nodes, "the list")?;
    let mut fragment = Fragment::of(&template, &nodes)?;
    if let Some(stem) = to.file_stem() {
        fragment.template.name = stem.to_string_lossy().into_owned();
    }
    fragment.save(&to).with_context(|| format!("cannot copy from {name}"))?;
    let Fragment { template, heads, tails } = fragment;
    let (nodes, links) = (template.network.nodes.len(), template.network.links.len());
    if json {
        output::json(&CopyReport { file: to, nodes, links, heads, tails })?;
        return Ok(ExitCode::SUCCESS);
    }
    output::data(&format!(
        "wrote {}: {}, {}, {} to be fed, {} that feed on\n",
        to.display(),
        counted(nodes, "node", "nodes"),
        counted(links, "link", "links"),
        heads.len(),
        tails.len()
    ))?;
    Ok(ExitCode::SUCCESS)
}
