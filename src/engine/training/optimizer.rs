//! How parameters follow their gradients.
//!
//! One small implementation for all optimizers, since all of them remember up to two vectors per parameter: so
//! checkpoints are written and read in one way.

use crate::engine::named::{Named, named};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Decay of the mean gradient and of the mean square gradient in Adam, as in its paper.
const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;

/// Decay of the mean square gradient in `RMSprop`, as in PyTorch.
const ALPHA: f64 = 0.99;

/// The share of the velocity that is kept from step to step.
const MOMENTUM: f64 = 0.9;

/// Keeps divisions finite.
const EPSILON: f32 = 1e-8;

/// How parameters follow their gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OptimizerKind {
    /// Adam (Kingma and Ba 2015, arXiv 1412.6980).
    #[default]
    Adam,
    /// Adam with a weight decay of its own (Loshchilov and Hutter 2019, arXiv 1711.05101).
    AdamW,
    /// `RMSprop` (Tieleman and Hinton 2012), without momentum.
    RmsProp,
    /// Gradient descent with a momentum of 0.9.
    Momentum,
    /// Plain gradient descent; the size of a batch makes it stochastic, mini-batch or full.
    Sgd,
}

named!(OptimizerKind, "optimizer", {
    Adam => "adam", "Adam; learning rate 0.003";
    AdamW => "adamw", "Adam with decoupled weight decay of 0.01; learning rate 0.003";
    RmsProp => "rmsprop", "RMSprop; learning rate 0.001";
    Momentum => "momentum", "gradient descent with momentum 0.9; learning rate 0.02";
    Sgd => "sgd", "plain gradient descent on batches; learning rate 0.1";
});

impl OptimizerKind {
    /// A learning rate that is a good start.
    pub fn usual_rate(self) -> f64 {
        match self {
            Self::Adam | Self::AdamW => 3e-3,
            Self::RmsProp => 1e-3,
            Self::Momentum => 2e-2,
            Self::Sgd => 1e-1,
        }
    }

    /// The weight decay where none is chosen.
    pub fn usual_weight_decay(self) -> f64 {
        match self {
            Self::AdamW => 1e-2,
            Self::Adam | Self::RmsProp | Self::Momentum | Self::Sgd => 0.0,
        }
    }

    /// Whether it remembers a first and a second vector of each parameter.
    pub(super) fn remembers(self) -> [bool; 2] {
        match self {
            Self::Adam | Self::AdamW => [true, true],
            Self::RmsProp => [false, true],
            Self::Momentum => [true, false],
            Self::Sgd => [false, false],
        }
    }
}

/// The state that an optimizer keeps for one parameter.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Steps that the parameter took part in.
    pub(super) steps: u64,
    /// The mean gradient, or the velocity.
    pub(super) first: Option<Tensor<1>>,
    /// The mean square gradient.
    pub(super) second: Option<Tensor<1>>,
}

/// `old` moved towards `new`, or, without an old value, from 0 towards it.
fn blend(old: Option<Tensor<1>>, keep: f32, new: Tensor<1>) -> Tensor<1> {
    let new = new.mul_scalar(1.0 - keep);
    match old {
        Some(old) => old.mul_scalar(keep).add(new),
        None => new,
    }
}

/// One step of a parameter against its gradient, at the learning rate `rate`.
///
/// `decay` is the weight decay: `AdamW` shrinks the value by `rate * decay` of itself, all others add `decay *
/// value` to the gradient.
pub(super) fn step(
    kind: OptimizerKind,
    rate: f64,
    decay: f64,
    mut value: Tensor<1>,
    mut gradient: Tensor<1>,
    memory: &mut Memory,
) -> Tensor<1> {
    if decay > 0.0 {
        if kind == OptimizerKind::AdamW {
            value = value.mul_scalar(1.0 - rate * decay);
        } else {
            gradient = value.clone().mul_scalar(decay).add(gradient);
        }
    }
    memory.steps = memory.steps.saturating_add(1);
    let direction = match kind {
        OptimizerKind::Adam | OptimizerKind::AdamW => {
            let first = blend(memory.first.take(), BETA_1, gradient.clone());
            let second = blend(memory.second.take(), BETA_2, gradient.square());
            let steps = i32::try_from(memory.steps).unwrap_or(i32::MAX);
            // Both means begin at 0, which is corrected for.
            let root = (1.0 - BETA_2.powi(steps)).sqrt();
            let correction = root / (1.0 - BETA_1.powi(steps));
            let scale = second.clone().sqrt().add_scalar(EPSILON * root);
            let direction = first.clone().mul_scalar(correction).div(scale);
            (memory.first, memory.second) = (Some(first), Some(second));
            direction
        }
        OptimizerKind::RmsProp => {
            let second = blend(memory.second.take(), ALPHA as f32, gradient.clone().square());
            memory.second = Some(second.clone());
            gradient.div(second.sqrt().add_scalar(EPSILON))
        }
        OptimizerKind::Momentum => {
            let velocity = match memory.first.take() {
                Some(velocity) => velocity.mul_scalar(MOMENTUM).add(gradient),
                None => gradient,
            };
            memory.first = Some(velocity.clone());
            velocity
        }
        OptimizerKind::Sgd => gradient,
    };
    value - direction.mul_scalar(rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::supernet::toy::{noise, tensor};
    use burn::optim::{AdamConfig, Optimizer};

    fn numbers(tensor: Tensor<1>) -> Vec<f32> {
        tensor.try_into_vec_as().expect("floats")
    }

    /// Two steps from 1 with the gradients 2 and -1 and a rate of 0.1.
    fn two_steps(kind: OptimizerKind, decay: f64) -> [f64; 2] {
        let mut memory = Memory::default();
        let first =
            step(kind, 0.1, decay, tensor(vec![1.0], [1]), tensor(vec![2.0], [1]), &mut memory);
        let second = step(kind, 0.1, decay, first.clone(), tensor(vec![-1.0], [1]), &mut memory);
        assert_eq!([memory.first.is_some(), memory.second.is_some()], kind.remembers());
        [first, second].map(|value| numbers(value)[0].into())
    }

    fn assert_near(found: [f64; 2], wanted: [f64; 2], what: &str) {
        for (found, wanted) in found.into_iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-6, "{what}: {found} instead of {wanted}");
        }
    }

    #[test]
    fn steps_have_their_closed_forms() {
        assert_near(two_steps(OptimizerKind::Sgd, 0.0), [0.8, 0.9], "sgd");
        // Velocities 2 and 0.9 · 2 - 1.
        assert_near(two_steps(OptimizerKind::Momentum, 0.0), [0.8, 0.72], "momentum");
        // Mean squares 0.01 · 4 and 0.99 · 0.04 + 0.01.
        let second: f64 = 0.1 / 0.0496_f64.sqrt();
        assert_near(two_steps(OptimizerKind::RmsProp, 0.0), [0.0, second], "rmsprop");
        // The first step of Adam goes by the rate; in the second, the means are corrected to
        // (0.9 · 0.2 - 0.1) / 0.19 and (0.999 · 0.004 + 0.001) / 0.001999.
        let second = 0.9 - 0.1 * (0.08 / 0.19) / (0.004996_f64 / 0.001999).sqrt();
        assert_near(two_steps(OptimizerKind::Adam, 0.0), [0.9, second], "adam");
        assert_near(two_steps(OptimizerKind::AdamW, 0.0), [0.9, second], "adamw without decay");
    }

    #[test]
    fn decay_pulls_towards_zero() {
        // Gradients 2 + 0.5 · 1 and -1 + 0.5 · 0.75.
        assert_near(two_steps(OptimizerKind::Sgd, 0.5), [0.75, 0.8125], "sgd");
        // Shrinks by a twentieth before each step, whatever the gradient.
        let move_2 = 0.1 * (0.08 / 0.19) / (0.004996_f64 / 0.001999).sqrt();
        let first = 0.95 - 0.1;
        assert_near(two_steps(OptimizerKind::AdamW, 0.5), [first, 0.95 * first - move_2], "adamw");
    }

    #[test]
    fn adam_is_that_of_burn_bit_for_bit() {
        let burn = AdamConfig::new().with_epsilon(EPSILON).build();
        let start = tensor(noise(50, 0), [50]);
        let (mut ours, mut memory) = (start.clone(), Memory::default());
        let (mut theirs, mut state) = (start, None);
        for index in 1..20 {
            let gradient = tensor(noise(50, index), [50]);
            let rate = 0.01 / index as f64;
            ours = step(OptimizerKind::Adam, rate, 0.0, ours, gradient.clone(), &mut memory);
            (theirs, state) = burn.step(rate, theirs, gradient, state);
        }
        assert_eq!(numbers(ours), numbers(theirs));
    }
}
