//! The place of a message.

/// The place of a record: its byte offset in one of a shard's two logs, on disk or in memory.
/// Neither grows beyond 2^55 bytes, which takes a year at 1 GB/s.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position(u64);

impl Position {
    /// One past the highest offset.
    pub const OFFSET_END: u64 = 1 << 55;

    const VOLATILE: u64 = Self::OFFSET_END;

    /// A record of the log on disk.
    pub fn durable(offset: u64) -> Self {
        debug_assert!(offset < Self::OFFSET_END, "a log stays below 2^55 bytes");
        Self(offset)
    }

    /// A record of the log in memory.
    pub fn volatile(offset: u64) -> Self {
        debug_assert!(offset < Self::OFFSET_END, "a log stays below 2^55 bytes");
        Self(offset | Self::VOLATILE)
    }

    /// Whether it is in memory only.
    pub fn is_volatile(self) -> bool {
        self.0 & Self::VOLATILE != 0
    }

    /// The offset in its log.
    pub fn offset(self) -> u64 {
        self.0 & !Self::VOLATILE
    }

    /// The position in 56 bits.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// The position with these [`Position::bits`].
    pub fn from_bits(bits: u64) -> Self {
        debug_assert!(bits < Self::OFFSET_END << 1, "56 bits");
        Self(bits)
    }
}
