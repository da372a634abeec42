//! Keep alive (3.1.2.10) and other deadlines.

use crate::limits::CONNECT_TIMEOUT_MS;

use super::super::client_log;
use super::super::connection::Phase;
use super::super::names::{CloseReason, ConnId, Context};
use super::super::read_gate::Pause;
use super::Shard;

impl Shard {
    /// The time at which [`Shard::on_timer`] is due for a connection.
    pub fn timer_ms(&self, conn: ConnId) -> Option<u64> {
        let last_packet_ms = self.gates.last_packet_ms(conn);
        match self.connections.phase(conn)? {
            Phase::Connecting(_) => Some(last_packet_ms + CONNECT_TIMEOUT_MS),
            Phase::Closed => None,
            Phase::Open(open) => {
                let silent_ms = u64::from(open.silence_ms_max);
                let silence_ms = (silent_ms > 0).then(|| last_packet_ms + silent_ms);
                // Until then the broker does not read from it.
                self.gates.rate_pause_ends_ms(conn).or(silence_ms)
            }
        }
    }

    /// Closes a connection that was silent for too long; returns when to check again if it was not.
    pub fn on_timer(&mut self, conn: ConnId, context: &mut Context<'_>) -> Option<u64> {
        let due_ms = self.timer_ms(conn)?;
        if due_ms > context.now_ms {
            return Some(due_ms);
        }
        if self.gates.resume(conn, Pause::Rate, context.now_ms) {
            return self.timer_ms(conn);
        }
        let is_silenced = self.gates.is_silenced(conn, || self.has_to_acknowledge(conn));
        // A CONNECT that waits is timed nevertheless: its client may be gone, and few can wait
        // before others are not accepted.
        if is_silenced && !self.is_connecting(conn) {
            // The broker does not read from it, so its silence means nothing.
            self.gates.note_alive(conn, context.now_ms);
            return self.timer_ms(conn);
        }
        let reason = match self.connections.client(conn) {
            Some(open) => CloseReason::KeepAlive(open.silence_ms_max / 1500),
            None => CloseReason::ConnectTimeout,
        };
        self.close(conn, reason, context);
        None
    }

    /// The time at which [`Shard::on_deadline`] is due next.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let has_slow = self.outputs.slow_count() > 0;
        let dues = [
            self.outputs.patience_ends_ms(),
            self.storage.due_ms(),
            self.expiry.due_ms(),
            self.full_sessions.due_ms(),
            self.client_log.due_ms(has_slow),
            self.traces.due_ms(),
            self.groups.due_ms(),
            self.groups.paces.due_ms(),
        ];
        dues.into_iter().flatten().min()
    }

    /// Handles all deadlines that have passed.
    pub fn on_deadline(&mut self, context: &mut Context<'_>) {
        let now_ms = context.now_ms;
        self.outputs.end_patience(&mut self.gates, context);
        self.storage.on_due(&mut self.logs, &mut self.gates, now_ms);
        self.check_expiry(context);
        self.drop_expired_in_full_sessions(context);
        self.end_graces(context);
        self.end_group_patience(context);
        if self.traces.is_on() {
            self.expire_traces(now_ms);
        }
        self.client_log.tell(now_ms);
        if self.outputs.slow_count() > 0 && self.client_log.is_slow_due(now_ms) {
            self.log_slow();
        }
    }

    /// Logs for each slow client how many messages were dropped since the last such line.
    fn log_slow(&mut self) {
        let mut dropped = Vec::new();
        for conn in self.outputs.take_slow() {
            let count = self.outputs.take_dropped(conn);
            if count > 0
                && let Some(key) = self.connections.session(conn)
            {
                // More drops are likely.
                self.outputs.expect_drops(conn);
                dropped.push((key, count));
            }
        }
        let sessions = &self.catalog;
        let named = dropped.iter().map(|(key, count)| {
            let client: &str = &sessions.session(*key).client_id;
            (client, *count)
        });
        client_log::log_slow_clients(named);
    }
}
