//! Random lives of a queue, with restarts in them.

use super::harness::Harness;
use super::random::Random;
use super::*;

// After any events in any order, the queue equals the model and references the messages that it
// needs.
#[test]
fn equals_a_plain_model() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let tail_bytes_max = 30 + 30 * usize::from(seed % 4);
        let end = [0, 65_500, 300_000][usize::from(seed) % 3];
        let volatile = seed % 6 == 0;
        let mut harness = Harness::new(volatile, end, tail_bytes_max);
        for step in 0..3_000 {
            let pushes = [3, 9, 14, 6][step / 250 % 4];
            harness.step(&mut random, pushes);
            match random.below(200) {
                0 => harness.turn(true),
                1 => harness.turn(false),
                2 => harness.lose(&mut random),
                3..20 => harness.commit(),
                20..40 => harness.check(),
                40 if !volatile => harness.clean(&mut random),
                41 if random.below(20) == 0 => harness.drain(),
                _ => {}
            }
        }
        harness.check();
        if seed % 2 == 0 { harness.drain() } else { harness.finish() }
    }
}

// Rebuilt from any state and the later records in the log, the queue is as recorded.
#[test]
fn comes_back_as_it_was_told() {
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let tail_bytes_max = 30 + 30 * usize::from(seed % 4);
        let end = [0, 65_500, 300_000][usize::from(seed) % 3];
        let mut harness = Harness::new(false, end, tail_bytes_max);
        harness.tells_sent = seed % 5 > 0;
        let mut restarts = 0;
        for step in 0..1_500 {
            let pushes = [3, 9, 14, 6][step / 150 % 4];
            harness.step(&mut random, pushes);
            match random.below(300) {
                0..2 => harness.turn(true),
                2 => harness.turn(false),
                3..40 => harness.commit(),
                40..43 => harness.clean(&mut random),
                43 => harness.capture(&mut random),
                44 => {
                    if random.below(4) > 0 {
                        harness.commit();
                    }
                    harness.restart(&mut random);
                    restarts += 1;
                }
                45 => harness.lose(&mut random),
                46 if random.below(20) == 0 => harness.drain(),
                _ => {}
            }
        }
        assert!(restarts > 0 || seed > 0);
        harness.commit();
        harness.restart(&mut random);
        harness.finish();
    }
}

// Missing records in a log do not make its readers fail; references end with their holders.
#[test]
fn nonsense_is_survived() {
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let mut log = FakeLog::new(50);
        log.end = 200_000;
        log.held = (0..200).map(|at| (at * SEGMENT, 0)).collect();
        let mut queue = Queue::default();
        for _ in 0..random.below(300) {
            let number = random.below(100).pow(2);
            let position = Position::durable(random.below(100_000));
            match random.below(20) {
                0..12 => queue.replay_push(Entry::stored(position, 9, QOS_2)),
                12..14 => {
                    let count = u32::try_from(random.below(100)).expect("small");
                    let packed = (0..count).map(|_| Entry::stored(position, 9, QOS_1));
                    let packed: Packed = packed.collect();
                    let at = blocks::append(&packed, number, SESSION, &mut log).position;
                    queue.replay_block(at, number, count, &log);
                }
                14 => queue.replay_block(position, number, 5, &log),
                15 => queue.replay_sent(number),
                16 => {
                    let list = [number, number + 1, number + random.below(1_000)];
                    queue.replay_acks(number - random.below(50).min(number), &list, &list[1..]);
                }
                17 => {
                    let map = |old: Position| (!old.offset().is_multiple_of(3)).then_some(position);
                    queue.replay_relocate(&(0..random.below(100_000)), &map);
                }
                _ => queue.replay_acks(random.below(100), &[], &[]),
            }
        }
        log.forget_holds();
        queue.settle(&mut log);
        let end = queue.end();
        for _ in 0..random.below(100) {
            let entry = log.message(9, QOS_1);
            queue.push(entry, random.below(2) == 0, SESSION, &mut log);
        }
        let mut last = None;
        for _ in 0..random.below(2_000) {
            match queue.take_next(u16::MAX, &mut log) {
                Some(Next::Publish { number, packet_id, .. }) => {
                    assert!(Some(number) > last);
                    last = Some(number);
                    if random.below(2) == 0 {
                        let answer = queue.acknowledge(packet_id, &mut log);
                        assert_ne!(answer, Answer::Known);
                    }
                }
                Some(Next::Release { .. }) => {}
                None => drop(queue.drop_oldest_waiting(&mut log)),
            }
        }
        assert!(last.is_none_or(|last| last < queue.end()) && end <= queue.end());
        queue.drain(&mut log);
        assert_eq!(log.holds(), BTreeMap::new());
    }
}
