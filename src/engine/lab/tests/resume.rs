//! Runs that are stopped or killed and go on.

use super::*;

#[test]
fn an_opened_run_holds_what_the_lab_held() {
    let runs = tempfile::tempdir().expect("a folder");
    let mut first = lab(runs.path(), "run");
    let control = Control::default();
    assert!(!first.work(train(1), &control, &mut ignore).expect("trains"));
    assert!(!first.work(search(2, 3), &control, &mut ignore).expect("searches"));
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
    whole.work(train(1), &control, &mut ignore).expect("trains");
    whole.work(search(3, 3), &control, &mut ignore).expect("searches");

    let mut cut = lab(runs.path(), "cut");
    cut.work(train(1), &control, &mut ignore).expect("trains");
    // Ends in the middle of the second iteration, as a kill would: nothing but the journal goes on.
    let mut evaluated = 0;
    let stopping = Control::default();
    let stopped = cut
        .work(search(3, 3), &stopping, &mut |report| {
            evaluated += u32::from(is_evaluation(&report));
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
        .work(search(2, 3), &control, &mut |report| {
            again += u32::from(is_evaluation(&report));
        })
        .expect("goes on");
    assert_eq!(again, 5, "what was evaluated before is not evaluated again");
    assert_eq!(facts(&resumed), facts(&whole));
}

/// A run that was killed when its journal had so many lines: a copy of the run in `whole`.
pub(super) fn killed_after(whole: &Path, lines: usize, folder: &Path) {
    copy(whole, folder);
    let path = folder.join("journal.jsonl");
    let text = std::fs::read_to_string(&path).expect("is there");
    let kept: String = text.split_inclusive('\n').take(lines).collect();
    std::fs::write(&path, kept).expect("is written");
}

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("is new");
    for entry in std::fs::read_dir(from).expect("is there") {
        let entry = entry.expect("is there").path();
        let twin = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &twin);
        } else {
            std::fs::copy(&entry, &twin).expect("is copied");
        }
    }
}

#[test]
fn a_search_on_a_budget_that_is_killed_after_any_line_ends_as_if_it_had_not_been() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let whole = runs.path().join("whole");
    let budget = Budget { candidates: Some(5), seconds: None };
    {
        let mut lab = lab(runs.path(), "whole");
        lab.work(train(1), &control, &mut ignore).expect("trains");
        lab.work(Plan::Search { iterations: 2, candidates: 3, budget }, &control, &mut ignore)
            .expect("searches");
    }
    let all = journal(&whole);
    let trained = all.iter().position(|event| matches!(event, Event::Epoch(_))).expect("one") + 1;
    assert!(all.len() > trained + 6, "{all:?}");
    for lines in trained..=all.len() {
        let folder = runs.path().join(format!("{lines}"));
        killed_after(&whole, lines, &folder);
        let mut lab = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
        let left = 2 - lab.iterations();
        lab.work(Plan::Search { iterations: left, candidates: 3, budget }, &control, &mut ignore)
            .expect("goes on");
        assert_eq!(journal(&folder), all, "after {lines} lines");
    }
}

#[test]
fn what_is_evaluated_and_timed_again_comes_in_the_same_order_after_a_kill() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let whole = runs.path().join("whole");
    let timed = Steering { pareto: Some(Measure::Latency), ..Steering::default() };
    {
        let mut lab = lab(runs.path(), "whole");
        lab.work(train(1), &control, &mut ignore).expect("trains");
        lab.work(search(1, 3), &control, &mut ignore).expect("searches");
        lab.work(train(1), &control, &mut ignore).expect("trains on");
        lab.steer(timed).expect("can be met");
        lab.work(search(1, 3), &control, &mut ignore).expect("searches on");
    }
    // Without the times themselves, which differ.
    let order = |folder: &Path| {
        let lines = journal(folder).into_iter().filter_map(|event| match event {
            Event::Evaluated { id, .. } => Some(("evaluated", id)),
            Event::Timed { id, .. } => Some(("timed", id)),
            _ => None,
        });
        lines.collect::<Vec<_>>()
    };
    let all = journal(&whole);
    let steered = all.iter().position(|event| matches!(event, Event::Steered(_))).expect("one");
    for lines in steered + 1..steered + 7 {
        let folder = runs.path().join(format!("{lines}"));
        killed_after(&whole, lines, &folder);
        let mut lab = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
        lab.work(search(1, 3), &control, &mut ignore).expect("goes on");
        // Three in the first iteration; these again, with their times; then newcomers.
        assert_eq!(order(&folder)[..9], order(&whole)[..9], "after {lines} lines");
    }
}

#[test]
fn a_new_run_knows_from_its_first_moment_what_it_is_to_do() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("run");
    let mut lab = lab(runs.path(), "run");
    let budget = Budget { candidates: Some(6), seconds: None };
    let wanted = Targets { iterations: Some(2), candidates: Some(3), budget, epochs: None };
    lab.aim(wanted).expect("there is no run yet");
    let targets = || Run::open(&folder).expect("is there").state().expect("is right").targets;
    // All that there is if it is killed now.
    lab.create_run("0123".to_owned(), wanted).expect("is made");
    assert_eq!(targets(), wanted);
}

#[test]
fn a_training_that_another_process_has_stopped_meanwhile_must_be_opened_again() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let folder = runs.path().join("run");
    let mut first = lab(runs.path(), "run");
    first.work(train(1), &control, &mut ignore).expect("trains");
    let mut second = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    // Nothing of this stands in the journal.
    let stopping = Control::default();
    let mut stop = stop_at(&stopping, 10, |report| matches!(report, Report::Step { .. }));
    assert!(first.work(train(1), &stopping, &mut stop).expect("is stopped"));
    drop(first);
    for _ in 0..2 {
        let error =
            second.work(train(1), &control, &mut ignore).expect_err("has changed").to_string();
        assert!(error.contains("has changed since it was opened"), "{error}");
    }
    let mut third = Lab::open_to_write(&folder, DeviceChoice::Cpu).expect("opens");
    let mut steps = 0;
    third
        .work(train(1), &control, &mut |report| {
            steps += u64::from(matches!(report, Report::Step { .. }));
        })
        .expect("goes on");
    assert_eq!(steps + 10 + third.study.epochs()[0].step, third.study.epochs()[1].step);
}

#[test]
fn training_that_is_stopped_in_the_middle_of_an_epoch_ends_as_if_it_had_not_been() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut whole = lab(runs.path(), "whole");
    whole.work(train(2), &control, &mut ignore).expect("trains");

    let mut cut = lab(runs.path(), "cut");
    let stopping = Control::default();
    let stopped = cut.work(train(2), &stopping, &mut |report| {
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
        .work(train(1), &control, &mut |report| {
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
    whole.work(train(2), &control, &mut ignore).expect("trains");
    whole.work(search(3, 2), &control, &mut ignore).expect("searches");
    let before = placed(&whole);
    whole.work(train(1), &control, &mut ignore).expect("trains on");
    assert!(
        whole
            .candidates()
            .iter()
            .all(|candidate| candidate.evaluation.is_some()
                == (candidate.standing == Standing::Stale))
    );
    whole.work(search(3, 2), &control, &mut ignore).expect("searches on");
    let changed = before.iter().zip(whole.study.placed()).filter(|((before, place), after)| {
        assert_eq!(*place, after.position);
        before.evaluation.is_some() && before.evaluation != after.candidate.evaluation
    });
    assert_eq!(changed.count(), 6, "all were evaluated again");

    // The same in pieces, each in a session of its own: the folder is all that is left of the one before.
    let folder = runs.path().join("cut");
    let reopened = || Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    let stopping = Control::default();
    let mut stop = stop_at(&stopping, 100, |report| matches!(report, Report::Step { .. }));
    assert!(lab(runs.path(), "cut").work(train(2), &stopping, &mut stop).expect("is stopped"));
    reopened().work(train(1), &control, &mut ignore).expect("goes on");
    let evaluated = is_evaluation;
    for (count, iterations) in [(3, 3), (1, 2)] {
        let stopping = Control::default();
        let mut stop = stop_at(&stopping, count, evaluated);
        assert!(
            reopened()
                .work(
                    Plan::Search { iterations, candidates: 2, budget: Budget::default() },
                    &stopping,
                    &mut stop
                )
                .expect("is stopped")
        );
    }
    reopened().work(search(1, 2), &control, &mut ignore).expect("goes on");
    reopened().work(train(1), &control, &mut ignore).expect("trains on");
    // In the middle of what is evaluated again.
    let stopping = Control::default();
    let mut stop = stop_at(&stopping, 2, evaluated);
    assert!(reopened().work(search(3, 2), &stopping, &mut stop).expect("is stopped"));
    let mut resumed = reopened();
    assert_eq!(resumed.study.search().stale().len(), 4);
    resumed.work(search(3, 2), &control, &mut ignore).expect("goes on");
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
    first.work(train(1), &control, &mut ignore).expect("trains");
    let stopping = Control::default();
    let mut evaluated = Vec::new();
    first
        .work(search(1, 5), &stopping, &mut |report| {
            if let Some(&Event::Evaluated { id, .. }) = event(&report) {
                evaluated.push(id);
            }
            if evaluated.len() == 3 {
                stopping.stop();
            }
        })
        .expect("is stopped");
    let proposed = first.study.search().clone().propose(2);
    first.work(search(2, 2), &control, &mut ignore).expect("goes on");
    // All three that the first iteration had evaluated belong to it, in addition to the two that were asked for then;
    // what it only had proposed is proposed again.
    evaluated.extend(proposed);
    evaluated.sort_unstable();
    evaluated.dedup();
    assert_eq!(first.iteration_reports()[0].candidates, evaluated);
    drop(first.run.take());
    let opened = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    assert_eq!(facts(&opened), facts(&first));
    let next = |lab: &Lab| lab.study.search().proposals(3);
    assert_eq!(next(&opened), next(&first));
}

#[test]
fn a_search_after_a_training_that_was_stopped_early_needs_no_more_of_it() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut first = lab(runs.path(), "run");
    let stopping = Control::default();
    first
        .work(train(50), &stopping, &mut |report| {
            if matches!(event(&report), Some(Event::Epoch(_))) {
                stopping.stop();
            }
        })
        .expect("is stopped");
    first.work(search(1, 2), &control, &mut ignore).expect("searches");
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
        .work(train(1), &stopping, &mut |report| {
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
    opened.work(train(1), &Control::default(), &mut ignore).expect("goes on");
    let epoch = opened.study.epochs()[0].seconds;
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
    lab(runs.path(), "run").work(train(1), &control, &mut ignore).expect("makes the run");
    assert_eq!(Lab::open(&folder, DeviceChoice::Cpu).expect("opens").epochs(), 1);

    // A folder with weights was a run, and one with anything else in it is the user's.
    std::fs::remove_file(folder.join("run.ron")).expect("is there");
    for added in [None, Some("notes.txt"), Some("template/mine.ron")] {
        if let Some(name) = added {
            let _ = std::fs::remove_dir_all(folder.join("weights"));
            let _ = std::fs::remove_file(folder.join("notes.txt"));
            std::fs::write(folder.join(name), "mine").expect("is written");
        }
        let error =
            lab(runs.path(), "run").work(train(1), &control, &mut ignore).expect_err("is taken");
        assert!(error.to_string().contains("exists already"), "{error}");
        assert!(folder.join("journal.jsonl").exists());
    }
}

#[test]
fn a_journal_that_lacks_a_line_is_refused() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(2), &control, &mut ignore).expect("trains");
    lab.work(search(2, 2), &control, &mut ignore).expect("searches");
    let folder = runs.path().join("run");
    let path = folder.join("journal.jsonl");
    let text = std::fs::read_to_string(&path).expect("is there");
    drop(lab);
    for (first, what) in [
        ("\"event\":\"epoch\"", "epoch 2 stands where 1 should"),
        ("\"event\":\"iteration\"", "iteration 2 stands where 1 should"),
    ] {
        let gone = text.lines().position(|line| line.contains(first)).expect("is there");
        let rest = text.lines().enumerate().filter(|&(line, _)| line != gone);
        let rest: String = rest.map(|(_, line)| format!("{line}\n")).collect();
        std::fs::write(&path, rest).expect("is written");
        let error = Lab::open(&folder, DeviceChoice::Cpu).map(|_| ()).expect_err(what).to_string();
        // The next one of its kind does not follow.
        let next = text.lines().skip(gone + 1).position(|line| line.contains(first));
        let line = gone + 1 + next.expect("two");
        assert!(error.contains(&format!("journal.jsonl:{line}: ")), "{error}");
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn a_journal_that_tells_what_cannot_be_is_refused_with_the_line() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &control, &mut ignore).expect("trains");
    lab.work(search(1, 2), &control, &mut ignore).expect("searches");
    let folder = runs.path().join("run");
    let path = folder.join("journal.jsonl");
    let whole = std::fs::read_to_string(&path).expect("is there");
    drop(lab);
    for (event, field, value) in [
        ("epoch", "val_accuracy", "1.5"),
        ("epoch", "seconds", "-2.0"),
        ("evaluated", "accuracy", "-0.25"),
        ("evaluated", "balanced_accuracy", "7.0"),
        ("evaluated", "seconds", "-0.5"),
        ("iteration", "mean_accuracy", "-1.0"),
    ] {
        let is_it = |line: &&str| line.contains(&format!("\"event\":\"{event}\""));
        let number = whole.lines().position(|line| is_it(&line)).expect("is there");
        let line = whole.lines().nth(number).expect("is there");
        let (before, after) = line.split_once(&format!("\"{field}\":")).expect("has it");
        let (_, after) = after.split_at(after.find([',', '}']).expect("ends"));
        let other = whole.replace(line, &format!("{before}\"{field}\":{value}{after}"));
        assert_ne!(other, whole);
        std::fs::write(&path, other).expect("is written");
        let error = Lab::open(&folder, DeviceChoice::Cpu).map(|_| ()).expect_err(field).to_string();
        assert!(error.contains(&format!("journal.jsonl:{}: ", number + 1)), "{error}");
        assert!(error.contains(&format!("is {}", value.trim_end_matches(".0"))), "{error}");
    }
}

#[test]
fn training_that_is_cancelled_is_as_if_its_last_epoch_had_not_begun() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut whole = lab(runs.path(), "whole");
    whole.work(train(2), &control, &mut ignore).expect("trains");

    let mut cut = lab(runs.path(), "cut");
    let cancelling = Control::default();
    let mut forgotten = None;
    let stopped = cut.work(train(2), &cancelling, &mut |report| match report {
        Report::Step { step: 100, .. } => cancelling.cancel(),
        Report::Forgotten { step } => forgotten = Some(step),
        _ => {}
    });
    assert!(stopped.expect("is cancelled"));
    assert_eq!((cut.epochs(), forgotten), (1, Some(cut.trained_steps())));
    // In the same lab, which must have forgotten it, too.
    let mut first_step = None;
    cut.work(train(1), &control, &mut |report| {
        if let Report::Step { step, .. } = report {
            first_step.get_or_insert(step);
        }
    })
    .expect("goes on");
    assert_eq!(first_step, forgotten.map(|step| step + 1));
    assert_eq!(facts(&cut), facts(&whole));
    assert_eq!(weights(&cut), weights(&whole));
}

#[test]
fn a_retuned_run_that_is_stopped_equals_one_that_is_not() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut whole = lab(runs.path(), "whole");
    whole.work(train(1), &control, &mut ignore).expect("trains");
    assert!(whole.retune(length(5e-4, Some(1.0))).expect("is recorded"));
    whole.work(train(2), &control, &mut ignore).expect("trains");

    let folder = runs.path().join("cut");
    let open = || Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    lab(runs.path(), "cut").work(train(1), &control, &mut ignore).expect("trains");
    assert!(open().retune(length(5e-4, Some(1.0))).expect("is recorded"));
    let stopping = Control::default();
    let mut cut = open();
    let mut report = stop_at(&stopping, 20, |report| matches!(report, Report::Step { .. }));
    assert!(cut.work(train(2), &stopping, &mut report).expect("is stopped"));
    drop(cut);
    let mut resumed = open();
    assert!(!resumed.retune(length(5e-4, Some(1.0))).expect("is nothing new"));
    resumed.work(train(2), &control, &mut ignore).expect("trains on");
    assert_eq!(journal(&folder), journal(&runs.path().join("whole")));
    assert_eq!(journal(&folder).iter().filter(|e| matches!(e, Event::Retuned { .. })).count(), 1);
    assert!(weights(&resumed) == weights(&whole));

    let mut other = lab(runs.path(), "other");
    other.work(train(3), &control, &mut ignore).expect("trains");
    assert!(weights(&other) != weights(&whole), "the settings matter");
}

#[test]
fn batches_of_all_images_stay_so_in_a_resumed_run() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let usual = lab(runs.path(), "unused");
    let mut settings = usual.settings().clone();
    settings.training.batch_size = TrainSettings::ALL_IMAGES;
    let template = usual.study.template().clone();
    let mut first = Lab::new(template, settings, runs.path().to_owned(), Some("run".to_owned()));
    first.work(train(1), &control, &mut ignore).expect("trains");
    assert_eq!(first.trained_steps(), 1);
    drop(first);
    let text = std::fs::read_to_string(runs.path().join("run/run.ron")).expect("is there");
    assert!(text.contains("batch_size: \"all\""), "{text}");
    let mut opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    opened.work(train(1), &control, &mut ignore).expect("trains");
    assert_eq!(opened.trained_steps(), 2);
}
