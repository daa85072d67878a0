//! The eyes of a tour: where bricks, points and labels are on the screen.

use super::script::Pick;
use crate::{
    app::{
        camera::{MainCamera, ViewInsets},
        document::{Archive, Document},
        lego::Brick,
        stage::{self, STUD, Stage},
    },
    engine::{candidate::CandidateId, study::Placed, template::NodeId},
};
use bevy::{ecs::system::SystemParam, prelude::*};
use bevy_egui::{EguiFullOutput, egui};

/// A text in a panel and where it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Label {
    /// Its text.
    pub(super) text: String,
    /// Its rectangle in logical pixels.
    pub(super) rect: Rect,
}

/// All texts that the panels show in this frame.
#[derive(Resource, Default, Debug)]
pub(super) struct Labels(pub(super) Vec<Label>);

impl Labels {
    /// The lowest place on the screen that says exactly this; letters count, signs around them do not.
    pub(super) fn find(&self, text: &str) -> Option<&Label> {
        let bare = |text: &str| text.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
        let wanted = bare(text);
        self.0
            .iter()
            .filter(|label| bare(&label.text) == wanted)
            .max_by(|a, b| a.rect.min.y.total_cmp(&b.rect.min.y))
    }
}

/// Reads the texts out of what egui is about to paint.
pub(super) fn read_labels(contexts: Query<&EguiFullOutput>, mut labels: ResMut<Labels>) {
    let mut found = Vec::new();
    for output in contexts.iter().filter_map(|output| output.0.as_ref()) {
        for clipped in &output.shapes {
            collect_labels(&clipped.shape, clipped.clip_rect, &mut found);
        }
    }
    if labels.0 != found {
        labels.0 = found;
    }
}

fn collect_labels(shape: &egui::Shape, clip: egui::Rect, found: &mut Vec<Label>) {
    match shape {
        egui::Shape::Vec(shapes) => {
            for shape in shapes {
                collect_labels(shape, clip, found);
            }
        }
        egui::Shape::Text(text) => {
            let rect = text.galley.rect.translate(text.pos.to_vec2());
            let seen = rect.intersect(clip);
            if seen.is_positive() && !text.galley.text().trim().is_empty() {
                found.push(Label {
                    text: text.galley.text().to_owned(),
                    rect: Rect::new(seen.min.x, seen.min.y, seen.max.x, seen.max.y),
                });
            }
        }
        _ => {}
    }
}

/// The things that a tour can look at.
#[derive(SystemParam)]
pub(super) struct Sight<'w, 's> {
    cameras: Query<'w, 's, (&'static Camera, &'static GlobalTransform), With<MainCamera>>,
    bricks: Query<'w, 's, (&'static Brick, &'static GlobalTransform)>,
    insets: Option<Res<'w, ViewInsets>>,
    stage: Option<Res<'w, Stage>>,
    pub(super) labels: Res<'w, Labels>,
    pub(super) document: Res<'w, Document>,
    pub(super) archive: Res<'w, Archive>,
}

impl Sight<'_, '_> {
    /// Where the camera stands.
    pub(super) fn camera_pose(&self) -> Option<GlobalTransform> {
        self.cameras.single().ok().map(|(_, pose)| *pose)
    }

    /// Where a place in the world is on the screen, in logical pixels; `None` behind the camera.
    pub(super) fn project(&self, place: Vec3) -> Option<Vec2> {
        let (camera, pose) = self.cameras.single().ok()?;
        camera.world_to_viewport(pose, place).ok()
    }

    /// Where a place on the screen meets the top of the plate, in the world.
    pub(super) fn on_plate(&self, screen: Vec2) -> Option<Vec3> {
        let (camera, pose) = self.cameras.single().ok()?;
        let ray = camera.viewport_to_world(pose, screen).ok()?;
        let distance = -ray.origin.y / ray.direction.y;
        (distance.is_finite() && distance > 0.0).then(|| ray.get_point(distance))
    }

    /// The part of the window that no panel covers, in logical pixels.
    pub(super) fn open_rect(&self, window: Vec2) -> Rect {
        let insets = self.insets.as_deref();
        let min = insets.map_or(Vec2::ZERO, |insets| Vec2::new(insets.left, insets.top));
        let max = insets.map_or(Vec2::ZERO, |insets| Vec2::new(insets.right, insets.bottom));
        Rect::from_corners(min, (window - max).max(min))
    }

    /// The middle of the foot of a brick, in the world.
    pub(super) fn brick_foot(&self, id: &NodeId) -> Option<Vec3> {
        let template = self.document.template();
        template.node(id).map(|_| stage::world_from_studs(template.position(id)))
    }

    /// Where the foot of a brick is drawn now, in the world; while it is dragged, not where it belongs.
    pub(super) fn brick_now(&self, id: &NodeId) -> Option<Vec3> {
        self.bricks.iter().find(|(brick, _)| brick.0 == *id).map(|(_, pose)| pose.translation())
    }

    /// Places on a brick that may be seen, in the world, the likeliest first.
    pub(super) fn brick_aims(&self, id: &NodeId) -> impl Iterator<Item = Vec3> + use<> {
        /// In studs: along the flow, up, towards the viewer. First the middle of the sloping face.
        const PLACES: [Vec3; 10] = [
            Vec3::new(0.0, 1.1, 0.45),
            Vec3::new(1.0, 1.1, 0.45),
            Vec3::new(-1.0, 1.1, 0.45),
            Vec3::new(0.0, 1.5, -0.1),
            Vec3::new(0.0, 0.7, 1.1),
            Vec3::new(0.0, 1.8, -0.7),
            Vec3::new(1.5, 1.5, -0.1),
            Vec3::new(-1.5, 1.5, -0.1),
            Vec3::new(1.5, 0.7, 1.1),
            Vec3::new(-1.5, 0.7, 1.1),
        ];
        let foot = self.brick_now(id).or_else(|| self.brick_foot(id));
        foot.into_iter().flat_map(|foot| PLACES.map(|place| foot + place * STUD))
    }

    /// The middle of a point of the cloud, in the world.
    pub(super) fn point_center(&self, candidate: Placed<'_>) -> Option<Vec3> {
        let stage = self.stage.as_deref()?;
        Some(stage.cloud_center + Vec3::from(candidate.position) * stage.cloud_radius / 2.0)
    }

    /// The candidate that is meant.
    pub(super) fn candidate(&self, pick: Pick) -> Result<CandidateId, String> {
        let count = self.archive.candidates().len();
        let objective = self.archive.objective();
        let ranks = self.archive.candidates().iter().filter_map(|it| it.rank(objective));
        let found = match pick {
            Pick::Best => ranks.max(),
            Pick::Worst => {
                // Accuracies of different weights are not compared.
                let ranks: Vec<_> = ranks.collect();
                let current = ranks.iter().any(|rank| rank.current);
                let alike = ranks.into_iter().filter(|rank| rank.current == current);
                alike.min_by(|a, b| objective.compare(&a.evaluation, &b.evaluation))
            }
            Pick::Number(number) => {
                return match self.archive.get(CandidateId(number)) {
                    Some(_) => Ok(CandidateId(number)),
                    None => {
                        Err(format!("there is no candidate {number} among the {count} there are"))
                    }
                };
            }
        };
        match found {
            Some(rank) => Ok(rank.id),
            None => {
                Err("no candidate is evaluated yet; put a Search step before this one".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str, y: f32) -> Label {
        Label { text: text.to_owned(), rect: Rect::new(0.0, y, 10.0, y + 5.0) }
    }

    #[test]
    fn a_label_is_found_by_its_words_the_lowest_first() {
        let labels = Labels(vec![
            label("Train", 10.0),
            label("▶ Train", 500.0),
            label("Train the template", 600.0),
        ]);
        assert_eq!(labels.find("Train").expect("is there").rect.min.y, 500.0);
        assert!(labels.find("Search").is_none());
    }

    #[test]
    fn texts_are_read_out_of_what_egui_paints() {
        let context = egui::Context::default();
        let output = context.run_ui(egui::RawInput::default(), |ui| {
            ui.label("Hello");
            let _ = ui.button("Search");
        });
        let mut found = Vec::new();
        for clipped in &output.shapes {
            collect_labels(&clipped.shape, clipped.clip_rect, &mut found);
        }
        let texts: Vec<_> = found.iter().map(|label| label.text.as_str()).collect();
        assert_eq!(texts, ["Hello", "Search"]);
        assert!(found.iter().all(|label| label.rect.width() > 10.0));
    }
}
