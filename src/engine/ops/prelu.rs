//! Rectified linear units whose slope is learned.

use super::{
    Effect, Learned, Own, Shape,
    arguments::{is_true, yes},
    field::{Field, Kind, field},
    operation::{Face, Family, Operation, Parameter, Place},
    shape::Misfit,
};
use crate::engine::compute::{Activation, Pass};
use burn::tensor::activation::relu;
use serde::{Deserialize, Serialize};

/// x, but a learned multiple of x below 0 (He et al. 2015, arXiv 1502.01852).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prelu {
    /// Whether each channel has a factor of its own; without it, one serves all.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub per_channel: bool,
}

/// The factor at the start, as in the paper and in PyTorch.
const START: f32 = 0.25;

impl Operation for Prelu {
    const NAME: &'static str = "prelu";
    const FAMILY: Family = Family::Activation;
    const WHAT: &'static str = "Keeps values above 0 and scales the others by a learned factor.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] =
        &[field!(per_channel: Kind::Switch, "", "A factor for each channel; one for all if off")];

    fn example() -> Self {
        Self { per_channel: true }
    }

    fn face(&self) -> Face {
        let long = if self.per_channel { "per channel" } else { "one for all" };
        Face { name: Self::NAME, long: long.to_owned(), ..Face::default() }
    }

    fn parts(&self) -> Vec<&'static str> {
        vec![Self::NAME]
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        Ok(input)
    }

    fn learned(&self, input: Shape) -> Learned {
        let count = if self.per_channel { input.channels() } else { 1 };
        // Decay would pull it towards a ReLU: the paper leaves it out.
        let parameters = vec![Parameter::per_channel("alpha", count, START)];
        Learned { parameters, norms: Vec::new() }
    }

    fn flops(&self, _input: Shape, output: Shape) -> u64 {
        // A comparison and a product.
        2 * output.size() as u64
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, mut own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        let alpha = pass.image.broadcast(own.next_value());
        x.map(pass.image, |x| relu(x.clone()) - relu(x.neg()) * alpha)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{Op, samples::answer};

    #[test]
    fn factors_are_of_channels_or_of_all() {
        let x = [-4.0, 2.0, -8.0, -16.0];
        let input = Shape::Image([2, 1, 2]);
        let each = Op::from(Prelu { per_channel: true });
        assert_eq!(answer(&each, input, &x, &[&[0.5, 0.25]]), [-2.0, 2.0, -2.0, -4.0]);
        assert_eq!(answer(&each, Shape::Flat(2), &x, &[&[0.5, 0.25]]), [-2.0, 2.0, -4.0, -4.0]);
        let one = Op::from(Prelu { per_channel: false });
        assert_eq!(answer(&one, input, &x, &[&[0.5]]), [-2.0, 2.0, -4.0, -8.0]);
        assert!(!each.learned(input).parameters[0].decays);
    }
}
