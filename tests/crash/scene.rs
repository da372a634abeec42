//! What all actors of a round share: whether it is over, and whether it is the last.

use std::sync::atomic::{AtomicBool, Ordering};

/// See the module.
pub(crate) struct Scene {
    over: AtomicBool,
    drains: bool,
}

impl Scene {
    /// In a round that `drains` nothing new is published, and actors end when they have all.
    pub(crate) fn new(drains: bool) -> Self {
        Self { over: AtomicBool::new(false), drains }
    }

    pub(crate) fn drains(&self) -> bool {
        self.drains
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Has all actors end.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
