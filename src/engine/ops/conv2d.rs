//! A convolution alone.

use super::{
    Effect, Learned, Own, Shape,
    arguments::{
        ActivationFunction, Initialiser, Padding, Pair, is_default, is_linear, is_one, is_single,
        is_true, linear, one, single, yes,
    },
    field::{Field, field},
    operation::{Face, Family, Operation, Place},
    shape::Misfit,
    window::{Convolution, function_flops, stride_text},
};
use crate::engine::{
    compute::{Activation, Pass},
    named::Named,
};
use serde::{Deserialize, Serialize};

/// A convolution, with an activation function behind it if wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
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
    /// Groups of channels that are convolved apart.
    #[serde(default = "single", skip_serializing_if = "is_single")]
    pub groups: usize,
    /// Whether it adds a learned constant per channel.
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

impl Conv2d {
    /// With so many filters and a kernel of this size, and everything else as files have it by default.
    pub fn new(filters: usize, kernel: impl Into<Pair>) -> Self {
        Self {
            filters,
            kernel: kernel.into(),
            stride: Pair::ONE,
            padding: Padding::Same,
            dilation: Pair::ONE,
            groups: 1,
            bias: true,
            activation: ActivationFunction::Linear,
            kernel_initialiser: Initialiser::Aligned,
            bias_initialiser: Initialiser::Aligned,
        }
    }

    fn convolution(&self) -> Convolution {
        Convolution {
            filters: self.filters,
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
            groups: self.groups,
            bias: self.bias,
            kernel_initialiser: self.kernel_initialiser,
            bias_initialiser: self.bias_initialiser,
            function: self.activation,
        }
    }
}

impl Operation for Conv2d {
    const NAME: &'static str = "conv2d";
    const FAMILY: Family = Family::Convolution;
    const WHAT: &'static str = "A convolution: each filter weighs the pixels under a window.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[
        field!(filters),
        field!(kernel),
        field!(stride),
        field!(padding),
        field!(dilation),
        field!(groups),
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
            name: "conv2d",
            window: self.kernel.to_string(),
            short: format!("{}{step}", self.filters),
            long: format!("{} filters{step}", self.filters),
        }
    }

    fn parts(&self) -> Vec<&'static str> {
        match self.activation {
            ActivationFunction::Linear => vec!["conv"],
            function => vec!["conv", function.name()],
        }
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        self.convolution().output(&self.face().to_string(), input)
    }

    fn learned(&self, input: Shape) -> Learned {
        let parameters = self.convolution().parameters(input.channels(), ["weight", "bias"]);
        Learned { parameters, norms: Vec::new() }
    }

    fn flops(&self, input: Shape, output: Shape) -> u64 {
        let conv = self.convolution().flops(input, output);
        conv.saturating_add(function_flops(self.activation, output))
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
        let convolution = self.convolution();
        let conv = Some((convolution.filters(channels, &mut own), convolution.sweep()));
        Activation::Image(pass.block(x, conv, None, self.activation, None))
    }
}
