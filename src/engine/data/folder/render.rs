//! Brings a decoded image into the form of the data set.

use super::{
    alpha::Alpha,
    contrast::Contrast,
    decode::Decoded,
    turn::{turn, turned_size},
};
use crate::engine::data::resize::Resizer;

/// How all images of a data set are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    /// Channels (1 or 3), height and width.
    pub(super) shape: [usize; 3],
    /// The treatment of transparency.
    pub(super) alpha: Alpha,
    /// The conversion of 16 bits.
    pub(super) contrast: Contrast,
}

impl Rule {
    /// The image as `[c, h, w]`. Pixels are converted a row at a time while they are resized: there is no second copy.
    pub(super) fn render(&self, image: &Decoded<'_>) -> Vec<u8> {
        if image.is_16_bit() {
            self.resized(image, |index| self.contrast.apply(image.sample(index)), 65535.0)
        } else {
            self.resized(image, |index| f32::from(image.sample(index)), 255.0)
        }
    }

    fn resized(&self, image: &Decoded<'_>, value: impl Fn(usize) -> f32, opaque: f32) -> Vec<u8> {
        let [planes, height, width] = self.shape;
        let stored = turned_size([height, width], image.turn);
        let (columns, channels) = (image.size[1], image.channels());
        let (has_alpha, colours) = (channels.is_multiple_of(2), channels.div_ceil(2) * 2 - 1);
        let resized = Resizer::new(image.size, stored).resize(planes, |y, row| {
            for (plane, row) in row.chunks_exact_mut(columns).enumerate() {
                // A grey image gives all planes; of three equal channels, the first gives the only plane.
                let channel = plane.min(colours - 1);
                let pixels = (y * columns..).map(|pixel| pixel * channels);
                for (target, pixel) in row.iter_mut().zip(pixels) {
                    let alpha = || {
                        if !has_alpha {
                            return 1.0;
                        }
                        f32::from(image.sample(pixel + channels - 1)) / opaque
                    };
                    *target = match self.alpha {
                        Alpha::Picture => alpha() * 255.0,
                        Alpha::Over(background) if has_alpha => {
                            let alpha = alpha();
                            value(pixel + channel) * alpha + f32::from(background) * (1.0 - alpha)
                        }
                        Alpha::Over(_) | Alpha::Ignored => value(pixel + channel),
                    };
                }
            }
        });
        turn(resized, stored, image.turn)
    }
}
