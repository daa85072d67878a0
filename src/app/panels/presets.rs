//! The left panel: templates that come with the program, files, undo, and what the colours mean.

use super::{
    controls::{self, BUSY},
    dialogs::{Dialog, Then},
    style,
    view::{View, Wishes},
    widgets::{self, Arrow},
};
use crate::format::counted;
use crate::{
    app::document::DocumentRequest,
    engine::{
        ops::Family,
        template::{Node, presets},
    },
};
use bevy_egui::egui::{Align, Button, Label, Layout, RichText, ScrollArea, TextStyle, Ui};
use std::collections::HashSet;

/// The text about a preset in the list.
#[derive(Clone, Debug)]
pub(super) struct PresetInfo {
    name: &'static str,
    about: String,
    nodes: usize,
    links: usize,
}

/// All presets, read once.
pub(super) fn list() -> Vec<PresetInfo> {
    presets()
        .iter()
        .filter_map(|preset| {
            let template = preset.template().ok()?;
            Some(PresetInfo {
                name: preset.name,
                nodes: template.network.nodes.len(),
                links: template.network.links.len(),
                about: template.about,
            })
        })
        .collect()
}

/// Draws the panel; `true` when the user folds it.
pub(super) fn show(
    ui: &mut Ui,
    view: View<'_>,
    list: &[PresetInfo],
    dialog: &mut Option<Dialog>,
    wishes: &mut Wishes,
) -> bool {
    let fold = ui
        .horizontal(|ui| {
            ui.heading("Templates");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                widgets::fold_button(ui, Arrow::Left, "Fold this panel", "F2")
            })
            .inner
        })
        .inner;
    ui.add_space(4.0);
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        let idle = controls::possible(view).open;
        for preset in list {
            preset_row(ui, view, preset, idle, dialog, wishes);
        }
        open_file(ui, view);
        ui.add_space(style::GAP);
        files(ui, view, idle, dialog, wishes);
        widgets::separator(ui);
        legend(ui, view);
    });
    fold
}

fn preset_row(
    ui: &mut Ui,
    view: View<'_>,
    preset: &PresetInfo,
    idle: Result<(), &'static str>,
    dialog: &mut Option<Dialog>,
    wishes: &mut Wishes,
) {
    let is_open = is_open(view, preset.name);
    let counts = format!("{} · {}", preset.nodes, preset.links);
    let button = Button::selectable(is_open, preset.name).right_text(widgets::secondary(counts));
    let size = [ui.available_width(), ui.spacing().interact_size.y];
    let response = ui.add_enabled_ui(idle.is_ok(), |ui| ui.add_sized(size, button)).inner;
    let about = format!(
        "{}\n{}, {}",
        preset.about,
        counted(preset.nodes, "node", "nodes"),
        counted(preset.links, "link", "links"),
    );
    let is_used = view.status.run.is_some() || view.document.is_dirty();
    let tip = match (is_open, is_used) {
        (false, _) => about.clone(),
        (true, false) => format!("{about}\nThis one is open"),
        (true, true) => {
            format!("{about}\nThis one is open; a click begins again, its run stays on disk")
        }
    };
    let response =
        response.on_hover_text(tip).on_disabled_hover_text(format!("{about}\nNot now: {BUSY}"));
    if response.clicked() && (!is_open || is_used) {
        ask(view, DocumentRequest::OpenPreset(preset.name.to_owned()), dialog, wishes);
    }
}

/// Whether the template on the plate is this preset, edited or not.
fn is_open(view: View<'_>, name: &str) -> bool {
    let document = view.document;
    let is_preset = document.path().is_none()
        && document.run().is_none()
        && document.table().is_none()
        && document.lab().is_none();
    is_preset && document.template().name == name
}

/// The name of the open file or lab, or that the open preset has edits.
fn open_file(ui: &mut Ui, view: View<'_>) {
    let edited = view.document.is_dirty();
    let (text, tip) = match (view.document.path(), view.document.lab()) {
        (_, Some(lab)) => (
            format!("Lab: {}", lab.options.address),
            "The template and its results are those of a lab that another program serves"
                .to_owned(),
        ),
        (Some(path), None) => {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            (format!("File: {name}"), path.display().to_string())
        }
        (None, None) if edited => {
            ("Not saved yet".to_owned(), "The template has edits that are in no file".to_owned())
        }
        (None, None) => return,
    };
    let text = if edited { format!("{text} · edited") } else { text };
    ui.add(Label::new(RichText::new(text).color(style::secondary())).truncate()).on_hover_text(tip);
}

fn files(
    ui: &mut Ui,
    view: View<'_>,
    idle: Result<(), &'static str>,
    dialog: &mut Option<Dialog>,
    wishes: &mut Wishes,
) {
    ui.spacing_mut().button_padding.x = 6.0;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        if widgets::button(
            ui,
            "Open file…",
            "Put a template from a file on the plate",
            "Ctrl+O",
            idle,
            false,
        )
        .clicked()
        {
            *dialog = Some(Dialog::open(view));
        }
        if widgets::button(
            ui,
            "Open run…",
            "Show what a run has found out, and go on with it",
            "Ctrl+Shift+O",
            idle,
            false,
        )
        .clicked()
        {
            *dialog = Some(Dialog::open_run(view));
        }
    });
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        if widgets::button(ui, "Save", "Write the template to its file", "Ctrl+S", Ok(()), false)
            .clicked()
        {
            if view.document.path().is_some() {
                wishes.documents.push(DocumentRequest::Save);
            } else {
                *dialog = Some(Dialog::save_as(view));
            }
        }
        if widgets::button(
            ui,
            "Save as…",
            "Write the template to another file",
            "Ctrl+Shift+S",
            Ok(()),
            false,
        )
        .clicked()
        {
            *dialog = Some(Dialog::save_as(view));
        }
    });
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let can = view.document.can_undo().then_some(()).ok_or("no edit to take back");
        if widgets::button(ui, "Undo", "Take the last edit back", "Ctrl+Z", can, false).clicked() {
            wishes.documents.push(DocumentRequest::Undo);
        }
        let can = view.document.can_redo().then_some(()).ok_or("no edit was taken back");
        if widgets::button(ui, "Redo", "Do the edit again", "Ctrl+Shift+Z", can, false).clicked() {
            wishes.documents.push(DocumentRequest::Redo);
        }
    });
}

/// Asks the document to open something, after a question when edits would be lost.
pub(super) fn ask(
    view: View<'_>,
    request: DocumentRequest,
    dialog: &mut Option<Dialog>,
    wishes: &mut Wishes,
) {
    if view.document.is_dirty() {
        *dialog = Some(Dialog::Discard { then: Then::Open(request) });
    } else {
        wishes.documents.push(request);
    }
}

/// The families of the bricks on the plate, as many in a row as fit, so that they are seen without scrolling.
fn legend(ui: &mut Ui, view: View<'_>) {
    let nodes = &view.document.template().network.nodes;
    let there: HashSet<_> = nodes.iter().map(Node::family).collect();
    if there.is_empty() {
        return;
    }
    ui.label(style::strong("Brick colours"));
    let font = TextStyle::Body.resolve(ui.style());
    let gap = ui.spacing().item_spacing.x;
    let (mut rows, mut free) = (Vec::<Vec<Family>>::new(), 0.0);
    for family in Family::ALL.into_iter().filter(|family| there.contains(family)) {
        let name = family.name().to_owned();
        let text = ui.painter().layout_no_wrap(name, font.clone(), style::text()).size().x;
        let width = widgets::MARKER + text + 2.0 * gap;
        match rows.last_mut() {
            Some(row) if width <= free => row.push(family),
            _ => {
                rows.push(vec![family]);
                free = ui.available_width();
            }
        }
        free -= width;
    }
    for row in rows {
        ui.horizontal(|ui| {
            for family in row {
                widgets::marker(ui, style::family_shape(family), style::family(family));
                ui.label(family.name());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_listed_with_its_size_and_purpose() {
        let list = list();
        assert_eq!(list.len(), presets().len());
        assert!(
            list.iter()
                .all(|preset| preset.nodes > 2 && preset.links > 1 && !preset.about.is_empty())
        );
    }

    #[test]
    fn the_families_of_the_legend_have_colours_shapes_and_names_of_their_own() {
        for (i, &a) in Family::ALL.iter().enumerate() {
            for &b in &Family::ALL[i + 1..] {
                assert_ne!(style::family(a), style::family(b));
                assert_ne!(style::family_shape(a), style::family_shape(b));
                assert_ne!(a.name(), b.name());
            }
        }
    }
}
