//! Edits of templates as values: what a hand does in the window, what a fix does, what a command does.

use super::{Block, BlocksPerLayer, Fragment, Link, Node, NodeId, Template};
use crate::engine::ops::{FieldError, Merge, Op, Value};
use thiserror::Error;

/// One step of editing. Nodes and links are named, so that a list of edits means the same whatever came before it.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Adds a node without links.
    Add(Node),
    /// Takes nodes out, with their links. Healed, what fed each is linked to what it fed.
    Remove {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// Whether the gap is closed.
        heal: bool,
    },
    /// Gives a node another id, in its links as well.
    Rename {
        /// The node.
        node: NodeId,
        /// Its new id.
        id: NodeId,
    },
    /// Gives the node at a place of the list another id, in no link: for ids that are missing or occur twice.
    RenameAt {
        /// The place, from 0.
        place: usize,
        /// Its new id.
        id: NodeId,
    },
    /// Sets what stands on a brick.
    SetLabel {
        /// The node.
        node: NodeId,
        /// The label; none for the operation's own name.
        label: Option<String>,
    },
    /// Puts a node into another layer.
    SetLayer {
        /// The node.
        node: NodeId,
        /// The layer's number.
        layer: u32,
    },
    /// Puts a brick elsewhere on the plate.
    Move {
        /// The node.
        node: NodeId,
        /// Studs along the data flow, studs across it.
        position: [f32; 2],
    },
    /// Sets how a node joins its links.
    SetMerge {
        /// The node.
        node: NodeId,
        /// The way.
        merge: Merge,
    },
    /// Freezes nodes, or lets them be trained.
    SetTrainable {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// Whether training changes their weights.
        trainable: bool,
    },
    /// Gives an argument of an operation another value.
    SetField {
        /// The node.
        node: NodeId,
        /// The key of the operation.
        key: u32,
        /// The argument.
        field: String,
        /// Its new value.
        value: Value,
    },
    /// Puts an operation into a node's sequence, under a new key.
    InsertOp {
        /// The node.
        node: NodeId,
        /// Where in the sequence, from 0.
        place: usize,
        /// The operation.
        op: Op,
    },
    /// Takes an operation out of a node's sequence.
    RemoveOp {
        /// The node.
        node: NodeId,
        /// The key of the operation.
        key: u32,
    },
    /// Gives a node other operations.
    Replace {
        /// The node.
        node: NodeId,
        /// How it joins its links.
        merge: Merge,
        /// Its operations.
        ops: Block,
    },
    /// Links two nodes.
    Connect {
        /// Where data comes from.
        from: NodeId,
        /// Where it goes.
        to: NodeId,
        /// The slot at `to`; the last where it is left out.
        slot: Option<usize>,
    },
    /// Takes a link away; one, where it occurs twice.
    Disconnect(Link),
    /// Puts a node into a link: the link leads to it, and it takes the link's slot.
    InsertOnLink {
        /// The link.
        link: Link,
        /// The node.
        node: Node,
    },
    /// Makes room for a layer: the nodes of this layer and of all behind it move one layer on.
    InsertLayer {
        /// The layer that becomes free.
        at: u32,
    },
    /// Puts alternatives beside a node: in its layer, fed as it is, feeding what it feeds.
    FanOut {
        /// The node.
        node: NodeId,
        /// The alternatives; their layer is set.
        variants: Vec<Node>,
    },
    /// Puts a fragment in: with ids that are free, in layers of its own behind those that feed it. Links that lead
    /// straight from where it is fed to what it feeds give way to it.
    Paste {
        /// What is pasted.
        fragment: Fragment,
        /// What feeds its heads.
        from: Vec<NodeId>,
        /// What its tails feed.
        to: Vec<NodeId>,
        /// Where the middle of it stands; in front of everything where it is left out.
        position: Option<[f32; 2]>,
    },
    /// Sets how many blocks of a layer a candidate may keep.
    SetBlocksPerLayer(BlocksPerLayer),
    /// Says that the file is of this program's version.
    SetVersion(u32),
}

/// Why an edit cannot be made.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Refusal {
    /// There is no such node.
    #[error("there is no node `{0}`; the edit was made for another template")]
    NoNode(NodeId),
    /// There is no node at this place of the list.
    #[error("there is no node number {0}; the edit was made for another template")]
    NoPlace(usize),
    /// The id is another node's.
    #[error("there is a node `{0}` already; take another id")]
    Taken(NodeId),
    /// There is no such link.
    #[error("there is no link from `{}` to `{}`", .0.0, .0.1)]
    NoLink(Link),
    /// The link is there already.
    #[error("`{}` is linked to `{}` already", .0.0, .0.1)]
    Linked(Link),
    /// The node has no such operation.
    #[error("`{node}` has no operation {key}")]
    NoOp {
        /// The node.
        node: NodeId,
        /// The key, or the place, that was asked for.
        key: usize,
    },
    /// The operation does not take the value.
    #[error("`{node}`: {source}")]
    Field {
        /// The node.
        node: NodeId,
        /// Why.
        source: FieldError,
    },
    /// Layers are numbered as far as they can be.
    #[error("layer numbers end at {}", u32::MAX)]
    Layers,
}

impl Template {
    /// The template with these edits made, in order. It may be wrong in itself.
    ///
    /// # Errors
    /// The first edit that cannot be made.
    pub fn edited(&self, edits: &[Edit]) -> Result<Self, Refusal> {
        let mut template = self.clone();
        template.make_all(edits)?;
        Ok(template)
    }

    /// Makes the edits, up to the first that cannot be made.
    pub(super) fn make_all(&mut self, edits: &[Edit]) -> Result<(), Refusal> {
        edits.iter().try_for_each(|edit| self.make(edit))
    }

    fn place(&self, id: &NodeId) -> Result<usize, Refusal> {
        let place = self.nodes.iter().position(|node| node.id == *id);
        place.ok_or_else(|| Refusal::NoNode(id.clone()))
    }

    fn at(&mut self, id: &NodeId) -> Result<&mut Node, Refusal> {
        let place = self.place(id)?;
        Ok(&mut self.nodes[place])
    }

    fn free(&self, id: &NodeId) -> Result<(), Refusal> {
        match self.node(id) {
            Some(_) => Err(Refusal::Taken(id.clone())),
            None => Ok(()),
        }
    }

    fn make(&mut self, edit: &Edit) -> Result<(), Refusal> {
        match edit {
            Edit::Add(node) => {
                self.free(&node.id)?;
                self.nodes.push(node.clone());
            }
            Edit::Remove { nodes, heal } => {
                for id in nodes {
                    self.remove(id, *heal)?;
                }
            }
            Edit::Rename { node, id } => {
                if node != id {
                    self.free(id)?;
                }
                self.at(node)?.id = id.clone();
                for Link(from, to) in &mut self.links {
                    for end in [from, to] {
                        if end == node {
                            *end = id.clone();
                        }
                    }
                }
            }
            Edit::RenameAt { place, id } => {
                self.free(id)?;
                self.nodes.get_mut(*place).ok_or(Refusal::NoPlace(*place))?.id = id.clone();
            }
            Edit::SetLabel { node, label } => self.at(node)?.label.clone_from(label),
            Edit::SetLayer { node, layer } => self.at(node)?.layer = *layer,
            Edit::Move { node, position } => self.at(node)?.position = *position,
            Edit::SetMerge { node, merge } => self.at(node)?.merge = *merge,
            Edit::SetTrainable { nodes, trainable } => {
                for id in nodes {
                    self.at(id)?.trainable = *trainable;
                }
            }
            Edit::SetField { node, key, field, value } => {
                let no_op = Refusal::NoOp { node: node.clone(), key: *key as usize };
                let op = self.at(node)?.ops.by_key_mut(*key).ok_or(no_op)?;
                op.set(field, value)
                    .map_err(|source| Refusal::Field { node: node.clone(), source })?;
            }
            Edit::InsertOp { node, place, op } => {
                let block = &mut self.at(node)?.ops;
                if *place > block.len() {
                    return Err(Refusal::NoOp { node: node.clone(), key: *place });
                }
                block.insert(*place, op.clone());
            }
            Edit::RemoveOp { node, key } => {
                let no_op = Refusal::NoOp { node: node.clone(), key: *key as usize };
                let block = &mut self.at(node)?.ops;
                let place = block.keyed().position(|(found, _)| found == *key).ok_or(no_op)?;
                block.remove(place);
            }
            Edit::Replace { node, merge, ops } => {
                let node = self.at(node)?;
                (node.merge, node.ops) = (*merge, ops.clone());
            }
            Edit::Connect { from, to, slot } => {
                self.place(from)?;
                self.place(to)?;
                let link = Link(from.clone(), to.clone());
                if self.links.contains(&link) {
                    return Err(Refusal::Linked(link));
                }
                let into = self.links.iter().enumerate().filter(|(_, link)| link.1 == *to);
                let place = slot.and_then(|slot| into.map(|(place, _)| place).nth(slot));
                self.links.insert(place.unwrap_or(self.links.len()), link);
            }
            Edit::Disconnect(link) => {
                let place = self.links.iter().rposition(|found| found == link);
                self.links.remove(place.ok_or_else(|| Refusal::NoLink(link.clone()))?);
            }
            Edit::InsertOnLink { link, node } => {
                self.free(&node.id)?;
                let place = self.links.iter().position(|found| found == link);
                let place = place.ok_or_else(|| Refusal::NoLink(link.clone()))?;
                self.nodes.push(node.clone());
                self.links[place] = Link(node.id.clone(), link.1.clone());
                self.links.insert(place, Link(link.0.clone(), node.id.clone()));
            }
            Edit::InsertLayer { at } => {
                for node in self.nodes.iter_mut().filter(|node| node.layer >= *at) {
                    node.layer = node.layer.checked_add(1).ok_or(Refusal::Layers)?;
                }
            }
            Edit::FanOut { node, variants } => {
                let layer = self.at(node)?.layer;
                for variant in variants {
                    self.free(&variant.id)?;
                    self.nodes.push(Node { layer, ..variant.clone() });
                    let twins: Vec<_> = self
                        .links
                        .iter()
                        .filter_map(|Link(from, to)| {
                            let id = || variant.id.clone();
                            match (from == node, to == node) {
                                (true, false) => Some(Link(id(), to.clone())),
                                (false, true) => Some(Link(from.clone(), id())),
                                (true, true) | (false, false) => None,
                            }
                        })
                        .collect();
                    self.links.extend(twins);
                }
            }
            Edit::Paste { fragment, from, to, position } => {
                self.paste(fragment, from, to, *position)?;
            }
            Edit::SetBlocksPerLayer(blocks) => self.blocks_per_layer = *blocks,
            Edit::SetVersion(version) => self.version = *version,
        }
        Ok(())
    }

    fn remove(&mut self, id: &NodeId, heal: bool) -> Result<(), Refusal> {
        let place = self.place(id)?;
        self.nodes.remove(place);
        let fed: Vec<_> = self.links.iter().filter(|link| link.1 == *id).cloned().collect();
        let feeds: Vec<_> = self.links.iter().filter(|link| link.0 == *id).cloned().collect();
        if heal {
            // Each new link takes the slot of the one that it replaces.
            for Link(_, to) in &feeds {
                let place = self.links.iter().position(|link| link.0 == *id && link.1 == *to);
                let mut place = place.unwrap_or(self.links.len());
                for Link(from, _) in &fed {
                    let link = Link(from.clone(), to.clone());
                    if from != id && to != id && !self.links.contains(&link) {
                        self.links.insert(place, link);
                        place += 1;
                    }
                }
            }
        }
        self.links.retain(|Link(from, to)| from != id && to != id);
        Ok(())
    }

    /// An id that no node has: `stem`, or with a number behind it.
    pub fn free_id(&self, stem: &str) -> NodeId {
        let mut number = 1;
        loop {
            let id = match number {
                1 => NodeId::new(stem),
                number => NodeId::new(format!("{stem}-{number}")),
            };
            if self.node(&id).is_none() {
                return id;
            }
            number += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        ops::samples::{dense, input},
        template::{FORMAT_VERSION, Graph},
    };
    use proptest::prelude::*;

    fn link(from: &str, to: &str) -> Link {
        Link(from.into(), to.into())
    }

    /// in -> a -> out, in -> b -> out.
    fn template() -> Template {
        let node = |id: &str, layer, ops: Vec<Op>| Node::new(id, layer, ops);
        Template {
            version: FORMAT_VERSION,
            name: "test".to_owned(),
            about: String::new(),
            blocks_per_layer: BlocksPerLayer::One,
            nodes: vec![
                node("in", 0, vec![input([1, 2, 2]), Op::Flatten]),
                node("a", 1, vec![dense(3)]),
                node("b", 1, vec![dense(3)]),
                node("out", 2, vec![dense(2), Op::Output]),
            ],
            links: vec![link("in", "a"), link("in", "b"), link("a", "out"), link("b", "out")],
        }
    }

    #[test]
    fn a_removed_node_is_healed_in_its_slot() {
        let removed = template()
            .edited(&[Edit::Remove { nodes: vec!["a".into()], heal: true }])
            .expect("goes");
        assert_eq!(removed.links, [link("in", "b"), link("in", "out"), link("b", "out")]);
        let cut = template()
            .edited(&[Edit::Remove { nodes: vec!["a".into()], heal: false }])
            .expect("goes");
        assert_eq!(cut.links, [link("in", "b"), link("b", "out")]);
    }

    #[test]
    fn a_node_on_a_link_and_an_alternative_give_a_sound_template() {
        let edited = template()
            .edited(&[
                Edit::InsertLayer { at: 2 },
                Edit::InsertOnLink {
                    link: link("a", "out"),
                    node: Node::new("c", 2, vec![dense(3)]),
                },
                Edit::FanOut {
                    node: "c".into(),
                    variants: vec![Node::new("d", 9, vec![dense(3)])],
                },
            ])
            .expect("goes");
        let graph = Graph::new(edited).expect("is sound");
        let ids =
            |nodes: &[usize]| nodes.iter().map(|&n| graph.id(n).to_string()).collect::<Vec<_>>();
        let layers: Vec<_> = graph.layers().iter().map(|layer| ids(layer)).collect();
        assert_eq!(layers, [vec!["in"], vec!["a", "b"], vec!["c", "d"], vec!["out"]]);
        let out = graph.index_of(&"out".into()).expect("is there");
        assert_eq!(ids(graph.sources(out)), ["c", "b", "d"]);
    }

    #[test]
    fn what_cannot_be_done_is_refused_and_changes_nothing() {
        let refused = |edit: Edit| template().edited(&[edit]).expect_err("is refused").to_string();
        let no = refused(Edit::Remove { nodes: vec!["x".into()], heal: true });
        assert!(no.contains("no node `x`"), "{no}");
        let taken = refused(Edit::Rename { node: "a".into(), id: "b".into() });
        assert!(taken.contains("node `b` already"), "{taken}");
        let linked = refused(Edit::Connect { from: "in".into(), to: "a".into(), slot: None });
        assert!(linked.contains("linked to `a` already"), "{linked}");
        let field = refused(Edit::SetField {
            node: "a".into(),
            key: 0,
            field: "units".to_owned(),
            value: Value::Count(0),
        });
        assert!(field.contains("`a`: the units of dense cannot be 0"), "{field}");
        let op = refused(Edit::RemoveOp { node: "a".into(), key: 7 });
        assert!(op.contains("no operation 7"), "{op}");
    }

    #[test]
    fn renaming_takes_the_links_along() {
        let renamed =
            template().edited(&[Edit::Rename { node: "a".into(), id: "z".into() }]).expect("goes");
        assert_eq!(renamed.links[0], link("in", "z"));
        assert_eq!(renamed.links[2], link("z", "out"));
        assert_eq!(renamed.free_id("b"), "b-2".into());
    }

    /// Any edit, of nodes that may not be there.
    fn any_edit() -> impl Strategy<Value = Edit> {
        let id =
            || prop::sample::select(vec!["in", "a", "b", "out", "c", ""]).prop_map(NodeId::new);
        let any_node =
            (id(), 0..4_u32).prop_map(|(id, layer)| Node::new(id, layer, vec![dense(3)]));
        prop_oneof![
            any_node.prop_map(Edit::Add),
            (id(), any::<bool>()).prop_map(|(id, heal)| Edit::Remove { nodes: vec![id], heal }),
            (id(), id()).prop_map(|(node, id)| Edit::Rename { node, id }),
            (0..6_usize, id()).prop_map(|(place, id)| Edit::RenameAt { place, id }),
            (id(), any::<u32>()).prop_map(|(node, layer)| Edit::SetLayer { node, layer }),
            (id(), id(), prop::option::of(0..9_usize)).prop_map(|(from, to, slot)| Edit::Connect {
                from,
                to,
                slot
            }),
            (id(), id()).prop_map(|(from, to)| Edit::Disconnect(Link(from, to))),
            (id(), 0..5_usize).prop_map(|(node, place)| Edit::InsertOp {
                node,
                place,
                op: Op::Flatten
            }),
            (id(), 0..5_u32).prop_map(|(node, key)| Edit::RemoveOp { node, key }),
            any::<u32>().prop_map(|at| Edit::InsertLayer { at }),
        ]
    }

    proptest! {
        #[test]
        fn edits_never_panic_and_what_they_give_can_be_checked(
            edits in prop::collection::vec(any_edit(), 1..12)
        ) {
            let mut template = template();
            for edit in edits {
                if let Ok(edited) = template.edited(&[edit]) {
                    template = edited;
                }
            }
            let _checked = Graph::new(template);
        }
    }
}
