//! The bytes of a queue: documented ones, earlier ones, and malformed ones.

use super::super::super::cursor::Cursor;
use super::random::Random;
use super::*;

/// A queue with something in each of its parts, and the log that contains it.
fn queue_with_all() -> (Queue, FakeLog) {
    let mut log = FakeLog::new(PACKED_ENTRY_MAX + 10);
    let mut queue = Queue::default();
    let mut push = |near: bool, bytes: u32, terms: Terms, queue: &mut Queue| {
        let entry = log.message(bytes, terms);
        queue.push(entry, near, SESSION, &mut log);
    };
    push(true, 30, QOS_1, &mut queue);
    for _ in 0..3 {
        push(true, 50, QOS_2, &mut queue);
    }
    for _ in 0..3 {
        push(true, 40, QOS_1, &mut queue);
    }
    (0..3).for_each(|_| push(false, 300, Terms { retain: true, exactly_once: true }, &mut queue));
    (0..5).for_each(|_| push(false, 1_000, QOS_1, &mut queue));
    for _ in 0..4 {
        assert!(queue.take_next(9, &mut log).is_some());
    }
    // First, gone, released, in flight; two dropped; one in memory.
    assert_eq!(queue.release(2, &mut log), Answer::Done);
    assert_eq!(queue.complete(2, &mut log), Answer::Done);
    assert_eq!(queue.release(3, &mut log), Answer::Done);
    assert!(queue.drop_oldest_waiting(&mut log) && queue.drop_oldest_waiting(&mut log));
    (queue, log)
}

const GOLDEN: &[&[u8]] = &[
    // First, sent, end.
    &[0, 4, 15],
    // In flight, from offset 0: 30 bytes; gone; released; 130 further, QoS 2, 50 bytes.
    &[4, 0, 9, 0, 30, 0, 0, 1, 0, 0x91, 0x08, 50],
    // After two that are gone, at 260: 40 bytes.
    &[2, 1, 0x84, 0x02, 2, 0, 40],
    // Two blocks. At 1,200: 3 messages of 900 bytes, all in the segment of 300.
    &[2, 0xb0, 0x09, 0, 3, 0x84, 0x07, 1, 0xac, 0x02, 3],
    // At 4,241: 3 of 3,000 bytes, one in the segment of 1,241 and two in that of 2,241.
    &[0x91, 0x21, 0, 3, 0xb8, 0x17, 2, 0xd9, 0x09, 1, 0xc1, 0x11, 2],
    // The tail: two, from 4,282: 1,000 bytes; 1,000 further.
    &[2, 0xba, 0x21, 7, 0, 0xe8, 0x07, 0xc0, 0x3e, 0xe8, 0x07],
];

/// The first block: three with RETAIN at QoS 2, 300 bytes each, from 300 on.
const GOLDEN_BLOCK: &[u8] = &[3, 0xac, 0x02, 0xe3, 0x12, 0xac, 0x02, 0xe3, 0x12, 0xac, 0x02];

// The documented bytes, and their queue.
#[test]
fn state_has_golden_bytes() {
    let (queue, mut log) = queue_with_all();
    let mut state = Vec::new();
    queue.encode(&mut state);
    assert_eq!(state, GOLDEN.concat());
    let block = log.block(Position::durable(1_200)).expect("it was appended");
    let entries = GOLDEN_BLOCK;
    assert_eq!(block, BlockRecord { session: SESSION, first: 7, count: 3, base: 300, entries });
    let mut cursor = Cursor(&state);
    let mut read = Queue::decode(&mut cursor).expect("it was encoded");
    assert!(cursor.is_empty());
    log.forget_holds();
    read.settle(&mut log);
    assert_eq!(contents(&read, &log), contents(&queue, &log));
    assert_eq!((read.sent(), read.end()), (queue.sent(), queue.end()));
    let mut again = Vec::new();
    read.encode(&mut again);
    assert_eq!(again, state);
}

// An empty queue, and one with only a tail, need very few bytes.
#[test]
fn small_queues_have_few_bytes() {
    let state = |queue: &Queue| {
        let mut state = Vec::new();
        queue.encode(&mut state);
        state
    };
    let mut log = FakeLog::new(100);
    let mut queue = Queue::default();
    assert_eq!(state(&queue), [0; 14]);
    queue.push(log.message(9, QOS_1), false, SESSION, &mut log);
    assert_eq!(state(&queue), [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 9]);
}

// Each truncation is detected, and no input panics.
#[test]
fn broken_state_is_refused() {
    let state = GOLDEN.concat();
    for end in 0..state.len() {
        assert!(Queue::decode(&mut Cursor(&state[..end])).is_none(), "{end}");
    }
    let mut random = Random::new(1);
    for _ in 0..100_000 {
        let mut state = state.clone();
        for _ in 0..=random.below(3) {
            let at = usize::try_from(random.below(state.len() as u64)).expect("small");
            state[at] = random.below(256).to_le_bytes()[0];
        }
        if let Some(queue) = Queue::decode(&mut Cursor(&state)) {
            assert!(queue.first() <= queue.end());
        }
    }
}
