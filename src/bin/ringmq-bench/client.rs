//! One connection to the broker: socket, handshake, and incomplete reads and writes.
//!
//! ```text
//! Connecting ──connected──► Greeting ──CONNACK 0──► Subscribing ──SUBACK──► Live
//!                                └──CONNACK 0, nothing to subscribe──────────▲
//! ```
//! A failure in any state returns a [`Fault`] to the caller, which then drops the client.
//! Invariant: `readable` and `writable` are false only after the kernel has reported so, as
//! edge-triggered polling requires.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream as StdTcpStream};
use std::sync::Arc;

use mio::net::TcpStream;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::stream::{Brought, Framed, Stream, Terms};
use crate::wire::{self, Connect, Login, Malformed, Packet, Version};

/// Bytes one read may take: large enough for its fixed cost to vanish, small enough for L2.
const READ_BYTES: usize = 256 * 1024;

/// Send buffer of a publisher (the kernel doubles it): two full belts. Without a bound the kernel
/// grows it to megabytes, and the latency of a slow broker would include data that it has not
/// received yet.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// One MQTT connection. Owned by a publisher, a subscriber or the idle crowd.
#[derive(Debug)]
pub(crate) struct Client {
    stream: Stream,
    stage: Stage,
    version: Version,
    greeting: Greeting,
    /// Control packets that are not written yet.
    outbox: Vec<u8>,
    /// The incomplete packet at the end of the last read.
    carry: Vec<u8>,
    readable: bool,
    writable: bool,
    hung_up: bool,
}

/// The state of the handshake.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    /// TCP handshake under way.
    Connecting,
    /// CONNECT sent.
    Greeting,
    /// SUBSCRIBE sent.
    Subscribing,
    /// Ready for messages.
    Live,
}

/// The parameters of the handshake.
#[derive(Clone, Debug, Default)]
pub(crate) struct Greeting {
    /// Version of MQTT.
    pub(crate) version: Version,
    /// MQTT 5: whether the broker may name topics by aliases.
    pub(crate) takes_aliases: bool,
    /// MQTT client identifier.
    pub(crate) client_id: String,
    /// Clean Session flag of CONNECT.
    pub(crate) clean_session: bool,
    /// User name and password, the same for all.
    pub(crate) login: Option<Arc<Login>>,
    /// Filter and QoS to subscribe to.
    pub(crate) subscription: Option<(String, u8)>,
}

/// The addresses of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    /// The broker.
    pub(crate) to: SocketAddr,
    /// Source address; the kernel chooses when `None`.
    pub(crate) from: Option<IpAddr>,
    /// Whether it uses WebSocket.
    pub(crate) websocket: bool,
}

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The broker closed it.
    Closed,
    /// The kernel closed it.
    Io(io::Error),
    /// CONNACK with a return code other than 0.
    Refused(u8),
    /// DISCONNECT with this reason code.
    Disconnected(u8),
    /// SUBACK of 0x80 or more for this filter.
    SubscriptionRefused(String),
    /// The peer violates MQTT.
    Malformed(Malformed),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Closed => f.write_str("the broker closed the connection"),
            Fault::Io(error) => error.fmt(f),
            Fault::Refused(code) => write!(f, "CONNACK refuses with return code {code}"),
            Fault::Disconnected(reason) => {
                write!(f, "the broker closed the connection with reason code {reason:#04x}")
            }
            Fault::SubscriptionRefused(filter) => write!(f, "SUBACK refuses the filter {filter}"),
            Fault::Malformed(malformed) => malformed.fmt(f),
        }
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Fault {
        Fault::Malformed(malformed)
    }
}

/// A thread's receive buffer, shared by its clients: each client keeps its incomplete packets.
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    filled: usize,
}

impl Inbox {
    /// Allocates the buffer.
    pub(crate) fn new() -> Inbox {
        Inbox { bytes: vec![0; READ_BYTES], filled: 0 }
    }

    /// The bytes of the last [`Client::receive`].
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Client {
    /// Begins to connect.
    pub(crate) fn open(
        route: Route,
        greeting: Greeting,
        tls: Option<&Terms>,
    ) -> io::Result<Client> {
        let family = match route.to {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
        rustix::net::sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER_BYTES)?;
        if let Some(from) = route.from {
            rustix::net::bind(&socket, &SocketAddr::new(from, 0))?;
        }
        match rustix::net::connect(&socket, &route.to) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut stream = Stream::new(TcpStream::from_std(StdTcpStream::from(socket)), tls)?;
        if route.websocket {
            stream = Stream::WebSocket(Box::new(Framed::new(stream)));
        }
        Ok(Client {
            stream,
            stage: Stage::Connecting,
            version: greeting.version,
            greeting,
            outbox: Vec::new(),
            carry: Vec::new(),
            readable: false,
            writable: false,
            hung_up: false,
        })
    }

    /// The socket, for registration with the poller.
    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        self.stream.socket()
    }

    /// Version of MQTT.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// How far the handshake is.
    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether a read may return bytes.
    pub(crate) fn is_readable(&self) -> bool {
        self.readable
    }

    /// Whether a write may be accepted: control packets go first.
    pub(crate) fn is_writable(&self) -> bool {
        self.writable && self.outbox.is_empty()
    }

    /// Applies an event of the poller.
    pub(crate) fn handle_event(&mut self, event: &mio::event::Event) -> Result<(), Fault> {
        self.readable |= event.is_readable() || event.is_read_closed();
        self.hung_up |= event.is_read_closed();
        if event.is_error()
            && let Some(error) = self.stream.socket().take_error().map_err(Fault::Io)?
        {
            return Err(Fault::Io(error));
        }
        if event.is_writable() {
            self.writable = true;
            if self.stage == Stage::Connecting {
                self.stage = Stage::Greeting;
                let greeting = &self.greeting;
                let connect = Connect {
                    version: greeting.version,
                    client_id: &greeting.client_id,
                    clean_session: greeting.clean_session,
                    takes_aliases: greeting.takes_aliases,
                    login: greeting.login.as_deref(),
                };
                wire::push_connect(&mut self.outbox, connect);
            }
            self.flush()?;
        }
        Ok(())
    }

    /// Handles any packet except PUBLISH and PUBACK.
    pub(crate) fn handle_control(&mut self, packet: &Packet<'_>) -> Result<(), Fault> {
        match (self.stage, packet) {
            (Stage::Greeting, Packet::Connack { code: 0 }) => {
                let Some((filter, qos)) = &self.greeting.subscription else {
                    self.become_live();
                    return Ok(());
                };
                wire::push_subscribe(&mut self.outbox, self.version, 1, filter, *qos);
                self.stage = Stage::Subscribing;
                self.flush()
            }
            (Stage::Greeting, Packet::Connack { code }) => Err(Fault::Refused(*code)),
            (Stage::Subscribing, Packet::Suback { code: 0x80.. }) => {
                let (filter, _) = self.greeting.subscription.take().unwrap_or_default();
                Err(Fault::SubscriptionRefused(filter))
            }
            (Stage::Subscribing, Packet::Suback { .. }) => {
                self.become_live();
                Ok(())
            }
            (_, Packet::Disconnect { reason }) => Err(Fault::Disconnected(*reason)),
            _ => Ok(()),
        }
    }

    fn become_live(&mut self) {
        self.stage = Stage::Live;
        // Idle connections do not keep these texts, which saves memory.
        self.greeting = Greeting::default();
        self.outbox.shrink_to_fit();
    }

    /// Reads once. `inbox` then begins with the kept bytes. Returns the number of received bytes, 0
    /// if there are none now.
    pub(crate) fn receive(&mut self, inbox: &mut Inbox) -> Result<usize, Fault> {
        let carried = self.carry.len();
        if inbox.bytes.len() < carried + READ_BYTES / 2 {
            inbox.bytes.resize(carried + READ_BYTES, 0);
        }
        inbox.bytes[..carried].copy_from_slice(&self.carry);
        inbox.filled = carried;
        let room = &mut inbox.bytes[carried..];
        let Brought { bytes, emptied, opened } = match self.stream.read(room) {
            Ok(brought) => brought,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Fault::Closed);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(0),
            Err(error) => return Err(Fault::Io(error)),
        };
        // Without a new edge only the end of the stream can follow.
        self.readable = !emptied || self.hung_up;
        inbox.filled += bytes;
        if opened {
            self.writable = true;
            self.flush()?;
        }
        Ok(bytes)
    }

    /// Keeps the incomplete packet at the end of the inbox, from byte `from` on.
    pub(crate) fn carry_over(&mut self, inbox: &Inbox, from: usize) {
        self.carry.clear();
        self.carry.extend_from_slice(&inbox.bytes()[from..]);
    }

    /// The control packets to be sent; [`Client::flush`] sends them.
    pub(crate) fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    /// Writes the outbox as far as the socket accepts it.
    pub(crate) fn flush(&mut self) -> Result<(), Fault> {
        self.writable = self.writable && self.stream.flush().map_err(Fault::Io)?;
        while self.writable && !self.outbox.is_empty() {
            let taken = write_once(&mut self.stream, &mut self.writable, &self.outbox)?;
            self.outbox.drain(..taken);
        }
        Ok(())
    }

    /// Writes once without the outbox, which must be empty. Returns the bytes that were accepted.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        assert!(self.outbox.is_empty(), "control packets go first");
        write_once(&mut self.stream, &mut self.writable, bytes)
    }
}

fn write_once(stream: &mut Stream, writable: &mut bool, bytes: &[u8]) -> Result<usize, Fault> {
    match stream.write(bytes) {
        Ok(taken) => {
            *writable = taken == bytes.len() || stream.has_room();
            Ok(taken)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            *writable = false;
            Ok(0)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(Fault::Io(error)),
    }
}
