//! Tables as text, in the ways that programs write them: one reader for data tables and search tables.
//!
//! | what | how it is read |
//! | --- | --- |
//! | encoding | UTF-8, UTF-16 or UTF-32, with or without a byte order mark; others are refused with the line |
//! | packed files | `.gz` is unpacked, up to a limit; of an `.xlsx` workbook the first visible sheet that has several columns and rows; what else is no text is named, with what to do |
//! | ends of lines | LF, CRLF or CR; lines are counted as editors do, blank lines and lines within cells included |
//! | separator | comma, semicolon, tab, vertical bar, or runs of spaces, unless tabs cut all rows into as many cells: what makes the most equal rows with the most numbers of the first 100; a first line such as `sep=;` decides |
//! | comments | lines that begin with `#` or `//`; not those that begin with `#N/A` and the like, nor where most lines begin so, nor a line such as `#a,1,2` that has as many cells as the rows; if there are also rows that begin with `a`, it is refused |
//! | blank lines | passed over, and so are rows of empty cells |
//! | quotes | `"`, doubled within quotes; what they hold may have separators and ends of lines; quotes that do not close are refused; lines that are in quotes as a whole are unwrapped |
//! | cells | without spaces around them; at most 65,536 per row, 16,384 in a workbook |
//! | numbers | signs may be typographic; spaces, no-break and narrow ones, and apostrophes separate thousands; `1e5`, `1E+05`; `5 %` is 5, if all of the column are so |
//! | decimal sign | point or comma, by column: what any of its numbers must have; else what numbers of other columns must have, but those never make a sign separate thousands; `1,234` alone is refused with both readings, and so is `1.234`, but where commas separate the columns |
//! | numbers of workbooks | have one reading, and say nothing of how texts in their column are written |
//! | missing values | nothing, `NA`, `?`, `-`, `null`, `#DIV/0!` and the like; what to do about them is for the caller |
//!
//! Neither caller looks at bytes: they get [`Row`]s, and numbers by a [`Style`] that has seen all of a column.

mod dialect;
mod error;
pub(in crate::engine) mod number;
mod rows;
mod style;
pub(in crate::engine) mod words;
mod workbook;

pub(in crate::engine) use error::SheetError;
pub use number::Decimal;
pub(in crate::engine) use rows::{Row, Separator};
pub(in crate::engine) use style::{Seen, Style};

use super::{
    sniff::{Kind, sniff},
    text,
};
use dialect::Dialect;
use flate2::read::MultiGzDecoder;
use rows::TextRows;
use std::{borrow::Cow, collections::HashMap, fs::File, io::Read, path::Path};

/// The most bytes of a file.
pub(in crate::engine) const MOST_BYTES: u64 = 4 << 30;

/// How much of a file tells whether it is text.
const BEGINNING: usize = 4096;

/// The most bytes that a packed file may unpack to.
const MOST_UNPACKED: u64 = 1 << 30;

/// A table before anything is said about its columns.
#[derive(Debug)]
pub(in crate::engine) struct Sheet {
    content: Content,
    /// The facts found out about the file, each in one sentence without a full stop.
    pub(in crate::engine) notes: Vec<String>,
    /// The sheet of the workbook that was read, where there are several.
    pub(in crate::engine) name: Option<String>,
    /// Comments directly above the first row.
    comments: Vec<(u64, String)>,
}

#[derive(Debug)]
enum Content {
    Text { text: String, dialect: Dialect },
    Cells(Vec<(u64, Vec<String>)>),
}

impl Sheet {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or is no table.
    pub(in crate::engine) fn open(file: &Path) -> Result<Self, SheetError> {
        let mut file = File::open(file)?;
        let bytes = file.metadata()?.len();
        if bytes > MOST_BYTES {
            return Err(SheetError::TooLarge { bytes, limit: MOST_BYTES });
        }
        let mut content = Vec::new();
        file.by_ref().take(MOST_BYTES).read_to_end(&mut content)?;
        Self::from_bytes(content)
    }

    /// Reads what a file holds.
    ///
    /// # Errors
    /// When it is no table, or unpacks to more than memory is allowed for.
    pub(in crate::engine) fn from_bytes(mut bytes: Vec<u8>) -> Result<Self, SheetError> {
        let mut notes = Vec::new();
        if bytes.starts_with(b"\x1f\x8b") {
            let mut content = Vec::new();
            MultiGzDecoder::new(bytes.as_slice())
                .take(MOST_UNPACKED + 1)
                .read_to_end(&mut content)
                .map_err(SheetError::Packed)?;
            if content.len() as u64 > MOST_UNPACKED {
                return Err(SheetError::Unpacked(MOST_UNPACKED));
            }
            bytes = content;
        }
        match sniff(&bytes[..bytes.len().min(4096)]) {
            Some(Kind::Workbook) => {
                let cells = workbook::read(&bytes)?;
                if let Some(name) = &cells.name {
                    notes.push(format!("the sheet `{name}` of the workbook was read"));
                }
                return Ok(Self {
                    content: Content::Cells(cells.rows),
                    notes,
                    name: cells.name,
                    comments: Vec::new(),
                });
            }
            Some(kind) => {
                // Text may begin as binary files do: a column may be called BMI.
                let start = &bytes[..bytes.len().min(512)];
                let is_sign = |byte: &u8| *byte >= b' ' || byte.is_ascii_whitespace();
                let is_text = !start.is_empty() && start.iter().all(is_sign);
                let is_certain = matches!(
                    kind,
                    Kind::WebPage | Kind::WebTable | Kind::Pointer | Kind::Pdf | Kind::Stata
                );
                if is_certain || !is_text {
                    return Err(SheetError::Kind { kind, fix: fix(kind) });
                }
            }
            None => {}
        }
        let is_binary = bytes.iter().take(BEGINNING).any(|byte| is_no_text(char::from(*byte)));
        let text = text::decode(bytes)
            .map_err(|error| if is_binary { SheetError::Binary } else { error.into() })?;
        if text.chars().take(BEGINNING).any(is_no_text) {
            return Err(SheetError::Binary);
        }
        if let Some(format) = other_format(&text) {
            return Err(SheetError::Format(format));
        }
        let mut dialect = Dialect::of(&text)?;
        let text = match unwrapped(&text, &dialect) {
            Some(inner) => {
                notes.push("each line was in quotes as a whole; these were taken off".to_owned());
                dialect = Dialect::of(&inner)?;
                inner
            }
            None => text,
        };
        if dialect.named {
            notes.push(format!(
                "line 1 says that {} separate the columns",
                dialect.separator.name()
            ));
        }
        check_hashed(&text, &dialect)?;
        let comments = dialect.rows(&text).before_first_row();
        let comments =
            comments.into_iter().map(|(line, comment)| (line, comment.to_owned())).collect();
        Ok(Self { content: Content::Text { text, dialect }, notes, name: None, comments })
    }

    /// The rows, without blank lines and comments.
    pub(in crate::engine) fn rows(&self) -> Rows<'_> {
        match &self.content {
            Content::Text { text, dialect } => Rows::Text(dialect.rows(text)),
            Content::Cells(cells) => Rows::Cells(cells.iter()),
        }
    }

    /// What separates the columns; nothing does in a workbook.
    pub(in crate::engine) fn separator(&self) -> Option<Separator> {
        match &self.content {
            Content::Text { dialect, .. } => Some(dialect.separator),
            Content::Cells(_) => None,
        }
    }

    /// Whether a number's only point stands before its decimals where nothing says otherwise: where a comma there would
    /// have separated columns.
    pub(in crate::engine) fn plain_points(&self) -> bool {
        self.separator() == Some(Separator::One(','))
    }

    /// The cells of each comment directly above the first row, of which one may be a header.
    pub(in crate::engine) fn comments_above(&self) -> Vec<(u64, Vec<String>)> {
        let Content::Text { dialect, .. } = &self.content else { return Vec::new() };
        let cells = |(line, comment): &(u64, String)| {
            let comment = comment.trim_start_matches(['#', '/', ' ']);
            let row = TextRows::new(comment, 0, *line, dialect.separator, false).next()?.ok()?;
            Some((*line, row.cells.into_iter().map(Cow::into_owned).collect()))
        };
        self.comments.iter().filter_map(cells).collect()
    }
}

/// The rows of a [`Sheet`].
#[derive(Debug)]
pub(in crate::engine) enum Rows<'s> {
    /// Of text.
    Text(TextRows<'s>),
    /// Of a workbook.
    Cells(std::slice::Iter<'s, (u64, Vec<String>)>),
}

impl Rows<'_> {
    /// How many comments were passed over so far.
    pub(in crate::engine) fn comments(&self) -> u64 {
        match self {
            Self::Text(rows) => rows.passed,
            Self::Cells(_) => 0,
        }
    }
}

impl<'s> Iterator for Rows<'s> {
    type Item = Result<Row<'s>, SheetError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let row = match self {
                Self::Text(rows) => rows.next()?,
                Self::Cells(rows) => rows.next().map(|(line, cells)| {
                    let cells = cells.iter().map(|cell| Cow::Borrowed(cell.as_str())).collect();
                    Ok(Row { line: *line, cells })
                })?,
            };
            if row.as_ref().is_ok_and(|row| row.filled() == 0) {
                continue;
            }
            return Some(row);
        }
    }
}

/// Whether text does not hold such a character; `^Z` ends files of DOS.
fn is_no_text(character: char) -> bool {
    let is_mark = matches!(character, '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1a}');
    character.is_ascii_control() && !is_mark
}

/// Refuses a row that begins with `#` where it may be one that was made a comment.
fn check_hashed(text: &str, dialect: &Dialect) -> Result<(), SheetError> {
    if !dialect.comments || !text.contains('#') {
        return Ok(());
    }
    let mut rows = dialect.rows(text);
    let mut hashed = HashMap::new();
    while let Some(Ok(row)) = rows.next() {
        if let (true, Some(cell)) = (rows.hashed, row.cells.first()) {
            hashed.entry(cell.trim_start_matches('#').to_owned()).or_insert(row.line);
        }
    }
    if hashed.is_empty() {
        return Ok(());
    }
    let rows = dialect.rows(text).map_while(Result::ok);
    let first =
        rows.filter_map(|row| row.cells.first().and_then(|cell| hashed.get_key_value(&**cell)));
    match first.min_by_key(|(_, line)| **line) {
        Some((cell, &line)) => {
            Err(SheetError::Hash { line, cell: cell.chars().take(60).collect() })
        }
        None => Ok(()),
    }
}

/// What to do about a file of another kind.
fn fix(kind: Kind) -> &'static str {
    match kind {
        Kind::Zip | Kind::Gzip | Kind::Tar | Kind::Archive | Kind::Packed => {
            "unpack it and give the table that is in it"
        }
        Kind::Pickle
        | Kind::Numpy
        | Kind::Matlab
        | Kind::Hdf5
        | Kind::Parquet
        | Kind::Spss
        | Kind::Sqlite
        | Kind::Arrow
        | Kind::Stata
        | Kind::R => "export it as CSV",
        _ => kind.fix(),
    }
}

/// A format of data in text that is no table.
fn other_format(text: &str) -> Option<&'static str> {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('%'))?;
    if first.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("@relation")) {
        return Some("an ARFF file");
    }
    let json = first.starts_with("{\"") || first.starts_with("[{") || first == "{" || first == "[";
    json.then_some("a JSON file")
}

/// The lines within the quotes, where each line is in quotes as a whole and has separators in them.
fn unwrapped(text: &str, dialect: &Dialect) -> Option<String> {
    if !text.trim_start().starts_with('"') || dialect.named {
        return None;
    }
    let mut inner = String::new();
    let mut line = 1;
    for row in dialect.rows(text) {
        let row = row.ok()?;
        let [cell] = row.cells.as_slice() else { return None };
        while line < row.line {
            inner.push('\n');
            line += 1;
        }
        inner.push_str(cell);
        inner.push('\n');
        line += 1;
    }
    Dialect::has_columns(&inner).then_some(inner)
}

#[cfg(test)]
pub(in crate::engine) mod made;
#[cfg(test)]
mod tests;
