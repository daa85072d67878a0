//! Convolutions of each channel by itself, then of all channels of a pixel.

use super::{
    Effect, Learned, Own, Shape,
    arguments::{
        ActivationFunction, Initialiser, Padding, Pair, is_default, is_linear, is_one, is_single,
        is_true, linear, one, single, yes,
    },
    field::{Field, Kind, MOST, field},
    operation::{Face, Family, Operation, Place},
    shape::{Misfit, bounded, image},
    window::{Convolution, function_flops, stride_text},
};
use crate::engine::{
    compute::{Activation, Pass},
    named::Named,
};
use serde::{Deserialize, Serialize};

/// A depthwise convolution, then one of 1×1 that mixes the channels (Chollet 2016, arXiv 1610.02357). Only the second has
/// a bias, as in Keras.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeparableConv2d {
    /// Output channels.
    pub filters: usize,
    /// Rows and columns of the kernel.
    pub kernel: Pair,
    /// Step of the window.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub stride: Pair,
    /// Zeros around the image.
    #[serde(default, skip_serializing_if = "is_default")]
    pub padding: Padding,
    /// Distance of the kernel's taps.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub dilation: Pair,
    /// Filters of each channel in the first convolution.
    #[serde(default = "single", skip_serializing_if = "is_single")]
    pub multiplier: usize,
    /// Whether it adds a learned constant per output channel.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub bias: bool,
    /// The activation function behind both; `Linear` for none.
    #[serde(default = "linear", skip_serializing_if = "is_linear")]
    pub activation: ActivationFunction,
    /// How the weights of both start.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kernel_initialiser: Initialiser,
    /// How the biases start.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bias_initialiser: Initialiser,
}

impl SeparableConv2d {
    /// With so many filters and a kernel of this size, and everything else as files have it by default.
    pub fn new(filters: usize, kernel: impl Into<Pair>) -> Self {
        Self {
            filters,
            kernel: kernel.into(),
            stride: Pair::ONE,
            padding: Padding::Same,
            dilation: Pair::ONE,
            multiplier: 1,
            bias: true,
            activation: ActivationFunction::Linear,
            kernel_initialiser: Initialiser::Aligned,
            bias_initialiser: Initialiser::Aligned,
        }
    }

    fn depthwise(&self, channels: usize) -> Convolution {
        Convolution {
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
            kernel_initialiser: self.kernel_initialiser,
            ..Convolution::depthwise(channels, self.multiplier, self.kernel)
        }
    }

    fn pointwise(&self) -> Convolution {
        Convolution {
            bias: self.bias,
            kernel_initialiser: self.kernel_initialiser,
            bias_initialiser: self.bias_initialiser,
            function: self.activation,
            ..Convolution::pointwise(self.filters)
        }
    }

    /// What is between the two convolutions.
    fn between(&self, input: Shape, output: Shape) -> Shape {
        let channels = self.depthwise(input.channels()).filters;
        match output {
            Shape::Image([_, height, width]) => Shape::Image([channels, height, width]),
            Shape::Flat(_) => Shape::Flat(channels),
        }
    }
}

impl Operation for SeparableConv2d {
    const NAME: &'static str = "separable conv2d";
    const FAMILY: Family = Family::Convolution;
    const WHAT: &'static str =
        "A convolution of each channel by itself, then one of 1×1 that mixes the channels.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[
        field!(filters),
        field!(kernel),
        field!(stride),
        field!(padding),
        field!(dilation),
        field!(multiplier: Kind::Count { least: 1, most: MOST }, "", "Filters of each channel in the first convolution"),
        field!(bias),
        field!(activation),
        field!(kernel_initialiser),
        field!(bias_initialiser),
    ];

    fn example() -> Self {
        Self::new(16, 3)
    }

    fn face(&self) -> Face {
        let step = stride_text(self.stride);
        Face {
            name: "separable",
            window: self.kernel.to_string(),
            short: format!("{}{step}", self.filters),
            long: format!("{} filters{step}", self.filters),
        }
    }

    fn parts(&self) -> Vec<&'static str> {
        match self.activation {
            ActivationFunction::Linear => vec!["depthwise", "conv"],
            function => vec!["depthwise", "conv", function.name()],
        }
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        let name = self.face().to_string();
        let [channels, ..] = image(&name, input)?;
        let between = self.depthwise(channels).output(&name, input)?;
        bounded(&name, between, 0)?;
        self.pointwise().output(&name, between)
    }

    fn learned(&self, input: Shape) -> Learned {
        let channels = input.channels();
        let depthwise = self.depthwise(channels);
        let mut parameters = depthwise.parameters(channels, ["depthwise.weight", "depthwise.bias"]);
        parameters
            .extend(self.pointwise().parameters(depthwise.filters, ["pointwise.weight", "bias"]));
        Learned { parameters, norms: Vec::new() }
    }

    fn flops(&self, input: Shape, output: Shape) -> u64 {
        let between = self.between(input, output);
        [self.pointwise().flops(between, output), function_flops(self.activation, output)]
            .into_iter()
            .fold(self.depthwise(input.channels()).flops(input, between), u64::saturating_add)
    }

    fn working(&self, input: Shape, output: Shape) -> u64 {
        let between = self.between(input, output).size() as u64;
        (input.size() as u64).max(output.size() as u64).saturating_add(between)
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        Some(&mut self.filters)
    }

    fn forward(&self, x: Activation, mut own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        let x = x.image();
        let [channels, ..] = pass.image.shape(&x);
        let depthwise = self.depthwise(channels);
        let conv = Some((depthwise.filters(channels, &mut own), depthwise.sweep()));
        let x = pass.block(x, conv, None, ActivationFunction::Linear, None);
        let pointwise = self.pointwise();
        let conv = Some((pointwise.filters(depthwise.filters, &mut own), pointwise.sweep()));
        Activation::Image(pass.block(x, conv, None, self.activation, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{
        Conv2d, DepthwiseConv2d, MisfitKind, Op,
        samples::{answer, assert_close, wave},
    };

    #[test]
    fn it_is_a_depthwise_convolution_and_a_pointwise_one() {
        let x = wave(60, 0.7);
        let (first, second) = (wave(36, 1.1), wave(12, 0.9));
        let bias = [0.5, -0.5, 0.0];
        let input = Shape::Image([2, 5, 6]);
        let separable = Op::from(SeparableConv2d {
            stride: 2.into(),
            multiplier: 2,
            activation: ActivationFunction::Relu,
            ..SeparableConv2d::new(3, 3)
        });
        let found = answer(&separable, input, &x, &[&first, &second, &bias]);
        let depthwise = Op::from(DepthwiseConv2d {
            stride: 2.into(),
            multiplier: 2,
            bias: false,
            ..DepthwiseConv2d::new(3)
        });
        let pointwise =
            Op::from(Conv2d { activation: ActivationFunction::Relu, ..Conv2d::new(3, 1) });
        let (between, one) = depthwise.infer(Some(input)).expect("fits");
        let (_, other) = pointwise.infer(Some(between)).expect("fits");
        let x = answer(&depthwise, input, &x, &[&first]);
        assert_close(&found, &answer(&pointwise, between, &x, &[&second, &bias]), 1e-5);
        assert_eq!(separable.infer(Some(input)).map(|(_, cost)| cost), Ok(one + other));
    }

    #[test]
    fn only_the_second_convolution_has_a_bias() {
        let op = Op::from(SeparableConv2d::new(8, 3));
        let roles: Vec<_> =
            op.learned(Shape::Image([4, 8, 8])).parameters.into_iter().map(|it| it.role).collect();
        assert_eq!(roles, ["depthwise.weight", "pointwise.weight", "bias"]);
    }

    #[test]
    fn what_is_between_must_not_be_too_large() {
        let op = Op::from(SeparableConv2d { multiplier: MOST, ..SeparableConv2d::new(1, 1) });
        let misfit = op.infer(Some(Shape::Image([1, 256, 256]))).expect_err("too large");
        assert_eq!(misfit.kind, MisfitKind::Size);
    }
}
