//! Candidates that are retrained.

use super::*;

#[test]
fn verification_is_resumed_exactly_and_told_by_the_folder() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let settings = VerifySettings { top: 2, random: 2, epochs: None };
    let finish = |name: &str| {
        let mut lab = lab(runs.path(), name);
        assert!(matches!(lab.verify(settings, &control, &mut ignore), Err(LabError::NotTrained)));
        lab.train(1, &control, &mut ignore).expect("trains");
        let few = lab.verify(settings, &control, &mut ignore).expect_err("nothing is evaluated");
        assert!(matches!(few, LabError::TooFewToVerify { chosen: 0 }), "{few}");
        lab.search(2, 3, Budget::default(), &control, &mut ignore).expect("searches");
        lab
    };
    let known = |lab: &Lab| {
        let mut known = lab.verification().expect("is there");
        known.candidates.iter_mut().for_each(|candidate| candidate.seconds = 0.0);
        known
    };
    let mut whole = finish("whole");
    let (best, before) = (whole.best().expect("is there").id, weights(&whole));
    assert!(!whole.verify(settings, &control, &mut ignore).expect("verifies"));
    let verification = known(&whole);
    assert_eq!((verification.epochs, verification.candidates.len()), (1, 4));
    assert_eq!(verification.candidates[0].candidate, best);
    assert!(weights(&whole) == before, "the supernet stays as it is");
    assert!(whole.verification().expect("is there").candidates.iter().all(|c| c.seconds > 0.0));

    // Stopped in the middle of the second candidate, 74 steps each.
    let mut cut = finish("cut");
    let stopping = Control::default();
    let mut stop = stop_at(&stopping, 100, |report| matches!(report, Report::Progress(_)));
    assert!(cut.verify(settings, &stopping, &mut stop).expect("is stopped"));
    assert_eq!(cut.verification().expect("one").candidates.len(), 1);
    drop(cut);
    let mut resumed = Lab::open(&runs.path().join("cut"), DeviceChoice::Cpu).expect("opens");
    let mut trained = 0;
    resumed
        .verify(settings, &control, &mut |report| {
            trained += usize::from(matches!(report, Report::Retrained(_)));
        })
        .expect("goes on");
    assert_eq!((trained, known(&resumed)), (3, verification.clone()));
    assert_eq!(journal(&runs.path().join("cut")), journal(&runs.path().join("whole")));
    drop(resumed);
    let opened = Lab::open(&runs.path().join("cut"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(known(&opened), verification);

    // Proxy accuracies of other weights are not compared.
    whole.train(1, &control, &mut ignore).expect("trains on");
    let stale = whole.verify(settings, &control, &mut ignore).expect_err("is refused");
    assert!(matches!(stale, LabError::StaleProxies { stale: 6 }), "{stale}");
}
