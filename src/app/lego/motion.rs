//! Bricks glide to where the document says they stand.

use super::{Brick, drag::Dragged, place_of};
use crate::app::{document::Document, settings::Settings};
use bevy::{prelude::*, window::RequestRedraw};

/// How long a brick takes, in seconds.
const GLIDE_SECS: f32 = 0.22;

/// A brick on its way.
#[derive(Component)]
pub(super) struct Glide {
    from: Vec3,
    to: Vec3,
    elapsed_secs: f32,
}

/// Starts the glide of every brick that is not dragged and not at its position in the document; moves the bricks
/// that glide.
pub(super) fn glide_bricks(
    mut commands: Commands,
    time: Res<Time>,
    settings: Res<Settings>,
    document: Res<Document>,
    mut bricks: Query<(Entity, &Brick, &mut Transform, Option<&mut Glide>), Without<Dragged>>,
    mut redraw: MessageWriter<RequestRedraw>,
) {
    for (entity, Brick(id), mut transform, glide) in &mut bricks {
        if document.graph().index_of(id).is_none() {
            continue;
        }
        let to = place_of(document.template(), id);
        match glide {
            Some(mut glide) if glide.to == to => {
                glide.elapsed_secs += time.delta_secs();
                let share = (glide.elapsed_secs / GLIDE_SECS).min(1.0);
                if share < 1.0 {
                    let share = EaseFunction::CubicOut.sample_clamped(share);
                    transform.translation = glide.from.lerp(to, share);
                    redraw.write(RequestRedraw);
                } else {
                    transform.translation = to;
                    commands.entity(entity).remove::<Glide>();
                }
            }
            _ if transform.translation == to => {}
            _ if settings.reduced_motion => transform.translation = to,
            _ => {
                let from = transform.translation;
                commands.entity(entity).insert(Glide { from, to, elapsed_secs: 0.0 });
                redraw.write(RequestRedraw);
            }
        }
    }
}
