//! Text as editors, spreadsheets and shells write it: UTF-8 or UTF-16, with or without a byte order mark.

use thiserror::Error;

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
    /// UTF-32, which nothing else writes by accident.
    #[error("the text is UTF-32; save the file as UTF-8")]
    Utf32,
}

/// The text that `bytes` are, without a byte order mark. UTF-16 is known by its mark, or by every second one of the
/// first bytes being 0.
///
/// # Errors
/// When they are text in another encoding, or no text at all.
pub(in crate::engine) fn decode(bytes: Vec<u8>) -> Result<String, TextError> {
    match bytes.as_slice() {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Err(TextError::Utf32),
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
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        TextError::NotUtf8 { line: line_at(&bytes[..place]), byte: bytes[place] }
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
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
        for bytes in [
            text.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
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
        assert_eq!(decode(b"\xff\xfe\0\0a\0\0\0".to_vec()), Err(TextError::Utf32));
    }
}
