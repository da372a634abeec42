//! Bytes that were received and not used yet, in order.

/// See the file.
#[derive(Default, Debug)]
pub(super) struct UnreadBytes {
    bytes: Vec<u8>,
    used: usize,
}

impl UnreadBytes {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used == self.bytes.len()
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        if self.used > self.bytes.len() / 2 {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Forgets all bytes.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Notes that the first `count` bytes were used. It has no memory if none are left.
    pub(super) fn consume(&mut self, count: usize) {
        self.used += count;
        if self.is_empty() {
            self.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kept bytes are returned in order, in pieces of any size, and no memory remains in use.
    #[test]
    fn carry_keeps_order() {
        let (mut unread, mut expected, mut got) = (UnreadBytes::default(), Vec::new(), Vec::new());
        for round in 0..1000_usize {
            let piece = vec![round.to_le_bytes()[0]; round % 17];
            unread.extend(&piece);
            expected.extend(piece);
            let take = unread.as_slice().len().min(round % 13);
            got.extend_from_slice(&unread.as_slice()[..take]);
            unread.consume(take);
        }
        got.extend_from_slice(unread.as_slice());
        unread.consume(unread.as_slice().len());
        assert_eq!(got, expected);
        assert_eq!(unread.bytes.capacity(), 0);
    }
}
