//! JetStream: each message becomes a NATS message, or many share an envelope.
//!
//! The server acknowledges each NATS message when its stream has stored it. `Nats-Msg-Id` is the
//! flow's name with the position. It is the same after a restart, so a stream drops duplicates
//! within its duplicate window.

use std::future::IntoFuture;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{
    GetStreamByNameErrorKind, PublishAckFuture, PublishError, PublishErrorKind,
};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use ringmq::mqtt::{Properties, forwarded_list};

use super::envelope::{Envelope, Full};
use super::{MQTT_VIA, Refused, Trouble};
use crate::config::{NatsFormat, NatsTarget};
use crate::flow::{Batch, Message};
use crate::nats::{NatsLink, RETAIN, TOPIC, VIA, put_subject};
use crate::shown::shortened;

/// The error of a lost connection.
const LOST: &str = "the connection is lost";

/// Why a batch is not stored.
enum Failure {
    /// Nobody takes the subject of this message: there is no stream, or it has no leader now.
    NoStream(usize, String),
    /// Anything else.
    Other(Trouble),
}

/// The streams of a cluster.
pub struct NatsSink {
    target: NatsTarget,
    name: String,
    link: Option<NatsLink>,
}

impl NatsSink {
    /// A sink for this target; `name` begins its message ids.
    pub fn new(target: NatsTarget, name: &str) -> Self {
        Self { target, name: name.to_owned(), link: None }
    }

    pub(super) async fn write(&mut self, batch: &Batch) -> Result<Vec<Refused>, Trouble> {
        let link = match self.link.take() {
            Some(link) => link,
            None => self.open().await?,
        };
        let written = match self.write_to(&link, batch).await {
            Ok(refused) => Ok(refused),
            Err(Failure::Other(trouble)) => Err(trouble),
            Err(Failure::NoStream(at, says)) => {
                Err(self.without_stream(&link, batch, at, says).await)
            }
        };
        // After an error, the client must not send the messages that it still holds.
        if written.is_ok() {
            self.link = Some(link);
        }
        written
    }

    /// Asks whether a stream takes the subject of a message that none has taken. A stream of a
    /// cluster that has no leader, or has just been made, takes nothing for some seconds.
    async fn without_stream(
        &self,
        link: &NatsLink,
        batch: &Batch,
        at: usize,
        says: String,
    ) -> Trouble {
        let subject = match (&self.target.format, batch.get(at)) {
            (NatsFormat::Message { prefix }, Some(message)) => self.single(prefix, &message).0,
            (NatsFormat::Message { .. }, None) => unreachable!("it is of the batch"),
            (NatsFormat::Batch { subject, .. }, _) => subject.clone(),
        };
        let asked = tokio::select! {
            biased;
            asked = link.context.stream_by_subject(subject) => asked,
            () = link.lost() => return Trouble::again(LOST),
        };
        match asked {
            Err(error) if error.kind() == GetStreamByNameErrorKind::NotFound => {
                Trouble::Never(format!("{says}; make a stream that takes these subjects"))
            }
            _ => Trouble::again(format!("{says}; the stream has no leader")),
        }
    }

    async fn write_to(&self, link: &NatsLink, batch: &Batch) -> Result<Vec<Refused>, Failure> {
        let mut refused = Vec::new();
        let sent = tokio::select! {
            biased;
            () = link.lost() => return Err(Failure::Other(Trouble::again(LOST))),
            sent = self.send_all(&link.context, batch, &mut refused) => sent?,
        };
        for (at, ack) in sent {
            let acknowledged = tokio::select! {
                biased;
                acknowledged = ack.into_future() => acknowledged,
                () = link.lost() => {
                    let lost = Failure::Other(Trouble::again(LOST));
                    return Err(with_front(lost, at, &refused));
                }
            };
            if let Err(error) = acknowledged {
                let whole = take_error(&error, at, &mut refused);
                // Later ones may be stored; they are sent again with the same id.
                whole.map_err(|failure| with_front(failure, at, &refused))?;
            }
        }
        Ok(refused)
    }

    /// Sends a batch; returns the pending acknowledgements with the places of their first messages.
    async fn send_all(
        &self,
        context: &Context,
        batch: &Batch,
        refused: &mut Vec<Refused>,
    ) -> Result<Vec<(usize, PublishAckFuture)>, Failure> {
        let mut sent = Vec::new();
        match &self.target.format {
            NatsFormat::Message { prefix } => {
                for (at, message) in batch.iter() {
                    if self.has_been_there(&message) {
                        continue;
                    }
                    let (subject, publish) = self.single(prefix, &message);
                    match context.send_publish(subject, publish).await {
                        Ok(ack) => sent.push((at, ack)),
                        Err(error) => take_error(&error, at, refused)?,
                    }
                }
            }
            NatsFormat::Batch { subject, bytes } => {
                let mut envelope = Envelope::new(&self.name, *bytes);
                for (at, message) in batch.iter() {
                    if self.has_been_there(&message) {
                        continue;
                    }
                    if let Some(full) = envelope.add(at, &message) {
                        sent.extend(send(context, subject, full, refused).await?);
                    }
                }
                if let Some(full) = envelope.take() {
                    sent.extend(send(context, subject, full, refused).await?);
                }
            }
        }
        Ok(sent)
    }

    /// The NATS message of one message, and its subject.
    fn single(&self, prefix: &str, message: &Message<'_>) -> (String, PublishMessage) {
        let mut subject = String::with_capacity(prefix.len() + 1 + message.topic.len());
        subject.push_str(prefix);
        subject.push('.');
        let is_shortened = put_subject(message.topic, &mut subject);
        let payload = Bytes::copy_from_slice(message.payload);
        let id = (message.qos > 0).then(|| format!("{}-{}", self.name, message.position));
        let mut publish = publish_of(payload, id);
        if is_shortened {
            publish = publish.header(TOPIC, message.topic);
        }
        if message.retain {
            publish = publish.header(RETAIN, "1");
        }
        if let Some(broker) = &self.target.broker {
            publish = publish.header(VIA, via(message, broker).as_str());
        }
        (subject, publish)
    }

    /// Whether a source has read it from this cluster.
    fn has_been_there(&self, message: &Message<'_>) -> bool {
        brokers(message).any(|broker| broker == self.target.access.id)
    }

    async fn open(&self) -> Result<NatsLink, Trouble> {
        // Wrong passwords are mended at the server too: it is tried again.
        let opened = NatsLink::open(&self.target.access, &self.name).await;
        opened.map_err(|says| Trouble::again(shortened(&says)))
    }
}

/// The brokers and clusters that a message has left over a bridge.
fn brokers<'m>(message: &Message<'m>) -> impl Iterator<Item = &'m str> {
    let properties: Properties<'m> = match message.properties {
        [] => Properties::EMPTY,
        bytes => forwarded_list(bytes).unwrap_or(Properties::EMPTY),
    };
    properties.user_properties().filter(|(name, _)| *name == MQTT_VIA).map(|(_, broker)| broker)
}

/// The header that says so, with the broker that it leaves now.
fn via(message: &Message<'_>, leaves: &str) -> String {
    // Separators of headers cannot be in one.
    let plain = |broker: &str| broker.replace([',', '\r', '\n'], " ");
    let all: Vec<String> = brokers(message).chain([leaves]).map(plain).collect();
    all.join(",")
}

/// Sends an envelope; nothing, if its one message is refused.
async fn send(
    context: &Context,
    subject: &str,
    full: Full,
    refused: &mut Vec<Refused>,
) -> Result<Option<(usize, PublishAckFuture)>, Failure> {
    let publish = publish_of(full.payload, Some(full.id));
    match context.send_publish(subject.to_owned(), publish).await {
        Ok(ack) => Ok(Some((full.at, ack))),
        // The server's limit is below that of the configuration.
        Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded && full.messages > 1 => {
            Err(Failure::Other(Trouble::Never(format!(
                "{error}: set `bytes` to less than the server's max_payload"
            ))))
        }
        Err(error) => take_error(&error, full.at, refused).map(|()| None),
    }
}

fn publish_of(payload: Bytes, id: Option<String>) -> PublishMessage {
    let publish = PublishMessage::build().payload(payload);
    match id {
        Some(id) => publish.message_id(id),
        None => publish,
    }
}

/// Decides whether an error concerns the message, all messages, or the moment.
fn take_error(error: &PublishError, at: usize, refused: &mut Vec<Refused>) -> Result<(), Failure> {
    let mut says = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        says = format!("{says}: {source}");
    }
    let says = shortened(&says);
    match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => {
            refused.push(Refused { at, reason: says });
            Ok(())
        }
        PublishErrorKind::StreamNotFound => Err(Failure::NoStream(at, says)),
        _ => Err(Failure::Other(Trouble::again(says))),
    }
}

/// Adds the messages stored before it to the trouble.
fn with_front(failure: Failure, at: usize, refused: &[Refused]) -> Failure {
    match failure {
        Failure::Other(Trouble::Again { says, .. }) => {
            let before = refused.iter().filter(|refusal| refusal.at < at).cloned().collect();
            Failure::Other(Trouble::Again { done: at, refused: before, says })
        }
        other => other,
    }
}
