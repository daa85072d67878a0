//! What is said of settings, of training and of weights.

use super::keep_each;
use crate::engine::{
    benchmark::BenchmarkError,
    device::{DeviceChoice, DeviceError},
    loss::{LossError, LossKind},
    supernet::{EvaluationError, Misfit, WeightsError},
    training::{SettingsError, TrainError},
};
use safetensors::SafeTensors;

#[test]
fn settings_are_refused_in_these_words() {
    let loss = LossError::NeedsClasses { loss: LossKind::Hinge, data: "csv:rows.csv".to_owned() };
    keep_each!(
        SettingsError,
        BatchSize,
        LearningRate(-1.0),
        WeightDecay(f64::NAN),
        Clip(0.0),
        Augment { data: "csv:rows.csv".to_owned() },
        LoneValues("norm".into()),
        Loss(loss.clone()),
    );
    keep_each!(
        LossError,
        NeedsClasses { loss: LossKind::Hinge, data: "csv:rows.csv".to_owned() },
        Negative { data: "csv:rows.csv".to_owned(), number: -0.5 },
        Smoothing { loss: LossKind::Focal },
        SmoothingRange(1.5),
    );
}

#[test]
fn training_ends_early_in_these_words() {
    keep_each!(
        TrainError,
        Stopped,
        Diverged { epoch: 2, step: 7 },
        Misfit(Misfit::Number { found: 10 }),
        Settings(SettingsError::BatchSize),
        Device("out of memory".to_owned()),
    );
    keep_each!(
        EvaluationError,
        Stopped,
        Misfit(Misfit::Number { found: 10 }),
        Device("out of memory".to_owned()),
    );
    keep_each!(
        Misfit,
        Shape { wanted: [1, 28, 28], found: [3, 32, 32] },
        Classes { wanted: 10, found: 100 },
        Number { found: 10 },
    );
}

#[test]
fn weights_are_refused_in_these_words() {
    let damaged = SafeTensors::deserialize(&[1; 16]).expect_err("is none");
    keep_each!(
        WeightsError,
        Format(damaged),
        Optimizer,
        Missing("stem.0.weight".to_owned()),
        Unexpected { first: "stem.0.weight".to_owned(), others: 0 },
        Unexpected { first: "stem.0.weight".to_owned(), others: 12 },
        Unfit {
            name: "stem.0.weight".to_owned(),
            wanted: "16×3×3×3 of F32".to_owned(),
            found: "16×1×3×3 of F32".to_owned()
        },
        Device("out of memory".to_owned()),
    );
}

#[test]
fn devices_and_benchmarks_are_refused_in_these_words() {
    keep_each!(
        DeviceError,
        Unknown("gpu".to_owned()),
        NotCompiledIn { choice: DeviceChoice::Cuda(0), feature: "cuda" },
        NoAnswer { choice: DeviceChoice::Wgpu(1), reason: "no adapter found".to_owned() },
    );
    keep_each!(
        BenchmarkError,
        UnknownAlgorithm("annealing".to_owned()),
        NoBudget,
        TooLarge { budget: 500, functions: 240 },
        Nothing("a budget"),
    );
}
