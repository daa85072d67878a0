//! Commands that come at known moments of jobs, with kills between.

use super::*;
use crate::engine::{
    device::DeviceChoice,
    lab::tests::{facts, ignore, journal, lab, weights},
    search::{Objective, Steering},
    study::Event,
    template::{self, Edit, Template},
    training::{PathPolicy, StepLength, TrainSettings},
};
use std::{fs, path::Path};

/// What is asked for, and at which moment of a job.
type Script = Vec<(u64, Command)>;

/// Training steps, and what was evaluated: a moment that comes again in a run that is killed and resumed.
fn moment(lab: &Lab, job: Job) -> u64 {
    match job {
        Job::Train => lab.steps_by_now(),
        Job::Search | Job::Verify => lab.evaluated() as u64,
    }
}

fn order(number: u64, command: Command) -> Order {
    Order { ticket: Ticket::Lab(number), command, control: Arc::default() }
}

/// Does a job, and at each moment after `from` what the script says; ends at the moment `until`, as a kill would.
fn act(
    lab: &mut Lab,
    command: Command,
    script: &[(u64, Command)],
    from: u64,
    until: u64,
) -> Vec<Report> {
    let mut reports = Vec::new();
    let mut tell = |report| reports.push(report);
    let mut desk = Desk { lab, report: &mut tell, job: None, evaluations: VecDeque::new() };
    desk.take(order(0, command));
    let job = desk.job.as_ref().expect("has begun").running.job();
    let mut done = from;
    while desk.job.is_some() {
        let now = moment(desk.lab, job);
        for (number, (when, command)) in script.iter().enumerate() {
            if (done + 1..=now).contains(when) {
                desk.take(order(1 + number as u64, command.clone()));
                while !desk.evaluations.is_empty() {
                    desk.work();
                }
            }
        }
        done = done.max(now);
        // What was evaluated between two steps is a moment, too.
        if moment(desk.lab, job) > now {
            continue;
        }
        if now >= until {
            break;
        }
        desk.work();
    }
    reports
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("is there");
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("is copied");
        }
    }
}

fn nodes(ids: &[&str]) -> Vec<NodeId> {
    ids.iter().map(|&id| NodeId::from(id)).collect()
}

fn edited(template: &Template, edit: Edit) -> Checked {
    Checked::new(template.edited(&[edit]).expect("can be done")).expect("is right")
}

/// A template without a node.
fn without(template: &Template, id: &str) -> Checked {
    edited(template, Edit::Remove { nodes: nodes(&[id]), heal: false })
}

/// A lab whose training draws paths by `policy`.
fn lab_by(policy: PathPolicy, runs: &Path, name: &str) -> Lab {
    let other = lab(runs, name);
    let training = TrainSettings { policy, ..other.training() };
    let settings = crate::engine::lab::LabSettings { training, ..other.settings().clone() };
    let template = Checked::new(other.template().clone()).expect("is right");
    Lab::new(template, settings, runs.to_owned(), Some(name.to_owned()))
}

fn train(epochs: usize) -> Command {
    Command::Train { epochs, template: None }
}

fn search(iterations: u32) -> Command {
    Command::Search { iterations, candidates: 2, template: None }
}

/// The script is done in one session, and in two with a kill between them at each of `kills`.
fn is_resumed_exactly(
    policy: PathPolicy,
    first: Option<Command>,
    job: &Command,
    script: &Script,
    kills: &[u64],
) -> Vec<Event> {
    let runs = tempfile::tempdir().expect("a folder");
    let mut whole = lab_by(policy, runs.path(), "whole");
    let start = runs.path().join("start");
    if let Some(first) = first {
        act(&mut whole, first, &[], 0, u64::MAX);
        copy(&runs.path().join("whole"), &start);
    }
    let begun = start.exists();
    act(&mut whole, job.clone(), script, 0, u64::MAX);
    let of_whole = journal(&runs.path().join("whole"));
    for &kill in kills {
        let name = format!("killed-{kill}");
        let folder = runs.path().join(&name);
        let mut killed = if begun {
            copy(&start, &folder);
            Lab::open(&folder, DeviceChoice::Cpu).expect("opens")
        } else {
            lab_by(policy, runs.path(), &name)
        };
        act(&mut killed, job.clone(), script, 0, kill);
        let goes_on = match job {
            Command::Train { epochs, .. } => train(epochs - (killed.epochs())),
            _ => search(3 - killed.iterations()),
        };
        drop(killed);
        let mut resumed = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
        act(&mut resumed, goes_on, script, kill, u64::MAX);
        let told = journal(&folder);
        let same = told.iter().zip(&of_whole).take_while(|(a, b)| a == b).count();
        let (left, right) = (told.get(same), of_whole.get(same));
        assert_eq!(left, right, "event {same}, killed at {kill}");
        assert_eq!(facts(&resumed), facts(&whole), "killed at {kill}");
        assert!(weights(&resumed) == weights(&whole), "killed at {kill}");
    }
    of_whole
}

/// All kinds of commands.
fn script_of_training(template: &Template) -> Script {
    let chosen = |ids: &[&str]| Command::Evaluate { candidates: vec![nodes(ids)] };
    let pinned = Steering { pinned: nodes(&["a3"]), ..Steering::default() };
    let length = StepLength { learning_rate: 0.002, clip: Some(1.0) };
    vec![
        (20, chosen(&["in", "a1", "b1", "gap", "head", "out"])),
        // The weights have changed since.
        (24, chosen(&["in", "a1", "b1", "gap", "head", "out"])),
        (30, Command::Edit(without(template, "b3"))),
        (33, Command::Steer(pinned)),
        (33, chosen(&["in", "a3", "bm", "flat", "head", "out"])),
        (37, Command::Retune(length)),
        (60, Command::Edit(Checked::new(template.clone()).expect("is right"))),
        (61, chosen(&["in", "a3", "b3", "flat", "head", "out"])),
        (70, Command::Aim(Objective::Loss)),
    ]
}

#[test]
fn a_training_that_is_steered_edited_and_asked_is_resumed_exactly() {
    let template = template::parse("small", crate::engine::lab::tests::SMALL).expect("is right");
    let script = script_of_training(template.template());
    for policy in [PathPolicy::Auto, PathPolicy::Fitness] {
        let kills = [1, 20, 30, 36, 37, 62, 75];
        let told = is_resumed_exactly(policy, None, &train(2), &script, &kills);
        let steps: Vec<_> = told
            .iter()
            .filter_map(|event| match event {
                Event::Evaluated { step, .. } | Event::Edited { step, .. } => Some(*step),
                _ => None,
            })
            .collect();
        assert_eq!(steps, [20, 24, 30, 33, 60, 61]);
        let others = |event: &&Event| {
            matches!(event, Event::Steered(_) | Event::Retuned { .. } | Event::Aimed { .. })
        };
        assert_eq!(told.iter().filter(others).count(), 3);
        assert!(matches!(told.last(), Some(Event::Epoch(epoch)) if epoch.epoch == 2), "{told:?}");
    }
}

#[test]
fn a_search_that_is_steered_edited_and_asked_is_resumed_exactly() {
    let template = template::parse("small", crate::engine::lab::tests::SMALL).expect("is right");
    let template = template.template();
    let chosen = |ids: &[&str]| Command::Evaluate { candidates: vec![nodes(ids)] };
    let forbidden = Steering { forbidden: nodes(&["b1"]), ..Steering::default() };
    let script = vec![
        (1, chosen(&["in", "a1", "b1", "gap", "head", "out"])),
        (2, Command::Steer(forbidden)),
        (3, Command::Edit(without(template, "bm"))),
        (4, chosen(&["in", "a3", "b3", "flat", "head", "out"])),
        (5, Command::Aim(Objective::Loss)),
        (6, Command::Edit(Checked::new(template.clone()).expect("is right"))),
        (7, Command::Retune(StepLength { learning_rate: 0.002, clip: None })),
    ];
    let kills = [1, 2, 3, 4, 5, 6, 7];
    let told = is_resumed_exactly(PathPolicy::Auto, Some(train(1)), &search(3), &script, &kills);
    let count = |wanted: fn(&Event) -> bool| told.iter().filter(|&event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, Event::Edited { .. })), 2, "{:#?}", &told[9..]);
    assert_eq!(count(|event| matches!(event, Event::Iteration { .. })), 3);
    assert_eq!(count(|event| matches!(event, Event::Steered(_) | Event::Aimed { .. })), 2);
    // What was chosen belongs to the iteration in which it was evaluated.
    let iterations = told.iter().filter_map(|event| match event {
        Event::Iteration { candidates, .. } => Some(candidates.len()),
        _ => None,
    });
    assert!(iterations.sum::<usize>() > 6, "{told:?}");
}

#[test]
fn what_cannot_be_done_is_refused_with_its_reason_and_the_job_goes_on() {
    let runs = tempfile::tempdir().expect("a folder");
    let mut lab = lab(runs.path(), "run");
    let template = lab.template().clone();
    let other_ends = {
        let mut template = template.clone();
        let network = template.network_mut();
        network.nodes[0].ops = vec![crate::engine::ops::samples::input([3, 8, 8])].into();
        Checked::new(template).expect("is right")
    };
    let unknown = Steering { pinned: nodes(&["a9"]), ..Steering::default() };
    let chosen = |ids: &[&str]| Command::Evaluate { candidates: vec![nodes(ids)] };
    let script = vec![
        (1, train(1)),
        (2, search(1)),
        (3, Command::Edit(other_ends)),
        (4, Command::Steer(unknown)),
        (5, chosen(&["in", "a9", "out"])),
        (6, chosen(&["in", "a1", "out"])),
        (7, Command::Retune(StepLength { learning_rate: -1.0, clip: None })),
        (8, chosen(&["in", "a1", "b1", "gap", "head", "out"])),
    ];
    let reports = act(&mut lab, train(1), &script, 0, u64::MAX);
    let answers: Vec<_> = reports
        .iter()
        .filter_map(|report| match report {
            Report::Answer { ticket: Ticket::Lab(number), answer } => Some((*number, answer)),
            _ => None,
        })
        .collect();
    let numbers: Vec<_> = answers.iter().map(|&(number, _)| number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 0], "each is answered once");
    for (index, part) in [
        (0, "another job is running"),
        (1, "another job is running"),
        (2, "this run has"),
        (3, "a9"),
        (4, "there is no node `a9`"),
        (5, "are no candidate of the template"),
        (6, "learning rate"),
    ] {
        let Answer::Refused { message } = answers[index].1 else { panic!("{answers:?}") };
        assert!(message.contains(part), "{message}");
    }
    assert!(matches!(answers[7].1, Answer::Evaluated(done) if done.len() == 1), "{answers:?}");
    assert_eq!(answers[8].1, &Answer::Ended { job: Job::Train, stopped: false });
    assert_eq!((lab.epochs(), lab.evaluated()), (1, 1));
    // Before anything is trained there is nothing to evaluate with.
    let mut new = lab_by(PathPolicy::Auto, runs.path(), "new");
    let error = new.evaluate_these(&nodes(&["in"]), &Default::default(), &mut ignore);
    assert!(error.expect_err("is not trained").to_string().contains("not trained yet"));
}
