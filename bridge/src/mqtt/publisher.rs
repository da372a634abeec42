//! Publishes messages to a broker, and waits for each acknowledgement.
//!
//! A call sends messages in order, as many in flight as the broker allows. If the connection ends,
//! the call returns how many messages from the front are acknowledged; the caller keeps the others.
//! Invariant: `acknowledged` grows from the front only, so it is a watermark.

use std::collections::VecDeque;

use ringmq::mqtt::{Ack, Packet, PacketId, Publish, PublishProperties, QoS, ReasonCode, TopicName};
use tokio::time::{Instant, timeout_at};

use super::connection::{Connection, Lost, Terms, Turn, decode_packet};
use crate::config::Peer;
use crate::limits::{OUTPUT_BYTES, WRITE_TIMEOUT};
use crate::sinks::Refused;

/// One message to publish.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The topic; it is checked here.
    pub topic: &'a str,
    /// The payload.
    pub payload: &'a [u8],
    /// Forwarded properties; omitted in 3.1.1.
    pub properties: &'a [u8],
    /// 0 or 1.
    pub qos: u8,
    /// Whether to retain it.
    pub retain: bool,
}

/// The result of a call that ended early.
#[derive(Debug)]
pub struct Interrupted {
    /// The number of messages from the front that are acknowledged or refused.
    pub done: usize,
    /// The refused ones among them.
    pub refused: Vec<Refused>,
    /// The error.
    pub says: String,
}

/// The publishing side.
pub struct Publisher {
    peer: Peer,
    client_id: String,
    connection: Option<Connection>,
    /// The next packet identifier.
    next_id: u16,
}

/// A message in flight.
struct Flight {
    id: PacketId,
    at: usize,
    acknowledged: bool,
}

/// The state of one call.
#[derive(Default)]
struct Call {
    flights: VecDeque<Flight>,
    refused: Vec<Refused>,
    /// The number of messages taken from the caller.
    taken: usize,
}

impl Call {
    /// The number of messages from the front that are done.
    fn done(&self) -> usize {
        self.flights.front().map_or(self.taken, |flight| flight.at)
    }
}

impl Publisher {
    /// A publisher that connects when it is first needed.
    pub fn new(peer: Peer, client_id: String) -> Self {
        Self { peer, client_id, connection: None, next_id: 1 }
    }

    /// The broker that it publishes to.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Connects if it is not connected.
    ///
    /// # Errors
    /// The reason why it cannot connect.
    pub async fn open(&mut self) -> Result<(), String> {
        if self.connection.is_none() {
            let terms = Terms {
                client_id: &self.client_id,
                is_durable: false,
                receive_max: 1,
                wants_positions: false,
            };
            let opened = Connection::open(&self.peer, terms).await;
            self.connection = Some(opened.map_err(|lost| lost.to_string())?);
        }
        Ok(())
    }

    /// Connects if it is not connected; the largest packet that the broker takes.
    ///
    /// # Errors
    /// The reason why it cannot connect.
    pub(crate) async fn packet_bytes_max(&mut self) -> Result<usize, String> {
        self.open().await?;
        let connection = self.connection.as_ref().expect("was opened");
        Ok(connection.granted.packet_bytes_max)
    }

    /// Keeps the connection alive while there is nothing to publish. Returns when it is lost.
    pub async fn idle(&mut self) -> String {
        let Some(connection) = &mut self.connection else { return std::future::pending().await };
        let lost = loop {
            let end = match connection.turn(true).await {
                Ok(Turn::Received) => take_answers(connection, &mut Call::default()).err(),
                Ok(Turn::Sent) => None,
                Err(lost) => Some(lost),
            };
            if let Some(lost) = end {
                break lost;
            }
        };
        self.connection = None;
        lost.to_string()
    }

    /// Closes the connection with a DISCONNECT.
    pub async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }

    /// Publishes all messages; returns those that the broker refuses.
    ///
    /// # Errors
    /// The connection ended before all were acknowledged.
    pub async fn publish<'m>(
        &mut self,
        messages: impl Iterator<Item = Outgoing<'m>>,
    ) -> Result<Vec<Refused>, Interrupted> {
        if let Err(says) = self.open().await {
            return Err(Interrupted { done: 0, refused: Vec::new(), says });
        }
        let mut call = Call::default();
        let connection = self.connection.as_mut().expect("was opened");
        let end = send_all(connection, &mut self.next_id, messages, &mut call).await;
        match end {
            Ok(()) => Ok(call.refused),
            Err(lost) => {
                self.connection = None;
                let says = lost.to_string();
                Err(Interrupted { done: call.done(), refused: call.refused, says })
            }
        }
    }
}

async fn send_all<'m>(
    connection: &mut Connection,
    next_id: &mut u16,
    messages: impl Iterator<Item = Outgoing<'m>>,
    call: &mut Call,
) -> Result<(), Lost> {
    let mut messages = messages.peekable();
    let window = usize::from(connection.granted.window);
    let mut deadline = Instant::now() + WRITE_TIMEOUT;
    connection.listen_anew();
    loop {
        while call.flights.len() < window && connection.output.len() < OUTPUT_BYTES {
            let Some(message) = messages.next() else { break };
            send(connection, next_id, &message, call);
        }
        if messages.peek().is_none() && call.flights.is_empty() && !connection.has_output() {
            return Ok(());
        }
        let turn = timeout_at(deadline, connection.turn(true)).await;
        match turn.unwrap_or(Err(Lost::Silent))? {
            Turn::Received => {
                if take_answers(connection, call)? {
                    deadline = Instant::now() + WRITE_TIMEOUT;
                }
            }
            Turn::Sent => {}
        }
    }
}

/// Encodes a message, or refuses it.
fn send(connection: &mut Connection, next_id: &mut u16, message: &Outgoing<'_>, call: &mut Call) {
    let at = call.taken;
    call.taken += 1;
    let qos = if message.qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    let qos = qos.min(connection.granted.qos_max);
    let topic = match TopicName::parse(message.topic) {
        Ok(topic) => topic,
        Err(error) => {
            return call.refused.push(Refused { at, reason: format!("the topic: {error}") });
        }
    };
    if message.retain && !connection.granted.retain_available {
        return call.refused.push(Refused { at, reason: "the broker retains nothing".to_owned() });
    }
    let packet_id = (qos != QoS::AtMostOnce).then(|| take_id(next_id));
    let publish = Publish {
        dup: false,
        qos,
        retain: message.retain,
        topic: Some(topic),
        packet_id,
        properties: PublishProperties::forwarding(message.properties),
        payload: message.payload,
    };
    let bytes = publish.encoded_bytes(connection.version);
    if bytes > connection.granted.packet_bytes_max {
        let max = connection.granted.packet_bytes_max;
        let reason = format!("{bytes} bytes as a packet, the broker takes {max}");
        return call.refused.push(Refused { at, reason });
    }
    publish.encode(connection.version, &mut connection.output);
    if let Some(id) = packet_id {
        call.flights.push_back(Flight { id, at, acknowledged: false });
    }
}

/// Identifiers wrap: fewer messages are in flight than there are identifiers.
fn take_id(next_id: &mut u16) -> PacketId {
    let id = PacketId::new(*next_id).expect("is not 0");
    *next_id = next_id.checked_add(1).unwrap_or(1);
    id
}

/// Takes the broker's answers; returns whether an acknowledgement was among them.
fn take_answers(connection: &mut Connection, call: &mut Call) -> Result<bool, Lost> {
    let mut progresses = false;
    while let Some(bytes) = connection.next_frame()? {
        let packet = connection.input.split_to(bytes);
        match decode_packet(connection.version, &packet)? {
            Packet::Puback(ack) => {
                // The broker's quota is exceeded; it accepts the message later.
                if ack.reason == ReasonCode::QuotaExceeded {
                    return Err(Lost::Refused(ack.reason.name().to_owned()));
                }
                acknowledge(&ack, call);
                progresses = true;
            }
            Packet::Disconnect(disconnect) => return Err(Lost::Closed(Some(disconnect.reason))),
            _ => {}
        }
    }
    Ok(progresses)
}

fn acknowledge(ack: &Ack<'_>, call: &mut Call) {
    // Brokers acknowledge in order [MQTT-4.6.0-2], so it is usually the first.
    let found = call.flights.iter_mut().find(|flight| flight.id == ack.packet_id);
    let Some(flight) = found else { return };
    flight.acknowledged = true;
    if ack.reason.is_error() {
        let refused = Refused { at: flight.at, reason: ack.reason.name().to_owned() };
        call.refused.push(refused);
    }
    while call.flights.front().is_some_and(|flight| flight.acknowledged) {
        call.flights.pop_front();
    }
}
