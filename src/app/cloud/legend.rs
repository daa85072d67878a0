//! The legend beside the cloud: what colours and signs mean, in numbers.

use super::{
    super::{
        document::{Archive, Document},
        stage::Stage,
        theme,
    },
    Scores,
    overlay::{self, Overlay},
};
use crate::format::{self, Goal};
use bevy::prelude::*;
use bevy_egui::{EguiContexts, EguiPrimaryContextPass, egui};

/// The area that the legend is in, for those that must not cover it.
pub(super) const AREA: &str = "legend of the cloud";
/// Width of the legend's content, in points.
const WIDTH: f32 = 176.0;
/// Height of the colour bar, in points.
const BAR: f32 = 8.0;
/// Points between legend and cloud, and legend and edge.
const GAP: f32 = 12.0;
/// How much of the cloud's radius nearly all points are in.
const FULL: f32 = 0.8;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(EguiPrimaryContextPass, show_legend);
}

fn show_legend(
    mut contexts: EguiContexts,
    overlay: Overlay,
    scores: Res<Scores>,
    archive: Res<Archive>,
    document: Res<Document>,
    stage: Res<Stage>,
) -> Result {
    let context = contexts.ctx_mut()?;
    if scores.count == 0 {
        return Ok(());
    }
    let Some(free) = overlay.free_rect(context) else { return Ok(()) };
    let cloud = overlay.project_ball(stage.cloud_center, stage.cloud_radius * FULL, context);
    let Some(corner) = cloud.and_then(|(center, radius)| corner_beside(center, radius, free))
    else {
        return Ok(());
    };
    overlay::area(AREA).fixed_pos(corner).constrain_to(free.shrink(GAP)).show(context, |ui| {
        overlay::plate(0.94).show(ui, |ui| {
            ui.set_width(WIDTH);
            overlay::tighten(ui);
            let is_ready = archive.is_trained() || document.is_of_table();
            show_content(ui, &scores, &archive, archive.goal(document.graph()), is_ready);
        });
    });
    Ok(())
}

/// The upper left corner of a legend on the right of a cloud that covers this circle; `None` if nothing
/// of the cloud shows in the free rectangle.
fn corner_beside(center: egui::Pos2, radius: f32, free: egui::Rect) -> Option<egui::Pos2> {
    let nearest = free.clamp(center);
    (nearest.distance(center) < radius).then(|| center + egui::vec2(radius + GAP, -radius))
}

fn show_content(ui: &mut egui::Ui, scores: &Scores, archive: &Archive, goal: Goal, is_ready: bool) {
    // Colours are by accuracy, whatever is made large.
    let quality = goal.quality;
    if let Some((low, high)) = scores.range {
        ui.label(overlay::secondary(format!("Proxy {}", quality.name())));
        show_color_bar(ui);
        ui.horizontal(|ui| {
            ui.label(overlay::primary(quality.text(low)));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                ui.label(overlay::primary(quality.text(high)));
            });
        });
    }
    ui.label(overlay::primary(format!(
        "{} of {} evaluated",
        format::grouped(scores.evaluated as u64),
        format::grouped(scores.count as u64)
    )));
    if scores.stale > 0 {
        let stale = format::grouped(scores.stale as u64);
        ui.label(overlay::secondary(format!("{stale} with older weights")));
    }
    if let Some(best) = scores.best.and_then(|id| archive.get(id))
        && let Some(evaluation) = best.candidate.evaluation
    {
        // Others may be better, but cost more than the search is allowed.
        let what = if scores.limited { "best within limits" } else { "best" };
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            overlay::star(ui);
            ui.label(overlay::secondary(format!("{what} {}", best.candidate.id)));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                ui.label(overlay::primary(goal.named(&evaluation)));
            });
        });
    } else {
        let next = if archive.tie().is_some() {
            "All evaluated candidates tie: none is best"
        } else if is_ready {
            "Search to colour the cloud"
        } else {
            "Train the template to colour the cloud"
        };
        ui.add(egui::Label::new(overlay::secondary(next)).wrap());
    }
}

fn show_color_bar(ui: &mut egui::Ui) {
    let (rect, _) = ui.allocate_exact_size(egui::vec2(WIDTH, BAR), egui::Sense::hover());
    let mut mesh = egui::Mesh::default();
    const STEPS: u32 = 32;
    for step in 0..=STEPS {
        let share = step as f32 / STEPS as f32;
        let color = overlay::paint(theme::accuracy_color(f64::from(share)));
        let x = egui::lerp(rect.x_range(), share);
        mesh.colored_vertex(egui::pos2(x, rect.min.y), color);
        mesh.colored_vertex(egui::pos2(x, rect.max.y), color);
        if step > 0 {
            let first = 2 * step - 2;
            mesh.add_triangle(first, first + 1, first + 2);
            mesh.add_triangle(first + 1, first + 2, first + 3);
        }
    }
    ui.painter().add(egui::Shape::mesh(mesh));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::candidate::CandidateId;
    use crate::engine::{study::Event, template::presets, training::EpochReport};

    #[test]
    fn the_legend_stands_beside_the_cloud_and_goes_with_it() {
        let free = egui::Rect::from_min_max(egui::pos2(200.0, 0.0), egui::pos2(1000.0, 600.0));
        assert_eq!(
            corner_beside(egui::pos2(600.0, 200.0), 100.0, free),
            Some(egui::pos2(712.0, 100.0))
        );
        assert!(
            corner_beside(egui::pos2(600.0, -50.0), 100.0, free).is_some(),
            "its lower half shows"
        );
        assert_eq!(corner_beside(egui::pos2(600.0, -150.0), 100.0, free), None);
    }

    #[test]
    fn the_legend_says_what_is_known_and_what_to_do_next() {
        let say = |scores: &Scores, archive: &Archive| {
            let output = egui::Context::default().run_ui(egui::RawInput::default(), |ui| {
                show_content(ui, scores, archive, Goal::default(), archive.is_trained());
            });
            let texts = output.shapes.iter().filter_map(|clipped| match &clipped.shape {
                egui::Shape::Text(text) => Some(text.galley.text().to_owned()),
                _ => None,
            });
            texts.collect::<Vec<_>>().join("|")
        };
        let waiting = Scores { count: 500, ..Scores::default() };
        let [small, ..] = presets();
        let document = Document::new(small.checked().expect("presets are right"), None);
        let mut trained = Archive::of(&document);
        assert_eq!(
            say(&waiting, &trained),
            "0 of 500 evaluated|Train the template to colour the cloud"
        );
        trained.apply(&Event::Epoch(EpochReport::EXAMPLE).into()).expect("is the first");
        assert_eq!(say(&waiting, &trained), "0 of 500 evaluated|Search to colour the cloud");
        let searched = Scores {
            count: 500,
            evaluated: 20,
            range: Some((0.405, 0.713)),
            best: Some(CandidateId(3)),
            ..Scores::default()
        };
        assert!(
            say(&searched, &trained)
                .starts_with("Proxy accuracy|40.5 %|71.3 %|20 of 500 evaluated")
        );
        let stale = Scores { stale: 18, ..searched };
        assert!(say(&stale, &trained).contains("20 of 500 evaluated|18 with older weights"));
    }
}
