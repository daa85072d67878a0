//! The examples of one split in memory: images as bytes, a quarter of the memory that floats would take, or
//! rows of a table as floats.

use super::{DataError, resize};
use std::fmt;

/// The values of examples, `[n, c, h, w]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// From 0 (dark) to 255.
    Bytes(Vec<u8>),
    /// Any finite numbers.
    Floats(Vec<f32>),
}

impl Pixels {
    /// How many values there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(values) => values.len(),
            Self::Floats(values) => values.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<u8>> for Pixels {
    fn from(values: Vec<u8>) -> Self {
        Self::Bytes(values)
    }
}

impl From<Vec<f32>> for Pixels {
    fn from(values: Vec<f32>) -> Self {
        Self::Floats(values)
    }
}

/// The target of each example.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Its class.
    Classes(Vec<u16>),
    /// A number.
    Numbers(Vec<f32>),
}

impl Targets {
    /// How many examples there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(labels) => labels.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The targets at `indices`, in that order.
    ///
    /// # Panics
    /// If an index is not below [`Self::len`].
    pub fn select(&self, indices: &[usize]) -> Self {
        match self {
            Self::Classes(labels) => Self::Classes(indices.iter().map(|&i| labels[i]).collect()),
            Self::Numbers(numbers) => Self::Numbers(indices.iter().map(|&i| numbers[i]).collect()),
        }
    }
}

impl From<Vec<u8>> for Targets {
    fn from(labels: Vec<u8>) -> Self {
        Self::Classes(labels.into_iter().map(u16::from).collect())
    }
}

impl From<Vec<u16>> for Targets {
    fn from(labels: Vec<u16>) -> Self {
        Self::Classes(labels)
    }
}

impl From<Vec<f32>> for Targets {
    fn from(numbers: Vec<f32>) -> Self {
        Self::Numbers(numbers)
    }
}

/// Images of one shape, each with its target. A row of a table is an image with one channel per column and a height
/// and width of 1.
#[derive(Clone, PartialEq)]
pub struct Images {
    shape: [usize; 3],
    pixels: Pixels,
    targets: Targets,
}

impl Images {
    /// Images of `shape` (channels, height, width), one for each target; `pixels` is `[n, c, h, w]`.
    ///
    /// # Errors
    /// [`DataError::Inconsistent`] if the number of pixels is another one.
    pub fn new(
        shape: [usize; 3],
        pixels: impl Into<Pixels>,
        targets: impl Into<Targets>,
    ) -> Result<Self, DataError> {
        let (pixels, targets) = (pixels.into(), targets.into());
        let expected =
            shape.iter().try_fold(targets.len(), |product, &side| product.checked_mul(side));
        if shape.contains(&0) || expected != Some(pixels.len()) {
            let [c, h, w] = shape;
            let what = format!(
                "{} labels of {c}×{h}×{w} images do not go with {} pixels; give as many pixels as the shape says",
                targets.len(),
                pixels.len()
            );
            return Err(DataError::Inconsistent { what });
        }
        Ok(Self { shape, pixels, targets })
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Channels, height, width of each image.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The pixels of all images, `[n, c, h, w]`.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// The target of each image.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// How many values one image has.
    pub fn image_size(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many images each label has, from label 0 to the highest that occurs; none for numbers.
    pub fn class_counts(&self) -> Vec<usize> {
        let Targets::Classes(labels) = &self.targets else { return Vec::new() };
        let classes = labels.iter().max().map_or(0, |&last| usize::from(last) + 1);
        let mut counts = vec![0; classes];
        for &label in labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// A copy of the images at `indices`, in that order.
    ///
    /// # Panics
    /// If an index is not below [`Self::len`].
    pub fn select(&self, indices: &[usize]) -> Self {
        fn gather<T: Copy>(values: &[T], size: usize, indices: &[usize]) -> Vec<T> {
            indices.iter().flat_map(|index| &values[index * size..][..size]).copied().collect()
        }
        let size = self.image_size();
        let pixels = match &self.pixels {
            Pixels::Bytes(values) => Pixels::Bytes(gather(values, size, indices)),
            Pixels::Floats(values) => Pixels::Floats(gather(values, size, indices)),
        };
        Self { shape: self.shape, pixels, targets: self.targets.select(indices) }
    }

    /// The images with the height and width of `shape`, and a single channel repeated to its channels;
    /// `None` if that cannot be done: the channels do not fit, or rows of a table would be resized.
    pub(super) fn fit_to(&self, shape: [usize; 3]) -> Option<Self> {
        let [channels, height, width] = self.shape;
        let Pixels::Bytes(pixels) = &self.pixels else {
            return (shape == self.shape).then(|| self.clone());
        };
        let resized = resize::bilinear(pixels, [height, width], [shape[1], shape[2]]);
        let pixels: Vec<u8> = if channels == shape[0] {
            resized
        } else if channels == 1 {
            let planes = resized.chunks_exact(shape[1] * shape[2]);
            planes
                .flat_map(|plane| std::iter::repeat_n(plane, shape[0]).flatten().copied())
                .collect()
        } else {
            return None;
        };
        Some(Self { shape, pixels: pixels.into(), targets: self.targets.clone() })
    }
}

#[cfg(test)]
impl Images {
    /// The bytes of all images.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.pixels {
            Pixels::Bytes(values) => values,
            Pixels::Floats(_) => panic!("no bytes but floats"),
        }
    }

    /// The bytes of one image, `[c, h, w]`.
    pub(super) fn image(&self, index: usize) -> &[u8] {
        let size = self.image_size();
        &self.bytes()[index * size..][..size]
    }

    /// The label of each image.
    pub(super) fn labels(&self) -> &[u16] {
        match &self.targets {
            Targets::Classes(labels) => labels,
            Targets::Numbers(_) => panic!("no labels but numbers"),
        }
    }

    /// The label of one image.
    pub(super) fn label(&self, index: usize) -> u16 {
        self.labels()[index]
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
        let images =
            Images::new([2, 1, 3], (0..18).collect::<Vec<u8>>(), vec![4_u8, 0, 4]).unwrap();
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
    fn rows_of_numbers_are_selected_alike() {
        let rows =
            Images::new([2, 1, 1], vec![1.0_f32, 2.0, 3.0, 4.0], vec![0.5_f32, -0.5]).unwrap();
        let picked = rows.select(&[1, 1, 0]);
        assert_eq!(*picked.pixels(), Pixels::Floats(vec![3.0, 4.0, 3.0, 4.0, 1.0, 2.0]));
        assert_eq!(*picked.targets(), Targets::Numbers(vec![-0.5, -0.5, 0.5]));
        assert!(rows.class_counts().is_empty());
        assert_eq!(rows.fit_to([2, 1, 1]), Some(rows.clone()));
        assert_eq!(rows.fit_to([2, 4, 4]), None, "a table is not resized");
    }

    #[test]
    fn pixels_that_do_not_match_the_labels_are_refused() {
        for (shape, pixels, labels) in
            [([1, 2, 2], 7, 2), ([1, 2, 2], 9, 2), ([0, 2, 2], 0, 2), ([usize::MAX, 2, 2], 8, 2)]
        {
            let error = Images::new(shape, vec![0_u8; pixels], vec![0_u8; labels]).unwrap_err();
            assert!(error.to_string().contains(&format!("{pixels} pixels")), "{error}");
        }
    }

    #[test]
    fn a_single_channel_is_repeated() {
        let images = Images::new([1, 1, 2], vec![1_u8, 2, 3, 4], vec![0_u8, 1]).unwrap();
        let fitted = images.fit_to([2, 1, 2]).unwrap();
        assert_eq!(fitted.shape(), [2, 1, 2]);
        assert_eq!(fitted.bytes(), [1, 2, 1, 2, 3, 4, 3, 4]);
        assert_eq!(fitted.labels(), images.labels());
        assert_eq!(fitted.fit_to([1, 1, 2]), None, "two channels are not made one");
    }
}
