//! The ways that links take over the plate, from port to port.

use crate::app::stage::STUD;
use bevy::prelude::*;

/// Points along a curve.
const SAMPLES: usize = 20;
/// A link longer than this along the flow may have to pass other bricks.
const LONGEST_SHORT: f32 = 6.0 * STUD;
/// A link shorter than this along the flow leads back.
const SHORTEST_FORWARD: f32 = 0.5 * STUD;
/// How far from a port a link that leads back turns: the middle between two columns.
const TURN: f32 = 0.84 * STUD;
/// Radius of its turns.
const TURN_RADIUS: f32 = 0.8 * STUD;
/// Narrower gaps do not count as a distance.
const EPSILON: f32 = 1e-3 * STUD;
/// The narrowest lane between bricks that a link takes.
const NARROWEST_LANE: f32 = 0.6 * STUD;

/// The centre line of a link between two ports; `bricks` are the footprints of all bricks in x and z.
pub(super) fn route(from: Vec3, to: Vec3, bricks: &[Rect]) -> Vec<Vec3> {
    let along = to.x - from.x;
    if along < SHORTEST_FORWARD {
        return detour(from, to, bricks);
    }
    if along > LONGEST_SHORT
        && let Some(lane) = lane_past(from, to, bricks)
    {
        return by_lane(from, to, [from.x + TURN, to.x - TURN], lane);
    }
    let handle = Vec3::X * along * 0.6;
    // Links that cross do so at different heights.
    let lift = Vec3::Y * (0.08 * (to.z - from.z).abs()).min(0.5 * STUD);
    let curve = CubicBezier::new([[from, from + handle + lift, to - handle + lift, to]]);
    match curve.to_curve() {
        Ok(curve) => curve.iter_positions(SAMPLES).collect(),
        Err(_) => vec![from, to],
    }
}

/// The way back: out of the port, along a free lane, into the other port.
fn detour(from: Vec3, to: Vec3, bricks: &[Rect]) -> Vec<Vec3> {
    let (right, left) = (from.x + TURN, to.x - TURN);
    let lane = free_lane(from.z, to.z, left..right, bricks);
    by_lane(from, to, [right, left], lane)
}

/// Out of the port, along the lane between two places of the flow, into the other port.
fn by_lane(from: Vec3, to: Vec3, [begin, end]: [f32; 2], lane: f32) -> Vec<Vec3> {
    let corner = |x: f32, z: f32| vec3(x, from.y, z);
    rounded(&[
        from,
        corner(begin, from.z),
        corner(begin, lane),
        corner(end, lane),
        corner(end, to.z),
        to,
    ])
}

/// The lane nearest to a link that bricks are in the way of: between two of them, behind or in front of all; `None` where
/// there are none.
fn lane_past(from: Vec3, to: Vec3, bricks: &[Rect]) -> Option<f32> {
    let (start, end) = (from.x + TURN, to.x - TURN);
    let beside = bricks.iter().filter(|brick| brick.max.x > start && brick.min.x < end);
    let mut taken: Vec<_> = beside.map(|brick| (brick.min.y, brick.max.y)).collect();
    let (low, high) = (from.z.min(to.z), from.z.max(to.z));
    if !taken.iter().any(|&(near, far)| near < high + EPSILON && far > low - EPSILON) {
        return None;
    }
    taken.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut lanes = vec![taken.first()?.0 - STUD];
    let mut edge = f32::NEG_INFINITY;
    for &(near, far) in &taken {
        if edge.is_finite() && near - edge >= NARROWEST_LANE {
            lanes.push(f32::midpoint(edge, near));
        }
        edge = edge.max(far);
    }
    lanes.push(edge + STUD);
    let middle = f32::midpoint(low, high);
    lanes.into_iter().min_by(|a, b| (a - middle).abs().total_cmp(&(b - middle).abs()))
}

/// Where across the flow a link can run between two places without passing through a brick: the middle of
/// the widest lane between them, else a lane in front of everything that is in the way.
fn free_lane(a: f32, b: f32, along: std::ops::Range<f32>, bricks: &[Rect]) -> f32 {
    let mut taken: Vec<_> = bricks
        .iter()
        .filter(|brick| brick.max.x > along.start && brick.min.x < along.end)
        .map(|brick| (brick.min.y, brick.max.y))
        .collect();
    taken.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (low, high) = (a.min(b), a.max(b));
    let mut edge = f32::NEG_INFINITY;
    let mut widest: Option<(f32, f32)> = None;
    for &(start, end) in &taken {
        let (lane_start, lane_end) = (edge.max(low), start.min(high));
        let width = lane_end - lane_start;
        if width >= NARROWEST_LANE && widest.is_none_or(|(_, before)| width > before) {
            widest = Some(((lane_start + lane_end) / 2.0, width));
        }
        edge = edge.max(end);
    }
    widest.map_or(edge.max(high) + STUD, |(middle, _)| middle)
}

/// A polyline with its corners rounded as far as its legs allow.
fn rounded(corners: &[Vec3]) -> Vec<Vec3> {
    const STEPS: usize = 6;
    let (Some(&first), Some(&last)) = (corners.first(), corners.last()) else { return Vec::new() };
    let mut points = vec![first];
    for corner in corners.windows(3) {
        let [before, corner, after] = [corner[0], corner[1], corner[2]];
        let leg = |end: Vec3| {
            let leg = end - corner;
            leg.normalize_or_zero() * TURN_RADIUS.min(leg.length() / 2.0)
        };
        let (start, end) = (corner + leg(before), corner + leg(after));
        points.extend((0..=STEPS).map(|step| {
            let t = step as f32 / STEPS as f32;
            start.lerp(corner, t).lerp(corner.lerp(end, t), t)
        }));
    }
    points.push(last);
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn studs(x: f32, z: f32) -> Vec3 {
        vec3(x, 0.5, z) * STUD
    }

    fn brick(x: f32, z: f32) -> Rect {
        Rect::from_center_size(vec2(x, z) * STUD, vec2(5.0, 3.0) * STUD)
    }

    #[test]
    fn links_begin_and_end_at_their_ports() {
        for to in [studs(2.0, 4.0), studs(30.0, 0.0), studs(-60.0, 12.0), studs(0.0, 0.0)] {
            let points = route(studs(0.0, 0.0), to, &[]);
            assert!(points[0].abs_diff_eq(studs(0.0, 0.0), 1e-5));
            assert!(points[points.len() - 1].abs_diff_eq(to, 1e-5));
        }
    }

    #[test]
    fn a_long_link_runs_past_the_bricks_between_its_ends_and_stays_low() {
        let highest =
            |points: &[Vec3]| points.iter().map(|point| point.y).fold(0.0, f32::max) / STUD;
        let straight = route(studs(0.0, 0.0), studs(20.0, 0.0), &[]);
        assert!(straight.iter().all(|point| point.z.abs() < 1e-4) && highest(&straight) < 1.0);
        for across in [[-4.0, 0.0, 4.0], [-2.0, 2.0, 6.0], [0.0, 0.0, 0.0]] {
            let bricks: Vec<_> =
                [7.0, 14.0].into_iter().flat_map(|x| across.map(|z| brick(x, z))).collect();
            for end in [-4.0, 0.0, 4.0] {
                let points = route(studs(2.5, 0.0), studs(18.5, end), &bricks);
                let hits = |point: &Vec3| bricks.iter().any(|brick| brick.contains(point.xz()));
                assert!(!points.iter().any(hits) && highest(&points) < 1.0, "{across:?} {end}");
            }
        }
    }

    #[test]
    fn a_link_to_the_next_row_runs_between_the_rows() {
        let bricks: Vec<_> = (-4..=4)
            .flat_map(|column| [-8.0, -4.0, 4.0, 8.0].map(|z| brick(7.0 * column as f32, z)))
            .collect();
        let points = route(studs(30.7, -8.0), studs(-30.7, 8.0), &bricks);
        for point in &points {
            let inside = |brick: &&Rect| brick.inflate(-0.01).contains(point.xz());
            assert!(!bricks.iter().any(|brick| inside(&brick)), "{point}");
        }
        let middle = points.iter().filter(|p| p.x.abs() < 10.0 * STUD || p.z.abs() < 0.1).count();
        assert!(middle > 0 && free_lane(-1.6, 1.6, -1.0..1.0, &bricks).abs() < 1e-4);
    }

    #[test]
    fn without_a_lane_a_link_runs_in_front() {
        let bricks = [brick(0.0, 0.0), brick(7.0, 0.0)];
        let lane = free_lane(0.0, 0.0, -1.0..2.0, &bricks);
        assert!(lane > 1.5 * STUD, "{lane}");
    }

    #[test]
    fn rounding_keeps_the_ends_and_leaves_no_sharp_corner() {
        let points = rounded(&[Vec3::ZERO, Vec3::X, vec3(1.0, 0.0, 1.0)]);
        assert_eq!((points[0], points[points.len() - 1]), (Vec3::ZERO, vec3(1.0, 0.0, 1.0)));
        for legs in points.windows(3) {
            let turn = (legs[1] - legs[0]).angle_between(legs[2] - legs[1]);
            assert!(turn < 0.5 || turn.is_nan(), "{turn}");
        }
    }
}
