//! Searches that are steered, and those within a budget.

use super::*;
use crate::engine::search::{Measure, Steering};

fn keep(ids: &[&str]) -> Vec<NodeId> {
    ids.iter().map(|&id| id.into()).collect()
}

fn keeps(lab: &Lab, candidate: &Candidate, id: &str) -> bool {
    lab.graph().index_of(&id.into()).is_some_and(|node| candidate.mask.contains(node))
}

#[test]
fn a_steered_search_is_recorded_and_goes_on_steered_as_if_it_had_not_been_stopped() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let first = Steering { pinned: keep(&["a3"]), ..Steering::default() };
    let then = Steering {
        forbidden: keep(&["bm"]),
        union: vec![CandidateId(0), CandidateId(1), CandidateId(2)],
        pareto: Some(Measure::Flops),
        ..Steering::default()
    };
    // Two iterations, the second one steered otherwise; in one lab, and in one that is opened again in between
    // and stopped in the middle of the second.
    let mut whole = lab(runs.path(), "whole");
    assert!(whole.steer(first.clone()).expect("can be met"));
    assert!(!whole.steer(first.clone()).expect("is nothing new"));
    whole.work(train(1), &control, &mut ignore).expect("trains");
    whole.work(search(1, 3), &control, &mut ignore).expect("searches");
    let after_first = whole.candidates().to_vec();
    whole.steer(then.clone()).expect("can be met");
    whole.work(search(1, 2), &control, &mut ignore).expect("searches");

    let mut cut = lab(runs.path(), "cut");
    cut.steer(first.clone()).expect("can be met");
    cut.work(train(1), &control, &mut ignore).expect("trains");
    cut.work(search(1, 3), &control, &mut ignore).expect("searches");
    drop(cut);
    let mut cut = Lab::open(&runs.path().join("cut"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(cut.steering(), &first);
    cut.steer(then.clone()).expect("can be met");
    let stopping = Control::default();
    cut.work(search(1, 2), &stopping, &mut |report| {
        if is_evaluation(&report) {
            stopping.stop();
        }
    })
    .expect("is stopped");
    drop(cut);
    let mut cut = Lab::open(&runs.path().join("cut"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(cut.steering(), &then);
    cut.work(search(1, 2), &control, &mut ignore).expect("searches");

    assert_eq!(facts(&cut), facts(&whole));
    assert_eq!(journal(&runs.path().join("cut")), journal(&runs.path().join("whole")));

    let evaluated = |candidates: &[Candidate]| -> Vec<CandidateId> {
        candidates.iter().filter(|c| c.evaluation.is_some()).map(|c| c.id).collect()
    };
    let before = evaluated(&after_first);
    assert_eq!(before.len(), 3);
    assert!(before.iter().all(|id| keeps(&whole, &whole.candidates()[id.index()], "a3")));
    for id in evaluated(whole.candidates()).into_iter().filter(|id| !before.contains(id)) {
        assert!(!keeps(&whole, &whole.candidates()[id.index()], "bm"));
    }
    // The front descends from the best to the cheapest.
    let front = whole.study.search().front(Measure::Flops);
    assert_eq!(front.last().copied(), whole.best().map(|best| best.id));
    let flops: Vec<_> = front.iter().map(|id| whole.candidates()[id.index()].cost.flops).collect();
    assert!(flops.is_sorted_by(|a, b| a < b));
}

#[test]
fn what_cannot_be_met_is_refused_before_anything_is_written() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &control, &mut ignore).expect("trains");
    let kept = Steering { pinned: keep(&["b3"]), ..Steering::default() };
    lab.steer(kept.clone()).expect("can be met");
    let before = journal(&runs.path().join("run"));
    assert_eq!(before.last(), Some(&Event::Steered(kept.clone())));
    let none = Steering { forbidden: keep(&["a1", "a3"]), ..Steering::default() };
    let error = lab.steer(none).expect_err("leaves nothing").to_string();
    assert!(error.contains("nothing leads from the input to the output"), "{error}");
    let lean = Steering { max_parameters: Some(1), ..Steering::default() };
    let error = lab.steer(lean).expect_err("leaves nothing").to_string();
    assert!(error.contains("the leanest has"), "{error}");
    assert_eq!((lab.steering(), journal(&runs.path().join("run"))), (&kept, before));

    // What the search is steered to must be left by an edit, too.
    let gone = Edit::Remove { nodes: vec!["a1".into()], heal: false };
    let without = edited_by(&lab, &[gone]);
    let forbidden = Steering { forbidden: keep(&["a3"]), ..Steering::default() };
    lab.steer(forbidden).expect("can be met");
    let before = journal(&runs.path().join("run"));
    lab.edit(without.clone()).expect_err("leaves nothing");
    assert_eq!(journal(&runs.path().join("run")), before);
    lab.steer(Steering::default()).expect("asks for nothing");
    lab.edit(without).expect("is edited");
}

#[test]
fn candidates_are_timed_where_time_counts_and_the_times_are_kept() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &control, &mut ignore).expect("trains");
    lab.work(search(1, 2), &control, &mut ignore).expect("searches");
    assert!(lab.candidates().iter().all(|candidate| candidate.latency.is_none()));
    let steering =
        Steering { max_latency: Some(10.0), pareto: Some(Measure::Latency), ..Steering::default() };
    lab.steer(steering).expect("can be met");
    let mut timed = Vec::new();
    lab.work(search(1, 2), &control, &mut |report| {
        if let Some(&Event::Timed { id, latency }) = event(&report) {
            assert!(latency > 0.0);
            timed.push(id);
        }
    })
    .expect("searches");
    // Those that were evaluated before, and the new ones.
    timed.sort_unstable();
    let evaluated = lab.candidates().iter().filter(|c| c.evaluation.is_some());
    assert_eq!(timed, evaluated.map(|candidate| candidate.id).collect::<Vec<_>>());
    assert!(!lab.study.search().front(Measure::Latency).is_empty());
    let opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(opened.candidates(), lab.candidates());
}

#[test]
fn a_search_ends_when_its_budget_is_spent_and_says_so() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &control, &mut ignore).expect("trains");
    let mut ends = Vec::new();
    let mut search = |lab: &mut Lab, budget| {
        let stopped = lab.work(
            Plan::Search { iterations: 9, candidates: 3, budget },
            &control,
            &mut |report| {
                if let Report::EndsEarly(why) = report {
                    ends.push(why);
                }
            },
        );
        assert!(!stopped.expect("searches"));
    };
    // Two whole iterations and a part of one.
    search(&mut lab, Budget { candidates: Some(7), seconds: None });
    assert_eq!((lab.evaluated(), lab.iterations()), (7, 3));
    search(&mut lab, Budget { candidates: Some(7), seconds: None });
    assert_eq!((lab.evaluated(), lab.iterations()), (7, 3));
    assert_eq!(lab.targets().budget, Budget { candidates: Some(7), seconds: None });
    // No time at all: what is found out by then stays.
    search(&mut lab, Budget { candidates: None, seconds: Some(0) });
    assert_eq!((lab.evaluated(), lab.iterations()), (7, 3));
    let spent = EarlyEnd::Candidates(7);
    assert_eq!(ends, [spent, spent, EarlyEnd::Seconds(0)]);
    let opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(opened.targets(), lab.targets());
}

#[test]
fn a_search_ends_when_nothing_new_is_as_it_is_steered() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &control, &mut ignore).expect("trains");
    // Two of them are left.
    let steering =
        Steering { pinned: keep(&["a1", "b3"]), forbidden: keep(&[]), ..Steering::default() };
    lab.steer(steering).expect("can be met");
    let mut end = None;
    lab.work(search(9, 5), &control, &mut |report| {
        if let Report::EndsEarly(why) = report {
            end = Some(why);
        }
    })
    .expect("searches");
    assert_eq!((end, lab.evaluated(), lab.iterations()), (Some(EarlyEnd::NoneWanted), 2, 1));
}

#[test]
fn what_is_asked_of_a_node_that_an_edit_removes_holds_again_when_it_is_back() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &control, &mut ignore).expect("trains");
    let (pinned, forbidden) = (keep(&["b1"]), keep(&["gap"]));
    let asked = Steering { pinned, forbidden, ..Steering::default() };
    lab.steer(asked.clone()).expect("can be met");
    let whole = lab.study.template().clone();
    let gone = Edit::Remove { nodes: keep(&["b1"]), heal: false };
    let done = lab.edit(edited_by(&lab, &[gone])).expect("is edited").expect("has changed");
    assert_eq!((done.resting.as_slice(), lab.steering().pinned.len()), (&keep(&["b1"])[..], 0));
    assert!(done.to_string().contains("what is asked of b1 rests until it is back"), "{done}");
    // Other wishes leave it, in another process, too.
    drop(lab);
    let mut lab = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(lab.asked(), &asked);
    assert!(!lab.steer(asked.clone()).expect("is nothing new"));
    let more = Steering { max_parameters: Some(100_000), ..asked };
    assert!(lab.steer(more.clone()).expect("can be met"));
    lab.work(search(1, 2), &control, &mut ignore).expect("searches");
    lab.edit(whole).expect("is edited").expect("has changed");
    assert_eq!(lab.steering(), &more);
    lab.work(search(1, 2), &control, &mut ignore).expect("searches");
    let last = lab.iteration_reports().last().expect("two").candidates.clone();
    assert!(last.iter().all(|&id| keeps(&lab, &lab.candidates()[id.index()], "b1")));
}
