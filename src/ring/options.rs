//! The options of a ring.

use crate::limits::{RECV_BUFFER_BYTES, RECV_BUFFERS};

/// Submissions that one syscall takes: more in a turn cost one more syscall.
const SUBMISSIONS: u32 = 1024;

/// Completions that wait for one turn before the kernel must allocate: 4 × what a turn brings.
const COMPLETIONS: u32 = 16 * 1024;

const _: () = assert!(RECV_BUFFERS.is_power_of_two() && RECV_BUFFERS <= 1 << 15);
const _: () = assert!(RECV_BUFFER_BYTES <= i32::MAX as usize);

/// Sizes of a ring, all powers of two, and where its file work is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Operations that one syscall submits; at least 2. Of io_uring alone.
    pub submissions: u32,
    /// Completions that the kernel keeps without allocating. Of io_uring alone.
    pub completions: u32,
    /// Receive buffers; at most 32,768.
    pub recv_buffers: u16,
    /// Bytes of one receive buffer.
    pub recv_buffer_bytes: u32,
    /// CPUs for the threads that write to files; best without the ring's own. Empty: the kernel
    /// chooses.
    pub worker_cpus: Vec<usize>,
}

impl Default for Options {
    fn default() -> Self {
        let recv_buffer_bytes = u32::try_from(RECV_BUFFER_BYTES).expect("asserted above");
        Self {
            submissions: SUBMISSIONS,
            completions: COMPLETIONS,
            recv_buffers: RECV_BUFFERS,
            recv_buffer_bytes,
            worker_cpus: Vec::new(),
        }
    }
}
