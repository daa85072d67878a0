//! Keys by the names that tours use: `t`, `ctrl+shift+z`, `escape`.

use bevy::input::keyboard::{Key, KeyCode};
use serde::Deserialize;
use std::{fmt, str::FromStr};
use thiserror::Error;

/// A name that is no key.
#[derive(Debug, Error)]
#[error(
    "`{0}` is no key; give a letter, a digit, escape, enter, tab, space, delete, backspace, home, end, \
     left, right, up, down or f1 to f12, after ctrl+, shift+ or alt+ where needed"
)]
pub struct UnknownKey(String);

/// A key with the modifiers that are held meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyPress {
    name: String,
    /// The modifiers, in the order in which they go down.
    pub modifiers: Vec<(KeyCode, Key)>,
    /// The key.
    pub key: (KeyCode, Key),
}

impl KeyPress {
    /// A letter alone.
    pub(super) fn letter(code: KeyCode, letter: &str) -> Self {
        let key = (code, Key::Character(letter.into()));
        Self { name: letter.to_owned(), modifiers: Vec::new(), key }
    }

    /// The text that the key alone types; none with a modifier other than shift.
    pub fn text(&self) -> Option<&str> {
        match &self.key.1 {
            _ if self.modifiers.iter().any(|(_, key)| *key != Key::Shift) => None,
            Key::Character(text) => Some(text),
            Key::Space => Some(" "),
            _ => None,
        }
    }
}

impl FromStr for KeyPress {
    type Err = UnknownKey;

    fn from_str(name: &str) -> Result<Self, UnknownKey> {
        let unknown = || UnknownKey(name.to_owned());
        let lower = name.to_lowercase();
        let (held, key) =
            lower.rsplit_once('+').map_or((None, lower.as_str()), |(h, k)| (Some(h), k));
        let mut modifiers = Vec::new();
        for part in held.into_iter().flat_map(|held| held.split('+')) {
            modifiers.push(match part {
                "ctrl" => (KeyCode::ControlLeft, Key::Control),
                "shift" => (KeyCode::ShiftLeft, Key::Shift),
                "alt" => (KeyCode::AltLeft, Key::Alt),
                _ => return Err(unknown()),
            });
        }
        let shifted = modifiers.iter().any(|(_, key)| *key == Key::Shift);
        let key = find_key(key, shifted).ok_or_else(unknown)?;
        Ok(Self { name: lower, modifiers, key })
    }
}

impl TryFrom<String> for KeyPress {
    type Error = UnknownKey;

    fn try_from(name: String) -> Result<Self, UnknownKey> {
        name.parse()
    }
}

impl fmt::Display for KeyPress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn find_key(name: &str, shifted: bool) -> Option<(KeyCode, Key)> {
    const LETTERS: [KeyCode; 26] = [
        KeyCode::KeyA,
        KeyCode::KeyB,
        KeyCode::KeyC,
        KeyCode::KeyD,
        KeyCode::KeyE,
        KeyCode::KeyF,
        KeyCode::KeyG,
        KeyCode::KeyH,
        KeyCode::KeyI,
        KeyCode::KeyJ,
        KeyCode::KeyK,
        KeyCode::KeyL,
        KeyCode::KeyM,
        KeyCode::KeyN,
        KeyCode::KeyO,
        KeyCode::KeyP,
        KeyCode::KeyQ,
        KeyCode::KeyR,
        KeyCode::KeyS,
        KeyCode::KeyT,
        KeyCode::KeyU,
        KeyCode::KeyV,
        KeyCode::KeyW,
        KeyCode::KeyX,
        KeyCode::KeyY,
        KeyCode::KeyZ,
    ];
    const DIGITS: [KeyCode; 10] = [
        KeyCode::Digit0,
        KeyCode::Digit1,
        KeyCode::Digit2,
        KeyCode::Digit3,
        KeyCode::Digit4,
        KeyCode::Digit5,
        KeyCode::Digit6,
        KeyCode::Digit7,
        KeyCode::Digit8,
        KeyCode::Digit9,
    ];
    const FUNCTIONS: [(KeyCode, Key); 12] = [
        (KeyCode::F1, Key::F1),
        (KeyCode::F2, Key::F2),
        (KeyCode::F3, Key::F3),
        (KeyCode::F4, Key::F4),
        (KeyCode::F5, Key::F5),
        (KeyCode::F6, Key::F6),
        (KeyCode::F7, Key::F7),
        (KeyCode::F8, Key::F8),
        (KeyCode::F9, Key::F9),
        (KeyCode::F10, Key::F10),
        (KeyCode::F11, Key::F11),
        (KeyCode::F12, Key::F12),
    ];
    if let [letter @ b'a'..=b'z'] = name.as_bytes() {
        let text = if shifted { name.to_uppercase() } else { name.to_owned() };
        return Some((LETTERS[usize::from(letter - b'a')], Key::Character(text.into())));
    }
    if let [digit @ b'0'..=b'9'] = name.as_bytes() {
        return Some((DIGITS[usize::from(digit - b'0')], Key::Character(name.into())));
    }
    if let Some(number) = name.strip_prefix('f').and_then(|number| number.parse::<usize>().ok()) {
        return FUNCTIONS.get(number.checked_sub(1)?).cloned();
    }
    Some(match name {
        "escape" => (KeyCode::Escape, Key::Escape),
        "enter" => (KeyCode::Enter, Key::Enter),
        "tab" => (KeyCode::Tab, Key::Tab),
        "space" => (KeyCode::Space, Key::Space),
        "delete" => (KeyCode::Delete, Key::Delete),
        "backspace" => (KeyCode::Backspace, Key::Backspace),
        "home" => (KeyCode::Home, Key::Home),
        "end" => (KeyCode::End, Key::End),
        "left" => (KeyCode::ArrowLeft, Key::ArrowLeft),
        "right" => (KeyCode::ArrowRight, Key::ArrowRight),
        "up" => (KeyCode::ArrowUp, Key::ArrowUp),
        "down" => (KeyCode::ArrowDown, Key::ArrowDown),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::messages::keep;

    fn key(name: &str) -> KeyPress {
        name.parse().expect("is a key")
    }

    #[test]
    fn names_give_the_physical_and_the_logical_key() {
        assert_eq!(key("t").key, (KeyCode::KeyT, Key::Character("t".into())));
        assert_eq!(key("7").key.0, KeyCode::Digit7);
        assert_eq!(key("F10").key, (KeyCode::F10, Key::F10));
        assert_eq!(key("escape").key.0, KeyCode::Escape);
        let redo = key("Ctrl+Shift+z");
        let held: Vec<_> = redo.modifiers.iter().map(|(code, _)| *code).collect();
        assert_eq!(held, [KeyCode::ControlLeft, KeyCode::ShiftLeft]);
        assert_eq!(redo.key, (KeyCode::KeyZ, Key::Character("Z".into())));
    }

    #[test]
    fn only_plain_keys_type_text() {
        assert_eq!(key("t").text(), Some("t"));
        assert_eq!(key("shift+t").text(), Some("T"));
        assert_eq!(key("ctrl+t").text(), None);
        assert_eq!(key("escape").text(), None);
    }

    #[test]
    fn nonsense_is_refused_in_these_words() {
        let names = ["", "ctrl+", "hyper+a", "ab", "f0", "f13", "ä", "+"];
        let said = names.map(|name| {
            (format!("{name:?}"), name.parse::<KeyPress>().expect_err(name).to_string())
        });
        keep("UnknownKey", said);
    }
}
