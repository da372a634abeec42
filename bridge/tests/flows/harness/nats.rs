//! nats-server with JetStream, and a look into its streams.

use std::path::PathBuf;
use std::process::Command;

use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::context::Context;
use async_nats::jetstream::stream::Config;
use futures_util::StreamExt;
use tokio::runtime::Runtime;

use super::process::{PATIENCE, Process, TempDir};
use super::programs::free_port;

/// A message of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
}

/// A server on a port of its own, and a client of the test's.
pub(crate) struct Nats {
    process: Process,
    directory: TempDir,
    port: u16,
    runtime: Runtime,
}

impl Nats {
    pub(crate) fn start() -> Self {
        let (directory, port) = (TempDir::new(), free_port());
        let process = Self::spawn(&directory, port);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { process, directory, port, runtime: runtime.expect("a runtime") }
    }

    fn spawn(directory: &TempDir, port: u16) -> Process {
        let program = PathBuf::from("/usr/sbin/nats-server");
        assert!(program.exists(), "the package nats-server is missing");
        let mut command = Command::new(program);
        command.args(["-a", "127.0.0.1", "-js", "-p", &port.to_string(), "-sd"]);
        command.arg(directory.join("store"));
        let process = Process::spawn(command);
        process.wait_for_line("Server is ready");
        process
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) fn start_again(&mut self) {
        self.process = Self::spawn(&self.directory, self.port);
    }

    async fn context(&self) -> Context {
        let client = async_nats::connect(self.url()).await.expect("the server listens");
        async_nats::jetstream::new(client)
    }

    /// Makes a stream of these subjects.
    pub(crate) fn make_stream(&self, name: &str, subject: &str) {
        self.runtime.block_on(async {
            let config = Config {
                name: name.to_owned(),
                subjects: vec![subject.to_owned()],
                ..Config::default()
            };
            self.context().await.create_stream(config).await.expect("the server makes it");
        });
    }

    /// Publishes to a stream, and returns when the stream has it.
    #[track_caller]
    pub(crate) fn publish(&self, subject: &str, payload: &str, headers: &[(&str, &str)]) {
        self.runtime.block_on(async {
            let mut all = async_nats::HeaderMap::new();
            for (name, value) in headers {
                all.insert(*name, *value);
            }
            let (subject, payload) = (subject.to_owned(), payload.to_owned());
            let context = self.context().await;
            let sent = context.publish_with_headers(subject, all, payload.into()).await;
            sent.expect("is sent").await.expect("a stream takes it");
        });
    }

    /// Publishes numbers to a stream, and returns when the stream has all of them.
    #[track_caller]
    pub(crate) fn publish_numbers(&self, subject: &str, numbers: std::ops::Range<usize>) {
        self.runtime.block_on(async {
            let context = self.context().await;
            let mut sent = Vec::new();
            for number in numbers {
                let payload = number.to_string().into();
                sent.push(context.publish(subject.to_owned(), payload).await.expect("is sent"));
            }
            for ack in sent {
                ack.await.expect("a stream takes it");
            }
        });
    }

    /// Publishes without a stream, and returns when the server has it.
    pub(crate) fn send(&self, subject: &str, payload: &str) {
        self.runtime.block_on(async {
            let client = async_nats::connect(self.url()).await.expect("the server listens");
            let (subject, payload) = (subject.to_owned(), payload.to_owned());
            client.publish(subject, payload.into()).await.expect("is sent");
            client.flush().await.expect("the server answers");
        });
    }

    /// Returns when a consumer has acknowledged all of its stream.
    #[track_caller]
    pub(crate) fn wait_until_acknowledged(&self, stream: &str, consumer: &str) {
        let waiting = async {
            let stream = self.context().await.get_stream(stream).await.expect("it is there");
            loop {
                let info = stream.consumer_info(consumer).await.expect("it is there");
                if info.num_pending == 0 && info.num_ack_pending == 0 {
                    return;
                }
            }
        };
        let waited = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, waiting).await });
        waited.expect("all of it is acknowledged");
    }

    /// Reads a stream from its beginning until `enough` says so of what came.
    #[track_caller]
    pub(crate) fn read(
        &self,
        stream: &str,
        mut enough: impl FnMut(&Stored) -> bool,
    ) -> Vec<Stored> {
        let reading = async {
            let stream = self.context().await.get_stream(stream).await.expect("it is there");
            let consumer = stream.create_consumer(OrderedConfig::default()).await;
            let mut messages = consumer.expect("is made").messages().await.expect("are sent");
            let mut all = Vec::new();
            while let Some(message) = messages.next().await {
                let message = message.expect("comes whole");
                let headers = message.headers.iter().flat_map(|headers| {
                    let pairs = headers.iter();
                    pairs.flat_map(|(name, values)| {
                        values.iter().map(move |value| (name.to_string(), value.to_string()))
                    })
                });
                all.push(Stored {
                    subject: message.subject.to_string(),
                    payload: message.payload.to_vec(),
                    headers: headers.collect(),
                });
                if enough(all.last().expect("was pushed")) {
                    break;
                }
            }
            all
        };
        let waited = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, reading).await });
        waited.expect("the stream has what is looked for")
    }
}
