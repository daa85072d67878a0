//! Reads tables from CSV files.

use super::{Architecture, Function, Known, Table, TableError};
use csv::{ReaderBuilder, StringRecord, Trim};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

/// What one line says.
struct Row {
    line: u64,
    choices: Vec<String>,
    known: Known,
    /// What is equal for architectures that compute the same; the architecture itself where the file has no
    /// such column.
    canonical: String,
}

pub(super) fn load(path: &Path) -> Result<Table, TableError> {
    let text =
        std::fs::read(path).map_err(|source| TableError::Read { path: path.to_owned(), source })?;
    let mut reader =
        ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(text.as_slice());
    let header = reader.headers().map_err(|error| unreadable(path, error))?.clone();
    let columns = Columns::find(path, &header)?;
    let mut rows = Vec::new();
    let mut lines = HashMap::<Vec<String>, u64>::new();
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(path, error))?;
        let row = columns.row(path, line_of(&text, &record), &header, &record)?;
        let wrong = |what: String, fix| wrong(path, row.line, what, fix);
        if let Some(first) =
            rows.first().filter(|first: &&Row| first.choices.len() != row.choices.len())
        {
            return Err(wrong(
                format!(
                    "{} choices, but the architecture of line {} has {}",
                    row.choices.len(),
                    first.line,
                    first.choices.len()
                ),
                "give each architecture as many, joined by `/`",
            ));
        }
        if let Some(earlier) = lines.insert(row.choices.clone(), row.line) {
            return Err(wrong(
                format!(
                    "architecture `{}` stands in line {earlier} already",
                    row.choices.join("/")
                ),
                "remove one of the two rows",
            ));
        }
        rows.push(row);
    }
    table(path, &rows)
}

/// Where each column stands.
struct Columns {
    architecture: usize,
    search: usize,
    report: usize,
    canonical: Option<usize>,
}

impl Columns {
    fn find(path: &Path, header: &StringRecord) -> Result<Self, TableError> {
        let find = |column: &'static str, least: usize| {
            let places: Vec<_> =
                header.iter().enumerate().filter(|(_, name)| *name == column).collect();
            match places.as_slice() {
                &[(place, _)] => Ok(Some(place)),
                [] if least == 0 => Ok(None),
                places => Err(TableError::Column {
                    path: path.to_owned(),
                    column,
                    count: places.len(),
                    found: if header.is_empty() {
                        "none".to_owned()
                    } else {
                        header.iter().collect::<Vec<_>>().join(", ")
                    },
                }),
            }
        };
        // A column that must be there is found or an error.
        let must = |column| find(column, 1).map(Option::unwrap_or_default);
        Ok(Self {
            architecture: must("architecture")?,
            search: must("search")?,
            report: must("report")?,
            canonical: find("canonical", 0)?,
        })
    }

    fn row(
        &self,
        path: &Path,
        line: u64,
        header: &StringRecord,
        record: &StringRecord,
    ) -> Result<Row, TableError> {
        let wrong = |what, fix| wrong(path, line, what, fix);
        if record.len() != header.len() {
            return Err(wrong(
                format!(
                    "the first line names {} columns, this one has {} values",
                    header.len(),
                    record.len()
                ),
                "give each column one value",
            ));
        }
        let number = |place: usize| match record[place].parse::<f64>() {
            // Means and deviations of larger ones would not be finite.
            Ok(value) if value.abs() < 1e100 => Ok(value),
            _ if record[place].is_empty() => Err(wrong(
                format!("`{}` is empty", &header[place]),
                "write a number, or remove the architecture's choices from all rows",
            )),
            _ => Err(wrong(
                format!(
                    "`{}` is `{}`, which is not a number, or too large a one",
                    &header[place], &record[place]
                ),
                "write one such as 93.4 or 0.934",
            )),
        };
        let architecture = &record[self.architecture];
        let choices: Vec<_> =
            architecture.split('/').map(|choice| choice.trim().to_owned()).collect();
        if choices.iter().any(String::is_empty) {
            return Err(wrong(
                format!("architecture `{architecture}` has an empty choice"),
                "name a choice between each two `/`",
            ));
        }
        let canonical = match self.canonical.map(|place| &record[place]) {
            Some("") => {
                return Err(wrong(
                    "`canonical` is empty".to_owned(),
                    "write the architecture itself where no other is the same",
                ));
            }
            Some(canonical) => canonical.to_owned(),
            None => choices.join("/"),
        };
        let known = Known { search: number(self.search)?, report: number(self.report)? };
        Ok(Row { line, choices, known, canonical })
    }
}

/// The line on which a record begins; its position is that of the empty lines before it, where there are any.
fn line_of(text: &[u8], record: &StringRecord) -> u64 {
    let Some(position) = record.position() else { return 0 };
    let before = text.get(position.byte() as usize..).unwrap_or_default();
    let empty = before.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + empty.filter(|&&byte| byte == b'\n').count() as u64
}

fn wrong(path: &Path, line: u64, what: String, fix: &'static str) -> TableError {
    TableError::Line { path: path.to_owned(), line, what, fix }
}

fn unreadable(path: &Path, error: csv::Error) -> TableError {
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(source) => TableError::Read { path: path.to_owned(), source },
        csv::ErrorKind::Utf8 { err, .. } => {
            wrong(path, line, err.to_string(), "save the file as UTF-8")
        }
        kind => wrong(path, line, format!("{kind:?}"), "write the file as CSV"),
    }
}

/// The table of rows that are sound each for itself and differ.
fn table(path: &Path, rows: &[Row]) -> Result<Table, TableError> {
    let Some(first) = rows.first() else {
        return Err(TableError::NoRows { path: path.to_owned() });
    };
    let choices: Vec<Vec<String>> = (0..first.choices.len())
        .map(|position| {
            let distinct: BTreeSet<_> = rows.iter().map(|row| &row.choices[position]).collect();
            let mut choices: Vec<_> = distinct.into_iter().cloned().collect();
            sort_naturally(&mut choices);
            choices
        })
        .collect();
    let places: Vec<HashMap<&str, usize>> = choices
        .iter()
        .map(|choices| choices.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect())
        .collect();
    let combinations =
        choices.iter().try_fold(1_usize, |product, choices| product.checked_mul(choices.len()));
    if combinations != Some(rows.len()) {
        return Err(incomplete(path, rows, &choices, combinations));
    }

    let index = |row: &Row| {
        row.choices.iter().zip(&choices).zip(&places).fold(0, |sum, ((choice, choices), places)| {
            sum * choices.len() + places[choice.as_str()]
        })
    };
    let mut in_order: Vec<_> = rows.iter().map(|row| (Architecture(index(row)), row)).collect();
    in_order.sort_by_key(|&(architecture, _)| architecture);
    let mut of_canonical = HashMap::<&str, (Function, &Row)>::new();
    let mut representatives = Vec::new();
    let mut functions = Vec::with_capacity(rows.len());
    for &(architecture, row) in &in_order {
        let &mut (function, first) = of_canonical.entry(&row.canonical).or_insert_with(|| {
            representatives.push(architecture);
            (Function(representatives.len() - 1), row)
        });
        if row.known != first.known {
            let (line, earlier) = (row.line.max(first.line), row.line.min(first.line));
            return Err(wrong(
                path,
                line,
                format!(
                    "`canonical` is `{}`, as in line {earlier}, but the values differ",
                    row.canonical
                ),
                "give what computes the same the same `search` and `report`, or another `canonical`",
            ));
        }
        if row.choices.join("/") == row.canonical {
            representatives[function.0] = architecture;
        }
        functions.push(function);
    }
    let known = in_order.into_iter().map(|(_, row)| row.known).collect();
    Ok(Table { choices, known, functions, representatives })
}

fn incomplete(
    path: &Path,
    rows: &[Row],
    choices: &[Vec<String>],
    combinations: Option<usize>,
) -> TableError {
    let there: BTreeSet<_> = rows.iter().map(|row| &row.choices).collect();
    // There are fewer rows than combinations, so one of the first few is missing.
    let example = (0..=rows.len())
        .map(|number| {
            let mut rest = number;
            let mut named: Vec<_> = choices
                .iter()
                .rev()
                .map(|choices| {
                    let choice = choices[rest % choices.len()].clone();
                    rest /= choices.len();
                    choice
                })
                .collect();
            named.reverse();
            named
        })
        .find(|named| !there.contains(named))
        .unwrap_or_default();
    let mut uses = BTreeMap::<(usize, &str), (usize, u64)>::new();
    for row in rows {
        for (position, choice) in row.choices.iter().enumerate() {
            uses.entry((position, choice)).or_insert((0, row.line)).0 += 1;
        }
    }
    let ((position, rarest), (_, line)) =
        uses.into_iter().min_by_key(|&(_, (count, _))| count).unwrap_or_default();
    TableError::Incomplete {
        path: path.to_owned(),
        rows: rows.len(),
        combinations: combinations.map_or("too many".to_owned(), |count| count.to_string()),
        example: example.join("/"),
        rarest: rarest.to_owned(),
        position: position + 1,
        line,
    }
}

/// Sorts numbers by their value, and other texts by their parts, of which those of digits count as numbers: `k3`
/// before `k11`.
fn sort_naturally(texts: &mut [String]) {
    let number = |text: &String| text.parse::<f64>().unwrap_or(f64::NAN);
    if texts.iter().all(|text| number(text).is_finite()) {
        // What is equal as a number may be written in two ways, such as 1 and 1.0.
        texts.sort_by(|a, b| number(a).total_cmp(&number(b)).then(a.cmp(b)));
    } else {
        texts.sort_by(|a, b| parts(a).cmp(parts(b)).then(a.cmp(b)));
    }
}

/// A text's parts, split where digits begin or end, with the value of those of digits.
fn parts(text: &str) -> impl Iterator<Item = (u64, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let digit = rest.chars().next()?.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        rest = after;
        Some((part.parse().unwrap_or(0), part))
    })
}
