//! Names of nodes that outlast edits: one for every node that the templates of a run have ever had.

use super::{Block, Graph, NodeId};
use crate::engine::{
    mask::Mask,
    ops::{Merge, Shape},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// A node of a run. A key is given when the node first appears, and never to another one.
///
/// Nodes of two templates are the same if id, operations, merging, whether they are trained, and the shape of what
/// enters agree: then their weights fit, and in the same company they compute the same. A node that an edit removes and
/// a later one brings back has the key that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeKey(u32);

impl NodeKey {
    /// Its position in the order of appearance.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A set of nodes of a run, whichever templates have them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeySet(Arc<[NodeKey]>);

impl KeySet {
    /// The nodes, in the order of appearance.
    pub fn iter(&self) -> impl Iterator<Item = NodeKey> + '_ {
        self.0.iter().copied()
    }

    /// Whether it has this node.
    pub fn contains(&self, key: NodeKey) -> bool {
        self.0.binary_search(&key).is_ok()
    }
}

/// What tells a node from others.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    merge: Merge,
    ops: Block,
    trainable: bool,
    input: Option<Shape>,
    key: NodeKey,
}

/// Gives the nodes of a run their keys.
#[derive(Clone, Debug, Default)]
pub struct NodeKeys {
    known: BTreeMap<NodeId, Vec<Known>>,
    count: u32,
}

impl NodeKeys {
    /// A template with the keys of its nodes: new ones for those that no template had before.
    pub fn admit(&mut self, graph: Arc<Graph>) -> KeyedGraph {
        let keys: Vec<_> = (0..graph.len()).map(|node| self.key(&graph, node)).collect();
        let mut nodes = vec![None; self.count as usize];
        for (node, key) in keys.iter().enumerate() {
            nodes[key.index()] = Some(node);
        }
        KeyedGraph { graph, keys, nodes }
    }

    /// How many keys were given.
    pub fn given(&self) -> usize {
        self.count as usize
    }

    /// Gives up keys: nodes that would have them get new ones from here on.
    pub fn forget(&mut self, is_forgotten: impl Fn(NodeKey) -> bool) {
        for known in self.known.values_mut() {
            known.retain(|known| !is_forgotten(known.key));
        }
    }

    fn key(&mut self, graph: &Graph, node: usize) -> NodeKey {
        let (merge, ops, trainable) = graph.nodes()[node].computes();
        let input = graph.input_shape(node);
        let known = self.known.entry(graph.id(node).clone()).or_default();
        let same = |it: &&Known| {
            (it.merge, &it.ops, it.trainable, it.input) == (merge, ops, trainable, input)
        };
        if let Some(known) = known.iter().find(same) {
            return known.key;
        }
        let key = NodeKey(self.count);
        self.count += 1;
        known.push(Known { merge, ops: ops.clone(), trainable, input, key });
        key
    }
}

/// A template of a run with the keys of its nodes.
#[derive(Clone, Debug)]
pub struct KeyedGraph {
    graph: Arc<Graph>,
    /// By node index.
    keys: Vec<NodeKey>,
    /// By key; those given later are not there.
    nodes: Vec<Option<usize>>,
}

impl KeyedGraph {
    /// The first template of a run: keys are in the order of its nodes.
    pub fn first(graph: Arc<Graph>) -> Self {
        NodeKeys::default().admit(graph)
    }

    /// The template.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The keys, by node index.
    pub fn keys(&self) -> &[NodeKey] {
        &self.keys
    }

    /// The index of a node; `None` if this template does not have it.
    pub fn node(&self, key: NodeKey) -> Option<usize> {
        self.nodes.get(key.index()).copied().flatten()
    }

    /// The keys of a set of nodes of this template.
    pub fn keys_of(&self, mask: &Mask) -> KeySet {
        let mut keys: Vec<_> = mask.iter().map(|node| self.keys[node]).collect();
        keys.sort_unstable();
        KeySet(keys.into())
    }

    /// Those of a set of nodes that this template has.
    pub fn mask_of(&self, keys: &KeySet) -> Mask {
        Mask::from_nodes(self.graph.len(), keys.iter().filter_map(|key| self.node(key)))
    }

    /// Whether this template has all nodes of a set.
    pub fn has_all(&self, keys: &KeySet) -> bool {
        keys.iter().all(|key| self.node(key).is_some())
    }

    /// Whether the nodes of a set feed one another in both templates alike, in the same order; not if one of the
    /// templates lacks one of them.
    pub fn links_alike(&self, other: &Self, keys: &KeySet) -> bool {
        let feeds = |of: &Self, key: NodeKey| -> Option<Vec<NodeKey>> {
            let sources = of.graph.sources(of.node(key)?).iter().map(|&source| of.keys[source]);
            Some(sources.filter(|&source| keys.contains(source)).collect())
        };
        Arc::ptr_eq(&self.graph, &other.graph)
            || keys.iter().all(|key| match (feeds(self, key), feeds(other, key)) {
                (Some(ours), Some(theirs)) => ours == theirs,
                _ => false,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        candidate,
        ops::{ActivationFunction, Op},
        seed,
        template::{Link, Network, presets},
    };

    fn network() -> Network {
        let [small, ..] = presets();
        small.graph().expect("presets are right").network().as_ref().clone()
    }

    fn graph(network: Network) -> Arc<Graph> {
        Arc::new(Graph::new(network).expect("a sound network"))
    }

    fn without(network: &Network, id: &NodeId) -> Network {
        let mut network = network.clone();
        network.nodes.retain(|node| node.id != *id);
        network.links.retain(|Link(from, to)| from != id && to != id);
        network
    }

    #[test]
    fn a_node_that_comes_back_has_the_key_that_it_had_and_a_changed_one_has_another() {
        let before = network();
        let gone: NodeId = "c2-5x5".into();
        let mut other = before.clone();
        let changed = other.nodes[3].id.clone();
        for op in other.nodes[3].ops.iter_mut() {
            if let Op::ConvBlock(block) = op {
                block.activation = ActivationFunction::Linear;
            }
        }
        let mut reversed = before.clone();
        reversed.nodes.reverse();
        let mut keys = NodeKeys::default();
        let mut admit = |network: Network| keys.admit(graph(network));
        let first = admit(before.clone());
        let cut = admit(without(&before, &gone));
        let swapped = admit(other);
        let back = admit(reversed);
        assert_eq!(keys.given(), before.nodes.len() + 1);
        let key = |of: &KeyedGraph, id: &NodeId| of.keys()[of.graph().index_of(id).expect("there")];
        for node in &before.nodes {
            assert_eq!(key(&first, &node.id), key(&back, &node.id));
            if node.id != gone {
                assert_eq!(key(&first, &node.id), key(&cut, &node.id));
            }
            assert_eq!(key(&first, &node.id) == key(&swapped, &node.id), node.id != changed);
        }
        assert_eq!(cut.node(key(&first, &gone)), None);
        assert_eq!(first.node(key(&swapped, &changed)), None);
        // What is forgotten comes back as another node.
        let (old, other) = (key(&first, &gone), key(&first, &changed));
        keys.forget(|key| key == old);
        let again = keys.admit(graph(before));
        assert_ne!(key(&again, &gone), old);
        assert_eq!(key(&again, &changed), other);
    }

    #[test]
    fn a_set_is_the_same_in_every_template_that_has_its_nodes() {
        let before = network();
        let mut reversed = before.clone();
        reversed.nodes.reverse();
        let mut keys = NodeKeys::default();
        let (first, back) = (keys.admit(graph(before.clone())), keys.admit(graph(reversed)));
        for index in 0..20 {
            let mask = candidate::sample(first.graph(), &mut seed::rng(1, "test", index));
            let set = first.keys_of(&mask);
            assert_eq!(first.mask_of(&set), mask);
            assert_eq!(back.keys_of(&back.mask_of(&set)), set);
            assert!(back.has_all(&set) && back.links_alike(&first, &set));
            let some = mask.iter().find(|&node| first.graph().sources(node).len() > 1);
            let gone = first.graph().id(some.expect("layers have alternatives")).clone();
            let cut = keys.admit(graph(without(&before, &gone)));
            assert!(!cut.has_all(&set) && !cut.links_alike(&first, &set));
            assert_eq!(cut.mask_of(&set).len(), mask.len() - 1);
        }
    }

    #[test]
    fn a_link_between_two_nodes_of_a_set_counts_and_another_does_not() {
        let before = network();
        let graph_before = graph(before.clone());
        let path = candidate::sample_single_path(&graph_before, &mut seed::rng(1, "test", 0));
        let kept = |id: &NodeId| graph_before.index_of(id).is_some_and(|node| path.contains(node));
        // Of links that a template can do without: both ends have others.
        let spare = |Link(from, to): &&Link| {
            let node = |id| graph_before.index_of(id).expect("a node");
            graph_before.targets(node(from)).len() > 1 && graph_before.sources(node(to)).len() > 1
        };
        let mut keys = NodeKeys::default();
        let first = keys.admit(Arc::clone(&graph_before));
        let set = first.keys_of(&path);
        for inner in [true, false] {
            let of_path = |link: &&Link| (kept(&link.0) && kept(&link.1)) == inner;
            let cut = before.links.iter().filter(spare).find(of_path).expect("a link").clone();
            let mut after = before.clone();
            after.links.retain(|link| *link != cut);
            let after = keys.admit(graph(after));
            assert!(after.has_all(&set));
            assert_eq!(after.links_alike(&first, &set), !inner, "{cut}");
        }
    }
}
