//! librdkafka's cluster of mock brokers, and a look into its topics.

use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};

use super::apart::is_in_own_network;
use super::process::PATIENCE;

const BROKERS: i32 = 3;
const PARTITIONS: i32 = 4;

/// A consumer's error when the broker no longer has what comes next: a mock broker keeps 5 MiB and
/// 100,000 records of a partition.
const OUTRUN: Option<RDKafkaErrorCode> = Some(RDKafkaErrorCode::AutoOffsetReset);

/// A record of a topic.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) key: Option<String>,
    pub(crate) payload: String,
    pub(crate) partition: i32,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) time_ms: Option<i64>,
}

/// Key and payload of records of a topic as they come.
pub(crate) struct Tail(Receiver<Option<(String, String)>>);

impl Tail {
    /// The next record.
    #[track_caller]
    pub(crate) fn next(&self) -> (String, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(record) = self.0.recv().expect("the reader runs as long as this") {
                return record;
            }
            assert!(Instant::now() < deadline, "no record comes");
        }
    }
}

/// Three brokers in this process.
pub(crate) struct Kafka {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Kafka {
    pub(crate) fn start() -> Self {
        Self { cluster: MockCluster::new(BROKERS).expect("the mock brokers start") }
    }

    /// For `servers = [ … ]`.
    pub(crate) fn servers(&self) -> String {
        let servers = self.cluster.bootstrap_servers();
        let servers: Vec<String> = servers.split(',').map(|server| format!("{server:?}")).collect();
        servers.join(", ")
    }

    pub(crate) fn make_topic(&self, topic: &str) {
        self.cluster.create_topic(topic, PARTITIONS, BROKERS).expect("the name is one");
    }

    /// The next requests to produce have these answers.
    pub(crate) fn answer_produce(&self, errors: &[RDKafkaRespErr]) {
        self.cluster.request_errors(RDKafkaApiKey::Produce, errors);
    }

    /// No broker answers, connections are closed. Only in [`super::in_own_network`]: a mock broker
    /// closes its socket, binds another to its port at once, and aborts if it cannot, because
    /// another test of this process starts a program, which has a copy of the socket until it is
    /// executed, or has just been given the port.
    #[track_caller]
    pub(crate) fn take_down(&self) {
        (1..=BROKERS).for_each(|broker| self.set_down(broker));
    }

    #[track_caller]
    fn set_down(&self, broker: i32) {
        assert!(is_in_own_network(), "a test beside this one can make the mock broker abort");
        self.cluster.broker_down(broker).expect("it is there");
    }

    pub(crate) fn bring_up(&self) {
        for broker in 1..=BROKERS {
            self.cluster.broker_up(broker).expect("it is there");
        }
    }

    /// As [`Kafka::take_down`], of one.
    #[track_caller]
    pub(crate) fn take_down_one(&self, number: usize) {
        self.set_down(i32::try_from(number).expect("is small") % BROKERS + 1);
    }

    pub(crate) fn bring_up_one(&self, number: usize) {
        let broker = i32::try_from(number).expect("is small") % BROKERS + 1;
        self.cluster.broker_up(broker).expect("it is there");
    }

    /// Brokers answer after so long.
    pub(crate) fn answer_after(&self, time: Duration) {
        for broker in 1..=BROKERS {
            self.cluster.broker_round_trip_time(broker, time).expect("it is there");
        }
    }

    /// Reads a topic from now on, at the same time as it is written.
    pub(crate) fn tail(&self, topic: &str) -> Tail {
        let consumer = self.consumer(topic);
        let (sender, records) = mpsc::channel();
        thread::spawn(move || {
            let text = |bytes: Option<&[u8]>| {
                String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
            };
            loop {
                let record = match consumer.poll(Duration::from_millis(100)) {
                    Some(Ok(record)) => Some((text(record.key()), text(record.payload()))),
                    Some(Err(error)) if error.rdkafka_error_code() == OUTRUN => {
                        panic!("the mock broker has dropped records before they were read")
                    }
                    // An error is of the moment: brokers are taken down.
                    _ => None,
                };
                // The test may be over.
                if sender.send(record).is_err() {
                    return;
                }
            }
        });
        Tail(records)
    }

    fn consumer(&self, topic: &str) -> BaseConsumer {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.cluster.bootstrap_servers())
            .set("group.id", "test")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            // Brokers may hold their answers.
            .set("socket.timeout.ms", "10000")
            .create()
            .expect("the options are good");
        let mut partitions = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            let added = partitions.add_partition_offset(topic, partition, Offset::Beginning);
            added.expect("is an offset");
        }
        consumer.assign(&partitions).expect("the partitions are there");
        consumer
    }

    /// Reads a topic from its beginning until `enough` says so of a record.
    #[track_caller]
    pub(crate) fn read(&self, topic: &str, mut enough: impl FnMut(&Record) -> bool) -> Vec<Record> {
        let consumer = self.consumer(topic);
        let deadline = Instant::now() + PATIENCE;
        let mut records = Vec::new();
        loop {
            assert!(Instant::now() < deadline, "{} records of {topic} came", records.len());
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
            records.push(Record {
                key: message.key().map(text),
                payload: text(message.payload().unwrap_or_default()),
                partition: message.partition(),
                headers: headers
                    .map(|header| (header.key.to_owned(), text(header.value.unwrap_or_default())))
                    .collect(),
                time_ms: message.timestamp().to_millis(),
            });
            if enough(records.last().expect("was pushed")) {
                return records;
            }
        }
    }
}
