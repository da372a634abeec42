//! Runs of PUBACKs, which a client sends after it has received many messages at once.
//!
//! A PUBACK of success has the same four bytes in all versions, and a client acknowledges messages
//! in the order in which it received them [MQTT-4.6.0-2]. So the identifiers are consecutive, and
//! each PUBACK of a run is read with one comparison.

use super::fields::{PacketId, PacketKind};

/// PUBACKs of success with consecutive packet identifiers.
///
/// A run does not pass 65,535: `first + count - 1` is an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckRun {
    /// The identifier of the first.
    pub first: PacketId,
    /// Their number, at least 1.
    pub count: u16,
}

impl AckRun {
    /// Bytes of each PUBACK.
    pub const PACKET_BYTES: usize = 4;

    /// The PUBACKs at the start of `bytes`, at most `count_max`; `None` if there is no complete
    /// one.
    #[inline]
    pub fn peek(bytes: &[u8], count_max: u16) -> Option<Self> {
        let (packets, _) = bytes.as_chunks::<{ Self::PACKET_BYTES }>();
        let (&first, rest) = packets.split_first()?;
        let first = id_of(first).and_then(PacketId::new).filter(|_| count_max > 0)?;
        let limit = count_max.min(u16::MAX - first.get() + 1);
        let expected = (1..limit).zip(rest);
        let more = expected.take_while(|(at, packet)| id_of(**packet) == Some(first.get() + at));
        let count = more.last().map_or(1, |(at, _)| at + 1);
        Some(Self { first, count })
    }

    /// Whether it acknowledges the message with this identifier.
    #[inline]
    pub fn has(&self, packet_id: u16) -> bool {
        packet_id.checked_sub(self.first.get()).is_some_and(|at| at < self.count)
    }
}

/// The identifier of a PUBACK of success.
#[inline]
fn id_of(packet: [u8; AckRun::PACKET_BYTES]) -> Option<u16> {
    let [first, remaining, high, low] = packet;
    let is_it = [first, remaining] == [PacketKind::Puback.first_byte(), 2];
    is_it.then_some(u16::from_be_bytes([high, low]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pubacks(ids: &[u16]) -> Vec<u8> {
        let packet = |id: &u16| [0x40, 2, id.to_be_bytes()[0], id.to_be_bytes()[1]];
        ids.iter().flat_map(packet).collect()
    }

    fn run(first: u16, count: u16) -> Option<AckRun> {
        PacketId::new(first).map(|first| AckRun { first, count })
    }

    // A run has consecutive identifiers, ends before any other packet, and does not pass the
    // highest identifier. Identifier 0 is left to the decoder.
    #[test]
    fn runs() {
        let table: [(&[u16], Option<AckRun>); 9] = [
            (&[], None),
            (&[0], None),
            (&[1], run(1, 1)),
            (&[7, 8, 9], run(7, 3)),
            (&[7, 8, 8], run(7, 2)),
            (&[7, 6], run(7, 1)),
            (&[255, 256, 257, 259], run(255, 3)),
            (&[65_534, 65_535, 1, 2], run(65_534, 2)),
            (&[65_535, 0], run(65_535, 1)),
        ];
        for (ids, expected) in table {
            assert_eq!(AckRun::peek(&pubacks(ids), u16::MAX), expected, "{ids:?}");
        }
        let others: [&[u8]; 4] =
            [&[0x50, 2, 0, 4], &[0x40, 3, 0, 4], &[0x40, 2, 0], &[0x41, 2, 0, 4]];
        for other in others {
            assert_eq!(AckRun::peek(other, u16::MAX), None, "{other:?}");
            let bytes = [&pubacks(&[2, 3]), other].concat();
            assert_eq!(AckRun::peek(&bytes, u16::MAX), run(2, 2), "{other:?}");
        }
    }

    // A run is cut at the maximum, and knows its identifiers.
    #[test]
    fn edges_of_a_run() {
        let bytes = pubacks(&[5, 6, 7, 8]);
        assert_eq!(AckRun::peek(&bytes, 0), None);
        for count in 1..=4 {
            let run = AckRun::peek(&bytes, count).expect("there are some");
            assert_eq!((run.first.get(), run.count), (5, count));
            assert!(!run.has(4) && run.has(5) && run.has(4 + count) && !run.has(5 + count));
        }
    }
}
