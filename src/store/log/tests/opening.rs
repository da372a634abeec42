//! Opening: committed records are found, damaged ones are reported, and no others are lost.

use super::*;
use crate::store::log::index;
use crate::store::medium::{Found, Mapping};
use disk::Images;

// A new log, one that ended cleanly, and that one again are read completely. Later records are in a
// new segment.
#[test]
fn everything_comes_back() {
    let (mut world, report, replayed) = World::new().reopen();
    assert_eq!((report, replayed), (OpenReport::default(), Vec::new()));
    assert_eq!((world.log.appended(), world.log.segments().len()), (0, 0));
    for _ in 0..3 {
        let segments = world.log.segments().len();
        world.append(100);
        assert_eq!(world.log.segments().len(), segments + 1);
        world.fill_segment();
        world.fill_segment();
        let (end, records) = (world.log.appended(), world.known.len() as u64);
        let (again, report, replayed) = world.reopen();
        assert_eq!(replayed, again.known);
        let bytes = end;
        assert_eq!(
            report,
            OpenReport { replayed_records: records, replayed_bytes: bytes, ..report.clone() }
        );
        assert_eq!((report.faults, report.torn), (Vec::new(), None));
        assert_eq!((again.log.appended(), again.log.committed()), (end, end));
        again.check();
        world = again;
    }
}

/// A disk with three groups in one segment: the beginning of the last one in its file, the file,
/// and the records.
fn three_groups() -> (Images, FileId, usize, Vec<Known>) {
    let mut world = World::new();
    world.append(50);
    world.write();
    world.append(0);
    world.append(20);
    world.write();
    [1, 30, 0, 60].into_iter().for_each(|length| {
        world.append(length);
    });
    let write = world.log.next_write().unwrap();
    world.disk.write(&write);
    let begin = usize::try_from(write.offset).unwrap();
    (world.disk.images(), write.file, begin, world.known)
}

/// The end of a record of the first segment in its file.
fn end_in_file((position, payload): &Known) -> usize {
    64 + index(position.offset()) + REST_BYTES + payload.len()
}

fn world_of(images: Images) -> World {
    let (log, _) = Log::open(OPTIONS, Vec::new(), None, &mut |_, _, _| {}).unwrap();
    World { log, disk: Disk::of(images), known: Vec::new() }
}

// A last group whose first bytes only were written yields exactly its complete records, also with
// leftovers after the cut, which are reported. Later appends overwrite them.
#[test]
fn a_torn_tail_is_cut() {
    let (images, file, begin, known) = three_groups();
    let group_end = known.iter().map(|(_, payload)| payload.len() + REST_BYTES).sum::<usize>() + 64;
    for cut in begin..=group_end {
        for junk in [Some(0), Some(0xff), None] {
            let mut images = images.clone();
            let (_, image) = images.iter_mut().find(|(id, _)| *id == file).unwrap();
            match junk {
                Some(junk) => image[cut..].fill(junk),
                None => image.truncate(cut),
            }
            let behind = image[64..].to_vec();
            let whole: Vec<Known> =
                known.iter().filter(|known| end_in_file(known) <= cut).cloned().collect();
            let (mut world, report, replayed) = world_of(images).reopen();
            assert!(replayed == whole, "cut at {cut}");
            let (last, payload) = whole.last().unwrap();
            let end = last.offset() + (REST_BYTES + payload.len()) as u64;
            assert_eq!((world.log.appended(), world.log.committed()), (end, end));
            let kind = FaultKind::Short;
            let short = Fault { file, offset: 64 + end, kind, lost_bytes: 0, records: 0 };
            assert_eq!(report.faults, if junk.is_none() { vec![short] } else { vec![] });
            let bytes = behind[index(end)..].iter().rposition(|byte| *byte != 0);
            let records = u64::from(index(end) + 64 + 9 <= cut);
            let torn = bytes.map(|last| (file, 64 + end, last as u64 + 1, records));
            let told = report.torn.map(|torn| (torn.file, torn.offset, torn.bytes, torn.records));
            assert_eq!(told, torn, "cut at {cut}");

            world.known = whole;
            let position = world.append(5);
            assert_eq!(position.offset(), end);
            assert_eq!(world.log.segments().len(), 2);
            world.commit();
            world.check();
            let (again, report, replayed) = world.reopen();
            assert_eq!((replayed, report.torn), (again.known, None));
            assert_eq!(report.faults, []);
        }
    }
}

// Any wrong byte in the last group ends the log at its record.
#[test]
fn a_scribbled_tail_is_cut() {
    let (images, file, begin, known) = three_groups();
    let end = known.iter().map(|(_, payload)| payload.len() + REST_BYTES).sum::<usize>() + 64;
    for at in begin..end {
        let mut images = images.clone();
        images.iter_mut().find(|(id, _)| *id == file).unwrap().1[at] ^= 0x10;
        let before = known.partition_point(|known| end_in_file(known) <= at);
        let (world, report, replayed) = world_of(images).reopen();
        assert_eq!(replayed, known[..before]);
        assert_eq!(world.log.appended(), known[before].0.offset());
        let torn = report.torn.expect("something is there");
        assert_eq!((torn.file, torn.offset), (file, 64 + known[before].0.offset()));
        assert_eq!(torn.bytes, end as u64 - torn.offset);
        assert!(torn.to_string().contains(&format!("file {} at byte {}", file.0, torn.offset)));
    }
}

// A damaged record in an older segment loses only itself, even if its length is damaged. It is
// reported, and later records are read.
#[test]
fn damage_in_an_older_segment_is_named() {
    // The damaged byte: in its sum, its length, its kind, or its payload.
    for byte in [0, 4, 8, 100] {
        for record in [0, 3, 6] {
            damage_an_older_segment(record, byte);
        }
    }
}

fn damage_an_older_segment(record: usize, byte: usize) {
    let mut world = World::new();
    (0..4).for_each(|_| world.fill_segment());
    let middle = world.log.segments().nth(1).unwrap();
    let file = middle.file.unwrap();
    let at_middle = |known: &Known| (middle.start..middle.end).contains(&known.0.offset());
    let starts = world.known.iter().filter(|known| at_middle(known)).map(|known| known.0.offset());
    let starts: Vec<u64> = starts.chain([middle.end]).collect();
    let bad = starts[record];
    let end = starts[record + 1];
    let in_file = bad - middle.start + 64;
    world.disk.bytes_mut(file)[index(in_file) + byte] ^= 1;
    let expected: Vec<Known> = world
        .known
        .iter()
        .filter(|known| !(bad..end).contains(&known.0.offset()))
        .cloned()
        .collect();
    let (mut world, report, replayed) = world.reopen();
    assert_eq!(replayed, expected, "record {record}, byte {byte}");
    let lost_bytes = end - bad;
    let fault = Fault { file, offset: in_file, kind: FaultKind::Record, lost_bytes, records: 1 };
    assert_eq!((&report.faults, report.torn), (&vec![fault], None));
    assert!(fault.to_string().contains("a record is damaged"));
    assert!(report.to_string().contains(&format!("1 faults with {lost_bytes} bytes lost")));
    let damaged: Vec<bool> = world.log.segments().map(|facts| facts.damaged).collect();
    assert_eq!(damaged, [false, true, false, false, false]);
    assert_eq!(world.log.message(Position::durable(bad)), None);
    world.known = expected;
    world.check();

    world.log.set_aside(middle.start);
    world.serve();
    assert_eq!(world.disk.set_aside, [file]);
    assert_eq!(world.log.segments().len(), 4);
    let gone = Position::durable(middle.start);
    assert_eq!(world.log.record_bytes(gone), None);
    assert!(!world.log.hold(gone, 1));
    world.log.release(gone, 1);
    world.known.retain(|known| !at_middle(known));
    world.check();
}

// In the newest segment a damaged record ends the log, unless a record of a later group follows.
// Then only the damaged record is lost, and the last write may still be torn.
#[test]
fn damage_long_before_the_end_is_passed_over() {
    let options = LogOptions { segment_bytes: 4 << 20, first_segment_bytes: 4 << 20, ..OPTIONS };
    for (count, is_long) in [(1040, true), (900, false)] {
        let mut world = World::with(options);
        for _ in 0..20 {
            world.append(1000);
        }
        let bad = world.append(1000).offset();
        for _ in 0..count {
            world.append(1024 - REST_BYTES);
        }
        let last = world.append(5).offset();
        world.commit();
        let file = world.files()[0].unwrap();
        for at in [bad, last] {
            world.disk.bytes_mut(file)[index(at) + 64] ^= 1;
        }
        world.disk.noted = None;
        let end = if is_long { last } else { bad };
        world.known.retain(|(at, _)| at.offset() < end && at.offset() != bad);
        let (world, report, replayed) = world.reopen_with(options);
        assert!(replayed == world.known, "{} records of {}", replayed.len(), world.known.len());
        let lost_bytes = (REST_BYTES + 1000) as u64;
        let fault =
            Fault { file, offset: 64 + bad, kind: FaultKind::Record, lost_bytes, records: 1 };
        assert_eq!(report.faults, if is_long { vec![fault] } else { Vec::new() });
        assert_eq!(report.torn.map(|torn| torn.offset), Some(64 + end));
        assert_eq!(world.log.appended(), end);
        assert_eq!(world.log.segments().next().map(|facts| facts.damaged), Some(is_long));
        world.check();
    }
}

// The same holds for messages of any length before similar ones, for damage in the payload or at
// the beginning of the record. A torn one is reported completely.
#[test]
fn damage_among_long_messages_is_passed_over() {
    const LONG: usize = 70_000;
    let options = LogOptions { segment_bytes: 4 << 20, first_segment_bytes: 4 << 20, ..OPTIONS };
    for (from, to) in [(LONG / 2, LONG / 2 + 1), (0, 40), (0, LONG)] {
        let mut world = World::with(options);
        let places: Vec<u64> = [LONG; 4]
            .map(|length| {
                let offset = world.append(length).offset();
                world.commit();
                offset
            })
            .to_vec();
        let torn = world.append((1 << 20) + LONG).offset();
        world.commit();
        let file = world.files()[0].unwrap();
        let image = world.disk.bytes_mut(file);
        let bad = index(places[1]) + 64;
        image[bad + from..bad + to].fill(0xfe);
        image[index(torn) + 64 + (1 << 20) + LONG / 2] ^= 1;
        world.disk.noted = None;
        world.known.retain(|(at, _)| at.offset() != places[1] && at.offset() != torn);
        let walked: Vec<Found> = Disk::of(world.disk.images()).found();
        let mut damage = Vec::new();
        let lengths = std::collections::BTreeMap::from([(0, torn)]);
        for walk in crate::store::segment_walks(&walked, &lengths) {
            walk.walk(&mut |walked| {
                if let crate::store::Walked::Damage { bytes, .. } = walked {
                    damage.push(bytes);
                }
            });
        }
        let lost_bytes = (REST_BYTES + LONG) as u64;
        assert_eq!(damage, [lost_bytes]);
        let (world, report, replayed) = world.reopen_with(options);
        assert!(replayed == world.known, "{} records of {}", replayed.len(), world.known.len());
        let (offset, kind) = (64 + places[1], FaultKind::Record);
        assert_eq!(report.faults, [Fault { file, offset, kind, lost_bytes, records: 1 }]);
        let torn_bytes = report.torn.map(|torn| (torn.offset, torn.bytes));
        let whole = (REST_BYTES + (1 << 20) + LONG) as u64;
        assert_eq!(torn_bytes, Some((64 + torn, whole)));
    }
}

// A missing segment, one with a damaged header and a truncated one lose only themselves.
#[test]
fn missing_segments_are_named() {
    for (what, kind) in [("missing", FaultKind::Missing), ("header", FaultKind::Missing)] {
        let mut world = World::new();
        (0..4).for_each(|_| world.fill_segment());
        let facts: Vec<_> = world.log.segments().collect();
        let (before, middle) = (facts[0], facts[1]);
        let file = middle.file.unwrap();
        match what {
            "missing" => drop(world.disk.remove(file)),
            // Two bytes: a single wrong one could be found by the sum.
            _ => [20, 40].into_iter().for_each(|at| world.disk.bytes_mut(file)[at] ^= 1),
        }
        world.known.retain(|known| !(middle.start..middle.end).contains(&known.0.offset()));
        let (world, report, replayed) = world.reopen();
        assert_eq!(replayed, world.known);
        let fault = Fault {
            file: before.file.unwrap(),
            offset: 64 + before.end,
            kind,
            lost_bytes: middle.end - middle.start,
            records: 1,
        };
        assert_eq!(report.faults.last(), Some(&fault), "{what}");
        let is_header = what == "header";
        assert_eq!(report.faults.len(), 1 + usize::from(is_header));
        assert_eq!(world.disk.set_aside, if is_header { vec![file] } else { Vec::new() });
        world.check();
    }
    let mut world = World::new();
    (0..3).for_each(|_| world.fill_segment());
    let facts: Vec<_> = world.log.segments().collect();
    let file = facts[1].file.unwrap();
    world.disk.bytes_mut(file).truncate(64 + 1000);
    let first = facts[1].start + (500 + REST_BYTES) as u64;
    world.known.retain(|known| !(first..facts[1].end).contains(&known.0.offset()));
    let (world, report, replayed) = world.reopen();
    assert_eq!(replayed, world.known);
    let lost_bytes = facts[1].end - first;
    let offset = 64 + first - facts[1].start;
    let kind = FaultKind::Short;
    assert_eq!(report.faults, [Fault { file, offset, kind, lost_bytes, records: 1 }]);
    world.check();
}

// Of two files with the same segment, the longer one counts, or else the later one. The other is
// set aside, or reused if it has no record. A free file is returned.
#[test]
fn the_further_of_two_files_counts() {
    for (damaged, from, stays) in [(0, 1000, 1), (1, 1000, 0), (0, 100, 1), (1, 100, 0)] {
        let mut world = World::new();
        world.fill_segment();
        world.append(10);
        world.commit();
        let facts: Vec<_> = world.log.segments().collect();
        let files: Vec<FileId> = facts.iter().filter_map(|facts| facts.file).collect();
        let copy = world.disk.bytes_mut(files[0]).clone();
        let two = [files[0], world.disk.put(copy)];
        world.disk.bytes_mut(two[damaged])[from..].fill(7);
        let mut found = world.disk.found();
        let free = world.disk.put(vec![0; 4096]);
        found.push(Found { id: free, mapping: Box::new(FreeMapping([0; 4096])) });

        let (mut log, report) = Log::open(OPTIONS, found, None, &mut |_, _, _| {}).unwrap();
        world.disk.serve(&mut log);
        let kind = FaultKind::Superseded;
        let fault = Fault { file: two[damaged], offset: 0, kind, lost_bytes: 0, records: 0 };
        let is_empty = from == 100;
        let (faults, aside, recycled) = match is_empty {
            true => (vec![], vec![], vec![free, two[damaged]]),
            false => (vec![fault], vec![two[damaged]], vec![free]),
        };
        assert_eq!(report.faults, faults);
        assert_eq!((&world.disk.set_aside, &world.disk.recycled), (&aside, &recycled));
        let used: Vec<_> = log.segments().map(|facts| facts.file).collect();
        assert_eq!(used, [Some(two[stays]), Some(files[1])]);
        world.known.iter().for_each(|(position, payload)| check_message(&log, *position, payload));
    }
}

struct FreeMapping([u8; 4096]);

impl Mapping for FreeMapping {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

// A file of a later version or of another shard makes the opening fail, without a request.
#[test]
fn strange_files_refuse_the_log() {
    let mut later = SegmentHeader {
        shard: SHARD,
        start: 0,
        checkpoint: 0,
        salt: 0,
        continues: false,
        capacity: CAPACITY as u64,
    }
    .encode();
    later[12] = 9;
    let crc = crc32c::crc32c(&later[12..]);
    later[8..12].copy_from_slice(&crc.to_le_bytes());
    let other = SegmentHeader {
        shard: SHARD + 1,
        start: 0,
        checkpoint: 0,
        salt: 0,
        continues: false,
        capacity: CAPACITY as u64,
    }
    .encode();
    let file = FileId(1);
    for (header, expected, says) in [
        (later, OpenError::Newer { file, version: 9 }, "file 1 has format version 9"),
        (
            other,
            OpenError::OtherShard { file, found: SHARD + 1, expected: SHARD },
            "file 1 belongs to shard 4",
        ),
    ] {
        let mut disk = Disk::default();
        let mut bytes = vec![0; 4096];
        bytes[..64].copy_from_slice(&header);
        disk.put(bytes);
        disk.put(vec![1; 4096]);
        let error =
            Log::open(OPTIONS, disk.found(), None, &mut |_, _, _| panic!("no record")).err();
        assert_eq!(error, Some(expected));
        assert!(error.unwrap().to_string().contains(says), "{error:?}");
    }
}

// Recovery reads from the checkpoint in the newest header on, even if its first record, or a later
// one, is damaged. Without any checkpoint it reads everything.
#[test]
fn reading_begins_at_the_checkpoint() {
    let mut world = World::new();
    (0..2).for_each(|_| world.fill_segment());
    world.append(300);
    let begun = world.checkpoint();
    world.append(200);
    (0..2).for_each(|_| world.fill_segment());
    let after = |known: &[Known], from: u64| -> Vec<Known> {
        known.iter().filter(|known| known.0.offset() > from).cloned().collect()
    };
    let (mut world, report, replayed) = world.reopen();
    assert_eq!(replayed, after(&world.known, begun));
    assert_eq!((world.log.checkpoint(), report.faults), (begun, Vec::new()));
    assert_eq!(report.replayed_bytes, world.log.appended() - begun);
    assert_eq!(report.replayed_records, replayed.len() as u64 + 1);
    world.check();

    let facts: Vec<_> = world.log.segments().collect();
    let (file, offset) = (facts[2].file.unwrap(), 64 + begun - facts[2].start);
    assert!((facts[2].start..facts[2].end).contains(&begun));
    for byte in [0, 4, 8] {
        world.disk.bytes_mut(file)[index(offset) + byte] ^= 1;
        let (mut again, report, replayed) = world.reopen();
        assert_eq!(replayed, after(&again.known, begun), "byte {byte}");
        let fault = Fault { file, offset, kind: FaultKind::Record, lost_bytes: 9, records: 1 };
        assert_eq!((report.faults, report.torn), (vec![fault], None));
        again.disk.bytes_mut(file)[index(offset) + byte] ^= 1;
        world = again;
    }

    // With the record after it, and with all of them.
    for at in [0, 9] {
        world.disk.bytes_mut(file)[index(offset) + at] ^= 1;
    }
    let (mut world, report, replayed) = world.reopen();
    assert_eq!(replayed, after(&world.known, begun + 9));
    let lost_bytes = 9 + (REST_BYTES + 200) as u64;
    let fault = Fault { file, offset, kind: FaultKind::Record, lost_bytes, records: 1 };
    assert_eq!(report.faults, [fault]);

    let end = index(64 + facts[2].end - facts[2].start);
    world.disk.bytes_mut(file)[index(offset)..end].fill(0);
    world.known.retain(|known| !(begun..facts[2].end).contains(&known.0.offset()));
    let (world, report, replayed) = world.reopen();
    assert_eq!(replayed, world.known);
    let lost_bytes = facts[2].end - begun;
    let faults = [
        Fault { file, offset, kind: FaultKind::NoCheckpoint, lost_bytes: 0, records: 0 },
        Fault { file, offset, kind: FaultKind::Record, lost_bytes, records: 1 },
    ];
    assert_eq!(report.faults, faults);
    assert_eq!(world.log.checkpoint(), begun, "until there is another");
}

// A record of an unknown kind is skipped.
#[test]
fn unknown_records_are_passed_over() {
    let mut world = World::new();
    world.append(10);
    let strange = world.append(20);
    world.append(30);
    world.commit();
    let file = world.files()[0].unwrap();
    let at = 64 + usize::try_from(strange.offset()).unwrap();
    let bytes = world.disk.bytes_mut(file);
    bytes[at + 8] = 200;
    let end = at + REST_BYTES + 20;
    let crc = crc32c::crc32c(&strange.offset().to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &bytes[at + 4..end]);
    bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
    world.known.remove(1);
    let (world, report, replayed) = world.reopen();
    assert_eq!(replayed, world.known);
    assert_eq!((report.unknown_records, report.replayed_records), (1, 2));
    assert_eq!(report.replayed_bytes, world.log.appended());
    assert!(report.to_string().contains("1 of unknown kinds"));
    assert!(world.log.record_at(strange.offset()).is_err());
    assert_eq!(world.log.record_bytes(strange), Some(REST_BYTES + 20));
}

// The replay may read earlier records.
#[test]
fn replay_looks_up_records() {
    let mut world = World::new();
    world.fill_segment();
    let mut seen: Vec<Known> = Vec::new();
    let found = world.disk.found();
    Log::open(OPTIONS, found, None, &mut |position, reading, segments| {
        if let Reading::Whole(Record::Message(message)) = reading {
            seen.push((position, message.payload.to_vec()));
        }
        for (position, payload) in &seen {
            assert_eq!(segments.message(position.offset()).unwrap().payload, payload);
        }
    })
    .unwrap();
    assert_eq!(seen, world.known);
}

// A segment with only a header is replaced by the next one with the same start. Its header is kept
// until then, because it names the checkpoint.
#[test]
fn an_empty_segment_gives_way() {
    let mut world = World::new();
    world.fill_segment();
    let begun = world.checkpoint();
    world.fill_segment();
    let last = world.log.segments().last().unwrap();
    world.disk.bytes_mut(last.file.unwrap())[64..].fill(0);
    world.disk.noted = None;
    world.known.retain(|known| known.0.offset() < last.start);
    for _ in 0..2 {
        let (again, report, _) = world.reopen();
        assert_eq!((&report.faults, report.torn), (&Vec::new(), None));
        assert_eq!((again.log.checkpoint(), again.log.appended()), (begun, last.start));
        assert_eq!(again.log.segments().len(), 2);
        assert_eq!(again.disk.recycled, []);
        world = again;
    }
    world.append(10);
    assert_eq!(world.log.segments().last().unwrap().start, last.start);
    world.serve();
    assert_eq!(world.disk.recycled, []);
    world.commit();
    assert_eq!(world.disk.recycled, [last.file.unwrap()]);
    let (world, report, _) = world.reopen();
    assert_eq!((report.faults, world.log.checkpoint()), (Vec::new(), begun));
    world.check();
}
