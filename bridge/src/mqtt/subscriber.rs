//! Reads from a broker with a durable session, and acknowledges messages that the driver confirmed.
//!
//! PUBACKs are sent in order of receipt [MQTT-4.6.0-2]. When the flow's budget is used up, the
//! bridge stops reading until there is room, but still sends pings. After a reconnect the broker
//! sends unacknowledged messages again. Those that the flow still holds are recognised by packet
//! identifier and position, or DUP without one: they are only acknowledged, not delivered twice.
//! A broker that crashes forgets acknowledgements that it has not stored. The messages that it then
//! sends again are recognised by their position, if it tells positions.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use log::{info, warn};
use ringmq::mqtt::{
    Ack, AckKind, Packet, PacketId, Publish, QoS, RetainHandling, Subscribe, SubscribeEntry,
    TopicFilter, Version,
};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use super::connection::{Connection, Lost, Terms, Turn};
use super::told::told;
use crate::config::MqttInput;
use crate::flow::{Backoff, Budget, Chunk, Position, Positions, Progress, Span};
use crate::metrics::FlowMetrics;

/// A received message that must be acknowledged.
#[derive(Clone, Copy)]
struct Receipt {
    /// The order of receipt.
    receipt: u64,
    id: PacketId,
    /// Its number in the session, if the broker has told it.
    number: Option<u64>,
}

/// The input of a flow.
pub struct Subscriber {
    name: String,
    input: MqttInput,
    chunks: UnboundedSender<Chunk>,
    progress: Rc<Progress>,
    budget: Rc<Budget>,
    metrics: FlowMetrics,
    positions: Positions,
    /// Receipt number of the next new message.
    next: u64,
    /// The epoch of the session, if the broker tells positions.
    epoch: Option<u64>,
    /// Above the position of each message that was received, if the broker tells positions.
    seen: Position,
    /// Messages received on this connection and not acknowledged yet, in order.
    unacknowledged: VecDeque<Receipt>,
    /// By packet identifier: messages received on earlier connections and not acknowledged there.
    earlier: HashMap<u16, Receipt>,
    /// For each unconfirmed chunk: the receipt number of its end, and its time.
    times: VecDeque<(u64, u64)>,
    has_subscribed: bool,
}

impl Subscriber {
    /// The subscriber of a flow.
    pub fn new(
        name: &str,
        input: MqttInput,
        chunks: UnboundedSender<Chunk>,
        (progress, budget): (Rc<Progress>, Rc<Budget>),
        metrics: FlowMetrics,
        positions: Positions,
    ) -> Self {
        Self {
            name: name.to_owned(),
            input,
            chunks,
            progress,
            budget,
            metrics,
            positions,
            next: 0,
            epoch: None,
            seen: Position::default(),
            unacknowledged: VecDeque::new(),
            earlier: HashMap::new(),
            times: VecDeque::new(),
            has_subscribed: false,
        }
    }

    /// Runs until the driver closes the progress; reconnects whenever the connection ends.
    pub async fn run(mut self) {
        let mut backoff = Backoff::default();
        while !self.progress.is_closed() {
            let lost = match self.connect().await {
                Ok(mut connection) => {
                    if backoff.attempts() > 0 {
                        info!("{}: reads from {} again", self.name, self.input.peer.address);
                    }
                    backoff.reset();
                    self.metrics.set_connected(true);
                    match self.serve(&mut connection).await {
                        Ok(()) => {
                            connection.close().await;
                            return;
                        }
                        Err(lost) => lost,
                    }
                }
                Err(lost) => lost,
            };
            self.metrics.set_connected(false);
            self.forget_connection();
            if backoff.attempts() == 0 {
                warn!(
                    "{}: {}: {lost}; tries again until it answers",
                    self.name, self.input.peer.address
                );
            }
            let pause = sleep(backoff.pause());
            tokio::select! {
                () = pause => {}
                () = self.closed() => return,
            }
        }
    }

    async fn closed(&self) {
        while !self.progress.is_closed() {
            self.progress.changed().await;
        }
    }

    /// The broker sends unacknowledged messages again. To a member of a group, on the next
    /// connection or never: another member may have them, and their identifiers are free then.
    fn forget_connection(&mut self) {
        if self.input.group.is_some() {
            self.earlier.clear();
        }
        for received in self.unacknowledged.drain(..) {
            self.earlier.insert(received.id.get(), received);
        }
    }

    async fn connect(&mut self) -> Result<Connection, Lost> {
        let terms = Terms {
            client_id: &self.input.client_id,
            is_durable: true,
            receive_max: self.input.window,
            // Not only for targets that need them: the lag is the age of the oldest message,
            // wherever it has waited. Messages of QoS 0 have none.
            // The messages of groups have none either.
            wants_positions: self.input.qos > 0 && self.input.group.is_none(),
        };
        let mut connection = Connection::open(&self.input.peer, terms).await?;
        let is_new = !connection.granted.session_present;
        self.epoch = connection.granted.epoch;
        if is_new {
            self.earlier.clear();
            // Before the SUBSCRIBE, so that no message of this session has the old epoch.
            self.positions.start_epoch()?;
        }
        // 3.1.1 sends retained messages at each SUBSCRIBE.
        if connection.version == Version::V5 || is_new || !self.has_subscribed {
            self.subscribe(&mut connection);
        }
        Ok(connection)
    }

    fn subscribe(&self, connection: &mut Connection) {
        let handling = match self.input.retained {
            true => RetainHandling::IfNew,
            false => RetainHandling::Never,
        };
        let qos = if self.input.qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        let subscriptions = self.input.subscriptions();
        let filters = subscriptions.iter().map(|filter| {
            let filter = TopicFilter::parse(filter).expect("checked with the configuration");
            let mut entry = SubscribeEntry::new(filter, qos);
            // 3.1.1 has neither option.
            if connection.version == Version::V5 {
                entry.retain_as_published = true;
                entry.retain_handling = handling;
            }
            entry
        });
        let mut scratch = Vec::new();
        let id = PacketId::new(1).expect("is not 0");
        let properties = ringmq::mqtt::Properties::EMPTY;
        let subscribe = Subscribe::lay_out(id, properties, filters, &mut scratch);
        subscribe.encode(connection.version, &mut connection.output);
    }

    /// Returns `Ok` when the driver has closed the progress and all confirmed messages are
    /// acknowledged.
    async fn serve(&mut self, connection: &mut Connection) -> Result<(), Lost> {
        let mut was_full = false;
        loop {
            self.acknowledge(connection);
            let is_closed = self.progress.is_closed();
            if is_closed && !connection.has_output() {
                return Ok(());
            }
            let has_room = self.budget.has_room(1) && !is_closed;
            if has_room && was_full {
                connection.listen_anew();
            }
            was_full = !has_room;
            tokio::select! {
                biased;
                turn = connection.turn(has_room) => {
                    if turn? == Turn::Received {
                        self.take_input(connection)?;
                    }
                }
                () = self.progress.changed() => {}
                () = self.budget.room(1), if !has_room && !is_closed => {}
            }
        }
    }

    /// Queues PUBACKs for confirmed messages.
    fn acknowledge(&mut self, connection: &mut Connection) {
        let confirmed = self.progress.confirmed();
        while let Some(Receipt { receipt, id, .. }) = self.unacknowledged.front().copied() {
            if receipt >= confirmed {
                break;
            }
            connection.output.extend_from_slice(&Ack::bytes_v3(AckKind::Puback, id));
            self.unacknowledged.pop_front();
        }
        while self.times.front().is_some_and(|(end, _)| *end <= confirmed) {
            self.times.pop_front();
        }
        self.metrics.set_oldest(self.times.front().map(|(_, time_ms)| *time_ms));
    }

    /// Cuts the received bytes into packets, and passes on the messages.
    fn take_input(&mut self, connection: &mut Connection) -> Result<(), Lost> {
        let whole = whole_packets(connection)?;
        if whole == 0 {
            return Ok(());
        }
        let bytes = connection.input.split_to(whole).freeze();
        let version = connection.version;
        let (first, seen) = (self.next, self.seen);
        let mut spans = Vec::new();
        let taken = self.take_packets(version, &bytes, &mut spans);
        // Messages received before a fault are processed like all others.
        if let Err(error) = self.positions.number(&mut spans) {
            (self.next, self.seen) = (first, seen);
            self.unacknowledged.retain(|received| received.receipt < first);
            return Err(error.into());
        }
        self.hand_on(bytes, spans, first);
        taken
    }

    fn take_packets(
        &mut self,
        version: Version,
        bytes: &Bytes,
        spans: &mut Vec<Span>,
    ) -> Result<(), Lost> {
        let now = now_ms();
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let frame = ringmq::mqtt::peek_frame(version, rest, usize::MAX)
                .map_err(|error| Lost::Malformed(error.to_string()))?
                .expect("whole packets only");
            let packet = ringmq::mqtt::decode(version, frame, &rest[..frame.total_bytes])
                .map_err(|error| Lost::Malformed(error.to_string()))?;
            at += frame.total_bytes;
            match packet {
                Packet::Publish(publish) => {
                    let span = span_of(&publish, bytes, now, self.epoch)?;
                    if self.is_new(&publish, &span) {
                        spans.push(span);
                    }
                }
                Packet::Suback(suback) => self.take_suback(suback.codes)?,
                Packet::Disconnect(disconnect) => {
                    return Err(Lost::Closed(Some(disconnect.reason)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a message is not in the flow already; notes that it must be acknowledged here.
    fn is_new(&mut self, publish: &Publish<'_>, span: &Span) -> bool {
        let Some(id) = publish.packet_id else {
            self.next += 1;
            return true;
        };
        let number = span.is_told.then_some(span.position.number);
        if !self.earlier.is_empty()
            && let Some(known) = self.earlier.remove(&id.get())
            && (if number.is_some() { number == known.number } else { publish.dup })
        {
            self.unacknowledged.push_back(known);
            return false;
        }
        if let Some(number) = number {
            let Position { epoch, .. } = span.position;
            if epoch == self.seen.epoch && number < self.seen.number {
                // It was acknowledged, and the broker has forgotten that: whatever was received
                // before is confirmed.
                self.unacknowledged.push_back(Receipt { receipt: 0, id, number: Some(number) });
                return false;
            }
            self.seen = Position { epoch, number: number + 1 };
        }
        self.unacknowledged.push_back(Receipt { receipt: self.next, id, number });
        self.next += 1;
        true
    }

    fn take_suback(&mut self, codes: &[u8]) -> Result<(), Lost> {
        let refused = self.input.filters.iter().zip(codes).find(|(_, code)| **code >= 0x80);
        if let Some((filter, _)) = refused {
            return Err(Lost::Refused(format!(
                "{} may not subscribe to {filter:?}",
                self.input.client_id
            )));
        }
        if self.input.qos == 1 && codes.contains(&0) {
            warn!("{}: the broker grants QoS 0 only: messages can be lost", self.name);
        }
        if !self.has_subscribed {
            info!("{}: subscribed at {}", self.name, self.input.peer.address);
        }
        self.has_subscribed = true;
        Ok(())
    }

    fn hand_on(&mut self, bytes: Bytes, spans: Vec<Span>, first: u64) {
        if spans.is_empty() {
            return;
        }
        // The spans count too: for small messages they take more memory than the bytes.
        let held = bytes.len() + spans.len() * size_of::<Span>();
        let lease = self.budget.take(held);
        self.metrics.received(spans.len(), self.budget.used());
        self.times.push_back((self.next, spans[0].time_ms));
        // The driver may have ended; then the flow ends.
        let _ = self.chunks.send(Chunk { bytes, spans, first, lease });
    }
}

/// Bytes of the whole packets at the front of the input.
fn whole_packets(connection: &Connection) -> Result<usize, Lost> {
    let mut whole = 0;
    loop {
        let rest = &connection.input[whole..];
        let frame = ringmq::mqtt::peek_frame(connection.version, rest, usize::MAX)
            .map_err(|error| Lost::Malformed(error.to_string()))?;
        match frame.filter(|frame| frame.total_bytes <= rest.len()) {
            Some(frame) => whole += frame.total_bytes,
            None => return Ok(whole),
        }
    }
}

fn span_of(
    publish: &Publish<'_>,
    bytes: &Bytes,
    now_ms: u64,
    epoch: Option<u64>,
) -> Result<Span, Lost> {
    let topic = publish
        .topic
        .ok_or_else(|| Lost::Malformed("a topic alias that was not asked for".to_owned()))?
        .as_str();
    let told = epoch.and_then(|epoch| told(publish.properties.list(), epoch));
    let properties = told.as_ref().map_or(publish.properties.list().as_bytes(), |told| told.others);
    let offset = |part: &[u8]| {
        let at = (part.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
        // An empty part may point anywhere.
        u32::try_from(if part.is_empty() { 0 } else { at }).expect("a packet is smaller")
    };
    let length = |part: &[u8]| u32::try_from(part.len()).expect("a packet is smaller");
    Ok(Span {
        packet_id: publish.packet_id.map_or(0, PacketId::get),
        topic_at: offset(topic.as_bytes()),
        topic_bytes: u16::try_from(topic.len()).expect("a topic is smaller"),
        qos: publish.qos as u8,
        retain: publish.retain,
        dup: publish.dup,
        skipped: false,
        properties_at: offset(properties),
        properties_bytes: length(properties),
        payload_at: offset(publish.payload),
        payload_bytes: length(publish.payload),
        is_told: told.is_some(),
        position: told.as_ref().map_or_else(Position::default, |told| told.position),
        time_ms: told.map_or(now_ms, |told| told.stored_ms),
    })
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
