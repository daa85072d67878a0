//! How a running job is paused and stopped from another thread.

use std::{
    ops::ControlFlow,
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Pause and stop of one job; the job looks at it between batches.
#[derive(Debug, Default)]
pub struct Control {
    stop: AtomicBool,
    cancel: AtomicBool,
    /// Whether the job has done a first batch, or whatever it looks at the control between.
    begun: AtomicBool,
    paused: Mutex<bool>,
    changed: Condvar,
}

impl Control {
    /// Asks the job to end; what is done is kept.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.changed.notify_all();
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

    /// Makes the job wait, or go on.
    pub fn set_paused(&self, paused: bool) {
        *self.paused.lock().unwrap_or_else(PoisonError::into_inner) = paused;
        self.changed.notify_all();
    }

    /// Forgets an old pause and stop, for the next job of the same control.
    pub fn reset(&self) {
        self.cancel.store(false, Ordering::Relaxed);
        self.stop.store(false, Ordering::Relaxed);
        self.set_paused(false);
    }

    /// The stop flag, for work that looks at it inside a batch.
    pub(super) fn stop_flag(&self) -> &AtomicBool {
        &self.stop
    }

    /// Waits while paused, telling `on_change` when a wait begins and ends; breaks when stopped.
    pub(super) fn wait(&self, on_change: &mut dyn FnMut(bool)) -> ControlFlow<()> {
        self.begun.store(true, Ordering::Relaxed);
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        if *paused && !self.is_stopped() {
            on_change(true);
            while *paused && !self.is_stopped() {
                // A stop is set without the lock, so its notification could be missed: look again now and then.
                let waited =
                    self.changed.wait_timeout(paused, std::time::Duration::from_millis(100));
                paused = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            on_change(false);
        }
        if self.is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread};

    #[test]
    fn a_paused_job_waits_until_it_is_resumed_and_says_so() {
        let control = Control::default();
        assert!(!control.has_begun());
        control.set_paused(true);
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                control.wait(&mut |paused| sender.send(paused).expect("the test listens"))
            });
            assert_eq!(receiver.recv(), Ok(true));
            control.set_paused(false);
            assert_eq!(receiver.recv(), Ok(false));
        });
        assert!(control.wait(&mut |_| panic!("does not wait")).is_continue());
        assert!(control.has_begun());
    }

    #[test]
    fn a_stop_ends_a_pause() {
        let control = Control::default();
        control.set_paused(true);
        control.stop();
        assert!(control.wait(&mut |_| {}).is_break());
        control.reset();
        assert!(control.wait(&mut |_| {}).is_continue());
        control.cancel();
        assert!(control.wait(&mut |_| {}).is_break() && control.is_cancelled());
        control.reset();
        assert!(!control.is_cancelled());
    }
}
