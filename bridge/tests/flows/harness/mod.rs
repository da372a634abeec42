//! What tests start, and clients to look at it with.

mod apart;
mod client;
mod deaf;
mod influx;
#[cfg(feature = "kafka")]
mod kafka;
mod link;
mod nats;
mod network;
mod postgres;
mod process;
mod programs;
mod secured;
#[cfg(feature = "kafka")]
mod tansu;

pub(crate) use apart::{SmallDisk, in_own_network, on_small_disk};
pub(crate) use client::Client;
#[cfg(feature = "kafka")]
pub(crate) use client::Received;
pub(crate) use deaf::Deaf;
pub(crate) use influx::Influx;
#[cfg(feature = "kafka")]
pub(crate) use kafka::{Kafka, Record, Tail};
pub(crate) use link::{Link, Way};
pub(crate) use nats::{Cluster, Edition, Nats, Stored};
pub(crate) use network::Host;
pub(crate) use postgres::{Postgres, SOCKET};
pub(crate) use process::{PATIENCE, Process, TempDir};
pub(crate) use programs::{Bridge, Broker, Mosquitto, free_port};
pub(crate) use secured::{Authority, SecuredPostgres};
#[cfg(feature = "kafka")]
pub(crate) use tansu::Tansu;

/// How often a loop of kills goes round: more in `scripts/bridge-test`.
pub(crate) fn rounds(short: usize) -> usize {
    std::env::var("BRIDGE_TEST_ROUNDS").map_or(short, |text| text.parse().expect("a number"))
}
