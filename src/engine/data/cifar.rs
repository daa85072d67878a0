//! The binary version of CIFAR-10 and CIFAR-100: records of label bytes and the red, green and blue planes of
//! a 32×32 image.
//!
//! Format: <https://www.cs.toronto.edu/~kriz/cifar.html>. Files may hold fewer records than the original.

use super::{
    DataError, Dataset, Images, Place,
    files::{open, unreadable},
    sniff::{Kind, sniff},
    split::{self, HeldOut},
};
use crate::engine::text;
use flate2::bufread::MultiGzDecoder;
use std::{
    fs,
    io::{self, BufRead, Read},
    path::{Path, PathBuf},
};

/// The shape of every image.
const SHAPE: [usize; 3] = [3, 32, 32];

/// The bytes of one image.
const PIXELS: usize = SHAPE[0] * SHAPE[1] * SHAPE[2];

/// The most that is read of one file: seven times the largest of the originals.
const MAX_FILE: u64 = 1 << 30;

/// How much of a file tells what it is.
const SNIFFED: usize = 512;

/// The most folders of a level that are looked into.
const MOST: usize = 1000;

/// One of the two formats.
pub(super) struct Format {
    /// What it is called.
    name: &'static str,
    /// What belongs where something else is.
    wanted: &'static str,
    /// The kind of data source that reads it.
    source: &'static str,
    /// The archive with the binary version.
    archive: &'static str,
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
    name: "CIFAR-10",
    wanted: "the binary version of CIFAR-10",
    source: "cifar10",
    archive: "cifar-10-binary.tar.gz",
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
    name: "CIFAR-100",
    wanted: "the binary version of CIFAR-100",
    source: "cifar100",
    archive: "cifar-100-binary.tar.gz",
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

    /// The other of the two.
    fn other(&self) -> &'static Self {
        if self.labels.len() == CIFAR_10.labels.len() { &CIFAR_100 } else { &CIFAR_10 }
    }

    /// All files with images.
    fn files(&self) -> impl Iterator<Item = &'static str> {
        self.train.iter().copied().chain([self.test])
    }

    /// Whether a folder has any of the files.
    fn is_in(&self, folder: &Path) -> bool {
        self.files().any(|name| member(folder, name).is_some())
    }
}

/// The files of a data set, the folder that they are in, and what was inferred.
struct Found {
    folder: PathBuf,
    train: Vec<PathBuf>,
    /// The validation split, where there are files of one.
    val: Vec<PathBuf>,
    test: PathBuf,
    notes: Vec<String>,
}

/// Loads CIFAR from `folder`, or from a folder in it; a part of the training images becomes the validation split where
/// there are no files of one.
pub(super) fn load(format: &Format, folder: &Path, name: String) -> Result<Dataset, DataError> {
    let Found { folder, train, val, test, notes } = find(format, folder)?;
    let class_names = class_names(format, &folder)?;

    let read = |files: &[PathBuf]| {
        let mut records = Records::default();
        for file in files {
            records.read(format, file)?;
        }
        records.into_images()
    };
    let (train, test) = (read(&train)?, read(&[test])?);
    let (train, val) = if val.is_empty() {
        let (rest, held) = split::hold_out(train.targets(), HeldOut::Val, train.len());
        if held.is_empty() {
            return Err(DataError::TooFewImages { file: folder, images: train.len() });
        }
        (train.select(&rest), train.select(&held))
    } else {
        (train, read(&val)?)
    };
    let data = Dataset::new(name, class_names, train, val, test)?;
    Ok(data.with_notes(notes))
}

/// Finds the files in `root`, in the folder in it that the archive unpacks to, or in another one.
fn find(format: &Format, root: &Path) -> Result<Found, DataError> {
    if !root.is_dir() {
        return Err(no_folder(format, root));
    }
    let usual = root.join(format.unpacks_to);
    let below = below(root);
    let folders: Vec<_> = [usual.clone(), root.to_owned()].into_iter().chain(below).collect();
    let mut notes = Vec::new();
    if let Some(folder) = folders.iter().find(|folder| format.is_in(folder)) {
        if *folder != root && *folder != usual {
            notes.push(format!("the files were found in {}", folder.display()));
        }
        let find = |name: &str| {
            let missing = || DataError::MissingFile {
                folder: folder.clone(),
                looked_for: vec![name.to_owned()],
            };
            member(folder, name).ok_or_else(missing)
        };
        let train = format.train.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?;
        let test = find(format.test)?;
        let files = entries(folder).into_iter();
        let val: Vec<_> =
            files.filter(|path| is_binary(format, path) && is_validation(path)).collect();
        if !val.is_empty() {
            notes.push(format!("{} are taken for the validation images", names(&val)));
        }
        return Ok(Found { folder: folder.clone(), train, val, test, notes });
    }
    if let Some(found) = folders.iter().find_map(|folder| by_content(format, folder)) {
        return Ok(found);
    }
    for folder in &folders {
        if let Some(error) = what_else(format, folder) {
            return Err(error);
        }
    }
    let what = format!("a folder without {} and the others", format.train[0]);
    Err(DataError::OtherFile {
        file: root.to_owned(),
        what,
        wanted: format.wanted,
        fix: get(format),
    })
}

/// The file called `name` in `folder`, packed or not.
fn member(folder: &Path, name: &str) -> Option<PathBuf> {
    [name.to_owned(), format!("{name}.gz")]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.is_file())
}

/// Files that are called otherwise, but end in `.bin` and have the length of records; that for testing says so.
fn by_content(format: &Format, folder: &Path) -> Option<Found> {
    let is_test = |path: &PathBuf| file_name(path).to_lowercase().contains("test");
    let files = entries(folder).into_iter().filter(|path| is_binary(format, path));
    let (test, others): (Vec<_>, Vec<_>) = files.partition(is_test);
    let (val, train): (Vec<_>, Vec<_>) = others.into_iter().partition(|path| is_validation(path));
    let [test] = <[PathBuf; 1]>::try_from(test).ok()?;
    if train.is_empty() {
        return None;
    }
    let validation = if val.is_empty() {
        String::new()
    } else {
        format!("{} for the validation images, ", names(&val))
    };
    let note = format!(
        "{} are taken for the training images, {validation}{} for the test images of {}",
        names(&train),
        file_name(&test),
        format.name
    );
    Some(Found { folder: folder.to_owned(), train, val, test, notes: vec![note] })
}

/// Whether a file ends in `.bin` and has the length of records.
fn is_binary(format: &Format, path: &Path) -> bool {
    let whole = |length: u64| length > 0 && length.is_multiple_of(format.record() as u64);
    let ends = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("bin"));
    ends && path.is_file() && path.metadata().is_ok_and(|file| whole(file.len()))
}

/// Whether a file is called as one with validation images is.
fn is_validation(path: &Path) -> bool {
    let name = file_name(path).to_lowercase();
    name.split(|c: char| !c.is_alphabetic())
        .any(|word| ["val", "valid", "validation"].contains(&word))
}

/// The names of files, for a note.
fn names(files: &[PathBuf]) -> String {
    let names: Vec<_> = files.iter().map(|path| file_name(path)).collect();
    names.join(", ")
}

/// What is in `folder` in place of the files, if that is known.
fn what_else(format: &Format, folder: &Path) -> Option<DataError> {
    let refused = |file: &Path, what: &str, fix: String| {
        let what = what.to_owned();
        Some(DataError::OtherFile { file: file.to_owned(), what, wanted: format.wanted, fix })
    };
    let other = format.other();
    if other.is_in(folder) {
        let what = format!("the folder of {}", other.name);
        let fix = format!("use `{}:{}`, or get {}", other.source, folder.display(), format.archive);
        return refused(folder, &what, fix);
    }
    let kinds = entries(folder).into_iter().filter(|path| path.is_file());
    let kinds = kinds.filter_map(|path| {
        let kind = beginning(&path)?;
        Some((path, kind))
    });
    for (path, kind) in kinds {
        match kind {
            Kind::Pickle | Kind::Matlab => {
                let what = if kind == Kind::Pickle {
                    "of the version for Python"
                } else {
                    "of the version for MATLAB"
                };
                return refused(&path, what, get(format));
            }
            Kind::Gzip | Kind::Tar | Kind::Zip | Kind::Archive => {
                return refused(&path, &kind.to_string(), unpack(format, &path, kind));
            }
            Kind::WebPage | Kind::Pointer => {
                return refused(&path, &kind.to_string(), kind.fix().to_owned());
            }
            _ => {}
        }
    }
    None
}

fn get(format: &Format) -> String {
    format!(
        "get {}, unpack it, and give the folder that comes out, {}",
        format.archive, format.unpacks_to
    )
}

fn unpack(format: &Format, path: &Path, kind: Kind) -> String {
    let name = file_name(path).to_lowercase();
    if ["python", "matlab"].iter().any(|version| name.contains(version)) {
        // Unpacking it would be of no use.
        return get(format);
    }
    let shown = path.display();
    match kind {
        Kind::Zip => format!("unpack it (`unzip {shown}`) and give the folder that comes out"),
        _ => format!("unpack it (`tar xf {shown}`) and give the folder that comes out"),
    }
}

/// Why `path` is no folder with data.
fn no_folder(format: &Format, path: &Path) -> DataError {
    let kind = if path.is_file() { beginning(path) } else { None };
    let (what, fix) = match kind {
        Some(kind @ (Kind::Gzip | Kind::Tar | Kind::Zip | Kind::Archive)) => {
            (kind.to_string(), unpack(format, path, kind))
        }
        Some(kind @ (Kind::WebPage | Kind::Pointer)) => (kind.to_string(), kind.fix().to_owned()),
        Some(Kind::Pickle) => ("of the version for Python".to_owned(), get(format)),
        Some(Kind::Matlab) => ("of the version for MATLAB".to_owned(), get(format)),
        _ => return DataError::NoFolder { folder: path.to_owned() },
    };
    DataError::OtherFile { file: path.to_owned(), what, wanted: format.wanted, fix }
}

/// What a file is known to be by its beginning.
fn beginning(path: &Path) -> Option<Kind> {
    let mut bytes = Vec::new();
    open(path).ok()?.take(SNIFFED as u64).read_to_end(&mut bytes).ok()?;
    sniff(&bytes)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The folders in `root` and those in them, the former first.
fn below(root: &Path) -> Vec<PathBuf> {
    let folders = |folder: &Path| entries(folder).into_iter().filter(|path| path.is_dir());
    let mut found: Vec<_> = folders(root).take(MOST).collect();
    let deeper: Vec<_> = found.iter().flat_map(|folder| folders(folder)).take(MOST).collect();
    found.extend(deeper);
    found
}

/// The entries of a folder in the order of their names, without hidden ones; none where it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| !file_name(path).starts_with('.'));
    paths.sort();
    paths
}

/// The names of the classes; their numbers if the file with the names is not there.
fn class_names(format: &Format, folder: &Path) -> Result<Vec<String>, DataError> {
    let path = folder.join(format.names);
    if !path.exists() {
        return Ok((0..format.classes()).map(|class| class.to_string()).collect());
    }
    let text = fs::read(&path).and_then(|bytes| text::decode(bytes).map_err(io::Error::other));
    let text = text.map_err(|source| unreadable(&path, source))?;
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

/// Why the `content` of a file does not have the length of records, if that is known.
fn refusal(format: &Format, file: &Path, content: &[u8]) -> Option<DataError> {
    let other = format.other();
    let (what, fix) = match sniff(&content[..content.len().min(SNIFFED)]) {
        Some(Kind::Pickle) => ("of the version for Python".to_owned(), get(format)),
        Some(Kind::Matlab) => ("of the version for MATLAB".to_owned(), get(format)),
        Some(kind @ (Kind::Gzip | Kind::Tar | Kind::Zip | Kind::Archive)) => {
            (kind.to_string(), unpack(format, file, kind))
        }
        Some(kind @ (Kind::WebPage | Kind::Pointer)) => (kind.to_string(), kind.fix().to_owned()),
        _ if content.len().is_multiple_of(other.record()) => {
            let folder = file.parent().unwrap_or(file).display();
            let what = format!("a file of {} (records of {} bytes)", other.name, other.record());
            (what, format!("use `{}:{folder}`, or get {}", other.source, format.archive))
        }
        _ => return None,
    };
    Some(DataError::OtherFile { file: file.to_owned(), what, wanted: format.wanted, fix })
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
        let mut reader = open(file)?;
        let packed = reader
            .fill_buf()
            .map_err(|source| unreadable(file, source))?
            .starts_with(&[0x1f, 0x8b]);
        let place = |offset: usize| Place { file: file.to_owned(), offset: offset as u64, packed };
        let read = if packed {
            MultiGzDecoder::new(reader).take(MAX_FILE + 1).read_to_end(&mut content)
        } else {
            reader.take(MAX_FILE + 1).read_to_end(&mut content)
        };
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
            if let Some(error) = refusal(format, file, &content) {
                return Err(error);
            }
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
        assert!(
            found.notes[0].contains("train 5.bin are taken for the training"),
            "{:?}",
            found.notes
        );
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
}
