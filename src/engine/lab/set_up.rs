//! What a job stands on: the data, the supernet with its trainer, or a table of known results; and the run folder that it
//! writes.

use super::{Bench, Lab, LabError, LabSettings, Source, caution};
use crate::{
    engine::{
        data::Dataset,
        device,
        mask::Mask,
        memory,
        report::{Report, Topic},
        run::{RUN_VERSION, Run, RunConfig, RunState, Targets},
        search::Candidate,
        study::Event,
        supernet::{EvaluationSettings, Evaluator, Supernet, bytes_per_image},
        template::{Graph, NodeId},
        training::{TrainSettings, Trainer},
    },
    format,
};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

impl Lab {
    /// Loads the data, makes the supernet, takes up the last checkpoint and makes the run folder, as far as
    /// that is still to be done; of a table of known results there is only the run folder. `epochs` is where the course of
    /// the learning rate ends, `targets` is what the run is to
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
        let fingerprint = match &self.source {
            Source::Supernet(_) => self.set_up_supernet(epochs, report)?,
            Source::Table(known) => {
                self.check_table_stays()?;
                if self.run.is_none() {
                    known.notes().iter().cloned().map(Report::Note).for_each(&mut *report);
                    report(caution::told(&caution::at_start(self)));
                }
                known.fingerprint()
            }
        };
        if self.run.is_none() {
            self.create_run(fingerprint, targets)?;
            if self.study.configure() {
                report(Report::Study(Arc::new(self.study.replica())));
            }
        }
        self.aim(targets)?;
        self.tell_run(report);
        self.setup_secs += clock.elapsed().as_secs_f64();
        Ok(())
    }

    /// Loads the data and makes the supernet of a run that is only read.
    pub(super) fn set_up_to_read(
        &mut self,
        report: &mut dyn FnMut(Report),
    ) -> Result<(), LabError> {
        let clock = Instant::now();
        self.set_up_supernet(self.epochs(), report)?;
        self.tell_run(report);
        self.setup_secs += clock.elapsed().as_secs_f64();
        Ok(())
    }

    fn tell_run(&self, report: &mut dyn FnMut(Report)) {
        if let Some(run) = &self.run {
            report(Report::RunOpened { name: run.name(), path: run.folder().to_owned() });
        }
    }

    /// Makes the supernet ready to be trained to the end of so many `epochs`; gives the fingerprint of its data.
    fn set_up_supernet(
        &mut self,
        epochs: usize,
        report: &mut dyn FnMut(Report),
    ) -> Result<String, LabError> {
        let from = self.study.schedule_from();
        if let Some(bench) = self.source.bench_mut() {
            bench.trainer.set_course(from, epochs);
            return Ok(bench.fingerprint.clone());
        }
        let (data, fingerprint) = self.load_data(report)?;
        let settings = self.settings.evaluation;
        if self.run.is_none() {
            self.bound_evaluation(report)?;
        } else {
            self.warn_of_memory(report);
        }
        match self.make_bench(data, fingerprint.clone(), epochs) {
            Ok(mut bench) => {
                bench.trainer.set_course(from, epochs);
                self.source = Source::Supernet(Some(Box::new(bench)));
                Ok(fingerprint)
            }
            Err(error) => {
                // Another try begins with the settings as they were.
                self.settings.evaluation = settings;
                Err(error)
            }
        }
    }

    /// The most bytes that evaluation may take.
    fn memory(&self) -> u64 {
        self.settings.memory.unwrap_or_else(|| memory::free() / 2)
    }

    /// Chooses how many images the evaluation of a new run takes at once: as many as its settings say, if memory allows
    /// that. It is kept by the run, since statistics of batch normalisations depend on it.
    fn bound_evaluation(&mut self, report: &mut dyn FnMut(Report)) -> Result<(), LabError> {
        let budget = self.memory();
        let per_image = bytes_per_image(self.graph()).max(1);
        // A quarter is for results that candidates share.
        let fit = budget / 4 * 3 / per_image;
        let EvaluationSettings { recalibration_batches, batch_size, .. } = self.settings.evaluation;
        if fit >= batch_size as u64 {
            return Ok(());
        }
        if fit == 0 {
            return Err(LabError::Memory { needed: per_image, budget });
        }
        // A power of two, so that a little more or less free memory makes no other run.
        let at_once = 1 << fit.ilog2();
        self.settings.evaluation.batch_size = at_once;
        self.settings.evaluation.recalibration_batches =
            (recalibration_batches * batch_size).div_ceil(at_once);
        let note = format!(
            "evaluation runs {} at once instead of {batch_size}, to stay within {}B of memory",
            format::counted(at_once, "image", "images"),
            format::compact(budget)
        );
        report(Report::Note(note.clone()));
        if let Some(summary) = &mut self.summary {
            summary.notes.push(note);
        }
        Ok(())
    }

    /// Says whether a run that was begun with more memory may not find enough now.
    fn warn_of_memory(&self, report: &mut dyn FnMut(Report)) {
        let (budget, at_once) = (self.memory(), self.settings.evaluation.batch_size as u64);
        let needed = bytes_per_image(self.graph()).saturating_mul(at_once);
        let text = || {
            format!(
                "evaluation takes about {}B, since this run looks at {at_once} images at once, more than the {}B that it \
                 may take; close other programs, or start a new run",
                format::compact(needed),
                format::compact(budget)
            )
        };
        let texts = (needed > budget).then(text).into_iter().collect();
        report(Report::Cautions { about: Topic::Memory, texts });
    }

    /// The supernet of the present template with what training and evaluation also need, as the last
    /// checkpoint left them.
    pub(super) fn make_bench(
        &self,
        data: Dataset,
        fingerprint: String,
        epochs: usize,
    ) -> Result<Bench, LabError> {
        let seed = self.settings.seed;
        let device = device::open(&self.settings.device)?;
        let mut supernet = Supernet::new(Arc::clone(self.graph()), seed, &device);
        let settings = TrainSettings { epochs, seed, ..self.study.training() };
        let evaluation = self.settings.evaluation;
        let mut trainer = Trainer::within(&supernet, &data, settings, evaluation.batch_size)?;
        if let (Some(run), Some(name)) = (&self.run, self.checkpoint()) {
            let checkpoint = run.checkpoint(name)?;
            let damaged = |path: PathBuf| move |source| LabError::Checkpoint { path, source };
            let [weights, state] = run.checkpoint_files(name);
            supernet.load_bytes(&checkpoint.supernet).map_err(damaged(weights))?;
            trainer.load_bytes(&supernet, &checkpoint.trainer).map_err(damaged(state))?;
        } else {
            trainer.check_batches(&supernet, &data)?;
        }
        let evaluator = Evaluator::with_loss(&supernet, &data, evaluation, seed, trainer.loss())?
            .within(usize::try_from(self.memory() / 4).unwrap_or(usize::MAX));
        Ok(Bench { data, fingerprint, supernet, trainer, evaluator })
    }

    pub(super) fn create_run(
        &mut self,
        data_fingerprint: String,
        targets: Targets,
    ) -> Result<(), LabError> {
        let LabSettings { data, read, device, seed, evaluation, pool, .. } = self.settings.clone();
        let (objective, training) = (self.study.objective(), self.study.training());
        let config = RunConfig {
            version: RUN_VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            created: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            template: self.template().name.clone(),
            data_place: None,
            data,
            data_fingerprint,
            read,
            objective,
            device: device.to_string(),
            seed,
            training,
            evaluation,
            pool,
        };
        let pool = self.candidates().iter();
        let pool = pool.map(|candidate| of_pool(self.graph(), candidate));
        let steering = Some(self.steering()).filter(|steering| !steering.is_free());
        let first = pool.chain(steering.cloned().map(Event::Steered));
        let name = self.name.as_deref();
        let state = RunState { targets, ..self.state.clone() };
        let (template, summary) = (self.template(), self.summary.as_ref());
        let table = self.source.table();
        let run = Run::create(&self.runs, name, template, config, summary, table, &state, first)?;
        self.run = Some(run);
        self.state = state;
        Ok(())
    }

    /// Sets the targets of the run, so that a resumed run can reach them. Each job sets its own targets; a caller
    /// that runs one job after another sets the targets of all before the first.
    ///
    /// # Errors
    /// When they cannot be written.
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

/// The journal's line on a candidate of the pool.
fn of_pool(graph: &Graph, candidate: &Candidate) -> Event {
    Event::Candidate {
        id: candidate.id,
        iteration: 0,
        parents: candidate.parents.clone(),
        kept: kept(graph, &candidate.mask),
    }
}

/// The ids of a set of nodes, in template order.
pub(super) fn kept(graph: &Graph, mask: &Mask) -> Vec<NodeId> {
    mask.iter().map(|node| graph.id(node).clone()).collect()
}
