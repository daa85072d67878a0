//! Shapes of activations, what operations cost, and why one does not fit its input.

use std::{
    fmt,
    ops::{Add, AddAssign},
};

/// The shape of one image's activation, without the batch dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Channels, height, width.
    Image([usize; 3]),
    /// Features.
    Flat(usize),
}

impl Shape {
    /// The number of values, saturating.
    pub fn size(self) -> usize {
        match self {
            Self::Image(dims) => {
                dims.iter().fold(1, |size: usize, &side| size.saturating_mul(side))
            }
            Self::Flat(features) => features,
        }
    }

    /// Channels of an image, features of a vector.
    pub fn channels(self) -> usize {
        match self {
            Self::Image([channels, ..]) => channels,
            Self::Flat(features) => features,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image([c, h, w]) => write!(f, "{c}×{h}×{w}"),
            Self::Flat(features) => write!(f, "{features}"),
        }
    }
}

/// The cost of a node or a network for one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Trained parameters.
    pub params: u64,
    /// Floating-point operations of one forward pass, multiplication and addition counted apart.
    pub flops: u64,
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            params: self.params.saturating_add(other.params),
            flops: self.flops.saturating_add(other.flops),
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// Why an operation does not fit its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The same for programs that offer an edit.
    pub kind: MisfitKind,
    /// The mistake.
    pub what: String,
    /// The fix.
    pub fix: String,
}

/// Kinds of [`Misfit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MisfitKind {
    /// An argument is out of range.
    Argument {
        /// Which.
        field: &'static str,
    },
    /// It takes a flat vector and gets an image.
    NeedsFlat,
    /// It takes an image and gets a flat vector.
    NeedsImage,
    /// Nothing feeds it.
    NoInput,
    /// It is where images enter, and something feeds it.
    HasInput,
    /// Its window is larger than the image with its padding.
    Window,
    /// Its padding leaves windows empty.
    Padding,
    /// Its number of channels or groups does not divide what comes in.
    Groups,
    /// The numbers of values before and after it differ.
    Values,
    /// Its activation or its weights are too many.
    Size,
}

/// The largest activation (values per image) and the most weights of an operation that are accepted: far above what can
/// be trained, and small enough that no size overflows.
const MAX_ACTIVATION: u64 = 1 << 28;
const MAX_WEIGHTS: u64 = 1 << 28;

/// The product of `factors`, saturating: costs are for reading, not for allocating.
pub(in crate::engine) fn product(factors: &[usize]) -> u64 {
    factors.iter().fold(1, |product: u64, &factor| product.saturating_mul(factor as u64))
}

pub(in crate::engine) fn misfit<T>(
    kind: MisfitKind,
    what: impl Into<String>,
    fix: impl Into<String>,
) -> Result<T, Misfit> {
    Err(Misfit { kind, what: what.into(), fix: fix.into() })
}

/// The channels, height and width of an image that the operation called `name` is given.
pub(in crate::engine) fn image(name: &str, input: Shape) -> Result<[usize; 3], Misfit> {
    match input {
        Shape::Image(dims) => Ok(dims),
        Shape::Flat(features) => misfit(
            MisfitKind::NeedsImage,
            format!("{name} needs an image but gets a flat vector of {features}"),
            "move it before the flatten or global pooling",
        ),
    }
}

/// The features of a flat vector that the operation called `name` is given.
pub(in crate::engine) fn flat(name: &str, input: Shape) -> Result<usize, Misfit> {
    match input {
        Shape::Flat(features) => Ok(features),
        Shape::Image(_) => misfit(
            MisfitKind::NeedsFlat,
            format!("{name} needs a flat vector but gets an image of {input}"),
            "put a flatten or a global pooling before it",
        ),
    }
}

/// Makes sure that a shape and a number of weights can be handled.
pub(in crate::engine) fn bounded(
    name: &dyn fmt::Display,
    output: Shape,
    params: u64,
) -> Result<(), Misfit> {
    let values = match output {
        Shape::Image(dims) => product(&dims),
        Shape::Flat(features) => features as u64,
    };
    if values > MAX_ACTIVATION {
        return misfit(
            MisfitKind::Size,
            format!("{name} makes {output} = {values} values per image"),
            format!("make it smaller; at most {MAX_ACTIVATION} can be handled"),
        );
    }
    if params > MAX_WEIGHTS {
        return misfit(
            MisfitKind::Size,
            format!("{name} would have {params} weights"),
            format!("make it or its input smaller; at most {MAX_WEIGHTS} can be handled"),
        );
    }
    Ok(())
}
