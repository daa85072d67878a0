//! The columns to predict from: which these are, and how each is read.

use super::{
    layout::Layout,
    survey::{Column, Survey},
};
use crate::engine::{
    data::{DataError, Missing, ReadOptions},
    delimited::{Decimal, Seen, Sheet, number, words},
};
use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

/// The words in a last line of sums, in lower case.
pub(super) const TOTALS: [&str; 14] = [
    "total",
    "totals",
    "grand total",
    "sum",
    "sums",
    "mean",
    "average",
    "avg",
    "summe",
    "gesamt",
    "mittelwert",
    "somme",
    "totale",
    "suma",
];

/// How a column is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is left out.
    Out,
    /// The column to predict.
    Label,
    /// Numbers with this decimal sign.
    Numbers(Decimal),
    /// `TRUE` is 1 and `FALSE` is 0.
    Truths,
}

impl Role {
    /// The value of a cell, as a text that Rust reads.
    pub(super) fn value(self, cell: &str) -> Option<std::borrow::Cow<'_, str>> {
        match self {
            Self::Out | Self::Label => None,
            Self::Truths => words::truth(cell).map(|truth| if truth { "1" } else { "0" }.into()),
            Self::Numbers(decimal) => {
                number::normal(number::without_percent(cell).unwrap_or(cell), decimal)
            }
        }
    }
}

/// The role of each column.
#[derive(Debug)]
pub(super) struct Features {
    /// Of each column.
    pub(super) roles: Vec<Role>,
    /// The column to predict.
    pub(super) label: usize,
    /// How its numbers are written.
    pub(super) decimal: Result<Decimal, String>,
    /// What was left out or changed.
    pub(super) notes: Vec<String>,
}

/// A table that is being looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) file: &'a Path,
    pub(super) sheet: &'a Sheet,
    pub(super) survey: &'a Survey,
    pub(super) layout: &'a Layout,
}

impl Context<'_> {
    pub(super) fn row_error(&self, line: u64, what: String) -> DataError {
        DataError::Row { file: self.file.to_owned(), line, what }
    }

    fn column_error(&self, column: usize, what: String) -> DataError {
        let column = self.layout.names[column].clone();
        DataError::Column { file: self.file.to_owned(), column, what }
    }

    /// Decides what each column is for; `label` names the one to predict.
    ///
    /// # Errors
    /// When there is no such column, or another one does not hold numbers.
    pub(super) fn features(
        &self,
        label: Option<&str>,
        options: &ReadOptions,
    ) -> Result<Features, DataError> {
        let columns = &self.survey.columns;
        let named = label.map(|label| self.layout.find(self.file, label)).transpose()?;
        let mut notes = Vec::new();
        if let (Some(label), Some(column)) = (label, named) {
            let name = &self.layout.names[column];
            if name != label && self.layout.named[column] && label.parse::<usize>().is_err() {
                notes.push(format!("`{label}` was taken for column `{name}`"));
            }
        }
        let out = self.left_out(named, &mut notes)?;
        let Some(label) =
            named.or_else(|| (0..columns.len()).rev().find(|column| !out.contains(column)))
        else {
            return Err(self.row_error(self.survey.first.0, "no column has a value".to_owned()));
        };
        if out.len() + 1 >= columns.len() {
            let what = format!(
                "apart from what is left out, there is one column only, `{}`; a table needs one to predict and others to \
                 predict it from",
                self.layout.names[label]
            );
            return Err(self.row_error(self.survey.first.0, what));
        }
        let feature = |column: &usize| *column != label && !out.contains(column);
        self.check_texts(label, &feature)?;
        // Texts may hold dots and commas; numbers of other columns tell how numbers are written.
        let evidence =
            columns.iter().filter(|column| column.is_numbers()).fold([false; 2], |all, column| {
                let [point, comma] = column.style.evidence();
                [all[0] || point, all[1] || comma]
            });
        let decide = |column: &Column| {
            column.style.decide(evidence, self.sheet.plain_points(), options.decimal)
        };
        let mut roles = Vec::with_capacity(columns.len());
        let mut truths = Vec::new();
        for (place, column) in columns.iter().enumerate() {
            roles.push(if out.contains(&place) {
                Role::Out
            } else if place == label {
                Role::Label
            } else if column.is_truths() {
                truths.push(place);
                Role::Truths
            } else {
                Role::Numbers(decide(column).map_err(|what| self.column_error(place, what))?)
            });
        }
        let decimal = decide(&columns[label]);
        self.check_missing(&feature, options.missing)?;
        if !truths.is_empty() {
            notes.push(format!("TRUE is 1 and FALSE is 0 in {}", self.listed(&truths)));
        }
        notes.extend(self.about_numbers(&roles, label, &decimal));
        notes.extend(self.names_to_tell(&feature));
        Ok(Features { roles, label, decimal, notes })
    }

    /// How numbers are written, where that is not as programs do.
    fn about_numbers(
        &self,
        roles: &[Role],
        label: usize,
        of_label: &Result<Decimal, String>,
    ) -> Vec<String> {
        let (mut commas, mut percents, mut thousands) = (Vec::new(), Vec::new(), None);
        for (place, (column, role)) in self.survey.columns.iter().zip(roles).enumerate() {
            let decimal = match (role, of_label) {
                (Role::Numbers(decimal), _) => *decimal,
                (Role::Label, Ok(decimal)) if place == label && column.is_numbers() => *decimal,
                _ => continue,
            };
            if decimal == Decimal::Comma {
                commas.push(place);
            }
            if column.style.is_percent() {
                percents.push(place);
            }
            if let Some(seen) = column.style.thousands(decimal) {
                thousands.get_or_insert((place, seen, decimal));
            }
        }
        let mut notes = Vec::new();
        if !commas.is_empty() {
            notes.push(format!("numbers have decimal commas in {}", self.listed(&commas)));
        }
        if let Some((place, seen, decimal)) = thousands {
            notes.push(format!(
                "thousands are separated in {}: `{}` is {}",
                self.listed(&[place]),
                seen.cell,
                number::normal(&seen.cell, decimal).unwrap_or_default()
            ));
        }
        if !percents.is_empty() {
            notes.push(format!(
                "percent signs were left out in {}: `5 %` is 5",
                self.listed(&percents)
            ));
        }
        notes
    }

    /// "column `a`", or "columns `a`, `b` and 3 others".
    pub(super) fn listed(&self, columns: &[usize]) -> String {
        let names: Vec<_> = columns
            .iter()
            .take(5)
            .map(|&column| format!("`{}`", self.layout.names[column]))
            .collect();
        let others = match columns.len() - names.len() {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        format!(
            "{} {}{others}",
            if columns.len() == 1 { "column" } else { "columns" },
            names.join(", ")
        )
    }

    /// Columns that are not to be learned from: empty ones without a name, and numbers or names of rows.
    fn left_out(
        &self,
        label: Option<usize>,
        notes: &mut Vec<String>,
    ) -> Result<HashSet<usize>, DataError> {
        let columns = &self.survey.columns;
        let mut out = HashSet::new();
        let last = (0..columns.len()).rev().find(|&column| !columns[column].is_empty());
        let end = last.map_or(columns.len(), |last| last + 1);
        let (mut unnamed, mut named) = (Vec::new(), Vec::new());
        for (place, column) in columns.iter().enumerate() {
            if label == Some(place) || !column.is_void() {
                continue;
            }
            if !self.has_name(place) {
                unnamed.push(place);
            } else if label.is_none() && place >= end {
                named.push(place);
            }
        }
        if !unnamed.is_empty() {
            notes.push(format!("{} without a name and values left out", self.listed(&unnamed)));
        }
        if !named.is_empty() {
            notes.push(format!("{} without a value in any row left out", self.listed(&named)));
        }
        out.extend(unnamed.into_iter().chain(named));
        let counting: Vec<_> = (1..columns.len())
            .filter(|place| label != Some(*place) && !out.contains(place))
            .filter(|&place| {
                self.layout.header.is_some() && !self.has_name(place) && self.counts_rows(place)
            })
            .collect();
        if !counting.is_empty() {
            notes.push(format!(
                "{} without a name {} the rows: left out",
                self.listed(&counting),
                if counting.len() == 1 { "numbers" } else { "number" }
            ));
        }
        out.extend(counting);
        let index = self.layout.header.is_some()
            && !out.contains(&0)
            && label != Some(0)
            && !self.has_name(0);
        if !index {
            return Ok(out);
        }
        let column = &columns[0];
        let different = column.first_missing.is_none() && self.distinct(0) as u64 == self.rows();
        let numbers = column.is_numbers()
            && different
            && (self.counts_rows(0) || self.all(0, |cell| cell.parse::<u64>().is_ok()));
        let names = column.style.numbers == 0 && different;
        if numbers || names {
            out.insert(0);
            let what = if numbers { "numbers" } else { "names" };
            notes.push(format!("the first column has no name and {what} the rows: left out"));
        } else if self.layout.row_names {
            return Err(self.row_error(
                self.survey.first.0,
                "the header has a cell less than the rows; name all columns".to_owned(),
            ));
        }
        Ok(out)
    }

    /// Whether a column has a name that a person gave it; pandas calls the others `Unnamed: 3`.
    fn has_name(&self, column: usize) -> bool {
        self.layout.named[column] && !self.layout.names[column].starts_with("Unnamed: ")
    }

    /// Whether a column counts the rows from 0 or 1.
    fn counts_rows(&self, column: usize) -> bool {
        if !self.survey.columns[column].is_numbers() {
            return false;
        }
        let mut before: Option<f64> = None;
        self.cells(column).all(|cell| {
            let number =
                number::normal(&cell, Decimal::Point).and_then(|number| number.parse().ok());
            let next = match (before, number) {
                (None, Some(number)) => number == 0.0 || number == 1.0,
                (Some(before), Some(number)) => number == before + 1.0,
                (_, None) => false,
            };
            before = number;
            next
        })
    }

    /// How many rows there are.
    fn rows(&self) -> u64 {
        self.survey.lengths.values().map(|&(rows, _)| rows).sum()
    }

    fn cells(&self, column: usize) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
        let body =
            self.sheet.rows().skip(usize::from(self.layout.first_is_header)).map_while(Result::ok);
        body.filter(|row| !self.is_repeated(row.line)).map(move |mut row| {
            if column < row.cells.len() { row.cells.swap_remove(column) } else { "".into() }
        })
    }

    /// How many different texts a column has.
    fn distinct(&self, column: usize) -> usize {
        self.cells(column).collect::<HashSet<_>>().len()
    }

    fn all(&self, column: usize, is: impl Fn(&str) -> bool) -> bool {
        self.cells(column).all(|cell| is(&cell))
    }

    /// Whether the header stands on this line again.
    pub(super) fn is_repeated(&self, line: u64) -> bool {
        self.survey.repeated.binary_search(&line).is_ok()
    }

    /// Refuses what is no finite number in a column to predict from; of several the first.
    fn check_texts(
        &self,
        label: usize,
        feature: &impl Fn(&usize) -> bool,
    ) -> Result<(), DataError> {
        let wrong = self.survey.columns.iter().enumerate().filter(|(place, _)| feature(place));
        let wrong = wrong.filter_map(|(place, column)| {
            let mixed = column.truth.as_ref().filter(|_| !column.is_truths());
            let seen = [column.text.as_ref(), column.infinite.as_ref(), mixed];
            let first = seen.into_iter().flatten().min_by_key(|seen| seen.line)?;
            Some((first.line, place, first, column))
        });
        let Some((line, place, seen, column)) =
            wrong.min_by_key(|&(line, place, ..)| (line, place))
        else {
            return Ok(());
        };
        let what = self.about_text(label, place, seen, column);
        Err(self.row_error(line, what))
    }

    /// What is wrong with a cell that should be a number.
    fn about_text(&self, label: usize, place: usize, seen: &Seen, column: &Column) -> String {
        let name = &self.layout.names[place];
        let cell: String = seen.cell.chars().take(60).collect();
        let (first, last) = self.survey.ends.unwrap_or_default();
        if seen.cell.contains(char::is_control) {
            return format!(
                "the value of column `{name}` goes on over a line's end, or has another control character; close the quotes \
                 that begin in this row, or remove them"
            );
        }
        let what = format!("`{cell}` in column `{name}`");
        if column.infinite.as_ref() == Some(seen) {
            return format!("{what} is too large; use finite numbers");
        }
        if number::is_date(&seen.cell) {
            return format!(
                "{what} is a date or a time; make numbers of it (a column for the year and one for the month, or days since a \
                 first one), or leave the column out of the table"
            );
        }
        let alone = column.texts == 1 && column.style.numbers > 0;
        if alone && seen.line == last && TOTALS.contains(&seen.cell.to_lowercase().as_str()) {
            return format!("{what} begins a line of totals, which is no example; delete the line");
        }
        if alone && seen.line == first && self.layout.first_is_header {
            return format!(
                "{what} is not a number, but what stands below is; if the line holds units or descriptions, delete it"
            );
        }
        if column.texts == 1 && seen.line == first && self.layout.header.is_none() {
            return format!(
                "{what} is not a number, but what stands below is; if this line names the columns, leave --header no out"
            );
        }
        let distinct = if column.style.numbers == 0 { self.distinct(place) as u64 } else { 0 };
        if distinct == self.rows() && distinct > 1 && label != place {
            return format!(
                "{what} is not a number, and the column has another text in each row, from which nothing can be learned; leave \
                 the column out of the table, or name it as the column to predict with csv:FILE#{name}"
            );
        }
        format!(
            "{what} is not a number; turn texts into numbers (say, a column of 0 and 1 for each text), or name it as the column \
             to predict with csv:FILE#{name}"
        )
    }

    /// Refuses missing values in columns to predict from, unless the options say how to treat them.
    fn check_missing(
        &self,
        feature: &impl Fn(&usize) -> bool,
        missing: Option<Missing>,
    ) -> Result<(), DataError> {
        let rows = self.rows();
        let mut holes = Vec::new();
        for (place, column) in
            self.survey.columns.iter().enumerate().filter(|(place, _)| feature(place))
        {
            let count = column.empty + column.missing;
            if count == rows && rows > 0 {
                return Err(
                    self.column_error(place, "has no value in any row; delete it".to_owned())
                );
            }
            if count > 0 {
                holes.push((place, count, column.first_missing.unwrap_or_default()));
            }
        }
        if holes.is_empty() || missing.is_some() {
            return Ok(());
        }
        let total: u64 = holes.iter().map(|&(_, count, _)| count).sum();
        let first = holes.iter().map(|&(.., line)| line).min().unwrap_or_default();
        let listed: Vec<_> = holes
            .iter()
            .take(8)
            .map(|(place, count, _)| format!("`{}` {count}", self.layout.names[*place]))
            .collect();
        let more = if holes.len() > 8 {
            format!(", and {} more columns", holes.len() - 8)
        } else {
            String::new()
        };
        Err(self.row_error(
            first,
            format!(
                "a value is missing here, and {total} in all (column {}{more}); --missing mean puts the mean of the column in \
                 their place, --missing drop leaves their rows out",
                listed.join(", ")
            ),
        ))
    }

    /// Names of columns that are worth a word: doubled ones, and those of running numbers.
    fn names_to_tell(&self, feature: &impl Fn(&usize) -> bool) -> Vec<String> {
        let mut counts = BTreeMap::<&str, usize>::new();
        for (name, _) in
            self.layout.names.iter().zip(&self.layout.named).filter(|(_, named)| **named)
        {
            *counts.entry(name).or_default() += 1;
        }
        let mut notes: Vec<_> = counts
            .into_iter()
            .filter(|&(_, count)| count > 1)
            .take(3)
            .map(|(name, count)| format!("{count} columns are called `{name}`, and all are used"))
            .collect();
        let unnamed: Vec<_> = (0..self.layout.width())
            .filter(|place| {
                feature(place) && !self.has_name(*place) && self.layout.header.is_some()
            })
            .collect();
        if !unnamed.is_empty() {
            notes.push(format!("{} without a name used", self.listed(&unnamed)));
        }
        let number = (0..self.layout.width()).filter(feature).find(|&place| {
            let name = self.layout.names[place].to_lowercase();
            ["id", "index", "idx", "row", "nr", "no", "no.", "#", "rowid", "row_id"]
                .contains(&name.as_str())
                && self.distinct(place) as u64 == self.rows()
        });
        if let Some(place) = number {
            notes.push(format!(
                "column `{}` has another number in each row and is used; leave it out of the table if it only counts",
                self.layout.names[place]
            ));
        }
        notes
    }
}
