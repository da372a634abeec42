//! Topics of a Kafka cluster, by librdkafka.
//!
//! librdkafka sends a batch again by itself, for ever, until the brokers have acknowledged all of
//! it. So a batch stays with one producer during an outage, and the brokers know what comes again.
//!
//! ```text
//! none ─ send all ─► under way ─ all reported ──► suspects ─ each sent alone ─► done
//!   ▲                  │   ▲
//!   │                  └───┘ no broker answers: Again, and the same batch is waited for
//!   └── another producer: the one before is broken, a report says neither yes nor no, or the
//!       brokers are silent on an open connection
//! ```
//!
//! Brokers refuse a request as a whole. The messages of such a request are suspects: each is sent
//! again alone, and what is refused then is a dead letter.

use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use tokio::time::timeout;

use super::kafka_reports::{Outcome, Reports};
use super::kafka_topic::{fault_of, put_piece};
use super::{Refused, Trouble};
use crate::config::{KafkaOnce, KafkaTarget};
use crate::flow::{Batch, Message};
use crate::limits::BATCH_MESSAGES_MAX;
use crate::shown::shortened;

/// A cluster.
pub struct KafkaSink {
    target: KafkaTarget,
    name: String,
    open: Option<Open>,
    scratch: Scratch,
}

/// A producer, and the batch that is under way with it.
struct Open {
    producer: ThreadedProducer<Reports>,
    reports: Reports,
    /// Messages that are refused, in no order; none: no batch is under way.
    batch: Option<Vec<Refused>>,
    /// Places of messages that are to be sent alone, the next one last.
    suspects: Vec<usize>,
    /// The suspect that is under way.
    alone: Option<usize>,
}

/// Texts of one message.
#[derive(Default)]
pub(super) struct Scratch {
    topic: Vec<u8>,
    key: Vec<u8>,
    header: Vec<u8>,
}

/// What an error of a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The message, or another of its request, is refused.
    Message,
    /// Everything is refused.
    All,
    /// Nothing is known: a new producer sends it again.
    Unknown,
}

impl KafkaSink {
    /// Writes to this target.
    pub fn new(target: KafkaTarget, name: &str) -> Self {
        Self { target, name: name.to_owned(), open: None, scratch: Scratch::default() }
    }

    /// Whether librdkafka takes the options.
    ///
    /// # Errors
    /// Why not.
    pub fn check(target: &KafkaTarget) -> Result<(), String> {
        match options(target, "check").create_native_config() {
            Ok(_) => Ok(()),
            Err(KafkaError::ClientConfig(_, says, name, _)) => Err(format!("{name}: {says}")),
            Err(error) => Err(error.to_string()),
        }
    }

    pub(super) async fn write(&mut self, batch: &Batch) -> Result<Vec<Refused>, Trouble> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::new(&self.target, &self.name)?,
        };
        let written = self.write_to(&mut open, batch).await;
        // Otherwise what it still has may not be sent: it would come behind what is sent anew.
        if matches!(&written, Ok(_) | Err(Stop::Waits(_))) {
            self.open = Some(open);
        }
        written.map_err(|(Stop::Waits(trouble) | Stop::Ends(trouble))| trouble)
    }

    async fn write_to(&mut self, open: &mut Open, batch: &Batch) -> Result<Vec<Refused>, Stop> {
        if open.batch.is_none() {
            open.batch = Some(Vec::new());
            open.reports.begin(batch.len());
            for (at, message) in skipped_and_not(batch) {
                match message {
                    Some(message) => self.send(open, at, &message)?,
                    None => open.reports.note(at, Outcome::Taken),
                }
            }
        }
        assert_eq!(open.reports.round().outcomes.len(), batch.len(), "the batch is the same");
        loop {
            open.wait(self.target.timeout).await?;
            if self.settle(open, batch)?.is_break() {
                break;
            }
        }
        let mut refused = open.batch.take().expect("is under way");
        refused.sort_by_key(|refusal| refusal.at);
        Ok(refused)
    }

    /// All of it is reported: whether it is done, or suspects are to be sent alone.
    fn settle(&mut self, open: &mut Open, batch: &Batch) -> Result<ControlFlow<()>, Stop> {
        let failed = open.reports.round().failed();
        for (at, code) in &failed {
            match verdict(&self.target, *code) {
                Verdict::Message => {}
                Verdict::All => return Err(Stop::Ends(Trouble::Never(said(*code)))),
                Verdict::Unknown => return Err(Stop::Ends(open.give_up(said(*code)))),
            }
            let is_alone = open.alone == Some(*at) || failed.len() == 1;
            if is_alone || is_of_topic(*code) {
                // No other message is the reason.
                open.refuse(*at, said(*code));
            } else {
                open.suspects.push(*at);
            }
            open.reports.note(*at, Outcome::Taken);
        }
        if open.alone.is_none() {
            // They are sent in order.
            open.suspects.reverse();
        }
        let Some(at) = open.suspects.pop() else {
            open.alone = None;
            return Ok(ControlFlow::Break(()));
        };
        open.alone = Some(at);
        open.reports.wait_again(at);
        let message = batch.get(at).expect("it is of the batch");
        self.send(open, at, &message)?;
        Ok(ControlFlow::Continue(()))
    }

    /// Gives a message to librdkafka, or refuses it.
    fn send(&mut self, open: &mut Open, at: usize, message: &Message<'_>) -> Result<(), Stop> {
        let record = match record(&self.target, &mut self.scratch, at, message) {
            Ok(record) => record,
            Err(says) => return open.refuse_unsent(at, says),
        };
        let Err((error, _)) = open.producer.send(record) else { return Ok(()) };
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        match verdict(&self.target, code) {
            Verdict::Message => open.refuse_unsent(at, said(code)),
            Verdict::All => Err(Stop::Ends(Trouble::Never(said(code)))),
            Verdict::Unknown => Err(Stop::Ends(open.give_up(said(code)))),
        }
    }
}

/// Why a batch is not done.
enum Stop {
    /// It stays under way with its producer.
    Waits(Trouble),
    /// The producer is given up.
    Ends(Trouble),
}

impl Open {
    fn new(target: &KafkaTarget, name: &str) -> Result<Self, Trouble> {
        let reports = Reports::default();
        let producer = options(target, name)
            .create_with_context::<_, ThreadedProducer<_>>(reports.clone())
            .map_err(|error| Trouble::Never(shortened(&error.to_string())))?;
        Ok(Self { producer, reports, batch: None, suspects: Vec::new(), alone: None })
    }

    /// Returns when all messages under way are reported. `patience` is for each report.
    async fn wait(&mut self, patience: Duration) -> Result<(), Stop> {
        loop {
            let waiting = {
                let mut round = self.reports.round();
                if round.waiting == 0 {
                    return Ok(());
                }
                match round.down.take() {
                    Some((Code::AllBrokersDown, says)) => {
                        return Err(Stop::Waits(Trouble::again(shortened(&says))));
                    }
                    Some((_, says)) => return Err(Stop::Ends(Trouble::Never(shortened(&says)))),
                    None => {}
                }
                round.waiting
            };
            let is_silent = timeout(patience, self.reports.changed()).await.is_err();
            let round = self.reports.round();
            if !is_silent || round.waiting < waiting {
                continue;
            }
            let last = round.last.as_ref().map(|last| format!("; {last}")).unwrap_or_default();
            let (is_down, says) = (round.is_down, format!("it does not acknowledge{last}"));
            drop(round);
            if is_down {
                return Err(Stop::Waits(Trouble::again(shortened(&says))));
            }
            // librdkafka waits for an answer for ever, as long as the connection is there.
            return Err(Stop::Ends(self.give_up(says)));
        }
    }

    fn refuse(&mut self, at: usize, reason: String) {
        self.batch.as_mut().expect("is under way").push(Refused { at, reason });
    }

    /// Refuses a message that librdkafka does not have.
    fn refuse_unsent(&mut self, at: usize, reason: String) -> Result<(), Stop> {
        self.refuse(at, reason);
        self.reports.note(at, Outcome::Taken);
        Ok(())
    }

    /// The trouble with what the brokers have from the front, when the producer is given up.
    fn give_up(&mut self, says: String) -> Trouble {
        let says = match self.producer.client().fatal_error() {
            Some((_, says)) => format!("its producer is broken: {says}"),
            None => says,
        };
        let round = self.reports.round();
        let done = round.outcomes.iter().enumerate().take_while(|(at, outcome)| {
            let is_suspect = self.suspects.contains(at) || self.alone == Some(*at);
            **outcome == Outcome::Taken && !is_suspect
        });
        let done = done.count();
        let mut refused = self.batch.take().unwrap_or_default();
        refused.retain(|refusal| refusal.at < done);
        refused.sort_by_key(|refusal| refusal.at);
        Trouble::Again { done, refused, says: shortened(&says) }
    }
}

/// What is given to librdkafka of a message at a place of the batch; or why it is refused.
pub(super) fn record<'s>(
    target: &'s KafkaTarget,
    scratch: &'s mut Scratch,
    at: usize,
    message: &'s Message<'_>,
) -> Result<BaseRecord<'s, [u8], [u8], usize>, String> {
    let Scratch { topic, key, header } = scratch;
    topic.clear();
    let rendered = target.topic.render(message, topic, put_piece);
    rendered.map_err(|error| error.to_string())?;
    let topic = std::str::from_utf8(topic).expect("its letters are ASCII");
    if let Some(says) = fault_of(topic) {
        return Err(says);
    }
    let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, at)
        .payload(message.payload)
        .timestamp(i64::try_from(message.time_ms).unwrap_or(i64::MAX));
    if let Some(template) = &target.key {
        key.clear();
        template.render(message, key, plain).map_err(|error| error.to_string())?;
        record = record.key(key.as_slice());
    }
    if !target.headers.is_empty() {
        let mut headers = OwnedHeaders::new_with_capacity(target.headers.len());
        for (name, template) in &target.headers {
            header.clear();
            template.render(message, header, plain).map_err(|error| error.to_string())?;
            headers = headers.insert(Header { key: name, value: Some(header.as_slice()) });
        }
        record = record.headers(headers);
    }
    Ok(record)
}

/// What an error of a message says.
pub(super) fn verdict(target: &KafkaTarget, code: Code) -> Verdict {
    match code {
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::InvalidDifferentRecord
        | Code::InvalidTimestamp => Verdict::Message,
        // A topic for each device, say: the others are there.
        code if is_of_topic(code) => match target.topic.is_literal() {
            true => Verdict::All,
            false => Verdict::Message,
        },
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::InvalidRequiredAcks
        | Code::PolicyViolation
        | Code::UnsupportedForMessageFormat
        | Code::UnsupportedCompressionType => Verdict::All,
        _ => Verdict::Unknown,
    }
}

/// Every place of the batch; none: a message that is passed over.
pub(super) fn skipped_and_not<'b>(
    batch: &'b Batch,
) -> impl Iterator<Item = (usize, Option<Message<'b>>)> + 'b {
    let mut messages = batch.iter().peekable();
    (0..batch.len()).map(move |at| {
        let message = messages.next_if(|(place, _)| *place == at);
        (at, message.map(|(_, message)| message))
    })
}

/// Whether the topic is the reason, so that the same topic is refused again.
fn is_of_topic(code: Code) -> bool {
    matches!(code, Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::InvalidTopic)
}

fn plain(piece: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(piece);
}

pub(super) fn said(code: Code) -> String {
    shortened(&KafkaError::MessageProduction(code).to_string())
}

/// What librdkafka is configured with.
pub(super) fn options(target: &KafkaTarget, name: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    let set = |config: &mut ClientConfig, key: &str, value: &str| {
        config.set(key, value);
    };
    set(&mut config, "client.id", &format!("ringmq-bridge-{name}"));
    // As Java's clients choose partitions.
    set(&mut config, "partitioner", "murmur2_random");
    // A batch is there as a whole: nothing is to be waited for.
    set(&mut config, "queue.buffering.max.ms", "1");
    for (key, value) in &target.options {
        set(&mut config, key, value);
    }
    set(&mut config, "bootstrap.servers", &target.servers.join(","));
    set(&mut config, "queue.buffering.max.messages", &BATCH_MESSAGES_MAX.to_string());
    set(&mut config, "request.required.acks", "all");
    if target.once != KafkaOnce::Transactional {
        // For ever: a message that times out here would be sent again by another producer.
        set(&mut config, "message.timeout.ms", "0");
    }
    match target.once {
        KafkaOnce::Transactional => {
            let id = target.id.clone().unwrap_or_else(|| format!("ringmq-bridge-{name}"));
            set(&mut config, "transactional.id", &id);
        }
        KafkaOnce::Idempotent => set(&mut config, "enable.idempotence", "true"),
        // More than one request in flight could change places when the first is sent again.
        KafkaOnce::AtLeast => set(&mut config, "max.in.flight.requests.per.connection", "1"),
    }
    if let Some((user, password)) = &target.login {
        set(&mut config, "sasl.username", user);
        set(&mut config, "sasl.password", &password.0);
        if !target.options.contains_key("sasl.mechanism") {
            set(&mut config, "sasl.mechanism", "PLAIN");
        }
    }
    let protocol = match (&target.tls, &target.login) {
        (None, None) => "plaintext",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), None) => "ssl",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    set(&mut config, "security.protocol", protocol);
    if let Some(files) = &target.tls {
        if let Some(ca) = &files.ca {
            set(&mut config, "ssl.ca.location", ca);
        }
        if let Some((chain, key)) = &files.identity {
            set(&mut config, "ssl.certificate.location", chain);
            set(&mut config, "ssl.key.location", key);
        }
    }
    config.set_log_level(RDKafkaLogLevel::Info);
    config
}
