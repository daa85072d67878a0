//! Inputs and outputs: none, several, or with channels that are last.

use super::{connect, fix};
use crate::engine::{
    ops::{Input, Op, Value},
    template::{Analysis, Edit, Fix, Node, NodeId, Template},
};

pub(super) fn add_input(template: &Template, analysis: &Analysis) -> Fix {
    let id = template.free_id("input");
    let edge = |places: &[Vec<usize>]| -> Vec<NodeId> {
        let loose = template.network.nodes.iter().zip(places).filter(|(_, links)| links.is_empty());
        loose.map(|(node, _)| node.id.clone()).collect()
    };
    let layer = template.network.nodes.iter().map(|node| node.layer).min().unwrap_or(1);
    let mut edits = Vec::new();
    if layer == 0 {
        edits.push(Edit::InsertLayer { at: 0 });
    }
    let op = Op::Input(Input { shape: [1, 28, 28] });
    edits.push(Edit::Add(Node::new(id.clone(), layer.saturating_sub(1), vec![op])));
    edits.extend(edge(&analysis.sources).iter().map(|to| connect(&id, to)));
    fix("add an input of 1×28×28 images before the first bricks", edits)
}

pub(super) fn add_output(template: &Template, analysis: &Analysis) -> Fix {
    let id = template.free_id("output");
    let last = template.network.nodes.iter().map(|node| node.layer).max().unwrap_or(0);
    let ends = template.network.nodes.iter().zip(&analysis.targets).filter(|(_, to)| to.is_empty());
    let mut edits =
        vec![Edit::Add(Node::new(id.clone(), last.saturating_add(1), vec![Op::Output]))];
    edits.extend(ends.map(|(node, _)| connect(&node.id, &id)));
    fix("add an output behind the last bricks", edits)
}

/// Of several inputs or outputs, which are the operations that are `wanted`, the first stays.
pub(super) fn keep_first(template: &Template, name: &str, wanted: fn(&Op) -> bool) -> Fix {
    let ends = template.network.nodes.iter().flat_map(|node| {
        node.ops.keyed().filter(|(_, op)| wanted(op)).map(move |(key, _)| (node, key))
    });
    let surplus = ends.skip(1).map(|(node, key)| {
        let id = node.id.clone();
        // A brick that would be empty goes.
        if node.ops.len() == 1 {
            Edit::Remove { nodes: vec![id], heal: false }
        } else {
            Edit::RemoveOp { node: id, key }
        }
    });
    fix(format!("keep the first {name} only"), surplus.collect())
}

/// The shape of an input, with its channels first.
pub(super) fn channels_first(template: &Template, id: &NodeId, shape: [usize; 3]) -> Option<Fix> {
    let key = template.node(id)?.ops.keyed().next()?.0;
    let value = Value::Sizes(shape.map(|side| side as i64).into());
    let [channels, height, width] = shape;
    let edit = Edit::SetField { node: id.clone(), key, field: "shape".to_owned(), value };
    Some(fix(format!("make the shape ({channels}, {height}, {width})"), vec![edit]))
}
