//! Messages that other shards have refused, until they are acknowledged: the sessions there that
//! they are for are full.
//!
//! Invariant: a refusal is noted before its message's acknowledgement may leave, which takes it. So
//! there are at most as many as promised replies.

use std::collections::BTreeMap;

use crate::mqtt::PacketId;

use super::super::names::ConnId;

/// See the module.
#[derive(Default, Debug)]
pub(super) struct Refusals {
    /// How many shards must still refuse a message for it to be refused.
    left: BTreeMap<(ConnId, PacketId), u16>,
}

impl Refusals {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// A shard has refused a message, which is for so many shards.
    pub(super) fn note(&mut self, conn: ConnId, packet_id: PacketId, shards: u16) {
        let left = self.left.entry((conn, packet_id)).or_insert(shards);
        *left = left.saturating_sub(1);
    }

    /// Whether all shards have refused a message, which is acknowledged now.
    pub(super) fn take(&mut self, conn: ConnId, packet_id: PacketId) -> bool {
        self.left.remove(&(conn, packet_id)) == Some(0)
    }

    /// Forgets a connection.
    pub(super) fn forget(&mut self, conn: ConnId) {
        if !self.left.is_empty() {
            self.left.retain(|(of, _), _| *of != conn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONN: ConnId = ConnId { slot: 3, generation: 1 };
    const OTHER: ConnId = ConnId { slot: 4, generation: 1 };

    /// A message is refused if every shard that it is for has refused it; that is said once.
    #[test]
    fn all_shards_must_refuse() {
        let id = |id| PacketId::new(id).expect("not 0");
        let mut refusals = Refusals::default();
        for (number, shards) in [(1, 1), (2, 2), (3, 2), (3, 2)] {
            refusals.note(CONN, id(number), shards);
        }
        assert!(!refusals.take(OTHER, id(1)));
        for (number, refused) in [(1, true), (2, false), (3, true), (4, false)] {
            assert_eq!(refusals.take(CONN, id(number)), refused, "{number}");
            assert!(!refusals.take(CONN, id(number)));
        }
        assert!(refusals.is_empty());
        refusals.note(CONN, id(5), 1);
        refusals.note(OTHER, id(5), 1);
        refusals.forget(CONN);
        assert!(!refusals.take(CONN, id(5)) && refusals.take(OTHER, id(5)));
    }
}
