//! The lab: one template with its data, supernet, search and run folder, and the two jobs that work on
//! them. It runs on the thread that calls it; the window has a [`Worker`](super::worker::Worker) for that.

mod control;
mod replay;
#[cfg(test)]
mod tests;

pub use control::Control;

use super::{
    candidate::CandidateId,
    data::{DataError, DataSource, Dataset},
    device::{self, DeviceChoice, DeviceError},
    embedding::Embedding,
    report::{EpochReport, IterationReport, Job, PlacedCandidate, Progress, Report},
    run::{Checkpoint, Event, RUN_VERSION, Run, RunConfig, RunError},
    search::{Candidate, Evaluation, NodeFitness, SearchError, SearchState},
    supernet::{EvaluationError, EvaluationSettings, Evaluator, Supernet, WeightsError},
    template::Graph,
    training::{TrainError, TrainSettings, Trainer},
};
use serde::Serialize;
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use thiserror::Error;

/// Why a job could not be done.
#[derive(Debug, Error)]
pub enum LabError {
    /// The data could not be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The device does not answer.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A candidate could not be evaluated.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The run folder could not be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The archive does not take something.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// Stored weights could not be read or written.
    #[error("{0}")]
    Weights(#[from] WeightsError),
    /// The run was made with other images.
    #[error(
        "{data} has changed since the run began (fingerprint {found}, was {wanted}); restore it, or start a new run"
    )]
    OtherData {
        /// The data.
        data: DataSource,
        /// The fingerprint in `run.ron`.
        wanted: String,
        /// The fingerprint of what was loaded.
        found: String,
    },
    /// The search has begun, so training would make its results incomparable.
    #[error(
        "the search of this run has begun; more training would change the weights that its candidates were \
         compared with; open the template again to start a new run"
    )]
    SearchBegan,
    /// Searching before training.
    #[error("the supernet is not trained yet; train it for an epoch or more first")]
    NotTrained,
    /// The journal names what is not there.
    #[error("the journal of {} does not fit its template: {what}; start a new run", folder.display())]
    JournalMismatch {
        /// The run folder.
        folder: PathBuf,
        /// What does not fit.
        what: String,
    },
}

/// What a lab is set up with.
#[derive(Clone, Debug)]
pub struct LabSettings {
    /// What to train on.
    pub data: DataSource,
    /// Where to train.
    pub device: DeviceChoice,
    /// Seed of every random draw.
    pub seed: u64,
    /// How the supernet is trained; epochs and seed in it are set by the lab.
    pub training: TrainSettings,
    /// How candidates are evaluated.
    pub evaluation: EvaluationSettings,
    /// How many candidates the cloud starts with.
    pub pool: usize,
}

impl Default for LabSettings {
    fn default() -> Self {
        Self {
            data: DataSource::default(),
            device: DeviceChoice::Auto,
            seed: 1,
            training: TrainSettings::default(),
            evaluation: EvaluationSettings::default(),
            pool: 300,
        }
    }
}

/// Seconds of work in each phase, over all sessions of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PhaseSeconds {
    /// Loading data and setting up.
    pub setup: f64,
    /// Training.
    pub training: f64,
    /// Searching.
    pub search: f64,
}

/// What a run set out to do, so that a resumed one can finish it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Epochs in all.
    pub epochs: Option<usize>,
    /// Iterations in all.
    pub iterations: Option<u32>,
    /// Candidates an iteration.
    pub candidates: Option<usize>,
}

/// One template with everything that was found out about it.
pub struct Lab {
    graph: Arc<Graph>,
    settings: LabSettings,
    runs: PathBuf,
    name: Option<String>,
    run: Option<Run>,
    bench: Option<Bench>,
    checkpoint: Option<String>,
    search: SearchState,
    embedding: Embedding,
    epochs: Vec<EpochReport>,
    iterations: Vec<IterationReport>,
    seconds: PhaseSeconds,
    targets: Targets,
}

/// What training and evaluation need; set up by the first job.
struct Bench {
    data: Dataset,
    fingerprint: String,
    supernet: Supernet,
    trainer: Trainer,
    evaluator: Evaluator,
}

impl Lab {
    /// A lab for `graph`. Candidates are drawn and placed; nothing is written before the first job, which
    /// makes the run folder `runs/<name>`.
    pub fn new(
        graph: Arc<Graph>,
        settings: LabSettings,
        runs: PathBuf,
        name: Option<String>,
    ) -> Self {
        let search = SearchState::new(Arc::clone(&graph), settings.seed, settings.pool);
        let embedding = embed(&search);
        Self {
            graph,
            settings,
            runs,
            name,
            run: None,
            bench: None,
            checkpoint: None,
            search,
            embedding,
            epochs: Vec::new(),
            iterations: Vec::new(),
            seconds: PhaseSeconds::default(),
            targets: Targets::default(),
        }
    }

    /// The template.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// What the lab was set up with.
    pub fn settings(&self) -> &LabSettings {
        &self.settings
    }

    /// Finished epochs.
    pub fn epochs(&self) -> usize {
        self.epochs.len()
    }

    /// Finished iterations.
    pub fn iterations(&self) -> u32 {
        self.search.finished_iterations()
    }

    /// The finished epochs.
    pub fn epoch_reports(&self) -> &[EpochReport] {
        &self.epochs
    }

    /// The finished iterations.
    pub fn iteration_reports(&self) -> &[IterationReport] {
        &self.iterations
    }

    /// How many candidates were evaluated.
    pub fn evaluated(&self) -> usize {
        self.search.candidates().iter().filter(|candidate| candidate.evaluation.is_some()).count()
    }

    /// The best candidate so far.
    pub fn best(&self) -> Option<&Candidate> {
        self.search.best().and_then(|id| self.search.candidate(id))
    }

    /// Fitness and frequency of every node, by node index.
    pub fn fitness(&self) -> Vec<NodeFitness> {
        self.search.fitness()
    }

    /// Seconds of work in each phase.
    pub fn seconds(&self) -> PhaseSeconds {
        self.seconds
    }

    /// What the run set out to do.
    pub fn targets(&self) -> Targets {
        self.targets
    }

    /// Fingerprint of the data, once a job has loaded it or the run says it.
    pub fn data_fingerprint(&self) -> Option<String> {
        let run = self.run.as_ref().map(|run| run.config().data_fingerprint.clone());
        run.or_else(|| self.bench.as_ref().map(|bench| bench.fingerprint.clone()))
    }

    /// All candidates with their places.
    pub fn placed(&self) -> Vec<PlacedCandidate> {
        self.place(self.search.candidates())
    }

    /// The reports that tell somebody new everything that the lab holds.
    pub fn story(&self) -> Vec<Report> {
        let run = self
            .run
            .as_ref()
            .map(|run| Report::RunOpened { name: run.name(), path: run.folder().to_owned() });
        run.into_iter()
            .chain(self.epochs.iter().copied().map(Report::Epoch))
            .chain([Report::Placed(self.placed())])
            .chain(self.iterations.iter().cloned().map(Report::Iteration))
            .collect()
    }

    fn place(&self, candidates: &[Candidate]) -> Vec<PlacedCandidate> {
        candidates
            .iter()
            .map(|candidate| PlacedCandidate {
                position: self.embedding.place(&candidate.mask),
                candidate: candidate.clone(),
            })
            .collect()
    }

    /// Trains for `epochs` more epochs. Returns whether it was stopped; what was trained by then is kept,
    /// in the middle of an epoch too.
    ///
    /// # Errors
    /// When the search has begun, or something cannot be set up, trained or written.
    pub fn train(
        &mut self,
        epochs: usize,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, LabError> {
        if self.evaluated() > 0 {
            return Err(LabError::SearchBegan);
        }
        report(Report::Started(Job::Train));
        let last = self.epochs.len() + epochs;
        self.set_up(last, report)?;
        let (Some(bench), Some(run)) = (&mut self.bench, &mut self.run) else { return Ok(false) };
        self.targets.epochs = Some(last);
        let first = self.epochs.len() + 1;
        run.record([Event::TrainStarted { from_epoch: first, to_epoch: last }])?;
        let steps = bench.trainer.steps(&bench.data) as u64;
        let total = steps * epochs as u64;
        // Steps of an epoch that was stopped in its middle count as done, but not for the pace.
        let skipped = match bench.trainer.position() {
            (epoch, step) if epoch == first => step as u64,
            _ => 0,
        };
        let mut pace = Pace::new(Job::Train, total, skipped);
        let mut stopped = false;
        for epoch in first..=last {
            let offset = (epoch - first) as u64 * steps;
            let trained =
                bench.trainer.run_epoch(&mut bench.supernet, &bench.data, epoch, &mut |step| {
                    report(Report::Step {
                        step: (epoch as u64 - 1) * steps + step.step as u64,
                        loss: step.loss,
                        trained: step.kept.clone(),
                    });
                    report(Report::Progress(pace.at(offset + step.step as u64)));
                    pace.wait(control, report)
                });
            let checkpoint = || {
                Ok::<_, LabError>(Checkpoint {
                    supernet: bench.supernet.to_bytes()?,
                    trainer: bench.trainer.to_bytes(&bench.supernet)?,
                })
            };
            match trained {
                Ok(epoch_report) => {
                    let name = format!("epoch-{epoch}");
                    run.save_checkpoint(&name, &checkpoint()?, [Event::Epoch(epoch_report)])?;
                    self.checkpoint = Some(name);
                    self.seconds.training += epoch_report.seconds;
                    self.epochs.push(epoch_report);
                    report(Report::Epoch(epoch_report));
                }
                Err(TrainError::Stopped) => {
                    let name = format!("epoch-{epoch}-step-{}", bench.trainer.position().1);
                    run.save_checkpoint(&name, &checkpoint()?, [])?;
                    self.checkpoint = Some(name);
                    stopped = true;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        run.record([Event::TrainFinished { stopped }])?;
        report(Report::Finished { job: Job::Train, stopped });
        Ok(stopped)
    }

    /// Searches for `iterations` more iterations of `candidates` each. Returns whether it was stopped; what
    /// was evaluated by then is kept.
    ///
    /// # Errors
    /// When the supernet is not trained, or something cannot be set up, evaluated or written.
    pub fn search(
        &mut self,
        iterations: u32,
        candidates: usize,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, LabError> {
        if self.epochs.is_empty() {
            return Err(LabError::NotTrained);
        }
        report(Report::Started(Job::Search));
        self.set_up(self.epochs.len(), report)?;
        let first = self.search.finished_iterations() + 1;
        let last = first + iterations - u32::from(iterations > 0);
        if iterations > 0 {
            self.targets.iterations = Some(last);
            self.targets.candidates = Some(candidates);
            self.record([Event::SearchStarted {
                from_iteration: first,
                to_iteration: last,
                candidates,
            }])?;
        }
        let mut pace = Pace::new(Job::Search, u64::from(iterations) * candidates as u64, 0);
        let mut stopped = false;
        for _ in 0..iterations {
            match self.iterate(candidates, &mut pace, control, report)? {
                Step::Done => {}
                Step::Exhausted => {
                    report(Report::Exhausted);
                    break;
                }
                Step::Stopped => {
                    stopped = true;
                    break;
                }
            }
        }
        self.record([Event::SearchFinished { stopped }])?;
        report(Report::Finished { job: Job::Search, stopped });
        Ok(stopped)
    }

    fn iterate(
        &mut self,
        count: usize,
        pace: &mut Pace,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<Step, LabError> {
        let started = Instant::now();
        let before = pace.worked();
        let iteration = self.search.finished_iterations() + 1;
        let known = self.search.candidates().len();
        let proposed = self.search.propose(count);
        if proposed.is_empty() {
            return Ok(Step::Exhausted);
        }
        let newcomers = self.search.candidates()[known..].to_vec();
        self.record(
            newcomers
                .iter()
                .map(|candidate| arrival(&self.graph, candidate, iteration))
                .collect::<Vec<_>>(),
        )?;
        report(Report::Placed(self.place(&newcomers)));
        for &id in &proposed {
            // Known already where the iteration was cut short before.
            if self.search.candidates()[id.index()].evaluation.is_some() {
                pace.skip();
                continue;
            }
            if pace.wait(control, report).is_break() {
                return Ok(Step::Stopped);
            }
            let mask = self.search.candidates()[id.index()].mask.clone();
            let clock = Instant::now();
            let Some(bench) = &self.bench else { return Err(LabError::NotTrained) };
            let evaluation =
                match bench.evaluator.evaluate(&bench.supernet, &mask, control.stop_flag()) {
                    Err(EvaluationError::Stopped) => return Ok(Step::Stopped),
                    evaluated => evaluated?,
                };
            let Evaluation { accuracy, loss } = evaluation;
            let seconds = clock.elapsed().as_secs_f64();
            self.record([Event::Evaluated { id, iteration, accuracy, loss, seconds }])?;
            self.search.record(id, evaluation)?;
            report(Report::Evaluated { id, iteration, evaluation });
            report(Report::Progress(pace.next()));
        }
        self.search.finish_iteration();
        let seconds = (pace.worked() - before).max(0.0).min(started.elapsed().as_secs_f64());
        let Some(done) = self.iteration_report(iteration, proposed, seconds) else {
            return Ok(Step::Exhausted);
        };
        self.record([Event::Iteration {
            iteration,
            candidates: done.candidates.clone(),
            mean_accuracy: done.mean_accuracy,
            best: done.best,
            seconds,
        }])?;
        if let Some(run) = &mut self.run {
            run.sync()?;
        }
        self.seconds.search += seconds;
        report(Report::Iteration(done.clone()));
        self.iterations.push(done);
        Ok(Step::Done)
    }

    /// The report on an iteration that has just ended.
    fn iteration_report(
        &self,
        iteration: u32,
        candidates: Vec<CandidateId>,
        seconds: f64,
    ) -> Option<IterationReport> {
        let accuracy =
            |id: &CandidateId| Some(self.search.candidates()[id.index()].evaluation?.accuracy);
        let best = self.best()?;
        let accuracies: Vec<_> = candidates.iter().filter_map(accuracy).collect();
        Some(IterationReport {
            iteration,
            mean_accuracy: accuracies.iter().sum::<f64>() / accuracies.len().max(1) as f64,
            best: best.id,
            best_accuracy: best.evaluation?.accuracy,
            fitness: self.search.fitness(),
            candidates,
            seconds,
        })
    }

    /// Loads the data, makes the supernet, takes up the last checkpoint and makes the run folder, as far as
    /// that is still to be done. `epochs` is where the learning-rate schedule ends.
    fn set_up(&mut self, epochs: usize, report: &mut dyn FnMut(Report)) -> Result<(), LabError> {
        let clock = Instant::now();
        if self.bench.is_none() {
            let device = device::open(&self.settings.device)?;
            let data = Dataset::load(&self.settings.data)?.fit_to(self.graph.image_shape())?;
            let fingerprint = data.fingerprint();
            let wanted = self.run.as_ref().map(|run| run.config().data_fingerprint.clone());
            if let Some(wanted) = wanted.filter(|wanted| *wanted != fingerprint) {
                return Err(LabError::OtherData {
                    data: self.settings.data.clone(),
                    wanted,
                    found: fingerprint,
                });
            }
            let seed = self.settings.seed;
            let mut supernet = Supernet::new(Arc::clone(&self.graph), seed, &device);
            let settings = TrainSettings { epochs, seed, ..self.settings.training };
            let mut trainer = Trainer::new(&supernet, &data, settings)?;
            if let (Some(run), Some(name)) = (&self.run, &self.checkpoint) {
                let checkpoint = run.checkpoint(name)?;
                supernet.load_bytes(&checkpoint.supernet)?;
                trainer.load_bytes(&supernet, &checkpoint.trainer)?;
            }
            let evaluator = Evaluator::new(&supernet, &data, self.settings.evaluation, seed)?;
            self.bench = Some(Bench { data, fingerprint, supernet, trainer, evaluator });
        }
        if let Some(bench) = &mut self.bench {
            bench.trainer.set_epochs(epochs);
            if self.run.is_none() {
                let fingerprint = bench.fingerprint.clone();
                self.create_run(fingerprint)?;
            }
        }
        self.make_writable()?;
        if let Some(run) = &self.run {
            report(Report::RunOpened { name: run.name(), path: run.folder().to_owned() });
        }
        self.seconds.setup += clock.elapsed().as_secs_f64();
        Ok(())
    }

    fn create_run(&mut self, data_fingerprint: String) -> Result<(), LabError> {
        let LabSettings { data, device, seed, training, evaluation, pool } = self.settings.clone();
        let config = RunConfig {
            version: RUN_VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            created: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            template: self.graph.template().name.clone(),
            data,
            data_fingerprint,
            device: device.to_string(),
            seed,
            training,
            evaluation,
            pool,
        };
        let mut run = Run::create(&self.runs, self.name.as_deref(), &self.graph, config)?;
        run.record(
            self.search.candidates().iter().map(|candidate| arrival(&self.graph, candidate, 0)),
        )?;
        self.run = Some(run);
        Ok(())
    }

    /// Locks the run for writing, where there is one; jobs do it themselves.
    ///
    /// # Errors
    /// When another process writes it.
    pub fn make_writable(&mut self) -> Result<(), LabError> {
        match &mut self.run {
            Some(run) => Ok(run.make_writable()?),
            None => Ok(()),
        }
    }

    fn record(&mut self, events: impl IntoIterator<Item = Event>) -> Result<(), LabError> {
        match &mut self.run {
            Some(run) => Ok(run.record(events)?),
            None => Ok(()),
        }
    }
}

/// How an iteration ended.
enum Step {
    Done,
    Exhausted,
    Stopped,
}

/// Landmarks are the candidates that are there from the start, so that no later one moves a point.
fn embed(search: &SearchState) -> Embedding {
    let masks: Vec<_> =
        search.candidates().iter().map(|candidate| candidate.mask.clone()).collect();
    Embedding::fit(&masks, None)
}

/// The journal's line on a candidate that was made in `iteration`.
fn arrival(graph: &Graph, candidate: &Candidate, iteration: u32) -> Event {
    Event::Candidate {
        id: candidate.id,
        iteration,
        parents: candidate.parents.clone(),
        kept: candidate.mask.iter().map(|node| graph.id(node).clone()).collect(),
    }
}

/// Measures the pace of a job, pauses left out.
struct Pace {
    job: Job,
    total: u64,
    done: u64,
    skipped: u64,
    started: Instant,
    waited: f64,
}

impl Pace {
    fn new(job: Job, total: u64, skipped: u64) -> Self {
        Self { job, total, done: skipped, skipped, started: Instant::now(), waited: 0.0 }
    }

    /// Seconds of work so far.
    fn worked(&self) -> f64 {
        self.started.elapsed().as_secs_f64() - self.waited
    }

    fn at(&mut self, done: u64) -> Progress {
        self.done = done;
        let elapsed_secs = self.worked();
        let paced = done.saturating_sub(self.skipped);
        let eta_secs = (paced > 0)
            .then(|| elapsed_secs / paced as f64 * self.total.saturating_sub(done) as f64);
        Progress { job: self.job, done, total: self.total, elapsed_secs, eta_secs }
    }

    /// One unit was done in an earlier session.
    fn skip(&mut self) {
        self.done += 1;
        self.skipped += 1;
    }

    fn next(&mut self) -> Progress {
        self.at(self.done + 1)
    }

    /// Waits while the job is paused; breaks when it is stopped.
    fn wait(&mut self, control: &Control, report: &mut dyn FnMut(Report)) -> ControlFlow<()> {
        let clock = Instant::now();
        let flow = control.wait(&mut |paused| report(Report::Paused(paused)));
        self.waited += clock.elapsed().as_secs_f64();
        flow
    }
}

impl Lab {
    /// Opens the run in `folder` with everything its journal holds. Nothing is changed; the first job, or
    /// [`make_writable`](Self::make_writable), locks it.
    ///
    /// # Errors
    /// When there is no run, or it is damaged.
    pub fn open(folder: &Path, device: DeviceChoice) -> Result<Self, LabError> {
        replay::open(folder, device)
    }
}
