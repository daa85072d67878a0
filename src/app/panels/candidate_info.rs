//! The section that shows every node as a dot: how fit it is and how often candidates contain it.

use super::{
    style,
    view::{View, Wishes},
    widgets,
};
use crate::engine::ops::Family;
use bevy_egui::egui::{Align2, Pos2, RichText, Ui};
use egui_plot::{
    Axis, GridMark, LineStyle, Plot, PlotPoint, Points, Text, VLine, uniform_grid_spacer,
};

/// How near to a dot the pointer has to be, in points.
const REACH: f32 = 12.0;
/// Radius of a dot in points: as it is, and while it is hovered or selected.
const RADIUS: [f32; 2] = [4.0, 7.0];

/// One node in the chart.
struct Dot {
    node: usize,
    family: Family,
    position: [f64; 2],
    large: bool,
    faint: bool,
}

/// Draws the section's content, `height` points high.
pub(super) fn show(ui: &mut Ui, view: View<'_>, height: f32, wishes: &mut Wishes) {
    let graph = view.document.graph();
    let before = view.archive.fitness().is_empty();
    let scope = if before {
        "Search to move the dots".to_owned()
    } else {
        format!("All {} candidates of the finished iterations", view.archive.judged())
    };
    widgets::empty_state(ui, &scope);

    let (hovered, selected, mask) = (view.hovered_node(), view.selected_node(), view.shown_mask());
    let mut dots: Vec<_> = (0..graph.len())
        .map(|node| {
            let fitness = view.fitness(node);
            Dot {
                node,
                family: graph.nodes()[node].family(),
                position: [fitness.fitness, fitness.frequency],
                large: hovered == Some(node) || selected == Some(node),
                faint: mask.is_some_and(|mask| !mask.contains(node)),
            }
        })
        .collect();
    // Large dots come last, so that they lie on top.
    dots.sort_by_key(|dot| dot.large);

    let line =
        ui.spacing().item_spacing.y + ui.text_style_height(&bevy_egui::egui::TextStyle::Body);
    let response = Plot::new("candidate information")
        .height((height - line).max(64.0))
        .show_axes(true)
        .show_x(false)
        .show_y(false)
        .show_crosshair(false)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_axis_zoom_drag(false)
        .allow_double_click_reset(false)
        .label_formatter(|_| None)
        .grid_color(style::GRID)
        .x_grid_spacer(uniform_grid_spacer(|_| [0.25, 0.5, 1.0]))
        .y_grid_spacer(uniform_grid_spacer(|_| [0.25, 0.5, 1.0]))
        .custom_x_axes(vec![style::axis(Axis::X, "fitness").formatter(|mark, _| tick(mark))])
        .custom_y_axes(vec![style::axis(Axis::Y, "frequency").formatter(|mark, _| tick(mark))])
        .grid_fade(0.0)
        .show(ui, |plot| {
            plot.set_plot_bounds_x(-0.06..=1.06);
            plot.set_plot_bounds_y(-0.08..=1.08);
            plot.vline(
                VLine::new("nothing known", 0.5)
                    .color(style::secondary().gamma_multiply(0.5))
                    .style(LineStyle::dashed_loose())
                    .allow_hover(false),
            );
            for dot in &dots {
                let color = style::family(dot.family);
                plot.points(
                    Points::new(graph.id(dot.node).as_str(), dot.position)
                        .shape(style::family_shape(dot.family))
                        .radius(RADIUS[usize::from(dot.large)])
                        .color(if dot.faint && !dot.large {
                            color.gamma_multiply(0.3)
                        } else {
                            color
                        })
                        .allow_hover(false),
                );
            }
            for dot in dots.iter().filter(|dot| dot.large) {
                let others = dots.iter().filter(|other| other.position == dot.position).count() - 1;
                plot.text(label(graph.id(dot.node).as_str(), others, dot.position));
            }
        });

    let places: Vec<_> = dots
        .iter()
        .map(|dot| {
            let [x, y] = dot.position;
            response.transform.position_from_point(&PlotPoint::new(x, y))
        })
        .collect();
    let response = response.response;
    let under = response.hover_pos().and_then(|pointer| nearest(&places, pointer, REACH));
    if let Some(place) = under {
        let id = graph.id(dots[place].node);
        wishes.hovered = Some(id.clone());
        if response.clicked() {
            wishes.selected = Some(id.clone());
        }
    }
}

/// The text at an axis mark.
fn tick(mark: GridMark) -> String {
    if (-0.01..=1.01).contains(&mark.value) { format!("{:.2}", mark.value) } else { String::new() }
}

/// The name beside a large dot, on the side where there is room.
fn label(name: &str, others: usize, [x, y]: [f64; 2]) -> Text {
    let text = if others == 0 { format!("  {name}  ") } else { format!("  {name} +{others}  ") };
    let anchor = match (x > 0.5, y > 0.5) {
        (true, true) => Align2::RIGHT_TOP,
        (true, false) => Align2::RIGHT_BOTTOM,
        (false, true) => Align2::LEFT_TOP,
        (false, false) => Align2::LEFT_BOTTOM,
    };
    Text::new(
        format!("label {name}"),
        PlotPoint::new(x, y),
        RichText::new(text).color(style::text()),
    )
    .anchor(anchor)
    .allow_hover(false)
}

/// The dot nearest to the pointer among those within `reach`; of equals the last, which lies on top.
fn nearest(places: &[Pos2], pointer: Pos2, reach: f32) -> Option<usize> {
    let distance = |place: &Pos2| place.distance(pointer);
    places
        .iter()
        .enumerate()
        .filter(|(_, place)| distance(place) <= reach)
        .fold(None, |best: Option<(usize, f32)>, (i, place)| match best {
            Some((_, least)) if least < distance(place) => best,
            _ => Some((i, distance(place))),
        })
        .map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy_egui::egui::pos2;

    #[test]
    fn the_nearest_dot_in_reach_is_hovered_and_of_equals_the_one_on_top() {
        let places = [pos2(0.0, 0.0), pos2(10.0, 0.0), pos2(10.0, 0.0), pos2(100.0, 0.0)];
        assert_eq!(nearest(&places, pos2(3.0, 0.0), 12.0), Some(0));
        assert_eq!(nearest(&places, pos2(8.0, 0.0), 12.0), Some(2));
        assert_eq!(nearest(&places, pos2(50.0, 0.0), 12.0), None);
    }
}
