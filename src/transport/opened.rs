//! The result of opening received bytes.

use super::fault::TlsFault;
use super::websocket::{Refusal, WebSocketFault};

/// The content of received bytes.
#[derive(Debug)]
pub struct Opened<'a> {
    /// Application bytes, in order, including those before an end or a fault.
    pub bytes: &'a [u8],
    /// The state of the stream after them.
    pub then: Then,
}

/// The state of the stream after application bytes.
#[derive(Debug)]
pub enum Then {
    /// It goes on with the next received bytes.
    More,
    /// It has ended: the peer said that it sends no more.
    End,
    /// TLS failed. An alert that says why waits to be sent.
    Fault(TlsFault),
    /// An HTTP request was refused. The answer waits to be sent.
    Refused(Refusal),
    /// The client broke a rule of WebSocket. A Close frame that says which waits to be sent.
    WebSocket(WebSocketFault),
}
