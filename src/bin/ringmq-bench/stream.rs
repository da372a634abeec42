//! A connection's bytes on the wire: plain, encrypted by TLS, or in WebSocket frames.
//!
//! Invariant: encrypted bytes that the socket has not accepted are written before further bytes are
//! encrypted, so a peer never waits for the rest of a forgotten record.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use mio::net::TcpStream;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue, UnbufferedClientConnection,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::unbuffered::{ConnectionState, EncodeError};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, NamedGroup, RootCertStore};

use crate::websocket::WebSocket;

/// Largest size of a record.
const RECORD_BYTES: usize = 16 * 1024;

/// Bytes encrypted in one write: those of one turn.
const SEAL_BYTES: usize = 64 * 1024;

/// Most bytes that encryption adds to a record, with room to spare.
const RECORD_EXTRA_BYTES: usize = 128;

/// Tickets kept for later connections.
const TICKETS_MAX: usize = 4096;

/// The parameters of TLS.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Terms {
    /// Trusts the authorities in a file, and expects a server with this name. The error names the
    /// file.
    pub(crate) fn new(file: &Path, host: &str, old: bool, tickets: bool) -> Result<Terms, String> {
        let say = |error: &dyn std::fmt::Display| format!("--tls {}: {error}", file.display());
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(file).map_err(|error| say(&error))? {
            let root = root.map_err(|error| say(&error))?;
            roots.add(root).map_err(|error| say(&error))?;
        }
        let version = if old { &TLS12 } else { &TLS13 };
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .map_err(|error| say(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = match (tickets, old) {
            (false, _) => Resumption::disabled(),
            (true, true) => Resumption::in_memory_sessions(TICKETS_MAX),
            (true, false) => Resumption::store(Arc::new(Tickets::default())),
        };
        let name = host.to_owned().try_into().map_err(|_| format!("--host {host}: no name"))?;
        Ok(Terms { config: Arc::new(config), name })
    }
}

/// The result of a read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brought {
    /// Application bytes.
    pub(crate) bytes: usize,
    /// Whether the socket was left empty.
    pub(crate) emptied: bool,
    /// Whether the handshake has ended: application bytes may be written from now on.
    pub(crate) opened: bool,
}

/// A connection's stream.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS.
    Tls(Box<Tls>),
    /// WebSocket over another stream.
    WebSocket(Box<Framed>),
}

impl Stream {
    /// A stream over a socket that is connecting.
    pub(crate) fn new(socket: TcpStream, terms: Option<&Terms>) -> io::Result<Stream> {
        let Some(Terms { config, name }) = terms else {
            return Ok(Stream::Plain(socket));
        };
        let connection = UnbufferedClientConnection::new(config.clone(), name.clone());
        let connection = connection.map_err(io::Error::other)?;
        let (wire, sealed) = (Vec::new(), Vec::new());
        Ok(Stream::Tls(Box::new(Tls { socket, connection, wire, sealed, open: false })))
    }

    /// The socket, for the poller.
    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(tls) => &mut tls.socket,
            Stream::WebSocket(framed) => framed.stream.socket(),
        }
    }

    /// Reads once.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> io::Result<Brought> {
        match self {
            Stream::Plain(socket) => {
                let bytes = socket.read(room)?;
                if bytes == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                // A short read has emptied the socket (epoll(7), question 9).
                Ok(Brought { bytes, emptied: bytes < room.len(), opened: false })
            }
            Stream::Tls(tls) => tls.read(room),
            Stream::WebSocket(framed) => framed.read(room),
        }
    }

    /// Accepts as many of `bytes` as possible; accepted bytes may still have to be flushed.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Tls(tls) => tls.write(bytes),
            Stream::WebSocket(framed) => framed.write(bytes),
        }
    }

    /// Whether the socket has accepted all bytes of a write that accepted fewer than it could have.
    pub(crate) fn has_room(&self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Tls(tls) => tls.sealed.is_empty(),
            Stream::WebSocket(framed) => framed.websocket.has_room(),
        }
    }

    /// Writes encrypted bytes; returns whether all were written and more may follow.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        match self {
            Stream::Plain(_) => Ok(true),
            Stream::Tls(tls) => tls.begin().and_then(|()| tls.flush()),
            Stream::WebSocket(framed) => framed.flush(),
        }
    }
}

/// WebSocket on another stream.
#[derive(Debug)]
pub(crate) struct Framed {
    stream: Stream,
    websocket: WebSocket,
}

impl Framed {
    pub(crate) fn new(stream: Stream) -> Framed {
        Framed { stream, websocket: WebSocket::new() }
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<Brought> {
        let kept = self.websocket.kept().len();
        room[..kept].copy_from_slice(self.websocket.kept());
        let brought = self.stream.read(&mut room[kept..])?;
        if brought.opened {
            self.flush()?;
        }
        let (bytes, opened) = self.websocket.open(&mut room[..kept + brought.bytes])?;
        Ok(Brought { bytes, opened, ..brought })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.flush()? || !self.websocket.is_open() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = self.websocket.frame(bytes);
        self.flush()?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<bool> {
        if !self.stream.flush()? {
            return Ok(false);
        }
        loop {
            let waiting = self.websocket.waiting();
            if waiting.is_empty() {
                return self.stream.flush();
            }
            match self.stream.write(waiting) {
                Ok(taken) => self.websocket.note_sent(taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// TLS on a socket.
pub(crate) struct Tls {
    socket: TcpStream,
    connection: UnbufferedClientConnection,
    /// The incomplete record that was received last.
    wire: Vec<u8>,
    /// Bytes that the socket has not accepted yet.
    sealed: Vec<u8>,
    /// Whether the handshake is over.
    open: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("open", &self.open).finish_non_exhaustive()
    }
}

impl Tls {
    /// Starts the handshake, once.
    fn begin(&mut self) -> io::Result<()> {
        if !self.open && self.wire.is_empty() && self.sealed.is_empty() {
            self.advance(&mut [], &mut []).map(|_| ())?;
        }
        Ok(())
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<Brought> {
        // Decrypted bytes are never longer than encrypted ones.
        let (kept, was_open) = (self.wire.len(), self.open);
        let most = room.len() - kept;
        let mut wire = std::mem::take(&mut self.wire);
        wire.resize(room.len(), 0);
        let received = self.socket.read(&mut wire[kept..]);
        let result = received.and_then(|received| {
            if received == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            wire.truncate(kept + received);
            let (used, bytes) = self.advance(&mut wire, room)?;
            self.wire.extend_from_slice(&wire[used..]);
            self.flush()?;
            let opened = self.open && !was_open;
            Ok(Brought { bytes, emptied: received < most, opened })
        });
        if result.is_err() {
            wire.truncate(kept);
            self.wire = wire;
        }
        result
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.open || !self.flush()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let bytes = &bytes[..bytes.len().min(SEAL_BYTES)];
        for plain in bytes.chunks(RECORD_BYTES) {
            let begin = self.sealed.len();
            self.sealed.resize(begin + plain.len() + RECORD_EXTRA_BYTES, 0);
            let status = self.connection.process_tls_records(&mut self.wire);
            let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state else {
                return Err(io::Error::other("TLS does not take what is to be sent"));
            };
            let sealed = traffic.encrypt(plain, &mut self.sealed[begin..]);
            self.sealed.truncate(begin + sealed.map_err(io::Error::other)?);
        }
        self.flush()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<bool> {
        while !self.sealed.is_empty() {
            match self.socket.write(&self.sealed) {
                Ok(taken) if taken == self.sealed.len() => self.sealed.clear(),
                Ok(taken) => drop(self.sealed.drain(..taken)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Processes received TLS bytes; returns how many were consumed, and how many bytes were put
    /// into `room`.
    fn advance(&mut self, wire: &mut [u8], room: &mut [u8]) -> io::Result<(usize, usize)> {
        let (mut used, mut opened) = (0, 0);
        loop {
            let status = self.connection.process_tls_records(&mut wire[used..]);
            let discard = status.discard;
            let mut blocked = false;
            match status.state.map_err(io::Error::other)? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let payload = record.map_err(io::Error::other)?.payload;
                        room[opened..opened + payload.len()].copy_from_slice(payload);
                        opened += payload.len();
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    let begin = self.sealed.len();
                    if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
                        self.sealed.resize(begin + size.required_size, 0);
                        data.encode(&mut self.sealed[begin..]).map_err(io::Error::other)?;
                    }
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::WriteTraffic(_) => (self.open, blocked) = (true, true),
                _ => blocked = true,
            }
            used += discard;
            if blocked {
                return Ok((used, opened));
            }
        }
    }
}

/// Tickets of one server, each for one use; the store of rustls keeps only eight.
#[derive(Debug)]
struct Tickets {
    /// Key exchange hints of rustls, and tickets of TLS 1.2.
    rest: ClientSessionMemoryCache,
    waiting: Mutex<VecDeque<Tls13ClientSessionValue>>,
}

impl Default for Tickets {
    fn default() -> Tickets {
        Tickets { rest: ClientSessionMemoryCache::new(16), waiting: Mutex::default() }
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.rest.set_kx_hint(name, group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.rest.kx_hint(name)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.rest.set_tls12_session(name, value);
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.rest.tls12_session(name)
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.rest.remove_tls12_session(name);
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < TICKETS_MAX {
            waiting.push_back(value);
        }
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
