//! The channels to the shards: asks that go there and come back, and the last figures of each.
//!
//! Invariant: at most [`ASKS_OPEN_MAX`] asks are on their way to or at one shard, and at most
//! [`PUBLISHES_OPEN_MAX`] with messages. An ask without a waiting request counts until it is back.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use hyper::StatusCode;
use log::error;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time;

use crate::broker::inspect::{Ask, Question, Reply, Snapshot, TraceBatch};
use crate::limits::{
    ANSWER_MS_MAX, ASK_MS_MAX, ASKS_OPEN_MAX, FIGURES_REUSE_MS, PUBLISHES_OPEN_MAX,
    SHARD_SILENT_MS_MAX,
};

use super::answer::Fault;

/// Channels to the shards and back. They never block.
pub trait Ways: Send {
    /// The number of shards.
    fn shards(&self) -> u16;

    /// Sends an ask.
    ///
    /// # Errors
    /// The ask, if there is no room for it.
    fn send(&mut self, shard: u16, ask: Box<Ask>) -> Result<(), Box<Ask>>;

    /// The next ask that has come back.
    fn next_answer(&mut self, shard: u16) -> Option<Box<Ask>>;
}

/// The reason for a missing answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoAnswer {
    /// The shard did not answer in time.
    Silent(u16),
    /// The bound of open asks is reached.
    Busy(u16),
}

impl From<NoAnswer> for Fault {
    fn from(no_answer: NoAnswer) -> Self {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        match no_answer {
            NoAnswer::Silent(shard) => {
                let message = format!("shard {shard} has not answered in time");
                Self::new(unavailable, "shard_silent", message)
                    .hint("it is busy or stuck; /metrics tells how old its figures are")
            }
            NoAnswer::Busy(shard) => {
                let message = format!("shard {shard} answers as many others as it may at once");
                Self::new(unavailable, "busy", message)
            }
        }
        .retry_after(1)
    }
}

/// The last figures of one shard.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) snapshot: Box<Snapshot>,
    at: time::Instant,
}

impl Kept {
    /// The age of the figures.
    pub(super) fn age(&self) -> Duration {
        self.at.elapsed()
    }
}

/// Whether a shard needs the values of the system's topics.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum SystemNeed {
    /// The shard has no subscriber.
    #[default]
    None,
    /// The shard has a subscriber and was not sent the current values.
    Wanted,
    /// The current values were sent.
    Sent,
}

/// The state of one shard's asks.
#[derive(Default)]
struct Shard {
    /// Open asks, without those for publishing.
    open: usize,
    /// Messages that are not stored yet: they wait for the disk, and no other ask does.
    publishing: usize,
    /// Whether an ask for figures is open.
    asked_figures: bool,
    /// The time of its last answer.
    answered: Option<time::Instant>,
    system: SystemNeed,
    /// Whether the ask for trace events is at the shard.
    awaits_traced: bool,
    kept: Option<Rc<Kept>>,
}

/// See the module.
pub(super) struct Asker {
    ways: RefCell<Box<dyn Ways>>,
    shards: RefCell<Vec<Shard>>,
    /// The receivers of the answers, by number of the ask.
    waiting: RefCell<HashMap<u64, oneshot::Sender<Reply>>>,
    next_id: Cell<u64>,
    /// Counts figures that were received.
    arrived: watch::Sender<u64>,
    /// Counts how often a shard began or ceased to need the system's topics.
    wants: watch::Sender<u64>,
    /// Received events of traces, with their shards.
    traced: RefCell<VecDeque<(u16, Box<TraceBatch>)>>,
    /// Notified when trace events were received.
    traced_came: Notify,
}

impl Asker {
    pub(super) fn new(ways: Box<dyn Ways>) -> Self {
        let shards = (0..ways.shards()).map(|_| Shard::default()).collect();
        Self {
            ways: RefCell::new(ways),
            shards: RefCell::new(shards),
            waiting: RefCell::default(),
            next_id: Cell::new(0),
            arrived: watch::Sender::new(0),
            wants: watch::Sender::new(0),
            traced: RefCell::default(),
            traced_came: Notify::new(),
        }
    }

    /// The number of shards.
    pub(super) fn shards(&self) -> u16 {
        self.ways.borrow().shards()
    }

    /// Asks one shard.
    pub(super) async fn ask(&self, shard: u16, question: Question) -> Result<Reply, NoAnswer> {
        self.ask_within(ANSWER_MS_MAX, shard, question).await
    }

    /// The same, with memory for the answer, so that the shard does not allocate it.
    pub(super) async fn ask_into(
        &self,
        shard: u16,
        question: Question,
        room: Reply,
    ) -> Result<Reply, NoAnswer> {
        self.ask_for(Duration::from_millis(ASK_MS_MAX), shard, (question, room)).await
    }

    /// The same, with `ms` milliseconds for the answer.
    pub(super) async fn ask_within(
        &self,
        ms: u64,
        shard: u16,
        question: Question,
    ) -> Result<Reply, NoAnswer> {
        self.ask_for(Duration::from_millis(ms), shard, (question, Reply::None)).await
    }

    async fn ask_for(
        &self,
        patience: Duration,
        shard: u16,
        (question, room): (Question, Reply),
    ) -> Result<Reply, NoAnswer> {
        let (sender, receiver) = oneshot::channel();
        let id = self.send(shard, question, room).ok_or(NoAnswer::Busy(shard))?;
        self.waiting.borrow_mut().insert(id, sender);
        let answer = time::timeout(patience, receiver).await;
        self.waiting.borrow_mut().remove(&id);
        match answer {
            Ok(Ok(Reply::None)) => Err(NoAnswer::Busy(shard)),
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) | Err(_) => Err(NoAnswer::Silent(shard)),
        }
    }

    /// Whether a shard has answered within the last `span`.
    pub(super) fn answered_within(&self, shard: u16, span: Duration) -> bool {
        let answered = self.shards.borrow()[usize::from(shard)].answered;
        answered.is_some_and(|at| at.elapsed() < span)
    }

    /// Shards that have not answered recently.
    pub(super) async fn silent(&self) -> Vec<String> {
        let figures = self.figures().await;
        let is_silent = |kept: &Option<Rc<Kept>>| {
            let age_ms = kept.as_ref().map(|kept| kept.age().as_millis());
            age_ms.is_none_or(|age_ms| age_ms > u128::from(SHARD_SILENT_MS_MAX))
        };
        let silent = figures.iter().enumerate().filter(|(_, kept)| is_silent(kept));
        silent.map(|(shard, _)| shard.to_string()).collect()
    }

    /// The figures of every shard, as new as they arrive within the time for an answer. A silent
    /// shard has old figures or none.
    pub(super) async fn figures(&self) -> Vec<Option<Rc<Kept>>> {
        self.figures_within(Duration::from_millis(FIGURES_REUSE_MS)).await
    }

    /// The same, new enough for a caller that asks each second.
    pub(super) async fn new_figures(&self) -> Vec<Option<Rc<Kept>>> {
        self.figures_within(Duration::from_millis(FIGURES_REUSE_MS / 2)).await
    }

    async fn figures_within(&self, reuse: Duration) -> Vec<Option<Rc<Kept>>> {
        let mut arrived = self.arrived.subscribe();
        let deadline = time::Instant::now() + Duration::from_millis(ASK_MS_MAX);
        let asked: Vec<u16> =
            (0..self.shards()).filter(|shard| self.ask_figures(*shard, reuse)).collect();
        while asked.iter().any(|shard| self.shards.borrow()[usize::from(*shard)].asked_figures) {
            if time::timeout_at(deadline, arrived.changed()).await.is_err() {
                break;
            }
        }
        self.shards.borrow().iter().map(|shard| shard.kept.clone()).collect()
    }

    /// Asks for a shard's figures unless they are new; returns whether to wait for them.
    fn ask_figures(&self, shard: u16, reuse: Duration) -> bool {
        {
            let shards = self.shards.borrow();
            let known = &shards[usize::from(shard)];
            if known.asked_figures {
                return true;
            }
            if known.kept.as_ref().is_some_and(|kept| kept.age() < reuse) {
                return false;
            }
        }
        // The shard fills memory that this thread allocated.
        let sent = self.send(shard, Question::Figures, Reply::Figures(Box::default())).is_some();
        self.shards.borrow_mut()[usize::from(shard)].asked_figures = sent;
        sent
    }

    /// Begins to watch whether shards have subscribers of the system's topics. The receiver learns
    /// of changes; [`Asker::lacks_system`] tells which shards need values.
    pub(super) fn watch_system(&self) -> watch::Receiver<u64> {
        let receiver = self.wants.subscribe();
        (0..self.shards()).for_each(|shard| self.await_wants(shard, false));
        receiver
    }

    /// Whether any shard has a subscriber of the system's topics.
    pub(super) fn wants_system(&self) -> bool {
        self.shards.borrow().iter().any(|shard| shard.system != SystemNeed::None)
    }

    /// Whether a shard needs the values and was not sent the current ones.
    pub(super) fn lacks_system(&self, shard: u16) -> bool {
        self.shards.borrow()[usize::from(shard)].system == SystemNeed::Wanted
    }

    /// Notes that there are new values, which no shard was sent.
    pub(super) fn renew_system(&self) {
        for shard in self.shards.borrow_mut().iter_mut() {
            if shard.system == SystemNeed::Sent {
                shard.system = SystemNeed::Wanted;
            }
        }
    }

    /// Notes that values are about to be sent. A later change of the shard's need overrides it.
    pub(super) fn note_system_sent(&self, shard: u16) {
        self.shards.borrow_mut()[usize::from(shard)].system = SystemNeed::Sent;
    }

    /// Sends the ask that waits at the shard until its need differs from `known`. It is the only
    /// one of its kind, and no request waits for it, so it is not counted.
    fn await_wants(&self, shard: u16, known: bool) {
        let id = self.take_id();
        let question = Question::WantsSystem(known);
        let sent =
            self.ways.borrow_mut().send(shard, Box::new(Ask { id, question, reply: Reply::None }));
        // The channel has room for many times the bound of asks.
        if sent.is_err() {
            error!("shard {shard} cannot be asked for subscribers of $SYS");
        }
    }

    /// Asks every shard for the trace events that it has gathered, or will gather first.
    pub(super) fn await_traced(&self) {
        for shard in 0..self.shards() {
            if self.shards.borrow()[usize::from(shard)].awaits_traced {
                continue;
            }
            let (id, question, reply) = (self.take_id(), Question::TraceEvents, Reply::None);
            let sent = self.ways.borrow_mut().send(shard, Box::new(Ask { id, question, reply }));
            // As above; a failed one is tried again soon.
            self.shards.borrow_mut()[usize::from(shard)].awaits_traced = sent.is_ok();
        }
    }

    /// The next batch of trace events, with its shard.
    pub(super) fn next_traced(&self) -> Option<(u16, Box<TraceBatch>)> {
        self.traced.borrow_mut().pop_front()
    }

    /// Waits for trace events.
    pub(super) async fn traced_come(&self) {
        self.traced_came.notified().await;
    }

    /// Takes the answer to an ask for trace events.
    fn note_traced(&self, shard: u16, reply: Reply) {
        self.shards.borrow_mut()[usize::from(shard)].awaits_traced = false;
        if let Reply::Traced(batch) = reply {
            // Bounded by one for each shard and one more: asks are sent after all batches were
            // taken.
            self.traced.borrow_mut().push_back((shard, batch));
            self.traced_came.notify_one();
        }
    }

    fn take_id(&self) -> u64 {
        self.next_id.replace(self.next_id.get() + 1)
    }

    /// Sends an ask; returns its number, or `None` without room.
    fn send(&self, shard: u16, question: Question, reply: Reply) -> Option<u64> {
        let known = &mut self.shards.borrow_mut()[usize::from(shard)];
        let (open, open_max) = match question {
            Question::Publish(_) => (&mut known.publishing, PUBLISHES_OPEN_MAX),
            _ => (&mut known.open, ASKS_OPEN_MAX),
        };
        if *open >= open_max {
            return None;
        }
        let id = self.take_id();
        self.ways.borrow_mut().send(shard, Box::new(Ask { id, question, reply })).ok()?;
        *open += 1;
        Some(id)
    }

    /// Takes the asks that have come back.
    pub(super) fn take_answers(&self) {
        let mut news = 0;
        for shard in 0..self.shards() {
            loop {
                let Some(ask) = self.ways.borrow_mut().next_answer(shard) else { break };
                if let Question::WantsSystem(_) = ask.question {
                    self.note_wants(shard, &ask.reply);
                    continue;
                }
                if matches!(ask.question, Question::TraceEvents) {
                    self.note_traced(shard, ask.reply);
                    continue;
                }
                let known = &mut self.shards.borrow_mut()[usize::from(shard)];
                known.answered = Some(time::Instant::now());
                match ask.question {
                    Question::Publish(_) => known.publishing -= 1,
                    _ => known.open -= 1,
                }
                let Ask { id, question, reply } = *ask;
                match (question, reply) {
                    (Question::Figures, Reply::Figures(snapshot)) => {
                        known.asked_figures = false;
                        known.kept = Some(Rc::new(Kept { snapshot, at: time::Instant::now() }));
                        news += 1;
                    }
                    (Question::Figures, _) => {
                        known.asked_figures = false;
                        news += 1;
                    }
                    (_, reply) => {
                        let waits = self.waiting.borrow_mut().remove(&id);
                        // The request may have given up.
                        waits.map(|waits| waits.send(reply));
                    }
                }
            }
        }
        if news > 0 {
            self.arrived.send_modify(|count| *count += news);
        }
    }

    /// Takes the answer to the ask for the need of system topics.
    fn note_wants(&self, shard: u16, reply: &Reply) {
        let Reply::WantsSystem(wants) = *reply else { return };
        let need = if wants { SystemNeed::Wanted } else { SystemNeed::None };
        self.shards.borrow_mut()[usize::from(shard)].system = need;
        self.await_wants(shard, wants);
        self.wants.send_modify(|count| *count += 1);
    }
}

/// Takes answers whenever a shard writes to the pipe.
pub(super) async fn hear(bell: OwnedFd, take_answers: impl Fn()) {
    let bell = match pipe::Receiver::from_owned_fd(bell) {
        Ok(bell) => bell,
        Err(error) => return error!("answers of shards are not heard: {error}"),
    };
    let mut rings = [0; 64];
    while bell.readable().await.is_ok() {
        match bell.try_read(&mut rings) {
            Ok(0) => return,
            Ok(_) => take_answers(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return error!("answers of shards are not heard: {error}"),
        }
    }
}

#[cfg(test)]
pub(super) mod fake;

#[cfg(test)]
mod tests {
    use super::fake::in_virtual_time;
    use super::*;
    use crate::broker::inspect::Listing;

    /// A silent shard delays a request by the time for an answer only: its last figures are given,
    /// with their age, and new ones when it answers again.
    #[test]
    fn silent_shards_have_their_last_figures() {
        in_virtual_time(async |asker, fake| {
            let begun = time::Instant::now();
            let figures = asker.figures().await;
            assert_eq!(begun.elapsed().as_millis() / 100, 5, "it waits no longer");
            assert!(figures[0].is_some() && figures[1].is_none());
            fake.lock().expect("nobody panics").answers = true;
            assert!(asker.figures().await.iter().all(Option::is_some));
            fake.lock().expect("nobody panics").answers = false;
            time::sleep(Duration::from_secs(60)).await;
            let figures = asker.figures().await;
            let ages = figures.iter().flatten().map(|kept| kept.age().as_secs());
            assert_eq!(ages.collect::<Vec<_>>(), [0, 60]);
            assert_eq!(fake.lock().expect("nobody panics").kept.len(), 1, "it is asked once");
        });
    }

    /// A shard gets no more asks than its bound: further requests fail at once, and an ask without
    /// a waiting request counts until it is back.
    #[test]
    fn boxes_are_bounded() {
        in_virtual_time(async |asker, fake| {
            for _ in 0..ASKS_OPEN_MAX {
                let answer = asker.ask(1, Question::Vhosts(0)).await;
                assert_eq!(answer.expect_err("it is silent"), NoAnswer::Silent(1));
            }
            let answer = asker.ask(1, Question::Vhosts(0)).await;
            assert_eq!(answer.expect_err("it has enough"), NoAnswer::Busy(1));
            let page = asker.ask(0, Question::Listing(Listing::default())).await;
            assert!(matches!(page, Ok(Reply::Page(_))), "{page:?}");
            fake.lock().expect("nobody panics").answers = true;
            time::sleep(Duration::from_millis(20)).await;
            let page = asker.ask(1, Question::Listing(Listing::default())).await;
            assert!(matches!(page, Ok(Reply::Page(_))), "{page:?}");
            assert!(asker.waiting.borrow().is_empty());
        });
    }

    /// A shard is sent each new set of values once, and again when it reports its need anew: then
    /// it has lost the values.
    #[test]
    fn values_are_sent_to_who_wants_them() {
        in_virtual_time(async |asker, _| {
            let lacking = || (0..2).filter(|shard| asker.lacks_system(*shard)).collect::<Vec<_>>();
            assert!(!asker.wants_system() && lacking().is_empty());
            asker.note_wants(1, &Reply::WantsSystem(true));
            assert!(asker.wants_system());
            assert_eq!(lacking(), [1]);
            asker.note_system_sent(1);
            assert!(asker.wants_system() && lacking().is_empty());
            asker.renew_system();
            assert_eq!(lacking(), [1]);
            asker.note_system_sent(1);
            asker.note_wants(1, &Reply::WantsSystem(false));
            assert!(!asker.wants_system());
            asker.renew_system();
            assert!(lacking().is_empty());
            asker.note_wants(1, &Reply::WantsSystem(true));
            assert_eq!(lacking(), [1]);
        });
    }
}
