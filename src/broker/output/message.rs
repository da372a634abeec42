//! One message on its way to its receivers: encoded once for each QoS, stored once.
//!
//! The encoded forms live in buffers that serve every message of the shard in turn.

use bytes::Bytes;

use crate::chunk::ChunkPool;
use crate::limits::SHARE_BYTES_MIN;
use crate::mqtt::{
    Delivery, MessageParts, Publish, PublishProperties, PublishTemplate, QoS, SubscriptionId,
    TopicName, Version, set_expiry,
};
use crate::store::{Lifetime, MessageLog, Position, QueueEntry, QueueTerms, StoredMessage};

use super::super::names::{ConnId, ShardId};
use super::buffer::Buffer;
use super::format::{Format, OwnCopy};

/// An application message as it was published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) topic: TopicName<'a>,
    /// Properties that receivers get too (MQTT 5, 3.3.2.3), as [`crate::mqtt`] orders them; empty
    /// of publishers that speak an older version.
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    /// RETAIN as it was published.
    pub(crate) retain: bool,
}

/// Puts properties of a message into a buffer, which is emptied first, with what is left of its
/// time [MQTT-3.3.2-6].
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

    /// What all packets of it have in common.
    #[inline]
    fn parts(&self) -> MessageParts<'a> {
        let &Self { topic, properties: forwarded, payload, .. } = self;
        MessageParts { topic, forwarded, payload }
    }
}

/// Who can be asked to wait when a message finds no room.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// A connection of this shard.
    Here(ConnId),
    /// A connection of another shard.
    There(ShardId, ConnId),
    /// Nobody: a will, a retained message.
    Nobody,
}

impl Source {
    /// The connection that can be asked to wait, with its shard; `here` is this shard.
    pub(crate) fn publisher(self, here: ShardId) -> Option<(ShardId, ConnId)> {
        match self {
            Self::Here(publisher) => Some((here, publisher)),
            Self::There(shard, publisher) => Some((shard, publisher)),
            Self::Nobody => None,
        }
    }
}

/// The buffers behind outbound messages.
#[derive(Default, Debug)]
pub(crate) struct EncodeBuffers {
    /// By QoS, for clients of 3.1 and 3.1.1; empty while not encoded.
    forms: [Form; 3],
    /// The same for clients of MQTT 5 that have nothing of their own in it.
    forms_v5: [Form; 3],
    /// A form of either kind is there.
    has_forms: bool,
    /// A large payload, once shared.
    payload: Option<Bytes>,
}

#[derive(Default, Debug)]
struct Form {
    bytes: Vec<u8>,
    packet_id_at: Option<usize>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct OutboundMessage<'a> {
    pub(crate) message: &'a Message<'a>,
    /// The time of the log's time line: when it came, or now if its expiry is of now.
    time_ms: u64,
    buffers: &'a mut EncodeBuffers,
    /// It has one receiver at most, so that a form of it would serve nobody else.
    has_one_receiver: bool,
    /// Where it stands in the log in memory, and the bytes it takes there.
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
        Self { message, time_ms, buffers, has_one_receiver: false, stored: None }
    }

    /// The message for at most so many receivers.
    #[inline]
    pub(crate) fn with_receivers(mut self, receivers_max: usize) -> Self {
        self.has_one_receiver = receivers_max <= 1;
        self
    }

    /// The message as it stands in the log in memory; the caller takes hold of it at once.
    pub(crate) fn entry(&mut self, terms: QueueTerms, log: &mut MessageLog) -> QueueEntry {
        let Message { topic, properties, payload, qos, .. } = *self.message;
        let (topic, qos) = (topic.as_str(), qos as u8);
        let time_ms = self.time_ms;
        let message = StoredMessage { topic, payload, qos, properties, time_ms };
        let (position, bytes) = *self.stored.get_or_insert_with(|| {
            let position = log.append(message);
            (position, u32::try_from(log.record_bytes(position)).expect("packets are below 4 GiB"))
        });
        QueueEntry::stored(position, bytes, terms)
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
            return self.write_only(version, qos, delivery, output, pool);
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

    /// Writes the packet for one receiver of MQTT 5, with the identifiers of its subscriptions;
    /// false if it is larger than the client takes.
    pub(super) fn write_v5(
        &mut self,
        qos: QoS,
        delivery: Delivery,
        identifiers: &[SubscriptionId],
        (format, output): (&mut Format, &mut Buffer),
        pool: &mut ChunkPool,
    ) -> bool {
        let large = self.is_large();
        if !format.is_common() || !identifiers.is_empty() {
            let Message { topic, properties, payload, .. } = *self.message;
            let copy = OwnCopy { topic, qos, delivery, identifiers, properties, payload };
            let shared = large.then(|| self.shared_payload());
            return format.write(&copy, shared, output, pool);
        }
        if self.has_one_receiver && !large {
            let takes = format.takes(self.packet_bytes(Version::V5, qos));
            if takes {
                self.write_only(Version::V5, qos, delivery, output, pool);
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

    /// Writes the packet for the one receiver there is, payload included.
    #[expect(clippy::inline_always, reason = "each caller has another version")]
    #[inline(always)]
    fn write_only(
        &self,
        version: Version,
        qos: QoS,
        delivery: Delivery,
        output: &mut Buffer,
        pool: &mut ChunkPool,
    ) {
        let out = output.room(self.packet_bytes(version, qos), pool);
        self.message.parts().append_head(version, qos, delivery, out);
        out.extend_from_slice(self.message.payload);
    }

    /// Bytes of the packet for a receiver that has nothing of its own in it.
    #[inline]
    fn packet_bytes(&self, version: Version, qos: QoS) -> usize {
        self.message.parts().head_bytes(version, qos) + self.message.payload.len()
    }

    /// Whether the payload is sent from where it lies.
    fn is_large(&self) -> bool {
        self.message.payload.len() >= SHARE_BYTES_MIN
    }

    fn shared_payload(&mut self) -> Bytes {
        let payload = self.message.payload;
        self.buffers.payload.get_or_insert_with(|| Bytes::copy_from_slice(payload)).clone()
    }
}

/// `large`: the payload is sent from where it lies.
#[inline]
fn encode(message: &Message<'_>, version: Version, qos: QoS, large: bool, form: &mut Form) {
    let parts = message.parts();
    let template = PublishTemplate::of_message(version, qos, parts, !large, &mut form.bytes);
    form.packet_id_at = template.packet_id_at;
}
