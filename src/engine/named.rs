//! Settings with a few choices, which command line, menus and messages call by the same names.

/// One of a few choices.
pub trait Named: Copy + PartialEq + 'static {
    /// What is chosen.
    const WHAT: &'static str;
    /// All choices, in the order of menus.
    const ALL: &'static [Self];
    /// Their names.
    const NAMES: &'static [&'static str];

    /// The name: lower case, words joined by hyphens.
    fn name(self) -> &'static str;

    /// A description in some words.
    fn about(self) -> &'static str;

    /// The choice of that name, whatever its capitals.
    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.name().eq_ignore_ascii_case(name))
    }
}

/// Writes a choice as its name, for reports: files that are read again have the variant.
pub fn by_name<T: Named, S: serde::Serializer>(
    choice: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(choice.name())
}

/// Implements [`Named`] and `Display` for an enum.
macro_rules! named {
    ($type:ident, $what:literal, { $($variant:ident => $name:literal, $about:literal;)+ }) => {
        impl Named for $type {
            const WHAT: &'static str = $what;
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            const NAMES: &'static [&'static str] = &[$($name),+];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }

            fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => $about),+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

pub(in crate::engine) use named;
