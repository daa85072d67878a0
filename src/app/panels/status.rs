//! The line that says what runs, how far it is, how long it will take, and what came out so far.

use super::{log::Notices, style, view::View, widgets};
use crate::{
    app::document::{Archive, JobStatus},
    engine::{command::Job, serve::Contact},
    format::{self, Goal},
};
use bevy_egui::egui::{Align, Button, Label, Layout, ProgressBar, RichText, Ui};
use std::time::Instant;

/// Draws the line; `true` when the user opens or folds the log.
pub(super) fn show(ui: &mut Ui, view: View<'_>, notices: &Notices, log_open: bool) -> bool {
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let toggled = log_button(ui, notices, log_open);
        let lab = view.document.lab().map(|lab| lab.options.address.as_str());
        if let Some((name, folder)) = &view.status.run {
            let at = lab.map_or(String::new(), |address| format!(" at {address}"));
            ui.add(Label::new(widgets::secondary(format!("run {name}{at}"))).truncate())
                .on_hover_text(format!("Everything is recorded in {}{at}", folder.display()));
        }
        let goal = view.archive.goal(view.document.graph());
        if let Some(mean) = mean_text(view.archive, goal) {
            ui.label(widgets::secondary(mean))
                .on_hover_text(format!("Mean proxy {} of the last iteration", goal.name()));
        }
        if let Some(best) = best_text(view.archive, goal) {
            ui.label(style::strong(best))
                .on_hover_text(format!("Best proxy {} so far", goal.name()));
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            if let (Some(contact), Some(address)) = (&view.status.contact, lab)
                && let Some((text, why)) = cut_off(contact, address, view.archive, Instant::now())
            {
                let text = RichText::new(text).color(style::ERROR_TEXT);
                ui.add(Label::new(text).truncate()).on_hover_text(why);
                return;
            }
            if let (Some(_), Some(progress)) = (view.status.running, view.status.progress) {
                let share = if progress.total == 0 {
                    0.0
                } else {
                    progress.done as f32 / progress.total as f32
                };
                let bar = ProgressBar::new(share).desired_width(120.0).desired_height(6.0);
                ui.add(bar.fill(style::text()).animate(false));
            }
            ui.add(Label::new(status_text(view.status, view.is_ready())).truncate());
        });
        toggled
    })
    .inner
}

fn log_button(ui: &mut Ui, notices: &Notices, open: bool) -> bool {
    let errors = notices.errors();
    let text = if errors == 0 {
        RichText::new("Log")
    } else {
        RichText::new(format!("Log · {}", format::counted(errors, "error", "errors")))
            .color(style::ERROR_TEXT)
    };
    let tip =
        widgets::tip(if open { "Fold the log" } else { "Show what has been reported so far" }, "L");
    ui.add(Button::selectable(open, text)).on_hover_text(tip).clicked()
}

/// That there is no connection to the lab at `address`, and why.
fn cut_off(
    contact: &Contact,
    address: &str,
    archive: &Archive,
    now: Instant,
) -> Option<(String, String)> {
    match contact {
        Contact::Begun | Contact::Up { .. } => None,
        Contact::Lost { why, again } => {
            let what = match archive.study() {
                Some(_) => format!("Connection to {address} lost"),
                None => format!("{address} cannot be reached"),
            };
            let next = match again.saturating_duration_since(now).as_secs_f64().ceil() {
                0.0 => "trying again".to_owned(),
                seconds => format!("next attempt in {seconds} s"),
            };
            let advice =
                "Begin `nas-navigator serve` there, or open a template or a run to work here";
            Some((format!("{what} · {next}"), format!("{why}\n{advice}")))
        }
        Contact::Refused { why } => Some((
            format!("Not connected to {address} · open a template or a run to work here"),
            why.clone(),
        )),
    }
}

/// The running job and its progress.
fn status_text(status: &JobStatus, ready: bool) -> String {
    let watches = match &status.contact {
        Some(Contact::Begun) => return "Connecting to the lab".to_owned(),
        Some(Contact::Up { is_up_to_date: false, .. }) => {
            return "Catching up with the lab".to_owned();
        }
        Some(Contact::Up { writes: false, .. }) => true,
        Some(Contact::Up { writes: true, .. } | Contact::Lost { .. } | Contact::Refused { .. })
        | None => false,
    };
    let Some(job) = status.running else {
        if watches {
            return "Watching · another viewer gives the commands".to_owned();
        }
        return if ready { "Ready" } else { "Ready · train the template to colour the cloud" }
            .to_owned();
    };
    let (verb, unit) = match job {
        Job::Train => ("Training", "step"),
        Job::Search => ("Searching", "candidate"),
        Job::Verify => ("Retraining", "step"),
    };
    let mut parts = Vec::new();
    if status.stopping {
        parts.push("Stopping".to_owned());
    } else if status.paused {
        parts.push("Paused".to_owned());
    }
    parts.push(verb.to_owned());
    if let Some(progress) = status.progress {
        parts.push(format!(
            "{unit} {} of {}",
            format::grouped(progress.done),
            format::grouped(progress.total)
        ));
        if let (Some(eta), false, false) = (progress.eta_secs, status.paused, status.stopping) {
            parts.push(format!("{} to go", format::duration(eta)));
        }
    }
    if watches {
        parts.push("watching".to_owned());
    }
    parts.join(" · ")
}

/// The best candidate so far: `best 78.4 % · candidate 41`, or `best loss 0.4312 · candidate 41`.
fn best_text(archive: &Archive, goal: Goal) -> Option<String> {
    if let Some(candidates) = archive.tie() {
        return Some(format!("all {candidates} candidates tie"));
    }
    let best = &archive.best()?.candidate;
    let evaluation = best.evaluation?;
    Some(format!("best {} · candidate {}", goal.named(&evaluation), best.id.0))
}

/// The mean of the last iteration.
fn mean_text(archive: &Archive, goal: Goal) -> Option<String> {
    let last = archive.iterations().last()?;
    Some(format!("mean of iteration {}: {}", last.iteration, goal.named(&last.mean)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::panels::view::tests::Shown,
        engine::{
            candidate::CandidateId,
            report::Progress,
            search::{Candidate, Evaluation, Objective},
            study::Event,
        },
    };
    use std::time::Duration;

    fn training(eta_secs: Option<f64>) -> JobStatus {
        let progress =
            Progress { job: Job::Train, done: 120, total: 1375, elapsed_secs: 5.0, eta_secs };
        JobStatus { running: Some(Job::Train), progress: Some(progress), ..Default::default() }
    }

    #[test]
    fn the_line_says_what_runs_how_far_it_is_and_how_long_it_takes() {
        assert_eq!(
            status_text(&training(Some(12.2)), true),
            "Training · step 120 of 1,375 · 12 s to go"
        );
        assert_eq!(status_text(&training(None), true), "Training · step 120 of 1,375");
        let searching = JobStatus { running: Some(Job::Search), ..Default::default() };
        assert_eq!(status_text(&searching, true), "Searching");
    }

    #[test]
    fn the_best_and_the_mean_are_told_in_what_the_run_makes_large() {
        let mut shown = Shown::new();
        shown.search();
        let first = shown.archive.candidates()[0].clone();
        let evaluation = Evaluation { accuracy: 0.4, balanced_accuracy: Some(0.3), loss: 0.25 };
        let other = Candidate { id: CandidateId(1), evaluation: Some(evaluation), ..first.clone() };
        shown.archive.show(vec![(other.clone(), [0.0; 3])]);
        let text = |shown: &Shown| {
            let goal = shown.archive.goal(shown.document.graph());
            best_text(&shown.archive, goal).expect("one is evaluated")
        };
        assert_eq!(text(&shown), "best 50.0 % · candidate 0");
        let objective = Objective::Loss;
        shown.archive.take(Event::Aimed { objective });
        assert_eq!(text(&shown), "best loss 0.2500 · candidate 1");
        let other = Candidate { evaluation: first.evaluation, ..other };
        shown.archive.show(vec![(other, [0.0; 3])]);
        assert_eq!(text(&shown), "all 2 candidates tie");
    }

    #[test]
    fn a_job_that_waits_or_stops_promises_no_end() {
        let paused = JobStatus { paused: true, ..training(Some(12.0)) };
        assert_eq!(status_text(&paused, true), "Paused · Training · step 120 of 1,375");
        let stopping = JobStatus { stopping: true, ..training(Some(12.0)) };
        assert_eq!(status_text(&stopping, true), "Stopping · Training · step 120 of 1,375");
    }

    #[test]
    fn the_line_says_who_gives_the_commands_elsewhere_and_that_a_connection_is_lost() {
        let watching = Contact::Up { writes: false, is_up_to_date: true };
        let status = JobStatus { contact: Some(watching.clone()), ..training(None) };
        assert_eq!(status_text(&status, true), "Training · step 120 of 1,375 · watching");
        let status = JobStatus { contact: Some(watching.clone()), ..JobStatus::default() };
        assert!(status_text(&status, true).contains("another viewer gives the commands"));

        let known = Shown::new().archive;
        let again = Instant::now();
        let lost = Contact::Lost { why: "closed".to_owned(), again };
        let text = |archive: &Archive, before| {
            let now = again - Duration::from_millis(before);
            cut_off(&lost, "far:7878", archive, now).map(|(text, _)| text)
        };
        let lost_text = "Connection to far:7878 lost · next attempt in 3 s";
        assert_eq!(text(&known, 2100).as_deref(), Some(lost_text));
        let unreached = "far:7878 cannot be reached · trying again";
        assert_eq!(text(&Archive::default(), 0).as_deref(), Some(unreached));
        assert_eq!(cut_off(&watching, "far:7878", &known, again), None);
    }

    #[test]
    fn without_a_job_the_line_says_what_to_do_next() {
        assert!(status_text(&JobStatus::default(), false).contains("train the template"));
        assert_eq!(status_text(&JobStatus::default(), true), "Ready");
    }
}
