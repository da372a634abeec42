//! Listeners, and the pauses after accepting has failed.

use std::ops::Range;

use crate::transport::Accepts;

/// The time until accepting is tried again after a failure, most likely for want of descriptors.
pub(super) const ACCEPT_PAUSE_MS: u64 = 100;

/// The least time between two warnings about that.
const ACCEPT_WARN_MS: u64 = 10_000;

/// A listener, and the treatment of its connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener<L> {
    /// The listening socket.
    pub socket: L,
    /// The kind of connections that are accepted.
    pub kind: ListenerKind,
}

/// The treatment of a listener's links.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ListenerKind {
    /// Whether only this host can reach it: it has a loopback address or a Unix socket.
    pub local: bool,
    /// Whether accepted connections use TLS.
    pub tls: bool,
    /// MQTT, WebSocket or both.
    pub accepts: Accepts,
    /// Whether a proxy is in front of the addresses.
    pub proxied: Proxied,
    /// Its number among the broker's listeners.
    pub number: u16,
}

impl ListenerKind {
    /// Whether a client is certainly on this host.
    pub(super) fn is_local(self) -> bool {
        self.local && self.proxied == Proxied::No
    }
}

/// Whether links begin with a PROXY header, and which addresses may send one. Behind a proxy,
/// clients may come from any address, so such a listener is not local.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Proxied {
    /// They begin with none.
    #[default]
    No,
    /// They begin with one, from a trusted address.
    ByTrusted,
    /// They begin with one, and something else decides which processes may connect, such as the
    /// mode of a Unix socket.
    ByAnyone,
}

/// The listeners of a reactor, and their pauses. The ring numbers its listeners in this order.
#[derive(Debug)]
pub(super) struct Listeners {
    /// Each with the time to accept again, if it has stopped.
    listeners: Vec<(ListenerKind, Option<u64>)>,
    warned_ms: Option<u64>,
}

impl Listeners {
    pub(super) fn new(kinds: impl Iterator<Item = ListenerKind>) -> Self {
        Self { listeners: kinds.map(|kind| (kind, None)).collect(), warned_ms: None }
    }

    /// The treatment of a listener's links.
    pub(super) fn kind(&self, listener: u32) -> ListenerKind {
        self.listeners[listener as usize].0
    }

    /// The numbers of all listeners.
    pub(super) fn numbers(&self) -> Range<u32> {
        0..u32::try_from(self.listeners.len()).expect("few listeners")
    }

    /// Stops accepting for a while after a failure; returns whether a warning is due.
    pub(super) fn pause(&mut self, listener: u32, now_ms: u64) -> bool {
        self.listeners[listener as usize].1 = Some(now_ms + ACCEPT_PAUSE_MS);
        let warns = self.warned_ms.is_none_or(|ms| ms + ACCEPT_WARN_MS <= now_ms);
        if warns {
            self.warned_ms = Some(now_ms);
        }
        warns
    }

    /// Takes a listener whose pause is over.
    pub(super) fn next_due(&mut self, now_ms: u64) -> Option<u32> {
        let is_due =
            |(_, again): &(ListenerKind, Option<u64>)| again.is_some_and(|ms| ms <= now_ms);
        let at = self.listeners.iter().position(is_due)?;
        self.listeners[at].1 = None;
        Some(u32::try_from(at).expect("few listeners"))
    }

    /// The time at which the first pause ends.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.listeners.iter().filter_map(|(_, again)| *again).min()
    }

    /// Cancels all pauses: accepting does not begin again.
    pub(super) fn stop(&mut self) {
        self.listeners.iter_mut().for_each(|(_, again)| *again = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A listener that failed accepts again after a pause; only one warning is due for a while.
    #[test]
    fn pauses_end() {
        let mut listeners = Listeners::new([ListenerKind::default(); 2].into_iter());
        assert_eq!(
            (listeners.numbers(), listeners.due_ms(), listeners.next_due(9)),
            (0..2, None, None)
        );
        assert!(listeners.pause(1, 10));
        assert!(!listeners.pause(0, 9 + ACCEPT_WARN_MS));
        assert!(listeners.pause(0, 10 + ACCEPT_WARN_MS));
        assert_eq!(listeners.due_ms(), Some(10 + ACCEPT_PAUSE_MS));
        assert_eq!(listeners.next_due(9 + ACCEPT_PAUSE_MS), None);
        assert_eq!(listeners.next_due(10 + ACCEPT_PAUSE_MS), Some(1));
        assert_eq!(listeners.next_due(10 + ACCEPT_PAUSE_MS), None);
        listeners.stop();
        assert_eq!((listeners.due_ms(), listeners.next_due(u64::MAX)), (None, None));
    }
}
