//! Failed writes: the log continues in another file, and nothing is lost.

use super::*;
use crate::limits::{SPARE_FILES, WRITE_FAILURES_MAX};

/// The script's appends between two writes: sizes of messages.
const SCRIPT: &[&[usize]] = &[
    &[10, 500],
    &[1000],
    &[700, 700, 700],
    &[3000, 3000, 20],
    &[],
    &[2 * CAPACITY, 5],
    &[100],
    &[CAPACITY - REST_BYTES, CAPACITY - REST_BYTES],
    &[1],
];

/// The part of a failed write that reaches the disk, in eighths.
const SHARES: [usize; 3] = [0, 5, 8];

/// Runs the script; the writes with these numbers fail. Returns the number of writes.
fn run(failing: &[usize], share: usize) -> (World, usize) {
    let mut world = World::new();
    let mut count = 0;
    for sizes in SCRIPT.iter().chain([&[][..]; 20].iter()) {
        for size in *sizes {
            let position = world.append(*size);
            assert!(world.log.hold(position, 1));
        }
        world.log.retry_supply();
        world.serve();
        world.check();
        let Some(write) = world.log.next_write() else { continue };
        count += 1;
        if failing.contains(&(count - 1)) {
            world.disk.write_part(&write, write.bytes.len() * share / 8);
            world.log.on_written(Err(io::Error::other("broken")));
        } else {
            world.disk.write(&write);
            world.log.on_written(Ok(()));
        }
        world.check();
    }
    assert_eq!(world.log.staged_bytes(), 0);
    assert_eq!(world.log.failures(), failing.len() as u64);
    (world, count)
}

// Whichever writes of a run fail, and however much of them reaches the disk, all records are found,
// then and after a restart, and every file is released in the end.
#[test]
fn nothing_is_lost_by_failures() {
    let (_, count) = run(&[], 0);
    assert!(count > 8, "{count} writes");
    let alone = (0..count).map(|at| vec![at]);
    let pairs = (0..count - 1).flat_map(|at| [vec![at, at + 1], vec![at, at + 2]]);
    for (failing, share) in alone.chain(pairs).flat_map(|f| SHARES.map(|share| (f.clone(), share)))
    {
        let (mut world, _) = run(&failing, share);
        for at in 0..world.known.len() {
            world.log.release(world.known[at].0, 1);
        }
        assert_eq!(world.end_turn(), [], "there is no checkpoint");

        let images = world.disk.images();
        let reopened = World { log: world.log, disk: Disk::of(images), known: world.known };
        let (mut world, report, replayed) = reopened.reopen();
        assert_eq!(replayed, world.known, "{failing:?}, {share}");
        let damage = report.faults.iter().find(|fault| fault.kind != FaultKind::Superseded);
        assert_eq!(damage, None, "{failing:?}, {share}");
        world.check();
        world.log.finish_open();
        world.checkpoint();
        world.fill_segment();
        world.end_turn();
        assert_eq!(world.log.segments().len(), 2, "{failing:?}, {share}");
    }
}

// References of a segment that lost its file count until all of them are gone; then each part is
// retired.
#[test]
fn parted_segments_share_their_references() {
    let mut world = World::new();
    let first = world.append(100);
    world.commit();
    let second = world.append(200);
    for position in [first, second] {
        world.log.hold(position, 1);
    }
    let failed = world.fail();
    assert_eq!((failed.file, world.log.failures()), (FileId(1), 1));
    assert!(world.log.last_error().unwrap().contains("segment file 1"));
    let third = world.append(300);
    world.log.hold(third, 1);
    let facts: Vec<_> = world.log.segments().collect();
    assert_eq!(facts.len(), 2);
    assert_eq!((facts[0].end, facts[1].start), (second.offset(), second.offset()));
    assert_eq!([facts[0].references, facts[1].references], [3, 3]);
    world.commit();
    world.check();
    world.fill_segment();
    world.checkpoint();
    world.fill_segment();
    for position in [first, third] {
        world.log.release(position, 1);
        assert_eq!(world.end_turn(), []);
    }
    world.log.release(second, 1);
    assert_eq!(world.end_turn(), [FileId(1), facts[1].file.unwrap()]);
}

// Without references the parts are independent: the first is retired as soon as possible, the
// second has its own count.
#[test]
fn parts_without_references_are_independent() {
    let mut world = World::new();
    world.append(100);
    world.commit();
    let second = world.append(200);
    let failed = world.fail();
    world.log.hold(second, 1);
    let counts: Vec<_> = world.log.segments().map(|facts| facts.references).collect();
    assert_eq!(counts, [0, 1]);
    world.fill_segment();
    world.checkpoint();
    world.fill_segment();
    assert_eq!(world.end_turn(), [failed.file]);
    world.log.release(second, 1);
    assert_eq!(world.end_turn().len(), 1);
}

// A file whose first group fails has no segment: it is released at once, and not written again.
#[test]
fn a_file_that_fails_at_once_goes() {
    let mut world = World::new();
    world.append(10);
    let failed = world.fail();
    let again = world.log.next_write().unwrap();
    assert_eq!((again.offset, &again.bytes), (0, &failed.bytes));
    assert_ne!(again.file, failed.file);
    world.disk.write(&again);
    world.log.on_written(Ok(()));
    world.serve();
    assert_eq!(world.disk.recycled, [failed.file]);
    assert_eq!(world.log.segments().len(), 1);
    world.check();
}

// The failed group and all later groups keep their bytes and offsets; only the file changes.
#[test]
fn what_follows_is_written_to_the_other_file() {
    let mut world = World::new();
    world.append(10);
    world.write();
    world.append(20);
    world.append(CAPACITY - REST_BYTES);
    world.serve();
    let failed = world.fail();
    let again = world.log.next_write().unwrap();
    assert_eq!(again.bytes[64..], failed.bytes[..]);
    let start = (10 + REST_BYTES) as u64;
    let header = SegmentHeader {
        shard: SHARD,
        start,
        checkpoint: 0,
        salt: 0,
        continues: true,
        capacity: CAPACITY as u64,
    };
    assert_eq!(HeaderFound::read(&again.bytes), HeaderFound::Header(header));
    world.disk.write(&again);
    world.log.on_written(Ok(()));
    world.commit();
    world.check();
    let facts: Vec<_> = world.log.segments().map(|facts| (facts.start, facts.end)).collect();
    let third = start + (20 + REST_BYTES) as u64;
    assert_eq!(facts, [(0, start), (start, third), (third, third + CAPACITY as u64)]);
}

// On a disk on which every write fails, the log requests only a few files until its owner allows
// more.
#[test]
fn a_dead_disk_is_not_asked_in_a_circle() {
    let mut world = World::new();
    world.append(10);
    let asked = |world: &World| world.disk.supplied.len();
    let mut failures = 0;
    for _ in 0..3 {
        world.log.retry_supply();
        let before = asked(&world);
        world.serve();
        while world.log.next_write().is_some() {
            world.log.on_written(Err(io::Error::other("dead")));
            failures += 1;
            world.serve();
            assert!(failures < 100);
        }
        assert!(world.log.is_stalled());
        assert!(asked(&world) - before <= SPARE_FILES + WRITE_FAILURES_MAX as usize);
        world.append(10);
    }
    assert_eq!(world.log.failures(), failures);
    world.check();
    world.log.retry_supply();
    world.commit();
    world.check();
    let (world, report, replayed) = world.reopen();
    assert_eq!((replayed, report.faults), (world.known, Vec::new()));
}
