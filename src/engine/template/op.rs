//! Operations a brick can hold, with their arguments as they are written in scene files.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Zero padding around an image before a window slides over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Padding {
    /// As much as keeps height and width at stride 1 where the kernel is odd: `kernel / 2` on each side.
    #[default]
    Same,
    /// None.
    Valid,
    /// This many rows and columns on each side.
    Pixels(usize),
}

impl Padding {
    /// Rows and columns added on each side for a square kernel.
    pub fn pixels(self, kernel: usize) -> usize {
        match self {
            Self::Same => kernel / 2,
            Self::Valid => 0,
            Self::Pixels(pixels) => pixels,
        }
    }
}

/// One operation. A node holds one, or a sequence that is applied in order (a *block*).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Op {
    /// Where the images enter; the shape is channels, height, width.
    Input {
        /// Channels, height and width of one image.
        shape: [usize; 3],
    },
    /// Convolution, batch normalisation and ReLU, each of which can be switched off.
    ConvBlock {
        /// Output channels.
        filters: usize,
        /// Height and width of the (square) kernel.
        kernel: usize,
        /// Step of the window.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        stride: usize,
        /// Zeros around the image.
        #[serde(default, skip_serializing_if = "is_default")]
        padding: Padding,
        /// Whether the convolution adds a learned constant a channel.
        #[serde(default, skip_serializing_if = "is_default")]
        bias: bool,
        /// Whether there is a convolution; without it, filters and kernel are ignored.
        #[serde(default = "yes", skip_serializing_if = "is_true")]
        conv: bool,
        /// Whether there is a batch normalisation.
        #[serde(default = "yes", skip_serializing_if = "is_true")]
        batch_norm: bool,
        /// Whether there is a ReLU.
        #[serde(default = "yes", skip_serializing_if = "is_true")]
        relu: bool,
    },
    /// The largest value of each window.
    MaxPool {
        /// Height and width of the window.
        kernel: usize,
        /// Step of the window.
        stride: usize,
        /// Margin around the image, which never wins.
        #[serde(default, skip_serializing_if = "is_default")]
        padding: usize,
    },
    /// The mean of each window; padding does not count.
    AveragePool {
        /// Height and width of the window.
        kernel: usize,
        /// Step of the window.
        stride: usize,
        /// Margin around the image, which is left out of the mean.
        #[serde(default, skip_serializing_if = "is_default")]
        padding: usize,
    },
    /// The mean of each channel; leaves a flat vector.
    GlobalAveragePool,
    /// The sum of all kept incoming links (any other node takes their mean).
    Add,
    /// A fully connected layer on a flat vector.
    Dense {
        /// Output features.
        units: usize,
        /// Whether a ReLU follows.
        #[serde(default, skip_serializing_if = "is_default")]
        relu: bool,
    },
    /// Turns an image into a flat vector.
    Flatten,
    /// Zeroes a share of the values in training, does nothing in evaluation.
    Dropout {
        /// Probability that a value is zeroed, in `0..1`.
        rate: f64,
    },
    /// Passes its input on.
    Identity,
    /// Where the class scores leave; its input must be flat, one value a class.
    Output,
}

/// What an operation does, for colours and grouping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Convolution blocks.
    Convolution,
    /// Pooling of any kind.
    Pooling,
    /// Dense, flatten, dropout.
    Dense,
    /// Operations that join several links.
    Merge,
    /// Input and output.
    Terminal,
    /// Identity.
    Identity,
}

impl Family {
    /// Every family, in the order of legends.
    pub const ALL: [Self; 6] = [
        Self::Convolution,
        Self::Pooling,
        Self::Dense,
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
            Self::Merge => "Merge",
            Self::Terminal => "Input and output",
            Self::Identity => "Identity",
        }
    }
}

impl Op {
    /// The operation's name as it stands on bricks and in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input { .. } => "input",
            Self::ConvBlock { conv: true, .. } => "conv",
            Self::ConvBlock { batch_norm: true, .. } => "batch norm",
            Self::ConvBlock { .. } => "relu",
            Self::MaxPool { .. } => "max pool",
            Self::AveragePool { .. } => "average pool",
            Self::GlobalAveragePool => "global average",
            Self::Add => "add",
            Self::Dense { .. } => "dense",
            Self::Flatten => "flatten",
            Self::Dropout { .. } => "dropout",
            Self::Identity => "identity",
            Self::Output => "output",
        }
    }

    /// What the operation does, for colours and grouping.
    pub fn family(&self) -> Family {
        match self {
            Self::Input { .. } | Self::Output => Family::Terminal,
            Self::ConvBlock { .. } => Family::Convolution,
            Self::MaxPool { .. } | Self::AveragePool { .. } | Self::GlobalAveragePool => {
                Family::Pooling
            }
            Self::Add => Family::Merge,
            Self::Dense { .. } | Self::Flatten | Self::Dropout { .. } => Family::Dense,
            Self::Identity => Family::Identity,
        }
    }

    /// Names of the parts that a brick shows, such as `conv`, `batch norm`, `relu`.
    pub fn parts(&self) -> Vec<&'static str> {
        match *self {
            Self::ConvBlock { conv, batch_norm, relu, .. } => {
                [(conv, "conv"), (batch_norm, "batch norm"), (relu, "relu")]
                    .into_iter()
                    .filter_map(|(on, name)| on.then_some(name))
                    .collect()
            }
            Self::Dense { relu: true, .. } => vec!["dense", "relu"],
            _ => vec![self.name()],
        }
    }
}

/// The name with its key argument: `conv 3x3 . 64`, written with a middle dot.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match *self {
            Self::Input { shape: [c, h, w] } => write!(f, "{name} {c}×{h}×{w}"),
            Self::ConvBlock { conv: true, kernel, filters, stride, .. } => {
                write!(f, "{name} {kernel}×{kernel} · {filters}")?;
                if stride > 1 { write!(f, " /{stride}") } else { Ok(()) }
            }
            Self::MaxPool { kernel, .. } | Self::AveragePool { kernel, .. } => {
                write!(f, "{name} {kernel}×{kernel}")
            }
            Self::Dense { units, .. } => write!(f, "{name} {units}"),
            Self::Dropout { rate } => write!(f, "{name} {rate}"),
            _ => f.write_str(name),
        }
    }
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

// serde hands every field over by reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_one(value: &usize) -> bool {
    *value == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_true(value: &bool) -> bool {
    *value
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
