//! Parts of templates: what is copied from one and pasted into another, and what a stamp is. As text, they are what the
//! clipboard holds.

use super::{
    Analysis, FileError, Layout, Link, Network, Node, NodeId, Problem, ProblemKind, Refusal,
    Template,
    file::{self, Rest},
};
use crate::engine::files::{self, WriteError};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
    sync::Arc,
};

/// Studs between what stands on a plate and what is pasted in front of it.
const ROOM: f32 = 7.0;

/// Nodes with the links among them, and with loose ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Fragment {
    /// The nodes, their links and looks, under a name. Layers count among themselves, and how many blocks are kept of
    /// each is not said.
    pub template: Template,
    /// The nodes that something outside feeds; it takes their first slots.
    pub heads: Vec<NodeId>,
    /// The nodes that feed something outside.
    pub tails: Vec<NodeId>,
}

impl Fragment {
    /// A copy of these nodes of a template, with their looks: with the links among them, while of other links only the
    /// ends are kept. Of groups, what is copied.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn of(template: &Template, nodes: &[NodeId]) -> Result<Self, Refusal> {
        let Network { nodes: all, links: all_links, .. } = &*template.network;
        let known: HashSet<_> = all.iter().map(|node| &node.id).collect();
        if let Some(missing) = nodes.iter().find(|id| !known.contains(id)) {
            return Err(Refusal::NoNode(missing.clone()));
        }
        let chosen: HashSet<_> = nodes.iter().collect();
        let (mut fed, mut feeding) = (HashSet::new(), HashSet::new());
        let mut links = Vec::new();
        for link in all_links {
            match (chosen.contains(&link.0), chosen.contains(&link.1)) {
                (true, true) => links.push(link.clone()),
                (true, false) => _ = feeding.insert(&link.0),
                (false, true) => _ = fed.insert(&link.1),
                (false, false) => {}
            }
        }
        let nodes: Vec<_> = all.iter().filter(|node| chosen.contains(&node.id)).cloned().collect();
        let among = |ends: &HashSet<&NodeId>| {
            let ids = nodes.iter().map(|node| &node.id);
            ids.filter(|id| ends.contains(id)).cloned().collect()
        };
        let (heads, tails) = (among(&fed), among(&feeding));
        let layout = template.layout.of_nodes(|id| chosen.contains(id));
        let network = Network { nodes, links, ..Network::default() };
        let template = Template {
            name: template.name.clone(),
            about: String::new(),
            network: Arc::new(network),
            layout: Arc::new(layout),
        };
        Ok(Self { template, heads, tails })
    }

    /// Reads a fragment from its RON text; `name` stands in messages.
    ///
    /// # Errors
    /// When the text is not a fragment, or nodes, links or loose ends are not what they have to be, whatever it is pasted
    /// into.
    pub fn read(name: &str, text: &str) -> Result<Self, FileError> {
        let (template, Rest { heads, tails, .. }) = file::read_fragment(name, text)?;
        let [heads, tails] = [heads, tails].map(Option::unwrap_or_default);
        let fragment = Self { template, heads, tails };
        let problems = fragment.problems();
        if problems.is_empty() {
            Ok(fragment)
        } else {
            Err(FileError::invalid(name, text, problems))
        }
    }

    /// Reads the fragment in the file at `path`.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let (name, text) = files::read_text(path)?;
        Self::read(&name, &text)
    }

    /// The fragment as RON text, one node and one link per line.
    ///
    /// # Errors
    /// When a value cannot be written as RON, which no fragment built by this program has.
    pub fn to_ron(&self) -> Result<String, ron::Error> {
        file::write(&self.template, Some([&self.heads, &self.tails]))
    }

    /// Writes the fragment to `path`; an existing file stays as it was until the new one is complete.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), WriteError> {
        file::save_text(path, self.to_ron())
    }

    /// The problems that it has wherever it is pasted.
    fn problems(&self) -> Vec<Problem> {
        let Self { template, heads, tails } = self;
        let known: HashSet<_> = template.network.nodes.iter().map(|node| &node.id).collect();
        let loose = [("heads", heads), ("tails", tails)];
        let loose = loose.into_iter().flat_map(|(list, ends)| {
            let unknown = ends.iter().filter(|id| !known.contains(id));
            unknown.map(move |id| {
                let what = format!("`{list}` names `{id}`, which is not a node");
                Problem::new(
                    ProblemKind::LooseEnd,
                    &[id],
                    what,
                    "correct the id, or take it from the list",
                )
            })
        });
        let inner = Analysis::of(&template.network).problems.into_iter();
        inner
            .filter(|problem| is_inner(&problem.kind))
            .chain(loose)
            .chain(template.layout.problems(&template.network))
            .collect()
    }
}

/// Whether a problem of a fragment's nodes and links has nothing to do with what it is pasted into.
fn is_inner(kind: &ProblemKind) -> bool {
    let of_ends = matches!(
        kind,
        ProblemKind::NoInput
            | ProblemKind::NoOutput
            | ProblemKind::SeveralInputs
            | ProblemKind::SeveralOutputs
    );
    kind.stage() <= ProblemKind::Cycle.stage() && !of_ends
}

impl Template {
    /// Puts a fragment in, see [`Edit::Paste`](super::Edit::Paste).
    pub(super) fn paste(
        &mut self,
        fragment: &Fragment,
        from: &[NodeId],
        to: &[NodeId],
        position: Option<[f32; 2]>,
    ) -> Result<(), Refusal> {
        if let Some(missing) = from.iter().chain(to).find(|id| self.node(id).is_none()) {
            return Err(Refusal::NoNode(missing.clone()));
        }
        let Network { nodes, links, .. } = &*fragment.template.network;
        let ids = self.ids_for(nodes);
        let mut new_id = HashMap::new();
        for (node, id) in nodes.iter().zip(&ids) {
            new_id.entry(&node.id).or_insert(id);
        }
        let renamed = |id: &NodeId| -> Result<NodeId, Refusal> {
            let id = new_id.get(id).ok_or_else(|| Refusal::NoNode(id.clone()))?;
            Ok((*id).clone())
        };
        let all = |ids: &[NodeId]| distinct(ids).map(renamed).collect::<Result<Vec<_>, _>>();
        let (heads, tails) = (all(&fragment.heads)?, all(&fragment.tails)?);
        let inner: Vec<_> = links
            .iter()
            .map(|Link(a, b)| Ok(Link(renamed(a)?, renamed(b)?)))
            .collect::<Result<_, Refusal>>()?;
        let layers = self.make_room(nodes, from, to)?;

        self.link_fragment(inner, [&heads, &tails], [from, to]);
        for (node, id) in nodes.iter().zip(&ids) {
            let layer = layers.get(&node.layer).copied().unwrap_or_default();
            self.network_mut().nodes.push(Node { id: id.clone(), layer, ..node.clone() });
        }
        self.paste_looks(&fragment.template, &new_id, position);
        Ok(())
    }

    /// Takes over how pasted nodes look, in groups of their own.
    fn paste_looks(
        &mut self,
        pasted: &Self,
        new_id: &HashMap<&NodeId, &NodeId>,
        position: Option<[f32; 2]>,
    ) {
        let position = position.filter(|place| place.iter().all(|studs| studs.is_finite()));
        let shift = self.shift(pasted, position);
        let looks = &pasted.layout;
        for (id, place) in &looks.positions {
            if let Some(&id) = new_id.get(id) {
                let place = std::array::from_fn(|side| place[side] + shift[side]);
                self.layout_mut().positions.insert(id.clone(), place);
            }
        }
        for (id, label) in &looks.labels {
            if let Some(&id) = new_id.get(id) {
                self.layout_mut().set_label(id, Some(label));
            }
        }
        for group in &looks.groups {
            let members: Vec<_> =
                group.members.iter().filter_map(|id| new_id.get(id).copied().cloned()).collect();
            let title = self.layout.free_title(&group.title);
            self.layout_mut().put_into_group(&title, &members);
            if let Some(own) = self.layout_mut().group_mut(&title) {
                own.collapsed = group.collapsed;
            }
        }
    }

    /// Ids for new nodes that no node has: their own, or with the next number that is free behind it.
    fn ids_for(&self, nodes: &[Node]) -> Vec<NodeId> {
        let mut taken: HashSet<_> = self.network.nodes.iter().map(|node| node.id.clone()).collect();
        let mut last = HashMap::new();
        let mut ids = Vec::with_capacity(nodes.len());
        for node in nodes {
            let mut id = node.id.clone();
            let (stem, number) = numbered(node.id.as_str());
            while !taken.insert(id.clone()) {
                let number = last.entry(stem).or_insert(number);
                *number += 1;
                id = NodeId::new(format!("{stem}-{number}"));
            }
            ids.push(id);
        }
        ids
    }

    /// Moves what stands behind `from` (or before `to`, where nothing is said of that; otherwise behind everything) as
    /// many layers on as `nodes` take. The new number of each of their layers.
    fn make_room(
        &mut self,
        nodes: &[Node],
        from: &[NodeId],
        to: &[NodeId],
    ) -> Result<BTreeMap<u32, u32>, Refusal> {
        let [from, to] = [from, to].map(|ids| ids.iter().collect::<HashSet<_>>());
        let layers_of = |ids: &HashSet<&NodeId>| {
            let nodes = self.network.nodes.iter().filter(|node| ids.contains(&node.id));
            nodes.map(|node| node.layer).collect::<Vec<_>>()
        };
        let last = self.network.nodes.iter().map(|node| node.layer).max();
        let behind = |layer: u32| layer.checked_add(1).ok_or(Refusal::Layers);
        let first = match (layers_of(&from).into_iter().max(), layers_of(&to).into_iter().min()) {
            (Some(layer), _) => behind(layer)?,
            (None, Some(layer)) => layer,
            (None, None) => last.map_or(Ok(0), behind)?,
        };
        let own: BTreeSet<_> = nodes.iter().map(|node| node.layer).collect();
        let depth = u32::try_from(own.len()).map_err(|_| Refusal::Layers)?;
        let most = first.max(last.unwrap_or_default());
        most.checked_add(depth).ok_or(Refusal::Layers)?;
        for node in self.network_mut().nodes.iter_mut().filter(|node| node.layer >= first) {
            node.layer += depth;
        }
        Ok(own.into_iter().zip(first..).collect())
    }

    /// How far what is pasted moves so that the middle of it stands at `position`, or in front of everything.
    fn shift(&self, pasted: &Self, position: Option<[f32; 2]>) -> [f32; 2] {
        let Some(own) = Bounds::of(&pasted.layout) else { return [0.0; 2] };
        let middle = own.middle();
        let position = position.unwrap_or_else(|| match Bounds::of(&self.layout) {
            None => middle,
            Some(plate) => {
                let beside = |low: f32, side: usize| low + middle[side] - own.low[side];
                [beside(plate.low[0], 0), beside(plate.high[1] + ROOM, 1)]
            }
        });
        std::array::from_fn(|side| position[side] - middle[side])
    }

    /// Links a fragment's nodes with one another and its loose ends with the template. Links that lead straight from
    /// where it is fed to what it feeds give way to it.
    fn link_fragment(
        &mut self,
        inner: Vec<Link>,
        [heads, tails]: [&[NodeId]; 2],
        [from, to]: [&[NodeId]; 2],
    ) {
        let leads_through = !heads.is_empty() && !tails.is_empty();
        let [before, after] = [from, to].map(|ids| ids.iter().collect::<HashSet<_>>());
        let to_tails = |to: &NodeId| {
            let to = to.clone();
            tails.iter().map(move |tail| Link(tail.clone(), to.clone()))
        };
        let mut fed = HashSet::new();
        let own = std::mem::take(&mut self.network_mut().links);
        let mut links = Vec::with_capacity(own.len());
        for link in own {
            if leads_through && before.contains(&link.0) && after.contains(&link.1) {
                // What replaces it takes its slot.
                if fed.insert(link.1.clone()) {
                    links.extend(to_tails(&link.1));
                }
            } else {
                links.push(link);
            }
        }
        links.extend(
            distinct(from).flat_map(|from| heads.iter().map(|to| Link(from.clone(), to.clone()))),
        );
        links.extend(inner);
        links.extend(distinct(to).filter(|to| !fed.contains(*to)).flat_map(to_tails));
        self.network_mut().links = links;
    }
}

/// Each of these once, in their order.
fn distinct(ids: &[NodeId]) -> impl Iterator<Item = &NodeId> {
    let mut seen = HashSet::new();
    ids.iter().filter(move |&id| seen.insert(id))
}

/// An id without the number behind it, and that number; 1 where there is none.
fn numbered(id: &str) -> (&str, u64) {
    let number = id.rsplit_once('-').and_then(|(stem, number)| {
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        // A stem is something, and the next number is one, too.
        let number = number.parse().ok().filter(|&number| number < u64::MAX / 2)?;
        (is_number && !stem.is_empty()).then_some((stem, number))
    });
    number.unwrap_or((id, 1))
}

/// What bricks take up of a plate, as far as they stand somewhere: the places of the outermost.
struct Bounds {
    low: [f32; 2],
    high: [f32; 2],
}

impl Bounds {
    fn of(layout: &Layout) -> Option<Self> {
        let stand = layout.positions.values().copied();
        let mut places = stand.filter(|position| position.iter().all(|at| at.is_finite()));
        let first = places.next()?;
        let mut bounds = Self { low: first, high: first };
        for place in places {
            for (side, at) in place.into_iter().enumerate() {
                bounds.low[side] = bounds.low[side].min(at);
                bounds.high[side] = bounds.high[side].max(at);
            }
        }
        Some(bounds)
    }

    /// On a whole stud.
    fn middle(&self) -> [f32; 2] {
        std::array::from_fn(|side| f32::midpoint(self.low[side], self.high[side]).round())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        candidate,
        damage::Damage,
        ops::{
            ConvBlock, Merge, Op,
            samples::{dense, input},
        },
        template::{Edit, Graph, presets, stamps},
    };
    use proptest::prelude::*;

    /// input -> stem -> head -> output.
    fn small() -> Template {
        let nodes = vec![
            Node::new("input", 0, vec![input([1, 28, 28])]),
            Node::new("stem", 1, vec![ConvBlock::new(16, 3).into()]),
            Node::new("head", 2, vec![Op::GlobalAveragePool, dense(10)]),
            Node::new("output", 3, vec![Op::Output]),
        ];
        let links = [("input", "stem"), ("stem", "head"), ("head", "output")];
        let links = links.map(|(a, b)| link(a, b)).to_vec();
        Template::new("small", Network { nodes, links, ..Network::default() })
    }

    fn link(from: &str, to: &str) -> Link {
        Link(from.into(), to.into())
    }

    fn paste(fragment: &Fragment, from: &[&str], to: &[&str]) -> Edit {
        let ids = |ids: &[&str]| ids.iter().map(|&id| id.into()).collect();
        Edit::Paste { fragment: fragment.clone(), from: ids(from), to: ids(to), position: None }
    }

    fn stamp(name: &str) -> Fragment {
        let stamp = stamps().into_iter().find(|stamp| stamp.name == name).expect("exists");
        stamp.fragment().expect("is right")
    }

    fn layers(template: &Template) -> Vec<(&str, u32)> {
        template.network.nodes.iter().map(|node| (node.id.as_str(), node.layer)).collect()
    }

    #[test]
    fn every_stamp_between_two_bricks_gives_a_sound_template_also_twice() {
        for stamp in stamps() {
            let fragment = stamp.fragment().expect("is right");
            assert!(
                fragment.template.name == stamp.name
                    && !fragment.template.about.is_empty()
                    && !fragment.heads.is_empty()
                    && !fragment.tails.is_empty()
            );
            let once = small().edited(&[paste(&fragment, &["stem"], &["head"])]).expect("goes in");
            let graph = Graph::new(once.network.clone())
                .unwrap_or_else(|it| panic!("{}: {it:?}", stamp.name));
            assert_eq!(graph.len(), 4 + fragment.template.network.nodes.len());
            // Where two loose ends are alternatives, a second one cannot stand behind both with an identity past it.
            let tails: Vec<_> = fragment.tails.iter().map(NodeId::as_str).collect();
            let twice = once.edited(&[paste(&fragment, &tails, &["head"])]).expect("goes in");
            if let Err(problems) = Graph::new(twice.network) {
                panic!("{} twice: {problems:?}", stamp.name);
            }
        }
    }

    #[test]
    fn a_stamp_stands_where_a_link_was_in_layers_of_its_own_with_ids_of_its_own() {
        let block = stamp("2-conv-block");
        let pasted = small()
            .edited(&[paste(&block, &["stem"], &["head"]), paste(&block, &["stem"], &["c1-1x1"])])
            .expect("goes in");
        assert!(!pasted.network.links.contains(&link("stem", "head")));
        assert!(!pasted.network.links.contains(&link("stem", "c1-1x1")));
        assert!(pasted.network.links.contains(&link("stem", "c1-3x3")));
        let of = |id: &str| pasted.node(&id.into()).map(|node| node.layer);
        let found = ["stem", "c1-5x5-2", "c2-5x5-2", "c1-5x5", "c2-5x5", "head"].map(of);
        assert_eq!(found, [1, 2, 3, 4, 5, 6].map(Some));
        assert_eq!(
            candidate::count(&Graph::new(pasted.network).expect("is sound")).exact(),
            // Two of the first level, or the third behind two levels more; then three of the second.
            Some(2 * 3 + 9 * 3)
        );
    }

    #[test]
    fn the_next_number_that_is_free_is_taken() {
        let mut template = small();
        let node = |id: &str| Node::new(id, 0, vec![Op::Identity]);
        let nodes = ["a", "stem", "c-7", "-3", "c-7-", "9"].map(node).to_vec();
        let network = Network { nodes, ..Network::default() };
        let fragment = Fragment {
            template: Template::new("some", network),
            heads: Vec::new(),
            tails: Vec::new(),
        };
        for _ in 0..3 {
            template = template.edited(&[paste(&fragment, &[], &[])]).expect("goes in");
        }
        let ids: Vec<_> = template.network.nodes.iter().map(|node| node.id.as_str()).collect();
        assert_eq!(ids[4..10], ["a", "stem-2", "c-7", "-3", "c-7-", "9"]);
        assert_eq!(ids[10..16], ["a-2", "stem-3", "c-8", "-3-2", "c-7--2", "9-2"]);
        assert_eq!(ids[16..], ["a-3", "stem-4", "c-9", "-3-3", "c-7--3", "9-3"]);
        assert_eq!(numbered("c-99999999999999999999999"), ("c-99999999999999999999999", 1));
    }

    #[test]
    fn what_is_fed_by_nothing_stands_before_what_it_feeds_or_behind_everything() {
        let block = stamp("2-conv-block");
        let before = small().edited(&[paste(&block, &[], &["head"])]).expect("goes in");
        assert_eq!(
            layers(&before)[..5],
            [("input", 0), ("stem", 1), ("head", 4), ("output", 5), ("c1-1x1", 2)]
        );
        let behind = small().edited(&[paste(&block, &[], &[])]).expect("goes in");
        assert_eq!(layers(&behind)[3..5], [("output", 3), ("c1-1x1", 4)]);
        let empty = Template::new("empty", Network::default());
        let alone = empty.edited(&[paste(&block, &[], &[])]).expect("goes in");
        assert_eq!(layers(&alone)[0], ("c1-1x1", 0));
        assert_eq!(alone.layout, block.template.layout);
    }

    #[test]
    fn a_concatenation_takes_what_is_outside_first_and_is_replaced_in_its_slot() {
        let mut template = small();
        template
            .network_mut()
            .nodes
            .insert(2, Node::new("other", 1, vec![ConvBlock::new(4, 1).into()]));
        template.network_mut().links.extend([link("input", "other"), link("other", "head")]);
        template.network_mut().node_mut(&"head".into()).expect("is there").merge =
            Merge::Concatenate;
        let pasted = template
            .edited(&[paste(&stamp("densenet-conv-block"), &["stem"], &["head"])])
            .expect("goes in");
        let into = |id: &str| {
            let into = pasted.network.links.iter().filter(|link| link.1.as_str() == id);
            into.map(|link| link.0.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(into("join"), ["stem", "conv2"]);
        assert_eq!(into("head"), ["join", "other"]);
        assert!(Graph::new(pasted.network).is_ok());
    }

    #[test]
    fn bricks_stand_where_they_are_put_or_in_front_of_all_others() {
        let block = stamp("2-conv-block");
        let mut template = small();
        let ids: Vec<_> = template.network.nodes.iter().map(|node| node.id.clone()).collect();
        for (place, id) in ids.iter().enumerate() {
            template.layout_mut().positions.insert(id.clone(), [7.0 * place as f32, 2.0]);
        }
        let Edit::Paste { fragment, from, to, .. } = paste(&block, &["stem"], &["head"]) else {
            unreachable!("it is one")
        };
        let put = |position| {
            let edit = Edit::Paste {
                fragment: fragment.clone(),
                from: from.clone(),
                to: to.clone(),
                position,
            };
            let pasted = template.edited(&[edit]).expect("goes in");
            let mut layout = (*pasted.layout).clone();
            layout.positions.retain(|id, _| !ids.contains(id));
            Bounds::of(&layout).expect("stands somewhere")
        };
        let own = Bounds::of(&block.template.layout).expect("stands somewhere");
        let size: [f32; 2] = std::array::from_fn(|side| own.high[side] - own.low[side]);
        let at = put(Some([100.0, 50.0]));
        assert_eq!(at.middle(), [100.0, 50.0]);
        let free = put(None);
        assert_eq!(free.low, [0.0, 9.0]);
        assert_eq!(free.high, [size[0], 9.0 + size[1]]);
    }

    #[test]
    fn what_cannot_be_copied_or_pasted_says_why() {
        assert_eq!(
            Fragment::of(&small(), &["stem".into(), "stern".into()]),
            Err(Refusal::NoNode("stern".into()))
        );
        let block = stamp("2-conv-block");
        for edit in [paste(&block, &["stern"], &["head"]), paste(&block, &["stem"], &["heed"])] {
            assert!(matches!(small().edited(&[edit]), Err(Refusal::NoNode(_))));
        }
        let mut cut = block.clone();
        cut.template.network_mut().nodes.remove(0);
        assert!(matches!(small().edited(&[paste(&cut, &[], &[])]), Err(Refusal::NoNode(_))));
        let mut high = small();
        high.network_mut().nodes[3].layer = u32::MAX - 1;
        let refusal = high.edited(&[paste(&block, &["stem"], &["head"])]);
        assert_eq!(refusal, Err(Refusal::Layers));
        high.network_mut().nodes[3].layer = u32::MAX;
        assert_eq!(high.edited(&[paste(&block, &["output"], &[])]), Err(Refusal::Layers));
    }

    #[test]
    fn a_wrong_fragment_is_refused_with_line_and_fix() {
        let good = stamp("2-conv-block").to_ron().expect("can be written");
        assert_eq!(Fragment::read("s", &good).expect("is right"), stamp("2-conv-block"));
        for (from, to, wanted) in [
            ("version: 2", "version: 9", "version 9"),
            ("filters: 32", "filtres: 32", "filtres"),
            ("filters: 32", "filters: 0", "filters"),
            ("id: \"c2-1x1\"", "id: \"c1-1x1\"", "share this id"),
            ("(\"c1-1x1\", \"c2-1x1\")", "(\"c1-1x1\", \"c2-1y1\")", "`c2-1y1`"),
            (
                "(\"c1-1x1\", \"c2-1x1\")",
                "(\"c2-1x1\", \"c1-1x1\"), (\"c1-1x1\", \"c2-1x1\")",
                "circle",
            ),
            (
                "tails: [\n        \"c2-1x1\"",
                "tails: [\n        \"c3-1x1\"",
                "`tails` names `c3-1x1`",
            ),
        ] {
            let wrong = good.replacen(from, to, 1);
            assert_ne!(wrong, good, "{from}");
            let error = Fragment::read("s.ron", &wrong).expect_err(wanted).to_string();
            assert!(error.contains(wanted) && error.starts_with("s.ron:"), "{error}");
        }
        // What a template has and a fragment has not.
        for ends in ["blocks_per_layer: Any, heads: []", "layout: ()"] {
            let text = format!("(version: 2, name: \"t\", nodes: [], links: [], {ends})");
            let error = Fragment::read("s.ron", &text).expect_err("is a template").to_string();
            assert!(error.contains("`template copy` makes a stamp"), "{error}");
        }
    }

    /// The nodes between the ends of each preset, copied and put back where they were.
    #[test]
    fn what_is_cut_out_and_pasted_back_is_the_same_network() {
        for preset in presets() {
            let checked = preset.checked().expect("is right");
            let (template, graph) = (checked.template(), checked.graph());
            let ends = [graph.input(), graph.output()].map(|node| graph.id(node).clone());
            let inner: Vec<_> = template
                .network
                .nodes
                .iter()
                .map(|node| node.id.clone())
                .filter(|id| !ends.contains(id))
                .collect();
            let fragment = Fragment::of(template, &inner).expect("is there");
            let text = fragment.to_ron().expect("can be written");
            assert_eq!(Fragment::read("text", &text).expect("is read"), fragment);
            let back = template
                .edited(&[
                    Edit::Remove { nodes: inner, heal: false },
                    Edit::Paste {
                        fragment,
                        from: vec![ends[0].clone()],
                        to: vec![ends[1].clone()],
                        position: Some([3.0, 3.0]),
                    },
                ])
                .expect("goes");
            let again = Graph::new(back.network).expect("is sound");
            assert_eq!(again.total_cost(0..again.len()), graph.total_cost(0..graph.len()));
            assert_eq!(candidate::count(&again), candidate::count(graph), "{}", preset.name);
            let sorted = |graph: &Graph| {
                let mut links = graph.network().links.clone();
                links.sort();
                links
            };
            assert_eq!(sorted(&again), sorted(graph));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_copy_can_be_pasted_anywhere_and_leaves_ids_unique(
            source in 0..presets().len(), into in 0..presets().len(),
            bits in any::<[u64; 2]>(), ends in any::<[u64; 4]>(), position in any::<Option<[f32; 2]>>()
        ) {
            let [source, into] = [source, into].map(|preset| {
                presets()[preset].template().expect("is right")
            });
            let some = |template: &Template, bits: [u64; 2]| -> Vec<NodeId> {
                let kept = |place: usize| bits[0] & bits[1] >> (place % 64) & 1 == 1;
                let nodes = template.network.nodes.iter().enumerate();
                nodes.filter(|&(place, _)| kept(place)).map(|(_, node)| node.id.clone()).collect()
            };
            let fragment = Fragment::of(&source, &some(&source, [!0, bits[0]])).expect("is there");
            prop_assert!(fragment.problems().is_empty());
            let (from, to) = (some(&into, [ends[0], ends[1]]), some(&into, [ends[2], ends[3]]));
            let count = (into.network.nodes.len(), fragment.template.network.nodes.len());
            let [heads, tails] = [&fragment.heads, &fragment.tails].map(Vec::len);
            let edit = Edit::Paste { fragment: fragment.clone(), from: from.clone(), to: to.clone(), position };
            let pasted = into.edited(&[edit]).expect("goes in");
            prop_assert_eq!(pasted.network.nodes.len(), count.0 + count.1);
            let ids: HashSet<_> = pasted.network.nodes.iter().map(|node| &node.id).collect();
            prop_assert_eq!(ids.len(), pasted.network.nodes.len());
            let replaced = into.network.links.iter().filter(|link| {
                heads > 0 && tails > 0 && from.contains(&link.0) && to.contains(&link.1)
            });
            let links = into.network.links.len() - replaced.count()
                + fragment.template.network.links.len() + from.len() * heads + tails * to.len();
            prop_assert_eq!(pasted.network.links.len(), links);
            // Only the layers of the earlier nodes may change.
            for (before, after) in into.network.nodes.iter().zip(&pasted.network.nodes) {
                prop_assert_eq!((&before.id, before.computes()), (&after.id, after.computes()));
                prop_assert!(after.layer >= before.layer);
            }
            // Copied again, it is what it was.
            let new: Vec<_> = pasted.network.nodes[count.0..].iter().map(|node| node.id.clone()).collect();
            let again = Fragment::of(&pasted, &new).expect("is there");
            prop_assert_eq!(again.template.network.links.len(), fragment.template.network.links.len());
            for (a, b) in again.template.network.nodes.iter().zip(&fragment.template.network.nodes) {
                prop_assert_eq!(a.computes(), b.computes());
            }
            let _problems = pasted.analysis();
        }

        #[test]
        fn damage_anywhere_is_refused_or_gives_another_fragment(
            damages in proptest::collection::vec(Damage::any(), 1..4)
        ) {
            let good = stamp("densenet-conv-block").to_ron().expect("can be written").into_bytes();
            let bytes = damages.iter().fold(good, |bytes, damage| damage.to(&bytes));
            if let Ok(fragment) = Fragment::read("s.ron", &String::from_utf8_lossy(&bytes)) {
                let pasted = small().edited(&[paste(&fragment, &["stem"], &["head"])]);
                prop_assert!(pasted.is_ok() || pasted == Err(Refusal::Layers), "{pasted:?}");
            }
        }
    }
}
