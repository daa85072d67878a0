//! Finding the files of CIFAR: by their names or their lengths, in the folder that was named or below it; and what is
//! said where something else is there.

use super::{
    super::{
        DataError,
        files::open,
        sniff::{self, Kind, sniff},
    },
    Format, Records,
};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

/// How much of a file tells what it is.
const SNIFFED: usize = 512;

/// The most folders of a level that are looked into.
const MOST: usize = 1000;

/// The files of a data set, the folder that they are in, and what was inferred.
pub(super) struct Found {
    pub(super) folder: PathBuf,
    pub(super) train: Vec<PathBuf>,
    /// The validation split, where there are files of one.
    pub(super) val: Vec<PathBuf>,
    pub(super) test: PathBuf,
    pub(super) notes: Vec<String>,
}

/// Finds the files in `root`, in the folder in it that the archive unpacks to, or in another one.
pub(super) fn find(format: &Format, root: &Path) -> Result<Found, DataError> {
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
        let find = |name: &str| member(folder, name).ok_or_else(|| missing(format, folder, name));
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

/// That there is no file called `name`, unless those that are there are of no use anyway.
fn missing(format: &Format, folder: &Path, name: &str) -> DataError {
    let mut present = format.files().filter_map(|name| member(folder, name));
    let wrong = present.find_map(|file| Records::default().read(format, &file).err());
    let looked_for = vec![name.to_owned()];
    wrong.unwrap_or_else(|| DataError::MissingFile { folder: folder.to_owned(), looked_for })
}

/// The file called `name` in `folder`, packed or not.
pub(super) fn member(folder: &Path, name: &str) -> Option<PathBuf> {
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
    kinds.into_iter().find_map(|(path, kind)| {
        let (what, fix) = told(format, &path, kind)?;
        refused(&path, &what, fix)
    })
}

/// What is said of a file of this kind, and what to do; nothing where it may be there for its own sake.
fn told(format: &Format, path: &Path, kind: Kind) -> Option<(String, String)> {
    Some(match kind {
        Kind::Pickle => ("of the version for Python".to_owned(), get(format)),
        Kind::Matlab => ("of the version for MATLAB".to_owned(), get(format)),
        Kind::WebPage | Kind::Pointer => (kind.to_string(), kind.fix().to_owned()),
        kind => (kind.to_string(), unpack(format, path, kind)?),
    })
}

fn get(format: &Format) -> String {
    format!(
        "get {}, unpack it, and give the folder that comes out, {}",
        format.archive, format.unpacks_to
    )
}

/// How to get at what is in an archive.
fn unpack(format: &Format, path: &Path, kind: Kind) -> Option<String> {
    let name = file_name(path).to_lowercase();
    if kind.is_archive() && ["python", "matlab"].iter().any(|version| name.contains(version)) {
        // Unpacking it would be of no use.
        return Some(get(format));
    }
    kind.unpack(path)
}

/// Why `path` is no folder with data.
fn no_folder(format: &Format, path: &Path) -> DataError {
    let kind = if path.is_file() { beginning(path) } else { None };
    match kind.and_then(|kind| told(format, path, kind)) {
        Some((what, fix)) => {
            DataError::OtherFile { file: path.to_owned(), what, wanted: format.wanted, fix }
        }
        None => DataError::NoFolder { folder: path.to_owned() },
    }
}

/// The kind of a file, as its beginning shows it.
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

/// Why the `content` of a file does not have the length of records, if that is known.
pub(super) fn refusal(format: &Format, file: &Path, content: &[u8]) -> Option<DataError> {
    let other = format.other();
    let beginning = &content[..content.len().min(SNIFFED)];
    let known = sniff(beginning).and_then(|kind| told(format, file, kind));
    let known = known.or_else(|| Some((sniff::text(beginning)?, sniff::TEXT_FIX.to_owned())));
    let (what, fix) = match known {
        Some(known) => known,
        None if content.len().is_multiple_of(other.record()) => {
            let folder = file.parent().unwrap_or(file).display();
            let what = format!("a file of {} (records of {} bytes)", other.name, other.record());
            (what, format!("use `{}:{folder}`, or get {}", other.source, format.archive))
        }
        None => return None,
    };
    Some(DataError::OtherFile { file: file.to_owned(), what, wanted: format.wanted, fix })
}
