//! Training the supernet and searching with it.

use super::{Bench, Control, Lab, LabError, LabSettings, pace::Pace};
use crate::engine::{
    candidate::CandidateId,
    data::Dataset,
    device,
    report::{EarlyEnd, IterationReport, Job, Report},
    run::{
        Budget, Checkpoint, Event, RUN_VERSION, Run, RunConfig, RunState, Targets, UnfinishedEpoch,
    },
    search::{Candidate, Evaluation, Standing, Steering},
    supernet::{EvaluationError, Evaluator, Supernet},
    template::Graph,
    training::{PathPolicy, TrainError, TrainSettings, Trainer},
};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// Passes that are timed: an odd number, so that the median is one of them.
pub(super) const TIMED_PASSES: usize = 21;

/// How a part of a search ended.
enum Step {
    Done,
    Ended(EarlyEnd),
    Stopped,
}

impl Lab {
    /// Trains for `epochs` more epochs. Returns whether it was stopped; what was trained by then is kept,
    /// in the middle of an epoch too. Where it was cancelled, it goes back to the last checkpoint: the beginning of the
    /// epoch, or where that was stopped before.
    ///
    /// The learning rate falls over all epochs, so how many there are to be is best said at once: 2 and then 1
    /// more have other rates than 3. What was evaluated before is evaluated again when the search goes on.
    ///
    /// # Errors
    /// When something cannot be set up, trained or written.
    pub fn train(
        &mut self,
        epochs: usize,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, LabError> {
        report(Report::Started(Job::Train));
        let last = self.epochs.len() + epochs;
        self.set_up(last, Targets { epochs: Some(last), ..self.state.targets }, report)?;
        if self.settings.training.policy == PathPolicy::Fitness {
            let fitness = match &self.carried_fitness {
                Some(carried) => carried.clone(),
                None => self.search.lasting_fitness(),
            };
            let fitness = fitness.iter().map(|node| node.fitness).collect();
            if let Some(bench) = &mut self.bench {
                bench.trainer.set_fitness(fitness);
            }
        }
        let before = self.trained_steps();
        let trained = self.train_to(last, control, report);
        if self.trained_steps() != before {
            self.search.weights_changed();
            report(Report::WeightsChanged);
        }
        let stopped = trained?;
        report(Report::Finished { job: Job::Train, stopped });
        Ok(stopped)
    }

    fn train_to(
        &mut self,
        last: usize,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, LabError> {
        let template = self.template;
        let (Some(bench), Some(run)) = (&mut self.bench, &mut self.run) else { return Ok(false) };
        let first = self.epochs.len() + 1;
        let steps = bench.trainer.steps(&bench.data) as u64;
        let total = steps * (last + 1 - first) as u64;
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
                    let name = checkpoint_of_epoch(epoch);
                    run.save_checkpoint(&name, &checkpoint()?, Event::Epoch(epoch_report))?;
                    self.checkpoint = Some(name);
                    self.seconds.training += epoch_report.seconds;
                    self.epochs.push(epoch_report);
                    report(Report::Epoch(epoch_report));
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
                    self.checkpoint = Some(name);
                    self.state = state;
                    return Ok(true);
                }
                Err(error) => {
                    if matches!(error, TrainError::Diverged { .. }) {
                        // The next training begins at the last checkpoint.
                        self.bench = None;
                        report(Report::Forgotten { step: self.trained_steps() });
                    }
                    return Err(error.into());
                }
            }
        }
        Ok(false)
    }

    /// Searches for `iterations` more iterations of `candidates` each, within what `budget` leaves. Returns
    /// whether it was stopped; what was evaluated by then is kept. First of all, candidates that were evaluated with
    /// other weights are evaluated again: their accuracies do not compare.
    ///
    /// # Errors
    /// When the supernet is not trained, or something cannot be set up, evaluated or written.
    pub fn search(
        &mut self,
        iterations: u32,
        candidates: usize,
        budget: Budget,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, LabError> {
        if self.epochs.is_empty() {
            return Err(LabError::NotTrained);
        }
        report(Report::Started(Job::Search));
        let mut targets = self.state.targets;
        if iterations > 0 {
            targets = Targets {
                // Whoever searches has trained enough.
                epochs: Some(self.epochs.len()),
                iterations: Some(self.search.finished_iterations().saturating_add(iterations)),
                candidates: Some(candidates),
                budget,
            };
        }
        self.set_up(self.epochs.len(), targets, report)?;
        let mut stopped = false;
        if iterations > 0 {
            match self.search_for(iterations, candidates, budget, control, report)? {
                Step::Done => {}
                Step::Ended(why) => report(Report::EndsEarly(why)),
                Step::Stopped => stopped = true,
            }
        }
        if let Some(run) = &mut self.run {
            run.sync()?;
        }
        report(Report::Finished { job: Job::Search, stopped });
        Ok(stopped)
    }

    fn search_for(
        &mut self,
        iterations: u32,
        candidates: usize,
        budget: Budget,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<Step, LabError> {
        let left = |lab: &Self| {
            budget.candidates.map_or(usize::MAX, |most| most.saturating_sub(lab.evaluated()))
        };
        let planned = (candidates as u64).saturating_mul(u64::from(iterations));
        let open = |c: &&Candidate| c.standing == Standing::Stale || self.search.is_untimed(c);
        let known = self.search.candidates().iter().filter(open).count();
        let begun = self.search.evaluated_now().count();
        let total = known as u64 + planned.min(left(self).saturating_add(begun) as u64);
        let seconds = budget.seconds.map(|most| most as f64 - self.seconds().search);
        let mut pace = Pace::new(Job::Search, total, 0).within(seconds);
        let before = pace.worked();
        let step = self.bring_up_to_date(&mut pace, control, report)?;
        self.unfinished_iteration += pace.worked() - before;
        if !matches!(step, Step::Done) {
            return Ok(step);
        }
        for _ in 0..iterations {
            if let Some(most) = budget.seconds.filter(|_| pace.is_over()) {
                return Ok(Step::Ended(EarlyEnd::Seconds(most)));
            }
            let (left, begun) = (left(self), self.search.evaluated_now().count());
            // An iteration that was cut short before goes on, if only to its end.
            if let Some(most) = budget.candidates.filter(|_| left == 0 && begun == 0) {
                return Ok(Step::Ended(EarlyEnd::Candidates(most)));
            }
            let count = candidates.min(left.saturating_add(begun));
            let before = pace.worked();
            let step = self.iterate(count, left, &mut pace, control, report)?;
            if !matches!(step, Step::Done) {
                self.unfinished_iteration += pace.worked() - before;
                return Ok(step);
            }
        }
        Ok(Step::Done)
    }

    /// Times what is still to be timed, and evaluates again what was evaluated with other weights.
    fn bring_up_to_date(
        &mut self,
        pace: &mut Pace,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<Step, LabError> {
        // Those that are evaluated again are timed then; a kill between the two leaves one to be timed first.
        let candidates = self.search.candidates();
        let present = |id: &CandidateId| candidates[id.index()].standing == Standing::Present;
        let untimed: Vec<_> = self.search.untimed().into_iter().filter(present).collect();
        match self.time(&untimed, pace, control, report)? {
            Step::Done => self.evaluate(&self.search.stale(), pace, control, report),
            cut_short => Ok(cut_short),
        }
    }

    /// One iteration of `count` candidates, of which `most_new` at most are evaluated now.
    fn iterate(
        &mut self,
        count: usize,
        most_new: usize,
        pace: &mut Pace,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<Step, LabError> {
        let started = Instant::now();
        let before = pace.worked();
        let iteration = self.search.finished_iterations() + 1;
        let proposed = self.search.propose(count);
        if proposed.is_empty() {
            let all = self.search.steering().admits_all();
            let why = if all { EarlyEnd::Exhausted } else { EarlyEnd::NoneWanted };
            return Ok(Step::Ended(why));
        }
        let newcomers = self.place_newcomers().to_vec();
        self.record(
            newcomers
                .iter()
                .map(|candidate| arrival(&self.graph, candidate, iteration))
                .collect::<Vec<_>>(),
        )?;
        report(Report::Placed(self.place(&newcomers)));
        // Some are known already where the iteration was cut short before.
        let (known, mut open): (Vec<_>, Vec<_>) = proposed
            .iter()
            .partition(|&&id| self.search.candidates()[id.index()].evaluation.is_some());
        open.truncate(most_new);
        known.iter().for_each(|_| pace.skip());
        let evaluated = self.evaluate(&open, pace, control, report)?;
        if !matches!(evaluated, Step::Done) {
            return Ok(evaluated);
        }
        // More than was proposed, if an iteration that was stopped went on with fewer candidates.
        let others = self.search.evaluated_now().filter(|id| !proposed.contains(id));
        let evaluated = |id: &CandidateId| {
            self.search.candidate(*id).is_some_and(|candidate| candidate.evaluation.is_some())
        };
        let candidates = proposed.iter().copied().filter(evaluated).chain(others).collect();
        self.search.finish_iteration();
        let worked = (pace.worked() - before).max(0.0).min(started.elapsed().as_secs_f64());
        let seconds = worked + std::mem::take(&mut self.unfinished_iteration);
        let Some(done) = self.iteration_report(iteration, candidates, seconds) else {
            return Ok(Step::Ended(EarlyEnd::Exhausted));
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

    /// Evaluates candidates with the weights as they are, in an order in which neighbours have much in common, and
    /// times them where that is asked for.
    fn evaluate(
        &mut self,
        ids: &[CandidateId],
        pace: &mut Pace,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<Step, LabError> {
        let step = self.trained_steps();
        // Taken out, so that the rest can be written to meanwhile.
        let Some(bench) = self.bench.take() else { return Err(LabError::NotTrained) };
        let done = self.evaluate_on(&bench, ids, step, pace, control, report);
        self.bench = Some(bench);
        done
    }

    fn evaluate_on(
        &mut self,
        bench: &Bench,
        ids: &[CandidateId],
        step: u64,
        pace: &mut Pace,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<Step, LabError> {
        let candidate = |id: CandidateId| &self.search.candidates()[id.index()];
        let masks: Vec<_> = ids.iter().map(|&id| candidate(id).mask.clone()).collect();
        let mut sharing = bench.evaluator.share(&bench.supernet, &masks);
        for place in sharing.order() {
            if let Some(cut_short) = self.cut_short(pace, control, report) {
                return Ok(cut_short);
            }
            let id = ids[place];
            let now = self.search.finished_iterations();
            let iteration = self.search.candidates()[id.index()].iteration.unwrap_or(now) + 1;
            let clock = Instant::now();
            let evaluation = match sharing.evaluate(place, control.stop_flag()) {
                Err(EvaluationError::Stopped) => return Ok(Step::Stopped),
                evaluated => evaluated?,
            };
            let Evaluation { accuracy, balanced_accuracy, loss } = evaluation;
            let seconds = clock.elapsed().as_secs_f64();
            self.record([Event::Evaluated {
                id,
                iteration,
                step,
                accuracy,
                balanced_accuracy,
                loss,
                seconds,
            }])?;
            self.take(id, evaluation)?;
            report(Report::Evaluated { id, iteration, evaluation });
            if self.search.is_untimed(&self.search.candidates()[id.index()]) {
                self.time_on(&bench.supernet, id, report)?;
            }
            report(Report::Progress(pace.next()));
        }
        Ok(Step::Done)
    }

    /// Times candidates.
    fn time(
        &mut self,
        ids: &[CandidateId],
        pace: &mut Pace,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<Step, LabError> {
        // Taken out, so that the rest can be written to meanwhile.
        let Some(bench) = self.bench.take() else { return Err(LabError::NotTrained) };
        let mut timed = Ok(Step::Done);
        for &id in ids {
            if let Some(cut_short) = self.cut_short(pace, control, report) {
                timed = Ok(cut_short);
                break;
            }
            if let Err(error) = self.time_on(&bench.supernet, id, report) {
                timed = Err(error);
                break;
            }
            report(Report::Progress(pace.next()));
        }
        self.bench = Some(bench);
        timed
    }

    fn time_on(
        &mut self,
        supernet: &Supernet,
        id: CandidateId,
        report: &mut dyn FnMut(Report),
    ) -> Result<(), LabError> {
        let mask = &self.search.candidates()[id.index()].mask;
        let latency = supernet.latency(mask, 1, TIMED_PASSES)?.median_secs;
        self.record([Event::Timed { id, latency }])?;
        self.search.record_latency(id, latency)?;
        report(Report::Timed { id, latency });
        Ok(())
    }

    /// Waits while paused; how the search ends here, if it is stopped or its time is over.
    fn cut_short(
        &self,
        pace: &mut Pace,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Option<Step> {
        if pace.wait(control, report).is_break() {
            return Some(Step::Stopped);
        }
        let seconds = self.state.targets.budget.seconds;
        seconds.filter(|_| pace.is_over()).map(|most| Step::Ended(EarlyEnd::Seconds(most)))
    }

    /// Asks for other candidates from the next iteration on; returns whether that is something new. It is recorded
    /// in the run, where there is one.
    ///
    /// # Errors
    /// When it cannot be met or written; what was asked for before holds on then.
    pub fn steer(&mut self, steering: Steering) -> Result<bool, LabError> {
        if steering == *self.search.steering() {
            return Ok(false);
        }
        self.search.check(&steering, &self.embedding)?;
        self.make_writable()?;
        self.record([Event::Steered(steering.clone())])?;
        self.search.steer(steering, &self.embedding)?;
        Ok(true)
    }

    /// Remembers what the run is to do, so that a resumed one can finish it. Jobs say it of themselves; whoever
    /// means to do one after another says it before the first.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn aim(&mut self, targets: Targets) -> Result<(), LabError> {
        if targets != self.state.targets {
            let state = RunState { targets, ..self.state.clone() };
            if let Some(run) = &mut self.run {
                run.save_state(&state)?;
            }
            self.state = state;
        }
        Ok(())
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
    /// that is still to be done. `epochs` is where the learning-rate schedule ends, `targets` is what the run is to
    /// do from now on.
    pub(super) fn set_up(
        &mut self,
        epochs: usize,
        targets: Targets,
        report: &mut dyn FnMut(Report),
    ) -> Result<(), LabError> {
        let clock = Instant::now();
        // First of all, since another process may have written the run since it was read.
        self.make_writable()?;
        if self.bench.is_none() {
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
            self.bench = Some(self.make_bench(data, fingerprint, epochs)?);
        }
        if let Some(bench) = &mut self.bench {
            bench.trainer.set_epochs(epochs);
            if self.run.is_none() {
                let fingerprint = bench.fingerprint.clone();
                self.create_run(fingerprint, targets)?;
            }
        }
        self.aim(targets)?;
        if let Some(run) = &self.run {
            report(Report::RunOpened { name: run.name(), path: run.folder().to_owned() });
        }
        self.seconds.setup += clock.elapsed().as_secs_f64();
        Ok(())
    }

    /// The supernet of the present template with what training and evaluation need besides, as the last
    /// checkpoint left them.
    pub(super) fn make_bench(
        &self,
        data: Dataset,
        fingerprint: String,
        epochs: usize,
    ) -> Result<Bench, LabError> {
        let seed = self.settings.seed;
        let device = device::open(&self.settings.device)?;
        let mut supernet = Supernet::new(Arc::clone(&self.graph), seed, &device);
        let settings = TrainSettings { epochs, seed, ..self.settings.training };
        let mut trainer = Trainer::new(&supernet, &data, settings)?;
        if let (Some(run), Some(name)) = (&self.run, &self.checkpoint) {
            let checkpoint = run.checkpoint(name)?;
            let damaged = |path: PathBuf| move |source| LabError::Checkpoint { path, source };
            let [weights, state] = run.checkpoint_files(name);
            supernet.load_bytes(&checkpoint.supernet).map_err(damaged(weights))?;
            trainer.load_bytes(&supernet, &checkpoint.trainer).map_err(damaged(state))?;
        } else {
            trainer.check_batches(&supernet, &data)?;
        }
        let evaluator = Evaluator::new(&supernet, &data, self.settings.evaluation, seed)?
            .with_loss(trainer.loss());
        Ok(Bench { data, fingerprint, supernet, trainer, evaluator })
    }

    pub(super) fn create_run(
        &mut self,
        data_fingerprint: String,
        targets: Targets,
    ) -> Result<(), LabError> {
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
        let pool = pool.map(|candidate| arrival(&self.graph, candidate, 0));
        let steering = Some(self.search.steering()).filter(|steering| !steering.is_free());
        let first = pool.chain(steering.cloned().map(Event::Steered));
        let name = self.name.as_deref();
        let state = RunState { targets, ..self.state.clone() };
        self.run = Some(Run::create(&self.runs, name, &self.layout, config, &state, first)?);
        self.state = state;
        Ok(())
    }

    pub(super) fn record(
        &mut self,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<(), LabError> {
        match &mut self.run {
            Some(run) => Ok(run.record(events)?),
            None => Ok(()),
        }
    }
}

/// The folder in `weights` of the checkpoint at the end of an epoch.
pub(super) fn checkpoint_of_epoch(epoch: usize) -> String {
    format!("epoch-{epoch}")
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
