//! The mean of each window.

use super::{
    Effect, Learned, Own, Shape,
    arguments::{Pair, is_zero, zero},
    field::{Field, Kind, MOST, field},
    operation::{Face, Family, Operation, Place},
    shape::Misfit,
    window::Pooling,
};
use crate::engine::compute::{Activation, Pass};
use serde::{Deserialize, Serialize};

/// The mean of each window; padding does not count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AveragePool {
    /// Rows and columns of the window.
    pub kernel: Pair,
    /// Step of the window.
    pub stride: Pair,
    /// Margin around the image, which is left out.
    #[serde(default = "zero", skip_serializing_if = "is_zero")]
    pub padding: Pair,
}

impl AveragePool {
    fn pooling(&self) -> Pooling {
        Pooling { kernel: self.kernel, stride: self.stride, padding: self.padding }
    }
}

impl Operation for AveragePool {
    const NAME: &'static str = "average pool";
    const FAMILY: Family = Family::Pooling;
    const WHAT: &'static str = "The mean of each window; padding does not count.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[
        field!(kernel: Kind::Pair { least: 1, most: MOST }, "pixels", "Rows and columns of the window"),
        field!(stride),
        field!(padding: Kind::Pair { least: 0, most: MOST }, "pixels", "Margin around the image, which is left out"),
    ];

    fn example() -> Self {
        Self { kernel: Pair::square(2), stride: Pair::square(2), padding: Pair::ZERO }
    }

    fn face(&self) -> Face {
        Face { name: Self::NAME, window: self.kernel.to_string(), ..Face::default() }
    }

    fn parts(&self) -> Vec<&'static str> {
        vec![Self::NAME]
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        self.pooling().output(Self::NAME, input)
    }

    fn learned(&self, _input: Shape) -> Learned {
        Learned::NOTHING
    }

    fn flops(&self, _input: Shape, output: Shape) -> u64 {
        self.pooling().flops(output)
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        Activation::Image(pass.image.average_pool(x.image(), self.pooling().sweep()))
    }
}
