//! Tansu, a second broker with the protocol of Kafka, and a look into its topics. It does not tell
//! consumers which transactions were aborted, nor the metadata of committed offsets.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::process::{PATIENCE, Process};
use super::programs::free_port;

const PARTITIONS: i32 = 4;

/// A broker that keeps its topics in memory.
pub(crate) struct Tansu {
    _process: Process,
    port: u16,
}

/// That of `scripts/lib/tansu-env`.
fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/lib/tansu-env");
        let output = Command::new(script).output().expect("the script is there");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {error}");
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    };
    PROGRAM.get_or_init(find).clone()
}

impl Tansu {
    pub(crate) fn start() -> Self {
        let port = free_port();
        let url = format!("tcp://127.0.0.1:{port}");
        let mut command = Command::new(program());
        command.args(["broker", "--silent", "--storage-engine", "memory://tansu/"]);
        command.args(["--listener-url", &url, "--advertised-listener-url", &url]);
        let process = Process::spawn(command);
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = TcpStream::connect(("127.0.0.1", port)) {
            assert!(Instant::now() < deadline, "Tansu does not listen: {error}");
        }
        Self { _process: process, port }
    }

    pub(crate) fn server(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn make_topic(&self, topic: &str) {
        let mut command = Command::new(program());
        command.args(["topic", "create", topic, "--partitions", &PARTITIONS.to_string()]);
        let url = format!("tcp://{}", self.server());
        let output = command.args(["--broker", &url]).output().expect("the program is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Key and payload of the records from the beginning until `enough` says so of one.
    #[track_caller]
    pub(crate) fn read(
        &self,
        topic: &str,
        mut enough: impl FnMut(&(String, String)) -> bool,
    ) -> Vec<(String, String)> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.server())
            .set("group.id", "test")
            .set("enable.auto.commit", "false")
            .create()
            .expect("the options are good");
        let mut partitions = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            let added = partitions.add_partition_offset(topic, partition, Offset::Beginning);
            added.expect("is an offset");
        }
        consumer.assign(&partitions).expect("the partitions are there");
        let deadline = Instant::now() + PATIENCE;
        let mut records = Vec::new();
        loop {
            assert!(Instant::now() < deadline, "{} records came", records.len());
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
            let text = |bytes: Option<&[u8]>| {
                String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
            };
            records.push((text(message.key()), text(message.payload())));
            if enough(records.last().expect("was pushed")) {
                return records;
            }
        }
    }
}
