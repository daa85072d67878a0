//! How many valid candidates a template has.

use super::{super::template::Graph, Space};
use std::fmt;

/// How many candidates there are: different masks, also where they compute the same function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SpaceSize {
    /// So many.
    Exact(u128),
    /// So many, counted in full, but rounded: there are more than a whole number holds.
    Rounded {
        /// The decimal logarithm.
        log10: f64,
    },
    /// About so many: there are too many ways to count them in full.
    Estimate {
        /// The decimal logarithm; -∞ where none was found.
        log10: f64,
        /// The standard error of the number (not of its logarithm) as a share of it.
        relative_error: f64,
    },
}

impl SpaceSize {
    /// From the natural logarithm of a number that was counted in full.
    pub(super) fn rounded(ln: f64) -> Self {
        Self::Rounded { log10: ln / std::f64::consts::LN_10 }
    }

    /// From the natural logarithms of independent estimates, two or more, each right on average.
    pub(super) fn estimated(ln: &[f64]) -> Self {
        let highest = ln.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if highest == f64::NEG_INFINITY {
            return Self::Estimate { log10: highest, relative_error: f64::INFINITY };
        }
        let count = ln.len() as f64;
        let values: Vec<_> = ln.iter().map(|ln| (ln - highest).exp()).collect();
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self::Estimate {
            log10: (highest + mean.ln()) / std::f64::consts::LN_10,
            relative_error: (squares / (count - 1.0) / count).sqrt() / mean,
        }
    }

    /// The number, if it is known exactly.
    pub fn exact(self) -> Option<u128> {
        match self {
            Self::Exact(count) => Some(count),
            Self::Rounded { .. } | Self::Estimate { .. } => None,
        }
    }

    /// The decimal logarithm of the number, as well as it is known; of none, -∞.
    pub fn log10(self) -> f64 {
        match self {
            Self::Exact(count) => (count as f64).log10(),
            Self::Rounded { log10 } | Self::Estimate { log10, .. } => log10,
        }
    }

    /// The standard error of the number as a share of it; 0 where it was counted in full.
    pub fn relative_error(self) -> f64 {
        match self {
            Self::Exact(_) | Self::Rounded { .. } => 0.0,
            Self::Estimate { relative_error, .. } => relative_error,
        }
    }
}

impl fmt::Display for SpaceSize {
    /// `6561`, `≈ 2.3 × 10⁴⁵` or `≈ 1.2 × 10⁹ (± 3 %)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log10 = match *self {
            Self::Exact(count) => return write!(f, "{count}"),
            Self::Estimate { log10: f64::NEG_INFINITY, .. } => return f.write_str("unknown"),
            Self::Rounded { log10 } | Self::Estimate { log10, .. } => log10,
        };
        let mut exponent = log10.floor();
        let mut digits = format!("{:.1}", 10_f64.powf(log10 - exponent));
        if digits == "10.0" {
            (exponent, digits) = (exponent + 1.0, "1.0".to_owned());
        }
        let raised: String = format!("{exponent:.0}").chars().map(raised).collect();
        write!(f, "≈ {digits} × 10{raised}")?;
        match *self {
            Self::Estimate { relative_error, .. } => {
                let percent = 100.0 * relative_error;
                let places = usize::from(percent < 1.0);
                write!(f, " (± {percent:.places$} %)")
            }
            Self::Exact(_) | Self::Rounded { .. } => Ok(()),
        }
    }
}

/// A digit as an exponent.
fn raised(digit: char) -> char {
    let raised = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    digit.to_digit(10).map_or('⁻', |digit| raised[digit as usize])
}

/// How many valid candidates `graph` has, see [`problem`](super::problem): exact, or an estimate in a large template of
/// irregular links. It takes half a second at most.
pub fn count(graph: &Graph) -> SpaceSize {
    Space::whole(graph).sampler().size()
}

#[cfg(test)]
mod tests {
    use super::super::{
        problem,
        sampler::tests::sparse,
        tests::{any_layered, layered},
    };
    use super::*;
    use crate::engine::{mask::Mask, template::BlocksPerLayer};
    use proptest::prelude::*;

    /// All masks of a space of few nodes are tried.
    fn count_each(space: &Space<'_>) -> u128 {
        let graph = space.graph();
        let nodes: Vec<_> = (0..graph.len()).collect();
        assert!(nodes.len() <= 18);
        let kept = |bits: u32| nodes.iter().copied().filter(move |node| bits >> node & 1 == 1);
        (0..1_u32 << nodes.len())
            .filter(|&bits| space.problem(&Mask::from_nodes(nodes.len(), kept(bits))).is_none())
            .count() as u128
    }

    fn some(bits: u64, nodes: usize) -> Mask {
        Mask::from_nodes(nodes, (0..nodes).filter(|node| bits >> (2 * node) & 3 == 3))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn the_count_is_what_brute_force_counts(
            graph in prop_oneof![any_layered(5, 3), sparse(4, 3)],
            pins in any::<u64>(), cuts in any::<u64>(), free in any::<bool>()
        ) {
            let nodes = graph.len();
            let pinned = if free { Mask::empty(nodes) } else { some(pins, nodes) };
            let forbidden = if free { Mask::empty(nodes) } else { some(cuts, nodes) };
            let space = Space::new(&graph, &pinned, &Mask::full(nodes).difference(&forbidden).union(&pinned));
            let size = space.sampler().size();
            if nodes <= 16 {
                prop_assert_eq!(size, SpaceSize::Exact(count_each(&space)));
            }
            let all = space.list_all(1 << 16).expect("a few");
            prop_assert!(all.iter().all(|mask| problem(&graph, mask).is_none()));
            prop_assert_eq!(size, SpaceSize::Exact(all.len() as u128));
        }
    }

    #[test]
    fn full_layers_multiply() {
        let count_of = |layers: &[usize], blocks| count(&layered(layers, blocks, &[]));
        assert_eq!(count_of(&[3, 4, 2], BlocksPerLayer::One), SpaceSize::Exact(24));
        assert_eq!(count_of(&[3, 4], BlocksPerLayer::UpTo(2)), SpaceSize::Exact(6 * 10));
        assert_eq!(count_of(&[3, 70], BlocksPerLayer::Any), SpaceSize::Exact(7 * ((1 << 70) - 1)));
        let large = count_of(&[100, 100], BlocksPerLayer::Any);
        assert_eq!(large.exact(), None, "above what a number holds");
        assert!((large.log10() - 200.0 * 2_f64.log10()).abs() < 1e-9, "{large:?}");
        assert_eq!(large.to_string(), "≈ 1.6 × 10⁶⁰");
    }

    #[test]
    fn links_that_skip_layers_are_counted() {
        // Input 0, layers {1, 2} and {3}, output 4; a link past layer 2: 1-3, 2-3, and 1 alone.
        let graph = layered(&[2, 1], BlocksPerLayer::One, &[(1, 4)]);
        assert_eq!(count(&graph), SpaceSize::Exact(3));
        // All paths, and those from 1 past the second layer to 9.
        let graph = layered(&[4; 5], BlocksPerLayer::One, &[(1, 9)]);
        assert_eq!(count(&graph), SpaceSize::Exact(4_u128.pow(5) + 4 * 4));
        // A hundred residual branches of three layers of two: each is left out, or has 2³ or 3³ ways.
        let layers: Vec<_> = (0..100).flat_map(|_| [2, 2, 2, 1]).collect();
        let skips: Vec<_> = (0..100).map(|i| (7 * i, 7 * (i + 1))).collect();
        for (blocks, ways) in [(BlocksPerLayer::One, 9.0_f64), (BlocksPerLayer::Any, 28.0)] {
            let size = count(&layered(&layers, blocks, &skips));
            assert!(matches!(size, SpaceSize::Rounded { .. }), "{size:?}");
            assert!((size.log10() - 100.0 * ways.log10()).abs() < 1e-9, "{size:?}");
        }
    }

    #[test]
    fn sizes_are_told_with_their_error() {
        assert_eq!(SpaceSize::Exact(6561).to_string(), "6561");
        let about = |log10: f64, relative_error| SpaceSize::Estimate { log10, relative_error };
        assert_eq!(about(1.2e9_f64.log10(), 0.03).to_string(), "≈ 1.2 × 10⁹ (± 3 %)");
        assert_eq!(about(9.99e9_f64.log10(), 0.004).to_string(), "≈ 1.0 × 10¹⁰ (± 0.4 %)");
        assert_eq!(about(f64::NEG_INFINITY, f64::INFINITY).to_string(), "unknown");
        // Three estimates of 1, 2 and 3: the mean is 2, the standard error of it 1/√3.
        let size = SpaceSize::estimated(&[1_f64.ln(), 2_f64.ln(), 3_f64.ln()]);
        assert!((size.log10() - 2_f64.log10()).abs() < 1e-12);
        assert!((size.relative_error() - 0.5 / 3_f64.sqrt()).abs() < 1e-12);
    }
}
