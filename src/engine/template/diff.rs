//! What has become of the nodes of a template, to be told.

use super::{Graph, NodeId};
use serde::{Deserialize, Serialize};

/// What has become of the nodes of a template.
///
/// A node stays if the edited template has one with the same id, the same operations and the same shape of
/// what enters it: then its weights fit, and in the same company it computes the same. Where it stands and
/// what its label says do not matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateDiff {
    /// Nodes that stay, in the order of the new template.
    pub kept: Vec<NodeId>,
    /// Nodes that are new.
    pub added: Vec<NodeId>,
    /// Nodes that are there with other operations or another input shape, and begin without weights.
    pub changed: Vec<NodeId>,
    /// Nodes that are gone.
    pub dropped: Vec<NodeId>,
}

impl TemplateDiff {
    /// Compares two templates.
    pub fn between(old: &Graph, new: &Graph) -> Self {
        let stays = |node: usize, twin: usize| {
            new.nodes()[node].computes() == old.nodes()[twin].computes()
                && new.input_shape(node) == old.input_shape(twin)
        };
        let (mut kept, mut added, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for node in 0..new.len() {
            let id = new.id(node).clone();
            match old.index_of(&id) {
                Some(twin) if stays(node, twin) => kept.push(id),
                Some(_) => changed.push(id),
                None => added.push(id),
            }
        }
        let dropped = old
            .nodes()
            .iter()
            .filter(|node| new.index_of(&node.id).is_none())
            .map(|node| node.id.clone())
            .collect();
        Self { kept, added, changed, dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        ops::{ActivationFunction, Op},
        template::{Link, Network, presets},
    };

    fn network() -> Network {
        let [small, ..] = presets();
        small.graph().expect("presets are right").network().as_ref().clone()
    }

    fn graph(network: Network) -> Graph {
        Graph::new(network).expect("a sound network")
    }

    #[test]
    fn nodes_stay_where_id_operations_and_input_do() {
        let before = network();
        let mut after = before.clone();
        let drop: NodeId = "c2-5x5".into();
        after.nodes.retain(|node| node.id != drop);
        after.links.retain(|Link(a, b)| *a != drop && *b != drop);
        let changed = after.nodes[3].id.clone();
        for op in after.nodes[3].ops.iter_mut() {
            if let Op::ConvBlock(block) = op {
                block.activation = ActivationFunction::Linear;
            }
        }
        after.nodes.reverse();
        let (before, after) = (graph(before), graph(after));
        let edit = TemplateDiff::between(&before, &after);
        assert_eq!(
            (&edit.changed, &edit.dropped, edit.added.len()),
            (&vec![changed], &vec![drop], 0)
        );
        assert_eq!(edit.kept.len(), before.len() - 2);
    }
}
