//! What becomes of candidates when weights and template change.

use super::{Models, SearchError, SearchState, Standing};
use crate::engine::{
    candidate::{self, CandidateId},
    embedding::Embedding,
    mask::Mask,
    search::{Objective, SteeringError},
    template::KeyedGraph,
};
use std::sync::OnceLock;

/// How an edit has changed which candidates the template has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Those that it has no more.
    pub retired: usize,
    /// Those that it has again.
    pub returned: usize,
}

impl SearchState {
    /// Takes a candidate that was proposed in the current iteration.
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
        Ok(self.push(mask, parents, iteration))
    }

    /// Takes a candidate of the pool, which is complete before anything else happens: the
    /// [study](crate::engine::study::Study) refuses those that come later.
    ///
    /// # Errors
    /// If it does not fit the template or the other candidates.
    pub fn admit_to_pool(
        &mut self,
        mask: Mask,
        parents: Vec<CandidateId>,
    ) -> Result<CandidateId, SearchError> {
        self.check_newcomer(&mask, &parents)?;
        self.pool += 1;
        Ok(self.push(mask, parents, None))
    }

    /// Compares all evaluations by this objective from here on.
    pub fn compare_by(&mut self, objective: Objective) {
        self.objective = objective;
        self.forget_conclusions();
    }

    /// Says that all that follows from the candidates has to be worked out again.
    fn forget_conclusions(&mut self) {
        self.models = Models::default();
        self.forget_totals();
    }

    /// Says how many training steps the weights have seen: what was evaluated after another number has to be evaluated
    /// again, see [`stale`](Self::stale).
    pub fn weights_at(&mut self, step: u64) {
        if step != self.step {
            self.step = step;
            self.weights += 1;
            self.see_what_stands();
        }
    }

    /// Training steps that the present weights have seen.
    pub fn step(&self) -> u64 {
        self.step
    }

    fn see_what_stands(&mut self) {
        for (candidate, record) in self.candidates.iter_mut().zip(&self.records) {
            candidate.standing = record.standing(self.weights);
        }
        self.forget_conclusions();
    }

    /// The candidates that were evaluated with other weights than the present ones, by id. They have to be
    /// [recorded](Self::record) again before anything is proposed: accuracies of different weights do not
    /// compare.
    pub fn stale(&self) -> Vec<CandidateId> {
        self.candidates
            .iter()
            .filter(|candidate| candidate.standing == Standing::Stale)
            .map(|candidate| candidate.id)
            .collect()
    }

    /// Goes on with another template of the run, of which `cloud` is the map. All candidates keep their ids.
    ///
    /// A candidate that has all its nodes stays, with its evaluation where its links are the same, too. The others retire
    /// until a template has their nodes again (`for_good`, as in edits of older programs: for ever), and go on to inform the fitness of the nodes that
    /// are left. What the search is steered to holds on, except for nodes that are not there.
    ///
    /// # Errors
    /// When no candidate of the template can be what the search is steered to; the search is of no use then.
    pub fn edit(
        &mut self,
        template: KeyedGraph,
        cloud: &Embedding,
        for_good: bool,
    ) -> Result<Moved, SteeringError> {
        let moved = self.go_on_with(template, for_good);
        self.taken = OnceLock::new();
        self.guide = self.guide.edited(self.graph(), &self.candidates, cloud, for_good)?;
        self.see_what_is_affordable();
        Ok(moved)
    }

    fn go_on_with(&mut self, template: KeyedGraph, for_good: bool) -> Moved {
        self.features = OnceLock::new();
        self.earlier.push(std::mem::replace(&mut self.template, template));
        self.by_keys.clear();
        let mut moved = Moved::default();
        let (template, graph) = (&self.template, self.template.graph());
        for (candidate, record) in self.candidates.iter_mut().zip(&mut self.records) {
            // The template with this position; the present one is not among the earlier ones.
            let alike = |position: usize| {
                let then = self.earlier.get(position).unwrap_or(template);
                template.links_alike(then, &record.keys)
            };
            if let (true, Some(with)) = (for_good, &mut record.evaluated)
                && !self.earlier.last().is_some_and(|it| template.links_alike(it, &record.keys))
            {
                with.template = None;
            }
            candidate.mask = template.mask_of(&record.keys);
            let was_there = record.there;
            record.there = !record.gone
                && template.has_all(&record.keys)
                && candidate::problem(graph, &candidate.mask).is_none();
            record.links_alike =
                record.evaluated.is_none_or(|with| with.template.is_some_and(alike));
            match (was_there, record.there) {
                (true, false) => {
                    moved.retired += 1;
                    record.gone = for_good;
                }
                (false, true) => moved.returned += 1,
                (true, true) | (false, false) => {}
            }
            // One that is not there shows what it had.
            if record.there {
                candidate.cost = graph.total_cost(candidate.mask.iter());
                let timed = record.timed.filter(|&(_, position)| alike(position));
                candidate.latency = timed.map(|(seconds, _)| seconds);
            }
            if !record.gone {
                self.by_keys.insert(record.keys.clone(), candidate.id);
            }
            candidate.standing = record.standing(self.weights);
        }
        self.forget_conclusions();
        moved
    }
}

#[cfg(test)]
use super::Candidate;

#[cfg(test)]
impl SearchState {
    /// Adds a candidate that is as it is said, or puts it in the place of the one with its id.
    pub(crate) fn show(&mut self, candidate: Candidate) {
        match self.candidates.get_mut(candidate.id.index()) {
            Some(known) => *known = candidate,
            None => self.candidates.push(candidate),
        }
        self.forget_conclusions();
    }
}
