//! How a template looks: where its bricks stand, what is written on them, which are drawn as one. Nothing of it enters
//! what the network computes.

use super::{
    Network, NodeId,
    problem::{Problem, ProblemKind},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
    marker::PhantomData,
};

/// The looks of a template, by node.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Layout {
    /// Where bricks stand on the plate: studs along the data flow, studs across it.
    #[serde(deserialize_with = "each_once")]
    pub positions: BTreeMap<NodeId, [f32; 2]>,
    /// What stands on bricks whose operations do not name them well.
    #[serde(deserialize_with = "each_once")]
    pub labels: BTreeMap<NodeId, String>,
    /// Bricks that belong together. A brick is in one group at most, and each group has a title of its own.
    pub groups: Vec<Group>,
}

/// Bricks that belong together, and may be drawn as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its title.
    pub title: String,
    /// Its nodes.
    pub members: BTreeSet<NodeId>,
    /// Whether it is drawn as one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub collapsed: bool,
}

impl Layout {
    /// The group that a node is in.
    pub fn group_of(&self, id: &NodeId) -> Option<&Group> {
        self.groups.iter().find(|group| group.members.contains(id))
    }

    /// The group called `title`.
    pub fn group(&self, title: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.title == title)
    }

    pub(super) fn group_mut(&mut self, title: &str) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.title == title)
    }

    /// Sets or takes away what stands on a brick.
    pub(super) fn set_label(&mut self, id: &NodeId, label: Option<&str>) {
        match label {
            Some(label) => self.labels.insert(id.clone(), label.to_owned()),
            None => self.labels.remove(id),
        };
    }

    /// Gives the looks of one node to another.
    pub(super) fn rename(&mut self, from: &NodeId, to: &NodeId) {
        if let Some(position) = self.positions.remove(from) {
            self.positions.insert(to.clone(), position);
        }
        if let Some(label) = self.labels.remove(from) {
            self.labels.insert(to.clone(), label);
        }
        for group in &mut self.groups {
            if group.members.remove(from) {
                group.members.insert(to.clone());
            }
        }
    }

    /// The looks of those nodes alone that are `wanted`.
    pub(super) fn of_nodes(&self, wanted: impl Fn(&NodeId) -> bool) -> Self {
        let mut layout = self.clone();
        layout.positions.retain(|id, _| wanted(id));
        layout.labels.retain(|id, _| wanted(id));
        for group in &mut layout.groups {
            group.members.retain(&wanted);
        }
        layout.drop_empty_groups();
        layout
    }

    /// Forgets the looks of a node.
    pub(super) fn forget(&mut self, id: &NodeId) {
        self.positions.remove(id);
        self.labels.remove(id);
        for group in &mut self.groups {
            group.members.remove(id);
        }
        self.drop_empty_groups();
    }

    /// A title that no group has: this one, or with a number behind it.
    pub(super) fn free_title(&self, title: &str) -> String {
        let numbered = (2..).map(|number| format!("{title} {number}"));
        let mut titles = std::iter::once(title.to_owned()).chain(numbered);
        titles.find(|title| self.group(title).is_none()).unwrap_or_default()
    }

    /// Puts nodes into the group called `title`, which is made where there is none, and out of all others.
    pub(super) fn put_into_group(&mut self, title: &str, nodes: &[NodeId]) {
        for id in nodes {
            for group in self.groups.iter_mut().filter(|group| group.title != title) {
                group.members.remove(id);
            }
        }
        if self.group(title).is_none() {
            let (title, members) = (title.to_owned(), BTreeSet::new());
            self.groups.push(Group { title, members, collapsed: false });
        }
        if let Some(group) = self.group_mut(title) {
            group.members.extend(nodes.iter().cloned());
        }
        self.drop_empty_groups();
    }

    pub(super) fn drop_empty_groups(&mut self) {
        self.groups.retain(|group| !group.members.is_empty());
    }

    /// Brings groups that were written by hand under the rules: of several groups with one title there is one, a node
    /// is in the first that names it, and an empty group goes.
    pub(super) fn tidy(mut self) -> Self {
        let (mut taken, mut places) = (HashSet::new(), HashMap::new());
        for mut group in std::mem::take(&mut self.groups) {
            group.members.retain(|id| taken.insert(id.clone()));
            match places.get(&group.title) {
                Some(&place) => {
                    let known: &mut Group = &mut self.groups[place];
                    known.members.append(&mut group.members);
                }
                None => {
                    places.insert(group.title.clone(), self.groups.len());
                    self.groups.push(group);
                }
            }
        }
        self.drop_empty_groups();
        self
    }

    /// The problems of the looks of this network.
    pub(super) fn problems(&self, network: &Network) -> Vec<Problem> {
        let known: HashSet<_> = network.nodes.iter().map(|node| &node.id).collect();
        let nowhere =
            self.positions.iter().filter(|(_, place)| !place.iter().all(|x| x.is_finite()));
        let nowhere = nowhere.map(|(id, _)| {
            Problem::new(
                ProblemKind::Position,
                &[id],
                "the position is not a number",
                "set it to two numbers, in studs, or leave it out",
            )
        });
        let named = self.positions.keys().chain(self.labels.keys());
        let named = named.chain(self.groups.iter().flat_map(|group| &group.members));
        let strays: BTreeSet<_> = named.filter(|id| !known.contains(id)).collect();
        let strays = strays.into_iter().map(|id| {
            Problem::new(
                ProblemKind::LooksOfNothing,
                &[id],
                "the layout names it, but there is no such node",
                "correct the id, or delete it from the layout",
            )
        });
        nowhere.chain(strays).collect()
    }
}

/// A map in which each node may be named once: of two lines for one brick, one is a mistake.
fn each_once<'de, D: Deserializer<'de>, V: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<NodeId, V>, D::Error> {
    struct Read<V>(PhantomData<V>);
    impl<'de, V: Deserialize<'de>> Visitor<'de> for Read<V> {
        type Value = BTreeMap<NodeId, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map from ids, such as {\"input\": (0, 0)}")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut read = BTreeMap::new();
            while let Some((id, value)) = map.next_entry::<NodeId, V>()? {
                if read.contains_key(&id) {
                    return Err(de::Error::custom(format!("`{id}` is named twice; keep one line")));
                }
                read.insert(id, value);
            }
            Ok(read)
        }
    }
    deserializer.deserialize_map(Read(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[&str]) -> Vec<NodeId> {
        ids.iter().map(|&id| id.into()).collect()
    }

    fn grouped(layout: &Layout) -> Vec<(&str, Vec<&str>)> {
        let members = |group: &'_ Group| -> Vec<&str> {
            layout
                .group(&group.title)
                .into_iter()
                .flat_map(|group| &group.members)
                .map(NodeId::as_str)
                .collect()
        };
        layout.groups.iter().map(|group| (group.title.as_str(), members(group))).collect()
    }

    #[test]
    fn a_node_is_in_one_group_and_an_empty_group_goes() {
        let mut layout = Layout::default();
        layout.put_into_group("stem", &ids(&["a", "b"]));
        layout.put_into_group("head", &ids(&["c"]));
        layout.put_into_group("stem", &ids(&["c"]));
        layout.put_into_group("none", &[]);
        layout.group_mut("stem").expect("is there").collapsed = true;
        layout.put_into_group("stem", &ids(&["c", "b", "a"]));
        assert_eq!(grouped(&layout), [("stem", vec!["a", "b", "c"])]);
        assert!(layout.groups[0].collapsed, "the group is the same");
        layout.rename(&"b".into(), &"z".into());
        layout.forget(&"a".into());
        assert_eq!(grouped(&layout), [("stem", vec!["c", "z"])]);
        assert_eq!(layout.group_of(&"z".into()).map(|group| group.title.as_str()), Some("stem"));
        for id in ids(&["c", "z"]) {
            layout.forget(&id);
        }
        assert!(layout.groups.is_empty());
    }

    #[test]
    fn groups_that_were_written_by_hand_are_brought_under_the_rules() {
        let group = |title: &str, members: &[&str]| Group {
            title: title.to_owned(),
            members: ids(members).into_iter().collect(),
            collapsed: false,
        };
        let groups = vec![
            group("one", &["a", "b"]),
            group("none", &[]),
            group("two", &["b", "c"]),
            group("one", &["d", "c"]),
            group("gone", &["a"]),
        ];
        let layout = Layout { groups, ..Layout::default() }.tidy();
        assert_eq!(grouped(&layout), [("one", vec!["a", "b", "d"]), ("two", vec!["c"])]);
    }

    #[test]
    fn looks_of_what_is_no_node_are_told_once_each() {
        let mut layout = Layout::default();
        layout.positions.insert("a".into(), [f32::NAN, 0.0]);
        layout.positions.insert("x".into(), [0.0; 2]);
        layout.set_label(&"x".into(), Some("X"));
        layout.put_into_group("g", &ids(&["a", "x", "y"]));
        let network =
            Network { nodes: vec![super::super::Node::new("a", 0, vec![])], ..Network::default() };
        let problems = layout.problems(&network);
        let told: Vec<_> = problems.iter().map(|it| (it.nodes[0].as_str(), &it.kind)).collect();
        assert_eq!(
            told,
            [
                ("a", &ProblemKind::Position),
                ("x", &ProblemKind::LooksOfNothing),
                ("y", &ProblemKind::LooksOfNothing)
            ]
        );
    }
}
