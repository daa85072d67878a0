//! The shape of a brick: a console slope with studs along its back and ports at its sides. Its sloping
//! face looks at the camera and carries the label.

use super::geometry::{Solid, product};
use crate::{
    app::{
        stage::STUD,
        theme::{self, rgb},
    },
    engine::{ops::Family, template::Node},
};
use bevy::{color::Luminance, prelude::*};

/// Width of the widest bricks, in studs.
pub(super) const WIDEST: f32 = 6.0;
/// Depth of a brick, in studs.
pub(super) const DEPTH: f32 = 3.0;
/// Height of the shelf that carries the studs, in studs.
pub(super) const HEIGHT: f32 = 1.75;
/// Height of a stud, in studs.
pub(super) const STUD_HEIGHT: f32 = 0.2;
/// How far the studs are behind the brick's centre, in studs.
pub(super) const STUD_ROW: f32 = -0.97;
/// Height of the ports, in studs.
pub(super) const PORT_HEIGHT: f32 = 0.5;
/// How far a port reaches out of the brick's side, in studs.
pub(super) const PORT_LENGTH: f32 = 0.16;

const STUD_RADIUS: f32 = 0.3;
const PORT_RADIUS: f32 = 0.22;
const BEVEL: f32 = 0.12;
/// Free space around a brick within its footprint.
const GAP: f32 = 0.04;
/// Lower and upper edge of the sloping face: studs in front of the brick's centre, height.
const FACE: [Vec2; 2] = [vec2(1.46, 0.45), vec2(-0.55, HEIGHT)];
/// What text leaves free of the face on its left and right, in studs: the column of light on the brick in
/// front covers the right end.
const FACE_MARGINS: [f32; 2] = [0.25, 0.5];
/// Text has at least this contrast with the face it stands on (WCAG 2.2, level AAA).
const CONTRAST: f32 = 7.0;
const INK: Color = rgb(0x0B0E12);
const PORT_COLOR: Color = theme::TEXT_SECONDARY;

/// Width of a node's brick in studs: it grows with the number of parts in the block.
pub(super) fn width(node: &Node) -> f32 {
    match node.ops.iter().map(|op| op.parts().len()).sum::<usize>() {
        0..=1 => 4.5,
        2..=3 => 5.0,
        _ => WIDEST,
    }
}

/// The plane of the label: the middle of what text may cover and its rotation, in the brick's space.
pub(super) fn face_transform() -> Transform {
    let [low, high] = FACE;
    let slope = high - low;
    let outward = vec2(slope.y, -slope.x).normalize();
    // Just in front of the face, so that the text does not sink into it.
    let middle = (low + high) / 2.0 + outward * 0.03;
    let tilt = slope.y.atan2(-slope.x) - std::f32::consts::FRAC_PI_2;
    let [left, right] = FACE_MARGINS;
    Transform::from_translation(vec3((left - right) / 2.0, middle.y, middle.x) * STUD)
        .with_rotation(Quat::from_rotation_x(tilt))
}

/// What text may cover of the sloping face of a brick `width` studs wide: world units.
pub(super) fn face_size(width: f32) -> Vec2 {
    let length = FACE[0].distance(FACE[1]);
    vec2(width - FACE_MARGINS.iter().sum::<f32>(), length - 0.2) * STUD
}

/// Colours of the sloping face and of the text on it, far enough apart to be read.
pub(super) fn face_colors(family: Family) -> (LinearRgba, Color) {
    let mut face = theme::family_color(family).to_linear();
    let [dark, light] = [INK, theme::TEXT].map(|ink| contrast(face, ink.to_linear()));
    let (ink, towards) =
        if dark >= light { (INK, LinearRgba::WHITE) } else { (theme::TEXT, LinearRgba::BLACK) };
    while contrast(face, ink.to_linear()) < CONTRAST {
        face = face.mix(&towards, 0.02);
    }
    (face, ink)
}

/// Contrast ratio of two colours after WCAG 2.2: 1 to 21.
fn contrast(a: LinearRgba, b: LinearRgba) -> f32 {
    let (a, b) = (a.luminance() + 0.05, b.luminance() + 0.05);
    a.max(b) / a.min(b)
}

/// The mesh of a brick that stands on the origin, with the ports it has (where data enters, where it
/// leaves); `light` is what falls on a surface by its normal.
pub(super) fn brick_mesh(
    family: Family,
    width: f32,
    has_ports: [bool; 2],
    light: impl Fn(Vec3) -> LinearRgba,
) -> Mesh {
    let body = theme::family_color(family).to_linear();
    let (face, _) = face_colors(family);
    let facing = face_transform().rotation * Vec3::Z;
    let mut solid = Solid::default();
    add_body(&mut solid, width, 0.0, |normal| {
        product(if normal.dot(facing) > 0.999 { face } else { body }, light(normal))
    });
    add_studs(&mut solid, width, 0.0, |normal| product(body, light(normal)));
    let port = PORT_COLOR.to_linear();
    for ((end, side), exists) in ports(width).into_iter().zip([Dir3::NEG_X, Dir3::X]).zip(has_ports)
    {
        if exists {
            let base = end - side * PORT_LENGTH * STUD;
            solid.peg(base, side, PORT_RADIUS * STUD, PORT_LENGTH * STUD, |normal| {
                product(port, light(normal))
            });
        }
    }
    solid.into_mesh()
}

/// The mesh of the outline round a brick: its shape, `thickness` studs larger, to be drawn inside out.
pub(super) fn outline_mesh(width: f32, thickness: f32) -> Mesh {
    let mut solid = Solid::default();
    add_body(&mut solid, width, thickness, |_| LinearRgba::WHITE);
    add_studs(&mut solid, width, thickness, |_| LinearRgba::WHITE);
    solid.into_mesh()
}

/// The ends of the ports of a brick that stands on the origin: where data enters, where it leaves.
pub(super) fn ports(width: f32) -> [Vec3; 2] {
    let reach = width / 2.0 - GAP + PORT_LENGTH;
    [-reach, reach].map(|x| vec3(x, PORT_HEIGHT, 0.0) * STUD)
}

fn add_body(solid: &mut Solid, width: f32, grow: f32, paint: impl Fn(Vec3) -> LinearRgba) {
    let back = -DEPTH / 2.0 + GAP;
    let front = DEPTH / 2.0 - GAP;
    let outer = [vec2(front, 0.0), FACE[0], FACE[1], vec2(back, HEIGHT), vec2(back, 0.0)];
    let core = inset(&outer, BEVEL).map(|corner| corner * STUD);
    solid.rounded_prism(&core, (width / 2.0 - GAP - BEVEL) * STUD, (BEVEL + grow) * STUD, paint);
}

fn add_studs(solid: &mut Solid, width: f32, grow: f32, paint: impl Fn(Vec3) -> LinearRgba) {
    let count = width.floor();
    for stud in 0..count as usize {
        let x = stud as f32 - (count - 1.0) / 2.0;
        let base = vec3(x, HEIGHT, STUD_ROW) * STUD;
        solid.peg(base, Dir3::Y, (STUD_RADIUS + grow) * STUD, (STUD_HEIGHT + grow) * STUD, &paint);
    }
}

/// A convex polygon with its edges moved inward by `distance`.
fn inset<const N: usize>(polygon: &[Vec2; N], distance: f32) -> [Vec2; N] {
    std::array::from_fn(|i| {
        let [before, corner, after] = [polygon[(i + N - 1) % N], polygon[i], polygon[(i + 1) % N]];
        let inward = |from: Vec2, to: Vec2| (to - from).normalize().perp();
        let (a, b) = (inward(before, corner), inward(corner, after));
        corner + (a + b) * distance / (1.0 + a.dot(b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_on_every_family_has_the_contrast_of_level_aaa() {
        for family in Family::ALL {
            let (face, ink) = face_colors(family);
            assert!(contrast(face, ink.to_linear()) >= CONTRAST, "{family:?}");
        }
    }

    #[test]
    fn insetting_a_square_moves_each_corner_diagonally() {
        let square = [vec2(2.0, 0.0), vec2(2.0, 2.0), vec2(0.0, 2.0), vec2(0.0, 0.0)];
        let expected = [vec2(1.5, 0.5), vec2(1.5, 1.5), vec2(0.5, 1.5), vec2(0.5, 0.5)];
        assert!(inset(&square, 0.5).iter().zip(expected).all(|(a, b)| a.abs_diff_eq(b, 1e-6)));
    }

    #[test]
    fn the_label_looks_up_and_towards_the_viewer() {
        let facing = face_transform().rotation * Vec3::Z;
        assert!(facing.y > 0.7 && facing.z > 0.4 && facing.x.abs() < 1e-6, "{facing}");
        let up = face_transform().rotation * Vec3::Y;
        let slope = vec3(0.0, FACE[1].y - FACE[0].y, FACE[1].x - FACE[0].x).normalize();
        assert!(up.abs_diff_eq(slope, 1e-5), "{up} {slope}");
    }

    #[test]
    fn a_brick_stays_within_its_footprint_except_for_its_ports() {
        let mesh = outline_mesh(5.0, 0.0);
        let positions =
            mesh.attribute(Mesh::ATTRIBUTE_POSITION).and_then(|a| a.as_float3()).expect("has some");
        let limit = vec3(2.5, HEIGHT + STUD_HEIGHT, DEPTH / 2.0) * STUD + 1e-5;
        assert!(positions.iter().all(|&p| Vec3::from(p).abs().cmple(limit).all()));
        assert!(positions.iter().all(|p| p[1] > -1e-5), "nothing below the plate");
    }
}
