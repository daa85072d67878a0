//! Where bricks may stand: none overlaps another, none leaves the plate.

use super::brick;
use crate::{
    app::stage::{Stage, studs_from_world, world_from_studs},
    engine::template::{Graph, Node},
};
use bevy::prelude::*;

/// How far from where it was dropped a brick looks for a free place, in studs.
const SEARCH_RADIUS: i32 = 24;

/// What a node's brick covers of the plate: studs along the flow, studs across.
pub fn footprint(node: &Node) -> Vec2 {
    vec2(brick::width(node), brick::DEPTH)
}

/// Whether the brick of `node` can stand at `position` (studs) without touching another brick's footprint
/// or leaving the plate.
pub(super) fn is_free(graph: &Graph, stage: &Stage, node: usize, position: [f32; 2]) -> bool {
    let size = footprint(&graph.nodes()[node]);
    let place = world_from_studs(position);
    let on_plate = stage.keep_on_plate(place, size).abs_diff_eq(place, 1e-4);
    on_plate
        && graph.nodes().iter().enumerate().all(|(i, other)| {
            let distance = (Vec2::from(position) - Vec2::from(other.position)).abs();
            i == node || distance.cmpge((size + footprint(other)) / 2.0).any()
        })
}

/// The free place nearest to a point of the plate for the brick of `node`, in studs; `None` if there is
/// none nearby.
pub(super) fn nearest_free(
    graph: &Graph,
    stage: &Stage,
    node: usize,
    point: Vec3,
) -> Option<[f32; 2]> {
    let point = stage.keep_on_plate(point, footprint(&graph.nodes()[node]));
    let [x, z] = studs_from_world(point);
    let mut places: Vec<_> = (-SEARCH_RADIUS..=SEARCH_RADIUS)
        .flat_map(|dx| {
            (-SEARCH_RADIUS..=SEARCH_RADIUS).map(move |dz| [x + dx as f32, z + dz as f32])
        })
        .collect();
    let distance = |place: &[f32; 2]| world_from_studs(*place).distance_squared(point);
    places.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
    places.into_iter().find(|&place| is_free(graph, stage, node, place))
}

/// The next free place from the brick of `node` in a direction (studs), beyond whatever stands there;
/// `None` at the edge of the plate.
pub(super) fn next_free(
    graph: &Graph,
    stage: &Stage,
    node: usize,
    direction: Vec2,
) -> Option<[f32; 2]> {
    let start = Vec2::from(graph.nodes()[node].position);
    let longest = (2.0 * (stage.plate_half / crate::app::stage::STUD).max_element()) as usize;
    (1..=longest)
        .map(|step| (start + direction * step as f32).to_array())
        .find(|&place| is_free(graph, stage, node, place))
}

/// Where a ray meets the horizontal plane at `height`; `None` if it never does.
pub(super) fn plane_point(ray: Ray3d, height: f32) -> Option<Vec3> {
    ray.plane_intersection_point(Vec3::Y * height, InfinitePlane3d::new(Vec3::Y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::stage::STUD,
        engine::template::{NodeId, presets},
    };

    fn graph(name: &str) -> Graph {
        let preset = presets().into_iter().find(|preset| preset.name == name).expect("exists");
        preset.graph().expect("presets are right")
    }

    #[test]
    fn every_brick_of_every_preset_has_its_place_to_itself() {
        for preset in presets() {
            let graph = preset.graph().expect("presets are right");
            let stage = Stage::new(&graph);
            for (i, node) in graph.nodes().iter().enumerate() {
                assert!(
                    is_free(&graph, &stage, i, node.position),
                    "{} of {}",
                    node.id,
                    preset.name
                );
            }
        }
    }

    #[test]
    fn a_brick_dropped_on_another_lands_beside_it() {
        let graph = graph("3-conv-3-layer");
        let stage = Stage::new(&graph);
        let index = |id: &str| graph.index_of(&NodeId::new(id)).expect("exists");
        let (node, other) = (index("c1-3x3"), index("c2-3x3"));
        let taken = graph.nodes()[other].position;
        let place =
            nearest_free(&graph, &stage, node, world_from_studs(taken)).expect("there is room");
        assert!(is_free(&graph, &stage, node, place));
        let distance = world_from_studs(place).distance(world_from_studs(taken)) / STUD;
        assert!((3.0..=6.0).contains(&distance), "{distance}");
    }

    #[test]
    fn a_brick_dropped_beyond_the_edge_stays_on_the_plate() {
        let graph = graph("3-conv-3-layer");
        let stage = Stage::new(&graph);
        let place =
            nearest_free(&graph, &stage, 0, vec3(1000.0, 0.0, -1000.0)).expect("there is room");
        assert!(is_free(&graph, &stage, 0, place), "{place:?}");
    }

    #[test]
    fn a_brick_steps_over_its_neighbour() {
        let graph = graph("3-conv-3-layer");
        let stage = Stage::new(&graph);
        let node = graph.index_of(&NodeId::new("c1-1x1")).expect("exists");
        let step = next_free(&graph, &stage, node, Vec2::X).expect("there is room");
        assert_eq!(step, [-13.0, -4.0]);
        assert_eq!(next_free(&graph, &stage, node, -Vec2::Y * 100.0), None);
    }

    #[test]
    fn a_pointer_ray_finds_the_stud_it_points_at() {
        let eye = vec3(1.0, 8.0, 9.0);
        let aim = world_from_studs([4.0, -3.0]).with_y(0.3);
        let ray = Ray3d::new(eye, Dir3::new(aim - eye).expect("apart"));
        let point = plane_point(ray, 0.3).expect("it points down");
        assert_eq!(studs_from_world(point), [4.0, -3.0]);
        let upward = Ray3d::new(eye, Dir3::Y);
        assert_eq!(plane_point(upward, 0.3), None);
    }
}
