//! What can happen to files, for tests: a byte is another one, something is lost or comes twice. The tests from outside the
//! crate include this file, too.

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
    /// One bit is another.
    Flipped(u8),
    Inserted(&'static [u8]),
    /// So many bytes are this instead.
    Overwritten(usize, &'static [u8]),
    Removed(usize),
    CutOff,
    /// The next number becomes this one: numbers are where sizes are.
    Number(&'static str),
    /// So many bytes come again, at this share of the length.
    Repeated(usize, f64),
}

/// What readers may take for a number, or not.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1e999",
    "NaN",
    "0.5",
    "4294967296",
    "18446744073709551615",
    "99999999999999999999",
];

/// What readers trip over.
const PIECES: &[&[u8]] = &[
    b"(",
    b")",
    b"((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((",
    b"[",
    b"}",
    b"\"",
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r",
    b"#",
    b"//",
    b"/*",
    b"sep=;\n",
    b"None",
    b"-1",
    b"1e999",
    b"NaN",
    b"18446744073709551615",
    b"\0",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x1f\x8b",
    "ß".as_bytes(),
    "\u{2212}\u{202f}\u{feff}".as_bytes(),
];

impl Damage {
    /// Any damage.
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        let piece = || proptest::sample::select(PIECES);
        let kind = prop_oneof![
            2 => any::<u8>().prop_map(Kind::Replaced),
            1 => (0_u8..8).prop_map(Kind::Flipped),
            2 => piece().prop_map(Kind::Inserted),
            1 => (1_usize..40, piece()).prop_map(|(count, piece)| Kind::Overwritten(count, piece)),
            1 => (1_usize..40).prop_map(Kind::Removed),
            1 => Just(Kind::CutOff),
            3 => proptest::sample::select(NUMBERS).prop_map(Kind::Number),
            1 => (1_usize..40, 0.0..1.0).prop_map(|(count, to)| Kind::Repeated(count, to)),
        ];
        (kind, 0.0..1.0).prop_map(|(kind, at)| Self { kind, at })
    }

    /// The file `good` after it.
    pub(crate) fn to(&self, good: &[u8]) -> Vec<u8> {
        let place =
            |share: f64| ((good.len() as f64 * share) as usize).min(good.len().saturating_sub(1));
        let (before, after) = good.split_at(place(self.at));
        let skip = |count: usize| &after[count.min(after.len())..];
        match self.kind {
            Kind::Replaced(byte) => [before, &[byte], skip(1)].concat(),
            Kind::Flipped(bit) => {
                let mut bytes = good.to_vec();
                if let Some(byte) = bytes.get_mut(before.len()) {
                    *byte ^= 1 << bit;
                }
                bytes
            }
            Kind::Inserted(piece) => [before, piece, after].concat(),
            Kind::Overwritten(count, piece) => [before, piece, skip(count)].concat(),
            Kind::Removed(count) => [before, skip(count)].concat(),
            Kind::CutOff => before.to_vec(),
            Kind::Repeated(count, to) => {
                let (start, end) = good.split_at(place(to));
                [start, &after[..count.min(after.len())], end].concat()
            }
            Kind::Number(number) => {
                let is_digit = |byte: &u8| byte.is_ascii_digit();
                let Some(start) = after.iter().position(is_digit) else { return good.to_vec() };
                let digits = after[start..].iter().take_while(|byte| is_digit(byte)).count();
                [before, &after[..start], number.as_bytes(), skip(start + digits)].concat()
            }
        }
    }
}
