//! What every operation says of itself.

use super::{
    Shape,
    arguments::Initialiser,
    field::{Facts, Field, FieldError, Value},
    shape::{Misfit, MisfitKind},
};
use crate::engine::{
    compute::{Activation, Pass},
    kernels::fused::Fused,
};
use burn::tensor::Tensor;
use std::fmt;

/// The family of an operation, for colours and grouping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Convolutions, alone and in blocks.
    Convolution,
    /// Pooling of any kind.
    Pooling,
    /// Dense and dropout.
    Dense,
    /// Functions of single values.
    Activation,
    /// Batch and layer normalisation.
    Normalisation,
    /// Operations that only move values: flatten, reshape, cropping, up-sampling.
    Shape,
    /// Bricks that join several links and do nothing else.
    Merge,
    /// Input and output.
    Terminal,
    /// Identity and zero.
    Identity,
}

impl Family {
    /// Every family, in the order of legends.
    pub const ALL: [Self; 9] = [
        Self::Convolution,
        Self::Pooling,
        Self::Dense,
        Self::Activation,
        Self::Normalisation,
        Self::Shape,
        Self::Merge,
        Self::Terminal,
        Self::Identity,
    ];

    /// Its name, as it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Convolution => "Convolution",
            Self::Pooling => "Pooling",
            Self::Dense => "Dense",
            Self::Activation => "Activation",
            Self::Normalisation => "Normalisation",
            Self::Shape => "Shape",
            Self::Merge => "Merge",
            Self::Terminal => "Input and output",
            Self::Identity => "Identity",
        }
    }

    /// How telling it is of a brick that holds several families; the lowest gives the brick its colour.
    pub(in crate::engine) fn rank(self) -> u8 {
        match self {
            Self::Convolution => 0,
            Self::Terminal => 1,
            Self::Dense => 2,
            Self::Pooling => 3,
            Self::Normalisation => 4,
            Self::Activation => 5,
            Self::Merge => 6,
            Self::Shape => 7,
            Self::Identity => 8,
        }
    }
}

/// Where in a brick's sequence an operation may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Only first.
    First,
    /// Anywhere.
    Anywhere,
    /// Only last.
    Last,
}

/// What an operation makes of its input, as far as equal candidates are told by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Effect {
    /// The same, bit for bit: it is not computed at all.
    PassesOn,
    /// The same in evaluation; in training something else.
    PassesOnInEvaluation,
    /// Zeros, whatever comes in.
    Zeros,
    /// Something else.
    Computes,
}

/// The text on a brick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Face {
    /// The short name, in lower case.
    pub name: &'static str,
    /// The size of a window; empty where there is none.
    pub window: String,
    /// The argument that tells most; empty where there is none.
    pub short: String,
    /// The same with its unit.
    pub long: String,
}

/// The name with its window and its most telling argument: `conv 3×3 · 64`.
impl fmt::Display for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, window, short, .. } = self;
        f.write_str(name)?;
        if !window.is_empty() {
            write!(f, " {window}")?;
        }
        if !short.is_empty() {
            let between = if window.is_empty() { " " } else { " · " };
            write!(f, "{between}{short}")?;
        }
        Ok(())
    }
}

/// How the values of a parameter start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine) enum Start {
    /// All are this.
    Constant(f32),
    /// Drawn.
    Drawn {
        /// From which distribution.
        initialiser: Initialiser,
        /// Rows and columns of the kernels that the last two dimensions of the shape hold, if they do.
        kernel: Option<[usize; 2]>,
        /// Values that enter each sum, per tap of the kernel.
        inputs: usize,
        /// Sums that each value enters, per tap of the kernel.
        outputs: usize,
        /// What the variance is multiplied by for what follows.
        gain: f64,
    },
}

/// A parameter of an operation.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct Parameter {
    /// What it is for; with the operation, its name.
    pub(in crate::engine) role: &'static str,
    pub(in crate::engine) shape: Vec<usize>,
    pub(in crate::engine) start: Start,
    /// Whether weight decay shrinks it. Biases and normalisations are not decayed, as is usual (He et al. 2019, arXiv
    /// 1812.01187).
    pub(in crate::engine) decays: bool,
}

impl Parameter {
    /// One value per channel, which starts at `start` and does not decay.
    pub(in crate::engine) fn per_channel(role: &'static str, count: usize, start: f32) -> Self {
        Self { role, shape: vec![count], start: Start::Constant(start), decays: false }
    }

    /// The number of its values, saturating.
    pub(in crate::engine) fn size(&self) -> u64 {
        super::shape::product(&self.shape)
    }
}

/// A batch normalisation within an operation: it has running statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct NormSlot {
    /// What tells it from others of the operation; empty where there is one.
    pub(in crate::engine) role: &'static str,
    pub(in crate::engine) channels: usize,
}

/// The parameters that an operation learns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine) struct Learned {
    pub(in crate::engine) parameters: Vec<Parameter>,
    pub(in crate::engine) norms: Vec<NormSlot>,
}

impl Learned {
    /// Nothing.
    pub(in crate::engine) const NOTHING: Self = Self { parameters: Vec::new(), norms: Vec::new() };
}

/// What an operation has learned, for a forward pass.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Own<'a> {
    /// Flat values of its parameters, in the order of [`Learned::parameters`].
    pub(in crate::engine) values: &'a [Tensor<1>],
    /// The place of its first batch normalisation among those of the supernet.
    pub(in crate::engine) first_norm: usize,
    /// What is computed along with it, of the operation behind it: nothing, unless [`Op::along`] says so.
    pub(in crate::engine) along: Fused,
}

impl<'a> Own<'a> {
    /// Of an operation that is computed on its own.
    #[cfg(test)]
    pub(in crate::engine) fn alone(values: &'a [Tensor<1>], first_norm: usize) -> Self {
        Self { values, first_norm, along: Fused::Nothing }
    }

    /// The values of the next parameter, which are taken off.
    pub(in crate::engine) fn next_value(&mut self) -> Tensor<1> {
        let value = self.values[0].clone();
        self.values = &self.values[1..];
        value
    }

    /// The place of the next batch normalisation, which is taken off.
    pub(in crate::engine) fn next_norm(&mut self) -> usize {
        let place = self.first_norm;
        self.first_norm += 1;
        place
    }
}

/// An operation. Everything the program knows of one is said here and nowhere else.
pub(in crate::engine) trait Operation: Sized + 'static {
    /// Its name in palettes, in lower case.
    const NAME: &'static str;
    /// Its family, for colours and grouping.
    const FAMILY: Family;
    /// Its description in one sentence.
    const WHAT: &'static str;
    /// Where it may stand.
    const PLACE: Place;
    /// Its arguments, in the order of scene files.
    const FIELDS: &'static [Field<Self>];

    /// As a palette gives it.
    fn example() -> Self;

    /// The text on a brick.
    fn face(&self) -> Face;

    /// Names of the parts that a brick shows as studs, such as `conv`, `batch norm`, `relu`.
    fn parts(&self) -> Vec<&'static str>;

    /// The shape it gives for one that it is given.
    fn output(&self, input: Shape) -> Result<Shape, Misfit>;

    /// The parameters that it learns, for an input that fits.
    fn learned(&self, input: Shape) -> Learned;

    /// Floating-point operations for one input that fits, and its output.
    fn flops(&self, input: Shape, output: Shape) -> u64;

    /// The most values in memory at one time while it computes, without its output.
    fn working(&self, input: Shape, output: Shape) -> u64 {
        // An output may be normalised into another one.
        (input.size() as u64).saturating_add(output.size() as u64)
    }

    /// What it makes of its input, as far as equal candidates are told by it.
    fn effect(&self) -> Effect;

    /// The argument that says how many channels or features it gives, where there is one.
    fn width(&mut self) -> Option<&mut usize>;

    /// Its output for a batch that fits.
    fn forward(&self, x: Activation, own: Own<'_>, pass: &mut Pass<'_>) -> Activation;
}

/// [`Operation`] for values whose type is not known.
pub(super) trait AnyOperation {
    fn name(&self) -> &'static str;
    fn family(&self) -> Family;
    fn what(&self) -> &'static str;
    fn place(&self) -> Place;
    fn fields(&self) -> Vec<Facts>;
    fn get(&self, field: &str) -> Option<Value>;
    fn set(&mut self, field: &str, value: &Value) -> Result<(), FieldError>;
    /// The arguments that are out of range.
    fn faults(&self) -> Vec<Misfit>;
    fn face(&self) -> Face;
    fn parts(&self) -> Vec<&'static str>;
    fn output(&self, input: Shape) -> Result<Shape, Misfit>;
    fn learned(&self, input: Shape) -> Learned;
    fn flops(&self, input: Shape, output: Shape) -> u64;
    fn working(&self, input: Shape, output: Shape) -> u64;
    fn effect(&self) -> Effect;
    fn width(&mut self) -> Option<&mut usize>;
    fn forward(&self, x: Activation, own: Own<'_>, pass: &mut Pass<'_>) -> Activation;
}

impl<T: Operation> AnyOperation for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn family(&self) -> Family {
        T::FAMILY
    }

    fn what(&self) -> &'static str {
        T::WHAT
    }

    fn place(&self) -> Place {
        T::PLACE
    }

    fn fields(&self) -> Vec<Facts> {
        T::FIELDS.iter().map(|field| field.facts).collect()
    }

    fn get(&self, field: &str) -> Option<Value> {
        let field = T::FIELDS.iter().find(|known| known.facts.name == field)?;
        Some((field.get)(self))
    }

    fn set(&mut self, field: &str, value: &Value) -> Result<(), FieldError> {
        let Some(field) = T::FIELDS.iter().find(|known| known.facts.name == field) else {
            return Err(FieldError::Unknown {
                op: T::NAME,
                field: field.to_owned(),
                fields: T::FIELDS.iter().map(|field| field.facts.name).collect(),
            });
        };
        let Facts { name, kind, .. } = field.facts;
        let refused = FieldError::Value {
            op: T::NAME,
            field: name,
            value: value.to_string(),
            wanted: format!("set it to {}", kind.wanted()),
        };
        if !kind.takes(value) {
            return Err(refused);
        }
        (field.set)(self, value).ok_or(refused)
    }

    fn faults(&self) -> Vec<Misfit> {
        let fault = |Field { facts, get, .. }: &Field<T>| {
            let value = get(self);
            (!facts.kind.takes(&value)).then(|| Misfit {
                kind: MisfitKind::Argument { field: facts.name },
                what: format!("the {} of {} cannot be {value}", facts.name, T::NAME),
                fix: format!("set it to {}", facts.kind.wanted()),
            })
        };
        T::FIELDS.iter().filter_map(fault).collect()
    }

    fn face(&self) -> Face {
        Operation::face(self)
    }

    fn parts(&self) -> Vec<&'static str> {
        Operation::parts(self)
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        Operation::output(self, input)
    }

    fn learned(&self, input: Shape) -> Learned {
        Operation::learned(self, input)
    }

    fn flops(&self, input: Shape, output: Shape) -> u64 {
        Operation::flops(self, input, output)
    }

    fn working(&self, input: Shape, output: Shape) -> u64 {
        Operation::working(self, input, output)
    }

    fn effect(&self) -> Effect {
        Operation::effect(self)
    }

    fn width(&mut self) -> Option<&mut usize> {
        Operation::width(self)
    }

    fn forward(&self, x: Activation, own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        Operation::forward(self, x, own, pass)
    }
}
