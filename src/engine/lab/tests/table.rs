//! Searching tables of known results.

use super::{resume::killed_after, *};
use crate::engine::{study::Timeline, table::tests::file_of};
use std::sync::atomic::AtomicBool;

/// 4 · 4 · 3 architectures; the last choice of the first two positions does what the one before it does.
fn known(folder: &Path) -> Arc<KnownResults> {
    let mut text = String::from("architecture,search,report,canonical\n");
    for a in 0..4 {
        for b in 0..4 {
            for c in 0..3 {
                let (same_a, same_b) = (a.min(2), b.min(2));
                let accuracy = 50.0 + 9.7 * f64::from(same_a * same_b) + 1.3 * f64::from(c);
                text += &format!("{a}/{b}/{c},{accuracy},{accuracy},{same_a}/{same_b}/{c}\n");
            }
        }
    }
    Arc::new(KnownResults::load(&file_of(folder, &text), None).expect("is sound"))
}

fn lab(runs: &Path, name: &str) -> Lab {
    let (known, folder) = (known(runs), runs.join("runs"));
    let settings = LabSettings {
        data: DataSource::Table(runs.join("table.csv")),
        device: DeviceChoice::Cpu,
        seed: 7,
        pool: 8,
        ..LabSettings::default()
    };
    Lab::of_table(known.template("table"), known, settings, folder, Some(name.to_owned()))
        .expect("its own template")
}

fn open(runs: &Path, name: &str) -> Lab {
    Lab::open(&runs.join("runs").join(name), DeviceChoice::Cpu).expect("opens")
}

/// The journal as text, so that losses, which are not known, equal each other.
fn told(runs: &Path, name: &str) -> String {
    format!("{:?}", journal(&runs.join("runs").join(name)))
}

/// The template without a node.
fn without(template: &Template, id: &str) -> Checked {
    let gone = Edit::Remove { nodes: vec![id.into()], heal: false };
    Checked::new(template.edited(&[gone]).expect("is there")).expect("is right")
}

#[test]
fn a_table_is_searched_at_once_and_its_run_needs_no_other_file() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut first = lab(runs.path(), "run");
    let mut notes = Vec::new();
    let searched = first.work(search(3, 4), &control, &mut |report| {
        if let Report::Note(note) = report {
            notes.push(note);
        }
    });
    assert!(!searched.expect("searches"));
    assert!(notes.iter().any(|note| note.contains("per cent")), "{notes:?}");
    assert_eq!((first.evaluated(), first.epochs(), first.steps_by_now()), (12, 0, 0));
    // Each is what the table says, as a share.
    let table = known(runs.path());
    for candidate in first.candidates().iter().filter(|it| it.evaluation.is_some()) {
        let known = table.evaluate(first.graph(), std::slice::from_ref(&candidate.mask));
        let accuracy = candidate.evaluation.expect("is evaluated").accuracy;
        assert_eq!(known.expect("is known")[0].accuracy, accuracy);
        assert!((0.5..1.0).contains(&accuracy));
    }
    let before = first.study.known();
    std::fs::remove_file(runs.path().join("table.csv")).expect("is there");
    drop(first);
    let mut opened = open(runs.path(), "run");
    assert_eq!(opened.study.known(), before);
    opened.work(search(1, 4), &control, &mut ignore).expect("goes on");
    assert_eq!(opened.evaluated(), 16);
    drop(opened);
    // Another table is not the run's.
    let folder = runs.path().join("runs/run");
    let copy = folder.join("table.csv");
    let text = std::fs::read_to_string(&copy).expect("is there");
    let refused = |what: &str| {
        let error = Lab::open(&folder, DeviceChoice::Cpu).map(drop).expect_err(what).to_string();
        assert!(error.contains("table.csv") && error.contains(what), "{error}");
    };
    std::fs::write(&copy, text.replacen(",50,", ",51,", 1)).expect("is written");
    refused("is not the table that the run began with");
    std::fs::write(&copy, &text[..text.len() / 2]).expect("is written");
    refused("table.csv");
    std::fs::remove_file(&copy).expect("is there");
    refused("cannot read");
}

#[test]
fn no_function_is_evaluated_twice_after_reopening_and_after_an_edit_either() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut first = lab(runs.path(), "run");
    first.work(search(2, 5), &control, &mut ignore).expect("searches");
    drop(first);
    let mut opened = open(runs.path(), "run");
    let mut ends = Vec::new();
    opened
        .work(search(9, 5), &control, &mut |report| {
            if let Report::EndsEarly(why) = report {
                ends.push(why);
            }
        })
        .expect("searches on");
    assert_eq!((opened.evaluated(), ends), (27, vec![EarlyEnd::Exhausted]));

    let mut edited = lab(runs.path(), "edited");
    edited.work(search(1, 3), &control, &mut ignore).expect("searches");
    // What stands for the functions of `1:2` and `1:3` goes.
    let template = without(edited.template(), "1:2");
    edited.edit(template).expect("is known").expect("is another");
    drop(edited);
    let mut edited = open(runs.path(), "edited");
    edited.work(search(20, 5), &control, &mut ignore).expect("searches on");
    let table = known(runs.path());
    let places = table.table().places(edited.graph());
    let mut functions: Vec<_> = edited
        .candidates()
        .iter()
        .filter(|it| it.evaluation.is_some() && !it.is_retired())
        .map(|it| table.table().function(places.architecture(&it.mask).expect("is one")))
        .collect();
    functions.sort_unstable();
    let count = functions.len();
    functions.dedup();
    assert_eq!((count, functions.len()), (27, 27));
}

#[test]
fn a_timeline_gives_what_the_first_lines_of_the_journal_tell() {
    let runs = tempfile::tempdir().expect("a folder");
    let mut whole = lab(runs.path(), "whole");
    let control = Control::default();
    whole.work(search(2, 3), &control, &mut ignore).expect("searches");
    let template = without(whole.template(), "1:2");
    whole.edit(template).expect("is known").expect("is another");
    whole.work(search(4, 3), &control, &mut ignore).expect("searches on");
    let mut timeline = Timeline::of(whole.study());
    let journal = journal(&runs.path().join("runs/whole"));
    let of_pool = |event: &&Event| matches!(event, Event::Candidate { iteration: 0, .. });
    let pool = journal.iter().take_while(of_pool).count();
    assert!(timeline.events() == journal.len() && journal.len() > pool + 12);
    for lines in (pool..=journal.len()).rev().step_by(3) {
        let name = lines.to_string();
        killed_after(&runs.path().join("runs/whole"), lines, &runs.path().join("runs").join(&name));
        let known = open(runs.path(), &name).study.known();
        assert_eq!(timeline.at(lines).expect("follows").known(), known, "after {lines} lines");
    }
}

#[test]
fn a_search_that_is_killed_after_any_line_ends_as_if_it_had_not_been() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let begin = |name| {
        let mut lab = lab(runs.path(), name);
        lab.work(search(1, 3), &control, &mut ignore).expect("searches");
        let pinned = Steering { pinned: vec!["1:0".into()], ..Steering::default() };
        lab.steer(pinned).expect("can be met");
        lab
    };
    begin("whole").work(search(2, 3), &control, &mut ignore).expect("searches");
    let all = told(runs.path(), "whole");
    let held = open(runs.path(), "whole").study.known();
    let journal = journal(&runs.path().join("runs/whole"));
    let steered = journal.iter().position(|it| matches!(it, Event::Steered(_))).expect("one");
    assert!(journal.len() > steered + 8, "{all}");
    for lines in steered + 1..=journal.len() {
        let name = lines.to_string();
        killed_after(&runs.path().join("runs/whole"), lines, &runs.path().join("runs").join(&name));
        let mut lab = open(runs.path(), &name);
        let left = 3 - lab.iterations();
        lab.work(search(left, 3), &control, &mut ignore).expect("goes on");
        assert_eq!(told(runs.path(), &name), all, "after {lines} lines");
        assert_eq!(lab.study.known(), held);
    }
}

#[test]
fn an_edit_restricts_a_table_and_what_it_does_not_know_is_refused() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut first = lab(runs.path(), "run");
    first.work(search(2, 4), &control, &mut ignore).expect("searches");
    let whole = first.study.template().clone();
    let before = told(runs.path(), "run");
    let mut more = whole.template().clone();
    let twin = template::Node { id: "1:9".into(), ..more.network.nodes[1].clone() };
    more.network_mut().nodes.insert(1, twin);
    for (from, to) in [("input", "1:9"), ("1:9", "2:0")] {
        more.network_mut().links.push(Link(from.into(), to.into()));
    }
    let more = Checked::new(more).expect("is right");
    let error = first.edit(more).expect_err("is not known").to_string();
    assert!(error.contains("has nothing on node `1:9`"), "{error}");
    assert_eq!(told(runs.path(), "run"), before);

    let less = without(whole.template(), "2:1");
    let edited = first.edit(less.clone()).expect("is known").expect("is another");
    assert!(edited.retired > 0 && edited.stale == 0, "{edited:?}");
    first.work(search(1, 4), &control, &mut ignore).expect("searches on");
    let newest = first.iteration_reports().last().expect("three").candidates.clone();
    assert!(newest.iter().all(|id| first.candidates()[id.index()].evaluation.is_some()));
    let back = first.edit(whole).expect("is known").expect("is another");
    assert_eq!(back.returned, edited.retired);
    first.work(search(1, 4), &control, &mut ignore).expect("searches on");
    let held = first.study.known();
    drop(first);
    assert_eq!(open(runs.path(), "run").study.known(), held);

    // Before there is a run, the lab begins again, with the same table.
    let mut fresh = lab(runs.path(), "fresh");
    fresh.edit(less).expect("is known").expect("is another");
    fresh.work(search(1, 4), &control, &mut ignore).expect("searches");
    assert_eq!(fresh.evaluated(), 4);
}

#[test]
fn what_a_table_cannot_give_is_refused_with_the_reason() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    // Chosen candidates are looked up, too.
    let nodes: Vec<NodeId> =
        ["input", "1:0", "2:3", "3:1", "output"].into_iter().map(NodeId::from).collect();
    let evaluated = lab.evaluate_these(&nodes, &AtomicBool::new(false), &mut ignore);
    let (_, evaluation) = evaluated.expect("is known").expect("is not stopped");
    assert_eq!((evaluation.accuracy, evaluation.balanced_accuracy), (0.513, None));
    lab.work(search(1, 8), &control, &mut ignore).expect("searches");
    let before = told(runs.path(), "run");
    let verify = Plan::Verify(VerifySettings { top: 3, random: 3, epochs: Some(1) });
    for plan in [train(1), verify] {
        let refused = lab.work(plan, &control, &mut ignore);
        assert!(matches!(refused, Err(LabError::NothingToTrain)), "{plan:?}");
    }
    assert!(matches!(lab.retune(length(0.1, None)), Err(LabError::NothingToTrain)));
    for objective in [Objective::Loss, Objective::BalancedAccuracy] {
        assert!(matches!(lab.aim_at(objective), Err(LabError::ObjectiveNotKnown)));
    }
    let free = Steering::default();
    for steering in [
        Steering { max_latency: Some(1.0), ..free.clone() },
        Steering { max_parameters: Some(9), ..free.clone() },
        Steering { max_flops: Some(9), ..free.clone() },
        Steering { pareto: Some(Measure::Parameters), ..free },
    ] {
        let refused = lab.steer(steering).expect_err("means nothing").to_string();
        assert!(refused.contains("nothing of parameters, FLOPs or latency"), "{refused}");
    }
    assert!(matches!(lab.latencies(1), Err(LabError::NoCosts)));
    assert_eq!(told(runs.path(), "run"), before);
    drop(lab);
    let mut opened = open(runs.path(), "run");
    opened.move_data(DataSource::Table(runs.path().join("table.csv")));
    opened.check_moved_data(&mut ignore).expect("is where it was");
    opened.move_data(DataSource::Digits);
    let moved = opened.check_moved_data(&mut ignore);
    assert!(matches!(moved, Err(LabError::TableStays)));
    let refused = opened.work(search(1, 2), &control, &mut ignore);
    assert!(matches!(refused, Err(LabError::TableStays)));
}

#[test]
fn a_table_whose_results_are_equal_is_told_so() {
    let runs = tempfile::tempdir().expect("a folder");
    let text = "architecture,search,report\n0/0,0.5,1\n0/1,0.5,1\n1/0,0.5,1\n1/1,0.5,1\n";
    let known = KnownResults::load(&file_of(runs.path(), text), None).expect("is sound");
    let template = known.template("flat");
    let data = DataSource::Table(runs.path().join("table.csv"));
    let settings = LabSettings { data, ..LabSettings::default() };
    let folder = runs.path().join("runs");
    let mut lab =
        Lab::of_table(template, Arc::new(known), settings, folder, None).expect("is its own");
    lab.work(search(1, 3), &Control::default(), &mut ignore).expect("searches");
    let cautions: Vec<_> = lab.cautions().iter().map(ToString::to_string).collect();
    assert!(matches!(&*cautions, [one] if one.ends_with("search further, or look at the table")));
    // The run is called after the template, which is called after the table.
    assert!(runs.path().join("runs/flat-1/table.csv").is_file());
}
