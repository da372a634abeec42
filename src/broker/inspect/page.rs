//! Rows of sessions, each with its client if that is connected, and the memory of their names.
//!
//! Invariant: a span of a row lies within the text of its page.

use crate::limits::{PAGE_BYTES_MAX, PAGE_ROWS_MAX};
use crate::store::SessionKey;

use super::client::ClientFacts;
use super::span::Span;

/// See the module.
#[derive(Clone, Default, Debug)]
pub struct Page {
    /// In the order in which they were found.
    pub rows: Vec<Row>,
    /// Where the next page begins; none: nothing follows on this shard.
    pub next: Option<SessionKey>,
    text: String,
}

/// One session, and its client if that is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its client id.
    pub id: Span,
    /// Its vhost.
    pub vhost: Span,
    /// The user that it belongs to; empty: nobody.
    pub user: Span,
    /// It ends with its connection.
    pub clean: bool,
    /// Filters it is subscribed to.
    pub subscriptions: u64,
    /// Messages that were sent and not acknowledged.
    pub inflight: u64,
    /// Messages that wait to be sent.
    pub backlog_messages: u64,
    /// Bytes of the messages that wait or are not acknowledged.
    pub backlog_bytes: u64,
    /// How long the oldest of these has been there, milliseconds, if that was asked for and is
    /// known.
    pub lag_ms: Option<u64>,
    /// Messages that were dropped because it was full, since the broker started.
    pub dropped: u64,
    /// Nothing of what waits is sent: the rules let its client read none of it.
    pub withheld: bool,
    /// How long its client has been away, milliseconds.
    pub absent_ms: u64,
    /// Its client.
    pub client: Option<ClientFacts>,
}

impl Page {
    /// An empty page with memory for so many rows.
    pub fn with_room(rows: usize) -> Self {
        Self { rows: Vec::with_capacity(rows.min(PAGE_ROWS_MAX)), ..Self::default() }
    }

    /// The text of a span.
    pub fn text(&self, span: Span) -> &str {
        &self.text[span.range()]
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + self.rows.len() * size_of::<Row>()
    }

    /// Whether it takes no row more.
    pub(crate) fn is_full(&self, limit: usize) -> bool {
        self.rows.len() >= limit.min(PAGE_ROWS_MAX) || self.bytes() >= PAGE_BYTES_MAX
    }

    pub(crate) fn write(&mut self, text: &str) -> Span {
        let span = Span::new(self.text.len(), text.len());
        self.text.push_str(text);
        span
    }
}
