//! Convolutions, forward and backward.

mod dense;
mod depthwise;

use super::{block::BLOCK, fused::Fused, output, window::Window};
use rayon::prelude::*;

/// Output pixels, at least, that one task computes where there are as many.
const CHUNK: usize = 192;

/// How many groups of images gather the weights' gradient apart. Fixed, so that sums do not depend on the
/// number of processors.
const GROUPS: usize = 16;

/// What a filter sees of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Reach {
    /// All channels. The padding is narrower than the kernel.
    All,
    /// One channel, which `filters / channels` filters side by side share.
    One,
}

/// A convolution. Around images are zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Geometry {
    /// How the kernel moves over an input image.
    pub(in crate::engine) window: Window,
    /// Values per pixel of the output.
    pub(in crate::engine) filters: usize,
    pub(in crate::engine) reach: Reach,
}

impl Geometry {
    fn out_pixels(&self) -> usize {
        self.window.out_height() * self.window.out_width()
    }

    /// Values of an output image.
    pub(in crate::engine) fn out_len(&self) -> usize {
        self.out_pixels() * self.filters
    }

    /// Images that one task computes.
    fn images_per_chunk(&self) -> usize {
        CHUNK.div_ceil(self.out_pixels().max(1))
    }

    /// Images, whole chunks of them, whose weights' gradient is gathered together.
    fn images_per_group(&self, batch: usize) -> usize {
        let images = self.images_per_chunk();
        batch.div_ceil(GROUPS).div_ceil(images).max(1) * images
    }
}

/// Along one axis, those pixels of an input image that the same taps of the kernel reach: with a stride of `s`,
/// every `s`th. Their gradient is a convolution of the output's with these taps, in reverse order.
#[derive(Clone, Copy)]
struct Met {
    /// The first of the pixels; the others follow by the stride.
    first: usize,
    count: usize,
    /// The first of the taps; the others follow by the stride.
    tap: usize,
    taps: usize,
    /// The output pixel in which the first pixel meets the last of the taps; for the next pixel, it is the next.
    /// Outside of the image if negative.
    start: isize,
}

impl Met {
    /// All pixels that a tap reaches.
    fn all(window: &Window, axis: usize) -> Vec<Self> {
        let size = [window.height, window.width][axis];
        let (kernel, stride) = (window.kernel[axis], window.stride[axis]);
        // Output pixel `o` has tap `t` on input pixel `o * stride + t - padding`.
        let met = |first: usize| {
            let place = first + window.padding[axis];
            let tap = place % stride;
            let taps = kernel.saturating_sub(tap).div_ceil(stride);
            let start = (place / stride) as isize + 1 - taps as isize;
            Self { first, count: (size - first).div_ceil(stride), tap, taps, start }
        };
        (0..stride.min(size)).map(met).filter(|met| met.taps > 0).collect()
    }

    /// The `i`th of the taps from the last one.
    fn backwards(&self, i: usize, stride: usize) -> usize {
        self.tap + (self.taps - 1 - i) * stride
    }
}

/// The output, in chunks of images, by `task`: it is given what `room` made, the input of a chunk, and the place for its
/// output. What it returns is returned in their order.
fn in_chunks<T: Send, R>(
    g: &Geometry,
    input: &[f32],
    room: impl Fn() -> R + Sync + Send,
    task: impl Fn(&mut R, &[f32], &mut [f32]) -> T + Sync + Send,
) -> (Vec<f32>, Vec<T>) {
    let images = g.images_per_chunk();
    let inputs: Vec<_> = input.chunks(images * g.window.in_len()).collect();
    let len = input.len() / g.window.in_len() * g.out_len();
    output::fill(len, images * g.out_len(), room, |room, chunk, output| {
        task(room, inputs[chunk], output)
    })
}

/// The gradients of the weights, and in groups those of the input, by `task`: it is given the number of the
/// first image, the input and the place for the input's gradient, which is empty where it is not wanted.
fn in_groups<T: Send>(
    g: &Geometry,
    input: &[f32],
    wanted: bool,
    task: impl Fn(usize, &[f32], &mut [f32]) -> T + Sync + Send,
) -> (Vec<f32>, Vec<T>) {
    let len = g.window.in_len();
    let group = g.images_per_group(input.len() / len);
    let inputs: Vec<_> = input.chunks(group * len).collect();
    if wanted {
        output::fill(
            input.len(),
            group * len,
            || (),
            |(), number, into| task(number * group, inputs[number], into),
        )
    } else {
        let numbers = (0..inputs.len()).into_par_iter();
        let seen = numbers.map(|number| task(number * group, inputs[number], &mut [])).collect();
        (Vec::new(), seen)
    }
}

/// Convolves `input`, `[batch, height, width, channels]`, to `[batch, out_height, out_width, filters]`.
///
/// `weights` are `[filters, channels that each sees, height, width]`. `bias` is added to every pixel, then
/// follows what is `fused`. `look` is called with the finished output of each task, while it is still in the
/// cache; what it says of them is returned in their order.
pub(in crate::engine) fn forward<T: Send>(
    g: &Geometry,
    input: &[f32],
    weights: &[f32],
    bias: &[f32],
    fused: Fused,
    look: impl Fn(&[f32]) -> T + Sync + Send,
) -> (Vec<f32>, Vec<T>) {
    match g.reach {
        Reach::All => dense::forward(g, input, weights, bias, fused, look),
        Reach::One => depthwise::forward(g, input, weights, bias, fused, look),
    }
}

/// The gradients of the input and of the weights, each in the shape of these. That of the input is empty where
/// it is not wanted: without the weights.
///
/// `gradient` writes the gradient of one image's output.
pub(in crate::engine) fn backward(
    g: &Geometry,
    input: &[f32],
    weights: Option<&[f32]>,
    gradient: impl Fn(usize, &mut [f32]) + Sync + Send,
) -> (Vec<f32>, Vec<f32>) {
    match g.reach {
        Reach::All => dense::backward(g, input, weights, gradient),
        Reach::One => depthwise::backward(g, input, weights, gradient),
    }
}

/// One value per filter, in blocks.
fn blocks(values: &[f32]) -> Vec<[f32; BLOCK]> {
    let block =
        |values: &[f32]| std::array::from_fn(|i| values.get(i).copied().unwrap_or_default());
    values.chunks(BLOCK).map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::seed;
    use proptest::prelude::*;
    use rand::RngExt;

    /// Kernels of one tap and of several, strides, odd numbers of channels and filters, more than a block;
    /// kernels that are higher than wide, and the reverse; a sum of 1,715 products.
    fn dense() -> impl Iterator<Item = Geometry> {
        [
            ([9, 7, 3], 5, [3, 3], [1, 1], [1, 1]),
            ([8, 8, 16], 16, [5, 5], [1, 1], [2, 2]),
            ([7, 9, 1], 20, [5, 5], [2, 2], [2, 2]),
            ([6, 6, 4], 33, [3, 3], [2, 2], [0, 0]),
            ([5, 4, 2], 3, [2, 2], [1, 1], [0, 0]),
            ([7, 7, 6], 8, [1, 1], [2, 2], [0, 0]),
            ([20, 20, 1], 2, [1, 1], [1, 1], [0, 0]),
            ([9, 6, 3], 7, [1, 7], [1, 1], [0, 3]),
            ([6, 8, 5], 17, [5, 2], [3, 1], [4, 0]),
            ([10, 5, 2], 4, [3, 1], [1, 2], [1, 0]),
            ([6, 11, 35], 5, [7, 7], [1, 1], [1, 0]),
        ]
        .into_iter()
        .map(|sizes| geometry(Reach::All, sizes))
    }

    /// The same where a filter sees one channel; the padding may be as wide as the kernel or wider.
    fn depthwise() -> impl Iterator<Item = Geometry> {
        [
            ([9, 7, 3], 3, [3, 3], [1, 1], [1, 1]),
            ([8, 8, 16], 16, [5, 5], [2, 2], [2, 2]),
            ([7, 7, 40], 40, [7, 7], [1, 1], [3, 3]),
            ([7, 9, 33], 33, [3, 3], [2, 2], [0, 0]),
            ([5, 14, 6], 18, [2, 4], [1, 1], [1, 0]),
            ([7, 7, 20], 20, [1, 1], [2, 3], [0, 0]),
            ([9, 13, 5], 10, [1, 9], [1, 1], [0, 4]),
            ([8, 5, 17], 17, [6, 1], [3, 1], [7, 2]),
            ([3, 2, 2], 4, [1, 1], [1, 1], [1, 2]),
        ]
        .into_iter()
        .map(|sizes| geometry(Reach::One, sizes))
    }

    fn geometry(
        reach: Reach,
        (image, filters, kernel, stride, padding): (
            [usize; 3],
            usize,
            [usize; 2],
            [usize; 2],
            [usize; 2],
        ),
    ) -> Geometry {
        let [height, width, channels] = image;
        let window = Window { height, width, channels, kernel, stride, padding };
        Geometry { window, filters, reach }
    }

    fn noise(count: usize, stream: u64) -> Vec<f32> {
        let mut rng = seed::rng(1, "test", stream);
        (0..count).map(|_| rng.random::<f32>() - 0.5).collect()
    }

    /// How many channels a filter sees.
    fn seen(g: &Geometry) -> usize {
        match g.reach {
            Reach::All => g.window.channels,
            Reach::One => 1,
        }
    }

    fn weights(g: &Geometry) -> usize {
        g.filters * seen(g) * g.window.kernel[0] * g.window.kernel[1]
    }

    /// The definition, in double precision.
    fn by_definition(g: &Geometry, input: &[f32], weights: &[f32]) -> Vec<f64> {
        let Window { height, width, channels, kernel: [rows, columns], stride, padding } = g.window;
        let pixels =
            (0..g.out_pixels()).map(|p| (p / g.window.out_width(), p % g.window.out_width()));
        let mut output = Vec::new();
        for image in input.chunks_exact(g.window.in_len()) {
            for (y, x) in pixels.clone() {
                let kernels = weights.chunks_exact(seen(g) * rows * columns);
                for (filter, kernel) in kernels.enumerate() {
                    let first = match g.reach {
                        Reach::All => 0,
                        Reach::One => filter * channels / g.filters,
                    };
                    let mut sum = 0.0;
                    for (tap, &weight) in kernel.iter().enumerate() {
                        let (channel, tap) =
                            (first + tap / (rows * columns), tap % (rows * columns));
                        let row = (y * stride[0] + tap / columns).checked_sub(padding[0]);
                        let column = (x * stride[1] + tap % columns).checked_sub(padding[1]);
                        let (Some(row), Some(column)) = (row, column) else { continue };
                        if row < height && column < width {
                            let value = image[(row * width + column) * channels + channel];
                            sum += f64::from(value) * f64::from(weight);
                        }
                    }
                    output.push(sum);
                }
            }
        }
        output
    }

    fn dot(a: impl IntoIterator<Item = f64>, b: &[f32]) -> f64 {
        a.into_iter().zip(b).map(|(a, &b)| a * f64::from(b)).sum()
    }

    fn assert_output(g: &Geometry, images: usize) {
        let (input, weights) = (noise(images * g.window.in_len(), 1), noise(weights(g), 2));
        let bias = noise(g.filters, 3);
        let expected = by_definition(g, &input, &weights);
        let products = (seen(g) * g.window.kernel[0] * g.window.kernel[1]) as f64;
        for (fused, most) in [
            (Fused::Nothing, f64::INFINITY),
            (Fused::Relu, f64::INFINITY),
            (Fused::ReluUpTo(0.25), 0.25),
        ] {
            let (output, pieces) = forward(g, &input, &weights, &bias, fused, <[f32]>::len);
            assert_eq!(pieces.iter().sum::<usize>(), output.len());
            assert_eq!(output.len(), expected.len());
            for (i, (&found, &sum)) in output.iter().zip(&expected).enumerate() {
                let sum = sum + f64::from(bias[i % g.filters]);
                let wanted = if fused == Fused::Nothing { sum } else { sum.clamp(0.0, most) };
                // Each product is rounded to 24 bits of the sum so far, which itself grows with the square root of
                // their number: together the error grows with the number.
                let tolerance = 1e-5 * wanted.abs().max(1.0).max(products / 300.0);
                assert!((f64::from(found) - wanted).abs() < tolerance, "{g:?}: {found} {wanted}");
            }
        }
    }

    fn assert_gradients(g: &Geometry, images: usize) {
        // A convolution is linear in its input and in its weights, so the gradients of <e, conv(x, w)> are
        // what gives the same product with any other input or weights.
        let (input, weights) = (noise(images * g.window.in_len(), 1), noise(weights(g), 2));
        let output_gradient = noise(images * g.out_len(), 3);
        let one = |image: usize, into: &mut [f32]| {
            into.copy_from_slice(&output_gradient[image * g.out_len()..][..g.out_len()]);
        };
        let (of_input, of_weights) = backward(g, &input, Some(&weights), one);
        let (other_input, other_weights) = (noise(input.len(), 4), noise(weights.len(), 5));
        let by_weights = dot(by_definition(g, &input, &other_weights), &output_gradient);
        let by_input = dot(by_definition(g, &other_input, &weights), &output_gradient);
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        for (found, wanted) in [
            (dot(wide(&of_weights), &other_weights), by_weights),
            (dot(wide(&of_input), &other_input), by_input),
        ] {
            let tolerance = 1e-4 * wanted.abs().max(10.0);
            assert!((found - wanted).abs() < tolerance, "{g:?}: {found} {wanted}");
        }
        let (nothing, alone) = backward(g, &input, None, one);
        assert!(nothing.is_empty());
        assert_eq!(alone, of_weights);
    }

    #[test]
    fn the_output_follows_the_definition() {
        dense().chain(depthwise()).for_each(|g| assert_output(&g, 70));
    }

    #[test]
    fn gradients_are_the_adjoints_of_the_convolution() {
        dense().chain(depthwise()).for_each(|g| assert_gradients(&g, 35));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_convolution_follows_the_definition(
            image in [1_usize..12, 1_usize..12, 1_usize..40],
            filters in 1_usize..40,
            kernel in [1_usize..8, 1_usize..10],
            stride in [1_usize..4, 1_usize..4],
            padding in [0_usize..8, 0_usize..10],
            reach in prop_oneof![Just(Reach::All), Just(Reach::One)],
        ) {
            let filters = match reach {
                Reach::All => filters,
                Reach::One => image[2] * filters.div_ceil(20),
            };
            let padding = match reach {
                Reach::All => [0, 1].map(|axis| padding[axis] % kernel[axis]),
                Reach::One => padding,
            };
            prop_assume!((0..2).all(|axis| image[axis] + 2 * padding[axis] >= kernel[axis]));
            let g = geometry(reach, (image, filters, kernel, stride, padding));
            assert_output(&g, 3);
            assert_gradients(&g, 3);
        }
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        for g in dense().chain(depthwise()) {
            let (input, weights) = (noise(64 * g.window.in_len(), 1), noise(weights(&g), 2));
            let gradient = noise(64 * g.out_len(), 3);
            let with_threads = |count: usize| {
                let pool =
                    rayon::ThreadPoolBuilder::new().num_threads(count).build().expect("threads");
                pool.install(|| {
                    let (output, _) =
                        forward(&g, &input, &weights, &vec![0.5; g.filters], Fused::Relu, |_| ());
                    let gradients = backward(&g, &input, Some(&weights), |image, into| {
                        into.copy_from_slice(&gradient[image * g.out_len()..][..g.out_len()]);
                    });
                    (output, gradients)
                })
            };
            assert_eq!(with_threads(1), with_threads(3));
        }
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        for g in [dense().nth(1), depthwise().nth(1)].into_iter().flatten() {
            let mut input = noise(g.window.in_len(), 1);
            input[0] = f32::NAN;
            let weights = noise(weights(&g), 2);
            for fused in [Fused::Relu, Fused::ReluUpTo(6.0)] {
                let (output, _) = forward(&g, &input, &weights, &[0.0; 16], fused, |_| ());
                assert!(output[0].is_nan() && !output[g.out_len() - 1].is_nan());
            }
        }
    }
}
