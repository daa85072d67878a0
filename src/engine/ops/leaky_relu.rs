//! Leaky rectified linear units.

use super::{
    Effect, Learned, Own, Shape,
    field::{Field, Kind, field},
    operation::{Face, Family, Operation, Place},
    shape::Misfit,
};
use crate::engine::compute::{Activation, Pass};
use burn::tensor::activation::leaky_relu;
use serde::{Deserialize, Serialize};

/// x, but αx below 0 (Maas et al. 2013). α is 0.3 where files do not say it, as in Keras; in PyTorch it is 0.01.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeakyRelu {
    /// The factor of values below 0.
    pub alpha: f64,
}

impl Default for LeakyRelu {
    fn default() -> Self {
        Self { alpha: 0.3 }
    }
}

impl Operation for LeakyRelu {
    const NAME: &'static str = "leaky relu";
    const FAMILY: Family = Family::Activation;
    const WHAT: &'static str = "Keeps values above 0 and makes the others smaller.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[
        field!(alpha: Kind::Number { least: 0.0, below: 100.0 }, "", "The factor of values below 0; 0.3 in Keras, 0.01 in PyTorch"),
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
        // A comparison and a product.
        2 * output.size() as u64
    }

    #[expect(clippy::float_cmp, reason = "only the factor 1 itself changes nothing")]
    fn effect(&self) -> Effect {
        if self.alpha == 1.0 { Effect::PassesOn } else { Effect::Computes }
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        x.map(pass.image, |x| leaky_relu(x, self.alpha))
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
    fn values_below_zero_are_scaled() {
        let x = [-2.0, 0.0, 3.0, -10.0];
        let of = |alpha| answer(&LeakyRelu { alpha }.into(), Shape::Image([2, 2, 1]), &x, &[]);
        assert_close(&of(0.3), &[-0.6, 0.0, 3.0, -3.0], 1e-6);
        assert_eq!(of(1.0), x);
        assert_eq!(Op::from(LeakyRelu { alpha: 1.0 }).effect(), Effect::PassesOn);
        assert_eq!(Op::from(LeakyRelu::default()).effect(), Effect::Computes);
    }
}
