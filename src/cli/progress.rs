//! Progress of a job on stderr: a bar on a terminal, a line now and then elsewhere.

use super::output;
use crate::{
    engine::report::{Job, Progress, Report},
    format::{self, Quality},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often a progress line is written where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// A bar on stderr, where that is a terminal.
fn bar() -> Option<ProgressBar> {
    std::io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template("{prefix:>9} {wide_bar} {pos}/{len}  {msg}")
        {
            bar.set_style(style);
        }
        bar
    })
}

/// Prints the reports of a job.
pub(super) struct ProgressPrinter {
    bar: Option<ProgressBar>,
    last_line: Instant,
    /// What the last result was.
    quality: Quality,
}

impl ProgressPrinter {
    /// A printer for the stderr of this process.
    pub(super) fn new() -> Self {
        Self { bar: bar(), last_line: Instant::now(), quality: Quality::default() }
    }

    /// Shows one report.
    pub(super) fn print(&mut self, report: &Report) {
        match report {
            Report::RunOpened { path, .. } => self.line(&format!("run {}", path.display())),
            Report::Progress(progress) => self.progress(progress),
            Report::Epoch(epoch) => {
                self.quality = Quality::with_balanced(epoch.val_balanced_accuracy);
                self.line(&format!(
                    "epoch {}: training loss {:.4}, validation loss {:.4}, validation {} {}, {:.1} s",
                    epoch.epoch,
                    epoch.train_loss,
                    epoch.val_loss,
                    self.quality.name(),
                    self.quality.text(epoch.val_accuracy),
                    epoch.seconds
                ));
            }
            Report::Evaluated { evaluation, .. } => {
                self.quality = Quality::with_balanced(evaluation.balanced_accuracy);
            }
            Report::Iteration(iteration) => self.line(&format!(
                "iteration {}: {} candidates, mean proxy {} {}, best {} (candidate {}), {:.1} s",
                iteration.iteration,
                iteration.candidates.len(),
                self.quality.name(),
                self.quality.text(iteration.mean_accuracy),
                self.quality.text(iteration.best_accuracy),
                iteration.best.0,
                iteration.seconds
            )),
            Report::Retrained(retrained) => self.line(&format!(
                "candidate {}: retrained {} {}, {:.1} s",
                retrained.id.0,
                self.quality.name(),
                self.quality.text(retrained.accuracy),
                retrained.seconds
            )),
            Report::EndsEarly(why) => self.line(&why.to_string()),
            _ => {}
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn progress(&mut self, progress: &Progress) {
        let eta = progress
            .eta_secs
            .map_or_else(String::new, |secs| format!("{} to go", format::duration(secs)));
        let (name, unit) = match progress.job {
            Job::Train => ("training", "step"),
            Job::Search => ("searching", "candidate"),
            Job::Verify => ("verifying", "step"),
        };
        if let Some(bar) = &self.bar {
            bar.set_prefix(name);
            bar.set_length(progress.total);
            bar.set_position(progress.done);
            bar.set_message(eta);
        } else if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            output::message(&format!(
                "{name}: {unit} {} of {}, {eta}",
                progress.done, progress.total
            ));
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::message(text)),
            None => output::message(text),
        }
    }
}

/// Counts things that many threads do.
pub(super) struct Counter {
    bar: Option<ProgressBar>,
    name: &'static str,
    total: u64,
    /// How many are done, and when the last line was written.
    state: Mutex<(u64, Instant)>,
}

impl Counter {
    /// A counter on the stderr of this process, from 0 to `total`.
    pub(super) fn new(name: &'static str, total: u64) -> Self {
        let bar = bar();
        if let Some(bar) = &bar {
            bar.set_prefix(name);
            bar.set_length(total);
        }
        Self { bar, name, total, state: Mutex::new((0, Instant::now())) }
    }

    /// One more is done.
    pub(super) fn advance(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        if state.1.elapsed() >= LINE_INTERVAL {
            state.1 = Instant::now();
            output::message(&format!("{}: {} of {}", self.name, state.0, self.total));
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
