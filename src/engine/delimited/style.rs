//! How the numbers of a column are written, decided by all of them: one `0,5` settles what `1,234` is.

use super::number::{self, Decimal, Form};

/// How many characters of a cell are kept: more than a number has, and few enough for tens of thousands of columns.
const LONGEST: usize = 100;

/// A cell, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Seen {
    /// The line.
    pub(in crate::engine) line: u64,
    /// What stands there, or its beginning.
    pub(in crate::engine) cell: String,
}

impl Seen {
    /// A cell on a line.
    fn new(line: u64, cell: &str) -> Self {
        Self { line, cell: number::shown(cell).chars().take(LONGEST).collect() }
    }

    /// Keeps the one that stands first, in whatever order they come.
    pub(in crate::engine) fn keep(seen: &mut Option<Self>, line: u64, cell: &str) {
        if seen.as_ref().is_none_or(|seen| line < seen.line) {
            *seen = Some(Self::new(line, cell));
        }
    }

    fn quoted(&self) -> String {
        format!("`{}` (line {})", self.cell, self.line)
    }
}

/// What the cells of a column tell of how its numbers are written.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Style {
    /// How many cells are numbers.
    pub(in crate::engine) numbers: u64,
    /// Whether one that is a number in a workbook has decimals.
    decimals: bool,
    /// The first that only a decimal point, and the first that only a decimal comma explains.
    decided: [Option<Seen>; 2],
    /// The first with one point, and with one comma, that may be either.
    open: [Option<Seen>; 2],
    /// The first with and without a percent sign.
    percent: [Option<Seen>; 2],
}

impl Style {
    /// Notes a cell; returns whether it is a number.
    pub(in crate::engine) fn take(&mut self, line: u64, cell: &str) -> bool {
        let bare = number::without_percent(cell);
        let Some(form) = number::form(bare.unwrap_or(cell)) else { return false };
        self.numbers += 1;
        let keep = |seen: &mut Option<Seen>| Seen::keep(seen, line, cell);
        keep(&mut self.percent[usize::from(bare.is_none())]);
        match form {
            Form::Plain => self.decimals |= cell.contains(number::EXACT),
            Form::Decided(decimal) => keep(&mut self.decided[decimal as usize]),
            Form::Open(decimal) => keep(&mut self.open[decimal as usize]),
        }
        true
    }

    /// The decimal sign that some number of the column must have.
    pub(in crate::engine) fn evidence(&self) -> [bool; 2] {
        [self.decided[0].is_some(), self.decided[1].is_some()]
    }

    /// Whether one of its numbers has decimals.
    pub(in crate::engine) fn has_decimals(&self) -> bool {
        self.decimals || self.decided.iter().chain(&self.open).any(Option::is_some)
    }

    /// Whether its numbers have percent signs.
    pub(in crate::engine) fn is_percent(&self) -> bool {
        self.percent[0].is_some()
    }

    /// A number with separators of thousands, if `decimal` makes them of its signs.
    pub(in crate::engine) fn thousands(&self, decimal: Decimal) -> Option<&Seen> {
        self.open[decimal.other() as usize].as_ref()
    }

    /// The decimal sign of the column. Where its own numbers leave two readings, a decimal sign may be what the other
    /// columns of the file have (`elsewhere`: whether one of their numbers must have a point, and a comma); where they
    /// have neither, `plain_points` lets a single point be a decimal one. Nothing but the column's own numbers, or the user
    /// (`given`), makes a sign separate thousands: all of them would be off by as much.
    ///
    /// # Errors
    /// What is wrong with the column, and the fix.
    pub(in crate::engine) fn decide(
        &self,
        elsewhere: [bool; 2],
        plain_points: bool,
        given: Option<Decimal>,
    ) -> Result<Decimal, String> {
        if let [Some(with), Some(without)] = &self.percent {
            return Err(format!(
                "has numbers with a percent sign, {}, and without one, {}; write all alike",
                with.quoted(),
                without.quoted()
            ));
        }
        if let Some(given) = given {
            return match &self.decided[given.other() as usize] {
                None => Ok(given),
                Some(seen) => Err(format!(
                    "has {}, which has no decimal {given} as --decimal {given} says; leave it out, or correct the number",
                    seen.quoted()
                )),
            };
        }
        let seen = match (&self.decided, &self.open) {
            ([Some(point), Some(comma)], _) => {
                return Err(format!(
                    "has decimal points, {}, and decimal commas, {}; write all alike",
                    point.quoted(),
                    comma.quoted()
                ));
            }
            ([None, Some(_)], _) => return Ok(Decimal::Comma),
            ([Some(_), None], _) | (_, [None, None]) => return Ok(Decimal::Point),
            (_, [Some(point), Some(comma)]) => {
                return Err(format!(
                    "has {} and {}: one of them is a thousand times as large as it may look; say which sign stands before \
                     decimals with --decimal point or --decimal comma, or write its numbers without separators of thousands",
                    point.quoted(),
                    comma.quoted()
                ));
            }
            (_, [Some(seen), None] | [None, Some(seen)]) => seen,
        };
        let is_point = self.open[Decimal::Point as usize].is_some();
        match (is_point, elsewhere) {
            (true, [true, false]) => Ok(Decimal::Point),
            (false, [false, true]) => Ok(Decimal::Comma),
            (true, [false, false]) if plain_points => Ok(Decimal::Point),
            _ => {
                let own = if is_point { Decimal::Point } else { Decimal::Comma };
                let sign = own.sign();
                let cell = &seen.cell;
                let small = cell.replace(sign, ".");
                let large = cell.replace(sign, "");
                Err(format!(
                    "can be read in two ways: {} is {small} if the {} stands before decimals, and {large} if it separates \
                     thousands; say --decimal {} for {small} or --decimal {} for {large}, or write one of its numbers so that it has \
                     one reading (`{cell}0`, `{large}`)",
                    seen.quoted(),
                    own,
                    own,
                    own.other(),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(cells: &[&str]) -> Style {
        let mut style = Style::default();
        for (line, cell) in (1..).zip(cells) {
            assert!(style.take(line, cell), "{cell}");
        }
        style
    }

    #[test]
    fn one_number_settles_its_column_and_else_the_file_does() {
        let none = [false, false];
        for (cells, elsewhere, plain_points, expected) in [
            (&["1,234", "0,5"][..], none, false, Decimal::Comma),
            (&["1,234", "0.5"], none, false, Decimal::Point),
            (&["1.234", "1.234,5"], none, true, Decimal::Comma),
            (&["1,234", "5"], [false, true], false, Decimal::Comma),
            (&["1.234", "5"], [true, false], false, Decimal::Point),
            (&["1.234", "2.345"], none, true, Decimal::Point),
            (&["1", "2"], none, false, Decimal::Point),
        ] {
            assert_eq!(
                style(cells).decide(elsewhere, plain_points, None),
                Ok(expected),
                "{cells:?}"
            );
        }
    }

    #[test]
    fn what_could_be_off_by_a_thousand_is_refused_with_both_readings() {
        let none = [false, false];
        for (cells, elsewhere, parts) in [
            (
                &["1,234"][..],
                none,
                &[
                    "`1,234` (line 1) is 1.234",
                    "and 1234 if",
                    "--decimal comma for 1.234",
                    "`1,2340`",
                ][..],
            ),
            (&["1.234"], none, &["is 1.234 if the point", "1234"]),
            (&["1,234"], [true, true], &["two ways"]),
            (&["1,125", "3"], [true, false], &["two ways", "1125"]),
            (&["3.142", "3"], [false, true], &["two ways", "3142"]),
            (&["1,234", "1.234"], none, &["`1.234` (line 2) and `1,234` (line 1)"]),
            (&["0,5", "0.5"], none, &["decimal points", "decimal commas"]),
            (&["5 %", "0.5"], none, &["percent", "`5 %` (line 1)", "`0.5` (line 2)"]),
        ] {
            let message = style(cells).decide(elsewhere, false, None).unwrap_err();
            for part in parts {
                assert!(message.contains(part), "`{part}` is missing in: {message}");
            }
        }
    }

    #[test]
    fn who_says_the_decimal_sign_is_believed_unless_a_number_cannot_be_so() {
        let none = [false, false];
        for (cells, given) in [
            (&["1,234"][..], Decimal::Comma),
            (&["1,234"], Decimal::Point),
            (&["1.234", "2.345"], Decimal::Point),
            (&["1,234", "1.234"], Decimal::Comma),
            (&["1.234.567", "5"], Decimal::Comma),
        ] {
            assert_eq!(style(cells).decide(none, false, Some(given)), Ok(given), "{cells:?}");
        }
        let wrong = style(&["1,234", "0,5"]).decide(none, false, Some(Decimal::Point));
        let text = wrong.unwrap_err();
        assert!(text.contains("`0,5` (line 2)") && text.contains("--decimal point says"), "{text}");
    }
}
