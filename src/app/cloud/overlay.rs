//! Where things of the world are in the coordinates of egui, and how the cloud's own labels look.

use super::super::{
    camera::{MainCamera, ViewInsets},
    theme,
};
use bevy::{
    color::{Alpha, Srgba},
    ecs::system::SystemParam,
    prelude::*,
};
use bevy_egui::egui;

/// The camera's view of the world in the window.
#[derive(SystemParam)]
pub(super) struct Overlay<'w, 's> {
    cameras: Query<'w, 's, (&'static Camera, &'static GlobalTransform), With<MainCamera>>,
    insets: Res<'w, ViewInsets>,
}

impl Overlay<'_, '_> {
    /// The part of the window in which the world shows, in egui's points.
    pub(super) fn free_rect(&self, context: &egui::Context) -> Option<egui::Rect> {
        let (camera, _) = self.cameras.single().ok()?;
        let (target, viewport) = (camera.logical_target_size()?, camera.logical_viewport_rect()?);
        let insets = &*self.insets;
        let uncovered = Rect::from_corners(
            Vec2::new(insets.left, insets.top),
            target - Vec2::new(insets.right, insets.bottom),
        );
        let free = uncovered.intersect(viewport);
        (!free.is_empty())
            .then(|| egui::Rect { min: points(free.min, context), max: points(free.max, context) })
    }

    /// Where a place in the world is, in egui's points; `None` behind the camera.
    pub(super) fn project(&self, place: Vec3, context: &egui::Context) -> Option<egui::Pos2> {
        let (camera, transform) = self.cameras.single().ok()?;
        Some(points(camera.world_to_viewport(transform, place).ok()?, context))
    }

    /// The circle that a ball in the world covers: its centre and radius in egui's points.
    pub(super) fn project_ball(
        &self,
        center: Vec3,
        radius: f32,
        context: &egui::Context,
    ) -> Option<(egui::Pos2, f32)> {
        let (_, transform) = self.cameras.single().ok()?;
        let middle = self.project(center, context)?;
        let rim = self.project(center + transform.up() * radius, context)?;
        Some((middle, middle.distance(rim)))
    }
}

/// A place in the window, from logical pixels to egui's points.
fn points(position: Vec2, context: &egui::Context) -> egui::Pos2 {
    let zoom = context.zoom_factor();
    egui::pos2(position.x / zoom, position.y / zoom)
}

/// A colour of the theme for egui.
pub(super) fn paint(color: Color) -> egui::Color32 {
    let [r, g, b, a] = Srgba::from(color).to_u8_array();
    egui::Color32::from_rgba_unmultiplied(r, g, b, a)
}

/// The plate under a label, in the colour of the panels.
pub(super) fn plate(opacity: f32) -> egui::Frame {
    egui::Frame::new()
        .fill(paint(theme::PANEL.with_alpha(opacity)))
        .corner_radius(4.0)
        .inner_margin(8.0)
}

/// Sets lines as close as lines of text are, since nothing in a label is clicked.
pub(super) fn tighten(ui: &mut egui::Ui) {
    let spacing = ui.spacing_mut();
    (spacing.item_spacing.y, spacing.interact_size.y) = (5.0, 0.0);
}

/// A label over the world, which no pointer notices.
pub(super) fn area(id: &str) -> egui::Area {
    egui::Area::new(egui::Id::new(id)).interactable(false).fade_in(false)
}

/// Text in the secondary colour.
pub(super) fn secondary(text: impl Into<String>) -> egui::RichText {
    egui::RichText::new(text).color(paint(theme::TEXT_SECONDARY))
}

/// Text in the main colour.
pub(super) fn primary(text: impl Into<String>) -> egui::RichText {
    egui::RichText::new(text).color(paint(theme::TEXT))
}

/// A name on the left and its value on the right.
pub(super) fn row(ui: &mut egui::Ui, name: &str, value: impl Into<String>) {
    ui.horizontal(|ui| {
        ui.label(secondary(name));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.label(primary(value))
        });
    });
}

/// The star that marks the best candidate, in the flow of a line.
pub(super) fn star(ui: &mut egui::Ui) {
    let size = ui.text_style_height(&egui::TextStyle::Body);
    let (rect, _) = ui.allocate_exact_size(egui::Vec2::splat(size), egui::Sense::hover());
    let color = paint(theme::ACCENT);
    let at = |corner: usize, radius: f32| {
        let angle = corner as f32 * std::f32::consts::TAU / 10.0;
        rect.center() + size * radius * egui::vec2(angle.sin(), -angle.cos())
    };
    // A star is not convex: five points around a pentagon.
    let notches: Vec<_> = (0..5).map(|i| at(2 * i + 1, 0.24)).collect();
    ui.painter().add(egui::Shape::convex_polygon(notches.clone(), color, egui::Stroke::NONE));
    for tip in 0..5 {
        let triangle = vec![at(2 * tip, 0.5), notches[tip], notches[(tip + 4) % 5]];
        ui.painter().add(egui::Shape::convex_polygon(triangle, color, egui::Stroke::NONE));
    }
}
