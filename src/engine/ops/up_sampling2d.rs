//! Larger images.

use super::{
    Effect, Learned, Own, Shape,
    arguments::{Interpolation, Pair, is_default},
    field::{Field, Kind, MOST, field},
    operation::{Face, Family, Operation, Place},
    shape::{Misfit, image, product},
};
use crate::engine::{
    compute::{Activation, Pass},
    named::Named,
};
use serde::{Deserialize, Serialize};

/// Makes images larger by whole factors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpSampling2d {
    /// Rows and columns for each one of the input.
    pub size: Pair,
    /// What stands in them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub interpolation: Interpolation,
}

impl Operation for UpSampling2d {
    const NAME: &'static str = "up-sampling";
    const FAMILY: Family = Family::Shape;
    const WHAT: &'static str = "Makes an image larger by whole factors.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[
        field!(size: Kind::Pair { least: 1, most: MOST }, "", "Rows and columns for each one of the input"),
        field!(
            interpolation: Kind::Choice(Interpolation::NAMES),
            "",
            "The nearest pixel, or a mixture of the nearest by the distance of centres (align_corners = false)"
        ),
    ];

    fn example() -> Self {
        Self { size: Pair::square(2), interpolation: Interpolation::Nearest }
    }

    fn face(&self) -> Face {
        Face {
            name: Self::NAME,
            window: self.size.to_string(),
            short: self.interpolation.name().to_owned(),
            long: self.interpolation.name().to_owned(),
        }
    }

    fn parts(&self) -> Vec<&'static str> {
        vec![Self::NAME]
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        let [channels, height, width] = image(&self.face().to_string(), input)?;
        let Pair([rows, columns]) = self.size;
        Ok(Shape::Image([channels, height.saturating_mul(rows), width.saturating_mul(columns)]))
    }

    fn learned(&self, _input: Shape) -> Learned {
        Learned::NOTHING
    }

    fn flops(&self, input: Shape, output: Shape) -> u64 {
        match self.interpolation {
            Interpolation::Nearest => 0,
            Interpolation::Bilinear => {
                // Two products and their sum for each value: first of the new rows, then of the new columns.
                let Pair([rows, columns]) = self.size;
                let first = if rows > 1 { product(&[3, input.size(), rows]) } else { 0 };
                let second = if columns > 1 { product(&[3, output.size()]) } else { 0 };
                first.saturating_add(second)
            }
        }
    }

    fn effect(&self) -> Effect {
        if self.size == Pair::ONE { Effect::PassesOn } else { Effect::Computes }
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        let Pair(size) = self.size;
        Activation::Image(pass.image.up_sample(x.image(), size, self.interpolation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{
        Op,
        samples::{answer, assert_close},
    };

    fn larger(
        size: [usize; 2],
        interpolation: Interpolation,
        sides: [usize; 2],
        x: &[f32],
    ) -> Vec<f32> {
        let op = Op::from(UpSampling2d { size: size.into(), interpolation });
        answer(&op, Shape::Image([1, sides[0], sides[1]]), x, &[])
    }

    #[test]
    fn the_nearest_pixel_is_repeated() {
        let found = larger([2, 3], Interpolation::Nearest, [2, 1], &[1.0, 2.0]);
        assert_eq!(found, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]);
    }

    #[test]
    fn mixtures_go_by_the_distance_of_centres() {
        let bilinear = Interpolation::Bilinear;
        // As `torch.nn.Upsample(scale_factor=..., mode="bilinear", align_corners=False)` has it.
        let found = larger([1, 2], bilinear, [1, 2], &[1.0, 2.0]);
        assert_close(&found, &[1.0, 1.25, 1.75, 2.0], 1e-6);
        let found = larger([3, 1], bilinear, [2, 1], &[0.0, 3.0]);
        assert_close(&found, &[0.0, 0.0, 1.0, 2.0, 3.0, 3.0], 1e-6);
        assert_close(&larger([2, 2], bilinear, [1, 1], &[7.0]), &[7.0; 4], 1e-6);
        let found = larger([2, 2], bilinear, [2, 2], &[0.0, 4.0, 8.0, 12.0]);
        let row = |left: f32| [left, left + 1.0, left + 3.0, left + 4.0];
        assert_close(&found, &[row(0.0), row(2.0), row(6.0), row(8.0)].concat(), 1e-6);
    }

    #[test]
    fn a_factor_of_one_passes_on() {
        let op = |size: [usize; 2]| {
            Op::from(UpSampling2d { size: size.into(), interpolation: Interpolation::Bilinear })
        };
        assert_eq!(op([1, 1]).effect(), Effect::PassesOn);
        assert_eq!(op([1, 2]).effect(), Effect::Computes);
    }
}
