//! Runs a check over all cases, and says at the end which operation has passed which.

use super::cases::{Case, cases};
use std::{
    any::Any,
    collections::BTreeMap,
    fmt::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
};

/// What is checked of each operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    Files,
    Fields,
    Inference,
    Slopes,
    Torch,
    #[cfg(feature = "wgpu")]
    Gpu,
    Kernels,
    Threads,
    Sharing,
    Frozen,
}

impl Check {
    const ALL: &[Self] = &[
        Self::Files,
        Self::Fields,
        Self::Inference,
        Self::Slopes,
        Self::Torch,
        #[cfg(feature = "wgpu")]
        Self::Gpu,
        Self::Kernels,
        Self::Threads,
        Self::Sharing,
        Self::Frozen,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Fields => "fields",
            Self::Inference => "inference",
            Self::Slopes => "slopes",
            Self::Torch => "PyTorch",
            #[cfg(feature = "wgpu")]
            Self::Gpu => "GPU",
            Self::Kernels => "kernels",
            Self::Threads => "threads",
            Self::Sharing => "sharing",
            Self::Frozen => "frozen",
        }
    }
}

/// What a check says of a case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// The case has nothing that could be checked.
    Nothing,
    /// All is as it should be.
    Held,
    /// The largest difference was this share of what is tolerated.
    Within(f64),
}

impl Verdict {
    /// Both.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, other) | (other, Self::Nothing) => other,
            (Self::Within(a), Self::Within(b)) => Self::Within(a.max(b)),
            (Self::Within(share), Self::Held) | (Self::Held, Self::Within(share)) => {
                Self::Within(share)
            }
            (Self::Held, Self::Held) => Self::Held,
        }
    }
}

/// Why a case did not pass: what, and the values.
pub(super) type Outcome = Result<Verdict, String>;

/// `Err` with the text where `right` is false.
pub(super) fn ensure(right: bool, text: impl FnOnce() -> String) -> Result<(), String> {
    if right { Ok(()) } else { Err(text()) }
}

/// How one operation fared in one check.
#[derive(Clone, Copy, Debug)]
struct Cell {
    cases: usize,
    failures: usize,
    verdict: Verdict,
}

/// By check, then by place of the operation's first case.
static CELLS: Mutex<BTreeMap<Check, BTreeMap<usize, Cell>>> = Mutex::new(BTreeMap::new());

/// Runs a check over all cases.
///
/// # Panics
/// With the names of all cases that did not pass, and why.
pub(super) fn over_cases(check: Check, body: impl Fn(&Case) -> Outcome) {
    let cases = cases();
    let subjects = subjects(&cases);
    let (mut row, mut failures) = (BTreeMap::new(), Vec::new());
    for case in &cases {
        let outcome = catch_unwind(AssertUnwindSafe(|| body(case)))
            .unwrap_or_else(|panic| Err(format!("panicked: {}", message(&*panic))));
        let place = subjects.iter().position(|&subject| subject == case.subject());
        let cell = row.entry(place.unwrap_or_default()).or_insert(Cell {
            cases: 0,
            failures: 0,
            verdict: Verdict::Nothing,
        });
        match outcome {
            Ok(verdict) => {
                cell.cases += usize::from(verdict != Verdict::Nothing);
                cell.verdict = cell.verdict.and(verdict);
            }
            Err(why) => {
                cell.failures += 1;
                failures.push(format!("{}: {why}", case.name));
            }
        }
    }
    let mut cells = CELLS.lock().unwrap_or_else(PoisonError::into_inner);
    cells.insert(check, row);
    if cells.len() == Check::ALL.len() {
        println!("{}", table(&subjects, &cells));
    }
    drop(cells);
    assert!(failures.is_empty(), "{} cases:\n{}", failures.len(), failures.join("\n"));
}

fn subjects(cases: &[Case]) -> Vec<&'static str> {
    let mut subjects = Vec::new();
    for case in cases {
        if !subjects.contains(&case.subject()) {
            subjects.push(case.subject());
        }
    }
    subjects
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word").to_owned()
}

/// Operations by checks: how many cases passed, and how much of the tolerance the worst of them took.
fn table(subjects: &[&str], cells: &BTreeMap<Check, BTreeMap<usize, Cell>>) -> String {
    let mut text = format!("\n{:<20}", "operation");
    for check in Check::ALL {
        _ = write!(text, "{:>14}", check.name());
    }
    for (place, subject) in subjects.iter().enumerate() {
        _ = write!(text, "\n{subject:<20}");
        for check in Check::ALL {
            let cell = match cells.get(check).and_then(|row| row.get(&place)) {
                Some(&Cell { failures, .. }) if failures > 0 => format!("{failures} FAILED"),
                None | Some(Cell { verdict: Verdict::Nothing, .. }) => "-".to_owned(),
                Some(Cell { cases, verdict: Verdict::Held, .. }) => cases.to_string(),
                Some(Cell { cases, verdict: Verdict::Within(share), .. }) => {
                    format!("{cases} ({:.0} %)", (share * 100.0).ceil())
                }
            };
            _ = write!(text, "{cell:>14}");
        }
    }
    text + "\nCases that passed; in brackets the share of the tolerance that the worst value took."
}
