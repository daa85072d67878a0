//! Chooses which candidates to evaluate next.

use super::{
    Evaluation, Objective,
    archive::FAIR_START,
    features::Features,
    fitness::{MOST_EVALUATIONS, Model, Predicted},
    pareto::Front,
    steering::{Guided, Measure},
};
use crate::engine::{
    candidate::{CandidateId, Canonical, prune},
    mask::Mask,
    template::Graph,
};
use rand::{
    Rng, RngExt,
    seq::{IndexedRandom, SliceRandom},
};
use rayon::prelude::*;
use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashSet},
    sync::{Arc, OnceLock},
};

/// How many of the best become parents; where a cost should be low as well, so many or all of the front.
const ELITE: usize = 8;
const MOST_PARENTS: usize = 32;

/// Children are bred in this many rounds of this size; from the second on, the most promising children so
/// far are parents too, which finds better ones in large spaces.
const ROUNDS: usize = 2;
const CHILDREN: usize = 200;

/// Fresh samples beside the children.
const FRESH: usize = 40;

/// Of many evaluated candidates, how many of the first measured fronts may be of the front of scores.
const ENOUGH_FOR_FRONT: usize = 500;

/// The most candidates of the pool that are considered in one iteration.
const MOST_WAITING: usize = 1_000;

/// Standard deviations that an upper confidence bound lies above the mean: for the first pick of a batch, for
/// how much more with each further one, and at most. What ten picks find together counts, not what each does: the
/// first should be good, the last may be bold. On simulated tables this came closer to the best than the same
/// for all.
const KAPPA: f64 = 0.3;
const KAPPA_STEP: f64 = 0.2;
const MOST_KAPPA: f64 = 2.1;

/// The most combinations of layers that are listed one by one when drawing finds nothing new any more.
pub(super) const MOST_LISTED: usize = 20_000;

/// Fewer candidates are not worth the attention of another thread.
pub(super) const FEWEST_AT_ONCE: usize = 1_000;

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
    pub(super) objective: Objective,
    pub(super) evaluated: Vec<Evaluated<'a>>,
    /// What these say; `None` without any.
    pub(super) model: Option<&'a Model>,
    /// Costs and scores of those that may be of the front of both; worked out when they are first asked for.
    pub(super) scored: OnceLock<Vec<(f64, f64)>>,
    /// Candidates of the pool that were never proposed.
    pub(super) waiting: Vec<&'a Mask>,
    /// Forms of what was proposed before.
    pub(super) taken: &'a HashSet<Canonical>,
    /// Which candidates are wanted.
    pub(super) guided: Guided<'a>,
}

/// What an evaluation gave.
#[derive(Clone, Copy)]
pub(super) struct Evaluated<'a> {
    pub(super) id: CandidateId,
    /// The nodes that it keeps; of one that has retired, those that are left, which tell nothing of what it cost.
    pub(super) mask: &'a Mask,
    pub(super) evaluation: Evaluation,
    pub(super) retired: bool,
}

/// Up to `count` valid candidates that were not proposed before and differ in form; fewer, or none, where
/// nothing else can be found. Without evaluations they are the first that wait; where only some are wanted, a
/// fair start of these.
///
/// Otherwise: mutations and crossovers of the best, fresh samples, and what waits in the pool, ranked by the
/// model's upper confidence bound, or, where a cost should be low as well, by what is gained for the front of both
/// at that bound. The bound's variance is reduced after each pick, as if it had been
/// evaluated already, so that a batch does not ask the same question ten times (T. Desautels, A. Krause and
/// J. Burdick, "Parallelizing Exploration-Exploitation Tradeoffs in Gaussian Process Bandit Optimization",
/// JMLR 15, 2014).
pub(super) fn propose(known: &Known<'_>, count: usize, rng: &mut impl Rng) -> Vec<Proposal> {
    let mut drafts =
        Drafts { known, masks: HashSet::new(), seen: HashSet::new(), list: Vec::new() };
    let mut waiting = known.waiting.clone();
    let Some(model) = known.model else {
        if !known.guided.admits_all() {
            let fair = known.guided.space.fair_design(count.min(FAIR_START), rng);
            drafts.add_led(fair, rng);
        }
        drafts.add_samples(waiting.into_iter().cloned());
        if drafts.list.len() < count {
            drafts.add_fresh(count, rng);
        }
        drafts.list.truncate(count);
        return drafts.list;
    };

    drafts.add_children(model, rng);
    drafts.add_fresh(count, rng);
    waiting.shuffle(rng);
    waiting.truncate(MOST_WAITING);
    drafts.add_samples(waiting.into_iter().cloned());
    choose(model, known, &drafts.list, count)
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
        if self.masks.insert(proposal.mask.clone()) {
            let form = self.form(&proposal.mask);
            self.add_of_form(proposal, form);
        }
    }

    /// The form of a candidate, if it is wanted.
    fn form(&self, mask: &Mask) -> Option<Canonical> {
        // Repair cannot make a valid candidate where a template has none.
        let Known { graph, features, guided, .. } = self.known;
        guided.admits(mask).then(|| features.form(graph, mask))
    }

    fn add_of_form(&mut self, proposal: Proposal, form: Option<Canonical>) {
        let new = form.filter(|form| !self.known.taken.contains(form));
        if new.is_some_and(|form| self.seen.insert(form)) {
            self.list.push(proposal);
        }
    }

    /// Adds samples, led to where candidates are wanted without a liking for any node.
    fn add_led(&mut self, masks: impl IntoIterator<Item = Mask>, rng: &mut impl Rng) {
        let guided = &self.known.guided;
        for mask in masks {
            let mask = if guided.admits_all() { mask } else { guided.lead(&mask, &|_| 0.0, rng) };
            self.add(Proposal { mask, parents: Vec::new() });
        }
    }

    fn add_samples(&mut self, masks: impl IntoIterator<Item = Mask>) {
        let masks = masks.into_iter().filter(|mask| self.masks.insert(mask.clone()));
        let masks: Vec<_> = masks.collect();
        let forms = masks.par_iter().with_min_len(FEWEST_AT_ONCE).map(|mask| self.form(mask));
        let forms: Vec<_> = forms.collect();
        for (mask, form) in masks.into_iter().zip(forms) {
            self.add_of_form(Proposal { mask, parents: Vec::new() }, form);
        }
    }

    /// Adds fresh samples; all there is, where the space is small and less than `count` was found.
    fn add_fresh(&mut self, count: usize, rng: &mut impl Rng) {
        let Known { features, guided, .. } = self.known;
        let space = &guided.space;
        let all = guided.admits_all();
        let sampler = if all { Arc::clone(features.sampler()) } else { Arc::new(space.sampler()) };
        let fresh: Vec<_> = (0..FRESH.max(count)).map(|_| sampler.draw(rng)).collect();
        self.add_led(fresh, rng);
        if self.list.len() < count
            && let Some(all) = space.list_all(MOST_LISTED)
        {
            self.add_samples(all);
        }
    }

    fn add_children(&mut self, model: &Model, rng: &mut impl Rng) {
        let breeder = Breeder::new(&self.known.guided, model);
        let mut parents = elite(self.known);
        let elite = parents.len();
        for round in 0..ROUNDS {
            if round > 0 {
                let rows: Vec<_> =
                    self.list.iter().map(|draft| self.known.features.row(&draft.mask)).collect();
                let predicted = model.predict(&rows);
                let merit = Merit::new(model, self.known, &self.list);
                let merit: Vec<_> = predicted
                    .iter()
                    .enumerate()
                    .map(|(draft, predicted)| {
                        merit.of(draft, upper_bound(predicted, predicted.posterior.variance, 0))
                    })
                    .collect();
                let mut order: Vec<_> = (0..rows.len()).collect();
                order.sort_by(|&a, &b| merit[b].total_cmp(&merit[a]));
                parents.truncate(elite);
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

/// The evaluated candidates to breed from: the best, those that are wanted first; where a cost should be low
/// as well, those of the front, and then those of the front of the others.
fn elite(known: &Known<'_>) -> Vec<Proposal> {
    let Known { guided, .. } = known;
    // To tell which are wanted takes long where there are many.
    let wanted = known.evaluated.par_iter().with_min_len(FEWEST_AT_ONCE);
    let wanted = wanted.map(|known| guided.admits_all() || guided.admits(known.mask));
    let wanted: Vec<bool> = wanted.collect();
    let mut order: Vec<_> = known.evaluated.iter().zip(wanted).collect();
    let first = |a: &(&Evaluated<'_>, bool), b: &(&Evaluated<'_>, bool)| {
        b.1.cmp(&a.1).then_with(|| better(known, a.0, b.0))
    };
    if guided.pareto().is_none() && order.len() > ELITE {
        order.select_nth_unstable_by(ELITE, first);
        order.truncate(ELITE);
    }
    order.sort_by(first);
    let mut chosen: Vec<_> = order.into_iter().map(|(known, _)| known).collect();
    if let Some(measure) = guided.pareto() {
        chosen.retain(|known| !known.retired);
        chosen = first_fronts(guided, measure, chosen, ELITE);
        // A long front is thinned out evenly.
        if chosen.len() > MOST_PARENTS {
            let step = chosen.len() as f64 / MOST_PARENTS as f64;
            chosen = (0..MOST_PARENTS).map(|i| chosen[(i as f64 * step) as usize]).collect();
        }
    }
    let parent =
        |known: &Evaluated<'_>| Proposal { mask: known.mask.clone(), parents: vec![known.id] };
    chosen.into_iter().map(parent).collect()
}

/// Better evaluations are less; of equal ones, those that were known first.
fn better(known: &Known<'_>, a: &Evaluated<'_>, b: &Evaluated<'_>) -> Ordering {
    known.objective.compare(&b.evaluation, &a.evaluation).then(a.id.cmp(&b.id))
}

/// Of candidates in an `order`, those of the front of it and a cost; then those of the front of the others, until there
/// are `enough`.
fn first_fronts<'k, 'a>(
    guided: &Guided<'_>,
    measure: Measure,
    order: Vec<&'k Evaluated<'a>>,
    enough: usize,
) -> Vec<&'k Evaluated<'a>> {
    let cost = |known: &Evaluated<'_>| guided.cost(measure, known.mask).unwrap_or(f64::MAX);
    let mut rest: Vec<_> = order.into_iter().map(|known| (cost(known), known)).collect();
    let mut chosen = Vec::new();
    while chosen.len() < enough && !rest.is_empty() {
        // From the first down, one is on the front if all before it cost more.
        let mut lowest = f64::INFINITY;
        rest.retain(|&(cost, known)| {
            let on_front = cost < lowest;
            if on_front {
                lowest = cost;
                chosen.push(known);
            }
            !on_front
        });
    }
    chosen
}

/// How good it is to evaluate a draft.
struct Merit {
    trade: Option<Trade>,
}

/// Where a cost should be low as well.
struct Trade {
    front: Front,
    /// Logarithms of costs, by draft.
    costs: Vec<f64>,
    /// A higher cost and a lower score than any.
    worst: (f64, f64),
}

impl Merit {
    fn new(model: &Model, known: &Known<'_>, drafts: &[Proposal]) -> Self {
        let any = known.evaluated.iter().any(|other| !other.retired);
        let measure = known.guided.pareto().filter(|_| any);
        Self { trade: measure.map(|measure| Trade::new(measure, model, known, drafts)) }
    }

    /// Of a draft with this bound of its score: the bound, or what is gained for the front; where that is nothing,
    /// how little it falls behind the front.
    fn of(&self, draft: usize, bound: f64) -> f64 {
        let Some(Trade { front, costs, worst }) = &self.trade else { return bound };
        let gain = front.gain(costs[draft], bound, *worst);
        if gain > 0.0 {
            return gain;
        }
        (bound - front.score_at(costs[draft]).unwrap_or(worst.1)).min(0.0)
    }

    /// Goes on as if a draft was evaluated and reached its bound.
    fn take(&mut self, draft: usize, bound: f64) {
        if let Some(Trade { front, costs, .. }) = &mut self.trade {
            front.add(costs[draft], bound);
        }
    }
}

impl Trade {
    fn new(measure: Measure, model: &Model, known: &Known<'_>, drafts: &[Proposal]) -> Self {
        let costs: Vec<_> =
            drafts.iter().map(|draft| log_cost(known, measure, &draft.mask)).collect();
        let evaluated = known.scored.get_or_init(|| scored(measure, model, known));
        let highest = costs.iter().chain(evaluated.iter().map(|(cost, _)| cost));
        let highest = highest.copied().fold(f64::NEG_INFINITY, f64::max);
        let lowest = evaluated.iter().map(|&(_, score)| score).fold(f64::INFINITY, f64::min);
        // A margin, so that the most expensive and the worst are worth something, too.
        let worst = (highest + 0.1, lowest - 0.1);
        Self { front: Front::new(evaluated.iter().copied()), costs, worst }
    }
}

/// Logarithms of costs, and scores without the noise of single evaluations, of the evaluated candidates.
fn scored(measure: Measure, model: &Model, known: &Known<'_>) -> Vec<(f64, f64)> {
    let mut present: Vec<_> = known.evaluated.iter().filter(|known| !known.retired).collect();
    if present.len() > MOST_EVALUATIONS {
        // Those that may be of the front, and the worst, which bounds what counts.
        present.sort_by(|a, b| better(known, a, b));
        let worst = present.pop();
        present = first_fronts(&known.guided, measure, present, ENOUGH_FOR_FRONT);
        present.extend(worst);
    }
    let rows: Vec<_> = present.iter().map(|other| known.features.row(other.mask)).collect();
    let predicted = present.iter().zip(model.predict(&rows));
    predicted
        .map(|(other, predicted)| (log_cost(known, measure, other.mask), predicted.posterior.mean))
        .collect()
}

fn log_cost(known: &Known<'_>, measure: Measure, mask: &Mask) -> f64 {
    known.guided.cost(measure, mask).unwrap_or(1.0).max(1e-12).ln()
}

/// The upper confidence bound by which the batch's pick number `pick`, from 0, is made.
fn upper_bound(predicted: &Predicted, variance: f64, pick: usize) -> f64 {
    let kappa = (KAPPA + KAPPA_STEP * pick as f64).min(MOST_KAPPA);
    predicted.posterior.mean + kappa * variance.max(0.0).sqrt()
}

/// Picks the draft with the most merit at its upper bound (the first among equals) `count` times; after each pick, the
/// variances of all are what they will be once it is evaluated.
fn choose(model: &Model, known: &Known<'_>, drafts: &[Proposal], count: usize) -> Vec<Proposal> {
    let drafted = drafts.par_iter().with_min_len(FEWEST_AT_ONCE);
    let rows: Vec<_> = drafted.map(|draft| known.features.row(&draft.mask)).collect();
    let mut merit = Merit::new(model, known, drafts);
    let mut batch = Batch::new(model, &rows);
    let mut open: Vec<_> = (0..drafts.len()).collect();
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let bound = |batch: &Batch<'_>, draft: usize| {
            upper_bound(&batch.predicted[draft], batch.variances[draft], chosen.len())
        };
        let mut ranks: BinaryHeap<_> = open
            .iter()
            .map(|&draft| Ranked { merit: merit.of(draft, bound(&batch, draft)), draft })
            .collect();
        // Variances only fall, and with a variance the bound and the merit: the first whose variance is that of now is the
        // best, whatever those after it are worth now.
        let best = loop {
            let Some(mut first) = ranks.peek_mut() else { return chosen };
            let draft = first.draft;
            if batch.is_up_to_date(draft) {
                break draft;
            }
            batch.update(draft);
            first.merit = merit.of(draft, bound(&batch, draft));
        };
        merit.take(best, bound(&batch, best));
        batch.pick(best);
        open.retain(|&draft| draft != best);
        chosen.push(drafts[best].clone());
    }
    chosen
}

/// A draft in the order in which drafts are picked: the greatest first.
struct Ranked {
    merit: f64,
    draft: usize,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.merit.total_cmp(&other.merit).then(other.draft.cmp(&self.draft))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

/// What is expected of drafts, some of which are picked: of each, the variance that it will have once these are evaluated,
/// or, until it is [updated](Self::update), once the first few of them are.
struct Batch<'a> {
    model: &'a Model,
    rows: &'a [Vec<f64>],
    predicted: Vec<Predicted>,
    variances: Vec<f64>,
    /// By draft: what each pick takes from its covariances, which is its covariance with the pick over the pick's standard
    /// deviation; of as many picks as its variance knows of.
    reductions: Vec<Vec<f64>>,
    picks: Vec<Pick>,
}

struct Pick {
    draft: usize,
    /// The standard deviation of its evaluation.
    deviation: f64,
}

impl<'a> Batch<'a> {
    fn new(model: &'a Model, rows: &'a [Vec<f64>]) -> Self {
        let predicted = model.predict(rows);
        let variances = predicted.iter().map(|predicted| predicted.posterior.variance).collect();
        let reductions = vec![Vec::new(); rows.len()];
        Self { model, rows, predicted, variances, reductions, picks: Vec::new() }
    }

    fn is_up_to_date(&self, draft: usize) -> bool {
        self.reductions[draft].len() == self.picks.len()
    }

    /// Makes a draft's variance what it will be once all picks are evaluated.
    fn update(&mut self, draft: usize) {
        let whole = |draft: usize| (self.rows[draft].as_slice(), &self.predicted[draft]);
        let mut own = std::mem::take(&mut self.reductions[draft]);
        for pick in &self.picks[own.len()..] {
            let before = self.model.covariance(whole(draft), whole(pick.draft));
            let earlier = self.reductions[pick.draft].iter().zip(&own);
            let taken: f64 = earlier.map(|(of_pick, own)| own * of_pick).sum();
            let reduction = (before - taken) / pick.deviation;
            self.variances[draft] = (self.variances[draft] - reduction * reduction).max(0.0);
            own.push(reduction);
        }
        self.reductions[draft] = own;
    }

    /// Picks a draft that is up to date.
    fn pick(&mut self, draft: usize) {
        let deviation = (self.variances[draft] + self.model.noise()).sqrt();
        self.picks.push(Pick { draft, deviation });
    }
}

/// Makes children of candidates.
struct Breeder<'a> {
    guided: &'a Guided<'a>,
    /// Expected effect of each node: what repair prefers.
    score: Vec<f64>,
}

impl<'a> Breeder<'a> {
    fn new(guided: &'a Guided<'a>, model: &Model) -> Self {
        let score = (0..guided.space.graph().len())
            .map(|node| model.effect(node).map_or(0.0, |(effect, _)| effect.mean))
            .collect();
        Self { guided, score }
    }

    /// A mutation of one parent or a crossover of two, equally often. A mutation changes one node, and
    /// another one with probability 1/2 again and again; a crossover takes each layer from either parent,
    /// and one in two is mutated once.
    fn child(&self, parents: &[Proposal], rng: &mut impl Rng) -> Option<Proposal> {
        let mut child = parents.choose(rng)?.clone();
        if rng.random_bool(0.5) {
            let other = parents.choose(rng)?;
            for choice in &self.guided.choices {
                if rng.random_bool(0.5) {
                    choice.copy(&mut child.mask, &other.mask);
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
        child.mask = self.guided.lead(&child.mask, &|node| self.score[node], rng);
        Some(child)
    }

    /// Swaps, adds or drops a node in a layer drawn from those where that is possible. What a new node needs to be on a
    /// path comes with it: the rest of a branch of several layers, for example.
    fn mutate(&self, mask: &mut Mask, rng: &mut impl Rng) {
        let open: Vec<_> = self
            .guided
            .choices
            .iter()
            .filter(|choice| choice.nodes.len() > choice.least && choice.most > 0)
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
                let space = &self.guided.space;
                if !prune(space.graph(), mask).contains(new) {
                    *mask = space.keeping(new).repair(mask, &|node| self.score[node]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{latency::LatencyModel, steering::Guide};
    use super::*;
    use crate::engine::{
        candidate::{self, canonical, problem, tests::layered},
        seed,
        template::{BlocksPerLayer, presets},
    };
    use proptest::prelude::*;

    /// What is known after these evaluations, in which later nodes are better.
    fn with_known<T>(
        graph: &Graph,
        evaluated: &[Mask],
        guide: &Guide,
        run: impl FnOnce(&Known<'_>) -> T,
    ) -> T {
        let evaluation = |mask: &Mask| Evaluation {
            accuracy: mask.iter().sum::<usize>() as f64,
            ..Evaluation::default()
        };
        let features = Arc::new(Features::new(graph, None));
        let data: Vec<_> = evaluated.iter().map(|mask| (mask, evaluation(mask))).collect();
        let model = Model::fit(&features, &data, Objective::Accuracy);
        let known = Known {
            graph,
            features: &features,
            model: (!data.is_empty()).then_some(&model),
            objective: Objective::Accuracy,
            evaluated: evaluated
                .iter()
                .enumerate()
                .map(|(i, mask)| Evaluated {
                    id: CandidateId(i as u32),
                    mask,
                    evaluation: evaluation(mask),
                    retired: false,
                })
                .collect(),
            scored: OnceLock::new(),
            waiting: Vec::new(),
            taken: &evaluated.iter().map(|mask| canonical(graph, mask)).collect(),
            guided: Guided::new(guide, graph, LatencyModel::default()),
        };
        run(&known)
    }

    fn drawn(graph: &Graph, count: usize) -> Vec<Mask> {
        let mut rng = seed::rng(7, "test", 0);
        (0..count).map(|_| candidate::sample(graph, &mut rng)).collect()
    }

    #[test]
    fn mutations_add_and_drop_branches_of_several_layers() {
        // Input 0, stem 1 or 2, a residual branch of 3, 4 or 5, and 6, a sum 7, output 8.
        let graph = layered(&[2, 1, 2, 1, 1], BlocksPerLayer::One, &[(1, 7), (2, 7)]);
        let mask = |nodes: &[usize]| Mask::from_nodes(graph.len(), nodes.iter().copied());
        let (off, on) = (mask(&[0, 1, 7, 8]), mask(&[0, 1, 3, 4, 6, 7, 8]));
        with_known(&graph, &[off.clone(), on.clone()], &Guide::free(&graph), |known| {
            let breeder = Breeder::new(&known.guided, known.model.expect("two are evaluated"));
            let mut rng = seed::rng(11, "test", 0);
            for (from, to) in [(&off, &on), (&on, &off)] {
                let found = (0..200).any(|_| {
                    let mut child = from.clone();
                    breeder.mutate(&mut child, &mut rng);
                    known.guided.lead(&child, &|_| 0.0, &mut rng) == *to
                });
                assert!(found, "{to:?}");
            }
        });
    }

    #[test]
    fn a_batch_is_new_valid_and_without_duplicates() {
        for blocks in [BlocksPerLayer::One, BlocksPerLayer::UpTo(2), BlocksPerLayer::Any] {
            let graph = layered(&[3, 1, 4, 3], blocks, &[(0, 4), (1, 5)]);
            let evaluated = drawn(&graph, 15);
            with_known(&graph, &evaluated, &Guide::free(&graph), |known| {
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
        let features = Arc::new(Features::new(&graph, None));
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
        let model = Model::fit(&features, &[], Objective::Accuracy);
        with_known(&graph, &[], &Guide::free(&graph), |known| {
            let chosen = choose(&model, known, &[a.clone(), near.clone(), apart.clone()], 2);
            assert_eq!(chosen, [a.clone(), apart.clone()]);
        });
    }

    /// What [`choose`] does, with the variances of all drafts after each pick.
    fn choose_by_all(
        model: &Model,
        known: &Known<'_>,
        drafts: &[Proposal],
        count: usize,
    ) -> Vec<Proposal> {
        let rows: Vec<_> = drafts.iter().map(|draft| known.features.row(&draft.mask)).collect();
        let mut merit = Merit::new(model, known, drafts);
        let predicted = model.predict(&rows);
        let mut variances: Vec<_> =
            predicted.iter().map(|predicted| predicted.posterior.variance).collect();
        let mut open: Vec<_> = (0..drafts.len()).collect();
        let mut reductions: Vec<Vec<f64>> = Vec::new();
        let mut chosen = Vec::new();
        while chosen.len() < count {
            let bound =
                |draft: usize| upper_bound(&predicted[draft], variances[draft], chosen.len());
            let merits: Vec<_> = open.iter().map(|&draft| merit.of(draft, bound(draft))).collect();
            let best =
                (0..open.len()).max_by(|&a, &b| merits[a].total_cmp(&merits[b]).then(b.cmp(&a)));
            let Some(place) = best else { break };
            let pick = open.remove(place);
            merit.take(pick, bound(pick));
            chosen.push(drafts[pick].clone());
            let deviation = (variances[pick] + model.noise()).sqrt();
            let reduction: Vec<f64> = (0..drafts.len())
                .map(|draft| {
                    let [a, b] = [draft, pick].map(|at| (rows[at].as_slice(), &predicted[at]));
                    let taken: f64 =
                        reductions.iter().map(|earlier| earlier[draft] * earlier[pick]).sum();
                    (model.covariance(a, b) - taken) / deviation
                })
                .collect();
            for (variance, reduction) in variances.iter_mut().zip(&reduction) {
                *variance = (*variance - reduction * reduction).max(0.0);
            }
            reductions.push(reduction);
        }
        chosen
    }

    #[test]
    fn variances_of_the_most_promising_drafts_are_enough_to_choose() {
        let [small, ..] = presets();
        let graph = small.graph().expect("presets are right");
        let mut front = Guide::free(&graph);
        front.steering.pareto = Some(Measure::Parameters);
        let all = drawn(&graph, 250);
        let proposal = |mask: &Mask| Proposal { mask: mask.clone(), parents: Vec::new() };
        let drafts: Vec<_> = all[30..].iter().map(proposal).collect();
        for guide in [Guide::free(&graph), front] {
            for evaluated in [1, 30] {
                with_known(&graph, &all[..evaluated], &guide, |known| {
                    let model = known.model.expect("some are evaluated");
                    for count in [60, drafts.len() + 1] {
                        let chosen = choose(model, known, &drafts, count);
                        assert_eq!(chosen, choose_by_all(model, known, &drafts, count));
                        assert_eq!(chosen.len(), count.min(drafts.len()));
                    }
                });
            }
        }
    }

    #[test]
    fn fronts_are_taken_one_after_the_other_until_there_are_enough() {
        let [small, ..] = presets();
        let graph = small.graph().expect("presets are right");
        let evaluated = drawn(&graph, 60);
        with_known(&graph, &evaluated, &Guide::free(&graph), |known| {
            let mut order: Vec<_> = known.evaluated.iter().collect();
            order.sort_by(|a, b| better(known, a, b));
            let fronts = |enough| {
                let chosen =
                    first_fronts(&known.guided, Measure::Parameters, order.clone(), enough);
                chosen.iter().map(|it| it.id).collect::<Vec<_>>()
            };
            let place = |id: CandidateId| order.iter().position(|it| it.id == id);
            let cost = |id: CandidateId| graph.total_cost(evaluated[id.index()].iter()).params;
            let (first, all) = (fronts(1), fronts(usize::MAX));
            for &id in &all {
                let beats =
                    |&other: &CandidateId| place(other) < place(id) && cost(other) <= cost(id);
                assert_eq!(first.contains(&id), !all.iter().any(beats), "{id}");
            }
            let some = fronts(first.len() + 1);
            assert!(first.len() < some.len() && some.len() < all.len());
            assert_eq!((&all[..some.len()], all.len()), (&*some, order.len()));
        });
    }

    #[test]
    fn an_exhausted_space_ends_the_search() {
        let graph = layered(&[2, 2], BlocksPerLayer::One, &[]);
        let all = candidate::list_all(&graph, 100).expect("a small space");
        with_known(&graph, &all[..3], &Guide::free(&graph), |known| {
            let rest = propose(known, 10, &mut seed::rng(9, "test", 0));
            assert_eq!(rest.iter().map(|proposal| &proposal.mask).collect::<Vec<_>>(), [&all[3]]);
        });
        with_known(&graph, &all, &Guide::free(&graph), |known| {
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
            let features = Arc::new(Features::new(&graph, None));
            let guide = Guide::free(&graph);
            let guided = Guided::new(&guide, &graph, LatencyModel::default());
            let breeder = Breeder::new(&guided, &Model::fit(&features, &[], Objective::Accuracy));
            let parents: Vec<_> = drawn(&graph, 4).into_iter().map(|mask| Proposal { mask, parents: vec![] }).collect();
            let mut rng = seed::rng(s, "test", 0);
            for _ in 0..20 {
                let child = breeder.child(&parents, &mut rng).expect("there are parents");
                prop_assert_eq!(problem(&graph, &child.mask), None);
            }
        }
    }
}
