//! Batch normalisation with an activation behind it or none.

#![allow(clippy::needless_range_loop, reason = "loops over registers are unrolled by index")]

use super::{
    block::{BLOCK, Count, First, Whole, in_blocks, in_vectors, load, store},
    fused::Fused,
    output,
};
use pulp::Simd;
use rayon::prelude::*;

/// Values, at least, that one task looks at.
const CHUNK: usize = 1 << 15;

/// What a piece of a batch shows of each channel.
pub(in crate::engine) struct Moments {
    count: usize,
    mean: Vec<f32>,
    /// Sum of squared distances from the mean.
    squares: Vec<f32>,
}

impl Moments {
    /// Of `values`, `[pixels, channels]`.
    pub(in crate::engine) fn of(values: &[f32], channels: usize) -> Self {
        let count = values.len() / channels;
        let (mut mean, mut squares) = (vec![0.0_f32; channels], vec![0.0_f32; channels]);
        Gather { values, mean: &mut mean, squares: &mut squares }.work();
        Self { count, mean, squares }
    }

    /// Mean and population variance of each channel of `values`, `[pixels, channels]`.
    pub(in crate::engine) fn of_all(values: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
        let pieces: Vec<_> =
            values.par_chunks(piece(channels)).map(|values| Self::of(values, channels)).collect();
        Self::pool(&pieces, channels)
    }

    /// Mean and population variance of each channel over all `pieces` (the pairwise update of Chan, Golub
    /// and `LeVeque` 1983, one piece after the other).
    pub(in crate::engine) fn pool(pieces: &[Self], channels: usize) -> (Vec<f32>, Vec<f32>) {
        (0..channels)
            .map(|channel| {
                let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
                for piece in pieces {
                    let more = piece.count as f64;
                    let apart = f64::from(piece.mean[channel]) - mean;
                    let total = count + more;
                    squares +=
                        f64::from(piece.squares[channel]) + apart * apart * count * more / total;
                    mean += apart * more / total;
                    count = total;
                }
                (mean as f32, (squares / count) as f32)
            })
            .unzip()
    }
}

/// How many values of whole pixels one task looks at.
fn piece(channels: usize) -> usize {
    CHUNK.div_ceil(channels) * channels
}

/// A batch normalisation with known statistics, or any factor and summand of each channel.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Norm {
    mean: Vec<f32>,
    /// One over the standard deviation.
    inverse: Vec<f32>,
    /// What values are multiplied by, and what is added.
    scale: Vec<f32>,
    shift: Vec<f32>,
    fused: Fused,
}

/// Gradients of a batch normalisation's parameters, with what the gradient of its input needs.
pub(in crate::engine) struct NormGradient {
    /// Of the factor.
    pub(in crate::engine) gamma: Vec<f32>,
    /// Of the summand.
    pub(in crate::engine) beta: Vec<f32>,
    /// The input's gradient is `of_output * gradient + of_value * value + constant`, with the output's gradient
    /// taken as 0 where a ReLU behind it is closed.
    of_value: Vec<f32>,
    constant: Vec<f32>,
}

impl Norm {
    /// From a batch's statistics and the parameters.
    pub(in crate::engine) fn new(
        mean: &[f32],
        variance: &[f32],
        gamma: &[f32],
        beta: &[f32],
        epsilon: f32,
        fused: Fused,
    ) -> Self {
        let inverse: Vec<_> =
            variance.iter().map(|variance| 1.0 / (variance + epsilon).sqrt()).collect();
        let scale: Vec<_> =
            gamma.iter().zip(&inverse).map(|(gamma, inverse)| gamma * inverse).collect();
        let shift = beta
            .iter()
            .zip(mean)
            .zip(&scale)
            .map(|((beta, mean), scale)| beta - mean * scale)
            .collect();
        Self { mean: mean.to_vec(), inverse, scale, shift, fused }
    }

    /// A factor and a summand of each channel, which do not depend on the values.
    pub(in crate::engine) fn scaling(scale: &[f32], shift: &[f32], fused: Fused) -> Self {
        let channels = scale.len();
        Self {
            mean: vec![0.0; channels],
            inverse: vec![1.0; channels],
            scale: scale.to_vec(),
            shift: shift.to_vec(),
            fused,
        }
    }

    fn piece(&self) -> usize {
        piece(self.mean.len())
    }

    /// Normalises `values`, `[pixels, channels]`.
    pub(in crate::engine) fn apply(&self, values: &[f32]) -> Vec<f32> {
        let pieces: Vec<_> = values.chunks(self.piece()).collect();
        let (output, _) = output::fill(
            values.len(),
            self.piece(),
            || (),
            |(), piece, output| {
                Apply { norm: self, values: pieces[piece], output }.work();
            },
        );
        output
    }

    /// The gradients for `values` of a batch whose own statistics these are, and the gradient of the output.
    pub(in crate::engine) fn gradient(
        &self,
        values: &[f32],
        output_gradient: &[f32],
    ) -> NormGradient {
        let count = (values.len() / self.mean.len()) as f64;
        let mut result = self.gradient_of_scaling(values, output_gradient);
        for channel in 0..self.mean.len() {
            let [mean, inverse, scale, gamma, beta] =
                [&self.mean, &self.inverse, &self.scale, &result.gamma, &result.beta]
                    .map(|values| f64::from(values[channel]));
            let of_value = -scale * inverse * gamma / count;
            result.of_value[channel] = of_value as f32;
            result.constant[channel] = (-scale * beta / count - of_value * mean) as f32;
        }
        result
    }

    /// The gradients where the statistics, or factors and summands, do not depend on `values`.
    pub(in crate::engine) fn gradient_of_scaling(
        &self,
        values: &[f32],
        output_gradient: &[f32],
    ) -> NormGradient {
        let channels = self.mean.len();
        let pieces: Vec<(Vec<f32>, Vec<f32>)> = values
            .par_chunks(self.piece())
            .zip(output_gradient.par_chunks(self.piece()))
            .map(|(values, gradients)| {
                let (mut sums, mut products) = (vec![0.0_f32; channels], vec![0.0_f32; channels]);
                let (sums_of, products_of) = (&mut sums, &mut products);
                Sums { norm: self, values, gradients, sums_of, products_of }.work();
                (sums, products)
            })
            .collect();
        let total = |of: fn(&(Vec<f32>, Vec<f32>)) -> &Vec<f32>, channel: usize| -> f64 {
            pieces.iter().map(|piece| f64::from(of(piece)[channel])).sum()
        };
        NormGradient {
            gamma: (0..channels)
                .map(|channel| {
                    (total(|piece| &piece.1, channel) * f64::from(self.inverse[channel])) as f32
                })
                .collect(),
            beta: (0..channels).map(|channel| total(|piece| &piece.0, channel) as f32).collect(),
            of_value: vec![0.0; channels],
            constant: vec![0.0; channels],
        }
    }

    /// The gradient of `values`.
    pub(in crate::engine) fn input_gradients(
        &self,
        gradient: &NormGradient,
        values: &[f32],
        output_gradient: &[f32],
    ) -> Vec<f32> {
        let piece = self.piece();
        let (into, _) = output::fill(
            values.len(),
            piece,
            || (),
            |(), number, into| {
                let part = number * piece..number * piece + into.len();
                self.input_gradient(gradient, &values[part.clone()], &output_gradient[part], into);
            },
        );
        into
    }

    /// Writes the gradient of `values` that belongs to a part of them.
    pub(in crate::engine) fn input_gradient(
        &self,
        gradient: &NormGradient,
        values: &[f32],
        output_gradient: &[f32],
        into: &mut [f32],
    ) {
        let gradients = output_gradient;
        InputGradient { norm: self, gradient, values, gradients, into }.work();
    }
}

/// Mean and squared distances of each channel.
struct Gather<'a> {
    values: &'a [f32],
    mean: &'a mut [f32],
    squares: &'a mut [f32],
}

in_blocks!(Gather, |task: &Self| task.mean.len());

impl Gather<'_> {
    #[inline(always)]
    fn block<S: Simd, const V: usize>(&mut self, simd: S, first: usize, count: impl Count) {
        let channels = self.mean.len();
        let share = simd.splat_f32s(1.0 / (self.values.len() / channels) as f32);
        let mut mean = [simd.splat_f32s(0.0); V];
        for pixel in self.values.chunks_exact(channels) {
            let values = load::<S, V>(simd, &pixel[first..], count);
            for v in 0..V {
                mean[v] = simd.add_f32s(mean[v], values[v]);
            }
        }
        for v in 0..V {
            mean[v] = simd.mul_f32s(mean[v], share);
        }
        let mut squares = [simd.splat_f32s(0.0); V];
        for pixel in self.values.chunks_exact(channels) {
            let values = load::<S, V>(simd, &pixel[first..], count);
            for v in 0..V {
                let distance = simd.sub_f32s(values[v], mean[v]);
                squares[v] = simd.mul_add_e_f32s(distance, distance, squares[v]);
            }
        }
        store::<S, V>(&mut self.mean[first..], mean, count);
        store::<S, V>(&mut self.squares[first..], squares, count);
    }
}

/// [`Norm::apply`] for some of the pixels.
struct Apply<'a> {
    norm: &'a Norm,
    values: &'a [f32],
    output: &'a mut [f32],
}

in_blocks!(Apply, |task: &Self| task.norm.mean.len());

impl Apply<'_> {
    #[inline(always)]
    fn block<S: Simd, const V: usize>(&mut self, simd: S, first: usize, count: impl Count) {
        let Self { norm, values, output } = self;
        let channels = norm.mean.len();
        let [scale, shift] =
            [&norm.scale, &norm.shift].map(|values| load::<S, V>(simd, &values[first..], count));
        for (output, pixel) in output.chunks_exact_mut(channels).zip(values.chunks_exact(channels))
        {
            let mut values = load::<S, V>(simd, &pixel[first..], count);
            for v in 0..V {
                values[v] = simd.mul_add_e_f32s(values[v], scale[v], shift[v]);
                values[v] = norm.fused.apply(simd, values[v]);
            }
            store::<S, V>(&mut output[first..], values, count);
        }
    }
}

/// Sums of a piece: of the output's gradients, and of their products with the distances from the mean.
struct Sums<'a> {
    norm: &'a Norm,
    values: &'a [f32],
    gradients: &'a [f32],
    sums_of: &'a mut [f32],
    products_of: &'a mut [f32],
}

in_blocks!(Sums, |task: &Self| task.norm.mean.len());

impl Sums<'_> {
    #[inline(always)]
    fn block<S: Simd, const V: usize>(&mut self, simd: S, first: usize, count: impl Count) {
        let Self { norm, values, gradients, sums_of, products_of } = self;
        let channels = norm.mean.len();
        let [scale, shift, mean] = [&norm.scale, &norm.shift, &norm.mean]
            .map(|values| load::<S, V>(simd, &values[first..], count));
        let mut sums = [simd.splat_f32s(0.0); V];
        let mut products = sums;
        for (values, gradients) in
            values.chunks_exact(channels).zip(gradients.chunks_exact(channels))
        {
            let values = load::<S, V>(simd, &values[first..], count);
            let gradients = load::<S, V>(simd, &gradients[first..], count);
            for v in 0..V {
                let gradient = norm.open(simd, values[v], gradients[v], scale[v], shift[v]);
                let distance = simd.sub_f32s(values[v], mean[v]);
                sums[v] = simd.add_f32s(sums[v], gradient);
                products[v] = simd.mul_add_e_f32s(gradient, distance, products[v]);
            }
        }
        store::<S, V>(&mut sums_of[first..], sums, count);
        store::<S, V>(&mut products_of[first..], products, count);
    }
}

/// [`Norm::input_gradient`].
struct InputGradient<'a> {
    norm: &'a Norm,
    gradient: &'a NormGradient,
    values: &'a [f32],
    gradients: &'a [f32],
    into: &'a mut [f32],
}

in_blocks!(InputGradient, |task: &Self| task.norm.mean.len());

impl InputGradient<'_> {
    #[inline(always)]
    fn block<S: Simd, const V: usize>(&mut self, simd: S, first: usize, count: impl Count) {
        let Self { norm, gradient, values, gradients, into } = self;
        let channels = norm.mean.len();
        let [scale, shift, of_value, constant] =
            [&norm.scale, &norm.shift, &gradient.of_value, &gradient.constant]
                .map(|values| load::<S, V>(simd, &values[first..], count));
        for ((into, values), gradients) in into
            .chunks_exact_mut(channels)
            .zip(values.chunks_exact(channels))
            .zip(gradients.chunks_exact(channels))
        {
            let values = load::<S, V>(simd, &values[first..], count);
            let mut gradients = load::<S, V>(simd, &gradients[first..], count);
            for v in 0..V {
                let open = norm.open(simd, values[v], gradients[v], scale[v], shift[v]);
                let rest = simd.mul_add_e_f32s(of_value[v], values[v], constant[v]);
                gradients[v] = simd.mul_add_e_f32s(scale[v], open, rest);
            }
            store::<S, V>(&mut into[first..], gradients, count);
        }
    }
}

impl Norm {
    /// The output's gradient where the activation is open, and 0 elsewhere.
    #[inline(always)]
    fn open<S: Simd>(
        &self,
        simd: S,
        value: S::f32s,
        gradient: S::f32s,
        scale: S::f32s,
        shift: S::f32s,
    ) -> S::f32s {
        self.fused.gate(simd, simd.mul_add_e_f32s(value, scale, shift), gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNELS: usize = 19;

    fn values(factor: f32) -> Vec<f32> {
        (0..CHANNELS * 7).map(|i| ((i * 37 % 101) as f32 / 50.0 - 1.0) * factor + 0.3).collect()
    }

    fn of_channel(values: &[f32], channel: usize) -> impl Iterator<Item = f64> {
        values.iter().skip(channel).step_by(CHANNELS).copied().map(f64::from)
    }

    #[test]
    fn pieces_pool_to_the_moments_of_all_values() {
        let all = values(2.0);
        let (first, second) = all.split_at(CHANNELS * 2);
        let pieces = [Moments::of(first, CHANNELS), Moments::of(second, CHANNELS)];
        let (mean, variance) = Moments::pool(&pieces, CHANNELS);
        for channel in 0..CHANNELS {
            let expected = of_channel(&all, channel).sum::<f64>() / 7.0;
            let spread =
                of_channel(&all, channel).map(|v| (v - expected).powi(2)).sum::<f64>() / 7.0;
            assert!((f64::from(mean[channel]) - expected).abs() < 1e-6);
            assert!((f64::from(variance[channel]) - spread).abs() < 1e-5);
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let (x, weight) = (values(1.5), values(-0.7));
        let (gamma, beta) = (vec![1.3; CHANNELS], vec![0.2; CHANNELS]);
        // Weighted sum of the outputs, in double precision.
        let score = |x: &[f64], gamma: f64, beta: f64, most: f64| -> f64 {
            let mut sum = 0.0;
            for channel in 0..CHANNELS {
                let own: Vec<_> = x.iter().skip(channel).step_by(CHANNELS).collect();
                let mean = own.iter().copied().sum::<f64>() / 7.0;
                let variance = own.iter().map(|&v| (v - mean).powi(2)).sum::<f64>() / 7.0;
                for (v, w) in own.into_iter().zip(of_channel(&weight, channel)) {
                    let normal = (v - mean) / (variance + 1e-5).sqrt() * gamma + beta;
                    sum += w * normal.clamp(0.0, most);
                }
            }
            sum
        };
        let (mean, variance) = Moments::pool(&[Moments::of(&x, CHANNELS)], CHANNELS);
        for (fused, most) in [(Fused::Relu, f64::INFINITY), (Fused::ReluUpTo(1.0), 1.0)] {
            let norm = Norm::new(&mean, &variance, &gamma, &beta, 1e-5, fused);
            let gradient = norm.gradient(&x, &weight);
            let mut of_x = vec![0.0; x.len()];
            norm.input_gradient(&gradient, &x, &weight, &mut of_x);
            let wide: Vec<f64> = x.iter().copied().map(f64::from).collect();
            let step = 1e-6;
            for i in 0..x.len() {
                let at = |by: f64| {
                    let mut moved = wide.clone();
                    moved[i] += by;
                    score(&moved, f64::from(gamma[0]), f64::from(beta[0]), most)
                };
                let difference = (at(step) - at(-step)) / (2.0 * step);
                assert!((difference - f64::from(of_x[i])).abs() < 1e-4, "{difference} {}", of_x[i]);
            }
            let by = |gamma: f64, beta: f64| {
                score(&wide, f64::from(1.3_f32) + gamma, f64::from(0.2_f32) + beta, most)
            };
            let total = |values: &[f32]| values.iter().copied().map(f64::from).sum::<f64>();
            let of_gamma = (by(step, 0.0) - by(-step, 0.0)) / (2.0 * step);
            let of_beta = (by(0.0, step) - by(0.0, -step)) / (2.0 * step);
            assert!((of_gamma - total(&gradient.gamma)).abs() < 1e-3, "{of_gamma}");
            assert!((of_beta - total(&gradient.beta)).abs() < 1e-3, "{of_beta}");
        }
    }
}
