//! Points under the pointer: an own picking backend with an own index, and what hovering and clicking do.
//! Any pointer that casts a ray through the camera works: mouse, touch, or one that a tour moves.

use super::{
    super::{
        camera::MainCamera,
        document::{Focus, View},
    },
    Cloud, Point,
    index::{ScreenIndex, ScreenView},
};
use bevy::{
    picking::{
        PickingSystems,
        backend::{
            HitData, PointerHits,
            ray::{RayId, RayMap},
        },
        pointer::{PointerId, PointerPress},
    },
    prelude::*,
};

/// How far from a point's rim the pointer may be, in logical pixels.
const SLACK_PX: f32 = 8.0;

/// A press that moved further than this before it was released is a drag, in logical pixels.
const CLICK_PX: f32 = 6.0;

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<LastPress>()
        .add_systems(PreUpdate, find_points.in_set(PickingSystems::Backend))
        .add_observer(hover_point)
        .add_observer(leave_point)
        .add_observer(remember_press)
        .add_observer(select_clicked);
}

/// The points on the screen, and what they were sorted for.
#[derive(Default)]
struct Shown {
    index: ScreenIndex,
    view: Option<ScreenView>,
}

/// Tells picking which point is under each pointer.
fn find_points(
    rays: Res<RayMap>,
    pointers: Query<&PointerId>,
    cameras: Query<(Entity, &Camera, &GlobalTransform), With<MainCamera>>,
    cloud: Res<Cloud>,
    mut shown: Local<Shown>,
    mut hits: MessageWriter<PointerHits>,
) {
    if cloud.is_changed() {
        shown.view = None;
    }
    for (camera_entity, camera, camera_transform) in &cameras {
        for &pointer in &pointers {
            let Some(ray) = rays.map.get(&RayId::new(camera_entity, pointer)) else { continue };
            let (Some(viewport), Ok(at)) = (
                camera.logical_viewport_rect(),
                camera.world_to_viewport(camera_transform, ray.get_point(1.0)),
            ) else {
                continue;
            };
            let view = ScreenView {
                view_from_world: camera_transform.to_matrix().inverse(),
                clip_from_view: camera.clip_from_view(),
                viewport,
            };
            if shown.view != Some(view) {
                *shown = Shown {
                    index: ScreenIndex::of_records(&cloud.records, &view),
                    view: Some(view),
                };
            }
            let Some(found) = shown.index.nearest(at, SLACK_PX) else { continue };
            let index = found.id as usize;
            if let (Some(&entity), Some(record)) =
                (cloud.entities.get(index), cloud.records.get(index))
            {
                // As mesh picking has it, so that bricks in front of the cloud win.
                let depth = record.position.distance(ray.origin);
                let hit = HitData::new(camera_entity, depth, Some(record.position), None);
                hits.write(PointerHits::new(pointer, vec![(entity, hit)], camera.order as f32));
            }
        }
    }
}

fn hover_point(
    over: On<Pointer<Over>>,
    points: Query<&Point>,
    pointers: Query<(&PointerId, &PointerPress)>,
    mut focus: ResMut<Focus>,
) {
    // While the camera is turned, points only pass by.
    let is_dragging = pointers
        .iter()
        .any(|(&pointer, press)| pointer == over.pointer_id && press.is_any_pressed());
    if let Ok(&Point(id)) = points.get(over.entity)
        && !is_dragging
        && focus.hovered_candidate() != Some(id)
    {
        focus.hover_candidate(View::Cloud, Some(id));
    }
}

fn leave_point(out: On<Pointer<Out>>, points: Query<&Point>, mut focus: ResMut<Focus>) {
    if let Ok(&Point(id)) = points.get(out.entity)
        && focus.hovered_candidate() == Some(id)
    {
        focus.hover_candidate(View::Cloud, None);
    }
}

/// Where a pointer was pressed last, to tell a click from a turn of the camera.
#[derive(Resource, Default)]
struct LastPress(Option<(PointerId, Vec2)>);

fn remember_press(press: On<Pointer<Press>>, mut last: ResMut<LastPress>) {
    if press.button == PointerButton::Primary && press.entity == press.original_event_target() {
        last.0 = Some((press.pointer_id, press.pointer_location.position));
    }
}

/// A click on a point selects its candidate, a click on nothing at all selects none. A click on a brick or
/// on a panel leaves the selection.
fn select_clicked(
    mut click: On<Pointer<Click>>,
    points: Query<&Point>,
    windows: Query<(), With<Window>>,
    last_press: Res<LastPress>,
    mut focus: ResMut<Focus>,
) {
    // What bubbles up from a brick to the window is no click on nothing.
    if click.button != PointerButton::Primary || click.entity != click.original_event_target() {
        return;
    }
    let moved = last_press.0.is_some_and(|(pointer, from)| {
        pointer == click.pointer_id && from.distance(click.pointer_location.position) > CLICK_PX
    });
    let selected = match points.get(click.entity) {
        _ if moved => return,
        Ok(&Point(id)) => {
            click.propagate(false);
            Some(id)
        }
        Err(_) if windows.contains(click.entity) => None,
        Err(_) => return,
    };
    if focus.selected_candidate != selected {
        focus.selected_candidate = selected;
    }
}
