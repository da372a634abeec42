//! Verifying passwords off the shards' threads.
//!
//! ```text
//!  shard ──PasswordCheck──► remembered? too many wrong ones? ──► queue ──► helper threads
//!    ▲                      │ Answer at once                             │
//!    └──────────────────────┴──────────────── Answer ◄───────────────────┘
//! ```
//! A hash is expensive, so the results of recent checks are remembered for a while: many clients
//! that reconnect at once are accepted at once. Addresses take turns, and those with recent wrong
//! passwords have a queue of their own behind the others. A lock is held for a look-up, never for a
//! hash.

mod failures;
mod memory;
mod queue;

#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use log::{debug, warn};

use crate::access::Question;
use crate::broker::{Answer, ConnId, LineLimit, PasswordCheck};
use crate::limits::{CONNECT_TIMEOUT_MS, PASSWORD_BYTES_MAX};
use crate::reactor::Verifier;

use failures::{Failures, network_of};
use memory::Memory;
use queue::{Lane, Queue};

/// How much lower the priority of helpers is than that of shards on the same CPU.
const NICENESS: i32 = 10;

/// The pool of helper threads; they end when the pool and all verifiers are dropped.
pub(super) struct VerifierPool {
    shared: Arc<Shared>,
}

/// One shard's interface to the helpers.
pub(super) struct PasswordVerifier {
    shared: Arc<Shared>,
    answers: Receiver<(ConnId, Answer)>,
    reply_to: ReplyTo,
}

/// The recipient of an answer.
#[derive(Clone)]
struct ReplyTo {
    sender: Sender<(ConnId, Answer)>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

/// A password that waits for a helper.
struct Waiting {
    conn: ConnId,
    address: Option<IpAddr>,
    question: Question,
    key: [u8; 16],
    asked: Instant,
    reply_to: ReplyTo,
}

struct Shared {
    /// The key of the remembered results; it is known only here.
    secret: [u8; 32],
    state: Mutex<State>,
    /// Signalled when a password waits, or when the pool closes.
    changed: Condvar,
}

struct State {
    queue: Queue<Waiting>,
    memory: Memory,
    failures: Failures,
    /// Limits the lines about blocked addresses.
    lines: LineLimit,
    begun: Instant,
    /// Number of verifiers that exist.
    verifiers: usize,
    /// No further verifiers will be created.
    closed: bool,
}

impl VerifierPool {
    /// Starts helper threads. `failures_max`: `--auth-failures-max`, 0: no bound.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub(super) fn open(helpers: usize, failures_max: u32, secret: [u8; 32]) -> io::Result<Self> {
        let state = State {
            queue: Queue::default(),
            memory: Memory::default(),
            failures: Failures::new(failures_max),
            lines: LineLimit::default(),
            begun: Instant::now(),
            verifiers: 0,
            closed: false,
        };
        let shared = Shared { secret, state: Mutex::new(state), changed: Condvar::new() };
        let pool = Self { shared: Arc::new(shared) };
        for number in 0..helpers {
            let shared = pool.shared.clone();
            let helper = move || {
                lower_priority();
                shared.work();
            };
            thread::Builder::new().name(format!("ringmq-auth-{number}")).spawn(helper)?;
        }
        Ok(pool)
    }

    /// Creates an interface to the helpers; `wake` is called when there is an answer.
    pub(super) fn verifier(&self, wake: impl Fn() + Send + Sync + 'static) -> PasswordVerifier {
        let (sender, answers) = channel();
        self.shared.lock().verifiers += 1;
        let reply_to = ReplyTo { sender, wake: Arc::new(wake) };
        PasswordVerifier { shared: self.shared.clone(), answers, reply_to }
    }

    /// Replaces `--auth-failures-max`; counts so far are kept.
    pub(super) fn set_failures_max(&self, failures_max: u32) {
        self.shared.lock().failures.set_max(failures_max);
    }

    /// Forgets all remembered results, because passwords may have changed.
    pub(super) fn forget(&self) {
        self.shared.lock().memory = Memory::default();
    }
}

impl Drop for VerifierPool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for PasswordVerifier {
    fn drop(&mut self) {
        self.shared.lock().verifiers -= 1;
        self.shared.changed.notify_all();
    }
}

impl Verifier for PasswordVerifier {
    fn ask(&mut self, check: PasswordCheck) -> Option<Answer> {
        let PasswordCheck { conn, address, question } = check;
        if question.is_proof() {
            return Some(self.shared.answer_proof(&question, address));
        }
        if question.evidence_bytes() > PASSWORD_BYTES_MAX {
            return Some(Answer::Wrong);
        }
        let key = question.cache_key(&self.shared.secret);
        let now = Instant::now();
        let mut state = self.shared.lock();
        match state.memory.recall(&key, now) {
            Some(true) => return Some(Answer::Right),
            Some(false) => {
                state.count_wrong(address, now);
                return Some(Answer::Wrong);
            }
            None => {}
        }
        if state.failures.is_exceeded(address, now) {
            return Some(Answer::Throttled);
        }
        let lane = if state.failures.has(address, now) { Lane::Suspects } else { Lane::Usual };
        let reply_to = self.reply_to.clone();
        let waiting = Waiting { conn, address, question, key, asked: now, reply_to };
        let taken = state.queue.push(lane, network_of(address), waiting);
        drop(state);
        if !taken {
            return Some(Answer::Busy);
        }
        self.shared.changed.notify_one();
        None
    }

    fn next_answer(&mut self) -> Option<(ConnId, Answer)> {
        self.answers.try_recv().ok()
    }
}

impl State {
    /// Counts a wrong password, and logs whether its address is now blocked.
    fn count_wrong(&mut self, address: Option<IpAddr>, now: Instant) {
        let (Some(until), Some(network)) = (self.failures.count(address, now), network_of(address))
        else {
            return;
        };
        let now_ms = u64::try_from((now - self.begun).as_millis()).expect("uptime fits 64 bits");
        let more = self.lines.take_due(now_ms).unwrap_or(0);
        if !self.lines.names(now_ms) {
            return;
        }
        let left = until.saturating_duration_since(now);
        let until = Timestamp::try_from(SystemTime::now() + left).unwrap_or(Timestamp::MAX);
        let (until, max) = (until.strftime("%H:%M:%SZ"), self.failures.max());
        let bits = if network.is_ipv6() { "/64" } else { "" };
        let more = if more > 0 { format!("; {more} others before") } else { String::new() };
        warn!(
            event = "shut_out", addr:% = network, until:% = until;
            "{network}{bits} is shut out until {until}: {max} wrong passwords within a minute \
             (--auth-failures-max){more}"
        );
    }
}

impl Shared {
    /// Ignores poisoning: a helper changes no state before it could panic, because it holds the
    /// lock only for look-ups.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Verifies a proof at once: that takes microseconds, and each proof is sent only once.
    fn answer_proof(&self, question: &Question, address: Option<IpAddr>) -> Answer {
        let now = Instant::now();
        if self.lock().failures.is_exceeded(address, now) {
            return Answer::Throttled;
        }
        if question.verify() {
            return Answer::Right;
        }
        self.lock().count_wrong(address, now);
        Answer::Wrong
    }

    /// The loop of a helper, until the pool is closed.
    fn work(&self) {
        while let Some(waiting) = self.next() {
            let answer = if waiting.asked.elapsed() >= Duration::from_millis(CONNECT_TIMEOUT_MS) {
                // The link was closed meanwhile.
                Answer::Busy
            } else {
                self.answer(&waiting)
            };
            let ReplyTo { sender, wake } = &waiting.reply_to;
            // The shard has ended.
            if sender.send((waiting.conn, answer)).is_ok() {
                wake();
            }
        }
    }

    fn answer(&self, waiting: &Waiting) -> Answer {
        let now = Instant::now();
        {
            // The same password may have been checked meanwhile, and its address may have been
            // blocked.
            let state = self.lock();
            match state.memory.recall(&waiting.key, now) {
                Some(true) => return Answer::Right,
                Some(false) => return Answer::Wrong,
                None if state.failures.is_exceeded(waiting.address, now) => {
                    return Answer::Throttled;
                }
                None => {}
            }
        }
        let right = waiting.question.verify();
        let mut state = self.lock();
        state.memory.keep(waiting.key, right, now);
        if right {
            return Answer::Right;
        }
        state.count_wrong(waiting.address, now);
        Answer::Wrong
    }

    fn next(&self) -> Option<Waiting> {
        let mut state = self.lock();
        loop {
            if let Some(waiting) = state.queue.pop() {
                return Some(waiting);
            }
            if state.closed && state.verifiers == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Lowers the priority of this thread below that of the shards.
fn lower_priority() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        debug!("cannot lower the priority of a thread: {error}");
    }
}
