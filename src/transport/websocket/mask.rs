//! Masking of frames (RFC 6455, 5.3): each byte of a payload XOR one of four, in turn.
//!
//! The loop runs over words of fixed size, so the compiler emits vector instructions and it runs at
//! memory speed without unsafe code (`benches/mask.rs` compares it with a copy).

/// Number of bytes that one step unmasks and moves.
const BLOCK_BYTES: usize = 32;

/// Masks or unmasks bytes in place. The first byte takes the mask's first byte.
pub fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let key = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// Unmasks `count` bytes at `from` and moves them down to `to` in the same pass.
///
/// # Panics
/// If `to > from`, or if there are fewer bytes.
pub fn unmask_down(bytes: &mut [u8], from: usize, to: usize, count: usize, mask: [u8; 4]) {
    assert!(to <= from, "bytes that are moved up would be read after they were overwritten");
    let mut done = 0;
    while let Some(block) = bytes[from + done..from + count].first_chunk::<BLOCK_BYTES>() {
        let mut block = *block;
        unmask(&mut block, mask);
        bytes[to + done..][..BLOCK_BYTES].copy_from_slice(&block);
        done += BLOCK_BYTES;
    }
    let rest = count - done;
    let mut block = [0; BLOCK_BYTES];
    block[..rest].copy_from_slice(&bytes[from + done..from + count]);
    unmask(&mut block[..rest], mask);
    bytes[to + done..][..rest].copy_from_slice(&block[..rest]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|at| (at % 253).to_le_bytes()[0]).collect()
    }

    /// The definition of the standard.
    fn slowly(bytes: &[u8], mask: [u8; 4]) -> Vec<u8> {
        bytes.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]).collect()
    }

    // The example of the standard (5.7), and every length up to some words.
    #[test]
    fn as_the_standard_defines_it() {
        let mut hello = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        unmask(&mut hello, MASK);
        assert_eq!(&hello, b"Hello");
        for count in 0..200 {
            let mut masked = bytes(count);
            unmask(&mut masked, MASK);
            assert_eq!(masked, slowly(&bytes(count), MASK), "{count}");
        }
    }

    // Moving down by any distance gives the same bytes, and touches nothing behind them.
    #[test]
    fn moves_down() {
        for count in 0..100 {
            for distance in 0..40 {
                let mut all = [bytes(5), bytes(distance), bytes(count), bytes(9)].concat();
                let tail = all[5 + distance + count..].to_vec();
                unmask_down(&mut all, 5 + distance, 5, count, MASK);
                assert_eq!(all[..5], bytes(5));
                assert_eq!(all[5..5 + count], slowly(&bytes(count), MASK), "{count} {distance}");
                assert_eq!(all[5 + distance + count..], tail);
            }
        }
    }
}
