//! How the C library's heap grows.
//!
//! # Obligations of the `unsafe` here
//! `mallopt` must be called before other threads allocate.

#![allow(unsafe_code)]

/// Allocations from this size on, in bytes, have memory of their own, which goes back to the
/// system with them and grows without a copy. Tables of connections and sessions double as they
/// grow: what they leave in a shared heap would stay with the process. Unless it is set, glibc
/// raises its first value, 128 KiB, up to 32 MiB by and by. Most messages are smaller: memory of
/// their own would cost each some page faults.
const OWN_MEMORY_BYTES_MIN: i32 = 1024 * 1024;

/// Settles it; to be called before any thread is started.
pub(super) fn settle() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: it changes a number of the allocator, and no other thread is there yet.
        let done = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_MEMORY_BYTES_MIN) };
        debug_assert_eq!(done, 1, "the value is one that glibc takes");
    }
}
