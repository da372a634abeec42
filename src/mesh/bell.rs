//! The bell of one shard: it tells other shards whether this one sleeps and must be woken.
//!
//! ```text
//!          announce_sleep            must_ring (one caller gets true)
//!  Awake ────────────────► Asleep ──────────────────────────────────► Awake
//!    ▲                        │ awake (something else woke it)
//!    └────────────────────────┘
//! ```
//!
//! Invariant: when the sleeper has announced its sleep, checked all its inputs and found them
//! empty, then a thread that publishes input afterwards gets `true` from [`Bell::must_ring`], or
//! another thread got it for this sleep and rings. Owned by the sleeper, shared with all threads
//! that may wake it.

use super::sync::{AtomicBool, Line, Ordering, fence};

/// One sleeping flag, shared as `Arc<Bell>`. It makes no system call: the caller whom
/// [`Bell::must_ring`] tells to wakes the sleeper with what it has, such as an eventfd.
///
/// The sleeper waits for more than records: a shard that holds acknowledgements back also waits for
/// `handled` and `settled` of its senders. So the bell belongs after [`Sender::publish`],
/// [`Receiver::set_handled`] and [`Receiver::set_settled`] alike (once after all of a turn's),
/// and the sleeper's second look takes in [`Receiver::is_empty`], [`Sender::handled`] and
/// [`Sender::settled`].
///
/// [`Sender::publish`]: super::Sender::publish
/// [`Sender::handled`]: super::Sender::handled
/// [`Sender::settled`]: super::Sender::settled
/// [`Receiver::set_handled`]: super::Receiver::set_handled
/// [`Receiver::set_settled`]: super::Receiver::set_settled
/// [`Receiver::is_empty`]: super::Receiver::is_empty
#[derive(Default)]
pub struct Bell {
    asleep: Line<AtomicBool>,
}

impl Bell {
    /// The bell of a shard that is awake.
    pub fn new() -> Self {
        Self::default()
    }

    /// Announces that the sleeper is about to sleep. Afterwards it must check all its inputs again,
    /// and may sleep only if they are empty; otherwise it calls [`Bell::awake`].
    pub fn announce_sleep(&self) {
        // Relaxed: ordered by the fence below. A swap, like every change of the flag, so that each
        // follows the one before it also for loom, which may mix up plain stores of two threads.
        self.asleep.0.swap(true, Ordering::Relaxed);
        // SeqCst, with the fence in `must_ring`: of two fences one is first, so either the
        // sleeper's second look sees what the other published, or the other sees the flag.
        fence(Ordering::SeqCst);
    }

    /// Says that the sleeper is awake, however it was woken.
    pub fn awake(&self) {
        // Relaxed: no data is handed over. A thread that still sees the old value rings once in
        // vain.
        self.asleep.0.swap(false, Ordering::Relaxed);
    }

    /// Must be called after publishing to the sleeper. Returns true exactly once per announced
    /// sleep, to the one caller that then must wake the sleeper.
    #[must_use = "who gets true must wake the sleeper, nobody else will"]
    pub fn must_ring(&self) -> bool {
        // SeqCst, with the fence in `announce_sleep`.
        fence(Ordering::SeqCst);
        // Relaxed: ordered by the fence above. Read before the swap, so that the cache line of a
        // shard that is awake stays shared by all callers. Relaxed: of several callers one finds
        // `true`, by the atomicity of the swap alone.
        self.asleep.0.load(Ordering::Relaxed) && self.asleep.0.swap(false, Ordering::Relaxed)
    }
}
