//! Leaving out values at random.

use super::{
    Effect, Learned, Own, Shape,
    field::{Field, Kind, field},
    operation::{Face, Family, Operation, Place},
    shape::Misfit,
};
use crate::engine::compute::{Activation, MaskKey, Pass};
use serde::{Deserialize, Serialize};

/// Zeroes a share of the values in training, does nothing in evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Probability that a value is zeroed, in `0..1`.
    pub rate: f64,
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
        Effect::PassesOnInEvaluation
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        let Some(rng) = &mut pass.dropout else { return x };
        let key = MaskKey::draw(rng);
        match x {
            Activation::Image(x) => {
                // In one order on every device.
                let x = pass.image.leave(x);
                let mask =
                    key.mask(x.dims(), self.rate, pass.image, &x.device().without_autodiff());
                Activation::Image(pass.image.enter(x * mask))
            }
            Activation::Flat(x) => {
                let mask =
                    key.mask(x.dims(), self.rate, pass.image, &x.device().without_autodiff());
                Activation::Flat(x * mask)
            }
        }
    }
}
