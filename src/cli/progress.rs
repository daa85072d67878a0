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
    quality: Quality,
    /// Those that were told.
    cautions: Vec<String>,
}

impl ProgressPrinter {
    /// A printer for the stderr of this process; `quality` is what the results are.
    pub(super) fn new(quality: Quality) -> Self {
        Self { bar: bar(), last_line: Instant::now(), quality, cautions: Vec::new() }
    }

    /// Shows one report.
    pub(super) fn print(&mut self, report: &Report) {
        if let Report::Data(summary) = report {
            let numbers = summary.classes.is_empty();
            self.quality = if numbers { Quality::R2 } else { Quality::Accuracy };
        }
        if let Report::Progress(progress) = report {
            self.progress(progress);
        } else if let Some(text) = self.text(report) {
            // A job tells again what holds on.
            if !self.cautions.contains(&text) {
                self.line(&text);
            }
            if matches!(report, Report::Caution(_)) {
                self.cautions.push(text);
            }
        }
    }

    /// The line on a report that is worth one.
    fn text(&self, report: &Report) -> Option<String> {
        let Self { quality, .. } = self;
        let name = quality.name();
        match report {
            Report::RunOpened { path, .. } => Some(format!("run {}", path.display())),
            Report::Epoch(epoch) => Some(format!(
                "epoch {}: training loss {:.4}, validation loss {:.4}, validation {name} {}, {:.1} s",
                epoch.epoch,
                epoch.train_loss,
                epoch.val_loss,
                quality.text(epoch.val_accuracy),
                epoch.seconds
            )),
            Report::Iteration(iteration) => Some(format!(
                "iteration {}: {} candidates, mean proxy {name} {}, best {} (candidate {}), {:.1} s",
                iteration.iteration,
                iteration.candidates.len(),
                quality.text(iteration.mean_accuracy),
                quality.text(iteration.best_accuracy),
                iteration.best.0,
                iteration.seconds
            )),
            Report::Retrained(retrained) => Some(format!(
                "candidate {}: retrained {name} {}, {:.1} s",
                retrained.id.0,
                quality.text(retrained.accuracy),
                retrained.seconds
            )),
            Report::EndsEarly(why) => Some(why.to_string()),
            Report::Data(summary) => Some(format!("data: {summary}")),
            Report::Note(note) => Some(format!("note: {note}")),
            Report::Caution(caution) => Some(format!("caution: {caution}")),
            _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{candidate::CandidateId, lab::Retrained};

    #[test]
    fn results_are_called_what_they_are() {
        let report = Report::Retrained(Retrained {
            id: CandidateId(9),
            epochs: 1,
            accuracy: 0.3351,
            loss: 0.5,
            seconds: 2.0,
        });
        let text = |quality| ProgressPrinter::new(quality).text(&report);
        assert_eq!(text(Quality::R2).as_deref(), Some("candidate 9: retrained R² 0.335, 2.0 s"));
        let share = text(Quality::Accuracy);
        assert_eq!(share.as_deref(), Some("candidate 9: retrained accuracy 33.5 %, 2.0 s"));
    }
}
