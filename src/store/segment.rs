//! The header of a segment file.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `ringmqsg` |
//! | 4 | CRC-32C of the bytes 12 to 63 |
//! | 4 | version of the format, 5 |
//! | 2 | the shard whose log this is |
//! | 2 | 1 if it continues a segment whose file failed; else 0 |
//! | 4 | 0 |
//! | 8 | start: offset in the log of the byte after this header |
//! | 8 | checkpoint: offset from which recovery reads the log |
//! | 8 | salt: chosen at each opening of the log; records' checksums depend on it |
//! | 8 | capacity: least number of bytes in the file after this header |
//! | 8 | 0 |
//!
//! Numbers are little endian. A file that begins with 64 zeros is free. A segment ends where the
//! next one starts. Version 1 has zeros for the capacity, and no record is marked as the first of a
//! commit group. Versions 1 and 2 have nothing of MQTT 5: no properties of messages, no options of
//! subscriptions, no expiry intervals and wills of sessions. Versions before 4 have no lanes of
//! groups and no reserved leases. Versions before 5 do not say which messages carry which
//! subscription identifiers; some binaries wrote identifiers of one session's copy with version 4.

use super::cursor::Cursor;
use super::medium::Mapping;
use super::mend::{Wrong, wrong_byte};

/// The size of a segment's header.
pub const HEADER_BYTES: u64 = 64;

/// The version of the format that is written, and the newest that can be read.
pub const FORMAT_VERSION: u32 = 5;

const MAGIC: &[u8; 8] = b"ringmqsg";

/// See the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SegmentHeader {
    pub(super) shard: u16,
    pub(super) start: u64,
    pub(super) checkpoint: u64,
    pub(super) salt: u64,
    /// Whether references to the previous segment may concern this one as well.
    pub(super) continues: bool,
    /// The least number of bytes after the header with which the file was made; 0 if unknown.
    pub(super) capacity: u64,
}

/// Distinguishes a segment from all others that were or will be in the same file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SegmentIdentity {
    /// The offset of its first byte in the log.
    pub start: u64,
    salt: u64,
}

impl SegmentIdentity {
    /// The identity of the segment in a file with this begin; `None` if there is none or the bytes
    /// are damaged.
    pub fn of(file: &[u8]) -> Option<Self> {
        match HeaderFound::decode(file.first_chunk()?)? {
            HeaderFound::Header(SegmentHeader { start, salt, .. }) => Some(Self { start, salt }),
            _ => None,
        }
    }
}

/// The result of reading the first bytes of a segment file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeaderFound {
    /// Zeros: the file is free.
    Free,
    Header(SegmentHeader),
    /// One byte of it is damaged; this is the corrected header.
    Mended(SegmentHeader),
    /// The format of a later version.
    Newer(u32),
    Damaged,
}

impl SegmentHeader {
    pub(super) fn encode(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[12..16].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[16..18].copy_from_slice(&self.shard.to_le_bytes());
        bytes[18] = self.continues.into();
        bytes[24..32].copy_from_slice(&self.start.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.checkpoint.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.salt.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.capacity.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

impl HeaderFound {
    /// An unreadable header counts as damaged.
    pub(super) fn of(file: &dyn Mapping) -> Self {
        file.look(Self::read).unwrap_or(Self::Damaged)
    }

    pub(super) fn read(file: &[u8]) -> Self {
        let Some(bytes) = file.first_chunk::<64>() else { return Self::Damaged };
        if bytes.iter().all(|byte| *byte == 0) {
            return Self::Free;
        }
        Self::decode(bytes).unwrap_or_else(|| match mended(bytes).as_ref().and_then(Self::decode) {
            Some(Self::Header(header)) => Self::Mended(header),
            Some(other) => other,
            None => Self::Damaged,
        })
    }

    fn decode(bytes: &[u8; 64]) -> Option<Self> {
        let mut cursor = Cursor(bytes);
        let magic: [u8; 8] = cursor.array()?;
        let crc = cursor.u32()?;
        if magic != *MAGIC || crc != crc32c::crc32c(cursor.0) {
            return None;
        }
        let version = cursor.u32()?;
        if version > FORMAT_VERSION {
            return Some(Self::Newer(version));
        }
        let shard = cursor.u16()?;
        let continues = cursor.u16()? != 0;
        cursor.take(4)?;
        let (start, checkpoint, salt) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let capacity = cursor.u64()?;
        Some(Self::Header(SegmentHeader { shard, start, checkpoint, salt, continues, capacity }))
    }
}

/// Corrects a header with one damaged byte, so that the damage does not cost a file.
fn mended(bytes: &[u8; 64]) -> Option<[u8; 64]> {
    let mut mended = *bytes;
    let is_magic = bytes.starts_with(MAGIC);
    let crc = u32::from_le_bytes(*bytes[8..].first_chunk()?);
    let is = crc32c::crc32c(&bytes[12..]);
    match wrong_byte(crc, is, bytes.len() - 12) {
        Some(Wrong::Byte { at, bits }) if is_magic => mended[12 + at] ^= bits,
        Some(Wrong::Sum) if is_magic => mended[8..12].copy_from_slice(&is.to_le_bytes()),
        None if crc == is => {
            let wrong = bytes.iter().zip(MAGIC).filter(|(is, was)| is != was).count();
            mended[..8].copy_from_slice(MAGIC);
            return (wrong == 1).then_some(mended);
        }
        _ => return None,
    }
    Some(mended)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader {
        shard: 3,
        start: 0x0102_0304,
        checkpoint: 77,
        salt: 5 << 56 | 6,
        continues: true,
        capacity: 0x0908_0706,
    };

    /// The bytes of a header never change.
    #[test]
    fn golden_bytes() {
        let bytes = HEADER.encode();
        assert_eq!(bytes[..8], *b"ringmqsg");
        let numbers = [5, 0, 0, 0, 3, 0, 1, 0, 0, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0, 0, 77, 0, 0, 0];
        assert_eq!(bytes[12..36], numbers);
        assert_eq!(bytes[40..56], [6, 0, 0, 0, 0, 0, 0, 5, 6, 7, 8, 9, 0, 0, 0, 0]);
        assert_eq!(bytes[8..12], crc32c::crc32c(&bytes[12..]).to_le_bytes());
    }

    /// One wrong byte is noticed and corrected; two are damage. Zeros are a free file, even if one
    /// of them is wrong. A later version is recognized.
    #[test]
    fn damage_is_seen() {
        assert_eq!(HeaderFound::read(&HEADER.encode()), HeaderFound::Header(HEADER));
        for at in 0..64 {
            for bits in [1, 0x80, 0xff] {
                let mut bytes = HEADER.encode();
                bytes[at] ^= bits;
                assert_eq!(HeaderFound::read(&bytes), HeaderFound::Mended(HEADER), "byte {at}");
                bytes[(at + 9) % 64] ^= bits;
                assert_eq!(HeaderFound::read(&bytes), HeaderFound::Damaged, "byte {at}");
                let mut free = [0; 64];
                free[at] = bits;
                assert_eq!(HeaderFound::read(&free), HeaderFound::Damaged, "byte {at}");
            }
        }
        assert_eq!(HeaderFound::read(&[0; 100]), HeaderFound::Free);
        assert_eq!(HeaderFound::read(&[0; 63]), HeaderFound::Damaged);
        let mut later = HEADER.encode();
        later[12] = 6;
        let crc = crc32c::crc32c(&later[12..]);
        later[8..12].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(HeaderFound::read(&later), HeaderFound::Newer(6));
    }
}
