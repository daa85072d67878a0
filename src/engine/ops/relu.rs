//! Rectified linear units.

use super::{
    ActivationFunction, Effect, Learned, Own, Shape,
    field::{Field, Kind, field},
    operation::{Face, Family, Operation, Place},
    shape::Misfit,
};
use crate::engine::compute::{Activation, Pass};
use serde::{Deserialize, Serialize};

/// x, but 0 below 0 and, if there is a bound, the bound above it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relu {
    /// The largest value that leaves it, if there is a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

impl Operation for Relu {
    const NAME: &'static str = "relu";
    const FAMILY: Family = Family::Activation;
    const WHAT: &'static str =
        "Keeps values above 0 and makes the others 0; with a bound, none is larger than that.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] =
        &[field!(max: Kind::Bound, "", "The largest value that leaves it")];

    fn example() -> Self {
        Self::default()
    }

    fn face(&self) -> Face {
        let short = self.max.map_or_else(String::new, |max| max.to_string());
        let long = self.max.map_or_else(String::new, |max| format!("up to {max}"));
        Face { name: Self::NAME, window: String::new(), short, long }
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

    fn flops(&self, _input: Shape, output: Shape) -> u64 {
        output.size() as u64
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        let x = x.apply(ActivationFunction::Relu, pass.image);
        match self.max {
            Some(max) => x.map(pass.image, |x| x.clamp_max(max)),
            None => x,
        }
    }
}
