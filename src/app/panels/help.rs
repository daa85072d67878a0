//! The overlay that lists every key and gesture.

use super::{keys, style, widgets};
use bevy_egui::egui::{Context, Grid, Id, Modal, ScrollArea, Ui};

/// What the views of the world answer to.
const WORLD: &[(&str, &str)] = &[
    ("Drag the background", "turn the view; with the right button, move it"),
    ("Wheel", "come nearer or go away"),
    ("1, 2, 3, 4", "look at the plate, the cloud, both, or from above"),
    ("Point at a brick or dot", "light up what belongs to it"),
    ("Click a brick", "select it and show its properties"),
    ("Drag a brick", "move it on the plate"),
    ("Tab, arrow keys", "walk from brick to brick"),
    ("Click a point", "keep its candidate selected"),
    ("[ and ]", "go to the next worse, the next better candidate"),
    ("B", "go to the best candidate"),
];

/// Draws the overlay; `true` when it is to be closed.
pub(super) fn show(context: &Context) -> bool {
    let room = context.content_rect().size();
    let response = Modal::new(Id::new("help")).show(context, |ui| {
        ui.set_max_width((room.x - 64.0).min(760.0));
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
        widgets::button(ui, "Close", "Close the help", "Escape", Ok(()), false)
    });
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
