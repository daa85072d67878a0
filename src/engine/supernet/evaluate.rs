//! How good a candidate is with the weights it inherits: batch-norm statistics are gathered again for it,
//! then it classifies validation images.

use super::{Misfit, On, Sharing, Supernet, sharing::MOST_KEPT, tally::Tally};
use crate::engine::{
    compute::Statistics,
    data::{Batch, Dataset, Packed, Split, Targets},
    loss::Loss,
    mask::Mask,
    search::Evaluation,
    seed,
};
use burn::tensor::{Device, Tensor, TensorData};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use thiserror::Error;

/// How much data an evaluation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationSettings {
    /// Validation images, at most; all where there are fewer.
    pub images: usize,
    /// Training batches from which a candidate's batch-norm statistics are gathered; with 0, the running
    /// statistics of training are used, which mix those of all candidates.
    pub recalibration_batches: usize,
    /// Images that are run at once.
    pub batch_size: usize,
}

impl Default for EvaluationSettings {
    fn default() -> Self {
        Self { images: 1000, recalibration_batches: 4, batch_size: 128 }
    }
}

/// An evaluation did not come to its end.
#[derive(Debug, Error)]
pub enum EvaluationError {
    /// The control asked to stop.
    #[error("the evaluation was stopped")]
    Stopped,
    /// Data and template do not belong together.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The device failed.
    #[error(
        "the device failed while evaluating a candidate: {0}; try again, or use another device"
    )]
    Device(String),
}

/// The most bytes of images that stay on the device as floats between evaluations; others are packed, and unpacked
/// again each time.
const MOST_ON_DEVICE: usize = 64 << 20;

/// A batch of images that every candidate is given.
pub(super) struct Stock {
    packed: Packed,
    // [batch, channels, height, width]
    on_device: Option<Tensor<4>>,
    device: Device,
}

impl Stock {
    fn new(packed: Packed, device: &Device, stays: bool) -> Self {
        let on_device = stays.then(|| tensor(packed.batch(), device));
        Self { packed, on_device, device: device.clone() }
    }

    /// The images, `[batch, channels, height, width]`.
    pub(super) fn images(&self) -> Tensor<4> {
        self.on_device.clone().unwrap_or_else(|| tensor(self.packed.batch(), &self.device))
    }

    /// Their classes or numbers.
    pub(super) fn targets(&self) -> &Targets {
        self.packed.targets()
    }
}

/// Validation and recalibration images, the same for all candidates.
pub struct Evaluator {
    pub(super) validation: Vec<Stock>,
    // Batches of equal size.
    pub(super) recalibration: Vec<Stock>,
    pub(super) loss: Loss,
    /// The most bytes of results that are kept from one candidate to the next.
    pub(super) most_kept: usize,
}

impl Evaluator {
    /// Puts the images on the supernet's device. Which ones, where there are more than the settings ask
    /// for, depends on `seed` only.
    ///
    /// # Errors
    /// When the data does not fit the template.
    pub fn new(
        supernet: &Supernet,
        data: &Dataset,
        settings: EvaluationSettings,
        seed: u64,
    ) -> Result<Self, EvaluationError> {
        Self::with_loss(supernet, data, settings, seed, Loss::usual(data))
    }

    /// The same, with `loss` instead of the one that is usual for the data.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_loss(
        supernet: &Supernet,
        data: &Dataset,
        settings: EvaluationSettings,
        seed: u64,
        loss: Loss,
    ) -> Result<Self, EvaluationError> {
        supernet.check_data(data, &loss)?;
        let batch_size = settings.batch_size.max(1);
        let choose = |split: Split, most: usize| {
            let mut indices: Vec<_> = (0..data.split(split).len()).collect();
            indices.shuffle(&mut seed::rng(seed, &format!("evaluation/{split:?}"), 0));
            indices.truncate(most);
            indices
        };
        let judged = choose(Split::Val, settings.images.max(1));
        let seen = choose(Split::Train, settings.recalibration_batches.saturating_mul(batch_size));
        let values = (judged.len() + seen.len()).saturating_mul(data.train.image_size());
        let stays = values.saturating_mul(size_of::<f32>()) <= MOST_ON_DEVICE;
        let stock = |split: Split, indices: &[usize]| {
            Stock::new(data.pack(split, indices), supernet.device(), stays)
        };
        let validation =
            judged.chunks(batch_size).map(|indices| stock(Split::Val, indices)).collect();
        // Batches count alike, so they must be of one size: a small rest is left out.
        let size = batch_size.min(seen.len()).max(1);
        let recalibration =
            seen.chunks_exact(size).map(|indices| stock(Split::Train, indices)).collect();
        Ok(Self { validation, recalibration, loss, most_kept: MOST_KEPT })
    }

    /// The same, with at most `bytes` for results that are kept from one candidate to the next; how many are does not
    /// change what is computed.
    pub fn within(self, bytes: usize) -> Self {
        Self { most_kept: MOST_KEPT.min(bytes), ..self }
    }

    /// The valid candidates `masks`, to be evaluated one after the other without computing twice what they
    /// have in common. The supernet stays as it is.
    pub fn share(&self, supernet: &Supernet, masks: &[Mask]) -> Sharing {
        Sharing::new(self.on(supernet), masks)
    }

    /// What evaluates candidates that [share](Self::share).
    pub fn on<'a>(&'a self, supernet: &'a Supernet) -> On<'a> {
        On { evaluator: self, supernet }
    }

    /// Accuracy and loss of the valid candidate `mask`. The supernet stays as it is.
    ///
    /// # Errors
    /// [`EvaluationError::Stopped`] soon after `stop` becomes true (it is looked at between batches), or
    /// when the device fails.
    pub fn evaluate(
        &self,
        supernet: &Supernet,
        mask: &Mask,
        stop: &AtomicBool,
    ) -> Result<Evaluation, EvaluationError> {
        self.share(supernet, std::slice::from_ref(mask)).evaluate(self.on(supernet), 0, stop)
    }

    /// Mean accuracy and loss when the validation batches are dealt out among `masks`: one look at each
    /// image, whatever their number.
    pub(in crate::engine) fn evaluate_dealt_out(
        &self,
        supernet: &Supernet,
        masks: &[Mask],
        stop: &AtomicBool,
    ) -> Result<Evaluation, EvaluationError> {
        let masks = &masks[..masks.len().min(self.validation.len())];
        let mut sharing = self.share(supernet, masks);
        let mut tally = Tally::new(self.loss);
        for candidate in 0..masks.len() {
            let dealt = (candidate..self.validation.len()).step_by(masks.len());
            sharing.tally(self.on(supernet), candidate, dealt, &mut tally, stop)?;
            sharing.forget_validation();
        }
        Ok(tally.finish())
    }
}

/// Mean and variance over all batches together (law of total variance); `None` without batches.
pub(super) fn pool(batches: &[Statistics]) -> Option<Statistics> {
    let share = 1.0 / batches.len() as f64;
    let average = |values: &mut dyn Iterator<Item = Tensor<1>>| {
        values.reduce(|sum, value| sum + value).map(|sum| sum.mul_scalar(share))
    };
    let mean = average(&mut batches.iter().map(|batch| batch.mean.clone()))?;
    let variance = average(
        &mut batches
            .iter()
            .map(|batch| batch.variance.clone() + (batch.mean.clone() - mean.clone()).square()),
    )?;
    Some(Statistics { mean, variance })
}

pub(super) fn go_on(stop: &AtomicBool) -> Result<(), EvaluationError> {
    if stop.load(Ordering::Relaxed) { Err(EvaluationError::Stopped) } else { Ok(()) }
}

fn tensor(batch: Batch, device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(batch.pixels, batch.shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooled_statistics_are_those_of_all_images_together() {
        let device = Device::flex();
        let tensor = |values: [f32; 2]| Tensor::<1>::from_floats(values, &device);
        // Channel 0: batches {0, 2} and {4, 6}; channel 1: the same batch twice.
        let batches = [
            Statistics { mean: tensor([1.0, 5.0]), variance: tensor([1.0, 2.0]) },
            Statistics { mean: tensor([5.0, 5.0]), variance: tensor([1.0, 2.0]) },
        ];
        let pooled = pool(&batches).expect("there are batches");
        assert_eq!(pooled.mean.try_into_vec_as::<f32>().expect("two numbers"), [3.0, 5.0]);
        assert_eq!(pooled.variance.try_into_vec_as::<f32>().expect("two numbers"), [5.0, 2.0]);
        assert!(pool(&[]).is_none());
    }
}
