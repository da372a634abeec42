//! ringmq-bridge: moves messages between a ringmq broker and other systems.
//!
//! The broker's log is the buffer. The bridge is a client with a durable session, and acknowledges
//! a message only after the target has acknowledged it. So a crash of either loses no message.
//!
//! | module | what it is |
//! |---|---|
//! | [`backlog`] | what waits in the broker |
//! | [`config`] | the file, checked |
//! | [`mqtt`] | the bridge as a client of brokers |
//! | [`flow`] | the path from an input to a target: batches, errors, watermark |
//! | [`sinks`] | targets |
//! | [`template`], [`value`] | texts and values made from a message |
//! | [`metrics`], [`http`], [`terminal`], [`notify`] | output for operators and service managers |
//! | [`limits`] | every bound |
//!
//! Each flow has a thread with its own runtime, so that a slow or dead target does not affect
//! others.

pub mod backlog;
pub mod config;
pub mod flow;
pub mod http;
mod json;
pub mod limits;
pub mod metrics;
pub mod mqtt;
pub mod nats;
pub mod notify;
mod shown;
pub mod sinks;
pub mod template;
pub mod terminal;
mod tls;
pub mod value;
