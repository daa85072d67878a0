//! The copy of a table that a run keeps: the same format, in one way only, so that nothing of it is left to be inferred.

use super::{Known, Table, TableError, file};
use std::{fmt::Write as _, path::Path};

const HEADER: &str = "architecture,search,report,canonical";

/// What a line that is not as it was written needs.
const FIX: &str = "restore the file, or start a new run";

/// The table as text. Numbers come back bit by bit.
pub(super) fn write(table: &Table) -> String {
    let mut text = format!("{HEADER}\n");
    for architecture in table.architectures() {
        let Known { search, report } = table.known(architecture);
        let canonical = quoted(&table.text(table.representative(architecture)));
        let architecture = quoted(&table.text(architecture));
        // Writing to a string does not fail.
        let _ = writeln!(text, "{architecture},{search},{report},{canonical}");
    }
    text
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// The table that was [written](write); `path` stands in messages.
pub(super) fn read(path: &Path, text: &str) -> Result<Table, TableError> {
    let wrong =
        |line, what: String| TableError::Line { path: path.to_owned(), line, what, fix: FIX };
    let mut rows = Rows { rest: text, next_line: 1 };
    let header = rows.next().map(|(_, cells)| cells.join(","));
    if header.as_deref() != Some(HEADER) {
        return Err(wrong(1, format!("`{HEADER}` should stand here")));
    }
    let mut entries = Vec::new();
    for (line, cells) in rows {
        let Ok([architecture, search, report, canonical]) = <[String; 4]>::try_from(cells) else {
            return Err(wrong(line, "there should be four values".to_owned()));
        };
        let number = |cell: &str| match cell.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            Ok(_) | Err(_) => Err(wrong(line, format!("`{cell}` is not a number"))),
        };
        entries.push(file::Entry {
            line,
            choices: architecture.split('/').map(str::to_owned).collect(),
            known: Known { search: number(&search)?, report: number(&report)? },
            canonical,
        });
    }
    let positions = entries.first().map_or(0, |entry| entry.choices.len());
    if let Some(odd) = entries.iter().find(|entry| entry.choices.len() != positions) {
        return Err(wrong(odd.line, format!("there should be {positions} choices")));
    }
    file::table(path, &entries, Vec::new())
}

/// The lines with their cells: separated by commas, in quotes where that is needed.
struct Rows<'t> {
    rest: &'t str,
    next_line: u64,
}

impl Iterator for Rows<'_> {
    type Item = (u64, Vec<String>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let line = self.next_line;
        let mut cells = vec![String::new()];
        let mut is_quoted = false;
        let mut end = self.rest.len();
        let mut signs = self.rest.char_indices().peekable();
        while let Some((at, sign)) = signs.next() {
            self.next_line += u64::from(sign == '\n');
            let doubled =
                sign == '"' && is_quoted && signs.peek().is_some_and(|next| next.1 == '"');
            match (sign, is_quoted) {
                ('"', _) if doubled => {
                    signs.next();
                    if let Some(cell) = cells.last_mut() {
                        cell.push('"');
                    }
                }
                ('"', _) => is_quoted = !is_quoted,
                (',', false) => cells.push(String::new()),
                ('\n', false) => {
                    end = at + 1;
                    break;
                }
                (_, _) => {
                    if let Some(cell) = cells.last_mut() {
                        cell.push(sign);
                    }
                }
            }
        }
        self.rest = &self.rest[end..];
        Some((line, cells))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::parse, *};

    #[test]
    fn a_copy_is_the_table_bit_by_bit_whatever_choices_are_called() {
        let text = r#"architecture|search|report|canonical
"a, ""x"" b/#1"|0.1|1e-7|one
"a, ""x"" b/;"|0.30000000000000004|2|two
b/#1|0.1|1e-7|one
b/;|93.40000000000001|123456789.125|b/;
"#;
        let table = parse(text).expect("is sound");
        assert!(table.choices(0).contains(&"a, \"x\" b".to_owned()), "{:?}", table.choices(0));
        let written = write(&table);
        let copy = read(Path::new("table.csv"), &written).expect("is one");
        assert_eq!(copy, Table { notes: Vec::new(), ..table });
        assert_eq!(write(&copy), written);
    }

    #[test]
    fn a_damaged_copy_is_refused_with_its_line() {
        let text =
            write(&parse("architecture,search,report\n0/0,1,1\n0/1,2,2\n").expect("is sound"));
        let refused = |text: &str| read(Path::new("table.csv"), text).expect_err(text).to_string();
        for (text, part) in [
            (text.replace("0/1,2,", "0/1,x,"), "table.csv:3: `x` is not a number"),
            (text.replace("0/1,2,", "0/1,inf,"), "table.csv:3: `inf` is not a number"),
            (text.replace("0/1,2,2", "0/1,2"), "table.csv:3: there should be four values"),
            (text.replace("0/1,2,2", "1,2,2"), "table.csv:3: there should be 2 choices"),
            (text.replace("search", "score"), "table.csv:1: `architecture,search"),
            (text.replacen("0/0", "1/0", 1), "have no row"),
        ] {
            let message = refused(&text);
            assert!(
                message.contains(part) || part == "have no row" && message.contains("has no row"),
                "{message}"
            );
        }
        assert!(refused("").contains("table.csv:1"));
    }
}
