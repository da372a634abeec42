//! Sending of a session's waiting messages.

use log::warn;

use crate::access::Policy;
use crate::mqtt::{Ack, AckKind, Delivery as PacketOptions, PacketId, QoS, TopicName};
use crate::store::{Position, QueueNext, QueueTerms, Session, SessionMut, TakeBound};

use super::super::admission::client_of;
use super::super::names::{ConnId, RouteHandle};
use super::super::output::OwnCopy;
use super::{Delivery, Lent};

/// The bounds on sending.
struct Limits<'a> {
    /// The number below which messages are committed, for those that must be.
    committed: TakeBound,
    /// The most messages in flight.
    window: u16,
    /// The time of the log's time line.
    time_ms: u64,
    policy: &'a Policy,
}

impl Delivery {
    /// Sends a session's waiting messages as far as its client's window and output allow; half of
    /// the output is kept for new messages. A message that `policy` forbids or that has expired at
    /// `time_ms` of the time line is dropped. One that was sent before does not expire. Returns
    /// whether any was dropped.
    pub(crate) fn pump(
        &mut self,
        session: &mut SessionMut<'_>,
        policy: &Policy,
        time_ms: u64,
        lent: &mut Lent<'_>,
    ) -> bool {
        let Some(conn) = session.holder.map(ConnId::of) else { return false };
        let Some(gate) = self.table.get(conn) else { return false };
        let (qos2_below, window) = (gate.qos2_below, gate.window(self.window));
        if gate.has_barrier() || session.is_withheld() {
            return false;
        }
        let before = lent.outputs.bytes(conn);
        let committed = TakeBound { end: qos2_below, all: gate.tells_positions() };
        let limits = Limits { committed, window, time_ms, policy };
        let dropped = self.write_waiting(conn, session, &limits, lent);
        self.stats.stored_lost += session.take_lost();
        if lent.outputs.bytes(conn) > before {
            lent.gates.note_to_acknowledge(conn);
        }
        if session.queue.end() > qos2_below && session.queue.waiting() > 0 {
            self.await_commit(session, lent.logs);
        }
        dropped
    }

    fn write_waiting(
        &mut self,
        conn: ConnId,
        session: &mut SessionMut<'_>,
        limits: &Limits<'_>,
        lent: &mut Lent<'_>,
    ) -> bool {
        let mut dropped = false;
        session.forget_identified_from();
        while lent.outputs.is_low(conn)
            && lent.groups.leaves_identifier(session.key(), session.queue.next_identifier())
        {
            let next = session.take_next_before(limits.committed, limits.window, lent.logs);
            let (entry, number, packet_id, dup) = match next {
                None => break,
                Some(QueueNext::Release { packet_id }) => {
                    let packet_id = PacketId::new(packet_id).expect("identifiers are not 0");
                    lent.outputs.reply(conn, &Ack::bytes_v3(AckKind::Pubrel, packet_id));
                    continue;
                }
                Some(QueueNext::Publish { entry, number, packet_id, again }) => {
                    (entry, number, packet_id, again)
                }
            };
            let position = entry.position().expect("what waits is stored");
            if !dup {
                count_waited(position, lent);
            }
            let Some(stored) = lent.logs.message(position) else {
                session.mark_gone(number, lent.logs);
                continue;
            };
            let lifetime = session.lifetime(&stored, limits.time_ms);
            if !dup && lifetime.is_over() {
                // [MQTT-3.3.2-5]
                self.stats.queued_expired += 1;
                dropped |= session.withdraw(number, lent.logs);
                continue;
            }
            let topic = TopicName::parse(stored.topic).expect("it was checked when it came");
            if session.must_screen(number) && !limits.policy.may_receive(&client_of(session), topic)
            {
                self.count_denied(session, topic);
                dropped |= session.withdraw(number, lent.logs);
                continue;
            }
            self.note_sent(conn, packet_id, dup, lent.meters);
            let QueueTerms { retain, exactly_once } = entry.terms();
            let is_v5 = lent.outputs.format(conn).is_some();
            if is_v5 {
                self.own.note(&stored, lifetime, (session.key(), session, number), topic);
                if limits.committed.all {
                    self.own.add_position(session.epoch(), number, session.wall_ms(&stored));
                }
            }
            let copy = OwnCopy {
                topic,
                route: RouteHandle::default(),
                qos: if exactly_once { QoS::ExactlyOnce } else { QoS::AtLeastOnce },
                delivery: PacketOptions { packet_id: PacketId::new(packet_id), dup, retain },
                identifiers: if is_v5 { &self.own.identifiers } else { &[] },
                properties: if is_v5 { &self.own.properties } else { &[] },
                payload: stored.payload,
            };
            if !lent.outputs.write_publish(conn, &copy) {
                // [MQTT-3.1.2-25] v5: counts as sent and acknowledged.
                dropped |= session.withdraw(number, lent.logs);
                continue;
            }
            if session.clean {
                session.forget_taken(lent.logs);
            }
        }
        dropped
    }

    /// Counts a waiting message that is dropped because its client may no longer read it.
    fn count_denied(&mut self, session: &Session, topic: TopicName<'_>) {
        self.stats.queued_denied += 1;
        if self.stats.queued_denied.is_power_of_two() {
            let (client, topic) = (&*session.client_id, topic.as_str());
            let count = self.stats.queued_denied;
            warn!(
                client;
                "a waiting message to {topic:.80?} is dropped: the access rules deny it; {count} \
                 on this shard so far"
            );
        }
    }
}

/// Samples how long a stored message has waited.
fn count_waited(position: Position, lent: &mut Lent<'_>) {
    let disk = &lent.logs.disk;
    if !position.is_volatile() {
        lent.meters.count_waited(|| disk.message(position).map(|found| found.time_ms));
    }
}
