//! Columns of light on the bricks: what the search thinks of each node. The higher, the fitter; the dimmer,
//! the less sure.

use super::{Brick, LegoSystems, brick, geometry::Solid};
use crate::app::{
    document::{Archive, Document},
    stage::STUD,
    theme,
};
use bevy::{
    camera::visibility::NoFrustumCulling,
    light::{NotShadowCaster, NotShadowReceiver},
    prelude::*,
};

/// Height of a column for a fitness of 1, in studs.
const FULL_HEIGHT: f32 = 1.6;
/// Width of a column, in studs.
const WIDTH: f32 = 0.4;
/// From the end of the brick to the middle of its column, in studs: beside the label of the brick behind.
const INSET: f32 = 0.2;
/// How much light a column has of which nothing is known, and one that is certain.
const LIGHT: [f32; 2] = [0.5, 1.0];
/// Opacity of what is dark above the light, and shows how high it could be.
const DARK_OPACITY: f32 = 0.7;

/// All columns.
#[derive(Component)]
struct Columns;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, spawn_columns)
        .add_systems(Update, draw_columns.run_if(columns_have_changed).in_set(LegoSystems::Show));
}

fn spawn_columns(mut commands: Commands, mut materials: ResMut<Assets<StandardMaterial>>) {
    commands.spawn((
        Name::new("Fitness columns"),
        Columns,
        Mesh3d::default(),
        MeshMaterial3d(materials.add(StandardMaterial {
            unlit: true,
            alpha_mode: AlphaMode::Blend,
            ..default()
        })),
        Visibility::Hidden,
        NoFrustumCulling,
        NotShadowCaster,
        NotShadowReceiver,
    ));
}

fn columns_have_changed(
    archive: Res<Archive>,
    document: Res<Document>,
    moved: Query<(), (With<Brick>, Changed<Transform>)>,
) -> bool {
    archive.is_changed() || document.is_changed() || !moved.is_empty()
}

fn draw_columns(
    archive: Res<Archive>,
    document: Res<Document>,
    bricks: Query<(&Brick, &Transform)>,
    columns: Single<(&mut Mesh3d, &mut Visibility), With<Columns>>,
    mut meshes: ResMut<Assets<Mesh>>,
) {
    let graph = document.graph();
    let mut solid = Solid::default();
    for (Brick(id), transform) in &bricks {
        let Some(node) = graph.index_of(id) else { continue };
        let Some(known) = archive.fitness().get(node) else { continue };
        // A brick that every candidate keeps cannot be judged.
        if known.frequency >= 1.0 && known.uncertainty >= 1.0 {
            continue;
        }
        let x = brick::width(&graph.nodes()[node]) / 2.0 - INSET;
        let foot = transform.translation + vec3(x, brick::HEIGHT, brick::STUD_ROW) * STUD;
        let mut bar = |bottom: f32, top: f32, color: Color| {
            let height = FULL_HEIGHT * (top - bottom);
            if height > 0.0 {
                let center = foot + Vec3::Y * (FULL_HEIGHT * bottom + height / 2.0) * STUD;
                let size = vec3(WIDTH, height, WIDTH) * STUD;
                solid.cuboid(center, size, color.to_linear());
            }
        };
        let fitness = known.fitness.clamp(0.0, 1.0) as f32;
        let certainty = 1.0 - known.uncertainty.clamp(0.0, 1.0) as f32;
        let light = LIGHT[0].lerp(LIGHT[1], certainty);
        bar(0.0, fitness, theme::BACKGROUND.mix(&Color::WHITE, light));
        bar(fitness, 1.0, theme::BACKGROUND.with_alpha(DARK_OPACITY));
    }
    let (mut mesh, mut visibility) = columns.into_inner();
    solid.show(&mut mesh, &mut visibility, &mut meshes);
}
