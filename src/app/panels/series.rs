//! Curves from raw measurements: smoothing without a false start, gaps where a value is not a number, and
//! no more points than can be told apart.

/// A point of a curve: step and value.
pub(super) type Point = (f64, f64);

/// The exponential moving average of `points`, corrected for its start at 0: the first value is the
/// first measurement itself, and a constant stays that constant. Values that are not finite are left out
/// and do not enter the average.
///
/// The correction is that of Adam's moments (Kingma and Ba, 2015, section 3). `keep` is the share of the old
/// average that each step keeps, in `0..1`; 0 returns the measurements.
pub(super) fn smooth(points: &[Point], keep: f64) -> Vec<Point> {
    let (mut average, mut weight) = (0.0, 0.0);
    points
        .iter()
        .map(|&(x, y)| {
            if !y.is_finite() {
                return (x, f64::NAN);
            }
            average = keep * average + (1.0 - keep) * y;
            weight = keep * weight + (1.0 - keep);
            (x, average / weight)
        })
        .collect()
}

/// The runs of finite values: a line drawn through each breaks where a value is not a number.
pub(super) fn segments(points: &[Point]) -> Vec<Vec<Point>> {
    points
        .split(|(_, y)| !y.is_finite())
        .filter(|segment| !segment.is_empty())
        .map(<[Point]>::to_vec)
        .collect()
}

/// At most about `most` points that draw the same curve: of each stretch the lowest and the highest stay,
/// so that no spike is lost.
pub(super) fn thin(points: &[Point], most: usize) -> Vec<Point> {
    if points.len() <= most {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil((most / 2).max(1));
    points
        .chunks(stretch)
        .flat_map(|chunk| {
            let by_value = |a: &&Point, b: &&Point| a.1.total_cmp(&b.1);
            let (low, high) = (chunk.iter().min_by(by_value), chunk.iter().max_by(by_value));
            match (low, high) {
                (Some(&low), Some(&high)) if low == high => vec![low],
                (Some(&low), Some(&high)) if low.0 < high.0 => vec![low, high],
                (Some(&low), Some(&high)) => vec![high, low],
                _ => Vec::new(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn smoothing_follows_the_closed_form() {
        let points: Vec<_> =
            [3.0, 1.0, 2.0].iter().enumerate().map(|(i, &y)| (i as f64, y)).collect();
        let keep = 0.5_f64;
        // The weights of the values so far fall by `keep` with age and sum to 1.
        let expected = [3.0, (0.5 * 3.0 + 1.0) / 1.5, (0.25 * 3.0 + 0.5 * 1.0 + 2.0) / 1.75];
        for ((_, y), wanted) in smooth(&points, keep).into_iter().zip(expected) {
            assert!((y - wanted).abs() < 1e-12, "{y} is not {wanted}");
        }
        assert_eq!(smooth(&points, 0.0), points);
    }

    #[test]
    fn what_is_not_a_number_breaks_the_line_and_spoils_nothing_after_it() {
        let points =
            [(1.0, 2.0), (2.0, f64::NAN), (3.0, 2.0), (4.0, f64::INFINITY), (5.0, 2.0), (6.0, 2.0)];
        let smoothed = smooth(&points, 0.9);
        assert!(smoothed.iter().all(|(_, y)| y.is_nan() || (y - 2.0).abs() < 1e-12));
        let lengths: Vec<_> = segments(&points).iter().map(Vec::len).collect();
        assert_eq!(lengths, [1, 1, 2]);
    }

    proptest! {
        #[test]
        fn a_constant_stays_and_the_average_stays_in_range(
            values in proptest::collection::vec(-10.0..10.0_f64, 1..50), keep in 0.0..0.999_f64,
        ) {
            let points: Vec<_> = values.iter().enumerate().map(|(i, &y)| (i as f64, y)).collect();
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for (_, y) in smooth(&points, keep) {
                prop_assert!(y >= low - 1e-9 && y <= high + 1e-9);
            }
            let flat: Vec<_> = points.iter().map(|&(x, _)| (x, 7.0)).collect();
            prop_assert!(smooth(&flat, keep).iter().all(|(_, y)| (y - 7.0).abs() < 1e-9));
        }

        #[test]
        fn thinning_keeps_extremes_and_order(values in proptest::collection::vec(-10.0..10.0_f64, 1..400)) {
            let points: Vec<_> = values.iter().enumerate().map(|(i, &y)| (i as f64, y)).collect();
            let thinned = thin(&points, 50);
            prop_assert!(thinned.len() <= 52);
            prop_assert!(thinned.windows(2).all(|pair| pair[0].0 < pair[1].0));
            let highest = |points: &[Point]| points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
            prop_assert_eq!(highest(&thinned), highest(&points));
        }
    }
}
