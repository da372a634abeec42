//! How the C library's heap grows and shrinks.
//!
//! # Obligations of the `unsafe` here
//! `mallopt` must be called before other threads allocate.

#![allow(unsafe_code)]

use std::time::Instant;

use crate::limits::OWN_MEMORY_BYTES_MIN;

/// Sets the size at which allocations get a mapping of their own to [`OWN_MEMORY_BYTES_MIN`]. It
/// must be called before any thread is started. Without it, glibc gradually raises its default of
/// 128 KiB to up to 32 MiB.
pub(super) fn settle() {
    #[cfg(target_env = "gnu")]
    {
        let bytes = i32::try_from(OWN_MEMORY_BYTES_MIN).expect("a few megabytes");
        // SAFETY: it changes a number of the allocator, and no other thread exists yet.
        let done = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, bytes) };
        debug_assert_eq!(done, 1, "the value is one that glibc takes");
    }
}

/// Returns the free pages of all threads' heaps to the system. Threads that allocate meanwhile may
/// wait for it.
pub(super) fn trim() {
    #[cfg(target_env = "gnu")]
    {
        let start = Instant::now();
        // SAFETY: it has no preconditions, and changes no allocated memory.
        let _whether_any = unsafe { libc::malloc_trim(0) };
        log::debug!("the heap was trimmed in {} µs", start.elapsed().as_micros());
    }
}
