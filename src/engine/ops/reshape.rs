//! The same values in another shape.

use super::{
    Effect, Learned, Own, Shape,
    field::{Field, Kind, field},
    operation::{Face, Family, Operation, Place},
    shape::{Misfit, MisfitKind, misfit},
};
use crate::engine::compute::{Activation, Pass};
use serde::{Deserialize, Serialize};

/// The same values in another shape, in the order of channels, rows and columns, as in PyTorch and in [`super::Op::Flatten`]
/// (Keras orders rows, columns and channels).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reshape {
    /// Features of a vector, or channels, height and width of an image. One of them may be −1: what is left.
    pub shape: Vec<i64>,
}

/// Stands for what is left.
const OPEN: i64 = -1;

impl Reshape {
    /// The shape that so many values get.
    fn target(&self, values: usize) -> Result<Shape, Misfit> {
        let name = self.face();
        let known = self.shape.iter().filter(|&&side| side != OPEN);
        let known = known.fold(1, |product: usize, &side| {
            product.saturating_mul(usize::try_from(side).unwrap_or(0))
        });
        let open = self.shape.contains(&OPEN);
        let fits = if open { known > 0 && values.is_multiple_of(known) } else { values == known };
        if !fits {
            let fix = if open { "divides" } else { "is" };
            return misfit(
                MisfitKind::Values,
                format!(
                    "{name} holds {known} values{}, but gets {values}",
                    if open { " or a multiple" } else { "" }
                ),
                format!("use a shape whose product {fix} {values}, or leave one side open with -1"),
            );
        }
        let side = |side: i64| usize::try_from(side).unwrap_or(values / known);
        match *self.shape {
            [features] => Ok(Shape::Flat(side(features))),
            [channels, height, width] => {
                Ok(Shape::Image([side(channels), side(height), side(width)]))
            }
            _ => misfit(
                MisfitKind::Argument { field: "shape" },
                format!("the shape of {name} has {} sides", self.shape.len()),
                "use one number for a vector, or three for an image: channels, height, width",
            ),
        }
    }
}

impl Operation for Reshape {
    const NAME: &'static str = "reshape";
    const FAMILY: Family = Family::Shape;
    const WHAT: &'static str =
        "Puts the same values into another shape, in the order of channels, rows and columns.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[field!(
        shape: Kind::Sizes { least: 1, most: 3, smallest: 1, open: true },
        "",
        "Features, or channels, height and width; one may be -1, what is left"
    )];

    fn example() -> Self {
        Self { shape: vec![OPEN] }
    }

    fn face(&self) -> Face {
        let side = |&side: &i64| if side == OPEN { "?".to_owned() } else { side.to_string() };
        let sides = self.shape.iter().map(side).collect::<Vec<_>>().join("×");
        Face { name: Self::NAME, window: String::new(), short: sides.clone(), long: sides }
    }

    fn parts(&self) -> Vec<&'static str> {
        vec![Self::NAME]
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        self.target(input.size())
    }

    fn learned(&self, _input: Shape) -> Learned {
        Learned::NOTHING
    }

    fn flops(&self, _input: Shape, _output: Shape) -> u64 {
        0
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        let input = x.shape(pass.image);
        let x = match x {
            Activation::Image(x) => pass.image.flatten(x),
            Activation::Flat(x) => x,
        };
        // It fits.
        match self.target(input.size()).unwrap_or(input) {
            Shape::Flat(_) => Activation::Flat(x),
            Shape::Image([channels, height, width]) => {
                let [batch, _] = x.dims();
                Activation::Image(pass.image.enter(x.reshape([batch, channels, height, width])))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{Op, samples::answer};

    fn infer(shape: &[i64], input: Shape) -> Result<Shape, MisfitKind> {
        let op = Op::from(Reshape { shape: shape.to_vec() });
        op.infer(Some(input)).map(|(shape, _)| shape).map_err(|misfit| misfit.kind)
    }

    #[test]
    fn one_side_may_be_left_open() {
        let input = Shape::Image([3, 4, 2]);
        assert_eq!(infer(&[-1], input), Ok(Shape::Flat(24)));
        assert_eq!(infer(&[6, -1, 2], input), Ok(Shape::Image([6, 2, 2])));
        assert_eq!(infer(&[2, 3, 4], Shape::Flat(24)), Ok(Shape::Image([2, 3, 4])));
        assert_eq!(infer(&[5, -1, 2], input), Err(MisfitKind::Values));
        assert_eq!(infer(&[23], input), Err(MisfitKind::Values));
    }

    #[test]
    fn shapes_that_are_none_are_refused() {
        let input = Shape::Flat(24);
        let argument = Err(MisfitKind::Argument { field: "shape" });
        for shape in [&[][..], &[4, 6], &[-1, -1, 2], &[0, -1, 2], &[-2], &[1, 2, 3, 4]] {
            assert_eq!(infer(shape, input), argument, "{shape:?}");
        }
    }

    #[test]
    fn values_keep_the_order_of_channels_rows_and_columns() {
        let x: Vec<f32> = (0..24).map(|value| value as f32).collect();
        for (input, shape) in [
            (Shape::Image([2, 3, 2]), vec![3, 2, 2]),
            (Shape::Image([3, 2, 2]), vec![12]),
            (Shape::Flat(12), vec![2, -1, 3]),
        ] {
            assert_eq!(answer(&Reshape { shape }.into(), input, &x, &[]), x);
        }
    }
}
