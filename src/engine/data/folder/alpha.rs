//! The treatment of transparency, decided for a data set as a whole.

use super::decode::Decoded;

/// Colours that differ by no more than this are the same, in 8 bits or, where there are any, in 16.
const SAME: u16 = 8;

/// Pictures whose mean brightness is this near to a background are hard to see on it.
const NEAR: u64 = 48;

/// The treatment of transparency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    /// It is left out of account.
    Ignored,
    /// Pictures are put on a background of this grey.
    Over(u8),
    /// It is the picture.
    Picture,
}

/// What the pixels of one image say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Whether it has an alpha channel.
    has_alpha: bool,
    /// The smallest and the largest alpha.
    alpha: [u16; 2],
    /// The largest alpha that there can be.
    opaque: u16,
    /// The smallest and largest sample of each channel where the image is more than half opaque.
    visible: Option<[[u16; 2]; 3]>,
    /// The mean brightness there, from 0 to 255.
    brightness: u64,
    /// Whether all pixels are grey, and whether all are that can be seen at all.
    grey: [bool; 2],
    /// Whether all pixels have the same colour.
    plain: bool,
}

impl Seen {
    /// Looks at the pixels of an image.
    pub(super) fn of(image: &Decoded<'_>) -> Self {
        let (channels, has_alpha) = (image.channels(), image.color.has_alpha());
        let opaque = if image.is_16_bit() { u16::MAX } else { 255 };
        let mut seen = Self {
            has_alpha,
            alpha: [u16::MAX, 0],
            opaque,
            visible: None,
            brightness: 0,
            grey: [true; 2],
            plain: true,
        };
        let (mut sum, mut count, mut first) = (0, 0, None);
        for pixel in 0..image.size[0] * image.size[1] {
            let at = pixel * channels;
            let alpha = if has_alpha { image.sample(at + channels - 1) } else { opaque };
            let colour = [0, 1, 2].map(|c| image.sample(at + if channels > 2 { c } else { 0 }));
            seen.alpha = [seen.alpha[0].min(alpha), seen.alpha[1].max(alpha)];
            let grey = colour[0] == colour[1] && colour[1] == colour[2];
            seen.grey[0] &= grey;
            seen.grey[1] &= grey || alpha == 0;
            seen.plain &= *first.get_or_insert(colour) == colour;
            if alpha > opaque / 2 {
                let visible = seen.visible.get_or_insert(colour.map(|sample| [sample; 2]));
                for ([min, max], sample) in visible.iter_mut().zip(colour) {
                    (*min, *max) = ((*min).min(sample), (*max).max(sample));
                }
                sum += colour.iter().map(|&sample| u64::from(sample)).sum::<u64>();
                count += 3;
            }
        }
        seen.brightness = (sum * 255).checked_div(count * u64::from(opaque)).unwrap_or(128);
        seen
    }

    /// Whether the image has grey pixels only, as it is shown under this rule. An invisible one without a picture,
    /// such as web pages count visits with, must not make all others coloured.
    pub(super) fn is_grey(&self, rule: Alpha) -> bool {
        self.plain && self.alpha[1] == 0 || self.grey[usize::from(rule != Alpha::Ignored)]
    }

    /// Whether some pixels are transparent.
    pub(super) fn is_transparent(&self) -> bool {
        self.alpha[0] < self.opaque
    }

    /// Whether some pixels are more transparent than others.
    fn varies(&self) -> bool {
        self.alpha[0] < self.alpha[1]
    }

    /// The samples of the visible pixels in 16 bits.
    fn in_16_bits(&self) -> Option<[[u16; 2]; 3]> {
        let scale = u16::MAX / self.opaque;
        self.visible.map(|channels| channels.map(|range| range.map(|sample| sample * scale)))
    }
}

impl Alpha {
    /// The rule for a data set, from its training images; nothing stands for one without an alpha channel
    /// whose pixels were not surveyed.
    ///
    /// Transparency that is the same all over each image says nothing. If all visible pixels have the same colour,
    /// transparency is the picture. Else the pictures are put on white, or on black or grey if more of them can be
    /// seen there.
    pub(super) fn of(images: &[Option<Seen>]) -> Self {
        let seen: Vec<&Seen> = images.iter().flatten().filter(|image| image.has_alpha).collect();
        if !seen.iter().any(|image| image.varies()) {
            return Self::Ignored;
        }
        if seen.len() == images.len() && is_one_colour(&seen) {
            return Self::Picture;
        }
        let hidden = |background: u8| {
            let near = |image: &&&Seen| {
                image.is_transparent() && image.brightness.abs_diff(u64::from(background)) < NEAR
            };
            seen.iter().filter(near).count()
        };
        // The first of equally good ones.
        Self::Over([255, 0, 128].into_iter().min_by_key(|&grey| hidden(grey)).unwrap_or(255))
    }
}

/// Whether all visible pixels of all images have the same colour.
fn is_one_colour(images: &[&Seen]) -> bool {
    let deep = images.iter().any(|image| image.opaque == u16::MAX);
    let same = if deep { SAME } else { SAME * 257 };
    let visible: Vec<_> = images.iter().filter_map(|image| image.in_16_bits()).collect();
    (0..3).all(|channel| {
        let min = visible.iter().map(|image| image[channel][0]).min();
        let max = visible.iter().map(|image| image[channel][1]).max();
        max.unwrap_or(0) - min.unwrap_or(0) <= same
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image whose visible pixels have these greys and whose alpha goes from `alpha` to 255.
    fn seen(alpha: u16, from: u16, to: u16) -> Option<Seen> {
        let brightness = u64::from(from + to) / 2;
        Some(Seen {
            has_alpha: true,
            alpha: [alpha, 255],
            opaque: 255,
            visible: Some([[from, to]; 3]),
            brightness,
            grey: [true; 2],
            plain: true,
        })
    }

    #[test]
    fn one_rule_holds_for_all() {
        let rule = |images: &[Option<Seen>]| Alpha::of(images);
        assert_eq!(rule(&[]), Alpha::Ignored);
        assert_eq!(rule(&[None, seen(255, 0, 200)]), Alpha::Ignored, "all opaque");
        let same = Some(Seen { alpha: [100, 100], ..seen(0, 0, 200).unwrap() });
        assert_eq!(rule(&[same, same]), Alpha::Ignored, "the same all over");
        assert_eq!(rule(&[seen(0, 3, 7), seen(255, 0, 0)]), Alpha::Picture);
        assert_eq!(rule(&[seen(0, 3, 7), None]), Alpha::Over(255), "one has no alpha");
        assert_eq!(rule(&[seen(0, 0, 200), seen(0, 0, 0)]), Alpha::Over(255));
        assert_eq!(rule(&[seen(0, 200, 240), seen(0, 250, 250)]), Alpha::Over(0), "light ones");
        assert_eq!(rule(&[seen(0, 0, 0), seen(0, 255, 255)]), Alpha::Over(128), "both");
    }
}
