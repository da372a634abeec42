//! What tests start, and clients to look at it with.

mod client;
mod deaf;
#[cfg(feature = "kafka")]
mod kafka;
mod nats;
mod postgres;
mod process;
mod programs;
mod secured;
#[cfg(feature = "kafka")]
mod tansu;

pub(crate) use client::Client;
#[cfg(feature = "kafka")]
pub(crate) use client::Received;
pub(crate) use deaf::Deaf;
#[cfg(feature = "kafka")]
pub(crate) use kafka::{Kafka, Record};
pub(crate) use nats::{Nats, Stored};
pub(crate) use postgres::Postgres;
pub(crate) use process::{PATIENCE, Process, TempDir};
pub(crate) use programs::{Bridge, Broker, Mosquitto, free_port};
pub(crate) use secured::{Authority, SecuredPostgres};
#[cfg(feature = "kafka")]
pub(crate) use tansu::Tansu;

/// How often a loop of kills goes round: more in `scripts/bridge-test`.
pub(crate) fn rounds(short: usize) -> usize {
    std::env::var("BRIDGE_TEST_ROUNDS").map_or(short, |text| text.parse().expect("a number"))
}
