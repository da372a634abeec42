//! Replies that may leave only when other shards have handled what they promise (invariant 8).
//!
//! Every reply of a turn waits for the same marks: the last message sent to each shard by the
//! turn's end that replies wait for. Marks only grow, so barriers are reached in the order they
//! were set.

use std::collections::VecDeque;

use crate::mqtt::PacketId;

use super::ConnId;
use super::peers::ShardId;

/// A reply to a client's packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reply {
    Puback(PacketId),
    Pubrec(PacketId),
    Pubcomp(PacketId),
    /// `replays`: it grants something whose replay waits for it.
    Suback {
        packet_id: PacketId,
        codes: Box<[u8]>,
        replays: bool,
    },
    Unsuback(PacketId),
}

#[derive(Debug)]
struct Barrier {
    /// By shard: messages that must be handled.
    marks: Box<[u64]>,
    replies: Vec<(ConnId, Reply)>,
}

#[derive(Default, Debug)]
pub(super) struct Promises {
    /// Replies of this turn.
    open: Vec<(ConnId, Reply)>,
    barriers: VecDeque<Barrier>,
}

impl Promises {
    pub(super) fn add(&mut self, conn: ConnId, reply: Reply) {
        self.open.push((conn, reply));
    }

    /// Ends the turn; `sent` tells how many messages each shard has been sent so far.
    pub(super) fn seal(&mut self, shards: u16, sent: impl Fn(ShardId) -> u64) {
        if self.open.is_empty() {
            return;
        }
        let marks = (0..shards).map(|shard| sent(ShardId(shard))).collect();
        self.barriers.push_back(Barrier { marks, replies: std::mem::take(&mut self.open) });
    }

    /// The next replies that may leave; `handled` tells how far each shard is.
    pub(super) fn next_kept(
        &mut self,
        handled: impl Fn(ShardId) -> u64,
    ) -> Option<Vec<(ConnId, Reply)>> {
        let barrier = self.barriers.front()?;
        let reached =
            (0..).zip(&barrier.marks).all(|(shard, mark)| handled(ShardId(shard)) >= *mark);
        if !reached {
            return None;
        }
        self.barriers.pop_front().map(|barrier| barrier.replies)
    }

    /// Whether replies wait for other shards.
    pub(super) fn is_waiting(&self) -> bool {
        !self.barriers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replies leave in order, and only when every shard has reached their marks.
    #[test]
    fn replies_wait_for_every_shard() {
        let conn = ConnId { slot: 0, generation: 0 };
        let puback = |id| Reply::Puback(PacketId::new(id).expect("not 0"));
        let mut promises = Promises::default();
        promises.seal(2, |_| 9);
        assert!(!promises.is_waiting());
        promises.add(conn, puback(1));
        promises.seal(2, |shard| [5, 7][usize::from(shard.0)]);
        promises.add(conn, puback(2));
        promises.seal(2, |_| 8);
        assert_eq!(promises.next_kept(|_| 6), None);
        assert_eq!(promises.next_kept(|_| 7), Some(vec![(conn, puback(1))]));
        assert_eq!(promises.next_kept(|_| 7), None);
        assert_eq!(promises.next_kept(|_| 8), Some(vec![(conn, puback(2))]));
        assert!(!promises.is_waiting());
    }
}
