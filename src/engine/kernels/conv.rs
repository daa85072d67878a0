//! Convolutions, forward and backward.
//!
//! A tile of [`TILE`] output pixels by [`BLOCK`] filters stays in registers while the rows of the kernel are run
//! through (Georganas et al. 2018, "Anatomy of high-performance deep learning convolutions on SIMD
//! architectures", arXiv 1808.05567, with channels last). Nothing is copied but images into a frame of zeros
//! where there is padding. The gradient of the input is a convolution as well; that of the weights holds a tile
//! of the kernel by [`BLOCK`] filters in registers and runs through all output pixels.

#![allow(clippy::needless_range_loop, reason = "loops over registers are unrolled by index")]

use super::{
    block::{BLOCK, in_vectors, load, store},
    window::Window,
};
use pulp::{Arch, Simd};
use rayon::prelude::*;

/// Output pixels that are computed together: with [`BLOCK`] filters, twelve of the sixteen vector registers of
/// AVX2, enough to hide the latency of a fused multiply-add.
const TILE: usize = 6;

/// Taps of the kernel between two checks of a slice's bounds.
const UNROLL: usize = 4;

/// Output pixels, at least, that one task computes where there are as many.
const CHUNK: usize = 192;

/// How many groups of images gather the weights' gradient apart. Fixed, so that sums do not depend on the
/// number of processors.
const GROUPS: usize = 16;

/// A convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Geometry {
    /// How the kernel moves over an input image; around it are zeros, fewer than the kernel is high and
    /// wide.
    pub(in crate::engine) window: Window,
    /// Values a pixel of the output.
    pub(in crate::engine) filters: usize,
}

impl Geometry {
    fn out_pixels(&self) -> usize {
        self.window.out_height() * self.window.out_width()
    }
    /// Values of an output image.
    pub(in crate::engine) fn out_len(&self) -> usize {
        self.out_pixels() * self.filters
    }
    /// Values of a kernel's row.
    fn run(&self) -> usize {
        self.window.kernel[1] * self.window.channels
    }
    /// Where the kernel begins in the input's frames for each pixel of `images` outputs.
    fn starts(&self, images: usize) -> Vec<usize> {
        let frame = self.in_frame();
        let [down, right] = self.window.stride;
        places(images, self.window.out_height(), self.window.out_width(), |image, y, x| {
            frame.place(image, y * down, x * right)
        })
    }

    fn images_per_chunk(&self) -> usize {
        CHUNK.div_ceil(self.out_pixels().max(1))
    }
    fn in_frame(&self) -> Frame {
        Frame {
            image: [self.window.height, self.window.width],
            height: self.window.height + 2 * self.window.padding[0],
            width: self.window.width + 2 * self.window.padding[1],
            channels: self.window.channels,
            margin: self.window.padding,
            step: [1; 2],
        }
    }

    /// The gradient of the output, spread by the stride and framed so that the turned kernel fits.
    fn gradient_frame(&self) -> Frame {
        let Window { height, width, kernel, padding, .. } = self.window;
        Frame {
            image: [self.window.out_height(), self.window.out_width()],
            height: height + kernel[0] - 1,
            width: width + kernel[1] - 1,
            channels: self.filters,
            margin: [kernel[0] - 1 - padding[0], kernel[1] - 1 - padding[1]],
            step: self.window.stride,
        }
    }
}

/// An image within zeros.
#[derive(Clone, Copy)]
struct Frame {
    /// Height and width of the image.
    image: [usize; 2],
    height: usize,
    width: usize,
    channels: usize,
    /// Where the image's first pixel lies, from the top and from the left.
    margin: [usize; 2],
    /// Distance of the image's pixels, downwards and to the right.
    step: [usize; 2],
}

impl Frame {
    fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    fn row(&self) -> usize {
        self.width * self.channels
    }

    /// Where a pixel begins in a series of frames.
    fn place(&self, image: usize, y: usize, x: usize) -> usize {
        image * self.len() + (y * self.width + x) * self.channels
    }

    /// Where the pixels of `images` images begin in a series of frames.
    fn places(&self, images: usize) -> Vec<usize> {
        let [height, width] = self.image;
        places(images, height, width, |image, y, x| {
            let [top, left] = self.margin;
            self.place(image, top + y * self.step[0], left + x * self.step[1])
        })
    }

    /// Copies an image into its frame; what is around it stays.
    fn fill(&self, image: &[f32], frame: &mut [f32]) {
        for (y, row) in image.chunks_exact(self.image[1] * self.channels).enumerate() {
            let start = self.place(0, self.margin[0] + y * self.step[0], self.margin[1]);
            if self.step[1] == 1 {
                frame[start..start + row.len()].copy_from_slice(row);
            } else {
                for (x, pixel) in row.chunks_exact(self.channels).enumerate() {
                    let at = start + x * self.step[1] * self.channels;
                    frame[at..at + self.channels].copy_from_slice(pixel);
                }
            }
        }
    }

    /// Images one after the other, each in its frame; the images themselves where the frame is no larger.
    /// `frames` is the room for that: empty, or used for the same before.
    fn around<'a>(&self, images: &'a [f32], frames: &'a mut Vec<f32>) -> &'a [f32] {
        let [height, width] = self.image;
        if [self.height, self.width] == self.image {
            return images;
        }
        let size = height * width * self.channels;
        let needed = images.len() / size * self.len();
        if frames.len() < needed {
            frames.resize(needed, 0.0);
        }
        for (image, frame) in images.chunks_exact(size).zip(frames.chunks_exact_mut(self.len())) {
            self.fill(image, frame);
        }
        frames
    }
}

/// `place` of each pixel of `images` images, in their order.
fn places(
    images: usize,
    height: usize,
    width: usize,
    place: impl Fn(usize, usize, usize) -> usize,
) -> Vec<usize> {
    let mut places = Vec::with_capacity(images * height * width);
    for image in 0..images {
        for y in 0..height {
            places.extend((0..width).map(|x| place(image, y, x)));
        }
    }
    places
}

/// Weights in the order in which a convolution reads them: for each block of filters, row by row of the
/// kernel, [`BLOCK`] filters side by side. What is missing in the last block is zero.
pub(in crate::engine) struct Packed {
    blocks: Vec<[f32; BLOCK]>,
    rows: usize,
    run: usize,
    outputs: usize,
}

impl Packed {
    /// Packs `[filters, channels, height, width]` to compute the output from the input.
    pub(in crate::engine) fn forward(g: &Geometry, weights: &[f32]) -> Self {
        let [height, width] = g.window.kernel;
        Self::new(g.window.kernel, g.window.channels, g.filters, |filter, channel, y, x| {
            weights[((filter * g.window.channels + channel) * height + y) * width + x]
        })
    }

    /// Packs `[filters, channels, height, width]` to compute the input's gradient from the output's: the
    /// kernel turned by half a circle, inputs and outputs exchanged.
    pub(in crate::engine) fn backward(g: &Geometry, weights: &[f32]) -> Self {
        let [height, width] = g.window.kernel;
        Self::new(g.window.kernel, g.filters, g.window.channels, |channel, filter, y, x| {
            let (y, x) = (height - 1 - y, width - 1 - x);
            weights[((filter * g.window.channels + channel) * height + y) * width + x]
        })
    }

    fn new(
        [height, width]: [usize; 2],
        inputs: usize,
        outputs: usize,
        weight: impl Fn(usize, usize, usize, usize) -> f32,
    ) -> Self {
        let run = width * inputs;
        let mut blocks = Vec::with_capacity(outputs.div_ceil(BLOCK) * height * run);
        for first in (0..outputs).step_by(BLOCK) {
            let count = BLOCK.min(outputs - first);
            for y in 0..height {
                for x in 0..width {
                    for input in 0..inputs {
                        let mut block = [0.0; BLOCK];
                        for (i, value) in block[..count].iter_mut().enumerate() {
                            *value = weight(first + i, input, y, x);
                        }
                        blocks.push(block);
                    }
                }
            }
        }
        Self { blocks, rows: height, run, outputs }
    }
}

/// One task of a convolution: all pixels of a few frames.
struct Convolve<'a> {
    input: &'a [f32],
    /// Where each output pixel's kernel begins in `input`.
    starts: &'a [usize],
    /// Values of a row of `input`.
    row: usize,
    packed: &'a Packed,
    /// What is added to each output.
    bias: &'a [[f32; BLOCK]],
    relu: bool,
    output: &'a mut [f32],
}

in_vectors!(Convolve);

impl Convolve<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { input, starts, row, packed, bias, relu, output } = self;
        let size = packed.rows * packed.run;
        for (block, (weights, bias)) in packed.blocks.chunks_exact(size).zip(bias).enumerate() {
            let first = block * BLOCK;
            let count = BLOCK.min(packed.outputs - first);
            let mut tiles = starts.chunks_exact(TILE);
            let mut at = first;
            for tile in &mut tiles {
                let tile: &[usize; TILE] = tile.try_into().expect("chunks are exact");
                for pixel in Self::tile::<S, V, TILE>(
                    simd, input, tile, row, packed.run, weights, bias, relu,
                ) {
                    store::<S, V>(&mut output[at..], pixel, count);
                    at += packed.outputs;
                }
            }
            for start in tiles.remainder() {
                let [pixel] = Self::tile::<S, V, 1>(
                    simd,
                    input,
                    &[*start],
                    row,
                    packed.run,
                    weights,
                    bias,
                    relu,
                );
                store::<S, V>(&mut output[at..], pixel, count);
                at += packed.outputs;
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const V: usize, const P: usize>(
        simd: S,
        input: &[f32],
        starts: &[usize; P],
        row: usize,
        run: usize,
        weights: &[[f32; BLOCK]],
        bias: &[f32; BLOCK],
        relu: bool,
    ) -> [[S::f32s; V]; P] {
        let mut sums = [load::<S, V>(simd, bias, BLOCK); P];
        for (y, weights) in weights.chunks_exact(run).enumerate() {
            let mut pixels = [&input[..0]; P];
            for p in 0..P {
                pixels[p] = &input[starts[p] + y * row..][..run];
            }
            let (steps, rest) = weights.as_chunks::<UNROLL>();
            for (i, weights) in steps.iter().enumerate() {
                let mut taps = [&[0.0; UNROLL]; P];
                for p in 0..P {
                    let here = &pixels[p][i * UNROLL..][..UNROLL];
                    taps[p] = here.try_into().expect("sliced to its length");
                }
                for (j, weights) in weights.iter().enumerate() {
                    let weights = load::<S, V>(simd, weights, BLOCK);
                    for p in 0..P {
                        let value = simd.splat_f32s(taps[p][j]);
                        for v in 0..V {
                            sums[p][v] = simd.mul_add_e_f32s(value, weights[v], sums[p][v]);
                        }
                    }
                }
            }
            for (i, weights) in rest.iter().enumerate() {
                let weights = load::<S, V>(simd, weights, BLOCK);
                for p in 0..P {
                    let value = simd.splat_f32s(pixels[p][run - rest.len() + i]);
                    for v in 0..V {
                        sums[p][v] = simd.mul_add_e_f32s(value, weights[v], sums[p][v]);
                    }
                }
            }
        }
        if relu {
            let zero = simd.splat_f32s(0.0);
            for pixel in &mut sums {
                for sum in pixel {
                    // In this order, what is not a number stays what it is.
                    *sum = simd.max_f32s(zero, *sum);
                }
            }
        }
        sums
    }
}

/// One value a filter, in blocks.
fn blocks(values: &[f32]) -> Vec<[f32; BLOCK]> {
    let block =
        |values: &[f32]| std::array::from_fn(|i| values.get(i).copied().unwrap_or_default());
    values.chunks(BLOCK).map(block).collect()
}

/// Convolves `input`, `[batch, height, width, channels]`, to `[batch, out_height, out_width, filters]`.
///
/// `bias` is added to every pixel; with `relu`, what is negative becomes 0. `look` is called with the finished
/// output of each task, while it is still in the cache; what it says of them is returned in their order.
pub(in crate::engine) fn forward<T: Send>(
    g: &Geometry,
    input: &[f32],
    packed: &Packed,
    bias: &[f32],
    relu: bool,
    look: impl Fn(&[f32]) -> T + Sync,
) -> (Vec<f32>, Vec<T>) {
    let images = g.images_per_chunk();
    let frame = g.in_frame();
    let starts = g.starts(images);
    let bias = blocks(bias);
    let mut output = vec![0.0; input.len() / g.window.in_len() * g.out_len()];
    let seen = output
        .par_chunks_mut(images * g.out_len())
        .zip(input.par_chunks(images * g.window.in_len()))
        .map_init(Vec::new, |frames: &mut Vec<f32>, (output, input)| {
            Arch::new().dispatch(Convolve {
                input: frame.around(input, frames),
                starts: &starts[..output.len() / g.filters],
                row: frame.row(),
                packed,
                bias: &bias,
                relu,
                output,
            });
            look(output)
        })
        .collect();
    (output, seen)
}

/// A task of the weights' gradient: adds what a few frames contribute.
struct Correlate<'a> {
    input: &'a [f32],
    /// Where each output pixel's kernel begins in `input`.
    starts: &'a [usize],
    row: usize,
    gradient: &'a [f32],
    /// Where each output pixel lies in `gradient`.
    places: &'a [usize],
    g: Geometry,
    /// In the order of [`Packed::forward`].
    sums: &'a mut [[f32; BLOCK]],
}

in_vectors!(Correlate);

impl Correlate<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let run = self.g.run();
        let rows = self.g.window.kernel[0];
        for first in (0..self.g.filters).step_by(BLOCK) {
            for y in 0..rows {
                for start in (0..run).step_by(TILE) {
                    let at = (first / BLOCK * rows + y) * run + start;
                    let offset = y * self.row + start;
                    match run - start {
                        1 => self.tile::<S, V, 1>(simd, first, offset, at),
                        2 => self.tile::<S, V, 2>(simd, first, offset, at),
                        3 => self.tile::<S, V, 3>(simd, first, offset, at),
                        4 => self.tile::<S, V, 4>(simd, first, offset, at),
                        5 => self.tile::<S, V, 5>(simd, first, offset, at),
                        _ => self.tile::<S, V, TILE>(simd, first, offset, at),
                    }
                }
            }
        }
    }

    /// The products of `R` inputs of each kernel with [`BLOCK`] gradients of each output pixel, summed up.
    #[inline(always)]
    fn tile<S: Simd, const V: usize, const R: usize>(
        &mut self,
        simd: S,
        first: usize,
        offset: usize,
        at: usize,
    ) {
        let count = BLOCK.min(self.g.filters - first);
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        for (&start, &place) in self.starts.iter().zip(self.places) {
            let values: &[f32; R] =
                self.input[start + offset..][..R].try_into().expect("sliced to its length");
            let gradient = load::<S, V>(simd, &self.gradient[place + first..], count);
            for r in 0..R {
                let value = simd.splat_f32s(values[r]);
                for v in 0..V {
                    sums[r][v] = simd.mul_add_e_f32s(value, gradient[v], sums[r][v]);
                }
            }
        }
        for (total, sums) in self.sums[at..at + R].iter_mut().zip(sums) {
            let (total, _) = S::as_mut_simd_f32s(total);
            for v in 0..V {
                total[v] = simd.add_f32s(total[v], sums[v]);
            }
        }
    }
}

/// The gradients of the input, `[batch, height, width, channels]`, and of the weights, `[filters, channels,
/// height, width]`.
///
/// `packed` are the weights as [`Packed::backward`] has them; without them, the input's gradient is empty.
/// `gradient` writes the gradient of one image's output.
pub(in crate::engine) fn backward(
    g: &Geometry,
    input: &[f32],
    packed: Option<&Packed>,
    gradient: impl Fn(usize, &mut [f32]) + Sync,
) -> (Vec<f32>, Vec<f32>) {
    let images = g.images_per_chunk();
    let batch = input.len() / g.window.in_len();
    let group = batch.div_ceil(GROUPS).div_ceil(images).max(1) * images;
    let in_frame = g.in_frame();
    let out_frame = g.gradient_frame();
    let starts = g.starts(images);
    let places_out = out_frame.places(images);
    // The turned kernel begins at the top left corner of each pixel's surroundings.
    let starts_back =
        places(images, g.window.height, g.window.width, |image, y, x| out_frame.place(image, y, x));
    let no_bias = vec![[0.0; BLOCK]; g.window.channels.div_ceil(BLOCK)];

    let mut input_gradient = vec![0.0; if packed.is_some() { input.len() } else { 0 }];
    let mut parts: Vec<&mut [f32]> = input_gradient.chunks_mut(group * g.window.in_len()).collect();
    parts.resize_with(batch.div_ceil(group), Default::default);
    let sums: Vec<Vec<[f32; BLOCK]>> = parts
        .into_par_iter()
        .zip(input.par_chunks(group * g.window.in_len()))
        .enumerate()
        .map(|(number, (input_gradient, input))| {
            let rows = g.window.kernel[0];
            let mut sums = vec![[0.0; BLOCK]; g.filters.div_ceil(BLOCK) * rows * g.run()];
            let mut in_frames = Vec::new();
            let mut out_frames = vec![0.0; images * out_frame.len()];
            let mut image_gradient = vec![0.0; g.out_len()];
            for (chunk, input) in input.chunks(images * g.window.in_len()).enumerate() {
                let count = input.len() / g.window.in_len();
                for (i, frame) in
                    out_frames.chunks_exact_mut(out_frame.len()).enumerate().take(count)
                {
                    gradient(number * group + chunk * images + i, &mut image_gradient);
                    out_frame.fill(&image_gradient, frame);
                }
                let arch = Arch::new();
                arch.dispatch(Correlate {
                    input: in_frame.around(input, &mut in_frames),
                    starts: &starts[..count * g.out_pixels()],
                    row: in_frame.row(),
                    gradient: &out_frames,
                    places: &places_out,
                    g: *g,
                    sums: &mut sums,
                });
                if let Some(packed) = packed {
                    let at = chunk * images * g.window.in_len();
                    arch.dispatch(Convolve {
                        input: &out_frames,
                        starts: &starts_back[..count * g.window.height * g.window.width],
                        row: out_frame.row(),
                        packed,
                        bias: &no_bias,
                        relu: false,
                        output: &mut input_gradient[at..at + input.len()],
                    });
                }
            }
            sums
        })
        .collect();

    let ([rows, columns], run) = (g.window.kernel, g.run());
    let mut weights = Vec::with_capacity(g.filters * g.window.channels * rows * columns);
    for filter in 0..g.filters {
        for channel in 0..g.window.channels {
            for (y, x) in (0..rows * columns).map(|tap| (tap / columns, tap % columns)) {
                let at = (filter / BLOCK * rows + y) * run + x * g.window.channels + channel;
                weights.push(sums.iter().map(|sums| sums[at][filter % BLOCK]).sum());
            }
        }
    }
    (input_gradient, weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::seed;
    use rand::RngExt;

    /// Kernels of one tap and of several, strides, odd numbers of channels and filters, more than a block;
    /// kernels that are higher than wide, and the reverse.
    fn geometries() -> impl Iterator<Item = Geometry> {
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
        ]
        .into_iter()
        .map(|([height, width, channels], filters, kernel, stride, padding)| Geometry {
            window: Window { height, width, channels, kernel, stride, padding },
            filters,
        })
    }

    fn noise(count: usize, stream: u64) -> Vec<f32> {
        let mut rng = seed::rng(1, "test", stream);
        (0..count).map(|_| rng.random::<f32>() - 0.5).collect()
    }

    fn weights(g: &Geometry) -> usize {
        g.filters * g.window.channels * g.window.kernel[0] * g.window.kernel[1]
    }

    /// The definition, in double precision.
    fn by_definition(g: &Geometry, input: &[f32], weights: &[f32]) -> Vec<f64> {
        let Window { height, width, channels, kernel: [rows, columns], stride, padding } = g.window;
        let pixels =
            (0..g.out_pixels()).map(|p| (p / g.window.out_width(), p % g.window.out_width()));
        let mut output = Vec::new();
        for image in input.chunks_exact(g.window.in_len()) {
            for (y, x) in pixels.clone() {
                for kernel in weights.chunks_exact(channels * rows * columns) {
                    let mut sum = 0.0;
                    for (tap, &weight) in kernel.iter().enumerate() {
                        let (channel, tap) = (tap / (rows * columns), tap % (rows * columns));
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

    #[test]
    fn the_output_follows_the_definition() {
        for g in geometries() {
            let (input, weights) = (noise(70 * g.window.in_len(), 1), noise(weights(&g), 2));
            let bias = noise(g.filters, 3);
            let packed = Packed::forward(&g, &weights);
            let expected = by_definition(&g, &input, &weights);
            for relu in [false, true] {
                let (output, pieces) = forward(&g, &input, &packed, &bias, relu, <[f32]>::len);
                assert_eq!(pieces.iter().sum::<usize>(), output.len());
                assert_eq!(output.len(), expected.len());
                for (i, (&found, &sum)) in output.iter().zip(&expected).enumerate() {
                    let wanted = sum + f64::from(bias[i % g.filters]);
                    let wanted = if relu { wanted.max(0.0) } else { wanted };
                    assert!((f64::from(found) - wanted).abs() < 1e-5, "{g:?}: {found} {wanted}");
                }
            }
        }
    }

    #[test]
    fn gradients_are_the_adjoints_of_the_convolution() {
        // A convolution is linear in its input and in its weights, so the gradients of <e, conv(x, w)> are
        // what gives the same product with any other input or weights.
        for g in geometries() {
            let (input, weights) = (noise(35 * g.window.in_len(), 1), noise(weights(&g), 2));
            let output_gradient = noise(35 * g.out_len(), 3);
            let packed = Packed::backward(&g, &weights);
            let one = |image: usize, into: &mut [f32]| {
                into.copy_from_slice(&output_gradient[image * g.out_len()..][..g.out_len()]);
            };
            let (of_input, of_weights) = backward(&g, &input, Some(&packed), one);
            let (other_input, other_weights) = (noise(input.len(), 4), noise(weights.len(), 5));
            let by_weights = dot(by_definition(&g, &input, &other_weights), &output_gradient);
            let by_input = dot(by_definition(&g, &other_input, &weights), &output_gradient);
            let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
            assert!((dot(wide(&of_weights), &other_weights) - by_weights).abs() < 1e-3, "{g:?}");
            assert!((dot(wide(&of_input), &other_input) - by_input).abs() < 1e-3, "{g:?}");
            let (nothing, alone) = backward(&g, &input, None, one);
            assert!(nothing.is_empty());
            assert_eq!(alone, of_weights);
        }
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let g = geometries().nth(1).expect("a geometry");
        let (input, weights) = (noise(64 * g.window.in_len(), 1), noise(weights(&g), 2));
        let with_threads = |count: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().expect("threads");
            pool.install(|| {
                backward(&g, &input, Some(&Packed::backward(&g, &weights)), |image, into| {
                    into.copy_from_slice(&input[image * g.window.in_len()..][..into.len()]);
                })
            })
        };
        assert_eq!(with_threads(1), with_threads(3));
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        let g = geometries().nth(1).expect("a geometry");
        let mut input = noise(g.window.in_len(), 1);
        input[0] = f32::NAN;
        let packed = Packed::forward(&g, &noise(weights(&g), 2));
        let (output, _) = forward(&g, &input, &packed, &[0.0; 16], true, |_| ());
        assert!(output[0].is_nan() && !output[g.out_len() - 1].is_nan());
    }
}
