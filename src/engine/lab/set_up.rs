//! What a job stands on: the data, the supernet with its trainer, and the run folder that it writes.

use super::{Bench, Lab, LabError, LabSettings};
use crate::engine::{
    data::Dataset,
    device,
    report::Report,
    run::{Event, RUN_VERSION, Run, RunConfig, RunState, Targets},
    search::Candidate,
    supernet::{Evaluator, Supernet},
    template::Graph,
    training::{TrainSettings, Trainer},
};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

impl Lab {
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
}

/// The journal's line on a candidate that was made in `iteration`.
pub(super) fn arrival(graph: &Graph, candidate: &Candidate, iteration: u32) -> Event {
    Event::Candidate {
        id: candidate.id,
        iteration,
        parents: candidate.parents.clone(),
        kept: candidate.mask.iter().map(|node| graph.id(node).clone()).collect(),
    }
}
