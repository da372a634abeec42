//! MQTT over WebSocket, over real sockets: requests that open one and others, frames, hostile
//! peers, TLS and proxies, and clients that others wrote.

#[allow(dead_code, reason = "what it revokes is of the tests of TLS")]
#[path = "../tls/authority.rs"]
mod authority;
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "as above")]
#[path = "../tls/door.rs"]
mod door;

mod clients;
mod frames;
mod hostile;
mod listeners;
mod requests;
