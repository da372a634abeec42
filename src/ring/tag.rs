//! Identifies the operation of a completion in the 64 bits that the kernel returns: `kind 8 |
//! generation 24 | slot 32`. It is never a pointer: a stale pointer is undefined behaviour, and a
//! stale tag an assertion.

use super::Key;

/// The bits of a [`Key`]'s generation.
pub(super) const GENERATION_BITS: u32 = 24;

/// The kind of a completed operation. Zero is none of them, so that a zeroed entry is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    /// The slot is the listener's number.
    Accept = 1,
    /// Slot and generation are those of the link.
    Recv = 2,
    /// Slot and generation are those of the link.
    Send = 3,
    /// The waker's poll.
    Wake = 4,
    /// A cancel of one of the above.
    Cancel = 5,
    /// The poll of the writer's signal.
    Write = 6,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Accept, Self::Recv, Self::Send, Self::Wake, Self::Cancel, Self::Write];
}

impl TryFrom<u8> for Kind {
    type Error = u8;

    fn try_from(byte: u8) -> Result<Self, u8> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte).ok_or(byte)
    }
}

/// The operation of a completion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tag {
    pub(super) kind: Kind,
    pub(super) key: Key,
}

impl Tag {
    /// The tag of a link's operation.
    pub(super) fn link(kind: Kind, key: Key) -> Self {
        Self { kind, key }
    }

    /// The tag of an operation without a link.
    pub(super) fn other(kind: Kind, slot: u32) -> Self {
        let generation = 0;
        Self { kind, key: Key { slot, generation } }
    }

    /// # Panics
    /// If the generation has more than [`GENERATION_BITS`].
    pub(super) fn encode(self) -> u64 {
        let Key { slot, generation } = self.key;
        assert!(generation < 1 << GENERATION_BITS, "a generation has 24 bits");
        u64::from(self.kind as u8) << 56 | u64::from(generation) << 32 | u64::from(slot)
    }

    /// # Panics
    /// If the ring did not make these bits.
    pub(super) fn decode(bits: u64) -> Self {
        let [kind, g2, g1, g0, s3, s2, s1, s0] = bits.to_be_bytes();
        let key = Key {
            slot: u32::from_be_bytes([s3, s2, s1, s0]),
            generation: u32::from_be_bytes([0, g2, g1, g0]),
        };
        let kind = Kind::try_from(kind).expect("the kernel hands back only what it was given");
        Self { kind, key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind is read back with its slot and generation, at both ends of their ranges.
    #[test]
    fn comes_back_whole() {
        let generation_max = (1 << GENERATION_BITS) - 1;
        for kind in Kind::ALL {
            for slot in [0, 1, u32::MAX - 1, u32::MAX] {
                for generation in [0, 1, generation_max - 1, generation_max] {
                    let tag = Tag::link(kind, Key { slot, generation });
                    assert_eq!(Tag::decode(tag.encode()), tag);
                }
            }
        }
    }

    /// A byte that is not a kind is refused.
    #[test]
    fn alien_kinds_are_refused() {
        for byte in [0, 7, 255] {
            assert_eq!(Kind::try_from(byte), Err(byte));
        }
    }
}
