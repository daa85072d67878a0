//! Code that the readers of data files share.

use super::{DataError, Place};
use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
};

/// Makes sure that there is a folder.
pub(super) fn folder_exists(folder: &Path) -> Result<(), DataError> {
    if folder.is_dir() { Ok(()) } else { Err(DataError::NoFolder { folder: folder.to_owned() }) }
}

/// Opens a file for reading from its start.
pub(super) fn open(file: &Path) -> Result<BufReader<File>, DataError> {
    File::open(file).map(BufReader::new).map_err(|source| unreadable(file, source))
}

/// A file that cannot be read at all.
pub(super) fn unreadable(file: &Path, source: io::Error) -> DataError {
    DataError::Unreadable {
        place: Place { file: file.to_owned(), offset: 0, packed: false },
        source,
    }
}
