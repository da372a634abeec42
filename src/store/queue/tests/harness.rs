//! A queue, its model, and the log's records of both.

use super::super::super::cursor::Cursor;
use super::model::Model;
use super::random::Random;
use super::*;

/// The records that recovery finds in the log.
#[derive(Clone)]
enum Event {
    Push(Entry),
    Block(Position, u64, u32),
    Acks(Acks),
    Sent(u64),
    Cleaned(Range<u64>, BTreeMap<u64, Position>),
    State(Vec<u8>),
}

pub(super) struct Harness {
    pub(super) queue: Queue,
    pub(super) log: FakeLog,
    pub(super) model: Model,
    pub(super) near: bool,
    /// The model as the log would restore it.
    logged: Model,
    events: Vec<Event>,
    /// The points where recovery may begin: a state, or the time before the first one.
    starts: Vec<usize>,
    volatile: bool,
    /// Whether the log knows which messages were sent, not only which were acknowledged.
    pub(super) tells_sent: bool,
}

impl Harness {
    /// For a queue that had `end` messages already, all completed.
    pub(super) fn new(volatile: bool, end: u64, tail_bytes_max: usize) -> Self {
        let mut queue = if volatile { Queue::volatile() } else { Queue::default() };
        queue.replay_acks(end, &[], &[]);
        let model = Model { end, ..Model::default() };
        Self {
            queue,
            log: FakeLog::new(tail_bytes_max),
            model: model.clone(),
            near: false,
            logged: model,
            events: vec![Event::Acks(Acks { first: end, ..Acks::default() })],
            starts: vec![0],
            volatile,
            tells_sent: true,
        }
    }

    /// Does one of the steps that are always possible.
    pub(super) fn step(&mut self, random: &mut Random, pushes: u64) {
        match random.below(16) {
            what if what < pushes => self.push(random),
            0..11 => self.take(u16::try_from(random.below(40)).expect("small")),
            11..13 => self.answer(random),
            13..15 => self.answer_run(random),
            _ if random.below(2) == 0 => self.drop_unsent(),
            _ => self.drop_oldest(),
        }
        assert_eq!(self.queue.unacked() as usize, self.model.unacked());
        assert!(self.queue.waiting() >= self.model.waiting() as u64);
        assert!(!self.queue.is_empty() || self.model.messages.is_empty());
        assert_eq!(self.queue.end(), self.model.end);
    }

    pub(super) fn push(&mut self, random: &mut Random) {
        let terms = Terms { retain: random.below(4) == 0, exactly_once: random.below(3) == 0 };
        let bytes = 20 + u32::try_from(random.below(200)).expect("small");
        let ready = self.queue.waiting() == 0 && self.queue.window_open(30) && self.near;
        if self.volatile && ready && random.below(2) == 0 {
            return self.pass(terms);
        }
        let entry = self.log.message(bytes, terms);
        self.model.push(entry);
        self.logged.push(entry);
        self.events.push(Event::Push(entry));
        self.queue.push(entry, self.near, SESSION, &mut self.log);
        self.note_blocks();
        if ready {
            let next = self.queue.take_next(30, &mut self.log);
            assert!(matches!(next, Some(Next::Publish { entry: taken, .. }) if taken == entry));
            assert_eq!(self.model.take(30), next);
        }
    }

    /// A message that is sent at once and not kept.
    fn pass(&mut self, terms: Terms) {
        let entry = Entry::passing(terms);
        self.model.push(entry);
        let next = self.queue.pass(terms);
        assert!(matches!(next, Next::Publish { entry: taken, .. } if taken == entry));
        assert_eq!(self.model.take(30), Some(next));
    }

    fn take(&mut self, window: u16) {
        if self.near {
            let next = self.queue.take_next(window, &mut self.log);
            assert_eq!(next, self.model.take(window));
        }
    }

    fn answer(&mut self, random: &mut Random) {
        let Self { queue, model, log, .. } = self;
        // Mostly the oldest one in flight.
        let bound = if random.below(3) == 0 { 30 } else { 2 };
        let skip = random.below(bound);
        let oldest = model.messages.keys().next().copied().unwrap_or(model.end);
        let id = u16::try_from((oldest + skip) % 65_535 + 1).expect("in range");
        match random.below(9) {
            0..2 => assert_eq!(queue.release(id, log), model.release(id)),
            2 => assert_eq!(queue.refuse(id, log), model.refuse(id)),
            3..5 => assert_eq!(queue.complete(id, log), model.complete(id)),
            _ => assert_eq!(queue.acknowledge(id, log), model.acknowledge(id)),
        }
    }

    /// PUBACKs in a row, mostly from the oldest on: sent QoS 1 messages end, as by single PUBACKs,
    /// up to the first other message.
    fn answer_run(&mut self, random: &mut Random) {
        let Self { queue, model, log, .. } = self;
        let oldest = model.messages.keys().next().copied().unwrap_or(model.end);
        let first = oldest + random.below(6) / 5;
        let count = u16::try_from(1 + random.below(8)).expect("small");
        let id_of = |number: u64| u16::try_from(number % 65_535 + 1).expect("in range");
        let ends = |model: &Model, number: u64| {
            let entry = model.messages.get(&number).filter(|_| number < model.next);
            entry.is_some_and(|entry| !entry.terms().exactly_once)
        };
        let ended = queue.acknowledge_run(id_of(first), count, log);
        assert!(ended <= count);
        for number in first..first + u64::from(ended) {
            assert!(ends(model, number));
            assert_eq!(model.acknowledge(id_of(number)), Answer::Done);
        }
        assert!(ended == count || first > oldest || !ends(model, first + u64::from(ended)));
    }

    /// Drops the oldest message that was never sent. It is not looked for behind sent messages that
    /// are not in memory.
    fn drop_unsent(&mut self) {
        let entry = self.queue.oldest_unsent(&mut self.log);
        let number = self.model.oldest_unsent();
        if let Some(entry) = entry {
            let number = number.expect("there is one");
            assert_eq!(self.model.messages.remove(&number), Some(entry));
            assert!(self.queue.drop_oldest_unsent(&mut self.log));
        } else {
            assert!(number.is_none() || self.model.waits_again());
        }
    }

    fn drop_oldest(&mut self) {
        let dropped = self.queue.drop_oldest_waiting(&mut self.log);
        assert_eq!(dropped, self.model.drop_oldest_waiting());
    }

    /// The client connects or disconnects.
    pub(super) fn turn(&mut self, near: bool) {
        self.near = near;
        self.queue.rewind();
        self.model.rewind();
    }

    /// The message taken last, or another one, becomes unreadable.
    pub(super) fn lose(&mut self, random: &mut Random) {
        let flying = self.model.messages.range(..self.model.next);
        let stored: Vec<u64> =
            flying.filter(|(_, entry)| entry.position().is_some()).map(|(at, _)| *at).collect();
        if stored.is_empty() {
            return;
        }
        let at = usize::try_from(random.below(stored.len() as u64)).expect("small");
        self.queue.mark_gone(stored[at], &mut self.log);
        self.model.messages.remove(&stored[at]);
        assert_eq!(self.queue.take_lost(), 1);
    }

    /// Appends the acknowledgements of a commit; then segments are retired.
    pub(super) fn commit(&mut self) {
        let has = self.queue.has_acks();
        let acks = self.queue.take_acks();
        assert_eq!(has, acks.is_some());
        if let Some(Acks { first, gone, released }) = &acks {
            // The record is needed, and its content is right.
            let messages = &self.model.messages;
            assert!(messages.range(..first).next().is_none());
            assert!(gone.iter().all(|at| at >= first && !messages.contains_key(at)));
            assert!(released.iter().all(|at| messages.get(at) == Some(&Entry::RELEASED)));
        }
        self.events.extend(acks.map(Event::Acks));
        if self.tells_sent {
            self.events.push(Event::Sent(self.queue.sent()));
        }
        self.logged = self.model.clone();
        assert!(!self.queue.has_acks());
        self.log.retire();
    }

    /// Writes the whole queue to the log.
    pub(super) fn capture(&mut self, random: &mut Random) {
        if random.below(2) == 0 {
            self.commit();
        } else {
            // Changes without another record are only in this state.
            self.starts.clear();
        }
        let mut state = Vec::new();
        self.queue.encode(&mut state);
        self.logged = self.model.clone();
        self.starts.push(self.events.len());
        self.events.push(Event::State(state));
    }

    /// A segment is to be retired: its live messages are moved, except for some that are lost.
    pub(super) fn clean(&mut self, random: &mut Random) {
        self.commit();
        let oldest = self.log.held.keys().next().copied();
        let Some(start) = oldest.filter(|start| *start < segment(self.log.end)) else { return };
        let range = start..start + SEGMENT * (1 + random.below(2));
        if range.contains(&self.log.end) {
            return;
        }
        let mut moves = BTreeMap::new();
        for entry in self.model.messages.values() {
            let Some(old) = entry.position().filter(|at| range.contains(&at.offset())) else {
                continue;
            };
            if random.below(20) > 0 {
                moves.insert(old.offset(), self.log.append(entry.bytes()));
            }
        }
        let lost = self.model.relocate(&range, &moves);
        self.logged = self.model.clone();
        let map = |old: Position| moves.get(&old.offset()).copied();
        let referred = self.queue.refers_to(&range);
        self.queue.relocate(&range, &map, SESSION, &mut self.log);
        assert!(!self.queue.refers_to(&range));
        assert!(referred || lost == 0);
        assert_eq!(self.queue.take_lost(), lost);
        self.note_blocks();
        self.events.push(Event::Cleaned(range.clone(), moves));
        assert!(self.log.holds().range(range).next().is_none(), "nothing is held there");
        self.log.retire();
        self.check();
    }

    /// The process ends, and starts again with the content of the log.
    pub(super) fn restart(&mut self, random: &mut Random) {
        let start = usize::try_from(random.below(self.starts.len() as u64)).expect("small");
        // The queue no longer holds what only older states need.
        self.starts.drain(..start);
        self.log.forget_holds();
        self.queue = self.rebuilt();
        self.model = self.logged.clone();
        if !self.tells_sent {
            // It may follow messages that were dropped unsent.
            let sent = self.queue.sent();
            let between = self.model.sent..sent.max(self.model.sent);
            assert!(self.model.messages.range(between).next().is_none());
            self.model.sent = sent;
        }
        self.near = false;
        assert!(!self.queue.has_acks(), "it has them from the log");
        self.model.rewind();
        self.check();
    }

    /// The queue as the log has it.
    fn rebuilt(&mut self) -> Queue {
        let (mut queue, mut started) = (Queue::default(), false);
        for event in &self.events[self.starts[0]..] {
            match event {
                Event::Push(entry) => queue.replay_push(*entry),
                Event::Block(position, first, count) => {
                    queue.replay_block(*position, *first, *count, &self.log);
                }
                Event::Acks(Acks { first, gone, released }) => {
                    queue.replay_acks(*first, gone, released);
                }
                Event::Sent(sent) => queue.replay_sent(*sent),
                Event::Cleaned(range, moves) => {
                    queue.replay_relocate(range, &|old| moves.get(&old.offset()).copied());
                }
                // Those after the starting one have no new information.
                Event::State(_) if started => {}
                Event::State(state) => {
                    let mut cursor = Cursor(state);
                    queue = Queue::decode(&mut cursor).expect("it was encoded");
                    assert!(cursor.is_empty());
                }
            }
            started = true;
        }
        queue.settle(&mut self.log);
        assert_eq!(queue.take_lost(), 0);
        queue
    }

    /// The queue, its bytes and its references equal the model's.
    pub(super) fn check(&self) {
        let (entries, blocks) = contents(&self.queue, &self.log);
        assert_eq!(entries, self.model.messages);
        let bytes = entries.values().map(|entry| u64::from(entry.bytes())).sum::<u64>();
        assert_eq!(self.queue.stored_bytes(), bytes);
        let mut holds = BTreeMap::new();
        for position in entries.values().filter_map(|entry| entry.position()).chain(blocks) {
            *holds.entry(segment(position.offset())).or_default() += 1;
        }
        assert_eq!(self.log.holds(), holds);
    }

    /// Takes and acknowledges all messages, and compares to the last.
    pub(super) fn finish(&mut self) {
        self.turn(true);
        while !self.model.messages.is_empty() {
            let next = self.queue.take_next(5, &mut self.log);
            assert_eq!(next, self.model.take(5));
            let Self { queue, model, log, .. } = self;
            let packet_id = match next {
                None => identifier_of_first(model),
                Some(Next::Publish { packet_id, .. } | Next::Release { packet_id }) => packet_id,
            };
            for _ in 0..2 {
                assert_eq!(queue.acknowledge(packet_id, log), model.acknowledge(packet_id));
                assert_eq!(queue.release(packet_id, log), model.release(packet_id));
                assert_eq!(queue.complete(packet_id, log), model.complete(packet_id));
            }
        }
        assert_eq!(self.queue.take_next(5, &mut self.log), None);
        assert!(self.queue.is_empty());
        assert_eq!((self.log.holds(), self.queue.stored_bytes()), (BTreeMap::new(), 0));
        self.commit();
        self.turn(false);
        assert!(self.volatile || self.queue.front.is_none(), "nothing is left in memory");
    }

    /// Ends everything at once.
    pub(super) fn drain(&mut self) {
        self.queue.drain(&mut self.log);
        self.model.messages.clear();
        assert!(self.queue.is_empty() && self.queue.unacked() == 0 && self.queue.waiting() == 0);
        assert_eq!(self.log.holds(), BTreeMap::new());
    }

    fn note_blocks(&mut self) {
        let blocks = self.log.appended.drain(..);
        self.events.extend(blocks.map(|(at, first, count)| Event::Block(at, first, count)));
    }
}

fn identifier_of_first(model: &Model) -> u16 {
    let first = model.messages.keys().next().expect("one is left");
    u16::try_from(first % 65_535 + 1).expect("in range")
}
