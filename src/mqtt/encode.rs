//! Packets → bytes. `encode` appends exactly `encoded_bytes` bytes and allocates nothing else.
//!
//! Panics here are the caller's faults, never the peer's: a packet that came out of the decoder can
//! be encoded. They are named at [`Packet::encode`] and hold for the methods of the structs too.

use super::fields::{PacketId, PacketKind, QoS, Version};
use super::packet::{
    Ack, AckKind, Connack, Connect, ConnectReturn, Disconnect, Packet, Publish, Will, connect_flag,
    publish_flag,
};
use super::subscribe::{Suback, Subscribe, Unsuback, Unsubscribe};
use super::wire::{put_bytes, put_u16, put_varint, varint_bytes};

/// Bytes of a packet with this remaining length.
#[inline]
const fn total_bytes(remaining: usize) -> usize {
    1 + varint_bytes(remaining) + remaining
}

/// Appends a fixed header.
#[inline]
fn put_header(version: Version, first: u8, remaining: usize, out: &mut Vec<u8>) {
    assert!(version != Version::V5, "MQTT 5 has no encoder yet");
    out.push(first);
    put_varint(remaining, out);
}

/// A packet of two bytes after a fixed header of two.
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
            Self::Connack(connack) => connack.encoded_bytes(version),
            Self::Publish(publish) => publish.encoded_bytes(version),
            Self::Puback(ack) | Self::Pubrec(ack) | Self::Pubrel(ack) | Self::Pubcomp(ack) => {
                ack.encoded_bytes(version)
            }
            Self::Subscribe(subscribe) => subscribe.encoded_bytes(version),
            Self::Suback(suback) => suback.encoded_bytes(version),
            Self::Unsubscribe(unsubscribe) => unsubscribe.encoded_bytes(version),
            Self::Unsuback(unsuback) => unsuback.encoded_bytes(version),
            Self::Pingreq | Self::Pingresp => 2,
            Self::Disconnect(disconnect) => disconnect.encoded_bytes(version),
        }
    }

    /// Appends the packet.
    ///
    /// # Panics
    /// With [`Version::V5`]; if the packet is larger than the protocol can express, or a string or
    /// binary field longer than 65,535 bytes; if a PUBLISH has a packet id or DUP with QoS 0, or no
    /// packet id above it; if a CONNECT has a password and no user name.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        match self {
            Self::Connect(connect) => connect.encode(version, out),
            Self::Connack(connack) => connack.encode(version, out),
            Self::Publish(publish) => publish.encode(version, out),
            Self::Puback(ack) => ack.encode(AckKind::Puback, version, out),
            Self::Pubrec(ack) => ack.encode(AckKind::Pubrec, version, out),
            Self::Pubrel(ack) => ack.encode(AckKind::Pubrel, version, out),
            Self::Pubcomp(ack) => ack.encode(AckKind::Pubcomp, version, out),
            Self::Subscribe(subscribe) => subscribe.encode(version, out),
            Self::Suback(suback) => suback.encode(version, out),
            Self::Unsubscribe(unsubscribe) => unsubscribe.encode(version, out),
            Self::Unsuback(unsuback) => unsuback.encode(version, out),
            Self::Pingreq => out.extend_from_slice(&Self::PINGREQ),
            Self::Pingresp => out.extend_from_slice(&Self::PINGRESP),
            Self::Disconnect(disconnect) => disconnect.encode(version, out),
        }
    }
}

impl Connect<'_> {
    /// Bytes that [`Connect::encode`] appends.
    pub fn encoded_bytes(&self, _version: Version) -> usize {
        total_bytes(self.remaining())
    }

    /// Appends the packet in its own version; the argument, here for likeness, is ignored as in
    /// [`decode`](super::decode).
    pub fn encode(&self, _version: Version, out: &mut Vec<u8>) {
        // [MQTT-3.1.2-22]
        assert!(
            self.password.is_none() || self.username.is_some(),
            "a CONNECT with a password has a user name"
        );
        out.reserve(self.encoded_bytes(self.version));
        put_header(self.version, PacketKind::Connect.first_byte(), self.remaining(), out);
        let (name, level) = self.protocol();
        put_bytes(name, out);
        out.push(level);
        out.push(self.flags());
        put_u16(self.keep_alive_s, out);
        put_bytes(self.client_id.as_bytes(), out);
        if let Some(will) = &self.will {
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
        let will = |will: &Will<'_>| 2 + will.topic.as_str().len() + 2 + will.payload.len();
        // Name, level, flags, keep alive; then the payload.
        2 + self.protocol().0.len()
            + 1
            + 1
            + 2
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
        Self::bytes(version, session_present, code as u8)
    }

    /// Bytes that [`Connack::encode`] appends.
    pub fn encoded_bytes(&self, _version: Version) -> usize {
        4
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        out.extend_from_slice(&Self::bytes(version, self.session_present, self.reason));
    }

    const fn bytes(version: Version, session_present: bool, reason: u8) -> [u8; 4] {
        let flags = match version {
            // 3.1 does not use the byte.
            Version::V31 => 0,
            // [MQTT-3.2.2-4] A refusal has no session.
            Version::V311 => (session_present && reason == 0) as u8,
            Version::V5 => panic!("MQTT 5 has no encoder yet"),
        };
        four_bytes(PacketKind::Connack.first_byte(), [flags, reason])
    }
}

impl Publish<'_> {
    /// Bytes that [`Publish::encode`] appends.
    #[inline]
    pub fn encoded_bytes(&self, _version: Version) -> usize {
        total_bytes(self.remaining())
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        out.reserve(self.encoded_bytes(version));
        self.encode_header(version, out);
        out.extend_from_slice(self.payload);
    }

    /// Appends the packet without its payload, for one that is sent from where it lies.
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
    }

    /// Appends what stands before the packet id.
    #[inline]
    pub(super) fn put_header(&self, version: Version, out: &mut Vec<u8>) {
        put_header(version, self.first_byte(), self.remaining(), out);
        put_bytes(self.topic.as_str().as_bytes(), out);
    }

    #[inline]
    const fn first_byte(&self) -> u8 {
        PacketKind::Publish.first_byte()
            | (self.qos as u8) << publish_flag::QOS_SHIFT
            | if self.dup { publish_flag::DUP } else { 0 }
            | if self.retain { publish_flag::RETAIN } else { 0 }
    }

    /// Counts a packet id if the QoS needs one, whether it is there or not.
    #[inline]
    fn remaining(&self) -> usize {
        let id_bytes = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
        2 + self.topic.as_str().len() + id_bytes + self.payload.len()
    }
}

impl Ack<'_> {
    /// The PUBACK, PUBREC, PUBREL or PUBCOMP of 3.1 and 3.1.1.
    #[inline]
    pub const fn bytes_v3(kind: AckKind, packet_id: PacketId) -> [u8; 4] {
        four_bytes(kind.packet_kind().first_byte(), packet_id.get().to_be_bytes())
    }

    /// Bytes that [`Ack::encode`] appends.
    #[inline]
    pub fn encoded_bytes(&self, _version: Version) -> usize {
        4
    }

    /// Appends the packet as `kind`.
    #[inline]
    pub fn encode(&self, kind: AckKind, version: Version, out: &mut Vec<u8>) {
        assert!(version != Version::V5, "MQTT 5 has no encoder yet");
        out.extend_from_slice(&Self::bytes_v3(kind, self.packet_id));
    }
}

impl Subscribe<'_> {
    /// Bytes that [`Subscribe::encode`] appends.
    pub fn encoded_bytes(&self, _version: Version) -> usize {
        total_bytes(2 + self.entry_bytes().len())
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        put_list(version, PacketKind::Subscribe, self.packet_id, self.entry_bytes(), out);
    }
}

impl Suback<'_> {
    /// Bytes that [`Suback::encode`] appends.
    pub fn encoded_bytes(&self, _version: Version) -> usize {
        total_bytes(2 + self.codes.len())
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        put_list(version, PacketKind::Suback, self.packet_id, self.codes, out);
    }
}

impl Unsubscribe<'_> {
    /// Bytes that [`Unsubscribe::encode`] appends.
    pub fn encoded_bytes(&self, _version: Version) -> usize {
        total_bytes(2 + self.filter_bytes().len())
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        put_list(version, PacketKind::Unsubscribe, self.packet_id, self.filter_bytes(), out);
    }
}

impl Unsuback<'_> {
    /// The UNSUBACK of 3.1 and 3.1.1.
    #[inline]
    pub const fn bytes_v3(packet_id: PacketId) -> [u8; 4] {
        four_bytes(PacketKind::Unsuback.first_byte(), packet_id.get().to_be_bytes())
    }

    /// Bytes that [`Unsuback::encode`] appends.
    pub fn encoded_bytes(&self, _version: Version) -> usize {
        4
    }

    /// Appends the packet. 3.x has no codes in it.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        put_list(version, PacketKind::Unsuback, self.packet_id, &[], out);
    }
}

impl Disconnect<'_> {
    /// Bytes that [`Disconnect::encode`] appends.
    pub fn encoded_bytes(&self, _version: Version) -> usize {
        2
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        put_header(version, PacketKind::Disconnect.first_byte(), 0, out);
    }
}

/// Appends a packet that is a packet id and a list.
fn put_list(
    version: Version,
    kind: PacketKind,
    packet_id: PacketId,
    list: &[u8],
    out: &mut Vec<u8>,
) {
    out.reserve(total_bytes(2 + list.len()));
    put_header(version, kind.first_byte(), 2 + list.len(), out);
    put_u16(packet_id.get(), out);
    out.extend_from_slice(list);
}
