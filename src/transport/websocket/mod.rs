//! WebSocket on one link (RFC 6455): an HTTP request and its answer, then frames.
//!
//! ```text
//!  Request ──answered with 101──► Open ──fault or their Close──► Ending ──our Close──► Closed
//!     └──answered with another──► Refused ──that was sent───────────────────────────────▲
//! ```
//! What one send carries of the broker is one frame: the header goes before its chunks. Pongs and
//! the Close frame go in the same sends.
//!
//! Invariant: when a send begins, all of the one before has gone, so `Sent` counts one frame.

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

/// What a link may begin with, as its listener has it.
#[derive(Clone, Default, Debug)]
pub struct Beginning {
    /// MQTT, WebSocket or both.
    pub accepts: Accepts,
    /// The listener is one that only this host reaches.
    pub is_local: bool,
    /// What a WebSocket is checked against.
    pub setup: Arc<WebSocketSetup>,
}

/// Why a WebSocket is closed, as its client is told (7.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closing {
    /// The broker stops.
    GoingAway,
    /// Bytes that are no MQTT.
    ProtocolError,
    /// A packet over `--max-packet-size`.
    TooBig,
}

/// What comes after application bytes.
#[derive(Debug)]
pub(super) enum Next {
    /// More, when more is received.
    More,
    /// Nothing: the client has closed.
    End,
    /// Nothing: the request was answered with this.
    Refused(Refusal),
    /// Nothing: a rule was broken.
    Fault(WebSocketFault),
}

/// See the module.
#[derive(Debug)]
pub(super) struct WebSocket {
    phase: Phase,
    frames: Frames,
    /// The answer to the request, before it is sent.
    answer: Vec<u8>,
    /// The code of the Close frame that is to be sent.
    code: u16,
    sent: Sent,
}

#[derive(Debug)]
enum Phase {
    /// What has come of the request, and what it is checked against.
    Request(Vec<u8>, Beginning),
    Open,
    /// The client has closed, or broken the rules: nothing more is read.
    Ending,
    /// The request was answered with a refusal, which is all that is sent.
    Refused,
    /// Nothing more is sent.
    Closed,
}

/// Bytes of the last send that have not gone: before the application's, and those.
#[derive(Default, Debug)]
struct Sent {
    before: usize,
    application: usize,
}

impl WebSocket {
    /// Of a link that begins with an HTTP request.
    pub(super) fn new(beginning: Beginning) -> Self {
        Self {
            phase: Phase::Request(Vec::new(), beginning),
            frames: Frames::new(),
            answer: Vec::new(),
            code: NORMAL,
            sent: Sent::default(),
        }
    }

    /// Turns received bytes into application bytes, in place; what comes after them.
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

    /// Reads the request behind what was kept of it; how many bytes it has, if it is whole and
    /// accepted.
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

    /// Whether it has something to send by itself.
    #[inline]
    pub(super) fn has_output(&self) -> bool {
        !self.answer.is_empty() || self.frames.has_ping() && matches!(self.phase, Phase::Open)
    }

    /// Notes why it is closed, unless it has its reason.
    pub(super) fn note_closing(&mut self, closing: Closing) {
        if matches!(self.phase, Phase::Open) {
            self.code = match closing {
                Closing::GoingAway => 1001,
                Closing::ProtocolError => 1002,
                Closing::TooBig => 1009,
            };
        }
    }

    /// Whether it has said all there is to say at the end.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Makes one frame of application bytes, `last` with the end of all.
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

    /// How many application bytes are among the next `bytes` that have gone.
    #[inline]
    pub(super) fn on_sent(&mut self, bytes: usize) -> usize {
        let before = bytes.min(self.sent.before);
        self.sent.before -= before;
        let application = (bytes - before).min(self.sent.application);
        self.sent.application -= application;
        application
    }
}
