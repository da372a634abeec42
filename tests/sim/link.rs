//! One connection of a simulated client: bytes both ways, and the answers it waits for.
//!
//! Replies of one kind keep the order of their requests [MQTT-4.6.0-2]: what comes must be the
//! first of its kind in `replies`.

use std::collections::VecDeque;

use ringmq::mqtt::{
    Ack, AckKind, Connect, Packet, PacketId, Publish, PublishProperties, QoS, Subscribe, TopicName,
    Unsubscribe, Version, Will, WillProperties, decode, peek_frame,
};

use crate::kernel::Kernel;
use crate::ledger::{Ledger, MessageId};
use crate::random::Random;
use crate::session::Change;

/// What the broker owes for a request.
#[derive(Debug)]
pub(crate) enum Reply {
    Puback(u16, MessageId),
    Pubrec(u16, MessageId),
    Pubcomp(u16),
    Suback(u16, Vec<Change>),
    Unsuback(u16, Vec<Change>),
}

/// How a client goes away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leaving {
    No,
    /// With DISCONNECT.
    Politely,
    /// It closes its side only.
    Rudely,
    /// It says nothing any more: keep alive must find out.
    Silently,
}

/// See the module.
pub(crate) struct Link {
    pub(crate) conn: usize,
    pub(crate) clean: bool,
    /// When it began, and how long the broker had been down by then.
    pub(crate) began_ms: u64,
    pub(crate) down_ms: u64,
    /// CONNACK has come.
    pub(crate) accepted: bool,
    pub(crate) resumed: bool,
    /// Packets may follow CONNECT before its CONNACK.
    pub(crate) pipelines: bool,
    pub(crate) will: Option<MessageId>,
    pub(crate) keep_alive_ms: u64,
    pub(crate) out: VecDeque<u8>,
    input: Vec<u8>,
    pub(crate) replies: VecDeque<Reply>,
    /// QoS 0 messages that precede each PINGREQ that waits.
    pub(crate) pings: VecDeque<Vec<MessageId>>,
    pub(crate) unconfirmed: Vec<MessageId>,
    /// Answers to the broker's messages, each with when it goes out.
    pub(crate) answers: VecDeque<(u64, AckKind, PacketId)>,
    pub(crate) paused_until_ms: u64,
    pub(crate) last_sent_ms: u64,
    /// When it began to wait for what it waits for now.
    pub(crate) waits_since_ms: u64,
    /// The bytes a second that it may publish, 0: any; and when it may have sent what it has.
    pub(crate) bytes_per_s: u64,
    pub(crate) earned_ms: u64,
    /// Something was sent that may have to wait for the disk, since it last waited for nothing.
    pub(crate) needs_disk: bool,
    pub(crate) leaving: Leaving,
    /// The tick at which it began to leave.
    pub(crate) left: Option<u64>,
    /// It was quiet for the verdict: a last PINGREQ was sent.
    pub(crate) settled: bool,
}

impl Link {
    pub(crate) fn new(conn: usize, connect: &Connect<'_>, now_ms: u64) -> Self {
        let mut link = Self {
            conn,
            clean: connect.clean_session,
            began_ms: now_ms,
            down_ms: 0,
            accepted: false,
            resumed: false,
            pipelines: false,
            will: None,
            keep_alive_ms: u64::from(connect.keep_alive_s) * 1000,
            out: VecDeque::new(),
            input: Vec::new(),
            replies: VecDeque::new(),
            pings: VecDeque::new(),
            unconfirmed: Vec::new(),
            answers: VecDeque::new(),
            paused_until_ms: 0,
            last_sent_ms: now_ms,
            waits_since_ms: now_ms,
            bytes_per_s: 0,
            earned_ms: 0,
            needs_disk: false,
            leaving: Leaving::No,
            left: None,
            settled: false,
        };
        link.put(&Packet::Connect(*connect), now_ms);
        link
    }

    /// Whether the broker owes it something.
    pub(crate) fn is_waiting(&self) -> bool {
        let leaves = matches!(self.leaving, Leaving::Politely | Leaving::Rudely);
        !self.accepted || leaves || !self.replies.is_empty() || !self.pings.is_empty()
    }

    /// Whether a SUBSCRIBE or UNSUBSCRIBE with this identifier waits for its answer.
    pub(crate) fn asks_as(&self, packet_id: u16) -> bool {
        self.replies.iter().any(|reply| match reply {
            Reply::Suback(known, _) | Reply::Unsuback(known, _) => *known == packet_id,
            Reply::Puback(..) | Reply::Pubrec(..) | Reply::Pubcomp(_) => false,
        })
    }

    /// Takes the reply that the broker owes first of those of a packet's kind.
    pub(crate) fn take_reply(&mut self, packet: &Packet<'_>) -> Option<Reply> {
        let is_of_kind = |reply: &Reply| {
            matches!(
                (reply, packet),
                (Reply::Puback(..), Packet::Puback(_))
                    | (Reply::Pubrec(..), Packet::Pubrec(_))
                    | (Reply::Pubcomp(..), Packet::Pubcomp(_))
                    | (Reply::Suback(..), Packet::Suback(_))
                    | (Reply::Unsuback(..), Packet::Unsuback(_))
            )
        };
        let at = self.replies.iter().position(is_of_kind)?;
        self.replies.remove(at)
    }

    /// Puts a packet on its way.
    pub(crate) fn put(&mut self, packet: &Packet<'_>, now_ms: u64) {
        let mut bytes = Vec::new();
        packet.encode(Version::V311, &mut bytes);
        if let Some(cost_ms) = (bytes.len() as u64 * 1000).checked_div(self.bytes_per_s) {
            self.earned_ms = self.earned_ms.max(now_ms) + cost_ms;
        }
        self.out.extend(bytes);
        self.last_sent_ms = now_ms;
        if !self.is_waiting() {
            self.waits_since_ms = now_ms;
            self.needs_disk &= !self.unconfirmed.is_empty();
        }
        self.needs_disk |= match packet {
            Packet::Publish(publish) => publish.retain || publish.qos > QoS::AtMostOnce,
            // Of a session that begins or ends: its CONNACK waits.
            Packet::Connect(_) => true,
            Packet::Pingreq | Packet::Disconnect(_) => false,
            _ => true,
        };
    }

    /// When it must show that it lives.
    pub(crate) fn ping_ms(&self) -> Option<u64> {
        let shows = self.keep_alive_ms > 0 && self.leaving == Leaving::No;
        shows.then_some(self.last_sent_ms + self.keep_alive_ms * 8 / 10)
    }

    pub(crate) fn ping(&mut self, now_ms: u64) {
        self.put(&Packet::Pingreq, now_ms);
        self.pings.push_back(std::mem::take(&mut self.unconfirmed));
    }

    pub(crate) fn put_publish(
        &mut self,
        ledger: &Ledger,
        id: MessageId,
        packet_id: Option<u16>,
        dup: bool,
        now_ms: u64,
    ) {
        let message = &ledger.messages[id];
        let publish = Publish {
            dup,
            qos: message.qos,
            retain: message.retain,
            topic: Some(TopicName::parse(message.topic).expect("topics here are valid")),
            packet_id: packet_id.and_then(PacketId::new),
            properties: PublishProperties::EMPTY,
            payload: &ledger.payload(id),
        };
        self.put(&Packet::Publish(publish), now_ms);
    }

    pub(crate) fn put_ack(&mut self, kind: AckKind, packet_id: PacketId, now_ms: u64) {
        let ack = Ack::new(packet_id);
        let packet = match kind {
            AckKind::Puback => Packet::Puback(ack),
            AckKind::Pubrec => Packet::Pubrec(ack),
            AckKind::Pubrel => Packet::Pubrel(ack),
            AckKind::Pubcomp => Packet::Pubcomp(ack),
        };
        self.put(&packet, now_ms);
    }

    pub(crate) fn put_subscribe(
        &mut self,
        packet_id: PacketId,
        entries: &[(&'static str, QoS)],
        now_ms: u64,
    ) {
        let mut scratch = Vec::new();
        let packet = Packet::Subscribe(Subscribe::new(packet_id, entries, &mut scratch));
        self.put(&packet, now_ms);
    }

    pub(crate) fn put_unsubscribe(
        &mut self,
        packet_id: PacketId,
        filters: &[&'static str],
        now_ms: u64,
    ) {
        let mut scratch = Vec::new();
        let packet = Packet::Unsubscribe(Unsubscribe::new(packet_id, filters, &mut scratch));
        self.put(&packet, now_ms);
    }

    /// Writes some of what waits; closes its side after the last of a client that leaves.
    pub(crate) fn write(&mut self, kernel: &mut Kernel, random: &mut Random, trickle: bool) {
        let max = if trickle { 3 } else { self.out.len().max(1) };
        let count = if random.one_in(4) { 1 + random.below(max) } else { max };
        let conn = &mut kernel.conns[self.conn];
        let bytes: Vec<u8> = self.out.iter().take(count).copied().collect();
        // Nobody reads it any more: it is lost.
        let taken = if conn.shut { bytes.len() } else { conn.to_broker.write(&bytes) };
        self.out.drain(..taken);
        if self.out.is_empty() && matches!(self.leaving, Leaving::Politely | Leaving::Rudely) {
            conn.to_broker.ended = true;
        }
    }

    /// Whether [`Link::write`] has something to do and room for it.
    pub(crate) fn can_write(&self, kernel: &Kernel) -> bool {
        let conn = &kernel.conns[self.conn];
        let leaves = matches!(self.leaving, Leaving::Politely | Leaving::Rudely);
        let ends = leaves && self.out.is_empty() && !conn.to_broker.ended;
        ends || !self.out.is_empty() && (conn.shut || conn.to_broker.room() > 0)
    }

    /// Reads some bytes.
    pub(crate) fn read(&mut self, kernel: &mut Kernel, random: &mut Random) {
        let pipe = &mut kernel.conns[self.conn].to_client;
        let max = if random.one_in(4) { 1 + random.below(64) } else { pipe.len() };
        self.input.extend(pipe.read(max));
    }

    /// The next whole packet, as bytes.
    pub(crate) fn next_packet(&mut self) -> Option<Vec<u8>> {
        let frame =
            peek_frame(Version::V311, &self.input, usize::MAX).expect("the broker sends MQTT")?;
        let whole = frame.total_bytes <= self.input.len();
        whole.then(|| self.input.drain(..frame.total_bytes).collect())
    }
}

/// A packet of the broker.
pub(crate) fn parse(bytes: &[u8]) -> Packet<'_> {
    let frame = peek_frame(Version::V311, bytes, usize::MAX).ok().flatten().expect("it was whole");
    decode(Version::V311, frame, bytes).expect("the broker sends MQTT")
}

/// A will as a CONNECT has it.
pub(crate) fn will<'a>(ledger: &Ledger, id: MessageId, payload: &'a [u8]) -> Will<'a> {
    let message = &ledger.messages[id];
    Will {
        topic: TopicName::parse(message.topic).expect("topics here are valid"),
        payload,
        qos: message.qos,
        retain: message.retain,
        properties: WillProperties::EMPTY,
    }
}
