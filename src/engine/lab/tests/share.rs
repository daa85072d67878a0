//! Verifications that several processes share.

use super::{resume::copy, *};
use crate::engine::{
    run::{Share, ShareWriter},
    template::NodeId,
};
use std::{path::PathBuf, sync::LazyLock};

const SETTINGS: VerifySettings = VerifySettings { top: 3, random: 2, epochs: Some(1) };

/// A run with six evaluated candidates, none of them retrained.
static RUN: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &control, &mut ignore).expect("trains");
    lab.work(search(2, 3), &control, &mut ignore).expect("searches");
    runs
});

/// A copy of it with this name.
fn copied(runs: &Path, name: &str) -> PathBuf {
    copy(&RUN.path().join("run"), &runs.join(name));
    runs.join(name)
}

fn open(folder: &Path) -> Lab {
    Lab::open(folder, DeviceChoice::Cpu).expect("opens")
}

fn share(text: &str) -> Share {
    text.parse().expect("is a share")
}

/// Takes up a share of the run as it is.
fn take(lab: &Lab, share: Share) -> Result<(ShareWriter, Vec<CandidateId>), LabError> {
    let (epochs, chosen) = lab.to_verify(SETTINGS);
    lab.take_share(lab.share_plan(share, epochs, chosen)?)
}

/// Trains a share in no time: to an accuracy that tells the candidate, and a loss that has diverged.
fn make_up(lab: &Lab, text: &str) -> Vec<CandidateId> {
    let (mut writer, missing) = take(lab, share(text)).expect("is free");
    for &id in &missing {
        writer.record(lab.network(id), made_up(id)).expect("is written");
    }
    missing
}

fn made_up(id: CandidateId) -> Event {
    let (accuracy, balanced_accuracy) = (1.0 / f64::from(id.0 + 1), Some(0.5));
    Event::Retrained { id, epochs: 1, accuracy, balanced_accuracy, loss: f64::NAN, seconds: 0.0 }
}

fn chosen(folder: &Path) -> Vec<CandidateId> {
    open(folder).to_verify(SETTINGS).1
}

fn merge(folder: &Path) -> MergedShares {
    open(folder).merge_shares(&[]).expect("is merged")
}

/// The candidates that were merged, each for an epoch.
fn candidates(merged: &MergedShares) -> Vec<CandidateId> {
    assert!(merged.merged.iter().all(|it| it.epochs == 1), "{merged:?}");
    merged.merged.iter().map(|it| it.candidate).collect()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).expect("is there")
}

#[test]
fn shares_that_are_merged_are_one_verification() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let [whole, shared] = ["whole", "shared"].map(|name| copied(runs.path(), name));
    open(&whole).work(Plan::Verify(SETTINGS), &control, &mut ignore).expect("verifies");

    // Other processes may write the run meanwhile; what it has stays as it is.
    let mut other = open(&shared);
    other.make_writable().expect("is free");
    let before = std::fs::read(shared.join("journal.jsonl")).expect("is there");
    let settings = std::fs::read(shared.join("run.ron")).expect("is there");
    let mut trained = 0;
    let mut work = |text: &str, control: &Control, steps: Option<usize>| {
        let mut stop = stop_at(control, steps.unwrap_or(usize::MAX), |report| {
            matches!(report, Report::Progress(_))
        });
        let mut lab = open(&shared);
        // What is said of the data is looked at, and not written down.
        lab.move_data(DataSource::Digits);
        let plan = Plan::VerifyShare(SETTINGS, share(text));
        lab.work(plan, control, &mut |report| {
            trained += usize::from(matches!(event(&report), Some(Event::Retrained { .. })));
            stop(report);
        })
        .expect("works");
        lab.share_standing(SETTINGS, share(text)).expect("is told")
    };
    assert_eq!(work("2/2", &control, None).done.len(), 2);
    // Stopped in the middle of its second candidate, 74 steps each.
    let cut = work("1/2", &Control::default(), Some(100));
    assert_eq!((cut.done.len(), cut.missing.len()), (1, 2));
    assert_eq!(work("1/2", &control, None).missing, []);
    assert_eq!(work("1/2", &control, None).missing, []);
    assert_eq!(trained, 5, "each is trained once");
    assert_eq!(std::fs::read(shared.join("journal.jsonl")).expect("is there"), before);
    assert_eq!(std::fs::read(shared.join("run.ron")).expect("is there"), settings);
    let in_use = open(&shared).merge_shares(&[]).expect_err("is in use").to_string();
    assert!(in_use.contains("in use by another process"), "{in_use}");
    drop(other);

    let merged = merge(&shared);
    assert_eq!((merged.merged.len(), merged.known), (5, 0));
    assert_eq!((merged.missing, merged.refused, merged.left_out), (vec![], vec![], vec![]));
    assert_eq!(journal(&shared), journal(&whole));
    let again = merge(&shared);
    assert_eq!((again.merged, again.known), (vec![], 5));
    let mut lab = open(&shared);
    lab.work(Plan::Verify(SETTINGS), &control, &mut ignore).expect("has nothing to do");
    assert_eq!(journal(&shared), journal(&whole));
    assert_eq!(lab.verification(None).map(|it| it.kendall), {
        open(&whole).verification(None).map(|it| it.kendall)
    });
}

#[test]
fn the_split_is_the_same_whatever_is_done_and_what_is_known_is_left_out_after_it() {
    let runs = tempfile::tempdir().expect("a folder");
    let run = copied(runs.path(), "run");
    let chosen = chosen(&run);
    assert_eq!(make_up(&open(&run), "1/3"), [chosen[0], chosen[3]]);
    assert_eq!(candidates(&merge(&run)), [chosen[0], chosen[3]]);
    assert_eq!(make_up(&open(&run), "2/3"), [chosen[1], chosen[4]]);
    // With others to share with.
    assert_eq!(make_up(&open(&run), "2/2"), [chosen[1]]);
    assert_eq!(make_up(&open(&run), "7/9"), []);

    let merged = merge(&run);
    assert_eq!(candidates(&merged), [chosen[1], chosen[4]]);
    assert_eq!(merged.known, 3, "of the first share, and what two have trained");
    let told: Vec<_> =
        merged.missing.iter().map(|it| (it.share.to_string(), &*it.candidates)).collect();
    let wanted = ["1/2", "3/3", "3/9"].map(|name| (name.to_owned(), &chosen[2..3]));
    assert!(told.len() == 3 && wanted.iter().all(|it| told.contains(it)), "{told:?}");
    let retrained = journal(&run).into_iter().filter_map(|event| match event {
        Event::Retrained { id, .. } => Some(id),
        _ => None,
    });
    assert_eq!(retrained.collect::<Vec<_>>(), [0, 3, 1, 4].map(|place| chosen[place]));
}

#[test]
fn a_share_that_another_process_trains_is_refused() {
    let runs = tempfile::tempdir().expect("a folder");
    let run = copied(runs.path(), "run");
    let lab = open(&run);
    let (first, _) = take(&lab, share("1/2")).expect("is free");
    let (_second, _) = take(&lab, share("2/2")).expect("is another share");
    let plan = Plan::VerifyShare(SETTINGS, share("1/2"));
    let error = open(&run).work(plan, &Control::default(), &mut ignore).expect_err("is in use");
    let error = error.to_string();
    assert!(error.contains("share 1/2 is trained by another process"), "{error}");
    drop(first);
    take(&lab, share("1/2")).expect("is free again");
}

#[test]
fn a_damaged_share_is_told_with_its_line_and_the_others_are_merged() {
    let runs = tempfile::tempdir().expect("a folder");
    let run = copied(runs.path(), "run");
    let chosen = chosen(&run);
    let [first, second] =
        ["1/2", "2/2"].map(|it| open(&run).run.expect("is there").share_path(share(it)));
    make_up(&open(&run), "1/2");
    make_up(&open(&run), "2/2");
    let (whole, ids) = (text(&first), [1, 3].map(|place| chosen[place]));
    let line = |number: usize| whole.lines().nth(number - 1).expect("is there").to_owned();
    let mut merged_others = ids.to_vec();
    for (damaged, wanted) in [
        (
            whole.replacen(&line(3), "rubbish", 1),
            "1-of-2.jsonl:3: not an entry of a share: expected",
        ),
        (
            whole.replacen("\"version\":1", "\"version\":2,\"more\":[]", 1),
            "1-of-2.jsonl:1: this share has version 2",
        ),
        (
            whole.replacen(&line(1), "", 1),
            "1-of-2.jsonl:2: not an entry of a share: a result without",
        ),
        (
            whole.replacen("\"accuracy\":", "\"accuracy\":7", 1),
            "1-of-2.jsonl:2: not an entry of a share: no accuracy",
        ),
        (
            whole.replace("\"epochs\":1,\"acc", "\"epochs\":2,\"acc"),
            "1-of-2.jsonl:2: not an entry of a share: 2 epochs",
        ),
        (whole.replace("\"share\":\"1/2\"", "\"share\":\"2/2\""), "is not one of share 2/2"),
        (
            whole.replace("\"share\":\"1/2\"", "\"share\":\"3/2\""),
            "1-of-2.jsonl:1: not an entry of a share: of 2 shares",
        ),
        (
            whole.replace("retrained", "timed"),
            "1-of-2.jsonl:2: not an entry of a share: missing field",
        ),
    ] {
        std::fs::write(&first, &damaged).expect("is written");
        let told = merge(&run);
        assert!(told.refused.len() == 1 && told.refused[0].contains(wanted), "{wanted}: {told:?}");
        assert!(!told.refused[0].contains('\n'), "{told:?}");
        assert_eq!(candidates(&told), std::mem::take(&mut merged_others), "{wanted}");
        let error = take(&open(&run), share("1/2")).expect_err("is damaged").to_string();
        assert!(error.contains(wanted), "{error}");
        assert_eq!(text(&first), damaged, "nothing of it is lost");
    }
    // What a kill leaves.
    std::fs::write(&first, &whole[..whole.len() - 9]).expect("is written");
    let told = merge(&run);
    assert_eq!((told.refused.len(), candidates(&told)), (0, vec![chosen[0], chosen[2]]));
    assert_eq!(told.missing.len(), 1);
    assert_eq!(make_up(&open(&run), "1/2"), [chosen[4]]);
    assert_eq!(candidates(&merge(&run)), [chosen[4]]);
    assert_eq!(text(&first).lines().map(str::len).collect::<Vec<_>>().len(), 4);
    assert!(second.is_file());
}

#[test]
fn shares_of_copies_are_merged_and_those_of_other_runs_refused() {
    let runs = tempfile::tempdir().expect("a folder");
    let [run, twin] = ["run", "twin"].map(|name| copied(runs.path(), name));
    let chosen = chosen(&run);
    let none = open(&run).merge_shares(&[]).expect_err("there is none").to_string();
    assert!(none.contains("has no shares"), "{none}");
    make_up(&open(&twin), "2/2");
    make_up(&open(&run), "1/2");
    let elsewhere = open(&twin).run.expect("is there").share_path(share("2/2"));
    let told = open(&run).merge_shares(std::slice::from_ref(&elsewhere)).expect("is merged");
    assert_eq!((candidates(&told), told.missing, told.refused), (chosen, vec![], vec![]));

    let settings = text(&run.join("run.ron"));
    std::fs::write(run.join("run.ron"), settings.replace("seed: 7", "seed: 8"))
        .expect("is written");
    let told = merge(&run);
    assert!(told.refused[0].contains("1-of-2.jsonl:1: this share is of another run"), "{told:?}");
    assert_eq!((told.merged, told.known), (vec![], 0));
    let missing = runs.path().join("nothing.jsonl");
    let told = open(&run).merge_shares(&[missing]).expect("the others are looked at");
    assert!(told.refused.iter().any(|it| it.contains("nothing.jsonl")), "{told:?}");
}

#[test]
fn what_does_not_fit_the_run_any_more_is_left_out_and_trained_again() {
    let runs = tempfile::tempdir().expect("a folder");
    let run = copied(runs.path(), "run");
    make_up(&open(&run), "1/2");
    let rate = open(&run).training().step_length();
    open(&run).retune(length(0.1, None)).expect("makes sense");
    let told = merge(&run);
    assert!(told.left_out[0].contains("1-of-2.jsonl:1: what follows was trained with other"));
    assert_eq!((told.merged, told.missing), (vec![], vec![]));
    let again = make_up(&open(&run), "1/2");
    assert_eq!(again.len(), 3);
    assert_eq!(candidates(&merge(&run)), again);
    // As it was trained first.
    open(&run).retune(rate).expect("makes sense");
    let told = merge(&run);
    assert_eq!((told.merged, told.known, told.left_out.len()), (vec![], 3, 1));

    // Another kernel in a node of some candidates.
    let other = copied(runs.path(), "other");
    let chosen = make_up(&open(&other), "1/1");
    let text = SMALL.replace("filters: 4, kernel: 3", "filters: 4, kernel: 5");
    let edited = template::parse("small", &text).expect("is right");
    let a3 = open(&other).graph().index_of(&NodeId::from("a3")).expect("a node");
    let lab = open(&other);
    let has = |id: &&CandidateId| lab.candidates()[id.index()].mask.contains(a3);
    let gone: Vec<_> = chosen.iter().filter(has).copied().collect();
    assert!(!gone.is_empty() && gone.len() < chosen.len(), "{gone:?}");
    open(&other).edit(edited).expect("is edited");
    let told = merge(&other);
    assert_eq!(told.left_out.len(), gone.len());
    assert!(told.left_out.iter().all(|it| it.contains("is another network in the run now")));
    let kept: Vec<_> = chosen.iter().filter(|id| !gone.contains(id)).copied().collect();
    assert_eq!((candidates(&told), told.missing, told.refused), (kept, vec![], vec![]));
}
