//! The hub: one core's share of the broker, as its reactor drives it.
//!
//! It holds the rooms and the store and dispatches; the rooms' state stays private to them. Each
//! kind of packet has a handler here that reads from top to bottom in the order of the crate's
//! documentation. Handlers lend the rooms to each other.
//!
//! | file | what |
//! |---|---|
//! | `connect`, `connect_v5` | CONNECT, and the session it finds; what MQTT 5 adds |
//! | `authenticate` | AUTH: a client that proves its identity in several steps |
//! | `close`, `wills` | ends of connections; wills |
//! | `publish`, `publish_v5` | PUBLISH and PUBREL from clients; topic aliases, properties |
//! | `fan_out` | the receivers of a message |
//! | `answers` | PUBACK, PUBREC, PUBCOMP; sending of waiting messages |
//! | `replies` | replies to clients, at once or when they may leave |
//! | `subscribe`, `retained` | SUBSCRIBE and UNSUBSCRIBE; retained messages for them |
//! | `sessions` | ends of sessions: unbound, expired, deleted |
//! | `groups`, `group_life`, `group_peers` | consumer groups: this shard's part of them |
//! | `members`, `membership` | sessions here that are members of groups |
//! | `declared` | groups that files declare |
//! | `dead_letters` | messages of groups that no member takes |
//! | `pressure` | full outputs and sessions: publishers that wait and go on |
//! | `disk` | requests to the disk; clients that wait for it |
//! | `peers` | messages of other shards |
//! | `rules`, `review` | a new policy, and its effect on existing sessions |
//! | `settings` | new options, and their effect on what waits |
//! | `timers` | keep alive; other deadlines |
//! | `system` | topics with the broker's own state |
//! | `trace` | reports to traces |
//! | `report`, `inspect` | figures; answers to operators |

mod answers;
mod authenticate;
mod close;
mod connect;
mod connect_v5;
mod dead_letters;
mod declared;
mod disk;
mod fan_out;
mod group_bounds;
mod group_life;
mod group_peers;
mod groups;
mod inspect;
mod members;
mod membership;
mod peers;
mod pressure;
mod publish;
mod publish_v5;
mod refusals;
mod replies;
mod report;
mod retained;
mod returns;
mod review;
mod rules;
mod sessions;
mod settings;
mod subscribe;
mod system;
mod timers;
mod trace;
mod wills;

use std::net::IpAddr;
use std::sync::Arc;

use crate::access::Policy;
use crate::chunk::{Batch, ChunkPool};
use crate::mqtt::{AckKind, Connect, DecodeError, Foreign, Packet, Version};
use crate::store::{Catalog, Hashing, Logs, Store};

use super::admission::{Admission, PasswordCheck};
use super::client_log::{ClientLog, ClosedConnections};
use super::connection::{Answer, Connections, Phase, TlsInfo};
use super::delivery::Delivery;
use super::exchange::Exchanges;
use super::expiry::{Expiry, Uncommitted};
use super::full_sessions::FullSessions;
use super::group::Groups;
use super::inspect::RateSample;
use super::meters::Meters;
use super::names::{
    ClientAddress, CloseReason, ConnId, Context, Event, Flow, Options, ShardId, Stats,
    TransportKind, VhostId, placement,
};
use super::output::Outputs;
use super::publish::Publishing;
use super::quota::Quotas;
use super::read_gate::{Pause, ReadGates};
use super::replies::{RefusalCounts, Replies};
use super::retained::RetainedDelivery;
use super::storage::Storage;
use super::system::System;
use super::trace::Traces;

/// See the room.
pub struct Shard {
    options: Options,
    time_base: TimeBase,
    connections: Connections,
    gates: ReadGates,
    meters: Meters,
    outputs: Outputs,
    replies: Replies,
    admission: Admission,
    exchanges: Exchanges,
    quotas: Quotas,
    client_log: ClientLog,
    closed: ClosedConnections,
    publishing: Publishing,
    delivery: Delivery,
    full_sessions: FullSessions,
    groups: Groups,
    expiry: Expiry,
    storage: Storage,
    retained: RetainedDelivery,
    system: System,
    traces: Traces,
    rates: RateSample,
    catalog: Catalog,
    logs: Logs,
    /// The number of client ids made here.
    made_ids: u64,
    /// Clients that returned to sessions with something due, and sessions that ended.
    returns: Uncommitted,
    ends: Uncommitted,
    refusals: RefusalCounts,
    stats: Stats,
}

/// The rooms that a delivery needs.
macro_rules! lent {
    ($shard:ident) => {
        &mut super::super::delivery::Lent {
            logs: &mut $shard.logs,
            outputs: &mut $shard.outputs,
            gates: &mut $shard.gates,
            client_log: &mut $shard.client_log,
            meters: &mut $shard.meters,
            groups: &mut $shard.groups,
        }
    };
}

use lent;

/// One moment on the log's time line and on the clock of [`Context`].
#[derive(Clone, Copy, Debug)]
struct TimeBase {
    time_ms: u64,
    now_ms: u64,
}

impl Shard {
    /// A shard without connections, with the sessions and retained messages of its store.
    /// [`Shard::restore_bindings`] follows.
    pub fn new(options: Options, store: Store) -> Self {
        let Store { mut catalog, mut logs, housekeeping } = store;
        catalog.begin_time(&mut logs);
        Self {
            time_base: TimeBase { time_ms: catalog.timeline.start_ms(), now_ms: options.start_ms },
            connections: Connections::default(),
            gates: ReadGates::default(),
            meters: Meters::default(),
            outputs: Outputs::new(&options),
            replies: Replies::default(),
            admission: Admission::open(options.nonce_key),
            exchanges: Exchanges::new(Hashing::with_seed(options.seed)),
            quotas: Quotas::default(),
            client_log: ClientLog::new(options.log_connections),
            closed: ClosedConnections::default(),
            publishing: Publishing::default(),
            delivery: Delivery::new(&options),
            full_sessions: FullSessions::new(&options),
            groups: Groups::new(&Hashing::with_seed(options.seed), options.shards),
            expiry: Expiry::new(&options),
            storage: Storage::new(&options, housekeeping),
            retained: RetainedDelivery::default(),
            system: System::new(options.system_topics),
            traces: Traces::default(),
            rates: RateSample::default(),
            catalog,
            logs,
            made_ids: 0,
            returns: Uncommitted::default(),
            ends: Uncommitted::default(),
            refusals: RefusalCounts::default(),
            stats: Stats::default(),
            options,
        }
        .with_vhost(super::names::DEFAULT_VHOST)
    }

    fn with_vhost(mut self, vhost: VhostId) -> Self {
        self.introduce(vhost);
        self
    }

    /// Sets the access policy and the names of all numbered vhosts. Stored data of other vhosts
    /// will be dropped, because they were deleted.
    #[must_use]
    pub fn with_policy<'a>(
        mut self,
        policy: Arc<Policy>,
        vhosts: impl Iterator<Item = (u16, &'a str)>,
    ) -> Self {
        vhosts.for_each(|(number, name)| self.set_name(VhostId(number), name));
        self.quotas.set(&policy, self.options.shards);
        self.admission.set_policy(policy);
        self
    }

    /// Adds a connection whose link was accepted or came from another shard.
    pub fn open(&mut self, conn: ConnId, client_address: ClientAddress, now_ms: u64) {
        self.connections.open(conn, client_address);
        self.gates.open(conn, now_ms);
        self.outputs.open(conn);
        self.replies.open(conn);
        self.exchanges.open(conn);
        self.delivery.open(conn);
    }

    /// Forgets a connection whose link is gone.
    pub fn remove(&mut self, conn: ConnId) {
        self.connections.remove(conn);
        self.gates.remove(conn);
        self.outputs.remove(conn);
        self.replies.remove(conn);
        self.exchanges.remove(conn);
        self.delivery.remove(conn);
        self.retained.end(conn);
    }

    /// Notes that a link's certificate was verified, and the user that it names.
    pub fn certify(&mut self, conn: ConnId, user: Option<&str>) {
        if let Some(connecting) = self.connections.connecting_mut(conn) {
            connecting.certify(user);
        }
    }

    /// Notes the transport of a link that sends CONNECT.
    pub fn note_transport(&mut self, conn: ConnId, transport: TransportKind) {
        if let Some(connecting) = self.connections.connecting_mut(conn) {
            connecting.note_transport(transport);
        }
    }

    /// Whether the TLS parameters of a link that sends CONNECT are unknown.
    pub fn wants_tls_info(&mut self, conn: ConnId) -> bool {
        self.connections.connecting(conn).is_some_and(|connecting| connecting.secured().is_none())
    }

    /// Notes the TLS parameters of a link.
    pub fn note_tls_info(&mut self, conn: ConnId, secured: TlsInfo) {
        if let Some(connecting) = self.connections.connecting_mut(conn) {
            connecting.note_tls_info(secured);
        }
    }

    /// Sets the real address of a link's client, as a trusted proxy has reported it.
    pub fn relocate(&mut self, conn: ConnId, address: Option<IpAddr>, port: u16) {
        if let Some(connecting) = self.connections.connecting_mut(conn) {
            connecting.relocate(address, port);
        }
    }

    /// The shard on which a client's session lives and its link must be. A client of an unknown
    /// vhost may stay on any shard.
    pub fn home_of(&self, conn: ConnId, connect: &Connect<'_>) -> ShardId {
        let Options { shard, shards, .. } = self.options;
        if connect.client_id.is_empty() {
            return shard;
        }
        let connecting = self.connections.connecting(conn);
        let login = Self::login_in(connect);
        let connect = &Connect { username: login.as_deref().or(connect.username), ..*connect };
        match connecting.and_then(|connecting| self.admission.vhost_of(connecting, connect)) {
            Some(vhost) => {
                placement::home_of(self.exchanges.name(vhost), connect.client_id, shards)
            }
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
        // Most packets are PUBLISH and PUBACK.
        let is_frequent = matches!(packet, Packet::Publish(_) | Packet::Puback(_));
        if !is_frequent && self.is_request_too_early(conn, packet) {
            return Flow::Wait;
        }
        // The traces of a PUBLISH, and whether it is handled now, are known only later.
        if self.traces.is_on() && !matches!(packet, Packet::Publish(_)) {
            self.trace_received(conn, packet, context.now_ms);
        }
        let Some(phase) = self.connections.phase(conn) else {
            return Flow::Stop;
        };
        self.gates.note_alive(conn, context.now_ms);
        match (phase, packet) {
            (Phase::Open(_), Packet::Publish(publish)) => {
                if self.handle_publish(conn, publish, context) == Flow::Wait {
                    return Flow::Wait;
                }
            }
            (Phase::Open(_), Packet::Puback(ack)) => {
                self.handle_answer(conn, ack, AckKind::Puback, context);
            }
            (Phase::Open(_), Packet::Pubrec(ack)) => {
                self.handle_answer(conn, ack, AckKind::Pubrec, context);
            }
            (Phase::Open(_), Packet::Pubcomp(ack)) => {
                self.handle_answer(conn, ack, AckKind::Pubcomp, context);
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
            (Phase::Open(_), Packet::Pingreq) => self.outputs.reply(conn, &[0xd0, 0]),
            (Phase::Open(_), Packet::Disconnect(disconnect)) => {
                self.handle_disconnect(conn, disconnect, context);
            }
            (Phase::Open(_), Packet::Auth(auth)) => self.handle_auth(conn, auth, context),
            (Phase::Open(_), Packet::Connect(_)) => {
                self.close(conn, CloseReason::SecondConnect, context);
            }
            (Phase::Open(_), _) => self.close(conn, CloseReason::Unexpected, context),
            (Phase::Connecting(connecting), _) if connecting.introduction().is_some() => {
                if self.handle_introduction(conn, packet, context) == Flow::Wait {
                    return Flow::Wait;
                }
            }
            (Phase::Connecting(_), Packet::Connect(connect)) => {
                if self.handle_connect(conn, connect, context) == Flow::Wait {
                    return Flow::Wait;
                }
            }
            (Phase::Connecting(_), _) => self.close(conn, CloseReason::NoConnect, context),
            (Phase::Closed, _) => {}
        }
        self.stats.packets_in += 1;
        if !matches!(packet, Packet::Publish(_)) {
            self.stats.count_received(packet.kind());
        }
        self.pause_if_output_full(conn);
        self.flow(conn)
    }

    /// Whether a client's request must wait because the log has no room for it.
    fn is_request_too_early(&mut self, conn: ConnId, packet: &Packet<'_>) -> bool {
        let is_request =
            matches!(packet, Packet::Pubrel(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_));
        is_request && !self.is_connecting(conn) && self.waits_for_log(conn)
    }

    /// Handles malformed bytes: they end the connection [MQTT-4.8.0-1].
    #[cold]
    pub fn handle_fault(&mut self, conn: ConnId, error: DecodeError, context: &mut Context<'_>) {
        match error {
            DecodeError::UnacceptableVersion { answer, .. } if self.is_connecting(conn) => {
                self.refuse_version(conn, answer, context);
            }
            _ => self.close(conn, CloseReason::Malformed(error), context),
        }
    }

    /// Logs that TLS has ended a link. `foreign` is the other protocol that it began with, if one
    /// was recognized.
    pub fn log_tls_fault(
        &mut self,
        client_address: ClientAddress,
        fault: (&dyn std::fmt::Display, bool),
        foreign: Option<Foreign>,
        now_ms: u64,
    ) {
        self.client_log.tls_fault(client_address, fault, foreign, now_ms);
    }

    /// Logs that an HTTP request was refused because it opens no WebSocket; `refusal` says why.
    pub fn log_refused_request(
        &mut self,
        client_address: ClientAddress,
        refusal: &dyn std::fmt::Display,
        now_ms: u64,
    ) {
        self.client_log.refused_request(client_address, refusal, now_ms);
    }

    /// The next password to verify; [`Shard::handle_verified`] follows.
    pub fn next_password_check(&mut self) -> Option<PasswordCheck> {
        let check = self.admission.next_password_check()?;
        if let Some(connecting) = self.connections.connecting_mut(check.conn) {
            connecting.note_asked(self.meters.turn_us());
        }
        Some(check)
    }

    /// A password was verified: its connection goes on, if it still exists.
    pub fn handle_verified(&mut self, conn: ConnId, answer: Answer) {
        let connecting = self.connections.connecting_mut(conn);
        if let Some(connecting) = connecting
            && connecting.answer(answer)
        {
            self.meters.note_verified(connecting.asked_us());
            log::debug!("link {}: password: {answer:?}", conn.slot);
            self.admission.count_answer(answer);
            // This reason does not restart the time of the CONNECT, so `now_ms` is not used.
            self.gates.resume(conn, Pause::Password, 0);
        }
    }

    /// Whether the connection's packets may be handled now.
    #[inline]
    pub fn flow(&self, conn: ConnId) -> Flow {
        match self.connections.phase(conn) {
            None | Some(Phase::Closed) => Flow::Stop,
            Some(_) if self.gates.is_open(conn, || self.has_to_acknowledge(conn)) => Flow::Continue,
            Some(_) => Flow::Pause,
        }
    }

    /// The work done so far: packets handled and copies delivered.
    #[inline]
    pub fn work(&self) -> u64 {
        self.stats.packets_in + self.outputs.stats().publishes_out
    }

    /// The number of clients that are connected here.
    pub fn clients(&self) -> usize {
        self.connections.clients()
    }

    /// Restarts the keep alive of a connection that was not read from: the client did not cause the
    /// silence.
    pub fn restart_keep_alive(&mut self, conn: ConnId, now_ms: u64) {
        self.gates.note_alive(conn, now_ms);
    }

    /// Counts bytes received on a connection.
    #[inline]
    pub fn count_received(&mut self, conn: ConnId, bytes: u32) {
        self.gates.note_received(conn, bytes);
    }

    /// Whether the connection has no accepted CONNECT yet.
    pub fn is_connecting(&self, conn: ConnId) -> bool {
        self.connections.connecting(conn).is_some()
    }

    /// The version of an open connection.
    pub fn version(&self, conn: ConnId) -> Option<Version> {
        self.connections.client(conn).map(|open| open.version)
    }

    /// The next connection with output to send.
    pub fn next_dirty(&mut self) -> Option<ConnId> {
        self.outputs.next_dirty()
    }

    /// Takes the output of a connection; empty if there is none. `spare` is an empty batch for
    /// reuse.
    pub fn take_output(&mut self, conn: ConnId, spare: Batch) -> Batch {
        self.outputs.take(conn, spare)
    }

    /// Whether a connection has output.
    pub fn has_output(&self, conn: ConnId) -> bool {
        self.outputs.is_waiting(conn)
    }

    /// Free memory for output.
    pub fn pool(&mut self) -> &mut ChunkPool {
        self.outputs.pool()
    }

    /// The next event for the reactor.
    pub fn next_event(&mut self, context: &mut Context<'_>) -> Option<Event> {
        // Publishers go on one at a time, because each may fill the output for which the next one
        // waits.
        self.relieve_next(context);
        self.gates.next_event()
    }

    /// Returns memory of connections and sessions that have ended. A call looks at `slots_max` of
    /// them at most. Returns whether there is more to do.
    pub fn reclaim(&mut self, slots_max: usize) -> bool {
        self.publishing.reclaim();
        self.expiry.reclaim();
        self.logs.disk.reclaim();
        let more = [
            self.connections.reclaim(slots_max),
            self.gates.reclaim(slots_max),
            self.outputs.reclaim(slots_max),
            self.replies.reclaim(slots_max),
            self.delivery.reclaim(slots_max),
            self.exchanges.reclaim(slots_max),
            self.catalog.reclaim(slots_max),
        ];
        more.contains(&true)
    }

    /// The time of the log's time line.
    fn time_ms(&self, now_ms: u64) -> u64 {
        let TimeBase { time_ms, now_ms: base_ms } = self.time_base;
        time_ms + now_ms.saturating_sub(base_ms)
    }

    /// Notes a vhost that another shard may have learned first.
    fn introduce(&mut self, vhost: VhostId) {
        self.exchanges.introduce(vhost);
        self.quotas.introduce(vhost);
    }

    /// Sets the name of a vhost.
    fn set_name(&mut self, vhost: VhostId, name: &str) {
        self.exchanges.set_name(vhost, name);
        self.quotas.introduce(vhost);
    }
}
