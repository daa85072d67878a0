//! IDX, the format of MNIST and its family: a magic number, big-endian sizes, then bytes.
//!
//! Format: <http://yann.lecun.com/exdb/mnist/> (mirrored widely). Nothing is allocated on the word of a
//! header: memory grows with the content that is really there.

use super::{
    DataError, Dataset, Images, Place, Targets,
    files::{folder_exists, open},
    split::{self, HeldOut},
};
use flate2::bufread::MultiGzDecoder;
use std::{
    io::{self, BufRead, Read},
    path::{Path, PathBuf},
};

/// The most content of one file that is read: twice the largest member of the MNIST family.
const MAX_CONTENT: u64 = 1 << 30;

/// The content of one IDX file of unsigned bytes with `RANK` sizes.
pub(super) struct Idx<const RANK: usize> {
    file: PathBuf,
    packed: bool,
    sizes: [usize; RANK],
    content: Vec<u8>,
}

impl<const RANK: usize> Idx<RANK> {
    const HEADER: u64 = 4 + 4 * RANK as u64;

    fn place(&self, offset: u64) -> Place {
        Place { file: self.file.clone(), offset, packed: self.packed }
    }

    /// Reads and checks a file, compressed or not; its content decides, not its name (browsers unpack
    /// without renaming). `file` is for messages.
    fn read(
        mut reader: impl BufRead,
        file: &Path,
        names: [&'static str; RANK],
    ) -> Result<Self, DataError> {
        let start = |source| DataError::Unreadable {
            place: Place { file: file.to_owned(), offset: 0, packed: false },
            source,
        };
        let packed = reader.fill_buf().map_err(start)?.starts_with(&[0x1f, 0x8b]);
        if packed {
            Self::read_content(MultiGzDecoder::new(reader), file, packed, names)
        } else {
            Self::read_content(reader, file, packed, names)
        }
    }

    fn read_content(
        mut reader: impl Read,
        file: &Path,
        packed: bool,
        names: [&'static str; RANK],
    ) -> Result<Self, DataError> {
        let place = |offset| Place { file: file.to_owned(), offset, packed };
        let ends = |offset, expected, error: Option<io::Error>| match error {
            Some(source) if source.kind() != io::ErrorKind::UnexpectedEof => {
                DataError::Unreadable { place: place(offset), source }
            }
            _ => DataError::Truncated { place: place(offset), expected },
        };

        let (header, error) = read_up_to(&mut reader, Self::HEADER);
        let expected = [0, 0, 8, RANK as u8];
        if let Some(&found) = header.first_chunk()
            && found != expected
        {
            return Err(DataError::WrongMagic { place: place(0), found, expected });
        }
        if (header.len() as u64) < Self::HEADER {
            return Err(ends(header.len() as u64, Self::HEADER, error));
        }
        let mut sizes = [0; RANK];
        for (index, bytes) in header[4..].chunks_exact(4).enumerate() {
            sizes[index] = bytes.iter().fold(0, |size, &byte| size << 8 | usize::from(byte));
            if sizes[index] == 0 {
                return Err(DataError::ZeroSize {
                    place: place(4 + 4 * index as u64),
                    what: names[index],
                });
            }
        }
        let announced = sizes.iter().map(|&size| size as u128).product();
        if announced > u128::from(MAX_CONTENT) {
            return Err(DataError::TooLarge { place: place(4), announced, limit: MAX_CONTENT });
        }
        let announced = announced as u64;
        let end = Self::HEADER + announced;

        let (content, error) = read_up_to(&mut reader, announced);
        if (content.len() as u64) < announced {
            return Err(ends(Self::HEADER + content.len() as u64, end, error));
        }
        // Going beyond the content also makes the decoder compare its checksum.
        match read_up_to(&mut reader, 1) {
            (_, Some(source)) => Err(DataError::Unreadable { place: place(end), source }),
            (rest, None) if !rest.is_empty() => Err(DataError::TrailingBytes { place: place(end) }),
            _ => Ok(Self { file: file.to_owned(), packed, sizes, content }),
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
        let labels = Idx::read(labels.0, labels.1, ["number of labels"])?;
        let images = Idx::<3>::read(images.0, images.1, ["number of images", "height", "width"])?;
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

    fn open([images, labels]: &[PathBuf; 2]) -> Result<Self, DataError> {
        Self::read((open(images)?, images), (open(labels)?, labels))
    }

    /// The number of classes; every label below it occurs.
    fn classes(&self) -> Result<usize, DataError> {
        let file = &self.labels.file;
        let mut occurs = [false; 256];
        for &label in &self.labels.content {
            occurs[usize::from(label)] = true;
        }
        // There is at least one label, since a size of 0 is refused.
        let last = occurs.iter().rposition(|&occurs| occurs).unwrap_or(0);
        match occurs[..last].iter().position(|&occurs| !occurs) {
            Some(class) => Err(DataError::EmptyClass { file: file.clone(), class, last }),
            None if last == 0 => Err(DataError::OneClass { file: file.clone() }),
            None => Ok(last + 1),
        }
    }

    /// Refuses a test split that does not go with the training split.
    fn check_against(&self, train: &Self, classes: usize) -> Result<(), DataError> {
        let [_, found @ ..] = self.images.sizes;
        let [_, expected @ ..] = train.images.sizes;
        if found != expected {
            let (place, other) = (self.images.place(8), train.images.file.clone());
            return Err(DataError::SizeMismatch { place, found, other, expected });
        }
        match self.labels.content.iter().position(|&label| usize::from(label) >= classes) {
            Some(index) => Err(DataError::LabelOutOfRange {
                place: self.labels.place(Idx::<1>::HEADER + index as u64),
                label: self.labels.content[index],
                last: classes - 1,
            }),
            None => Ok(()),
        }
    }

    /// The images with their labels.
    pub(super) fn into_images(self) -> Result<Images, DataError> {
        let [_, height, width] = self.images.sizes;
        Images::new([1, height, width], self.images.content, self.labels.content)
    }
}

/// The images and labels files of `split` (`train`, `t10k`) by any of their usual names.
fn find(folder: &Path, split: &str) -> Result<[PathBuf; 2], DataError> {
    let find = |what: &str, kind: &str| {
        let spelling = |separator, ending| format!("{split}-{what}{separator}{kind}{ending}");
        let names =
            [spelling('-', ""), spelling('-', ".gz"), spelling('.', ""), spelling('.', ".gz")];
        let found = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
        found.ok_or_else(|| DataError::MissingFile {
            folder: folder.to_owned(),
            looked_for: names.into(),
        })
    };
    Ok([find("images", "idx3-ubyte")?, find("labels", "idx1-ubyte")?])
}

/// Loads the four files of MNIST or a relative from `folder`; a part of the training file becomes the
/// validation split.
pub(super) fn load(folder: &Path, name: String) -> Result<Dataset, DataError> {
    folder_exists(folder)?;
    let (train, test) = (find(folder, "train")?, find(folder, "t10k")?);
    let train = Pair::open(&train)?;
    let classes = train.classes()?;
    let test = Pair::open(&test)?;
    test.check_against(&train, classes)?;

    let labels = Targets::from(train.labels.content.clone());
    let (train_order, val_order) = split::hold_out(&labels, HeldOut::Val, labels.len());
    let file = train.images.file.clone();
    let all = train.into_images()?;
    let (train, val) = (all.select(&train_order), all.select(&val_order));
    if val.is_empty() || train.class_counts().len() < classes || train.class_counts().contains(&0) {
        return Err(DataError::TooFewImages { file, images: all.len() });
    }
    drop(all);
    let class_names = (0..classes).map(|class| class.to_string()).collect();
    Dataset::new(name, class_names, train, val, test.into_images()?)
}

#[cfg(test)]
mod tests;
