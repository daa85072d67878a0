//! What a host tells its viewers.

use crate::engine::{
    replica::Replica,
    report::Report,
    search::Objective,
    study::{Judging, Retold, Setup, Study},
    template::Checked,
    training::TrainSettings,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A message of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    /// A study begins; its events follow.
    Begin {
        /// Seed of every random draw.
        seed: u64,
        /// What the search makes large at first.
        objective: Objective,
        /// How the supernet is trained at first.
        training: TrainSettings,
        /// The first template.
        template: Checked,
    },
    /// What was known of the study when it was told is told.
    Known {
        /// Training steps that the weights have seen.
        step: u64,
    },
    /// Anything else.
    Report(Report),
}

/// What is told of a study as it is.
pub(super) fn of_study(study: &Study) -> impl Iterator<Item = Told> {
    let (Setup { seed, objective, training, judging: _ }, template, told) = study.retell();
    let begin = Told::Begin { seed, objective, training, template };
    let known = Told::Known { step: study.search().step() };
    let told = told.into_iter().map(|told| match told {
        Retold::Template { number, template } => Report::Template { number, template },
        Retold::Event(event) => Report::Event(Arc::clone(event)),
        Retold::Iteration(report) => Report::Iteration(Box::new(report.clone())),
    });
    let told = told.map(Told::Report);
    [begin].into_iter().chain(told).chain([known])
}

/// What viewers make of the messages.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// The study while what was known of it is told.
    begun: Option<Replica>,
    /// How many nodes the template has.
    nodes: usize,
}

impl Listener {
    /// The report that a message is, if it is one.
    pub(super) fn hear(&mut self, told: Told) -> Option<Report> {
        let report = match told {
            Told::Begin { seed, objective, training, template } => {
                self.nodes = template.graph().len();
                let setup = Setup { seed, objective, training, judging: Judging::Elsewhere };
                self.begun = Some(Replica::of(Study::untold(template, setup)));
                return None;
            }
            Told::Known { step } => {
                let mut study = self.begun.take()?.into_study()?;
                study.settle();
                study.weights_at(step);
                return Some(Report::Study(study.into()));
            }
            Told::Report(report) => report,
        };
        match &report {
            Report::Template { template, .. } => self.nodes = template.graph().len(),
            // Views look the nodes up in the template.
            Report::Step { trained, .. } if trained.node_count() != self.nodes => return None,
            _ => {}
        }
        let Some(replica) = &mut self.begun else { return Some(report) };
        let Err(error) = replica.follow(&report) else { return None };
        self.begun = None;
        let message = format!("what the server tells cannot be followed: {error}");
        Some(Report::NotOpened { message })
    }
}
