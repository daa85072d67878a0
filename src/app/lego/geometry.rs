//! Solids with rounded edges and tubes, built vertex by vertex: everything on the plate is made of them.

use bevy::{
    asset::RenderAssetUsages,
    mesh::{Indices, PrimitiveTopology},
    prelude::*,
};
use std::f32::consts::{FRAC_PI_2, TAU};

/// Segments of a quarter circle on a rounded edge.
const EDGE_SEGMENTS: usize = 2;
/// Sides of a cylinder.
const CYLINDER_SIDES: usize = 16;
/// Sides of a tube.
const TUBE_SIDES: usize = 8;

/// A mesh in the making. Every vertex has a colour, so that solids of different colours share one mesh
/// and one material; the texture coordinates are the position on the plate, in world units.
#[derive(Default)]
pub(in crate::app) struct Solid {
    positions: Vec<Vec3>,
    normals: Vec<Vec3>,
    colors: Vec<[f32; 4]>,
    indices: Vec<u32>,
}

impl Solid {
    /// Makes this the mesh of an entity, or hides the entity if this is nothing.
    pub(in crate::app) fn show(
        self,
        mesh: &mut Mesh3d,
        visibility: &mut Mut<Visibility>,
        meshes: &mut Assets<Mesh>,
    ) {
        if self.is_empty() {
            visibility.set_if_neq(Visibility::Hidden);
        } else {
            visibility.set_if_neq(Visibility::Inherited);
            mesh.0 = meshes.add(self.into_mesh());
        }
    }

    /// A prism along x whose edges and corners are all rounded: the volume within `radius` of the prism
    /// that spans `profile` from `-half_length` to `half_length`.
    ///
    /// The profile is convex, holds `(z, y)`, and turns from +z towards +y; `paint` gives the colour for a
    /// normal.
    pub(in crate::app) fn rounded_prism(
        &mut self,
        profile: &[Vec2],
        half_length: f32,
        radius: f32,
        paint: impl Fn(Vec3) -> LinearRgba,
    ) {
        let outline = rounded_outline(profile);
        let arc = |step: usize| FRAC_PI_2 * step as f32 / EDGE_SEGMENTS as f32;
        let left = (0..=EDGE_SEGMENTS).map(|step| (-half_length, arc(step) - FRAC_PI_2));
        let right = (0..=EDGE_SEGMENTS).map(|step| (half_length, arc(step)));
        let rings: Vec<u32> = left
            .chain(right)
            .map(|(x, angle)| {
                let (sin, cos) = angle.sin_cos();
                self.ring(
                    outline.iter().map(|&(corner, normal)| {
                        let normal = vec3(sin, normal.y * cos, normal.x * cos);
                        (vec3(x, corner.y, corner.x) + normal * radius, normal)
                    }),
                    &paint,
                )
            })
            .collect();
        for pair in rings.windows(2) {
            self.band(pair[0], pair[1], outline.len() as u32);
        }
        for side in [-1.0, 1.0] {
            let x = side * (half_length + radius);
            let cap = self.ring(
                profile.iter().map(|corner| (vec3(x, corner.y, corner.x), Vec3::X * side)),
                &paint,
            );
            for last in 2..profile.len() as u32 {
                self.triangle([cap, cap + last - 1, cap + last]);
            }
        }
    }

    /// A round peg that stands on `base` and points along `axis`, with a bevelled end.
    pub(in crate::app) fn peg(
        &mut self,
        base: Vec3,
        axis: Dir3,
        radius: f32,
        height: f32,
        color: impl Fn(Vec3) -> LinearRgba,
    ) {
        let bevel = 0.2 * height.min(radius);
        let (side, up) = axis.any_orthonormal_pair();
        let ring = |radius: f32, height: f32, normal: fn(Vec3, Vec3) -> Vec3| {
            (0..CYLINDER_SIDES).map(move |step| {
                let (sin, cos) = (TAU * step as f32 / CYLINDER_SIDES as f32).sin_cos();
                let outward = side * cos + up * sin;
                (base + outward * radius + axis * height, normal(outward, *axis))
            })
        };
        let outward: fn(Vec3, Vec3) -> Vec3 = |outward, _| outward;
        let upward: fn(Vec3, Vec3) -> Vec3 = |_, axis| axis;
        let foot = self.ring(ring(radius, 0.0, outward), &color);
        let shoulder = self.ring(ring(radius, height - bevel, outward), &color);
        let rim = self.ring(ring(radius - bevel, height, upward), &color);
        let sides = CYLINDER_SIDES as u32;
        self.band(foot, shoulder, sides);
        self.band(shoulder, rim, sides);
        for last in 2..sides {
            self.triangle([rim, rim + last - 1, rim + last]);
        }
    }

    /// A tube through `points`; `style` gives radius and colour at a share of its length.
    pub(in crate::app) fn tube(
        &mut self,
        points: &[Vec3],
        style: impl Fn(f32) -> (f32, LinearRgba),
        light: impl Fn(Vec3) -> LinearRgba,
    ) {
        let length: f32 = points.windows(2).map(|pair| pair[0].distance(pair[1])).sum();
        let (mut passed, mut before, mut side) = (0.0, None, Vec3::Y);
        for (i, &point) in points.iter().enumerate() {
            let (from, to) = (points[i.saturating_sub(1)], points[(i + 1).min(points.len() - 1)]);
            passed += point.distance(from);
            let Ok(tangent) = Dir3::new(to - from) else { continue };
            // The frame is carried along, so that the tube does not twist.
            let Some(carried) = side.reject_from_normalized(*tangent).try_normalize() else {
                continue;
            };
            side = carried;
            let other = tangent.cross(side);
            let (radius, color) = style(passed / length.max(f32::EPSILON));
            let ring = self.ring(
                (0..TUBE_SIDES).map(|step| {
                    let (sin, cos) = (TAU * step as f32 / TUBE_SIDES as f32).sin_cos();
                    let normal = side * cos + other * sin;
                    (point + normal * radius, normal)
                }),
                &|normal| product(color, light(normal)),
            );
            if let Some(before) = before {
                self.band(before, ring, TUBE_SIDES as u32);
            }
            before = Some(ring);
        }
    }

    /// A box with sharp edges, all of one colour.
    pub(in crate::app) fn cuboid(&mut self, center: Vec3, size: Vec3, color: LinearRgba) {
        for axis in [Vec3::X, Vec3::Y, Vec3::Z] {
            let (u, v) = (axis.zxy(), axis.yzx());
            for normal in [axis, -axis] {
                let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];
                let corners =
                    corners.map(|(a, b)| (center + 0.5 * size * (normal + u * a + v * b), normal));
                let face = self.ring(corners.into_iter(), &|_| color);
                self.triangle([face, face + 1, face + 2]);
                self.triangle([face, face + 2, face + 3]);
            }
        }
    }

    /// The same somewhere else.
    pub(in crate::app) fn translated(mut self, by: Vec3) -> Self {
        for position in &mut self.positions {
            *position += by;
        }
        self
    }

    /// Whether nothing has been added.
    fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The finished mesh.
    pub(in crate::app) fn into_mesh(self) -> Mesh {
        let uvs: Vec<_> = self.positions.iter().map(|p| [p.x, p.z]).collect();
        Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::default())
            .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, self.positions)
            .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, self.normals)
            .with_inserted_attribute(Mesh::ATTRIBUTE_UV_0, uvs)
            .with_inserted_attribute(Mesh::ATTRIBUTE_COLOR, self.colors)
            .with_inserted_indices(Indices::U32(self.indices))
    }

    /// Adds vertices and returns the index of the first.
    fn ring(
        &mut self,
        vertices: impl Iterator<Item = (Vec3, Vec3)>,
        paint: &impl Fn(Vec3) -> LinearRgba,
    ) -> u32 {
        let first = self.positions.len() as u32;
        for (position, normal) in vertices {
            self.positions.push(position);
            self.normals.push(normal);
            self.colors.push(paint(normal).to_f32_array());
        }
        first
    }

    /// Joins two closed rings of `count` vertices.
    fn band(&mut self, a: u32, b: u32, count: u32) {
        for i in 0..count {
            let next = (i + 1) % count;
            self.triangle([a + i, a + next, b + i]);
            self.triangle([b + i, a + next, b + next]);
        }
    }

    /// Adds a triangle, turned so that its front is where its normals point; none without an area.
    fn triangle(&mut self, [a, b, c]: [u32; 3]) {
        let position = |i: u32| self.positions[i as usize];
        let normal = |i: u32| self.normals[i as usize];
        let facing = (position(b) - position(a)).cross(position(c) - position(a));
        let side = facing.dot(normal(a) + normal(b) + normal(c));
        if facing.length_squared() > 1e-14 {
            self.indices.extend(if side >= 0.0 { [a, b, c] } else { [a, c, b] });
        }
    }
}

/// The product of two colours, channel by channel: a surface in a light.
pub(in crate::app) fn product(a: LinearRgba, b: LinearRgba) -> LinearRgba {
    LinearRgba::new(a.red * b.red, a.green * b.green, a.blue * b.blue, a.alpha * b.alpha)
}

/// The corners of a convex profile with the normals that lead round each: `(corner, normal)`, a normal
/// occurring once where an edge begins and once where it ends.
fn rounded_outline(profile: &[Vec2]) -> Vec<(Vec2, Vec2)> {
    let count = profile.len();
    let normal = |from: Vec2, to: Vec2| {
        let along = (to - from).normalize_or_zero();
        vec2(along.y, -along.x)
    };
    (0..count)
        .flat_map(|i| {
            let corner = profile[i];
            let before = normal(profile[(i + count - 1) % count], corner);
            let after = normal(corner, profile[(i + 1) % count]);
            let turn = before.angle_to(after);
            (0..=EDGE_SEGMENTS).map(move |step| {
                let angle = turn * step as f32 / EDGE_SEGMENTS as f32;
                (corner, Vec2::from_angle(angle).rotate(before))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: [Vec2; 4] = [vec2(1.0, 0.0), vec2(1.0, 2.0), vec2(-1.0, 2.0), vec2(-1.0, 0.0)];

    fn white(_: Vec3) -> LinearRgba {
        LinearRgba::WHITE
    }

    /// Volume by the divergence theorem: right only for a closed surface whose triangles all face outward.
    fn volume(solid: &Solid) -> f32 {
        let corner = |i: u32| solid.positions[i as usize];
        solid
            .indices
            .chunks(3)
            .map(|t| corner(t[0]).dot(corner(t[1]).cross(corner(t[2]))))
            .sum::<f32>()
            / 6.0
    }

    #[test]
    fn a_rounded_prism_is_closed_and_faces_outward() {
        let mut solid = Solid::default();
        solid.rounded_prism(&SQUARE, 3.0, 0.001, white);
        assert!((volume(&solid) - 24.0).abs() < 0.1, "{}", volume(&solid));
    }

    #[test]
    fn a_rounded_prism_reaches_exactly_its_radius_beyond_its_core() {
        let mut solid = Solid::default();
        solid.rounded_prism(&SQUARE, 3.0, 0.25, white);
        let reach = solid.positions.iter().fold(Vec3::ZERO, |reach, p| reach.max(p.abs()));
        assert!(reach.abs_diff_eq(vec3(3.25, 2.25, 1.25), 1e-5), "{reach}");
        assert!(solid.normals.iter().all(|normal| (normal.length() - 1.0).abs() < 1e-4));
    }

    #[test]
    fn a_cuboid_has_its_volume() {
        let mut solid = Solid::default();
        solid.cuboid(Vec3::ONE, vec3(1.0, 2.0, 3.0), LinearRgba::WHITE);
        assert!((volume(&solid) - 6.0).abs() < 1e-4);
    }

    #[test]
    fn a_tube_keeps_its_radius_round_a_bend() {
        let points: Vec<_> = (0..=16)
            .map(|step| Vec2::from_angle(FRAC_PI_2 * step as f32 / 16.0).extend(0.0).xzy())
            .collect();
        let mut solid = Solid::default();
        solid.tube(&points, |_| (0.1, LinearRgba::WHITE), white);
        for (i, ring) in solid.positions.chunks(TUBE_SIDES).enumerate() {
            assert!(ring.iter().all(|p| (p.distance(points[i]) - 0.1).abs() < 1e-4));
        }
        assert_eq!(solid.positions.len(), 17 * TUBE_SIDES);
    }

    #[test]
    fn a_tube_of_one_place_is_nothing() {
        let mut solid = Solid::default();
        solid.tube(&[Vec3::ONE; 3], |_| (0.1, LinearRgba::WHITE), white);
        assert!(solid.is_empty());
    }
}
