//! What tests start, and clients to look at it with.

mod client;
mod process;
mod programs;

pub(crate) use client::Client;
pub(crate) use process::{PATIENCE, TempDir};
pub(crate) use programs::{Bridge, Broker, Mosquitto};
