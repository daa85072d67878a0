//! The binary version of CIFAR-10 and CIFAR-100: records of label bytes and the red, green and blue planes of
//! a 32×32 image.
//!
//! Format: <https://www.cs.toronto.edu/~kriz/cifar.html>. Files may hold fewer records than the original.

mod find;
#[cfg(test)]
mod tests;

use super::{
    DataError, Dataset, Images, Place,
    files::{open, unreadable},
    split::{self, HeldOut},
};
use crate::engine::text;
use find::{Found, find, member, refusal};
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

/// One of the two formats.
pub(super) struct Format {
    /// Its name.
    name: &'static str,
    /// The content that belongs in its files.
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
            return Err(DataError::ZeroSize { place: place(0), what: "size of the file" });
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
