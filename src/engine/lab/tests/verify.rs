//! Candidates that are retrained.

use super::*;
use crate::engine::{
    kendall::Kendall,
    search::{Evaluation, Objective},
    study::Retrained,
};

#[test]
fn verification_is_resumed_exactly_and_told_by_the_folder() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let settings = VerifySettings { top: 3, random: 2, epochs: None };
    let finish = |name: &str| {
        let mut lab = lab(runs.path(), name);
        assert!(matches!(
            lab.work(Plan::Verify(settings), &control, &mut ignore),
            Err(LabError::NotTrained)
        ));
        lab.work(train(1), &control, &mut ignore).expect("trains");
        let few = lab
            .work(Plan::Verify(settings), &control, &mut ignore)
            .expect_err("nothing is evaluated");
        assert!(matches!(few, LabError::TooFewToVerify { chosen: 0 }), "{few}");
        lab.work(search(2, 3), &control, &mut ignore).expect("searches");
        lab
    };
    let known = |lab: &Lab| {
        let mut known = lab.verification(None).expect("is there");
        known.candidates.iter_mut().for_each(|candidate| candidate.seconds = 0.0);
        known
    };
    let mut whole = finish("whole");
    let (best, before) = (whole.best().expect("is there").id, weights(&whole));
    assert!(!whole.work(Plan::Verify(settings), &control, &mut ignore).expect("verifies"));
    let verification = known(&whole);
    assert_eq!((verification.epochs, verification.candidates.len()), (1, 5));
    assert_eq!(verification.candidates[0].candidate, best);
    assert!(weights(&whole) == before, "the supernet stays as it is");
    assert!(whole.verification(None).expect("is there").candidates.iter().all(|c| c.seconds > 0.0));

    // Stopped in the middle of the second candidate, 74 steps each.
    let mut cut = finish("cut");
    let stopping = Control::default();
    let mut stop = stop_at(&stopping, 100, |report| matches!(report, Report::Progress(_)));
    assert!(cut.work(Plan::Verify(settings), &stopping, &mut stop).expect("is stopped"));
    assert_eq!(cut.verification(None).expect("one").candidates.len(), 1);
    drop(cut);
    let mut resumed = Lab::open(&runs.path().join("cut"), DeviceChoice::Cpu).expect("opens");
    let mut trained = 0;
    resumed
        .work(Plan::Verify(settings), &control, &mut |report| {
            trained += usize::from(matches!(event(&report), Some(Event::Retrained { .. })));
        })
        .expect("goes on");
    assert_eq!((trained, known(&resumed)), (4, verification.clone()));
    assert_eq!(journal(&runs.path().join("cut")), journal(&runs.path().join("whole")));
    drop(resumed);
    let opened = Lab::open(&runs.path().join("cut"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(known(&opened), verification);

    // Each number of epochs has a table of its own.
    assert_eq!(whole.verification(Some(1)).expect("is there").epochs, 1);
    assert_eq!(whole.verification(Some(2)), None);

    // Proxy accuracies of other weights are not compared.
    whole.work(train(1), &control, &mut ignore).expect("trains on");
    let stale = whole.work(Plan::Verify(settings), &control, &mut ignore).expect_err("is refused");
    assert!(matches!(stale, LabError::StaleProxies { stale: 6 }), "{stale}");
}

#[test]
fn a_candidate_that_an_edit_links_otherwise_is_not_taken_for_the_one_that_was_retrained() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    // The input gives what the first layer gives, so that it can feed the second.
    let text = SMALL.replace("(1, 8, 8))]", "(1, 8, 8)), ConvBlock(filters: 4, kernel: 1)]");
    let template = template::parse("small", &text).expect("is right");
    let settings = lab(runs.path(), "unused").settings().clone();
    let mut lab = Lab::new(template, settings, runs.path().to_owned(), Some("run".to_owned()));
    lab.work(train(1), &control, &mut ignore).expect("trains");
    lab.work(search(2, 4), &control, &mut ignore).expect("searches");
    let all = VerifySettings { top: 8, random: 0, epochs: None };
    lab.work(Plan::Verify(all), &control, &mut ignore).expect("verifies");
    assert_eq!(lab.study.retrained().count(), 8);
    let link = Edit::Connect { from: "in".into(), to: "b3".into(), slot: None };
    let linked = edited_by(&lab, &[link]);
    let mask = |lab: &Lab, id: CandidateId| lab.candidates()[id.index()].mask.clone();
    let b3 = lab.graph().index_of(&"b3".into()).expect("a node");
    let untouched: Vec<_> =
        lab.study.retrained().map(|r| r.id).filter(|&id| !mask(&lab, id).contains(b3)).collect();
    assert!(!untouched.is_empty() && untouched.len() < 8, "{untouched:?}");
    lab.edit(linked).expect("is edited");
    assert_eq!(lab.study.retrained().map(|r| r.id).collect::<Vec<_>>(), untouched);
    drop(lab);
    let opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(opened.study.retrained().map(|r| r.id).collect::<Vec<_>>(), untouched);
}

/// A run whose candidates are all retrained for an epoch, as it is told: as accurate as their proxies, the other way
/// round in all else.
fn all_retrained(runs: &Path, name: &str) -> Lab {
    let mut lab = lab(runs, name);
    let control = Control::default();
    lab.work(train(1), &control, &mut ignore).expect("trains");
    lab.work(search(2, 4), &control, &mut ignore).expect("searches");
    let retrained = lab.candidates().iter().filter_map(|candidate| {
        let proxy = candidate.evaluation?;
        let evaluation = Evaluation {
            accuracy: proxy.accuracy,
            balanced_accuracy: proxy.balanced_accuracy.map(|balanced| 1.0 - balanced),
            loss: 10.0 - proxy.loss,
        };
        Some(Retrained { id: candidate.id, epochs: 1, evaluation, seconds: 1.0 })
    });
    let events: Vec<_> = retrained.map(told).collect();
    lab.note(events).expect("is recorded");
    assert_eq!(lab.study.retrained().count(), 8);
    lab
}

fn told(retrained: Retrained) -> Event {
    let Retrained { id, epochs, evaluation, seconds } = retrained;
    let Evaluation { accuracy, balanced_accuracy, loss } = evaluation;
    Event::Retrained { id, epochs, accuracy, balanced_accuracy, loss, seconds }
}

#[test]
fn candidates_are_taken_and_ranked_by_the_objective_of_the_run() {
    let runs = tempfile::tempdir().expect("a folder");
    let mut lab = all_retrained(runs.path(), "run");
    for (objective, tau) in
        [(Objective::Accuracy, 1.0), (Objective::BalancedAccuracy, -1.0), (Objective::Loss, -1.0)]
    {
        lab.aim_at(objective).expect("has classes");
        let told = lab.verification(Some(1)).expect("is there");
        assert_eq!(told.objective, objective);
        let evaluation =
            |id: CandidateId| lab.candidates()[id.index()].evaluation.expect("is evaluated");
        for (place, verified) in told.candidates.iter().enumerate() {
            let proxy = evaluation(verified.candidate);
            assert_eq!(verified.proxy, objective.figure(&proxy));
            assert_eq!(verified.proxy_accuracy, proxy.accuracy);
            let before = told.candidates[..place].iter().map(|v| evaluation(v.candidate));
            before.for_each(|before| assert!(objective.compare(&before, &proxy).is_ge()));
        }
        assert_eq!(told.kendall.map(|kendall: Kendall| kendall.tau), Some(tau), "{objective}");
        let best: Vec<_> = told.candidates.iter().map(|v| v.candidate).take(3).collect();
        assert_eq!(lab.choose(3, 0), best, "{objective}");
    }
}

#[test]
fn candidates_whose_balanced_accuracy_an_older_program_did_not_keep_are_retrained_for_it() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = all_retrained(runs.path(), "run");
    let without = |retrained: &Retrained| {
        let evaluation = Evaluation { balanced_accuracy: None, ..retrained.evaluation };
        told(Retrained { evaluation, ..*retrained })
    };
    let events: Vec<_> = lab.study.retrained().map(without).collect();
    lab.note(events).expect("is recorded");
    assert_eq!(lab.verification(Some(1)).expect("is there").candidates.len(), 8);
    lab.aim_at(Objective::BalancedAccuracy).expect("has classes");
    assert_eq!(lab.verification(Some(1)), None);
    let settings = VerifySettings { top: 5, random: 0, epochs: Some(1) };
    lab.work(Plan::Verify(settings), &control, &mut ignore).expect("verifies");
    let verification = lab.verification(Some(1)).expect("is there");
    assert_eq!(verification.candidates.len(), 5);
    assert_eq!(lab.study.retrained().count(), 8, "each is known once");
    lab.aim_at(Objective::Loss).expect("is recorded");
    assert_eq!(lab.verification(Some(1)).expect("is there").candidates.len(), 8);
    drop(lab);
    let mut opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    opened.aim_at(Objective::BalancedAccuracy).expect("is recorded");
    let again = opened.verification(Some(1)).expect("is there");
    assert_eq!(again, verification, "the journal keeps balanced accuracies");
}
