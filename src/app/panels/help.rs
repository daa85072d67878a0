//! The overlay that lists every key and gesture.

use super::{keys, style, widgets};
use bevy_egui::egui::{Context, Frame, Grid, Id, Modal, ScrollArea, Ui};

/// The gestures and keys of the views of the world.
const WORLD: &[(&str, &str)] = &[
    ("Drag the background", "Turn the view; with Shift, the right or the middle button, move it"),
    ("Wheel, pinch", "Come nearer or go away"),
    ("1, 2, 3, 4", "Look at the plate, the cloud, both, or from above"),
    ("Point at a point", "Light up its links and dim the other bricks"),
    ("Point at a brick", "Light up its links and fade the points that lack it"),
    ("Click a brick", "Select it and show its properties"),
    ("Drag a brick", "Move it on the plate; Escape puts it back"),
    ("Tab, Shift+Tab", "Select the next brick, the one before"),
    ("Arrow keys", "Move the selected brick"),
    ("Escape", "Let the brick and the candidate go"),
    ("Click a point", "Select its candidate"),
    ("[ and ]", "Go to the next worse, the next better candidate"),
    ("B", "Go to the best candidate"),
    ("F6", "Go into the panels with Tab and Space; Escape leaves"),
    ("Drag the loss chart", "Move it; zoom with Ctrl and the wheel, double-click to show all"),
    ("Ctrl and +, -, 0", "Make the panels larger, smaller, or as they were"),
];

/// Draws the overlay; `true` when the user closes it.
pub(super) fn show(context: &Context) -> bool {
    let room = context.content_rect().size();
    let response = Modal::new(Id::new("help")).frame(Frame::window(&context.global_style())).show(
        context,
        |ui| {
            ui.set_max_width(room.x - 96.0);
            ui.heading("Keys and gestures");
            ui.add_space(style::GAP);
            ScrollArea::vertical().max_height((room.y - 160.0).max(120.0)).show(ui, |ui| {
                ui.horizontal_top(|ui| {
                    ui.vertical(|ui| table(ui, "Jobs, files and panels", keys::KEYS));
                    ui.add_space(3.0 * style::GAP);
                    ui.vertical(|ui| table(ui, "Bricks, points and view", WORLD));
                });
            });
            ui.add_space(style::GAP);
            let close = widgets::button(ui, "Close", "Close the help", "Escape", Ok(()), false);
            // As long as a widget has the keyboard focus, keys do nothing to the world behind.
            if ui.memory(|memory| memory.focused().is_none()) {
                close.request_focus();
            }
            close.clicked()
        },
    );
    response.inner || response.should_close()
}

fn table(ui: &mut Ui, title: &str, rows: &[(&str, &str)]) {
    ui.label(style::strong(title));
    Grid::new(title).num_columns(2).spacing([2.0 * style::GAP, 4.0]).show(ui, |ui| {
        for (keys, what) in rows {
            ui.label(*keys);
            ui.label(widgets::secondary(*what));
            ui.end_row();
        }
    });
}
