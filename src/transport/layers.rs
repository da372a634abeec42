//! The layers between a link's wire bytes and MQTT: optional TLS, and optional WebSocket over it.
//!
//! ```text
//!  Undecided ──an HTTP request──► WebSocket
//!      └──anything else──► Mqtt
//! ```
//! The first byte decides: HTTP methods begin with a capital letter, and a CONNECT packet does not.
//! A link that turns out to be MQTT over plain TCP drops its layers.

use crate::chunk::{Batch, ChunkPool};

use super::opened::{Opened, Then};
use super::tls::Tls;
use super::websocket::{Accepts, Beginning, Closing, Next, WebSocket, WebSocketFault};

/// The beginning of a PROXY header (version 1), at a listener that expects none. It is passed on
/// to the MQTT decoder, whose error names it.
const PROXY_HEADER: &[u8] = b"PROXY ";

/// The layers of one link; see the module.
#[derive(Debug)]
pub struct Layers {
    tls: Option<Box<Tls>>,
    top: Top,
}

#[derive(Debug)]
enum Top {
    Undecided(Box<Beginning>),
    Mqtt,
    WebSocket(Box<WebSocket>),
}

impl Layers {
    pub(super) fn new(tls: Option<Tls>, beginning: Beginning) -> Self {
        Self { tls: tls.map(Box::new), top: Top::Undecided(Box::new(beginning)) }
    }

    /// Whether wire bytes are known to be application bytes.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.tls.is_none() && matches!(self.top, Top::Mqtt)
    }

    #[inline]
    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }

    pub(super) fn tls_mut(&mut self) -> Option<&mut Tls> {
        self.tls.as_deref_mut()
    }

    pub(super) fn is_websocket(&self) -> bool {
        matches!(self.top, Top::WebSocket(_))
    }

    pub(super) fn open<'a>(&mut self, wire: &'a mut [u8], room: &'a mut Vec<u8>) -> Opened<'a> {
        let (bytes, then) = match &mut self.tls {
            Some(tls) => {
                let then = tls.open(wire, room);
                (room.as_mut_slice(), then)
            }
            None => (wire, Then::More),
        };
        if let Top::Undecided(beginning) = &mut self.top
            && !bytes.is_empty()
        {
            let beginning = std::mem::take(&mut **beginning);
            match decide(beginning, bytes) {
                Ok(top) => self.top = top,
                Err(fault) => return Opened { bytes: &[], then: Then::WebSocket(fault) },
            }
        }
        match &mut self.top {
            Top::Undecided(_) | Top::Mqtt => Opened { bytes, then },
            Top::WebSocket(websocket) => {
                let (bytes, next) = websocket.open(bytes);
                let then = match next {
                    Next::More => then,
                    Next::End => Then::End,
                    Next::Refused(refusal) => Then::Refused(refusal),
                    Next::Fault(fault) => Then::WebSocket(fault),
                };
                Opened { bytes, then }
            }
        }
    }

    #[inline]
    pub(super) fn has_output(&self) -> bool {
        self.tls().is_some_and(Tls::has_output)
            || matches!(&self.top, Top::WebSocket(websocket) if websocket.has_output())
    }

    pub(super) fn seal(
        &mut self,
        plain: Batch,
        last: bool,
        room: &mut Vec<u8>,
        pool: &mut ChunkPool,
    ) -> Batch {
        let Self { tls, top } = self;
        let (framed, last) = match top {
            // The next frame starts only after TLS has sealed the rest of the last one.
            Top::WebSocket(websocket) if !tls.as_deref().is_some_and(Tls::is_full) => {
                (websocket.frame(plain, last, pool), last)
            }
            Top::WebSocket(websocket) => (plain, last && websocket.is_closed()),
            Top::Undecided(_) | Top::Mqtt => (plain, last),
        };
        match tls {
            Some(tls) => tls.seal(framed, last, room, pool),
            None => framed,
        }
    }

    #[inline]
    pub(super) fn on_sent(&mut self, bytes: usize) -> usize {
        let bytes = match &mut self.tls {
            Some(tls) => tls.on_sent(bytes),
            None => bytes,
        };
        match &mut self.top {
            Top::WebSocket(websocket) => websocket.on_sent(bytes),
            Top::Undecided(_) | Top::Mqtt => bytes,
        }
    }

    pub(super) fn note_closing(&mut self, closing: Closing) {
        if let Top::WebSocket(websocket) = &mut self.top {
            websocket.note_closing(closing);
        }
    }
}

/// The protocol of a link that begins with these bytes.
fn decide(beginning: Beginning, bytes: &[u8]) -> Result<Top, WebSocketFault> {
    let is_http = bytes[0].is_ascii_uppercase() && !bytes.starts_with(PROXY_HEADER);
    match beginning.accepts {
        _ if is_http => Ok(Top::WebSocket(Box::new(WebSocket::new(beginning)))),
        Accepts::Both | Accepts::Mqtt => Ok(Top::Mqtt),
        Accepts::WebSocket => Err(WebSocketFault::NoRequest),
    }
}
