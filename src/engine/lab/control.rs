//! How a running job is stopped from another thread.

use std::sync::atomic::{AtomicBool, Ordering};

/// The wish to end one job, which looks at it between its steps and within long ones.
#[derive(Debug, Default)]
pub struct Control {
    stop: AtomicBool,
    cancel: AtomicBool,
    /// Whether the job has come to its first step.
    begun: AtomicBool,
}

impl Control {
    /// Asks the job to end; what is done is kept.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Asks the job to end, and a training to forget the epoch that it has begun.
    pub fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
        self.stop();
    }

    /// Whether the job was asked to forget what it has begun.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Whether the job was asked to end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether the job has done something that a stop would keep.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Says that the job has come to its first step.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// The stop flag, for work that looks at it within a step.
    pub(in crate::engine) fn stop_flag(&self) -> &AtomicBool {
        &self.stop
    }
}
