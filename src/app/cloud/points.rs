//! How each candidate looks as a point, and the bytes in which the shader reads it. Nothing here needs a
//! GPU or a window.

use super::super::theme;
use crate::engine::search::Candidate;
use bevy::{color::ColorToComponents, math::Vec3, prelude::Color};
use std::sync::LazyLock;

/// The least radius of a point on the screen, in pixels: however far, none may vanish.
pub const MIN_RADIUS_PX: f32 = 1.5;

/// How long a newborn flies from its parents to its place, in seconds. The shader has the same number.
pub const FLIGHT_SECS: f32 = 0.6;

/// A time of birth so long ago that no flight is left to draw.
pub const BORN_LONG_AGO: f32 = -1.0e9;

/// The candidate has an accuracy. The shader has the same bits.
pub const EVALUATED: u32 = 1;
/// The candidate is out of what is looked at now, and steps back.
pub const MUTED: u32 = 2;

/// Radius of an evaluated point as a share of the cloud's radius, and of one that is not evaluated.
const EVALUATED_RADIUS: f32 = 0.02;
const UNEVALUATED_RADIUS: f32 = 0.012;
/// The number of points that these radii are for; with more, points shrink so that the cloud stays about
/// equally dense, and with fewer they grow, within limits.
const CROWD: f32 = 1500.0;
const CROWDING: (f32, f32) = (0.3, 1.4);

/// One point as the shader reads it: 48 bytes in the layout of a WGSL struct.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointRecord {
    /// Where it is, in world space.
    pub position: Vec3,
    /// Its radius, in world units.
    pub radius: f32,
    /// Where its flight begins, in world space.
    pub birth_position: Vec3,
    /// When its flight begins, in the shader's seconds; [`BORN_LONG_AGO`] for no flight.
    pub birth_secs: f32,
    /// Its colour, linear red, green and blue.
    pub color: [f32; 3],
    /// [`EVALUATED`], [`MUTED`].
    pub flags: u32,
}

impl Default for PointRecord {
    fn default() -> Self {
        Self {
            position: Vec3::ZERO,
            radius: 0.0,
            birth_position: Vec3::ZERO,
            birth_secs: BORN_LONG_AGO,
            color: [0.0; 3],
            flags: 0,
        }
    }
}

impl PointRecord {
    /// Bytes of one record.
    pub const SIZE: usize = 48;

    fn bytes(&self) -> [u8; Self::SIZE] {
        let ([x, y, z], [bx, by, bz], [r, g, b]) =
            (self.position.to_array(), self.birth_position.to_array(), self.color);
        let floats = [x, y, z, self.radius, bx, by, bz, self.birth_secs, r, g, b].map(f32::to_bits);
        let mut bytes = [0; Self::SIZE];
        for (place, word) in bytes.chunks_exact_mut(4).zip(floats.into_iter().chain([self.flags])) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }
}

/// Writes `records` to the front of `bytes`, which has room for a whole number of records. It grows to the
/// next power of two where they do not fit, so that a buffer on the GPU is seldom replaced; what is behind
/// the last record is never read.
pub fn pack(records: &[PointRecord], bytes: &mut Vec<u8>) {
    let needed = records.len().max(256).next_power_of_two() * PointRecord::SIZE;
    if bytes.len() < needed {
        bytes.resize(needed, 0);
    }
    for (place, record) in bytes.chunks_exact_mut(PointRecord::SIZE).zip(records) {
        place.copy_from_slice(&record.bytes());
    }
}

/// What decides how a point looks, apart from the candidate itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Style {
    range: Option<(f64, f64)>,
    wanted_node: Option<usize>,
    scale: f32,
    /// The template and the weights: with others, candidates look otherwise.
    template_and_weights: (u32, u64),
}

impl Style {
    /// The style of a cloud of `count` points within `cloud_radius` world units. `range` is the lowest and
    /// the highest accuracy, the ends of the colour scale; candidates without `wanted_node` are muted.
    pub fn new(
        range: Option<(f64, f64)>,
        wanted_node: Option<usize>,
        cloud_radius: f32,
        count: usize,
    ) -> Self {
        let crowding = (CROWD / count.max(1) as f32).cbrt().clamp(CROWDING.0, CROWDING.1);
        Self { range, wanted_node, scale: cloud_radius * crowding, template_and_weights: (0, 0) }
    }

    /// The same for this template and these weights.
    pub fn with(self, template_and_weights: (u32, u64)) -> Self {
        Self { template_and_weights, ..self }
    }

    /// Gives `record` the look of `candidate`; place and flight stay as they are.
    pub fn apply(&self, candidate: &Candidate, record: &mut PointRecord) {
        let evaluation = candidate.evaluation;
        let radius = if evaluation.is_some() { EVALUATED_RADIUS } else { UNEVALUATED_RADIUS };
        record.radius = radius * self.scale;
        record.color = linear(self.color(candidate.accuracy_now()));
        let mask = &candidate.mask;
        let muted =
            self.wanted_node.is_some_and(|node| node < mask.node_count() && !mask.contains(node));
        record.flags =
            if evaluation.is_some() { EVALUATED } else { 0 } | if muted { MUTED } else { 0 };
    }

    /// The colour of a point with this accuracy with the present weights; grey without: it compares with no other.
    pub fn color(&self, accuracy: Option<f64>) -> Color {
        match (accuracy, self.range) {
            (Some(accuracy), Some(range)) => ACCURACY_COLORS[color_step(accuracy, range)],
            _ => theme::UNEVALUATED,
        }
    }
}

/// The colour scale in steps, since evaluating it for every point of a big cloud takes a while.
static ACCURACY_COLORS: LazyLock<[Color; 256]> =
    LazyLock::new(|| std::array::from_fn(|step| theme::accuracy_color(step as f64 / 255.0)));

/// The step of the colour scale for `accuracy`; of a single accuracy it is the top, since it is the best.
fn color_step(accuracy: f64, (low, high): (f64, f64)) -> usize {
    let share = if high > low { (accuracy - low) / (high - low) } else { 1.0 };
    // What is not a number becomes 0 here: a candidate that diverged counts as a bad one.
    (share * 255.0).round().clamp(0.0, 255.0) as usize
}

fn linear(color: Color) -> [f32; 3] {
    color.to_linear().to_f32_array_no_alpha()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::{
        candidate::CandidateId,
        mask::Mask,
        ops::Cost,
        search::{Evaluation, Standing},
    };

    /// A candidate over three nodes, of which it keeps the first two.
    pub(in crate::app::cloud) fn candidate(id: u32, accuracy: Option<f64>) -> Candidate {
        Candidate {
            id: CandidateId(id),
            mask: Mask::from_nodes(3, [0, 1]),
            parents: Vec::new(),
            iteration: None,
            evaluation: accuracy.map(|accuracy| Evaluation {
                accuracy,
                loss: 1.0 - accuracy,
                ..Evaluation::default()
            }),
            latency: None,
            affordable: true,
            standing: Standing::Present,
            cost: Cost::default(),
        }
    }

    fn look(style: &Style, accuracy: Option<f64>) -> PointRecord {
        let mut record = PointRecord::default();
        style.apply(&candidate(0, accuracy), &mut record);
        record
    }

    #[test]
    fn points_are_grey_and_small_until_evaluated_then_coloured_and_larger() {
        let style = Style::new(Some((0.2, 0.8)), None, 1.0, 10);
        let (waiting, low, high) =
            (look(&style, None), look(&style, Some(0.2)), look(&style, Some(0.8)));
        assert_eq!(waiting.color, linear(theme::UNEVALUATED));
        assert_eq!(low.color, linear(theme::accuracy_color(0.0)));
        assert_eq!(high.color, linear(theme::accuracy_color(1.0)));
        assert!(waiting.radius < low.radius && low.radius == high.radius);
        assert_eq!((waiting.flags, low.flags), (0, EVALUATED));
    }

    #[test]
    fn an_accuracy_of_other_weights_has_no_colour() {
        let style = Style::new(Some((0.2, 0.8)), None, 1.0, 10);
        for (standing, color) in [
            (Standing::Present, theme::accuracy_color(1.0)),
            (Standing::Retired, theme::accuracy_color(1.0)),
            (Standing::Stale, theme::UNEVALUATED),
            (Standing::Obsolete, theme::UNEVALUATED),
        ] {
            let mut record = PointRecord::default();
            style.apply(&Candidate { standing, ..candidate(0, Some(0.8)) }, &mut record);
            assert_eq!((record.color, record.flags), (linear(color), EVALUATED), "{standing:?}");
        }
    }

    #[test]
    fn the_only_accuracy_is_the_best_and_what_is_not_a_number_the_worst() {
        assert_eq!(color_step(0.7, (0.7, 0.7)), 255);
        assert_eq!(color_step(f64::NAN, (0.1, 0.7)), 0);
        assert_eq!(color_step(0.4, (0.1, 0.7)), 128);
    }

    #[test]
    fn a_point_without_the_wanted_node_is_muted() {
        let style = |wanted_node| Style::new(None, wanted_node, 1.0, 1);
        assert_eq!(look(&style(Some(1)), None).flags, 0);
        assert_eq!(look(&style(Some(2)), None).flags, MUTED);
        assert_eq!(
            look(&style(Some(99)), None).flags,
            0,
            "a node of another template mutes nothing"
        );
    }

    #[test]
    fn a_crowd_has_smaller_points() {
        let radius = |count| look(&Style::new(None, None, 1.0, count), None).radius;
        let ratio = |count| radius(count) / radius(1500);
        assert!((ratio(12_000) - 0.5).abs() < 1e-3, "eight times as many are half as wide");
        assert_eq!(
            (radius(1), radius(10_000_000)),
            (radius(100), radius(1_000_000)),
            "within limits"
        );
        assert!(ratio(1) > 1.0 && ratio(10_000_000) < 0.5);
    }

    #[test]
    fn packing_keeps_the_layout_of_the_shader_and_grows_by_doubling() {
        let record = PointRecord {
            position: Vec3::new(1.0, 2.0, 3.0),
            radius: 4.0,
            birth_position: Vec3::new(5.0, 6.0, 7.0),
            birth_secs: 8.0,
            color: [9.0, 10.0, 11.0],
            flags: 12,
        };
        let mut bytes = Vec::new();
        pack(&[PointRecord::default(), record], &mut bytes);
        assert_eq!(bytes.len(), 256 * PointRecord::SIZE);
        let words: Vec<_> = bytes[48..96]
            .chunks_exact(4)
            .map(|w| u32::from_ne_bytes(w.try_into().unwrap()))
            .collect();
        let floats: Vec<_> = words[..11].iter().map(|&w| f32::from_bits(w)).collect();
        assert_eq!(floats, (1..12).map(|x| x as f32).collect::<Vec<_>>());
        assert_eq!(words[11], 12);

        pack(&vec![record; 257], &mut bytes);
        assert_eq!(bytes.len(), 512 * PointRecord::SIZE);
        assert_eq!(bytes[256 * 48..257 * 48], record.bytes());
        pack(&[record], &mut bytes);
        assert_eq!(bytes.len(), 512 * PointRecord::SIZE, "a buffer never shrinks");
    }
}
