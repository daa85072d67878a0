//! Candidates as masks: which are valid, how others are mended, how they are drawn, which are the same.

mod alike;
mod count;
mod groups;
mod repair;
mod sampler;
mod sampling;
mod space;
mod sweep;

pub use alike::alike;
pub use count::{SpaceSize, count};
pub use repair::{prune, repair};
pub use sampler::Sampler;
pub use sampling::{Choice, list_all, sample, sample_single_path};
pub use space::Space;

use super::{
    mask::Mask,
    ops::{Effect, Merge},
    template::Graph,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The position of a candidate in its archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CandidateId(pub u32);

impl CandidateId {
    /// The id of the candidate that comes after so many.
    pub fn after(candidates: usize) -> Self {
        Self(
            u32::try_from(candidates)
                .expect("memory ends long before four thousand million candidates"),
        )
    }

    /// The id as an index into the archive.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for CandidateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What makes `mask` no candidate of `graph`, or `None` if it is valid.
///
/// A valid mask keeps the input and the output, every node it keeps lies on a kept path from one to the
/// other, and no layer has more kept nodes than the template allows. A layer may be empty where a link
/// leads past it.
pub fn problem(graph: &Graph, mask: &Mask) -> Option<String> {
    if mask.node_count() != graph.len() {
        return Some(format!(
            "the mask is for {} nodes, the template has {}",
            mask.node_count(),
            graph.len()
        ));
    }
    for (node, role) in [(graph.input(), "input"), (graph.output(), "output")] {
        if !mask.contains(node) {
            return Some(format!("the {role} `{}` is left out", graph.id(node)));
        }
    }
    let on_a_path = prune(graph, mask);
    if on_a_path.is_empty() {
        return Some("no kept path leads from the input to the output".to_owned());
    }
    if let Some(node) = mask.difference(&on_a_path).iter().next() {
        return Some(format!(
            "`{}` lies on no kept path from the input to the output",
            graph.id(node)
        ));
    }
    graph.layers().iter().find_map(|layer| {
        let limit = graph.blocks_per_layer().limit(layer.len());
        let kept = || layer.iter().filter(|&&node| mask.contains(node));
        (kept().count() > limit).then(|| {
            let names: Vec<_> = kept().map(|&node| format!("`{}`", graph.id(node))).collect();
            format!("{} are kept of one layer, the template allows {limit}", names.join(", "))
        })
    })
}

/// What a candidate computes, in a form that is equal for masks which are the same function of the same
/// weights: the nodes that do something, each with what feeds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Canonical(Box<[u32]>);

/// The canonical form of `mask`: nodes on no kept path are dropped, nodes that pass on what feeds them (identities,
/// blocks of which all is switched off, sums of one) are replaced by that, and a mean of equal inputs by that input.
///
/// Masks with the same form give the same output from the shared weights. The reverse does not hold for
/// every exotic wiring (nested means, and equal nodes without weights on equal inputs, are left as they are), which
/// costs an evaluation, never a mistake. Dropout counts as something: it is not evaluated, but trained.
pub fn canonical(graph: &Graph, mask: &Mask) -> Canonical {
    let kept = prune(graph, mask);
    // The input passes on what no node gives.
    let passes_on = |node: usize| {
        node != graph.input()
            && graph.nodes()[node].ops.iter().all(|op| op.effect() == Effect::PassesOn)
    };
    let zeros = |node: usize| {
        graph.nodes()[node].ops.iter().any(|op| op.effect() == Effect::Zeros)
            && graph.nodes()[node].ops.iter().all(|op| op.effect() != Effect::Computes)
    };

    // What feeds each kept node once identities are looked through: a multiset, sorted, but where slots count a list
    // with gaps. The lists of all nodes lie one after the other, since this is done for each of many candidates.
    let mut feeds: Vec<Option<usize>> = Vec::with_capacity(4 * graph.len());
    let mut of_node = vec![0..0; graph.len()];
    for &node in graph.order().iter().filter(|&&node| kept.contains(node)) {
        let (merge, first) = (graph.merge(node), feeds.len());
        for &source in graph.sources(node) {
            let looked_through =
                kept.contains(source).then(|| match feeds[of_node[source].clone()] {
                    [Some(single)] if passes_on(source) => single,
                    _ => source,
                });
            if looked_through.is_some() || merge.has_slots() {
                feeds.push(looked_through);
            }
        }
        let sources = &mut feeds[first..];
        match merge {
            Merge::Mean => {
                sources.sort_unstable();
                if sources.first() == sources.last() {
                    feeds.truncate(first + 1);
                }
                if let &[Some(source)] = &feeds[first..]
                    && graph.merge(source) == Merge::Mean
                    && passes_on(source)
                {
                    feeds.truncate(first);
                    feeds.extend_from_within(of_node[source].clone());
                }
            }
            Merge::Sum => {
                sources.sort_unstable();
                // A sum stays without what adds nothing to it.
                let adds = |source: &Option<usize>| source.is_some_and(|source| !zeros(source));
                if sources.iter().any(adds) {
                    let left: Vec<_> = feeds.drain(first..).filter(adds).collect();
                    feeds.extend(left);
                }
            }
            // Each slot is another input.
            Merge::Concatenate => {}
        }
        of_node[node] = first..feeds.len();
    }

    let mut code = Vec::new();
    let mut needed = Mask::empty(graph.len());
    if kept.contains(graph.output()) {
        needed.insert(graph.output());
    }
    for &node in graph.order().iter().rev() {
        if needed.contains(node) {
            code.push(node as u32);
            let sources = &feeds[of_node[node].clone()];
            code.push(sources.len() as u32);
            for &source in sources {
                // A gap is no node's number.
                code.push(source.map_or(u32::MAX, |source| source as u32));
                if let Some(source) = source {
                    needed.insert(source);
                }
            }
        }
    }
    Canonical(code.into())
}

#[cfg(test)]
pub(in crate::engine) mod tests {
    use super::*;
    use crate::engine::{
        ops::{ActivationFunction, ConvBlock, Op, samples},
        template::{BlocksPerLayer, Link, Network, Node, NodeId},
    };
    use proptest::prelude::*;

    /// A template of nodes that do nothing but differ; `layers[0]` follows the input. Layers are fully
    /// linked to the next, `skips` are further links between node indices (input 0, output last).
    pub(in crate::engine) fn layered(
        layers: &[usize],
        blocks_per_layer: BlocksPerLayer,
        skips: &[(usize, usize)],
    ) -> Graph {
        let mut groups = vec![vec![0]];
        let mut count = 1;
        for &size in layers {
            groups.push((count..count + size).collect());
            count += size;
        }
        groups.push(vec![count]);
        let links: Vec<_> = groups
            .windows(2)
            .flat_map(|pair| pair[0].iter().flat_map(|&a| pair[1].iter().map(move |&b| (a, b))))
            .chain(skips.iter().copied())
            .collect();
        let ops = |node: usize| {
            if node == 0 {
                vec![samples::input([1, 2, 2])]
            } else if node == count {
                vec![Op::GlobalAveragePool, Op::Output]
            } else {
                vec![relu()]
            }
        };
        let layer_of =
            |node: usize| groups.iter().position(|group| group.contains(&node)).unwrap_or(0);
        graph_of(
            (0..=count).map(|node| (layer_of(node) as u32, ops(node))).collect(),
            &links,
            blocks_per_layer,
        )
    }

    /// Any template of [`layered`] nodes: up to `most_layers` layers of up to `most_nodes` nodes each between
    /// input and output, any limit, and up to four links that skip layers.
    pub(super) fn any_layered(
        most_layers: usize,
        most_nodes: usize,
    ) -> impl Strategy<Value = Graph> {
        let layers = proptest::collection::vec(1..=most_nodes, 1..=most_layers);
        let limit = prop_oneof![
            Just(BlocksPerLayer::One),
            Just(BlocksPerLayer::UpTo(2)),
            Just(BlocksPerLayer::Any)
        ];
        let skips = proptest::collection::vec((any::<u16>(), any::<u16>()), 0..5);
        (layers, limit, skips).prop_map(|(layers, limit, skips)| {
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
        })
    }

    /// A checked template from layers, operations and links by index.
    pub(in crate::engine) fn graph_of(
        nodes: Vec<(u32, Vec<Op>)>,
        links: &[(usize, usize)],
        blocks_per_layer: BlocksPerLayer,
    ) -> Graph {
        let id = |node: usize| NodeId::new(format!("n{node}"));
        Graph::new(Network {
            blocks_per_layer,
            nodes: nodes
                .into_iter()
                .enumerate()
                .map(|(i, (layer, ops))| Node::new(id(i), layer, ops))
                .collect(),
            links: links.iter().map(|&(a, b)| Link(id(a), id(b))).collect(),
        })
        .expect("a sound template")
    }

    pub(in crate::engine) fn relu() -> Op {
        samples::relu()
    }

    /// The same, but that a node merges like this.
    pub(in crate::engine) fn merging(graph: &Graph, node: usize, merge: Merge) -> Graph {
        let mut network = graph.network().as_ref().clone();
        network.nodes[node].merge = merge;
        Graph::new(network).expect("a sound network")
    }

    fn mask(graph: &Graph, nodes: &[usize]) -> Mask {
        Mask::from_nodes(graph.len(), nodes.iter().copied())
    }

    #[test]
    fn problems_are_named() {
        // Input 0, layers {1, 2} and {3, 4}, output 5.
        let graph = layered(&[2, 2], BlocksPerLayer::One, &[]);
        let problem_of =
            |nodes: &[usize]| problem(&graph, &mask(&graph, nodes)).unwrap_or_default();
        assert_eq!(problem_of(&[0, 1, 4, 5]), "");
        assert!(problem_of(&[0, 1, 4]).contains("output `n5`"));
        assert!(problem_of(&[0, 1, 5]).contains("no kept path"));
        assert!(
            problem_of(&[0, 1, 2, 4, 5])
                .contains("`n1`, `n2` are kept of one layer, the template allows 1")
        );
        assert!(problem(&graph, &Mask::full(3)).is_some_and(|what| what.contains("3 nodes")));
        // Two separate chains: 1 -> 3 and 2 -> 4.
        let ops = |node| {
            if node == 0 { vec![samples::input([1, 1, 1])] } else { vec![Op::Identity] }
        };
        let mut nodes: Vec<_> =
            [0, 1, 1, 2, 2].into_iter().enumerate().map(|(i, layer)| (layer, ops(i))).collect();
        nodes.push((3, vec![Op::Flatten, Op::Output]));
        let links = [(0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 5)];
        let graph = graph_of(nodes, &links, BlocksPerLayer::Any);
        let what = problem(&graph, &mask(&graph, &[0, 1, 3, 4, 5])).unwrap_or_default();
        assert!(what.contains("`n4` lies on no kept path"), "{what}");
    }

    #[test]
    fn identities_and_equal_means_collapse_but_real_differences_stay() {
        // Input 0; layer 1: relu 1, identity 2, identity 3; layer 2: relu 4; output 5.
        let nodes = vec![
            (0, vec![samples::input([1, 1, 1])]),
            (1, vec![relu()]),
            (1, vec![Op::Identity]),
            (1, vec![Op::Identity, Op::Identity]),
            (2, vec![relu()]),
            (3, vec![Op::Flatten, Op::Output]),
        ];
        let links = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4), (4, 5)];
        let graph = graph_of(nodes, &links, BlocksPerLayer::Any);
        let form = |nodes: &[usize]| canonical(&graph, &mask(&graph, nodes));
        let identity = form(&[0, 2, 4, 5]);
        assert_eq!(identity, form(&[0, 3, 4, 5]), "either identity");
        assert_eq!(identity, form(&[0, 2, 3, 4, 5]), "the mean of two equal inputs");
        assert_ne!(identity, form(&[0, 1, 4, 5]), "a relu is something else");
        assert_ne!(
            form(&[0, 1, 4, 5]),
            form(&[0, 1, 2, 4, 5]),
            "a mean of relu and input is something else"
        );
        assert_eq!(
            form(&[0, 1, 2, 4, 5]),
            form(&[0, 1, 3, 4, 5]),
            "either identity beside the relu"
        );
        assert_ne!(
            form(&[0, 1, 2, 4, 5]),
            form(&[0, 1, 2, 3, 4, 5]),
            "the shares of the mean count"
        );
    }

    #[test]
    fn what_passes_one_input_on_is_looked_through() {
        // Input 0; relus 1 and 2; layer 2: a sum 3 of both, a block 4 with all switched off, dropout 5; output 6.
        let off = Op::from(ConvBlock {
            conv: false,
            batch_norm: false,
            activation: ActivationFunction::Linear,
            ..ConvBlock::new(7, 3)
        });
        let nodes = vec![
            (0, vec![samples::input([1, 1, 1])]),
            (1, vec![relu()]),
            (1, vec![relu()]),
            (2, Vec::new()),
            (2, vec![off]),
            (2, vec![samples::dropout(0.5)]),
            (3, vec![Op::Flatten, Op::Output]),
        ];
        let links = [(0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (1, 5), (3, 6), (4, 6), (5, 6)];
        let graph = merging(&graph_of(nodes, &links, BlocksPerLayer::Any), 3, Merge::Sum);
        let form = |nodes: &[usize]| canonical(&graph, &mask(&graph, nodes));
        let plain = form(&[0, 1, 4, 6]);
        assert_eq!(plain, form(&[0, 1, 3, 6]), "a sum of one");
        assert_eq!(plain, form(&[0, 1, 3, 4, 6]), "a mean of both");
        assert_ne!(plain, form(&[0, 1, 5, 6]), "dropout is trained");
        assert_ne!(plain, form(&[0, 1, 2, 3, 6]), "a sum of two");
    }

    #[test]
    fn a_sum_is_not_taken_for_a_mean() {
        // Input 0; relus 1 and 2; identity 3 (mean) and add 4 take both; output 5 takes the mean of 3 and 4.
        let ops = |op: Op| vec![op];
        let nodes = vec![
            (0, ops(samples::input([1, 1, 1]))),
            (1, ops(relu())),
            (1, ops(relu())),
            (2, ops(Op::Identity)),
            (2, Vec::new()),
            (3, vec![Op::Flatten, Op::Output]),
        ];
        let links = [(0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (2, 4), (3, 5), (4, 5)];
        let graph = merging(&graph_of(nodes, &links, BlocksPerLayer::Any), 4, Merge::Sum);
        let form = |nodes: &[usize]| canonical(&graph, &mask(&graph, nodes));
        assert_ne!(form(&[0, 1, 2, 3, 5]), form(&[0, 1, 2, 4, 5]));
    }

    #[test]
    fn a_concatenation_knows_its_slots() {
        // Input 0; relus 1 and 2; identities 3 and 4 of one each; 5 concatenates 3 and 4; output 6.
        let nodes = vec![
            (0, vec![samples::input([1, 1, 1])]),
            (1, vec![relu()]),
            (1, vec![relu()]),
            (2, vec![Op::Identity]),
            (2, vec![Op::Identity]),
            (3, Vec::new()),
            (4, vec![Op::Flatten, Op::Output]),
        ];
        let links = [(0, 1), (0, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 5), (4, 5), (5, 6)];
        let sum = graph_of(nodes, &links, BlocksPerLayer::Any);
        let concatenation = merging(&sum, 5, Merge::Concatenate);
        for (graph, equal) in [(&sum, true), (&concatenation, false)] {
            let form = |nodes: &[usize]| canonical(graph, &mask(graph, nodes));
            assert_eq!(form(&[0, 1, 3, 5, 6]) == form(&[0, 1, 4, 5, 6]), equal, "slots");
            assert_eq!(form(&[0, 1, 3, 4, 5, 6]) == form(&[0, 1, 4, 5, 6]), equal, "twice");
            assert_ne!(form(&[0, 1, 3, 5, 6]), form(&[0, 2, 3, 5, 6]));
        }
    }
}
