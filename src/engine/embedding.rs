//! stand-in
use super::mask::Mask;
/// x
pub struct Embedding;
impl Embedding { /// x
 pub fn fit(_: &[Mask], _: Option<&[f64]>) -> Self { Self } 
 /// x
 pub fn place(&self, _: &Mask) -> [f32;3] { [0.0;3] } }
