//! Training the supernet.

use super::{Control, Diverged, Lab, LabError, pace::Pace};
use crate::engine::{
    report::{Job, Report},
    run::{Checkpoint, RunState, Targets, UnfinishedEpoch},
    study::{Event, checkpoint_of_epoch},
    training::{PathPolicy, StepLength, TrainError, TrainSettings},
};
use std::sync::Arc;

impl Lab {
    /// Trains for `epochs` more epochs. Returns whether it was stopped; what was trained by then is kept,
    /// in the middle of an epoch too. Where it was cancelled, it goes back to the last checkpoint: the beginning of the
    /// epoch, or where that was stopped before.
    ///
    /// The learning rate falls over all epochs, or over those since an edit that brought new nodes, so the caller should ask
    /// for all of them at once: 2 and then 1 more have other rates than 3. What was evaluated before is evaluated again when the search goes on.
    ///
    /// # Errors
    /// When something cannot be set up, trained or written.
    pub fn train(
        &mut self,
        epochs: usize,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, LabError> {
        self.begin(Job::Train, report);
        let last = self.epochs() + epochs;
        self.set_up(last, Targets { epochs: Some(last), ..self.state.targets }, report)?;
        if self.study.training().policy == PathPolicy::Fitness {
            let fitness = self.study.lasting_fitness();
            let fitness: Vec<_> = fitness.iter().map(|node| node.fitness).collect();
            if let Some(bench) = &mut self.bench {
                bench.trainer.set_fitness(bench.supernet.graph(), &fitness);
            }
        }
        let before = self.trained_steps();
        let trained = self.train_to(last, control, report);
        self.study.weights_at(self.trained_steps());
        if self.trained_steps() != before {
            report(Report::WeightsAt { step: self.trained_steps() });
        }
        let stopped = trained?;
        self.tell_cautions(report);
        report(Report::Finished { job: Job::Train, stopped });
        Ok(stopped)
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
        training.check_alone().map_err(TrainError::Settings)?;
        self.make_writable()?;
        self.note([Event::Retuned { to, instead_of: self.study.configured() }])?;
        if let Some(bench) = &mut self.bench {
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

    fn train_to(
        &mut self,
        last: usize,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, LabError> {
        let (template, done) = (self.number(), self.epochs());
        let (Some(bench), Some(run)) = (&mut self.bench, &mut self.run) else { return Ok(false) };
        let first = done + 1;
        let steps = bench.trainer.steps(&bench.data) as u64;
        let total = steps.saturating_mul(last.saturating_sub(done) as u64);
        // Steps of an epoch that was stopped in its middle count as done, but not for the pace.
        let skipped = match bench.trainer.position() {
            (epoch, step) if epoch == first => step as u64,
            _ => 0,
        };
        let mut pace = Pace::new(Job::Train, total, skipped);
        for epoch in first..=last {
            let offset = (epoch - first) as u64 * steps;
            let before = pace.worked();
            let begun = self.state.unfinished.as_ref().filter(|begun| begun.epoch == epoch);
            let seconds_before = begun.map_or(0.0, |begun| begun.seconds);
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
                Ok(mut epoch_report) => {
                    epoch_report.seconds += seconds_before;
                    let event = Event::Epoch(epoch_report);
                    run.save_checkpoint(&checkpoint_of_epoch(epoch), &checkpoint()?, &event)?;
                    self.study.apply(&event)?;
                    report(Report::Event(Arc::new(event)));
                }
                Err(TrainError::Stopped) if control.is_cancelled() => {
                    // The next training begins at the last checkpoint.
                    self.bench = None;
                    report(Report::Forgotten { step: self.trained_steps() });
                    return Ok(true);
                }
                Err(TrainError::Stopped) => {
                    let step = bench.trainer.position().1;
                    let name = format!("epoch-{epoch}-step-{step}");
                    let unfinished = UnfinishedEpoch {
                        epoch,
                        step: (epoch as u64 - 1) * steps + step as u64,
                        seconds: seconds_before + pace.worked() - before,
                        checkpoint: name.clone(),
                        template,
                    };
                    let state = RunState { unfinished: Some(unfinished), ..self.state.clone() };
                    run.save_unfinished(&name, &checkpoint()?, &state)?;
                    self.state = state;
                    return Ok(true);
                }
                Err(TrainError::Diverged { epoch, step }) => {
                    // The next training begins at the last checkpoint.
                    self.bench = None;
                    report(Report::Forgotten { step: self.trained_steps() });
                    return Err(self.diverged(epoch, step));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }
}
