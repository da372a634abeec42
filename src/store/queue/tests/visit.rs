//! A visit returns the model's messages, in order, and stops on request.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::harness::Harness;
use super::random::Random;
use super::*;

/// The first `most` items of a visit.
fn visited(queue: &Queue, log: &FakeLog, most: usize) -> Vec<Item> {
    let mut items = Vec::new();
    let end = queue.visit(log, &mut |item| {
        items.push(item);
        if items.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!(end.is_break(), items.len() == most, "it ends when told to");
    items
}

/// A queue with a front, blocks and a tail, as in the model.
fn long_queue(seed: u8) -> Harness {
    let mut random = Random::new(seed);
    let mut harness = Harness::new(false, 65_500, 60);
    for step in 0..400 {
        harness.step(&mut random, 9);
        if step % 50 == 0 {
            harness.commit();
            harness.turn(step % 100 == 0);
        }
    }
    harness
}

// Messages are returned by number, each unchanged; each block once.
#[test]
fn tells_what_is_there() {
    for seed in 0..50 {
        let Harness { queue, log, model, .. } = &long_queue(seed);
        let items = visited(queue, log, usize::MAX);
        let is_block = |item: &Item| matches!(item, Item::Block { .. });
        let messages: Vec<Item> = items.iter().copied().filter(|item| !is_block(item)).collect();
        let expected = model.messages.iter().map(|(number, entry)| match *entry {
            Entry::RELEASED => Item::Released { number: *number },
            entry => Item::Message { number: *number, entry, sent: *number < model.sent },
        });
        assert_eq!(messages, expected.collect::<Vec<_>>(), "seed {seed}");
        let blocks = items.iter().filter_map(|item| match item {
            Item::Block { position } => Some(*position),
            _ => None,
        });
        let (_, expected) = contents(queue, log);
        assert_eq!(blocks.collect::<Vec<_>>(), expected, "seed {seed}");
        for most in [1, 2, items.len() / 2 + 1] {
            assert_eq!(visited(queue, log, most), items[..most], "seed {seed}");
        }
    }
    assert_eq!(visited(&Queue::default(), &FakeLog::new(60), usize::MAX), []);
}

// Messages of an unreadable block are reported as lost, the others unchanged.
#[test]
fn tells_what_is_lost() {
    let Harness { queue, mut log, model, .. } = long_queue(7);
    let there = visited(&queue, &log, usize::MAX);
    log.damage(&(0..log.end));
    let mut missing: BTreeSet<u64> = model.messages.keys().copied().collect();
    let mut lost = 0;
    for item in visited(&queue, &log, usize::MAX) {
        match item {
            Item::Message { number, .. } | Item::Released { number } => {
                assert!(missing.remove(&number));
            }
            Item::Lost { first, count } => {
                lost += 1;
                missing.retain(|number| !(first..first + u64::from(count)).contains(number));
            }
            Item::Block { .. } => assert!(there.contains(&item)),
        }
    }
    assert!(missing.is_empty() && lost > 0, "{lost} blocks are lost, {missing:?} is not told");
}

// Identifiers begin at 1, and again after 65,535.
#[test]
fn identifiers() {
    for (number, id) in [(0, 1), (1, 2), (65_534, 65_535), (65_535, 1), (131_070, 1)] {
        assert_eq!(Queue::packet_id(number), id, "{number}");
    }
}
