//! Shares of channels.

use super::{
    Effect, Learned, Own, Shape,
    arguments::ActivationFunction,
    field::Field,
    operation::{Face, Family, Operation, Place},
    shape::Misfit,
    window::function_flops,
};
use crate::engine::compute::{Activation, Pass};

/// eˣ over the sum of eˣ of all channels of a pixel, or of all features of a vector.
pub(super) struct Softmax;

impl Operation for Softmax {
    const NAME: &'static str = "softmax";
    const FAMILY: Family = Family::Activation;
    const WHAT: &'static str = "Shares that add up to 1 over the channels of each pixel, or over the features of a vector.";
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
        Ok(input)
    }

    fn learned(&self, _input: Shape) -> Learned {
        Learned::NOTHING
    }

    fn flops(&self, _input: Shape, output: Shape) -> u64 {
        function_flops(ActivationFunction::Softmax, output)
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        x.apply(ActivationFunction::Softmax, pass.image)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::ops::{
        Op, Shape,
        samples::{answer, assert_close},
    };

    #[test]
    fn the_channels_of_each_pixel_add_up_to_one() {
        let x = [0.0, 3f32.ln(), 0.0, 0.0];
        let found = answer(&Op::Softmax, Shape::Image([2, 1, 2]), &x, &[]);
        assert_close(&found, &[0.5, 0.75, 0.5, 0.25], 1e-6);
        let found = answer(&Op::Softmax, Shape::Flat(4), &x, &[]);
        assert_close(&found, &[1.0 / 6.0, 0.5, 1.0 / 6.0, 1.0 / 6.0], 1e-6);
    }
}
