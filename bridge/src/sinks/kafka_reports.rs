//! What librdkafka reports of the messages of one batch. Its thread writes here, the flow reads.
//!
//! Invariant: `waiting` is the number of outcomes that are [`Outcome::Waiting`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use log::{debug, log};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use tokio::sync::Notify;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing is known yet.
    Waiting,
    /// The brokers have it.
    Taken,
    /// They do not.
    Failed(RDKafkaErrorCode),
}

/// Outcomes by the messages' places in the batch.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) waiting: usize,
    /// No broker answers, or they do not let us in.
    pub(super) down: Option<(RDKafkaErrorCode, String)>,
    /// No broker has answered since that was told.
    pub(super) is_down: bool,
    /// What was last told, of whatever broker.
    pub(super) last: Option<String>,
}

#[derive(Debug, Default)]
struct Shared {
    round: Mutex<Round>,
    changed: Notify,
}

/// The reports of one producer.
#[derive(Debug, Clone, Default)]
pub(super) struct Reports(Arc<Shared>);

impl Round {
    /// Messages that have failed, with their places in order.
    pub(super) fn failed(&self) -> Vec<(usize, RDKafkaErrorCode)> {
        let failed = |(at, outcome): (usize, &Outcome)| match outcome {
            Outcome::Failed(code) => Some((at, *code)),
            Outcome::Waiting | Outcome::Taken => None,
        };
        self.outcomes.iter().enumerate().filter_map(failed).collect()
    }

    /// Notes an outcome. Whether nothing waits now, or a message has failed.
    fn note(&mut self, at: usize, outcome: Outcome) -> bool {
        let Some(place) = self.outcomes.get_mut(at) else { return false };
        if *place == Outcome::Waiting {
            self.waiting -= 1;
        }
        *place = outcome;
        self.is_down = false;
        self.waiting == 0 || matches!(outcome, Outcome::Failed(_))
    }
}

impl Reports {
    /// The outcomes so far. Held shortly: librdkafka's thread waits for it.
    pub(super) fn round(&self) -> MutexGuard<'_, Round> {
        self.0.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a batch of `count` messages, which all wait.
    pub(super) fn begin(&self, count: usize) {
        let mut round = self.round();
        round.outcomes.clear();
        round.outcomes.resize(count, Outcome::Waiting);
        round.waiting = count;
        // What was told before is not of this batch.
        (round.down, round.last) = (None, None);
    }

    /// A message that failed is sent again.
    pub(super) fn wait_again(&self, at: usize) {
        let mut round = self.round();
        round.outcomes[at] = Outcome::Waiting;
        round.waiting += 1;
    }

    /// Notes what is known without a report.
    pub(super) fn note(&self, at: usize, outcome: Outcome) {
        self.round().note(at, outcome);
    }

    /// Returns after nothing waits any more, a message has failed, or all brokers are gone. May
    /// return too early.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        // What matters of it comes as an error too, and outages are said once.
        let level = match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                log::Level::Error
            }
            _ => log::Level::Debug,
        };
        log!(level, "librdkafka: {fac}: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!("librdkafka: {error}: {reason}");
        let Some(code) = error.rdkafka_error_code() else { return };
        let mut round = self.round();
        let is_down = matches!(
            code,
            RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
        );
        if is_down {
            let text = match &round.last {
                Some(last) => format!("{reason}; {last}"),
                None => reason.to_owned(),
            };
            round.is_down = true;
            round.down = Some((code, text));
            self.0.changed.notify_one();
        } else {
            round.last = Some(reason.to_owned());
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, at: usize) {
        let outcome = match result {
            Ok(_) => Outcome::Taken,
            Err((error, _)) => {
                Outcome::Failed(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown))
            }
        };
        if self.round().note(at, outcome) {
            self.0.changed.notify_one();
        }
    }
}
