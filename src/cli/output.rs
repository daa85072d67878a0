//! The only place that writes to stdout and stderr.

use anyhow::{Context, Result};
use serde::Serialize;
use std::io::{self, Write};

/// Writes one JSON document and a newline to stdout.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).context("cannot write the report as JSON")?;
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
