//! Which columns a table has, what they are called, and whether its first row says so.

use super::{
    counted,
    survey::{Column, Kind, Survey},
};
use crate::engine::{
    data::DataError,
    delimited::{Decimal, Row, Separator, Sheet, number},
};
use std::{
    collections::{BTreeSet, HashSet},
    path::Path,
};

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
        // Rows of numbers that their decimal commas cut in two; the header has none.
        let cut = |columns: usize, line: Option<u64>| {
            let is_it =
                |row: &Row<'_>| line.map_or(row.cells.len() == usual, |line| row.line == line);
            let row = sheet.rows().skip(1).map_while(Result::ok).find(is_it)?;
            let commas = sheet.separator() == Some(Separator::One(','));
            let cells = row.cells.iter().map(|cell| &**cell).filter(|_| commas);
            let example = number::cut_at_commas(cells, columns)?;
            let cells = counted(row.cells.len() as u64, "cell", "cells");
            Some(at(
                row.line,
                format!(
                    "{cells}{separators}, but the first line has {columns}: {}",
                    number::about_cut(&example)
                ),
            ))
        };
        if no_number
            && filled == first.len()
            && filled < usual
            && header != Some(false)
            && (!row_names || names_recur(sheet))
            && let Some(error) = cut(filled, None)
        {
            return Err(error);
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
            if cells > width
                && let Some(error) = cut(width, Some(line))
            {
                return Err(error);
            }
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
                    "this may be a header or a row of values; say which with --header yes or --header no"
                        .to_owned(),
                )
            })?,
        };
        let mut heading =
            first_is_header.then(|| (line, cells.iter().map(ToString::to_string).collect()));
        if header.is_none() && !first_is_header {
            heading =
                sheet.comments_above().into_iter().find(|(_, names)| is_heading(names, width));
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
            let name = number::shown(&name).split_whitespace().collect::<Vec<_>>().join(" ");
            let name = name.replace(char::is_control, "\u{fffd}");
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
        // Numbers count the columns of the header, which has no cell above the names of rows.
        let first = usize::from(!self.row_names);
        let number = label.parse::<usize>().ok().filter(|number| *number > 0);
        let number = number.filter(|number| number - first < self.width());
        number.map(|number| number - first).ok_or_else(|| {
            let mut columns: Vec<_> = self.names.iter().take(50).cloned().collect();
            if self.width() > columns.len() {
                columns.push(format!("… ({} in all)", self.width()));
            }
            DataError::NoColumn { file: file.to_owned(), label: label.to_owned(), columns }
        })
    }
}

/// Whether a cell of the first column stands there again, as no name of a row does.
fn names_recur(sheet: &Sheet) -> bool {
    let mut seen = HashSet::new();
    let mut names = sheet.rows().skip(1).map_while(Result::ok);
    names.any(|row| row.cells.first().is_some_and(|name| !seen.insert(name.clone())))
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

/// Whether the cells of the first row are names of columns: when they are of another type than what stands below. `None`
/// if that is not clear: a first row that is taken for a header is lost, and a header that is taken for a row is an
/// example that means nothing.
fn is_header(cells: &[&str], survey: &Survey, sheet: &Sheet) -> Option<bool> {
    let kinds: Vec<_> = cells.iter().map(|cell| Kind::of(cell)).collect();
    let no_number = kinds.iter().all(|kind| !matches!(kind, Kind::Number | Kind::Infinite));
    if survey.lengths.is_empty() {
        return Some(no_number);
    }
    let (mut names, mut slips, mut numbers_as_names, mut values) = (0, 0, 0, 0);
    for ((kind, cell), column) in kinds.iter().zip(cells).zip(&survey.columns) {
        let truths = column.is_truths();
        match kind {
            Kind::Text if column.is_mostly_numbers() && is_slip(cell) => slips += 1,
            Kind::Text if column.is_mostly_numbers() || truths => names += 1,
            Kind::Truth if column.is_mostly_numbers() => names += 1,
            Kind::Number if column.is_mostly_numbers() => values += 1,
            Kind::Number if column.style.numbers == 0 && (column.texts > 0 || truths) => {
                numbers_as_names += 1;
            }
            Kind::Truth if truths => values += 1,
            Kind::Infinite => values += 1,
            _ => {}
        }
    }
    let below = Below::of(cells, &kinds, sheet);
    let numbers = Numbers::of(cells, &kinds, survey, &below);
    match (names > 0, values > 0) {
        (true, false) => Some(true),
        // Years as names of some columns, say.
        (true, true) => (slips == 0 && !below.recurs && numbers.are_names).then_some(true),
        (false, false) if slips > 0 => (!below.recurs && numbers_as_names == 0).then_some(true),
        (false, false) if numbers_as_names > 0 => {
            (!below.recurs && numbers.distinct).then_some(true)
        }
        (false, false) => Some(no_number && !kinds.contains(&Kind::Missing) && !below.all_recur),
        (false, true) if slips > 0 => None,
        (false, true) if numbers_as_names > 0 => {
            (!below.recurs && numbers.distinct && (numbers.whole || numbers.are_names))
                .then_some(true)
        }
        // A class that stands in no other row, or the name of the classes.
        (false, true) if below.is_new => {
            if numbers.are_names {
                Some(true)
            } else if numbers.distinct {
                None
            } else {
                Some(false)
            }
        }
        (false, true) if kinds.contains(&Kind::Text) => Some(false),
        (false, true) => match numbers.count {
            0 | 1 => Some(false),
            _ if !numbers.are_names || !numbers.whole => Some(false),
            count => (count >= 4 && numbers.over_fractions).then_some(true),
        },
    }
}

/// Whether a text may be a number with a sign too many, as `<5` is.
fn is_slip(cell: &str) -> bool {
    let rest = cell.trim_start_matches(|sign: char| !sign.is_alphanumeric());
    rest.len() < cell.len() && rest.starts_with(|digit: char| digit.is_ascii_digit())
}

/// What the rows below the first tell about it.
#[derive(Debug, Default)]
struct Below {
    /// Whether a text of the first row stands in its column again.
    recurs: bool,
    /// Whether all of them do.
    all_recur: bool,
    /// Whether a text of the first row does not stand in its column again, where other texts do.
    is_new: bool,
    /// The smallest and the largest number of each column.
    ranges: Vec<(f64, f64)>,
    rows: usize,
}

impl Below {
    fn of(cells: &[&str], kinds: &[Kind], sheet: &Sheet) -> Self {
        let texts: Vec<usize> =
            (0..cells.len()).filter(|&column| kinds[column] == Kind::Text).collect();
        let numbers: Vec<usize> =
            (0..cells.len()).filter(|&column| kinds[column] == Kind::Number).collect();
        let mut again = vec![false; texts.len()];
        let mut doubled = vec![false; texts.len()];
        let mut others = vec![HashSet::new(); texts.len()];
        let mut below = Self {
            ranges: vec![(f64::INFINITY, f64::NEG_INFINITY); cells.len()],
            ..Self::default()
        };
        for row in sheet.rows().skip(1).map_while(Result::ok) {
            below.rows += 1;
            for &column in &numbers {
                let (low, high) = &mut below.ranges[column];
                if let Some(number) = row.cells.get(column).and_then(|cell| value(cell)) {
                    (*low, *high) = (low.min(number), high.max(number));
                }
            }
            for (place, &column) in texts.iter().enumerate() {
                let Some(cell) = row.cells.get(column) else { continue };
                if cell == cells[column] {
                    again[place] = true;
                } else if !doubled[place] && !others[place].insert(cell.clone()) {
                    doubled[place] = true;
                    others[place] = HashSet::new();
                }
            }
        }
        below.recurs = again.contains(&true);
        below.all_recur = !again.contains(&false);
        below.is_new = again.iter().zip(&doubled).any(|(again, doubled)| !again && *doubled);
        below
    }

    /// Whether a number is far from all numbers of its column, as a year is from what was measured in it.
    fn is_far(&self, column: usize, number: f64) -> bool {
        let (low, high) = self.ranges[column];
        let distance = (number - high).max(low - number);
        self.rows >= 5
            && low <= high
            && distance > high - low
            && distance > high.abs().max(low.abs())
    }
}

/// What the numbers of the first row tell.
#[derive(Debug)]
struct Numbers {
    count: usize,
    /// Whether no two are equal.
    distinct: bool,
    whole: bool,
    /// Whether the columns below have numbers with decimals, all of them.
    over_fractions: bool,
    /// Whether they look like names of columns: they differ, and count, or are far from what stands below.
    are_names: bool,
}

impl Numbers {
    fn of(cells: &[&str], kinds: &[Kind], survey: &Survey, below: &Below) -> Self {
        let numbers: Vec<(usize, f64)> = (0..cells.len())
            .filter(|&column| kinds[column] == Kind::Number)
            .map(|column| (column, value(cells[column]).unwrap_or(f64::NAN)))
            .collect();
        let whole = numbers.iter().all(|(_, number)| number.fract() == 0.0);
        let bits = numbers.iter().map(|(_, number)| number.to_bits());
        let distinct = bits.collect::<HashSet<_>>().len() == numbers.len();
        let counts = |from: f64| {
            numbers.iter().zip(0..).all(|((_, number), i)| *number == from + f64::from(i))
        };
        let are_far = numbers.iter().all(|&(column, number)| {
            survey.columns[column].style.numbers == 0 || below.is_far(column, number)
        });
        let is_count = numbers.len() >= 2 && (counts(0.0) || counts(1.0));
        Self {
            count: numbers.len(),
            distinct,
            whole,
            over_fractions: numbers.iter().all(|&(column, _)| {
                let column = &survey.columns[column];
                column.style.numbers == 0 || column.style.has_decimals()
            }),
            are_names: distinct && !numbers.is_empty() && (is_count || are_far),
        }
    }
}

fn value(cell: &str) -> Option<f64> {
    let cell = number::without_percent(cell).unwrap_or(cell);
    let number =
        number::normal(cell, Decimal::Point).or_else(|| number::normal(cell, Decimal::Comma));
    number?.parse().ok()
}

/// The name of what separates columns, for a note.
pub(super) fn separated(separator: Option<Separator>) -> String {
    separator.map_or("from a workbook".to_owned(), |separator| {
        format!("separated by {}", separator.name())
    })
}
