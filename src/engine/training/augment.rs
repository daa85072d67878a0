//! Training images changed at random, so that a network does not learn them by heart.

use crate::engine::data::Batch;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// Random changes of training images, drawn in every step. Validation images stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Moves every image by up to an eighth of its shorter side in both directions, as if it were cropped
    /// from one with a margin; the margin has the mean colour of the training images.
    pub crop: bool,
    /// Mirrors every second image, left to right.
    pub flip: bool,
}

impl Augment {
    /// Changes the images of a batch.
    pub(super) fn apply(self, batch: &mut Batch, rng: &mut impl Rng) {
        if self == Self::default() {
            return;
        }
        let [_, channels, height, width] = batch.shape;
        let margin = if self.crop { (height.min(width) / 8).max(1) } else { 0 };
        let mut original = vec![0.0; channels * height * width];
        for image in batch.pixels.chunks_exact_mut(channels * height * width) {
            let [down, right] = [(); 2].map(|()| rng.random_range(0..=2 * margin));
            let flip = rng.random::<bool>() && self.flip;
            original.copy_from_slice(image);
            for (plane, original) in
                image.chunks_exact_mut(height * width).zip(original.chunks_exact(height * width))
            {
                for (y, row) in plane.chunks_exact_mut(width).enumerate() {
                    for (x, pixel) in row.iter_mut().enumerate() {
                        let x = if flip { width - 1 - x } else { x };
                        // In an image with a margin on all sides.
                        let (y, x) = (y + down, x + right);
                        let inside = (margin..margin + height).contains(&y)
                            && (margin..margin + width).contains(&x);
                        // Normalised, the mean colour is 0.
                        *pixel =
                            if inside { original[(y - margin) * width + x - margin] } else { 0.0 };
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{data::Targets, seed};
    use std::collections::BTreeSet;

    /// 400 images of 2×2×3 with the values 1 to 12.
    fn batch() -> Batch {
        let image: Vec<f32> = (1..=12).map(|value| value as f32).collect();
        Batch {
            shape: [400, 2, 2, 3],
            pixels: image.repeat(400),
            targets: Targets::Classes(vec![0; 400]),
        }
    }

    fn augmented(augment: Augment) -> Vec<Vec<f32>> {
        let mut batch = batch();
        augment.apply(&mut batch, &mut seed::rng(1, "test", 0));
        batch.pixels.chunks_exact(12).map(<[f32]>::to_vec).collect()
    }

    fn distinct(images: &[Vec<f32>]) -> BTreeSet<Vec<u32>> {
        images.iter().map(|image| image.iter().map(|value| value.to_bits()).collect()).collect()
    }

    #[test]
    fn without_augmentation_nothing_changes_and_nothing_is_drawn() {
        let mut batch = batch();
        let mut rng = seed::rng(1, "test", 0);
        Augment::default().apply(&mut batch, &mut rng);
        assert_eq!(batch, self::batch());
        assert_eq!(rng.random::<u64>(), seed::rng(1, "test", 0).random::<u64>());
    }

    #[test]
    fn half_of_the_images_are_mirrored() {
        let images = augmented(Augment { crop: false, flip: true });
        let mirrored = [3.0, 2.0, 1.0, 6.0, 5.0, 4.0, 9.0, 8.0, 7.0, 12.0, 11.0, 10.0];
        let flipped = images.iter().filter(|image| image[..] == mirrored).count();
        // Five standard deviations of a binomial count with n = 400 and p = 1/2.
        assert!(flipped.abs_diff(200) < 50, "{flipped}");
        assert_eq!(distinct(&images).len(), 2, "the others stay as they are");
    }

    #[test]
    fn crops_are_moves_by_up_to_the_margin_in_every_channel() {
        let images = augmented(Augment { crop: true, flip: false });
        let expected: BTreeSet<Vec<u32>> = (-1_i32..=1)
            .flat_map(|down| (-1_i32..=1).map(move |right| (down, right)))
            .map(|(down, right)| {
                let pixel = |index: i32| {
                    let (channel, y, x) = (index / 6, index / 3 % 2 + down, index % 3 + right);
                    let inside = (0..2).contains(&y) && (0..3).contains(&x);
                    if inside { (channel * 6 + y * 3 + x + 1) as f32 } else { 0.0 }
                };
                (0..12).map(|index| pixel(index).to_bits()).collect()
            })
            .collect();
        assert_eq!(distinct(&images), expected);
    }
}
