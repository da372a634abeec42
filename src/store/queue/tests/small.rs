//! Single rules of a queue.

use super::super::super::cursor::Cursor;
use super::*;
use crate::limits::QUEUE_HEAD_MAX;

/// A queue with its log, for short calls.
struct Rig {
    queue: Queue,
    log: FakeLog,
}

impl Rig {
    fn new(queue: Queue) -> Self {
        Self { queue, log: FakeLog::new(QUEUE_TAIL_BYTES_MAX) }
    }

    fn push(&mut self, near: bool, terms: Terms) -> Entry {
        let entry = self.log.message(10, terms);
        self.queue.push(entry, near, SESSION, &mut self.log);
        entry
    }

    fn push_many(&mut self, count: usize, near: bool) -> Vec<Entry> {
        (0..count).map(|_| self.push(near, QOS_1)).collect()
    }

    fn take(&mut self, window: u16) -> Option<Next> {
        self.queue.take_next(window, &mut self.log)
    }

    /// Takes all messages that the window permits: number, identifier, whether sent again.
    fn take_all(&mut self, window: u16) -> Vec<(u64, u16, bool)> {
        let publish = |next| match next {
            Next::Publish { packet_id, number, again, .. } => (number, packet_id, again),
            Next::Release { packet_id } => panic!("{packet_id} is released"),
        };
        std::iter::from_fn(|| self.take(window)).map(publish).collect()
    }

    fn acknowledge(&mut self, packet_id: u16) -> Answer {
        self.queue.acknowledge(packet_id, &mut self.log)
    }

    fn release(&mut self, packet_id: u16) -> Answer {
        self.queue.release(packet_id, &mut self.log)
    }

    fn complete(&mut self, packet_id: u16) -> Answer {
        self.queue.complete(packet_id, &mut self.log)
    }

    fn drop_oldest(&mut self) -> bool {
        self.queue.drop_oldest_waiting(&mut self.log)
    }

    /// The process ends, and starts again with the queue's current state.
    fn restart(&mut self) {
        let mut state = Vec::new();
        self.queue.encode(&mut state);
        self.queue = Queue::decode(&mut Cursor(&state)).expect("it was encoded");
        self.log.forget_holds();
        self.queue.settle(&mut self.log);
    }

    /// Succeeds, or counts the lost messages.
    fn restart_or(&mut self, restarts: bool, lost: u64) {
        assert_eq!(self.queue.take_lost(), lost);
        if restarts {
            self.restart();
        }
    }

    /// The start of each block, in the order they were appended.
    fn blocks(&self) -> Vec<u64> {
        self.log.appended.iter().map(|(_, first, _)| *first).collect()
    }
}

// PUBRELs that are pending since the client disconnected are sent although the window is full, once
// each and in order. Released messages do not keep the window full for ever.
#[test]
fn owed_releases_do_not_wait_for_the_window() {
    for restarts in [false, true] {
        let mut rig = Rig::new(Queue::default());
        for _ in 0..5 {
            rig.push(true, QOS_2);
        }
        assert_eq!(rig.take_all(9).len(), 5);
        for id in [2, 4] {
            assert_eq!(rig.release(id), Answer::Done);
        }
        rig.queue.rewind();
        rig.restart_or(restarts, 0);
        let number = |next| match next {
            Some(Next::Publish { number, again: true, .. }) => number,
            other => panic!("{other:?}"),
        };
        assert_eq!(number(rig.take(1)), 0);
        // [MQTT-3.3.4-10]
        assert_eq!(rig.take(1), Some(Next::Release { packet_id: 2 }));
        assert_eq!(rig.take(1), Some(Next::Release { packet_id: 4 }));
        assert_eq!(rig.take(1), None, "once each");
        assert_eq!(rig.complete(4), Answer::Done);
        assert_eq!(rig.queue.unacked(), 2, "the message, and what followed it");
        assert_eq!((rig.release(1), rig.complete(1)), (Answer::Done, Answer::Done));
        assert_eq!(rig.take(1), None, "the PUBCOMP of the second is to come");
        assert_eq!((rig.queue.unacked(), rig.complete(2)), (1, Answer::Done));
        assert_eq!(number(rig.take(1)), 2);
        assert_eq!(number(rig.take(2)), 4);
        // After another disconnect the PUBRELs are pending again.
        assert_eq!(rig.release(5), Answer::Done);
        rig.queue.rewind();
        assert_eq!(rig.take(0), Some(Next::Release { packet_id: 5 }));
        assert_eq!(rig.take(0), None);
        assert_eq!(number(rig.take(3)), 2);
        assert_eq!(rig.take(3), None, "it went ahead");
        assert_eq!((rig.release(3), rig.complete(3)), (Answer::Done, Answer::Done));
        assert_eq!(rig.complete(5), Answer::Done);
        assert!(rig.queue.is_empty() && rig.queue.unacked() == 0);
    }
}

// A refused message is completed at once, and its identifier is free; other answers work as before.
#[test]
fn refusals_end_qos_2() {
    let mut rig = Rig::new(Queue::default());
    rig.push(true, QOS_2);
    rig.push(true, QOS_1);
    rig.push(true, QOS_2);
    assert_eq!(rig.queue.refuse(1, &mut rig.log), Answer::Known, "not sent yet");
    assert_eq!(rig.take_all(9).len(), 3);
    assert_eq!(rig.queue.refuse(2, &mut rig.log), Answer::Wrong, "QoS 1 has no PUBREC");
    assert_eq!(rig.release(1), Answer::Done);
    assert_eq!(rig.queue.refuse(1, &mut rig.log), Answer::Known, "it has it already");
    assert_eq!(rig.queue.refuse(3, &mut rig.log), Answer::Done);
    assert_eq!(rig.queue.refuse(3, &mut rig.log), Answer::Known);
    assert_eq!(rig.complete(3), Answer::Known);
    let acks = rig.queue.take_acks().expect("the log is to know");
    assert_eq!((acks.first, acks.gone, acks.released), (0, vec![2], vec![0]));
    rig.restart();
    assert_eq!(rig.take(9), Some(Next::Release { packet_id: 1 }));
    assert_eq!(rig.take_all(9), [(1, 2, true)]);
}

// The oldest message that was never sent is found wherever it is, and sent ones are ignored.
#[test]
fn oldest_unsent_is_seen_and_dropped() {
    let mut rig = Rig::new(Queue::default());
    assert_eq!(rig.queue.oldest_unsent(&mut rig.log), None);
    assert!(!rig.queue.drop_oldest_unsent(&mut rig.log));
    let entries = rig.push_many(4, false);
    assert_eq!(rig.queue.oldest_unsent(&mut rig.log), Some(entries[0]), "packed");
    assert_eq!(rig.take_all(2).len(), 2);
    assert_eq!(rig.queue.oldest_unsent(&mut rig.log), Some(entries[2]), "in front");
    rig.queue.rewind();
    assert_eq!(rig.queue.oldest_unsent(&mut rig.log), Some(entries[2]), "not what comes again");
    assert!(rig.queue.drop_oldest_unsent(&mut rig.log));
    rig.restart();
    assert_eq!(rig.queue.oldest_unsent(&mut rig.log), Some(entries[3]));
    assert!(rig.queue.drop_oldest_unsent(&mut rig.log));
    assert_eq!(rig.queue.oldest_unsent(&mut rig.log), None);
    assert_eq!(rig.take_all(9), [(0, 1, true), (1, 2, true)]);
}

// Acknowledgements in any order: a rewind returns exactly the others, with the same ids, in order,
// as DUP.
#[test]
fn rewind_brings_what_is_unacknowledged() {
    let mut rig = Rig::new(Queue::default());
    rig.push_many(6, true);
    assert_eq!(rig.take_all(5).len(), 5);
    for id in [4, 1, 3] {
        assert_eq!(rig.acknowledge(id), Answer::Done);
        assert_eq!(rig.acknowledge(id), Answer::Known, "a repeated one is nothing");
    }
    assert_eq!(rig.acknowledge(6), Answer::Known, "not sent yet");
    assert_eq!(rig.acknowledge(0), Answer::Known);
    rig.queue.rewind();
    assert_eq!(rig.take_all(9), [(1, 2, true), (4, 5, true), (5, 6, false)]);
    for id in [2, 5, 6] {
        assert_eq!(rig.acknowledge(id), Answer::Done);
    }
    assert!(rig.queue.is_empty());
    assert_eq!((rig.queue.unacked(), rig.queue.stored_bytes()), (0, 0));
}

// An identifier is not reused while its message is unacknowledged, and is never 0. Messages for a
// full front wait after it.
#[test]
fn identifiers_stall_before_they_wrap() {
    let mut rig = Rig::new(Queue::default());
    rig.push_many(QUEUE_HEAD_MAX, true);
    assert!(rig.queue.tail().is_empty());
    rig.push_many(1, true);
    assert_eq!(rig.queue.tail().count(), 1);
    let taken = rig.take_all(u16::MAX);
    assert_eq!(taken.len(), 65_535);
    assert!(taken.iter().all(|(_, id, _)| *id != 0));
    for id in 2..=65_535 {
        assert_eq!(rig.acknowledge(id), Answer::Done);
    }
    assert_eq!(rig.take(u16::MAX), None, "identifier 1 is still out");
    assert!(!rig.queue.window_open(u16::MAX));
    assert_eq!(rig.acknowledge(1), Answer::Done);
    assert!(rig.queue.window_open(u16::MAX));
    assert_eq!(rig.take_all(1), [(65_535, 1, false)]);
}

// A message that is not kept has an identifier and no record; dropping takes the oldest waiting
// one.
#[test]
fn passing_and_dropping() {
    let mut rig = Rig::new(Queue::volatile());
    let volatile = Entry::stored(Position::volatile(1), 5, QOS_1);
    rig.log.held.insert(0, 0);
    rig.queue.push(volatile, true, SESSION, &mut rig.log);
    assert!(rig.take(9).is_some());
    assert_eq!(rig.queue.stored_bytes(), 5);
    rig.queue.forget_taken(&mut rig.log);
    rig.queue.forget_taken(&mut rig.log);
    assert_eq!((rig.queue.stored_bytes(), rig.log.holds()), (0, BTreeMap::new()));
    rig.push_many(3, true);
    assert!(rig.drop_oldest());
    assert_eq!(rig.acknowledge(1), Answer::Done);
    assert_eq!(rig.take_all(9), [(2, 3, false), (3, 4, false)]);
    rig.queue.push(Entry::passing(QOS_2), true, SESSION, &mut rig.log);
    let passing = rig.take(9);
    assert!(matches!(passing, Some(Next::Publish { entry, .. }) if entry.terms() == QOS_2));
    assert_eq!((rig.release(5), rig.complete(5)), (Answer::Done, Answer::Done));
    assert!(!rig.queue.has_acks() && rig.queue.take_acks().is_none(), "nothing is for the log");
    rig.queue.drain(&mut rig.log);
    assert!(rig.queue.is_empty());
    assert_eq!(rig.log.holds(), BTreeMap::new());
}

// Drops behind an unacknowledged message take no memory, from any part of the queue. Identifiers
// are not issued meanwhile, and the window does not change.
#[test]
fn drops_leave_nothing() {
    for (near, behind) in [(true, 0), (false, 0), (true, 3_000), (false, 3_000)] {
        let mut rig = Rig::new(Queue::default());
        rig.push_many(1, true);
        assert_eq!(rig.take_all(1).len(), 1);
        rig.push_many(behind, near);
        for _ in 0..100_000 {
            rig.push_many(1, near);
            assert!(rig.drop_oldest());
            rig.log.retire();
        }
        let front = rig.queue.front.as_ref().expect("a message is in flight");
        // A block has less.
        assert!(front.flight.len() == 1 && front.len() < 5_000, "{}", front.len());
        assert_eq!(rig.queue.waiting(), behind as u64);
        assert_eq!(rig.queue.take_acks().expect("drops are told").gone.len(), 100_000);
        let more = 1 + u16::from(behind == 0);
        rig.push_many(1, near);
        assert_eq!(
            rig.take(more),
            None,
            "the next has the identifier of one that is out, or might"
        );
        assert_eq!(rig.acknowledge(1), Answer::Done);
        assert!(matches!(rig.take(1), Some(Next::Publish { number: 100_001, again: false, .. })));
        rig.queue.drain(&mut rig.log);
        assert_eq!(rig.log.holds(), BTreeMap::new());
    }
}

// A few drops behind an unacknowledged message do not block later messages.
#[test]
fn drops_are_passed() {
    let mut rig = Rig::new(Queue::default());
    rig.push_many(9, true);
    assert_eq!(rig.take_all(2), [(0, 1, false), (1, 2, false)]);
    for _ in 0..3 {
        assert!(rig.drop_oldest());
    }
    assert_eq!(rig.queue.waiting(), 4);
    assert_eq!(rig.take_all(3), [(5, 6, false)]);
    assert_eq!(rig.acknowledge(4), Answer::Known, "it was dropped");
    assert_eq!((rig.acknowledge(1), rig.acknowledge(2)), (Answer::Done, Answer::Done));
    assert_eq!(rig.queue.first(), 5);
    rig.queue.rewind();
    assert_eq!(rig.take_all(2), [(5, 6, true), (6, 7, false)]);
}

// QoS 2: PUBREC removes the message, PUBCOMP its identifier; pending packets are sent again.
#[test]
fn exactly_once_has_two_steps() {
    let mut rig = Rig::new(Queue::default());
    for _ in 0..3 {
        rig.push(true, QOS_2);
    }
    rig.push_many(1, true);
    assert_eq!(rig.take_all(4).len(), 4);
    assert_eq!(rig.acknowledge(2), Answer::Wrong);
    assert_eq!(rig.release(4), Answer::Wrong);
    assert_eq!((rig.complete(2), rig.complete(4)), (Answer::Wrong, Answer::Wrong));
    assert_eq!(rig.complete(5), Answer::Known, "not sent");
    assert_eq!(rig.release(2), Answer::Done);
    assert_eq!(rig.queue.stored_bytes(), 30);
    assert_eq!(rig.release(2), Answer::Known);
    assert_eq!(rig.queue.unacked(), 4, "its identifier is taken");
    rig.queue.rewind();
    assert_eq!((rig.complete(1), rig.complete(4)), (Answer::Known, Answer::Known), "due again");
    let next: Vec<_> = std::iter::from_fn(|| rig.take(4)).collect();
    assert!(matches!(next[0], Next::Publish { packet_id: 1, again: true, .. }));
    assert_eq!(next[1], Next::Release { packet_id: 2 });
    assert!(matches!(next[2], Next::Publish { packet_id: 3, again: true, .. }));
    assert_eq!((rig.complete(2), rig.acknowledge(4)), (Answer::Done, Answer::Done));
    rig.queue.rewind();
    assert_eq!(rig.release(3), Answer::Done, "answered before it came again");
    let next: Vec<_> = std::iter::from_fn(|| rig.take(4)).collect();
    assert!(matches!(next[0], Next::Publish { packet_id: 1, .. }));
    assert_eq!(next[1..], [Next::Release { packet_id: 3 }]);
    assert_eq!((rig.complete(3), rig.queue.unacked()), (Answer::Done, 1));
    assert_eq!((rig.release(1), rig.complete(1)), (Answer::Done, Answer::Done));
    assert!(rig.queue.is_empty());
}

// A released message is not dropped, even if it was released before a restart: its PUBREL must
// still be sent.
#[test]
fn drops_spare_what_is_released() {
    for restart in [false, true] {
        let mut rig = Rig::new(Queue::default());
        for _ in 0..3 {
            rig.push(true, QOS_2);
        }
        assert_eq!(rig.take_all(3).len(), 3);
        assert_eq!((rig.release(1), rig.release(3)), (Answer::Done, Answer::Done));
        rig.push_many(2, false);
        rig.queue.rewind();
        if restart {
            rig.restart();
        }
        for left in (0..3).rev() {
            assert!(rig.drop_oldest());
            assert_eq!(rig.queue.stored_bytes(), left * 10);
        }
        assert!(!rig.drop_oldest());
        let next: Vec<_> = std::iter::from_fn(|| rig.take(9)).collect();
        assert_eq!(next, [Next::Release { packet_id: 1 }, Next::Release { packet_id: 3 }]);
    }
}

// After a restart, a client may acknowledge an earlier message before it is sent again, even if it
// is in a block. Nothing is read for a client that does not.
#[test]
fn answers_are_known_after_a_restart() {
    let mut rig = Rig::new(Queue::default());
    rig.log.tail_bytes_max = 30;
    let entries = rig.push_many(100, false);
    assert_eq!(rig.take_all(40).len(), 40);
    assert!(rig.blocks().len() > 5);
    rig.log.forget_holds();
    rig.queue = Queue::default();
    for entry in entries {
        rig.queue.replay_push(entry);
        for (position, first, count) in &rig.log.appended {
            if first + u64::from(*count) == rig.queue.end() {
                rig.queue.replay_block(*position, *first, *count, &rig.log);
            }
        }
    }
    rig.queue.replay_sent(40);
    rig.queue.settle(&mut rig.log);
    assert_eq!(rig.queue.front.as_ref().map(|front| front.len()), Some(0));
    assert_eq!(rig.queue.unacked(), 0);
    assert_eq!(rig.acknowledge(41), Answer::Known, "it was not sent");
    assert_eq!(rig.acknowledge(30), Answer::Done);
    assert_eq!(rig.acknowledge(30), Answer::Known);
    let taken = rig.take_all(50);
    assert_eq!(taken.len(), 50);
    assert!(taken.iter().all(|(number, _, again)| *number != 29 && *again == (*number < 40)));
}

// An unreadable block loses its messages, and no others; they are released and counted.
#[test]
fn damaged_blocks_are_passed() {
    for how in 0..4 {
        let mut rig = Rig::new(Queue::default());
        rig.log.tail_bytes_max = 100;
        let count = 200;
        rig.push_many(1, true);
        assert_eq!(rig.take_all(1).len(), 1);
        rig.push_many(count, false);
        let blocks = rig.blocks();
        let (position, first, _) = rig.log.appended[1];
        let (lost, offset) = (blocks[2] - first, position.offset());
        match how {
            0 => rig.log.damage(&(offset..offset + 1)),
            // It is another one.
            1 => rig.log.blocks.get_mut(&offset).expect("it is there").first += 1,
            2 => rig.log.blocks.get_mut(&offset).expect("it is there").entries[1] ^= 1,
            _ => {
                // It is noticed only when it is to be written again.
                rig.log.damage(&(offset..offset + 1));
                let range = offset / SEGMENT * SEGMENT..(offset / SEGMENT + 1) * SEGMENT;
                let new = rig.log.append(10_000);
                rig.queue.relocate(&range, &|_| Some(new), SESSION, &mut rig.log);
                assert_eq!(rig.queue.take_lost(), lost);
            }
        }
        let taken: Vec<u64> = rig.take_all(u16::MAX).iter().map(|(number, ..)| *number).collect();
        let rest: Vec<u64> = (1..first).chain(blocks[2]..=count as u64).collect();
        assert_eq!(taken, rest);
        assert_eq!(rig.queue.take_lost(), if how < 3 { lost } else { 0 });
        for number in [0].iter().chain(&rest) {
            let id = u16::try_from(number + 1).expect("small");
            assert_eq!(rig.acknowledge(id), Answer::Done);
        }
        assert!(rig.queue.is_empty());
        assert_eq!((rig.log.holds(), rig.queue.stored_bytes()), (BTreeMap::new(), 0));
    }
}

// A queue of a disconnected client takes only its tail and little more, also after use.
#[test]
fn absent_clients_take_little() {
    assert!(size_of::<Queue>() <= 80, "{}", size_of::<Queue>());
    assert_eq!(size_of::<Entry>(), 16);
    let mut rig = Rig::new(Queue::default());
    rig.push_many(10, false);
    assert!(rig.queue.front.is_none());
    for _ in 0..3 {
        rig.queue.rewind();
        let ids = rig.take_all(10);
        rig.push_many(4, true);
        let ids = ids.into_iter().chain(rig.take_all(14)).map(|(_, id, _)| id);
        ids.for_each(|id| assert_eq!(rig.acknowledge(id), Answer::Done));
        rig.queue.rewind();
        assert!(rig.queue.take_acks().is_some());
        assert!(rig.queue.front.is_none());
        rig.push_many(10, false);
        assert!(rig.queue.front.is_none());
        rig.restart();
        assert!(rig.queue.front.is_none());
    }
    assert!(rig.drop_oldest());
    assert_eq!(rig.queue.take_acks().map(|acks| (acks.first, acks.gone)), Some((43, vec![])));
    assert!(rig.queue.front.is_none());
}

// Of a long queue, a tail and a block are in memory; the rest is in the log.
#[test]
fn long_queues_are_in_the_log() {
    let mut rig = Rig::new(Queue::default());
    rig.push_many(100_000, false);
    let front = rig.queue.front.as_ref().expect("it has blocks");
    assert_eq!(front.len(), 0);
    let of_tail = u64::from(rig.queue.tail().count());
    let of_blocks: u64 = front.middle.iter().map(|block| u64::from(block.count)).sum();
    assert_eq!(of_blocks + of_tail, 100_000);
    assert!(front.middle.len() < 60, "{}", front.middle.len());
    for _ in 0..3 {
        assert_eq!(rig.take_all(1).len(), 1);
        let front = rig.queue.front.as_ref().expect("it has blocks");
        assert!(front.len() < 5_000, "{}", front.len());
        rig.queue.rewind();
    }
}

// A queue that is emptied at once records that all its messages are completed.
#[test]
fn ends_are_told() {
    for taken in [0, 3] {
        let mut rig = Rig::new(Queue::default());
        rig.push_many(5, false);
        assert_eq!(rig.take_all(taken).len(), usize::from(taken));
        rig.queue.drain(&mut rig.log);
        let acks = rig.queue.take_acks().expect("five are gone");
        assert_eq!(acks, Acks { first: 5, ..Acks::default() });
        assert!(rig.queue.is_empty() && rig.queue.front.is_none());
        rig.queue.drain(&mut rig.log);
        assert!(!rig.queue.has_acks());
    }
}

// Messages that are lost when they are moved are counted, and later messages follow them.
#[test]
fn lost_messages_are_counted() {
    for near in [false, true] {
        for taken in 0..4 {
            let mut rig = Rig::new(Queue::default());
            rig.push_many(4, near);
            assert_eq!(rig.take_all(taken).len(), usize::from(taken));
            let keeps_first = |old: Position| (old.offset() == 0).then_some(old);
            rig.queue.relocate(&(0..SEGMENT), &keeps_first, SESSION, &mut rig.log);
            rig.queue.rewind();
            assert_eq!(rig.queue.unacked(), 0);
            rig.restart_or(taken % 2 == 0, 3);
            rig.push_many(1, true);
            assert_eq!(rig.take_all(9), [(0, 1, taken > 0), (4, 5, false)]);
        }
    }
}

// A queue whose blocks are all lost is empty.
#[test]
fn lost_blocks_are_done_with() {
    let mut rig = Rig::new(Queue::default());
    rig.log.tail_bytes_max = 30;
    rig.push_many(9 * 4, false);
    assert!(rig.queue.tail().is_empty());
    rig.log.blocks.clear();
    assert_eq!(rig.take(1), None);
    assert_eq!((rig.queue.waiting(), rig.queue.take_lost()), (0, 36));
    assert!(rig.queue.is_empty());
    assert_eq!(rig.log.holds(), BTreeMap::new());
    assert_eq!(rig.queue.take_acks().map(|acks| acks.first), Some(36));
    rig.push_many(1, true);
    assert_eq!(rig.take_all(1), [(36, 37, false)]);
}

// A block that is written again includes what is gone and released, in case the acks are lost.
#[test]
fn blocks_say_what_is_released() {
    let mut rig = Rig::new(Queue::default());
    let entries = rig.push_many(3, false);
    let packed: Packed = [entries[0], Entry::RELEASED, Entry::GONE].into_iter().collect();
    let at = blocks::append(&packed, 0, SESSION, &mut rig.log).position;
    rig.queue = Queue::default();
    entries.iter().for_each(|entry| rig.queue.replay_push(*entry));
    rig.queue.replay_block(at, 0, 3, &rig.log);
    rig.queue.replay_block(at, 0, 3, &rig.log);
    rig.log.forget_holds();
    rig.queue.settle(&mut rig.log);
    assert!(rig.drop_oldest());
    assert!(!rig.drop_oldest());
    assert_eq!(rig.complete(1), Answer::Known);
    assert_eq!(rig.complete(2), Answer::Done, "before its PUBREL came again");
    assert!(rig.queue.is_empty());
    assert_eq!(rig.log.holds(), BTreeMap::new());
}

// Rebuilding takes no memory for dropped or completed messages.
#[test]
fn rebuilding_forgets() {
    let mut rig = Rig::new(Queue::default());
    rig.log.tail_bytes_max = 1_000;
    let count = 100_000;
    let entries = rig.push_many(count, false);
    rig.queue.drain(&mut rig.log);
    rig.queue = Queue::default();
    let mut blocks = rig.log.appended.clone().into_iter().peekable();
    for (at, entry) in entries.into_iter().enumerate() {
        rig.queue.replay_push(entry);
        let block = blocks.next_if(|(_, first, n)| first + u64::from(*n) == rig.queue.end());
        if let Some((position, first, count)) = block {
            rig.queue.replay_block(position, first, count, &rig.log);
        }
        if at > 1_000 && at < count - 10 {
            rig.queue.replay_acks(0, &[at as u64 - 1_000], &[]);
        }
    }
    // Even the blocks are gone, except the first and the last.
    let offsets: Vec<u64> = rig.log.blocks.keys().copied().collect();
    for offset in &offsets[1..offsets.len() - 4] {
        rig.log.blocks.remove(offset);
    }
    assert!(offsets.len() > 100);
    rig.queue.settle(&mut rig.log);
    assert_eq!(rig.queue.take_lost(), 0);
    let front = rig.queue.front.as_ref().expect("a message is in flight");
    assert!(front.len() < 3_000, "{}", front.len());
    assert!(front.middle.len() + front.loaded.len() < 6);
    assert_eq!(rig.queue.sent(), count as u64 - 1_010);
}
