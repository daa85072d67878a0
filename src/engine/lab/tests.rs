//! Whole jobs on a template small enough for tests.

mod damage;
mod data;
mod edit;
mod resume;
mod share;
mod steering;
mod table;
mod verify;

use super::*;
use crate::engine::{
    command::VerifySettings,
    report::EarlyEnd,
    run::{Budget, read_journal},
    search::{Measure, Standing},
    template::{self, Checked, Edit, Link, NodeId, Template},
    training::{EpochReport, StepLength},
};
use std::{thread, time::Duration};

pub(in crate::engine) const SMALL: &str = r#"(
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

pub(in crate::engine) fn lab(runs: &Path, name: &str) -> Lab {
    let template = template::parse("small", SMALL).expect("is right");
    let settings = LabSettings {
        data: DataSource::Digits,
        device: DeviceChoice::Cpu,
        seed: 7,
        evaluation: EvaluationSettings { images: 100, recalibration_batches: 1, batch_size: 50 },
        pool: 8,
        ..LabSettings::default()
    };
    Lab::new(template, settings, runs.to_owned(), Some(name.to_owned()))
}

pub(in crate::engine) fn ignore(_: Report) {}

fn train(epochs: usize) -> Plan {
    Plan::Train { epochs }
}

fn search(iterations: u32, candidates: usize) -> Plan {
    Plan::Search { iterations, candidates, budget: Budget::default() }
}

/// The event that a report tells.
fn event(report: &Report) -> Option<&Event> {
    match report {
        Report::Event(event) => Some(event),
        _ => None,
    }
}

fn is_evaluation(report: &Report) -> bool {
    matches!(event(report), Some(Event::Evaluated { .. }))
}

fn length(learning_rate: f64, clip: Option<f64>) -> StepLength {
    StepLength { learning_rate, clip }
}

/// Reports without what differs from run to run.
pub(in crate::engine) fn facts(
    lab: &Lab,
) -> (Vec<EpochReport>, Vec<IterationReport>, Vec<(Candidate, [f32; 3])>) {
    let epochs = lab.study.epochs().iter().map(|epoch| EpochReport { seconds: 0.0, ..*epoch });
    let iterations = lab.iteration_reports().iter();
    let iterations = iterations.map(|report| IterationReport { seconds: 0.0, ..report.clone() });
    (epochs.collect(), iterations.collect(), placed(lab))
}

/// All candidates with their places.
fn placed(lab: &Lab) -> Vec<(Candidate, [f32; 3])> {
    lab.study.placed().map(|placed| (placed.candidate.clone(), placed.position)).collect()
}

/// What the journal of a run says, without times.
pub(in crate::engine) fn journal(folder: &Path) -> Vec<Event> {
    let (entries, _) = read_journal(&folder.join("journal.jsonl")).expect("is right");
    let mut events: Vec<_> = entries.into_iter().map(|entry| entry.event).collect();
    for event in &mut events {
        match event {
            Event::Epoch(epoch) => epoch.seconds = 0.0,
            Event::Evaluated { seconds, .. }
            | Event::Iteration { seconds, .. }
            | Event::Retrained { seconds, .. } => *seconds = 0.0,
            _ => {}
        }
    }
    events
}

pub(in crate::engine) fn weights(lab: &Lab) -> [Vec<u8>; 2] {
    let bench = lab.source.bench().expect("a job has run");
    [
        bench.supernet.to_bytes().expect("the CPU answers"),
        bench.trainer.to_bytes(&bench.supernet).expect("the CPU answers"),
    ]
}

/// Stops at the `count`th report that `wanted` says yes to.
fn stop_at(
    control: &Control,
    count: usize,
    wanted: impl Fn(&Report) -> bool,
) -> impl FnMut(Report) {
    let mut seen = 0;
    move |report| {
        seen += usize::from(wanted(&report));
        if seen == count && wanted(&report) {
            control.stop();
        }
    }
}

#[test]
fn a_run_that_is_written_by_another_lab_is_refused_and_untouched() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut first = lab(runs.path(), "run");
    first.work(train(1), &control, &mut ignore).expect("trains");
    let journal = runs.path().join("run/journal.jsonl");
    let before = std::fs::read(&journal).expect("is there");
    let mut second = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("can be read");
    let error =
        second.work(search(1, 2), &control, &mut ignore).expect_err("is in use").to_string();
    assert!(error.contains("in use by another process"), "{error}");
    assert_eq!(std::fs::read(&journal).expect("is there"), before);
    let error = lab(runs.path(), "run")
        .work(train(1), &control, &mut ignore)
        .expect_err("is taken")
        .to_string();
    assert!(error.contains("exists already"), "{error}");
}

#[test]
fn a_run_is_waited_for_while_its_last_process_comes_to_its_end() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut first = lab(runs.path(), "run");
    first.work(train(1), &control, &mut ignore).expect("trains");
    let mut second = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("can be read");
    thread::scope(|scope| {
        let resumed = scope.spawn(|| second.work(search(1, 2), &control, &mut ignore).map(drop));
        thread::sleep(Duration::from_millis(100));
        drop(first);
        resumed.join().expect("no panic").expect("has got the lock");
    });
}

#[test]
fn jobs_in_the_wrong_order_are_refused_with_the_reason() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    assert!(matches!(lab.work(search(1, 2), &control, &mut ignore), Err(LabError::NotTrained)));
    assert!(!runs.path().join("run").exists());
    lab.work(train(1), &control, &mut ignore).expect("trains");
    lab.work(search(0, 2), &control, &mut ignore).expect("has nothing to do");
    assert_eq!((lab.evaluated(), lab.targets().iterations), (0, None));
}

#[test]
fn data_that_have_changed_since_are_refused() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("run");
    let control = Control::default();
    lab(runs.path(), "run").work(train(1), &control, &mut ignore).expect("trains");
    let before = std::fs::read(folder.join("journal.jsonl")).expect("is there");
    let config = folder.join("run.ron");
    let text = std::fs::read_to_string(&config).expect("is there");
    let start = text.find("data_fingerprint: \"").expect("is said") + 19;
    std::fs::write(&config, format!("{}0000{}", &text[..start], &text[start + 4..]))
        .expect("is written");
    let mut opened = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    let error = opened.work(search(1, 2), &control, &mut ignore).expect_err("other data");
    assert!(matches!(error, LabError::OtherData { .. }), "{error}");
    assert_eq!(std::fs::read(folder.join("journal.jsonl")).expect("is there"), before);
}

#[test]
fn a_search_ends_when_the_space_is_exhausted() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &control, &mut ignore).expect("trains");
    let mut exhausted = false;
    lab.work(search(9, 5), &control, &mut |report| {
        exhausted |= matches!(report, Report::EndsEarly(EarlyEnd::Exhausted));
    })
    .expect("searches");
    // Two, three and two alternatives, one kept of each.
    assert_eq!((lab.evaluated(), exhausted), (12, true));
}

#[test]
fn a_run_that_another_lab_has_written_meanwhile_must_be_opened_again() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("run");
    let control = Control::default();
    lab(runs.path(), "run").work(train(1), &control, &mut ignore).expect("trains");
    let mut stale = Lab::open(&folder, DeviceChoice::Cpu).expect("can be read");
    let mut other = Lab::open(&folder, DeviceChoice::Cpu).expect("can be read");
    other.work(search(1, 2), &control, &mut ignore).expect("searches");
    drop(other);
    let before = std::fs::read(folder.join("journal.jsonl")).expect("is there");
    let error = stale.work(search(1, 2), &control, &mut ignore).expect_err("is stale").to_string();
    assert!(error.contains("open it again"), "{error}");
    assert_eq!(std::fs::read(folder.join("journal.jsonl")).expect("is there"), before);
    drop(stale);
    let mut fresh = Lab::open(&folder, DeviceChoice::Cpu).expect("can be read");
    fresh.work(search(1, 2), &control, &mut ignore).expect("searches");
    assert_eq!((fresh.iterations(), fresh.evaluated()), (2, 4));
}

/// The lab's template, edited.
fn edited_by(lab: &Lab, edits: &[Edit]) -> Checked {
    Checked::new(lab.template().edited(edits).expect("can be made")).expect("is right")
}

#[test]
fn a_run_shows_its_template_as_it_stands_on_the_plate() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("run");
    let mut first = lab(runs.path(), "run");
    let b1 = NodeId::from("b1");
    // Before the run is there, while it is written, and in one that was opened again.
    let put = |lab: &mut Lab, position| {
        let moved = edited_by(lab, &[Edit::Move { node: b1.clone(), position }]);
        assert_eq!(lab.edit(moved).expect("is the same network"), None);
    };
    let stored = || template::load(&folder.join("template/0001.ron")).expect("is right");
    put(&mut first, [40.0, 9.0]);
    first.work(train(1), &Control::default(), &mut ignore).expect("trains");
    assert_eq!(stored().template().position(&b1), [40.0, 9.0]);
    let told = journal(&folder);
    put(&mut first, [41.0, 9.0]);
    assert_eq!(stored().template().position(&b1), [41.0, 9.0]);
    drop(first);
    let mut opened = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    assert_eq!(opened.template().position(&b1), [41.0, 9.0]);
    put(&mut opened, [42.0, 9.0]);
    assert_eq!(stored().template(), opened.template());
    assert_eq!(opened.template().position(&b1), [42.0, 9.0]);
    assert_eq!(journal(&folder), told);
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    lab(runs.path(), "run").work(train(1), &control, &mut ignore).expect("trains");
    let file = runs.path().join("run/weights/epoch-1/trainer.safetensors");
    std::fs::write(&file, b"rubbish").expect("is written");
    let mut opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    let error =
        opened.work(search(1, 2), &control, &mut ignore).expect_err("is damaged").to_string();
    assert!(error.contains("trainer.safetensors"), "{error}");
}

#[test]
fn after_a_failed_write_no_job_goes_on_before_the_run_is_opened_again() {
    let runs = tempfile::tempdir().expect("a folder");
    let weights = runs.path().join("run/weights");
    let control = Control::default();
    let mut first = lab(runs.path(), "run");
    first.work(train(1), &control, &mut ignore).expect("trains");
    // Where a file is, no folder for the next checkpoint can be made.
    std::fs::rename(&weights, runs.path().join("kept")).expect("moves");
    std::fs::write(&weights, "").expect("is written");
    let error =
        first.work(train(1), &control, &mut ignore).expect_err("cannot be written").to_string();
    assert!(error.contains("weights/epoch-2"), "{error}");
    std::fs::remove_file(&weights).expect("is there");
    std::fs::rename(runs.path().join("kept"), &weights).expect("moves");
    let error = first.work(train(1), &control, &mut ignore).expect_err("is refused");
    assert!(matches!(error, LabError::Run(RunError::Unrecorded { .. })), "{error}");
    drop(first);
    let mut opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    opened.work(train(1), &control, &mut ignore).expect("goes on");
    assert_eq!(opened.epochs(), 2);
}

#[test]
fn a_training_that_diverges_leaves_the_last_good_checkpoint_and_goes_on_from_it() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("run");
    let control = Control::default();
    let mut first = lab(runs.path(), "run");
    first.work(train(1), &control, &mut ignore).expect("trains");
    first.work(search(1, 2), &control, &mut ignore).expect("searches");
    let (good, told) = (weights(&first), facts(&first));
    let rate = first.training().step_length();
    first.retune(length(1e30, None)).expect("makes sense");
    let error = first.work(train(1), &control, &mut ignore).expect_err("diverges");
    assert!(matches!(&error, LabError::Diverged(why) if why.epoch == 2), "{error}");
    assert_eq!((first.epochs(), first.trained_steps()), (1, 74));
    assert_eq!(facts(&first), told, "what was evaluated holds, since the weights are the same");
    first.retune(rate).expect("makes sense");
    first.work(search(1, 2), &control, &mut ignore).expect("searches on");
    assert!(weights(&first) == good);
    drop(first);
    let mut opened = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    opened.work(search(1, 2), &control, &mut ignore).expect("searches on");
    assert!(weights(&opened) == good);
}

#[test]
fn what_to_do_about_a_diverged_training_is_said_as_it_can_be_done() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("hot");
    let control = Control::default();
    let mut first = lab(runs.path(), "hot");
    first.retune(length(1e30, None)).expect("makes sense");
    let text = first.work(train(2), &control, &mut ignore).expect_err("diverges").to_string();
    let command = format!(
        "begin again with a lower one: `nas-navigator train --resume {} --learning-rate 0.003`",
        folder.display()
    );
    assert!(text.contains("of epoch 1") && text.contains(&command), "{text}");
    assert!(!text.contains("checkpoint"), "{text}");

    // As the message says.
    drop(first);
    let mut opened = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    assert!(opened.retune(length(0.002, None)).expect("is recorded"));
    opened.work(train(1), &control, &mut ignore).expect("trains");
    assert!(!opened.retune(length(0.002, None)).expect("is nothing new"));
    let before = journal(&folder);
    for (rate, clip) in [(f64::NAN, None), (0.0, None), (0.1, Some(-1.0))] {
        opened.retune(length(rate, clip)).expect_err("makes no sense");
    }
    assert_eq!(opened.training().learning_rate, 0.002);
    assert_eq!(journal(&folder), before);

    opened.retune(length(1e30, Some(1e30))).expect("is recorded");
    let text = opened.work(train(1), &control, &mut ignore).expect_err("diverges").to_string();
    assert!(text.contains("go on from the last checkpoint"), "{text}");
    assert!(text.contains("are clipped to 1") && !text.contains("--clip"), "{text}");
    drop(opened);
    // By hand, too.
    let mut fresh = lab(runs.path(), "edited");
    fresh.retune(length(1e30, None)).expect("makes sense");
    fresh.work(train(1), &control, &mut ignore).expect_err("diverges");
    drop(fresh);
    let path = runs.path().join("edited/run.ron");
    let text = std::fs::read_to_string(&path).expect("is there");
    let line = text.lines().find(|line| line.contains("learning_rate")).expect("is there");
    std::fs::write(&path, text.replace(line, "learning_rate: 0.002,")).expect("is written");
    let edited = || Lab::open(&runs.path().join("edited"), DeviceChoice::Cpu).expect("opens");
    edited().work(train(1), &control, &mut ignore).expect("trains");
    // What was edited last counts.
    edited().retune(length(1e30, None)).expect("is recorded");
    assert_eq!(edited().training().learning_rate, 1e30);
    std::fs::write(&path, text.replace(line, "learning_rate: 0.001,")).expect("is written");
    assert_eq!(edited().training().learning_rate, 0.001);
    let run = Run::open(&runs.path().join("edited")).expect("opens");
    assert_eq!(run.present().expect("is right").1.learning_rate, 0.001);
}

#[test]
fn paths_in_commands_are_quoted_where_a_shell_needs_it() {
    assert_eq!(quoted(Path::new("runs/hot-1")), "runs/hot-1");
    assert_eq!(quoted(Path::new("my runs/hot")), "\"my runs/hot\"");
}
