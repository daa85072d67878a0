//! The only place that writes to stdout and stderr, but for tours, which say their steps.

use anyhow::{Context, Result};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use tracing_subscriber::EnvFilter;

/// What the log tells where nobody asks for more: warnings, but not those of the graphics libraries, which are
/// about drivers and window managers and nothing that a user could mend.
const LOG: &str =
    "warn,bevy_render=error,bevy_winit=error,winit=error,wgpu_hal=error,wgpu_core=error";

/// Sends what the libraries have to say to stderr: warnings and errors, or what `NAS_NAVIGATOR_LOG` asks for
/// in the syntax of `RUST_LOG`.
pub(super) fn start_log() {
    let filter =
        EnvFilter::try_from_env("NAS_NAVIGATOR_LOG").unwrap_or_else(|_| EnvFilter::new(LOG));
    let colors = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // Fails only where a log runs already.
    let _ = log.with_target(false).with_ansi(colors).compact().try_init();
}

/// Writes one JSON document and a newline to stdout.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).context("cannot write the report as JSON")?;
    text.push(b'\n');
    write(&text)
}

/// Writes one line of JSON to stdout.
pub(super) fn json_line(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec(value).context("cannot write the report as JSON")?;
    text.push(b'\n');
    write(&text)
}

/// Writes text to stdout.
pub(super) fn data(text: &str) -> Result<()> {
    write(text.as_bytes())
}

/// Writes one message line to stderr.
pub(super) fn message(text: &str) {
    // Where even stderr is gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{text}");
}

fn write(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        // The reader has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to stdout"),
    }
}
