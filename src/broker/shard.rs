//! The hub: one core's share of the broker, as its reactor drives it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::chunk::{Batch, ChunkPool};
use crate::limits::CHOKE_FACTOR;
use crate::mqtt::{
    Ack, AckKind, Connect, ConnectReturn, DecodeError, Packet, Properties, Suback, TopicFilter,
    TopicName, Unsuback, Version,
};

use super::connect::Refusals;
use super::connection::Phase;
use super::delivery::{Outgoing, Terms};
use super::hashing::Hashing;
use super::letter::{Forms, Letter, Message, Source};
use super::peers::{PeerMessage, PeerPublish, Peers, ReplayId, ShardId, ShardSet};
use super::promises::{Promises, Reply};
use super::replay::Vouchers;
use super::routes::Ticket;
use super::stats::Stats;
use super::vhost::{Vhost, VhostId};
use super::{ConnId, Flow, Options, placement};

/// What every call brings along.
pub struct Context<'a> {
    /// Milliseconds since some fixed point; never goes back.
    pub now_ms: u64,
    /// The other shards.
    pub peers: &'a mut dyn Peers,
}

/// What the reactor must do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Hand over the connection's packets again.
    Resume(ConnId),
    /// Send what the connection still has to say, then close its link.
    Close(ConnId),
}

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// DISCONNECT came.
    Disconnected,
    /// The peer closed, without DISCONNECT.
    PeerClosed,
    /// The network failed.
    Failed,
    /// Bytes that are no MQTT.
    Malformed(DecodeError),
    /// CONNACK carried this code.
    Refused(ConnectReturn),
    /// The first packet was another than CONNECT [MQTT-3.1.0-1].
    NoConnect,
    /// A second CONNECT [MQTT-3.1.0-2].
    SecondConnect,
    /// A packet that only servers send, or that answers none of ours.
    Unexpected,
    /// An acknowledgement of another QoS than the message's.
    WrongAnswer,
    /// A topic name with too many levels.
    TooManyLevels,
    /// No packet within one and a half times the keep alive [MQTT-3.1.2-24].
    KeepAlive,
    /// No CONNECT in time.
    ConnectTimeout,
    /// Too many bytes before CONNECT.
    TooMuchBeforeConnect,
    /// Another client came with the same client id [MQTT-3.1.4-2].
    TakenOver,
    /// The broker stops.
    Stopping,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnected => "client disconnected",
            Self::PeerClosed => "peer closed without DISCONNECT",
            Self::Failed => "connection failed",
            Self::Malformed(error) => return write!(f, "malformed packet: {error}"),
            Self::Refused(code) => return write!(f, "refused with CONNACK {}", *code as u8),
            Self::NoConnect => "first packet is not CONNECT",
            Self::SecondConnect => "second CONNECT",
            Self::Unexpected => "packet that a client may not send",
            Self::WrongAnswer => "acknowledgement of another QoS than the message's",
            Self::TooManyLevels => "topic name has too many levels",
            Self::KeepAlive => "nothing received within 1.5 times the keep alive",
            Self::ConnectTimeout => "no CONNECT in time",
            Self::TooMuchBeforeConnect => "too many bytes before CONNECT",
            Self::TakenOver => "another client connected with the same client id",
            Self::Stopping => "broker stops",
        })
    }
}

/// See the module.
pub struct Shard {
    pub(super) vhosts: Vec<Vhost>,
    pub(super) out: Outgoing,
    pub(super) forms: Forms,
    pub(super) promises: Promises,
    pub(super) refusals: Refusals,
    /// Packets handled.
    packets: u64,
    /// Clients that are connected.
    pub(super) clients: usize,
    /// Counts client ids made here.
    pub(super) made_ids: u64,
    /// Connections whose retained replay goes on in the next turn.
    pub(super) replaying: Vec<ConnId>,
    /// Asks that wait for the vouchers of other shards.
    pub(super) vouchers: BTreeMap<(ShardId, ReplayId), Vouchers>,
    /// Connections whose output is low again, while publishers wait for them.
    pub(super) relieving: VecDeque<ConnId>,
}

impl Shard {
    /// A shard without connections or sessions.
    pub fn new(options: Options) -> Self {
        Self {
            vhosts: vec![Vhost::new("/", &Hashing::with_seed(options.seed))],
            out: Outgoing::new(options),
            forms: Forms::default(),
            promises: Promises::default(),
            refusals: Refusals::default(),
            packets: 0,
            clients: 0,
            made_ids: 0,
            replaying: Vec::new(),
            vouchers: BTreeMap::new(),
            relieving: VecDeque::new(),
        }
    }

    /// A link was accepted, or came from another shard.
    pub fn open(&mut self, conn: ConnId, now_ms: u64) {
        self.out.connections.open(conn, now_ms);
    }

    /// Where a client's session lives: the shard its link must be on.
    pub fn home_of(&self, connect: &Connect<'_>) -> ShardId {
        let Options { shard, shards, .. } = self.out.options;
        if connect.client_id.is_empty() {
            return shard;
        }
        placement::home_of(&self.vhosts[0].name, connect.client_id, shards)
    }

    /// Handles a packet.
    pub fn handle_packet(
        &mut self,
        conn: ConnId,
        packet: &Packet<'_>,
        context: &mut Context<'_>,
    ) -> Flow {
        let Some(connection) = self.out.connections.get_mut(conn) else {
            return Flow::Stop;
        };
        connection.last_packet_ms = context.now_ms;
        self.packets += 1;
        match (&connection.phase, packet) {
            (Phase::Open(_), Packet::Publish(publish)) => {
                self.handle_publish(conn, publish, context);
            }
            (Phase::Open(_), Packet::Puback(ack)) => {
                self.handle_answer_to(conn, ack.packet_id, AckKind::Puback, context);
            }
            (Phase::Open(_), Packet::Pubrec(ack)) => {
                self.handle_answer_to(conn, ack.packet_id, AckKind::Pubrec, context);
            }
            (Phase::Open(_), Packet::Pubcomp(ack)) => {
                self.handle_answer_to(conn, ack.packet_id, AckKind::Pubcomp, context);
            }
            (Phase::Open(_), Packet::Pubrel(ack)) => self.handle_pubrel(conn, ack.packet_id),
            (Phase::Open(_), Packet::Subscribe(subscribe)) => {
                self.handle_subscribe(conn, subscribe, context);
            }
            (Phase::Open(_), Packet::Unsubscribe(unsubscribe)) => {
                self.handle_unsubscribe(conn, unsubscribe, context);
            }
            // [MQTT-3.12.4-1]
            (Phase::Open(_), Packet::Pingreq) => self.out.reply(conn, &[0xd0, 0]),
            (Phase::Open(_), Packet::Disconnect(_)) => {
                self.close(conn, CloseReason::Disconnected, context);
            }
            (Phase::Open(_), Packet::Connect(_)) => {
                self.close(conn, CloseReason::SecondConnect, context);
            }
            (Phase::Open(_), _) => self.close(conn, CloseReason::Unexpected, context),
            (Phase::Greeting, Packet::Connect(connect)) => {
                self.handle_connect(conn, connect, context);
            }
            (Phase::Greeting, _) => self.close(conn, CloseReason::NoConnect, context),
            (Phase::Closed, _) => {}
        }
        self.choke(conn);
        self.flow(conn)
    }

    /// Handles bytes that are no packet: they end the connection [MQTT-4.8.0-1].
    pub fn handle_fault(&mut self, conn: ConnId, error: DecodeError, context: &mut Context<'_>) {
        if error == DecodeError::UnacceptableVersion && self.is_greeting(conn) {
            // [MQTT-3.1.2-2]
            self.refuse(conn, ConnectReturn::UnacceptableVersion, context);
        } else {
            self.close(conn, CloseReason::Malformed(error), context);
        }
    }

    /// Stops reading from a connection that asks and does not take the answers.
    #[inline]
    fn choke(&mut self, conn: ConnId) {
        let max = self.out.options.outgoing_bytes_max * CHOKE_FACTOR;
        if let Some(connection) = self.out.connections.get_mut(conn) {
            connection.choked |= connection.output.bytes() >= max;
        }
    }

    /// Whether the connection's packets may be handed over now.
    #[inline]
    pub fn flow(&self, conn: ConnId) -> Flow {
        match self.out.connections.get(conn) {
            None => Flow::Stop,
            Some(connection) if matches!(connection.phase, Phase::Closed) => Flow::Stop,
            Some(connection) if connection.holds > 0 || connection.choked => Flow::Pause,
            Some(_) => Flow::Continue,
        }
    }

    /// Work done so far: packets handled and copies delivered.
    #[inline]
    pub fn work(&self) -> u64 {
        self.packets + self.out.stats.publishes_out
    }

    /// Clients that are connected here.
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// Notes that the connection was not read from until now: its silence was ours.
    pub fn forgive_silence(&mut self, conn: ConnId, now_ms: u64) {
        if let Some(connection) = self.out.connections.get_mut(conn) {
            connection.last_packet_ms = now_ms;
        }
    }

    /// Whether the connection has not been accepted yet.
    pub fn is_greeting(&self, conn: ConnId) -> bool {
        let connection = self.out.connections.get(conn);
        connection.is_some_and(|connection| matches!(connection.phase, Phase::Greeting))
    }

    /// The version the connection speaks, once it is open.
    pub fn version(&self, conn: ConnId) -> Option<Version> {
        match &self.out.connections.get(conn)?.phase {
            Phase::Open(open) => Some(open.version),
            Phase::Greeting | Phase::Closed => None,
        }
    }

    /// Handles a message of another shard; whether that shard may wait for it to be handled.
    pub fn handle_peer(&mut self, from: ShardId, record: &[u8], context: &mut Context<'_>) -> bool {
        let (vhost, message) = PeerMessage::read(record);
        let awaited = message.is_awaited();
        match message {
            PeerMessage::Publish(publish) => {
                self.handle_peer_publish(from, vhost, &publish, context);
            }
            PeerMessage::Interested { filter } => self.set_interest(vhost, filter, from, true),
            PeerMessage::NotInterested { filter } => self.set_interest(vhost, filter, from, false),
            PeerMessage::Hold { conn } => self.out.add_hold(conn),
            PeerMessage::Release { conn } => self.out.end_hold(conn, context.now_ms),
            PeerMessage::Ask(ask) => self.handle_ask(from, vhost, &ask, context),
            PeerMessage::Vouch { replay, keeper } => {
                let vouched = PeerMessage::Vouched { replay, asker: from };
                vouched.send(vhost, ShardSet::of(keeper), context.peers);
            }
            PeerMessage::Vouched { replay, asker } => {
                self.handle_vouched(asker, replay, context);
            }
            PeerMessage::Answer { replay, topic, payload, qos } => {
                let topic = TopicName::parse(topic).expect("a peer sends topics it has checked");
                let message = Message { topic, payload, qos, retain: true };
                self.handle_answer(replay, &message, context);
            }
            PeerMessage::AnswerEnd { replay, after } => {
                self.handle_answer_end(replay, after, context);
            }
        }
        awaited
    }

    /// Ends a turn: replies that wait for other shards wait for what has been `sent` to them so
    /// far.
    pub fn seal_promises(&mut self, sent: impl Fn(ShardId) -> u64) {
        self.promises.seal(self.out.options.shards, sent);
    }

    /// Lets replies go that waited for what the other shards have `handled`.
    pub fn keep_promises(&mut self, handled: impl Fn(ShardId) -> u64) {
        while let Some(replies) = self.promises.next_kept(&handled) {
            for (conn, reply) in replies {
                if let Some(connection) = self.out.connections.get_mut(conn) {
                    connection.promised -= 1;
                    self.write_reply(conn, &reply);
                    if matches!(reply, Reply::Suback { replays: true, .. }) {
                        self.release_replay(conn);
                    }
                }
            }
        }
    }

    /// Whether replies wait for other shards.
    pub fn has_promises(&self) -> bool {
        self.promises.is_waiting()
    }

    /// When [`Shard::on_deadline`] is due next.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.out.patience.front().map(|(deadline_ms, _)| *deadline_ms)
    }

    /// Does what is due.
    pub fn on_deadline(&mut self, context: &mut Context<'_>) {
        self.out.end_patience(context);
    }

    /// The next connection with output to send.
    pub fn next_dirty(&mut self) -> Option<ConnId> {
        let conn = self.out.dirty.pop()?;
        if let Some(connection) = self.out.connections.get_mut(conn) {
            connection.dirty = false;
        }
        Some(conn)
    }

    /// The next thing to do.
    pub fn next_event(&mut self, context: &mut Context<'_>) -> Option<Event> {
        // Publishers go on one at a time: each may fill again what the next waits for.
        self.relieve_next(context);
        self.out.events.pop_front()
    }

    /// Takes what a connection has to say; empty if nothing. `spare` is an empty batch for reuse.
    pub fn take_output(&mut self, conn: ConnId, spare: Batch) -> Batch {
        match self.out.connections.get_mut(conn) {
            Some(connection) if connection.output.is_waiting() => connection.output.take(spare),
            _ => spare,
        }
    }

    /// Whether a connection has something to say.
    pub fn has_output(&self, conn: ConnId) -> bool {
        self.out.connections.get(conn).is_some_and(|connection| connection.output.is_waiting())
    }

    /// Notes that `bytes` of a connection's output have gone.
    pub fn on_sent(&mut self, conn: ConnId, bytes: usize, context: &mut Context<'_>) {
        let Some(connection) = self.out.connections.get_mut(conn) else {
            return;
        };
        connection.output.sent(bytes);
        if connection.choked {
            // It is not read from: that it takes its answers shows that it lives.
            connection.last_packet_ms = context.now_ms;
            if connection.output.bytes() <= self.out.options.outgoing_bytes_max {
                connection.choked = false;
                self.out.events.push_back(Event::Resume(conn));
            }
        }
        self.out.note_taken(conn);
        self.make_progress(conn, context);
    }

    /// Forgets a connection whose link is gone.
    pub fn remove(&mut self, conn: ConnId) {
        if let Some(mut connection) = self.out.connections.remove(conn) {
            connection.output.discard(&mut self.out.pool);
        }
    }

    /// Free memory for output.
    pub fn pool(&mut self) -> &mut ChunkPool {
        &mut self.out.pool
    }

    /// What happened so far.
    pub fn stats(&self) -> &Stats {
        &self.out.stats
    }

    /// Sends what waits for a connection, goes on with its replay, frees who waits for it.
    pub(super) fn make_progress(&mut self, conn: ConnId, context: &mut Context<'_>) {
        let Some(connection) = self.out.connections.get(conn) else {
            return;
        };
        let Phase::Open(open) = &connection.phase else {
            return;
        };
        let (vhost, key) = (open.vhost, open.session);
        let replays = connection.replays.is_some();
        let session = self.vhosts[usize::from(vhost.0)].sessions.get_mut(key);
        if session.queue.waiting() > 0 {
            self.out.pump(session);
        }
        self.relieve(conn);
        if replays {
            self.advance_replay(conn, context);
        }
    }

    /// Routes a message to its sessions here and to the shards that want it; true if other shards
    /// must have it before it can be acknowledged.
    pub(super) fn publish(
        &mut self,
        vhost: VhostId,
        route: Ticket,
        message: Message<'_>,
        publisher: Option<ConnId>,
        context: &mut Context<'_>,
    ) -> bool {
        let Options { shard, shards, .. } = self.out.options;
        self.publish_on(
            vhost,
            route,
            message,
            publisher.map_or(Source::Nobody, Source::Here),
            context,
        );
        let place = &mut self.vhosts[usize::from(vhost.0)];
        let remote = place.exchange.routes.get(route).remote;
        let mut keeper = None;
        if message.retain {
            let owner = placement::keeper_of(&place.name, message.topic.as_str(), shards);
            if owner == shard {
                self.out.retain(&mut place.retained, &message);
            } else {
                keeper = Some(owner);
            }
        }
        if remote.is_empty() && keeper.is_none() {
            return false;
        }
        let copy = PeerPublish {
            source: publisher,
            topic: message.topic.as_str(),
            payload: message.payload,
            qos: message.qos,
            retain: message.retain,
            keep: false,
            deliver: true,
        };
        let mut others = remote;
        if let Some(owner) = keeper {
            let deliver = others.take(owner);
            let copy = PeerPublish { keep: true, deliver, ..copy };
            PeerMessage::Publish(copy).send(vhost, ShardSet::of(owner), context.peers);
        }
        if !others.is_empty() {
            PeerMessage::Publish(copy).send(vhost, others, context.peers);
        }
        true
    }

    /// Hands a message to the sessions of a route.
    pub(super) fn publish_on(
        &mut self,
        vhost: VhostId,
        route: Ticket,
        message: Message<'_>,
        source: Source,
        context: &mut Context<'_>,
    ) {
        let Vhost { exchange, sessions, .. } = &mut self.vhosts[usize::from(vhost.0)];
        let route = exchange.routes.get(route);
        if route.targets.is_empty() {
            self.out.stats.unrouted += u64::from(route.remote.is_empty());
            return;
        }
        let mut letter = Letter::new(message, &mut self.forms);
        for target in &route.targets {
            let terms = Terms { granted: target.granted, retain: false, source };
            let session = sessions.get_mut(target.session);
            let kept = self.out.deliver(session, &mut letter, terms, context);
            if message.retain && kept {
                self.out.note_live_retained(session, message.topic);
            }
        }
    }

    pub(super) fn write_reply(&mut self, conn: ConnId, reply: &Reply) {
        match reply {
            Reply::Puback(id) => self.out.reply(conn, &Ack::bytes_v3(AckKind::Puback, *id)),
            Reply::Pubrec(id) => self.out.reply(conn, &Ack::bytes_v3(AckKind::Pubrec, *id)),
            Reply::Pubcomp(id) => self.out.reply(conn, &Ack::bytes_v3(AckKind::Pubcomp, *id)),
            Reply::Unsuback(id) => self.out.reply(conn, &Unsuback::bytes_v3(*id)),
            Reply::Suback { packet_id, codes, .. } => {
                let properties = Properties::EMPTY;
                let suback = Suback { packet_id: *packet_id, properties, codes };
                let mut bytes = Vec::new();
                suback.encode(Version::V311, &mut bytes);
                self.out.reply(conn, &bytes);
            }
        }
    }

    /// Replies at once, or when other shards have handled what this turn sent them. Replies of one
    /// connection keep their order [MQTT-4.6.0-2]. Whether it is held.
    pub(super) fn promise(&mut self, conn: ConnId, reply: Reply, wait: bool) -> bool {
        let Some(connection) = self.out.connections.get_mut(conn) else {
            return false;
        };
        let held = wait || connection.promised > 0;
        if held {
            connection.promised += 1;
            self.promises.add(conn, reply);
        } else {
            self.write_reply(conn, &reply);
        }
        held
    }

    fn set_interest(&mut self, vhost: VhostId, filter: &str, shard: ShardId, has: bool) {
        let filter = TopicFilter::parse(filter).expect("a peer sends filters it has checked");
        self.vhosts[usize::from(vhost.0)].exchange.set_interest(filter, shard, has);
    }

    fn handle_peer_publish(
        &mut self,
        from: ShardId,
        vhost: VhostId,
        publish: &PeerPublish<'_>,
        context: &mut Context<'_>,
    ) {
        let topic = TopicName::parse(publish.topic).expect("a peer sends topics it has checked");
        let place = &mut self.vhosts[usize::from(vhost.0)];
        let PeerPublish { payload, qos, retain, .. } = *publish;
        let message = Message { topic, payload, qos, retain };
        if publish.keep {
            self.out.retain(&mut place.retained, &message);
        }
        // A keeper delivers in any case: its subscriber may be so new that the publisher's shard
        // did not know of it, and the replay for it may have found the value before.
        if publish.deliver || publish.keep {
            let route = place.exchange.route(topic);
            let source = publish.source.map_or(Source::Nobody, |conn| Source::There(from, conn));
            self.publish_on(vhost, route, message, source, context);
        }
    }
}
