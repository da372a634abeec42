//! What all actors of a round share: whether it is over, whether it is the last, what is published.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::ledger::{Kind, Topic};

/// See the module.
pub(crate) struct Scene {
    over: AtomicBool,
    ends: Ends,
    theme: Theme,
}

/// How a round ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ends {
    /// The broker is killed while all talk to it.
    Killed,
    /// When all have stopped listening: what its log had by then is all that anybody was promised.
    Torn,
    /// Nothing new is published, and all is received.
    Drained,
}

/// What is published in a round: what one kind of message gets along with may depend on the others.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Theme {
    /// On topics of one kind alone.
    pub(crate) kind: Option<Kind>,
    /// At one QoS alone.
    pub(crate) qos: Option<u8>,
}

impl Theme {
    pub(crate) fn has(self, topic: &Topic) -> bool {
        self.kind.is_none_or(|kind| kind == topic.kind)
            && self.qos.is_none_or(|qos| qos == topic.qos)
    }
}

impl Scene {
    pub(crate) fn new(ends: Ends, theme: Theme) -> Self {
        Self { over: AtomicBool::new(false), ends, theme }
    }

    pub(crate) fn theme(&self) -> Theme {
        self.theme
    }

    /// Actors end when they have all.
    pub(crate) fn drains(&self) -> bool {
        self.ends == Ends::Drained
    }

    /// Publishers keep their connections when it is over.
    pub(crate) fn lingers(&self) -> bool {
        self.ends == Ends::Torn
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Has all actors end.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
