//! Panics as answers, for libraries that know no other way to say that a driver or a display is missing.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::{Mutex, Once, PoisonError},
};

/// The panic hook belongs to the whole process: one at a time may exchange it.
static HOOK: Mutex<()> = Mutex::new(());

/// Runs `work`; a panic in it becomes its text on one line, without a word on the terminal.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let _one_at_a_time = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    panic::set_hook(hook);
    result.map_err(|panic| panic_text(&*panic))
}

/// Like [`quietly`], for short work on many threads at once: only panics of this thread are caught and kept quiet.
pub(crate) fn quietly_here<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    thread_local! {
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }
    // One hook for good, which asks the thread: exchanging it would make the threads wait for each other.
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _one_at_a_time = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                hook(panic);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    result.map_err(|panic| panic_text(&*panic))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it failed without a message");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_text_on_one_line() {
        assert_eq!(quietly_here(|| 7), Ok(7));
        let failed = quietly_here(|| -> u8 { panic!("no\n  driver {}", 3) });
        assert_eq!(failed, Err("no driver 3".to_owned()));
        let nested = quietly_here(|| quietly_here(|| -> u8 { panic!("inside") }));
        assert_eq!(nested, Ok(Err("inside".to_owned())));
    }
}
