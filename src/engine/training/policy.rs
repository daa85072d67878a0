//! Which paths through the template a step trains.

use crate::engine::{
    candidate::{self, Choice},
    mask::Mask,
    named::{Named, named},
    template::Graph,
};
use rand::{Rng, RngExt, seq::SliceRandom};
use serde::{Deserialize, Serialize};

/// Random paths in a step of the sandwich rule, besides the largest and the smallest.
const SANDWICH_FILLING: usize = 2;

/// The weight of a node whose fitness is lower, so that it is still trained now and then.
const LEAST_FITNESS: f64 = 0.05;

/// Which paths a step trains.
///
/// Where a step trains several, all see the same images; the step of a parameter follows the mean of its
/// gradients over the paths that it is part of, so that the learning rate means the same with every policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathPolicy {
    /// One node a layer, each alternative equally likely (Guo et al. 2020, arXiv 1904.00420).
    #[default]
    Single,
    /// As many paths as the widest layer has alternatives; together they use every alternative of a layer
    /// equally often, give or take one where layers differ in width, and as far as the links allow it
    /// (strict fairness, Chu et al. 2021, arXiv 1907.01845).
    Fair,
    /// The largest candidate, the smallest one and two random ones (Yu and Huang 2019, arXiv 1903.05134; Yu
    /// et al. 2020, arXiv 2003.11142).
    Sandwich,
    /// A random candidate: any subset of a layer that the template's blocks a layer allow, all equally
    /// likely.
    AnySubset,
    /// A random candidate in which fitter nodes are likelier, as soon as a search has told them apart.
    Fitness,
}

named!(PathPolicy, "path policy", {
    Single => "single-path", "one random path a step";
    Fair => "fair", "every alternative of a layer equally often within each step; a step costs as many paths";
    Sandwich => "sandwich", "the largest, the smallest and two random candidates a step";
    AnySubset => "any-subset", "a random candidate a step, with as many blocks a layer as the template allows";
    Fitness => "fitness", "a random candidate a step, fitter nodes likelier once a search has told them apart";
});

impl PathPolicy {
    /// The valid candidates that a step trains; `fitness` has a number in `0..=1` for each node.
    pub(super) fn draw(self, graph: &Graph, fitness: &[f64], rng: &mut impl Rng) -> Vec<Mask> {
        match self {
            Self::Single => vec![candidate::sample_single_path(graph, rng)],
            Self::Fair => fair_round(graph, rng),
            Self::Sandwich => {
                let size = |node: usize| graph.cost(node).flops as f64;
                let nothing = Mask::empty(graph.len());
                let largest = candidate::repair(graph, &Mask::full(graph.len()), &size);
                let smallest = candidate::repair(graph, &nothing, &|node| -size(node));
                let filling = (0..SANDWICH_FILLING).map(|_| candidate::sample(graph, rng));
                let filling: Vec<_> = filling.collect();
                [largest, smallest].into_iter().chain(filling).collect()
            }
            Self::AnySubset => vec![candidate::sample(graph, rng)],
            Self::Fitness => vec![weighted(graph, fitness, rng)],
        }
    }

    /// A path of the kind that is trained, to measure validation loss on.
    pub(super) fn probe(self, graph: &Graph, rng: &mut impl Rng) -> Mask {
        match self {
            Self::Single | Self::Fair => candidate::sample_single_path(graph, rng),
            Self::Sandwich | Self::AnySubset | Self::Fitness => candidate::sample(graph, rng),
        }
    }
}

/// Paths that together use every alternative of a layer equally often; to leave out a layer that links lead past is
/// one, too.
fn fair_round(graph: &Graph, rng: &mut impl Rng) -> Vec<Mask> {
    let alternatives = |choice: Choice| {
        let none = (choice.least == 0).then_some(None);
        choice.nodes.into_iter().map(Some).chain(none).collect::<Vec<_>>()
    };
    let choices = candidate::choices(graph).into_iter().filter(|choice| choice.most > 0);
    let mut layers: Vec<_> = choices.map(alternatives).collect();
    let paths = layers.iter().map(Vec::len).max().unwrap_or(1);
    let mut orders = Vec::with_capacity(layers.len());
    for layer in &mut layers {
        layer.shuffle(rng);
        // Narrow layers begin anew; then another shuffle, or the same pairs of alternatives would recur.
        let mut order: Vec<_> = layer.iter().copied().cycle().take(paths).collect();
        order.shuffle(rng);
        orders.push(order);
    }
    let path = |index: usize| orders.iter().filter_map(move |order| order[index]);
    (0..paths).map(|index| repaired(graph, path(index), rng)).collect()
}

/// A candidate as [`candidate::sample`] draws it, but with nodes in proportion to their fitness.
fn weighted(graph: &Graph, fitness: &[f64], rng: &mut impl Rng) -> Mask {
    let weight = |node: usize| fitness.get(node).copied().unwrap_or(0.5).max(LEAST_FITNESS);
    let mut picked = Vec::new();
    for choice in candidate::choices(graph) {
        let size = choice.least + pick(&choice.size_shares(), rng);
        let mut left = choice.nodes;
        for _ in 0..size {
            let weights: Vec<_> = left.iter().map(|&node| weight(node)).collect();
            picked.push(left.swap_remove(pick(&weights, rng)));
        }
    }
    repaired(graph, picked, rng)
}

/// An index with a probability in proportion to its weight; there is at least one.
fn pick(weights: &[f64], rng: &mut impl Rng) -> usize {
    let mut rest = rng.random::<f64>() * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        rest -= weight;
        if rest < 0.0 {
            return index;
        }
    }
    weights.len() - 1
}

/// The valid candidate nearest to these nodes, without a liking for any.
fn repaired(graph: &Graph, nodes: impl IntoIterator<Item = usize>, rng: &mut impl Rng) -> Mask {
    let scores: Vec<f64> = (0..graph.len()).map(|_| rng.random()).collect();
    candidate::repair(graph, &Mask::from_nodes(graph.len(), nodes), &|node| scores[node])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        candidate::{problem, tests::layered},
        ops::{Op, samples},
        seed,
        supernet::toy,
        template::BlocksPerLayer,
    };

    fn draw(policy: PathPolicy, graph: &Graph, fitness: &[f64], index: u64) -> Vec<Mask> {
        policy.draw(graph, fitness, &mut seed::rng(1, "test", index))
    }

    #[test]
    fn every_policy_draws_valid_candidates_with_every_limit() {
        for blocks in [BlocksPerLayer::One, BlocksPerLayer::UpTo(2), BlocksPerLayer::Any] {
            // Input 0, layers {1, 2, 3}, {4}, {5, 6}, output 7; links past layers 1 and 2.
            let graph = layered(&[3, 1, 2], blocks, &[(0, 4), (1, 5), (2, 7)]);
            let fitness = vec![0.5; graph.len()];
            for &policy in PathPolicy::ALL {
                for index in 0..50 {
                    for mask in draw(policy, &graph, &fitness, index) {
                        assert_eq!(problem(&graph, &mask), None, "{policy}");
                    }
                    let probe = policy.probe(&graph, &mut seed::rng(2, "test", index));
                    assert_eq!(problem(&graph, &probe), None, "{policy}");
                }
            }
        }
    }

    #[test]
    fn a_fair_round_uses_every_alternative_equally_often() {
        let graph = layered(&[3, 1, 2], BlocksPerLayer::Any, &[]);
        for index in 0..20 {
            let round = draw(PathPolicy::Fair, &graph, &[], index);
            assert_eq!(round.len(), 3);
            let mut counts = vec![0_usize; graph.len()];
            for mask in &round {
                assert_eq!(mask.len(), 5, "one node a layer");
                mask.iter().for_each(|node| counts[node] += 1);
            }
            assert_eq!(counts[1..4], [1, 1, 1], "exactly once in the widest layer");
            assert_eq!(counts[4], 3);
            assert!(counts[5].abs_diff(counts[6]) == 1, "give or take one: {counts:?}");
        }
        let pairs = |index| {
            let round = draw(PathPolicy::Fair, &graph, &[], index);
            round.iter().map(|mask| mask.iter().collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert!((1..20).any(|index| pairs(index) != pairs(0)), "drawn anew");
    }

    #[test]
    fn a_sandwich_has_the_largest_and_the_smallest_candidate() {
        let nodes: [(&str, u32, &[Op]); 5] = [
            ("in", 0, &[samples::input([1, 8, 8])]),
            ("one", 1, &[toy::block(4, 1)]),
            ("five", 1, &[toy::block(4, 5)]),
            ("three", 1, &[toy::block(4, 3)]),
            ("out", 2, &[Op::GlobalAveragePool, Op::Output]),
        ];
        let links: Vec<_> =
            ["one", "five", "three"].iter().flat_map(|&id| [("in", id), (id, "out")]).collect();
        let graph = toy::graph(&nodes, &links);
        let kept = |mask: &Mask| {
            mask.iter().map(|node| graph.id(node).as_str().to_owned()).collect::<Vec<_>>()
        };
        let round = draw(PathPolicy::Sandwich, &graph, &[], 0);
        assert_eq!(round.len(), 4);
        assert_eq!(kept(&round[0]), ["in", "one", "five", "three", "out"], "any block is allowed");
        assert_eq!(kept(&round[1]), ["in", "one", "out"]);

        let mut template = graph.template().clone();
        template.blocks_per_layer = BlocksPerLayer::One;
        let one = Graph::new(template).expect("is right");
        let round = draw(PathPolicy::Sandwich, &one, &[], 0);
        assert_eq!(kept(&round[0]), ["in", "five", "out"]);
        assert_eq!(kept(&round[1]), ["in", "one", "out"]);
    }

    #[test]
    fn fitter_nodes_are_drawn_in_proportion_and_none_starves() {
        let graph = layered(&[3], BlocksPerLayer::One, &[]);
        let count = |fitness: &[f64]| {
            let mut counts = vec![0_usize; graph.len()];
            for index in 0..6_000 {
                for mask in draw(PathPolicy::Fitness, &graph, fitness, index) {
                    mask.iter().for_each(|node| counts[node] += 1);
                }
            }
            counts[1..4].to_vec()
        };
        // Within five standard deviations of a binomial count with n = 6,000.
        let near = |counts: &[usize], shares: [f64; 3]| {
            counts.iter().zip(shares).all(|(&count, share)| {
                let spread = 5.0 * (6_000.0 * share * (1.0 - share)).sqrt();
                (count as f64 - 6_000.0 * share).abs() < spread
            })
        };
        let before = count(&[0.5; 5]);
        assert!(near(&before, [1.0 / 3.0; 3]), "nothing is known yet: {before:?}");
        let after = count(&[0.5, 0.0, 0.25, 0.7, 0.5]);
        assert!(near(&after, [0.05, 0.25, 0.7]), "{after:?}");
    }

    #[test]
    fn several_blocks_a_layer_are_trained_where_the_template_allows_them() {
        let most = |policy, blocks| {
            let graph = layered(&[4], blocks, &[]);
            let sizes = (0..200).map(|index| draw(policy, &graph, &[], index)[0].len() - 2);
            sizes.max().expect("some")
        };
        for policy in [PathPolicy::AnySubset, PathPolicy::Fitness] {
            assert_eq!(most(policy, BlocksPerLayer::One), 1);
            assert_eq!(most(policy, BlocksPerLayer::UpTo(3)), 3);
            assert_eq!(most(policy, BlocksPerLayer::Any), 4);
        }
        assert_eq!(most(PathPolicy::Single, BlocksPerLayer::Any), 1);
    }
}
