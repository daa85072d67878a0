//! Which point is under the pointer: the points as they appear on the screen, in a uniform grid, so that
//! a question costs the same for a hundred points and for a hundred thousand.

use super::points::{MIN_RADIUS_PX, PointRecord};
use bevy::math::{Mat4, Rect, UVec2, Vec2};

/// Width and height of a grid cell, in logical pixels.
const CELL_PX: f32 = 24.0;

/// How far outside the viewport a point's centre may be and still be found, in logical pixels: its rim
/// may be inside.
const MARGIN_PX: f32 = 24.0;

/// A point as it appears on the screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScreenPoint {
    /// Its number: a position in the list of records.
    pub id: u32,
    /// Its centre, in logical pixels of the render target.
    pub position: Vec2,
    /// Its drawn radius, in logical pixels.
    pub radius: f32,
    /// Its distance from the camera along the line of sight, in world units.
    pub depth: f32,
}

impl ScreenPoint {
    /// How far `at` is outside the drawn disc, in pixels; 0 inside.
    fn gap(&self, at: Vec2) -> f32 {
        (self.position.distance(at) - self.radius).max(0.0)
    }
}

/// How a camera shows the world on its viewport.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScreenView {
    /// From world space to the space of the camera, which looks along -z.
    pub view_from_world: Mat4,
    /// The camera's projection.
    pub clip_from_view: Mat4,
    /// The part of the render target that the camera draws to, in logical pixels.
    pub viewport: Rect,
}

impl ScreenView {
    /// Where the point is on the screen; `None` if it is behind the camera or out of the viewport.
    pub fn project(&self, id: u32, point: &PointRecord) -> Option<ScreenPoint> {
        let view = self.view_from_world.transform_point3(point.position);
        let clip = self.clip_from_view * view.extend(1.0);
        if view.z >= 0.0 || clip.w <= 0.0 {
            return None;
        }
        let size = self.viewport.size();
        let ndc = Vec2::new(clip.x, -clip.y) / clip.w;
        let position = self.viewport.min + (ndc + 1.0) / 2.0 * size;
        let radius = point.radius * self.clip_from_view.y_axis.y / clip.w * size.y / 2.0;
        self.viewport.inflate(MARGIN_PX).contains(position).then_some(ScreenPoint {
            id,
            position,
            radius: radius.max(MIN_RADIUS_PX),
            depth: -view.z,
        })
    }
}

/// All points on the screen, sorted into the cells of a grid.
#[derive(Clone, Debug, Default)]
pub struct ScreenIndex {
    min: Vec2,
    cells: UVec2,
    /// Where each cell's points begin in `points`, and after the last cell the end.
    starts: Vec<u32>,
    points: Vec<ScreenPoint>,
    max_radius: f32,
}

impl ScreenIndex {
    /// Sorts the points that `view` shows into a grid, in O(points + cells).
    pub fn of_records(records: &[PointRecord], view: &ScreenView) -> Self {
        // Record numbers are candidate ids, which are 32 bits wide.
        let shown = records.iter().zip(0u32..).filter_map(|(record, id)| view.project(id, record));
        Self::new(shown.collect())
    }

    /// Sorts `points` into a grid, in O(points + cells).
    pub fn new(points: Vec<ScreenPoint>) -> Self {
        let Some(bounds) = points
            .iter()
            .map(|point| Rect::from_corners(point.position, point.position))
            .reduce(|bounds, point| bounds.union(point))
        else {
            return Self::default();
        };
        let max_radius = points.iter().fold(0.0, |max: f32, point| max.max(point.radius));
        let cells = (bounds.size() / CELL_PX).as_uvec2() + 1;
        let mut index = Self { min: bounds.min, cells, starts: Vec::new(), points, max_radius };

        // Counting sort: count, sum up, place.
        let mut starts = vec![0u32; cells.element_product() as usize + 1];
        for point in &index.points {
            starts[index.cell_of(point.position) + 1] += 1;
        }
        for cell in 1..starts.len() {
            starts[cell] += starts[cell - 1];
        }
        let (mut next, mut sorted) = (starts.clone(), index.points.clone());
        for point in &index.points {
            let place = &mut next[index.cell_of(point.position)];
            sorted[*place as usize] = *point;
            *place += 1;
        }
        (index.starts, index.points) = (starts, sorted);
        index
    }

    /// The number of points that can be found.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether no point can be found.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The point whose drawn disc is nearest to `at`, at most `slack` pixels away from its rim. Of several
    /// discs under the pointer it is the one in front, which is what the eye sees there.
    pub fn nearest(&self, at: Vec2, slack: f32) -> Option<ScreenPoint> {
        if self.points.is_empty() {
            return None;
        }
        let reach = slack + self.max_radius;
        let last = self.cells.as_vec2() - 1.0;
        let low = ((at - reach - self.min) / CELL_PX).floor().max(Vec2::ZERO);
        let high = ((at + reach - self.min) / CELL_PX).floor().min(last);
        if low.cmpgt(high).any() {
            return None;
        }
        let (low, high) = (low.as_uvec2(), high.as_uvec2());
        let key = |point: &ScreenPoint| (point.gap(at), point.depth);
        let mut best: Option<ScreenPoint> = None;
        for row in low.y..=high.y {
            let first = (row * self.cells.x + low.x) as usize;
            let end = (row * self.cells.x + high.x) as usize + 1;
            let span = self.starts[first] as usize..self.starts[end] as usize;
            for point in &self.points[span] {
                if point.gap(at) <= slack && best.is_none_or(|best| key(point) < key(&best)) {
                    best = Some(*point);
                }
            }
        }
        best
    }

    fn cell_of(&self, position: Vec2) -> usize {
        let cell = ((position - self.min) / CELL_PX).as_uvec2().min(self.cells - 1);
        (cell.y * self.cells.x + cell.x) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy::math::Vec3;
    use proptest::prelude::*;

    fn point(id: u32, (x, y, radius, depth): (f32, f32, f32, f32)) -> ScreenPoint {
        ScreenPoint { id, position: Vec2::new(x, y), radius, depth }
    }

    proptest! {
        #[test]
        fn finds_what_a_look_at_every_point_finds(
            points in proptest::collection::vec((0f32..800.0, 0f32..600.0, 1f32..40.0, 1f32..20.0), 0..200),
            pointers in proptest::collection::vec((-50f32..850.0, -50f32..650.0), 1..20),
            slack in 0f32..30.0,
        ) {
            let points: Vec<_> = points.into_iter().zip(0u32..).map(|(p, id)| point(id, p)).collect();
            let index = ScreenIndex::new(points.clone());
            prop_assert_eq!(index.len(), points.len());
            for (x, y) in pointers {
                let at = Vec2::new(x, y);
                let key = |p: &ScreenPoint| (p.gap(at), p.depth);
                let expected = points
                    .iter()
                    .filter(|p| p.gap(at) <= slack)
                    .min_by(|a, b| key(a).partial_cmp(&key(b)).unwrap());
                let found = index.nearest(at, slack);
                prop_assert_eq!(found.as_ref().map(key), expected.map(key));
            }
        }
    }

    #[test]
    fn of_two_discs_under_the_pointer_the_front_one_is_found() {
        let index = ScreenIndex::new(vec![
            point(0, (100.0, 100.0, 9.0, 5.0)),
            point(1, (104.0, 100.0, 9.0, 4.0)),
        ]);
        assert_eq!(index.nearest(Vec2::new(100.0, 100.0), 8.0).map(|p| p.id), Some(1));
        assert_eq!(
            index.nearest(Vec2::new(93.0, 100.0), 8.0).map(|p| p.id),
            Some(0),
            "only 0 covers this"
        );
        assert_eq!(index.nearest(Vec2::new(140.0, 100.0), 8.0), None);
    }

    fn view() -> ScreenView {
        ScreenView {
            view_from_world: Mat4::from_translation(Vec3::new(0.0, 0.0, -10.0)),
            clip_from_view: Mat4::perspective_infinite_reverse_rh(90f32.to_radians(), 2.0, 0.1),
            viewport: Rect::new(300.0, 50.0, 1100.0, 450.0),
        }
    }

    #[test]
    fn projection_respects_the_viewport() {
        let at = |position| {
            view().project(7, &PointRecord { position, radius: 1.0, ..Default::default() })
        };
        let middle = at(Vec3::ZERO).unwrap();
        assert_eq!(middle.id, 7);
        assert!(middle.position.distance(Vec2::new(700.0, 250.0)) < 1e-3, "{middle:?}");
        // A field of view of 90° sees ±10 units over ±200 px at distance 10.
        assert!(
            (middle.radius - 20.0).abs() < 1e-3 && (middle.depth - 10.0).abs() < 1e-5,
            "{middle:?}"
        );
        let right_and_up = at(Vec3::new(5.0, 5.0, 0.0)).unwrap();
        assert!(right_and_up.position.distance(Vec2::new(800.0, 150.0)) < 1e-3, "{right_and_up:?}");
        assert_eq!(at(Vec3::new(0.0, 0.0, 11.0)), None, "behind the camera");
        assert_eq!(at(Vec3::new(50.0, 0.0, 0.0)), None, "out of the viewport");
    }

    #[test]
    fn tiny_points_keep_the_size_that_they_are_drawn_with() {
        let record = PointRecord { radius: 1e-4, ..Default::default() };
        assert_eq!(view().project(0, &record).unwrap().radius, MIN_RADIUS_PX);
    }
}
