//! What to train on, on the command line.

use super::training::named;
use crate::engine::data::{DataSource, Missing, ReadOptions, TaskKind};
use clap::Args;

/// Arguments on the data, and on how it is read where its files leave a choice.
#[derive(Debug, Args)]
#[command(next_help_heading = "Data")]
pub(super) struct DataArgs {
    /// What to train on: fashion-mini, digits, idx:DIR (MNIST family), cifar10:DIR, cifar100:DIR, images:DIR (folders
    /// of images), or csv:FILE#COLUMN (a table; the last column where COLUMN is left out). With a run: where its data
    /// is now [default: fashion-mini].
    #[arg(long, value_name = "DATA")]
    pub(super) data: Option<DataSource>,
    /// Fit the template to the data: shape of the input, number of outputs. Presets always are.
    #[arg(long)]
    pub(super) fit: bool,
    /// Leave images out that cannot be read, instead of naming them and ending.
    #[arg(long)]
    skip_unreadable: bool,
    /// What the column to predict of a table holds [default: inferred from its values].
    #[arg(long, value_name = "TASK", value_parser = named::<TaskKind>())]
    task: Option<TaskKind>,
    /// Whether the first line of a table names its columns [default: inferred from it and the lines below].
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no)]
    header: Option<bool>,
    /// What to do about missing values of a table [default: name them and end].
    #[arg(long, value_name = "WAY", value_parser = named::<Missing>())]
    missing: Option<Missing>,
}

impl DataArgs {
    /// How to read the data.
    pub(super) fn read(&self) -> ReadOptions {
        ReadOptions {
            skip_unreadable: self.skip_unreadable,
            task: self.task,
            header: self.header,
            missing: self.missing,
        }
    }

    /// The first argument that a run has settled when it began, if one is given.
    pub(super) fn settled(&self) -> Option<&'static str> {
        [
            ("--fit", self.fit),
            ("--skip-unreadable", self.skip_unreadable),
            ("--task", self.task.is_some()),
            ("--header", self.header.is_some()),
            ("--missing", self.missing.is_some()),
        ]
        .into_iter()
        .find_map(|(name, given)| given.then_some(name))
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("say yes or no".to_owned()),
    }
}
