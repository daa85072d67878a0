//! Bounds the memory of decoded images: small ones are decoded side by side, large ones wait for each other.

use std::sync::{Condvar, Mutex, PoisonError};

/// Bytes that decoding threads share.
pub(super) struct Budget {
    all: u64,
    free: Mutex<u64>,
    freed: Condvar,
}

/// Bytes that a thread has taken; dropping gives them back.
pub(super) struct Taken<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    /// So many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        Self { all: bytes, free: Mutex::new(bytes), freed: Condvar::new() }
    }

    /// Waits until there are so many bytes, or for all where more are asked for. A thread must not ask twice.
    pub(super) fn take(&self, bytes: u64) -> Taken<'_> {
        let bytes = bytes.min(self.all);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.freed.wait_while(free, |free| *free < bytes);
        *wait.unwrap_or_else(PoisonError::into_inner) -= bytes;
        Taken { budget: self, bytes }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.budget.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        thread,
    };

    #[test]
    fn no_more_is_taken_at_once_than_there_is() {
        let (budget, used) = (Budget::new(10), AtomicU64::new(0));
        thread::scope(|scope| {
            for thread in 0..8 {
                let (budget, used) = (&budget, &used);
                scope.spawn(move || {
                    for turn in 0..200 {
                        let bytes = (thread * 7 + turn) % 14;
                        let taken = budget.take(bytes);
                        let bytes = bytes.min(10);
                        assert!(used.fetch_add(bytes, Ordering::SeqCst) + bytes <= 10);
                        used.fetch_sub(bytes, Ordering::SeqCst);
                        drop(taken);
                    }
                });
            }
        });
        assert_eq!(*budget.free.lock().unwrap(), 10);
    }
}
