//! What tests start, and clients to look at it with.

mod client;
#[cfg(feature = "kafka")]
mod kafka;
mod nats;
mod postgres;
mod process;
mod programs;

pub(crate) use client::Client;
#[cfg(feature = "kafka")]
pub(crate) use client::Received;
#[cfg(feature = "kafka")]
pub(crate) use kafka::{Kafka, Record};
pub(crate) use nats::{Nats, Stored};
pub(crate) use postgres::Postgres;
pub(crate) use process::{PATIENCE, Process, TempDir};
pub(crate) use programs::{Bridge, Broker, Mosquitto, free_port};

/// How often a loop of kills goes round: more in `scripts/bridge-test`.
pub(crate) fn rounds(short: usize) -> usize {
    std::env::var("BRIDGE_TEST_ROUNDS").map_or(short, |text| text.parse().expect("a number"))
}
