//! nats-server with JetStream, and a look into its streams.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use async_nats::jetstream::consumer::Consumer;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::context::Context;
use async_nats::jetstream::stream::Config;
use futures_util::StreamExt;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::link::Link;
use super::network::Host;
use super::process::{PATIENCE, Process, TempDir};
use super::programs::free_port;

/// A message of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
    /// Whether the stream had no more then.
    pub(crate) is_last: bool,
}

/// Which nats-server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edition {
    /// Debian's, the oldest that many have.
    Debian,
    /// That of `scripts/lib/nats-env`.
    Newest,
}

impl Edition {
    pub(crate) const ALL: [Self; 2] = [Self::Debian, Self::Newest];

    fn program(self) -> PathBuf {
        static NEWEST: OnceLock<PathBuf> = OnceLock::new();
        let newest = || {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/lib/nats-env");
            let output = Command::new(script).output().expect("the script is there");
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{script}: {error}");
            PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
        };
        match self {
            Self::Debian => {
                let program = PathBuf::from("/usr/sbin/nats-server");
                assert!(program.exists(), "the package nats-server is missing");
                program
            }
            Self::Newest => NEWEST.get_or_init(newest).clone(),
        }
    }
}

/// A server on a port of its own, and a client of the test's.
pub(crate) struct Nats {
    process: Process,
    directory: TempDir,
    edition: Edition,
    host: Host,
    port: u16,
    flags: Vec<String>,
    runtime: Runtime,
}

impl Nats {
    pub(crate) fn start() -> Self {
        Self::start_in(TempDir::new(), Edition::Debian)
    }

    /// A server whose files are in a directory.
    pub(crate) fn start_in(directory: TempDir, edition: Edition) -> Self {
        Self::start_with(directory, edition, Host::own(), free_port(), Vec::new())
    }

    fn start_with(
        directory: TempDir,
        edition: Edition,
        host: Host,
        port: u16,
        flags: Vec<String>,
    ) -> Self {
        let process = Self::spawn(&directory, edition, &host, port, &flags);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        Self { process, directory, edition, host, port, flags, runtime }
    }

    fn spawn(
        directory: &TempDir,
        edition: Edition,
        host: &Host,
        port: u16,
        flags: &[String],
    ) -> Process {
        let mut command = host.command(&edition.program());
        command.args(["-a", &host.address, "-js", "-p", &port.to_string(), "-sd"]);
        command.arg(directory.join("store")).args(flags);
        let process = Process::spawn(command);
        process.wait_for_line("Server is ready");
        process
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}:{}", self.host.address, self.port)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) fn start_again(&mut self) {
        let Self { directory, edition, host, port, flags, .. } = self;
        self.process = Self::spawn(directory, *edition, host, *port, flags);
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

    /// Publishes to a stream that may have no leader for some seconds.
    #[track_caller]
    pub(crate) fn publish_when_led(&self, subject: &str, payload: &str) {
        let deadline = Instant::now() + PATIENCE;
        self.runtime.block_on(async {
            loop {
                let context = self.context().await;
                let payload = payload.to_owned().into();
                let sent = context.publish(subject.to_owned(), payload).await.expect("is sent");
                match sent.await {
                    Ok(_) => return,
                    Err(error) => assert!(Instant::now() < deadline, "{error}"),
                }
            }
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
        let waited = self.runtime.block_on(async { timeout(PATIENCE, waiting).await });
        waited.expect("all of it is acknowledged");
    }

    /// Reads a stream from its beginning until `enough` says so of what came.
    #[track_caller]
    pub(crate) fn read(
        &self,
        stream: &str,
        mut enough: impl FnMut(&Stored) -> bool,
    ) -> Vec<Stored> {
        let mut all = Vec::new();
        self.visit(stream, |stored| {
            all.push(stored);
            !enough(all.last().expect("was pushed"))
        });
        all
    }

    async fn consumer_of(
        &self,
        stream: &str,
    ) -> Result<Consumer<OrderedConfig>, Box<dyn std::error::Error>> {
        let stream = self.context().await.get_stream(stream).await?;
        Ok(stream.create_consumer(OrderedConfig::default()).await?)
    }

    /// Reads a stream from its beginning as long as `goes_on`.
    #[track_caller]
    pub(crate) fn visit(&self, stream: &str, mut goes_on: impl FnMut(Stored) -> bool) {
        self.runtime.block_on(async {
            let deadline = Instant::now() + PATIENCE;
            let consumer = loop {
                match self.consumer_of(stream).await {
                    Ok(consumer) => break consumer,
                    // A cluster has no leader for some seconds after a kill.
                    Err(error) => assert!(Instant::now() < deadline, "{error}"),
                }
            };
            let mut messages = consumer.messages().await.expect("are sent");
            let late = "the stream has what is looked for";
            while let Some(message) = timeout(PATIENCE, messages.next()).await.expect(late) {
                let message = message.expect("comes whole");
                let headers = message.headers.iter().flat_map(|headers| {
                    let pairs = headers.iter();
                    pairs.flat_map(|(name, values)| {
                        values.iter().map(move |value| (name.to_string(), value.to_string()))
                    })
                });
                let stored = Stored {
                    subject: message.subject.to_string(),
                    payload: message.payload.to_vec(),
                    headers: headers.collect(),
                    is_last: message.info().expect("is of a stream").pending == 0,
                };
                if !goes_on(stored) {
                    return;
                }
            }
        });
    }
}

/// Three servers that have each stream together.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Nats>,
}

impl Cluster {
    /// One on each host.
    pub(crate) fn start_on(edition: Edition, hosts: &[Host]) -> Self {
        let place = |host: &Host| (host.clone(), free_port(), Vec::new());
        Self::join(edition, hosts.iter().map(place).collect())
    }

    /// One behind each of the links, whose addresses they tell their clients.
    pub(crate) fn start_behind(edition: Edition) -> (Self, Vec<Link>) {
        let host = Host::own();
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let links: Vec<Link> = ports.iter().map(|port| Link::tcp(*port)).collect();
        let place = |(port, link): (u16, &Link)| {
            let told = format!("{}:{}", host.address, link.port());
            (host.clone(), port, vec!["--client_advertise".to_owned(), told])
        };
        let places = ports.into_iter().zip(&links).map(place).collect();
        (Self::join(edition, places), links)
    }

    /// A server for each host with its port and its flags.
    fn join(edition: Edition, places: Vec<(Host, u16, Vec<String>)>) -> Self {
        let route = |place: &(Host, u16, Vec<String>)| {
            format!("nats://{}:{}", place.0.address, free_port())
        };
        let routes: Vec<String> = places.iter().map(route).collect();
        let node = |(at, (host, port, more)): (usize, (Host, u16, Vec<String>))| {
            let name = format!("node{at}");
            let flags = ["--cluster_name", "c", "-n", &name, "--cluster", &routes[at], "--routes"];
            let mut flags: Vec<String> = flags.map(str::to_owned).into();
            flags.push(routes.join(","));
            flags.extend(more);
            Nats::start_with(TempDir::new(), edition, host, port, flags)
        };
        Self { nodes: places.into_iter().enumerate().map(node).collect() }
    }

    /// For `servers = [ … ]`.
    pub(crate) fn servers(&self) -> String {
        let urls: Vec<String> = self.nodes.iter().map(|node| format!("{:?}", node.url())).collect();
        urls.join(", ")
    }

    /// Makes a stream of these subjects on all servers, as soon as they have a leader.
    pub(crate) fn make_stream(&self, name: &str, subject: &str) {
        let config = Config {
            name: name.to_owned(),
            subjects: vec![subject.to_owned()],
            num_replicas: self.nodes.len(),
            ..Config::default()
        };
        let deadline = Instant::now() + PATIENCE;
        let node = &self.nodes[0];
        node.runtime.block_on(async {
            while let Err(error) = node.context().await.create_stream(config.clone()).await {
                assert!(Instant::now() < deadline, "{error}");
            }
        });
    }
}
