//! Checkpoints of a run: the weights and the trainer state at one point, and those of nodes that an edit has removed.

use super::{
    CONFIG, RUN_VERSION, Run, RunConfig, RunError, RunState, save_template, write_ron, write_state,
};
use crate::engine::{
    files,
    study::{Event, checkpoint_of_edit},
    template::Template,
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Everything that training needs to go on: two safetensors files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The shared weights and running statistics.
    pub supernet: Vec<u8>,
    /// The optimizer's state and the position in the epoch.
    pub trainer: Vec<u8>,
}

impl Run {
    /// Stores weights and trainer state as a checkpoint and journals `event`, which says that they are there.
    /// The checkpoint before it is deleted only then, so that there is a complete one at any moment.
    ///
    /// # Errors
    /// When the run is not writable or the disk refuses, now or before; the checkpoint before it is then
    /// still there.
    pub fn save_checkpoint(
        &mut self,
        name: &str,
        checkpoint: &Checkpoint,
        event: &Event,
    ) -> Result<(), RunError> {
        self.write(|journal, run| {
            write_checkpoint(run, name, checkpoint)?;
            journal.append([event.clone()])?;
            journal.sync()?;
            delete_other_checkpoints(run, name)
        })
    }

    /// The same for an epoch that is stopped in its middle, of which `state` tells.
    ///
    /// # Errors
    /// As [`Self::save_checkpoint`].
    pub fn save_unfinished(
        &mut self,
        name: &str,
        checkpoint: &Checkpoint,
        state: &RunState,
    ) -> Result<(), RunError> {
        self.write(|_, run| {
            write_checkpoint(run, name, checkpoint)?;
            write_state(run, state)?;
            delete_other_checkpoints(run, name)
        })
    }

    /// The same as [`save_checkpoint`](Self::save_checkpoint) for an edit, which makes `template` the one with this
    /// `number`. With the checkpoint comes what the attic holds from here on. There is none where nothing was trained.
    ///
    /// # Errors
    /// As [`Self::save_checkpoint`].
    pub fn save_edit(
        &mut self,
        number: u32,
        template: &Template,
        checkpoints: Option<(&Checkpoint, Option<&Checkpoint>)>,
        event: &Event,
    ) -> Result<(), RunError> {
        let config = RunConfig { version: RUN_VERSION, ..self.config.clone() };
        let is_older = config != self.config;
        self.write(|journal, run| {
            if is_older {
                // Older programs do not know that nodes come back.
                write_ron(run, CONFIG, &config)?;
            }
            save_template(run, number, template)?;
            let (own, attic) = (checkpoint_of_edit(number), attic_of_edit(number));
            if let Some((checkpoint, put_by)) = checkpoints {
                write_checkpoint(run, &own, checkpoint)?;
                match put_by {
                    Some(put_by) => write_checkpoint(run, &attic, put_by)?,
                    // What a kill has left of another edit.
                    None => remove_folder(&run.join("weights").join(&attic))?,
                }
            }
            journal.append([event.clone()])?;
            journal.sync()?;
            let Some((_, put_by)) = checkpoints else { return Ok(()) };
            delete_other_checkpoints(run, &own)?;
            delete_from_weights(run, |name| {
                name.starts_with(ATTIC) && (put_by.is_none() || name != attic)
            })
        })?;
        self.config = config;
        Ok(())
    }

    /// Reads the checkpoint called `name`.
    ///
    /// # Errors
    /// When one of its files cannot be read.
    pub fn checkpoint(&self, name: &str) -> Result<Checkpoint, RunError> {
        let read = |path: &Path| std::fs::read(path).map_err(|source| RunError::io(path, source));
        let [supernet, trainer] = self.checkpoint_files(name);
        Ok(Checkpoint { supernet: read(&supernet)?, trainer: read(&trainer)? })
    }

    /// Where the checkpoint called `name` is: weights, and state of the trainer.
    pub fn checkpoint_files(&self, name: &str) -> [PathBuf; 2] {
        checkpoint_files(&self.folder, name)
    }
}

/// The folder in `weights` with what is known of nodes that the template with this number lacks.
pub(in crate::engine) fn attic_of_edit(number: u32) -> String {
    format!("{ATTIC}{number}")
}

const ATTIC: &str = "attic-";

fn write_checkpoint(folder: &Path, name: &str, checkpoint: &Checkpoint) -> Result<(), RunError> {
    let own = folder.join("weights").join(name);
    std::fs::create_dir_all(&own).map_err(|source| RunError::io(&own, source))?;
    let [supernet, trainer] = checkpoint_files(folder, name);
    files::write_atomic(&supernet, &checkpoint.supernet)?;
    Ok(files::write_atomic(&trainer, &checkpoint.trainer)?)
}

/// Deletes all checkpoints but one; the attic stays.
fn delete_other_checkpoints(folder: &Path, kept: &str) -> Result<(), RunError> {
    delete_from_weights(folder, |name| name != kept && !name.starts_with(ATTIC))
}

fn remove_folder(path: &Path) -> Result<(), RunError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RunError::io(path, error)),
        _ => Ok(()),
    }
}

fn delete_from_weights(folder: &Path, goes: impl Fn(&str) -> bool) -> Result<(), RunError> {
    let weights = folder.join("weights");
    let entries = std::fs::read_dir(&weights).map_err(|source| RunError::io(&weights, source))?;
    for entry in entries.flatten().filter(|entry| goes(&entry.file_name().to_string_lossy())) {
        // A leftover costs disk space only; the next checkpoint tries again.
        let _ = std::fs::remove_dir_all(entry.path());
    }
    Ok(())
}

/// The files of a checkpoint of the run in `folder`: weights, and state of the trainer.
fn checkpoint_files(folder: &Path, name: &str) -> [PathBuf; 2] {
    ["supernet.safetensors", "trainer.safetensors"]
        .map(|file| folder.join("weights").join(name).join(file))
}
