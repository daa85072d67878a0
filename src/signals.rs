//! Signals that ask the program to end: Ctrl-C, and what Unix sends where a job is cancelled or a terminal closed.

use std::{
    io, process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};
use thiserror::Error;

/// A signal that asks the program to end.
#[cfg_attr(not(unix), allow(dead_code, reason = "some are sent on Unix only"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT, which the terminal sends on Ctrl-C.
    Interrupt,
    /// SIGTERM, which batch systems, containers and `timeout` send.
    Terminate,
    /// SIGHUP, which is sent where a terminal is closed.
    HangUp,
}

impl Signal {
    /// What people know it as.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "Ctrl-C",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
        }
    }

    /// The exit code of a program that it has ended: 128 and its number, as a shell has it.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
            Self::HangUp => 129,
        }
    }
}

/// Signals cannot be listened for.
#[derive(Debug, Error)]
pub(crate) enum ListenError {
    /// Ctrl-C has a handler already, or the system refuses one.
    #[error("cannot listen for Ctrl-C: {0}")]
    Interrupt(#[from] ctrlc::Error),
    /// The system refuses a handler of another signal.
    #[error("cannot listen for SIGTERM: {0}")]
    Others(#[from] io::Error),
}

/// Signals that come so soon after the first are the same wish to end: `timeout` signals both the process and its
/// group, and a terminal that is closed both the shell, which passes it on, and what runs in it.
const SAME_WISH: Duration = Duration::from_millis(250);

/// The exit code that goes with the first signal; 0 until there is one.
static RECEIVED: AtomicU8 = AtomicU8::new(0);

/// The exit code of a program that a signal has ended, once one has come.
pub(crate) fn exit_code() -> Option<u8> {
    Some(RECEIVED.load(Ordering::Relaxed)).filter(|&code| code != 0)
}

/// Calls `stop` on the first signal, on a thread of its own; another one ends the program at once. To be called once
/// per process.
///
/// # Errors
/// When there is a handler already, or the system refuses one.
pub(crate) fn listen(stop: impl Fn(Signal) + Send + 'static) -> Result<(), ListenError> {
    let state = Mutex::new((None::<Instant>, stop));
    let handler = Arc::new(move |signal: Signal| {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.0.map(|first| first.elapsed()) {
            None => {
                state.0 = Some(Instant::now());
                RECEIVED.store(signal.exit_code(), Ordering::Relaxed);
                (state.1)(signal);
            }
            Some(since) if since < SAME_WISH => {}
            Some(_) => process::exit(signal.exit_code().into()),
        }
    });
    let on_interrupt = Arc::clone(&handler);
    ctrlc::set_handler(move || on_interrupt(Signal::Interrupt))?;
    #[cfg(unix)]
    listen_on_unix(move |signal| handler(signal))?;
    Ok(())
}

#[cfg(unix)]
fn listen_on_unix(handler: impl Fn(Signal) + Send + 'static) -> io::Result<()> {
    use signal_hook::{
        consts::{SIGHUP, SIGTERM},
        iterator::Signals,
    };
    let mut signals = Signals::new([SIGTERM])?;
    if hang_up_is_heard(std::fs::read_to_string("/proc/self/status").ok().as_deref()) {
        signals.add_signal(SIGHUP)?;
    }
    let listen = move || {
        for signal in signals.forever() {
            handler(if signal == SIGHUP { Signal::HangUp } else { Signal::Terminate });
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(listen)?;
    Ok(())
}

/// Whether a closed terminal may end this process, of which the system says `status`: not what was started with
/// `nohup`, which has SIGHUP ignored. Where the system does not say, SIGHUP does what it does to every program.
#[cfg(unix)]
fn hang_up_is_heard(status: Option<&str>) -> bool {
    let ignored = status.and_then(|status| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    ignored.is_some_and(|ignored| ignored & 1 == 0)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_protects_hears_no_hang_up() {
        let status = |mask: &str| format!("Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n");
        assert!(hang_up_is_heard(Some(&status("0000000000001000"))));
        assert!(!hang_up_is_heard(Some(&status("0000000000001001"))));
        assert!(!hang_up_is_heard(Some("Name:\tx\n")));
        assert!(!hang_up_is_heard(None));
    }
}
