//! Which letter or sign a key means, and which modifiers are held: all views read keys alike.

use bevy::{
    input::keyboard::{Key, KeyCode, KeyboardInput},
    prelude::*,
};

/// The letter or sign of a key that was pressed, in lower case. Letters follow the keyboard's layout; where
/// that has none of ours, the key's place on an American keyboard decides.
pub fn sign(key: &Key, physical: KeyCode) -> Option<String> {
    match key {
        Key::Character(text) if text.chars().all(|c| c.is_ascii() && !c.is_control()) => {
            Some(text.to_lowercase())
        }
        Key::Character(_) | Key::Unidentified(_) => by_place(physical).map(str::to_owned),
        _ => None,
    }
}

fn by_place(physical: KeyCode) -> Option<&'static str> {
    Some(match physical {
        KeyCode::KeyB => "b",
        KeyCode::KeyL => "l",
        KeyCode::KeyO => "o",
        KeyCode::KeyS => "s",
        KeyCode::KeyT => "t",
        KeyCode::KeyX => "x",
        KeyCode::KeyY => "y",
        KeyCode::KeyZ => "z",
        KeyCode::BracketLeft => "[",
        KeyCode::BracketRight => "]",
        _ => return None,
    })
}

/// The modifiers that are held. They are followed from press to press, since a slow frame brings `Ctrl`, `S`
/// and the release of both at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modifiers {
    /// Ctrl, or what stands for it on the keyboards of a Mac.
    pub ctrl: bool,
    /// Shift.
    pub shift: bool,
    /// Alt.
    pub alt: bool,
}

impl Modifiers {
    const CTRL: [KeyCode; 4] =
        [KeyCode::ControlLeft, KeyCode::ControlRight, KeyCode::SuperLeft, KeyCode::SuperRight];
    const SHIFT: [KeyCode; 2] = [KeyCode::ShiftLeft, KeyCode::ShiftRight];
    const ALT: [KeyCode; 2] = [KeyCode::AltLeft, KeyCode::AltRight];

    /// What is held as far as Bevy knows at the end of a frame.
    pub fn of(held: &ButtonInput<KeyCode>) -> Self {
        Self {
            ctrl: held.any_pressed(Self::CTRL),
            shift: held.any_pressed(Self::SHIFT),
            alt: held.any_pressed(Self::ALT),
        }
    }

    /// Takes a press or a release into account.
    pub fn follow(&mut self, press: &KeyboardInput) {
        let pressed = press.state.is_pressed();
        if Self::CTRL.contains(&press.key_code) {
            self.ctrl = pressed;
        } else if Self::SHIFT.contains(&press.key_code) {
            self.shift = pressed;
        } else if Self::ALT.contains(&press.key_code) {
            self.alt = pressed;
        }
    }
}
