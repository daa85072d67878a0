//! The loop over epochs and steps, and its state.

use super::{
    EpochReport, SettingsError, StepLength, TrainSettings,
    optimizer::{self, Memory},
    policy::Paths,
};
use crate::engine::{
    data::{Batch, Dataset, Split},
    loss::Loss,
    mask::Mask,
    ops::Shape,
    search::Evaluation,
    seed,
    supernet::{
        EvaluationError, EvaluationSettings, Evaluator, Gradients, Misfit, Supernet, TensorFile,
        TensorWriter, WeightsError, vector,
    },
    template::{Graph, NodeId},
};
use burn::tensor::{Tensor, TensorData, TensorReadError};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};
use thiserror::Error;

/// Paths on which the validation loss of an epoch is measured.
const PROBES: usize = 4;

/// How that is done: each image is looked at once.
const PROBE_SETTINGS: EvaluationSettings =
    EvaluationSettings { images: 1000, recalibration_batches: 1, batch_size: 128 };

/// One finished training step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// The epoch, from 1.
    pub epoch: usize,
    /// The step within the epoch, from 1.
    pub step: usize,
    /// How many steps the epoch has.
    pub steps: usize,
    /// Mean loss of the step's batch, over all paths that were trained.
    pub loss: f64,
    /// The nodes that were trained.
    pub kept: Mask,
}

/// An epoch between two of its steps.
#[derive(Debug)]
pub struct Epoch {
    epoch: usize,
    steps: usize,
    /// The training images, shuffled.
    order: Vec<usize>,
    /// How long its steps have taken.
    worked: Duration,
}

impl Epoch {
    /// Its number, from 1.
    pub fn number(&self) -> usize {
        self.epoch
    }

    /// Seconds that its steps have taken since it was begun or taken up again.
    pub fn seconds(&self) -> f64 {
        self.worked.as_secs_f64()
    }
}

/// Training did not come to its end.
#[derive(Debug, Error)]
pub enum TrainError {
    /// The caller asked to stop. The step before was finished; the same epoch can be run on.
    #[error("the training was stopped")]
    Stopped,
    /// The loss, a gradient or a weight is infinite or not a number. The weights are of no use any more.
    #[error(
        "the training diverged by step {step} of epoch {epoch}: the loss or a weight is not a number; use a lower \
         learning rate or clip gradients"
    )]
    Diverged {
        /// The epoch, from 1.
        epoch: usize,
        /// The step within the epoch, from 1.
        step: usize,
    },
    /// Data and template do not belong together.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The settings make no sense, or not for the data.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The device failed.
    #[error("the device failed while training: {0}; try again, or use another device")]
    Device(String),
}

impl From<TensorReadError> for TrainError {
    fn from(error: TensorReadError) -> Self {
        Self::Device(error.to_string())
    }
}

impl From<EvaluationError> for TrainError {
    fn from(error: EvaluationError) -> Self {
        match error {
            EvaluationError::Stopped => Self::Stopped,
            EvaluationError::Misfit(misfit) => Self::Misfit(misfit),
            EvaluationError::Device(reason) => Self::Device(reason),
        }
    }
}

/// Trains a supernet step by step, and holds what that takes in addition to the weights.
pub struct Trainer {
    settings: TrainSettings,
    loss: Loss,
    // What the optimizer remembers of each parameter.
    memories: Vec<Memory>,
    position: Position,
    // The step in which the learning rate begins its course.
    schedule_from: u64,
    paths: Paths,
    evaluator: Evaluator,
    probes: Vec<Mask>,
    // Whether each step trains all nodes, whatever the policy.
    whole: bool,
}

/// How far training is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Position {
    /// The epoch, from 1; 0 before the first.
    epoch: usize,
    /// Finished steps of that epoch.
    step: usize,
    /// The sum of their losses.
    loss_sum: f64,
}

/// A node with a batch normalisation of images of one pixel, if there is one.
fn normalises_pixels(graph: &Graph) -> Option<&NodeId> {
    let has_one = |node: &usize| {
        let mut shape = graph.input_shape(*node);
        graph.nodes()[*node].ops.iter().any(|op| {
            let normalises = shape.is_some_and(|input| !op.learned(input).norms.is_empty());
            shape = op.infer(shape).ok().map(|(output, _)| output);
            normalises && matches!(shape, Some(Shape::Image([_, 1, 1]) | Shape::Flat(_)))
        })
    };
    (0..graph.len()).find(has_one).map(|node| graph.id(node))
}

impl Trainer {
    /// A trainer that has not begun yet.
    ///
    /// # Errors
    /// When the data does not fit the template, or a setting is out of range.
    pub fn new(
        supernet: &Supernet,
        data: &Dataset,
        settings: TrainSettings,
    ) -> Result<Self, TrainError> {
        Self::within(supernet, data, settings, PROBE_SETTINGS.batch_size)
    }

    /// The same, with at most `at_once` validation images run together.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn within(
        supernet: &Supernet,
        data: &Dataset,
        settings: TrainSettings,
        at_once: usize,
    ) -> Result<Self, TrainError> {
        let loss = settings.check(data)?;
        supernet.check_data(data, &loss)?;
        let probe_settings = EvaluationSettings {
            batch_size: PROBE_SETTINGS.batch_size.min(at_once),
            ..PROBE_SETTINGS
        };
        let evaluator = Evaluator::with_loss(supernet, data, probe_settings, settings.seed, loss)?;
        let paths = settings.policy.paths(supernet.graph(), &[]);
        let probe = |i| paths.probe(&mut seed::rng(settings.seed, "train/probe", i));
        Ok(Self {
            settings,
            loss,
            memories: vec![Memory::default(); supernet.parameter_names().count()],
            position: Position::default(),
            schedule_from: 0,
            probes: (0..PROBES as u64).map(probe).collect(),
            paths,
            evaluator,
            whole: false,
        })
    }

    /// Whether all nodes can learn from batches as small as these: a run that has been trained may be searched even
    /// where they cannot.
    ///
    /// # Errors
    /// [`SettingsError::LoneValues`] where a batch normalisation gets one value per channel.
    pub fn check_batches(&self, supernet: &Supernet, data: &Dataset) -> Result<(), TrainError> {
        match normalises_pixels(supernet.graph()) {
            Some(node) if self.settings.batch_size.min(data.train.len()) == 1 => {
                Err(SettingsError::LoneValues(node.clone()).into())
            }
            _ => Ok(()),
        }
    }

    /// A trainer of a network that is no supernet: each step trains all of its nodes, whatever the path policy. At most
    /// `at_once` validation images are run together.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_whole(
        network: &Supernet,
        data: &Dataset,
        settings: TrainSettings,
        at_once: usize,
    ) -> Result<Self, TrainError> {
        let probes = vec![Mask::full(network.graph().len())];
        Ok(Self { probes, whole: true, ..Self::within(network, data, settings, at_once)? })
    }

    /// What training makes small, for evaluation with the same measure.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// Sets the steps over which the learning rate takes its course: from the one with this number, counted from 0, to the
    /// end of that epoch. For a training that goes on longer than was planned.
    pub fn set_course(&mut self, from: u64, epochs: usize) {
        self.schedule_from = from;
        self.settings.epochs = epochs;
    }

    /// Takes steps of another length from here on.
    pub fn retune(&mut self, length: StepLength) {
        self.settings = self.settings.retuned(length);
    }

    /// Sets the fitness of each node of the template, by node index, for
    /// [`PathPolicy::Fitness`](super::PathPolicy::Fitness); it is 0.5 until then.
    pub fn set_fitness(&mut self, graph: &Graph, fitness: &[f64]) {
        self.paths = self.settings.policy.paths(graph, fitness);
    }

    /// How many steps an epoch has. Images that do not fill a batch wait for another epoch.
    pub fn steps(&self, data: &Dataset) -> usize {
        (data.train.len() / self.settings.batch_size).max(1)
    }

    /// The epoch that training is in or has finished, from 1, and how many of its steps are done; `(0, 0)`
    /// before the first step.
    pub fn position(&self) -> (usize, usize) {
        (self.position.epoch, self.position.step)
    }

    /// Begins an epoch, counted from 1; one that was stopped goes on where it was.
    pub fn begin(&mut self, data: &Dataset, epoch: usize) -> Epoch {
        let steps = self.steps(data);
        // More steps than there are: the batches were smaller when the epoch was stopped.
        if self.position.epoch != epoch || self.position.step > steps {
            self.position = Position { epoch, ..Position::default() };
        }
        let mut order: Vec<_> = (0..data.train.len()).collect();
        order.shuffle(&mut seed::rng(self.settings.seed, "train/order", epoch as u64));
        Epoch { epoch, steps, order, worked: Duration::ZERO }
    }

    /// The next step of an epoch; `None` where all are done.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] if a loss is not a number, [`TrainError::Device`] if the device fails.
    pub fn step(
        &mut self,
        supernet: &mut Supernet,
        data: &Dataset,
        epoch: &mut Epoch,
    ) -> Result<Option<StepReport>, TrainError> {
        let started = Instant::now();
        let Epoch { epoch: number, steps, ref order, .. } = *epoch;
        let TrainSettings { batch_size, seed, augment, .. } = self.settings;
        let done = self.position.step;
        let Some(indices) = order.chunks(batch_size).take(steps).nth(done) else { return Ok(None) };
        let of_all = (number.saturating_sub(1) * steps + done) as u64;
        let rng = &mut seed::rng(seed, "train/path", of_all);
        let paths = if self.whole {
            vec![Mask::full(supernet.graph().len())]
        } else {
            self.paths.draw(rng)
        };
        let mut batch = data.batch(Split::Train, indices);
        augment.apply(&mut batch, &mut seed::rng(seed, "train/augment", of_all));
        let diverged = TrainError::Diverged { epoch: number, step: done + 1 };
        let dropout = &mut seed::rng(seed, "train/dropout", of_all);
        let round = self.gradients(supernet, &paths, batch, dropout);
        let losses = Tensor::cat(round.iter().map(|path| path.loss.clone()).collect(), 0);
        let losses = losses.try_into_vec_as::<f32>()?;
        let loss = losses.into_iter().map(f64::from).sum::<f64>() / paths.len() as f64;
        if !loss.is_finite() {
            return Err(diverged);
        }
        if !self.apply(supernet, round, self.rate(of_all, steps))? {
            return Err(diverged);
        }
        self.position.step += 1;
        self.position.loss_sum += loss;
        let nodes = paths.iter().flat_map(Mask::iter);
        let kept = Mask::from_nodes(supernet.graph().len(), nodes);
        epoch.worked += started.elapsed();
        Ok(Some(StepReport { epoch: number, step: done + 1, steps, loss, kept }))
    }

    /// Makes sure that what was trained so far is worth being kept, in the middle of an epoch.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] if a weight is not a number, [`TrainError::Device`] if the device fails.
    pub fn check(&self, supernet: &Supernet, epoch: &Epoch) -> Result<(), TrainError> {
        self.check_weights(supernet)?;
        if self.position.step == epoch.steps {
            self.validate(supernet)?;
        }
        Ok(())
    }

    /// What an epoch has come to, once all of its steps are done.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] if a weight, or what validation gives, is not a number, so that no such weights are ever
    /// stored, [`TrainError::Device`] if the device fails.
    pub fn finish(&self, supernet: &Supernet, epoch: &Epoch) -> Result<EpochReport, TrainError> {
        let started = Instant::now();
        self.check_weights(supernet)?;
        let validation = self.validate(supernet)?;
        let Epoch { epoch, steps, worked, .. } = *epoch;
        Ok(EpochReport {
            epoch,
            step: (epoch * steps) as u64,
            train_loss: self.position.loss_sum / steps as f64,
            val_loss: validation.loss,
            val_accuracy: validation.accuracy,
            val_balanced_accuracy: validation.balanced_accuracy,
            seconds: (worked + started.elapsed()).as_secs_f64(),
        })
    }

    /// Trains for one epoch, counted from 1, step by step. `on_step` is told of every step; it may break to stop.
    ///
    /// # Errors
    /// [`TrainError::Stopped`] if `on_step` said so, and what [`step`](Self::step), [`check`](Self::check) and
    /// [`finish`](Self::finish) refuse.
    pub fn run_epoch(
        &mut self,
        supernet: &mut Supernet,
        data: &Dataset,
        epoch: usize,
        on_step: &mut dyn FnMut(StepReport) -> ControlFlow<()>,
    ) -> Result<EpochReport, TrainError> {
        let mut epoch = self.begin(data, epoch);
        while let Some(step) = self.step(supernet, data, &mut epoch)? {
            if on_step(step).is_break() {
                self.check(supernet, &epoch)?;
                return Err(TrainError::Stopped);
            }
        }
        self.finish(supernet, &epoch)
    }

    /// The learning rate in step `number` of epochs of so many steps.
    fn rate(&self, number: u64, steps: usize) -> f64 {
        let TrainSettings { learning_rate, schedule, epochs, .. } = self.settings;
        let end = epochs.saturating_mul(steps) as u64;
        let from = self.schedule_from;
        learning_rate * schedule.factor(number.saturating_sub(from), end.saturating_sub(from))
    }

    /// What the epoch has come to.
    fn validate(&self, supernet: &Supernet) -> Result<Evaluation, TrainError> {
        let go_on = AtomicBool::new(false);
        let validation = self.evaluator.evaluate_dealt_out(supernet, &self.probes, &go_on)?;
        // Weights that are numbers may still be too large to compute with.
        if validation.loss.is_finite() {
            Ok(validation)
        } else {
            let Position { epoch, step, .. } = self.position;
            Err(TrainError::Diverged { epoch, step })
        }
    }

    /// The gradients of each path on one batch.
    fn gradients(
        &self,
        supernet: &Supernet,
        paths: &[Mask],
        batch: Batch,
        dropout: &mut ChaCha8Rng,
    ) -> Vec<Gradients> {
        let Batch { shape, pixels, targets } = batch;
        let images = Tensor::from_data(TensorData::new(pixels, shape), supernet.device());
        let of =
            |path| supernet.gradients(path, images.clone(), &targets, &self.loss, &mut *dropout);
        paths.iter().map(of).collect()
    }

    /// One step of the optimizer for the parameters that took part; the others, and what is remembered of
    /// them, stay. Returns `false`, with everything as it was, if the gradients must be clipped but are not
    /// finite.
    fn apply(
        &mut self,
        supernet: &mut Supernet,
        round: Vec<Gradients>,
        rate: f64,
    ) -> Result<bool, TrainError> {
        let mut of_parameters = BTreeMap::<usize, (Tensor<1>, usize)>::new();
        for gradients in &round {
            for (parameter, gradient) in &gradients.of_parameters {
                let sum = match of_parameters.remove(parameter) {
                    Some((sum, paths)) => (sum + gradient.clone(), paths + 1),
                    None => (gradient.clone(), 1),
                };
                of_parameters.insert(*parameter, sum);
            }
        }
        let mean = |(parameter, (sum, paths)): (usize, (Tensor<1>, usize))| match paths {
            1 => (parameter, sum),
            paths => (parameter, sum.mul_scalar(1.0 / paths as f64)),
        };
        let mut of_parameters: Vec<_> = of_parameters.into_iter().map(mean).collect();
        if let Some(limit) = self.settings.clip
            && !clip(&mut of_parameters, limit)?
        {
            return Ok(false);
        }
        for gradients in &round {
            supernet.update_running(gradients);
        }
        let decays: Vec<_> = supernet.decays().collect();
        let (kind, decay) = (self.settings.optimizer, self.settings.weight_decay());
        let values = supernet.values_mut();
        for (i, gradient) in of_parameters {
            let decay = if decays[i] { decay } else { 0.0 };
            let memory = &mut self.memories[i];
            values[i] = optimizer::step(kind, rate, decay, values[i].clone(), gradient, memory);
        }
        Ok(true)
    }

    /// Makes sure that all weights are finite; a loss can be while its gradient is not.
    fn check_weights(&self, supernet: &Supernet) -> Result<(), TrainError> {
        let sums = supernet.values().iter().map(|value| value.clone().abs().sum());
        let Some(sum) = sums.reduce(|a, b| a + b) else { return Ok(()) };
        if sum.try_into_scalar::<f32>()?.is_finite() {
            return Ok(());
        }
        let Position { epoch, step, .. } = self.position;
        Err(TrainError::Diverged { epoch, step })
    }

    /// The optimizer's state and the position as a safetensors file, for a checkpoint together with
    /// [`Supernet::to_bytes`].
    ///
    /// # Errors
    /// When the device fails.
    pub fn to_bytes(&self, supernet: &Supernet) -> Result<Vec<u8>, WeightsError> {
        let mut writer = TensorWriter::default();
        let Position { epoch, step, loss_sum } = self.position;
        writer.numbers("position", &[epoch as u64, step as u64, loss_sum.to_bits()]);
        for (name, memory) in supernet.parameter_names().zip(&self.memories) {
            if memory.steps == 0 {
                continue;
            }
            writer.numbers(&format!("{name}.time"), &[memory.steps]);
            for (role, moment) in [("moment1", &memory.first), ("moment2", &memory.second)] {
                if let Some(moment) = moment {
                    writer.tensor(format!("{name}.{role}"), &moment.dims(), moment)?;
                }
            }
        }
        writer.finish()
    }

    /// Takes up what [`Self::to_bytes`] wrote for the same template.
    ///
    /// # Errors
    /// When the file is damaged or was written for another template or by another optimizer. Nothing is changed then.
    pub fn load_bytes(&mut self, supernet: &Supernet, bytes: &[u8]) -> Result<(), WeightsError> {
        let mut file = TensorFile::read(bytes)?;
        let [epoch, step, loss_sum] = file.take_numbers("position")?;
        let [first, second] = self.settings.optimizer.remembers();
        let mut memories = Vec::with_capacity(self.memories.len());
        for (name, value) in supernet.parameter_names().zip(supernet.values()) {
            if !file.has(&format!("{name}.time")) {
                memories.push(Memory::default());
                continue;
            }
            let [steps] = file.take_numbers(&format!("{name}.time"))?;
            let mut take = |role: &str, remembered: bool| {
                if file.has(&format!("{name}.{role}")) != remembered {
                    return Err(WeightsError::Optimizer);
                }
                let values =
                    remembered.then(|| file.take(&format!("{name}.{role}"), &value.dims()));
                let values = values.transpose()?;
                Ok(values.map(|values| vector(values, supernet.device())))
            };
            let (first, second) = (take("moment1", first)?, take("moment2", second)?);
            memories.push(Memory { steps, first, second });
        }
        file.finish()?;
        self.memories = memories;
        self.position = Position {
            epoch: epoch as usize,
            step: step as usize,
            loss_sum: f64::from_bits(loss_sum),
        };
        Ok(())
    }
}

/// Shortens the gradients together to the norm `limit` where they are longer; `false` if the norm is not finite.
fn clip(gradients: &mut [(usize, Tensor<1>)], limit: f64) -> Result<bool, TensorReadError> {
    let squares = gradients.iter().map(|(_, gradient)| gradient.clone().square().sum());
    let Some(square) = squares.reduce(|a, b| a + b) else { return Ok(true) };
    let norm = f64::from(square.try_into_scalar::<f32>()?).sqrt();
    if !norm.is_finite() {
        return Ok(false);
    }
    if norm > limit {
        for (_, gradient) in gradients {
            *gradient = gradient.clone().mul_scalar(limit / norm);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
