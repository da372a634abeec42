//! Appending, committing and reading back.

use super::*;
use crate::limits::{GROUP_BYTES_MAX, SPARE_FILES};
use crate::store::record::BlockRecord;

// Records of every size around a segment's end can be read while they are staged, in flight and
// written.
#[test]
fn sizes_around_the_end_come_back() {
    for first in [0, 1, 100, CAPACITY / 2] {
        let left = CAPACITY - (first + REST_BYTES);
        for second in left - REST_BYTES - 3..=left - REST_BYTES + 3 {
            let mut world = World::new();
            let fits = second + REST_BYTES <= left;
            world.append(first);
            world.append(second);
            world.append(7);
            world.append(0);
            world.check();
            assert_eq!(world.log.segment_of(world.known[0].0), Some(0));
            let start = if fits { 0 } else { (first + REST_BYTES) as u64 };
            assert_eq!(world.log.segment_of(world.known[1].0), Some(start));
            while let Some(write) = world.log.next_write() {
                world.serve();
                world.check();
                world.disk.write(&write);
                drop(write);
                world.log.on_written(Ok(()));
                world.check();
            }
            assert_eq!(world.log.committed(), world.log.appended());
            let (world, report, replayed) = world.reopen();
            assert_eq!(replayed, world.known);
            assert_eq!(report.faults, []);
        }
    }
}

// An offset without a record reads as none: after the end, and in a retired segment.
#[test]
fn nothing_stands_elsewhere() {
    let mut world = World::new();
    assert_eq!(world.log.record_bytes(Position::durable(0)), None);
    assert!(!world.log.hold(Position::durable(0), 1));
    assert_eq!(world.log.segment_of(Position::durable(0)), None);
    world.append(10);
    for _ in 0..2 {
        for offset in [world.log.appended(), world.log.appended() + 1, 1 << 54] {
            let position = Position::durable(offset);
            assert_eq!(world.log.message(position), None);
            assert_eq!(world.log.record_bytes(position), None);
            assert!(world.log.record_at(offset).is_err());
            assert!(!world.log.hold(position, 1));
        }
        world.commit();
    }
    assert_eq!(world.log.message(Position::durable(1)), None, "the sum is wrong");
    assert_eq!(world.log.block(Position::durable(0)), None, "it is a message");
    assert_eq!(world.log.end_of_segment(1), None);
    assert_eq!(world.log.end_of_segment(0), Some(world.log.appended()));
}

// A segment is read record by record up to its end; a block is read at its place.
#[test]
fn segments_are_walked() {
    let mut world = World::new();
    world.fill_segment();
    let block = BlockRecord { session: 1, first: 2, count: 3, base: 4, entries: &[5] };
    let position = world.log.append(&Record::Block(block));
    for _ in 0..2 {
        let (mut offset, mut walked) = (0, Vec::new());
        let end = world.log.end_of_segment(0).unwrap();
        while offset < end {
            let (record, next) = world.log.record_at(offset).unwrap();
            let Record::Message(message) = record else { panic!("only messages are there") };
            walked.push((Position::durable(offset), message.payload.to_vec()));
            offset = next;
        }
        assert_eq!(offset, end);
        assert_eq!(walked, world.known[..world.known.len() - 1]);
        assert_eq!(world.log.block(position), Some(block));
        assert_eq!(world.log.message(position), None);
        world.commit();
    }
}

// Groups are written one at a time, in order, at the places of their records. A segment's first
// group includes the header.
#[test]
fn groups_follow_each_other() {
    let mut world = World::new();
    assert!(world.log.next_write().is_none(), "nothing is staged");
    world.append(1000);
    let first = world.log.next_write().unwrap();
    assert_eq!((first.offset, first.bytes.len()), (0, 64 + 1000 + REST_BYTES));
    assert!(first.sync);
    world.append(1000);
    world.append(1000);
    world.append(1500);
    assert!(world.log.next_write().is_none(), "one is in flight");
    assert_eq!(world.log.committed(), 0);
    world.disk.write(&first);
    world.log.on_written(Ok(()));
    assert_eq!(world.log.committed(), 1027);

    let second = world.log.next_write().unwrap();
    assert_eq!((second.file, second.offset), (first.file, 64 + 1027));
    assert_eq!(second.bytes.len(), 2 * 1027);
    assert!(world.log.next_write().is_none());
    world.log.on_written(Ok(()));
    assert_eq!((world.log.committed(), world.log.staged_bytes()), (3 * 1027, 1527));

    let third = world.log.next_write().unwrap();
    assert_eq!((third.offset, third.bytes.len()), (0, 64 + 1527));
    assert_ne!(third.file, first.file);
    world.log.on_written(Ok(()));
    let starts: Vec<_> = world.log.segments().map(|facts| (facts.start, facts.end)).collect();
    assert_eq!(starts, [(0, 3081), (3081, 4608)]);
}

// The header has the values at the time when its group is handed out, not when it was staged.
#[test]
fn header_has_the_latest_checkpoint() {
    let mut world = World::new();
    world.fill_segment();
    let begun = world.log.append(&Record::CheckpointBegun).offset();
    while world.log.segments().len() == 2 {
        world.append(1000);
    }
    assert!(world.write(), "what stands before the third segment");
    world.log.set_checkpoint(begun);
    let start = world.log.segments().last().unwrap().start;
    let write = world.log.next_write().unwrap();
    let header = SegmentHeader {
        shard: SHARD,
        start,
        checkpoint: begun,
        salt: 0,
        continues: false,
        capacity: CAPACITY as u64,
    };
    assert_eq!(HeaderFound::read(&write.bytes), HeaderFound::Header(header));
    assert_eq!(world.log.checkpoint(), begun);
}

// A group that enters another part of its file also writes zeros to the end of that part, or of the
// file. No other group does, nor one as long as a part. The zeros are not in the log, even if the
// group fails and is written to another file.
#[test]
fn small_groups_bring_zeros() {
    let mut world = World::with(LogOptions { zeros_bytes: 1000, ..OPTIONS });
    let mut group = |record_bytes: usize, place: usize, zeros: usize, fails: bool| {
        let first = usize::from(place == 0) * 64;
        world.append(record_bytes - REST_BYTES);
        let write = world.log.next_write().unwrap();
        let bytes = &write.bytes;
        assert_eq!((write.offset, bytes.len()), (place as u64, first + record_bytes + zeros));
        assert!(bytes[first + record_bytes..].iter().all(|byte| *byte == 0));
        if fails {
            world.log.on_written(Err(io::Error::other("broken")));
            world.serve();
            return;
        }
        world.disk.write(&write);
        drop(write);
        world.log.on_written(Ok(()));
        world.serve();
        assert_eq!(world.log.committed(), world.log.appended());
        world.check();
    };
    group(100, 0, 836, false);
    group(100, 164, 0, false);
    group(736, 264, 0, false);
    group(100, 1000, 900, false);
    group(999, 1100, 901, false);
    group(1000, 2099, 0, false);
    group(100, 3099, 0, false);
    group(800, 3199, 0, false);
    group(51, 3999, 46, false);
    group(100, 0, 836, false);
    group(900, 164, 936, true);
    world.commit();
    let (world, report, replayed) = world.reopen();
    assert_eq!((replayed, report.torn), (world.known, None));
}

// A group has at most a megabyte; a larger record is its own group.
#[test]
fn groups_are_bounded() {
    let options =
        LogOptions { segment_bytes: 8 << 20, first_segment_bytes: 8 << 20, sync: false, ..OPTIONS };
    let (mut log, _) = Log::open(options, Vec::new(), None, &mut |_, _, _| {}).unwrap();
    let mut disk = Disk::default();
    disk.serve(&mut log);
    let payloads =
        [1000, GROUP_BYTES_MAX, 10, GROUP_BYTES_MAX / 2, GROUP_BYTES_MAX / 2, 2000, 3000];
    let known: Vec<Known> = payloads
        .iter()
        .enumerate()
        .map(|(number, length)| {
            let payload = payload(number, *length);
            (log.append(&message(&payload)), payload)
        })
        .collect();
    let mut groups = Vec::new();
    while let Some(write) = log.next_write() {
        assert!(!write.sync);
        groups.push(write.bytes.len());
        disk.write(&write);
        known.iter().for_each(|(position, payload)| check_message(&log, *position, payload));
        log.on_written(Ok(()));
    }
    let half = GROUP_BYTES_MAX / 2 + REST_BYTES;
    let expected = [
        64 + 1000 + REST_BYTES,
        GROUP_BYTES_MAX + REST_BYTES,
        half + 10 + REST_BYTES,
        half + 5000 + 2 * REST_BYTES,
    ];
    assert_eq!(groups, expected);
    known.iter().for_each(|(position, payload)| check_message(&log, *position, payload));
}

// A record larger than a segment gets its own file; later records are in files of the usual length.
#[test]
fn large_records_have_their_own_file() {
    for length in [CAPACITY - REST_BYTES, CAPACITY - REST_BYTES + 1, 3 * CAPACITY] {
        let mut world = World::new();
        world.append(10);
        world.append(length);
        world.append(20);
        let is_large = length + REST_BYTES > CAPACITY;
        let mut written = 0;
        while world.write() {
            written += 1;
        }
        assert_eq!(written, if is_large { 1 } else { 3 }, "a large file is not there yet");
        assert_eq!(world.log.is_stalled(), is_large);
        world.check();
        world.commit();
        world.check();
        let larger = (64 + length + REST_BYTES) as u64;
        let asked = world.disk.supplied.iter().filter(|(_, bytes)| *bytes > FILE_BYTES);
        let asked: Vec<u64> = asked.map(|(_, bytes)| *bytes).collect();
        assert_eq!(asked, if is_large { vec![larger] } else { Vec::new() });
        let standard = world.disk.supplied.iter().filter(|(_, bytes)| *bytes == FILE_BYTES);
        assert_eq!(standard.count(), SPARE_FILES + 3 - asked.len());
        let (world, report, replayed) = world.reopen();
        assert_eq!((replayed, report.faults), (world.known, Vec::new()));
    }
}

// Three files are ready or requested beyond those in use. After a refusal none is requested until
// the owner allows it.
#[test]
fn files_are_asked_for_ahead() {
    let (mut log, _) = Log::open(OPTIONS, Vec::new(), None, &mut |_, _, _| {}).unwrap();
    let nothing = Extent { start: 0, file: FileId(0), end: 0, is_ended: false };
    assert_eq!(log.next_request(), Some(Request::Note(nothing)), "before there is any file");
    let supply = Some(Request::Supply { bytes: FILE_BYTES });
    for _ in 0..SPARE_FILES {
        assert_eq!(log.next_request(), supply);
    }
    assert_eq!(log.next_request(), None, "they are asked for");
    log.append(&message(b"a"));
    assert_eq!([log.next_request(), log.next_request()], [supply, None], "one is in use");
    assert!(log.is_stalled());
    assert!(log.next_write().is_none());

    let refusal = io::Error::from(io::ErrorKind::StorageFull);
    for _ in 0..=SPARE_FILES {
        log.on_refused(&refusal);
        assert_eq!(log.next_request(), None);
    }
    assert!(log.last_error().unwrap().contains("no file"));
    log.retry_supply();
    assert_eq!(log.next_request(), supply);
    log.on_refused(&refusal);
    assert_eq!(log.next_request(), None, "once for each time");
    log.retry_supply();

    let mut disk = Disk::default();
    disk.fulfil(log.next_request().unwrap(), &mut log);
    assert!(!log.is_stalled());
    assert_eq!(log.next_write().unwrap().file, FileId(1));
    for _ in 0..SPARE_FILES {
        assert_eq!(log.next_request(), supply);
    }
    assert_eq!(log.next_request(), None);
    assert!(!log.is_stalled(), "it is in flight");
}

// The free room counts spare files and the rest of the newest segment; it is 0 while a segment
// waits for a file. Messages may use the room beyond the reserve of two unused files: the rest of
// the newest segment as long as those exist.
#[test]
fn room_is_what_files_are_there_for() {
    let mut world = World::new();
    let capacity = CAPACITY as u64;
    let rest = capacity - (100 + REST_BYTES) as u64;
    let rooms = |log: &Log| (log.room(), log.room_for_messages());
    assert_eq!(rooms(&world.log), (3 * capacity, capacity));
    world.append(100);
    assert_eq!(rooms(&world.log), (2 * capacity + rest, rest));
    world.serve();
    assert_eq!(rooms(&world.log), (3 * capacity + rest, capacity + rest));
    for (on_the_way, checkpoints, more) in [
        (0, capacity / 2, 0),
        (0, capacity / 2 + 1, 1),
        (0, capacity * 3 / 2, 1),
        (1, 0, 1),
        (capacity, 0, 1),
        (capacity + 1, capacity, 3),
        (0, 0, 0),
    ] {
        let mut world = World::new();
        world.log.set_reserve(on_the_way, checkpoints);
        assert_eq!(rooms(&world.log), (3 * capacity, if more == 0 { capacity } else { 0 }));
        world.serve();
        assert_eq!(rooms(&world.log), ((3 + more) * capacity, capacity));
    }
    for spares in [2, 1, 0] {
        world.append(CAPACITY - REST_BYTES);
        assert_eq!(rooms(&world.log), (spares * capacity, 0));
    }
    world.append(CAPACITY - REST_BYTES);
    assert_eq!(rooms(&world.log), (0, 0), "the last has no file");
    world.commit();
    assert_eq!(rooms(&world.log), (3 * capacity, capacity));
}

// A record larger than a segment can be appended when its file has arrived; the file is requested
// once.
#[test]
fn large_files_are_asked_for_in_time() {
    let mut world = World::new();
    assert!(world.log.is_ready_for(CAPACITY as u64));
    let length = 3 * CAPACITY;
    for _ in 0..2 {
        assert!(!world.log.is_ready_for((length + REST_BYTES) as u64));
    }
    let bytes = (64 + length + REST_BYTES) as u64;
    assert_eq!(world.log.next_request(), Some(Request::Supply { bytes }));
    assert_eq!(world.log.next_request(), None);
    world.disk.fulfil(Request::Supply { bytes }, &mut world.log);
    assert!(world.log.is_ready_for((length + REST_BYTES) as u64));
    assert_eq!(world.log.next_request(), None);
    world.append(length);
    assert!(!world.log.is_stalled());
    world.commit();
    world.check();
}
