//! Normalisation of each example by itself.

use super::{
    Effect, Learned, Own, Shape,
    field::Field,
    operation::{Face, Family, Operation, Parameter, Place},
    shape::Misfit,
};
use crate::engine::compute::{Activation, EPSILON, Fused, Pass};
use burn::tensor::Tensor;

/// Gives each example mean 0 and variance 1 over all its channels, rows and columns, then a learned scale and shift per
/// channel (Ba et al. 2016, arXiv 1607.06450).
///
/// On images that is `torch.nn.GroupNorm` with one group, on vectors `torch.nn.LayerNorm`. There are no running
/// statistics: training and evaluation compute the same.
pub(super) struct LayerNorm;

impl Operation for LayerNorm {
    const NAME: &'static str = "layer norm";
    const FAMILY: Family = Family::Normalisation;
    const WHAT: &'static str = "Gives each example mean 0 and variance 1 over all its values, then a learned scale and shift per channel.";
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
            norms: Vec::new(),
        }
    }

    fn flops(&self, _input: Shape, output: Shape) -> u64 {
        // Per value: the sum of the mean, its subtraction, square and sum of the variance, the division by its root,
        // scale and shift.
        7 * output.size() as u64
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, mut own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        let (gamma, beta) = (own.next_value(), own.next_value());
        let ops = pass.image;
        x.map(ops, |x| {
            let shape = x.dims();
            let [batch, ..] = shape;
            let values = shape.iter().skip(1).product();
            let x: Tensor<2> = x.reshape([batch, values]);
            let x = x.clone() - x.mean_dim(1);
            let variance = x.clone().square().mean_dim(1);
            let x = x / variance.add_scalar(EPSILON).sqrt();
            ops.scale(x.reshape(shape), gamma, beta, Fused::Nothing)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{
        Op,
        samples::{answer, assert_close},
    };

    #[test]
    fn each_example_is_normalised_by_itself() {
        // Mean 4 and variance 5; mean 0 and variance 1.
        let x = [1.0, 3.0, 5.0, 7.0, -1.0, 1.0, 1.0, -1.0];
        let (gamma, beta): (&[f32], &[f32]) = (&[1.0, 2.0], &[0.0, 10.0]);
        let found = answer(&Op::LayerNorm, Shape::Image([2, 2, 1]), &x, &[gamma, beta]);
        let root = 5f32.sqrt();
        let first = [-3.0 / root, -1.0 / root, 10.0 + 2.0 / root, 10.0 + 6.0 / root];
        assert_close(&found[..4], &first, 1e-4);
        assert_close(&found[4..], &[-1.0, 1.0, 12.0, 8.0], 1e-4);
        // A shift and a factor of all values change nothing.
        let moved: Vec<f32> = x.iter().map(|x| 3.0 * x - 20.0).collect();
        let again = answer(&Op::LayerNorm, Shape::Image([2, 2, 1]), &moved, &[gamma, beta]);
        assert_close(&again, &found, 1e-4);
    }

    #[test]
    fn vectors_have_a_scale_and_shift_per_feature() {
        let learned = Op::LayerNorm.learned(Shape::Flat(5));
        assert!(learned.parameters.iter().all(|parameter| parameter.shape == [5]));
        assert!(learned.norms.is_empty());
    }
}
