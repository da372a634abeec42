//! A piece of the memory of an answer.

use std::ops::Range;

/// See the file.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// The piece of `len` bytes that begins at `start`.
    pub(super) fn new(start: usize, len: usize) -> Self {
        let start = u32::try_from(start).expect("an answer is bounded");
        Self { start, len: u32::try_from(len).expect("names and payloads are bounded") }
    }

    pub(super) fn range(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.len as usize
    }
}
