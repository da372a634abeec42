//! Inbound messages: the QoS 2 messages of this shard's publishers that are not confirmed yet, and
//! the memory that is reused for each message.
//!
//! Invariant: an identifier is in transit from the time its message is sent to other shards until
//! it is noted in the session or freed. On one shard, one log write holds the message and the note.
//! Across shards the note follows when the other shards have confirmed the message; they recognize
//! a repeated one by its origin.
//!
//! May use `names` and `output` (the message).

use std::collections::BTreeSet;

use crate::mqtt::{PacketId, SubscriptionId};
use crate::slots::make_room;
use crate::store::{Origin, SessionKey, Target};

use super::names::TraceSet;
use super::output::{EncodeBuffers, Message, Source};

/// A message with its source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InboundMessage<'a> {
    pub(crate) message: &'a Message<'a>,
    pub(crate) source: Source,
    /// The session of its publisher, if that is here.
    pub(crate) publisher: Option<SessionKey>,
    /// Its packet identifier, of a publisher here.
    pub(crate) packet_id: Option<PacketId>,
    /// The session and packet identifier to record with it, for a QoS 2 publisher here.
    pub(crate) received: Option<(SessionKey, u16)>,
    /// The same for messages to and from other shards.
    pub(crate) origin: Option<Origin>,
    /// Whether this shard keeps the topic's retained message, which this one replaces.
    pub(crate) keep: bool,
    /// Whether it was published here, so that groups get it from this shard.
    pub(crate) is_shared: bool,
    /// The turn in which another shard received it.
    pub(crate) stamp: u32,
    /// Traces that select it by its publisher or its topic.
    pub(crate) traces: TraceSet,
}

impl<'a> InboundMessage<'a> {
    pub(crate) fn of(message: &'a Message<'a>, source: Source) -> Self {
        let (publisher, packet_id, received, origin) = (None, None, None, None);
        let traces = TraceSet::NONE;
        let (keep, is_shared, stamp) = (false, false, 0);
        Self {
            message,
            source,
            publisher,
            packet_id,
            received,
            origin,
            keep,
            is_shared,
            stamp,
            traces,
        }
    }
}

/// Memory for the message that is being published.
#[derive(Default, Debug)]
pub(crate) struct Working {
    pub(crate) encode: EncodeBuffers,
    /// Sessions for which it is stored.
    targets: Vec<Target>,
    /// Identifiers of one session's matching subscriptions.
    pub(crate) identifiers: Vec<SubscriptionId>,
    /// Identifiers that are stored with it, encoded.
    pub(crate) encoded: Vec<u8>,
    /// Sessions that do not take it, because they are full or have it already, in the order of the
    /// route.
    pub(crate) refused: Vec<SessionKey>,
    /// Sessions that took it and exceed their bound now.
    pub(crate) full: Vec<SessionKey>,
}

impl Working {
    /// Adds a session for which it is stored.
    pub(crate) fn add_target(&mut self, target: Target) {
        make_room(&mut self.targets);
        self.targets.push(target);
    }

    pub(crate) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Forgets the sessions for which it is stored.
    pub(crate) fn clear_targets(&mut self) {
        self.targets.clear();
    }
}

/// See the room.
#[derive(Default, Debug)]
pub(crate) struct Publishing {
    in_transit: BTreeSet<(SessionKey, u16)>,
    working: Working,
    /// Memory for properties that must be put together for forwarding.
    scratch: Vec<u8>,
}

impl Publishing {
    /// Takes memory for the properties of a message; [`Publishing::recycle_scratch`] follows.
    pub(crate) fn take_scratch(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.scratch)
    }

    /// Returns that memory.
    pub(crate) fn recycle_scratch(&mut self, scratch: Vec<u8>) {
        self.scratch = scratch;
    }

    /// Memory for a message.
    pub(crate) fn working(&mut self) -> &mut Working {
        &mut self.working
    }

    /// Whether a message of a session is in transit under this identifier.
    pub(crate) fn is_in_transit(&self, key: SessionKey, packet_id: u16) -> bool {
        self.in_transit.contains(&(key, packet_id))
    }

    /// Notes that a message was sent to other shards.
    pub(crate) fn begin_transit(&mut self, key: SessionKey, packet_id: u16) {
        self.in_transit.insert((key, packet_id));
    }

    /// Notes that they have it or that its publisher has released it; returns whether it was in
    /// transit.
    pub(crate) fn end_transit(&mut self, key: SessionKey, packet_id: u16) -> bool {
        self.in_transit.remove(&(key, packet_id))
    }

    /// Identifiers of a session that are in transit.
    pub(crate) fn in_transit(&self, key: SessionKey) -> impl Iterator<Item = u16> {
        self.in_transit.range((key, 0)..=(key, u16::MAX)).map(|(_, packet_id)| *packet_id)
    }

    /// Forgets a session that has ended.
    pub(crate) fn forget(&mut self, key: SessionKey) {
        let ids: Vec<u16> = self.in_transit(key).collect();
        ids.into_iter().for_each(|id| {
            self.in_transit.remove(&(key, id));
        });
    }

    /// Returns memory of large fan-outs.
    pub(crate) fn reclaim(&mut self) {
        self.working.targets.shrink_to(0);
        self.scratch = Vec::new();
    }
}
