//! Text as editors, spreadsheets and shells write it: UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

use super::sniff::{Kind, sniff};
use thiserror::Error;

/// How many bytes tell what a file is that is no text.
const SNIFFED: usize = 512;

/// Bytes that are no text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TextError {
    /// A byte that UTF-8 does not have there: most likely text in an older encoding.
    #[error(
        "line {line} is not UTF-8 (byte 0x{byte:02x}); save the file as UTF-8 (in Excel: \
         \"CSV UTF-8\", in Notepad: encoding \"UTF-8\")"
    )]
    NotUtf8 {
        /// The line, from 1.
        line: u64,
        /// The byte.
        byte: u8,
    },
    /// UTF-16 with a half of a character, or cut in the middle of one.
    #[error("line {line} is damaged UTF-16; save the file as UTF-8")]
    DamagedUtf16 {
        /// The line, from 1.
        line: u64,
    },
    /// UTF-32 with something that is no character, or cut in the middle of one.
    #[error("line {line} is damaged UTF-32; save the file as UTF-8")]
    DamagedUtf32 {
        /// The line, from 1.
        line: u64,
    },
    /// The file is known to be something else.
    #[error("this is {0}, not text; unpack it, or export it as text")]
    Other(Kind),
}

/// The text that `bytes` are, without byte order marks. UTF-16 is known by its mark, or by every second one of the
/// first bytes being 0, UTF-32 by its mark.
///
/// # Errors
/// When they are text in another encoding, or no text at all.
pub(in crate::engine) fn decode(bytes: Vec<u8>) -> Result<String, TextError> {
    let mut text = encoded(bytes)?;
    // Programs that prepend a mark without looking leave two of them.
    let marks = text.len() - text.trim_start_matches('\u{feff}').len();
    text.drain(..marks);
    Ok(text)
}

/// The same with the byte order marks.
fn encoded(bytes: Vec<u8>) -> Result<String, TextError> {
    match bytes.as_slice() {
        [0xff, 0xfe, 0, 0, rest @ ..] => return utf32(rest, u32::from_le_bytes),
        [0, 0, 0xfe, 0xff, rest @ ..] => return utf32(rest, u32::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => return utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => return utf16(rest, u16::from_be_bytes),
        _ => {}
    }
    // Text of mostly Latin letters; UTF-8 text holds no zeros.
    let beginning = &bytes[..bytes.len().min(64) & !1];
    let zeros = |place: usize| {
        let count = beginning.iter().skip(place).step_by(2).filter(|&&byte| byte == 0).count();
        count > 0 && count * 4 >= beginning.len()
    };
    match (zeros(0), zeros(1)) {
        (false, true) => return utf16(&bytes, u16::from_le_bytes),
        (true, false) => return utf16(&bytes, u16::from_be_bytes),
        _ => {}
    }
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        match sniff(&bytes[..bytes.len().min(SNIFFED)]) {
            Some(kind) if kind.is_archive() => TextError::Other(kind),
            _ => TextError::NotUtf8 { line: line_at(&bytes[..place]), byte: bytes[place] },
        }
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, TextError> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let cut = bytes.len() % 2 == 1;
    let mut text = String::with_capacity(bytes.len() / 2);
    for character in char::decode_utf16(units).chain(cut.then_some(Ok('\u{fffd}'))) {
        match character {
            Ok(character) if character != '\u{fffd}' => text.push(character),
            _ => return Err(TextError::DamagedUtf16 { line: line_at(text.as_bytes()) }),
        }
    }
    Ok(text)
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Result<String, TextError> {
    let mut text = String::with_capacity(bytes.len() / 4);
    for four in bytes.chunks(4) {
        let character = four.first_chunk().and_then(|&four| char::from_u32(unit(four)));
        match character {
            Some(character) => text.push(character),
            None => return Err(TextError::DamagedUtf32 { line: line_at(text.as_bytes()) }),
        }
    }
    Ok(text)
}

/// The line on which what follows `before` begins, from 1.
fn line_at(before: &[u8]) -> u64 {
    1 + before.iter().filter(|&&byte| byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "grün, 5 µm\r\nzwei — 2\n";
        let marked = format!("\u{feff}{text}");
        let twice = format!("\u{feff}{marked}");
        for bytes in [
            text.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
            twice.as_bytes().to_vec(),
            utf16(&twice, u16::to_le_bytes),
            marked.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
            marked.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
            utf16(&marked, u16::to_le_bytes),
            utf16(&marked, u16::to_be_bytes),
            utf16(text, u16::to_le_bytes),
            utf16(text, u16::to_be_bytes),
        ] {
            assert_eq!(decode(bytes).as_deref(), Ok(text));
        }
        assert_eq!(decode(Vec::new()).as_deref(), Ok(""));
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        let latin1 = b"a\nb\ncaf\xe9\n".to_vec();
        assert_eq!(decode(latin1), Err(TextError::NotUtf8 { line: 3, byte: 0xe9 }));
        let mut cut = utf16("\u{feff}a\nb", u16::to_le_bytes);
        cut.push(7);
        assert_eq!(decode(cut), Err(TextError::DamagedUtf16 { line: 2 }));
        let half = [0xff, 0xfe, 0x61, 0x00, 0x00, 0xd8].to_vec();
        assert_eq!(decode(half), Err(TextError::DamagedUtf16 { line: 1 }));
        for end in [&b"b\0"[..], b"\0\0\x11\0"] {
            let cut = [b"\xff\xfe\0\0a\0\0\0\n\0\0\0", end].concat();
            assert_eq!(decode(cut), Err(TextError::DamagedUtf32 { line: 2 }));
        }
        let packed = decode(b"\x28\xb5\x2f\xfdaaaa".to_vec()).unwrap_err().to_string();
        assert!(packed.contains("Zstandard") && packed.contains("unpack it"), "{packed}");
    }
}
