//! What is where on the screen and what goes on, as a JSON file: for tests and scripts that drive the
//! window from outside with a real pointer. A developer's option, `--dump-state FILE`.

use super::{
    TourOptions,
    director::Rest,
    sight::{Labels, Sight},
};
use crate::{
    app::{
        document::{Focus, JobStatus},
        pace::Pipelines,
    },
    engine::files,
};
use bevy::{
    prelude::*,
    window::{PrimaryWindow, RequestRedraw},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The least time between two writes.
const INTERVAL: Duration = Duration::from_millis(200);

/// The text that was written last, and when.
#[derive(Default)]
pub(super) struct Written {
    text: String,
    at: Option<Instant>,
}

/// Writes the state to [`TourOptions::dump_state`] each time it has changed.
///
/// The file holds one JSON object: `window` (size in logical pixels), `settled` (nothing moves and all
/// is compiled), `bricks` (`id`, `x`, `y` of the middle of its label on the screen, `position` in studs), `points`
/// (`number`, `x`, `y`, `accuracy` or null), `labels` (`text` and the middle `x`, `y` of every text in the
/// panels), `focus`, `job` and `template`. Places are in logical pixels from the upper left corner of the
/// window.
pub(super) fn write_state(
    options: Res<TourOptions>,
    sight: Sight,
    labels: Res<Labels>,
    focus: Res<Focus>,
    status: Res<JobStatus>,
    rest: Res<Rest>,
    pipelines: Res<Pipelines>,
    windows: Query<&Window, With<PrimaryWindow>>,
    mut redraw: MessageWriter<RequestRedraw>,
    mut written: Local<Written>,
) {
    let (Some(path), Ok(window)) = (&options.dump_state, windows.single()) else { return };
    let settled = rest.is_settled(&pipelines);
    let state = json!({
        "window": pair(window.size()),
        "settled": settled,
        "bricks": bricks(&sight),
        "points": points(&sight),
        "labels": labels.0.iter().map(|label| {
            let center = label.rect.center();
            json!({"text": label.text, "x": round(center.x), "y": round(center.y)})
        }).collect::<Vec<_>>(),
        "focus": {
            "hovered_brick": focus.hovered_brick().map(|id| id.as_str()),
            "hovered_candidate": focus.hovered_candidate().map(|id| id.0),
            "selected_brick": focus.selected_brick.as_ref().map(|id| id.as_str()),
            "selected_candidate": focus.selected_candidate.map(|id| id.0),
        },
        "job": {
            "running": status.running.map(|job| format!("{job:?}").to_lowercase()),
            "paused": status.paused,
            "stopping": status.stopping,
            "done": status.progress.map(|progress| progress.done),
            "total": status.progress.map(|progress| progress.total),
            "run": status.run.as_ref().map(|(_, folder)| folder.display().to_string()),
        },
        "template": {
            "name": sight.document.template().name,
            "path": sight.document.path().map(|path| path.display().to_string()),
            "dirty": sight.document.is_dirty(),
        },
    });
    let text = format!("{state:#}\n");
    if text != written.text {
        if written.at.is_some_and(|at| at.elapsed() < INTERVAL) {
            // Too early: come back, also if nothing else wants another frame.
            redraw.write(RequestRedraw);
            return;
        }
        written.at = Some(Instant::now());
        if let Err(error) = files::write_atomic(path, text.as_bytes()) {
            warn!("{error}");
        }
        written.text = text;
    }
    if !settled {
        // Only another frame can tell that everything has come to rest.
        redraw.write(RequestRedraw);
    }
}

fn bricks(sight: &Sight) -> Vec<Value> {
    let template = sight.document.template();
    let brick = |node: &crate::engine::template::Node| {
        let at = sight.project(sight.brick_aims(&node.id).next()?)?;
        Some(json!({
            "id": node.id.as_str(), "x": round(at.x), "y": round(at.y),
            "position": template.position(&node.id),
        }))
    };
    template.network.nodes.iter().filter_map(brick).collect()
}

fn points(sight: &Sight) -> Vec<Value> {
    let point = |(number, placed): (usize, crate::engine::study::Placed<'_>)| {
        let at = sight.project(sight.point_center(placed)?)?;
        let accuracy = placed.candidate.evaluation.map(|evaluation| evaluation.accuracy);
        Some(json!({"number": number, "x": round(at.x), "y": round(at.y), "accuracy": accuracy}))
    };
    sight.archive.placed().enumerate().filter_map(point).collect()
}

fn pair(vector: Vec2) -> [f64; 2] {
    [round(vector.x), round(vector.y)]
}

/// To a tenth of a pixel: finer changes are no news.
fn round(value: f32) -> f64 {
    (f64::from(value) * 10.0).round() / 10.0
}
