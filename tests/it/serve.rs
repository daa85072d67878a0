//! A lab that is served, from outside: commands while it works, two who watch, wrong tokens, and a server that is killed.

use super::command_line::{failure, program, stdout_json};
use nas_navigator::engine::{
    command::{Answer, Command},
    lab::Lab,
    remote::{ClientOptions, Limits, Token, Waits},
    replica::Replica,
    report::Report,
    serve::Viewer,
    study::Study,
    template::{self, Edit, NodeId},
};
use rand::Rng;
use serde_json::Value;
use std::{
    fs,
    io::{self, BufRead, BufReader},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command as Process, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

const LONG: Duration = Duration::from_secs(120);

/// A program in the background, with the lines that it writes. It is killed when this is dropped.
struct Background {
    child: Child,
    lines: Receiver<String>,
}

impl Background {
    fn start(runs: &Path, arguments: &[&str]) -> Self {
        let mut child = Process::new(env!("CARGO_BIN_EXE_nas-navigator"))
            .args(arguments)
            .env("NAS_NAVIGATOR_RUNS", runs)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout: Box<dyn io::Read + Send> = Box::new(child.stdout.take().expect("is piped"));
        let stderr: Box<dyn io::Read + Send> = Box::new(child.stderr.take().expect("is piped"));
        let (sender, lines) = channel();
        for output in [stdout, stderr] {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Self { child, lines }
    }

    /// The next line with this in it.
    fn line(&self, part: &str) -> String {
        let begun = Instant::now();
        let mut seen = Vec::new();
        while begun.elapsed() < LONG {
            match self.lines.recv_timeout(LONG) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(_) => break,
            }
        }
        panic!("no line with `{part}`: {seen:#?}");
    }

    fn kill(&mut self) {
        self.child.kill().expect("is killed");
        self.child.wait().expect("ends");
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server, and where it listens.
fn serve(runs: &Path, what: &[&str]) -> (Background, String) {
    let listen = ["serve", "--device", "cpu", "--listen", "127.0.0.1:0"];
    let server = Background::start(runs, &[&listen, what].concat());
    let line = server.line("serving at ");
    let address = line.split_once("serving at ").and_then(|(_, rest)| rest.split_once(';'));
    let address = address.expect("is told").0.to_owned();
    (server, address)
}

fn ask(runs: &Path, address: &str, what: &[&str]) -> assert_cmd::Command {
    let mut command = program(runs);
    command.args(["ask", "--connect", address, "--json"]).args(what);
    command
}

fn asked(runs: &Path, address: &str, what: &[&str]) -> Value {
    stdout_json(&mut ask(runs, address, what))
}

fn journal(runs: &Path) -> Vec<Value> {
    let text = fs::read_to_string(runs.join("far/journal.jsonl")).expect("is there");
    text.lines().map_while(|line| serde_json::from_str(line).ok()).collect()
}

fn count(runs: &Path, event: &str) -> usize {
    journal(runs).iter().filter(|line| line["event"] == event).count()
}

/// A template without one of its nodes, as a file.
fn without(folder: &Path, node: &str) -> PathBuf {
    let preset = template::presets().into_iter().find(|it| it.name == "3-conv-3-layer");
    let template = preset.and_then(|preset| preset.template().ok()).expect("is a preset");
    let remove = Edit::Remove { nodes: vec![NodeId::from(node)], heal: false };
    let path = folder.join("edited.ron");
    template::save(&path, &template.edited(&[remove]).expect("is there")).expect("is written");
    path
}

#[test]
fn a_served_lab_is_commanded_while_it_works_and_survives_its_server() {
    let runs = tempfile::tempdir().expect("a folder");
    let runs = runs.path();
    let new = ["--template", "3-conv-3-layer", "--data", "digits", "--name", "far"];
    let (mut server, address) = serve(runs, &new);
    let watcher = Background::start(runs, &["ask", "--connect", &address, "watch"]);
    watcher.line("connected");
    let reader = Background::start(runs, &["ask", "--connect", &address, "--json", "watch"]);
    reader.line(r#"{"study":{"template""#);
    let begun = asked(runs, &address, &["train", "--epochs", "500", "--no-wait"]);
    assert!(begun["begun"]["ticket"].is_object(), "{begun}");
    server.line("epoch 1:");
    let graph = template::presets().into_iter().find(|it| it.name == "3-conv-3-layer");
    let graph = graph.and_then(|preset| preset.graph().ok()).expect("is a preset");
    let chosen = nas_navigator::engine::candidate::sample_single_path(
        &graph,
        &mut nas_navigator::engine::seed::rng(3, "test", 0),
    );
    let ids: Vec<_> = chosen.iter().map(|node| graph.id(node).to_string()).collect();
    let evaluated = asked(runs, &address, &["evaluate", &ids.join(",")]);
    assert_eq!(evaluated["evaluated"].as_array().map(Vec::len), Some(1), "{evaluated}");
    let gone = graph.nodes().iter().find(|node| node.layer == 1).expect("has layers").id.clone();
    let pinned = graph.nodes().iter().find(|node| node.layer == 2).expect("has layers").id.clone();
    assert_eq!(asked(runs, &address, &["steer", "--pin", pinned.as_str()]), "done");
    let file = without(runs, gone.as_str());
    let file = file.to_str().expect("is text");
    assert_eq!(asked(runs, &address, &["edit", file]), "done");
    watcher.line("epoch");
    let edited: Value = serde_json::from_str(&reader.line(r#""edited":{"#)).expect("is JSON");
    assert_eq!(edited["edited"]["nodes"]["dropped"][0], gone.as_str(), "{edited}");
    for (event, times) in [("evaluated", 1), ("steered", 1), ("edited", 1)] {
        assert_eq!(count(runs, event), times, "{event}");
    }

    // What is refused changes nothing.
    let refused = |what: &[&str], part: &str| {
        let output = ask(runs, &address, what).assert().code(1).get_output().stderr.clone();
        let text = String::from_utf8_lossy(&output).into_owned();
        assert!(text.contains(part) && !text.contains("panicked"), "{text}");
    };
    refused(&["search"], "another job is running");
    refused(&["evaluate", "input,nothing"], "there is no node `nothing`");
    refused(&["steer", "--pin", "nothing"], "nothing");
    let other = runs.join("other");
    let (other_file, missing) = (other.to_str().expect("is text"), "no/such/token");
    fs::write(&other, "0".repeat(64) + "\n").expect("is written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&other, private).expect("are set");
    }
    refused(&["pause", "--token", other_file], "token");
    let text = failure(&mut ask(runs, &address, &["pause", "--token", missing]), 1);
    assert!(text.contains(missing), "{text}");

    // Nothing that was recorded is lost with the server.
    server.kill();
    watcher.line("the next attempt");
    let epochs = count(runs, "epoch");
    let (_server, address) = serve(runs, &["--resume", "far"]);
    let search = ["search", "--iterations", "2", "--candidates", "3"];
    let ended = asked(runs, &address, &search);
    assert_eq!(ended["ended"]["stopped"], false, "{ended}");
    assert_eq!((count(runs, "epoch"), count(runs, "iteration")), (epochs, 2));
    let kept = |line: &Value| line["kept"].as_array().cloned().unwrap_or_default();
    let proposed = journal(runs);
    let proposed = proposed.iter().filter(|it| it["event"] == "candidate" && it["iteration"] == 2);
    for line in proposed {
        let kept = kept(line);
        assert!(kept.contains(&pinned.as_str().into()) && !kept.contains(&gone.as_str().into()));
    }
    let paused = ask(runs, &address, &["pause"]).assert().code(1).get_output().stderr.clone();
    let text = String::from_utf8_lossy(&paused).into_owned();
    assert!(text.contains("no job is under way"), "{text}");
    let shown = stdout_json(program(runs).args(["runs", "show", "far", "--json"]));
    assert_eq!(shown["iterations"].as_array().map(Vec::len), Some(2), "{shown}");
}

/// Passes connections on to another port, until they are cut.
struct Proxy {
    address: String,
    sockets: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("is bound").to_string();
        let sockets = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&sockets);
        thread::spawn(move || {
            for here in listener.incoming().map_while(Result::ok) {
                let Ok(there) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                for (mut from, mut to) in [(&here, &there), (&there, &here)]
                    .map(|(from, to)| (from.try_clone(), to.try_clone()))
                    .map(|(from, to)| (from.expect("a socket"), to.expect("a socket")))
                {
                    thread::spawn(move || {
                        // What is cut ends here.
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                kept.lock().expect("no thread panics").extend([here, there]);
            }
        });
        Self { address, sockets }
    }

    fn cut(&self) {
        for socket in self.sockets.lock().expect("no thread panics").drain(..) {
            // It may be closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// A viewer with what it has been told.
struct Follower {
    viewer: Viewer,
    replica: Replica,
    answers: Vec<Answer>,
}

impl Follower {
    fn new(runs: &Path, address: &str, write: bool) -> Self {
        let options = ClientOptions {
            address: address.to_owned(),
            token: Token::read(&runs.join("token")).expect("is there"),
            write,
            trust: None,
            exposed: false,
            waits: Waits { first: Duration::from_millis(20), longest: Duration::from_millis(100) },
            limits: Limits::default(),
        };
        let viewer = Viewer::connect(options).expect("a thread");
        Self { viewer, replica: Replica::default(), answers: Vec::new() }
    }

    fn hear_for(&mut self, time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            let report = self.viewer.wait_for_report(Duration::from_millis(10)).expect("runs");
            let Some(report) = report else { continue };
            self.replica.follow(&report).expect("follows");
            match report {
                Report::Answer { answer, .. } => self.answers.push(answer),
                Report::NotOpened { message } => panic!("{message}"),
                _ => {}
            }
        }
    }

    fn evaluated(&self) -> usize {
        let candidates = self.replica.study().map_or(&[][..], Study::candidates);
        candidates.iter().filter(|candidate| candidate.evaluation.is_some()).count()
    }

    /// Whether it knows what the run folder tells.
    fn knows(&self, opened: &Study) -> bool {
        self.replica.study().is_some_and(|study| {
            study.candidates() == opened.candidates()
                && study.epochs() == opened.epochs()
                && study.iterations().len() == opened.iterations().len()
                && study.search().steering() == opened.search().steering()
        })
    }
}

#[test]
fn viewers_know_what_the_journal_tells_after_servers_viewers_and_connections_are_cut() {
    let runs = tempfile::tempdir().expect("a folder");
    let runs = runs.path();
    let new = ["--template", "3-conv-7-layer", "--data", "digits", "--name", "far"];
    let (mut server, address) = serve(runs, &new);
    asked(runs, &address, &["train", "--epochs", "1"]);
    let port = address.rsplit_once(':').expect("has a port").1.parse().expect("is a number");
    let listen = format!("127.0.0.1:{port}");
    let proxies = [Proxy::to(port), Proxy::to(port)];
    let mut first = Follower::new(runs, &proxies[0].address, true);
    let mut second = Follower::new(runs, &proxies[1].address, false);
    let both = |first: &mut Follower, second: &mut Follower, time: u64| {
        first.hear_for(Duration::from_millis(time));
        second.hear_for(Duration::from_millis(10));
    };
    both(&mut first, &mut second, 500);
    let mut random = nas_navigator::engine::seed::rng(5, "test", 0);
    for round in 0..ROUNDS {
        let (begun, known) = (Instant::now(), first.evaluated());
        while first.evaluated() == known {
            // Refused where one is running, and lost where there is no connection.
            let search = Command::Search { iterations: 1000, candidates: 3, template: None };
            first.viewer.ask(&search).expect("is asked");
            both(&mut first, &mut second, 20 + u64::from(random.next_u32() % 150));
            assert!(begun.elapsed() < LONG, "{:#?}", first.answers);
        }
        match round % 4 {
            0 => {
                server.kill();
                let again =
                    ["serve", "--device", "cpu", "--listen", listen.as_str(), "--resume", "far"];
                server = Background::start(runs, &again);
                server.line("serving at ");
            }
            1 => proxies[0].cut(),
            2 => second = Follower::new(runs, &proxies[1].address, false),
            _ => proxies[1].cut(),
        }
    }
    both(&mut first, &mut second, 300);
    let begun = Instant::now();
    loop {
        first.viewer.ask(&Command::Stop).expect("is asked");
        both(&mut first, &mut second, 200);
        let opened = Lab::open_briefly(&runs.join("far")).expect("opens");
        let known = [&first, &second].map(|it| it.knows(opened.study()));
        if known == [true, true] {
            assert!(opened.evaluated() >= ROUNDS, "{:#?}", first.answers);
            break;
        }
        assert!(begun.elapsed() < LONG, "{known:?}");
    }
}

/// How often something is cut.
const ROUNDS: usize = 50;
