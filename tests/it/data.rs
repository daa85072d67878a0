//! What people bring, from outside: their data with any template, data that has moved, little memory, and results
//! that mean nothing.

use crate::command_line::{failure, program, stdout_json};
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Rows of two columns and a class that the first tells, `rare` in one row of `every`.
fn table(folder: &Path, rows: usize, every: usize) -> PathBuf {
    let mut text = "size,weight,kind\n".to_owned();
    for row in 0..rows {
        let rare = row % every == 0;
        let size = if rare { 1.0 } else { -1.0 } + (row % 10) as f64 / 50.0;
        let kind = if rare { "rare" } else { "common" };
        writeln!(text, "{size},{},{kind}", row % 7).expect("to a string");
    }
    let file = folder.join("parts.csv");
    fs::write(&file, text).expect("is written");
    file
}

/// A template for such rows, with so many outputs.
fn template(folder: &Path, outputs: usize) -> PathBuf {
    let text = format!(
        r#"(version: 1, name: "parts", nodes: [
        (id: "in", layer: 0, ops: [Input(shape: (2, 1, 1)), Flatten], position: (0, 0)),
        (id: "a", layer: 1, ops: [Dense(units: 8, relu: true)], position: (6, 0)),
        (id: "b", layer: 1, ops: [Dense(units: 16, relu: true), Dense(units: 8)], position: (6, 4)),
        (id: "out", layer: 2, ops: [Dense(units: {outputs}), Output], position: (12, 0)),
    ], links: [("in", "a"), ("in", "b"), ("a", "out"), ("b", "out")])"#
    );
    let file = folder.join("parts.ron");
    fs::write(&file, text).expect("is written");
    file
}

/// A training of one epoch on the table.
fn job(runs: &Path, template: &Path, table: &Path) -> assert_cmd::Command {
    let mut command = program(runs);
    command.args(["train", "--epochs", "1", "--device", "cpu", "--json", "--template"]);
    command.arg(template).args(["--data", &format!("csv:{}", table.display())]);
    command
}

#[test]
fn a_template_is_fitted_to_data_where_that_is_asked_for_and_otherwise_the_edit_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (table, template) = (table(folder.path(), 300, 2), template(folder.path(), 1_000));
    let text = failure(&mut job(folder.path(), &template, &table), 1);
    assert!(text.contains("set the units of `out` to 2, or let --fit do it"), "{text}");
    let report = stdout_json(job(folder.path(), &template, &table).arg("--fit"));
    let notes = report["examples"]["notes"].to_string();
    assert!(notes.contains("units of `out` 2 instead of 1000"), "{notes}");
    assert_eq!(report["examples"]["classes"].as_array().map(Vec::len), Some(2));
    let run = folder.path().join("parts-parts-1");
    let stored = fs::read_to_string(run.join("template/0001.ron")).expect("is there");
    assert!(stored.contains("Dense(units: 2)"), "{stored}");
    let text = failure(
        program(folder.path()).args(["train", "--fit", "--resume"]).arg(&run).arg("--json"),
        1,
    );
    assert!(text.contains("--fit was settled when the run began"), "{text}");
}

#[test]
fn a_preset_follows_the_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = program(folder.path());
    command.args(["train", "--template", "3-conv-3-layer", "--data", "digits", "--epochs", "1"]);
    let report = stdout_json(command.args(["--device", "cpu", "--json"]));
    assert_eq!(report["examples"]["shape"], serde_json::json!([1, 8, 8]));
    let notes = report["examples"]["notes"].to_string();
    assert!(notes.contains("shape of `input` (1, 8, 8) instead of (1, 28, 28)"), "{notes}");
}

#[test]
fn a_run_finds_its_data_after_both_have_moved() {
    let folder = tempfile::tempdir().expect("a folder");
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    fs::create_dir(&before).expect("a folder");
    let (table, template) = (table(&before, 300, 2), template(&before, 2));
    let name = |command: &mut assert_cmd::Command| {
        stdout_json(command.args(["--name", "mine"]))["data"].as_str().map(str::to_owned)
    };
    name(&mut job(&before.join("runs"), &template, &table)).expect("is told");
    fs::rename(&before, &after).expect("moves");
    let resume = |epochs: &str, extra: &[&str]| {
        let mut command = program(&after.join("runs"));
        command.args(["train", "--json", "--device", "cpu", "--epochs", epochs, "--resume"]);
        command.arg(after.join("runs/mine")).args(extra);
        command
    };
    let report = stdout_json(&mut resume("2", &[]));
    assert_eq!(report["epochs"].as_array().map(Vec::len), Some(2));
    let elsewhere = folder.path().join("elsewhere.csv");
    fs::rename(after.join("parts.csv"), &elsewhere).expect("moves");
    let text = failure(&mut resume("3", &[]), 1);
    assert!(text.contains("--data") && text.contains("parts.csv"), "{text}");
    let now = format!("csv:{}", elsewhere.display());
    stdout_json(&mut resume("3", &["--data", &now]));
    let report = stdout_json(&mut resume("4", &[]));
    assert_eq!(report["data"], now, "the run knows the new place");
}

#[test]
fn numbers_that_mean_nothing_come_with_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let (table, template) = (table(folder.path(), 1_000, 100), template(folder.path(), 2));
    // Too little training to find the rare class.
    let report =
        stdout_json(job(folder.path(), &template, &table).args(["--learning-rate", "1e-5"]));
    let cautions = report["cautions"].to_string();
    assert!(cautions.contains("class `rare` has 1 validation example only"), "{cautions}");
    let run = folder.path().join("parts-parts-1");
    let shown = program(folder.path()).args(["runs", "show"]).arg(&run).assert().success();
    let shown = String::from_utf8(shown.get_output().stdout.clone()).expect("is text");
    assert!(shown.contains("caution   class `rare`"), "{shown}");
    assert!(shown.contains("2 classes: common 990, rare 10"), "{shown}");
}

#[test]
fn a_search_for_balanced_accuracy_keeps_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (table, template) = (table(folder.path(), 600, 10), template(folder.path(), 2));
    let mut command = program(folder.path());
    command.args(["search", "--epochs", "2", "--iterations", "1", "--candidates", "2"]);
    command.args(["--device", "cpu", "--json", "--objective", "balanced-accuracy"]);
    command.arg("--template").arg(&template).args(["--data", &format!("csv:{}", table.display())]);
    let report = stdout_json(&mut command);
    assert_eq!(report["objective"], "balanced-accuracy");
    let resume = ["search", "--json", "--iterations", "2", "--resume"];
    let again = |extra: &[&str]| {
        let mut command = program(folder.path());
        command.args(resume).arg(folder.path().join("parts-parts-1")).args(extra);
        command
    };
    assert_eq!(stdout_json(&mut again(&[]))["objective"], "balanced-accuracy");
    assert_eq!(stdout_json(&mut again(&["--objective", "loss"]))["objective"], "loss");
    assert_eq!(stdout_json(&mut again(&[]))["objective"], "loss", "the journal has it");
}

#[test]
fn memory_takes_amounts_as_people_write_them() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, code) in [("lots", 2), ("0", 2), ("-1G", 2), ("1e99", 2), ("512K", 2)] {
        let memory = format!("--memory={text}");
        let said =
            failure(program(folder.path()).args(["train", "--template", "vgg11", &memory]), code);
        assert!(said.contains("such as 500M") || said.contains("1M or more"), "{said}");
    }
    let mut command = program(folder.path());
    command.args(["train", "--template", "3-conv-3-layer", "--data", "digits", "--epochs", "1"]);
    let report = stdout_json(command.args(["--device", "cpu", "--json", "--memory", "1 MiB"]));
    let notes = report["examples"]["notes"].to_string();
    assert!(notes.contains("at once instead of 128"), "{notes}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_allocation_that_fails_ends_with_a_sentence_and_the_run_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let scene = folder.path().join("wide.ron");
    let text = r#"(version: 1, name: "wide", nodes: [
        (id: "in", layer: 0, ops: [Input(shape: (1, 96, 96))], position: (0, 0)),
        (id: "a", layer: 1, ops: [ConvBlock(filters: 64, kernel: 1)], position: (6, 0)),
        (id: "b", layer: 1, ops: [ConvBlock(filters: 64, kernel: 3)], position: (6, 4)),
        (id: "out", layer: 2, ops: [GlobalAveragePool, Dense(units: 10), Output], position: (12, 0)),
    ], links: [("in", "a"), ("in", "b"), ("a", "out"), ("b", "out")])"#;
    fs::write(&scene, text).expect("is written");
    let run = |limit_kb: u64, arguments: &str| {
        let program = env!("CARGO_BIN_EXE_nas-navigator");
        let line = format!("ulimit -v {limit_kb}; exec {program} train {arguments} --device cpu");
        let output = Command::new("sh")
            .args(["-c", &line])
            .env("NAS_NAVIGATOR_RUNS", folder.path())
            .current_dir(folder.path())
            .output()
            .expect("a shell");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // 2.4 MB an activation and image: the first step takes some gigabytes.
    let new = "--template wide.ron --data digits --epochs 1 --batch-size 1024 --name wide";
    let (code, text) = run(1_500_000, new);
    assert_eq!(code, Some(1), "{text}");
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: out of memory") && last.contains("--resume"), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    program(folder.path()).args(["runs", "show", "wide"]).assert().success();
}

#[test]
fn variables_that_are_set_to_nothing_count_as_not_set() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = program(folder.path());
    command.current_dir(folder.path()).env("NAS_NAVIGATOR_RUNS", "");
    let listed = command.env("NAS_NAVIGATOR_DEVICE", "").args(["runs", "list"]).assert().success();
    let said = String::from_utf8(listed.get_output().stderr.clone()).expect("is text");
    assert!(said.contains("no runs in runs"), "{said}");
}

#[test]
fn runs_whose_results_mean_little_are_marked() {
    let folder = tempfile::tempdir().expect("a folder");
    let (table, template) = (table(folder.path(), 60, 2), template(folder.path(), 2));
    let mut command = program(folder.path());
    command.args(["search", "--epochs", "1", "--iterations", "1", "--candidates", "2", "--json"]);
    command.args(["--device", "cpu", "--template"]).arg(&template);
    stdout_json(command.args(["--data", &format!("csv:{}", table.display())]));
    let listed = program(folder.path()).args(["runs", "list"]).assert().success();
    let text = String::from_utf8(listed.get_output().stdout.clone()).expect("is text");
    assert!(text.contains("% !") && text.contains("`runs show NAME` says why"), "{text}");
}

#[test]
fn control_characters_in_names_of_files_and_classes_never_reach_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let photos = folder.path().join("photos");
    for (class, shade) in [("cat\u{1b}[31m", 40), ("dog", 200)] {
        let class = photos.join("train").join(class);
        fs::create_dir_all(&class).expect("a folder");
        for number in 0..20 {
            let photo = image::GrayImage::from_pixel(8, 8, image::Luma([shade + number]));
            photo.save(class.join(format!("{number}.png"))).expect("is written");
        }
        fs::write(class.join("bad\u{7}.png"), "no image").expect("is written");
    }
    let mut command = program(folder.path());
    command.args(["train", "--template", "3-conv-3-layer", "--epochs", "1", "--device", "cpu"]);
    command.args(["--data", &format!("images:{}", photos.display())]);
    let is_harmless = |text: &str| !text.contains(|c: char| c.is_control() && c != '\n');
    let text = failure(&mut command, 1);
    assert!(text.contains("bad\u{fffd}.png") && text.contains("cat\u{fffd}[31m"), "{text:?}");
    assert!(is_harmless(&text), "{text:?}");
    let done = command.arg("--skip-unreadable").assert().success();
    for bytes in [&done.get_output().stdout, &done.get_output().stderr] {
        let text = String::from_utf8_lossy(bytes);
        assert!(text.contains("bad\u{fffd}.png") && is_harmless(&text), "{text:?}");
    }
    let report = stdout_json(command.arg("--json"));
    let classes = &report["examples"]["classes"];
    assert_eq!(classes[0]["name"], "cat\u{1b}[31m", "JSON has it escaped");
}
