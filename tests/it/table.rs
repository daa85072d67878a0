//! Tables of known results on the command line, from outside.

use crate::command_line::{failure, program, stdout_json};
use serde_json::Value;
use std::{fs, path::Path};

/// 3 · 3 · 5 architectures with accuracies in per cent; the last two choices of the first position do the same.
fn write_table(path: &Path) {
    let mut text = String::from("architecture,search,report,canonical\n");
    for a in 0..3 {
        for b in 0..3 {
            for c in 0..5 {
                let value = 60 + 9 * a.min(1) + 5 * b + c;
                text += &format!("k{a}/{b}/{c},{value},{value}.5,k{}/{b}/{c}\n", a.min(1));
            }
        }
    }
    fs::write(path, text).expect("is written");
}

fn of(path: &Path) -> String {
    format!("table:{}", path.display())
}

#[test]
fn a_table_is_searched_resumed_steered_and_edited_on_the_command_line() {
    let runs = tempfile::tempdir().expect("a folder");
    let file = runs.path().join("known.csv");
    write_table(&file);
    let job = ["--iterations", "2", "--candidates", "4", "--epochs", "5", "--clip", "1", "--json"];
    let mut first = program(runs.path());
    first.args(["search", "--data", &of(&file), "--task", "classes"]).args(job);
    let output = first.assert().success().get_output().clone();
    let told = String::from_utf8(output.stderr).expect("text");
    for note in [
        "note: --epochs is about training",
        "note: --clip is about training",
        "note: --task is about tables of examples",
        "note: the values of `search` are taken as per cent",
    ] {
        assert!(told.contains(note), "{note}: {told}");
    }
    let report: Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!((&report["evaluated"], &report["measure"]), (&8.into(), &"accuracy".into()));
    let best = &report["best"];
    assert!(best["proxy_accuracy"].as_f64().is_some_and(|it| (0.6..=0.83).contains(&it)), "{best}");
    assert!(best["loss"].is_null() && best.get("params").is_none(), "{best}");

    // The run is whole.
    fs::remove_file(&file).expect("is there");
    let goes_on = |more: &[&str]| {
        let mut command = program(runs.path());
        command.args(["search", "--resume", "known-1", "--json"]).args(more);
        stdout_json(&mut command)
    };
    let steered = goes_on(&["--iterations", "3", "--pin", "1:k1"]);
    assert_eq!(steered["evaluated"], 12);
    let scene = runs.path().join("known-1/template/0001.ron");
    let less: String = fs::read_to_string(&scene)
        .expect("is there")
        .lines()
        .filter(|line| !line.contains("\"2:0\""))
        .map(|line| format!("{line}\n"))
        .collect();
    let edited = runs.path().join("edited.ron");
    fs::write(&edited, &less).expect("is written");
    let edit = |scene: &str| {
        let mut command = program(runs.path());
        command.args(["runs", "edit", "known-1", "--json", "--template", scene]);
        command
    };
    let done = stdout_json(&mut edit(edited.to_str().expect("text")));
    assert_eq!(done["dropped"], serde_json::json!(["2:0"]));
    let text = failure(&mut edit("3-conv-3-layer"), 1);
    assert!(text.contains("the table of known results has nothing on node"), "{text}");
    let all = goes_on(&["--iterations", "20"]);
    assert_eq!(all["best"]["proxy_accuracy"], 0.83);
    assert!(all["best"]["kept"].as_array().is_some_and(|kept| !kept.contains(&"2:0".into())));

    let list = stdout_json(program(runs.path()).args(["runs", "list", "--json"]));
    assert_eq!((&list[0]["name"], &list[0]["epochs"]), (&"known-1".into(), &0.into()));
    let shown = program(runs.path()).args(["runs", "show", "known-1"]).assert().success();
    let text = String::from_utf8(shown.get_output().stdout.clone()).expect("text");
    assert!(text.contains("proxy accuracy 83.0 %\n") && !text.contains("FLOPs"), "{text}");
}

#[test]
fn what_makes_no_sense_with_a_table_is_refused_with_what_to_do() {
    let runs = tempfile::tempdir().expect("a folder");
    let file = runs.path().join("known.csv");
    write_table(&file);
    let table = of(&file);
    let search = ["search", "--data", &table];
    program(runs.path()).args(search).args(["--iterations", "2"]).assert().success();
    let refused = |arguments: &[&str], part: &str| {
        let text = failure(program(runs.path()).args(arguments), 1);
        assert!(text.contains(part), "{arguments:?}: {text}");
    };
    refused(&["train", "--data", &table], "nothing to train or retrain; search it");
    refused(&["train", "--resume", "known-1"], "nothing to train or retrain; search it");
    refused(&["verify", "known-1"], "nothing to train or retrain; search it");
    refused(&[&search[..], &["--template", "vgg11"]].concat(), "leave --template vgg11 out");
    refused(&[&search[..], &["--objective", "loss"]].concat(), "search for --objective accuracy");
    refused(&[&search[..], &["--max-latency", "1"]].concat(), "nothing of parameters, FLOPs");
    refused(&[&search[..], &["--pareto", "flops"]].concat(), "nothing of parameters, FLOPs");
    refused(&[&search[..], &["--latency"]].concat(), "nothing of parameters, FLOPs");
    refused(&["search", "--resume", "known-1", "--data", "digits"], "leave --data out");
    refused(&["search", "--resume", "known-1", "--learning-rate", "0.1"], "nothing to train");
    let text = failure(program(runs.path()).args(["search", "--iterations", "1"]), 2);
    assert!(text.contains("--data table:FILE"), "{text}");
    fs::write(&file, "architecture,search,report\n0,0.5,1\n1,-3,1\n").expect("is written");
    refused(&search, "known.csv: `search` of `1` is -3, which is no accuracy");
    // Nothing of this has begun a run.
    let list = stdout_json(program(runs.path()).args(["runs", "list", "--json"]));
    assert_eq!(list.as_array().map(Vec::len), Some(1));
}
