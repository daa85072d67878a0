//! Batch normalisation with a ReLU behind it or none.

use pulp::Arch;
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
        Arch::new().dispatch(|| {
            for pixel in values.chunks_exact(channels) {
                for (mean, value) in mean.iter_mut().zip(pixel) {
                    *mean += value;
                }
            }
            let share = 1.0 / count as f32;
            for mean in &mut mean {
                *mean *= share;
            }
            for pixel in values.chunks_exact(channels) {
                for ((squares, mean), value) in squares.iter_mut().zip(&mean).zip(pixel) {
                    let distance = value - mean;
                    *squares += distance * distance;
                }
            }
        });
        Self { count, mean, squares }
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

/// A batch normalisation with known statistics.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Norm {
    mean: Vec<f32>,
    /// One over the standard deviation.
    inverse: Vec<f32>,
    /// What values are multiplied by, and what is added.
    scale: Vec<f32>,
    shift: Vec<f32>,
    relu: bool,
}

/// Gradients of a batch normalisation's parameters, with what the gradient of its input needs.
pub(in crate::engine) struct NormGradient {
    /// Of the factor.
    pub(in crate::engine) gamma: Vec<f32>,
    /// Of the summand.
    pub(in crate::engine) beta: Vec<f32>,
    /// The input's gradient is `of_output * gradient + of_value * value + constant`, with the output's gradient
    /// taken as 0 behind a ReLU that is closed.
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
        relu: bool,
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
        Self { mean: mean.to_vec(), inverse, scale, shift, relu }
    }

    fn piece(&self) -> usize {
        let channels = self.mean.len();
        CHUNK.div_ceil(channels) * channels
    }

    /// Normalises `values`, `[pixels, channels]`.
    pub(in crate::engine) fn apply(&self, values: &[f32]) -> Vec<f32> {
        let (channels, floor) = (self.mean.len(), if self.relu { 0.0 } else { f32::NEG_INFINITY });
        let mut output = vec![0.0; values.len()];
        output.par_chunks_mut(self.piece()).zip(values.par_chunks(self.piece())).for_each(
            |(output, values)| {
                Arch::new().dispatch(|| {
                    for (output, values) in
                        output.chunks_exact_mut(channels).zip(values.chunks_exact(channels))
                    {
                        for (((output, value), scale), shift) in
                            output.iter_mut().zip(values).zip(&self.scale).zip(&self.shift)
                        {
                            let normal = value * scale + shift;
                            *output = if normal > floor { normal } else { floor };
                        }
                    }
                });
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
        let channels = self.mean.len();
        let floor = self.floor();
        let pieces: Vec<(Vec<f32>, Vec<f32>)> = values
            .par_chunks(self.piece())
            .zip(output_gradient.par_chunks(self.piece()))
            .map(|(values, gradients)| {
                let (mut sums, mut products) = (vec![0.0_f32; channels], vec![0.0_f32; channels]);
                Arch::new().dispatch(|| {
                    for (values, gradients) in
                        values.chunks_exact(channels).zip(gradients.chunks_exact(channels))
                    {
                        for (i, (value, gradient)) in
                            values.iter().zip(gradients).enumerate().take(channels)
                        {
                            let open = value * self.scale[i] + self.shift[i] > floor;
                            let gradient = if open { *gradient } else { 0.0 };
                            sums[i] += gradient;
                            products[i] += gradient * (value - self.mean[i]);
                        }
                    }
                });
                (sums, products)
            })
            .collect();
        let count = (values.len() / channels) as f64;
        let mut result = NormGradient {
            gamma: Vec::new(),
            beta: Vec::new(),
            of_value: Vec::new(),
            constant: Vec::new(),
        };
        for channel in 0..channels {
            let total = |of: fn(&(Vec<f32>, Vec<f32>)) -> &Vec<f32>| -> f64 {
                pieces.iter().map(|piece| f64::from(of(piece)[channel])).sum()
            };
            let [mean, inverse, scale] =
                [&self.mean, &self.inverse, &self.scale].map(|values| f64::from(values[channel]));
            let beta = total(|piece| &piece.0);
            let gamma = total(|piece| &piece.1) * inverse;
            let of_value = -scale * inverse * gamma / count;
            result.beta.push(beta as f32);
            result.gamma.push(gamma as f32);
            result.of_value.push(of_value as f32);
            result.constant.push((-scale * beta / count - of_value * mean) as f32);
        }
        result
    }

    /// Writes the gradient of `values` that belongs to a part of them.
    pub(in crate::engine) fn input_gradient(
        &self,
        gradient: &NormGradient,
        values: &[f32],
        output_gradient: &[f32],
        into: &mut [f32],
    ) {
        let channels = self.mean.len();
        let floor = self.floor();
        Arch::new().dispatch(|| {
            for ((into, values), gradients) in into
                .chunks_exact_mut(channels)
                .zip(values.chunks_exact(channels))
                .zip(output_gradient.chunks_exact(channels))
            {
                for (i, ((into, value), output)) in
                    into.iter_mut().zip(values).zip(gradients).enumerate().take(channels)
                {
                    let open = value * self.scale[i] + self.shift[i] > floor;
                    let output = if open { *output } else { 0.0 };
                    *into = self.scale[i] * output
                        + gradient.of_value[i] * value
                        + gradient.constant[i];
                }
            }
        });
    }

    /// The normalised value that an output must be above to have a gradient.
    fn floor(&self) -> f32 {
        if self.relu { 0.0 } else { f32::NEG_INFINITY }
    }
}
