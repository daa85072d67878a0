//! The values that parameters start with, drawn by our own generator: no backend's sequence of random
//! numbers is the same as another's.

use super::layers::Parameter;
use crate::engine::{seed, template::Graph};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::TAU;

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Init {
    Zeros,
    Ones,
    /// Kaiming normal (He et al. 2015, arXiv 1502.01852): the standard deviation keeps the variance of
    /// activations through a layer with `fan_in` inputs a unit, with or without a ReLU behind it.
    Normal {
        fan_in: usize,
        relu: bool,
    },
}

/// The starting values of all `parameters`. Each node draws from a generator of its own, so that the
/// rest of a template does not change what a node starts with.
pub(super) fn values(parameters: &[Parameter], graph: &Graph, seed: u64) -> Vec<Vec<f32>> {
    let mut generators: Vec<_> =
        graph.nodes().iter().map(|node| seed::rng(seed, &format!("init/{}", node.id), 0)).collect();
    parameters
        .iter()
        .map(|parameter| {
            let count = parameter.shape.iter().product();
            match parameter.init {
                Init::Zeros => vec![0.0; count],
                Init::Ones => vec![1.0; count],
                Init::Normal { fan_in, relu } => {
                    let gain = if relu { 2.0 } else { 1.0 };
                    let deviation = (gain / fan_in.max(1) as f64).sqrt();
                    let rng = &mut generators[parameter.node];
                    (0..count).map(|_| (deviation * standard_normal(rng)) as f32).collect()
                }
            }
        })
        .collect()
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
}
