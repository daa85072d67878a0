//! Run folders: everything a run has decided and found out, on disk as it happens.
//!
//! ```text
//! runs/<name>/run.ron                      settings, seed, versions, fingerprint of the data
//!             data.ron                     the data in numbers, and what was inferred when it was read
//!             table.csv                    the table of known results, in runs that search one
//!             template/0001.ron            the template; 0002.ron and so on once it is edited
//!             journal.jsonl                what was found out and decided, appended
//!             state.ron                    what the run set out to do, and an epoch that was stopped
//!             weights/<checkpoint>/        supernet.safetensors, trainer.safetensors
//!             weights/attic-<template>/    the same of nodes that an edit has removed
//!             shares/                      what several processes retrain at once, see [`Share`]
//!             lock                         held by the process that writes
//! ```
//!
//! The journal tells nothing of sessions: a run that was stopped or killed and resumed has the same one,
//! except for times, as a run that was not.

mod checkpoint;
mod claim;
mod config;
mod journal;
mod share;
mod state;

pub use checkpoint::Checkpoint;
pub use config::{DataPlace, RunConfig};
pub use journal::{Entry, Journal, read as read_journal};
pub use share::{
    Origin, SHARE_VERSION, Share, ShareError, SharePlan, ShareResult, ShareStretch, ShareWriter,
};
pub use state::{Budget, RunState, Targets, UnfinishedEpoch};

pub(in crate::engine) use checkpoint::attic_of_edit;

use super::{
    data::{DataSource, DataSummary},
    files::{self, RonError, WriteError},
    study::Event,
    table::{KnownResults, TableError},
    template::{self, Checked, FileError, Template},
    training::TrainSettings,
};
use claim::{claim, lock, make_folder};
use ron::ser::PrettyConfig;
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// The version of run folders that this program writes.
pub const RUN_VERSION: u32 = 3;

/// The oldest version that it reads: there, nodes that an edit has removed do not come back.
const OLDEST_VERSION: u32 = 2;

/// Why a run folder could not be used.
#[derive(Debug, Error)]
pub enum RunError {
    /// A file of the run could not be read or written.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the run could not be replaced.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// There is no run in the folder.
    #[error(
        "{} is not a run: it has no run.ron; {}`nas-navigator runs list{}` shows the runs", path.display(),
        nearest.as_ref().map_or(String::new(), |name| format!("did you mean `{name}`? ")),
        match path.parent() {
            Some(runs) if runs != Path::new("runs") && !runs.as_os_str().is_empty() => {
                format!(" --runs {}", runs.display())
            }
            _ => String::new(),
        }
    )]
    NotARun {
        /// A run beside it whose name is much alike.
        nearest: Option<String>,
        /// The folder.
        path: PathBuf,
    },
    /// `run.ron` cannot be read or does not say what it should.
    #[error(transparent)]
    Config(#[from] RonError),
    /// Another version of the program wrote the run.
    #[error(
        "{} has version {version}, this program reads {OLDEST_VERSION} and {RUN_VERSION}; use the program that wrote it, or \
         start a new run", path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// `state.ron` says what cannot be.
    #[error("{}: {what}; mend it or remove the file", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The run's table of known results is missing or damaged.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The run's table of known results was changed.
    #[error(
        "{} is not the table that the run began with; restore it, or start a new run", path.display()
    )]
    OtherTable {
        /// The file.
        path: PathBuf,
    },
    /// The run's template is damaged.
    #[error(transparent)]
    Template(#[from] FileError),
    /// A line of the journal is damaged.
    #[error("{}:{line}: not a journal entry: {message}; restore the line, or start a new run", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A line of a share is damaged.
    #[error(
        "{}:{line}: not an entry of a share: {message}; restore the line, or delete it if it is a result, which the share \
         then trains again", path.display()
    )]
    Share {
        /// Its journal.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// Another version of the program wrote a share.
    #[error(
        "{}:{line}: this share has version {version}, this program reads {SHARE_VERSION}; use the program that wrote it",
        path.display()
    )]
    ShareVersion {
        /// Its journal.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Its version.
        version: u64,
    },
    /// Another process trains a share.
    #[error(
        "share {share} is trained by another process, which writes {}; wait for its end, or take another share",
        path.display()
    )]
    ShareInUse {
        /// Which.
        share: Share,
        /// Its journal.
        path: PathBuf,
    },
    /// Another process writes the run.
    #[error("{} is in use by another process; close it there, or choose another run", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The run could not be written before.
    #[error("{} misses what could not be written before; open it again to go on from what it has", path.display())]
    Unrecorded {
        /// The folder.
        path: PathBuf,
    },
    /// Another process has written the run since it was read.
    #[error("{} has changed since it was opened; open it again", path.display())]
    Changed {
        /// The folder.
        path: PathBuf,
    },
    /// The wanted name is taken.
    #[error("{} exists already; continue it with --resume, or choose another name", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The wanted name is no folder name.
    #[error(
        "`{name}` cannot name a run: use letters, digits, `.`, `-` and `_`, and begin with a letter or digit"
    )]
    Name {
        /// The name.
        name: String,
    },
}

impl RunError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// The one field of `run.ron` that every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// A run folder, open for reading, and for writing once it is locked.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    config: RunConfig,
    read: Read,
    writer: Option<Writer>,
}

/// What was read of a run, so that it can be told whether another process has written it since.
#[derive(Clone, Debug, Default)]
struct Read {
    /// Bytes of the journal.
    journal: Option<u64>,
    state: Option<RunState>,
}

#[derive(Debug)]
struct Writer {
    journal: Journal,
    /// Whether a write failed: the run then lacks what its writer knows.
    failed: bool,
    // Held for its lock, which the system releases when the process ends, however it ends.
    _lock: File,
}

impl Writer {
    fn new(journal: Journal, lock: File) -> Self {
        Self { journal, failed: false, _lock: lock }
    }
}

impl Run {
    /// Makes the folder `runs/<name>` for a new run that sets out as `state` says and begins with the events
    /// `first`, and locks it.
    /// Without a name, it is called after template, data and seed, with a number where that is taken. A table of known
    /// results is copied, so that the run is whole.
    ///
    /// # Errors
    /// When the name is taken or no folder name, or the folder cannot be written.
    pub fn create(
        runs: &Path,
        name: Option<&str>,
        template: &Template,
        mut config: RunConfig,
        summary: Option<&DataSummary>,
        table: Option<&KnownResults>,
        state: &RunState,
        first: impl IntoIterator<Item = Event>,
    ) -> Result<Self, RunError> {
        std::fs::create_dir_all(runs).map_err(|source| RunError::io(runs, source))?;
        let (folder, lock) =
            match name {
                Some(name) => {
                    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
                    if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(plain) {
                        return Err(RunError::Name { name: name.to_owned() });
                    }
                    claim(&runs.join(name))?
                }
                None => {
                    let of_data = match config.data.known_results() {
                        // The template is called after it already.
                        Some(_) => String::new(),
                        None => format!("{}-", config.data.short_name()),
                    };
                    let stem: String = format!("{}-{of_data}{}", config.template, config.seed)
                        .chars()
                        .map(|c| if c.is_alphanumeric() || c == '.' { c } else { '-' })
                        .collect();
                    (1..)
                        .map(|n| {
                            if n == 1 { runs.join(&stem) } else { runs.join(format!("{stem}-{n}")) }
                        })
                        .find_map(|folder| match claim(&folder) {
                            Err(RunError::Exists { .. } | RunError::InUse { .. }) => None,
                            made => Some(made),
                        })
                        .unwrap_or_else(|| Err(RunError::Name { name: stem.clone() }))?
                }
            };
        let sub = |name: &str| make_folder(&folder.join(name));
        sub("template")?;
        save_template(&folder, 1, template)?;
        sub("weights")?;
        config.data_place = DataPlace::of(&config.data, &folder);
        if let Some(summary) = summary {
            write_ron(&folder, DATA, summary)?;
        }
        if let Some(table) = table {
            files::write_atomic(&folder.join(TABLE), table.to_text().as_bytes())?;
        }
        let mut journal = Journal::open(&folder.join("journal.jsonl"))?;
        journal.append(first)?;
        journal.sync()?;
        write_state(&folder, state)?;
        // Last, since a folder without it is not a run yet.
        write_ron(&folder, CONFIG, &config)?;
        Ok(Self { folder, config, read: Read::default(), writer: Some(Writer::new(journal, lock)) })
    }

    /// Opens the run in `folder` for reading; nothing in it changes.
    ///
    /// # Errors
    /// When there is no run or `run.ron` is damaged.
    pub fn open(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join("run.ron");
        if !path.exists() {
            return Err(RunError::NotARun { nearest: nearest(folder), path: folder.to_owned() });
        }
        let (name, text) = files::read_text(&path)?;
        // Before the rest, which another version may write in another way.
        let Versioned { version } = files::parse_ron(&name, &text)?;
        if !(OLDEST_VERSION..=RUN_VERSION).contains(&version) {
            return Err(RunError::Version { path, version });
        }
        let config = files::parse_ron(&name, &text)?;
        Ok(Self { folder: folder.to_owned(), config, read: Read::default(), writer: None })
    }

    /// Locks the run for writing; does nothing where it is locked by `self` already. Waits two seconds for
    /// another process to release it.
    ///
    /// # Errors
    /// When another process writes it, or has written it since it was read; or when something could not be written
    /// before.
    pub fn make_writable(&mut self) -> Result<(), RunError> {
        if let Some(writer) = &self.writer {
            return if writer.failed { Err(self.unrecorded()) } else { Ok(()) };
        }
        let lock = lock(&self.folder)?;
        let path = self.journal_path();
        if !path.exists() {
            return Err(RunError::io(&path, io::ErrorKind::NotFound.into()));
        }
        let journal = Journal::open(&path)?;
        let Read { journal: read, state } = self.read.clone();
        let other_state = match state {
            Some(read) => self.read_state()? != read,
            None => false,
        };
        if other_state || read.is_some_and(|read| read != journal.length()) {
            return Err(RunError::Changed { path: self.folder.clone() });
        }
        self.writer = Some(Writer::new(journal, lock));
        Ok(())
    }

    fn unrecorded(&self) -> RunError {
        RunError::Unrecorded { path: self.folder.clone() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder's name.
    pub fn name(&self) -> String {
        self.folder
            .file_name()
            .map_or_else(|| self.folder.display().to_string(), |n| n.to_string_lossy().into_owned())
    }

    /// What the run was started with.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// The template, and how the run trains, as they are after all edits and retuning: of the journal, only these are read.
    ///
    /// # Errors
    /// When the journal or the template is missing or damaged.
    pub fn present(&self) -> Result<(Checked, TrainSettings), RunError> {
        let (mut number, configured) = (1, self.config.training);
        let mut training = configured;
        for entry in journal::read_some(&self.journal_path(), &["edited", "retuned"])? {
            match entry.event {
                Event::Edited { template, .. } => number = template,
                Event::Retuned { to, instead_of } if instead_of == configured.step_length() => {
                    training = training.retuned(to);
                }
                _ => {}
            }
        }
        Ok((self.template(number)?, training))
    }

    /// Reads the run's template with this number: 1 is the one that it began with.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn template(&self, number: u32) -> Result<Checked, RunError> {
        Ok(template::load(&self.folder.join("template").join(template_file(number)))?)
    }

    /// Reads where the run stands, apart from what its journal tells.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn state(&mut self) -> Result<RunState, RunError> {
        let state = self.read_state()?;
        self.read.state = Some(state.clone());
        Ok(state)
    }

    fn read_state(&self) -> Result<RunState, RunError> {
        let path = self.folder.join(STATE);
        if !path.exists() {
            return Ok(RunState::default());
        }
        let (name, text) = files::read_text(&path)?;
        let state: RunState = files::parse_ron(&name, &text)?;
        match state.problem() {
            Some(what) => Err(RunError::State { path, what }),
            None => Ok(state),
        }
    }

    /// Reads the data in numbers; `None` for runs of older programs.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn summary(&self) -> Result<Option<DataSummary>, RunError> {
        let path = self.folder.join(DATA);
        if !path.exists() {
            return Ok(None);
        }
        let (name, text) = files::read_text(&path)?;
        Ok(Some(files::parse_ron(&name, &text)?))
    }

    /// Reads the table of known results that the run searches; `None` for a run that trains a supernet.
    ///
    /// # Errors
    /// When it is missing, damaged, or another one.
    pub fn known_results(&self) -> Result<Option<KnownResults>, RunError> {
        if self.config.data.known_results().is_none() {
            return Ok(None);
        }
        let path = self.folder.join(TABLE);
        let known = KnownResults::load_copy(&path)?;
        if known.fingerprint() != self.config.data_fingerprint {
            return Err(RunError::OtherTable { path });
        }
        Ok(Some(known))
    }

    /// Notes down that the data is at `source` now.
    ///
    /// # Errors
    /// When the run is not writable or the disk refuses, now or before.
    pub fn move_data(&mut self, source: &DataSource) -> Result<(), RunError> {
        let place = DataPlace::of(source, &self.folder);
        let config = RunConfig { data: source.clone(), data_place: place, ..self.config.clone() };
        self.write(|_, run| write_ron(run, CONFIG, &config))?;
        self.config = config;
        Ok(())
    }

    /// Stores where the run stands, apart from what its journal tells.
    ///
    /// # Errors
    /// When the run is not writable or the disk refuses, now or before.
    pub fn save_state(&mut self, state: &RunState) -> Result<(), RunError> {
        self.write(|_, run| write_state(run, state))
    }

    /// Reads the journal.
    ///
    /// # Errors
    /// When it is missing, or a line is damaged or tells what cannot be.
    pub fn journal(&mut self) -> Result<Vec<Entry>, RunError> {
        let path = self.journal_path();
        let (entries, read) = read_journal(&path)?;
        let of_classes = self.of_classes()?;
        let impossible =
            |Entry { line, event, .. }: &Entry| Some((*line, event.impossible(of_classes)?));
        if let Some((line, message)) = entries.iter().find_map(impossible) {
            return Err(RunError::Journal { path, line, message });
        }
        self.read.journal = Some(read);
        Ok(entries)
    }

    /// Whether accuracies are shares of examples, and not R².
    fn of_classes(&self) -> Result<bool, RunError> {
        Ok(self.config.data.known_results().is_some()
            || self.summary()?.is_some_and(|summary| !summary.classes.is_empty()))
    }

    /// Appends to the journal.
    ///
    /// # Errors
    /// When the run is not writable or the disk refuses, now or before.
    pub fn record(&mut self, events: impl IntoIterator<Item = Event>) -> Result<(), RunError> {
        self.write(|journal, _| journal.append(events))
    }

    /// Waits until the journal is on the disk.
    ///
    /// # Errors
    /// When the run is not writable or the disk refuses, now or before.
    pub fn sync(&mut self) -> Result<(), RunError> {
        self.write(|journal, _| journal.sync())
    }

    /// Stores how the template with this `number` looks now; its network is the same.
    ///
    /// # Errors
    /// When the run is not writable or the disk refuses, now or before.
    pub fn save_looks(&mut self, number: u32, template: &Template) -> Result<(), RunError> {
        self.write(|_, run| save_template(run, number, template))
    }

    /// Whether it is locked for writing.
    pub fn is_writable(&self) -> bool {
        self.writer.is_some()
    }

    /// Where the journal is.
    pub(super) fn journal_path(&self) -> PathBuf {
        self.folder.join("journal.jsonl")
    }

    /// Writes to the run. After a failure nothing is written any more, since the journal would tell another
    /// story than its writer knows.
    fn write(
        &mut self,
        write: impl FnOnce(&mut Journal, &Path) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let folder = &self.folder;
        let Some(writer) = &mut self.writer else {
            let reason = "the run is open for reading only";
            let source = io::Error::new(io::ErrorKind::PermissionDenied, reason);
            return Err(RunError::io(folder, source));
        };
        if writer.failed {
            return Err(self.unrecorded());
        }
        let written = write(&mut writer.journal, folder);
        writer.failed = written.is_err();
        written
    }
}

/// The run folders in `runs`, by name; none where the folder does not exist.
///
/// # Errors
/// When `runs` cannot be listed.
pub fn list(runs: &Path) -> Result<Vec<PathBuf>, RunError> {
    let entries = match std::fs::read_dir(runs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(RunError::io(runs, source)),
    };
    let mut folders: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("run.ron").is_file())
        .collect();
    folders.sort();
    Ok(folders)
}

const CONFIG: &str = "run.ron";
const STATE: &str = "state.ron";
const DATA: &str = "data.ron";
const TABLE: &str = "table.csv";

fn template_file(number: u32) -> String {
    format!("{number:04}.ron")
}

fn save_template(folder: &Path, number: u32, template: &Template) -> Result<(), RunError> {
    Ok(template::save(&folder.join("template").join(template_file(number)), template)?)
}

fn write_state(folder: &Path, state: &RunState) -> Result<(), RunError> {
    write_ron(folder, STATE, state)
}

/// Writes `value` to the file `name` in the run's folder.
fn write_ron(folder: &Path, name: &str, value: &impl Serialize) -> Result<(), RunError> {
    let text = ron::ser::to_string_pretty(value, PrettyConfig::new().struct_names(false))
        .map_err(|error| RunError::io(folder, io::Error::other(error)))?;
    Ok(files::write_atomic(&folder.join(name), (text + "\n").as_bytes())?)
}

/// The run beside `folder` whose name is most like it, if it is much alike.
fn nearest(folder: &Path) -> Option<String> {
    let wanted = folder.file_name()?.to_string_lossy().to_lowercase();
    let names = list(folder.parent()?).ok()?.into_iter();
    let names = names.filter_map(|run| Some(run.file_name()?.to_string_lossy().into_owned()));
    let distance = |name: &String| strsim::damerau_levenshtein(&name.to_lowercase(), &wanted);
    let begins = |name: &String| wanted.len() > 2 && name.to_lowercase().starts_with(&wanted);
    let nearest = names.map(|name| (!begins(&name), distance(&name), name)).min()?;
    let (apart, distance, name) = nearest;
    (!apart || distance * 3 <= wanted.chars().count().max(3)).then_some(name)
}
