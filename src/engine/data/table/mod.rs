//! Tables of numbers: one row per example, one column per feature, and one column to predict. How text becomes rows and
//! numbers is told at [`crate::engine::delimited`].
//!
//! - The first line is a header if its cells are of another type than what stands below: names above numbers, or numbers
//!   that count or are far from those below them, above decimals or beside a name; what is not clear is refused;
//!   `ReadOptions::header` overrules.
//! - A first column without a name that numbers or names the rows is left out, and so are empty columns without one.
//! - The column to predict is named (`csv:FILE#NAME`, or `#3` for the third), or else the last one. Texts in it
//!   are classes, also `none` and `NA`; whole numbers are if they look like labels (see [`target`]), others are numbers to
//!   predict; `ReadOptions::task` overrules.
//! - What stands before decimals is decided by column; `ReadOptions::decimal` overrules.
//! - Every other cell must be a finite number, or `TRUE` and `FALSE` throughout. Missing values are refused, unless
//!   `ReadOptions::missing` says what to do: any value put in their place is a guess about the data.
//! - Numbers are kept with 32 bits. A column whose numbers these hardly tell apart is refused (times in seconds
//!   since 1970, of one hour); the message asks the user to subtract its smallest number.
//!
//! A row becomes an image with one channel per column and a height and width of 1, so that every column is
//! normalised by itself; a template takes it with `Input(shape: (COLUMNS, 1, 1))` and `Flatten`.

mod features;
mod layout;
mod range;
mod survey;
mod target;
mod values;

use super::{
    DataError, Dataset, Images, Missing, Pixels, ReadOptions,
    files::unreadable,
    split::{self, HeldOut},
};
use crate::engine::delimited::{Sheet, SheetError};
use features::Context;
use layout::{Layout, separated};
use std::{borrow::Cow, collections::BTreeSet, path::Path};
use survey::Survey;
use target::Label;
use values::Values;

/// Fewer could not be split into parts of two rows each.
const FEWEST_ROWS: usize = 6;

/// Loads a table, of which parts become the test and the validation split, see [`split`].
pub(super) fn load(
    file: &Path,
    label: Option<&str>,
    name: String,
    options: &ReadOptions,
) -> Result<Dataset, DataError> {
    if !file.is_file() {
        return Err(DataError::NoFile { file: file.to_owned() });
    }
    let failed = |error| no_table(file, error);
    let sheet = Sheet::open(file).map_err(failed)?;
    let Some(mut survey) = Survey::of(&sheet).map_err(failed)? else {
        let what = "the file is empty; give it a row per example".to_owned();
        return Err(DataError::Row { file: file.to_owned(), line: 1, what });
    };
    table(file, label, name, options, &sheet, &mut survey)
        .map_err(|error| of_sheet(error, sheet.name.as_deref()))
}

/// The same error, which names the sheet of the workbook that was read.
fn of_sheet(mut error: DataError, sheet: Option<&str>) -> DataError {
    if let (
        Some(sheet),
        DataError::Row { what, .. }
        | DataError::Column { what, .. }
        | DataError::Labels { what, .. },
    ) = (sheet, &mut error)
    {
        *what += &format!(" (in the sheet `{sheet}`)");
    }
    error
}

/// The data set that a table is.
fn table(
    file: &Path,
    label: Option<&str>,
    name: String,
    options: &ReadOptions,
    sheet: &Sheet,
    survey: &mut Survey,
) -> Result<Dataset, DataError> {
    let failed = |error| no_table(file, error);
    let layout = Layout::new(file, sheet, survey, options.header)?;
    let survey = &*survey;
    let context = Context { file, sheet, survey, layout: &layout };
    let features = context.features(label, options)?;
    let is_given = label.is_some();
    let label = Label {
        file,
        name: &layout.names[features.label],
        column: &survey.columns[features.label],
        decimal: features.decimal.clone(),
    };
    let values =
        Values::read(&context, &features, &label, options).map_err(|error| match error {
            values::Error::Data(error) => error,
            values::Error::Sheet(error) => failed(error),
        })?;
    let target = label.target(&values.labels, options)?;

    let rows = values.labels.len();
    let columns = values.columns.len();
    let mut notes = vec![summary(&context, &features, is_given, [rows, columns], &target.about)];
    notes.extend(sheet.notes.iter().cloned());
    if survey.comments > 0 {
        notes.push(format!(
            "{} left out",
            counted(survey.comments, "comment line", "comment lines")
        ));
    }
    if let (Some(_), [first, ..]) = (layout.header, survey.repeated.as_slice())
        && layout.first_is_header
    {
        let count = survey.repeated.len() as u64;
        notes.push(format!(
            "the header stands in the table again {} (line {first}): left out",
            counted(count, "time", "times")
        ));
    }
    notes.extend(features.notes.iter().cloned());
    notes.extend(values.notes.iter().cloned());
    notes.extend(target.notes);
    notes.extend(lost_classes(&label, &values.dropped, &target.names));

    let too_few = || DataError::TooFewImages { file: file.to_owned(), images: rows };
    if rows < FEWEST_ROWS {
        return Err(too_few());
    }
    let targets = target.targets;
    let (rest, test) = split::hold_out(&targets, HeldOut::Test, rows);
    let of_rest = targets.select(&rest);
    let (train, val) = split::hold_out(&of_rest, HeldOut::Val, rows);
    let [train, val] =
        [train, val].map(|places| places.into_iter().map(|place| rest[place]).collect::<Vec<_>>());
    if train.is_empty() || val.is_empty() || test.is_empty() {
        return Err(too_few());
    }
    let mut numbers = values.values;
    if values.holes > 0 && options.missing == Some(Missing::Mean) {
        let counts = values::fill(&mut numbers, columns, &train);
        notes.push(about_filled(&context, &values.columns, &counts)?);
    }
    let all = Images::new([columns, 1, 1], Pixels::Floats(numbers), targets)?;
    let [train, val, test] = [train, val, test].map(|places| all.select(&places));
    Ok(Dataset::new(name, target.names, train, val, test)?.with_notes(notes))
}

/// The inferred facts, in one sentence.
fn summary(
    context: &Context<'_>,
    features: &features::Features,
    is_given: bool,
    [rows, columns]: [usize; 2],
    about: &str,
) -> String {
    let layout = context.layout;
    let header = match layout.header {
        Some(line) if layout.first_is_header => {
            format!("line {line} is the header (--header no makes it a row)")
        }
        Some(line) => format!("the comment on line {line} is the header"),
        None => "no header (--header yes makes one of the first line)".to_owned(),
    };
    let label = &layout.names[features.label];
    let label = if is_given {
        format!("column `{label}` is predicted")
    } else {
        format!("column `{label}`, the last one, is predicted (csv:FILE#COLUMN names another)")
    };
    format!(
        "{} of {}, {}, {header}; {label}: {about}",
        counted(rows as u64, "row", "rows"),
        counted(columns as u64, "column to predict from", "columns to predict from"),
        separated(context.sheet.separator()),
    )
}

/// The classes whose rows all were left out.
fn lost_classes(
    label: &Label<'_>,
    dropped: &BTreeSet<Cow<'_, str>>,
    classes: &[String],
) -> Option<String> {
    if classes.is_empty() {
        return None;
    }
    let dropped: BTreeSet<_> = dropped.iter().map(|cell| label.class_text(cell)).collect();
    let classes: BTreeSet<_> = classes.iter().collect();
    let lost: Vec<_> = dropped.iter().filter(|name| !classes.contains(name)).collect();
    let listed: Vec<_> = lost.iter().take(5).map(|name| format!("`{name}`")).collect();
    let more = match lost.len() - listed.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!lost.is_empty()).then(|| {
        format!(
            "{} of column `{}` lost all rows with --missing drop and {} not learned: {}{more}",
            counted(lost.len() as u64, "class", "classes"),
            label.name,
            if lost.len() == 1 { "is" } else { "are" },
            listed.join(", ")
        )
    })
}

/// The values that replace missing ones.
fn about_filled(
    context: &Context<'_>,
    columns: &[usize],
    counts: &[(usize, Option<f32>)],
) -> Result<String, DataError> {
    let mut listed = Vec::new();
    for (&column, &(count, mean)) in columns.iter().zip(counts).filter(|(_, (count, _))| *count > 0)
    {
        let name = &context.layout.names[column];
        let Some(mean) = mean else {
            let what = "has no value in the rows to train with, so there is no mean; delete it, or leave rows out with \
                        --missing drop";
            return Err(DataError::Column {
                file: context.file.to_owned(),
                column: name.clone(),
                what: what.to_owned(),
            });
        };
        listed.push(format!("`{name}` {count} by {mean}"));
    }
    let total: usize = counts.iter().map(|(count, _)| count).sum();
    let more = listed.len().saturating_sub(8);
    listed.truncate(8);
    let more = if more > 0 { format!(", and {more} more columns") } else { String::new() };
    Ok(format!(
        "{} replaced by the mean of the column's training rows (column {}{more})",
        counted(total as u64, "missing value", "missing values"),
        listed.join(", ")
    ))
}

/// "1 row", "2 rows".
fn counted(count: u64, one: &str, many: &str) -> String {
    crate::format::counted(count as usize, one, many)
}

fn no_table(file: &Path, error: SheetError) -> DataError {
    match error {
        SheetError::Read(source) => unreadable(file, source),
        SheetError::TooLarge { bytes, limit } => {
            DataError::TableTooLarge { file: file.to_owned(), bytes, limit }
        }
        source => DataError::NoTable { file: file.to_owned(), source },
    }
}

#[cfg(test)]
mod tests;
