//! What is known, and how events change it.

mod retold;

pub use retold::Retold;

use super::{Event, IterationReport, Placed, Retrained};
use crate::engine::{
    candidate::{CandidateId, Space, alike},
    embedding::{Embedding, RunEmbedding},
    mask::Mask,
    search::{
        Candidate, Evaluation, Moved, NodeFitness, Objective, Representatives, SearchError,
        SearchState, SteeringError,
    },
    template::{Checked, EndEdit, Ends, Graph, NodeId, NodeKey, NodeKeys, fit},
    training::{EpochReport, StepLength, TrainSettings},
};
use std::{collections::HashMap, fmt, sync::Arc};
use thiserror::Error;

/// An event that cannot follow on those before it.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Mismatch {
    /// The pool is complete before anything else happens.
    #[error("candidate {0} is of the pool, but others came before it")]
    LateForPool(CandidateId),
    /// Something is missing before it.
    #[error("{what} {number} stands where {next} should")]
    Order {
        /// What is counted.
        what: &'static str,
        /// The number that was told.
        number: usize,
        /// The one that comes next.
        next: usize,
    },
    /// It names a node that the template does not have.
    #[error("`{0}` is not a node")]
    UnknownNode(NodeId),
    /// It edits weights that were not there any more.
    #[error("an edit after {step} training steps follows on an epoch that ends after {trained}")]
    Steps {
        /// Steps that the edit tells.
        step: u64,
        /// Steps by the end of the last epoch.
        trained: u64,
    },
    /// It forgets a node that is there, or that never was.
    #[error("an edit forgets node {0}, which is not gone")]
    NotGone(usize),
    /// It goes on with a template that was not [brought](Study::bring).
    #[error("there is no template {0}")]
    UnknownTemplate(u32),
    /// It does not fit the candidates.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// No candidate of the template can be what is asked for.
    #[error(transparent)]
    Steering(#[from] SteeringError),
}

/// What a study begins with, apart from its template.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Seed of every random draw.
    pub seed: u64,
    /// What the search makes large.
    pub objective: Objective,
    /// How the supernet is trained.
    pub training: TrainSettings,
    /// When the fitness of nodes is worked out, which takes long for a long run.
    pub judging: Judging,
}

/// When a study works out the fitness of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judging {
    /// At the end of each iteration, and when it is asked for.
    EachIteration,
    /// When it is asked for.
    WhenAsked,
    /// Never: it is [told](Study::take_fitness) by the lab that works it out.
    Elsewhere,
}

/// What is known of a run.
#[derive(Clone)]
pub struct Study {
    /// What it began with.
    begun: Setup,
    /// What has happened since.
    past: Vec<Arc<Event>>,
    setup: Setup,
    /// The step length that the run was set up with.
    configured: StepLength,
    template: Checked,
    /// The templates that it had before.
    earlier: Vec<Checked>,
    /// The number of the template: 1, and one more with each edit.
    number: u32,
    /// The template of the next edit.
    next: Option<(u32, Checked)>,
    keys: NodeKeys,
    search: SearchState,
    /// The map of the cloud; `None` while the pool that it is fitted to is being told.
    map: Option<RunEmbedding>,
    /// The map for the present template.
    cloud: Embedding,
    /// Where each candidate was placed when it came, by id.
    places: Vec<[f32; 3]>,
    epochs: Vec<EpochReport>,
    iterations: Vec<IterationReport>,
    /// With the number of the template.
    retrained: Vec<(Retrained, u32)>,
    /// The fitness at the last edit, by key.
    fitness_at_edit: Vec<Option<NodeFitness>>,
    /// When nodes left that the template lacks, or lacked at some time.
    left: HashMap<NodeKey, Left>,
    /// Whether nothing was evaluated since the last edit, so that the fitness then goes on to be shown.
    is_fitness_kept: bool,
    last_edit: LastEdit,
    /// The training step in which the learning rate begins its course for a node, by key.
    since: Vec<u64>,
    training_secs: f64,
    search_secs: f64,
    /// Seconds of evaluations since the last iteration ended.
    unfinished_secs: f64,
    checkpoint: Option<String>,
}

/// What an edit has changed.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct LastEdit {
    /// Which candidates the template has.
    pub(in crate::engine) candidates: Moved,
    /// The nodes that an earlier template had and the one before lacked, in template order.
    pub(in crate::engine) back: Vec<NodeKey>,
    /// Those that no template had, in template order.
    pub(in crate::engine) new: Vec<NodeKey>,
}

/// When a node left the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine) struct Left {
    /// The number of the template that lacks it.
    pub(in crate::engine) template: u32,
    /// Training steps that the weights had seen.
    pub(in crate::engine) step: u64,
}

impl fmt::Debug for Study {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Study")
            .field("template", &self.number)
            .field("candidates", &self.candidates().len())
            .field("epochs", &self.epochs.len())
            .field("iterations", &self.iterations.len())
            .finish_non_exhaustive()
    }
}

/// What is known of a new node.
const NOTHING: NodeFitness =
    NodeFitness { fitness: 0.5, uncertainty: 1.0, frequency: 0.0, count: 0 };

impl Study {
    /// A new study of `template`, for which a pool of `pool` candidates is drawn.
    pub fn begin(template: Checked, setup: Setup, pool: usize) -> Self {
        let search = SearchState::new(Arc::clone(template.graph()), setup.seed, pool);
        Self::settled(template, setup, search)
    }

    /// The same where more is known about which candidates compute the same than the template shows.
    pub fn begin_with(
        template: Checked,
        setup: Setup,
        pool: usize,
        representatives: Representatives,
    ) -> Self {
        let (graph, seed) = (Arc::clone(template.graph()), setup.seed);
        let search = SearchState::with_representatives(graph, seed, pool, representatives);
        Self::settled(template, setup, search)
    }

    /// A study of which nothing is told yet: first comes the pool.
    pub fn untold(template: Checked, setup: Setup) -> Self {
        let search = SearchState::untold(Arc::clone(template.graph()), setup.seed);
        Self::with_search(template, setup, search)
    }

    /// The same where more is known about which candidates compute the same than the template shows.
    pub fn untold_with(template: Checked, setup: Setup, representatives: Representatives) -> Self {
        let (graph, seed) = (Arc::clone(template.graph()), setup.seed);
        let search = SearchState::untold_with_representatives(graph, seed, representatives);
        Self::with_search(template, setup, search)
    }

    fn settled(template: Checked, setup: Setup, search: SearchState) -> Self {
        let mut study = Self::with_search(template, setup, search);
        study.settle();
        let graph = study.template.graph();
        let drawn = study.candidates().iter().map(|candidate| {
            let kept = candidate.mask.iter().map(|node| graph.id(node).clone()).collect();
            let Candidate { id, parents, .. } = candidate.clone();
            Arc::new(Event::Candidate { id, iteration: 0, parents, kept })
        });
        study.past = drawn.collect();
        study
    }

    fn with_search(template: Checked, setup: Setup, mut search: SearchState) -> Self {
        search.compare_by(setup.objective);
        let mut keys = NodeKeys::default();
        keys.admit(Arc::clone(template.graph()));
        Self {
            begun: setup,
            past: Vec::new(),
            configured: setup.training.step_length(),
            setup,
            template,
            earlier: Vec::new(),
            number: 1,
            next: None,
            since: vec![0; keys.given()],
            keys,
            search,
            map: None,
            cloud: Embedding::fit(&[]),
            places: Vec::new(),
            epochs: Vec::new(),
            iterations: Vec::new(),
            retrained: Vec::new(),
            fitness_at_edit: Vec::new(),
            left: HashMap::new(),
            is_fitness_kept: false,
            last_edit: LastEdit::default(),
            training_secs: 0.0,
            search_secs: 0.0,
            unfinished_secs: 0.0,
            checkpoint: None,
        }
    }

    /// Says that the pool is complete, as the first event after it does: the cloud is fitted to it. Its candidates are
    /// the landmarks, so that no later one moves a point.
    pub fn settle(&mut self) {
        if self.map.is_some() {
            return;
        }
        let masks: Vec<_> = self.candidates().iter().map(|it| it.mask.clone()).collect();
        self.cloud = Embedding::fit(&masks);
        self.map = Some(RunEmbedding::new(&self.cloud, self.search.template()));
        self.place_newcomers();
    }

    /// The same study for a reader that takes its events, and is told the fitness of nodes.
    pub fn replica(&self) -> Self {
        let setup = Setup { judging: Judging::Elsewhere, ..self.setup };
        Self { setup, ..self.clone() }
    }

    /// Takes the fitness at the end of an iteration, by node index, as another study has worked it out.
    pub fn take_fitness(&mut self, iteration: u32, fitness: Vec<NodeFitness>) {
        let Some(place) = self.iterations.iter().rposition(|it| it.iteration == iteration) else {
            return;
        };
        let (earlier, from_here) = self.iterations.split_at_mut(place);
        let known = &mut from_here[0];
        known.fitness = fitness;
        let same = earlier.iter_mut().rev().take_while(|it| it.template == known.template);
        if let Some(before) = { same }.find(|it| !it.fitness.is_empty()) {
            before.fitness = Vec::new();
        }
    }

    /// Works out the fitness at the end of the last iteration, after which nothing has happened yet.
    pub fn judge(&mut self) {
        let fitness = self.judged();
        self.take_fitness(self.search.finished_iterations(), fitness);
    }

    /// Says when the fitness of nodes is worked out from here on.
    pub fn judge_from_here(&mut self, judging: Judging) {
        self.setup.judging = judging;
    }

    /// When the fitness of nodes is worked out.
    pub(in crate::engine::study) fn judging(&self) -> Judging {
        self.setup.judging
    }

    /// Hands over the template of the [edit](Event::Edited) that is told next: events name templates by number.
    pub fn bring(&mut self, number: u32, template: Checked) {
        self.next = Some((number, template));
    }

    /// Takes over how the same network looks.
    pub fn lay_out(&mut self, template: Checked) {
        self.template = template;
    }

    /// Says how many training steps the weights have seen where no event tells, as in the middle of an epoch.
    pub fn weights_at(&mut self, step: u64) {
        self.search.weights_at(step);
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// When it cannot follow on those before it; what the study then knows is of no use.
    pub fn apply(&mut self, event: &Arc<Event>) -> Result<(), Mismatch> {
        self.follow(event)?;
        self.past.push(Arc::clone(event));
        Ok(())
    }

    fn follow(&mut self, event: &Event) -> Result<(), Mismatch> {
        if let Event::Candidate { id, iteration: 0, parents, kept } = event {
            in_order("candidate", id.index(), self.candidates().len())?;
            if self.map.is_some() {
                return Err(Mismatch::LateForPool(*id));
            }
            let mask = self.mask(kept)?;
            self.search.admit_to_pool(mask, parents.clone())?;
            return Ok(());
        }
        self.settle();
        match event {
            Event::Candidate { id, iteration: _, parents, kept } => {
                in_order("candidate", id.index(), self.candidates().len())?;
                let mask = self.mask(kept)?;
                self.search.admit(mask, parents.clone())?;
                self.place_newcomers();
            }
            Event::Epoch(epoch) => {
                in_order("epoch", epoch.epoch, self.epochs.len() + 1)?;
                self.training_secs += epoch.seconds;
                self.checkpoint = Some(checkpoint_of_epoch(epoch.epoch));
                self.search.weights_at(epoch.step);
                self.epochs.push(*epoch);
            }
            Event::Edited { template, step, lasting, restarts, forgotten } => {
                self.edit(*template, *step, *lasting, forgotten)?;
                // Where older programs made the edit, the learning rate went on.
                let since = if *restarts { *step } else { 0 };
                self.since.resize(self.keys.given(), since);
            }
            Event::Evaluated { id, step, seconds, .. } => {
                self.unfinished_secs += seconds;
                self.search.weights_at(*step);
                if let Some(evaluation) = event.evaluation() {
                    self.search.record(*id, evaluation)?;
                }
                self.is_fitness_kept = false;
            }
            Event::Iteration { iteration, candidates, mean_accuracy, best, seconds } => {
                let next = self.search.finished_iterations() + 1;
                in_order("iteration", *iteration as usize, next as usize)?;
                self.search.finish_iteration();
                self.search_secs += seconds;
                self.unfinished_secs = 0.0;
                let unknown =
                    Evaluation { accuracy: f64::NAN, balanced_accuracy: None, loss: f64::NAN };
                let evaluation = self.search.candidate(*best).and_then(|best| best.evaluation);
                let mean = self.mean_of(candidates);
                self.iterations.push(IterationReport {
                    iteration: *iteration,
                    template: self.number,
                    objective: self.objective(),
                    mean: Evaluation { accuracy: *mean_accuracy, ..mean },
                    candidates: candidates.clone(),
                    best: *best,
                    best_evaluation: evaluation.unwrap_or(unknown),
                    tie: self.tie().is_some(),
                    fitness: Vec::new(),
                    seconds: *seconds,
                });
                match self.setup.judging {
                    Judging::EachIteration => self.judge(),
                    Judging::WhenAsked | Judging::Elsewhere => {}
                }
            }
            Event::Timed { id, latency } => self.search.record_latency(*id, *latency)?,
            Event::Steered(steering) => self.search.steer(steering.clone(), &self.cloud)?,
            Event::Aimed { objective } => {
                self.search.compare_by(*objective);
                self.is_fitness_kept = false;
            }
            Event::Retuned { to, instead_of } => {
                // Where the run's settings were edited by hand since, the edit counts.
                if *instead_of == self.configured {
                    self.setup.training = self.setup.training.retuned(*to);
                }
            }
            Event::Retrained { id, epochs, seconds, .. } => {
                if let Some(evaluation) = event.evaluation() {
                    let (id, epochs, seconds) = (*id, *epochs, *seconds);
                    self.take_retrained(Retrained { id, epochs, evaluation, seconds });
                }
            }
        }
        Ok(())
    }

    /// Takes what a candidate is worth that was trained from scratch, instead of what was known of it.
    fn take_retrained(&mut self, new: Retrained) {
        let mut known = std::mem::take(&mut self.retrained);
        known.retain(|(known, template)| {
            (known.id, known.epochs) != (new.id, new.epochs) || !self.links_as_in(*template, new.id)
        });
        known.push((new, self.number));
        self.retrained = known;
    }

    fn edit(
        &mut self,
        number: u32,
        step: u64,
        lasting: bool,
        forgotten: &[NodeKey],
    ) -> Result<(), Mismatch> {
        let Some((_, template)) = self.next.take_if(|(brought, _)| *brought == number) else {
            return Err(Mismatch::UnknownTemplate(number));
        };
        in_order("template", number as usize, self.number as usize + 1)?;
        let trained = self.epochs.last().map_or(0, |epoch| epoch.step);
        if step < trained {
            return Err(Mismatch::Steps { step, trained });
        }
        self.search.weights_at(step);
        let known = self.keys.given();
        if !forgotten.is_empty() {
            let then = self.keys.clone().admit(Arc::clone(template.graph()));
            let stays = |key| self.search.template().node(key).and(then.node(key)).is_some();
            if let Some(&key) = forgotten.iter().find(|&&key| key.index() >= known || stays(key)) {
                return Err(Mismatch::NotGone(key.index()));
            }
            self.keys.forget(|key| forgotten.contains(&key));
        }
        let keyed = self.keys.admit(Arc::clone(template.graph()));
        if !lasting {
            // The program that made the edit knew nothing of them any more.
            self.keys.forget(|key| keyed.node(key).is_none());
        }
        for &key in self.search.template().keys() {
            if keyed.node(key).is_none() {
                self.left.insert(key, Left { template: number, step });
            }
        }
        let back: Vec<_> = keyed
            .keys()
            .iter()
            .copied()
            .filter(|&key| key.index() < known && self.search.template().node(key).is_none())
            .collect();
        let new = keyed.keys().iter().copied().filter(|key| key.index() >= known).collect();
        let judges = self.setup.judging != Judging::Elsewhere;
        if judges {
            self.fitness_at_edit.resize(self.keys.given(), None);
            for (key, fitness) in self.search.template().keys().iter().zip(self.fitness()) {
                self.fitness_at_edit[key.index()] = Some(fitness);
            }
        }
        if let Some(map) = &mut self.map {
            self.cloud = map.admit(&keyed);
        }
        let candidates = self.search.edit(keyed, &self.cloud, !lasting)?;
        self.earlier.push(std::mem::replace(&mut self.template, template));
        self.number = number;
        // With all that is known of a node that is back, the fitness of the others is what it would be had it stayed.
        self.is_fitness_kept = back.is_empty();
        self.last_edit = LastEdit { candidates, back, new };
        self.checkpoint = (step > 0).then(|| checkpoint_of_edit(number));
        Ok(())
    }

    fn mask(&self, kept: &[NodeId]) -> Result<Mask, Mismatch> {
        let graph = self.template.graph();
        let node =
            |id: &NodeId| graph.index_of(id).ok_or_else(|| Mismatch::UnknownNode(id.clone()));
        let nodes: Vec<_> = kept.iter().map(node).collect::<Result<_, _>>()?;
        Ok(Mask::from_nodes(graph.len(), nodes))
    }

    /// Gives the candidates that have come since the last time their places.
    fn place_newcomers(&mut self) {
        let newcomers = &self.search.candidates()[self.places.len()..];
        self.places.extend(newcomers.iter().map(|candidate| self.cloud.place(&candidate.mask)));
    }

    /// The template.
    pub fn template(&self) -> &Checked {
        &self.template
    }

    /// Its number: 1, and one more with each edit.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Candidates, and what their evaluations say.
    pub fn search(&self) -> &SearchState {
        &self.search
    }

    /// All candidates, by id.
    pub fn candidates(&self) -> &[Candidate] {
        self.search.candidates()
    }

    /// The best candidate so far.
    pub fn best(&self) -> Option<&Candidate> {
        self.search.best().and_then(|id| self.search.candidate(id))
    }

    /// Where candidates of the present template are placed.
    pub fn cloud(&self) -> &Embedding {
        &self.cloud
    }

    /// All candidates with their places, by id.
    pub fn placed(&self) -> impl ExactSizeIterator<Item = Placed<'_>> {
        let places = self.places.iter();
        self.candidates()
            .iter()
            .zip(places)
            .map(|(candidate, &position)| Placed { candidate, position })
    }

    /// A candidate with its place.
    pub fn placed_at(&self, id: CandidateId) -> Option<Placed<'_>> {
        let candidate = self.search.candidate(id)?;
        Some(Placed { candidate, position: *self.places.get(id.index())? })
    }

    /// What the search makes large.
    pub fn objective(&self) -> Objective {
        self.search.objective()
    }

    /// How the supernet is trained.
    pub fn training(&self) -> TrainSettings {
        self.setup.training
    }

    /// The step length that the run was set up with.
    pub fn configured(&self) -> StepLength {
        self.configured
    }

    /// Takes the present step length for the one that the run is set up with: it begins now. Whether that is another one.
    pub fn configure(&mut self) -> bool {
        let before = std::mem::replace(&mut self.configured, self.setup.training.step_length());
        // What was asked for before is what the run begins with.
        self.begun.training = self.setup.training;
        self.past.retain(|event| !matches!(**event, Event::Retuned { .. }));
        before != self.configured
    }

    /// An edited template with the ends of the present one, where it can have them, and what that took: the data of a run
    /// stays what it is, so there is only one way to go on.
    pub fn fit(&self, template: Checked) -> (Checked, Vec<EndEdit>) {
        match fit(template.graph(), Ends::of(self.template.graph())) {
            Ok((graph, edits)) => (template.with_graph(Arc::new(graph)), edits),
            Err(_) => (template, Vec::new()),
        }
    }

    /// The finished epochs.
    pub fn epochs(&self) -> &[EpochReport] {
        &self.epochs
    }

    /// The finished iterations.
    pub fn iterations(&self) -> &[IterationReport] {
        &self.iterations
    }

    /// The fitness of the present template's nodes at the end of an iteration, by node index: nodes that its template
    /// lacked have what they had before. Empty where it was not worked out.
    pub fn fitness_after(&self, iteration: &IterationReport) -> Vec<NodeFitness> {
        if iteration.fitness.is_empty() {
            return Vec::new();
        }
        let until = (iteration.iteration as usize).min(self.iterations.len());
        let value = |key| {
            self.iterations[..until].iter().rev().find_map(|it| {
                let then = self.search.template_of(it.template)?;
                it.fitness.get(then.node(key)?).copied()
            })
        };
        let keys = self.search.template().keys().iter();
        keys.map(|&key| value(key).unwrap_or(NOTHING)).collect()
    }

    /// The candidates that were trained from scratch as the networks that they are in the present template.
    pub fn retrained(&self) -> impl Iterator<Item = &Retrained> {
        let retrained = self.retrained.iter();
        let same = |(it, template): &&(Retrained, u32)| self.links_as_in(*template, it.id);
        retrained.filter(same).map(|(retrained, _)| retrained)
    }

    /// Whether a candidate is the network that it was in the template with this number: not with other links.
    fn links_as_in(&self, template: u32, id: CandidateId) -> bool {
        let then = self.search.template_of(template);
        let keys = self.search.keys(id);
        then.zip(keys).is_some_and(|(then, keys)| self.search.template().links_alike(then, keys))
    }

    /// How many candidates tie, where all that are evaluated with the present weights do.
    pub fn tie(&self) -> Option<usize> {
        self.search.tie()
    }

    /// The mean of what evaluating these candidates gave.
    pub fn mean_of(&self, candidates: &[CandidateId]) -> Evaluation {
        let evaluation = |id: &CandidateId| self.search.candidate(*id)?.evaluation;
        Evaluation::mean(&candidates.iter().filter_map(evaluation).collect::<Vec<_>>())
    }

    /// Fitness and frequency of every node, by node index: as they were at the last edit until something is evaluated. Not
    /// of a [replica](Self::replica), which is told the fitness of iterations only.
    pub fn fitness(&self) -> Vec<NodeFitness> {
        if !self.is_fitness_kept {
            return self.judged();
        }
        let keys = self.search.template().keys().iter();
        keys.map(|&key| self.fitness_at_edit(key).unwrap_or(NOTHING)).collect()
    }

    /// The same by candidates that have not retired, which is the same before and after the weights change: what a
    /// training that is interrupted can start from again.
    pub fn lasting_fitness(&self) -> Vec<NodeFitness> {
        if self.is_fitness_kept { self.fitness() } else { self.search.lasting_fitness() }
    }

    /// What the evaluations so far say about each node.
    fn judged(&self) -> Vec<NodeFitness> {
        without_chance(self.template.graph(), self.search.fitness())
    }

    /// When a node left the template for the last time; `None` if it never did.
    pub(in crate::engine) fn left(&self, key: NodeKey) -> Option<Left> {
        self.left.get(&key).copied()
    }

    /// Nodes that have left a template at some time.
    pub(in crate::engine) fn left_keys(&self) -> impl Iterator<Item = (NodeKey, Left)> {
        self.left.iter().map(|(&key, &left)| (key, left))
    }

    /// What the last edit has changed.
    pub(in crate::engine) fn last_edit(&self) -> &LastEdit {
        &self.last_edit
    }

    /// The fitness that a node had before the last edit, as far as it is known; see [`fitness`](Self::fitness).
    pub(in crate::engine) fn fitness_at_edit(&self, key: NodeKey) -> Option<NodeFitness> {
        self.fitness_at_edit.get(key.index()).copied().flatten()
    }

    /// The training step in which the learning rate begins its course, counted from 0: that of the edit which brought the
    /// newest node of the template.
    pub fn schedule_from(&self) -> u64 {
        let keys = self.search.template().keys().iter();
        keys.filter_map(|key| self.since.get(key.index())).copied().max().unwrap_or(0)
    }

    /// Seconds of training in finished epochs.
    pub fn training_secs(&self) -> f64 {
        self.training_secs
    }

    /// Seconds of searching in finished iterations.
    pub fn search_secs(&self) -> f64 {
        self.search_secs
    }

    /// Seconds of evaluations since the last iteration ended.
    pub fn unfinished_secs(&self) -> f64 {
        self.unfinished_secs
    }

    /// The folder in `weights` with the weights that the last event left.
    pub fn checkpoint(&self) -> Option<&str> {
        self.checkpoint.as_deref()
    }
}

/// The folder in `weights` of the checkpoint at the end of an epoch.
pub(in crate::engine) fn checkpoint_of_epoch(epoch: usize) -> String {
    format!("epoch-{epoch}")
}

/// The folder in `weights` of the checkpoint of an edit to the template with this number.
pub(in crate::engine) fn checkpoint_of_edit(number: u32) -> String {
    format!("edit-{number}")
}

/// Makes sure that nothing is missing before the `what` called `number`.
fn in_order(what: &'static str, number: usize, next: usize) -> Result<(), Mismatch> {
    if number == next { Ok(()) } else { Err(Mismatch::Order { what, number, next }) }
}

/// Fitness without what chance made of alternatives that no evaluation tells apart: they share one, and it is 0.5 where
/// a layer has no other.
fn without_chance(graph: &Graph, mut fitness: Vec<NodeFitness>) -> Vec<NodeFitness> {
    let groups = alike(graph);
    if groups.is_empty() {
        return fitness;
    }
    let choices = Space::whole(graph).choices();
    for group in groups {
        let undecidable = choices.iter().any(|choice| {
            (choice.least, choice.most) == (1, 1)
                && choice.nodes.iter().all(|node| group.contains(node))
                && choice.nodes.contains(&group[0])
        });
        let mean = |figure: fn(&NodeFitness) -> f64| {
            group.iter().map(|&node| figure(&fitness[node])).sum::<f64>() / group.len() as f64
        };
        let (shared, uncertainty) = if undecidable {
            (0.5, 1.0)
        } else {
            (mean(|node| node.fitness), mean(|node| node.uncertainty))
        };
        for node in group {
            fitness[node].fitness = shared;
            fitness[node].uncertainty = uncertainty;
        }
    }
    fitness
}

#[cfg(test)]
impl Study {
    /// A study of `template` that has these candidates, whatever they keep, at these places, and knows nothing else.
    pub(crate) fn showing(template: Checked, candidates: Vec<(Candidate, [f32; 3])>) -> Self {
        let (objective, training) = (Objective::default(), TrainSettings::default());
        let setup = Setup { seed: 1, objective, training, judging: Judging::Elsewhere };
        let mut study = Self::begin(template, setup, 0);
        study.show(candidates);
        study
    }

    /// Adds candidates, or puts them in the place of those with their ids.
    pub(crate) fn show(&mut self, candidates: Vec<(Candidate, [f32; 3])>) {
        for (candidate, place) in candidates {
            match self.places.get_mut(candidate.id.index()) {
                Some(known) => *known = place,
                None => self.places.push(place),
            }
            self.search.show(candidate);
        }
    }

    /// All that is known but the present fitness, as text, so that what is not a number equals itself; seconds, which
    /// differ from run to run, are left out.
    pub(crate) fn known(&self) -> String {
        let iterations = self.iterations.iter();
        let iterations = iterations.map(|it| IterationReport { seconds: 0.0, ..it.clone() });
        let epochs = self.epochs.iter().map(|epoch| EpochReport { seconds: 0.0, ..*epoch });
        format!(
            "{:?}",
            (
                (self.number(), self.template().template(), self.checkpoint(), self.objective()),
                (self.placed().collect::<Vec<_>>(), epochs.collect::<Vec<_>>()),
                iterations.collect::<Vec<_>>(),
                (self.training(), self.schedule_from()),
                (self.search.steering(), self.search.proposals(3)),
                self.retrained().map(|it| (it.id, it.epochs, it.evaluation)).collect::<Vec<_>>(),
                self.iterations.iter().map(|it| self.fitness_after(it)).collect::<Vec<_>>(),
            )
        )
    }
}
