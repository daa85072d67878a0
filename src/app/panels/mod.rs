//! The panels around the world: templates on the left, what is known on the right, jobs at the bottom.
//!
//! A panel reads the document through a `View` and asks for things through
//! `Wishes`; this file places the panels and carries the wishes out.

mod candidate_info;
mod controls;
mod dialogs;
mod help;
mod keys;
mod layout;
mod log;
mod loss_chart;
mod presets;
mod properties;
mod ring;
mod series;
mod status;
mod style;
mod toasts;
mod training;
mod view;
mod widgets;

#[cfg(test)]
mod tests;

use super::{
    camera::ViewInsets,
    document::{
        Archive, Document, DocumentRequest, Focus, JobStatus, Notice, TemplateOpened,
        TrainingHistory, View as FocusView,
    },
    jobs::JobRequest,
    settings::Settings,
};
use crate::engine::template::NodeId;
use bevy::{
    ecs::system::SystemParam,
    prelude::*,
    window::{RequestRedraw, WindowCloseRequested},
};
use bevy_egui::{
    EguiContexts, EguiGlobalSettings, EguiPlugin, EguiPrimaryContextPass,
    egui::{self, Area, Frame, Id, Layout, Margin, Order, Rect, Ui, UiBuilder},
};
use controls::DataField;
use dialogs::{Dialog, Settled, Then};
use layout::{Open, Places};
use log::Notices;
use loss_chart::LossChart;
use presets::PresetInfo;
use view::{Choices, View, Wishes};
use widgets::Arrow;

pub(super) fn plugin(app: &mut App) {
    if !app.is_plugin_added::<EguiPlugin>() {
        app.add_plugins(EguiPlugin::default());
    }
    // The camera module says which camera the panels are drawn on.
    app.world_mut().get_resource_or_init::<EguiGlobalSettings>().auto_create_primary_context =
        false;
    app.add_plugins(logic);
}

/// Everything that needs no window.
fn logic(app: &mut App) {
    app.insert_resource(PanelState::new())
        .add_systems(Update, (keys::press_keys, close_window).run_if(resource_exists::<Document>))
        .add_systems(
            EguiPrimaryContextPass,
            (collect_notices, draw_panels)
                .chain()
                .run_if(resource_exists::<Document>.and_then(resource_exists::<Settings>)),
        );
}

/// The state of the panels from frame to frame.
#[derive(Resource, Debug)]
struct PanelState {
    open: Open,
    /// Properties, candidate information, loss chart.
    sections: [bool; 3],
    help: bool,
    dialog: Option<Dialog>,
    /// The next action, now that a dialog is done.
    then: Option<Then>,
    /// Whether something lies over everything else, as it was drawn last.
    covered: bool,
    /// Whether the theme is set.
    themed: bool,
    presets: Vec<PresetInfo>,
    loss_chart: LossChart,
    data: DataField,
    notices: Notices,
    /// The brick that the panels have told the others is hovered.
    hovered: Option<NodeId>,
}

impl PanelState {
    fn new() -> Self {
        Self {
            open: Open::default(),
            sections: [true; 3],
            help: false,
            dialog: None,
            then: None,
            covered: false,
            themed: false,
            presets: presets::list(),
            loss_chart: LossChart::default(),
            data: DataField::default(),
            notices: Notices::default(),
            hovered: None,
        }
    }
}

/// Everything that the panels read, and where their wishes go.
#[derive(SystemParam)]
struct Surroundings<'w> {
    document: Res<'w, Document>,
    archive: Res<'w, Archive>,
    history: Res<'w, TrainingHistory>,
    status: Res<'w, JobStatus>,
    focus: ResMut<'w, Focus>,
    settings: ResMut<'w, Settings>,
    insets: Option<ResMut<'w, ViewInsets>>,
    jobs: MessageWriter<'w, JobRequest>,
    documents: MessageWriter<'w, DocumentRequest>,
    exit: MessageWriter<'w, AppExit>,
    redraw: MessageWriter<'w, RequestRedraw>,
}

/// Takes notices into the log, and into the dialog that caused them or on screen.
fn collect_notices(
    mut notices: MessageReader<Notice>,
    mut opened: MessageReader<TemplateOpened>,
    document: Res<Document>,
    time: Res<Time<Real>>,
    mut state: ResMut<PanelState>,
) {
    let state = state.bypass_change_detection();
    let opened = opened.read().count() > 0;
    let new: Vec<_> = notices.read().map(in_sentence_case).collect();
    let errors: Vec<_> = new
        .iter()
        .filter_map(|notice| match notice {
            Notice::Error(text) => Some(text.clone()),
            Notice::Info(_) | Notice::Cautions { .. } => None,
        })
        .collect();
    let settled = dialogs::settle(&mut state.dialog, &document, opened, &errors);
    let taken = settled == Settled::Refused;
    if let Settled::Done(then) = settled {
        state.then = then;
    }
    for notice in &new {
        let toast = !(taken && matches!(notice, Notice::Error(_)));
        state.notices.add(notice, time.elapsed_secs_f64(), toast);
    }
}

/// Closing the window ends the program, unless edits would be lost.
fn close_window(
    mut requests: MessageReader<WindowCloseRequested>,
    document: Res<Document>,
    mut state: ResMut<PanelState>,
    mut exit: MessageWriter<AppExit>,
) {
    if requests.read().count() == 0 {
        return;
    }
    if document.is_dirty() {
        state.dialog = Some(Dialog::Discard { then: Then::Quit });
    } else {
        exit.write(AppExit::Success);
    }
}

/// Good news begins with a capital letter; an error may begin with the name of a file, which stays.
fn in_sentence_case(notice: &Notice) -> Notice {
    let capital = |text: &str| -> String {
        let mut letters = text.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
    };
    match notice {
        Notice::Info(text) => Notice::Info(capital(text)),
        Notice::Cautions { about, texts } => {
            Notice::Cautions { about: *about, texts: texts.iter().map(|t| capital(t)).collect() }
        }
        error @ Notice::Error(_) => error.clone(),
    }
}

fn draw_panels(
    mut contexts: EguiContexts,
    time: Res<Time<Real>>,
    mut state: ResMut<PanelState>,
    mut around: Surroundings,
) -> Result {
    let context = contexts.ctx_mut()?.clone();
    let state = state.bypass_change_detection();
    if !std::mem::replace(&mut state.themed, true) {
        style::apply(&context, around.settings.reduced_motion);
        context.request_discard("the theme's fonts are there in the next pass");
        around.redraw.write(RequestRedraw);
        return Ok(());
    }
    if around.history.is_changed() {
        state.loss_chart.refresh();
    }

    let places = layout::places(context.viewport_rect(), state.open);
    let mut wishes = Wishes::new(&around.settings);
    if let Some(then) = state.then.take() {
        then.wish(&mut wishes);
    }
    let view = View {
        document: &around.document,
        archive: &around.archive,
        history: &around.history,
        status: &around.status,
        focus: &around.focus,
        settings: &around.settings,
    };
    draw_left(&context, places.left, view, state, &mut wishes);
    draw_right(&context, places.right, view, state, &mut wishes);
    draw_bottom(&context, places.bottom, view, state, &mut wishes);
    toasts::show(&context, &mut state.notices, places.free, time.elapsed_secs_f64());
    dialogs::show(&context, view, &mut state.dialog, &mut wishes);
    if state.help && help::show(&context) {
        state.help = false;
    }
    let covered = state.help || state.dialog.is_some();
    if std::mem::replace(&mut state.covered, covered) && !covered {
        // egui would keep the keyboard for a field that is gone, and the next key would be lost.
        context.memory_mut(|memory| memory.stop_text_input());
    }
    // A panel that was folded just now is drawn folded in the next frame.
    let moved = places != layout::places(context.viewport_rect(), state.open);
    if carry_out(wishes, &mut state.hovered, &mut around)
        | uncover(&places, &context, &mut around)
        | moved
    {
        around.redraw.write(RequestRedraw);
    }
    Ok(())
}

/// Tells the camera which part of the window is free; `true` if that is news.
fn uncover(places: &Places, context: &egui::Context, around: &mut Surroundings) -> bool {
    let Some(insets) = &mut around.insets else { return false };
    // Points are logical pixels as long as the user has not enlarged the panels.
    let zoom = context.zoom_factor();
    let window = context.viewport_rect();
    let (left, right) = (places.free.min.x - window.min.x, window.max.x - places.free.max.x);
    let (top, bottom) = (places.free.min.y - window.min.y, window.max.y - places.free.max.y);
    let [left, right, top, bottom] = [left, right, top, bottom].map(|points| points * zoom);
    let is_same =
        [insets.left, insets.right, insets.top, insets.bottom] == [left, right, top, bottom];
    if !is_same {
        (insets.left, insets.right, insets.top, insets.bottom) = (left, right, top, bottom);
    }
    !is_same
}

/// Carries out what the user has asked for; `true` if anything changes by it.
fn carry_out(wishes: Wishes, told: &mut Option<NodeId>, around: &mut Surroundings) -> bool {
    let Wishes { jobs, documents, quit, hovered, selected, choices } = wishes;
    if quit {
        around.exit.write(AppExit::Success);
    }
    let mut changed = !jobs.is_empty() || !documents.is_empty();
    around.jobs.write_batch(jobs);
    around.documents.write_batch(documents);
    if *told != hovered {
        around.focus.hover_brick(FocusView::Panel, hovered.clone());
        *told = hovered;
        changed = true;
    }
    if selected.is_some() && around.focus.selected_brick != selected {
        around.focus.selected_brick = selected;
        changed = true;
    }
    if choices != Choices::of(&around.settings) {
        choices.put(&mut around.settings);
        changed = true;
    }
    changed
}

/// A panel in its rectangle. It is an area of its own, which is how egui knows that a pointer over it is
/// not meant for the world.
fn panel<R>(
    context: &egui::Context,
    name: &str,
    rect: Rect,
    margin: Margin,
    add: impl FnOnce(&mut Ui) -> R,
) -> R {
    Area::new(Id::new(name))
        .order(Order::Middle)
        .fixed_pos(rect.min)
        .default_size(rect.size())
        .constrain(false)
        .movable(false)
        .fade_in(false)
        .show(context, |ui| {
            ui.set_clip_rect(rect);
            ui.painter().rect_filled(rect, 0.0, style::panel());
            let edge = egui::Stroke::new(1.0, style::EDGE);
            ui.painter().rect_stroke(rect, 0.0, edge, egui::StrokeKind::Inside);
            ui.expand_to_include_rect(rect);
            let inside = rect - margin;
            let mut content = ui.new_child(
                UiBuilder::new().max_rect(inside).layout(Layout::top_down(egui::Align::Min)),
            );
            content.set_clip_rect(inside.expand(2.0).intersect(rect));
            add(&mut content)
        })
        .inner
}

/// A folded side panel: a strip with the button that opens it; `true` when that is pressed.
fn strip(
    context: &egui::Context,
    name: &str,
    rect: Rect,
    arrow: Arrow,
    what: &str,
    key: &str,
) -> bool {
    panel(context, name, rect, STRIP_MARGIN, |ui| widgets::fold_button(ui, arrow, what, key))
}

const MARGIN: Margin = Margin { left: 12, right: 12, top: 8, bottom: 8 };
const STRIP_MARGIN: Margin = Margin::same(2);

fn draw_left(
    context: &egui::Context,
    rect: Rect,
    view: View<'_>,
    state: &mut PanelState,
    wishes: &mut Wishes,
) {
    if !state.open.left {
        state.open.left = strip(context, "left", rect, Arrow::Right, "Show the templates", "F2");
        return;
    }
    panel(context, "left", rect, MARGIN, |ui| {
        if presets::show(ui, view, &state.presets, &mut state.dialog, wishes) {
            state.open.left = false;
        }
    });
}

fn draw_right(
    context: &egui::Context,
    rect: Rect,
    view: View<'_>,
    state: &mut PanelState,
    wishes: &mut Wishes,
) {
    if !state.open.right {
        let what = "Show properties and charts";
        state.open.right = strip(context, "right", rect, Arrow::Left, what, "F3");
        return;
    }
    panel(context, "right", rect, MARGIN, |ui| {
        let headers = 3.0 * (widgets::HEADER + 2.0 * ui.spacing().item_spacing.y);
        let no_loss = view.is_untrained();
        let heights =
            layout::section_heights(ui.available_height() - headers, state.sections, no_loss);
        let [properties, information, loss] = heights;
        let [show_properties, show_information, show_loss] = &mut state.sections;
        let mut fold = false;
        widgets::section_header(ui, "Properties", show_properties, 24.0, |ui| {
            fold = widgets::fold_button(ui, Arrow::Right, "Fold this panel", "F3");
        });
        if *show_properties {
            properties::show(ui, view, properties, wishes);
        }
        widgets::section_header(ui, "Candidate information", show_information, 0.0, |_| {});
        if *show_information {
            section(ui, information, |ui| candidate_info::show(ui, view, information, wishes));
        }
        let room = if *show_loss && !no_loss { 184.0 } else { 0.0 };
        widgets::section_header(ui, "Loss chart", show_loss, room, |ui| {
            if room > 0.0 {
                state.loss_chart.controls(ui);
            }
        });
        if *show_loss {
            section(ui, loss, |ui| state.loss_chart.show(ui, view, loss));
        }
        state.open.right = !fold;
    });
}

/// The content of a section that is always as high as its place.
fn section(ui: &mut Ui, height: f32, add: impl FnOnce(&mut Ui)) {
    let size = egui::vec2(ui.available_width(), height);
    ui.allocate_ui_with_layout(size, Layout::top_down(egui::Align::Min), |ui| {
        ui.set_min_size(size);
        add(ui);
    });
}

fn draw_bottom(
    context: &egui::Context,
    rect: Rect,
    view: View<'_>,
    state: &mut PanelState,
    wishes: &mut Wishes,
) {
    let is_open = state.open.bottom;
    let margin = if is_open { MARGIN } else { Margin::symmetric(12, 0) };
    panel(context, "bottom", rect, margin, |ui| {
        if state.open.log {
            Frame::new().show(ui, |ui| {
                log::show(ui, &mut state.notices, layout::LOG_HEIGHT - 2.0 * style::GAP);
            });
            ui.separator();
        }
        if !is_open {
            ui.horizontal(|ui| {
                state.open.bottom =
                    widgets::fold_button(ui, Arrow::Up, "Show the controls of the jobs", "F4");
                state.open.log ^= status::show(ui, view, &state.notices, state.open.log);
            });
            return;
        }
        ui.horizontal(|ui| {
            ring::show(ui, view);
            ui.add_space(style::GAP);
            ui.vertical(|ui| {
                ui.add_space(4.0);
                ui.horizontal(|ui| {
                    controls::buttons(ui, view, wishes);
                    ui.add_space(style::GAP);
                    controls::fields(ui, view, &mut state.data, &mut state.dialog, wishes);
                    if controls::training(ui, view, &wishes.choices) {
                        state.dialog = Some(Dialog::Training);
                    }
                    ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
                        state.open.bottom =
                            !widgets::fold_button(ui, Arrow::Down, "Fold this bar", "F4");
                        let help = widgets::button(
                            ui,
                            "Help",
                            "All keys and gestures",
                            "F1",
                            Ok(()),
                            false,
                        );
                        state.help |= help.clicked();
                    });
                });
                ui.add_space(style::GAP);
                ui.horizontal(|ui| {
                    state.open.log ^= status::show(ui, view, &state.notices, state.open.log);
                });
            });
        });
    });
}
