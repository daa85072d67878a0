//! What the markers of a JPEG tell that its decoder does not.

use std::io::{self, Read, Seek};

/// Whether a JPEG ends before its end-of-image marker; decoders make up what is missing. Other files are not.
pub(super) fn is_cut_short(bytes: &[u8]) -> bool {
    let Some(scan) = first_scan(bytes) else { return bytes.starts_with(&[0xff, 0xd8]) };
    // Segments say how long they are, up to the first scan. Those before it may hold whole JPEGs, as previews; a
    // scan holds no end-of-image marker.
    !scan.windows(2).any(|pair| pair == [0xff, 0xd9])
}

/// What the header of a JPEG says of its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Whether it is progressive: its decoder keeps all coefficients, twice as large as the pixels.
    pub(super) progressive: bool,
    /// Height and width, as they are stored.
    pub(super) size: [usize; 2],
    /// Samples per pixel.
    pub(super) components: u8,
}

/// Reads the header of the frame without the rest of the file; nothing where there is none.
pub(super) fn frame(mut file: impl Read + Seek) -> io::Result<Option<Frame>> {
    let mut start = [0; 2];
    file.read_exact(&mut start)?;
    if start != [0xff, 0xd8] {
        return Ok(None);
    }
    loop {
        let mut marker = [0; 2];
        file.read_exact(&mut marker)?;
        // Any number of these may fill up what is before a marker.
        while marker == [0xff, 0xff] {
            file.read_exact(&mut marker[1..])?;
        }
        let mut length = [0; 2];
        file.read_exact(&mut length)?;
        match marker {
            // The other ones of these numbers are tables.
            [0xff, 0xc0..=0xcf] if !matches!(marker[1], 0xc4 | 0xc8 | 0xcc) => {
                let mut frame = [0; 6];
                file.read_exact(&mut frame)?;
                let side = |at: usize| usize::from(u16::from_be_bytes([frame[at], frame[at + 1]]));
                return Ok(Some(Frame {
                    progressive: marker[1] & 3 == 2,
                    size: [side(1), side(3)],
                    components: frame[5],
                }));
            }
            [0xff, 0xda] | [0..=0xfe, _] => return Ok(None),
            _ => file.seek_relative(i64::from(u16::from_be_bytes(length)) - 2)?,
        }
    }
}

/// What follows the segments: the first scan and all after it.
fn first_scan(bytes: &[u8]) -> Option<&[u8]> {
    let mut scan = None;
    segments(bytes, |marker, rest| {
        if marker == 0xda {
            scan = Some(rest);
        }
    });
    scan
}

/// Goes through the segments up to the first scan with marker and rest of the file.
fn segments<'a>(bytes: &'a [u8], mut see: impl FnMut(u8, &'a [u8])) {
    let Some(mut rest) = bytes.strip_prefix(&[0xff, 0xd8]) else { return };
    while let [0xff, marker, high, low, ..] = *rest {
        see(marker, rest);
        if marker == 0xda {
            return;
        }
        // Any number of these may fill up what is before a marker.
        let length =
            if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
        rest = rest.get(length..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, ImageFormat, Luma};
    use std::io::Cursor;

    #[test]
    fn a_jpeg_that_is_cut_short_is_known_and_one_with_a_preview_or_appendix_is_not() {
        let image = GrayImage::from_fn(32, 16, |x, _| Luma([if x < 16 { 0 } else { 255 }]));
        let mut whole = Cursor::new(Vec::new());
        image.write_to(&mut whole, ImageFormat::Jpeg).unwrap();
        let whole = whole.into_inner();
        assert!(!is_cut_short(&whole));
        let of = |bytes: &[u8]| frame(Cursor::new(bytes)).ok().flatten();
        let known = Frame { progressive: false, size: [16, 32], components: 1 };
        assert_eq!(of(&whole), Some(known));
        assert_eq!(of(&[&whole[..2], &[0xff; 3], &whole[2..]].concat()), Some(known));
        assert_eq!(of(b"no JPEG"), None);
        assert_eq!(of(&whole[..9]), None);
        assert!(!is_cut_short(b"no JPEG"));
        for cut in 2..whole.len() - 1 {
            assert!(is_cut_short(&whole[..cut]), "{cut}");
        }
        // A whole preview before the image does not make up for its end.
        let preview = [&[0xff, 0xe1, 0x10, 0x00][..], &[0; 2], &whole].concat();
        let preview =
            [&preview[..2], &(preview.len() as u16 - 2).to_be_bytes(), &preview[4..]].concat();
        let with = |image: &[u8]| [&whole[..2], &preview, &image[2..]].concat();
        assert!(!is_cut_short(&with(&whole)));
        assert_eq!(of(&with(&whole)), Some(known));
        assert!(is_cut_short(&with(&whole[..whole.len() - 2])));
        assert!(!is_cut_short(&[&whole[..], b"\xff\xdaa film"].concat()));
    }
}
