//! One thread's run: writers and readers take turns until the plan ends; then messages on their way
//! are drained.
//!
//! ```text
//! Warmup ──measure_ns──► Measuring ──stop_ns, or told to──► Draining ──quiet, or late──► outcome
//! ```
//! Invariant: a peer that can write or be read is in its queue, once. Neither side waits for the
//! other: a turn writes a bounded amount and reads once from each connection with data.

use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use mio::{Events, Token};

use crate::checker::Checker;
use crate::crowd::{Crowd, Lost, Peer, Share, subscribers};
use crate::group::Kills;
use crate::options::Options;
use crate::publisher::{Pace, Schedule};
use crate::stats::{Stats, Tally, nanoseconds};
use crate::turns::Turns;

/// Bytes written in one turn: a few full belts, and no more than one read takes.
const TURN_BYTES: usize = 128 * 1024;

/// Writes in one turn, so that a thousand small writers do not keep readers waiting for long.
const TURN_WRITES: usize = 64;

/// A drain is over if nothing was received for this long, unless the number of messages is known.
const QUIET_NS: u64 = 300_000_000;

/// A run by count gives up if nothing was sent or received for this long.
const STALL_NS: u64 = 10_000_000_000;

/// Longest sleep, which delays a command from the main thread.
const SLEEP_NS_MAX: u64 = 20_000_000;

/// The start times of the phases, in the run's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// First message.
    pub(crate) start_ns: u64,
    /// Start of the measured span.
    pub(crate) measure_ns: u64,
    /// Its end; `u64::MAX` if all messages must be delivered first.
    pub(crate) stop_ns: u64,
}

/// Commands from the main thread to a load.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    /// All threads are connected: run.
    Start(Plan),
    /// A run by count: all messages of all threads are delivered, drain.
    Drain,
    /// A run by time: the processes were sampled, connections may close.
    Close,
}

/// Events from a load to the main thread.
#[derive(Debug)]
pub(crate) enum Event {
    /// All connections are live.
    Ready,
    /// The connections failed; the text says why.
    Failed(String),
    /// Counters so far, and messages that came again, once a second.
    Progress(Share, Tally, u64),
    /// A run by count: this thread's messages are delivered.
    Through,
    /// The run is over.
    Ended(Box<Outcome>),
}

/// The outcome of one thread.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Messages of the measured span.
    pub(crate) interval: Tally,
    /// Its length for publishing.
    pub(crate) publishing_ns: u64,
    /// Its length for delivering.
    pub(crate) delivering_ns: u64,
    /// All counters.
    pub(crate) stats: Stats,
    /// Messages each publisher of this thread has sent.
    pub(crate) sent: Vec<(u32, u64)>,
    /// The findings of its subscribers.
    pub(crate) checkers: Vec<Checker>,
    /// Messages without their PUBACK.
    pub(crate) unacked: u64,
    /// Messages that were due and not sent.
    pub(crate) unsent: u64,
    /// Connections lost.
    pub(crate) lost: Lost,
}

#[derive(Debug)]
enum Phase {
    Warmup,
    Measuring { before: Tally, since_ns: u64 },
    Draining { interval: Tally, length_ns: u64, deadline_ns: u64 },
}

/// One thread's load.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    options: &'a Options,
    share: Share,
    crowd: Crowd,
    plan: Plan,
    phase: Phase,
    writers: Turns,
    readers: Turns,
    publishers: Vec<u32>,
    /// Open loop: messages of this thread's publishers that were released.
    released: u64,
    received_ns: u64,
    progress_ns: u64,
    through: bool,
    unsent: u64,
    /// Kills of members of this thread.
    kills: Option<Kills>,
    /// When members that were away until all was published came back.
    returned_ns: Option<u64>,
    /// A run by count: messages for this thread's subscribers.
    expected: Option<u64>,
    events: Sender<Event>,
    commands: Receiver<Command>,
}

/// The thread's ends of its channels with the main thread.
#[derive(Debug)]
pub(crate) struct Line {
    /// To the main thread.
    pub(crate) events: Sender<Event>,
    /// From the main thread.
    pub(crate) commands: Receiver<Command>,
}

impl<'a> Load<'a> {
    /// A load on connections that are live.
    pub(crate) fn new(
        options: &'a Options,
        share: Share,
        crowd: Crowd,
        plan: Plan,
        line: Line,
    ) -> Load<'a> {
        let peers = crowd.peers.len();
        let expected = expected(options, &crowd);
        Load {
            options,
            share,
            crowd,
            plan,
            phase: Phase::Warmup,
            writers: Turns::new(peers),
            readers: Turns::new(peers),
            publishers: share.of(options.publishers).collect(),
            released: 0,
            received_ns: plan.start_ns,
            progress_ns: plan.start_ns,
            through: false,
            unsent: 0,
            kills: Kills::new(options.group.as_ref(), members(options, share), plan.start_ns),
            returned_ns: None,
            expected,
            events: line.events,
            commands: line.commands,
        }
    }

    /// Runs the plan to its end.
    pub(crate) fn run(mut self) -> Outcome {
        let mut events = Events::with_capacity(1024);
        self.begin();
        loop {
            let now_ns = self.crowd.clock.now_ns();
            if self.is_over(now_ns) {
                self.await_sample();
                return self.finish();
            }
            self.advance(now_ns);
            self.kill_due(now_ns);
            self.release_due(now_ns);
            self.write_turn();
            self.wait(&mut events);
            for event in &events {
                let Token(token) = event.token();
                if self.crowd.handle_event(event) {
                    self.readers.push(token);
                }
                self.writers.push(token);
            }
            self.read_turn();
        }
    }

    fn begin(&mut self) {
        for (token, &p) in self.publishers.iter().enumerate() {
            let Peer::Publisher(publisher) = &mut self.crowd.peers[token] else {
                continue;
            };
            match (self.options.rate, self.options.messages_of(p)) {
                // They are released as they become due.
                (Some(rate), _) => {
                    let start_ns = self.plan.start_ns;
                    let publishers = self.options.publishers.into();
                    let schedule = Schedule { start_ns, rate, publishers, publisher: p.into() };
                    publisher.set_pace(Pace::Scheduled(schedule));
                }
                (None, messages) => publisher.allow(messages.unwrap_or(u64::MAX)),
            }
        }
        if self.is_absent() {
            for s in 0..members(self.options, self.share) {
                self.crowd.kill(self.token_of(s));
            }
        }
        for token in 0..self.crowd.peers.len() {
            self.writers.push(token);
            if self.crowd.is_readable(token) {
                self.readers.push(token);
            }
        }
    }

    /// Whether members are away until all is published.
    fn is_absent(&self) -> bool {
        self.options.group.as_ref().is_some_and(|group| group.is_absent)
    }

    /// The place of member `s`.
    fn token_of(&self, s: u32) -> usize {
        self.publishers.len() + s as usize
    }

    /// Kills the connection of the member whose turn it is, and connects it again. It waits until
    /// the last one has joined again: a group with clean sessions ends when all members are gone.
    fn kill_due(&mut self, now_ns: u64) {
        if matches!(self.phase, Phase::Draining { .. }) || self.is_absent() {
            return;
        }
        let last = self.kills.as_ref().and_then(Kills::last).map(|s| self.token_of(s));
        if last.is_some_and(|token| self.crowd.is_joining(token)) {
            return;
        }
        if let Some(s) = self.kills.as_mut().and_then(|kills| kills.take_due(now_ns)) {
            let token = self.token_of(s);
            self.crowd.kill(token);
            self.crowd.stats.outages.note_kill(now_ns);
            self.crowd.restore(self.options, self.share, token, s);
        }
    }

    /// Members that were away come back.
    fn return_members(&mut self, now_ns: u64) {
        self.returned_ns = Some(now_ns);
        self.received_ns = now_ns;
        for s in 0..members(self.options, self.share) {
            let token = self.token_of(s);
            self.crowd.restore(self.options, self.share, token, s);
        }
    }

    /// The next phase, if its time has come.
    fn advance(&mut self, now_ns: u64) {
        match self.phase {
            Phase::Warmup if now_ns >= self.plan.measure_ns => {
                let before = self.crowd.stats.tally;
                self.phase = Phase::Measuring { before, since_ns: now_ns };
                self.crowd.stats.delivery.open(now_ns);
                self.crowd.stats.ack.open(now_ns);
            }
            Phase::Measuring { before, since_ns } => {
                if !self.through && self.is_through(now_ns) {
                    self.through = true;
                    self.tell(Event::Through);
                }
                let is_counted = self.options.messages.is_some();
                let told = is_counted && self.commands.try_recv().is_ok();
                if told || now_ns >= self.plan.stop_ns {
                    self.release_due(now_ns.min(self.plan.stop_ns));
                    self.stop(now_ns);
                    let interval = self.crowd.stats.tally - before;
                    let mut deadline_ns = now_ns + nanoseconds(self.options.drain);
                    if self.is_absent() {
                        self.return_members(now_ns);
                        deadline_ns = u64::MAX;
                    }
                    let length_ns = now_ns - since_ns;
                    self.phase = Phase::Draining { interval, length_ns, deadline_ns };
                }
            }
            _ => {}
        }
        let is_told = self.options.progress || self.options.group.is_some();
        if is_told && now_ns >= self.progress_ns + 1_000_000_000 {
            self.progress_ns = now_ns;
            let again = self.crowd.duplicates();
            self.tell(Event::Progress(self.share, self.crowd.stats.tally, again));
        }
    }

    /// Whether a run by count has nothing more to send or to wait for.
    fn is_through(&self, now_ns: u64) -> bool {
        let Some(messages) = self.options.messages else {
            return false;
        };
        let stats = &self.crowd.stats;
        if self.options.publishers == 0 && stats.tally.delivered >= messages {
            return true;
        }
        let last_ns = self.received_ns.max(stats.published_ns);
        let done = |peer: &Peer| match peer {
            Peer::Publisher(publisher) => publisher.is_done(),
            _ => true,
        };
        let released = self.options.rate.is_none() || self.released == self.share_of(messages);
        let publishing = self.options.publishers > 0;
        let done =
            publishing && released && self.crowd.peers[..self.publishers.len()].iter().all(done);
        done || now_ns > last_ns + STALL_NS
    }

    /// Messages of this thread's publishers.
    fn share_of(&self, messages: u64) -> u64 {
        let each = |&p: &u32| self.options.messages_of(p).unwrap_or(messages);
        self.publishers.iter().map(each).sum()
    }

    /// Ends publishing; the measured span ends with it.
    fn stop(&mut self, now_ns: u64) {
        for peer in &mut self.crowd.peers[..self.publishers.len()] {
            let Peer::Publisher(publisher) = peer else {
                continue;
            };
            let left = publisher.stop();
            // Without a rate, the number of allowed messages is unbounded.
            if self.options.rate.is_some() || self.options.messages.is_some() {
                self.unsent += left;
            }
        }
        self.crowd.stats.delivery.close(now_ns);
        self.crowd.stats.ack.close(now_ns);
    }

    /// Releases the messages that are due, publisher by publisher.
    fn release_due(&mut self, now_ns: u64) {
        while self.next_due_ns().is_some_and(|due_ns| due_ns <= now_ns) {
            let token = self.next_publisher();
            self.released += 1;
            if let Peer::Publisher(publisher) = &mut self.crowd.peers[token] {
                publisher.allow(1);
                self.writers.push(token);
            }
        }
    }

    /// Open loop: when the next message of this thread is due; `None` when there is none.
    fn next_due_ns(&self) -> Option<u64> {
        if matches!(self.phase, Phase::Draining { .. }) {
            return None;
        }
        let publishers = self.publishers.len() as u64;
        let rate = self.options.rate.filter(|_| publishers > 0)?;
        let p = self.publishers[self.next_publisher()];
        let k = self.released / publishers;
        if self.options.messages_of(p).is_some_and(|messages| k >= messages) {
            return None;
        }
        let (start_ns, publishers) = (self.plan.start_ns, self.options.publishers.into());
        Some(Schedule { start_ns, rate, publishers, publisher: p.into() }.due_ns(k))
    }

    fn next_publisher(&self) -> usize {
        let token = self.released % self.publishers.len() as u64;
        usize::try_from(token).expect("below a usize")
    }

    fn write_turn(&mut self) {
        let mut left = TURN_BYTES;
        for _ in 0..self.writers.len().min(TURN_WRITES) {
            let Some(token) = self.writers.pop() else {
                return;
            };
            let Crowd { peers, clock, stats, .. } = &mut self.crowd;
            let Peer::Publisher(publisher) = &mut peers[token] else {
                continue;
            };
            match publisher.pump(clock, stats) {
                Ok(taken) => {
                    left = left.saturating_sub(taken);
                    if publisher.can_pump() {
                        self.writers.push(token);
                    }
                }
                Err(fault) => self.crowd.lose(token, &fault),
            }
            if left == 0 {
                return;
            }
        }
    }

    fn read_turn(&mut self) {
        for _ in 0..self.readers.len() {
            let Some(token) = self.readers.pop() else {
                return;
            };
            match self.crowd.receive(token) {
                Ok(received) => {
                    if received > 0 {
                        self.received_ns = self.crowd.clock.now_ns();
                        self.writers.push(token);
                    }
                    if self.crowd.is_readable(token) {
                        self.readers.push(token);
                    }
                }
                Err(fault) => self.crowd.lose(token, &fault),
            }
        }
    }

    fn wait(&mut self, events: &mut Events) {
        if !self.writers.is_empty() || !self.readers.is_empty() {
            self.crowd.wait(events, Duration::ZERO);
            return;
        }
        let now_ns = self.crowd.clock.now_ns();
        let phase_ns = match self.phase {
            Phase::Warmup => self.plan.measure_ns,
            Phase::Measuring { .. } => self.plan.stop_ns,
            Phase::Draining { deadline_ns, .. } => deadline_ns,
        };
        let kill_ns = self.kills.map_or(u64::MAX, |kills| kills.next_ns());
        let phase_ns = if kill_ns > now_ns { phase_ns.min(kill_ns) } else { phase_ns };
        let due_ns = self.next_due_ns().unwrap_or(u64::MAX);
        let sleep_ns = phase_ns.min(due_ns).saturating_sub(now_ns).min(SLEEP_NS_MAX);
        let sleep = Duration::from_nanos(sleep_ns);
        if due_ns == u64::MAX {
            self.crowd.wait(events, sleep);
        } else {
            self.crowd.wait_precisely(events, sleep);
        }
    }

    /// Whether the drain is over.
    fn is_over(&self, now_ns: u64) -> bool {
        let Phase::Draining { deadline_ns, .. } = self.phase else {
            return false;
        };
        let quiet = self.writers.is_empty() && self.readers.is_empty();
        let since_ns = self.received_ns.max(self.crowd.stats.published_ns);
        let is_complete = match self.expected {
            // A busy machine may be silent for long, and nothing may count as lost for that.
            Some(expected) => {
                self.crowd.stats.tally.delivered - self.crowd.duplicates() >= expected
            }
            None => now_ns >= since_ns + QUIET_NS,
        };
        let is_stalled = self.returned_ns.is_some() && now_ns > since_ns + STALL_NS;
        now_ns >= deadline_ns || is_stalled || (quiet && is_complete)
    }

    /// Waits until the main thread has sampled the processes, if that is to come: it may be late,
    /// and what it costs the broker to close connections is not part of a message's cost.
    fn await_sample(&self) {
        if self.options.messages.is_none() {
            // It fails only if the main thread has given up.
            let _ = self.commands.recv();
        }
    }

    fn finish(mut self) -> Outcome {
        self.crowd.disconnect();
        let Crowd { peers, checkers, stats, lost, began_ns, .. } = self.crowd;
        let (interval, publishing_ns, delivering_ns) = match self.phase {
            Phase::Draining { interval, length_ns, .. } if self.options.messages.is_none() => {
                (interval, length_ns, length_ns)
            }
            _ => {
                // Without publishers the run receives a backlog, which begins at the CONNACK.
                let publishing = self.options.publishers > 0;
                let from_ns = if publishing { self.plan.start_ns } else { began_ns };
                let delivering_ns = self.returned_ns.unwrap_or(from_ns);
                let since = |ns: u64, from_ns: u64| ns.saturating_sub(from_ns);
                let publishing_ns = since(stats.published_ns, from_ns);
                (stats.tally, publishing_ns, since(stats.delivered_ns, delivering_ns))
            }
        };
        let mut outcome = Outcome {
            interval,
            publishing_ns,
            delivering_ns,
            stats,
            sent: Vec::new(),
            checkers,
            unacked: 0,
            unsent: self.unsent,
            lost,
        };
        for (token, peer) in peers.into_iter().enumerate() {
            match peer {
                Peer::Publisher(publisher) => {
                    outcome.sent.push((self.publishers[token], publisher.written()));
                    outcome.unacked += publisher.in_flight();
                }
                Peer::Subscriber(_) | Peer::Idle(_) | Peer::Gone => {}
            }
        }
        outcome
    }

    fn tell(&self, event: Event) {
        // If the main thread is gone, the process is about to end.
        let _ = self.events.send(event);
    }
}

/// Members of groups that a thread has.
fn members(options: &Options, share: Share) -> u32 {
    let all = if options.group.is_some() { options.subscribers } else { 0 };
    if subscribers(options, share).thread == 0 { all } else { 0 }
}

/// Messages that a thread's subscribers receive in a run by count.
fn expected(options: &Options, crowd: &Crowd) -> Option<u64> {
    options.messages.filter(|_| options.publishers > 0)?;
    let topics = u64::from(options.topics);
    let sent_of = |stream: u32| {
        let (p, n) = (stream / options.topics, u64::from(stream % options.topics));
        let sent = options.messages_of(p).unwrap_or(0);
        sent / topics + u64::from(n < sent % topics)
    };
    let of_checker = |checker: &Checker| checker.matched_streams().map(sent_of).sum::<u64>();
    Some(crowd.checkers.iter().map(of_checker).sum())
}
