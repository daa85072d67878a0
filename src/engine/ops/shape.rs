//! Shapes of activations, and how each operation changes them and what it costs.

use super::{Cost, Op};
use std::fmt;

/// The shape of one image's activation, without the batch dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Channels, height, width.
    Image([usize; 3]),
    /// Features.
    Flat(usize),
}

impl Shape {
    /// The number of values.
    pub fn size(self) -> usize {
        match self {
            Self::Image(dims) => dims.iter().product(),
            Self::Flat(features) => features,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image([c, h, w]) => write!(f, "{c}×{h}×{w}"),
            Self::Flat(features) => write!(f, "{features}"),
        }
    }
}

/// Why an operation does not fit its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Misfit {
    pub(in crate::engine) what: String,
    pub(in crate::engine) fix: String,
}

/// The largest argument, the largest activation (values an image) and the most weights an operation that
/// are accepted: far above what can be trained, and small enough that no size overflows.
const MAX_ARGUMENT: usize = 1 << 16;
const MAX_ACTIVATION: u64 = 1 << 28;
const MAX_WEIGHTS: u64 = 1 << 28;

/// The product of `factors`, saturating: costs are for reading, not for allocating.
fn product(factors: &[usize]) -> u64 {
    factors.iter().fold(1, |product: u64, &factor| product.saturating_mul(factor as u64))
}

fn misfit<T>(what: impl Into<String>, fix: impl Into<String>) -> Result<T, Misfit> {
    Err(Misfit { what: what.into(), fix: fix.into() })
}

fn empty_windows<T>(op: &Op, padding: usize) -> Result<T, Misfit> {
    misfit(
        format!("{op} has a padding of {padding}, which leaves windows empty"),
        "use a padding smaller than the kernel",
    )
}

/// The side of a window's output, or `None` where the window does not fit.
fn window(side: usize, kernel: usize, stride: usize, padding: usize) -> Option<usize> {
    let padded = side + 2 * padding;
    (kernel > 0 && stride > 0 && kernel <= padded).then(|| (padded - kernel) / stride + 1)
}

fn windows(
    op: &Op,
    [height, width]: [usize; 2],
    [kernel, stride, padding]: [usize; 3],
) -> Result<[usize; 2], Misfit> {
    if kernel == 0 || stride == 0 {
        return misfit(format!("{op} has a kernel or stride of 0"), "set both to 1 or more");
    }
    match (window(height, kernel, stride, padding), window(width, kernel, stride, padding)) {
        (Some(h), Some(w)) => Ok([h, w]),
        _ => misfit(
            format!(
                "the {kernel}×{kernel} window of {op} is larger than its {height}×{width} input"
            ),
            "use a smaller kernel, more padding, or fewer poolings before it",
        ),
    }
}

impl Op {
    /// The output shape for `input` (`None` only for [`Op::Input`]), and what one image costs.
    pub(in crate::engine) fn infer(&self, input: Option<Shape>) -> Result<(Shape, Cost), Misfit> {
        if self.largest_argument() > MAX_ARGUMENT {
            return misfit(
                format!("{self} has an argument of {}", self.largest_argument()),
                format!("use at most {MAX_ARGUMENT}"),
            );
        }
        let (output, cost) = self.infer_unbounded(input)?;
        let values = match output {
            Shape::Image(dims) => product(&dims),
            Shape::Flat(features) => features as u64,
        };
        if values > MAX_ACTIVATION {
            return misfit(
                format!("{self} makes {output} = {values} values an image"),
                format!("make it smaller; at most {MAX_ACTIVATION} can be handled"),
            );
        }
        if cost.params > MAX_WEIGHTS {
            return misfit(
                format!("{self} would have {} weights", cost.params),
                format!("make it or its input smaller; at most {MAX_WEIGHTS} can be handled"),
            );
        }
        Ok((output, cost))
    }

    fn largest_argument(&self) -> usize {
        match *self {
            Self::Input { shape } => shape.into_iter().max().unwrap_or(0),
            Self::ConvBlock { filters, kernel, stride, padding, .. } => {
                filters.max(kernel).max(stride).max(padding.pixels(kernel))
            }
            Self::MaxPool { kernel, stride, padding }
            | Self::AveragePool { kernel, stride, padding } => kernel.max(stride).max(padding),
            Self::Dense { units, .. } => units,
            _ => 0,
        }
    }

    fn infer_unbounded(&self, input: Option<Shape>) -> Result<(Shape, Cost), Misfit> {
        let free = |shape| Ok((shape, Cost::default()));
        let Some(input) = input else {
            return match *self {
                Self::Input { shape } if shape.contains(&0) => misfit(
                    "the input shape has a 0",
                    "give channels, height and width of 1 or more",
                ),
                Self::Input { shape } => free(Shape::Image(shape)),
                _ => misfit(
                    format!("{self} has no incoming link"),
                    "link a node to it, or delete it",
                ),
            };
        };
        match (self, input) {
            (Self::Input { .. }, _) => misfit("an input has an incoming link", "remove the link"),
            (Self::Identity, shape) | (Self::Add, shape) => free(shape),
            (&Self::Dropout { rate }, shape) => {
                if (0.0..1.0).contains(&rate) {
                    free(shape)
                } else {
                    misfit(
                        format!("a dropout rate of {rate}"),
                        "set the rate to 0 or more, below 1",
                    )
                }
            }
            (Self::Flatten, shape) => free(Shape::Flat(shape.size())),
            (Self::GlobalAveragePool, Shape::Image([c, ..])) => {
                Ok((Shape::Flat(c), Cost { params: 0, flops: input.size() as u64 }))
            }
            (
                &Self::Dense { units: 0, .. } | &Self::ConvBlock { filters: 0, conv: true, .. },
                _,
            ) => misfit(format!("{self} would have no output"), "set its size to 1 or more"),
            (&Self::Dense { units, relu }, Shape::Flat(features)) => {
                let weights = product(&[features, units]);
                let bias = units as u64;
                let relu = if relu { bias } else { 0 };
                let flops = weights.saturating_mul(2).saturating_add(relu);
                Ok((Shape::Flat(units), Cost { params: weights.saturating_add(bias), flops }))
            }
            (Self::Output, Shape::Flat(_)) => free(input),
            (
                &Self::ConvBlock { filters, kernel, stride, padding, bias, conv, batch_norm, relu },
                Shape::Image([channels, h, w]),
            ) => {
                let mut cost = Cost::default();
                let output = if conv {
                    let padding = padding.pixels(kernel);
                    if padding >= kernel.max(1) {
                        return empty_windows(self, padding);
                    }
                    let [h, w] = windows(self, [h, w], [kernel, stride, padding])?;
                    let weights = product(&[filters, channels, kernel, kernel]);
                    let bias = if bias { filters as u64 } else { 0 };
                    cost.params = weights.saturating_add(bias);
                    cost.flops = weights.saturating_mul(product(&[2, h, w]));
                    [filters, h, w]
                } else {
                    [channels, h, w]
                };
                let size = product(&output);
                if batch_norm {
                    cost.params = cost.params.saturating_add(2 * output[0] as u64);
                    cost.flops = cost.flops.saturating_add(2 * size);
                }
                if relu {
                    cost.flops = cost.flops.saturating_add(size);
                }
                Ok((Shape::Image(output), cost))
            }
            (
                &(Self::MaxPool { kernel, stride, padding }
                | Self::AveragePool { kernel, stride, padding }),
                Shape::Image([channels, h, w]),
            ) => {
                if padding >= kernel.max(1) {
                    return empty_windows(self, padding);
                }
                let [h, w] = windows(self, [h, w], [kernel, stride, padding])?;
                let output = [channels, h, w];
                let flops = product(&[channels, h, w, kernel, kernel]);
                Ok((Shape::Image(output), Cost { params: 0, flops }))
            }
            (Self::Dense { .. } | Self::Output, Shape::Image(_)) => misfit(
                format!("{self} needs a flat vector but gets an image of {input}"),
                "put a flatten or a global average before it",
            ),
            (
                Self::ConvBlock { .. }
                | Self::MaxPool { .. }
                | Self::AveragePool { .. }
                | Self::GlobalAveragePool,
                Shape::Flat(_),
            ) => misfit(
                format!("{self} needs an image but gets a flat vector of {input}"),
                "move it before the flatten or global average",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::template::Padding;

    fn conv(filters: usize, kernel: usize, stride: usize, padding: Padding, bias: bool) -> Op {
        Op::ConvBlock {
            filters,
            kernel,
            stride,
            padding,
            bias,
            conv: true,
            batch_norm: false,
            relu: false,
        }
    }

    #[test]
    fn a_convolution_has_the_textbook_shape_parameters_and_flops() {
        let (shape, cost) = conv(16, 5, 1, Padding::Same, true)
            .infer(Some(Shape::Image([3, 28, 28])))
            .expect("fits");
        assert_eq!(shape, Shape::Image([16, 28, 28]));
        assert_eq!(cost.params, 16 * 3 * 25 + 16);
        assert_eq!(cost.flops, 2 * 16 * 3 * 25 * 28 * 28);
    }

    #[test]
    fn more_weights_than_any_machine_has_are_refused_and_never_overflow() {
        let refused = |op: Op, input| op.infer(Some(input)).expect_err("is refused").what;
        let what = refused(Op::Dense { units: 40_960, relu: true }, Shape::Flat(50_176));
        assert!(what.contains("2055249920 weights"), "{what}");
        let huge = conv(MAX_ARGUMENT, MAX_ARGUMENT, 1, Padding::Same, true);
        let what = refused(huge, Shape::Image([MAX_ARGUMENT, 1, 1]));
        assert!(what.contains("weights"), "{what}");
    }

    #[test]
    fn stride_and_padding_follow_the_floor_rule() {
        let shape =
            |op: Op, side| op.infer(Some(Shape::Image([1, side, side]))).map(|(shape, _)| shape);
        assert_eq!(shape(conv(4, 3, 2, Padding::Same, false), 28), Ok(Shape::Image([4, 14, 14])));
        assert_eq!(shape(conv(4, 3, 2, Padding::Valid, false), 28), Ok(Shape::Image([4, 13, 13])));
        assert_eq!(
            shape(Op::MaxPool { kernel: 2, stride: 2, padding: 0 }, 7),
            Ok(Shape::Image([1, 3, 3]))
        );
    }

    #[test]
    fn a_window_larger_than_its_input_is_refused_with_a_fix() {
        let pool = Op::MaxPool { kernel: 2, stride: 2, padding: 0 };
        let error = pool.infer(Some(Shape::Image([8, 1, 1]))).expect_err("does not fit");
        assert!(error.what.contains("2×2") && error.what.contains("1×1"), "{error:?}");
        assert!(!error.fix.is_empty());
    }

    #[test]
    fn a_padding_that_leaves_windows_empty_is_refused_with_a_fix() {
        for op in [
            conv(4, 1, 1, Padding::Pixels(1), false),
            conv(4, 3, 1, Padding::Pixels(3), false),
            Op::AveragePool { kernel: 2, stride: 1, padding: 2 },
        ] {
            let error = op.infer(Some(Shape::Image([1, 8, 8]))).expect_err("is refused");
            assert!(error.what.contains("leaves windows empty"), "{error:?}");
            assert!(error.fix.contains("smaller than the kernel"), "{error:?}");
        }
        let whole = conv(4, 3, 1, Padding::Pixels(2), false);
        let (shape, _) = whole.infer(Some(Shape::Image([1, 8, 8]))).expect("fits");
        assert_eq!(shape, Shape::Image([4, 10, 10]));
    }

    #[test]
    fn absurd_sizes_are_refused_instead_of_overflowing() {
        for op in [
            conv(usize::MAX, usize::MAX, 1, Padding::Same, true),
            conv(1 << 16, 1 << 16, 1, Padding::Same, true),
            Op::Dense { units: usize::MAX, relu: true },
        ] {
            for input in [Shape::Image([1 << 10, 1 << 9, 1 << 9]), Shape::Flat(1 << 28)] {
                op.infer(Some(input)).expect_err("absurd");
            }
        }
    }

    #[test]
    fn dense_on_an_image_names_the_missing_flatten() {
        let error = Op::Dense { units: 10, relu: false }
            .infer(Some(Shape::Image([64, 3, 3])))
            .expect_err("an image");
        assert!(error.fix.contains("flatten"), "{error:?}");
    }
}
