//! What is known of the run.

#[cfg(test)]
use super::Document;
use crate::engine::{
    candidate::CandidateId,
    data::DataSummary,
    search::{Candidate, NodeFitness, Objective},
    study::{Event, IterationReport, Mismatch, Placed, Study},
    template::{Checked, Graph},
    training::EpochReport,
};
use crate::format::{Goal, Quality};
use bevy::prelude::*;
use std::sync::Arc;

/// What is known of the run: a replica of the lab's [`Study`], to which the events that the lab tells are applied.
#[derive(Resource, Debug, Default)]
pub struct Archive {
    study: Option<Study>,
    /// One more with each study that begins or ends.
    generation: u64,
    /// Fitness and frequency by node index; empty before the first iteration.
    fitness: Vec<NodeFitness>,
    /// The data in numbers, once it was read.
    pub data: Option<DataSummary>,
}

impl Archive {
    /// Forgets everything: another run, or none, is on its way.
    pub fn close(&mut self) {
        *self = Self { generation: self.generation + 1, ..Self::default() };
    }

    /// Begins with a study, instead of the one before.
    pub fn begin(&mut self, study: Study) {
        self.generation += 1;
        self.study = Some(study);
        self.see_fitness();
    }

    /// Hands over the template of the edit that is told next.
    pub fn bring(&mut self, number: u32, template: Checked) {
        if let Some(study) = &mut self.study {
            study.bring(number, template);
        }
    }

    /// Takes an event.
    ///
    /// # Errors
    /// When it does not follow on what is known; nothing is known any more then, until another study begins.
    pub fn apply(&mut self, event: &Arc<Event>) -> Result<(), Mismatch> {
        let Some(study) = &mut self.study else { return Ok(()) };
        if let Err(mismatch) = study.apply(event) {
            self.close();
            return Err(mismatch);
        }
        if matches!(**event, Event::Edited { .. }) {
            self.see_fitness();
        }
        Ok(())
    }

    /// Takes the fitness at the end of an iteration.
    pub fn take_fitness(&mut self, iteration: u32, fitness: Vec<NodeFitness>) {
        if let Some(study) = &mut self.study {
            study.take_fitness(iteration, fitness);
            self.see_fitness();
        }
    }

    /// Takes how many training steps the weights have seen, where no event tells.
    pub fn weights_at(&mut self, step: u64) {
        if let Some(study) = &mut self.study {
            study.weights_at(step);
        }
    }

    fn see_fitness(&mut self) {
        let Some(study) = &self.study else { return };
        let known = study.iterations().iter().rfind(|iteration| !iteration.fitness.is_empty());
        self.fitness = known.map_or_else(Vec::new, |known| study.fitness_after(known));
    }

    /// What is known; nothing while a run is being opened.
    pub fn study(&self) -> Option<&Study> {
        self.study.as_ref()
    }

    /// Another number with each study that begins or ends.
    pub(in crate::app) fn generation(&self) -> u64 {
        self.generation
    }

    /// The run's template and weights, each counted in the order in which they were there: with others, candidates look
    /// otherwise.
    pub(in crate::app) fn template_and_weights(&self) -> (u32, u64) {
        self.study.as_ref().map_or((0, 0), |study| (study.number(), study.search().weights()))
    }

    /// All candidates; a [`CandidateId`] is a position in this list.
    pub fn candidates(&self) -> &[Candidate] {
        self.study.as_ref().map_or(&[], Study::candidates)
    }

    /// The candidates with their places.
    pub fn placed(&self) -> impl Iterator<Item = Placed<'_>> {
        self.study.iter().flat_map(Study::placed)
    }

    /// The candidate called `id`.
    pub fn get(&self, id: CandidateId) -> Option<Placed<'_>> {
        self.study.as_ref()?.placed_at(id)
    }

    /// Fitness and frequency by node index; empty before the first iteration.
    pub fn fitness(&self) -> &[NodeFitness] {
        &self.fitness
    }

    /// The finished iterations.
    pub fn iterations(&self) -> &[IterationReport] {
        self.study.as_ref().map_or(&[], Study::iterations)
    }

    /// The finished epochs.
    pub fn epochs(&self) -> &[EpochReport] {
        self.study.as_ref().map_or(&[], Study::epochs)
    }

    /// Whether enough was trained for a search.
    pub fn is_trained(&self) -> bool {
        !self.epochs().is_empty()
    }

    /// What the search makes large.
    pub fn objective(&self) -> Objective {
        self.study.as_ref().map_or_else(Objective::default, Study::objective)
    }

    /// Whether a candidate was evaluated.
    pub fn is_searched(&self) -> bool {
        self.study.as_ref().is_some_and(|study| study.search().evaluations() > 0)
    }

    /// How many candidates the finished iterations have evaluated: those that [`fitness`](Self::fitness) is
    /// about.
    pub fn judged(&self) -> usize {
        self.iterations().iter().map(|iteration| iteration.candidates.len()).sum()
    }

    /// How many candidates tie, where all that are evaluated with the present weights do.
    pub fn tie(&self) -> Option<usize> {
        self.study.as_ref()?.tie()
    }

    /// The best candidate so far; none where all tie.
    pub fn best(&self) -> Option<Placed<'_>> {
        if self.tie().is_some() {
            return None;
        }
        self.get(self.study.as_ref()?.search().best()?)
    }

    /// What candidates of the template are told by.
    pub(in crate::app) fn goal(&self, graph: &Graph) -> Goal {
        let quality = Quality::of(graph, self.data.as_ref());
        Goal { quality, objective: self.objective() }
    }

    /// The lowest and the highest proxy accuracy with the present weights: accuracies of different weights are not
    /// compared.
    pub fn accuracy_range(&self) -> Option<(f64, f64)> {
        self.study.as_ref()?.search().accuracy_range()
    }
}

#[cfg(test)]
impl Archive {
    /// An archive with a study of the template of `document`, in which nothing has happened.
    pub(in crate::app) fn of(document: &Document) -> Self {
        let mut archive = Self::default();
        archive.begin(Study::showing(document.checked().clone(), Vec::new()));
        archive
    }

    /// Adds candidates, or puts them in the place of those with their ids.
    pub(in crate::app) fn show(&mut self, candidates: Vec<(Candidate, [f32; 3])>) {
        self.study.as_mut().expect("there is one").show(candidates);
    }

    /// Sets the fitness of the nodes.
    pub(in crate::app) fn show_fitness(&mut self, fitness: Vec<NodeFitness>) {
        self.fitness = fitness;
    }
}
