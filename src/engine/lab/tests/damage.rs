//! Run folders in which a file is damaged: they are refused with the name of the file, or are read as what they are.

use super::{resume::copy, *};
use crate::engine::{damage::Damage, messages::keep};
use proptest::prelude::*;
use std::sync::LazyLock;

/// A run that has everything, with an epoch that was stopped in its middle.
static RUN: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &control, &mut ignore).expect("trains");
    lab.steer(Steering { pinned: vec!["a1".into()], ..Steering::default() }).expect("can be met");
    lab.work(search(2, 3), &control, &mut ignore).expect("searches");
    let settings = VerifySettings { top: 3, random: 2, epochs: Some(1) };
    lab.work(Plan::Verify(settings), &control, &mut ignore).expect("verifies");
    lab.retune(length(1e-3, Some(5.0))).expect("is recorded");
    let mut stop = stop_at(&control, 5, |report| matches!(report, Report::Step { .. }));
    assert!(lab.work(train(1), &control, &mut stop).expect("is stopped"));
    runs
});

/// What a damaged run says when it is opened, looked at and worked with.
fn told(folder: &Path) -> Result<(), LabError> {
    drop(Lab::open_briefly(folder)?);
    let mut opened = Lab::open(folder, DeviceChoice::Cpu)?;
    let synergies = opened.study.search().synergies(3);
    let _ = (opened.story(), opened.study.fitness(), synergies, opened.verification(None));
    let control = Control::default();
    control.stop();
    opened.work(search(1, 1), &control, &mut ignore)?;
    opened.work(train(1), &control, &mut ignore)?;
    Ok(())
}

/// The run, of which `change` makes something else.
fn told_after(change: impl FnOnce(&Path)) -> String {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("run");
    copy(&RUN.path().join("run"), &folder);
    change(&folder);
    told(&folder).expect_err("is damaged").to_string()
}

#[test]
fn damaged_runs_are_refused_in_these_words() {
    let first = |lines: &[String], event: &str| {
        let event = format!("\"event\":\"{event}\"");
        lines.iter().position(|line| line.contains(&event)).expect("is there")
    };
    let journals: [(&str, &dyn Fn(&mut Vec<String>)); 10] = [
        ("a line of something else", &|lines| lines[1] = "rubbish".to_owned()),
        ("a line cut in its middle", &|lines| {
            let half = lines[1].len() / 2;
            lines[1].truncate(half);
        }),
        ("an event of the future", &|lines| {
            let epoch = first(lines, "epoch");
            lines[epoch] = lines[epoch].replace("\"epoch\",", "\"dreamt\",");
        }),
        ("an event that lacks a field", &|lines| {
            let epoch = first(lines, "epoch");
            lines[epoch] = lines[epoch].replace("val_accuracy", "val_accurate");
        }),
        ("an iteration left out", &|lines| drop(lines.remove(first(lines, "iteration")))),
        ("an epoch told twice", &|lines| lines.push(lines[first(lines, "epoch")].clone())),
        ("candidates in another order", &|lines| {
            let candidate = first(lines, "candidate");
            lines.swap(candidate, candidate + 1);
        }),
        ("a candidate told twice", &|lines| {
            let candidate = first(lines, "candidate");
            let (_, kept) = lines[candidate].split_once("\"kept\"").expect("has nodes");
            let (before, _) = lines[candidate + 1].split_once("\"kept\"").expect("has nodes");
            lines[candidate + 1] = format!("{before}\"kept\"{kept}");
        }),
        ("a node of another template", &|lines| {
            let candidate = first(lines, "candidate");
            lines[candidate] = lines[candidate].replace("\"in\"", "\"z9\"");
        }),
        ("a number that is none", &|lines| {
            let evaluated = first(lines, "evaluated");
            lines[evaluated] = lines[evaluated].replace("\"accuracy\":", "\"accuracy\":2e0");
        }),
    ];
    let journals = journals.map(|(case, change)| {
        let said = told_after(|folder| {
            let path = folder.join("journal.jsonl");
            let text = std::fs::read_to_string(&path).expect("is there");
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            change(&mut lines);
            std::fs::write(&path, lines.join("\n") + "\n").expect("is written");
        });
        // Times are more or fewer digits, so columns differ from run to run.
        let said = match said.split_once(" (column ") {
            Some((before, rest)) => format!("{before}{}", rest.trim_start_matches(|c| c != ';')),
            None => said,
        };
        (format!("journal.jsonl: {case}"), said)
    });
    let edits = [
        ("run.ron", "version: 3", "version: 99"),
        ("run.ron", "version: 3,", "version: 3"),
        ("run.ron", "version: 3", "version: 3, mood: 7"),
        ("run.ron", "version: 3", "version: 3,\n\u{201c}"),
        ("run.ron", "batch_size: ", "batch_size: -"),
        ("run.ron", "learning_rate: ", "learning_rate: -"),
        ("run.ron", "optimizer: ", "optimizer: Best"),
        ("state.ron", "epochs: Some(", "epochs: Some(99999999"),
        ("state.ron", "checkpoint: \"", "checkpoint: \"../"),
        ("template/0001.ron", "\"a1\"", "\"z9\""),
        ("template/0001.ron", "Dense", "Dens"),
    ];
    let edits = edits.map(|(file, old, new)| {
        let said = told_after(|folder| {
            let path = folder.join(file);
            let text = std::fs::read_to_string(&path).expect("is there");
            assert!(text.contains(old), "{old} in {text}");
            std::fs::write(&path, text.replacen(old, new, 1)).expect("is written");
        });
        (format!("{file}: {new:?} for {old:?}"), said)
    });
    let weights = |folder: &Path| {
        let mut folders = std::fs::read_dir(folder.join("weights")).expect("is there");
        folders.next().expect("is there").expect("is there").path().join("supernet.safetensors")
    };
    let files = [
        (
            "no template",
            told_after(|folder| {
                std::fs::remove_file(folder.join("template/0001.ron")).expect("is there");
            }),
        ),
        (
            "no run.ron",
            told_after(|folder| {
                std::fs::remove_file(folder.join("run.ron")).expect("is there");
            }),
        ),
        (
            "no journal",
            told_after(|folder| {
                std::fs::remove_file(folder.join("journal.jsonl")).expect("is there");
            }),
        ),
        (
            "no weights",
            told_after(|folder| {
                std::fs::remove_file(weights(folder)).expect("is there");
            }),
        ),
        (
            "weights cut off",
            told_after(|folder| {
                let bytes = std::fs::read(weights(folder)).expect("is there");
                std::fs::write(weights(folder), &bytes[..bytes.len() / 2]).expect("is written");
            }),
        ),
    ];
    let files = files.map(|(case, said)| (case.to_owned(), said));
    keep("broken-runs", journals.into_iter().chain(edits).chain(files));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_damaged_run_is_refused_in_one_sentence_with_the_file_or_read_as_it_is(
        file in 0usize..6, damages in proptest::collection::vec(Damage::any(), 1..3)
    ) {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = runs.path().join("run");
        copy(&RUN.path().join("run"), &folder);
        let weights = std::fs::read_dir(folder.join("weights")).expect("is there");
        let weights = weights.map(|entry| entry.expect("is there").path()).next().expect("is there");
        let path = match file {
            0 => folder.join("run.ron"),
            1 => folder.join("state.ron"),
            2 => folder.join("template/0001.ron"),
            3 => weights.join("supernet.safetensors"),
            4 => weights.join("trainer.safetensors"),
            _ => folder.join("journal.jsonl"),
        };
        let good = std::fs::read(&path).expect("is there");
        let bytes = damages.iter().fold(good, |bytes, damage| damage.to(&bytes));
        std::fs::write(&path, bytes).expect("is written");
        if let Err(error) = told(&folder) {
            let message = error.to_string();
            let names_it = message.contains(&folder.display().to_string());
            // Other data or another template than the journal tells of is said as such.
            let other = matches!(
                error,
                LabError::OtherData { .. } | LabError::NotTrained | LabError::Data(_) | LabError::Train(_)
            );
            prop_assert!(names_it || other, "{}", message);
            prop_assert!(!message.contains('\n') || file == 2, "{}", message);
        }
    }
}
