//! Bricks under the pointer: hovering, selecting, dragging. Pointers are Bevy's, so that a mouse, a finger
//! and a controller do the same.

use super::{Brick, SharedAssets, geometry::Solid, layout, motion::Glide};
use crate::app::{
    document::{Document, Focus, View},
    stage::{Plate, STUD, Stage, world_from_studs},
    theme,
};
use bevy::{
    light::{NotShadowCaster, NotShadowReceiver},
    picking::{
        backend::ray::{RayId, RayMap},
        pointer::PointerId,
    },
    prelude::*,
    window::RequestRedraw,
};

/// How high a brick is lifted while it is dragged.
const LIFT: f32 = 0.6 * STUD;
/// A pointer that goes down and up again within this many pixels has clicked.
const CLICK_PX: f32 = 5.0;

/// A brick that a pointer drags.
#[derive(Component)]
pub(super) struct Dragged {
    /// The pointer and the camera through which it looks.
    ray: RayId,
    /// Height of the point at which the brick was seized.
    height: f32,
    /// From that point to the brick's origin.
    offset: Vec3,
}

/// Where the dragged brick will stand: a field of light on the plate.
#[derive(Component)]
pub(super) struct LandingPlace;

/// Where a pointer last went down on something that is not a brick.
#[derive(Resource, Default)]
struct PressedAt(Option<(PointerId, Vec2)>);

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<PressedAt>()
        .add_observer(start_hover)
        .add_observer(end_hover)
        .add_observer(select_brick)
        .add_observer(note_press)
        .add_observer(clear_selection)
        .add_observer(start_drag)
        .add_observer(drag_brick)
        .add_observer(end_drag)
        .add_observer(cancel_drag);
}

fn start_hover(mut over: On<Pointer<Over>>, bricks: Query<&Brick>, mut focus: ResMut<Focus>) {
    let Ok(Brick(id)) = bricks.get(over.entity) else { return };
    over.propagate(false);
    if focus.hovered_brick() != Some(id) {
        focus.hover_brick(View::Lego, Some(id.clone()));
    }
}

fn end_hover(mut out: On<Pointer<Out>>, bricks: Query<&Brick>, mut focus: ResMut<Focus>) {
    let Ok(Brick(id)) = bricks.get(out.entity) else { return };
    out.propagate(false);
    if focus.hovered_brick() == Some(id) {
        focus.hover_brick(View::Lego, None);
    }
}

fn select_brick(mut click: On<Pointer<Click>>, bricks: Query<&Brick>, mut focus: ResMut<Focus>) {
    let Ok(Brick(id)) = bricks.get(click.entity) else { return };
    click.propagate(false);
    if click.button == PointerButton::Primary && focus.selected_brick.as_ref() != Some(id) {
        focus.selected_brick = Some(id.clone());
    }
}

fn note_press(press: On<Pointer<Press>>, mut pressed_at: ResMut<PressedAt>) {
    pressed_at.0 = Some((press.pointer_id, press.pointer_location.position));
}

/// A click on the plate or beside it, but not the end of a drag that has turned the camera.
fn clear_selection(
    click: On<Pointer<Click>>,
    empty: Query<(), Or<(With<Plate>, With<Window>)>>,
    pressed_at: Res<PressedAt>,
    mut focus: ResMut<Focus>,
) {
    let here = click.pointer_location.position;
    let stayed = pressed_at.0.is_some_and(|(pointer, place)| {
        pointer == click.pointer_id && place.distance(here) <= CLICK_PX
    });
    let on_nothing = empty.contains(click.original_event_target());
    if click.button == PointerButton::Primary
        && on_nothing
        && stayed
        && focus.selected_brick.is_some()
    {
        focus.selected_brick = None;
    }
}

fn start_drag(
    mut drag: On<Pointer<DragStart>>,
    mut commands: Commands,
    bricks: Query<(&Brick, &Transform)>,
    assets: Res<SharedAssets>,
    document: Res<Document>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut focus: ResMut<Focus>,
) {
    let Ok((Brick(id), transform)) = bricks.get(drag.entity) else { return };
    drag.propagate(false);
    let template = document.template();
    let (Some(seized), Some(node)) = (drag.hit.position, template.node(id)) else {
        return;
    };
    if drag.button != PointerButton::Primary {
        return;
    }
    commands
        .entity(drag.entity)
        .insert(Dragged {
            ray: RayId::new(drag.hit.camera, drag.pointer_id),
            height: seized.y,
            offset: transform.translation - seized,
        })
        .remove::<Glide>();
    commands.spawn((
        Name::new("Landing place"),
        LandingPlace,
        Mesh3d(meshes.add(landing_mesh(layout::footprint(node)))),
        MeshMaterial3d(assets.landing.clone()),
        Transform::from_translation(super::place_of(template, id)),
        NotShadowCaster,
        NotShadowReceiver,
    ));
    if focus.selected_brick.as_ref() != Some(id) {
        focus.selected_brick = Some(id.clone());
    }
}

fn drag_brick(
    mut drag: On<Pointer<Drag>>,
    mut bricks: Query<(&Brick, &Dragged, &mut Transform)>,
    mut landing: Query<&mut Transform, (With<LandingPlace>, Without<Brick>)>,
    rays: Res<RayMap>,
    stage: Res<Stage>,
    document: Res<Document>,
    mut redraw: MessageWriter<RequestRedraw>,
) {
    let Ok((Brick(id), dragged, mut transform)) = bricks.get_mut(drag.entity) else { return };
    drag.propagate(false);
    let template = document.template();
    let Some(node) = template.node(id) else { return };
    let point =
        rays.map.get(&dragged.ray).and_then(|&ray| layout::plane_point(ray, dragged.height));
    // A ray that points above the horizon leaves the brick where it is.
    let Some(point) = point else { return };
    let place = stage.keep_on_plate(point + dragged.offset, layout::footprint(node));
    transform.translation = place + Vec3::Y * LIFT;
    if let Some(free) = layout::nearest_free(template, &stage, id, place) {
        for mut landing in &mut landing {
            landing.translation = world_from_studs(free);
        }
    }
    redraw.write(RequestRedraw);
}

fn end_drag(
    mut drag: On<Pointer<DragEnd>>,
    mut commands: Commands,
    bricks: Query<(&Brick, &Transform), With<Dragged>>,
    landing: Query<Entity, With<LandingPlace>>,
    stage: Res<Stage>,
    mut document: ResMut<Document>,
    mut redraw: MessageWriter<RequestRedraw>,
) {
    let Ok((Brick(id), transform)) = bricks.get(drag.entity) else { return };
    drag.propagate(false);
    let template = document.template();
    let place = layout::nearest_free(template, &stage, id, transform.translation)
        .filter(|&place| place != template.position(id));
    if let Some(place) = place {
        document.move_brick(id, place);
    }
    let_go(&mut commands, drag.entity, &landing);
    redraw.write(RequestRedraw);
}

fn cancel_drag(
    cancel: On<Pointer<Cancel>>,
    mut commands: Commands,
    bricks: Query<(Entity, &Dragged)>,
    landing: Query<Entity, With<LandingPlace>>,
) {
    for (brick, _) in bricks.iter().filter(|(_, dragged)| dragged.ray.pointer == cancel.pointer_id)
    {
        let_go(&mut commands, brick, &landing);
    }
}

/// Puts every dragged brick back to where it was.
pub(super) fn cancel_drags(
    mut commands: Commands,
    bricks: Query<Entity, With<Dragged>>,
    landing: Query<Entity, With<LandingPlace>>,
) {
    for brick in &bricks {
        let_go(&mut commands, brick, &landing);
    }
}

/// Ends the drag of a brick. The brick then glides to its position in the document.
fn let_go(commands: &mut Commands, brick: Entity, landing: &Query<Entity, With<LandingPlace>>) {
    commands.entity(brick).remove::<Dragged>();
    for landing in landing {
        commands.entity(landing).despawn();
    }
}

/// A thin field the size of a footprint (studs).
fn landing_mesh(footprint: Vec2) -> Mesh {
    let mut solid = Solid::default();
    let size = vec3(footprint.x, 0.05, footprint.y) * STUD;
    solid.cuboid(Vec3::Y * size.y, size, LinearRgba::WHITE);
    solid.into_mesh()
}

/// The material of landing places.
pub(super) fn landing_material() -> StandardMaterial {
    StandardMaterial {
        base_color: theme::TEXT.with_alpha(0.18),
        alpha_mode: AlphaMode::Blend,
        unlit: true,
        ..default()
    }
}
