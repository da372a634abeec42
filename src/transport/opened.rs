//! The result of opening received bytes.

use super::fault::TlsFault;
use super::websocket::{Refusal, WebSocketFault};

/// What received bytes held.
#[derive(Debug)]
pub struct Opened<'a> {
    /// Application bytes, in order; those before an end or a fault included.
    pub bytes: &'a [u8],
    /// What came after them.
    pub then: Then,
}

/// What comes after application bytes.
#[derive(Debug)]
pub enum Then {
    /// More, when more is received.
    More,
    /// Nothing: the peer has said that it sends no more.
    End,
    /// Nothing: what came is no TLS, or not acceptable. An alert that says so is to be sent.
    Fault(TlsFault),
    /// Nothing: an HTTP request that opens no WebSocket. The answer is to be sent.
    Refused(Refusal),
    /// Nothing: the client broke a rule of WebSocket. A Close frame that says so is to be sent.
    WebSocket(WebSocketFault),
}
