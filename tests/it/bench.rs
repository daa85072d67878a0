//! `bench search` from outside, on a table small enough to be made here.

use assert_cmd::Command;
use serde_json::Value;
use std::{fs, path::Path};

const PROGRAM: &str = env!("CARGO_BIN_EXE_nas-navigator");

/// Three positions of three choices each; the middle one matters most, and the last choice of the first two
/// positions does the same as the one before.
fn write_table(path: &Path) {
    let mut text = String::from("architecture,search,report,canonical\n");
    for a in 0..3 {
        for b in 0..3 {
            for c in 0..3 {
                let (a_done, b_done) = (a.min(1), b.min(1));
                let value = 50 + 10 * b_done + 3 * a_done + c;
                text += &format!("{a}/{b}/{c},{value},{}.5,{a_done}/{b_done}/{c}\n", value - 1);
            }
        }
    }
    fs::write(path, text).expect("is written");
}

fn bench(table: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["bench", "search", "--table"]).arg(table);
    command
}

fn failure(command: &mut Command, code: i32) -> String {
    let assert = command.assert().code(code);
    assert!(assert.get_output().stdout.is_empty(), "data on stdout in spite of the failure");
    String::from_utf8(assert.get_output().stderr.clone()).expect("messages are text")
}

#[test]
fn all_algorithms_are_measured_and_the_same_call_gives_the_same_document() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = folder.path().join("table.csv");
    write_table(&table);
    let [first, second] = [(), ()].map(|()| {
        let mut command = bench(&table);
        command.args(["--budgets", "12,2", "--runs", "5", "--seed", "3", "--json"]);
        command.assert().success().get_output().stdout.clone()
    });
    assert_eq!(first, second);
    let report: Value = serde_json::from_slice(&first).expect("stdout is one JSON document");
    assert_eq!((&report["architectures"], &report["functions"]), (&27.into(), &12.into()));
    assert_eq!(report["optimum"]["report"], 64.5);
    let results = report["results"].as_array().expect("a list");
    let keys: Vec<_> = results
        .iter()
        .map(|result| (result["algorithm"].as_str().expect("a name"), &result["budget"]))
        .collect();
    let names = ["navigator", "random", "regularized-evolution", "genetic", "local-search"];
    let expected: Vec<_> = names.into_iter().flat_map(|name| [(name, 2), (name, 12)]).collect();
    assert!(keys.iter().zip(&expected).all(|(a, b)| a.0 == b.0 && *a.1 == b.1), "{keys:?}");
    for result in results.iter().filter(|result| result["budget"] == 12) {
        assert_eq!(
            (&result["mean"], &result["standard_error"], &result["at_optimum"]),
            (&64.5.into(), &0.0.into(), &1.0.into()),
            "{result}"
        );
    }

    let text = bench(&table).args(["--budgets", "2", "--runs", "2"]).assert().success();
    let text = String::from_utf8(text.get_output().stdout.clone()).expect("text");
    assert!(names.iter().all(|name| text.contains(name)) && text.contains("at optimum"), "{text}");
}

#[test]
fn what_cannot_be_measured_is_a_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = folder.path().join("table.csv");
    write_table(&table);
    for (arguments, code, parts) in [
        (vec!["--budgets", "0"], 1, vec!["budget of 0", "give 1 or more"]),
        (vec!["--budgets", "13"], 1, vec!["table.csv", "12 different functions"]),
        (vec!["--algorithm", "tabu"], 2, vec!["`tabu`", "local-search"]),
        (vec!["--runs", "0"], 2, vec!["--runs"]),
    ] {
        let text = failure(bench(&table).args(&arguments), code);
        for part in parts {
            assert!(text.contains(part), "`{part}` is missing in: {text}");
        }
    }
    fs::write(&table, "architecture,search,report\n0,1,1\n1,good,1\n").expect("is written");
    let text = failure(&mut bench(&table), 1);
    assert!(text.contains("table.csv:3:") && text.contains("`good`"), "{text}");
}

#[test]
fn default_budgets_go_as_far_as_the_table_and_what_was_inferred_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = folder.path().join("table.csv");
    fs::write(&table, "Architecture;Search;Report\n0;91,5 %;90,5 %\n1;93,5 %;92,5 %\n2;failed;\n")
        .expect("is written");
    let assert = bench(&table).args(["--runs", "2", "--json"]).assert().success();
    let output = assert.get_output();
    let report: Value =
        serde_json::from_slice(&output.stdout).expect("stdout is one JSON document");
    assert_eq!(report["optimum"]["report"], 92.5);
    let results = report["results"].as_array().expect("a list");
    assert!(results.iter().all(|result| result["budget"] == 3), "{report}");
    let told = String::from_utf8(output.stderr.clone()).expect("messages are text");
    let notes = report["notes"].as_array().expect("a list");
    for part in ["percent signs", "1 row without a result", "3 different functions"] {
        assert!(
            told.lines().any(|line| line.starts_with("note: ") && line.contains(part)),
            "{told}"
        );
        assert!(notes.iter().any(|note| note.as_str().is_some_and(|note| note.contains(part))));
    }
}
