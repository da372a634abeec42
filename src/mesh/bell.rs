//! The bell of one shard tells other shards whether it sleeps and must be woken.
//!
//! ```text
//!          announce_sleep            must_ring (one caller gets true)
//!  Awake ────────────────► Asleep ──────────────────────────────────► Awake
//!    ▲                        │ awake (something else woke it)
//!    └────────────────────────┘
//! ```
//!
//! Invariant: after the sleeper has announced its sleep, has checked all its inputs and has found
//! them empty, a thread that publishes input gets `true` from [`Bell::must_ring`], or another
//! thread got it for this sleep and rings. The sleeper owns the bell and shares it with all threads
//! that may wake it.

use super::sync::{AtomicBool, Line, Ordering, fence};

/// One flag, shared as `Arc<Bell>`. The bell makes no system call: the caller that gets `true` from
/// [`Bell::must_ring`] wakes the sleeper by other means, such as an eventfd.
///
/// The sleeper waits for more than records: a shard that holds acknowledgements back also waits for
/// `handled` and `settled` of its senders. So [`Bell::must_ring`] must be called after
/// [`Sender::publish`], [`Receiver::set_handled`] and [`Receiver::set_settled`] (once after all
/// calls of a turn), and the sleeper's second check includes [`Receiver::is_empty`],
/// [`Sender::handled`] and [`Sender::settled`].
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

    /// Announces that the sleeper is about to sleep. Then it must check all its inputs again. It
    /// may sleep only if they are empty; otherwise it calls [`Bell::awake`].
    pub fn announce_sleep(&self) {
        // Relaxed: ordered by the fence below. A swap, like every change of the flag, so that each
        // change follows the one before it also in loom, which may reorder plain stores of two
        // threads.
        self.asleep.0.swap(true, Ordering::Relaxed);
        // SeqCst, with the fence in `must_ring`: one of the two fences is first, so either the
        // sleeper's second check sees the published data, or the other thread sees the flag.
        fence(Ordering::SeqCst);
    }

    /// Announces that the sleeper is awake, whatever woke it.
    pub fn awake(&self) {
        // Relaxed: no data is handed over. A thread that still sees the old value rings once
        // without effect.
        self.asleep.0.swap(false, Ordering::Relaxed);
    }

    /// Must be called after publishing to the sleeper. Returns true exactly once per announced
    /// sleep; that caller must wake the sleeper.
    #[must_use = "who gets true must wake the sleeper, nobody else will"]
    pub fn must_ring(&self) -> bool {
        // SeqCst, with the fence in `announce_sleep`.
        fence(Ordering::SeqCst);
        // Relaxed: ordered by the fence above. Read before the swap, so that the cache line of a
        // shard that is awake stays shared by all callers. Relaxed: exactly one of several callers
        // finds `true`, because the swap is atomic.
        self.asleep.0.load(Ordering::Relaxed) && self.asleep.0.swap(false, Ordering::Relaxed)
    }
}
