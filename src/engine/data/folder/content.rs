//! What the first bytes of a file say: which format decodes it, or what it is instead of an image.

use crate::engine::sniff::{sniff, text};
use image::ImageFormat;
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// How much of a file is looked at; a tar archive is known by its 262nd byte.
const HEAD: u64 = 512;

/// Lengths of the header of a bitmap, which stands in its 15th byte: two letters alone are no proof.
const BITMAP_HEADERS: [u32; 8] = [12, 16, 40, 52, 56, 64, 108, 124];

/// The first bytes of a file.
pub(super) fn head(file: impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// The format of an image that is read.
pub(super) fn format(head: &[u8]) -> Option<ImageFormat> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    let format = image::guess_format(head).ok()?;
    matches!(format, Bmp | Gif | Jpeg | Png | Tiff | WebP).then_some(format)
}

/// Whether a file is an image although its name does not end so.
pub(super) fn is_image(path: &Path, has_ending: bool) -> bool {
    let Ok(head) = File::open(path).and_then(head) else { return false };
    match format(&head) {
        Some(ImageFormat::Bmp) => head
            .get(14..18)
            .and_then(|length| length.try_into().ok())
            .is_some_and(|length| BITMAP_HEADERS.contains(&u32::from_le_bytes(length))),
        // Raw photos of many cameras begin like a TIFF and hold a small preview first.
        Some(ImageFormat::Tiff) => !has_ending,
        Some(_) => true,
        None => false,
    }
}

/// What a file is that begins like no image that is read.
pub(super) fn instead(head: &[u8]) -> String {
    let brand = if head.get(4..8) == Some(b"ftyp") { head.get(8..12) } else { None };
    match brand {
        Some(b"avif" | b"avis") => return other_image("an AVIF image"),
        Some(b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1") => {
            return other_image("a HEIC image");
        }
        _ => {}
    }
    match (sniff(head), image::guess_format(head)) {
        (_, Ok(format)) => other_image(&format!("an image of the format {format:?}")),
        (Some(kind), _) => kind.to_string(),
        (None, _) => {
            text(head).unwrap_or_else(|| "not an image of a format that is read".to_owned())
        }
    }
}

fn other_image(what: &str) -> String {
    format!("{what}, which is not read; convert it to PNG or JPEG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_image_is_told_by_its_kind() {
        assert_eq!(instead(b""), "empty");
        assert_eq!(instead(b"<!DOCTYPE html><html>"), "a web page (HTML)");
        assert!(instead(b"\0\0\0\x18ftypheic\0\0").contains("HEIC"));
        assert!(instead(b"\0\0\0\x1cftypavif\0\0").contains("AVIF"));
        assert!(instead(b"P5\n1 1\n255\n.").contains("Pnm"));
        assert_eq!(instead(b"404: Not Found\n"), "text (`404: Not Found`)");
        assert!(instead(b"\x07\x01hello").contains("not an image"));
    }

    #[test]
    fn two_letters_do_not_make_a_bitmap_and_a_raw_photo_is_no_tiff() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        std::fs::write(&file, "BMW and other makes of cars").unwrap();
        assert!(!is_image(&file, false));
        image::GrayImage::new(2, 2).save_with_format(&file, ImageFormat::Bmp).unwrap();
        assert!(is_image(&file, false));
        image::GrayImage::new(2, 2).save_with_format(&file, ImageFormat::Tiff).unwrap();
        assert!(is_image(&file, false) && !is_image(&file, true));
    }
}
