//! Passing on.

use super::{
    Effect, Learned, Own, Shape,
    field::Field,
    operation::{Face, Family, Operation, Place},
    shape::Misfit,
};
use crate::engine::compute::{Activation, Pass};

/// Passes its input on.
pub(super) struct Identity;

impl Operation for Identity {
    const NAME: &'static str = "identity";
    const FAMILY: Family = Family::Identity;
    const WHAT: &'static str = "Passes its input on: a way past its alternatives.";
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
