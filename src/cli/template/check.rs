//! `nas-navigator template check`: all there is to say of a template, right or wrong.

use super::{CostReport, PLACED, ProblemReport, clean, group, problem_reports, read, summary};
use crate::{
    cli::output,
    engine::{
        candidate,
        template::{self, Fix, Graph, NodeId},
    },
    format::counted,
};
use anyhow::Result;
use serde::Serialize;
use std::{collections::HashMap, process::ExitCode, sync::Arc};

/// The output of `check`.
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

pub(super) fn check(name: &str, json: bool) -> Result<ExitCode> {
    let (name, text, template) = read(name)?;
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
            problems: problem_reports(&analysis.problems, &text),
        })?;
        return Ok(code);
    }
    let source = text;
    let mut text = summary(&name, network, analysis.cost(), candidates);
    // All links of a node carry the same.
    let mut targets = HashMap::<_, Vec<_>>::new();
    for link in &network.links {
        targets.entry(&link.0).or_default().push(link.1.as_str());
    }
    for (place, node) in network.nodes.iter().enumerate() {
        let to = targets.get(&node.id).map_or(&[][..], Vec::as_slice);
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
    for (number, problem) in analysis.problems.iter().take(PLACED).enumerate() {
        let line = template::line_of(&source, problem);
        let line = line.map_or_else(String::new, |line| format!("line {line}: "));
        text += &clean(&format!("  {}. {line}{problem}\n", number + 1));
        for (choice, Fix { title, .. }) in problem.fixes.iter().enumerate() {
            text += &clean(&format!("       fix {}: {title}\n", choice + 1));
        }
    }
    if count > PLACED {
        text += &format!("  and {} more\n", count - PLACED);
    }
    output::data(&text)?;
    Ok(code)
}
