//! Finds the one wrong byte among bytes with a CRC-32C.
//!
//! A CRC is linear: its difference from the right value depends only on the position of the wrong
//! byte and on the wrong bits in it. So the difference is computed backwards byte by byte, as if
//! fewer bytes had followed, until it fits one byte. A larger fault is mistaken for a single byte
//! in about `bytes / 2^24` cases. So a mended record is only used to report what was lost, and is
//! never written.

/// The most bytes that are mended: see above.
const MENDED_BYTES_MAX: usize = 256 * 1024;

/// The fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    /// A byte of the checksum itself: all other bytes are right.
    Sum,
    /// This byte, in these bits.
    Byte { at: usize, bits: u8 },
}

/// The wrong byte, if a single one explains that `bytes` bytes have the checksum `is` and not
/// `was`.
pub(super) fn wrong_byte(was: u32, is: u32, bytes: usize) -> Option<Wrong> {
    let mut difference = was ^ is;
    let is_of_one = difference.to_le_bytes().iter().filter(|byte| **byte != 0).count() == 1;
    if is_of_one {
        return Some(Wrong::Sum);
    }
    for at in (0..bytes.min(MENDED_BYTES_MAX)).rev() {
        difference = unshifted(difference);
        if let Ok(bits) = u8::try_from(difference) {
            return (bits != 0).then_some(Wrong::Byte { at, bits });
        }
    }
    None
}

/// The difference before one more byte was added to the checksum.
fn unshifted(difference: u32) -> u32 {
    let low = LOW_BYTES[(difference >> 24) as usize];
    (difference ^ REMAINDERS[usize::from(low)]) << 8 | u32::from(low)
}

/// The value that each low byte adds to the rest when it is shifted out.
const REMAINDERS: [u32; 256] = {
    let mut table = [0; 256];
    let mut low: u32 = 0;
    while low < 256 {
        let (mut value, mut bit) = (low, 0);
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0x82f6_3b78 } else { value >> 1 };
            bit += 1;
        }
        table[low as usize] = value;
        low += 1;
    }
    table
};

/// The low byte that was shifted out, by the high byte of the result, which is different for each.
const LOW_BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut low = 0_u8;
    loop {
        table[(REMAINDERS[low as usize] >> 24) as usize] = low;
        if low == u8::MAX {
            break;
        }
        low += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    // Any wrong bits of any one byte are found, also in the checksum.
    #[test]
    fn one_wrong_byte_is_found() {
        for bytes in [1, 2, 5, 9, 100, 1000] {
            let mut data: Vec<u8> =
                (0..bytes).map(|at: usize| (at * 31).to_le_bytes()[0]).collect();
            let was = crc32c::crc32c(&data);
            for at in 0..bytes {
                for bits in [1, 0x80, 0x55, 0xff] {
                    data[at] ^= bits;
                    let found = wrong_byte(was, crc32c::crc32c(&data), bytes);
                    assert_eq!(found, Some(Wrong::Byte { at, bits }), "{bytes} bytes");
                    data[at] ^= bits;
                }
            }
            for shift in [0, 8, 16, 24] {
                assert_eq!(wrong_byte(was, was ^ 0x41 << shift, bytes), Some(Wrong::Sum));
            }
        }
    }

    // Two wrong bytes are not mended.
    #[test]
    fn two_are_not() {
        let mut data = [7; 200];
        let was = crc32c::crc32c(&data);
        for at in 0..199 {
            (data[at], data[at + 1]) = (9, 1);
            assert_eq!(wrong_byte(was, crc32c::crc32c(&data), 200), None, "at {at}");
            (data[at], data[at + 1]) = (7, 7);
        }
        assert_eq!(wrong_byte(was, was, 200), None);
    }
}
