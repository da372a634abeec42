//! The configuration file: the flows and their ends.
//!
//! A file is read whole, and each fault is reported with line and column. The result is checked:
//! filters are valid, templates are compiled, secrets are read.

mod admin;
mod flows;
mod kafka;
mod loops;
mod nats;
mod nats_source;
mod postgres;
mod section;
mod targets;
mod values;

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringmq::mqtt::Version;
use toml::de::DeTable;

pub use admin::{Admin, AdminAddress};
pub use kafka::{KafkaOnce, KafkaTarget};
pub use nats::{NatsAccess, NatsFormat, NatsTarget};
pub use nats_source::{NatsInput, Retain};
pub use postgres::{Missing, PostgresTarget, PostgresTls};
pub use section::Fault;
pub use targets::{HttpTarget, Mark, MqttTarget, Target};
pub use values::{Address, Secret};

use crate::limits::{CONFIG_BYTES_MAX, CONFIG_FAULTS_MAX};
use section::{Faults, Section};

/// The configuration of the process.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address of operators' HTTP; `None`: it is off.
    pub http: Option<SocketAddr>,
    /// Where the broker tells what waits there.
    pub admin: Option<Admin>,
    /// Sinks and sources, at least one.
    pub flows: Vec<Flow>,
}

/// A broker, with the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: Address,
    /// Certificates for `mqtts`.
    pub tls: TlsFiles,
    /// User name.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// 3.1.1 or 5.
    pub version: Version,
    /// The broker's name in messages that it has sent over a bridge. It is the same in all bridges.
    pub id: String,
}

/// Files for TLS as a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFiles {
    /// Certificates to trust; without it those of the system.
    pub ca: Option<String>,
    /// Certificate chain and key of this client.
    pub identity: Option<(String, String)>,
}

/// A flow of messages from an input to a target.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Its unique name, which client ids and metrics contain.
    pub name: String,
    /// Where messages come from.
    pub input: Input,
    /// Where they go.
    pub target: Target,
    /// The bounds of its batches.
    pub batch: BatchLimits,
    /// The most bytes that the flow holds.
    pub buffer: usize,
    /// The handling of messages that the target refuses.
    pub dead: Dead,
    /// The broker that gets dead letters.
    pub home: Peer,
    /// The file of positions, for targets that need them.
    pub positions: Option<PathBuf>,
}

/// Where messages come from.
#[derive(Debug, Clone)]
pub enum Input {
    /// A session at a broker.
    Mqtt(MqttInput),
    /// Subjects of NATS.
    Nats(NatsInput),
}

/// A durable session at a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttInput {
    /// The broker.
    pub peer: Peer,
    /// The client id of the session.
    pub client_id: String,
    /// The filters of its subscriptions, at least one.
    pub filters: Vec<String>,
    /// The consumer group that shares the messages with other readers.
    pub group: Option<String>,
    /// 0 or 1.
    pub qos: u8,
    /// The most messages in flight.
    pub window: u16,
    /// Whether retained messages are delivered when the session begins.
    pub retained: bool,
}

impl MqttInput {
    /// The filters of the SUBSCRIBE.
    pub(crate) fn subscriptions(&self) -> Vec<String> {
        let subscription = |filter: &String| match &self.group {
            Some(group) => format!("$share/{group}/{filter}"),
            None => filter.clone(),
        };
        self.filters.iter().map(subscription).collect()
    }
}

/// The conditions to write a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// It has this number of messages.
    pub messages: usize,
    /// It has this number of bytes.
    pub bytes: usize,
    /// Its first message has this age.
    pub linger: Duration,
}

/// The handling of a message that the target refuses because of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dead {
    /// Publish it to this topic of the broker.
    Topic(String),
    /// Stop the flow.
    Stop,
    /// Drop and count it.
    Drop,
}

/// Reads and checks a file.
///
/// # Errors
/// All its faults, by line.
pub fn load(path: &Path) -> Result<Config, Vec<Fault>> {
    let text =
        read(path).map_err(|says| vec![Fault { file: path.to_owned(), place: None, says }])?;
    parse(path, &text)
}

/// Checks a text as the content of `path`.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, text: &str) -> Result<Config, Vec<Fault>> {
    let faults = Faults::new(path, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors.iter().take(CONFIG_FAULTS_MAX) {
        let at = error.span().map_or(0, |span| span.start);
        faults.add(at, format!("is no TOML: {}", error.message()));
    }
    if !faults.is_empty() {
        return Err(faults.into_inner());
    }
    let root = Section::root(table.get_ref(), &faults);
    let config = flows::config(root);
    match config.filter(|_| faults.is_empty()) {
        Some(config) => Ok(config),
        None => Err(faults.into_inner()),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    file.take(CONFIG_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        return Err(format!("has more than {CONFIG_BYTES_MAX} bytes; is it the right file?"));
    }
    String::from_utf8(bytes).map_err(|_| "is no UTF-8".to_owned())
}

#[cfg(test)]
mod tests;
