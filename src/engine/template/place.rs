//! Automatic placing of nodes that have no position: layers follow one another along the flow, in rows like those of a
//! text; alternatives stand side by side across it.

use super::{Network, NodeId};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The most that a brick covers: studs along the flow, studs across it.
pub const BRICK: [f32; 2] = [6.0, 3.0];

/// From one layer to the next, and from one alternative to the next.
const STEP: [f32; 2] = [7.0, 4.0];
/// Free studs between two rows of layers, beyond those between alternatives.
const ROW_GAP: f32 = 3.0;
/// Layers that fit a row, whatever else.
const ROW: usize = 11;
/// How many steps away from where it would stand best a single node looks for a free place.
const REACH: i32 = 12;
/// Positions beyond this are a mistake: there is no room to look for beside them.
const FARTHEST: f32 = 1e6;

/// Positions for the nodes that have none, on whole studs and clear of all other bricks.
pub(super) fn missing(
    network: &Network,
    placed: &BTreeMap<NodeId, [f32; 2]>,
) -> Vec<(NodeId, [f32; 2])> {
    let mut seen = HashSet::new();
    let missing: Vec<_> = (0..network.nodes.len())
        .filter(|&node| {
            let id = &network.nodes[node].id;
            !placed.contains_key(id) && seen.insert(id)
        })
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let known = network.nodes.iter().filter_map(|node| Some((&node.id, *placed.get(&node.id)?)));
    let known: HashMap<_, _> =
        known.filter(|(_, place)| place.iter().all(|studs| studs.abs() < FARTHEST)).collect();
    let places = if known.is_empty() {
        in_rows(network, &missing)
    } else {
        beside(network, &missing, &known)
    };
    let id = |node: usize| network.nodes[node].id.clone();
    places.into_iter().map(|(node, place)| (id(node), place)).collect()
}

/// All nodes of a template, about the middle of the plate.
fn in_rows(network: &Network, nodes: &[usize]) -> Vec<(usize, [f32; 2])> {
    let mut layers = BTreeMap::<u32, Vec<usize>>::new();
    for &node in nodes {
        layers.entry(network.nodes[node].layer).or_default().push(node);
    }
    let layers: Vec<_> = layers.into_values().collect();
    let height =
        |layers: &[Vec<usize>]| STEP[1] * layers.iter().map(Vec::len).max().unwrap_or(0) as f32;
    // A plate about twice as long as it is deep.
    let balanced = layers.len() as f32 * (height(&layers) + ROW_GAP) * 2.0 / STEP[0];
    let length = ROW.max(balanced.sqrt().ceil() as usize).min(layers.len());
    let left = (0.5 - STEP[0] * (length as f32 - 1.0) / 2.0).floor();
    let rows = layers.chunks(length);
    let depth = rows.clone().map(height).sum::<f32>() + ROW_GAP * (rows.len() as f32 - 1.0);
    let (mut top, mut places) = (-depth / 2.0, Vec::new());
    for row in rows {
        let middle = (0.5 + top + height(row) / 2.0).floor();
        for (column, layer) in row.iter().enumerate() {
            let first = middle - STEP[1] * (layer.len() as f32 - 1.0) / 2.0;
            let place = |at: usize| [left + STEP[0] * column as f32, first + STEP[1] * at as f32];
            places.extend(layer.iter().enumerate().map(|(at, &node)| (node, place(at))));
        }
        top += height(row) + ROW_GAP;
    }
    places
}

/// Nodes of a template in which others have their places: each beside the alternatives of its layer; without any,
/// between what it is linked with; in a row in front of all others where there is no room.
fn beside(
    network: &Network,
    nodes: &[usize],
    known: &HashMap<&NodeId, [f32; 2]>,
) -> Vec<(usize, [f32; 2])> {
    let (mut plate, mut ends) = (Plate::default(), BTreeMap::<u32, [f32; 2]>::new());
    let (mut left, mut front) = (f32::MAX, f32::MIN);
    for node in &network.nodes {
        if let Some(&place) = known.get(&node.id) {
            plate.put(place);
            (left, front) = (left.min(place[0].floor()), front.max(place[1].ceil()));
            let end = ends.entry(node.layer).or_insert(place);
            if place[1] > end[1] {
                *end = place;
            }
        }
    }
    let mut linked: HashMap<_, _> =
        nodes.iter().map(|&node| (&network.nodes[node].id, ([0.0; 2], 0.0))).collect();
    for link in &network.links {
        for (id, other) in [(&link.0, &link.1), (&link.1, &link.0)] {
            if let (Some((sum, count)), Some(place)) = (linked.get_mut(id), known.get(other)) {
                *sum = [0, 1].map(|axis| sum[axis] + place[axis]);
                *count += 1.0;
            }
        }
    }
    let offsets = offsets();
    let mut next = [left, front + STEP[1] + ROW_GAP];
    let mut places = Vec::new();
    for &node in nodes {
        let own = &network.nodes[node];
        let best = match (ends.get(&own.layer), linked.get(&own.id)) {
            (Some(&[x, z]), _) => Some([x, z + STEP[1]]),
            (None, Some(&(sum, count))) if count > 0.0 => Some(sum.map(|sum| sum / count)),
            (None, _) => None,
        };
        let best = best.map(|best| best.map(|studs| (studs + 0.5).floor()));
        let near = best.and_then(|[x, z]| {
            let mut tries = offsets.iter().map(|[dx, dz]| [x + dx, z + dz]);
            tries.find(|&place| plate.is_free(place))
        });
        let place = near.unwrap_or_else(|| {
            while !plate.is_free(next) {
                next[0] += STEP[0];
            }
            next
        });
        plate.put(place);
        ends.insert(own.layer, place);
        places.push((node, place));
    }
    places
}

/// Steps from a place to those around it, the nearest first; across the flow rather than along it.
fn offsets() -> Vec<[f32; 2]> {
    let mut steps: Vec<_> =
        (-REACH..=REACH).flat_map(|x| (-REACH..=REACH).map(move |z| [x, z])).collect();
    steps.sort_by_key(|[x, z]| (4 * x * x + z * z, x.abs(), -z, -x));
    steps.into_iter().map(|[x, z]| [STEP[0] * x as f32, STEP[1] * z as f32]).collect()
}

/// What stands on the plate: bricks by the cell that their middle is in.
#[derive(Default)]
struct Plate(HashMap<[i32; 2], Vec<[f32; 2]>>);

impl Plate {
    fn cell(place: [f32; 2]) -> [i32; 2] {
        [0, 1].map(|axis| (place[axis] / BRICK[axis]).floor() as i32)
    }

    fn put(&mut self, place: [f32; 2]) {
        self.0.entry(Self::cell(place)).or_default().push(place);
    }

    /// Whether a brick has room there.
    fn is_free(&self, place: [f32; 2]) -> bool {
        let [x, z] = Self::cell(place);
        let around = (-1..=1).flat_map(|dx| (-1..=1).map(move |dz| [x + dx, z + dz]));
        !around.filter_map(|cell| self.0.get(&cell)).flatten().any(|&other| overlap(place, other))
    }
}

/// Whether two bricks may stand in each other's way.
fn overlap(one: [f32; 2], other: [f32; 2]) -> bool {
    [0, 1].iter().all(|&axis| (one[axis] - other[axis]).abs() < BRICK[axis])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::template::{Link, Node, Template, presets};
    use proptest::prelude::*;

    #[test]
    fn presets_stand_where_they_would_without_being_told() {
        for name in ["3-conv-3-layer", "vgg11"] {
            let preset = presets().into_iter().find(|preset| preset.name == name).expect("exists");
            let template = preset.template().expect("is right");
            let placed: BTreeMap<_, _> =
                missing(&template.network, &BTreeMap::new()).into_iter().collect();
            assert_eq!(placed, template.layout.positions, "{name}");
        }
    }

    #[test]
    fn a_new_alternative_stands_beside_the_others_and_a_node_on_a_link_between_its_ends() {
        let mut template = presets()[0].template().expect("is right");
        let network = template.network_mut();
        network.nodes.push(Node::new("c1-7x7", 1, vec![]));
        network.nodes.push(Node::new("between", 99, vec![]));
        network.links.push(Link("gap".into(), "between".into()));
        network.links.push(Link("between".into(), "output".into()));
        template.place_missing();
        assert_eq!(template.position(&"c1-7x7".into()), [-14.0, 8.0]);
        // Halfway between 7 and 21 stands a brick already.
        assert_eq!(template.position(&"between".into()), [14.0, 8.0]);
    }

    /// Networks of up to 40 nodes in up to 12 layers, with places for some of the nodes.
    fn any_network() -> impl Strategy<Value = (Network, BTreeMap<NodeId, [f32; 2]>)> {
        let node = (0..12_u32, prop::option::of((-40..40_i8, -20..20_i8)));
        let links = prop::collection::vec((0..40_usize, 0..40_usize), 0..60);
        (prop::collection::vec(node, 0..40), links).prop_map(|(all, links)| {
            let id = |node: usize| NodeId::new(format!("n{node}"));
            let nodes = all.iter().enumerate();
            let network = Network {
                nodes: nodes
                    .clone()
                    .map(|(i, &(layer, _))| Node::new(id(i), layer, vec![]))
                    .collect(),
                links: links.into_iter().map(|(a, b)| Link(id(a), id(b))).collect(),
                ..Network::default()
            };
            let place = |(x, z)| [f32::from(x), f32::from(z)];
            let placed = nodes.filter_map(|(i, &(_, at))| Some((id(i), place(at?)))).collect();
            (network, placed)
        })
    }

    proptest! {
        #[test]
        fn bricks_that_are_placed_automatically_overlap_none((network, placed) in any_network()) {
            let found = missing(&network, &placed);
            prop_assert_eq!(found.len() + placed.len(), network.nodes.len());
            for (i, (id, place)) in found.iter().enumerate() {
                prop_assert!(place.iter().all(|studs| studs.fract() == 0.0));
                let others = found[..i].iter().map(|(id, place)| (id, *place));
                for (other, at) in others.chain(placed.iter().map(|(id, &at)| (id, at))) {
                    prop_assert!(!overlap(*place, at), "{} on {}", id, other);
                }
            }
        }
    }

    #[test]
    fn a_hundred_thousand_nodes_find_their_places() {
        let nodes = (0..100_000).map(|i| Node::new(format!("n{i}"), i / 5, vec![])).collect();
        let mut template = Template::new("large", Network { nodes, ..Network::default() });
        for i in 100_000..200_000 {
            template.network_mut().nodes.push(Node::new(format!("n{i}"), i % 3, vec![]));
        }
        template.place_missing();
        assert_eq!(template.layout.positions.len(), 200_000);
    }
}
