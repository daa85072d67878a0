//! Jobs, done a step at a time: between two steps the lab may be steered, edited and asked.

use super::{
    Control, Lab, LabError, pace::Pace, search::Searching, train::Training, verify::Verifying,
};
use crate::engine::{
    command::{Job, VerifySettings},
    report::Report,
    run::{Budget, Share},
    training::PathPolicy,
};
use std::{sync::atomic::AtomicBool, time::Duration};

/// What a job is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Train for `epochs` more epochs.
    ///
    /// The learning rate falls over all epochs, or over those since an edit that brought new nodes, so all of them should
    /// be asked for at once: 2 and then 1 more have other rates than 3. What was evaluated before is evaluated again when the search goes on.
    Train {
        /// How many.
        epochs: usize,
    },
    /// Search for `iterations` more iterations of `candidates` each, within what `budget` leaves. First of all, candidates
    /// that were evaluated with other weights are evaluated again: their accuracies do not compare.
    Search {
        /// How many iterations.
        iterations: u32,
        /// Candidates of each.
        candidates: usize,
        /// The most candidates and seconds.
        budget: Budget,
    },
    /// Train the best candidates and others, drawn from those evaluated, from scratch: each alone, with weights
    /// of its own, on the run's data and with its training settings. Test images are not looked at. A candidate that is
    /// done is recorded and not trained again for as many epochs, one that was stopped begins again. A training that
    /// diverges counts with what has become of it.
    Verify(VerifySettings),
    /// Do one share of that, while other processes do the others. The run is only read: what becomes of candidates is in the
    /// share's own journal until it is [merged](Lab::merge_shares).
    VerifyShare(VerifySettings, Share),
}

/// The most of anything that a job can be asked for.
const MOST: usize = 1_000_000;

impl Plan {
    fn check(&self) -> Result<(), LabError> {
        let asked = match *self {
            Self::Train { epochs } => [("epochs", epochs), ("candidates", 0)],
            Self::Search { iterations, candidates, budget: _ } => {
                [("iterations", iterations as usize), ("candidates", candidates)]
            }
            Self::Verify(VerifySettings { top, random, epochs })
            | Self::VerifyShare(VerifySettings { top, random, epochs }, _) => {
                [("epochs", epochs.unwrap_or(0)), ("candidates", top.saturating_add(random))]
            }
        };
        match asked.into_iter().find(|&(_, count)| count > MOST) {
            Some((what, _)) => Err(LabError::TooMuch { what, most: MOST }),
            None => Ok(()),
        }
    }
}

/// A job between two of its steps.
pub struct Running {
    pub(super) pace: Pace,
    pub(super) work: Work,
}

/// What a job is about to do.
pub(super) enum Work {
    Train(Training),
    Search(Box<Searching>),
    Verify(Verifying),
}

/// What changes between two steps of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The template.
    Template,
    /// How long training steps may be.
    StepLength,
    /// What the search makes large.
    Objective,
    /// What new candidates have to be like.
    Steering,
    /// What is known of candidates.
    Evaluations,
}

impl Running {
    /// Which job.
    pub fn job(&self) -> Job {
        match self.work {
            Work::Train(_) => Job::Train,
            Work::Search(_) => Job::Search,
            Work::Verify(_) => Job::Verify,
        }
    }

    /// Leaves a pause out of what it takes.
    pub fn leave_out(&mut self, pause: Duration) {
        self.pace.leave_out(pause);
    }
}

impl Lab {
    /// Begins a job: sets up what it needs, and locks the run, or the share that it does.
    ///
    /// # Errors
    /// When it makes no sense now, or something cannot be set up or written.
    pub fn start(
        &mut self,
        plan: Plan,
        report: &mut dyn FnMut(Report),
    ) -> Result<Running, LabError> {
        plan.check()?;
        match plan {
            Plan::Train { epochs } => self.start_training(epochs, report),
            Plan::Search { iterations, candidates, budget } => {
                self.start_searching(iterations, candidates, budget, report)
            }
            Plan::Verify(settings) => self.start_verifying(settings, None, report),
            Plan::VerifyShare(settings, share) => {
                self.start_verifying(settings, Some(share), report)
            }
        }
    }

    /// The next step of a job: a training step, an evaluation, or what is between them. Returns whether there are more.
    /// Where `stop` becomes true, a long step ends before its end and is done again when the job goes on.
    ///
    /// # Errors
    /// When something cannot be trained, evaluated or written: the job is over then, and what was recorded is kept.
    pub fn step(
        &mut self,
        running: &mut Running,
        stop: &AtomicBool,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, LabError> {
        let Running { pace, work } = running;
        let goes_on = match work {
            Work::Train(training) => self.train_on(training, pace, report),
            Work::Search(searching) => self.search_on(searching, pace, stop, report),
            Work::Verify(verifying) => self.verify_on(verifying, pace, stop, report),
        };
        if matches!(goes_on, Ok(true)) {
            return Ok(true);
        }
        let concluded = self.conclude(running, report);
        // The first error says what is wrong.
        goes_on.and_then(|goes_on| concluded.map(|()| goes_on))
    }

    /// Ends a job before its end. What is done is kept, in the middle of an epoch too; with `forget`, a training goes back
    /// to its last checkpoint: the beginning of the epoch, or where that was stopped before.
    ///
    /// # Errors
    /// When something cannot be written, or what was trained is of no use.
    pub fn stop(
        &mut self,
        mut running: Running,
        forget: bool,
        report: &mut dyn FnMut(Report),
    ) -> Result<(), LabError> {
        if let Work::Train(training) = &mut running.work {
            if forget {
                self.forget_epoch(training, report);
            } else {
                self.keep_epoch(training, report)?;
            }
        }
        self.conclude(&mut running, report)
    }

    /// Brings a job to where something may change: it goes on from what holds then, and so does one that is killed and
    /// resumed.
    ///
    /// # Errors
    /// As [`stop`](Self::stop): the job is over then. [`LabError::Verifying`] where the change has to wait for its end.
    pub fn give_way(
        &mut self,
        running: &mut Running,
        change: Change,
        report: &mut dyn FnMut(Report),
    ) -> Result<(), LabError> {
        match (&mut running.work, change) {
            // What is known of weights has to be true of weights that a checkpoint has.
            (
                Work::Train(training),
                Change::Template | Change::StepLength | Change::Evaluations,
            ) => self.keep_epoch(training, report),
            // What evaluations say is asked for when paths are drawn by it.
            (Work::Train(training), Change::Objective)
                if self.training().policy == PathPolicy::Fitness =>
            {
                self.keep_epoch(training, report)
            }
            (Work::Train(_), Change::Objective | Change::Steering)
            | (Work::Search(_), Change::StepLength)
            | (Work::Verify(_), Change::Steering) => Ok(()),
            (
                Work::Search(searching),
                Change::Template | Change::Objective | Change::Steering | Change::Evaluations,
            ) => {
                searching.look_again();
                Ok(())
            }
            // What is trained from scratch would be another thing after a kill than without one.
            (
                Work::Verify(_),
                Change::Template | Change::StepLength | Change::Objective | Change::Evaluations,
            ) => Err(LabError::Verifying),
        }
    }

    /// What there is to do when a job ends.
    fn conclude(
        &mut self,
        running: &mut Running,
        report: &mut dyn FnMut(Report),
    ) -> Result<(), LabError> {
        if let Work::Search(searching) = &running.work {
            self.untold_secs = self.untold(searching, &running.pace);
        }
        if let Some(run) = self.written_run() {
            run.sync()?;
        }
        self.tell_cautions(report);
        Ok(())
    }

    /// Does a job from its beginning to its end; returns whether `control` has stopped it.
    ///
    /// # Errors
    /// As [`start`](Self::start) and [`step`](Self::step).
    pub fn work(
        &mut self,
        plan: Plan,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, LabError> {
        let mut running = self.start(plan, report)?;
        control.begin();
        while !control.is_stopped() {
            if !self.step(&mut running, control.stop_flag(), report)? {
                return Ok(false);
            }
        }
        self.stop(running, control.is_cancelled(), report)?;
        Ok(true)
    }
}
