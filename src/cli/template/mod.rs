//! `nas-navigator template`: looks at templates, right or wrong, mends them, begins new ones, and pastes parts of one into
//! others.

mod check;
mod fix;
mod group;
mod new;
mod operations;
mod presets;
mod show;
mod stamps;

use super::job::find_template;
use crate::{
    engine::{
        candidate::SpaceSize,
        files,
        ops::Cost,
        template::{self, Network, NodeId, Problem, Template},
    },
    format::{compact, counted, grouped},
};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{
    ops::Range,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Arguments of `template`.
#[derive(Debug, Args)]
pub(super) struct TemplateArgs {
    #[command(subcommand)]
    command: TemplateCommand,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum TemplateCommand {
    /// Shapes on links, costs, the number of candidates, and all problems with their fixes. Exit code 1 if there are any.
    Check {
        /// Scene file, or name of a preset.
        #[arg(value_name = "FILE|PRESET")]
        template: String,
    },
    /// Mend a template: one problem by its number, or all that can be mended. The file as it was is kept as FILE.bak.
    Fix {
        /// Scene file.
        file: String,
        /// The number of the problem, as `check` lists it.
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        problem: Option<u32>,
        /// Which of the problem's fixes, as `check` lists them.
        #[arg(long, value_name = "N", default_value_t = 1, requires = "problem",
            value_parser = clap::value_parser!(u32).range(1..))]
        choice: u32,
        /// Write the mended template here instead.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Write a small sound template to begin with, or a copy of a preset.
    New {
        /// The scene file to write; it must not exist.
        file: PathBuf,
        /// The preset to copy.
        #[arg(long, value_name = "PRESET")]
        from: Option<String>,
    },
    /// A table of the layers of a sound template.
    Show {
        /// Scene file, or name of a preset.
        #[arg(value_name = "FILE|PRESET")]
        template: String,
        /// With --json, also so many candidates with at most one block of each layer, drawn as training draws them.
        #[arg(long, value_name = "N", default_value_t = 0, requires = "json")]
        candidates: u32,
    },
    /// Put bricks of a scene file into a group, and make the group where there is none of this title.
    Group(group::GroupArgs),
    /// Take bricks out of a group; the bricks stay.
    Ungroup(group::UngroupArgs),
    /// The templates that come with the program.
    Presets,
    /// The stamps that come with the program: parts of networks, to be pasted into templates.
    Stamps,
    /// Put a stamp into a template, with ids and layers of its own. The file as it was is kept as FILE.bak.
    Paste(stamps::PasteArgs),
    /// Write a part of a template as a stamp: these nodes with the links among them, and where others entered and left.
    Copy(stamps::CopyArgs),
    /// The operations that bricks can hold, with their arguments.
    Operations,
}

pub(super) fn execute(args: TemplateArgs) -> Result<ExitCode> {
    match args.command {
        TemplateCommand::Check { template } => check::check(&template, args.json),
        TemplateCommand::Fix { file, problem, choice, output } => {
            fix::fix(&file, problem.map(|number| (number, choice)), output, args.json)
        }
        TemplateCommand::New { file, from } => new::new(&file, from.as_deref(), args.json),
        TemplateCommand::Show { template, candidates } => {
            show::show(&template, candidates, args.json)
        }
        TemplateCommand::Group(own) => group::group(&own, args.json),
        TemplateCommand::Ungroup(own) => group::ungroup(&own, args.json),
        TemplateCommand::Presets => presets::list(args.json),
        TemplateCommand::Stamps => stamps::list(args.json),
        TemplateCommand::Paste(what) => stamps::paste(what, args.json),
        TemplateCommand::Copy(what) => stamps::copy(what, args.json),
        TemplateCommand::Operations => operations::list(args.json),
    }
}

/// A template that may be wrong: the name under which messages speak of it, its text, and what that says.
fn read(name: &str) -> Result<(String, String, Template)> {
    let path = files::expand_home(Path::new(name));
    if path.exists() && !path.is_dir() {
        let (name, text) = files::read_text(&path)?;
        let template = template::read(&name, &text)?;
        return Ok((name, text, template));
    }
    // A preset, or a message that says what there is.
    let (checked, _) = find_template(name)?;
    let template = checked.template().clone();
    Ok((name.to_owned(), template::to_ron(&template)?, template))
}

/// The template in a scene file, which may be wrong: the file, the name under which messages speak of it, the text, the
/// template.
fn read_file(file: &str) -> Result<(PathBuf, String, String, Template)> {
    let path = files::expand_home(Path::new(file));
    if !path.is_file() {
        bail!("{file} is no file; presets cannot be changed, and `template new` copies one");
    }
    let (name, text) = files::read_text(&path)?;
    let template = template::read(&name, &text)?;
    Ok((path, name, text, template))
}

/// Writes a template that has been changed to `to`, or to the file that it is from. What was there is kept as FILE.bak.
/// Where it was written.
fn keep_and_save(from: &Path, to: Option<PathBuf>, template: &Template) -> Result<PathBuf> {
    let to = to.map_or_else(|| from.to_owned(), |to| files::expand_home(&to));
    if to.exists() {
        files::check_replaceable(&to)?;
        let mut kept = to.clone().into_os_string();
        kept.push(".bak");
        std::fs::copy(&to, &kept)
            .with_context(|| format!("cannot keep {} as it was", to.display()))?;
    }
    template::save(&to, template)?;
    Ok(to)
}

#[derive(Debug, Serialize)]
struct CostReport {
    parameters: u64,
    flops: u64,
}

impl From<Cost> for CostReport {
    fn from(cost: Cost) -> Self {
        Self { parameters: cost.params, flops: cost.flops }
    }
}

/// For how many problems their line is looked for, each in the whole text: for those that are given their fixes at once.
const PLACED: usize = template::WITH_FIXES;

#[derive(Debug, Serialize)]
struct ProblemReport {
    /// The line of the file; `null` where it is not known, and from the 21st problem on.
    line: Option<usize>,
    nodes: Vec<NodeId>,
    what: String,
    fix: String,
    /// What `template fix` can do, by number; empty from the 21st problem on, for which it is worked out when asked for.
    fixes: Vec<String>,
}

/// Problems of the template that `text` writes.
fn problem_reports(problems: &[Problem], text: &str) -> Vec<ProblemReport> {
    problems
        .iter()
        .enumerate()
        .map(|(place, problem)| ProblemReport {
            line: (place < PLACED).then(|| template::line_of(text, problem)).flatten(),
            nodes: problem.nodes.clone(),
            what: problem.what.clone(),
            fix: problem.fix.clone(),
            fixes: problem.fixes.iter().map(|fix| fix.title.clone()).collect(),
        })
        .collect()
}

/// Ids may hold anything, ends of lines included.
fn clean(line: &str) -> String {
    let (body, end) = line.split_at(line.len() - usize::from(line.ends_with('\n')));
    body.replace(char::is_control, " ") + end
}

fn summary(name: &str, network: &Network, cost: Cost, candidates: Option<SpaceSize>) -> String {
    let size = match candidates {
        Some(size) => match size.exact().and_then(|count| u64::try_from(count).ok()) {
            Some(count) => format!(", {} candidates", grouped(count)),
            None => format!(", {size} candidates"),
        },
        None => String::new(),
    };
    clean(&format!(
        "{name}: {}, {}, {} parameters, {} FLOPs per image{size}\n",
        counted(network.nodes.len(), "node", "nodes"),
        counted(network.links.len(), "link", "links"),
        compact(cost.params),
        compact(cost.flops),
    ))
}

/// Rows under one another, these columns to the right.
fn table<const N: usize>(rows: &[[String; N]], numbers: Range<usize>) -> String {
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| {
                if numbers.contains(&column) {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            })
            .collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}
