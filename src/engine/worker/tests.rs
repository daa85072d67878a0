//! Commands between the steps of jobs.

use super::*;
use crate::engine::{
    command::Answer,
    data::DataSource,
    device::DeviceChoice,
    lab::LabSettings,
    ops::samples,
    replica::Replica,
    search::Steering,
    study::Event,
    template::{self, Checked, Edit, NodeId},
};
use std::time::Duration;

/// A reader of the reports reads on.
fn read(replica: &mut Replica, reports: &[Report]) {
    for report in reports {
        replica.follow(report).expect("follows");
    }
}

fn train(epochs: usize, template: Checked) -> Command {
    Command::Train { epochs, template: Some(template) }
}

fn search(iterations: u32, candidates: usize, template: Checked) -> Command {
    Command::Search { iterations, candidates, template: Some(template) }
}

/// The reports up to the end of a job.
fn job(worker: &Worker) -> Vec<Report> {
    let mut reports = Vec::new();
    loop {
        match worker.try_report().expect("the thread runs") {
            Some(end @ Report::Answer { answer: Answer::Ended { .. }, .. }) => {
                reports.push(end);
                return reports;
            }
            Some(Report::Answer { answer: Answer::Failed { message, .. }, .. }) => {
                panic!("{message}")
            }
            Some(report) => reports.push(report),
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

#[test]
fn a_changed_template_is_applied_before_the_job_and_reports_tell_all_that_the_run_holds() {
    let runs = tempfile::tempdir().expect("a folder");
    let [small, ..] = template::presets();
    let mut template = small.template().expect("presets are right");
    template.network_mut().nodes[0].ops = vec![samples::input([1, 8, 8])].into();
    let gone = NodeId::from("dense-wide");
    let remove = Edit::Remove { nodes: vec![gone.clone()], heal: false };
    let edited = template.edited(&[remove]).expect("is there");
    let [graph, edited] = [template, edited].map(|it| Checked::new(it).expect("is right"));
    let settings = LabSettings {
        data: DataSource::Digits,
        device: DeviceChoice::Cpu,
        pool: 10,
        ..LabSettings::default()
    };
    let (first, folder) = (graph.clone(), runs.path().to_owned());
    let mut worker =
        Worker::start(None, move || Ok(Lab::new(first, settings, folder, None))).expect("a thread");
    worker.ask(train(1, graph.clone())).expect("is idle");
    let reports = job(&worker);
    assert!(!reports.iter().any(|report| matches!(report, Report::Edited(_))));
    let mut known = Replica::default();
    read(&mut known, &reports);
    worker.ask(search(1, 2, graph.clone())).expect("is idle");
    read(&mut known, &job(&worker));
    worker.ask(search(1, 2, edited)).expect("is idle");
    let reports = job(&worker);
    read(&mut known, &reports);
    let edited = reports
        .iter()
        .position(|report| matches!(report, Report::Edited(edited) if edited.nodes.dropped == [gone.clone()]))
        .expect("is told");
    // A reader with the first report and all events knows what the lab does.
    assert!(
        matches!(
            &reports[edited - 2..edited],
            [Report::Template { number: 2, .. }, Report::Event(event)]
                if matches!(**event, Event::Edited { template: 2, .. })
        ),
        "{reports:?}"
    );
    // Back again, trained on, and stopped in the middle of an epoch.
    worker.ask(train(1, graph.clone())).expect("is idle");
    read(&mut known, &job(&worker));
    worker.ask(train(9, graph)).expect("is idle");
    let mut reports = Vec::new();
    while !reports.iter().any(|report| matches!(report, Report::Step { .. })) {
        reports.extend(worker.try_report().expect("the thread runs"));
    }
    worker.ask(Command::Stop).expect("listens");
    reports.extend(job(&worker));
    read(&mut known, &reports);
    let known = known.study().expect("a study");
    drop(worker);
    let folder = runs.path().read_dir().expect("a folder").next().expect("a run");
    let opened = Lab::open(&folder.expect("is there").path(), DeviceChoice::Cpu).expect("opens");
    let (told, held) = (known.known(), opened.study().known());
    let same = told.bytes().zip(held.bytes()).take_while(|(a, b)| a == b).count();
    let part =
        |text: &str| text.chars().skip(same.saturating_sub(300)).take(400).collect::<String>();
    assert!(told == held, "{}\n\n{}", part(&told), part(&held));
}

#[test]
fn a_paused_job_waits_for_its_end_or_to_be_resumed_and_is_steered_meanwhile() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().to_owned();
    let mut worker =
        Worker::start(None, move || Ok(crate::engine::lab::tests::lab(&folder, "run")))
            .expect("a thread");
    let until = |worker: &Worker, wanted: &dyn Fn(&Report) -> bool| {
        let mut seen = Vec::new();
        loop {
            match worker.try_report().expect("the thread runs") {
                Some(report) if wanted(&report) => return seen,
                Some(report) => seen.push(report),
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    };
    let answered = |wanted: Ticket| move |report: &Report| matches!(report, Report::Answer { ticket, .. } if *ticket == wanted);
    let job = worker.ask(Command::Train { epochs: 500, template: None }).expect("listens");
    until(&worker, &|report| matches!(report, Report::Step { .. }));
    worker.ask(Command::Pause).expect("listens");
    until(&worker, &|report| matches!(report, Report::Paused(true)));
    let steering = Steering { pinned: vec!["a3".into()], ..Steering::default() };
    let steer = worker.ask(Command::Steer(steering)).expect("listens");
    let meanwhile = until(&worker, &answered(steer));
    assert!(!meanwhile.iter().any(|report| matches!(report, Report::Step { .. })));
    let told = |report: &&Report| matches!(report, Report::Event(event) if matches!(**event, Event::Steered(_)));
    assert_eq!(meanwhile.iter().filter(told).count(), 1);
    worker.ask(Command::Resume).expect("listens");
    until(&worker, &|report| matches!(report, Report::Paused(false)));
    until(&worker, &|report| matches!(report, Report::Step { .. }));
    // A stop that comes late ends no job that was asked for after it.
    worker.ask(Command::Pause).expect("listens");
    let stop = worker.ask(Command::Stop).expect("listens");
    let next = worker.ask(Command::Train { epochs: 1, template: None }).expect("listens");
    until(&worker, &answered(job));
    until(&worker, &answered(stop));
    let late = worker.ask(Command::Pause).expect("listens");
    until(&worker, &answered(late));
    worker.ask(Command::Resume).expect("listens");
    until(&worker, &|report| {
        let Report::Answer { ticket, answer } = report else { return false };
        let is_next = *ticket == next;
        assert!(!is_next || matches!(answer, Answer::Ended { stopped: false, .. }), "{answer:?}");
        is_next
    });
    // Where nothing is under way there is nothing to stop.
    let stop = worker.ask(Command::Stop).expect("listens");
    until(&worker, &answered(stop));
    assert!(!worker.has_ended());
}
