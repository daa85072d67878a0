//! What is asked of all candidates again and again: kept up to date as evaluations come.

use super::{Candidate, Rank, SearchState, Standing};
use crate::engine::{candidate::CandidateId, search::Objective};
use std::sync::OnceLock;

/// Figures about all evaluated candidates.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    evaluated: usize,
    best: Option<Rank>,
    /// The lowest and the highest accuracy with the present weights.
    range: Option<(f64, f64)>,
    /// How many present candidates are evaluated.
    present: usize,
    /// What the first of these is worth.
    worth: Option<f64>,
    /// Whether another one is worth something else.
    differ: bool,
}

impl Totals {
    fn of(candidates: &[Candidate], objective: Objective) -> Self {
        let mut totals = Self::default();
        for candidate in candidates.iter().filter(|candidate| candidate.evaluation.is_some()) {
            totals.count(candidate, objective);
        }
        totals
    }

    /// Counts a candidate that is evaluated now.
    pub(super) fn count(&mut self, candidate: &Candidate, objective: Objective) {
        self.evaluated += 1;
        self.best = self.best.max(candidate.rank(objective));
        if let Some(accuracy) = candidate.accuracy_now() {
            let (low, high) = self.range.unwrap_or((accuracy, accuracy));
            self.range = Some((low.min(accuracy), high.max(accuracy)));
        }
        if let (Standing::Present, Some(evaluation)) = (candidate.standing, &candidate.evaluation) {
            let worth = objective.worth(evaluation);
            self.differ |= self.worth.is_some_and(|first| first.total_cmp(&worth).is_ne());
            self.worth.get_or_insert(worth);
            self.present += 1;
        }
    }

    /// The same for one that was stale: it counted as evaluated, and ranks above all that still are.
    pub(super) fn count_again(&mut self, candidate: &Candidate, objective: Objective) {
        self.evaluated -= 1;
        self.count(candidate, objective);
    }
}

impl SearchState {
    fn totals(&self) -> &Totals {
        self.totals.get_or_init(|| Totals::of(&self.candidates, self.objective))
    }

    /// Says that figures about all candidates have to be worked out again.
    pub(super) fn forget_totals(&mut self) {
        self.totals = OnceLock::new();
    }

    /// How many candidates are evaluated.
    pub fn evaluations(&self) -> usize {
        self.totals().evaluated
    }

    /// The best candidate evaluated so far, by [`Candidate::rank`].
    pub fn best(&self) -> Option<CandidateId> {
        self.totals().best.map(|rank| rank.id)
    }

    /// The lowest and the highest proxy accuracy with the present weights: accuracies of different weights are not
    /// compared.
    pub fn accuracy_range(&self) -> Option<(f64, f64)> {
        self.totals().range
    }

    /// How many candidates were evaluated with the weights as they are, where there are several and all are equal in the
    /// objective: none of them is best then.
    pub fn tie(&self) -> Option<usize> {
        let Totals { present, differ, .. } = *self.totals();
        (present > 1 && !differ).then_some(present)
    }
}
