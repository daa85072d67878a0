//! What is said of run folders, of journals and of what a search is steered to. Damaged folders are refused in the tests of
//! the lab.

use super::keep_each;
use crate::engine::{
    candidate::CandidateId,
    files::{RonError, WriteError},
    run::RunError,
    search::{Measure, SearchError, SteeringError},
    study::Mismatch,
    table::TableError,
    template::FileError,
};
use std::io;

fn system() -> io::Error {
    io::Error::from(io::ErrorKind::PermissionDenied)
}

#[test]
fn runs_are_refused_in_these_words() {
    keep_each!(
        RunError,
        Io { path: "runs/a".into(), source: system() },
        Write(WriteError::new("runs/a/state.ron".as_ref(), system())),
        NotARun { path: "runs/a".into(), nearest: None },
        NotARun { path: "runs/digits-2".into(), nearest: Some("digits-1".to_owned()) },
        NotARun { path: "elsewhere/a".into(), nearest: None },
        Config(RonError::Parse {
            name: "runs/a/run.ron".to_owned(),
            line: 3,
            column: 7,
            message: "WHAT".to_owned()
        }),
        Version { path: "runs/a/run.ron".into(), version: 99 },
        State { path: "runs/a/state.ron".into(), what: "WHAT".to_owned() },
        Table(TableError::NoRows { path: "runs/a/table.csv".into() }),
        OtherTable { path: "runs/a/table.csv".into() },
        Template(FileError::Version { name: "runs/a/template/1.ron".to_owned(), version: 99 }),
        Journal { path: "runs/a/journal.jsonl".into(), line: 7, message: "WHAT".to_owned() },
        Share { path: "runs/a/shares/1-of-2.jsonl".into(), line: 7, message: "WHAT".to_owned() },
        ShareVersion { path: "runs/a/shares/1-of-2.jsonl".into(), line: 1, version: 99 },
        ShareInUse {
            share: "1/2".parse().expect("is a share"),
            path: "runs/a/shares/1-of-2.jsonl".into()
        },
        InUse { path: "runs/a".into() },
        Unrecorded { path: "runs/a".into() },
        Changed { path: "runs/a".into() },
        Exists { path: "runs/a".into() },
        Name { name: "a/b".to_owned() },
    );
}

#[test]
fn events_are_refused_in_these_words() {
    keep_each!(
        Mismatch,
        LateForPool(CandidateId(7)),
        Order { what: "epoch", number: 3, next: 2 },
        UnknownNode("a".into()),
        Steps { step: 49, trained: 50 },
        NotGone(3),
        UnknownTemplate(2),
        Search(SearchError::EvaluatedTwice(CandidateId(7))),
        Steering(SteeringError::Cut),
    );
    keep_each!(
        SearchError,
        UnknownCandidate(CandidateId(999), 64),
        EvaluatedTwice(CandidateId(7)),
        Invalid(CandidateId(7), "it keeps no node of layer 2".to_owned()),
        Duplicate(CandidateId(7), CandidateId(9)),
        UnknownParent(CandidateId(7), CandidateId(9)),
    );
}

#[test]
fn steering_is_refused_in_these_words() {
    keep_each!(
        SteeringError,
        UnknownNode("a".into()),
        UnknownCandidate(CandidateId(999)),
        Contradiction("a".into()),
        Indispensable("input".into()),
        Outside("a".into()),
        Apart("a".into()),
        Cut,
        NothingShared,
        CutOff("a".into()),
        NoRoom("it keeps 2 nodes of layer 1, at most 1 is allowed".to_owned()),
        TooNarrow { measure: Measure::Parameters, most: 1000.0, least: 52_650.0 },
        TooNarrow { measure: Measure::Flops, most: 1e6, least: 2.5e7 },
        TooNarrow { measure: Measure::Latency, most: 1e-6, least: 2.5e-4 },
        NoLimit(-1.0),
    );
}
