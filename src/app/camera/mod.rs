//! The camera: orbits, pans and zooms, flies to bookmarks, and keeps the scene in the middle of what the
//! panels leave free.
//!
//! There is one camera for world and panels. It always draws to the whole window; its optical axis is
//! moved to the middle of the free rectangle, so that pointers need no conversion and a panel that folds
//! uncovers what was behind it.

mod framing;

pub use framing::Bookmark;

use super::{
    lego::Brick,
    settings::Settings,
    stage::{Stage, StageSystems},
};
use bevy::{
    camera::{CameraUpdateSystems, SubCameraView},
    core_pipeline::tonemapping::Tonemapping,
    picking::{
        backend::ray::{RayId, RayMap},
        hover::HoverMap,
        pointer::PointerId,
    },
    prelude::*,
    transform::TransformSystems,
    window::{PrimaryWindow, RequestRedraw},
};
use bevy_egui::{
    PrimaryEguiContext,
    input::{EguiWantsInput, egui_wants_any_keyboard_input},
};
use bevy_panorbit_camera::{
    FocusBoundsShape, PanOrbitCamera, PanOrbitCameraPlugin, PanOrbitCameraSystemSet,
};
use framing::{FIELD_OF_VIEW, FreeRect, Pose, frame};
use std::f32::consts::FRAC_PI_2;

/// How long a flight takes, in seconds.
const FLIGHT_SECS: f32 = 0.45;
/// How much smoothing the user's own moves get.
const SMOOTHNESS: f32 = 0.1;
/// The camera never comes closer to the plate's level than this angle.
const LOWEST_PITCH: f32 = 0.06;
/// The closest distance, and the farthest as a multiple of that which shows everything.
const CLOSEST: f32 = 1.0;
const FARTHEST: f32 = 2.5;

/// The camera that shows the world and carries the panels.
#[derive(Component)]
pub struct MainCamera;

/// How far panels reach into the window from each side, in logical pixels. The panels write all of it except the
/// caption.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq)]
pub struct ViewInsets {
    /// From the left.
    pub left: f32,
    /// From the right.
    pub right: f32,
    /// From above.
    pub top: f32,
    /// From below.
    pub bottom: f32,
    /// Room for a tour's caption above what reaches in from below. The tour writes it.
    pub caption: f32,
}

/// Sends the camera to a bookmark.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoTo(pub Bookmark);

/// The present view of the camera.
#[derive(Resource)]
struct View {
    /// The bookmark it is at or flies to; `None` once the user has moved it.
    bookmark: Option<Bookmark>,
    /// Where it was last put by us: whatever differs was the user.
    pose: Pose,
    /// What the pose was worked out for.
    framed: Option<(Option<Bookmark>, Stage, FreeRect)>,
}

impl Default for View {
    fn default() -> Self {
        Self { bookmark: Some(Bookmark::Both), pose: Pose::default(), framed: None }
    }
}

/// A camera on its way.
#[derive(Component)]
struct Flight {
    from: Pose,
    to: Pose,
    elapsed_secs: f32,
}

pub(super) fn plugin(app: &mut App) {
    app.add_plugins(PanOrbitCameraPlugin)
        .init_resource::<ViewInsets>()
        .init_resource::<View>()
        .add_message::<GoTo>()
        .add_systems(Startup, spawn_camera)
        .add_systems(
            Update,
            (
                adapt_smoothness.run_if(resource_changed::<Settings>),
                press_bookmark_keys.run_if(not(egui_wants_any_keyboard_input)),
                go_to_bookmark,
                frame_bookmark.after(StageSystems),
                fly,
                give_way,
                choose_pan_button,
            )
                .chain(),
        )
        .add_systems(
            PostUpdate,
            (zoom_towards_pointer, notice_user, draw_until_settled)
                .chain()
                .after(PanOrbitCameraSystemSet)
                .before(TransformSystems::Propagate)
                .before(CameraUpdateSystems),
        );
}

fn spawn_camera(mut commands: Commands, settings: Res<Settings>) {
    commands.spawn((
        Name::new("Main camera"),
        MainCamera,
        PrimaryEguiContext,
        MeshPickingCamera,
        Camera3d::default(),
        Projection::Perspective(PerspectiveProjection {
            fov: FIELD_OF_VIEW,
            far: 400.0,
            ..default()
        }),
        // Colours are data here: they have to reach the screen as they are.
        Tonemapping::None,
        if settings.low_quality { Msaa::Off } else { Msaa::Sample4 },
        PanOrbitCamera {
            pitch_lower_limit: Some(LOWEST_PITCH),
            pitch_upper_limit: Some(FRAC_PI_2),
            zoom_lower_limit: CLOSEST,
            trackpad_pinch_to_zoom_enabled: true,
            ..default()
        },
    ));
}

fn adapt_smoothness(
    settings: Res<Settings>,
    mut orbit: Single<&mut PanOrbitCamera, With<MainCamera>>,
) {
    let smoothness = if settings.reduced_motion { 0.0 } else { SMOOTHNESS };
    orbit.orbit_smoothness = smoothness;
    orbit.pan_smoothness = smoothness;
    orbit.zoom_smoothness = smoothness;
}

fn press_bookmark_keys(keys: Res<ButtonInput<KeyCode>>, mut go_to: MessageWriter<GoTo>) {
    for (digit, numpad, bookmark) in [
        (KeyCode::Digit1, KeyCode::Numpad1, Bookmark::Plate),
        (KeyCode::Digit2, KeyCode::Numpad2, Bookmark::Cloud),
        (KeyCode::Digit3, KeyCode::Numpad3, Bookmark::Both),
        (KeyCode::Digit4, KeyCode::Numpad4, Bookmark::TopDown),
    ] {
        if keys.any_just_pressed([digit, numpad]) {
            go_to.write(GoTo(bookmark));
        }
    }
}

fn go_to_bookmark(mut requests: MessageReader<GoTo>, mut view: ResMut<View>) {
    if let Some(&GoTo(bookmark)) = requests.read().last() {
        view.bookmark = Some(bookmark);
    }
}

/// Works out the pose for the bookmark whenever it, the stage, the panels or the window change, and goes
/// there: at once when the window or the panels have changed, else by a flight.
fn frame_bookmark(
    mut commands: Commands,
    settings: Res<Settings>,
    stage: Res<Stage>,
    insets: Res<ViewInsets>,
    window: Single<&Window, With<PrimaryWindow>>,
    camera: Single<(Entity, &mut Camera, &mut Projection, &mut PanOrbitCamera), With<MainCamera>>,
    mut view: ResMut<View>,
) {
    let size = window.size();
    if size.min_element() < 1.0 {
        return; // Minimised.
    }
    let far = vec2(insets.right, insets.bottom + insets.caption);
    let free = FreeRect::new(size, vec2(insets.left, insets.top), far);
    let wanted = (view.bookmark, stage.clone(), free);
    if view.framed.as_ref() == Some(&wanted) {
        return;
    }
    let (entity, mut camera, mut projection, mut orbit) = camera.into_inner();
    if view.framed.as_ref().is_none_or(|(.., before)| *before != free) {
        centre_on(&free, window.scale_factor(), &mut camera, &mut projection);
        // The camera turns pan distances into angles of the view, which is larger than the window.
        orbit.pan_sensitivity = 1.0 / free.magnification();
    }
    limit_to(&stage, &free, &mut orbit);

    if let Some(bookmark) = view.bookmark {
        let to = frame(bookmark, &stage, &free);
        let travels = view
            .framed
            .as_ref()
            .is_some_and(|(bookmark, stage, _)| *bookmark != wanted.0 || *stage != wanted.1);
        if travels && !settings.reduced_motion {
            let from = target(&orbit);
            commands.entity(entity).insert(Flight { from, to, elapsed_secs: 0.0 });
        } else {
            commands.entity(entity).remove::<Flight>();
            place(&mut orbit, to);
            view.pose = to;
        }
    }
    view.framed = Some(wanted);
}

/// Moves the optical axis to the middle of the free rectangle: the window becomes a part of a larger view
/// of the same shape.
fn centre_on(free: &FreeRect, scale_factor: f32, camera: &mut Camera, projection: &mut Projection) {
    let magnification = free.magnification();
    let full = free.window * magnification;
    camera.sub_camera_view = Some(SubCameraView {
        full_size: (full * scale_factor).round().as_uvec2(),
        offset: (full / 2.0 - free.center) * scale_factor,
        size: (free.window * scale_factor).round().as_uvec2(),
    });
    if let Projection::Perspective(perspective) = projection {
        perspective.fov = 2.0 * ((FIELD_OF_VIEW / 2.0).tan() * magnification).atan();
    }
}

/// Keeps the focus within what there is to see, and the camera at a sensible distance.
fn limit_to(stage: &Stage, free: &FreeRect, orbit: &mut PanOrbitCamera) {
    let plate_half = vec3(stage.plate_half.x, 0.0, stage.plate_half.y);
    let cloud_half = Vec3::splat(stage.cloud_radius);
    let low = (stage.plate_center - plate_half).min(stage.cloud_center - cloud_half).with_y(0.0);
    let high = (stage.plate_center + plate_half).max(stage.cloud_center + cloud_half);
    orbit.focus_bounds_origin = (low + high) / 2.0;
    orbit.focus_bounds_shape = Some(FocusBoundsShape::Cuboid(Cuboid::from_size(high - low)));
    orbit.zoom_upper_limit = Some(FARTHEST * frame(Bookmark::Both, stage, free).radius);
}

fn fly(
    mut commands: Commands,
    time: Res<Time>,
    camera: Single<(Entity, &mut PanOrbitCamera, &mut Flight), With<MainCamera>>,
    mut view: ResMut<View>,
    mut redraw: MessageWriter<RequestRedraw>,
) {
    let (entity, mut orbit, mut flight) = camera.into_inner();
    // The frame in which the flight begins follows a pause of unknown length.
    if !flight.is_added() {
        flight.elapsed_secs += time.delta_secs();
    }
    let share = (flight.elapsed_secs / FLIGHT_SECS).min(1.0);
    let pose = flight.from.interpolate(&flight.to, EaseFunction::CubicInOut.sample_clamped(share));
    place(&mut orbit, pose);
    view.pose = pose;
    if share < 1.0 {
        redraw.write(RequestRedraw);
    } else {
        commands.entity(entity).remove::<Flight>();
    }
}

/// Leaves the pointer to panels and bricks: who has it is decided when a button or finger goes down and
/// holds until it goes up.
fn give_way(
    mut orbit: Single<&mut PanOrbitCamera, With<MainCamera>>,
    egui: Res<EguiWantsInput>,
    buttons: Res<ButtonInput<MouseButton>>,
    touches: Res<Touches>,
    hovered: Res<HoverMap>,
    bricks: Query<(), With<Brick>>,
) {
    let begins = buttons.get_just_pressed().next().is_some() || touches.any_just_pressed();
    let continues = buttons.get_pressed().next().is_some() || touches.iter().next().is_some();
    if continues && !begins {
        return;
    }
    let grabs = buttons.just_pressed(MouseButton::Left) || touches.any_just_pressed();
    let mut under_pointers = hovered.values().flat_map(|hits| hits.keys());
    let taken = grabs && under_pointers.any(|&entity| bricks.contains(entity));
    let enabled = !taken && !egui.wants_any_pointer_input();
    if orbit.enabled != enabled {
        orbit.enabled = enabled;
    }
}

/// Pans with the right or the middle button, or with the left one and Shift.
fn choose_pan_button(
    mut orbit: Single<&mut PanOrbitCamera, With<MainCamera>>,
    keys: Res<ButtonInput<KeyCode>>,
    buttons: Res<ButtonInput<MouseButton>>,
) {
    let (button, modifier) = if keys.pressed(KeyCode::ShiftLeft) {
        (MouseButton::Left, Some(KeyCode::ShiftLeft))
    } else if keys.pressed(KeyCode::ShiftRight) {
        (MouseButton::Left, Some(KeyCode::ShiftRight))
    } else if buttons.pressed(MouseButton::Middle) {
        (MouseButton::Middle, None)
    } else {
        (MouseButton::Right, None)
    };
    if (orbit.button_pan, orbit.modifier_pan) != (button, modifier) {
        orbit.button_pan = button;
        orbit.modifier_pan = modifier;
    }
}

/// Keeps what is under the mouse in its place while the wheel zooms.
fn zoom_towards_pointer(
    rays: Res<RayMap>,
    view: Res<View>,
    camera: Single<(Entity, &mut PanOrbitCamera), With<MainCamera>>,
) {
    let (entity, mut orbit) = camera.into_inner();
    let factor = orbit.target_radius / view.pose.radius;
    if !factor.is_finite() || (factor - 1.0).abs() < 1e-4 {
        return;
    }
    let Some(ray) = rays.map.get(&RayId::new(entity, PointerId::Mouse)) else { return };
    let facing = InfinitePlane3d::new(target(&orbit).rotation() * Vec3::Z);
    if let Some(pointed) = ray.plane_intersection_point(orbit.target_focus, facing) {
        orbit.target_focus = pointed + (orbit.target_focus - pointed) * factor;
    }
}

/// Gives the camera to a user who moves it by hand: flights end, and no bookmark holds it.
fn notice_user(
    mut commands: Commands,
    camera: Single<(Entity, &PanOrbitCamera), With<MainCamera>>,
    mut view: ResMut<View>,
) {
    let (entity, orbit) = *camera;
    let pose = target(orbit);
    if view.framed.is_some() && !pose.is_like(&view.pose) {
        view.bookmark = None;
        view.pose = pose;
        // The new state needs no framing.
        if let Some((bookmark, ..)) = &mut view.framed {
            *bookmark = None;
        }
        commands.entity(entity).remove::<Flight>();
    }
}

/// Draws on while the smoothed camera still moves.
fn draw_until_settled(
    orbit: Single<&PanOrbitCamera, With<MainCamera>>,
    mut redraw: MessageWriter<RequestRedraw>,
) {
    let (Some(yaw), Some(pitch), Some(radius)) = (orbit.yaw, orbit.pitch, orbit.radius) else {
        return;
    };
    let pose = Pose { focus: orbit.focus, yaw, pitch, radius };
    if !pose.is_like(&target(&orbit)) {
        redraw.write(RequestRedraw);
    }
}

/// The pose that the camera is at or moves to.
fn target(orbit: &PanOrbitCamera) -> Pose {
    Pose {
        focus: orbit.target_focus,
        yaw: orbit.target_yaw,
        pitch: orbit.target_pitch,
        radius: orbit.target_radius,
    }
}

/// Puts the camera somewhere, at once.
fn place(orbit: &mut PanOrbitCamera, pose: Pose) {
    orbit.focus = pose.focus;
    orbit.target_focus = pose.focus;
    orbit.yaw = Some(pose.yaw);
    orbit.target_yaw = pose.yaw;
    orbit.pitch = Some(pose.pitch);
    orbit.target_pitch = pose.pitch;
    orbit.radius = Some(pose.radius);
    orbit.target_radius = pose.radius;
    orbit.initialized = true;
    orbit.force_update = true;
}
