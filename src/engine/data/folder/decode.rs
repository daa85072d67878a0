//! Opens and decodes one image file, or says why that cannot be done.

use super::{
    budget::{Budget, Taken},
    content, frames,
    jpeg::{self, Frame},
    turn::turned_size,
};
use crate::quiet;
use image::{
    ColorType, ExtendedColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    error::{ImageFormatHint, UnsupportedErrorKind},
    metadata::Orientation,
};
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Cursor, Read, Seek},
    path::Path,
};

/// The most bytes that decoding one image may take, with the copies that its decoder makes and, of a JPEG, the file;
/// and the most that all take that are decoded at once.
pub(super) const LIMIT: u64 = 512 << 20;

const MIB: u64 = 1 << 20;

/// Facts about an image before it is decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// Height and width, as it is shown.
    pub(super) size: [usize; 2],
    /// Its channels and their bits.
    pub(super) color: ColorType,
    /// Whether all files of this format give colours, also where their pixels are grey.
    pub(super) may_be_grey: bool,
    /// Whether the file has more frames or pages than the one that is read.
    pub(super) several: bool,
}

/// The pixels of an image.
pub(super) struct Decoded<'a> {
    bytes: Vec<u8>,
    /// Height and width, as they are stored.
    pub(super) size: [usize; 2],
    /// Its channels and their bits.
    pub(super) color: ColorType,
    /// How it is turned before it is shown.
    pub(super) turn: Orientation,
    _memory: Taken<'a>,
}

impl Decoded<'_> {
    /// How many samples a pixel has, with alpha.
    pub(super) fn channels(&self) -> usize {
        usize::from(self.color.channel_count())
    }

    /// Whether samples have 16 bits.
    pub(super) fn is_16_bit(&self) -> bool {
        is_16_bit(self.color)
    }

    /// A sample: row by row, the channels of a pixel together.
    pub(super) fn sample(&self, index: usize) -> u16 {
        if self.is_16_bit() {
            u16::from_ne_bytes([self.bytes[2 * index], self.bytes[2 * index + 1]])
        } else {
            u16::from(self.bytes[index])
        }
    }
}

/// Whether samples of this type have 16 bits.
pub(super) fn is_16_bit(color: ColorType) -> bool {
    use ColorType::{L16, La16, Rgb16, Rgba16};
    matches!(color, L16 | La16 | Rgb16 | Rgba16)
}

/// Facts about the image in a file before it is decoded.
pub(super) fn header(path: &Path, budget: &Budget) -> Result<Header, String> {
    guarded(|| {
        let opened = Opened::open(path, budget, false)?;
        let several = frames::several(path, opened.format);
        let size = turned_size(opened.size, opened.turn);
        let may_be_grey =
            matches!(opened.format, ImageFormat::Bmp | ImageFormat::Gif | ImageFormat::WebP);
        Ok(Header { size, color: opened.decoder.color_type(), may_be_grey, several })
    })
}

/// Decodes an image as soon as there is memory for it.
pub(super) fn decode<'a>(path: &Path, budget: &'a Budget) -> Result<Decoded<'a>, String> {
    guarded(|| {
        let Opened { decoder, size, turn, memory: _memory, .. } = Opened::open(path, budget, true)?;
        let (color, length) = (decoder.color_type(), decoder.total_bytes());
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| too_large(size, length))?];
        decoder.read_image(&mut bytes).map_err(|error| reason(&error))?;
        Ok(Decoded { bytes, size, color, turn, _memory })
    })
}

/// A decoder that panics over a file has found one more way to be damaged.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    quiet::quietly_here(work)
        .unwrap_or_else(|panic| Err(format!("damaged; the decoder stopped with: {panic}")))
}

/// Where the bytes of a file come from.
trait Source: BufRead + Seek {}
impl<T: BufRead + Seek> Source for T {}

/// An image whose header has been read.
struct Opened<'a, D> {
    decoder: D,
    format: ImageFormat,
    /// Height and width, as they are stored.
    size: [usize; 2],
    turn: Orientation,
    /// The bytes that it takes.
    memory: Taken<'a>,
}

impl Opened<'_, ()> {
    /// The content decides what a file is, not its name. Waits for the memory of what is read now or, if the pixels
    /// are wanted, decoded next.
    fn open<'a>(
        path: &Path,
        budget: &'a Budget,
        pixels: bool,
    ) -> Result<Opened<'a, impl ImageDecoder + use<>>, String> {
        let told = |error: io::Error| error.to_string();
        // Opening a pipe would wait for its other end.
        if !fs::metadata(path).map_err(told)?.is_file() {
            return Err("a pipe or device, not a file".to_owned());
        }
        let mut file = File::open(path).map_err(told)?;
        let length = file.metadata().map_err(told)?.len();
        let head = content::head(&file).map_err(told)?;
        let format = content::format(&head).ok_or_else(|| content::instead(&head))?;
        file.rewind().map_err(told)?;
        let mut memory = None;
        let source: Box<dyn Source> = if format == ImageFormat::Jpeg {
            // The decoder makes a copy of the file.
            let whole = length.saturating_mul(2);
            let decoding: u64 = match jpeg::frame(BufReader::new(&file)) {
                Ok(Some(frame)) => frame_memory(frame)?,
                // Whatever is wrong with the file, the decoder says it.
                _ => 0,
            };
            let all = whole.saturating_add(decoding);
            if all > LIMIT {
                let (takes, limit) = (all.div_ceil(MIB), LIMIT / MIB);
                return Err(format!(
                    "the file and its pixels take {takes} MiB, allowed are {limit} MiB; make it smaller"
                ));
            }
            memory = Some(budget.take(if pixels { all } else { whole }));
            file.rewind().map_err(told)?;
            let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
            file.read_to_end(&mut bytes).map_err(told)?;
            if jpeg::is_cut_short(&bytes) {
                return Err("truncated: the end of the image is missing".to_owned());
            }
            Box::new(Cursor::new(bytes))
        } else {
            Box::new(BufReader::new(file))
        };

        let mut reader = ImageReader::with_format(source, format);
        let mut limits = Limits::default();
        // Decoders of TIFF want as much again for themselves.
        limits.max_alloc = Some(2 * LIMIT);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(|error| reason(&error))?;
        let turn = decoder.orientation().map_err(|error| reason(&error))?;
        let (width, height) = decoder.dimensions();
        let size = [height as usize, width as usize];
        if size.contains(&0) {
            return Err("the image has no pixels".to_owned());
        }
        let bytes = decoder.total_bytes();
        if bytes > LIMIT {
            return Err(too_large(size, bytes));
        }
        if matches!(decoder.color_type(), ColorType::Rgb32F | ColorType::Rgba32F) {
            return Err("pixels of 32-bit floating point are not read; convert it to 8 or 16 bits"
                .to_owned());
        }
        let copies = match format {
            ImageFormat::WebP => 3,
            ImageFormat::Tiff => 2,
            _ => 1,
        };
        if copies * bytes > LIMIT {
            let what = if format == ImageFormat::Tiff { "TIFF" } else { "WebP image" };
            return Err(takes_too_much(what, size, copies * bytes, ""));
        }
        let memory = memory.unwrap_or_else(|| budget.take(if pixels { copies * bytes } else { 0 }));
        Ok(Opened { decoder, format, size, turn, memory })
    }
}

/// The bytes that decoding this frame takes, beside the file.
fn frame_memory(frame: Frame) -> Result<u64, String> {
    let [height, width] = frame.size;
    let bytes = (height * width) as u64 * u64::from(frame.components);
    if bytes > LIMIT {
        return Err(too_large(frame.size, bytes));
    }
    // Of a progressive image, the coefficients of all scans are kept, of two bytes each.
    let memory = if frame.progressive { 3 * bytes } else { bytes };
    if memory > LIMIT {
        return Err(takes_too_much(
            "progressive JPEG",
            frame.size,
            memory,
            "save it as a baseline JPEG, or ",
        ));
    }
    Ok(memory)
}

fn takes_too_much(what: &str, [height, width]: [usize; 2], bytes: u64, fix: &str) -> String {
    let (takes, limit) = (bytes.div_ceil(MIB), LIMIT / MIB);
    format!(
        "decoding a {what} of {width}×{height} pixels takes {takes} MiB, allowed are {limit} MiB; {fix}make it smaller"
    )
}

fn too_large([height, width]: [usize; 2], bytes: u64) -> String {
    let (takes, limit) = (bytes.div_ceil(MIB), LIMIT / MIB);
    format!(
        "{width}×{height} pixels take {takes} MiB when decoded, allowed are {limit} MiB; make it smaller"
    )
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A decoder's message, on one line.
fn reason(error: &ImageError) -> String {
    let text = one_line(&error.to_string());
    match error {
        ImageError::Unsupported(what) => {
            let hint = what.format_hint();
            let what = match what.kind() {
                UnsupportedErrorKind::Color(ExtendedColorType::Unknown(bits)) => {
                    format!("pixels of {bits} bits")
                }
                UnsupportedErrorKind::GenericFeature(feature) => one_line(&feature),
                _ => text,
            };
            // 32 bits, signed or floating point.
            let fix = if hint == ImageFormatHint::Exact(ImageFormat::Tiff) {
                "8 or 16 unsigned bits per channel, or to PNG or JPEG"
            } else {
                "PNG or JPEG"
            };
            format!("this kind of image is not read ({what}); convert it to {fix}")
        }
        ImageError::IoError(io) if io.kind() == io::ErrorKind::UnexpectedEof => {
            format!("truncated: {text}")
        }
        // What the library says around it names its own parts.
        ImageError::Decoding(inner) => {
            let why = std::error::Error::source(inner).map(|why| one_line(&why.to_string()));
            why.map_or_else(|| "damaged".to_owned(), |why| format!("damaged ({why})"))
        }
        _ => text,
    }
}
