//! Draws candidates at random, and the balanced set that a search starts from.

use super::{
    super::{mask::Mask, template::Graph},
    Canonical, Space, canonical, prune,
};
use rand::{Rng, RngExt, seq::SliceRandom};
use std::collections::HashSet;

/// What there is to choose in one layer.
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
    /// For each number of kept nodes from `least` to `most`: the share of the allowed subsets that have it.
    pub fn size_shares(&self) -> Vec<f64> {
        let n = self.nodes.len();
        // Logarithms of binomial coefficients, which overflow otherwise in layers of over 1,000 nodes.
        let mut log_count = vec![0.0; n + 1];
        for size in 1..=n {
            log_count[size] = log_count[size - 1] + ((n - size + 1) as f64 / size as f64).ln();
        }
        let counts = &log_count[self.least..=self.most];
        let largest = counts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<_> = counts.iter().map(|count| (count - largest).exp()).collect();
        let total: f64 = shares.iter().sum();
        shares.into_iter().map(|share| share / total).collect()
    }

    /// The probability that a given alternative is kept when every allowed subset is equally likely.
    pub fn inclusion(&self) -> f64 {
        if self.nodes.is_empty() {
            return 0.0;
        }
        let mean: f64 = self
            .size_shares()
            .iter()
            .enumerate()
            .map(|(i, share)| share * (self.least + i) as f64)
            .sum();
        mean / self.nodes.len() as f64
    }

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

    /// How many nodes to keep on a single path: one, or none where there need not be any, each alternative and none
    /// at all equally likely.
    fn draw_at_most_one(&self, rng: &mut impl Rng) -> usize {
        let one = self.most.min(1);
        if self.least < one { usize::from(rng.random_range(0..=self.nodes.len()) > 0) } else { one }
    }

    /// How many nodes to keep, so that every allowed subset is equally likely.
    fn draw_size(&self, rng: &mut impl Rng) -> usize {
        let mut rest: f64 = rng.random();
        for (i, share) in self.size_shares().into_iter().enumerate() {
            rest -= share;
            if rest < 0.0 {
                return self.least + i;
            }
        }
        self.most
    }
}

/// What there is to choose in each layer of `graph`, see [`Space::choices`].
pub fn choices(graph: &Graph) -> Vec<Choice> {
    Space::whole(graph).choices()
}

/// A candidate of `graph`, see [`Space::sample`].
pub fn sample(graph: &Graph, rng: &mut impl Rng) -> Mask {
    Space::whole(graph).sample(rng)
}

/// A candidate with one node a layer, or none where links lead past it, each of these equally likely, then
/// repaired.
pub fn sample_single_path(graph: &Graph, rng: &mut impl Rng) -> Mask {
    Space::whole(graph).draw(rng, Choice::draw_at_most_one)
}

/// A balanced set of candidates of `graph`, see [`Space::fair_design`].
pub fn fair_design(graph: &Graph, count: usize, rng: &mut impl Rng) -> Vec<Mask> {
    Space::whole(graph).fair_design(count, rng)
}

/// All candidates of `graph`, see [`Space::list_all`].
pub fn list_all(graph: &Graph, most: usize) -> Option<Vec<Mask>> {
    Space::whole(graph).list_all(most)
}

impl Space<'_> {
    /// What there is to choose in each layer, in the order of [`Graph::layers`].
    pub fn choices(&self) -> Vec<Choice> {
        let blocks = self.graph.template().blocks_per_layer;
        let choice = |layer: &Vec<usize>| {
            let fixed = layer.iter().filter(|&&node| self.pinned.contains(node)).count();
            let free = |node: &usize| self.allowed.contains(*node) && !self.pinned.contains(*node);
            let nodes: Vec<_> = layer.iter().copied().filter(free).collect();
            let most = blocks.limit(layer.len()).saturating_sub(fixed).min(nodes.len());
            let needed = fixed == 0 && !self.can_be_empty(layer);
            Choice { nodes, least: usize::from(needed).min(most), most }
        };
        self.graph.layers().iter().map(choice).collect()
    }

    /// Whether allowed links lead past a layer.
    fn can_be_empty(&self, layer: &[usize]) -> bool {
        let layer = Mask::from_nodes(self.graph.len(), layer.iter().copied());
        !prune(self.graph, &self.allowed.difference(&layer)).is_empty()
    }

    /// A candidate drawn layer by layer, every subset within the template's blocks a layer equally likely,
    /// then repaired.
    pub fn sample(&self, rng: &mut impl Rng) -> Mask {
        self.draw(rng, |choice, rng| choice.draw_size(rng))
    }

    fn draw<R: Rng>(&self, rng: &mut R, size: impl Fn(&Choice, &mut R) -> usize) -> Mask {
        let mut picked = Vec::new();
        for choice in self.choices() {
            let size = size(&choice, rng);
            let mut nodes = choice.nodes;
            let (chosen, _) = nodes.partial_shuffle(rng, size);
            picked.extend_from_slice(chosen);
        }
        self.repair_at_random(picked, rng)
    }

    /// Repairs with random scores, so that no node is favoured where the draw does not connect.
    fn repair_at_random(&self, picked: Vec<usize>, rng: &mut impl Rng) -> Mask {
        let count = self.graph.len();
        let scores: Vec<f64> = (0..count).map(|_| rng.random()).collect();
        self.repair(&Mask::from_nodes(count, picked), &|node| scores[node])
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
        Some(masks.filter(|mask| self.problem(mask).is_none()).collect())
    }

    /// `count` candidates in which every alternative of a layer occurs equally often, give or take one, as
    /// far as the links allow it; every beginning of the list has the property too.
    ///
    /// Each candidate takes the alternatives of each layer that have occurred least, at random among equals;
    /// of several such drafts, the one that is new and has the least in common with those before it is
    /// chosen, so that effects of different layers can be told apart early. The list holds duplicates where
    /// balance or the size of the space leaves no other choice.
    pub fn fair_design(&self, count: usize, rng: &mut impl Rng) -> Vec<Mask> {
        let graph = self.graph;
        let choices = self.choices();
        let mut occurred = vec![0_u32; graph.len()];
        let mut seen = HashSet::new();
        let mut design: Vec<Mask> = Vec::with_capacity(count);
        for _ in 0..count {
            let sizes: Vec<_> = choices.iter().map(|choice| choice.draw_size(rng)).collect();
            let mut best: Option<((bool, usize), Mask, Canonical)> = None;
            for _ in 0..DRAFTS {
                let mut picked = Vec::new();
                for (choice, &size) in choices.iter().zip(&sizes) {
                    let mut nodes = choice.nodes.clone();
                    nodes.shuffle(rng);
                    nodes.sort_by_key(|&node| occurred[node]);
                    picked.extend_from_slice(&nodes[..size]);
                }
                let draft = self.repair_at_random(picked, rng);
                let form = canonical(graph, &draft);
                let common: usize =
                    design.iter().map(|other| draft.intersection(other).len().pow(2)).sum();
                let cost = (seen.contains(&form), common);
                if best.as_ref().is_none_or(|(lowest, ..)| cost < *lowest) {
                    best = Some((cost, draft, form));
                }
            }
            if let Some((_, mask, form)) = best {
                for node in mask.iter() {
                    occurred[node] += 1;
                }
                seen.insert(form);
                design.push(mask);
            }
        }
        design
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

/// How many drafts [`fair_design`] weighs up for each of its candidates.
const DRAFTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::{
        count, problem,
        tests::{any_layered, layered},
    };
    use super::*;
    use crate::engine::{seed, template::BlocksPerLayer};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_allowed_subset_is_drawn_equally_often() {
        let graph = layered(&[3], BlocksPerLayer::UpTo(2), &[]);
        let mut rng = seed::rng(1, "test", 0);
        let mut counts = BTreeMap::<Vec<usize>, usize>::new();
        for _ in 0..6_000 {
            *counts.entry(sample(&graph, &mut rng).iter().collect()).or_default() += 1;
        }
        assert_eq!(counts.len(), 6, "three singles and three pairs: {counts:?}");
        // Five standard deviations of a binomial count with n = 6,000 and p = 1/6.
        assert!(counts.values().all(|&count| count.abs_diff(1_000) < 145), "{counts:?}");
    }

    #[test]
    fn inclusion_follows_from_the_subsets() {
        let inclusion =
            |sizes: &[usize], blocks| choices(&layered(sizes, blocks, &[]))[1].inclusion();
        assert!((inclusion(&[4], BlocksPerLayer::One) - 0.25).abs() < 1e-12);
        // Of the seven subsets of three nodes, each node is in four.
        assert!((inclusion(&[3], BlocksPerLayer::Any) - 4.0 / 7.0).abs() < 1e-12);
        assert!((inclusion(&[1], BlocksPerLayer::One) - 1.0).abs() < 1e-12);
        assert!((inclusion(&[3_000], BlocksPerLayer::Any) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn samples_are_valid_with_links_that_skip_layers() {
        let mut rng = seed::rng(2, "test", 0);
        for blocks in [BlocksPerLayer::One, BlocksPerLayer::UpTo(2), BlocksPerLayer::Any] {
            // Input 0, layers {1, 2, 3}, {4}, {5, 6}, output 7; links past layers 1 and 2.
            let graph = layered(&[3, 1, 2], blocks, &[(0, 4), (1, 5), (2, 7)]);
            for _ in 0..200 {
                let (any, single) =
                    (sample(&graph, &mut rng), sample_single_path(&graph, &mut rng));
                assert_eq!(problem(&graph, &any), None);
                assert_eq!(problem(&graph, &single), None);
                assert!(single.len() <= 5, "{single:?}");
            }
        }
    }

    #[test]
    fn every_beginning_of_a_fair_design_is_balanced() {
        for blocks in [BlocksPerLayer::One, BlocksPerLayer::UpTo(2), BlocksPerLayer::Any] {
            let graph = layered(&[3, 5, 2, 1], blocks, &[]);
            let design = fair_design(&graph, 40, &mut seed::rng(3, "test", 0));
            assert_eq!(design.len(), 40);
            let mut counts = vec![0_usize; graph.len()];
            for mask in &design {
                assert_eq!(problem(&graph, mask), None);
                mask.iter().for_each(|node| counts[node] += 1);
                for layer in graph.layers() {
                    let of_layer: Vec<_> = layer.iter().map(|&node| counts[node]).collect();
                    let (low, high) = (of_layer.iter().min(), of_layer.iter().max());
                    assert!(
                        high.zip(low).is_some_and(|(high, low)| high - low <= 1),
                        "{of_layer:?}"
                    );
                }
            }
        }
    }

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
    fn layers_that_links_lead_past_are_left_out_as_often_as_each_of_their_nodes_is_kept() {
        // Input 0, layers {1, 2}, {3}, {4, 5}, output 6; one link past the layer of 3.
        let graph = layered(&[2, 1, 2], BlocksPerLayer::One, &[(1, 4), (1, 5), (2, 4), (2, 5)]);
        assert_eq!(
            choices(&graph).iter().map(|choice| choice.least).collect::<Vec<_>>(),
            [0, 1, 0, 1, 0]
        );
        let mut rng = seed::rng(5, "test", 0);
        for draw in [sample, sample_single_path] {
            let without = (0..2_000).filter(|_| !draw(&graph, &mut rng).contains(3)).count();
            // Five standard deviations of a binomial count with n = 2,000 and p = 1/2.
            assert!(without.abs_diff(1_000) < 112, "{without}");
        }
        // A pinned node has its layer, a forbidden link past it makes it needed.
        let space = Space::new(&graph, &Mask::from_nodes(7, [3]), &Mask::full(7));
        assert_eq!(space.list_all(100).map(|all| all.len()), Some(4));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn all_that_are_counted_are_listed_and_drawn(graph in any_layered(4, 2)) {
            let all = list_all(&graph, 100_000).expect("a few");
            prop_assert_eq!(count(&graph), Some(all.len() as u128));
            let all: HashSet<_> = all.into_iter().collect();
            let mut rng = seed::rng(6, "test", 0);
            // At most four subsets a layer, each equally likely: the chance to miss one is 256 times e^-30.
            let draws = 30 * 4_usize.pow(graph.layers().len() as u32 - 2);
            let drawn: HashSet<_> = (0..draws).map(|_| sample(&graph, &mut rng)).collect();
            prop_assert_eq!(drawn, all);
        }
    }

    #[test]
    fn a_fair_design_of_a_small_space_starts_with_all_of_it() {
        let graph = layered(&[3], BlocksPerLayer::One, &[]);
        let design = fair_design(&graph, 3, &mut seed::rng(4, "test", 0));
        let distinct: HashSet<_> = design.iter().collect();
        assert_eq!(distinct.len(), 3);
    }
}
