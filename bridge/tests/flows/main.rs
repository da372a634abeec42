//! The bridge as a process, between brokers and targets that are processes too. Every test starts
//! what it needs on loopback, in a directory of its own, and ends it by its id.

mod backlog;
mod check;
mod faults;
mod haproxy;
mod harness;
mod http;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "kafka")]
mod kafka_once;
#[cfg(feature = "kafka-tls")]
mod kafka_tls;
mod memory;
mod mqtt;
mod nats;
mod nats_source;
mod nodes;
mod postgres;
mod series;
mod tls;
