//! How the learning rate changes in the course of a training.

use crate::engine::named::{Named, named};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Share of all steps over which the learning rate rises from 0 before it falls along a cosine.
const WARM_UP: f64 = 0.05;

/// What the cosine leaves of the learning rate at the end.
const FINAL_RATE: f64 = 0.01;

/// The course of the learning rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    /// Rises from 0 over the first twentieth of the steps, then falls along half a cosine to a hundredth
    /// (Loshchilov and Hutter 2017, arXiv 1608.03983).
    #[default]
    Cosine,
    /// Falls to a tenth after half of the steps and to a hundredth after three quarters.
    Step,
    /// Stays as it is.
    Constant,
}

named!(Schedule, "schedule", {
    Cosine => "cosine", "warm-up, then down along a cosine";
    Step => "step", "down to a tenth at half and to a hundredth at three quarters of the steps";
    Constant => "constant", "always the same";
});

impl Schedule {
    /// The share of the highest learning rate in step `number`, counted from 0, of `total`.
    pub(super) fn factor(self, number: u64, total: u64) -> f64 {
        let total = total.max(1) as f64;
        let done = number as f64 + 1.0;
        match self {
            Self::Cosine => {
                let warm_up = (WARM_UP * total).max(1.0);
                if done < warm_up {
                    done / warm_up
                } else {
                    let progress = ((done - warm_up) / (total - warm_up).max(1.0)).min(1.0);
                    FINAL_RATE + (1.0 - FINAL_RATE) * (1.0 + (PI * progress).cos()) / 2.0
                }
            }
            Self::Step => match number as f64 / total {
                share if share < 0.5 => 1.0,
                share if share < 0.75 => 0.1,
                _ => 0.01,
            },
            Self::Constant => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_rises_and_falls() {
        // 80 steps: 4 of warm-up, 76 of cosine.
        let factor = |number| Schedule::Cosine.factor(number, 80);
        assert!((factor(0) - 0.25).abs() < 1e-12 && (factor(3) - 1.0).abs() < 1e-12);
        assert!((factor(41) - 0.505).abs() < 1e-12, "{}", factor(41));
        assert!((factor(79) - 0.01).abs() < 1e-12 && (factor(200) - 0.01).abs() < 1e-12);
    }

    #[test]
    fn steps_come_at_half_and_at_three_quarters() {
        let factor = |number| Schedule::Step.factor(number, 8);
        let found: Vec<_> = (0..10).map(factor).collect();
        assert_eq!(found, [1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01]);
    }

    #[test]
    fn a_constant_stays() {
        assert!((0..100).all(|number| Schedule::Constant.factor(number, 50) == 1.0));
    }
}
