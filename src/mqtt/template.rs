//! A PUBLISH that is encoded once for many receivers: the fields that differ between them are
//! patched into a copy. In MQTT 5 that serves receivers whose copy has neither an alias nor
//! subscription identifiers; others need a [`PublishHead`](super::PublishHead).
//!
//! `packet_id_at` is `Some` exactly if the template's QoS is above 0; then `packet_id_at + 2 <=
//! bytes.len()`. `bytes` is never empty.

use super::fields::{PacketId, QoS, Version};
use super::layout::{property_bytes, put_properties};
use super::packet::{Publish, publish_flag};
use super::topic::TopicName;
use super::wire::{put_bytes, put_varint, varint_bytes};

/// A PUBLISH that is encoded once for many receivers: only packet id and the DUP and RETAIN bits
/// differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishTemplate<'a> {
    /// The packet, with packet id 0 if it has one.
    pub bytes: &'a [u8],
    /// The position of the packet id in `bytes`; `None` with QoS 0.
    pub packet_id_at: Option<usize>,
}

/// The parts that all packets of a message have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageParts<'a> {
    /// The topic of its publication.
    pub topic: TopicName<'a>,
    /// Properties for receivers: see [`PublishProperties::forwarding`]. MQTT 5 only.
    ///
    /// [`PublishProperties::forwarding`]: super::PublishProperties::forwarding
    pub forwarded: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

/// The fields of one receiver's copy of a PUBLISH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery {
    /// `Some` exactly if the template's QoS is above 0.
    pub packet_id: Option<PacketId>,
    /// Whether it was sent to this receiver before [MQTT-3.3.1-1].
    pub dup: bool,
    /// Whether it is a retained message for a new subscription [MQTT-3.3.1-8].
    pub retain: bool,
}

const ID_WITH_QOS: &str = "a PUBLISH has a packet id exactly with QoS 1 and 2";
const DUP_WITH_QOS: &str = "DUP goes with QoS 1 and 2";

impl MessageParts<'_> {
    /// The size of a packet of this message without its payload.
    #[inline]
    pub fn head_bytes(&self, version: Version, qos: QoS) -> usize {
        let bytes = self.variable_header_bytes(version, qos > QoS::AtMostOnce);
        1 + varint_bytes(bytes + self.payload.len()) + bytes
    }

    /// Appends the packet for one receiver without the payload: [`MessageParts::head_bytes`] bytes.
    /// The bytes are those of a [`PublishTemplate`], and it is cheaper if there is only one
    /// receiver.
    ///
    /// # Panics
    /// If `delivery` has a packet id with QoS 0, or none above it, or DUP without a packet id; or
    /// if the packet is larger than the protocol allows.
    #[inline]
    pub fn append_head(&self, version: Version, qos: QoS, delivery: Delivery, out: &mut Vec<u8>) {
        let Delivery { packet_id, dup, retain } = delivery;
        let has_id = packet_id.is_some();
        assert!(has_id == (qos > QoS::AtMostOnce), "{ID_WITH_QOS}");
        assert!(has_id || !dup, "{DUP_WITH_QOS}");
        let first = publish_flag::first_byte(qos, dup, retain);
        self.put(version, first, packet_id.map(|id| id.get().to_be_bytes()), out);
    }

    /// Bytes between the fixed header and the payload.
    #[inline]
    fn variable_header_bytes(&self, version: Version, has_id: bool) -> usize {
        let properties = match version {
            Version::V31 | Version::V311 => 0,
            Version::V5 => property_bytes(self.forwarded.len()),
        };
        2 + self.topic.as_str().len() + if has_id { 2 } else { 0 } + properties
    }

    /// Appends a packet without the payload; returns the position of the packet id in `out`.
    #[expect(clippy::inline_always, reason = "QoS and version are known to most callers")]
    #[inline(always)]
    fn put(
        &self,
        version: Version,
        first: u8,
        packet_id: Option<[u8; 2]>,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let bytes = self.variable_header_bytes(version, packet_id.is_some());
        out.push(first);
        put_varint(bytes + self.payload.len(), out);
        put_bytes(self.topic.as_str().as_bytes(), out);
        let packet_id_at = packet_id.map(|packet_id| {
            let at = out.len();
            out.extend_from_slice(&packet_id);
            at
        });
        if version == Version::V5 {
            put_properties(self.forwarded, out);
        }
        packet_id_at
    }
}

impl<'a> PublishTemplate<'a> {
    /// Encodes `publish` into `scratch`, which is emptied first. Its packet id, DUP and RETAIN do
    /// not matter: those of each [`Delivery`] are used.
    ///
    /// # Panics
    /// If the packet is larger than the protocol allows, or has no topic.
    pub fn encode(version: Version, publish: &Publish<'_>, scratch: &'a mut Vec<u8>) -> Self {
        scratch.clear();
        scratch.reserve(publish.encoded_bytes(version));
        let packet_id_at = Self::put_header(version, publish, scratch);
        scratch.extend_from_slice(publish.payload);
        Self { bytes: scratch, packet_id_at }
    }

    /// As [`PublishTemplate::encode`], but `bytes` ends before the payload, which is sent after
    /// each copy without being copied.
    ///
    /// # Panics
    /// As [`PublishTemplate::encode`].
    pub fn encode_header(
        version: Version,
        publish: &Publish<'_>,
        scratch: &'a mut Vec<u8>,
    ) -> Self {
        let packet_id_at = Self::put_header(version, publish, scratch);
        Self { bytes: scratch, packet_id_at }
    }

    /// The same from the parts of a message; the payload is left out unless `with_payload`.
    ///
    /// # Panics
    /// If the packet is larger than the protocol allows.
    #[inline]
    pub fn of_message(
        version: Version,
        qos: QoS,
        message: MessageParts<'_>,
        with_payload: bool,
        scratch: &'a mut Vec<u8>,
    ) -> Self {
        scratch.clear();
        let payload = if with_payload { message.payload } else { &[] };
        scratch.reserve(message.head_bytes(version, qos) + payload.len());
        let first = publish_flag::first_byte(qos, false, false);
        let packet_id = (qos > QoS::AtMostOnce).then_some([0, 0]);
        let packet_id_at = message.put(version, first, packet_id, scratch);
        scratch.extend_from_slice(payload);
        Self { bytes: scratch, packet_id_at }
    }

    /// Appends one receiver's copy: `bytes.len()` bytes.
    ///
    /// # Panics
    /// If `delivery` has a packet id and the template has no place for it, or the other way round,
    /// or DUP without a packet id.
    #[inline]
    pub fn append(&self, delivery: Delivery, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(self.bytes);
        let copy = &mut out[start..];
        copy[0] = copy[0] & !(publish_flag::DUP | publish_flag::RETAIN)
            | (u8::from(delivery.dup) * publish_flag::DUP)
            | (u8::from(delivery.retain) * publish_flag::RETAIN);
        match (self.packet_id_at, delivery.packet_id) {
            (Some(at), Some(packet_id)) => {
                copy[at..at + 2].copy_from_slice(&packet_id.get().to_be_bytes());
            }
            // [MQTT-3.3.1-2]
            (None, None) => assert!(!delivery.dup, "{DUP_WITH_QOS}"),
            _ => panic!("{ID_WITH_QOS}"),
        }
    }

    fn put_header(version: Version, publish: &Publish<'_>, scratch: &mut Vec<u8>) -> Option<usize> {
        scratch.clear();
        publish.put_header(version, scratch);
        let packet_id_at = (publish.qos > QoS::AtMostOnce).then(|| {
            let at = scratch.len();
            scratch.extend_from_slice(&[0, 0]);
            at
        });
        publish.put_properties(version, scratch);
        packet_id_at
    }
}
