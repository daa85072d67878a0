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
use std::{collections::VecDeque, sync::Arc};

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
    /// What was known of the study when it was told is told, and what else holds.
    Known {
        /// Training steps that the weights have seen.
        step: u64,
    },
    /// Anything else.
    Report(Report),
}

/// What is told of a study as it is, and of what else `holds`.
pub(super) fn of_study<'a>(
    study: &'a Study,
    holds: &'a [Report],
) -> impl Iterator<Item = Told> + use<'a> {
    let (Setup { seed, objective, training, judging: _ }, template, told) = study.retell();
    let begin = Told::Begin { seed, objective, training, template };
    let known = Told::Known { step: study.search().step() };
    let told = told.into_iter().map(|told| match told {
        Retold::Template { number, template } => Report::Template { number, template },
        Retold::Event(event) => Report::Event(Arc::clone(event)),
        Retold::Iteration(report) => Report::Iteration(Box::new(report.clone())),
    });
    let told = told.chain(holds.iter().cloned()).map(Told::Report);
    [begin].into_iter().chain(told).chain([known])
}

/// What viewers make of the messages.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// The study while what was known of it is told.
    begun: Option<Begun>,
    /// How many nodes the template has.
    nodes: usize,
    /// Reports that wait to be read.
    ready: VecDeque<Report>,
}

/// A study that is not told to the end, and what is reported after it.
#[derive(Debug)]
struct Begun {
    replica: Replica,
    after: Vec<Report>,
}

impl Listener {
    /// Takes a message, which may make reports.
    pub(super) fn hear(&mut self, told: Told) {
        let report = match told {
            Told::Begin { seed, objective, training, template } => {
                self.nodes = template.graph().len();
                let setup = Setup { seed, objective, training, judging: Judging::Elsewhere };
                let replica = Replica::of(Study::untold(template, setup));
                self.begun = Some(Begun { replica, after: Vec::new() });
                return;
            }
            Told::Known { step } => {
                let Some(Begun { replica, after }) = self.begun.take() else { return };
                let Some(mut study) = replica.into_study() else { return };
                study.settle();
                study.weights_at(step);
                self.ready.push_back(Report::Study(study.into()));
                self.ready.extend(after);
                return;
            }
            Told::Report(report) => report,
        };
        match &report {
            Report::Template { template, .. } => self.nodes = template.graph().len(),
            // Views look the nodes up in the template.
            Report::Step { trained, .. } if trained.node_count() != self.nodes => return,
            _ => {}
        }
        let Some(Begun { replica, after }) = &mut self.begun else {
            return self.ready.push_back(report);
        };
        match replica.follow(&report) {
            Ok(true) => {}
            Ok(false) => after.push(report),
            Err(error) => {
                self.begun = None;
                let message = format!("what the server tells cannot be followed: {error}");
                self.ready.push_back(Report::NotOpened { message });
            }
        }
    }

    /// The next report, if there is one.
    pub(super) fn next(&mut self) -> Option<Report> {
        self.ready.pop_front()
    }

    /// Whether it has reported all that was told.
    pub(super) fn is_done(&self) -> bool {
        self.begun.is_none() && self.ready.is_empty()
    }
}
