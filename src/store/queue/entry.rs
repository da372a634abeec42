//! A message in a queue: where it is stored, how it is to be delivered, and how far that is.
//!
//! Invariant: an entry that has a position has a record, of more than 0 bytes.

use super::super::position::Position;

/// How a message is to be delivered, beside where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Terms {
    /// It goes out with RETAIN set.
    pub retain: bool,
    /// It goes out at QoS 2; else at QoS 1.
    pub exactly_once: bool,
}

/// See the module.
///
/// | bits | what |
/// |---|---|
/// | 0–55 | offset in the log; all ones: not stored |
/// | 56 | RETAIN |
/// | 57 | QoS 2 |
/// | 58 | released: the client has it and owes PUBCOMP |
/// | all | ones: gone |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    bits: u64,
    bytes: u32,
}

impl Entry {
    const OFFSET_MASK: u64 = (1 << 56) - 1;
    const NOT_STORED: u64 = Self::OFFSET_MASK;
    const RETAIN: u64 = 1 << 56;
    const EXACTLY_ONCE: u64 = 1 << 57;

    /// A message that is done with.
    pub(super) const GONE: Self = Self { bits: u64::MAX, bytes: 0 };

    /// A QoS 2 message that the client has; only its number is needed.
    pub(super) const RELEASED: Self =
        Self { bits: Self::NOT_STORED | Self::EXACTLY_ONCE | 1 << 58, bytes: 0 };

    /// A message that stands in the log, where its record takes this many bytes, more than 0.
    #[inline]
    pub fn stored(position: Position, bytes: u32, terms: Terms) -> Self {
        debug_assert!(position.bits() < Self::NOT_STORED, "a log stays below 2^55 bytes");
        debug_assert!(bytes > 0, "a record is never empty");
        Self { bits: position.bits() | Self::bits(terms), bytes }
    }

    /// A message that is not kept: it was sent and will not be sent again.
    #[inline]
    pub fn passing(terms: Terms) -> Self {
        Self { bits: Self::NOT_STORED | Self::bits(terms), bytes: 0 }
    }

    /// The place of the message.
    #[inline]
    pub fn position(self) -> Option<Position> {
        let offset = self.bits & Self::OFFSET_MASK;
        (offset != Self::NOT_STORED).then(|| Position::from_bits(offset))
    }

    /// Bytes of its record; 0 if it has none.
    #[inline]
    pub fn bytes(self) -> u32 {
        self.bytes
    }

    /// How it is to be delivered.
    #[inline]
    pub fn terms(self) -> Terms {
        Terms {
            retain: self.bits & Self::RETAIN != 0,
            exactly_once: self.bits & Self::EXACTLY_ONCE != 0,
        }
    }

    /// The same message, at another place.
    pub(super) fn moved_to(self, position: Position) -> Self {
        Self::stored(position, self.bytes, self.terms())
    }

    #[inline]
    fn bits(terms: Terms) -> u64 {
        let bit = |set, bit| if set { bit } else { 0 };
        bit(terms.retain, Self::RETAIN) | bit(terms.exactly_once, Self::EXACTLY_ONCE)
    }
}
