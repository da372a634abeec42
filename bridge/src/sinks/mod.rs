//! Targets: each takes batches, one at a time, and says what became of them.

mod http;
mod http_client;
mod line;
mod mqtt;

pub use http::HttpSink;
pub use mqtt::MqttSink;

use crate::config::Target;
use crate::flow::Batch;

/// A message that the target does not take, and never will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its place in the batch.
    pub at: usize,
    /// What the target says.
    pub reason: String,
}

/// Why a batch is not written.
#[derive(Debug)]
pub enum Trouble {
    /// It may be written later. The target has `done` messages from the front, but for `refused`.
    Again {
        /// How many.
        done: usize,
        /// Messages below `done` that the target does not take.
        refused: Vec<Refused>,
        /// What happened.
        says: String,
    },
    /// The target takes nothing at all: somebody must act.
    Never(String),
}

impl Trouble {
    /// Nothing of the batch is written.
    pub(crate) fn again(says: impl Into<String>) -> Self {
        Self::Again { done: 0, refused: Vec::new(), says: says.into() }
    }
}

/// A target that can be written to.
pub enum Sink {
    /// Another broker.
    Mqtt(Box<MqttSink>),
    /// Line protocol.
    Http(Box<HttpSink>),
}

impl Sink {
    /// The target of a flow. It connects when it is first written to.
    pub fn new(target: &Target) -> Self {
        match target {
            Target::Mqtt(target) => Self::Mqtt(Box::new(MqttSink::new(target.clone()))),
            Target::Http(target) => Self::Http(Box::new(HttpSink::new(target.clone()))),
        }
    }

    /// Writes a batch, and returns when the target has acknowledged all of it. The messages that
    /// are returned it does not take.
    ///
    /// # Errors
    /// Not all is written.
    pub async fn write(&mut self, batch: &Batch) -> Result<Vec<Refused>, Trouble> {
        match self {
            Self::Mqtt(sink) => sink.write(batch).await,
            Self::Http(sink) => sink.write(batch).await,
        }
    }

    /// Does what the target needs while there is nothing to write. Never returns. May be cancelled.
    pub async fn idle(&mut self) {
        match self {
            Self::Mqtt(sink) => sink.idle().await,
            Self::Http(_) => std::future::pending().await,
        }
    }

    /// Ends the connection in good order.
    pub async fn close(&mut self) {
        match self {
            Self::Mqtt(sink) => sink.close().await,
            Self::Http(_) => {}
        }
    }
}
