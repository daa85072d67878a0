//! What is said of files in RON, of templates and of edits. What makes a template wrong is refused in the tests of its fixes.

use super::{keep, keep_each};
use crate::engine::{
    files::{RonError, WriteError},
    ops::{FieldError, Kind, Value},
    template::{FileError, Link, Problem, ProblemKind, Refusal},
    text::TextError,
};
use std::io;

#[test]
fn files_in_ron_are_refused_in_these_words() {
    keep_each!(
        RonError,
        Read { path: "net.ron".into(), source: io::Error::from(io::ErrorKind::NotFound) },
        NotText { path: "net.ron".into(), what: "a ZIP archive".to_owned(), fix: "unpack it" },
        Encoding { path: "net.ron".into(), source: TextError::NotUtf8 { line: 3, byte: 0xe9 } },
        Parse { name: "net.ron".to_owned(), line: 3, column: 7, message: "WHAT".to_owned() },
    );
    let refused = io::Error::from(io::ErrorKind::PermissionDenied);
    keep("WriteError", [("WriteError", WriteError::new("net.ron".as_ref(), refused).to_string())]);
}

#[test]
fn template_files_are_refused_in_these_words() {
    let name = || "net.ron".to_owned();
    let problems = |count: u32| {
        let problem = |key| Problem {
            kind: ProblemKind::Place { key },
            nodes: vec!["a".into()],
            what: "WHAT".to_owned(),
            fix: "FIX".to_owned(),
            fixes: Vec::new(),
        };
        (0..count).map(|key| (Some(key as usize + 1).filter(|_| key > 0), problem(key))).collect()
    };
    keep_each!(
        FileError,
        Ron(RonError::Parse { name: name(), line: 3, column: 7, message: "WHAT".to_owned() }),
        Version { name: name(), version: 99 },
        Stamp { name: name() },
        NoStamp { name: name() },
        Invalid { name: name(), problems: problems(2) },
        Invalid { name: name(), problems: problems(12) },
    );
}

#[test]
fn edits_are_refused_in_these_words() {
    let kind = Kind::Count { least: 1, most: 65_536 };
    let field = || FieldError::Value {
        op: "Dense",
        field: "units",
        value: Value::Count(0).to_string(),
        wanted: format!("set it to {}", kind.wanted()),
    };
    keep_each!(
        Refusal,
        NoNode("a".into()),
        NoPlace(7),
        Taken("a".into()),
        NoLink(Link("a".into(), "b".into())),
        Linked(Link("a".into(), "b".into())),
        NoOp { node: "a".into(), key: 2 },
        Field { node: "a".into(), source: field() },
        Layers,
        Nowhere("a".into()),
        NoTitle,
        NoGroup("stem".to_owned()),
    );
    keep_each!(
        FieldError,
        Unknown { op: "Dense", field: "width".to_owned(), fields: vec!["units", "relu"] },
        Unknown { op: "Flatten", field: "width".to_owned(), fields: Vec::new() },
        Value {
            op: "Dense",
            field: "units",
            value: "0".to_owned(),
            wanted: format!("set it to {}", kind.wanted())
        },
    );
}
