//! What can be wrong with a data set, in words that name the file, the place and the fix.

use crate::engine::delimited::SheetError;
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

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

/// What a folder lacks.
fn no_such_file(looked_for: &[String]) -> String {
    match looked_for {
        [name] => format!("no {name}; put it there"),
        names => format!("none of {}; put one of them there", names.join(", ")),
    }
}

/// Why there are no classes, or too few or too many of them.
fn class_folders(found: usize, limit: usize, splits: &[(String, &'static str)]) -> String {
    let put = format!("at least 2 and at most {limit} of them");
    if let (0, [(name, split), ..]) = (found, splits) {
        return format!(
            "has a folder of {split} images (`{name}`), but none of training images; put the images of each class into \
             a folder train/<class>, {put}"
        );
    }
    let splits = splits.first().map_or_else(String::new, |(name, split)| {
        format!(
            " (`{name}` is taken for the {split} split; if it is a class, put the classes into train/)"
        )
    });
    format!(
        "has {found} class folder(s); put the images of each class into a folder of its own, train/<class> or \
         <class>, {put}{splits}"
    )
}

/// What is wrong with the beginning of an IDX file.
fn wrong_magic(found: [u8; 4], expected: [u8; 4]) -> String {
    let dimensions =
        |rank: u8| if rank == 1 { "1 dimension".to_owned() } else { format!("{rank} dimensions") };
    let wanted = if expected[3] == 1 { "labels are" } else { "grey images are" };
    match super::idx::elements(found) {
        Some((elements, rank)) => format!(
            "{elements} in {}, but {wanted} unsigned bytes in {}; convert the file, or give another",
            dimensions(rank),
            dimensions(expected[3])
        ),
        None => format!(
            "wrong magic number {found:02x?}, expected {expected:02x?} (unsigned bytes in {}); give the right \
             file",
            dimensions(expected[3])
        ),
    }
}

/// Why a data set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The name is none of [`DataSource`](super::DataSource)'s.
    #[error(
        "unknown data set `{given}`; choose `fashion-mini`, `digits`, `idx:DIR`, `cifar10:DIR`, \
         `cifar100:DIR`, `images:DIR`, `csv:FILE` or `table:FILE`{}",
        did_you_mean(given)
    )]
    UnknownSource {
        /// The given value.
        given: String,
    },
    /// A table of known results has nothing to train on.
    #[error(
        "{file} is given as a table of known results, which has no examples to train on; search it \
         (`nas-navigator search --data table:{file}`), or give csv:{file} if its rows are examples", file = file.display()
    )]
    KnownResults {
        /// The file.
        file: PathBuf,
    },
    /// The folder does not exist, or is something else.
    #[error("{folder} is not a folder; give the one that holds the data files", folder = folder.display())]
    NoFolder {
        /// The path in question.
        folder: PathBuf,
    },
    /// A file is of another kind than the data set needs: a download that went wrong, or an archive.
    #[error("{file} is {what}, where {wanted} belongs; {fix}", file = file.display())]
    OtherFile {
        /// The file.
        file: PathBuf,
        /// The kind of file that it is.
        what: String,
        /// The expected content.
        wanted: &'static str,
        /// The fix.
        fix: String,
    },
    /// A folder has no file in IDX format, nor one that is known to be something else.
    #[error(
        "{folder} has no files in IDX format; put the four files of the data set there, packed or not: \
         train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte",
        folder = folder.display()
    )]
    NoIdxFiles {
        /// The folder.
        folder: PathBuf,
    },
    /// Files in IDX format of which neither names nor numbers say what belongs together.
    #[error(
        "{folder}: neither the names of the files in IDX format nor how much is in them says which belong together: \
         {}; call them {wanted}", Self::some(files), folder = folder.display()
    )]
    UnclearFiles {
        /// The folder.
        folder: PathBuf,
        /// The files, each with what it holds.
        files: Vec<String>,
        /// The names that say it.
        wanted: &'static str,
    },
    /// The content of a folder cannot be listed.
    #[error("cannot list the folder {folder}: {source}; give read rights, or move it away", folder = folder.display())]
    UnlistableFolder {
        /// The folder.
        folder: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The folder has the files of several data sets.
    #[error(
        "{folder} has several data sets: {}; give one of them, such as `idx:{}`",
        names.join(", "),
        names.first().map_or_else(PathBuf::new, |name| folder.join(name)).display(),
        folder = folder.display()
    )]
    SeveralSets {
        /// The folder.
        folder: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// None of a file's usual names is in the folder.
    #[error("{folder} has {}", no_such_file(looked_for), folder = folder.display())]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// The names that were looked for.
        looked_for: Vec<String>,
    },
    /// The operating system refused, or compressed data is damaged.
    #[error("{place}: cannot read on: {source}; allow reading it, or download or copy it again")]
    Unreadable {
        /// How far the reading came.
        place: Place,
        /// The reason.
        source: io::Error,
    },
    /// The file does not begin as an IDX file of this kind does.
    #[error("{place}: {}", wrong_magic(*found, *expected))]
    WrongMagic {
        /// Where.
        place: Place,
        /// The first four bytes.
        found: [u8; 4],
        /// The expected bytes.
        expected: [u8; 4],
    },
    /// The header announces no image, or images without pixels.
    #[error("{place}: the {what} is 0; an empty data set cannot be used, give another file")]
    ZeroSize {
        /// Where the size stands.
        place: Place,
        /// Which size.
        what: &'static str,
    },
    /// The header announces more than is handled.
    #[error(
        "{place}: the header announces {announced} bytes of content, more than the {limit} that are \
         handled; the file is damaged or not an IDX file: download it again, or give another"
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
    #[error(
        "{place}: the file ends here, but should go on to byte {expected}; it is truncated, download or copy it again"
    )]
    Truncated {
        /// Where the content ends.
        place: Place,
        /// The length that the header announces, header included.
        expected: u64,
    },
    /// The file is longer than its header announces.
    #[error(
        "{place}: the content should end here, but more follows; the file is damaged, download or copy it again"
    )]
    TrailingBytes {
        /// Where the content should end.
        place: Place,
    },
    /// The files of a split disagree.
    #[error("{images} images in {images_file}, but {labels} labels in {labels_file}; the files do not belong together, give \
             those of one data set",
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
    #[error("{place}: images of {}×{}, but those of {other} have {}×{}; the files do not belong together, give those of one \
             data set",
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
    /// A label of the validation or test split that no training image has.
    #[error(
        "{place}: label {label}, which no training image has; the files do not belong together, give those of one data set"
    )]
    LabelOutOfRange {
        /// Where.
        place: Place,
        /// The label.
        label: u8,
    },
    /// A label that the format does not have.
    #[error(
        "{place}: label {label}, but labels go from 0 to {last}; the file is damaged or of another format: download it \
         again, or name its format"
    )]
    NoSuchLabel {
        /// Where.
        place: Place,
        /// The label.
        label: u8,
        /// The highest label of the format.
        last: usize,
    },
    /// A file with names of classes does not have as many as there are classes.
    #[error("{file}: {found} names of classes, but there are {wanted} classes; restore or remove the file",
            file = file.display())]
    ClassNames {
        /// The file.
        file: PathBuf,
        /// The names in it.
        found: usize,
        /// The classes.
        wanted: usize,
    },
    /// Too few or too many folders of classes.
    #[error("{folder} {}", class_folders(*found, *limit, splits), folder = folder.display())]
    ClassFolders {
        /// The folder of the training split.
        folder: PathBuf,
        /// How many folders it has.
        found: usize,
        /// The most that are handled.
        limit: usize,
        /// Folders beside them that are taken for splits: their names, and of which split.
        splits: Vec<(String, &'static str)>,
    },
    /// Folders of classes whose names are shown alike: they are not UTF-8, or write a letter with its accent in two ways.
    #[error("{folder}: the names of the class folders {} look the same but are not; put their images into one folder, or rename one",
            names.join(" and "), folder = folder.display())]
    SameNames {
        /// The folder that has them.
        folder: PathBuf,
        /// Their names, escaped so far that they differ.
        names: Vec<String>,
    },
    /// The folders that could be classes all have the same folders in them.
    #[error("{folder}: {} all have the folders {} and no images of their own: the classes seem to lie one level \
             lower; give one of the folders, or move the images into class folders: train/<class>",
            Self::some(folders), Self::some(inside), folder = folder.display())]
    ClassesLower {
        /// The folder that has them.
        folder: PathBuf,
        /// The folders that are no classes.
        folders: Vec<String>,
        /// The folders that each of them has.
        inside: Vec<String>,
    },
    /// Folders of images beside their masks or annotations.
    #[error("{folder}: {} are no classes but the parts of a segmentation or detection data set, which is not read; \
             put the images of each class into a folder of its own, train/<class>", names.join(", "),
            folder = folder.display())]
    NotClasses {
        /// The folder that has them.
        folder: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// Two classes that read the same folder.
    #[error("{folder} is the same folder as one of the class {class}, so that its images would have two labels; \
             remove the link", folder = folder.display())]
    TwoLabels {
        /// The folder that is read a second time.
        folder: PathBuf,
        /// The class that has it already.
        class: String,
    },
    /// Training images that have no label.
    #[error("{folder}: its images are in no class folder; make a folder for each class in it and move the images \
             of the class there", folder = folder.display())]
    NoClassFolders {
        /// The folder with the images.
        folder: PathBuf,
    },
    /// Folders of classes that have folders of splits in them.
    #[error("{folder} has training and other images in folders of their own; turn the folders round, the split \
             first and the class in it: train/<class>", folder = folder.display())]
    SplitsInClasses {
        /// The first such class.
        folder: PathBuf,
    },
    /// Several folders that could be the same thing.
    #[error("{folder} has several folders that could be {what}: {}; {}rename, merge or move the others",
             names.join(", "), if *is_named { "name one of them in the command, or " } else { "keep one of them, and " },
             folder = folder.display())]
    SeveralFolders {
        /// The folder that has them.
        folder: PathBuf,
        /// The thing that was looked for.
        what: &'static str,
        /// Whether one of them can be named in place of the folder that has them.
        is_named: bool,
        /// Their names.
        names: Vec<String>,
    },
    /// A class of the validation or test split that training does not have.
    #[error("{folder}: no class of that name in train; rename or remove the folder", folder = folder.display())]
    UnknownClass {
        /// The folder of the class.
        folder: PathBuf,
    },
    /// A folder that should have images.
    #[error("{folder} has no image{}", if instead.is_empty() {
        "; add PNG or JPEG files, or remove the folder"
    } else {
        instead
    }, folder = folder.display())]
    EmptyFolder {
        /// The folder.
        folder: PathBuf,
        /// What is in it instead, and the fix.
        instead: String,
    },
    /// Images that are damaged, or something else.
    #[error(
        "{folder}: {} of {images} images cannot be read; replace or remove them, or give --skip-unreadable to \
         leave them out:\n  {}",
        failed.len(), Self::first_of(failed, "\n  "), folder = folder.display()
    )]
    UnreadableImages {
        /// The folder of the data set.
        folder: PathBuf,
        /// How many images there are, with those.
        images: usize,
        /// The images, relative to the folder, and what is wrong with each.
        failed: Vec<(String, String)>,
    },
    /// After unreadable images were left out, none is left where some must be.
    #[error(
        "{folder}: no {what} can be read; replace the files or remove their folder:\n  {}",
        Self::first_of(failed, "\n  "), folder = folder.display()
    )]
    NothingReadable {
        /// The folder of the data set.
        folder: PathBuf,
        /// Of what none is left.
        what: String,
        /// All images that cannot be read, relative to the folder, and what is wrong with each.
        failed: Vec<(String, String)>,
    },
    /// A folder with more images than memory is allowed for.
    #[error(
        "{folder}: {images} images, brought to {}×{}×{}, take {bytes} bytes, allowed are {limit}; take fewer \
         images, or a template whose input is smaller", shape[0], shape[1], shape[2], folder = folder.display()
    )]
    FolderTooLarge {
        /// The folder.
        folder: PathBuf,
        /// Channels, height, width to which they would be brought.
        shape: [usize; 3],
        /// The images of all splits.
        images: usize,
        /// The memory that they would take.
        bytes: u128,
        /// The most that is allowed.
        limit: u64,
    },
    /// There is no file of a table.
    #[error("{file} is not a file; give the one with the rows of the table", file = file.display())]
    NoFile {
        /// The path in question.
        file: PathBuf,
    },
    /// A table that is larger than memory is allowed for.
    #[error("{file} has {bytes} bytes, allowed are {limit}; leave out rows or columns", file = file.display())]
    TableTooLarge {
        /// The file.
        file: PathBuf,
        /// Its size.
        bytes: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// A file that is no table.
    #[error("{file}: {source}", file = file.display())]
    NoTable {
        /// The file.
        file: PathBuf,
        /// What it is, or what is wrong with it, and the fix.
        source: SheetError,
    },
    /// A line of a table cannot be used.
    #[error("{file}: line {line}: {what}", file = file.display())]
    Row {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it, and the fix.
        what: String,
    },
    /// A table lacks the column to predict.
    #[error("{file} has no column `{label}`; name one of its columns: {}", columns.join(", "), file = file.display())]
    NoColumn {
        /// The file.
        file: PathBuf,
        /// The column that was asked for.
        label: String,
        /// The columns it has.
        columns: Vec<String>,
    },
    /// A column cannot be used.
    #[error("{file}: column `{column}` {what}", file = file.display())]
    Column {
        /// The file.
        file: PathBuf,
        /// The column.
        column: String,
        /// What is wrong with it, and the fix.
        what: String,
    },
    /// The column to predict cannot be used.
    #[error("{file}: the column to predict, `{column}`, {what}", file = file.display())]
    Labels {
        /// The file.
        file: PathBuf,
        /// The column.
        column: String,
        /// What is wrong with it, and the fix.
        what: String,
    },
    /// The template takes something else than rows of this table.
    #[error(
        "the rows of {name} have {columns} columns, but the template takes images of {}×{}×{}; set the shape \
         of its input to ({columns}, 1, 1)", wanted[0], wanted[1], wanted[2]
    )]
    UnfitRows {
        /// The data set.
        name: String,
        /// The columns without that to predict.
        columns: usize,
        /// Channels, height, width of the template's input.
        wanted: [usize; 3],
    },
    /// All images have the same label.
    #[error("{file}: all labels are {label}; at least two classes are needed", file = file.display())]
    OneClass {
        /// The file with the labels.
        file: PathBuf,
        /// The only label.
        label: u8,
    },
    /// Too few images or rows to hold some out for validation and test.
    #[error("{file}: {images} example(s) are too few to train with some, and to hold some out for validation and test; add \
             some (at least 6 in all, and 3 of each class)",
            file = file.display())]
    TooFewImages {
        /// The file or folder with the images.
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
        /// The memory that they would take.
        bytes: u128,
        /// The most that is allowed.
        limit: u64,
    },
}

/// The most unreadable images that are named.
const NAMED: usize = 10;

impl DataError {
    /// The first of these names.
    fn some(names: &[String]) -> String {
        let more = names.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| format!("{more} more"));
        names.iter().take(NAMED).cloned().chain(more).collect::<Vec<_>>().join(", ")
    }

    /// The first of the files that cannot be read with their reasons, and how many more there are.
    pub(super) fn first_of(failed: &[(String, String)], between: &str) -> String {
        let named = failed.iter().take(NAMED).map(|(file, reason)| format!("{file}: {reason}"));
        let more = failed.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| format!("and {more} more"));
        named.chain(more).collect::<Vec<_>>().join(between)
    }
}

/// The data set that a path without its kind is likely to be.
fn did_you_mean(given: &str) -> String {
    let path = Path::new(given.trim());
    let kind = if path.is_dir() {
        "images"
    } else if path.is_file() {
        "csv"
    } else {
        return String::new();
    };
    format!(" (did you mean `{kind}:{}`?)", given.trim())
}
