//! Images without their borders.

use super::{
    Effect, Learned, Own, Shape,
    field::{Field, Kind, field},
    operation::{Face, Family, Operation, Place},
    shape::{Misfit, MisfitKind, image, misfit},
};
use crate::engine::compute::{Activation, Pass};
use serde::{Deserialize, Serialize};

/// Takes rows and columns off the borders of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cropping2d {
    /// Rows above, rows below, columns on the left and columns on the right.
    pub cropping: [usize; 4],
}

impl Operation for Cropping2d {
    const NAME: &'static str = "cropping";
    const FAMILY: Family = Family::Shape;
    const WHAT: &'static str = "Takes rows and columns off the borders of an image.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[field!(
        cropping: Kind::Sizes { least: 4, most: 4, smallest: 0, open: false },
        "pixels",
        "Rows above, rows below, columns on the left, columns on the right"
    )];

    fn example() -> Self {
        Self { cropping: [1; 4] }
    }

    fn face(&self) -> Face {
        let sides = self.cropping.map(|side| side.to_string()).join(", ");
        let [above, below, left, right] = self.cropping;
        let long = format!("{above} above, {below} below, {left} left, {right} right");
        Face { name: Self::NAME, window: String::new(), short: sides, long }
    }

    fn parts(&self) -> Vec<&'static str> {
        vec![Self::NAME]
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        let name = self.face().to_string();
        let [channels, height, width] = image(&name, input)?;
        let [above, below, left, right] = self.cropping;
        let height = height.checked_sub(above + below).filter(|&left| left > 0);
        let width = width.checked_sub(left + right).filter(|&left| left > 0);
        match (height, width) {
            (Some(height), Some(width)) => Ok(Shape::Image([channels, height, width])),
            (None, _) | (_, None) => misfit(
                MisfitKind::Argument { field: "cropping" },
                format!("{name} leaves nothing of {input}"),
                "crop fewer rows and columns",
            ),
        }
    }

    fn learned(&self, _input: Shape) -> Learned {
        Learned::NOTHING
    }

    fn flops(&self, _input: Shape, _output: Shape) -> u64 {
        0
    }

    fn effect(&self) -> Effect {
        if self.cropping == [0; 4] { Effect::PassesOn } else { Effect::Computes }
    }

    fn width(&mut self) -> Option<&mut usize> {
        None
    }

    fn forward(&self, x: Activation, _own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        Activation::Image(pass.image.crop(x.image(), self.cropping))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{Op, samples::answer};

    #[test]
    fn the_middle_is_left() {
        let x: Vec<f32> = (0..24).map(|value| value as f32).collect();
        let op = |cropping| Op::from(Cropping2d { cropping });
        let input = Shape::Image([2, 3, 4]);
        let found = answer(&op([1, 0, 2, 1]), input, &x, &[]);
        assert_eq!(found, [6.0, 10.0, 18.0, 22.0]);
        assert_eq!(answer(&op([0; 4]), input, &x, &[]), x);
        assert_eq!(op([0; 4]).effect(), Effect::PassesOn);
        assert_eq!(op([0, 0, 0, 1]).effect(), Effect::Computes);
    }

    #[test]
    fn something_must_be_left() {
        let infer = |cropping| {
            let op = Op::from(Cropping2d { cropping });
            op.infer(Some(Shape::Image([2, 3, 4]))).map(|(shape, _)| shape).map_err(|it| it.kind)
        };
        let argument = Err(MisfitKind::Argument { field: "cropping" });
        assert_eq!(infer([1, 1, 3, 0]), Ok(Shape::Image([2, 1, 1])));
        assert_eq!(infer([2, 1, 0, 0]), argument);
        assert_eq!(infer([0, 0, 0, 5]), argument);
        assert_eq!(infer([super::super::MOST, super::super::MOST + 1, 0, 0]), argument);
    }
}
