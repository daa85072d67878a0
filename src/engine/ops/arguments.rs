//! Types of arguments that several operations have, as they are written in scene files.

use crate::engine::{
    compute::Fused,
    named::{Named, named},
};
use burn::tensor::{Tensor, activation};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
};
use std::fmt;

/// Rows and columns; written as one number where both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pair(pub [usize; 2]);

impl Pair {
    /// As many rows as columns.
    pub const fn square(side: usize) -> Self {
        Self([side; 2])
    }

    /// One row and one column.
    pub const ONE: Self = Self::square(1);

    /// No row and no column.
    pub const ZERO: Self = Self::square(0);
}

impl From<usize> for Pair {
    fn from(side: usize) -> Self {
        Self::square(side)
    }
}

impl From<[usize; 2]> for Pair {
    fn from(sides: [usize; 2]) -> Self {
        Self(sides)
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [rows, columns] = self.0;
        write!(f, "{rows}×{columns}")
    }
}

impl Serialize for Pair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [rows, columns] if rows == columns => rows.serialize(serializer),
            both => both.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Pair;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or two: (rows, columns)")
            }

            fn visit_u64<E: serde::de::Error>(self, side: u64) -> Result<Pair, E> {
                let side = usize::try_from(side).map_err(E::custom)?;
                Ok(Pair::square(side))
            }

            fn visit_i64<E: serde::de::Error>(self, side: i64) -> Result<Pair, E> {
                Err(E::custom(format!("{side} is below 0")))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pair, A::Error> {
                let mut next = |place| {
                    let missing = || serde::de::Error::invalid_length(place, &"two numbers");
                    seq.next_element()?.ok_or_else(missing)
                };
                Ok(Pair([next(0)?, next(1)?]))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// Zero padding around an image before a window slides over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Padding {
    /// As much as keeps height and width at stride 1 where the kernel is odd: half of what the kernel covers, rounded
    /// down, on each side.
    #[default]
    Same,
    /// None.
    Valid,
    /// This many rows above and below, and columns left and right.
    Pixels(Pair),
}

impl Padding {
    /// Rows and columns added on each side for a kernel that covers so many.
    pub fn pixels(self, covered: [usize; 2]) -> [usize; 2] {
        match self {
            Self::Same => covered.map(|side| side / 2),
            Self::Valid => [0; 2],
            Self::Pixels(Pair(pixels)) => pixels,
        }
    }
}

impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("same"),
            Self::Valid => f.write_str("valid"),
            Self::Pixels(Pair([rows, columns])) if rows == columns => write!(f, "{rows}"),
            Self::Pixels(Pair([rows, columns])) => write!(f, "{rows}, {columns}"),
        }
    }
}

/// A function of single values (softmax: of the channels of a pixel) that makes a network more than linear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ActivationFunction {
    /// x, but α(eˣ − 1) below 0, with α = 1 (Clevert et al. 2015, arXiv 1511.07289).
    Elu,
    /// 0.2 x + 0.5 between 0 and 1, as in Keras.
    HardSigmoid,
    /// x.
    Linear,
    /// x, but 0 below 0.
    #[default]
    Relu,
    /// x between 0 and 6.
    Relu6,
    /// 1.0507 times an ELU with α = 1.6733 (Klambauer et al. 2017, arXiv 1706.02515).
    Selu,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// eˣ over the sum of all channels' eˣ.
    Softmax,
    /// ln(1 + eˣ).
    Softplus,
    /// x / (1 + |x|).
    Softsign,
    /// The hyperbolic tangent.
    Tanh,
}

/// α of [`ActivationFunction::Selu`].
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
/// Scale of [`ActivationFunction::Selu`].
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

impl ActivationFunction {
    /// Its value for each value of `x`, whose channels are in dimension `channels`.
    pub(in crate::engine) fn apply<const D: usize>(
        self,
        x: Tensor<D>,
        channels: usize,
    ) -> Tensor<D> {
        match self {
            Self::Elu => elu(x, 1.0),
            Self::HardSigmoid => x.mul_scalar(0.2).add_scalar(0.5).clamp(0.0, 1.0),
            Self::Linear => x,
            Self::Relu => activation::relu(x),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::Selu => elu(x, SELU_ALPHA).mul_scalar(SELU_SCALE),
            Self::Sigmoid => activation::sigmoid(x),
            Self::Softmax => activation::softmax(x, channels),
            Self::Softplus => activation::softplus(x, 1.0),
            Self::Softsign => x.clone() / x.abs().add_scalar(1.0),
            Self::Tanh => activation::tanh(x),
        }
    }

    /// This function with an upper bound, if there is one, where the operation before can compute both along.
    pub(in crate::engine) fn fused(self, most: Option<f64>) -> Option<Fused> {
        let up_to = |most: f64| Fused::ReluUpTo(most as f32);
        match (self, most) {
            (Self::Linear, None) => Some(Fused::Nothing),
            (Self::Relu, None) => Some(Fused::Relu),
            (Self::Relu, Some(most)) => Some(up_to(most)),
            (Self::Relu6, most) => Some(up_to(most.map_or(6.0, |most| most.min(6.0)))),
            (Self::Linear, Some(_))
            | (
                Self::Elu
                | Self::HardSigmoid
                | Self::Selu
                | Self::Sigmoid
                | Self::Softmax
                | Self::Softplus
                | Self::Softsign
                | Self::Tanh,
                _,
            ) => None,
        }
    }

    /// Operations per value, as costs count them: one for what compares, and as many more as the formula has.
    pub(in crate::engine) fn flops(self) -> u64 {
        match self {
            Self::Linear => 0,
            Self::Relu | Self::Relu6 => 1,
            Self::Elu | Self::HardSigmoid | Self::Softsign => 3,
            Self::Selu | Self::Sigmoid | Self::Softmax | Self::Softplus | Self::Tanh => 4,
        }
    }

    /// What the variance of weights is multiplied by so that that of activations stays (He et al. 2015, arXiv
    /// 1502.01852): 2 where half of the values become 0, 1 elsewhere.
    pub(in crate::engine) fn gain(self) -> f64 {
        match self {
            Self::Relu | Self::Relu6 => 2.0,
            Self::Elu
            | Self::HardSigmoid
            | Self::Linear
            | Self::Selu
            | Self::Sigmoid
            | Self::Softmax
            | Self::Softplus
            | Self::Softsign
            | Self::Tanh => 1.0,
        }
    }
}

/// x, but α(eˣ − 1) below 0.
pub(in crate::engine) fn elu<const D: usize>(x: Tensor<D>, alpha: f64) -> Tensor<D> {
    // The exponential of positive values may be infinite: it is not taken.
    let below = x.clone().clamp_max(0.0).exp().sub_scalar(1.0).mul_scalar(alpha);
    activation::relu(x) + below
}

named!(ActivationFunction, "activation", {
    Elu => "elu", "x, but e^x - 1 below 0";
    HardSigmoid => "hard-sigmoid", "0.2 x + 0.5 between 0 and 1";
    Linear => "linear", "x, unchanged";
    Relu => "relu", "x, but 0 below 0";
    Relu6 => "relu6", "x between 0 and 6";
    Selu => "selu", "a scaled ELU that keeps mean and variance";
    Sigmoid => "sigmoid", "1 / (1 + e^-x)";
    Softmax => "softmax", "shares of the channels, which add up to 1";
    Softplus => "softplus", "ln(1 + e^x)";
    Softsign => "softsign", "x / (1 + |x|)";
    Tanh => "tanh", "the hyperbolic tangent";
});

/// What stands between the pixels of an image that is made larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Interpolation {
    /// The nearest pixel.
    #[default]
    Nearest,
    /// A mixture of the nearest pixels of both rows and columns, by distance. Pixels are squares and distances are those
    /// of their centres (`align_corners=False` in PyTorch).
    Bilinear,
}

named!(Interpolation, "interpolation", {
    Nearest => "nearest", "the nearest pixel";
    Bilinear => "bilinear", "a mixture of the nearest pixels, by the distance of centres";
});

/// How weights start. Names and formulas are those of Keras, except for the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Initialiser {
    /// He normal, drawn alike by all alternatives of a layer, so that they answer alike from the start.
    #[default]
    Aligned,
    /// 0.
    Zeros,
    /// 1.
    Ones,
    /// Normal with standard deviation 0.05.
    RandomNormal,
    /// Uniform between −0.05 and 0.05.
    RandomUniform,
    /// Normal with standard deviation 0.05, drawn again beyond two of them.
    TruncatedNormal,
    /// Normal with variance 1 / inputs.
    LecunNormal,
    /// Uniform with variance 1 / inputs.
    LecunUniform,
    /// Normal with variance 2 / (inputs + outputs).
    GlorotNormal,
    /// Uniform with variance 2 / (inputs + outputs).
    GlorotUniform,
    /// Normal with variance 2 / inputs.
    HeNormal,
    /// Uniform with variance 2 / inputs.
    HeUniform,
    /// Rows, or columns where there are fewer, are of length 1 and at right angles.
    Orthogonal,
}

named!(Initialiser, "initialiser", {
    Aligned => "aligned", "He normal, drawn alike by the alternatives of a layer";
    Zeros => "zeros", "0";
    Ones => "ones", "1";
    RandomNormal => "random-normal", "normal with standard deviation 0.05";
    RandomUniform => "random-uniform", "uniform between -0.05 and 0.05";
    TruncatedNormal => "truncated-normal", "normal with standard deviation 0.05, cut off at 0.1";
    LecunNormal => "lecun-normal", "normal with variance 1 / inputs";
    LecunUniform => "lecun-uniform", "uniform with variance 1 / inputs";
    GlorotNormal => "glorot-normal", "normal with variance 2 / (inputs + outputs)";
    GlorotUniform => "glorot-uniform", "uniform with variance 2 / (inputs + outputs)";
    HeNormal => "he-normal", "normal with variance 2 / inputs";
    HeUniform => "he-uniform", "uniform with variance 2 / inputs";
    Orthogonal => "orthogonal", "rows of length 1 at right angles";
});

// What serde asks for where a field is left out or at its default.

pub(super) fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
pub(super) fn is_true(value: &bool) -> bool {
    *value
}

pub(super) fn one() -> Pair {
    Pair::ONE
}

pub(super) fn is_one(value: &Pair) -> bool {
    *value == Pair::ONE
}

pub(super) fn zero() -> Pair {
    Pair::ZERO
}

pub(super) fn is_zero(value: &Pair) -> bool {
    *value == Pair::ZERO
}

pub(super) fn single() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
pub(super) fn is_single(value: &usize) -> bool {
    *value == 1
}

pub(super) fn linear() -> ActivationFunction {
    ActivationFunction::Linear
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
pub(super) fn is_linear(value: &ActivationFunction) -> bool {
    *value == ActivationFunction::Linear
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
