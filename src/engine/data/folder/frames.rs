//! Whether a file holds more pictures than the first one, which is the one that is read.

use image::{
    ImageFormat,
    codecs::{png::PngDecoder, webp::WebPDecoder},
};
use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// Whether there are several frames or pages. A file that breaks off or cannot be read has one.
pub(super) fn several(path: &Path, format: ImageFormat) -> bool {
    let Ok(file) = File::open(path).map(BufReader::new) else { return false };
    match format {
        ImageFormat::Gif => gif(file).unwrap_or(false),
        ImageFormat::Png => PngDecoder::new(file).and_then(|png| png.is_apng()).unwrap_or(false),
        ImageFormat::WebP => WebPDecoder::new(file).is_ok_and(|webp| webp.has_animation()),
        ImageFormat::Tiff => tiff(file).unwrap_or(false),
        _ => false,
    }
}

/// Whether there is a second frame, found by going from block to block.
fn gif(mut file: impl BufRead + Seek) -> std::io::Result<bool> {
    let mut screen = [0; 13];
    file.read_exact(&mut screen)?;
    skip(&mut file, palette(screen[10]))?;
    let mut frames = 0;
    loop {
        match byte(&mut file)? {
            // An extension: a label, then blocks.
            0x21 => {
                byte(&mut file)?;
            }
            // A frame: its place, its own palette, the size of codes, then blocks.
            0x2c => {
                frames += 1;
                if frames > 1 {
                    return Ok(true);
                }
                let mut place = [0; 9];
                file.read_exact(&mut place)?;
                skip(&mut file, palette(place[8]) + 1)?;
            }
            _ => return Ok(false),
        }
        loop {
            match byte(&mut file)? {
                0 => break,
                length => skip(&mut file, i64::from(length))?,
            }
        }
    }
}

/// The bytes of a palette that these flags announce.
fn palette(flags: u8) -> i64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

fn byte(file: &mut impl Read) -> std::io::Result<u8> {
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn skip(file: &mut impl Seek, bytes: i64) -> std::io::Result<()> {
    file.seek_relative(bytes)
}

/// Whether the first directory of a TIFF names another one.
fn tiff(mut file: impl Read + Seek) -> std::io::Result<bool> {
    let mut start = [0; 8];
    file.read_exact(&mut start)?;
    let little = start.starts_with(b"II");
    let number = |bytes: [u8; 4]| {
        if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    };
    file.seek(SeekFrom::Start(u64::from(number([start[4], start[5], start[6], start[7]]))))?;
    let mut tags = [0; 2];
    file.read_exact(&mut tags)?;
    let tags = if little { u16::from_le_bytes(tags) } else { u16::from_be_bytes(tags) };
    file.seek_relative(12 * i64::from(tags))?;
    let mut next = [0; 4];
    file.read_exact(&mut next)?;
    Ok(number(next) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Frame, GrayImage, RgbaImage, codecs::gif::GifEncoder};

    #[test]
    fn animations_are_told_from_single_frames() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for frames in [1, 2, 3] {
            let mut gif = GifEncoder::new(File::create(&path).unwrap());
            for number in 0..frames {
                let image = RgbaImage::from_pixel(5, 4, image::Rgba([number * 50, 9, 9, 255]));
                gif.encode_frame(Frame::new(image)).unwrap();
            }
            drop(gif);
            assert_eq!(several(&path, ImageFormat::Gif), frames > 1, "{frames}");
        }
        for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Bmp] {
            GrayImage::new(3, 3).save_with_format(&path, format).unwrap_or_else(|_| {
                image::RgbImage::new(3, 3).save_with_format(&path, format).unwrap();
            });
            assert!(!several(&path, format), "{format:?}");
        }
        assert!(!several(&folder.path().join("none"), ImageFormat::Gif));
    }
}
