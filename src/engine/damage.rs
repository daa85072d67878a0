//! What can happen to files, for tests: a byte is another one, something is lost or comes twice.

use proptest::prelude::*;

/// A damage, anywhere in a file.
#[derive(Clone, Debug)]
pub(crate) struct Damage {
    kind: Kind,
    /// Where, as a share of the length.
    at: f64,
}

#[derive(Clone, Debug)]
enum Kind {
    Replaced(u8),
    Inserted(&'static str),
    Removed(usize),
    CutOff,
    /// The next number becomes this one.
    Number(&'static str),
    Repeated(usize),
}

impl Damage {
    /// Any damage.
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        const NUMBERS: &[&str] = &[
            "0",
            "-1",
            "1e999",
            "18446744073709551615",
            "4294967296",
            "99999999999999999999",
            "0.5",
        ];
        const PIECES: &[&str] =
            &["(", ")", "\"", ",", "[", "\n", "\0", "\u{feff}", "ß", "//", "/*", "None"];
        let kind = prop_oneof![
            2 => any::<u8>().prop_map(Kind::Replaced),
            2 => proptest::sample::select(PIECES).prop_map(Kind::Inserted),
            1 => (1usize..20).prop_map(Kind::Removed),
            1 => Just(Kind::CutOff),
            3 => proptest::sample::select(NUMBERS).prop_map(Kind::Number),
            1 => (1usize..40).prop_map(Kind::Repeated),
        ];
        (kind, 0.0..1.0).prop_map(|(kind, at)| Self { kind, at })
    }

    /// The file `good` after it.
    pub(crate) fn to(&self, good: &[u8]) -> Vec<u8> {
        let at = ((good.len() as f64 * self.at) as usize).min(good.len().saturating_sub(1));
        let (before, after) = good.split_at(at);
        let skip = |count: usize| &after[count.min(after.len())..];
        match self.kind {
            Kind::Replaced(byte) => [before, &[byte], skip(1)].concat(),
            Kind::Inserted(piece) => [before, piece.as_bytes(), after].concat(),
            Kind::Removed(count) => [before, skip(count)].concat(),
            Kind::CutOff => before.to_vec(),
            Kind::Repeated(count) => [before, &after[..count.min(after.len())], after].concat(),
            Kind::Number(number) => {
                let is_digit = |byte: &u8| byte.is_ascii_digit();
                let Some(start) = after.iter().position(is_digit) else { return good.to_vec() };
                let digits = after[start..].iter().take_while(|byte| is_digit(byte)).count();
                [before, &after[..start], number.as_bytes(), skip(start + digits)].concat()
            }
        }
    }
}
