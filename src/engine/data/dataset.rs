//! A data set in memory: three splits, normalisation, batches.

use super::{
    DataError, DataSource, Images, Pixels, ReadOptions, Targets, cifar, embedded, folder, idx,
    table,
};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The most memory that the images of a data set may take after resizing.
pub(super) const MAX_BYTES: u64 = 4 << 30;

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// The split that weights are trained on.
    Train,
    /// The split that candidates are compared on.
    Val,
    /// The split that the search never sees.
    Test,
}

impl Split {
    /// All splits.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];
}

/// The kind of target: classes or numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Which of these classes an image shows; a label is an index into the names. At least two.
    Classes(Vec<String>),
    /// A number.
    Number(Scale),
}

/// The height and width to which the images of a folder are brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageSize {
    /// The most frequent size of the training images; of equally frequent sizes, the largest.
    Commonest,
    /// The same, if neither side is longer than `most`, and else `or`.
    CommonestUpTo {
        /// The longest side.
        most: usize,
        /// Height and width.
        or: [usize; 2],
    },
    /// This height and width.
    Exactly([usize; 2]),
}

impl ImageSize {
    /// The size, where most images have the size `commonest`.
    pub(in crate::engine) fn of(self, commonest: [usize; 2]) -> [usize; 2] {
        match self {
            Self::Commonest => commonest,
            Self::CommonestUpTo { most, or } => {
                if commonest.iter().all(|&side| side <= most) {
                    commonest
                } else {
                    or
                }
            }
            Self::Exactly(size) => size,
        }
    }
}

/// Mean and standard deviation of the numbers to predict over the training split; a network that
/// predicts numbers gives them in this unit, so that its output is of the order of 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The mean.
    pub mean: f32,
    /// The standard deviation; 1 where it is 0.
    pub std: f32,
}

/// Images ready for a tensor, with their targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Images, channels, height, width.
    pub shape: [usize; 4],
    /// The normalised values, `[n, c, h, w]`.
    pub pixels: Vec<f32>,
    /// The class or number of each image; numbers as they are in the data.
    pub targets: Targets,
}

/// A data set: images with their classes or numbers in three splits, and how to normalise them.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The name, as [`DataSource`] writes it.
    pub name: String,
    /// The kind of target.
    pub task: Task,
    /// The split that weights are trained on.
    pub train: Images,
    /// The split that candidates are compared on.
    pub val: Images,
    /// The split that the search never sees.
    pub test: Images,
    /// The mean of each channel over the training split, where a pixel goes from 0 to 1.
    pub mean: Vec<f32>,
    /// The standard deviation of each channel over the training split, in the same unit; 1 where it is 0.
    pub std: Vec<f32>,
    /// What was inferred, changed or left out when the files were read, each in one sentence without a full stop.
    pub notes: Vec<String>,
    /// Height and width that most training images have in the files, before they are brought to another size.
    native: [usize; 2],
}

impl Dataset {
    /// A data set of these splits; the normalisation is worked out. `class_names` is ignored for
    /// numbers.
    ///
    /// # Errors
    /// [`DataError::Inconsistent`] if a split is empty, shapes or kinds of targets differ, a label has no
    /// name, or a class no training image.
    pub fn new(
        name: impl Into<String>,
        class_names: Vec<String>,
        train: Images,
        val: Images,
        test: Images,
    ) -> Result<Self, DataError> {
        let name = name.into();
        let inconsistent = |what| Err(DataError::Inconsistent { what });
        let task = match train.targets() {
            Targets::Classes(_) => Task::Classes(class_names),
            Targets::Numbers(numbers) => {
                let (mean, std) = moments_of(numbers.iter().copied());
                Task::Number(Scale { mean, std })
            }
        };
        let kind = std::mem::discriminant(train.targets());
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
            if std::mem::discriminant(images.targets()) != kind {
                let what = format!(
                    "the {split} split of {name} has other targets than the training split; use classes or \
                     numbers in both"
                );
                return inconsistent(what);
            }
            if let Task::Classes(names) = &task
                && let Some(last) = images.class_counts().len().checked_sub(1)
                && last >= names.len()
            {
                let what = format!(
                    "label {last} of the {split} split of {name} has no class name; add it"
                );
                return inconsistent(what);
            }
        }
        if let Task::Classes(names) = &task {
            let mut counts = train.class_counts();
            counts.resize(names.len(), 0);
            if let Some(class) = counts.iter().position(|&count| count == 0) {
                return inconsistent(format!(
                    "not all {} classes of {name} have images to train with: `{}` has none; add some, two or more \
                     where some are held out",
                    names.len(),
                    names[class]
                ));
            }
        }
        let (mean, std) = moments(&train);
        let [_, height, width] = train.shape();
        let native = [height, width];
        Ok(Self { name, task, train, val, test, mean, std, notes: Vec::new(), native })
    }

    /// The same with these notes.
    pub(super) fn with_notes(self, notes: Vec<String>) -> Self {
        Self { notes, ..self }
    }

    /// The same of images that had this height and width in their files.
    pub(super) fn with_native_size(self, native: [usize; 2]) -> Self {
        Self { native, ..self }
    }

    /// Loads and checks a data set as it is, see [`Self::load_with`].
    ///
    /// # Errors
    /// Whatever is wrong with the files, each with its place; never for the embedded ones.
    pub fn load(source: &DataSource) -> Result<Self, DataError> {
        Self::load_with(source, &ReadOptions::default(), ImageSize::Commonest)
    }

    /// Loads and checks a data set. Images of a folder are brought to `size` while they are read; other data keeps
    /// its shape, see [`Self::fit_to`].
    ///
    /// # Errors
    /// Whatever is wrong with the files, each with its place; never for the embedded ones.
    pub fn load_with(
        source: &DataSource,
        options: &ReadOptions,
        size: ImageSize,
    ) -> Result<Self, DataError> {
        let name = source.to_string();
        let mut data = match source {
            DataSource::FashionMini => embedded::fashion_mini(name),
            DataSource::Digits => embedded::digits(name),
            DataSource::Idx(folder) => idx::load(folder, name),
            DataSource::Cifar10(folder) => cifar::load(&cifar::CIFAR_10, folder, name),
            DataSource::Cifar100(folder) => cifar::load(&cifar::CIFAR_100, folder, name),
            DataSource::Images(folder) => folder::load(folder, name, options, size),
            DataSource::Csv { file, label } => table::load(file, label.as_deref(), name, options),
            DataSource::Table(file) => Err(DataError::KnownResults { file: file.clone() }),
        }?;
        data.notes.extend(options.unused(source));
        if is_flat(&data.train) {
            data.notes.push(
                "all training images are the same flat grey or colour, so that nothing can be learned from them: look \
                 at the files, or at how they were made"
                    .to_owned(),
            );
        }
        Ok(data)
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

    /// Channels, height, width of most images as they are in the files, before [`Self::load_with`] and
    /// [`Self::fit_to`] bring them to another size.
    pub fn native_shape(&self) -> [usize; 3] {
        let ([channels, ..], [height, width]) = (self.shape(), self.native);
        [channels, height, width]
    }

    /// The data set in the shape (channels, height, width) that a template's input takes: resized
    /// bilinearly, a single channel repeated as often as needed. The normalisation is computed again, and a note
    /// tells what was done. Rows of a table must have the shape already.
    ///
    /// # Errors
    /// [`DataError::Channels`] if there are several channels but not as many as wanted,
    /// [`DataError::UnfitRows`] if rows of a table do not have the shape,
    /// [`DataError::UnfitShape`] if the result would have no pixels or take more memory than is sensible.
    pub fn fit_to(self, shape: [usize; 3]) -> Result<Self, DataError> {
        if shape == self.shape() {
            return Ok(self);
        }
        let name = self.name.clone();
        let [channels, ..] = self.shape();
        if let Pixels::Floats(_) = self.train.pixels() {
            return Err(DataError::UnfitRows { name, columns: channels, wanted: shape });
        }
        let images = Split::ALL.map(|split| self.split(split).len()).iter().sum();
        let bytes =
            shape.iter().fold(images as u128, |bytes, &side| bytes.saturating_mul(side as u128));
        if bytes == 0 || bytes > u128::from(MAX_BYTES) {
            return Err(DataError::UnfitShape { shape, images, bytes, limit: MAX_BYTES });
        }
        let [Some(train), Some(val), Some(test)] =
            Split::ALL.map(|split| self.split(split).fit_to(shape))
        else {
            return Err(DataError::Channels { name, channels, wanted: shape[0] });
        };
        let (mean, std) = moments(&train);
        let mut notes = self.notes;
        let [_, height, width] = self.train.shape();
        if [height, width] != [shape[1], shape[2]] {
            notes.push(brought(
                &format!("images of {width}×{height} pixels"),
                &[[height, width]],
                shape,
            ));
        }
        if channels != shape[0] {
            notes.push(format!("the grey images get {} equal channels", shape[0]));
        }
        Ok(Self { train, val, test, mean, std, notes, ..self })
    }

    /// The images of `split` at `indices`, normalised.
    ///
    /// # Panics
    /// If an index is not below the length of the split.
    pub fn batch(&self, split: Split, indices: &[usize]) -> Batch {
        normalised(self.split(split), &self.mean, &self.std, indices)
    }

    /// The images of `split` at `indices` in the memory that the data set takes for them, a quarter of that of a
    /// [`Batch`] where they are bytes; to be unpacked by [`Packed::batch`].
    ///
    /// # Panics
    /// If an index is not below the length of the split.
    pub fn pack(&self, split: Split, indices: &[usize]) -> Packed {
        let images = self.split(split).select(indices);
        Packed { images, mean: self.mean.clone(), std: self.std.clone() }
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
            match images.pixels() {
                Pixels::Bytes(bytes) => hash.update(bytes),
                Pixels::Floats(values) => update(&mut hash, values),
            }
            match images.targets() {
                Targets::Classes(labels) => {
                    // One byte per label, as it was when there were at most 256; the rest, if any, after them.
                    let [low, high] = [0, 1].map(|byte| {
                        labels.iter().map(|label| label.to_le_bytes()[byte]).collect::<Vec<_>>()
                    });
                    hash.update(low);
                    if high.iter().any(|&byte| byte != 0) {
                        hash.update(high);
                    }
                }
                Targets::Numbers(numbers) => update(&mut hash, numbers),
            }
        }
        fingerprint(hash)
    }
}

/// The beginning of a hash as text.
pub(in crate::engine) fn fingerprint(hash: Sha256) -> String {
    hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Some images with their normalisation, see [`Dataset::pack`].
#[derive(Clone, Debug)]
pub struct Packed {
    images: Images,
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Packed {
    /// The target of each image.
    pub fn targets(&self) -> &Targets {
        self.images.targets()
    }

    /// All of the images, normalised.
    pub fn batch(&self) -> Batch {
        let all: Vec<_> = (0..self.images.len()).collect();
        normalised(&self.images, &self.mean, &self.std, &all)
    }
}

/// The images at `indices`, with channels of this mean and deviation.
fn normalised(images: &Images, means: &[f32], stds: &[f32], indices: &[usize]) -> Batch {
    let [channels, height, width] = images.shape();
    let (size, plane) = (images.image_size(), height * width);
    let mut pixels = Vec::with_capacity(indices.len() * size);
    match images.pixels() {
        Pixels::Bytes(bytes) => {
            // (p / 255 - mean) / std as one multiplication and one addition.
            let unit = |(mean, std): (&f32, &f32)| (1.0 / (255.0 * std), -mean / std);
            let units: Vec<(f32, f32)> = means.iter().zip(stds).map(unit).collect();
            for &index in indices {
                let image = &bytes[index * size..][..size];
                for (plane, &(scale, shift)) in image.chunks_exact(plane).zip(&units) {
                    pixels.extend(plane.iter().map(|&pixel| f32::from(pixel) * scale + shift));
                }
            }
        }
        Pixels::Floats(values) => {
            for &index in indices {
                let image = &values[index * size..][..size];
                for ((plane, mean), std) in image.chunks_exact(plane).zip(means).zip(stds) {
                    pixels.extend(plane.iter().map(|&value| (value - mean) / std));
                }
            }
        }
    }
    let shape = [indices.len(), channels, height, width];
    Batch { shape, pixels, targets: images.targets().select(indices) }
}

/// Whether each channel of images has one value everywhere.
fn is_flat(images: &Images) -> bool {
    let [channels, height, width] = images.shape();
    let Pixels::Bytes(pixels) = images.pixels() else { return false };
    let first = |plane: usize| pixels[plane % channels * height * width];
    let mut planes = pixels.chunks_exact(height * width).enumerate();
    planes.all(|(plane, pixels)| pixels.iter().all(|&pixel| pixel == first(plane)))
}

/// That images of these sizes (height, width) are brought to `shape`, and whether they are distorted by that.
pub(super) fn brought(
    images: &str,
    sizes: &[[usize; 2]],
    [_, height, width]: [usize; 3],
) -> String {
    let kept =
        sizes.iter().all(|[from_height, from_width]| from_height * width == from_width * height);
    let proportions = if kept { "" } else { "; their proportions are not kept" };
    format!("{images} are brought to {width}×{height}{proportions}")
}

fn update(hash: &mut Sha256, values: &[f32]) {
    for value in values {
        hash.update(value.to_le_bytes());
    }
}

/// Mean and standard deviation of each channel, where a pixel goes from 0 to 1.
fn moments(images: &Images) -> (Vec<f32>, Vec<f32>) {
    let [channels, height, width] = images.shape();
    let plane = height * width;
    let pixels = match images.pixels() {
        Pixels::Bytes(pixels) => pixels,
        Pixels::Floats(values) => {
            let of_channel = |channel: usize| {
                moments_of(
                    values.chunks_exact(plane).skip(channel).step_by(channels).flatten().copied(),
                )
            };
            return (0..channels).map(of_channel).unzip();
        }
    };
    // Whole numbers keep the sums exact, however many images there are.
    let mut sums = vec![(0u64, 0u64); channels];
    for (plane, pixels) in pixels.chunks_exact(plane).enumerate() {
        let (sum, squares) = &mut sums[plane % channels];
        *sum += pixels.iter().map(|&pixel| u64::from(pixel)).sum::<u64>();
        *squares += pixels.iter().map(|&pixel| u64::from(pixel).pow(2)).sum::<u64>();
    }
    let count = (images.len() * plane) as f64;
    let moments = sums.iter().map(|&(sum, squares)| {
        let (mean, square) = (sum as f64 / count, squares as f64 / count);
        let deviation = (square - mean * mean).max(0.0).sqrt();
        // A constant channel is only shifted.
        let std = if deviation < 1e-6 { 1.0 } else { deviation / 255.0 };
        ((mean / 255.0) as f32, std as f32)
    });
    moments.unzip()
}

/// Mean and standard deviation of floats; a deviation less than floats near the mean can differ counts as 1, so
/// that what is constant is only shifted.
fn moments_of(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / count;
    let variance = values.map(|value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
    let deviation = variance.sqrt();
    let std = if deviation <= f64::from(f32::EPSILON) * mean.abs() { 1.0 } else { deviation };
    (mean as f32, std as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names() -> Vec<String> {
        vec!["cat".to_owned(), "dog".to_owned()]
    }

    /// Two channels of 2×3 with different distributions; classes alternate.
    fn toy() -> Dataset {
        let images = |count: usize, salt: usize| {
            let pixel = |index: usize| {
                let noise = (index * 7919 + salt * 104_729) % 101;
                if (index / 6).is_multiple_of(2) { noise } else { 255 - 2 * noise }
            };
            let pixels: Vec<_> = (0..count * 12).map(|index| pixel(index) as u8).collect();
            Images::new(
                [2, 2, 3],
                pixels,
                (0..count).map(|index| (index % 2) as u8).collect::<Vec<_>>(),
            )
            .unwrap()
        };
        Dataset::new("toy", names(), images(50, 1), images(10, 2), images(10, 3)).unwrap()
    }

    fn grey(shape: [usize; 3], pixels: &[u8]) -> Dataset {
        let count = pixels.len() / (shape[1] * shape[2]);
        let labels: Vec<_> = (0..count).map(|index| (index % 2) as u8).collect();
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
        let white = Images::new([2, 2, 3], vec![255_u8; 24], vec![0_u8, 1]).unwrap();
        let other = Dataset::new("toy", names(), data.train.clone(), white.clone(), white).unwrap();
        assert_eq!((&data.mean, &data.std), (&other.mean, &other.std));
    }

    #[test]
    fn normalisation_follows_its_formula() {
        let data = grey([1, 1, 2], &[0, 255, 255, 0]);
        assert_eq!((data.mean[0], data.std[0]), (0.5, 0.5));
        let batch = data.batch(Split::Val, &[1]);
        assert_eq!(batch.pixels, [1.0, -1.0]);
        assert_eq!((batch.shape, batch.targets), ([1, 1, 1, 2], Targets::Classes(vec![1])));
        let constant = grey([1, 1, 1], &[51, 51]).batch(Split::Train, &[0]);
        assert!(constant.pixels[0].abs() < 1e-6, "only shifted: {constant:?}");
    }

    #[test]
    fn a_batch_holds_the_chosen_images_in_order() {
        let data = toy();
        let indices = [7, 3, 3, 0];
        let batch = data.batch(Split::Test, &indices);
        assert_eq!(batch.shape, [4, 2, 2, 3]);
        assert_eq!(batch.targets, Targets::Classes(vec![1, 1, 1, 0]));
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
    }

    #[test]
    fn fitting_to_the_same_shape_changes_nothing() {
        let data = toy();
        assert_eq!(data.clone().fit_to([2, 2, 3]).unwrap(), data);
    }

    #[test]
    fn fitting_resizes_repeats_and_normalises_again() {
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
            Images::new(shape, vec![0_u8; labels.len() * size], labels.to_vec()).unwrap()
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
        // Runs store them: a change of the data or of the hash means that no earlier run can be resumed.
        let print = |source| Dataset::load(&source).unwrap().fingerprint();
        assert_eq!(print(DataSource::FashionMini), "ba5d0cc032b3b11f");
        assert_eq!(print(DataSource::Digits), "8bc255f0d3b0b405");
    }

    fn table(rows: &[f32], targets: &[f32]) -> Result<Dataset, DataError> {
        let columns = rows.len() / targets.len();
        let images =
            Images::new([columns, 1, 1], rows.to_vec(), targets.to_vec()).expect("sizes match");
        Dataset::new("table", Vec::new(), images.clone(), images.clone(), images)
    }

    #[test]
    fn every_column_of_a_table_is_normalised_by_itself() {
        // The second column is so far from 0 that 32-bit floats hold no digit of its variance there.
        let data = table(&[1.0, 1e6, 3.0, 1e6 + 2.0, 5.0, 1e6 + 4.0], &[7.0, 7.0, 10.0]).unwrap();
        let root = 1.5_f32.sqrt();
        let batch = data.batch(Split::Val, &[2, 0, 1]);
        for (value, wanted) in batch.pixels.iter().zip([root, root, -root, -root, 0.0, 0.0]) {
            assert!((value - wanted).abs() < 1e-6, "{batch:?}");
        }
        assert_eq!(batch.shape, [3, 2, 1, 1]);
        assert_eq!(batch.targets, Targets::Numbers(vec![10.0, 7.0, 7.0]), "as in the data");
        let Task::Number(scale) = data.task else { panic!("{:?}", data.task) };
        assert!((scale.mean - 8.0).abs() < 1e-6 && (scale.std - 2_f32.sqrt()).abs() < 1e-6);
        let constant = table(&[0.1, 0.1], &[3.0, 3.0]).unwrap();
        assert_eq!(constant.batch(Split::Train, &[0, 1]).pixels, [0.0, 0.0], "only shifted");
        assert_eq!(constant.task, Task::Number(Scale { mean: 3.0, std: 1.0 }));
    }

    #[test]
    fn a_table_that_does_not_fit_says_the_shape_that_does() {
        let data = table(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0]).unwrap();
        assert_eq!(data.clone().fit_to([2, 1, 1]).unwrap(), data);
        let message = data.fit_to([1, 28, 28]).unwrap_err().to_string();
        assert!(message.contains("set the shape of its input to (2, 1, 1)"), "{message}");
    }

    #[test]
    fn the_fingerprint_of_a_table_counts_every_number() {
        let data = table(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0]).unwrap();
        let others =
            [table(&[1.0, 2.0, 3.0, 4.5], &[1.0, 2.0]), table(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.5])];
        for other in others {
            assert_ne!(data.fingerprint(), other.unwrap().fingerprint());
        }
    }

    #[test]
    fn classes_and_numbers_are_not_mixed() {
        let numbers = Images::new([1, 1, 1], vec![1_u8], vec![1.0_f32]).unwrap();
        let classes = Images::new([1, 1, 1], vec![1_u8, 2], vec![0_u8, 1]).unwrap();
        let error = Dataset::new("toy", names(), classes.clone(), numbers, classes).unwrap_err();
        assert!(error.to_string().contains("validation split of toy has other targets"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_changed_byte_changes_the_fingerprint(
            split in 0usize..3, at in 0usize..10, value: u8, label: u16
        ) {
            let data = toy();
            let mut changed = data.clone();
            let images = [&mut changed.train, &mut changed.val, &mut changed.test].into_iter().nth(split).unwrap();
            let mut pixels = images.bytes().to_vec();
            pixels[at * 12] = value;
            *images = Images::new([2, 2, 3], pixels, images.labels().to_vec()).unwrap();
            prop_assert_eq!(changed.fingerprint() == data.fingerprint(), changed == data);

            let mut changed = data.clone();
            let mut labels = changed.val.labels().to_vec();
            labels[at] = label;
            changed.val = Images::new([2, 2, 3], changed.val.bytes().to_vec(), labels).unwrap();
            prop_assert_eq!(changed.fingerprint() == data.fingerprint(), changed == data);
        }
    }
}
