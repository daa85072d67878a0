//! Nodes that can stand for one another, and the orders in which candidates are put together from them.

use super::Space;
use std::collections::HashMap;

/// Nodes of one layer with the same sources and the same targets: which of them a candidate keeps makes no difference
/// to whether it is valid, only how many. A layer that is fully linked to its neighbours is one group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) members: Vec<usize>,
    /// Position in [`Graph::layers`](super::Graph::layers).
    pub(super) layer: usize,
    /// Whether every candidate keeps all members.
    pub(super) pinned: bool,
    /// The groups that every member is fed by.
    pub(super) sources: Vec<usize>,
    /// The groups that every member feeds.
    pub(super) targets: Vec<usize>,
}

/// How many nodes of one layer a candidate may keep.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    /// The most nodes.
    pub(super) limit: usize,
    /// How many nodes there are, and in how many groups.
    pub(super) nodes: usize,
    pub(super) groups: usize,
    /// Whether it takes counting over several groups to stay within the limit.
    pub(super) counted: bool,
}

/// How many nodes a layer may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocks {
    /// As many as the template allows.
    OfTemplate,
    /// One, or as many as are pinned.
    One,
}

/// The groups of a space, and the room of its layers.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    pub(super) list: Vec<Group>,
    pub(super) rooms: Vec<Room>,
    /// Whether every link leads to a higher layer.
    rising: bool,
}

impl Groups {
    /// `None` where a pinned node lies on no path of allowed nodes, so that there are no candidates.
    pub(super) fn new(space: &Space<'_>, blocks: Blocks) -> Option<Self> {
        let Space { graph, pinned, allowed } = space;
        if !pinned.is_subset(allowed) {
            return None;
        }
        let near = |nodes: &[usize]| {
            let mut near: Vec<_> = nodes.iter().copied().filter(|&n| allowed.contains(n)).collect();
            near.sort_unstable();
            near
        };
        let mut known = HashMap::new();
        let mut list: Vec<Group> = Vec::new();
        let mut group_of = vec![0; graph.len()];
        for &node in graph.order().iter().filter(|&&node| allowed.contains(node)) {
            let (sources, targets) = (near(graph.sources(node)), near(graph.targets(node)));
            let (layer, pinned) = (graph.layer_of(node), pinned.contains(node));
            let group = *known.entry((layer, pinned, sources, targets)).or_insert_with(|| {
                let (sources, targets) = (Vec::new(), Vec::new());
                list.push(Group { members: Vec::new(), layer, pinned, sources, targets });
                list.len() - 1
            });
            list[group].members.push(node);
            group_of[node] = group;
        }
        let groups_of = |nodes: &[usize]| {
            let mut groups: Vec<_> = near(nodes).into_iter().map(|node| group_of[node]).collect();
            groups.sort_unstable();
            groups.dedup();
            groups
        };
        for group in &mut list {
            let first = group.members[0];
            group.sources = groups_of(graph.sources(first));
            group.targets = groups_of(graph.targets(first));
        }
        let rising =
            list.iter().all(|from| from.targets.iter().all(|&to| from.layer < list[to].layer));
        let rooms = rooms(space, blocks, &list);
        Some(Self { list, rooms, rising })
    }

    /// About how often candidates keep any of a group, if links made no difference.
    pub(super) fn chance(&self, group: &Group) -> f64 {
        let room = self.rooms[group.layer];
        let of_node = (room.limit as f64 / room.nodes as f64).min(0.5);
        1.0 - (1.0 - of_node).powi(group.members.len().min(1_000) as i32)
    }

    /// How many groups all links lead over, layer by layer.
    pub(super) fn lengths_of_links(&self) -> usize {
        let order = self.by_layer();
        let mut places = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, &group)| places[group] = place);
        let of_group = |from: usize| {
            let places = &places;
            self.list[from].targets.iter().map(move |&to| places[to] - places[from])
        };
        (0..self.list.len()).flat_map(of_group).sum()
    }

    /// Layer by layer; where links lead back to an earlier layer, in the template's order.
    pub(super) fn by_layer(&self) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.list.len()).collect();
        if self.rising {
            // The list is in an order of the graph, which stays within a layer.
            order.sort_by_key(|&group| self.list[group].layer);
        }
        order
    }

    /// Along one branch after the other: always a group after which the fewest others wait for their targets, of
    /// equals the one that could be taken last.
    pub(super) fn by_branch(&self) -> Vec<usize> {
        /// How many of the groups that can be taken are compared.
        const COMPARED: usize = 64;
        let mut missing: Vec<_> = self.list.iter().map(|group| group.sources.len()).collect();
        let mut waiting: Vec<_> = self.list.iter().map(|group| group.targets.len()).collect();
        let mut left: Vec<_> = self.rooms.iter().map(|room| room.groups).collect();
        let mut ready: Vec<_> = (0..self.list.len()).filter(|&group| missing[group] == 0).collect();
        let mut order = Vec::with_capacity(self.list.len());
        let score = |group: usize, waiting: &[usize], left: &[usize]| {
            let Group { sources, targets, layer, .. } = &self.list[group];
            let ended = sources.iter().filter(|&&source| waiting[source] == 1).count() as i64;
            let room = self.rooms[*layer];
            let counting = if !room.counted {
                0
            } else if left[*layer] == 1 {
                1
            } else {
                -i64::from(left[*layer] == room.groups)
            };
            ended + counting - i64::from(!targets.is_empty())
        };
        while !ready.is_empty() {
            let from = ready.len().saturating_sub(COMPARED);
            // The last one of equals.
            let best = (from..ready.len()).max_by_key(|&at| score(ready[at], &waiting, &left));
            let group = ready.remove(best.unwrap_or(from));
            order.push(group);
            left[self.list[group].layer] -= 1;
            for &source in &self.list[group].sources {
                waiting[source] -= 1;
            }
            for &target in &self.list[group].targets {
                missing[target] -= 1;
                if missing[target] == 0 {
                    ready.push(target);
                }
            }
        }
        order
    }
}

fn rooms(space: &Space<'_>, blocks: Blocks, groups: &[Group]) -> Vec<Room> {
    let limits = space.graph.blocks_per_layer();
    let layers = space.graph.layers();
    let mut rooms = vec![Room::default(); layers.len()];
    let mut pinned = vec![0; layers.len()];
    for group in groups {
        rooms[group.layer].groups += 1;
        rooms[group.layer].nodes += group.members.len();
        pinned[group.layer] += if group.pinned { group.members.len() } else { 0 };
    }
    for (layer, room) in rooms.iter_mut().enumerate() {
        let of_template = limits.limit(layers[layer].len());
        room.limit = match blocks {
            Blocks::OfTemplate => of_template,
            Blocks::One => pinned[layer].max(1).min(of_template),
        };
        room.counted = room.groups > 1 && room.limit < room.nodes;
    }
    rooms
}
