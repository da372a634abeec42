//! Clients' answers to messages they were sent (3.4 to 3.7), and the sending of waiting messages.

use crate::limits::QUIET_SEND_BYTES_MAX;
use crate::mqtt::{Ack, AckKind, AckRun};
use crate::store::QueueAnswer;

use super::super::names::{CloseReason, ConnId, Context, Flow};
use super::super::replies::{Reply, Wait};
use super::{Shard, lent};

impl Shard {
    /// Handles PUBACK, PUBREC or PUBCOMP: a client's answer to a message in flight. If the
    /// identifier is not in flight, the client has answered before.
    pub(super) fn handle_answer(
        &mut self,
        conn: ConnId,
        &Ack { packet_id, reason, .. }: &Ack<'_>,
        kind: AckKind,
        context: &mut Context<'_>,
    ) {
        let Some(key) = self.connections.session(conn) else { return };
        if self.groups.has_members()
            && self.answer_lease(conn, key, (packet_id, reason), kind, context)
        {
            return;
        }
        let mut session = self.catalog.session_mut(key);
        let (id, logs) = (packet_id.get(), &mut self.logs);
        let ahead = session.queue.is_due_again(id);
        let answer = match kind {
            AckKind::Puback => session.acknowledge(id, logs),
            // [MQTT-4.3.3-4] v5: no PUBREL follows.
            AckKind::Pubrec if reason.is_error() => session.refuse(id, logs),
            AckKind::Pubrec => session.release(id, logs),
            AckKind::Pubrel | AckKind::Pubcomp => session.complete(id, logs),
        };
        let (waits, durable) = (session.queue.waiting() > 0, !session.clean);
        drop(session);
        if answer == QueueAnswer::Wrong {
            return self.close(conn, CloseReason::WrongAnswer, context);
        }
        if let Some(stamp) = self.delivery.take_timed(conn, packet_id) {
            self.meters.note_client_ack(stamp);
        }
        self.relieve_waiting(key, context);
        if kind == AckKind::Pubrec && !reason.is_error() {
            // [MQTT-4.3.3-1] Each PUBREC is answered, also a repeated one. In a durable session the
            // PUBREL waits until the log ensures that the PUBLISH is never sent again. If the
            // PUBLISH was about to be sent again, the PUBREL takes its place.
            if durable && ahead {
                self.pause_until_committed(conn);
            } else if durable {
                self.promise(conn, Reply::Pubrel(packet_id), Wait::disk_if(true));
            } else {
                self.outputs.reply(conn, &Ack::bytes_v3(AckKind::Pubrel, packet_id));
            }
            return;
        }
        if waits || self.retained.has_replays(conn) {
            self.make_progress(conn, context);
        } else if self.groups.has_members() {
            self.resume_member(key, context);
        }
    }

    /// Handles a run of PUBACKs; returns how many it handled. If none, the first one is for
    /// [`Shard::handle_packet`].
    pub fn handle_ack_run(
        &mut self,
        conn: ConnId,
        run: AckRun,
        context: &mut Context<'_>,
    ) -> (u16, Flow) {
        const NONE: (u16, Flow) = (0, Flow::Continue);
        // A trace records each packet of its client.
        if self.traces.tells_packets() {
            return NONE;
        }
        let Some(key) = self.connections.session(conn) else { return NONE };
        let mut session = self.catalog.session_mut(key);
        let count = session.acknowledge_run(run.first.get(), run.count, &mut self.logs);
        let waits = session.queue.waiting() > 0;
        drop(session);
        if count == 0 {
            return NONE;
        }
        self.gates.note_alive(conn, context.now_ms);
        if let Some(stamp) = self.delivery.take_timed_of(conn, AckRun { count, ..run }) {
            self.meters.note_client_ack(stamp);
        }
        self.relieve_waiting(key, context);
        if waits || self.retained.has_replays(conn) {
            self.make_progress(conn, context);
        } else if self.groups.has_members() {
            self.resume_member(key, context);
        }
        self.stats.packets_in += u64::from(count);
        self.stats.pubacks_in += u64::from(count);
        self.pause_if_output_full(conn);
        (count, self.flow(conn))
    }

    /// Sends no waiting message of the client's session until the records appended so far are
    /// committed.
    pub(super) fn pause_until_committed(&mut self, conn: ConnId) {
        self.delivery.set_barrier(conn);
        self.promise(conn, Reply::Resume, Wait::disk_if(true));
    }

    /// Whether a client has messages to acknowledge, sent already or still waiting in its session.
    pub(super) fn has_to_acknowledge(&self, conn: ConnId) -> bool {
        let key = self.connections.session(conn);
        key.is_some_and(|key| {
            self.catalog.session(key).queue.stored_bytes() > 0 || self.has_leases(key)
        })
    }

    /// Notes that `bytes` of a connection's output were sent.
    pub fn on_sent(&mut self, conn: ConnId, bytes: usize, context: &mut Context<'_>) {
        if self.outputs.on_sent(conn, bytes) {
            self.resume_if_output_taken(conn, context);
            self.make_progress(conn, context);
        }
    }

    /// Whether [`Shard::on_sent`] lets something go on for this connection, or may do so. Then the
    /// report of a send must not be put off.
    pub fn awaits_sent(&self, conn: ConnId) -> bool {
        let Some(key) = self.connections.session(conn) else { return true };
        self.outputs.bytes_max() < 2 * QUIET_SEND_BYTES_MAX
            || self.outputs.is_held_up(conn)
            || self.gates.reasons(conn) != 0
            || self.retained.has_replays(conn)
            || self.catalog.session(key).queue.waiting() > 0
            || self.groups.member(key).is_some_and(|member| member.is_full)
    }

    /// Sends the waiting messages of a connection, continues its replay, and resumes the publishers
    /// that wait for it.
    pub(super) fn make_progress(&mut self, conn: ConnId, context: &mut Context<'_>) {
        let Some(key) = self.connections.session(conn) else { return };
        if self.catalog.session(key).queue.waiting() > 0 {
            let time_ms = self.time_ms(context.now_ms);
            let policy = self.admission.policy();
            let mut session = self.catalog.session_mut(key);
            let dropped = self.delivery.pump(&mut session, policy, time_ms, lent!(self));
            drop(session);
            self.note_waits(context);
            // Messages that are lost on disk, forbidden by the rules or expired do not wait any
            // more.
            if dropped {
                self.relieve_session(key, context);
            }
        }
        self.relieve(conn);
        if self.retained.has_replays(conn) {
            self.advance_replay(conn, context);
        }
        if self.groups.has_members() {
            self.resume_member(key, context);
        }
    }

    /// Records how long the messages that were just sent have waited, for the sampled ones.
    fn note_waits(&mut self, context: &Context<'_>) {
        while let Some(stored_ms) = self.meters.next_wait() {
            let time_ms = self.time_ms(context.now_ms);
            self.meters.note_waited(self.catalog.timeline.age_ms(stored_ms, time_ms, u64::MAX));
        }
    }
}
