//! The data representations of the standard (1.5, 2.2.3; v5 1.5): integers, strings, lengths.
//!
//! [`Reader`] walks one packet's body: the bytes that it has returned and those that remain are the
//! body, in order. If a read fails, the packet is malformed and the reader is not used any more.

use super::blocks::has_byte;
use super::error::DecodeError;
use super::fields::PacketId;

/// The greatest size of a string or binary field: its length is a `u16`.
pub(super) const FIELD_BYTES_MAX: usize = u16::MAX as usize;

/// Largest remaining length (2.2.3).
pub(super) const REMAINING_MAX: usize = 268_435_455;

/// The rest of a packet's body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(super) fn take_u8(&mut self) -> Result<u8, DecodeError> {
        let (&value, rest) = self.rest.split_first().ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(value)
    }

    #[inline]
    pub(super) fn take_u16(&mut self) -> Result<u16, DecodeError> {
        let (value, rest) = self.rest.split_first_chunk().ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(u16::from_be_bytes(*value))
    }

    #[inline]
    pub(super) fn take_u32(&mut self) -> Result<u32, DecodeError> {
        let (value, rest) = self.rest.split_first_chunk().ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*value))
    }

    /// A variable byte integer with the least number of bytes [MQTT-1.5.5-1] v5.
    #[inline]
    pub(super) fn take_varint(&mut self) -> Result<u32, DecodeError> {
        let (value, bytes) = read_varint(self.rest)?.ok_or(DecodeError::UnexpectedEnd)?;
        if bytes != varint_bytes(value) {
            return Err(DecodeError::PaddedInteger);
        }
        self.rest = &self.rest[bytes..];
        Ok(u32::try_from(value).expect("four times seven bits"))
    }

    /// The bytes of properties, after their length (v5 2.2.2.1).
    #[inline]
    pub(super) fn take_property_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        if let [0, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(&[]);
        }
        let count = self.take_varint()? as usize;
        let (value, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(value)
    }

    /// A packet identifier. [MQTT-2.3.1-1] It is not 0.
    #[inline]
    pub(super) fn take_packet_id(&mut self) -> Result<PacketId, DecodeError> {
        PacketId::new(self.take_u16()?).ok_or(DecodeError::ZeroPacketId)
    }

    /// Bytes after their length.
    #[inline]
    pub(super) fn take_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let count = usize::from(self.take_u16()?);
        let (value, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(value)
    }

    /// A string (1.5.3). A byte order mark is a character of it [MQTT-1.5.3-3].
    pub(super) fn take_str(&mut self) -> Result<&'a str, DecodeError> {
        // [MQTT-1.5.3-1] The string must be well-formed; `from_utf8` refuses surrogates.
        let value =
            std::str::from_utf8(self.take_bytes()?).map_err(|_| DecodeError::InvalidUtf8)?;
        // [MQTT-1.5.3-2]
        if value.as_bytes().contains(&0) {
            return Err(DecodeError::NulInString);
        }
        Ok(value)
    }

    /// Takes a string that nobody reads here.
    #[inline]
    pub(super) fn skip_str(&mut self) -> Result<(), DecodeError> {
        let mut ahead = *self;
        let text = ahead.take_bytes()?;
        // Less 1, U+0000 is the largest, and what is not ASCII is too large as well.
        if has_byte(text, |byte| byte.wrapping_sub(1) >= 0x7f) {
            self.take_str()?;
        }
        *self = ahead;
        Ok(())
    }

    /// The remaining bytes, without taking them.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes all remaining bytes.
    #[inline]
    pub(super) fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Checks that every byte of the packet was used.
    #[inline]
    pub(super) fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }
}

/// A remaining length and its size in bytes; `None` if more bytes are needed (2.2.3).
///
/// An encoding longer than needed is accepted, because 3.1.1 does not forbid it. For MQTT 5 it is
/// refused once the version is known.
#[inline]
pub(super) fn read_varint(bytes: &[u8]) -> Result<Option<(usize, usize)>, DecodeError> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(DecodeError::LengthTooLong) }
}

/// The number of bytes that [`put_varint`] appends for `value`.
#[inline]
pub(super) const fn varint_bytes(value: usize) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}

/// Appends a remaining length with the least number of bytes (2.2.3).
///
/// # Panics
/// If `value` is more than [`REMAINING_MAX`].
#[inline]
pub(super) fn put_varint(mut value: usize, out: &mut Vec<u8>) {
    assert!(value <= REMAINING_MAX, "packet of more than 268,435,455 bytes");
    while value > 0x7f {
        out.push(low_seven(value) | 0x80);
        value >>= 7;
    }
    out.push(low_seven(value));
}

#[expect(clippy::cast_possible_truncation, reason = "the mask leaves seven bits")]
#[inline]
const fn low_seven(value: usize) -> u8 {
    (value & 0x7f) as u8
}

/// Appends a `u16`, most significant byte first (1.5.2).
#[inline]
pub(super) fn put_u16(value: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a `u32`, most significant byte first (v5 1.5.3).
#[inline]
pub(super) fn put_u32(value: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends the length of bytes, and the bytes.
///
/// # Panics
/// If there are more than [`FIELD_BYTES_MAX`].
#[inline]
pub(super) fn put_bytes(value: &[u8], out: &mut Vec<u8>) {
    let length = u16::try_from(value.len()).expect("a field has at most 65,535 bytes");
    put_u16(length, out);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    // The bounds of table 2.4: each length has the number of bytes that the standard says, and is
    // read back.
    #[test]
    fn varint_edges() {
        let table: [(usize, &[u8]); 9] = [
            (0, &[0]),
            (1, &[1]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xff, 0xff, 0x7f]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (268_435_455, &[0xff, 0xff, 0xff, 0x7f]),
        ];
        for (value, bytes) in table {
            let mut out = Vec::new();
            put_varint(value, &mut out);
            assert_eq!(out, bytes);
            assert_eq!(varint_bytes(value), bytes.len());
            assert_eq!(read_varint(bytes), Ok(Some((value, bytes.len()))));
            for end in 0..bytes.len() {
                assert_eq!(read_varint(&bytes[..end]), Ok(None));
            }
        }
    }

    // A fifth byte is an error as soon as the fourth one announces it; a padded encoding is
    // accepted.
    #[test]
    fn varint_too_long_and_padded() {
        assert_eq!(read_varint(&[0x80, 0x80, 0x80, 0x80]), Err(DecodeError::LengthTooLong));
        assert_eq!(read_varint(&[0xff, 0xff, 0xff, 0xff, 0]), Err(DecodeError::LengthTooLong));
        assert_eq!(read_varint(&[0x85, 0x80, 0x80, 0x00]), Ok(Some((5, 4))));
    }
}
