//! Training of the supernet: every step trains one randomly drawn path through the template, so that all
//! nodes get weights that mean something in any company (single path one-shot with uniform sampling, Guo
//! et al. 2020, arXiv 1904.00420).
//!
//! Whatever is random in a step depends on the seed and the step's number only. A run that is stopped
//! between two steps, saved and resumed therefore equals one that was never stopped.

use super::{
    candidate,
    data::{Batch, Dataset, Split},
    loss::{Loss, LossKind},
    mask::Mask,
    report::EpochReport,
    seed,
    supernet::{
        EvaluationError, EvaluationSettings, Evaluator, Gradients, Misfit, Supernet, TensorFile,
        TensorWriter, WeightsError, vector,
    },
};
use burn::{
    optim::{Adam, AdamConfig, AdamState, AdaptiveMomentumState, Optimizer},
    tensor::{Tensor, TensorData},
};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::{
    f64::consts::PI,
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

/// Share of all steps over which the learning rate rises from 0.
const WARM_UP: f64 = 0.05;

/// What is left of the learning rate at the end.
const FINAL_RATE: f64 = 0.01;

/// How to train.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainSettings {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images a step.
    pub batch_size: usize,
    /// The highest learning rate of Adam; it rises over the first twentieth of the steps and then falls
    /// along a cosine.
    pub learning_rate: f64,
    /// What all randomness comes from.
    pub seed: u64,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self { epochs: 3, batch_size: 16, learning_rate: 3e-3, seed: 0 }
    }
}

/// One finished training step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport<'a> {
    /// The epoch, from 1.
    pub epoch: usize,
    /// The step within the epoch, from 1.
    pub step: usize,
    /// How many steps the epoch has.
    pub steps: usize,
    /// Mean cross entropy of the step's batch.
    pub loss: f64,
    /// The path that was trained.
    pub kept: &'a Mask,
}

/// Training did not come to its end.
#[derive(Debug, Error)]
pub enum TrainError {
    /// Somebody asked to stop. The step before was finished; the same epoch can be run on.
    #[error("the training was stopped")]
    Stopped,
    /// The loss is infinite or not a number. The weights are those before the step.
    #[error(
        "the training diverged in step {step} of epoch {epoch}: the loss is not a number; \
         lower learning_rate in the run.ron of the run, open the run again and go on from its last checkpoint"
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
    /// The settings make no sense.
    #[error("{0}")]
    Settings(String),
    /// The device failed.
    #[error("the device failed while training: {0}")]
    Device(String),
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

/// Trains a supernet step by step, and holds what that takes besides the weights.
pub struct Trainer {
    settings: TrainSettings,
    loss: Loss,
    optimizer: Adam,
    // One a parameter; none before its first step.
    moments: Vec<Option<AdamState<1>>>,
    position: Position,
    evaluator: Evaluator,
    probes: Vec<Mask>,
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
        if settings.batch_size == 0 {
            return Err(TrainError::Settings(
                "a batch of 0 images cannot be trained; use 1 or more".to_owned(),
            ));
        }
        if !(settings.learning_rate.is_finite() && settings.learning_rate > 0.0) {
            let rate = settings.learning_rate;
            return Err(TrainError::Settings(format!(
                "a learning rate of {rate}; use a positive number, such as 0.002"
            )));
        }
        supernet.check_data(data)?;
        let loss = Loss::new(LossKind::Auto, 0.0, data)
            .map_err(|error| TrainError::Settings(error.to_string()))?;
        let evaluator =
            Evaluator::new(supernet, data, PROBE_SETTINGS, settings.seed)?.with_loss(loss);
        let probe = |i| {
            candidate::sample_single_path(
                supernet.graph(),
                &mut seed::rng(settings.seed, "train/probe", i),
            )
        };
        Ok(Self {
            settings,
            loss,
            optimizer: AdamConfig::new().with_epsilon(1e-8).build(),
            moments: vec![None; supernet.parameter_names().count()],
            position: Position::default(),
            evaluator,
            probes: (0..PROBES as u64).map(probe).collect(),
        })
    }

    /// What training makes small, for evaluation with the same measure.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// Sets the number of epochs over which the learning rate falls, for a training that goes on longer than
    /// was planned.
    pub fn set_epochs(&mut self, epochs: usize) {
        self.settings.epochs = epochs;
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

    /// Trains for one epoch, counted from 1. An epoch that was stopped goes on where it was.
    ///
    /// `on_step` is told of every step; it may wait (a pause, whose time is not counted), or break to stop.
    ///
    /// # Errors
    /// [`TrainError::Stopped`] if `on_step` said so, [`TrainError::Diverged`] if the loss is not a number,
    /// [`TrainError::Device`] if the device fails.
    pub fn run_epoch(
        &mut self,
        supernet: &mut Supernet,
        data: &Dataset,
        epoch: usize,
        on_step: &mut dyn FnMut(StepReport<'_>) -> ControlFlow<()>,
    ) -> Result<EpochReport, TrainError> {
        let started = Instant::now();
        let mut waited = Duration::ZERO;
        if self.position.epoch != epoch {
            self.position = Position { epoch, ..Position::default() };
        }
        let TrainSettings { batch_size, seed, .. } = self.settings;
        let steps = self.steps(data);
        let mut order: Vec<_> = (0..data.train.len()).collect();
        order.shuffle(&mut seed::rng(seed, "train/order", epoch as u64));
        for (step, indices) in
            order.chunks(batch_size).enumerate().take(steps).skip(self.position.step)
        {
            let number = (epoch.saturating_sub(1) * steps + step) as u64;
            let path = candidate::sample_single_path(
                supernet.graph(),
                &mut seed::rng(seed, "train/path", number),
            );
            let Batch { shape, pixels, targets } = data.batch(Split::Train, indices);
            let images = Tensor::from_data(TensorData::new(pixels, shape), supernet.device());
            let dropout = &mut seed::rng(seed, "train/dropout", number);
            let gradients = supernet
                .gradients(&path, images, &targets, &self.loss, dropout)
                .map_err(|error| TrainError::Device(error.to_string()))?;
            let loss = gradients.loss;
            if !loss.is_finite() {
                return Err(TrainError::Diverged { epoch, step: step + 1 });
            }
            self.apply(supernet, gradients, self.learning_rate(number, steps));
            self.position.step += 1;
            self.position.loss_sum += loss;
            let told = Instant::now();
            let go_on = on_step(StepReport { epoch, step: step + 1, steps, loss, kept: &path });
            waited += told.elapsed();
            if go_on.is_break() {
                return Err(TrainError::Stopped);
            }
        }
        let validation =
            self.evaluator.evaluate_dealt_out(supernet, &self.probes, &AtomicBool::new(false))?;
        Ok(EpochReport {
            epoch,
            step: (epoch * steps) as u64,
            train_loss: self.position.loss_sum / steps as f64,
            val_loss: validation.loss,
            val_accuracy: validation.accuracy,
            val_balanced_accuracy: validation.balanced_accuracy,
            seconds: started.elapsed().saturating_sub(waited).as_secs_f64(),
        })
    }

    /// The learning rate of a step, counted from 0 over all epochs of `steps` steps.
    fn learning_rate(&self, number: u64, steps: usize) -> f64 {
        let total = (self.settings.epochs * steps).max(1) as f64;
        let warm_up = (WARM_UP * total).max(1.0);
        let done = number as f64 + 1.0;
        let factor = if done < warm_up {
            done / warm_up
        } else {
            let progress = ((done - warm_up) / (total - warm_up).max(1.0)).min(1.0);
            FINAL_RATE + (1.0 - FINAL_RATE) * (1.0 + (PI * progress).cos()) / 2.0
        };
        self.settings.learning_rate * factor
    }

    /// One step of Adam for the parameters that took part; the others, and their moments, stay.
    fn apply(&mut self, supernet: &mut Supernet, gradients: Gradients, rate: f64) {
        supernet.update_running(&gradients);
        let values = supernet.values_mut();
        for (i, gradient) in gradients.of_parameters {
            let state = self.moments[i].take();
            let (value, state) = self.optimizer.step(rate, values[i].clone(), gradient, state);
            (values[i], self.moments[i]) = (value, state);
        }
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
        for (name, state) in supernet.parameter_names().zip(&self.moments) {
            let Some(AdamState { momentum }) = state else { continue };
            writer.numbers(&format!("{name}.time"), &[momentum.time as u64]);
            for (role, moment) in [("moment1", &momentum.moment_1), ("moment2", &momentum.moment_2)]
            {
                writer.tensor(format!("{name}.{role}"), &moment.dims(), moment)?;
            }
        }
        writer.finish()
    }

    /// Takes up what [`Self::to_bytes`] wrote for the same template.
    ///
    /// # Errors
    /// When the file is damaged or was written for another template. Nothing is changed then.
    pub fn load_bytes(&mut self, supernet: &Supernet, bytes: &[u8]) -> Result<(), WeightsError> {
        let mut file = TensorFile::read(bytes)?;
        let [epoch, step, loss_sum] = file.take_numbers("position")?;
        let mut moments = Vec::with_capacity(self.moments.len());
        for (name, value) in supernet.parameter_names().zip(supernet.values()) {
            if !file.has(&format!("{name}.time")) {
                moments.push(None);
                continue;
            }
            let [time] = file.take_numbers(&format!("{name}.time"))?;
            let mut take = |role| {
                let values = file.take(&format!("{name}.{role}"), &value.dims())?;
                Ok::<_, WeightsError>(vector(values, supernet.device()))
            };
            let (first, second) = (take("moment1")?, take("moment2")?);
            moments.push(Some(AdamState::new(AdaptiveMomentumState::new(
                time as usize,
                first,
                second,
            ))));
        }
        file.finish()?;
        self.moments = moments;
        self.position = Position {
            epoch: epoch as usize,
            step: step as usize,
            loss_sum: f64::from_bits(loss_sum),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::supernet::toy::{bars, small_vgg},
        *,
    };
    use burn::tensor::Device;

    const SETTINGS: TrainSettings =
        TrainSettings { epochs: 4, batch_size: 8, learning_rate: 0.01, seed: 1 };

    fn supernet() -> Supernet {
        Supernet::new(small_vgg(), 1, &Device::flex())
    }

    fn trainer(supernet: &Supernet, data: &Dataset) -> Trainer {
        Trainer::new(supernet, data, SETTINGS).expect("fits")
    }

    /// Trains until a step says stop; the losses, and the reports of finished epochs.
    fn train(
        trainer: &mut Trainer,
        supernet: &mut Supernet,
        data: &Dataset,
        epochs: std::ops::RangeInclusive<usize>,
        stop_after: usize,
    ) -> (Vec<f64>, Vec<EpochReport>) {
        let (mut losses, mut reports) = (Vec::new(), Vec::new());
        for epoch in epochs {
            let result = trainer.run_epoch(supernet, data, epoch, &mut |step| {
                losses.push(step.loss);
                if losses.len() == stop_after {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            match result {
                Ok(report) => reports.push(report),
                Err(error) => {
                    assert!(matches!(error, TrainError::Stopped), "{error}");
                    break;
                }
            }
        }
        (losses, reports)
    }

    fn state(trainer: &Trainer, supernet: &Supernet) -> [Vec<u8>; 2] {
        [
            supernet.to_bytes().expect("the CPU answers"),
            trainer.to_bytes(supernet).expect("the CPU answers"),
        ]
    }

    #[test]
    fn training_learns_to_tell_bars_apart() {
        let (data, mut supernet) = (bars(128, 64), supernet());
        let mut trainer = trainer(&supernet, &data);
        let (losses, reports) = train(&mut trainer, &mut supernet, &data, 1..=4, usize::MAX);
        assert_eq!(losses.len(), 4 * 16);
        let (first, last) = (reports[0], reports[3]);
        assert!(
            last.train_loss < first.train_loss && last.val_loss < first.val_loss,
            "{reports:?}"
        );
        assert!(last.val_accuracy > 0.9, "{reports:?}");
        assert_eq!((last.epoch, trainer.position()), (4, (4, 16)));
    }

    #[test]
    fn equal_seeds_give_equal_bits() {
        let data = bars(64, 16);
        let run = || {
            let mut supernet = supernet();
            let mut trainer = trainer(&supernet, &data);
            let (losses, reports) = train(&mut trainer, &mut supernet, &data, 1..=2, usize::MAX);
            (
                losses,
                reports.iter().map(|r| (r.val_loss, r.val_accuracy)).collect::<Vec<_>>(),
                state(&trainer, &supernet),
            )
        };
        assert!(run() == run());
    }

    #[test]
    fn a_step_changes_the_nodes_of_its_path_only() {
        let (data, mut supernet) = (bars(16, 8), supernet());
        let mut trainer = trainer(&supernet, &data);
        let snapshot = |supernet: &Supernet| -> Vec<Vec<f32>> {
            supernet.values().iter().map(|value| value.try_to_vec_as().expect("floats")).collect()
        };
        let before = snapshot(&supernet);
        let mut path = None;
        let result = trainer.run_epoch(&mut supernet, &data, 1, &mut |step| {
            path = Some(step.kept.clone());
            ControlFlow::Break(())
        });
        assert!(matches!(result, Err(TrainError::Stopped)));
        let path = path.expect("a step");
        let names: Vec<_> = supernet.parameter_names().map(str::to_owned).collect();
        for ((name, before), after) in names.iter().zip(before).zip(snapshot(&supernet)) {
            let id = name.split('.').next().expect("an id");
            let node = supernet.graph().index_of(&id.into()).expect("a node");
            assert_eq!(before != after, path.contains(node), "{name} with {path:?}");
        }
    }

    #[test]
    fn a_resumed_training_equals_an_uninterrupted_one() {
        let data = bars(64, 16);
        let mut whole = supernet();
        let mut whole_trainer = trainer(&whole, &data);
        let (_, whole_reports) = train(&mut whole_trainer, &mut whole, &data, 1..=2, usize::MAX);

        let mut stopped = supernet();
        let mut stopped_trainer = trainer(&stopped, &data);
        train(&mut stopped_trainer, &mut stopped, &data, 1..=2, 11);
        assert_eq!(stopped_trainer.position(), (2, 3));
        let [weights, optimizer] = state(&stopped_trainer, &stopped);

        let mut resumed = Supernet::new(small_vgg(), 77, &Device::flex());
        resumed.load_bytes(&weights).expect("the same template");
        let mut resumed_trainer = trainer(&resumed, &data);
        resumed_trainer.load_bytes(&resumed, &optimizer).expect("the same template");
        let (losses, reports) = train(&mut resumed_trainer, &mut resumed, &data, 2..=2, usize::MAX);
        assert_eq!(losses.len(), 5);
        assert!(state(&whole_trainer, &whole) == state(&resumed_trainer, &resumed));
        assert_eq!(reports[0].train_loss, whole_reports[1].train_loss);
        assert_eq!(reports[0].val_loss, whole_reports[1].val_loss);
    }

    #[test]
    fn an_optimizer_state_of_another_template_is_refused() {
        let (data, mut supernet) = (bars(16, 8), supernet());
        let mut trainer = trainer(&supernet, &data);
        train(&mut trainer, &mut supernet, &data, 1..=1, usize::MAX);
        let [weights, optimizer] = state(&trainer, &supernet);
        trainer.load_bytes(&supernet, &weights).expect_err("weights are no optimizer state");
        trainer.load_bytes(&supernet, &optimizer[..20]).expect_err("a damaged file");
        assert_eq!(trainer.to_bytes(&supernet).expect("the CPU answers"), optimizer);
    }

    #[test]
    fn a_loss_that_is_no_number_stops_with_the_weights_as_they_were() {
        let (data, mut supernet) = (bars(16, 8), supernet());
        let mut trainer = trainer(&supernet, &data);
        for value in supernet.values_mut() {
            *value = value.clone().mul_scalar(f32::NAN);
        }
        let result = trainer.run_epoch(&mut supernet, &data, 1, &mut |_| ControlFlow::Continue(()));
        assert!(matches!(result, Err(TrainError::Diverged { epoch: 1, step: 1 })), "{result:?}");
        assert_eq!(trainer.position(), (1, 0));
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let (data, supernet) = (bars(16, 8), supernet());
        for wrong in [
            TrainSettings { batch_size: 0, ..SETTINGS },
            TrainSettings { learning_rate: 0.0, ..SETTINGS },
            TrainSettings { learning_rate: f64::NAN, ..SETTINGS },
        ] {
            assert!(matches!(Trainer::new(&supernet, &data, wrong), Err(TrainError::Settings(_))));
        }
    }

    #[test]
    fn the_learning_rate_rises_and_falls_along_a_cosine() {
        let (data, supernet) = (bars(160, 8), supernet());
        let trainer = trainer(&supernet, &data);
        // 4 epochs of 20 steps: 4 steps of warm-up, 76 of cosine.
        let rate = |number| trainer.learning_rate(number, 20);
        assert!((rate(0) - 0.0025).abs() < 1e-12 && (rate(3) - 0.01).abs() < 1e-12);
        assert!((rate(41) - 0.00505).abs() < 1e-12, "{}", rate(41));
        assert!((rate(79) - 0.0001).abs() < 1e-12 && (rate(200) - 0.0001).abs() < 1e-12);
    }
}
