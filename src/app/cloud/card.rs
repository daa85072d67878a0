//! The card beside a point that is hovered or selected: what is known of the candidate.

use super::{
    super::{
        document::{Archive, Document, Focus},
        stage::Stage,
        theme,
    },
    Cloud, Scores, legend,
    overlay::{self, Overlay},
};
use crate::engine::{
    mask::Mask,
    search::{Candidate, Objective, Standing},
    template::Graph,
};
use crate::format::{self, Goal};
use bevy::prelude::*;
use bevy_egui::{EguiContexts, EguiPrimaryContextPass, egui};

/// Width of the card's content, in points.
const WIDTH: f32 = 200.0;
/// Points between the ring around a point and its card.
const GAP: f32 = 12.0;
/// How much larger than its record says a point is drawn at most: the best one, hovered, with its ring.
const LARGEST: f32 = 2.4 * 1.4 * 1.6;
/// The height that a card needs, in points.
const HEIGHT: f32 = 220.0;
/// How high bricks stand on the plate, in world units.
const BRICKS: f32 = 0.3;
/// The most a square of the picture of layers measures, and the picture in all, in points.
const SQUARE: f32 = 11.0;
const PICTURE: f32 = 72.0;
/// Parents that are named.
const NAMED_PARENTS: usize = 4;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(EguiPrimaryContextPass, show_card);
}

fn show_card(
    mut contexts: EguiContexts,
    overlay: Overlay,
    focus: Res<Focus>,
    archive: Res<Archive>,
    cloud: Res<Cloud>,
    scores: Res<Scores>,
    document: Res<Document>,
    stage: Res<Stage>,
) -> Result {
    let context = contexts.ctx_mut()?;
    let Some(id) = focus.shown_candidate() else { return Ok(()) };
    let (Some(placed), Some(place)) = (archive.get(id), cloud.position(id)) else { return Ok(()) };
    let (Some(free), Some(at)) = (overlay.free_rect(context), overlay.project(place, context))
    else {
        return Ok(());
    };
    if !free.contains(at) {
        return Ok(());
    }
    let drawn = cloud.records().get(id.index()).map_or(0.0, |record| record.radius * LARGEST);
    let ring = overlay.project_ball(place, drawn, context).map_or(0.0, |(_, radius)| radius);
    let middle = overlay.project(stage.cloud_center, context).unwrap_or(free.center());
    let plate = overlay.project(back_of_plate(&stage), context).map_or(free.max.y, |back| back.y);
    let room = above(free.shrink(8.0), at.y, plate);
    let legend = context.memory(|memory| memory.area_rect(egui::Id::new(legend::AREA)));
    let distance = ring + GAP;
    let (pivot, offset, room) = match side(at.x, middle.x, distance, free.x_range()) {
        (egui::Align2::LEFT_CENTER, offset) => match below_legend(room, at.x + offset, legend) {
            Some(room) => (egui::Align2::LEFT_CENTER, offset, room),
            None => (egui::Align2::RIGHT_CENTER, -distance, room),
        },
        (pivot, offset) => (pivot, offset, room),
    };
    overlay::area("card of a candidate")
        .pivot(pivot)
        .fixed_pos(at + egui::vec2(offset, 0.0))
        .constrain_to(room)
        .show(context, |ui| {
            overlay::plate(1.0).show(ui, |ui| {
                ui.set_width(WIDTH);
                overlay::tighten(ui);
                let goal = archive.goal(document.graph());
                show_content(ui, placed.candidate, scores.best == Some(id), &document, goal);
            });
        });
    Ok(())
}

/// On which side of a point at `x` its card stands, and how far away: on the outside of the cloud, whose
/// middle is at `middle`, so that the card hides little of it; on the inside where the outside has no room.
fn side(x: f32, middle: f32, distance: f32, free: egui::Rangef) -> (egui::Align2, f32) {
    let needed = WIDTH + distance + 24.0;
    let (room_left, room_right) = (x - free.min >= needed, free.max - x >= needed);
    if if x < middle { !room_left && room_right } else { room_right || !room_left } {
        (egui::Align2::LEFT_CENTER, distance)
    } else {
        (egui::Align2::RIGHT_CENTER, -distance)
    }
}

/// The part of `room` that a card whose left edge is at `left` may use without covering the legend; `None`
/// where that is too low for it.
fn below_legend(room: egui::Rect, left: f32, legend: Option<egui::Rect>) -> Option<egui::Rect> {
    let card = egui::Rangef::new(left, left + WIDTH + 24.0);
    match legend.filter(|legend| legend.x_range().intersects(card)) {
        Some(legend) => {
            (room.max.y - legend.max.y - GAP >= HEIGHT).then(|| room.with_min_y(legend.max.y + GAP))
        }
        None => Some(room),
    }
}

/// The part of the free rectangle above the plate, whose upper edge is at `plate`, so that no brick is
/// covered; the whole where that is too low for a card or the point at `y` is not in it.
fn above(free: egui::Rect, y: f32, plate: f32) -> egui::Rect {
    if y < plate && plate - free.min.y >= HEIGHT {
        free.with_max_y(free.max.y.min(plate))
    } else {
        free
    }
}

/// The upper edge of the bricks in the plate's last row.
fn back_of_plate(stage: &Stage) -> Vec3 {
    stage.plate_center + Vec3::new(0.0, BRICKS, -stage.plate_half.y)
}

fn show_content(
    ui: &mut egui::Ui,
    candidate: &Candidate,
    is_best: bool,
    document: &Document,
    goal: Goal,
) {
    let graph = document.graph();
    ui.horizontal(|ui| {
        ui.label(overlay::primary(format!("Candidate {}", candidate.id)).strong());
        if is_best {
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                ui.label(overlay::secondary("best so far"));
                overlay::star(ui);
            });
        }
    });
    if candidate.evaluation.is_none() {
        ui.label(overlay::secondary("Not evaluated yet"));
    }
    if let Some(standing) = standing_text(candidate.standing) {
        ui.label(overlay::secondary(standing));
    }
    for (name, value) in facts(candidate, goal, document.is_of_table()) {
        overlay::row(ui, &name, value);
    }
    // While another template is being opened, the archive may still be that of the last one.
    if candidate.mask.node_count() == graph.len() {
        overlay::row(ui, "Kept nodes", format!("{} of {}", candidate.mask.len(), graph.len()));
        show_layers(ui, &candidate.mask, graph);
    }
}

/// The text about a candidate's standing, unless that is present.
fn standing_text(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Present => None,
        Standing::Stale => Some("Evaluated before the last training"),
        Standing::Retired | Standing::Obsolete => Some("Lost nodes in an edit; not searched on"),
    }
}

/// The facts about a candidate, as names and values. A table of known results tells neither loss nor costs.
fn facts(candidate: &Candidate, goal: Goal, is_of_table: bool) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    if let Some(evaluation) = candidate.evaluation {
        let loss = if evaluation.loss.is_finite() {
            format!("{:.3}", evaluation.loss)
        } else {
            "not a number".to_owned()
        };
        let quality = goal.quality;
        facts.push((format!("Proxy {}", quality.name()), quality.text(evaluation.accuracy)));
        if goal.objective == Objective::BalancedAccuracy {
            facts.push(("Balanced accuracy".to_owned(), goal.of(&evaluation)));
        }
        if !is_of_table {
            facts.push(("Loss".to_owned(), loss));
        }
    }
    if let Some(iteration) = candidate.iteration {
        // The engine counts from 0, the iteration ring from 1.
        facts.push(("Iteration".to_owned(), (iteration + 1).to_string()));
    }
    if !is_of_table {
        facts.push(("Parameters".to_owned(), format::compact(candidate.cost.params)));
        facts.push(("FLOPs".to_owned(), format::compact(candidate.cost.flops)));
    }
    if let Some(latency) = candidate.latency {
        facts.push(("Latency".to_owned(), format!("{:.2} ms", latency * 1e3)));
    }
    if !candidate.parents.is_empty() {
        let mut names: Vec<_> =
            candidate.parents.iter().take(NAMED_PARENTS).map(ToString::to_string).collect();
        if candidate.parents.len() > NAMED_PARENTS {
            names.push(format!("{} more", candidate.parents.len() - NAMED_PARENTS));
        }
        facts.push(("Parents".to_owned(), names.join(", ")));
    }
    facts
}

/// The template in small: one column per layer along the flow of data, one square per alternative; filled in the
/// colour of its family if the candidate keeps it, else hollow.
fn show_layers(ui: &mut egui::Ui, mask: &Mask, graph: &Graph) {
    let layers = graph.layers();
    let most = layers.iter().map(Vec::len).max().unwrap_or(1);
    let square = SQUARE.min(WIDTH / layers.len().max(1) as f32).min(PICTURE / most as f32);
    let size = egui::vec2(square * layers.len() as f32, square * most as f32);
    let (rect, _) = ui.allocate_exact_size(size, egui::Sense::hover());
    for (column, layer) in layers.iter().enumerate() {
        for (line, &node) in layer.iter().enumerate() {
            let corner = rect.min + square * egui::vec2(column as f32, line as f32);
            let cell =
                egui::Rect::from_min_size(corner, egui::Vec2::splat(square)).shrink(square * 0.12);
            if mask.contains(node) {
                let color = overlay::paint(theme::family_color(graph.nodes()[node].family()));
                ui.painter().rect_filled(cell, 1.5, color);
            } else {
                let stroke = egui::Stroke::new(1.0, overlay::paint(theme::UNEVALUATED));
                ui.painter().rect_stroke(cell, 1.5, stroke, egui::StrokeKind::Inside);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::points::tests::candidate as example, *};
    use crate::engine::candidate::CandidateId;

    #[test]
    fn a_card_stands_outside_of_the_cloud_where_there_is_room() {
        let free = egui::Rangef::new(0.0, 1000.0);
        let is_left = |x| side(x, 500.0, 30.0, free).1 < 0.0;
        assert!(is_left(400.0) && !is_left(600.0));
        assert!(!is_left(100.0) && is_left(900.0), "at the edge there is only the inside");
        assert_eq!(side(400.0, 500.0, 30.0, free).1, -30.0);
    }

    #[test]
    fn a_card_covers_no_legend() {
        let room = egui::Rect::from_min_max(egui::Pos2::ZERO, egui::pos2(1000.0, 400.0));
        let legend = |bottom| {
            Some(egui::Rect::from_min_max(egui::pos2(700.0, 40.0), egui::pos2(880.0, bottom)))
        };
        assert_eq!(below_legend(room, 450.0, legend(150.0)), Some(room), "it stands left of it");
        let below = below_legend(room, 600.0, legend(150.0)).expect("there is room below");
        assert!(below.min.y > 150.0 && below.height() >= HEIGHT);
        assert_eq!(below_legend(room, 600.0, legend(250.0)), None);
    }

    #[test]
    fn a_card_covers_no_brick_where_there_is_room_above_the_plate() {
        let free = egui::Rect::from_min_max(egui::Pos2::ZERO, egui::pos2(1000.0, 600.0));
        assert_eq!(above(free, 200.0, 300.0).max.y, 300.0);
        assert_eq!(above(free, 50.0, 100.0), free, "too low");
        assert_eq!(above(free, 400.0, 300.0), free, "the point is in front of the plate");
        assert_eq!(above(free, 200.0, 900.0), free, "the plate is out of view");
    }

    #[test]
    fn a_card_tells_what_is_known_and_leaves_out_what_is_not() {
        let mut candidate = example(7, None);
        candidate.cost.params = 1_234_567;
        let facts_of = |candidate: &Candidate| {
            facts(candidate, Goal::default(), false)
                .into_iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(facts_of(&candidate), ["Parameters: 1.2 M", "FLOPs: 0"]);

        candidate = Candidate { cost: candidate.cost, ..example(7, Some(0.7134)) };
        candidate.iteration = Some(0);
        candidate.parents = (1..=6).map(CandidateId).collect();
        assert_eq!(
            facts_of(&candidate),
            [
                "Proxy accuracy: 71.3 %",
                "Loss: 0.287",
                "Iteration: 1",
                "Parameters: 1.2 M",
                "FLOPs: 0",
                "Parents: #1, #2, #3, #4, 2 more"
            ]
        );
        let of_table = facts(&candidate, Goal::default(), true).into_iter().map(|(name, _)| name);
        assert_eq!(of_table.collect::<Vec<_>>(), ["Proxy accuracy", "Iteration", "Parents"]);
    }
}
