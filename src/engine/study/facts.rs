//! What follows from the events of a run, as it is shown.

use crate::engine::{
    candidate::CandidateId,
    search::{Candidate, Evaluation, NodeFitness, Objective},
    template::{NodeId, TemplateDiff},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One finished iteration of the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IterationReport {
    /// The iteration, from 1.
    pub iteration: u32,
    /// The number of the template that it ended with.
    pub template: u32,
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
    /// Fitness and frequency of every node, by its index in the template that the iteration ended with; see
    /// [`Study::fitness_after`](super::Study::fitness_after). Empty where that was not asked for, and once another
    /// iteration has ended with the same template: opening a long run would take hours otherwise.
    pub fitness: Vec<NodeFitness>,
    /// Seconds the iteration took.
    pub seconds: f64,
}

/// A candidate with its place in the cloud.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed<'a> {
    /// The candidate; its id is its position in the order of arrival.
    pub candidate: &'a Candidate,
    /// Where it is in the cloud; the landmarks have a root-mean-square radius of 1.
    pub position: [f32; 3],
}

/// A candidate that was trained from scratch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retrained {
    /// Which.
    pub id: CandidateId,
    /// For how many epochs.
    pub epochs: usize,
    /// What it is worth on all validation images.
    pub evaluation: Evaluation,
    /// Seconds it took.
    pub seconds: f64,
}

/// What an edit has done to a study.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// What has become of the nodes; those that are back are not among those that are added or changed.
    pub nodes: TemplateDiff,
    /// Nodes that were there before an earlier edit, and have their weights again.
    pub back: Vec<NodeId>,
    /// New nodes that begin with the weights of nodes like them.
    pub inherited: Vec<Inherited>,
    /// Candidates that still are ones, evaluated or not.
    pub valid: usize,
    /// Candidates that the edit took out of the search.
    pub retired: usize,
    /// Candidates that it brought back.
    pub returned: usize,
    /// Nodes that had gone before, and whose weights there was no more room for.
    pub forgotten: usize,
    /// Nodes of which the search was asked something, and which the template lacks: that rests until they come back.
    pub resting: Vec<NodeId>,
    /// Evaluated candidates that have to be evaluated again, since links between their nodes have changed or
    /// weights had changed before.
    pub stale: usize,
}

/// A new node that begins with the weights of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inherited {
    /// The node.
    pub node: NodeId,
    /// Whose weights they were before the edit: an alternative in its layer.
    pub from: NodeId,
}

impl fmt::Display for Edited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TemplateDiff { kept, added, changed, dropped, .. } = &self.nodes;
        write!(f, "template edited: {} nodes kept", kept.len())?;
        let all = [("back", &self.back), ("new", added), ("changed", changed), ("gone", dropped)];
        for (what, ids) in all {
            if !ids.is_empty() {
                let ids: Vec<_> = ids.iter().map(NodeId::as_str).collect();
                write!(f, ", {what}: {}", ids.join(" "))?;
            }
        }
        for (place, Inherited { node, from }) in self.inherited.iter().enumerate() {
            match place {
                0 => write!(f, "; {node} begins with the weights of {from}")?,
                _ => write!(f, ", {node} with those of {from}")?,
            }
        }
        write!(f, "; {} candidates stay, {} retire", self.valid, self.retired)?;
        if self.returned > 0 {
            write!(f, ", {} are back", self.returned)?;
        }
        if self.stale > 0 {
            write!(f, ", {} are evaluated again before the search goes on", self.stale)?;
        }
        if !self.resting.is_empty() {
            let ids: Vec<_> = self.resting.iter().map(NodeId::as_str).collect();
            write!(f, "; what is asked of {} rests until it is back", ids.join(" "))?;
        }
        if self.forgotten > 0 {
            write!(f, "; the weights of {} removed nodes are forgotten", self.forgotten)?;
        }
        if !(added.is_empty() && changed.is_empty()) {
            write!(f, "; train on before the search, so that new nodes learn")?;
        }
        Ok(())
    }
}
