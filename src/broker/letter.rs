//! One message on its way to its receivers: encoded once for each QoS, stored once.
//!
//! The encoded forms live in buffers that serve every letter of the shard in turn.

use bytes::Bytes;

use crate::chunk::ChunkPool;
use crate::limits::SHARE_BYTES_MIN;
use crate::mqtt::{Delivery, Properties, Publish, PublishTemplate, QoS, TopicName, Version};
use crate::store::{MessageLog, Position, QueueEntry, QueueTerms, StoredMessage};

use super::ConnId;
use super::output::Output;
use super::peers::ShardId;

/// An application message as it was published.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) topic: TopicName<'a>,
    pub(super) payload: &'a [u8],
    pub(super) qos: QoS,
    /// RETAIN as it was published.
    pub(super) retain: bool,
}

impl Message<'_> {
    /// Bytes of topic and payload.
    pub(super) fn bytes(&self) -> usize {
        self.topic.as_str().len() + self.payload.len()
    }
}

/// Who can be asked to wait when a message finds no room.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// A connection of this shard.
    Here(ConnId),
    /// A connection of another shard.
    There(ShardId, ConnId),
    /// Nobody: a will, a retained message.
    Nobody,
}

/// The buffers behind letters.
#[derive(Default, Debug)]
pub(super) struct Forms {
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
pub(super) struct Letter<'a> {
    pub(super) message: Message<'a>,
    forms: &'a mut Forms,
    /// Where it stands in the log in memory, and the bytes it takes there.
    stored: Option<(Position, u32)>,
}

impl<'a> Letter<'a> {
    pub(super) fn new(message: Message<'a>, forms: &'a mut Forms) -> Self {
        forms.forms.iter_mut().for_each(|form| form.bytes.clear());
        forms.payload = None;
        Self { message, forms, stored: None }
    }

    /// The message as it stands in the log in memory; the caller takes hold of it at once.
    pub(super) fn entry(&mut self, terms: QueueTerms, log: &mut MessageLog) -> QueueEntry {
        let Message { topic, payload, qos, .. } = self.message;
        let message = StoredMessage { topic: topic.as_str(), payload, qos: qos as u8 };
        let (position, bytes) = *self.stored.get_or_insert_with(|| {
            let position = log.append(message);
            (position, u32::try_from(log.record_bytes(position)).expect("packets are below 4 GiB"))
        });
        QueueEntry::stored(position, bytes, terms)
    }

    /// Writes the packet for one receiver.
    #[inline]
    pub(super) fn write(
        &mut self,
        qos: QoS,
        delivery: Delivery,
        output: &mut Output,
        pool: &mut ChunkPool,
    ) {
        let large = self.message.payload.len() >= SHARE_BYTES_MIN;
        let form = &mut self.forms.forms[qos as usize];
        if form.bytes.is_empty() {
            encode(&self.message, qos, large, form);
        }
        let template = PublishTemplate { bytes: &form.bytes, packet_id_at: form.packet_id_at };
        template.append(delivery, output.room(template.bytes.len(), pool));
        if large {
            let payload = self.message.payload;
            let shared = self.forms.payload.get_or_insert_with(|| Bytes::copy_from_slice(payload));
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
