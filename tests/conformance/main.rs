//! MQTT 3.1.1 and, in `v5`, MQTT 5, statement by statement: a `table` lists every one and names the
//! tests that hold it.

#[path = "../common/mod.rs"]
mod common;

mod connect;
mod delivery;
mod framing;
mod publish;
mod qos2_in;
mod qos2_out;
mod retained;
mod session;
mod subscribe;
mod table;
mod topics;
mod v5;
mod websocket;
mod will;
