//! The connections that ended last, for operators who ask why a client disconnected.
//!
//! Invariant: at most [`CLOSED_MAX`] are kept, with at most [`CLOSED_TEXT_BYTES_MAX`] bytes of
//! client id and user each. That is at most 390 KiB a shard, which is allocated as connections end.

use std::collections::VecDeque;

use crate::limits::{CLOSED_MAX, CLOSED_TEXT_BYTES_MAX};

use super::super::names::{ClientAddress, CloseReason, RefusalReason};

/// A connection that has ended.
#[derive(Clone, Debug)]
pub(crate) struct ClosedConnection {
    /// Uptime, milliseconds.
    pub(crate) at_ms: u64,
    pub(crate) address: ClientAddress,
    pub(crate) reason: CloseReason,
    /// The reason of its refusal, if it was refused.
    pub(crate) refusal: Option<RefusalReason>,
    /// Empty if it sent none.
    pub(crate) id: Box<str>,
    /// Empty for an anonymous client.
    pub(crate) user: Box<str>,
    /// Whether one of the two was cut.
    pub(crate) is_cut: bool,
    pub(crate) client: Option<ClosedClient>,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
}

/// The properties of an accepted client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClosedClient {
    pub(crate) vhost: u16,
    pub(crate) connected_ms: u64,
}

/// See the module.
#[derive(Default, Debug)]
pub(crate) struct ClosedConnections {
    last: VecDeque<ClosedConnection>,
    /// The number of connections that ended since the start.
    count: u64,
}

impl ClosedConnections {
    pub(crate) fn note(&mut self, closed: ClosedConnection) {
        if self.last.len() == CLOSED_MAX {
            self.last.pop_front();
        }
        self.last.push_back(closed);
        self.count += 1;
    }

    /// Adds the client's names to the last entry, whose connection was refused.
    pub(crate) fn name_last(&mut self, id: &str, user: Option<&str>) {
        if let Some(last) = self.last.back_mut() {
            last.name(id, user.unwrap_or_default());
        }
    }

    /// The entries from the last one on, or from the one below a number, each with its number.
    pub(crate) fn newest_first(
        &self,
        below: Option<u64>,
    ) -> impl Iterator<Item = (u64, &ClosedConnection)> {
        let begin = self.count - self.last.len() as u64;
        let numbered = (begin..self.count).rev().zip(self.last.iter().rev());
        numbered.skip_while(move |(number, _)| below.is_some_and(|below| *number >= below))
    }
}

impl ClosedConnection {
    /// Notes a client's names, cut at the bound.
    pub(crate) fn name(&mut self, id: &str, user: &str) {
        (self.id, self.user) = (cut(id).into(), cut(user).into());
        self.is_cut = self.id.len() < id.len() || self.user.len() < user.len();
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(CLOSED_TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(at_ms: u64, id: &str) -> ClosedConnection {
        let mut closed = ClosedConnection {
            at_ms,
            address: ClientAddress::default(),
            reason: CloseReason::PeerClosed,
            refusal: None,
            id: Box::default(),
            user: Box::default(),
            is_cut: false,
            client: None,
            received_bytes: 0,
            sent_bytes: 0,
        };
        closed.name(id, id);
        closed
    }

    // The last entries are kept and listed newest first; a listing can continue below any number.
    #[test]
    fn the_last_are_kept() {
        let mut connections = ClosedConnections::default();
        assert_eq!(connections.newest_first(None).count(), 0);
        let total = CLOSED_MAX as u64 + 7;
        (0..total).for_each(|n| connections.note(closed(n, &n.to_string())));
        let numbers = |below| connections.newest_first(below).map(|(n, _)| n).collect::<Vec<_>>();
        assert_eq!(numbers(None), (7..total).rev().collect::<Vec<_>>());
        assert_eq!(numbers(Some(9)), [8, 7]);
        assert_eq!(numbers(Some(7)), [0; 0]);
        let (number, last) = connections.newest_first(None).next().expect("there are some");
        assert_eq!(last.id.parse(), Ok(number));
    }

    // Memory is bounded for any names: the figure in the module's documentation.
    #[test]
    fn memory_is_bounded() {
        let long = "ä".repeat(40_000);
        let kept = closed(0, &long);
        assert!(kept.is_cut && kept.id.len() <= CLOSED_TEXT_BYTES_MAX, "{}", kept.id.len());
        let most = CLOSED_MAX.next_power_of_two() * size_of::<ClosedConnection>()
            + CLOSED_MAX * 2 * CLOSED_TEXT_BYTES_MAX;
        assert!(most <= 390 * 1024, "{most}");
        assert!(!closed(0, &"x".repeat(CLOSED_TEXT_BYTES_MAX)).is_cut);
    }
}
