//! Received frames (RFC 6455, 5): their payloads are unmasked in place.
//!
//! A frame may be larger than any buffer, so its payload is passed on as it comes. The payloads of
//! the frames in one buffer become one slice: the first stays in place, the others move down over
//! the headers between them. The payload of a control frame, at most 125 bytes, is gathered.
//!
//! Invariant: `left > 0` inside a payload; `header_bytes > 0` only while the beginning of a header
//! is kept, and then `left == 0`.

use std::ops::Range;

use crate::limits::WEBSOCKET_CONTROL_BYTES_MAX;

use super::fault::WebSocketFault;
use super::mask::{unmask, unmask_down};

/// Length of the longest header in bytes: two, a length of eight, a mask of four.
const HEADER_BYTES_MAX: usize = 14;

const FIN: u8 = 0x80;
const RESERVED_BITS: u8 = 0x70;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;

/// The code that stands for a Close frame without one (7.4.1).
pub(super) const NORMAL: u16 = 1000;

/// The kinds of frames, by their payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Data,
    Ping,
    Pong,
    Close,
}

/// The received frames of one link; see the module.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes of the current payload that were not received yet.
    left: u64,
    kind: Kind,
    /// The mask, rotated so that the next payload byte takes its first byte.
    mask: [u8; 4],
    /// Whether a message has begun whose last frame was not received yet.
    in_message: bool,
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    /// The received part of a control frame's payload.
    control: Vec<u8>,
    /// The payload of the last ping that was not answered yet.
    ping: Option<Vec<u8>>,
}

/// The header of a frame.
struct Header {
    kind: Kind,
    /// Whether it continues a message, and whether it is the last frame of one.
    continues: bool,
    is_last: bool,
    length: u64,
    mask: [u8; 4],
    /// Length of the header itself in bytes.
    bytes: usize,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self {
            left: 0,
            kind: Kind::Data,
            mask: [0; 4],
            in_message: false,
            header: [0; HEADER_BYTES_MAX],
            header_bytes: 0,
            control: Vec::new(),
            ping: None,
        }
    }

    /// Takes the payload of the last ping since the previous call. Only the last of several pings
    /// is answered (5.5.3), so a flood of pings causes no flood of answers.
    pub(super) fn take_ping(&mut self) -> Option<Vec<u8>> {
        self.ping.take()
    }

    pub(super) fn has_ping(&self) -> bool {
        self.ping.is_some()
    }

    /// Reads received bytes. Returns the range of the application bytes in them, and the code of a
    /// Close frame that follows these.
    pub(super) fn read(
        &mut self,
        bytes: &mut [u8],
    ) -> (Range<usize>, Result<Option<u16>, WebSocketFault>) {
        let (mut at, mut data) = (0, 0..0);
        loop {
            if self.left > 0 {
                let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.take_payload(bytes, at, count, &mut data);
                at += count;
                if self.left == 0 && self.kind != Kind::Data {
                    match self.end_control() {
                        Ok(None) => {}
                        ended => return (data, ended),
                    }
                }
            }
            if at == bytes.len() {
                return (data, Ok(None));
            }
            match self.take_header(&bytes[at..]) {
                Ok((used, false)) => at += used,
                // A control frame without a payload is complete.
                Ok((used, true)) => match self.end_control() {
                    Ok(None) => at += used,
                    ended => return (data, ended),
                },
                Err(fault) => return (data, Err(fault)),
            }
        }
    }

    /// Takes the next `count` bytes of the payload, at `at`.
    #[inline]
    fn take_payload(&mut self, bytes: &mut [u8], at: usize, count: usize, data: &mut Range<usize>) {
        match self.kind {
            Kind::Data if data.start == data.end => {
                unmask(&mut bytes[at..at + count], self.mask);
                *data = at..at + count;
            }
            Kind::Data => {
                unmask_down(bytes, at, data.end, count, self.mask);
                data.end += count;
            }
            Kind::Ping | Kind::Pong | Kind::Close => {
                let begin = self.control.len();
                self.control.extend_from_slice(&bytes[at..at + count]);
                unmask(&mut self.control[begin..], self.mask);
            }
        }
        self.left -= count as u64;
        self.mask.rotate_left(count % 4);
    }

    /// Takes a header from the front of `bytes`, or keeps the beginning of one. Returns the number
    /// of used bytes, and whether the frame is a control frame without a payload.
    #[inline]
    fn take_header(&mut self, bytes: &[u8]) -> Result<(usize, bool), WebSocketFault> {
        if self.header_bytes == 0
            && let Some(header) = Header::read(bytes)?
        {
            return self.begin(&header).map(|is_whole| (header.bytes, is_whole));
        }
        let kept = self.header_bytes;
        let count = bytes.len().min(HEADER_BYTES_MAX - kept);
        self.header[kept..kept + count].copy_from_slice(&bytes[..count]);
        match Header::read(&self.header[..kept + count])? {
            Some(header) => {
                self.header_bytes = 0;
                self.begin(&header).map(|is_whole| (header.bytes - kept, is_whole))
            }
            None => {
                self.header_bytes = kept + count;
                Ok((count, false))
            }
        }
    }

    /// Begins a frame; returns whether it is a control frame without a payload.
    #[inline]
    fn begin(&mut self, header: &Header) -> Result<bool, WebSocketFault> {
        if header.kind == Kind::Data {
            if header.continues != self.in_message {
                return Err(WebSocketFault::Sequence);
            }
            self.in_message = !header.is_last;
        }
        (self.left, self.kind, self.mask) = (header.length, header.kind, header.mask);
        Ok(header.length == 0 && header.kind != Kind::Data)
    }

    /// Handles a complete control frame; returns the code of a Close frame.
    fn end_control(&mut self) -> Result<Option<u16>, WebSocketFault> {
        let control = std::mem::take(&mut self.control);
        match self.kind {
            Kind::Data | Kind::Pong => Ok(None),
            Kind::Ping => {
                self.ping = Some(control);
                Ok(None)
            }
            Kind::Close => close_code(&control).map(Some),
        }
    }
}

impl Header {
    /// Reads the header at the front of `bytes`, if it is complete. It reports an error as soon as
    /// the bytes show it.
    #[inline]
    fn read(bytes: &[u8]) -> Result<Option<Self>, WebSocketFault> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let (is_last, opcode) = (first & FIN != 0, first & 0xf);
        if first & RESERVED_BITS != 0 {
            return Err(WebSocketFault::Reserved);
        }
        let kind = match opcode {
            CONTINUATION | BINARY => Kind::Data,
            TEXT => return Err(WebSocketFault::Text),
            CLOSE => Kind::Close,
            PING => Kind::Ping,
            PONG => Kind::Pong,
            _ => return Err(WebSocketFault::Reserved),
        };
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        if second & MASKED == 0 {
            return Err(WebSocketFault::Unmasked);
        }
        let short = second & !MASKED;
        let is_long = usize::from(short) > WEBSOCKET_CONTROL_BYTES_MAX;
        if kind != Kind::Data && (!is_last || is_long) {
            return Err(WebSocketFault::Control);
        }
        let rest = &bytes[2..];
        let (length, length_bytes) = match short {
            126 => match rest.first_chunk::<2>() {
                Some(length) => (u16::from_be_bytes(*length).into(), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(length) => (u64::from_be_bytes(*length), 8),
                None => return Ok(None),
            },
            _ => (u64::from(short), 0),
        };
        if length >> 63 != 0 {
            return Err(WebSocketFault::Length);
        }
        let Some(mask) = rest[length_bytes..].first_chunk::<4>() else { return Ok(None) };
        let continues = opcode == CONTINUATION;
        let bytes = 2 + length_bytes + 4;
        Ok(Some(Self { kind, continues, is_last, length, mask: *mask, bytes }))
    }
}

/// The code of a Close frame (5.5.1); a frame without one is a normal end.
fn close_code(payload: &[u8]) -> Result<u16, WebSocketFault> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(NORMAL) } else { Err(WebSocketFault::CloseCode) };
    };
    let code = u16::from_be_bytes(*code);
    // 1004 to 1006 and 1015 must not be sent; others up to 2999 are reserved for future standards.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(WebSocketFault::CloseCode);
    }
    match std::str::from_utf8(reason) {
        Ok(_) => Ok(code),
        Err(_) => Err(WebSocketFault::CloseText),
    }
}

/// Appends the header of a frame to a client; such frames have no mask (5.1).
pub(super) fn push_header(into: &mut Vec<u8>, opcode: u8, length: usize) {
    into.push(FIN | opcode);
    match u16::try_from(length) {
        Ok(short @ 0..126) => into.push(short.to_be_bytes()[1]),
        Ok(length) => {
            into.push(126);
            into.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            into.push(127);
            into.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}
