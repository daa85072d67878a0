//! The search: an archive of candidates, what their evaluations say about each node, and which to try next.
//!
//! [`SearchState`] is all that others need: it proposes, takes evaluations, and tells each node's fitness.
//! Behind it, `fitness` holds the model and `proposal` the choice of candidates. Evaluating is somebody
//! else's work, so that a supernet, a table and a test can be searched alike.

mod archive;
mod features;
mod fitness;
mod latency;
mod normal;
mod pareto;
mod proposal;
mod steering;

pub use archive::{Candidate, NodeFitness, Rank, Recorded, SearchError, SearchState, Standing};
pub use features::Representative;
pub use fitness::Synergy;
pub use steering::{Measure, Steering, SteeringError};

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// What evaluating a candidate gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Share of validation images that were classified correctly, in `0..=1` (a table may use per cent:
    /// only the order matters to the search). Where numbers are predicted, R²: the share of their variance
    /// that is explained, 1 at best, 0 for predicting the mean, negative for worse.
    pub accuracy: f64,
    /// Mean of the classes' recalls: accuracy as it would be if all classes were equally frequent. `None` for
    /// numbers, for tables, and in runs of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balanced_accuracy: Option<f64>,
    /// Mean validation loss.
    pub loss: f64,
}

impl Evaluation {
    /// Worse is less: by accuracy, and by loss where the accuracy is equal. What is not a number is the
    /// worst of all, so that a candidate that diverged counts as a bad one.
    pub fn compare(&self, other: &Self) -> Ordering {
        let rank = |x: f64| if x.is_nan() { f64::NEG_INFINITY } else { x };
        rank(self.accuracy)
            .total_cmp(&rank(other.accuracy))
            .then(rank(-self.loss).total_cmp(&rank(-other.loss)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_counts_first_then_loss_and_nan_is_worst() {
        let evaluation = |accuracy, loss| Evaluation { accuracy, balanced_accuracy: None, loss };
        let ascending = [
            evaluation(f64::NAN, 0.1),
            evaluation(0.1, f64::NAN),
            evaluation(0.1, 2.0),
            evaluation(0.1, 1.0),
            evaluation(0.2, 3.0),
        ];
        assert!(ascending.windows(2).all(|pair| pair[0].compare(&pair[1]).is_lt()));
        assert!(ascending[0].compare(&ascending[0]).is_eq());
    }
}
