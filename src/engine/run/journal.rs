//! The journal of a run: one JSON document per line, only ever appended to.
//!
//! Every line goes out in a single write, so a killed process leaves at most one unfinished line at the
//! end, which is ignored when the journal is read and cut off before it is written to again. One that lacks its newline
//! only is whole, and ended before the next.

use super::RunError;
use crate::engine::study::Event;
use rayon::prelude::*;
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use std::{
    borrow::Cow,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// Fewer lines are not worth the attention of another thread.
const FEWEST_AT_ONCE: usize = 500;

/// A journal line: when, and what.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Entry<E = Event> {
    /// Its number, from 1.
    #[serde(skip)]
    pub line: usize,
    /// Seconds since 1970.
    pub time: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: E,
}

/// A journal line that is written.
#[derive(Serialize)]
struct Line<E> {
    time: f64,
    #[serde(flatten)]
    event: E,
}

/// A journal that is open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    length: u64,
    /// Whether the last of them lacks its newline.
    unended: bool,
    /// Whether a write failed, which may have left a part of a line behind them.
    torn: bool,
}

impl Journal {
    /// Creates the journal at `path`, or opens it and cuts off an unfinished last line.
    ///
    /// # Errors
    /// When the file cannot be created, read or cut.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let open = || -> io::Result<(File, u64, bool)> {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let (whole, unended) = whole_lines(&bytes);
            let length = whole.len() as u64;
            if length < bytes.len() as u64 {
                file.set_len(length)?;
            }
            file.seek(SeekFrom::Start(length))?;
            Ok((file, length, unended))
        };
        let (file, length, unended) = open().map_err(|source| RunError::io(path, source))?;
        Ok(Self { path: path.to_owned(), file, length, unended, torn: false })
    }

    /// Bytes of whole lines.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Appends `events`, all with the present time, in one write.
    ///
    /// # Errors
    /// When they cannot be written. What was written of them is cut off again, at the latest by the next
    /// call.
    pub fn append<E: Serialize>(
        &mut self,
        events: impl IntoIterator<Item = E>,
    ) -> Result<(), RunError> {
        let time =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let mut text = if self.unended { vec![b'\n'] } else { Vec::new() };
        for event in events {
            serde_json::to_writer(&mut text, &Line { time, event })
                .map_err(|error| RunError::io(&self.path, io::Error::other(error)))?;
            text.push(b'\n');
        }
        let mut write = || {
            if self.torn {
                self.file.set_len(self.length)?;
                self.file.seek(SeekFrom::Start(self.length))?;
            }
            self.file.write_all(&text)
        };
        let written = write();
        self.torn = written.is_err();
        if self.torn {
            // If this fails as well, readers leave out the line that has no end.
            let _ = self.file.set_len(self.length);
        } else {
            self.length += text.len() as u64;
            self.unended = false;
        }
        written.map_err(|source| RunError::io(&self.path, source))
    }

    /// Waits until everything appended is on the disk.
    ///
    /// # Errors
    /// When the system reports that it is not.
    pub fn sync(&self) -> Result<(), RunError> {
        self.file.sync_data().map_err(|source| RunError::io(&self.path, source))
    }
}

/// Reads the journal at `path`, and says how many bytes its entries take; an unfinished last line is left
/// out.
///
/// # Errors
/// When the file cannot be read or a whole line is not a journal entry: the message names the line.
pub fn read(path: &Path) -> Result<(Vec<Entry>, u64), RunError> {
    let bytes = std::fs::read(path).map_err(|source| RunError::io(path, source))?;
    let (whole, _) = whole_lines(&bytes);
    Ok((entries(path, whole, |_| true)?, whole.len() as u64))
}

/// Reads a journal of something else than a run.
///
/// # Errors
/// As [`read`].
pub(super) fn read_lines<E: DeserializeOwned + Send>(
    path: &Path,
) -> Result<Vec<Entry<E>>, RunError> {
    let bytes = std::fs::read(path).map_err(|source| RunError::io(path, source))?;
    let (whole, _) = whole_lines(&bytes);
    entries(path, whole, |_| true)
}

/// Reads only the entries that tell of one of these `kinds`, as the field `event` names them, which takes a small part of
/// the time.
///
/// # Errors
/// As [`read`], as far as can be told from that field.
pub(super) fn read_some(path: &Path, kinds: &[&str]) -> Result<Vec<Entry>, RunError> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow)]
        event: Cow<'a, str>,
    }
    let bytes = std::fs::read(path).map_err(|source| RunError::io(path, source))?;
    let (whole, _) = whole_lines(&bytes);
    entries(path, whole, |line| match serde_json::from_slice::<Kind<'_>>(line) {
        Ok(Kind { event }) => kinds.contains(&&*event),
        // What is wrong with it is said where it is read as a whole.
        Err(_) => true,
    })
}

/// The entries in those lines that are wanted.
fn entries<E: DeserializeOwned + Send>(
    path: &Path,
    lines: &[u8],
    is_wanted: impl Fn(&[u8]) -> bool + Sync,
) -> Result<Vec<Entry<E>>, RunError> {
    let lines: Vec<_> = lines.split(|&byte| byte == b'\n').enumerate().collect();
    let entries: Vec<_> = lines
        .into_par_iter()
        .with_min_len(FEWEST_AT_ONCE)
        .filter(|(_, line)| !line.is_empty() && is_wanted(line))
        .map(|(index, line)| {
            let entry = serde_json::from_slice::<Entry<E>>(line);
            entry.map(|entry| Entry { line: index + 1, ..entry }).map_err(|error| {
                // To the parser each line is a text of its own.
                let (message, column) = (error.to_string(), error.column());
                let message = message.rsplit_once(" at line ").map_or(&*message, |(what, _)| what);
                RunError::Journal {
                    path: path.to_owned(),
                    line: index + 1,
                    message: format!(
                        "{} (column {column})",
                        message.replace(char::is_control, " ")
                    ),
                }
            })
        })
        .collect();
    // Of several that are damaged, the first is named.
    entries.into_iter().collect()
}

/// The lines of a journal without one that was cut short, and whether the last one lacks its newline: what was cut short
/// is no entry, since the last character closes that.
fn whole_lines(bytes: &[u8]) -> (&[u8], bool) {
    let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let is_whole = serde_json::from_slice::<IgnoredAny>(&bytes[end..]).is_ok();
    (if is_whole { bytes } else { &bytes[..end] }, is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        candidate::CandidateId,
        search::{Measure, Objective, Steering},
        training::{EpochReport, StepLength},
    };

    fn evaluated(id: u32) -> Event {
        Event::Evaluated {
            id: CandidateId(id),
            iteration: 1,
            step: 250,
            accuracy: 0.5,
            balanced_accuracy: Some(0.25),
            loss: 1.25,
            seconds: 0.1,
        }
    }

    fn events(path: &Path) -> Vec<Event> {
        let (entries, _) = read(path).expect("is read");
        entries.into_iter().map(|entry| entry.event).collect()
    }

    #[test]
    fn what_was_appended_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.jsonl");
        let all = [
            Event::Edited {
                template: 2,
                step: 250,
                lasting: true,
                restarts: true,
                forgotten: Vec::new(),
            },
            Event::Epoch(EpochReport::EXAMPLE),
            Event::Candidate {
                id: CandidateId(0),
                iteration: 0,
                parents: vec![],
                kept: vec!["a".into()],
            },
            evaluated(0),
            Event::Timed { id: CandidateId(0), latency: 1.25e-3 },
            Event::Retuned {
                to: StepLength { learning_rate: 2.5e-4, clip: Some(5.0) },
                instead_of: StepLength { learning_rate: 1e-3, clip: None },
            },
            Event::Steered(Steering::default()),
            Event::Steered(Steering {
                pinned: vec!["a".into()],
                region: vec![CandidateId(0)],
                max_parameters: Some(1_000),
                pareto: Some(Measure::Flops),
                ..Steering::default()
            }),
        ];
        Journal::open(&path).expect("opens").append(all.clone()).expect("is written");
        Journal::open(&path).expect("opens again").append([evaluated(1)]).expect("is written");
        assert_eq!(events(&path), [all.as_slice(), &[evaluated(1)]].concat());
    }

    #[test]
    fn a_line_cut_short_by_a_kill_is_ignored_and_then_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.jsonl");
        Journal::open(&path)
            .expect("opens")
            .append([evaluated(0), evaluated(1)])
            .expect("is written");
        let length = std::fs::metadata(&path).expect("is there").len();
        OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("opens")
            .set_len(length - 7)
            .expect("is cut");
        assert_eq!(events(&path), [evaluated(0)]);
        Journal::open(&path).expect("opens again").append([evaluated(2)]).expect("is written");
        assert_eq!(events(&path), [evaluated(0), evaluated(2)]);
    }

    #[test]
    fn a_last_line_that_lacks_its_newline_only_is_kept_and_ended_before_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.jsonl");
        let mut journal = Journal::open(&path).expect("opens");
        journal.append([evaluated(0), evaluated(1)]).expect("is written");
        let length = journal.length() - 1;
        journal.file.set_len(length).expect("is cut");
        let (entries, read_length) = read(&path).expect("is read");
        let lines: Vec<_> = entries.iter().map(|entry| entry.line).collect();
        assert_eq!((lines, read_length), (vec![1, 2], length));
        let mut journal = Journal::open(&path).expect("opens again");
        assert_eq!(journal.length(), length);
        assert_eq!(std::fs::metadata(&path).expect("is there").len(), length);
        journal.append([evaluated(2)]).expect("is written");
        journal.append([evaluated(3)]).expect("is written");
        assert_eq!(events(&path), [0, 1, 2, 3].map(evaluated));
        assert_eq!(std::fs::metadata(&path).expect("is there").len(), journal.length());
    }

    #[test]
    fn what_is_not_a_number_is_read_back_as_that() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.jsonl");
        let epoch = EpochReport {
            train_loss: f64::INFINITY,
            val_loss: f64::NAN,
            val_accuracy: f64::NEG_INFINITY,
            ..EpochReport::EXAMPLE
        };
        let (id, candidates) = (CandidateId(0), vec![CandidateId(0)]);
        let (accuracy, loss, seconds) = (f64::NEG_INFINITY, f64::NAN, 0.1);
        let all = [
            Event::Epoch(epoch),
            Event::Evaluated {
                id,
                iteration: 1,
                step: 250,
                accuracy,
                balanced_accuracy: None,
                loss,
                seconds,
            },
            Event::Iteration {
                iteration: 1,
                candidates,
                mean_accuracy: f64::NAN,
                best: id,
                seconds,
            },
            Event::Retrained { id, epochs: 1, accuracy, balanced_accuracy: None, loss, seconds },
        ];
        let mut journal = Journal::open(&path).expect("opens");
        journal.append(all).expect("is written");
        let numbers = |event: &Event| match *event {
            Event::Epoch(e) => vec![e.train_loss, e.val_loss, e.val_accuracy],
            Event::Evaluated { accuracy, loss, .. } | Event::Retrained { accuracy, loss, .. } => {
                vec![accuracy, loss]
            }
            Event::Iteration { mean_accuracy, .. } => vec![mean_accuracy],
            _ => Vec::new(),
        };
        let read: Vec<_> = events(&path).iter().flat_map(numbers).collect();
        assert_eq!(read.len(), 8);
        assert!(read.iter().all(|number| number.is_nan()), "{read:?}");
    }

    #[test]
    fn what_older_programs_knew_of_retrained_candidates_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.jsonl");
        let line = r#"{"time":0,"event":"retrained","id":3,"epochs":2,"accuracy":0.5,"loss":1.0,"seconds":4.0}"#;
        std::fs::write(&path, format!("{line}\n")).expect("is written");
        let retrained = Event::Retrained {
            id: CandidateId(3),
            epochs: 2,
            accuracy: 0.5,
            balanced_accuracy: None,
            loss: 1.0,
            seconds: 4.0,
        };
        assert_eq!(events(&path), [retrained]);
    }

    #[test]
    fn a_write_that_failed_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.jsonl");
        let mut journal = Journal::open(&path).expect("opens");
        journal.append([evaluated(0)]).expect("is written");
        // What a disk that is full leaves: a part of a line.
        journal.file.write_all(b"{\"time\":").expect("is written");
        journal.torn = true;
        journal.append([evaluated(1)]).expect("is written");
        assert_eq!(events(&path), [evaluated(0), evaluated(1)]);
        // A file that takes no writes stays as it is.
        let whole = std::fs::read(&path).expect("is there");
        journal.file = File::open(&path).expect("opens for reading");
        journal.append([evaluated(2)]).expect_err("is refused");
        assert_eq!(std::fs::read(&path).expect("is there"), whole);
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.jsonl");
        std::fs::write(
            &path,
            "{\"time\":0,\"event\":\"edited\",\"template\":2,\"step\":0}\nrubbish\n",
        )
        .expect("is written");
        let text = read(&path).expect_err("is damaged").to_string();
        let place = "journal.jsonl:2: not a journal entry: expected value (column 1); restore";
        assert!(text.contains(place), "{text}");
    }

    #[test]
    fn a_part_of_the_journal_is_read_alone_unless_a_line_is_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.jsonl");
        let aimed = Event::Aimed { objective: Objective::Loss };
        let all = [evaluated(0), aimed.clone(), evaluated(1)];
        Journal::open(&path).expect("opens").append(all).expect("is written");
        let read: Vec<_> = read_some(&path, &["aimed", "retuned"]).expect("is right");
        assert_eq!(read.iter().map(|it| (it.line, &it.event)).collect::<Vec<_>>(), [(2, &aimed)]);
        std::fs::write(&path, "rubbish\nmore\n").expect("is written");
        let text = read_some(&path, &["edited"]).expect_err("is damaged").to_string();
        assert!(text.contains("journal.jsonl:1: not a journal entry"), "{text}");
    }
}
