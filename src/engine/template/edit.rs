//! Edits of templates as values: what a hand does in the window, what a fix does, what a command does.

use super::{Block, BlocksPerLayer, Fragment, Link, Network, Node, NodeId, Template};
use crate::engine::ops::{FieldError, Merge, Op, Value};
use std::{borrow::Cow, collections::HashSet};
use thiserror::Error;

/// One step of editing. Nodes and links are named, so that a list of edits means the same whatever came before it.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Adds a node without links. Where it stands follows from its layer, unless a [`Move`](Self::Move) says it.
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
    /// Gives the nodes at some places of the list, from 0, other ids, in no link: for ids that are missing or shared.
    GiveIds(Vec<(usize, NodeId)>),
    /// Puts a node into another layer.
    SetLayer {
        /// The node.
        node: NodeId,
        /// The layer's number.
        layer: u32,
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
        /// The fragment that is pasted.
        fragment: Fragment,
        /// The nodes that feed its heads.
        from: Vec<NodeId>,
        /// The nodes that its tails feed.
        to: Vec<NodeId>,
        /// Where the middle of it stands; in front of everything where it is left out.
        position: Option<[f32; 2]>,
    },
    /// Sets how many blocks of a layer a candidate may keep.
    SetBlocksPerLayer(BlocksPerLayer),
    /// Puts a brick elsewhere on the plate.
    Move {
        /// The node.
        node: NodeId,
        /// Studs along the data flow, studs across it.
        position: [f32; 2],
    },
    /// Sets what stands on a brick.
    SetLabel {
        /// The node.
        node: NodeId,
        /// The label; none for the operation's own name.
        label: Option<String>,
    },
    /// Puts nodes into a group, which is made where there is none of this title, and out of all others.
    Group {
        /// The group's title.
        title: String,
        /// The nodes.
        nodes: Vec<NodeId>,
    },
    /// Takes nodes out of a group. An empty group goes.
    Ungroup {
        /// The group's title.
        title: String,
        /// The nodes; all of them where this is empty.
        nodes: Vec<NodeId>,
    },
    /// Draws a group as one, or its bricks.
    SetCollapsed {
        /// The group's title.
        title: String,
        /// Whether it is drawn as one.
        collapsed: bool,
    },
    /// Forgets where nodes stand, so that they get new places; of ids that no node has, all that the layout says.
    ForgetLooks {
        /// The ids.
        nodes: Vec<NodeId>,
    },
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
    #[error("there is no link from `{}` to `{}`; the edit was made for another template", .0.0, .0.1)]
    NoLink(Link),
    /// The link is there already.
    #[error("`{}` is linked to `{}` already; one link is enough", .0.0, .0.1)]
    Linked(Link),
    /// The node has no such operation.
    #[error("`{node}` has no operation {key}; the edit was made for another template")]
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
    #[error("layer numbers end at {}; use lower ones", u32::MAX)]
    Layers,
    /// A brick cannot stand there.
    #[error("`{0}` cannot stand there; a position is two numbers, in studs")]
    Nowhere(NodeId),
    /// A group has no title.
    #[error("a group needs a title; give it one")]
    NoTitle,
    /// There is no such group.
    #[error("there is no group `{0}`; give the title of one that the template has")]
    NoGroup(String),
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
        let made = edits.iter().try_for_each(|edit| self.make(edit));
        // Once for all of them, since the whole plate has to be looked at.
        self.place_missing();
        made
    }

    /// Makes one edit. A node that it adds has no position yet.
    pub(super) fn make(&mut self, edit: &Edit) -> Result<(), Refusal> {
        match edit {
            Edit::Add(node) => {
                self.free(&node.id)?;
                self.network_mut().nodes.push(node.clone());
            }
            Edit::Remove { nodes, heal } => {
                for id in nodes {
                    self.network_mut().remove(id, *heal)?;
                    self.forget_unused(id);
                }
            }
            Edit::Rename { node, id } => {
                self.network.place(node)?;
                if node != id {
                    self.free(id)?;
                    self.network_mut().rename(node, id)?;
                    // Unless another node has the old one, too.
                    if self.node(node).is_none() {
                        self.layout_mut().rename(node, id);
                    }
                }
            }
            Edit::GiveIds(ids) => self.give_ids(ids)?,
            Edit::SetLayer { node, layer } => self.at(node)?.layer = *layer,
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
            Edit::Connect { from, to, slot } => self.network_mut().connect(from, to, *slot)?,
            Edit::Disconnect(link) => {
                let links = &mut self.network_mut().links;
                let place = links.iter().rposition(|found| found == link);
                links.remove(place.ok_or_else(|| Refusal::NoLink(link.clone()))?);
            }
            Edit::InsertOnLink { link, node } => {
                self.free(&node.id)?;
                let Network { nodes, links, .. } = self.network_mut();
                let place = links.iter().position(|found| found == link);
                let place = place.ok_or_else(|| Refusal::NoLink(link.clone()))?;
                nodes.push(node.clone());
                links[place] = Link(node.id.clone(), link.1.clone());
                links.insert(place, Link(link.0.clone(), node.id.clone()));
            }
            Edit::InsertLayer { at } => {
                for node in self.network_mut().nodes.iter_mut().filter(|node| node.layer >= *at) {
                    node.layer = node.layer.checked_add(1).ok_or(Refusal::Layers)?;
                }
            }
            Edit::FanOut { node, variants } => {
                for variant in variants {
                    self.free(&variant.id)?;
                    self.network_mut().add_alternative(node, variant)?;
                }
            }
            Edit::Paste { fragment, from, to, position } => {
                self.paste(fragment, from, to, *position)?;
            }
            Edit::SetBlocksPerLayer(blocks) => self.network_mut().blocks_per_layer = *blocks,
            Edit::Move { node, position } => {
                self.network.place(node)?;
                if !position.iter().all(|studs| studs.is_finite()) {
                    return Err(Refusal::Nowhere(node.clone()));
                }
                self.layout_mut().positions.insert(node.clone(), *position);
            }
            Edit::SetLabel { node, label } => {
                self.network.place(node)?;
                self.layout_mut().set_label(node, label.as_deref());
            }
            Edit::Group { title, nodes } => {
                for id in nodes {
                    self.network.place(id)?;
                }
                if title.trim().is_empty() {
                    return Err(Refusal::NoTitle);
                }
                self.layout_mut().put_into_group(title, nodes);
            }
            Edit::Ungroup { title, nodes } => {
                let no_group = || Refusal::NoGroup(title.clone());
                let group = self.layout_mut().group_mut(title).ok_or_else(no_group)?;
                if nodes.is_empty() {
                    group.members.clear();
                } else {
                    group.members.retain(|id| !nodes.contains(id));
                }
                self.layout_mut().drop_empty_groups();
            }
            Edit::SetCollapsed { title, collapsed } => {
                let no_group = || Refusal::NoGroup(title.clone());
                self.layout_mut().group_mut(title).ok_or_else(no_group)?.collapsed = *collapsed;
            }
            Edit::ForgetLooks { nodes } => {
                for id in nodes {
                    if self.node(id).is_some() {
                        self.layout_mut().positions.remove(id);
                    } else {
                        self.layout_mut().forget(id);
                    }
                }
            }
        }
        Ok(())
    }

    fn at(&mut self, id: &NodeId) -> Result<&mut Node, Refusal> {
        self.network_mut().node_mut(id).ok_or_else(|| Refusal::NoNode(id.clone()))
    }

    fn free(&self, id: &NodeId) -> Result<(), Refusal> {
        match self.node(id) {
            Some(_) => Err(Refusal::Taken(id.clone())),
            None => Ok(()),
        }
    }

    fn give_ids(&mut self, ids: &[(usize, NodeId)]) -> Result<(), Refusal> {
        let mut free = FreeIds::of(self);
        if let Some((_, taken)) = ids.iter().find(|(_, id)| !free.claim(id)) {
            return Err(Refusal::Taken(taken.clone()));
        }
        let count = self.network.nodes.len();
        if let Some(&(place, _)) = ids.iter().find(|(place, _)| *place >= count) {
            return Err(Refusal::NoPlace(place));
        }
        let nodes = &mut self.network_mut().nodes;
        let mut renamed = Vec::with_capacity(ids.len());
        for (place, id) in ids {
            renamed.push((std::mem::replace(&mut nodes[*place].id, id.clone()), id));
        }
        // Looks stay with a node that keeps the old id.
        let kept: HashSet<_> = nodes.iter().map(|node| node.id.clone()).collect();
        for (old, new) in renamed.iter().filter(|(old, _)| !kept.contains(old)) {
            self.layout_mut().rename(old, new);
        }
        Ok(())
    }

    fn forget_unused(&mut self, id: &NodeId) {
        if self.node(id).is_none() {
            self.layout_mut().forget(id);
        }
    }

    /// An id that no node has: `stem`, or with a number behind it.
    pub fn free_id(&self, stem: &str) -> NodeId {
        FreeIds::of(self).take(stem)
    }
}

/// Ids that no node of a template has, each given once.
pub(super) struct FreeIds<'a> {
    taken: HashSet<Cow<'a, NodeId>>,
}

impl<'a> FreeIds<'a> {
    pub(super) fn of(template: &'a Template) -> Self {
        Self { taken: template.network.nodes.iter().map(|node| Cow::Borrowed(&node.id)).collect() }
    }

    /// Whether `id` is one of them; it is taken from now on.
    fn claim(&mut self, id: &NodeId) -> bool {
        self.taken.insert(Cow::Owned(id.clone()))
    }

    /// `stem`, or with a number behind it.
    pub(super) fn take(&mut self, stem: &str) -> NodeId {
        let mut id = NodeId::new(stem);
        let mut number = 1;
        while self.taken.contains(&id) {
            number += 1;
            id = NodeId::new(format!("{stem}-{number}"));
        }
        self.taken.insert(Cow::Owned(id.clone()));
        id
    }
}

impl Network {
    fn place(&self, id: &NodeId) -> Result<usize, Refusal> {
        let place = self.nodes.iter().position(|node| node.id == *id);
        place.ok_or_else(|| Refusal::NoNode(id.clone()))
    }

    fn rename(&mut self, node: &NodeId, id: &NodeId) -> Result<(), Refusal> {
        let place = self.place(node)?;
        self.nodes[place].id = id.clone();
        for Link(from, to) in &mut self.links {
            for end in [from, to] {
                if end == node {
                    *end = id.clone();
                }
            }
        }
        Ok(())
    }

    fn connect(&mut self, from: &NodeId, to: &NodeId, slot: Option<usize>) -> Result<(), Refusal> {
        self.place(from)?;
        self.place(to)?;
        let link = Link(from.clone(), to.clone());
        if self.links.contains(&link) {
            return Err(Refusal::Linked(link));
        }
        let into = self.links.iter().enumerate().filter(|(_, link)| link.1 == *to);
        let place = slot.and_then(|slot| into.map(|(place, _)| place).nth(slot));
        self.links.insert(place.unwrap_or(self.links.len()), link);
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

    /// Adds `variant` to the layer of `node`, with the same links.
    fn add_alternative(&mut self, node: &NodeId, variant: &Node) -> Result<(), Refusal> {
        let layer = self.nodes[self.place(node)?].layer;
        self.nodes.push(Node { layer, ..variant.clone() });
        let id = || variant.id.clone();
        let twin = |Link(from, to): &Link| match (from == node, to == node) {
            (true, false) => Some(Link(id(), to.clone())),
            (false, true) => Some(Link(from.clone(), id())),
            (true, true) | (false, false) => None,
        };
        let twins: Vec<_> = self.links.iter().filter_map(twin).collect();
        self.links.extend(twins);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        ops::samples::{dense, input},
        template::{Graph, read, to_ron},
    };
    use proptest::prelude::*;

    fn link(from: &str, to: &str) -> Link {
        Link(from.into(), to.into())
    }

    /// in -> a -> out, in -> b -> out.
    fn template() -> Template {
        let node = |id: &str, layer, ops: Vec<Op>| Node::new(id, layer, ops);
        let network = Network {
            nodes: vec![
                node("in", 0, vec![input([1, 2, 2]), Op::Flatten]),
                node("a", 1, vec![dense(3)]),
                node("b", 1, vec![dense(3)]),
                node("out", 2, vec![dense(2), Op::Output]),
            ],
            links: vec![link("in", "a"), link("in", "b"), link("a", "out"), link("b", "out")],
            ..Network::default()
        };
        Template::new("test", network)
    }

    #[test]
    fn a_removed_node_is_healed_in_its_slot() {
        let removed = template()
            .edited(&[Edit::Remove { nodes: vec!["a".into()], heal: true }])
            .expect("goes");
        assert_eq!(removed.network.links, [link("in", "b"), link("in", "out"), link("b", "out")]);
        let cut = template()
            .edited(&[Edit::Remove { nodes: vec!["a".into()], heal: false }])
            .expect("goes");
        assert_eq!(cut.network.links, [link("in", "b"), link("b", "out")]);
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
        let graph = Graph::new(edited.network).expect("is sound");
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
        let nowhere = refused(Edit::Move { node: "a".into(), position: [f32::NAN, 0.0] });
        assert!(nowhere.contains("two numbers"), "{nowhere}");
        let group = refused(Edit::SetCollapsed { title: "stem".to_owned(), collapsed: true });
        assert!(group.contains("no group `stem`"), "{group}");
        let blank = refused(Edit::Group { title: " ".to_owned(), nodes: vec!["a".into()] });
        assert!(blank.contains("needs a title"), "{blank}");
    }

    #[test]
    fn renaming_takes_the_links_along() {
        let renamed =
            template().edited(&[Edit::Rename { node: "a".into(), id: "z".into() }]).expect("goes");
        assert_eq!(renamed.network.links[0], link("in", "z"));
        assert_eq!(renamed.network.links[2], link("z", "out"));
        assert_eq!(renamed.free_id("b"), "b-2".into());
    }

    #[test]
    fn looks_follow_their_nodes_and_leave_the_network_alone() {
        let group = |title: &str, nodes: &[&str]| Edit::Group {
            title: title.to_owned(),
            nodes: nodes.iter().map(|&id| id.into()).collect(),
        };
        let before = template();
        let looks = [
            Edit::Move { node: "a".into(), position: [40.0, 9.0] },
            Edit::SetLabel { node: "a".into(), label: Some("A".to_owned()) },
            group("pair", &["a", "b"]),
            Edit::SetCollapsed { title: "pair".to_owned(), collapsed: true },
        ];
        let after = before.edited(&looks).expect("goes");
        assert!(std::sync::Arc::ptr_eq(&after.network, &before.network));
        let after = after
            .edited(&[
                Edit::Rename { node: "a".into(), id: "z".into() },
                Edit::Remove { nodes: vec!["b".into()], heal: false },
            ])
            .expect("goes");
        let z = NodeId::from("z");
        assert_eq!((after.position(&z), after.label(&z)), ([40.0, 9.0], Some("A")));
        let group = after.layout.group("pair").expect("is there");
        assert_eq!((group.members.iter().collect::<Vec<_>>(), group.collapsed), (vec![&z], true));
        assert_eq!(after.layout.positions.len(), 3);
        let all = Edit::Ungroup { title: "pair".to_owned(), nodes: Vec::new() };
        assert!(after.edited(&[all]).expect("goes").layout.groups.is_empty());
    }

    /// Any edit of looks, of nodes and groups that may not be there.
    fn any_look() -> impl Strategy<Value = Edit> {
        let id =
            || prop::sample::select(vec!["in", "a", "b", "out", "c", ""]).prop_map(NodeId::new);
        let title = || prop::sample::select(vec!["one", "two", ""]).prop_map(str::to_owned);
        let nodes = || prop::collection::vec(id(), 0..4);
        prop_oneof![
            (id(), any::<[f32; 2]>()).prop_map(|(node, position)| Edit::Move { node, position }),
            (id(), prop::option::of("[a-z]{0,3}"))
                .prop_map(|(node, label)| Edit::SetLabel { node, label }),
            (title(), nodes()).prop_map(|(title, nodes)| Edit::Group { title, nodes }),
            (title(), nodes()).prop_map(|(title, nodes)| Edit::Ungroup { title, nodes }),
            (title(), any::<bool>())
                .prop_map(|(title, collapsed)| Edit::SetCollapsed { title, collapsed }),
            nodes().prop_map(|nodes| Edit::ForgetLooks { nodes }),
        ]
    }

    /// Any edit, of nodes that may not be there.
    fn any_edit() -> impl Strategy<Value = Edit> {
        let id =
            || prop::sample::select(vec!["in", "a", "b", "out", "c", ""]).prop_map(NodeId::new);
        let any_node =
            (id(), 0..4_u32).prop_map(|(id, layer)| Node::new(id, layer, vec![dense(3)]));
        prop_oneof![
            any_node.clone().prop_map(Edit::Add),
            (id(), id(), any_node.clone())
                .prop_map(|(a, b, node)| Edit::InsertOnLink { link: Link(a, b), node }),
            (id(), any_node).prop_map(|(node, new)| Edit::FanOut { node, variants: vec![new] }),
            (id(), any::<bool>()).prop_map(|(id, heal)| Edit::Remove { nodes: vec![id], heal }),
            (id(), id()).prop_map(|(node, id)| Edit::Rename { node, id }),
            prop::collection::vec((0..6_usize, id()), 0..3).prop_map(Edit::GiveIds),
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
            any_look(),
        ]
    }

    proptest! {
        #[test]
        fn edits_never_panic_and_keep_network_and_layout_in_step(
            edits in prop::collection::vec(any_edit(), 1..12)
        ) {
            let mut template = template();
            for edit in edits {
                if let Ok(edited) = template.edited(&[edit]) {
                    template = edited;
                }
                let placed: Vec<_> = template.layout.positions.keys().cloned().collect();
                let mut ids: Vec<_> =
                    template.network.nodes.iter().map(|node| node.id.clone()).collect();
                ids.sort();
                ids.dedup();
                prop_assert_eq!(placed, ids);
                prop_assert_eq!(template.layout.problems(&template.network), []);
                prop_assert_eq!(&template.layout.as_ref().clone().tidy(), &*template.layout);
            }
            let text = to_ron(&template).expect("can be written");
            prop_assert_eq!(&read("edited", &text).expect("is a template"), &template);
            let _checked = Graph::new(template.network);
        }
    }
}
