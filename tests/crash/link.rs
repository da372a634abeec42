//! A connection to a broker that may be killed at any moment: its end is a value.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::common::{DISCONNECT, PINGREQ, Publish, connect};

/// How long a read waits before its caller looks around.
const LOOK_AROUND: Duration = Duration::from_millis(20);

const READ_BYTES: usize = 64 * 1024;

/// The connection has ended.
#[derive(Debug)]
pub(crate) struct Gone;

/// A received packet.
#[derive(Debug)]
pub(crate) enum Came {
    Publish(Publish),
    Puback(u16),
    Pubrec(u16),
    Pubrel(u16),
    Pubcomp(u16),
    Suback,
    Pingresp,
    Other,
}

/// See the module.
pub(crate) struct Link {
    stream: TcpStream,
    /// Received bytes; those from `taken` on were not parsed yet.
    bytes: Vec<u8>,
    taken: usize,
    /// Bytes to send.
    out: Vec<u8>,
}

impl Link {
    /// Connects as `id`; returns whether a session was present.
    pub(crate) fn open(addr: SocketAddr, id: &str, clean: bool) -> Result<(Self, bool), Gone> {
        let stream = TcpStream::connect(addr).map_err(|_| Gone)?;
        stream.set_nodelay(true).map_err(|_| Gone)?;
        stream.set_read_timeout(Some(LOOK_AROUND)).map_err(|_| Gone)?;
        let mut link = Self { stream, bytes: Vec::new(), taken: 0, out: Vec::new() };
        let packet = connect(id);
        let packet = if clean { packet } else { packet.persistent() };
        link.put(&packet.bytes());
        link.flush()?;
        loop {
            if let Some(packet) = link.take_packet() {
                assert_eq!(packet[..2], [0x20, 2], "a CONNACK comes first");
                assert_eq!(packet[3], 0, "{id:?} is accepted");
                let present = packet[2] == 1;
                return Ok((link, present));
            }
            link.read()?;
        }
    }

    /// Has bytes sent with the next [`Link::flush`].
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn flush(&mut self) -> Result<(), Gone> {
        let sent = self.stream.write_all(&self.out).map_err(|_| Gone);
        self.out.clear();
        sent
    }

    /// The next packet; waits briefly for one.
    pub(crate) fn next(&mut self) -> Result<Option<Came>, Gone> {
        if let Some(came) = self.next_here() {
            return Ok(Some(came));
        }
        self.read()?;
        Ok(self.next_here())
    }

    /// The next packet that was received already.
    pub(crate) fn next_here(&mut self) -> Option<Came> {
        let packet = self.take_packet()?;
        let id = || u16::from_be_bytes([packet[2], packet[3]]);
        Some(match packet[0] >> 4 {
            3 => Came::Publish(Publish::parse(packet)),
            4 => Came::Puback(id()),
            5 => Came::Pubrec(id()),
            6 => Came::Pubrel(id()),
            7 => Came::Pubcomp(id()),
            9 => Came::Suback,
            13 => Came::Pingresp,
            _ => Came::Other,
        })
    }

    /// Sends PINGREQ.
    pub(crate) fn ping(&mut self) -> Result<(), Gone> {
        self.put(PINGREQ);
        self.flush()
    }

    /// Ends the connection in order.
    pub(crate) fn leave(mut self) {
        self.put(DISCONNECT);
        // The broker may have ended before.
        let _ = self.flush();
    }

    fn read(&mut self) -> Result<(), Gone> {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        let had = self.bytes.len();
        self.bytes.resize(had + READ_BYTES, 0);
        let read = self.stream.read(&mut self.bytes[had..]);
        self.bytes.truncate(had + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(0) => Err(Gone),
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Ok(()),
                _ => Err(Gone),
            },
        }
    }

    fn take_packet(&mut self) -> Option<&[u8]> {
        let bytes = &self.bytes[self.taken..];
        let mut length = 0;
        for (at, digit) in bytes.iter().enumerate().skip(1).take(4) {
            length |= usize::from(digit & 0x7f) << (7 * (at - 1));
            if digit & 0x80 == 0 {
                let packet = bytes.get(..at + 1 + length)?;
                self.taken += packet.len();
                return Some(&self.bytes[self.taken - packet.len()..self.taken]);
            }
        }
        None
    }
}
