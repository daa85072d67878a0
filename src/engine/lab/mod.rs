//! The lab: one template with its data, supernet, search and run folder, and the jobs that work on
//! them. It runs on the thread that calls it; the window has a [`Worker`](super::worker::Worker) for that.

mod attic;
mod caution;
mod control;
mod data;
mod edit;
mod evaluate;
mod job;
mod pace;
mod replay;
mod search;
mod set_up;
mod share;
mod source;
#[cfg(test)]
pub(in crate::engine) mod tests;
mod train;
mod verify;

pub use caution::Caution;
pub use control::Control;
pub use data::Unfit;
pub use job::{Change, Plan, Running};
pub use share::{MergedResult, MergedShares, MissingShare, ShareStanding};
pub use verify::{Verification, Verified};

use super::{
    candidate::CandidateId,
    command::Job,
    data::{DataError, DataSource, DataSummary, ReadOptions},
    device::{DeviceChoice, DeviceError},
    report::Report,
    run::{Run, RunError, RunState, Targets, UnfinishedEpoch},
    search::{Candidate, Objective, Rank, Steering, SteeringError},
    study::{Event, IterationReport, Judging, Mismatch, Setup, Study},
    supernet::{EvaluationError, EvaluationSettings, Latency, Supernet, WeightsError},
    table::{KnownResults, Unknown},
    template::{Checked, Graph, Template},
    training::{SettingsError, TrainError, TrainSettings},
};
use serde::Serialize;
use source::{Bench, Source};
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
    /// Training diverged.
    #[error(transparent)]
    Diverged(Box<Diverged>),
    /// A candidate could not be evaluated.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The run folder could not be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// What was found out does not follow on what is known.
    #[error(transparent)]
    Study(#[from] Mismatch),
    /// No candidate can be what is asked for.
    #[error(transparent)]
    Steering(#[from] SteeringError),
    /// Weights could not be made ready to be stored.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The settings of a run make no sense.
    #[error("{}: {source}", path.display())]
    Settings {
        /// Its `run.ron`.
        path: PathBuf,
        /// What is wrong with them.
        source: SettingsError,
    },
    /// The attic is damaged.
    #[error(
        "{}, in which the weights of removed nodes are kept, cannot be used; delete its folder, and these nodes begin \
         again if they come back: {source}",
        path.display()
    )]
    Attic {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: WeightsError,
    },
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
        "{data} is not what the run began with ({found}, was fingerprint {wanted}); restore it, say with --data where it \
         is now, or start a new run, as also for a run of an older program that split or scaled the data otherwise"
    )]
    OtherData {
        /// The data.
        data: DataSource,
        /// The fingerprint in `run.ron`.
        wanted: String,
        /// What was loaded.
        found: String,
    },
    /// The data of the run is not where it was.
    #[error("the data of the run is not at {}; say with --data where it is now", looked_at.join(", nor at "))]
    DataGone {
        /// Where it was looked for.
        looked_at: Vec<String>,
    },
    /// Template and data do not go together.
    #[error("{0}")]
    Unfit(Box<Unfit>),
    /// An edited template takes other images or tells other classes apart than the run's data have.
    #[error(
        "the edited template takes images of {} and tells {} classes apart, this run has {} and {}; \
         mend the input brick or the last dense one, or start a new run with the template",
        sizes(.found.0), .found.1, sizes(.wanted.0), .wanted.1
    )]
    OtherEnds {
        /// Image shape and classes of the run.
        wanted: ([usize; 3], usize),
        /// Those of the edited template.
        found: ([usize; 3], usize),
    },
    /// The objective is for classes.
    #[error(
        "{data} has numbers to predict, which have no balanced accuracy; search for --objective accuracy or loss"
    )]
    ObjectiveNeedsClasses {
        /// The data.
        data: String,
    },
    /// Evaluating a single image takes more memory than there is.
    #[error(
        "evaluating one image takes about {} MB, more than the {} MB that it may take; close other programs, give \
         --memory, or make the template's widest layers smaller", needed.div_ceil(1_000_000), budget / 1_000_000
    )]
    Memory {
        /// Bytes an image takes.
        needed: u64,
        /// Bytes it may take.
        budget: u64,
    },
    /// Candidates of the template are being retrained.
    #[error(
        "candidates are being trained from scratch as everything is now; wait for the end of that, or stop it, and ask again"
    )]
    Verifying,
    /// There is nothing to pause or to end.
    #[error("no job is under way")]
    NoJob,
    /// More than a job can do.
    #[error("more than {most} {what} are no plan; ask for fewer")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The most.
        most: usize,
    },
    /// Nodes that are no candidate.
    #[error("these nodes are no candidate of the template: {0}")]
    NoCandidate(String),
    /// A table of known results has no weights.
    #[error(
        "a table of known results has no weights, so there is nothing to train or retrain; search it: \
         `nas-navigator search --data table:FILE`"
    )]
    NothingToTrain,
    /// A template has more than the table of known results.
    #[error(
        "the table of known results has nothing on {0}; its candidates are those of the template that it makes, from which \
         nodes and links can be removed"
    )]
    NotInTable(#[from] Unknown),
    /// A table of known results has accuracies only.
    #[error("a table of known results has accuracies only; search for --objective accuracy")]
    ObjectiveNotKnown,
    /// A table of known results tells nothing of costs.
    #[error(
        "a table of known results tells nothing of parameters, FLOPs or latency; steer by nodes or candidates instead, and \
         lift limits of costs and the Pareto front"
    )]
    NoCosts,
    /// The table of a run is in its folder.
    #[error(
        "this run has a copy of its table of known results and reads no other; leave --data out"
    )]
    TableStays,
    /// Searching before training.
    #[error("the supernet is not trained yet; train it for an epoch or more first")]
    NotTrained,
    /// Proxy accuracies are of older weights.
    #[error(
        "the weights have changed since {stale} candidates were evaluated; search for another iteration, which \
         evaluates them again"
    )]
    StaleProxies {
        /// How many.
        stale: usize,
    },
    /// Proxy accuracies are no order.
    #[error(
        "all {candidates} evaluated candidates are equal in what the search makes large, so there is no order to verify; \
         train longer, add validation data, or let the template's choices differ in what they compute"
    )]
    ProxiesTie {
        /// How many.
        candidates: usize,
    },
    /// Nothing can be said about an order.
    #[error(
        "{chosen} candidates cannot show how well they are ranked, it takes {} or more; search further, or ask for \
         more of them",
        super::kendall::FEWEST
    )]
    TooFewToVerify {
        /// How many were chosen.
        chosen: usize,
    },
    /// There is nothing to merge.
    #[error(
        "{} has no shares of a verification; `nas-navigator verify {} --share 1/2` makes the first of two, or name their \
         files", run.display(), quoted(run)
    )]
    NoShares {
        /// The run folder.
        run: PathBuf,
    },
    /// A candidate is no network of its own.
    #[error("candidate {id} cannot be trained alone: {problem}")]
    Alone {
        /// Which.
        id: CandidateId,
        /// Why, and what to do.
        problem: String,
    },
    /// The journal names what is not there.
    #[error("{}:{line}: the journal cannot be followed: {what}; restore it, or start a new run", path.display())]
    JournalMismatch {
        /// The journal.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What does not fit.
        what: String,
    },
}

/// The training of a run has diverged: its loss, a gradient or a weight is infinite or not a number.
#[derive(Clone, Debug, PartialEq, Error)]
#[error(
    "the training diverged by step {step} of epoch {epoch}, at a learning rate of up to {learning_rate:?}: the loss or \
     a weight is not a number; {} with a lower one: `nas-navigator {command} --resume {} --learning-rate {lower}`, or \
     `nas-navigator ask retune --learning-rate {lower}` where a server has the run ({})",
    if *checkpoint { "go on from the last checkpoint" } else { "begin again" },
    quoted(run),
    match clip {
        None => "`--clip 5` against single steps that are too long".to_owned(),
        Some(clip) => format!("gradients are clipped to {clip} already"),
    }
)]
pub struct Diverged {
    /// The epoch, from 1.
    pub epoch: usize,
    /// The step within the epoch, from 1.
    pub step: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// One that may be better.
    pub lower: f64,
    /// The norm that gradients are shortened to.
    pub clip: Option<f64>,
    /// The run folder.
    pub run: PathBuf,
    /// What the run was doing.
    pub command: &'static str,
    /// Whether anything was trained that it can go on from.
    pub checkpoint: bool,
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "-_./~:+@\\".contains(c);
    if text.chars().all(plain) { text } else { format!("\"{text}\"") }
}

/// What a lab is set up with.
#[derive(Clone, Debug)]
pub struct LabSettings {
    /// What to train on.
    pub data: DataSource,
    /// How it is read where its files leave a choice.
    pub read: ReadOptions,
    /// Where the data of a run is now, if it is said.
    pub moved_data: Option<DataSource>,
    /// Whether the ends of the template are fitted to the data of a new run.
    pub fit: bool,
    /// What the search makes large.
    pub objective: Objective,
    /// The most bytes that evaluation may take; half of what is free where this is left out.
    pub memory: Option<u64>,
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
            read: ReadOptions::default(),
            moved_data: None,
            fit: false,
            objective: Objective::default(),
            memory: None,
            device: DeviceChoice::Auto,
            seed: 1,
            training: TrainSettings::default(),
            evaluation: EvaluationSettings::default(),
            pool: 300,
        }
    }
}

impl LabSettings {
    /// What a study begins with.
    fn study(&self) -> Setup {
        let Self { seed, objective, training, .. } = *self;
        Setup { seed, objective, training, judging: Judging::EachIteration }
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

impl PhaseSeconds {
    /// As far as a study knows them.
    pub fn told(study: &Study) -> Self {
        Self {
            setup: 0.0,
            training: study.training_secs(),
            search: study.search_secs() + study.unfinished_secs(),
        }
    }
}

fn sizes([channels, height, width]: [usize; 3]) -> String {
    format!("{channels}×{height}×{width}")
}

/// One template with everything that was found out about it.
pub struct Lab {
    study: Study,
    settings: LabSettings,
    runs: PathBuf,
    name: Option<String>,
    run: Option<Run>,
    source: Source,
    /// Seconds of loading data and setting up, in this session.
    setup_secs: f64,
    /// Seconds of searching since the last iteration ended, apart from evaluations, in this session.
    untold_secs: f64,
    /// The data in numbers; `None` before it is read, and for runs of older programs.
    summary: Option<DataSummary>,
    state: RunState,
    /// Reports that were not made yet.
    untold: Vec<Report>,
}

impl Lab {
    /// A lab for `template`. Candidates are drawn and placed; nothing is written before the first job, which
    /// makes the run folder `runs/<name>`.
    pub fn new(
        template: Checked,
        settings: LabSettings,
        runs: PathBuf,
        name: Option<String>,
    ) -> Self {
        Self::with_source(template, Source::Supernet(None), settings, runs, name)
    }

    /// The same for a table of known results, of which `template` has all architectures or some.
    ///
    /// # Errors
    /// When the template has more than the table, or something else than accuracy is made large.
    pub fn of_table(
        template: Checked,
        known: Arc<KnownResults>,
        settings: LabSettings,
        runs: PathBuf,
        name: Option<String>,
    ) -> Result<Self, LabError> {
        known.check(&template.template().network)?;
        if settings.objective != Objective::Accuracy {
            return Err(LabError::ObjectiveNotKnown);
        }
        Ok(Self::with_source(template, Source::Table(known), settings, runs, name))
    }

    fn with_source(
        template: Checked,
        source: Source,
        settings: LabSettings,
        runs: PathBuf,
        name: Option<String>,
    ) -> Self {
        let study = source.study(template, settings.study(), settings.pool);
        Self {
            study,
            settings,
            runs,
            name,
            run: None,
            source,
            setup_secs: 0.0,
            untold_secs: 0.0,
            summary: None,
            state: RunState::default(),
            untold: Vec::new(),
        }
    }

    /// Opens the run in `folder` with everything its journal holds. Nothing is changed; the first job locks it.
    ///
    /// # Errors
    /// When there is no run, or it is damaged.
    pub fn open(folder: &Path, device: DeviceChoice) -> Result<Self, LabError> {
        replay::open(Run::open(folder)?, device, Judging::EachIteration)
    }

    /// The same without the fitness at the end of each iteration, which takes long to work out; for looking at the
    /// run as it is.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_briefly(folder: &Path) -> Result<Self, LabError> {
        replay::open(Run::open(folder)?, DeviceChoice::Cpu, Judging::WhenAsked)
    }

    /// As [`open`](Self::open), but locked before it is read: nothing that another process still writes is missed.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when another process writes the run.
    pub fn open_to_write(folder: &Path, device: DeviceChoice) -> Result<Self, LabError> {
        let mut run = Run::open(folder)?;
        run.make_writable()?;
        replay::open(run, device, Judging::EachIteration)
    }

    /// Says where the data of the run is now; the next job looks there first.
    pub fn move_data(&mut self, data: DataSource) {
        self.settings.moved_data = Some(data);
    }

    /// Bounds the bytes that evaluation may take. How many images are run at once is decided when a run begins; later on
    /// less memory only means that less is kept from one candidate to the next.
    pub fn set_memory(&mut self, memory: Option<u64>) {
        self.settings.memory = memory;
    }

    /// Makes something else large from here on; returns whether that is something new. What was evaluated is compared by
    /// it, too. It is recorded in the run, where there is one.
    ///
    /// # Errors
    /// When the data has no classes to be balanced, or it cannot be written; nothing has changed then.
    pub fn aim_at(&mut self, objective: Objective) -> Result<bool, LabError> {
        if objective == self.study.objective() {
            return Ok(false);
        }
        if self.is_of_table() {
            return Err(LabError::ObjectiveNotKnown);
        }
        let numbers = self.summary.as_ref().is_some_and(|summary| summary.classes.is_empty());
        if objective == Objective::BalancedAccuracy && numbers {
            let data = self.settings.data.to_string();
            return Err(LabError::ObjectiveNeedsClasses { data });
        }
        self.make_writable()?;
        self.note([Event::Aimed { objective }])?;
        Ok(true)
    }

    /// Whether a table of known results is searched.
    pub fn is_of_table(&self) -> bool {
        self.source.table().is_some()
    }

    /// Makes sure that there is something to train.
    ///
    /// # Errors
    /// [`LabError::NothingToTrain`] where a table of known results is searched.
    pub fn check_trains(&self) -> Result<(), LabError> {
        self.source.check_trains()
    }

    /// The template.
    pub fn template(&self) -> &Template {
        self.study.template().template()
    }

    /// Its network, checked.
    pub fn graph(&self) -> &Arc<Graph> {
        self.study.template().graph()
    }

    /// The number of the template: 1, and one more with each edit of the run.
    fn number(&self) -> u32 {
        self.study.number()
    }

    /// What candidates are compared by.
    pub fn objective(&self) -> Objective {
        self.study.objective()
    }

    /// How the supernet is trained.
    pub fn training(&self) -> TrainSettings {
        self.study.training()
    }

    /// What a study that begins now begins with.
    fn setup(&self) -> Setup {
        let (objective, training) = (self.objective(), self.training());
        Setup { objective, training, ..self.settings.study() }
    }

    /// What is known.
    pub fn study(&self) -> &Study {
        &self.study
    }

    /// What the lab was set up with.
    pub fn settings(&self) -> &LabSettings {
        &self.settings
    }

    /// Finished epochs.
    pub fn epochs(&self) -> usize {
        self.study.epochs().len()
    }

    /// Finished iterations.
    pub fn iterations(&self) -> u32 {
        self.study.search().finished_iterations()
    }

    /// The finished iterations.
    pub fn iteration_reports(&self) -> &[IterationReport] {
        self.study.iterations()
    }

    /// How many candidates were evaluated.
    pub fn evaluated(&self) -> usize {
        self.study.search().evaluations()
    }

    /// The best candidate so far.
    pub fn best(&self) -> Option<&Candidate> {
        self.study.best()
    }

    /// How many candidates tie, where all that are evaluated with the present weights do: then [`best`](Self::best) is the
    /// first of them, and no better than any.
    pub fn tie(&self) -> Option<usize> {
        self.study.tie()
    }

    /// The evaluated candidates, best first.
    pub fn ranked(&self) -> Vec<Rank> {
        self.study.search().ranked()
    }

    /// How long the `count` best candidates take on the lab's device, which is named, for an image, and for a batch
    /// as evaluation uses it; best first.
    ///
    /// # Errors
    /// When the device does not answer or fails, and where a table of known results is searched.
    pub fn latencies(
        &self,
        count: usize,
    ) -> Result<(DeviceChoice, Vec<(CandidateId, [Latency; 2])>), LabError> {
        if self.is_of_table() {
            return Err(LabError::NoCosts);
        }
        let (name, device) = super::device::open_named(&self.settings.device)?;
        let supernet = Supernet::new(Arc::clone(self.graph()), self.settings.seed, &device);
        let timed: Result<_, LabError> = self
            .ranked()
            .into_iter()
            .take(count)
            .map(|rank| {
                let mask = &self.study.search().candidates()[rank.id.index()].mask;
                let time = |batch| supernet.latency(mask, batch, search::TIMED_PASSES);
                Ok((rank.id, [time(1)?, time(self.settings.evaluation.batch_size)?]))
            })
            .collect();
        Ok((name, timed?))
    }

    /// What new candidates have to be like.
    pub fn steering(&self) -> &Steering {
        self.study.search().steering()
    }

    /// The same with what is asked of nodes that an edit has removed: it holds again when they come back.
    pub fn asked(&self) -> &Steering {
        self.study.search().asked()
    }

    /// All candidates, by id.
    pub fn candidates(&self) -> &[Candidate] {
        self.study.search().candidates()
    }

    /// Seconds of work in each phase.
    pub fn seconds(&self) -> PhaseSeconds {
        let unfinished = self.unfinished_epoch().map_or(0.0, |epoch| epoch.seconds);
        let told = PhaseSeconds::told(&self.study);
        PhaseSeconds {
            setup: self.setup_secs,
            training: told.training + unfinished,
            search: told.search + self.untold_secs,
        }
    }

    /// What the run set out to do.
    pub fn targets(&self) -> Targets {
        self.state.targets
    }

    /// Training steps that the weights have seen.
    pub fn trained_steps(&self) -> u64 {
        let finished = self.study.epochs().last().map_or(0, |epoch| epoch.step);
        self.unfinished_epoch().map_or(finished, |epoch| epoch.step)
    }

    /// The epoch that was stopped in its middle and has not ended since.
    fn unfinished_epoch(&self) -> Option<&UnfinishedEpoch> {
        self.state.unfinished.as_ref().filter(|epoch| epoch.epoch == self.epochs() + 1)
    }

    /// The folder in `weights` with the present weights.
    fn checkpoint(&self) -> Option<&str> {
        let unfinished = self.unfinished_epoch().filter(|epoch| epoch.template == self.number());
        unfinished.map(|epoch| &*epoch.checkpoint).or_else(|| self.study.checkpoint())
    }

    /// The data in numbers, once a job has read it or the run says it.
    pub fn summary(&self) -> Option<&DataSummary> {
        self.summary.as_ref()
    }

    /// Why results are not worth what they seem to be.
    pub fn cautions(&self) -> Vec<Caution> {
        self.cautions_at(&self.study)
    }

    /// The same about the results that are in `study`, the lab's as it is or was.
    pub fn cautions_at(&self, study: &Study) -> Vec<Caution> {
        caution::of_study(self, study)
    }

    fn tell_cautions(&self, report: &mut dyn FnMut(Report)) {
        report(caution::told(&self.cautions()));
    }

    /// Fingerprint of the data, once a job has loaded it or the run says it.
    pub fn data_fingerprint(&self) -> Option<String> {
        let run = self.run.as_ref().map(|run| run.config().data_fingerprint.clone());
        run.or_else(|| match &self.source {
            Source::Supernet(bench) => bench.as_ref().map(|bench| bench.fingerprint.clone()),
            Source::Table(known) => Some(known.fingerprint()),
        })
    }

    /// The reports with all that the lab holds, for a reader who has none.
    pub fn story(&mut self) -> Vec<Report> {
        // It is in the study.
        self.untold.clear();
        let run = self.run.as_ref();
        let run =
            run.map(|run| Report::RunOpened { name: run.name(), path: run.folder().to_owned() });
        run.into_iter()
            .chain(self.summary.clone().map(Report::Data))
            .chain([caution::told(&self.cautions())])
            .chain([Report::Study(Arc::new(self.study.replica()))])
            .collect()
    }

    /// Locks the run for writing, where there is one.
    fn make_writable(&mut self) -> Result<(), LabError> {
        match &mut self.run {
            Some(run) => Ok(run.make_writable()?),
            None => Ok(()),
        }
    }

    /// The run, where this lab writes it: a share of a verification only reads it.
    fn written_run(&mut self) -> Option<&mut Run> {
        self.run.as_mut().filter(|run| run.is_writable())
    }

    /// Records in the run, where there is one, what has happened, takes it, and reports it.
    fn tell(
        &mut self,
        events: impl IntoIterator<Item = Event>,
        report: &mut dyn FnMut(Report),
    ) -> Result<(), LabError> {
        self.note(events)?;
        self.take_untold().into_iter().for_each(report);
        Ok(())
    }

    /// The same where no report is made: the events wait to be [taken](Self::take_untold).
    fn note(&mut self, events: impl IntoIterator<Item = Event>) -> Result<(), LabError> {
        let events: Vec<_> = events.into_iter().collect();
        if let Some(run) = &mut self.run {
            run.record(events.iter().cloned())?;
        }
        events.into_iter().try_for_each(|event| self.take(event))
    }

    /// Takes an event that is recorded.
    fn take(&mut self, event: Event) -> Result<(), LabError> {
        let event = Arc::new(event);
        self.study.apply(&event)?;
        self.untold.push(Report::Event(event));
        Ok(())
    }

    /// Reports that a job begins, after what has happened since the last one.
    fn begin(&mut self, job: Job, report: &mut dyn FnMut(Report)) {
        self.take_untold().into_iter().for_each(&mut *report);
        report(Report::Started(job));
    }

    /// Reports on what has happened between jobs, and was not told yet.
    pub fn take_untold(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.untold)
    }
}
