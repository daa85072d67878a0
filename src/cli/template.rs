//! `nas-navigator template`: looks at templates, right or wrong, mends them, and begins new ones.

mod group;

use super::{
    job::{find_template, load_template, template_names},
    output,
};
use crate::{
    engine::{
        candidate::{self, SpaceSize},
        files,
        ops::{ActivationFunction, ConvBlock, Cost, Dense, Input, Merge, Op},
        template::{
            self, Fix, Graph, Link, Network, Node, NodeId, Problem, Template, mended, presets,
        },
    },
    format::{compact, counted, grouped},
};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
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
    },
    /// Put bricks of a scene file into a group, and make the group where there is none of this title.
    Group(group::GroupArgs),
    /// Take bricks out of a group; the bricks stay.
    Ungroup(group::UngroupArgs),
    /// The templates that come with the program.
    Presets,
    /// The operations that bricks can hold, with their arguments.
    Operations,
}

pub(super) fn execute(args: TemplateArgs) -> Result<ExitCode> {
    match args.command {
        TemplateCommand::Check { template } => check(&template, args.json),
        TemplateCommand::Fix { file, problem, choice, output } => {
            fix(&file, problem.map(|number| (number, choice)), output, args.json)
        }
        TemplateCommand::New { file, from } => new(&file, from.as_deref()),
        TemplateCommand::Show { template } => show(&template, args.json),
        TemplateCommand::Group(own) => group::group(&own, args.json),
        TemplateCommand::Ungroup(own) => group::ungroup(&own, args.json),
        TemplateCommand::Presets => list_presets(args.json),
        TemplateCommand::Operations => list_operations(args.json),
    }
}

/// A template that may be wrong, and the name under which messages speak of it.
fn read(name: &str) -> Result<(String, Template)> {
    let path = files::expand_home(Path::new(name));
    if path.exists() && !path.is_dir() {
        let (name, text) = files::read_text(&path)?;
        let template = template::read(&name, &text)?;
        return Ok((name, template));
    }
    // A preset, or a message that says what there is.
    let (checked, _) = find_template(name)?;
    Ok((name.to_owned(), checked.template().clone()))
}

/// The template in a scene file, which may be wrong: the file, the name under which messages speak of it, the template.
fn read_file(file: &str) -> Result<(PathBuf, String, Template)> {
    let path = files::expand_home(Path::new(file));
    if !path.is_file() {
        bail!("{file} is no file; presets cannot be changed, and `template new` copies one");
    }
    let (name, text) = files::read_text(&path)?;
    let template = template::read(&name, &text)?;
    Ok((path, name, template))
}

/// Writes an edited template to its file, which is kept as it was.
fn save_over(path: &Path, template: &Template) -> Result<()> {
    let mut kept = path.to_owned().into_os_string();
    kept.push(".bak");
    std::fs::copy(path, &kept)
        .with_context(|| format!("cannot keep {} as it was", path.display()))?;
    Ok(template::save(path, template)?)
}

/// What `check` prints.
#[derive(Debug, Serialize)]
struct CheckReport<'a> {
    name: String,
    nodes: usize,
    links: Vec<LinkReport>,
    cost: CostReport,
    /// How many candidates there are; `null` where there are problems.
    candidates: Option<String>,
    groups: Vec<group::GroupReport<'a>>,
    problems: Vec<ProblemReport>,
}

#[derive(Debug, Serialize)]
struct LinkReport {
    from: NodeId,
    to: NodeId,
    /// What travels along it; `null` where that is not known.
    shape: Option<String>,
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

#[derive(Debug, Serialize)]
struct ProblemReport {
    nodes: Vec<NodeId>,
    what: String,
    fix: String,
    /// What `template fix` can do, by number.
    fixes: Vec<String>,
}

impl From<&Problem> for ProblemReport {
    fn from(problem: &Problem) -> Self {
        Self {
            nodes: problem.nodes.clone(),
            what: problem.what.clone(),
            fix: problem.fix.clone(),
            fixes: problem.fixes.iter().map(|fix| fix.title.clone()).collect(),
        }
    }
}

/// The most problems that are listed as text.
const MOST_LISTED: usize = 20;

fn check(name: &str, json: bool) -> Result<ExitCode> {
    let (name, template) = read(name)?;
    let analysis = template.analysis();
    let network = &*template.network;
    let sound = analysis.problems.is_empty();
    let graph = if sound { Graph::new(Arc::clone(&template.network)).ok() } else { None };
    let candidates = graph.as_ref().map(candidate::count);
    let code = if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if json {
        output::json(&CheckReport {
            name: template.name.clone(),
            nodes: network.nodes.len(),
            links: network
                .links
                .iter()
                .map(|link| LinkReport {
                    from: link.0.clone(),
                    to: link.1.clone(),
                    shape: analysis.on_link(link).map(|shape| shape.to_string()),
                })
                .collect(),
            cost: analysis.cost().into(),
            candidates: candidates.map(|size| size.to_string()),
            groups: group::reports(&template.layout),
            problems: analysis.problems.iter().map(Into::into).collect(),
        })?;
        return Ok(code);
    }
    let mut text = summary(&name, network, analysis.cost(), candidates);
    // All links of a node carry the same.
    for (place, node) in network.nodes.iter().enumerate() {
        let to: Vec<_> = network
            .links
            .iter()
            .filter(|link| link.0 == node.id)
            .map(|link| link.1.as_str())
            .collect();
        if to.is_empty() {
            continue;
        }
        let shape = analysis.nodes[place].output.map_or("?".to_owned(), |shape| shape.to_string());
        text += &clean(&format!("  {} → {shape} → {}\n", node.id, to.join(", ")));
    }
    let count = analysis.problems.len();
    if count > 0 {
        text += &format!("{}:\n", counted(count, "problem", "problems"));
    }
    for (number, problem) in analysis.problems.iter().take(MOST_LISTED).enumerate() {
        text += &clean(&format!("  {}. {problem}\n", number + 1));
        for (choice, Fix { title, .. }) in problem.fixes.iter().enumerate() {
            text += &clean(&format!("       fix {}: {title}\n", choice + 1));
        }
    }
    if count > MOST_LISTED {
        text += &format!("  and {} more\n", count - MOST_LISTED);
    }
    output::data(&text)?;
    Ok(code)
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

/// What `fix` prints.
#[derive(Debug, Serialize)]
struct FixReport {
    file: PathBuf,
    done: Vec<String>,
    problems_left: Vec<ProblemReport>,
}

fn fix(
    file: &str,
    wanted: Option<(u32, u32)>,
    to: Option<PathBuf>,
    json: bool,
) -> Result<ExitCode> {
    let (path, name, template) = read_file(file)?;
    let analysis = template.analysis();
    let (fixed, done) = match wanted {
        None => {
            let (fixed, done) = mended(&template);
            let told = |(problem, fix): &(Problem, Fix)| format!("{}: {}", problem.what, fix.title);
            (fixed, done.iter().map(told).collect())
        }
        Some((number, choice)) => {
            let count = analysis.problems.len();
            let Some(problem) = analysis.problems.get(number as usize - 1) else {
                bail!(
                    "{name} has {}; `template check` lists them",
                    counted(count, "problem", "problems")
                );
            };
            let Some(Fix { title, edits }) = problem.fixes.get(choice as usize - 1) else {
                bail!(
                    "problem {number} has {}: {problem}",
                    counted(problem.fixes.len(), "fix", "fixes")
                );
            };
            (template.edited(edits)?, vec![format!("{}: {title}", problem.what)])
        }
    };
    let left = fixed.analysis().problems;
    let to = to.unwrap_or_else(|| path.clone());
    if !done.is_empty() {
        if to == path {
            save_over(&path, &fixed)?;
        } else {
            template::save(&to, &fixed)?;
        }
    }
    if json {
        let problems_left = left.iter().map(Into::into).collect();
        output::json(&FixReport { file: to, done, problems_left })?;
    } else {
        let mut text: String = done.iter().map(|line| clean(&format!("{line}\n"))).collect();
        if done.is_empty() {
            text += "nothing was mended\n";
        }
        let left = match left.len() {
            0 => "no problem is left".to_owned(),
            1 => "one problem is left; `template check` tells it".to_owned(),
            count => format!("{count} problems are left; `template check` tells them"),
        };
        output::data(&format!("{text}{}: {left}\n", to.display()))?;
    }
    Ok(if left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn new(file: &Path, from: Option<&str>) -> Result<ExitCode> {
    let file = files::expand_home(file);
    if file.exists() {
        bail!("{} exists; choose another name, or delete it", file.display());
    }
    let template = match from {
        Some(preset) => {
            let preset =
                presets().into_iter().find(|known| known.name == preset).with_context(|| {
                    format!("there is no preset {preset}; the presets are {}", template_names())
                })?;
            preset.template()?
        }
        None => starter(file.file_stem().map_or("template".into(), |stem| stem.to_string_lossy())),
    };
    template::save(&file, &template)?;
    output::data(&format!("wrote {}\n", file.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// One layer of three convolutions between an input and a classifier: the smallest template with something to search.
fn starter(name: impl Into<String>) -> Template {
    let nodes = [
        ("input", 0, vec![Op::Input(Input { shape: [1, 28, 28] })]),
        ("conv-1x1", 1, vec![ConvBlock::new(16, 1).into()]),
        ("conv-3x3", 1, vec![ConvBlock::new(16, 3).into()]),
        ("conv-5x5", 1, vec![ConvBlock::new(16, 5).into()]),
        (
            "head",
            2,
            vec![
                Op::GlobalAveragePool,
                Dense { activation: ActivationFunction::Relu, ..Dense::new(32) }.into(),
                Dense::new(10).into(),
            ],
        ),
        ("output", 3, vec![Op::Output]),
    ];
    let convolutions = ["conv-1x1", "conv-3x3", "conv-5x5"];
    let link = |from: &str, to: &str| Link(from.into(), to.into());
    let links = convolutions
        .iter()
        .map(|to| link("input", to))
        .chain(convolutions.iter().map(|from| link(from, "head")))
        .chain([link("head", "output")])
        .collect();
    let nodes = nodes.into_iter().map(|(id, layer, ops)| Node::new(id, layer, ops)).collect();
    let network = Network { nodes, links, ..Network::default() };
    Template {
        about: "One layer of convolutions of three sizes, to begin with.".to_owned(),
        ..Template::new(name, network)
    }
}

/// A layer of `show`.
#[derive(Debug, Serialize)]
struct LayerReport {
    layer: u32,
    nodes: Vec<NodeReport>,
}

#[derive(Debug, Serialize)]
struct NodeReport {
    id: NodeId,
    label: Option<String>,
    group: Option<String>,
    merge: &'static str,
    operations: Vec<String>,
    trainable: bool,
    output: String,
    cost: CostReport,
}

fn show(name: &str, json: bool) -> Result<ExitCode> {
    let checked = load_template(name)?;
    let (template, graph) = (checked.template(), checked.graph());
    let layers: Vec<_> = graph
        .layers()
        .iter()
        .map(|nodes| LayerReport {
            layer: nodes.first().map_or(0, |&node| graph.nodes()[node].layer),
            nodes: nodes
                .iter()
                .map(|&node| {
                    let own = &graph.nodes()[node];
                    let group = template.layout.group_of(&own.id);
                    NodeReport {
                        id: own.id.clone(),
                        label: template.label(&own.id).map(str::to_owned),
                        group: group.map(|group| group.title.clone()),
                        merge: own.merge.name(),
                        operations: own.faces().iter().map(ToString::to_string).collect(),
                        trainable: own.trainable,
                        output: graph.output_shape(node).to_string(),
                        cost: graph.cost(node).into(),
                    }
                })
                .collect(),
        })
        .collect();
    if json {
        output::json(&layers)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows =
        vec![["layer", "brick", "operations", "output", "parameters", "FLOPs"].map(str::to_owned)];
    for layer in &layers {
        for (place, node) in layer.nodes.iter().enumerate() {
            let frozen = if node.trainable { "" } else { ", frozen" };
            rows.push([
                if place == 0 { layer.layer.to_string() } else { String::new() },
                clean(node.id.as_str()),
                format!("{}{frozen}", node.operations.join(", ")),
                node.output.clone(),
                compact(node.cost.parameters),
                compact(node.cost.flops),
            ]);
        }
    }
    let candidates = Some(candidate::count(graph));
    let cost = graph.total_cost(0..graph.len());
    let head = summary(name, graph.network(), cost, candidates);
    output::data(&(head + &table(&rows) + &group::lines(&template.layout)))?;
    Ok(ExitCode::SUCCESS)
}

/// Rows under one another, numbers of the last two columns to the right.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
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
                if column + 2 >= N { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            })
            .collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// A line of `presets`.
#[derive(Debug, Serialize)]
struct PresetReport {
    name: &'static str,
    about: String,
    nodes: usize,
    links: usize,
    candidates: String,
    cost: CostReport,
}

fn list_presets(json: bool) -> Result<ExitCode> {
    let mut reports = Vec::new();
    for preset in presets() {
        let checked = preset.checked()?;
        let graph = checked.graph();
        reports.push(PresetReport {
            name: preset.name,
            about: checked.template().about.clone(),
            nodes: graph.len(),
            links: graph.network().links.len(),
            candidates: candidate::count(graph).to_string(),
            cost: graph.total_cost(0..graph.len()).into(),
        });
    }
    if json {
        output::json(&reports)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![
        ["preset", "what it is", "nodes", "links", "candidates", "parameters", "FLOPs"]
            .map(str::to_owned),
    ];
    rows.extend(reports.iter().map(|report| {
        [
            report.name.to_owned(),
            report.about.clone(),
            report.nodes.to_string(),
            report.links.to_string(),
            report.candidates.clone(),
            compact(report.cost.parameters),
            compact(report.cost.flops),
        ]
    }));
    output::data(&table(&rows))?;
    Ok(ExitCode::SUCCESS)
}

/// An operation of `operations`.
#[derive(Debug, Serialize)]
struct OperationReport {
    /// What it is called in scene files.
    name: &'static str,
    family: &'static str,
    what: &'static str,
    arguments: Vec<ArgumentReport>,
}

#[derive(Debug, Serialize)]
struct ArgumentReport {
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    values: String,
    /// What a brick from the palette has.
    example: String,
}

fn list_operations(json: bool) -> Result<ExitCode> {
    let operations = Op::examples().into_iter().map(|op| OperationReport {
        name: op.keyword(),
        family: op.family().name(),
        what: op.what(),
        arguments: op
            .fields()
            .into_iter()
            .map(|facts| ArgumentReport {
                name: facts.name,
                what: facts.tip,
                unit: facts.unit,
                values: facts.kind.wanted(),
                example: op.get(facts.name).map(|value| value.to_string()).unwrap_or_default(),
            })
            .collect(),
    });
    let merges = Merge::ALL.map(|merge| OperationReport {
        name: merge.keyword(),
        family: Merge::FAMILY.name(),
        what: merge.what(),
        arguments: Vec::new(),
    });
    let reports: Vec<_> = operations.chain(merges).collect();
    if json {
        output::json(&reports)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for OperationReport { name, what, arguments, .. } in &reports {
        text += &format!("{name}: {what}\n");
        for argument in arguments {
            let ArgumentReport { name, what, values, example, .. } = argument;
            text += &format!("    {name}: {what}; {values}; for example {example}\n");
        }
    }
    output::data(&text)?;
    Ok(ExitCode::SUCCESS)
}
