//! Where bricks may stand: none overlaps another, none leaves the plate.

use super::brick;
use crate::{
    app::stage::{Stage, studs_from_world, world_from_studs},
    engine::template::{Node, NodeId, Template},
};
use bevy::prelude::*;

/// How far from where it was dropped a brick looks for a free place, in studs.
const SEARCH_RADIUS: i32 = 24;

/// The area of the plate that a node's brick covers: studs along the flow, studs across.
pub fn footprint(node: &Node) -> Vec2 {
    vec2(brick::width(node), brick::DEPTH)
}

/// What one brick of a template has to keep clear of.
struct Others<'a> {
    stage: &'a Stage,
    /// The area that the brick covers.
    size: Vec2,
    /// Where the other bricks stand, and what each covers.
    bricks: Vec<(Vec2, Vec2)>,
}

impl<'a> Others<'a> {
    /// `None` for a brick that is not there.
    fn of(template: &Template, stage: &'a Stage, id: &NodeId) -> Option<Self> {
        let size = footprint(template.node(id)?);
        let others = template.network.nodes.iter().filter(|node| node.id != *id);
        let place = |node: &Node| (Vec2::from(template.position(&node.id)), footprint(node));
        Some(Self { stage, size, bricks: others.map(place).collect() })
    }

    /// Whether the brick can stand at `position` (studs) without touching another brick's footprint or leaving the
    /// plate.
    fn leave_free(&self, position: [f32; 2]) -> bool {
        let place = world_from_studs(position);
        let on_plate = self.stage.keep_on_plate(place, self.size).abs_diff_eq(place, 1e-4);
        on_plate
            && self.bricks.iter().all(|&(other, size)| {
                let distance = (Vec2::from(position) - other).abs();
                distance.cmpge((self.size + size) / 2.0).any()
            })
    }
}

/// The free place nearest to a point of the plate for the brick of a node, in studs; `None` if there is none nearby.
pub(super) fn nearest_free(
    template: &Template,
    stage: &Stage,
    id: &NodeId,
    point: Vec3,
) -> Option<[f32; 2]> {
    let others = Others::of(template, stage, id)?;
    let point = stage.keep_on_plate(point, others.size);
    let [x, z] = studs_from_world(point);
    let mut places: Vec<_> = (-SEARCH_RADIUS..=SEARCH_RADIUS)
        .flat_map(|dx| {
            (-SEARCH_RADIUS..=SEARCH_RADIUS).map(move |dz| [x + dx as f32, z + dz as f32])
        })
        .collect();
    let distance = |place: &[f32; 2]| world_from_studs(*place).distance_squared(point);
    places.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
    places.into_iter().find(|&place| others.leave_free(place))
}

/// The next free place from the brick of a node in a direction (studs), beyond whatever stands there; `None` at the
/// edge of the plate.
pub(super) fn next_free(
    template: &Template,
    stage: &Stage,
    id: &NodeId,
    direction: Vec2,
) -> Option<[f32; 2]> {
    let others = Others::of(template, stage, id)?;
    let start = Vec2::from(template.position(id));
    let longest = (2.0 * (stage.plate_half / crate::app::stage::STUD).max_element()) as usize;
    (1..=longest)
        .map(|step| (start + direction * step as f32).to_array())
        .find(|&place| others.leave_free(place))
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
        engine::template::{BRICK, presets},
    };

    fn template(name: &str) -> Template {
        let preset = presets().into_iter().find(|preset| preset.name == name).expect("exists");
        preset.template().expect("presets are right")
    }

    fn is_free(template: &Template, stage: &Stage, id: &NodeId, position: [f32; 2]) -> bool {
        Others::of(template, stage, id).expect("is there").leave_free(position)
    }

    #[test]
    fn bricks_are_no_larger_than_automatic_placing_takes_them_to_be() {
        for preset in presets() {
            for node in &preset.template().expect("presets are right").network.nodes {
                assert!(footprint(node).cmple(Vec2::from(BRICK)).all(), "{}", node.id);
            }
        }
        assert!(vec2(brick::WIDEST, brick::DEPTH).cmple(Vec2::from(BRICK)).all());
    }

    #[test]
    fn every_brick_of_every_preset_has_its_place_to_itself() {
        for preset in presets() {
            let template = preset.template().expect("presets are right");
            let stage = Stage::new(&template);
            for (id, &position) in &template.layout.positions {
                assert!(is_free(&template, &stage, id, position), "{id} of {}", preset.name);
            }
        }
    }

    #[test]
    fn a_brick_dropped_on_another_lands_beside_it() {
        let template = template("3-conv-3-layer");
        let stage = Stage::new(&template);
        let (node, other) = (NodeId::from("c1-3x3"), NodeId::from("c2-3x3"));
        let taken = template.position(&other);
        let place =
            nearest_free(&template, &stage, &node, world_from_studs(taken)).expect("there is room");
        assert!(is_free(&template, &stage, &node, place));
        let distance = world_from_studs(place).distance(world_from_studs(taken)) / STUD;
        assert!((3.0..=6.0).contains(&distance), "{distance}");
    }

    #[test]
    fn a_brick_dropped_beyond_the_edge_stays_on_the_plate() {
        let template = template("3-conv-3-layer");
        let stage = Stage::new(&template);
        let (id, far) = (NodeId::from("input"), vec3(1000.0, 0.0, -1000.0));
        let place = nearest_free(&template, &stage, &id, far).expect("there is room");
        assert!(is_free(&template, &stage, &id, place), "{place:?}");
    }

    #[test]
    fn a_brick_steps_over_its_neighbour() {
        let template = template("3-conv-3-layer");
        let stage = Stage::new(&template);
        let node = NodeId::from("c1-1x1");
        let step = next_free(&template, &stage, &node, Vec2::X).expect("there is room");
        assert_eq!(step, [-13.0, -4.0]);
        assert_eq!(next_free(&template, &stage, &node, -Vec2::Y * 100.0), None);
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
