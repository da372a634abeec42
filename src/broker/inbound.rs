//! PUBLISH from clients, and their answers to ours (3.3 to 3.7).

use crate::limits::TOPIC_LEVELS_MAX;
use crate::mqtt::{Ack, AckKind, PacketId, Publish, QoS, TopicName};
use crate::store::Answer;

use super::ConnId;
use super::connection::Phase;
use super::letter::Message;
use super::promises::Reply;
use super::reason::CloseReason;
use super::routes::Ticket;
use super::session::Session;
use super::shard::{Context, Shard};
use super::vhost::VhostId;

impl Shard {
    #[inline]
    pub(super) fn handle_publish(
        &mut self,
        conn: ConnId,
        publish: &Publish<'_>,
        context: &mut Context<'_>,
    ) {
        self.out.stats.publishes_in += 1;
        let Some((vhost, route)) = self.route_of(conn, publish.topic) else {
            return self.close(conn, CloseReason::TooManyLevels, context);
        };
        let message = Message {
            topic: publish.topic,
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
        };
        let reply = match (publish.qos, publish.packet_id) {
            (QoS::ExactlyOnce, Some(packet_id)) => {
                let first = self.note_received(conn, packet_id);
                if !first {
                    // [MQTT-4.3.3-2] Passed on before, though other shards may not have it yet.
                    let wait = self.out.options.shards > 1;
                    self.promise(conn, Reply::Pubrec(packet_id), wait);
                    return;
                }
                Some(Reply::Pubrec(packet_id))
            }
            (_, packet_id) => packet_id.map(Reply::Puback),
        };
        let wait = self.publish(vhost, route, message, Some(conn), context);
        if let Some(reply) = reply {
            // [MQTT-3.3.4-1] The answer promises that whoever must have the message has it.
            self.promise(conn, reply, wait);
        }
    }

    /// PUBREL: the identifier is free for another message [MQTT-4.3.3-2].
    pub(super) fn handle_pubrel(&mut self, conn: ConnId, packet_id: PacketId) {
        if let Some(session) = self.session_mut(conn) {
            session.received.remove(&packet_id.get());
        }
        // Also for an identifier that is not known: the PUBCOMP may have been lost.
        self.promise(conn, Reply::Pubcomp(packet_id), false);
    }

    /// PUBACK, PUBREC or PUBCOMP: a client's answer to a message in flight. For an identifier that
    /// is not in flight the step was done before.
    pub(super) fn handle_answer_to(
        &mut self,
        conn: ConnId,
        packet_id: PacketId,
        kind: AckKind,
        context: &mut Context<'_>,
    ) {
        let Some(connection) = self.out.connections.get(conn) else { return };
        let Phase::Open(open) = &connection.phase else { return };
        let replaying = connection.replays.is_some();
        let session = self.vhosts[usize::from(open.vhost.0)].sessions.get_mut(open.session);
        let id = packet_id.get();
        let answer = match kind {
            AckKind::Puback => session.queue.acknowledge(id),
            AckKind::Pubrec => session.queue.release(id),
            AckKind::Pubrel | AckKind::Pubcomp => session.queue.complete(id),
        };
        match answer {
            Answer::Done(entry) => session.release(entry, &mut self.out.log),
            Answer::Known => {}
            Answer::Wrong => return self.close(conn, CloseReason::WrongAnswer, context),
        }
        if kind == AckKind::Pubrec {
            // [MQTT-4.3.3-1] Each PUBREC is answered, also a repeated one.
            self.out.reply(conn, &Ack::bytes_v3(AckKind::Pubrel, packet_id));
            return;
        }
        let waits = self.session_mut(conn).is_some_and(|session| session.queue.waiting() > 0);
        if waits || replaying {
            self.make_progress(conn, context);
        }
    }

    /// Notes the identifier of a QoS 2 message; whether it is new.
    fn note_received(&mut self, conn: ConnId, packet_id: PacketId) -> bool {
        self.session_mut(conn).is_some_and(|session| session.received.insert(packet_id.get()))
    }

    fn session_mut(&mut self, conn: ConnId) -> Option<&mut Session> {
        let Phase::Open(open) = &self.out.connections.get(conn)?.phase else { return None };
        Some(self.vhosts[usize::from(open.vhost.0)].sessions.get_mut(open.session))
    }

    /// The vhost and route of what a connection publishes; `None` if the topic has too many levels.
    #[inline]
    fn route_of(&mut self, conn: ConnId, topic: TopicName<'_>) -> Option<(VhostId, Ticket)> {
        let connection = self.out.connections.get_mut(conn)?;
        let Phase::Open(open) = &connection.phase else {
            return None;
        };
        let exchange = &mut self.vhosts[usize::from(open.vhost.0)].exchange;
        let last = &mut connection.last_topic;
        if !exchange.routes.is_current(last.route) || last.topic != topic.as_str() {
            if topic.level_count() > TOPIC_LEVELS_MAX {
                return None;
            }
            last.route = exchange.route(topic);
            last.topic.clear();
            last.topic.push_str(topic.as_str());
        }
        Some((open.vhost, last.route))
    }
}
