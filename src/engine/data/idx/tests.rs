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
    put(&folder, "notes.txt", b"Our digits.");
    for path in [folder.path().join("nowhere"), folder.path().join("notes.txt")] {
        let error = Dataset::load(&DataSource::Idx(path.clone())).unwrap_err();
        assert!(matches!(&error, DataError::NoFolder { folder } if *folder == path));
        assert!(
            error.to_string().starts_with(&format!("{} is not a folder", path.display())),
            "{error}"
        );
    }
}

#[test]
fn a_file_of_a_data_set_stands_for_its_folder() {
    let folder = folder();
    let expected = load(&folder).unwrap().fingerprint();
    for name in [TRAIN_IMAGES, TEST_LABELS] {
        let data = Dataset::load(&DataSource::Idx(folder.path().join(name))).unwrap();
        assert_eq!(data.fingerprint(), expected);
        let note = &data.notes[0];
        assert!(
            note.ends_with(&format!("{name} is a file; the data set in its folder is read")),
            "{note}"
        );
    }
}

#[test]
fn a_mapping_names_the_classes() {
    let folder = renamed(|part, what| {
        format!("emnist-letters-{part}-{what}-idx{}-ubyte", if what == "images" { 3 } else { 1 })
    });
    let (named, plain) = (["A", "B", "c"], ["0", "1", "2"]);
    for (mapping, names, says) in [
        ("0 65 97\r\n1 66 98\r\n2 99\r\n\r\n", named, "first characters in emnist-letters-mapping"),
        ("0 65 97\n1 66 98\n", plain, "is left out"),
        ("0 65\n1 66\n2 66\n", plain, "is left out"),
        ("0 65\n1 66\n2 10\n", plain, "is left out"),
        ("no mapping", plain, "is left out"),
    ] {
        put(&folder, "emnist-letters-mapping.txt", mapping.as_bytes());
        put(&folder, "emnist-digits-mapping.txt", b"0 70\n1 71\n2 72\n");
        let data = load(&folder).unwrap();
        assert_eq!(data.task, Task::Classes(names.map(str::to_owned).into()), "{mapping}");
        assert!(data.notes[0].contains(says), "{:?}", data.notes);
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
    let message = error_with(TRAIN_LABELS, b"what\x07 it is").to_string();
    assert!(
        message.contains("byte 0: wrong magic number [77, 68, 61, 74], expected [00, 00, 08, 01]"),
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
fn labels_that_do_not_go_from_0_without_a_gap_are_the_names_of_the_classes() {
    let named = |values: &[u8], says: &str| {
        let folder = folder();
        let label = |index: usize| values[index % values.len()];
        for (name, count) in [(TRAIN_LABELS, 40), (TEST_LABELS, 10)] {
            put(&folder, name, &idx(&[count as u32], &(0..count).map(label).collect::<Vec<_>>()));
        }
        let data = load(&folder).unwrap();
        let names: Vec<_> = values.iter().map(u8::to_string).collect();
        assert_eq!(data.task, Task::Classes(names));
        for split in Split::ALL {
            let images = data.split(split);
            for index in 0..images.len() {
                assert_eq!(
                    images.label(index),
                    u16::from(images.image(index)[0]) % values.len() as u16
                );
            }
        }
        assert!(data.notes.iter().any(|note| note.contains(says)), "{:?}", data.notes);
    };
    named(&[1, 2, 3], "the labels go from 1 to 3; they are the names of the 3 classes");
    named(&[0, 2, 5], "only 3 labels between 0 and 5 occur");
    named(&[7, 255], "only 2 labels between 7 and 255 occur");
    assert!(load(&folder()).unwrap().notes.is_empty(), "0, 1, 2 need no note");
    let error = error_with(TRAIN_LABELS, &idx(&[40], &[4; 40]));
    assert!(matches!(error, DataError::OneClass { label: 4, .. }), "{error}");
}

#[test]
fn a_test_label_that_training_lacks_is_found_at_its_offset() {
    let error = error_with(TEST_LABELS, &idx(&[10], &[0, 1, 2, 0, 3, 0, 0, 0, 0, 0]));
    assert!(matches!(&error, DataError::LabelOutOfRange { label: 3, place } if place.offset == 12));
}

/// The four files of a good folder, under the names that `name` gives them.
fn renamed(name: impl Fn(&str, &str) -> String) -> TempDir {
    let (plain, folder) = (folder(), tempfile::tempdir().unwrap());
    for (own, part, what) in [
        (TRAIN_IMAGES, "train", "images"),
        (TRAIN_LABELS, "train", "labels"),
        (TEST_IMAGES, "test", "images"),
        (TEST_LABELS, "test", "labels"),
    ] {
        let path = folder.path().join(name(part, what));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, get(&plain, own)).unwrap();
    }
    folder
}

#[test]
fn the_files_are_found_by_other_names_and_further_down() {
    let expected = load(&folder()).unwrap().fingerprint();
    let number = |what: &str| if what == "images" { 3 } else { 1 };
    let found = |name: &dyn Fn(&str, &str) -> String| {
        let data = load(&renamed(name)).unwrap();
        assert_eq!(data.fingerprint(), expected, "{}", name("train", "images"));
        data.notes.join("; ")
    };
    let nothing = String::new();
    assert_eq!(found(&|p, w| format!("{p}-{w}.idx{}-ubyte", number(w))), nothing);
    assert_eq!(found(&|p, w| format!("emnist-letters-{p}-{w}-idx{}-ubyte", number(w))), nothing);
    assert_eq!(
        found(&|p, w| format!("{}_{p}.idx", if w == "images" { "X" } else { "y" })),
        nothing
    );
    assert_eq!(found(&|p, w| format!("{p}{w}.bin")), nothing);
    // A folder of the same name around each file.
    assert_eq!(
        found(&|p, w| format!("{p}-{w}-idx{n}-ubyte/{p}-{w}-idx{n}-ubyte", n = number(w))),
        nothing
    );
    assert_eq!(found(&|p, w| format!("{p}/{w}-idx{}-ubyte", number(w))), nothing);
    let note = found(&|p, w| format!("MNIST/raw/{p}-{w}-idx{}-ubyte", number(w)));
    assert!(note.contains("were found in") && note.ends_with("MNIST/raw"), "{note}");
    // What is in a file counts, not how it is called.
    let swapped = |w: &str| if w == "images" { "labels-idx1" } else { "images-idx3" };
    let note = found(&|p, w| format!("{p}-{}-ubyte", swapped(w)));
    assert!(note.contains("holds images, in spite of its name"), "{note}");
}

#[test]
fn of_packed_and_unpacked_copies_one_is_read() {
    let folder = folder();
    let expected = load(&folder).unwrap().fingerprint();
    for name in [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS] {
        let bytes = gzip(&get(&folder, name));
        put(&folder, &format!("{name}.gz"), &bytes);
    }
    let data = load(&folder).unwrap();
    assert_eq!(data.fingerprint(), expected);
    assert!(data.notes[0].contains("4 further file(s)"), "{:?}", data.notes);
}

#[test]
fn several_data_sets_in_a_folder_are_listed_and_one_is_chosen_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for set in ["emnist-digits", "emnist-letters"] {
        let part = renamed(|part, what| {
            format!("{set}-{part}-{what}-idx{}-ubyte", if what == "images" { 3 } else { 1 })
        });
        for entry in fs::read_dir(part.path()).unwrap() {
            let path = entry.unwrap().path();
            fs::rename(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let error = load(&folder).unwrap_err();
    assert!(matches!(error, DataError::SeveralSets { .. }), "{error}");
    let message = error.to_string();
    let choice = format!("`idx:{}`", folder.path().join("emnist-digits").display());
    assert!(
        message.contains("emnist-digits, emnist-letters; give one") && message.contains(&choice),
        "{message}"
    );
    for (name, fits) in [("emnist-letters", true), ("emnist-digits", true), ("emnist", false)] {
        let chosen = Dataset::load(&DataSource::Idx(folder.path().join(name)));
        assert_eq!(chosen.is_ok(), fits, "{name}");
    }
    // Files without such a name come first.
    for name in [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS] {
        put(&folder, name, &get(&super::tests::folder(), name));
    }
    let data = load(&folder).unwrap();
    assert_eq!(data.fingerprint(), load(&super::tests::folder()).unwrap().fingerprint());
    assert!(data.notes[0].contains("2 other data set(s)"), "{:?}", data.notes);
}

#[test]
fn training_files_alone_give_all_splits() {
    let folder = folder();
    let big: Vec<u8> = (0..200).map(|index| index % 3).collect();
    put(&folder, TRAIN_IMAGES, &idx(&[200, 2, 3], &[7; 1200]));
    put(&folder, TRAIN_LABELS, &idx(&[200], &big));
    for name in [TEST_IMAGES, TEST_LABELS] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let data = load(&folder).unwrap();
    assert_eq!(Split::ALL.iter().map(|&split| data.split(split).len()).sum::<usize>(), 200);
    assert!(data.notes[0].contains("no test files"), "{:?}", data.notes);
    // Images and labels that say nothing of a split.
    for name in [TRAIN_IMAGES, TRAIN_LABELS] {
        let other = name.trim_start_matches("train-");
        fs::rename(folder.path().join(name), folder.path().join(other)).unwrap();
    }
    assert_eq!(load(&folder).unwrap().fingerprint(), data.fingerprint());
}

#[test]
fn validation_files_are_the_validation_split() {
    let folder = folder();
    for (name, own) in
        [(TEST_IMAGES, "val-images-idx3-ubyte"), (TEST_LABELS, "val-labels-idx1-ubyte")]
    {
        put(&folder, own, &get(&folder, name));
    }
    let data = load(&folder).unwrap();
    assert_eq!(Split::ALL.map(|split| data.split(split).len()), [40, 10, 10]);
}

#[test]
fn what_is_no_idx_file_is_called_what_it_is() {
    let message = error_with(TRAIN_IMAGES, b"<!DOCTYPE HTML><title>403</title>").to_string();
    assert!(message.contains("is a web page (HTML)") && message.contains("download"), "{message}");
    let message = error_with(TRAIN_IMAGES, &gzip(b"<html>")).to_string();
    assert!(message.contains("is a web page (HTML)"), "{message}");
    let message = error_with(TRAIN_IMAGES, b"\x80\x04\x95pickle").to_string();
    assert!(message.contains("a Python pickle") && message.contains("t10k-images"), "{message}");
    let colour = idx(&[40, 2, 3, 3], &[0; 720]);
    let message = error_with(TRAIN_IMAGES, &colour).to_string();
    assert!(message.contains("unsigned bytes in 4 dimensions, but grey images are"), "{message}");
    let floats = [&[0, 0, 0x0d, 3][..], &[0; 12]].concat();
    let message = error_with(TRAIN_IMAGES, &floats).to_string();
    assert!(message.contains("32-bit floats in 3 dimensions"), "{message}");

    let message = load(&tempfile::tempdir().unwrap()).unwrap_err().to_string();
    assert!(message.contains("has no files in IDX format; put the four files"), "{message}");

    // Nothing else is there.
    let mut tar = vec![b'a'; 600];
    tar[257..262].copy_from_slice(b"ustar");
    for (name, bytes, says) in [
        ("mnist.pkl.gz", gzip(b"\x80\x03pickle"), "a Python pickle"),
        ("gzip.zip", b"PK\x03\x04 and so on".to_vec(), "unpack it (`unzip "),
        ("mnist.tar.gz", gzip(&tar), "unpack it (`tar xf "),
        ("mnist.tar.xz", b"\xfd7zXZ\0 and so on".to_vec(), "unpack it (`tar xf "),
        ("mnist.tar.bz2", b"BZh91AY&SY".to_vec(), "unpack it (`tar xf "),
        ("mnist.7z", b"7z\xbc\xaf\x27\x1c\0".to_vec(), "unpack it (`7z x "),
    ] {
        let folder = tempfile::tempdir().unwrap();
        put(&folder, name, &bytes);
        let message = load(&folder).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains(says), "{message}");
        // The file in place of the folder.
        let file = DataSource::Idx(folder.path().join(name));
        let message = Dataset::load(&file).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains(says), "{message}");
    }
}

#[test]
fn text_in_place_of_a_file_is_shown() {
    for text in [&b"404: Not Found"[..], b"{\"message\": \"Not Found\"}\n", b"Access Denied"] {
        let folder = folder();
        for name in [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS] {
            put(&folder, name, text);
        }
        let message = load(&folder).unwrap_err().to_string();
        let shown = format!("is text (`{}`)", String::from_utf8_lossy(text).trim());
        assert!(message.contains(&shown) && message.contains("download"), "{message}");
        assert!(!message.contains("magic"), "{message}");
        let message = error_with(TEST_LABELS, &gzip(text)).to_string();
        assert!(message.contains(&shown), "{message}");
    }
}

#[test]
fn files_whose_names_say_nothing_are_told_apart_by_their_content() {
    let usual = folder();
    let expected = load(&usual).unwrap().fingerprint();
    let all = [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS];
    for names in [
        ["a.bin", "b.bin", "c.bin", "d.bin"],
        ["x1", "y1", "x2", "y2"],
        ["4", "3", "2", "1"],
        ["one-images", "two", "images of a test", "four"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        for (name, usual_name) in names.iter().zip(all) {
            put(&folder, name, &get(&usual, usual_name));
        }
        put(&folder, &format!("{}.gz", names[0]), &gzip(&get(&usual, all[0])));
        let data = load(&folder).unwrap();
        assert_eq!(data.fingerprint(), expected, "{names:?}");
        let note = format!("{} and {} are taken for the training files", names[0], names[1]);
        assert!(data.notes.iter().any(|told| told.contains(&note)), "{:?}", data.notes);
    }
    // Training files alone, further down.
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("raw")).unwrap();
    put(&folder, "raw/first", &get(&usual, TRAIN_IMAGES));
    put(&folder, "raw/second", &get(&usual, TRAIN_LABELS));
    assert_eq!(load(&folder).unwrap().train.len(), 24);
    // Two of each, of equal lengths.
    let folder = tempfile::tempdir().unwrap();
    for (name, usual_name) in [("a", all[0]), ("b", all[1]), ("c", all[0]), ("d", all[1])] {
        put(&folder, name, &get(&usual, usual_name));
    }
    let message = load(&folder).unwrap_err().to_string();
    for says in ["a (40 images), c (40 images), b (40 labels)", "call them train-images-idx3-ubyte"]
    {
        assert!(message.contains(says), "{message}");
    }
    // Images without labels.
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "a.bin", &get(&usual, TRAIN_IMAGES));
    let message = load(&folder).unwrap_err().to_string();
    assert!(message.contains("none of train-labels-idx1-ubyte"), "{message}");
}

#[test]
fn what_is_there_is_judged_before_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "train-images", &[&[0, 0, 0x0d, 3][..], &[0, 0, 0, 2].repeat(3)].concat());
    let message = load(&folder).unwrap_err().to_string();
    assert!(message.contains("32-bit floats in 3 dimensions"), "{message}");
}

/// Labels as 32-bit integers with `columns` of which the first is the class.
fn integers(columns: u32, labels: &[i32]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0x0c, if columns == 1 { 1 } else { 2 }];
    bytes.extend((labels.len() as u32).to_be_bytes());
    if columns > 1 {
        bytes.extend(columns.to_be_bytes());
    }
    for label in labels {
        bytes.extend(label.to_be_bytes());
        bytes.extend((1..columns).flat_map(|_| 4711_u32.to_be_bytes()));
    }
    bytes
}

#[test]
fn labels_may_be_32_bit_integers_of_which_the_first_column_is_the_class() {
    let expected = load(&folder()).unwrap().fingerprint();
    for columns in [1, 8] {
        let folder = renamed(|part, what| format!("qmnist-{part}-{what}-idx3-ubyte"));
        let kind = if columns == 1 { "idx1-int" } else { "idx2-int" };
        let name = |part: &str| format!("qmnist-{part}-labels-{kind}.gz");
        for (part, count) in [("train", 40), ("test", 10)] {
            let old = format!("qmnist-{part}-labels-idx3-ubyte");
            fs::remove_file(folder.path().join(old)).unwrap();
            let labels: Vec<_> = (0..count).map(|index| index % 3).collect();
            put(&folder, &name(part), &gzip(&integers(columns, &labels)));
        }
        let data = load(&folder).unwrap();
        assert_eq!(data.fingerprint(), expected);
        assert!(data.notes[0].contains("32-bit integers"), "{:?}", data.notes);
        put(&folder, &name("test"), &integers(columns, &[0, 1, 2, 0, 7, 0, 1, 2, 0, 1]));
        let error = load(&folder).unwrap_err();
        let offset = if columns == 1 { 8 + 4 * 4 } else { 12 + 4 * 32 };
        assert!(
            matches!(&error, DataError::LabelOutOfRange { label: 7, place } if place.offset == offset),
            "{error}"
        );
        for label in [-1, 256] {
            put(&folder, &name("test"), &integers(columns, &[0, 1, 2, 0, label, 0, 1, 2, 0, 1]));
            let message = load(&folder).unwrap_err().to_string();
            assert!(message.contains(&format!("the label {label} (label number 5)")), "{message}");
            assert!(message.contains("number the classes from 0"), "{message}");
        }
    }
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
        match Idx::<1>::read(&bytes[..], Path::new("damaged"), ["labels"]) {
            Ok(idx) => prop_assert_eq!(idx.content.len(), 40),
            Err(error) => {
                let message = error.to_string();
                prop_assert!(message.starts_with("damaged") && !message.contains('\n'), "{}", message);
            }
        }
    }

    #[test]
    fn damage_in_any_file_of_a_folder_is_one_sentence_that_names_it(
        name in 0usize..4, at in 0usize..1000, value: u8, cut: bool
    ) {
        let folder = folder();
        let name = [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS][name];
        let mut bytes = get(&folder, name);
        let at = at % bytes.len();
        bytes[at] = value;
        bytes.truncate(if cut { at } else { bytes.len() });
        put(&folder, name, &bytes);
        if let Err(error) = load(&folder) {
            let message = error.to_string();
            let place = folder.path().display().to_string();
            prop_assert!(message.contains(&place) && !message.contains('\n'), "{}", message);
        }
    }
}
