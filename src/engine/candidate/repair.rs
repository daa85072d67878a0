//! Turns any mask into a valid candidate that differs from it as little as it can.

use super::{
    super::{mask::Mask, template::Graph},
    Space,
};
use std::cmp::Ordering;

/// The kept nodes that lie on a kept path from the input to the output; empty if there is no such path.
///
/// # Panics
/// If the mask is for another number of nodes.
pub fn prune(graph: &Graph, mask: &Mask) -> Mask {
    let mut from_input = Mask::empty(graph.len());
    for &node in graph.order() {
        let is_fed = || {
            node == graph.input()
                || graph.sources(node).iter().any(|&source| from_input.contains(source))
        };
        if mask.contains(node) && is_fed() {
            from_input.insert(node);
        }
    }
    let mut on_a_path = Mask::empty(graph.len());
    for &node in graph.order().iter().rev() {
        let is_used = || {
            node == graph.output()
                || graph.targets(node).iter().any(|&target| on_a_path.contains(target))
        };
        if from_input.contains(node) && is_used() {
            on_a_path.insert(node);
        }
    }
    on_a_path
}

/// The valid candidate of `graph` nearest to `mask`, see [`Space::repair`].
pub fn repair(graph: &Graph, mask: &Mask, score: &dyn Fn(usize) -> f64) -> Mask {
    Space::whole(graph).repair(mask, score)
}

impl Space<'_> {
    /// The candidate nearest to `mask`, as far as cheap rules find it; one of these candidates comes back
    /// unchanged.
    ///
    /// 1. Pinned nodes are kept, as input and output are; what is not allowed and what is on no kept path goes.
    ///    If the layers are within the limit and no pinned node went, that is the result.
    /// 2. Otherwise a *spine* is chosen: of the paths from input to output that have the most pinned nodes, the
    ///    one that keeps the most kept nodes and adds the fewest others (kept minus added is largest); among
    ///    equals the one with the highest total `score`. It runs through kept nodes only, where such a path has
    ///    every pinned node. Pinned nodes beside it get paths of their own, which share with it what they can.
    /// 3. Round the spine, each layer keeps its kept nodes with the highest `score` up to the limit (ties: the
    ///    lower index), and what then dangles is pruned.
    ///
    /// Without pinned nodes the result is one of these candidates whenever links lead from lower to higher layers
    /// and there is any. There may be none: where every path runs through one layer more often than its limit
    /// allows, or no paths through all pinned nodes are within it. What comes back then is no candidate, and
    /// [`problem`](Self::problem) says why.
    pub fn repair(&self, mask: &Mask, score: &dyn Fn(usize) -> f64) -> Mask {
        let graph = self.graph;
        let room = Room::new(graph);
        let mut wanted = mask.intersection(&self.allowed).union(&self.pinned);
        let pruned = prune(graph, &wanted);
        if !pruned.is_empty() {
            if self.pinned.is_subset(&pruned) && room.admits(&pruned) {
                return pruned;
            }
            wanted = pruned.union(&self.pinned);
        }
        let mut kept = self.connect(&room, &wanted, &|node| Worth {
            kept: if wanted.contains(node) { 1 } else { -1 },
            score: score(node),
            ..Worth::default()
        });
        let spine = kept.clone();
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

    /// The candidate with the smallest sum of `weight`, which is not negative; `None` where none is found. It is
    /// exact where one path can have all pinned nodes; elsewhere paths are added one by one, each as light as can
    /// be.
    pub fn lightest(&self, weight: &dyn Fn(usize) -> f64) -> Option<Mask> {
        let worth = |node| Worth { score: -weight(node), ..Worth::default() };
        let nothing = Mask::empty(self.graph.len());
        self.cover(&Room::new(self.graph), &nothing, &worth, &mut { MAX_STEPS })
    }

    /// Paths from input to output through the pinned nodes, those of most `worth`: through `wanted` nodes only,
    /// where such a path has every pinned node.
    fn connect(&self, room: &Room<'_>, wanted: &Mask, worth: &dyn Fn(usize) -> Worth) -> Mask {
        let (graph, pinned) = (self.graph, &self.pinned);
        let with_pins = |node| Worth { pins: i64::from(pinned.contains(node)), ..worth(node) };
        let near = Spine::new(graph, wanted, None, &with_pins).first(room);
        near.filter(|path| pinned.is_subset(path))
            .or_else(|| self.cover(room, &Mask::empty(graph.len()), worth, &mut { MAX_STEPS }))
            .unwrap_or_else(|| Spine::new(graph, &self.allowed, None, &with_pins).best())
    }

    /// What is `kept`, and paths through the pinned nodes that are missing in it; `None` if none are found that the
    /// layers have room for.
    fn cover(
        &self,
        room: &Room<'_>,
        kept: &Mask,
        worth: &dyn Fn(usize) -> Worth,
        steps: &mut usize,
    ) -> Option<Mask> {
        let missing = self.pinned.difference(kept);
        if missing.is_empty() {
            return Some(kept.clone());
        }
        // Input and output are on any path.
        let ends = [self.graph.input(), self.graph.output()];
        let inner = |&&node: &&usize| missing.contains(node) && !ends.contains(&node);
        let via = self.graph.order().iter().find(inner).copied();
        let more = |node: usize| {
            let own = if kept.contains(node) { Worth::default() } else { worth(node) };
            Worth { pins: i64::from(missing.contains(node)), ..own }
        };
        let open = room.open(kept, &self.allowed);
        Spine::new(self.graph, &open, via, &more).paths(room, kept, steps, &mut |path, steps| {
            self.cover(room, &kept.union(&path), worth, steps)
        })
    }
}

/// How many nodes each layer may keep.
struct Room<'a> {
    graph: &'a Graph,
    limit: Vec<usize>,
}

impl<'a> Room<'a> {
    fn new(graph: &'a Graph) -> Self {
        let blocks = graph.blocks_per_layer();
        Self {
            graph,
            limit: graph.layers().iter().map(|layer| blocks.limit(layer.len())).collect(),
        }
    }

    fn admits(&self, mask: &Mask) -> bool {
        self.used(mask).iter().zip(&self.limit).all(|(used, limit)| used <= limit)
    }

    /// How many nodes of each layer are in `kept`.
    fn used(&self, kept: &Mask) -> Vec<usize> {
        let mut used = vec![0; self.limit.len()];
        for node in kept.iter() {
            used[self.graph.layer_of(node)] += 1;
        }
        used
    }

    /// What can be on a path beside those that are kept: these, and the `allowed` nodes of layers with room.
    fn open(&self, kept: &Mask, allowed: &Mask) -> Mask {
        let used = self.used(kept);
        let has_room = |node: usize| {
            let layer = self.graph.layer_of(node);
            used[layer] < self.limit[layer]
        };
        let free = allowed.iter().filter(|&node| has_room(node));
        kept.union(&Mask::from_nodes(self.graph.len(), free))
    }
}

/// How good a node or a path is: pinned nodes, then kept nodes less added ones, then the total score.
#[derive(Clone, Copy, Default)]
struct Worth {
    pins: i64,
    kept: i64,
    score: f64,
}

impl Worth {
    fn compare(&self, other: &Self) -> Ordering {
        let whole = self.pins.cmp(&other.pins).then(self.kept.cmp(&other.kept));
        whole.then(self.score.total_cmp(&other.score))
    }

    fn plus(self, other: Self) -> Self {
        Self {
            pins: self.pins + other.pins,
            kept: self.kept + other.kept,
            score: self.score + other.score,
        }
    }
}

/// Paths from input to output through `allowed` nodes, best first.
struct Spine<'a> {
    graph: &'a Graph,
    /// For each node that a path can have: the worth of the best way from it to the output.
    worth: Vec<Option<Worth>>,
    /// The node that every path is to have, and those that lead to it.
    before: Option<(usize, Mask)>,
}

/// Steps after which the search for paths within the limits gives up. Only templates whose links lead back to an
/// earlier layer, and pinned nodes that need paths of their own, ever take more than one step per node.
const MAX_STEPS: usize = 20_000;

impl<'a> Spine<'a> {
    /// Paths that have the node `via`, if there is one given.
    fn new(
        graph: &'a Graph,
        allowed: &Mask,
        via: Option<usize>,
        worth_of: &dyn Fn(usize) -> Worth,
    ) -> Self {
        let before = via.map(|via| (via, leading_to(graph, allowed, via)));
        let mut spine = Self { graph, worth: vec![None; graph.len()], before };
        for &node in graph.order().iter().rev().filter(|&&node| allowed.contains(node)) {
            let onward = if node == graph.output() {
                Some(Worth::default())
            } else {
                spine.targets(node).map(|(_, worth)| worth).max_by(Worth::compare)
            };
            spine.worth[node] = onward.map(|onward| onward.plus(worth_of(node)));
        }
        let from_input = |(_, before): &(usize, Mask)| before.contains(graph.input());
        if !spine.before.as_ref().is_none_or(from_input) {
            spine.worth[graph.input()] = None;
        }
        spine
    }

    /// The nodes to which paths go on from `node`, with their worth.
    fn targets(&self, node: usize) -> impl Iterator<Item = (usize, Worth)> {
        let on_the_way = move |&&target: &&usize| {
            self.before.as_ref().is_none_or(|(via, before)| {
                !before.contains(node) || target == *via || before.contains(target)
            })
        };
        let targets = self.graph.targets(node).iter().filter(on_the_way);
        targets.filter_map(|&target| Some((target, self.worth[target]?)))
    }

    /// The ways on from `node`, the best one last.
    fn onward(&self, node: usize) -> Vec<usize> {
        let mut targets: Vec<_> = self.targets(node).collect();
        targets.sort_by(|(a, worth_a), (b, worth_b)| worth_a.compare(worth_b).then(b.cmp(a)));
        targets.into_iter().map(|(target, _)| target).collect()
    }

    /// The best path, whatever the limits say; the input alone where there is none.
    fn best(&self) -> Mask {
        let mut node = self.graph.input();
        let mut path = Mask::from_nodes(self.graph.len(), [node]);
        while let Some(&next) = self.onward(node).last() {
            path.insert(next);
            node = next;
        }
        path
    }

    /// The first path within the limits.
    fn first(&self, room: &Room<'_>) -> Option<Mask> {
        let nothing = Mask::empty(self.graph.len());
        self.paths(room, &nothing, &mut { MAX_STEPS }, &mut |path, _| Some(path))
    }

    /// What `found` makes of the first path that it takes: of those within the limits, beside what is `kept`, in
    /// the order of a depth-first search from the input, the best way first. The first one is the best path of
    /// all wherever links lead from lower to higher layers.
    fn paths(
        &self,
        room: &Room<'_>,
        kept: &Mask,
        steps: &mut usize,
        found: &mut dyn FnMut(Mask, &mut usize) -> Option<Mask>,
    ) -> Option<Mask> {
        let start = self.graph.input();
        self.worth[start]?;
        let takes = |node: usize| usize::from(!kept.contains(node));
        let mut used = room.used(kept);
        used[self.graph.layer_of(start)] += takes(start);
        let mut walk = vec![(start, self.onward(start))];
        while *steps > 0 {
            *steps -= 1;
            let (node, ways) = walk.last_mut()?;
            let node = *node;
            match ways.pop() {
                Some(next) => {
                    let layer = self.graph.layer_of(next);
                    if used[layer] + takes(next) <= room.limit[layer] {
                        used[layer] += takes(next);
                        walk.push((next, self.onward(next)));
                    }
                }
                None => {
                    if node == self.graph.output() {
                        let path = walk.iter().map(|&(node, _)| node);
                        let path = Mask::from_nodes(self.graph.len(), path);
                        if let Some(taken) = found(path, steps) {
                            return Some(taken);
                        }
                    }
                    used[self.graph.layer_of(node)] -= takes(node);
                    walk.pop();
                }
            }
        }
        None
    }
}

/// The allowed nodes from which a path of allowed nodes leads to `node`, without itself.
fn leading_to(graph: &Graph, allowed: &Mask, node: usize) -> Mask {
    let mut leading = Mask::empty(graph.len());
    for &source in graph.order().iter().rev().filter(|&&source| allowed.contains(source)) {
        let leads = |&target: &usize| target == node || leading.contains(target);
        if graph.targets(source).iter().any(leads) {
            leading.insert(source);
        }
    }
    leading
}

#[cfg(test)]
mod tests {
    use super::super::{
        problem,
        tests::{any_layered, graph_of, layered, relu},
    };
    use super::*;
    use crate::engine::{
        ops::{Op, samples},
        template::BlocksPerLayer,
    };
    use proptest::prelude::*;

    fn mask(graph: &Graph, nodes: &[usize]) -> Mask {
        Mask::from_nodes(graph.len(), nodes.iter().copied())
    }

    proptest! {
        #[test]
        fn repair_is_valid_idempotent_and_leaves_valid_masks_alone(
            graph in any_layered(5, 3), bits in any::<u64>(), scores in proptest::collection::vec(-1.0..1.0, 64)
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

    /// Every candidate of a space of few nodes, by trying all masks.
    fn all(space: &Space<'_>) -> Vec<Mask> {
        let graph = space.graph();
        let free: Vec<_> = space.allowed.difference(&space.pinned).iter().collect();
        assert!(free.len() <= 16);
        (0..1_u32 << free.len())
            .map(|bits| {
                let kept = free.iter().enumerate().filter(|&(i, _)| bits >> i & 1 == 1);
                let nodes = kept.map(|(_, &node)| node).chain(space.pinned.iter());
                Mask::from_nodes(graph.len(), nodes)
            })
            .filter(|mask| space.problem(mask).is_none())
            .collect()
    }

    proptest! {
        #[test]
        fn with_pinned_and_forbidden_nodes_repair_finds_a_candidate_wherever_there_is_one(
            graph in any_layered(5, 3), bits in any::<u64>(), pins in any::<u64>(), cuts in any::<u64>(),
            scores in proptest::collection::vec(-1.0..1.0, 64)
        ) {
            // One node in four is pinned and one in four forbidden, on average.
            let some = |bits: u64, nodes: usize| {
                let drawn = (0..nodes).filter(|node| bits >> (2 * node) & 3 == 3);
                Mask::from_nodes(nodes, drawn)
            };
            let nodes = graph.len();
            let pinned = some(pins, nodes);
            let allowed = Mask::full(nodes).difference(&some(cuts, nodes)).union(&pinned);
            let space = Space::new(&graph, &pinned, &allowed);
            let broken = Mask::from_nodes(nodes, (0..nodes).filter(|node| bits >> (node % 64) & 1 == 1));
            let score = |node: usize| scores[node % 64];
            let repaired = space.repair(&broken, &score);
            let all = all(&space);
            if all.is_empty() {
                prop_assert!(space.problem(&repaired).is_some());
                prop_assert_eq!(space.lightest(&|_| 1.0), None);
            } else {
                prop_assert_eq!(space.problem(&repaired), None);
                prop_assert_eq!(&space.repair(&repaired, &score), &repaired);
                let weight = |node: usize| scores[node % 64].abs();
                let total = |mask: &Mask| mask.iter().map(weight).sum::<f64>();
                let lightest = space.lightest(&weight).expect("there are candidates");
                prop_assert_eq!(space.problem(&lightest), None);
                let least = all.iter().map(total).fold(f64::INFINITY, f64::min);
                prop_assert!(total(&lightest) >= least - 1e-9);
                if pinned.is_empty() {
                    prop_assert!(total(&lightest) <= least + 1e-9);
                }
            }
            if all.contains(&broken) {
                prop_assert_eq!(&repaired, &broken);
            }
        }
    }

    /// Input 0, chains 1 -> 3 and 2 -> 4, output 5.
    fn two_chains(blocks: BlocksPerLayer) -> Graph {
        let nodes = vec![
            (0, vec![samples::input([1, 1, 1])]),
            (1, vec![relu()]),
            (1, vec![relu()]),
            (2, vec![relu()]),
            (2, vec![relu()]),
            (3, vec![Op::Flatten, Op::Output]),
        ];
        graph_of(nodes, &[(0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 5)], blocks)
    }

    #[test]
    fn two_pinned_nodes_of_a_layer_get_a_path_each() {
        let graph = two_chains(BlocksPerLayer::UpTo(2));
        let pinned = mask(&graph, &[1, 4]);
        let space = Space::new(&graph, &pinned, &Mask::full(6));
        assert_eq!(space.repair(&Mask::empty(6), &|_| 0.0), Mask::full(6));
        // Without node 3, node 1 leads nowhere.
        let space = Space::new(&graph, &pinned, &mask(&graph, &[0, 1, 2, 4, 5]));
        let what = space.problem(&space.repair(&Mask::empty(6), &|_| 0.0)).unwrap_or_default();
        assert!(what.contains("`n1` is pinned and left out"), "{what}");
    }

    #[test]
    fn a_pinned_node_off_the_best_path_is_reached_soon_in_wide_layers() {
        // Nine layers of three, fully linked: 3^9 paths. Pinned are two nodes of the first layer and two of the last,
        // which need two paths.
        let graph = layered(&[3; 9], BlocksPerLayer::Any, &[]);
        let pinned = mask(&graph, &[1, 3, 26, 27]);
        let space = Space::new(&graph, &pinned, &Mask::full(graph.len()));
        let score = |node: usize| if node.is_multiple_of(3) { 1.0 } else { 0.0 };
        let repaired = space.repair(&Mask::empty(graph.len()), &score);
        assert_eq!(space.problem(&repaired), None);
        // A node for each layer, two more for the pinned ones, input and output.
        let lightest = space.lightest(&|_| 1.0).expect("there are candidates");
        assert_eq!((space.problem(&lightest), lightest.len()), (None, 9 + 2 + 2));
    }

    #[test]
    fn pinned_nodes_that_a_branch_of_many_paths_lies_beside_are_found() {
        // Input 0; a branch of one node, 1; and one of nine layers of three, 2 to 28; both lead to the output 29.
        let mut nodes = vec![(0, vec![samples::input([1, 1, 1])]), (1, vec![relu()])];
        nodes.extend((0..27).map(|i| (2 + i / 3, vec![relu()])));
        nodes.push((11, vec![Op::Flatten, Op::Output]));
        let wide = |layer: u32| 2 + 3 * layer as usize..5 + 3 * layer as usize;
        let mut links = vec![(0, 1), (1, 29)];
        links.extend(wide(0).map(|to| (0, to)));
        links.extend(wide(8).map(|from| (from, 29)));
        for layer in 0..8 {
            links.extend(wide(layer).flat_map(|from| wide(layer + 1).map(move |to| (from, to))));
        }
        let graph = graph_of(nodes, &links, BlocksPerLayer::Any);
        let pinned = mask(&graph, &[1, 26, 27]);
        let space = Space::new(&graph, &pinned, &Mask::full(graph.len()));
        assert_eq!(space.problem(&space.repair(&pinned, &|_| 0.0)), None);
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
        // Taking the better node of each layer apart, 1 and 4, would cut both.
        let graph = two_chains(BlocksPerLayer::One);
        let score = |node: usize| [0.0, 0.9, 0.1, 0.2, 0.8, 0.0][node];
        assert_eq!(repair(&graph, &Mask::full(6), &score), mask(&graph, &[0, 1, 3, 5]));
    }

    #[test]
    fn links_back_to_an_earlier_layer_are_handled_within_the_limit() {
        // The good path 1 -> 2 -> 3 visits layer 1 twice; 1 -> 4 -> 5 does not.
        let nodes = vec![
            (0, vec![samples::input([1, 1, 1])]),
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
