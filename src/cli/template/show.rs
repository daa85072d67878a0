//! `nas-navigator template show`: the layers of a sound template.

use super::{CostReport, clean, group, summary, table};
use crate::{
    cli::{job::load_template, output},
    engine::{
        candidate::{self, Space},
        ops::{Facts, Op},
        seed,
        template::{Link, NodeId},
    },
    format::compact,
};
use anyhow::Result;
use serde::Serialize;
use std::{collections::BTreeMap, process::ExitCode};

/// The output of `show`.
#[derive(Debug, Serialize)]
struct ShowReport {
    name: String,
    /// Channels, height and width of each example.
    input: [usize; 3],
    /// Values at the output.
    outputs: usize,
    layers: Vec<LayerReport>,
    /// In the order of slots, for each node that they enter.
    links: Vec<Link>,
    /// What candidates keep, of which as many were drawn as were asked for.
    candidates: Vec<Vec<NodeId>>,
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
    operations: Vec<OperationReport>,
    trainable: bool,
    output: String,
    cost: CostReport,
}

#[derive(Debug, Serialize)]
struct OperationReport {
    operation: &'static str,
    /// As on the brick.
    face: String,
    /// The values of all arguments, also of those that files leave out.
    arguments: BTreeMap<&'static str, serde_json::Value>,
}

impl NodeReport {
    /// What stands on the brick for each operation, or for the way it merges where it has none.
    fn faces(&self) -> String {
        let faces: Vec<_> = self.operations.iter().map(|op| op.face.as_str()).collect();
        if faces.is_empty() { self.merge.to_owned() } else { faces.join(", ") }
    }
}

impl From<&Op> for OperationReport {
    fn from(op: &Op) -> Self {
        let argument = |facts: Facts| Some((facts.name, (&op.get(facts.name)?).into()));
        Self {
            operation: op.keyword(),
            face: op.face().to_string(),
            arguments: op.fields().into_iter().filter_map(argument).collect(),
        }
    }
}

pub(super) fn show(name: &str, draws: u32, json: bool) -> Result<ExitCode> {
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
                        operations: own.ops.iter().map(Into::into).collect(),
                        trainable: own.trainable,
                        output: graph.output_shape(node).to_string(),
                        cost: graph.cost(node).into(),
                    }
                })
                .collect(),
        })
        .collect();
    if json {
        let sampler = Space::whole(graph).single_path_sampler();
        let draw = |number| {
            let kept = sampler.draw(&mut seed::rng(1, "show", number));
            kept.iter().map(|node| graph.id(node).clone()).collect()
        };
        output::json(&ShowReport {
            name: template.name.clone(),
            input: graph.image_shape(),
            outputs: graph.classes(),
            layers,
            links: graph.network().links.clone(),
            candidates: (0..u64::from(draws)).map(draw).collect(),
        })?;
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
                format!("{}{frozen}", node.faces()),
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
