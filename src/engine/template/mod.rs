//! The template network: nodes joined by links, grouped into layers of parallel alternatives.
//!
//! A [`Template`] is what the user edits and what scene files hold: the [`Network`], which is all that it means, and the
//! [`Layout`], which is how it looks. Both may be wrong. A [`Graph`] is a network that has been checked, with
//! everything the engine needs worked out: order, neighbours, shapes, costs. A [`Checked`] template has its graph
//! with it; what only moves bricks keeps the graph.

mod analysis;
mod block;
mod checked;
mod diff;
mod edit;
mod file;
mod fit;
mod fixes;
mod fragment;
mod graph;
mod keys;
mod layout;
mod network;
mod place;
mod presets;
mod problem;

pub use analysis::{Analysis, NodeFacts};
pub use block::Block;
pub use checked::Checked;
pub use diff::TemplateDiff;
pub use edit::{Edit, Refusal};
#[cfg(test)]
pub(in crate::engine) use file::dialect;
pub use file::{FORMAT_VERSION, FileError, line_of, load, parse, read, save, to_ron};
pub use fit::{EndEdit, Ends, channels_last, fit, image_meant};
pub use fixes::{WITH_FIXES, fixes_of, mended};
pub use fragment::Fragment;
pub use graph::Graph;
pub use keys::{KeySet, KeyedGraph, NodeKey, NodeKeys};
pub use layout::{Group, Layout};
pub use network::{BlocksPerLayer, Link, Network, Node};
pub use place::BRICK;
pub use presets::{Preset, Stamp, presets, stamps};
pub use problem::{Fix, Problem, ProblemKind};

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

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

/// What scene files hold, and what is edited. Clones share network and layout, so that steps of undo are cheap.
#[derive(Clone, Debug, Default)]
pub struct Template {
    /// Short name, shown in menus and reports.
    pub name: String,
    /// One sentence on what the template is for.
    pub about: String,
    /// What it means.
    pub network: Arc<Network>,
    /// How it looks. After reading and after edits every node has a position.
    pub layout: Arc<Layout>,
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.about == other.about
            && same(&self.network, &other.network)
            && same(&self.layout, &other.layout)
    }
}

/// Whether two are equal, which needs no look where they are one.
pub(in crate::engine) fn same<T: PartialEq>(one: &Arc<T>, other: &Arc<T>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

impl Template {
    /// A template of this network, its nodes placed automatically.
    pub fn new(name: impl Into<String>, network: impl Into<Arc<Network>>) -> Self {
        let mut template = Self { name: name.into(), network: network.into(), ..Self::default() };
        template.place_missing();
        template
    }

    /// The node called `id`.
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.network.node(id)
    }

    /// Where the brick of a node stands on the plate: studs along the data flow, studs across it.
    pub fn position(&self, id: &NodeId) -> [f32; 2] {
        self.layout.positions.get(id).copied().unwrap_or_default()
    }

    /// What stands on the brick of a node in place of its operation's name, if anything does.
    pub fn label(&self, id: &NodeId) -> Option<&str> {
        self.layout.labels.get(id).map(String::as_str)
    }

    /// What a node is called on screen: its label, or what it does.
    pub fn title(&self, node: &Node) -> String {
        self.label(&node.id).map_or_else(|| node.title(), str::to_owned)
    }

    /// What there is to say of the template: of its network, of its looks, and the fixes of its first problems.
    pub fn analysis(&self) -> Analysis {
        let mut analysis = Analysis::of(&self.network);
        analysis.problems.extend(self.layout.problems(&self.network));
        fixes::add(self, &mut analysis);
        analysis
    }

    /// The network, to change it. It is a copy from then on, if others have the same.
    pub(in crate::engine) fn network_mut(&mut self) -> &mut Network {
        Arc::make_mut(&mut self.network)
    }

    fn layout_mut(&mut self) -> &mut Layout {
        Arc::make_mut(&mut self.layout)
    }

    /// Gives every node that has none a position, away from all others.
    fn place_missing(&mut self) {
        let places = place::missing(&self.network, &self.layout.positions);
        if !places.is_empty() {
            self.layout_mut().positions.extend(places);
        }
    }
}
