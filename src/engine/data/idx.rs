//! IDX, the format of MNIST and its family: a magic number, big-endian sizes, then bytes.
//!
//! Format: <http://yann.lecun.com/exdb/mnist/> (mirrored widely). Nothing is allocated on the word of a
//! header: memory grows with the content that is really there.

mod find;
mod mapping;

use super::{
    DataError, Dataset, Images, Place,
    files::open,
    sniff::{self, sniff},
    split::{self, HeldOut},
};
use find::Files;
use flate2::bufread::MultiGzDecoder;
use std::{
    io::{self, BufRead, Read},
    path::{Path, PathBuf},
};

/// The most content of one file that is read: twice the largest member of the MNIST family.
const MAX_CONTENT: u64 = 1 << 30;

/// The kind of 32-bit integers in a magic number.
const INTEGERS: u8 = 0x0c;

/// What the sizes in a file of images say.
const IMAGE_SIZES: [&str; 3] = ["number of images", "height", "width"];

/// How much of a file that is no IDX file tells what it is.
const SNIFFED: u64 = 512;

/// What an IDX file with this magic number holds, as people call it, and in how many dimensions; `None` where it is no
/// such number.
pub(super) fn elements(magic: [u8; 4]) -> Option<(&'static str, u8)> {
    let [0, 0, kind, rank] = magic else { return None };
    let kind = match kind {
        0x08 => "unsigned bytes",
        0x09 => "signed bytes",
        0x0b => "16-bit integers",
        0x0c => "32-bit integers",
        0x0d => "32-bit floats",
        0x0e => "64-bit floats",
        _ => return None,
    };
    Some((kind, rank))
}

/// The content of one IDX file with `RANK` sizes, as unsigned bytes.
pub(super) struct Idx<const RANK: usize> {
    file: PathBuf,
    packed: bool,
    sizes: [usize; RANK],
    content: Vec<u8>,
    /// Where the first element stands in the file.
    start: u64,
    /// How many bytes of the file there are per element of the content.
    stride: u64,
}

/// A file as its header describes it.
struct Raw {
    packed: bool,
    magic: [u8; 4],
    sizes: Vec<usize>,
    content: Vec<u8>,
}

/// Reads and checks a file, compressed or not; its content decides, not its name (browsers unpack
/// without renaming). Its magic number is one of `accepted`; `names` are those of the sizes, `file` is for messages.
fn read_raw(
    mut reader: impl BufRead,
    file: &Path,
    accepted: &[[u8; 4]],
    names: &[&'static str],
) -> Result<Raw, DataError> {
    let start = |source| DataError::Unreadable {
        place: Place { file: file.to_owned(), offset: 0, packed: false },
        source,
    };
    let packed = reader.fill_buf().map_err(start)?.starts_with(&[0x1f, 0x8b]);
    if packed {
        read_content(MultiGzDecoder::new(reader), file, packed, accepted, names)
    } else {
        read_content(reader, file, packed, accepted, names)
    }
}

fn read_content(
    mut reader: impl Read,
    file: &Path,
    packed: bool,
    accepted: &[[u8; 4]],
    names: &[&'static str],
) -> Result<Raw, DataError> {
    let place = |offset| Place { file: file.to_owned(), offset, packed };
    let ends = |offset, expected, error: Option<io::Error>| match error {
        Some(source) if source.kind() != io::ErrorKind::UnexpectedEof => {
            DataError::Unreadable { place: place(offset), source }
        }
        _ => DataError::Truncated { place: place(offset), expected },
    };

    let expected = accepted.first().copied().unwrap_or_default();
    let (mut header, mut error) = read_up_to(&mut reader, 4);
    let magic = header.first_chunk().copied().unwrap_or(expected);
    if !accepted.contains(&magic) {
        let (more, _) = read_up_to(&mut reader, SNIFFED);
        let beginning = [header, more].concat();
        let other = match elements(magic) {
            Some(_) => None,
            None => sniff(&beginning).map(|kind| find::other(file, kind)).or_else(|| {
                sniff::text(&beginning).map(|what| find::other_as(file, what, sniff::TEXT_FIX))
            }),
        };
        let wrong = || DataError::WrongMagic { place: place(0), found: magic, expected };
        return Err(other.unwrap_or_else(wrong));
    }
    let length = header_of(magic);
    if error.is_none() {
        let (sizes, failed) = read_up_to(&mut reader, length - 4);
        header.extend(sizes);
        error = failed;
    }
    if (header.len() as u64) < length {
        return Err(ends(header.len() as u64, length, error));
    }
    let mut sizes = Vec::new();
    for (index, bytes) in header[4..].chunks_exact(4).enumerate() {
        let size = bytes.iter().fold(0, |size, &byte| size << 8 | usize::from(byte));
        if size == 0 {
            let what = names.get(index).copied().unwrap_or("size of a dimension");
            return Err(DataError::ZeroSize { place: place(4 + 4 * index as u64), what });
        }
        sizes.push(size);
    }
    let width = if magic[2] == INTEGERS { 4 } else { 1 };
    let announced =
        sizes.iter().fold(width, |bytes: u128, &size| bytes.saturating_mul(size as u128));
    if announced > u128::from(MAX_CONTENT) {
        return Err(DataError::TooLarge { place: place(4), announced, limit: MAX_CONTENT });
    }
    let announced = announced as u64;
    let end = length + announced;

    let (content, error) = read_up_to(&mut reader, announced);
    if (content.len() as u64) < announced {
        return Err(ends(length + content.len() as u64, end, error));
    }
    // Going beyond the content also makes the decoder compare its checksum.
    match read_up_to(&mut reader, 1) {
        (_, Some(source)) => Err(DataError::Unreadable { place: place(end), source }),
        (rest, None) if !rest.is_empty() => Err(DataError::TrailingBytes { place: place(end) }),
        _ => Ok(Raw { packed, magic, sizes, content }),
    }
}

/// The length of a header that begins with `magic`.
fn header_of(magic: [u8; 4]) -> u64 {
    4 + 4 * u64::from(magic[3])
}

impl<const RANK: usize> Idx<RANK> {
    const MAGIC: [u8; 4] = [0, 0, 8, RANK as u8];

    fn place(&self, offset: u64) -> Place {
        Place { file: self.file.clone(), offset, packed: self.packed }
    }

    /// Reads a file of unsigned bytes; `names` are those of the sizes, `file` is for messages.
    fn read(
        reader: impl BufRead,
        file: &Path,
        names: [&'static str; RANK],
    ) -> Result<Self, DataError> {
        let Raw { packed, magic, sizes, content } = read_raw(reader, file, &[Self::MAGIC], &names)?;
        let sizes = std::array::from_fn(|index| sizes.get(index).copied().unwrap_or_default());
        let (file, start) = (file.to_owned(), header_of(magic));
        Ok(Self { file, packed, sizes, content, start, stride: 1 })
    }
}

impl Idx<1> {
    /// Reads labels: bytes, or 32-bit integers of which the first column is the class, as QMNIST has them.
    fn read_labels(reader: impl BufRead, file: &Path) -> Result<Self, DataError> {
        let accepted = [Self::MAGIC, [0, 0, INTEGERS, 1], [0, 0, INTEGERS, 2]];
        let names = ["number of labels", "number of columns"];
        let Raw { packed, magic, sizes, content } = read_raw(reader, file, &accepted, &names)?;
        let (file, start) = (file.to_owned(), header_of(magic));
        if magic == Self::MAGIC {
            let sizes = [content.len()];
            return Ok(Self { file, packed, sizes, content, start, stride: 1 });
        }
        let row = 4 * sizes.get(1).copied().unwrap_or(1);
        let mut labels = Vec::new();
        for (index, row) in content.chunks_exact(row).enumerate() {
            let label = row.first_chunk().map(|&bytes| i32::from_be_bytes(bytes));
            let label = label.unwrap_or_default();
            let Ok(label) = u8::try_from(label) else {
                return Err(DataError::OtherFile {
                    what: format!("a file with the label {label} (label number {})", index + 1),
                    file,
                    wanted: "a file of labels from 0 to 255",
                    fix: "number the classes from 0".to_owned(),
                });
            };
            labels.push(label);
        }
        let sizes = [labels.len()];
        Ok(Self { file, packed, sizes, content: labels, start, stride: row as u64 })
    }

    /// The note about labels that are not bytes.
    fn told(&self) -> Option<String> {
        let file = self.file.file_name().unwrap_or_default().display();
        match self.stride {
            1 => None,
            4 => Some(format!("{file} holds the labels as 32-bit integers")),
            row => Some(format!(
                "{file} holds {} columns of 32-bit integers; the first one is taken for the labels",
                row / 4
            )),
        }
    }
}

/// Reads `limit` bytes, or fewer where the reader ends or fails.
fn read_up_to(reader: &mut impl Read, limit: u64) -> (Vec<u8>, Option<io::Error>) {
    let mut bytes = Vec::new();
    let error = reader.take(limit).read_to_end(&mut bytes).err();
    (bytes, error)
}

/// The two files of a split, not yet checked against others.
pub(super) struct Pair {
    images: Idx<3>,
    labels: Idx<1>,
}

impl Pair {
    /// Reads images and labels, each given as a reader and a name for messages.
    pub(super) fn read<R: BufRead>(
        images: (R, &Path),
        labels: (R, &Path),
    ) -> Result<Self, DataError> {
        let labels = Idx::read_labels(labels.0, labels.1)?;
        let images = Idx::<3>::read(images.0, images.1, IMAGE_SIZES)?;
        if images.sizes[0] != labels.sizes[0] {
            return Err(DataError::CountMismatch {
                images: images.sizes[0],
                images_file: images.file,
                labels: labels.sizes[0],
                labels_file: labels.file,
            });
        }
        Ok(Self { images, labels })
    }

    fn open([images, labels]: &Files) -> Result<Self, DataError> {
        Self::read((open(images)?, images), (open(labels)?, labels))
    }

    /// The labels that occur, in order.
    fn classes(&self) -> Result<Vec<u8>, DataError> {
        let mut occurs = [false; 256];
        for &label in &self.labels.content {
            occurs[usize::from(label)] = true;
        }
        let classes: Vec<_> = (0..=u8::MAX).filter(|&label| occurs[usize::from(label)]).collect();
        // There is at least one label, since a size of 0 is refused.
        if let [label] = *classes {
            return Err(DataError::OneClass { file: self.labels.file.clone(), label });
        }
        Ok(classes)
    }

    /// Makes the labels places among the `classes` of the training files.
    fn number(&mut self, classes: &[u8]) -> Result<(), DataError> {
        for (index, label) in self.labels.content.iter_mut().enumerate() {
            match classes.binary_search(label) {
                Ok(class) => *label = class as u8,
                Err(_) => {
                    let place = self.labels.start + index as u64 * self.labels.stride;
                    let label = *label;
                    return Err(DataError::LabelOutOfRange {
                        place: self.labels.place(place),
                        label,
                    });
                }
            }
        }
        Ok(())
    }

    /// Refuses images of another size than those to train with.
    fn check_against(&self, train: &Self) -> Result<(), DataError> {
        let [_, found @ ..] = self.images.sizes;
        let [_, expected @ ..] = train.images.sizes;
        if found == expected {
            return Ok(());
        }
        let (place, other) = (self.images.place(8), train.images.file.clone());
        Err(DataError::SizeMismatch { place, found, other, expected })
    }

    /// The images with their labels.
    pub(super) fn into_images(self) -> Result<Images, DataError> {
        let [_, height, width] = self.images.sizes;
        Images::new([1, height, width], self.images.content, self.labels.content)
    }
}

/// Loads the files of MNIST or a relative from `folder`; a part of the training files becomes the validation split,
/// and the test split where there are no files of one.
pub(super) fn load(folder: &Path, name: String) -> Result<Dataset, DataError> {
    let find::Found { train, val, test, mapping, mut notes } = find::find(folder)?;
    let mut train = Pair::open(&train)?;
    let classes = train.classes()?;
    notes.extend(train.labels.told());
    let mapped = mapping.map(|file| mapping::read(&file, &classes));
    let class_names = match mapped {
        Some(Ok((names, note))) => {
            notes.push(note);
            names
        }
        other => {
            notes.extend(numbered(&classes));
            notes.extend(other.and_then(Result::err));
            classes.iter().map(u8::to_string).collect()
        }
    };
    let other = |files: Option<Files>| {
        let Some(files) = files else { return Ok(None) };
        let mut pair = Pair::open(&files)?;
        pair.check_against(&train)?;
        pair.number(&classes)?;
        Ok(Some(pair.into_images()?))
    };
    let (val, test) = (other(val)?, other(test)?);
    train.number(&classes)?;

    let file = train.images.file.clone();
    let mut train = train.into_images()?;
    let all = train.len();
    let mut take_out = |what| {
        let (rest, held) = split::hold_out(train.targets(), what, all);
        let held = train.select(&held);
        train = train.select(&rest);
        let counts = train.class_counts();
        if held.is_empty() || counts.len() < classes.len() || counts.contains(&0) {
            return Err(DataError::TooFewImages { file: file.clone(), images: all });
        }
        Ok(held)
    };
    if test.is_none() {
        notes.push(
            "there are no test files; a part of the training images is held out for the test split"
                .to_owned(),
        );
    }
    let test = test.map_or_else(|| take_out(HeldOut::Test), Ok)?;
    let val = val.map_or_else(|| take_out(HeldOut::Val), Ok)?;
    Ok(Dataset::new(name, class_names, train, val, test)?.with_notes(notes))
}

/// The note about labels that do not go from 0 without a gap.
fn numbered(classes: &[u8]) -> Option<String> {
    let (first, last) = (*classes.first()?, *classes.last()?);
    if usize::from(last - first) + 1 == classes.len() {
        return (first > 0).then(|| {
            format!(
                "the labels go from {first} to {last}; they are the names of the {} classes",
                classes.len()
            )
        });
    }
    Some(format!(
        "only {} labels between {first} and {last} occur in the training files; they are the names of the classes",
        classes.len()
    ))
}

#[cfg(test)]
mod tests;
