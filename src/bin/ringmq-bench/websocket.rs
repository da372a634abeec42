//! WebSocket for the load generator (RFC 6455). Each sent packet has a frame of its own, as clients
//! send it; received frames are unwrapped.
//!
//! Invariant: a write begins and ends at packet boundaries, and so does each frame.

use std::io;

use ringmq::transport::websocket::mask::unmask;

use crate::wire;

/// Bytes of packets in one write, unless the first is larger.
const TAKE_BYTES: usize = 64 * 1024;

/// Most bytes of the answer to the request.
const ANSWER_BYTES_MAX: usize = 4096;

const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: ringmq-bench\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: cmluZ21xLWJlbmNoLWtleQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;

/// The state of the handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    New,
    Asked,
    Open,
}

/// WebSocket on a stream that the caller reads and writes.
#[derive(Debug)]
pub(crate) struct WebSocket {
    phase: Phase,
    /// Framed bytes; those from `sent` on are not written yet.
    framed: Vec<u8>,
    sent: usize,
    /// The incomplete answer or frame header that was received last.
    kept: Vec<u8>,
    /// Remaining bytes of the current frame.
    left: usize,
    /// The mask of the next frame.
    mask: u32,
}

impl WebSocket {
    pub(crate) fn new() -> WebSocket {
        let (framed, kept) = (Vec::new(), Vec::new());
        WebSocket { phase: Phase::New, framed, sent: 0, kept, left: 0, mask: 1 }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// The bytes to write next; the first of all are the request.
    pub(crate) fn waiting(&mut self) -> &[u8] {
        if self.phase == Phase::New {
            self.framed.extend_from_slice(REQUEST);
            self.phase = Phase::Asked;
        }
        &self.framed[self.sent..]
    }

    /// Records that `bytes` of them were written.
    pub(crate) fn note_sent(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.framed.len() {
            self.framed.clear();
            self.sent = 0;
        }
    }

    /// Whether all framed bytes were written.
    pub(crate) fn has_room(&self) -> bool {
        self.framed.is_empty()
    }

    /// Frames whole packets from the front of `bytes`, which consists of packets; returns how many
    /// bytes.
    pub(crate) fn frame(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            let packet_bytes = wire::packet_bytes(&bytes[taken..]);
            if taken > 0 && taken + packet_bytes > TAKE_BYTES {
                break;
            }
            self.push_frame(&bytes[taken..taken + packet_bytes]);
            taken += packet_bytes;
        }
        taken
    }

    fn push_frame(&mut self, packet: &[u8]) {
        const MASKED: u8 = 0x80;
        self.framed.push(BINARY);
        match packet.len() {
            short @ 0..126 => self.framed.push(MASKED | u8::try_from(short).expect("short")),
            long => match u16::try_from(long) {
                Ok(long) => {
                    self.framed.push(MASKED | 126);
                    self.framed.extend_from_slice(&long.to_be_bytes());
                }
                Err(_) => {
                    self.framed.push(MASKED | 127);
                    self.framed.extend_from_slice(&(long as u64).to_be_bytes());
                }
            },
        }
        // The mask need not be random: it protects proxies, and there are none.
        self.mask = self.mask.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let mask = self.mask.to_ne_bytes();
        self.framed.extend_from_slice(&mask);
        let begin = self.framed.len();
        self.framed.extend_from_slice(packet);
        unmask(&mut self.framed[begin..], mask);
    }

    /// Received bytes that were kept; they precede the next received bytes.
    pub(crate) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Unwraps received bytes, with the kept bytes before them: moves the payloads of frames to the
    /// front. Returns the length of the payloads, and whether the broker has just accepted the
    /// request.
    pub(crate) fn open(&mut self, bytes: &mut [u8]) -> io::Result<(usize, bool)> {
        self.kept.clear();
        if self.phase == Phase::Open {
            return self.take_off(bytes, 0).map(|carried| (carried, false));
        }
        let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else {
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(io::Error::other("the answer to the request has no end"));
            }
            self.kept.extend_from_slice(bytes);
            return Ok((0, false));
        };
        if !bytes.starts_with(b"HTTP/1.1 101 ") {
            let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let line = String::from_utf8_lossy(line);
            return Err(io::Error::other(format!("no WebSocket: {line}")));
        }
        self.phase = Phase::Open;
        self.take_off(bytes, end + 4).map(|carried| (carried, true))
    }

    /// Moves the payloads of frames from `at` on to the front; returns their length.
    fn take_off(&mut self, bytes: &mut [u8], mut at: usize) -> io::Result<usize> {
        let mut carried = 0;
        loop {
            let count = self.left.min(bytes.len() - at);
            bytes.copy_within(at..at + count, carried);
            (at, carried, self.left) = (at + count, carried + count, self.left - count);
            let rest = &bytes[at..];
            let (header, length) = match rest {
                [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
                [_, 127, length @ ..] if length.len() >= 8 => {
                    let length = length.first_chunk().copied().unwrap_or_default();
                    (10, usize::try_from(u64::from_be_bytes(length)).unwrap_or(usize::MAX))
                }
                [_, short @ 0..=125, ..] => (2, usize::from(*short)),
                _ => {
                    self.kept.extend_from_slice(rest);
                    return Ok(carried);
                }
            };
            match rest[0] {
                BINARY => {}
                CLOSE => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => return Err(io::Error::other("the broker sent a frame that is not binary")),
            }
            at += header;
            self.left = length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of all lengths, divided anywhere, return the bytes that were framed.
    #[test]
    fn frames_are_taken_off() {
        let mut wire = Vec::new();
        let mut payload = Vec::new();
        for size in [0_usize, 1, 125, 126, 300, 65_536] {
            wire.push(BINARY);
            match size {
                0..126 => wire.push(size.to_le_bytes()[0]),
                126..65_536 => {
                    wire.push(126);
                    wire.extend_from_slice(&size.to_be_bytes()[6..]);
                }
                _ => {
                    wire.push(127);
                    wire.extend_from_slice(&size.to_be_bytes());
                }
            }
            wire.extend(vec![size.to_le_bytes()[0]; size]);
            payload.extend(vec![size.to_le_bytes()[0]; size]);
        }
        for piece in [1, 2, 3, 7, 100, 5000, wire.len()] {
            let mut websocket = WebSocket::new();
            let mut came = Vec::new();
            for part in wire.chunks(piece) {
                let mut bytes = [std::mem::take(&mut websocket.kept), part.to_vec()].concat();
                let carried = websocket.take_off(&mut bytes, 0).expect("good frames");
                came.extend_from_slice(&bytes[..carried]);
            }
            assert!(came == payload, "{piece}");
        }
    }
}
