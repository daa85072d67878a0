//! How a node joins what arrives at it.

use super::{Shape, operation::Family};
use serde::{Deserialize, Serialize};

/// How a node joins what its links bring. Each link into a node has a *slot*, in the order of the links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Merge {
    /// The mean of what is kept. Slots do not count.
    #[default]
    Mean,
    /// The sum of what is kept. Slots do not count.
    Sum,
    /// Channels side by side, each link's in its slot; what a candidate leaves out is zeros there, so that the width
    /// and the meaning of each channel stay.
    Concatenate,
}

impl Merge {
    /// Every way, in the order of palettes.
    pub const ALL: [Self; 3] = [Self::Mean, Self::Sum, Self::Concatenate];

    /// Its name in palettes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "average",
            Self::Sum => "add",
            Self::Concatenate => "concatenate",
        }
    }

    /// Its name in scene files, as the first element of a node's operations.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Mean => "Average",
            Self::Sum => "Add",
            Self::Concatenate => "Concatenate",
        }
    }

    /// Its description in one sentence.
    pub fn what(self) -> &'static str {
        match self {
            Self::Mean => "The mean of what the kept links bring.",
            Self::Sum => "The sum of what the kept links bring.",
            Self::Concatenate => {
                "The channels of all links side by side; zeros where a candidate leaves one out."
            }
        }
    }

    /// For colours and grouping.
    pub const FAMILY: Family = Family::Merge;

    /// Whether the slot in which something arrives counts.
    pub(in crate::engine) fn has_slots(self) -> bool {
        match self {
            Self::Mean | Self::Sum => false,
            Self::Concatenate => true,
        }
    }

    /// What arrives at the slots, with gaps where they count.
    pub(in crate::engine) fn slots<T>(
        self,
        kept: impl Iterator<Item = Option<T>>,
    ) -> Vec<Option<T>> {
        kept.filter(|slot| self.has_slots() || slot.is_some()).collect()
    }

    /// The shape of what a node is given for the shapes of its links; which two do not go together where there is none.
    ///
    /// # Errors
    /// The places of the first two shapes that cannot be joined.
    pub fn output(self, slots: &[Shape]) -> Result<Option<Shape>, [usize; 2]> {
        let Some((&first, rest)) = slots.split_first() else { return Ok(None) };
        match self {
            Self::Mean | Self::Sum => match rest.iter().position(|&shape| shape != first) {
                Some(other) => Err([0, other + 1]),
                None => Ok(Some(first)),
            },
            Self::Concatenate => {
                let mut joined = first;
                for (place, &shape) in rest.iter().enumerate() {
                    joined = match (joined, shape) {
                        (Shape::Flat(a), Shape::Flat(b)) => Shape::Flat(a.saturating_add(b)),
                        (Shape::Image([a, h, w]), Shape::Image([b, height, width]))
                            if (h, w) == (height, width) =>
                        {
                            Shape::Image([a.saturating_add(b), h, w])
                        }
                        (Shape::Flat(_) | Shape::Image(_), _) => return Err([0, place + 1]),
                    };
                }
                Ok(Some(joined))
            }
        }
    }
}
