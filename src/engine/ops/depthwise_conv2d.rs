//! Convolutions of each channel by itself.

use super::{
    Effect, Learned, Own, Shape,
    arguments::{
        ActivationFunction, Initialiser, Padding, Pair, is_default, is_linear, is_one, is_single,
        is_true, linear, one, single, yes,
    },
    field::{Field, Kind, MOST, field},
    operation::{Face, Family, Operation, Place},
    shape::{Misfit, image},
    window::{Convolution, function_flops, stride_text},
};
use crate::engine::{
    compute::{Activation, Pass},
    named::Named,
};
use serde::{Deserialize, Serialize};

/// A convolution that keeps channels apart: each has filters of its own. Those of one channel stand side by side in what
/// comes out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthwiseConv2d {
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
    /// Filters of each channel.
    #[serde(default = "single", skip_serializing_if = "is_single")]
    pub multiplier: usize,
    /// Whether it adds a learned constant per output channel.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub bias: bool,
    /// The activation function; `Linear` for none.
    #[serde(default = "linear", skip_serializing_if = "is_linear")]
    pub activation: ActivationFunction,
    /// How the weights start.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kernel_initialiser: Initialiser,
    /// How the biases start.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bias_initialiser: Initialiser,
}

impl DepthwiseConv2d {
    /// With a kernel of this size, and everything else as files have it by default.
    pub fn new(kernel: impl Into<Pair>) -> Self {
        Self {
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

    fn convolution(&self, channels: usize) -> Convolution {
        Convolution {
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
            bias: self.bias,
            kernel_initialiser: self.kernel_initialiser,
            bias_initialiser: self.bias_initialiser,
            function: self.activation,
            ..Convolution::depthwise(channels, self.multiplier, self.kernel)
        }
    }
}

impl Operation for DepthwiseConv2d {
    const NAME: &'static str = "depthwise conv2d";
    const FAMILY: Family = Family::Convolution;
    const WHAT: &'static str = "A convolution of each channel by itself.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[
        field!(kernel),
        field!(stride),
        field!(padding),
        field!(dilation),
        field!(multiplier: Kind::Count { least: 1, most: MOST }, "", "Filters of each channel"),
        field!(bias),
        field!(activation),
        field!(kernel_initialiser),
        field!(bias_initialiser),
    ];

    fn example() -> Self {
        Self::new(3)
    }

    fn face(&self) -> Face {
        let step = stride_text(self.stride);
        let (short, long) = if self.multiplier == 1 {
            (String::new(), String::new())
        } else {
            (format!("×{}", self.multiplier), format!("{} filters each", self.multiplier))
        };
        Face {
            name: "depthwise",
            window: self.kernel.to_string(),
            short: format!("{short}{step}").trim_start().to_owned(),
            long: format!("{long}{step}").trim_start().to_owned(),
        }
    }

    fn parts(&self) -> Vec<&'static str> {
        match self.activation {
            ActivationFunction::Linear => vec!["depthwise"],
            function => vec!["depthwise", function.name()],
        }
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        let name = self.face().to_string();
        let [channels, ..] = image(&name, input)?;
        self.convolution(channels).output(&name, input)
    }

    fn learned(&self, input: Shape) -> Learned {
        let channels = input.channels();
        let parameters = self.convolution(channels).parameters(channels, ["weight", "bias"]);
        Learned { parameters, norms: Vec::new() }
    }

    fn flops(&self, input: Shape, output: Shape) -> u64 {
        let conv = self.convolution(input.channels()).flops(input, output);
        conv.saturating_add(function_flops(self.activation, output))
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, mut own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        let x = x.image();
        let [channels, ..] = pass.image.shape(&x);
        let convolution = self.convolution(channels);
        let conv = Some((convolution.filters(channels, &mut own), convolution.sweep()));
        Activation::Image(pass.block(x, conv, None, self.activation, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{
        Conv2d, Op,
        samples::{answer, assert_close, wave},
    };

    #[test]
    fn filters_of_a_channel_stand_side_by_side() {
        let op = Op::from(DepthwiseConv2d { multiplier: 2, ..DepthwiseConv2d::new(1) });
        let x = [1.0, 2.0, 10.0, 20.0];
        let parameters: [&[f32]; 2] = [&[1.0, -1.0, 2.0, 3.0], &[0.0, 0.5, 0.0, 1.0]];
        let found = answer(&op, Shape::Image([2, 1, 2]), &x, &parameters);
        assert_close(&found, &[1.0, 2.0, -0.5, -1.5, 20.0, 40.0, 31.0, 61.0], 1e-6);
    }

    #[test]
    fn weights_lie_as_in_pytorch_and_cost_what_they_are() {
        let op = Op::from(DepthwiseConv2d {
            stride: 2.into(),
            multiplier: 3,
            ..DepthwiseConv2d::new([3, 5])
        });
        let input = Shape::Image([4, 8, 8]);
        let shapes: Vec<_> = op.learned(input).parameters.into_iter().map(|it| it.shape).collect();
        assert_eq!(shapes, [vec![12, 1, 3, 5], vec![12]]);
        let (output, cost) = op.infer(Some(input)).expect("fits");
        assert_eq!(output, Shape::Image([12, 4, 4]));
        assert_eq!((cost.params, cost.flops), (12 * 15 + 12, 2 * 12 * 15 * 16));
    }

    #[test]
    fn the_window_of_each_channel_is_that_of_a_convolution() {
        // A convolution with a group for each channel is the same.
        let x = wave(2 * 5 * 6, 0.7);
        let weight = wave(18, 1.1);
        let input = Shape::Image([2, 5, 6]);
        let depthwise = DepthwiseConv2d {
            stride: [2, 1].into(),
            dilation: [1, 2].into(),
            bias: false,
            activation: ActivationFunction::Relu,
            ..DepthwiseConv2d::new(3)
        };
        let grouped = Conv2d {
            stride: [2, 1].into(),
            dilation: [1, 2].into(),
            groups: 2,
            bias: false,
            activation: ActivationFunction::Relu,
            ..Conv2d::new(2, 3)
        };
        let of = |op: &Op| answer(op, input, &x, &[&weight]);
        assert_close(&of(&depthwise.into()), &of(&grouped.into()), 1e-6);
    }
}
