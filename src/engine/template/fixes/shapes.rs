//! Shapes that meet at a node and cannot be joined.

use super::{MOST_CHOICES, fix};
use crate::engine::{
    ops::{ActivationFunction, ConvBlock, Dense, MOST, Merge, Op, Pair, Reshape, Shape, Value},
    template::{Analysis, Edit, Fix, Link, Node, NodeId, Template},
};
use std::{cmp::Reverse, collections::HashMap};

/// What meets at a node is given the shape that most of it has; where that cannot be, another of the shapes.
pub(super) fn join(template: &Template, analysis: &Analysis, id: &NodeId) -> Vec<Fix> {
    let Some(&node) = analysis.index.get(id) else { return Vec::new() };
    let shapes: Vec<_> = analysis.sources[node]
        .iter()
        .filter_map(|&source| Some((source, analysis.nodes[source].output?)))
        .collect();
    let mut counts = HashMap::<Shape, usize>::new();
    let mut wanted = Vec::new();
    for &(_, shape) in &shapes {
        let count = counts.entry(shape).or_default();
        *count += 1;
        if *count == 1 {
            wanted.push(shape);
        }
    }
    // Stable: of those that occur equally often, the first. Each of them is tried at all links.
    wanted.sort_by_key(|shape| Reverse(counts[shape]));
    wanted.truncate(MOST_CHOICES);
    let mut fixes = Vec::new();
    for wanted in wanted {
        let others: Vec<_> = shapes.iter().copied().filter(|&(_, shape)| shape != wanted).collect();
        // A concatenation takes any widths.
        if template.network.nodes[node].merge != Merge::Concatenate
            && let Some(edits) = match_widths(template, &others, wanted)
        {
            fixes.push(fix(format!("make all of them {wanted} by their filters or units"), edits));
        }
        if let Some(edits) = project(template, node, &others, wanted) {
            fixes.push(fix(format!("project the others to {wanted}"), edits));
        }
    }
    fixes.truncate(MOST_CHOICES - 1);
    // Those of the rarest shape can go.
    let rarest = shapes.iter().min_by_key(|(_, shape)| counts[shape]).map(|&(_, shape)| shape);
    let rare: Vec<_> = shapes.iter().filter(|&&(_, shape)| Some(shape) == rarest).collect();
    let feeds_more =
        |source: usize| analysis.targets[source].len() > 1 && analysis.sources[node].len() > 1;
    let link = |source: usize| Link(template.network.nodes[source].id.clone(), id.clone());
    let gone = rare.iter().filter_map(|&&(source, _)| {
        if feeds_more(source) {
            let link = link(source);
            Some(fix(format!("delete the link {link}"), vec![Edit::Disconnect(link)]))
        } else {
            delete_with_feeders(template, analysis, &[source])
        }
    });
    // Where several have that shape, it takes all of them.
    if rare.len() == 1 {
        fixes.extend(gone.collect::<Vec<_>>());
    }
    if let [(_, shape), _, ..] = rare[..]
        && rare.len() < shapes.len()
    {
        let (linked, alone): (Vec<_>, Vec<_>) =
            rare.iter().map(|&&(source, _)| source).partition(|&source| feeds_more(source));
        let mut edits: Vec<_> = linked.into_iter().map(link).map(Edit::Disconnect).collect();
        let deleted = delete_with_feeders(template, analysis, &alone);
        if alone.is_empty() || deleted.is_some() {
            edits.extend(deleted.into_iter().flat_map(|fix| fix.edits));
            fixes.push(fix(format!("cut off all {} that bring {shape}", rare.len()), edits));
        }
    }
    fixes
}

/// Deletes nodes and all that feeds nothing else.
fn delete_with_feeders(template: &Template, analysis: &Analysis, nodes: &[usize]) -> Option<Fix> {
    let all = &template.network.nodes;
    let first = &all[*nodes.first()?].id;
    let mut goes = vec![false; all.len()];
    for &node in nodes {
        goes[node] = true;
    }
    for &other in analysis.order.iter().rev() {
        let targets = &analysis.targets[other];
        goes[other] |= !targets.is_empty() && targets.iter().all(|&target| goes[target]);
    }
    // The ends of a template cannot go.
    if analysis.input.is_some_and(|input| goes[input]) {
        return None;
    }
    let gone: Vec<_> = all.iter().zip(goes).filter(|&(_, goes)| goes).collect();
    let gone: Vec<_> = gone.into_iter().map(|(node, _)| node.id.clone()).collect();
    let more = match gone.len() {
        1 => String::new(),
        count => format!(" and {} that feed nothing else", count - 1),
    };
    let title = format!("delete `{first}`{more}");
    Some(fix(title, vec![Edit::Remove { nodes: gone, heal: false }]))
}

/// Whether two shapes differ in their width only.
fn same_sides(one: Shape, other: Shape) -> bool {
    match (one, other) {
        (Shape::Flat(_), Shape::Flat(_)) => true,
        (Shape::Image([_, h, w]), Shape::Image([_, height, width])) => (h, w) == (height, width),
        (Shape::Flat(_) | Shape::Image(_), _) => false,
    }
}

/// Sets the widths of these nodes, if they differ in that only and each has an argument that says it.
fn match_widths(
    template: &Template,
    others: &[(usize, Shape)],
    wanted: Shape,
) -> Option<Vec<Edit>> {
    let set = |&(source, shape): &(usize, Shape)| {
        same_sides(shape, wanted).then(|| set_width(template, source, wanted)).flatten()
    };
    others.iter().map(set).collect()
}

/// The most links that a fix puts projections into: each is looked for in the whole template.
const MOST_PROJECTED: usize = 100;

/// Puts a projection into each of the links from these nodes to `node`.
fn project(
    template: &Template,
    node: usize,
    others: &[(usize, Shape)],
    wanted: Shape,
) -> Option<Vec<Edit>> {
    if others.len() > MOST_PROJECTED {
        return None;
    }
    let to = &template.network.nodes[node];
    let mut named = template.clone();
    let mut edits = Vec::new();
    // Layers that were made room for, so that those behind stand where they should.
    for &(source, shape) in others {
        let op = projection(shape, wanted)?;
        let from = named.node(&template.network.nodes[source].id)?.clone();
        let behind = named.node(&to.id)?.layer;
        let layer = from.layer.checked_add(1)?;
        let mut made = Vec::new();
        if layer >= behind {
            made.push(Edit::InsertLayer { at: layer });
        }
        let id = named.free_id(&format!("{}-to-{}", from.id, to.id));
        let link = Link(from.id, to.id.clone());
        made.push(Edit::InsertOnLink { link, node: Node::new(id, layer, op) });
        made.iter().try_for_each(|edit| named.make(edit)).ok()?;
        edits.append(&mut made);
    }
    Some(edits)
}

/// Sets the width of what a node gives to that of `wanted`, if an argument of its last operation says it.
fn set_width(template: &Template, node: usize, wanted: Shape) -> Option<Edit> {
    let node = &template.network.nodes[node];
    let (key, op) = node.ops.keyed().next_back()?;
    let mut op = op.clone();
    op.width()?;
    let field = op.fields().first()?.name.to_owned();
    let value = Value::Count(wanted.channels());
    Some(Edit::SetField { node: node.id.clone(), key, field, value })
}

/// What turns activations of one shape into those of another, as a shortcut of a residual network does.
fn projection(from: Shape, to: Shape) -> Option<Vec<Op>> {
    match (from, to) {
        (Shape::Image([_, h, w]), Shape::Image([channels, height, width])) => {
            let stride = |side: usize, wanted: usize| {
                (1..=side).find(|&stride| side.div_ceil(stride) == wanted)
            };
            let mut block = ConvBlock::new(channels, 1);
            block.stride = Pair([stride(h, height)?, stride(w, width)?]);
            block.activation = ActivationFunction::Linear;
            Some(vec![block.into()])
        }
        (Shape::Flat(_), Shape::Flat(units)) => Some(vec![Dense::new(units).into()]),
        (Shape::Image(_), Shape::Flat(units)) => {
            Some(vec![Op::GlobalAveragePool, Dense::new(units).into()])
        }
        (Shape::Flat(_), Shape::Image([channels, height, width])) => {
            let units = channels.checked_mul(height)?.checked_mul(width)?;
            let shape = [channels, height, width].map(|side| side as i64).into();
            (units <= MOST).then(|| vec![Dense::new(units).into(), Reshape { shape }.into()])
        }
    }
}
