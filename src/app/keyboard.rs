//! Which letter or sign a key means: all views read keys alike.

use bevy::input::keyboard::{Key, KeyCode};

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
