//! What a template means: nodes with operations, and links. How it looks is in the [`Layout`](super::Layout).

use super::{Block, NodeId, block::Elements};
use crate::engine::ops::{Face, Family, Merge, Op};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many blocks of one layer a candidate may keep. Where links lead past a layer, it may also keep none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlocksPerLayer {
    /// Exactly one.
    #[default]
    One,
    /// One to this many.
    UpTo(usize),
    /// One to all.
    Any,
}

impl BlocksPerLayer {
    /// The largest number of blocks that may be kept of a layer with `alternatives` nodes.
    pub fn limit(self, alternatives: usize) -> usize {
        match self {
            Self::One => 1,
            Self::UpTo(most) => most.clamp(1, alternatives),
            Self::Any => alternatives,
        }
    }
}

/// One node; on screen, a brick.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "WrittenNode")]
pub struct Node {
    /// Unique name, used by links and journals.
    pub id: NodeId,
    /// Nodes with the same number are alternatives of one another.
    pub layer: u32,
    /// How what the links bring is joined.
    pub merge: Merge,
    /// The operations, applied in order.
    pub ops: Block,
    /// Whether training changes its weights.
    pub trainable: bool,
}

/// A node as scene files have it.
#[derive(Clone, Serialize)]
#[serde(rename = "Node")]
struct WrittenNode {
    id: NodeId,
    layer: u32,
    ops: Elements,
    #[serde(skip_serializing_if = "is_true")]
    trainable: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_true(value: &bool) -> bool {
    *value
}

impl From<Node> for WrittenNode {
    fn from(node: Node) -> Self {
        let Node { id, layer, merge, ops: block, trainable } = node;
        Self { id, layer, ops: Elements { merge, block }, trainable }
    }
}

impl Node {
    /// A node with these operations, which takes the mean of its links and is trained.
    pub fn new(id: impl Into<NodeId>, layer: u32, ops: impl Into<Block>) -> Self {
        Self { id: id.into(), layer, merge: Merge::Mean, ops: ops.into(), trainable: true }
    }

    /// Its most telling operation: that of the family which colours the brick, the first of them.
    pub fn lead(&self) -> Option<&Op> {
        self.ops.iter().min_by_key(|op| op.family().rank())
    }

    /// What the brick says: its most telling operation with its key argument, or how it merges where it has none.
    pub fn title(&self) -> String {
        match (self.lead(), self.ops.len()) {
            (None, _) => self.merge.name().to_owned(),
            (Some(op), 1) => op.to_string(),
            (Some(op), count) => format!("{op} +{}", count - 1),
        }
    }

    /// What stands on the brick for each of its operations; for the way it merges where it has none.
    pub fn faces(&self) -> Vec<Face> {
        if self.ops.is_empty() {
            return vec![Face { name: self.merge.name(), ..Face::default() }];
        }
        self.ops.iter().map(Op::face).collect()
    }

    /// The family that colours the brick: that of the most telling operation.
    pub fn family(&self) -> Family {
        let families = self.ops.iter().map(Op::family);
        let merges = (self.merge != Merge::Mean || self.ops.is_empty()).then_some(Family::Merge);
        families.chain(merges).min_by_key(|family| family.rank()).unwrap_or(Family::Merge)
    }

    /// What two nodes must have in common to compute the same with the same weights.
    pub(in crate::engine) fn computes(&self) -> (Merge, &Block, bool) {
        (self.merge, &self.ops, self.trainable)
    }
}

/// A link that carries data from the first node to the second; written `("from", "to")` in files.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link(pub NodeId, pub NodeId);

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` -> `{}`", self.0, self.1)
    }
}

/// The super-graph whose subgraphs are the candidates. It may be wrong. Two networks are equal if they compute the same
/// by the same names.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Network {
    /// How many blocks of one layer a candidate may keep. Where links lead past a layer, it may also keep none.
    pub blocks_per_layer: BlocksPerLayer,
    /// The nodes; their order gives the indices that masks use.
    pub nodes: Vec<Node>,
    /// The links.
    pub links: Vec<Link>,
}

impl Network {
    /// The node called `id`.
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == *id)
    }

    /// The node called `id`, to change it.
    pub fn node_mut(&mut self, id: &NodeId) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.id == *id)
    }
}
