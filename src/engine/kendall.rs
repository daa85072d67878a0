//! How far two ways of measuring agree on an order: Kendall's rank correlation with an interval.

use super::seed;
use rand::RngExt;
use serde::Serialize;

/// The fewest pairs for which there is an interval that deserves its name: with 4 and a truth of 0, it would hold it
/// in 89 of 100 cases.
pub const FEWEST: usize = 5;

/// Resamples of the bootstrap.
const RESAMPLES: usize = 4_000;

/// Kendall's tau-b with a 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Kendall {
    /// The correlation: 1 where both orders agree, -1 where one is the other reversed, about 0 where they have
    /// nothing to do with one another.
    pub tau: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// How many pairs of measurements it rests on.
    pub count: usize,
}

impl Kendall {
    /// Correlates the first numbers of `pairs` with the second ones. `None` with fewer than [`FEWEST`] pairs, or
    /// where all first or all second numbers are the same: then there is no order.
    ///
    /// The interval is a percentile bootstrap (B. Efron and R. Tibshirani, "An Introduction to the
    /// Bootstrap", 1993, chapter 13) with draws from `seed`. It is rough for few pairs: with 10, and a truth of 0,
    /// it spans about 1; and with orders that agree entirely it has no width, however few pairs there are. It is that
    /// of pairs like these: where some were chosen for being the best, others would correlate otherwise.
    pub fn of(pairs: &[(f64, f64)], seed: u64) -> Option<Self> {
        let count = pairs.len();
        if count < FEWEST {
            return None;
        }
        let tau = tau_b(pairs)?;
        let mut rng = seed::rng(seed, "kendall", 0);
        let mut taus = Vec::with_capacity(RESAMPLES);
        let mut resample = Vec::with_capacity(count);
        for _ in 0..RESAMPLES {
            resample.clear();
            resample.extend((0..count).map(|_| pairs[rng.random_range(0..count)]));
            // A resample without an order says nothing.
            taus.extend(tau_b(&resample));
        }
        taus.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let place = share * taus.len().saturating_sub(1) as f64;
            taus.get(place.round() as usize).copied().unwrap_or(tau)
        };
        Some(Self { tau, low: quantile(0.025), high: quantile(0.975), count })
    }
}

/// Kendall's tau-b: concordant less discordant pairs, over the geometric mean of the pairs not tied in the first
/// and in the second numbers (M. Kendall, "The treatment of ties in ranking problems", Biometrika 33, 1945).
/// `None` where either has ties only.
pub fn tau_b(pairs: &[(f64, f64)]) -> Option<f64> {
    let (mut balance, mut first, mut second) = (0_i64, 0_u64, 0_u64);
    for (i, a) in pairs.iter().enumerate() {
        for b in &pairs[..i] {
            let order = |x: f64, y: f64| x.partial_cmp(&y).map_or(0, |order| order as i64);
            let (x, y) = (order(a.0, b.0), order(a.1, b.1));
            balance += x * y;
            first += u64::from(x != 0);
            second += u64::from(y != 0);
        }
    }
    // Roots of perfect squares are exact, so that full agreement gives exactly 1.
    (first > 0 && second > 0).then(|| balance as f64 / (first as f64 * second as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_cases_have_their_closed_forms() {
        assert_eq!(tau_b(&[(1.0, 10.0), (2.0, 20.0), (3.0, 30.0)]), Some(1.0));
        assert_eq!(tau_b(&[(1.0, 30.0), (2.0, 20.0), (3.0, 10.0)]), Some(-1.0));
        // 5 of 6 pairs agree, 1 does not.
        let one_swap = [(1.0, 1.0), (2.0, 2.0), (3.0, 4.0), (4.0, 3.0)];
        assert!((tau_b(&one_swap).expect("an order") - 4.0 / 6.0).abs() < 1e-15);
        // One tie in the first numbers: 2 concordant, 0 discordant, of 2 and 3 pairs without a tie.
        let tied = [(1.0, 1.0), (1.0, 2.0), (2.0, 3.0)];
        assert!((tau_b(&tied).expect("an order") - 2.0 / 6_f64.sqrt()).abs() < 1e-15);
        // Ties in both: of the 6 pairs 1 is tied in the first, 1 in the second; 4 agree.
        let both = [(1.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 3.0)];
        assert!((tau_b(&both).expect("an order") - 4.0 / 5.0).abs() < 1e-15);
        assert_eq!(tau_b(&[(1.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(tau_b(&[]), None);
    }

    #[test]
    fn few_pairs_and_none_that_differ_give_no_interval() {
        let in_order: Vec<_> = (0..5).map(|i| (f64::from(i), f64::from(i))).collect();
        assert_eq!(Kendall::of(&in_order[..4], 1), None);
        assert_eq!(
            Kendall::of(&in_order.iter().map(|&(_, b)| (1.0, b)).collect::<Vec<_>>(), 1),
            None
        );
        let agreed = Kendall::of(&in_order, 1).expect("five pairs");
        assert_eq!((agreed.tau, agreed.low, agreed.high, agreed.count), (1.0, 1.0, 1.0, 5));
    }

    #[test]
    fn the_interval_holds_the_truth_about_as_often_as_it_says() {
        // Independent numbers: the truth is 0.
        let mut rng = seed::rng(3, "test", 0);
        let mut width = 0.0;
        let held = (0..100)
            .filter(|&seed| {
                let pairs: Vec<(f64, f64)> =
                    (0..20).map(|_| (rng.random(), rng.random())).collect();
                let Kendall { low, high, .. } = Kendall::of(&pairs, seed).expect("an order");
                width += (high - low) / 100.0;
                low <= 0.0 && 0.0 <= high
            })
            .count();
        // 95 of 100, within three standard errors and what the bootstrap misses with 20 pairs.
        assert!(held >= 85, "{held}");
        // Four standard deviations of tau, which is 0.16 (M. Kendall, 1938), and what the bootstrap is too wide.
        assert!((0.5..0.85).contains(&width), "{width}");
    }

    proptest! {
        #[test]
        fn the_estimate_lies_in_its_bounds_and_turns_with_the_order(
            pairs in proptest::collection::vec((0u8..6, 0u8..6), 5..12), seed in any::<u64>()
        ) {
            let pairs: Vec<_> = pairs.iter().map(|&(a, b)| (f64::from(a), f64::from(b))).collect();
            let turned: Vec<_> = pairs.iter().map(|&(a, b)| (a, -b)).collect();
            if let Some(tau) = tau_b(&pairs) {
                prop_assert!((-1.0..=1.0).contains(&tau));
                prop_assert_eq!(tau_b(&turned), Some(-tau));
                let Kendall { low, high, .. } = Kendall::of(&pairs, seed).expect("an order");
                prop_assert!(-1.0 <= low && low <= high && high <= 1.0);
                prop_assert_eq!(Kendall::of(&pairs, seed), Kendall::of(&pairs, seed));
            }
        }
    }
}
