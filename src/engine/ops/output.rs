//! Where scores leave.

use super::{
    Effect, Learned, Own, Shape,
    field::Field,
    operation::{Face, Family, Operation, Place},
    shape::{Misfit, flat},
};
use crate::engine::compute::{Activation, Pass};

/// Where the scores of the classes, or the number to predict, leave.
pub(super) struct Output;

impl Operation for Output {
    const NAME: &'static str = "output";
    const FAMILY: Family = Family::Terminal;
    const WHAT: &'static str =
        "Where the scores leave: one value per class, or the number to predict.";
    const PLACE: Place = Place::Last;
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
        Ok(Shape::Flat(flat(Self::NAME, input)?))
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
