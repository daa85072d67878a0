//! Whole jobs on a template small enough for tests.

use super::*;
use crate::engine::{
    run::{Event, read_journal},
    search::Standing,
    template::{self, Link, NodeId, Template},
};

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
    lab.search(0, 2, &control, &mut ignore).expect("has nothing to do");
    assert_eq!((lab.evaluated(), lab.targets().iterations), (0, None));
}

/// What the journal of a run says, without times.
fn journal(folder: &Path) -> Vec<Event> {
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

fn weights(lab: &Lab) -> [Vec<u8>; 2] {
    let bench = lab.bench.as_ref().expect("a job has run");
    [
        bench.supernet.to_bytes().expect("the CPU answers"),
        bench.trainer.to_bytes(&bench.supernet).expect("the CPU answers"),
    ]
}

#[test]
fn a_search_whose_supernet_is_trained_on_is_resumed_exactly_and_compares_like_with_like() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut whole = lab(runs.path(), "whole");
    whole.train(2, &control, &mut ignore).expect("trains");
    whole.search(3, 2, &control, &mut ignore).expect("searches");
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
    whole.search(3, 2, &control, &mut ignore).expect("searches on");
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
        assert!(reopened().search(iterations, 2, &stopping, &mut stop).expect("is stopped"));
    }
    reopened().search(1, 2, &control, &mut ignore).expect("goes on");
    reopened().train(1, &control, &mut ignore).expect("trains on");
    // In the middle of what is evaluated again.
    stopping.reset();
    let mut stop = stop_at(&stopping, 2, evaluated);
    assert!(reopened().search(3, 2, &stopping, &mut stop).expect("is stopped"));
    let mut resumed = reopened();
    assert_eq!(resumed.search.stale().len(), 4);
    resumed.search(3, 2, &control, &mut ignore).expect("goes on");
    assert_eq!(facts(&resumed), facts(&whole));
    assert!(weights(&resumed) == weights(&whole));
    assert_eq!(journal(&folder), journal(&runs.path().join("whole")));
    drop(resumed);
    assert_eq!(facts(&reopened()), facts(&whole));
}

/// The small template without two of its nodes and with one more.
fn edited(before: &Template) -> Arc<Graph> {
    let mut after = before.clone();
    for gone in ["b1", "flat"].map(NodeId::from) {
        after.nodes.retain(|node| node.id != gone);
        after.links.retain(|Link(a, b)| *a != gone && *b != gone);
    }
    let mut new = after.node(&"a3".into()).expect("a node").clone();
    new.id = "a5".into();
    new.ops = template::parse("new", &SMALL.replace("kernel: 3)", "kernel: 5)"))
        .expect("is right")
        .template()
        .node(&"a3".into())
        .expect("a node")
        .ops
        .clone();
    after.nodes.insert(1, new);
    for (from, to) in [("in", "a5"), ("a5", "b3"), ("a5", "bm")] {
        after.links.push(Link(from.into(), to.into()));
    }
    Arc::new(Graph::new(after).expect("is right"))
}

#[test]
fn an_edit_keeps_weights_optimizer_state_fitness_and_places_of_what_stays() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.train(1, &control, &mut ignore).expect("trains");
    lab.search(2, 3, &control, &mut ignore).expect("searches");
    let old = Arc::clone(lab.graph());
    let (before, fitness, placed) = (weights(&lab), lab.fitness(), lab.placed());
    let shown = lab.iteration_reports().last().expect("two").fitness.clone();
    let graph = edited(old.template());
    let done = lab.edit(Arc::clone(&graph)).expect("is edited").expect("has changed");
    let ids = |ids: &[&str]| ids.iter().map(|&id| NodeId::from(id)).collect::<Vec<_>>();
    assert_eq!(done.nodes.added, ids(&["a5"]));
    assert_eq!(done.nodes.dropped, ids(&["b1", "flat"]));
    assert_eq!((done.nodes.kept.len(), done.nodes.changed.len(), done.stale), (8, 0, 0));

    // Each tensor of a node that stays is there bit for bit, and no other but those of the new node.
    for (before, after) in before.iter().zip(weights(&lab)) {
        let [before, after] = [before, &after]
            .map(|bytes| safetensors::SafeTensors::deserialize(bytes).expect("is one"));
        let of =
            |name: &str, nodes: &[&str]| nodes.contains(&name.split('.').next().expect("an id"));
        for (name, tensor) in before.iter().filter(|(name, _)| !of(name, &["b1", "flat"])) {
            assert_eq!(after.tensor(name).expect("is kept"), tensor, "{name}");
        }
        assert!(after.iter().all(|(name, _)| before.tensor(name).is_ok() || of(name, &["a5"])));
    }
    // What was found out about nodes that stay goes on to be shown, and to be known.
    for node in 0..old.len() {
        let Some(twin) = graph.index_of(old.id(node)) else { continue };
        assert_eq!(lab.iteration_reports()[1].fitness[twin], shown[node]);
        assert_eq!(lab.fitness()[twin], fitness[node]);
    }
    let model =
        |id: &str| lab.search.fitness()[graph.index_of(&id.into()).expect("a node")].fitness;
    assert_eq!(model("a3") > model("a1"), fitness[2].fitness > fitness[1].fitness);
    assert_ne!(model("a3"), 0.5);
    // Candidates keep id, place and, where they still are ones, evaluation.
    let mut retired = 0;
    for (before, after) in placed.iter().zip(lab.placed()) {
        assert_eq!((before.position, before.candidate.id), (after.position, after.candidate.id));
        assert_eq!(before.candidate.evaluation, after.candidate.evaluation);
        let had =
            |id: &str| before.candidate.mask.contains(old.index_of(&id.into()).expect("a node"));
        let standing = if had("b1") || had("flat") { Standing::Retired } else { Standing::Present };
        assert_eq!(after.candidate.standing, standing);
        retired += usize::from(standing == Standing::Retired);
    }
    assert_eq!((done.retired, done.valid), (retired, placed.len() - retired));
    assert!(retired > 0 && done.valid > 0);

    // It goes on, and the folder tells the same.
    lab.search(1, 3, &control, &mut ignore).expect("searches on");
    assert!(lab.best().is_some_and(|best| !best.is_retired()));
    lab.train(1, &control, &mut ignore).expect("trains on");
    assert!(lab.search.candidates().iter().any(|c| c.standing == Standing::Obsolete));
    lab.search(1, 3, &control, &mut ignore).expect("searches on");
    let told = facts(&lab);
    drop(lab);
    let opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(facts(&opened), told);
    assert_eq!(opened.graph().template(), graph.template());
}

#[test]
fn an_edited_run_is_resumed_exactly_in_the_middle_of_an_epoch_too() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let finish = |lab: &mut Lab| {
        lab.train(1, &control, &mut ignore).expect("trains on");
        lab.search(1, 2, &control, &mut ignore).expect("searches");
    };
    let begin = |name| {
        let mut lab = lab(runs.path(), name);
        let stopping = Control::default();
        let mut stop = stop_at(&stopping, 50, |report| matches!(report, Report::Step { .. }));
        assert!(lab.train(1, &stopping, &mut stop).expect("is stopped"));
        let graph = edited(lab.graph().template());
        lab.edit(graph).expect("is edited").expect("has changed");
        assert_eq!(lab.trained_steps(), 50);
        lab
    };
    let mut whole = begin("whole");
    finish(&mut whole);
    drop(begin("cut"));
    let mut resumed = Lab::open(&runs.path().join("cut"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(resumed.trained_steps(), 50);
    finish(&mut resumed);
    assert_eq!(facts(&resumed), facts(&whole));
    assert!(weights(&resumed) == weights(&whole));
    assert_eq!(journal(&runs.path().join("cut")), journal(&runs.path().join("whole")));
}

#[test]
fn an_edit_that_cannot_be_made_changes_nothing() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("run");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.train(1, &control, &mut ignore).expect("trains");
    let graph = edited(lab.graph().template());
    let told = facts(&lab);

    let mut other = lab.graph().template().clone();
    other.nodes[0].ops = vec![template::Op::Input { shape: [1, 10, 10] }];
    let error = lab.edit(Arc::new(Graph::new(other).expect("is right"))).expect_err("no such data");
    assert!(
        error.to_string().contains("1×10×10") && error.to_string().contains("input brick"),
        "{error}"
    );
    let same = lab.graph().template().clone();
    let same = Arc::new(Graph::new(Template { name: "renamed".into(), ..same }).expect("is right"));
    assert_eq!(lab.edit(same).expect("is nothing"), None);

    // A damaged checkpoint is named.
    let file = folder.join("weights/epoch-1/supernet.safetensors");
    let whole = std::fs::read(&file).expect("is there");
    std::fs::write(&file, &whole[..50]).expect("is written");
    let error = lab.edit(Arc::clone(&graph)).expect_err("is damaged").to_string();
    assert!(error.contains("supernet.safetensors"), "{error}");
    std::fs::write(&file, whole).expect("is written");
    assert_eq!(facts(&lab), told);

    // Where a file is, no template can be written.
    std::fs::rename(folder.join("template"), folder.join("kept")).expect("moves");
    std::fs::write(folder.join("template"), "").expect("is written");
    let error = lab.edit(Arc::clone(&graph)).expect_err("cannot be written").to_string();
    assert!(error.contains("template"), "{error}");
    std::fs::remove_file(folder.join("template")).expect("is there");
    std::fs::rename(folder.join("kept"), folder.join("template")).expect("moves");
    assert_eq!(facts(&lab), told);
    drop(lab);
    let mut opened = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    assert_eq!(facts(&opened), told);
    opened.edit(graph).expect("is edited").expect("has changed");
}

#[test]
fn data_that_have_changed_since_are_refused() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("run");
    let control = Control::default();
    lab(runs.path(), "run").train(1, &control, &mut ignore).expect("trains");
    let before = std::fs::read(folder.join("journal.jsonl")).expect("is there");
    let config = folder.join("run.ron");
    let text = std::fs::read_to_string(&config).expect("is there");
    let start = text.find("data_fingerprint: \"").expect("is said") + 19;
    std::fs::write(&config, format!("{}0000{}", &text[..start], &text[start + 4..]))
        .expect("is written");
    let mut opened = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    let error = opened.search(1, 2, &control, &mut ignore).expect_err("other data");
    assert!(matches!(error, LabError::OtherData { .. }), "{error}");
    assert_eq!(std::fs::read(folder.join("journal.jsonl")).expect("is there"), before);
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

#[test]
fn verification_is_resumed_exactly_and_told_by_the_folder() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let settings = VerifySettings { top: 2, random: 2, epochs: None };
    let finish = |name: &str| {
        let mut lab = lab(runs.path(), name);
        assert!(matches!(lab.verify(settings, &control, &mut ignore), Err(LabError::NotTrained)));
        lab.train(1, &control, &mut ignore).expect("trains");
        let few = lab.verify(settings, &control, &mut ignore).expect_err("nothing is evaluated");
        assert!(matches!(few, LabError::TooFewToVerify { chosen: 0 }), "{few}");
        lab.search(2, 3, &control, &mut ignore).expect("searches");
        lab
    };
    let known = |lab: &Lab| {
        let mut known = lab.verification().expect("is there");
        known.candidates.iter_mut().for_each(|candidate| candidate.seconds = 0.0);
        known
    };
    let mut whole = finish("whole");
    let (best, before) = (whole.best().expect("is there").id, weights(&whole));
    assert!(!whole.verify(settings, &control, &mut ignore).expect("verifies"));
    let verification = known(&whole);
    assert_eq!((verification.epochs, verification.candidates.len()), (1, 4));
    assert_eq!(verification.candidates[0].candidate, best);
    assert!(weights(&whole) == before, "the supernet stays as it is");
    assert!(whole.verification().expect("is there").candidates.iter().all(|c| c.seconds > 0.0));

    // Stopped in the middle of the second candidate, 74 steps each.
    let mut cut = finish("cut");
    let stopping = Control::default();
    let mut stop = stop_at(&stopping, 100, |report| matches!(report, Report::Progress(_)));
    assert!(cut.verify(settings, &stopping, &mut stop).expect("is stopped"));
    assert_eq!(cut.verification().expect("one").candidates.len(), 1);
    drop(cut);
    let mut resumed = Lab::open(&runs.path().join("cut"), DeviceChoice::Cpu).expect("opens");
    let mut trained = 0;
    resumed
        .verify(settings, &control, &mut |report| {
            trained += usize::from(matches!(report, Report::Retrained(_)));
        })
        .expect("goes on");
    assert_eq!((trained, known(&resumed)), (3, verification.clone()));
    assert_eq!(journal(&runs.path().join("cut")), journal(&runs.path().join("whole")));
    drop(resumed);
    let opened = Lab::open(&runs.path().join("cut"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(known(&opened), verification);

    // Proxy accuracies of other weights are not compared.
    whole.train(1, &control, &mut ignore).expect("trains on");
    let stale = whole.verify(settings, &control, &mut ignore).expect_err("is refused");
    assert!(matches!(stale, LabError::StaleProxies { stale: 6 }), "{stale}");
}

#[test]
fn a_training_that_diverges_leaves_the_last_good_checkpoint_and_goes_on_from_it() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("run");
    let control = Control::default();
    let mut first = lab(runs.path(), "run");
    first.train(1, &control, &mut ignore).expect("trains");
    first.search(1, 2, &control, &mut ignore).expect("searches");
    let (good, told) = (weights(&first), facts(&first));
    let rate = std::mem::replace(&mut first.settings.training.learning_rate, 1e30);
    first.bench = None;
    let error = first.train(1, &control, &mut ignore).expect_err("diverges");
    assert!(matches!(error, LabError::Train(TrainError::Diverged { epoch: 2, .. })), "{error}");
    assert_eq!((first.epochs(), first.trained_steps()), (1, 74));
    assert_eq!(facts(&first), told, "what was evaluated holds, since the weights are the same");
    first.settings.training.learning_rate = rate;
    first.search(1, 2, &control, &mut ignore).expect("searches on");
    assert!(weights(&first) == good);
    drop(first);
    let mut opened = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    opened.search(1, 2, &control, &mut ignore).expect("searches on");
    assert!(weights(&opened) == good);
}
