//! Dead letters: a message that a target refuses is published to a topic of the broker with the
//! reason, its position and its topic, so that it can be examined and sent again.

use std::borrow::Cow;

use ringmq::mqtt::{Property, PropertyId, Value, Version};

use super::message::{Batch, Message};
use crate::config::{Dead, Peer};
use crate::mqtt::{Interrupted, Outgoing, Publisher};
use crate::shown::shortened;
use crate::sinks::Refused;

/// Bytes of a PUBLISH beside its topic, properties and payload: the fixed header, the topic's
/// length, the identifier, and the length of the properties.
const PACKET_OVERHEAD: usize = 5 + 2 + 2 + 4;

/// Sends dead letters of one flow.
pub(crate) struct Letters {
    dead: Dead,
    publisher: Publisher,
    /// Whether the flow's filters match its own letters, which it then skips.
    reads_own: bool,
}

impl Letters {
    /// Letters to `home`. `reads_own`: the flow's filters match their topic.
    pub(crate) fn new(dead: Dead, home: Peer, name: &str, reads_own: bool) -> Self {
        let publisher = Publisher::new(home, format!("bridge-{name}-dead"));
        Self { dead, publisher, reads_own }
    }

    /// The handling of refused messages.
    pub(crate) fn dead(&self) -> &Dead {
        &self.dead
    }

    /// Skips letters of this flow in a batch: they would be refused again.
    pub(crate) fn skip_own(&self, batch: &mut Batch) {
        if let Dead::Topic(topic) = &self.dead
            && self.reads_own
        {
            batch.skip_topic(topic);
        }
    }

    /// Sends the letters; returns when the broker has acknowledged them.
    pub(crate) async fn send(&mut self, batch: &Batch, refused: &[Refused]) -> Result<(), String> {
        let Dead::Topic(topic) = &self.dead else { return Ok(()) };
        let is_v5 = self.publisher.peer().version == Version::V5;
        let room = self.publisher.packet_bytes_max().await?;
        let room = room.saturating_sub(PACKET_OVERHEAD + topic.len());
        let letters = refused
            .iter()
            .filter_map(|refusal| Some(letter(&batch.get(refusal.at)?, refusal, is_v5, room)));
        let letters: Vec<(Vec<u8>, Cow<'_, [u8]>)> = letters.collect();
        let outgoing = letters.iter().map(|(properties, payload)| Outgoing {
            topic,
            payload,
            properties,
            qos: 1,
            retain: false,
        });
        let sent = self.publisher.publish(outgoing).await;
        let sent = match sent {
            Ok(refused) => match refused.first() {
                Some(refusal) => Err(format!("{topic}: {}", refusal.reason)),
                None => Ok(()),
            },
            Err(Interrupted { says, .. }) => Err(says),
        };
        // Letters are rare, so the connection is closed.
        self.publisher.close().await;
        sent
    }
}

/// Properties and payload of a letter, of at most `room` bytes. With 3.1.1 a broker does not say
/// what it takes.
fn letter<'m>(
    message: &Message<'m>,
    refusal: &Refused,
    is_v5: bool,
    room: usize,
) -> (Vec<u8>, Cow<'m, [u8]>) {
    let reason = shortened(&refusal.reason);
    let position = message.position.to_string();
    let mut facts = vec![("reason", &*reason), ("position", &position), ("topic", message.topic)];
    if !is_v5 {
        return (Vec::new(), with_head(&facts, message.payload).into());
    }
    let properties = with_properties(message.properties, &facts);
    if properties.len() + message.payload.len() <= room {
        return (properties, message.payload.into());
    }
    let bytes = message.payload.len().to_string();
    facts.push(("cut", &bytes));
    let mut properties = with_properties(message.properties, &facts);
    if properties.len() > room / 2 {
        properties = with_properties(&[], &facts);
    }
    let kept = room.saturating_sub(properties.len()).min(message.payload.len());
    (properties, message.payload[..kept].into())
}

fn with_properties(properties: &[u8], facts: &[(&str, &str)]) -> Vec<u8> {
    let mut out = properties.to_vec();
    for (name, text) in facts {
        let name = format!("ringmq-bridge-{name}");
        let value = Value::StringPair(&name, text);
        Property { id: PropertyId::UserProperty, value }.encode(&mut out);
    }
    out
}

/// 3.1.1 has no properties: the facts are lines before the payload, ended by an empty line.
fn with_head(facts: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, text) in facts {
        out.extend_from_slice(format!("{name}: {text}\n").as_bytes());
    }
    out.push(b'\n');
    out.extend_from_slice(payload);
    out
}
