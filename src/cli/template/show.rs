//! `nas-navigator template show`: the layers of a sound template.

use super::{CostReport, clean, group, summary, table};
use crate::{
    cli::{job::load_template, output},
    engine::{candidate, template::NodeId},
    format::compact,
};
use anyhow::Result;
use serde::Serialize;
use std::process::ExitCode;

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

pub(super) fn show(name: &str, json: bool) -> Result<ExitCode> {
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
    output::data(&(head + &table(&rows, 4..6) + &group::lines(&template.layout)))?;
    Ok(ExitCode::SUCCESS)
}
