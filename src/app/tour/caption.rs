//! What a tour says to those who watch, in a box at the foot of the open part of the window.

use crate::app::{camera::ViewInsets, theme};
use bevy::prelude::*;
use bevy_egui::{EguiContexts, egui};

/// Height of the strip that the world leaves to a caption, in logical pixels.
const ROOM_PX: f32 = 64.0;

/// The caption that is shown now; none when empty.
#[derive(Resource, Default, Debug)]
pub(super) struct Caption(pub(super) String);

pub(super) fn draw_caption(
    mut contexts: EguiContexts,
    caption: Res<Caption>,
    mut insets: ResMut<ViewInsets>,
) -> Result {
    let room = if caption.0.is_empty() { 0.0 } else { ROOM_PX };
    if insets.caption != room {
        insets.caption = room;
    }
    if caption.0.is_empty() {
        return Ok(());
    }
    let ViewInsets { left, right, bottom, .. } = *insets;
    egui::Area::new(egui::Id::new("tour caption"))
        .anchor(egui::Align2::CENTER_BOTTOM, egui::vec2((left - right) / 2.0, -bottom - 16.0))
        .interactable(false)
        .order(egui::Order::Foreground)
        .show(contexts.ctx_mut()?, |ui| {
            let frame = egui::Frame::new()
                .fill(color(theme::PANEL).gamma_multiply(0.94))
                .corner_radius(8)
                .inner_margin(egui::Margin::symmetric(16, 8));
            frame.show(ui, |ui| {
                ui.style_mut().wrap_mode = Some(egui::TextWrapMode::Extend);
                ui.label(egui::RichText::new(&caption.0).size(18.0).color(color(theme::TEXT)));
            });
        });
    Ok(())
}

fn color(color: Color) -> egui::Color32 {
    let [r, g, b, a] = color.to_srgba().to_u8_array();
    egui::Color32::from_rgba_unmultiplied(r, g, b, a)
}
