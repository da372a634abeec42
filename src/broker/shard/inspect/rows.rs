//! Rows of sessions and their clients.

use crate::mqtt::Version;
use crate::store::{QueueItem, Session, SessionKey};

use super::super::super::inspect::{ClientFacts, Pace, Page, Row};
use super::super::super::names::{ConnId, Context, TransportKind, VhostId};
use super::super::Shard;

impl Shard {
    /// Adds a session to a page. `with_lag` also reads its oldest message, perhaps from the disk.
    pub(super) fn add_row(
        &self,
        page: &mut Page,
        key: SessionKey,
        with_lag: bool,
        context: &Context<'_>,
    ) {
        let session = self.catalog.session(key);
        let vhost = self.exchanges.name(VhostId(session.vhost));
        let time_ms = self.time_ms(context.now_ms);
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
            bytes_per_second: None,
            client: self.client_facts(session, context.now_ms),
        });
    }

    /// The client of a session, if it is connected.
    pub(super) fn client_facts(&self, session: &Session, now_ms: u64) -> Option<ClientFacts> {
        let conn = ConnId::of(session.holder?);
        let open = self.connections.client(conn)?;
        Some(ClientFacts {
            address: open.client_address.address,
            port: open.client_address.port,
            listener: open.client_address.listener,
            version: version_of(open.version),
            transport: match open.client_address.address {
                None if open.transport == TransportKind::Tcp => "unix",
                _ => open.transport.as_str(),
            },
            keep_alive_s: open.silence_ms_max / 1500,
            will: open.will.is_some(),
            certified: open.certified,
            pace: match (self.outputs.is_held_up(conn), self.outputs.is_slow(conn)) {
                (_, true) => Pace::Slow,
                (true, false) => Pace::Full,
                (false, false) => Pace::Free,
            },
            outgoing_bytes: self.outputs.bytes(conn) as u64,
            received_bytes: self.gates.received_bytes(conn),
            sent_bytes: self.outputs.sent_bytes(conn),
            since_ms: open.since_ms,
            connected_ms: now_ms.saturating_sub(open.since_ms),
            silent_ms: now_ms.saturating_sub(self.gates.last_packet_ms(conn)),
            waits: self.gates.reasons(conn),
        })
    }

    /// The time for which a session has held its oldest message. A message that its client has
    /// received but not completed is not stored any more.
    pub(super) fn lag_ms(&self, session: &Session, time_ms: u64) -> Option<u64> {
        let mut oldest = None;
        let _ended = session.queue.visit(&self.logs, &mut |item| match item {
            QueueItem::Block { .. } | QueueItem::Released { .. } => {
                std::ops::ControlFlow::Continue(())
            }
            QueueItem::Message { entry, .. } => {
                oldest = entry.position();
                std::ops::ControlFlow::Break(())
            }
            QueueItem::Lost { .. } => std::ops::ControlFlow::Break(()),
        });
        let position = oldest.filter(|position| !position.is_volatile())?;
        let since_ms = self.logs.disk.message(position)?.time_ms;
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
