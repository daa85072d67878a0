//! Everything that was reported since the start, and the toasts that are still on screen.

use super::{style, widgets};
use crate::app::document::Notice;
use bevy_egui::egui::{Label, RichText, ScrollArea, Ui};
use std::collections::VecDeque;

/// How many notices are kept.
const KEPT: usize = 200;

/// What kind of thing a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Good to know.
    Info,
    /// Results are not worth what they seem to be.
    Caution,
    /// Something failed.
    Error,
}

/// One notice of the log.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Counts up, so that a toast can be told from its equals.
    pub(super) number: u64,
    /// Seconds since the start of the program.
    pub(super) at_secs: f64,
    /// What kind of thing it tells.
    pub(super) kind: Kind,
    /// What it says.
    pub(super) text: String,
}

/// The log, and which of its notices are still toasts.
#[derive(Debug, Default)]
pub(super) struct Notices {
    entries: VecDeque<Entry>,
    /// Numbers of the notices that are still on screen, oldest first.
    pub(super) toasts: Vec<u64>,
    count: u64,
}

impl Notices {
    /// Takes a notice into the log, and on screen if `toast` says so.
    pub(super) fn add(&mut self, notice: &Notice, at_secs: f64, toast: bool) {
        let (kind, text) = match notice {
            Notice::Info(text) => (Kind::Info, text),
            Notice::Caution(text) => (Kind::Caution, text),
            Notice::Error(text) => (Kind::Error, text),
        };
        // A job tells again what still holds.
        let told =
            self.entries.iter().rev().find(|entry| entry.text == *text && kind == Kind::Caution);
        if told.is_some_and(|entry| self.toasts.contains(&entry.number)) {
            return;
        }
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.count += 1;
        self.entries.push_back(Entry { number: self.count, at_secs, kind, text: text.clone() });
        if toast {
            self.toasts.push(self.count);
        }
    }

    /// The notice with this number, as long as it is kept.
    pub(super) fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.number == number)
    }

    /// How many errors are in the log.
    pub(super) fn errors(&self) -> usize {
        self.entries.iter().filter(|entry| entry.kind == Kind::Error).count()
    }

    /// Takes everything out of the log and off the screen.
    fn clear(&mut self) {
        self.entries.clear();
        self.toasts.clear();
    }
}

/// Draws the log, newest last, `height` points high.
pub(super) fn show(ui: &mut Ui, notices: &mut Notices, height: f32) {
    if notices.entries.is_empty() {
        widgets::empty_state(ui, "Nothing has been reported yet");
        return;
    }
    let scroll =
        ScrollArea::vertical().id_salt("log").max_height(height).auto_shrink([false, false]);
    let mut clear = false;
    scroll.stick_to_bottom(true).show(ui, |ui| {
        for entry in &notices.entries {
            ui.horizontal_top(|ui| {
                ui.label(widgets::secondary(clock(entry.at_secs)));
                let text = match entry.kind {
                    Kind::Error => {
                        RichText::new(format!("Error: {}", entry.text)).color(style::ERROR_TEXT)
                    }
                    Kind::Caution => RichText::new(format!("Caution: {}", entry.text)),
                    Kind::Info => RichText::new(&entry.text),
                };
                ui.add(Label::new(text).wrap().selectable(true));
            });
        }
        clear = ui.small_button("Clear").on_hover_text("Empty the log").clicked();
    });
    if clear {
        notices.clear();
    }
}

/// The time since the start of the program as `0:03:20`.
fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_keeps_the_newest_and_counts_errors() {
        let mut notices = Notices::default();
        for i in 0..KEPT + 3 {
            notices.add(&Notice::Info(format!("{i}")), i as f64, false);
        }
        notices.add(&Notice::Error("no disk".to_owned()), 1e3, true);
        assert_eq!((notices.entries.len(), notices.errors()), (KEPT, 1));
        assert_eq!(notices.entries.front().map(|entry| entry.text.as_str()), Some("4"));
        let toast = notices.get(notices.toasts[0]).expect("is kept");
        assert_eq!((toast.text.as_str(), toast.kind), ("no disk", Kind::Error));
        notices.clear();
        assert!(notices.toasts.is_empty() && notices.errors() == 0);
    }

    #[test]
    fn times_are_hours_minutes_and_whole_seconds() {
        assert_eq!([0.0, 200.9, 3661.0].map(clock), ["0:00:00", "0:03:20", "1:01:01"]);
    }
}
