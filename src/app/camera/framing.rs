//! Where the camera has to be so that something fills a rectangle of the window: plain geometry.

use crate::app::stage::{STUD, Stage};
use bevy::prelude::*;
use std::f32::consts::{FRAC_PI_2, PI, TAU};

/// Vertical field of view of the whole window. Narrow, so that bricks look alike wherever they stand.
pub(super) const FIELD_OF_VIEW: f32 = 24.0 * PI / 180.0;
/// Free pixels between what is framed and the edges of the free rectangle.
const PADDING_PX: f32 = 12.0;
/// Room above the plate that belongs to it: bricks with their columns of light.
const PLATE_HEIGHT: f32 = 3.0 * STUD;
/// A rectangle smaller than this is not worth framing anything for.
const SMALLEST_PX: f32 = 64.0;

/// Where the camera can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bookmark {
    /// The bricks, from where their labels are read best.
    Plate,
    /// The points.
    Cloud,
    /// Bricks and points.
    Both,
    /// Bricks and points from straight above.
    TopDown,
}

/// The point that the camera orbits, and the camera's place.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pose {
    /// The point it looks at.
    pub(super) focus: Vec3,
    /// Rotation about the vertical axis; 0 looks along -z.
    pub(super) yaw: f32,
    /// Height above the horizon, as an angle.
    pub(super) pitch: f32,
    /// Distance from the focus.
    pub(super) radius: f32,
}

impl Pose {
    /// The camera's rotation.
    pub(super) fn rotation(&self) -> Quat {
        Quat::from_rotation_y(self.yaw) * Quat::from_rotation_x(-self.pitch)
    }

    /// Part of the way to `to`, the short way round.
    pub(super) fn interpolate(&self, to: &Self, share: f32) -> Self {
        let turn = (to.yaw - self.yaw + PI).rem_euclid(TAU) - PI;
        Self {
            focus: self.focus.lerp(to.focus, share),
            yaw: to.yaw - turn * (1.0 - share),
            pitch: self.pitch.lerp(to.pitch, share),
            // Equal factors in equal times, so that zooming looks even.
            radius: self.radius * (to.radius / self.radius).powf(share),
        }
    }

    /// Whether the two poses look the same on the screen.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        const TOLERANCE: f32 = 1e-3;
        self.focus.abs_diff_eq(other.focus, TOLERANCE)
            && Vec3::new(self.yaw, self.pitch, self.radius)
                .abs_diff_eq(Vec3::new(other.yaw, other.pitch, other.radius), TOLERANCE)
    }
}

/// The part of the window that no panel covers, in logical pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FreeRect {
    /// Size of the whole window.
    pub(super) window: Vec2,
    /// Middle of the free rectangle, from the window's top left corner.
    pub(super) center: Vec2,
    /// Half its size.
    pub(super) half: Vec2,
}

impl FreeRect {
    /// What is left of a window when so much is covered at its left and top, and at its right and bottom.
    pub(super) fn new(window: Vec2, left_top: Vec2, right_bottom: Vec2) -> Self {
        let size = (window - left_top - right_bottom).max(Vec2::splat(SMALLEST_PX)).min(window);
        Self { window, center: (left_top + size / 2.0).min(window - size / 2.0), half: size / 2.0 }
    }

    /// How many times larger than the window a view of the same shape is that has its centre in the
    /// middle of the free rectangle and covers the window.
    pub(super) fn magnification(&self) -> f32 {
        (1.0 + 2.0 * (self.center - self.window / 2.0).abs() / self.window).max_element()
    }

    /// Tangents of the half angles that the free rectangle spans, padding left out.
    fn half_tangents(&self) -> Vec2 {
        let tangent_per_px = (FIELD_OF_VIEW / 2.0).tan() / (self.window.y / 2.0);
        (self.half - PADDING_PX).max(Vec2::splat(SMALLEST_PX / 4.0)) * tangent_per_px
    }
}

/// The pose from which what `bookmark` names fills the free rectangle.
pub(super) fn frame(bookmark: Bookmark, stage: &Stage, free: &FreeRect) -> Pose {
    let pitch: f32 = match bookmark {
        Bookmark::Plate => 55.0,
        Bookmark::Cloud => 14.0,
        Bookmark::Both => 47.0,
        Bookmark::TopDown => 90.0,
    };
    let mut pose = Pose { pitch: pitch.to_radians().min(FRAC_PI_2 - 1e-3), ..default() };
    let mut points = Vec::new();
    if bookmark != Bookmark::Cloud {
        points.extend(plate_corners(stage));
    }
    if bookmark != Bookmark::Plate {
        let rotation = pose.rotation();
        let axes = [Vec3::X, Vec3::NEG_X, Vec3::Y, Vec3::NEG_Y, Vec3::Z];
        points.extend(axes.map(|axis| stage.cloud_center + rotation * axis * stage.cloud_radius));
    }
    (pose.focus, pose.radius) = fit(&points, pose.rotation(), free.half_tangents());
    // The focus may not be below the plate: slide it along the line of sight, which changes no picture.
    let ahead = pose.rotation() * Vec3::NEG_Z;
    if pose.focus.y < 0.0 && ahead.y < 0.0 {
        let slide = -pose.focus.y / ahead.y;
        pose.focus += slide * ahead;
        pose.radius -= slide;
    }
    pose
}

fn plate_corners(stage: &Stage) -> impl Iterator<Item = Vec3> {
    let (center, half) = (stage.plate_center, stage.plate_half);
    (0..8).map(move |corner| {
        let side = |bit: u32| if corner & bit == 0 { -1.0 } else { 1.0 };
        let height = if corner & 4 == 0 { 0.0 } else { PLATE_HEIGHT };
        center + vec3(side(1) * half.x, height, side(2) * half.y)
    })
}

/// The focus and the smallest distance from it at which a camera with this rotation sees all points
/// within the given half angles, and sees them in the middle.
///
/// A point at (x, y, z) of view space, z towards the camera, is seen by a camera at (a, b, d) within the
/// half angle with tangent t when |x - a| <= t (d - z). All points together bound a from below by
/// max(x + t z) - t d and from above by min(x - t z) + t d; the smallest d is where the bounds meet.
fn fit(points: &[Vec3], rotation: Quat, half_tangents: Vec2) -> (Vec3, f32) {
    let (low, high) = points
        .iter()
        .fold((Vec3::MAX, Vec3::MIN), |(low, high), &point| (low.min(point), high.max(point)));
    let middle = (low + high) / 2.0;
    let (mut upper, mut lower) = (Vec2::MIN, Vec2::MAX);
    for &point in points {
        let view = rotation.inverse() * (point - middle);
        upper = upper.max(view.xy() + half_tangents * view.z);
        lower = lower.min(view.xy() - half_tangents * view.z);
    }
    let distance = ((upper - lower) / (2.0 * half_tangents)).max_element();
    (middle + rotation * ((upper + lower) / 2.0).extend(0.0), distance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::template::presets;

    const BOOKMARKS: [Bookmark; 4] =
        [Bookmark::Plate, Bookmark::Cloud, Bookmark::Both, Bookmark::TopDown];

    /// Where a point appears: pixels from the window's top left corner.
    fn project(pose: &Pose, free: &FreeRect, point: Vec3) -> Vec2 {
        let camera = pose.focus + pose.rotation() * Vec3::Z * pose.radius;
        let view = pose.rotation().inverse() * (point - camera);
        assert!(view.z < 0.0, "in front of the camera");
        let px_per_tangent = free.window.y / 2.0 / (FIELD_OF_VIEW / 2.0).tan();
        free.center + vec2(view.x, -view.y) / -view.z * px_per_tangent
    }

    fn windows() -> [FreeRect; 3] {
        [
            FreeRect::new(vec2(1600.0, 900.0), vec2(224.0, 0.0), vec2(320.0, 104.0)),
            FreeRect::new(vec2(1280.0, 720.0), vec2(224.0, 0.0), vec2(320.0, 232.0)),
            FreeRect::new(vec2(700.0, 900.0), Vec2::ZERO, Vec2::ZERO),
        ]
    }

    #[test]
    fn every_bookmark_shows_all_of_every_preset_in_the_free_rectangle() {
        for (preset, free, bookmark) in presets()
            .into_iter()
            .flat_map(|preset| windows().map(|free| (preset, free)))
            .flat_map(|(preset, free)| BOOKMARKS.map(|bookmark| (preset, free, bookmark)))
        {
            let stage = Stage::new(&preset.template().expect("presets are right"));
            let pose = frame(bookmark, &stage, &free);
            let mut points = Vec::new();
            if bookmark != Bookmark::Cloud {
                points.extend(plate_corners(&stage));
            }
            if bookmark != Bookmark::Plate {
                points.extend(
                    [Vec3::Y, Vec3::NEG_Y, Vec3::X, Vec3::NEG_X].map(|axis| {
                        stage.cloud_center + pose.rotation() * axis * stage.cloud_radius
                    }),
                );
            }
            for point in points {
                let offset = (project(&pose, &free, point) - free.center).abs();
                let limit = free.half - PADDING_PX + 0.5;
                assert!(
                    offset.cmple(limit).all(),
                    "{bookmark:?} of {}: {offset} {limit}",
                    preset.name
                );
            }
        }
    }

    #[test]
    fn framing_comes_as_close_as_it_can() {
        let (stage, free) = (Stage::default(), windows()[0]);
        let pose = frame(Bookmark::Plate, &stage, &free);
        let reach = plate_corners(&stage)
            .map(|point| {
                (project(&pose, &free, point) - free.center).abs() / (free.half - PADDING_PX)
            })
            .fold(Vec2::ZERO, Vec2::max);
        assert!((reach.max_element() - 1.0).abs() < 1e-3, "{reach}");
    }

    #[test]
    fn the_camera_is_always_above_the_plate() {
        for bookmark in BOOKMARKS {
            let pose = frame(bookmark, &Stage::default(), &windows()[1]);
            assert!(pose.focus.y >= -1e-4 && pose.pitch > 0.0, "{bookmark:?}: {pose:?}");
        }
    }

    #[test]
    fn labels_of_vgg11_are_large_enough_to_read_from_the_default_view() {
        let preset = presets().into_iter().find(|preset| preset.name == "vgg11").expect("exists");
        let stage = Stage::new(&preset.template().expect("presets are right"));
        let free = windows()[0];
        let pose = frame(Bookmark::Both, &stage, &free);
        let back = stage.plate_center - vec3(0.0, 0.0, stage.plate_half.y);
        let px_per_stud =
            (project(&pose, &free, back + Vec3::X * STUD) - project(&pose, &free, back)).x;
        assert!(px_per_stud > 11.0, "{px_per_stud}");
    }

    #[test]
    fn the_way_between_two_poses_is_the_short_one_and_ends_exactly() {
        let from = Pose { yaw: 3.0, radius: 1.0, ..default() };
        let to = Pose { yaw: -3.0, radius: 16.0, focus: Vec3::ONE, pitch: 1.0 };
        let half = from.interpolate(&to, 0.5);
        assert!(
            (half.yaw.rem_euclid(TAU) - PI).abs() < 1e-4 && (half.radius - 4.0).abs() < 1e-4,
            "{half:?}"
        );
        assert!(from.interpolate(&to, 1.0).is_like(&to));
    }

    #[test]
    fn a_view_centred_on_the_free_rectangle_covers_the_window() {
        let free = windows()[0];
        let full = free.window * free.magnification();
        let corner = full / 2.0 - free.center;
        assert!(
            corner.cmpge(Vec2::splat(-1e-3)).all()
                && (corner + free.window).cmple(full + 1e-3).all()
        );
        assert_eq!(FreeRect::new(free.window, Vec2::ZERO, Vec2::ZERO).magnification(), 1.0);
    }

    #[test]
    fn panels_larger_than_the_window_leave_something_to_frame() {
        let free = FreeRect::new(vec2(200.0, 100.0), vec2(224.0, 0.0), vec2(320.0, 104.0));
        assert!(free.half.min_element() > 0.0 && free.center.cmple(free.window).all(), "{free:?}");
        assert!(frame(Bookmark::Both, &Stage::default(), &free).radius.is_finite());
    }
}
