//! Where the panels stand, worked out before anything is drawn: the camera keeps its scene in the
//! rectangle that they leave free.

use bevy_egui::egui::{Pos2, Rect, pos2};

/// Width of the open left panel, in points.
pub(super) const LEFT_WIDTH: f32 = 224.0;
/// Width of the open right panel.
pub(super) const RIGHT_WIDTH: f32 = 320.0;
/// Height of the open bottom bar.
pub(super) const BAR_HEIGHT: f32 = 104.0;
/// Height that the open log adds to the bottom bar.
pub(super) const LOG_HEIGHT: f32 = 128.0;
/// Width or height of what stays of a folded panel.
pub(super) const STRIP: f32 = 24.0;

/// Which panels are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) left: bool,
    pub(super) right: bool,
    pub(super) bottom: bool,
    pub(super) log: bool,
}

impl Default for Open {
    fn default() -> Self {
        Self { left: true, right: true, bottom: true, log: false }
    }
}

/// The rectangles of the panels and what they leave free, in points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Places {
    pub(super) left: Rect,
    pub(super) right: Rect,
    pub(super) bottom: Rect,
    /// The rectangle in which the world shows.
    pub(super) free: Rect,
}

/// Places the panels in a window of the given rectangle: the bar along the whole bottom edge, the other
/// two above it. In a tiny window the panels shrink, and a free rectangle of 1 point remains.
pub(super) fn places(screen: Rect, open: Open) -> Places {
    let size = |open: bool, size: f32| if open { size } else { STRIP };
    let height = size(open.bottom, BAR_HEIGHT) + if open.log { LOG_HEIGHT } else { 0.0 };
    let bottom_edge = (screen.max.y - height).max(screen.min.y + 1.0);
    let left_edge = (screen.min.x + size(open.left, LEFT_WIDTH)).min(screen.max.x - 1.0);
    let right_edge = (screen.max.x - size(open.right, RIGHT_WIDTH)).max(left_edge + 1.0);
    let rect = |min: Pos2, max: Pos2| Rect { min, max };
    Places {
        left: rect(screen.min, pos2(left_edge, bottom_edge)),
        right: rect(pos2(right_edge, screen.min.y), pos2(screen.max.x, bottom_edge)),
        bottom: rect(pos2(screen.min.x, bottom_edge), screen.max),
        free: rect(pos2(left_edge, screen.min.y), pos2(right_edge, bottom_edge)),
    }
}

/// Splits the right panel's height (without the headers) among properties, candidate information and
/// loss chart: each open chart gets between 160 and 240 points, the properties get the rest. A loss chart
/// that has nothing to show yet (`no_loss`) takes the line that says so.
pub(super) fn section_heights(available: f32, open: [bool; 3], no_loss: bool) -> [f32; 3] {
    const CHART: (f32, f32) = (160.0, 240.0);
    const LINE: f32 = 24.0;
    const PROPERTIES: f32 = 280.0;
    let [properties, information, loss] = open;
    let line = if loss && no_loss { LINE } else { 0.0 };
    let charts = f32::from(u8::from(information) + u8::from(loss && !no_loss));
    let wanted = line + if properties { PROPERTIES } else { 0.0 };
    let chart = ((available - wanted) / charts.max(1.0)).clamp(CHART.0, CHART.1);
    let rest = (available - line - charts * chart).max(0.0);
    [
        if properties { rest } else { 0.0 },
        if information { chart } else { 0.0 },
        match (loss, no_loss) {
            (false, _) => 0.0,
            (true, true) => line,
            (true, false) => chart,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy_egui::egui::Vec2;

    fn screen(width: f32, height: f32) -> Rect {
        Rect::from_min_size(Pos2::ZERO, Vec2::new(width, height))
    }

    #[test]
    fn panels_and_free_rectangle_tile_the_window() {
        for open in [Open::default(), Open { left: false, right: false, bottom: false, log: true }]
        {
            for window in [screen(1280.0, 720.0), screen(1600.0, 900.0)] {
                let Places { left, right, bottom, free } = places(window, open);
                let areas = [left, right, bottom, free].map(|rect| rect.width() * rect.height());
                assert!((areas.iter().sum::<f32>() - window.width() * window.height()).abs() < 1.0);
                assert!(!free.intersects(left.shrink(1.0)) && !free.intersects(bottom.shrink(1.0)));
            }
        }
    }

    #[test]
    fn more_than_half_of_a_small_window_is_left_to_the_world() {
        let free = places(screen(1280.0, 720.0), Open::default()).free;
        assert_eq!((free.width(), free.height()), (736.0, 616.0));
    }

    #[test]
    fn a_tiny_window_leaves_no_negative_rectangle() {
        let Places { left, right, bottom, free } = places(screen(100.0, 60.0), Open::default());
        assert!(
            [left, right, bottom, free]
                .iter()
                .all(|rect| rect.width() >= 0.0 && rect.height() >= 0.0)
        );
    }

    #[test]
    fn charts_keep_a_readable_height_and_properties_get_the_rest() {
        assert_eq!(section_heights(700.0, [true; 3], false), [280.0, 210.0, 210.0]);
        assert_eq!(section_heights(500.0, [true; 3], false), [180.0, 160.0, 160.0]);
        assert_eq!(section_heights(700.0, [true; 3], true), [436.0, 240.0, 24.0]);
        assert_eq!(section_heights(300.0, [true, false, true], false), [140.0, 0.0, 160.0]);
        assert_eq!(section_heights(500.0, [true, false, false], true), [500.0, 0.0, 0.0]);
        assert_eq!(section_heights(500.0, [false, true, false], false), [0.0, 240.0, 0.0]);
    }
}
