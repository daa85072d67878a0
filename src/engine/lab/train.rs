//! Training the supernet.

use super::{
    Diverged, Lab, LabError,
    job::{Running, Work},
    pace::Pace,
};
use crate::engine::{
    command::Job,
    report::Report,
    run::{Checkpoint, RunState, Targets, UnfinishedEpoch},
    study::{Event, checkpoint_of_epoch},
    training::{Epoch, PathPolicy, StepLength, TrainError, TrainSettings},
};

/// A training between two of its steps.
pub(super) struct Training {
    /// The last epoch.
    last: usize,
    /// The epoch that it is in; `None` before it is begun, and while the lab may be changed.
    epoch: Option<Epoch>,
}

impl Lab {
    pub(super) fn start_training(
        &mut self,
        epochs: usize,
        report: &mut dyn FnMut(Report),
    ) -> Result<Running, LabError> {
        self.source.check_trains()?;
        self.begin(Job::Train, report);
        let last = self.epochs().saturating_add(epochs);
        self.set_up(last, Targets { epochs: Some(last), ..self.state.targets }, report)?;
        // Steps of an epoch that was stopped in its middle count as done, but not for the pace.
        let (total, skipped) = self.steps_to(last);
        let pace = Pace::new(Job::Train, total, skipped);
        Ok(Running { pace, work: Work::Train(Training { last, epoch: None }) })
    }

    /// Steps from the present epoch to the end of the `last` one, and how many of these are done.
    fn steps_to(&self, last: usize) -> (u64, u64) {
        let Some(bench) = self.source.bench() else { return (0, 0) };
        let steps = bench.trainer.steps(&bench.data) as u64;
        let total = steps.saturating_mul(last.saturating_sub(self.epochs()) as u64);
        let done = match bench.trainer.position() {
            (epoch, step) if epoch == self.epochs() + 1 => step as u64,
            _ => 0,
        };
        (total, done)
    }

    /// Training steps that the weights have seen at this moment, also in the middle of an epoch.
    pub(in crate::engine) fn steps_by_now(&self) -> u64 {
        let of_bench = self.source.bench().and_then(|bench| {
            let (epoch, step) = bench.trainer.position();
            let steps = bench.trainer.steps(&bench.data);
            let is_begun = epoch == self.epochs() + 1 && step > 0;
            is_begun.then(|| ((epoch - 1) * steps + step) as u64)
        });
        of_bench.unwrap_or_else(|| self.trained_steps())
    }

    /// The next step of a training; returns whether there are more.
    pub(super) fn train_on(
        &mut self,
        training: &mut Training,
        pace: &mut Pace,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, LabError> {
        let last = training.last;
        if training.epoch.is_none() {
            if self.epochs() >= last {
                return Ok(false);
            }
            // After an edit it may be missing.
            if self.source.bench().is_none() {
                self.set_up(last, self.state.targets, report)?;
            }
            let (total, done) = self.steps_to(last);
            pace.set_left(total.saturating_sub(done));
            training.epoch = self.begin_epoch(last);
        }
        let (Some(bench), Some(epoch)) = (self.source.bench_mut(), &mut training.epoch) else {
            return Ok(false);
        };
        let before = (epoch.number() as u64 - 1) * bench.trainer.steps(&bench.data) as u64;
        match bench.trainer.step(&mut bench.supernet, &bench.data, epoch) {
            Ok(Some(done)) => {
                let (step, loss) = (before + done.step as u64, done.loss);
                report(Report::Step { step, loss, trained: done.kept });
                report(Report::Progress(pace.next()));
                Ok(true)
            }
            Ok(None) => {
                self.end_epoch(training, report)?;
                Ok(self.epochs() < last)
            }
            Err(error) => Err(self.failed(error, report)),
        }
    }

    /// Begins the next epoch, or takes up the one that was stopped in its middle.
    fn begin_epoch(&mut self, last: usize) -> Option<Epoch> {
        let by_fitness = self.training().policy == PathPolicy::Fitness;
        let fitness = by_fitness.then(|| self.study.lasting_fitness());
        let (number, from) = (self.epochs() + 1, self.study.schedule_from());
        let bench = self.source.bench_mut()?;
        bench.trainer.set_course(from, last);
        if let Some(fitness) = fitness {
            let fitness: Vec<_> = fitness.iter().map(|node| node.fitness).collect();
            bench.trainer.set_fitness(bench.supernet.graph(), &fitness);
        }
        Some(bench.trainer.begin(&bench.data, number))
    }

    /// What the weights and the trainer are now.
    fn checkpoint_now(&self) -> Result<Option<Checkpoint>, LabError> {
        let Some(bench) = self.source.bench() else { return Ok(None) };
        Ok(Some(Checkpoint {
            supernet: bench.supernet.to_bytes()?,
            trainer: bench.trainer.to_bytes(&bench.supernet)?,
        }))
    }

    /// Seconds that this epoch has taken before it was stopped in its middle.
    fn seconds_before(&self, epoch: usize) -> f64 {
        let begun = self.state.unfinished.as_ref().filter(|begun| begun.epoch == epoch);
        begun.map_or(0.0, |begun| begun.seconds)
    }

    fn end_epoch(
        &mut self,
        training: &mut Training,
        report: &mut dyn FnMut(Report),
    ) -> Result<(), LabError> {
        let (Some(bench), Some(epoch)) = (self.source.bench(), training.epoch.take()) else {
            return Ok(());
        };
        let number = epoch.number();
        let mut epoch = match bench.trainer.finish(&bench.supernet, &epoch) {
            Ok(epoch) => epoch,
            Err(error) => return Err(self.failed(error, report)),
        };
        epoch.seconds += self.seconds_before(number);
        let event = Event::Epoch(epoch);
        if let (Some(checkpoint), Some(run)) = (self.checkpoint_now()?, &mut self.run) {
            run.save_checkpoint(&checkpoint_of_epoch(number), &checkpoint, &event)?;
        }
        self.take(event)?;
        self.take_untold().into_iter().for_each(report);
        Ok(())
    }

    /// Stores what was trained of an epoch, in which training goes on later.
    pub(super) fn keep_epoch(
        &mut self,
        training: &mut Training,
        report: &mut dyn FnMut(Report),
    ) -> Result<(), LabError> {
        let (Some(bench), Some(epoch)) = (self.source.bench(), training.epoch.take()) else {
            return Ok(());
        };
        let step = self.steps_by_now();
        if step == self.trained_steps() {
            // Nothing that the last checkpoint does not have.
            return Ok(());
        }
        if let Err(error) = bench.trainer.check(&bench.supernet, &epoch) {
            return Err(self.failed(error, report));
        }
        let number = epoch.number();
        let name = format!("epoch-{number}-step-{}", bench.trainer.position().1);
        let unfinished = UnfinishedEpoch {
            epoch: number,
            step,
            seconds: self.seconds_before(number) + epoch.seconds(),
            checkpoint: name.clone(),
            template: self.number(),
        };
        let state = RunState { unfinished: Some(unfinished), ..self.state.clone() };
        if let (Some(checkpoint), Some(run)) = (self.checkpoint_now()?, &mut self.run) {
            run.save_unfinished(&name, &checkpoint, &state)?;
        }
        self.state = state;
        self.tell_weights(report);
        Ok(())
    }

    /// Goes back to the last checkpoint.
    pub(super) fn forget_epoch(&mut self, training: &mut Training, report: &mut dyn FnMut(Report)) {
        training.epoch = None;
        self.go_back(report);
    }

    fn go_back(&mut self, report: &mut dyn FnMut(Report)) {
        // The next job begins at the last checkpoint.
        self.source.take_bench();
        report(Report::Forgotten { step: self.trained_steps() });
        self.tell_weights(report);
    }

    /// Says how many steps the weights have seen, where no event does.
    fn tell_weights(&mut self, report: &mut dyn FnMut(Report)) {
        let (step, before) = (self.trained_steps(), self.study.search().weights());
        self.study.weights_at(step);
        if self.study.search().weights() != before {
            report(Report::WeightsAt { step });
        }
    }

    /// Training has failed: what to do about it.
    fn failed(&mut self, error: TrainError, report: &mut dyn FnMut(Report)) -> LabError {
        // Whatever it is, the weights are none that a checkpoint has.
        self.go_back(report);
        match error {
            TrainError::Diverged { epoch, step } => self.diverged(epoch, step),
            TrainError::Stopped
            | TrainError::Misfit(_)
            | TrainError::Settings(_)
            | TrainError::Device(_) => error.into(),
        }
    }

    /// Trains in steps of another length from here on; returns whether that is something new. It is recorded in the
    /// run, where there is one.
    ///
    /// # Errors
    /// When it makes no sense or cannot be written; the length stays as it was then.
    pub fn retune(&mut self, to: StepLength) -> Result<bool, LabError> {
        let training = self.study.training().retuned(to);
        if training == self.study.training() {
            return Ok(false);
        }
        self.source.check_trains()?;
        training.check_alone().map_err(TrainError::Settings)?;
        self.make_writable()?;
        self.note([Event::Retuned { to, instead_of: self.study.configured() }])?;
        if let Some(bench) = self.source.bench_mut() {
            bench.trainer.retune(to);
        }
        Ok(true)
    }

    /// The training has diverged by a `step` of an `epoch`: what to do about it.
    fn diverged(&self, epoch: usize, step: usize) -> LabError {
        let run = self.run.as_ref().map(|run| run.folder().to_owned()).unwrap_or_default();
        let search = self.state.targets.iterations.is_some();
        let TrainSettings { learning_rate, optimizer, clip, .. } = self.study.training();
        let lower = (learning_rate / 10.0).min(optimizer.usual_rate());
        LabError::Diverged(Box::new(Diverged {
            epoch,
            step,
            learning_rate,
            // Two digits are enough to begin with.
            lower: format!("{lower:.1e}").parse().unwrap_or(lower),
            clip,
            run,
            command: if search { "search" } else { "train" },
            checkpoint: self.checkpoint().is_some(),
        }))
    }
}
