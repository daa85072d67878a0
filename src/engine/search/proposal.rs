//! Chooses which candidates to evaluate next.

use super::{
    Evaluation,
    features::Features,
    fitness::{Model, Predicted},
};
use crate::engine::{
    candidate::{self, CandidateId, Canonical, Choice},
    mask::Mask,
    template::Graph,
};
use rand::{
    Rng, RngExt,
    seq::{IndexedRandom, SliceRandom},
};
use std::collections::HashSet;

/// How many of the best become parents.
const ELITE: usize = 8;

/// Children are bred in this many rounds of this size; from the second on, the most promising children so
/// far are parents too, which finds better ones in large spaces.
const ROUNDS: usize = 2;
const CHILDREN: usize = 200;

/// Fresh samples beside the children.
const FRESH: usize = 40;

/// The most candidates of the pool that are considered in one iteration.
const MOST_WAITING: usize = 1_000;

/// Standard deviations that an upper confidence bound lies above the mean. On ten simulated tables, 0.2 to 1 came
/// equally close to the best within 50 and 100 evaluations, as far as 30 runs each can tell.
const KAPPA: f64 = 0.5;

/// The most combinations of layers that are listed one by one when drawing finds nothing new any more.
pub(super) const MOST_LISTED: usize = 20_000;

/// A candidate to evaluate next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Proposal {
    pub(super) mask: Mask,
    /// The evaluated candidates it descends from; empty for a sample.
    pub(super) parents: Vec<CandidateId>,
}

/// What is known when an iteration begins.
pub(super) struct Known<'a> {
    pub(super) graph: &'a Graph,
    pub(super) features: &'a Features,
    pub(super) evaluated: Vec<(CandidateId, &'a Mask, Evaluation)>,
    /// Candidates of the pool that were never proposed.
    pub(super) waiting: Vec<&'a Mask>,
    /// Forms of what was proposed before.
    pub(super) taken: HashSet<Canonical>,
}

/// Up to `count` valid candidates that were not proposed before and differ in form; fewer, or none, where
/// nothing else can be found. Without evaluations they are the first that wait.
///
/// Otherwise: mutations and crossovers of the best, fresh samples, and what waits in the pool, ranked by the
/// model's upper confidence bound. The bound's variance is reduced after each pick, as if it had been
/// evaluated already, so that a batch does not ask the same question ten times (T. Desautels, A. Krause and
/// J. Burdick, "Parallelizing Exploration-Exploitation Tradeoffs in Gaussian Process Bandit Optimization",
/// JMLR 15, 2014).
pub(super) fn propose(known: &Known<'_>, count: usize, rng: &mut impl Rng) -> Vec<Proposal> {
    let mut drafts =
        Drafts { known, masks: HashSet::new(), seen: known.taken.clone(), list: Vec::new() };
    let mut waiting = known.waiting.clone();
    if known.evaluated.is_empty() {
        drafts.add_samples(waiting.into_iter().cloned());
        if drafts.list.len() < count {
            drafts.add_fresh(count, rng);
        }
        drafts.list.truncate(count);
        return drafts.list;
    }

    let data: Vec<_> =
        known.evaluated.iter().map(|&(_, mask, evaluation)| (mask, evaluation)).collect();
    let model = Model::fit(known.features, &data);
    drafts.add_children(&model, rng);
    drafts.add_fresh(count, rng);
    waiting.shuffle(rng);
    waiting.truncate(MOST_WAITING);
    drafts.add_samples(waiting.into_iter().cloned());
    choose(&model, known.features, &drafts.list, count)
}

/// Distinct candidates that may be proposed.
struct Drafts<'a> {
    known: &'a Known<'a>,
    /// What was looked at, so that what is bred again costs nothing.
    masks: HashSet<Mask>,
    seen: HashSet<Canonical>,
    list: Vec<Proposal>,
}

impl Drafts<'_> {
    fn add(&mut self, proposal: Proposal) {
        if !self.masks.insert(proposal.mask.clone()) {
            return;
        }
        // Repair cannot make a valid candidate where a template has none.
        let graph = self.known.graph;
        let valid = candidate::problem(graph, &proposal.mask).is_none();
        if valid && self.seen.insert(self.known.features.form(graph, &proposal.mask)) {
            self.list.push(proposal);
        }
    }

    fn add_samples(&mut self, masks: impl IntoIterator<Item = Mask>) {
        for mask in masks {
            self.add(Proposal { mask, parents: Vec::new() });
        }
    }

    /// Adds fresh samples; all there is, where the space is small and less than `count` was found.
    fn add_fresh(&mut self, count: usize, rng: &mut impl Rng) {
        let graph = self.known.graph;
        self.add_samples((0..FRESH.max(count)).map(|_| candidate::sample(graph, rng)));
        if self.list.len() < count
            && let Some(all) = candidate::list_all(graph, MOST_LISTED)
        {
            self.add_samples(all);
        }
    }

    fn add_children(&mut self, model: &Model<'_>, rng: &mut impl Rng) {
        let breeder = Breeder::new(self.known.graph, model);
        let mut elite = self.known.evaluated.clone();
        elite.sort_by(|a, b| b.2.compare(&a.2).then(a.0.cmp(&b.0)));
        elite.truncate(ELITE);
        let mut parents: Vec<_> = elite
            .into_iter()
            .map(|(id, mask, _)| Proposal { mask: mask.clone(), parents: vec![id] })
            .collect();
        for round in 0..ROUNDS {
            if round > 0 {
                let rows: Vec<_> =
                    self.list.iter().map(|draft| self.known.features.row(&draft.mask)).collect();
                let predicted = model.predict(&rows);
                let bound = |draft: usize| {
                    upper_bound(&predicted[draft], predicted[draft].posterior.variance)
                };
                let mut order: Vec<_> = (0..rows.len()).collect();
                order.sort_by(|&a, &b| bound(b).total_cmp(&bound(a)));
                parents.truncate(ELITE);
                parents.extend(order.into_iter().take(ELITE).map(|draft| self.list[draft].clone()));
            }
            for _ in 0..CHILDREN {
                if let Some(child) = breeder.child(&parents, rng) {
                    self.add(child);
                }
            }
        }
    }
}

fn upper_bound(predicted: &Predicted, variance: f64) -> f64 {
    predicted.posterior.mean + KAPPA * variance.max(0.0).sqrt()
}

/// Picks the draft with the highest upper bound (the first among equals) `count` times; after each pick, the
/// variances of all are what they will be once it is evaluated.
fn choose(
    model: &Model<'_>,
    features: &Features,
    drafts: &[Proposal],
    count: usize,
) -> Vec<Proposal> {
    let rows: Vec<_> = drafts.iter().map(|draft| features.row(&draft.mask)).collect();
    let predicted = model.predict(&rows);
    let mut variances: Vec<_> =
        predicted.iter().map(|predicted| predicted.posterior.variance).collect();
    let mut open: Vec<_> = (0..drafts.len()).collect();
    // For each pick, what it takes from all covariances: covariance with it, over its standard deviation.
    let mut reductions: Vec<Vec<f64>> = Vec::new();
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let bound = |draft: usize| upper_bound(&predicted[draft], variances[draft]);
        let best = open
            .iter()
            .enumerate()
            .max_by(|(_, a), (_, b)| bound(**a).total_cmp(&bound(**b)).then(b.cmp(a)));
        let Some((place, &pick)) = best else { break };
        open.remove(place);
        chosen.push(drafts[pick].clone());
        let deviation = (variances[pick] + model.noise()).sqrt();
        let reduction: Vec<f64> = (0..drafts.len())
            .map(|draft| {
                let before = model
                    .covariance((&rows[draft], &predicted[draft]), (&rows[pick], &predicted[pick]));
                let taken: f64 =
                    reductions.iter().map(|earlier| earlier[draft] * earlier[pick]).sum();
                (before - taken) / deviation
            })
            .collect();
        for (variance, reduction) in variances.iter_mut().zip(&reduction) {
            *variance = (*variance - reduction * reduction).max(0.0);
        }
        reductions.push(reduction);
    }
    chosen
}

/// Makes children of candidates.
struct Breeder<'a> {
    graph: &'a Graph,
    choices: Vec<Choice>,
    /// Expected effect of each node: what repair prefers.
    score: Vec<f64>,
}

impl<'a> Breeder<'a> {
    fn new(graph: &'a Graph, model: &Model<'_>) -> Self {
        let score = (0..graph.len())
            .map(|node| model.effect(node).map_or(0.0, |(effect, _)| effect.mean))
            .collect();
        Self { graph, choices: candidate::choices(graph), score }
    }

    /// A mutation of one parent or a crossover of two, equally often. A mutation changes one node, and
    /// another one with probability 1/2 again and again; a crossover takes each layer from either parent,
    /// and one in two is mutated once.
    fn child(&self, parents: &[Proposal], rng: &mut impl Rng) -> Option<Proposal> {
        let mut child = parents.choose(rng)?.clone();
        if rng.random_bool(0.5) {
            let other = parents.choose(rng)?;
            for choice in &self.choices {
                if rng.random_bool(0.5) {
                    copy_layer(&mut child.mask, &other.mask, choice);
                }
            }
            for &parent in &other.parents {
                if !child.parents.contains(&parent) {
                    child.parents.push(parent);
                }
            }
            if rng.random_bool(0.5) {
                self.mutate(&mut child.mask, rng);
            }
        } else {
            self.mutate(&mut child.mask, rng);
            while rng.random_bool(0.5) {
                self.mutate(&mut child.mask, rng);
            }
        }
        child.mask = candidate::repair(self.graph, &child.mask, &|node| self.score[node]);
        Some(child)
    }

    /// Swaps, adds or drops a node in a layer drawn from those where that is possible.
    fn mutate(&self, mask: &mut Mask, rng: &mut impl Rng) {
        let open: Vec<_> = self
            .choices
            .iter()
            .filter(|choice| choice.nodes.len() > 1 && choice.most > 0)
            .collect();
        let Some(choice) = open.choose(rng) else { return };
        let (kept, left): (Vec<usize>, Vec<usize>) =
            choice.nodes.iter().partition(|&&node| mask.contains(node));
        let (old, new) = (kept.choose(rng).copied(), left.choose(rng).copied());
        let drop = old.filter(|_| kept.len() > choice.least).map(|old| (Some(old), None));
        let add = new.filter(|_| kept.len() < choice.most).map(|new| (None, Some(new)));
        let swap = old.zip(new).map(|(old, new)| (Some(old), Some(new)));
        let acts: Vec<_> = [drop, add, swap].into_iter().flatten().collect();
        if let Some(&(old, new)) = acts.choose(rng) {
            if let Some(old) = old {
                mask.remove(old);
            }
            if let Some(new) = new {
                mask.insert(new);
            }
        }
    }
}

fn copy_layer(to: &mut Mask, from: &Mask, choice: &Choice) {
    for &node in &choice.nodes {
        if from.contains(node) {
            to.insert(node);
        } else {
            to.remove(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        candidate::{canonical, problem, tests::layered},
        seed,
        template::BlocksPerLayer,
    };
    use proptest::prelude::*;

    fn with_known<T>(graph: &Graph, evaluated: &[Mask], run: impl FnOnce(&Known<'_>) -> T) -> T {
        let known = Known {
            graph,
            features: &Features::new(graph, None),
            evaluated: evaluated
                .iter()
                .enumerate()
                .map(|(i, mask)| {
                    (
                        CandidateId(i as u32),
                        mask,
                        Evaluation {
                            accuracy: mask.iter().sum::<usize>() as f64,
                            balanced_accuracy: None,
                            loss: 0.0,
                        },
                    )
                })
                .collect(),
            waiting: Vec::new(),
            taken: evaluated.iter().map(|mask| canonical(graph, mask)).collect(),
        };
        run(&known)
    }

    fn drawn(graph: &Graph, count: usize) -> Vec<Mask> {
        let mut rng = seed::rng(7, "test", 0);
        (0..count).map(|_| candidate::sample(graph, &mut rng)).collect()
    }

    #[test]
    fn a_batch_is_new_valid_and_without_duplicates() {
        for blocks in [BlocksPerLayer::One, BlocksPerLayer::UpTo(2), BlocksPerLayer::Any] {
            let graph = layered(&[3, 1, 4, 3], blocks, &[(0, 4), (1, 5)]);
            let evaluated = drawn(&graph, 15);
            with_known(&graph, &evaluated, |known| {
                let batch = propose(known, 10, &mut seed::rng(8, "test", 0));
                assert_eq!(batch.len(), 10);
                let mut forms = known.taken.clone();
                for proposal in &batch {
                    assert_eq!(problem(&graph, &proposal.mask), None);
                    assert!(forms.insert(canonical(&graph, &proposal.mask)), "{proposal:?}");
                    assert!(proposal.parents.iter().all(|parent| parent.index() < evaluated.len()));
                }
                assert!(batch.iter().any(|proposal| !proposal.parents.is_empty()));
                assert_eq!(
                    propose(known, 10, &mut seed::rng(8, "test", 0)),
                    batch,
                    "the same draws, the same batch"
                );
            });
        }
    }

    #[test]
    fn picks_after_the_first_avoid_what_the_first_will_tell() {
        // Two candidates that differ in one layer of ten, and one that shares nothing with either; nothing
        // is known, so the second pick must be the one that the first says least about.
        let graph = layered(&[2; 10], BlocksPerLayer::One, &[]);
        let features = Features::new(&graph, None);
        let pick = |side: [usize; 10]| {
            let nodes = side.iter().enumerate().map(|(layer, side)| 1 + 2 * layer + side);
            Proposal {
                mask: Mask::from_nodes(graph.len(), nodes.chain([0, graph.len() - 1])),
                parents: Vec::new(),
            }
        };
        let (a, near, apart) = (
            pick([0; 10]),
            pick([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            pick([0, 1, 0, 1, 0, 1, 0, 1, 0, 1]),
        );
        let model = Model::fit(&features, &[]);
        let chosen = choose(&model, &features, &[a.clone(), near, apart.clone()], 2);
        assert_eq!(chosen, [a, apart]);
    }

    #[test]
    fn an_exhausted_space_ends_the_search() {
        let graph = layered(&[2, 2], BlocksPerLayer::One, &[]);
        let all = candidate::list_all(&graph, 100).expect("a small space");
        with_known(&graph, &all[..3], |known| {
            let rest = propose(known, 10, &mut seed::rng(9, "test", 0));
            assert_eq!(rest.iter().map(|proposal| &proposal.mask).collect::<Vec<_>>(), [&all[3]]);
        });
        with_known(&graph, &all, |known| {
            assert_eq!(propose(known, 10, &mut seed::rng(9, "test", 0)), []);
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn children_are_valid(layers in proptest::collection::vec(1usize..4, 1..5), any in any::<bool>(), s in 0u64..99) {
            let blocks = if any { BlocksPerLayer::Any } else { BlocksPerLayer::One };
            let last = layers.iter().sum::<usize>() + 1;
            let skips = if layers.len() > 1 { vec![(1, last)] } else { vec![] };
            let graph = layered(&layers, blocks, &skips);
            let features = Features::new(&graph, None);
            let breeder = Breeder::new(&graph, &Model::fit(&features, &[]));
            let parents: Vec<_> = drawn(&graph, 4).into_iter().map(|mask| Proposal { mask, parents: vec![] }).collect();
            let mut rng = seed::rng(s, "test", 0);
            for _ in 0..20 {
                let child = breeder.child(&parents, &mut rng).expect("there are parents");
                prop_assert_eq!(problem(&graph, &child.mask), None);
            }
        }
    }
}
