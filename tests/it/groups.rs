//! Groups of bricks from the command line.

use crate::command_line::{failure, program, stdout_json};
use serde_json::json;
use std::fs;

#[test]
fn bricks_are_grouped_told_and_ungrouped() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mine.ron");
    let template = |args: &[&str]| {
        let mut command = program(folder.path());
        command.arg("template").args(&args[..1]).arg(&file).args(&args[1..]);
        command
    };
    template(&["new", "--from", "3-conv-3-layer"]).assert().success();
    let before = fs::read_to_string(&file).expect("is there");
    template(&["group", "first layer", "c1-1x1", "c1-3x3", "c1-5x5"]).assert().success();
    template(&["group", "stem", "input", "c1-5x5", "--collapsed", "true"]).assert().success();
    let groups = json!([
        {"title": "first layer", "members": ["c1-1x1", "c1-3x3"], "collapsed": false},
        {"title": "stem", "members": ["c1-5x5", "input"], "collapsed": true},
    ]);
    let checked = stdout_json(&mut template(&["check", "--json"]));
    assert_eq!((&checked["groups"], &checked["problems"]), (&groups, &json!([])));
    let shown = stdout_json(&mut template(&["show", "--json"]));
    assert_eq!(shown["layers"][0]["nodes"][0]["group"], "stem");

    // A diff of some lines: the rest of the file is as it was.
    let after = fs::read_to_string(&file).expect("is there");
    let same = before.lines().filter(|line| after.lines().any(|other| other == *line)).count();
    assert_eq!((same, after.lines().count()), (before.lines().count(), same + 4));

    let text = failure(&mut template(&["ungroup", "steam"]), 1);
    assert!(text.contains("no group `steam`"), "{text}");
    let text = failure(&mut template(&["group", "stem", "c9"]), 1);
    assert!(text.contains("`c9`, which is no node"), "{text}");
    let left = stdout_json(&mut template(&["ungroup", "stem", "input", "--json"]));
    assert_eq!(left[1]["members"], json!(["c1-5x5"]));
    template(&["ungroup", "stem"]).assert().success();
    template(&["ungroup", "first layer"]).assert().success();
    assert_eq!(fs::read_to_string(&file).expect("is there"), before);
}
