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

pub(crate) fn program(runs: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env("NAS_NAVIGATOR_RUNS", runs).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    command
}

pub(crate) fn stdout_json(command: &mut Command) -> Value {
    let output = command.assert().success().get_output().stdout.clone();
    serde_json::from_slice(&output).expect("stdout is one JSON document")
}

/// What the program says on stderr when it fails with `code`.
pub(crate) fn failure(command: &mut Command, code: i32) -> String {
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
fn the_same_search_twice_gives_the_same_report_except_for_times() {
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
    let run = runs.path().join("killed");
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

#[test]
fn a_run_that_another_process_works_on_is_refused_and_goes_on() {
    let runs = tempfile::tempdir().expect("a folder");
    let job = ["train", "--template", "3-conv-3-layer", "--data", "digits", "--epochs", "1000"];
    let arguments: Vec<_> = job.into_iter().chain(["--name", "busy"]).collect();
    let mut child = start(runs.path(), &arguments);
    let run = runs.path().join("busy");
    wait_for_journal(&run.join("journal.jsonl"), |text| text.contains("\"epoch\""));
    let text = failure(program(runs.path()).args(["search", "--resume"]).arg(&run), 1);
    assert!(text.contains("in use by another process"), "{text}");
    assert!(child.try_wait().expect("can be asked").is_none(), "it works on");
    child.kill().expect("is killed");
    child.wait().expect("has ended");
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
    assert!(text.contains(&runs.join("nothing").display().to_string()), "{text}");
    let text = failure(program(&runs).args(["runs", "show", "no/thing"]), 1);
    assert!(text.contains("no/thing is not a run") && !text.contains("runs/no"), "{text}");
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
fn a_search_is_steered_with_what_is_known_and_ends_at_its_budget() {
    let runs = tempfile::tempdir().expect("a folder");
    let search = |arguments: &[&str]| {
        let mut command = program(runs.path());
        command.arg("search").args(arguments).args(["--device", "cpu", "--json"]);
        command
    };
    let folder = runs.path().join("run");
    let folder = folder.to_str().expect("is text");
    let first = stdout_json(program(runs.path()).args(SMALL_JOB).args([
        "--name",
        "run",
        "--pin",
        "c1-3x3",
        "--budget-candidates",
        "7",
        "--candidates",
        "4",
    ]));
    assert_eq!(
        (&first["evaluated"], &first["iterations"][1]["candidates"]),
        (&7.into(), &3.into())
    );
    assert_eq!(first["steering"], serde_json::json!({ "pinned": ["c1-3x3"] }));
    let nodes = |report: &Value, id: &str| {
        let nodes = report["nodes"].as_array().expect("a list");
        nodes.iter().find(|node| node["id"] == id).expect("is there")["candidates"].clone()
    };
    assert_eq!(nodes(&first, "c1-3x3"), 7);

    // Conditions that no candidate can satisfy are refused and change nothing.
    let before = fs::read(runs.path().join("run/journal.jsonl")).expect("is there");
    for (flags, reason) in [
        (["--forbid", "c1-3x3"], "kept and left out at once"),
        (["--max-parameters", "1"], "the leanest has"),
        (["--pin", "absent"], "no node `absent`"),
        (["--region", "best:8"], "7 are evaluated"),
    ] {
        let text = failure(&mut search(&[&["--resume", folder], flags.as_slice()].concat()), 1);
        assert!(text.contains(reason), "{text}");
    }
    assert_eq!(fs::read(runs.path().join("run/journal.jsonl")).expect("is there"), before);

    let front = stdout_json(&mut search(&[
        "--resume",
        folder,
        "--free",
        "--forbid",
        "c1-3x3",
        "--pareto",
        "parameters",
        "--budget-candidates",
        "11",
    ]));
    assert_eq!((&front["evaluated"], nodes(&front, "c1-3x3")), (&11.into(), 7.into()));
    let params: Vec<_> = front["front"]
        .as_array()
        .expect("a front")
        .iter()
        .map(|candidate| candidate["params"].as_u64().expect("a number"))
        .collect();
    assert!(!params.is_empty() && params.is_sorted(), "{params:?}");
}

#[test]
fn wrong_usage_ends_with_code_2() {
    let runs = tempfile::tempdir().expect("a folder");
    for arguments in [
        vec!["search"],
        vec!["search", "--template", "vgg11", "--data", "no-such-data"],
        vec!["search", "--template", "vgg11", "--candidates", "0"],
        vec!["search", "--template", "vgg11", "--budget-candidates", "0"],
        vec!["search", "--template", "vgg11", "--budget-seconds", "0"],
        vec!["search", "--template", "vgg11", "--max-parameters", "0"],
        vec!["search", "--template", "vgg11", "--region", "the-good-one"],
        vec!["train", "--template", "vgg11", "--device", "abacus"],
        vec!["train", "--template", "vgg11", "--batch-size", "0"],
        vec!["train", "--template", "vgg11", "--batch-size", "every"],
        vec!["train", "--resume", "run", "--batch-size", "8"],
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

/// The lines of a journal without times.
fn journal_facts(folder: &Path) -> Vec<Value> {
    fs::read_to_string(folder.join("journal.jsonl"))
        .expect("the journal is there")
        .lines()
        .map(|line| {
            let mut entry: Value = serde_json::from_str(line).expect("an entry");
            for time in ["time", "seconds"] {
                entry.as_object_mut().expect("an object").remove(time);
            }
            entry
        })
        .collect()
}

#[test]
fn a_run_that_is_killed_again_and_again_has_the_journal_of_one_that_is_not() {
    let runs = tempfile::tempdir().expect("a folder");
    let [whole, killed] = ["whole", "killed"].map(|name| runs.path().join(name));
    let begin = |name: &str| -> Vec<String> {
        let job = "search --template 3-conv-3-layer --data digits --device cpu --candidates 3 \
                   --epochs 2 --iterations 3 --name";
        job.split_whitespace().chain([name]).map(str::to_owned).collect()
    };
    let goes_on = |folder: &Path| -> Vec<String> {
        let resume = "search --epochs 3 --iterations 6 --resume";
        let folder = folder.to_str().expect("text");
        resume.split_whitespace().chain([folder]).map(str::to_owned).collect()
    };
    program(runs.path()).args(begin("whole")).assert().success();
    program(runs.path()).args(goes_on(&whole)).assert().success();

    let kill_when = |arguments: &[String], enough: &dyn Fn(&str) -> bool| {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let mut child = start(runs.path(), &arguments);
        wait_for_journal(&killed.join("journal.jsonl"), enough);
        child.kill().expect("is killed");
        child.wait().expect("has ended");
    };
    let count = |event: &'static str, least: usize| {
        move |text: &str| text.matches(&format!("\"event\":\"{event}\"")).count() >= least
    };
    let resume = ["search", "--resume", killed.to_str().expect("text")].map(str::to_owned);
    kill_when(&begin("killed"), &count("epoch", 1));
    kill_when(&resume, &count("evaluated", 4));
    // What the run set out to do is known without being said again.
    program(runs.path()).args(&resume).assert().success();
    assert_eq!(evaluated(&killed.join("journal.jsonl")).len(), 9);
    // In the middle of what is evaluated again with the weights of the third epoch.
    kill_when(&goes_on(&killed), &count("evaluated", 12));
    program(runs.path()).args(&resume).assert().success();
    assert_eq!(journal_facts(&killed), journal_facts(&whole));
    assert_eq!(evaluated(&killed.join("journal.jsonl")).len(), 9 + 9 + 9);
    let show = |name| stdout_json(program(runs.path()).args(["runs", "show", name, "--json"]));
    assert_eq!(facts(show("killed")), facts(show("whole")));

    // More iterations alone are as good as all of them at once.
    let tiny = scene(runs.path(), ("(1, 28, 28)", "(1, 8, 8)"));
    let search = |name: &str, iterations: &str| {
        let job = ["--data", "digits", "--device", "cpu", "--candidates", "3", "--iterations"];
        let mut command = program(runs.path());
        command.args(["search", "--name", name, "--template"]).arg(&tiny).args(job).arg(iterations);
        command.assert().success();
    };
    search("once", "4");
    search("twice", "2");
    let twice = runs.path().join("twice");
    let more = ["search", "--iterations", "4", "--resume"];
    program(runs.path()).args(more).arg(&twice).assert().success();
    assert_eq!(journal_facts(&twice), journal_facts(&runs.path().join("once")));
}

#[test]
fn an_edited_template_goes_on_in_the_same_run() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("run");
    let job = ["--iterations", "2", "--candidates", "4", "--name", "run"];
    let before = stdout_json(program(runs.path()).args(SMALL_JOB).args(job));
    let text = fs::read_to_string("scenes/3-conv-3-layer.ron").expect("the scene is there");
    // Two nodes less and one more.
    let gone = |line: &&str| !line.contains("c1-1x1") && !line.contains("dense-wide");
    let text: String = text.lines().filter(gone).map(|line| format!("{line}\n")).collect();
    let node = "(id: \"c2-7x7\", layer: 2, ops: [ConvBlock(filters: 32, kernel: 7, stride: 2)], position: (-7.0, 8.0)),\n";
    let links = ["c1-3x3\", \"c2-7x7", "c1-5x5\", \"c2-7x7", "c2-7x7\", \"c3-3x3"];
    let links: String = links.iter().map(|link| format!("(\"{link}\"),\n")).collect();
    let text = text.replacen("nodes: [\n", &format!("nodes: [\n{node}"), 1);
    let text = text.replacen("links: [\n", &format!("links: [\n{links}"), 1);
    let path = runs.path().join("edited.ron");
    fs::write(&path, text).expect("is written");
    let edit = |scene: &Path| {
        let mut command = program(runs.path());
        command.args(["runs", "edit", "run", "--json", "--template"]).arg(scene);
        command
    };
    let edited = stdout_json(&mut edit(&path));
    assert_eq!(edited["added"], serde_json::json!(["c2-7x7"]));
    assert_eq!(edited["dropped"], serde_json::json!(["c1-1x1", "dense-wide"]));
    assert_eq!(edited["kept"].as_array().map(Vec::len), Some(13));
    assert_eq!(edited["candidates_to_evaluate_again"], 0);
    let [inherited] = edited["weights_inherited"].as_array().expect("a list").as_slice() else {
        panic!("{edited}")
    };
    assert_eq!(inherited["node"], "c2-7x7");
    assert!(inherited["from"].as_str().is_some_and(|from| from.starts_with("c2-")), "{inherited}");
    let again = stdout_json(&mut edit(&path));
    assert_eq!(again["candidates_kept"], edited["candidates_kept"]);
    assert_eq!(
        (&again["added"], &again["dropped"]),
        (&Value::from([""; 0]), &Value::from([""; 0]))
    );
    let shown = stdout_json(program(runs.path()).args(["runs", "show", "run", "--json"]));
    assert_eq!(shown["evaluated"], 8);
    let nodes = |report: &Value| report["nodes"].as_array().expect("a list").clone();
    for node in nodes(&shown) {
        let known = nodes(&before).into_iter().find(|before| before["id"] == node["id"]);
        match known {
            Some(known) => assert_eq!(node["fitness"], known["fitness"], "{node}"),
            None => {
                assert_eq!((&node["id"], node["fitness"].as_f64()), (&"c2-7x7".into(), Some(0.5)));
            }
        }
    }
    let resume = ["search", "--json", "--epochs", "2", "--iterations", "3", "--resume"];
    let report = stdout_json(program(runs.path()).args(resume).arg(&folder));
    assert_eq!(report["iterations"].as_array().map(Vec::len), Some(3));
    let list = stdout_json(program(runs.path()).args(["runs", "list", "--json"]));
    assert_eq!(list[0]["best_proxy_accuracy"], report["best"]["proxy_accuracy"]);
    let best: Vec<_> = report["best"]["kept"].as_array().expect("a list").clone();
    assert!(!best.contains(&"c1-1x1".into()) && !best.contains(&"dense-wide".into()), "{best:?}");

    // The data of the run stays what it is, and so do the ends of its template.
    let other = scene(runs.path(), ("(1, 28, 28)", "(1, 20, 20)"));
    let told = edit(&other).assert().success();
    let told = String::from_utf8(told.get_output().stderr.clone()).expect("is text");
    assert!(told.contains("shape of `input` (1, 8, 8) instead of (1, 20, 20)"), "{told}");
}

#[test]
fn a_run_is_shown_as_it_was_after_some_of_its_events() {
    let runs = tempfile::tempdir().expect("a folder");
    for (name, iterations) in [("shorter", "1"), ("longer", "2")] {
        let job = ["--candidates", "4", "--name", name, "--iterations", iterations];
        program(runs.path()).args(SMALL_JOB).args(job).assert().success();
    }
    let show = |arguments: &[&str]| {
        let mut command = program(runs.path());
        command.args(["runs", "show"]).args(arguments);
        command
    };
    let shorter = facts(stdout_json(&mut show(&["shorter", "--json"])));
    let longer = facts(stdout_json(&mut show(&["longer", "--json"])));
    let (events, all) = (shorter["events"].to_string(), longer["events"].to_string());
    let journal = fs::read_to_string(runs.path().join("longer/journal.jsonl")).expect("is there");
    assert_eq!(journal.lines().count().to_string(), all);
    let mut then = facts(stdout_json(&mut show(&["longer", "--json", "--events", &events])));
    let fields = then.as_object_mut().expect("an object");
    assert_eq!(fields.remove("of_events").as_ref(), Some(&longer["events"]));
    assert_eq!(then, shorter);
    assert_ne!(then["evaluated"], longer["evaluated"]);

    let text = show(&["longer", "--events", &events]).assert().success();
    let text = String::from_utf8(text.get_output().stdout.clone()).expect("is text");
    assert!(text.contains(&format!("events    {events} of {all}")), "{text}");
    assert!(text.contains("search    1 iterations, 4 candidates evaluated"), "{text}");
    let text = failure(&mut show(&["longer", "--events", "100000"]), 1);
    assert!(text.contains(&format!("the run has {all} events")), "{text}");
    failure(&mut show(&["longer", "--events", &events, "--latency"]), 2);
}

#[test]
fn verify_prints_both_accuracies_and_their_correlation() {
    let runs = tempfile::tempdir().expect("a folder");
    let job = ["--iterations", "2", "--candidates", "3", "--name", "run", "--latency"];
    let report = stdout_json(program(runs.path()).args(SMALL_JOB).args(job));
    let times = report["latencies"].as_array().expect("was asked for");
    assert_eq!(times.len(), 5);
    assert!(times.iter().all(|entry| entry["times"][0]["median_secs"].as_f64() > Some(0.0)));

    let text =
        failure(program(runs.path()).args(["verify", "run", "--top", "1", "--random", "1"]), 1);
    assert!(text.contains("2 candidates") && text.contains("5 or more"), "{text}");
    let verify = ["verify", "run", "--device", "cpu", "--json", "--top", "3", "--random"];
    let first = stdout_json(program(runs.path()).args(verify).arg("2"));
    let candidates = first["candidates"].as_array().expect("a list");
    assert_eq!((candidates.len(), &first["epochs"]), (5, &1.into()));
    assert_eq!(candidates[0]["candidate"], report["best"]["candidate"]);
    for candidate in candidates {
        let accuracy = candidate["retrained_accuracy"].as_f64().expect("a number");
        assert!((0.05..=1.0).contains(&accuracy), "{candidate}");
    }
    let tau = first["kendall"]["tau"].as_f64().expect("a number");
    assert!((-1.0..=1.0).contains(&tau));
    // Nothing is trained twice; the report tells it, too.
    assert_eq!(stdout_json(program(runs.path()).args(verify).arg("2")), first);
    let shown = stdout_json(program(runs.path()).args(["runs", "show", "run", "--json"]));
    assert_eq!(shown["verification"], first);
}

#[test]
fn shares_of_a_verification_are_merged_into_what_one_verification_finds() {
    let runs = tempfile::tempdir().expect("a folder");
    let job = ["--iterations", "2", "--candidates", "3", "--name", "run"];
    stdout_json(program(runs.path()).args(SMALL_JOB).args(job));
    let verify = |more: &[&str]| {
        let mut command = program(runs.path());
        command.args(["verify", "run", "--device", "cpu", "--json", "--top", "3", "--random", "2"]);
        command.args(more);
        command
    };
    for (wrong, part) in [
        ("3/2", "of 2 shares there is none with the number 3"),
        ("0/4", "shares count from 1"),
        ("x", "as in 2/8"),
    ] {
        let text = failure(&mut verify(&["--share", wrong]), 2);
        assert!(text.contains(part), "{text}");
    }
    let merge = || {
        let mut command = program(runs.path());
        command.args(["runs", "merge", "run", "--json"]);
        command
    };
    let text = failure(&mut merge(), 1);
    assert!(text.contains("has no shares") && text.contains("--share 1/2"), "{text}");

    let journal = runs.path().join("run/journal.jsonl");
    let before = fs::read(&journal).expect("is there");
    let second = stdout_json(&mut verify(&["--share", "2/2"]));
    assert_eq!((&second["share"], &second["missing"]), (&"2/2".into(), &Value::Array(vec![])));
    assert_eq!(second["done"].as_array().map(Vec::len), Some(2));
    assert_eq!(fs::read(&journal).expect("is there"), before);
    let half = stdout_json(&mut merge());
    assert_eq!(half["merged"].as_array().map(Vec::len), Some(2));
    assert_eq!(half["missing"][0]["share"], "1/2");
    stdout_json(&mut verify(&["--share", "1/2"]));
    let rest = stdout_json(&mut merge());
    assert_eq!((rest["merged"].as_array().map(Vec::len), &rest["known"]), (Some(3), &2.into()));
    assert_eq!(rest["missing"], Value::Array(vec![]));
    let merged = fs::read(&journal).expect("is there");
    let table = stdout_json(&mut verify(&[]));
    assert_eq!(fs::read(&journal).expect("is there"), merged, "nothing is left to train");
    assert_eq!(table["candidates"].as_array().map(Vec::len), Some(5));

    fs::write(&journal, before).expect("is written");
    assert_eq!(facts(stdout_json(&mut verify(&[]))), facts(table));

    fs::write(runs.path().join("run/shares/1-of-2.jsonl"), "rubbish\n").expect("is written");
    let assert = merge().assert().code(1);
    let text = String::from_utf8(assert.get_output().stderr.clone()).expect("text");
    assert!(text.contains("shares/1-of-2.jsonl:1: not an entry of a share"), "{text}");
}

#[test]
fn a_run_is_resumed_by_its_name_its_folder_or_its_file() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("mine");
    program(runs.path())
        .args(["train", "--template", "3-conv-3-layer", "--data", "digits", "--epochs", "1"])
        .args(["--device", "cpu", "--name", "mine"])
        .assert()
        .success();
    let file = folder.join("run.ron");
    for (epochs, run) in
        [("1", "mine"), ("1", folder.to_str().expect("text")), ("1", file.to_str().expect("text"))]
    {
        let report = stdout_json(
            program(runs.path())
                .args(["train", "--json", "--device", "cpu", "--epochs", epochs, "--resume", run]),
        );
        assert_eq!(report["epochs"].as_array().map(Vec::len), Some(1), "{run}");
    }
    // An argument counts more than the variable, and an empty variable is none.
    let other = runs.path().join("other");
    let text = failure(program(&other).args(["train", "--resume", "mine"]), 1);
    assert!(text.contains("other/mine is not a run"), "{text}");
    program(&other).args(["runs", "show", "mine", "--runs"]).arg(runs.path()).assert().success();
    let mut empty = program(Path::new(""));
    let text = failure(empty.current_dir(&runs).args(["runs", "show", "nothing"]), 1);
    assert!(text.contains("runs/nothing is not a run"), "{text}");
}

#[test]
fn a_tilde_is_the_home_folder_wherever_a_path_is_given() {
    let home = tempfile::tempdir().expect("a folder");
    let runs = home.path().join("my-runs");
    fs::copy("scenes/3-conv-3-layer.ron", home.path().join("net.ron")).expect("is copied");
    let mut command = program(Path::new("~/my-runs"));
    command.args(["train", "--template", "~/net.ron", "--data", "digits", "--epochs", "0"]);
    command.env("HOME", home.path()).args(["--device", "cpu", "--name", "a"]).assert().success();
    let mut command = program(&runs);
    let source = "idx:~/nowhere";
    let command = command.env("HOME", home.path());
    let text = failure(command.args(["train", "--template", "vgg11", "--data", source]), 1);
    assert!(text.contains(&home.path().join("nowhere").display().to_string()), "{text}");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_job_after_the_batch_and_keeps_what_is_done() {
    let runs = tempfile::tempdir().expect("a folder");
    let job =
        ["train", "--template", "3-conv-3-layer", "--data", "fashion-mini", "--device", "cpu"];
    for (signal, name, code) in
        [("INT", "Ctrl-C", 130), ("TERM", "SIGTERM", 143), ("HUP", "SIGHUP", 129)]
    {
        // As in a terminal, also where the tests themselves are protected from signals by `nohup`.
        let child = Process::new("env")
            .args(["--default-signal", PROGRAM])
            .args(job)
            .args(["--epochs", "1000", "--name", signal])
            .env("NAS_NAVIGATOR_RUNS", runs.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let folder = runs.path().join(signal);
        let patience = Instant::now();
        while !folder.join("run.ron").exists() {
            assert!(patience.elapsed() < Duration::from_secs(120), "no run is begun");
            std::thread::sleep(Duration::from_millis(20));
        }
        // A step or two of the first epoch. `timeout` signals twice at once.
        std::thread::sleep(Duration::from_millis(300));
        for _ in 0..2 {
            let sent =
                Process::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status();
            assert!(sent.expect("kill is there").success());
        }
        let output = child.wait_with_output().expect("ends");
        assert_eq!(output.status.code(), Some(code), "{signal}");
        let text = String::from_utf8(output.stderr).expect("messages are text");
        let told = format!(
            "{name}: stopping after this batch; what is done is kept ({name} again ends at once)"
        );
        assert_eq!(text.matches(&told).count(), 1, "{text}");
        let state = fs::read_to_string(folder.join("state.ron")).expect("is there");
        assert!(state.contains("checkpoint: \"epoch-"), "{state}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_protected_from_hang_ups_goes_on() {
    let runs = tempfile::tempdir().expect("a folder");
    let mut child = Process::new("nohup")
        .arg(PROGRAM)
        .args(["train", "--template", "3-conv-3-layer", "--data", "digits", "--device", "cpu"])
        .args(["--epochs", "1000", "--name", "on"])
        .env("NAS_NAVIGATOR_RUNS", runs.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let journal = runs.path().join("on/journal.jsonl");
    let epochs = |least: usize| move |text: &str| text.matches("\"epoch\"").count() >= least;
    wait_for_journal(&journal, epochs(1));
    let sent = Process::new("kill").arg("-HUP").arg(child.id().to_string()).status();
    assert!(sent.expect("kill is there").success());
    let seen = fs::read_to_string(&journal).expect("is there").matches("\"epoch\"").count();
    wait_for_journal(&journal, epochs(seen + 2));
    assert!(child.try_wait().expect("can be asked").is_none(), "it works on");
    child.kill().expect("is killed");
    child.wait().expect("has ended");
}

#[test]
fn a_training_that_has_diverged_goes_on_as_its_message_says() {
    let runs = tempfile::tempdir().expect("a folder");
    let text = failure(
        program(runs.path())
            .args(["search", "--template", "3-conv-3-layer", "--data", "digits", "--device", "cpu"])
            .args([
                "--optimizer",
                "sgd",
                "--learning-rate",
                "1e20",
                "--epochs",
                "1",
                "--name",
                "hot",
            ])
            .args(["--iterations", "1", "--candidates", "2", "--json"]),
        1,
    );
    assert!(!text.contains("checkpoint"), "there is none: {text}");
    let last = text.lines().last().expect("a message");
    let command = last.split('`').nth(1).expect("a command is named");
    let command: Vec<_> = command.split_whitespace().skip(1).collect();
    assert_eq!(command[..2], ["search", "--resume"], "{text}");
    let report =
        stdout_json(program(runs.path()).args(&command).args(["--device", "cpu", "--json"]));
    assert_eq!(report["evaluated"], 2);
    let journal = journal_facts(&runs.path().join("hot"));
    let retuned: Vec<_> = journal.iter().filter(|entry| entry["event"] == "retuned").collect();
    assert_eq!(
        retuned,
        [&serde_json::json!({
            "event": "retuned", "to": { "learning_rate": 0.1 }, "instead_of": { "learning_rate": 1e20 }
        })]
    );
    // What is set already is nothing new, and what makes no sense is refused.
    let resume = ["train", "--resume", "hot", "--device", "cpu", "--json", "--learning-rate"];
    stdout_json(program(runs.path()).args(resume).arg("0.1"));
    let text = failure(program(runs.path()).args(resume).arg("0"), 1);
    assert!(text.contains("learning rate of 0"), "{text}");
    assert_eq!(journal_facts(&runs.path().join("hot")), journal);
}

#[test]
fn batches_of_all_images_are_one_step_an_epoch() {
    let runs = tempfile::tempdir().expect("a folder");
    let template = scene(runs.path(), ("(1, 28, 28)", "(1, 8, 8)"));
    let job =
        ["--data", "digits", "--device", "cpu", "--epochs", "2", "--batch-size", "all", "--json"];
    let mut command = program(runs.path());
    let report = stdout_json(
        command.args(["train", "--name", "all"]).args(job).arg("--template").arg(&template),
    );
    assert_eq!(report["epochs"][1]["step"], 2);
    let text = fs::read_to_string(runs.path().join("all/run.ron")).expect("is there");
    assert!(text.contains("batch_size: \"all\""), "{text}");
    let resume = ["train", "--resume", "all", "--epochs", "3", "--device", "cpu", "--json"];
    let report = stdout_json(program(runs.path()).args(resume));
    assert_eq!(report["epochs"][2]["step"], 3);
}

#[test]
fn a_file_counts_more_than_a_preset_of_its_name_and_a_folder_less() {
    let folder = tempfile::tempdir().expect("a folder");
    let train = || {
        let mut command = program(&folder.path().join("runs"));
        command.current_dir(&folder).args(["train", "--data", "digits", "--device", "cpu"]);
        command.args(["--epochs", "0", "--template", "3-conv-3-layer"]);
        command
    };
    let path = folder.path().join("3-conv-3-layer");
    fs::create_dir(&path).expect("is made");
    train().assert().success();
    fs::remove_dir(&path).expect("is empty");
    fs::write(&path, "(").expect("is written");
    let text = failure(&mut train(), 1);
    assert!(text.contains("is the file 3-conv-3-layer, not the preset"), "{text}");
    let mut command = program(folder.path());
    let text = failure(command.args(["train", "--template"]).arg(folder.path()), 1);
    assert!(text.contains("is a folder; give the scene file"), "{text}");
}

#[test]
fn a_log_filter_that_cannot_be_read_is_told() {
    let runs = tempfile::tempdir().expect("a folder");
    for filter in ["nas_navigator=loud", "loud"] {
        let mut command = program(runs.path());
        let assert =
            command.env("NAS_NAVIGATOR_LOG", filter).args(["runs", "list"]).assert().success();
        let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(text.contains("warning: ") && text.contains("NAS_NAVIGATOR_LOG"), "{text}");
    }
    let mut command = program(runs.path());
    let assert = command.env("NAS_NAVIGATOR_LOG", "").args(["runs", "list"]).assert().success();
    let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(!text.contains("warning"), "{text}");
}
