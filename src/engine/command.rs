//! What a lab on a thread of its own can be asked for, and how it answers.

use super::{
    candidate::CandidateId,
    search::{Evaluation, Objective, Steering},
    template::{Checked, NodeId},
    training::StepLength,
};
use serde::{Deserialize, Serialize};

/// The kinds of long work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Training the supernet.
    Train,
    /// Searching with the trained supernet.
    Search,
    /// Retraining candidates from scratch.
    Verify,
}

impl Job {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Search => "search",
            Self::Verify => "retraining",
        }
    }
}

/// A request to a lab. Jobs are done a step at a time, one job at a time; everything else is done between two of its steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Train for more epochs, in this template where one is given: it is edited into the run first.
    Train {
        /// How many.
        epochs: usize,
        /// The template.
        template: Option<Checked>,
    },
    /// Search for more iterations, in this template where one is given.
    Search {
        /// How many.
        iterations: u32,
        /// Candidates of each.
        candidates: usize,
        /// The template.
        template: Option<Checked>,
    },
    /// Train candidates from scratch.
    Verify(VerifySettings),
    /// Evaluate the candidates that keep these nodes, with the weights as they are.
    Evaluate {
        /// The nodes of each.
        candidates: Vec<Vec<NodeId>>,
    },
    /// Ask for other candidates from here on.
    Steer(Steering),
    /// Make something else large from here on.
    Aim(Objective),
    /// Train in steps of another length from here on.
    Retune(StepLength),
    /// Go on with this template.
    Edit(Checked),
    /// Make the job wait.
    Pause,
    /// Make it go on.
    Resume,
    /// End the job, and evaluations that were asked for; what is done is kept.
    Stop,
    /// The same, and a training forgets the epoch that it has begun.
    Cancel,
}

/// What to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifySettings {
    /// How many of the best candidates.
    pub top: usize,
    /// How many of the other evaluated ones, drawn with the run's seed.
    pub random: usize,
    /// Epochs of training for each; `None` for as many as the supernet was trained.
    pub epochs: Option<usize>,
}

/// The number of a request: each is answered once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ticket {
    /// Given by the lab's own worker.
    Lab(u64),
    /// Given by a viewer elsewhere, to what it has asked for itself.
    Viewer(u64),
}

/// What has become of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done.
    Done,
    /// The job has begun; its end is told to all, with this ticket.
    Begun {
        /// The lab's own.
        ticket: Ticket,
    },
    /// These were evaluated; fewer than asked for if they were stopped.
    Evaluated(Vec<(CandidateId, Evaluation)>),
    /// The job has ended.
    Ended {
        /// Which.
        job: Job,
        /// Whether it was stopped before its end.
        stopped: bool,
    },
    /// It is not done, and nothing has changed.
    Refused {
        /// Why, and what to do.
        message: String,
    },
    /// It has failed; what was recorded by then is kept.
    Failed {
        /// Which job; `None` for evaluations.
        job: Option<Job>,
        /// What went wrong, where, and what to do.
        message: String,
    },
}
