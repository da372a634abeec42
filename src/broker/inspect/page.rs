//! Rows of sessions, each with its client if that is connected, and the memory of their names.
//!
//! Invariant: a span of a row lies within the text of its page.

use std::net::IpAddr;

use crate::limits::{PAGE_BYTES_MAX, PAGE_ROWS_MAX};
use crate::mqtt::Version;
use crate::store::{QueueItem, Session, SessionKey};

use super::super::ConnId;
use super::super::congestion;
use super::super::connection::{Connection, Phase};
use super::super::shard::{Context, Shard};
use super::super::vhost::VhostId;
use super::filter::Pace;

/// A piece of a page's text.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Span {
    start: u32,
    len: u32,
}

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

/// A client that is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientFacts {
    /// Where it connected from; none: a Unix socket.
    pub address: Option<IpAddr>,
    /// From which port.
    pub port: u16,
    /// The MQTT version, in words.
    pub version: &'static str,
    /// Seconds; 0: none.
    pub keep_alive_s: u32,
    /// It has left a will.
    pub will: bool,
    /// Its certificate says who it is.
    pub certified: bool,
    /// How it takes what is sent to it.
    pub pace: Pace,
    /// Bytes that wait to be sent, or are on their way.
    pub outgoing_bytes: u64,
    /// Since it was let in, milliseconds.
    pub connected_ms: u64,
    /// Since its last packet, milliseconds.
    pub silent_ms: u64,
    /// Why it is not read from: the names of [`ClientFacts::WAITS`] whose bit is set.
    pub waits: u8,
}

impl ClientFacts {
    /// What a client may wait for, each with its bit in [`ClientFacts::waits`].
    pub const WAITS: [(u8, &'static str); 6] = [
        (1, "slow_client"),
        (2, "full_session"),
        (4, "disk"),
        (8, "rate"),
        (16, "session"),
        (32, "own_output"),
    ];
}

impl Page {
    /// An empty page with memory for so many rows.
    pub fn with_room(rows: usize) -> Self {
        Self { rows: Vec::with_capacity(rows.min(PAGE_ROWS_MAX)), ..Self::default() }
    }

    /// The text of a span.
    pub fn text(&self, span: Span) -> &str {
        let start = span.start as usize;
        &self.text[start..start + span.len as usize]
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.rows.len() * size_of::<Row>()
    }

    /// Whether it takes no row more.
    pub(super) fn is_full(&self, limit: usize) -> bool {
        self.rows.len() >= limit.min(PAGE_ROWS_MAX) || self.bytes() >= PAGE_BYTES_MAX
    }

    fn write(&mut self, text: &str) -> Span {
        let start = u32::try_from(self.text.len()).expect("a page is bounded");
        self.text.push_str(text);
        Span { start, len: u32::try_from(text.len()).expect("names are bounded") }
    }
}

impl Shard {
    /// Adds a session to a page; `with_lag`: with a look at its oldest message, which may have to
    /// come from the disk.
    pub(super) fn add_row(
        &self,
        page: &mut Page,
        key: SessionKey,
        with_lag: bool,
        context: &Context<'_>,
    ) {
        let session = self.catalog.sessions.get(key);
        let vhost = &self.vhosts[VhostId(session.vhost)].name;
        let time_ms = self.out.time_ms(context);
        let absent_ms = match session.holder {
            Some(_) => 0,
            None => self.catalog.timeline.age_ms(session.left_ms, time_ms, u64::MAX),
        };
        let (id, vhost) = (page.write(&session.client_id), page.write(vhost));
        let user = page.write(session.owner().unwrap_or_default());
        page.rows.push(Row {
            id,
            vhost,
            user,
            clean: session.clean,
            subscriptions: session.subscriptions.len() as u64,
            inflight: session.queue.unacked().into(),
            backlog_messages: session.queue.waiting(),
            backlog_bytes: session.queue.stored_bytes(),
            lag_ms: if with_lag { self.lag_ms(session, time_ms) } else { None },
            dropped: session.dropped.into(),
            withheld: session.is_withheld(),
            absent_ms,
            client: self.client_facts(session, context.now_ms),
        });
    }

    /// The client of a session, if it is connected.
    pub(super) fn client_facts(&self, session: &Session, now_ms: u64) -> Option<ClientFacts> {
        let connection = self.out.connections.get(ConnId::of(session.holder?))?;
        let Phase::Open(open) = &connection.phase else { return None };
        Some(ClientFacts {
            address: open.caller.address,
            port: open.caller.port,
            version: version_of(open.version),
            keep_alive_s: open.silence_ms_max / 1500,
            will: open.will.is_some(),
            certified: open.certified,
            pace: match connection.pace {
                congestion::Pace::Free => Pace::Free,
                congestion::Pace::Holding(_) => Pace::Full,
                congestion::Pace::Slow => Pace::Slow,
            },
            outgoing_bytes: connection.output.bytes() as u64,
            connected_ms: now_ms.saturating_sub(open.since_ms),
            silent_ms: now_ms.saturating_sub(connection.last_packet_ms),
            waits: waits_of(connection),
        })
    }

    /// How long the oldest message has been in a session.
    fn lag_ms(&self, session: &Session, time_ms: u64) -> Option<u64> {
        let mut oldest = None;
        let _ended = session.queue.visit(&self.out.logs, &mut |item| match item {
            QueueItem::Block { .. } => std::ops::ControlFlow::Continue(()),
            QueueItem::Message { entry, .. } => {
                oldest = entry.position();
                std::ops::ControlFlow::Break(())
            }
            QueueItem::Released { .. } | QueueItem::Lost { .. } => std::ops::ControlFlow::Break(()),
        });
        let position = oldest.filter(|position| !position.is_volatile())?;
        let since_ms = self.out.logs.disk.message(position)?.time_ms;
        Some(self.catalog.timeline.age_ms(since_ms, time_ms, u64::MAX))
    }
}

fn version_of(version: Version) -> &'static str {
    match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V5 => "5",
    }
}

/// Why a connection is not read from.
fn waits_of(connection: &Connection) -> u8 {
    let reasons = [
        connection.holds > 0,
        connection.blocks > 0,
        connection.needs_disk,
        connection.throttled_until_ms().is_some(),
        !connection.greeted,
        connection.choked,
    ];
    let named = reasons.iter().zip(ClientFacts::WAITS).filter(|(is_so, _)| **is_so);
    named.fold(0, |waits, (_, (bit, _))| waits | bit)
}
