//! The template as bricks on the plate: one brick per node, one tube per link.
//!
//! Bricks are views of the [`Document`]: a system that moves a brick changes its position in the document, and
//! the brick follows. Each file is one aspect: the shape of bricks and the way of links, what the pointer and the
//! keyboard do, and what shows on them.

mod brick;
mod drag;
mod fitness;
pub(super) mod geometry;
mod keyboard;
mod labels;
mod layout;
mod links;
mod motion;
mod routes;
mod spotlight;
#[cfg(test)]
mod tests;

pub use layout::footprint;

use super::{
    document::{Document, Focus, TemplateFitted, View, template_changed},
    settings::Settings,
    stage::{StageSystems, diffuse_light, world_from_studs},
};
use crate::engine::{
    ops::{Family, Op},
    template::{Node, NodeId, Template},
};
use bevy::{light::NotShadowCaster, prelude::*};
use bevy_rich_text3d::Text3d;
use labels::{Label, LabelMaterial, label};
use spotlight::{BrickMaterials, Emphasis};
use std::collections::HashMap;

/// Thickness of the outline round the selected brick, in studs.
const OUTLINE: f32 = 0.16;

/// The brick of a node.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
pub struct Brick(pub NodeId);

/// The outline of a brick, hidden until the brick is selected; a child of the brick.
#[derive(Component)]
#[require(NotShadowCaster)]
struct Outline;

/// The steps of a frame for bricks, in this order.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LegoSystems {
    /// A template that was opened gets its bricks.
    Spawn,
    /// Keys act on bricks.
    Act,
    /// Bricks glide to their places.
    Move,
    /// Looks, links and columns follow.
    Show,
}

/// What distinguishes the meshes of bricks: family, width in tenths of a stud, and which ports there are.
type MeshKey = (Family, u32, [bool; 2]);

/// Meshes and materials that bricks share.
#[derive(Resource)]
struct SharedAssets {
    bricks: HashMap<MeshKey, Handle<Mesh>>,
    outlines: HashMap<u32, Handle<Mesh>>,
    landing: Handle<StandardMaterial>,
}

impl FromWorld for SharedAssets {
    fn from_world(world: &mut World) -> Self {
        let mut materials = world.resource_mut::<Assets<StandardMaterial>>();
        let landing = materials.add(drag::landing_material());
        let label = LabelMaterial(materials.add(labels::label_material()));
        world.insert_resource(label);
        Self { bricks: HashMap::new(), outlines: HashMap::new(), landing }
    }
}

pub(super) fn plugin(app: &mut App) {
    if !app.is_plugin_added::<MeshPickingPlugin>() {
        app.add_plugins(MeshPickingPlugin);
    }
    // Rays need not be tested against labels, links and points.
    app.insert_resource(MeshPickingSettings { require_markers: true, ..default() })
        .add_plugins((labels::plugin, bricks_plugin));
}

/// All but drawing and picking, for which there has to be a renderer.
fn bricks_plugin(app: &mut App) {
    app.configure_sets(
        Update,
        (LegoSystems::Spawn, LegoSystems::Act, LegoSystems::Move, LegoSystems::Show)
            .chain()
            .after(StageSystems)
            .run_if(resource_exists::<Document>),
    )
    .add_systems(PreStartup, |mut commands: Commands| {
        commands.init_resource::<BrickMaterials>();
        commands.init_resource::<SharedAssets>();
    })
    .add_systems(
        Update,
        (
            (drag::cancel_drags, spawn_bricks)
                .chain()
                .run_if(template_changed)
                .in_set(LegoSystems::Spawn),
            relabel_bricks.run_if(on_message::<TemplateFitted>),
            motion::glide_bricks.in_set(LegoSystems::Move),
        ),
    )
    .add_plugins((
        drag::plugin,
        keyboard::plugin,
        spotlight::plugin,
        links::plugin,
        fitness::plugin,
    ));
}

/// Where a template has the brick of a node.
fn place_of(template: &Template, id: &NodeId) -> Vec3 {
    world_from_studs(template.position(id))
}

/// Replaces all bricks by those of the template that came to the plate.
fn spawn_bricks(
    mut commands: Commands,
    document: Res<Document>,
    settings: Res<Settings>,
    old_bricks: Query<Entity, With<Brick>>,
    materials: Res<BrickMaterials>,
    label_material: Res<LabelMaterial>,
    mut assets: ResMut<SharedAssets>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut focus: ResMut<Focus>,
) {
    for brick in &old_bricks {
        commands.entity(brick).despawn();
    }
    let (template, graph) = (document.template(), document.graph());
    focus.hover_brick(View::Lego, None);
    if focus.selected_brick.as_ref().is_some_and(|id| graph.index_of(id).is_none()) {
        focus.selected_brick = None;
    }
    for (index, node) in graph.nodes().iter().enumerate() {
        let outline = assets.outline(node, &mut meshes);
        let mesh = assets.brick(node, settings.low_quality, &mut meshes);
        commands
            .spawn((
                Name::new(format!("Brick {}", node.id)),
                Brick(node.id.clone()),
                Mesh3d(mesh),
                MeshMaterial3d(materials.brick(Emphasis::Normal).clone()),
                Transform::from_translation(place_of(template, &node.id)),
                Pickable::default(),
            ))
            .with_child(label(template, graph, index, &label_material))
            .with_child((
                Name::new("Outline"),
                Outline,
                Mesh3d(outline),
                MeshMaterial3d(materials.outline.clone()),
                Pickable::IGNORE,
                Visibility::Hidden,
            ));
    }
}

/// Says on the bricks what arguments they have since the template was fitted to the data.
fn relabel_bricks(
    document: Res<Document>,
    bricks: Query<&Brick>,
    mut labels: Query<(&ChildOf, &mut Text3d), With<Label>>,
) {
    let graph = document.graph();
    for (child_of, mut text) in &mut labels {
        let node = bricks.get(child_of.parent()).ok().and_then(|brick| graph.index_of(&brick.0));
        if let Some(node) = node {
            *text = labels::text(document.template(), graph, node);
        }
    }
}

impl SharedAssets {
    fn brick(&mut self, node: &Node, unlit: bool, meshes: &mut Assets<Mesh>) -> Handle<Mesh> {
        let (family, width) = (node.family(), brick::width(node));
        let ports = [
            !node.ops.iter().any(|op| matches!(op, Op::Input(_))),
            !node.ops.iter().any(|op| matches!(op, Op::Output)),
        ];
        let light = |normal: Vec3| if unlit { diffuse_light(normal) } else { LinearRgba::WHITE };
        let mesh = || meshes.add(brick::brick_mesh(family, width, ports, light));
        self.bricks.entry((family, tenths(width), ports)).or_insert_with(mesh).clone()
    }

    fn outline(&mut self, node: &Node, meshes: &mut Assets<Mesh>) -> Handle<Mesh> {
        let width = brick::width(node);
        let mesh = || meshes.add(brick::outline_mesh(width, OUTLINE));
        self.outlines.entry(tenths(width)).or_insert_with(mesh).clone()
    }
}

fn tenths(width: f32) -> u32 {
    (10.0 * width).round() as u32
}
