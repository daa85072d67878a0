//! What a running job tells whoever watches it: the window or the command line.

use super::{
    candidate::CandidateId,
    search::{Candidate, Evaluation, NodeFitness, Objective},
};
use std::fmt;

/// The kinds of long work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Training the supernet.
    Train,
    /// Searching with the trained supernet.
    Search,
    /// Retraining candidates from scratch.
    Verify,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq)]
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

/// One finished epoch of supernet training.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EpochReport {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Training steps by its end, over all epochs.
    pub step: u64,
    /// Mean loss over the epoch's training batches.
    #[serde(deserialize_with = "super::run::number_or_null")]
    pub train_loss: f64,
    /// Mean loss over validation images of a few fixed paths.
    #[serde(deserialize_with = "super::run::number_or_null")]
    pub val_loss: f64,
    /// Share of validation images that those paths classify correctly, averaged over the paths; R² where
    /// numbers are predicted, see [`Evaluation::accuracy`].
    #[serde(deserialize_with = "super::run::number_or_null")]
    pub val_accuracy: f64,
    /// Mean of the classes' recalls, see [`Evaluation::balanced_accuracy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_balanced_accuracy: Option<f64>,
    /// Seconds the epoch took, validation included.
    pub seconds: f64,
}

#[cfg(test)]
impl EpochReport {
    /// A first epoch with plausible numbers.
    pub(crate) const EXAMPLE: Self = Self {
        epoch: 1,
        step: 250,
        train_loss: 2.0,
        val_loss: 1.5,
        val_accuracy: 0.3,
        val_balanced_accuracy: Some(0.25),
        seconds: 4.0,
    };
}

/// One finished iteration of the search.
#[derive(Clone, Debug, PartialEq)]
pub struct IterationReport {
    /// The iteration, from 1.
    pub iteration: u32,
    /// Candidates evaluated in it.
    pub candidates: Vec<CandidateId>,
    /// What the search made large in it.
    pub objective: Objective,
    /// The means of what their evaluations gave.
    pub mean: Evaluation,
    /// The best candidate of the whole search so far.
    pub best: CandidateId,
    /// What its evaluation gave.
    pub best_evaluation: Evaluation,
    /// Whether all candidates that were evaluated with the present weights tie: then the best is no better than any.
    pub tie: bool,
    /// Fitness and frequency of every node, by node index.
    pub fitness: Vec<NodeFitness>,
    /// Seconds the iteration took.
    pub seconds: f64,
}

/// A candidate with its place in the cloud.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedCandidate {
    /// The candidate; its id is its position in the order of arrival.
    pub candidate: Candidate,
    /// Where it is in the cloud; the landmarks have a root-mean-square radius of 1.
    pub position: [f32; 3],
}

/// Why a search ends before the iterations that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyEnd {
    /// Every candidate of the search space is evaluated.
    Exhausted,
    /// Among the candidates that are [asked for](super::search::Steering), no new one was found.
    NoneWanted,
    /// So many candidates were to be evaluated in all.
    Candidates(usize),
    /// So many seconds were to be searched in all.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Results that are not worth what they seem to be.
    Results,
    /// Memory that may not be enough.
    Memory,
}

/// One message of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The run folder in which everything is recorded.
    RunOpened {
        /// Its name.
        name: String,
        /// Its path.
        path: std::path::PathBuf,
    },
    /// What the search makes large: by this, candidates are compared.
    Objective(Objective),
    /// The data in numbers.
    Data(super::data::DataSummary),
    /// What was inferred, changed or left out.
    Note(String),
    /// Everything that there is to be cautious about at present: what was told before about the same no longer holds
    /// unless it is told again.
    Cautions {
        /// What these are about.
        about: Topic,
        /// Each says why, and what to do.
        texts: Vec<String>,
    },
    /// The template was fitted to the data: the same nodes and links, of which some have other arguments.
    Fitted(std::sync::Arc<super::template::Graph>),
    /// The template was edited: everything reported before is told anew after this, for its nodes.
    Edited(super::lab::Edited),
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
    /// An epoch is done.
    Epoch(EpochReport),
    /// What was trained after this step is lost.
    Forgotten {
        /// Its number, from 1 over all epochs; 0 for all steps.
        step: u64,
    },
    /// The training that ends has changed the weights: what was evaluated before is
    /// [stale](super::search::Standing::Stale).
    WeightsChanged,
    /// New candidates, in id order, not yet evaluated (or evaluated in an earlier session).
    Placed(Vec<PlacedCandidate>),
    /// A candidate was evaluated.
    Evaluated {
        /// Which.
        id: CandidateId,
        /// In which iteration, from 1.
        iteration: u32,
        /// With what result.
        evaluation: Evaluation,
    },
    /// A candidate was timed: median seconds of a forward pass of one image.
    Timed {
        /// Which.
        id: CandidateId,
        /// With what result.
        latency: f64,
    },
    /// An iteration is done.
    Iteration(IterationReport),
    /// A candidate was trained from scratch.
    Retrained(super::lab::Retrained),
    /// The search ends before the iterations that were asked for.
    EndsEarly(EarlyEnd),
    /// How far the job is.
    Progress(Progress),
    /// The job waits (`true`) or goes on (`false`).
    Paused(bool),
    /// The job ended: `stopped` if somebody stopped it before its end.
    Finished {
        /// Which job.
        job: Job,
        /// Whether it was stopped.
        stopped: bool,
    },
    /// The job ended with an error.
    Failed {
        /// Which job; `None` if even the run could not be opened.
        job: Option<Job>,
        /// What went wrong, where, and what to do.
        message: String,
    },
}
