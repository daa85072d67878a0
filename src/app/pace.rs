//! How often the picture is drawn: not at all while nothing changes, a few times per second while a job
//! works, at once when something moves. Training then has the processor to itself.

use super::{
    document::{Archive, JobStatus, Notice, TemplateOpened},
    settings::Settings,
};
use crate::engine::serve::Contact;
use bevy::{
    prelude::*,
    render::{ExtractSchedule, MainWorld, RenderApp, render_resource::PipelineCache},
    window::RequestRedraw,
    winit::{UpdateMode, WinitSettings},
};
use bevy_egui::{
    EguiContext, EguiFullOutput, EguiInput, EguiPostUpdateSet, EguiPreUpdateSet, egui,
};
use std::time::{Duration, Instant};

/// Frames drawn after the last pipeline is there, so that its objects are seen.
const FRAMES_AFTER_COMPILING: u32 = 3;
/// Two moments nearer than this are the same; nothing in a panel has to be more punctual.
const PUNCTUAL: Duration = Duration::from_millis(100);
/// How long the window waits for the worker to report the contents of a template or run that was opened; after
/// that, it no longer looks for the reports.
const OPENING: Duration = Duration::from_secs(600);

/// Nothing to do until the user touches the mouse or a key.
pub const IDLE: Pace = Pace(Duration::from_secs(3600));
/// A job works: its reports are shown a dozen times per second.
const WORKING: Pace = Pace(Duration::from_millis(80));
/// A job works, and every picture takes the processor away from it.
const WORKING_IN_SOFTWARE: Pace = Pace(Duration::from_millis(400));

/// A lab elsewhere may tell something at any time: jobs are begun by others as well.
const WATCHING: Pace = Pace(Duration::from_millis(250));

/// The time from one frame to the next when nothing asks for one earlier.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace(Duration);

impl Pace {
    /// The time from one frame to the next.
    pub fn wait(self) -> Duration {
        self.0
    }

    /// The same for winit.
    pub fn update_mode(self) -> UpdateMode {
        UpdateMode::reactive_low_power(self.0)
    }
}

/// How many pipelines are not compiled yet; their objects are missing from the picture.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pipelines {
    /// Pipelines that wait for their shader or the compiler.
    pub waiting: usize,
}

pub(super) fn plugin(app: &mut App) {
    app.insert_resource(IDLE)
        .init_resource::<Pipelines>()
        .add_systems(
            PreUpdate,
            leave_out_known_modifiers
                .after(EguiPreUpdateSet::ProcessInput)
                .before(EguiPreUpdateSet::BeginPass),
        )
        .add_systems(
            PostUpdate,
            (keep_pace, take_back_later_looks)
                .chain()
                .after(EguiPostUpdateSet::EndPass)
                .before(EguiPostUpdateSet::ProcessOutput),
        )
        .add_systems(Last, (draw_until_compiled, spare_the_processor).chain());
    if let Some(render) = app.get_sub_app_mut(RenderApp) {
        render.add_systems(ExtractSchedule, count_pipelines);
    }
}

/// `bevy_egui` tells the modifiers in every frame, and egui draws two more frames after any event: an idle
/// window would draw without end.
fn leave_out_known_modifiers(mut contexts: Query<(&mut EguiContext, &mut EguiInput)>) {
    for (mut context, mut input) in &mut contexts {
        let known = context.get_mut().input(|input| input.modifiers);
        input.events.retain(|event| *event != egui::Event::ModifiersChanged(known));
    }
}

/// `bevy_egui` draws at once whenever egui wants to look again, be it in seconds. The [`Pace`] serves later
/// looks, so egui forgets them here; it does before it runs logic, of which there is none.
fn take_back_later_looks(mut contexts: Query<(&mut EguiContext, &EguiFullOutput)>) {
    for (mut context, output) in &mut contexts {
        if next_look(output).is_some() {
            let context = context.get_mut();
            let input = context.input(|input| input.raw.clone());
            let _ = context.run_logic(&input, |_| {});
        }
    }
}

/// Chooses the pace for what is going on.
fn keep_pace(
    status: Res<JobStatus>,
    settings: Res<Settings>,
    archive: Res<Archive>,
    mut opened: MessageReader<TemplateOpened>,
    mut notices: MessageReader<Notice>,
    contexts: Query<&EguiFullOutput>,
    mut pace: ResMut<Pace>,
    winit: Option<ResMut<WinitSettings>>,
    mut alarms: Local<Alarms>,
) {
    let now = Instant::now();
    let failed = notices.read().any(|notice| matches!(notice, Notice::Error(_)));
    if opened.read().count() > 0 {
        alarms.answer = Some(now + OPENING);
    } else if failed || archive.study().is_some() {
        alarms.answer = None;
    }
    let answer_due = alarms.answer.is_some_and(|until| now < until);
    let working = status.running.is_some() && (!status.paused || status.stopping);
    let watching = match &status.contact {
        Some(Contact::Begun | Contact::Up { .. } | Contact::Lost { .. }) => true,
        Some(Contact::Refused { .. }) | None => false,
    };
    let next = if working && settings.low_quality {
        WORKING_IN_SOFTWARE
    } else if working || answer_due {
        WORKING
    } else if watching && settings.low_quality {
        WORKING_IN_SOFTWARE
    } else if watching {
        WATCHING
    } else {
        match contexts.iter().filter_map(next_look).min() {
            Some(delay) => alarms.until_look(now, delay, *pace),
            None => IDLE,
        }
    };
    if pace.set_if_neq(next) {
        debug!("a frame every {:?}", next.wait());
        if let Some(mut winit) = winit {
            winit.focused_mode = next.update_mode();
            winit.unfocused_mode = next.update_mode();
        }
    }
}

/// The reasons for further frames.
#[derive(Default)]
struct Alarms {
    /// Until when the worker is expected to tell what it has opened.
    answer: Option<Instant>,
    /// When egui wants to look again.
    look: Option<Instant>,
}

impl Alarms {
    /// The pace at which the next frame comes when egui wants it. A frame in between changes nothing: a new
    /// pace would make winit draw yet another one, without end.
    fn until_look(&mut self, now: Instant, delay: Duration, pace: Pace) -> Pace {
        let due = now + delay;
        match self.look {
            Some(known) if known.max(due) - known.min(due) < PUNCTUAL && pace != IDLE => pace,
            _ => {
                self.look = Some(due);
                Pace(delay.max(PUNCTUAL))
            }
        }
    }
}

/// After what time egui wants to be run again without any input: a tooltip is due, a toast is over, a
/// cursor blinks. Requests for the next frame are left to `bevy_egui`.
fn next_look(output: &EguiFullOutput) -> Option<Duration> {
    let viewport = output.0.as_ref()?.viewport_output.get(&egui::ViewportId::ROOT)?;
    let delay = viewport.repaint_delay;
    (!delay.is_zero() && delay < IDLE.0).then_some(delay)
}

fn count_pipelines(mut main_world: ResMut<MainWorld>, cache: Res<PipelineCache>) {
    let waiting = cache.waiting_pipelines().count();
    if let Some(mut pipelines) = main_world.get_resource_mut::<Pipelines>() {
        pipelines.set_if_neq(Pipelines { waiting });
    }
}

/// Keeps drawing while pipelines compile: no event tells when one is ready.
fn draw_until_compiled(
    pipelines: Res<Pipelines>,
    mut drawn: Local<u32>,
    mut redraw: MessageWriter<RequestRedraw>,
) {
    *drawn = if pipelines.waiting > 0 { 0 } else { drawn.saturating_add(1) };
    if *drawn < FRAMES_AFTER_COMPILING {
        redraw.write(RequestRedraw);
    }
}

/// Leaves out the redraws of animations while a job works and the same processor draws.
fn spare_the_processor(
    pace: Res<Pace>,
    pipelines: Res<Pipelines>,
    mut redraws: ResMut<Messages<RequestRedraw>>,
) {
    if *pace == WORKING_IN_SOFTWARE && pipelines.waiting == 0 {
        redraws.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_modifiers_reach_egui() {
        let mut app = App::new();
        app.add_systems(Update, leave_out_known_modifiers);
        let id = app.world_mut().spawn(EguiContext::default()).id();
        for (modifiers, events) in [(egui::Modifiers::NONE, 0), (egui::Modifiers::SHIFT, 1)] {
            let mut input = app.world_mut().get_mut::<EguiInput>(id).expect("a context has input");
            input.events = vec![egui::Event::ModifiersChanged(modifiers)];
            app.update();
            let input = app.world().get::<EguiInput>(id).expect("a context has input");
            assert_eq!(input.events.len(), events);
        }
    }

    #[test]
    fn a_later_look_draws_no_frame_now() {
        let mut app = App::new();
        app.add_systems(Update, take_back_later_looks);
        let context = egui::Context::default();
        let look = |context: &egui::Context| {
            let mut output = context.run_ui(egui::RawInput::default(), |ui| {
                ui.ctx().request_repaint_after(Duration::from_secs(5));
            });
            // egui panics when textures are dropped before they were taken.
            output.textures_delta.clear();
            output
        };
        // The first passes settle and want further ones at once.
        let mut output = None;
        for _ in 0..5 {
            output = Some(look(&context));
        }
        assert!(context.has_requested_repaint());
        let mut shown = EguiContext::default();
        *shown.get_mut() = context.clone();
        app.world_mut().spawn((shown, EguiFullOutput(output)));
        app.update();
        assert!(!context.has_requested_repaint());
    }

    #[test]
    fn a_frame_before_the_next_look_keeps_the_pace() {
        let (mut alarms, begin) = (Alarms::default(), Instant::now());
        let after = |millis| begin + Duration::from_millis(millis);
        let pace = alarms.until_look(begin, Duration::from_secs(5), IDLE);
        assert_eq!(pace.wait(), Duration::from_secs(5));
        for millis in [20, 40, 3000] {
            let delay = after(5000) - after(millis);
            assert_eq!(alarms.until_look(after(millis), delay, pace), pace);
        }
        let sooner = alarms.until_look(after(3000), Duration::from_millis(500), pace);
        assert_eq!(sooner.wait(), Duration::from_millis(500));
    }
}
