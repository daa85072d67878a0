//! What becomes of candidates when weights and template change.

use super::{Features, Recorded, SearchError, SearchState, Standing};
use crate::engine::{
    candidate::{self, CandidateId},
    mask::Mask,
    search::{Objective, SteeringError},
    template::{Graph, TemplateDiff},
};
use std::sync::Arc;

impl SearchState {
    /// Takes a candidate that was proposed in the current iteration before it was written down.
    ///
    /// # Errors
    /// If it does not fit the template or the other candidates.
    pub fn admit(
        &mut self,
        mask: Mask,
        parents: Vec<CandidateId>,
    ) -> Result<CandidateId, SearchError> {
        self.check_newcomer(&mask, &parents)?;
        let iteration = Some(self.finished);
        Ok(self.push(Recorded { mask, parents, iteration, evaluation: None }))
    }

    /// Compares all evaluations by this objective from here on.
    pub fn compare_by(&mut self, objective: Objective) {
        self.objective = objective;
    }

    /// Says that the weights have changed: what was evaluated has to be evaluated again, see
    /// [`stale`](Self::stale).
    pub fn weights_changed(&mut self) {
        for candidate in self.candidates.iter_mut().filter(|c| c.evaluation.is_some()) {
            candidate.standing = match candidate.standing {
                Standing::Present | Standing::Stale => Standing::Stale,
                Standing::Retired | Standing::Obsolete => Standing::Obsolete,
            };
        }
    }

    /// The candidates that were evaluated with other weights than the present ones, by id. They are to be
    /// [recorded](Self::record) again before anything is proposed: accuracies of different weights do not
    /// compare.
    pub fn stale(&self) -> Vec<CandidateId> {
        self.candidates
            .iter()
            .filter(|candidate| candidate.standing == Standing::Stale)
            .map(|candidate| candidate.id)
            .collect()
    }

    /// Goes on with the template `graph`, of which `edit` says what has become of the nodes; returns how many
    /// candidates retire. All keep their ids.
    ///
    /// A candidate that still has all its nodes stays, with its evaluation where its links are the same, too.
    /// The others retire, and go on to inform the fitness of the nodes that are left. What is asked for holds on, but
    /// for nodes that are gone.
    ///
    /// # Errors
    /// When no candidate of the edited template can be what is asked for; nothing has changed then.
    pub fn edit(&mut self, graph: Arc<Graph>, edit: &TemplateDiff) -> Result<usize, SteeringError> {
        let mut edited = self.clone();
        let retiring = edited.carry_over(graph, edit);
        edited.guide = self.guide.edit(edit, &edited.graph, &edited.candidates)?;
        edited.see_what_is_affordable();
        *self = edited;
        Ok(retiring)
    }

    fn carry_over(&mut self, graph: Arc<Graph>, edit: &TemplateDiff) -> usize {
        let old = std::mem::replace(&mut self.graph, graph);
        // Representatives are those of a table, which no one edits.
        self.features = Features::new(&self.graph, None);
        self.by_mask.clear();
        let mut retiring = 0;
        for candidate in &mut self.candidates {
            let before = std::mem::replace(&mut candidate.mask, Mask::empty(0));
            candidate.mask = edit.carry(&before);
            let valid = candidate.mask.len() == before.len()
                && candidate::problem(&self.graph, &candidate.mask).is_none();
            if candidate.is_retired() {
                continue;
            }
            if valid {
                self.by_mask.insert(candidate.mask.clone(), candidate.id);
                candidate.cost = self.graph.total_cost(candidate.mask.iter());
                if candidate.evaluation.is_some()
                    && !edit.keeps_links(&old, &before, &self.graph, &candidate.mask)
                {
                    candidate.standing = Standing::Stale;
                    candidate.latency = None;
                }
            } else {
                retiring += 1;
                candidate.standing = match candidate.standing {
                    Standing::Stale => Standing::Obsolete,
                    _ => Standing::Retired,
                };
            }
        }
        retiring
    }
}
