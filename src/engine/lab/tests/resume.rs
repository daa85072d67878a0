//! Runs that are stopped or killed and go on.

use super::*;

#[test]
fn an_opened_run_holds_what_the_lab_held() {
    let runs = tempfile::tempdir().expect("a folder");
    let mut first = lab(runs.path(), "run");
    let control = Control::default();
    assert!(!first.train(1, &control, &mut ignore).expect("trains"));
    assert!(!first.search(2, 3, Budget::default(), &control, &mut ignore).expect("searches"));
    let opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(facts(&opened), facts(&first));
    assert_eq!(opened.best(), first.best());
    assert_eq!((opened.evaluated(), opened.iterations(), opened.epochs()), (6, 2, 1));
}

#[test]
fn a_search_that_is_killed_loses_nothing_evaluated_and_ends_as_if_it_had_not_been() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut whole = lab(runs.path(), "whole");
    whole.train(1, &control, &mut ignore).expect("trains");
    whole.search(3, 3, Budget::default(), &control, &mut ignore).expect("searches");

    let mut cut = lab(runs.path(), "cut");
    cut.train(1, &control, &mut ignore).expect("trains");
    // Ends in the middle of the second iteration, as a kill would: nothing but the journal goes on.
    let mut evaluated = 0;
    let stopping = Control::default();
    let stopped = cut
        .search(3, 3, Budget::default(), &stopping, &mut |report| {
            evaluated += u32::from(matches!(report, Report::Evaluated { .. }));
            if evaluated == 4 {
                stopping.stop();
            }
        })
        .expect("is stopped");
    assert!(stopped && evaluated == 4);
    drop(cut);

    let mut resumed = Lab::open(&runs.path().join("cut"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(resumed.evaluated(), 4);
    assert_eq!(
        resumed.targets(),
        Targets { epochs: Some(1), iterations: Some(3), candidates: Some(3), ..Targets::default() }
    );
    let mut again = 0;
    resumed
        .search(2, 3, Budget::default(), &control, &mut |report| {
            again += u32::from(matches!(report, Report::Evaluated { .. }));
        })
        .expect("goes on");
    assert_eq!(again, 5, "what was evaluated before is not evaluated again");
    assert_eq!(facts(&resumed), facts(&whole));
}

#[test]
fn training_that_is_stopped_in_the_middle_of_an_epoch_ends_as_if_it_had_not_been() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut whole = lab(runs.path(), "whole");
    whole.train(2, &control, &mut ignore).expect("trains");

    let mut cut = lab(runs.path(), "cut");
    let stopping = Control::default();
    let stopped = cut.train(2, &stopping, &mut |report| {
        if matches!(report, Report::Step { step: 100, .. }) {
            stopping.stop();
        }
    });
    assert!(stopped.expect("is stopped"));
    assert_eq!(cut.epochs(), 1);
    drop(cut);

    let mut resumed = Lab::open(&runs.path().join("cut"), DeviceChoice::Cpu).expect("opens");
    let mut first_step = None;
    resumed
        .train(1, &control, &mut |report| {
            if let Report::Step { step, .. } = report {
                first_step.get_or_insert(step);
            }
        })
        .expect("goes on");
    assert_eq!(first_step, Some(101));
    assert_eq!(facts(&resumed), facts(&whole));
}

#[test]
fn a_search_whose_supernet_is_trained_on_is_resumed_exactly_and_compares_like_with_like() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut whole = lab(runs.path(), "whole");
    whole.train(2, &control, &mut ignore).expect("trains");
    whole.search(3, 2, Budget::default(), &control, &mut ignore).expect("searches");
    let before = whole.placed();
    whole.train(1, &control, &mut ignore).expect("trains on");
    assert!(
        whole
            .search
            .candidates()
            .iter()
            .all(|candidate| candidate.evaluation.is_some()
                == (candidate.standing == Standing::Stale))
    );
    whole.search(3, 2, Budget::default(), &control, &mut ignore).expect("searches on");
    let changed = before.iter().zip(whole.placed()).filter(|(before, after)| {
        assert_eq!(before.position, after.position);
        before.candidate.evaluation.is_some()
            && before.candidate.evaluation != after.candidate.evaluation
    });
    assert_eq!(changed.count(), 6, "all were evaluated again");

    // The same in pieces, each in a session of its own: the folder is all that is left of the one before.
    let folder = runs.path().join("cut");
    let reopened = || Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    let stopping = Control::default();
    let mut stop = stop_at(&stopping, 100, |report| matches!(report, Report::Step { .. }));
    assert!(lab(runs.path(), "cut").train(2, &stopping, &mut stop).expect("is stopped"));
    reopened().train(1, &control, &mut ignore).expect("goes on");
    let evaluated = |report: &Report| matches!(report, Report::Evaluated { .. });
    for (count, iterations) in [(3, 3), (1, 2)] {
        stopping.reset();
        let mut stop = stop_at(&stopping, count, evaluated);
        assert!(
            reopened()
                .search(iterations, 2, Budget::default(), &stopping, &mut stop)
                .expect("is stopped")
        );
    }
    reopened().search(1, 2, Budget::default(), &control, &mut ignore).expect("goes on");
    reopened().train(1, &control, &mut ignore).expect("trains on");
    // In the middle of what is evaluated again.
    stopping.reset();
    let mut stop = stop_at(&stopping, 2, evaluated);
    assert!(reopened().search(3, 2, Budget::default(), &stopping, &mut stop).expect("is stopped"));
    let mut resumed = reopened();
    assert_eq!(resumed.search.stale().len(), 4);
    resumed.search(3, 2, Budget::default(), &control, &mut ignore).expect("goes on");
    assert_eq!(facts(&resumed), facts(&whole));
    assert!(weights(&resumed) == weights(&whole));
    assert_eq!(journal(&folder), journal(&runs.path().join("whole")));
    drop(resumed);
    assert_eq!(facts(&reopened()), facts(&whole));
}

#[test]
fn a_search_that_goes_on_with_fewer_candidates_is_the_same_after_reopening() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("run");
    let control = Control::default();
    let mut first = lab(runs.path(), "run");
    first.train(1, &control, &mut ignore).expect("trains");
    let stopping = Control::default();
    let mut evaluated = 0;
    first
        .search(1, 5, Budget::default(), &stopping, &mut |report| {
            evaluated += u32::from(matches!(report, Report::Evaluated { .. }));
            if evaluated == 3 {
                stopping.stop();
            }
        })
        .expect("is stopped");
    first.search(2, 2, Budget::default(), &control, &mut ignore).expect("goes on");
    // All three that the first iteration had evaluated belong to it, besides the two that were asked for then;
    // what it only had proposed is proposed again.
    assert_eq!(first.iteration_reports()[0].candidates.len(), 4);
    drop(first.run.take());
    let mut opened = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    assert_eq!(facts(&opened), facts(&first));
    assert_eq!(opened.search.propose(3), first.search.propose(3));
}

#[test]
fn a_search_after_a_training_that_was_stopped_early_needs_no_more_of_it() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut first = lab(runs.path(), "run");
    let stopping = Control::default();
    first
        .train(50, &stopping, &mut |report| {
            if matches!(report, Report::Epoch(_)) {
                stopping.stop();
            }
        })
        .expect("is stopped");
    first.search(1, 2, Budget::default(), &control, &mut ignore).expect("searches");
    drop(first);
    let opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    assert_eq!((opened.epochs(), opened.targets().epochs), (1, Some(1)));
}

#[test]
fn seconds_of_what_was_stopped_are_not_lost() {
    let runs = tempfile::tempdir().expect("a folder");
    let mut first = lab(runs.path(), "run");
    let stopping = Control::default();
    first
        .train(1, &stopping, &mut |report| {
            if matches!(report, Report::Step { step: 20, .. }) {
                stopping.stop();
            }
        })
        .expect("is stopped");
    let spent = first.seconds().training;
    assert!(spent > 0.0);
    drop(first);
    let mut opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(opened.seconds().training, spent);
    opened.train(1, &Control::default(), &mut ignore).expect("goes on");
    let epoch = opened.epoch_reports()[0].seconds;
    assert!(epoch > spent && opened.seconds().training == epoch);
}

#[test]
fn what_is_left_of_a_run_that_was_killed_while_it_was_made_is_taken_over() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let folder = runs.path().join("run");
    for left in ["weights", "template"] {
        std::fs::create_dir_all(folder.join(left)).expect("is made");
    }
    for left in ["lock", ".tmp12345", "template/0001.ron", "journal.jsonl"] {
        std::fs::write(folder.join(left), "half").expect("is written");
    }
    lab(runs.path(), "run").train(1, &control, &mut ignore).expect("makes the run");
    assert_eq!(Lab::open(&folder, DeviceChoice::Cpu).expect("opens").epochs(), 1);

    // A folder with weights was a run, and one with anything else in it is somebody's.
    std::fs::remove_file(folder.join("run.ron")).expect("is there");
    for added in [None, Some("notes.txt")] {
        if let Some(name) = added {
            std::fs::remove_dir_all(folder.join("weights")).expect("is there");
            std::fs::write(folder.join(name), "mine").expect("is written");
        }
        let error = lab(runs.path(), "run").train(1, &control, &mut ignore).expect_err("is taken");
        assert!(error.to_string().contains("exists already"), "{error}");
        assert!(folder.join("journal.jsonl").exists());
    }
}

#[test]
fn training_that_is_cancelled_is_as_if_its_last_epoch_had_not_begun() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut whole = lab(runs.path(), "whole");
    whole.train(2, &control, &mut ignore).expect("trains");

    let mut cut = lab(runs.path(), "cut");
    let cancelling = Control::default();
    let mut forgotten = None;
    let stopped = cut.train(2, &cancelling, &mut |report| match report {
        Report::Step { step: 100, .. } => cancelling.cancel(),
        Report::Forgotten { step } => forgotten = Some(step),
        _ => {}
    });
    assert!(stopped.expect("is cancelled"));
    assert_eq!((cut.epochs(), forgotten), (1, Some(cut.trained_steps())));
    // In the same lab, which must have forgotten it, too.
    let mut first_step = None;
    cut.train(1, &control, &mut |report| {
        if let Report::Step { step, .. } = report {
            first_step.get_or_insert(step);
        }
    })
    .expect("goes on");
    assert_eq!(first_step, forgotten.map(|step| step + 1));
    assert_eq!(facts(&cut), facts(&whole));
    assert_eq!(weights(&cut), weights(&whole));
}
