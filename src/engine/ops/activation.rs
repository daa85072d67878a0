//! One of the activation functions, alone.

use super::{
    Effect, Learned, Own, Shape,
    arguments::ActivationFunction,
    field::{Field, Kind, field},
    operation::{Face, Family, Operation, Place},
    shape::Misfit,
    window::function_flops,
};
use crate::engine::{
    compute::{Activation, Pass},
    named::Named,
};
use serde::{Deserialize, Serialize};

/// One of the activation functions, alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Activation", deny_unknown_fields)]
pub struct Activate {
    /// Which.
    pub function: ActivationFunction,
}

impl Operation for Activate {
    const NAME: &'static str = "activation";
    const FAMILY: Family = Family::Activation;
    const WHAT: &'static str = "Any of the activation functions.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[
        field!(function: Kind::Choice(ActivationFunction::NAMES), "", "Which function; linear for none"),
    ];

    fn example() -> Self {
        Self { function: ActivationFunction::Relu }
    }

    fn face(&self) -> Face {
        let name = self.function.name();
        Face {
            name: Self::NAME,
            window: String::new(),
            short: name.to_owned(),
            long: name.to_owned(),
        }
    }

    fn parts(&self) -> Vec<&'static str> {
        vec![self.function.name()]
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        Ok(input)
    }

    fn learned(&self, _input: Shape) -> Learned {
        Learned::NOTHING
    }

    fn flops(&self, _input: Shape, output: Shape) -> u64 {
        function_flops(self.function, output)
    }

    fn effect(&self) -> Effect {
        match self.function {
            ActivationFunction::Linear => Effect::PassesOn,
            ActivationFunction::Elu
            | ActivationFunction::HardSigmoid
            | ActivationFunction::Relu
            | ActivationFunction::Relu6
            | ActivationFunction::Selu
            | ActivationFunction::Sigmoid
            | ActivationFunction::Softmax
            | ActivationFunction::Softplus
            | ActivationFunction::Softsign
            | ActivationFunction::Tanh => Effect::Computes,
        }
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        x.apply(self.function, pass.image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{Op, samples::answer};

    #[test]
    fn what_passes_on_changes_nothing_and_the_others_change_something() {
        let x = [-4.0, -0.5, 0.25, 3.0, 7.0, -1.0];
        for &function in ActivationFunction::ALL {
            let op = Op::from(Activate { function });
            for input in [Shape::Flat(3), Shape::Image([3, 1, 2])] {
                let same = answer(&op, input, &x, &[]) == x;
                assert_eq!(same, op.effect() == Effect::PassesOn, "{op} of {input}");
            }
        }
    }
}
