//! The only place that writes to stdout and stderr, except for tours, which print their steps.

use anyhow::{Context, Result};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use tracing_subscriber::EnvFilter;

/// The default filter of the log: warnings, but not those of the graphics libraries. Theirs are about drivers and
/// window managers, and a user could not mend what they report.
const LOG: &str =
    "warn,bevy_render=error,bevy_winit=error,winit=error,wgpu_hal=error,wgpu_core=error";

/// Sends what the libraries have to say to stderr: warnings and errors, or what `NAS_NAVIGATOR_LOG` asks for
/// in the syntax of `RUST_LOG`.
pub(super) fn start_log() {
    let wanted = std::env::var_os(LOG_VARIABLE).filter(|wanted| !wanted.is_empty());
    let filter = match wanted.map(|wanted| filter(&wanted.to_string_lossy())) {
        Some(Ok(filter)) => filter,
        Some(Err(why)) => {
            message(&format!("warning: {why}; the log is as it is without {LOG_VARIABLE}"));
            EnvFilter::new(LOG)
        }
        None => EnvFilter::new(LOG),
    };
    // See <https://no-color.org>.
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colors = io::stderr().is_terminal() && !no_color;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // Fails only where a log runs already.
    let _ = log.with_target(false).with_ansi(colors).compact().try_init();
}

const LOG_VARIABLE: &str = "NAS_NAVIGATOR_LOG";

/// The filter that `text` is, or why it is none. A word alone is read as the name of a library by `EnvFilter`, so that a
/// slip in the name of a level would silence the log.
fn filter(text: &str) -> Result<EnvFilter, String> {
    const LEVELS: &str = "off, error, warn, info, debug or trace";
    const LIBRARIES: [&str; 13] = [
        "nas_navigator",
        "bevy",
        "burn",
        "cubecl",
        "cubek",
        "egui",
        "gilrs",
        "image",
        "naga",
        "safetensors",
        "tracing",
        "wgpu",
        "winit",
    ];
    let is_level = |word: &str| {
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        word.parse::<u8>().is_ok() || levels.iter().any(|level| level.eq_ignore_ascii_case(word))
    };
    let is_known = |word: &&str| {
        word.is_empty()
            || is_level(word)
            || word.contains(['=', '[', ':'])
            || LIBRARIES.iter().any(|library| word.starts_with(library))
    };
    if let Some(word) = text.split(',').map(str::trim).find(|word| !is_known(word)) {
        return Err(format!(
            "`{word}` in {LOG_VARIABLE} is no level; use {LEVELS}, as in `info` or `nas_navigator=debug`"
        ));
    }
    EnvFilter::try_new(text).map_err(|error| {
        format!(
            "{LOG_VARIABLE} cannot be read ({error}); use {LEVELS}, as in `info` or `nas_navigator=debug`"
        )
    })
}

/// Text as a terminal can be given it. Names of files and classes are other people's: control characters among them could
/// colour, move or hide what stands around them.
fn harmless(text: &str) -> String {
    text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "\u{fffd}")
}

/// Writes one JSON document and a newline to stdout.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    write_json(serde_json::to_string_pretty(value))
}

/// Writes one line of JSON to stdout.
pub(super) fn json_line(value: &impl Serialize) -> Result<()> {
    write_json(serde_json::to_string(value))
}

fn write_json(text: serde_json::Result<String>) -> Result<()> {
    let text = text.context("cannot write the report as JSON")?;
    write(format!("{}\n", escaped(&text)).as_bytes())
}

/// The JSON `text` with all control characters escaped: the standard asks for that below the space only.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            escaped += &format!("\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Writes text to stdout.
pub(super) fn data(text: &str) -> Result<()> {
    write(harmless(text).as_bytes())
}

/// Writes one message line to stderr.
pub(super) fn message(text: &str) {
    // If stderr is closed too, the message has nowhere to go.
    let _ = writeln!(io::stderr(), "{}", harmless(text));
}

fn write(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        // The reader has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to stdout"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let name = "a\u{1b}[31m\u{7}\r\u{7f}\u{9b}2J";
        assert_eq!(harmless(name), "a\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}\u{fffd}2J");
        assert_eq!(harmless("two\nlines\tapart, grün"), "two\nlines\tapart, grün");
        let json = escaped(&serde_json::to_string(&[name]).expect("is text"));
        assert!(!json.contains(char::is_control), "{json}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).expect("is JSON"), [name]);
    }

    #[test]
    fn what_is_no_log_filter_is_told() {
        for good in
            [LOG, "debug", "WARN", "nas_navigator=debug,wgpu=off", "info,bevy_render", "3", "a::b"]
        {
            assert!(filter(good).is_ok(), "{good}");
        }
        for wrong in ["loud", "debgu", "nas_navigator=loud", "info,verbose", "=", "warn=error=info"]
        {
            let why = filter(wrong).expect_err(wrong);
            assert!(why.contains(LOG_VARIABLE) && why.contains("nas_navigator=debug"), "{why}");
        }
    }
}
