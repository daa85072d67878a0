//! Edits that mend the problems of a template, a file for each stage of them.

mod ends;
mod ids;
mod links;
mod mend;
mod ops;
mod shapes;
#[cfg(test)]
mod tests;

pub use mend::mended;

use super::{Analysis, Edit, Fix, NodeId, Problem, ProblemKind, Template};
use crate::engine::ops::Op;

/// How many problems are given fixes at once: each looks at the whole template, which may have a problem per node.
pub const WITH_FIXES: usize = 20;

/// The most fixes of one problem.
const MOST_CHOICES: usize = 4;

/// What mends `problem`, which is one of the analysis of `template`; beyond the first few problems, fixes are not made
/// before they are asked for.
pub fn fixes_of(template: &Template, analysis: &Analysis, problem: &Problem) -> Vec<Fix> {
    if problem.fixes.is_empty() { of(template, analysis, problem) } else { problem.fixes.clone() }
}

/// Gives the first problems of a template their fixes.
pub(super) fn add(template: &Template, analysis: &mut Analysis) {
    let first = analysis.problems.iter().take(WITH_FIXES);
    let fixes: Vec<_> = first.map(|problem| of(template, analysis, problem)).collect();
    for (problem, fixes) in analysis.problems.iter_mut().zip(fixes) {
        problem.fixes = fixes;
    }
}

/// What mends `problem`, the least surprising first; nothing where only the author can know.
fn of(template: &Template, analysis: &Analysis, problem: &Problem) -> Vec<Fix> {
    let about = problem.nodes.first();
    let one = |fix: Option<Fix>| fix.into_iter().collect();
    match &problem.kind {
        &ProblemKind::NoId { place } => vec![ids::no_id(template, place)],
        ProblemKind::SharedId => one(about.map(|id| ids::shared_id(template, id))),
        &ProblemKind::Place { key } => one(about.and_then(|id| ops::misplaced(template, id, key))),
        ProblemKind::NoInput => vec![ends::add_input(template, analysis)],
        ProblemKind::NoOutput => vec![ends::add_output(template, analysis)],
        ProblemKind::SeveralInputs => {
            vec![ends::keep_one(
                template,
                "input",
                |op| matches!(op, Op::Input(_)),
                [&analysis.sources, &analysis.targets],
            )]
        }
        ProblemKind::SeveralOutputs => {
            vec![ends::keep_one(
                template,
                "output",
                |op| matches!(op, Op::Output),
                [&analysis.targets, &analysis.sources],
            )]
        }
        ProblemKind::LinkToNothing(link) => links::dangling(template, analysis, link),
        ProblemKind::LinkToItself(link) | ProblemKind::LinkTwice(link) => {
            vec![fix(format!("delete the link {link}"), vec![Edit::Disconnect(link.clone())])]
        }
        ProblemKind::LinkWithinLayer(link) => links::within_layer(template, link),
        ProblemKind::Cycle => links::cycle(template, analysis, &problem.nodes),
        ProblemKind::NotFed | ProblemKind::LeadsNowhere | ProblemKind::Apart => {
            about.map(|id| links::loose(template, analysis, id, &problem.kind)).unwrap_or_default()
        }
        &ProblemKind::ChannelsLast { shape } => {
            one(about.and_then(|id| ends::channels_first(template, id, shape)))
        }
        ProblemKind::Merge => {
            about.map(|id| shapes::join(template, analysis, id)).unwrap_or_default()
        }
        &ProblemKind::Op { key, input, misfit } => about
            .map(|id| ops::misfitting(template, analysis, id, key, input, misfit))
            .unwrap_or_default(),
        ProblemKind::Position => vec![forget("put it where there is room", &problem.nodes)],
        // Fragments are mended where they are written.
        ProblemKind::LooseEnd => Vec::new(),
        ProblemKind::LooksOfNothing => vec![forget_strays(analysis)],
    }
}

fn fix(title: impl Into<String>, edits: Vec<Edit>) -> Fix {
    Fix { title: title.into(), edits }
}

fn forget(title: &str, nodes: &[NodeId]) -> Fix {
    fix(title, vec![Edit::ForgetLooks { nodes: nodes.to_vec() }])
}

/// All at once: a layout may name as many as it likes.
fn forget_strays(analysis: &Analysis) -> Fix {
    let strays = analysis.problems.iter().filter(|it| it.kind == ProblemKind::LooksOfNothing);
    let nodes: Vec<_> = strays.flat_map(|problem| problem.nodes.iter().cloned()).collect();
    let title = match nodes.len() {
        1 => "take it out of the layout".to_owned(),
        count => format!("take it and {} more out of the layout", count - 1),
    };
    forget(&title, &nodes)
}

fn delete(id: &NodeId) -> Fix {
    let edit = Edit::Remove { nodes: vec![id.clone()], heal: false };
    fix(format!("delete `{id}`"), vec![edit])
}

fn connect(from: &NodeId, to: &NodeId) -> Edit {
    Edit::Connect { from: from.clone(), to: to.clone(), slot: None }
}
