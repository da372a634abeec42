//! PUBLISH with properties or a topic alias (MQTT 5, 3.3.2.3).

use std::num::NonZero;

use crate::mqtt::{Properties, PropertyId, Publish, QoS, ReasonCode, TopicAlias, TopicName, Value};

use super::super::names::{CloseReason, ConnId, Context, Flow};
use super::super::output::Message;
use super::super::replies::{Reply, Wait};
use super::Shard;
use super::publish::message_of;

impl Shard {
    /// As [`Shard::handle_publish`].
    #[inline(never)]
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
                self.handle_checked(conn, message, publish, context)
            }
            (Some(alias), topic) => {
                self.handle_aliased(conn, (alias, topic), publish, properties, context)
            }
            (None, None) => unreachable!("a packet without both is none"),
        };
        self.publishing.recycle_scratch(scratch);
        flow
    }

    /// Handles a message, unless its payload contradicts its Payload Format Indicator (v5
    /// 3.3.2.3.2).
    #[inline(never)]
    fn handle_checked(
        &mut self,
        conn: ConnId,
        message: Message<'_>,
        publish: &Publish<'_>,
        context: &mut Context<'_>,
    ) -> Flow {
        if !self.options.checks_payload_format
            || is_as_it_says(publish.properties.list(), message.payload)
        {
            return self.handle_message(conn, &message, publish.packet_id, context);
        }
        self.stats.payloads_refused += 1;
        let reason = ReasonCode::PayloadFormatInvalid;
        match (publish.packet_id, publish.qos) {
            (None, _) => {
                self.close(conn, CloseReason::PayloadFormat, context);
                return Flow::Stop;
            }
            (Some(id), QoS::ExactlyOnce) => {
                self.promise(conn, Reply::Pubrec(id, reason), Wait::default());
            }
            (Some(id), _) => {
                self.promise(conn, Reply::Puback(id, reason), Wait::default());
            }
        }
        Flow::Continue
    }

    /// Handles a PUBLISH with a topic alias. The alias is set even if the message is refused,
    /// because the next packet relies on it.
    fn handle_aliased(
        &mut self,
        conn: ConnId,
        (alias, topic): (TopicAlias, Option<TopicName<'_>>),
        publish: &Publish<'_>,
        properties: &[u8],
        context: &mut Context<'_>,
    ) -> Flow {
        let own = self.connections.client(conn).and_then(|open| open.v5.as_ref());
        // [MQTT-3.3.2-9] v5
        if own.is_none_or(|own| alias.get() > own.terms.own_alias_max) {
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
            // The alias has no topic yet.
            self.close(conn, CloseReason::UnknownAlias, context);
            return Flow::Stop;
        };
        let message = message_of(topic, properties, publish);
        let flow = self.handle_checked(conn, message, publish, context);
        if publish.topic.is_none() {
            self.exchanges.return_alias(conn, number, text);
        } else if !self.exchanges.set_alias(conn, number, text) {
            self.close(conn, CloseReason::AliasBytes, context);
            return Flow::Stop;
        }
        flow
    }
}

/// Whether a payload conforms to its Payload Format Indicator.
pub(super) fn is_as_it_says(properties: Properties<'_>, payload: &[u8]) -> bool {
    properties.find(PropertyId::PayloadFormat) != Some(Value::Byte(1))
        || std::str::from_utf8(payload).is_ok()
}
