//! The template network: nodes joined by links, grouped into layers of parallel alternatives.
//!
//! A [`Template`] is what the user edits and what scene files hold; it may be wrong. A [`Graph`] is a
//! template that has been checked, with everything the engine needs worked out: order, neighbours,
//! shapes, costs.

mod analysis;
mod block;
mod diff;
mod edit;
mod file;
mod fit;
mod fixes;
mod fragment;
mod graph;
mod presets;
mod problem;

pub use analysis::{Analysis, NodeFacts};
pub use block::Block;
pub use diff::TemplateDiff;
pub use edit::{Edit, Refusal};
#[cfg(test)]
pub(in crate::engine) use file::dialect;
pub use file::{FileError, load, parse, read, save, to_ron};
pub use fit::{EndEdit, Ends, channels_last, fit};
pub use fixes::mended;
pub use fragment::Fragment;
pub use graph::Graph;
pub use presets::{Preset, Stamp, presets, stamps};
pub use problem::{Fix, Problem, ProblemKind};

use super::ops::{Face, Family, Merge, Op};
use block::Elements;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The version of the scene format that this program writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 2;

/// The name of a node, unique within its template. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// The id with this text.
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(id.as_ref().into())
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<String> for NodeId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        id.as_str().to_owned()
    }
}

impl From<&str> for NodeId {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

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

/// One node of the template; on screen, a brick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "WrittenNode", into = "WrittenNode")]
pub struct Node {
    /// Unique name, used by links and journals.
    pub id: NodeId,
    /// What stands on the brick; the operation's own name where it is left out.
    pub label: Option<String>,
    /// Nodes with the same number are alternatives of one another.
    pub layer: u32,
    /// How what the links bring is joined.
    pub merge: Merge,
    /// The operations, applied in order.
    pub ops: Block,
    /// Whether training changes its weights.
    pub trainable: bool,
    /// Where the brick stands on the plate: studs along the data flow, studs across it.
    pub position: [f32; 2],
}

/// A node as scene files have it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename = "Node", deny_unknown_fields)]
struct WrittenNode {
    id: NodeId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    layer: u32,
    ops: Elements,
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    trainable: bool,
    position: [f32; 2],
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_true(value: &bool) -> bool {
    *value
}

impl From<WrittenNode> for Node {
    fn from(written: WrittenNode) -> Self {
        let WrittenNode { id, label, layer, ops: Elements { merge, block }, trainable, position } =
            written;
        Self { id, label, layer, merge, ops: block, trainable, position }
    }
}

impl From<Node> for WrittenNode {
    fn from(node: Node) -> Self {
        let Node { id, label, layer, merge, ops: block, trainable, position } = node;
        Self { id, label, layer, ops: Elements { merge, block }, trainable, position }
    }
}

impl Node {
    /// A node with these operations, where the plate begins; it takes the mean of its links and is trained.
    pub fn new(id: impl Into<NodeId>, layer: u32, ops: impl Into<Block>) -> Self {
        Self {
            id: id.into(),
            label: None,
            layer,
            merge: Merge::Mean,
            ops: ops.into(),
            trainable: true,
            position: [0.0; 2],
        }
    }

    /// What the brick says: the label, or the first operation with its key argument.
    pub fn title(&self) -> String {
        match (&self.label, &*self.ops) {
            (Some(label), _) => label.clone(),
            (None, []) => self.merge.name().to_owned(),
            (None, [op]) => op.to_string(),
            (None, [op, rest @ ..]) => format!("{op} +{}", rest.len()),
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

/// The super-graph whose subgraphs are the candidates, as edited and as stored in `scenes/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Version of the file format, [`FORMAT_VERSION`].
    pub version: u32,
    /// Short name, shown in menus and reports.
    pub name: String,
    /// One sentence on what the template is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// How many blocks of one layer a candidate may keep. Where links lead past a layer, it may also keep none.
    #[serde(default)]
    pub blocks_per_layer: BlocksPerLayer,
    /// The nodes; their order gives the indices that masks use.
    pub nodes: Vec<Node>,
    /// The links.
    pub links: Vec<Link>,
}

impl Template {
    /// The node called `id`.
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == *id)
    }

    /// Whether `other` is the same network: it may differ in names, labels and in where nodes stand.
    pub fn is_same_network(&self, other: &Self) -> bool {
        let same = |(a, b): (&Node, &Node)| {
            (&a.id, a.layer, a.computes()) == (&b.id, b.layer, b.computes())
        };
        self.blocks_per_layer == other.blocks_per_layer
            && self.links == other.links
            && self.nodes.len() == other.nodes.len()
            && self.nodes.iter().zip(&other.nodes).all(same)
    }

    /// The node called `id`, to change it.
    pub fn node_mut(&mut self, id: &NodeId) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.id == *id)
    }
}
