//! Targets: each writes batches, one at a time, and returns the outcome.

mod envelope;
mod http;
mod http_client;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "kafka")]
mod kafka_once;
#[cfg(feature = "kafka")]
mod kafka_reports;
#[cfg(feature = "kafka")]
mod kafka_topic;
mod line;
mod mqtt;
mod nats;
mod postgres;
mod postgres_row;
mod postgres_tls;

pub use http::HttpSink;
#[cfg(feature = "kafka")]
pub use kafka::KafkaSink;
#[cfg(feature = "kafka")]
pub use kafka_once::KafkaOnceSink;
pub use mqtt::MqttSink;
pub(crate) use mqtt::VIA as MQTT_VIA;
pub use nats::NatsSink;
pub use postgres::PostgresSink;

#[cfg(feature = "kafka")]
use crate::config::KafkaOnce;
use crate::config::Target;
use crate::flow::{Batch, Message, Position};

/// A message that the target refuses for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its place in the batch.
    pub at: usize,
    /// The reason that the target gives.
    pub reason: String,
}

/// The outcome of a batch, or of its front.
#[derive(Debug)]
pub struct Written {
    /// The number of messages from the front that are done, at least one. The target has them,
    /// except for `refused`.
    pub done: usize,
    /// Messages below `done` that the target refuses.
    pub refused: Vec<Refused>,
}

/// The reason why a batch is not written.
#[derive(Debug)]
pub enum Trouble {
    /// It may be written later. The target has `done` messages from the front, except for
    /// `refused`.
    Again {
        /// The number of messages that are done.
        done: usize,
        /// Messages below `done` that the target refuses.
        refused: Vec<Refused>,
        /// The error.
        says: String,
    },
    /// The target refuses everything: an operator must act.
    Never(String),
}

impl Trouble {
    /// A later attempt may succeed; no message of the batch is written.
    pub(crate) fn again(says: impl Into<String>) -> Self {
        Self::Again { done: 0, refused: Vec::new(), says: says.into() }
    }
}

/// Whether a target that keeps a cursor has a message already. A message without DUP was not sent
/// to this session's client before, so the target has it only if the last write has no answer.
fn is_there(message: &Message<'_>, cursor: Option<Position>, in_doubt: bool) -> bool {
    let Some(cursor) = cursor.filter(|_| message.dup || in_doubt) else { return false };
    message.position.epoch == cursor.epoch && message.position.number <= cursor.number
}

/// A target that can be written to.
pub enum Sink {
    /// Another broker.
    Mqtt(Box<MqttSink>),
    /// Line protocol.
    Http(Box<HttpSink>),
    /// Topics of Kafka.
    #[cfg(feature = "kafka")]
    Kafka(Box<KafkaSink>),
    /// Topics of Kafka, by transactions.
    #[cfg(feature = "kafka")]
    KafkaOnce(Box<KafkaOnceSink>),
    /// Streams.
    Nats(Box<NatsSink>),
    /// A table.
    Postgres(Box<PostgresSink>),
}

impl Sink {
    /// The target of a flow. It connects at the first write.
    pub fn new(target: &Target, name: &str) -> Self {
        match target {
            Target::Mqtt(target) => Self::Mqtt(Box::new(MqttSink::new(target.clone()))),
            Target::Http(target) => Self::Http(Box::new(HttpSink::new(target.clone()))),
            #[cfg(feature = "kafka")]
            Target::Kafka(target) if target.once == KafkaOnce::Transactional => {
                Self::KafkaOnce(Box::new(KafkaOnceSink::new(target.clone(), name)))
            }
            #[cfg(feature = "kafka")]
            Target::Kafka(target) => Self::Kafka(Box::new(KafkaSink::new(target.clone(), name))),
            #[cfg(not(feature = "kafka"))]
            Target::Kafka(_) => unreachable!("the configuration refuses it"),
            Target::Nats(target) => Self::Nats(Box::new(NatsSink::new(target.clone(), name))),
            Target::Postgres(target) => {
                Self::Postgres(Box::new(PostgresSink::new(target.clone(), name)))
            }
        }
    }

    /// Writes a batch or its front, and returns when the target has acknowledged it.
    ///
    /// # Errors
    /// Nothing more can be written now, or ever.
    pub async fn write(&mut self, batch: &Batch) -> Result<Written, Trouble> {
        let whole = |refused| Written { done: batch.len(), refused };
        match self {
            Self::Mqtt(sink) => sink.write(batch).await.map(whole),
            Self::Http(sink) => sink.write(batch).await.map(whole),
            #[cfg(feature = "kafka")]
            Self::Kafka(sink) => sink.write(batch).await.map(whole),
            #[cfg(feature = "kafka")]
            Self::KafkaOnce(sink) => sink.write(batch).await,
            Self::Nats(sink) => sink.write(batch).await.map(whole),
            Self::Postgres(sink) => sink.write(batch).await,
        }
    }

    /// Maintains the connection while there is nothing to write. Never returns. May be cancelled.
    pub async fn idle(&mut self) {
        match self {
            Self::Mqtt(sink) => sink.idle().await,
            #[cfg(feature = "kafka")]
            Self::Kafka(_) | Self::KafkaOnce(_) => std::future::pending().await,
            Self::Http(_) | Self::Nats(_) | Self::Postgres(_) => std::future::pending().await,
        }
    }

    /// Closes the connection.
    pub async fn close(&mut self) {
        match self {
            Self::Mqtt(sink) => sink.close().await,
            #[cfg(feature = "kafka")]
            Self::Kafka(_) | Self::KafkaOnce(_) => {}
            Self::Http(_) | Self::Nats(_) | Self::Postgres(_) => {}
        }
    }
}
