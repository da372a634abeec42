//! The progress of a flow, which the driver reports to its input.

use std::cell::Cell;

use tokio::sync::Notify;

/// The progress of the target. `confirmed` only grows.
#[derive(Debug, Default)]
pub struct Progress {
    confirmed: Cell<u64>,
    closed: Cell<bool>,
    changed: Notify,
}

impl Progress {
    /// The receipt number below which all messages may be acknowledged.
    pub fn confirmed(&self) -> u64 {
        self.confirmed.get()
    }

    /// Notes that the target has all messages below `end`.
    pub fn confirm(&self, end: u64) {
        assert!(end >= self.confirmed.get(), "the watermark only rises");
        self.confirmed.set(end);
        self.changed.notify_one();
    }

    /// Notes that nothing more will be confirmed: the input may acknowledge the rest and end.
    pub fn close(&self) {
        self.closed.set(true);
        self.changed.notify_one();
    }

    /// Whether [`Progress::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Returns after a change.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
