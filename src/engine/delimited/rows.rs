//! Cuts text into rows of cells.

use super::{SheetError, number, words};
use std::borrow::Cow;

/// The most cells of a row; templates take no more columns.
pub(super) const MOST_CELLS: usize = 1 << 16;

/// The separator of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Separator {
    /// One character.
    One(char),
    /// Any number of spaces and tabs.
    Spaces,
}

impl Separator {
    /// Its name in messages.
    pub(in crate::engine) fn name(self) -> String {
        match self {
            Self::One(',') => "commas".to_owned(),
            Self::One(';') => "semicolons".to_owned(),
            Self::One('\t') => "tabs".to_owned(),
            Self::One('|') => "vertical bars".to_owned(),
            Self::One(' ') => "single spaces".to_owned(),
            Self::One(other) => format!("`{}`", other.escape_debug()),
            Self::Spaces => "spaces".to_owned(),
        }
    }

    fn is(self, character: char) -> bool {
        match self {
            Self::One(one) => character == one,
            Self::Spaces => matches!(character, ' ' | '\t'),
        }
    }
}

/// A row: its cells without spaces around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Row<'t> {
    /// The line on which it begins, from 1, as editors count; of a workbook, the row.
    pub(in crate::engine) line: u64,
    /// The cells.
    pub(in crate::engine) cells: Vec<Cow<'t, str>>,
}

impl Row<'_> {
    /// How many cells there are without empty ones at the end.
    pub(in crate::engine) fn filled(&self) -> usize {
        self.cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1)
    }
}

/// The rows of a text, without blank lines and comments.
#[derive(Clone, Debug)]
pub(in crate::engine) struct TextRows<'t> {
    text: &'t str,
    /// What is read next.
    place: usize,
    /// Its line.
    line: u64,
    separator: Separator,
    /// Whether lines that begin with `#` or `//` are comments.
    comments: bool,
    /// How many cells a line has that begins with `#` and is a row all the same; 0 if none is.
    width: usize,
    /// Whether a row was found.
    started: bool,
    /// Whether the last row begins with `#`, so that it may be a comment.
    pub(super) hashed: bool,
    /// How many were passed over.
    pub(super) passed: u64,
    failed: bool,
}

impl<'t> TextRows<'t> {
    /// The rows of `text` from `place` on, where `line` begins.
    pub(super) fn new(
        text: &'t str,
        place: usize,
        line: u64,
        separator: Separator,
        comments: bool,
    ) -> Self {
        Self {
            text,
            place,
            line,
            separator,
            comments,
            width: 0,
            started: false,
            hashed: false,
            passed: 0,
            failed: false,
        }
    }

    /// The same rows, with lines that begin with `#` and have so many cells among them.
    pub(super) fn with_width(self, width: usize) -> Self {
        Self { width, ..self }
    }

    /// Whether a line that looks like a comment is a row: it has as many cells as the others, and its `#` stands at a
    /// word. Above the first row it may be the header, if it has no number.
    fn is_row(&self, comment: &'t str) -> bool {
        if self.width < 2 || !comment.starts_with('#') || comment.contains('"') {
            return false;
        }
        if comment[1..].starts_with(|next| is_blank(next) || matches!(next, '#' | '!')) {
            return false;
        }
        self.plain(comment, self.line).is_ok_and(|cells| {
            cells.len() == self.width
                && (self.started || cells.iter().skip(1).any(|cell| number::form(cell).is_some()))
        })
    }

    /// The comments directly above the first row, the first hundred, blank lines aside.
    pub(super) fn before_first_row(mut self) -> Vec<(u64, &'t str)> {
        let mut comments = Vec::new();
        while self.place < self.text.len() {
            let (end, next) = self.end_of_line(self.place);
            let content = trimmed(&self.text[self.place..end]);
            let comment = self.comments && is_comment(content) && !self.is_row(content);
            if !comment && !content.is_empty() {
                break;
            }
            if comment && comments.len() < 100 {
                comments.push((self.line, content));
            }
            (self.place, self.line) = (next, self.line + 1);
        }
        comments
    }

    /// Where the line that begins at `from` ends, and where the next one begins.
    fn end_of_line(&self, from: usize) -> (usize, usize) {
        let rest = &self.text.as_bytes()[from..];
        let Some(length) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            return (self.text.len(), self.text.len());
        };
        let both = rest[length] == b'\r' && rest.get(length + 1) == Some(&b'\n');
        (from + length, from + length + 1 + usize::from(both))
    }

    /// The cells of a line without quotes.
    fn plain(&self, text: &'t str, line: u64) -> Result<Vec<Cow<'t, str>>, SheetError> {
        let cells: Vec<_> = match self.separator {
            Separator::One(one) => {
                text.split(one).map(trimmed).map(Cow::Borrowed).take(MOST_CELLS + 1).collect()
            }
            Separator::Spaces => {
                let cells = text.split([' ', '\t']).map(trimmed).filter(|cell| !cell.is_empty());
                cells.map(Cow::Borrowed).take(MOST_CELLS + 1).collect()
            }
        };
        if cells.len() > MOST_CELLS {
            return Err(SheetError::TooManyCells { line, limit: MOST_CELLS });
        }
        Ok(cells)
    }

    /// The cells of a row that has quotes, and may go on over the ends of lines.
    fn quoted(&mut self) -> Result<Vec<Cow<'t, str>>, SheetError> {
        let (text, separator) = (self.text, self.separator);
        let mut cells = Vec::new();
        let is_end = |rest: &str| rest.is_empty() || rest.starts_with(['\n', '\r']);
        loop {
            let gap = |character: char| {
                !matches!(character, '\n' | '\r')
                    && is_blank(character)
                    && (separator == Separator::Spaces || !separator.is(character))
            };
            let rest = &text[self.place..];
            let inner = rest.trim_start_matches(gap);
            self.place += rest.len() - inner.len();
            if self.separator == Separator::Spaces && is_end(inner) {
                break;
            }
            if let Some(inside) = inner.strip_prefix('"') {
                let line = self.line;
                self.place += 1;
                let cell = self.inside_quotes(line)?;
                let rest = &text[self.place..];
                let after = rest.trim_start_matches(gap);
                let is_closed = is_end(after)
                    || after.starts_with(|next| separator.is(next))
                    || separator == Separator::Spaces && after.len() < rest.len();
                if !is_closed {
                    let start: String =
                        inside.chars().take(20).take_while(|c| !c.is_control()).collect();
                    return Err(SheetError::AfterQuotes { line, cell: start });
                }
                self.place += rest.len() - after.len();
                cells.push(cell);
            } else {
                let end = inner
                    .find(|next| matches!(next, '\n' | '\r') || self.separator.is(next))
                    .unwrap_or(inner.len());
                cells.push(Cow::Borrowed(trimmed(&inner[..end])));
                self.place += end;
            }
            if cells.len() > MOST_CELLS {
                return Err(SheetError::TooManyCells { line: self.line, limit: MOST_CELLS });
            }
            let rest = &text[self.place..];
            if is_end(rest) {
                break;
            }
            if let (Separator::One(one), true) = (self.separator, !rest.is_empty()) {
                self.place += one.len_utf8();
            }
        }
        let (_, next) = self.end_of_line(self.place);
        (self.place, self.line) = (next, self.line + 1);
        Ok(cells)
    }

    /// The rest of a quoted cell; afterwards the place is behind its closing quotes.
    fn inside_quotes(&mut self, line: u64) -> Result<Cow<'t, str>, SheetError> {
        let start = self.place;
        let mut doubled = false;
        loop {
            let Some(length) = self.text[self.place..].find('"') else {
                return Err(SheetError::OpenQuotes { line });
            };
            self.place += length + 1;
            if self.text[self.place..].starts_with('"') {
                doubled = true;
                self.place += 1;
                continue;
            }
            let cell = &self.text[start..self.place - 1];
            self.line += line_breaks(cell);
            let cell = trimmed(cell);
            return Ok(if doubled {
                Cow::Owned(cell.replace("\"\"", "\""))
            } else {
                Cow::Borrowed(cell)
            });
        }
    }
}

impl<'t> Iterator for TextRows<'t> {
    type Item = Result<Row<'t>, SheetError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed && self.place < self.text.len() {
            let (end, next) = self.end_of_line(self.place);
            let text = &self.text[self.place..end];
            let line = self.line;
            let content = trimmed(text);
            // The end of a file for DOS.
            let blank = content.is_empty() || content == "\u{1a}";
            let marked = !blank && self.comments && is_comment(content);
            self.hashed = marked && self.is_row(content);
            let comment = marked && !self.hashed;
            if blank || comment {
                (self.place, self.line) = (next, line + 1);
                self.passed += u64::from(comment);
                continue;
            }
            self.started = true;
            if !text.contains('"') {
                (self.place, self.line) = (next, line + 1);
                let cells = self.plain(text, line);
                self.failed = cells.is_err();
                return Some(cells.map(|cells| Row { line, cells }));
            }
            let cells = self.quoted();
            self.failed = cells.is_err();
            return Some(cells.map(|cells| Row { line, cells }));
        }
        None
    }
}

/// Whether a line is a comment. What begins with an error of a spreadsheet is none, and neither is a header whose first
/// column is called `#`.
pub(super) fn is_comment(line: &str) -> bool {
    let Some(rest) = line.strip_prefix('#') else { return line.starts_with("//") };
    !rest.starts_with([',', ';', '\t', '|']) && !words::begins_with_error(line)
}

/// How often an editor begins a new line in `text`.
fn line_breaks(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let breaks = bytes.iter().enumerate().filter(|&(place, &byte)| {
        byte == b'\n' && (place == 0 || bytes[place - 1] != b'\r') || byte == b'\r'
    });
    breaks.count() as u64
}

/// Spaces of any width; of no width are marks that editors do not show.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{feff}' | '\u{200b}')
}

fn trimmed(cell: &str) -> &str {
    cell.trim_matches(is_blank)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, separator: Separator) -> Vec<(u64, Vec<String>)> {
        TextRows::new(text, 0, 1, separator, true)
            .map(|row| row.expect(text))
            .map(|row| (row.line, row.cells.iter().map(ToString::to_string).collect()))
            .collect()
    }

    #[test]
    fn cells_are_what_stands_between_separators_and_in_quotes() {
        let comma = Separator::One(',');
        for (text, expected) in [
            ("a,b\n", vec!["a", "b"]),
            (" a , b ", vec!["a", "b"]),
            ("a,,\r\n", vec!["a", "", ""]),
            ("\"a,b\",\"c \"\"d\"\"\"", vec!["a,b", "c \"d\""]),
            (" \" a \" ,\"\"", vec!["a", ""]),
            ("\"a\nb\",c", vec!["a\nb", "c"]),
            ("5\" pipe,1", vec!["5\" pipe", "1"]),
            ("\"a\",", vec!["a", ""]),
            (",\"a\"", vec!["", "a"]),
        ] {
            assert_eq!(
                rows(text, comma),
                [(1, expected.iter().map(ToString::to_string).collect())],
                "{text}"
            );
        }
        let words =
            |cells: &[&str]| vec![(1, cells.iter().map(ToString::to_string).collect::<Vec<_>>())];
        assert_eq!(rows("  1   2\t 3  ", Separator::Spaces), words(&["1", "2", "3"]));
        assert_eq!(rows(" \"a b\"  2 ", Separator::Spaces), words(&["a b", "2"]));
        assert_eq!(rows("a\t\"b\tc\"\t", Separator::One('\t')), words(&["a", "b\tc", ""]));
    }

    #[test]
    fn lines_are_counted_as_editors_do() {
        let text = "# note\r\na,b\r\n\r\n\r\n\"x\r\ny\",2\r\n   \r\n// note\r\n#N/A,3\r\n\u{1a}";
        let lines: Vec<_> =
            rows(text, Separator::One(',')).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [2, 5, 9]);
        let lines: Vec<_> =
            rows("a\r\rb\rc", Separator::One(',')).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [1, 3, 4]);
    }

    #[test]
    fn a_line_that_begins_with_a_hash_and_has_all_cells_is_a_row() {
        let text = "# note\n#k,x\na,1\n#b,2\n# c,3\n#d\n#e,4,5\n";
        let rows = TextRows::new(text, 0, 1, Separator::One(','), true).with_width(2);
        let lines: Vec<_> = rows.map(|row| row.unwrap().line).collect();
        assert_eq!(lines, [3, 4]);
        let rows = TextRows::new("#a,1\nb,2\n", 0, 1, Separator::One(','), true).with_width(2);
        assert_eq!(rows.count(), 2);
    }

    #[test]
    fn rows_of_too_many_cells_are_refused() {
        for (text, separator) in [
            (",".repeat(MOST_CELLS), Separator::One(',')),
            (format!("\"a\"{}", ",".repeat(MOST_CELLS)), Separator::One(',')),
            ("1 ".repeat(MOST_CELLS + 1), Separator::Spaces),
        ] {
            let mut rows = TextRows::new(&text, 0, 1, separator, true);
            let error = rows.next().unwrap().unwrap_err().to_string();
            assert!(error.contains("line 1: more than 65536 cells"), "{error}");
            assert!(rows.next().is_none());
        }
    }

    #[test]
    fn quotes_that_do_not_close_are_named() {
        let error = |text| {
            let rows = TextRows::new(text, 0, 1, Separator::One(','), true);
            rows.filter_map(Result::err).map(|error| error.to_string()).collect::<Vec<_>>()
        };
        assert!(error("a,b\n1,\"2\n3,4\n")[0].contains("line 2: the quotes that begin here"));
        let after = error("1,\"2\n3,\"x\",4\n");
        assert!(
            after[0].contains("line 1: text follows on the closing quotes of `2`"),
            "{after:?}"
        );
        assert_eq!(after.len(), 1);
    }
}
