//! What can be wrong with a table, in words that name the file, the line and the fix.

use crate::engine::delimited::SheetError;
use std::{io, path::PathBuf};

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file is missing or not readable.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The message of the system.
        source: io::Error,
    },
    /// The file is no table.
    #[error("{}: {source}", path.display())]
    NoTable {
        /// The file.
        path: PathBuf,
        /// What it is, or what is wrong with it, and the fix.
        source: SheetError,
    },
    /// The numbers of a column can be read in several ways.
    #[error("{}: column `{column}` {what}", path.display())]
    Numbers {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// What is wrong with it, and the fix.
        what: String,
    },
    /// A search looks for high accuracies, and these are none.
    #[error(
        "{}: `search` of `{architecture}` is {search}, which is no accuracy, neither as a share (0 to 1) nor as per cent (0 to \
         100); write accuracies there, or measure search algorithms with `bench search`, to which only the order counts",
        path.display()
    )]
    NoAccuracy {
        /// The file.
        path: PathBuf,
        /// The first architecture whose value is none.
        architecture: String,
        /// The value.
        search: f64,
    },
    /// No training succeeded.
    #[error("{}: none of the {rows} rows has a result; write numbers into `search` and `report`", path.display())]
    NoResults {
        /// The file.
        path: PathBuf,
        /// How many rows there are.
        rows: usize,
    },
    /// Numbers that their decimal commas cut in two.
    #[error("{}:{line}: the first line names {width} columns, this one has {cells} values; {why}", path.display())]
    CutNumbers {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// How many columns there are.
        width: usize,
        /// How many values there are.
        cells: usize,
        /// The cause, and the fix.
        why: String,
    },
    /// Choices with nothing between them.
    #[error(
        "{}: architectures such as `{example}` look like several choices with nothing between them; join them by `/` \
         (`{cut}`), or, if each is one choice of a single layer, write `only/{example}`", path.display()
    )]
    Joined {
        /// The file.
        path: PathBuf,
        /// The first architecture.
        example: String,
        /// The same with `/` between its choices.
        cut: String,
    },
    /// More alternatives than a search can weigh against each other.
    #[error(
        "{}: {count} choices in {layers} position(s), at most {limit} are handled; join the choices of an architecture by `/` \
         if it has several positions, or leave architectures out", path.display()
    )]
    TooManyChoices {
        /// The file.
        path: PathBuf,
        /// The choices of all positions.
        count: usize,
        /// The positions.
        layers: usize,
        /// The most that are handled.
        limit: usize,
    },
    /// The first line lacks a column, or has it twice.
    #[error(
        "{}:{line}: {} called `{column}` (there are {found}); the first line must name `architecture`, `search` and \
         `report`, and may name `canonical`", path.display(),
        if *count == 0 { "no column is".to_owned() } else { format!("{count} columns are") }
    )]
    Column {
        /// The file.
        path: PathBuf,
        /// The line of the first row.
        line: u64,
        /// The column in question.
        column: &'static str,
        /// How many columns have that name.
        count: usize,
        /// The names that were found.
        found: String,
    },
    /// One line is wrong.
    #[error("{}:{line}: {what}; {fix}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The mistake.
        what: String,
        /// The fix.
        fix: &'static str,
    },
    /// There is a first line, but no row.
    #[error("{}: there are no rows after the first line; add one for each architecture", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// Architectures have no row.
    #[error(
        "{}: {rows} rows, but the choices they name make {combinations} architectures; `{example}`, for one, \
         has no row. Add what is missing, or remove choices that only some rows use (the rarest, \
         `{rarest}` at position {position}, first stands in line {line})", path.display()
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// How many rows there are.
        rows: usize,
        /// How many there should be.
        combinations: String,
        /// The first architecture that is missing.
        example: String,
        /// The choice that the fewest rows make: a slip of the pen, perhaps.
        rarest: String,
        /// The position at which they make it, from 1.
        position: usize,
        /// The line of the first row that makes it.
        line: u64,
    },
}
