//! Words that stand for something else than themselves.

/// What programs write where a value is missing, in lower case.
const MISSING: [&str; 26] = [
    "?", "-", "--", "\u{2013}", "\u{2014}", ".", "na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan",
    "null", "(null)", "nil", "none", "\\n", "missing", "#div/0!", "#value!", "#ref!", "#name?",
    "#num!", "#null!", "#data!",
];

/// Errors of spreadsheets, which begin as comments do.
const ERRORS: [&str; 9] =
    ["#n/a", "#na", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!", "#data!"];

/// Whether the cell says that its value is missing. Nothing is not a word: the caller asks for empty cells.
pub(in crate::engine) fn is_missing(cell: &str) -> bool {
    is_one_of(&MISSING, cell)
}

/// The value of a cell that is true or false.
pub(in crate::engine) fn truth(cell: &str) -> Option<bool> {
    if cell.eq_ignore_ascii_case("true") {
        Some(true)
    } else {
        cell.eq_ignore_ascii_case("false").then_some(false)
    }
}

/// Whether a line that begins so has an error of a spreadsheet in its first cell.
pub(super) fn begins_with_error(line: &str) -> bool {
    ERRORS.iter().any(|error| {
        line.get(..error.len()).is_some_and(|start| start.eq_ignore_ascii_case(error))
            && !line[error.len()..].starts_with(|next: char| next.is_alphanumeric())
    })
}

fn is_one_of(words: &[&str], cell: &str) -> bool {
    // No word is longer, and most cells are numbers.
    cell.len() <= 8
        && !cell.starts_with(|first: char| first.is_ascii_digit())
        && words.iter().any(|word| word.eq_ignore_ascii_case(cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_known_in_any_case_and_numbers_are_none() {
        for cell in ["NA", "NaN", "None", "?", "-", "#DIV/0!", "\\N", "<NA>", "\u{2014}"] {
            assert!(is_missing(cell), "{cell}");
        }
        for cell in ["", "0", "-5", "nano", "Nadia", ".5"] {
            assert!(!is_missing(cell), "{cell}");
        }
        assert_eq!((truth("TRUE"), truth("False"), truth("yes")), (Some(true), Some(false), None));
        assert!(begins_with_error("#N/A,5") && !begins_with_error("#name of it"));
    }
}
