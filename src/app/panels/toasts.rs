//! Short notices over the world: good news leaves by itself, errors stay until they are closed, cautions
//! also leave when they no longer hold.

use super::{
    log::{Kind, Notices},
    style, widgets,
};
use crate::app::theme;
use bevy_egui::egui::{
    Align2, Area, Color32, Context, FontId, Frame, Id, Label, Layout, Order, Rect, RichText,
    ScrollArea, Sense, Stroke, Ui, Vec2, vec2,
};
use std::time::Duration;

/// How long good news stays.
const STAY_SECS: f64 = 6.0;
/// How many toasts are on screen at once; more wait in the log.
const MOST: usize = 4;
const WIDTH: f32 = 320.0;

/// Draws the toasts in the upper left corner of `free`, where neither bricks nor legends are. `now_secs` counts from the start of the program.
pub(super) fn show(context: &Context, notices: &mut Notices, free: Rect, now_secs: f64) {
    let left = |at_secs: f64| at_secs + STAY_SECS - now_secs;
    let entries = std::mem::take(&mut notices.toasts);
    notices.toasts = entries
        .into_iter()
        .filter(|&number| {
            notices
                .get(number)
                .is_some_and(|entry| entry.kind != Kind::Info || left(entry.at_secs) > 0.0)
        })
        .collect();
    let first = notices.toasts.len().saturating_sub(MOST);
    if notices.toasts.is_empty() {
        return;
    }

    let width = WIDTH.min(free.width() - 2.0 * style::GAP).max(120.0);
    let mut closed = None;
    Area::new(Id::new("toasts"))
        .order(Order::Foreground)
        .pivot(Align2::LEFT_TOP)
        .fixed_pos(free.left_top() + Vec2::splat(style::GAP))
        .constrain(false)
        .show(context, |ui| {
            ui.set_width(width);
            if first > 0 {
                ui.label(widgets::secondary(format!("{first} more in the log (L)")));
            }
            for &number in &notices.toasts[first..] {
                let Some(entry) = notices.get(number) else { continue };
                if toast(ui, number, entry.kind, &entry.text) {
                    closed = Some(number);
                }
            }
        });
    if let Some(number) = closed {
        notices.toasts.retain(|&other| other != number);
    }
    // Nothing else might wake the window when a toast is due.
    let next = notices.toasts.iter().filter_map(|&number| notices.get(number));
    let next = next
        .filter(|entry| entry.kind == Kind::Info)
        .map(|entry| left(entry.at_secs))
        .reduce(f64::min);
    if let Some(secs) = next {
        context.request_repaint_after(Duration::from_secs_f64(secs.max(0.01)));
    }
}

/// One toast; `true` when it is closed.
fn toast(ui: &mut Ui, number: u64, kind: Kind, text: &str) -> bool {
    let outline = if kind == Kind::Error {
        style::paint(theme::ERROR)
    } else {
        ui.visuals().window_stroke.color
    };
    let frame = Frame::new()
        .fill(style::paint(theme::PANEL))
        .stroke(Stroke::new(1.0, outline))
        .corner_radius(6)
        .inner_margin(style::GAP);
    frame
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.with_layout(Layout::right_to_left(bevy_egui::egui::Align::Min), |ui| {
                let closed = close_button(ui);
                ui.with_layout(Layout::left_to_right(bevy_egui::egui::Align::Min), |ui| {
                    sign(ui, kind);
                    let scroll = ScrollArea::vertical()
                        .id_salt(number)
                        .max_height(160.0)
                        .auto_shrink([false, true]);
                    scroll.show(ui, |ui| ui.add(Label::new(RichText::new(text)).wrap()));
                });
                closed
            })
            .inner
        })
        .inner
}

/// A disc with an exclamation mark or an i, so that an error is not told by its colour alone.
fn sign(ui: &mut Ui, kind: Kind) {
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(18.0), Sense::hover());
    let (fill, ink, letter) = match kind {
        Kind::Error => (style::paint(theme::ERROR), Color32::WHITE, "!"),
        Kind::Caution(_) => (style::text(), style::paint(theme::PANEL), "!"),
        Kind::Info => (style::TRACK, style::text(), "i"),
    };
    ui.painter().circle_filled(rect.center(), 8.0, fill);
    ui.painter().text(
        rect.center(),
        Align2::CENTER_CENTER,
        letter,
        FontId::proportional(12.0),
        ink,
    );
}

fn close_button(ui: &mut Ui) -> bool {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(18.0), Sense::click());
    let color = if response.hovered() { style::text() } else { style::secondary() };
    let arm = vec2(4.0, 4.0);
    let center = rect.center();
    ui.painter().line_segment([center - arm, center + arm], Stroke::new(1.5, color));
    let arm = vec2(4.0, -4.0);
    ui.painter().line_segment([center - arm, center + arm], Stroke::new(1.5, color));
    response.on_hover_text("Close").clicked()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app::document::Notice, engine::report::Topic};
    use bevy_egui::egui::{Pos2, RawInput};

    #[test]
    fn good_news_leaves_by_itself_and_errors_stay() {
        let mut notices = Notices::default();
        notices.add(&Notice::Info("Saved".to_owned()), 0.0, true);
        notices.add(&Notice::Error("No disk".to_owned()), 0.0, true);
        let few = Notice::Cautions { about: Topic::Results, texts: vec!["Few rows".to_owned()] };
        notices.add(&few, 0.0, true);
        notices.add(&few, 0.5, true);
        let context = Context::default();
        let free = Rect::from_min_size(Pos2::ZERO, Vec2::new(700.0, 600.0));
        let mut at = |now_secs| {
            let output = context
                .run_ui(RawInput::default(), |ui| show(ui.ctx(), &mut notices, free, now_secs));
            output.drop_without_applying_deltas();
            notices.toasts.len()
        };
        assert_eq!([at(1.0), at(STAY_SECS + 0.1)], [3, 2]);
    }
}
