//! The font of labels and panels, built in so that the program looks the same on every machine.

/// The font's name, the same for both weights.
pub const FAMILY: &str = "Inter";

/// Inter, regular, with tabular digits: panels.
pub const FONT: &[u8] = include_bytes!("../../assets/fonts/Inter-Regular.otf");

/// Inter, semi-bold, with tabular digits: labels in the world, headings.
pub const FONT_SEMIBOLD: &[u8] = include_bytes!("../../assets/fonts/Inter-SemiBold.otf");
