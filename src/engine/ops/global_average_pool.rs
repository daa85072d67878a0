//! The mean of each channel.

use super::{
    Effect, Learned, Own, Shape,
    field::Field,
    operation::{Face, Family, Operation, Place},
    shape::{Misfit, image},
};
use crate::engine::compute::{Activation, Pass};

/// The mean of each channel.
pub(super) struct GlobalAveragePool;

impl Operation for GlobalAveragePool {
    const NAME: &'static str = "global average";
    const FAMILY: Family = Family::Pooling;
    const WHAT: &'static str = "The mean of each channel; leaves a flat vector.";
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
        Activation::Flat(pass.image.global_average(x.image()))
    }
}
