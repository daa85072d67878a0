//! Nothing, as a choice.

use super::{
    Effect, Learned, Own, Shape,
    arguments::{Pair, is_one, one},
    field::{Field, Kind, MOST, field},
    operation::{Face, Family, Operation, Place},
    shape::{Misfit, image},
    window::stride_text,
};
use crate::engine::compute::{Activation, Pass};
use serde::{Deserialize, Serialize};

/// Zeros, whatever comes in: the alternative that cuts a path (Dong and Yang 2020, arXiv 2001.00326).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zero {
    /// Step between the pixels that are left, as of a convolution whose padding keeps the image.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub stride: Pair,
}

impl Operation for Zero {
    const NAME: &'static str = "zero";
    const FAMILY: Family = Family::Identity;
    const WHAT: &'static str = "Zeros, whatever comes in: a cut among its alternatives.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[
        field!(stride: Kind::Pair { least: 1, most: MOST }, "pixels", "Step between the pixels that are left"),
    ];

    fn example() -> Self {
        Self { stride: Pair::ONE }
    }

    fn face(&self) -> Face {
        let step = stride_text(self.stride).trim_start().to_owned();
        Face { name: Self::NAME, window: String::new(), short: step.clone(), long: step }
    }

    fn parts(&self) -> Vec<&'static str> {
        vec![Self::NAME]
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        if self.stride == Pair::ONE {
            return Ok(input);
        }
        let [channels, height, width] = image(&self.face().to_string(), input)?;
        let Pair([rows, columns]) = self.stride;
        Ok(Shape::Image([channels, height.div_ceil(rows), width.div_ceil(columns)]))
    }

    fn learned(&self, _input: Shape) -> Learned {
        Learned::NOTHING
    }

    fn flops(&self, _input: Shape, _output: Shape) -> u64 {
        0
    }

    fn effect(&self) -> Effect {
        Effect::Zeros
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        let input = x.shape(pass.image);
        // It fits: flat vectors have no stride.
        let output = self.output(input).unwrap_or(input);
        Activation::zeros(output, x.batch(), pass.image, &x.device().without_autodiff())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{ConvBlock, MisfitKind, Op, samples::answer};

    #[test]
    fn it_gives_zeros_of_the_shape_that_a_convolution_would_give() {
        for (stride, side) in [(1, 5), (2, 5), (2, 6), (3, 7), (4, 3)] {
            let input = Shape::Image([2, side, side + 1]);
            let zero = Op::from(Zero { stride: stride.into() });
            let conv = Op::from(ConvBlock { stride: stride.into(), ..ConvBlock::new(2, 3) });
            let shape = |op: &Op| op.infer(Some(input)).expect("fits").0;
            assert_eq!(shape(&zero), shape(&conv));
            let x = vec![f32::NAN; input.size()];
            assert!(answer(&zero, input, &x, &[]).iter().all(|&value| value == 0.0));
        }
    }

    #[test]
    fn vectors_have_no_stride() {
        let infer =
            |stride: usize| Op::from(Zero { stride: stride.into() }).infer(Some(Shape::Flat(3)));
        assert_eq!(infer(1).map(|(shape, _)| shape), Ok(Shape::Flat(3)));
        assert_eq!(infer(2).map_err(|misfit| misfit.kind), Err(MisfitKind::NeedsImage));
    }
}
