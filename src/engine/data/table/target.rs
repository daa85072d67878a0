//! The column to predict: classes, or numbers.

use super::{range::Range, survey::Column};
use crate::engine::{
    data::{DataError, ReadOptions, Targets, TaskKind},
    delimited::{Decimal, number, words},
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The most classes that a label can tell apart.
const MOST_CLASSES: usize = 1 << 16;

/// The targets of a table.
#[derive(Debug)]
pub(super) struct Target {
    /// Of each row.
    pub(super) targets: Targets,
    /// The names of the classes, if it is classes.
    pub(super) names: Vec<String>,
    /// What it is, and how to overrule it where that can be.
    pub(super) about: String,
    /// What else there is to say.
    pub(super) notes: Vec<String>,
}

/// The column to predict.
#[derive(Debug)]
pub(super) struct Label<'a> {
    pub(super) file: &'a Path,
    pub(super) name: &'a str,
    pub(super) column: &'a Column,
    /// How its numbers are written, or why that is not known.
    pub(super) decimal: Result<Decimal, String>,
}

impl Label<'_> {
    fn refuse<T>(&self, what: String) -> Result<T, DataError> {
        Err(DataError::Labels { file: self.file.to_owned(), column: self.name.to_owned(), what })
    }

    /// Whether its values are numbers, so that marks of missing values are no classes.
    pub(super) fn is_numbers(&self) -> bool {
        self.column.is_numbers()
            || self.column.style.numbers > 0
                && self.column.infinite.is_some()
                && self.column.texts == 0
    }

    /// Whether a cell has no value to predict.
    pub(super) fn is_missing(&self, cell: &str, options: &ReadOptions) -> bool {
        let marks = self.is_numbers() && options.task != Some(TaskKind::Classes)
            || options.task == Some(TaskKind::Numbers);
        cell.is_empty() || marks && words::is_missing(cell)
    }

    /// What `cells` tell to predict.
    ///
    /// # Errors
    /// When that is nothing: no rows, one value, or as many classes as rows.
    pub(super) fn target(
        &self,
        cells: &[Cow<'_, str>],
        options: &ReadOptions,
    ) -> Result<Target, DataError> {
        if cells.is_empty() {
            return self.refuse("has no rows; add some under the header".to_owned());
        }
        if cells.len() == 1 {
            return self
                .refuse("has one row only; add others, of which some are held out".to_owned());
        }
        let numbers = match options.task {
            Some(TaskKind::Numbers) => true,
            Some(TaskKind::Classes) => false,
            None => self.is_numbers(),
        };
        if !numbers {
            return self.classes(cells);
        }
        if let Some(seen) = self.column.text.as_ref().or(self.column.truth.as_ref()) {
            return self.refuse(format!(
                "has `{}` on line {}, which is no number; leave --task numbers out, or write a number",
                seen.cell, seen.line
            ));
        }
        if let Some(seen) = &self.column.infinite {
            return self
                .refuse(format!("has `{}` on line {}; use finite numbers", seen.cell, seen.line));
        }
        let decimal = match &self.decimal {
            Ok(decimal) => *decimal,
            Err(what) => return self.refuse(what.clone()),
        };
        let values: Vec<f64> =
            cells.iter().map(|cell| value(cell, decimal).unwrap_or(f64::NAN)).collect();
        if options.task.is_none()
            && let Some(order) = whole_classes(cells, &values)
        {
            let is_plain = |(cell, value): (&Cow<'_, str>, &f64)| {
                plain_name(cell, decimal) == (*value as i64).to_string()
            };
            if !cells.iter().zip(&values).all(is_plain) {
                let target = self.classes(cells)?;
                let about = format!("{}; --task numbers predicts it as a number", target.about);
                return Ok(Target { about, ..target });
            }
            return Ok(Target {
                targets: Targets::Classes(
                    values.iter().map(|&value| place(&order, &(value as i64))).collect(),
                ),
                about: format!(
                    "{}; --task numbers predicts it as a number",
                    classes(order.len(), order.iter())
                ),
                names: order.iter().map(i64::to_string).collect(),
                notes: Vec::new(),
            });
        }
        self.numbers(cells, &values, options)
    }

    fn numbers(
        &self,
        cells: &[Cow<'_, str>],
        values: &[f64],
        options: &ReadOptions,
    ) -> Result<Target, DataError> {
        let mut range = Range::default();
        for (cell, &value) in cells.iter().zip(values) {
            if !(value as f32).is_finite() {
                return self.refuse(format!("has `{}`; use finite numbers", number::shown(cell)));
            }
            range.take(value);
        }
        if let Some(what) = range.problem() {
            return self.refuse(what);
        }
        let (low, high) = range.ends();
        if low == high {
            return self.refuse(format!("is {low} in every row, so there is nothing to predict; name another column with csv:FILE#COLUMN"));
        }
        let distinct = distinct_whole(values);
        let overrule = match distinct {
            Some(distinct) if options.task.is_none() && distinct.len() * 2 <= cells.len() => {
                format!(
                    " ({} different whole numbers); --task classes makes classes of them",
                    distinct.len()
                )
            }
            None if options.task.is_none() => match few_distinct(values) {
                Some(distinct) => format!(
                    " ({distinct} different ones only); --task classes makes classes of them"
                ),
                None => String::new(),
            },
            _ => String::new(),
        };
        Ok(Target {
            targets: values.iter().map(|&value| value as f32).collect::<Vec<_>>().into(),
            names: Vec::new(),
            about: format!("numbers from {low} to {high}{overrule}"),
            notes: Vec::new(),
        })
    }

    fn classes(&self, cells: &[Cow<'_, str>]) -> Result<Target, DataError> {
        let mut counts = BTreeMap::<Name<'_>, usize>::new();
        let names: Vec<_> = cells.iter().map(|cell| self.class_name(cell)).collect();
        for name in &names {
            *counts.entry(name.clone()).or_default() += 1;
        }
        let rows = cells.len();
        if let (1, Some((name, _))) = (counts.len(), counts.first_key_value()) {
            return self.refuse(format!(
                "is `{}` in every row, so there is nothing to predict; name another column with csv:FILE#COLUMN",
                name.text
            ));
        }
        if counts.len() * 2 > rows || counts.len() > MOST_CLASSES {
            let what = if self.column.is_numbers() { "values" } else { "texts" };
            return self.refuse(format!(
                "has {} different {what} in {rows} rows, too many for classes, which need two rows each; name the column to \
                 predict with csv:FILE#COLUMN, or leave the column out of the table",
                counts.len()
            ));
        }
        let order: Vec<_> = counts.keys().cloned().collect();
        let mut notes = Vec::new();
        for (name, count) in &counts {
            if words::is_missing(&name.text) {
                notes.push(format!(
                    "`{}` stands in {count} rows of column `{}` and is a class; leave the cell empty where the class is not \
                     known",
                    name.text, self.name
                ));
            }
        }
        notes.extend(self.alike(&counts));
        let single: Vec<_> =
            counts.iter().filter(|&(_, &count)| count == 1).map(|(name, _)| &*name.text).collect();
        if let [first, ..] = single.as_slice() {
            notes.push(format!(
                "{} of column `{}` with a single row cannot be validated: `{first}`{}",
                if single.len() == 1 {
                    "a class".to_owned()
                } else {
                    format!("{} classes", single.len())
                },
                self.name,
                if single.len() == 1 { "" } else { " and others" }
            ));
        }
        Ok(Target {
            targets: Targets::Classes(names.iter().map(|name| place(&order, name)).collect()),
            about: classes(order.len(), order.iter().map(|name| &name.text)),
            names: order.into_iter().map(|name| name.text.into_owned()).collect(),
            notes,
        })
    }

    /// The class of a cell: numbers in the order of their values; `1` and `1.0` are one, other texts are kept apart.
    fn class_name<'c>(&self, cell: &'c str) -> Name<'c> {
        let decimal = match &self.decimal {
            Ok(decimal) if self.is_numbers() => *decimal,
            _ => return Name { number: None, text: number::shown(cell) },
        };
        match value(cell, decimal) {
            // One of the two zeros.
            Some(number) => {
                Name { number: Some(sortable(number + 0.0)), text: plain_name(cell, decimal) }
            }
            None => Name { number: None, text: number::shown(cell) },
        }
    }

    /// The name of a cell's class.
    pub(super) fn class_text(&self, cell: &str) -> String {
        self.class_name(cell).text.into_owned()
    }

    /// Classes that may be one: they differ only in capitals or spaces.
    fn alike(&self, counts: &BTreeMap<Name<'_>, usize>) -> Option<String> {
        let mut plain = BTreeMap::<String, Vec<&str>>::new();
        for name in counts.keys() {
            let key = name.text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
            plain.entry(key).or_default().push(&name.text);
        }
        let groups: Vec<_> = plain
            .into_values()
            .filter(|names| names.len() > 1)
            .take(5)
            .map(|names| {
                names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
            })
            .collect();
        (!groups.is_empty()).then(|| {
            format!(
                "classes of column `{}` that differ only in capitals or spaces are kept apart: {}",
                self.name,
                groups.join(", ")
            )
        })
    }
}

/// A class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name<'c> {
    /// What sorts it, if it is a number.
    number: Option<i64>,
    text: Cow<'c, str>,
}

/// An integer in the order of finite numbers.
fn sortable(number: f64) -> i64 {
    let bits = number.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

fn value(cell: &str, decimal: Decimal) -> Option<f64> {
    let number = number::without_percent(cell).unwrap_or(cell);
    number::normal(number, decimal)?.parse().ok()
}

/// A number as the name of a class: without zeros at the end of its decimals, as programs write 1 as 1.0.
fn plain_name(cell: &str, decimal: Decimal) -> Cow<'_, str> {
    let bare = number::without_percent(cell).unwrap_or(cell);
    let Some(text) = number::normal(bare, decimal) else { return number::shown(cell) };
    // What was written with more signs is another text.
    if text.chars().count() != bare.chars().count() || text.contains(['e', 'E']) {
        return number::shown(bare);
    }
    if !text.contains('.') {
        return text;
    }
    match text.trim_end_matches('0').trim_end_matches('.') {
        "" | "-" | "-0" => "0".into(),
        trimmed => trimmed.to_owned().into(),
    }
}

/// "3 classes (a, b, c)".
fn classes<T: std::fmt::Display>(count: usize, names: impl Iterator<Item = T>) -> String {
    let mut listed: Vec<_> = names.take(6).map(|name| name.to_string()).collect();
    if count > 6 {
        listed.truncate(5);
        listed.push("…".to_owned());
    }
    format!("{count} classes ({})", listed.join(", "))
}

fn place<T: Ord>(sorted: &[T], label: &T) -> u16 {
    sorted.partition_point(|other| other < label) as u16
}

/// The different values, if all are whole.
fn distinct_whole(values: &[f64]) -> Option<BTreeMap<i64, usize>> {
    let mut counts = BTreeMap::new();
    for &value in values {
        if value.fract() != 0.0 || value.abs() > 9e15 {
            return None;
        }
        *counts.entry(value as i64).or_default() += 1;
        if counts.len() > MOST_CLASSES {
            return None;
        }
    }
    Some(counts)
}

/// How many different values there are, where these are so few that they may be classes: at most 20, each in 4 rows on
/// average.
fn few_distinct(values: &[f64]) -> Option<usize> {
    let mut distinct = BTreeSet::new();
    for value in values {
        distinct.insert(value.to_bits());
        if distinct.len() > 20 {
            return None;
        }
    }
    (distinct.len() * 4 <= values.len()).then_some(distinct.len())
}

/// The different values in order, if they are classes rather than numbers to predict:
///
/// - written without decimals, at most 100 of them, each in 10 rows on average;
/// - or two of them, in 10 rows or more (`0.0` and `1.0`);
/// - or counting from 0 or 1 without a gap, as labels do and few measurements: at most 20 of them, each in 4 rows on
///   average and in two at least; or more, each in 5 rows on average and none in 5 times as many as another.
fn whole_classes(cells: &[Cow<'_, str>], values: &[f64]) -> Option<Vec<i64>> {
    let counts = distinct_whole(values)?;
    let (rows, classes) = (cells.len(), counts.len());
    if classes < 2 {
        return None;
    }
    let order: Vec<i64> = counts.keys().copied().collect();
    let fewest = counts.values().copied().min().unwrap_or(0);
    let most = counts.values().copied().max().unwrap_or(0);
    let written_whole = classes <= 100 && classes * 10 <= rows && {
        // Each spelling once: there may be many rows.
        let spellings: BTreeSet<&str> = cells.iter().map(|cell| &**cell).collect();
        spellings.iter().all(|cell| cell.parse::<i64>().is_ok())
    };
    let two = classes == 2 && rows >= 10 && fewest >= 2;
    let counting = matches!(order[0], 0 | 1) && order[classes - 1] - order[0] == classes as i64 - 1;
    let few = classes <= 20 && classes * 4 <= rows && fewest >= 2;
    let many = classes * 5 <= rows && most < fewest * 5;
    (written_whole || two || counting && (few || many)).then_some(order)
}
