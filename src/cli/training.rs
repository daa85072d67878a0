//! How to train, on the command line.

use super::arguments::number;
use crate::engine::{
    lab::{Lab, LabError},
    loss::LossKind,
    named::Named,
    training::{Augment, OptimizerKind, PathPolicy, Schedule, StepLength, TrainSettings},
};
use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser},
};

/// Arguments on how to train. A resumed run keeps the settings it was started with, except for the learning rate and
/// the clipping of gradients where these are given.
#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub(super) struct TrainingArgs {
    /// Which paths a step trains [default: auto].
    #[arg(long, value_name = "POLICY", value_parser = named::<PathPolicy>(), conflicts_with = "resume")]
    policy: Option<PathPolicy>,
    /// What training makes small; numbers to predict take auto, mean-square, mean-absolute or mean-square-log
    /// [default: auto].
    #[arg(long, value_name = "LOSS", value_parser = named::<LossKind>(), conflicts_with = "resume")]
    loss: Option<LossKind>,
    /// Share of every image's probability that is spread over all classes, for cross-entropy and
    /// kl-divergence [default: 0].
    #[arg(long, value_name = "SHARE", value_parser = number(), conflicts_with = "resume")]
    label_smoothing: Option<f64>,
    /// How weights follow their gradients [default: adam].
    #[arg(long, value_name = "OPTIMIZER", value_parser = named::<OptimizerKind>(), conflicts_with = "resume")]
    optimizer: Option<OptimizerKind>,
    /// The highest learning rate; with --resume, from here on [default: what is usual for the optimizer].
    #[arg(long, value_name = "RATE", value_parser = number(), allow_negative_numbers = true)]
    learning_rate: Option<f64>,
    /// How the learning rate changes [default: cosine].
    #[arg(long, value_name = "SCHEDULE", value_parser = named::<Schedule>(), conflicts_with = "resume")]
    schedule: Option<Schedule>,
    /// Images per step: 1 is stochastic gradient descent, more is mini-batch, `all` is gradient descent
    /// [default: 16].
    #[arg(long, value_name = "N|all", value_parser = ValueParser::new(batch_size), conflicts_with = "resume")]
    batch_size: Option<usize>,
    /// By how much weights are pulled towards 0 [default: 0.01 with adamw, else 0].
    #[arg(long, value_name = "DECAY", value_parser = number(), allow_negative_numbers = true, conflicts_with = "resume")]
    weight_decay: Option<f64>,
    /// Shorten longer gradients to this norm; with --resume, from here on [default: no limit].
    #[arg(long, value_name = "NORM", value_parser = number(), allow_negative_numbers = true)]
    clip: Option<f64>,
    /// Change training images at random: crop (move them by up to an eighth), flip (mirror them), or both as
    /// crop,flip.
    #[arg(
        long,
        value_name = "WHAT",
        value_delimiter = ',',
        value_parser = ["crop", "flip"],
        conflicts_with = "resume"
    )]
    augment: Vec<String>,
}

impl TrainingArgs {
    /// The settings, with the usual ones where nothing is said.
    pub(super) fn settings(&self) -> TrainSettings {
        let usual = TrainSettings::default();
        let optimizer = self.optimizer.unwrap_or(usual.optimizer);
        let changes =
            |what: &str| self.augment.iter().any(|given| given.eq_ignore_ascii_case(what));
        TrainSettings {
            policy: self.policy.unwrap_or(usual.policy),
            loss: self.loss.unwrap_or(usual.loss),
            label_smoothing: self.label_smoothing.unwrap_or(usual.label_smoothing),
            optimizer,
            learning_rate: self.learning_rate.unwrap_or(optimizer.usual_rate()),
            schedule: self.schedule.unwrap_or(usual.schedule),
            batch_size: self.batch_size.unwrap_or(usual.batch_size),
            weight_decay: self.weight_decay,
            clip: self.clip,
            augment: Augment { crop: changes("crop"), flip: changes("flip") },
            ..usual
        }
    }

    /// The arguments that are given.
    pub(super) fn given(&self) -> Vec<&'static str> {
        [
            ("--policy", self.policy.is_some()),
            ("--loss", self.loss.is_some()),
            ("--label-smoothing", self.label_smoothing.is_some()),
            ("--optimizer", self.optimizer.is_some()),
            ("--learning-rate", self.learning_rate.is_some()),
            ("--schedule", self.schedule.is_some()),
            ("--batch-size", self.batch_size.is_some()),
            ("--weight-decay", self.weight_decay.is_some()),
            ("--clip", self.clip.is_some()),
            ("--augment", !self.augment.is_empty()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }

    /// Changes how a resumed run trains from here on, as far as that is given; says whether it is something new.
    pub(super) fn retune(&self, lab: &mut Lab) -> Result<bool, LabError> {
        let before = lab.training();
        lab.retune(StepLength {
            learning_rate: self.learning_rate.unwrap_or(before.learning_rate),
            clip: self.clip.or(before.clip),
        })
    }
}

/// Images per step: a number from 1 on, or `all`.
fn batch_size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("all") {
        return Ok(TrainSettings::ALL_IMAGES);
    }
    match text.parse::<u32>() {
        Ok(size @ 1..) => Ok(size as usize),
        _ => Err("give a number of images from 1 on, or `all`".to_owned()),
    }
}

/// Reads one of a few choices by its name.
pub(super) fn named<T: Named + Send + Sync>() -> impl TypedValueParser<Value = T> {
    let choices =
        T::ALL.iter().map(|choice| PossibleValue::new(choice.name()).help(choice.about()));
    PossibleValuesParser::new(choices.collect::<Vec<_>>())
        .try_map(|name| T::from_name(&name).ok_or_else(|| format!("no such {}", T::WHAT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_some_images_or_all() {
        assert_eq!(batch_size("1"), Ok(1));
        assert_eq!(batch_size("4096"), Ok(4096));
        assert_eq!(batch_size("all"), Ok(TrainSettings::ALL_IMAGES));
        assert_eq!(batch_size("ALL"), Ok(TrainSettings::ALL_IMAGES));
        assert_eq!((batch_size(" all"), batch_size("8 ")), (Ok(TrainSettings::ALL_IMAGES), Ok(8)));
        for wrong in ["0", "-1", "", "every", "1.5", "99999999999"] {
            assert!(batch_size(wrong).is_err_and(|error| error.contains("`all`")), "{wrong}");
        }
    }
}
