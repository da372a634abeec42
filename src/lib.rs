//! ringmq: MQTT at the front, a log inside.

pub mod broker;
pub mod chunk;
pub mod config;
pub mod cpus;
pub mod limits;
pub mod mesh;
pub mod mqtt;
pub mod reactor;
pub mod ring;
pub mod store;
pub mod transport;
