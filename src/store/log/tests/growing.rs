//! Segment files grow with the written bytes: an empty log takes little space, and a large one has
//! few files.

use super::super::index;
use super::*;
use crate::limits::SPARE_FILES;

/// A log whose first files have a 64th of the full length.
const GROWING: LogOptions =
    LogOptions { segment_bytes: 64 * FIRST, first_segment_bytes: FIRST, ..OPTIONS };

const FIRST: u64 = 1024;

impl World {
    /// Lengths of the files that were supplied.
    fn lengths(&self) -> Vec<u64> {
        self.disk.supplied.iter().map(|(_, bytes)| *bytes).collect()
    }

    /// Appends messages until the log has this many bytes, each committed in its turn.
    fn fill_to(&mut self, end: u64) {
        while self.log.appended() < end {
            self.append(100);
            self.commit();
        }
    }
}

fn refusal() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

/// Files in the order of the requests, with the bytes written by then. An empty log has its spare
/// files, and each filled file is replaced by a longer one, up to the full length.
#[test]
fn lengths_grow_with_what_is_written() {
    let mut world = World::with(GROWING);
    assert_eq!(world.lengths(), [FIRST; SPARE_FILES]);
    world.append(100);
    world.serve();
    assert_eq!(world.lengths(), [FIRST; SPARE_FILES + 1], "one is in use");
    for (end, length) in [(1, 4), (4, 16), (20, 64), (1000, 64)] {
        world.fill_to(end * FIRST);
        let longest = world.lengths().into_iter().max();
        assert_eq!(longest, Some(length * FIRST), "{end}");
    }
    let lengths = world.lengths();
    assert!(lengths.is_sorted(), "{lengths:?}");
    let growing = lengths.iter().filter(|length| **length < 64 * FIRST).count();
    assert!(growing <= 12, "{lengths:?}");
    world.check();
    let (world, report, replayed) = world.reopen_with(GROWING);
    assert_eq!((replayed, report.faults), (world.known, Vec::new()));
}

/// A log that is opened again continues with files that fit its size: starts alone make none
/// longer.
#[test]
fn starts_do_not_grow() {
    for (kept, length) in [(0, 1), (1, 4), (10, 64), (100, 64)] {
        let mut world = World::with(GROWING);
        world.fill_to(kept * FIRST);
        for _ in 0..6 {
            world.append(10);
            world.commit();
            let before = world.disk.supplied.len();
            let (again, report, _) = world.reopen_with(GROWING);
            assert_eq!(report.faults, []);
            world = again;
            let lengths = &world.lengths()[before..];
            assert_eq!(lengths, [length * FIRST; SPARE_FILES], "{kept} kept");
        }
        world.check();
    }
}

/// Records longer than all ready files, the first or later ones, get a file that is long enough, of
/// one of the usual lengths if possible.
#[test]
fn long_records_have_a_file() {
    for first in [0, 1, 3, 30] {
        for (bytes, length) in [(2, 4), (10, 16), (60, 64), (63, 64), (65, 65), (300, 300)] {
            let mut world = World::with(GROWING);
            world.fill_to(first * FIRST);
            let bytes = bytes * FIRST - HEADER_BYTES;
            let is_ready = world.log.is_ready_for(bytes);
            world.serve();
            assert!(world.log.is_ready_for(bytes), "it came");
            if !is_ready && length > 64 {
                assert!(world.lengths().contains(&(length * FIRST)), "{:?}", world.lengths());
            }
            assert!(world.lengths().iter().all(|it| *it <= length.max(64) * FIRST));
            world.append(index(bytes) - REST_BYTES - 2);
            assert!(!world.log.is_stalled() || world.log.room() > 0, "{first} {bytes}");
            world.append(1);
            world.commit();
            world.check();
            let (world, report, replayed) = world.reopen_with(GROWING);
            assert_eq!((replayed, report.faults), (world.known, Vec::new()));
        }
    }
}

/// A record that fits only a file of the reserve waits for another one. Then the reserve is
/// complete.
#[test]
fn long_records_leave_the_reserve_whole() {
    let mut world = World::with(GROWING);
    world.fill_to(3 * FIRST / 2);
    // All but two files are used, and one of those would suffice.
    let lengths = |world: &World| world.lengths();
    assert_eq!(lengths(&world).last(), Some(&(4 * FIRST)));
    let room = world.log.room_for_messages();
    world.log.set_reserve(room + FIRST, 0);
    assert_eq!(world.log.room_for_messages(), 0);
    let bytes = 3 * FIRST;
    assert!(!world.log.is_ready_for(bytes));
    // It requests again after each file that arrives.
    let is_ready = (0..3).any(|_| {
        world.serve();
        world.log.is_ready_for(bytes)
    });
    assert!(is_ready);
    world.append(index(bytes) - REST_BYTES);
    assert!(world.log.room_for_messages() > 0 && !world.log.is_stalled());
    world.commit();
    world.check();
}

/// The length of the file that the log requests next, if any.
fn next_supply(log: &mut Log) -> Option<u64> {
    loop {
        match log.next_request()? {
            Request::Supply { bytes } => return Some(bytes),
            Request::Note(_) => {}
            other => panic!("{other:?} is no request for a file"),
        }
    }
}

/// If there is no space for a long file, a shorter one is requested, finally one of the first
/// length; a segment that waits for a file gets it. Later the full length is tried again.
#[test]
fn shorter_files_where_there_is_no_room() {
    let mut world = World::with(GROWING);
    world.fill_to(100 * FIRST);
    // All ready files are used, and a little more is staged.
    while !world.log.is_stalled() {
        world.append(100);
        world.write();
    }
    let mut asked = Vec::new();
    while let Some(bytes) = next_supply(&mut world.log) {
        assert!(!world.log.is_refused());
        asked.push(bytes / FIRST);
        world.log.on_refused(&refusal());
    }
    assert_eq!(asked, [64, 16, 4, 1]);
    assert!(world.log.is_refused());
    assert_eq!(world.log.room(), 0);
    world.log.retry_supply();
    for bytes in [64, 16, 4] {
        assert_eq!(next_supply(&mut world.log), Some(bytes * FIRST));
        world.log.on_refused(&refusal());
    }
    let before = world.lengths().len();
    world.commit();
    world.check();
    assert!(world.lengths()[before..].iter().all(|length| *length == FIRST));
    world.log.retry_supply();
    world.fill_to(world.log.appended() + 10 * FIRST);
    assert_eq!(world.lengths().last(), Some(&(64 * FIRST)));
}

/// Several refused requests of one length are not repeated at that length, and none is forgotten.
#[test]
fn refusals_on_their_way_lower_once() {
    let (mut log, _) = Log::open(GROWING, Vec::new(), None, &mut |_, _, _| {}).unwrap();
    let mut disk = Disk::default();
    // It is long, and no file is ready.
    log.append(&message(&payload(1, 100)));
    let big = payload(2, index(40 * FIRST));
    log.append(&message(&big));
    let mut asked = Vec::new();
    while let Some(bytes) = next_supply(&mut log) {
        asked.push(bytes);
    }
    assert!(asked.len() > SPARE_FILES, "{asked:?}");
    assert!(asked.contains(&(64 * FIRST)), "{asked:?}");
    for _ in &asked {
        log.on_refused(&refusal());
    }
    log.retry_supply();
    disk.serve(&mut log);
    assert!(!log.is_stalled());
    assert!(log.room_for_messages() > 0);
}

/// A long checkpoint gets files of its length, so that none of its records waits.
#[test]
fn files_are_as_long_as_checkpoints() {
    let mut world = World::with(GROWING);
    world.log.set_reserve(0, 5 * FIRST);
    world.serve();
    let longest = world.lengths().into_iter().max();
    assert_eq!(longest, Some(16 * FIRST), "{:?}", world.lengths());
    assert!(world.log.room_for_messages() > 0);
}

/// A file that fails is replaced by one that may have another length.
#[test]
fn failed_writes_go_to_files_of_other_lengths() {
    let mut world = World::with(GROWING);
    for round in 0..12 {
        world.fill_to(round * 2 * FIRST);
        for _ in 0..6 {
            world.append(100);
        }
        world.fail();
        world.commit();
        world.check();
    }
    let (world, report, replayed) = world.reopen_with(GROWING);
    assert_eq!((replayed, report.faults), (world.known, Vec::new()));
}
