//! The links on the plate: all tubes are one mesh, which is rebuilt when a brick moves or the light changes.

use super::{
    Brick, LegoSystems, brick,
    geometry::Solid,
    layout, place_of,
    routes::route,
    spotlight::{Emphasis, Pulse, Spotlight, run_pulse},
};
use crate::app::{
    document::Document,
    settings::Settings,
    stage::{STUD, diffuse_light},
    theme,
};
use bevy::{camera::visibility::NoFrustumCulling, light::NotShadowCaster, prelude::*};

/// Radius of a tube, in world units.
const RADIUS: f32 = 0.09 * STUD;
/// How much of the way through the network the travelling light covers.
const PULSE_WIDTH: f32 = 0.05;

/// All tubes.
#[derive(Component)]
struct Links;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, spawn_links).add_systems(
        Update,
        draw_links.run_if(links_have_changed).after(run_pulse).in_set(LegoSystems::Show),
    );
}

fn spawn_links(
    mut commands: Commands,
    settings: Res<Settings>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    commands.spawn((
        Name::new("Links"),
        Links,
        Mesh3d::default(),
        MeshMaterial3d(materials.add(StandardMaterial {
            perceptual_roughness: 0.6,
            reflectance: 0.3,
            unlit: settings.low_quality,
            ..default()
        })),
        Visibility::Hidden,
        NoFrustumCulling,
        NotShadowCaster,
    ));
}

fn links_have_changed(
    spotlight: Spotlight,
    pulse: Res<Pulse>,
    moved: Query<(), (With<Brick>, Changed<Transform>)>,
) -> bool {
    spotlight.is_changed() || pulse.is_changed() || !moved.is_empty()
}

fn draw_links(
    document: Res<Document>,
    settings: Res<Settings>,
    spotlight: Spotlight,
    pulse: Res<Pulse>,
    bricks: Query<(&Brick, &Transform)>,
    links: Single<(&mut Mesh3d, &mut Visibility), With<Links>>,
    mut meshes: ResMut<Assets<Mesh>>,
) {
    let (template, graph) = (document.template(), document.graph());
    // Bricks may be on their way, so their entities say where they are.
    let nodes = graph.nodes().iter();
    let mut places: Vec<_> = nodes.map(|node| place_of(template, &node.id)).collect();
    for (Brick(id), transform) in &bricks {
        if let Some(node) = graph.index_of(id) {
            places[node] = transform.translation;
        }
    }
    let widths: Vec<_> = graph.nodes().iter().map(brick::width).collect();
    let footprints: Vec<_> = std::iter::zip(graph.nodes(), &places)
        .map(|(node, place)| Rect::from_center_size(place.xz(), layout::footprint(node) * STUD))
        .collect();
    let layers = graph.layers().len().max(2) as f32 - 1.0;
    let light =
        |normal: Vec3| if settings.low_quality { diffuse_light(normal) } else { LinearRgba::WHITE };

    let mut solid = Solid::default();
    for from in 0..graph.len() {
        for &to in graph.targets(from) {
            let [_, exit] = brick::ports(widths[from]);
            let [entry, _] = brick::ports(widths[to]);
            let points = route(places[from] + exit, places[to] + entry, &footprints);
            let emphasis = spotlight.on_link(from, to);
            let progress = [from, to].map(|node| graph.layer_of(node) as f32 / layers);
            let wave = pulse.progress().filter(|_| emphasis == Emphasis::Bright);
            solid.tube(
                &points,
                |share| {
                    let place = progress[0].lerp(progress[1], share);
                    let glow =
                        wave.map_or(0.0, |wave| (-((place - wave) / PULSE_WIDTH).powi(2)).exp());
                    style(emphasis, glow)
                },
                light,
            );
        }
    }
    let (mut mesh, mut visibility) = links.into_inner();
    solid.show(&mut mesh, &mut visibility, &mut meshes);
}

/// Radius and colour of a tube; `glow` is 1 where the travelling light is.
fn style(emphasis: Emphasis, glow: f32) -> (f32, LinearRgba) {
    let (thickness, light) = match emphasis {
        Emphasis::Muted => (0.8, 0.2),
        Emphasis::Normal => (1.0, 0.4),
        Emphasis::Near => (1.2, 0.75),
        // Thicker than the others, so that it lies on top where links share a lane.
        Emphasis::Bright => (1.7, 1.0),
    };
    let color = theme::BACKGROUND.mix(&theme::TEXT, light).to_linear();
    (RADIUS * (thickness + 1.6 * glow), color.mix(&(LinearRgba::WHITE * 1.6), glow))
}
