//! What the markers of a JPEG tell that its decoder does not.

/// Whether a JPEG ends before its end-of-image marker; decoders make up what is missing. Other files are not.
pub(super) fn is_cut_short(bytes: &[u8]) -> bool {
    let Some(scan) = first_scan(bytes) else { return bytes.starts_with(&[0xff, 0xd8]) };
    // Segments say how long they are, up to the first scan. Those before it may hold whole JPEGs, as previews; a
    // scan holds no end-of-image marker.
    !scan.windows(2).any(|pair| pair == [0xff, 0xd9])
}

/// Whether a JPEG is progressive: its decoder keeps all coefficients, twice as large as the pixels.
pub(super) fn is_progressive(bytes: &[u8]) -> bool {
    let mut progressive = false;
    segments(bytes, |marker, _| progressive |= marker == 0xc2);
    progressive
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
        assert!(!is_cut_short(&whole) && !is_progressive(&whole));
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
        assert!(is_cut_short(&with(&whole[..whole.len() - 2])));
        assert!(!is_cut_short(&[&whole[..], b"\xff\xdaa film"].concat()));
    }
}
