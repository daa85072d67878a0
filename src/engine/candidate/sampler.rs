//! Draws candidates, each with the same probability, and knows how many there are and what they keep.

use super::{
    super::{mask::Mask, seed, template::Graph},
    Canonical, Space, SpaceSize, canonical,
    groups::{Blocks, Group, Groups},
    sweep::{Limit, Pattern, Sizes, Sweep, Thinning},
};
use rand::{
    Rng, RngExt, SeedableRng,
    seq::{SliceRandom, index},
};
use rand_chacha::ChaCha8Rng;
use std::collections::HashSet;

/// Limits on the cost of preparing a sampler.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// How much an exact sweep may look at: states, and what each remembers.
    most: usize,
    /// How many sweeps there are where the exact one is too long, and how many states each may have after a group.
    sweeps: usize,
    states: usize,
}

impl Effort {
    /// About half a second at most.
    fn usual(groups: &Groups) -> Self {
        // What a sweep costs for each state: after each group it follows all links that are begun, and some more.
        let of_state = groups.lengths_of_links() + 40 * groups.list.len();
        let sweeps = if of_state < 2_000_000 { 8 } else { 2 };
        // One sweep more guides the others.
        let states = 25_000_000 / ((sweeps + 1) * of_state);
        Self { most: 1 << 21, sweeps, states: states.clamp(1, 4_096) }
    }
}

/// With fewer states than this, a sweep holds too few different candidates to draw from it again and again.
const FEWEST_STATES: usize = 32;

/// How many masks stand in for candidates where none is found.
const SPARE: usize = 32;

/// How many drafts [`Space::fair_design`] weighs up for each of its candidates, and among how many patterns (how many
/// nodes of which groups) it chooses first.
const DRAFTS: usize = 16;
const PATTERNS: usize = 8;

/// Draws candidates of a [`Space`], each with the same probability.
///
/// It is exact where the states of a sweep (`sweep.rs`) over the template are few enough, as they are in all templates
/// of layers that are fully linked, of branches, and of links past layers. Elsewhere, in wide layers with links of their
/// own, it draws from several sweeps that keep a random part of the states each. How far the shares of nodes are off then
/// goes with the error of [`size`](Self::size): where that is below 15 %, tests hold them to 0.08, and to 0.025 on average.
/// In templates of thousands of irregularly linked nodes each draw is a small sweep of its own, and candidates are not
/// equally likely.
#[derive(Clone, Debug)]
pub struct Sampler {
    nodes: usize,
    groups: Vec<Group>,
    sizes: Vec<Sizes>,
    sweeps: Vec<Sweep>,
    /// How to make another one for each draw, where those that there are hold too few candidates.
    fresh: Option<Fresh>,
    /// The probability with which each sweep is drawn from.
    shares: Vec<f64>,
    size: SpaceSize,
    /// The share of candidates that keep any node of each group.
    any_of_group: Vec<f64>,
    inclusion: Vec<f64>,
    /// What is drawn where no candidate is found: masks that repair could do no better with.
    spare: Vec<Mask>,
}

impl Space<'_> {
    /// What draws from all candidates. Preparing it takes longer than a draw, up to half a second in large templates of
    /// irregular links: keep it for many draws.
    pub fn sampler(&self) -> Sampler {
        Sampler::new(self, Blocks::OfTemplate, None, Effort::usual)
    }

    /// What draws from the candidates that keep one node of each layer at most, or those that are pinned.
    pub fn single_path_sampler(&self) -> Sampler {
        Sampler::new(self, Blocks::One, None, Effort::usual)
    }

    /// What draws each candidate with a probability in proportion to the product of the `weight` of its nodes, which is
    /// above 0. Of a group of equally linked nodes of which it keeps several, they are drawn one after the other in
    /// proportion to their weights.
    pub fn weighted_sampler(&self, weight: &dyn Fn(usize) -> f64) -> Sampler {
        Sampler::new(self, Blocks::OfTemplate, Some(weight), Effort::usual)
    }

    /// `count` candidates in which the alternatives of a layer occur equally often, give or take one, as far as the
    /// links allow it, and branches as often as in all candidates; every beginning of the list has the property too.
    ///
    /// Each candidate takes of equally linked nodes those that have occurred least, at random among equals; of several
    /// such drafts, the one that is new and has the least in common with those before it is chosen, so that
    /// effects of different layers can be told apart early. The list holds duplicates where balance or the size of
    /// the space leaves no other choice.
    pub fn fair_design(&self, count: usize, rng: &mut impl Rng) -> Vec<Mask> {
        self.sampler().fair_design(self.graph, count, rng)
    }
}

/// What it takes to make sweeps of few states.
#[derive(Clone, Debug)]
struct Fresh {
    groups: Groups,
    order: Vec<usize>,
    chances: Vec<f64>,
    states: usize,
}

impl Fresh {
    fn sweep(&self, sizes: &[Sizes], rng: &mut ChaCha8Rng) -> Option<Sweep> {
        let Self { groups, order, chances, states } = self;
        let limit = Limit::States(Thinning { states: *states, rng, chances });
        // Nothing but a limit of work makes it fail; there may be no candidate among the states that it kept.
        let sweep = Sweep::new(groups, sizes, order, limit).ok();
        sweep.filter(|sweep| sweep.ln_total > f64::NEG_INFINITY)
    }
}

/// The candidates drawn so far.
struct Occurrences {
    of_node: Vec<u32>,
    /// In how many candidates each group had any node.
    of_group: Vec<u32>,
    candidates: u32,
}

impl Sampler {
    fn new(
        space: &Space<'_>,
        blocks: Blocks,
        weight: Option<&dyn Fn(usize) -> f64>,
        effort: impl Fn(&Groups) -> Effort,
    ) -> Self {
        let nodes = space.graph.len();
        let mut sampler = Self {
            nodes,
            groups: Vec::new(),
            sizes: Vec::new(),
            sweeps: Vec::new(),
            fresh: None,
            shares: Vec::new(),
            size: SpaceSize::Exact(0),
            any_of_group: Vec::new(),
            inclusion: vec![0.0; nodes],
            spare: Vec::new(),
        };
        if let Some(groups) = Groups::new(space, blocks) {
            let size = |group: &Group| {
                let mean = |weight: &dyn Fn(usize) -> f64| {
                    let sum: f64 = group.members.iter().map(|&node| weight(node)).sum();
                    (sum / group.members.len() as f64).ln()
                };
                Sizes::new(group, groups.rooms[group.layer].limit, weight.map_or(0.0, mean))
            };
            sampler.sizes = groups.list.iter().map(size).collect();
            let effort = effort(&groups);
            sampler.groups.clone_from(&groups.list);
            sampler.sweep(groups, effort);
        }
        if sampler.sweeps.is_empty() {
            let rng = &mut seed::rng(0, "candidate/spare", 0);
            let start = |rng: &mut ChaCha8Rng| match blocks {
                Blocks::OfTemplate => {
                    let drawn = space.allowed.iter().filter(|_| rng.random_bool(0.5));
                    Mask::from_nodes(nodes, drawn.collect::<Vec<_>>())
                }
                Blocks::One => Mask::empty(nodes),
            };
            for _ in 0..SPARE {
                let start = start(rng);
                let scores: Vec<f64> = (0..nodes).map(|_| rng.random()).collect();
                sampler.spare.push(space.repair(&start, &|node| scores[node]));
            }
        }
        sampler.include();
        sampler
    }

    /// Works out how often nodes and groups are kept.
    fn include(&mut self) {
        self.any_of_group = vec![0.0; self.groups.len()];
        for (sweep, share) in self.sweeps.iter().zip(&self.shares) {
            let (any, kept) = sweep.inclusion(&self.sizes);
            for (group, any) in self.any_of_group.iter_mut().zip(any) {
                *group += share * any;
            }
            for (group, kept) in self.groups.iter().zip(kept) {
                for &node in &group.members {
                    self.inclusion[node] += share * kept / group.members.len() as f64;
                }
            }
        }
        for mask in &self.spare {
            for node in mask.iter() {
                self.inclusion[node] += 1.0 / self.spare.len() as f64;
            }
        }
    }

    fn sweep(&mut self, groups: Groups, effort: Effort) {
        let mut furthest = (0, Vec::new());
        for order in [groups.by_layer(), groups.by_branch()] {
            match Sweep::new(&groups, &self.sizes, &order, Limit::Work(effort.most)) {
                Ok(sweep) => {
                    self.size = match sweep.total {
                        Some(total) => SpaceSize::Exact(total),
                        None => SpaceSize::rounded(sweep.ln_total),
                    };
                    if sweep.ln_total > f64::NEG_INFINITY {
                        (self.sweeps, self.shares) = (vec![sweep], vec![1.0]);
                    }
                    return;
                }
                Err(groups) if furthest.1.is_empty() || groups > furthest.0 => {
                    furthest = (groups, order);
                }
                Err(_) => {}
            }
        }
        let chances = groups.list.iter().map(|group| groups.chance(group)).collect();
        let mut fresh = Fresh { groups, order: furthest.1, chances, states: effort.states };
        let rng = |number| seed::rng(0, "candidate/sweep", number);
        // What the first one finds guides the others.
        if effort.states > 1
            && let Some(pilot) = fresh.sweep(&self.sizes, &mut rng(0))
        {
            fresh.chances = pilot.inclusion(&self.sizes).0;
        }
        fresh.chances.iter_mut().for_each(|chance| *chance = chance.clamp(0.01, 0.99));
        let sweeps: Vec<_> = (1..=effort.sweeps as u64)
            .map(|number| fresh.sweep(&self.sizes, &mut rng(number)))
            .collect();
        let none = f64::NEG_INFINITY;
        let totals: Vec<_> = sweeps
            .iter()
            .map(|sweep| sweep.as_ref().map_or(none, |sweep| sweep.ln_total))
            .collect();
        self.size = SpaceSize::estimated(&totals);
        let sweeps: Vec<_> = sweeps.into_iter().flatten().collect();
        self.fresh = (effort.states < FEWEST_STATES && !sweeps.is_empty()).then_some(fresh);
        let highest = totals.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<_> = sweeps.iter().map(|sweep| (sweep.ln_total - highest).exp()).collect();
        let sum: f64 = shares.iter().sum();
        self.shares = shares.into_iter().map(|share| share / sum).collect();
        self.sweeps = sweeps;
    }

    /// How many candidates there are to draw from; of a [weighted](Space::weighted_sampler) sampler, their total weight.
    pub fn size(&self) -> SpaceSize {
        self.size
    }

    /// A candidate. Where there is none, or none is found, a mask that is as near to one as repair could make it.
    pub fn draw(&self, rng: &mut impl Rng) -> Mask {
        match self.pattern(rng) {
            Some(pattern) => self.fill(&pattern, |group, kept, picked| {
                let members = &group.members;
                picked.extend(index::sample(rng, members.len(), kept).iter().map(|i| members[i]));
            }),
            None => self.draw_spare(rng),
        }
    }

    /// A candidate of a [weighted](Space::weighted_sampler) sampler with the same weights.
    pub fn draw_weighted(&self, weight: &dyn Fn(usize) -> f64, rng: &mut impl Rng) -> Mask {
        match self.pattern(rng) {
            Some(pattern) => self.fill(&pattern, |group, kept, picked| {
                let mut left = group.members.clone();
                for _ in 0..kept {
                    let total: f64 = left.iter().map(|&node| weight(node)).sum();
                    let mut rest = rng.random::<f64>() * total;
                    let drawn = left.iter().position(|&node| {
                        rest -= weight(node);
                        rest < 0.0
                    });
                    picked.push(left.swap_remove(drawn.unwrap_or(left.len() - 1)));
                }
            }),
            None => self.draw_spare(rng),
        }
    }

    /// The share of candidates that keep each node of the template, in `0..=1`: the probability that a draw keeps it.
    pub fn inclusion(&self) -> &[f64] {
        &self.inclusion
    }

    /// The candidate with the largest sum of `weight`, which is not negative. Exact where [`size`](Self::size) is; else the
    /// heaviest of what the sweeps have kept, which is as heavy as one of very many draws. `None` where there is none.
    pub fn heaviest(&self, weight: &dyn Fn(usize) -> f64) -> Option<Mask> {
        let sorted = |group: &Group| {
            let mut members = group.members.clone();
            members.sort_by(|&a, &b| weight(b).total_cmp(&weight(a)).then(a.cmp(&b)));
            members
        };
        let members: Vec<_> = self.groups.iter().map(sorted).collect();
        let sums = |members: &Vec<usize>| {
            let weights = members.iter().map(|&node| weight(node));
            let sum = weights.scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            });
            std::iter::once(0.0).chain(sum).collect::<Vec<f64>>()
        };
        let sums: Vec<_> = members.iter().map(sums).collect();
        let best = self
            .sweeps
            .iter()
            .map(|sweep| sweep.heaviest(&|group, kept| sums[group][kept]))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let nodes = |(group, kept): (usize, usize)| members[group][..kept].iter().copied();
        best.map(|(_, pattern)| {
            Mask::from_nodes(self.nodes, pattern.into_iter().flat_map(nodes).collect::<Vec<_>>())
        })
    }

    /// `count` candidates in which equally linked nodes occur equally often, give or take one, and groups of these
    /// about as often as in all candidates.
    pub fn balanced(&self, count: usize, rng: &mut impl Rng) -> Vec<Mask> {
        let mut occurred = self.nothing_occurred();
        (0..count)
            .map(|_| {
                let pattern = self.patterns(&occurred, rng).into_iter().next();
                let mask = pattern.map(|pattern| self.fill_rarest(&pattern, &occurred, rng));
                let mask = mask.unwrap_or_else(|| self.draw_spare(rng));
                self.add(&mut occurred, &mask);
                mask
            })
            .collect()
    }

    /// See [`Space::fair_design`]; of candidates of this `graph`.
    pub fn fair_design(&self, graph: &Graph, count: usize, rng: &mut impl Rng) -> Vec<Mask> {
        let mut occurred = self.nothing_occurred();
        let mut seen = HashSet::new();
        let mut design: Vec<Mask> = Vec::with_capacity(count);
        for _ in 0..count {
            let mut best: Option<(bool, Mask, Canonical)> = None;
            for pattern in self.patterns(&occurred, rng) {
                let draft = (0..DRAFTS)
                    .map(|_| {
                        let draft = self.fill_rarest(&pattern, &occurred, rng);
                        let form = canonical(graph, &draft);
                        let common: usize =
                            design.iter().map(|other| draft.intersection(other).len().pow(2)).sum();
                        ((seen.contains(&form), common), draft, form)
                    })
                    .min_by_key(|(cost, ..)| *cost);
                if let Some(((known, _), draft, form)) = draft
                    && best.as_ref().is_none_or(|best| best.0 && !known)
                {
                    best = Some((known, draft, form));
                }
                if best.as_ref().is_some_and(|best| !best.0) {
                    break;
                }
            }
            let (mask, form) = match best {
                Some((_, mask, form)) => (mask, form),
                None => {
                    let mask = self.draw_spare(rng);
                    let form = canonical(graph, &mask);
                    (mask, form)
                }
            };
            self.add(&mut occurred, &mask);
            seen.insert(form);
            design.push(mask);
        }
        design
    }

    fn pattern(&self, rng: &mut impl Rng) -> Option<Pattern> {
        if let Some(fresh) = &self.fresh {
            let rng = &mut ChaCha8Rng::from_rng(rng);
            let sweep = fresh.sweep(&self.sizes, rng);
            if let Some(sweep) = sweep {
                return Some(sweep.draw(&self.sizes, rng));
            }
        }
        let mut sweep = 0;
        if self.sweeps.len() > 1 {
            let mut rest = rng.random::<f64>();
            let drawn = self.shares.iter().position(|share| {
                rest -= share;
                rest < 0.0
            });
            sweep = drawn.unwrap_or(self.sweeps.len() - 1);
        }
        self.sweeps.get(sweep).map(|sweep| sweep.draw(&self.sizes, rng))
    }

    fn fill(
        &self,
        pattern: &Pattern,
        mut choose: impl FnMut(&Group, usize, &mut Vec<usize>),
    ) -> Mask {
        let mut picked = Vec::new();
        for &(group, kept) in pattern {
            let group = &self.groups[group];
            if kept == group.members.len() {
                picked.extend_from_slice(&group.members);
            } else {
                choose(group, kept, &mut picked);
            }
        }
        Mask::from_nodes(self.nodes, picked)
    }

    /// Takes of each group those that have occurred least, at random among equals.
    fn fill_rarest(&self, pattern: &Pattern, occurred: &Occurrences, rng: &mut impl Rng) -> Mask {
        self.fill(pattern, |group, kept, picked| {
            let mut members = group.members.clone();
            members.shuffle(rng);
            members.sort_by_key(|&node| occurred.of_node[node]);
            picked.extend_from_slice(&members[..kept]);
        })
    }

    fn draw_spare(&self, rng: &mut impl Rng) -> Mask {
        self.spare[rng.random_range(0..self.spare.len())].clone()
    }

    /// Some drawn patterns, first the one that brings groups nearest to how often they are expected. One is enough
    /// where all candidates keep nodes of the same groups; there are none where no candidate is found.
    fn patterns(&self, occurred: &Occurrences, rng: &mut impl Rng) -> Vec<Pattern> {
        let expected = &self.any_of_group;
        let optional = |share: &f64| *share < 1.0 - 1e-9;
        let count = if expected.iter().any(optional) { PATTERNS } else { 1 };
        let drawn: Vec<_> = (0..count).filter_map(|_| self.pattern(rng)).collect();
        let candidates = f64::from(occurred.candidates + 1);
        let off = |pattern: &Pattern| {
            let mut times: Vec<_> =
                occurred.of_group.iter().map(|&times| f64::from(times)).collect();
            pattern.iter().for_each(|&(group, _)| times[group] += 1.0);
            let off = times.iter().zip(expected).map(|(times, share)| times - candidates * share);
            off.map(|off| off * off).sum::<f64>()
        };
        let mut patterns: Vec<_> = drawn.into_iter().map(|drawn| (off(&drawn), drawn)).collect();
        patterns.sort_by(|a, b| a.0.total_cmp(&b.0));
        patterns.into_iter().map(|(_, pattern)| pattern).collect()
    }

    fn nothing_occurred(&self) -> Occurrences {
        Occurrences {
            of_node: vec![0; self.nodes],
            of_group: vec![0; self.groups.len()],
            candidates: 0,
        }
    }

    fn add(&self, occurred: &mut Occurrences, mask: &Mask) {
        occurred.candidates += 1;
        mask.iter().for_each(|node| occurred.of_node[node] += 1);
        for (times, group) in occurred.of_group.iter_mut().zip(&self.groups) {
            *times += u32::from(group.members.iter().any(|&node| mask.contains(node)));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{
        list_all, problem, sample, sample_single_path,
        tests::{any_layered, graph_of, layered, relu},
    };
    use super::*;
    use crate::engine::{
        ops::{Op, samples},
        template::BlocksPerLayer,
    };
    use proptest::prelude::*;
    use std::collections::{BTreeMap, HashSet};

    /// A template of layers that are linked to the next, but not every node to every one: up to `most_layers` of up to
    /// `most_nodes`, as `links` says.
    fn linked(
        layers: &[usize],
        blocks: BlocksPerLayer,
        links: impl Fn(usize, usize) -> bool,
    ) -> Graph {
        let mut nodes = vec![(0, vec![samples::input([1, 1, 1])])];
        let mut all = Vec::new();
        let mut above = vec![0];
        for (layer, &size) in layers.iter().enumerate() {
            let below: Vec<_> = (nodes.len()..nodes.len() + size).collect();
            nodes.extend(below.iter().map(|_| (layer as u32 + 1, vec![relu()])));
            for (i, &from) in above.iter().enumerate() {
                for (j, &to) in below.iter().enumerate() {
                    // One link to and from each node stays, so that the template is sound.
                    if i % below.len() == j || j % above.len() == i || links(from, to) {
                        all.push((from, to));
                    }
                }
            }
            above = below;
        }
        let output = nodes.len();
        nodes.push((layers.len() as u32 + 1, vec![Op::Flatten, Op::Output]));
        all.extend(above.into_iter().map(|from| (from, output)));
        graph_of(nodes, &all, blocks)
    }

    /// Any such template of up to so many layers and nodes per layer.
    pub(in super::super) fn sparse(
        most_layers: usize,
        most_nodes: usize,
    ) -> impl Strategy<Value = Graph> {
        let limit = prop_oneof![
            Just(BlocksPerLayer::One),
            Just(BlocksPerLayer::UpTo(2)),
            Just(BlocksPerLayer::Any)
        ];
        let layers = proptest::collection::vec(1..=most_nodes, 1..=most_layers);
        (layers, limit, any::<u64>()).prop_map(|(layers, limit, cut)| {
            linked(&layers, limit, |from, to| cut >> ((from * 7 + to) % 64) & 1 == 1)
        })
    }

    /// Residual branches of one, two and three layers, the first two with alternatives.
    fn resnet(blocks: BlocksPerLayer) -> Graph {
        // Input 0, stem 1; branch {2, 3, 4}, sum 5; branch {6, 7}, {8, 9}, sum 10; branch 11, 12, 13, sum 14; output 15.
        layered(&[1, 3, 1, 2, 2, 1, 1, 1, 1, 1], blocks, &[(1, 5), (5, 10), (10, 14)])
    }

    /// A sampler that has to make do with so few states.
    fn thinned(graph: &Graph, states: usize) -> Sampler {
        let effort = move |_: &Groups| Effort { most: 0, sweeps: 8, states };
        Sampler::new(&Space::whole(graph), Blocks::OfTemplate, None, effort)
    }

    /// How unlikely the counts are if all are equally likely: Pearson's statistic as standard deviations of a normal
    /// distribution (E. B. Wilson and M. M. Hilferty, PNAS 17, 1931), with the statistic and its degrees of freedom.
    fn unevenness(counts: &[usize]) -> (f64, f64, f64) {
        let draws: usize = counts.iter().sum();
        let expected = draws as f64 / counts.len() as f64;
        let statistic =
            counts.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum::<f64>();
        let freedom = counts.len() as f64 - 1.0;
        let spread = 2.0 / (9.0 * freedom);
        (((statistic / freedom).cbrt() - (1.0 - spread)) / spread.sqrt(), statistic, freedom)
    }

    fn counts(all: &[Mask], draws: usize, mut draw: impl FnMut() -> Mask) -> Vec<usize> {
        let mut counts: BTreeMap<_, usize> = all.iter().map(|mask| (mask.clone(), 0)).collect();
        assert_eq!(counts.len(), all.len());
        for _ in 0..draws {
            *counts.get_mut(&draw()).expect("one of the candidates") += 1;
        }
        counts.into_values().collect()
    }

    /// False alarm: 1 in 100,000.
    const MOST_UNEVEN: f64 = 4.265;

    #[test]
    fn every_candidate_of_a_template_with_branches_is_drawn_equally_often() {
        let draws = std::env::var("NAS_NAVIGATOR_DRAWS").ok().and_then(|draws| draws.parse().ok());
        for (blocks, candidates) in [
            (BlocksPerLayer::One, 4 * 5 * 2),
            (BlocksPerLayer::UpTo(2), 7 * 10 * 2),
            (BlocksPerLayer::Any, 8 * 10 * 2),
        ] {
            let graph = resnet(blocks);
            let all = list_all(&graph, 100_000).expect("a few");
            assert_eq!(all.len(), candidates);
            let (sampler, mut rng) = (Space::whole(&graph).sampler(), seed::rng(1, "test", 0));
            let drawn = counts(&all, draws.unwrap_or(8_000), || sampler.draw(&mut rng));
            let (sigmas, statistic, freedom) = unevenness(&drawn);
            if draws.is_some() {
                eprintln!(
                    "{blocks:?}: chi-square {statistic:.1}, {freedom} degrees of freedom, z {sigmas:.2}"
                );
            }
            assert!(sigmas < MOST_UNEVEN, "{blocks:?}: {statistic} for {freedom}");

            let single: Vec<_> = list_all(&resnet(BlocksPerLayer::One), 100_000).expect("a few");
            let sampler = Space::whole(&graph).single_path_sampler();
            let drawn = counts(&single, 4_000, || sampler.draw(&mut rng));
            assert!(unevenness(&drawn).0 < MOST_UNEVEN, "{blocks:?}");
        }
    }

    #[test]
    fn a_residual_branch_is_kept_in_half_of_all_draws_however_long_it_is() {
        for length in 1..=4 {
            let layers = vec![1; length];
            let graph = layered(&layers, BlocksPerLayer::Any, &[(0, length + 1)]);
            let mut rng = seed::rng(2, "test", length as u64);
            for sampler in
                [Space::whole(&graph).sampler(), Space::whole(&graph).single_path_sampler()]
            {
                assert_eq!(sampler.inclusion()[1], 0.5);
                let kept = (0..4_000).filter(|_| sampler.draw(&mut rng).contains(length)).count();
                // 4.5 standard deviations of a binomial count with n = 4,000 and p = 1/2: 7 false alarms in a million.
                assert!(kept.abs_diff(2_000) < 142, "{length}: {kept}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn all_candidates_are_drawn_and_the_inclusion_is_their_mean(
            graph in prop_oneof![any_layered(4, 2), sparse(3, 3)], pins in any::<u64>(), free in any::<bool>()
        ) {
            let pinned = (0..graph.len()).filter(|node| !free && pins >> (3 * node % 64) & 7 == 7);
            let space = Space::new(&graph, &Mask::from_nodes(graph.len(), pinned), &Mask::full(graph.len()));
            let all = space.list_all(100_000).expect("a few");
            prop_assume!(!all.is_empty());
            let sampler = space.sampler();
            for (node, &inclusion) in sampler.inclusion().iter().enumerate() {
                let kept = all.iter().filter(|mask| mask.contains(node)).count() as f64;
                prop_assert!((inclusion - kept / all.len() as f64).abs() < 1e-9);
            }
            let mut rng = seed::rng(6, "test", 0);
            // The chance to miss one of the candidates: less than their number times e^-30.
            let drawn: HashSet<_> = (0..30 * all.len()).map(|_| sampler.draw(&mut rng)).collect();
            prop_assert_eq!(drawn, all.iter().cloned().collect::<HashSet<_>>());
        }

        #[test]
        fn the_heaviest_candidate_is_found(
            graph in prop_oneof![any_layered(4, 2), sparse(3, 3)], weights in proptest::collection::vec(0.0..1.0, 64)
        ) {
            let weight = |node: usize| weights[node % 64];
            let total = |mask: &Mask| mask.iter().map(weight).sum::<f64>();
            let heaviest = Space::whole(&graph).sampler().heaviest(&weight).expect("there are candidates");
            prop_assert_eq!(problem(&graph, &heaviest), None);
            let most = list_all(&graph, 100_000).expect("a few").iter().map(total).fold(0.0, f64::max);
            prop_assert!((total(&heaviest) - most).abs() < 1e-9);
        }

        #[test]
        fn weights_are_what_candidates_are_drawn_by(
            graph in any_layered(3, 2), weights in proptest::collection::vec(0.2..2.0, 64)
        ) {
            // Equally linked nodes have equal weights, so that these are exact for any number of them.
            let weight = |node: usize| weights[graph.layer_of(node) % 64];
            let total = |mask: &Mask| mask.iter().map(weight).product::<f64>();
            let all = list_all(&graph, 100_000).expect("a few");
            let sum: f64 = all.iter().map(total).sum();
            let sampler = Space::whole(&graph).weighted_sampler(&weight);
            prop_assert!((sampler.size().log10() - sum.log10()).abs() < 1e-9);
            for (node, &inclusion) in sampler.inclusion().iter().enumerate() {
                let kept: f64 = all.iter().filter(|mask| mask.contains(node)).map(total).sum();
                prop_assert!((inclusion - kept / sum).abs() < 1e-9);
            }
        }
    }

    /// Layers with two links in five, at random: no two nodes are linked alike.
    fn irregular(layers: &[usize], blocks: BlocksPerLayer, number: u64) -> Graph {
        linked(layers, blocks, |from, to| {
            let mut rng = seed::rng(number, "test/links", (from * 1_000 + to) as u64);
            rng.random_bool(0.4)
        })
    }

    #[test]
    fn estimates_are_within_four_standard_errors_of_the_count() {
        // With seven degrees of freedom, five estimates in a thousand are further off.
        for number in 0..8 {
            for (blocks, states) in [(BlocksPerLayer::UpTo(2), 32), (BlocksPerLayer::Any, 48)] {
                let graph = irregular(&[7, 7, 7, 7], blocks, number);
                let exact = Space::whole(&graph).sampler().size();
                let estimate = thinned(&graph, states).size();
                assert!(matches!(exact, SpaceSize::Exact(_)), "{exact:?}");
                assert!(matches!(estimate, SpaceSize::Estimate { .. }), "{estimate:?}");
                let off = 10_f64.powf(estimate.log10() - exact.log10()) - 1.0;
                let error = estimate.relative_error();
                assert!(error > 0.0 && error < 0.15, "{estimate:?}");
                assert!(off.abs() < 4.0 * error, "{number} {blocks:?}: {off} for {error}");
            }
        }
    }

    #[test]
    fn draws_from_thinned_sweeps_include_nodes_almost_as_often_as_they_should() {
        for number in 0..4 {
            for (blocks, states) in [(BlocksPerLayer::UpTo(2), 32), (BlocksPerLayer::Any, 48)] {
                let graph = irregular(&[7, 7, 7, 7], blocks, number);
                let exact = Space::whole(&graph).sampler();
                let exact = exact.inclusion();
                let sampler = thinned(&graph, states);
                let off: Vec<_> = sampler
                    .inclusion()
                    .iter()
                    .zip(exact)
                    .map(|(share, exact)| (share - exact).abs())
                    .collect();
                let most = off.iter().copied().fold(0.0, f64::max);
                let mean = off.iter().sum::<f64>() / off.len() as f64;
                assert!(
                    most > 0.0 && most < 0.08 && mean < 0.025,
                    "{number} {blocks:?}: {most} {mean}"
                );
                let mut rng = seed::rng(3, "test", number);
                for _ in 0..200 {
                    assert_eq!(problem(&graph, &sampler.draw(&mut rng)), None);
                }
            }
        }
    }

    #[test]
    fn where_sweeps_hold_few_states_each_draw_is_a_new_one() {
        for blocks in [BlocksPerLayer::UpTo(2), BlocksPerLayer::Any] {
            let graph = irregular(&[7, 7, 7, 7], blocks, 1);
            let sampler = thinned(&graph, 4);
            assert!(sampler.fresh.is_some());
            let mut rng = seed::rng(8, "test", 0);
            let drawn: HashSet<_> = (0..100).map(|_| sampler.draw(&mut rng)).collect();
            assert!(drawn.iter().all(|mask| problem(&graph, mask).is_none()));
            assert!(drawn.len() > 90, "{}", drawn.len());
        }
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
    fn inclusion_follows_from_the_subsets() {
        let inclusion = |sizes: &[usize], blocks| {
            Space::whole(&layered(sizes, blocks, &[])).sampler().inclusion()[1]
        };
        assert!((inclusion(&[4], BlocksPerLayer::One) - 0.25).abs() < 1e-12);
        // Of the seven subsets of three nodes, each node is in four.
        assert!((inclusion(&[3], BlocksPerLayer::Any) - 4.0 / 7.0).abs() < 1e-12);
        assert!((inclusion(&[1], BlocksPerLayer::One) - 1.0).abs() < 1e-12);
        assert!((inclusion(&[3_000], BlocksPerLayer::Any) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn where_there_is_no_candidate_something_near_one_is_drawn() {
        // The only path visits layer 1 twice.
        let nodes = [0, 1, 2, 1, 3].into_iter().enumerate().map(|(node, layer)| {
            let ops = match node {
                0 => vec![samples::input([1, 1, 1])],
                4 => vec![Op::Flatten, Op::Output],
                _ => vec![relu()],
            };
            (layer, ops)
        });
        let links = [(0, 1), (1, 2), (2, 3), (3, 4)];
        let graph = graph_of(nodes.collect(), &links, BlocksPerLayer::One);
        let sampler = Space::whole(&graph).sampler();
        assert_eq!(sampler.size(), SpaceSize::Exact(0));
        assert_eq!(sampler.heaviest(&|_| 1.0), None);
        let mut rng = seed::rng(4, "test", 0);
        let design = Space::whole(&graph).fair_design(3, &mut rng);
        let drawn = [sampler.draw(&mut rng), sampler.balanced(1, &mut rng)[0].clone()];
        for mask in design.iter().chain(&drawn) {
            assert_eq!(*mask, Mask::full(5));
        }
    }

    #[test]
    fn every_beginning_of_a_fair_design_is_balanced() {
        for blocks in [BlocksPerLayer::One, BlocksPerLayer::UpTo(2), BlocksPerLayer::Any] {
            let graph = layered(&[3, 5, 2, 1], blocks, &[]);
            let design = Space::whole(&graph).fair_design(40, &mut seed::rng(3, "test", 0));
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
    fn a_fair_design_keeps_branches_as_often_as_all_candidates_do() {
        for blocks in [BlocksPerLayer::One, BlocksPerLayer::Any] {
            let graph = resnet(blocks);
            let sampler = Space::whole(&graph).sampler();
            let all = sampler.inclusion();
            let mut rng = seed::rng(5, "test", 0);
            for (kind, masks) in [
                ("design", Space::whole(&graph).fair_design(32, &mut rng)),
                ("balanced", sampler.balanced(32, &mut rng)),
            ] {
                for end in [8, 16, 32] {
                    // A branch, as long as it is, is one choice: nodes 2 to 4, 6 to 9, 11 to 13.
                    for branch in [2..5, 6..8, 11..12] {
                        let kept = |mask: &&Mask| branch.clone().any(|node| mask.contains(node));
                        let kept = masks[..end].iter().filter(kept).count() as f64;
                        let single: f64 = branch.clone().map(|node| all[node]).sum();
                        let share = match (blocks, branch.start) {
                            (BlocksPerLayer::Any, 2) => 7.0 / 8.0,
                            (BlocksPerLayer::Any, 6) => 9.0 / 10.0,
                            _ => single,
                        };
                        assert!(
                            (kept - end as f64 * share).abs() < 2.0,
                            "{kind} {end} {branch:?}: {kept}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_fair_design_of_a_small_space_starts_with_all_of_it() {
        for (graph, candidates) in [
            (layered(&[3], BlocksPerLayer::One, &[]), 3),
            (layered(&[1, 1, 1], BlocksPerLayer::One, &[(0, 4)]), 2),
        ] {
            let design = Space::whole(&graph).fair_design(candidates, &mut seed::rng(4, "test", 0));
            let distinct: HashSet<_> = design.iter().collect();
            assert_eq!(distinct.len(), candidates);
        }
    }

    #[test]
    fn templates_of_ten_thousand_nodes_are_drawn_from() {
        let wide = layered(&[15_000], BlocksPerLayer::Any, &[(0, 15_001)]);
        let chain = layered(&[1; 10_000], BlocksPerLayer::Any, &[]);
        let residual: Vec<_> = (0..2_500).map(|i| (4 * i, 4 * (i + 1))).collect();
        let residual = layered(&[1; 10_000], BlocksPerLayer::Any, &residual);
        let messy = irregular(&[20; 15], BlocksPerLayer::Any, 1);
        for graph in [&wide, &chain, &residual, &messy] {
            let space = Space::whole(graph);
            let sampler = space.sampler();
            let mut rng = seed::rng(7, "test", 0);
            for _ in 0..10 {
                let mask = sampler.draw(&mut rng);
                assert!(mask.contains(graph.input()) && mask.contains(graph.output()));
            }
            assert_eq!(sampler.inclusion().len(), graph.len());
            assert_eq!(space.choices().len(), graph.layers().len());
        }
    }
}
