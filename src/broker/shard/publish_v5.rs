//! PUBLISH with properties or a topic alias (MQTT 5, 3.3.2.3).

use std::num::NonZero;

use crate::mqtt::{Publish, TopicAlias, TopicName};

use super::super::names::{CloseReason, ConnId, Context, Flow};
use super::Shard;
use super::publish::message_of;

impl Shard {
    /// As [`Shard::handle_publish`].
    pub(super) fn handle_publish_with_properties(
        &mut self,
        conn: ConnId,
        publish: &Publish<'_>,
        context: &mut Context<'_>,
    ) -> Flow {
        let mut scratch = self.publishing.take_scratch();
        let properties = publish.properties.forwarded(&mut scratch);
        let flow = match (publish.properties.alias(), publish.topic) {
            (None, Some(topic)) => {
                let message = message_of(topic, properties, publish);
                self.handle_message(conn, message, publish.packet_id, context)
            }
            (Some(alias), topic) => {
                self.handle_aliased(conn, (alias, topic), publish, properties, context)
            }
            (None, None) => unreachable!("a packet without both is none"),
        };
        self.publishing.recycle_scratch(scratch);
        flow
    }

    /// Handles a PUBLISH with a topic alias. The alias is set whatever becomes of the message: the
    /// next packet relies on it.
    fn handle_aliased(
        &mut self,
        conn: ConnId,
        (alias, topic): (TopicAlias, Option<TopicName<'_>>),
        publish: &Publish<'_>,
        properties: &[u8],
        context: &mut Context<'_>,
    ) -> Flow {
        // [MQTT-3.3.2-8] v5
        if alias.get() > self.options.topic_alias_max {
            self.close(conn, CloseReason::TopicAlias, context);
            return Flow::Stop;
        }
        let number = NonZero::new(alias.get()).expect("an alias is not 0");
        let mut text = self.exchanges.take_alias(conn, number);
        if let Some(topic) = topic {
            text.clear();
            text.push_str(topic.as_str());
        }
        let Ok(topic) = TopicName::parse(&text) else {
            // It stands for nothing yet.
            self.close(conn, CloseReason::UnknownAlias, context);
            return Flow::Stop;
        };
        let message = message_of(topic, properties, publish);
        let flow = self.handle_message(conn, message, publish.packet_id, context);
        self.exchanges.set_alias(conn, number, text);
        flow
    }
}
