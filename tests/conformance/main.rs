//! MQTT 3.1.1, statement by statement: `table` lists every one and names the tests that hold it.

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
mod websocket;
mod will;
