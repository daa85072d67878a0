//! The values that parameters start with, drawn by our own generator: no backend's sequence of random
//! numbers is the same as another's.

use super::layers::Parameter;
use crate::engine::{
    ops::{Initialiser, Start},
    seed,
    template::Graph,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::{collections::BTreeMap, f64::consts::TAU};

/// The starting values of all `parameters`.
///
/// Alternatives of a layer start *aligned*: weights of the same width are made from one draw, and a
/// convolution's kernel, whatever its size, from one 3×3 kernel (see [`fit_kernel`]). On images, whose
/// neighbouring pixels are alike, alternatives then answer alike from the start, and what follows does not
/// have to learn a language for each of them; drawn apart, they need many times the steps before a random
/// path makes sense. Other layers do not change what a node starts with.
///
/// That is [`Initialiser::Aligned`]; with any other, each weight is drawn on its own, as the name says.
pub(super) fn values(parameters: &[Parameter], graph: &Graph, seed: u64) -> Vec<Vec<f32>> {
    // How many weights of a width a node has had: the operations of one node are no alternatives and
    // draw apart.
    let mut drawn = BTreeMap::<_, u64>::new();
    parameters
        .iter()
        .map(|Parameter { owner, is, .. }| {
            let count = is.shape.iter().product();
            let (initialiser, kernel, inputs, outputs, gain) = match is.start {
                Start::Constant(value) => return vec![value; count],
                Start::Drawn { initialiser, kernel, inputs, outputs, gain } => {
                    (initialiser, kernel, inputs, outputs, gain)
                }
            };
            let layer = graph.nodes()[owner.node].layer;
            if initialiser == Initialiser::Aligned {
                let fan_in = if kernel.is_some() { 9 * inputs } else { inputs };
                let outer = count / kernel.map_or(1, |[rows, columns]| (rows * columns).max(1));
                let place = drawn.entry((owner.node, fan_in, outer)).or_default();
                let mut rng = seed::rng(seed, &format!("init/{layer}/{fan_in}/{outer}"), *place);
                *place += 1;
                let deviation = (gain / fan_in.max(1) as f64).sqrt();
                let mut draw = || (deviation * standard_normal(&mut rng)) as f32;
                return match kernel {
                    Some(kernel) => (0..outer)
                        .flat_map(|_| {
                            let drawn: [f32; 9] = std::array::from_fn(|_| draw());
                            fit_kernel(&drawn, [3; 2], kernel)
                        })
                        .collect(),
                    None => (0..count).map(|_| draw()).collect(),
                };
            }
            let taps = kernel.map_or(1, |[rows, columns]| rows * columns);
            // Apart from widths, by name: alternatives draw apart.
            let place = drawn.entry((owner.node, usize::MAX, owner.key as usize)).or_default();
            let purpose = format!("init/{}/{}/{}", graph.id(owner.node), owner.key, is.role);
            let mut rng = seed::rng(seed, &purpose, *place);
            *place += 1;
            draw(initialiser, &is.shape, (inputs * taps, outputs * taps), &mut rng)
        })
        .collect()
}

/// Values of a shape, drawn as `initialiser` says for so many inputs and outputs of each sum.
fn draw(
    initialiser: Initialiser,
    shape: &[usize],
    (inputs, outputs): (usize, usize),
    rng: &mut ChaCha8Rng,
) -> Vec<f32> {
    let count: usize = shape.iter().product();
    let (inputs, outputs) = (inputs.max(1) as f64, outputs.max(1) as f64);
    let mean = f64::midpoint(inputs, outputs);
    let mut normal = |variance: f64| -> Vec<f32> {
        (0..count).map(|_| (variance.sqrt() * standard_normal(rng)) as f32).collect()
    };
    match initialiser {
        Initialiser::Zeros => vec![0.0; count],
        Initialiser::Ones => vec![1.0; count],
        Initialiser::RandomNormal => normal(DEVIATION * DEVIATION),
        // Those that are drawn one by one are aligned as if they had no alternatives.
        Initialiser::Aligned | Initialiser::HeNormal => normal(2.0 / inputs),
        Initialiser::LecunNormal => normal(1.0 / inputs),
        Initialiser::GlorotNormal => normal(1.0 / mean),
        Initialiser::RandomUniform => uniform(DEVIATION, count, rng),
        Initialiser::HeUniform => uniform((6.0 / inputs).sqrt(), count, rng),
        Initialiser::LecunUniform => uniform((3.0 / inputs).sqrt(), count, rng),
        Initialiser::GlorotUniform => uniform((3.0 / mean).sqrt(), count, rng),
        Initialiser::TruncatedNormal => (0..count)
            .map(|_| {
                loop {
                    let value = standard_normal(rng);
                    if value.abs() <= 2.0 {
                        return (DEVIATION * value) as f32;
                    }
                }
            })
            .collect(),
        Initialiser::Orthogonal => orthogonal(shape, rng),
    }
}

/// Standard deviation, or bound, of the distributions of Keras that do not depend on the shape.
const DEVIATION: f64 = 0.05;

/// Uniform between `-bound` and `bound`.
fn uniform(bound: f64, count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count).map(|_| (bound * (2.0 * rng.random::<f64>() - 1.0)) as f32).collect()
}

/// A matrix of as many rows as the shape's first side whose shorter side has vectors of length 1 at right angles, by the
/// Gram-Schmidt process (Saxe et al. 2013, arXiv 1312.6120).
fn orthogonal(shape: &[usize], rng: &mut ChaCha8Rng) -> Vec<f32> {
    let count: usize = shape.iter().product();
    let rows = shape.first().copied().unwrap_or(1).max(1);
    let columns = count / rows;
    let (vectors, length) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(vectors);
    while basis.len() < vectors {
        let mut vector: Vec<f64> = (0..length).map(|_| standard_normal(rng)).collect();
        // Twice: once leaves a rest of rounding errors.
        for _ in 0..2 {
            for other in &basis {
                let along: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        if norm > 1e-6 {
            vector.iter_mut().for_each(|x| *x /= norm);
            basis.push(vector);
        }
    }
    (0..count)
        .map(|place| {
            let (row, column) = (place / columns, place % columns);
            let (vector, along) = if rows <= columns { (row, column) } else { (column, row) };
            basis[vector][along] as f32
        })
        .collect()
}

/// A kernel of other rows and columns that answers to smooth images as this one does: a larger one has
/// zeros around it, a smaller one the sums of what falls outside. The sum of all taps stays, and with it
/// the variance that He et al. ask for.
pub(super) fn fit_kernel(kernel: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    let place = |tap: usize, side: usize| {
        let (was, is) = (from[side], to[side]);
        ((is - 1) / 2 + tap).saturating_sub((was - 1) / 2).min(is - 1)
    };
    let mut fitted = vec![0.0; to[0] * to[1]];
    for (tap, value) in kernel.iter().enumerate() {
        fitted[place(tap / from[1], 0) * to[1] + place(tap % from[1], 1)] += value;
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
        let fitted = |to| fit_kernel(&kernel, [3; 2], to);
        assert_eq!(fitted([1; 2]), [511.0]);
        assert_eq!(fitted([3; 2]), kernel);
        assert_eq!(fitted([2; 2]), [27.0, 36.0, 192.0, 256.0]);
        assert_eq!(fitted([1, 3]), [73.0, 146.0, 292.0]);
        let larger = fitted([5; 2]);
        assert_eq!(fit_kernel(&larger, [5; 2], [3; 2]), kernel);
        for (place, &value) in larger.iter().enumerate() {
            let (row, column) = (place / 5, place % 5);
            let inside = (1..4).contains(&row) && (1..4).contains(&column);
            let expected = if inside { kernel[(row - 1) * 3 + column - 1] } else { 0.0 };
            assert_eq!(value, expected, "at {row}, {column}");
        }
    }

    #[test]
    fn initialisers_have_the_variance_that_their_names_say() {
        let (inputs, outputs) = (40, 10);
        for (initialiser, variance) in [
            (Initialiser::RandomNormal, 0.0025),
            (Initialiser::RandomUniform, 0.0025 / 3.0),
            // Cut off at two deviations.
            (Initialiser::TruncatedNormal, 0.0025 * 0.7737),
            (Initialiser::LecunNormal, 1.0 / 40.0),
            (Initialiser::LecunUniform, 1.0 / 40.0),
            (Initialiser::GlorotNormal, 2.0 / 50.0),
            (Initialiser::GlorotUniform, 2.0 / 50.0),
            (Initialiser::HeNormal, 2.0 / 40.0),
            (Initialiser::HeUniform, 2.0 / 40.0),
        ] {
            let mut rng = seed::rng(8, "test", 0);
            let values = draw(initialiser, &[200, 100], (inputs, outputs), &mut rng);
            let found = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 20_000.0;
            // Five standard errors of a normal variance.
            assert!(
                (found / variance - 1.0).abs() < 0.05,
                "{initialiser}: {found}, not {variance}"
            );
        }
    }

    #[test]
    fn orthogonal_vectors_have_length_one_and_right_angles() {
        for shape in [&[3, 2, 2, 2][..], &[8, 3]] {
            let values = orthogonal(shape, &mut seed::rng(9, "test", 0));
            let columns = values.len() / shape[0];
            let vector = |i: usize| -> Vec<f32> {
                if shape[0] <= columns {
                    values[i * columns..][..columns].to_vec()
                } else {
                    values.iter().skip(i).step_by(columns).copied().collect()
                }
            };
            for i in 0..3 {
                for j in 0..3 {
                    let inner: f32 = vector(i).iter().zip(vector(j)).map(|(a, b)| a * b).sum();
                    assert!(
                        (inner - f32::from(u8::from(i == j))).abs() < 1e-5,
                        "{i}, {j}: {inner}"
                    );
                }
            }
        }
    }
}
