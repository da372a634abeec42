//! The reactor and its turn.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Context, Event, Flow, Shard, ShardId, ShardSet, Stats, VhostReport};
use crate::chunk::Batch;
use crate::mesh::{Bell, Census, Receiver};
use crate::ring::{Completion, Key, Ring};
use crate::store::Medium;
use crate::transport::TlsSetup;

use super::asks::{AnswerWay, Asks};
use super::crossing::Stopping;
use super::door::{Door, DoorKind};
use super::gate::Gate;
use super::handshakes::Handshakes;
use super::links::{Links, conn_of, key_of};
use super::outboxes::{Outbox, Outboxes, Parcel, Traveller};
use super::reclaim::Reclaim;
use super::storage::Storage;
use super::verifier::Verifier;
use super::wheel::Wheel;

/// Emptied batches kept for reuse.
const SPARE_BATCHES_MAX: usize = 256;

/// While a ring to another shard is full, the time after which to try again.
const FULL_RETRY: Duration = Duration::from_millis(1);

/// The time, as the reactor's owner gives it.
pub trait Clock {
    /// Milliseconds since some fixed point; never goes back.
    fn now_ms(&self) -> u64;

    /// The same in microseconds: what the shard measures itself with.
    fn now_us(&self) -> u64 {
        self.now_ms() * 1000
    }
}

/// A way from another shard, or, without its number, from the control or the admin thread.
pub type Inbox<S> = (Option<ShardId>, Receiver<Parcel<S>>);

/// What a reactor is made of, beside its ring and clock.
pub struct Options<R: Ring, M: Medium<File = R::File>> {
    /// This shard's share of the broker.
    pub broker: Shard,
    /// This shard's part of the disk.
    pub medium: M,
    /// Verifies passwords.
    pub verifier: Box<dyn Verifier>,
    /// This shard.
    pub shard: ShardId,
    /// Where to accept.
    pub doors: Vec<Door<R::Listener>>,
    /// Who may come in there.
    pub gate: Gate,
    /// Ways to the other shards, by shard; none to itself.
    pub outboxes: Vec<Option<Outbox<R::Socket, R::Waker>>>,
    /// Ways from the other shards, the control thread and the admin thread.
    pub inboxes: Vec<Inbox<R::Socket>>,
    /// Tells others whether this shard sleeps.
    pub bell: Arc<Bell>,
    /// Counts clients of all shards.
    pub census: Arc<Census>,
    /// `--max-connections`.
    pub clients_max: usize,
    /// `--max-packet-size`.
    pub packet_bytes_max: usize,
    /// What doors with TLS begin with; there if one has.
    pub tls: Option<Arc<TlsSetup>>,
    /// The way back to who asks; none: nobody does.
    pub answers: Option<AnswerWay>,
    /// Gives free pages of the heap back to the system.
    pub trim_heap: fn(),
}

/// See the module.
pub struct Reactor<R: Ring, C: Clock, M: Medium<File = R::File>> {
    pub(super) ring: R,
    pub(super) clock: C,
    pub(super) now_ms: u64,
    pub(super) broker: Shard,
    pub(super) storage: Storage<M>,
    verifier: Box<dyn Verifier>,
    /// Passwords that are being verified.
    inquiries: usize,
    pub(super) shard: ShardId,
    pub(super) links: Links<R::Socket>,
    pub(super) outboxes: Outboxes<R::Socket, R::Waker>,
    pub(super) inboxes: Vec<Inbox<R::Socket>>,
    bell: Arc<Bell>,
    pub(super) wheel: Wheel<Key>,
    completions: Vec<Completion<R::Socket>>,
    fired: Vec<(u64, Key)>,
    pub(super) spare_batches: Vec<Batch>,
    /// Links that found no receive buffer.
    pub(super) starved: Vec<Key>,
    /// Links that go on in the next turn, or when the rings to other shards have room.
    pub(super) yielded: Vec<Key>,
    /// Links whose transport has something to say by itself.
    pub(super) unsent: Vec<Key>,
    pub(super) handshakes: Handshakes,
    pub(super) tls: Option<Arc<TlsSetup>>,
    /// Memory for opening and sealing.
    pub(super) room: Vec<u8>,
    pub(super) doors: Vec<DoorKind>,
    pub(super) gate: Gate,
    /// Listeners, each with when to accept again if it stopped.
    pub(super) accepting: Vec<Option<u64>>,
    pub(super) accept_warned_ms: Option<u64>,
    /// Shards that have not said yet what their sessions subscribe to. Until they have, nobody is
    /// let in: a message would not go where it must, and be acknowledged.
    pub(super) strangers: ShardSet,
    /// Links that came home before.
    pub(super) early: Vec<Traveller<R::Socket>>,
    pub(super) packet_bytes_max: usize,
    pub(super) stopping: Stopping,
    /// While stopping: when to give up waiting for the disk.
    pub(super) commit_deadline_ms: u64,
    pub(super) reclaim: Reclaim,
    pub(super) asks: Asks,
    pub(super) trim_heap: fn(),
    /// Whether the broker has housekeeping to go on with.
    housekeeping: bool,
}

impl<R: Ring, C: Clock, M: Medium<File = R::File>> Reactor<R, C, M> {
    /// A reactor that accepts on its listeners once every other shard has introduced itself.
    pub fn new(mut ring: R, clock: C, options: Options<R, M>) -> Self {
        let now_ms = clock.now_ms();
        let accepting = vec![None; options.doors.len()];
        let doors = options.doors.into_iter().map(|door| {
            ring.add_listener(door.listener);
            door.kind
        });
        let doors = doors.collect();
        let mut reactor = Self {
            ring,
            clock,
            now_ms,
            broker: options.broker,
            storage: Storage::new(options.medium, options.inboxes.len()),
            verifier: options.verifier,
            inquiries: 0,
            shard: options.shard,
            links: Links::new(),
            outboxes: Outboxes::new(options.outboxes, options.census, options.clients_max),
            inboxes: options.inboxes,
            bell: options.bell,
            wheel: Wheel::new(now_ms),
            completions: Vec::new(),
            fired: Vec::new(),
            spare_batches: Vec::new(),
            starved: Vec::new(),
            yielded: Vec::new(),
            unsent: Vec::new(),
            handshakes: Handshakes::default(),
            tls: options.tls,
            room: Vec::new(),
            doors,
            gate: options.gate,
            accepting,
            accept_warned_ms: None,
            strangers: ShardSet::default(),
            early: Vec::new(),
            packet_bytes_max: options.packet_bytes_max,
            stopping: Stopping::No,
            commit_deadline_ms: u64::MAX,
            reclaim: Reclaim::default(),
            asks: Asks::new(options.answers),
            trim_heap: options.trim_heap,
            housekeeping: false,
        };
        reactor.introduce();
        reactor
    }

    /// Turns until it was told to stop and everything is closed; tells what happened.
    ///
    /// # Errors
    /// If the ring fails.
    pub fn run(mut self) -> io::Result<(Stats, Vec<VhostReport>)> {
        while !self.is_stopped() {
            let timeout = self.sleep_time();
            self.turn(timeout)?;
        }
        self.end_disk();
        Ok((self.stats(), self.broker.vhost_reports()))
    }

    /// What happened so far.
    pub fn stats(&self) -> Stats {
        self.broker.stats()
    }

    /// One turn: sleeps for at most `timeout`, which [`Reactor::sleep_time`] gave just before, then
    /// handles what completed, what other shards sent and what is due.
    ///
    /// # Errors
    /// If the ring fails.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut completions = std::mem::take(&mut self.completions);
        let waited = self.ring.wait(timeout, &mut completions);
        self.bell.awake();
        waited?;
        let now_us = self.clock.now_us();
        self.now_ms = now_us / 1000;
        self.broker.meters_mut().begin_turn(now_us);
        self.handshakes.begin_turn();
        self.go_on_with_handshakes();
        for completion in completions.drain(..) {
            self.on_completion(completion);
        }
        self.completions = completions;
        self.hear_medium();
        self.hear_verifier();
        self.handle_inboxes();
        self.advance_asks();
        self.keep_promises();
        // Who may go on is not late for having waited.
        self.handle_events();
        self.on_due();
        self.handle_events();
        self.flush();
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
            Completion::Written { result } => self.on_written(result),
            Completion::Woken => {}
        }
    }

    /// How long to sleep; none: until something completes. Others are told that this shard sleeps,
    /// and what they did before they could know is looked at once more.
    pub fn sleep_time(&mut self) -> Option<Duration> {
        let busy = self.broker.has_replays() || self.housekeeping || self.handshakes.is_waiting();
        if busy || !self.starved.is_empty() || self.asks.is_open() {
            return Some(Duration::ZERO);
        }
        self.bell.announce_sleep();
        self.keep_promises();
        let missed = self.inboxes.iter().any(|(_, inbox)| !inbox.is_empty());
        let any = self.flush();
        // A promise that was kept may have made another, which waits for nothing.
        let any = any || self.broker.has_due_promises(&self.outboxes);
        // Who let others go first goes on, and nobody else will say so.
        let has_room = !self.yielded.is_empty() && !self.outboxes.is_full();
        if missed || any || has_room {
            self.bell.awake();
            return Some(Duration::ZERO);
        }
        let dues = self.accepting.iter().copied().flatten();
        let dues = dues.chain(self.wheel.next_ms()).chain(self.broker.next_deadline_ms());
        let dues = dues.chain(self.reclaim.due_ms());
        let commit_ms = Some(self.commit_deadline_ms).filter(|ms| *ms < u64::MAX);
        let due_ms = dues.chain(self.stopping.deadline_ms()).chain(commit_ms).min();
        let until_due =
            due_ms.map(|due_ms| Duration::from_millis(due_ms.saturating_sub(self.now_ms)));
        self.broker.meters_mut().load.sleeps += 1;
        if self.outboxes.is_full() {
            self.broker.meters_mut().load.mesh_full += 1;
            return Some(until_due.map_or(FULL_RETRY, |time| time.min(FULL_RETRY)));
        }
        until_due
    }

    /// Lets the broker work, with the time and the way to the other shards.
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

    /// Timers, the broker's own deadlines, accepting after a pause, links that found no buffer.
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
        for key in std::mem::take(&mut self.starved) {
            self.arm(key);
        }
        if !self.outboxes.is_full() {
            for key in std::mem::take(&mut self.yielded) {
                if let Some(link) = self.links.get_mut(key) {
                    link.yielded = false;
                    self.broker.forgive_silence(conn_of(key), self.now_ms);
                    self.resume(key);
                }
            }
        }
        let (expired, sessions) = self.broker.take_expired();
        self.reclaim.note_expired(expired, sessions, self.now_ms);
        self.advance_reclaim();
        self.advance_stopping();
    }

    /// Gives memory back that a turn with much to do has had.
    pub(super) fn shrink_scratch(&mut self) {
        self.completions.shrink_to(0);
        self.fired.shrink_to(0);
        self.room = Vec::new();
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
            self.broker.forgive_silence(conn_of(key), self.now_ms);
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
                        // What it sent meanwhile is about to be read. A CONNECT has its time.
                        if !self.broker.is_greeting(conn) {
                            self.broker.forgive_silence(conn, self.now_ms);
                        }
                        self.resume(key_of(conn));
                    }
                    Event::Close(conn) => self.close_link(key_of(conn)),
                }
            }
            let Some(inquiry) = self.broker.next_inquiry() else { return };
            let conn = inquiry.conn;
            match self.verifier.ask(inquiry) {
                Some(answer) => self.broker.handle_verified(conn, answer),
                None => self.inquiries += 1,
            }
        }
    }

    fn hear_verifier(&mut self) {
        while self.inquiries > 0
            && let Some((conn, answer)) = self.verifier.next_answer()
        {
            self.inquiries -= 1;
            self.broker.handle_verified(conn, answer);
        }
    }

    /// Sends what connections have to say and what goes to other shards; whether there was any.
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
        self.serve_disk();
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
