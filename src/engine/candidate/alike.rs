//! Alternatives that no evaluation tells apart.

use crate::engine::{
    ops::{Effect, Merge, Op},
    template::Graph,
};

/// The nodes of one layer that compute the same in evaluation, whatever else the candidate keeps: each group of two
/// or more, in the order of layers.
///
/// They have the same links and the same operations, of which none has weights of its own; what does something in
/// training only, such as dropout, does not count.
pub fn alike(graph: &Graph) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    for layer in graph.layers() {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for &node in layer.iter().filter(|&&node| is_comparable(graph, node)) {
            match groups.iter_mut().find(|group| is_same(graph, group[0], node)) {
                Some(group) => group.push(node),
                None => groups.push(vec![node]),
            }
        }
        found.extend(groups.into_iter().filter(|group| group.len() > 1));
    }
    found
}

/// Whether its place among the alternatives does not matter, and it has nothing of its own to learn.
fn is_comparable(graph: &Graph, node: usize) -> bool {
    let slots = |&target: &usize| graph.merge(target) == Merge::Concatenate;
    node != graph.input()
        && node != graph.output()
        && graph.cost(node).params == 0
        && !graph.targets(node).iter().any(slots)
}

fn is_same(graph: &Graph, a: usize, b: usize) -> bool {
    let single = graph.sources(a).len() == 1;
    graph.sources(a) == graph.sources(b)
        && graph.targets(a) == graph.targets(b)
        && (single || graph.merge(a) == graph.merge(b))
        && evaluated(graph, a).eq(evaluated(graph, b))
}

/// The operations that do something in evaluation.
fn evaluated(graph: &Graph, node: usize) -> impl Iterator<Item = &Op> {
    let passes_on =
        |op: &Op| matches!(op.effect(), Effect::PassesOn | Effect::PassesOnInEvaluation);
    graph.nodes()[node].ops.iter().filter(move |op| !passes_on(op))
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{graph_of, merging, relu},
        *,
    };
    use crate::engine::{
        ops::{
            ConvBlock,
            samples::{self, dropout},
        },
        template::BlocksPerLayer,
    };

    fn template(layer: Vec<Vec<Op>>) -> Graph {
        let last = layer.len() + 1;
        let mut nodes = vec![(0, vec![samples::input([1, 2, 2])])];
        nodes.extend(layer.into_iter().map(|ops| (1, ops)));
        nodes.push((2, vec![Op::Flatten, Op::Output]));
        let links: Vec<_> = (1..last).flat_map(|node| [(0, node), (node, last)]).collect();
        graph_of(nodes, &links, BlocksPerLayer::One)
    }

    #[test]
    fn what_differs_in_training_only_is_alike_and_what_has_weights_is_not() {
        let conv = || Op::ConvBlock(ConvBlock::new(1, 1));
        let graph = template(vec![
            vec![Op::Identity],
            vec![dropout(0.1)],
            vec![relu()],
            vec![dropout(0.5), Op::Identity],
            vec![conv()],
            vec![relu(), dropout(0.5)],
            vec![conv()],
        ]);
        assert_eq!(alike(&graph), [vec![1, 2, 4], vec![3, 6]]);
    }

    #[test]
    fn slots_of_a_concatenation_are_different_places() {
        let graph = template(vec![vec![Op::Identity], vec![dropout(0.1)]]);
        assert_eq!(alike(&graph), [vec![1, 2]]);
        assert_eq!(alike(&merging(&graph, 3, Merge::Concatenate)), Vec::<Vec<usize>>::new());
    }
}
