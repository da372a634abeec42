//! The fixed header (2.2): the type and the end of a packet, before its body has arrived.

use super::error::DecodeError;
use super::fields::{PacketKind, Version};
use super::wire;

/// The fixed header of a packet. `2 <= header_bytes <= 5` and `header_bytes <= total_bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// First byte: packet type in the high four bits, flags in the low four.
    pub first: u8,
    /// The size of the fixed header.
    pub header_bytes: usize,
    /// The size of the packet, including the fixed header.
    pub total_bytes: usize,
}

impl Frame {
    /// The packet type.
    ///
    /// # Errors
    /// [`DecodeError::ReservedType`], which does not happen for a frame from [`peek_frame`].
    #[inline]
    pub fn kind(self) -> Result<PacketKind, DecodeError> {
        let bits = self.first >> 4;
        PacketKind::try_from(bits).map_err(|_| DecodeError::ReservedType(bits))
    }
}

/// Reads the fixed header at the start of `bytes`. Before CONNECT, `version` may be any of 3.x.
///
/// `Ok(None)`: more bytes are needed. `Some` is returned when the fixed header is complete, even if
/// the body is not: the packet is complete when `bytes` has [`Frame::total_bytes`].
///
/// # Errors
/// A reserved packet type (at the first byte), a remaining length of more than four bytes, or a
/// packet of more than `packet_bytes_max` bytes in total.
#[inline]
pub fn peek_frame(
    version: Version,
    bytes: &[u8],
    packet_bytes_max: usize,
) -> Result<Option<Frame>, DecodeError> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    // AUTH is part of MQTT 5 only.
    if matches!(first >> 4, 0 | 15) && (first < 0x10 || version != Version::V5) {
        return Err(DecodeError::ReservedType(first >> 4));
    }
    let Some((remaining, length_bytes)) = wire::read_varint(rest)? else {
        return Ok(None);
    };
    let header_bytes = 1 + length_bytes;
    let total_bytes = header_bytes + remaining;
    if total_bytes > packet_bytes_max {
        return Err(DecodeError::TooLarge { bytes: total_bytes, max: packet_bytes_max });
    }
    Ok(Some(Frame { first, header_bytes, total_bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The limit counts the complete packet and is itself allowed.
    #[test]
    fn limit_edges() {
        let peek = |max| peek_frame(Version::V311, &[0x30, 10], max);
        assert_eq!(peek(11), Err(DecodeError::TooLarge { bytes: 12, max: 11 }));
        let frame = Frame { first: 0x30, header_bytes: 2, total_bytes: 12 };
        assert_eq!(peek(12), Ok(Some(frame)));
        assert_eq!(peek(13), Ok(Some(frame)));
    }

    // Reserved types are refused at the first byte; all others wait for the length.
    #[test]
    fn types() {
        for version in [Version::V31, Version::V311, Version::V5] {
            for first in 0..=255u8 {
                let expected = match first >> 4 {
                    15 if version == Version::V5 => Ok(None),
                    bits @ (0 | 15) => Err(DecodeError::ReservedType(bits)),
                    _ => Ok(None),
                };
                assert_eq!(peek_frame(version, &[first], 100), expected);
            }
            assert_eq!(peek_frame(version, &[], 100), Ok(None));
        }
    }
}
