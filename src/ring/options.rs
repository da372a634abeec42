//! The options of a ring.

use crate::limits::{RECV_BUFFER_BYTES, RECV_BUFFERS};

/// The submissions of one syscall: more of them in a turn need one more syscall.
const SUBMISSIONS: u32 = 1024;

/// The completions that can wait before the kernel must allocate: 4 × those of a turn.
const COMPLETIONS: u32 = 16 * 1024;

const _: () = assert!(RECV_BUFFERS.is_power_of_two() && RECV_BUFFERS <= 1 << 15);
const _: () = assert!(RECV_BUFFER_BYTES <= i32::MAX as usize);

/// The sizes of a ring, all powers of two, and the CPUs for its file work.
#[derive(Clone, Debug)]
pub struct Options {
    /// Operations that one syscall submits; at least 2. Only for io_uring.
    pub submissions: u32,
    /// Completions that the kernel keeps without allocating. Only for io_uring.
    pub completions: u32,
    /// Receive buffers; at most 32,768.
    pub recv_buffers: u16,
    /// The size of a receive buffer.
    pub recv_buffer_bytes: u32,
    /// The CPUs for threads that write to files, preferably without the ring's own. Empty: the
    /// kernel chooses.
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
