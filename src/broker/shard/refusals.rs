//! Messages that are refused on one shard and acknowledged on another (`--session-overflow`).
//!
//! The shard that refuses one says so in a message of its own, and counts it before it says that it
//! has settled the message. The publisher's shard keeps no promise while it has heard of fewer
//! refusals than were counted. So a refusal is known before the acknowledgement leaves.

use crate::mqtt::{PacketId, ReasonCode};

use super::super::names::{ConnId, Context, DEFAULT_VHOST, ShardId, ShardSet};
use super::super::peer::{PeerMessage, Refusable};
use super::super::replies::{Reply, Wait};
use super::Shard;

impl Shard {
    /// How many messages of the shard whose messages were handled last were refused. To be asked
    /// before that shard is told that they are settled.
    pub fn take_refused(&mut self) -> u64 {
        self.refusals.take_told()
    }

    /// Tells a publisher's shard that its message was refused.
    #[cold]
    pub(super) fn tell_refused(
        &mut self,
        to: ShardId,
        conn: ConnId,
        message: Refusable,
        context: &mut Context<'_>,
    ) {
        self.refusals.note_told();
        let refused = PeerMessage::Refused { conn, message };
        refused.send(DEFAULT_VHOST, ShardSet::of(to), context.peers);
    }

    /// Another shard has refused a message of a client here.
    pub(super) fn handle_refused(&mut self, from: ShardId, conn: ConnId, message: Refusable) {
        self.refusals.note_heard(from);
        self.replies.note_refusal(conn, message.packet_id, message.shards);
    }

    /// A reply whose barrier is reached, as it is if its message was refused.
    #[cold]
    pub(super) fn reconsider(&mut self, conn: ConnId, reply: Reply) -> Reply {
        if !self.replies.take_refusal(conn, &reply) {
            return reply;
        }
        self.stats.publishes_refused += 1;
        let reason = ReasonCode::QuotaExceeded;
        match reply {
            Reply::Puback(id, _) => Reply::Puback(id, reason),
            Reply::Receive(id, _) => Reply::Receive(id, reason),
            Reply::Pubrec(id, _) => {
                // [MQTT-4.3.3-9] v5
                if let Some(key) = self.connections.session(conn) {
                    self.catalog.free(key, id.get(), &mut self.logs);
                }
                Reply::Pubrec(id, reason)
            }
            other => other,
        }
    }

    /// A QoS 2 message was refused: its identifier is free [MQTT-4.3.3-9] v5, on the shards that
    /// did take it as well, before its publisher may use it again.
    pub(super) fn free_refused(
        &mut self,
        conn: ConnId,
        packet_id: PacketId,
        context: &mut Context<'_>,
    ) {
        if let Some(key) = self.connections.session(conn) {
            self.publishing.end_transit(key, packet_id.get());
            let serial = self.catalog.session(key).serial;
            self.free_everywhere(serial, packet_id.get(), context);
        }
        let wait = Wait { peers: true, disk: false };
        self.promise(conn, Reply::Pubrec(packet_id, ReasonCode::QuotaExceeded), wait);
    }
}
