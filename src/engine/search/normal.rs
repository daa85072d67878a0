//! The normal distribution: ranks are turned into normal scores, effects into probabilities.

use std::f64::consts::TAU;

/// The standard normal density.
fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / TAU.sqrt()
}

/// The probability that a standard normal variable is below `x`; exactly 0.5 at 0.
///
/// Source: the series of G. Marsaglia, "Evaluating the Normal Distribution", Journal of Statistical
/// Software 11(4), 2004. The absolute error is below 1e-14.
pub(super) fn probability_below(x: f64) -> f64 {
    if x.abs() > 8.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut sum, mut last, mut term, mut divisor) = (x, 0.0, x, 1.0);
    while sum != last {
        last = sum;
        divisor += 2.0;
        term *= x * x / divisor;
        sum += term;
    }
    (0.5 + sum * density(x)).clamp(0.0, 1.0)
}

/// The value below which a standard normal variable stays with probability `p`, for `p` in `0..1`
/// (exclusive) and no closer to an end than about 1e-12.
pub(super) fn quantile(p: f64) -> f64 {
    if p < 0.5 {
        return -quantile(1.0 - p);
    }
    // Right of 0 the distribution function is concave, so Newton's steps from 0 never overshoot.
    let mut x = 0.0;
    for _ in 0..100 {
        let step = (p - probability_below(x)) / density(x);
        x += step;
        if step.abs() < 1e-13 {
            break;
        }
    }
    x
}

/// Normal scores of `count` values that are compared by `order`: the value with rank r (1 is the lowest;
/// equal values share the mean of their ranks) becomes the quantile of (r - 3/8) / (count + 1/4).
///
/// Source: G. Blom, "Statistical Estimates and Transformed Beta-Variables", 1958.
pub(super) fn normal_scores<T>(
    values: &[T],
    order: impl Fn(&T, &T) -> std::cmp::Ordering,
) -> Vec<f64> {
    let mut sorted: Vec<_> = (0..values.len()).collect();
    sorted.sort_by(|&a, &b| order(&values[a], &values[b]));
    let mut scores = vec![0.0; values.len()];
    let mut start = 0;
    for group in sorted.chunk_by(|&a, &b| order(&values[a], &values[b]).is_eq()) {
        let rank = start as f64 + (group.len() + 1) as f64 / 2.0;
        let score = quantile((rank - 0.375) / (values.len() as f64 + 0.25));
        for &index in group {
            scores[index] = score;
        }
        start += group.len();
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabulated_values_are_met() {
        assert_eq!(probability_below(0.0), 0.5);
        for (x, p) in [
            (1.0, 0.841_344_746_068_542_9),
            (-1.959_963_984_540_054, 0.025),
            (3.0, 0.998_650_101_968_369_9),
            (-6.0, 9.865_876_450_376_98e-10),
        ] {
            assert!((probability_below(x) - p).abs() < 1e-14, "{x}");
            assert!((quantile(p) - x).abs() < 1e-6, "{p}");
        }
        assert_eq!((probability_below(50.0), probability_below(-50.0)), (1.0, 0.0));
    }

    #[test]
    fn scores_keep_the_order_share_ties_and_are_symmetric() {
        let scores = normal_scores(&[3.0, 1.0, 2.0, 2.0, 5.0], f64::total_cmp);
        assert!(scores[1] < scores[2] && scores[3] < scores[0] && scores[0] < scores[4]);
        assert_eq!(scores[2], scores[3]);
        let symmetric = normal_scores(&[1.0, 2.0, 3.0], f64::total_cmp);
        assert!((symmetric[0] + symmetric[2]).abs() < 1e-12 && symmetric[1].abs() < 1e-12);
    }
}
