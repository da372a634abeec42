//! The facts about a connected client.

use std::net::IpAddr;

use super::super::read_gate::Pause;

/// The rate at which a client receives its messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// It keeps up.
    Free,
    /// Its output is full, and its publishers wait for it.
    Full,
    /// It has taken nothing for so long that publishers do not wait for it: QoS 0 for it is
    /// dropped.
    Slow,
}

/// A connected client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientFacts {
    /// Its address; none: a Unix socket.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// The number of the listener that accepted it.
    pub listener: u16,
    /// The MQTT version, in words.
    pub version: &'static str,
    /// The name of its transport.
    pub transport: &'static str,
    /// The keep alive, in seconds; 0: none.
    pub keep_alive_s: u32,
    /// Whether it has set a will.
    pub will: bool,
    /// Whether its certificate identifies it.
    pub certified: bool,
    /// The rate at which it receives its messages.
    pub pace: Pace,
    /// Bytes that wait to be sent or are being sent.
    pub outgoing_bytes: u64,
    /// Bytes received from it.
    pub received_bytes: u64,
    /// Bytes of MQTT sent to it.
    pub sent_bytes: u64,
    /// The time of its CONNECT: uptime, in milliseconds.
    pub since_ms: u64,
    /// The time since then, in milliseconds.
    pub connected_ms: u64,
    /// The time since its last packet, in milliseconds.
    pub silent_ms: u64,
    /// Bits of the reasons not to read from it; see [`ClientFacts::waits`].
    pub(crate) waits: u8,
}

impl ClientFacts {
    /// The reasons not to read from it, in words.
    pub fn waits(&self) -> impl Iterator<Item = &'static str> {
        Pause::all_of(self.waits).map(Pause::name)
    }
}
