//! Operations on images: Burn's, which every device has, or the processor's own, which are faster there.

#[cfg(feature = "flex")]
use super::cpu;
use super::{EPSILON, Statistics};
#[cfg(feature = "flex")]
use crate::engine::kernels::{
    conv::{Geometry, Reach},
    window::Window,
};
use crate::engine::{kernels::fused::Fused, ops::Interpolation};
#[cfg(feature = "flex")]
use burn::backend::DispatchDevice;
use burn::tensor::{
    Device, Tensor, activation,
    module::{avg_pool2d, batch_norm_train, conv_transpose2d, conv2d, max_pool2d},
    ops::{AvgPoolOptions, ConvOptions, ConvTransposeOptions, MaxPoolOptions},
};

/// Whose operations are used, which also says how images lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum ImageOps {
    /// Burn's, on images of `[batch, channels, height, width]`.
    Burn,
    /// The processor's own, on images of `[batch, height, width, channels]`.
    #[cfg(feature = "flex")]
    Cpu,
}

/// A kernel that moves over an image: rows and columns of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Sweep {
    pub(in crate::engine) kernel: [usize; 2],
    pub(in crate::engine) stride: [usize; 2],
    /// On each side.
    pub(in crate::engine) padding: [usize; 2],
    /// Distance of the kernel's taps.
    pub(in crate::engine) dilation: [usize; 2],
    /// How many groups of channels are convolved apart.
    pub(in crate::engine) groups: usize,
}

impl Sweep {
    /// One whose taps lie side by side and see all channels, or one that pools.
    pub(in crate::engine) fn plain(
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> Self {
        Self { kernel, stride, padding, dilation: [1; 2], groups: 1 }
    }
}

/// Weights and biases of a convolution.
pub(in crate::engine) struct Filters {
    /// Flat, in the order of `shape`.
    pub(in crate::engine) weight: Tensor<1>,
    pub(in crate::engine) bias: Option<Tensor<1>>,
    /// Filters, channels that each sees, rows and columns of the kernel.
    pub(in crate::engine) shape: [usize; 4],
}

impl ImageOps {
    /// The fastest on `device`.
    pub(in crate::engine) fn of(device: &Device) -> Self {
        match device.as_dispatch() {
            #[cfg(feature = "flex")]
            DispatchDevice::Flex(_) => Self::Cpu,
            #[allow(unreachable_patterns, reason = "reached in builds with other devices")]
            _ => Self::Burn,
        }
    }

    /// `[batch, channels, height, width]` as these operations take it.
    pub(in crate::engine) fn enter(self, images: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Burn => images,
            #[cfg(feature = "flex")]
            Self::Cpu => images.permute([0, 2, 3, 1]),
        }
    }

    /// The reverse of [`Self::enter`].
    pub(in crate::engine) fn leave(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Burn => x,
            #[cfg(feature = "flex")]
            Self::Cpu => x.permute([0, 3, 1, 2]),
        }
    }

    /// Which dimension of images has the channels.
    pub(in crate::engine) fn channel_dimension(self) -> usize {
        match self {
            Self::Burn => 1,
            #[cfg(feature = "flex")]
            Self::Cpu => 3,
        }
    }

    /// Channels, height and width of images.
    pub(in crate::engine) fn shape(self, x: &Tensor<4>) -> [usize; 3] {
        let dims = x.dims();
        match self {
            Self::Burn => [dims[1], dims[2], dims[3]],
            #[cfg(feature = "flex")]
            Self::Cpu => [dims[3], dims[1], dims[2]],
        }
    }

    /// Zeros, for `[batch, channels, height, width]`.
    pub(in crate::engine) fn zeros(
        self,
        [batch, channels, height, width]: [usize; 4],
        device: &Device,
    ) -> Tensor<4> {
        let shape = match self {
            Self::Burn => [batch, channels, height, width],
            #[cfg(feature = "flex")]
            Self::Cpu => [batch, height, width, channels],
        };
        Tensor::zeros(shape, device)
    }

    /// Which dimensions of images have the rows and the columns.
    fn sides(self) -> [usize; 2] {
        match self {
            Self::Burn => [2, 3],
            #[cfg(feature = "flex")]
            Self::Cpu => [1, 2],
        }
    }

    /// Images of one pixel, for `[batch, channels]`.
    pub(in crate::engine) fn one_pixel(self, values: Tensor<2>) -> Tensor<4> {
        let [batch, channels] = values.dims();
        let mut shape = [batch, 1, 1, 1];
        shape[self.channel_dimension()] = channels;
        values.reshape(shape)
    }

    /// A value for each channel, or one for all, to be combined with images.
    pub(in crate::engine) fn broadcast(self, values: Tensor<1>) -> Tensor<4> {
        let [channels] = values.dims();
        self.one_pixel(values.reshape([1, channels]))
    }

    /// The channels of some images, one behind the other.
    pub(in crate::engine) fn concatenate(self, parts: Vec<Tensor<4>>) -> Tensor<4> {
        match self {
            Self::Burn => Tensor::cat(parts, self.channel_dimension()),
            #[cfg(feature = "flex")]
            Self::Cpu => concatenate_in_pairs(parts),
        }
    }

    /// A convolution, with an activation behind it or none.
    pub(in crate::engine) fn convolve(
        self,
        x: Tensor<4>,
        filters: Filters,
        sweep: Sweep,
        fused: Fused,
    ) -> Tensor<4> {
        #[cfg(feature = "flex")]
        if let Some(geometry) = self.geometry(&x, &filters, sweep) {
            let bias = filters.bias.unwrap_or_else(|| no_bias(&x, filters.shape));
            return cpu::convolve(x, filters.weight, bias, geometry, fused);
        }
        let Filters { weight, bias, shape } = filters;
        let Sweep { stride, padding, dilation, groups, .. } = sweep;
        let options = ConvOptions::new(stride, padding, dilation, groups);
        let x = conv2d(self.leave(x), weight.reshape(shape), bias, options);
        activate(self.enter(x), fused)
    }

    /// A convolution and a batch normalisation with the statistics of the batch, which are returned as well.
    pub(in crate::engine) fn convolve_and_normalise(
        self,
        x: Tensor<4>,
        filters: Filters,
        sweep: Sweep,
        norm: [Tensor<1>; 2],
        fused: Fused,
    ) -> (Tensor<4>, Statistics) {
        #[cfg(feature = "flex")]
        if let Some(geometry) = self.geometry(&x, &filters, sweep) {
            let bias = filters.bias.unwrap_or_else(|| no_bias(&x, filters.shape));
            let epsilon = EPSILON as f32;
            let (x, mean, variance) = cpu::convolve_and_normalise(
                x,
                filters.weight,
                bias,
                norm,
                geometry,
                epsilon,
                fused,
            );
            return (x, Statistics::new(mean, variance));
        }
        let x = self.convolve(x, filters, sweep, Fused::Nothing);
        self.normalise(x, norm, fused)
    }

    /// A batch normalisation with the statistics of the batch, which are returned as well.
    pub(in crate::engine) fn normalise(
        self,
        x: Tensor<4>,
        [gamma, beta]: [Tensor<1>; 2],
        fused: Fused,
    ) -> (Tensor<4>, Statistics) {
        match self {
            Self::Burn => {
                let done = batch_norm_train(x, gamma, beta, EPSILON);
                (activate(done.output, fused), Statistics::new(done.mean, done.variance))
            }
            #[cfg(feature = "flex")]
            Self::Cpu => {
                let (x, mean, variance) = cpu::normalise(x, [gamma, beta], EPSILON as f32, fused);
                (x, Statistics::new(mean, variance))
            }
        }
    }

    /// Multiplies every channel by its `scale` and adds its `shift`.
    pub(in crate::engine) fn scale(
        self,
        x: Tensor<4>,
        scale: Tensor<1>,
        shift: Tensor<1>,
        fused: Fused,
    ) -> Tensor<4> {
        match self {
            Self::Burn => activate(x * self.broadcast(scale) + self.broadcast(shift), fused),
            #[cfg(feature = "flex")]
            Self::Cpu => cpu::scale(x, scale, shift, fused),
        }
    }

    pub(in crate::engine) fn max_pool(self, x: Tensor<4>, sweep: Sweep) -> Tensor<4> {
        match self {
            Self::Burn => {
                let Sweep { kernel, stride, padding, .. } = sweep;
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
    pub(in crate::engine) fn average_pool(self, x: Tensor<4>, sweep: Sweep) -> Tensor<4> {
        match self {
            Self::Burn => {
                let Sweep { kernel, stride, padding, .. } = sweep;
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
    pub(in crate::engine) fn global_average(self, x: Tensor<4>) -> Tensor<2> {
        self.over_pixels(x, |x, pixels| x.mean_dim(pixels))
    }

    /// The largest value of each channel, `[batch, channels]`.
    pub(in crate::engine) fn global_max(self, x: Tensor<4>) -> Tensor<2> {
        self.over_pixels(x, |x, pixels| x.max_dim(pixels))
    }

    /// What `reduce` leaves of the pixels of each channel, which are in the dimension that it is told.
    fn over_pixels(
        self,
        x: Tensor<4>,
        reduce: impl FnOnce(Tensor<3>, usize) -> Tensor<3>,
    ) -> Tensor<2> {
        let [batch, ..] = x.dims();
        let [channels, height, width] = self.shape(&x);
        let pixels = height * width;
        let x = match self {
            Self::Burn => reduce(x.reshape([batch, channels, pixels]), 2),
            #[cfg(feature = "flex")]
            Self::Cpu => reduce(x.reshape([batch, pixels, channels]), 1),
        };
        x.reshape([batch, channels])
    }

    /// The reverse of a convolution's window: each pixel adds the kernel, times its value, to what comes out, in steps
    /// of the stride. Then `padding` rows and columns are cut off on each side and `extra` ones added below and on the
    /// right. The shape of the weights begins with the channels that come in and those that go out.
    pub(in crate::engine) fn convolve_transposed(
        self,
        x: Tensor<4>,
        Filters { weight, bias, shape }: Filters,
        Sweep { stride, padding, dilation, groups, .. }: Sweep,
        extra: [usize; 2],
    ) -> Tensor<4> {
        let options = ConvTransposeOptions::new(stride, padding, extra, dilation, groups);
        self.enter(conv_transpose2d(self.leave(x), weight.reshape(shape), bias, options))
    }

    /// Takes off rows above and below, and columns left and right.
    pub(in crate::engine) fn crop(
        self,
        x: Tensor<4>,
        [above, below, left, right]: [usize; 4],
    ) -> Tensor<4> {
        let [_, height, width] = self.shape(&x);
        let [rows, columns] = self.sides();
        x.narrow(rows, above, height - above - below).narrow(columns, left, width - left - right)
    }

    /// Images of so many times the rows and columns.
    pub(in crate::engine) fn up_sample(
        self,
        x: Tensor<4>,
        size: [usize; 2],
        interpolation: Interpolation,
    ) -> Tensor<4> {
        let sides = self.sides().into_iter().zip(size);
        sides.fold(x, |x, (side, factor)| stretch(x, side, factor, interpolation))
    }

    /// `[batch, channels · height · width]`, in this order on every device, as the weights behind it are.
    pub(in crate::engine) fn flatten(self, x: Tensor<4>) -> Tensor<2> {
        let x = self.leave(x);
        let [batch, channels, height, width] = x.dims();
        x.reshape([batch, channels * height * width])
    }

    /// What the processor's own convolution needs to know, unless Burn's does the work: on other devices, and
    /// where the own one lacks something.
    #[cfg(feature = "flex")]
    fn geometry(self, x: &Tensor<4>, filters: &Filters, sweep: Sweep) -> Option<Geometry> {
        let ([filters, seen, ..], [.., channels]) = (filters.shape, x.dims());
        let covered = sweep.padding.iter().zip(sweep.kernel).all(|(&pad, side)| pad < side);
        let reach = match self {
            Self::Burn => None,
            Self::Cpu if sweep.dilation != [1; 2] => None,
            Self::Cpu if sweep.groups == 1 => covered.then_some(Reach::All),
            Self::Cpu => (sweep.groups == channels && seen == 1).then_some(Reach::One),
        };
        reach.map(|reach| Geometry { window: window(x, sweep), filters, reach })
    }
}

/// What may be computed along with an operation, on its own.
pub(super) fn activate(x: Tensor<4>, fused: Fused) -> Tensor<4> {
    match fused {
        Fused::Nothing => x,
        Fused::Relu => activation::relu(x),
        Fused::ReluUpTo(most) => x.clamp(0.0, most),
    }
}

/// `factor` values for each one along the dimension `side`.
///
/// Burn's own interpolation cannot be differentiated on GPUs where it is bilinear.
fn stretch(x: Tensor<4>, side: usize, factor: usize, interpolation: Interpolation) -> Tensor<4> {
    if factor == 1 {
        return x;
    }
    let mut shape = x.dims();
    let parts = match interpolation {
        Interpolation::Nearest => vec![x; factor],
        Interpolation::Bilinear => {
            // Beyond the borders, their pixels go on.
            let length = shape[side];
            let part = |start, length| x.clone().narrow(side, start, length);
            let (before, after) = if length == 1 {
                (x.clone(), x.clone())
            } else {
                (
                    Tensor::cat(vec![part(0, 1), part(0, length - 1)], side),
                    Tensor::cat(vec![part(1, length - 1), part(length - 1, 1)], side),
                )
            };
            let mixture = |place: usize| {
                // How far the centre of the new pixel is behind that of the old one.
                let offset = (place as f64 + 0.5) / factor as f64 - 0.5;
                let neighbour = if offset < 0.0 { &before } else { &after };
                let share = offset.abs();
                x.clone().mul_scalar(1.0 - share) + neighbour.clone().mul_scalar(share)
            };
            (0..factor).map(mixture).collect()
        }
    };
    shape[side] *= factor;
    Tensor::stack::<5>(parts, side + 1).reshape(shape)
}

/// In halves, so that each of `n` is copied about log2 of `n` times.
#[cfg(feature = "flex")]
fn concatenate_in_pairs(mut parts: Vec<Tensor<4>>) -> Tensor<4> {
    if parts.len() <= 1 {
        return parts.pop().expect("something is concatenated");
    }
    let behind = parts.split_off(parts.len().div_ceil(2));
    cpu::concatenate(concatenate_in_pairs(parts), concatenate_in_pairs(behind))
}

#[cfg(feature = "flex")]
fn window(x: &Tensor<4>, sweep: Sweep) -> Window {
    let [_, height, width, channels] = x.dims();
    let Sweep { kernel, stride, padding, .. } = sweep;
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

    /// Asserts that an operation and its gradients are the same with either, up to rounding. It is
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
        let all = Sweep::plain;
        let square = all([3, 3], [1, 1], [1, 1]);
        for sweep in [
            square,
            all([3, 3], [2, 2], [1, 1]),
            all([1, 7], [1, 1], [0, 3]),
            all([7, 1], [2, 1], [3, 0]),
            all([2, 3], [1, 2], [0, 2]),
            Sweep { groups: 6, ..square },
            Sweep { groups: 6, ..all([5, 5], [2, 2], [2, 2]) },
            Sweep { groups: 6, ..all([1, 1], [1, 1], [1, 2]) },
            // What the processor's own kernels leave to Burn.
            all([1, 1], [1, 1], [1, 2]),
            all([3, 2], [2, 2], [1, 3]),
            Sweep { dilation: [2, 2], ..square },
            Sweep { dilation: [1, 3], ..all([3, 3], [1, 2], [1, 3]) },
            Sweep { groups: 2, ..square },
            Sweep { groups: 3, dilation: [2, 1], ..square },
        ] {
            let shape = [12, 6 / sweep.groups, sweep.kernel[0], sweep.kernel[1]];
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
    fn batch_normalisations_agree_on_their_own_and_behind_known_statistics() {
        // The first is more than one task looks at.
        for shape in [[8, 7, 29, 31], [3, 19, 2, 1]] {
            for fused in [Fused::Nothing, Fused::Relu, Fused::ReluUpTo(0.5)] {
                let counts = [shape[1]; 2];
                assert_agreement(shape, counts, |ops, x, norm| ops.normalise(x, norm, fused).0);
                assert_agreement(shape, counts, |ops, x, [factor, summand]| {
                    ops.scale(x, factor, summand, fused)
                });
                let [ours, burns] = OURS_AND_BURNS.map(|ops| {
                    let x = ops.enter(tensor(noise(shape.iter().product(), 3), shape));
                    let one = tensor(vec![1.0; shape[1]], [shape[1]]);
                    let seen = ops.normalise(x, [one.clone(), one], fused).1;
                    [numbers(&seen.mean), numbers(&seen.variance)].concat()
                });
                for (ours, burns) in ours.into_iter().zip(burns) {
                    assert!((ours - burns).abs() < 1e-5, "{ours} is not {burns}");
                }
            }
        }
    }

    #[test]
    fn concatenations_agree_however_many_there_are() {
        for count in 1..=5 {
            assert_agreement([2, 3, 9, 8], [3], |ops, x, [factor]| {
                // One that is narrower.
                let more = (x.clone() * ops.broadcast(factor)).sum_dim(ops.channel_dimension());
                let parts = (0..count).map(|i| if i % 2 == 0 { x.clone() } else { more.clone() });
                ops.concatenate(parts.chain([more.clone()]).collect())
            });
        }
    }

    #[test]
    fn poolings_agree_whatever_their_windows() {
        for (kernel, stride, padding) in [
            ([2, 2], [2, 2], [0, 0]),
            ([3, 3], [2, 2], [1, 1]),
            ([1, 3], [1, 2], [0, 1]),
            ([4, 2], [3, 1], [2, 0]),
        ] {
            let sweep = Sweep::plain(kernel, stride, padding);
            assert_agreement([2, 5, 9, 8], [], |ops, x, []| ops.max_pool(x, sweep));
            assert_agreement([2, 5, 9, 8], [], |ops, x, []| ops.average_pool(x, sweep));
        }
    }
}
