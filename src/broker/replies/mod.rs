//! Replies that may leave only when the other shards and the disk hold what they promise (invariant
//! 8).
//!
//! All replies of a turn wait for the same barrier: the last awaited message that was sent to each
//! shard by the turn's end, and, if one of them promises a record of this shard, the end of the log
//! at the turn's end. Marks only grow, so barriers are reached in the order in which they were set.
//!
//! Invariant: replies of one connection leave in the order in which they were added [MQTT-4.6.0-2],
//! except for acknowledgements that are withheld while a session of their publisher's receivers is
//! full.
//!
//! Verbs: [`Replies::add`], [`Replies::seal`] at the end of a turn, [`Replies::next_kept`] and
//! [`Replies::take`] when marks have grown.
//!
//! It uses `names`.

mod refusal_counts;
mod refusals;

use std::collections::{BTreeMap, VecDeque};

use crate::mqtt::{PacketId, ReasonCode};

use super::names::{ConnId, ConnTable, ShardId};

use refusals::Refusals;

pub(crate) use refusal_counts::RefusalCounts;

/// A reply to a client's packet, or another action that must wait likewise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// The CONNACK for a client whose clean start ended a durable session.
    Connack,
    /// A reason other than success is for clients of MQTT 5 only.
    Puback(PacketId, ReasonCode),
    /// As `Puback`.
    Pubrec(PacketId, ReasonCode),
    Pubrel(PacketId),
    Pubcomp(PacketId),
    /// `replays`: the replay of a granted subscription waits for it.
    Suback {
        packet_id: PacketId,
        codes: Box<[u8]>,
        replays: bool,
    },
    /// `codes`: for clients of MQTT 5.
    Unsuback {
        packet_id: PacketId,
        codes: Box<[u8]>,
    },
    /// Not a reply: all receivers of a QoS 2 message have it, but its identifier is not recorded
    /// yet. The PUBREC follows.
    Receive(PacketId, ReasonCode),
    /// Not a reply: the log has the records that must precede the client's waiting messages.
    Resume,
    /// Not a reply: the log knows what it must before anything is sent to the client.
    Uncork,
}

impl Reply {
    /// Whether it acknowledges a message.
    pub(crate) fn acknowledges(&self) -> bool {
        matches!(self, Self::Puback(..) | Self::Pubrec(..))
    }

    /// Whether it waits for full sessions: not if the message was refused.
    fn waits_for_room(&self) -> bool {
        match self {
            Self::Puback(_, reason) | Self::Pubrec(_, reason) => !reason.is_error(),
            _ => false,
        }
    }
}

/// The conditions of a reply.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Wait {
    /// Other shards must settle the messages that they were sent.
    pub(crate) peers: bool,
    /// This shard's log must be committed up to the end of this turn.
    pub(crate) disk: bool,
}

impl Wait {
    pub(crate) fn disk_if(disk: bool) -> Self {
        Self { peers: false, disk }
    }
}

#[derive(Debug)]
struct Barrier {
    /// By shard: the number of the last message that must be settled.
    marks: Box<[u64]>,
    /// The position up to which the log must be committed.
    log: u64,
    /// The beginning of the turn in microseconds.
    since_us: u64,
    replies: Vec<(ConnId, Reply)>,
}

/// The promised replies of one connection.
#[derive(Default, Debug)]
struct Promised {
    /// Number of waiting replies, those of the next two fields included; later replies must queue
    /// behind them [MQTT-4.6.0-2].
    count: u32,
    /// Number of them that are [`Reply::Resume`], which are no replies to the client.
    resumes: u32,
    /// Number of the first of them that were promised before a session became full, and are not
    /// withheld.
    exempt: u32,
}

/// See the module.
#[derive(Default, Debug)]
pub(crate) struct Replies {
    table: ConnTable<Promised>,
    /// Acknowledgements that only wait for full sessions.
    withheld: BTreeMap<ConnId, Vec<Reply>>,
    /// The replies of this turn.
    open: Vec<(ConnId, Reply)>,
    /// Whether one of them must wait for the log.
    disk: bool,
    barriers: VecDeque<Barrier>,
    /// Memory of sent replies, for reuse.
    spare: Vec<(ConnId, Reply)>,
    refusals: Refusals,
}

impl Replies {
    pub(crate) fn open(&mut self, conn: ConnId) {
        self.table.open(conn, Promised::default());
    }

    /// Forgets a connection and its promised replies.
    pub(crate) fn remove(&mut self, conn: ConnId) {
        self.table.remove(conn);
        self.withheld.remove(&conn);
        self.refusals.forget(conn);
    }

    /// Adds a reply. It is returned if it may leave at once: it has no condition, no other reply is
    /// before it, and it is not an acknowledgement of a connection whose receivers are full.
    #[inline]
    pub(crate) fn add(
        &mut self,
        conn: ConnId,
        reply: Reply,
        wait: Wait,
        feeds_full_session: bool,
    ) -> Option<Reply> {
        let promised = self.table.get_mut(conn)?;
        let withheld = feeds_full_session && reply.waits_for_room();
        if wait == Wait::default() && promised.count == 0 && !withheld {
            return Some(reply);
        }
        promised.count += 1;
        promised.resumes += u32::from(reply == Reply::Resume);
        self.open.push((conn, reply));
        self.disk |= wait.disk;
        None
    }

    /// Whether a reply that has nothing to wait for may leave at once: no other is before it.
    #[inline]
    pub(crate) fn is_free(&self, conn: ConnId) -> bool {
        self.table.get(conn).is_some_and(|promised| promised.count == 0)
    }

    /// Another shard has refused a message of a connection. It is refused if so many shards do.
    pub(crate) fn note_refusal(&mut self, conn: ConnId, packet_id: PacketId, shards: u16) {
        if self.promised(conn) > 0 {
            self.refusals.note(conn, packet_id, shards);
        }
    }

    /// Whether shards have refused messages.
    #[inline]
    pub(crate) fn has_refusals(&self) -> bool {
        !self.refusals.is_empty()
    }

    /// Whether a reply whose barrier is reached acknowledges a message that was refused.
    pub(crate) fn take_refusal(&mut self, conn: ConnId, reply: &Reply) -> bool {
        match reply {
            Reply::Puback(id, _) | Reply::Pubrec(id, _) | Reply::Receive(id, _) => {
                self.refusals.take(conn, *id)
            }
            _ => false,
        }
    }

    /// Handles a reply whose barrier is reached: returns it, unless it is withheld.
    pub(crate) fn take(
        &mut self,
        conn: ConnId,
        reply: Reply,
        feeds_full_session: bool,
    ) -> Option<Reply> {
        let promised = self.table.get_mut(conn)?;
        promised.count -= 1;
        promised.resumes -= u32::from(reply == Reply::Resume);
        let was_exempt = promised.exempt > 0;
        promised.exempt -= u32::from(was_exempt);
        if feeds_full_session && !was_exempt && reply.waits_for_room() {
            self.withheld.entry(conn).or_default().push(reply);
            return None;
        }
        Some(reply)
    }

    /// The first of the sessions that receive a connection's messages is full: later
    /// acknowledgements are withheld.
    pub(crate) fn withhold(&mut self, conn: ConnId) {
        if let Some(promised) = self.table.get_mut(conn) {
            promised.exempt = promised.count;
        }
    }

    /// None of them is full any more: returns the withheld ones.
    pub(crate) fn take_withheld(&mut self, conn: ConnId) -> Vec<Reply> {
        if let Some(promised) = self.table.get_mut(conn) {
            promised.exempt = 0;
        }
        self.withheld.remove(&conn).unwrap_or_default()
    }

    /// Number of promised replies of a connection.
    #[inline]
    pub(crate) fn promised(&self, conn: ConnId) -> u32 {
        self.table.get(conn).map_or(0, |promised| promised.count)
    }

    /// Whether replies to a connection's client are waiting.
    pub(crate) fn is_owed(&self, conn: ConnId) -> bool {
        let promised = self.table.get(conn);
        promised.is_some_and(|promised| promised.count > promised.resumes)
            || self.withheld.contains_key(&conn)
    }

    /// Ends the turn. `sent` is the number of messages that each shard was sent, `log` the end of
    /// the log, and `since_us` the beginning of the turn.
    pub(crate) fn seal(
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

    /// The next replies that may leave, and the beginning of their turn. `settled` is the last
    /// settled message of each shard, `log` the committed end of the log.
    pub(crate) fn next_kept(
        &mut self,
        log: u64,
        settled: impl Fn(ShardId) -> u64,
    ) -> Option<(Vec<(ConnId, Reply)>, u64)> {
        if !self.is_due(log, settled) {
            return None;
        }
        self.barriers.pop_front().map(|barrier| (barrier.replies, barrier.since_us))
    }

    /// Whether there are such replies.
    pub(crate) fn is_due(&self, log: u64, settled: impl Fn(ShardId) -> u64) -> bool {
        self.barriers.front().is_some_and(|barrier| {
            let mut marks = (0..).zip(&barrier.marks);
            barrier.log <= log && marks.all(|(shard, mark)| settled(ShardId(shard)) >= *mark)
        })
    }

    /// Takes memory of replies for reuse.
    pub(crate) fn recycle(&mut self, mut replies: Vec<(ConnId, Reply)>) {
        replies.clear();
        if self.spare.capacity() < replies.capacity() {
            self.spare = replies;
        }
    }

    /// Frees memory of at most `slots_max` connections; returns whether there is more.
    pub(crate) fn reclaim(&mut self, slots_max: usize) -> bool {
        self.spare = Vec::new();
        self.open.shrink_to(0);
        self.barriers.shrink_to(0);
        self.table.reclaim(slots_max)
    }

    /// Whether any reply waits.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.barriers.is_empty() || !self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONN: ConnId = ConnId { slot: 0, generation: 0 };
    const PEERS: Wait = Wait { peers: true, disk: false };

    fn puback(id: u16) -> Reply {
        Reply::Puback(PacketId::new(id).expect("not 0"), ReasonCode::Success)
    }

    fn replies() -> Replies {
        let mut replies = Replies::default();
        replies.open(CONN);
        replies
    }

    /// Adds a reply that has to wait.
    fn add(replies: &mut Replies, id: u16, wait: Wait) {
        assert_eq!(replies.add(CONN, puback(id), wait, false), None);
    }

    /// Replies leave in order, and only when every shard has passed their marks.
    #[test]
    fn replies_wait_for_every_shard() {
        let mut replies = replies();
        replies.seal(2, 0, 1, |_| 9);
        assert!(!replies.is_waiting());
        add(&mut replies, 1, PEERS);
        replies.seal(2, 100, 2, |shard| [5, 7][usize::from(shard.0)]);
        add(&mut replies, 2, PEERS);
        replies.seal(2, 100, 3, |_| 8);
        assert_eq!(replies.next_kept(0, |_| 6), None);
        assert_eq!(replies.next_kept(0, |_| 7), Some((vec![(CONN, puback(1))], 2)));
        assert_eq!(replies.next_kept(0, |_| 7), None);
        assert_eq!(replies.next_kept(0, |_| 8), Some((vec![(CONN, puback(2))], 3)));
        assert!(!replies.is_waiting());
    }

    /// Replies that promise something stored wait for the log as well, as do those behind them.
    #[test]
    fn replies_wait_for_the_log() {
        let mut replies = replies();
        add(&mut replies, 1, PEERS);
        add(&mut replies, 2, Wait::disk_if(true));
        replies.seal(1, 50, 4, |_| 0);
        add(&mut replies, 3, PEERS);
        replies.seal(1, 70, 5, |_| 0);
        assert_eq!(replies.next_kept(49, |_| 0), None);
        let (first, since_us) = replies.next_kept(50, |_| 0).expect("the log is there");
        assert_eq!((first.len(), since_us), (2, 4));
        replies.recycle(first);
        assert_eq!(replies.next_kept(50, |_| 0), Some((vec![(CONN, puback(3))], 5)));
    }

    /// A reply without a condition leaves at once, unless another is before it.
    #[test]
    fn replies_queue_behind_others() {
        let mut replies = replies();
        let free = Wait::default();
        assert_eq!(replies.add(CONN, puback(1), free, false), Some(puback(1)));
        add(&mut replies, 2, PEERS);
        add(&mut replies, 3, free);
        assert!(replies.is_owed(CONN));
        for id in [2, 3] {
            assert_eq!(replies.take(CONN, puback(id), false), Some(puback(id)));
        }
        assert!(!replies.is_owed(CONN));
        assert_eq!(replies.add(CONN, puback(4), free, false), Some(puback(4)));
    }

    /// While a session is full, acknowledgements are withheld, except those promised before.
    #[test]
    fn later_acknowledgements_are_withheld() {
        let mut replies = replies();
        let pubcomp = Reply::Pubcomp(PacketId::new(9).expect("not 0"));
        add(&mut replies, 1, PEERS);
        replies.withhold(CONN);
        assert_eq!(replies.add(CONN, puback(2), Wait::default(), true), None);
        assert_eq!(replies.add(CONN, pubcomp.clone(), Wait::default(), true), None);
        assert_eq!(replies.take(CONN, puback(1), true), Some(puback(1)));
        assert_eq!(replies.take(CONN, puback(2), true), None);
        assert_eq!(replies.take(CONN, pubcomp.clone(), true), Some(pubcomp));
        // That a message was refused is told at once.
        let id = PacketId::new(3).expect("not 0");
        let refused = Reply::Puback(id, ReasonCode::QuotaExceeded);
        assert_eq!(replies.add(CONN, refused.clone(), Wait::default(), true), Some(refused));
        assert!(replies.is_owed(CONN));
        assert_eq!(replies.take_withheld(CONN), [puback(2)]);
        assert!(!replies.is_owed(CONN));
    }

    /// A [`Reply::Resume`] does not count as owed to the client.
    #[test]
    fn resumes_are_not_owed() {
        let mut replies = replies();
        assert_eq!(replies.add(CONN, Reply::Resume, Wait::disk_if(true), false), None);
        assert_eq!((replies.is_owed(CONN), replies.promised(CONN)), (false, 1));
    }
}
