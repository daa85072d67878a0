//! The choices in each layer, and all candidates of small templates.

use super::{
    super::{mask::Mask, template::Graph},
    Space, prune,
};
use rand::Rng;
use rayon::prelude::*;

/// Fewer masks are not worth the attention of another thread.
const FEWEST_AT_ONCE: usize = 1_000;

/// The choices in one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The alternatives: the layer's nodes that may be kept, without those that every candidate keeps, as it
    /// does input and output.
    pub nodes: Vec<usize>,
    /// The fewest that a candidate may keep: 1, or 0 beside what every one keeps and where links lead past the
    /// layer.
    pub least: usize,
    /// The most that a candidate may keep.
    pub most: usize,
}

impl Choice {
    /// Makes `to` keep those of the alternatives that `from` keeps.
    pub fn copy(&self, to: &mut Mask, from: &Mask) {
        for &node in &self.nodes {
            if from.contains(node) {
                to.insert(node);
            } else {
                to.remove(node);
            }
        }
    }
}

/// A candidate of `graph`, each with the same probability; for many, keep a [`Space::sampler`].
pub fn sample(graph: &Graph, rng: &mut impl Rng) -> Mask {
    Space::whole(graph).sampler().draw(rng)
}

/// A candidate with one node per layer, or none where links lead past it, each with the same probability; for many, keep a
/// [`Space::single_path_sampler`].
pub fn sample_single_path(graph: &Graph, rng: &mut impl Rng) -> Mask {
    Space::whole(graph).single_path_sampler().draw(rng)
}

/// All candidates of `graph`, see [`Space::list_all`].
pub fn list_all(graph: &Graph, most: usize) -> Option<Vec<Mask>> {
    Space::whole(graph).list_all(most)
}

impl Space<'_> {
    /// The choices in each layer, in the order of [`Graph::layers`].
    pub fn choices(&self) -> Vec<Choice> {
        let blocks = self.graph.blocks_per_layer();
        let choice = |(layer, skipped): (&Vec<usize>, bool)| {
            let fixed = layer.iter().filter(|&&node| self.pinned.contains(node)).count();
            let free = |node: &usize| self.allowed.contains(*node) && !self.pinned.contains(*node);
            let nodes: Vec<_> = layer.iter().copied().filter(free).collect();
            let most = blocks.limit(layer.len()).saturating_sub(fixed).min(nodes.len());
            let needed = fixed == 0 && !skipped;
            Choice { nodes, least: usize::from(needed).min(most), most }
        };
        self.graph.layers().iter().zip(self.skipped()).map(choice).collect()
    }

    /// For each layer whether allowed links lead past it.
    fn skipped(&self) -> Vec<bool> {
        let (graph, layers) = (self.graph, self.graph.layers());
        let links = || {
            let links_of = |from: usize| graph.targets(from).iter().map(move |&to| (from, to));
            let links = self.allowed.iter().flat_map(links_of);
            let links = links.filter(|&(_, to)| self.allowed.contains(to));
            links.map(|(from, to)| (graph.layer_of(from), graph.layer_of(to)))
        };
        if links().all(|(from, to)| from < to) {
            // A path that avoids a layer has a link past it. Where such links begin and end:
            let mut change = vec![0_i64; layers.len() + 1];
            for (from, to) in links() {
                change[from + 1] += 1;
                change[to] -= 1;
            }
            let past = change.iter().scan(0, |past, change| {
                *past += change;
                Some(*past > 0)
            });
            return past.take(layers.len()).collect();
        }
        let without = |layer: &Vec<usize>| {
            let layer = Mask::from_nodes(graph.len(), layer.iter().copied());
            !prune(graph, &self.allowed.difference(&layer)).is_empty()
        };
        layers.iter().map(without).collect()
    }

    /// The nodes that every path of allowed nodes has, whatever the limits.
    pub fn inevitable(&self) -> Mask {
        let graph = self.graph;
        let mut places = vec![0; graph.len()];
        graph.order().iter().enumerate().for_each(|(place, &node)| places[node] = place);
        // In an order of the links, a path that avoids a node has a link past it.
        let mut change = vec![0_i64; graph.len() + 1];
        for from in self.allowed.iter() {
            for &to in graph.targets(from).iter().filter(|&&to| self.allowed.contains(to)) {
                change[places[from] + 1] += 1;
                change[places[to]] -= 1;
            }
        }
        let mut past = 0;
        let mut inevitable = Mask::empty(graph.len());
        for (place, &node) in graph.order().iter().enumerate() {
            past += change[place];
            if past == 0 && self.allowed.contains(node) {
                inevitable.insert(node);
            }
        }
        inevitable
    }

    /// All candidates; `None` if there are more than `most` combinations of allowed subsets of the layers, not all
    /// of which need be candidates.
    pub fn list_all(&self, most: usize) -> Option<Vec<Mask>> {
        let mut combinations: Vec<Vec<usize>> = vec![Vec::new()];
        for choice in self.choices() {
            let mut next = Vec::new();
            for subset in subsets(&choice, most)? {
                for combination in &combinations {
                    next.push([combination.as_slice(), &subset].concat());
                }
                if next.len() > most {
                    return None;
                }
            }
            combinations = next;
        }
        let masks = combinations.into_iter().map(|picked| {
            Mask::from_nodes(self.graph.len(), picked.into_iter().chain(self.pinned.iter()))
        });
        let masks: Vec<_> = masks.collect();
        let valid = masks.into_par_iter().with_min_len(FEWEST_AT_ONCE);
        Some(valid.filter(|mask| self.problem(mask).is_none()).collect())
    }
}

/// The subsets of a layer's alternatives that a candidate may keep; `None` if there are more than `most`.
fn subsets(choice: &Choice, most: usize) -> Option<Vec<Vec<usize>>> {
    let mut subsets: Vec<Vec<usize>> = vec![Vec::new()];
    for &node in &choice.nodes {
        let longer = subsets.iter().filter(|subset| subset.len() < choice.most);
        let with_node: Vec<_> =
            longer.map(|subset| [subset.as_slice(), &[node]].concat()).collect();
        subsets.extend(with_node);
        // One more than allowed: the empty subset may go.
        if subsets.len() > most.saturating_add(1) {
            return None;
        }
    }
    subsets.retain(|subset| subset.len() >= choice.least);
    Some(subsets)
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

    #[test]
    fn listing_counts_what_the_limit_allows() {
        let count =
            |blocks, most| list_all(&layered(&[3, 1, 2], blocks, &[]), most).map(|all| all.len());
        assert_eq!(count(BlocksPerLayer::One, 6), Some(6));
        assert_eq!(count(BlocksPerLayer::One, 5), None);
        assert_eq!(count(BlocksPerLayer::UpTo(2), 100), Some(6 * 3));
        assert_eq!(count(BlocksPerLayer::Any, 100), Some(7 * 3));
        assert_eq!(list_all(&layered(&[70], BlocksPerLayer::Any, &[]), 1_000), None);
        let graph = layered(&[3, 1, 2], BlocksPerLayer::Any, &[]);
        assert!(
            list_all(&graph, 100)
                .is_some_and(|all| all.iter().all(|mask| problem(&graph, mask).is_none()))
        );
    }

    #[test]
    fn layers_that_links_lead_past_may_be_empty() {
        // Input 0, layers {1, 2}, {3}, {4, 5}, output 6; one link past the layer of 3.
        let graph = layered(&[2, 1, 2], BlocksPerLayer::One, &[(1, 4), (1, 5), (2, 4), (2, 5)]);
        let least = |space: &Space<'_>| space.choices().iter().map(|c| c.least).collect::<Vec<_>>();
        assert_eq!(least(&Space::whole(&graph)), [0, 1, 0, 1, 0]);
        // A pinned node has its layer; without the links past it, it is needed.
        let space = Space::new(&graph, &Mask::from_nodes(7, [3]), &Mask::full(7));
        assert_eq!(space.list_all(100).map(|all| all.len()), Some(4));
    }

    proptest! {
        #[test]
        fn what_paths_cannot_avoid_is_found_without_trying(
            graph in any_layered(5, 3), cuts in any::<u64>()
        ) {
            let allowed = (0..graph.len()).filter(|node| cuts >> (2 * node) & 3 != 3);
            let allowed = Mask::from_nodes(graph.len(), allowed);
            let space = Space::new(&graph, &Mask::empty(graph.len()), &allowed);
            let connected = |without: &Mask| !prune(&graph, &space.allowed.difference(without)).is_empty();
            for node in 0..graph.len() {
                let needed = space.allowed.contains(node) && !connected(&Mask::from_nodes(graph.len(), [node]));
                prop_assert_eq!(space.inevitable().contains(node), needed);
            }
            for (layer, skipped) in graph.layers().iter().zip(space.skipped()) {
                let layer = Mask::from_nodes(graph.len(), layer.iter().copied());
                prop_assert_eq!(skipped, connected(&layer));
            }
        }
    }

    #[test]
    fn with_links_back_to_an_earlier_layer_paths_past_a_layer_are_tried() {
        // 1 -> 2 -> 3 visits layer 1 twice; 4 -> 5 visits it once. Past layer 2 there is 5 only.
        let layers = [0, 1, 2, 1, 1, 3, 4];
        let ops = |node: usize| match node {
            0 => vec![samples::input([1, 1, 1])],
            6 => vec![Op::Flatten, Op::Output],
            _ => vec![relu()],
        };
        let nodes = layers.iter().enumerate().map(|(node, &layer)| (layer, ops(node))).collect();
        let links = [(0, 1), (1, 2), (2, 3), (3, 6), (0, 4), (4, 5), (5, 6)];
        let graph = graph_of(nodes, &links, BlocksPerLayer::Any);
        assert_eq!(Space::whole(&graph).skipped(), [false, false, true, true, false]);
    }
}
