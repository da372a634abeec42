//! WebSocket of a load generator (RFC 6455): each packet is a frame of its own, as clients send it,
//! and frames from the broker are taken off what they carry.
//!
//! Invariant: what a write takes begins and ends with packets, and so does each frame.

use std::io;

use ringmq::transport::websocket::mask::unmask;

use crate::wire;

/// Bytes of packets that one write takes, if the first is not larger.
const TAKE_BYTES: usize = 64 * 1024;

/// Bytes of an answer to the request, at most.
const ANSWER_BYTES_MAX: usize = 4096;

const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: ringmq-bench\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: cmluZ21xLWJlbmNoLWtleQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;

/// How far the handshake is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    New,
    Asked,
    Open,
}

/// WebSocket on a stream that others read and write.
#[derive(Debug)]
pub(crate) struct WebSocket {
    phase: Phase,
    /// What the stream has not taken yet, from `sent` on.
    framed: Vec<u8>,
    sent: usize,
    /// The begin of an answer or of a header whose end was not received yet.
    kept: Vec<u8>,
    /// Bytes of the frame that are to come.
    left: usize,
    /// Of the next frame.
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

    /// What the stream is to take next: the request first of all.
    pub(crate) fn waiting(&mut self) -> &[u8] {
        if self.phase == Phase::New {
            self.framed.extend_from_slice(REQUEST);
            self.phase = Phase::Asked;
        }
        &self.framed[self.sent..]
    }

    /// The stream has taken so much of it.
    pub(crate) fn note_sent(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.framed.len() {
            self.framed.clear();
            self.sent = 0;
        }
    }

    /// Whether the stream has taken all that was framed.
    pub(crate) fn has_room(&self) -> bool {
        self.framed.is_empty()
    }

    /// Frames whole packets from the front of `bytes`, which are packets; how many bytes.
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
        // Nobody is to be kept from guessing it here.
        self.mask = self.mask.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let mask = self.mask.to_ne_bytes();
        self.framed.extend_from_slice(&mask);
        let begin = self.framed.len();
        self.framed.extend_from_slice(packet);
        unmask(&mut self.framed[begin..], mask);
    }

    /// What was received and kept: it goes before what is received next.
    pub(crate) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Takes what was received, what was kept before it: moves what frames carry to the front. How
    /// many bytes that is, and whether the broker has accepted the request just now.
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

    /// Moves what frames carry from `at` on to the front; how many bytes that is.
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

    /// Frames of all lengths, cut anywhere, carry what was put in.
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
