//! Evaluating candidates that a person has chosen, between the steps of a job or without one.

use super::{Lab, LabError, set_up::kept};
use crate::engine::{
    candidate::{self, CandidateId},
    mask::Mask,
    report::Report,
    search::Evaluation,
    study::Event,
    template::NodeId,
};
use std::sync::atomic::AtomicBool;

impl Lab {
    /// Evaluates the candidate that keeps these nodes with the weights as they are, also in the middle of an epoch; `None`
    /// if `stop` becomes true. One that is not known becomes a candidate of the present iteration, one that was
    /// evaluated with these weights is not evaluated again. A job that is under way has to
    /// [give way](Self::give_way) first.
    ///
    /// # Errors
    /// When nothing is trained yet, the nodes are no candidate of the template, or something cannot be set up, evaluated or
    /// written.
    pub fn evaluate_these(
        &mut self,
        nodes: &[NodeId],
        stop: &AtomicBool,
        report: &mut dyn FnMut(Report),
    ) -> Result<Option<(CandidateId, Evaluation)>, LabError> {
        let mask = self.check_these(nodes)?;
        self.take_untold().into_iter().for_each(&mut *report);
        if self.run.is_none() || self.source.is_missing() {
            self.set_up(self.epochs(), self.state.targets, report)?;
        } else {
            self.make_writable()?;
        }
        let known = self.study.search().known(&mask);
        let id = known.unwrap_or_else(|| CandidateId::after(self.candidates().len()));
        let evaluation = self.study.search().candidate(id).and_then(|known| known.evaluation);
        if let Some(evaluation) = evaluation.filter(|_| !self.is_open(id)) {
            return Ok(Some((id, evaluation)));
        }
        let newcomer = known.is_none().then(|| {
            let (iteration, kept) = (self.iterations() + 1, kept(self.graph(), &mask));
            Event::Candidate { id, iteration, parents: Vec::new(), kept }
        });
        let mut together = self.source.prepare(self.graph(), &[mask])?;
        let evaluation = self.evaluate(id, (&mut together, 0), newcomer, stop, report)?;
        Ok(evaluation.map(|evaluation| (id, evaluation)))
    }

    /// The candidate that keeps these nodes, if it could be evaluated.
    ///
    /// # Errors
    /// When nothing is trained yet, or the nodes are no candidate of the template.
    pub fn check_these(&self, nodes: &[NodeId]) -> Result<Mask, LabError> {
        self.source.check_trained(self.steps_by_now())?;
        let graph = self.graph();
        let place = |id: &NodeId| {
            graph
                .index_of(id)
                .ok_or_else(|| LabError::NoCandidate(format!("there is no node `{id}`")))
        };
        let places = nodes.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let mask = Mask::from_nodes(graph.len(), places);
        match candidate::problem(graph, &mask) {
            Some(what) => Err(LabError::NoCandidate(what)),
            None => Ok(mask),
        }
    }
}
