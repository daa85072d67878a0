//! Reading RON with errors that name the place, and files that are either there in full or not at all.

use serde::de::DeserializeOwned;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// A RON file could not be read.
#[derive(Debug, Error)]
pub enum RonError {
    /// The file is missing or not readable.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text does not say what is expected.
    #[error("{name}:{line}:{column}: {message}")]
    Parse {
        /// The file, or what the text is otherwise known as.
        name: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
}

/// The text of the file at `path`, and the name under which messages speak of it.
///
/// # Errors
/// When the file cannot be read.
pub fn read_text(path: &Path) -> Result<(String, String), RonError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| RonError::Read { path: path.to_owned(), source })?;
    Ok((path.display().to_string(), text))
}

/// The value that `text` writes in RON; `name` stands in messages.
///
/// # Errors
/// When it does not.
pub fn parse_ron<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, RonError> {
    ron::from_str(text).map_err(|error| RonError::Parse {
        name: name.to_owned(),
        line: error.span.start.line,
        column: error.span.start.col,
        message: error.code.to_string(),
    })
}

/// A file could not be written.
#[derive(Debug, Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

impl WriteError {
    /// The error for the file at `path`.
    pub fn new(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), source }
    }
}

/// Writes `bytes` to `path` through a temporary file in the same folder, synced before it takes the
/// name: a crash leaves the old file or the new one, never a part.
///
/// # Errors
/// When the folder is missing or not writable, or the disk is full; the old file is then untouched.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let write = || -> io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            let reason =
                format!("there is no folder {}; make it, or choose another", folder.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }
        let mut builder = tempfile::Builder::new();
        // A temporary file is private to its owner; the file it becomes has the rights that the old one had, or else
        // those that the system gives new files.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        #[cfg(unix)]
        if let Ok(old) = std::fs::metadata(path) {
            file.as_file().set_permissions(old.permissions())?;
        }
        file.as_file().sync_all()?;
        file.persist(path)?;
        // The rename is only durable once the folder is.
        #[cfg(unix)]
        std::fs::File::open(folder)?.sync_all()?;
        Ok(())
    };
    write().map_err(|source| WriteError::new(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_content_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        write_atomic(&path, b"one").expect("is written");
        write_atomic(&path, b"two").expect("is replaced");
        assert_eq!(std::fs::read(&path).expect("is there"), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_has_the_rights_of_new_files_and_one_that_is_replaced_keeps_its_own() {
        use std::{fs, os::unix::fs::PermissionsExt};
        let folder = tempfile::tempdir().expect("a folder");
        let [plain, path] = ["plain", "ours"].map(|name| folder.path().join(name));
        let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode();
        fs::write(&plain, "x").expect("is written");
        write_atomic(&path, b"x").expect("is written");
        assert_eq!(mode(&path), mode(&plain));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o100_600)).expect("is ours");
        write_atomic(&path, b"y").expect("is replaced");
        assert_eq!(mode(&path), 0o100_600);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write_atomic(Path::new("/no/such/folder/a.txt"), b"x").expect_err("no folder");
        let text = error.to_string();
        assert!(text.contains("/no/such/folder/a.txt") && text.contains("make it"), "{text}");
    }
}
