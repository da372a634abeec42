//! Messages that wait in clean sessions: an append-only sequence of records in memory, owned by the
//! shard. A message is there once, however many queues have it.
//!
//! Invariant: a segment is kept while one of its records is referenced, or while it is the newest.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | payload length, little endian |
//! | 2 | topic length, little endian |
//! | 1 | bits 0–1: QoS of the publication, bit 6: it has identifiers, bit 7: it has properties |
//! | topic length | topic name, UTF-8 |
//! | payload length | payload |
//! | 4 | if it has properties: their length, little endian |
//! | properties length | properties |
//! | 8 | if they begin with an expiry: time of arrival, milliseconds of the time line |
//! | 4 | if it has identifiers: their length, little endian |
//! | 4 | session, little endian |
//! | identifiers length | the session's identifiers |

use std::collections::VecDeque;

use super::lifetime::expiry_interval_s;
use super::logs::StoredMessage;
use super::own_identifiers::OwnIdentifiers;
use super::position::Position;
use super::record::SessionKey;

/// The size of a segment. A larger record gets a segment of its own. Segments are small, because a
/// message that waits for long keeps its whole segment.
const SEGMENT_BYTES: usize = 64 * 1024;

const HEADER_BYTES: usize = 7;

/// The bytes in front of identifiers.
const OWN_HEADER_BYTES: usize = 8;

/// The bit of the QoS byte for properties.
const PROPERTIES: u8 = 1 << 7;

/// The bit of the QoS byte for identifiers of one session's copy.
const OWN: u8 = 1 << 6;

/// The position of the byte with the QoS in a record.
const QOS_AT: usize = 6;

struct Segment {
    start: u64,
    bytes: Vec<u8>,
    /// References of queues to its records.
    references: u64,
}

/// See the file.
#[derive(Default)]
pub struct MessageLog {
    /// Sorted by `start`; gaps are removed segments.
    segments: VecDeque<Segment>,
    end: u64,
    /// The capacity of all segments and the spare.
    memory_bytes: usize,
    /// The memory of one removed segment, for the next one.
    spare: Option<Vec<u8>>,
}

impl MessageLog {
    /// Appends a message. It stays readable while [`MessageLog::hold`] was called more often than
    /// [`MessageLog::release`]; the caller holds it at least once before the next append.
    pub fn append(&mut self, message: StoredMessage<'_>) -> Position {
        let record_bytes = HEADER_BYTES
            + message.topic.len()
            + message.payload.len()
            + tail_bytes(message.properties)
            + message.own.map_or(0, |own| OWN_HEADER_BYTES + own.encoded.len());
        let room =
            self.segments.back().map_or(0, |last| SEGMENT_BYTES.saturating_sub(last.bytes.len()));
        if room < record_bytes {
            self.open_segment(record_bytes);
        }
        let position = Position::volatile(self.end);
        let last = self.segments.back_mut().expect("a segment was opened when there was none");
        let payload_len = u32::try_from(message.payload.len()).expect("a packet is below 4 GiB");
        let topic_len =
            u16::try_from(message.topic.len()).expect("a topic is at most 65,535 bytes");
        last.bytes.extend_from_slice(&payload_len.to_le_bytes());
        last.bytes.extend_from_slice(&topic_len.to_le_bytes());
        let properties = if message.properties.is_empty() { 0 } else { PROPERTIES };
        let own = if message.own.is_none() { 0 } else { OWN };
        last.bytes.push(message.qos | properties | own);
        last.bytes.extend_from_slice(message.topic.as_bytes());
        last.bytes.extend_from_slice(message.payload);
        if !message.properties.is_empty() {
            let length = u32::try_from(message.properties.len()).expect("a packet is below 4 GiB");
            last.bytes.extend_from_slice(&length.to_le_bytes());
            last.bytes.extend_from_slice(message.properties);
            if expiry_interval_s(message.properties).is_some() {
                last.bytes.extend_from_slice(&message.time_ms.to_le_bytes());
            }
        }
        if let Some(own) = message.own {
            let length = u32::try_from(own.encoded.len()).expect("a session's filters are bounded");
            last.bytes.extend_from_slice(&length.to_le_bytes());
            last.bytes.extend_from_slice(&own.session.to_le_bytes());
            last.bytes.extend_from_slice(own.encoded);
        }
        self.end += record_bytes as u64;
        position
    }

    /// Adds references to a record.
    pub fn hold(&mut self, position: Position, count: u32) {
        let at = self.segment_of(position);
        self.segments[at].references += u64::from(count);
    }

    /// Removes references; the record may be gone afterwards.
    ///
    /// # Panics
    /// If the segment has fewer references.
    pub fn release(&mut self, position: Position, count: u32) {
        let at = self.segment_of(position);
        let segment = &mut self.segments[at];
        let left = segment.references.checked_sub(u64::from(count));
        segment.references = left.expect("released once for each hold");
        if segment.references == 0 && at + 1 < self.segments.len() {
            self.retire(at);
        }
    }

    /// Reads a record that is held.
    ///
    /// # Panics
    /// If the record is gone.
    pub fn get(&self, position: Position) -> StoredMessage<'_> {
        let record = self.from(position);
        let (payload_len, topic_len) = lengths(record);
        let (topic, rest) = record[HEADER_BYTES..].split_at(topic_len);
        let topic = std::str::from_utf8(topic).expect("append took a str");
        let (payload, mut tail) = rest.split_at(payload_len);
        let qos = record[QOS_AT] & !(PROPERTIES | OWN);
        let mut message =
            StoredMessage { topic, payload, qos, properties: &[], time_ms: 0, own: None };
        if record[QOS_AT] & PROPERTIES != 0 {
            (message.properties, tail) = split_properties(tail);
            if expiry_interval_s(message.properties).is_some() {
                let (time_ms, rest) = tail.split_first_chunk().expect("append put a time");
                (message.time_ms, tail) = (u64::from_le_bytes(*time_ms), rest);
            }
        }
        if record[QOS_AT] & OWN != 0 {
            message.own = Some(own_identifiers(tail));
        }
        message
    }

    /// The size of a held record.
    pub fn record_bytes(&self, position: Position) -> usize {
        let record = self.from(position);
        let (payload_len, topic_len) = lengths(record);
        let mut bytes = HEADER_BYTES + topic_len + payload_len;
        if record[QOS_AT] & PROPERTIES != 0 {
            bytes += tail_bytes(split_properties(&record[bytes..]).0);
        }
        if record[QOS_AT] & OWN != 0 {
            bytes += OWN_HEADER_BYTES + own_identifiers(&record[bytes..]).encoded.len();
        }
        bytes
    }

    /// The bytes of its segment, from a held record on.
    fn from(&self, position: Position) -> &[u8] {
        let segment = &self.segments[self.segment_of(position)];
        let at =
            usize::try_from(position.offset() - segment.start).expect("segments are in memory");
        &segment.bytes[at..]
    }

    /// The memory of the log in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    fn open_segment(&mut self, record_bytes: usize) {
        // The newest segment is kept only while it is the newest.
        if self.segments.back().is_some_and(|last| last.references == 0) {
            self.retire(self.segments.len() - 1);
        }
        let bytes = match self.spare.take_if(|spare| record_bytes <= spare.capacity()) {
            Some(spare) => spare,
            None => {
                let bytes = Vec::with_capacity(record_bytes.max(SEGMENT_BYTES));
                self.memory_bytes += bytes.capacity();
                bytes
            }
        };
        self.segments.push_back(Segment { start: self.end, bytes, references: 0 });
    }

    fn retire(&mut self, at: usize) {
        let Some(Segment { mut bytes, .. }) = self.segments.remove(at) else { return };
        if bytes.capacity() == SEGMENT_BYTES && self.spare.is_none() {
            bytes.clear();
            self.spare = Some(bytes);
        } else {
            self.memory_bytes -= bytes.capacity();
        }
    }

    fn segment_of(&self, position: Position) -> usize {
        // Most traffic concerns the newest segment only.
        let newest = self.segments.len() - 1;
        if self.segments[newest].start <= position.offset() {
            return newest;
        }
        let after = self.segments.partition_point(|segment| segment.start <= position.offset());
        after.checked_sub(1).expect("the record is held")
    }
}

/// The number of bytes after the payload of a message with these properties.
fn tail_bytes(properties: &[u8]) -> usize {
    match properties.len() {
        0 => 0,
        length if expiry_interval_s(properties).is_some() => 4 + length + 8,
        length => 4 + length,
    }
}

/// The properties after a payload, and the bytes after them.
fn split_properties(tail: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = tail.split_first_chunk().expect("append put a length");
    rest.split_at(u32::from_le_bytes(*length) as usize)
}

/// The identifiers after the other parts of a record.
fn own_identifiers(tail: &[u8]) -> OwnIdentifiers<'_> {
    let (length, rest) = tail.split_first_chunk().expect("append put a length");
    let (session, rest) = rest.split_first_chunk().expect("append put a session");
    let encoded = &rest[..u32::from_le_bytes(*length) as usize];
    OwnIdentifiers { session: SessionKey::from_le_bytes(*session), encoded }
}

fn lengths(record: &[u8]) -> (usize, usize) {
    let payload_len = u32::from_le_bytes([record[0], record[1], record[2], record[3]]);
    let topic_len = u16::from_le_bytes([record[4], record[5]]);
    (payload_len as usize, usize::from(topic_len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &[u8]) -> StoredMessage<'_> {
        StoredMessage { topic: "t/é", payload, qos: 1, properties: &[], time_ms: 0, own: None }
    }

    /// Appended records are read back, across segments and also if larger than a segment.
    #[test]
    fn reads_back_what_was_appended() {
        let mut log = MessageLog::default();
        let sizes = [0, 1, 100, SEGMENT_BYTES - 20, SEGMENT_BYTES, SEGMENT_BYTES + 1, 5];
        let payloads: Vec<Vec<u8>> = (0u8..).zip(sizes).map(|(i, n)| vec![i; n]).collect();
        let positions: Vec<_> = payloads
            .iter()
            .map(|payload| {
                let position = log.append(message(payload));
                log.hold(position, 1);
                position
            })
            .collect();
        for (position, payload) in positions.iter().zip(&payloads) {
            assert_eq!(log.get(*position), message(payload));
            assert_eq!(log.record_bytes(*position), HEADER_BYTES + 4 + payload.len());
        }
    }

    /// Properties are read back, the time of messages that expire, and identifiers. A message
    /// without properties has no bytes for them, and one that does not expire has no time.
    #[test]
    fn properties_come_back() {
        let mut log = MessageLog::default();
        let long = [&[2, 0, 0, 1, 0][..], &[7; SEGMENT_BYTES]].concat();
        let all = [(&[][..], 0), (&[1, 1], 4 + 2), (&[2, 0, 0, 0, 9], 4 + 5 + 8), (&long, 4 + 8)];
        for (properties, more) in all {
            let whole = StoredMessage { properties, time_ms: 77, qos: 2, ..message(b"payload") };
            let position = log.append(whole);
            log.hold(position, 1);
            let expires = properties.first() == Some(&2);
            let time_ms = if expires { 77 } else { 0 };
            assert_eq!(log.get(position), StoredMessage { time_ms, ..whole });
            let more = if properties.len() > 9 { more + long.len() } else { more };
            assert_eq!(log.record_bytes(position), HEADER_BYTES + 4 + 7 + more);
            let own = Some(OwnIdentifiers::new(9, &[1, 0xac, 2]));
            let with_own = log.append(StoredMessage { own, ..whole });
            log.hold(with_own, 1);
            assert_eq!(log.get(with_own), StoredMessage { time_ms, own, ..whole });
            assert_eq!(log.record_bytes(with_own), log.record_bytes(position) + 8 + 3);
            let next = log.append(message(b"next"));
            log.hold(next, 1);
            assert_eq!(log.get(next), message(b"next"), "it stands behind");
        }
    }

    /// Memory is released with the last reference, in any order; at most two segments are kept.
    #[test]
    fn retires_what_nobody_refers_to() {
        let mut log = MessageLog::default();
        let payload = vec![7; 100_000];
        let positions: Vec<_> = (0..100)
            .map(|_| {
                let position = log.append(message(&payload));
                log.hold(position, 1);
                log.hold(position, 1);
                position
            })
            .collect();
        assert!(log.memory_bytes() >= 100 * payload.len());
        for position in positions.iter().rev() {
            log.release(*position, 1);
        }
        assert!(log.memory_bytes() >= 100 * payload.len(), "still held once");
        let (odd, even): (Vec<_>, Vec<_>) =
            positions.iter().enumerate().partition(|(i, _)| i % 2 == 1);
        for (_, position) in odd.into_iter().chain(even) {
            log.release(*position, 1);
        }
        assert!(log.memory_bytes() <= 2 * SEGMENT_BYTES);
        let position = log.append(message(b"x"));
        log.hold(position, 1);
        assert_eq!(log.get(position).payload, b"x");
    }
}
