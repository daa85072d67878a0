//! What can be wrong with a template, and the edits that would mend it.

use super::{Edit, Link, NodeId};
use crate::engine::ops::{MisfitKind, Shape};
use std::fmt;

/// One thing that is wrong with a template, and what to do about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Its kind, for programs.
    pub kind: ProblemKind,
    /// The nodes it is about; empty when it is about the whole template.
    pub nodes: Vec<NodeId>,
    /// The mistake, as a sentence.
    pub what: String,
    /// Advice on what to do.
    pub fix: String,
    /// Edits of which each mends it, the least surprising first.
    pub fixes: Vec<Fix>,
}

/// Edits that mend a problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Fix {
    /// What they do, in words that begin with a verb.
    pub title: String,
    /// The edits, to be made together.
    pub edits: Vec<Edit>,
}

/// Kinds of problems.
#[derive(Clone, Debug, PartialEq)]
pub enum ProblemKind {
    /// A node has no id.
    NoId {
        /// The node's place in the list.
        place: usize,
    },
    /// Several nodes have one id.
    SharedId,
    /// An operation stands where it cannot.
    Place {
        /// The key of the operation.
        key: u32,
    },
    /// There is no input.
    NoInput,
    /// There is no output.
    NoOutput,
    /// There are several inputs.
    SeveralInputs,
    /// There are several outputs.
    SeveralOutputs,
    /// A link names a node that does not exist.
    LinkToNothing(Link),
    /// A link leads from a node to itself.
    LinkToItself(Link),
    /// A link joins two nodes of one layer.
    LinkWithinLayer(Link),
    /// A link occurs twice.
    LinkTwice(Link),
    /// A head or a tail of a [`Fragment`](super::Fragment) that does not exist.
    LooseEnd,
    /// Nodes feed one another in a circle.
    Cycle,
    /// No path leads from the input to a node.
    NotFed,
    /// No path leads from a node to the output.
    LeadsNowhere,
    /// A node is on no path at all.
    Apart,
    /// The input's channels are probably last.
    ChannelsLast {
        /// Channels, height, width.
        shape: [usize; 3],
    },
    /// Shapes that meet at a node cannot be joined.
    Merge,
    /// An operation does not fit what enters it.
    Op {
        /// The key of the operation.
        key: u32,
        /// The shape that enters it.
        input: Option<Shape>,
        /// Why it does not fit.
        misfit: MisfitKind,
    },
    /// A brick stands nowhere.
    Position,
    /// The layout names what is no node.
    LooksOfNothing,
}

impl ProblemKind {
    /// Problems of a later stage may come from those of an earlier one.
    pub(super) fn stage(&self) -> u8 {
        match self {
            Self::NoId { .. }
            | Self::SharedId
            | Self::Place { .. }
            | Self::NoInput
            | Self::NoOutput
            | Self::SeveralInputs
            | Self::SeveralOutputs
            | Self::Op { input: None, misfit: MisfitKind::Argument { .. }, .. } => 0,
            Self::LinkToNothing(_)
            | Self::LinkToItself(_)
            | Self::LinkWithinLayer(_)
            | Self::LinkTwice(_)
            | Self::LooseEnd => 1,
            Self::Cycle => 2,
            Self::NotFed | Self::LeadsNowhere | Self::Apart => 3,
            Self::ChannelsLast { .. } | Self::Merge | Self::Op { .. } => 4,
            Self::Position | Self::LooksOfNothing => 5,
        }
    }
}

impl Problem {
    pub(super) fn new(
        kind: ProblemKind,
        nodes: &[&NodeId],
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            nodes: nodes.iter().map(|&id| id.clone()).collect(),
            what: what.into(),
            fix: fix.into(),
            fixes: Vec::new(),
        }
    }
}

/// The most nodes that a problem names.
const NAMED: usize = 10;

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.nodes.is_empty() {
            let names: Vec<_> = self.nodes.iter().take(NAMED).map(|id| format!("`{id}`")).collect();
            write!(f, "{}", names.join(", "))?;
            match self.nodes.len().saturating_sub(NAMED) {
                0 => f.write_str(": ")?,
                more => write!(f, " and {more} more: ")?,
            }
        }
        write!(f, "{}; {}", self.what, self.fix)
    }
}
