//! A publisher's belt: PUBLISH packets that are encoded once, one after the other. They are stamped
//! in place before each round, so that many leave with one write.
//!
//! Layout of a payload of [`STAMP_BYTES`] or more, little endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | stream: `publisher * topics + topic` |
//! | 4..8 | number in the stream, modulo 2^32 |
//! | 8..16 | intended sending, ns since 1970 |
//! | 16.. | zeros |
//!
//! Invariant: slot `i` holds topic `i % topics`, and the slots are a multiple of the topics.

use std::ops::Range;

use crate::checker::Place;
use crate::stats::STAMP_BYTES;
use crate::wire::{self, Places, Version};

/// Pre-encoded publishes. Owned by one publisher.
#[derive(Debug)]
pub(crate) struct Belt {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    id_at: usize,
    payload_at: usize,
    end: usize,
}

/// The layout of a belt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout<'a> {
    /// The topics of the publisher, in the order they take turns.
    pub(crate) topics: &'a [String],
    /// Number of the first topic's stream.
    pub(crate) first_stream: u32,
    /// The form of the topics; aliases are numbered from 1.
    pub(crate) naming: Naming,
    /// 0 or 1.
    pub(crate) qos: u8,
    /// Version of MQTT.
    pub(crate) version: Version,
    /// MQTT 5: user properties of each message.
    pub(crate) user_properties: u16,
    /// Bytes of a payload.
    pub(crate) payload_bytes: usize,
    /// Stop adding rounds of topics when the belt has this many bytes ...
    pub(crate) bytes_max: usize,
    /// ... or this many messages.
    pub(crate) messages_max: usize,
}

/// The form of a message's topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Naming {
    /// Its name.
    Name,
    /// Its name, and an alias that this assigns to it (MQTT 5, 3.3.2.3.4).
    Introduce,
    /// An alias that was assigned before.
    Alias,
}

/// The fields that differ from message to message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    /// Packet identifier; unused at QoS 0.
    pub(crate) packet_id: u16,
    /// Number of the message in its stream, modulo 2^32.
    pub(crate) sequence: u32,
    /// The intended time of sending.
    pub(crate) intended_ns: u64,
}

/// The stamp in a payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// Stream and number.
    pub(crate) place: Place,
    /// The intended time of sending, ns since 1970.
    pub(crate) intended_ns: u64,
}

impl Belt {
    /// Encodes at least one round of the topics.
    pub(crate) fn new(layout: &Layout<'_>) -> Belt {
        let mut belt = Belt { bytes: Vec::new(), slots: Vec::new() };
        loop {
            for (stream, topic) in (layout.first_stream..).zip(layout.topics) {
                belt.push(topic, stream, layout);
            }
            let topics = layout.topics.len();
            let round_bytes = belt.bytes.len() * topics / belt.slots.len();
            if belt.bytes.len() + round_bytes > layout.bytes_max
                || belt.slots.len() + topics > layout.messages_max
            {
                belt.bytes.shrink_to_fit();
                return belt;
            }
        }
    }

    fn push(&mut self, topic: &str, stream: u32, layout: &Layout<'_>) {
        let alias = match layout.naming {
            Naming::Name => None,
            Naming::Introduce | Naming::Alias => {
                let number = stream - layout.first_stream + 1;
                Some(u16::try_from(number).expect("options bound topics with aliases"))
            }
        };
        let Layout { qos, payload_bytes, version, user_properties, .. } = *layout;
        let topic = if layout.naming == Naming::Alias { "" } else { topic };
        let properties = wire::publish_properties(version, alias, user_properties);
        let Places { id_at, payload_at } =
            wire::push_publish(&mut self.bytes, topic, qos, &properties, payload_bytes);
        if layout.payload_bytes >= STAMP_BYTES {
            self.bytes[payload_at..payload_at + 4].copy_from_slice(&stream.to_le_bytes());
        }
        self.slots.push(Slot { id_at, payload_at, end: self.bytes.len() });
    }

    /// Messages on the belt.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Stamps the message in slot `index`. `QOS1` and `STAMPED` (payload of [`STAMP_BYTES`] or
    /// more) are as in the layout: constants, so that a series of stamps is compiled without
    /// branches.
    #[inline]
    pub(crate) fn stamp<const QOS1: bool, const STAMPED: bool>(
        &mut self,
        index: usize,
        stamp: Stamp,
    ) {
        let Slot { id_at, payload_at: at, .. } = self.slots[index];
        if QOS1 {
            self.bytes[id_at..id_at + 2].copy_from_slice(&stamp.packet_id.to_be_bytes());
        }
        if STAMPED {
            let field = &mut self.bytes[at + 4..at + STAMP_BYTES];
            field[..4].copy_from_slice(&stamp.sequence.to_le_bytes());
            field[4..].copy_from_slice(&stamp.intended_ns.to_le_bytes());
        }
    }

    /// The byte range of the messages in `slots`.
    pub(crate) fn span(&self, slots: Range<usize>) -> Range<usize> {
        let start = if slots.start == 0 { 0 } else { self.slots[slots.start - 1].end };
        start..self.slots[slots.end - 1].end
    }

    /// Slots that lie completely before byte `at`, out of those that end after byte `from`.
    pub(crate) fn slots_between(&self, from: usize, at: usize) -> usize {
        let first = self.slots.partition_point(|slot| slot.end <= from);
        self.slots.partition_point(|slot| slot.end <= at) - first
    }

    /// The encoded bytes.
    pub(crate) fn bytes(&self, span: Range<usize>) -> &[u8] {
        &self.bytes[span]
    }
}

/// Reads the stamp of a received payload; `None` if it is too short for one.
#[inline]
pub(crate) fn origin(payload: &[u8]) -> Option<Origin> {
    let (stamp, _) = payload.split_first_chunk::<STAMP_BYTES>()?;
    let (stream, rest) = stamp.split_first_chunk::<4>()?;
    let (sequence, rest) = rest.split_first_chunk::<4>()?;
    let (intended_ns, _) = rest.split_first_chunk::<8>()?;
    let stream = u32::from_le_bytes(*stream);
    let sequence = u32::from_le_bytes(*sequence);
    let place = Place { stream, sequence };
    Some(Origin { place, intended_ns: u64::from_le_bytes(*intended_ns) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Packet;

    fn layout(topics: &[String]) -> Layout<'_> {
        let (bytes_max, messages_max) = (1000, 100);
        Layout {
            topics,
            first_stream: 8,
            naming: Naming::Name,
            qos: 1,
            version: Version::V311,
            user_properties: 0,
            payload_bytes: 20,
            bytes_max,
            messages_max,
        }
    }

    /// A receiver reads the stamp of each message.
    #[test]
    fn stamps_are_read_back() {
        let topics = ["a".to_owned(), "longer".to_owned()];
        let v5 = Layout { version: Version::V5, user_properties: 3, ..layout(&topics) };
        read_back(&layout(&topics));
        for naming in [Naming::Name, Naming::Introduce, Naming::Alias] {
            read_back(&Layout { naming, ..v5 });
        }
    }

    fn read_back(layout: &Layout<'_>) {
        let mut belt = Belt::new(layout);
        let (mut at, mut packet_id) = (0, 0);
        let mut streams = [8, 9].into_iter().cycle();
        for index in 0..belt.len() {
            packet_id += 1;
            let sequence = 500 + u32::from(packet_id);
            belt.stamp::<true, true>(index, Stamp { packet_id, sequence, intended_ns: 77 });
            let span = belt.span(index..index + 1);
            assert_eq!(span.start, at);
            let (packet, size) =
                wire::split(belt.bytes(span), layout.version).expect("valid").expect("whole");
            at += size;
            let Packet::Publish { packet_id: received, payload } = packet else { panic!() };
            let origin = origin(payload).expect("20 bytes hold a stamp");
            assert_eq!(received, Some(packet_id));
            assert_eq!(Some(origin.place.stream), streams.next());
            assert_eq!((origin.place.sequence, origin.intended_ns), (sequence, 77));
        }
    }

    /// The belt contains whole rounds of topics: at least one, and as many as fit.
    #[test]
    fn belts_are_whole_rounds() {
        let topics: Vec<String> = (0..3).map(|n| format!("t/{n}")).collect();
        let message_bytes = 2 + 2 + 3 + 2 + 20;
        for (bytes_max, messages_max, expected) in [
            (0, 0, 3),
            (6 * message_bytes - 1, 100, 3),
            (6 * message_bytes, 100, 6),
            (usize::MAX / 2, 8, 6),
        ] {
            let layout = Layout { bytes_max, messages_max, ..layout(&topics) };
            assert_eq!(Belt::new(&layout).len(), expected, "{bytes_max} {messages_max}");
        }
    }

    /// Partial writes count the messages they complete and no other.
    #[test]
    fn whole_messages_are_counted() {
        let topics = ["t".to_owned()];
        let belt = Belt::new(&Layout { payload_bytes: 0, ..layout(&topics) });
        let size = belt.span(0..1).end;
        for (from, at, expected) in
            [(0, 0, 0), (0, size - 1, 0), (0, size, 1), (1, size, 1), (size, size, 0)]
        {
            assert_eq!(belt.slots_between(from, at), expected, "{from} {at}");
        }
        assert_eq!(belt.slots_between(size, 4 * size), 3);
    }

    /// A payload without room for a stamp has none.
    #[test]
    fn short_payloads_have_no_origin() {
        assert!(origin(&[0; STAMP_BYTES - 1]).is_none());
        assert!(origin(&[0; STAMP_BYTES]).is_some());
    }
}
