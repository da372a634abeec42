//! What tests start, and clients to look at it with.

mod client;
mod nats;
mod postgres;
mod process;
mod programs;

pub(crate) use client::Client;
pub(crate) use nats::{Nats, Stored};
pub(crate) use postgres::Postgres;
pub(crate) use process::{PATIENCE, TempDir};
pub(crate) use programs::{Bridge, Broker, Mosquitto};

/// How often a loop of kills goes round: more in `scripts/bridge-test`.
pub(crate) fn rounds(short: usize) -> usize {
    std::env::var("BRIDGE_TEST_ROUNDS").map_or(short, |text| text.parse().expect("a number"))
}
