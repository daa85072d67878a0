//! Channels weighed by what the whole image says.

use super::{
    Effect, Learned, Own, Shape,
    arguments::ActivationFunction,
    dense::Dense,
    field::{Field, Kind, MOST, field},
    operation::{Face, Family, Operation, Parameter, Place},
    shape::{Misfit, image},
};
use crate::engine::compute::{Activation, ImageOps, Pass};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Multiplies each channel by a factor between 0 and 1 that two dense layers draw from the means of all channels (Hu et
/// al. 2017, arXiv 1709.01507): the first with a ReLU, the second with a sigmoid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SqueezeExcitation {
    /// How many times fewer units than channels the first dense layer has. It has the whole part of the quotient, and at
    /// least one.
    pub ratio: usize,
}

impl Default for SqueezeExcitation {
    fn default() -> Self {
        Self { ratio: 4 }
    }
}

impl SqueezeExcitation {
    /// Both dense layers, with the roles of their weights and biases.
    fn layers(&self, channels: usize) -> [(Dense, [&'static str; 2]); 2] {
        let units = (channels / self.ratio.max(1)).max(1);
        let dense = |units, activation| Dense { activation, ..Dense::new(units) };
        [
            (dense(units, ActivationFunction::Relu), ["squeeze.weight", "squeeze.bias"]),
            (dense(channels, ActivationFunction::Sigmoid), ["excite.weight", "excite.bias"]),
        ]
    }

    /// What it makes of images, with the next of an operation's values.
    pub(super) fn apply(&self, x: Tensor<4>, own: &mut Own<'_>, ops: ImageOps) -> Tensor<4> {
        let [channels, ..] = ops.shape(&x);
        let factors = self
            .layers(channels)
            .iter()
            .fold(ops.global_average(x.clone()), |x, (dense, _)| dense.apply(x, own));
        x * ops.one_pixel(factors)
    }
}

impl Operation for SqueezeExcitation {
    const NAME: &'static str = "squeeze-excitation";
    const FAMILY: Family = Family::Convolution;
    const WHAT: &'static str = "Scales each channel by a factor between 0 and 1 that depends on the means of all channels.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[field!(
        ratio: Kind::Count { least: 1, most: MOST },
        "",
        "How many times fewer units than channels there are between its dense layers"
    )];

    fn example() -> Self {
        Self::default()
    }

    fn face(&self) -> Face {
        Face {
            name: Self::NAME,
            window: String::new(),
            short: format!("1/{}", self.ratio),
            long: format!("1/{} of the channels", self.ratio),
        }
    }

    fn parts(&self) -> Vec<&'static str> {
        vec![Self::NAME]
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        Ok(Shape::Image(image(&self.face().to_string(), input)?))
    }

    fn learned(&self, input: Shape) -> Learned {
        let mut parameters = Vec::new();
        let mut features = input.channels();
        for (dense, roles) in self.layers(input.channels()) {
            let learned = dense.learned(Shape::Flat(features));
            let named = learned.parameters.into_iter().zip(roles);
            parameters.extend(named.map(|(parameter, role)| Parameter { role, ..parameter }));
            features = dense.units;
        }
        Learned { parameters, norms: Vec::new() }
    }

    fn flops(&self, input: Shape, output: Shape) -> u64 {
        let mut flops = 0;
        let mut features = Shape::Flat(input.channels());
        for (dense, _) in self.layers(input.channels()) {
            let units = Shape::Flat(dense.units);
            flops = u64::saturating_add(flops, dense.flops(features, units));
            features = units;
        }
        // Each value is summed for its mean, and multiplied.
        flops.saturating_add(2 * output.size() as u64)
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, mut own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        Activation::Image(self.apply(x.image(), &mut own, pass.image))
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
    fn factors_depend_on_the_means_of_the_channels() {
        let op = Op::from(SqueezeExcitation { ratio: 2 });
        // Means 2 and 1; the one unit between gives 2·1 + 1·(−1) + 0.5 = 1.5.
        let x = [1.0, 3.0, 2.0, 0.0];
        let parameters: [&[f32]; 4] = [&[1.0, -1.0], &[0.5], &[2.0, -1.0], &[0.0, 1.0]];
        let found = answer(&op, Shape::Image([2, 1, 2]), &x, &parameters);
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        let (first, second) = (sigmoid(3.0), sigmoid(-0.5));
        assert_close(&found, &[first, 3.0 * first, 2.0 * second, 0.0], 1e-5);
    }

    #[test]
    fn there_is_at_least_one_unit_between() {
        let shapes = |channels, ratio| -> Vec<_> {
            let op = Op::from(SqueezeExcitation { ratio });
            let learned = op.learned(Shape::Image([channels, 4, 4]));
            learned.parameters.into_iter().map(|it| (it.role, it.shape)).collect()
        };
        assert_eq!(
            shapes(3, 4),
            [
                ("squeeze.weight", vec![3, 1]),
                ("squeeze.bias", vec![1]),
                ("excite.weight", vec![1, 3]),
                ("excite.bias", vec![3]),
            ]
        );
        assert_eq!(shapes(19, 4)[0].1, [19, 4]);
    }
}
