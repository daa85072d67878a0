//! Convolutions turned round, which make images larger.

use super::{
    Effect, Learned, Own, Shape,
    arguments::{
        ActivationFunction, Initialiser, Padding, Pair, is_default, is_linear, is_one, is_true,
        is_zero, linear, one, yes, zero,
    },
    field::{Field, Kind, MOST, field},
    operation::{Face, Family, Operation, Parameter, Place, Start},
    shape::{Misfit, MisfitKind, image, misfit, product},
    window::{bias_parameter, function_flops, stride_text},
};
use crate::engine::{
    compute::{Activation, Filters, Pass, Sweep},
    named::Named,
};
use serde::{Deserialize, Serialize};

/// A transposed convolution: each pixel adds the kernel, times its value, to the output, in steps of the stride.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvTranspose2d {
    /// Output channels.
    pub filters: usize,
    /// Rows and columns of the kernel.
    pub kernel: Pair,
    /// Rows and columns from one pixel's kernel to that of the next.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub stride: Pair,
    /// Rows and columns that are cut off around the output; none where files do not say it.
    #[serde(default = "valid", skip_serializing_if = "is_valid")]
    pub padding: Padding,
    /// Rows below and columns on the right that are not cut off, or are added. It settles which of the sizes that a
    /// convolution of this stride makes equal comes out.
    #[serde(default = "zero", skip_serializing_if = "is_zero")]
    pub output_padding: Pair,
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

fn valid() -> Padding {
    Padding::Valid
}

fn is_valid(padding: &Padding) -> bool {
    *padding == Padding::Valid
}

impl ConvTranspose2d {
    /// With so many filters and a kernel of this size, and everything else as files have it by default.
    pub fn new(filters: usize, kernel: impl Into<Pair>) -> Self {
        Self {
            filters,
            kernel: kernel.into(),
            stride: Pair::ONE,
            padding: Padding::Valid,
            output_padding: Pair::ZERO,
            bias: true,
            activation: ActivationFunction::Linear,
            kernel_initialiser: Initialiser::Aligned,
            bias_initialiser: Initialiser::Aligned,
        }
    }

    fn sweep(&self) -> Sweep {
        let (Pair(kernel), Pair(stride)) = (self.kernel, self.stride);
        Sweep { kernel, stride, padding: self.padding.pixels(kernel), dilation: [1; 2], groups: 1 }
    }

    /// Channels, filters, rows and columns of the kernel, as in PyTorch.
    fn weight_shape(&self, channels: usize) -> [usize; 4] {
        let Pair([rows, columns]) = self.kernel;
        [channels, self.filters, rows, columns]
    }
}

impl Operation for ConvTranspose2d {
    const NAME: &'static str = "conv2d transpose";
    const FAMILY: Family = Family::Convolution;
    const WHAT: &'static str =
        "A convolution turned round: each pixel adds a weighted kernel, which makes images larger.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[
        field!(filters),
        field!(kernel),
        field!(stride: Kind::Pair { least: 1, most: MOST }, "pixels", "Output pixels per pixel of the input"),
        field!(padding: Kind::Padding, "pixels", "Rows and columns that are cut off around the output"),
        field!(output_padding: Kind::Pair { least: 0, most: MOST }, "pixels", "Rows below and columns on the right that are added; less than the stride"),
        field!(bias),
        field!(activation),
        field!(kernel_initialiser),
        field!(bias_initialiser),
    ];

    fn example() -> Self {
        Self { stride: Pair::square(2), ..Self::new(16, 2) }
    }

    fn face(&self) -> Face {
        let step = stride_text(self.stride);
        Face {
            name: "transpose",
            window: self.kernel.to_string(),
            short: format!("{}{step}", self.filters),
            long: format!("{} filters{step}", self.filters),
        }
    }

    fn parts(&self) -> Vec<&'static str> {
        match self.activation {
            ActivationFunction::Linear => vec!["transpose"],
            function => vec!["transpose", function.name()],
        }
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        let name = self.face().to_string();
        let [_, height, width] = image(&name, input)?;
        let Sweep { kernel, stride, padding, .. } = self.sweep();
        let Pair(extra) = self.output_padding;
        if (0..2).any(|side| extra[side] >= stride[side]) {
            return misfit(
                MisfitKind::Argument { field: "output_padding" },
                format!(
                    "{name} has an output padding of {} at a stride of {}",
                    self.output_padding, self.stride
                ),
                "use an output padding below the stride, such as 0",
            );
        }
        let sides = [height, width];
        let length = |side: usize| {
            let full = sides[side].saturating_sub(1).saturating_mul(stride[side]);
            let full = full.saturating_add(kernel[side]).saturating_add(extra[side]);
            full.checked_sub(2 * padding[side]).filter(|&length| length > 0)
        };
        match (length(0), length(1)) {
            (Some(height), Some(width)) => Ok(Shape::Image([self.filters, height, width])),
            (None, _) | (_, None) => misfit(
                MisfitKind::Padding,
                format!(
                    "the padding of {name} leaves nothing of what {height}×{width} pixels give"
                ),
                "use less padding",
            ),
        }
    }

    fn learned(&self, input: Shape) -> Learned {
        let channels = input.channels();
        let shape = self.weight_shape(channels);
        let [_, _, rows, columns] = shape;
        let mut parameters = vec![Parameter {
            role: "weight",
            shape: shape.to_vec(),
            start: Start::Drawn {
                initialiser: self.kernel_initialiser,
                kernel: Some([rows, columns]),
                inputs: channels,
                outputs: self.filters,
                gain: self.activation.gain(),
            },
            decays: true,
        }];
        if self.bias {
            parameters.push(bias_parameter("bias", self.filters, self.bias_initialiser));
        }
        Learned { parameters, norms: Vec::new() }
    }

    fn flops(&self, input: Shape, output: Shape) -> u64 {
        // Each pixel of the input meets each weight once; what falls outside of the output is counted as well.
        let Shape::Image([channels, height, width]) = input else { return 0 };
        let weights = product(&self.weight_shape(channels));
        weights
            .saturating_mul(product(&[2, height, width]))
            .saturating_add(function_flops(self.activation, output))
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
        let filters = Filters {
            weight: own.next_value(),
            bias: self.bias.then(|| own.next_value()),
            shape: self.weight_shape(channels),
        };
        let Pair(extra) = self.output_padding;
        let x = pass.image.convolve_transposed(x, filters, self.sweep(), extra);
        Activation::Image(x).apply(self.activation, pass.image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{
        Conv2d, Op,
        samples::{answer, wave},
    };

    fn infer(op: ConvTranspose2d, height: usize, width: usize) -> Result<Shape, MisfitKind> {
        let input = Some(Shape::Image([3, height, width]));
        Op::from(op).infer(input).map(|(shape, _)| shape).map_err(|misfit| misfit.kind)
    }

    #[test]
    fn pixels_add_their_kernels() {
        let op = Op::from(ConvTranspose2d {
            stride: [1, 2].into(),
            output_padding: [0, 1].into(),
            ..ConvTranspose2d::new(1, 2)
        });
        let x = [1.0, 10.0];
        let parameters: [&[f32]; 2] = [&[1.0, 2.0, 3.0, 4.0], &[0.5]];
        let found = answer(&op, Shape::Image([1, 2, 1]), &x, &parameters);
        // The rows overlap; the last column is only the bias.
        assert_eq!(found, [1.5, 2.5, 0.5, 13.5, 24.5, 0.5, 30.5, 40.5, 0.5]);
    }

    #[test]
    fn it_is_the_transpose_of_a_convolution() {
        // For any x and y: the product of conv(x) and y is that of x and transpose(y).
        for (kernel, stride, padding, extra) in
            [(3, 1, 1, 0), (3, 2, 1, 1), (2, 2, 0, 0), (4, 3, 1, 1)]
        {
            let (height, width) = (6 * stride, 5 * stride);
            let pixels = Padding::Pixels(padding.into());
            let conv = Op::from(Conv2d {
                stride: stride.into(),
                padding: pixels,
                bias: false,
                ..Conv2d::new(4, kernel)
            });
            let transpose = Op::from(ConvTranspose2d {
                stride: stride.into(),
                padding: pixels,
                output_padding: extra.into(),
                bias: false,
                ..ConvTranspose2d::new(3, kernel)
            });
            let before = Shape::Image([3, height, width]);
            let (after, _) = conv.infer(Some(before)).expect("fits");
            assert_eq!(transpose.infer(Some(after)).map(|(shape, _)| shape), Ok(before));
            let (x, y) = (wave(before.size(), 0.7), wave(after.size(), 1.3));
            let weight = wave(4 * 3 * kernel * kernel, 2.1);
            let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
            let one = dot(&answer(&conv, before, &x, &[&weight]), &y);
            let other = dot(&x, &answer(&transpose, after, &y, &[&weight]));
            assert!((one - other).abs() < 1e-3 * one.abs().max(1.0), "{one} and {other}");
        }
    }

    #[test]
    fn the_output_has_the_size_that_pytorch_gives() {
        let op = |kernel: usize, stride: usize, padding, extra: usize| ConvTranspose2d {
            stride: stride.into(),
            padding,
            output_padding: extra.into(),
            ..ConvTranspose2d::new(8, kernel)
        };
        assert_eq!(infer(op(2, 2, Padding::Valid, 0), 7, 5), Ok(Shape::Image([8, 14, 10])));
        assert_eq!(infer(op(3, 2, Padding::Same, 1), 7, 5), Ok(Shape::Image([8, 14, 10])));
        assert_eq!(infer(op(3, 2, Padding::Same, 0), 7, 5), Ok(Shape::Image([8, 13, 9])));
        let padding = Err(MisfitKind::Padding);
        assert_eq!(infer(op(3, 1, Padding::Pixels(2.into()), 0), 2, 3), padding);
        assert_eq!(
            infer(op(3, 1, Padding::Pixels(2.into()), 0), 3, 3),
            Ok(Shape::Image([8, 1, 1]))
        );
        let argument = Err(MisfitKind::Argument { field: "output_padding" });
        assert_eq!(infer(op(3, 2, Padding::Same, 2), 7, 5), argument);
        assert_eq!(infer(op(3, 1, Padding::Same, 1), 7, 5), argument);
    }
}
