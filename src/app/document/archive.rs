//! What is known of the run.

#[cfg(test)]
use super::Document;
use crate::engine::{
    candidate::CandidateId,
    data::DataSummary,
    replica::Replica,
    report::Report,
    search::{Candidate, NodeFitness, Objective},
    study::{Event, IterationReport, Mismatch, Placed, Study},
    template::Graph,
    training::EpochReport,
};
use crate::format::{Goal, Quality};
use bevy::prelude::*;

/// What is known of the run: a replica of the lab's study, and what follows from it.
#[derive(Resource, Debug, Default)]
pub struct Archive {
    replica: Replica,
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

    /// Takes what a report tells of the run.
    ///
    /// # Errors
    /// When an event does not follow on what is known; nothing is known any more then, until another study begins.
    pub fn follow(&mut self, report: &Report) -> Result<(), Mismatch> {
        if let Err(mismatch) = self.replica.follow(report) {
            self.close();
            return Err(mismatch);
        }
        match report {
            Report::Study(_) => {
                self.generation += 1;
                self.see_fitness();
            }
            Report::Event(event) if matches!(**event, Event::Edited { .. }) => self.see_fitness(),
            Report::Iteration(_) => self.see_fitness(),
            Report::Data(summary) => self.data = Some(summary.clone()),
            _ => {}
        }
        Ok(())
    }

    fn see_fitness(&mut self) {
        let Some(study) = self.study() else { return };
        let known = study.iterations().iter().rfind(|iteration| !iteration.fitness.is_empty());
        self.fitness = known.map_or_else(Vec::new, |known| study.fitness_after(known));
    }

    /// What is known; nothing while a run is being opened.
    pub fn study(&self) -> Option<&Study> {
        self.replica.study()
    }

    /// Another number with each study that begins or ends.
    pub(in crate::app) fn generation(&self) -> u64 {
        self.generation
    }

    /// The run's template and weights, each counted in the order in which they were there: with others, candidates look
    /// otherwise.
    pub(in crate::app) fn template_and_weights(&self) -> (u32, u64) {
        self.study().map_or((0, 0), |study| (study.number(), study.search().weights()))
    }

    /// All candidates; a [`CandidateId`] is a position in this list.
    pub fn candidates(&self) -> &[Candidate] {
        self.study().map_or(&[], Study::candidates)
    }

    /// The candidates with their places.
    pub fn placed(&self) -> impl Iterator<Item = Placed<'_>> {
        self.study().into_iter().flat_map(Study::placed)
    }

    /// The candidate called `id`.
    pub fn get(&self, id: CandidateId) -> Option<Placed<'_>> {
        self.study()?.placed_at(id)
    }

    /// Fitness and frequency by node index; empty before the first iteration.
    pub fn fitness(&self) -> &[NodeFitness] {
        &self.fitness
    }

    /// The finished iterations.
    pub fn iterations(&self) -> &[IterationReport] {
        self.study().map_or(&[], Study::iterations)
    }

    /// The finished epochs.
    pub fn epochs(&self) -> &[EpochReport] {
        self.study().map_or(&[], Study::epochs)
    }

    /// Whether enough was trained for a search.
    pub fn is_trained(&self) -> bool {
        !self.epochs().is_empty()
    }

    /// What the search makes large.
    pub fn objective(&self) -> Objective {
        self.study().map_or_else(Objective::default, Study::objective)
    }

    /// Whether a candidate was evaluated.
    pub fn is_searched(&self) -> bool {
        self.study().is_some_and(|study| study.search().evaluations() > 0)
    }

    /// How many candidates the finished iterations have evaluated: those that [`fitness`](Self::fitness) is
    /// about.
    pub fn judged(&self) -> usize {
        self.iterations().iter().map(|iteration| iteration.candidates.len()).sum()
    }

    /// How many candidates tie, where all that are evaluated with the present weights do.
    pub fn tie(&self) -> Option<usize> {
        self.study()?.tie()
    }

    /// The best candidate so far; none where all tie.
    pub fn best(&self) -> Option<Placed<'_>> {
        if self.tie().is_some() {
            return None;
        }
        self.get(self.study()?.search().best()?)
    }

    /// What candidates of the template are told by.
    pub(in crate::app) fn goal(&self, graph: &Graph) -> Goal {
        let quality = Quality::of(graph, self.data.as_ref());
        Goal { quality, objective: self.objective() }
    }

    /// The lowest and the highest proxy accuracy with the present weights: accuracies of different weights are not
    /// compared.
    pub fn accuracy_range(&self) -> Option<(f64, f64)> {
        self.study()?.search().accuracy_range()
    }
}

#[cfg(test)]
impl Archive {
    /// An archive with a study of the template of `document`, in which nothing has happened.
    pub(in crate::app) fn of(document: &Document) -> Self {
        let mut archive = Self::default();
        let study = Study::showing(document.checked().clone(), Vec::new());
        archive.follow(&Report::Study(study.into())).expect("begins");
        archive
    }

    /// Takes an event.
    pub(in crate::app) fn take(&mut self, event: Event) {
        self.follow(&Report::Event(event.into())).expect("follows");
    }

    /// Adds candidates, or puts them in the place of those with their ids.
    pub(in crate::app) fn show(&mut self, candidates: Vec<(Candidate, [f32; 3])>) {
        self.replica.study_mut().expect("there is one").show(candidates);
    }

    /// Sets the fitness of the nodes.
    pub(in crate::app) fn show_fitness(&mut self, fitness: Vec<NodeFitness>) {
        self.fitness = fitness;
    }
}
