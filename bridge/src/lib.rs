//! ringmq-bridge: moves what a ringmq broker holds into other systems, and back.
//!
//! The broker's log is the buffer; the bridge is a client with a durable session, and acknowledges
//! a message only when the target has acknowledged it. So a crash of either loses nothing.
//!
//! | module | what it is |
//! |---|---|
//! | [`config`] | the file, checked |
//! | [`mqtt`] | the bridge as a client of brokers |
//! | [`nats`] | the bridge as a client of NATS |
//! | [`flow`] | the way from an input to a target: batches, errors, watermark |
//! | [`sinks`] | targets |
//! | [`template`], [`value`] | what is made of a message |
//! | [`metrics`], [`http`], [`terminal`], [`notify`] | what operators and service managers see |
//! | [`limits`] | every bound |
//!
//! Each flow has a thread with a runtime of its own, so that a slow or dead target takes nothing
//! from the others.

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
pub mod value;
