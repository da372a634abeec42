//! A message for its receivers: encoded once for each QoS and version, stored once.
//!
//! The encoded forms are in buffers that all messages of the shard use in turn.

use bytes::Bytes;

use crate::chunk::ChunkPool;
use crate::limits::SHARE_BYTES_MIN;
use crate::mqtt::{
    Delivery, MessageParts, Publish, PublishProperties, PublishTemplate, QoS, SubscriptionId,
    TopicName, Version, set_expiry,
};
use crate::store::{
    Hashing, Lifetime, MessageLog, OwnIdentifiers, Position, QueueEntry, QueueTerms, StoredMessage,
};

use super::super::names::{ConnId, RouteHandle, ShardId};
use super::buffer::Buffer;
use super::format::{Format, OwnCopy};

/// An application message as it was published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) topic: TopicName<'a>,
    /// Properties that are forwarded to receivers (MQTT 5, 3.3.2.3), in the order of
    /// [`crate::mqtt`]; empty if the publisher does not speak MQTT 5.
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    /// RETAIN of the publication.
    pub(crate) retain: bool,
}

/// Replaces a buffer's content by the properties of a message, with the remaining expiry interval
/// [MQTT-3.3.2-6].
pub(crate) fn put_properties(properties: &[u8], lifetime: Lifetime, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(properties);
    match lifetime {
        Lifetime::Unlimited => {}
        Lifetime::Left(seconds) => set_expiry(into, seconds.get()),
        Lifetime::Over => set_expiry(into, 0),
    }
}

impl<'a> Message<'a> {
    /// Bytes of topic, properties and payload.
    pub(crate) fn bytes(&self) -> usize {
        self.topic.as_str().len() + self.properties.len() + self.payload.len()
    }

    /// The parts that all its packets have in common.
    #[inline]
    fn parts(&self) -> MessageParts<'a> {
        let &Self { topic, properties: forwarded, payload, .. } = self;
        MessageParts { topic, forwarded, payload }
    }
}

/// The publisher that can be made to wait when a message finds no room.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// A connection of this shard.
    Here(ConnId),
    /// A connection of another shard.
    There(ShardId, ConnId),
    /// No publisher: a will or a retained message.
    Nobody,
}

impl Source {
    /// The connection that can be made to wait, with its shard; `here` is this shard.
    pub(crate) fn publisher(self, here: ShardId) -> Option<(ShardId, ConnId)> {
        match self {
            Self::Here(publisher) => Some((here, publisher)),
            Self::There(shard, publisher) => Some((shard, publisher)),
            Self::Nobody => None,
        }
    }
}

/// The buffers of outbound messages.
#[derive(Default, Debug)]
pub(crate) struct EncodeBuffers {
    /// By QoS, for clients of 3.1 and 3.1.1; empty while not encoded.
    forms: [Form; 3],
    /// As `forms`, for MQTT 5 clients whose copies are the same.
    forms_v5: [Form; 3],
    /// Whether any form is encoded.
    has_forms: bool,
    /// A large payload, if it was shared.
    payload: Option<Bytes>,
}

#[derive(Default, Debug)]
struct Form {
    bytes: Vec<u8>,
    packet_id_at: Option<usize>,
}

/// See the file.
#[derive(Debug)]
pub(crate) struct OutboundMessage<'a> {
    pub(crate) message: &'a Message<'a>,
    /// The time on the log's time line at which it came, or the present for the remaining expiry.
    time_ms: u64,
    buffers: &'a mut EncodeBuffers,
    /// Whether it has one receiver at most, so that an encoded form would not be used again.
    has_one_receiver: bool,
    /// The route that it takes, if that is known.
    route: RouteHandle,
    /// Its position and size in the log in memory.
    stored: Option<(Position, u32)>,
}

impl<'a> OutboundMessage<'a> {
    pub(crate) fn new(
        message: &'a Message<'a>,
        time_ms: u64,
        buffers: &'a mut EncodeBuffers,
    ) -> Self {
        if std::mem::take(&mut buffers.has_forms) {
            let forms = buffers.forms.iter_mut().chain(&mut buffers.forms_v5);
            forms.for_each(|form| form.bytes.clear());
        }
        buffers.payload = None;
        let route = RouteHandle::default();
        Self { message, time_ms, buffers, has_one_receiver: false, route, stored: None }
    }

    /// Sets the greatest number of receivers, and the route that they are of.
    #[inline]
    pub(crate) fn with_receivers(mut self, receivers_max: usize, route: RouteHandle) -> Self {
        self.has_one_receiver = receivers_max <= 1;
        self.route = route;
        self
    }

    /// The queue entry of the message in the log in memory. The caller must use it at once.
    pub(crate) fn entry(&mut self, terms: QueueTerms, log: &mut MessageLog) -> QueueEntry {
        let message = self.stored_message();
        let (position, bytes) = *self.stored.get_or_insert_with(|| append(message, log));
        QueueEntry::stored(position, bytes, terms)
    }

    /// The same of a copy that is stored for one session, with its identifiers.
    #[cold]
    pub(crate) fn own_entry(
        &self,
        terms: QueueTerms,
        own: OwnIdentifiers<'_>,
        log: &mut MessageLog,
    ) -> QueueEntry {
        let message = StoredMessage { own: Some(own), ..self.stored_message() };
        let (position, bytes) = append(message, log);
        QueueEntry::stored(position, bytes, terms)
    }

    fn stored_message(&self) -> StoredMessage<'a> {
        let Message { topic, properties, payload, qos, .. } = *self.message;
        let (topic, qos, time_ms) = (topic.as_str(), qos as u8, self.time_ms);
        StoredMessage { topic, payload, qos, properties, time_ms, own: None }
    }

    /// The packet for one receiver.
    pub(super) fn packet(&self, qos: QoS, delivery: Delivery) -> Publish<'a> {
        let Message { topic, properties, payload, .. } = *self.message;
        let Delivery { packet_id, dup, retain } = delivery;
        let (topic, properties) = (Some(topic), PublishProperties::forwarding(properties));
        Publish { dup, qos, retain, topic, packet_id, properties, payload }
    }

    /// Writes the packet for one receiver of 3.1 or 3.1.1.
    #[inline]
    pub(super) fn write(
        &mut self,
        qos: QoS,
        delivery: Delivery,
        output: &mut Buffer,
        pool: &mut ChunkPool,
    ) {
        let large = self.is_large();
        // 3.1 and 3.1.1 have the same PUBLISH.
        let version = Version::V311;
        if self.has_one_receiver && !large {
            let bytes = self.packet_bytes(version, qos);
            return self.write_only(version, qos, delivery, output.room(bytes, pool));
        }
        let form = &mut self.buffers.forms[qos as usize];
        if form.bytes.is_empty() {
            encode(self.message, version, qos, large, form);
            self.buffers.has_forms = true;
        }
        let template = PublishTemplate { bytes: &form.bytes, packet_id_at: form.packet_id_at };
        template.append(delivery, output.room(template.bytes.len(), pool));
        if large {
            output.share(self.shared_payload());
        }
    }

    /// Writes the packet for one MQTT 5 receiver with its subscription identifiers; returns false
    /// if it is larger than the client allows.
    pub(super) fn write_v5(
        &mut self,
        qos: QoS,
        delivery: Delivery,
        identifiers: &[SubscriptionId],
        (format, hashing, output): (&mut Format, &Hashing, &mut Buffer),
        pool: &mut ChunkPool,
    ) -> bool {
        let large = self.is_large();
        if !format.is_common() || !identifiers.is_empty() {
            let Message { topic, properties, payload, .. } = *self.message;
            let route = self.route;
            let copy = OwnCopy { topic, route, qos, delivery, identifiers, properties, payload };
            let shared = large.then(|| self.shared_payload());
            return format.write(&copy, shared, hashing, (output, pool));
        }
        if self.has_one_receiver && !large {
            let bytes = self.packet_bytes(Version::V5, qos);
            let takes = format.takes(bytes);
            if takes {
                self.write_only(Version::V5, qos, delivery, output.room(bytes, pool));
            }
            return takes;
        }
        let form = &mut self.buffers.forms_v5[qos as usize];
        if form.bytes.is_empty() {
            encode(self.message, Version::V5, qos, large, form);
            self.buffers.has_forms = true;
        }
        let template = PublishTemplate { bytes: &form.bytes, packet_id_at: form.packet_id_at };
        let shared_bytes = if large { self.message.payload.len() } else { 0 };
        if !format.takes(template.bytes.len() + shared_bytes) {
            return false;
        }
        template.append(delivery, output.room(template.bytes.len(), pool));
        if large {
            output.share(self.shared_payload());
        }
        true
    }

    /// Writes the packet for the only receiver, including the payload.
    #[expect(clippy::inline_always, reason = "each caller has another version")]
    #[inline(always)]
    fn write_only(&self, version: Version, qos: QoS, delivery: Delivery, out: &mut Vec<u8>) {
        self.message.parts().append_head(version, qos, delivery, out);
        out.extend_from_slice(self.message.payload);
    }

    /// The size of the packet for a receiver with the common format.
    #[inline]
    fn packet_bytes(&self, version: Version, qos: QoS) -> usize {
        self.message.parts().head_bytes(version, qos) + self.message.payload.len()
    }

    /// Whether the payload is shared instead of copied.
    fn is_large(&self) -> bool {
        self.message.payload.len() >= SHARE_BYTES_MIN
    }

    fn shared_payload(&mut self) -> Bytes {
        let payload = self.message.payload;
        self.buffers.payload.get_or_insert_with(|| Bytes::copy_from_slice(payload)).clone()
    }
}

/// Appends a message to the log in memory; returns its position and size.
fn append(message: StoredMessage<'_>, log: &mut MessageLog) -> (Position, u32) {
    let position = log.append(message);
    (position, u32::try_from(log.record_bytes(position)).expect("packets are below 4 GiB"))
}

/// `large`: the payload is not copied.
#[inline]
fn encode(message: &Message<'_>, version: Version, qos: QoS, large: bool, form: &mut Form) {
    let parts = message.parts();
    let template = PublishTemplate::of_message(version, qos, parts, !large, &mut form.bytes);
    form.packet_id_at = template.packet_id_at;
}
