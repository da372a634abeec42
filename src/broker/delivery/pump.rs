//! Sending what waits in a session.

use log::warn;

use crate::access::Policy;
use crate::mqtt::{Ack, AckKind, PacketId, Properties, Publish, QoS, TopicName};
use crate::store::{QueueNext, QueueTerms, Session, SessionMut};

use super::super::admission::client_of;
use super::super::names::ConnId;
use super::{Delivery, Lent};

impl Delivery {
    /// Sends what waits in a session, as far as its client's window and output allow. Half of the
    /// output stays free for what comes live. What came under other rules is sent only if `policy`
    /// has nothing against it; whether any was dropped.
    pub(crate) fn pump(
        &mut self,
        session: &mut SessionMut<'_>,
        policy: &Policy,
        lent: &mut Lent<'_>,
    ) -> bool {
        let Some(conn) = session.holder.map(ConnId::of) else { return false };
        let Some(gate) = self.table.get(conn) else { return false };
        let qos2_below = gate.qos2_below;
        if gate.barriers > 0 || session.is_withheld() {
            return false;
        }
        let before = lent.outputs.bytes(conn);
        let dropped = self.write_waiting(conn, session, qos2_below, policy, lent);
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
        qos2_below: u64,
        policy: &Policy,
        lent: &mut Lent<'_>,
    ) -> bool {
        let mut dropped = false;
        while lent.outputs.is_low(conn) {
            let next = session.take_next_before(qos2_below, self.window, lent.logs);
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
            if !dup && !position.is_volatile() {
                let disk = &lent.logs.disk;
                lent.meters.count_waited(|| disk.message(position).map(|found| found.time_ms));
            }
            let Some(stored) = lent.logs.message(position) else {
                session.mark_gone(number, lent.logs);
                continue;
            };
            let topic = TopicName::parse(stored.topic).expect("it was checked when it came");
            if session.must_screen(number) && !policy.may_receive(&client_of(session), topic) {
                self.count_denied(session, topic);
                dropped |= session.withdraw(number, lent.logs);
                continue;
            }
            self.note_sent(conn, packet_id, dup, lent.meters);
            let QueueTerms { retain, exactly_once } = entry.terms();
            let publish = Publish {
                dup,
                qos: if exactly_once { QoS::ExactlyOnce } else { QoS::AtLeastOnce },
                retain,
                topic,
                packet_id: PacketId::new(packet_id),
                properties: Properties::EMPTY,
                payload: stored.payload,
            };
            lent.outputs.write_publish(conn, &publish);
            if session.clean {
                session.forget_taken(lent.logs);
            }
        }
        dropped
    }

    /// A message that waited is dropped: its client may not read it any more.
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
