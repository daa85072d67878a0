//! The folder of a run is one process's: made for a new run, taken over from one that was killed while it was being
//! made, and locked.

use super::{DATA, RunError, STATE, template_file};
use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

const LOCK: &str = "lock";

/// Makes the folder for a new run and locks it. What is left of a run that was killed while it was being made
/// is taken over.
pub(super) fn claim(folder: &Path) -> Result<(PathBuf, File), RunError> {
    match make_folder(folder) {
        Err(exists @ RunError::Exists { .. }) => {
            if !is_remainder(folder) {
                return Err(exists);
            }
            let lock = lock(folder)?;
            // Looked at again, now that no other process can make a run of it.
            if !is_remainder(folder) {
                return Err(exists);
            }
            remove_remainder(folder).map_err(|source| RunError::io(folder, source))?;
            Ok((folder.to_owned(), lock))
        }
        made => {
            let folder = made?;
            let lock = lock(&folder)?;
            Ok((folder, lock))
        }
    }
}

/// Whether a folder holds what there is of a run before its `run.ron`, and nothing else: no weights either,
/// since those come later.
fn is_remainder(folder: &Path) -> bool {
    let known = |path: &Path| match path.file_name().and_then(|name| name.to_str()) {
        Some("weights") => std::fs::read_dir(path).is_ok_and(|mut inside| inside.next().is_none()),
        Some("template") => holds_only(path, &|inside| match inside.file_name() {
            Some(name) => *name == *template_file(1) || is_on_its_way(&name.to_string_lossy()),
            None => false,
        }),
        Some(LOCK | STATE | DATA | "journal.jsonl") => true,
        Some(name) => is_on_its_way(name),
        None => false,
    };
    holds_only(folder, &known)
}

/// Whether a file of this name has not got its real one yet.
fn is_on_its_way(name: &str) -> bool {
    name.starts_with(".tmp")
}

/// Whether all that is in a folder is known.
fn holds_only(folder: &Path, known: &dyn Fn(&Path) -> bool) -> bool {
    std::fs::read_dir(folder)
        .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| known(&entry.path()))))
}

fn remove_remainder(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.ends_with("template") {
            std::fs::remove_dir_all(path)?;
        } else if path.is_dir() {
            std::fs::remove_dir(path)?;
        } else if !path.ends_with(LOCK) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// How long a locked run is waited for. A process that was killed holds its lock until the system has taken it
/// down, which takes a moment when it has much memory and many threads.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn lock(folder: &Path) -> Result<File, RunError> {
    lock_file(&folder.join(LOCK), || RunError::InUse { path: folder.to_owned() })
}

/// Makes the file at `path` and locks it; `in_use` says that another process has done so.
pub(super) fn lock_file(path: &Path, in_use: impl FnOnce() -> RunError) -> Result<File, RunError> {
    let file = File::create(path).map_err(|source| RunError::io(path, source))?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_PATIENCE => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => return Err(in_use()),
            Err(TryLockError::Error(source)) => return Err(RunError::io(path, source)),
        }
    }
}

/// Makes a folder that is not there yet.
pub(super) fn make_folder(path: &Path) -> Result<PathBuf, RunError> {
    match std::fs::create_dir(path) {
        Ok(()) => Ok(path.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(RunError::Exists { path: path.to_owned() })
        }
        Err(source) => Err(RunError::io(path, source)),
    }
}
