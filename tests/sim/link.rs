//! One connection of a simulated client: bytes both ways, and the expected answers.
//!
//! Replies of one kind have the order of their requests [MQTT-4.6.0-2]: a reply must be the first
//! of its kind in `replies`.

use std::collections::VecDeque;

use ringmq::mqtt::{
    Ack, AckKind, Auth, AuthProperties, Carrier, Connect, Disconnect, DisconnectProperties, Packet,
    PacketId, PacketKind, Properties, Property, PropertyId, Publish, PublishProperties, QoS,
    ReasonCode, Subscribe, TopicName, Unsubscribe, Value, Version, decode, peek_frame,
};

use crate::dialect::{Dialect, alias_property};
use crate::kernel::Kernel;
use crate::ledger::{Ledger, MessageId};
use crate::proof::{Proof, USER};
use crate::random::Random;
use crate::session::Change;
use crate::wish::Wish;

/// The expected reply to a request.
#[derive(Debug)]
pub(crate) enum Reply {
    Puback(u16, MessageId),
    Pubrec(u16, MessageId),
    Pubcomp(u16),
    Suback(u16, Vec<Change>),
    Unsuback(u16, Vec<Change>),
}

/// The ways in which a client ends a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leaving {
    No,
    /// With DISCONNECT.
    Politely,
    /// It closes its sending side only.
    Rudely,
    /// It stops sending: keep alive must detect it.
    Silently,
}

/// See the module.
pub(crate) struct Link {
    pub(crate) conn: usize,
    pub(crate) dialect: Dialect,
    pub(crate) proof: Proof,
    pub(crate) clean_start: bool,
    /// When it began, and how long the broker had been down by then.
    pub(crate) began_ms: u64,
    pub(crate) down_ms: u64,
    /// Whether CONNACK was received.
    pub(crate) accepted: bool,
    pub(crate) resumed: bool,
    /// Whether packets may follow CONNECT before its CONNACK.
    pub(crate) pipelines: bool,
    pub(crate) will: Option<MessageId>,
    pub(crate) keep_alive_ms: u64,
    pub(crate) out: VecDeque<u8>,
    input: Vec<u8>,
    pub(crate) replies: VecDeque<Reply>,
    /// QoS 0 messages that precede each PINGREQ that waits.
    pub(crate) pings: VecDeque<Vec<MessageId>>,
    pub(crate) unconfirmed: Vec<MessageId>,
    /// Answers to the broker's messages, each with its time of sending.
    pub(crate) answers: VecDeque<(u64, AckKind, PacketId)>,
    pub(crate) paused_until_ms: u64,
    pub(crate) last_sent_ms: u64,
    /// The start of its present wait.
    pub(crate) waits_since_ms: u64,
    /// The bytes a second that it may publish, 0: any; and the time at which its messages so far
    /// are allowed.
    pub(crate) bytes_per_s: u64,
    pub(crate) earned_ms: u64,
    /// It sent a request that may wait for the disk since it last waited for nothing.
    pub(crate) needs_disk: bool,
    pub(crate) leaving: Leaving,
    /// It ends with a DISCONNECT that keeps its will; with another expiry interval; with a
    /// forbidden one.
    pub(crate) leaves_will: bool,
    pub(crate) new_expiry_s: Option<u32>,
    pub(crate) breaks_rules: bool,
    /// The tick at which it began to end.
    pub(crate) left: Option<u64>,
    /// It was quiet for the verdict: a last PINGREQ was sent.
    pub(crate) settled: bool,
}

impl Link {
    pub(crate) fn new(conn: usize, connect: &Connect<'_>, dialect: Dialect, now_ms: u64) -> Self {
        let proof = match dialect.asked.authentication_method {
            Some(_) => Proof::Asked,
            None => Proof::None,
        };
        let mut link = Self {
            conn,
            proof,
            dialect,
            clean_start: connect.clean_session,
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
            leaves_will: false,
            new_expiry_s: None,
            breaks_rules: false,
            left: None,
            settled: false,
        };
        link.put(&Packet::Connect(*connect), now_ms);
        link
    }

    /// Whether the broker owes it something.
    pub(crate) fn is_waiting(&self) -> bool {
        let leaves = matches!(self.leaving, Leaving::Politely | Leaving::Rudely);
        let proves = self.proof.is_pending() && self.leaving == Leaving::No;
        !self.accepted || leaves || proves || !self.replies.is_empty() || !self.pings.is_empty()
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
        packet.encode(self.dialect.version, &mut bytes);
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
            // For a session that begins or ends: its CONNACK waits.
            Packet::Connect(_) => true,
            Packet::Pingreq | Packet::Disconnect(_) => false,
            Packet::Auth(_) => !self.accepted,
            _ => true,
        };
    }

    /// When it must show that it lives.
    pub(crate) fn ping_ms(&self) -> Option<u64> {
        // [MQTT-3.1.2-30] v5: only AUTH and DISCONNECT may come before CONNACK.
        let is_silent = self.proof.is_pending() && !self.accepted;
        let shows = self.keep_alive_ms > 0 && self.leaving == Leaving::No && !is_silent;
        shows.then_some(self.last_sent_ms + self.keep_alive_ms * 8 / 10)
    }

    pub(crate) fn ping(&mut self, now_ms: u64) {
        self.put(&Packet::Pingreq, now_ms);
        self.pings.push_back(std::mem::take(&mut self.unconfirmed));
    }

    /// A message of SCRAM.
    pub(crate) fn put_auth(&mut self, reason: ReasonCode, message: &str, now_ms: u64) {
        let mut list = Vec::new();
        let data = Some(message.as_bytes());
        let told = AuthProperties { method: USER.method, data, reason_string: None };
        let properties = told.lay_out(&[], &mut list);
        self.put(&Packet::Auth(Auth { reason, properties }), now_ms);
    }

    /// Says that it leaves; `freely`: for any reason, and to have its session kept for another
    /// time.
    pub(crate) fn put_disconnect(&mut self, freely: bool, now: (u64, &mut Random)) {
        let (now_ms, random) = now;
        let mut disconnect = Disconnect::default();
        let mut list = Vec::new();
        if self.dialect.is_v5() && freely {
            let (success, others) = (
                ReasonCode::Success,
                [ReasonCode::DisconnectWithWill, ReasonCode::UnspecifiedError],
            );
            disconnect.reason = if random.one_in(2) { success } else { random.pick(&others) };
            let session_expiry_s = random.pick(&[None, None, Some(0), Some(2), Some(u32::MAX)]);
            let is_late = self.dialect.asked.session_expiry_s == 0;
            // [MQTT-3.14.2-2] v5: then it does not count.
            self.breaks_rules = is_late && session_expiry_s.is_some_and(|seconds| seconds > 0);
            self.new_expiry_s = session_expiry_s.filter(|_| !self.breaks_rules);
            self.leaves_will = disconnect.reason != success || self.breaks_rules;
            let said = DisconnectProperties { session_expiry_s, ..Default::default() };
            disconnect.properties = said.lay_out(&[], &mut list);
        }
        self.put(&Packet::Disconnect(disconnect), now_ms);
    }

    pub(crate) fn put_publish(
        &mut self,
        ledger: &mut Ledger,
        id: MessageId,
        packet_id: Option<u16>,
        dup: bool,
        now: (u64, &mut Random),
    ) {
        let (now_ms, random) = now;
        let is_v5 = self.dialect.is_v5();
        let message = &mut ledger.messages[id];
        (message.is_rich, message.is_bare) = (message.is_rich | is_v5, message.is_bare | !is_v5);
        let alias = self.dialect.alias_for(message.topic, random);
        let (mut scratch, mut list) = (Vec::new(), Vec::new());
        if is_v5 {
            list = message.terms.listed(alias.map(|(alias, _)| alias_property(alias)), random);
        }
        let has_topic = alias.is_none_or(|(_, has_topic)| has_topic);
        let carrier = Carrier::Packet(PacketKind::Publish);
        let properties = Properties::lay_out(carrier, list, &mut scratch);
        let properties = PublishProperties::new(properties).expect("they are laid out so");
        let message = &ledger.messages[id];
        let topic = TopicName::parse(message.topic).expect("topics here are valid");
        let publish = Publish {
            dup,
            qos: message.qos,
            retain: message.retain,
            topic: has_topic.then_some(topic),
            packet_id: packet_id.and_then(PacketId::new),
            properties,
            payload: &ledger.payload(id),
        };
        self.put(&Packet::Publish(publish), now_ms);
    }

    pub(crate) fn put_ack(&mut self, kind: AckKind, packet_id: PacketId, now_ms: u64) {
        let ack = Ack::new(packet_id);
        if matches!(kind, AckKind::Puback | AckKind::Pubcomp) {
            self.dialect.end(packet_id.get());
        }
        let packet = match kind {
            AckKind::Puback => Packet::Puback(ack),
            AckKind::Pubrec => Packet::Pubrec(ack),
            AckKind::Pubrel => Packet::Pubrel(ack),
            AckKind::Pubcomp => Packet::Pubcomp(ack),
        };
        self.put(&packet, now_ms);
    }

    pub(crate) fn put_subscribe(&mut self, packet_id: PacketId, wishes: &[Wish], now_ms: u64) {
        let (mut scratch, mut list) = (Vec::new(), Vec::new());
        let identifier = wishes.iter().find_map(|wish| wish.identifier).map(|value| Property {
            id: PropertyId::SubscriptionId,
            value: Value::VariableByteInteger(value),
        });
        let carrier = Carrier::Packet(PacketKind::Subscribe);
        let properties = Properties::lay_out(carrier, identifier, &mut list);
        let entries = wishes.iter().map(Wish::entry);
        let packet = Subscribe::lay_out(packet_id, properties, entries, &mut scratch);
        self.put(&Packet::Subscribe(packet), now_ms);
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

    /// Writes some of the waiting bytes; shuts down sending after the last byte of a client that
    /// ends.
    pub(crate) fn write(&mut self, kernel: &mut Kernel, random: &mut Random, trickle: bool) {
        let max = if trickle { 3 } else { self.out.len().max(1) };
        let count = if random.one_in(4) { 1 + random.below(max) } else { max };
        let conn = &mut kernel.conns[self.conn];
        let bytes: Vec<u8> = self.out.iter().take(count).copied().collect();
        // The broker does not read it any more: it is lost.
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
        let frame = peek_frame(self.dialect.version, &self.input, usize::MAX)
            .expect("the broker sends MQTT")?;
        let whole = frame.total_bytes <= self.input.len();
        self.dialect.judge_size(frame.total_bytes);
        whole.then(|| self.input.drain(..frame.total_bytes).collect())
    }
}

/// A packet of the broker.
pub(crate) fn parse(version: Version, bytes: &[u8]) -> Packet<'_> {
    let frame = peek_frame(version, bytes, usize::MAX).ok().flatten().expect("it was whole");
    decode(version, frame, bytes).expect("the broker sends MQTT")
}
