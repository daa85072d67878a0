//! Two objectives at once: high scores at low cost.

/// The points, of some (cost, score), than which no other one is at least as good in both.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Front {
    /// Both ascending.
    points: Vec<(f64, f64)>,
}

impl Front {
    pub(super) fn new(points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut front = Self::default();
        for (cost, score) in points {
            front.add(cost, score);
        }
        front
    }

    /// The best score of points that cost at most `cost`.
    pub(super) fn score_at(&self, cost: f64) -> Option<f64> {
        self.points.iter().take_while(|point| point.0 <= cost).last().map(|point| point.1)
    }

    /// Takes a point, if it is one of the front.
    pub(super) fn add(&mut self, cost: f64, score: f64) {
        if self.score_at(cost).is_none_or(|best| score > best) {
            self.points.retain(|point| point.0 < cost || point.1 > score);
            let place = self.points.partition_point(|point| point.0 < cost);
            self.points.insert(place, (cost, score));
        }
    }

    /// By how much a point would enlarge the area between the front and a `worst` point, which costs more and
    /// scores less than all (hypervolume improvement; M. Emmerich, K. Giannakoglou and B. Naujoks,
    /// "Single- and multiobjective evolutionary optimization assisted by Gaussian random field metamodels",
    /// IEEE Transactions on Evolutionary Computation 10(4), 2006).
    pub(super) fn gain(&self, cost: f64, score: f64, worst: (f64, f64)) -> f64 {
        let mut gain = 0.0;
        let (mut from, mut floor) = (cost, self.score_at(cost).unwrap_or(worst.1));
        for &(next, higher) in self.points.iter().skip_while(|point| point.0 <= cost) {
            gain += (next.min(worst.0) - from).max(0.0) * (score - floor).max(0.0);
            (from, floor) = (next, higher);
        }
        gain + (worst.0 - from).max(0.0) * (score - floor).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_gain_is_the_area_that_a_point_adds() {
        let front = Front::new([(2.0, 2.0), (1.0, 1.0), (3.0, 1.5), (2.0, 0.0)]);
        assert_eq!(front.points, [(1.0, 1.0), (2.0, 2.0)]);
        let worst = (4.0, 0.0);
        assert_eq!(front.gain(1.0, 1.0, worst), 0.0);
        assert_eq!(front.gain(3.0, 2.0, worst), 0.0, "no better for more");
        assert_eq!(front.gain(3.0, 2.5, worst), 0.5);
        assert_eq!(front.gain(0.5, 0.5, worst), 0.25);
        assert_eq!(front.gain(0.5, 3.0, worst), 0.5 * 3.0 + 1.0 * 2.0 + 2.0 * 1.0);
        assert_eq!(Front::default().gain(1.0, 1.0, worst), 3.0);
    }

    proptest! {
        #[test]
        fn a_front_ascends_and_gains_are_those_of_areas(
            points in proptest::collection::vec((0u8..9, 0u8..9), 0..12), more in (0u8..9, 0u8..9)
        ) {
            let point = |(cost, score): (u8, u8)| (f64::from(cost), f64::from(score));
            let mut front = Front::new(points.iter().copied().map(point));
            prop_assert!(front.points.windows(2).all(|p| p[0].0 < p[1].0 && p[0].1 < p[1].1));
            // The area in unit squares, each counted where its lower right corner is dominated.
            let area = |points: &[(u8, u8)]| (0..10_u8).flat_map(|x| (0..10_u8).map(move |y| (x, y))).filter(|&(x, y)| {
                points.iter().any(|&(cost, score)| cost <= x && score > y)
            }).count() as f64;
            let all = [points.as_slice(), &[more]].concat();
            let (cost, score) = point(more);
            let gain = front.gain(cost, score, (10.0, 0.0));
            prop_assert_eq!(gain, area(&all) - area(&points));
            front.add(cost, score);
            prop_assert_eq!(front.gain(cost, score, (10.0, 0.0)), 0.0);
        }
    }
}
