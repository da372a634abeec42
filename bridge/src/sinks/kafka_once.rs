//! Topics of a Kafka cluster, each message once for consumers that read only what is committed.
//!
//! A transaction has the records of a batch and the position of the last one. The position is a
//! committed offset, as of a consumer that reads the session: that of the group
//! `ringmq-bridge-NAME-EPOCH`, in the first partition of a topic. A session has a group, so that no
//! metadata is needed: not every implementation keeps it.
//!
//! ```text
//! none ─ init: ends what the producer before has begun ─► open; the first batch reads the cursor
//!   ▲                                                                      │   ▲
//!   │                                        begin ─ send ─ all reported ◄─┘   │
//!   │                                             │      └ offset ─ commit ────┤
//!   │                                             └ some refused ─ abort ──────┘
//!   └── any other error
//! ```
//!
//! Brokers refuse a request as a whole. Then the messages before it are written, and those of the
//! request each in a transaction of its own, so that the one at fault is found.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log::debug;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::producer::{Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::timeout;

use super::kafka::{Scratch, Verdict, options, record, said, skipped_and_not, verdict};
use super::kafka_reports::{Outcome, Reports};
use super::{Refused, Trouble, Written, is_there};
use crate::config::KafkaTarget;
use crate::flow::{Batch, Message, Position};
use crate::limits::STOP_TIMEOUT;
use crate::shown::shortened;

/// The partition whose committed offset is the position.
const CURSOR_PARTITION: i32 = 0;

/// A cluster.
pub struct KafkaOnceSink {
    target: KafkaTarget,
    name: String,
    open: Option<Open>,
    scratch: Scratch,
    /// Messages from the front that are written alone: one of them has been refused.
    alone: usize,
    /// Whether the last commit has no answer.
    in_doubt: bool,
}

/// A producer that has initialized its transactions.
struct Open {
    producer: ThreadedProducer<Reports>,
    reports: Reports,
    /// That of the last batch.
    group: Option<Group>,
}

/// The group of a session, which has committed its cursor.
struct Group {
    epoch: u64,
    metadata: Arc<ConsumerGroupMetadata>,
    cursor: Option<Position>,
}

/// What was given to librdkafka.
#[derive(Default)]
struct Sent {
    /// Places that it had.
    taken: usize,
    count: usize,
    cursor: Option<Position>,
    refused: Vec<Refused>,
    /// Why not all of it.
    stopped: Option<Code>,
}

impl KafkaOnceSink {
    /// Writes to this target.
    pub fn new(target: KafkaTarget, name: &str) -> Self {
        let name = name.to_owned();
        Self { target, name, open: None, scratch: Scratch::default(), alone: 0, in_doubt: false }
    }

    pub(super) async fn write(&mut self, batch: &Batch) -> Result<Written, Trouble> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open().await?,
        };
        let written = self.write_front(&mut open, batch).await;
        // Otherwise the next producer ends the transaction of this one.
        if written.is_ok() {
            self.open = Some(open);
            self.in_doubt = false;
        }
        written
    }

    async fn open(&self) -> Result<Open, Trouble> {
        let reports = Reports::default();
        let config = options(&self.target, &self.name);
        let producer: ThreadedProducer<Reports> =
            config.create_with_context(reports.clone()).map_err(never)?;
        let (own, patience) = (producer.clone(), self.patience());
        let init = move || insist(patience, |left| own.init_transactions(left));
        blocking(init).await.map_err(|error| trouble(&error))?;
        Ok(Open { producer, reports, group: None })
    }

    /// Reads the cursor of a batch's session, unless it is known.
    async fn read_cursor(&self, open: &mut Open, batch: &Batch) -> Result<(), Trouble> {
        let found = batch.iter().find(|(_, message)| message.qos > 0);
        let Some(epoch) = found.map(|(_, message)| message.position.epoch) else { return Ok(()) };
        if open.group.as_ref().is_some_and(|group| group.epoch == epoch) {
            return Ok(());
        }
        let (config, patience) = (options(&self.target, &self.name), self.patience());
        let topic = self.cursor_topic().to_owned();
        let name = format!("ringmq-bridge-{}-{epoch:016x}", self.name);
        let read = move || committed(config, &name, &topic, patience);
        let (metadata, number) = blocking(read).await.map_err(|error| trouble(&error))?;
        let cursor = number.map(|number| Position { epoch, number });
        open.group = Some(Group { epoch, metadata: Arc::new(metadata), cursor });
        Ok(())
    }

    fn cursor_topic(&self) -> &str {
        self.target.cursor_topic.as_deref().expect("is configured with transactions")
    }

    /// How long one call of librdkafka may take: the end of the process waits for it.
    fn patience(&self) -> Duration {
        self.target.timeout.min(STOP_TIMEOUT)
    }

    async fn write_front(&mut self, open: &mut Open, batch: &Batch) -> Result<Written, Trouble> {
        self.read_cursor(open, batch).await?;
        let mut limit = if self.alone > 0 { 1 } else { batch.len() };
        loop {
            let sent = self.send_front(open, batch, limit)?;
            self.wait(open).await?;
            let has_failed = !open.reports.round().failed().is_empty();
            if !has_failed {
                if let Some(code) = sent.stopped {
                    return Err(Trouble::again(said(code)));
                }
                if sent.count > 0 {
                    self.commit(open, sent.cursor).await?;
                }
                self.alone = self.alone.saturating_sub(usize::from(limit == 1));
                return Ok(Written { done: sent.taken, refused: sent.refused });
            }
            self.abort(open).await?;
            let failed = self.refused_messages(open)?;
            let (first, code) = failed[0];
            if limit == 1 {
                self.alone = self.alone.saturating_sub(1);
                let refused = vec![Refused { at: 0, reason: said(code) }];
                return Ok(Written { done: 1, refused });
            }
            self.alone = failed.len();
            limit = first.max(1);
        }
    }

    /// Begins a transaction with the first `limit` messages, without those that the topics have.
    fn send_front(
        &mut self,
        open: &mut Open,
        batch: &Batch,
        limit: usize,
    ) -> Result<Sent, Trouble> {
        let cursor = open.group.as_ref().and_then(|group| group.cursor);
        let epoch = open.group.as_ref().map(|group| group.epoch);
        let mut sent = Sent { taken: limit, cursor, ..Sent::default() };
        open.reports.begin(limit);
        for (at, message) in skipped_and_not(batch).take(limit) {
            // A session that was created anew begins another transaction.
            let is_other =
                |message: &Message<'_>| message.qos > 0 && Some(message.position.epoch) != epoch;
            if message.as_ref().is_some_and(is_other) {
                sent.taken = sent.taken.min(at);
            }
            let message = message.filter(|message| {
                let goes_on = at < sent.taken && sent.stopped.is_none();
                goes_on && !is_there(message, cursor, self.in_doubt)
            });
            let Some(message) = message else {
                open.reports.note(at, Outcome::Taken);
                continue;
            };
            let record = match record(&self.target, &mut self.scratch, at, &message) {
                Ok(record) => record,
                Err(reason) => {
                    sent.refused.push(Refused { at, reason });
                    open.reports.note(at, Outcome::Taken);
                    continue;
                }
            };
            if !sent.refused.is_empty() {
                // Their dead letters must be sent before the cursor passes them.
                sent.taken = at;
                open.reports.note(at, Outcome::Taken);
                continue;
            }
            if sent.count == 0 {
                open.producer.begin_transaction().map_err(|error| trouble(&error))?;
            }
            sent.count += 1;
            if let Err((error, _)) = open.producer.send(record) {
                open.reports.note(at, Outcome::Taken);
                let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
                match verdict(&self.target, code) {
                    Verdict::Message => sent.refused.push(Refused { at, reason: said(code) }),
                    Verdict::All => return Err(Trouble::Never(said(code))),
                    // A report may say why.
                    Verdict::Unknown => sent.stopped = Some(code),
                }
            } else if message.qos > 0 {
                sent.cursor = Some(message.position);
            }
        }
        Ok(sent)
    }

    /// Returns when all messages are reported, or one has failed.
    async fn wait(&self, open: &Open) -> Result<(), Trouble> {
        loop {
            let waiting = {
                let mut round = open.reports.round();
                if round.waiting == 0 || !round.failed().is_empty() {
                    return Ok(());
                }
                match round.down.take() {
                    Some((Code::AllBrokersDown, says)) => {
                        return Err(Trouble::again(shortened(&says)));
                    }
                    Some((_, says)) => return Err(Trouble::Never(shortened(&says))),
                    None => round.waiting,
                }
            };
            let is_silent = timeout(self.target.timeout, open.reports.changed()).await.is_err();
            if is_silent && open.reports.round().waiting == waiting {
                return Err(Trouble::again("it does not acknowledge"));
            }
        }
    }

    /// The messages that the brokers have refused, with their places, at least one.
    fn refused_messages(&self, open: &Open) -> Result<Vec<(usize, Code)>, Trouble> {
        let mut failed = open.reports.round().failed();
        // These were not sent yet, or not answered, when the transaction ended.
        failed.retain(|(_, code)| !matches!(code, Code::PurgeQueue | Code::PurgeInflight));
        for (_, code) in &failed {
            match verdict(&self.target, *code) {
                Verdict::Message => {}
                Verdict::All => return Err(Trouble::Never(said(*code))),
                Verdict::Unknown => return Err(Trouble::again(said(*code))),
            }
        }
        if failed.is_empty() {
            return Err(Trouble::again("it has ended the transaction"));
        }
        Ok(failed)
    }

    async fn commit(&mut self, open: &mut Open, cursor: Option<Position>) -> Result<(), Trouble> {
        let patience = self.patience();
        let group = open.group.as_mut().filter(|group| group.cursor != cursor);
        if let (Some(group), Some(at)) = (group, cursor) {
            let (producer, metadata) = (open.producer.clone(), group.metadata.clone());
            let topic = self.cursor_topic().to_owned();
            let note = move || {
                let offsets = offsets_of(&topic, at)?;
                insist(patience, |left| {
                    producer.send_offsets_to_transaction(&offsets, &metadata, left)
                })
            };
            blocking(note).await.map_err(|error| trouble(&error))?;
        }
        let producer = open.producer.clone();
        self.in_doubt = true;
        let commit = move || insist(patience, |left| producer.commit_transaction(left));
        blocking(commit).await.map_err(|error| trouble(&error))?;
        if let Some(group) = &mut open.group {
            group.cursor = cursor;
        }
        Ok(())
    }

    async fn abort(&self, open: &Open) -> Result<(), Trouble> {
        let (producer, patience) = (open.producer.clone(), self.patience());
        let abort = move || insist(patience, |left| producer.abort_transaction(left));
        blocking(abort).await.map_err(|error| trouble(&error))
    }
}

/// Runs a call of librdkafka that blocks, so that the flow goes on reading and pinging.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> KafkaResult<T> + Send + 'static,
) -> KafkaResult<T> {
    tokio::task::spawn_blocking(call).await.expect("it does not panic, and is not cancelled")
}

/// Repeats a call that may be repeated.
fn insist(
    patience: Duration,
    mut call: impl FnMut(Duration) -> KafkaResult<()>,
) -> KafkaResult<()> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match call(left) {
            Err(KafkaError::Transaction(error)) if error.is_retriable() && !left.is_zero() => {}
            done => return done,
        }
    }
}

/// The position as an offset: that of the message that follows.
fn offsets_of(topic: &str, at: Position) -> KafkaResult<TopicPartitionList> {
    let mut offsets = TopicPartitionList::new();
    let next = i64::try_from(at.number).unwrap_or(i64::MAX).saturating_add(1);
    offsets.add_partition_offset(topic, CURSOR_PARTITION, Offset::Offset(next))?;
    Ok(offsets)
}

/// The group, and the number of the last message that it has committed.
fn committed(
    mut config: ClientConfig,
    group: &str,
    topic: &str,
    patience: Duration,
) -> KafkaResult<(ConsumerGroupMetadata, Option<u64>)> {
    config.remove("transactional.id");
    config.set("group.id", group).set("enable.auto.commit", "false");
    let consumer: BaseConsumer<Quiet> = config.create_with_context(Quiet)?;
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, CURSOR_PARTITION);
    let told = consumer.committed_offsets(asked, patience)?;
    let place = told.elements().pop().expect("was asked for");
    place.error()?;
    let number = match place.offset() {
        Offset::Offset(next) => u64::try_from(next).ok().and_then(|next| next.checked_sub(1)),
        _ => None,
    };
    let group = consumer.group_metadata().expect("a consumer with a group has it");
    Ok((group, number))
}

/// What concerns only the producer is no fault of the consumer's options.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, fac: &str, message: &str) {
        debug!("librdkafka: {fac}: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!("librdkafka: {error}: {reason}");
    }
}

impl ConsumerContext for Quiet {}

fn trouble(error: &KafkaError) -> Trouble {
    let says = shortened(&error.to_string());
    match error.rdkafka_error_code() {
        Some(Code::Fenced | Code::ProducerFenced) => Trouble::Never(format!(
            "{says}: another producer has taken over the transactional id; each bridge needs its \
             own: set `id`"
        )),
        Some(
            Code::TransactionalIdAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::Authentication
            | Code::SaslAuthenticationFailed,
        ) => Trouble::Never(says),
        _ => Trouble::again(says),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it ends here, and callers map with it")]
fn never(error: KafkaError) -> Trouble {
    Trouble::Never(shortened(&error.to_string()))
}
