//! The search: an archive of candidates, what their evaluations say about each node, and which to try next.
//!
//! [`SearchState`] is all that others need: it proposes, takes evaluations, and tells each node's fitness.
//! Behind it, `fitness` holds the model and `proposal` the choice of candidates. Evaluating is the
//! caller's work, so that a supernet, a table and a test can be searched alike.

mod archive;
mod features;
mod fitness;
mod latency;
mod normal;
mod pareto;
mod proposal;
mod steering;

pub use archive::{
    Candidate, Moved, NodeFitness, Proposal, Rank, SearchError, SearchState, Standing,
};
pub use features::{Representative, Representatives};
pub use fitness::Synergy;
pub use steering::{Measure, Steering, SteeringError};

use super::{
    files::number_or_null,
    named::{Named, named},
};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// What a search makes large; of candidates that are equal in it, the one with the lower loss is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Objective {
    /// The share of validation examples that are classified correctly, or R² for numbers.
    #[default]
    Accuracy,
    /// The mean of the classes' recalls.
    BalancedAccuracy,
    /// Validation loss, which is made small.
    Loss,
}

named!(Objective, "objective", {
    Accuracy => "accuracy", "share of validation examples that are classified correctly; R² for numbers";
    BalancedAccuracy => "balanced-accuracy", "mean of the classes' recalls, which counts rare classes as much as common ones";
    Loss => "loss", "validation loss, the lower the better";
});

impl Objective {
    /// Whether it is accuracy.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What an evaluation gave in this: an accuracy, or the loss. Accuracy stands for balanced accuracy where that is
    /// not known, as for numbers, which have no classes.
    pub fn figure(self, evaluation: &Evaluation) -> f64 {
        match self {
            Self::Accuracy => evaluation.accuracy,
            Self::BalancedAccuracy => evaluation.balanced_accuracy.unwrap_or(evaluation.accuracy),
            Self::Loss => evaluation.loss,
        }
    }

    /// The same so that more is better; what is not a number is the worst of all, so that a candidate that diverged
    /// counts as a bad one.
    pub fn worth(self, evaluation: &Evaluation) -> f64 {
        let figure = self.figure(evaluation);
        worst_if_nan(if self == Self::Loss { -figure } else { figure })
    }

    /// Worse is less: by the objective, and by loss where that is equal.
    pub fn compare(self, a: &Evaluation, b: &Evaluation) -> Ordering {
        let loss = |evaluation: &Evaluation| worst_if_nan(-evaluation.loss);
        let accuracy = |evaluation: &Evaluation| worst_if_nan(evaluation.accuracy);
        let by_objective = self.worth(a).total_cmp(&self.worth(b));
        by_objective
            .then_with(|| loss(a).total_cmp(&loss(b)))
            .then_with(|| accuracy(a).total_cmp(&accuracy(b)))
    }
}

fn worst_if_nan(value: f64) -> f64 {
    if value.is_nan() { f64::NEG_INFINITY } else { value }
}

/// What evaluating a candidate gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Share of validation images that were classified correctly, in `0..=1` (a table may use per cent:
    /// only the order matters to the search). Where numbers are predicted, R²: the share of their variance
    /// that is explained, 1 at best, 0 for predicting the mean, negative for worse.
    #[serde(deserialize_with = "number_or_null")]
    pub accuracy: f64,
    /// Mean of the classes' recalls: accuracy as it would be if all classes were equally frequent. `None` for
    /// numbers, for tables, and in runs of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balanced_accuracy: Option<f64>,
    /// Mean validation loss.
    #[serde(deserialize_with = "number_or_null")]
    pub loss: f64,
}

impl Evaluation {
    /// The mean of each figure; balanced accuracy where all have one.
    pub fn mean(evaluations: &[Self]) -> Self {
        let count = evaluations.len().max(1) as f64;
        let mean = |figure: fn(&Self) -> f64| evaluations.iter().map(figure).sum::<f64>() / count;
        let balanced: Option<Vec<_>> =
            evaluations.iter().map(|evaluation| evaluation.balanced_accuracy).collect();
        Self {
            accuracy: mean(|evaluation| evaluation.accuracy),
            balanced_accuracy: balanced.map(|all| all.iter().sum::<f64>() / count),
            loss: mean(|evaluation| evaluation.loss),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_counts_first_then_loss_and_nan_is_worst() {
        let evaluation = |accuracy, loss| Evaluation { accuracy, loss, ..Evaluation::default() };
        let ascending = [
            evaluation(f64::NAN, 0.1),
            evaluation(0.1, f64::NAN),
            evaluation(0.1, 2.0),
            evaluation(0.1, 1.0),
            evaluation(0.2, 3.0),
        ];
        let compare = |a, b| Objective::Accuracy.compare(a, b);
        assert!(ascending.windows(2).all(|pair| compare(&pair[0], &pair[1]).is_lt()));
        assert!(compare(&ascending[0], &ascending[0]).is_eq());
    }

    #[test]
    fn another_objective_is_another_order() {
        // Always the common class, and one that finds the rare one, too.
        let [lazy, fair] = [(0.97, 0.5, 0.2), (0.9, 0.8, 0.3)].map(|(accuracy, balanced, loss)| {
            Evaluation { accuracy, balanced_accuracy: Some(balanced), loss }
        });
        assert_eq!(
            Objective::ALL
                .iter()
                .map(|objective| objective.compare(&lazy, &fair))
                .collect::<Vec<_>>(),
            [Ordering::Greater, Ordering::Less, Ordering::Greater]
        );
    }
}
