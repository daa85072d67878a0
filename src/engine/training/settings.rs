//! How to train, as it is chosen and as it stands in `run.ron`.

use super::{Augment, OptimizerKind, PathPolicy, Schedule};
use crate::engine::{
    data::Dataset,
    loss::{Loss, LossError, LossKind},
    template::NodeId,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How to train.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainSettings {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images per step: 1 for stochastic gradient descent in the strict sense, [`ALL_IMAGES`](Self::ALL_IMAGES) for
    /// gradient descent, and something between for mini-batches.
    #[serde(with = "images_or_all")]
    pub batch_size: usize,
    /// The highest learning rate, before the schedule.
    pub learning_rate: f64,
    /// The seed of all randomness.
    pub seed: u64,
    /// Which paths a step trains; runs of programs that knew of one policy only have it.
    #[serde(default = "first_policy")]
    pub policy: PathPolicy,
    /// The loss that training minimises.
    pub loss: LossKind,
    /// The share of every image's probability that is spread evenly over all classes.
    pub label_smoothing: f64,
    /// How weights follow their gradients.
    pub optimizer: OptimizerKind,
    /// How the learning rate changes in the course of the training.
    pub schedule: Schedule,
    /// By how much weights are pulled towards 0; what is usual for the optimizer where it is left out.
    pub weight_decay: Option<f64>,
    /// The longest gradient, as the Euclidean norm over all parameters of a step; longer ones are shortened
    /// to it. No limit where it is left out.
    pub clip: Option<f64>,
    /// Random changes of training images.
    pub augment: Augment,
}

impl Default for TrainSettings {
    fn default() -> Self {
        let optimizer = OptimizerKind::default();
        Self {
            epochs: 3,
            batch_size: 16,
            learning_rate: optimizer.usual_rate(),
            seed: 0,
            policy: PathPolicy::default(),
            loss: LossKind::default(),
            label_smoothing: 0.0,
            optimizer,
            schedule: Schedule::default(),
            weight_decay: None,
            clip: None,
            augment: Augment::default(),
        }
    }
}

fn first_policy() -> PathPolicy {
    PathPolicy::Single
}

/// How long the steps of a training may be; the part of the settings that may change in the course of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepLength {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// The longest gradient, if there is a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
}

/// Settings that make no sense, or not for the data.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SettingsError {
    /// No images.
    #[error("a batch of 0 images cannot be trained; use 1 or more")]
    BatchSize,
    /// No positive number.
    #[error("a learning rate of {0}; use a positive number, such as 0.002")]
    LearningRate(f64),
    /// A negative number, or none.
    #[error("a weight decay of {0}; use 0 or a positive number, such as 0.0005")]
    WeightDecay(f64),
    /// No positive number.
    #[error("gradients clipped to a norm of {0}; use a positive number, such as 5, or no clipping")]
    Clip(f64),
    /// Rows of a table cannot be augmented.
    #[error(
        "the rows of {data} are no images that could be cropped or flipped; leave augmentation out"
    )]
    Augment {
        /// The data set.
        data: String,
    },
    /// A batch normalisation gets one value per channel, which is 0 once it is normalised.
    #[error(
        "a batch of one image has one value per channel for the batch normalisation of `{0}`, which learns nothing from \
         it; use a batch size of 2 or more"
    )]
    LoneValues(NodeId),
    /// The loss does not go with the data.
    #[error(transparent)]
    Loss(#[from] LossError),
}

/// A number of images, or all of them, which files call `"all"`.
mod images_or_all {
    use super::TrainSettings;
    use serde::{Deserializer, Serializer, de};
    use std::fmt;

    const ALL: &str = "all";

    pub(super) fn serialize<S: Serializer>(
        images: &usize,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match *images {
            TrainSettings::ALL_IMAGES => serializer.serialize_str(ALL),
            images => serializer.serialize_u64(images as u64),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<usize, D::Error> {
        deserializer.deserialize_any(Images)
    }

    struct Images;

    impl de::Visitor<'_> for Images {
        type Value = usize;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a number of images, or \"{ALL}\"")
        }

        fn visit_u64<E: de::Error>(self, images: u64) -> Result<usize, E> {
            usize::try_from(images)
                .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(images), &self))
        }

        fn visit_i64<E: de::Error>(self, images: i64) -> Result<usize, E> {
            usize::try_from(images)
                .map_err(|_| E::invalid_value(de::Unexpected::Signed(images), &self))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<usize, E> {
            match text {
                ALL => Ok(TrainSettings::ALL_IMAGES),
                _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
            }
        }
    }
}

impl TrainSettings {
    /// The batch size that stands for all training images.
    pub const ALL_IMAGES: usize = usize::MAX;

    /// The weight decay, as it was chosen or as it is usual.
    pub fn weight_decay(&self) -> f64 {
        self.weight_decay.unwrap_or(self.optimizer.usual_weight_decay())
    }

    /// How long steps may be.
    pub fn step_length(&self) -> StepLength {
        StepLength { learning_rate: self.learning_rate, clip: self.clip }
    }

    /// The same settings with steps of another length.
    pub fn retuned(self, length: StepLength) -> Self {
        let StepLength { learning_rate, clip } = length;
        Self { learning_rate, clip, ..self }
    }

    /// Whether the settings make sense, whatever the data.
    ///
    /// # Errors
    /// When a number is out of its range.
    pub fn check_alone(&self) -> Result<(), SettingsError> {
        let positive = |number: f64| number.is_finite() && number > 0.0;
        if self.batch_size == 0 {
            return Err(SettingsError::BatchSize);
        }
        if !positive(self.learning_rate) {
            return Err(SettingsError::LearningRate(self.learning_rate));
        }
        let decay = self.weight_decay();
        if !(positive(decay) || decay == 0.0) {
            return Err(SettingsError::WeightDecay(decay));
        }
        match self.clip.filter(|&clip| !positive(clip)) {
            Some(clip) => Err(SettingsError::Clip(clip)),
            None => Ok(()),
        }
    }

    /// The loss for `data`, if all settings make sense for it.
    pub(super) fn check(&self, data: &Dataset) -> Result<Loss, SettingsError> {
        self.check_alone()?;
        let [_, height, width] = data.shape();
        if self.augment != Augment::default() && height * width == 1 {
            return Err(SettingsError::Augment { data: data.name.clone() });
        }
        Ok(Loss::new(self.loss, self.label_smoothing, data)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::supernet::toy::bars;

    #[test]
    fn settings_of_older_runs_are_read_and_new_ones_come_back() {
        let old = "(epochs: 5, batch_size: 16, learning_rate: 0.003, seed: 7)";
        let settings: TrainSettings = ron::from_str(old).expect("is read");
        let policy = PathPolicy::Single;
        let as_then = TrainSettings { epochs: 5, seed: 7, policy, ..TrainSettings::default() };
        assert_eq!(settings, as_then, "what is the default now does not change an old run");
        let named: TrainSettings = ron::from_str("(policy: Auto)").expect("is read");
        assert_eq!(named, TrainSettings::default());
        let all = TrainSettings {
            policy: PathPolicy::Sandwich,
            loss: LossKind::Focal,
            label_smoothing: 0.1,
            optimizer: OptimizerKind::Momentum,
            schedule: Schedule::Step,
            weight_decay: Some(5e-4),
            clip: Some(5.0),
            augment: Augment { crop: true, flip: false },
            ..settings
        };
        let text = ron::to_string(&all).expect("is written");
        assert_eq!(ron::from_str::<TrainSettings>(&text).expect("is read"), all);
        ron::from_str::<TrainSettings>("(momentum: 1)").expect_err("an unknown field");
    }

    #[test]
    fn a_batch_of_all_images_is_called_so_in_files() {
        let all = TrainSettings { batch_size: TrainSettings::ALL_IMAGES, ..Default::default() };
        let text = ron::to_string(&all).expect("is written");
        assert!(text.contains("batch_size:\"all\""), "{text}");
        assert_eq!(ron::from_str::<TrainSettings>(&text).expect("is read"), all);
        let text = ron::to_string(&TrainSettings::default()).expect("is written");
        assert!(text.contains("batch_size:16"), "{text}");
        for wrong in ["-1", "1.5", "\"every\"", "None"] {
            let text = format!("(batch_size: {wrong})");
            let error = ron::from_str::<TrainSettings>(&text).expect_err("is refused");
            assert!(error.to_string().contains("or \"all\""), "{error}");
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let data = bars(16, 8);
        let good = TrainSettings::default();
        good.check(&data).expect("the defaults make sense");
        for (wrong, says) in [
            (TrainSettings { batch_size: 0, ..good }, "batch of 0"),
            (TrainSettings { learning_rate: 0.0, ..good }, "learning rate of 0"),
            (TrainSettings { learning_rate: f64::NAN, ..good }, "learning rate of NaN"),
            (TrainSettings { weight_decay: Some(-1.0), ..good }, "weight decay of -1"),
            (TrainSettings { clip: Some(0.0), ..good }, "norm of 0"),
            (TrainSettings { label_smoothing: 1.0, ..good }, "label smoothing of 1"),
        ] {
            let message = wrong.check(&data).expect_err("is refused").to_string();
            assert!(message.contains(says), "{message}");
        }
    }
}
