//! What an edit leaves of a template, so that what is known of the nodes that stay can be kept.

use super::{Graph, NodeId};
use crate::engine::mask::Mask;

/// What has become of the nodes of a template.
///
/// A node stays if the edited template has one with the same id, the same operations and the same shape of
/// what enters it: then its weights fit, and in the same company it computes the same. Where it stands and
/// what its label says do not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateDiff {
    /// For each node of the old template its index in the new one, if it stays.
    stays: Vec<Option<usize>>,
    /// Nodes of the new template.
    new_count: usize,
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
        let stays: Vec<_> = (0..old.len())
            .map(|node| {
                new.index_of(old.id(node)).filter(|&twin| {
                    new.nodes()[twin].computes() == old.nodes()[node].computes()
                        && new.input_shape(twin) == old.input_shape(node)
                })
            })
            .collect();
        let (mut kept, mut added, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for node in new.nodes() {
            match old.index_of(&node.id) {
                Some(twin) if stays[twin].is_some() => kept.push(node.id.clone()),
                Some(_) => changed.push(node.id.clone()),
                None => added.push(node.id.clone()),
            }
        }
        let dropped = old
            .nodes()
            .iter()
            .filter(|node| new.index_of(&node.id).is_none())
            .map(|node| node.id.clone())
            .collect();
        Self { stays, new_count: new.len(), kept, added, changed, dropped }
    }

    /// Where a node of the old template is in the new one; `None` if it has not stayed.
    pub fn stays(&self, node: usize) -> Option<usize> {
        self.stays[node]
    }

    /// What is left of a set of nodes of the old template.
    pub fn carry(&self, mask: &Mask) -> Mask {
        Mask::from_nodes(self.new_count, mask.iter().filter_map(|node| self.stays[node]))
    }

    /// Values that belong to the nodes of the old template, for those of the new one.
    pub fn carry_values<T: Clone>(&self, values: &[T], of_new: &T) -> Vec<T> {
        let mut carried = vec![of_new.clone(); self.new_count];
        for (value, stays) in values.iter().zip(&self.stays) {
            if let Some(node) = stays {
                carried[*node] = value.clone();
            }
        }
        carried
    }

    /// Whether the nodes of the old template in `before`, which are those of the new one in `after`, are fed by
    /// one another as they were, in the same order.
    pub fn keeps_links(&self, old: &Graph, before: &Mask, new: &Graph, after: &Mask) -> bool {
        before.iter().all(|node| {
            let Some(twin) = self.stays[node] else { return false };
            let fed = old.sources(node).iter().filter(|&&source| before.contains(source));
            let feeds = new.sources(twin).iter().filter(|&&source| after.contains(source));
            fed.map(|&source| self.stays[source]).eq(feeds.map(|&source| Some(source)))
        })
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
        for node in 0..before.len() {
            if let Some(twin) = edit.stays(node) {
                assert_eq!(before.id(node), after.id(twin));
            }
        }
        let all: Vec<_> = (0..before.len()).collect();
        let carried = edit.carry_values(&all, &usize::MAX);
        assert_eq!(carried.iter().filter(|&&old| old == usize::MAX).count(), 1);
        assert_eq!(edit.carry(&Mask::full(before.len())).len(), before.len() - 2);
    }

    #[test]
    fn a_link_between_two_kept_nodes_changes_what_they_compute() {
        let before = network();
        let mut after = before.clone();
        after.links.swap(0, 1);
        let link = after.links.pop().expect("there are links");
        after.links.insert(0, link);
        let (before, after) = (graph(before), graph(after));
        let edit = TemplateDiff::between(&before, &after);
        let all = Mask::full(before.len());
        // One alternative a layer is fed by one other: the order of links does not matter to it.
        let path = crate::engine::candidate::sample_single_path(
            &before,
            &mut crate::engine::seed::rng(1, "test", 0),
        );
        assert!(edit.keeps_links(&before, &path, &after, &edit.carry(&path)));
        assert!(edit.keeps_links(&before, &all, &before, &all));
        let mut skip = before.network().as_ref().clone();
        let cut =
            skip.links.iter().position(|link| path_has(&before, &path, link)).expect("a link");
        let Link(from, to) = skip.links[cut].clone();
        skip.links.retain(|link| !(link.0 == from && link.1 == to));
        if let Ok(skip) = Graph::new(skip) {
            let edit = TemplateDiff::between(&before, &skip);
            assert!(!edit.keeps_links(&before, &path, &skip, &edit.carry(&path)));
        } else {
            panic!("the preset has alternatives for every link");
        }
    }

    fn path_has(graph: &Graph, path: &Mask, Link(a, b): &Link) -> bool {
        let has = |id| graph.index_of(id).is_some_and(|node| path.contains(node));
        has(a)
            && has(b)
            && graph.targets(graph.index_of(a).expect("a node")).len() > 1
            && graph.sources(graph.index_of(b).expect("a node")).len() > 1
    }
}
