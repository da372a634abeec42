//! TLS over real sockets: versions, certificates of both sides, server names, tickets, hostile
//! peers, faulty files, and clients that others wrote.

#[path = "../common/mod.rs"]
mod common;

mod authority;
mod bench;
mod certificates;
mod clients;
mod door;
mod files;
mod handshakes;
mod hostile;
mod http;
mod log;
mod proxied;
mod reload;
mod users;
