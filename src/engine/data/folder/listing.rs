//! Which files of a class are its images, and which are left out.

use super::{
    content,
    left_out::{Kind, LeftOut, Tally},
    names,
};
use crate::engine::data::{DataError, files::unreadable};
use std::{
    collections::BTreeSet,
    fs,
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

/// What is in a folder, in the order of the names.
pub(super) fn entries(folder: &Path) -> Result<Vec<Entry>, DataError> {
    let read = || -> std::io::Result<Vec<Entry>> {
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
    let mut entries = read().map_err(|source| unreadable(folder, source))?;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// The folders in a folder that the user may have made.
pub(super) fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = entries(folder)?.into_iter();
    let folders =
        entries.filter(|entry| entry.is == Is::Folder && !names::is_system_folder(&entry.name));
    Ok(folders.map(|entry| entry.path).collect())
}

/// Whether images lie in the folder itself, be they of a format that is read or not.
pub(super) fn has_images(folder: &Path) -> bool {
    entries(folder).is_ok_and(|entries| entries.iter().any(is_any_image))
}

/// Whether there are images anywhere in the folder.
pub(super) fn holds_images(folder: &Path) -> bool {
    fn search(folder: &Path, seen: &mut BTreeSet<PathBuf>) -> bool {
        if !is_new(folder, seen) {
            return false;
        }
        let Ok(entries) = entries(folder) else { return false };
        entries.iter().any(is_any_image)
            || entries.iter().any(|entry| {
                entry.is == Is::Folder
                    && !names::is_system_folder(&entry.name)
                    && search(&entry.path, seen)
            })
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

/// Notes a folder as seen; false if it was already, under whatever path.
fn is_new(folder: &Path, seen: &mut BTreeSet<PathBuf>) -> bool {
    seen.insert(folder.canonicalize().unwrap_or_else(|_| folder.to_owned()))
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
}

impl Listing {
    /// The images of a class: those in its folder and then those in its subfolders. Links are followed, but no
    /// folder is read twice.
    pub(super) fn class(&mut self, folder: &Path) -> Result<Vec<PathBuf>, DataError> {
        // A link to a folder above would bring in the other classes, or the whole disk.
        let whole = folder.canonicalize().map_err(|source| unreadable(folder, source))?;
        let mut seen: BTreeSet<PathBuf> = whole.ancestors().map(Path::to_owned).collect();
        let (mut paths, mut left_out) = (Vec::new(), LeftOut::default());
        let mut folders = vec![folder.to_owned()];
        while let Some(inner) = folders.pop() {
            let mut further = Vec::new();
            for entry in entries(&inner)? {
                if entry.is == Is::Folder {
                    if names::is_system_folder(&entry.name) {
                        left_out.add(Kind::SystemFolder, &entry.path);
                    } else if is_new(&entry.path, &mut seen) {
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
