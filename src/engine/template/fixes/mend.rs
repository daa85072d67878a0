//! Mending all that can be mended.

use crate::engine::template::{Analysis, Fix, Node, NodeFacts, Problem, ProblemKind, Template};
use std::cmp::Reverse;

/// How many nodes and links are looked at, all in all, before the search for fixes ends: about a second's work.
const MOST_LOOKED_AT: usize = 800_000;

/// The template with its problems mended, each by the first of its fixes that makes the template better, and what was
/// done. Problems may be left: those that only the author can mend, and what is left of a template that has very many.
pub fn mended(template: &Template) -> (Template, Vec<(Problem, Fix)>) {
    let mut template = template.clone();
    template.place_missing();
    let mut done = Vec::new();
    let mut analysis = template.analysis();
    let size = template.network.nodes.len() + template.network.links.len();
    let mut looks = MOST_LOOKED_AT / size.max(1);
    // Further if the first stage that has problems is a later one or has fewer of them. Of circles one is told at a
    // time: there, fewer links are further. Where shapes are wrong, what is mended lets more of what is below it be
    // seen: there, fewer operations that do not fit, or whose input is not known, are further. Where all that is the same,
    // a link that was deleted may be one of several that have to go.
    let left = |template: &Template, analysis: &Analysis| {
        let first = analysis.problems.first().map(|problem| &problem.kind);
        let stage = first.map_or(u8::MAX, ProblemKind::stage);
        let circles = matches!(first, Some(ProblemKind::Cycle));
        let links = template.network.links.len();
        let of_circle = if circles { links } else { 0 };
        let count = analysis.first_problems().count();
        let unfit = |(node, facts): (&Node, &NodeFacts)| {
            let unknown = [facts.input, facts.output].into_iter().filter(Option::is_none).count();
            node.ops.len() - facts.fitting + unknown
        };
        let unfit: usize = template.network.nodes.iter().zip(&analysis.nodes).map(unfit).sum();
        let shapes = stage == ProblemKind::Merge.stage();
        let order = if shapes { [unfit, count] } else { [count, unfit] };
        (Reverse(stage), of_circle, order, links)
    };
    while !analysis.problems.is_empty() && looks > 0 {
        let before = left(&template, &analysis);
        // All at once, where that helps: a broken file has many problems of one kind.
        let (mut all, mut made) = (template.clone(), Vec::new());
        for problem in analysis.first_problems() {
            // Without a copy for each: one that is refused half-way spoils the attempt at worst, and is not told.
            if let Some(fix) = problem.fixes.first()
                && all.make_all(&fix.edits).is_ok()
            {
                made.push((problem.clone(), fix.clone()));
            }
        }
        looks -= 1;
        let after = all.analysis();
        if !made.is_empty() && left(&all, &after) < before {
            done.append(&mut made);
            (template, analysis) = (all, after);
            continue;
        }
        let choices: Vec<_> = analysis
            .first_problems()
            .flat_map(|problem| problem.fixes.iter().map(move |fix| (problem.clone(), fix.clone())))
            .collect();
        let better = choices.into_iter().find_map(|(problem, fix)| {
            looks = looks.checked_sub(1)?;
            let edited = template.edited(&fix.edits).ok()?;
            let after = edited.analysis();
            (left(&edited, &after) < before).then_some((problem, fix, edited, after))
        });
        let Some((problem, fix, edited, after)) = better else { break };
        done.push((problem, fix));
        (template, analysis) = (edited, after);
    }
    (template, done)
}
