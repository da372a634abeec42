//! Another MQTT broker as the target.
//!
//! Loops are excluded: each message carries, as user properties, the identities of the brokers that
//! it has left over a bridge. A message that has been at the target is acknowledged and not sent.
//! 3.1.1 has no properties; there the configuration excludes loops.

use std::future::pending;

use ringmq::mqtt::{Properties, Property, PropertyId, TopicName, Value, forwarded_list};

use super::{Refused, Trouble};
use crate::config::MqttTarget;
use crate::flow::{Batch, Message};
use crate::mqtt::{Interrupted, Outgoing, Publisher};

/// The name of the user property with the brokers.
pub(crate) const VIA: &str = "ringmq-bridge-via";

/// A broker as a target.
pub struct MqttSink {
    target: MqttTarget,
    publisher: Publisher,
    /// The user property that this bridge adds; empty with 3.1.1.
    mark: Vec<u8>,
    /// Topics and properties of a batch, one after the other.
    text: Vec<u8>,
    /// For each message to publish: its place in the batch, and the ends of its topic and its
    /// properties in `text`.
    ends: Vec<(usize, usize, usize)>,
}

impl MqttSink {
    /// A sink for this target.
    pub fn new(target: MqttTarget) -> Self {
        let publisher = Publisher::new(target.peer.clone(), target.client_id.clone());
        let mut mark = Vec::new();
        if let Some(mark_text) = &target.mark {
            let value = Value::StringPair(VIA, &mark_text.from);
            Property { id: PropertyId::UserProperty, value }.encode(&mut mark);
        }
        Self { target, publisher, mark, text: Vec::new(), ends: Vec::new() }
    }

    pub(super) async fn idle(&mut self) {
        self.publisher.idle().await;
        pending::<()>().await;
    }

    pub(super) async fn close(&mut self) {
        self.publisher.close().await;
    }

    pub(super) async fn write(&mut self, batch: &Batch) -> Result<Vec<Refused>, Trouble> {
        let mut refused = Vec::new();
        self.prepare(batch, &mut refused);
        let mut start = 0;
        let ends = &self.ends;
        let mut messages = batch.iter();
        let outgoing = ends.iter().map(|(at, topic_end, properties_end)| {
            // Both iterators are in order.
            let (_, message) = messages.find(|(place, _)| place == at).expect("it is of the batch");
            let topic = &self.text[start..*topic_end];
            let properties = &self.text[*topic_end..*properties_end];
            start = *properties_end;
            Outgoing {
                topic: std::str::from_utf8(topic).expect("made of texts"),
                payload: message.payload,
                properties,
                qos: message.qos,
                retain: message.retain && self.target.retain,
            }
        });
        let place = |refusal: Refused| Refused { at: ends[refusal.at].0, ..refusal };
        match self.publisher.publish(outgoing).await {
            Ok(more) => {
                refused.extend(more.into_iter().map(place));
                Ok(refused)
            }
            Err(Interrupted { done, refused: more, says }) => {
                let done = ends.get(done).map_or(batch.len(), |(at, ..)| *at);
                refused.extend(more.into_iter().map(place));
                refused.retain(|refusal| refusal.at < done);
                Err(Trouble::Again { done, refused, says })
            }
        }
    }

    /// Prepares the topics and properties of the messages to publish.
    fn prepare(&mut self, batch: &Batch, refused: &mut Vec<Refused>) {
        self.text.clear();
        self.ends.clear();
        let is_v5 = !self.mark.is_empty();
        for (at, message) in batch.iter() {
            if is_v5 && self.has_been_there(&message) {
                continue;
            }
            let start = self.text.len();
            let rest = message.topic.strip_prefix(&*self.target.strip).unwrap_or(message.topic);
            self.text.extend_from_slice(self.target.add.as_bytes());
            self.text.extend_from_slice(rest.as_bytes());
            let topic = std::str::from_utf8(&self.text[start..]).expect("made of texts");
            if let Err(error) = TopicName::parse(topic) {
                refused.push(Refused { at, reason: format!("{topic:?} is no topic: {error}") });
                self.text.truncate(start);
                continue;
            }
            let topic_end = self.text.len();
            if is_v5 {
                self.text.extend_from_slice(message.properties);
                self.text.extend_from_slice(&self.mark);
            }
            self.ends.push((at, topic_end, self.text.len()));
        }
    }

    fn has_been_there(&self, message: &Message<'_>) -> bool {
        if message.properties.is_empty() {
            return false;
        }
        let there = self.target.mark.as_ref().map_or("", |mark| mark.to.as_str());
        let list = forwarded_list(message.properties).unwrap_or(Properties::EMPTY);
        list.user_properties().any(|(name, value)| name == VIA && value == there)
    }
}
