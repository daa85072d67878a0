//! Bricks without a window: what opening, moving, undoing and dragging do to entities.

use super::*;
use crate::{
    app::{
        document::{self, Archive, TemplateOpened, TemplateReplaced, TrainingHistory},
        stage::{Plate, STUD, Stage, studs_from_world},
    },
    engine::{
        candidate::CandidateId,
        mask::Mask,
        ops::Cost,
        search::Candidate,
        template::{Checked, Edit, presets},
    },
};
use bevy::{
    camera::NormalizedRenderTarget,
    picking::{
        backend::{
            HitData,
            ray::{RayId, RayMap},
        },
        pointer::{Location, PointerId},
    },
    window::RequestRedraw,
};
use bevy_egui::input::EguiWantsInput;
use std::time::Duration;

fn checked(name: &str) -> Checked {
    let preset = presets().into_iter().find(|preset| preset.name == name).expect("exists");
    preset.checked().expect("presets are right")
}

/// An app with bricks, without renderer and window, that has opened a preset.
fn test_app(preset: &str) -> App {
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, AssetPlugin::default()))
        .init_asset::<Mesh>()
        .init_asset::<StandardMaterial>()
        .add_message::<RequestRedraw>()
        .init_resource::<ButtonInput<KeyCode>>()
        .init_resource::<RayMap>()
        .init_resource::<EguiWantsInput>()
        .insert_resource(Settings::example())
        .insert_resource(Stage::new(checked(preset).template()))
        .insert_resource(Document::new(checked(preset), None))
        .add_plugins((document::plugin, bricks_plugin));
    app.world_mut().write_message(TemplateOpened);
    app.update();
    app
}

fn brick(app: &mut App, id: &str) -> Entity {
    let mut bricks = app.world_mut().query::<(Entity, &Brick)>();
    let found = bricks.iter(app.world()).find(|(_, brick)| brick.0.as_str() == id);
    found.expect("has a brick").0
}

fn place(app: &mut App, id: &str) -> Vec3 {
    let brick = brick(app, id);
    app.world().get::<Transform>(brick).expect("is somewhere").translation
}

fn position(app: &App, id: &str) -> [f32; 2] {
    app.world().resource::<Document>().template().position(&id.into())
}

fn press(app: &mut App, key: KeyCode) {
    app.world_mut().resource_mut::<ButtonInput<KeyCode>>().press(key);
    app.update();
    let mut keys = app.world_mut().resource_mut::<ButtonInput<KeyCode>>();
    keys.release(key);
    keys.clear();
}

fn selected(app: &App) -> Option<String> {
    app.world().resource::<Focus>().selected_brick.as_ref().map(ToString::to_string)
}

/// Sends a pointer event to an entity, as the picking backend would.
fn point<E: std::fmt::Debug + Clone + Reflect>(app: &mut App, entity: Entity, event: E) {
    point_at(app, entity, Vec2::ZERO, event);
}

/// The same with the pointer at some place of the window.
fn point_at<E: std::fmt::Debug + Clone + Reflect>(
    app: &mut App,
    entity: Entity,
    position: Vec2,
    event: E,
) {
    let window = app.world_mut().spawn(Window::default()).id();
    let target = bevy::window::WindowRef::Entity(window).normalize(None).expect("is an entity");
    let location = Location { target: NormalizedRenderTarget::Window(target), position };
    app.world_mut().trigger(Pointer::new(PointerId::Mouse, location, event, entity));
}

/// Points the mouse at a point of the world, from high above it and a little in front.
fn aim(app: &mut App, camera: Entity, target: Vec3) {
    let eye = target + vec3(0.5, 8.0, 6.0);
    let ray = Ray3d::new(eye, Dir3::new(target - eye).expect("apart"));
    app.world_mut().resource_mut::<RayMap>().map.insert(RayId::new(camera, PointerId::Mouse), ray);
}

/// Seizes a brick at its top and drags it by an offset.
fn drag(app: &mut App, id: &str, by: Vec3) -> Entity {
    let camera = app.world_mut().spawn_empty().id();
    let seized = place(app, id) + Vec3::Y * brick::HEIGHT * STUD;
    let brick = brick(app, id);
    let hit = HitData::new(camera, 1.0, Some(seized), Some(Vec3::Y));
    point(app, brick, DragStart { button: PointerButton::Primary, hit });
    app.world_mut().flush();
    aim(app, camera, seized + by);
    point(
        app,
        brick,
        Drag { button: PointerButton::Primary, distance: Vec2::ONE, delta: Vec2::ONE },
    );
    app.world_mut().flush();
    brick
}

fn drop_brick(app: &mut App, brick: Entity) {
    point(app, brick, DragEnd { button: PointerButton::Primary, distance: Vec2::ONE });
    app.update();
    app.update();
}

#[test]
fn a_template_that_comes_from_elsewhere_replaces_the_bricks_and_keeps_what_is_selected() {
    let mut app = test_app("vgg11");
    let graph = app.world().resource::<Document>().graph().clone();
    let (kept, gone) = (graph.id(0).clone(), graph.id(1).clone());
    let other = app.world().resource::<Document>().template().clone();
    let edit = Edit::Remove { nodes: vec![gone.clone()], heal: false };
    let other = Checked::new(other.edited(&[edit]).expect("can be done")).expect("is right");
    app.insert_resource(Document::new(other, None));
    app.world_mut().resource_mut::<Focus>().selected_brick = Some(kept.clone());
    app.world_mut().write_message(TemplateReplaced);
    app.update();
    let mut bricks = app.world_mut().query::<&Brick>();
    assert_eq!(bricks.iter(app.world()).count(), graph.len() - 1);
    assert!(bricks.iter(app.world()).all(|brick| brick.0 != gone));
    assert_eq!(selected(&app), Some(kept.to_string()));
}

#[test]
fn opening_a_template_gives_every_node_a_brick_where_it_stands() {
    let mut app = test_app("vgg11");
    let mut bricks = app.world_mut().query::<(&Brick, &Transform)>();
    let template = app.world().resource::<Document>().template().clone();
    assert_eq!(bricks.iter(app.world()).count(), template.network.nodes.len());
    for (Brick(id), transform) in bricks.iter(app.world()) {
        assert_eq!(transform.translation, world_from_studs(template.position(id)));
    }
}

#[test]
fn opening_another_template_replaces_all_bricks() {
    let mut app = test_app("vgg11");
    app.world_mut().resource_mut::<Focus>().selected_brick = Some("c8-3x3".into());
    app.insert_resource(Document::new(checked("3-conv-3-layer"), None));
    app.world_mut().write_message(TemplateOpened);
    app.update();
    let mut bricks = app.world_mut().query::<&Brick>();
    assert_eq!(bricks.iter(app.world()).count(), 15);
    let mut labels = app.world_mut().query::<&labels::Label>();
    assert_eq!(labels.iter(app.world()).count(), 15);
    assert_eq!(selected(&app), None, "a brick that is gone is not selected");
}

#[test]
fn bricks_follow_moves_and_undo() {
    let mut app = test_app("3-conv-3-layer");
    let before = place(&mut app, "gap");
    app.world_mut().resource_mut::<Document>().move_brick(&"gap".into(), [8.0, 4.0]);
    app.update();
    assert_eq!(place(&mut app, "gap"), world_from_studs([8.0, 4.0]));
    app.world_mut().resource_mut::<Document>().undo();
    app.update();
    assert_eq!(place(&mut app, "gap"), before);
}

#[test]
fn with_motion_a_brick_glides_and_arrives() {
    let mut app = test_app("3-conv-3-layer");
    app.world_mut().resource_mut::<Settings>().reduced_motion = false;
    let step = bevy::time::TimeUpdateStrategy::ManualDuration(Duration::from_millis(50));
    app.insert_resource(step);
    let (before, after) = (place(&mut app, "gap"), world_from_studs([8.0, 4.0]));
    app.world_mut().resource_mut::<Document>().move_brick(&"gap".into(), [8.0, 4.0]);
    let mut way = Vec::new();
    for _ in 0..8 {
        app.update();
        way.push(place(&mut app, "gap"));
    }
    assert!(way.iter().any(|p| *p != before && *p != after), "{way:?}");
    assert_eq!(way.last(), Some(&after));
}

#[test]
fn a_dragged_brick_follows_the_ray_and_snaps_to_a_stud_in_one_undo_step() {
    let mut app = test_app("3-conv-3-layer");
    let before = position(&app, "output");
    let by = vec3(-0.4, 0.0, 5.2) * STUD;
    let brick = drag(&mut app, "output", by);
    let held = place(&mut app, "output");
    assert!(held.xz().abs_diff_eq((world_from_studs(before) + by).xz(), 1e-3), "{held}");
    assert!(held.y > 0.0, "lifted");
    assert_eq!(position(&app, "output"), before, "the document waits for the end");
    drop_brick(&mut app, brick);
    assert_eq!(position(&app, "output"), [before[0], before[1] + 5.0]);
    assert_eq!(place(&mut app, "output"), world_from_studs(position(&app, "output")));
    assert!(app.world_mut().resource_mut::<Document>().undo());
    assert_eq!(position(&app, "output"), before);
    assert!(!app.world_mut().resource_mut::<Document>().undo(), "one step");
}

#[test]
fn a_brick_cannot_be_dragged_off_the_plate() {
    let mut app = test_app("3-conv-3-layer");
    let brick = drag(&mut app, "output", Vec3::X * 20.0);
    let stage = app.world().resource::<Stage>().clone();
    assert!(place(&mut app, "output").x < stage.plate_center.x + stage.plate_half.x);
    drop_brick(&mut app, brick);
    let place = place(&mut app, "output");
    assert_eq!(place, world_from_studs(studs_from_world(place)), "on a stud");
}

#[test]
fn a_brick_dropped_on_another_moves_beside_it() {
    let mut app = test_app("3-conv-3-layer");
    let by = place(&mut app, "gap") - place(&mut app, "output");
    let brick = drag(&mut app, "output", by);
    drop_brick(&mut app, brick);
    let distance = place(&mut app, "gap").distance(place(&mut app, "output"));
    assert!(distance >= brick::DEPTH * STUD - 1e-4, "{distance}");
}

#[test]
fn escape_puts_a_dragged_brick_back_and_keeps_it_selected() {
    let mut app = test_app("3-conv-3-layer");
    let before = place(&mut app, "output");
    let brick = drag(&mut app, "output", Vec3::Z);
    assert_ne!(place(&mut app, "output"), before);
    press(&mut app, KeyCode::Escape);
    app.update();
    assert_eq!(place(&mut app, "output"), before);
    drop_brick(&mut app, brick);
    assert_eq!(place(&mut app, "output"), before, "the button's release comes too late");
    assert_eq!(selected(&app).as_deref(), Some("output"));
    assert!(!app.world().resource::<Document>().is_dirty());
}

#[test]
fn hovering_and_clicking_a_brick_sets_the_focus() {
    let mut app = test_app("3-conv-3-layer");
    let entity = brick(&mut app, "c1-3x3");
    let hit = || HitData::new(Entity::PLACEHOLDER, 1.0, None, None);
    point(&mut app, entity, Over { hit: hit() });
    let hovered =
        |app: &App| app.world().resource::<Focus>().hovered_brick().map(ToString::to_string);
    assert_eq!(hovered(&app).as_deref(), Some("c1-3x3"));
    let click =
        Click { button: PointerButton::Primary, hit: hit(), duration: Duration::ZERO, count: 1 };
    point(&mut app, entity, click);
    assert_eq!(selected(&app).as_deref(), Some("c1-3x3"));
    point(&mut app, entity, Out { hit: hit() });
    assert_eq!(hovered(&app), None);
}

#[test]
fn a_click_on_the_plate_clears_the_selection_but_the_end_of_a_camera_drag_does_not() {
    let mut app = test_app("3-conv-3-layer");
    let plate = app.world_mut().spawn(Plate).id();
    let hit = || HitData::new(Entity::PLACEHOLDER, 1.0, None, None);
    let button = PointerButton::Primary;
    let press_and_release = |app: &mut App, from: Vec2, to: Vec2| {
        point_at(app, plate, from, Press { button, hit: hit(), count: 1 });
        point_at(app, plate, to, Click { button, hit: hit(), duration: Duration::ZERO, count: 1 });
    };
    app.world_mut().resource_mut::<Focus>().selected_brick = Some("gap".into());
    press_and_release(&mut app, Vec2::ZERO, vec2(40.0, 0.0));
    assert_eq!(selected(&app).as_deref(), Some("gap"));
    press_and_release(&mut app, Vec2::ZERO, vec2(1.0, 2.0));
    assert_eq!(selected(&app), None);
}

#[test]
fn tab_walks_through_bricks_arrows_move_them_and_escape_lets_go() {
    let mut app = test_app("3-conv-3-layer");
    press(&mut app, KeyCode::Tab);
    assert_eq!(selected(&app).as_deref(), Some("input"));
    press(&mut app, KeyCode::Tab);
    assert_eq!(selected(&app).as_deref(), Some("c1-1x1"));
    let before = position(&app, "c1-1x1");
    press(&mut app, KeyCode::ArrowRight);
    assert_eq!(position(&app, "c1-1x1"), [before[0] + 1.0, before[1]]);
    app.world_mut().resource_mut::<Focus>().selected_candidate = Some(CandidateId(0));
    press(&mut app, KeyCode::Escape);
    assert_eq!(selected(&app), None);
    assert_eq!(app.world().resource::<Focus>().selected_candidate, None);
}

#[test]
fn the_shown_candidate_keeps_its_light_and_the_rest_is_muted() {
    let mut app = test_app("3-conv-3-layer");
    let kept = [0, 1, 4, 7, 10, 11, 14];
    let candidate = Candidate {
        id: CandidateId(0),
        mask: Mask::from_nodes(15, kept),
        parents: Vec::new(),
        iteration: None,
        evaluation: None,
        latency: None,
        affordable: true,
        standing: crate::engine::search::Standing::Present,
        cost: Cost::default(),
    };
    let mut archive = Archive::of(app.world().resource::<Document>());
    archive.show(vec![(candidate, [0.0; 3])]);
    app.insert_resource(archive);
    app.world_mut().resource_mut::<Focus>().selected_candidate = Some(CandidateId(0));
    app.update();
    let materials = app.world().resource::<BrickMaterials>();
    let [muted, normal] =
        [Emphasis::Muted, Emphasis::Normal].map(|light| materials.brick(light).clone());
    let mut bricks = app.world_mut().query::<(&Brick, &MeshMaterial3d<StandardMaterial>)>();
    let checked = checked("3-conv-3-layer");
    for (Brick(id), material) in bricks.iter(app.world()) {
        let node = checked.graph().index_of(id).expect("exists");
        assert_eq!(
            material.0,
            if kept.contains(&node) { normal.clone() } else { muted.clone() },
            "{id}"
        );
    }
}

#[test]
fn a_path_of_another_template_does_no_harm() {
    let mut app = test_app("3-conv-3-layer");
    app.world_mut().resource_mut::<TrainingHistory>().training_path = Some(Mask::full(42));
    app.update();
    assert_eq!(app.world_mut().query::<&Brick>().iter(app.world()).count(), 15);
}
