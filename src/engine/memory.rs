//! Memory: keeps that of one step for the next, knows how much is free, and ends in words where there is none.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fmt::Write,
};

/// Tells the C library to keep what is freed.
///
/// A training step allocates and frees tens of megabytes. By default glibc gives them back to the system after
/// every step, and the page faults of getting them again take a sixth of the time of training, and more where
/// other programs run. Elsewhere than on glibc nothing is done.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Kept at most.
        const KEPT: libc::c_int = 1 << 30;
        /// What is larger comes from the system and goes back to it; the most that glibc takes here.
        const LARGE: libc::c_int = 32 << 20;
        #[allow(unsafe_code, reason = "mallopt only sets numbers; it may be called at any time")]
        // SAFETY: mallopt takes any two integers, and refuses those that it does not know.
        unsafe {
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        }
    }
}

/// The system's allocator, but for what happens when it has nothing left: the program says so in one sentence and
/// ends with code 1. Rust's own way is to abort with a backtrace. What a run has recorded is on the disk at any time.
pub struct Allocator;

impl Allocator {
    fn check(pointer: *mut u8, bytes: usize) -> *mut u8 {
        if pointer.is_null() {
            out_of_memory(bytes);
        }
        pointer
    }
}

#[allow(unsafe_code, reason = "an allocator cannot be written without; all of it is passed on")]
// SAFETY: every call is passed on to the system's allocator as it is; where that gives nothing, the process ends.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract, which is the same.
        Self::check(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        Self::check(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        Self::check(unsafe { System.realloc(pointer, layout, size) }, size)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Ends the process with a sentence. Nothing may be allocated here.
#[cold]
fn out_of_memory(bytes: usize) -> ! {
    let mut text = Short { bytes: [0; 256], length: 0 };
    let _ = writeln!(
        text,
        "error: out of memory: {} MB more were needed; what the run has recorded is kept: close other programs and \
         go on with --resume, or start a new run with a smaller --batch-size",
        bytes.div_ceil(1_000_000)
    );
    end(&text.bytes[..text.length])
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "std's way to write and to end may allocate")]
fn end(text: &[u8]) -> ! {
    // SAFETY: the buffer is as long as is said; _exit ends the process without running anything else.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::_exit(1)
    }
}

#[cfg(not(unix))]
fn end(_text: &[u8]) -> ! {
    std::process::abort()
}

/// Text of bounded length, without an allocation; what does not fit is left out.
struct Short {
    bytes: [u8; 256],
    length: usize,
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = self.bytes.len() - self.length;
        let taken = text.len().min(room);
        self.bytes[self.length..][..taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.length += taken;
        Ok(())
    }
}

/// What is assumed to be free where the system does not say.
const ASSUMED_FREE: u64 = 2 << 30;

/// About how many bytes this process can still get: what the machine has, or what the process, its group or its
/// address space is limited to.
pub fn free() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| kilobytes(&text, "MemAvailable:"));
    let address_space = || {
        let limits = read("/proc/self/limits")?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
        let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(limit.saturating_sub(kilobytes(&read("/proc/self/status")?, "VmSize:")?))
    };
    let group = || {
        let groups = read("/proc/self/cgroup")?;
        let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        let value = |name: &str| -> Option<u64> {
            let path = format!("/sys/fs/cgroup{}/{name}", group.trim_end_matches('/'));
            read(&path).or_else(|| read(&format!("/sys/fs/cgroup/{name}")))?.trim().parse().ok()
        };
        Some(value("memory.max")?.saturating_sub(value("memory.current")?))
    };
    [machine, address_space(), group()].into_iter().flatten().min().unwrap_or(ASSUMED_FREE)
}

/// The value of a line such as `VmSize:  1234 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let count: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(count.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read() {
        let text = "MemTotal:       24000000 kB\nMemAvailable:   22000000 kB\n";
        assert_eq!(kilobytes(text, "MemAvailable:"), Some(22_000_000 * 1024));
        assert_eq!(kilobytes(text, "VmSize:"), None);
        assert!(free() > 0);
    }

    #[test]
    fn the_last_words_are_cut_rather_than_too_long() {
        let mut text = Short { bytes: [0; 256], length: 0 };
        for _ in 0..100 {
            write!(text, "seven..").expect("never fails");
        }
        assert_eq!(text.length, 256);
    }
}
