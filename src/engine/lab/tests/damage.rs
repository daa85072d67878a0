//! Run folders in which a file is damaged: they are refused with the name of the file, or are read as what they are.

use super::{resume::copy, *};
use crate::engine::damage::Damage;
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
