//! The operations that bricks hold, one file each.
//!
//! An operation says all there is to know of it in its own file, as an `Operation` (`operation.rs`): its
//! arguments, what it gives for what it is given, what it learns and costs, and how it is computed. A new one is such a
//! file and a line in the list below; nothing else in the program lists operations.

mod arguments;
#[cfg(test)]
mod conformance;
mod field;
mod foreign;
mod merge;
mod operation;
#[cfg(test)]
pub(in crate::engine) mod samples;
mod shape;
mod window;

pub use arguments::{ActivationFunction, Initialiser, Interpolation, Padding, Pair};
pub use field::{Facts, FieldError, Kind, MOST, Value};
pub(in crate::engine) use foreign::advice as foreign_arguments;
pub use merge::Merge;
pub use operation::{Face, Family, Place};
pub use shape::{Cost, Misfit, MisfitKind, Shape};

pub(in crate::engine) use operation::{Effect, Learned, NormSlot, Own, Parameter, Start};
pub(in crate::engine) use shape::misfit;

use super::{
    compute::{Activation, Pass},
    kernels::fused::Fused,
    named::Named,
};
use operation::{AnyOperation, Operation};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Declares the modules of all operations, [`Op`], and what [`Op`] and scene files need to know of all of them.
macro_rules! operations {
    ($($module:ident => $kind:ident $(($op:ident: $arguments:ident))?,)*) => {
        $(mod $module;)*
        $($(pub use $module::$arguments;)?)*

        /// One operation. A node holds any number, which are applied in order (a *block*).
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum Op {
            $(
                #[doc = concat!("See `ops/", stringify!($module), ".rs`.")]
                $kind $(($arguments))?,
            )*
        }

        impl Op {
            /// Every operation as a palette gives it, in the order of palettes.
            pub fn examples() -> Vec<Self> {
                vec![$(operations!(@example $module $kind $(($arguments))?)),*]
            }

            /// Its name in scene files.
            pub fn keyword(&self) -> &'static str {
                match self {
                    $(operations!(@any $kind $(($op))?) => stringify!($kind),)*
                }
            }

            fn any(&self) -> &dyn AnyOperation {
                match self {
                    $(Self::$kind $(($op))? => operations!(@operand $module $kind $(($op))?),)*
                }
            }

            /// As [`Self::any`]; operations without arguments have nothing to change.
            fn any_mut(&mut self) -> Option<&mut dyn AnyOperation> {
                match self {
                    $(Self::$kind $(($op))? => operations!(@operand_mut $kind $(($op))?),)*
                }
            }
        }

        /// What a scene file lists of a node: how its links merge, where that is told, and its operations.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub(in crate::engine) enum Element {
            /// [`Merge::Sum`].
            Add,
            /// [`Merge::Mean`].
            Average,
            /// [`Merge::Concatenate`].
            Concatenate,
            $($kind $(($arguments))?,)*
        }

        impl From<Op> for Element {
            fn from(op: Op) -> Self {
                match op {
                    $(Op::$kind $(($op))? => Self::$kind $(($op))?,)*
                }
            }
        }

        impl Element {
            /// The operation, or the way to merge.
            pub(in crate::engine) fn split(self) -> Result<Op, Merge> {
                match self {
                    Self::Add => Err(Merge::Sum),
                    Self::Average => Err(Merge::Mean),
                    Self::Concatenate => Err(Merge::Concatenate),
                    $(Self::$kind $(($op))? => Ok(Op::$kind $(($op))?),)*
                }
            }
        }

        $(operations!(@from $kind $(($arguments))?);)*
    };
    (@any $kind:ident) => { Self::$kind };
    (@any $kind:ident ($op:ident)) => { Self::$kind(_) };
    (@example $module:ident $kind:ident) => { Op::$kind };
    (@example $module:ident $kind:ident ($arguments:ident)) => {
        Op::$kind(<$arguments as Operation>::example())
    };
    (@operand $module:ident $kind:ident) => { &$module::$kind };
    (@operand $module:ident $kind:ident ($op:ident)) => { $op };
    (@operand_mut $kind:ident) => { None };
    (@operand_mut $kind:ident ($op:ident)) => { Some($op) };
    (@from $kind:ident) => {};
    (@from $kind:ident ($arguments:ident)) => {
        impl From<$arguments> for Op {
            fn from(arguments: $arguments) -> Self {
                Self::$kind(arguments)
            }
        }
    };
}

operations! {
    input => Input(op: Input),
    conv_block => ConvBlock(op: ConvBlock),
    conv2d => Conv2d(op: Conv2d),
    depthwise_conv2d => DepthwiseConv2d(op: DepthwiseConv2d),
    separable_conv2d => SeparableConv2d(op: SeparableConv2d),
    conv_transpose2d => ConvTranspose2d(op: ConvTranspose2d),
    inverted_residual => InvertedResidual(op: InvertedResidual),
    squeeze_excitation => SqueezeExcitation(op: SqueezeExcitation),
    max_pool => MaxPool(op: MaxPool),
    average_pool => AveragePool(op: AveragePool),
    global_average_pool => GlobalAveragePool,
    global_max_pool => GlobalMaxPool,
    dense => Dense(op: Dense),
    dropout => Dropout(op: Dropout),
    activation => Activation(op: Activate),
    relu => Relu(op: Relu),
    elu => Elu(op: Elu),
    leaky_relu => LeakyRelu(op: LeakyRelu),
    prelu => Prelu(op: Prelu),
    softmax => Softmax,
    batch_norm => BatchNorm,
    layer_norm => LayerNorm,
    flatten => Flatten,
    reshape => Reshape(op: Reshape),
    cropping2d => Cropping2d(op: Cropping2d),
    up_sampling2d => UpSampling2d(op: UpSampling2d),
    identity => Identity,
    zero => Zero(op: Zero),
    output => Output,
}

impl Op {
    /// Its name in palettes, in lower case.
    pub fn name(&self) -> &'static str {
        self.any().name()
    }

    /// Its description in one sentence.
    pub fn what(&self) -> &'static str {
        self.any().what()
    }

    /// Its family, for colours and grouping.
    pub fn family(&self) -> Family {
        self.any().family()
    }

    /// Where in a brick's sequence it may stand.
    pub fn place(&self) -> Place {
        self.any().place()
    }

    /// What there is to know of its arguments, in the order of scene files.
    pub fn fields(&self) -> Vec<Facts> {
        self.any().fields()
    }

    /// The value of an argument; `None` where there is none of that name.
    pub fn get(&self, field: &str) -> Option<Value> {
        self.any().get(field)
    }

    /// Gives an argument another value.
    ///
    /// # Errors
    /// When there is no such argument, or it does not take the value; nothing has changed then.
    pub fn set(&mut self, field: &str, value: &Value) -> Result<(), FieldError> {
        let op = self.name();
        let unknown = || FieldError::Unknown { op, field: field.to_owned(), fields: Vec::new() };
        self.any_mut().ok_or_else(unknown)?.set(field, value)
    }

    /// The text on a brick.
    pub fn face(&self) -> Face {
        self.any().face()
    }

    /// Names of the parts that a brick shows as studs, such as `conv`, `batch norm`, `relu`.
    pub fn parts(&self) -> Vec<&'static str> {
        self.any().parts()
    }

    /// The arguments that are out of range, whatever the input.
    pub fn faults(&self) -> Vec<Misfit> {
        self.any().faults()
    }

    /// The output shape for `input` (`None` where nothing feeds it), and what one image costs.
    ///
    /// # Errors
    /// Why it does not fit, and what to do.
    pub fn infer(&self, input: Option<Shape>) -> Result<(Shape, Cost), Misfit> {
        if let Some(fault) = self.faults().into_iter().next() {
            return Err(fault);
        }
        let output = match (self, input) {
            (Self::Input(own), None) => own.shape(),
            (Self::Input(_), Some(_)) => {
                return misfit(
                    MisfitKind::HasInput,
                    "an input has an incoming link",
                    "remove the link",
                );
            }
            (_, None) => {
                return misfit(
                    MisfitKind::NoInput,
                    format!("{self} has no incoming link"),
                    "link a node to it, or delete it",
                );
            }
            (_, Some(input)) => self.any().output(input)?,
        };
        let input = input.unwrap_or(output);
        let parameters = self.learned(input).parameters;
        let params = parameters.iter().map(Parameter::size).fold(0, u64::saturating_add);
        shape::bounded(self, output, params)?;
        Ok((output, Cost { params, flops: self.any().flops(input, output) }))
    }

    /// The parameters that it learns, for an input that fits.
    pub(in crate::engine) fn learned(&self, input: Shape) -> Learned {
        self.any().learned(input)
    }

    /// The most values in memory at one time while it computes an input that fits, without its output.
    pub(in crate::engine) fn working(&self, input: Shape, output: Shape) -> u64 {
        self.any().working(input, output)
    }

    /// The operation without a softmax at its end, for losses that take scores and not shares; `None` where nothing is
    /// left of it.
    pub(in crate::engine) fn without_softmax(&self) -> Option<Self> {
        let softmax = Value::Choice(ActivationFunction::Softmax.name());
        let is_one =
            matches!(self, Self::Softmax) || self.get("function").as_ref() == Some(&softmax);
        if is_one {
            return None;
        }
        let mut op = self.clone();
        if op.get("activation") == Some(softmax) {
            let linear = Value::Choice(ActivationFunction::Linear.name());
            // The field is there and takes it.
            let _set = op.set("activation", &linear);
        }
        Some(op)
    }

    /// What it makes of its input, as far as equal candidates are told by it.
    pub(in crate::engine) fn effect(&self) -> Effect {
        self.any().effect()
    }

    /// The argument that says how many channels or features it gives, where there is one.
    pub(in crate::engine) fn width(&mut self) -> Option<&mut usize> {
        self.any_mut()?.width()
    }

    /// What `behind` does, where it is computed along with this operation, which is faster than behind it.
    pub(in crate::engine) fn along(&self, behind: &Self) -> Option<Fused> {
        match (self, behind) {
            (Self::BatchNorm, Self::Relu(relu)) => ActivationFunction::Relu.fused(relu.max),
            _ => None,
        }
    }

    /// Its output for a batch that fits.
    pub(in crate::engine) fn forward(
        &self,
        x: Activation,
        own: Own<'_>,
        pass: &mut Pass<'_>,
    ) -> Activation {
        self.any().forward(x, own, pass)
    }
}

/// What its face says in short: `conv 3×3 · 64`.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.face().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_is_the_first_field() {
        let mut widths = 0;
        for mut op in Op::examples() {
            let before = op.clone();
            let Some(width) = op.width() else { continue };
            *width += 1;
            let wider = *width;
            let name = op.fields()[0].name;
            assert_eq!(op.get(name), Some(Value::Count(wider)), "{}", op.name());
            let input = Some(Shape::Image([4, 8, 8]));
            let input = if before.infer(input).is_ok() { input } else { Some(Shape::Flat(4)) };
            let channels = |op: &Op| op.infer(input).expect("fits").0.channels();
            assert_eq!(channels(&op), channels(&before) + 1, "{}", op.name());
            widths += 1;
        }
        assert_eq!(
            widths, 6,
            "conv block, conv2d, separable, transposed, inverted residual, dense"
        );
    }

    #[test]
    fn no_two_operations_have_the_same_name() {
        let mut names: Vec<_> = Op::examples().iter().map(Op::name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
