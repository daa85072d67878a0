//! The arguments of operations as data: what a properties panel, a command line and a bounds check need to know.

use super::arguments::{ActivationFunction, Initialiser, Interpolation, Padding, Pair};
use crate::engine::named::Named;
use serde_json::json;
use std::fmt;
use thiserror::Error;

/// The largest argument that is accepted: far above what can be trained, and small enough that no size overflows.
pub const MOST: usize = 1 << 16;

/// The values that a field takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A whole number.
    Count {
        /// The smallest.
        least: usize,
        /// The largest.
        most: usize,
    },
    /// Rows and columns.
    Pair {
        /// The smallest of either.
        least: usize,
        /// The largest of either.
        most: usize,
    },
    /// Zeros around an image.
    Padding,
    /// A number.
    Number {
        /// The smallest.
        least: f64,
        /// The bound; values must be below it.
        below: f64,
    },
    /// A number above 0, or none.
    Bound,
    /// One of these names.
    Choice(&'static [&'static str]),
    /// On or off.
    Switch,
    /// So many whole numbers, of which one may be left open where `open` says so.
    Sizes {
        /// The fewest numbers.
        least: usize,
        /// The most numbers.
        most: usize,
        /// The smallest number.
        smallest: usize,
        /// Whether one may be −1: what is left.
        open: bool,
    },
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Count(usize),
    /// Rows and columns.
    Pair(Pair),
    /// Zeros around an image.
    Padding(Padding),
    /// A number.
    Number(f64),
    /// A number, or none.
    Bound(Option<f64>),
    /// A name.
    Choice(&'static str),
    /// On or off.
    Switch(bool),
    /// Whole numbers; −1 stands for what is left.
    Sizes(Vec<i64>),
}

/// As reports have it: pairs as lists, a padding by its name or as a list.
impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Count(count) => json!(count),
            Value::Pair(Pair(sides)) | Value::Padding(Padding::Pixels(Pair(sides))) => json!(sides),
            Value::Padding(padding @ (Padding::Same | Padding::Valid)) => {
                json!(padding.to_string())
            }
            Value::Number(number) => json!(number),
            Value::Bound(bound) => json!(bound),
            Value::Choice(name) => json!(name),
            Value::Switch(on) => json!(on),
            Value::Sizes(sizes) => json!(sizes),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Pair(pair) => write!(f, "{pair}"),
            Self::Padding(padding) => write!(f, "{padding}"),
            Self::Number(number) | Self::Bound(Some(number)) => write!(f, "{number}"),
            Self::Bound(None) => f.write_str("none"),
            Self::Choice(name) => f.write_str(name),
            Self::Switch(on) => f.write_str(if *on { "on" } else { "off" }),
            Self::Sizes(sizes) if sizes.is_empty() => f.write_str("empty"),
            Self::Sizes(sizes) => {
                let sizes: Vec<_> = sizes.iter().map(ToString::to_string).collect();
                f.write_str(&sizes.join(", "))
            }
        }
    }
}

/// Why a field cannot have a value.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum FieldError {
    /// The operation has no such field.
    #[error("{op} has no field `{field}`; it has {}", list(fields))]
    Unknown {
        /// The operation.
        op: &'static str,
        /// The name that was asked for.
        field: String,
        /// The names that there are.
        fields: Vec<&'static str>,
    },
    /// The value is out of range, or of another kind.
    #[error("the {field} of {op} cannot be {value}; {wanted}")]
    Value {
        /// The operation.
        op: &'static str,
        /// The field.
        field: &'static str,
        /// The value.
        value: String,
        /// What it takes.
        wanted: String,
    },
}

fn list(fields: &[&str]) -> String {
    if fields.is_empty() { "none".to_owned() } else { fields.join(", ") }
}

impl Kind {
    /// Whether `value` is one of those that the field takes.
    pub fn takes(&self, value: &Value) -> bool {
        match (self, value) {
            (&Self::Count { least, most }, Value::Count(count)) => (least..=most).contains(count),
            (&Self::Pair { least, most }, Value::Pair(Pair(sides))) => {
                sides.iter().all(|side| (least..=most).contains(side))
            }
            (Self::Padding, Value::Padding(padding)) => match padding {
                Padding::Same | Padding::Valid => true,
                Padding::Pixels(Pair(sides)) => sides.iter().all(|&side| side <= MOST),
            },
            (&Self::Number { least, below }, Value::Number(number)) => {
                (least..below).contains(number)
            }
            (Self::Bound, Value::Bound(bound)) => {
                bound.is_none_or(|bound| bound.is_finite() && bound > 0.0)
            }
            (Self::Choice(names), Value::Choice(name)) => names.contains(name),
            (Self::Switch, Value::Switch(_)) => true,
            (&Self::Sizes { least, most, smallest, open }, Value::Sizes(sizes)) => {
                let left_open = sizes.iter().filter(|&&size| size == -1).count();
                (least..=most).contains(&sizes.len())
                    && left_open <= usize::from(open)
                    && sizes.iter().all(|&size| {
                        (open && size == -1)
                            || usize::try_from(size)
                                .is_ok_and(|size| (smallest..=MOST).contains(&size))
                    })
            }
            (
                Self::Count { .. }
                | Self::Pair { .. }
                | Self::Padding
                | Self::Number { .. }
                | Self::Bound
                | Self::Choice(_)
                | Self::Switch
                | Self::Sizes { .. },
                _,
            ) => false,
        }
    }

    /// What the field takes, in words that follow "set it to".
    pub fn wanted(&self) -> String {
        match *self {
            Self::Count { least, most } => format!("a whole number from {least} to {most}"),
            Self::Pair { least, most } => {
                format!("one whole number from {least} to {most}, or two (rows, columns)")
            }
            Self::Padding => format!("same, valid, or pixels up to {MOST}"),
            Self::Number { least, below } => format!("{least} or more, below {below}"),
            Self::Bound => "a number above 0, or none".to_owned(),
            Self::Choice(names) => format!("one of {}", names.join(", ")),
            Self::Switch => "on or off".to_owned(),
            Self::Sizes { least, most, smallest, open } => {
                let count =
                    if least == most { most.to_string() } else { format!("{least} to {most}") };
                let open = if open { "; one may be -1, what is left" } else { "" };
                format!("{count} whole numbers from {smallest} to {MOST}{open}")
            }
        }
    }

    /// The value that a text says, in the notation that [`Value`] is shown in.
    pub fn parse(&self, text: &str) -> Option<Value> {
        let text = text.trim();
        let numbers = || -> Option<Vec<i64>> {
            let bare = text.trim_matches(['(', ')', '[', ']']);
            bare.split(['×', 'x', ',']).map(|part| part.trim().parse().ok()).collect()
        };
        let pair = || {
            let sides: Option<Vec<usize>> =
                numbers()?.into_iter().map(|side| usize::try_from(side).ok()).collect();
            match *sides?.as_slice() {
                [side] => Some(Pair::square(side)),
                [rows, columns] => Some(Pair([rows, columns])),
                _ => None,
            }
        };
        let value = match self {
            Self::Count { .. } => Value::Count(text.parse().ok()?),
            Self::Pair { .. } => Value::Pair(pair()?),
            Self::Padding => Value::Padding(match text.to_lowercase().as_str() {
                "same" => Padding::Same,
                "valid" | "none" => Padding::Valid,
                _ => Padding::Pixels(pair()?),
            }),
            Self::Number { .. } => Value::Number(text.parse().ok()?),
            Self::Bound if text == "none" => Value::Bound(None),
            Self::Bound => Value::Bound(Some(text.parse().ok()?)),
            Self::Choice(names) => {
                Value::Choice(names.iter().copied().find(|name| name.eq_ignore_ascii_case(text))?)
            }
            Self::Switch => Value::Switch(match text.to_lowercase().as_str() {
                "on" | "true" | "yes" => true,
                "off" | "false" | "no" => false,
                _ => return None,
            }),
            Self::Sizes { .. } => Value::Sizes(numbers()?),
        };
        self.takes(&value).then_some(value)
    }
}

/// Everything about a field except its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// Its name, as in scene files.
    pub name: &'static str,
    /// What it is counted in; empty where that is plain.
    pub unit: &'static str,
    /// One sentence on what it does.
    pub tip: &'static str,
    /// The values that it takes.
    pub kind: Kind,
}

/// A field of the operation `T`.
pub(in crate::engine) struct Field<T> {
    pub(in crate::engine) facts: Facts,
    pub(in crate::engine) get: fn(&T) -> Value,
    /// Sets it to a value that its kind takes; `None` where the value is of another kind.
    pub(in crate::engine) set: fn(&mut T, &Value) -> Option<()>,
}

/// A type that a field can have.
pub(in crate::engine) trait Argument: Sized {
    fn value(&self) -> Value;
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! argument {
    ($type:ty, $variant:ident) => {
        impl Argument for $type {
            fn value(&self) -> Value {
                Value::$variant(self.clone())
            }

            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::$variant(value) => Some(value.clone()),
                    _ => None,
                }
            }
        }
    };
}

argument!(usize, Count);
argument!(Pair, Pair);
argument!(Padding, Padding);
argument!(f64, Number);
argument!(Option<f64>, Bound);
argument!(bool, Switch);
argument!(Vec<i64>, Sizes);

impl<const N: usize> Argument for [usize; N] {
    fn value(&self) -> Value {
        // Larger ones are out of every range.
        Value::Sizes(self.iter().map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect())
    }

    fn from_value(value: &Value) -> Option<Self> {
        let Value::Sizes(sizes) = value else { return None };
        let sizes: Option<Vec<_>> = sizes.iter().map(|&size| usize::try_from(size).ok()).collect();
        sizes?.try_into().ok()
    }
}

macro_rules! choice {
    ($type:ty) => {
        impl Argument for $type {
            fn value(&self) -> Value {
                Value::Choice(self.name())
            }

            fn from_value(value: &Value) -> Option<Self> {
                let Value::Choice(name) = value else { return None };
                Self::from_name(name)
            }
        }
    };
}

choice!(ActivationFunction);
choice!(Initialiser);
choice!(Interpolation);

/// A [`Field`] of the struct's member of the same name; the name is enough where it means what it means in most
/// convolutions.
macro_rules! field {
    (filters) => {
        $crate::engine::ops::field::field!(filters: $crate::engine::ops::Kind::Count { least: 1, most: $crate::engine::ops::MOST }, "channels", "Output channels")
    };
    (kernel) => {
        $crate::engine::ops::field::field!(kernel: $crate::engine::ops::Kind::Pair { least: 1, most: $crate::engine::ops::MOST }, "pixels", "Rows and columns of the kernel")
    };
    (stride) => {
        $crate::engine::ops::field::field!(stride: $crate::engine::ops::Kind::Pair { least: 1, most: $crate::engine::ops::MOST }, "pixels", "Step of the window")
    };
    (padding) => {
        $crate::engine::ops::field::field!(padding: $crate::engine::ops::Kind::Padding, "pixels", "Zeros around the image")
    };
    (dilation) => {
        $crate::engine::ops::field::field!(dilation: $crate::engine::ops::Kind::Pair { least: 1, most: $crate::engine::ops::MOST }, "pixels", "Distance of the kernel's taps")
    };
    (groups) => {
        $crate::engine::ops::field::field!(groups: $crate::engine::ops::Kind::Count { least: 1, most: $crate::engine::ops::MOST }, "", "Groups of channels that are convolved apart")
    };
    (bias) => {
        $crate::engine::ops::field::field!(bias: $crate::engine::ops::Kind::Switch, "", "A learned constant per channel")
    };
    (activation) => {
        $crate::engine::ops::field::field!(activation: $crate::engine::ops::Kind::Choice(<$crate::engine::ops::ActivationFunction as $crate::engine::named::Named>::NAMES), "", "The function behind it; linear for none")
    };
    (kernel_initialiser) => {
        $crate::engine::ops::field::field!(kernel_initialiser: $crate::engine::ops::Kind::Choice(<$crate::engine::ops::Initialiser as $crate::engine::named::Named>::NAMES), "", "How the weights start")
    };
    (bias_initialiser) => {
        $crate::engine::ops::field::field!(bias_initialiser: $crate::engine::ops::Kind::Choice(<$crate::engine::ops::Initialiser as $crate::engine::named::Named>::NAMES), "", "How the biases start")
    };
    ($name:ident: $kind:expr, $unit:literal, $tip:literal) => {
        $crate::engine::ops::field::Field {
            facts: $crate::engine::ops::field::Facts {
                name: stringify!($name),
                unit: $unit,
                tip: $tip,
                kind: $kind,
            },
            get: |op| $crate::engine::ops::field::Argument::value(&op.$name),
            set: |op, value| {
                op.$name = $crate::engine::ops::field::Argument::from_value(value)?;
                Some(())
            },
        }
    };
}

pub(in crate::engine) use field;
