//! Leaving out values at random.

use super::{
    Effect, Learned, Own, Shape,
    field::{Field, Kind, field},
    operation::{Face, Family, Operation, Place},
    shape::Misfit,
};
use crate::engine::compute::{Activation, Pass};
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Zeroes a share of the values in training, does nothing in evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Probability that a value is zeroed, in `0..1`.
    pub rate: f64,
}

/// Zeroes each value with probability `rate` and scales the rest up, so that the mean stays. The mask
/// is drawn here and not by the backend, whose generators differ from device to device.
fn drop_out<const D: usize>(x: Tensor<D>, rate: f64, rng: &mut ChaCha8Rng) -> Tensor<D> {
    let kept = (1.0 / (1.0 - rate)) as f32;
    let shape = x.shape();
    let mask: Vec<f32> =
        (0..shape.num_elements()).map(|_| if rng.random_bool(rate) { 0.0 } else { kept }).collect();
    let mask = Tensor::<D>::from_data(TensorData::new(mask, shape), &x.device().without_autodiff());
    x * mask
}

impl Operation for Dropout {
    const NAME: &'static str = "dropout";
    const FAMILY: Family = Family::Dense;
    const WHAT: &'static str =
        "Zeroes a share of the values in training, does nothing in evaluation.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[
        field!(rate: Kind::Number { least: 0.0, below: 1.0 }, "", "Probability that a value is zeroed"),
    ];

    fn example() -> Self {
        Self { rate: 0.5 }
    }

    fn face(&self) -> Face {
        Face {
            name: Self::NAME,
            window: String::new(),
            short: self.rate.to_string(),
            long: format!("{:.0} %", self.rate * 100.0),
        }
    }

    fn parts(&self) -> Vec<&'static str> {
        vec![Self::NAME]
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        Ok(input)
    }

    fn learned(&self, _input: Shape) -> Learned {
        Learned::NOTHING
    }

    fn flops(&self, _input: Shape, _output: Shape) -> u64 {
        // Of evaluation.
        0
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        let Some(rng) = &mut pass.dropout else { return x };
        match x {
            Activation::Image(x) => {
                // In one order, whoever computes.
                let x = drop_out(pass.image.leave(x), self.rate, rng);
                Activation::Image(pass.image.enter(x))
            }
            Activation::Flat(x) => Activation::Flat(drop_out(x, self.rate, rng)),
        }
    }
}
