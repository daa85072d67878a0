//! Whole jobs on a template small enough for tests.

use super::*;
use crate::engine::template;

const SMALL: &str = r#"(
    version: 1,
    name: "small",
    nodes: [
        (id: "in", layer: 0, ops: [Input(shape: (1, 8, 8))], position: (0, 0)),
        (id: "a1", layer: 1, ops: [ConvBlock(filters: 4, kernel: 1)], position: (6, 0)),
        (id: "a3", layer: 1, ops: [ConvBlock(filters: 4, kernel: 3)], position: (6, 4)),
        (id: "b1", layer: 2, ops: [ConvBlock(filters: 8, kernel: 1, stride: 2)], position: (12, 0)),
        (id: "b3", layer: 2, ops: [ConvBlock(filters: 8, kernel: 3, stride: 2)], position: (12, 4)),
        (id: "bm", layer: 2, ops: [MaxPool(kernel: 2, stride: 2), ConvBlock(filters: 8, kernel: 1)], position: (12, 8)),
        (id: "gap", layer: 3, ops: [GlobalAveragePool], position: (18, 0)),
        (id: "flat", layer: 3, ops: [Flatten, Dense(units: 8)], position: (18, 4)),
        (id: "head", layer: 4, ops: [Dense(units: 10)], position: (24, 0)),
        (id: "out", layer: 5, ops: [Output], position: (30, 0)),
    ],
    links: [
        ("in", "a1"), ("in", "a3"),
        ("a1", "b1"), ("a1", "b3"), ("a1", "bm"), ("a3", "b1"), ("a3", "b3"), ("a3", "bm"),
        ("b1", "gap"), ("b3", "gap"), ("bm", "gap"), ("b1", "flat"), ("b3", "flat"), ("bm", "flat"),
        ("gap", "head"), ("flat", "head"), ("head", "out"),
    ],
)"#;

fn lab(runs: &Path, name: &str) -> Lab {
    let graph = template::parse("small", SMALL).expect("is right");
    let settings = LabSettings {
        data: DataSource::Digits,
        device: DeviceChoice::Cpu,
        seed: 7,
        evaluation: EvaluationSettings { images: 100, recalibration_batches: 1, batch_size: 50 },
        pool: 8,
        ..LabSettings::default()
    };
    Lab::new(Arc::new(graph), settings, runs.to_owned(), Some(name.to_owned()))
}

fn ignore(_: Report) {}

/// Reports without what differs from run to run.
fn facts(lab: &Lab) -> (Vec<EpochReport>, Vec<IterationReport>, Vec<PlacedCandidate>) {
    let epochs = lab.epochs.iter().map(|epoch| EpochReport { seconds: 0.0, ..*epoch });
    let iterations =
        lab.iterations.iter().map(|report| IterationReport { seconds: 0.0, ..report.clone() });
    (epochs.collect(), iterations.collect(), lab.placed())
}

#[test]
fn an_opened_run_holds_what_the_lab_held() {
    let runs = tempfile::tempdir().expect("a folder");
    let mut first = lab(runs.path(), "run");
    let control = Control::default();
    assert!(!first.train(1, &control, &mut ignore).expect("trains"));
    assert!(!first.search(2, 3, &control, &mut ignore).expect("searches"));
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
    whole.search(3, 3, &control, &mut ignore).expect("searches");

    let mut cut = lab(runs.path(), "cut");
    cut.train(1, &control, &mut ignore).expect("trains");
    // Ends in the middle of the second iteration, as a kill would: nothing but the journal goes on.
    let mut evaluated = 0;
    let stopping = Control::default();
    let stopped = cut
        .search(3, 3, &stopping, &mut |report| {
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
        Targets { epochs: Some(1), iterations: Some(3), candidates: Some(3) }
    );
    let mut again = 0;
    resumed
        .search(2, 3, &control, &mut |report| {
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
fn a_run_that_is_written_by_another_lab_is_refused_and_untouched() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut first = lab(runs.path(), "run");
    first.train(1, &control, &mut ignore).expect("trains");
    let journal = runs.path().join("run/journal.jsonl");
    let before = std::fs::read(&journal).expect("is there");
    let mut second = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("can be read");
    let error = second.search(1, 2, &control, &mut ignore).expect_err("is in use").to_string();
    assert!(error.contains("in use by another process"), "{error}");
    assert_eq!(std::fs::read(&journal).expect("is there"), before);
    let error =
        lab(runs.path(), "run").train(1, &control, &mut ignore).expect_err("is taken").to_string();
    assert!(error.contains("exists already"), "{error}");
}

#[test]
fn jobs_in_the_wrong_order_are_refused_with_the_reason() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    assert!(matches!(lab.search(1, 2, &control, &mut ignore), Err(LabError::NotTrained)));
    assert!(!runs.path().join("run").exists());
    lab.train(1, &control, &mut ignore).expect("trains");
    lab.search(1, 2, &control, &mut ignore).expect("searches");
    assert!(matches!(lab.train(1, &control, &mut ignore), Err(LabError::SearchBegan)));
}

#[test]
fn a_search_ends_when_the_space_is_exhausted() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.train(1, &control, &mut ignore).expect("trains");
    let mut exhausted = false;
    lab.search(9, 5, &control, &mut |report| exhausted |= report == Report::Exhausted)
        .expect("searches");
    // Two, three and two alternatives, one kept of each.
    assert_eq!((lab.evaluated(), exhausted), (12, true));
}

#[test]
fn a_run_that_another_lab_has_written_meanwhile_must_be_opened_again() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("run");
    let control = Control::default();
    lab(runs.path(), "run").train(1, &control, &mut ignore).expect("trains");
    let mut stale = Lab::open(&folder, DeviceChoice::Cpu).expect("can be read");
    let mut other = Lab::open(&folder, DeviceChoice::Cpu).expect("can be read");
    other.search(1, 2, &control, &mut ignore).expect("searches");
    drop(other);
    let before = std::fs::read(folder.join("journal.jsonl")).expect("is there");
    let error = stale.search(1, 2, &control, &mut ignore).expect_err("is stale").to_string();
    assert!(error.contains("open it again"), "{error}");
    assert_eq!(std::fs::read(folder.join("journal.jsonl")).expect("is there"), before);
    drop(stale);
    let mut fresh = Lab::open(&folder, DeviceChoice::Cpu).expect("can be read");
    fresh.search(1, 2, &control, &mut ignore).expect("searches");
    assert_eq!((fresh.iterations(), fresh.evaluated()), (2, 4));
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
        .search(1, 5, &stopping, &mut |report| {
            evaluated += u32::from(matches!(report, Report::Evaluated { .. }));
            if evaluated == 3 {
                stopping.stop();
            }
        })
        .expect("is stopped");
    first.search(2, 2, &control, &mut ignore).expect("goes on");
    // The third one that the first iteration had evaluated belongs to it, and what it only had proposed is
    // proposed again.
    assert_eq!(first.iteration_reports()[0].candidates.len(), 3);
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
    first.search(1, 2, &control, &mut ignore).expect("searches");
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
fn a_run_shows_its_template_as_it_stood_on_the_plate() {
    let runs = tempfile::tempdir().expect("a folder");
    let mut first = lab(runs.path(), "run");
    let mut moved = first.graph().template().clone();
    moved.nodes[3].position = [40.0, 9.0];
    first.lay_out(Arc::new(Graph::new(moved).expect("positions change nothing")));
    first.train(1, &Control::default(), &mut ignore).expect("trains");
    drop(first);
    let opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(opened.graph().nodes()[3].position, [40.0, 9.0]);
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    lab(runs.path(), "run").train(1, &control, &mut ignore).expect("trains");
    let file = runs.path().join("run/weights/epoch-1/trainer.safetensors");
    std::fs::write(&file, b"rubbish").expect("is written");
    let mut opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    let error = opened.search(1, 2, &control, &mut ignore).expect_err("is damaged").to_string();
    assert!(error.contains("trainer.safetensors"), "{error}");
}

#[test]
fn after_a_failed_write_no_job_goes_on_before_the_run_is_opened_again() {
    let runs = tempfile::tempdir().expect("a folder");
    let weights = runs.path().join("run/weights");
    let control = Control::default();
    let mut first = lab(runs.path(), "run");
    first.train(1, &control, &mut ignore).expect("trains");
    // Where a file is, no folder for the next checkpoint can be made.
    std::fs::rename(&weights, runs.path().join("kept")).expect("moves");
    std::fs::write(&weights, "").expect("is written");
    let error = first.train(1, &control, &mut ignore).expect_err("cannot be written").to_string();
    assert!(error.contains("weights/epoch-2"), "{error}");
    std::fs::remove_file(&weights).expect("is there");
    std::fs::rename(runs.path().join("kept"), &weights).expect("moves");
    let error = first.train(1, &control, &mut ignore).expect_err("is refused");
    assert!(matches!(error, LabError::Run(RunError::Unrecorded { .. })), "{error}");
    drop(first);
    let mut opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    opened.train(1, &control, &mut ignore).expect("goes on");
    assert_eq!(opened.epochs(), 2);
}
