//! The section that shows how training goes: the loss of every step, raw and smoothed, and of every epoch.

use super::{
    series::{Point, segments, smooth, thin},
    style,
    view::View,
    widgets,
};
use crate::{app::document::TrainingHistory, engine::training::EpochReport, format};
use bevy_egui::egui::{Color32, DragValue, Rangef, Sense, Stroke, TextStyle, Ui, Vec2b, vec2};
use egui_plot::{
    Axis, HoverPosition, Line, MarkerShape, Plot, PlotPoint, PlotPoints, Points,
    uniform_grid_spacer,
};
use std::ops::RangeInclusive;

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
    /// How many epochs the curves show.
    epochs: usize,
    curves: Curves,
}

impl Default for LossChart {
    fn default() -> Self {
        Self { keep: 0.9, log: false, stale: true, epochs: 0, curves: Curves::default() }
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
    fn of(history: &TrainingHistory, epochs: &[EpochReport], keep: f64, log: bool) -> Self {
        let scale = |(x, y): Point| (x, if log { y.log10() } else { y });
        let plot = |points: &[Point]| -> Vec<Vec<PlotPoint>> {
            let scaled: Vec<_> = points.iter().copied().map(scale).collect();
            segments(&scaled)
                .iter()
                .map(|segment| {
                    thin(segment, MOST_POINTS).iter().map(|&(x, y)| PlotPoint::new(x, y)).collect()
                })
                .collect()
        };
        let steps: Vec<Point> =
            history.steps.iter().map(|&(step, loss)| (step as f64, loss)).collect();
        let by_epoch = |loss: fn(&EpochReport) -> f64| -> Vec<Point> {
            epochs.iter().map(|epoch| (epoch.step as f64, loss(epoch))).collect()
        };
        let (train, validation) =
            (by_epoch(|epoch| epoch.train_loss), by_epoch(|epoch| epoch.val_loss));
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
            widgets::empty_state(
                ui,
                if view.document.is_of_table() {
                    "A table of known results is not trained"
                } else {
                    "Train the template to see its loss"
                },
            );
            return;
        }
        let epochs = view.archive.epochs();
        if std::mem::take(&mut self.stale) || self.epochs != epochs.len() {
            self.epochs = epochs.len();
            self.curves = Curves::of(view.history, epochs, self.keep, self.log);
        }
        let top = ui.cursor().min.y;
        legend(ui, !self.curves.broken.is_empty());
        let used = ui.cursor().min.y - top;
        let (curves, log) = (&self.curves, self.log);
        let value = move |y: f64| if log { 10.0_f64.powf(y) } else { y };
        Plot::new("loss")
            .height((height - used).max(64.0))
            .auto_bounds(Vec2b::TRUE)
            // The wheel belongs to the view; the chart zooms with Ctrl and the wheel, and moves when dragged.
            .allow_scroll(false)
            .show_crosshair(false)
            .grid_color(style::GRID)
            .x_grid_spacer(uniform_grid_spacer(|input| ticks(input.bounds, 1.0)))
            .y_grid_spacer(uniform_grid_spacer(|input| ticks(input.bounds, 0.0)))
            .custom_x_axes(vec![
                style::axis(Axis::X, "step").formatter(|mark, range| step_text(mark.value, range)),
            ])
            .custom_y_axes(vec![style::axis(Axis::Y, "loss").formatter(move |mark, range| {
                // Not the mark's own step: that of a round number is larger, and it would have fewer digits.
                let [step, ..] = ticks((*range.start(), *range.end()), 0.0);
                let loss = value(mark.value);
                axis_text(loss, value(mark.value + step) - loss)
            })])
            .grid_fade(0.0)
            .label_formatter(move |position| match position {
                HoverPosition::NearDataPoint { plot_name, position, .. } => Some(format!(
                    "{plot_name}\nstep {:.0}: {}",
                    position.x,
                    loss_text(value(position.y))
                )),
                HoverPosition::Elsewhere { .. } => None,
            })
            .show(ui, |plot| {
                for (kind, lines) in [
                    (&STEP, &curves.raw),
                    (&SMOOTHED, &curves.smooth),
                    (&TRAINING, &curves.train),
                    (&VALIDATION, &curves.validation),
                ] {
                    for line in lines {
                        let line = Line::new(kind.name, PlotPoints::Borrowed(line));
                        plot.line(line.color(kind.color()).width(kind.width));
                    }
                    if let Some(shape) = kind.shape {
                        let points: Vec<_> = lines.iter().flatten().copied().collect();
                        let points = Points::new(kind.name, PlotPoints::Owned(points)).shape(shape);
                        plot.points(points.radius(3.5).color(kind.color()));
                    }
                }
                let marks = Points::new(BROKEN.name, PlotPoints::Borrowed(&curves.broken));
                plot.points(marks.shape(MarkerShape::Cross).radius(5.0).color(BROKEN.color()));
            });
    }

    /// Draws the chart's choices, from right to left.
    pub(super) fn controls(&mut self, ui: &mut Ui) {
        let before = (self.keep, self.log);
        ui.checkbox(&mut self.log, "Log").on_hover_text("Draw the loss on a logarithmic scale");
        ui.add(
            DragValue::new(&mut self.keep)
                .range(0.0..=0.99)
                .speed(0.005)
                .fixed_decimals(2)
                .prefix("Smooth "),
        )
        .on_hover_text("How much of the old average each step keeps; 0.00 shows the raw losses");
        self.stale |= before != (self.keep, self.log);
    }
}

/// How a curve looks, in the chart and in its legend.
struct Kind {
    name: &'static str,
    color: fn() -> Color32,
    width: f32,
    shape: Option<MarkerShape>,
}

impl Kind {
    fn color(&self) -> Color32 {
        (self.color)()
    }
}

const STEP: Kind = Kind {
    name: "step",
    color: || style::secondary().gamma_multiply(0.5),
    width: 1.0,
    shape: None,
};
const SMOOTHED: Kind = Kind { name: "smoothed", color: style::secondary, width: 2.0, shape: None };
const TRAINING: Kind =
    Kind { name: "training", color: style::text, width: 1.5, shape: Some(MarkerShape::Circle) };
const VALIDATION: Kind = Kind {
    name: "validation",
    color: || style::VALIDATION,
    width: 1.5,
    shape: Some(MarkerShape::Diamond),
};
const BROKEN: Kind =
    Kind { name: "NaN", color: || style::ERROR_TEXT, width: 1.5, shape: Some(MarkerShape::Cross) };

/// One line that names the curves: above the chart, where it hides none of them.
fn legend(ui: &mut Ui, broken: bool) {
    ui.scope(|ui| {
        // A line is as high as a control would be in it.
        ui.spacing_mut().interact_size.y = 14.0;
        ui.spacing_mut().item_spacing = vec2(8.0, 2.0);
        ui.horizontal_wrapped(|ui| name_curves(ui, broken));
    });
}

/// Draws the signs and names of the legend.
fn name_curves(ui: &mut Ui, broken: bool) {
    let font = TextStyle::Small.resolve(ui.style());
    for kind in
        [&STEP, &SMOOTHED, &TRAINING, &VALIDATION].into_iter().chain(broken.then_some(&BROKEN))
    {
        let name =
            ui.painter().layout_no_wrap(kind.name.to_owned(), font.clone(), style::secondary());
        // Sign and name are one piece, so that no line ends between them.
        let (rect, _) = ui.allocate_exact_size(vec2(16.0 + name.size().x, 14.0), Sense::hover());
        let (sign, painter) = (rect.left_center() + vec2(6.0, 0.0), ui.painter());
        match kind.shape {
            Some(shape) => widgets::paint_marker(painter, sign, 4.0, shape, kind.color()),
            None => {
                let line = Rangef::new(sign.x - 6.0, sign.x + 6.0);
                painter.hline(line, sign.y, Stroke::new(kind.width, kind.color()));
            }
        }
        painter.galley(
            rect.right_center() - vec2(name.size().x, name.size().y / 2.0),
            name,
            style::secondary(),
        );
    }
}

/// The distances of grid lines: about five to the visible range, a round number and not below `least`,
/// and the multiples of it that are drawn stronger.
fn ticks((low, high): (f64, f64), least: f64) -> [f64; 3] {
    let rough = ((high - low) / 5.0).max(f64::MIN_POSITIVE);
    let power = 10.0_f64.powf(rough.log10().floor());
    let factor =
        [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough).unwrap_or(10.0);
    let step = (factor * power).max(least);
    [step, 10.0 * step, 100.0 * step]
}

/// A step as it stands at the axis; there is none before the first, nor where the chart's edge would cut it.
fn step_text(value: f64, range: &RangeInclusive<f64>) -> String {
    let margin = 0.04 * (range.end() - range.start());
    if value < 0.0 || value > range.end() - margin {
        String::new()
    } else {
        format::compact(value.round() as u64)
    }
}

/// A loss where it is pointed at.
fn loss_text(loss: f64) -> String {
    if loss.is_finite() { format!("{loss:.3}") } else { "not a number".to_owned() }
}

/// A loss as it stands at the axis, told apart from the next one, which is `gap` away.
fn axis_text(loss: f64, gap: f64) -> String {
    let decimals = (-gap.abs().max(1e-9).log10()).ceil().clamp(0.0, 6.0) as usize;
    format!("{loss:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(losses: &[f64], keep: f64, log: bool) -> Curves {
        let epoch = EpochReport { step: losses.len() as u64, ..EpochReport::EXAMPLE };
        let history = TrainingHistory {
            steps: losses.iter().enumerate().map(|(i, &loss)| (i as u64 + 1, loss)).collect(),
            training_path: None,
        };
        Curves::of(&history, &[epoch], keep, log)
    }

    #[test]
    fn lines_break_at_what_is_not_a_number_and_the_place_is_marked() {
        let curves = curves(&[2.0, 1.0, f64::NAN, 1.0], 0.9, false);
        assert_eq!((curves.raw.len(), curves.smooth.len()), (2, 2));
        let places: Vec<_> = curves.broken.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(places, [(3.0, 1.0)]);
    }

    #[test]
    fn the_logarithmic_scale_shows_powers_of_ten_at_equal_distances() {
        let curves = curves(&[0.1, 1.0, 10.0], 0.0, true);
        let heights: Vec<_> = curves.raw[0].iter().map(|point| point.y).collect();
        assert!(
            heights.windows(2).all(|pair| (pair[1] - pair[0] - 1.0).abs() < 1e-12),
            "{heights:?}"
        );
    }

    #[test]
    fn grid_lines_stand_at_round_numbers() {
        for (range, step) in
            [((0.0, 60.0), 20.0), ((0.0, 2.4), 0.5), ((1.0, 4.0), 1.0), ((0.0, 5000.0), 1000.0)]
        {
            assert!(
                (ticks(range, 1e-9)[0] - step).abs() < 1e-9,
                "{range:?}: {:?}",
                ticks(range, 1e-9)
            );
        }
        assert_eq!(ticks((0.0, 2.0), 1.0)[0], 1.0, "there is no half step");
    }

    #[test]
    fn the_step_axis_shows_whole_steps_and_none_that_its_edge_would_cut() {
        let range = -50.0..=1050.0;
        let shown = [-200.0, 0.0, 200.0, 1000.0, 1040.0].map(|step| step_text(step, &range));
        assert_eq!(shown, ["", "0", "200", "1.0 k", ""]);
    }

    #[test]
    fn the_epochs_stand_at_the_steps_where_they_ended() {
        let curves = curves(&[2.0; 7], 0.9, false);
        assert_eq!((curves.train[0][0].x, curves.validation[0][0].y), (7.0, 1.5));
    }
}
