//! Replies to clients' packets, at once or when they may leave.

use crate::mqtt::{
    Ack, AckKind, Carrier, PacketId, Properties, Property, PropertyId, ReasonCode, Suback,
    Unsuback, Value, Version,
};

use super::super::names::{ConnId, Context, Peers};
use super::super::output::{FormatOptions, Outputs};
use super::super::read_gate::Pause;
use super::super::replies::{Reply, Wait};
use super::Shard;

impl Shard {
    /// Replies at once, or when the messages of this turn to other shards and to the disk are
    /// committed; returns whether it waits. Replies of one connection keep their order
    /// [MQTT-4.6.0-2].
    #[inline]
    pub(super) fn promise(&mut self, conn: ConnId, reply: Reply, wait: Wait) -> bool {
        let feeds_full = self.gates.is_paused_by(conn, Pause::FullSession);
        match self.replies.add(conn, reply, wait, feeds_full) {
            Some(reply) => {
                if reply.acknowledges() {
                    self.meters.count_acknowledged();
                }
                self.write_reply(conn, &reply);
                false
            }
            None => true,
        }
    }

    /// As [`Shard::promise`] for a PUBACK. Most of them leave at once and report success.
    #[inline]
    pub(super) fn promise_puback(
        &mut self,
        conn: ConnId,
        packet_id: PacketId,
        reason: ReasonCode,
        wait: Wait,
    ) -> bool {
        let is_plain = wait == Wait::default() && reason == ReasonCode::Success;
        if is_plain
            && self.replies.is_free(conn)
            && !self.gates.is_paused_by(conn, Pause::FullSession)
        {
            self.meters.count_acknowledged();
            self.outputs.reply_ack(conn, Ack::bytes_v3(AckKind::Puback, packet_id));
            return false;
        }
        self.promise(conn, Reply::Puback(packet_id, reason), wait)
    }

    /// Ends a turn. Its replies that wait for other shards wait for the last awaited message to
    /// each of them; those that wait for the disk wait for the end of the log.
    pub fn seal_promises(&mut self, peers: &dyn Peers) {
        let log = self.logs.disk.appended();
        let turn_us = self.meters.turn_us();
        self.replies.seal(self.options.shards, log, turn_us, |shard| peers.awaited(shard));
        self.meters.note_appended(log);
    }

    /// Sends the replies that waited for what is committed by now, here and on other shards.
    pub fn keep_promises(&mut self, context: &mut Context<'_>) {
        let log = self.logs.settled();
        while let Some((mut replies, since_us)) =
            self.replies.next_kept(log, |shard| self.refusals.settled(context.peers, shard))
        {
            let mut acknowledged = 0;
            for (conn, reply) in replies.drain(..) {
                acknowledged += u64::from(reply.acknowledges());
                let reply = match self.replies.has_refusals() {
                    true => self.reconsider(conn, reply),
                    false => reply,
                };
                let feeds_full = self.gates.is_paused_by(conn, Pause::FullSession);
                if let Some(reply) = self.replies.take(conn, reply, feeds_full) {
                    self.keep_promise(conn, &reply, context);
                }
                self.go_on_closing(conn);
            }
            self.meters.note_acknowledged(since_us, acknowledged);
            self.replies.recycle(replies);
        }
        while let Some(conn) = self.delivery.next_committed(self.logs.disk.committed()) {
            self.make_progress(conn, context);
        }
        self.end_asides(context);
    }

    /// Whether waiting replies may leave now.
    pub fn has_due_promises(&mut self, peers: &dyn Peers) -> bool {
        let log = self.logs.settled();
        self.replies.is_due(log, |shard| peers.settled(shard))
            || self.has_due_aside(|shard| peers.settled(shard))
    }

    /// Whether replies wait for other shards or the disk.
    pub fn has_promises(&self) -> bool {
        self.replies.is_waiting()
    }

    /// Whether a connection has promised replies to come. A publisher that leaves right after its
    /// message must get its acknowledgement, or it sends the message again.
    pub fn is_owed(&self, conn: ConnId) -> bool {
        self.replies.is_owed(conn)
    }

    /// Sends a reply, or does the action that waited instead of one.
    pub(super) fn keep_promise(&mut self, conn: ConnId, reply: &Reply, context: &mut Context<'_>) {
        match reply {
            Reply::Puback(packet_id, ReasonCode::Success) => {
                self.outputs.reply_ack(conn, Ack::bytes_v3(AckKind::Puback, *packet_id));
            }
            Reply::Receive(packet_id, reason) if reason.is_error() => {
                self.free_refused(conn, (*packet_id, *reason), context);
            }
            Reply::Connack => self.send_held_connack(conn, context),
            Reply::Resume => {
                self.delivery.end_barrier(conn);
                self.make_progress(conn, context);
            }
            Reply::Uncork => self.outputs.uncork(conn),
            _ => self.write_reply(conn, reply),
        }
        if matches!(reply, Reply::Suback { replays: true, .. }) {
            self.release_replay(conn, context);
        }
        if matches!(reply, Reply::Suback { .. }) && self.groups.has_members() {
            self.open_member(conn, context);
        }
    }

    /// A reply of a connection has left: ends a closed connection if this was the last one.
    pub(super) fn go_on_closing(&mut self, conn: ConnId) {
        if self.connections.is_closed(conn) && !self.is_owed(conn) {
            self.gates.close(conn);
        }
    }

    fn write_reply(&mut self, conn: ConnId, reply: &Reply) {
        let outputs = &mut self.outputs;
        match reply {
            Reply::Puback(id, reason) => write_ack(outputs, conn, AckKind::Puback, *id, *reason),
            Reply::Pubrec(id, reason) => write_ack(outputs, conn, AckKind::Pubrec, *id, *reason),
            Reply::Pubrel(id) => outputs.reply(conn, &Ack::bytes_v3(AckKind::Pubrel, *id)),
            Reply::Pubcomp(id) => outputs.reply(conn, &Ack::bytes_v3(AckKind::Pubcomp, *id)),
            Reply::Unsuback { packet_id, codes } => {
                let (packet_id, properties) = (*packet_id, Properties::EMPTY);
                let mut bytes = Vec::new();
                let unsuback = Unsuback { packet_id, properties, codes };
                unsuback.encode(outputs.version(conn), &mut bytes);
                outputs.reply(conn, &bytes);
            }
            Reply::Suback { packet_id, codes, .. } => {
                let properties = Properties::EMPTY;
                let suback = Suback { packet_id: *packet_id, properties, codes };
                let mut bytes = Vec::new();
                suback.encode(outputs.version(conn), &mut bytes);
                outputs.reply(conn, &bytes);
            }
            Reply::Receive(packet_id, reason) => self.note_received(conn, *packet_id, *reason),
            Reply::Connack | Reply::Resume | Reply::Uncork => {
                unreachable!("they wait, and the caller does them")
            }
        }
    }
}

/// Writes a PUBACK or PUBREC. Success has the same form in all versions.
#[inline]
fn write_ack(
    outputs: &mut Outputs,
    conn: ConnId,
    kind: AckKind,
    packet_id: PacketId,
    reason: ReasonCode,
) {
    if reason == ReasonCode::Success {
        return outputs.reply(conn, &Ack::bytes_v3(kind, packet_id));
    }
    let Some(&FormatOptions { packet_bytes_max, problem_information, .. }) = outputs.format(conn)
    else {
        return;
    };
    let (mut scratch, mut bytes) = (Vec::new(), Vec::new());
    let words = words_of(reason).filter(|_| problem_information);
    let said =
        words.map(|words| Property { id: PropertyId::ReasonString, value: Value::String(words) });
    let carrier = Carrier::Packet(kind.packet_kind());
    let properties = Properties::lay_out(carrier, said, &mut scratch);
    Ack { reason, properties, ..Ack::new(packet_id) }.encode(kind, Version::V5, &mut bytes);
    if bytes.len() > packet_bytes_max {
        bytes.clear();
        Ack { reason, ..Ack::new(packet_id) }.encode(kind, Version::V5, &mut bytes);
    }
    outputs.reply(conn, &bytes);
}

/// The reason string for a refused message: what its sender can do about it.
fn words_of(reason: ReasonCode) -> Option<&'static str> {
    match reason {
        ReasonCode::NotAuthorized => Some("the access rules of the broker deny this topic"),
        ReasonCode::TopicNameInvalid => Some("the topic has more levels than --max-topic-levels"),
        ReasonCode::QuotaExceeded => {
            Some("the sessions that the message is for are full; it may be sent again later")
        }
        ReasonCode::PayloadFormatInvalid => Some("the payload is not the UTF-8 it says"),
        _ => None,
    }
}
