//! The state that all actors of a round share: whether it is over, whether it is the last, its
//! theme.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::ledger::{Kind, Topic};

/// See the module.
pub(crate) struct Scene {
    over: AtomicBool,
    drains: bool,
    theme: Theme,
}

/// The messages of a round: a fault of one kind may depend on the presence of others.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Theme {
    /// On topics of one kind only.
    pub(crate) kind: Option<Kind>,
    /// At one QoS only.
    pub(crate) qos: Option<u8>,
}

impl Theme {
    pub(crate) fn has(self, topic: &Topic) -> bool {
        self.kind.is_none_or(|kind| kind == topic.kind)
            && self.qos.is_none_or(|qos| qos == topic.qos)
    }
}

impl Scene {
    /// In a round that `drains` no new messages are published, and actors end when they have
    /// received all.
    pub(crate) fn new(drains: bool, theme: Theme) -> Self {
        Self { over: AtomicBool::new(false), drains, theme }
    }

    pub(crate) fn theme(&self) -> Theme {
        self.theme
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
