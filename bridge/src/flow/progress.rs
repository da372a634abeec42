//! How far a flow is: the driver tells its input.

use std::cell::Cell;

use tokio::sync::Notify;

/// How far the target is, for the input. `confirmed` only grows.
#[derive(Debug, Default)]
pub struct Progress {
    confirmed: Cell<u64>,
    closed: Cell<bool>,
    changed: Notify,
}

impl Progress {
    /// All messages below this receipt number may be acknowledged.
    pub fn confirmed(&self) -> u64 {
        self.confirmed.get()
    }

    /// The target has all messages below `end`.
    pub fn confirm(&self, end: u64) {
        assert!(end >= self.confirmed.get(), "the watermark only rises");
        self.confirmed.set(end);
        self.changed.notify_one();
    }

    /// Nothing more will be confirmed: the input may acknowledge the rest and end.
    pub fn close(&self) {
        self.closed.set(true);
        self.changed.notify_one();
    }

    /// Whether that was said.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Returns after a change.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
