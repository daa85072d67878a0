//! The cloud without a GPU and without a window.

use super::{points::MUTED, points::tests::candidate, *};
use crate::{
    app::{document::JobStatus, theme},
    engine::{mask::Mask, search::Evaluation, template::presets},
};
use bevy::{
    asset::AssetPlugin,
    camera::NormalizedRenderTarget,
    color::ColorToComponents,
    input::{
        ButtonState,
        keyboard::{Key, KeyboardInput},
    },
    picking::{
        backend::{HitData, PointerHits, ray::RayMap},
        pointer::{Location, PointerId},
    },
    time::TimeUpdateStrategy,
    window::WindowRef,
};
use std::time::Duration;

/// One frame.
const FRAME: Duration = Duration::from_millis(100);

fn test_app() -> App {
    let checked = presets()[0].checked().unwrap();
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, AssetPlugin::default()))
        .insert_resource(TimeUpdateStrategy::ManualDuration(FRAME))
        .insert_resource(Archive::of(&Document::new(checked.clone(), None)))
        .insert_resource(Document::new(checked, None))
        .insert_resource(Settings {
            reduced_motion: false,
            low_quality: false,
            ..Settings::example()
        })
        .insert_resource(Stage {
            plate_center: Vec3::ZERO,
            plate_half: Vec2::ONE,
            cloud_center: Vec3::new(0.0, 10.0, 0.0),
            cloud_radius: 4.0,
        })
        .init_resource::<Focus>()
        .init_resource::<JobStatus>()
        .init_resource::<RayMap>()
        .init_resource::<ButtonInput<KeyCode>>()
        .add_message::<TemplateOpened>()
        .add_message::<KeyboardInput>()
        .add_message::<CandidateEvaluated>()
        .add_message::<PointerHits>()
        .add_message::<RequestRedraw>()
        .add_plugins(logic);
    app.update();
    app
}

/// Adds candidates over the template of the test at x = 0, 1, 2... as a job would.
fn place(app: &mut App, accuracies: &[Option<f64>]) {
    let nodes = app.world().resource::<Document>().graph().len();
    let mut archive = app.world_mut().resource_mut::<Archive>();
    let first = archive.candidates().len() as u32;
    for (id, &accuracy) in (first..).zip(accuracies) {
        let mask = Mask::from_nodes(nodes, [0, 1 + id as usize % 2]);
        let candidate = Candidate { mask, ..candidate(id, accuracy) };
        archive.show(vec![(candidate, [id as f32, 0.0, 0.0])]);
    }
    app.update();
}

fn evaluate(app: &mut App, id: u32, accuracy: f64) {
    let mut archive = app.world_mut().resource_mut::<Archive>();
    let evaluation = Some(Evaluation { accuracy, loss: 1.0, ..Evaluation::default() });
    let known = archive.get(CandidateId(id)).expect("is there");
    let (candidate, place) = (Candidate { evaluation, ..known.candidate.clone() }, known.position);
    archive.show(vec![(candidate, place)]);
    app.world_mut().write_message(CandidateEvaluated { id: CandidateId(id) });
    app.update();
}

fn record(app: &App, id: usize) -> PointRecord {
    app.world().resource::<Cloud>().records()[id]
}

fn linear(color: Color) -> [f32; 3] {
    color.to_linear().to_f32_array_no_alpha()
}

#[test]
fn every_candidate_becomes_a_point_keyed_by_its_id() {
    let mut app = test_app();
    place(&mut app, &[None; 3]);
    place(&mut app, &[None, Some(0.5)]);
    let mut query = app.world_mut().query::<(Entity, &Point, &Transform)>();
    let found: Vec<_> = query.iter(app.world()).map(|(e, p, t)| (e, p.0, t.translation)).collect();
    assert_eq!(found.len(), 5);
    let cloud = app.world().resource::<Cloud>();
    for (entity, id, translation) in found {
        assert_eq!(cloud.entities[id.index()], entity);
        // Half the cloud's radius a unit of cloud coordinates.
        let expected = Vec3::new(2.0 * id.0 as f32, 10.0, 0.0);
        assert_eq!((translation, cloud.position(id)), (expected, Some(expected)));
    }
}

#[test]
fn the_range_of_accuracies_recolours_all_when_it_grows() {
    let mut app = test_app();
    place(&mut app, &[None; 3]);
    assert_eq!(record(&app, 0).color, linear(theme::UNEVALUATED));
    evaluate(&mut app, 0, 0.5);
    assert_eq!(
        record(&app, 0).color,
        linear(theme::accuracy_color(1.0)),
        "the only one is the best"
    );
    evaluate(&mut app, 1, 0.7);
    assert_eq!(record(&app, 0).color, linear(theme::accuracy_color(0.0)));
    assert_eq!(record(&app, 1).color, linear(theme::accuracy_color(1.0)));
    assert_eq!(record(&app, 2).color, linear(theme::UNEVALUATED));
    let scores = *app.world().resource::<Scores>();
    assert_eq!(
        scores,
        Scores {
            count: 3,
            evaluated: 2,
            range: Some((0.5, 0.7)),
            best: Some(CandidateId(1)),
            ..Scores::default()
        }
    );
}

#[test]
fn another_template_clears_the_cloud() {
    let mut app = test_app();
    place(&mut app, &[Some(0.5); 4]);
    app.world_mut().resource_mut::<Focus>().selected_candidate = Some(CandidateId(2));
    app.world_mut().resource_mut::<Archive>().close();
    app.world_mut().write_message(TemplateOpened);
    app.update();
    assert_eq!(app.world_mut().query::<&Point>().iter(app.world()).count(), 0);
    assert_eq!(app.world().resource::<Cloud>().records().len(), 0);
    assert_eq!(app.world().resource::<Focus>().selected_candidate, None);
    let archive = Archive::of(app.world().resource::<Document>());
    app.insert_resource(archive);
    place(&mut app, &[None; 2]);
    assert_eq!(app.world_mut().query::<&Point>().iter(app.world()).count(), 2);
}

#[test]
fn a_hovered_brick_mutes_the_points_without_it() {
    let mut app = test_app();
    place(&mut app, &[None; 2]);
    let id = app.world().resource::<Document>().graph().id(1).clone();
    app.world_mut().resource_mut::<Focus>().hover_brick(View::Lego, Some(id));
    app.update();
    assert_eq!((record(&app, 0).flags, record(&app, 1).flags), (0, MUTED));
    app.world_mut().resource_mut::<Focus>().hover_brick(View::Lego, None);
    app.update();
    assert_eq!((record(&app, 0).flags, record(&app, 1).flags), (0, 0));
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let mut app = test_app();
    place(&mut app, &[None, Some(0.5)]);
    #[derive(Resource, Default)]
    struct Writes(u32);
    app.init_resource::<Writes>().add_systems(
        Last,
        (|mut writes: ResMut<Writes>| writes.0 += 1).run_if(resource_changed::<Cloud>),
    );
    app.update();
    let before = app.world().resource::<Writes>().0;
    for _ in 0..3 {
        app.update();
    }
    assert_eq!(app.world().resource::<Writes>().0, before);
    evaluate(&mut app, 0, 0.6);
    assert_eq!(app.world().resource::<Writes>().0, before + 1);
}

/// Places two candidates and then a child of both, and returns the child's record.
fn newborn(app: &mut App) -> PointRecord {
    place(app, &[None, None]);
    let nodes = app.world().resource::<Document>().graph().len();
    let mask = Mask::from_nodes(nodes, [0]);
    let parents = vec![CandidateId(0), CandidateId(1)];
    let child = Candidate { mask, parents, ..candidate(2, None) };
    app.world_mut().resource_mut::<Archive>().show(vec![(child, [5.0, 0.0, 0.0])]);
    app.update();
    record(app, 2)
}

#[test]
fn newborns_fly_from_the_middle_of_their_parents_and_land() {
    let mut app = test_app();
    let born = newborn(&mut app);
    assert_eq!(born.birth_position, Vec3::new(1.0, 10.0, 0.0));
    assert_eq!(born.birth_secs, app.world().resource::<Time>().elapsed_secs_wrapped());
    let redraws = |app: &App| !app.world().resource::<Messages<RequestRedraw>>().is_empty();
    let mut frames = 0;
    while record(&app, 2).birth_secs != BORN_LONG_AGO {
        assert!(redraws(&app), "nothing would move without another frame");
        app.update();
        frames += 1;
        assert!(frames < 20, "it never lands");
    }
    let flown = frames as f32 * FRAME.as_secs_f32();
    assert!(
        flown > FLIGHT_SECS - 1e-3 && flown < FLIGHT_SECS + 1.5 * FRAME.as_secs_f32(),
        "{flown} s"
    );
    for _ in 0..3 {
        app.update();
    }
    assert!(!redraws(&app), "what has landed needs no frames");
}

#[test]
fn with_reduced_motion_no_point_flies() {
    let mut app = test_app();
    app.world_mut().resource_mut::<Settings>().reduced_motion = true;
    let born = newborn(&mut app);
    assert_eq!((born.birth_secs, born.birth_position), (BORN_LONG_AGO, born.position));
}

#[test]
fn points_go_with_the_stage() {
    let mut app = test_app();
    place(&mut app, &[None, None]);
    app.world_mut().resource_mut::<Stage>().cloud_center.x += 3.0;
    app.update();
    let entity = app.world().resource::<Cloud>().entities[1];
    let expected = Vec3::new(5.0, 10.0, 0.0);
    assert_eq!(record(&app, 1).position, expected);
    assert_eq!(app.world().get::<Transform>(entity).unwrap().translation, expected);
}

#[test]
fn keys_select_by_accuracy() {
    let mut app = test_app();
    place(&mut app, &[Some(0.5), Some(0.9), Some(0.7)]);
    // The keys of a German keyboard: what they type counts, not where they are.
    let mut press = |key_code, text: &str| {
        app.world_mut().write_message(KeyboardInput {
            key_code,
            logical_key: Key::Character(text.into()),
            state: ButtonState::Pressed,
            text: None,
            repeat: false,
            window: Entity::PLACEHOLDER,
        });
        app.update();
        app.world().resource::<Focus>().selected_candidate.map(|id| id.0)
    };
    assert_eq!(press(KeyCode::KeyB, "b"), Some(1));
    assert_eq!(press(KeyCode::Digit8, "["), Some(2));
    assert_eq!(press(KeyCode::Digit8, "["), Some(0));
    assert_eq!(press(KeyCode::Digit8, "["), Some(0), "there is no worse one");
    assert_eq!(press(KeyCode::Digit9, "]"), Some(2));
    assert_eq!(
        press(KeyCode::BracketLeft, "ü"),
        Some(0),
        "by place, where it types nothing of ours"
    );
}

/// Sends a pointer event at `x` logical pixels to an entity, as picking would.
fn point_at<E: std::fmt::Debug + Clone + Reflect>(app: &mut App, entity: Entity, x: f32, event: E) {
    let window =
        app.world_mut().query_filtered::<Entity, With<Window>>().single(app.world()).unwrap();
    let target = WindowRef::Entity(window).normalize(None).unwrap();
    let location =
        Location { target: NormalizedRenderTarget::Window(target), position: Vec2::new(x, 0.0) };
    app.world_mut().trigger(Pointer::new(PointerId::Mouse, location, event, entity));
}

/// Presses at `from` and releases at `to`, both on `entity`.
fn click(app: &mut App, entity: Entity, from: f32, to: f32) -> Option<CandidateId> {
    let hit = HitData::new(Entity::PLACEHOLDER, 1.0, None, None);
    let button = PointerButton::Primary;
    point_at(app, entity, from, Press { button, hit: hit.clone(), count: 1 });
    point_at(app, entity, to, Click { button, hit, duration: FRAME, count: 1 });
    app.world().resource::<Focus>().selected_candidate
}

#[test]
fn clicks_select_points_and_clicks_on_nothing_select_none() {
    let mut app = test_app();
    place(&mut app, &[None; 2]);
    let window = app.world_mut().spawn(Window::default()).id();
    let brick = app.world_mut().spawn_empty().id();
    let point = app.world().resource::<Cloud>().entities[1];

    assert_eq!(click(&mut app, point, 0.0, 2.0), Some(CandidateId(1)));
    assert_eq!(click(&mut app, brick, 0.0, 0.0), Some(CandidateId(1)), "a brick is not nothing");
    assert_eq!(
        click(&mut app, window, 0.0, 90.0),
        Some(CandidateId(1)),
        "that was a turn of the camera"
    );
    assert_eq!(click(&mut app, window, 0.0, 0.0), None);
    assert_eq!(click(&mut app, point, 0.0, 90.0), None);
}

#[test]
fn the_point_under_the_pointer_is_hovered_until_it_is_left() {
    let mut app = test_app();
    place(&mut app, &[None; 2]);
    app.world_mut().spawn(Window::default());
    let hovered = |app: &App| app.world().resource::<Focus>().hovered_candidate();
    let [first, second] = [0, 1].map(|id| app.world().resource::<Cloud>().entities[id]);
    let hit = HitData::new(Entity::PLACEHOLDER, 1.0, None, None);

    point_at(&mut app, first, 0.0, Over { hit: hit.clone() });
    assert_eq!(hovered(&app), Some(CandidateId(0)));
    point_at(&mut app, second, 0.0, Over { hit: hit.clone() });
    point_at(&mut app, first, 0.0, Out { hit: hit.clone() });
    assert_eq!(hovered(&app), Some(CandidateId(1)), "the one left is not the one entered");
    point_at(&mut app, second, 0.0, Out { hit });
    assert_eq!(hovered(&app), None);
}
