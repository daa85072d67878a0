//! Where a run stands, apart from what its journal tells.

use serde::{Deserialize, Serialize};

/// What a run set out to do, so that a resumed one can finish it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Targets {
    /// Epochs in all.
    pub epochs: Option<usize>,
    /// Iterations in all.
    pub iterations: Option<u32>,
    /// Candidates an iteration.
    pub candidates: Option<usize>,
    /// What the search may cost.
    pub budget: Budget,
}

/// The most epochs, iterations and candidates that a run may set out to do.
const MOST: usize = 10_000_000;

/// What a search may cost in all, over all its sessions. There is no limit by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Candidates evaluated.
    pub candidates: Option<usize>,
    /// Seconds of searching, pauses left out.
    pub seconds: Option<u64>,
}

/// An epoch that was stopped in its middle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnfinishedEpoch {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Training steps by then, over all epochs.
    pub step: u64,
    /// Seconds of work on it.
    pub seconds: f64,
    /// The folder in `weights` that holds weights and trainer state.
    pub checkpoint: String,
    /// The number of the template that they are for.
    pub template: u32,
}

/// Where a run stands, apart from what its journal tells; the content of `state.ron`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunState {
    /// What it set out to do.
    pub targets: Targets,
    /// The epoch that was stopped last; the journal tells whether it has ended since.
    pub unfinished: Option<UnfinishedEpoch>,
}

impl RunState {
    /// What cannot be.
    pub(super) fn problem(&self) -> Option<String> {
        let Targets { epochs, iterations, candidates, .. } = self.targets;
        let iterations = iterations.map(|iterations| iterations as usize);
        let targets = [("epochs", epochs), ("iterations", iterations), ("candidates", candidates)];
        let too_many = |(_, target): &(&str, Option<usize>)| target.is_some_and(|most| most > MOST);
        if let Some((what, _)) = targets.into_iter().find(too_many) {
            return Some(format!("more than {MOST} {what} are no target"));
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let checkpoint = &self.unfinished.as_ref()?.checkpoint;
        (!checkpoint.chars().all(is_name)).then(|| format!("{checkpoint:?} is no checkpoint"))
    }
}
