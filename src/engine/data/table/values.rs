//! The numbers of a table, and what stands in the column to predict.

use super::{
    counted,
    features::{Context, Features, Role, TOTALS},
    range::Range,
    target::Label,
};
use crate::engine::{
    data::{DataError, Missing, ReadOptions, dataset::MAX_BYTES},
    delimited::{SheetError, number, words},
};
use std::{borrow::Cow, collections::BTreeSet};

/// What can go wrong.
#[derive(Debug)]
pub(super) enum Error {
    Data(DataError),
    Sheet(SheetError),
}

impl From<DataError> for Error {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}

/// What was read.
#[derive(Debug)]
pub(super) struct Values<'s> {
    /// The columns to predict from, by their places in the file.
    pub(super) columns: Vec<usize>,
    /// `[rows, columns]`; not a number where a value is missing.
    pub(super) values: Vec<f32>,
    /// How many values are missing.
    pub(super) holes: usize,
    /// The values in the column to predict.
    pub(super) labels: Vec<Cow<'s, str>>,
    /// What stands in the column to predict of rows that were left out.
    pub(super) dropped: BTreeSet<Cow<'s, str>>,
    /// Rows that were left out.
    pub(super) notes: Vec<String>,
}

impl<'s> Values<'s> {
    pub(super) fn read(
        context: &Context<'s>,
        features: &Features,
        label: &Label<'_>,
        options: &ReadOptions,
    ) -> Result<Self, Error> {
        let layout = context.layout;
        let is_feature = |role: &Role| matches!(role, Role::Numbers(_) | Role::Truths);
        let columns: Vec<_> =
            (0..layout.width()).filter(|&column| is_feature(&features.roles[column])).collect();
        let mut ranges = vec![Range::default(); columns.len()];
        let mut read = Self {
            columns,
            values: Vec::new(),
            holes: 0,
            labels: Vec::new(),
            dropped: BTreeSet::new(),
            notes: Vec::new(),
        };
        let (mut dropped, mut unlabelled) = (0_u64, 0_u64);
        let mut total = None;
        for row in context.sheet.rows().skip(usize::from(layout.first_is_header)) {
            let row = row.map_err(Error::Sheet)?;
            if context.is_repeated(row.line) {
                continue;
            }
            let mut cells = row.cells;
            total = cells
                .iter()
                .zip(&features.roles)
                .position(|(cell, role)| !is_feature(role) && is_total(cell))
                .map(|column| (row.line, column));
            let cell = std::mem::take(&mut cells[features.label]);
            if label.is_missing(&cell, options) {
                if options.missing.is_none() {
                    let marks = if label.is_numbers() { label.column.missing } else { 0 };
                    let what = format!(
                        "the value of the column to predict, `{}`, is missing, and {} in all; fill it in, or leave \
                         such rows out with --missing drop{}",
                        label.name,
                        label.column.empty + marks,
                        if cell.is_empty() {
                            ""
                        } else {
                            "; --task classes makes a class of such a word"
                        }
                    );
                    return Err(context.row_error(row.line, what).into());
                }
                unlabelled += 1;
                continue;
            }
            if cell.contains(char::is_control) {
                let what = format!(
                    "the value of column `{}` goes on over a line's end, or has another control character; close the quotes \
                     that begin in this row, or remove them",
                    label.name
                );
                return Err(context.row_error(row.line, what).into());
            }
            let is_hole = |cell: &str| cell.is_empty() || words::is_missing(cell);
            if options.missing == Some(Missing::Drop)
                && read.columns.iter().any(|&column| is_hole(&cells[column]))
            {
                dropped += 1;
                if !read.dropped.contains(&cell) {
                    read.dropped.insert(cell);
                }
                continue;
            }
            for (&column, range) in read.columns.iter().zip(&mut ranges) {
                let cell = &cells[column];
                let number = features.roles[column].value(cell);
                let value = match number {
                    Some(number) => {
                        range.take(number.parse().unwrap_or(f64::NAN));
                        number.parse().unwrap_or(f32::NAN)
                    }
                    None => {
                        read.holes += 1;
                        f32::NAN
                    }
                };
                if value.is_infinite() {
                    let what = format!(
                        "`{}` in column `{}` is too large; use finite numbers",
                        number::shown(cell),
                        layout.names[column]
                    );
                    return Err(context.row_error(row.line, what).into());
                }
                read.values.push(value);
            }
            read.labels.push(cell);
            let bytes = read.values.len() as u64 * 4;
            if bytes > MAX_BYTES {
                let file = context.file.to_owned();
                return Err(DataError::TableTooLarge { file, bytes, limit: MAX_BYTES }.into());
            }
        }
        if let Some((line, column)) = total
            && (column != features.label
                || read.labels.last().is_some_and(|last| {
                    read.labels.iter().filter(|label| *label == last).count() == 1
                }))
        {
            let what = format!(
                "column `{}` says that this last line holds totals, which are no example; delete the line",
                layout.names[column]
            );
            return Err(context.row_error(line, what).into());
        }
        for (&column, range) in read.columns.iter().zip(&ranges) {
            if let Some(what) = range.problem() {
                let column = layout.names[column].clone();
                return Err(
                    DataError::Column { file: context.file.to_owned(), column, what }.into()
                );
            }
        }
        if dropped > 0 {
            read.notes.push(format!(
                "{} with missing values left out, {} remain",
                counted(dropped, "row", "rows"),
                read.labels.len()
            ));
        }
        if unlabelled > 0 {
            read.notes.push(format!(
                "{} without a value in the column to predict, `{}`, left out",
                counted(unlabelled, "row", "rows"),
                label.name
            ));
        }
        Ok(read)
    }
}

/// Puts the mean over the rows `train` in the place of missing values; returns how many there were in each column, and
/// the mean.
pub(super) fn fill(
    values: &mut [f32],
    columns: usize,
    train: &[usize],
) -> Vec<(usize, Option<f32>)> {
    let mut sums = vec![(0.0_f64, 0_usize); columns];
    for &row in train {
        for (value, (sum, count)) in values[row * columns..][..columns].iter().zip(&mut sums) {
            if !value.is_nan() {
                *sum += f64::from(*value);
                *count += 1;
            }
        }
    }
    let mut filled: Vec<_> = sums
        .into_iter()
        .map(|(sum, count)| (0, (count > 0).then(|| (sum / count as f64) as f32)))
        .collect();
    for row in values.chunks_exact_mut(columns) {
        for (value, (count, mean)) in row.iter_mut().zip(&mut filled) {
            if value.is_nan() {
                *count += 1;
                *value = mean.unwrap_or(0.0);
            }
        }
    }
    filled
}

fn is_total(cell: &str) -> bool {
    cell.len() <= 12 && TOTALS.contains(&cell.to_lowercase().as_str())
}
