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
    /// The separator of cells.
    pub(super) separator: Separator,
    /// Whether the first line says so.
    pub(super) named: bool,
    /// Whether lines that begin with `#` or `//` are comments.
    pub(super) comments: bool,
    /// How many cells most rows have; a line that begins with `#` and has as many is a row.
    width: usize,
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
            width: 0,
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
        if dialect.named
            && quality(sample, dialect.separator, dialect.comments) == 0.0
            && let Some(found) = guess(sample, dialect.comments)
        {
            let (named, found) = (dialect.separator.name(), found.name());
            return Err(SheetError::WrongSeparator { named, found });
        }
        let rows = TextRows::new(sample, 0, 1, dialect.separator, dialect.comments);
        let mut lengths: Vec<_> =
            rows.map_while(Result::ok).take(ROWS).map(|row| row.cells.len()).collect();
        lengths.sort_unstable();
        let usual = lengths.chunk_by(|a, b| a == b).max_by_key(|equal| equal.len());
        dialect.width = usual.map_or(0, |equal| equal[0]);
        Ok(dialect)
    }

    /// The rows of the text.
    pub(super) fn rows<'t>(&self, text: &'t str) -> TextRows<'t> {
        TextRows::new(text, self.place, self.line, self.separator, self.comments)
            .with_width(self.width)
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
    let tabs = are_cut_by_tabs(sample, comments);
    for separator in SEPARATORS {
        if tabs && separator == Separator::Spaces {
            continue;
        }
        let quality = quality(sample, separator, comments);
        if quality > best.map_or(0.0, |(_, quality)| quality) {
            best = Some((separator, quality));
        }
    }
    best.map(|(separator, _)| separator)
}

/// Whether tabs cut all rows, the first aside, into as many cells: then spaces stand within cells.
fn are_cut_by_tabs(sample: &str, comments: bool) -> bool {
    let rows = TextRows::new(sample, 0, 1, Separator::One('\t'), comments).map_while(Result::ok);
    let lengths: Vec<_> = rows.take(ROWS).map(|row| row.cells.len()).collect();
    let below = if lengths.len() > 1 { &lengths[1..] } else { &lengths[..] };
    below.first().is_some_and(|&first| first > 1 && below.iter().all(|&length| length == first))
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
    let short = first.is_some_and(|first| first + 1 == alike[0] && first > 1);
    let header = short || first == Some(alike[0]);
    ((alike.len() + usize::from(short)) as f64 / lengths.len() as f64)
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
            ("x y\tz\nrow a 1\t1\t2\nrow a 2\t3\t4\n", '\t'),
            ("\tx\ty\n0\t1 234\tred\n1\t2 345\tred\n", '\t'),
            ("8 573.22\t8.763\n9 144.10\t3.421\n", '\t'),
            ("1.5\t\t2\n2.5\t\t3\n", '\t'),
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
