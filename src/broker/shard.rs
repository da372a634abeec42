//! The hub: one core's share of the broker, as its reactor drives it.

use std::collections::{BTreeMap, VecDeque};

use crate::chunk::{Batch, ChunkPool};
use crate::limits::CHOKE_FACTOR;
use crate::mqtt::{
    Ack, AckKind, Connect, ConnectReturn, DecodeError, Packet, Properties, Suback, TopicName,
    Unsuback, Version,
};

use super::connect::Refusals;
use super::connection::Phase;
use super::delivery::Outgoing;
use super::hashing::Hashing;
use super::letter::{Forms, Message};
use super::peers::{PeerMessage, Peers, ReplayId, ShardId, ShardSet};
use super::promises::{Promises, Reply};
use super::reason::CloseReason;
use super::replay::Vouchers;
use super::stats::Stats;
use super::vhost::Vhost;
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
    /// Counts replays: each has its number.
    pub(super) replays_begun: u32,
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
            replays_begun: 0,
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

    /// Ends a turn: its replies that wait for other shards wait for the last message to each that
    /// replies wait for.
    pub fn seal_promises(&mut self, peers: &dyn Peers) {
        self.promises.seal(self.out.options.shards, |shard| peers.awaited(shard));
    }

    /// Lets replies go that waited for what the other shards have handled by now.
    pub fn keep_promises(&mut self, context: &mut Context<'_>) {
        while let Some(replies) = self.promises.next_kept(|shard| context.peers.handled(shard)) {
            for (conn, reply) in replies {
                let Some(connection) = self.out.connections.get_mut(conn) else { continue };
                connection.promised -= 1;
                self.write_reply(conn, &reply);
                if matches!(reply, Reply::Suback { replays: true, .. }) {
                    self.release_replay(conn, context);
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
}
