//! The few controls that several panels share.

use super::style;
use bevy_egui::egui::{
    self, Align, Button, Color32, Label, Layout, Painter, Pos2, Response, RichText, Sense, Shape,
    Stroke, Ui, UiBuilder, Vec2, WidgetInfo, WidgetType, pos2, vec2,
};
use egui_plot::MarkerShape;

/// Secondary text.
pub(super) fn secondary(text: impl Into<String>) -> RichText {
    RichText::new(text).color(style::secondary())
}

/// A tooltip: what a control does and the key that does the same.
pub(super) fn tip(what: &str, key: &str) -> String {
    if key.is_empty() { what.to_owned() } else { format!("{what} ({key})") }
}

/// A button. When it cannot be used now, `state` says why, and so does its tooltip.
pub(super) fn button(
    ui: &mut Ui,
    label: &str,
    what: &str,
    key: &str,
    state: Result<(), &'static str>,
    main: bool,
) -> Response {
    let button = if main {
        Button::new(style::strong(label).color(style::ON_ACCENT))
            .fill(style::paint(crate::app::theme::ACCENT))
    } else {
        Button::new(label)
    };
    let response = ui.add_enabled(state.is_ok(), button.min_size(vec2(40.0, 28.0)));
    let tip = tip(what, key);
    match state {
        Ok(()) => response.on_hover_text(tip),
        Err(why) => response.on_disabled_hover_text(format!("{tip}\nNot now: {why}")),
    }
}

/// A name on the left and its value on the right, cut with a tooltip where there is no room.
pub(super) fn row(ui: &mut Ui, name: &str, value: impl Into<String>) -> Response {
    ui.spacing_mut().interact_size.y = 18.0;
    ui.horizontal(|ui| {
        ui.label(secondary(name));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add(Label::new(RichText::new(value)).truncate())
        })
        .inner
    })
    .inner
}

/// The text that stands where there is nothing yet.
pub(super) fn empty_state(ui: &mut Ui, text: &str) {
    ui.add(Label::new(secondary(text)).wrap());
}

/// The way an arrow points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrow {
    Left,
    Right,
    Up,
    Down,
}

fn paint_arrow(painter: &Painter, center: Pos2, radius: f32, arrow: Arrow, color: Color32) {
    let turn = |x: f32, y: f32| {
        let (x, y) = match arrow {
            Arrow::Right => (x, y),
            Arrow::Left => (-x, y),
            Arrow::Down => (y, x),
            Arrow::Up => (y, -x),
        };
        center + radius * vec2(x, y)
    };
    let points = vec![turn(0.6, 0.0), turn(-0.5, 0.8), turn(-0.5, -0.8)];
    painter.add(Shape::convex_polygon(points, color, Stroke::NONE));
}

/// A small button with an arrow, which folds a panel or opens it.
pub(super) fn fold_button(ui: &mut Ui, arrow: Arrow, what: &str, key: &str) -> bool {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(20.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Button, true, what));
    let visuals = ui.style().interact(&response);
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, visuals.corner_radius, visuals.weak_bg_fill);
    }
    paint_arrow(ui.painter(), rect.center(), 5.0, arrow, style::secondary());
    response.on_hover_text(tip(what, key)).clicked()
}

/// Height of a section's header.
pub(super) const HEADER: f32 = 28.0;

/// The header of a folding section; `right` adds what stands in the last `free` points of its line.
pub(super) fn section_header(
    ui: &mut Ui,
    title: &str,
    open: &mut bool,
    free: f32,
    right: impl FnOnce(&mut Ui),
) {
    let (line, _) = ui.allocate_exact_size(vec2(ui.available_width(), HEADER), Sense::hover());
    let (rect, rest) = line.split_left_right_at_x(line.max.x - free);
    let response = ui.interact(rect, ui.id().with(title), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::CollapsingHeader, true, title));
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, 4.0, ui.visuals().widgets.hovered.weak_bg_fill);
    }
    let arrow = if *open { Arrow::Down } else { Arrow::Right };
    paint_arrow(
        ui.painter(),
        pos2(rect.min.x + 8.0, rect.center().y),
        4.0,
        arrow,
        style::secondary(),
    );
    ui.painter().text(
        pos2(rect.min.x + 20.0, rect.center().y),
        egui::Align2::LEFT_CENTER,
        title,
        egui::FontId::new(13.0, style::strong_family()),
        style::text(),
    );
    if response
        .on_hover_text(if *open { "Fold this section" } else { "Open this section" })
        .clicked()
    {
        *open = !*open;
    }
    let layout = Layout::right_to_left(Align::Center);
    right(
        &mut ui.new_child(UiBuilder::new().id_salt((title, "right")).max_rect(rest).layout(layout)),
    );
}

/// A line between two groups, quiet and with air around it.
pub(super) fn separator(ui: &mut Ui) {
    ui.add_space(4.0);
    ui.separator();
    ui.add_space(4.0);
}

/// Paints the marker that stands for a family in charts, so that legends show the same.
pub(super) fn paint_marker(
    painter: &Painter,
    center: Pos2,
    radius: f32,
    shape: MarkerShape,
    color: Color32,
) {
    let at = |x: f32, y: f32| center + radius * vec2(x, y);
    let corner = std::f32::consts::FRAC_1_SQRT_2;
    let filled = |points: Vec<Pos2>| Shape::convex_polygon(points, color, Stroke::NONE);
    let stroke = Stroke::new(1.5, color);
    match shape {
        MarkerShape::Square => {
            let c = corner;
            painter.add(filled(vec![at(-c, -c), at(c, -c), at(c, c), at(-c, c)]));
        }
        MarkerShape::Diamond => {
            painter.add(filled(vec![at(0.0, -1.0), at(1.0, 0.0), at(0.0, 1.0), at(-1.0, 0.0)]));
        }
        MarkerShape::Up | MarkerShape::Down | MarkerShape::Left | MarkerShape::Right => {
            let x = 0.75_f32.sqrt();
            // The corners of the one that points up, turned.
            let turned = |x: f32, y: f32| match shape {
                MarkerShape::Down => at(-x, -y),
                MarkerShape::Left => at(y, -x),
                MarkerShape::Right => at(-y, x),
                _ => at(x, y),
            };
            painter.add(filled(vec![turned(0.0, -1.0), turned(x, 0.5), turned(-x, 0.5)]));
        }
        MarkerShape::Plus => {
            painter.line_segment([at(-1.0, 0.0), at(1.0, 0.0)], stroke);
            painter.line_segment([at(0.0, -1.0), at(0.0, 1.0)], stroke);
        }
        MarkerShape::Cross => {
            let c = corner;
            painter.line_segment([at(-c, -c), at(c, c)], stroke);
            painter.line_segment([at(c, -c), at(-c, c)], stroke);
        }
        _ => {
            painter.circle_filled(center, radius, color);
        }
    }
}

/// The width of a [`marker`].
pub(super) const MARKER: f32 = 16.0;

/// A marker in the flow of a line.
pub(super) fn marker(ui: &mut Ui, shape: MarkerShape, color: Color32) {
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(MARKER), Sense::hover());
    paint_marker(ui.painter(), rect.center(), 5.0, shape, color);
}
