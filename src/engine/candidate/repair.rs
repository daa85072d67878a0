//! Turns any mask into a valid candidate that differs from it as little as it can.

use super::super::{mask::Mask, template::Graph};
use std::cmp::Ordering;

/// The kept nodes that lie on a kept path from the input to the output; empty if there is no such path.
///
/// # Panics
/// If the mask is for another number of nodes.
pub fn prune(graph: &Graph, mask: &Mask) -> Mask {
    let mut from_input = Mask::empty(graph.len());
    for &node in graph.order() {
        let fed = node == graph.input()
            || graph.sources(node).iter().any(|&source| from_input.contains(source));
        if fed && mask.contains(node) {
            from_input.insert(node);
        }
    }
    let mut on_a_path = Mask::empty(graph.len());
    for &node in graph.order().iter().rev() {
        let used = node == graph.output()
            || graph.targets(node).iter().any(|&target| on_a_path.contains(target));
        if used && from_input.contains(node) {
            on_a_path.insert(node);
        }
    }
    on_a_path
}

/// The valid candidate nearest to `mask`, as far as cheap rules find it; a valid mask comes back unchanged.
///
/// 1. Input and output are kept, nodes on no kept path are pruned. If the layers are within the limit and
///    something is left, that is the result.
/// 2. Otherwise a *spine* is chosen: the path from input to output that keeps the most kept nodes and adds
///    the fewest others (kept minus added is largest); among equals the one with the highest total
///    `score`. It runs through kept nodes only, where such a path exists.
/// 3. Round the spine, each layer keeps its kept nodes with the highest `score` up to the limit (ties: the
///    lower index), and what then dangles is pruned.
///
/// The result is valid whenever links lead from lower to higher layers. In a template in which every path
/// from input to output runs through one layer more often than its limit allows there is no valid
/// candidate at all; a path is returned then, and [`problem`](super::problem) says what is wrong with it.
pub fn repair(graph: &Graph, mask: &Mask, score: &dyn Fn(usize) -> f64) -> Mask {
    let mut wanted = mask.clone();
    wanted.insert(graph.input());
    wanted.insert(graph.output());
    let pruned = prune(graph, &wanted);
    let room = Room::new(graph);
    if !pruned.is_empty() {
        if room.admits(&pruned) {
            return pruned;
        }
        wanted = pruned;
    }
    let everything = Mask::full(graph.len());
    let spine = Spine::new(graph, &wanted, &wanted, score)
        .within(&room)
        .or_else(|| Spine::new(graph, &wanted, &everything, score).within(&room))
        .unwrap_or_else(|| Spine::new(graph, &wanted, &everything, score).best());

    let mut kept = spine.clone();
    for (layer, nodes) in graph.layers().iter().enumerate() {
        let mut others: Vec<_> = nodes
            .iter()
            .copied()
            .filter(|&node| wanted.contains(node) && !spine.contains(node))
            .collect();
        others.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
        let taken = nodes.iter().filter(|&&node| spine.contains(node)).count();
        others.truncate(room.limit[layer].saturating_sub(taken));
        for node in others {
            kept.insert(node);
        }
    }
    prune(graph, &kept)
}

/// How many nodes each layer may keep.
struct Room<'a> {
    graph: &'a Graph,
    limit: Vec<usize>,
}

impl<'a> Room<'a> {
    fn new(graph: &'a Graph) -> Self {
        let blocks = graph.template().blocks_per_layer;
        Self {
            graph,
            limit: graph.layers().iter().map(|layer| blocks.limit(layer.len())).collect(),
        }
    }

    fn admits(&self, mask: &Mask) -> bool {
        let mut used = vec![0; self.limit.len()];
        for node in mask.iter() {
            used[self.graph.layer_of(node)] += 1;
        }
        used.iter().zip(&self.limit).all(|(used, limit)| used <= limit)
    }
}

/// How good a path is: kept nodes less added ones, then the total score.
#[derive(Clone, Copy)]
struct Worth {
    kept: i64,
    score: f64,
}

impl Worth {
    fn compare(&self, other: &Self) -> Ordering {
        self.kept.cmp(&other.kept).then(self.score.total_cmp(&other.score))
    }
}

/// Paths from input to output through `allowed` nodes, best first.
struct Spine<'a> {
    graph: &'a Graph,
    /// For each node that reaches the output: the worth of the best way there.
    worth: Vec<Option<Worth>>,
}

/// Steps after which the search for a path within the limits gives up. Only templates whose links lead
/// back to an earlier layer ever need more than one step a node.
const MAX_STEPS: usize = 20_000;

impl<'a> Spine<'a> {
    fn new(graph: &'a Graph, wanted: &Mask, allowed: &Mask, score: &dyn Fn(usize) -> f64) -> Self {
        let mut worth: Vec<Option<Worth>> = vec![None; graph.len()];
        for &node in graph.order().iter().rev().filter(|&&node| allowed.contains(node)) {
            let onward = if node == graph.output() {
                Some(Worth { kept: 0, score: 0.0 })
            } else {
                graph
                    .targets(node)
                    .iter()
                    .filter_map(|&target| worth[target])
                    .max_by(Worth::compare)
            };
            worth[node] = onward.map(|onward| Worth {
                kept: onward.kept + if wanted.contains(node) { 1 } else { -1 },
                score: onward.score + score(node),
            });
        }
        Self { graph, worth }
    }

    /// The ways on from `node`, the best one last.
    fn onward(&self, node: usize) -> Vec<usize> {
        let mut targets: Vec<_> = self
            .graph
            .targets(node)
            .iter()
            .filter_map(|&target| self.worth[target].map(|worth| (target, worth)))
            .collect();
        targets.sort_by(|(a, worth_a), (b, worth_b)| worth_a.compare(worth_b).then(b.cmp(a)));
        targets.into_iter().map(|(target, _)| target).collect()
    }

    /// The best path, whatever the limits say. Every template has one.
    fn best(&self) -> Mask {
        let mut node = self.graph.input();
        let mut path = Mask::from_nodes(self.graph.len(), [node]);
        while let Some(&next) = self.onward(node).last() {
            path.insert(next);
            node = next;
        }
        path
    }

    /// The first path within the limits that a depth-first search from the input finds, the best way
    /// first: the best path itself wherever links lead from lower to higher layers.
    fn within(&self, room: &Room<'_>) -> Option<Mask> {
        let start = self.graph.input();
        self.worth[start]?;
        let mut used = vec![0; room.limit.len()];
        used[self.graph.layer_of(start)] += 1;
        let mut walk = vec![(start, self.onward(start))];
        for _ in 0..MAX_STEPS {
            let (node, ways) = walk.last_mut()?;
            let node = *node;
            if node == self.graph.output() {
                return Some(Mask::from_nodes(
                    self.graph.len(),
                    walk.iter().map(|&(node, _)| node),
                ));
            }
            match ways.pop() {
                Some(next) => {
                    let layer = self.graph.layer_of(next);
                    if used[layer] < room.limit[layer] {
                        used[layer] += 1;
                        walk.push((next, self.onward(next)));
                    }
                }
                None => {
                    used[self.graph.layer_of(node)] -= 1;
                    walk.pop();
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        problem,
        tests::{graph_of, layered, relu},
    };
    use super::*;
    use crate::engine::template::{BlocksPerLayer, Op};
    use proptest::prelude::*;

    fn mask(graph: &Graph, nodes: &[usize]) -> Mask {
        Mask::from_nodes(graph.len(), nodes.iter().copied())
    }

    /// Any layered template with up to 20 nodes: random layer sizes, limit, and links that skip layers.
    fn any_graph() -> impl Strategy<Value = Graph> {
        let layers = proptest::collection::vec(1usize..4, 1..6);
        let limit = prop_oneof![
            Just(BlocksPerLayer::One),
            Just(BlocksPerLayer::UpTo(2)),
            Just(BlocksPerLayer::Any)
        ];
        (layers, limit, proptest::collection::vec((any::<u16>(), any::<u16>()), 0..5)).prop_map(
            |(layers, limit, skips)| {
                // The layer of each node, input and output included; layer i is linked to i + 1 already.
                let mut layer_of = vec![0];
                for (layer, &size) in layers.iter().enumerate() {
                    layer_of.extend(std::iter::repeat_n(layer + 1, size));
                }
                layer_of.push(layers.len() + 1);
                let count = layer_of.len();
                let mut links: Vec<_> = skips
                    .into_iter()
                    .map(|(a, b)| (a as usize % count, b as usize % count))
                    .filter(|&(a, b)| layer_of[a] + 1 < layer_of[b])
                    .collect();
                links.sort_unstable();
                links.dedup();
                layered(&layers, limit, &links)
            },
        )
    }

    proptest! {
        #[test]
        fn repair_is_valid_idempotent_and_leaves_valid_masks_alone(
            graph in any_graph(), bits in any::<u64>(), scores in proptest::collection::vec(-1.0..1.0, 64)
        ) {
            let score = |node: usize| scores[node % 64];
            let broken = Mask::from_nodes(graph.len(), (0..graph.len()).filter(|node| bits >> (node % 64) & 1 == 1));
            let repaired = repair(&graph, &broken, &score);
            prop_assert_eq!(problem(&graph, &repaired), None);
            prop_assert_eq!(&repair(&graph, &repaired, &score), &repaired);
            if problem(&graph, &broken).is_none() {
                prop_assert_eq!(&repaired, &broken);
            }
            // Nothing is added where the kept nodes connect input and output already.
            let mut wanted = broken.clone();
            wanted.insert(graph.input());
            wanted.insert(graph.output());
            if !prune(&graph, &wanted).is_empty() {
                prop_assert!(repaired.difference(&wanted).is_empty());
            }
        }
    }

    #[test]
    fn a_gap_is_closed_with_the_fittest_and_the_rest_stays() {
        // Input 0, layers {1, 2}, {3, 4, 5}, {6, 7}, output 8.
        let graph = layered(&[2, 3, 2], BlocksPerLayer::Any, &[]);
        let score = |node: usize| if node == 4 { 0.9 } else { 0.5 };
        let repaired = repair(&graph, &mask(&graph, &[0, 1, 2, 6, 8]), &score);
        assert_eq!(repaired, mask(&graph, &[0, 1, 2, 4, 6, 8]));
    }

    #[test]
    fn the_lowest_scores_beyond_the_limit_are_dropped() {
        let graph = layered(&[4], BlocksPerLayer::UpTo(2), &[]);
        let score = |node: usize| [0.0, 0.3, 0.1, 0.7, 0.2, 0.0][node];
        assert_eq!(repair(&graph, &Mask::full(6), &score), mask(&graph, &[0, 1, 3, 5]));
    }

    #[test]
    fn the_limit_never_cuts_the_last_path() {
        // Chains 1 -> 3 and 2 -> 4: taking the better node of each layer apart, 1 and 4, would cut both.
        let nodes = vec![
            (0, vec![Op::Input { shape: [1, 1, 1] }]),
            (1, vec![relu()]),
            (1, vec![relu()]),
            (2, vec![relu()]),
            (2, vec![relu()]),
            (3, vec![Op::Flatten, Op::Output]),
        ];
        let links = [(0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 5)];
        let graph = graph_of(nodes, &links, BlocksPerLayer::One);
        let score = |node: usize| [0.0, 0.9, 0.1, 0.2, 0.8, 0.0][node];
        assert_eq!(repair(&graph, &Mask::full(6), &score), mask(&graph, &[0, 1, 3, 5]));
    }

    #[test]
    fn links_back_to_an_earlier_layer_are_handled_within_the_limit() {
        // The good path 1 -> 2 -> 3 visits layer 1 twice; 1 -> 4 -> 5 does not.
        let nodes = vec![
            (0, vec![Op::Input { shape: [1, 1, 1] }]),
            (1, vec![relu()]),
            (2, vec![relu()]),
            (1, vec![relu()]),
            (2, vec![relu()]),
            (3, vec![relu()]),
            (4, vec![Op::Flatten, Op::Output]),
        ];
        let links = [(0, 1), (1, 2), (2, 3), (3, 6), (1, 4), (4, 5), (5, 6)];
        let graph = graph_of(nodes, &links, BlocksPerLayer::One);
        let score = |node: usize| if node == 2 || node == 3 { 1.0 } else { 0.0 };
        let repaired = repair(&graph, &mask(&graph, &[1, 2, 3]), &score);
        assert_eq!(repaired, mask(&graph, &[0, 1, 4, 5, 6]));
    }
}
