//! Whether there are certain bytes in a text, looked at in blocks of a fixed size without an early
//! exit, so that the compiler makes vectors of them: a good text, which is what comes, is read to
//! its end anyway.

/// Whether a text has a byte that `is_it` holds for.
#[inline]
pub(super) fn has_byte(text: &[u8], is_it: impl Fn(u8) -> bool + Copy) -> bool {
    match text.len() {
        0..4 => text.iter().any(|byte| is_it(*byte)),
        4..8 => has_in_blocks::<4>(text, is_it),
        8..16 => has_in_blocks::<8>(text, is_it),
        _ => has_in_blocks::<16>(text, is_it),
    }
}

/// The same for a text of at least one block. The last block overlaps the one before it.
#[inline]
fn has_in_blocks<const BLOCK_BYTES: usize>(text: &[u8], is_it: impl Fn(u8) -> bool + Copy) -> bool {
    let blocks = text.as_chunks::<BLOCK_BYTES>().0.iter().chain(text.last_chunk());
    blocks.fold(false, |has, block| has | block.iter().fold(false, |has, byte| has | is_it(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // A byte is found wherever it stands in a text of any length.
    #[test]
    fn each_place_is_looked_at() {
        for bytes in 0..70 {
            let mut text = vec![b'a'; bytes];
            assert!(!has_byte(&text, |byte| byte == 0), "{bytes}");
            for at in 0..bytes {
                text[at] = 0;
                assert!(has_byte(&text, |byte| byte == 0), "{at} of {bytes}");
                text[at] = b'a';
            }
        }
    }
}
