//! What a lab tells the window, the command line, and viewers elsewhere.

use super::{
    command::{Answer, Job, Ticket},
    study::{Edited, Event, IterationReport, Study},
    template::Checked,
};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Which job.
    pub job: Job,
    /// Units done: training steps, or candidates evaluated in a search.
    pub done: u64,
    /// Units in all.
    pub total: u64,
    /// Seconds of work so far, pauses left out.
    pub elapsed_secs: f64,
    /// Seconds still to go at the present pace; `None` until there is a pace.
    pub eta_secs: Option<f64>,
}

/// Why a search ends before the iterations that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EarlyEnd {
    /// Every candidate of the search space is evaluated.
    Exhausted,
    /// Among the candidates that are [asked for](super::search::Steering), no new one was found.
    NoneWanted,
    /// The search was limited to this many candidates in all.
    Candidates(usize),
    /// The search was limited to this many seconds in all.
    Seconds(u64),
}

impl fmt::Display for EarlyEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted => write!(f, "every candidate of the search space is evaluated"),
            Self::NoneWanted => write!(
                f,
                "no new candidate was found that has all that the search is steered to; lift some of it"
            ),
            Self::Candidates(most) => write!(f, "the budget of {most} candidates is spent"),
            Self::Seconds(most) => write!(f, "the budget of {most} seconds is spent"),
        }
    }
}

/// What cautions are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Results that are not worth what they seem to be.
    Results,
    /// Memory that may not be enough.
    Memory,
}

/// Events are written as if no one else had them.
mod shared {
    use super::{Arc, Event};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(event: &Event, writer: S) -> Result<S::Ok, S::Error> {
        event.serialize(writer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        reader: D,
    ) -> Result<Arc<Event>, D::Error> {
        Event::deserialize(reader).map(Arc::new)
    }
}

/// One message of a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The run folder in which everything is recorded.
    RunOpened {
        /// Its name.
        name: String,
        /// Its path.
        path: std::path::PathBuf,
    },
    /// The data in numbers.
    Data(super::data::DataSummary),
    /// What was inferred, changed or left out.
    Note(String),
    /// All present cautions about one topic. An earlier caution about the same topic no longer holds unless it is
    /// told again.
    Cautions {
        /// What these are about.
        about: Topic,
        /// Each says why, and what to do.
        texts: Vec<String>,
    },
    /// The template was fitted to the data: the same nodes and links, of which some have other arguments. Another study
    /// begins with it. Is not written: that study tells it.
    #[serde(skip)]
    Fitted(Arc<super::template::Graph>),
    /// The study as it is; events that are told after it follow on it. What was told before is over. Is not written: a
    /// study is [told again](Study::retell) instead.
    #[serde(skip)]
    Study(Arc<Study>),
    /// The template of the [edit](Event::Edited) that is told next.
    Template {
        /// Its number.
        number: u32,
        /// The template.
        template: Checked,
    },
    /// Something has happened.
    Event(#[serde(with = "shared")] Arc<Event>),
    /// What an edit has done, after its event.
    Edited(Edited),
    /// A job has begun.
    Started(Job),
    /// A training step is done.
    Step {
        /// Its number, from 1 over all epochs.
        step: u64,
        /// Its loss.
        loss: f64,
        /// The nodes that were trained.
        trained: super::mask::Mask,
    },
    /// What was trained after this step is lost.
    Forgotten {
        /// Its number, from 1 over all epochs; 0 for all steps.
        step: u64,
    },
    /// The weights have seen so many training steps, where no event tells.
    WeightsAt {
        /// The number of steps.
        step: u64,
    },
    /// An iteration is done: what follows from its event.
    Iteration(Box<IterationReport>),
    /// The search ends before the iterations that were asked for.
    EndsEarly(EarlyEnd),
    /// How far the job is.
    Progress(Progress),
    /// The job waits (`true`) or goes on (`false`).
    Paused(bool),
    /// What has become of a [command](super::command::Command).
    Answer {
        /// Of which.
        ticket: Ticket,
        /// What.
        answer: Answer,
    },
    /// There is no lab: the run could not be opened.
    NotOpened {
        /// What went wrong, where, and what to do.
        message: String,
    },
}
