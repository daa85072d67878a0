//! Which columns a table has, what they are called, and whether its first row says so.

use super::{
    counted,
    survey::{Column, Kind, Survey},
};
use crate::engine::{
    data::DataError,
    delimited::{Separator, Sheet},
};
use std::{collections::BTreeSet, path::Path};

/// The most characters of a name on several lines: what is longer has quotes that do not close.
const LONGEST_NAME: usize = 300;

/// The columns of a table.
#[derive(Debug)]
pub(super) struct Layout {
    /// The name of each column; its number, from 1, where it has none.
    pub(super) names: Vec<String>,
    /// Whether a column has a name.
    pub(super) named: Vec<bool>,
    /// The line of the header.
    pub(super) header: Option<u64>,
    /// Whether the first row is the header, and not an example; the header may be a comment.
    pub(super) first_is_header: bool,
    /// Whether each row begins with its name, above which the header has no cell.
    pub(super) row_names: bool,
}

impl Layout {
    /// The layout of a table, with a header or without one if `header` says so. The first row is counted among the
    /// others of the survey if it is no header.
    ///
    /// # Errors
    /// When rows differ in length, or the first line may be a header as well as a row.
    pub(super) fn new(
        file: &Path,
        sheet: &Sheet,
        survey: &mut Survey,
        header: Option<bool>,
    ) -> Result<Self, DataError> {
        let at = |line, what| DataError::Row { file: file.to_owned(), line, what };
        let (line, first) = survey.first.clone();
        let filled = filled(&first);
        let usual = survey.usual_length();
        let of_usual = survey.lengths.keys().filter(|(cells, _)| *cells == usual);
        let widest = of_usual.map(|&(_, filled)| filled).max().unwrap_or(0);
        let no_number = first.iter().all(|cell| Kind::of(cell) != Kind::Number);
        let row_names = widest == usual
            && filled + 1 == usual
            && first.len() == filled
            && no_number
            && header != Some(false);
        let width = widest.max(filled.min(usual));
        let separators = sheet
            .separator()
            .map_or(String::new(), |separator| format!(" (separated by {})", separator.name()));
        if width < 2 && survey.lengths.keys().all(|&(cells, _)| cells < 2) && first.len() < 2 {
            let what = "one column only; a table needs one to predict and others to predict it from, separated by commas, \
                        semicolons, tabs, vertical bars or spaces";
            return Err(at(line, what.to_owned()));
        }
        if !row_names && (first.len() < width || filled > width) {
            return Err(at(
                line,
                format!(
                    "{}{separators}, but most rows have {width}; delete the line if it stands above the header, or give \
                     every row the same number",
                    counted(first.len() as u64, "cell", "cells")
                ),
            ));
        }
        let odd =
            survey.lengths.iter().filter(|((cells, filled), _)| *cells < width || *filled > width);
        if let Some((line, cells)) = odd.map(|(&(cells, _), &(_, line))| (line, cells)).min() {
            let what = format!(
                "{}{separators}, but {} {width}; give every row the same number, and put cells with \
                 separators in them in quotes",
                counted(cells as u64, "cell", "cells"),
                if row_names { "most rows have" } else { "the first line has" }
            );
            return Err(at(line, what));
        }
        let full = first.iter().filter(|cell| !cell.is_empty()).collect::<Vec<_>>();
        if let ([title], 3..) = (full.as_slice(), width)
            && Kind::of(title) == Kind::Text
        {
            let what = format!(
                "`{title}` stands alone here; if it is a title above the table, delete the line"
            );
            return Err(at(line, what));
        }
        survey.columns.resize(width, Column::default());
        let cell = |column: usize| {
            let place = if row_names { column.checked_sub(1) } else { Some(column) };
            place.and_then(|place| first.get(place)).map_or("", String::as_str)
        };
        let cells: Vec<&str> = (0..width).map(cell).collect();
        let first_is_header = match header {
            Some(given) => given,
            None => is_header(&cells, survey, sheet).ok_or_else(|| {
                at(
                    line,
                    "some cells are names and others numbers, so it may be a header or a row; say which with --header yes \
                     or --header no"
                        .to_owned(),
                )
            })?,
        };
        let mut heading =
            first_is_header.then(|| (line, cells.iter().map(ToString::to_string).collect()));
        if header.is_none() && !first_is_header {
            heading = sheet.comment_above().filter(|(_, names)| is_heading(names, width));
        }
        if first_is_header {
            for name in &cells {
                let lines = name.lines().count();
                if lines > 3 || lines > 1 && name.chars().count() > LONGEST_NAME {
                    let what = "a name in the header goes on over the ends of lines; close its quotes, or remove them";
                    return Err(at(line, what.to_owned()));
                }
            }
        } else {
            survey.without_header();
            survey.columns.resize(width, Column::default());
        }
        let given: Vec<String> =
            heading.as_ref().map_or(vec![String::new(); width], |(_, names)| names.clone());
        let named: Vec<_> = given.iter().map(|name| !name.is_empty()).collect();
        let names = given.into_iter().enumerate().map(|(column, name)| {
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            if name.is_empty() { (column + 1).to_string() } else { name }
        });
        Ok(Self {
            names: names.collect(),
            named,
            header: heading.as_ref().map(|&(line, _)| line),
            first_is_header,
            row_names,
        })
    }

    /// How many columns there are.
    pub(super) fn width(&self) -> usize {
        self.names.len()
    }

    /// The column of that name, whatever its capitals, or of that number, from 1.
    ///
    /// # Errors
    /// When there is none, or several are called so.
    pub(super) fn find(&self, file: &Path, label: &str) -> Result<usize, DataError> {
        let of_name = |same: &dyn Fn(&str) -> bool| -> Vec<usize> {
            (0..self.width())
                .filter(|&column| self.named[column] && same(&self.names[column]))
                .collect()
        };
        let lower = label.trim().to_lowercase();
        for found in [of_name(&|name| name == label), of_name(&|name| name.to_lowercase() == lower)]
        {
            match found.as_slice() {
                [] => {}
                &[column] => return Ok(column),
                _ => {
                    let what = format!(
                        "several columns are called `{label}`; rename all but one, or name the one to predict by its number, \
                         from 1"
                    );
                    return Err(DataError::Row {
                        file: file.to_owned(),
                        line: self.header.unwrap_or(1),
                        what,
                    });
                }
            }
        }
        let number =
            label.parse::<usize>().ok().filter(|number| (1..=self.width()).contains(number));
        number.map(|number| number - 1).ok_or_else(|| {
            let mut columns: Vec<_> = self.names.iter().take(50).cloned().collect();
            if self.width() > columns.len() {
                columns.push(format!("… ({} in all)", self.width()));
            }
            DataError::NoColumn { file: file.to_owned(), label: label.to_owned(), columns }
        })
    }
}

fn filled(cells: &[String]) -> usize {
    cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1)
}

/// Whether these cells of a comment are the names of `width` columns.
fn is_heading(names: &[String], width: usize) -> bool {
    let distinct: BTreeSet<_> = names.iter().collect();
    names.len() == width
        && distinct.len() == width
        && names.iter().all(|name| matches!(Kind::of(name), Kind::Text | Kind::Missing))
}

/// Whether the cells of the first row are names of columns: when they are of another type than what stands below, or
/// numbers that count the columns. `None` if some say so and others do not.
fn is_header(cells: &[&str], survey: &Survey, sheet: &Sheet) -> Option<bool> {
    let kinds: Vec<_> = cells.iter().map(|cell| Kind::of(cell)).collect();
    let no_number = kinds.iter().all(|kind| !matches!(kind, Kind::Number | Kind::Infinite));
    if survey.lengths.is_empty() {
        return Some(no_number);
    }
    let (mut names, mut numbers_as_names, mut values) = (0, 0, 0);
    for (kind, column) in kinds.iter().zip(&survey.columns) {
        match kind {
            Kind::Text if column.is_mostly_numbers() || column.is_truths() => names += 1,
            Kind::Truth if column.is_mostly_numbers() => names += 1,
            Kind::Number if column.is_mostly_numbers() => values += 1,
            Kind::Number if column.style.numbers == 0 && column.texts > 0 => numbers_as_names += 1,
            Kind::Truth if column.is_truths() => values += 1,
            Kind::Infinite => values += 1,
            _ => {}
        }
    }
    let whole: Vec<Option<u64>> = cells
        .iter()
        .zip(&kinds)
        .filter(|(_, kind)| **kind == Kind::Number)
        .map(|(cell, _)| cell.parse().ok())
        .collect();
    let distinct =
        whole.iter().collect::<BTreeSet<_>>().len() == whole.len() && !whole.contains(&None);
    match (names > 0, values > 0) {
        (true, false) => Some(true),
        // Years as names of some columns, say.
        (true, true) => distinct.then_some(true),
        (false, false) => Some(
            numbers_as_names > 0
                || (no_number
                    && !kinds.contains(&Kind::Missing)
                    && !stands_below(cells, sheet, &kinds)),
        ),
        (false, true) => {
            let counts =
                |from: u64| (from..).zip(&whole).all(|(number, cell)| *cell == Some(number));
            let fractions = survey
                .columns
                .iter()
                .any(|column| column.is_numbers() && column.style.evidence() != [false, false]);
            let texts = kinds.contains(&Kind::Text);
            let is_count = whole.len() >= 2 && (counts(0) || counts(1));
            Some(
                is_count
                    && (whole.len() >= 4 || numbers_as_names > 0 || fractions || texts)
                    && !(texts && stands_below(cells, sheet, &kinds))
                    || numbers_as_names > 0 && distinct && !texts,
            )
        }
    }
}

/// Whether every text of the first row stands in its column again.
fn stands_below(cells: &[&str], sheet: &Sheet, kinds: &[Kind]) -> bool {
    let mut wanted: Vec<usize> =
        (0..cells.len()).filter(|&column| kinds[column] == Kind::Text).collect();
    for row in sheet.rows().skip(1).map_while(Result::ok) {
        wanted.retain(|&column| row.cells.get(column).is_none_or(|cell| cell != cells[column]));
        if wanted.is_empty() {
            return true;
        }
    }
    false
}

/// The name of what separates columns, for a note.
pub(super) fn separated(separator: Option<Separator>) -> String {
    separator.map_or("from a workbook".to_owned(), |separator| {
        format!("separated by {}", separator.name())
    })
}
