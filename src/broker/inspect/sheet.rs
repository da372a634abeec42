//! Rows of an answer, and the memory of their texts.
//!
//! Invariant: a span of a row lies within the memory of its sheet.

use crate::limits::{PAGE_BYTES_MAX, PAGE_ROWS_MAX};

use super::span::Span;

/// See the file. `C` is the type of the place where the next sheet begins.
#[derive(Clone, Debug)]
pub struct Sheet<R, C> {
    /// The rows in the order in which they were found.
    pub rows: Vec<R>,
    /// The start of the next sheet; none: this is the last one of the shard.
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

    /// Its size in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + self.rows.len() * size_of::<R>()
    }

    /// Whether it can take no more rows.
    pub(crate) fn is_full(&self, limit: usize) -> bool {
        self.rows.len() >= limit.min(PAGE_ROWS_MAX) || self.bytes() >= PAGE_BYTES_MAX
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Span {
        let span = Span::new(self.data.len(), bytes.len());
        self.data.extend_from_slice(bytes);
        span
    }
}
