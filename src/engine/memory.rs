//! Keeps the memory of one step for the next.

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
