//! A study as a reader of reports knows it.

use super::{
    report::Report,
    study::{Mismatch, Study},
};
use std::sync::Arc;

/// The study that a lab's [reports](Report) tell of: of each report it takes what it says about the study, as does every
/// other reader of the same ones.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    study: Option<Arc<Study>>,
}

impl Replica {
    /// A replica of which this is known, as before a study is [told whole](Report::Study).
    pub(in crate::engine) fn of(study: Study) -> Self {
        Self { study: Some(Arc::new(study)) }
    }

    /// Takes what a report tells of the study; whether it tells something of it.
    ///
    /// # Errors
    /// When an event does not follow on what is known. Nothing is known then, until another study begins.
    pub fn follow(&mut self, report: &Report) -> Result<bool, Mismatch> {
        if let Report::Study(told) = report {
            self.study = Some(Arc::clone(told));
            return Ok(true);
        }
        let Some(shared) = &mut self.study else { return Ok(false) };
        match report {
            Report::Template { number, template } => {
                Arc::make_mut(shared).bring(*number, template.clone());
            }
            Report::Event(event) => {
                if let Err(mismatch) = Arc::make_mut(shared).apply(event) {
                    self.study = None;
                    return Err(mismatch);
                }
            }
            Report::Iteration(done) => {
                Arc::make_mut(shared).take_fitness(done.iteration, done.fitness.clone());
            }
            Report::WeightsAt { step } => Arc::make_mut(shared).weights_at(*step),
            Report::Study(_)
            | Report::RunOpened { .. }
            | Report::Data(_)
            | Report::Note(_)
            | Report::Cautions { .. }
            // Another study follows.
            | Report::Fitted(_)
            | Report::Edited(_)
            | Report::Started(_)
            | Report::Step { .. }
            | Report::Forgotten { .. }
            | Report::EndsEarly(_)
            | Report::Progress(_)
            | Report::Paused(_)
            | Report::Answer { .. }
            | Report::NotOpened { .. } => return Ok(false),
        }
        Ok(true)
    }

    /// What is known; nothing before a study was told.
    pub fn study(&self) -> Option<&Study> {
        self.study.as_deref()
    }

    /// The study, for changes that no report tells.
    pub(in crate::engine) fn into_study(self) -> Option<Study> {
        self.study.map(Arc::unwrap_or_clone)
    }

    /// The study, to be changed as tests need it.
    #[cfg(test)]
    pub(crate) fn study_mut(&mut self) -> Option<&mut Study> {
        self.study.as_mut().map(Arc::make_mut)
    }
}
