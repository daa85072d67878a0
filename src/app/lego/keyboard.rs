//! Bricks without a mouse: Tab walks from brick to brick, arrows move the selected one, Escape lets it
//! go, and the selected candidate too.
//! F6 hands the keyboard to the panels, where Escape gives it back.

use super::{
    LegoSystems,
    drag::{Dragged, cancel_drags},
    layout,
};
use crate::app::{
    document::{Document, Focus},
    stage::Stage,
};
use bevy::{input::common_conditions::input_just_pressed, prelude::*};
use bevy_egui::{
    EguiInput, EguiPreUpdateSet, egui,
    input::{EguiWantsInput, egui_wants_any_keyboard_input},
};

pub(super) fn plugin(app: &mut App) {
    app.add_systems(
        PreUpdate,
        share_tab_key.after(EguiPreUpdateSet::ProcessInput).before(EguiPreUpdateSet::BeginPass),
    )
    .add_systems(
        Update,
        (
            walk_to_next_brick.run_if(input_just_pressed(KeyCode::Tab)),
            step_selected_brick,
            clear_selection.run_if(
                input_just_pressed(KeyCode::Escape).and_then(not(any_with_component::<Dragged>)),
            ),
            cancel_drags.run_if(input_just_pressed(KeyCode::Escape)),
        )
            .chain()
            .run_if(not(egui_wants_any_keyboard_input))
            .in_set(LegoSystems::Act),
    );
}

/// Keeps Tab from egui, which would take the keyboard at the first one, until F6 hands it over.
fn share_tab_key(
    keys: Res<ButtonInput<KeyCode>>,
    egui_wants: Res<EguiWantsInput>,
    mut inputs: Query<&mut EguiInput>,
) {
    if egui_wants.wants_any_keyboard_input() {
        return;
    }
    for mut input in &mut inputs {
        if keys.just_pressed(KeyCode::Tab) {
            input
                .events
                .retain(|event| !matches!(event, egui::Event::Key { key: egui::Key::Tab, .. }));
        }
        if keys.just_pressed(KeyCode::F6) {
            // egui gives the focus to the first widget when it sees Tab.
            input.events.push(egui::Event::Key {
                key: egui::Key::Tab,
                physical_key: None,
                pressed: true,
                repeat: false,
                modifiers: egui::Modifiers::NONE,
            });
        }
    }
}

/// Selects the next brick in the template's order, with Shift the one before.
fn walk_to_next_brick(
    keys: Res<ButtonInput<KeyCode>>,
    document: Res<Document>,
    mut focus: ResMut<Focus>,
) {
    if keys.any_pressed([
        KeyCode::AltLeft,
        KeyCode::AltRight,
        KeyCode::ControlLeft,
        KeyCode::ControlRight,
    ]) {
        return; // Tab with Alt or Ctrl is not meant for the bricks.
    }
    let graph = document.graph();
    let (count, back) = (graph.len(), keys.any_pressed([KeyCode::ShiftLeft, KeyCode::ShiftRight]));
    let next = match focus.selected_brick.as_ref().and_then(|id| graph.index_of(id)) {
        None if back => count - 1,
        None => 0,
        Some(node) if back => (node + count - 1) % count,
        Some(node) => (node + 1) % count,
    };
    focus.selected_brick = Some(graph.id(next).clone());
}

/// Moves the selected brick by a stud, or beyond the bricks that stand in its way.
fn step_selected_brick(
    keys: Res<ButtonInput<KeyCode>>,
    focus: Res<Focus>,
    stage: Res<Stage>,
    mut document: ResMut<Document>,
) {
    let direction = [
        (KeyCode::ArrowLeft, Vec2::NEG_X),
        (KeyCode::ArrowRight, Vec2::X),
        (KeyCode::ArrowUp, Vec2::NEG_Y),
        (KeyCode::ArrowDown, Vec2::Y),
    ]
    .into_iter()
    .find_map(|(key, direction)| keys.just_pressed(key).then_some(direction));
    let (Some(direction), Some(id)) = (direction, focus.selected_brick.as_ref()) else { return };
    if let Some(place) = layout::next_free(document.template(), &stage, id, direction) {
        document.move_brick(id, place);
    }
}

fn clear_selection(mut focus: ResMut<Focus>) {
    if focus.selected_brick.is_some() || focus.selected_candidate.is_some() {
        focus.selected_brick = None;
        focus.selected_candidate = None;
    }
}
