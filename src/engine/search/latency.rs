//! Predicts how long candidates take from those that were timed.

use crate::engine::{mask::Mask, template::Graph};
use faer::{Mat, Side, linalg::solvers::Solve};

/// A linear model of latency: a base, and a part for each node that a candidate keeps.
///
/// The parts follow the nodes' floating-point operations as far as these explain the times (least squares), and
/// a ridge regression of what is left on the nodes kept. Sums over parts serve as estimates in searches that know
/// the hardware (H. Cai, L. Zhu and S. Han, "Direct Neural Architecture Search on Target Task and Hardware", ICLR
/// 2019); here they are fitted to whole candidates.
#[derive(Clone, Debug, Default)]
pub(super) struct LatencyModel {
    base: f64,
    /// Seconds of each node; empty before anything was timed.
    parts: Vec<f64>,
}

/// The variance of a time that nodes do not explain, as a share of that of a node's part.
const NOISE: f64 = 0.5;

/// The most times that the model is fitted to, spread over all; what it costs grows with their cube.
pub(super) const MOST_TIMED: usize = 1_500;

impl LatencyModel {
    /// Fits the model to candidates and their seconds.
    pub(super) fn fit(graph: &Graph, timed: &[(&Mask, f64)]) -> Self {
        if timed.is_empty() {
            return Self::default();
        }
        let count = timed.len() as f64;
        let flops: Vec<_> =
            timed.iter().map(|(mask, _)| graph.total_cost(mask.iter()).flops as f64).collect();
        let mean_flops = flops.iter().sum::<f64>() / count;
        let mean = timed.iter().map(|(_, seconds)| seconds).sum::<f64>() / count;
        let spread: f64 = flops.iter().map(|flops| (flops - mean_flops).powi(2)).sum();
        let along: f64 = flops
            .iter()
            .zip(timed)
            .map(|(flops, (_, seconds))| (flops - mean_flops) * (seconds - mean))
            .sum();
        // More operations do not take less time; where all have the same, all time is theirs.
        let rate =
            if spread > 0.0 { (along / spread).max(0.0) } else { mean / mean_flops.max(1.0) };
        let base = mean - rate * mean_flops;
        let rest: Vec<_> = flops
            .iter()
            .zip(timed)
            .map(|(flops, (_, seconds))| seconds - base - rate * flops)
            .collect();
        let common = |a: &Mask, b: &Mask| a.intersection(b).len() as f64;
        let covariance = Mat::from_fn(timed.len(), timed.len(), |i, j| {
            common(timed[i].0, timed[j].0) + if i == j { NOISE } else { 0.0 }
        });
        let rest = Mat::from_fn(timed.len(), 1, |i, _| rest[i]);
        let weights = covariance
            .llt(Side::Lower)
            .expect("inner products of masks with noise on the diagonal are positive definite")
            .solve(&rest);
        let parts = (0..graph.len())
            .map(|node| {
                let own: f64 = (0..timed.len())
                    .filter(|&i| timed[i].0.contains(node))
                    .map(|i| weights[(i, 0)])
                    .sum();
                rate * graph.cost(node).flops as f64 + own
            })
            .collect();
        Self { base, parts }
    }

    /// The seconds that a candidate takes, if any was timed.
    pub(super) fn predict(&self, mask: &Mask) -> Option<f64> {
        let seconds = self.base + mask.iter().filter_map(|node| self.parts.get(node)).sum::<f64>();
        // A time below 0 has no logarithm.
        (!self.parts.is_empty()).then_some(seconds.max(1e-9))
    }

    /// What `node` adds.
    pub(super) fn of_node(&self, node: usize) -> f64 {
        self.parts.get(node).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        candidate::{sample, tests::layered},
        seed,
        template::BlocksPerLayer,
    };

    #[test]
    fn times_that_are_sums_over_nodes_are_predicted() {
        let graph = layered(&[3, 4, 3], BlocksPerLayer::Any, &[]);
        let seconds = |mask: &Mask| {
            1e-3 + mask.iter().map(|node| 1e-4 * ((node * 5) % 7) as f64).sum::<f64>()
        };
        let mut rng = seed::rng(1, "test", 0);
        let drawn: Vec<_> = (0..80).map(|_| sample(&graph, &mut rng)).collect();
        let timed: Vec<_> = drawn[..60].iter().map(|mask| (mask, seconds(mask))).collect();
        let model = LatencyModel::fit(&graph, &timed);
        for mask in &drawn[60..] {
            let predicted = model.predict(mask).expect("is fitted");
            assert!(
                (predicted / seconds(mask) - 1.0).abs() < 0.03,
                "{predicted} {}",
                seconds(mask)
            );
        }
        assert!(model.of_node(4) > model.of_node(7), "0.6 ms against none");
    }

    #[test]
    fn nothing_is_predicted_before_anything_is_timed_and_one_time_is_taken_for_all() {
        let graph = layered(&[3, 2], BlocksPerLayer::One, &[]);
        let mask = |nodes: [usize; 4]| Mask::from_nodes(graph.len(), nodes);
        assert_eq!(LatencyModel::fit(&graph, &[]).predict(&mask([0, 1, 4, 6])), None);
        let first = mask([0, 1, 4, 6]);
        let model = LatencyModel::fit(&graph, &[(&first, 2e-3)]);
        for other in [first.clone(), mask([0, 2, 5, 6])] {
            let predicted = model.predict(&other).expect("is fitted");
            assert!((predicted - 2e-3).abs() < 1e-3, "{predicted}");
        }
    }
}
