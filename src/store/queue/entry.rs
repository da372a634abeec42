//! A message in a queue: its position, its delivery terms, and its progress.
//!
//! Invariant: an entry with a position has a record of more than 0 bytes.

use super::super::position::Position;

/// The terms of a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Terms {
    /// Whether it is sent with RETAIN set.
    pub retain: bool,
    /// Whether it is sent at QoS 2; else at QoS 1.
    pub exactly_once: bool,
}

/// See the file.
///
/// | bits | what |
/// |---|---|
/// | 0–55 | offset in the log; all ones: not stored |
/// | 56 | RETAIN |
/// | 57 | QoS 2 |
/// | 58 | released: the client has received it and owes PUBCOMP |
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

    /// A message that is complete.
    pub(super) const GONE: Self = Self { bits: u64::MAX, bytes: 0 };

    /// A QoS 2 message that the client has received; only its number is needed.
    pub(super) const RELEASED: Self =
        Self { bits: Self::NOT_STORED | Self::EXACTLY_ONCE | 1 << 58, bytes: 0 };

    /// A message with a record of `bytes` bytes, more than 0.
    #[inline]
    pub fn stored(position: Position, bytes: u32, terms: Terms) -> Self {
        debug_assert!(position.bits() < Self::NOT_STORED, "a log stays below 2^55 bytes");
        debug_assert!(bytes > 0, "a record is never empty");
        Self { bits: position.bits() | Self::bits(terms), bytes }
    }

    /// A message that is not kept: it is being sent and will not be sent again.
    #[inline]
    pub fn passing(terms: Terms) -> Self {
        Self { bits: Self::NOT_STORED | Self::bits(terms), bytes: 0 }
    }

    /// The position of the message.
    #[inline]
    pub fn position(self) -> Option<Position> {
        let offset = self.bits & Self::OFFSET_MASK;
        (offset != Self::NOT_STORED).then(|| Position::from_bits(offset))
    }

    /// The size of its record; 0 if it has none.
    #[inline]
    pub fn bytes(self) -> u32 {
        self.bytes
    }

    /// The terms of its delivery.
    #[inline]
    pub fn terms(self) -> Terms {
        Terms {
            retain: self.bits & Self::RETAIN != 0,
            exactly_once: self.bits & Self::EXACTLY_ONCE != 0,
        }
    }

    /// The same message at another position.
    pub(super) fn moved_to(self, position: Position) -> Self {
        Self::stored(position, self.bytes, self.terms())
    }

    #[inline]
    fn bits(terms: Terms) -> u64 {
        let bit = |set, bit| if set { bit } else { 0 };
        bit(terms.retain, Self::RETAIN) | bit(terms.exactly_once, Self::EXACTLY_ONCE)
    }
}
