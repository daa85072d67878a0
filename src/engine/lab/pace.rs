//! How fast a job is and how long it will still take, pauses left out.

use crate::engine::{command::Job, report::Progress};
use std::time::{Duration, Instant};

/// Measures the pace of a job, pauses left out.
#[derive(Debug)]
pub(super) struct Pace {
    job: Job,
    total: u64,
    done: u64,
    skipped: u64,
    started: Instant,
    waited: Duration,
    /// Seconds of work after which it is to end.
    most_secs: Option<f64>,
}

impl Pace {
    pub(super) fn new(job: Job, total: u64, skipped: u64) -> Self {
        let (started, waited) = (Instant::now(), Duration::ZERO);
        Self { job, total, done: skipped, skipped, started, waited, most_secs: None }
    }

    /// The same for a job that is to end after so many seconds of work, if any.
    pub(super) fn within(self, most_secs: Option<f64>) -> Self {
        Self { most_secs, ..self }
    }

    /// Whether the job is to end now.
    pub(super) fn is_over(&self) -> bool {
        self.most_secs.is_some_and(|most| self.worked() >= most)
    }

    /// Seconds of work so far.
    pub(super) fn worked(&self) -> f64 {
        self.started.elapsed().saturating_sub(self.waited).as_secs_f64()
    }

    /// Leaves out a pause.
    pub(super) fn leave_out(&mut self, pause: Duration) {
        self.waited += pause;
    }

    /// Says how many units are still to do, where that has changed.
    pub(super) fn set_left(&mut self, left: u64) {
        self.total = self.done.saturating_add(left);
    }

    pub(super) fn at(&mut self, done: u64) -> Progress {
        self.done = done;
        let elapsed_secs = self.worked();
        let paced = done.saturating_sub(self.skipped);
        let each = (paced > 0).then(|| elapsed_secs / paced as f64);
        let mut total = self.total;
        if let (Some(each), Some(most)) = (each, self.most_secs) {
            // What the seconds are enough for.
            let more = (most - elapsed_secs).max(0.0) / each;
            total = total.min(done.saturating_add(more as u64));
        }
        let eta_secs = each.map(|each| each * total.saturating_sub(done) as f64);
        Progress { job: self.job, done, total, elapsed_secs, eta_secs }
    }

    pub(super) fn next(&mut self) -> Progress {
        self.at(self.done + 1)
    }
}
