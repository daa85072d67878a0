//! Where images enter.

use super::{
    Effect, Learned, Own, Shape,
    field::{Field, Kind, field},
    operation::{Face, Family, Operation, Place},
    shape::Misfit,
};
use crate::engine::compute::{Activation, Pass};
use serde::{Deserialize, Serialize};

/// Where images enter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Channels, height and width of one image.
    pub shape: [usize; 3],
}

impl Input {
    /// The shape of its output.
    pub(super) fn shape(&self) -> Shape {
        Shape::Image(self.shape)
    }
}

impl Operation for Input {
    const NAME: &'static str = "input";
    const FAMILY: Family = Family::Terminal;
    const WHAT: &'static str = "Where the images enter; the shape is channels, height, width.";
    const PLACE: Place = Place::First;
    const FIELDS: &'static [Field<Self>] = &[field!(
        shape: Kind::Sizes { least: 3, most: 3, smallest: 1, open: false },
        "channels, pixels, pixels",
        "Channels, height and width of one image"
    )];

    fn example() -> Self {
        Self { shape: [1, 28, 28] }
    }

    fn face(&self) -> Face {
        let [channels, height, width] = self.shape;
        let shape = format!("{channels}×{height}×{width}");
        Face { name: Self::NAME, window: String::new(), short: shape.clone(), long: shape }
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
        0
    }

    fn effect(&self) -> Effect {
        Effect::PassesOn
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, _pass: &mut Pass<'_>) -> Activation {
        x
    }
}
