//! Images to vectors.

use super::{
    Effect, Learned, Own, Shape,
    field::Field,
    operation::{Face, Family, Operation, Place},
    shape::Misfit,
};
use crate::engine::compute::{Activation, Pass};

/// Turns an image into a flat vector.
pub(super) struct Flatten;

impl Operation for Flatten {
    const NAME: &'static str = "flatten";
    const FAMILY: Family = Family::Shape;
    const WHAT: &'static str = "Turns an image into a flat vector: channel by channel, row by row.";
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
        Ok(Shape::Flat(input.size()))
    }

    fn learned(&self, _input: Shape) -> Learned {
        Learned::NOTHING
    }

    fn flops(&self, _input: Shape, _output: Shape) -> u64 {
        0
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        match x {
            Activation::Image(x) => Activation::Flat(pass.image.flatten(x)),
            flat @ Activation::Flat(_) => flat,
        }
    }
}
