//! Ends of connections: their reasons, wills (3.1.2.5), and what becomes of the session.

use crate::limits::CONNECT_TIMEOUT_MS;
use crate::mqtt::TopicName;
use crate::store::SessionKey;

use super::ConnId;
use super::connection::{Open, Phase, Will};
use super::letter::{Message, Source};
use super::reason::CloseReason;
use super::rights::may_publish;
use super::routing::Arrival;
use super::shard::{Context, Event, Shard};
use super::vhost::VhostId;

impl Shard {
    /// Ends a connection: the will is published unless DISCONNECT came [MQTT-3.1.2-8],
    /// [MQTT-3.1.2-10], the session is detached, and [`Event::Close`] follows.
    pub fn close(&mut self, conn: ConnId, reason: CloseReason, context: &mut Context<'_>) {
        if let Some((vhost, will)) = self.end(conn, reason, context) {
            self.publish_will(vhost, &will, context);
        }
    }

    /// The same, but for the will: gives it if it is to be published. Of a connection that is taken
    /// over its place among those there may be passes to the one that takes it over.
    pub(super) fn end(
        &mut self,
        conn: ConnId,
        reason: CloseReason,
        context: &mut Context<'_>,
    ) -> Option<(VhostId, Box<Will>)> {
        self.tell_slow_at_end(conn, context.now_ms);
        let connection = self.out.connections.get_mut(conn)?;
        let phase = std::mem::replace(&mut connection.phase, Phase::Closed);
        if matches!(phase, Phase::Closed) {
            return None;
        }
        self.out.stats.count_close(reason);
        connection.replays = None;
        match &phase {
            Phase::Greeting(greeting) => {
                self.tell_closed_early(greeting.caller, reason, context.now_ms);
            }
            Phase::Open(open) => self.tell_disconnected(open, reason, context.now_ms),
            Phase::Closed => {}
        }
        self.out.stop_holding(conn, context);
        self.out.events.push_back(Event::Close(conn));
        let Phase::Open(mut open) = phase else { return None };
        let will = open.will.take().filter(|_| reason != CloseReason::Disconnected);
        // Whether it may is to be asked while its session is there.
        let will = will.filter(|will| self.may_publish_will(open.session, will));
        self.detach(&open, context);
        if !matches!(reason, CloseReason::TakenOver(_)) {
            context.peers.leave(open.vhost.0);
        }
        self.clients -= 1;
        will.map(|will| (open.vhost, will))
    }

    /// Publishes the wills of all connections: the broker stops, and who wants them is still there.
    pub fn publish_wills(&mut self, context: &mut Context<'_>) {
        for conn in self.out.connections.ids() {
            let Some(connection) = self.out.connections.get_mut(conn) else {
                continue;
            };
            let Phase::Open(open) = &mut connection.phase else {
                continue;
            };
            let (vhost, key) = (open.vhost, open.session);
            if let Some(will) = open.will.take()
                && self.may_publish_will(key, &will)
            {
                self.publish_will(vhost, &will, context);
            }
        }
    }

    /// Ends every connection.
    pub fn close_all(&mut self, context: &mut Context<'_>) {
        for conn in self.out.connections.ids() {
            self.close(conn, CloseReason::Stopping, context);
        }
    }

    /// When [`Shard::on_timer`] is due for a connection.
    pub fn timer_ms(&self, conn: ConnId) -> Option<u64> {
        let connection = self.out.connections.get(conn)?;
        match &connection.phase {
            Phase::Greeting(_) => Some(connection.last_packet_ms + CONNECT_TIMEOUT_MS),
            Phase::Closed => None,
            Phase::Open(open) => {
                let silent_ms = u64::from(open.silence_ms_max);
                let silence_ms = (silent_ms > 0).then(|| connection.last_packet_ms + silent_ms);
                // Its silence is ours meanwhile.
                connection.throttled_until_ms().or(silence_ms)
            }
        }
    }

    /// Closes a connection that was silent too long; when to look again, if it was not.
    pub fn on_timer(&mut self, conn: ConnId, context: &mut Context<'_>) -> Option<u64> {
        let due_ms = self.timer_ms(conn)?;
        if due_ms > context.now_ms {
            return Some(due_ms);
        }
        if let Some(connection) = self.out.connections.get_mut(conn)
            && let Some(meter) = &mut connection.meter
            && meter.paused_until_ms.take().is_some()
        {
            connection.last_packet_ms = context.now_ms;
            self.out.events.push_back(Event::Resume(conn));
            return self.timer_ms(conn);
        }
        let greeting = self.is_greeting(conn);
        let is_held = self.out.connections.get(conn).is_some_and(|it| self.is_held(it));
        // A CONNECT that waits has its time all the same: there may be nobody any more behind it,
        // and not many wait before others are not accepted.
        if is_held
            && !greeting
            && let Some(connection) = self.out.connections.get_mut(conn)
        {
            // We do not read from it: its silence is ours.
            connection.last_packet_ms = context.now_ms;
            return self.timer_ms(conn);
        }
        let reason = match self.out.connections.get(conn).map(|connection| &connection.phase) {
            Some(Phase::Open(open)) => CloseReason::KeepAlive(open.silence_ms_max / 1500),
            _ => CloseReason::ConnectTimeout,
        };
        self.close(conn, reason, context);
        None
    }

    /// The session loses its connection, and ends with it if it is clean.
    fn detach(&mut self, open: &Open, context: &mut Context<'_>) {
        let key = open.session;
        let time_ms = self.out.time_ms(context);
        // What it acknowledged comes before its leave in the log.
        self.catalog.write_acks(&mut self.out.logs);
        self.catalog.detach(key, time_ms, &mut self.out.logs);
        if self.catalog.sessions.get(key).clean {
            self.end_session(key, context);
        } else {
            self.expect_absences(context.now_ms);
        }
    }

    fn may_publish_will(&mut self, key: SessionKey, will: &Will) -> bool {
        let topic = TopicName::parse(&will.topic).expect("it was checked at CONNECT");
        let (session, levels_max) =
            (self.catalog.sessions.get(key), self.out.options.topic_levels_max);
        let may = may_publish(&self.policy, session, topic, levels_max);
        if !may {
            self.tell_denied_publish(key, topic);
            self.out.stats.publishes_denied += 1;
            let vhost = VhostId(self.catalog.sessions.get(key).vhost);
            self.vhosts[vhost].counts.publishes_denied += 1;
        }
        may
    }

    pub(super) fn publish_will(&mut self, vhost: VhostId, will: &Will, context: &mut Context<'_>) {
        let topic = TopicName::parse(&will.topic).expect("it was checked at CONNECT");
        let Will { payload, qos, retain, .. } = will;
        let message = Message { topic, payload, qos: *qos, retain: *retain };
        let route = self.route(vhost, topic);
        self.publish(vhost, route, Arrival::of(message, Source::Nobody), context);
    }
}
