//! The buttons that start, pause and stop jobs, and the numbers that the jobs start with.

use super::{
    view::{Choices, View, Wishes},
    widgets,
};
use crate::{
    app::jobs::JobRequest,
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

/// Why nothing else can be done while a job runs.
pub(super) const BUSY: &str = "a job is running; stop it first (X)";

/// What can be asked of the jobs while things are like this.
pub(super) fn possible(view: View<'_>) -> Possible {
    const IDLE: &str = "no job is running";
    const STOPPING: &str = "the job is stopping";
    let View { status, history, archive, settings, .. } = view;
    const NO_WORKER: &str = "what was opened has failed; open a template or a run";
    let Some(data) = &status.data else {
        let [train, search, pause, stop] = [Err(NO_WORKER); 4];
        return Possible { train, search, pause, stop };
    };
    // Training on other data begins another run, of which nothing is trained or searched yet.
    let begins_run = *data != settings.data;
    match status.running {
        Some(_) if status.stopping => Possible {
            train: Err(STOPPING),
            search: Err(STOPPING),
            pause: Err(STOPPING),
            stop: Err(STOPPING),
        },
        Some(_) => Possible { train: Err(BUSY), search: Err(BUSY), pause: Ok(()), stop: Ok(()) },
        None => Possible {
            train: if archive.is_searched() && !begins_run {
                Err(
                    "more training would change the weights that candidates were compared with; for \
                     a new run, open the template again",
                )
            } else {
                Ok(())
            },
            search: if begins_run {
                Err("other data are chosen; train on them first, which begins a new run (T)")
            } else if !history.is_trained() {
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
pub(super) fn main_action(view: View<'_>) -> Option<Job> {
    match view.status.running {
        Some(_) => None,
        None if possible(view).search.is_ok() => Some(Job::Search),
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
    let possible = possible(view);
    let main = main_action(view);
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
            .on_disabled_hover_text(format!("{what}\nNot now: {BUSY}"));
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
    use super::{super::view::tests::Shown, *};

    #[test]
    fn first_the_template_is_trained_then_it_is_searched() {
        let mut shown = Shown::new();
        assert_eq!(main_action(shown.view()), Some(Job::Train));
        // A part of an epoch makes no checkpoint to search with.
        shown.history.steps = vec![(1, 2.3)];
        assert_eq!(main_action(shown.view()), Some(Job::Train));
        shown.train();
        assert_eq!(main_action(shown.view()), Some(Job::Search));
        shown.status.running = Some(Job::Search);
        assert_eq!(main_action(shown.view()), None);
    }

    #[test]
    fn what_cannot_be_asked_for_says_why() {
        let mut shown = Shown::new();
        let untrained = possible(shown.view());
        assert!(untrained.train.is_ok());
        assert!(untrained.search.is_err_and(|why| why.contains("train first")));
        shown.train();
        shown.status.running = Some(Job::Train);
        let Possible { train, search, pause, stop } = possible(shown.view());
        assert!(train.is_err() && search.is_err() && pause.is_ok() && stop.is_ok());
        shown.status.stopping = true;
        assert!(possible(shown.view()).stop.is_err());
    }

    #[test]
    fn training_after_a_search_is_training_of_another_run() {
        let mut shown = Shown::new();
        shown.train();
        shown.search();
        let same_run = possible(shown.view());
        assert!(
            same_run.train.is_err_and(|why| why.contains("new run")) && same_run.search.is_ok()
        );
        shown.settings.data = DataSource::FashionMini;
        let other_run = possible(shown.view());
        assert!(other_run.train.is_ok() && other_run.search.is_err_and(|why| why.contains("data")));
        assert_eq!(main_action(shown.view()), Some(Job::Train));
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
