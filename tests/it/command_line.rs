//! The command line from outside: what it prints, what it leaves on disk, how it ends.

use assert_cmd::Command;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command as Process, Stdio},
    time::{Duration, Instant},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_nas-navigator");

/// The smallest real job: a small template, the quick data, one epoch.
const SMALL_JOB: [&str; 10] = [
    "search",
    "--template",
    "3-conv-3-layer",
    "--data",
    "digits",
    "--epochs",
    "1",
    "--device",
    "cpu",
    "--json",
];

fn program(runs: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env("NAS_NAVIGATOR_RUNS", runs).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    command
}

fn stdout_json(command: &mut Command) -> Value {
    let output = command.assert().success().get_output().stdout.clone();
    serde_json::from_slice(&output).expect("stdout is one JSON document")
}

/// What the program says on stderr when it fails with `code`.
fn failure(command: &mut Command, code: i32) -> String {
    let assert = command.assert().code(code);
    let output = assert.get_output();
    assert!(output.stdout.is_empty(), "data on stdout in spite of the failure");
    let text = String::from_utf8(output.stderr.clone()).expect("messages are text");
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// The report without what differs from run to run.
fn facts(mut report: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("seconds");
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut report);
    report
}

#[test]
fn the_same_search_twice_gives_the_same_report_but_for_times() {
    let runs = tempfile::tempdir().expect("a folder");
    let job = ["--iterations", "2", "--candidates", "3", "--seed", "5"];
    let [first, second] =
        [(), ()].map(|()| stdout_json(program(runs.path()).args(SMALL_JOB).args(job)));
    assert_eq!(facts(first.clone()), facts(second));
    assert_eq!(first["evaluated"], 6);
    assert_eq!(first["nodes"].as_array().map(Vec::len), Some(15));
    let best = first["best"]["proxy_accuracy"].as_f64().expect("a number");
    // Ten classes: a network that learned nothing gets a tenth right.
    assert!(best > 0.3, "{best}");
    let other =
        stdout_json(program(runs.path()).args(SMALL_JOB).args(&job[..4]).args(["--seed", "6"]));
    assert_ne!(facts(first), facts(other), "another seed draws other paths");

    let list = stdout_json(program(runs.path()).args(["runs", "list", "--json"]));
    let names: Vec<_> =
        list.as_array().expect("a list").iter().map(|run| run["name"].as_str()).collect();
    assert_eq!(
        names,
        ["3-conv-3-layer-digits-5", "3-conv-3-layer-digits-5-2", "3-conv-3-layer-digits-6"]
            .map(Some)
    );
    assert!(
        list.as_array()
            .expect("a list")
            .iter()
            .all(|run| run["iterations"] == 2 && run["evaluated"] == 6)
    );
}

/// Waits until the journal at `path` satisfies `enough`.
fn wait_for_journal(path: &Path, enough: impl Fn(&str) -> bool) {
    let patience = Instant::now();
    while !fs::read_to_string(path).is_ok_and(|text| enough(&text)) {
        assert!(
            patience.elapsed() < Duration::from_secs(120),
            "the journal {} does not grow",
            path.display()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn start(runs: &Path, arguments: &[&str]) -> std::process::Child {
    Process::new(PROGRAM)
        .args(arguments)
        .env("NAS_NAVIGATOR_RUNS", runs)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts")
}

#[test]
fn a_killed_search_loses_nothing_evaluated_and_is_continued_as_if_nothing_had_happened() {
    let runs = tempfile::tempdir().expect("a folder");
    let job = ["--iterations", "4", "--candidates", "4"];
    let whole =
        stdout_json(program(runs.path()).args(SMALL_JOB).args(job).args(["--name", "whole"]));

    let arguments: Vec<_> =
        SMALL_JOB.iter().chain(&job).copied().chain(["--name", "killed"]).collect();
    let mut child = start(runs.path(), &arguments);
    let journal = runs.path().join("killed/journal.jsonl");
    // In the middle of the second iteration.
    wait_for_journal(&journal, |text| text.matches("\"evaluated\"").count() >= 6);
    // The run is in use: nobody else may write it.
    let run = runs.path().join("killed");
    let text = failure(program(runs.path()).args(["search", "--resume"]).arg(&run), 1);
    assert!(text.contains("in use by another process"), "{text}");
    child.kill().expect("is killed");
    child.wait().expect("has ended");

    let evaluated_before = evaluated(&journal);
    let shown = stdout_json(program(runs.path()).args(["runs", "show", "killed", "--json"]));
    assert_eq!(shown["evaluated"], evaluated_before.len());

    let resumed =
        stdout_json(program(runs.path()).args(["search", "--json", "--resume"]).arg(&run));
    assert_eq!(facts(resumed), facts(whole));
    let mut all = evaluated(&journal);
    assert_eq!(all[..evaluated_before.len()], evaluated_before);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 16, "each candidate was evaluated once");
}

/// The ids of the evaluated candidates in the order of the journal.
fn evaluated(journal: &Path) -> Vec<u64> {
    let text = fs::read_to_string(journal).expect("the journal is there");
    let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
    complete
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a complete line is an entry"))
        .filter(|entry| entry["event"] == "evaluated")
        .map(|entry| entry["id"].as_u64().expect("an id"))
        .collect()
}

fn scene(folder: &Path, replace: (&str, &str)) -> PathBuf {
    let text = fs::read_to_string("scenes/3-conv-3-layer.ron").expect("the scene is there");
    assert!(text.contains(replace.0), "{} is not in the scene", replace.0);
    let path = folder.join("scene.ron");
    fs::write(&path, text.replacen(replace.0, replace.1, 1)).expect("is written");
    path
}

#[test]
fn a_wrong_scene_is_refused_with_file_place_and_fix() {
    let folder = tempfile::tempdir().expect("a folder");
    for (replace, expected) in [
        (("filters: 16", "filtres: 16"), vec!["scene.ron:", "filtres"]),
        (
            ("(\"gap\", \"dense\")", "(\"gap\", \"denser\")"),
            vec!["scene.ron:", "`denser`", "correct the id"],
        ),
        (
            ("(\"gap\", \"dense\")", "(\"gap\", \"c1-3x3\"), (\"gap\", \"dense\")"),
            vec!["circle", "`gap`"],
        ),
        (
            ("GlobalAveragePool", "MaxPool(kernel: 50, stride: 1)"),
            vec!["`gap`", "50×50", "smaller kernel"],
        ),
        (("name:", "nmae:"), vec!["scene.ron:3:"]),
    ] {
        let path = scene(folder.path(), replace);
        let before = fs::read(&path).expect("is there");
        let text = failure(program(folder.path()).args(["train", "--template"]).arg(&path), 1);
        for part in expected {
            assert!(text.contains(part), "`{part}` is missing in: {text}");
        }
        assert_eq!(fs::read(&path).expect("is there"), before);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "no run was begun");
    }
}

#[test]
fn missing_and_damaged_files_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let runs = folder.path().join("runs");
    let text = failure(program(&runs).args(["train", "--template", "no/such.ron"]), 1);
    assert!(text.contains("no/such.ron") && text.contains("vgg11"), "{text}");

    let text = failure(
        program(&runs).args(["train", "--template", "vgg11", "--data", "idx:/no/such/folder"]),
        1,
    );
    assert!(text.contains("/no/such/folder"), "{text}");

    let data = folder.path().join("data");
    fs::create_dir(&data).expect("is made");
    // A header that promises ten images of 2x2, and seven bytes.
    let images = [0, 0, 8, 3, 0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7];
    for name in ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"] {
        fs::write(data.join(name), images).expect("is written");
    }
    for name in ["train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"] {
        fs::write(data.join(name), [0, 0, 8, 1, 0, 0, 0, 10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
            .expect("is written");
    }
    let source = format!("idx:{}", data.display());
    let text = failure(program(&runs).args(["train", "--template", "vgg11", "--data", &source]), 1);
    assert!(text.contains("train-images-idx3-ubyte") && text.contains("23"), "{text}");

    let text = failure(program(&runs).args(["runs", "show", "nothing"]), 1);
    assert!(text.contains("nothing"), "{text}");
    assert!(!runs.exists(), "nothing was written");
}

#[test]
fn a_table_is_searched_for_a_network_that_predicts_its_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = folder.path().join("prices.csv");
    let rows = (0..400).map(|i| {
        let (a, b) = (f64::from(i % 20) / 10.0 - 1.0, f64::from(i / 20) / 10.0 - 1.0);
        format!("{a},{b},{:.3}\n", 200.0 + 50.0 * a - 20.0 * b)
    });
    fs::write(&table, format!("a,b,price\n{}", rows.collect::<String>())).expect("is written");
    let template = folder.path().join("numbers.ron");
    let nodes = r#"(version: 1, name: "numbers", nodes: [
        (id: "in", layer: 0, ops: [Input(shape: (2, 1, 1)), Flatten], position: (0, 0)),
        (id: "a", layer: 1, ops: [Dense(units: 8, relu: true)], position: (6, 0)),
        (id: "b", layer: 1, ops: [Dense(units: 16, relu: true), Dense(units: 8)], position: (6, 4)),
        (id: "out", layer: 2, ops: [Dense(units: 1), Output], position: (12, 0)),
    ], links: [("in", "a"), ("in", "b"), ("a", "out"), ("b", "out")])"#;
    fs::write(&template, nodes).expect("is written");
    let data = format!("csv:{}", table.display());
    let job = |extra: &[&str]| {
        let mut command = program(folder.path());
        command.args(["search", "--epochs", "10", "--iterations", "1", "--candidates", "2"]);
        command.args(["--device", "cpu", "--json", "--data", &data, "--template"]).arg(&template);
        command.args(["--policy", "fair", "--optimizer", "adamw", "--clip", "5"]).args(extra);
        command
    };
    let report = stdout_json(&mut job(&["--name", "prices"]));
    assert_eq!(report["measure"], "r2");
    assert!(report["best"]["proxy_accuracy"].as_f64().expect("a number") > 0.8, "{report}");
    assert!(report["best"].get("balanced_accuracy").is_none(), "there are no classes");
    let settings = fs::read_to_string(folder.path().join("prices/run.ron")).expect("is there");
    for kept in ["policy: Fair", "optimizer: AdamW", "clip: Some(5.0)"] {
        assert!(settings.contains(kept), "{settings}");
    }
    let text = failure(&mut job(&["--loss", "hinge"]), 1);
    assert!(text.contains("the loss hinge is for classes"), "{text}");
    assert!(!folder.path().join("numbers-prices-1").exists(), "no run is begun");
}

#[test]
fn wrong_usage_ends_with_code_2() {
    let runs = tempfile::tempdir().expect("a folder");
    for arguments in [
        vec!["search"],
        vec!["search", "--template", "vgg11", "--data", "no-such-data"],
        vec!["search", "--template", "vgg11", "--candidates", "0"],
        vec!["train", "--template", "vgg11", "--device", "abacus"],
        vec!["juggle"],
    ] {
        let text = failure(program(runs.path()).args(&arguments), 2);
        assert!(text.contains("error:"), "{text}");
    }
}

#[test]
fn a_device_that_is_not_there_is_a_message() {
    let runs = tempfile::tempdir().expect("a folder");
    let text = failure(
        program(runs.path()).args(["train", "--template", "vgg11", "--device", "cuda:0"]),
        1,
    );
    assert!(text.contains("cuda"), "{text}");
}
