//! One message on its way to its receivers: encoded once for each QoS, stored once.
//!
//! The encoded forms live in buffers that serve every message of the shard in turn.

use bytes::Bytes;

use crate::chunk::ChunkPool;
use crate::limits::SHARE_BYTES_MIN;
use crate::mqtt::{Delivery, Properties, Publish, PublishTemplate, QoS, TopicName, Version};
use crate::store::{MessageLog, Position, QueueEntry, QueueTerms, StoredMessage};

use super::super::names::{ConnId, ShardId};
use super::buffer::Buffer;

/// An application message as it was published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) topic: TopicName<'a>,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    /// RETAIN as it was published.
    pub(crate) retain: bool,
}

impl Message<'_> {
    /// Bytes of topic and payload.
    pub(crate) fn bytes(&self) -> usize {
        self.topic.as_str().len() + self.payload.len()
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
    /// By QoS; empty while not encoded.
    forms: [Form; 3],
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
    pub(crate) message: Message<'a>,
    buffers: &'a mut EncodeBuffers,
    /// Where it stands in the log in memory, and the bytes it takes there.
    stored: Option<(Position, u32)>,
}

impl<'a> OutboundMessage<'a> {
    pub(crate) fn new(message: Message<'a>, buffers: &'a mut EncodeBuffers) -> Self {
        buffers.forms.iter_mut().for_each(|form| form.bytes.clear());
        buffers.payload = None;
        Self { message, buffers, stored: None }
    }

    /// The message as it stands in the log in memory; the caller takes hold of it at once.
    pub(crate) fn entry(&mut self, terms: QueueTerms, log: &mut MessageLog) -> QueueEntry {
        let Message { topic, payload, qos, .. } = self.message;
        let message = StoredMessage { topic: topic.as_str(), payload, qos: qos as u8 };
        let (position, bytes) = *self.stored.get_or_insert_with(|| {
            let position = log.append(message);
            (position, u32::try_from(log.record_bytes(position)).expect("packets are below 4 GiB"))
        });
        QueueEntry::stored(position, bytes, terms)
    }

    /// The packet for one receiver.
    pub(super) fn packet(&self, qos: QoS, delivery: Delivery) -> Publish<'a> {
        let Message { topic, payload, .. } = self.message;
        let Delivery { packet_id, dup, retain } = delivery;
        Publish { dup, qos, retain, topic, packet_id, properties: Properties::EMPTY, payload }
    }

    /// Writes the packet for one receiver.
    #[inline]
    pub(super) fn write(
        &mut self,
        qos: QoS,
        delivery: Delivery,
        output: &mut Buffer,
        pool: &mut ChunkPool,
    ) {
        let large = self.message.payload.len() >= SHARE_BYTES_MIN;
        let form = &mut self.buffers.forms[qos as usize];
        if form.bytes.is_empty() {
            encode(&self.message, qos, large, form);
        }
        let template = PublishTemplate { bytes: &form.bytes, packet_id_at: form.packet_id_at };
        template.append(delivery, output.room(template.bytes.len(), pool));
        if large {
            let payload = self.message.payload;
            let shared =
                self.buffers.payload.get_or_insert_with(|| Bytes::copy_from_slice(payload));
            output.share(shared.clone());
        }
    }
}

fn encode(message: &Message<'_>, qos: QoS, large: bool, form: &mut Form) {
    let publish = Publish {
        dup: false,
        qos,
        retain: false,
        topic: message.topic,
        packet_id: None,
        properties: Properties::EMPTY,
        payload: message.payload,
    };
    // 3.1 and 3.1.1 have the same PUBLISH.
    let template = if large {
        PublishTemplate::encode_header(Version::V311, &publish, &mut form.bytes)
    } else {
        PublishTemplate::encode(Version::V311, &publish, &mut form.bytes)
    };
    form.packet_id_at = template.packet_id_at;
}
