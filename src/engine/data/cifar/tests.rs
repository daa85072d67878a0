//! Files of both formats, sound, damaged and mistaken for one another.

use super::*;
use crate::engine::data::{DataSource, Split, Targets, Task};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::io::Write;
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
    for length in [1, 3072, 3075, 6145] {
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
        assert!(message.contains(&format!("has no {name}; put it there")), "{message}");
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

/// What is said about a folder with the files that `make` puts there.
fn refused(source: fn(PathBuf) -> DataSource, make: impl Fn(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    let message = Dataset::load(&source(folder.path().to_owned())).unwrap_err().to_string();
    assert!(message.contains(&folder.path().display().to_string()), "{message}");
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn the_files_are_found_one_folder_down_and_packed() {
    let (outer, inner) = (tempfile::tempdir().unwrap(), cifar10());
    let expected = load10(&inner).unwrap();
    fs::rename(inner.path(), outer.path().join("download")).unwrap();
    for name in ["data_batch_2.bin", "test_batch.bin"] {
        let path = outer.path().join("download").join(name);
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&fs::read(&path).unwrap()).unwrap();
        fs::remove_file(&path).unwrap();
        put(&outer.path().join("download"), &format!("{name}.gz"), &packed.finish().unwrap());
    }
    let found = load10(&outer).unwrap();
    assert_eq!(found.fingerprint(), expected.fingerprint());
    assert!(found.notes[0].contains("were found in") && found.notes[0].ends_with("download"));
    assert!(expected.notes.is_empty(), "{:?}", expected.notes);
}

#[test]
fn files_of_other_names_are_known_by_their_length() {
    let folder = cifar10();
    let expected = load10(&folder).unwrap();
    for (name, other) in (1..=5)
        .map(|batch| (format!("data_batch_{batch}.bin"), format!("train {batch}.bin")))
        .chain([("test_batch.bin".to_owned(), "my test.BIN".to_owned())])
    {
        fs::rename(folder.path().join(name), folder.path().join(other)).unwrap();
    }
    put(folder.path(), "weights.bin", b"something else");
    let found = load10(&folder).unwrap();
    assert_eq!(found.fingerprint(), expected.fingerprint());
    assert!(found.notes[0].contains("train 5.bin are taken for the training"), "{:?}", found.notes);
}

#[test]
fn the_files_are_found_two_folders_down() {
    let (outer, inner) = (tempfile::tempdir().unwrap(), cifar10());
    let expected = load10(&inner).unwrap();
    fs::create_dir(outer.path().join("x")).unwrap();
    fs::rename(inner.path(), outer.path().join("x/cifar-10-batches-bin")).unwrap();
    let found = load10(&outer).unwrap();
    assert_eq!(found.fingerprint(), expected.fingerprint());
    assert!(found.notes[0].ends_with("cifar-10-batches-bin"), "{:?}", found.notes);
}

#[test]
fn files_called_validation_are_the_validation_split() {
    for val in ["val.bin", "my_valid-1.bin", "Validation.bin"] {
        let folder = tempfile::tempdir().unwrap();
        let records = |labels: usize, count: u8| -> Vec<u8> {
            (0..count).flat_map(|n| record(&vec![n % 10; labels], n)).collect()
        };
        put(folder.path(), "train.bin", &records(1, 40));
        put(folder.path(), val, &records(1, 20));
        put(folder.path(), "test.bin", &records(1, 10));
        let data = load10(&folder).unwrap();
        assert_eq!(Split::ALL.map(|split| data.split(split).len()), [40, 20, 10]);
        let says = format!("{val} for the validation images");
        assert!(data.notes[0].contains(&says), "{:?}", data.notes);

        // CIFAR-100, in which the other two files have their proper names.
        let fine = |count: u8| -> Vec<u8> {
            (0..count).flat_map(|n| record(&[n % 20, n % 100], n)).collect()
        };
        for (name, count) in [("train.bin", 200), (val, 100), ("test.bin", 100)] {
            put(folder.path(), name, &fine(count));
        }
        let data = Dataset::load(&DataSource::Cifar100(folder.path().to_owned())).unwrap();
        assert_eq!(Split::ALL.map(|split| data.split(split).len()), [200, 100, 100]);
        assert!(data.notes[0].contains(val), "{:?}", data.notes);
    }
}

#[test]
fn what_lies_in_place_of_the_files_is_called_what_it_is() {
    let pickle = b"\x80\x02}q\x01(U\x0bbatch_label";
    let message = refused(DataSource::Cifar10, |folder| {
        let folder = folder.join("cifar-10-batches-py");
        fs::create_dir(&folder).unwrap();
        put(&folder, "data_batch_1", pickle);
        put(&folder, "batches.meta", pickle);
    });
    assert!(message.contains("version for Python"), "{message}");
    assert!(message.contains("get cifar-10-binary.tar.gz, unpack it"), "{message}");
    let message = refused(DataSource::Cifar100, |folder| put(folder, "train", pickle));
    assert!(message.contains("version for Python"), "{message}");
    assert!(message.contains("cifar-100-binary.tar.gz"), "{message}");
    // Renamed, as people do who are asked for a file of that name.
    let message = refused(DataSource::Cifar10, |folder| {
        for name in CIFAR_10.files() {
            put(folder, name, pickle);
        }
    });
    assert!(message.contains("data_batch_1.bin is of the version for Python"), "{message}");
    let message = refused(DataSource::Cifar10, |folder| {
        put(folder, "data_batch_1.mat", b"MATLAB 5.0 MAT-file");
    });
    assert!(message.contains("version for MATLAB"), "{message}");
    let message = refused(DataSource::Cifar10, |folder| {
        put(folder, "cifar-10-binary.tar.gz", b"\x1f\x8b\x08 and so on");
    });
    assert!(message.contains("unpack it (`tar xf "), "{message}");
    let message = refused(DataSource::Cifar10, |folder| {
        put(folder, "cifar-10-python.tar.gz", b"\x1f\x8b\x08 and so on");
    });
    assert!(message.contains("get cifar-10-binary.tar.gz"), "{message}");
    let message = refused(DataSource::Cifar10, |folder| {
        put(folder, "data_batch_1.bin", b"<!DOCTYPE html><title>404</title>");
        for name in CIFAR_10.files().skip(1) {
            put(folder, name, &record(&[1], 1));
        }
    });
    assert!(message.contains("web page") && message.contains("download"), "{message}");
    // A part of the set, and that is wrong: more of it would not help.
    for (bytes, says) in [
        (&pickle[..], "version for Python"),
        (b"<html><body>404</body>", "web page"),
        (b"404: Not Found", "text (`404: Not Found`)"),
    ] {
        let message = refused(DataSource::Cifar10, |folder| {
            for name in ["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"] {
                put(folder, name, bytes);
            }
        });
        assert!(message.contains(says) && message.contains("data_batch_1.bin"), "{message}");
        let message = refused(DataSource::Cifar10, |folder| {
            put(folder, "data_batch_1.bin", &record(&[1], 1));
            put(folder, "test_batch.bin", bytes);
        });
        assert!(message.contains(says) && message.contains("test_batch.bin"), "{message}");
    }
    let archives: [(&str, &[u8], &str); 5] = [
        ("a.tar.xz", b"\xfd7zXZ\0", "tar xf "),
        ("a.tar.bz2", b"BZh91AY&SY", "tar xf "),
        ("a.tar.zst", b"\x28\xb5\x2f\xfdaaaa", "tar xf "),
        ("a.7z", b"7z\xbc\xaf\x27\x1c", "7z x "),
        ("a.rar", b"Rar!\x1a\x07\0", "7z x "),
    ];
    for (name, bytes, program) in archives {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), name, bytes);
        for path in [folder.path().to_owned(), folder.path().join(name)] {
            let message = Dataset::load(&DataSource::Cifar10(path)).unwrap_err().to_string();
            let says = format!("unpack it (`{program}{}", folder.path().display());
            assert!(message.contains(&says) && message.contains(name), "{message}");
        }
    }
    let message = refused(DataSource::Cifar10, |_| {});
    assert!(message.contains("get cifar-10-binary.tar.gz"), "{message}");
}

#[test]
fn the_archive_and_a_single_file_are_told_from_a_folder() {
    let folder = cifar10();
    let says = |name: &str, bytes: &[u8]| {
        put(folder.path(), name, bytes);
        let source = DataSource::Cifar10(folder.path().join(name));
        Dataset::load(&source).unwrap_err().to_string()
    };
    let message = says("cifar-10-binary.tar.gz", b"\x1f\x8b\x08");
    assert!(message.contains("gzip archive") && message.contains("tar xf"), "{message}");
    let message = says("test_batch.bin", &record(&[1], 1));
    assert!(message.contains("is not a folder; give the one"), "{message}");
}

#[test]
fn the_other_cifar_is_recognised() {
    let both = |folder: &Path| {
        put(folder, "train.bin", &record(&[1, 5], 1));
        put(folder, "test.bin", &record(&[1, 5], 1));
    };
    let message = refused(DataSource::Cifar10, both);
    assert!(message.contains("CIFAR-100") && message.contains("use `cifar100:"), "{message}");
    let message = refused(DataSource::Cifar100, |folder| {
        for name in CIFAR_10.files() {
            put(folder, name, &record(&[1], 1));
        }
    });
    assert!(message.contains("CIFAR-10") && message.contains("use `cifar10:"), "{message}");
    // Under the names of this one: the length of a record tells.
    let message = refused(DataSource::Cifar100, |folder| {
        put(folder, "train.bin", &record(&[1], 1));
        put(folder, "test.bin", &record(&[1], 1));
    });
    assert!(message.contains("records of 3073 bytes"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_anywhere_gives_an_error_or_other_data_but_never_a_panic(
        name in 0usize..6, at: u16, value: u8, length in 0usize..8
    ) {
        let folder = cifar10();
        let name = CIFAR_10.files().nth(name).unwrap();
        let mut bytes = fs::read(folder.path().join(name)).unwrap();
        let at = usize::from(at) % bytes.len();
        bytes[at] = value;
        bytes.truncate(if length == 0 { at } else { bytes.len() });
        put(folder.path(), name, &bytes);
        if let Err(error) = load10(&folder) {
            let message = error.to_string();
            prop_assert!(message.contains(name) || message.contains("classes"), "{}", message);
            prop_assert!(!message.contains('\n'), "{}", message);
        }
    }
}
