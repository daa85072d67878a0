//! What happens in a run: the facts from which everything else follows.

use crate::engine::{
    candidate::CandidateId,
    files::number_or_null,
    search::{Evaluation, Objective, Steering},
    template::{NodeId, NodeKey},
    training::{EpochReport, StepLength},
};
use serde::{Deserialize, Serialize};

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An epoch ended; its weights and trainer state were stored in `weights/epoch-<epoch>` before.
    Epoch(EpochReport),
    /// The template was edited; it is `template/<template>.ron` from here on. What was trained is carried
    /// over to `weights/edit-<template>`, and
    /// what was known of nodes that are gone is in `weights/attic-<template>`, if anything was.
    Edited {
        /// Its number, with four digits in the file's name.
        template: u32,
        /// Training steps that the weights had seen.
        step: u64,
        /// Whether nodes that it removes can come back with what was known of them; older programs forgot that.
        #[serde(default)]
        lasting: bool,
        /// Whether the learning rate takes its course again where nodes are new, so that they learn as much as others did;
        /// older programs went on at its end.
        #[serde(default)]
        restarts: bool,
        /// Nodes whose weights are lost: one that comes back is a new one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        forgotten: Vec<NodeKey>,
    },
    /// A candidate was made; ids are given in the order of arrival.
    Candidate {
        /// Its id.
        id: CandidateId,
        /// In which iteration it was made, from 1; 0 for the pool that is there from the start.
        iteration: u32,
        /// What it was bred from; empty for fresh samples.
        parents: Vec<CandidateId>,
        /// The nodes it keeps, in template order.
        kept: Vec<NodeId>,
    },
    /// A candidate was evaluated, for the first time or again since the weights have changed.
    Evaluated {
        /// Which.
        id: CandidateId,
        /// The iteration that it belongs to, from 1.
        iteration: u32,
        /// Training steps that the weights had seen.
        step: u64,
        /// Its proxy accuracy.
        #[serde(deserialize_with = "number_or_null")]
        accuracy: f64,
        /// Its balanced accuracy, where there are classes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        balanced_accuracy: Option<f64>,
        /// Its validation loss.
        #[serde(deserialize_with = "number_or_null")]
        loss: f64,
        /// Seconds it took.
        seconds: f64,
    },
    /// An iteration ended.
    Iteration {
        /// Which, from 1.
        iteration: u32,
        /// What was evaluated in it.
        candidates: Vec<CandidateId>,
        /// Their mean proxy accuracy.
        #[serde(deserialize_with = "number_or_null")]
        mean_accuracy: f64,
        /// The best candidate so far.
        best: CandidateId,
        /// Seconds it took.
        seconds: f64,
    },
    /// A candidate was timed.
    Timed {
        /// Which.
        id: CandidateId,
        /// Median seconds of a forward pass of one image.
        latency: f64,
    },
    /// Other candidates are asked for from here on.
    Steered(Steering),
    /// The search makes something else large from here on.
    Aimed {
        /// What.
        objective: Objective,
    },
    /// Training takes steps of another length from here on.
    Retuned {
        /// How long they may be.
        to: StepLength,
        /// What `run.ron` says. Where that is edited by hand afterwards, the edit counts.
        instead_of: StepLength,
    },
    /// A candidate was trained from scratch.
    Retrained {
        /// Which.
        id: CandidateId,
        /// For how many epochs.
        epochs: usize,
        /// Its accuracy on all validation images.
        #[serde(deserialize_with = "number_or_null")]
        accuracy: f64,
        /// Its balanced accuracy, where there are classes; not in journals of older programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        balanced_accuracy: Option<f64>,
        /// Its validation loss.
        #[serde(deserialize_with = "number_or_null")]
        loss: f64,
        /// Seconds it took.
        seconds: f64,
    },
}

impl Event {
    /// What it tells that cannot be; `of_classes`, where accuracy is a share, and not R², which may be negative. What is not a
    /// number can be: a candidate that diverged has such figures.
    pub(in crate::engine) fn impossible(&self, of_classes: bool) -> Option<String> {
        let within = |what: &'static str, least: f64, value: f64, most: f64| {
            (value < least || value > most).then(|| format!("no {what} is {value}"))
        };
        let least = if of_classes { 0.0 } else { f64::NEG_INFINITY };
        let accuracy = |value| within("accuracy", least, value, 1.0);
        let balanced = |value: Option<f64>| within("balanced accuracy", 0.0, value?, 1.0);
        let secs = |value| within("time in seconds", 0.0, value, f64::INFINITY);
        match *self {
            Self::Epoch(epoch) => accuracy(epoch.val_accuracy)
                .or_else(|| balanced(epoch.val_balanced_accuracy))
                .or_else(|| secs(epoch.seconds)),
            Self::Evaluated { accuracy: share, balanced_accuracy, seconds, .. }
            | Self::Retrained { accuracy: share, balanced_accuracy, seconds, .. } => {
                accuracy(share).or_else(|| balanced(balanced_accuracy)).or_else(|| secs(seconds))
            }
            Self::Iteration { mean_accuracy, seconds, .. } => {
                accuracy(mean_accuracy).or_else(|| secs(seconds))
            }
            Self::Timed { latency, .. } => secs(latency),
            Self::Edited { .. }
            | Self::Candidate { .. }
            | Self::Steered(_)
            | Self::Aimed { .. }
            | Self::Retuned { .. } => None,
        }
    }

    /// What a candidate is worth, where the event tells it.
    pub fn evaluation(&self) -> Option<Evaluation> {
        match *self {
            Self::Evaluated { accuracy, balanced_accuracy, loss, .. }
            | Self::Retrained { accuracy, balanced_accuracy, loss, .. } => {
                Some(Evaluation { accuracy, balanced_accuracy, loss })
            }
            Self::Epoch(_)
            | Self::Edited { .. }
            | Self::Candidate { .. }
            | Self::Iteration { .. }
            | Self::Timed { .. }
            | Self::Steered(_)
            | Self::Aimed { .. }
            | Self::Retuned { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_may_be_negative_and_a_share_may_not() {
        let told = |accuracy| Event::Retrained {
            id: CandidateId(0),
            epochs: 1,
            accuracy,
            balanced_accuracy: None,
            loss: 1.0,
            seconds: 0.0,
        };
        let possible = |accuracy| [true, false].map(|it| told(accuracy).impossible(it).is_none());
        assert_eq!(possible(-0.5), [false, true]);
        assert_eq!([0.0, 1.0, f64::NAN].map(possible), [[true; 2]; 3]);
        assert_eq!(possible(1.5), [false; 2]);
    }
}
