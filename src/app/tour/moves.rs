//! The steps of a tour that move the pointer: to hover, to click, to drag.

use super::{
    director::{Act, Director, Scene, Take, Turn, say},
    script::Pick,
};
use crate::{
    app::{
        document::{Focus, View},
        stage,
    },
    engine::{candidate::CandidateId, template::NodeId},
};
use bevy::prelude::*;
use std::time::Duration;

/// Frames until what the pointer did has come back as hover, selection or movement.
pub(super) const REACTION: u32 = 4;
/// Frames for which a button stays down in a click.
const CLICK: u32 = 2;
/// How long a text may not be there before it is missed.
const LABEL_PATIENCE: Duration = Duration::from_secs(2);
/// Pointer moves that make up a drag.
const DRAG_MOVES: u32 = 8;
/// How often a dragged brick is moved again when it is not where it should be.
const DRAG_CORRECTIONS: u32 = 5;
/// The attempt that stands for having given up with the pointer.
const SHOWN_DIRECTLY: usize = usize::MAX - 1;

/// The target of a tour's pointer.
#[derive(Clone, Copy)]
pub(super) enum Thing<'a> {
    Brick(&'a NodeId),
    Candidate(CandidateId),
}

/// The action of the pointer at its target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gesture {
    Hover,
    Click,
    /// Presses the button and leaves it down.
    Grab,
}

/// A drag under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Drag {
    from: Vec2,
    to: Vec2,
    corrections: u32,
}

/// Points at a candidate and does what is wanted there.
pub(super) fn point_at_candidate(
    director: &Director,
    scene: &mut Scene,
    pick: Pick,
    gesture: Gesture,
) -> Take {
    let id = scene.sight.candidate(pick)?;
    point_at(director, scene, Thing::Candidate(id), gesture)
}

/// Points at a brick and does what is wanted there.
pub(super) fn point_at_brick(
    director: &Director,
    scene: &mut Scene,
    id: &NodeId,
    gesture: Gesture,
) -> Take {
    if scene.sight.brick_foot(id).is_none() {
        return Err(format!("there is no brick {id} on the plate"));
    }
    point_at(director, scene, Thing::Brick(id), gesture)
}

/// Moves the pointer onto a thing, trying several places as a person would if something is in front.
fn point_at(director: &Director, scene: &mut Scene, thing: Thing, gesture: Gesture) -> Take {
    match director.act {
        Act::Aiming { attempt } => {
            if is_hovered(&scene.focus, thing) {
                return match gesture {
                    Gesture::Hover => Ok(Turn::Done),
                    Gesture::Grab if attempt == SHOWN_DIRECTLY => {
                        Err("something is in front of it; move the camera first".to_owned())
                    }
                    // What the pointer cannot reach is selected as it was shown.
                    Gesture::Click if attempt == SHOWN_DIRECTLY => {
                        select(&mut scene.focus, thing);
                        hover(&mut scene.focus, thing, false);
                        Ok(Turn::Done)
                    }
                    Gesture::Click | Gesture::Grab => {
                        scene.hand.set_button(true);
                        Ok(Turn::Act(Act::Pressed))
                    }
                };
            }
            if director.frames < REACTION { Ok(Turn::Wait) } else { aim(scene, thing, attempt + 1) }
        }
        Act::Pressed if director.frames < CLICK => Ok(Turn::Wait),
        Act::Pressed => {
            scene.hand.set_button(false);
            Ok(Turn::Act(Act::Released))
        }
        Act::Released => {
            if is_selected(&scene.focus, thing) {
                return Ok(Turn::Done);
            }
            if director.frames < 2 * REACTION {
                return Ok(Turn::Wait);
            }
            say("the click had no effect; what was meant is selected directly");
            select(&mut scene.focus, thing);
            Ok(Turn::Done)
        }
        _ if !scene.rest.camera_rests() => Ok(Turn::Wait),
        // Another click could take the selection away.
        _ if gesture == Gesture::Click && is_selected(&scene.focus, thing) => Ok(Turn::Done),
        _ => aim(scene, thing, 0),
    }
}

/// Moves the pointer to the next place that could show the thing; without one left, shows it directly.
fn aim(scene: &mut Scene, thing: Thing, attempt: usize) -> Take {
    let open = scene.sight.open_rect(scene.hand.window_size());
    let places = aims(scene, thing);
    let next =
        places.into_iter().enumerate().skip(attempt).find(|(_, place)| open.contains(*place));
    if let Some((attempt, place)) = next {
        scene.hand.move_to(place);
        return Ok(Turn::Act(Act::Aiming { attempt }));
    }
    say("something is in front of it; it is shown without the pointer");
    hover(&mut scene.focus, thing, true);
    Ok(Turn::Act(Act::Aiming { attempt: SHOWN_DIRECTLY }))
}

/// Places on the screen at which the thing may be seen, the likeliest first.
fn aims(scene: &Scene, thing: Thing) -> Vec<Vec2> {
    match thing {
        Thing::Brick(id) => {
            scene.sight.brick_aims(id).filter_map(|place| scene.sight.project(place)).collect()
        }
        Thing::Candidate(id) => {
            const AROUND: [Vec2; 9] = [
                Vec2::ZERO,
                Vec2::new(2.0, 0.0),
                Vec2::new(-2.0, 0.0),
                Vec2::new(0.0, 2.0),
                Vec2::new(0.0, -2.0),
                Vec2::new(4.0, 0.0),
                Vec2::new(-4.0, 0.0),
                Vec2::new(0.0, 4.0),
                Vec2::new(0.0, -4.0),
            ];
            let center =
                scene.sight.archive.get(id).and_then(|placed| scene.sight.point_center(placed));
            let center = center.and_then(|center| scene.sight.project(center));
            center.into_iter().flat_map(|center| AROUND.map(|offset| center + offset)).collect()
        }
    }
}

/// Shows a thing as if the pointer were on it, or no longer.
fn hover(focus: &mut Focus, thing: Thing, on: bool) {
    match thing {
        Thing::Brick(id) => focus.hover_brick(View::Tour, on.then(|| id.clone())),
        Thing::Candidate(id) => focus.hover_candidate(View::Tour, on.then_some(id)),
    }
}

fn is_hovered(focus: &Focus, thing: Thing) -> bool {
    match thing {
        Thing::Brick(id) => focus.hovered_brick() == Some(id),
        Thing::Candidate(id) => focus.hovered_candidate() == Some(id),
    }
}

fn is_selected(focus: &Focus, thing: Thing) -> bool {
    match thing {
        Thing::Brick(id) => focus.selected_brick.as_ref() == Some(id),
        Thing::Candidate(id) => focus.selected_candidate == Some(id),
    }
}

fn select(focus: &mut Focus, thing: Thing) {
    match thing {
        Thing::Brick(id) => focus.selected_brick = Some(id.clone()),
        Thing::Candidate(id) => focus.selected_candidate = Some(id),
    }
}

/// Moves the pointer where nothing is.
pub(super) fn unhover(director: &Director, scene: &mut Scene) -> Take {
    let open = scene.sight.open_rect(scene.hand.window_size()).inflate(-8.0);
    let center = open.center();
    let places = [
        Vec2::new(open.max.x, center.y),
        Vec2::new(open.min.x, center.y),
        open.min,
        Vec2::new(open.max.x, open.min.y),
        open.max,
        Vec2::new(open.min.x, open.max.y),
    ];
    let Act::Aiming { attempt } = director.act else {
        if scene.focus.hovered_brick().is_some() {
            scene.focus.hover_brick(View::Tour, None);
        }
        if scene.focus.hovered_candidate().is_some() {
            scene.focus.hover_candidate(View::Tour, None);
        }
        scene.hand.move_to(places[0]);
        return Ok(Turn::Act(Act::Aiming { attempt: 0 }));
    };
    if director.frames < REACTION {
        return Ok(Turn::Wait);
    }
    if scene.focus.hovered_brick().is_none() && scene.focus.hovered_candidate().is_none() {
        return Ok(Turn::Done);
    }
    let Some(place) = places.get(attempt + 1) else {
        return Err("something is under the pointer wherever it goes".to_owned());
    };
    scene.hand.move_to(*place);
    Ok(Turn::Act(Act::Aiming { attempt: attempt + 1 }))
}

/// Drags a brick until it stands at `to` (studs).
pub(super) fn drag_brick(
    director: &Director,
    scene: &mut Scene,
    id: &NodeId,
    to: [f32; 2],
) -> Take {
    let goal = stage::world_from_studs(to);
    match director.act {
        Act::Pressed if director.frames < CLICK => Ok(Turn::Wait),
        Act::Pressed => {
            let drag = Drag { from: scene.hand.position(), to: Vec2::ZERO, corrections: 0 };
            toward(scene, id, goal, drag)
        }
        Act::Dragging(drag) => {
            if director.frames <= DRAG_MOVES {
                let share = director.frames as f32 / DRAG_MOVES as f32;
                scene.hand.move_to(drag.from.lerp(drag.to, share));
                return Ok(Turn::Wait);
            }
            if director.frames <= DRAG_MOVES + REACTION {
                return Ok(Turn::Wait);
            }
            let here = scene.sight.brick_now(id).map(stage::studs_from_world);
            if here != Some(to) && drag.corrections < DRAG_CORRECTIONS {
                let from = scene.hand.position();
                return toward(
                    scene,
                    id,
                    goal,
                    Drag { from, corrections: drag.corrections + 1, ..drag },
                );
            }
            scene.hand.set_button(false);
            Ok(Turn::Act(Act::Released))
        }
        Act::Released => {
            let template = scene.sight.document.template();
            let now = template.node(id).map(|_| template.position(id));
            match now {
                Some(now) if now == to => Ok(Turn::Done),
                _ if director.frames < 3 * REACTION => Ok(Turn::Wait),
                Some([x, z]) => Err(format!("the brick came to rest at ({x}, {z})")),
                None => Err("the brick is gone".to_owned()),
            }
        }
        _ => point_at_brick(director, scene, id, Gesture::Grab),
    }
}

/// Begins to move the held brick from where it is now to the goal.
fn toward(scene: &Scene, id: &NodeId, goal: Vec3, drag: Drag) -> Take {
    let here = scene.sight.brick_now(id).ok_or("the brick is gone")?;
    let held = scene.sight.on_plate(drag.from).ok_or("the pointer left the plate")?;
    let to = scene.sight.project(held + goal - here).ok_or("the goal is out of sight")?;
    Ok(Turn::Act(Act::Dragging(Drag { to, ..drag })))
}

/// Clicks what is labelled with this text in a panel.
pub(super) fn click_label(director: &Director, scene: &mut Scene, label: &str) -> Take {
    match director.act {
        Act::Aiming { .. } | Act::Pressed if director.frames < CLICK => Ok(Turn::Wait),
        Act::Pressed => {
            scene.hand.set_button(false);
            Ok(Turn::Act(Act::Released))
        }
        Act::Released if director.frames < REACTION => Ok(Turn::Wait),
        Act::Released => Ok(Turn::Done),
        _ => match scene.sight.labels.find(label).map(|found| found.rect) {
            // Panels may move when the pointer leaves what it was on: only press what is still there.
            Some(rect) if director.act != Act::Begin && rect.contains(scene.hand.position()) => {
                scene.hand.set_button(true);
                Ok(Turn::Act(Act::Pressed))
            }
            Some(rect) => {
                scene.hand.move_to(rect.center());
                Ok(Turn::Act(Act::Aiming { attempt: 0 }))
            }
            None if director.since.elapsed() < LABEL_PATIENCE => Ok(Turn::Wait),
            None => Err("no panel shows this text".to_owned()),
        },
    }
}
