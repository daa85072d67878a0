//! Operations on images: Burn's, which every device has, or the processor's own, which are faster there.

#[cfg(feature = "flex")]
use super::cpu;
use super::layers::{EPSILON, Statistics};
use crate::engine::kernels::fused::Fused;
#[cfg(feature = "flex")]
use crate::engine::kernels::{
    conv::{Geometry, Reach},
    window::Window,
};
#[cfg(feature = "flex")]
use burn::backend::DispatchDevice;
use burn::tensor::{
    Device, Tensor, activation,
    module::{avg_pool2d, batch_norm_train, conv2d, max_pool2d},
    ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions},
};

/// Whose operations are used, which also says how images lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ImageOps {
    /// Burn's, on images of `[batch, channels, height, width]`.
    Burn,
    /// The processor's own, on images of `[batch, height, width, channels]`.
    #[cfg(feature = "flex")]
    Cpu,
}

/// A window that moves over an image. All in pixels, downwards and to the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sweep {
    /// Its height and width.
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    /// Rows at top and bottom, columns at left and right.
    pub(super) padding: [usize; 2],
}

/// How the kernel of a convolution moves over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConvSweep {
    pub(super) sweep: Sweep,
    /// Pixels from one tap of the kernel to the next, downwards and to the right.
    pub(super) dilation: [usize; 2],
    /// Into how many parts the channels are split, each of which has filters of its own.
    pub(super) groups: usize,
}

impl From<Sweep> for ConvSweep {
    /// With dense kernels that see all channels.
    fn from(sweep: Sweep) -> Self {
        Self { sweep, dilation: [1; 2], groups: 1 }
    }
}

/// A part of what is concatenated.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are few parts, and not for long")]
#[allow(dead_code, reason = "for operations that concatenate")]
pub(super) enum Part<const D: usize> {
    Values(Tensor<D>),
    /// So many channels or features of zeros, in the place of what is left out.
    Zeros(usize),
}

/// Joins `parts` along `axis`; of those that are not zeros, the other axes are alike. `None` if all are zeros: then
/// nothing tells how large they are.
#[allow(dead_code, reason = "for operations that concatenate")]
fn concatenate<const D: usize>(parts: Vec<Part<D>>, axis: usize) -> Option<Tensor<D>> {
    let first = parts.iter().find_map(|part| match part {
        Part::Values(values) => Some(values),
        Part::Zeros(_) => None,
    })?;
    let (shape, device) = (first.dims(), first.device().without_autodiff());
    let tensors = parts.into_iter().map(|part| match part {
        Part::Values(values) => values,
        Part::Zeros(width) => {
            let mut shape = shape;
            shape[axis] = width;
            Tensor::zeros(shape, &device)
        }
    });
    Some(Tensor::cat(tensors.collect(), axis))
}

/// Flat vectors, `[batch, features]`, one behind the other; `None` if all parts are zeros.
#[allow(dead_code, reason = "for operations that concatenate")]
pub(super) fn concatenate_flat(parts: Vec<Part<2>>) -> Option<Tensor<2>> {
    concatenate(parts, 1)
}

/// Weights and biases of a convolution.
pub(super) struct Filters {
    /// Flat, in the order of `shape`.
    pub(super) weight: Tensor<1>,
    pub(super) bias: Option<Tensor<1>>,
    /// Filters, channels that each sees, height and width of the kernel.
    pub(super) shape: [usize; 4],
}

impl ImageOps {
    /// The fastest on `device`.
    pub(super) fn of(device: &Device) -> Self {
        match device.as_dispatch() {
            #[cfg(feature = "flex")]
            DispatchDevice::Flex(_) => Self::Cpu,
            #[allow(unreachable_patterns, reason = "reached in builds with other devices")]
            _ => Self::Burn,
        }
    }

    /// `[batch, channels, height, width]` as these operations take it.
    pub(super) fn enter(self, images: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Burn => images,
            #[cfg(feature = "flex")]
            Self::Cpu => images.permute([0, 2, 3, 1]),
        }
    }

    /// The reverse of [`Self::enter`].
    pub(super) fn leave(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Burn => x,
            #[cfg(feature = "flex")]
            Self::Cpu => x.permute([0, 3, 1, 2]),
        }
    }

    /// A value for each channel, to be combined with images.
    fn broadcast(self, values: Tensor<1>) -> Tensor<4> {
        let [channels] = values.dims();
        self.enter(values.reshape([1, channels, 1, 1]))
    }

    /// A convolution, with an activation behind it or none.
    pub(super) fn convolve(
        self,
        x: Tensor<4>,
        filters: Filters,
        sweep: ConvSweep,
        fused: Fused,
    ) -> Tensor<4> {
        #[cfg(feature = "flex")]
        if let Some(geometry) = self.geometry(&x, &filters, sweep) {
            let bias = filters.bias.unwrap_or_else(|| no_bias(&x, filters.shape));
            return cpu::convolve(x, filters.weight, bias, geometry, fused);
        }
        let Filters { weight, bias, shape } = filters;
        let ConvSweep { sweep: Sweep { stride, padding, .. }, dilation, groups } = sweep;
        let options = ConvOptions::new(stride, padding, dilation, groups);
        let x = conv2d(self.leave(x), weight.reshape(shape), bias, options);
        self.activate(self.enter(x), fused)
    }

    /// A convolution and a batch normalisation with the statistics of the batch, which are returned as well.
    pub(super) fn convolve_and_normalise(
        self,
        x: Tensor<4>,
        filters: Filters,
        sweep: ConvSweep,
        norm: [Tensor<1>; 2],
        fused: Fused,
    ) -> (Tensor<4>, Statistics) {
        #[cfg(feature = "flex")]
        if let Some(geometry) = self.geometry(&x, &filters, sweep) {
            let bias = filters.bias.unwrap_or_else(|| no_bias(&x, filters.shape));
            let weight = filters.weight;
            let epsilon = EPSILON as f32;
            let (x, mean, variance) =
                cpu::convolve_and_normalise(x, weight, bias, norm, geometry, epsilon, fused);
            return (x, Statistics::new(mean, variance));
        }
        let x = self.convolve(x, filters, sweep, Fused::Nothing);
        self.normalise(x, norm, fused)
    }

    /// A batch normalisation with the statistics of the batch, which are returned as well.
    pub(super) fn normalise(
        self,
        x: Tensor<4>,
        [gamma, beta]: [Tensor<1>; 2],
        fused: Fused,
    ) -> (Tensor<4>, Statistics) {
        let done = batch_norm_train(self.leave(x), gamma, beta, EPSILON);
        let output = self.activate(self.enter(done.output), fused);
        (output, Statistics::new(done.mean, done.variance))
    }

    /// Multiplies every channel by its `scale` and adds its `shift`.
    pub(super) fn scale(
        self,
        x: Tensor<4>,
        scale: Tensor<1>,
        shift: Tensor<1>,
        fused: Fused,
    ) -> Tensor<4> {
        self.activate(x * self.broadcast(scale) + self.broadcast(shift), fused)
    }

    /// What may be fused with an operation, on its own.
    pub(super) fn activate(self, x: Tensor<4>, fused: Fused) -> Tensor<4> {
        match fused {
            Fused::Nothing => x,
            Fused::Relu => activation::relu(x),
            Fused::ReluUpTo(most) => activation::relu(x).clamp_max(most),
        }
    }

    pub(super) fn max_pool(self, x: Tensor<4>, sweep: Sweep) -> Tensor<4> {
        match self {
            Self::Burn => {
                let Sweep { kernel, stride, padding } = sweep;
                let options = MaxPoolOptions::new(kernel).with_stride(stride).with_padding(padding);
                max_pool2d(x, options)
            }
            #[cfg(feature = "flex")]
            Self::Cpu => {
                let window = window(&x, sweep);
                cpu::pool(x, cpu::Pooling::Max, window)
            }
        }
    }

    /// The mean of the pixels under each window that belong to the image.
    pub(super) fn average_pool(self, x: Tensor<4>, sweep: Sweep) -> Tensor<4> {
        match self {
            Self::Burn => {
                let Sweep { kernel, stride, padding } = sweep;
                let options = AvgPoolOptions::new(kernel)
                    .with_stride(stride)
                    .with_padding(padding)
                    .with_count_include_pad(false);
                avg_pool2d(x, options)
            }
            #[cfg(feature = "flex")]
            Self::Cpu => {
                let window = window(&x, sweep);
                cpu::pool(x, cpu::Pooling::Average, window)
            }
        }
    }

    /// The mean of each channel, `[batch, channels]`.
    pub(super) fn global_average(self, x: Tensor<4>) -> Tensor<2> {
        match self {
            Self::Burn => {
                let [batch, channels, height, width] = x.dims();
                let x = x.reshape([batch * channels, height * width]).mean_dim(1);
                x.reshape([batch, channels])
            }
            #[cfg(feature = "flex")]
            Self::Cpu => {
                let [batch, height, width, channels] = x.dims();
                let x = x.reshape([batch, height * width, channels]).mean_dim(1);
                x.reshape([batch, channels])
            }
        }
    }

    /// Images of equal height and width, with the channels of one behind those of the other; `None` if all parts
    /// are zeros.
    #[allow(dead_code, reason = "for operations that concatenate")]
    pub(super) fn concatenate(self, parts: Vec<Part<4>>) -> Option<Tensor<4>> {
        let channels = match self {
            Self::Burn => 1,
            #[cfg(feature = "flex")]
            Self::Cpu => 3,
        };
        concatenate(parts, channels)
    }

    /// `[batch, channels · height · width]`, in this order whoever computes, as the weights behind it are.
    pub(super) fn flatten(self, x: Tensor<4>) -> Tensor<2> {
        let x = self.leave(x);
        let [batch, channels, height, width] = x.dims();
        x.reshape([batch, channels * height * width])
    }

    /// What the processor's own convolution needs to know, unless Burn's does the work: on other devices, and
    /// where the own one lacks something.
    #[cfg(feature = "flex")]
    fn geometry(self, x: &Tensor<4>, filters: &Filters, sweep: ConvSweep) -> Option<Geometry> {
        let ConvSweep { sweep, dilation, groups } = sweep;
        let ([filters, seen, ..], [.., channels]) = (filters.shape, x.dims());
        let covered = sweep.padding.iter().zip(sweep.kernel).all(|(&pad, side)| pad < side);
        let reach = match self {
            Self::Burn => None,
            Self::Cpu if dilation != [1; 2] => None,
            Self::Cpu if groups == 1 => covered.then_some(Reach::All),
            Self::Cpu => (groups == channels && seen == 1).then_some(Reach::One),
        };
        reach.map(|reach| Geometry { window: window(x, sweep), filters, reach })
    }
}

#[cfg(feature = "flex")]
fn window(x: &Tensor<4>, sweep: Sweep) -> Window {
    let [_, height, width, channels] = x.dims();
    let Sweep { kernel, stride, padding } = sweep;
    Window { height, width, channels, kernel, stride, padding }
}

#[cfg(feature = "flex")]
fn no_bias(x: &Tensor<4>, [filters, ..]: [usize; 4]) -> Tensor<1> {
    Tensor::zeros([filters], &x.device().without_autodiff())
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::engine::supernet::toy::{noise, tensor};

    const OURS_AND_BURNS: [ImageOps; 2] = [ImageOps::Cpu, ImageOps::Burn];

    fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
        tensor.try_to_vec_as().expect("floats")
    }

    /// Asserts that an operation and its gradients are the same, but for rounding, whoever computes. It is
    /// given an image of `shape`, `[batch, channels, height, width]`, and flat parameters of `counts` values.
    fn assert_agreement<const P: usize>(
        shape: [usize; 4],
        counts: [usize; P],
        operation: impl Fn(ImageOps, Tensor<4>, [Tensor<1>; P]) -> Tensor<4>,
    ) {
        let [ours, burns] = OURS_AND_BURNS.map(|ops| {
            let x = tensor(noise(shape.iter().product(), 0), shape).autodiff().require_grad();
            let parameters: [Tensor<1>; P] = std::array::from_fn(|i| {
                tensor(noise(counts[i], 1 + i as u64), [counts[i]]).autodiff().require_grad()
            });
            let output = ops.leave(operation(ops, ops.enter(x.clone()), parameters.clone()));
            // The gradients of a weighted sum of the outputs, with a weight for each.
            let size = output.dims();
            let weights = tensor(noise(size.iter().product(), 9), size);
            let gradients = (output.clone() * weights.autodiff()).sum().backward();
            let mut found = vec![numbers(&output), numbers(&x.grad(&gradients).expect("tracked"))];
            found.extend(
                parameters.iter().map(|it| numbers(&it.grad(&gradients).expect("tracked"))),
            );
            (size, found)
        });
        assert_eq!(ours.0, burns.0);
        for (ours, burns) in ours.1.iter().zip(&burns.1) {
            assert_eq!(ours.len(), burns.len());
            for (i, (a, b)) in ours.iter().zip(burns).enumerate() {
                assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "at {i}: {a} instead of {b}");
            }
        }
    }

    #[test]
    fn convolutions_agree_whatever_their_kernels() {
        let all = |kernel, stride, padding| ConvSweep::from(Sweep { kernel, stride, padding });
        let square = all([3, 3], [1, 1], [1, 1]);
        for sweep in [
            square,
            all([3, 3], [2, 2], [1, 1]),
            all([1, 7], [1, 1], [0, 3]),
            all([7, 1], [2, 1], [3, 0]),
            all([2, 3], [1, 2], [0, 2]),
            ConvSweep { groups: 6, ..square },
            ConvSweep { groups: 6, ..all([5, 5], [2, 2], [2, 2]) },
            ConvSweep { groups: 6, ..all([1, 1], [1, 1], [1, 2]) },
            // What the processor's own kernels leave to Burn.
            all([1, 1], [1, 1], [1, 2]),
            all([3, 2], [2, 2], [1, 3]),
            ConvSweep { dilation: [2, 2], ..square },
            ConvSweep { dilation: [1, 3], ..all([3, 3], [1, 2], [1, 3]) },
            ConvSweep { groups: 2, ..square },
            ConvSweep { groups: 3, dilation: [2, 1], ..square },
        ] {
            let shape = [12, 6 / sweep.groups, sweep.sweep.kernel[0], sweep.sweep.kernel[1]];
            let counts = [shape.iter().product(), 12];
            for fused in [Fused::Nothing, Fused::Relu, Fused::ReluUpTo(0.5)] {
                assert_agreement([3, 6, 9, 8], counts, |ops, x, [weight, bias]| {
                    ops.convolve(x, Filters { weight, bias: Some(bias), shape }, sweep, fused)
                });
                let counts = [counts[0], 12, 12];
                assert_agreement([3, 6, 9, 8], counts, |ops, x, [weight, gamma, beta]| {
                    let filters = Filters { weight, bias: None, shape };
                    ops.convolve_and_normalise(x, filters, sweep, [gamma, beta], fused).0
                });
            }
        }
    }

    #[test]
    fn concatenation_keeps_the_order_and_the_places_of_what_is_left_out() {
        let join = |ops: ImageOps, x: Tensor<4>, scale: Tensor<1>| {
            let other = ops.scale(x.clone(), scale.clone(), scale, Fused::Nothing);
            ops.concatenate(vec![
                Part::Zeros(2),
                Part::Values(x),
                Part::Zeros(1),
                Part::Values(other),
            ])
            .expect("two are images")
        };
        assert_agreement([2, 3, 4, 5], [3], |ops, x, [scale]| join(ops, x, scale));
        let x = tensor(noise(2 * 3 * 20, 0), [2, 3, 4, 5]);
        for ops in OURS_AND_BURNS {
            let joined = ops.leave(join(ops, ops.enter(x.clone()), Tensor::ones([3], &x.device())));
            assert_eq!(joined.dims(), [2, 9, 4, 5]);
            let part = |from: usize, to: usize| numbers(&joined.clone().narrow(1, from, to - from));
            assert_eq!(part(0, 2), [0.0; 2 * 2 * 20]);
            assert_eq!(part(2, 5), numbers(&x));
            assert_eq!(part(5, 6), [0.0; 2 * 20]);
            assert_eq!(part(6, 9), numbers(&x.clone().add_scalar(1.0)));
            assert!(ops.concatenate(vec![Part::Zeros(2), Part::Zeros(1)]).is_none());
        }
        let flat = tensor(vec![1.0, 2.0, 3.0, 4.0], [2, 2]);
        let parts = vec![Part::Values(flat.clone()), Part::Zeros(1), Part::Values(flat)];
        let joined = concatenate_flat(parts).expect("two are vectors");
        assert_eq!(numbers(&joined), [1.0, 2.0, 0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 3.0, 4.0]);
        assert!(concatenate_flat(vec![Part::Zeros(3)]).is_none());
    }

    #[test]
    fn poolings_agree_whatever_their_windows() {
        for (kernel, stride, padding) in [
            ([2, 2], [2, 2], [0, 0]),
            ([3, 3], [2, 2], [1, 1]),
            ([1, 3], [1, 2], [0, 1]),
            ([4, 2], [3, 1], [2, 0]),
        ] {
            let sweep = Sweep { kernel, stride, padding };
            assert_agreement([2, 5, 9, 8], [], |ops, x, []| ops.max_pool(x, sweep));
            assert_agreement([2, 5, 9, 8], [], |ops, x, []| ops.average_pool(x, sweep));
        }
    }
}
