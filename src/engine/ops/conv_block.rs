//! Convolution, batch normalisation and activation function in one brick.

use super::{
    Effect, Learned, Own, Shape,
    arguments::{
        ActivationFunction, Initialiser, Padding, Pair, is_default, is_one, is_single, is_true,
        one, single, yes,
    },
    field::{Field, Kind, field},
    operation::{Face, Family, NormSlot, Operation, Parameter, Place},
    shape::{Misfit, image},
    window::{Convolution, function_flops, stride_text},
};
use crate::engine::{
    compute::{Activation, BatchNorm, Pass},
    named::Named,
};
use serde::{Deserialize, Serialize};

/// Convolution, batch normalisation and activation function, each of which can be switched off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct ConvBlock {
    /// Output channels.
    pub filters: usize,
    /// Rows and columns of the kernel.
    pub kernel: Pair,
    /// Step of the window.
    #[serde(skip_serializing_if = "is_one")]
    pub stride: Pair,
    /// Zeros around the image.
    #[serde(skip_serializing_if = "is_default")]
    pub padding: Padding,
    /// Distance of the kernel's taps.
    #[serde(skip_serializing_if = "is_one")]
    pub dilation: Pair,
    /// Groups of channels that are convolved apart.
    #[serde(skip_serializing_if = "is_single")]
    pub groups: usize,
    /// Whether the convolution adds a learned constant per channel.
    #[serde(skip_serializing_if = "is_default")]
    pub bias: bool,
    /// Whether there is a convolution; without it, the arguments above are ignored.
    #[serde(skip_serializing_if = "is_true")]
    pub conv: bool,
    /// Whether there is a batch normalisation.
    #[serde(skip_serializing_if = "is_true")]
    pub batch_norm: bool,
    /// The activation function; `Linear` for none.
    #[serde(skip_serializing_if = "is_default")]
    pub activation: ActivationFunction,
    /// The largest value that leaves it, if there is a bound (6 makes a ReLU a `Relu6`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// How the weights start.
    #[serde(skip_serializing_if = "is_default")]
    pub kernel_initialiser: Initialiser,
    /// How the biases start.
    #[serde(skip_serializing_if = "is_default")]
    pub bias_initialiser: Initialiser,
}

/// As it stands in files: those of version 1 say `relu: false` where there is no activation function.
#[derive(Deserialize)]
#[serde(rename = "ConvBlock", deny_unknown_fields)]
struct Written {
    filters: usize,
    kernel: Pair,
    #[serde(default = "one")]
    stride: Pair,
    #[serde(default)]
    padding: Padding,
    #[serde(default = "one")]
    dilation: Pair,
    #[serde(default = "single")]
    groups: usize,
    #[serde(default)]
    bias: bool,
    #[serde(default = "yes")]
    conv: bool,
    #[serde(default = "yes")]
    batch_norm: bool,
    relu: Option<bool>,
    activation: Option<ActivationFunction>,
    #[serde(default)]
    max: Option<f64>,
    #[serde(default)]
    kernel_initialiser: Initialiser,
    #[serde(default)]
    bias_initialiser: Initialiser,
}

impl TryFrom<Written> for ConvBlock {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let activation = match (written.relu, written.activation) {
            (Some(_), Some(_)) => {
                return Err("a block has either `relu` or `activation`, not both");
            }
            (None, Some(function)) => function,
            (Some(true) | None, None) => ActivationFunction::Relu,
            (Some(false), None) => ActivationFunction::Linear,
        };
        Ok(Self {
            filters: written.filters,
            kernel: written.kernel,
            stride: written.stride,
            padding: written.padding,
            dilation: written.dilation,
            groups: written.groups,
            bias: written.bias,
            conv: written.conv,
            batch_norm: written.batch_norm,
            activation,
            max: written.max,
            kernel_initialiser: written.kernel_initialiser,
            bias_initialiser: written.bias_initialiser,
        })
    }
}

impl ConvBlock {
    /// With so many filters and a kernel of this size, and everything else as files have it by default.
    pub fn new(filters: usize, kernel: impl Into<Pair>) -> Self {
        Self {
            filters,
            kernel: kernel.into(),
            stride: Pair::ONE,
            padding: Padding::Same,
            dilation: Pair::ONE,
            groups: 1,
            bias: false,
            conv: true,
            batch_norm: true,
            activation: ActivationFunction::Relu,
            max: None,
            kernel_initialiser: Initialiser::Aligned,
            bias_initialiser: Initialiser::Aligned,
        }
    }

    fn convolution(&self) -> Convolution {
        Convolution {
            filters: self.filters,
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
            groups: self.groups,
            bias: self.bias,
            kernel_initialiser: self.kernel_initialiser,
            bias_initialiser: self.bias_initialiser,
            function: self.activation,
        }
    }

    fn acts(&self) -> bool {
        self.activation != ActivationFunction::Linear || self.max.is_some()
    }
}

impl Operation for ConvBlock {
    const NAME: &'static str = "conv block";
    const FAMILY: Family = Family::Convolution;
    const WHAT: &'static str = "A convolution, a batch normalisation and an activation function, each of which can be switched off.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[
        field!(filters),
        field!(kernel),
        field!(stride),
        field!(padding),
        field!(dilation),
        field!(groups),
        field!(bias),
        field!(conv: Kind::Switch, "", "Whether there is a convolution"),
        field!(batch_norm: Kind::Switch, "", "Whether there is a batch normalisation"),
        field!(activation),
        field!(max: Kind::Bound, "", "The largest value that leaves it; 6 makes a ReLU a ReLU6"),
        field!(kernel_initialiser),
        field!(bias_initialiser),
    ];

    fn example() -> Self {
        Self::new(16, 3)
    }

    fn face(&self) -> Face {
        if self.conv {
            let step = stride_text(self.stride);
            return Face {
                name: "conv",
                window: self.kernel.to_string(),
                short: format!("{}{step}", self.filters),
                long: format!("{} filters{step}", self.filters),
            };
        }
        let name = match (self.batch_norm, self.acts()) {
            (true, _) => "batch norm",
            (false, true) => self.activation.name(),
            (false, false) => "empty block",
        };
        Face { name, ..Face::default() }
    }

    fn parts(&self) -> Vec<&'static str> {
        [
            (self.conv, "conv"),
            (self.batch_norm, "batch norm"),
            (self.acts(), self.activation.name()),
        ]
        .into_iter()
        .filter_map(|(on, name)| on.then_some(name))
        .collect()
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        let name = self.face().to_string();
        if self.conv {
            self.convolution().output(&name, input)
        } else {
            Ok(Shape::Image(image(&name, input)?))
        }
    }

    fn learned(&self, input: Shape) -> Learned {
        let mut learned = Learned::NOTHING;
        let channels = if self.conv {
            let roles = ["weight", "bias"];
            learned.parameters = self.convolution().parameters(input.channels(), roles);
            self.filters
        } else {
            input.channels()
        };
        if self.batch_norm {
            learned.parameters.push(Parameter::per_channel("gamma", channels, 1.0));
            learned.parameters.push(Parameter::per_channel("beta", channels, 0.0));
            learned.norms.push(NormSlot { role: "", channels });
        }
        learned
    }

    fn flops(&self, input: Shape, output: Shape) -> u64 {
        let values = output.size() as u64;
        let conv = if self.conv { self.convolution().flops(input, output) } else { 0 };
        let norm = if self.batch_norm { 2 * values } else { 0 };
        let bound = if self.max.is_some() { values } else { 0 };
        [norm, function_flops(self.activation, output), bound]
            .into_iter()
            .fold(conv, u64::saturating_add)
    }

    fn effect(&self) -> Effect {
        if self.conv || self.batch_norm || self.acts() {
            Effect::Computes
        } else {
            Effect::PassesOn
        }
    }

    fn width(&mut self) -> Option<&mut usize> {
        self.conv.then_some(&mut self.filters)
    }

    fn forward(&self, x: Activation, mut own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        let x = x.image();
        let [channels, ..] = pass.image.shape(&x);
        let conv = if self.conv {
            let convolution = self.convolution();
            Some((convolution.filters(channels, &mut own), convolution.sweep()))
        } else {
            None
        };
        let norm = self.batch_norm.then(|| BatchNorm::of(&mut own));
        Activation::Image(pass.block(x, conv, norm, self.activation, self.max))
    }
}
