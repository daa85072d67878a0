//! Convolutions whose filters see all channels.
//!
//! A tile of [`TILE`] output pixels by [`BLOCK`] filters stays in registers while the rows of the kernel are run
//! through (Georganas et al. 2018, "Anatomy of high-performance deep learning convolutions on SIMD
//! architectures", arXiv 1808.05567, with channels last). Nothing is copied but images into a frame of zeros
//! where there is padding. The gradient of the input is a convolution as well, or with a stride several: one for
//! each kind of pixel that the same taps reach. That of the weights holds a tile of the kernel by [`BLOCK`] filters
//! in registers and runs through the output pixels.

#![allow(clippy::needless_range_loop, reason = "loops over registers are unrolled by index")]

use super::{
    super::{
        block::{BLOCK, Count, First, Whole, in_vectors, load, store},
        fused::Fused,
    },
    Geometry, Met, blocks, in_chunks, in_groups,
};
use pulp::Simd;
use std::ops::Range;

/// Output pixels that are computed together: with [`BLOCK`] filters, twelve of the sixteen vector registers of
/// AVX2, enough to hide the latency of a fused multiply-add.
const TILE: usize = 6;

/// The same where one vector holds what there is of a block, and there is just one block: enough as well, and each
/// pixel takes one of the sixteen registers for addresses (with twelve pixels, AVX-512 is slower than AVX2).
const WIDE: usize = 8;

/// Values of a vector of AVX2.
const HALF: usize = BLOCK / 2;

/// Output pixels, at most, whose share of the weights' gradient is summed up before the next ones: few enough
/// that what is read of them stays in the fastest cache for the next filters.
const PIECE: usize = 256;

/// Taps of the kernel between two checks of a slice's bounds.
const UNROLL: usize = 4;

impl Geometry {
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

    fn in_frame(&self) -> Frame {
        Frame {
            image: [self.window.height, self.window.width],
            height: self.window.height + 2 * self.window.padding[0],
            width: self.window.width + 2 * self.window.padding[1],
            channels: self.window.channels,
            margin: self.window.padding,
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

    /// Copies an image into its frame; what is around it stays.
    fn fill(&self, image: &[f32], frame: &mut [f32]) {
        for (y, row) in image.chunks_exact(self.image[1] * self.channels).enumerate() {
            let start = self.place(0, self.margin[0] + y, self.margin[1]);
            frame[start..start + row.len()].copy_from_slice(row);
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
struct Packed {
    blocks: Vec<[f32; BLOCK]>,
    rows: usize,
    run: usize,
    outputs: usize,
}

impl Packed {
    /// Packs `[filters, channels, height, width]` to compute the output from the input.
    fn forward(g: &Geometry, weights: &[f32]) -> Self {
        let [height, width] = g.window.kernel;
        Self::new(g.window.kernel, g.window.channels, g.filters, |filter, channel, y, x| {
            weights[((filter * g.window.channels + channel) * height + y) * width + x]
        })
    }

    /// Packs `[filters, channels, height, width]` to compute the input's gradient from the output's, for those
    /// pixels that certain taps reach: these in reverse order, inputs and outputs exchanged.
    fn backward(g: &Geometry, [down, right]: [Met; 2], weights: &[f32]) -> Self {
        let ([height, width], stride) = (g.window.kernel, g.window.stride);
        let taps = [down.taps, right.taps];
        Self::new(taps, g.filters, g.window.channels, |channel, filter, y, x| {
            let (y, x) = (down.backwards(y, stride[0]), right.backwards(x, stride[1]));
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
    /// Where each output pixel lies in `output`.
    places: &'a [usize],
    /// Values of a row of `input`.
    row: usize,
    packed: &'a Packed,
    /// The bias that is added to each output.
    bias: &'a [[f32; BLOCK]],
    fused: Fused,
    output: &'a mut [f32],
}

in_vectors!(Convolve);

/// Adds the products of the weights of each block and the value of each pixel. No function: that would be given
/// the sums' address, and they would be written to the memory with every step.
macro_rules! add {
    ($simd:ident, $sums:ident, |$b:ident| $weights:expr, |$p:ident| $value:expr) => {
        let mut weights = [[$simd.splat_f32s(0.0); V]; B];
        for $b in 0..B {
            weights[$b] = load::<S, V>($simd, $weights, Whole);
        }
        for $p in 0..P {
            let value = $simd.splat_f32s($value);
            for b in 0..B {
                for v in 0..V {
                    $sums[$p][b][v] = $simd.mul_add_e_f32s(value, weights[b][v], $sums[$p][b][v]);
                }
            }
        }
    };
}

impl Convolve<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let blocks = self.bias.len();
        let mut block = 0;
        while block < blocks {
            let rest = self.packed.outputs - block * BLOCK;
            // Two vectors of filters share the values that are loaded.
            if V == 1 && rest > BLOCK {
                match rest - BLOCK {
                    BLOCK.. => self.pixels::<S, V, 2, TILE>(simd, block, Whole),
                    rest => self.pixels::<S, V, 2, TILE>(simd, block, First(rest)),
                }
                block += 2;
            } else {
                match rest {
                    BLOCK.. if V == 1 => self.pixels::<S, V, 1, WIDE>(simd, block, Whole),
                    BLOCK.. => self.pixels::<S, V, 1, TILE>(simd, block, Whole),
                    _ if V == 1 => self.pixels::<S, V, 1, WIDE>(simd, block, First(rest)),
                    _ if S::F32_LANES == HALF && rest <= HALF => {
                        self.pixels::<S, 1, 1, WIDE>(simd, block, First(rest));
                    }
                    _ => self.pixels::<S, V, 1, TILE>(simd, block, First(rest)),
                }
                block += 1;
            }
        }
    }

    /// All pixels of `B` blocks of filters, `P` at a time. The last block has `count` filters.
    #[inline(always)]
    fn pixels<S: Simd, const V: usize, const B: usize, const P: usize>(
        &mut self,
        simd: S,
        block: usize,
        count: impl Count,
    ) {
        let pixels = self.starts.len();
        if pixels < P {
            for pixel in 0..pixels {
                self.tile::<S, V, B, 1>(simd, block, pixel, count);
            }
        } else {
            for pixel in (0..pixels).step_by(P) {
                // The last tile may overlap with the one before.
                self.tile::<S, V, B, P>(simd, block, pixel.min(pixels - P), count);
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const V: usize, const B: usize, const P: usize>(
        &mut self,
        simd: S,
        block: usize,
        pixel: usize,
        count: impl Count,
    ) {
        let Self { input, starts, row, packed, bias, fused, .. } = *self;
        let size = packed.rows * packed.run;
        let starts: &[usize; P] = starts[pixel..][..P].try_into().expect("sliced to its length");
        let mut weights = [&packed.blocks[..0]; B];
        let mut sums = [[[simd.splat_f32s(0.0); V]; B]; P];
        for b in 0..B {
            weights[b] = &packed.blocks[(block + b) * size..][..size];
            let bias = load::<S, V>(simd, &bias[block + b], Whole);
            for p in 0..P {
                sums[p][b] = bias;
            }
        }
        for y in 0..packed.rows {
            let mut pixels = [(&[][..], &[][..]); P];
            for p in 0..P {
                let (steps, rest) =
                    input[starts[p] + y * row..][..packed.run].as_chunks::<UNROLL>();
                pixels[p] = (steps, rest);
            }
            let mut taps = [(&[][..], &[][..]); B];
            for b in 0..B {
                let (steps, rest) =
                    weights[b][y * packed.run..][..packed.run].as_chunks::<UNROLL>();
                taps[b] = (steps, rest);
            }
            for i in 0..packed.run / UNROLL {
                let (mut values, mut weights) = ([&[0.0; UNROLL]; P], [&[[0.0; BLOCK]; UNROLL]; B]);
                for p in 0..P {
                    values[p] = &pixels[p].0[i];
                }
                for b in 0..B {
                    weights[b] = &taps[b].0[i];
                }
                for j in 0..UNROLL {
                    add!(simd, sums, |b| &weights[b][j], |p| values[p][j]);
                }
            }
            for i in 0..packed.run % UNROLL {
                add!(simd, sums, |b| &taps[b].1[i], |p| pixels[p].1[i]);
            }
        }
        for p in 0..P {
            for b in 0..B {
                for v in 0..V {
                    sums[p][b][v] = fused.apply(simd, sums[p][b][v]);
                }
            }
        }
        // Short loops: one that is not unrolled would keep the sums in the memory all the time.
        let places: &[usize; P] =
            self.places[pixel..][..P].try_into().expect("sliced to its length");
        for p in 0..P {
            for b in 0..B {
                let into = &mut self.output[places[p] + (block + b) * BLOCK..];
                if b + 1 < B {
                    store::<S, V>(into, sums[p][b], Whole);
                } else {
                    store::<S, V>(into, sums[p][b], count);
                }
            }
        }
    }
}

/// [`super::forward`] where filters see all channels.
pub(super) fn forward<T: Send>(
    g: &Geometry,
    input: &[f32],
    weights: &[f32],
    bias: &[f32],
    fused: Fused,
    look: impl Fn(&[f32]) -> T + Sync + Send,
) -> (Vec<f32>, Vec<T>) {
    let frame = g.in_frame();
    let starts = g.starts(g.images_per_chunk());
    let packed = Packed::forward(g, weights);
    let bias = blocks(bias);
    let places: Vec<_> = (0..starts.len()).map(|pixel| pixel * g.filters).collect();
    in_chunks(g, input, Vec::new, |frames, input, output| {
        let pixels = output.len() / g.filters;
        Convolve {
            input: frame.around(input, frames),
            starts: &starts[..pixels],
            places: &places[..pixels],
            row: frame.row(),
            packed: &packed,
            bias: &bias,
            fused,
            output,
        }
        .work();
        look(output)
    })
}

/// A task of the weights' gradient: adds what a few frames contribute.
struct Correlate<'a> {
    input: &'a [f32],
    /// Where each output pixel's kernel begins in `input`.
    starts: &'a [usize],
    row: usize,
    /// One value per output pixel and filter.
    gradient: &'a [f32],
    g: Geometry,
    /// Room for the gradients of some filters.
    panel: &'a mut Vec<[f32; BLOCK]>,
    /// In the order of [`Packed::forward`].
    sums: &'a mut [[f32; BLOCK]],
}

in_vectors!(Correlate);

impl Correlate<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let filters = self.g.filters;
        // Pieces of about the same size.
        let pieces = self.starts.len().div_ceil(PIECE).max(1);
        let piece = self.starts.len().div_ceil(pieces).max(1);
        for pixel in (0..self.starts.len()).step_by(piece) {
            let pixels = pixel..(pixel + piece).min(self.starts.len());
            let mut first = 0;
            while first < filters {
                // Two vectors of filters share the values that are loaded.
                if V == 1 && first + BLOCK < filters {
                    self.taps::<S, V, 2>(simd, first, pixels.clone());
                    first += 2 * BLOCK;
                } else {
                    self.taps::<S, V, 1>(simd, first, pixels.clone());
                    first += BLOCK;
                }
            }
        }
    }

    /// All taps of `B` blocks of filters, of some of the pixels.
    #[inline(always)]
    fn taps<S: Simd, const V: usize, const B: usize>(
        &mut self,
        simd: S,
        first: usize,
        pixels: Range<usize>,
    ) {
        let filters = self.g.filters;
        self.panel.clear();
        for pixel in pixels.clone() {
            let gradient = &self.gradient[pixel * filters..][..filters];
            for b in 0..B {
                let gradient = &gradient[first + b * BLOCK..];
                let block = gradient.first_chunk().copied().unwrap_or_else(|| {
                    std::array::from_fn(|i| gradient.get(i).copied().unwrap_or_default())
                });
                self.panel.push(block);
            }
        }
        let run = self.g.run();
        for y in 0..self.g.window.kernel[0] {
            for start in (0..run).step_by(TILE) {
                let place = [first, y, start];
                match run - start {
                    1 => self.tile::<S, V, B, 1>(simd, place, pixels.clone()),
                    2 => self.tile::<S, V, B, 2>(simd, place, pixels.clone()),
                    3 => self.tile::<S, V, B, 3>(simd, place, pixels.clone()),
                    4 => self.tile::<S, V, B, 4>(simd, place, pixels.clone()),
                    5 => self.tile::<S, V, B, 5>(simd, place, pixels.clone()),
                    _ => self.tile::<S, V, B, TILE>(simd, place, pixels.clone()),
                }
            }
        }
    }

    /// The products of `R` inputs of each kernel's row with `B` blocks of gradients of each pixel, summed up.
    #[inline(always)]
    fn tile<S: Simd, const V: usize, const B: usize, const R: usize>(
        &mut self,
        simd: S,
        [first, y, start]: [usize; 3],
        pixels: Range<usize>,
    ) {
        let (rows, run) = (self.g.window.kernel[0], self.g.run());
        let input = &self.input[y * self.row + start..];
        let mut sums = [[[simd.splat_f32s(0.0); V]; B]; R];
        let (panel, _) = self.panel.as_chunks::<B>();
        for (&start, blocks) in self.starts[pixels].iter().zip(panel) {
            let values: &[f32; R] = input[start..][..R].try_into().expect("sliced to its length");
            let mut gradient = [[simd.splat_f32s(0.0); V]; B];
            for b in 0..B {
                gradient[b] = load::<S, V>(simd, &blocks[b], Whole);
            }
            for r in 0..R {
                let value = simd.splat_f32s(values[r]);
                for b in 0..B {
                    for v in 0..V {
                        sums[r][b][v] = simd.mul_add_e_f32s(value, gradient[b][v], sums[r][b][v]);
                    }
                }
            }
        }
        for b in 0..B {
            let at = ((first / BLOCK + b) * rows + y) * run + start;
            for (total, sums) in self.sums[at..at + R].iter_mut().zip(sums) {
                let (total, _) = S::as_mut_simd_f32s(total);
                for v in 0..V {
                    total[v] = simd.add_f32s(total[v], sums[b][v]);
                }
            }
        }
    }
}

/// How the gradient of the input comes from that of the output.
struct Back {
    /// The output's gradient, framed so that all taps that reach a pixel of the input fit.
    frame: Frame,
    passes: Vec<BackPass>,
}

/// The gradient of those pixels of the input that the same taps reach.
struct BackPass {
    packed: Packed,
    /// Pixels of an image.
    pixels: usize,
    /// Where each pixel's taps begin in the frames.
    starts: Vec<usize>,
    /// Where each pixel lies in the input.
    places: Vec<usize>,
}

impl Back {
    fn new(g: &Geometry, weights: &[f32], images: usize) -> Self {
        let met = [0, 1].map(|axis| Met::all(&g.window, axis));
        let image = [g.window.out_height(), g.window.out_width()];
        let [(top, height), (left, width)] = [0, 1].map(|axis| {
            let before = met[axis].iter().map(|met| -met.start).max().unwrap_or(0).max(0);
            let ends = met[axis].iter().map(|met| met.start + (met.count - 1 + met.taps) as isize);
            let end = ends.max().unwrap_or(0).max(image[axis] as isize);
            (before as usize, (before + end) as usize)
        });
        let frame = Frame { image, height, width, channels: g.filters, margin: [top, left] };
        let [rows, columns] = &met;
        let both = rows.iter().flat_map(|row| columns.iter().map(move |column| [*row, *column]));
        let passes = both.map(|met| {
            let [down, right] = met;
            let begin = [top, left].map(|margin| margin as isize);
            let begin = [begin[0] + down.start, begin[1] + right.start].map(|at| at as usize);
            let starts = places(images, down.count, right.count, |image, y, x| {
                frame.place(image, begin[0] + y, begin[1] + x)
            });
            let places = places(images, down.count, right.count, |image, y, x| {
                let (y, x) = (y * g.window.stride[0], x * g.window.stride[1]);
                let at = (down.first + y) * g.window.width + right.first + x;
                image * g.window.in_len() + at * g.window.channels
            });
            let packed = Packed::backward(g, met, weights);
            BackPass { packed, pixels: down.count * right.count, starts, places }
        });
        Self { frame, passes: passes.collect() }
    }
}

/// [`super::backward`] where filters see all channels.
pub(super) fn backward(
    g: &Geometry,
    input: &[f32],
    weights: Option<&[f32]>,
    gradient: impl Fn(usize, &mut [f32]) + Sync + Send,
) -> (Vec<f32>, Vec<f32>) {
    let images = g.images_per_chunk();
    let in_len = g.window.in_len();
    let in_frame = g.in_frame();
    let starts = g.starts(images);
    let back = weights.map(|weights| Back::new(g, weights, images));
    let no_bias = vec![[0.0; BLOCK]; g.window.channels.div_ceil(BLOCK)];
    let ([rows, columns], run) = (g.window.kernel, g.run());

    let (input_gradient, sums) = in_groups(g, input, back.is_some(), |first, input, into| {
        let mut sums = vec![[0.0; BLOCK]; g.filters.div_ceil(BLOCK) * rows * run];
        let (mut in_frames, mut out_frames, mut panel) = (Vec::new(), Vec::new(), Vec::new());
        let mut gradients = vec![0.0; images * g.out_len()];
        let mut into = into.chunks_mut(images * in_len);
        for (chunk, input) in input.chunks(images * in_len).enumerate() {
            let count = input.len() / in_len;
            let gradients = &mut gradients[..count * g.out_len()];
            for (image, into) in gradients.chunks_exact_mut(g.out_len()).enumerate() {
                gradient(first + chunk * images + image, into);
            }
            Correlate {
                input: in_frame.around(input, &mut in_frames),
                starts: &starts[..count * g.out_pixels()],
                row: in_frame.row(),
                gradient: gradients,
                g: *g,
                panel: &mut panel,
                sums: &mut sums,
            }
            .work();
            let (Some(back), Some(into)) = (&back, into.next()) else { continue };
            let frames = back.frame.around(gradients, &mut out_frames);
            for pass in &back.passes {
                Convolve {
                    input: frames,
                    starts: &pass.starts[..count * pass.pixels],
                    places: &pass.places[..count * pass.pixels],
                    row: back.frame.row(),
                    packed: &pass.packed,
                    bias: &no_bias,
                    fused: Fused::Nothing,
                    output: into,
                }
                .work();
            }
        }
        sums
    });

    let mut weights = Vec::with_capacity(g.filters * g.window.channels * rows * columns);
    for filter in 0..g.filters {
        for channel in 0..g.window.channels {
            for (y, x) in (0..rows * columns).map(|tap| (tap / columns, tap % columns)) {
                let at = (filter / BLOCK * rows + y) * run + x * g.window.channels + channel;
                weights.push(sums.iter().map(|sums: &Vec<_>| sums[at][filter % BLOCK]).sum());
            }
        }
    }
    (input_gradient, weights)
}
