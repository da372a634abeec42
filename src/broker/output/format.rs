//! The packet format of one MQTT 5 client: topic aliases towards it, and its Maximum Packet Size.
//!
//! A topic gets an alias when it is first written, while there are free ones, and keeps it. The
//! packet that introduces an alias is never dropped from the output.

use bytes::Bytes;

use crate::chunk::ChunkPool;
use crate::mqtt::{
    Delivery, Publish, PublishHead, PublishProperties, QoS, SubscriptionId, TopicAlias, TopicName,
};
use crate::store::Hashing;

use super::super::names::RouteHandle;
use super::aliases::Aliases;
use super::buffer::Buffer;

/// The limits that an MQTT 5 client has set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FormatOptions {
    /// Its Maximum Packet Size [MQTT-3.1.2-24] v5.
    pub(crate) packet_bytes_max: usize,
    /// Its Topic Alias Maximum; 0: no aliases [MQTT-3.1.2-26] v5.
    pub(crate) topic_alias_max: u16,
    /// Whether any packet may have a reason string [MQTT-3.1.2-29] v5.
    pub(crate) problem_information: bool,
}

/// See the file.
#[derive(Debug)]
pub(super) struct Format {
    options: FormatOptions,
    /// Those that were given; `None`: no message was written yet that could have one.
    aliases: Option<Box<Aliases>>,
}

/// One client's copy of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnCopy<'a> {
    pub(crate) topic: TopicName<'a>,
    /// The topic's route, if it is known.
    pub(crate) route: RouteHandle,
    pub(crate) qos: QoS,
    pub(crate) delivery: Delivery,
    /// Identifiers of its matching subscriptions [MQTT-3.3.4-3] v5.
    pub(crate) identifiers: &'a [SubscriptionId],
    /// As [`Message::properties`](super::Message::properties), with the remaining expiry interval.
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl Format {
    pub(super) fn new(options: FormatOptions) -> Self {
        Self { options, aliases: None }
    }

    pub(super) fn options(&self) -> &FormatOptions {
        &self.options
    }

    /// Whether its copies without identifiers are the same as those of other clients.
    #[inline]
    pub(super) fn is_common(&self) -> bool {
        self.options.topic_alias_max == 0
    }

    /// Whether a packet of this size may be sent.
    #[inline]
    pub(super) fn takes(&self, packet_bytes: usize) -> bool {
        packet_bytes <= self.options.packet_bytes_max
    }

    /// Writes a packet; returns false and writes nothing if it is larger than the client allows.
    /// `shared` is the payload, if it is not to be copied.
    pub(super) fn write(
        &mut self,
        copy: &OwnCopy<'_>,
        shared: Option<Bytes>,
        hashing: &Hashing,
        (buffer, pool): (&mut Buffer, &mut ChunkPool),
    ) -> bool {
        let aliases = self.aliases.as_mut();
        let head = match aliases.and_then(|known| known.find(copy.topic, copy.route)) {
            Some(known) => copy.head(None, Some(known)),
            None => self.introduce(copy, hashing),
        };
        let packet_bytes = head.packet_bytes();
        if !self.takes(packet_bytes) {
            return false;
        }
        let shared_bytes = if shared.is_some() { copy.payload.len() } else { 0 };
        let room = buffer.room(packet_bytes - shared_bytes, pool);
        head.append(room);
        room.extend_from_slice(copy.properties);
        match shared {
            Some(shared) => buffer.share(shared),
            None => room.extend_from_slice(copy.payload),
        }
        true
    }

    /// The head for a topic without an alias. It introduces an alias if one is free and the packet
    /// does not become too large.
    fn introduce<'a>(&mut self, copy: &OwnCopy<'a>, hashing: &Hashing) -> PublishHead<'a> {
        if let Some(alias) = self.next_alias() {
            let giving = copy.head(Some(copy.topic), Some(alias));
            if self.takes(giving.packet_bytes()) {
                let aliases = self.aliases.get_or_insert_with(|| Box::new(Aliases::new(hashing)));
                aliases.insert(copy.topic, alias);
                return giving;
            }
        }
        copy.head(Some(copy.topic), None)
    }

    /// The alias for the next topic; `None` if all are used.
    fn next_alias(&self) -> Option<TopicAlias> {
        let given = self.aliases.as_ref().map_or(0, |aliases| aliases.len());
        let next = u16::try_from(given).ok()?.checked_add(1)?;
        TopicAlias::new(next).filter(|_| next <= self.options.topic_alias_max)
    }
}

impl<'a> OwnCopy<'a> {
    /// The packet without subscription identifiers and topic alias.
    pub(super) fn publish(&self) -> Publish<'a> {
        Publish {
            dup: self.delivery.dup,
            qos: self.qos,
            retain: self.delivery.retain,
            topic: Some(self.topic),
            packet_id: self.delivery.packet_id,
            properties: PublishProperties::forwarding(self.properties),
            payload: self.payload,
        }
    }

    #[inline]
    fn head(&self, topic: Option<TopicName<'a>>, alias: Option<TopicAlias>) -> PublishHead<'a> {
        PublishHead {
            qos: self.qos,
            dup: self.delivery.dup,
            retain: self.delivery.retain,
            topic,
            packet_id: self.delivery.packet_id,
            alias,
            subscription_ids: self.identifiers,
            forwarded_bytes: self.properties.len(),
            payload_bytes: self.payload.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(packet_bytes_max: usize, topic_alias_max: u16) -> Format {
        let problem_information = true;
        let options = FormatOptions { packet_bytes_max, topic_alias_max, problem_information };
        Format::new(options)
    }

    fn written(format: &mut Format, topic: &str, payload: &[u8]) -> Option<Vec<u8>> {
        let (mut buffer, mut pool) = (Buffer::default(), ChunkPool::default());
        let copy = OwnCopy {
            topic: TopicName::parse(topic).expect("a topic"),
            route: RouteHandle::default(),
            qos: QoS::AtMostOnce,
            delivery: Delivery::default(),
            identifiers: &[],
            properties: &[1, 1],
            payload,
        };
        let to = (&mut buffer, &mut pool);
        format.write(&copy, None, &Hashing::default(), to).then(|| {
            let batch = buffer.take(crate::chunk::Batch::default());
            batch.slices().collect::<Vec<_>>().concat()
        })
    }

    /// The first copies of topics introduce aliases, later copies use them, and further topics have
    /// none.
    #[test]
    fn aliases_are_given_and_used() {
        let mut format = format(usize::MAX, 2);
        let given = |topic: &str, alias: u8| {
            let mut bytes = vec![0x30, 10, 0, 1];
            bytes.extend_from_slice(topic.as_bytes());
            bytes.extend_from_slice(&[5, 0x23, 0, alias, 1, 1, b'!']);
            bytes
        };
        assert_eq!(written(&mut format, "a", b"!"), Some(given("a", 1)));
        assert_eq!(written(&mut format, "b", b"!"), Some(given("b", 2)));
        assert_eq!(written(&mut format, "c", b"!"), Some(b"\x30\x07\0\x01c\x02\x01\x01!".to_vec()));
        let used = vec![0x30, 9, 0, 0, 5, 0x23, 0, 2, 1, 1, b'!'];
        assert_eq!(written(&mut format, "b", b"!"), Some(used));
    }

    /// A packet that is too large is not written and introduces no alias. If only the alias makes
    /// it too large, it is written without.
    #[test]
    fn sizes_are_kept() {
        let mut format = format(10, 1);
        assert_eq!(written(&mut format, "a", b"1234"), None);
        assert_eq!(
            written(&mut format, "a", b"12"),
            Some(b"\x30\x08\0\x01a\x02\x01\x0112".to_vec())
        );
        assert_eq!(written(&mut format, "b", b"123").map(|bytes| bytes.len()), None);
    }
}
