//! What a person wants of new candidates, and which of the known ones meet it.

use super::{Candidate, Rank, SearchError, SearchState};
use crate::engine::{
    candidate::CandidateId,
    embedding::Embedding,
    search::{
        latency::{LatencyModel, MOST_TIMED},
        steering::{Guide, Guided, Measure, Steering, SteeringError},
    },
};

impl SearchState {
    /// What is asked for.
    pub fn steering(&self) -> &Steering {
        &self.guide.steering
    }

    /// The same with what holds again when nodes that the template lacks come back.
    pub fn asked(&self) -> &Steering {
        &self.guide.asked
    }

    /// Whether wishes can be met in this search; `cloud` is where candidates are placed.
    ///
    /// # Errors
    /// When nodes or candidates are not there, or no candidate can be what is asked for.
    pub fn check(&self, steering: &Steering, cloud: &Embedding) -> Result<(), SteeringError> {
        self.guide_to(steering.clone(), cloud).map(|_| ())
    }

    /// Asks for something else from the next proposals on.
    ///
    /// # Errors
    /// As [`check`](Self::check); what was asked for before holds on then.
    pub fn steer(&mut self, steering: Steering, cloud: &Embedding) -> Result<(), SteeringError> {
        self.guide = self.guide_to(steering, cloud)?;
        self.see_what_is_affordable();
        Ok(())
    }

    /// What is asked of nodes that an edit has removed is no mistake: it was asked before.
    fn guide_to(&self, asked: Steering, cloud: &Embedding) -> Result<Guide, SteeringError> {
        let resting = self.asked().resting(self.graph());
        let steering = asked.without(&resting);
        let guide = Guide::new(self.graph(), steering, &self.candidates, cloud)?;
        Ok(guide.asking(asked))
    }

    /// Takes the measured seconds that a candidate takes for an image.
    ///
    /// # Errors
    /// If there is no such candidate.
    pub fn record_latency(&mut self, id: CandidateId, seconds: f64) -> Result<(), SearchError> {
        let known = self.candidates.len();
        let unknown = SearchError::UnknownCandidate(id, known);
        let (Some(candidate), Some(record)) =
            (self.candidates.get_mut(id.index()), self.records.get_mut(id.index()))
        else {
            return Err(unknown);
        };
        record.timed = Some((seconds, self.earlier.len()));
        candidate.latency = Some(seconds);
        let affordable = self.guide.steering.affords(candidate);
        if std::mem::replace(&mut candidate.affordable, affordable) != affordable {
            self.forget_totals();
        }
        Ok(())
    }

    /// The evaluated candidates that are still to be timed, by id; none where that is not asked for.
    pub fn untimed(&self) -> Vec<CandidateId> {
        let open = self.candidates.iter().filter(|candidate| self.is_untimed(candidate));
        open.map(|candidate| candidate.id).collect()
    }

    /// Whether a candidate is still to be timed.
    pub fn is_untimed(&self, candidate: &Candidate) -> bool {
        self.guide.steering.needs_latency()
            && candidate.latency.is_none()
            && candidate.evaluation.is_some()
            && !candidate.is_retired()
    }

    /// The best candidates of any cost, lowest cost first: each is better than all that cost no more.
    pub fn front(&self, measure: Measure) -> Vec<CandidateId> {
        let mut known: Vec<_> = self
            .candidates
            .iter()
            .filter(|candidate| candidate.affordable)
            .filter_map(|candidate| Some((measure.of(candidate)?, candidate.rank(self.objective)?)))
            .collect();
        // Accuracies of different weights do not compare.
        let current = known.iter().any(|(_, rank)| rank.current);
        known.retain(|(_, rank)| rank.current == current);
        known.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let mut front: Vec<Rank> = Vec::new();
        for (_, rank) in known {
            let better =
                |best: &Rank| self.objective.compare(&rank.evaluation, &best.evaluation).is_gt();
            if front.last().is_none_or(better) {
                front.push(rank);
            }
        }
        front.into_iter().map(|rank| rank.id).collect()
    }

    pub(super) fn guided(&self) -> Guided<'_> {
        let wanted = self.guide.steering.needs_latency();
        // Of finished iterations only, so that one that was cut short is proposed again as it was.
        let finished =
            |candidate: &Candidate| candidate.iteration.is_some_and(|i| i < self.finished);
        let mut timed: Vec<_> = self
            .candidates
            .iter()
            .filter(|candidate| wanted && finished(candidate) && !candidate.is_retired())
            .filter_map(|candidate| Some((&candidate.mask, candidate.latency?)))
            .collect();
        if timed.len() > MOST_TIMED {
            timed = (0..MOST_TIMED).map(|i| timed[i * timed.len() / MOST_TIMED]).collect();
        }
        Guided::new(&self.guide, self.graph(), LatencyModel::fit(self.graph(), &timed))
    }

    pub(super) fn see_what_is_affordable(&mut self) {
        for candidate in &mut self.candidates {
            candidate.affordable = self.guide.steering.affords(candidate);
        }
        self.forget_totals();
    }
}
