//! A data set in memory: three splits, normalisation, batches.

use super::{DataError, DataSource, Images, embedded, idx};
use sha2::{Digest, Sha256};

/// The most memory that the images of a data set may take after resizing.
const MAX_BYTES: u64 = 4 << 30;

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// What weights are trained on.
    Train,
    /// What candidates are compared on.
    Val,
    /// What the search never sees.
    Test,
}

impl Split {
    /// All splits.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];
}

/// Images ready for a tensor, with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Images, channels, height, width.
    pub shape: [usize; 4],
    /// The normalised values, `[n, c, h, w]`.
    pub pixels: Vec<f32>,
    /// The class of each image, `[n]`.
    pub labels: Vec<i32>,
}

/// A data set: labelled images in three splits, and how to normalise them.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The name, as [`DataSource`] writes it.
    pub name: String,
    /// The number of classes; labels are below it.
    pub classes: usize,
    /// What each class is called.
    pub class_names: Vec<String>,
    /// What weights are trained on.
    pub train: Images,
    /// What candidates are compared on.
    pub val: Images,
    /// What the search never sees.
    pub test: Images,
    /// The mean of each channel over the training split, where a pixel goes from 0 to 1.
    pub mean: Vec<f32>,
    /// The standard deviation of each channel over the training split, in the same unit; 1 where it is 0.
    pub std: Vec<f32>,
}

impl Dataset {
    /// A data set of these splits; the normalisation is worked out.
    ///
    /// # Errors
    /// [`DataError::Inconsistent`] if a split is empty, shapes differ, a label has no name, or a class no
    /// training image.
    pub fn new(
        name: impl Into<String>,
        class_names: Vec<String>,
        train: Images,
        val: Images,
        test: Images,
    ) -> Result<Self, DataError> {
        let (name, classes) = (name.into(), class_names.len());
        let inconsistent = |what| Err(DataError::Inconsistent { what });
        if train.class_counts().len() < classes || train.class_counts().contains(&0) {
            return inconsistent(format!(
                "not all {classes} classes of {name} have training images; add some"
            ));
        }
        for (split, images) in [("training", &train), ("validation", &val), ("test", &test)] {
            if images.is_empty() {
                return inconsistent(format!(
                    "the {split} split of {name} is empty; add images to it"
                ));
            }
            if images.shape() != train.shape() {
                let what = format!(
                    "{split} and training split of {name} differ in shape; resize one of them"
                );
                return inconsistent(what);
            }
            let labels = images.class_counts().len();
            if labels > classes {
                let last = labels - 1;
                let what = format!(
                    "label {last} of the {split} split of {name} has no class name; add it"
                );
                return inconsistent(what);
            }
        }
        let (mean, std) = moments(&train);
        Ok(Self { name, classes, class_names, train, val, test, mean, std })
    }

    /// Loads and checks a data set.
    ///
    /// # Errors
    /// Whatever is wrong with the files, each with its place; never for the embedded ones.
    pub fn load(source: &DataSource) -> Result<Self, DataError> {
        let name = source.to_string();
        match source {
            DataSource::FashionMini => embedded::fashion_mini(name),
            DataSource::Digits => embedded::digits(name),
            DataSource::Idx(folder) => idx::load(folder, name),
        }
    }

    /// The images of one split.
    pub fn split(&self, split: Split) -> &Images {
        match split {
            Split::Train => &self.train,
            Split::Val => &self.val,
            Split::Test => &self.test,
        }
    }

    /// Channels, height, width of each image.
    pub fn shape(&self) -> [usize; 3] {
        self.train.shape()
    }

    /// The data set in the shape (channels, height, width) that a template's input takes: resized
    /// bilinearly, a single channel repeated as often as needed; the normalisation is worked out anew.
    ///
    /// # Errors
    /// [`DataError::Channels`] if there are several channels but not as many as wanted,
    /// [`DataError::UnfitShape`] if the result would have no pixels or take more memory than is sensible.
    pub fn fit_to(&self, shape: [usize; 3]) -> Result<Self, DataError> {
        if shape == self.shape() {
            return Ok(self.clone());
        }
        let [channels, ..] = self.shape();
        if channels != 1 && channels != shape[0] {
            return Err(DataError::Channels {
                name: self.name.clone(),
                channels,
                wanted: shape[0],
            });
        }
        let images = Split::ALL.map(|split| self.split(split).len()).iter().sum();
        let bytes =
            shape.iter().fold(images as u128, |bytes, &side| bytes.saturating_mul(side as u128));
        if bytes == 0 || bytes > u128::from(MAX_BYTES) {
            return Err(DataError::UnfitShape { shape, images, bytes, limit: MAX_BYTES });
        }
        let [train, val, test] = Split::ALL.map(|split| self.split(split).fit_to(shape));
        Self::new(self.name.clone(), self.class_names.clone(), train, val, test)
    }

    /// The images of `split` at `indices`, normalised.
    ///
    /// # Panics
    /// If an index is not below the length of the split.
    pub fn batch(&self, split: Split, indices: &[usize]) -> Batch {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        self.copy_batch(split, indices, &mut pixels, &mut labels);
        let [channels, height, width] = self.shape();
        Batch { shape: [indices.len(), channels, height, width], pixels, labels }
    }

    /// Like [`Self::batch`], into buffers whose memory is used again: `pixels` becomes `[n, c, h, w]`,
    /// `labels` becomes `[n]`.
    ///
    /// # Panics
    /// If an index is not below the length of the split.
    pub fn copy_batch(
        &self,
        split: Split,
        indices: &[usize],
        pixels: &mut Vec<f32>,
        labels: &mut Vec<i32>,
    ) {
        let images = self.split(split);
        let [_, height, width] = images.shape();
        // (p / 255 - mean) / std as one multiplication and one addition.
        let unit = |(mean, std): (&f32, &f32)| (1.0 / (255.0 * std), -mean / std);
        let units: Vec<(f32, f32)> = self.mean.iter().zip(&self.std).map(unit).collect();
        pixels.clear();
        pixels.reserve(indices.len() * images.image_size());
        for &index in indices {
            for (plane, &(scale, shift)) in
                images.image(index).chunks_exact(height * width).zip(&units)
            {
                pixels.extend(plane.iter().map(|&pixel| f32::from(pixel) * scale + shift));
            }
        }
        labels.clear();
        labels.extend(indices.iter().map(|&index| i32::from(images.label(index))));
    }

    /// 16 hexadecimal digits that change when any pixel, label or shape of any split does: tells whether
    /// a run is resumed on the data it began with.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for split in Split::ALL {
            let images = self.split(split);
            for size in images.shape().into_iter().chain([images.len()]) {
                hash.update((size as u64).to_le_bytes());
            }
            hash.update(images.pixels());
            hash.update(images.labels());
        }
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Mean and standard deviation of each channel, where a pixel goes from 0 to 1.
fn moments(images: &Images) -> (Vec<f32>, Vec<f32>) {
    let [channels, height, width] = images.shape();
    // Whole numbers keep the sums exact, however many images there are.
    let mut sums = vec![(0u64, 0u64); channels];
    for (plane, pixels) in images.pixels().chunks_exact(height * width).enumerate() {
        let (sum, squares) = &mut sums[plane % channels];
        *sum += pixels.iter().map(|&pixel| u64::from(pixel)).sum::<u64>();
        *squares += pixels.iter().map(|&pixel| u64::from(pixel).pow(2)).sum::<u64>();
    }
    let count = (images.len() * height * width) as f64;
    let moments = sums.iter().map(|&(sum, squares)| {
        let (mean, square) = (sum as f64 / count, squares as f64 / count);
        let deviation = (square - mean * mean).max(0.0).sqrt();
        // A constant channel is only shifted.
        let std = if deviation < 1e-6 { 1.0 } else { deviation / 255.0 };
        ((mean / 255.0) as f32, std as f32)
    });
    moments.unzip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two channels of 2×3 with different distributions; classes alternate.
    fn toy() -> Dataset {
        let images = |count: usize, salt: usize| {
            let pixel = |index: usize| {
                let noise = (index * 7919 + salt * 104_729) % 101;
                if (index / 6).is_multiple_of(2) { noise } else { 255 - 2 * noise }
            };
            let pixels = (0..count * 12).map(|index| pixel(index) as u8).collect();
            Images::new([2, 2, 3], pixels, (0..count).map(|index| (index % 2) as u8).collect())
                .unwrap()
        };
        let names = vec!["cat".to_owned(), "dog".to_owned()];
        Dataset::new("toy", names, images(50, 1), images(10, 2), images(10, 3)).unwrap()
    }

    fn grey(shape: [usize; 3], pixels: &[u8]) -> Dataset {
        let count = pixels.len() / (shape[1] * shape[2]);
        let labels = (0..count).map(|index| (index % 2) as u8).collect();
        let images = Images::new(shape, pixels.to_vec(), labels).unwrap();
        Dataset::new("grey", vec!["a".into(), "b".into()], images.clone(), images.clone(), images)
            .unwrap()
    }

    #[test]
    fn the_training_split_is_normalised_to_mean_0_and_deviation_1() {
        let data = toy();
        let batch = data.batch(Split::Train, &(0..50).collect::<Vec<_>>());
        for channel in 0..2 {
            let planes = batch.pixels.chunks_exact(6).skip(channel).step_by(2);
            let values: Vec<f64> = planes.flatten().map(|&value| f64::from(value)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance =
                values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
            assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
        }
    }

    #[test]
    fn validation_and_test_images_do_not_move_the_normalisation() {
        let data = toy();
        let white = Images::new([2, 2, 3], vec![255; 24], vec![0, 1]).unwrap();
        let other =
            Dataset::new("toy", data.class_names.clone(), data.train.clone(), white.clone(), white)
                .unwrap();
        assert_eq!((&data.mean, &data.std), (&other.mean, &other.std));
    }

    #[test]
    fn normalisation_follows_its_formula() {
        let data = grey([1, 1, 2], &[0, 255, 255, 0]);
        assert_eq!((data.mean[0], data.std[0]), (0.5, 0.5));
        let batch = data.batch(Split::Val, &[1]);
        assert_eq!(batch.pixels, [1.0, -1.0]);
        assert_eq!((batch.shape, batch.labels), ([1, 1, 1, 2], vec![1]));
        let constant = grey([1, 1, 1], &[51, 51]).batch(Split::Train, &[0]);
        assert!(constant.pixels[0].abs() < 1e-6, "only shifted: {constant:?}");
    }

    #[test]
    fn a_batch_holds_the_chosen_images_in_order() {
        let data = toy();
        let indices = [7, 3, 3, 0];
        let batch = data.batch(Split::Test, &indices);
        assert_eq!(batch.shape, [4, 2, 2, 3]);
        assert_eq!(batch.labels, [1, 1, 1, 0]);
        for (place, &index) in indices.iter().enumerate() {
            let alone = data.batch(Split::Test, &[index]);
            assert_eq!(batch.pixels[place * 12..][..12], alone.pixels);
            for (value, &pixel) in alone.pixels.iter().zip(data.test.image(index)) {
                let channel =
                    usize::from(!alone.pixels[..6].iter().any(|v| std::ptr::eq(v, value)));
                let expected = (f32::from(pixel) / 255.0 - data.mean[channel]) / data.std[channel];
                assert!((value - expected).abs() < 1e-5, "{value} {expected}");
            }
        }
        let (mut pixels, mut labels) = (vec![9.0; 3], vec![9]);
        data.copy_batch(Split::Test, &indices, &mut pixels, &mut labels);
        assert_eq!((pixels, labels), (batch.pixels, batch.labels), "used buffers are overwritten");
    }

    #[test]
    fn fitting_to_the_same_shape_changes_nothing() {
        let data = toy();
        assert_eq!(data.fit_to([2, 2, 3]).unwrap(), data);
    }

    #[test]
    fn fitting_resizes_repeats_and_normalises_anew() {
        let data = grey([1, 1, 2], &[0, 100, 200, 200]).fit_to([3, 2, 4]).unwrap();
        assert_eq!(data.shape(), [3, 2, 4]);
        assert_eq!(data.val.image(0), [0, 25, 75, 100].repeat(6));
        assert_eq!(data.test.image(1), [200; 24]);
        assert_eq!(data.train.labels(), [0, 1]);
        assert_eq!(data.mean, [0.490_196_08; 3]);
        let digits = Dataset::load(&DataSource::Digits).unwrap().fit_to([1, 28, 28]).unwrap();
        assert_eq!((digits.shape(), digits.train.len()), ([1, 28, 28], 1197));
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused_with_the_fix() {
        let message = |shape| toy().fit_to(shape).unwrap_err().to_string();
        assert_eq!(
            message([3, 2, 3]),
            "the images of toy have 2 channels, but the template's input takes 3; set the channels of its input to 2"
        );
        assert!(message([1, 2, 3]).contains("2 channels"));
        for shape in [[2, 0, 3], [2, usize::MAX, usize::MAX], [2, 1 << 16, 1 << 16]] {
            assert!(message(shape).contains("change the shape of the template's input"));
        }
    }

    #[test]
    fn parts_that_do_not_make_a_data_set_are_refused() {
        let images = |shape: [usize; 3], labels: &[u8]| {
            let size = shape.iter().product::<usize>();
            Images::new(shape, vec![0; labels.len() * size], labels.to_vec()).unwrap()
        };
        let good = || images([1, 2, 2], &[0, 1]);
        let message = |train, val, test| {
            let names = vec!["a".into(), "b".into()];
            Dataset::new("toy", names, train, val, test).unwrap_err().to_string()
        };
        assert!(message(images([1, 2, 2], &[0, 0]), good(), good()).contains("2 classes"));
        assert!(message(images([1, 2, 2], &[1, 1]), good(), good()).contains("2 classes"));
        assert!(
            message(images([1, 2, 2], &[0, 1, 2]), good(), good())
                .contains("label 2 of the training")
        );
        assert!(
            message(good(), images([1, 2, 2], &[]), good())
                .contains("validation split of toy is empty")
        );
        assert!(message(good(), good(), images([1, 2, 3], &[0])).contains("test and training"));
        assert!(message(good(), good(), images([1, 2, 2], &[7])).contains("label 7 of the test"));
    }

    #[test]
    fn fingerprints_of_the_embedded_data_stay_as_they_are() {
        // Runs carry them: whoever changes the data or the hash breaks the resuming of every run.
        let print = |source| Dataset::load(&source).unwrap().fingerprint();
        assert_eq!(print(DataSource::FashionMini), "ba5d0cc032b3b11f");
        assert_eq!(print(DataSource::Digits), "8bc255f0d3b0b405");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_changed_byte_changes_the_fingerprint(split in 0usize..3, at in 0usize..10, value: u8) {
            let data = toy();
            let mut changed = data.clone();
            let images = [&mut changed.train, &mut changed.val, &mut changed.test].into_iter().nth(split).unwrap();
            let mut pixels = images.pixels().to_vec();
            pixels[at * 12] = value;
            *images = Images::new([2, 2, 3], pixels, images.labels().to_vec()).unwrap();
            prop_assert_eq!(changed.fingerprint() == data.fingerprint(), changed == data);

            let mut changed = data.clone();
            let mut labels = changed.val.labels().to_vec();
            labels[at] = value;
            changed.val = Images::new([2, 2, 3], changed.val.pixels().to_vec(), labels).unwrap();
            prop_assert_eq!(changed.fingerprint() == data.fingerprint(), changed == data);
        }
    }
}
