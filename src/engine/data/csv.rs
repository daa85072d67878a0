//! Tables of numbers as text: a row an example, a column a feature, one column what to predict.
//!
//! - Columns are separated by commas, semicolons or tabs: by what the first line has most of outside quotes.
//! - The first line is a header if none of its cells is a number.
//! - The column to predict is named (`csv:FILE#NAME`, or `#3` for the third), or else the last one. Texts in it
//!   are classes. Whole numbers are, too, if there are at most [`MOST_NUMBERED_CLASSES`] of them and each
//!   stands in [`ROWS_A_CLASS`] rows on average; other numbers are numbers to predict. A decimal point
//!   (`3.0`) makes a number of a class, and a letter (`c3`) a class of a number.
//! - Numbers are kept with 32 bits. A column whose numbers these hardly tell apart is refused (times in seconds
//!   since 1970, of one hour): its smallest number is to be subtracted from it.
//! - Every other cell must be a finite number. Missing values are refused, since any value put in their place
//!   would be a guess about the data.
//!
//! A row becomes an image with a channel for each column and a height and width of 1, so that every column is
//! normalised by itself; a template takes it with `Input(shape: (COLUMNS, 1, 1))` and `Flatten`.

use super::{
    DataError, Dataset, Images, ReadOptions, Targets,
    dataset::MAX_BYTES,
    files::unreadable,
    split::{self, HeldOut},
};
use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};
use std::{collections::BTreeSet, fs, path::Path};

/// In how many steps of its largest number, at 32 bits, a column must differ at least.
const FEWEST_STEPS: f64 = 64.0;

/// The most different whole numbers that are taken for classes.
const MOST_NUMBERED_CLASSES: usize = 100;

/// In how many rows each of them must stand on average.
const ROWS_A_CLASS: usize = 10;

/// The most classes that a label can tell apart.
const MOST_CLASSES: usize = 1 << 16;

/// What stands where a value is missing, besides nothing; compared in lower case.
const MISSING: [&str; 6] = ["?", "na", "n/a", "nan", "null", "none"];

/// Loads a table. A tenth of the rows becomes the test split, a tenth of the rest the validation split.
pub(super) fn load(
    file: &Path,
    label: Option<&str>,
    name: String,
    _options: &ReadOptions,
) -> Result<Dataset, DataError> {
    if !file.is_file() {
        return Err(DataError::NoFile { file: file.to_owned() });
    }
    let failed = |source| unreadable(file, source);
    let bytes = fs::metadata(file).map_err(failed)?.len();
    if bytes > MAX_BYTES {
        return Err(DataError::TableTooLarge { file: file.to_owned(), bytes, limit: MAX_BYTES });
    }
    let bytes = fs::read(file).map_err(failed)?;
    let table = Table::read(&bytes, file, label)?;
    let (targets, class_names) = table.targets()?;
    let columns = table.columns;
    let all = Images::new([columns, 1, 1], table.values, targets)?;
    let mut rest = all;
    let rows = rest.len();
    let mut take_out = |what| {
        let (stay, held) = split::hold_out(rest.targets(), what);
        let held = rest.select(&held);
        rest = rest.select(&stay);
        if held.is_empty() {
            return Err(DataError::TooFewImages { file: file.to_owned(), images: rows });
        }
        Ok(held)
    };
    let test = take_out(HeldOut::Test)?;
    let val = take_out(HeldOut::Val)?;
    Dataset::new(name, class_names, rest, val, test)
}

/// The rows of a table, and what stands in the column to predict.
struct Table<'a> {
    file: &'a Path,
    /// Columns without that to predict.
    columns: usize,
    /// `[rows, columns]`.
    values: Vec<f32>,
    /// Of each of these columns.
    ranges: Vec<Range>,
    /// The name of the column to predict.
    label: String,
    labels: Vec<String>,
}

impl<'a> Table<'a> {
    fn read(bytes: &[u8], file: &'a Path, label: Option<&str>) -> Result<Self, DataError> {
        let at = |line, what| DataError::Row { file: file.to_owned(), line, what };
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .delimiter(delimiter(bytes))
            .from_reader(bytes);
        let mut row = StringRecord::new();
        let mut next = |row: &mut StringRecord| match reader.read_record(row) {
            Ok(more) => Ok(more.then(|| row.position().map_or(0, csv::Position::line))),
            Err(error) => Err(match error.kind() {
                ErrorKind::Utf8 { pos, .. } => at(
                    pos.as_ref().map_or(0, csv::Position::line),
                    "not UTF-8 text; save the file as UTF-8".to_owned(),
                ),
                _ => at(0, error.to_string()),
            }),
        };
        let Some(mut line) = next(&mut row)? else {
            return Err(at(1, "the file is empty; give it a row an example".to_owned()));
        };
        let width = row.len();
        if width < 2 {
            let what = "one column only; a table needs one to predict and others to predict it from, \
                        separated by commas, semicolons or tabs";
            return Err(at(line, what.to_owned()));
        }
        let has_header = row.iter().all(|cell| cell.parse::<f64>().is_err());
        let names: Vec<_> = if has_header {
            row.iter().map(str::to_owned).collect()
        } else {
            (1..=width).map(|column| column.to_string()).collect()
        };
        let label = match label {
            Some(label) if names.iter().filter(|name| *name == label).count() > 1 => {
                let what = format!(
                    "several columns are called `{label}`; rename all but one, or name the one to predict by its \
                     number, from 1"
                );
                return Err(at(line, what));
            }
            Some(label) => find(&names, label).ok_or_else(|| DataError::NoColumn {
                file: file.to_owned(),
                label: label.to_owned(),
                columns: names.clone(),
            })?,
            None => width - 1,
        };
        let mut table = Self {
            file,
            columns: width - 1,
            values: Vec::new(),
            ranges: vec![Range::default(); width - 1],
            label: names[label].clone(),
            labels: Vec::new(),
        };
        let mut there = !has_header;
        loop {
            if there {
                table.take(&row, line, &names, label)?;
            }
            let Some(number) = next(&mut row)? else { break };
            (line, there) = (number, true);
        }
        let columns = (0..width).filter(|&column| column != label);
        for (column, range) in columns.zip(&table.ranges) {
            if let Some(what) = range.problem() {
                let column = names[column].clone();
                return Err(DataError::Column { file: file.to_owned(), column, what });
            }
        }
        Ok(table)
    }

    fn take(
        &mut self,
        row: &StringRecord,
        line: u64,
        names: &[String],
        label: usize,
    ) -> Result<(), DataError> {
        let at = |what| DataError::Row { file: self.file.to_owned(), line, what };
        if row.len() != names.len() {
            return Err(at(format!(
                "{} cells, but the first line has {}; give every row the same number",
                row.len(),
                names.len()
            )));
        }
        for (column, (cell, name)) in row.iter().zip(names).enumerate() {
            if cell.is_empty() || MISSING.contains(&cell.to_lowercase().as_str()) {
                return Err(at(format!(
                    "the value of column `{name}` is missing; fill it in, or delete the row"
                )));
            }
            if cell.contains(char::is_control) {
                return Err(at(format!(
                    "the value of column `{name}` goes on over a line's end, or has another control character; \
                     close the quotes that begin in this row, or remove them"
                )));
            }
            if column == label {
                self.labels.push(cell.to_owned());
                continue;
            }
            match cell.parse::<f32>() {
                Ok(value) if value.is_finite() => {
                    self.values.push(value);
                    self.ranges[column - usize::from(column > label)].take(cell);
                }
                Ok(_) => {
                    return Err(at(format!(
                        "`{cell}` in column `{name}` is too large; use finite numbers"
                    )));
                }
                Err(_) if cell.replacen(',', ".", 1).parse::<f32>().is_ok() => {
                    return Err(at(format!(
                        "`{cell}` in column `{name}` has a decimal comma; write a point"
                    )));
                }
                Err(_) => {
                    return Err(at(format!(
                        "`{cell}` in column `{name}` is not a number; turn texts into numbers (say, a \
                         column of 0 and 1 for each text), or name it as the column to predict with \
                         csv:FILE#{name}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// What to predict, and the names of the classes if it is classes.
    fn targets(&self) -> Result<(Targets, Vec<String>), DataError> {
        let refuse = |what| {
            Err(DataError::Labels { file: self.file.to_owned(), column: self.label.clone(), what })
        };
        let rows = self.labels.len();
        if rows == 0 {
            return refuse("has no rows; add some under the header".to_owned());
        }
        let whole: Option<Vec<i64>> = self.labels.iter().map(|cell| cell.parse().ok()).collect();
        if let Some(numbers) = whole {
            let distinct: BTreeSet<_> = numbers.iter().copied().collect();
            let classes = distinct.len();
            if (2..=MOST_NUMBERED_CLASSES).contains(&classes) && classes * ROWS_A_CLASS <= rows {
                let names = distinct.iter().map(i64::to_string).collect();
                let order: Vec<_> = distinct.into_iter().collect();
                return Ok((classes_of(&numbers, &order), names));
            }
        }
        let numbers: Option<Vec<f32>> = self.labels.iter().map(|cell| cell.parse().ok()).collect();
        if let Some(numbers) = numbers {
            if let Some(row) = numbers.iter().position(|number| !number.is_finite()) {
                return refuse(format!("has `{}`; use finite numbers", self.labels[row]));
            }
            let mut range = Range::default();
            self.labels.iter().for_each(|cell| range.take(cell));
            if let Some(what) = range.problem() {
                return refuse(what);
            }
            if numbers.iter().all(|number| *number == numbers[0]) {
                return refuse(format!(
                    "is {} in every row; there is nothing to predict",
                    numbers[0]
                ));
            }
            return Ok((numbers.into(), Vec::new()));
        }
        let distinct: BTreeSet<_> = self.labels.iter().cloned().collect();
        if distinct.len() == 1 {
            return refuse(format!(
                "is `{}` in every row; at least two classes are needed",
                self.labels[0]
            ));
        }
        if distinct.len() * 2 > rows || distinct.len() > MOST_CLASSES {
            return refuse(format!(
                "has {} different texts in {rows} rows, too many for classes; name the column to predict with \
                 csv:FILE#COLUMN",
                distinct.len()
            ));
        }
        let names: Vec<_> = distinct.into_iter().collect();
        Ok((classes_of(&self.labels, &names), names))
    }
}

/// The smallest and the largest number of a column, as the file has them.
#[derive(Clone, Copy, Debug)]
struct Range {
    low: f64,
    high: f64,
}

impl Default for Range {
    fn default() -> Self {
        Self { low: f64::INFINITY, high: f64::NEG_INFINITY }
    }
}

impl Range {
    fn take(&mut self, cell: &str) {
        if let Ok(number) = cell.parse::<f64>() {
            self.low = self.low.min(number);
            self.high = self.high.max(number);
        }
    }

    /// Why the column cannot be kept with 32 bits, if so.
    fn problem(&self) -> Option<String> {
        let Self { low, high } = *self;
        let step = f64::from(f32::EPSILON) * low.abs().max(high.abs());
        (low < high && high - low < FEWEST_STEPS * step).then(|| {
            format!(
                "goes from {low} to {high}: with 32 bits hardly any of its numbers differ; subtract {low} from all \
                 of them"
            )
        })
    }
}

/// Each label as its place in the sorted list of all.
fn classes_of<T: Ord>(labels: &[T], sorted: &[T]) -> Targets {
    let place = |label| sorted.partition_point(|other| other < label) as u16;
    Targets::Classes(labels.iter().map(place).collect())
}

/// The column of that name, or of that number, from 1.
fn find(names: &[String], label: &str) -> Option<usize> {
    let number = || label.parse::<usize>().ok().filter(|number| (1..=names.len()).contains(number));
    names.iter().position(|name| name == label).or_else(|| Some(number()? - 1))
}

/// What separates the columns.
fn delimiter(bytes: &[u8]) -> u8 {
    let line = bytes.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let count = |delimiter: u8| {
        let mut quoted = false;
        let bytes = line.unwrap_or_default().iter().copied();
        bytes
            .filter(|&byte| {
                quoted ^= byte == b'"';
                byte == delimiter && !quoted
            })
            .count()
    };
    // Of equally frequent ones, the last: beside semicolons, commas are in numbers.
    [b',', b';', b'\t'].into_iter().max_by_key(|&delimiter| count(delimiter)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::data::{DataSource, Pixels, Split, Task};

    fn load_text(text: &str, label: Option<&str>) -> Result<Dataset, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("table.csv");
        fs::write(&file, text).unwrap();
        Dataset::load(&DataSource::Csv { file, label: label.map(str::to_owned) })
    }

    fn message(text: &str, label: Option<&str>) -> String {
        load_text(text, label).unwrap_err().to_string()
    }

    /// All rows of all splits: features and target as a number, sorted by the first feature.
    fn rows(data: &Dataset) -> Vec<(Vec<f32>, f32)> {
        let mut rows = Vec::new();
        for split in Split::ALL {
            let images = data.split(split);
            let Pixels::Floats(values) = images.pixels() else { panic!("floats") };
            for (index, row) in values.chunks_exact(images.image_size()).enumerate() {
                let target = match images.targets() {
                    Targets::Classes(labels) => f32::from(labels[index]),
                    Targets::Numbers(numbers) => numbers[index],
                };
                rows.push((row.to_vec(), target));
            }
        }
        rows.sort_by(|a, b| a.0[0].total_cmp(&b.0[0]));
        rows
    }

    fn names(data: &Dataset) -> &[String] {
        match &data.task {
            Task::Classes(names) => names,
            Task::Number(_) => &[],
        }
    }

    #[test]
    fn texts_in_the_last_column_are_classes() {
        let kinds = ["setosa", "virginica", "setosa", "versicolor"];
        let text: String =
            (0..40).map(|i| format!("{i},{}.5,Iris {}\n", 40 - i, kinds[i % 4])).collect();
        let data = load_text(&text, None).unwrap();
        assert_eq!(names(&data), ["Iris setosa", "Iris versicolor", "Iris virginica"]);
        assert_eq!(data.shape(), [2, 1, 1]);
        // A tenth of 40 for the test, a tenth of 36 for the validation.
        assert_eq!(Split::ALL.map(|split| data.split(split).len()), [33, 3, 4]);
        let expected: Vec<_> = (0..40)
            .map(|i| (vec![i as f32, 40.5 - i as f32], [0.0, 2.0, 0.0, 1.0][i % 4]))
            .collect();
        assert_eq!(rows(&data), expected);
        assert_eq!(data, Dataset { name: data.name.clone(), ..load_text(&text, None).unwrap() });
    }

    #[test]
    fn the_column_to_predict_is_found_by_name_or_number() {
        let text: String =
            (0..40).map(|i| format!("\"{}\";{i};{}\r\n", i % 2 * 3, i * i)).collect();
        let with_header = format!("\u{feff}kind;\"x; or so\";square\r\n\r\n{text}");
        for (text, label) in [
            (&with_header, "kind"),
            (&with_header, "1"),
            (&text, "1"),
            (&text.replace(';', "\t"), "1"),
        ] {
            let data = load_text(text, Some(label)).unwrap();
            assert_eq!(names(&data), ["0", "3"], "whole numbers, each in many rows");
            let expected: Vec<_> =
                (0..40).map(|i| (vec![i as f32, (i * i) as f32], (i % 2) as f32)).collect();
            assert_eq!(rows(&data), expected);
        }
        let text = message(&with_header, Some("size"));
        assert!(
            text.contains("no column `size`") && text.contains("kind, x; or so, square"),
            "{text}"
        );
        assert!(message(&text, Some("4")).contains("table.csv"), "no such number");
    }

    #[test]
    fn many_or_fractional_numbers_are_numbers_to_predict() {
        let many: String = (0..40).map(|i| format!("{i},{}\n", i / 2)).collect();
        let fractional: String = (0..40).map(|i| format!("{i},{}.0\n", i % 2)).collect();
        for text in [&many, &fractional] {
            let data = load_text(text, None).unwrap();
            assert!(matches!(data.task, Task::Number(_)), "{:?}", data.task);
            assert_eq!(rows(&data).len(), 40);
        }
        assert_eq!(rows(&load_text(&many, None).unwrap())[39], (vec![39.0], 19.0));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_line_and_fix() {
        let good: String = (0..20).map(|i| format!("{i},{}\n", i % 2)).collect();
        assert!(load_text(&good, None).is_ok());
        for (line, expected) in [
            ("1,", "line 21: the value of column `2` is missing; fill it in, or delete the row"),
            (" ,1", "line 21: the value of column `1` is missing"),
            ("NaN,1", "line 21: the value of column `1` is missing"),
            ("?,1", "line 21: the value of column `1` is missing"),
            ("1,\"0\n2,1\n3,1\"", "line 21: the value of column `2` goes on over a line's end"),
            ("red,1", "line 21: `red` in column `1` is not a number; turn texts into numbers"),
            ("1e39,1", "line 21: `1e39` in column `1` is too large"),
            ("1,2,3", "line 21: 3 cells, but the first line has 2"),
            ("1", "line 21: 1 cells, but the first line has 2"),
        ] {
            let text = message(&format!("{good}{line}\n"), None);
            assert!(text.contains(expected) && text.contains("table.csv"), "{text}");
        }
        for (text, expected) in [
            ("", "line 1: the file is empty"),
            ("a\n1\n", "line 1: one column only"),
            ("a,b\n", "has no rows"),
            ("1,x\n2,x\n", "`x` in every row"),
            ("1,5\n2,5\n", "is 5 in every row"),
            ("1;5,5;0\n", "line 1: `5,5` in column `2` has a decimal comma"),
            (
                "1700000000,1\n1700000900,2\n",
                "column `1` goes from 1700000000 to 1700000900: with 32 bits",
            ),
            ("1,1700000000\n2,1700000001\n", "subtract 1700000000 from all"),
            ("1,a\n2,b\n3,c\n", "3 different texts in 3 rows"),
            ("1,1\n2,inf\n", "finite"),
            ("1,0.5\n2,1.5\n", "2 example(s)"),
        ] {
            assert!(message(text, None).contains(expected), "{}", message(text, None));
        }
        let twice = "a,b,a\n1,2,3\n";
        assert!(message(twice, Some("a")).contains("line 1: several columns are called `a`"));
        let folder = tempfile::tempdir().unwrap();
        let source = DataSource::Csv { file: folder.path().to_owned(), label: None };
        assert!(matches!(Dataset::load(&source), Err(DataError::NoFile { .. })));
        let file = folder.path().join("latin1.csv");
        fs::write(&file, b"1,caf\xe9\n").unwrap();
        let text = Dataset::load(&DataSource::Csv { file, label: None }).unwrap_err().to_string();
        assert!(text.contains("line 1: not UTF-8"), "{text}");
    }

    #[test]
    fn a_column_far_from_0_is_normalised_as_one_near_it() {
        let far = 1_000_000.0;
        let text = |offset: f32| -> String {
            (0..40).map(|i| format!("{},{}\n", offset + (i * 7 % 40) as f32, i % 2)).collect()
        };
        let (near, far) =
            (load_text(&text(0.0), None).unwrap(), load_text(&text(far), None).unwrap());
        let all: Vec<_> = (0..near.train.len()).collect();
        let pixels = |data: &Dataset| data.batch(Split::Train, &all).pixels;
        for (a, b) in pixels(&near).iter().zip(pixels(&far)) {
            assert!((a - b).abs() < 0.01, "{a} {b}");
        }
    }

    #[test]
    fn separators_in_quotes_do_not_count() {
        let rows: String = (0..40).map(|i| format!("{i};{}\n", i % 2)).collect();
        let data = load_text(&format!("\"name, first, and last\";kind\n{rows}"), None).unwrap();
        assert_eq!((data.shape(), names(&data).len()), ([1, 1, 1], 2));
    }

    #[test]
    fn a_header_is_known_by_having_no_numbers() {
        let text: String = (0..20).map(|i| format!("{i},{}\n", i % 2)).collect();
        assert_eq!(rows(&load_text(&format!("x,y\n{text}"), None).unwrap()).len(), 20);
        let text = message(&format!("x,2019\n{text}"), None);
        assert!(text.contains("line 1: `x` in column `1`"), "{text}");
    }
}
