//! What can be wrong with a data set, in words that name the file, the place and the fix.

use std::{fmt, io, path::PathBuf};

/// A position in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was found.
    pub file: PathBuf,
    /// The byte, counted from 0; of the unpacked content where the file is compressed.
    pub offset: u64,
    /// Whether the file is compressed.
    pub packed: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unpacked = if self.packed { " (unpacked)" } else { "" };
        write!(f, "{}, byte {}{unpacked}", self.file.display(), self.offset)
    }
}

/// Why a data set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The name is none of [`DataSource`](super::DataSource)'s.
    #[error(
        "unknown data set `{given}`; choose `fashion-mini`, `digits`, or `idx:DIR` with the folder of \
         MNIST-like files"
    )]
    UnknownSource {
        /// What was given.
        given: String,
    },
    /// The folder does not exist, or is something else.
    #[error("{folder} is not a folder; give the one that holds the data files", folder = folder.display())]
    NoFolder {
        /// The path in question.
        folder: PathBuf,
    },
    /// None of a file's usual names is in the folder.
    #[error("{folder} has none of {names}; put one of them there", folder = folder.display(), names = looked_for.join(", "))]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// The names that were looked for.
        looked_for: Vec<String>,
    },
    /// The operating system refused, or compressed data is damaged.
    #[error("{place}: cannot read on: {source}")]
    Unreadable {
        /// How far the reading came.
        place: Place,
        /// The reason.
        source: io::Error,
    },
    /// The file does not begin as an IDX file of this kind does.
    #[error(
        "{place}: wrong magic number {found:02x?}, expected {expected:02x?} (unsigned bytes in {rank} \
         dimension(s)); is this the right file?",
        rank = expected[3]
    )]
    WrongMagic {
        /// Where.
        place: Place,
        /// The first four bytes.
        found: [u8; 4],
        /// What they should be.
        expected: [u8; 4],
    },
    /// The header announces no image, or images without pixels.
    #[error("{place}: the size {what} is 0; an empty data set cannot be used")]
    ZeroSize {
        /// Where the size stands.
        place: Place,
        /// Which size.
        what: &'static str,
    },
    /// The header announces more than is handled.
    #[error(
        "{place}: the header announces {announced} bytes of content, more than the {limit} that are \
         handled; the file is damaged or not an IDX file"
    )]
    TooLarge {
        /// Where the sizes begin.
        place: Place,
        /// The product of the sizes.
        announced: u128,
        /// The largest that is read.
        limit: u64,
    },
    /// The file is shorter than its header announces.
    #[error("{place}: the file ends here, but should go on to byte {expected}; it is truncated")]
    Truncated {
        /// Where the content ends.
        place: Place,
        /// The length that the header announces, header included.
        expected: u64,
    },
    /// The file is longer than its header announces.
    #[error("{place}: the content should end here, but more follows; the file is damaged")]
    TrailingBytes {
        /// Where the content should end.
        place: Place,
    },
    /// The files of a split disagree.
    #[error("{images} images in {images_file}, but {labels} labels in {labels_file}; the files do not belong together",
            images_file = images_file.display(), labels_file = labels_file.display())]
    CountMismatch {
        /// The file with the images.
        images_file: PathBuf,
        /// How many it has.
        images: usize,
        /// The file with the labels.
        labels_file: PathBuf,
        /// How many it has.
        labels: usize,
    },
    /// The images of two files differ in size.
    #[error("{place}: images of {}×{}, but those of {other} have {}×{}; the files do not belong together",
            found[0], found[1], expected[0], expected[1], other = other.display())]
    SizeMismatch {
        /// Where the size stands.
        place: Place,
        /// Height and width there.
        found: [usize; 2],
        /// The other file.
        other: PathBuf,
        /// Height and width there.
        expected: [usize; 2],
    },
    /// No training image has this label, though some have a higher one.
    #[error(
        "{file}: no image has label {class}, but labels go up to {last}; number the classes from 0 without a gap",
        file = file.display()
    )]
    EmptyClass {
        /// The file with the labels.
        file: PathBuf,
        /// The label.
        class: usize,
        /// The highest label.
        last: usize,
    },
    /// A label of the test split that no training image has.
    #[error("{place}: label {label}, but the training labels only go up to {last}")]
    LabelOutOfRange {
        /// Where.
        place: Place,
        /// The label.
        label: u8,
        /// The highest label of the training file.
        last: usize,
    },
    /// All images have the same label.
    #[error("{file}: all labels are 0; at least two classes are needed", file = file.display())]
    OneClass {
        /// The file with the labels.
        file: PathBuf,
    },
    /// Too few images for a training and a validation split.
    #[error("{file}: {images} image(s) cannot be split into training and validation; at least 10 are needed",
            file = file.display())]
    TooFewImages {
        /// The file with the images.
        file: PathBuf,
        /// How many it has.
        images: usize,
    },
    /// Parts handed over in memory that do not make a data set.
    #[error("{what}")]
    Inconsistent {
        /// What does not fit, and the fix.
        what: String,
    },
    /// The template takes another number of channels.
    #[error(
        "the images of {name} have {channels} channels, but the template's input takes {wanted}; set \
         the channels of its input to {channels}"
    )]
    Channels {
        /// The data set.
        name: String,
        /// The channels it has.
        channels: usize,
        /// The channels of the template's input.
        wanted: usize,
    },
    /// The template's input shape has no pixels, or more than memory is allowed for.
    #[error(
        "{images} images of {}×{}×{} take {bytes} bytes, allowed are 1 to {limit}; change the shape of \
         the template's input", shape[0], shape[1], shape[2]
    )]
    UnfitShape {
        /// Channels, height, width of the template's input.
        shape: [usize; 3],
        /// The images of all splits.
        images: usize,
        /// What they would take.
        bytes: u128,
        /// The most that is allowed.
        limit: u64,
    },
}
