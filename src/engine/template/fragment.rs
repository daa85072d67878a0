//! Parts of templates: what is copied from one and pasted into another, and what a stamp is. As text, they are what the
//! clipboard holds.

use super::{
    Analysis, BlocksPerLayer, FORMAT_VERSION, FileError, Link, Node, NodeId, Problem, ProblemKind,
    Refusal, Template, file,
};
use crate::engine::files::{self, WriteError};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
};

/// Studs between what stands on a plate and what is pasted in front of it.
const ROOM: f32 = 7.0;

/// Nodes with the links among them, and with loose ends. Layers count among themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fragment {
    /// Version of the file format, [`FORMAT_VERSION`].
    pub version: u32,
    /// Short name.
    pub name: String,
    /// One sentence on what it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The links among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// The nodes that something outside feeds; it takes their first slots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<NodeId>,
    /// The nodes that feed something outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tails: Vec<NodeId>,
}

impl Fragment {
    /// A copy of these nodes of a template: with the links among them, while of other links only the ends are kept.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn of(template: &Template, nodes: &[NodeId]) -> Result<Self, Refusal> {
        let known: HashSet<_> = template.nodes.iter().map(|node| &node.id).collect();
        if let Some(missing) = nodes.iter().find(|id| !known.contains(id)) {
            return Err(Refusal::NoNode(missing.clone()));
        }
        let chosen: HashSet<_> = nodes.iter().collect();
        let (mut fed, mut feeding) = (HashSet::new(), HashSet::new());
        let mut links = Vec::new();
        for link in &template.links {
            match (chosen.contains(&link.0), chosen.contains(&link.1)) {
                (true, true) => links.push(link.clone()),
                (true, false) => _ = feeding.insert(&link.0),
                (false, true) => _ = fed.insert(&link.1),
                (false, false) => {}
            }
        }
        let nodes: Vec<_> =
            template.nodes.iter().filter(|node| chosen.contains(&node.id)).cloned().collect();
        let among = |ends: &HashSet<&NodeId>| {
            let ids = nodes.iter().map(|node| &node.id);
            ids.filter(|id| ends.contains(id)).cloned().collect()
        };
        let (heads, tails) = (among(&fed), among(&feeding));
        let name = template.name.clone();
        Ok(Self { version: FORMAT_VERSION, name, about: String::new(), nodes, links, heads, tails })
    }

    /// Reads a fragment from its RON text; `name` stands in messages.
    ///
    /// # Errors
    /// When the text is not a fragment, or nodes, links or loose ends are not what they have to be, whatever it is pasted
    /// into.
    pub fn read(name: &str, text: &str) -> Result<Self, FileError> {
        let fragment: Self = file::read_ron(name, text)?;
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

    /// The fragment as RON text, one node and one link a line.
    ///
    /// # Errors
    /// When a value cannot be written as RON, which no fragment built by this program has.
    pub fn to_ron(&self) -> Result<String, ron::Error> {
        file::pretty(self)
    }

    /// Writes the fragment to `path`; an existing file stays as it was until the new one is complete.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), WriteError> {
        file::save_ron(path, self)
    }

    /// What is wrong with it, wherever it is pasted.
    fn problems(&self) -> Vec<Problem> {
        let template = Template {
            version: self.version,
            name: String::new(),
            about: String::new(),
            blocks_per_layer: BlocksPerLayer::One,
            nodes: self.nodes.clone(),
            links: self.links.clone(),
        };
        let known: HashSet<_> = self.nodes.iter().map(|node| &node.id).collect();
        let loose = [("heads", &self.heads), ("tails", &self.tails)];
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
        Analysis::of(&template)
            .problems
            .into_iter()
            .filter(|problem| is_inner(&problem.kind))
            .chain(loose)
            .collect()
    }
}

/// Whether a problem of a fragment's nodes and links has nothing to do with what it is pasted into.
fn is_inner(kind: &ProblemKind) -> bool {
    let of_ends =
        matches!(kind, ProblemKind::NoInput | ProblemKind::NoOutput | ProblemKind::SeveralEnds);
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
        let ids = self.ids_for(&fragment.nodes);
        let mut new_id = HashMap::new();
        for (node, id) in fragment.nodes.iter().zip(&ids) {
            new_id.entry(&node.id).or_insert(id);
        }
        let renamed = |id: &NodeId| -> Result<NodeId, Refusal> {
            let id = new_id.get(id).ok_or_else(|| Refusal::NoNode(id.clone()))?;
            Ok((*id).clone())
        };
        let all = |ids: &[NodeId]| distinct(ids).map(renamed).collect::<Result<Vec<_>, _>>();
        let (heads, tails) = (all(&fragment.heads)?, all(&fragment.tails)?);
        let inner: Vec<_> = fragment
            .links
            .iter()
            .map(|Link(a, b)| Ok(Link(renamed(a)?, renamed(b)?)))
            .collect::<Result<_, Refusal>>()?;
        let layers = self.make_room(&fragment.nodes, from, to)?;
        let shift = self.shift(&fragment.nodes, position);

        self.link_fragment(inner, [&heads, &tails], [from, to]);
        for (node, id) in fragment.nodes.iter().zip(ids) {
            let layer = layers.get(&node.layer).copied().unwrap_or_default();
            let position = std::array::from_fn(|side| node.position[side] + shift[side]);
            self.nodes.push(Node { id, layer, position, ..node.clone() });
        }
        Ok(())
    }

    /// Ids for new nodes that no node has: their own, or with the next number that is free behind it.
    fn ids_for(&self, nodes: &[Node]) -> Vec<NodeId> {
        let mut taken: HashSet<_> = self.nodes.iter().map(|node| node.id.clone()).collect();
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
            let nodes = self.nodes.iter().filter(|node| ids.contains(&node.id));
            nodes.map(|node| node.layer).collect::<Vec<_>>()
        };
        let last = self.nodes.iter().map(|node| node.layer).max();
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
        for node in self.nodes.iter_mut().filter(|node| node.layer >= first) {
            node.layer += depth;
        }
        Ok(own.into_iter().zip(first..).collect())
    }

    /// How far nodes move so that the middle of them stands at `position`, or in front of everything.
    fn shift(&self, nodes: &[Node], position: Option<[f32; 2]>) -> [f32; 2] {
        let Some(own) = Bounds::of(nodes) else { return [0.0; 2] };
        let middle = own.middle();
        let position = position.unwrap_or_else(|| match Bounds::of(&self.nodes) {
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
        let mut links = Vec::with_capacity(self.links.len());
        for link in std::mem::take(&mut self.links) {
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
        self.links = links;
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
    fn of(nodes: &[Node]) -> Option<Self> {
        let stand = nodes.iter().map(|node| node.position);
        let mut places = stand.filter(|position| position.iter().all(|at| at.is_finite()));
        let first = places.next()?;
        let mut bounds = Self { low: first, high: first };
        for place in places {
            for side in 0..2 {
                bounds.low[side] = bounds.low[side].min(place[side]);
                bounds.high[side] = bounds.high[side].max(place[side]);
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
        Template {
            version: FORMAT_VERSION,
            name: "small".to_owned(),
            about: String::new(),
            blocks_per_layer: BlocksPerLayer::One,
            nodes,
            links: links.map(|(a, b)| link(a, b)).to_vec(),
        }
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
        template.nodes.iter().map(|node| (node.id.as_str(), node.layer)).collect()
    }

    #[test]
    fn every_stamp_between_two_bricks_gives_a_sound_template_also_twice() {
        for stamp in stamps() {
            let fragment = stamp.fragment().expect("is right");
            assert!(
                fragment.name == stamp.name
                    && !fragment.about.is_empty()
                    && fragment.version == FORMAT_VERSION
                    && !fragment.heads.is_empty()
                    && !fragment.tails.is_empty()
            );
            let once = small().edited(&[paste(&fragment, &["stem"], &["head"])]).expect("goes in");
            let graph =
                Graph::new(once.clone()).unwrap_or_else(|it| panic!("{}: {it:?}", stamp.name));
            assert_eq!(graph.len(), 4 + fragment.nodes.len());
            // Where two loose ends are alternatives, a second one cannot stand behind both with an identity past it.
            let tails: Vec<_> = fragment.tails.iter().map(NodeId::as_str).collect();
            let twice = once.edited(&[paste(&fragment, &tails, &["head"])]).expect("goes in");
            if let Err(problems) = Graph::new(twice) {
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
        assert!(!pasted.links.contains(&link("stem", "head")));
        assert!(!pasted.links.contains(&link("stem", "c1-1x1")));
        assert!(pasted.links.contains(&link("stem", "c1-3x3")));
        let of = |id: &str| pasted.node(&id.into()).map(|node| node.layer);
        let found = ["stem", "c1-5x5-2", "c2-5x5-2", "c1-5x5", "c2-5x5", "head"].map(of);
        assert_eq!(found, [1, 2, 3, 4, 5, 6].map(Some));
        assert_eq!(
            candidate::count(&Graph::new(pasted).expect("is sound")).exact(),
            // Two of the first level, or the third behind two levels more; then three of the second.
            Some(2 * 3 + 9 * 3)
        );
    }

    #[test]
    fn the_next_number_that_is_free_is_taken() {
        let mut template = small();
        let node = |id: &str| Node::new(id, 0, vec![Op::Identity]);
        let fragment = Fragment {
            nodes: ["a", "stem", "c-7", "-3", "c-7-", "9"].map(node).to_vec(),
            links: Vec::new(),
            heads: Vec::new(),
            tails: Vec::new(),
            ..stamp("2-conv-block")
        };
        for _ in 0..3 {
            template = template.edited(&[paste(&fragment, &[], &[])]).expect("goes in");
        }
        let ids: Vec<_> = template.nodes.iter().map(|node| node.id.as_str()).collect();
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
        let empty = Template { nodes: Vec::new(), links: Vec::new(), ..small() };
        let alone = empty.edited(&[paste(&block, &[], &[])]).expect("goes in");
        assert_eq!(layers(&alone)[0], ("c1-1x1", 0));
        assert_eq!(alone.nodes[0].position, block.nodes[0].position);
    }

    #[test]
    fn a_concatenation_takes_what_is_outside_first_and_is_replaced_in_its_slot() {
        let mut template = small();
        template.nodes.insert(2, Node::new("other", 1, vec![ConvBlock::new(4, 1).into()]));
        template.links.extend([link("input", "other"), link("other", "head")]);
        template.node_mut(&"head".into()).expect("is there").merge = Merge::Concatenate;
        let pasted = template
            .edited(&[paste(&stamp("densenet-conv-block"), &["stem"], &["head"])])
            .expect("goes in");
        let into = |id: &str| {
            let into = pasted.links.iter().filter(|link| link.1.as_str() == id);
            into.map(|link| link.0.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(into("join"), ["stem", "conv2"]);
        assert_eq!(into("head"), ["join", "other"]);
        assert!(Graph::new(pasted).is_ok());
    }

    #[test]
    fn bricks_stand_where_they_are_put_or_in_front_of_all_others() {
        let block = stamp("2-conv-block");
        let mut template = small();
        for (place, node) in template.nodes.iter_mut().enumerate() {
            node.position = [7.0 * place as f32, 2.0];
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
            Bounds::of(&pasted.nodes[4..]).expect("stands somewhere")
        };
        let own = Bounds::of(&block.nodes).expect("stands somewhere");
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
        let cut = Fragment { nodes: block.nodes[1..].to_vec(), ..block.clone() };
        assert!(matches!(small().edited(&[paste(&cut, &[], &[])]), Err(Refusal::NoNode(_))));
        let mut high = small();
        high.nodes[3].layer = u32::MAX - 1;
        let refusal = high.edited(&[paste(&block, &["stem"], &["head"])]);
        assert_eq!(refusal, Err(Refusal::Layers));
        high.nodes[3].layer = u32::MAX;
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
        let text = "(version: 2, name: \"t\", nodes: [], links: [], blocks_per_layer: Any)";
        assert!(Fragment::read("s.ron", text).is_err());
    }

    /// The nodes between the ends of each preset, copied and put back where they were.
    #[test]
    fn what_is_cut_out_and_pasted_back_is_the_same_network() {
        for preset in presets() {
            let graph = preset.graph().expect("is right");
            let template = graph.template();
            let ends = [graph.input(), graph.output()].map(|node| graph.id(node).clone());
            let inner: Vec<_> = template
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
            let again = Graph::new(back).expect("is sound");
            assert_eq!(again.total_cost(0..again.len()), graph.total_cost(0..graph.len()));
            assert_eq!(candidate::count(&again), candidate::count(&graph), "{}", preset.name);
            let sorted = |graph: &Graph| {
                let mut links = graph.template().links.clone();
                links.sort();
                links
            };
            assert_eq!(sorted(&again), sorted(&graph));
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
                presets()[preset].graph().expect("is right").template().clone()
            });
            let some = |template: &Template, bits: [u64; 2]| -> Vec<NodeId> {
                let kept = |place: usize| bits[0] & bits[1] >> (place % 64) & 1 == 1;
                let nodes = template.nodes.iter().enumerate();
                nodes.filter(|&(place, _)| kept(place)).map(|(_, node)| node.id.clone()).collect()
            };
            let fragment = Fragment::of(&source, &some(&source, [!0, bits[0]])).expect("is there");
            prop_assert!(fragment.problems().is_empty());
            let (from, to) = (some(&into, [ends[0], ends[1]]), some(&into, [ends[2], ends[3]]));
            let count = (into.nodes.len(), fragment.nodes.len());
            let [heads, tails] = [&fragment.heads, &fragment.tails].map(Vec::len);
            let edit = Edit::Paste { fragment: fragment.clone(), from: from.clone(), to: to.clone(), position };
            let pasted = into.edited(&[edit]).expect("goes in");
            prop_assert_eq!(pasted.nodes.len(), count.0 + count.1);
            let ids: HashSet<_> = pasted.nodes.iter().map(|node| &node.id).collect();
            prop_assert_eq!(ids.len(), pasted.nodes.len());
            let replaced = into.links.iter().filter(|link| {
                heads > 0 && tails > 0 && from.contains(&link.0) && to.contains(&link.1)
            });
            let links = into.links.len() - replaced.count()
                + fragment.links.len() + from.len() * heads + tails * to.len();
            prop_assert_eq!(pasted.links.len(), links);
            // What was there stays as it was, but for its layer.
            for (before, after) in into.nodes.iter().zip(&pasted.nodes) {
                prop_assert_eq!((&before.id, before.computes()), (&after.id, after.computes()));
                prop_assert!(after.layer >= before.layer);
            }
            // Copied again, it is what it was.
            let new: Vec<_> = pasted.nodes[count.0..].iter().map(|node| node.id.clone()).collect();
            let again = Fragment::of(&pasted, &new).expect("is there");
            prop_assert_eq!(again.links.len(), fragment.links.len());
            for (a, b) in again.nodes.iter().zip(&fragment.nodes) {
                prop_assert_eq!(a.computes(), b.computes());
            }
            let _problems = Analysis::of(&pasted);
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
