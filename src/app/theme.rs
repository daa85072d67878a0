//! Colours, in one place for world and panels alike.

use crate::engine::ops::Family;
use bevy::color::{Color, Srgba};

/// An opaque colour from `0xRRGGBB`.
pub const fn rgb(hex: u32) -> Color {
    Color::Srgba(Srgba {
        red: ((hex >> 16) & 0xff) as f32 / 255.0,
        green: ((hex >> 8) & 0xff) as f32 / 255.0,
        blue: (hex & 0xff) as f32 / 255.0,
        alpha: 1.0,
    })
}

/// Background of the world.
pub const BACKGROUND: Color = rgb(0x0E1116);
/// The floor below the plate, in its middle.
pub const BACKGROUND_LOW: Color = rgb(0x171C24);
/// Panels.
pub const PANEL: Color = rgb(0x171B22);
/// Text.
pub const TEXT: Color = rgb(0xE6EAF0);
/// Secondary text.
pub const TEXT_SECONDARY: Color = rgb(0x9AA4B2);
/// The one main action, and the best candidate.
pub const ACCENT: Color = rgb(0xF2B134);
/// Errors, never without words or a sign.
pub const ERROR: Color = rgb(0xE5484D);
/// A candidate that is not evaluated yet.
pub const UNEVALUATED: Color = rgb(0x6B7380);

/// The colour of an operation family, the same everywhere.
pub const fn family_color(family: Family) -> Color {
    match family {
        Family::Convolution => rgb(0xF2B134),
        Family::Pooling => rgb(0x2FB5B0),
        Family::Dense => rgb(0x4C7DF0),
        Family::Activation => rgb(0xEF6461),
        Family::Normalisation => rgb(0x7BC47F),
        Family::Shape => rgb(0x8FA3BF),
        Family::Merge => rgb(0xA97BEA),
        Family::Terminal => rgb(0xC9CFD8),
        Family::Identity => rgb(0x626B7B),
    }
}

/// The colour of an accuracy, `0..=1` from the lowest to the highest of the run: cividis, readable with
/// every kind of colour vision.
pub fn accuracy_color(share: f64) -> Color {
    let color = colorous::CIVIDIS.eval_continuous(share.clamp(0.0, 1.0));
    Color::srgb_u8(color.r, color.g, color.b)
}
