//! The values that parameters start with, drawn by our own generator: no backend's sequence of random
//! numbers is the same as another's.

use super::layers::Parameter;
use crate::engine::{seed, template::Graph};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::{collections::BTreeMap, f64::consts::TAU};

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Init {
    Zeros,
    Ones,
    /// Kaiming normal (He et al. 2015, arXiv 1502.01852): the standard deviation keeps the variance of
    /// activations through a layer with `fan_in` inputs a unit, with or without a ReLU behind it.
    Normal {
        relu: bool,
    },
}

/// The starting values of all `parameters`.
///
/// Alternatives of a layer start *aligned*: weights of the same width are made from one draw, and a
/// convolution's kernel, whatever its size, from one 3×3 kernel (see [`fit_kernel`]). On images, whose
/// neighbouring pixels are alike, alternatives then answer alike from the start, and what follows does not
/// have to learn a language for each of them; drawn apart, they need many times the steps before a random
/// path makes sense. Other layers do not change what a node starts with.
pub(super) fn values(parameters: &[Parameter], graph: &Graph, seed: u64) -> Vec<Vec<f32>> {
    // How many weights of a width a node has had: the operations of one node are no alternatives and
    // draw apart.
    let mut drawn = BTreeMap::<_, u64>::new();
    parameters
        .iter()
        .map(|parameter| {
            let count = parameter.shape.iter().product();
            match parameter.init {
                Init::Zeros => vec![0.0; count],
                Init::Ones => vec![1.0; count],
                Init::Normal { relu } => {
                    let layer = graph.nodes()[parameter.node].layer;
                    let gain: f64 = if relu { 2.0 } else { 1.0 };
                    let (outer, kernel, fan_in) = match *parameter.shape.as_slice() {
                        [filters, channels, kernel, _] => {
                            (filters * channels, Some(kernel), 9 * channels)
                        }
                        [features, units] => (features * units, None, features),
                        _ => (count, None, count),
                    };
                    let place = drawn.entry((parameter.node, fan_in, outer)).or_default();
                    let mut rng =
                        seed::rng(seed, &format!("init/{layer}/{fan_in}/{outer}"), *place);
                    *place += 1;
                    let deviation = (gain / fan_in.max(1) as f64).sqrt();
                    let mut draw = || (deviation * standard_normal(&mut rng)) as f32;
                    match kernel {
                        Some(kernel) => (0..outer)
                            .flat_map(|_| fit_kernel(std::array::from_fn(|_| draw()), kernel))
                            .collect(),
                        None => (0..count).map(|_| draw()).collect(),
                    }
                }
            }
        })
        .collect()
}

/// A kernel of `size`×`size` that answers to smooth images as the 3×3 kernel does: the larger ones have
/// zeros around it, the smaller ones the sums of what falls outside. The sum of all taps stays, and with it
/// the variance that He et al. ask for.
fn fit_kernel(kernel: [f32; 9], size: usize) -> Vec<f32> {
    let center = (size - 1) / 2;
    let place = |tap: usize| (center + tap).saturating_sub(1).min(size - 1);
    let mut fitted = vec![0.0; size * size];
    for (tap, value) in kernel.into_iter().enumerate() {
        fitted[place(tap / 3) * size + place(tap % 3)] += value;
    }
    fitted
}

/// A standard normal number, by the Box-Muller transform.
fn standard_normal(rng: &mut ChaCha8Rng) -> f64 {
    // 1 - [0, 1) keeps the logarithm finite.
    let (u, v) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
    (-2.0 * u.ln()).sqrt() * (TAU * v).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut rng = seed::rng(7, "test", 0);
        let draws: Vec<_> = (0..20_000).map(|_| standard_normal(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        // Three standard errors: 3 / sqrt(20000) and 3 * sqrt(2 / 20000).
        assert!(mean.abs() < 0.0213, "{mean}");
        assert!((variance - 1.0).abs() < 0.03, "{variance}");
    }

    #[test]
    fn kernels_of_every_size_answer_alike_to_a_smooth_image() {
        let kernel = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
        assert_eq!(fit_kernel(kernel, 1), [511.0]);
        assert_eq!(fit_kernel(kernel, 3), kernel);
        assert_eq!(fit_kernel(kernel, 2), [27.0, 36.0, 192.0, 256.0]);
        let larger = fit_kernel(kernel, 5);
        for (place, &value) in larger.iter().enumerate() {
            let (row, column) = (place / 5, place % 5);
            let inside = (1..4).contains(&row) && (1..4).contains(&column);
            let expected = if inside { kernel[(row - 1) * 3 + column - 1] } else { 0.0 };
            assert_eq!(value, expected, "at {row}, {column}");
        }
    }
}
