//! Which files of a class are its images, and which are left out.

use super::{
    content,
    left_out::{Kind, LeftOut, Tally},
    names,
};
use crate::engine::data::DataError;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

/// Endings longer than this are parts of names.
const LONGEST_ENDING: usize = 8;

/// What a name in a folder stands for; links count as what they lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    Folder,
    File,
    /// A pipe, a device or a link that leads to nothing.
    Neither,
}

/// A name in a folder.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) is: Is,
}

/// The content of a folder, in the order of the names.
pub(super) fn entries(folder: &Path) -> Result<Vec<Entry>, DataError> {
    let read = || -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (path, mut kind) = (entry.path(), Some(entry.file_type()?));
            if kind.is_some_and(|kind| kind.is_symlink()) {
                kind = fs::metadata(&path).ok().map(|file| file.file_type());
            }
            let is = match kind {
                Some(kind) if kind.is_dir() => Is::Folder,
                Some(kind) if kind.is_file() => Is::File,
                _ => Is::Neither,
            };
            entries.push(Entry { name: names::name_of(&path), path, is });
        }
        Ok(entries)
    };
    let mut entries = read().map_err(|source| unlistable(folder, source))?;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn unlistable(folder: &Path, source: io::Error) -> DataError {
    DataError::UnlistableFolder { folder: folder.to_owned(), source }
}

/// The folders in a folder that the user may have made.
pub(super) fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = entries(folder)?.into_iter();
    let folders =
        entries.filter(|entry| entry.is == Is::Folder && !names::is_system_folder(&entry.name));
    Ok(folders.map(|entry| entry.path).collect())
}

/// Whether images lie in the folder itself, be they of a format that is read or not.
pub(super) fn has_images(folder: &Path) -> Result<bool, DataError> {
    Ok(entries(folder)?.iter().any(is_any_image))
}

/// Whether there are images anywhere in the folder. One that cannot be listed may be a class, so it is an error.
pub(super) fn holds_images(folder: &Path) -> Result<bool, DataError> {
    fn search(folder: &Path, seen: &mut BTreeSet<PathBuf>) -> Result<bool, DataError> {
        if !seen.insert(canonical(folder)) {
            return Ok(false);
        }
        let entries = entries(folder)?;
        if entries.iter().any(is_any_image) {
            return Ok(true);
        }
        for entry in entries {
            if entry.is == Is::Folder
                && !names::is_system_folder(&entry.name)
                && search(&entry.path, seen)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
    search(folder, &mut BTreeSet::new())
}

/// Whether an entry is an image, be it of a format that is read or not.
pub(super) fn is_any_image(entry: &Entry) -> bool {
    if names::is_hidden(&entry.name) || entry.is == Is::Folder {
        return false;
    }
    names::is_image(&entry.name) || names::is_other_image(&entry.name) || is_image_inside(entry)
}

/// Whether a file is an image by its content.
fn is_image_inside(entry: &Entry) -> bool {
    entry.is == Is::File && content::is_image(&entry.path, names::ending(&entry.name).is_some())
}

/// The one path of a folder, whatever links lead to it.
fn canonical(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// Goes through the folders of classes and remembers what is told of them.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// What is left out.
    pub(super) left_out: LeftOut,
    /// Images whose name does not say so.
    pub(super) by_content: Tally,
    /// Images in subfolders of their class.
    pub(super) in_subfolders: Tally,
    /// The folders of this split that have been read, each with its class.
    read: BTreeMap<PathBuf, PathBuf>,
}

impl Listing {
    /// Goes on with another split, which may read the same folders.
    pub(super) fn next_split(&mut self) {
        self.read.clear();
    }

    /// Notes that a class has a folder; another class of the same split must not have it, too.
    fn belongs(&mut self, folder: &Path, path: PathBuf, class: &Path) -> Result<(), DataError> {
        match self.read.insert(path, class.to_owned()) {
            Some(other) if other != class => Err(DataError::TwoLabels {
                folder: folder.to_owned(),
                class: names::name_of(&other),
            }),
            _ => Ok(()),
        }
    }

    /// The images of a class: those in its folder and then those in its subfolders. Links are followed, but no
    /// folder is read twice, and none for two classes.
    pub(super) fn class(&mut self, folder: &Path) -> Result<Vec<PathBuf>, DataError> {
        // A link to a folder above would bring in the other classes, or the whole disk.
        let whole = folder.canonicalize().map_err(|source| unlistable(folder, source))?;
        let mut seen: BTreeSet<PathBuf> = whole.ancestors().map(Path::to_owned).collect();
        self.belongs(folder, whole, folder)?;
        let (mut paths, mut left_out) = (Vec::new(), LeftOut::default());
        let mut folders = vec![folder.to_owned()];
        while let Some(inner) = folders.pop() {
            let mut further = Vec::new();
            for entry in entries(&inner)? {
                if entry.is == Is::Folder {
                    if names::is_system_folder(&entry.name) {
                        left_out.add(Kind::SystemFolder, &entry.path);
                        continue;
                    }
                    let path = canonical(&entry.path);
                    if seen.insert(path.clone()) {
                        self.belongs(&entry.path, path, folder)?;
                        further.push(entry.path);
                    } else {
                        left_out.add(Kind::Again, &entry.path);
                    }
                } else if let Some(kind) = self.reason(&entry) {
                    left_out.add(kind, &entry.path);
                } else if !names::is_of_the_system(&entry.name) {
                    if inner != folder {
                        self.in_subfolders.add(&entry.path);
                    }
                    paths.push(entry.path);
                }
            }
            // The last one is read next.
            folders.extend(further.into_iter().rev());
        }
        if paths.is_empty() {
            let root = folder.parent().unwrap_or(folder);
            return Err(DataError::EmptyFolder {
                folder: folder.to_owned(),
                instead: left_out.told(root).map_or_else(String::new, |files| {
                    if left_out.has_other_images() {
                        format!(" that is read, but {files}; convert them to PNG or JPEG")
                    } else {
                        format!(", only {files}; add PNG or JPEG files, or remove the folder")
                    }
                }),
            });
        }
        self.left_out.append(left_out);
        Ok(paths)
    }

    /// Why a file is left out; nothing if it is read or need not be told of.
    fn reason(&mut self, entry: &Entry) -> Option<Kind> {
        if names::is_of_the_system(&entry.name) {
            return None;
        }
        if names::is_hidden(&entry.name) {
            return Some(Kind::Hidden);
        }
        if names::is_image(&entry.name) {
            // A broken link with an image's name is an image that cannot be read.
            return None;
        }
        if entry.is == Is::Neither {
            return Some(Kind::NoFile);
        }
        if is_image_inside(entry) {
            self.by_content.add(&entry.path);
            return None;
        }
        Some(kind_of_file(&entry.name))
    }

    /// Tells of what lies in a folder beside the folders that are `used`.
    pub(super) fn beside(&mut self, folder: &Path, used: &[&Path]) -> Result<(), DataError> {
        for entry in entries(folder)? {
            let path = entry.path.as_path();
            if entry.is == Is::Folder {
                if names::is_system_folder(&entry.name) {
                    self.left_out.add(Kind::SystemFolder, path);
                } else if !used.contains(&path) {
                    self.left_out.add(Kind::OtherFolder, path);
                }
            } else if is_any_image(&entry) {
                self.left_out.add(Kind::InNoClass, path);
            }
        }
        Ok(())
    }
}

fn kind_of_file(name: &str) -> Kind {
    match names::ending(name) {
        Some(ending)
            if ending.len() <= LONGEST_ENDING && ending.chars().all(char::is_alphanumeric) =>
        {
            Kind::Ending(ending)
        }
        _ => Kind::NoEnding,
    }
}
