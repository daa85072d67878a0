//! The hand of a tour: pointer and keys, as messages of the window, so that panels, picking and camera
//! all see what they would see of a person.

use super::keys::KeyPress;
use bevy::{
    ecs::system::SystemParam,
    input::{
        ButtonState,
        keyboard::{Key, KeyCode, KeyboardInput},
        mouse::{MouseButton, MouseButtonInput, MouseMotion},
    },
    prelude::*,
    window::{CursorMoved, PrimaryWindow, WindowEvent},
};

/// Where the hand holds the pointer.
#[derive(Resource, Clone, Copy, Debug, Default)]
pub(super) struct HandPosition(Vec2);

/// The actions of the hand.
#[derive(SystemParam)]
pub(super) struct Hand<'w, 's> {
    windows: Query<'w, 's, (Entity, &'static mut Window), With<PrimaryWindow>>,
    position: ResMut<'w, HandPosition>,
    events: MessageWriter<'w, WindowEvent>,
    moves: MessageWriter<'w, CursorMoved>,
    motions: MessageWriter<'w, MouseMotion>,
    buttons: MessageWriter<'w, MouseButtonInput>,
    keys: MessageWriter<'w, KeyboardInput>,
}

impl Hand<'_, '_> {
    /// Size of the window in logical pixels.
    pub(super) fn window_size(&self) -> Vec2 {
        self.windows.single().map_or(Vec2::ONE, |(_, window)| window.size())
    }

    /// Moves the pointer to a place in the window, in logical pixels.
    pub(super) fn move_to(&mut self, position: Vec2) {
        let Ok((entity, mut window)) = self.windows.single_mut() else { return };
        // On a screen this takes the real pointer along: those who watch see where the tour points.
        window.set_cursor_position(Some(position));
        let delta = position - self.position.0;
        self.position.0 = position;
        let moved = CursorMoved { window: entity, position, delta: Some(delta) };
        let motion = MouseMotion { delta };
        self.events.write(WindowEvent::CursorMoved(moved.clone()));
        self.moves.write(moved);
        self.events.write(WindowEvent::MouseMotion(motion));
        self.motions.write(motion);
    }

    /// Where the pointer is, in logical pixels.
    pub(super) fn position(&self) -> Vec2 {
        self.position.0
    }

    /// Presses or releases the main button.
    pub(super) fn set_button(&mut self, pressed: bool) {
        let Ok((window, _)) = self.windows.single() else { return };
        let input = MouseButtonInput { button: MouseButton::Left, state: state(pressed), window };
        self.events.write(WindowEvent::MouseButtonInput(input));
        self.buttons.write(input);
    }

    /// Presses a key after its modifiers, or releases all of them in the opposite order.
    pub(super) fn set_key(&mut self, press: &KeyPress, pressed: bool) {
        let main = (&press.key, press.text());
        let mut keys: Vec<_> =
            press.modifiers.iter().map(|key| (key, None)).chain([main]).collect();
        if !pressed {
            keys.reverse();
        }
        for (key, text) in keys {
            self.write_key(key, text.filter(|_| pressed), pressed);
        }
    }

    fn write_key(&mut self, key: &(KeyCode, Key), text: Option<&str>, pressed: bool) {
        let Ok((window, _)) = self.windows.single() else { return };
        let input = KeyboardInput {
            key_code: key.0,
            logical_key: key.1.clone(),
            state: state(pressed),
            text: text.map(Into::into),
            repeat: false,
            window,
        };
        self.events.write(WindowEvent::KeyboardInput(input.clone()));
        self.keys.write(input);
    }
}

fn state(pressed: bool) -> ButtonState {
    if pressed { ButtonState::Pressed } else { ButtonState::Released }
}
