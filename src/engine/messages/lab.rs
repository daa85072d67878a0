//! What is said of jobs. Data that does not fit a template is refused in the tests of the lab.

use super::{keep, keep_each};
use crate::engine::{
    candidate::CandidateId,
    data::{DataError, DataSource},
    device::{DeviceChoice, DeviceError},
    lab::{Control, Diverged, Lab, LabError, LabSettings, Plan, Unfit},
    run::RunError,
    search::SteeringError,
    study::Mismatch,
    supernet::{EvaluationError, WeightsError},
    table::Unknown,
    template::presets,
    training::{SettingsError, TrainError},
    worker::WorkerError,
};
use std::fs;

fn diverged() -> Diverged {
    Diverged {
        epoch: 2,
        step: 7,
        learning_rate: 0.5,
        lower: 0.05,
        clip: None,
        run: "runs/a".into(),
        command: "train",
        checkpoint: true,
    }
}

/// Why rows of a table cannot be fed to a template for images.
fn unfit() -> Box<Unfit> {
    let runs = tempfile::tempdir().expect("a folder");
    let file = runs.path().join("rows.csv");
    let rows: String = (0..40).map(|row| format!("{row}.5,{}\n", ["a", "b"][row % 2])).collect();
    fs::write(&file, format!("x,kind\n{rows}")).expect("is written");
    let preset = presets().into_iter().find(|preset| preset.name == "vgg11");
    let template = preset.expect("exists").checked().expect("is right");
    let data = DataSource::Csv { file, label: None };
    let settings =
        LabSettings { data, device: DeviceChoice::Cpu, pool: 8, ..LabSettings::default() };
    let mut lab = Lab::new(template, settings, runs.path().to_owned(), None);
    match lab.work(Plan::Train { epochs: 1 }, &Control::default(), &mut |_| {}) {
        Err(LabError::Unfit(unfit)) => unfit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn jobs_are_refused_in_these_words() {
    keep_each!(
        LabError,
        Data(DataError::NoFolder { folder: "data".into() }),
        Device(DeviceError::NotCompiledIn { choice: DeviceChoice::Cuda(0), feature: "cuda" }),
        Train(TrainError::Device("out of memory".to_owned())),
        Diverged(Box::new(diverged())),
        Evaluation(EvaluationError::Device("out of memory".to_owned())),
        Run(RunError::Changed { path: "runs/a".into() }),
        Study(Mismatch::UnknownTemplate(2)),
        Steering(SteeringError::Cut),
        Weights(WeightsError::Device("out of memory".to_owned())),
        Settings { path: "runs/a/run.ron".into(), source: SettingsError::BatchSize },
        Attic {
            path: "runs/a/weights/attic-1/weights.safetensors".into(),
            source: WeightsError::Missing("stem.0.weight".to_owned())
        },
        Checkpoint {
            path: "runs/a/weights/epoch-2/weights.safetensors".into(),
            source: WeightsError::Missing("stem.0.weight".to_owned())
        },
        OtherData {
            data: DataSource::Images("photos".into()),
            wanted: "4a1c".to_owned(),
            found: "fingerprint 9b3e".to_owned()
        },
        DataGone { looked_at: vec!["photos".to_owned(), "../photos".to_owned()] },
        OtherEnds { wanted: ([1, 28, 28], 10), found: ([3, 32, 32], 100) },
        ObjectiveNeedsClasses { data: "csv:rows.csv".to_owned() },
        Memory { needed: 9_000_000_000, budget: 4_000_000_000 },
        Verifying,
        NoJob,
        NoShares { run: "runs/a".into() },
        TooMuch { what: "epochs", most: 1_000_000 },
        NoCandidate("there is no node `a`".to_owned()),
        NothingToTrain,
        NotInTable(Unknown::Node("a".into())),
        ObjectiveNotKnown,
        NoCosts,
        TableStays,
        NotTrained,
        StaleProxies { stale: 12 },
        ProxiesTie { candidates: 12 },
        TooFewToVerify { chosen: 2 },
        Alone { id: CandidateId(7), problem: "WHAT; FIX".to_owned() },
        JournalMismatch {
            path: "runs/a/journal.jsonl".into(),
            line: 7,
            what: Mismatch::UnknownTemplate(2).to_string()
        },
        Unfit(unfit()),
    );
}

#[test]
fn divergence_is_told_in_these_words() {
    let first = Diverged { command: "search", checkpoint: false, ..diverged() };
    let clipped = Diverged { clip: Some(5.0), run: "my runs/a".into(), ..diverged() };
    let cases = [("train", diverged()), ("the first search", first), ("clipped", clipped)];
    keep("Diverged", cases.map(|(case, diverged)| (case, diverged.to_string())));
}

#[test]
fn workers_are_refused_in_these_words() {
    keep_each!(WorkerError, Full, Ended, NoThread);
}
