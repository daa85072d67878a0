//! The binary version of CIFAR-10 and CIFAR-100: records of label bytes and the red, green and blue planes of
//! a 32×32 image.
//!
//! Format: <https://www.cs.toronto.edu/~kriz/cifar.html>. Files may hold fewer records than the original.

use super::{
    DataError, Dataset, Images, Place,
    files::{folder_exists, open, unreadable},
    split::{self, HeldOut},
};
use std::{fs, io::Read, path::Path};

/// The shape of every image.
const SHAPE: [usize; 3] = [3, 32, 32];

/// The bytes of one image.
const PIXELS: usize = SHAPE[0] * SHAPE[1] * SHAPE[2];

/// The most that is read of one file: seven times the largest of the originals.
const MAX_FILE: u64 = 1 << 30;

/// One of the two formats.
pub(super) struct Format {
    /// The folder that the archive unpacks to.
    unpacks_to: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    /// The file with the names of the classes, a line each.
    names: &'static str,
    /// How many labels there are for each label byte of a record; the last one is the class.
    labels: &'static [usize],
}

/// CIFAR-10.
pub(super) const CIFAR_10: Format = Format {
    unpacks_to: "cifar-10-batches-bin",
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: "test_batch.bin",
    names: "batches.meta.txt",
    labels: &[10],
};

/// CIFAR-100, with a coarse and a fine label.
pub(super) const CIFAR_100: Format = Format {
    unpacks_to: "cifar-100-binary",
    train: &["train.bin"],
    test: "test.bin",
    names: "fine_label_names.txt",
    labels: &[20, 100],
};

impl Format {
    fn record(&self) -> usize {
        self.labels.len() + PIXELS
    }

    fn classes(&self) -> usize {
        self.labels[self.labels.len() - 1]
    }
}

/// Loads CIFAR from `folder`, or from the folder in it that the archive unpacks to; a part of the training
/// images becomes the validation split.
pub(super) fn load(format: &Format, folder: &Path, name: String) -> Result<Dataset, DataError> {
    folder_exists(folder)?;
    let inner = folder.join(format.unpacks_to);
    let folder = if inner.is_dir() { inner } else { folder.to_owned() };
    let find = |name: &str| {
        let path = folder.join(name);
        let missing =
            || DataError::MissingFile { folder: folder.clone(), looked_for: vec![name.to_owned()] };
        path.is_file().then_some(path).ok_or_else(missing)
    };
    let train = format.train.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?;
    let test = find(format.test)?;
    let class_names = class_names(format, &folder)?;

    let mut all = Records::default();
    for file in &train {
        all.read(format, file)?;
    }
    let mut held_out = Records::default();
    held_out.read(format, &test)?;

    let all = all.into_images()?;
    let (train, val) = split::hold_out(all.targets(), HeldOut::Val, all.len());
    if val.is_empty() {
        return Err(DataError::TooFewImages { file: folder, images: all.len() });
    }
    Dataset::new(name, class_names, all.select(&train), all.select(&val), held_out.into_images()?)
}

/// The names of the classes; their numbers if the file with the names is not there.
fn class_names(format: &Format, folder: &Path) -> Result<Vec<String>, DataError> {
    let path = folder.join(format.names);
    if !path.exists() {
        return Ok((0..format.classes()).map(|class| class.to_string()).collect());
    }
    let text = fs::read_to_string(&path).map_err(|source| unreadable(&path, source))?;
    let names: Vec<_> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if names.len() != format.classes() {
        return Err(DataError::ClassNames {
            file: path,
            found: names.len(),
            wanted: format.classes(),
        });
    }
    Ok(names)
}

/// The records of one or several files.
#[derive(Default)]
struct Records {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Records {
    fn read(&mut self, format: &Format, file: &Path) -> Result<(), DataError> {
        let mut content = Vec::new();
        let place =
            |offset: usize| Place { file: file.to_owned(), offset: offset as u64, packed: false };
        let read = open(file)?.take(MAX_FILE + 1).read_to_end(&mut content);
        read.map_err(|source| DataError::Unreadable { place: place(content.len()), source })?;
        if content.len() as u64 > MAX_FILE {
            let (place, announced) = (place(0), content.len() as u128);
            return Err(DataError::TooLarge { place, announced, limit: MAX_FILE });
        }
        if content.is_empty() {
            return Err(DataError::ZeroSize { place: place(0), what: "of the file" });
        }
        let record = format.record();
        let rest = content.len() % record;
        if rest > 0 {
            let expected = (content.len() - rest + record) as u64;
            return Err(DataError::Truncated { place: place(content.len()), expected });
        }
        for (index, bytes) in content.chunks_exact(record).enumerate() {
            let (labels, pixels) = bytes.split_at(format.labels.len());
            for (byte, (&label, &classes)) in labels.iter().zip(format.labels).enumerate() {
                if usize::from(label) >= classes {
                    let place = place(index * record + byte);
                    return Err(DataError::NoSuchLabel { place, label, last: classes - 1 });
                }
            }
            self.labels.extend(labels.last());
            self.pixels.extend_from_slice(pixels);
        }
        Ok(())
    }

    fn into_images(self) -> Result<Images, DataError> {
        Images::new(SHAPE, self.pixels, self.labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::data::{DataSource, Split, Targets, Task};
    use tempfile::TempDir;

    /// A record of which every plane has a brightness of its own.
    fn record(labels: &[u8], number: u8) -> Vec<u8> {
        let plane = |plane: u8| [number.wrapping_mul(3).wrapping_add(plane); 1024];
        [labels, &plane(0), &plane(1), &plane(2)].concat()
    }

    fn put(folder: &Path, name: &str, bytes: &[u8]) {
        fs::write(folder.join(name), bytes).unwrap();
    }

    /// Five files of eight images each and a test file of ten, in the format of CIFAR-10.
    fn cifar10() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let records = |range: std::ops::Range<u8>| -> Vec<u8> {
            range.flat_map(|number| record(&[number % 10], number)).collect()
        };
        for batch in 0..5 {
            let bytes = records(8 * batch..8 * batch + 8);
            put(folder.path(), &format!("data_batch_{}.bin", batch + 1), &bytes);
        }
        put(folder.path(), "test_batch.bin", &records(40..50));
        let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
        put(folder.path(), "batches.meta.txt", names.as_bytes());
        folder
    }

    fn load10(folder: &TempDir) -> Result<Dataset, DataError> {
        Dataset::load(&DataSource::Cifar10(folder.path().to_owned()))
    }

    fn error_with(name: &str, bytes: &[u8]) -> DataError {
        let folder = cifar10();
        put(folder.path(), name, bytes);
        let error = load10(&folder).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        error
    }

    #[test]
    fn cifar_10_loads_with_planes_names_and_a_validation_split() {
        let folder = cifar10();
        let data = load10(&folder).unwrap();
        assert_eq!(data.name, format!("cifar10:{}", folder.path().display()));
        assert_eq!(data.shape(), [3, 32, 32]);
        assert_eq!(Split::ALL.map(|split| data.split(split).len()), [30, 10, 10]);
        let Task::Classes(names) = &data.task else { panic!("{:?}", data.task) };
        assert_eq!((names.len(), names[9].as_str()), (10, "truck"));
        let mut seen = Vec::new();
        for split in Split::ALL {
            let images = data.split(split);
            for index in 0..images.len() {
                let image = images.image(index);
                let number = image[0] / 3;
                assert!(image[1024..2048] == [number * 3 + 1; 1024], "green after red");
                assert!(image[2048..] == [number * 3 + 2; 1024], "blue after green");
                assert_eq!(images.label(index), u16::from(number % 10));
                seen.push(number);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
        assert_eq!(data, load10(&folder).unwrap(), "the split is always the same");
    }

    #[test]
    fn the_folder_that_the_archive_unpacks_to_is_found() {
        let outer = tempfile::tempdir().unwrap();
        let unpacked = cifar10();
        fs::rename(unpacked.path(), outer.path().join("cifar-10-batches-bin")).unwrap();
        let data = load10(&outer).unwrap();
        assert_eq!(data.train.len(), 30);
        fs::remove_file(outer.path().join("cifar-10-batches-bin/batches.meta.txt")).unwrap();
        let unnamed = load10(&outer).unwrap();
        let numbers = (0..10).map(|class| class.to_string()).collect();
        assert_eq!(unnamed.task, Task::Classes(numbers), "names can be missing");
        assert_eq!(unnamed.fingerprint(), data.fingerprint());
    }

    #[test]
    fn cifar_100_takes_the_fine_label() {
        let folder = tempfile::tempdir().unwrap();
        let records = |count: u8| -> Vec<u8> {
            (0..count).flat_map(|number| record(&[number % 20, number % 100], number)).collect()
        };
        put(folder.path(), "train.bin", &records(200));
        put(folder.path(), "test.bin", &records(100));
        let names: String = (0..100).map(|class| format!("thing {class}\n")).collect();
        put(folder.path(), "fine_label_names.txt", names.as_bytes());
        let source = DataSource::Cifar100(folder.path().to_owned());
        let data = Dataset::load(&source).unwrap();
        assert_eq!(Split::ALL.map(|split| data.split(split).len()), [100, 100, 100]);
        assert_eq!(*data.test.targets(), Targets::Classes((0..100).collect()));
        let Task::Classes(names) = &data.task else { panic!("{:?}", data.task) };
        assert_eq!(names[99], "thing 99");
        put(folder.path(), "test.bin", &record(&[20, 5], 0));
        let error = Dataset::load(&source).unwrap_err();
        assert!(
            matches!(&error, DataError::NoSuchLabel { place, label: 20, last: 19 } if place.offset == 0),
            "the coarse label: {error}"
        );
    }

    #[test]
    fn a_truncated_file_says_where_the_record_should_end() {
        let two = [record(&[1], 1), record(&[2], 2)].concat();
        for length in [1, 3072, 3074, 6145] {
            let error = error_with("data_batch_3.bin", &two[..length]);
            let DataError::Truncated { place, expected } = error else { panic!("{error}") };
            assert_eq!(place.offset, length as u64);
            assert_eq!(expected, if length < 3073 { 3073 } else { 6146 });
        }
        assert!(matches!(error_with("test_batch.bin", &[]), DataError::ZeroSize { .. }));
    }

    #[test]
    fn a_label_out_of_range_is_found_at_its_offset() {
        let bytes = [record(&[9], 1), record(&[10], 2)].concat();
        let error = error_with("data_batch_2.bin", &bytes);
        assert!(
            matches!(&error, DataError::NoSuchLabel { place, label: 10, last: 9 } if place.offset == 3073),
            "{error}"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        for name in ["data_batch_4.bin", "test_batch.bin"] {
            let folder = cifar10();
            fs::remove_file(folder.path().join(name)).unwrap();
            let message = load10(&folder).unwrap_err().to_string();
            assert!(message.contains(&format!("has none of {name}")), "{message}");
        }
        let nowhere = DataSource::Cifar10("/no/such/folder".into());
        assert!(matches!(Dataset::load(&nowhere), Err(DataError::NoFolder { .. })));
        let error = error_with("batches.meta.txt", b"airplane\nship\n");
        assert!(matches!(error, DataError::ClassNames { found: 2, wanted: 10, .. }), "{error}");
    }

    #[test]
    fn a_class_without_training_images_is_named() {
        let folder = cifar10();
        for batch in 1..=5 {
            let bytes = (0..8).flat_map(|number| record(&[number], number)).collect::<Vec<_>>();
            put(folder.path(), &format!("data_batch_{batch}.bin"), &bytes);
        }
        let message = load10(&folder).unwrap_err().to_string();
        assert!(message.contains("`ship` has none"), "{message}");
    }
}
