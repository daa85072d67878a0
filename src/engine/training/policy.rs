//! Which paths through the template a step trains.

use crate::engine::{
    candidate::{Sampler, Space},
    mask::Mask,
    named::{Named, named},
    template::Graph,
};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Random paths in a step of the sandwich rule, in addition to the largest and the smallest.
const SANDWICH_FILLING: usize = 2;

/// The weight of a node whose fitness is lower, so that it is still trained now and then.
const LEAST_FITNESS: f64 = 0.05;

/// Which paths a step trains.
///
/// Where a step trains several, all see the same images; the step of a parameter follows the mean of its
/// gradients over the paths that it is part of, so that the learning rate means the same with every policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathPolicy {
    /// [`AnySubset`](Self::AnySubset) where the template allows several blocks per layer, otherwise
    /// [`Single`](Self::Single): what the search draws from is what is trained.
    #[default]
    Auto,
    /// A candidate with one node per layer at most, all equally likely (Guo et al. 2020, arXiv 1904.00420).
    Single,
    /// As many paths as the widest layer has alternatives; together they use every alternative of a layer
    /// equally often, give or take one where layers differ in width, and as far as the links allow it
    /// (strict fairness, Chu et al. 2021, arXiv 1907.01845).
    Fair,
    /// The candidate of the most FLOPs, the one of the fewest, and two random ones (Yu and Huang 2019, arXiv
    /// 1903.05134; Yu et al. 2020, arXiv 2003.11142). The first is exact where candidates can be
    /// [counted](crate::engine::candidate::SpaceSize), and as dear as one of very many draws elsewhere.
    Sandwich,
    /// A random candidate, with as many blocks per layer as the template allows, all equally likely.
    AnySubset,
    /// A random candidate in which fitter nodes are likelier, as soon as a search has told them apart.
    Fitness,
}

named!(PathPolicy, "path policy", {
    Auto => "auto", "any-subset where the template allows several blocks per layer, otherwise single-path";
    Single => "single-path", "one random path a step";
    Fair => "fair", "every alternative of a layer equally often within each step; a step costs as many paths";
    Sandwich => "sandwich", "the largest, the smallest and two random candidates a step";
    AnySubset => "any-subset", "a random candidate a step, with as many blocks a layer as the template allows";
    Fitness => "fitness", "a random candidate a step, fitter nodes likelier once a search has told them apart";
});

impl PathPolicy {
    /// What [`Auto`](Self::Auto) comes to in a template; any other policy is itself.
    pub fn of(self, graph: &Graph) -> Self {
        let blocks = graph.blocks_per_layer();
        match self {
            Self::Auto if graph.layers().iter().any(|layer| blocks.limit(layer.len()) > 1) => {
                Self::AnySubset
            }
            Self::Auto => Self::Single,
            Self::Single | Self::Fair | Self::Sandwich | Self::AnySubset | Self::Fitness => self,
        }
    }

    /// The name, and what [`Auto`](Self::Auto) comes to in a template.
    pub fn told(self, graph: &Graph) -> String {
        match self.of(graph) {
            chosen if chosen == self => self.to_string(),
            chosen => format!("{self} ({chosen})"),
        }
    }

    /// What draws the paths; `fitness` has a number in `0..=1` for each node.
    pub(super) fn paths(self, graph: &Graph, fitness: &[f64]) -> Paths {
        let space = Space::whole(graph);
        match self.of(graph) {
            Self::Auto | Self::Single => Paths::Uniform(space.single_path_sampler()),
            Self::Fair => {
                Paths::Fair { sampler: space.single_path_sampler(), count: widest(&space) }
            }
            Self::Sandwich => {
                let flops = |node: usize| graph.cost(node).flops as f64;
                let sampler = space.sampler();
                let ends = [sampler.heaviest(&flops), space.lightest(&flops)];
                Paths::Sandwich { ends: ends.into_iter().flatten().collect(), sampler }
            }
            Self::AnySubset => Paths::Uniform(space.sampler()),
            Self::Fitness => {
                // A node of which nothing is known has weight 1, so that all candidates are equally likely at first.
                let weight = |node: usize| {
                    2.0 * fitness.get(node).copied().unwrap_or(0.5).max(LEAST_FITNESS)
                };
                let weights: Vec<_> = (0..graph.len()).map(weight).collect();
                Paths::Weighted { sampler: space.weighted_sampler(&|node| weights[node]), weights }
            }
        }
    }
}

/// The most paths that it takes to use every alternative of a layer once; to leave out a layer that links lead past is
/// one, too.
fn widest(space: &Space<'_>) -> usize {
    let choices = space.choices().into_iter().filter(|choice| choice.most > 0);
    let alternatives = choices.map(|choice| choice.nodes.len() + usize::from(choice.least == 0));
    alternatives.max().unwrap_or(1)
}

/// Draws the paths of steps.
pub(super) enum Paths {
    /// One, of all candidates that the sampler draws from.
    Uniform(Sampler),
    /// So many, balanced.
    Fair { sampler: Sampler, count: usize },
    /// The largest and the smallest candidate, and some more.
    Sandwich { ends: Vec<Mask>, sampler: Sampler },
    /// One, nodes of higher weight likelier.
    Weighted { sampler: Sampler, weights: Vec<f64> },
}

impl Paths {
    /// The valid candidates that a step trains.
    pub(super) fn draw(&self, rng: &mut impl Rng) -> Vec<Mask> {
        match self {
            Self::Uniform(sampler) => vec![sampler.draw(rng)],
            Self::Fair { sampler, count } => sampler.balanced(*count, rng),
            Self::Sandwich { ends, sampler } => {
                let filling = (0..SANDWICH_FILLING).map(|_| sampler.draw(rng));
                ends.iter().cloned().chain(filling).collect()
            }
            Self::Weighted { sampler, weights } => {
                vec![sampler.draw_weighted(&|node| weights[node], rng)]
            }
        }
    }

    /// A path of the kind that is trained, to measure validation loss on.
    pub(super) fn probe(&self, rng: &mut impl Rng) -> Mask {
        match self {
            Self::Uniform(sampler)
            | Self::Fair { sampler, .. }
            | Self::Sandwich { sampler, .. }
            | Self::Weighted { sampler, .. } => sampler.draw(rng),
        }
    }
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
        policy.paths(graph, fitness).draw(&mut seed::rng(1, "test", index))
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
                    let probe =
                        policy.paths(&graph, &fitness).probe(&mut seed::rng(2, "test", index));
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
        assert!((1..20).any(|index| pairs(index) != pairs(0)), "each round is drawn");
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

        let mut network = graph.network().as_ref().clone();
        network.blocks_per_layer = BlocksPerLayer::One;
        let one = Graph::new(network).expect("is right");
        let round = draw(PathPolicy::Sandwich, &one, &[], 0);
        assert_eq!(kept(&round[0]), ["in", "five", "out"]);
        assert_eq!(kept(&round[1]), ["in", "one", "out"]);
    }

    #[test]
    fn the_smallest_of_a_sandwich_costs_least_and_the_largest_most() {
        // The short way is a large block, the long way a pool and a small block; what is large does not go with it.
        let pool = samples::average_pool(3, 1, 1);
        let nodes: [(&str, u32, &[Op]); 6] = [
            ("in", 0, &[samples::input([1, 8, 8])]),
            ("seven", 1, &[toy::block(4, 7)]),
            ("pool", 1, &[pool]),
            ("one", 2, &[toy::block(4, 1)]),
            ("three", 2, &[toy::block(4, 3)]),
            ("out", 3, &[Op::GlobalAveragePool, Op::Output]),
        ];
        let links = [
            ("in", "seven"),
            ("in", "pool"),
            ("pool", "one"),
            ("pool", "three"),
            ("one", "out"),
            ("three", "out"),
            ("seven", "out"),
        ];
        let mut network = toy::graph(&nodes, &links).network().as_ref().clone();
        network.blocks_per_layer = BlocksPerLayer::One;
        let graph = Graph::new(network).expect("is right");
        let round = draw(PathPolicy::Sandwich, &graph, &[], 0);
        let kept = |mask: &Mask| {
            mask.iter().map(|node| graph.id(node).as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            kept(&round[0]),
            ["in", "seven", "out"],
            "with the long way, layer 1 has two nodes"
        );
        assert_eq!(kept(&round[1]), ["in", "pool", "one", "out"]);
    }

    #[test]
    fn a_fair_round_leaves_branches_out_as_often_as_candidates_do() {
        // Input 0, a residual branch of {1, 2} and {3}, a sum 4, output 5: two candidates with the branch, one without.
        let graph = layered(&[2, 1, 1], BlocksPerLayer::Any, &[(0, 4)]);
        let paths = PathPolicy::Fair.paths(&graph, &[]);
        let (mut counts, mut drawn) = ([0_usize; 6], 0);
        for index in 0..300 {
            let round = paths.draw(&mut seed::rng(4, "test", index));
            assert_eq!(round.len(), 3, "two alternatives, or none");
            let mut of_round = [0_usize; 6];
            for mask in &round {
                assert_eq!(problem(&graph, mask), None);
                mask.iter().for_each(|node| of_round[node] += 1);
            }
            assert!(of_round[1].abs_diff(of_round[2]) <= 1, "{of_round:?}");
            drawn += round.len();
            counts.iter_mut().zip(of_round).for_each(|(all, round)| *all += round);
        }
        for (node, share) in [(1, 1.0 / 3.0), (2, 1.0 / 3.0), (3, 2.0 / 3.0)] {
            let kept = counts[node] as f64 / drawn as f64;
            assert!((kept - share).abs() < 0.05, "{node}: {kept}");
        }
    }

    #[test]
    fn auto_trains_what_the_template_allows() {
        for (layers, blocks, chosen) in [
            ([3, 2], BlocksPerLayer::One, PathPolicy::Single),
            ([3, 2], BlocksPerLayer::UpTo(2), PathPolicy::AnySubset),
            ([1, 2], BlocksPerLayer::Any, PathPolicy::AnySubset),
            ([1, 1], BlocksPerLayer::Any, PathPolicy::Single),
        ] {
            let graph = layered(&layers, blocks, &[]);
            assert_eq!(PathPolicy::Auto.of(&graph), chosen, "{blocks:?}");
            assert_eq!(PathPolicy::Auto.told(&graph), format!("auto ({chosen})"));
            assert_eq!(PathPolicy::Fair.told(&graph), "fair");
            let drawn = draw(PathPolicy::Auto, &graph, &[], 3);
            assert_eq!(drawn, draw(chosen, &graph, &[], 3));
        }
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
