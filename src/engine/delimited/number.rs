//! Numbers as programs and people write them: which sign a number has for its decimals, and its value.
//!
//! A number with one `.` or `,` before exactly three digits can be read in two ways, a thousand times apart; so a
//! single cell never decides, [`super::Style`] does for its column.

use crate::engine::named::{Named, named};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The decimal sign of cells that are numbers and no text, as in workbooks: it can be nothing else, and tells nothing
/// of how the texts of a column are written.
pub(super) const EXACT: char = '\u{2396}';

/// The cell as it is shown.
pub(in crate::engine) fn shown(cell: &str) -> Cow<'_, str> {
    if cell.contains(EXACT) { Cow::Owned(cell.replace(EXACT, ".")) } else { Cow::Borrowed(cell) }
}

/// The decimal sign of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decimal {
    /// `0.5`
    Point,
    /// `0,5`
    Comma,
}

named!(Decimal, "decimal sign", {
    Point => "point", "0.5; commas separate thousands";
    Comma => "comma", "0,5; points separate thousands";
});

impl Decimal {
    /// The sign itself.
    pub(in crate::engine) fn sign(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }

    /// The other one, which then separates thousands.
    pub(in crate::engine) fn other(self) -> Self {
        match self {
            Self::Point => Self::Comma,
            Self::Comma => Self::Point,
        }
    }

    fn of(sign: char) -> Self {
        if sign == '.' { Self::Point } else { Self::Comma }
    }
}

/// What the text of a number tells of how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Form {
    /// It has neither `.` nor `,`.
    Plain,
    /// Only this can be its decimal sign.
    Decided(Decimal),
    /// Its one sign stands before three digits: a decimal sign, or a separator of thousands.
    Open(Decimal),
}

/// A number without the signs that change nothing.
struct Parts<'c> {
    negative: bool,
    /// Digits, `.` and `,`.
    mantissa: Cow<'c, str>,
    /// Whether spaces or apostrophes separate thousands.
    grouped: bool,
    /// With the `e`, in ASCII; empty where there is none.
    exponent: Cow<'c, str>,
}

/// The number without its percent sign, if it has one.
pub(in crate::engine) fn without_percent(cell: &str) -> Option<&str> {
    cell.strip_suffix(['%', '％']).map(|number| number.trim_end_matches(is_space))
}

/// Whether the cell says that its value is infinite.
pub(in crate::engine) fn is_infinite(cell: &str) -> bool {
    let (_, rest) = signed(cell);
    rest == "∞" || ["inf", "infinity"].iter().any(|word| rest.eq_ignore_ascii_case(word))
}

/// How a number is written; `None` for what is no number.
pub(in crate::engine) fn form(cell: &str) -> Option<Form> {
    if !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Form::Plain);
    }
    if let Some(number) = exact(cell) {
        return form(&number).map(|_| Form::Plain);
    }
    let parts = parts(cell)?;
    let mantissa = &*parts.mantissa;
    if !mantissa.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count = |sign| mantissa.matches(sign).count();
    let sign = match (count('.'), count(',')) {
        (0, 0) => return Some(Form::Plain),
        (_, 0) => '.',
        (0, _) => ',',
        _ => {
            let sign =
                mantissa.rfind(['.', ',']).map(|place| &mantissa[place..])?.chars().next()?;
            let (whole, _) = mantissa.split_once(sign)?;
            let sound = count(sign) == 1
                && !parts.grouped
                && are_groups(whole, Decimal::of(sign).other().sign());
            return sound.then_some(Form::Decided(Decimal::of(sign)));
        }
    };
    let (whole, decimals) = mantissa.split_once(sign)?;
    if count(sign) > 1 {
        let sound = !parts.grouped && are_groups(mantissa, sign);
        return sound.then_some(Form::Decided(Decimal::of(sign).other()));
    }
    let open = decimals.len() == 3
        && (1..=3).contains(&whole.len())
        && !whole.starts_with('0')
        && parts.exponent.is_empty()
        && !parts.grouped;
    let decimal = Decimal::of(sign);
    Some(if open { Form::Open(decimal) } else { Form::Decided(decimal) })
}

/// The number as Rust reads it, with this sign before its decimals; `None` for what is no number, or none that is
/// written so.
pub(in crate::engine) fn normal(cell: &str, decimal: Decimal) -> Option<Cow<'_, str>> {
    if let Some(number) = exact(cell) {
        return Some(Cow::Owned(number));
    }
    let form = form(cell)?;
    if form == Form::Decided(decimal.other()) {
        return None;
    }
    let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'e' | b'E');
    if decimal == Decimal::Point && cell.bytes().all(plain) {
        return Some(Cow::Borrowed(cell));
    }
    let parts = parts(cell)?;
    let mut text = String::with_capacity(cell.len());
    if parts.negative {
        text.push('-');
    }
    for character in parts.mantissa.chars() {
        if character == decimal.sign() {
            text.push('.');
        } else if character.is_ascii_digit() {
            text.push(character);
        }
    }
    text.push_str(&parts.exponent);
    Some(Cow::Owned(text))
}

/// A number with the sign of cells that are numbers, as Rust reads it.
fn exact(cell: &str) -> Option<String> {
    let number = cell.contains(EXACT).then(|| cell.replacen(EXACT, ".", 1))?;
    let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    (number.bytes().all(plain) && number.parse::<f64>().is_ok()).then_some(number)
}

/// What numbers with decimal commas look like that a comma has cut in two, if some of these cells may be the halves of
/// such, so many that `width` cells are left when they are joined.
pub(in crate::engine) fn cut_at_commas<'c>(
    cells: impl IntoIterator<Item = &'c str>,
    width: usize,
) -> Option<String> {
    let cells: Vec<_> = cells.into_iter().collect();
    let is_digits = |cell: &str| !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit());
    let (mut joined, mut first, mut place) = (0, None, 0);
    while place + 1 < cells.len() {
        let (whole, decimals) = (cells[place], cells[place + 1]);
        if is_digits(signed(whole).1) && is_digits(decimals) {
            joined += 1;
            first.get_or_insert_with(|| format!("{whole},{decimals}"));
            place += 2;
        } else {
            place += 1;
        }
    }
    let too_many = cells.len().checked_sub(width).filter(|&many| many > 0)?;
    first.filter(|_| joined >= too_many)
}

/// Why a row has more cells than columns where its numbers are cut at their decimal commas, and what to do.
pub(in crate::engine) fn about_cut(example: &str) -> String {
    format!(
        "these numbers seem to have decimal commas (`{example}`), which are cut in two where commas separate the cells; \
         export the table with semicolons or tabs between cells, with quotes around numbers, or with decimal points"
    )
}

/// Whether the cell looks like a date or a time of day.
pub(in crate::engine) fn is_date(cell: &str) -> bool {
    let first = cell.split(['T', ' ']).next().unwrap_or_default();
    let of = |sign: char, least: usize| {
        let parts: Vec<_> = first.split(sign).collect();
        (least..=3).contains(&parts.len())
            && parts.iter().all(|part| {
                (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
            })
    };
    // Seconds may have decimals, minutes have none.
    let mut time = cell.split(':').collect::<Vec<_>>();
    if let [_, _, seconds] = time.as_mut_slice() {
        *seconds = seconds.split(['.', ',']).next().unwrap_or_default();
    }
    let is_time = (2..=3).contains(&time.len())
        && time.iter().all(|part| {
            (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        });
    of('-', 3) || of('/', 3) || of('.', 3) || is_time
}

fn is_space(character: char) -> bool {
    // No-break, narrow no-break, thin and figure spaces.
    matches!(character, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\u{2007}')
}

fn signed(cell: &str) -> (bool, &str) {
    if let Some(rest) = cell.strip_prefix('+') {
        return (false, rest);
    }
    // Hyphen, minus sign, en dash, small and wide hyphens: word processors make one of another.
    match cell.strip_prefix(['-', '\u{2212}', '\u{2013}', '\u{2010}', '\u{fe63}', '\u{ff0d}']) {
        Some(rest) => (true, rest.trim_start_matches(is_space)),
        None => (false, cell),
    }
}

fn parts(cell: &str) -> Option<Parts<'_>> {
    let (negative, rest) = signed(cell);
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(place) => (&rest[..place], exponent(&rest[place + 1..])?),
        None => (rest, Cow::Borrowed("")),
    };
    if mantissa.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',')) {
        return Some(Parts {
            negative,
            mantissa: Cow::Borrowed(mantissa),
            grouped: false,
            exponent,
        });
    }
    let whole = &mantissa[..mantissa.find(['.', ',']).unwrap_or(mantissa.len())];
    let separator =
        whole.chars().find(|&sign| is_space(sign) || matches!(sign, '\'' | '\u{2019}'))?;
    if !are_groups(whole, separator) {
        return None;
    }
    let mantissa: String = mantissa.chars().filter(|&character| character != separator).collect();
    let sound = mantissa.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','));
    sound.then_some(Parts { negative, mantissa: Cow::Owned(mantissa), grouped: true, exponent })
}

/// An exponent behind its `e`, as Rust reads it.
fn exponent(text: &str) -> Option<Cow<'_, str>> {
    let (negative, digits) = signed(text);
    let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| Cow::Owned(format!("e{}{digits}", if negative { "-" } else { "" })))
}

/// Whether these are digits in groups of three, of which the first may be shorter; one group is none.
fn are_groups(text: &str, separator: char) -> bool {
    let mut groups = text.split(separator);
    let digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups.next().unwrap_or_default();
    (1..=3).contains(&first.len())
        && digits(first)
        && text.contains(separator)
        && groups.all(|group| group.len() == 3 && digits(group))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Decimal::{Comma, Point};

    #[test]
    fn the_form_tells_what_decides_and_what_does_not() {
        for (cell, expected) in [
            ("5", Some(Form::Plain)),
            ("-12", Some(Form::Plain)),
            ("1e5", Some(Form::Plain)),
            ("1E+05", Some(Form::Plain)),
            ("1 234", Some(Form::Plain)),
            ("1\u{202f}234\u{202f}567", Some(Form::Plain)),
            ("1'234", Some(Form::Plain)),
            ("0.5", Some(Form::Decided(Point))),
            (".5", Some(Form::Decided(Point))),
            ("5.", Some(Form::Decided(Point))),
            ("0,125", Some(Form::Decided(Comma))),
            ("1234,567", Some(Form::Decided(Comma))),
            ("1.234,56", Some(Form::Decided(Comma))),
            ("1,234.56", Some(Form::Decided(Point))),
            ("1.234.567", Some(Form::Decided(Comma))),
            ("1,234,567", Some(Form::Decided(Point))),
            ("1.234e5", Some(Form::Decided(Point))),
            ("1 234,567", Some(Form::Decided(Comma))),
            ("1,234", Some(Form::Open(Comma))),
            ("\u{2212}12.345", Some(Form::Open(Point))),
            ("", None),
            ("-", None),
            (".", None),
            ("e5", None),
            ("1e", None),
            ("1.2.3", None),
            ("31.12.2020", None),
            ("1,23,456", None),
            ("12 34", None),
            ("1 2345", None),
            ("1.234,567.8", None),
            ("0x10", None),
            ("inf", None),
            ("5 kg", None),
            ("١٢", None),
        ] {
            assert_eq!(form(cell), expected, "{cell}");
        }
    }

    #[test]
    fn values_do_not_depend_on_how_they_are_written() {
        for (cell, decimal, expected) in [
            ("1.234,56", Comma, 1234.56),
            ("1,234.56", Point, 1234.56),
            ("1,234", Point, 1234.0),
            ("1,234", Comma, 1.234),
            ("1.234", Comma, 1234.0),
            ("\u{2212}5", Point, -5.0),
            ("\u{2013}0,5", Comma, -0.5),
            ("+5", Point, 5.0),
            ("1'234.5", Point, 1234.5),
            ("1\u{a0}234,5", Comma, 1234.5),
            ("1E+05", Point, 1e5),
            ("1,5e\u{2212}3", Comma, 1.5e-3),
            (".5", Point, 0.5),
            ("5.", Point, 5.0),
        ] {
            let text = normal(cell, decimal).expect(cell);
            assert_eq!(text.parse(), Ok(expected), "{cell} as {text}");
        }
        assert_eq!(normal("0,5", Point), None);
        assert_eq!(normal("1.5", Comma), None);
        assert_eq!(without_percent("5 %"), Some("5"));
        assert!(is_infinite("-Inf") && is_infinite("∞") && !is_infinite("information"));
    }

    #[test]
    fn numbers_of_workbooks_have_one_reading_and_tell_nothing_of_texts() {
        for (cell, text) in [("1\u{2396}234", "1.234"), ("-0\u{2396}5", "-0.5")] {
            assert_eq!(form(cell), Some(Form::Plain));
            assert_eq!(normal(cell, Comma).as_deref(), Some(text));
            assert_eq!(normal(cell, Point).as_deref(), Some(text));
            assert_eq!(shown(cell), text);
        }
        assert_eq!(form("a\u{2396}5"), None);
        assert_eq!(form("1\u{2396}2\u{2396}3"), None);
    }

    #[test]
    fn numbers_that_are_cut_at_their_commas_are_known() {
        let cut = |cells: &str, width| cut_at_commas(cells.split(';'), width);
        for (cells, width, expected) in [
            ("-0;50;0;98;2;31;x", 4, Some("-0,50")),
            ("a;90;40;90;30", 3, Some("90,40")),
            // Some numbers are whole.
            ("1;10;2;80;3;y", 4, Some("1,10")),
            ("1;y;z", 2, None),
            ("1;-5;z", 2, None),
            ("1;2;3", 3, None),
            ("1;2;x;y;z", 3, None),
        ] {
            assert_eq!(cut(cells, width).as_deref(), expected, "{cells}");
        }
    }

    #[test]
    fn dates_and_times_are_known() {
        for cell in [
            "2020-01-31",
            "31.12.2020",
            "1/2/20",
            "2020-01-31T10:00:00Z",
            "2020-01-31 10:00",
            "12:30",
        ] {
            assert!(is_date(cell), "{cell}");
        }
        for cell in ["5", "1.5", "1:0.5", "a-b-c", "1-2", "red", "192.168.0.1", "k3/e3/se"] {
            assert!(!is_date(cell), "{cell}");
        }
    }
}
