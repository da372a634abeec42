//! A connection to a broker after its CONNACK: bytes in, bytes out, pings.

use std::fmt;
use std::future::pending;
use std::io;

use bytes::BytesMut;
use ringmq::mqtt::{
    Connack, ConnackProperties, Connect, ConnectProperties, ConnectReturn, Disconnect, Packet,
    Properties, QoS, ReasonCode, Version, decode, peek_frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::{Instant, sleep_until, timeout};

use super::stream::{Stream, open};
use super::told;
use crate::config::Peer;
use crate::limits::{CONNECT_TIMEOUT, KEEP_ALIVE, PACKET_BYTES_MAX, PUBLISH_WINDOW, READ_BYTES};

/// The reason why a connection ended or failed.
#[derive(Debug)]
pub(crate) enum Lost {
    /// An error of the system or of TLS.
    Io(io::Error),
    /// The broker closed it, perhaps with a reason.
    Closed(Option<ReasonCode>),
    /// The broker does not answer.
    Silent,
    /// A CONNACK with a refusal.
    Refused(String),
    /// The broker's bytes are not MQTT.
    Malformed(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Closed(None) => f.write_str("the broker closed the connection"),
            Self::Closed(Some(ReasonCode::SessionTakenOver)) => f.write_str(
                "another client took over the client id; does a second bridge have this name?",
            ),
            Self::Closed(Some(reason)) => {
                write!(f, "the broker closed the connection: {}", reason.name())
            }
            Self::Silent => f.write_str("the broker does not answer"),
            Self::Refused(says) => write!(f, "the broker refuses the connection: {says}"),
            Self::Malformed(says) => write!(f, "the broker sent what is not MQTT: {says}"),
        }
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The parameters of a CONNECT.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) is_durable: bool,
    /// Messages that the broker may have in flight to this client.
    pub(crate) receive_max: u16,
    /// Whether the broker is to tell the positions of messages, if it can.
    pub(crate) wants_positions: bool,
}

/// The limits that the broker granted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Granted {
    pub(crate) session_present: bool,
    /// The session's epoch, if the broker tells positions.
    pub(crate) epoch: Option<u64>,
    /// Messages that may be in flight to the broker.
    pub(crate) window: u16,
    pub(crate) packet_bytes_max: usize,
    pub(crate) qos_max: QoS,
    pub(crate) retain_available: bool,
}

/// An open connection.
pub(crate) struct Connection {
    pub(crate) version: Version,
    pub(crate) granted: Granted,
    /// Received bytes that were not taken yet.
    pub(crate) input: BytesMut,
    /// Bytes to send.
    pub(crate) output: Vec<u8>,
    sent: usize,
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    last_sent: Instant,
    last_received: Instant,
    keep_alive: std::time::Duration,
}

/// The outcome of a turn of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// More input.
    Received,
    /// Output was sent, or a ping was queued.
    Sent,
}

impl Connection {
    /// Connects, and waits for the CONNACK.
    pub(crate) async fn open(peer: &Peer, terms: Terms<'_>) -> Result<Self, Lost> {
        let attempt = async {
            let stream = open(&peer.address, &peer.tls).await?;
            Self::greet(stream, peer, terms).await
        };
        timeout(CONNECT_TIMEOUT, attempt).await.unwrap_or(Err(Lost::Silent))
    }

    async fn greet(stream: Box<dyn Stream>, peer: &Peer, terms: Terms<'_>) -> Result<Self, Lost> {
        let version = peer.version;
        let mut output = Vec::new();
        connect_packet(peer, terms, &mut output);
        let (reader, writer) = split(stream);
        let now = Instant::now();
        let mut connection = Self {
            version,
            granted: Granted {
                session_present: false,
                epoch: None,
                window: PUBLISH_WINDOW,
                packet_bytes_max: PACKET_BYTES_MAX,
                qos_max: QoS::ExactlyOnce,
                retain_available: true,
            },
            input: BytesMut::new(),
            output,
            sent: 0,
            reader,
            writer,
            last_sent: now,
            last_received: now,
            keep_alive: KEEP_ALIVE,
        };
        loop {
            if let Some(granted) = connection.take_connack()? {
                connection.granted = granted;
                return Ok(connection);
            }
            connection.turn(true).await?;
        }
    }

    fn take_connack(&mut self) -> Result<Option<Granted>, Lost> {
        let Some(bytes) = self.next_frame()? else { return Ok(None) };
        let packet = self.input.split_to(bytes);
        let Packet::Connack(connack) = decode_packet(self.version, &packet)? else {
            return Err(Lost::Malformed("a packet before the CONNACK".to_owned()));
        };
        if connack.reason != 0 {
            return Err(Lost::Refused(refusal(self.version, &connack)));
        }
        let terms = ConnackProperties::of(connack.properties);
        if let Some(seconds) = terms.keep_alive_s {
            self.keep_alive = std::time::Duration::from_secs(u64::from(seconds));
        }
        let is_v5 = self.version == Version::V5;
        Ok(Some(Granted {
            session_present: connack.session_present,
            epoch: told::epoch_of(connack.properties),
            window: if is_v5 { terms.receive_max } else { PUBLISH_WINDOW },
            packet_bytes_max: terms.packet_bytes_max as usize,
            qos_max: terms.qos_max,
            retain_available: terms.retain_available,
        }))
    }

    /// The length of the first packet in the input, when it is complete.
    pub(crate) fn next_frame(&self) -> Result<Option<usize>, Lost> {
        let frame = peek_frame(self.version, &self.input, PACKET_BYTES_MAX)
            .map_err(|error| Lost::Malformed(error.to_string()))?;
        Ok(frame.map(|frame| frame.total_bytes).filter(|bytes| *bytes <= self.input.len()))
    }

    /// Whether there is unsent output.
    pub(crate) fn has_output(&self) -> bool {
        self.sent < self.output.len()
    }

    /// Sends and, if `reads`, receives until something has happened. Pings are sent in any case,
    /// and the broker's silence counts only while it is read from. It may be cancelled.
    pub(crate) async fn turn(&mut self, reads: bool) -> Result<Turn, Lost> {
        if self.input.capacity() - self.input.len() < READ_BYTES / 8 {
            self.input.reserve(READ_BYTES);
        }
        let ping_at = self.last_sent + self.keep_alive / 2;
        let silent_at = self.last_received + self.keep_alive * 3 / 2;
        let has_output = self.has_output();
        let pings = !self.keep_alive.is_zero();
        let write = async {
            if has_output {
                self.writer.write(&self.output[self.sent..]).await
            } else {
                pending().await
            }
        };
        tokio::select! {
            biased;
            written = write => {
                match written? {
                    0 => return Err(Lost::Closed(None)),
                    bytes => self.sent += bytes,
                }
                self.last_sent = Instant::now();
                if self.sent == self.output.len() {
                    self.output.clear();
                    self.sent = 0;
                }
                Ok(Turn::Sent)
            }
            read = self.reader.read_buf(&mut self.input), if reads => {
                self.last_received = Instant::now();
                match read? {
                    0 => Err(Lost::Closed(None)),
                    _ => Ok(Turn::Received),
                }
            }
            () = sleep_until(ping_at), if pings && !has_output => {
                self.output.extend_from_slice(&Packet::PINGREQ);
                Ok(Turn::Sent)
            }
            () = sleep_until(silent_at), if pings && reads => Err(Lost::Silent),
        }
    }

    /// Restarts the measure of the broker's silence after a time without reading.
    pub(crate) fn listen_anew(&mut self) {
        self.last_received = Instant::now();
    }

    /// Sends DISCONNECT: the broker keeps a durable session.
    pub(crate) async fn close(mut self) {
        Packet::Disconnect(Disconnect::default()).encode(self.version, &mut self.output);
        let goodbye = async {
            self.writer.write_all(&self.output[self.sent..]).await?;
            self.writer.shutdown().await
        };
        // The broker may have closed already.
        let _ = timeout(CONNECT_TIMEOUT, goodbye).await;
    }
}

/// Decodes one whole packet.
pub(crate) fn decode_packet(version: Version, bytes: &[u8]) -> Result<Packet<'_>, Lost> {
    let frame = peek_frame(version, bytes, PACKET_BYTES_MAX)
        .map_err(|error| Lost::Malformed(error.to_string()))?
        .ok_or_else(|| Lost::Malformed("half a packet".to_owned()))?;
    decode(version, frame, bytes).map_err(|error| Lost::Malformed(error.to_string()))
}

fn refusal(version: Version, connack: &Connack<'_>) -> String {
    if version == Version::V5 {
        let name =
            ReasonCode::try_from(connack.reason).map_or("unknown reason", |code| code.name());
        return match ConnackProperties::of(connack.properties).reason_string {
            Some(says) => format!("{name}: {says}"),
            None => name.to_owned(),
        };
    }
    ConnectReturn::try_from(connack.reason)
        .map_or_else(|_| "unknown reason".to_owned(), |code| code.to_string())
}

fn connect_packet(peer: &Peer, terms: Terms<'_>, output: &mut Vec<u8>) {
    let wanted = ConnectProperties {
        session_expiry_s: if terms.is_durable { ringmq::mqtt::SESSION_NEVER_EXPIRES } else { 0 },
        receive_max: terms.receive_max,
        ..ConnectProperties::default()
    };
    let mut scratch = Vec::new();
    let properties = match peer.version {
        Version::V5 if terms.wants_positions => wanted.lay_out(&[told::REQUEST], &mut scratch),
        Version::V5 => wanted.lay_out(&[], &mut scratch),
        Version::V31 | Version::V311 => Properties::EMPTY,
    };
    let seconds = u16::try_from(KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX);
    let connect = Connect {
        version: peer.version,
        clean_session: !terms.is_durable,
        keep_alive_s: seconds,
        client_id: terms.client_id,
        will: None,
        username: peer.user.as_deref(),
        password: peer.password.as_ref().map(|password| password.0.as_bytes()),
        properties,
    };
    connect.encode(peer.version, output);
}
