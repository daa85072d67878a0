//! One look at all rows, before anything is decided about columns.

use crate::engine::delimited::{Row, Seen, Sheet, SheetError, Style, number, words};
use std::collections::BTreeMap;

/// The kind of a cell by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Empty,
    /// A word such as `NA`.
    Missing,
    Number,
    /// `TRUE` or `FALSE`.
    Truth,
    /// `inf` and the like.
    Infinite,
    Text,
}

impl Kind {
    /// The kind of a cell.
    pub(super) fn of(cell: &str) -> Self {
        if cell.is_empty() {
            Self::Empty
        } else if number::form(number::without_percent(cell).unwrap_or(cell)).is_some() {
            Self::Number
        } else {
            Self::of_no_number(cell)
        }
    }

    fn of_no_number(cell: &str) -> Self {
        if words::is_missing(cell) {
            Self::Missing
        } else if words::truth(cell).is_some() {
            Self::Truth
        } else if number::is_infinite(cell) {
            Self::Infinite
        } else {
            Self::Text
        }
    }
}

/// What the cells of a column are.
#[derive(Clone, Debug, Default)]
pub(super) struct Column {
    /// How its numbers are written.
    pub(super) style: Style,
    /// How many cells are empty.
    pub(super) empty: u64,
    /// How many say that a value is missing.
    pub(super) missing: u64,
    /// The line of the first that is empty or says so.
    pub(super) first_missing: Option<u64>,
    /// The first of `TRUE` and `FALSE`.
    pub(super) truth: Option<Seen>,
    /// The first infinite number.
    pub(super) infinite: Option<Seen>,
    /// How many are texts.
    pub(super) texts: u64,
    /// The first text.
    pub(super) text: Option<Seen>,
}

impl Column {
    fn take(&mut self, line: u64, cell: &str) {
        let keep = |seen: &mut Option<Seen>| Seen::keep(seen, line, cell);
        let first_missing = self.first_missing.map_or(line, |first| first.min(line));
        if cell.is_empty() {
            self.empty += 1;
            self.first_missing = Some(first_missing);
        } else if !self.style.take(line, cell) {
            match Kind::of_no_number(cell) {
                Kind::Missing => {
                    self.missing += 1;
                    self.first_missing = Some(first_missing);
                }
                Kind::Truth => keep(&mut self.truth),
                Kind::Infinite => keep(&mut self.infinite),
                _ => {
                    self.texts += 1;
                    keep(&mut self.text);
                }
            }
        }
    }

    /// Whether all values that are there are finite numbers, of which there are some.
    pub(super) fn is_numbers(&self) -> bool {
        self.style.numbers > 0 && self.texts == 0 && self.truth.is_none() && self.infinite.is_none()
    }

    /// Whether most values that are there are numbers: a text among them may be a slip, or the unit.
    pub(super) fn is_mostly_numbers(&self) -> bool {
        self.style.numbers > self.texts && self.truth.is_none()
    }

    /// Whether all values that are there are `TRUE` or `FALSE`.
    pub(super) fn is_truths(&self) -> bool {
        self.truth.is_some()
            && self.texts == 0
            && self.style.numbers == 0
            && self.infinite.is_none()
    }

    /// Whether every cell is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.is_void() && self.missing == 0
    }

    /// Whether no value is there.
    pub(super) fn is_void(&self) -> bool {
        !self.is_numbers() && self.truth.is_none() && self.texts == 0 && self.infinite.is_none()
    }
}

/// The content of a file.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The line and the cells of the first row.
    pub(super) first: (u64, Vec<String>),
    /// The columns below the first row.
    pub(super) columns: Vec<Column>,
    /// How many rows below the first have how many cells, and how many of these up to the last that is filled; and the
    /// line of the first such row.
    pub(super) lengths: BTreeMap<(usize, usize), (u64, u64)>,
    /// The lines on which the first row stands again; they are in no column.
    pub(super) repeated: Vec<u64>,
    /// The line of the first and of the last row below the first.
    pub(super) ends: Option<(u64, u64)>,
    /// How many comments there are.
    pub(super) comments: u64,
}

impl Survey {
    /// Looks at all rows of a sheet; `None` if there is none.
    ///
    /// # Errors
    /// When text cannot be cut into cells.
    pub(super) fn of(sheet: &Sheet) -> Result<Option<Self>, SheetError> {
        let mut rows = sheet.rows();
        let Some(first) = rows.next().transpose()? else { return Ok(None) };
        let mut survey = Self {
            first: (first.line, first.cells.iter().map(ToString::to_string).collect()),
            ..Self::default()
        };
        let has_text = first.cells.iter().any(|cell| Kind::of(cell) == Kind::Text);
        for row in rows.by_ref() {
            let row = row?;
            if has_text && row.cells == first.cells {
                survey.repeated.push(row.line);
            } else {
                survey.take(&row);
            }
        }
        survey.comments = rows.comments();
        Ok(Some(survey))
    }

    fn take(&mut self, row: &Row<'_>) {
        let length = (row.cells.len(), row.filled());
        self.lengths.entry(length).or_insert((0, row.line)).0 += 1;
        if self.columns.len() < row.cells.len() {
            self.columns.resize(row.cells.len(), Column::default());
        }
        for (column, cell) in self.columns.iter_mut().zip(&row.cells) {
            column.take(row.line, cell);
        }
        let (first, _) = self.ends.unwrap_or((row.line, 0));
        self.ends = Some((first, row.line));
    }

    /// Counts the first row as one of the others, wherever it stands.
    pub(super) fn without_header(&mut self) {
        let (line, cells) = self.first.clone();
        let lines: Vec<_> = [line].into_iter().chain(self.repeated.drain(..)).collect();
        let last = self.ends.map_or(line, |(_, last)| last);
        for line in lines {
            self.take(&Row {
                line,
                cells: cells.iter().map(|cell| cell.as_str().into()).collect(),
            });
        }
        self.ends = Some((line, last.max(self.ends.map_or(line, |(_, last)| last))));
    }

    /// How many cells most rows below the first have; of equally frequent numbers that of the first row.
    pub(super) fn usual_length(&self) -> usize {
        let mut counts = BTreeMap::<usize, u64>::new();
        for (&(cells, _), &(rows, _)) in &self.lengths {
            *counts.entry(cells).or_default() += rows;
        }
        let own = self.first.1.len();
        let usual = counts.into_iter().max_by_key(|&(cells, rows)| (rows, cells == own));
        usual.map_or(own, |(cells, _)| cells)
    }
}
