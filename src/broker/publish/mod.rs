//! Messages on their way in: what is remembered of those at QoS 2 whose publisher is a client of
//! this shard, and the memory in which one message after the other is stored and delivered.
//!
//! Invariant: an identifier is in transit from when its message was passed on to other shards until
//! it is noted in the session, or freed. On one shard, one log write holds both the message and the
//! note that it came. Across shards it is noted when the others have confirmed the message, which
//! they know by its origin should it come again.
//!
//! May use `names` and `output` (the message).

use std::collections::BTreeSet;

use crate::mqtt::SubscriptionId;
use crate::slots::make_room;
use crate::store::{Origin, SessionKey, Target};

use super::names::TraceSet;
use super::output::{EncodeBuffers, Message, Source};

/// A message with where it came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InboundMessage<'a> {
    pub(crate) message: &'a Message<'a>,
    pub(crate) source: Source,
    /// The session of its publisher, if that is here.
    pub(crate) publisher: Option<SessionKey>,
    /// The session and packet identifier to be remembered with it, of a QoS 2 publisher here.
    pub(crate) received: Option<(SessionKey, u16)>,
    /// The same for other shards, and from them.
    pub(crate) origin: Option<Origin>,
    /// This shard keeps the topic's retained message, and this is to be it.
    pub(crate) keep: bool,
    /// It was published here: groups get it from this shard.
    pub(crate) is_shared: bool,
    /// Of one from another shard: the turn in which that received it.
    pub(crate) stamp: u32,
    /// Traces of its publisher or its topic that want it.
    pub(crate) traces: TraceSet,
}

impl<'a> InboundMessage<'a> {
    pub(crate) fn of(message: &'a Message<'a>, source: Source) -> Self {
        let (publisher, received, origin, traces) = (None, None, None, TraceSet::NONE);
        let (keep, is_shared, stamp) = (false, false, 0);
        Self { message, source, publisher, received, origin, keep, is_shared, stamp, traces }
    }
}

/// Memory for the message that is being published.
#[derive(Default, Debug)]
pub(crate) struct Working {
    pub(crate) encode: EncodeBuffers,
    /// Sessions that it is stored for.
    targets: Vec<Target>,
    /// Identifiers of one session's subscriptions that match.
    pub(crate) identifiers: Vec<SubscriptionId>,
    /// Sessions that are full and do not take it, in the order of the route.
    pub(crate) refused: Vec<SessionKey>,
    /// Sessions that took it and have more waiting than they may now.
    pub(crate) full: Vec<SessionKey>,
}

impl Working {
    /// Adds a session that it is stored for.
    pub(crate) fn add_target(&mut self, target: Target) {
        make_room(&mut self.targets);
        self.targets.push(target);
    }

    pub(crate) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Forgets the sessions that it is stored for.
    pub(crate) fn clear_targets(&mut self) {
        self.targets.clear();
    }
}

/// See the room.
#[derive(Default, Debug)]
pub(crate) struct Publishing {
    in_transit: BTreeSet<(SessionKey, u16)>,
    working: Working,
    /// Memory for properties that do not stand in a packet as they are passed on.
    scratch: Vec<u8>,
}

impl Publishing {
    /// Takes memory for the properties of a message; [`Publishing::recycle_scratch`] follows.
    pub(crate) fn take_scratch(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.scratch)
    }

    /// Gives it back.
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

    /// A message was passed on to other shards.
    pub(crate) fn begin_transit(&mut self, key: SessionKey, packet_id: u16) {
        self.in_transit.insert((key, packet_id));
    }

    /// They have it, or its publisher has released it; whether it was in transit.
    pub(crate) fn end_transit(&mut self, key: SessionKey, packet_id: u16) -> bool {
        self.in_transit.remove(&(key, packet_id))
    }

    /// Identifiers of a session that are in transit.
    pub(crate) fn in_transit(&self, key: SessionKey) -> impl Iterator<Item = u16> {
        self.in_transit.range((key, 0)..=(key, u16::MAX)).map(|(_, packet_id)| *packet_id)
    }

    /// A session has ended.
    pub(crate) fn forget(&mut self, key: SessionKey) {
        let ids: Vec<u16> = self.in_transit(key).collect();
        ids.into_iter().for_each(|id| {
            self.in_transit.remove(&(key, id));
        });
    }

    /// Gives memory back that large fan-outs have had.
    pub(crate) fn reclaim(&mut self) {
        self.working.targets.shrink_to(0);
        self.scratch = Vec::new();
    }
}
