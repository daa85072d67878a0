//! Pictures as tests look at them: pixels and what can be counted in them.

use bevy::{
    asset::RenderAssetUsages,
    image::{CompressedImageFormats, Image, ImageSampler, ImageType},
};
use std::{collections::BTreeSet, path::Path};

/// Red, green, blue.
pub(crate) type Rgb = [u8; 3];

/// A picture.
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pixels: Vec<Rgb>,
}

impl Picture {
    /// Reads a PNG file.
    pub(crate) fn open(path: &Path) -> Self {
        let bytes =
            std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let image = Image::from_buffer(
            &bytes,
            ImageType::Extension("png"),
            CompressedImageFormats::NONE,
            true,
            ImageSampler::Default,
            RenderAssetUsages::MAIN_WORLD,
        )
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let image = image.try_into_dynamic().expect("PNG pixels are known").to_rgb8();
        let (width, height) = (image.width() as usize, image.height() as usize);
        Self { width, height, pixels: image.pixels().map(|pixel| pixel.0).collect() }
    }

    /// Reads what X11's `xwd` writes: a header of big-endian numbers, a colour table, then rows of pixels
    /// of 32 bits.
    pub(crate) fn from_xwd(bytes: &[u8]) -> Self {
        let field = |index: usize| {
            let at = index * 4;
            u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
        };
        let (header, width, height) = (field(0), field(4), field(5));
        let (little_endian, bits, row, colors) = (field(7) == 0, field(11), field(12), field(19));
        assert_eq!((bits, little_endian), (32, true), "another pixel format than Xvfb's");
        let start = header + colors * 12;
        let pixels = (0..height)
            .flat_map(|y| bytes[start + y * row..][..width * 4].chunks_exact(4))
            .map(|pixel| [pixel[2], pixel[1], pixel[0]])
            .collect();
        Self { width, height, pixels }
    }

    pub(crate) fn rows(&self, rows: std::ops::Range<usize>) -> impl Iterator<Item = Rgb> + '_ {
        self.pixels[rows.start * self.width..rows.end * self.width].iter().copied()
    }

    /// How many colours there are, of 32 levels a channel, so that noise does not count.
    pub(crate) fn colors(&self) -> usize {
        self.pixels
            .iter()
            .map(|pixel| pixel.map(|channel| channel / 8))
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// Mean brightness, 0 to 255, of a square with this middle.
    pub(crate) fn brightness(&self, [x, y]: [f64; 2], half: usize) -> f64 {
        let (x, y) = (x.round() as usize, y.round() as usize);
        let columns = x.saturating_sub(half)..(x + half).min(self.width);
        let rows = y.saturating_sub(half)..(y + half).min(self.height);
        let sum: u64 = rows
            .clone()
            .flat_map(|y| columns.clone().map(move |x| (x, y)))
            .map(|(x, y)| {
                self.pixels[y * self.width + x]
                    .iter()
                    .map(|&channel| u64::from(channel))
                    .sum::<u64>()
            })
            .sum();
        sum as f64 / (3 * columns.len() * rows.len()).max(1) as f64
    }
}

/// Whether a colour is the amber of convolution bricks, in light or in shade.
pub(crate) fn is_amber([r, g, b]: Rgb) -> bool {
    let [r, g, b] = [r, g, b].map(f64::from);
    r > 90.0 && (0.55..0.9).contains(&(g / r)) && b < 0.55 * r && b < g
}
