//! A queue that is copied from another continues with the same packet identifiers, also after a
//! restart.

use std::ops::ControlFlow;

use super::super::super::cursor::Cursor;
use super::*;

/// The messages waiting in a queue: the number of each, or none for one that is released.
fn told(queue: &Queue, log: &FakeLog) -> Vec<(u64, bool, bool)> {
    let mut told = Vec::new();
    let _whole = queue.visit(log, &mut |item| {
        match item {
            Item::Message { number, sent, .. } => told.push((number, sent, false)),
            Item::Released { number } => told.push((number, true, true)),
            Item::Block { .. } | Item::Lost { .. } => {}
        }
        ControlFlow::Continue(())
    });
    told
}

// Messages in flight with gaps between them, a released one, and some that were not sent: from the
// first identifier, the last, and around it; in the tail and in blocks.
#[test]
fn numbers_stay() {
    for (first, tail_bytes_max) in
        [(0, 4096), (65_530, 4096), (65_534, 40), (65_535, 40), (1 << 40, 40)]
    {
        let mut log = FakeLog::new(tail_bytes_max);
        let mut queue = Queue::starting_at(first);
        assert_eq!((queue.first(), queue.end(), queue.is_empty()), (first, first, true));
        let mut expected = Vec::new();
        for step in 0..20 {
            let number = queue.end();
            match step {
                3 | 9 => {
                    queue.pass_over(2, 1, &mut log);
                    continue;
                }
                5 => queue.push_released(1, &mut log),
                _ => {
                    let entry = log.message(100, Terms::default());
                    queue.push(entry, false, 1, &mut log);
                }
            }
            expected.push((number, number < first + 12, step == 5));
        }
        queue.replay_sent(first + 12);
        assert_eq!(told(&queue, &log), expected, "{first}");

        let mut bytes = Vec::new();
        queue.encode(&mut bytes);
        let mut restarted = Queue::decode(&mut Cursor(&bytes)).expect("it was written as one");
        restarted.settle(&mut log);
        assert_eq!(told(&restarted, &log), expected, "{first}");
        let mut identifiers = Vec::new();
        while let Some(next) = restarted.take_next(u16::MAX, &mut log) {
            identifiers.push(match next {
                Next::Publish { packet_id, again, .. } => (packet_id, again),
                Next::Release { packet_id } => (packet_id, true),
            });
        }
        let due = expected.iter().map(|(number, sent, _)| (Queue::packet_id(*number), *sent));
        assert_eq!(identifiers, due.collect::<Vec<_>>(), "{first}");
    }
}
