//! The bridge as a process, between brokers and targets that are processes too. Every test starts
//! what it needs on loopback, in a directory of its own, and ends it by its id.

mod check;
mod harness;
mod http;
mod mqtt;
mod nats;
mod postgres;
