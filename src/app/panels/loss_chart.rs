//! The section that shows how training goes: the loss of every step, raw and smoothed, and of every epoch.

use super::{
    format,
    series::{Point, segments, smooth, thin},
    style,
    view::View,
    widgets,
};
use crate::app::document::TrainingHistory;
use bevy_egui::egui::{Color32, DragValue, Layout, Ui, Vec2b};
use egui_plot::{Corner, HoverPosition, Legend, Line, MarkerShape, Plot, PlotPoint, PlotPoints, Points};

/// More points than this are thinned; a chart 300 points wide shows no more.
const MOST_POINTS: usize = 2000;

/// The chart's own choices, and its curves as long as nothing changes.
#[derive(Debug)]
pub(super) struct LossChart {
    /// The share of the old average that each step keeps.
    keep: f64,
    /// Whether the loss is on a logarithmic scale.
    log: bool,
    stale: bool,
    curves: Curves,
}

impl Default for LossChart {
    fn default() -> Self {
        Self { keep: 0.9, log: false, stale: true, curves: Curves::default() }
    }
}

/// The curves in the chart's coordinates, each split where a value is not a number.
#[derive(Debug, Default)]
struct Curves {
    raw: Vec<Vec<PlotPoint>>,
    smooth: Vec<Vec<PlotPoint>>,
    train: Vec<Vec<PlotPoint>>,
    validation: Vec<Vec<PlotPoint>>,
    /// Where a value is not a number, at the height of the last one that is.
    broken: Vec<PlotPoint>,
}

impl Curves {
    fn of(history: &TrainingHistory, keep: f64, log: bool) -> Self {
        let scale = |(x, y): Point| (x, if log { y.log10() } else { y });
        let plot = |points: &[Point]| -> Vec<Vec<PlotPoint>> {
            let scaled: Vec<_> = points.iter().copied().map(scale).collect();
            segments(&scaled)
                .iter()
                .map(|segment| thin(segment, MOST_POINTS).iter().map(|&(x, y)| PlotPoint::new(x, y)).collect())
                .collect()
        };
        let steps: Vec<Point> = history.steps.iter().map(|&(step, loss)| (step as f64, loss)).collect();
        let epochs = |loss: fn(&crate::engine::report::EpochReport) -> f64| -> Vec<Point> {
            history.epochs.iter().map(|(step, epoch)| (*step as f64, loss(epoch))).collect()
        };
        let (train, validation) = (epochs(|epoch| epoch.train_loss), epochs(|epoch| epoch.val_loss));
        let broken = [&steps, &train, &validation].into_iter().flat_map(|points| broken(points));
        Self {
            raw: plot(&steps),
            smooth: plot(&smooth(&steps, keep)),
            train: plot(&train),
            validation: plot(&validation),
            broken: broken.map(scale).map(|(x, y)| PlotPoint::new(x, y)).collect(),
        }
    }
}

/// The places where a value is not a number, each at the height of the last value that is one.
fn broken(points: &[Point]) -> Vec<Point> {
    let first = points.iter().map(|point| point.1).find(|y| y.is_finite()).unwrap_or(1.0);
    let mut last = first;
    let mut places = Vec::new();
    for &(x, y) in points {
        if y.is_finite() {
            last = y;
        } else {
            places.push((x, last));
        }
    }
    places
}

impl LossChart {
    /// Tells that the history has changed.
    pub(super) fn refresh(&mut self) {
        self.stale = true;
    }

    /// Draws the section's content, `height` points high.
    pub(super) fn show(&mut self, ui: &mut Ui, view: View<'_>, height: f32) {
        if view.is_untrained() {
            widgets::empty_state(ui, "Train the template to see its loss");
            return;
        }
        self.controls(ui);
        if std::mem::take(&mut self.stale) {
            self.curves = Curves::of(view.history, self.keep, self.log);
        }
        let row = ui.spacing().interact_size.y + ui.spacing().item_spacing.y;
        let (curves, log) = (&self.curves, self.log);
        let value = move |y: f64| if log { 10.0_f64.powf(y) } else { y };
        Plot::new("loss")
            .height((height - row).max(64.0))
            .x_axis_label("step")
            .y_axis_label("cross entropy")
            .legend(Legend::default().position(Corner::RightTop).background_alpha(0.6).follow_insertion_order(true))
            .auto_bounds(Vec2b::TRUE)
            // The panel scrolls; the chart zooms with Ctrl and the wheel, and moves when dragged.
            .allow_scroll(false)
            .show_crosshair(false)
            .y_axis_formatter(move |mark, _| axis_text(value(mark.value)))
            .label_formatter(move |position| match position {
                HoverPosition::NearDataPoint { plot_name, position, .. } => {
                    Some(format!("{plot_name}\nstep {:.0}: {}", position.x, format::loss(value(position.y))))
                }
                HoverPosition::Elsewhere { .. } => None,
            })
            .show(ui, |plot| {
                let secondary = style::secondary();
                for (name, lines, color, width) in [
                    ("step", &curves.raw, secondary.gamma_multiply(0.4), 1.0),
                    ("step, smoothed", &curves.smooth, secondary, 1.5),
                    ("training", &curves.train, style::text(), 1.5),
                    ("validation", &curves.validation, style::VALIDATION, 1.5),
                ] {
                    for line in lines {
                        plot.line(Line::new(name, PlotPoints::Borrowed(line)).color(color).width(width));
                    }
                }
                let mut markers = |name: &'static str, lines: &'_ [Vec<PlotPoint>], shape, color: Color32| {
                    let points: Vec<_> = lines.iter().flatten().copied().collect();
                    plot.points(Points::new(name, PlotPoints::Owned(points)).shape(shape).radius(3.5).color(color));
                };
                markers("training", &curves.train, MarkerShape::Circle, style::text());
                markers("validation", &curves.validation, MarkerShape::Diamond, style::VALIDATION);
                if !curves.broken.is_empty() {
                    let points = PlotPoints::Borrowed(&curves.broken);
                    let marks = Points::new("not a number", points).shape(MarkerShape::Cross);
                    plot.points(marks.radius(5.0).color(style::ERROR_TEXT));
                }
            });
    }

    fn controls(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            ui.label(widgets::secondary("Smoothing"));
            let before = (self.keep, self.log);
            ui.add(DragValue::new(&mut self.keep).range(0.0..=0.99).speed(0.005).fixed_decimals(2))
                .on_hover_text("How much of the old average each step keeps; 0.00 shows the raw losses");
            ui.with_layout(Layout::right_to_left(bevy_egui::egui::Align::Center), |ui| {
                ui.checkbox(&mut self.log, "Log scale").on_hover_text("Draw the loss on a logarithmic scale");
            });
            self.stale |= before != (self.keep, self.log);
        });
    }
}

/// A loss as it stands at the axis.
fn axis_text(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.1}"),
        v if v >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::report::EpochReport;

    fn history(losses: &[f64]) -> TrainingHistory {
        let epoch = EpochReport { epoch: 1, train_loss: 2.0, val_loss: 1.5, val_accuracy: 0.3, seconds: 4.0 };
        TrainingHistory {
            steps: losses.iter().enumerate().map(|(i, &loss)| (i as u64 + 1, loss)).collect(),
            epochs: vec![(losses.len() as u64, epoch)],
            training_path: None,
        }
    }

    #[test]
    fn lines_break_at_what_is_not_a_number_and_the_place_is_marked() {
        let curves = Curves::of(&history(&[2.0, 1.0, f64::NAN, 1.0]), 0.9, false);
        assert_eq!((curves.raw.len(), curves.smooth.len()), (2, 2));
        let places: Vec<_> = curves.broken.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(places, [(3.0, 1.0)]);
    }

    #[test]
    fn the_logarithmic_scale_shows_powers_of_ten_at_equal_distances() {
        let curves = Curves::of(&history(&[0.1, 1.0, 10.0]), 0.0, true);
        let heights: Vec<_> = curves.raw[0].iter().map(|point| point.y).collect();
        assert!(heights.windows(2).all(|pair| (pair[1] - pair[0] - 1.0).abs() < 1e-12), "{heights:?}");
    }

    #[test]
    fn the_epochs_stand_at_the_steps_where_they_ended() {
        let curves = Curves::of(&history(&[2.0; 7]), 0.9, false);
        assert_eq!((curves.train[0][0].x, curves.validation[0][0].y), (7.0, 1.5));
    }
}
