//! Ends of connections, and what they mean for the sessions.

use crate::store::SessionKey;

use super::super::client_log::{ClosedClient, ClosedConnection};
use super::super::connection::{Phase, Will};
use super::super::names::{ClientAddress, CloseReason, ConnId, Context, VhostId};
use super::super::read_gate::Pause;
use super::Shard;

impl Shard {
    /// Ends a connection. The will is published unless DISCONNECT came [MQTT-3.1.2-8],
    /// [MQTT-3.1.2-10]. The session is detached. [`Event::Close`](super::super::Event::Close)
    /// follows.
    pub fn close(&mut self, conn: ConnId, reason: CloseReason, context: &mut Context<'_>) {
        let key = self.connections.session(conn);
        if let Some((vhost, will)) = self.end(conn, reason, context) {
            self.publish_will(vhost, key, &will, context);
        }
    }

    /// As [`Shard::close`], but returns the will if it is to be published. A connection that takes
    /// over another also takes its place in the count of clients.
    pub(super) fn end(
        &mut self,
        conn: ConnId,
        reason: CloseReason,
        context: &mut Context<'_>,
    ) -> Option<(VhostId, Box<Will>)> {
        if self.traces.is_on() {
            self.trace_close(conn, reason, context.now_ms);
        }
        let phase = self.connections.close(conn)?;
        match self.gates.received_bytes(conn) {
            0 => self.stats.count_close_without_data(reason),
            _ => self.stats.count_close(reason),
        }
        self.retained.end(conn);
        self.log_end(conn, &phase, reason, context.now_ms);
        self.outputs.stop_holding(conn, &mut self.gates, context);
        // [MQTT-3.14.0-1] v5 No DISCONNECT precedes a CONNACK that waits for the log.
        if !self.gates.is_paused_by(conn, Pause::Connack) {
            self.write_disconnect(conn, reason);
        }
        self.gates.close(conn);
        let Phase::Open(mut open) = phase else { return None };
        self.quotas.counts_mut(open.vhost).clients -= 1;
        let key = open.session;
        let will = open.will.take().filter(|_| reason != CloseReason::Disconnected);
        let survives = !self.catalog.session(key).ends_with_connection();
        let is_delayed = survives && will.as_ref().is_some_and(|will| will.delay_s > 0);
        if !is_delayed {
            self.catalog.clear_will(key, &mut self.logs);
        }
        // The right to publish is checked while the session exists.
        let will = will.filter(|will| !is_delayed && self.may_publish_will(key, will));
        self.detach(open.session, context);
        if !matches!(reason, CloseReason::TakenOver(_)) {
            context.peers.leave(open.vhost.0);
        }
        will.map(|will| (open.vhost, will))
    }

    /// Ends every connection, because the broker stops.
    pub fn close_all(&mut self, context: &mut Context<'_>) {
        for conn in self.connections.ids() {
            self.close(conn, CloseReason::Stopping, context);
        }
        self.client_log.tell_at_end(context.now_ms);
    }

    /// Logs that a connection ends, and the drops that are not logged yet.
    fn log_end(&mut self, conn: ConnId, phase: &Phase, reason: CloseReason, now_ms: u64) {
        let dropped = self.outputs.take_dropped(conn);
        self.note_closed(conn, phase, reason, now_ms);
        match phase {
            Phase::Connecting(connecting) => {
                self.client_log.closed_early(connecting.client_address(), reason, now_ms);
            }
            Phase::Open(open) => {
                let client = &self.catalog.session(open.session).client_id;
                if dropped > 0 {
                    self.client_log.slow_at_end(client, dropped, now_ms);
                }
                self.client_log.disconnected(client, open.client_address, reason, now_ms);
            }
            Phase::Closed => {}
        }
    }

    /// Keeps the end for operators who ask which clients have left, and why.
    fn note_closed(&mut self, conn: ConnId, phase: &Phase, reason: CloseReason, now_ms: u64) {
        let mut closed = ClosedConnection {
            at_ms: now_ms,
            address: ClientAddress::default(),
            reason,
            refusal: None,
            id: Box::default(),
            user: Box::default(),
            is_cut: false,
            client: None,
            received_bytes: self.gates.received_bytes(conn),
            sent_bytes: self.outputs.sent_bytes(conn),
        };
        match phase {
            Phase::Connecting(connecting) => {
                closed.address = connecting.client_address();
                closed.refusal = self.client_log.why();
            }
            Phase::Open(open) => {
                let session = self.catalog.session(open.session);
                closed.name(&session.client_id, session.owner().unwrap_or_default());
                closed.address = open.client_address;
                let connected_ms = now_ms.saturating_sub(open.since_ms);
                closed.client = Some(ClosedClient { vhost: open.vhost.0, connected_ms });
            }
            Phase::Closed => return,
        }
        self.closed.note(closed);
    }

    /// Detaches a session from its connection, and ends it if it is clean.
    fn detach(&mut self, key: SessionKey, context: &mut Context<'_>) {
        let time_ms = self.time_ms(context.now_ms);
        // In the log, the acknowledgements of the client precede its leave.
        self.catalog.write_acks(&mut self.logs);
        self.catalog.detach(key, time_ms, &mut self.logs);
        if self.catalog.session(key).ends_with_connection() {
            self.end_session(key, context);
        } else {
            self.pause_member(key, context);
            self.expiry.expect(context.now_ms);
            self.expect_deadline(key, context);
        }
    }
}
