//! The iteration ring: it fills while a job runs, with the number of finished iterations in its middle.

use super::{style, view::View};
use bevy_egui::egui::{
    Align2, Color32, FontFamily, FontId, Pos2, Response, Sense, Shape, Stroke, TextStyle, Ui, pos2,
    vec2,
};
use std::f32::consts::TAU;

const SIZE: f32 = 60.0;
const THICKNESS: f32 = 5.0;

/// Draws the ring and its label.
pub(super) fn show(ui: &mut Ui, view: View<'_>) -> Response {
    let label = TextStyle::Small.resolve(ui.style());
    let (rect, response) = ui.allocate_exact_size(vec2(72.0, SIZE + 18.0), Sense::hover());
    let painter = ui.painter();
    let center = pos2(rect.center().x, rect.min.y + SIZE / 2.0);
    let radius = (SIZE - THICKNESS) / 2.0;
    painter.circle_stroke(center, radius, Stroke::new(THICKNESS, style::TRACK));
    let share = view.status.progress.map_or(0.0, |progress| share(progress.done, progress.total));
    if view.status.running.is_some() && share > 0.0 {
        painter.add(arc(center, radius, share, style::text()));
    }
    let finished = view.archive.iterations().len();
    // Four digits still fit inside the ring.
    let size = if finished < 1000 { 20.0 } else { 16.0 };
    let font = FontId::new(size, FontFamily::Proportional);
    painter.text(center, Align2::CENTER_CENTER, finished.to_string(), font, style::text());
    painter.text(
        pos2(center.x, rect.max.y),
        Align2::CENTER_BOTTOM,
        "iteration",
        label,
        style::secondary(),
    );
    let counted = crate::format::counted(finished, "iteration is", "iterations are");
    response.on_hover_text(format!("{counted} finished; the ring fills while a job runs"))
}

/// How much is done, in `0..=1`; 0 when there is nothing to do.
fn share(done: u64, total: u64) -> f32 {
    if total == 0 { 0.0 } else { (done as f64 / total as f64).min(1.0) as f32 }
}

/// A part of a circle that starts at the top and goes clockwise.
fn arc(center: Pos2, radius: f32, share: f32, color: Color32) -> Shape {
    let pieces = (64.0 * share).ceil().max(1.0) as usize;
    let points = (0..=pieces)
        .map(|piece| {
            let angle = TAU * (share * piece as f32 / pieces as f32 - 0.25);
            center + radius * vec2(angle.cos(), angle.sin())
        })
        .collect();
    Shape::line(points, Stroke::new(THICKNESS, color))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_empty_without_work_and_never_more_than_full() {
        assert_eq!([share(0, 0), share(1, 4), share(5, 4)], [0.0, 0.25, 1.0]);
    }

    #[test]
    fn a_quarter_goes_from_the_top_to_the_right() {
        let Shape::Path(path) = arc(Pos2::ZERO, 1.0, 0.25, Color32::WHITE) else {
            panic!("not a path")
        };
        let ends = [path.points[0], path.points[path.points.len() - 1]];
        for (end, wanted) in ends.into_iter().zip([pos2(0.0, -1.0), pos2(1.0, 0.0)]) {
            assert!(end.distance(wanted) < 1e-5, "{end:?}");
        }
    }
}
