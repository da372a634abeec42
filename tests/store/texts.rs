//! Messages by number. Topic, payload and QoS follow from the number, so a test need not keep them
//! to know what a store must return.

use ringmq::store::Will;

use super::model::MessageId;
use super::random::Random;

/// Topics that a run knows.
pub(crate) const TOPICS: usize = 24;

/// A message's content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Text {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) properties: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) time_ms: u64,
    /// The identifiers of the last target's copy, encoded.
    pub(crate) own: Option<Vec<u8>>,
}

impl Text {
    /// Whether the message is expired when it arrives; no other message expires in a run.
    pub(crate) fn is_expired(&self) -> bool {
        self.properties.starts_with(&[2, 0, 0, 0, 0])
    }

    /// The bytes that a session or a topic is charged with: a record's frame and head, topic,
    /// payload and properties.
    pub(crate) fn bytes(&self) -> u32 {
        let length = match self.properties.len() {
            0 => 0,
            short @ 1..128 => 1 + short,
            long => 2 + long,
        };
        let bytes = 9 + 17 + self.topic.len() + self.payload.len() + length;
        u32::try_from(bytes).expect("they are small")
    }
}

/// When a run begins, milliseconds since 1970.
pub(crate) const EPOCH_MS: u64 = 1_000_000;

/// The message of this number; `payload_max` bounds most of them.
pub(crate) fn text(message: MessageId, payload_max: usize) -> Text {
    let mut random = Random::new(message ^ 0x7465_7874);
    let length = match random.below(64) {
        0 => 0,
        1 => payload_max * 12,
        2..12 => random.below(payload_max * 2 + 1),
        _ => random.below(payload_max / 4 + 1),
    };
    let mut payload = message.to_le_bytes().to_vec();
    payload.extend((0..length).map(|_| random.byte()));
    let properties = match random.below(64) {
        0..8 => vec![2, 0, random.byte() % 2, 0, 0, 38, 0, 1, b'k', 0, 1, b'v'],
        8..16 => vec![9, 0, 1, random.byte()],
        16 => [&[9, 0, 200][..], &[random.byte(); 200]].concat(),
        _ => Vec::new(),
    };
    Text {
        properties,
        topic: topic(random.below(TOPICS)),
        payload,
        qos: random.pick(&[1, 2]),
        time_ms: EPOCH_MS + message,
        own: (message % 8 == 3).then(|| vec![message.to_le_bytes()[0] & 0x7f; 3]),
    }
}

/// The will of this number.
pub(crate) fn will(number: u64) -> (Text, u32) {
    let text = text(number ^ 0x7769_6c6c, 10);
    (text, u32::try_from(number % 1000).expect("small"))
}

/// The will as a store has it.
pub(crate) fn will_of((text, delay_s): &(Text, u32)) -> Will<'_> {
    Will {
        topic: &text.topic,
        payload: &text.payload,
        properties: &text.properties,
        qos: text.qos,
        retain: delay_s % 2 == 0,
        delay_s: *delay_s,
    }
}

pub(crate) fn topic(number: usize) -> String {
    format!("plant/{number}/temperature")
}
