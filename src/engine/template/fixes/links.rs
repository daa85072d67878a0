//! Links that lead to nothing, back, in circles, or that are missing.

use super::{MOST_CHOICES, connect, delete, fix};
use crate::engine::template::{
    Analysis, Edit, Fix, Link, Node, NodeId, ProblemKind, Template, analysis::reachable,
};
use std::collections::HashSet;

/// How many ids a misspelt one is compared with.
const MOST_COMPARED: usize = 2_000;

/// The node that is meant by `id`, which is this one or nearly so: half of its letters at least are right.
pub(super) fn nearest(template: &Template, analysis: &Analysis, id: &NodeId) -> Option<NodeId> {
    if analysis.index.contains_key(id) {
        return Some(id.clone());
    }
    let distance = |node: &Node| strsim::damerau_levenshtein(node.id.as_str(), id.as_str());
    let nearest =
        template.network.nodes.iter().take(MOST_COMPARED).min_by_key(|node| distance(node))?;
    let distance = distance(nearest);
    (distance <= 2 && 2 * distance <= id.as_str().chars().count()).then(|| nearest.id.clone())
}

/// A link that names what is no node.
pub(super) fn dangling(template: &Template, analysis: &Analysis, link: &Link) -> Vec<Fix> {
    let mut fixes = Vec::new();
    let nearest = |id: &NodeId| nearest(template, analysis, id);
    if let (Some(from), Some(to)) = (nearest(&link.0), nearest(&link.1))
        && from != to
        && !template.network.links.contains(&Link(from.clone(), to.clone()))
    {
        fixes.push(fix(
            format!("link `{from}` to `{to}` instead"),
            vec![Edit::Disconnect(link.clone()), connect(&from, &to)],
        ));
    }
    fixes.push(fix(format!("delete the link {link}"), vec![Edit::Disconnect(link.clone())]));
    fixes
}

/// Of two nodes of one layer that are linked, the one that is fed gets a layer behind it.
pub(super) fn within_layer(template: &Template, link: &Link) -> Vec<Fix> {
    let (Some(to), delete) = (
        template.node(&link.1),
        fix(format!("delete the link {link}"), vec![Edit::Disconnect(link.clone())]),
    ) else {
        return Vec::new();
    };
    let Some(behind) = to.layer.checked_add(1) else { return vec![delete] };
    let edits = vec![
        Edit::InsertLayer { at: behind },
        Edit::SetLayer { node: link.1.clone(), layer: behind },
    ];
    vec![fix(format!("give `{}` a layer of its own behind it", link.1), edits), delete]
}

/// A circle is opened where a link leads back to an earlier layer, otherwise at its end.
pub(super) fn cycle(template: &Template, analysis: &Analysis, nodes: &[NodeId]) -> Vec<Fix> {
    let layer =
        |id: &NodeId| analysis.index.get(id).map(|&place| template.network.nodes[place].layer);
    let there: HashSet<_> =
        template.network.links.iter().map(|Link(from, to)| (from, to)).collect();
    let mut links: Vec<_> = nodes
        .iter()
        .zip(nodes.iter().cycle().skip(1))
        .filter(|&(from, to)| there.contains(&(from, to)))
        .map(|(from, to)| Link(from.clone(), to.clone()))
        .collect();
    links.reverse();
    links.sort_by_key(|Link(from, to)| layer(from) < layer(to));
    links
        .into_iter()
        .take(MOST_CHOICES)
        .map(|link| fix(format!("delete the link {link}"), vec![Edit::Disconnect(link)]))
        .collect()
}

/// A node that no path from the input to the output leads through is linked to what stands nearest, or goes.
pub(super) fn loose(
    template: &Template,
    analysis: &Analysis,
    id: &NodeId,
    kind: &ProblemKind,
) -> Vec<Fix> {
    let (Some(&place), Some(input), Some(output)) =
        (analysis.index.get(id), analysis.input, analysis.output)
    else {
        return vec![delete(id)];
    };
    let layer = template.network.nodes[place].layer;
    let fed = reachable(input, &analysis.targets);
    let leads = reachable(output, &analysis.sources);
    let before = template
        .network
        .nodes
        .iter()
        .enumerate()
        .filter(|&(other, node)| fed[other] && node.layer < layer && other != output)
        .max_by_key(|(_, node)| node.layer)
        .map(|(_, node)| &node.id);
    let after = template
        .network
        .nodes
        .iter()
        .enumerate()
        .filter(|&(other, node)| leads[other] && node.layer > layer && other != input)
        .min_by_key(|(_, node)| node.layer)
        .map(|(_, node)| &node.id);
    let mut edits = Vec::new();
    let mut words = Vec::new();
    if !matches!(kind, ProblemKind::LeadsNowhere)
        && let Some(from) = before
    {
        edits.push(connect(from, id));
        words.push(format!("link `{from}` to it"));
    }
    if !matches!(kind, ProblemKind::NotFed)
        && let Some(to) = after
    {
        edits.push(connect(id, to));
        words.push(format!("link it to `{to}`"));
    }
    let wanted = if matches!(kind, ProblemKind::Apart) { 2 } else { 1 };
    let mut fixes = Vec::new();
    if edits.len() == wanted {
        fixes.push(fix(words.join(" and "), edits));
    }
    // The ends of a template cannot go.
    if place != input && place != output {
        fixes.push(delete(id));
    }
    fixes
}
