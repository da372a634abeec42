//! The reactor and its turn.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Context, Event, Flow, Shard, ShardId, ShardSet, Stats, VhostReport};
use crate::chunk::Batch;
use crate::limits::RECLAIM_SLOTS_MAX;
use crate::mesh::{Bell, SharedCounts};
use crate::ring::{Completion, Key, Rearm, Ring, is_sync_failure};
use crate::store::Medium;
use crate::transport::{TlsSetup, WebSocketSetup};

use super::accept_filter::AcceptFilter;
use super::asks::{AnswerWay, Asks};
use super::gathering::Gathering;
use super::handshakes::Handshakes;
use super::inboxes::{Inbox, Inboxes};
use super::links::{Links, conn_of, key_of};
use super::listener::{Listener, Listeners};
use super::outboxes::{Outbox, Outboxes};
use super::reclaim::Reclaim;
use super::starved::Starved;
use super::stopping::Stopping;
use super::storage::Storage;
use super::subscription_sync::SubscriptionSync;
use super::verifier::Verifier;
use super::wheel::Wheel;

/// The number of fast streams that take turns with all receive buffers of a turn. If there are
/// more, each gets one buffer a turn.
const STREAMS_FEW: usize = 4;

/// The number of empty batches kept for reuse.
const SPARE_BATCHES_MAX: usize = 256;

/// The time after which to try again while a ring to another shard is full.
const FULL_RETRY: Duration = Duration::from_millis(1);

/// The clock, from the reactor's owner.
pub trait Clock {
    /// Milliseconds since a fixed point; they never go back.
    fn now_ms(&self) -> u64;

    /// The same in microseconds, for the shard's measurements.
    fn now_us(&self) -> u64 {
        self.now_ms() * 1000
    }
}

/// The parts of a reactor, except for its ring and clock.
pub struct Options<R: Ring, M: Medium<File = R::File>> {
    /// This shard's share of the broker.
    pub broker: Shard,
    /// This shard's part of the disk.
    pub medium: M,
    /// Verifies passwords.
    pub verifier: Box<dyn Verifier>,
    /// This shard.
    pub shard: ShardId,
    /// Listeners to accept from.
    pub listeners: Vec<Listener<R::Listener>>,
    /// Decides which of their links are kept.
    pub accept_filter: AcceptFilter,
    /// The rings to the other shards, by shard; `None` for itself.
    pub outboxes: Vec<Option<Outbox<R::Socket, R::Waker>>>,
    /// The rings from the other shards, the control thread and the admin thread.
    pub inboxes: Vec<Inbox<R::Socket>>,
    /// Tells other threads whether this shard sleeps.
    pub bell: Arc<Bell>,
    /// The counts of clients of all shards.
    pub client_counts: Arc<SharedCounts>,
    /// `--max-connections`.
    pub clients_max: usize,
    /// `--max-packet-size`.
    pub packet_bytes_max: usize,
    /// `--gather-max`.
    pub gather_max: Duration,
    /// The TLS configuration of listeners; present if one of them uses TLS.
    pub tls: Option<Arc<TlsSetup>>,
    /// The rules for WebSocket requests.
    pub websocket: Arc<WebSocketSetup>,
    /// The sender of answers to the asker; `None`: there is no asker.
    pub answers: Option<AnswerWay>,
    /// Returns free pages of the heap to the system.
    pub trim_heap: fn(),
}

/// See the file.
pub struct Reactor<R: Ring, C: Clock, M: Medium<File = R::File>> {
    pub(super) ring: R,
    pub(super) clock: C,
    pub(super) now_ms: u64,
    pub(super) broker: Shard,
    storage: Storage<M>,
    verifier: Box<dyn Verifier>,
    /// Passwords that are being verified.
    password_checks: usize,
    pub(super) shard: ShardId,
    pub(super) links: Links<R::Socket>,
    pub(super) outboxes: Outboxes<R::Socket, R::Waker>,
    pub(super) inboxes: Inboxes<R::Socket>,
    bell: Arc<Bell>,
    wheel: Wheel<Key>,
    pub(super) gathering: Gathering,
    completions: Vec<Completion<R::Socket>>,
    fired: Vec<(u64, Key)>,
    spare_batches: Vec<Batch>,
    /// Links for which there was no receive buffer.
    pub(super) starved: Starved,
    /// Memory for those that receive again.
    rearmed: Vec<Key>,
    /// Links that continue in the next turn, or when the rings to other shards have room.
    pub(super) yielded: Vec<Key>,
    /// Links with output of their transport.
    pub(super) unsent: Vec<Key>,
    pub(super) handshakes: Handshakes,
    pub(super) tls: Option<Arc<TlsSetup>>,
    pub(super) websocket: Arc<WebSocketSetup>,
    /// Memory for decryption and encryption.
    pub(super) room: Vec<u8>,
    pub(super) listeners: Listeners,
    pub(super) accept_filter: AcceptFilter,
    pub(super) subscription_sync: SubscriptionSync<R::Socket>,
    pub(super) packet_bytes_max: usize,
    pub(super) stopping: Stopping,
    pub(super) reclaim: Reclaim,
    pub(super) asks: Asks,
    /// Whether clients are accepted.
    pub(super) admits: bool,
    trim_heap: fn(),
    /// Whether the broker has more housekeeping to do.
    housekeeping: bool,
}

impl<R: Ring, C: Clock, M: Medium<File = R::File>> Reactor<R, C, M> {
    /// A reactor that accepts clients once every other shard has sent its subscriptions.
    pub fn new(mut ring: R, clock: C, options: Options<R, M>) -> Self {
        let now_ms = clock.now_ms();
        let listeners = Listeners::new(options.listeners.into_iter().map(|listener| {
            ring.add_listener(listener.socket);
            listener.kind
        }));
        let mut reactor = Self {
            ring,
            clock,
            now_ms,
            broker: options.broker,
            storage: Storage::new(options.medium),
            verifier: options.verifier,
            password_checks: 0,
            shard: options.shard,
            links: Links::new(),
            outboxes: Outboxes::new(options.outboxes, options.client_counts, options.clients_max),
            inboxes: Inboxes::new(options.inboxes),
            bell: options.bell,
            wheel: Wheel::new(now_ms),
            gathering: Gathering::new(options.gather_max, now_ms * 1000),
            completions: Vec::new(),
            fired: Vec::new(),
            spare_batches: Vec::new(),
            starved: Starved::default(),
            rearmed: Vec::new(),
            yielded: Vec::new(),
            unsent: Vec::new(),
            handshakes: Handshakes::default(),
            tls: options.tls,
            websocket: options.websocket,
            room: Vec::new(),
            listeners,
            accept_filter: options.accept_filter,
            subscription_sync: SubscriptionSync::of(ShardSet::default()),
            packet_bytes_max: options.packet_bytes_max,
            stopping: Stopping::default(),
            reclaim: Reclaim::default(),
            asks: Asks::new(options.answers),
            admits: true,
            trim_heap: options.trim_heap,
            housekeeping: false,
        };
        reactor.send_subscriptions();
        reactor
    }

    /// Runs turns until it was told to stop and everything is closed; returns its counters.
    ///
    /// # Errors
    /// If the ring fails.
    pub fn run(mut self) -> io::Result<(Stats, Vec<VhostReport>)> {
        while !self.is_stopped() {
            let timeout = self.sleep_time();
            self.turn(timeout)?;
        }
        self.storage.end(&mut self.broker);
        Ok((self.stats(), self.broker.vhost_reports()))
    }

    /// The counters so far.
    pub fn stats(&self) -> Stats {
        self.broker.stats()
    }

    /// Runs one turn: sleeps for at most `timeout`, which [`Reactor::sleep_time`] has just
    /// returned, then handles completions, messages of other shards and due timers.
    ///
    /// # Errors
    /// If the ring fails.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut completions = std::mem::take(&mut self.completions);
        let waited = if timeout == Some(Duration::ZERO) {
            self.ring.wait(timeout, &mut completions)
        } else {
            self.ring.gather(self.gathering.time(), timeout, &mut completions)
        };
        self.bell.awake();
        waited?;
        let now_us = self.clock.now_us();
        self.now_ms = now_us / 1000;
        self.broker.meters_mut().begin_turn(now_us);
        self.handshakes.begin_turn();
        self.storage.hold.begin_turn(completions.len());
        self.go_on_with_handshakes();
        let (all, mut sends) = (completions.len(), 0);
        for completion in completions.drain(..) {
            sends += usize::from(matches!(completion, Completion::Sent { .. }));
            self.on_completion(completion);
        }
        self.completions = completions;
        self.gathering.note_turn(now_us);
        self.broker.meters_mut().count_completions(all, sends);
        self.storage.take_written(&mut self.broker, self.now_ms);
        self.take_verified();
        self.handle_inboxes();
        self.advance_asks();
        self.keep_promises();
        // Events first: a resumed connection must not be closed for its silence.
        self.handle_events();
        self.on_due();
        self.handle_events();
        self.flush();
        if let Some(sessions) = self.outboxes.count_sessions(self.broker.sessions()) {
            self.broker.meters_mut().note_sessions(sessions as u64);
        }
        self.broker.meters_mut().end_turn(self.clock.now_us());
        Ok(())
    }

    fn on_completion(&mut self, completion: Completion<R::Socket>) {
        match completion {
            Completion::Received { key, received, more } => self.on_received(key, received, more),
            Completion::Sent { key, result, batch } => self.on_sent(key, result, batch),
            Completion::Accepted { listener, result, more } => {
                self.on_accepted(listener, result, more);
            }
            Completion::Written { result } => {
                let took_us = self.storage.end_write(self.clock.now_us());
                let latency = &mut self.broker.meters_mut().latency;
                latency.sync.record_n(took_us, 1);
                latency.group_bytes.record_n(self.storage.write_bytes(), 1);
                if result.as_ref().is_err_and(is_sync_failure) {
                    self.broker.stats_mut().disk_sync_failures += 1;
                }
                self.broker.on_written(result, self.now_ms);
                self.tell_settled();
            }
            Completion::Woken => {}
        }
    }

    /// The time to sleep; `None`: until something completes. Announces to the other shards that
    /// this one sleeps, then checks for messages that they sent before the announcement.
    pub fn sleep_time(&mut self) -> Option<Duration> {
        let busy = self.broker.has_replays() || self.housekeeping || self.handshakes.is_waiting();
        if busy || !self.starved.is_empty() || self.asks.is_open() || self.has_news() {
            return Some(Duration::ZERO);
        }
        self.bell.announce_sleep();
        self.keep_promises();
        let missed = !self.inboxes.are_empty();
        let any = self.flush();
        // A kept promise may have made another one that can be kept at once.
        let any = any || self.broker.has_due_promises(&self.outboxes) || self.has_news();
        // Links that yielded continue now; no event announces that.
        let has_room = !self.yielded.is_empty() && !self.outboxes.is_full();
        if missed || any || has_room || self.storage.hold.is_held() {
            self.bell.awake();
            return Some(Duration::ZERO);
        }
        let dues = self.listeners.due_ms().into_iter();
        let dues = dues.chain(self.wheel.next_ms()).chain(self.broker.next_deadline_ms());
        let dues = dues.chain(self.reclaim.due_ms());
        let due_ms = dues.chain(self.stopping.due_ms()).min();
        let until_due =
            due_ms.map(|due_ms| Duration::from_millis(due_ms.saturating_sub(self.now_ms)));
        self.broker.meters_mut().load.sleeps += 1;
        if self.outboxes.is_full() {
            self.broker.meters_mut().load.mesh_full += 1;
            return Some(until_due.map_or(FULL_RETRY, |time| time.min(FULL_RETRY)));
        }
        until_due
    }

    /// Calls the broker with the time and the rings to the other shards.
    pub(super) fn with_broker<T>(
        &mut self,
        work: impl FnOnce(&mut Shard, &mut Context<'_>) -> T,
    ) -> T {
        let mut context = Context { now_ms: self.now_ms, peers: &mut self.outboxes };
        work(&mut self.broker, &mut context)
    }

    fn keep_promises(&mut self) {
        self.with_broker(|broker, context| broker.keep_promises(context));
    }

    /// Handles timers, the broker's deadlines, ends of accept pauses, and links without a buffer.
    fn on_due(&mut self) {
        let mut fired = std::mem::take(&mut self.fired);
        self.wheel.fire(self.now_ms, &mut fired);
        for (deadline_ms, key) in fired.drain(..) {
            self.on_timer(key, deadline_ms);
        }
        self.fired = fired;
        self.with_broker(|broker, context| {
            broker.on_deadline(context);
            broker.continue_replays(context);
        });
        self.accept_again();
        self.rearm_starved();
        if !self.outboxes.is_full() {
            for key in std::mem::take(&mut self.yielded) {
                if let Some(link) = self.links.get_mut(key) {
                    link.yielded = false;
                    self.broker.restart_keep_alive(conn_of(key), self.now_ms);
                    self.resume(key);
                }
            }
        }
        let (expired, sessions) = self.broker.take_expired();
        self.reclaim.note_expired(expired, sessions, self.now_ms);
        self.advance_reclaim();
        self.advance_stopping();
    }

    /// Arms receives of links that wait for buffers, as many as there are buffers for. Of few fast
    /// streams, the first takes all buffers of a turn; many get one each.
    fn rearm_starved(&mut self) {
        if self.starved.is_empty() {
            return;
        }
        let Rearm { receives, are_streams } = self.ring.rearm();
        let is_shared = are_streams && self.starved.len() > STREAMS_FEW;
        let mut starved = std::mem::take(&mut self.rearmed);
        self.starved.take(receives, &mut starved);
        for key in starved.drain(..) {
            if let Some(link) = self.links.get_mut(key) {
                link.is_starved = false;
                link.calm = if is_shared { 0 } else { link.calm };
                self.arm(key);
            }
        }
        self.rearmed = starved;
    }

    /// Takes the next step of returning memory, if it is due.
    fn advance_reclaim(&mut self) {
        if self.reclaim.due_ms().is_none_or(|due_ms| self.now_ms < due_ms) {
            return;
        }
        // A long turn may have needed this memory.
        self.spare_batches = Vec::new();
        self.completions.shrink_to(0);
        self.fired.shrink_to(0);
        self.room = Vec::new();
        self.rearmed = Vec::new();
        let mut more = self.links.reclaim(RECLAIM_SLOTS_MAX);
        more |= self.broker.reclaim(RECLAIM_SLOTS_MAX);
        more |= self.ring.reclaim(RECLAIM_SLOTS_MAX);
        if self.reclaim.end_step(more, self.now_ms) {
            (self.trim_heap)();
        }
    }

    fn on_timer(&mut self, key: Key, deadline_ms: u64) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        if link.timer_ms != deadline_ms {
            return;
        }
        link.timer_ms = 0;
        if link.yielded {
            self.broker.restart_keep_alive(conn_of(key), self.now_ms);
        }
        if self.on_closing_timer(key) {
            return;
        }
        let next_ms = self.with_broker(|broker, context| broker.on_timer(conn_of(key), context));
        if let Some(next_ms) = next_ms {
            self.set_timer(key, next_ms);
        }
    }

    pub(super) fn set_timer(&mut self, key: Key, deadline_ms: u64) {
        if let Some(link) = self.links.get_mut(key)
            && link.timer_ms != deadline_ms
        {
            link.timer_ms = deadline_ms;
            self.wheel.add(deadline_ms, key);
        }
    }

    fn handle_events(&mut self) {
        loop {
            while let Some(event) = self.with_broker(|broker, context| broker.next_event(context)) {
                match event {
                    Event::Resume(conn) => {
                        // Data sent meanwhile is about to be read. A CONNECT has its own timeout.
                        if !self.broker.is_connecting(conn) {
                            self.broker.restart_keep_alive(conn, self.now_ms);
                        }
                        self.resume(key_of(conn));
                    }
                    Event::Close(conn) => self.close_link(key_of(conn)),
                }
            }
            let Some(check) = self.broker.next_password_check() else { return };
            let conn = check.conn;
            match self.verifier.ask(check) {
                Some(answer) => self.broker.handle_verified(conn, answer),
                None => self.password_checks += 1,
            }
        }
    }

    fn take_verified(&mut self) {
        while self.password_checks > 0
            && let Some((conn, answer)) = self.verifier.next_answer()
        {
            self.password_checks -= 1;
            self.broker.handle_verified(conn, answer);
        }
    }

    /// Starts sends for connections with output, and publishes messages to other shards; returns
    /// whether there was output.
    fn flush(&mut self) -> bool {
        let mut any = false;
        while let Some(conn) = self.broker.next_dirty() {
            any = true;
            self.start_send(key_of(conn));
        }
        for key in std::mem::take(&mut self.unsent) {
            any = true;
            self.start_send(key);
        }
        self.housekeeping = self.with_broker(|broker, context| broker.end_turn(context));
        self.outboxes.publish();
        self.broker.seal_promises(&self.outboxes);
        let now_us = || self.clock.now_us();
        let hold_us_max = self.gathering.longest_us();
        self.storage.serve(&mut self.broker, &mut self.ring, self.now_ms, now_us, hold_us_max);
        any
    }

    /// Whether a link's packets may be handled now.
    pub(super) fn flow(&mut self, key: Key) -> Flow {
        match self.links.get_mut(key) {
            Some(link) if link.yielded => Flow::Pause,
            Some(_) => self.broker.flow(conn_of(key)),
            None => Flow::Stop,
        }
    }

    pub(super) fn spare_batch(&mut self) -> Batch {
        self.spare_batches.pop().unwrap_or_default()
    }

    pub(super) fn keep_batch(&mut self, batch: Batch) {
        if self.spare_batches.len() < SPARE_BATCHES_MAX {
            self.spare_batches.push(batch);
        }
    }
}
