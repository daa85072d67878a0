//! What has happened in a study, told again from its beginning.

use super::{Judging, Setup, Study};
use crate::engine::{
    study::{Event, IterationReport},
    template::Checked,
};
use std::sync::Arc;

/// What is told of a study to a reader who knows nothing of it.
#[derive(Clone, Debug)]
pub enum Retold<'a> {
    /// The template of the edit that is told next.
    Template {
        /// Its number.
        number: u32,
        /// The template.
        template: Checked,
    },
    /// Something has happened.
    Event(&'a Arc<Event>),
    /// What follows from the end of an iteration, after its event.
    Iteration(&'a IterationReport),
}

impl Study {
    /// How many events have happened since it began; those that tell the pool are among them.
    pub fn events(&self) -> usize {
        self.past.len()
    }

    /// The same study as it began: nothing is told yet.
    pub(in crate::engine::study) fn at_beginning(&self) -> Self {
        let (setup, first) = (self.begun, self.first().clone());
        match self.search.representatives() {
            None => Self::untold(first, setup),
            Some(representatives) => Self::untold_with(first, setup, Arc::clone(representatives)),
        }
    }

    /// What it began with, and all that has happened since, for a reader who knows nothing of it.
    pub fn retell(&self) -> (Setup, Checked, Vec<Retold<'_>>) {
        let mut told = Vec::with_capacity(self.past.len());
        for event in &self.past {
            match **event {
                Event::Edited { template: number, .. } => {
                    let template = self.template_of(number).cloned();
                    told.extend(template.map(|template| Retold::Template { number, template }));
                    told.push(Retold::Event(event));
                }
                Event::Iteration { iteration, .. } => {
                    told.push(Retold::Event(event));
                    let report = self.iterations.get((iteration as usize).wrapping_sub(1));
                    told.extend(report.map(Retold::Iteration));
                }
                Event::Epoch(_)
                | Event::Candidate { .. }
                | Event::Evaluated { .. }
                | Event::Timed { .. }
                | Event::Steered(_)
                | Event::Aimed { .. }
                | Event::Retuned { .. }
                | Event::Retrained { .. } => told.push(Retold::Event(event)),
            }
        }
        (Setup { judging: Judging::Elsewhere, ..self.begun }, self.first().clone(), told)
    }

    /// The template with this number.
    fn template_of(&self, number: u32) -> Option<&Checked> {
        let position = (number as usize).checked_sub(1)?;
        self.earlier.iter().chain([&self.template]).nth(position)
    }

    fn first(&self) -> &Checked {
        self.earlier.first().unwrap_or(&self.template)
    }
}
