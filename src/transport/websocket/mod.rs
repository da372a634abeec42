//! WebSocket on one link (RFC 6455): an HTTP request and its answer, then frames.
//!
//! ```text
//!  Request ──answered with 101──► Open ──fault or their Close──► Ending ──our Close──► Closed
//!     └──answered with another──► Refused ──that was sent───────────────────────────────▲
//! ```
//! The application bytes of one send form one frame, whose header precedes its chunks. Pongs and
//! the Close frame go in the same sends.
//!
//! Invariant: a send begins only after the previous one was sent whole, so `Sent` counts one frame.

mod fault;
mod frames;
mod handshake;
pub mod mask;
mod setup;

use std::sync::Arc;

use crate::chunk::{Batch, Chunk, ChunkPool};
use crate::limits::WEBSOCKET_REQUEST_BYTES_MAX;

use frames::{BINARY, CLOSE, Frames, NORMAL, PONG, push_header};

pub use fault::WebSocketFault;
pub use handshake::Refusal;
pub use setup::{Accepts, Origins, WebSocketSetup};

/// The protocols that a link may begin with; its listener decides.
#[derive(Clone, Default, Debug)]
pub struct Beginning {
    /// MQTT, WebSocket or both.
    pub accepts: Accepts,
    /// Whether only this host reaches the listener.
    pub is_local: bool,
    /// The paths and origins of WebSocket clients.
    pub setup: Arc<WebSocketSetup>,
}

/// The reasons in the broker's Close frames (7.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closing {
    /// The broker shuts down.
    GoingAway,
    /// The client sent bytes that are not MQTT.
    ProtocolError,
    /// The client sent a packet over `--max-packet-size`.
    TooBig,
}

/// The state of the stream after application bytes.
#[derive(Debug)]
pub(super) enum Next {
    /// It goes on with the next received bytes.
    More,
    /// It has ended: the client sent a Close frame.
    End,
    /// The request was refused with this answer.
    Refused(Refusal),
    /// The client broke a rule.
    Fault(WebSocketFault),
}

/// WebSocket on one link; see the module.
#[derive(Debug)]
pub(super) struct WebSocket {
    phase: Phase,
    frames: Frames,
    /// The answer to the request, until it is sent.
    answer: Vec<u8>,
    /// The code of the Close frame that waits to be sent.
    code: u16,
    sent: Sent,
}

#[derive(Debug)]
enum Phase {
    /// The received part of the request, and the rules for it.
    Request(Vec<u8>, Beginning),
    Open,
    /// The client sent a Close frame or broke a rule: no more bytes are read.
    Ending,
    /// The request was refused; only the refusal is sent.
    Refused,
    /// No more bytes are sent.
    Closed,
}

/// The unsent bytes of the last send: those before the application's bytes, and the latter.
#[derive(Default, Debug)]
struct Sent {
    before: usize,
    application: usize,
}

impl WebSocket {
    /// The WebSocket of a link that begins with an HTTP request.
    pub(super) fn new(beginning: Beginning) -> Self {
        Self {
            phase: Phase::Request(Vec::new(), beginning),
            frames: Frames::new(),
            answer: Vec::new(),
            code: NORMAL,
            sent: Sent::default(),
        }
    }

    /// Turns received bytes into application bytes, in place; returns the state of the stream after
    /// them.
    pub(super) fn open<'a>(&mut self, bytes: &'a mut [u8]) -> (&'a [u8], Next) {
        let bytes = match &mut self.phase {
            Phase::Open => bytes,
            Phase::Ending | Phase::Refused | Phase::Closed => {
                return (&[], Next::End);
            }
            Phase::Request(..) => match self.read_request(bytes) {
                Ok(Some(used)) => &mut bytes[used..],
                Ok(None) => return (&[], Next::More),
                Err(refusal) => {
                    self.answer = refusal.answer();
                    self.phase = Phase::Refused;
                    return (&[], Next::Refused(refusal));
                }
            },
        };
        let (data, read) = self.frames.read(bytes);
        let next = match read {
            Ok(None) => Next::More,
            Ok(Some(code)) => {
                // 5.5.1: a Close frame is answered with one.
                (self.phase, self.code) = (Phase::Ending, code);
                Next::End
            }
            Err(fault) => {
                (self.phase, self.code) = (Phase::Ending, fault.code());
                Next::Fault(fault)
            }
        };
        (&bytes[data], next)
    }

    /// Reads the request after the kept part of it; returns the length of a complete and accepted
    /// one in bytes.
    fn read_request(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        let Phase::Request(kept, beginning) = &mut self.phase else { return Ok(None) };
        let before = kept.len();
        let header: &[u8] = if kept.is_empty() {
            bytes
        } else {
            kept.extend_from_slice(bytes);
            kept
        };
        let Some(end) = handshake::header_end(header, before) else {
            if header.len() > WEBSOCKET_REQUEST_BYTES_MAX {
                return Err(Refusal::too_long());
            }
            if before == 0 {
                kept.extend_from_slice(bytes);
            }
            return Ok(None);
        };
        let Beginning { accepts, is_local, setup } = beginning;
        self.answer = handshake::accept(&header[..end], *accepts, *is_local, setup)?;
        self.phase = Phase::Open;
        Ok(Some(end - before))
    }

    /// Whether it has an answer, a pong or a Close frame to send.
    #[inline]
    pub(super) fn has_output(&self) -> bool {
        !self.answer.is_empty() || self.frames.has_ping() && matches!(self.phase, Phase::Open)
    }

    /// Notes the reason of the Close frame, unless it has one.
    pub(super) fn note_closing(&mut self, closing: Closing) {
        if matches!(self.phase, Phase::Open) {
            self.code = match closing {
                Closing::GoingAway => 1001,
                Closing::ProtocolError => 1002,
                Closing::TooBig => 1009,
            };
        }
    }

    /// Whether it has sent its Close frame or its refusal.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Makes one frame of application bytes; with `last` it ends the stream.
    pub(super) fn frame(&mut self, mut plain: Batch, last: bool, pool: &mut ChunkPool) -> Batch {
        assert!(self.sent.before + self.sent.application == 0, "one frame is under way");
        let says_frames = matches!(self.phase, Phase::Open | Phase::Ending);
        if !says_frames {
            plain.clear(pool);
        }
        let application = plain.bytes();
        let ping = self.frames.take_ping().filter(|_| says_frames);
        let mut before = std::mem::take(&mut self.answer);
        if before.is_empty() && (application > 0 || ping.is_some()) {
            before = pool.take_small();
        }
        if let Some(ping) = ping {
            push_header(&mut before, PONG, ping.len());
            before.extend_from_slice(&ping);
        }
        if application > 0 {
            push_header(&mut before, BINARY, application);
        }
        self.sent = Sent { before: before.len(), application };
        plain.push_front(Chunk::Owned(before));
        if last && says_frames {
            let mut close = pool.take_small();
            push_header(&mut close, CLOSE, 2);
            close.extend_from_slice(&self.code.to_be_bytes());
            plain.push(Chunk::Owned(close));
        }
        if last {
            self.phase = Phase::Closed;
        }
        plain
    }

    /// How many application bytes are among the next `bytes` sent ones.
    #[inline]
    pub(super) fn on_sent(&mut self, bytes: usize) -> usize {
        let before = bytes.min(self.sent.before);
        self.sent.before -= before;
        let application = (bytes - before).min(self.sent.application);
        self.sent.application -= application;
        application
    }
}
