//! The bytes that one flow holds. `used <= max`, except for one packet larger than `max`, which is
//! accepted when the flow holds nothing else.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// Counts the bytes that a flow holds; its reader waits for room.
#[derive(Debug)]
pub struct Budget {
    max: usize,
    used: Cell<usize>,
    freed: Notify,
}

/// Bytes that count until this is dropped.
#[derive(Debug)]
pub struct Lease {
    budget: Rc<Budget>,
    bytes: usize,
}

impl Budget {
    /// Room for `max` bytes.
    pub fn new(max: usize) -> Rc<Self> {
        Rc::new(Self { max, used: Cell::new(0), freed: Notify::new() })
    }

    /// Bytes that are held now.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// Whether there is room for `bytes` more.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.used.get() == 0 || self.used.get() + bytes <= self.max
    }

    /// Returns when there is room for `bytes` more.
    pub async fn room(&self, bytes: usize) {
        while !self.has_room(bytes) {
            self.freed.notified().await;
        }
    }

    /// Counts `bytes` even without room, because they have been read.
    pub fn take(self: &Rc<Self>, bytes: usize) -> Rc<Lease> {
        self.used.set(self.used.get() + bytes);
        Rc::new(Lease { budget: self.clone(), bytes })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.used.set(self.budget.used.get() - self.bytes);
        self.budget.freed.notify_one();
    }
}
