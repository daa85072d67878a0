//! `nas-navigator template` from outside: presets, stamps, copy and paste.

use crate::command_line::{failure, program, stdout_json};
use nas_navigator::engine::template::{Fragment, load, presets, stamps};
use serde_json::{Value, json};
use std::{fs, path::Path};

fn text(folder: &Path, arguments: &[&str]) -> String {
    let mut command = program(folder);
    let assert = command.current_dir(folder).arg("template").args(arguments).assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).expect("is text")
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let mut command = program(folder);
    stdout_json(command.current_dir(folder).args(["template", "--json"]).args(arguments))
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let mut command = program(folder);
    failure(command.current_dir(folder).arg("template").args(arguments), 1)
}

#[test]
fn presets_and_stamps_are_listed_with_their_sizes() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = text(folder.path(), &["presets"]);
    assert_eq!(lines.lines().count(), 1 + presets().len());
    let listed = json(folder.path(), &["presets"]);
    let listed = listed.as_array().expect("a list");
    let of = |name: &str| listed.iter().find(|preset| preset["name"] == name).expect("is listed");
    assert_eq!(of("mobilenet-macro")["candidates"], "6561");
    assert_eq!((&of("vgg16")["nodes"], &of("vgg16")["links"]), (&63.into(), &136.into()));
    assert!(listed.iter().all(|preset| {
        preset["about"].as_str().is_some_and(|about| !about.is_empty())
            && preset["cost"]["parameters"].as_u64() > Some(0)
    }));
    let lines = text(folder.path(), &["stamps"]);
    assert_eq!(lines.lines().count(), 1 + stamps().len());
    let listed = json(folder.path(), &["stamps"]);
    assert_eq!(listed[0]["heads"], json!(["c1-1x1", "c1-3x3", "c1-5x5"]));
    // Any preset can be begun with.
    for preset in presets() {
        let file = format!("{}.ron", preset.name);
        text(folder.path(), &["new", &file, "--from", preset.name]);
        let graph = load(&folder.path().join(file)).expect("is sound").graph().clone();
        assert_eq!(graph.len(), preset.graph().expect("is right").len());
    }
}

#[test]
fn a_stamp_is_pasted_between_bricks_and_the_file_as_it_was_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    text(folder.path(), &["new", "mine.ron"]);
    let before = fs::read(folder.path().join("mine.ron")).expect("is there");
    let arguments =
        ["paste", "mine.ron", "vgg-2-conv-block", "--after", "conv-1x1,conv-3x3,conv-5x5"];
    let pasted = json(folder.path(), &[&arguments[..], &["--before", "head"]].concat());
    assert_eq!(pasted["nodes"].as_array().map(Vec::len), Some(9));
    assert_eq!(pasted["problems"], json!([]));
    assert_eq!(fs::read(folder.path().join("mine.ron.bak")).expect("is there"), before);
    let graph = load(&folder.path().join("mine.ron")).expect("is sound").graph().clone();
    assert_eq!(graph.len(), 6 + 9);
    // Into another file, and where it is left loose that is said.
    let said = text(folder.path(), &["paste", "vgg11", "resnet-identity", "--output", "other.ron"]);
    assert!(said.contains("pasted conv, norm, sum") && said.contains("3 problems now"), "{said}");
}

#[test]
fn problems_are_told_with_their_lines_and_any_of_them_can_be_mended_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let written = json(folder.path(), &["new", "mine.ron"]);
    assert_eq!(written, json!({ "file": "mine.ron" }));
    let file = folder.path().join("mine.ron");
    let sound = fs::read_to_string(&file).expect("is there");
    let twice = "(\"input\", \"conv-1x1\"),\n";
    let broken = sound.replacen("links: [\n", &format!("links: [\n{}", twice.repeat(30)), 1);
    assert_ne!(broken, sound);
    fs::write(&file, &broken).expect("can be written");
    let line = 1 + broken.lines().position(|line| line.starts_with("(\"input")).expect("is there");

    let told = |json: bool| {
        let mut command = program(folder.path());
        command.current_dir(folder.path()).args(["template", "check", "mine.ron"]);
        let assert = if json { command.arg("--json") } else { &mut command }.assert().code(1);
        String::from_utf8(assert.get_output().stdout.clone()).expect("is text")
    };
    assert!(told(false).contains(&format!("  1. line {line}: ")), "{}", told(false));
    let report: Value = serde_json::from_str(&told(true)).expect("is JSON");
    let problems = report["problems"].as_array().expect("a list");
    assert_eq!((problems.len(), &problems[0]["line"]), (30, &json!(line)));
    assert_eq!((&problems[29]["line"], &problems[29]["fixes"]), (&json!(null), &json!([])));

    let mut command = program(folder.path());
    command.current_dir(folder.path()).args(["template", "fix", "mine.ron", "30"]);
    command.assert().code(1);
    let report: Value = serde_json::from_str(&told(true)).expect("is JSON");
    assert_eq!(report["problems"].as_array().map(Vec::len), Some(29));
    let text = refused(folder.path(), &["fix", "mine.ron", "29", "--choice", "7"]);
    assert!(text.contains("problem 29 has 1 fix: ") && text.contains("fix 1: delete"), "{text}");
}

#[test]
fn what_is_copied_can_be_pasted_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let branch = ["b1-a3", "b1-a5", "b1-b1", "b1-b3", "b1-add"];
    let arguments = [&["copy", "resnet20"][..], &branch, &["--output", "branch.ron"]].concat();
    let copied = json(folder.path(), &arguments);
    assert_eq!((&copied["nodes"], &copied["links"]), (&5.into(), &6.into()));
    assert_eq!(copied["heads"], json!(["b1-a3", "b1-a5", "b1-add"]));
    assert_eq!(copied["tails"], json!(["b1-add"]));
    let fragment = Fragment::load(&folder.path().join("branch.ron")).expect("is right");
    assert_eq!(fragment.template.name, "branch");
    let into =
        ["paste", "resnet20", "branch.ron", "--after", "b1-add", "--before", "b2-a3,b2-a5,b2-add"];
    let said = text(folder.path(), &[&into[..], &["--output", "deeper.ron"]].concat());
    assert!(said.contains("b1-add-2") && said.contains("no problem"), "{said}");
    let checked = json(folder.path(), &["check", "deeper.ron"]);
    // A branch more of four ways, or none.
    assert_eq!(checked["candidates"], (5_u64.pow(8) * 81).to_string());
}

#[test]
fn what_cannot_be_copied_or_pasted_names_file_place_and_fix() {
    let folder = tempfile::tempdir().expect("a folder");
    text(folder.path(), &["new", "mine.ron"]);
    let said = refused(folder.path(), &["paste", "mine.ron", "vgg-9-conv-block"]);
    assert!(said.contains("vgg-9-conv-block") && said.contains("vgg-3-conv-block"), "{said}");
    let said = refused(folder.path(), &["paste", "mine.ron", "2-conv-block", "--after", "steam"]);
    assert!(said.contains("--after names `steam`") && said.contains("mine.ron"), "{said}");
    let said = refused(folder.path(), &["paste", "vgg11", "2-conv-block"]);
    assert!(said.contains("--output"), "{said}");
    let said = refused(folder.path(), &["copy", "vgg11", "c1-9x9", "--output", "stamp.ron"]);
    assert!(said.contains("`c1-9x9`") && said.contains("vgg11"), "{said}");
    let said = refused(folder.path(), &["copy", "vgg11", "c1-3x3", "--output", "mine.ron"]);
    assert!(said.contains("mine.ron exists"), "{said}");
    assert!(!folder.path().join("stamp.ron").exists());
    let stamp = folder.path().join("stamp.ron");
    text(folder.path(), &["copy", "vgg11", "c1-3x3", "add1", "--output", "stamp.ron"]);
    let good = fs::read_to_string(&stamp).expect("is there");
    fs::write(&stamp, good.replace("heads: [\n        \"c1-3x3\"", "heads: [\n        \"c1-3y3\""))
        .expect("is written");
    let said = refused(folder.path(), &["paste", "mine.ron", "stamp.ron"]);
    assert!(said.contains("stamp.ron:") && said.contains("`heads` names `c1-3y3`"), "{said}");
    assert!(said.contains("correct the id"), "{said}");
}

#[test]
fn show_tells_all_arguments_and_links_for_other_programs() {
    let folder = tempfile::tempdir().expect("a folder");
    let shown = json(folder.path(), &["show", "lenet"]);
    assert_eq!((&shown["name"], &shown["input"]), (&json!("lenet"), &json!([1, 28, 28])));
    assert_eq!(shown["outputs"], json!(10));
    let layers = shown["layers"].as_array().expect("a list");
    let nodes: Vec<_> =
        layers.iter().flat_map(|layer| layer["nodes"].as_array().expect("a list")).collect();
    let conv = nodes.iter().find(|node| node["operations"][0]["arguments"]["kernel"].is_array());
    let conv = &conv.expect("has a convolution")["operations"][0];
    // Also what the file leaves out.
    assert_eq!(conv["arguments"]["dilation"], json!([1, 1]));
    for link in shown["links"].as_array().expect("a list") {
        for end in link.as_array().expect("two ids") {
            assert!(nodes.iter().any(|node| node["id"] == *end), "{end}");
        }
    }
}
