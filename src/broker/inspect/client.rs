//! A client that is connected, in facts.

use std::net::IpAddr;

use super::super::read_gate::Pause;

/// How a client takes what is sent to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// It keeps up.
    Free,
    /// Its output is full, and its publishers wait for it.
    Full,
    /// It has taken nothing for so long that nobody waits for it: QoS 0 for it is dropped.
    Slow,
}

/// A client that is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientFacts {
    /// Where it connected from; none: a Unix socket.
    pub address: Option<IpAddr>,
    /// From which port.
    pub port: u16,
    /// The number of the listener that it came in through.
    pub listener: u16,
    /// The MQTT version, in words.
    pub version: &'static str,
    /// What carries the connection, in a word.
    pub transport: &'static str,
    /// Seconds; 0: none.
    pub keep_alive_s: u32,
    /// It has left a will.
    pub will: bool,
    /// Its certificate says who it is.
    pub certified: bool,
    /// How it takes what is sent to it.
    pub pace: Pace,
    /// Bytes that wait to be sent, or are on their way.
    pub outgoing_bytes: u64,
    /// Bytes received from it.
    pub received_bytes: u64,
    /// Bytes of MQTT sent to it.
    pub sent_bytes: u64,
    /// When it was let in: uptime, milliseconds.
    pub since_ms: u64,
    /// Since then, milliseconds.
    pub connected_ms: u64,
    /// Since its last packet, milliseconds.
    pub silent_ms: u64,
    /// Why it is not read from, as bits; see [`ClientFacts::waits`].
    pub(crate) waits: u8,
}

impl ClientFacts {
    /// Why it is not read from, in words.
    pub fn waits(&self) -> impl Iterator<Item = &'static str> {
        Pause::all_of(self.waits).map(Pause::name)
    }
}
