//! What is told about files whose content leaves a choice; kept in `run.ron`, so that a resumed run reads them alike.

use super::DataSource;
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
    /// The content of a table's column to predict.
    pub task: Option<TaskKind>,
    /// Whether the first line of a table is a header.
    pub header: Option<bool>,
    /// The decimal sign of a table's numbers.
    pub decimal: Option<Decimal>,
    /// The treatment of a table's missing values; without it, they are refused.
    pub missing: Option<Missing>,
}

impl ReadOptions {
    /// Whether everything is left to be inferred.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The message about options that do not apply to data of this kind.
    pub(super) fn unused(&self, source: &DataSource) -> Option<String> {
        let is_table = matches!(source, DataSource::Csv { .. });
        let is_folder = matches!(source, DataSource::Images(_));
        let unused: Vec<_> = [
            ("--skip-unreadable", self.skip_unreadable && !is_folder),
            ("--task", self.task.is_some() && !is_table),
            ("--header", self.header.is_some() && !is_table),
            ("--decimal", self.decimal.is_some() && !is_table),
            ("--missing", self.missing.is_some() && !is_table),
        ]
        .into_iter()
        .filter_map(|(name, unused)| unused.then_some(name))
        .collect();
        let of = match (self.skip_unreadable && !is_folder, unused.len()) {
            (true, 1) => "folders of images",
            (true, _) => "folders of images or tables",
            (false, _) => "tables",
        };
        let (say, are) = if unused.len() > 1 { ("say", "are") } else { ("says", "is") };
        let names = unused.join(", ");
        (!unused.is_empty())
            .then(|| format!("{names} {say} how {of} are read, and {are} not used here"))
    }
}

/// The content of a table's column to predict.
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

/// The treatment of a table's missing values.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_that_the_data_does_not_leave_are_told() {
        let all = ReadOptions {
            skip_unreadable: true,
            task: Some(TaskKind::Classes),
            header: Some(true),
            decimal: Some(Decimal::Comma),
            missing: Some(Missing::Drop),
        };
        let unused = |options: ReadOptions, name: &str| {
            options.unused(&name.parse().unwrap()).unwrap_or_default()
        };
        assert_eq!(
            unused(all, "csv:a.csv"),
            "--skip-unreadable says how folders of images are read, and is not used here"
        );
        let of_tables =
            "--task, --header, --decimal, --missing say how tables are read, and are not used here";
        assert_eq!(unused(all, "images:a"), of_tables);
        assert!(unused(all, "digits").contains("folders of images or tables"));
        let task = ReadOptions { task: all.task, ..ReadOptions::default() };
        assert_eq!(unused(task, "idx:a"), "--task says how tables are read, and is not used here");
        assert_eq!(unused(task, "csv:a.csv"), "");
        assert_eq!(unused(ReadOptions::default(), "digits"), "");
    }
}
