//! Packets → bytes. `encode` appends exactly `encoded_bytes` bytes and allocates no other memory.
//!
//! A panic here is the caller's fault, never the peer's: each decoded packet can be encoded. Panics
//! are listed at [`Packet::encode`] and apply to the methods of the structs too.

use super::fields::{PacketId, PacketKind, QoS, Version};
use super::layout::{Layout, LeftOut, property_bytes, put_properties, total_bytes};
use super::packet::{
    Ack, AckKind, Auth, Connack, Connect, ConnectReturn, Disconnect, Packet, Publish, Will,
    connect_flag, publish_flag,
};
use super::reason::ReasonCode;
use super::subscribe::{Suback, Subscribe, Unsuback, Unsubscribe};
use super::topic::TopicName;
use super::wire::{put_bytes, put_u16, put_varint};

/// Appends a fixed header.
#[inline]
fn put_header(first: u8, remaining: usize, out: &mut Vec<u8>) {
    out.push(first);
    put_varint(remaining, out);
}

/// A packet with a body of two bytes.
#[inline]
const fn four_bytes(first: u8, rest: [u8; 2]) -> [u8; 4] {
    [first, 2, rest[0], rest[1]]
}

impl Packet<'_> {
    /// PINGREQ (3.12), the same in all versions.
    pub const PINGREQ: [u8; 2] = [PacketKind::Pingreq.first_byte(), 0];
    /// PINGRESP (3.13), the same in all versions.
    pub const PINGRESP: [u8; 2] = [PacketKind::Pingresp.first_byte(), 0];

    /// Bytes that [`Packet::encode`] appends.
    pub fn encoded_bytes(&self, version: Version) -> usize {
        match self {
            Self::Connect(connect) => connect.encoded_bytes(version),
            Self::Publish(publish) => publish.encoded_bytes(version),
            Self::Pingreq | Self::Pingresp => 2,
            small => small.layout(version, LeftOut::NOTHING).encoded_bytes(),
        }
    }

    /// Appends the packet.
    ///
    /// # Panics
    /// If the packet is larger than the protocol allows, or a string or binary field is longer than
    /// 65,535 bytes. If a PUBLISH has a packet id or DUP with QoS 0, no packet id above QoS 0, or
    /// neither a topic nor an alias (in 3.x: no topic). If a CONNECT of 3.x has a password and no
    /// user name. If an AUTH is encoded for 3.x.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        match self {
            Self::Connect(connect) => connect.encode(version, out),
            Self::Publish(publish) => publish.encode(version, out),
            Self::Pingreq => out.extend_from_slice(&Self::PINGREQ),
            Self::Pingresp => out.extend_from_slice(&Self::PINGRESP),
            small => small.layout(version, LeftOut::NOTHING).put(out),
        }
    }

    /// Appends the packet if it has at most `bytes_max` bytes; returns whether it did. In MQTT 5 it
    /// leaves out user properties, and then the reason string, if that helps [MQTT-3.2.2-19] v5.
    /// The properties of a CONNECT or a PUBLISH are never left out: they are for the receiver.
    ///
    /// # Panics
    /// As [`Packet::encode`].
    #[must_use]
    pub fn encode_within(&self, version: Version, bytes_max: usize, out: &mut Vec<u8>) -> bool {
        if self.encoded_bytes(version) <= bytes_max {
            self.encode(version, out);
            return true;
        }
        if matches!(self, Self::Connect(_) | Self::Publish(_) | Self::Pingreq | Self::Pingresp) {
            return false;
        }
        let layouts = LeftOut::STEPS.map(|left_out| self.layout(version, left_out));
        let fitting = layouts.iter().find(|layout| layout.encoded_bytes() <= bytes_max);
        fitting.map(|layout| layout.put(out)).is_some()
    }

    /// The layout of a small packet.
    fn layout(&self, version: Version, left_out: LeftOut) -> Layout<'_> {
        match self {
            Self::Connack(connack) => connack.layout(version, left_out),
            Self::Puback(ack) => ack.layout(AckKind::Puback, version, left_out),
            Self::Pubrec(ack) => ack.layout(AckKind::Pubrec, version, left_out),
            Self::Pubrel(ack) => ack.layout(AckKind::Pubrel, version, left_out),
            Self::Pubcomp(ack) => ack.layout(AckKind::Pubcomp, version, left_out),
            Self::Subscribe(subscribe) => subscribe.layout(version, left_out),
            Self::Suback(suback) => suback.layout(version, left_out),
            Self::Unsubscribe(unsubscribe) => unsubscribe.layout(version, left_out),
            Self::Unsuback(unsuback) => unsuback.layout(version, left_out),
            Self::Disconnect(disconnect) => disconnect.layout(version, left_out),
            Self::Auth(auth) => auth.layout(version, left_out),
            Self::Connect(_) | Self::Publish(_) | Self::Pingreq | Self::Pingresp => {
                unreachable!("it has an encoder of its own")
            }
        }
    }
}

impl Connect<'_> {
    /// Bytes that [`Connect::encode`] appends.
    pub fn encoded_bytes(&self, _version: Version) -> usize {
        total_bytes(self.remaining())
    }

    /// Appends the packet in its own version. The argument is ignored, as in
    /// [`decode`](super::decode()).
    pub fn encode(&self, _version: Version, out: &mut Vec<u8>) {
        // [MQTT-3.1.2-22]
        assert!(
            self.password.is_none() || self.username.is_some() || self.is_v5(),
            "a CONNECT of 3.x with a password has a user name"
        );
        out.reserve(self.encoded_bytes(self.version));
        put_header(PacketKind::Connect.first_byte(), self.remaining(), out);
        let (name, level) = self.protocol();
        put_bytes(name, out);
        out.push(level);
        out.push(self.flags());
        put_u16(self.keep_alive_s, out);
        if self.is_v5() {
            put_properties(self.properties.as_bytes(), out);
        }
        put_bytes(self.client_id.as_bytes(), out);
        if let Some(will) = &self.will {
            if self.is_v5() {
                put_properties(will.properties.list().as_bytes(), out);
            }
            put_bytes(will.topic.as_str().as_bytes(), out);
            put_bytes(will.payload, out);
        }
        if let Some(username) = self.username {
            put_bytes(username.as_bytes(), out);
        }
        if let Some(password) = self.password {
            put_bytes(password, out);
        }
    }

    const fn is_v5(&self) -> bool {
        matches!(self.version, Version::V5)
    }

    /// Protocol name and level (3.1.2.1, 3.1.2.2).
    const fn protocol(&self) -> (&'static [u8], u8) {
        match self.version {
            Version::V31 => (b"MQIsdp", 3),
            Version::V311 => (b"MQTT", 4),
            Version::V5 => (b"MQTT", 5),
        }
    }

    fn flags(&self) -> u8 {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let will = |will: &Will<'_>| {
            connect_flag::WILL
                | (will.qos as u8) << connect_flag::WILL_QOS_SHIFT
                | bit(will.retain, connect_flag::WILL_RETAIN)
        };
        bit(self.clean_session, connect_flag::CLEAN_SESSION)
            | self.will.as_ref().map_or(0, will)
            | bit(self.password.is_some(), connect_flag::PASSWORD)
            | bit(self.username.is_some(), connect_flag::USERNAME)
    }

    fn remaining(&self) -> usize {
        let properties = |bytes: &[u8]| if self.is_v5() { property_bytes(bytes.len()) } else { 0 };
        let will = |will: &Will<'_>| {
            let properties = properties(will.properties.list().as_bytes());
            properties + 2 + will.topic.as_str().len() + 2 + will.payload.len()
        };
        // Name, level, flags, keep alive; then the payload.
        2 + self.protocol().0.len()
            + 1
            + 1
            + 2
            + properties(self.properties.as_bytes())
            + 2
            + self.client_id.len()
            + self.will.as_ref().map_or(0, will)
            + self.username.map_or(0, |username| 2 + username.len())
            + self.password.map_or(0, |password| 2 + password.len())
    }
}

impl Connack<'_> {
    /// The CONNACK of 3.1 and 3.1.1.
    #[inline]
    pub const fn bytes_v3(version: Version, session_present: bool, code: ConnectReturn) -> [u8; 4] {
        let [flags, reason] = Self::head(version, session_present, code as u8);
        four_bytes(PacketKind::Connack.first_byte(), [flags, reason])
    }

    /// The refusing CONNACK of MQTT 5, without properties.
    #[inline]
    pub const fn refusal_v5(reason: ReasonCode) -> [u8; 5] {
        [PacketKind::Connack.first_byte(), 3, 0, reason as u8, 0]
    }

    /// Bytes that [`Connack::encode`] appends.
    pub fn encoded_bytes(&self, version: Version) -> usize {
        self.layout(version, LeftOut::NOTHING).encoded_bytes()
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        self.layout(version, LeftOut::NOTHING).put(out);
    }

    fn layout(&self, version: Version, left_out: LeftOut) -> Layout<'_> {
        let head = Self::head(version, self.session_present, self.reason);
        Layout::connack(version, head, (self.properties, left_out))
    }

    const fn head(version: Version, session_present: bool, reason: u8) -> [u8; 2] {
        let flags = match version {
            // 3.1 does not use the byte.
            Version::V31 => 0,
            // [MQTT-3.2.2-4], [MQTT-3.2.2-6] v5 A refusal has no session.
            Version::V311 | Version::V5 => (session_present && reason == 0) as u8,
        };
        [flags, reason]
    }
}

impl Publish<'_> {
    /// Bytes that [`Publish::encode`] appends.
    #[inline]
    pub fn encoded_bytes(&self, version: Version) -> usize {
        total_bytes(self.remaining(version))
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        out.reserve(self.encoded_bytes(version));
        self.encode_header(version, out);
        out.extend_from_slice(self.payload);
    }

    /// Appends the packet without its payload, which is sent without being copied.
    pub fn encode_header(&self, version: Version, out: &mut Vec<u8>) {
        // [MQTT-2.3.1-1], [MQTT-2.3.1-5]
        assert!(
            self.packet_id.is_some() == (self.qos > QoS::AtMostOnce),
            "a PUBLISH has a packet id exactly with QoS 1 and 2"
        );
        // [MQTT-3.3.1-2]
        assert!(!self.dup || self.qos > QoS::AtMostOnce, "DUP goes with QoS 1 and 2");
        self.put_header(version, out);
        if let Some(packet_id) = self.packet_id {
            put_u16(packet_id.get(), out);
        }
        self.put_properties(version, out);
    }

    /// Appends the bytes before the packet id.
    #[inline]
    pub(super) fn put_header(&self, version: Version, out: &mut Vec<u8>) {
        let has_alias = version == Version::V5 && self.properties.alias().is_some();
        assert!(self.topic.is_some() || has_alias, "a PUBLISH has a topic or an alias");
        let first = publish_flag::first_byte(self.qos, self.dup, self.retain);
        put_header(first, self.remaining(version), out);
        put_bytes(self.topic_text().as_bytes(), out);
    }

    /// Appends the bytes between the packet id and the payload.
    #[inline]
    pub(super) fn put_properties(&self, version: Version, out: &mut Vec<u8>) {
        if version == Version::V5 {
            put_properties(self.properties.list().as_bytes(), out);
        }
    }

    #[inline]
    fn topic_text(&self) -> &str {
        self.topic.map_or("", TopicName::as_str)
    }

    /// Counts a packet id if the QoS needs one, even if it is missing.
    #[inline]
    fn remaining(&self, version: Version) -> usize {
        let id_bytes = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
        let properties = match version {
            Version::V31 | Version::V311 => 0,
            Version::V5 => property_bytes(self.properties.list().as_bytes().len()),
        };
        2 + self.topic_text().len() + id_bytes + properties + self.payload.len()
    }
}

impl Ack<'_> {
    /// The PUBACK, PUBREC, PUBREL or PUBCOMP of 3.1 and 3.1.1, and of MQTT 5 for success.
    #[inline]
    pub const fn bytes_v3(kind: AckKind, packet_id: PacketId) -> [u8; 4] {
        four_bytes(kind.packet_kind().first_byte(), packet_id.get().to_be_bytes())
    }

    /// Bytes that [`Ack::encode`] appends.
    #[inline]
    pub fn encoded_bytes(&self, version: Version) -> usize {
        self.layout(AckKind::Puback, version, LeftOut::NOTHING).encoded_bytes()
    }

    /// Appends the packet as `kind`.
    #[inline]
    pub fn encode(&self, kind: AckKind, version: Version, out: &mut Vec<u8>) {
        self.layout(kind, version, LeftOut::NOTHING).put(out);
    }

    fn layout(&self, kind: AckKind, version: Version, left_out: LeftOut) -> Layout<'_> {
        let (kind, packet_id) = (kind.packet_kind(), Some(self.packet_id));
        Layout::answer(version, kind, packet_id, self.reason, (self.properties, left_out))
    }
}

impl Subscribe<'_> {
    /// Bytes that [`Subscribe::encode`] appends.
    pub fn encoded_bytes(&self, version: Version) -> usize {
        self.layout(version, LeftOut::NOTHING).encoded_bytes()
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        self.layout(version, LeftOut::NOTHING).put(out);
    }

    fn layout(&self, version: Version, left_out: LeftOut) -> Layout<'_> {
        let (properties, entries) = ((self.properties, left_out), self.entry_bytes());
        Layout::list(version, PacketKind::Subscribe, self.packet_id, properties, entries)
    }
}

impl Suback<'_> {
    /// Bytes that [`Suback::encode`] appends.
    pub fn encoded_bytes(&self, version: Version) -> usize {
        self.layout(version, LeftOut::NOTHING).encoded_bytes()
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        self.layout(version, LeftOut::NOTHING).put(out);
    }

    fn layout(&self, version: Version, left_out: LeftOut) -> Layout<'_> {
        let properties = (self.properties, left_out);
        Layout::list(version, PacketKind::Suback, self.packet_id, properties, self.codes)
    }
}

impl Unsubscribe<'_> {
    /// Bytes that [`Unsubscribe::encode`] appends.
    pub fn encoded_bytes(&self, version: Version) -> usize {
        self.layout(version, LeftOut::NOTHING).encoded_bytes()
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        self.layout(version, LeftOut::NOTHING).put(out);
    }

    fn layout(&self, version: Version, left_out: LeftOut) -> Layout<'_> {
        let (properties, filters) = ((self.properties, left_out), self.filter_bytes());
        Layout::list(version, PacketKind::Unsubscribe, self.packet_id, properties, filters)
    }
}

impl Unsuback<'_> {
    /// The UNSUBACK of 3.1 and 3.1.1.
    #[inline]
    pub const fn bytes_v3(packet_id: PacketId) -> [u8; 4] {
        four_bytes(PacketKind::Unsuback.first_byte(), packet_id.get().to_be_bytes())
    }

    /// Bytes that [`Unsuback::encode`] appends.
    pub fn encoded_bytes(&self, version: Version) -> usize {
        self.layout(version, LeftOut::NOTHING).encoded_bytes()
    }

    /// Appends the packet. In 3.x it has no codes.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        self.layout(version, LeftOut::NOTHING).put(out);
    }

    fn layout(&self, version: Version, left_out: LeftOut) -> Layout<'_> {
        let codes = if version == Version::V5 { self.codes } else { &[] };
        let properties = (self.properties, left_out);
        Layout::list(version, PacketKind::Unsuback, self.packet_id, properties, codes)
    }
}

impl Disconnect<'_> {
    /// Bytes that [`Disconnect::encode`] appends.
    pub fn encoded_bytes(&self, version: Version) -> usize {
        self.layout(version, LeftOut::NOTHING).encoded_bytes()
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        self.layout(version, LeftOut::NOTHING).put(out);
    }

    fn layout(&self, version: Version, left_out: LeftOut) -> Layout<'_> {
        let properties = (self.properties, left_out);
        Layout::answer(version, PacketKind::Disconnect, None, self.reason, properties)
    }
}

impl Auth<'_> {
    /// Bytes that [`Auth::encode`] appends.
    pub fn encoded_bytes(&self, version: Version) -> usize {
        self.layout(version, LeftOut::NOTHING).encoded_bytes()
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        self.layout(version, LeftOut::NOTHING).put(out);
    }

    fn layout(&self, version: Version, left_out: LeftOut) -> Layout<'_> {
        assert!(version == Version::V5, "AUTH is of MQTT 5");
        let properties = (self.properties, left_out);
        Layout::answer(version, PacketKind::Auth, None, self.reason, properties)
    }
}
