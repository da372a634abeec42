//! A PUBLISH encoded once for many receivers: the fields that differ between them are patched into
//! a copy. In MQTT 5 that serves receivers whose copy has neither an alias nor subscription
//! identifiers; others take a [`PublishHead`](super::PublishHead).
//!
//! `packet_id_at` is `Some` exactly if the template's QoS is above 0, and then
//! `packet_id_at + 2 <= bytes.len()`; `bytes` is never empty.

use super::fields::{PacketId, QoS, Version};
use super::packet::{Publish, publish_flag};

/// A PUBLISH encoded once for many receivers: only packet id and DUP/RETAIN bits differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishTemplate<'a> {
    /// The packet, with packet id 0 where one belongs.
    pub bytes: &'a [u8],
    /// The position of the packet id in `bytes`; `None` with QoS 0.
    pub packet_id_at: Option<usize>,
}

/// The fields of a PUBLISH that differ for each receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery {
    /// `Some` exactly if the template's QoS is above 0.
    pub packet_id: Option<PacketId>,
    /// It was sent to this receiver before [MQTT-3.3.1-1].
    pub dup: bool,
    /// It is a retained message that a new subscription found [MQTT-3.3.1-8].
    pub retain: bool,
}

impl<'a> PublishTemplate<'a> {
    /// Encodes `publish` into `scratch`, which is emptied first. Its packet id, DUP and RETAIN do
    /// not matter: they are those of each [`Delivery`].
    ///
    /// # Panics
    /// If the packet is larger than the protocol can express, or has no topic.
    pub fn encode(version: Version, publish: &Publish<'_>, scratch: &'a mut Vec<u8>) -> Self {
        scratch.clear();
        scratch.reserve(publish.encoded_bytes(version));
        let packet_id_at = Self::put_header(version, publish, scratch);
        scratch.extend_from_slice(publish.payload);
        Self { bytes: scratch, packet_id_at }
    }

    /// Like [`PublishTemplate::encode`], but `bytes` ends before the payload, which is sent from
    /// where it lies, behind each copy.
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

    /// Appends one receiver's copy: `bytes.len()` bytes.
    ///
    /// # Panics
    /// If `delivery` has a packet id where the template has no place for it, or none where it
    /// has, or DUP without one.
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
            (None, None) => assert!(!delivery.dup, "DUP goes with QoS 1 and 2"),
            _ => panic!("a PUBLISH has a packet id exactly with QoS 1 and 2"),
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
