//! The images of one split in memory, as bytes: a quarter of the memory that floats would take.

use super::{DataError, resize};
use std::fmt;

/// Images of one shape, each with its label.
#[derive(Clone, PartialEq, Eq)]
pub struct Images {
    shape: [usize; 3],
    // [n, c, h, w]
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Images {
    /// Images of `shape` (channels, height, width), one for each label; `pixels` is `[n, c, h, w]`, from 0
    /// (dark) to 255.
    ///
    /// # Errors
    /// [`DataError::Inconsistent`] if the number of pixels is another one.
    pub fn new(shape: [usize; 3], pixels: Vec<u8>, labels: Vec<u8>) -> Result<Self, DataError> {
        let expected =
            shape.iter().try_fold(labels.len(), |product, &side| product.checked_mul(side));
        if shape.contains(&0) || expected != Some(pixels.len()) {
            let [c, h, w] = shape;
            let what = format!(
                "{} labels of {c}×{h}×{w} images do not go with {} pixels; give as many pixels as the shape says",
                labels.len(),
                pixels.len()
            );
            return Err(DataError::Inconsistent { what });
        }
        Ok(Self { shape, pixels, labels })
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Channels, height, width of each image.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The pixels of one image, `[c, h, w]`.
    ///
    /// # Panics
    /// If `index` is not below [`Self::len`].
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.image_size();
        &self.pixels[index * size..][..size]
    }

    /// The label of one image.
    ///
    /// # Panics
    /// If `index` is not below [`Self::len`].
    pub fn label(&self, index: usize) -> u8 {
        self.labels[index]
    }

    /// The pixels of all images, `[n, c, h, w]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The labels of all images.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// How many values one image has.
    pub fn image_size(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many images each label has, from label 0 to the highest that occurs.
    pub fn class_counts(&self) -> Vec<usize> {
        let classes = self.labels.iter().max().map_or(0, |&last| usize::from(last) + 1);
        let mut counts = vec![0; classes];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// A copy of the images at `indices`, in that order.
    ///
    /// # Panics
    /// If an index is not below [`Self::len`].
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut pixels = Vec::with_capacity(indices.len() * self.image_size());
        for &index in indices {
            pixels.extend_from_slice(self.image(index));
        }
        let labels = indices.iter().map(|&index| self.labels[index]).collect();
        Self { shape: self.shape, pixels, labels }
    }

    /// The images with the height and width of `shape`, and a single channel repeated to its channels; the
    /// caller has checked that the channels fit.
    pub(super) fn fit_to(&self, shape: [usize; 3]) -> Self {
        let [channels, height, width] = self.shape;
        let resized = resize::bilinear(&self.pixels, [height, width], [shape[1], shape[2]]);
        let pixels = if channels == shape[0] {
            resized
        } else {
            debug_assert_eq!(channels, 1, "only a single channel can be repeated");
            let planes = resized.chunks_exact(shape[1] * shape[2]);
            planes
                .flat_map(|plane| std::iter::repeat_n(plane, shape[0]).flatten().copied())
                .collect()
        };
        Self { shape, pixels, labels: self.labels.clone() }
    }
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [c, h, w] = self.shape;
        write!(f, "{} images of {c}×{h}×{w}", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_where_they_were_put() {
        let images = Images::new([2, 1, 3], (0..18).collect(), vec![4, 0, 4]).unwrap();
        assert_eq!(images.len(), 3);
        assert!(!images.is_empty());
        assert_eq!(images.image(1), [6, 7, 8, 9, 10, 11]);
        assert_eq!(images.label(2), 4);
        assert_eq!(images.class_counts(), [1, 0, 0, 0, 2]);
        let picked = images.select(&[2, 0, 2]);
        assert_eq!(picked.labels(), [4, 4, 4]);
        assert_eq!(picked.image(0), picked.image(2));
        assert_eq!(picked.image(1), images.image(0));
        assert_eq!(images.select(&[0, 1, 2]), images);
    }

    #[test]
    fn pixels_that_do_not_match_the_labels_are_refused() {
        for (shape, pixels, labels) in
            [([1, 2, 2], 7, 2), ([1, 2, 2], 9, 2), ([0, 2, 2], 0, 2), ([usize::MAX, 2, 2], 8, 2)]
        {
            let error = Images::new(shape, vec![0; pixels], vec![0; labels]).unwrap_err();
            assert!(error.to_string().contains(&format!("{pixels} pixels")), "{error}");
        }
    }

    #[test]
    fn a_single_channel_is_repeated() {
        let images = Images::new([1, 1, 2], vec![1, 2, 3, 4], vec![0, 1]).unwrap();
        let fitted = images.fit_to([2, 1, 2]);
        assert_eq!(fitted.shape(), [2, 1, 2]);
        assert_eq!(fitted.pixels(), [1, 2, 1, 2, 3, 4, 3, 4]);
        assert_eq!(fitted.labels(), images.labels());
    }
}
