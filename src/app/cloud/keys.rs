//! The keyboard's way through the cloud: `[` and `]` step to the next worse and the next better candidate,
//! `B` goes to the best.

use super::{
    super::document::{Archive, Focus},
    Scores,
};
use crate::engine::{candidate::CandidateId, report::PlacedCandidate};
use bevy::prelude::*;
use bevy_egui::input::EguiWantsInput;
use std::cmp::Ordering;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, step_by_accuracy.run_if(keys_are_free));
}

/// Whether nobody is typing into a field.
fn keys_are_free(egui: Option<Res<EguiWantsInput>>) -> bool {
    egui.is_none_or(|egui| !egui.wants_any_keyboard_input())
}

fn step_by_accuracy(
    keys: Res<ButtonInput<KeyCode>>,
    archive: Res<Archive>,
    scores: Res<Scores>,
    mut focus: ResMut<Focus>,
) {
    let now = focus.selected_candidate;
    let next = if keys.just_pressed(KeyCode::KeyB) {
        scores.best
    } else if keys.just_pressed(KeyCode::BracketRight) {
        neighbour(&archive.candidates, now, Step::Better)
    } else if keys.just_pressed(KeyCode::BracketLeft) {
        neighbour(&archive.candidates, now, Step::Worse)
    } else {
        return;
    };
    if next.is_some() && next != now {
        focus.selected_candidate = next;
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Better,
    Worse,
}

/// What candidates are ordered by: accuracy, and of equals the lower id is better.
struct Rank(f64, CandidateId);

impl Rank {
    fn compare(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then(other.1.cmp(&self.1))
    }
}

/// The evaluated candidate that follows `from` in the order of ranks. From nowhere both steps lead to
/// the best. `None` at the end.
fn neighbour(
    candidates: &[PlacedCandidate],
    from: Option<CandidateId>,
    step: Step,
) -> Option<CandidateId> {
    let rank = |candidate: &PlacedCandidate| {
        Some(Rank(candidate.candidate.evaluation?.accuracy, candidate.candidate.id))
    };
    let ranked = candidates.iter().filter_map(rank);
    let here = from.and_then(|id| candidates.get(id.index())).and_then(rank);
    let next = match (here, step) {
        (None, _) => ranked.max_by(Rank::compare),
        (Some(here), Step::Better) => {
            ranked.filter(|rank| rank.compare(&here).is_gt()).min_by(Rank::compare)
        }
        (Some(here), Step::Worse) => {
            ranked.filter(|rank| rank.compare(&here).is_lt()).max_by(Rank::compare)
        }
    };
    next.map(|Rank(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::{super::points::tests::placed, *};

    #[test]
    fn steps_follow_the_accuracy_and_skip_what_is_not_evaluated() {
        let accuracies = [Some(0.5), None, Some(0.9), Some(0.7), Some(0.7)];
        let candidates: Vec<_> =
            (0..).zip(accuracies).map(|(id, accuracy)| placed(id, [0.0; 3], accuracy)).collect();
        let walk = |from: Option<u32>, step| {
            neighbour(&candidates, from.map(CandidateId), step).map(|id| id.0)
        };

        assert_eq!(walk(None, Step::Better), Some(2));
        assert_eq!(walk(None, Step::Worse), Some(2));
        assert_eq!(walk(Some(1), Step::Worse), Some(2), "not evaluated is nowhere in the order");
        let mut order = vec![2];
        while let Some(next) = walk(order.last().copied(), Step::Worse) {
            order.push(next);
        }
        assert_eq!(order, [2, 3, 4, 0]);
        let mut back = vec![0];
        while let Some(next) = walk(back.last().copied(), Step::Better) {
            back.push(next);
        }
        assert_eq!(back, [0, 4, 3, 2]);
    }
}
