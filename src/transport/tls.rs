//! TLS on one link: rustls' records in and out, without buffers of its own.
//!
//! Received bytes are decrypted in place; only an incomplete record is kept. Messages of the
//! handshake gather until the next send and precede the application bytes of that send.
//!
//! Invariant: records leave in the order in which rustls sealed them. Its own messages go from
//! `own` to the front of a send; application bytes are sealed behind them, for that send only.

use std::fmt;
use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig};

use crate::chunk::{Batch, Chunk, ChunkPool};
use crate::limits::{
    CHUNK_LARGE_BYTES, CHUNK_SMALL_BYTES, SEND_CHUNKS_MAX, TLS_PARTIAL_BYTES_MAX,
    TLS_RECORD_EXTRA_BYTES,
};

use super::fault::TlsFault;
use super::identity::{Identity, name_of};
use super::opened::Then;

/// The settings that all TLS links of a listener share, on all shards, with the ticket keys.
#[derive(Debug)]
pub struct TlsSetup {
    /// Certificates, keys, versions and trusted authorities.
    pub server: Arc<ServerConfig>,
    /// The field of a client certificate that holds the user name.
    pub identity: Identity,
}

/// TLS on one link; see the module.
pub struct Tls {
    connection: UnbufferedServerConnection,
    identity: Identity,
    /// The beginning of a record or handshake message whose rest was not received yet.
    partial: Vec<u8>,
    /// Records that rustls sends by itself: handshake messages and alerts.
    own: Vec<u8>,
    /// Application bytes that did not fit into the last send.
    plain: Batch,
    /// Bytes of the last send that were not sent yet, and the application bytes sealed in them.
    sealed_bytes: usize,
    plain_bytes: usize,
    name: Option<Box<str>>,
    phase: Phase,
}

/// ```text
///  Handshaking ──► Open ──our close_notify──► Closed
///       └────────────┴─────── fault ────────────▲
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Handshaking,
    Open,
    /// No more bytes are sealed.
    Closed,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("phase", &self.phase).finish_non_exhaustive()
    }
}

impl Tls {
    /// The server's side of a link that was accepted.
    ///
    /// # Errors
    /// If rustls refuses its configuration.
    pub fn new(setup: &TlsSetup) -> Result<Self, rustls::Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(Arc::clone(&setup.server))?,
            identity: setup.identity,
            partial: Vec::new(),
            own: Vec::new(),
            plain: Batch::default(),
            sealed_bytes: 0,
            plain_bytes: 0,
            name: None,
            phase: Phase::Handshaking,
        })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.phase == Phase::Handshaking
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    pub(super) fn has_output(&self) -> bool {
        !self.own.is_empty() || self.is_full()
    }

    pub(super) fn is_full(&self) -> bool {
        !self.plain.is_empty()
    }

    pub(super) fn certified_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn version(&self) -> Option<&'static str> {
        match self.connection.protocol_version()? {
            _ if self.phase == Phase::Handshaking => None,
            ProtocolVersion::TLSv1_3 => Some("TLS 1.3"),
            ProtocolVersion::TLSv1_2 => Some("TLS 1.2"),
            _ => Some("TLS"),
        }
    }

    pub(super) fn subject(&self) -> Option<String> {
        let certificate = self.connection.peer_certificates()?.first()?;
        let name = self.name.clone().or_else(|| name_of(certificate, Identity::CommonName));
        name.map(String::from)
    }

    pub(super) fn is_certified(&self) -> bool {
        self.phase == Phase::Open && self.connection.peer_certificates().is_some()
    }

    pub(super) fn keep(&mut self, wire: &[u8]) {
        self.partial.extend_from_slice(wire);
    }

    /// Decrypts the kept bytes and then `wire`; application bytes go to `room`. Returns the state
    /// of the stream after them.
    pub(super) fn open(&mut self, wire: &mut [u8], room: &mut Vec<u8>) -> Then {
        room.clear();
        if self.phase == Phase::Closed {
            return Then::End;
        }
        let then = if self.partial.is_empty() {
            let (used, then) = self.advance(wire, room);
            self.partial.extend_from_slice(&wire[used..]);
            then
        } else {
            let mut partial = std::mem::take(&mut self.partial);
            partial.extend_from_slice(wire);
            let (used, then) = self.advance(&mut partial, room);
            if used < partial.len() {
                partial.drain(..used);
                self.partial = partial;
            }
            then
        };
        let then = match then {
            Then::More if self.partial.len() > TLS_PARTIAL_BYTES_MAX => {
                Then::Fault(TlsFault::Oversized)
            }
            then => then,
        };
        if !matches!(then, Then::More) {
            self.partial = Vec::new();
        }
        if matches!(then, Then::Fault(_)) {
            self.phase = Phase::Closed;
        }
        self.note_handshake();
        then
    }

    /// Seals the waiting bytes and then `plain`, as many as one send carries.
    pub(super) fn seal(
        &mut self,
        mut plain: Batch,
        last: bool,
        room: &mut Vec<u8>,
        pool: &mut ChunkPool,
    ) -> Batch {
        let mut sealed = if self.plain.is_empty() {
            std::mem::replace(&mut self.plain, plain)
        } else {
            assert!(plain.is_empty(), "what waits goes first");
            std::mem::take(&mut plain)
        };
        let before = self.plain.bytes();
        sealed.push(Chunk::Owned(std::mem::take(&mut self.own)));
        while !self.plain.is_empty() && sealed.len() < SEND_CHUNKS_MAX {
            match self.seal_record(room, pool) {
                Some(record) => sealed.push(record),
                // The link is closing: bytes that cannot be sealed cannot be sent.
                None => self.plain.clear(pool),
            }
        }
        self.plain_bytes = before - self.plain.bytes();
        if self.plain.is_empty() {
            // An idle link must not keep this memory.
            self.plain = Batch::default();
            if last {
                self.say_goodbye(&mut sealed);
            }
        }
        self.sealed_bytes = sealed.bytes();
        sealed
    }

    /// How many application bytes `bytes` of the last send stand for: a proportional share while
    /// the send is incomplete, so that a slow peer's progress is visible.
    pub(super) fn on_sent(&mut self, bytes: usize) -> usize {
        assert!(bytes <= self.sealed_bytes, "no more is sent than was sealed");
        let gone = match self.sealed_bytes - bytes {
            0 => self.plain_bytes,
            _ => self.plain_bytes * bytes / self.sealed_bytes,
        };
        self.sealed_bytes -= bytes;
        self.plain_bytes -= gone;
        gone
    }

    /// Lets rustls process received bytes; returns how many of them are finished.
    fn advance(&mut self, wire: &mut [u8], room: &mut Vec<u8>) -> (usize, Then) {
        let mut used = 0;
        loop {
            let status = self.connection.process_tls_records(&mut wire[used..]);
            let discard = status.discard;
            let then = match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        room.extend_from_slice(record.payload);
                    }
                    None
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.own, |room| data.encode(room));
                    None
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Some(Then::End),
                Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => {
                    Some(Then::More)
                }
                // Early data is not offered, and future states of rustls are not used.
                Ok(_) => Some(Then::Fault(TlsFault::Unknown)),
                Err(error) => {
                    self.take_alert();
                    Some(Then::Fault(TlsFault::Refused(error)))
                }
            };
            used += discard;
            if let Some(then) = then {
                return (used, then);
            }
        }
    }

    /// Takes the alert that rustls sends for a fault. rustls must not see the received bytes again
    /// after a fault, so it gets none.
    fn take_alert(&mut self) {
        while self.connection.wants_write() {
            let status = self.connection.process_tls_records(&mut []);
            let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state else { return };
            append(&mut self.own, |room| data.encode(room));
        }
    }

    /// Notes the peer's identity when the handshake has just ended.
    fn note_handshake(&mut self) {
        if self.phase == Phase::Handshaking && !self.connection.is_handshaking() {
            self.phase = Phase::Open;
            let certificate = self.connection.peer_certificates().and_then(<[_]>::first);
            self.name = certificate.and_then(|certificate| name_of(certificate, self.identity));
        }
    }

    /// Seals the first waiting application bytes, as many as one record holds.
    fn seal_record(&mut self, room: &mut Vec<u8>, pool: &mut ChunkPool) -> Option<Chunk> {
        const RECORD_BYTES: usize = CHUNK_LARGE_BYTES - TLS_RECORD_EXTRA_BYTES;
        if self.phase != Phase::Open {
            return None;
        }
        let first = self.plain.slices().next()?;
        let plain = if first.len() >= RECORD_BYTES || self.plain.len() == 1 {
            &first[..first.len().min(RECORD_BYTES)]
        } else {
            room.clear();
            for slice in self.plain.slices() {
                let rest = RECORD_BYTES - room.len();
                room.extend_from_slice(&slice[..slice.len().min(rest)]);
                if rest <= slice.len() {
                    break;
                }
            }
            room.as_slice()
        };
        let most = plain.len() + TLS_RECORD_EXTRA_BYTES;
        let mut record =
            if most <= CHUNK_SMALL_BYTES { pool.take_small() } else { pool.take_large() };
        record.resize(most, 0);
        // Received bytes of an incomplete record stay in place: rustls reads them again.
        let status = self.connection.process_tls_records(&mut self.partial);
        debug_assert_eq!(status.discard, 0, "all whole records were opened");
        let sealed = match status.state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                traffic.encrypt(plain, &mut record).ok()
            }
            _ => None,
        };
        let Some(sealed) = sealed else {
            self.phase = Phase::Closed;
            pool.recycle(Chunk::Owned(record));
            return None;
        };
        record.truncate(sealed);
        let plain_bytes = plain.len();
        self.plain.advance(plain_bytes, pool);
        Some(Chunk::Owned(record))
    }

    /// Sends close_notify (RFC 8446, 6.1), once.
    fn say_goodbye(&mut self, sealed: &mut Batch) {
        if self.phase == Phase::Open {
            self.phase = Phase::Closed;
            let status = self.connection.process_tls_records(&mut self.partial);
            if let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state {
                let mut alert = vec![0; TLS_RECORD_EXTRA_BYTES];
                // It may be left out if it does not fit or is no longer allowed.
                let bytes = traffic.queue_close_notify(&mut alert).unwrap_or(0);
                alert.truncate(bytes);
                sealed.push(Chunk::Owned(alert));
            }
        }
    }
}

/// Appends the bytes that `encode` writes, with as much room as it needs.
fn append(into: &mut Vec<u8>, mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    let begin = into.len();
    let written = match encode(&mut []) {
        Err(EncodeError::InsufficientSize(error)) => {
            into.resize(begin + error.required_size, 0);
            encode(&mut into[begin..]).unwrap_or(0)
        }
        _ => 0,
    };
    into.truncate(begin + written);
}
