//! The two jobs: training the supernet and searching with it.

use super::{Bench, Control, Lab, LabError, LabSettings, pace::Pace};
use crate::engine::{
    candidate::CandidateId,
    data::Dataset,
    device,
    report::{IterationReport, Job, Report},
    run::{Checkpoint, Event, RUN_VERSION, Run, RunConfig},
    search::{Candidate, Evaluation},
    supernet::{EvaluationError, Evaluator, Supernet},
    template::Graph,
    training::{TrainError, TrainSettings, Trainer},
};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// How an iteration ended.
enum Step {
    Done,
    Exhausted,
    Stopped,
}

impl Lab {
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
        let fitness = self.search.fitness().iter().map(|node| node.fitness).collect();
        let (Some(bench), Some(run)) = (&mut self.bench, &mut self.run) else { return Ok(false) };
        bench.trainer.set_fitness(fitness);
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
            let before = pace.worked();
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
                    epoch_report.seconds += std::mem::take(&mut self.unfinished.epoch);
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
                    self.unfinished.epoch += pace.worked() - before;
                    stopped = true;
                    break;
                }
                Err(error) => {
                    if matches!(error, TrainError::Diverged { .. }) {
                        // The next training begins at the last checkpoint.
                        self.bench = None;
                    }
                    return Err(error.into());
                }
            }
        }
        let unfinished_seconds = self.unfinished.epoch;
        run.record([Event::TrainFinished { stopped, unfinished_seconds }])?;
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
            let before = pace.worked();
            match self.iterate(candidates, &mut pace, control, report)? {
                Step::Done => {}
                Step::Exhausted => {
                    report(Report::Exhausted);
                    break;
                }
                Step::Stopped => {
                    self.unfinished.iteration += pace.worked() - before;
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
            let Evaluation { accuracy, balanced_accuracy, loss } = evaluation;
            let seconds = clock.elapsed().as_secs_f64();
            self.record([Event::Evaluated {
                id,
                iteration,
                accuracy,
                balanced_accuracy,
                loss,
                seconds,
            }])?;
            self.search.record(id, evaluation)?;
            report(Report::Evaluated { id, iteration, evaluation });
            report(Report::Progress(pace.next()));
        }
        // More than was proposed, if an iteration that was stopped went on with fewer candidates.
        let others = self.search.evaluated_now().filter(|id| !proposed.contains(id));
        let candidates = proposed.iter().copied().chain(others).collect();
        self.search.finish_iteration();
        let worked = (pace.worked() - before).max(0.0).min(started.elapsed().as_secs_f64());
        let seconds = worked + std::mem::take(&mut self.unfinished.iteration);
        let Some(done) = self.iteration_report(iteration, candidates, seconds) else {
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
        // First of all, since another process may have written the run since it was read.
        self.make_writable()?;
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
                let damaged = |path: PathBuf| move |source| LabError::Checkpoint { path, source };
                let [weights, state] = run.checkpoint_files(name);
                supernet.load_bytes(&checkpoint.supernet).map_err(damaged(weights))?;
                trainer.load_bytes(&supernet, &checkpoint.trainer).map_err(damaged(state))?;
            }
            let evaluator = Evaluator::new(&supernet, &data, self.settings.evaluation, seed)?
                .with_loss(trainer.loss());
            self.bench = Some(Bench { data, fingerprint, supernet, trainer, evaluator });
        }
        if let Some(bench) = &mut self.bench {
            bench.trainer.set_epochs(epochs);
            if self.run.is_none() {
                let fingerprint = bench.fingerprint.clone();
                self.create_run(fingerprint)?;
            }
        }
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
        let pool = self.search.candidates().iter();
        self.run = Some(Run::create(
            &self.runs,
            self.name.as_deref(),
            &self.layout,
            config,
            pool.map(|candidate| arrival(&self.graph, candidate, 0)),
        )?);
        Ok(())
    }

    fn record(&mut self, events: impl IntoIterator<Item = Event>) -> Result<(), LabError> {
        match &mut self.run {
            Some(run) => Ok(run.record(events)?),
            None => Ok(()),
        }
    }
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
