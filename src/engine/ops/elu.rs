//! Exponential linear units.

use super::{
    Effect, Learned, Own, Shape,
    arguments::{ActivationFunction, elu},
    field::{Field, Kind, field},
    operation::{Face, Family, Operation, Place},
    shape::Misfit,
    window::function_flops,
};
use crate::engine::compute::{Activation, Pass};
use serde::{Deserialize, Serialize};

/// x, but α(eˣ − 1) below 0 (Clevert et al. 2015, arXiv 1511.07289).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Elu {
    /// How far below 0 values may come.
    pub alpha: f64,
}

impl Default for Elu {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl Operation for Elu {
    const NAME: &'static str = "elu";
    const FAMILY: Family = Family::Activation;
    const WHAT: &'static str = "Keeps values above 0 and bends the others towards -alpha.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[
        field!(alpha: Kind::Number { least: 0.0, below: 100.0 }, "", "How far below 0 values may come"),
    ];

    fn example() -> Self {
        Self::default()
    }

    fn face(&self) -> Face {
        let alpha = self.alpha.to_string();
        let long = format!("alpha {alpha}");
        Face { name: Self::NAME, window: String::new(), short: alpha, long }
    }

    fn parts(&self) -> Vec<&'static str> {
        vec![Self::NAME]
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        Ok(input)
    }

    fn learned(&self, _input: Shape) -> Learned {
        Learned::NOTHING
    }

    fn flops(&self, _input: Shape, output: Shape) -> u64 {
        function_flops(ActivationFunction::Elu, output)
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        x.map(pass.image, |x| elu(x, self.alpha))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{
        Op,
        samples::{answer, assert_close},
    };

    #[test]
    fn values_below_zero_come_close_to_minus_alpha() {
        let op = Op::from(Elu { alpha: 2.0 });
        // e^100 is infinite: it must not be taken.
        let found = answer(&op, Shape::Flat(4), &[-50.0, -1.0, 0.5, 100.0], &[]);
        let bent = 2.0 * ((-1f32).exp() - 1.0);
        assert_close(&found, &[-2.0, bent, 0.5, 100.0], 1e-6);
    }
}
