//! The lab: one template with its data, supernet, search and run folder, and the two jobs that work on
//! them. It runs on the thread that calls it; the window has a [`Worker`](super::worker::Worker) for that.

mod control;
mod pace;
mod replay;
#[cfg(test)]
mod tests;
mod work;

pub use control::Control;

use super::{
    data::{DataError, DataSource, Dataset},
    device::{DeviceChoice, DeviceError},
    embedding::Embedding,
    report::{EpochReport, IterationReport, PlacedCandidate, Report},
    run::{Run, RunError},
    search::{Candidate, NodeFitness, SearchError, SearchState, Synergy},
    supernet::{EvaluationError, EvaluationSettings, Evaluator, Supernet, WeightsError},
    template::Graph,
    training::{TrainError, TrainSettings, Trainer},
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
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
    /// Weights could not be made ready to be stored.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A checkpoint is damaged.
    #[error("{}: {source}", path.display())]
    Checkpoint {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: WeightsError,
    },
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
         compared with; for a new run, open the template again or leave --resume out"
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

/// Seconds of work in each phase; training and search over all sessions of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PhaseSeconds {
    /// Loading data and setting up, in this session.
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
    /// The same template, with its nodes where they are to be in the run folder.
    layout: Arc<Graph>,
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
    /// Of finished epochs and iterations.
    seconds: PhaseSeconds,
    unfinished: Unfinished,
    targets: Targets,
}

/// Seconds of work on what a stop or a kill has cut short.
#[derive(Clone, Copy, Debug, Default)]
struct Unfinished {
    epoch: f64,
    iteration: f64,
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
            layout: Arc::clone(&graph),
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
            unfinished: Unfinished::default(),
            targets: Targets::default(),
        }
    }

    /// Opens the run in `folder` with everything its journal holds. Nothing is changed; the first job, or
    /// [`make_writable`](Self::make_writable), locks it.
    ///
    /// # Errors
    /// When there is no run, or it is damaged.
    pub fn open(folder: &Path, device: DeviceChoice) -> Result<Self, LabError> {
        replay::open(folder, device)
    }

    /// Takes over where the nodes of the template stand, for the run that the first job makes.
    pub fn lay_out(&mut self, graph: Arc<Graph>) {
        self.layout = graph;
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

    /// The pairs of nodes that do best (or worst) together, at most `count`, strongest first.
    pub fn synergies(&self, count: usize) -> Vec<Synergy> {
        self.search.synergies(count)
    }

    /// Seconds of work in each phase.
    pub fn seconds(&self) -> PhaseSeconds {
        let PhaseSeconds { setup, training, search } = self.seconds;
        PhaseSeconds {
            setup,
            training: training + self.unfinished.epoch,
            search: search + self.unfinished.iteration,
        }
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
}

/// Landmarks are the candidates that are there from the start, so that no later one moves a point.
fn embed(search: &SearchState) -> Embedding {
    let masks: Vec<_> =
        search.candidates().iter().map(|candidate| candidate.mask.clone()).collect();
    Embedding::fit(&masks)
}
