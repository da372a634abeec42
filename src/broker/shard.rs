//! The hub: one core's share of the broker, as its reactor drives it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::access::Policy;
use crate::chunk::{Batch, ChunkPool};
use crate::limits::{CHOKE_FACTOR, PROMISED_MAX};
use crate::mqtt::{
    Ack, AckKind, Connect, ConnectReturn, DecodeError, Packet, Properties, Suback, TopicName,
    Unsuback, Version,
};
use crate::store::{Catalog, Hashing, Housekeeping, Origin, Retained, SessionKey, Store};

use super::absences::Absences;
use super::admission::{Caller, Inquiry};
use super::connection::{Connection, Phase};
use super::delivery::{Outgoing, TimeBase};
use super::inspect::Meters;
use super::letter::{Forms, Message};
use super::notices::Notices;
use super::overflow::Blocked;
use super::peers::{PeerMessage, Peers, ReplayId, ShardId, ShardSet};
use super::promises::{Promises, Reply, Wait};
use super::reason::CloseReason;
use super::refusal::Why;
use super::replay::Vouchers;
use super::shortage::Shortage;
use super::stats::Stats;
use super::storage::DiskTimes;
use super::vhost::{VhostId, Vhosts};
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
    /// Send what the connection still has to say, then close its link; wait for what it is owed
    /// first (see [`Shard::is_owed`]). Comes again when that is there.
    Close(ConnId),
}

/// See the module.
pub struct Shard {
    pub(super) policy: Arc<Policy>,
    pub(super) vhosts: Vhosts,
    pub(super) catalog: Catalog,
    pub(super) housekeeping: Housekeeping,
    pub(super) disk: DiskTimes,
    pub(super) absences: Absences,
    pub(super) shortage: Shortage,
    pub(super) out: Outgoing,
    pub(super) forms: Forms,
    pub(super) promises: Promises,
    pub(super) notices: Notices,
    pub(super) meters: Meters,
    /// Passwords to be verified.
    pub(super) inquiries: VecDeque<Inquiry>,
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
    /// Sessions that are full, or of a vhost that is, and do not take what is being delivered;
    /// those that do, with consequences, and what waited in them before.
    pub(super) refusing: Vec<SessionKey>,
    pub(super) overflowing: Vec<(SessionKey, u64)>,
    /// Publishers that wait for sessions to have room.
    pub(super) blocked: Blocked,
    /// QoS 2 messages passed on to other shards, of which is not noted yet that they came.
    pub(super) receiving: BTreeSet<(SessionKey, u16)>,
    /// Memory for a step of a replay.
    pub(super) page: Vec<Retained>,
    pub(super) page_message: (String, Vec<u8>),
}

impl Shard {
    /// A shard without connections, with the sessions and retained messages of its store.
    /// [`Shard::restore_bindings`] follows.
    pub fn new(options: Options, store: Store) -> Self {
        let Store { mut catalog, mut logs, housekeeping } = store;
        catalog.begin_time(&mut logs);
        let time_base = TimeBase { time_ms: catalog.timeline.start_ms(), now_ms: options.start_ms };
        Self {
            policy: Arc::new(Policy::open()),
            vhosts: Vhosts::new(Hashing::with_seed(options.seed)),
            catalog,
            housekeeping,
            disk: DiskTimes::default(),
            absences: Absences::default(),
            shortage: Shortage::default(),
            out: Outgoing::new(options, time_base, logs),
            forms: Forms::default(),
            promises: Promises::default(),
            notices: Notices::default(),
            meters: Meters::default(),
            inquiries: VecDeque::new(),
            packets: 0,
            clients: 0,
            made_ids: 0,
            replaying: Vec::new(),
            replays_begun: 0,
            vouchers: BTreeMap::new(),
            relieving: VecDeque::new(),
            refusing: Vec::new(),
            overflowing: Vec::new(),
            blocked: Blocked::new(),
            receiving: BTreeSet::new(),
            page: Vec::new(),
            page_message: (String::new(), Vec::new()),
        }
    }

    /// The same with an access policy, and the names of all vhosts that have a number: what is
    /// stored in others is nobody's, and goes.
    #[must_use]
    pub fn with_policy<'a>(
        mut self,
        policy: Arc<Policy>,
        vhosts: impl Iterator<Item = (u16, &'a str)>,
    ) -> Self {
        vhosts.for_each(|(number, name)| self.vhosts.set_name(VhostId(number), name));
        self.set_quotas(&policy);
        self.policy = policy;
        self
    }

    /// A link was accepted, or came from another shard.
    pub fn open(&mut self, conn: ConnId, caller: Caller, now_ms: u64) {
        self.out.connections.open(conn, caller, now_ms);
    }

    /// Where a client's session lives: the shard its link must be on.
    /// One that asks for a vhost that is not there is at home anywhere.
    pub fn home_of(&self, conn: ConnId, connect: &Connect<'_>) -> ShardId {
        let Options { shard, shards, .. } = self.out.options;
        if connect.client_id.is_empty() {
            return shard;
        }
        match self.vhost_of(conn, connect) {
            Some(vhost) => placement::home_of(&self.vhosts[vhost].name, connect.client_id, shards),
            None => shard,
        }
    }

    /// Handles a packet.
    pub fn handle_packet(
        &mut self,
        conn: ConnId,
        packet: &Packet<'_>,
        context: &mut Context<'_>,
    ) -> Flow {
        let is_request =
            matches!(packet, Packet::Pubrel(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_));
        if is_request && !self.is_greeting(conn) && self.waits_for_log(conn) {
            return Flow::Wait;
        }
        let Some(connection) = self.out.connections.get_mut(conn) else {
            return Flow::Stop;
        };
        connection.last_packet_ms = context.now_ms;
        self.packets += 1;
        match (&connection.phase, packet) {
            (Phase::Open(_), Packet::Publish(publish)) => {
                if self.handle_publish(conn, publish, context) == Flow::Wait {
                    return Flow::Wait;
                }
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
            (Phase::Open(_), Packet::Pubrel(ack)) => {
                self.handle_pubrel(conn, ack.packet_id, context);
            }
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
            (Phase::Greeting(_), Packet::Connect(connect)) => {
                if self.handle_connect(conn, connect, context) == Flow::Wait {
                    return Flow::Wait;
                }
            }
            (Phase::Greeting(_), _) => self.close(conn, CloseReason::NoConnect, context),
            (Phase::Closed, _) => {}
        }
        self.choke(conn);
        self.flow(conn)
    }

    /// Handles bytes that are no packet: they end the connection [MQTT-4.8.0-1].
    #[cold]
    pub fn handle_fault(&mut self, conn: ConnId, error: DecodeError, context: &mut Context<'_>) {
        if error == DecodeError::UnacceptableVersion && self.is_greeting(conn) {
            // [MQTT-3.1.2-2]
            let caller = self.caller_of(conn);
            self.notices.refused_for(Why::Version);
            self.refuse(conn, ConnectReturn::UnacceptableVersion, context);
            self.tell_refused(caller, None, context.now_ms);
        } else {
            self.close(conn, CloseReason::Malformed(error), context);
        }
    }

    /// Stops reading from a connection that asks and does not take the answers, or asks on where
    /// none can be given.
    #[inline]
    fn choke(&mut self, conn: ConnId) {
        let max = self.out.options.outgoing_bytes_max * CHOKE_FACTOR;
        if let Some(connection) = self.out.connections.get_mut(conn) {
            connection.choked |=
                connection.output.bytes() >= max || connection.promised >= PROMISED_MAX;
        }
    }

    /// Whether the connection's packets may be handed over now.
    #[inline]
    pub fn flow(&self, conn: ConnId) -> Flow {
        match self.out.connections.get(conn) {
            None => Flow::Stop,
            Some(connection) if matches!(connection.phase, Phase::Closed) => Flow::Stop,
            Some(connection) if self.is_held(connection) || connection.choked => Flow::Pause,
            Some(Connection { phase: Phase::Greeting(greeting), .. }) if greeting.is_waiting() => {
                Flow::Pause
            }
            Some(_) => Flow::Continue,
        }
    }

    /// Whether a connection is not read from for the sake of others or of the disk.
    #[inline]
    pub(super) fn is_held(&self, connection: &Connection) -> bool {
        connection.is_held(|| match &connection.phase {
            Phase::Open(open) => self.catalog.sessions.get(open.session).queue.stored_bytes() > 0,
            Phase::Greeting(_) | Phase::Closed => false,
        })
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
        connection.is_some_and(|connection| matches!(connection.phase, Phase::Greeting(_)))
    }

    /// The version the connection speaks, once it is open.
    pub fn version(&self, conn: ConnId) -> Option<Version> {
        match &self.out.connections.get(conn)?.phase {
            Phase::Open(open) => Some(open.version),
            Phase::Greeting(_) | Phase::Closed => None,
        }
    }

    /// Handles a message of another shard; whether that shard may wait for it to be handled.
    pub fn handle_peer(&mut self, from: ShardId, record: &[u8], context: &mut Context<'_>) -> bool {
        let (vhost, message) = PeerMessage::read(record);
        self.vhosts.introduce(vhost);
        let awaited = message.is_awaited();
        match message {
            PeerMessage::Publish(publish) => {
                self.handle_peer_publish(from, vhost, &publish, context);
            }
            PeerMessage::Interested { filter } => self.set_interest(vhost, filter, from, true),
            PeerMessage::NotInterested { filter } => self.set_interest(vhost, filter, from, false),
            PeerMessage::Hold { conn } => self.out.add_hold(conn),
            PeerMessage::Release { conn } => self.out.end_hold(conn, context.now_ms),
            PeerMessage::Block { conn } => self.out.block(conn),
            PeerMessage::Unblock { conn } => self.unblock(conn, context),
            PeerMessage::Short => self.set_peer_short(from, true),
            PeerMessage::Ample => self.set_peer_short(from, false),
            PeerMessage::Freed { serial, packet_id } => {
                let origin = Origin { shard: from.0, serial, packet_id };
                self.catalog.free_origin(origin, &mut self.out.logs);
            }
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
    /// replies wait for, those that wait for the disk for the end of the log.
    pub fn seal_promises(&mut self, peers: &dyn Peers) {
        let log = self.out.logs.disk.appended();
        let turn_us = self.meters.turn_us;
        self.promises.seal(self.out.options.shards, log, turn_us, |shard| peers.awaited(shard));
        self.meters.note_appended(log);
    }

    /// Lets replies go that waited for what is committed by now, here and on other shards.
    pub fn keep_promises(&mut self, context: &mut Context<'_>) {
        let log = self.out.logs.settled();
        while let Some((mut replies, since_us)) =
            self.promises.next_kept(log, |shard| context.peers.committed(shard))
        {
            let mut acknowledged = 0;
            for (conn, reply) in replies.drain(..) {
                acknowledged += u64::from(reply.acknowledges());
                let Some(connection) = self.out.connections.get_mut(conn) else { continue };
                let is_closed = matches!(connection.phase, Phase::Closed);
                if connection.withholds(&reply) {
                    connection.withheld.push(reply);
                } else {
                    self.keep_promise(conn, &reply, context);
                }
                if is_closed {
                    self.go_on_closing(conn);
                }
            }
            self.meters.note_acknowledged(since_us, acknowledged);
            self.promises.recycle(replies);
        }
        while let Some(conn) = self.out.next_steady() {
            self.make_progress(conn, context);
        }
    }

    /// Replies, or does what else was to follow.
    pub(super) fn keep_promise(&mut self, conn: ConnId, reply: &Reply, context: &mut Context<'_>) {
        match reply {
            Reply::Connack => self.greet(conn, context),
            Reply::Resume => {
                if let Some(connection) = self.out.connections.get_mut(conn) {
                    connection.resumes -= 1;
                }
                self.make_progress(conn, context);
            }
            _ => self.write_reply(conn, reply),
        }
        if matches!(reply, Reply::Suback { replays: true, .. }) {
            self.release_replay(conn, context);
        }
    }

    /// Whether replies may leave that waited.
    pub fn has_due_promises(&mut self, peers: &dyn Peers) -> bool {
        let log = self.out.logs.settled();
        self.promises.is_due(log, |shard| peers.committed(shard))
    }

    /// Whether replies wait for other shards or the disk.
    pub fn has_promises(&self) -> bool {
        self.promises.is_waiting()
    }

    /// When [`Shard::on_deadline`] is due next.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let patience = self.out.patience.front().map(|(deadline_ms, _)| *deadline_ms);
        patience.into_iter().chain(self.storage_due_ms()).min()
    }

    /// Does what is due.
    pub fn on_deadline(&mut self, context: &mut Context<'_>) {
        self.out.end_patience(context);
        self.on_storage_due(context);
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

    /// Whether a connection has replies to come that it was promised: a publisher that leaves right
    /// behind its message must learn that the broker has it, or it sends it again.
    pub fn is_owed(&self, conn: ConnId) -> bool {
        self.out.connections.get(conn).is_some_and(Connection::is_owed)
    }

    /// A reply of a connection that was closed is there: was it the last?
    pub(super) fn go_on_closing(&mut self, conn: ConnId) {
        if !self.is_owed(conn) {
            self.out.events.push_back(Event::Close(conn));
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
            let is_taken = connection.output.bytes() <= self.out.options.outgoing_bytes_max;
            if is_taken && connection.promised <= PROMISED_MAX / 2 {
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

    /// The same, to count what happens before a link is a connection.
    pub fn stats_mut(&mut self) -> &mut Stats {
        &mut self.out.stats
    }

    /// Sends what waits for a connection, goes on with its replay, frees who waits for it.
    pub(super) fn make_progress(&mut self, conn: ConnId, context: &mut Context<'_>) {
        let Some(connection) = self.out.connections.get(conn) else {
            return;
        };
        let Phase::Open(open) = &connection.phase else {
            return;
        };
        let key = open.session;
        let replays = connection.replays.is_some();
        let session = self.catalog.sessions.get_mut(key);
        if session.queue.waiting() > 0 {
            let dropped = self.out.pump(session, &self.policy);
            if session.queue.has_acks() {
                self.catalog.note_acks(key);
            }
            // Of what the disk has lost, or the rules forbid, nothing waits any more.
            self.count_queued(key);
            if dropped {
                self.relieve_session(key, context);
            }
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
            Reply::Pubrel(id) => self.out.reply(conn, &Ack::bytes_v3(AckKind::Pubrel, *id)),
            Reply::Pubcomp(id) => self.out.reply(conn, &Ack::bytes_v3(AckKind::Pubcomp, *id)),
            Reply::Unsuback(id) => self.out.reply(conn, &Unsuback::bytes_v3(*id)),
            Reply::Suback { packet_id, codes, .. } => {
                let properties = Properties::EMPTY;
                let suback = Suback { packet_id: *packet_id, properties, codes };
                let mut bytes = Vec::new();
                suback.encode(Version::V311, &mut bytes);
                self.out.reply(conn, &bytes);
            }
            Reply::Receive(packet_id) => self.note_received(conn, *packet_id),
            Reply::Connack | Reply::Resume => unreachable!("they wait, and the caller does them"),
        }
    }

    /// Replies at once, or when what this turn sent to other shards and to the disk is committed.
    /// Replies of one connection keep their order [MQTT-4.6.0-2]. Whether it is held.
    #[inline]
    pub(super) fn promise(&mut self, conn: ConnId, reply: Reply, wait: Wait) -> bool {
        let Some(connection) = self.out.connections.get_mut(conn) else {
            return false;
        };
        let withheld = connection.blocks > 0 && reply.acknowledges();
        let held = wait != Wait::default() || connection.promised > 0 || withheld;
        if held {
            connection.promised += 1;
            self.promises.add(conn, reply, wait);
        } else {
            self.meters.acknowledged_at_once += u64::from(reply.acknowledges());
            self.write_reply(conn, &reply);
        }
        held
    }
}
