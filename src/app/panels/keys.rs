//! The keys of the panels. What they do is also on buttons.

use super::{
    PanelState,
    controls::{self, Possible},
    dialogs::Dialog,
    view::View,
};
use crate::app::{
    document::{Archive, Document, DocumentRequest, Focus, JobStatus, Notice, TrainingHistory},
    jobs::JobRequest,
    keyboard::{Modifiers, sign},
    settings::Settings,
};
use bevy::{
    input::keyboard::{Key, KeyCode, KeyboardInput},
    prelude::*,
};
use bevy_egui::input::EguiWantsInput;

/// The action of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Train,
    Search,
    PauseOrResume,
    Stop,
    Cancel,
    Open,
    OpenRun,
    Save,
    SaveAs,
    Undo,
    Redo,
    FoldLeft,
    FoldRight,
    FoldBottom,
    Log,
    Help,
    Close,
}

/// The lines of the help about the keys of this module.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("T", "Train the template"),
    ("S", "Search"),
    ("Space", "Pause or resume the job"),
    ("X", "Stop the job; what is done is kept"),
    ("Shift+X", "Cancel: stop, and forget the epoch that has begun"),
    ("Ctrl+O", "Open a template from a file"),
    ("Ctrl+Shift+O", "Open a run"),
    ("Ctrl+S", "Save the template"),
    ("Ctrl+Shift+S", "Save it as another file"),
    ("Ctrl+Z", "Undo"),
    ("Ctrl+Shift+Z, Ctrl+Y", "Redo"),
    ("F2, F3, F4", "Fold the left panel, the right panel, the bar"),
    ("L", "Show or fold the log"),
    ("F1, ?", "This help"),
];

/// What a press of `key` asks for; for `physical` see [`sign`].
pub(super) fn action(key: &Key, physical: KeyCode, ctrl: bool, shift: bool) -> Option<Action> {
    match key {
        Key::Space if !ctrl => return Some(Action::PauseOrResume),
        Key::F1 => return Some(Action::Help),
        Key::F2 => return Some(Action::FoldLeft),
        Key::F3 => return Some(Action::FoldRight),
        Key::F4 => return Some(Action::FoldBottom),
        Key::Escape => return Some(Action::Close),
        _ => {}
    }
    Some(match (ctrl, shift, sign(key, physical)?.as_str()) {
        (false, _, "?") => Action::Help,
        (false, false, "t") => Action::Train,
        (false, false, "s") => Action::Search,
        (false, false, "x") => Action::Stop,
        (false, true, "x") => Action::Cancel,
        (false, false, "l") => Action::Log,
        (true, false, "o") => Action::Open,
        (true, true, "o") => Action::OpenRun,
        (true, false, "s") => Action::Save,
        (true, true, "s") => Action::SaveAs,
        (true, false, "z") => Action::Undo,
        (true, true, "z") | (true, false, "y") => Action::Redo,
        _ => return None,
    })
}

/// Carries out the commands of keys, unless the user types into a field or a dialog is open.
pub(super) fn press_keys(
    mut presses: MessageReader<KeyboardInput>,
    held: Res<ButtonInput<KeyCode>>,
    mut modifiers: Local<Modifiers>,
    wants: Res<EguiWantsInput>,
    (document, archive, history, status, focus, settings): (
        Res<Document>,
        Res<Archive>,
        Res<TrainingHistory>,
        Res<JobStatus>,
        Res<Focus>,
        Res<Settings>,
    ),
    mut state: ResMut<PanelState>,
    mut jobs: MessageWriter<JobRequest>,
    mut documents: MessageWriter<DocumentRequest>,
    mut notices: MessageWriter<Notice>,
) {
    let typing = wants.wants_any_keyboard_input();
    // Read in any case: what was typed into a field must not act when the field is left.
    for press in presses.read() {
        modifiers.follow(press);
        let Modifiers { ctrl, shift, alt } = *modifiers;
        if alt || press.repeat || !press.state.is_pressed() {
            continue;
        }
        let Some(action) = action(&press.logical_key, press.key_code, ctrl, shift) else {
            continue;
        };
        let about_help = matches!(action, Action::Help | Action::Close);
        let heard = match (state.dialog.is_some(), state.help) {
            (true, _) => false,
            (false, true) => about_help,
            (false, false) => !typing && action != Action::Close,
        };
        if !heard {
            continue;
        }
        let view = View {
            document: &document,
            archive: &archive,
            history: &history,
            status: &status,
            focus: &focus,
            settings: &settings,
        };
        let possible = controls::possible(view);
        let job = match job_request(action, &status, possible) {
            Some(Ok(request)) => {
                jobs.write(request);
                continue;
            }
            Some(Err(why)) => {
                notices.write(Notice::Info(format!("Not now: {why}")));
                continue;
            }
            None => action,
        };
        let state = &mut *state;
        match job {
            Action::Open | Action::OpenRun if let Err(why) = possible.open => {
                notices.write(Notice::Info(format!("Not now: {why}")));
            }
            Action::Open => state.dialog = Some(Dialog::open(view)),
            Action::OpenRun => state.dialog = Some(Dialog::open_run(view)),
            Action::Save if document.path().is_some() => {
                documents.write(DocumentRequest::Save);
            }
            Action::Save | Action::SaveAs => state.dialog = Some(Dialog::save_as(view)),
            Action::Undo => {
                documents.write(DocumentRequest::Undo);
            }
            Action::Redo => {
                documents.write(DocumentRequest::Redo);
            }
            Action::FoldLeft => state.open.left ^= true,
            Action::FoldRight => state.open.right ^= true,
            Action::FoldBottom => state.open.bottom ^= true,
            Action::Log => state.open.log ^= true,
            Action::Help => state.help ^= true,
            Action::Close => state.help = false,
            Action::Train
            | Action::Search
            | Action::PauseOrResume
            | Action::Stop
            | Action::Cancel => {}
        }
    }
    // Says the same, but also knows of keys that were let go while another window had the keyboard.
    *modifiers = Modifiers::of(&held);
}

/// The request that a key stands for, or why it cannot be made now; `None` for keys that are not about
/// jobs.
fn job_request(
    action: Action,
    status: &JobStatus,
    possible: Possible,
) -> Option<Result<JobRequest, &'static str>> {
    let (possible, request) = match action {
        Action::Train => (possible.train, JobRequest::Train),
        Action::Search => (possible.search, JobRequest::Search),
        Action::PauseOrResume if status.paused => (possible.pause, JobRequest::Resume),
        Action::PauseOrResume => (possible.pause, JobRequest::Pause),
        Action::Stop => (possible.stop, JobRequest::Stop),
        Action::Cancel => (possible.stop, JobRequest::Cancel),
        _ => return None,
    };
    Some(possible.map(|()| request))
}

#[cfg(test)]
mod tests {
    use super::{super::view::tests::Shown, *};
    use bevy::input::keyboard::NativeKey;

    fn press(text: &str, physical: KeyCode, ctrl: bool, shift: bool) -> Option<Action> {
        action(&Key::Character(text.into()), physical, ctrl, shift)
    }

    #[test]
    fn letters_follow_the_layout_and_modifiers_count() {
        assert_eq!(press("t", KeyCode::KeyT, false, false), Some(Action::Train));
        // On a French keyboard the physical W types a z.
        assert_eq!(press("z", KeyCode::KeyW, true, false), Some(Action::Undo));
        assert_eq!(press("Z", KeyCode::KeyZ, true, true), Some(Action::Redo));
        assert_eq!(press("s", KeyCode::KeyS, true, false), Some(Action::Save));
        assert_eq!(press("s", KeyCode::KeyS, false, false), Some(Action::Search));
        assert_eq!(press("x", KeyCode::KeyX, false, false), Some(Action::Stop));
        assert_eq!(press("X", KeyCode::KeyX, false, true), Some(Action::Cancel));
        assert_eq!(press("t", KeyCode::KeyT, true, false), None);
        assert_eq!(press("?", KeyCode::Slash, false, true), Some(Action::Help));
    }

    #[test]
    fn a_keyboard_without_latin_letters_works_by_place() {
        assert_eq!(press("е", KeyCode::KeyT, false, false), Some(Action::Train));
        let unidentified = Key::Unidentified(NativeKey::Unidentified);
        assert_eq!(action(&unidentified, KeyCode::KeyO, true, false), Some(Action::Open));
    }

    #[test]
    fn keys_of_other_views_are_left_alone() {
        for (text, physical) in
            [("1", KeyCode::Digit1), ("[", KeyCode::BracketLeft), ("b", KeyCode::KeyB)]
        {
            assert_eq!(press(text, physical, false, false), None);
        }
        assert_eq!(action(&Key::Tab, KeyCode::Tab, false, false), None);
    }

    #[test]
    fn space_goes_on_after_a_pause() {
        let mut shown = Shown::new();
        let asked = |shown: &Shown| {
            job_request(Action::PauseOrResume, &shown.status, controls::possible(shown.view()))
        };
        assert!(matches!(asked(&shown), Some(Err(_))));
        shown.status.running = Some(crate::engine::command::Job::Train);
        assert_eq!(asked(&shown), Some(Ok(JobRequest::Pause)));
        shown.status.paused = true;
        assert_eq!(asked(&shown), Some(Ok(JobRequest::Resume)));
    }
}
