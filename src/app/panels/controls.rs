//! The buttons that start, pause and stop jobs, and the numbers that the jobs start with.

use super::{
    view::{Choices, View, Wishes},
    widgets,
};
use crate::{
    app::{
        document::{JobStatus, TrainingHistory},
        jobs::JobRequest,
    },
    engine::{data::DataSource, report::Job},
};
use bevy_egui::egui::{ComboBox, DragValue, RichText, TextEdit, Ui};

/// What can be asked of the jobs now, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Possible {
    pub(super) train: Result<(), &'static str>,
    pub(super) search: Result<(), &'static str>,
    pub(super) pause: Result<(), &'static str>,
    pub(super) stop: Result<(), &'static str>,
}

/// What can be asked of the jobs while they are like this.
pub(super) fn possible(status: &JobStatus, history: &TrainingHistory) -> Possible {
    const BUSY: &str = "a job is running; stop it first (X)";
    const IDLE: &str = "no job is running";
    const STOPPING: &str = "the job is stopping";
    let untrained = history.steps.is_empty() && history.epochs.is_empty();
    match status.running {
        Some(_) if status.stopping => Possible {
            train: Err(STOPPING),
            search: Err(STOPPING),
            pause: Err(STOPPING),
            stop: Err(STOPPING),
        },
        Some(_) => Possible { train: Err(BUSY), search: Err(BUSY), pause: Ok(()), stop: Ok(()) },
        None => Possible {
            train: Ok(()),
            search: if untrained {
                Err("candidates are judged with trained weights; train first (T)")
            } else {
                Ok(())
            },
            pause: Err(IDLE),
            stop: Err(IDLE),
        },
    }
}

/// The one action that leads on from here; `None` while a job runs.
pub(super) fn main_action(status: &JobStatus, history: &TrainingHistory) -> Option<Job> {
    match status.running {
        Some(_) => None,
        None if possible(status, history).search.is_ok() => Some(Job::Search),
        None => Some(Job::Train),
    }
}

/// The data set that is being typed.
#[derive(Debug, Default)]
pub(super) struct DataField {
    folder: String,
    error: Option<String>,
}

/// Draws the buttons.
pub(super) fn buttons(ui: &mut Ui, view: View<'_>, wishes: &mut Wishes) {
    ui.spacing_mut().button_padding.x = 16.0;
    let possible = possible(view.status, view.history);
    let main = main_action(view.status, view.history);
    let Choices { epochs, iterations, candidates, .. } = wishes.choices;
    let train = format!("Train the template for {}", more(epochs as u64, "epoch"));
    if widgets::button(ui, "Train", &train, "T", possible.train, main == Some(Job::Train)).clicked()
    {
        wishes.jobs.push(JobRequest::Train);
    }
    let each = crate::format::counted(candidates, "candidate", "candidates");
    let search = format!("Search for {}, {each} each", more(u64::from(iterations), "iteration"));
    if widgets::button(ui, "Search", &search, "S", possible.search, main == Some(Job::Search))
        .clicked()
    {
        wishes.jobs.push(JobRequest::Search);
    }
    let (label, what, request) = if view.status.paused {
        ("Resume", "Go on with the job", JobRequest::Resume)
    } else {
        ("Pause", "Let the job wait; nothing is lost", JobRequest::Pause)
    };
    if widgets::button(ui, label, what, "Space", possible.pause, false).clicked() {
        wishes.jobs.push(request);
    }
    if widgets::button(ui, "Stop", "End the job; what is done is kept", "X", possible.stop, false)
        .clicked()
    {
        wishes.jobs.push(JobRequest::Stop);
    }
}

fn more(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 more {unit}") } else { format!("{count} more {unit}s") }
}

/// Draws the numbers and the data set.
pub(super) fn fields(ui: &mut Ui, view: View<'_>, field: &mut DataField, choices: &mut Choices) {
    number(ui, "Epochs", "Epochs that a press of Train adds", |ui, tip| {
        ui.add(DragValue::new(&mut choices.epochs).range(1..=1000).speed(0.05)).on_hover_text(tip);
    });
    number(ui, "Iterations", "Iterations that a press of Search adds", |ui, tip| {
        ui.add(DragValue::new(&mut choices.iterations).range(1..=1000).speed(0.05))
            .on_hover_text(tip);
    });
    number(ui, "Candidates", "Candidates that an iteration evaluates", |ui, tip| {
        ui.add(DragValue::new(&mut choices.candidates).range(1..=1000).speed(0.05))
            .on_hover_text(tip);
    });
    number(
        ui,
        "Data",
        "What to train on; other data begin another run with the next training",
        |ui, tip| data(ui, tip, view, field, choices),
    );
}

fn number(ui: &mut Ui, name: &str, tip: &str, add: impl FnOnce(&mut Ui, &str)) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.label(widgets::secondary(name)).on_hover_text(tip);
        add(ui, &format!("{tip}\nDrag it, or click and type"));
    });
}

fn data(ui: &mut Ui, tip: &str, view: View<'_>, field: &mut DataField, choices: &mut Choices) {
    let what = tip.lines().next().unwrap_or_default();
    ui.add_enabled_ui(view.status.running.is_none(), |ui| {
        let is_folder = matches!(choices.data, DataSource::Idx(_));
        let combo =
            ComboBox::from_id_salt("data").width(120.0).selected_text(match &choices.data {
                DataSource::Idx(folder) => folder.file_name().map_or_else(
                    || choices.data.to_string(),
                    |name| format!("idx:…/{}", name.to_string_lossy()),
                ),
                embedded => embedded.to_string(),
            });
        let response = combo.show_ui(ui, |ui| {
            for source in DataSource::EMBEDDED {
                let name = source.to_string();
                if ui.selectable_label(choices.data == source, name).clicked() {
                    (choices.data, field.error) = (source, None);
                }
            }
            ui.separator();
            ui.label(widgets::secondary("Folder with the four files of MNIST"));
            ui.horizontal(|ui| {
                ui.label("idx:");
                if is_folder && field.folder.is_empty() {
                    choices
                        .data
                        .to_string()
                        .trim_start_matches("idx:")
                        .clone_into(&mut field.folder);
                }
                let edit = ui.add(
                    TextEdit::singleline(&mut field.folder)
                        .desired_width(220.0)
                        .hint_text("/data/mnist"),
                );
                let entered =
                    edit.lost_focus() && ui.input(|i| i.key_pressed(bevy_egui::egui::Key::Enter));
                if ui.button("Use").on_hover_text("Train on this folder (Enter)").clicked()
                    || entered
                {
                    match folder(&field.folder) {
                        Ok(source) => {
                            (choices.data, field.error) = (source, None);
                            ui.close();
                        }
                        Err(message) => field.error = Some(message),
                    }
                }
            });
            if let Some(error) = &field.error {
                ui.label(RichText::new(error).color(super::style::ERROR_TEXT));
            }
        });
        response
            .response
            .on_hover_text(format!("{what}\nNow {}", choices.data))
            .on_disabled_hover_text(format!(
                "{what}\nNot now: a job is running; stop it first (X)"
            ));
    });
}

/// The data set in the folder that was typed.
fn folder(text: &str) -> Result<DataSource, String> {
    let text = text.trim();
    let source: DataSource = format!("idx:{text}").parse().map_err(|error| format!("{error}"))?;
    match &source {
        DataSource::Idx(folder) if !folder.is_dir() => {
            Err(format!("{} is not a folder; correct the path", folder.display()))
        }
        _ => Ok(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained() -> TrainingHistory {
        TrainingHistory { steps: vec![(1, 2.3)], ..Default::default() }
    }

    fn running(job: Job) -> JobStatus {
        JobStatus { running: Some(job), ..Default::default() }
    }

    #[test]
    fn first_the_template_is_trained_then_it_is_searched() {
        let idle = JobStatus::default();
        assert_eq!(main_action(&idle, &TrainingHistory::default()), Some(Job::Train));
        assert_eq!(main_action(&idle, &trained()), Some(Job::Search));
        assert_eq!(main_action(&running(Job::Search), &trained()), None);
    }

    #[test]
    fn what_cannot_be_asked_for_says_why() {
        let untrained = possible(&JobStatus::default(), &TrainingHistory::default());
        assert!(
            untrained.train.is_ok()
                && untrained.search.is_err_and(|why| why.contains("train first"))
        );
        let busy = possible(&running(Job::Train), &trained());
        assert!(
            busy.train.is_err() && busy.search.is_err() && busy.pause.is_ok() && busy.stop.is_ok()
        );
        let stopping = JobStatus { stopping: true, ..running(Job::Train) };
        assert!(possible(&stopping, &trained()).stop.is_err());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        assert!(
            folder("/no/such/folder").is_err_and(|message| message.contains("/no/such/folder"))
        );
        assert!(folder("  ").is_err());
        let here = tempfile::tempdir().unwrap();
        let source = folder(&format!(" {} ", here.path().display())).unwrap();
        assert_eq!(source, DataSource::Idx(here.path().to_owned()));
    }
}
