//! The archive of a search: every candidate known, what was measured, which iteration is next.

mod changes;
mod totals;
mod wishes;

pub use changes::Moved;

use totals::Totals;

use super::{
    Evaluation, Objective,
    features::{Features, Representatives},
    fitness::{Model, Synergy},
    proposal::{self, Known},
    steering::Guide,
};
use crate::engine::{
    candidate::{self, CandidateId, Canonical},
    mask::Mask,
    ops::Cost,
    seed,
    template::{Graph, KeySet, KeyedGraph},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock},
};

/// A candidate network and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its position in the archive.
    pub id: CandidateId,
    /// The nodes it keeps.
    pub mask: Mask,
    /// The candidates it was bred from; empty for samples.
    pub parents: Vec<CandidateId>,
    /// The iteration in which it was proposed, if it was.
    pub iteration: Option<u32>,
    /// What its evaluation gave, once it is over.
    pub evaluation: Option<Evaluation>,
    /// What it costs.
    pub cost: Cost,
    /// The measured seconds that it takes for an image, if it was timed.
    pub latency: Option<f64>,
    /// Whether its costs are within the limits that are [asked for](super::Steering).
    pub affordable: bool,
    /// Whether its evaluation still holds.
    pub standing: Standing,
}

impl Candidate {
    fn evaluated(&self) -> Option<(&Mask, Evaluation)> {
        Some((&self.mask, self.evaluation?))
    }

    /// Its accuracy with the present weights, if it was evaluated with them.
    pub fn accuracy_now(&self) -> Option<f64> {
        let is_now = matches!(self.standing, Standing::Present | Standing::Retired);
        self.evaluation.filter(|_| is_now).map(|evaluation| evaluation.accuracy)
    }

    /// What it is ordered by where this is made large; `None` until it is evaluated, and once the template has lost it.
    pub fn rank(&self, objective: Objective) -> Option<Rank> {
        let Self { affordable, id, .. } = *self;
        let current = self.standing == Standing::Present;
        (!self.is_retired()).then_some(Rank {
            affordable,
            current,
            objective,
            evaluation: self.evaluation?,
            id,
        })
    }

    /// Whether it is no candidate of the template any more, since that was edited.
    pub fn is_retired(&self) -> bool {
        matches!(self.standing, Standing::Retired | Standing::Obsolete)
    }
}

/// What has become of a candidate and its evaluation since weights and template have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    #[default]
    Present,
    /// The evaluation was with other weights; the next iteration is preceded by another one.
    Stale,
    /// The template lacks nodes of the candidate, or links between them: it is not proposed any more, and its mask holds
    /// what is left of it. Its evaluation still says something about these nodes.
    Retired,
    /// The same, and the weights have changed since: its evaluation says nothing any more.
    Obsolete,
}

/// A place in the order of candidates: a better one is greater, any affordable one greater than any other, and of these
/// any evaluated with the present weights; among equals, the one known longest.
#[derive(Clone, Copy, Debug)]
pub struct Rank {
    /// Whether its costs are within the limits.
    pub affordable: bool,
    /// Whether the evaluation is one with the present weights.
    pub current: bool,
    /// By what evaluations are compared: the same for all that are.
    pub objective: Objective,
    /// The evaluation.
    pub evaluation: Evaluation,
    /// Whose it is.
    pub id: CandidateId,
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let better = self.affordable.cmp(&other.affordable).then(self.current.cmp(&other.current));
        let evaluation = self.objective.compare(&self.evaluation, &other.evaluation);
        better.then(evaluation).then(other.id.cmp(&self.id))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Rank {}

/// A candidate that an iteration evaluates.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The nodes it keeps.
    pub mask: Mask,
    /// The candidates it was bred from.
    pub parents: Vec<CandidateId>,
    /// Its id, if it is known already.
    pub known: Option<CandidateId>,
}

/// What the evaluations say about one node.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeFitness {
    /// Probability that including the node raises accuracy, averaged over the candidates it can be part of:
    /// compared with the layer's alternatives where a candidate keeps one node per layer (to keep none is one of them
    /// where a link leads past the layer), with leaving it out elsewhere. 0.5 where nothing is known, and for a node that every candidate keeps.
    pub fitness: f64,
    /// Standard deviation of the node's effect as a share of what it was before any evaluation, in `0..=1`:
    /// 1 where nothing is known, and for a node that every candidate keeps.
    pub uncertainty: f64,
    /// Share of the evaluated candidates that keep the node, in `0..=1`; 0 with none evaluated.
    pub frequency: f64,
    /// How many evaluated candidates keep the node.
    pub count: usize,
}

/// Why an archive cannot take something.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SearchError {
    /// There is no such candidate.
    #[error("candidate {0} is not one of the {1} candidates that are known")]
    UnknownCandidate(CandidateId, usize),
    /// The candidate has another evaluation, which later proposals rest on.
    #[error("candidate {0} was evaluated before with another result")]
    EvaluatedTwice(CandidateId),
    /// A recorded candidate is not valid for the template.
    #[error("candidate {0} does not fit the template: {1}")]
    Invalid(CandidateId, String),
    /// Two recorded candidates are the same.
    #[error("candidates {0} and {1} keep the same nodes")]
    Duplicate(CandidateId, CandidateId),
    /// A recorded candidate descends from one that stands after it.
    #[error("candidate {0} names {1} as a parent, which is not before it")]
    UnknownParent(CandidateId, CandidateId),
}

/// How many candidates at the beginning of the pool are balanced, see
/// [`fair_design`](candidate::Space::fair_design); the first iteration evaluates as many of them as it asks for.
pub(super) const FAIR_START: usize = 64;

/// With what a candidate was evaluated.
#[derive(Clone, Copy, Debug)]
struct Conditions {
    /// The weights, counted in the order in which they were there.
    weights: u64,
    /// The template, by its position among those of the run; `None` where an older program has changed the links since.
    template: Option<usize>,
}

/// What was found out about a candidate, whatever the present template has of it; the rest of [`Candidate`] follows
/// from this, from the template, and from the weights.
#[derive(Clone, Debug)]
struct Record {
    keys: KeySet,
    evaluated: Option<Conditions>,
    /// Seconds for an image, and the template with which it was timed, by its position.
    timed: Option<(f64, usize)>,
    /// Whether it is a candidate of the present template.
    there: bool,
    /// Whether its nodes feed one another in the present template as when it was evaluated.
    links_alike: bool,
    /// Whether it never comes back: an older program edited the template, which did not know that nodes come back.
    gone: bool,
}

impl Record {
    /// What has become of the candidate, where the weights are these.
    fn standing(&self, weights: u64) -> Standing {
        let fresh = self.evaluated.is_none_or(|with| with.weights == weights);
        match (self.there, fresh) {
            (true, true) if self.evaluated.is_none() || self.links_alike => Standing::Present,
            (true, _) => Standing::Stale,
            (false, true) => Standing::Retired,
            (false, false) => Standing::Obsolete,
        }
    }
}

/// The models that are fitted to what is known now: each when it is first asked for, and once.
#[derive(Clone, Default)]
struct Models {
    /// By what the finished iterations have evaluated, from which the next one is proposed.
    finished: OnceLock<Arc<Model>>,
    /// By all evaluations.
    all: OnceLock<Arc<Model>>,
}

/// Draws without anything new after which a space counts as exhausted.
const MOST_MISSES: usize = 500;

/// A search: the archive of candidates, and the iteration that it has come to.
///
/// The candidates of iteration k follow from the seed and from what was evaluated in the iterations before
/// k, and from nothing else: an interrupted iteration is proposed again as it was.
///
/// ```text
/// loop: propose(10) -> evaluate each, record(id, evaluation) -> finish_iteration()
/// ```
#[derive(Clone)]
pub struct SearchState {
    template: KeyedGraph,
    /// The templates that the run had before.
    earlier: Vec<KeyedGraph>,
    /// Training steps that the present weights have seen.
    step: u64,
    /// How many other weights there were before them.
    weights: u64,
    seed: u64,
    /// Worked out when they are first asked for.
    features: OnceLock<Arc<Features>>,
    models: Models,
    totals: OnceLock<Totals>,
    representatives: Option<Representatives>,
    candidates: Vec<Candidate>,
    /// By id, as `candidates`.
    records: Vec<Record>,
    by_keys: HashMap<KeySet, CandidateId>,
    /// Forms of the candidates of finished iterations that the template has; worked out when they are first asked for.
    taken: OnceLock<HashSet<Canonical>>,
    /// How many candidates at the beginning of the archive were drawn before the first iteration.
    pool: usize,
    finished: u32,
    objective: Objective,
    guide: Guide,
}

impl SearchState {
    /// A search of `graph` with a pool of `pool_size` distinct candidates to show and to start from, or of
    /// as many as the space has: first a fair start, then samples.
    pub fn new(graph: Arc<Graph>, seed: u64, pool_size: usize) -> Self {
        Self::empty(graph, seed, None).with_pool(pool_size)
    }

    /// A search of `graph` whose pool was drawn before: it has to be [admitted](Self::admit_to_pool) first.
    pub fn untold(graph: Arc<Graph>, seed: u64) -> Self {
        Self::empty(graph, seed, None)
    }

    /// Like [`new`](Self::new) where more is known about which candidates compute the same function than the
    /// template shows: of those with the same representative, one at most is proposed.
    pub fn with_representatives(
        graph: Arc<Graph>,
        seed: u64,
        pool_size: usize,
        representatives: Representatives,
    ) -> Self {
        Self::empty(graph, seed, Some(representatives)).with_pool(pool_size)
    }

    /// Like [`untold`](Self::untold) where more is known about which candidates compute the same.
    pub fn untold_with_representatives(
        graph: Arc<Graph>,
        seed: u64,
        representatives: Representatives,
    ) -> Self {
        Self::empty(graph, seed, Some(representatives))
    }

    fn with_pool(mut self, pool_size: usize) -> Self {
        let mut rng = seed::rng(self.seed, "search/pool", 0);
        let state = &mut self;
        let mut seen = HashSet::new();
        let sampler = Arc::clone(state.features().sampler());
        let graph = Arc::clone(state.graph());
        let fair = sampler.fair_design(&graph, pool_size.min(FAIR_START), &mut rng);
        for mask in fair {
            state.add_to_pool(mask, &mut seen);
        }
        let mut misses = 0;
        while state.candidates.len() < pool_size && misses < MOST_MISSES {
            let mask = sampler.draw(&mut rng);
            misses = if state.add_to_pool(mask, &mut seen) { 0 } else { misses + 1 };
        }
        if state.candidates.len() < pool_size {
            // Drawing hardly finds the last few of a small space.
            for mask in candidate::list_all(&graph, proposal::MOST_LISTED).unwrap_or_default() {
                if state.candidates.len() < pool_size {
                    state.add_to_pool(mask, &mut seen);
                }
            }
        }
        state.pool = state.candidates.len();
        self
    }

    /// The template that is searched.
    pub fn graph(&self) -> &Arc<Graph> {
        self.template.graph()
    }

    /// The same with the keys of its nodes.
    pub fn template(&self) -> &KeyedGraph {
        &self.template
    }

    /// The template of the run with this number: 1 is the first.
    pub fn template_of(&self, number: u32) -> Option<&KeyedGraph> {
        let position = (number as usize).checked_sub(1)?;
        if position == self.earlier.len() {
            return Some(&self.template);
        }
        self.earlier.get(position)
    }

    /// The nodes that a candidate keeps, whatever the present template has of them.
    pub fn keys(&self, id: CandidateId) -> Option<&KeySet> {
        self.records.get(id.index()).map(|record| &record.keys)
    }

    fn features(&self) -> &Arc<Features> {
        let of_template = |of: &Representatives| of(self.graph());
        let representative = || self.representatives.as_ref().map(of_template);
        self.features.get_or_init(|| Arc::new(Features::new(self.graph(), representative())))
    }

    /// What is known about which candidates compute the same, apart from what templates show.
    pub fn representatives(&self) -> Option<&Representatives> {
        self.representatives.as_ref()
    }

    /// The present weights, counted in the order in which they were there.
    pub fn weights(&self) -> u64 {
        self.weights
    }

    /// By what evaluations are compared.
    pub fn objective(&self) -> Objective {
        self.objective
    }

    /// All candidates known, by id.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The candidate with this id.
    pub fn candidate(&self, id: CandidateId) -> Option<&Candidate> {
        self.candidates.get(id.index())
    }

    /// The candidate that keeps these nodes of the present template, if it is known.
    pub fn known(&self, mask: &Mask) -> Option<CandidateId> {
        self.by_keys.get(&self.template.keys_of(mask)).copied()
    }

    /// How many iterations are over; also the number of the one that is next or running.
    pub fn finished_iterations(&self) -> u32 {
        self.finished
    }

    /// The candidates to evaluate in this iteration: `count`, or as many as the space still has.
    ///
    /// They are new to the archive's evaluations, also in what they compute. Newcomers are added to the
    /// archive. Asked again in the same iteration it gives the same ones, some of which may have been
    /// evaluated by then; a smaller `count` gives the first of them, where neither is above 40.
    pub fn propose(&mut self, count: usize) -> Vec<CandidateId> {
        let proposals = self.proposals(count);
        proposals
            .into_iter()
            .map(|Proposal { mask, parents, known }| {
                let iteration = Some(self.finished);
                known.unwrap_or_else(|| self.push(mask, parents, iteration))
            })
            .collect()
    }

    /// What [`propose`](Self::propose) proposes; newcomers are still to be [admitted](Self::admit), in this order.
    pub fn proposals(&self, count: usize) -> Vec<Proposal> {
        let graph = self.graph();
        let earlier =
            |candidate: &Candidate| candidate.iteration.is_some_and(|i| i < self.finished);
        let evaluated: Vec<_> = self
            .candidates
            .iter()
            .filter(|candidate| earlier(candidate) && candidate.standing != Standing::Obsolete)
            .filter_map(|candidate| {
                let (mask, evaluation) = candidate.evaluated()?;
                let retired = candidate.is_retired();
                Some(proposal::Evaluated { id: candidate.id, mask, evaluation, retired })
            })
            .collect();
        let fit = || {
            let data: Vec<_> = evaluated.iter().map(|it| (it.mask, it.evaluation)).collect();
            self.fit(&data)
        };
        let model = (!evaluated.is_empty()).then(|| self.models.finished.get_or_init(fit).as_ref());
        let known = Known {
            graph,
            features: self.features(),
            objective: self.objective,
            evaluated,
            model,
            scored: OnceLock::new(),
            guided: self.guided(),
            waiting: self.candidates[..self.pool]
                .iter()
                .filter(|candidate| !earlier(candidate) && !candidate.is_retired())
                .map(|candidate| &candidate.mask)
                .collect(),
            taken: self.taken.get_or_init(|| self.see_what_is_taken()),
        };
        let mut rng = seed::rng(self.seed, "search/propose", u64::from(self.finished));
        proposal::propose(&known, count, &mut rng)
            .into_iter()
            .map(|proposal::Proposal { mask, parents }| {
                let known = self.known(&mask);
                Proposal { mask, parents, known }
            })
            .collect()
    }

    /// Takes the evaluation of a candidate. One that no iteration proposed counts to the current one.
    ///
    /// # Errors
    /// If there is no such candidate, or it has another evaluation already that is not stale.
    pub fn record(&mut self, id: CandidateId, evaluation: Evaluation) -> Result<(), SearchError> {
        let known = self.candidates.len();
        let unknown = SearchError::UnknownCandidate(id, known);
        let with = Conditions { weights: self.weights, template: Some(self.earlier.len()) };
        let (Some(candidate), Some(record)) =
            (self.candidates.get_mut(id.index()), self.records.get_mut(id.index()))
        else {
            return Err(unknown);
        };
        // Bits are compared, so that NaN equals NaN.
        let bits = |e: Evaluation| (e.accuracy.to_bits(), e.loss.to_bits());
        match candidate.evaluation {
            Some(earlier)
                if candidate.standing != Standing::Stale && bits(earlier) != bits(evaluation) =>
            {
                Err(SearchError::EvaluatedTwice(id))
            }
            earlier => {
                let is_stale = candidate.standing == Standing::Stale;
                candidate.evaluation = Some(evaluation);
                (record.evaluated, record.links_alike) = (Some(with), true);
                candidate.standing = record.standing(self.weights);
                let iteration = *candidate.iteration.get_or_insert(self.finished);
                self.models.all.take();
                if iteration < self.finished {
                    self.models.finished.take();
                }
                match self.totals.get_mut() {
                    Some(totals) if earlier.is_none() => totals.count(candidate, self.objective),
                    Some(totals) if is_stale => totals.count_again(candidate, self.objective),
                    Some(_) | None => self.totals = OnceLock::new(),
                }
                Ok(())
            }
        }
    }

    /// Ends the current iteration. Candidates that were bred in it without being evaluated are not proposed again; those
    /// of the pool still wait there.
    pub fn finish_iteration(&mut self) {
        let now = Some(self.finished);
        self.finished += 1;
        // All evaluations are of finished iterations now.
        self.models.finished = self.models.all.clone();
        if let Some(mut taken) = self.taken.take() {
            let proposed =
                self.candidates.iter().filter(|it| it.iteration == now && !it.is_retired());
            let form = |it: &Candidate| self.features().form(self.graph(), &it.mask);
            taken.extend(proposed.map(form));
            self.taken = OnceLock::from(taken);
        }
    }

    fn see_what_is_taken(&self) -> HashSet<Canonical> {
        let features = self.features();
        let earlier = |it: &&Candidate| it.iteration.is_some_and(|i| i < self.finished);
        let candidates = self.candidates.par_iter().with_min_len(proposal::FEWEST_AT_ONCE);
        let proposed = candidates.filter(|it| earlier(it) && !it.is_retired());
        proposed.map(|it| features.form(self.graph(), &it.mask)).collect()
    }

    /// The candidates that were evaluated in the current iteration, by id.
    pub fn evaluated_now(&self) -> impl Iterator<Item = CandidateId> {
        let now = self.finished;
        self.candidates
            .iter()
            .filter(move |c| c.iteration == Some(now) && c.evaluation.is_some())
            .map(|candidate| candidate.id)
    }

    /// The evaluated candidates, best first.
    pub fn ranked(&self) -> Vec<Rank> {
        let rank = |candidate: &Candidate| candidate.rank(self.objective);
        let mut ranked: Vec<_> = self.candidates.iter().filter_map(rank).collect();
        ranked.sort_unstable_by(|a, b| b.cmp(a));
        ranked
    }

    /// What the evaluations so far say about each node of the template.
    pub fn fitness(&self) -> Vec<NodeFitness> {
        self.fitness_by(self.model(), &self.evaluated())
    }

    /// The same by the candidates that have not retired, which say the same before and after the weights change: what
    /// a training that is interrupted can start from again.
    pub fn lasting_fitness(&self) -> Vec<NodeFitness> {
        let candidates = self.candidates.iter().filter(|candidate| !candidate.is_retired());
        let lasting: Vec<_> = candidates.filter_map(Candidate::evaluated).collect();
        if lasting.len() == self.evaluated().len() {
            return self.fitness();
        }
        self.fitness_by(&self.fit(&lasting), &lasting)
    }

    /// What all evaluations say.
    fn model(&self) -> &Arc<Model> {
        self.models.all.get_or_init(|| {
            let fit = || self.fit(&self.evaluated());
            // Before anything is evaluated in an iteration, all that is known is from those before it.
            match self.evaluated_now().next() {
                None => Arc::clone(self.models.finished.get_or_init(fit)),
                Some(_) => fit(),
            }
        })
    }

    fn fit(&self, evaluated: &[(&Mask, Evaluation)]) -> Arc<Model> {
        Arc::new(Model::fit(self.features(), evaluated, self.objective))
    }

    fn fitness_by(&self, model: &Model, evaluated: &[(&Mask, Evaluation)]) -> Vec<NodeFitness> {
        let mut counts = vec![0; self.graph().len()];
        for (mask, _) in evaluated {
            for node in mask.iter() {
                counts[node] += 1;
            }
        }
        counts
            .into_iter()
            .enumerate()
            .map(|(node, count)| {
                let (fitness, uncertainty) = match model.effect(node) {
                    Some((effect, before)) => {
                        (effect.probability_positive(), (effect.variance / before).sqrt().min(1.0))
                    }
                    None => (0.5, 1.0),
                };
                NodeFitness {
                    fitness,
                    uncertainty,
                    frequency: count as f64 / evaluated.len().max(1) as f64,
                    count,
                }
            })
            .collect()
    }

    /// The pairs of nodes that the evaluations say do best (or worst) together, at most `count`, strongest
    /// first.
    pub fn synergies(&self, count: usize) -> Vec<Synergy> {
        if self.evaluated().is_empty() { Vec::new() } else { self.model().synergies(count) }
    }

    /// What is known by the weights of the last evaluations.
    fn evaluated(&self) -> Vec<(&Mask, Evaluation)> {
        self.candidates
            .iter()
            .filter(|candidate| candidate.standing != Standing::Obsolete)
            .filter_map(Candidate::evaluated)
            .collect()
    }

    fn empty(graph: Arc<Graph>, seed: u64, representatives: Option<Representatives>) -> Self {
        Self {
            features: OnceLock::new(),
            models: Models::default(),
            totals: OnceLock::new(),
            representatives,
            guide: Guide::free(&graph),
            template: KeyedGraph::first(graph),
            earlier: Vec::new(),
            step: 0,
            weights: 0,
            seed,
            candidates: Vec::new(),
            records: Vec::new(),
            by_keys: HashMap::new(),
            taken: OnceLock::new(),
            pool: 0,
            finished: 0,
            objective: Objective::default(),
        }
    }

    fn next_id(&self) -> CandidateId {
        CandidateId::after(self.candidates.len())
    }

    /// Whether a recorded candidate can be the next one.
    fn check_newcomer(&self, mask: &Mask, parents: &[CandidateId]) -> Result<(), SearchError> {
        let id = self.next_id();
        if let Some(what) = candidate::problem(self.graph(), mask) {
            return Err(SearchError::Invalid(id, what));
        }
        if let Some(earlier) = self.known(mask) {
            return Err(SearchError::Duplicate(earlier, id));
        }
        match parents.iter().find(|&&parent| parent >= id) {
            Some(&parent) => Err(SearchError::UnknownParent(id, parent)),
            None => Ok(()),
        }
    }

    fn push(
        &mut self,
        mask: Mask,
        parents: Vec<CandidateId>,
        iteration: Option<u32>,
    ) -> CandidateId {
        let id = self.next_id();
        let cost = self.graph().total_cost(mask.iter());
        let keys = self.template.keys_of(&mask);
        self.by_keys.insert(keys.clone(), id);
        self.records.push(Record {
            keys,
            evaluated: None,
            timed: None,
            there: true,
            links_alike: true,
            gone: false,
        });
        let mut candidate = Candidate {
            id,
            mask,
            parents,
            iteration,
            evaluation: None,
            cost,
            latency: None,
            affordable: true,
            standing: Standing::Present,
        };
        candidate.affordable = self.guide.steering.affords(&candidate);
        self.candidates.push(candidate);
        id
    }

    /// Adds a drawn candidate, unless the template admits none or the pool has one that computes the same.
    fn add_to_pool(&mut self, mask: Mask, seen: &mut HashSet<Canonical>) -> bool {
        let new = candidate::problem(self.graph(), &mask).is_none()
            && seen.insert(self.features().form(self.graph(), &mask));
        if new {
            self.push(mask, Vec::new(), None);
        }
        new
    }
}

#[cfg(test)]
mod tests;
