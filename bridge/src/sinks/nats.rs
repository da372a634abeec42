//! JetStream: each message becomes a NATS message, or many share an envelope.
//!
//! The server acknowledges each NATS message when its stream has stored it. `Nats-Msg-Id` is the
//! flow's name with the position. It is the same after a restart, so a stream drops duplicates
//! within its duplicate window.

use std::future::IntoFuture;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::{ConnectOptions, ServerAddr};
use bytes::Bytes;

use super::envelope::{Envelope, Full};
use super::nats_link::NatsLink;
use super::{Refused, Trouble};
use crate::config::{NatsFormat, NatsTarget};
use crate::flow::{Batch, Message};
use crate::limits::{BATCH_MESSAGES_MAX, CONNECT_TIMEOUT};
use crate::shown::shortened;
use crate::subject::put_subject;

/// The error of a lost connection.
const LOST: &str = "the connection is lost";

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
        let written = self.write_to(&link, batch).await;
        // After an error, the client must not send the messages that it still holds.
        if written.is_ok() {
            self.link = Some(link);
        }
        written
    }

    async fn write_to(&self, link: &NatsLink, batch: &Batch) -> Result<Vec<Refused>, Trouble> {
        let mut refused = Vec::new();
        let sent = tokio::select! {
            biased;
            () = link.lost() => return Err(Trouble::again(LOST)),
            sent = self.send_all(&link.context, batch, &mut refused) => sent?,
        };
        for (at, ack) in sent {
            let acknowledged = tokio::select! {
                biased;
                acknowledged = ack.into_future() => acknowledged,
                () = link.lost() => return Err(with_front(Trouble::again(LOST), at, &refused)),
            };
            if let Err(error) = acknowledged {
                let whole = take_error(&error, at, &mut refused);
                // Later ones may be stored; they are sent again with the same id.
                whole.map_err(|trouble| with_front(trouble, at, &refused))?;
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
    ) -> Result<Vec<(usize, PublishAckFuture)>, Trouble> {
        let mut sent = Vec::new();
        match &self.target.format {
            NatsFormat::Message { prefix } => {
                for (at, message) in batch.iter() {
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
            publish = publish.header("Mqtt-Topic", message.topic);
        }
        if message.retain {
            publish = publish.header("Mqtt-Retain", "1");
        }
        (subject, publish)
    }

    async fn open(&self) -> Result<NatsLink, Trouble> {
        let target = &self.target;
        let servers = target.servers.iter().map(|server| server.parse::<ServerAddr>());
        let servers: Vec<ServerAddr> = servers
            .collect::<Result<_, _>>()
            .map_err(|error| Trouble::Never(format!("servers: {error}")))?;
        let mut options = ConnectOptions::new()
            .name(format!("ringmq-bridge {}", self.name))
            .connection_timeout(CONNECT_TIMEOUT)
            .client_capacity(BATCH_MESSAGES_MAX);
        if let (Some(user), password) = (&target.user, &target.password) {
            let password = password.as_ref().map(|secret| secret.0.clone()).unwrap_or_default();
            options = options.user_and_password(user.clone(), password);
        }
        if let Some(token) = &target.token {
            options = options.token(token.0.clone());
        }
        if let Some(file) = &target.credentials_file {
            let told = |error: std::io::Error| Trouble::again(format!("{file}: {error}"));
            options = options.credentials_file(file).await.map_err(told)?;
        }
        if let Some(ca) = &target.ca {
            options = options.add_root_certificates(ca.into());
        }
        // A wrong password may be corrected at the server, so the flow tries again.
        let opened = NatsLink::open(options, servers, &self.name).await;
        opened.map_err(|says| Trouble::again(shortened(&says)))
    }
}

/// Sends an envelope; returns `None` if its only message is refused.
async fn send(
    context: &Context,
    subject: &str,
    full: Full,
    refused: &mut Vec<Refused>,
) -> Result<Option<(usize, PublishAckFuture)>, Trouble> {
    let publish = publish_of(full.payload, Some(full.id));
    match context.send_publish(subject.to_owned(), publish).await {
        Ok(ack) => Ok(Some((full.at, ack))),
        // The server's limit is below that of the configuration.
        Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded && full.messages > 1 => {
            Err(Trouble::Never(format!(
                "{error}: set `bytes` to less than the server's max_payload"
            )))
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
fn take_error(error: &PublishError, at: usize, refused: &mut Vec<Refused>) -> Result<(), Trouble> {
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
        PublishErrorKind::StreamNotFound => {
            Err(Trouble::Never(format!("{says}; make a stream that takes these subjects")))
        }
        _ => Err(Trouble::again(says)),
    }
}

/// Adds the messages stored before it to the trouble.
fn with_front(trouble: Trouble, at: usize, refused: &[Refused]) -> Trouble {
    match trouble {
        Trouble::Again { says, .. } => {
            let before = refused.iter().filter(|refusal| refusal.at < at).cloned().collect();
            Trouble::Again { done: at, refused: before, says }
        }
        never => never,
    }
}
