//! Progress of a job on stderr: a bar on a terminal, a line now and then elsewhere.

use super::output;
use crate::{
    engine::{
        command::{Answer, Job},
        lab::Lab,
        report::{Progress, Report},
        study::Event,
    },
    format::{self, Goal, Quality},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What the results of a lab are told by.
pub(super) fn goal(lab: &Lab) -> Goal {
    Goal { quality: Quality::of(lab.graph(), lab.summary()), objective: lab.objective() }
}

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
    goal: Goal,
    /// Those that were told.
    cautions: Vec<String>,
}

impl ProgressPrinter {
    /// A printer for the stderr of this process; `goal` is what the results are told by.
    pub(super) fn new(goal: Goal) -> Self {
        Self { bar: bar(), last_line: Instant::now(), goal, cautions: Vec::new() }
    }

    /// Takes note of a report without showing it.
    pub(super) fn take(&mut self, report: &Report) {
        if let Report::Data(summary) = report {
            let numbers = summary.classes.is_empty();
            self.goal.quality = if numbers { Quality::R2 } else { Quality::Accuracy };
        }
    }

    /// Shows one report.
    pub(super) fn print(&mut self, report: &Report) {
        self.take(report);
        match report {
            Report::Progress(progress) => self.progress(progress),
            Report::Cautions { texts, .. } => {
                for text in texts {
                    // A job tells again what holds on.
                    if !self.cautions.contains(text) {
                        self.line(&format!("caution: {text}"));
                        self.cautions.push(text.clone());
                    }
                }
            }
            _ => {
                if let Some(text) = self.text(report) {
                    self.line(&text);
                }
            }
        }
    }

    /// The line on a report that is worth one.
    fn text(&self, report: &Report) -> Option<String> {
        let Self { goal, .. } = self;
        match report {
            Report::RunOpened { path, .. } => Some(format!("run {}", path.display())),
            Report::Event(event) => self.event(event),
            Report::Iteration(iteration) => {
                let best = if iteration.tie {
                    "all candidates so far tie".to_owned()
                } else {
                    let figure = goal.of(&iteration.best_evaluation);
                    format!("best {figure} (candidate {})", iteration.best.0)
                };
                Some(format!(
                    "iteration {}: {}, mean proxy {} {}, {best}, {:.1} s",
                    iteration.iteration,
                    format::counted(iteration.candidates.len(), "candidate", "candidates"),
                    goal.name(),
                    goal.of(&iteration.mean),
                    iteration.seconds
                ))
            }
            Report::EndsEarly(why) => Some(why.to_string()),
            Report::Data(summary) => Some(format!("data: {summary}")),
            Report::Note(note) => Some(format!("note: {note}")),
            Report::Edited(edited) => Some(format!("note: {edited}")),
            Report::NotOpened { message } => Some(message.clone()),
            Report::Answer { answer, .. } => match answer {
                Answer::Ended { job, stopped } => {
                    let how = if *stopped { "was stopped" } else { "has ended" };
                    Some(format!("the {} {how}", job.name()))
                }
                Answer::Failed { job, message } => {
                    let what = job.map_or("evaluation", Job::name);
                    Some(format!("the {what} has failed: {message}"))
                }
                Answer::Done
                | Answer::Begun { .. }
                | Answer::Evaluated(_)
                | Answer::Refused { .. } => None,
            },
            _ => None,
        }
    }

    /// The line on an event that is worth one.
    fn event(&self, event: &Event) -> Option<String> {
        let Goal { quality, .. } = self.goal;
        match event {
            Event::Epoch(epoch) => Some(format!(
                "epoch {}: training loss {:.4}, validation loss {:.4}, validation {} {}, {:.1} s",
                epoch.epoch,
                epoch.train_loss,
                epoch.val_loss,
                quality.name(),
                quality.text(epoch.val_accuracy),
                epoch.seconds
            )),
            Event::Retrained { id, seconds, .. } => event.evaluation().map(|evaluation| {
                format!(
                    "candidate {}: retrained {} {}, {seconds:.1} s",
                    id.0,
                    self.goal.name(),
                    self.goal.of(&evaluation),
                )
            }),
            // Others are told by what follows from them, or by the progress.
            Event::Edited { .. }
            | Event::Candidate { .. }
            | Event::Evaluated { .. }
            | Event::Iteration { .. }
            | Event::Timed { .. }
            | Event::Steered(_)
            | Event::Aimed { .. }
            | Event::Retuned { .. } => None,
        }
    }

    /// What the results are told by.
    pub(super) fn goal(&self) -> Goal {
        self.goal
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
    use crate::engine::{
        candidate::CandidateId,
        search::{Evaluation, Objective},
        study::IterationReport,
    };
    use std::sync::Arc;

    const EVALUATION: Evaluation =
        Evaluation { accuracy: 0.3351, balanced_accuracy: Some(0.25), loss: 0.5 };

    fn text(quality: Quality, objective: Objective, report: &Report) -> String {
        ProgressPrinter::new(Goal { quality, objective }).text(report).expect("is worth a line")
    }

    #[test]
    fn results_are_called_what_they_are() {
        let (id, evaluation) = (CandidateId(9), EVALUATION);
        let Evaluation { accuracy, balanced_accuracy, loss } = evaluation;
        let seconds = 2.0;
        let event = Event::Retrained { id, epochs: 1, accuracy, balanced_accuracy, loss, seconds };
        let report = Report::Event(Arc::new(event));
        let text = |quality, objective| text(quality, objective, &report);
        let r2 = text(Quality::R2, Objective::Accuracy);
        assert_eq!(r2, "candidate 9: retrained R² 0.335, 2.0 s");
        let share = text(Quality::Accuracy, Objective::Accuracy);
        assert_eq!(share, "candidate 9: retrained accuracy 33.5 %, 2.0 s");
        let balanced = text(Quality::Accuracy, Objective::BalancedAccuracy);
        assert_eq!(balanced, "candidate 9: retrained balanced accuracy 25.0 %, 2.0 s");
        let loss = text(Quality::Accuracy, Objective::Loss);
        assert_eq!(loss, "candidate 9: retrained loss 0.5000, 2.0 s");
    }

    #[test]
    fn an_iteration_is_told_in_the_objective() {
        let objective = Objective::Loss;
        let report = IterationReport {
            iteration: 2,
            template: 1,
            candidates: vec![CandidateId(9)],
            objective,
            mean: EVALUATION,
            best: CandidateId(4),
            best_evaluation: Evaluation { loss: 0.25, ..EVALUATION },
            tie: false,
            fitness: Vec::new(),
            seconds: 1.0,
        };
        let tie = Report::Iteration(Box::new(IterationReport { tie: true, ..report.clone() }));
        assert_eq!(
            text(Quality::Accuracy, objective, &Report::Iteration(Box::new(report))),
            "iteration 2: 1 candidate, mean proxy loss 0.5000, best 0.2500 (candidate 4), 1.0 s"
        );
        assert_eq!(
            text(Quality::Accuracy, objective, &tie),
            "iteration 2: 1 candidate, mean proxy loss 0.5000, all candidates so far tie, 1.0 s"
        );
    }
}
