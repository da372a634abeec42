//! PUBLISH and PUBACK from clients (3.3, 3.4).

use crate::limits::TOPIC_LEVELS_MAX;
use crate::mqtt::{Ack, Publish, QoS, TopicName};

use super::ConnId;
use super::connection::Phase;
use super::letter::Message;
use super::promises::Reply;
use super::shard::{CloseReason, Context, Shard};
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
        if publish.qos == QoS::ExactlyOnce {
            return self.close(conn, CloseReason::QoS2, context);
        }
        let Some((vhost, route)) = self.route_of(conn, publish.topic) else {
            return self.close(conn, CloseReason::TooManyLevels, context);
        };
        let message = Message {
            topic: publish.topic,
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
        };
        let wait = self.publish(vhost, route, message, Some(conn), context);
        if let Some(packet_id) = publish.packet_id {
            // [MQTT-3.3.4-1] The answer promises that whoever must have the message has it.
            self.promise(conn, Reply::Puback(packet_id), wait);
        }
    }

    pub(super) fn handle_puback(&mut self, conn: ConnId, ack: &Ack<'_>, context: &mut Context<'_>) {
        let Some(connection) = self.out.connections.get(conn) else {
            return;
        };
        let Phase::Open(open) = &connection.phase else {
            return;
        };
        let idle = connection.replays.is_none();
        let session = self.vhosts[usize::from(open.vhost.0)].sessions.get_mut(open.session);
        // An id that is not in flight was acknowledged before: nothing to do.
        let Some(entry) = session.queue.acknowledge(ack.packet_id.get()) else {
            return;
        };
        session.release(entry, &mut self.out.log);
        if session.queue.waiting() > 0 || !idle {
            self.make_progress(conn, context);
        }
    }

    /// The vhost and route of what a connection publishes; `None` if the topic has too many levels.
    #[inline]
    fn route_of(&mut self, conn: ConnId, topic: TopicName<'_>) -> Option<(VhostId, u32)> {
        let connection = self.out.connections.get_mut(conn)?;
        let Phase::Open(open) = &connection.phase else {
            return None;
        };
        let exchange = &mut self.vhosts[usize::from(open.vhost.0)].exchange;
        let last = &mut connection.last_topic;
        if last.epoch != exchange.routes.epoch() || last.topic != topic.as_str() {
            if topic.level_count() > TOPIC_LEVELS_MAX {
                return None;
            }
            last.route = exchange.route(topic);
            last.epoch = exchange.routes.epoch();
            last.topic.clear();
            last.topic.push_str(topic.as_str());
        }
        Some((open.vhost, last.route))
    }
}
