//! Rows of sessions, each with its client if connected, and the memory of their names.
//!
//! Invariant: a span of a row lies within the text of its page.

use crate::limits::{PAGE_BYTES_MAX, PAGE_ROWS_MAX};
use crate::store::SessionKey;

use super::client::ClientFacts;
use super::span::Span;

/// The usual bytes of the names in a row. The shard allocates memory for longer ones.
const TEXT_BYTES_USUAL: usize = 48;

/// See the file.
#[derive(Clone, Default, Debug)]
pub struct Page {
    /// The rows in the order in which they were found.
    pub rows: Vec<Row>,
    /// The start of the next page; none: this is the last one of the shard.
    pub next: Option<SessionKey>,
    text: String,
}

/// A session, and its client if connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its client id.
    pub id: Span,
    /// Its vhost.
    pub vhost: Span,
    /// The user that owns it; empty: none.
    pub user: Span,
    /// Whether it ends with its connection.
    pub clean: bool,
    /// The number of its subscriptions.
    pub subscriptions: u64,
    /// Messages that were sent and not acknowledged.
    pub inflight: u64,
    /// Messages that wait to be sent.
    pub backlog_messages: u64,
    /// Bytes of the messages that wait or are not acknowledged.
    pub backlog_bytes: u64,
    /// The age of the oldest of these in milliseconds, if asked for and known.
    pub lag_ms: Option<u64>,
    /// Messages that were dropped because it was full, since the broker started.
    pub dropped: u64,
    /// Whether its waiting messages are withheld, because the rules let its client read none of
    /// them.
    pub withheld: bool,
    /// The time since its client disconnected, in milliseconds.
    pub absent_ms: u64,
    /// Bytes each second that its client sends and receives, if that was asked for.
    pub bytes_per_second: Option<u64>,
    /// Its client.
    pub client: Option<ClientFacts>,
}

impl Page {
    /// An empty page with memory for `rows` rows.
    pub fn with_room(rows: usize) -> Self {
        let rows = rows.min(PAGE_ROWS_MAX);
        let text = String::with_capacity(rows * TEXT_BYTES_USUAL);
        Self { rows: Vec::with_capacity(rows), text, next: None }
    }

    /// The text of a span.
    pub fn text(&self, span: Span) -> &str {
        &self.text[span.range()]
    }

    /// Its size in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + self.rows.len() * size_of::<Row>()
    }

    /// Whether it can take no more rows.
    pub(crate) fn is_full(&self, limit: usize) -> bool {
        self.rows.len() >= limit.min(PAGE_ROWS_MAX) || self.bytes() >= PAGE_BYTES_MAX
    }

    /// Adds a client with this id.
    #[cfg(test)]
    pub(crate) fn add_example(&mut self, id: &str) {
        let (id, vhost) = (self.write(id), self.write("/"));
        let client = ClientFacts {
            address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
            port: 50_000,
            listener: 0,
            version: "3.1.1",
            transport: "tcp",
            keep_alive_s: 60,
            will: false,
            certified: false,
            pace: super::client::Pace::Free,
            outgoing_bytes: 0,
            received_bytes: 1 << 40,
            sent_bytes: 1 << 40,
            since_ms: 0,
            connected_ms: 0,
            silent_ms: 0,
            waits: 0,
        };
        self.rows.push(Row {
            id,
            vhost,
            user: Span::default(),
            clean: true,
            subscriptions: 1,
            inflight: 0,
            backlog_messages: 0,
            backlog_bytes: 0,
            lag_ms: None,
            dropped: 0,
            withheld: false,
            absent_ms: 0,
            bytes_per_second: None,
            client: Some(client),
        });
    }

    pub(crate) fn write(&mut self, text: &str) -> Span {
        let span = Span::new(self.text.len(), text.len());
        self.text.push_str(text);
        span
    }
}
