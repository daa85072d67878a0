//! Everything that was reported since the start, and the toasts that are still on screen.

use super::{style, widgets};
use crate::{app::document::Notice, engine::report::Topic};
use bevy_egui::egui::{Label, RichText, ScrollArea, Ui};
use std::collections::VecDeque;

/// How many notices are kept.
const KEPT: usize = 200;

/// The kind of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Good to know.
    Info,
    /// Something to be cautious about, as long as it holds.
    Caution(Topic),
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
    /// Its kind.
    pub(super) kind: Kind,
    /// Its text.
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
        match notice {
            Notice::Info(text) => self.push(Kind::Info, text, at_secs, toast),
            Notice::Error(text) => self.push(Kind::Error, text, at_secs, toast),
            Notice::Cautions { about, texts } => {
                let kind = Kind::Caution(*about);
                let Self { entries, toasts, .. } = self;
                let entry = |number: u64| entries.iter().find(|entry| entry.number == number);
                // What does not hold any more goes; in the log it stays.
                toasts.retain(|&number| {
                    entry(number)
                        .is_none_or(|entry| entry.kind != kind || texts.contains(&entry.text))
                });
                let shown: Vec<_> = toasts.iter().filter_map(|&number| entry(number)).collect();
                // A job tells again what still holds.
                let is_shown =
                    |text: &String| shown.iter().any(|e| e.kind == kind && e.text == *text);
                let new: Vec<_> = texts.iter().filter(|text| !is_shown(text)).cloned().collect();
                new.iter().for_each(|text| self.push(kind, text, at_secs, toast));
            }
        }
    }

    fn push(&mut self, kind: Kind, text: &str, at_secs: f64, toast: bool) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.count += 1;
        let text = text.to_owned();
        self.entries.push_back(Entry { number: self.count, at_secs, kind, text });
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
                    Kind::Caution(_) => RichText::new(format!("Caution: {}", entry.text)),
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
    fn a_caution_leaves_the_screen_when_it_no_longer_holds() {
        let mut notices = Notices::default();
        let mut tell = |about, texts: &[&str]| {
            let texts = texts.iter().map(|&text| text.to_owned()).collect();
            notices.add(&Notice::Cautions { about, texts }, 0.0, true);
            let shown = notices.toasts.iter().filter_map(|&number| notices.get(number));
            shown.map(|entry| entry.text.clone()).collect::<Vec<_>>()
        };
        assert_eq!(tell(Topic::Memory, &["Much memory"]), ["Much memory"]);
        let both = ["Much memory", "Few rows", "All equal"];
        assert_eq!(tell(Topic::Results, &["Few rows", "All equal"]), both);
        assert_eq!(tell(Topic::Results, &["Few rows"]), ["Much memory", "Few rows"]);
        assert_eq!(tell(Topic::Memory, &[]), ["Few rows"]);
        assert!(tell(Topic::Results, &[]).is_empty());
        assert_eq!(notices.entries.len(), 3, "the log keeps them");
        notices.add(&Notice::Error("no disk".to_owned()), 0.0, true);
        let none = Notice::Cautions { about: Topic::Results, texts: Vec::new() };
        notices.add(&none, 0.0, true);
        assert_eq!(notices.toasts.len(), 1, "an error stays");
    }

    #[test]
    fn times_are_hours_minutes_and_whole_seconds() {
        assert_eq!([0.0, 200.9, 3661.0].map(clock), ["0:00:00", "0:03:20", "1:01:01"]);
    }
}
