//! Fully connected layers.

use super::{
    Effect, Learned, Own, Shape,
    arguments::{ActivationFunction, Initialiser, is_default, is_linear, is_true, yes},
    field::{Field, Kind, MOST, field},
    operation::{Face, Family, Operation, Parameter, Place, Start},
    shape::{Misfit, flat, product},
    window::{bias_parameter, function_flops},
};
use crate::engine::{
    compute::{Activation, Pass},
    named::Named,
};
use burn::tensor::{Tensor, module::linear};
use serde::{Deserialize, Serialize};

/// A fully connected layer on a flat vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Dense {
    /// Output features.
    pub units: usize,
    /// The activation function; `Linear` for none.
    #[serde(skip_serializing_if = "is_linear")]
    pub activation: ActivationFunction,
    /// Whether it adds a learned constant per unit.
    #[serde(skip_serializing_if = "is_true")]
    pub bias: bool,
    /// How the weights start.
    #[serde(skip_serializing_if = "is_default")]
    pub kernel_initialiser: Initialiser,
    /// How the biases start.
    #[serde(skip_serializing_if = "is_default")]
    pub bias_initialiser: Initialiser,
}

/// As it stands in files: those of version 1 say `relu: true` for that activation function.
#[derive(Deserialize)]
#[serde(rename = "Dense", deny_unknown_fields)]
struct Written {
    units: usize,
    relu: Option<bool>,
    activation: Option<ActivationFunction>,
    #[serde(default = "yes")]
    bias: bool,
    #[serde(default)]
    kernel_initialiser: Initialiser,
    #[serde(default)]
    bias_initialiser: Initialiser,
}

impl TryFrom<Written> for Dense {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let activation = match (written.relu, written.activation) {
            (Some(_), Some(_)) => {
                return Err("a dense layer has either `relu` or `activation`, not both");
            }
            (None, Some(function)) => function,
            (Some(true), None) => ActivationFunction::Relu,
            (Some(false) | None, None) => ActivationFunction::Linear,
        };
        Ok(Self {
            units: written.units,
            activation,
            bias: written.bias,
            kernel_initialiser: written.kernel_initialiser,
            bias_initialiser: written.bias_initialiser,
        })
    }
}

impl Dense {
    /// With so many units, and everything else as files have it by default.
    pub fn new(units: usize) -> Self {
        Self {
            units,
            activation: ActivationFunction::Linear,
            bias: true,
            kernel_initialiser: Initialiser::Aligned,
            bias_initialiser: Initialiser::Aligned,
        }
    }

    /// What it makes of vectors, with the next of an operation's values.
    pub(super) fn apply(&self, x: Tensor<2>, own: &mut Own<'_>) -> Tensor<2> {
        let [_, features] = x.dims();
        let weight = own.next_value().reshape([features, self.units]);
        let x = linear(x, weight, self.bias.then(|| own.next_value()));
        self.activation.apply(x, 1)
    }
}

impl Operation for Dense {
    const NAME: &'static str = "dense";
    const FAMILY: Family = Family::Dense;
    const WHAT: &'static str = "Each unit weighs all values of a flat vector.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[
        field!(units: Kind::Count { least: 1, most: MOST }, "features", "Output features"),
        field!(activation),
        field!(bias: Kind::Switch, "", "A learned constant per unit"),
        field!(kernel_initialiser),
        field!(bias_initialiser),
    ];

    fn example() -> Self {
        Self::new(10)
    }

    fn face(&self) -> Face {
        Face {
            name: Self::NAME,
            window: String::new(),
            short: self.units.to_string(),
            long: crate::format::counted(self.units, "unit", "units"),
        }
    }

    fn parts(&self) -> Vec<&'static str> {
        match self.activation {
            ActivationFunction::Linear => vec![Self::NAME],
            function => vec![Self::NAME, function.name()],
        }
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        flat(&format!("{} {}", Self::NAME, self.units), input)?;
        Ok(Shape::Flat(self.units))
    }

    fn learned(&self, input: Shape) -> Learned {
        let features = input.size();
        let mut parameters = vec![Parameter {
            role: "weight",
            shape: vec![features, self.units],
            start: Start::Drawn {
                initialiser: self.kernel_initialiser,
                kernel: None,
                inputs: features,
                outputs: self.units,
                gain: self.activation.gain(),
            },
            decays: true,
        }];
        if self.bias {
            parameters.push(bias_parameter("bias", self.units, self.bias_initialiser));
        }
        Learned { parameters, norms: Vec::new() }
    }

    fn flops(&self, input: Shape, output: Shape) -> u64 {
        let weights = product(&[2, input.size(), self.units]);
        weights.saturating_add(function_flops(self.activation, output))
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        Some(&mut self.units)
    }

    fn forward(&self, x: Activation, mut own: Own<'_>, _pass: &mut Pass<'_>) -> Activation {
        Activation::Flat(self.apply(x.flat(), &mut own))
    }
}
