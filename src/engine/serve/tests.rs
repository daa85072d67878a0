//! Viewers of a hosted lab.

use super::*;
use crate::engine::{
    command::{Answer, Command, Ticket},
    device::DeviceChoice,
    lab::{Lab, tests::lab},
    remote::{ClientOptions, Limits, ServerOptions, Token, Waits},
    replica::Replica,
    report::Report,
    search::Steering,
    study::Event,
    template::{Checked, Edit, NodeId},
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// A host of a new lab, tended on a thread until it is dropped.
pub(crate) struct Hosted {
    pub(crate) address: String,
    pub(crate) token: Token,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hosted {
    /// A new lab on a small template, whose run is called `run`.
    pub(crate) fn of_lab(runs: &Path) -> Self {
        let runs = runs.to_owned();
        Self::new(move || lab(&runs, "run"))
    }

    fn new(make_lab: impl FnOnce() -> Lab + Send + 'static) -> Self {
        Self::at("127.0.0.1:0", Token::new().expect("random bytes"), make_lab)
    }

    /// The same at a place and with a token of before.
    pub(crate) fn at(
        listen: &str,
        token: Token,
        make_lab: impl FnOnce() -> Lab + Send + 'static,
    ) -> Self {
        let options = ServerOptions {
            listen: listen.to_owned(),
            token: token.clone(),
            certificate: None,
            exposed: false,
            limits: Limits::default(),
        };
        let mut host = Host::start(options, move || Ok(make_lab())).expect("listens");
        let address = host.address().to_string();
        let ends = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ends);
        let tend = move || {
            while !until.load(Ordering::Relaxed) {
                host.tend(&mut |_| {}).expect("the lab's thread runs");
            }
        };
        let thread = Some(thread::spawn(tend));
        Self { address, token, ends, thread }
    }

    /// What a viewer needs that does not wait for long after a loss.
    pub(crate) fn options(&self, write: bool) -> ClientOptions {
        ClientOptions {
            address: self.address.clone(),
            token: self.token.clone(),
            write,
            trust: None,
            exposed: false,
            waits: Waits { first: Duration::from_millis(20), longest: Duration::from_millis(100) },
            limits: Limits::default(),
        }
    }

    fn viewer(&self, write: bool) -> Follower {
        Follower::new(&self.options(write))
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("ends well");
        }
    }
}

/// A viewer with what it has been told.
pub(crate) struct Follower {
    pub(crate) viewer: Viewer,
    replica: Replica,
    answers: Vec<(Ticket, Answer)>,
}

impl Follower {
    pub(crate) fn new(options: &ClientOptions) -> Self {
        let viewer = Viewer::connect(options.clone()).expect("a thread");
        Self { viewer, replica: Replica::default(), answers: Vec::new() }
    }

    fn hear(&mut self) {
        let Some(report) = self.viewer.wait_for_report(Duration::from_millis(20)).expect("runs")
        else {
            return;
        };
        self.replica.follow(&report).expect("follows");
        match report {
            Report::Answer { ticket, answer } => self.answers.push((ticket, answer)),
            Report::NotOpened { message } => panic!("{message}"),
            _ => {}
        }
    }

    pub(crate) fn hear_until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            self.hear();
        }
    }

    pub(crate) fn ask(&mut self, command: &Command) -> Answer {
        let ticket = self.viewer.ask(command).expect("is asked");
        let answered = |it: &Self| it.answers.iter().any(|&(known, _)| known == ticket);
        self.hear_until(answered);
        let place = self.answers.iter().position(|&(known, _)| known == ticket);
        self.answers.remove(place.expect("is answered")).1
    }

    pub(crate) fn hear_the_end(&mut self) {
        let is_end = |answer: &Answer| matches!(answer, Answer::Ended { stopped: false, .. });
        self.hear_until(|it| it.answers.iter().any(|(_, answer)| is_end(answer)));
        self.answers.retain(|(_, answer)| !is_end(answer));
    }

    fn known(&self) -> String {
        self.replica.study().expect("was told").known()
    }
}

fn nodes(ids: &[&str]) -> Vec<NodeId> {
    ids.iter().map(|&id| NodeId::from(id)).collect()
}

fn search(iterations: u32) -> Command {
    Command::Search { iterations, candidates: 2, template: None }
}

/// What the journal tells.
fn journaled(runs: &Path) -> (String, Vec<Event>) {
    let folder = runs.join("run");
    let opened = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    (opened.study().known(), crate::engine::lab::tests::journal(&folder))
}

#[test]
fn viewers_know_what_the_journal_tells_whenever_they_have_come() {
    let runs = tempfile::tempdir().expect("a folder");
    let hosted = Hosted::of_lab(runs.path());
    let mut first = hosted.viewer(true);
    first.hear_until(|it| it.viewer.is_up_to_date() && it.replica.study().is_some());
    let template = first.replica.study().expect("was told").template().template().clone();
    let mut watcher = hosted.viewer(false);
    let begun = first.ask(&Command::Train { epochs: 2, template: None });
    assert!(matches!(begun, Answer::Begun { .. }), "{begun:?}");
    let chosen =
        Command::Evaluate { candidates: vec![nodes(&["in", "a1", "b1", "gap", "head", "out"])] };
    // Before the first step there is nothing to evaluate with.
    let done = loop {
        match first.ask(&chosen) {
            Answer::Evaluated(done) => break done,
            Answer::Refused { message } => assert!(message.contains("not trained"), "{message}"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(done.len(), 1);
    let Answer::Refused { message } = first.ask(&search(1)) else { panic!("{:?}", first.answers) };
    assert!(message.contains("another job is running"), "{message}");
    first.hear_the_end();
    assert!(matches!(first.ask(&search(40)), Answer::Begun { .. }));
    let pinned = Steering { pinned: nodes(&["a3"]), ..Steering::default() };
    assert_eq!(first.ask(&Command::Steer(pinned)), Answer::Done);
    let without = Edit::Remove { nodes: nodes(&["b3"]), heal: false };
    let without = Checked::new(template.edited(&[without]).expect("can be done")).expect("right");
    assert_eq!(first.ask(&Command::Edit(without)), Answer::Done);
    let mut late = hosted.viewer(false);
    late.hear_until(|it| it.viewer.is_up_to_date());
    let back = Checked::new(template).expect("is right");
    assert_eq!(first.ask(&Command::Edit(back)), Answer::Done);
    first.hear_until(|it| {
        it.answers.iter().any(|(_, answer)| matches!(answer, Answer::Ended { .. }))
    });
    let Answer::Refused { message } = watcher.ask(&Command::Pause) else { panic!("watches") };
    assert!(message.contains("watch"), "{message}");
    let (known, events) = journaled(runs.path());
    let told = |wanted: fn(&Event) -> bool| events.iter().filter(|&event| wanted(event)).count();
    assert_eq!(told(|event| matches!(event, Event::Edited { .. })), 2);
    assert_eq!(told(|event| matches!(event, Event::Steered(_))), 1);
    let mut newest = hosted.viewer(false);
    newest.hear_until(|it| it.viewer.is_up_to_date() && it.replica.study().is_some());
    for follower in [&mut first, &mut watcher, &mut late, &mut newest] {
        follower.hear_until(|it| it.known() == known);
    }
}
