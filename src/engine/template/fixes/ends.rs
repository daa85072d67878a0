//! Inputs and outputs: none, several, or with channels that are last.

use super::{connect, fix, links::nearest};
use crate::engine::{
    ops::{Input, Op, Value},
    template::{Analysis, Edit, Fix, Link, Node, NodeId, Template},
};
use std::{cmp::Reverse, collections::HashSet};

pub(super) fn add_input(template: &Template, analysis: &Analysis) -> Fix {
    let id = missing_end(template, analysis, |Link(from, to)| [from, to])
        .unwrap_or_else(|| template.free_id("input"));
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
    let there = linked(template, |link| (link.0 == id).then_some(&link.1));
    let loose = edge(&analysis.sources);
    edits.extend(loose.iter().filter(|to| !there.contains(to)).map(|to| connect(&id, to)));
    fix(format!("add an input of 1×28×28 images, `{id}`, before the first bricks"), edits)
}

pub(super) fn add_output(template: &Template, analysis: &Analysis) -> Fix {
    let id = missing_end(template, analysis, |Link(from, to)| [to, from])
        .unwrap_or_else(|| template.free_id("output"));
    let last = template.network.nodes.iter().map(|node| node.layer).max().unwrap_or(0);
    let ends = template.network.nodes.iter().zip(&analysis.targets).filter(|(_, to)| to.is_empty());
    let mut edits =
        vec![Edit::Add(Node::new(id.clone(), last.saturating_add(1), vec![Op::Output]))];
    let there = linked(template, |link| (link.1 == id).then_some(&link.0));
    let loose = ends.filter(|(node, _)| !there.contains(&node.id));
    edits.extend(loose.map(|(node, _)| connect(&node.id, &id)));
    fix(format!("add an output, `{id}`, behind the last bricks"), edits)
}

/// What links call an input or output that is missing: the first id of no node that stands at their outer ends only.
/// `ends` gives the outer end of a link and the inner one.
fn missing_end(
    template: &Template,
    analysis: &Analysis,
    ends: fn(&Link) -> [&NodeId; 2],
) -> Option<NodeId> {
    let links = &template.network.links;
    let inner: HashSet<_> = links.iter().map(|link| ends(link)[1]).collect();
    // What is nearly the id of a node is a slip of the pen.
    let is_missing = |id: &NodeId| {
        !analysis.index.contains_key(id)
            && !inner.contains(id)
            && nearest(template, analysis, id).is_none()
    };
    let mut outer = links.iter().map(|link| ends(link)[0]);
    outer.find(|id| is_missing(id) && !id.as_str().trim().is_empty()).cloned()
}

/// The nodes at the other ends of links.
fn linked<'a>(
    template: &'a Template,
    other: impl Fn(&'a Link) -> Option<&'a NodeId>,
) -> HashSet<&'a NodeId> {
    template.network.links.iter().filter_map(other).collect()
}

/// Of several inputs or outputs, which are the operations that are `wanted`, one stays: the one with the fewest links on
/// the outer side, then with the most on the inner one, then with the fewest other operations; of equals, the first.
pub(super) fn keep_one(
    template: &Template,
    name: &str,
    wanted: fn(&Op) -> bool,
    [outer, inner]: [&[Vec<usize>]; 2],
) -> Fix {
    let ends = template.network.nodes.iter().enumerate().flat_map(|(place, node)| {
        node.ops.keyed().filter(|(_, op)| wanted(op)).map(move |(key, _)| (place, node, key))
    });
    let mut ends: Vec<_> = ends.collect();
    ends.sort_by_key(|&(place, node, _)| {
        let [outer, inner] = [outer, inner].map(|links| links.get(place).map_or(0, Vec::len));
        (outer, Reverse(inner), node.ops.len())
    });
    let kept = ends.first().map_or_else(String::new, |(_, node, _)| node.id.to_string());
    let surplus = ends.into_iter().skip(1).map(|(_, node, key)| {
        let id = node.id.clone();
        // A brick that would be empty goes.
        if node.ops.len() == 1 {
            Edit::Remove { nodes: vec![id], heal: false }
        } else {
            Edit::RemoveOp { node: id, key }
        }
    });
    fix(format!("keep the {name} of `{kept}` only"), surplus.collect())
}

/// The shape of an input, with its channels first.
pub(super) fn channels_first(template: &Template, id: &NodeId, shape: [usize; 3]) -> Option<Fix> {
    let key = template.node(id)?.ops.keyed().next()?.0;
    let value = Value::Sizes(shape.map(|side| side as i64).into());
    let [channels, height, width] = shape;
    let edit = Edit::SetField { node: id.clone(), key, field: "shape".to_owned(), value };
    Some(fix(format!("make the shape ({channels}, {height}, {width})"), vec![edit]))
}
