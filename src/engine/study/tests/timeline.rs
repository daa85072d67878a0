//! Sessions looked at as they were.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_timeline_gives_the_study_that_the_first_events_make_in_any_order(
        acts in proptest::collection::vec(act(), 1..12),
        places in proptest::collection::vec(0.0..=1.0, 1..8)
    ) {
        let mut session = Session::begin();
        for act in acts {
            session.act(act);
        }
        let mut timeline = Timeline::of(&session.live);
        let mut of_replica = Timeline::of(&session.live.replica());
        let all = session.events.len();
        let mut of_fold = Timeline::of(&session.fold(all, Judging::WhenAsked));
        prop_assert_eq!(timeline.events(), all);
        let jumps = places.into_iter().map(|place: f64| (place * all as f64) as usize);
        // One event is followed by the next, and nothing by the end.
        for events in jumps.flat_map(|events| [events, events + 1]) {
            let events = events.min(all);
            let wanted = told(&session.fold(events, Judging::EachIteration));
            prop_assert_eq!(&told(timeline.at(events).expect("follows")), &wanted);
            prop_assert_eq!(&told(of_replica.at(events).expect("follows")), &wanted);
            let wanted = told(&session.fold(events, Judging::WhenAsked));
            prop_assert_eq!(told(of_fold.at(events).expect("follows")), wanted);
        }
        for events in [all, all + 1] {
            prop_assert_eq!(told(timeline.at(events).expect("follows")), told(&session.live));
        }
    }
}

/// A session with many events: two trainings and searches, with an edit in between.
fn long_session() -> Session {
    let mut session = Session::begin();
    for act in [Act::Train, Act::Search(8), Act::Search(8), Act::Remove(3), Act::Train] {
        session.act(act);
    }
    for _ in 0..10 {
        session.act(Act::Search(8));
    }
    session
}

#[test]
fn each_moment_is_the_same_forwards_and_backwards() {
    let session = long_session();
    let all = session.events.len();
    let mut timeline = Timeline::of(&session.live);
    let backwards: Vec<_> =
        (0..=all).rev().map(|events| told(timeline.at(events).expect("follows"))).collect();
    let mut timeline = Timeline::of(&session.live);
    for (events, known) in backwards.into_iter().rev().enumerate() {
        let now = timeline.at(events).expect("follows");
        assert_eq!(now.events(), events);
        assert_eq!(told(now), known, "after {events} events");
    }
}

#[test]
fn weights_in_the_middle_of_an_epoch_are_those_of_the_end_only() {
    let mut session = long_session();
    let before = told(&session.live);
    session.live.weights_at(session.step + 1);
    let mut timeline = Timeline::of(&session.live);
    let all = session.events.len();
    for _ in 0..2 {
        let stale = timeline.at(all).expect("follows").search().stale();
        assert!(!stale.is_empty() && stale == session.live.search().stale());
        // An evaluation that follows is with the weights before.
        assert_eq!(timeline.at(all - 1).expect("follows").search().step(), session.step);
    }
    session.live.weights_at(session.step);
    assert_eq!(told(Timeline::of(&session.live).at(all).expect("follows")), before);
}
