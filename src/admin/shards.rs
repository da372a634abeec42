//! The ways to the shards: boxes that go there and come back, and the last figures of each.
//!
//! Invariant: no more than [`ASKS_OPEN_MAX`] boxes are on their way to or at one shard, and no more
//! than [`PUBLISHES_OPEN_MAX`] with messages. A box that
//! nobody waits for any more is counted until it is back.

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

/// Ways to the shards and back. None of them waits.
pub trait Ways: Send {
    /// How many shards there are.
    fn shards(&self) -> u16;

    /// Sends a box.
    ///
    /// # Errors
    /// The box, if there is no room for it.
    fn send(&mut self, shard: u16, ask: Box<Ask>) -> Result<(), Box<Ask>>;

    /// The next box that has come back.
    fn next_answer(&mut self, shard: u16) -> Option<Box<Ask>>;
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoAnswer {
    /// It did not come in time.
    Silent(u16),
    /// As many asks are open as may be.
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
    /// How old they are.
    pub(super) fn age(&self) -> Duration {
        self.at.elapsed()
    }
}

/// Whether a shard needs the values of the system's topics.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum SystemNeed {
    /// Nobody there has subscribed to them.
    #[default]
    None,
    /// Somebody has, and they were not sent.
    Wanted,
    /// The current ones were sent.
    Sent,
}

/// One shard, as it is seen from here.
#[derive(Default)]
struct Shard {
    /// Boxes that are not back, but for messages.
    open: usize,
    /// Messages that are not stored yet: they wait for the disk, and no other question does.
    publishing: usize,
    /// One of them is for figures.
    asked_figures: bool,
    /// When one came back last.
    answered: Option<time::Instant>,
    system: SystemNeed,
    /// A box for events of traces is there.
    awaits_traced: bool,
    kept: Option<Rc<Kept>>,
}

/// See the module.
pub(super) struct Asker {
    ways: RefCell<Box<dyn Ways>>,
    shards: RefCell<Vec<Shard>>,
    /// By the box's number: who waits for it.
    waiting: RefCell<HashMap<u64, oneshot::Sender<Reply>>>,
    next_id: Cell<u64>,
    /// Counts figures that came.
    arrived: watch::Sender<u64>,
    /// Counts times that a shard began or ceased to want topics of the system.
    wants: watch::Sender<u64>,
    /// Events of traces that came, with their shards.
    traced: RefCell<VecDeque<(u16, Box<TraceBatch>)>>,
    /// Told when such came.
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

    /// How many shards there are.
    pub(super) fn shards(&self) -> u16 {
        self.ways.borrow().shards()
    }

    /// Puts a question to one shard.
    pub(super) async fn ask(&self, shard: u16, question: Question) -> Result<Reply, NoAnswer> {
        self.ask_within(ANSWER_MS_MAX, shard, question).await
    }

    /// The same, with memory for the answer, so that the shard need not allocate it.
    pub(super) async fn ask_into(
        &self,
        shard: u16,
        question: Question,
        room: Reply,
    ) -> Result<Reply, NoAnswer> {
        self.ask_for(Duration::from_millis(ASK_MS_MAX), shard, (question, room)).await
    }

    /// The same, with so many milliseconds for the answer.
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

    /// Whether a shard has answered within this time.
    pub(super) fn answered_within(&self, shard: u16, span: Duration) -> bool {
        let answered = self.shards.borrow()[usize::from(shard)].answered;
        answered.is_some_and(|at| at.elapsed() < span)
    }

    /// Shards that do not answer, and have not lately.
    pub(super) async fn silent(&self) -> Vec<String> {
        let figures = self.figures().await;
        let is_silent = |kept: &Option<Rc<Kept>>| {
            let age_ms = kept.as_ref().map(|kept| kept.age().as_millis());
            age_ms.is_none_or(|age_ms| age_ms > u128::from(SHARD_SILENT_MS_MAX))
        };
        let silent = figures.iter().enumerate().filter(|(_, kept)| is_silent(kept));
        silent.map(|(shard, _)| shard.to_string()).collect()
    }

    /// The figures of every shard, as new as they come within the time for an answer; those of a
    /// shard that is silent are old, or none.
    pub(super) async fn figures(&self) -> Vec<Option<Rc<Kept>>> {
        self.figures_within(Duration::from_millis(FIGURES_REUSE_MS)).await
    }

    /// The same, and none that somebody who asks each second has seen before.
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

    /// Asks for a shard's figures, unless they are new; whether they are to be waited for.
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
        // The shard fills memory of ours.
        let sent = self.send(shard, Question::Figures, Reply::Figures(Box::default())).is_some();
        self.shards.borrow_mut()[usize::from(shard)].asked_figures = sent;
        sent
    }

    /// Has every shard tell when somebody there subscribes to topics of the system, and when nobody
    /// is any more. A receiver that learns of it; [`Asker::lacks_system`] tells which they are.
    pub(super) fn watch_system(&self) -> watch::Receiver<u64> {
        let receiver = self.wants.subscribe();
        (0..self.shards()).for_each(|shard| self.await_wants(shard, false));
        receiver
    }

    /// Whether somebody on any shard has subscribed to topics of the system.
    pub(super) fn wants_system(&self) -> bool {
        self.shards.borrow().iter().any(|shard| shard.system != SystemNeed::None)
    }

    /// Whether a shard wants their values and was not sent the current ones.
    pub(super) fn lacks_system(&self, shard: u16) -> bool {
        self.shards.borrow()[usize::from(shard)].system == SystemNeed::Wanted
    }

    /// There are new values, which no shard was sent.
    pub(super) fn renew_system(&self) {
        for shard in self.shards.borrow_mut().iter_mut() {
            if shard.system == SystemNeed::Sent {
                shard.system = SystemNeed::Wanted;
            }
        }
    }

    /// They are about to be sent. What the shard says from now on counts.
    pub(super) fn note_system_sent(&self, shard: u16) {
        self.shards.borrow_mut()[usize::from(shard)].system = SystemNeed::Sent;
    }

    /// Sends the box that waits at the shard until that is not so any more. It is the only one of
    /// its kind, and no answer is waited for: it is not counted.
    fn await_wants(&self, shard: u16, known: bool) {
        let id = self.take_id();
        let question = Question::WantsSystem(known);
        let sent =
            self.ways.borrow_mut().send(shard, Box::new(Ask { id, question, reply: Reply::None }));
        // There is room for many times the boxes that may be on their way.
        if sent.is_err() {
            error!("shard {shard} cannot be asked for subscribers of $SYS");
        }
    }

    /// Has every shard send what has gathered of traces, as soon as there is any.
    pub(super) fn await_traced(&self) {
        for shard in 0..self.shards() {
            if self.shards.borrow()[usize::from(shard)].awaits_traced {
                continue;
            }
            let (id, question, reply) = (self.take_id(), Question::TraceEvents, Reply::None);
            let sent = self.ways.borrow_mut().send(shard, Box::new(Ask { id, question, reply }));
            // As for the one above; it is tried again soon.
            self.shards.borrow_mut()[usize::from(shard)].awaits_traced = sent.is_ok();
        }
    }

    /// The next events of traces, with their shard.
    pub(super) fn next_traced(&self) -> Option<(u16, Box<TraceBatch>)> {
        self.traced.borrow_mut().pop_front()
    }

    /// Waits until there are some.
    pub(super) async fn traced_come(&self) {
        self.traced_came.notified().await;
    }

    /// The box for events of traces has come back.
    fn note_traced(&self, shard: u16, reply: Reply) {
        self.shards.borrow_mut()[usize::from(shard)].awaits_traced = false;
        if let Reply::Traced(batch) = reply {
            // One from each shard at most, and one more: boxes go out when all were looked at.
            self.traced.borrow_mut().push_back((shard, batch));
            self.traced_came.notify_one();
        }
    }

    fn take_id(&self) -> u64 {
        self.next_id.replace(self.next_id.get() + 1)
    }

    /// Sends a box; its number, unless there is no room for one more.
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

    /// Takes the boxes that have come back.
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
                        // Who asked may have given up.
                        waits.map(|waits| waits.send(reply));
                    }
                }
            }
        }
        if news > 0 {
            self.arrived.send_modify(|count| *count += news);
        }
    }

    /// The box that waits has come back, with the answer.
    fn note_wants(&self, shard: u16, reply: &Reply) {
        let Reply::WantsSystem(wants) = *reply else { return };
        let need = if wants { SystemNeed::Wanted } else { SystemNeed::None };
        self.shards.borrow_mut()[usize::from(shard)].system = need;
        self.await_wants(shard, wants);
        self.wants.send_modify(|count| *count += 1);
    }
}

/// Has what comes back taken whenever a shard rings the bell: a pipe that it writes to.
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

    /// A shard that is silent holds nobody up for longer than the time for an answer: its last
    /// figures are given, with their age, and new ones when it speaks again.
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

    /// A shard gets no more boxes than it may have: whoever asks more is told so at once, and a box
    /// whose asker has given up counts until it is back.
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

    /// A shard is sent values once each time they are new, and again when it says anew that it
    /// wants them: it has forgotten those it had.
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
