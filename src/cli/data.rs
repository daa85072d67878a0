//! What to train on, on the command line.

use super::training::named;
use crate::engine::data::{DataSource, Decimal, Missing, ReadOptions, TaskKind};
use clap::Args;

/// What is read and how it is decided, for the long help of every command that reads data.
pub(super) const HELP: &str = "\
What is read, and how it is decided (what was inferred or left out is told in lines that begin with `note`):

  idx:DIR           MNIST's relatives, packed or not, in the folder or below it; content tells images from labels;
                    idx:DIR/SET chooses one of several sets; labels may begin at 1
  cifar10:DIR       the binary version, in the folder or below it; cifar100:DIR likewise, with fine labels
  images:DIR        train/<class>/* with val and test alike (valid, validation, testing, ... too), or <class>/* alone
    format          PNG, JPEG, WebP, BMP, GIF, TIFF; content decides, not the ending
    size            scaled to the template's input while they are read; decoding takes over 512 MiB: refused by name
    colours         grey if all are grey, else RGB; turned as EXIF says
    transparency    put on white (black or grey if more can be seen there), or the picture if it alone differs
    16 bit          the range of the training images becomes 0 to 255, unless it covers half of the scale
    unreadable      all are named, or left out with --skip-unreadable
  table:FILE        a table of known results, to be searched without training: columns architecture (choices joined by /),
                    search (an accuracy as share or per cent), report, perhaps canonical; a row for each combination of
                    choices; the template is made of the choices, and the run keeps a copy of the table
  csv:FILE#COLUMN   .csv (UTF-8, UTF-16, UTF-32), .csv.gz, .xlsx (first filled sheet)
    separator       comma, semicolon, tab, bar or spaces, whichever makes equal rows; or a first line sep=;
    header          the first line, if its types differ from those below; --header yes|no
    COLUMN          a name, or a number from 1; the last column where it is left out
    task            texts and label-like whole numbers are classes, others are numbers; --task classes|numbers
    decimal sign    point or comma, by column; what could be off by a thousand is refused; --decimal point|comma
    missing         NA, ?, -, nothing: refused with count and columns; --missing mean|drop
  splits            those that the files lack are held out: a tenth each, of fewer than 1,000 examples a fifth each
  template          presets take shape and outputs of the data (images up to 64x64), other templates with --fit";

/// Arguments on the data, and on how it is read where its files leave a choice.
#[derive(Debug, Args)]
#[command(next_help_heading = "Data")]
pub(super) struct DataArgs {
    /// What to train on: fashion-mini, digits, idx:DIR (MNIST family), cifar10:DIR, cifar100:DIR, images:DIR (folders
    /// of images), or csv:FILE#COLUMN (a table; the last column where COLUMN is left out). Or what to search without
    /// training: table:FILE (known results). With a run: where its data is now [default: fashion-mini].
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
    /// What stands before the decimals of a table's numbers [default: inferred for each column].
    #[arg(long, value_name = "SIGN", value_parser = named::<Decimal>())]
    decimal: Option<Decimal>,
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
            decimal: self.decimal,
            missing: self.missing,
        }
    }

    /// The arguments that say nothing about such data, and what they are about.
    pub(super) fn unused(&self, data: &DataSource) -> Vec<String> {
        let tables = !matches!(data, DataSource::Csv { .. });
        let images = !matches!(data, DataSource::Images(_));
        let known = data.known_results().is_some();
        [
            ("--fit", self.fit && known, "data to train on"),
            ("--skip-unreadable", self.skip_unreadable && images, "folders of images"),
            ("--task", self.task.is_some() && tables, "tables of examples"),
            ("--header", self.header.is_some() && tables, "tables of examples"),
            ("--decimal", self.decimal.is_some() && tables && !known, "tables"),
            ("--missing", self.missing.is_some() && tables, "tables of examples"),
        ]
        .into_iter()
        .filter(|(_, unused, _)| *unused)
        .map(|(name, _, about)| format!("{name} is about {about} and changes nothing for {data}"))
        .collect()
    }

    /// The first argument that a run has settled when it began, if one is given.
    pub(super) fn settled(&self) -> Option<&'static str> {
        [
            ("--fit", self.fit),
            ("--skip-unreadable", self.skip_unreadable),
            ("--task", self.task.is_some()),
            ("--header", self.header.is_some()),
            ("--decimal", self.decimal.is_some()),
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
