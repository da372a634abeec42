//! A PUBLISH of MQTT 5 in two parts: a *head* for each receiver, and a *tail* that all receivers
//! share: forwarded properties and the payload.
//!
//! The head ends with the parts that differ between receivers: alias and subscription identifiers.
//! Sizes are known before anything is written, since a packet that is too large for its receiver is
//! not sent [MQTT-3.1.2-24] v5.

use super::fields::{PacketId, QoS, SubscriptionId, TopicAlias};
use super::layout::{property_bytes, total_bytes};
use super::packet::publish_flag;
use super::property::PropertyId;
use super::topic::TopicName;
use super::wire::{put_bytes, put_u16, put_varint, varint_bytes};

/// The size of a topic alias as a property.
const ALIAS_BYTES: usize = 3;

/// See the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishHead<'a> {
    /// Quality of service.
    pub qos: QoS,
    /// Whether it was sent to this receiver before [MQTT-3.3.1-1]; never with QoS 0.
    pub dup: bool,
    /// RETAIN.
    pub retain: bool,
    /// The topic; `None` if the alias replaces it.
    pub topic: Option<TopicName<'a>>,
    /// `Some` exactly with QoS 1 and 2.
    pub packet_id: Option<PacketId>,
    /// The topic alias, which may be new.
    pub alias: Option<TopicAlias>,
    /// Identifiers of the receiver's matching subscriptions [MQTT-3.3.4-3] v5.
    pub subscription_ids: &'a [SubscriptionId],
    /// The size of the forwarded properties in the tail.
    pub forwarded_bytes: usize,
    /// The size of the payload in the tail.
    pub payload_bytes: usize,
}

impl PublishHead<'_> {
    /// The size of the complete packet: head and tail.
    #[inline]
    pub fn packet_bytes(&self) -> usize {
        total_bytes(self.remaining(self.property_bytes()))
    }

    /// Bytes that [`PublishHead::append`] appends.
    #[inline]
    pub fn head_bytes(&self) -> usize {
        self.packet_bytes() - self.forwarded_bytes - self.payload_bytes
    }

    /// Appends the head.
    ///
    /// # Panics
    /// If there is neither a topic nor an alias; if there is a packet identifier or DUP with QoS 0,
    /// or no packet identifier above QoS 0; if the packet is larger than the protocol allows.
    #[inline]
    pub fn append(&self, out: &mut Vec<u8>) {
        assert!(self.topic.is_some() || self.alias.is_some(), "a PUBLISH has a topic or an alias");
        // [MQTT-2.2.1-2] v5
        assert!(
            self.packet_id.is_some() == (self.qos > QoS::AtMostOnce),
            "a PUBLISH has a packet id exactly with QoS 1 and 2"
        );
        // [MQTT-3.3.1-2]
        assert!(!self.dup || self.qos > QoS::AtMostOnce, "DUP goes with QoS 1 and 2");
        let property_bytes = self.property_bytes();
        out.push(publish_flag::first_byte(self.qos, self.dup, self.retain));
        put_varint(self.remaining(property_bytes), out);
        match self.topic {
            Some(topic) => put_bytes(topic.as_str().as_bytes(), out),
            None => put_u16(0, out),
        }
        if let Some(packet_id) = self.packet_id {
            put_u16(packet_id.get(), out);
        }
        put_varint(property_bytes, out);
        if let Some(alias) = self.alias {
            let [high, low] = alias.get().to_be_bytes();
            out.extend_from_slice(&[PropertyId::TopicAlias as u8, high, low]);
        }
        for id in self.subscription_ids {
            out.push(PropertyId::SubscriptionId as u8);
            put_varint(id.get() as usize, out);
        }
    }

    #[inline]
    fn remaining(&self, own_property_bytes: usize) -> usize {
        let id_bytes = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
        let topic_bytes = self.topic.map_or(0, |topic| topic.as_str().len());
        2 + topic_bytes + id_bytes + property_bytes(own_property_bytes) + self.payload_bytes
    }

    #[inline]
    fn property_bytes(&self) -> usize {
        let ids = self.subscription_ids.iter().map(|id| 1 + varint_bytes(id.get() as usize));
        let alias = if self.alias.is_some() { ALIAS_BYTES } else { 0 };
        alias + ids.sum::<usize>() + self.forwarded_bytes
    }
}
