//! A lab that is served, from outside: commands while it works, two who watch, wrong tokens, and a server that is killed.

use super::command_line::{failure, program, stdout_json};
use nas_navigator::engine::template::{self, Edit, NodeId};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command as Process, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

const LONG: Duration = Duration::from_secs(120);

/// A program in the background, with the lines that it writes to stderr. It is killed when this is dropped.
struct Background {
    child: Child,
    lines: Receiver<String>,
}

impl Background {
    fn start(runs: &Path, arguments: &[&str]) -> Self {
        let mut child = Process::new(env!("CARGO_BIN_EXE_nas-navigator"))
            .args(arguments)
            .env("NAS_NAVIGATOR_RUNS", runs)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr: ChildStderr = child.stderr.take().expect("is piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
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
    assert_eq!(asked(runs, &address, &["train", "--epochs", "500", "--no-wait"]), "done");
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
    let shown = stdout_json(program(runs).args(["runs", "show", "far", "--json"]));
    assert_eq!(shown["iterations"].as_array().map(Vec::len), Some(2), "{shown}");
}
