//! The panels as a user meets them: drawn in a window that is not shown, with pointer and keys.

use super::*;
use crate::{
    app::jobs,
    engine::{
        command::Job, data::DataSource, report::Progress, search::NodeFitness, study,
        template::presets, training::EpochReport,
    },
};
use bevy::{
    ecs::change_detection::Tick,
    input::{
        ButtonState,
        keyboard::{Key, KeyCode, KeyboardInput},
    },
};
use bevy_egui::{EguiContext, EguiUserTextures, PrimaryEguiContext, input::EguiWantsInput};
use egui::{Event, Modifiers, PointerButton, Pos2, RawInput, Shape, pos2};
use std::time::Duration;

/// A text on the screen.
struct Shown {
    text: String,
    rect: Rect,
    clip: Rect,
}

struct Bench {
    app: App,
    window: Rect,
    /// When egui wants to be run again.
    again: Duration,
}

impl Bench {
    fn new(preset: usize, [width, height]: [f32; 2]) -> Self {
        let checked = presets()[preset].checked().unwrap();
        let mut app = App::new();
        app.add_plugins(MinimalPlugins)
            .init_resource::<ButtonInput<KeyCode>>()
            .init_resource::<EguiWantsInput>()
            .init_resource::<EguiUserTextures>()
            .init_resource::<TrainingHistory>()
            .insert_resource(JobStatus { data: Some(DataSource::Digits), ..JobStatus::default() })
            .init_resource::<Focus>()
            .insert_resource(ViewInsets::default())
            .insert_resource(Archive::of(&Document::new(checked.clone(), None)))
            .insert_resource(Document::new(checked, None))
            .insert_resource(Settings::example())
            .add_message::<KeyboardInput>()
            .add_message::<WindowCloseRequested>()
            .add_message::<Notice>()
            .add_message::<TemplateOpened>()
            .add_message::<RequestRedraw>()
            .add_message::<jobs::JobRequest>()
            .add_message::<DocumentRequest>()
            .add_plugins(logic);
        app.world_mut().spawn(PrimaryEguiContext);
        let mut bench = Self {
            app,
            window: Rect::from_min_size(Pos2::ZERO, egui::vec2(width, height)),
            again: Duration::ZERO,
        };
        for _ in 0..4 {
            bench.frame(&[]);
        }
        bench
    }

    /// One frame with these events; the texts that it shows.
    fn frame(&mut self, events: &[Event]) -> Vec<Shown> {
        self.app.update();
        let context = self.context();
        let world = self.app.world_mut();
        let input = RawInput {
            screen_rect: Some(self.window),
            events: events.to_vec(),
            ..RawInput::default()
        };
        let output = context.run_ui(input, |_| world.run_schedule(EguiPrimaryContextPass));
        let mut shown = Vec::new();
        for clipped in &output.shapes {
            collect(&clipped.shape, clipped.clip_rect, &mut shown);
        }
        self.again = output.viewport_output[&egui::ViewportId::ROOT].repaint_delay;
        output.drop_without_applying_deltas();
        shown
    }

    /// Moves the pointer and lets the panels see it.
    fn point(&mut self, at: Pos2) {
        for _ in 0..2 {
            self.frame(&[Event::PointerMoved(at)]);
        }
    }

    fn click(&mut self, at: Pos2) {
        self.point(at);
        for pressed in [true, false] {
            let button = PointerButton::Primary;
            self.frame(&[Event::PointerButton {
                pos: at,
                button,
                pressed,
                modifiers: Modifiers::NONE,
            }]);
        }
    }

    /// Clicks the lowest place that says this.
    fn click_on(&mut self, text: &str) {
        let shown = self.frame(&[]);
        let places =
            shown.iter().filter(|shown| shown.text == text).map(|shown| shown.rect.center());
        let lowest =
            places.max_by(|a, b| a.y.total_cmp(&b.y)).unwrap_or_else(|| panic!("no {text}"));
        self.click(lowest);
    }

    fn press(&mut self, logical_key: Key, key_code: KeyCode) {
        self.key(logical_key, key_code, ButtonState::Pressed);
        self.frame(&[]);
    }

    /// Something a key does in the coming frame.
    fn key(&mut self, logical_key: Key, key_code: KeyCode, state: ButtonState) {
        self.app.world_mut().write_message(KeyboardInput {
            key_code,
            logical_key,
            state,
            text: None,
            repeat: false,
            window: Entity::PLACEHOLDER,
        });
    }

    fn says(&mut self, text: &str) -> bool {
        self.frame(&[]).iter().any(|shown| shown.text.contains(text))
    }

    fn context(&mut self) -> egui::Context {
        let world = self.app.world_mut();
        world.query::<&mut EguiContext>().single_mut(world).unwrap().get_mut().clone()
    }

    fn wants_keyboard(&mut self) -> bool {
        self.context().egui_wants_keyboard_input()
    }

    fn state(&self) -> &PanelState {
        self.app.world().resource()
    }

    fn requests<M: Message + Clone>(&mut self) -> Vec<M> {
        self.app.world_mut().resource_mut::<Messages<M>>().drain().collect()
    }

    fn changed<R: Resource>(&self) -> Tick {
        self.app.world().resource_ref::<R>().last_changed()
    }

    /// What a training run leaves behind.
    fn train(&mut self) {
        let mut history = self.app.world_mut().resource_mut::<TrainingHistory>();
        history.steps = (1..=60).map(|step| (step, 2.3 / (step as f64).sqrt())).collect();
        history.steps[30].1 = f64::NAN;
        let epoch = EpochReport { step: 30, ..EpochReport::EXAMPLE };
        let mut archive = self.app.world_mut().resource_mut::<Archive>();
        for epoch in [epoch, EpochReport { epoch: 2, step: 60, train_loss: 0.9, ..epoch }] {
            archive.take(study::Event::Epoch(epoch));
        }
    }

    /// A running search with different fitness for every node.
    fn search(&mut self) {
        let count = self.app.world().resource::<Document>().graph().len();
        let fitness = (0..count).map(|node| NodeFitness {
            fitness: node as f64 / count as f64,
            uncertainty: 0.5,
            frequency: (node % 5) as f64 / 4.0,
            count: node,
        });
        self.app.world_mut().resource_mut::<Archive>().show_fitness(fitness.collect());
        let progress = Progress {
            job: Job::Search,
            done: 3,
            total: 40,
            elapsed_secs: 5.0,
            eta_secs: Some(62.0),
        };
        let mut status = self.app.world_mut().resource_mut::<JobStatus>();
        status.running = Some(Job::Search);
        status.progress = Some(progress);
        status.run = Some(("2026-11-24-a".to_owned(), "runs/2026-11-24-a".into()));
    }
}

fn collect(shape: &Shape, clip: Rect, shown: &mut Vec<Shown>) {
    match shape {
        Shape::Vec(shapes) => shapes.iter().for_each(|shape| collect(shape, clip, shown)),
        Shape::Text(text) => shown.push(Shown {
            text: text.galley.text().to_owned(),
            rect: text.visual_bounding_rect(),
            clip,
        }),
        _ => {}
    }
}

#[test]
fn every_preset_fits_its_panels_in_every_state() {
    for preset in 0..presets().len() {
        for size in [[1280.0, 720.0], [1600.0, 900.0]] {
            let mut bench = Bench::new(preset, size);
            let selected = bench.app.world().resource::<Document>().graph().id(2).clone();
            for state in 0..4 {
                match state {
                    1 => {
                        bench.app.world_mut().resource_mut::<Focus>().selected_brick =
                            Some(selected.clone());
                    }
                    2 => bench.train(),
                    3 => bench.search(),
                    _ => {}
                }
                bench.frame(&[]);
                for Shown { text, rect, clip } in bench.frame(&[]) {
                    // What a list has scrolled out of sight may be anywhere above or below.
                    let sideways = rect.min.x >= clip.min.x - 0.5 && rect.max.x <= clip.max.x + 0.5;
                    assert!(
                        sideways,
                        "`{text}` at {rect:?} leaves {clip:?} in state {state} at {size:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn empty_states_say_what_to_do_next() {
    let mut bench = Bench::new(0, [1280.0, 720.0]);
    for text in ["Click a brick", "Search to move the dots", "Train the template to see its loss"] {
        assert!(bench.says(text), "{text}");
    }
    bench.train();
    assert!(!bench.says("Train the template to see its loss"));
}

#[test]
fn buttons_ask_for_jobs_and_those_that_cannot_do_not() {
    let mut bench = Bench::new(0, [1280.0, 720.0]);
    bench.click_on("Search");
    assert_eq!(bench.requests::<JobRequest>(), []);
    bench.click_on("Train");
    assert_eq!(bench.requests::<JobRequest>(), [JobRequest::Train]);
    bench.train();
    bench.click_on("Search");
    assert_eq!(bench.requests::<JobRequest>(), [JobRequest::Search]);
    bench.search();
    bench.click_on("Pause");
    bench.click_on("Stop");
    assert_eq!(bench.requests::<JobRequest>(), [JobRequest::Pause, JobRequest::Stop]);
}

#[test]
fn keys_ask_for_the_same_unless_the_user_types() {
    let mut bench = Bench::new(0, [1280.0, 720.0]);
    bench.press(Key::Character("t".into()), KeyCode::KeyT);
    assert_eq!(bench.requests::<JobRequest>(), [JobRequest::Train]);
    bench.app.world_mut().resource_mut::<PanelState>().dialog =
        Some(Dialog::Discard { then: Then::Open(DocumentRequest::Save) });
    bench.press(Key::Character("t".into()), KeyCode::KeyT);
    assert_eq!(bench.requests::<JobRequest>(), []);
}

#[test]
fn a_shortcut_that_is_over_within_a_frame_keeps_its_modifier() {
    use ButtonState::{Pressed, Released};
    let mut bench = Bench::new(0, [1280.0, 720.0]);
    let s = || Key::Character("s".into());
    bench.key(Key::Control, KeyCode::ControlLeft, Pressed);
    bench.key(s(), KeyCode::KeyS, Pressed);
    bench.key(s(), KeyCode::KeyS, Released);
    bench.key(Key::Control, KeyCode::ControlLeft, Released);
    bench.frame(&[]);
    assert!(bench.requests::<JobRequest>().is_empty(), "a search was asked for");
    assert!(bench.state().dialog.is_some(), "a preset is saved under a name of the user's");
}

#[test]
fn the_help_opens_and_closes_with_its_key_and_keeps_other_keys_from_acting() {
    let mut bench = Bench::new(0, [1280.0, 720.0]);
    bench.press(Key::F1, KeyCode::F1);
    assert!(bench.says("Keys and gestures"));
    bench.press(Key::Character("t".into()), KeyCode::KeyT);
    assert_eq!(bench.requests::<JobRequest>(), []);
    assert!(bench.wants_keyboard());
    bench.press(Key::F1, KeyCode::F1);
    assert!(!bench.says("Keys and gestures"));
    assert!(!bench.wants_keyboard(), "a help that is closed must give the keyboard back");
}

#[test]
fn a_preset_is_opened_by_its_row_and_not_while_a_job_runs() {
    let mut bench = Bench::new(0, [1280.0, 720.0]);
    bench.click_on("vgg11");
    assert_eq!(
        bench.requests::<DocumentRequest>(),
        [DocumentRequest::OpenPreset("vgg11".to_owned())]
    );
    bench.search();
    bench.click_on("vgg11");
    assert_eq!(bench.requests::<DocumentRequest>(), []);
}

#[test]
fn closing_the_window_ends_the_program_but_not_unsaved_edits() {
    let mut bench = Bench::new(0, [1280.0, 720.0]);
    let close = |bench: &mut Bench| {
        let window = Entity::PLACEHOLDER;
        bench.app.world_mut().write_message(WindowCloseRequested { window });
        bench.frame(&[]);
        bench.requests::<AppExit>()
    };
    assert_eq!(close(&mut bench), [AppExit::Success]);
    let id = bench.app.world().resource::<Document>().graph().id(1).clone();
    bench.app.world_mut().resource_mut::<Document>().move_brick(&id, [90.0, 9.0]);
    assert_eq!(close(&mut bench), []);
    assert!(bench.says("Unsaved edits"));
    bench.click_on("Discard");
    assert_eq!(bench.requests::<AppExit>(), [AppExit::Success]);
}

#[test]
fn edits_are_not_lost_without_a_question() {
    let mut bench = Bench::new(0, [1280.0, 720.0]);
    let id = bench.app.world().resource::<Document>().graph().id(1).clone();
    bench.app.world_mut().resource_mut::<Document>().move_brick(&id, [90.0, 9.0]);
    bench.click_on("vgg11");
    assert_eq!(bench.requests::<DocumentRequest>(), []);
    assert!(bench.says("Unsaved edits"));
    bench.click_on("Discard");
    assert_eq!(
        bench.requests::<DocumentRequest>(),
        [DocumentRequest::OpenPreset("vgg11".to_owned())]
    );
    assert!(bench.state().dialog.is_none());
}

#[test]
fn saving_a_preset_asks_for_a_file_and_shows_what_fails() {
    let mut bench = Bench::new(0, [1280.0, 720.0]);
    bench.key(Key::Control, KeyCode::ControlLeft, ButtonState::Pressed);
    bench.press(Key::Character("s".into()), KeyCode::KeyS);
    assert!(bench.says("Save the template as"));
    bench.frame(&[]);
    let key = egui::Key::Enter;
    let enter = Event::Key {
        key,
        physical_key: None,
        pressed: true,
        repeat: false,
        modifiers: Modifiers::NONE,
    };
    bench.frame(&[enter]);
    assert_eq!(
        bench.requests::<DocumentRequest>(),
        [DocumentRequest::SaveAs("3-conv-3-layer.ron".into())]
    );
    bench.app.world_mut().write_message(Notice::Error("no space on the disk".to_owned()));
    assert!(bench.says("Error: no space on the disk"));
    assert!(bench.state().notices.toasts.is_empty() && bench.state().notices.errors() == 1);
}

#[test]
fn the_camera_learns_what_the_panels_leave_free() {
    let mut bench = Bench::new(0, [1280.0, 720.0]);
    let insets = |bench: &Bench| {
        let insets = bench.app.world().resource::<ViewInsets>();
        [insets.left, insets.right, insets.top, insets.bottom]
    };
    assert_eq!(insets(&bench), [224.0, 320.0, 0.0, 104.0]);
    bench.press(Key::F2, KeyCode::F2);
    bench.press(Key::F4, KeyCode::F4);
    assert_eq!(insets(&bench), [24.0, 320.0, 0.0, 24.0]);
}

#[test]
fn a_pointer_over_a_panel_is_not_meant_for_the_world() {
    let mut bench = Bench::new(0, [1280.0, 720.0]);
    let mut over = |at: Pos2| {
        bench.point(at);
        bench.context().egui_wants_pointer_input()
    };
    for panel in [pos2(100.0, 500.0), pos2(1100.0, 600.0), pos2(640.0, 700.0)] {
        assert!(over(panel), "{panel:?}");
    }
    assert!(!over(pos2(600.0, 300.0)));
}

#[test]
fn pointing_at_a_dot_lights_its_brick_and_a_click_selects_it() {
    let mut bench = Bench::new(0, [1280.0, 720.0]);
    bench.search();
    bench.frame(&[]);
    // Somewhere in the chart there is a dot.
    let mut found = None;
    for step in 0..400 {
        let at = pos2(1030.0 + 10.0 * (step % 20) as f32, 220.0 + 10.0 * (step / 20) as f32);
        bench.point(at);
        if let Some(id) = bench.app.world().resource::<Focus>().hovered_brick() {
            found = Some((at, id.clone()));
            break;
        }
    }
    let (at, id) = found.expect("a dot under the pointer");
    bench.click(at);
    assert_eq!(bench.app.world().resource::<Focus>().selected_brick, Some(id));
    bench.point(pos2(600.0, 300.0));
    assert_eq!(bench.app.world().resource::<Focus>().hovered_brick(), None);
}

#[test]
fn nothing_is_marked_as_changed_while_nothing_happens() {
    let mut bench = Bench::new(0, [1280.0, 720.0]);
    bench.train();
    bench.search();
    bench.point(pos2(1100.0, 500.0));
    let ticks = |bench: &Bench| {
        [
            bench.changed::<Document>(),
            bench.changed::<Focus>(),
            bench.changed::<Settings>(),
            bench.changed::<ViewInsets>(),
            bench.changed::<PanelState>(),
        ]
    };
    let before = ticks(&bench);
    bench.requests::<RequestRedraw>();
    // Scroll bars fade for a moment.
    for _ in 0..60 {
        bench.frame(&[]);
    }
    assert_eq!(ticks(&bench), before);
    assert_eq!(bench.requests::<RequestRedraw>().len(), 0);
    let causes = bench.context().repaint_causes();
    assert_eq!(bench.again, Duration::MAX, "an idle window must not be drawn: {causes:?}");
}
