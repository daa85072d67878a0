//! Finds out what separates the cells of a text.

use super::{
    SheetError, number,
    rows::{Separator, TextRows, is_comment},
};

/// How many rows are looked at.
const ROWS: usize = 100;

/// How many bytes of text are, at most.
const BYTES: usize = 1 << 20;

/// The candidates; of equally good ones the first, as other texts may hold the later ones.
const SEPARATORS: [Separator; 5] = [
    Separator::One('\t'),
    Separator::One(';'),
    Separator::One('|'),
    Separator::One(','),
    Separator::Spaces,
];

/// How a text is cut into rows and cells.
#[derive(Clone, Debug)]
pub(super) struct Dialect {
    /// Where the first row may begin.
    pub(super) place: usize,
    /// The line of that place.
    pub(super) line: u64,
    /// What stands between cells.
    pub(super) separator: Separator,
    /// Whether the first line says so.
    pub(super) named: bool,
    /// Whether lines that begin with `#` or `//` are comments.
    pub(super) comments: bool,
}

impl Dialect {
    /// The dialect of `text`.
    ///
    /// # Errors
    /// When the first line names a separator, but none that can be one.
    pub(super) fn of(text: &str) -> Result<Self, SheetError> {
        let first = text.split(['\n', '\r']).next().unwrap_or_default();
        let mut dialect = Self {
            place: 0,
            line: 1,
            separator: Separator::One(','),
            named: false,
            comments: true,
        };
        if let Some(named) = separator_line(first) {
            dialect.separator = named?;
            dialect.named = true;
            let rest = &text[first.len()..];
            let end = if rest.starts_with("\r\n") { 2 } else { rest.len().min(1) };
            (dialect.place, dialect.line) = (first.len() + end, 2);
        }
        let sample = sample(&text[dialect.place..]);
        let lines = sample.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
        let (marked, all) = lines
            .take(ROWS)
            .fold((0, 0), |(marked, all), line| (marked + usize::from(is_comment(line)), all + 1));
        // Where most lines begin so, these are rows; say, of colours.
        dialect.comments = marked * 2 <= all || marked < 4;
        if !dialect.named
            && let Some(separator) = guess(sample, dialect.comments)
        {
            dialect.separator = separator;
        }
        Ok(dialect)
    }

    /// The rows of the text.
    pub(super) fn rows<'t>(&self, text: &'t str) -> TextRows<'t> {
        TextRows::new(text, self.place, self.line, self.separator, self.comments)
    }

    /// Whether some separator makes several cells of the lines of `text`.
    pub(super) fn has_columns(text: &str) -> bool {
        guess(sample(text), true).is_some()
    }
}

/// The separator that a first line such as `sep=;` names, or why it names none.
fn separator_line(line: &str) -> Option<Result<Separator, SheetError>> {
    let line = line.trim_matches([' ', '"', '\u{feff}']);
    let begins = line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sep="));
    begins.then(|| {
        let named = &line[4..];
        if named.starts_with("\\t") {
            return Ok(Separator::One('\t'));
        }
        match named.chars().next() {
            Some(one) if !one.is_alphanumeric() && !matches!(one, '"' | '.' | '-' | '+') => {
                Ok(Separator::One(one))
            }
            _ => Err(SheetError::Separator),
        }
    })
}

/// The beginning of the text, up to the end of a line.
fn sample(text: &str) -> &str {
    if text.len() <= BYTES {
        return text;
    }
    let end = text.floor_char_boundary(BYTES);
    let end = text[..end].rfind(['\n', '\r']).unwrap_or(end);
    &text[..end]
}

/// The separator that makes rows of most equal length, with the most numbers in them.
fn guess(sample: &str, comments: bool) -> Option<Separator> {
    let mut best = None;
    for separator in SEPARATORS {
        let quality = quality(sample, separator, comments);
        if quality > best.map_or(0.0, |(_, quality)| quality) {
            best = Some((separator, quality));
        }
    }
    best.map(|(separator, _)| separator)
}

/// From 0, where the separator makes one cell of each row, to 1.
fn quality(sample: &str, separator: Separator, comments: bool) -> f64 {
    let mut lengths = Vec::new();
    let (mut cells, mut numbers) = (0, 0);
    let rows = TextRows::new(sample, 0, 1, separator, comments);
    for row in rows.map_while(Result::ok).take(ROWS) {
        lengths.push(row.cells.len());
        cells += row.cells.len();
        numbers += row.cells.iter().filter(|cell| is_number(cell)).count();
    }
    let first = lengths.first().copied();
    lengths.sort_unstable();
    let alike = lengths.chunk_by(|a, b| a == b).filter(|equal| equal[0] > 1);
    let Some(alike) = alike.max_by_key(|equal| equal.len()) else { return 0.0 };
    // A header has as many cells as the rows; one cell less above the names of rows.
    let header = first.is_some_and(|first| first == alike[0] || first + 1 == alike[0] && first > 1);
    (alike.len() as f64 / lengths.len() as f64)
        * (1.0 + numbers as f64 / cells as f64)
        * if header { 0.5 } else { 0.35 }
}

fn is_number(cell: &str) -> bool {
    number::form(number::without_percent(cell).unwrap_or(cell)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn separator(text: &str) -> Separator {
        Dialect::of(text).expect(text).separator
    }

    #[test]
    fn the_separator_is_what_makes_equal_rows_of_numbers() {
        for (text, expected) in [
            ("a,b\n1,2\n3,4\n", ','),
            ("a;b\n1;2\n", ';'),
            ("a\tb\n1\t2\n", '\t'),
            ("a|b|c\n1|2|3\n", '|'),
            ("3,2;4,1;4,2\n4,1;3,2;3,2\n", ';'),
            ("1,5\t2,5\n3,5\t4,5\n", '\t'),
            ("name, first and last;kind\n1,5;2\n", ';'),
            ("\"a; b\",c\n1,2\n", ','),
            ("1,2,\"a;b;c\"\n3,4,\"d;e;f\"\n", ','),
            ("1, 2, 3\n4, 5, 6\n", ','),
            ("1 234;5\n2 345;6\n", ';'),
            ("x;y;k\n1 234,5;-0,5;a\n2 345,5;-1,5;b\n", ';'),
            ("x;y;k\nab c,5;d,5;a\nde f,5;e,5;b\n", ';'),
            ("# a;b;c;d\n1,2\n3,4\n", ','),
            ("sep=,\n1;1,2;2\n", ','),
            ("sep=\\t\na\tb\n", '\t'),
            ("sep=\t\na\tb\n", '\t'),
            ("\"sep=;\"\r\na;b\n", ';'),
            ("SEP=|\na|b\n", '|'),
            ("one\ntwo\n", ','),
        ] {
            assert_eq!(separator(text), Separator::One(expected), "{text}");
        }
        assert_eq!(separator("a b  c\n1   2 3\n1,5 2,5 3\n"), Separator::Spaces);
        assert!(Dialect::of("sep=\na,b\n").is_err() && Dialect::of("sep=x\naxb\n").is_err());
    }

    #[test]
    fn lines_of_colours_are_rows() {
        let colours = "#ff0000,1\n#00ff00,2\n#0000ff,3\n#ffffff,4\n";
        assert!(!Dialect::of(colours).unwrap().comments);
        assert!(Dialect::of("# one\n# two\na,b\n1,2\n").unwrap().comments);
    }
}
