//! The dialogs: which file or run to open, which file to write, and whether edits may be lost.

use super::{
    format, style, training,
    view::{View, Wishes},
    widgets,
};
use crate::app::document::{Document, DocumentRequest};
use crate::format;
use bevy_egui::egui::{
    self, Context, Frame, Id, Key, Label, Modal, RichText, ScrollArea, TextEdit, Ui, Widget,
};
use std::path::{Path, PathBuf};

const WIDTH: f32 = 480.0;

/// The dialog that is open.
#[derive(Debug)]
pub(super) enum Dialog {
    /// Asks for a file or a folder.
    Path(PathDialog),
    /// How to train.
    Training,
    /// Asks whether edits may be lost.
    Discard {
        /// The action after a yes.
        then: Then,
    },
}

/// The action that waits for an answer because it would lose edits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Another template would replace the one on the plate.
    Open(DocumentRequest),
    /// The program would end.
    Quit,
}

impl Then {
    /// Does it.
    pub(super) fn wish(&self, wishes: &mut Wishes) {
        match self {
            Self::Open(request) => wishes.documents.push(request.clone()),
            Self::Quit => wishes.quit = true,
        }
    }
}

/// The purpose of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Open,
    OpenRun,
    Save,
}

/// A dialog that asks for a path.
#[derive(Debug)]
pub(super) struct PathDialog {
    purpose: Purpose,
    text: String,
    error: Option<String>,
    /// The path that was asked for and not answered yet.
    asked: Option<PathBuf>,
    /// The action after the file is written.
    then: Option<Then>,
    fresh: bool,
    listing: Listing,
}

impl Dialog {
    /// The dialog that opens a template.
    pub(super) fn open(view: View<'_>) -> Self {
        let text = match view.document.path() {
            Some(path) => path.display().to_string(),
            None => in_folder("scenes", ""),
        };
        Self::Path(PathDialog::new(Purpose::Open, text))
    }

    /// The dialog that opens a run.
    pub(super) fn open_run(view: View<'_>) -> Self {
        let runs = view.settings.runs.display().to_string();
        Self::Path(PathDialog::new(Purpose::OpenRun, format!("{}/", runs.trim_end_matches('/'))))
    }

    /// The dialog that writes the template to a file of the user's choice.
    pub(super) fn save_as(view: View<'_>) -> Self {
        Self::save_then(view, None)
    }

    fn save_then(view: View<'_>, then: Option<Then>) -> Self {
        let text = match view.document.path() {
            Some(path) => path.display().to_string(),
            None => format!("{}.ron", view.document.template().name),
        };
        Self::Path(PathDialog { then, ..PathDialog::new(Purpose::Save, text) })
    }
}

/// `folder/name` if there is such a folder here, else `name`.
fn in_folder(folder: &str, name: &str) -> String {
    if Path::new(folder).is_dir() { format!("{folder}/{name}") } else { name.to_owned() }
}

impl PathDialog {
    fn new(purpose: Purpose, text: String) -> Self {
        Self {
            purpose,
            text,
            error: None,
            asked: None,
            then: None,
            fresh: true,
            listing: Listing::default(),
        }
    }
}

/// The outcome of a dialog's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// Nothing yet.
    Open,
    /// The dialog shows the errors, so that they need no toast.
    Refused,
    /// The dialog is closed; this comes next.
    Done(Option<Then>),
}

/// Closes the dialog whose file was opened or written, or shows in it what failed.
pub(super) fn settle(
    dialog: &mut Option<Dialog>,
    document: &Document,
    opened: bool,
    errors: &[String],
) -> Settled {
    let Some(Dialog::Path(open)) = dialog else { return Settled::Open };
    let Some(asked) = &open.asked else { return Settled::Open };
    if !errors.is_empty() {
        open.error = Some(errors.join("\n"));
        open.asked = None;
        return Settled::Refused;
    }
    let done = match open.purpose {
        Purpose::Open | Purpose::OpenRun => opened,
        Purpose::Save => document.path() == Some(asked) && !document.is_dirty(),
    };
    if !done {
        return Settled::Open;
    }
    let then = open.then.take();
    *dialog = None;
    Settled::Done(then)
}

/// Draws the dialog, if there is one.
pub(super) fn show(
    context: &Context,
    view: View<'_>,
    dialog: &mut Option<Dialog>,
    wishes: &mut Wishes,
) {
    let close = match dialog {
        None => return,
        Some(Dialog::Path(open)) => ask_path(context, view, open, wishes),
        Some(Dialog::Training) => training::ask(context, view, &mut wishes.choices.training),
        Some(Dialog::Discard { then }) => {
            let answer = ask_discard(context, view);
            match answer {
                Some(Answer::Save) => {
                    *dialog = Some(Dialog::save_then(view, Some(then.clone())));
                    return;
                }
                Some(Answer::Discard) => then.wish(wishes),
                Some(Answer::Cancel) | None => {}
            }
            answer.is_some()
        }
    };
    if close {
        *dialog = None;
    }
}

/// Draws a dialog for a file; `true` when the user closes it.
fn ask_path(
    context: &Context,
    view: View<'_>,
    dialog: &mut PathDialog,
    wishes: &mut Wishes,
) -> bool {
    let modal = modal(context, "path").show(context, |ui| {
        ui.set_width(WIDTH.min(ui.ctx().content_rect().width() - 64.0));
        let title = match dialog.purpose {
            Purpose::Open => "Open a template",
            Purpose::OpenRun => "Open a run",
            Purpose::Save => "Save the template as",
        };
        ui.heading(title);
        ui.add_space(style::GAP);
        let edit = TextEdit::singleline(&mut dialog.text)
            .desired_width(f32::INFINITY)
            .hint_text(match dialog.purpose {
                Purpose::OpenRun => "runs/vgg11-fashion-mini-1",
                Purpose::Open | Purpose::Save => "scenes/mine.ron",
            })
            .ui(ui);
        if std::mem::take(&mut dialog.fresh) {
            edit.request_focus();
        }
        if edit.changed() {
            dialog.error = None;
        }
        let entered = edit.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        dialog.listing.show(ui, dialog.purpose, &mut dialog.text);
        let path = expand_home(dialog.text.trim(), std::env::var_os("HOME").map(PathBuf::from));
        let replaces = dialog.purpose == Purpose::Save
            && view.document.path() != Some(&path)
            && path.is_file();
        if let Some(error) = &dialog.error {
            let scroll = ScrollArea::vertical()
                .id_salt("error")
                .max_height(120.0)
                .auto_shrink([false, true]);
            scroll.show(ui, |ui| {
                ui.add(
                    Label::new(RichText::new(format!("Error: {error}")).color(style::ERROR_TEXT))
                        .wrap(),
                );
            });
        } else if replaces {
            ui.label("This file exists and will be replaced");
        } else if dialog.purpose != Purpose::Save && view.document.is_dirty() {
            ui.label(format!(
                "The edits to {} are not saved and will be lost",
                view.document.template().name
            ));
        }
        ui.add_space(style::GAP);
        ui.horizontal(|ui| {
            let label = match dialog.purpose {
                Purpose::Open | Purpose::OpenRun => "Open",
                Purpose::Save if replaces => "Replace",
                Purpose::Save => "Save",
            };
            let state = match (dialog.text.trim().is_empty(), dialog.asked.is_some()) {
                (true, _) => Err("the field is empty"),
                (_, true) => Err("the answer is on its way"),
                (false, false) => Ok(()),
            };
            let pressed = widgets::button(ui, label, title, "Enter", state, false).clicked();
            if (pressed || entered) && state.is_ok() {
                wishes.documents.push(match dialog.purpose {
                    Purpose::Open => DocumentRequest::OpenFile(path.clone()),
                    Purpose::OpenRun => DocumentRequest::OpenRun(path.clone()),
                    Purpose::Save => DocumentRequest::SaveAs(path.clone()),
                });
                dialog.asked = Some(path);
                // The field keeps the focus in case the answer is an error.
                edit.request_focus();
            }
            widgets::button(ui, "Cancel", "Change nothing", "Escape", Ok(()), false).clicked()
        })
        .inner
    });
    modal.inner || context.input(|input| input.key_pressed(Key::Escape))
}

/// A dialog in the middle of the window.
pub(super) fn modal(context: &Context, name: &str) -> Modal {
    Modal::new(Id::new(name)).frame(Frame::window(&context.global_style()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Save,
    Discard,
    Cancel,
}

fn ask_discard(context: &Context, view: View<'_>) -> Option<Answer> {
    let modal = modal(context, "discard").show(context, |ui| {
        ui.set_width(WIDTH.min(ui.ctx().content_rect().width() - 64.0));
        let name = &view.document.template().name;
        ui.heading("Unsaved edits");
        ui.add_space(style::GAP);
        ui.add(Label::new(format!("The edits to {name} are in no file and will be lost.")).wrap());
        ui.add_space(style::GAP);
        ui.horizontal(|ui| {
            let mut answer = None;
            for (label, what, key, value) in [
                ("Save as…", "Save the edits, then go on", "", Answer::Save),
                ("Discard", "Go on without the edits", "", Answer::Discard),
                ("Cancel", "Change nothing", "Escape", Answer::Cancel),
            ] {
                if widgets::button(ui, label, what, key, Ok(()), false).clicked() {
                    answer = Some(value);
                }
            }
            answer
        })
        .inner
    });
    let escape = context.input(|input| input.key_pressed(Key::Escape));
    modal.inner.or(escape.then_some(Answer::Cancel))
}

/// A path in which `~` stands for the home folder, as people type it.
fn expand_home(text: &str, home: Option<PathBuf>) -> PathBuf {
    match (text.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home,
        (Some(rest), Some(home)) if rest.starts_with('/') => {
            home.join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(text),
    }
}

/// The templates or runs in the folder that is being typed, read when the folder changes.
#[derive(Debug, Default)]
struct Listing {
    folder: Option<PathBuf>,
    /// Names; folders end in `/`.
    names: Vec<String>,
}

impl Listing {
    /// How many names are listed.
    const MOST: usize = 500;

    /// Shows the names; a click puts one into `text`.
    fn show(&mut self, ui: &mut Ui, purpose: Purpose, text: &mut String) {
        let typed = text.trim();
        let prefix = typed.rfind('/').map_or("", |slash| &typed[..=slash]).to_owned();
        let folder = expand_home(&prefix, std::env::var_os("HOME").map(PathBuf::from));
        let folder = if prefix.is_empty() { PathBuf::from(".") } else { folder };
        if self.folder.as_ref() != Some(&folder) {
            self.names = names_in(&folder, purpose);
            self.folder = Some(folder);
        }
        if self.names.is_empty() {
            return;
        }
        let shown = self.names.len().min(Self::MOST);
        let (one, many) = match purpose {
            Purpose::OpenRun => ("run or folder", "runs and folders"),
            Purpose::Open | Purpose::Save => ("template or folder", "templates and folders"),
        };
        let counted = format::counted(self.names.len(), one, many);
        ui.label(widgets::secondary(format!("{counted} here")));
        let row = ui.spacing().interact_size.y;
        let scroll = ScrollArea::vertical()
            .id_salt("files")
            .max_height(6.0 * row)
            .auto_shrink([false, true]);
        scroll.show_rows(ui, row, shown, |ui, rows| {
            ui.with_layout(egui::Layout::top_down_justified(egui::Align::Min), |ui| {
                for name in &self.names[rows] {
                    let path = format!("{prefix}{name}");
                    if ui.selectable_label(*text == path, name).clicked() {
                        *text = path;
                    }
                }
            });
        });
    }
}

/// The templates or runs, and the folders in a folder, in order; nothing where it cannot be read.
fn names_in(folder: &Path, purpose: Purpose) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_folder = entry.path().is_dir();
            let is_wanted = match purpose {
                Purpose::OpenRun => is_folder && entry.path().join("run.ron").is_file(),
                Purpose::Open | Purpose::Save => !is_folder && name.ends_with(".ron"),
            };
            match (name.starts_with('.'), is_wanted, is_folder) {
                (false, true, _) => Some(name),
                (false, false, true) => Some(format!("{name}/")),
                _ => None,
            }
        })
        .collect();
    names.sort_by_key(|name| (name.ends_with('/'), name.clone()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::template::presets;

    const NOT_YET: Settled = Settled::Open;

    fn document() -> Document {
        Document::new(presets()[0].checked().unwrap(), None)
    }

    fn asking(purpose: Purpose, path: &str) -> Option<Dialog> {
        let dialog =
            PathDialog { asked: Some(path.into()), ..PathDialog::new(purpose, path.to_owned()) };
        Some(Dialog::Path(dialog))
    }

    #[test]
    fn a_dialog_closes_when_its_file_is_there_and_not_before() {
        let mut document = document();
        let mut dialog = asking(Purpose::Save, "a.ron");
        assert_eq!(settle(&mut dialog, &document, false, &[]), NOT_YET);
        assert!(dialog.is_some());
        document.mark_saved("a.ron".into());
        assert_eq!(settle(&mut dialog, &document, false, &[]), Settled::Done(None));
        assert!(dialog.is_none());
        let mut dialog = asking(Purpose::Open, "a.ron");
        assert_eq!(settle(&mut dialog, &document, true, &[]), Settled::Done(None));
        assert!(dialog.is_none());
    }

    #[test]
    fn what_had_to_wait_for_the_file_comes_after_it() {
        let mut document = document();
        let mut dialog = asking(Purpose::Save, "a.ron");
        let Some(Dialog::Path(open)) = &mut dialog else { panic!("closed") };
        open.then = Some(Then::Quit);
        // An error keeps it, so that another name can be tried.
        let refused = settle(&mut dialog, &document, false, &["no disk".to_owned()]);
        assert_eq!(refused, Settled::Refused);
        let Some(Dialog::Path(open)) = &mut dialog else { panic!("closed") };
        open.asked = Some("b.ron".into());
        document.mark_saved("b.ron".into());
        let settled = settle(&mut dialog, &document, false, &[]);
        assert_eq!(settled, Settled::Done(Some(Then::Quit)));
    }

    #[test]
    fn an_error_is_shown_in_the_dialog_that_asked() {
        let mut dialog = asking(Purpose::Open, "a.ron");
        let errors = ["a.ron:3: wrong".to_owned()];
        assert_eq!(settle(&mut dialog, &document(), false, &errors), Settled::Refused);
        let Some(Dialog::Path(open)) = &dialog else { panic!("closed") };
        assert_eq!((open.error.as_deref(), &open.asked), (Some("a.ron:3: wrong"), &None));
        // The next error belongs to another request.
        assert_eq!(settle(&mut dialog, &document(), false, &["no disk".to_owned()]), NOT_YET);
    }

    #[test]
    fn the_home_folder_is_meant_by_its_sign() {
        let home = || Some(PathBuf::from("/home/me"));
        assert_eq!(expand_home("~/a.ron", home()), PathBuf::from("/home/me/a.ron"));
        assert_eq!(expand_home("~x/a.ron", home()), PathBuf::from("~x/a.ron"));
        assert_eq!(expand_home("~/a.ron", None), PathBuf::from("~/a.ron"));
    }

    #[test]
    fn templates_come_before_folders_and_nothing_else_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.ron", "a.ron", "notes.txt", ".hidden.ron"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("0")).unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        std::fs::write(folder.path().join("run/run.ron"), "").unwrap();
        assert_eq!(names_in(folder.path(), Purpose::Open), ["a.ron", "b.ron", "0/", "run/"]);
        assert_eq!(names_in(folder.path(), Purpose::OpenRun), ["run", "0/"]);
        assert!(names_in(Path::new("/no/such/folder"), Purpose::Open).is_empty());
    }
}
