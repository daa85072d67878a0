//! Shares of a verification: several processes retrain candidates of one run at once, each its part of them. A share only
//! reads the run. It writes a journal of its own, which is merged into that of the run later.
//!
//! ```text
//! runs/<name>/shares/2-of-8.jsonl          what share 2 of 8 has found out
//!                    2-of-8.lock           held by the process that trains it
//! ```
//!
//! Such a journal is a list of plans, each with the results that belong to it. A share that is resumed goes on with its last
//! plan; one that is asked for something else adds a plan, and keeps what it has.

use super::{Journal, Run, RunError, claim, journal};
use crate::engine::{
    candidate::CandidateId, study::Event, supernet::EvaluationSettings, training::TrainSettings,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
    str::FromStr,
};
use thiserror::Error;

/// The version of shares that this program reads and writes.
pub const SHARE_VERSION: u32 = 1;

/// The most shares of a verification.
const MOST_SHARES: u32 = 1_000_000;

/// One of several parts of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Share {
    of: u32,
    number: u32,
}

/// No share.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShareError {
    /// No two numbers.
    #[error("a share is its number and how many there are, as in 2/8")]
    Form,
    /// Something that counts from 0.
    #[error("shares count from 1; where your tasks count from 0, add 1 to the number")]
    Zero,
    /// A number that is too large.
    #[error("of {of} shares there is none with the number {number}; the last one is {of}/{of}")]
    Beyond {
        /// The number.
        number: u32,
        /// How many there are.
        of: u32,
    },
    /// More than there can be.
    #[error("{0} shares are more than {MOST_SHARES}; ask for fewer")]
    TooMany(u32),
}

impl Share {
    /// The share with this number, from 1, of so many.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(number: u32, of: u32) -> Result<Self, ShareError> {
        match (number, of) {
            (_, 0) => Err(ShareError::Form),
            (0, _) => Err(ShareError::Zero),
            _ if of > MOST_SHARES => Err(ShareError::TooMany(of)),
            _ if number > of => Err(ShareError::Beyond { number, of }),
            _ => Ok(Self { of, number }),
        }
    }

    /// Which of the shares has the candidate at this place, from 0, among those that were chosen. Neighbours are in
    /// different shares, so that each share has good candidates and others.
    pub fn having(self, place: usize) -> Self {
        // Less than `of`, which is a `u32`.
        let number = (place % self.of as usize) as u32 + 1;
        Self { number, ..self }
    }

    /// Whether it has the candidate at this place among those that were chosen.
    pub fn has(self, place: usize) -> bool {
        self.having(place) == self
    }

    /// The name of its files, without their endings.
    fn stem(self) -> String {
        format!("{}-of-{}", self.number, self.of)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let (number, of) = text.split_once('/').ok_or(ShareError::Form)?;
        let count = |text: &str| text.trim().parse().map_err(|_| ShareError::Form);
        Self::new(count(number)?, count(of)?)
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

impl TryFrom<String> for Share {
    type Error = ShareError;

    fn try_from(text: String) -> Result<Self, ShareError> {
        text.parse()
    }
}

/// By what a run is told from others: copies of its folder agree in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Seconds since 1970 at its start.
    pub created: u64,
    /// Its seed.
    pub seed: u64,
    /// The fingerprint of its data.
    pub data_fingerprint: String,
}

/// What a share sets out to do, and with what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SharePlan {
    /// The version of the format, [`SHARE_VERSION`].
    pub version: u32,
    /// Which share.
    pub share: Share,
    /// The run.
    pub run: Origin,
    /// How it trains.
    pub training: TrainSettings,
    /// How it evaluates.
    pub evaluation: EvaluationSettings,
    /// Epochs for each candidate.
    pub epochs: usize,
    /// The candidates of all shares together, in the order in which one process would train them.
    pub chosen: Vec<CandidateId>,
}

impl SharePlan {
    /// The place of a candidate among those that were chosen, if it is one of this share.
    pub fn place(&self, id: CandidateId) -> Option<usize> {
        let place = self.chosen.iter().position(|&chosen| chosen == id)?;
        self.share.has(place).then_some(place)
    }

    /// Whether a candidate trained for the other plan is trained as for this one.
    pub fn trains_as(&self, other: &Self) -> bool {
        let what = |plan: &Self| (plan.run.clone(), plan.training, plan.evaluation, plan.epochs);
        what(self) == what(other)
    }
}

/// A line of a share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum ShareEvent {
    /// What is asked for from here on.
    Plan(SharePlan),
    /// A candidate was trained.
    Result {
        /// Which network it is.
        network: String,
        /// What became of it.
        #[serde(flatten)]
        event: Event,
    },
}

/// A plan of a share, with its results.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareStretch {
    /// The line that tells the plan.
    pub line: usize,
    /// The plan.
    pub plan: SharePlan,
    /// What became of its candidates.
    pub results: Vec<ShareResult>,
}

/// A candidate that a share has trained.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareResult {
    /// The line that tells it.
    pub line: usize,
    /// Which candidate.
    pub id: CandidateId,
    /// Which network that is, as the share's program has told it from others.
    pub network: String,
    /// What became of it: an [`Event::Retrained`].
    pub event: Event,
}

/// A share that is being trained.
#[derive(Debug)]
pub struct ShareWriter {
    journal: Journal,
    /// What it has already of what is asked for, as candidates and networks.
    known: Vec<(CandidateId, String)>,
    // Held for its lock.
    _lock: File,
}

impl ShareWriter {
    /// Whether the share has trained this candidate already, as this network.
    pub fn knows(&self, id: CandidateId, network: &str) -> bool {
        self.known.iter().any(|(known, as_network)| *known == id && as_network == network)
    }

    /// Records what became of a candidate, and waits until that is on the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record(&mut self, network: String, event: Event) -> Result<(), RunError> {
        self.journal.append([ShareEvent::Result { network, event }])?;
        self.journal.sync()
    }
}

const SHARES: &str = "shares";

impl Run {
    /// By what this run is told from others.
    pub fn origin(&self) -> Origin {
        let config = self.config();
        let data_fingerprint = config.data_fingerprint.clone();
        Origin { created: config.created, seed: config.seed, data_fingerprint }
    }

    /// The journal of a share.
    pub fn share_path(&self, share: Share) -> PathBuf {
        self.folder.join(SHARES).join(share.stem() + ".jsonl")
    }

    /// Takes up a share, which no other process may train at the same time. The run itself is not written.
    ///
    /// # Errors
    /// When another process trains it, what it has is damaged, or the disk refuses.
    pub fn take_share(&self, plan: SharePlan) -> Result<ShareWriter, RunError> {
        let path = self.share_path(plan.share);
        let folder = self.folder.join(SHARES);
        std::fs::create_dir_all(&folder).map_err(|source| RunError::io(&folder, source))?;
        let in_use = || RunError::ShareInUse { share: plan.share, path: path.clone() };
        let lock = claim::lock_file(&path.with_extension("lock"), in_use)?;
        let stretches = if path.exists() { self.read_share(&path)? } else { Vec::new() };
        let mut journal = Journal::open(&path)?;
        if stretches.last().is_none_or(|last| last.plan != plan) {
            journal.append([ShareEvent::Plan(plan.clone())])?;
            journal.sync()?;
        }
        let of_plan = stretches.into_iter().filter(|stretch| stretch.plan.trains_as(&plan));
        let known = of_plan.flat_map(|stretch| stretch.results).map(|it| (it.id, it.network));
        Ok(ShareWriter { journal, known: known.collect(), _lock: lock })
    }

    /// The journals of the shares in the run's folder.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn shares(&self) -> Result<Vec<PathBuf>, RunError> {
        let folder = self.folder.join(SHARES);
        let failed = |source| RunError::io(&folder, source);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed(source)),
        };
        let paths = entries.map(|entry| Ok(entry.map_err(failed)?.path()));
        let is_journal =
            |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jsonl");
        let paths = paths.filter(|path| path.as_ref().map_or(true, is_journal));
        paths.collect()
    }

    /// Reads a share; a last line that was cut short is left out.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is damaged, tells what cannot be, or is of another version.
    pub fn read_share(&self, path: &Path) -> Result<Vec<ShareStretch>, RunError> {
        let of_classes = self.of_classes()?;
        let damaged = |line: usize, message: String| RunError::Share {
            path: path.to_owned(),
            line,
            message: message.replace(char::is_control, " "),
        };
        let entries = journal::read_lines::<Value>(path).map_err(|error| match error {
            RunError::Journal { line, message, .. } => damaged(line, message),
            other => other,
        })?;
        let mut stretches: Vec<ShareStretch> = Vec::new();
        for journal::Entry { line, event: value, .. } in entries {
            // Before the rest, which another version may write in another way.
            if let Some(version) = value.get("version").and_then(Value::as_u64)
                && version != u64::from(SHARE_VERSION)
            {
                return Err(RunError::ShareVersion { path: path.to_owned(), line, version });
            }
            let event = serde_json::from_value(value);
            match event.map_err(|error| damaged(line, error.to_string()))? {
                ShareEvent::Plan(plan) => {
                    stretches.push(ShareStretch { line, plan, results: Vec::new() });
                }
                ShareEvent::Result { network, event } => {
                    let Some(stretch) = stretches.last_mut() else {
                        return Err(damaged(line, "a result without a plan before it".to_owned()));
                    };
                    let id = stretch
                        .plan
                        .result(&event, of_classes)
                        .map_err(|message| damaged(line, message))?;
                    stretch.results.push(ShareResult { line, id, network, event });
                }
            }
        }
        Ok(stretches)
    }
}

impl SharePlan {
    /// The candidate of which an event tells what the plan asks for, or why it does not.
    fn result(&self, event: &Event, of_classes: bool) -> Result<CandidateId, String> {
        let Event::Retrained { id, epochs, .. } = *event else {
            return Err("a share retrains candidates and does nothing else".to_owned());
        };
        if epochs != self.epochs {
            return Err(format!("{epochs} epochs, where the plan says {}", self.epochs));
        }
        if self.place(id).is_none() {
            return Err(format!("candidate {id} is not one of share {}", self.share));
        }
        event.impossible(of_classes).map_or(Ok(id), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_number_of_so_many_from_one() {
        let told = |text: &str| text.parse::<Share>().map(|share| share.to_string());
        assert_eq!(told("1/1"), Ok("1/1".to_owned()));
        assert_eq!(told(" 2 / 8"), Ok("2/8".to_owned()));
        assert_eq!(told("0/4"), Err(ShareError::Zero));
        assert_eq!(told("3/2"), Err(ShareError::Beyond { number: 3, of: 2 }));
        assert_eq!(told("1/1000001"), Err(ShareError::TooMany(1_000_001)));
        for wrong in ["x", "1", "1/", "/2", "1/0", "0/0", "-1/2", "1/2/3", "1.5/2", "99999999999/2"]
        {
            assert_eq!(told(wrong), Err(ShareError::Form), "{wrong}");
        }
    }

    #[test]
    fn each_place_is_in_one_share() {
        for of in 1..6 {
            let shares: Vec<_> =
                (1..=of).map(|number| Share::new(number, of).expect("is one")).collect();
            for place in 0..20 {
                let having: Vec<_> = shares.iter().filter(|share| share.has(place)).collect();
                assert_eq!(having, [&shares[0].having(place)]);
            }
            let sizes = shares.iter().map(|share| (0..20).filter(|&it| share.has(it)).count());
            let (least, most) = (sizes.clone().min(), sizes.max());
            assert!(most <= least.map(|least| least + 1), "{of}: {least:?} to {most:?}");
        }
    }
}
