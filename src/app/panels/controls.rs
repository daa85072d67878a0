//! The buttons that start, pause and stop jobs, and the numbers that the jobs start with.

use super::{
    dialogs::Dialog,
    presets,
    view::{Choices, View, Wishes},
    widgets,
};
use crate::{
    app::{
        document::{DocumentRequest, JobStatus},
        jobs::{JobRequest, OTHER_THAN_TABLE},
    },
    engine::{
        command::Job, data::DataSource, serve::Contact, study::Study, training::TrainSettings,
    },
    format::counted,
};
use bevy_egui::egui::{ComboBox, DragValue, PopupCloseBehavior, RichText, TextEdit, Ui};

/// Whether each request is possible now, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Possible {
    /// To open another template or run.
    pub(super) open: Result<(), &'static str>,
    pub(super) train: Result<(), &'static str>,
    pub(super) search: Result<(), &'static str>,
    pub(super) pause: Result<(), &'static str>,
    pub(super) stop: Result<(), &'static str>,
}

/// Why nothing else can be done while a job runs.
pub(super) const BUSY: &str = "a job is running; stop it first (X)";

/// Why a table of known results is not trained.
const NOTHING_TO_TRAIN: &str = "a table of known results has nothing to train; search it (S)";

/// Why a lab that another program serves is told nothing else.
const SETTLED: &str = "this is settled where the lab is served";

/// Whether there is a lab that takes commands, or why not.
fn reached(status: &JobStatus) -> Result<(), &'static str> {
    match &status.contact {
        None if status.data.is_none() => {
            Err("what was opened has failed; open a template or a run")
        }
        None | Some(Contact::Up { writes: true, is_up_to_date: true }) => Ok(()),
        Some(Contact::Begun) => Err("the lab is being connected to"),
        Some(Contact::Up { is_up_to_date: false, .. }) => {
            Err("the lab is telling what it holds; wait a moment")
        }
        Some(Contact::Up { writes: false, .. }) => {
            Err("another viewer gives the commands; it is your turn when that one has left")
        }
        Some(Contact::Lost { .. }) => {
            Err("there is no connection to the lab; it is tried again by itself")
        }
        Some(Contact::Refused { .. }) => {
            Err("there is no connection to the lab; open a template or a run to work here")
        }
    }
}

/// Whether each request is possible in this state.
pub(super) fn possible(view: View<'_>) -> Possible {
    const IDLE: &str = "no job is running";
    const STOPPING: &str = "the job is stopping";
    let View { status, settings, .. } = view;
    // A job elsewhere goes on when the lab is left.
    let open = match status.running {
        Some(_) if status.contact.is_none() => Err(BUSY),
        Some(_) | None => Ok(()),
    };
    if let Err(why) = reached(status) {
        let [train, search, pause, stop] = [Err(why); 4];
        return Possible { open, train, search, pause, stop };
    }
    // Training on other data or in another way begins another run, of which nothing is trained yet.
    let begins_run = !status.is_set_up_as(settings);
    let of_table = view.document.is_of_table();
    match status.running {
        Some(_) if status.stopping => Possible {
            open,
            train: Err(STOPPING),
            search: Err(STOPPING),
            pause: Err(STOPPING),
            stop: Err(STOPPING),
        },
        Some(_) => {
            Possible { open, train: Err(BUSY), search: Err(BUSY), pause: Ok(()), stop: Ok(()) }
        }
        None => Possible {
            open,
            train: if of_table { Err(NOTHING_TO_TRAIN) } else { Ok(()) },
            search: if begins_run && of_table {
                Err(OTHER_THAN_TABLE)
            } else if begins_run {
                Err(
                    "other data or training settings are chosen; train with them first, which begins a new run (T)",
                )
            } else if !view.is_ready() {
                Err("candidates are judged with trained weights; train first (T)")
            } else {
                Ok(())
            },
            pause: Err(IDLE),
            stop: Err(IDLE),
        },
    }
}

/// The one action that leads on from here; `None` while a job runs, and where none is possible.
pub(super) fn main_action(view: View<'_>) -> Option<Job> {
    let Possible { train, search, .. } = possible(view);
    match view.status.running {
        Some(_) => None,
        None if search.is_ok() => Some(Job::Search),
        None => train.is_ok().then_some(Job::Train),
    }
}

/// The data set that is being typed.
#[derive(Debug)]
pub(super) struct DataField {
    kind: &'static str,
    path: String,
    error: Option<String>,
}

impl Default for DataField {
    fn default() -> Self {
        Self { kind: DataSource::ON_DISK[0].0, path: String::new(), error: None }
    }
}

/// Draws the buttons.
pub(super) fn buttons(ui: &mut Ui, view: View<'_>, wishes: &mut Wishes) {
    ui.spacing_mut().button_padding.x = 16.0;
    let possible = possible(view);
    let main = main_action(view);
    let Choices { epochs, iterations, candidates, .. } = wishes.choices;
    let again = if view.archive.is_searched() && view.status.is_set_up_as(view.settings) {
        "; a search then evaluates its candidates again first, as their weights have changed"
    } else {
        ""
    };
    let train = format!("Train the template for {}{again}", more(epochs as u64, "epoch"));
    if widgets::button(ui, "Train", &train, "T", possible.train, main == Some(Job::Train)).clicked()
    {
        wishes.jobs.push(JobRequest::Train);
    }
    let each = counted(candidates, "candidate", "candidates");
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
    let what = match view.status.running {
        Some(Job::Train) => {
            "End the job; what is done is kept\nWith Shift: cancel, and forget the epoch that has begun"
        }
        _ => "End the job; what is done is kept",
    };
    if widgets::button(ui, "Stop", what, "X", possible.stop, false).clicked() {
        let cancel = ui.input(|input| input.modifiers.shift);
        wishes.jobs.push(if cancel { JobRequest::Cancel } else { JobRequest::Stop });
    }
}

fn more(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 more {unit}") } else { format!("{count} more {unit}s") }
}

/// Draws the numbers and the data set.
pub(super) fn fields(
    ui: &mut Ui,
    view: View<'_>,
    field: &mut DataField,
    dialog: &mut Option<Dialog>,
    wishes: &mut Wishes,
) {
    let choices = &mut wishes.choices;
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
    if let Some(lab) = view.document.lab() {
        served_data(ui, view, &lab.options.address);
        return;
    }
    number(
        ui,
        "Data",
        "What to train on; other data begin another run with the next training. Or a table of known results, to search it",
        |ui, tip| data(ui, tip, view, field, dialog, wishes),
    );
}

fn number(ui: &mut Ui, name: &str, tip: &str, add: impl FnOnce(&mut Ui, &str)) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.label(widgets::secondary(name)).on_hover_text(tip);
        add(ui, &format!("{tip}\nDrag it, or click and type"));
    });
}

/// What a lab elsewhere has told of its data.
fn served_data(ui: &mut Ui, view: View<'_>, address: &str) {
    let (text, tip) = match &view.archive.data {
        Some(data) => {
            let examples: usize = data.examples.iter().sum();
            (counted(examples, "example", "examples"), data.to_string())
        }
        None => ("as served".to_owned(), "The lab has not read its data yet".to_owned()),
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.label(widgets::secondary("Data"));
        ui.label(text);
    })
    .response
    .on_hover_text(format!("{tip}\nThe lab at {address} has its own data"));
}

fn data(
    ui: &mut Ui,
    tip: &str,
    view: View<'_>,
    field: &mut DataField,
    dialog: &mut Option<Dialog>,
    wishes: &mut Wishes,
) {
    let mut table = None;
    let choices = &mut wishes.choices;
    let what = tip.lines().next().unwrap_or_default();
    ui.add_enabled_ui(view.status.running.is_none(), |ui| {
        let combo = ComboBox::from_id_salt("data")
            .width(120.0)
            .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
            .selected_text(match choices.data.on_disk() {
                Some((kind, _)) => format!("{kind}:…/{}", choices.data.short_name()),
                None => choices.data.to_string(),
            });
        let response = combo.show_ui(ui, |ui| {
            for source in DataSource::EMBEDDED {
                let name = source.to_string();
                if ui.selectable_label(choices.data == source, name).clicked() {
                    (choices.data, field.error) = (source, None);
                    ui.close();
                }
            }
            ui.separator();
            if let Some((kind, _)) = choices.data.on_disk()
                && field.path.is_empty()
            {
                field.kind = kind;
                let text = choices.data.to_string();
                text.trim_start_matches(&format!("{kind}:")).clone_into(&mut field.path);
            }
            ui.horizontal(|ui| {
                for (kind, about) in DataSource::ON_DISK {
                    ui.selectable_value(&mut field.kind, kind, kind).on_hover_text(about);
                }
            });
            let about = DataSource::ON_DISK.iter().find(|(kind, _)| *kind == field.kind);
            ui.label(widgets::secondary(about.map_or("", |(_, about)| about)));
            ui.horizontal(|ui| {
                ui.label(format!("{}:", field.kind));
                let edit =
                    ui.add(TextEdit::singleline(&mut field.path).desired_width(220.0).hint_text(
                        match field.kind {
                            "csv" => "/data/iris.csv",
                            "table" => "/data/nas-bench.csv",
                            _ => "/data/mnist",
                        },
                    ));
                let entered =
                    edit.lost_focus() && ui.input(|i| i.key_pressed(bevy_egui::egui::Key::Enter));
                let what = match field.kind {
                    "table" => "Put its template on the plate, to search it (Enter)",
                    _ => "Train on this (Enter)",
                };
                if ui.button("Use").on_hover_text(what).clicked() || entered {
                    match on_disk(field.kind, &field.path) {
                        Ok(source) => {
                            match source {
                                DataSource::Table(file) => table = Some(file),
                                source => choices.data = source,
                            }
                            field.error = None;
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
    if let Some(file) = table {
        let decimal = view.settings.read.decimal;
        presets::ask(view, DocumentRequest::OpenTable { file, decimal }, dialog, wishes);
    }
}

/// The data set of that kind at the path that was typed.
fn on_disk(kind: &str, text: &str) -> Result<DataSource, String> {
    let source: DataSource =
        format!("{kind}:{}", text.trim()).parse().map_err(|error| format!("{error}"))?;
    match &source {
        DataSource::Csv { file, .. } | DataSource::Table(file) if !file.is_file() => {
            Err(format!("{} is not a file; correct the path", file.display()))
        }
        DataSource::Csv { .. } | DataSource::Table(_) => Ok(source),
        other => match other.on_disk() {
            Some((_, folder)) if !folder.is_dir() => {
                Err(format!("{} is not a folder; correct the path", folder.display()))
            }
            _ => Ok(source),
        },
    }
}

/// Draws the button that opens the other training settings; `true` when it is pressed.
pub(super) fn training(ui: &mut Ui, view: View<'_>, choices: &Choices) -> bool {
    let served = view.document.lab().and(view.archive.study()).map(Study::training);
    let TrainSettings { optimizer, loss, policy, .. } = served.unwrap_or(choices.training);
    let policy = policy.told(view.document.graph());
    let what = format!(
        "Optimizer, loss, path policy and more; other ones begin another run with the next training\nNow {optimizer}, \
         loss {loss}, {policy}"
    );
    let state = match view.status.running {
        _ if view.document.lab().is_some() => Err(SETTLED),
        Some(_) => Err(BUSY),
        None if view.document.is_of_table() => Err(NOTHING_TO_TRAIN),
        None => Ok(()),
    };
    widgets::button(ui, "Training…", &what, "", state, false).clicked()
}

#[cfg(test)]
mod tests {
    use super::{super::view::tests::Shown, *};
    use crate::{app::document::Document, engine::training::OptimizerKind};

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
        let Possible { open, train, search, pause, stop } = possible(shown.view());
        assert!(open.is_err());
        assert!(train.is_err() && search.is_err() && pause.is_ok() && stop.is_ok());
        shown.status.stopping = true;
        assert!(possible(shown.view()).stop.is_err());
    }

    #[test]
    fn training_goes_on_after_a_search_and_with_other_data_in_another_run() {
        let mut shown = Shown::new();
        shown.train();
        shown.search();
        let same_run = possible(shown.view());
        assert!(same_run.train.is_ok() && same_run.search.is_ok());
        shown.settings.data = DataSource::FashionMini;
        let other_run = possible(shown.view());
        assert!(other_run.train.is_ok() && other_run.search.is_err_and(|why| why.contains("data")));
        assert_eq!(main_action(shown.view()), Some(Job::Train));
    }

    #[test]
    fn other_training_settings_are_training_of_another_run() {
        let mut shown = Shown::new();
        shown.train();
        shown.search();
        shown.settings.training.optimizer = OptimizerKind::Sgd;
        let other = possible(shown.view());
        assert!(other.train.is_ok());
        assert!(other.search.is_err_and(|why| why.contains("training settings")));
        shown.status.training.optimizer = OptimizerKind::Sgd;
        assert!(possible(shown.view()).search.is_ok());
    }

    #[test]
    fn a_table_of_known_results_is_searched_and_not_trained() {
        let folder = tempfile::tempdir().unwrap();
        let text = "architecture,search,report\n0,0.5,1\n1,0.6,1\n";
        let file = folder.path().join("table.csv");
        std::fs::write(&file, text).unwrap();
        let mut shown = Shown::new();
        shown.document = Document::of_table(&file, None).unwrap();
        shown.settings.data = on_disk("table", &file.display().to_string()).unwrap();
        shown.status.data = Some(shown.settings.data.clone());
        // How to train does not matter.
        shown.settings.training.optimizer = OptimizerKind::Sgd;
        let Possible { train, search, .. } = possible(shown.view());
        assert!(search.is_ok() && train.is_err_and(|why| why.contains("nothing to train")));
        assert_eq!(main_action(shown.view()), Some(Job::Search));
        shown.settings.data = DataSource::Digits;
        assert_eq!(possible(shown.view()).search, Err(OTHER_THAN_TABLE));
    }

    #[test]
    fn a_lab_elsewhere_takes_commands_as_long_as_it_is_there_and_no_other_viewer_gives_them() {
        let mut shown = Shown::new();
        shown.train();
        // Settings here are not about it, and what it does does not keep a template from being opened here.
        shown.settings.data = DataSource::FashionMini;
        shown.status.running = Some(Job::Train);
        let mut possible_with = |contact| {
            shown.status.contact = Some(contact);
            possible(shown.view())
        };
        let up = |writes| Contact::Up { writes, is_up_to_date: true };
        let Possible { open, train, pause, stop, .. } = possible_with(up(true));
        assert_eq!((open, train, pause, stop), (Ok(()), Err(BUSY), Ok(()), Ok(())));
        let again = std::time::Instant::now();
        for (contact, part) in [
            (Contact::Begun, "connected to"),
            (Contact::Up { writes: true, is_up_to_date: false }, "wait a moment"),
            (up(false), "another viewer"),
            (Contact::Lost { why: String::new(), again }, "by itself"),
            (Contact::Refused { why: String::new() }, "open a template"),
        ] {
            let Possible { open, train, search, pause, stop } = possible_with(contact);
            assert_eq!(open, Ok(()));
            for refused in [train, search, pause, stop] {
                assert!(refused.is_err_and(|why| why.contains(part)), "{refused:?}");
            }
        }
        shown.status.running = None;
        shown.status.contact = Some(up(false));
        assert_eq!(main_action(shown.view()), None);
        shown.status.contact = Some(up(true));
        assert_eq!(main_action(shown.view()), Some(Job::Search));
    }

    #[test]
    fn a_path_that_is_not_there_is_named() {
        for (kind, _) in DataSource::ON_DISK {
            let message = on_disk(kind, "/no/such/path").unwrap_err();
            assert!(message.contains("/no/such/path"), "{message}");
            assert!(on_disk(kind, "  ").is_err());
        }
        let here = tempfile::tempdir().unwrap();
        let source = on_disk("cifar10", &format!(" {} ", here.path().display())).unwrap();
        assert_eq!(source, DataSource::Cifar10(here.path().to_owned()));
        let file = here.path().join("iris.csv");
        std::fs::write(&file, "").unwrap();
        let source = on_disk("csv", &format!("{}#kind", file.display())).unwrap();
        assert_eq!(source, DataSource::Csv { file, label: Some("kind".into()) });
    }
}
