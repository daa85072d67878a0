//! Every way in which a folder of IDX files can be wrong, and the ways in which it may be right.

use super::*;
use crate::engine::data::{DataSource, Split, Task};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::{
    fs,
    io::{BufReader, Write},
};
use tempfile::TempDir;

const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";
const TEST_IMAGES: &str = "t10k-images-idx3-ubyte";
const TEST_LABELS: &str = "t10k-labels-idx1-ubyte";

fn idx(sizes: &[u32], content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(content);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// 40 training and 10 test images of 2×3 in three classes; the pixels of an image tell its number.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let images = |count: u32| {
        idx(&[count, 2, 3], &(0..count * 6).map(|index| (index / 6) as u8).collect::<Vec<_>>())
    };
    let labels =
        |count: u32| idx(&[count], &(0..count).map(|index| (index % 3) as u8).collect::<Vec<_>>());
    put(&folder, TRAIN_IMAGES, &images(40));
    put(&folder, TRAIN_LABELS, &labels(40));
    put(&folder, TEST_IMAGES, &images(10));
    put(&folder, TEST_LABELS, &labels(10));
    folder
}

fn put(folder: &TempDir, name: &str, bytes: &[u8]) {
    fs::write(folder.path().join(name), bytes).unwrap();
}

fn get(folder: &TempDir, name: &str) -> Vec<u8> {
    fs::read(folder.path().join(name)).unwrap()
}

fn load(folder: &TempDir) -> Result<Dataset, DataError> {
    Dataset::load(&DataSource::Idx(folder.path().to_owned()))
}

/// The error after `name` was overwritten with `bytes`, which must name that file.
fn error_with(name: &str, bytes: &[u8]) -> DataError {
    let folder = folder();
    put(&folder, name, bytes);
    let error = load(&folder).unwrap_err();
    assert!(error.to_string().contains(name), "{error}");
    error
}

#[test]
fn a_good_folder_round_trips() {
    let folder = folder();
    let data = load(&folder).unwrap();
    assert_eq!(data.name, format!("idx:{}", folder.path().display()));
    assert_eq!(data.shape(), [1, 2, 3]);
    assert_eq!(data.task, Task::Classes(["0", "1", "2"].map(str::to_owned).into()));
    assert_eq!(Split::ALL.map(|split| data.split(split).len()), [32, 8, 10]);
    for split in Split::ALL {
        let images = data.split(split);
        for index in 0..images.len() {
            let number = images.image(index)[0];
            assert_eq!(images.image(index), [number; 6]);
            assert_eq!(images.label(index), u16::from(number % 3));
        }
    }
    let numbers = |split| data.split(split).bytes().iter().step_by(6).copied().collect::<Vec<u8>>();
    let mut numbers_in_training_file = [numbers(Split::Train), numbers(Split::Val)].concat();
    numbers_in_training_file.sort_unstable();
    assert_eq!(numbers_in_training_file, (0..40).collect::<Vec<u8>>());
    assert_eq!(numbers(Split::Test), (0..10).collect::<Vec<u8>>());
    assert_eq!(data, load(&folder).unwrap(), "the split is always the same");
}

#[test]
fn all_spellings_packed_or_not_give_the_same_data() {
    let plain = folder();
    let expected = load(&plain).unwrap().fingerprint();
    for (separator, packed) in [("-idx", true), (".idx", false), (".idx", true)] {
        let folder = tempfile::tempdir().unwrap();
        for name in [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS] {
            let (name, bytes) = (name.replace("-idx", separator), get(&plain, name));
            if packed {
                put(&folder, &format!("{name}.gz"), &gzip(&bytes));
            } else {
                put(&folder, &name, &bytes);
            }
        }
        assert_eq!(load(&folder).unwrap().fingerprint(), expected);
    }
}

#[test]
fn the_content_decides_whether_a_file_is_packed() {
    let folder = folder();
    let expected = load(&folder).unwrap().fingerprint();
    put(&folder, TRAIN_IMAGES, &gzip(&get(&folder, TRAIN_IMAGES)));
    fs::rename(folder.path().join(TEST_IMAGES), folder.path().join(format!("{TEST_IMAGES}.gz")))
        .unwrap();
    assert_eq!(load(&folder).unwrap().fingerprint(), expected);
}

#[test]
fn a_missing_folder_or_a_file_in_its_place_is_named() {
    let folder = folder();
    for path in [folder.path().join("nowhere"), folder.path().join(TRAIN_IMAGES)] {
        let error = Dataset::load(&DataSource::Idx(path.clone())).unwrap_err();
        assert!(matches!(&error, DataError::NoFolder { folder } if *folder == path));
        assert!(
            error.to_string().starts_with(&format!("{} is not a folder", path.display())),
            "{error}"
        );
    }
}

#[test]
fn a_missing_file_lists_what_was_looked_for() {
    for name in [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS] {
        let folder = folder();
        fs::remove_file(folder.path().join(name)).unwrap();
        fs::create_dir(folder.path().join(name)).unwrap();
        let error = load(&folder).unwrap_err();
        let dotted = name.replace("-idx", ".idx");
        let names = format!("{name}, {name}.gz, {dotted}, {dotted}.gz");
        let expected =
            format!("{} has none of {names}; put one of them there", folder.path().display());
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_wrong_magic_number_is_shown() {
    let error = error_with(TRAIN_LABELS, b"<html>not found</html>");
    let message = error.to_string();
    assert!(
        message.contains("byte 0: wrong magic number [3c, 68, 74, 6d], expected [00, 00, 08, 01]"),
        "{message}"
    );
    // Images where labels should be, floats where bytes should be.
    for bytes in [idx(&[1, 1, 1], &[0]), vec![0, 0, 0x0d, 1, 0, 0, 0, 1, 0, 0, 0, 0]] {
        assert!(matches!(error_with(TEST_LABELS, &bytes), DataError::WrongMagic { .. }));
    }
}

#[test]
fn a_size_of_zero_is_refused() {
    let what = |name, bytes: Vec<u8>| match error_with(name, &bytes) {
        DataError::ZeroSize { place, what } => (place.offset, what),
        other => panic!("{other}"),
    };
    assert_eq!(what(TRAIN_LABELS, idx(&[0], &[])), (4, "number of labels"));
    assert_eq!(what(TRAIN_IMAGES, idx(&[0, 2, 3], &[])), (4, "number of images"));
    assert_eq!(what(TRAIN_IMAGES, idx(&[40, 0, 3], &[])), (8, "height"));
    assert_eq!(what(TRAIN_IMAGES, idx(&[40, 2, 0], &[])), (12, "width"));
}

#[test]
fn absurd_sizes_are_refused_before_anything_is_allocated() {
    let error = error_with(TRAIN_IMAGES, &idx(&[u32::MAX; 3], &[0; 100]));
    assert!(
        matches!(error, DataError::TooLarge { announced, .. } if announced == u128::from(u32::MAX).pow(3))
    );
    let error = error_with(TRAIN_LABELS, &gzip(&idx(&[1 << 31], &[0; 100])));
    assert!(matches!(error, DataError::TooLarge { announced: 0x8000_0000, .. }));
}

#[test]
fn a_packed_file_is_not_unpacked_beyond_its_announced_end() {
    let mut bytes = idx(&[40], &[0; 40]);
    bytes.resize(1 << 24, 7);
    let error = error_with(TRAIN_LABELS, &gzip(&bytes));
    assert!(matches!(
        error,
        DataError::TrailingBytes { place: Place { offset: 48, packed: true, .. } }
    ));
}

#[test]
fn every_truncation_says_where_the_file_ends() {
    let good = get(&folder(), TEST_IMAGES);
    for length in 0..good.len() {
        let DataError::Truncated { place, expected } = error_with(TEST_IMAGES, &good[..length])
        else {
            panic!("{length} bytes are not called truncated");
        };
        assert_eq!((place.offset, place.packed), (length as u64, false));
        assert_eq!(expected, if length < 16 { 16 } else { 76 });
    }
}

#[test]
fn every_truncation_of_a_packed_file_is_noticed() {
    let packed = gzip(&get(&folder(), TEST_IMAGES));
    for length in 0..packed.len() {
        let error = error_with(TEST_IMAGES, &packed[..length]);
        let named = matches!(error, DataError::Truncated { .. } | DataError::Unreadable { .. });
        assert!(
            named || (length == 1 && matches!(error, DataError::WrongMagic { .. })),
            "{length}: {error}"
        );
    }
    let unpacked = error_with(TEST_IMAGES, &gzip(&get(&folder(), TEST_IMAGES)[..50])).to_string();
    assert!(
        unpacked.contains("byte 50 (unpacked): the file ends here, but should go on to byte 76"),
        "{unpacked}"
    );
}

#[test]
fn trailing_bytes_are_refused() {
    let mut bytes = get(&folder(), TRAIN_LABELS);
    bytes.push(0);
    let error = error_with(TRAIN_LABELS, &bytes);
    assert!(matches!(
        error,
        DataError::TrailingBytes { place: Place { offset: 48, packed: false, .. } }
    ));
}

#[test]
fn a_damaged_packed_file_is_refused() {
    let mut bytes = gzip(&get(&folder(), TRAIN_IMAGES));
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    assert!(matches!(error_with(TRAIN_IMAGES, &bytes), DataError::Unreadable { .. }));
    bytes[checksum] ^= 1;
    bytes.extend(b"garbage behind the end");
    assert!(matches!(error_with(TRAIN_IMAGES, &bytes), DataError::Unreadable { .. }));
}

#[test]
fn counts_that_differ_name_both_files() {
    let error = error_with(TRAIN_LABELS, &idx(&[39], &[0; 39]));
    assert!(matches!(error, DataError::CountMismatch { images: 40, labels: 39, .. }));
    let message = error.to_string();
    assert!(message.contains(TRAIN_IMAGES) && message.contains("39 labels"), "{message}");
}

#[test]
fn sizes_that_differ_between_training_and_test_name_both_files() {
    let error = error_with(TEST_IMAGES, &idx(&[10, 3, 2], &[0; 60]));
    assert!(matches!(error, DataError::SizeMismatch { found: [3, 2], expected: [2, 3], .. }));
    assert!(error.to_string().contains(TRAIN_IMAGES), "{error}");
}

#[test]
fn classes_with_a_gap_name_the_empty_one() {
    let labels = |next: fn(u8) -> u8| idx(&[40], &(0..40).map(next).collect::<Vec<_>>());
    let error = error_with(TRAIN_LABELS, &labels(|index| [0, 2][usize::from(index % 2)]));
    assert!(error.to_string().contains("no image has label 1, but labels go up to 2"), "{error}");
    let error = error_with(TRAIN_LABELS, &labels(|index| 1 + index % 3));
    assert!(matches!(error, DataError::EmptyClass { class: 0, last: 3, .. }));
    assert!(matches!(error_with(TRAIN_LABELS, &labels(|_| 0)), DataError::OneClass { .. }));
    let error = error_with(TRAIN_LABELS, &labels(|index| if index == 7 { 255 } else { index % 3 }));
    assert!(matches!(error, DataError::EmptyClass { class: 3, last: 255, .. }));
}

#[test]
fn a_test_label_that_training_lacks_is_found_at_its_offset() {
    let error = error_with(TEST_LABELS, &idx(&[10], &[0, 1, 2, 0, 3, 0, 0, 0, 0, 0]));
    assert!(
        matches!(&error, DataError::LabelOutOfRange { label: 3, last: 2, place } if place.offset == 12)
    );
}

#[test]
fn too_few_images_to_split_are_refused() {
    let folder = folder();
    // No image can be held out of a class that has no other.
    for labels in [vec![0, 1, 2], (0..10).collect::<Vec<u8>>()] {
        let count = labels.len() as u32;
        put(&folder, TRAIN_IMAGES, &idx(&[count, 2, 3], &vec![0; labels.len() * 6]));
        put(&folder, TRAIN_LABELS, &idx(&[count], &labels));
        let error = load(&folder).unwrap_err();
        assert!(
            matches!(error, DataError::TooFewImages { images, .. } if images == labels.len()),
            "{error}"
        );
    }
}

#[test]
fn reading_does_not_depend_on_how_much_comes_at_once() {
    let bytes = gzip(&get(&folder(), TEST_IMAGES));
    let name = Path::new("slow");
    let read = |capacity| {
        let reader = BufReader::with_capacity(capacity, &bytes[..]);
        Idx::<3>::read(reader, name, ["n", "h", "w"]).unwrap().content
    };
    assert_eq!(read(2), read(4096));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_anywhere_gives_an_error_or_other_data_but_never_a_panic(
        packed: bool, at in 0usize..1000, value: u8
    ) {
        let good = get(&folder(), TRAIN_LABELS);
        let mut bytes = if packed { gzip(&good) } else { good };
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(idx) = Idx::<1>::read(&bytes[..], Path::new("damaged"), ["labels"]) {
            prop_assert_eq!(idx.content.len(), 40);
        }
    }
}
