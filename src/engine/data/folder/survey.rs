//! Looks at the pixels of images with transparency, 16 bits or perhaps no colours, before the rule is set that all
//! are read by.

use super::{
    alpha::{Alpha, Seen},
    contrast::{Contrast, VALUES},
    decode::{self, Header, is_16_bit},
    reading::{File, Reading},
    render::Rule,
};
use crate::engine::data::Split;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// What all images together say.
pub(super) struct Survey {
    /// Whether a file that was not surveyed has colours.
    coloured: bool,
    /// What each image says that was looked at.
    seen: Vec<Option<Seen>>,
    /// The rule for transparency.
    alpha: Alpha,
    /// The rule for 16 bits.
    contrast: Contrast,
}

/// How many samples of 16-bit images have each value.
struct Histogram(Mutex<Vec<u64>>);

impl Survey {
    /// Decodes the images whose header does not say it all; those that cannot be decoded are marked.
    pub(super) fn of(reading: &mut Reading, headers: &mut [Option<Header>]) -> Self {
        // What training images say counts; the others only where there are none of the kind.
        let (training, others) = (Histogram::new(), Histogram::new());
        let look = |(file, header): (&File, &Option<Header>)| -> Result<Option<Seen>, String> {
            let Some(header) = header else { return Ok(None) };
            let look = header.color.has_alpha() || header.may_be_grey;
            if !look && !is_16_bit(header.color) {
                return Ok(None);
            }
            let image = decode::decode(&file.path, &reading.budget)?;
            if image.is_16_bit() {
                let histogram = if file.split == Split::Train { &training } else { &others };
                histogram.add(&image);
            }
            Ok(look.then(|| Seen::of(&image)))
        };
        let looked: Vec<_> = reading.files.par_iter().zip(&*headers).map(look).collect();
        let mut seen = Vec::with_capacity(looked.len());
        for (file, result) in reading.files.iter_mut().zip(looked) {
            seen.push(result.unwrap_or_else(|reason| {
                file.failed = Some(reason);
                None
            }));
        }
        reading.forget(headers);
        let of = |training: bool| {
            let files = reading.files.iter().zip(&seen);
            let chosen = files.filter(|(file, _)| {
                file.failed.is_none() && (!training || file.split == Split::Train)
            });
            Alpha::of(&chosen.map(|(_, seen)| *seen).collect::<Vec<_>>())
        };
        let alpha = match of(true) {
            Alpha::Ignored => of(false),
            alpha => alpha,
        };
        let coloured = headers
            .iter()
            .zip(&seen)
            .any(|(header, seen)| seen.is_none() && header.is_some_and(|h| h.color.has_color()));
        let histogram = if training.is_empty() { others } else { training };
        let contrast = Contrast::of(&histogram.into_counts());
        Self { coloured, seen, alpha, contrast }
    }

    /// The rule for images of this height and width.
    pub(super) fn rule(&self, [height, width]: [usize; 2]) -> Rule {
        let coloured =
            self.coloured || self.seen.iter().flatten().any(|image| !image.is_grey(self.alpha));
        let channels = if coloured && self.alpha != Alpha::Picture { 3 } else { 1 };
        Rule { shape: [channels, height, width], alpha: self.alpha, contrast: self.contrast }
    }

    /// Whether an image is grey under the rule.
    pub(super) fn is_grey(&self, index: usize, header: &Header) -> bool {
        self.seen[index].map_or(!header.color.has_color(), |image| image.is_grey(self.alpha))
    }

    /// How many images are transparent in places.
    pub(super) fn transparent(&self) -> usize {
        self.seen.iter().flatten().filter(|image| image.is_transparent()).count()
    }
}

impl Histogram {
    fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn add(&self, image: &decode::Decoded<'_>) {
        let channels = image.channels();
        // Alpha is the last one of an even number.
        let colours = if channels.is_multiple_of(2) { channels - 1 } else { channels };
        let mut counts = vec![0_u64; VALUES];
        for pixel in 0..image.size[0] * image.size[1] {
            for channel in 0..colours {
                counts[usize::from(image.sample(pixel * channels + channel))] += 1;
            }
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            *all = counts;
        } else {
            all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn into_counts(self) -> Vec<u64> {
        let counts = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if counts.is_empty() { vec![0; VALUES] } else { counts }
    }
}
