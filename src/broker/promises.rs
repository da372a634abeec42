//! Replies that may leave only when other shards have, and the disk has, what they promise
//! (invariant 8).
//!
//! Every reply of a turn waits for the same: the last message sent to each shard by the turn's end
//! that replies wait for, and, if one of them promises something stored here, the log as it is at
//! the turn's end. Marks only grow, so barriers are reached in the order they were set.

use std::collections::VecDeque;

use crate::mqtt::PacketId;

use super::ConnId;
use super::peers::ShardId;

/// A reply to a client's packet, or what else is to follow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reply {
    /// To a client that ended a session which outlives connections.
    Connack,
    Puback(PacketId),
    Pubrec(PacketId),
    Pubrel(PacketId),
    Pubcomp(PacketId),
    /// `replays`: it grants something whose replay waits for it.
    Suback {
        packet_id: PacketId,
        codes: Box<[u8]>,
        replays: bool,
    },
    Unsuback(PacketId),
    /// Not a reply: a QoS 2 message is everywhere but in this shard's memory of what was received.
    Receive(PacketId),
    /// Not a reply: the log knows what it must before what waits for the client may be sent.
    Resume,
}

impl Reply {
    /// Whether it acknowledges a message.
    pub(super) fn acknowledges(&self) -> bool {
        matches!(self, Self::Puback(_) | Self::Pubrec(_))
    }
}

/// What a reply has to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Wait {
    /// Other shards, to have committed what they were sent.
    pub(super) peers: bool,
    /// This shard's log, to be committed up to the end of this turn.
    pub(super) disk: bool,
}

impl Wait {
    pub(super) fn disk_if(disk: bool) -> Self {
        Self { peers: false, disk }
    }
}

#[derive(Debug)]
struct Barrier {
    /// By shard: messages that must be committed.
    marks: Box<[u64]>,
    /// How far the log must be committed.
    log: u64,
    /// When the turn began, microseconds.
    since_us: u64,
    replies: Vec<(ConnId, Reply)>,
}

#[derive(Default, Debug)]
pub(super) struct Promises {
    /// Replies of this turn.
    open: Vec<(ConnId, Reply)>,
    /// Whether one of them waits for the log.
    disk: bool,
    barriers: VecDeque<Barrier>,
    /// Memory of replies that have left.
    spare: Vec<(ConnId, Reply)>,
}

impl Promises {
    pub(super) fn add(&mut self, conn: ConnId, reply: Reply, wait: Wait) {
        self.open.push((conn, reply));
        self.disk |= wait.disk;
    }

    /// Ends the turn; `sent` tells how many messages each shard has been sent so far, `log` how
    /// far the log goes, and `since_us` when the turn began.
    pub(super) fn seal(
        &mut self,
        shards: u16,
        log: u64,
        since_us: u64,
        sent: impl Fn(ShardId) -> u64,
    ) {
        if self.open.is_empty() {
            return;
        }
        let marks = (0..shards).map(|shard| sent(ShardId(shard))).collect();
        let log = if std::mem::take(&mut self.disk) { log } else { 0 };
        let replies = std::mem::replace(&mut self.open, std::mem::take(&mut self.spare));
        self.barriers.push_back(Barrier { marks, log, since_us, replies });
    }

    /// The next replies that may leave, and when the turn began that made them; `committed` tells
    /// how far each shard is, `log` how far this shard's log is.
    pub(super) fn next_kept(
        &mut self,
        log: u64,
        committed: impl Fn(ShardId) -> u64,
    ) -> Option<(Vec<(ConnId, Reply)>, u64)> {
        if !self.is_due(log, committed) {
            return None;
        }
        self.barriers.pop_front().map(|barrier| (barrier.replies, barrier.since_us))
    }

    /// Whether there are such replies.
    pub(super) fn is_due(&self, log: u64, committed: impl Fn(ShardId) -> u64) -> bool {
        self.barriers.front().is_some_and(|barrier| {
            let mut marks = (0..).zip(&barrier.marks);
            barrier.log <= log && marks.all(|(shard, mark)| committed(ShardId(shard)) >= *mark)
        })
    }

    /// Takes the memory of replies back.
    pub(super) fn recycle(&mut self, mut replies: Vec<(ConnId, Reply)>) {
        replies.clear();
        if self.spare.capacity() < replies.capacity() {
            self.spare = replies;
        }
    }

    /// Gives memory back that replies have had.
    pub(super) fn reclaim(&mut self) {
        self.spare = Vec::new();
        self.open.shrink_to(0);
        self.barriers.shrink_to(0);
    }

    /// Whether replies wait.
    pub(super) fn is_waiting(&self) -> bool {
        !self.barriers.is_empty() || !self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONN: ConnId = ConnId { slot: 0, generation: 0 };
    const PEERS: Wait = Wait { peers: true, disk: false };

    fn puback(id: u16) -> Reply {
        Reply::Puback(PacketId::new(id).expect("not 0"))
    }

    /// Replies leave in order, and only when every shard has reached their marks.
    #[test]
    fn replies_wait_for_every_shard() {
        let mut promises = Promises::default();
        promises.seal(2, 0, 1, |_| 9);
        assert!(!promises.is_waiting());
        promises.add(CONN, puback(1), PEERS);
        promises.seal(2, 100, 2, |shard| [5, 7][usize::from(shard.0)]);
        promises.add(CONN, puback(2), PEERS);
        promises.seal(2, 100, 3, |_| 8);
        assert_eq!(promises.next_kept(0, |_| 6), None);
        assert_eq!(promises.next_kept(0, |_| 7), Some((vec![(CONN, puback(1))], 2)));
        assert_eq!(promises.next_kept(0, |_| 7), None);
        assert_eq!(promises.next_kept(0, |_| 8), Some((vec![(CONN, puback(2))], 3)));
        assert!(!promises.is_waiting());
    }

    /// Replies that promise something stored wait for the log as well, and who comes behind them.
    #[test]
    fn replies_wait_for_the_log() {
        let mut promises = Promises::default();
        promises.add(CONN, puback(1), PEERS);
        promises.add(CONN, puback(2), Wait::disk_if(true));
        promises.seal(1, 50, 4, |_| 0);
        promises.add(CONN, puback(3), PEERS);
        promises.seal(1, 70, 5, |_| 0);
        assert_eq!(promises.next_kept(49, |_| 0), None);
        let (first, since_us) = promises.next_kept(50, |_| 0).expect("the log is there");
        assert_eq!((first.len(), since_us), (2, 4));
        promises.recycle(first);
        assert_eq!(promises.next_kept(50, |_| 0), Some((vec![(CONN, puback(3))], 5)));
    }
}
