//! The largest value of each channel.

use super::{
    Effect, Learned, Own, Shape,
    field::Field,
    operation::{Face, Family, Operation, Place},
    shape::{Misfit, image},
};
use crate::engine::compute::{Activation, Pass};

/// The largest value of each channel.
pub(super) struct GlobalMaxPool;

impl Operation for GlobalMaxPool {
    const NAME: &'static str = "global max";
    const FAMILY: Family = Family::Pooling;
    const WHAT: &'static str = "The largest value of each channel; leaves a flat vector.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[];

    fn example() -> Self {
        Self
    }

    fn face(&self) -> Face {
        Face { name: Self::NAME, ..Face::default() }
    }

    fn parts(&self) -> Vec<&'static str> {
        vec![Self::NAME]
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        let [channels, ..] = image(Self::NAME, input)?;
        Ok(Shape::Flat(channels))
    }

    fn learned(&self, _input: Shape) -> Learned {
        Learned::NOTHING
    }

    fn flops(&self, input: Shape, _output: Shape) -> u64 {
        input.size() as u64
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        Activation::Flat(pass.image.global_max(x.image()))
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::ops::{Op, Shape, samples::answer};

    #[test]
    fn each_channel_gives_its_largest_value() {
        let x = [-3.0, -1.0, 5.0, 2.0, 0.0, 1.0, -7.0, -8.0];
        let input = Shape::Image([2, 1, 2]);
        assert_eq!(answer(&Op::GlobalMaxPool, input, &x, &[]), [-1.0, 5.0, 1.0, -7.0]);
    }
}
