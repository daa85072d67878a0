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

/// The system's allocator, except when no memory is left: the program then says so in one sentence and ends with
/// code 1. Rust's own way is to abort with a backtrace. What a run has recorded is on the disk at any time.
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

/// The memory that is assumed to be free where the system does not say.
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
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let group = free_of_groups(&groups, &read);
    [machine, address_space(), group].into_iter().flatten().min().unwrap_or(ASSUMED_FREE)
}

/// The least that the control groups of a process leave it, its own and those around it; `groups` is what
/// `/proc/self/cgroup` says, `read` reads a file.
fn free_of_groups(groups: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let mut least = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        // Version 2 has one tree for all controllers, version 1 one for each.
        let (root, limit, used, cache) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max", "memory.current", ["inactive_file ", "active_file "])
        } else if controllers.split(',').any(|controller| controller == "memory") {
            let names = ("memory.limit_in_bytes", "memory.usage_in_bytes");
            let cache = ["total_inactive_file ", "total_active_file "];
            ("/sys/fs/cgroup/memory", names.0, names.1, cache)
        } else {
            continue;
        };
        // In a container the path may be that of the host, while its own group is mounted as the root.
        let mut folder = Some(path.trim_end_matches('/'));
        while let Some(path) = folder {
            let file = |name: &str| read(&format!("{root}{path}/{name}"));
            let number = |name: &str| file(name)?.trim().parse::<u64>().ok();
            if let (Some(limit), Some(used)) = (number(limit), number(used)) {
                // What files are kept in memory for later is given up where it is needed.
                let stat = file("memory.stat").unwrap_or_default();
                let of = |name: &str| {
                    let line = stat.lines().find_map(|line| line.strip_prefix(name));
                    line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0)
                };
                let used = used.saturating_sub(cache.iter().map(|name| of(name)).sum());
                let free = limit.saturating_sub(used);
                least = Some(least.map_or(free, |least: u64| least.min(free)));
            }
            folder = path.rfind('/').map(|end| &path[..end]);
        }
    }
    least
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
    fn the_narrowest_group_around_the_process_counts_and_file_caches_do_not() {
        let read = |path: &str| {
            let text = match path {
                "/sys/fs/cgroup/a/b/memory.max" | "/sys/fs/cgroup/memory.max" => "max",
                "/sys/fs/cgroup/a/memory.max" => "4000",
                "/sys/fs/cgroup/a/memory.current" => "3900\n",
                "/sys/fs/cgroup/a/memory.stat" => "anon 400\ninactive_file 3000\nactive_file 500\n",
                "/sys/fs/cgroup/memory/job/memory.limit_in_bytes" => "1000",
                "/sys/fs/cgroup/memory/job/memory.usage_in_bytes" => "900",
                "/sys/fs/cgroup/memory/job/memory.stat" => "cache 300\ntotal_inactive_file 300\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        assert_eq!(free_of_groups("0::/a/b\n", &read), Some(3600));
        assert_eq!(free_of_groups("4:memory:/job\n2:cpu:/\n0::/\n", &read), Some(400));
        assert_eq!(free_of_groups("", &read), None);
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
