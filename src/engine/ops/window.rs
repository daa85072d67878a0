//! Arithmetic of windows that move over images, and the convolution that several operations hold.

use super::{
    ActivationFunction, Initialiser, Misfit, MisfitKind, Padding, Pair, Shape,
    operation::{Own, Parameter, Start},
    shape::{image, misfit, product},
};
use crate::engine::compute::{Filters, Sweep};

/// Rows and columns that a kernel covers.
fn covered(kernel: [usize; 2], dilation: [usize; 2]) -> [usize; 2] {
    std::array::from_fn(|side| (kernel[side].saturating_sub(1)).saturating_mul(dilation[side]) + 1)
}

/// Height and width of what a window gives for an image of `sides`.
///
/// # Errors
/// Where the window is larger than the padded image, or the padding leaves windows empty.
pub(super) fn windows(name: &str, sides: [usize; 2], sweep: Sweep) -> Result<[usize; 2], Misfit> {
    let covered = covered(sweep.kernel, sweep.dilation);
    if (0..2).any(|side| sweep.padding[side] >= covered[side].max(1)) {
        let [rows, columns] = sweep.padding;
        let padding = if rows == columns { rows.to_string() } else { format!("{rows}, {columns}") };
        return misfit(
            MisfitKind::Padding,
            format!("{name} has a padding of {padding}, which leaves windows empty"),
            "use a padding smaller than the kernel",
        );
    }
    let padded: [usize; 2] = std::array::from_fn(|side| sides[side] + 2 * sweep.padding[side]);
    if (0..2).any(|side| covered[side] > padded[side]) {
        let ([rows, columns], [height, width]) = (covered, sides);
        return misfit(
            MisfitKind::Window,
            format!(
                "the {rows}×{columns} window of {name} is larger than its {height}×{width} input"
            ),
            "use a smaller kernel, more padding, or fewer poolings before it",
        );
    }
    Ok(std::array::from_fn(|side| (padded[side] - covered[side]) / sweep.stride[side].max(1) + 1))
}

/// Stride as it stands on bricks: nothing for 1.
pub(super) fn stride_text(Pair(stride): Pair) -> String {
    match stride {
        [1, 1] => String::new(),
        [rows, columns] if rows == columns => format!(" /{rows}"),
        [rows, columns] => format!(" /{rows}×{columns}"),
    }
}

/// The arguments of a pooling, whichever operation has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pooling {
    pub(super) kernel: Pair,
    pub(super) stride: Pair,
    pub(super) padding: Pair,
}

impl Pooling {
    pub(super) fn sweep(&self) -> Sweep {
        Sweep::plain(self.kernel.0, self.stride.0, self.padding.0)
    }

    pub(super) fn output(&self, name: &str, input: Shape) -> Result<Shape, Misfit> {
        let name = format!("{name} {}", self.kernel);
        let [channels, height, width] = image(&name, input)?;
        let [height, width] = windows(&name, [height, width], self.sweep())?;
        Ok(Shape::Image([channels, height, width]))
    }

    pub(super) fn flops(&self, output: Shape) -> u64 {
        let Pair([rows, columns]) = self.kernel;
        product(&[output.size(), rows, columns])
    }
}

/// The arguments of a convolution, whichever operation has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Convolution {
    pub(super) filters: usize,
    pub(super) kernel: Pair,
    pub(super) stride: Pair,
    pub(super) padding: Padding,
    pub(super) dilation: Pair,
    pub(super) groups: usize,
    pub(super) bias: bool,
    pub(super) kernel_initialiser: Initialiser,
    pub(super) bias_initialiser: Initialiser,
    /// What follows, which decides how weights start.
    pub(super) function: ActivationFunction,
}

impl Convolution {
    /// One that mixes the channels of each pixel, without bias.
    pub(super) fn pointwise(filters: usize) -> Self {
        Self {
            filters,
            kernel: Pair::ONE,
            stride: Pair::ONE,
            padding: Padding::Valid,
            dilation: Pair::ONE,
            groups: 1,
            bias: false,
            kernel_initialiser: Initialiser::Aligned,
            bias_initialiser: Initialiser::Aligned,
            function: ActivationFunction::Linear,
        }
    }

    /// One with `multiplier` filters for each of `channels`, which see no other channel, without bias.
    pub(super) fn depthwise(channels: usize, multiplier: usize, kernel: Pair) -> Self {
        Self {
            kernel,
            padding: Padding::Same,
            groups: channels,
            ..Self::pointwise(channels.saturating_mul(multiplier))
        }
    }

    pub(super) fn sweep(&self) -> Sweep {
        let (Pair(kernel), Pair(stride), Pair(dilation)) =
            (self.kernel, self.stride, self.dilation);
        Sweep {
            kernel,
            stride,
            padding: self.padding.pixels(covered(kernel, dilation)),
            dilation,
            groups: self.groups,
        }
    }

    /// Filters, channels of a group, rows and columns of the kernel.
    fn weight_shape(&self, channels: usize) -> [usize; 4] {
        let Pair([rows, columns]) = self.kernel;
        [self.filters, channels / self.groups.max(1), rows, columns]
    }

    pub(super) fn output(&self, name: &str, input: Shape) -> Result<Shape, Misfit> {
        let [channels, height, width] = image(name, input)?;
        let (filters, groups) = (self.filters, self.groups);
        if groups == 0 || !channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
            return misfit(
                MisfitKind::Groups,
                format!(
                    "{name} has {groups} groups, which do not divide its {channels} channels and \
                     {filters} filters"
                ),
                "set the groups to a number that divides both, such as 1",
            );
        }
        let [height, width] = windows(name, [height, width], self.sweep())?;
        Ok(Shape::Image([filters, height, width]))
    }

    /// The weight, and the bias if there is one, of an input with so many channels. Roles begin with `prefix`.
    pub(super) fn parameters(&self, channels: usize, roles: [&'static str; 2]) -> Vec<Parameter> {
        let shape = self.weight_shape(channels);
        let [filters, inputs, rows, columns] = shape;
        let [weight, bias] = roles;
        let mut parameters = vec![Parameter {
            role: weight,
            shape: shape.to_vec(),
            start: Start::Drawn {
                initialiser: self.kernel_initialiser,
                kernel: Some([rows, columns]),
                inputs,
                outputs: filters / self.groups.max(1),
                gain: self.function.gain(),
            },
            decays: true,
        }];
        if self.bias {
            parameters.push(bias_parameter(bias, filters, self.bias_initialiser));
        }
        parameters
    }

    /// The filters, from the next of an operation's values.
    pub(super) fn filters(&self, channels: usize, own: &mut Own<'_>) -> Filters {
        Filters {
            weight: own.next_value(),
            bias: self.bias.then(|| own.next_value()),
            shape: self.weight_shape(channels),
        }
    }

    pub(super) fn flops(&self, input: Shape, output: Shape) -> u64 {
        let Shape::Image([_, height, width]) = output else { return 0 };
        product(&self.weight_shape(input.channels())).saturating_mul(product(&[2, height, width]))
    }
}

/// A bias: one value per unit or filter. `Aligned` biases start at 0.
pub(super) fn bias_parameter(
    role: &'static str,
    count: usize,
    initialiser: Initialiser,
) -> Parameter {
    let start = match initialiser {
        Initialiser::Aligned | Initialiser::Zeros => Start::Constant(0.0),
        Initialiser::Ones => Start::Constant(1.0),
        Initialiser::RandomNormal
        | Initialiser::RandomUniform
        | Initialiser::TruncatedNormal
        | Initialiser::LecunNormal
        | Initialiser::LecunUniform
        | Initialiser::GlorotNormal
        | Initialiser::GlorotUniform
        | Initialiser::HeNormal
        | Initialiser::HeUniform
        | Initialiser::Orthogonal => {
            Start::Drawn { initialiser, kernel: None, inputs: count, outputs: count, gain: 1.0 }
        }
    };
    Parameter { role, shape: vec![count], start, decays: false }
}

/// Operations that a function of so many values takes.
pub(super) fn function_flops(function: ActivationFunction, output: Shape) -> u64 {
    function.flops().saturating_mul(output.size() as u64)
}
