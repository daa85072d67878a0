//! The keyboard's way through the cloud: `[` and `]` step to the next worse and the next better candidate,
//! `B` goes to the best.

use super::{
    super::{
        document::{Archive, Focus},
        keyboard::{Modifiers, sign},
    },
    Scores,
};
use crate::engine::{
    candidate::CandidateId,
    search::{Candidate, Objective},
};
use bevy::{input::keyboard::KeyboardInput, prelude::*};
use bevy_egui::input::EguiWantsInput;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, step_by_accuracy);
}

fn step_by_accuracy(
    mut presses: MessageReader<KeyboardInput>,
    held: Res<ButtonInput<KeyCode>>,
    mut modifiers: Local<Modifiers>,
    egui: Option<Res<EguiWantsInput>>,
    archive: Res<Archive>,
    scores: Res<Scores>,
    mut focus: ResMut<Focus>,
) {
    let typing = egui.is_some_and(|egui| egui.wants_any_keyboard_input());
    // Read in any case: what was typed into a field must not act when the field is left.
    for press in presses.read() {
        modifiers.follow(press);
        if typing || modifiers.ctrl || !press.state.is_pressed() {
            continue;
        }
        let now = focus.selected_candidate;
        let next = match sign(&press.logical_key, press.key_code).as_deref() {
            Some("b") => scores.best,
            Some("]") => neighbour(archive.candidates(), archive.objective(), now, Step::Better),
            Some("[") => neighbour(archive.candidates(), archive.objective(), now, Step::Worse),
            _ => continue,
        };
        if next.is_some() && next != now {
            focus.selected_candidate = next;
        }
    }
    *modifiers = Modifiers::of(&held);
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Better,
    Worse,
}

/// The evaluated candidate that follows `from` in the order of ranks. From nowhere both steps lead to
/// the best. `None` at the end.
fn neighbour(
    candidates: &[Candidate],
    objective: Objective,
    from: Option<CandidateId>,
    step: Step,
) -> Option<CandidateId> {
    let rank = |candidate: &Candidate| candidate.rank(objective);
    let ranks = candidates.iter().filter_map(rank);
    let here = from.and_then(|id| candidates.get(id.index())).and_then(rank);
    let next = match (here, step) {
        (None, _) => ranks.max(),
        (Some(here), Step::Better) => ranks.filter(|rank| *rank > here).min(),
        (Some(here), Step::Worse) => ranks.filter(|rank| *rank < here).max(),
    };
    next.map(|rank| rank.id)
}

#[cfg(test)]
mod tests {
    use super::{super::points::tests::candidate, *};

    #[test]
    fn steps_follow_the_accuracy_and_skip_what_is_not_evaluated() {
        let accuracies = [Some(0.5), None, Some(0.9), Some(0.7), Some(0.7)];
        let candidates: Vec<_> =
            (0..).zip(accuracies).map(|(id, accuracy)| candidate(id, accuracy)).collect();
        let walk = |from: Option<u32>, step| {
            neighbour(&candidates, Objective::default(), from.map(CandidateId), step).map(|id| id.0)
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
