//! What a host tells its viewers.

use crate::engine::{
    command::{Answer, Ticket},
    data::DataSummary,
    mask::Mask,
    report::{EarlyEnd, Job, Progress, Report, Topic},
    search::Objective,
    study::{Event, IterationReport, Judging, Retold, Setup, Study},
    template::Checked,
    training::TrainSettings,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

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
    Template {
        number: u32,
        template: Checked,
    },
    Event(Event),
    Iteration(Box<IterationReport>),
    WeightsAt {
        step: u64,
    },
    Run {
        name: String,
        path: PathBuf,
    },
    Data(DataSummary),
    Note(String),
    Cautions {
        about: Topic,
        texts: Vec<String>,
    },
    Started(Job),
    Step {
        step: u64,
        loss: f64,
        trained: Vec<usize>,
    },
    Forgotten {
        step: u64,
    },
    EndsEarly(EarlyEnd),
    Progress(Progress),
    Paused(bool),
    Answer {
        ticket: Ticket,
        answer: Answer,
    },
    NotOpened {
        message: String,
    },
}

/// What is told of a study as it is.
pub(super) fn of_study(study: &Study) -> impl Iterator<Item = Told> {
    let (Setup { seed, objective, training, judging: _ }, template, told) = study.retell();
    let begin = Told::Begin { seed, objective, training, template };
    let known = Told::Known { step: study.search().step() };
    let told = told.into_iter().map(|told| match told {
        Retold::Template { number, template } => Told::Template { number, template },
        Retold::Event(event) => Told::Event((**event).clone()),
        Retold::Iteration(report) => Told::Iteration(Box::new(report.clone())),
    });
    [begin].into_iter().chain(told).chain([known])
}

/// What viewers make of the messages.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// The study while what was known of it is told.
    begun: Option<Study>,
    /// How many nodes the template has.
    nodes: usize,
}

impl Listener {
    /// The report that a message is, if it is one.
    pub(super) fn hear(&mut self, told: Told) -> Option<Report> {
        Some(match told {
            Told::Begin { seed, objective, training, template } => {
                self.nodes = template.graph().len();
                let setup = Setup { seed, objective, training, judging: Judging::Elsewhere };
                self.begun = Some(Study::untold(template, setup));
                return None;
            }
            Told::Known { step } => {
                let mut study = self.begun.take()?;
                study.settle();
                study.weights_at(step);
                Report::Study(Box::new(study))
            }
            Told::Template { number, template } => {
                self.nodes = template.graph().len();
                if let Some(study) = &mut self.begun {
                    study.bring(number, template);
                    return None;
                }
                Report::Template { number, template }
            }
            Told::Event(event) => match &mut self.begun {
                None => Report::Event(event.into()),
                Some(study) => match study.apply(&event.into()) {
                    Ok(()) => return None,
                    Err(error) => {
                        self.begun = None;
                        let message = format!("what the server tells cannot be followed: {error}");
                        Report::NotOpened { message }
                    }
                },
            },
            Told::Iteration(report) => {
                if let Some(study) = &mut self.begun {
                    study.take_fitness(report.iteration, report.fitness);
                    return None;
                }
                Report::Iteration(report)
            }
            Told::WeightsAt { step } => Report::WeightsAt { step },
            Told::Run { name, path } => Report::RunOpened { name, path },
            Told::Data(summary) => Report::Data(summary),
            Told::Note(note) => Report::Note(note),
            Told::Cautions { about, texts } => Report::Cautions { about, texts },
            Told::Started(job) => Report::Started(job),
            Told::Step { step, loss, trained } => {
                let trained = trained.into_iter().filter(|&node| node < self.nodes);
                let trained = Mask::from_nodes(self.nodes, trained);
                Report::Step { step, loss, trained }
            }
            Told::Forgotten { step } => Report::Forgotten { step },
            Told::EndsEarly(why) => Report::EndsEarly(why),
            Told::Progress(progress) => Report::Progress(progress),
            Told::Paused(paused) => Report::Paused(paused),
            Told::Answer { ticket, answer } => Report::Answer { ticket, answer },
            Told::NotOpened { message } => Report::NotOpened { message },
        })
    }
}
