//! What an epoch of supernet training gave.

use crate::engine::files::number_or_null;
use serde::{Deserialize, Serialize};

/// One finished epoch of supernet training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Training steps by its end, over all epochs.
    pub step: u64,
    /// Mean loss over the epoch's training batches.
    #[serde(deserialize_with = "number_or_null")]
    pub train_loss: f64,
    /// Mean loss over validation images of a few fixed paths.
    #[serde(deserialize_with = "number_or_null")]
    pub val_loss: f64,
    /// Share of validation images that those paths classify correctly, averaged over the paths; R² where
    /// numbers are predicted, see [`Evaluation::accuracy`](crate::engine::search::Evaluation::accuracy).
    #[serde(deserialize_with = "number_or_null")]
    pub val_accuracy: f64,
    /// Mean of the classes' recalls, see [`Evaluation::balanced_accuracy`](crate::engine::search::Evaluation::balanced_accuracy).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_balanced_accuracy: Option<f64>,
    /// Seconds the epoch took, validation included.
    pub seconds: f64,
}

#[cfg(test)]
impl EpochReport {
    /// A first epoch with plausible numbers.
    pub(crate) const EXAMPLE: Self = Self {
        epoch: 1,
        step: 250,
        train_loss: 2.0,
        val_loss: 1.5,
        val_accuracy: 0.3,
        val_balanced_accuracy: Some(0.25),
        seconds: 4.0,
    };
}
