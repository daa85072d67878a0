//! What makes the cloud legible as a volume: a faint floor below it, and lines that drop from the best and
//! from the selected point to that floor.

use super::{
    super::{document::Focus, stage::Stage, theme},
    Cloud, CloudSystems, Scores,
};
use bevy::{
    asset::RenderAssetUsages,
    light::{NotShadowCaster, NotShadowReceiver},
    mesh::PrimitiveTopology,
    prelude::*,
};
use std::f32::consts::TAU;

/// The floor's radius and its depth below the middle of the cloud as shares of the cloud's radius: it must
/// not reach over the plate, and only few points may be below it.
const FLOOR_RADIUS: f32 = 0.6;
const FLOOR_DEPTH: f32 = 0.75;
/// Where the rings of the floor are, as shares of its radius.
const RINGS: [f32; 3] = [1.0 / 3.0, 2.0 / 3.0, 1.0];
/// Straight pieces of a ring.
const RING_PIECES: usize = 96;
/// Half the size of the mark where a line meets the floor, in world units.
const FOOT: f32 = 0.06;
/// The colour of the floor: visible on the background, and no more.
const FLOOR: Color = theme::rgb(0x2A313C);

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, draw_frame).add_systems(
        PostUpdate,
        (place_floor.run_if(resource_changed::<Stage>), place_drop_lines)
            .in_set(CloudSystems)
            .after(super::style_points),
    );
}

/// The floor below the cloud.
#[derive(Component)]
struct Floor;

/// A line from a point to the floor.
#[derive(Component, Clone, Copy)]
enum DropLine {
    Best,
    Selected,
}

fn draw_frame(
    mut commands: Commands,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    let mut lines = |points| {
        meshes.add(
            Mesh::new(PrimitiveTopology::LineList, RenderAssetUsages::RENDER_WORLD)
                .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, points),
        )
    };
    let (floor, drop) = (lines(floor_lines()), lines(drop_lines()));
    let mut paint = |color: Color| {
        materials.add(StandardMaterial {
            base_color: color,
            unlit: true,
            fog_enabled: false,
            ..default()
        })
    };
    let silent = (Pickable::IGNORE, NotShadowCaster, NotShadowReceiver);
    commands.spawn((
        Name::new("Floor of the cloud"),
        Floor,
        Mesh3d(floor),
        MeshMaterial3d(paint(FLOOR)),
        Transform::default(),
        silent.clone(),
    ));
    for (line, name, color) in [
        (DropLine::Best, "Drop line of the best", theme::ACCENT.mix(&theme::BACKGROUND, 0.4)),
        (DropLine::Selected, "Drop line of the selected", theme::TEXT.mix(&theme::BACKGROUND, 0.4)),
    ] {
        commands.spawn((
            Name::new(name),
            line,
            Mesh3d(drop.clone()),
            MeshMaterial3d(paint(color)),
            Transform::default(),
            Visibility::Hidden,
            silent.clone(),
        ));
    }
}

/// Rings and an axis cross in the plane y = 0, the outermost ring with radius 1.
fn floor_lines() -> Vec<[f32; 3]> {
    let on_circle = |radius: f32, piece: usize| {
        let angle = piece as f32 / RING_PIECES as f32 * TAU;
        [radius * angle.cos(), 0.0, radius * angle.sin()]
    };
    let rings = RINGS.iter().flat_map(|&radius| {
        (0..RING_PIECES)
            .flat_map(move |piece| [on_circle(radius, piece), on_circle(radius, piece + 1)])
    });
    rings.chain([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]).collect()
}

/// A line from the origin to y = -1 with a small cross at its end; only y is ever scaled.
fn drop_lines() -> Vec<[f32; 3]> {
    vec![
        [0.0, 0.0, 0.0],
        [0.0, -1.0, 0.0],
        [-FOOT, -1.0, 0.0],
        [FOOT, -1.0, 0.0],
        [0.0, -1.0, -FOOT],
        [0.0, -1.0, FOOT],
    ]
}

fn floor_height(stage: &Stage) -> f32 {
    stage.cloud_center.y - stage.cloud_radius * FLOOR_DEPTH
}

fn place_floor(stage: Res<Stage>, mut floors: Query<&mut Transform, With<Floor>>) {
    for mut floor in &mut floors {
        floor.translation = stage.cloud_center.with_y(floor_height(&stage));
        floor.scale = Vec3::splat(stage.cloud_radius * FLOOR_RADIUS);
    }
}

fn place_drop_lines(
    cloud: Res<Cloud>,
    scores: Res<Scores>,
    focus: Res<Focus>,
    stage: Res<Stage>,
    mut lines: Query<(&DropLine, &mut Transform, &mut Visibility)>,
) {
    if !(cloud.is_changed() || scores.is_changed() || focus.is_changed() || stage.is_changed()) {
        return;
    }
    for (line, mut transform, mut visibility) in &mut lines {
        let id = match line {
            DropLine::Best => scores.best,
            // One line is enough where both are the same.
            DropLine::Selected => focus.selected_candidate.filter(|&id| Some(id) != scores.best),
        };
        let Some(top) = id.and_then(|id| cloud.position(id)) else {
            visibility.set_if_neq(Visibility::Hidden);
            continue;
        };
        visibility.set_if_neq(Visibility::Inherited);
        // From a point below the floor the line rises.
        let height = top.y - floor_height(&stage);
        transform
            .set_if_neq(Transform::from_translation(top).with_scale(Vec3::new(1.0, height, 1.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_flat_closed_and_within_the_unit_circle() {
        let lines = floor_lines();
        assert_eq!(lines.len() % 2, 0);
        assert!(lines.iter().all(|&[x, y, z]| y == 0.0 && x.hypot(z) < 1.0 + 1e-5));
        for ring in lines[..RINGS.len() * RING_PIECES * 2].chunks(RING_PIECES * 2) {
            let (first, last) = (Vec3::from(ring[0]), Vec3::from(ring[RING_PIECES * 2 - 1]));
            assert!(first.distance(last) < 1e-5, "the ring is open: {first} {last}");
        }
    }
}
