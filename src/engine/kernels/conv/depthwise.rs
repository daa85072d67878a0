//! Depthwise convolutions: a filter sees one channel.
//!
//! A few output pixels of a row by [`BLOCK`] filters stay in registers while the taps of the kernel are run
//! through. Taps that lie outside of an image are left out, so that nothing is copied. The gradient of the
//! input is one such convolution for each kind of pixel that the same taps reach; that of the weights holds a row
//! of the kernel in registers and runs through all output pixels.

#![allow(clippy::needless_range_loop, reason = "loops over registers are unrolled by index")]

use super::{
    super::{
        block::{BLOCK, Count, First, Whole, in_vectors, load, store},
        fused::Fused,
        window::Window,
    },
    Geometry, Met, in_chunks, in_groups,
};
use pulp::Simd;
use std::{borrow::Cow, ops::Range};

/// Output pixels of a row that are computed together.
const TILE: usize = 4;

/// Where the blocks of filters begin. The last one reaches back where the filters are not a multiple of
/// [`BLOCK`]: what is computed twice is the same. It is shorter where there are fewer than that.
fn starts(filters: usize) -> Vec<usize> {
    let last = filters.saturating_sub(BLOCK);
    (0..filters).step_by(BLOCK).map(|first| first.min(last)).collect()
}

/// The values of each block of filters.
fn pack(starts: &[usize], value: impl Fn(usize) -> f32) -> impl Iterator<Item = [f32; BLOCK]> {
    starts.iter().map(move |first| std::array::from_fn(|i| value(first + i)))
}

/// Each value `times` times.
fn repeat(values: &[f32], times: usize) -> Cow<'_, [f32]> {
    if times == 1 {
        return values.into();
    }
    values.iter().flat_map(|&value| std::iter::repeat_n(value, times)).collect()
}

/// How output pixels that need the same taps are computed from a source image. In pairs, downwards and to the
/// right.
struct Pass {
    /// Height and width of the source.
    source: [usize; 2],
    /// Pixels of the source from the taps of one output pixel to those of the next.
    stride: [usize; 2],
    /// Where in the source the first output pixel has its first tap: outside, if this is negative.
    start: [isize; 2],
    taps: [usize; 2],
    /// How many output pixels there are, where the first lies in the output, how far apart they are.
    count: [usize; 2],
    first: [usize; 2],
    step: [usize; 2],
    /// Pixels of a row of the output.
    width: usize,
    /// For each block of filters, row by row of the kernel.
    weights: Vec<[f32; BLOCK]>,
}

impl Pass {
    /// Computes the output from the input.
    fn forward(g: &Geometry, starts: &[usize], weights: &[f32]) -> Self {
        let Window { height, width, kernel, stride, padding, .. } = g.window;
        let mut pass = Self {
            source: [height, width],
            stride,
            start: padding.map(|padding| -(padding as isize)),
            taps: kernel,
            count: [g.window.out_height(), g.window.out_width()],
            first: [0; 2],
            step: [1; 2],
            width: g.window.out_width(),
            weights: Vec::new(),
        };
        pass.pack(g, starts, weights, |y, x| [y, x]);
        pass
    }

    /// Compute the input's gradient from the output's, each for the pixels that the same taps reach.
    fn backward(g: &Geometry, starts: &[usize], weights: &[f32]) -> Vec<Self> {
        let [rows, columns] = [0, 1].map(|axis| Met::all(&g.window, axis));
        let both = rows.iter().flat_map(|row| columns.iter().map(move |column| [*row, *column]));
        both.map(|met| {
            let stride = g.window.stride;
            let mut pass = Self {
                source: [g.window.out_height(), g.window.out_width()],
                stride: [1; 2],
                start: met.map(|met| met.start),
                taps: met.map(|met| met.taps),
                count: met.map(|met| met.count),
                first: met.map(|met| met.first),
                step: stride,
                width: g.window.width,
                weights: Vec::new(),
            };
            let [down, right] = met;
            pass.pack(g, starts, weights, |y, x| {
                [down.backwards(y, stride[0]), right.backwards(x, stride[1])]
            });
            pass
        })
        .collect()
    }

    /// Sets the weights to those of `[filters, 1, height, width]`, of which `tap` says where each tap lies.
    fn pack(
        &mut self,
        g: &Geometry,
        starts: &[usize],
        weights: &[f32],
        tap: impl Fn(usize, usize) -> [usize; 2],
    ) {
        let [height, width] = g.window.kernel;
        for &first in starts {
            for (y, x) in pairs(self.taps) {
                let [y, x] = tap(y, x);
                self.weights.extend(pack(&[first], |filter| {
                    let at = (filter * height + y) * width + x;
                    weights.get(at).copied().unwrap_or_default()
                }));
            }
        }
    }

    /// The taps that lie inside of the source, where the first one lies at `start`.
    fn inside(&self, axis: usize, start: isize) -> Range<usize> {
        let end = self.source[axis] as isize - start;
        let first = (-start).clamp(0, self.taps[axis] as isize);
        first as usize..end.clamp(first, self.taps[axis] as isize) as usize
    }

    /// The output pixels of a row all of whose taps are inside.
    fn whole(&self) -> Range<usize> {
        let (stride, start) = (self.stride[1] as isize, self.start[1]);
        let room = self.source[1] as isize - self.taps[1] as isize - start;
        let first = ((stride - 1 - start) / stride).clamp(0, self.count[1] as isize);
        let end = if room < 0 { 0 } else { room / stride + 1 };
        first as usize..end.clamp(first, self.count[1] as isize) as usize
    }
}

/// All places of a field, row by row.
fn pairs([height, width]: [usize; 2]) -> impl Iterator<Item = (usize, usize)> {
    (0..height).flat_map(move |y| (0..width).map(move |x| (y, x)))
}

/// A [`Pass`] over one image.
struct Slide<'a> {
    pass: &'a Pass,
    filters: usize,
    /// Where the blocks of filters begin.
    starts: &'a [usize],
    /// The bias that is added to each output.
    bias: &'a [[f32; BLOCK]],
    fused: Fused,
    source: &'a [f32],
    output: &'a mut [f32],
}

in_vectors!(Slide);

impl Slide<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        if self.filters < BLOCK {
            return self.rows::<S, V, 1, 1>(simd, 0..0, First(self.filters));
        }
        if V == BLOCK {
            // Without vectors there are no registers for more than one pixel either.
            return self.rows::<S, V, 1, 1>(simd, 0..0, Whole);
        }
        let whole = self.pass.whole();
        match (self.pass.stride[1], self.pass.taps[1]) {
            (1, 1) => self.rows::<S, V, 1, 1>(simd, whole, Whole),
            (1, 2) => self.rows::<S, V, 2, 1>(simd, whole, Whole),
            (1, 3) => self.rows::<S, V, 3, 1>(simd, whole, Whole),
            (1, 5) => self.rows::<S, V, 5, 1>(simd, whole, Whole),
            (1, 7) => self.rows::<S, V, 7, 1>(simd, whole, Whole),
            (2, 3) => self.rows::<S, V, 3, 2>(simd, whole, Whole),
            (2, 5) => self.rows::<S, V, 5, 2>(simd, whole, Whole),
            _ => self.rows::<S, V, 1, 1>(simd, 0..0, Whole),
        }
    }

    /// All output pixels. In the columns `whole`, which may be none, they are computed together, with `K` taps in
    /// a row and a stride of `STEP`.
    #[inline(always)]
    fn rows<S: Simd, const V: usize, const K: usize, const STEP: usize>(
        &mut self,
        simd: S,
        whole: Range<usize>,
        count: impl Count,
    ) {
        let Self { pass, filters, fused, source, .. } = *self;
        let whole = if whole.len() < TILE { 0..0 } else { whole };
        for row in 0..pass.count[0] {
            let top = pass.start[0] + (row * pass.stride[0]) as isize;
            let inside = pass.inside(0, top);
            let top = if inside.is_empty() { 0 } else { (top + inside.start as isize) as usize };
            let output = (pass.first[0] + row * pass.step[0]) * pass.width + pass.first[1];
            for (block, &first) in self.starts.iter().enumerate() {
                let taps = (block * pass.taps[0] + inside.start) * pass.taps[1];
                let line = Line {
                    pass,
                    filters,
                    bias: &self.bias[block],
                    fused,
                    weights: &pass.weights[taps..][..inside.len() * pass.taps[1]],
                    source: &source[top * pass.source[1] * filters + first..],
                };
                let output = &mut self.output[output * filters + first..];
                for column in (0..whole.start).chain(whole.end..pass.count[1]) {
                    line.pixel::<S, V>(simd, column, output, count);
                }
                for column in whole.clone().step_by(TILE) {
                    // The last tile may overlap with the one before.
                    let column = column.min(whole.end - TILE);
                    line.tile::<S, V, K, STEP>(simd, column, output);
                }
            }
        }
    }
}

/// A row of output pixels for one block of filters.
struct Line<'a> {
    pass: &'a Pass,
    filters: usize,
    bias: &'a [f32; BLOCK],
    fused: Fused,
    /// Those rows of taps that lie inside of the source.
    weights: &'a [[f32; BLOCK]],
    /// From the line of the first of these taps on.
    source: &'a [f32],
}

impl Line<'_> {
    /// [`TILE`] pixels of which all `K` taps of a row are inside.
    #[inline(always)]
    fn tile<S: Simd, const V: usize, const K: usize, const STEP: usize>(
        &self,
        simd: S,
        column: usize,
        output: &mut [f32],
    ) {
        let left = (self.pass.start[1] + (column * STEP) as isize) as usize;
        let mut sums = [load::<S, V>(simd, self.bias, Whole); TILE];
        let (rows, _) = self.weights.as_chunks::<K>();
        for (y, taps) in rows.iter().enumerate() {
            let mut weights = [[simd.splat_f32s(0.0); V]; K];
            for k in 0..K {
                weights[k] = load::<S, V>(simd, &taps[k], Whole);
            }
            let at = y * self.pass.source[1] + left;
            let mut pixels = self.source[at * self.filters..].chunks(self.filters);
            for i in 0..(TILE - 1) * STEP + K {
                let Some(pixel) = pixels.next() else { unreachable!("all taps are inside") };
                let values = load::<S, V>(simd, pixel, Whole);
                for k in 0..K.min(i + 1) {
                    let p = (i - k) / STEP;
                    if (i - k) % STEP == 0 && p < TILE {
                        for v in 0..V {
                            sums[p][v] = simd.mul_add_e_f32s(values[v], weights[k][v], sums[p][v]);
                        }
                    }
                }
            }
        }
        let step = self.pass.step[1] * self.filters;
        let mut pixels = output[column * step..].chunks_mut(step);
        for p in 0..TILE {
            for v in 0..V {
                sums[p][v] = self.fused.apply(simd, sums[p][v]);
            }
            let Some(pixel) = pixels.next() else { unreachable!("the output has these columns") };
            store::<S, V>(pixel, sums[p], Whole);
        }
    }

    /// One pixel, of which only some of the taps need be inside.
    #[inline(always)]
    fn pixel<S: Simd, const V: usize>(
        &self,
        simd: S,
        column: usize,
        output: &mut [f32],
        count: impl Count,
    ) {
        let Self { pass, filters, .. } = *self;
        let left = pass.start[1] + (column * pass.stride[1]) as isize;
        let columns = pass.inside(1, left);
        let mut sums = load::<S, V>(simd, self.bias, Whole);
        if !columns.is_empty() {
            let left = (left + columns.start as isize) as usize;
            for (y, weights) in self.weights.chunks_exact(pass.taps[1]).enumerate() {
                let pixels = self.source[(y * pass.source[1] + left) * filters..].chunks(filters);
                for (weights, pixel) in weights[columns.clone()].iter().zip(pixels) {
                    let weights = load::<S, V>(simd, weights, Whole);
                    let values = load::<S, V>(simd, pixel, count);
                    for v in 0..V {
                        sums[v] = simd.mul_add_e_f32s(values[v], weights[v], sums[v]);
                    }
                }
            }
        }
        for v in 0..V {
            sums[v] = self.fused.apply(simd, sums[v]);
        }
        store::<S, V>(&mut output[column * pass.step[1] * filters..], sums, count);
    }
}

/// [`super::forward`] where a filter sees one channel.
pub(super) fn forward<T: Send>(
    g: &Geometry,
    input: &[f32],
    weights: &[f32],
    bias: &[f32],
    fused: Fused,
    look: impl Fn(&[f32]) -> T + Sync + Send,
) -> (Vec<f32>, Vec<T>) {
    let starts = starts(g.filters);
    let pass = Pass::forward(g, &starts, weights);
    let bias: Vec<_> =
        pack(&starts, |filter| bias.get(filter).copied().unwrap_or_default()).collect();
    in_chunks(
        g,
        input,
        || (),
        |(), input, output| {
            let inputs = input.chunks_exact(g.window.in_len());
            for (output, input) in output.chunks_exact_mut(g.out_len()).zip(inputs) {
                Slide {
                    pass: &pass,
                    filters: g.filters,
                    starts: &starts,
                    bias: &bias,
                    fused,
                    source: &repeat(input, g.filters / g.window.channels),
                    output,
                }
                .work();
            }
            look(output)
        },
    )
}

/// A task of the weights' gradient: adds what one image contributes.
struct Correlate<'a> {
    g: Geometry,
    starts: &'a [usize],
    input: &'a [f32],
    gradient: &'a [f32],
    /// For each block of filters, row by row of the kernel.
    sums: &'a mut [[f32; BLOCK]],
}

in_vectors!(Correlate);

impl Correlate<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        if self.g.filters < BLOCK {
            return self.rows::<S, V, 1, 1>(simd, First(self.g.filters));
        }
        if V == BLOCK {
            // Without vectors there are no registers for more than one tap either.
            return self.rows::<S, V, 1, 1>(simd, Whole);
        }
        match self.g.window.stride[1] {
            2 => self.rows::<S, V, 7, 2>(simd, Whole),
            _ => self.rows::<S, V, 7, 1>(simd, Whole),
        }
    }

    /// All taps, at most `MOST` of a row together. Pixels are computed together where the stride within a row is
    /// `STEP`.
    #[inline(always)]
    fn rows<S: Simd, const V: usize, const MOST: usize, const STEP: usize>(
        &mut self,
        simd: S,
        count: impl Count,
    ) {
        let [rows, columns] = self.g.window.kernel;
        for block in 0..self.starts.len() {
            for row in 0..rows {
                let mut column = 0;
                while column < columns {
                    let at = [block, row, column];
                    // As many sums side by side as hide the latency of a fused multiply-add.
                    column += match MOST.min(columns - column) {
                        7.. => self.taps::<S, V, STEP, 7, 1>(simd, at, count),
                        5 | 6 => self.taps::<S, V, STEP, 5, 1>(simd, at, count),
                        3 | 4 => self.taps::<S, V, STEP, 3, 2>(simd, at, count),
                        _ => self.taps::<S, V, STEP, 1, 4>(simd, at, count),
                    };
                }
            }
        }
    }

    /// The gradients of `K` taps side by side, from `[block, row, column]` on; returns their number. Of pixels
    /// side by side, `U` have sums of their own.
    #[inline(always)]
    fn taps<S: Simd, const V: usize, const STEP: usize, const K: usize, const U: usize>(
        &mut self,
        simd: S,
        [block, row, column]: [usize; 3],
        count: impl Count,
    ) -> usize {
        let Self { g: Geometry { window, filters, .. }, input, gradient, .. } = *self;
        let first = self.starts[block];
        let ([down, right], [top, left]) = (window.stride, window.padding);
        let out_width = window.out_width();
        // Output pixels of a row all of whose `K` taps are inside.
        let whole = left.saturating_sub(column).div_ceil(right).min(out_width);
        let room = (window.width + left + right).saturating_sub(column + K) / right;
        let whole = whole..room.clamp(whole, out_width);
        let tiles = if right == STEP { whole.len() / TILE } else { 0 };

        let mut sums = [[[simd.splat_f32s(0.0); V]; K]; U];
        for y in 0..window.out_height() {
            let Some(line) = (y * down + row).checked_sub(top) else { continue };
            if line >= window.height {
                break;
            }
            let line = &input[line * window.width * filters + first..];
            let gradient = &gradient[y * out_width * filters + first..];
            for x in (whole.start..).step_by(TILE).take(tiles) {
                let mut gradients = [[simd.splat_f32s(0.0); V]; TILE];
                let mut pixels = gradient[x * filters..].chunks(filters);
                for p in 0..TILE {
                    let Some(pixel) = pixels.next() else { unreachable!("x is inside") };
                    gradients[p] = load::<S, V>(simd, pixel, count);
                }
                let mut pixels = line[(x * right + column - left) * filters..].chunks(filters);
                for i in 0..(TILE - 1) * STEP + K {
                    let Some(pixel) = pixels.next() else { unreachable!("all taps are inside") };
                    let values = load::<S, V>(simd, pixel, count);
                    for k in 0..K.min(i + 1) {
                        let p = (i - k) / STEP;
                        if (i - k) % STEP == 0 && p < TILE {
                            let sums = &mut sums[p % U][k];
                            for v in 0..V {
                                sums[v] = simd.mul_add_e_f32s(values[v], gradients[p][v], sums[v]);
                            }
                        }
                    }
                }
            }
            for x in (0..whole.start).chain(whole.start + tiles * TILE..out_width) {
                let gradient = load::<S, V>(simd, &gradient[x * filters..], count);
                for k in 0..K {
                    let place = (x * right + column + k).wrapping_sub(left);
                    if place < window.width {
                        let values = load::<S, V>(simd, &line[place * filters..], count);
                        for v in 0..V {
                            sums[0][k][v] =
                                simd.mul_add_e_f32s(values[v], gradient[v], sums[0][k][v]);
                        }
                    }
                }
            }
        }
        let [rows, columns] = window.kernel;
        let at = (block * rows + row) * columns + column;
        for (k, total) in self.sums[at..at + K].iter_mut().enumerate() {
            let (total, _) = S::as_mut_simd_f32s(total);
            for v in 0..V {
                let mut sum = sums[0][k][v];
                for u in 1..U {
                    sum = simd.add_f32s(sum, sums[u][k][v]);
                }
                total[v] = simd.add_f32s(total[v], sum);
            }
        }
        K
    }
}

/// [`super::backward`] where a filter sees one channel.
pub(super) fn backward(
    g: &Geometry,
    input: &[f32],
    weights: Option<&[f32]>,
    gradient: impl Fn(usize, &mut [f32]) + Sync + Send,
) -> (Vec<f32>, Vec<f32>) {
    let in_len = g.window.in_len();
    let times = g.filters / g.window.channels;
    let starts = starts(g.filters);
    let passes = weights.map_or_else(Vec::new, |weights| Pass::backward(g, &starts, weights));
    let no_bias = vec![[0.0; BLOCK]; starts.len()];
    let taps = g.window.kernel[0] * g.window.kernel[1];

    let (input_gradient, sums) = in_groups(g, input, weights.is_some(), |first, input, into| {
        let mut sums = vec![[0.0; BLOCK]; starts.len() * taps];
        let mut image_gradient = vec![0.0; g.out_len()];
        // Where filters share a channel, each has a gradient of its own first.
        let mut apart = vec![0.0; if times == 1 { 0 } else { in_len * times }];
        let mut into = into.chunks_exact_mut(in_len);
        for (image, input) in input.chunks_exact(in_len).enumerate() {
            gradient(first + image, &mut image_gradient);
            Correlate {
                g: *g,
                starts: &starts,
                input: &repeat(input, times),
                gradient: &image_gradient,
                sums: &mut sums,
            }
            .work();
            let Some(into) = into.next() else { continue };
            for pass in &passes {
                Slide {
                    pass,
                    filters: g.filters,
                    starts: &starts,
                    bias: &no_bias,
                    fused: Fused::Nothing,
                    source: &image_gradient,
                    output: if times == 1 { into } else { &mut apart },
                }
                .work();
            }
            for (into, apart) in into.iter_mut().zip(apart.chunks_exact(times)) {
                *into = apart.iter().sum();
            }
        }
        sums
    });

    let mut weights = Vec::with_capacity(g.filters * taps);
    for filter in 0..g.filters {
        let block = filter / BLOCK;
        for at in block * taps..(block + 1) * taps {
            let sum = sums.iter().map(|sums: &Vec<_>| sums[at][filter - starts[block]]).sum();
            weights.push(sum);
        }
    }
    (input_gradient, weights)
}
