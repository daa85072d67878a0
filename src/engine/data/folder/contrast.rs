//! Which values of 16-bit images become black and white.
//!
//! Thermal, medical and depth images use a small part of 16 bits; dividing by 257 would make them one flat grey.
//! So the range of the training images is spread over 0 to 255. The range is that between the percentiles 0.1
//! and 99.9, widened to the smallest and largest value, but on each side by no more than its own width: a small
//! hot spot keeps its height, and a dead pixel cannot take the contrast away from all others. The values 0 and 65535,
//! where they lie far from all others, mean "no measurement": they become 0 and 255 and leave the range alone.

/// How many values 16 bits have.
pub(super) const VALUES: usize = 1 << 16;

/// The share of the values on each side that the range is found without.
const OUTER: u64 = 1000;

/// A range wider than this is taken for that of an ordinary photo.
const WIDE: u16 = u16::MAX / 2;

/// The conversion of the values of 16-bit images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contrast {
    /// All 16 bits become 8.
    Plain,
    /// The same, since all samples have this value.
    Flat(u16),
    /// The same, although the values lie in groups far from each other, so that few of the 256 greys are used.
    Apart {
        /// How many.
        greys: usize,
    },
    /// These become 0 and 255; what lies outside, too.
    Spread {
        /// The value that becomes 0.
        low: u16,
        /// The value that becomes 255.
        high: u16,
    },
}

impl Contrast {
    /// The rule for images with so many samples of each value.
    pub(super) fn of(histogram: &[u64]) -> Self {
        match range(histogram) {
            Some((low, high)) if high - low <= WIDE => Self::Spread { low, high },
            Some(_) => few_greys(histogram).map_or(Self::Plain, |greys| Self::Apart { greys }),
            None => match extent(histogram, 0..VALUES) {
                Some((value, _)) => Self::Flat(value as u16),
                None => Self::Plain,
            },
        }
    }

    /// The value from 0 to 255 of a sample.
    pub(super) fn apply(self, value: u16) -> f32 {
        match self {
            Self::Plain | Self::Flat(_) | Self::Apart { .. } => f32::from(value) / 257.0,
            Self::Spread { low, high } => {
                let above = f32::from(value) - f32::from(low);
                (above / f32::from(high - low) * 255.0).clamp(0.0, 255.0)
            }
        }
    }
}

/// How many greys are left of the values that nearly all samples have, if these are few and were many more.
fn few_greys(histogram: &[u64]) -> Option<usize> {
    /// Photos that use all bits have more greys than this.
    const FEW: usize = 64;
    let used = |counts: &mut Vec<u64>| {
        counts.sort_unstable_by_key(|&count| std::cmp::Reverse(count));
        let all: u64 = counts.iter().sum();
        let mut left = all - all / (OUTER / 2);
        counts
            .iter()
            .take_while(|&&count| {
                let goes_on = left > 0;
                left = left.saturating_sub(count);
                goes_on
            })
            .count()
    };
    let mut greys = vec![0; 256];
    for (value, &count) in histogram.iter().enumerate() {
        greys[(value + 128) / 257] += count;
    }
    let (greys, values) = (used(&mut greys), used(&mut histogram.to_vec()));
    (greys < FEW && values > 4 * greys).then_some(greys)
}

/// The smallest and largest value that occurs within `values`.
fn extent(histogram: &[u64], values: std::ops::Range<usize>) -> Option<(usize, usize)> {
    let occurs = |value: &usize| histogram[*value] > 0;
    Some((values.clone().find(occurs)?, values.rev().find(occurs)?))
}

/// The value of the sample that so many come before.
fn at_rank<'a>(counts: impl IntoIterator<Item = (usize, &'a u64)>, mut rank: u64) -> Option<usize> {
    for (value, &count) in counts {
        if rank < count {
            return Some(value);
        }
        rank -= count;
    }
    None
}

/// The values that become 0 and 255; `None` where all samples are equal.
fn range(histogram: &[u64]) -> Option<(u16, u16)> {
    let last = VALUES - 1;
    let (mut min, mut max) = extent(histogram, 0..VALUES)?;
    // A seventh of the range stays free beside measurements, so that they differ from what is none.
    let (mut below, mut above) = (0, 0);
    if let Some((from, to)) = extent(histogram, 1..last)
        && from < to
    {
        let spread = to - from;
        if min == 0 && from > spread {
            (min, below) = (from, spread.div_ceil(7));
        }
        if max == last && last - to > to - min {
            (max, above) = (to, (to - min).div_ceil(7));
        }
    }
    let inner = &histogram[min..=max];
    let outer = inner.iter().sum::<u64>() / OUTER;
    let low = min + at_rank(inner.iter().enumerate(), outer)?;
    let high = min + at_rank(inner.iter().enumerate().rev(), outer)?;
    let width = high.saturating_sub(low);
    if width > 0 {
        min = min.max(low.saturating_sub(width));
        max = max.min(high + width);
    }
    let (min, max) = (min.saturating_sub(below), (max + above).min(last));
    (min < max).then_some((min as u16, max as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(counts: &[(u16, u64)]) -> Contrast {
        let mut histogram = vec![0; VALUES];
        for &(value, count) in counts {
            histogram[usize::from(value)] += count;
        }
        Contrast::of(&histogram)
    }

    /// `count` samples of each value of a range.
    fn evenly(from: u16, to: u16, count: u64) -> Vec<(u16, u64)> {
        (from..=to).map(|value| (value, count)).collect()
    }

    #[test]
    fn a_small_range_is_spread_and_a_wide_one_is_not() {
        assert_eq!(of(&evenly(29300, 29400, 5)), Contrast::Spread { low: 29300, high: 29400 });
        assert_eq!(of(&evenly(0, 4095, 1)), Contrast::Spread { low: 0, high: 4095 });
        assert_eq!(of(&evenly(0, u16::MAX, 1)), Contrast::Plain);
        assert_eq!(of(&evenly(900, 50_000, 1)), Contrast::Plain);
        assert_eq!(of(&[(7, 100)]), Contrast::Flat(7), "nothing to spread");
        assert_eq!(of(&[]), Contrast::Plain);
        assert_eq!(of(&[(0, 90), (1, 10)]), Contrast::Spread { low: 0, high: 1 }, "a mask");
    }

    #[test]
    fn a_hot_spot_counts_and_a_dead_pixel_does_not() {
        // 0.05 % of the values lie above all others.
        let spot = [evenly(1000, 1099, 1000), vec![(1150, 50)]].concat();
        assert_eq!(of(&spot), Contrast::Spread { low: 1000, high: 1150 });
        let dead = [evenly(1000, 1099, 1000), vec![(40_000, 50)]].concat();
        assert_eq!(of(&dead), Contrast::Spread { low: 1000, high: 1198 });
    }

    #[test]
    fn values_without_a_measurement_leave_the_range_alone() {
        let depth = [evenly(29_300, 29_370, 10), vec![(0, 500)]].concat();
        assert_eq!(of(&depth), Contrast::Spread { low: 29_290, high: 29_370 });
        let both = [evenly(29_300, 29_370, 10), vec![(0, 500), (u16::MAX, 500)]].concat();
        assert_eq!(of(&both), Contrast::Spread { low: 29_290, high: 29_380 });
        let hot = [evenly(0, 70, 10), vec![(u16::MAX, 500)]].concat();
        assert_eq!(of(&hot), Contrast::Spread { low: 0, high: 80 });
    }

    #[test]
    fn groups_of_values_far_from_each_other_are_noticed() {
        let cameras = [evenly(4_900, 5_100, 10), evenly(59_900, 60_100, 10)].concat();
        let Contrast::Apart { greys } = of(&cameras) else { panic!("{:?}", of(&cameras)) };
        assert!((2..=6).contains(&greys), "{greys}");
        assert_eq!(of(&[(0, 500), (u16::MAX, 500)]), Contrast::Plain, "a mask loses nothing");
        let few = [0, 20_000, 40_000, 60_000].map(|value| (value, 50));
        assert_eq!(of(&few), Contrast::Plain, "labels of regions lose nothing");
    }

    #[test]
    fn samples_are_mapped_and_clamped() {
        assert_eq!(
            [0, 257, 514, u16::MAX].map(|v| Contrast::Plain.apply(v)),
            [0.0, 1.0, 2.0, 255.0]
        );
        let spread = Contrast::Spread { low: 100, high: 151 };
        assert_eq!([0, 100, 101, 151, 999].map(|v| spread.apply(v)), [0.0, 0.0, 5.0, 255.0, 255.0]);
    }
}
