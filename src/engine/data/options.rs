//! What is told about files whose content leaves a choice; kept in `run.ron`, so that a resumed run reads them alike.

use crate::engine::{
    delimited::Decimal,
    named::{Named, named},
};
use serde::{Deserialize, Serialize};

/// How files are read where they leave a choice. What is left out is inferred, and the data set says what was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadOptions {
    /// Leave images out that cannot be read, instead of refusing the folder.
    pub skip_unreadable: bool,
    /// What the column to predict of a table holds.
    pub task: Option<TaskKind>,
    /// Whether the first line of a table is a header.
    pub header: Option<bool>,
    /// What stands before the decimals of a table's numbers.
    pub decimal: Option<Decimal>,
    /// What is done about missing values of a table; they are refused where this is left out.
    pub missing: Option<Missing>,
}

impl ReadOptions {
    /// Whether everything is left to be inferred.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What the column to predict of a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskKind {
    /// Classes, whatever they are called.
    Classes,
    /// Numbers.
    Numbers,
}

named!(TaskKind, "task", {
    Classes => "classes", "every different value is a class, also where the values are numbers";
    Numbers => "numbers", "the values are numbers to predict";
});

/// What is done about missing values of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missing {
    /// The mean of the column over the training rows stands in.
    Mean,
    /// Rows with a missing value are left out.
    Drop,
}

named!(Missing, "way with missing values", {
    Mean => "mean", "put the mean of the column's training rows in their place";
    Drop => "drop", "leave rows out that have one";
});
