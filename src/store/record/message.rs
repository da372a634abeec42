//! The record of a message, and of the sessions for which it is stored.

use std::num::NonZero;

use super::super::cursor::{Cursor, put_bytes, put_varint, varint_bytes};
use super::super::lifetime::deadline_s;
use super::super::own_identifiers::OwnIdentifiers;
use super::super::position::Position;
use super::{FRAME_BYTES, SessionKey};

/// Bytes of a message record in front of the topic.
const HEAD_BYTES: usize = 17;

const QOS_BITS: u8 = 0b11;
const RETAINED: u8 = 1 << 2;
const MOVED: u8 = 1 << 3;
const RECEIVED: u8 = 1 << 4;
const ORIGIN: u8 = 1 << 5;
const PROPERTIES: u8 = 1 << 6;
const OWN: u8 = 1 << 7;

/// Follows the last target in front of the first one's identifiers. It is no valid target, so
/// versions that do not know them end the list there.
const TARGETS_END: u64 = u64::MAX;

/// The origin of a QoS 2 message. A second message with the same origin is the same message
/// [MQTT-4.3.3-2].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Origin {
    /// The shard of the publisher's session.
    pub shard: u16,
    /// The offset in that shard's log at which that session was opened.
    pub serial: u64,
    /// The publisher's packet identifier.
    pub packet_id: u16,
}

/// The bit in the shard of an origin that names one session's copy.
const COPY: u16 = 1 << 15;

impl Origin {
    /// The first origin, in order, that can name a copy.
    pub(in crate::store) const FIRST_COPY: Self = Self { shard: COPY, serial: 0, packet_id: 0 };

    /// Whether it names one session's copy: see [`super::super::Catalog::note_copy`].
    pub fn is_copy(&self) -> bool {
        self.shard & COPY != 0
    }

    /// The name of the copy of the session with this serial. It is used after messages came from
    /// another shard, when only some sessions of a shard have the message.
    pub(in crate::store) fn copy_of(self, session_serial: u64) -> Self {
        // The multiplier of SplitMix64 separates the bits of the two serials.
        let spread = self.serial.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let serial = spread ^ (spread >> 29) ^ session_serial;
        Self { shard: self.shard | COPY, serial, packet_id: self.packet_id }
    }
}

/// A message in the log.
///
/// | bytes | what |
/// |---|---|
/// | 1 | flags: bits 0–1 QoS, then retained, moved, received here, origin, properties, own |
/// | 2 | vhost |
/// | 2 | length of the topic |
/// | 4 | length of the payload |
/// | 8 | time of arrival, milliseconds of the time line |
/// | topic | topic name |
/// | payload | payload |
/// | *bytes* | if it has properties: the properties |
/// | 8 | if moved: its offset before |
/// | 6 | if received here: publisher's session 4, packet identifier 2 |
/// | 12 | if it has an origin: shard 2, session's serial 8, packet identifier 2 |
/// | rest | targets, each a *v*: session × 4 + 2 if RETAIN + 1 if QoS 2 |
/// | rest | if own: a *v* of 64 bits that are all set, the first target's identifiers, each a *v* |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageRecord<'a> {
    /// The number of the vhost.
    pub vhost: u16,
    /// The QoS of its publication, 0 to 2.
    pub qos: u8,
    /// Whether it becomes its topic's retained message.
    pub retained: bool,
    /// The time of its arrival, in milliseconds of the log's time line (see
    /// [`crate::store::Timeline`]).
    pub time_ms: u64,
    /// Topic name.
    pub topic: &'a str,
    /// The payload.
    pub payload: &'a [u8],
    /// The properties for each receiver, as in [`NewMessage::properties`].
    ///
    /// [`NewMessage::properties`]: crate::store::NewMessage::properties
    pub properties: &'a [u8],
    /// Its position before it was moved; then the targets are the sessions that still waited for
    /// it.
    pub moved_from: Option<Position>,
    /// The session and packet identifier of a QoS 2 publisher here.
    pub received: Option<(SessionKey, u16)>,
    /// The origin of a QoS 2 message from another shard.
    pub origin: Option<Origin>,
    /// The sessions for which it is stored: see [`Targets`].
    pub targets: Targets<'a>,
    /// The encoded identifiers of the first target's copy: see [`NewMessage::own`].
    ///
    /// [`NewMessage::own`]: crate::store::NewMessage::own
    pub own: Option<&'a [u8]>,
}

/// The encoded sessions of a message record.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Targets<'a>(pub &'a [u8]);

/// A session for which a message is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// The session.
    pub session: SessionKey,
    /// Whether it is sent with RETAIN set.
    pub retain: bool,
    /// Whether it is sent at QoS 2; else at QoS 1.
    pub exactly_once: bool,
}

impl Target {
    /// Appends the target to those of a record.
    #[inline]
    pub fn put(self, targets: &mut Vec<u8>) {
        let bits = u64::from(self.retain) << 1 | u64::from(self.exactly_once);
        put_varint(targets, u64::from(self.session) << 2 | bits);
    }
}

impl Target {
    pub(super) fn from_bits(bits: u64) -> Option<Self> {
        let session = u32::try_from(bits >> 2).ok()?;
        Some(Self { session, retain: bits & 2 != 0, exactly_once: bits & 1 != 0 })
    }
}

impl Targets<'_> {
    /// The targets, up to an invalid one.
    pub fn iter(self) -> impl Iterator<Item = Target> {
        let mut cursor = Cursor(self.0);
        std::iter::from_fn(move || Target::from_bits(cursor.varint()?))
    }
}

impl<'a> MessageRecord<'a> {
    /// The identifiers of one target's copy, if they are recorded.
    #[inline]
    pub fn own_identifiers(&self) -> Option<OwnIdentifiers<'a>> {
        let encoded = self.own?;
        Some(OwnIdentifiers { session: self.targets.iter().next()?.session, encoded })
    }

    /// The record's size without the list of targets, which is charged to each session or to the
    /// retain store.
    pub(in crate::store) fn own_bytes(&self) -> u32 {
        let bytes = FRAME_BYTES + HEAD_BYTES + self.topic.len() + self.payload.len();
        let properties = match self.properties.len() {
            0 => 0,
            length => varint_bytes(length as u64) + length,
        };
        u32::try_from(bytes + properties).expect("a packet is below 4 GiB")
    }

    /// A second of the time line by which it has expired.
    pub(in crate::store) fn deadline_s(&self) -> Option<NonZero<u32>> {
        deadline_s(self.properties, self.time_ms)
    }

    #[inline]
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let topic_len = u16::try_from(self.topic.len()).expect("a topic is at most 65,535 bytes");
        let payload_len = u32::try_from(self.payload.len()).expect("a packet is below 4 GiB");
        let mut head = [0; HEAD_BYTES];
        head[0] = self.qos
            | flag(self.retained, RETAINED)
            | flag(self.moved_from.is_some(), MOVED)
            | flag(self.received.is_some(), RECEIVED)
            | flag(self.origin.is_some(), ORIGIN)
            | flag(!self.properties.is_empty(), PROPERTIES)
            | flag(self.own.is_some(), OWN);
        head[1..3].copy_from_slice(&self.vhost.to_le_bytes());
        head[3..5].copy_from_slice(&topic_len.to_le_bytes());
        head[5..9].copy_from_slice(&payload_len.to_le_bytes());
        head[9..].copy_from_slice(&self.time_ms.to_le_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(self.topic.as_bytes());
        out.extend_from_slice(self.payload);
        if !self.properties.is_empty() {
            put_bytes(out, self.properties);
        }
        if let Some(position) = self.moved_from {
            out.extend_from_slice(&position.offset().to_le_bytes());
        }
        if let Some((session, packet_id)) = self.received {
            out.extend_from_slice(&session.to_le_bytes());
            out.extend_from_slice(&packet_id.to_le_bytes());
        }
        if let Some(origin) = self.origin {
            origin.encode(out);
        }
        out.extend_from_slice(self.targets.0);
        if let Some(identifiers) = self.own {
            put_varint(out, TARGETS_END);
            out.extend_from_slice(identifiers);
        }
    }

    #[inline]
    pub(super) fn decode(body: Cursor<'a>) -> Option<Self> {
        let (message, topic) = Self::decode_around(body)?;
        Some(Self { topic: std::str::from_utf8(topic).ok()?, ..message })
    }

    /// As `decode`, but also if the topic is invalid.
    pub(super) fn guess(body: Cursor<'a>) -> Option<Self> {
        let (message, topic) = Self::decode_around(body)?;
        Some(Self { topic: std::str::from_utf8(topic).unwrap_or_default(), ..message })
    }

    /// Decodes all but the topic, and returns the topic's bytes.
    #[inline]
    pub(super) fn decode_around(mut body: Cursor<'a>) -> Option<(Self, &'a [u8])> {
        let flags = body.u8()?;
        let vhost = body.u16()?;
        let (topic_len, payload_len) = (body.u16()?, body.u32()?);
        let time_ms = body.u64()?;
        let topic = body.take(topic_len.into())?;
        let payload = body.take(payload_len as usize)?;
        let properties = match flags & PROPERTIES {
            0 => &[],
            _ => body.bytes()?,
        };
        let moved_from = match flags & MOVED {
            0 => None,
            _ => Some(body.u64().filter(|offset| *offset < Position::OFFSET_END)?),
        };
        let received = match flags & RECEIVED {
            0 => None,
            _ => Some((body.u32()?, body.u16()?)),
        };
        let origin = match flags & ORIGIN {
            0 => None,
            _ => Some(Origin::decode(&mut body)?),
        };
        let (targets, own) = match flags & OWN {
            0 => (body.rest(), None),
            _ => split_own(body.rest())?,
        };
        let message = Self {
            vhost,
            qos: (flags & QOS_BITS).min(2),
            retained: flags & RETAINED != 0,
            time_ms,
            topic: "",
            payload,
            properties,
            moved_from: moved_from.map(Position::durable),
            received,
            origin,
            targets: Targets(targets),
            own,
        };
        Some((message, topic))
    }
}

/// The targets, and the identifiers after them.
#[cold]
fn split_own(rest: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut cursor = Cursor(rest);
    loop {
        let targets = &rest[..rest.len() - cursor.len()];
        if cursor.varint()? == TARGETS_END {
            return Some((targets, Some(cursor.rest())));
        }
    }
}

impl Origin {
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.shard.to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.packet_id.to_le_bytes());
    }

    pub(super) fn decode(body: &mut Cursor<'_>) -> Option<Self> {
        Some(Self { shard: body.u16()?, serial: body.u64()?, packet_id: body.u16()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Identifiers are read back, and versions that do not know them read the same targets.
    #[test]
    fn identifiers_follow_the_targets() {
        let mut targets = Vec::new();
        let all = [u32::MAX, 0, 7].map(|session| Target {
            session,
            retain: session == 7,
            exactly_once: session == 0,
        });
        all.iter().for_each(|target| target.put(&mut targets));
        let some: [(_, Option<Vec<u32>>); 3] = [
            (None, None),
            (Some(&[][..]), Some(vec![])),
            (Some(&[1, 0xac, 2]), Some(vec![1, 300])),
        ];
        for (own, expected) in some {
            let record = MessageRecord {
                vhost: 1,
                qos: 2,
                retained: false,
                time_ms: 9,
                topic: "t",
                payload: b"p",
                properties: &[1, 1],
                moved_from: None,
                received: None,
                origin: None,
                targets: Targets(&targets),
                own,
            };
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            assert_eq!(MessageRecord::decode(Cursor(&bytes)), Some(record));
            let found = record.own_identifiers().map(|own| (own.session, own.iter().collect()));
            assert_eq!(found, expected.map(|ids| (u32::MAX, ids)));
            let head = HEAD_BYTES + "tp".len() + 3;
            assert!(Targets(&bytes[head..]).iter().eq(all), "as before there were identifiers");
            // Without the end of the targets it is no record.
            let cut = head + targets.len();
            let is_read = MessageRecord::decode(Cursor(&bytes[..cut])).is_some();
            assert_eq!(is_read, record.own.is_none());
        }
    }
}
