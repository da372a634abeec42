//! Rows of an answer, and the memory of their texts.
//!
//! Invariant: a span of a row lies within the memory of its sheet.

use crate::limits::{PAGE_BYTES_MAX, PAGE_ROWS_MAX};

use super::span::Span;

/// See the module. `C` says where the next sheet begins.
#[derive(Clone, Debug)]
pub struct Sheet<R, C> {
    /// In the order in which they were found.
    pub rows: Vec<R>,
    /// Where the next sheet begins; none: nothing follows on this shard.
    pub next: Option<C>,
    data: Vec<u8>,
}

impl<R, C> Default for Sheet<R, C> {
    fn default() -> Self {
        Self { rows: Vec::new(), next: None, data: Vec::new() }
    }
}

impl<R, C> Sheet<R, C> {
    /// The bytes of a span.
    pub fn bytes_of(&self, span: Span) -> &[u8] {
        &self.data[span.range()]
    }

    /// The text of a span that was written as text.
    pub fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes_of(span)).expect("it was written as text")
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + self.rows.len() * size_of::<R>()
    }

    /// Whether it takes no row more.
    pub(crate) fn is_full(&self, limit: usize) -> bool {
        self.rows.len() >= limit.min(PAGE_ROWS_MAX) || self.bytes() >= PAGE_BYTES_MAX
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Span {
        let span = Span::new(self.data.len(), bytes.len());
        self.data.extend_from_slice(bytes);
        span
    }
}
