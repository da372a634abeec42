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

    /// Reads a stream from its beginning until `enough` says so of what came.
    #[track_caller]
    pub(crate) fn read(&self, stream: &str, enough: impl Fn(&Stored) -> bool) -> Vec<Stored> {
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
