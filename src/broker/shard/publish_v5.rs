//! PUBLISH with properties or a topic alias (MQTT 5, 3.3.2.3).

use std::num::NonZero;

use crate::mqtt::{Properties, PropertyId, Publish, QoS, ReasonCode, TopicAlias, TopicName, Value};

use super::super::exchange::FoundRoute;
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
        if let (Some(alias), None) = (publish.properties.only_alias(), publish.topic) {
            return self.handle_aliased(conn, alias, publish, &[], context);
        }
        let mut scratch = self.publishing.take_scratch();
        let properties = publish.properties.forwarded(&mut scratch);
        let flow = match (publish.properties.alias(), publish.topic) {
            (None, Some(topic)) => {
                let message = message_of(topic, properties, publish);
                self.handle_checked(conn, message, publish, None, context)
            }
            (Some(alias), None) => self.handle_aliased(conn, alias, publish, properties, context),
            (Some(alias), Some(topic)) => {
                self.handle_alias(conn, (alias, topic), publish, properties, context)
            }
            (None, None) => unreachable!("a packet without both is none"),
        };
        self.publishing.recycle_scratch(scratch);
        flow
    }

    /// Handles a message, unless its payload contradicts its Payload Format Indicator (v5
    /// 3.3.2.3.2). `known` is as in [`Shard::handle_message`].
    #[inline(never)]
    fn handle_checked(
        &mut self,
        conn: ConnId,
        message: Message<'_>,
        publish: &Publish<'_>,
        known: Option<FoundRoute>,
        context: &mut Context<'_>,
    ) -> Flow {
        if !self.options.checks_payload_format
            || is_as_it_says(publish.properties.list(), message.payload)
        {
            return self.handle_message(conn, &message, publish.packet_id, known, context);
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

    /// Handles a PUBLISH that names its topic by an alias.
    #[inline]
    fn handle_aliased(
        &mut self,
        conn: ConnId,
        alias: TopicAlias,
        publish: &Publish<'_>,
        properties: &[u8],
        context: &mut Context<'_>,
    ) -> Flow {
        let number = NonZero::new(alias.get()).expect("an alias is not 0");
        let own = self.connections.client(conn);
        let taken = own.and_then(|own| self.exchanges.take_alias(conn, own.vhost, number));
        let Some((text, known)) = taken else {
            // [MQTT-3.3.2-9] v5, or it stands for nothing yet.
            let is_beyond = alias.get() > self.own_alias_max(conn);
            let reason =
                if is_beyond { CloseReason::TopicAlias } else { CloseReason::UnknownAlias };
            self.close(conn, reason, context);
            return Flow::Stop;
        };
        let message = message_of(TopicName::checked_before(&text), properties, publish);
        let flow = self.handle_checked(conn, message, publish, known, context);
        self.exchanges.return_alias(conn, number, text, known);
        flow
    }

    /// Handles a PUBLISH that gives its topic an alias. That is set whatever becomes of the
    /// message: the next packet relies on it.
    fn handle_alias(
        &mut self,
        conn: ConnId,
        (alias, topic): (TopicAlias, TopicName<'_>),
        publish: &Publish<'_>,
        properties: &[u8],
        context: &mut Context<'_>,
    ) -> Flow {
        // [MQTT-3.3.2-9] v5
        if alias.get() > self.own_alias_max(conn) {
            self.close(conn, CloseReason::TopicAlias, context);
            return Flow::Stop;
        }
        let number = NonZero::new(alias.get()).expect("an alias is not 0");
        let message = message_of(topic, properties, publish);
        let flow = self.handle_checked(conn, message, publish, None, context);
        if !self.exchanges.set_alias(conn, number, topic) {
            self.close(conn, CloseReason::AliasBytes, context);
            return Flow::Stop;
        }
        flow
    }

    /// The largest alias that a client may use.
    fn own_alias_max(&self, conn: ConnId) -> u16 {
        let own = self.connections.client(conn).and_then(|open| open.v5.as_ref());
        own.map_or(0, |own| own.terms.own_alias_max)
    }
}

/// Whether a payload is UTF-8, if its Payload Format Indicator says so.
pub(super) fn is_as_it_says(properties: Properties<'_>, payload: &[u8]) -> bool {
    properties.find(PropertyId::PayloadFormat) != Some(Value::Byte(1))
        || std::str::from_utf8(payload).is_ok()
}
