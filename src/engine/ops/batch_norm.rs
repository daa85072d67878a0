//! Batch normalisation alone.

use super::{
    Effect, Learned, Own, Shape,
    field::Field,
    operation::{Face, Family, NormSlot, Operation, Parameter, Place},
    shape::Misfit,
};
use crate::engine::compute::{Activation, BatchNorm as Norm, Pass};

/// Gives each channel mean 0 and variance 1 over the batch, then a learned scale and shift.
pub(super) struct BatchNorm;

impl Operation for BatchNorm {
    const NAME: &'static str = "batch norm";
    const FAMILY: Family = Family::Normalisation;
    const WHAT: &'static str =
        "Gives each channel mean 0 and variance 1 over the batch, then a learned scale and shift.";
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

    fn learned(&self, input: Shape) -> Learned {
        let channels = input.channels();
        Learned {
            parameters: vec![
                Parameter::per_channel("gamma", channels, 1.0),
                Parameter::per_channel("beta", channels, 0.0),
            ],
            norms: vec![NormSlot { role: "", channels }],
        }
    }

    fn flops(&self, _input: Shape, output: Shape) -> u64 {
        2 * output.size() as u64
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, mut own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        let norm = Norm::of(&mut own);
        x.map(pass.image, |x| pass.normalised(x, None, norm, own.along))
    }
}
