//! Stored records that become unreadable while the log is in use.

use super::super::index;
use super::*;
use crate::store::HEADER_BYTES;

/// The file of the record at a position, and its place there.
fn place(world: &World, position: Position) -> (FileId, usize) {
    let offset = position.offset();
    let facts = world.log.segments().rfind(|facts| facts.start <= offset);
    let facts = facts.expect("a segment has it");
    (facts.file.expect("it is written"), index(HEADER_BYTES + offset - facts.start))
}

/// Makes a record with a payload of `length` bytes unreadable, or only flips a bit.
fn harm(world: &mut World, position: Position, length: usize, is_spoilt: bool) {
    let (file, at) = place(world, position);
    if is_spoilt {
        world.disk.spoil(file, at, REST_BYTES + length);
    } else {
        let bit = world.disk.bytes_mut(file)[at + REST_BYTES] ^ 1;
        world.disk.change(file, at + REST_BYTES, vec![bit]);
    }
}

// Only the damaged record is lost. Its file is renamed when the segment is not needed any more.
#[test]
fn old_segment() {
    for is_spoilt in [true, false] {
        let mut world = World::new();
        world.fill_segment();
        let known: Vec<Position> = world.known.iter().map(|(position, _)| *position).collect();
        known.iter().for_each(|position| assert!(world.log.hold(*position, 1)));
        let (bad, payload) = world.known.remove(1);
        let (file, _) = place(&world, bad);
        harm(&mut world, bad, payload.len(), is_spoilt);

        for _ in 0..2 {
            assert_eq!(world.log.message(bad), None);
            world.check();
        }
        let damaged: Vec<_> = world.log.segments().map(|facts| facts.damaged).collect();
        assert_eq!(damaged, [true, false]);

        known.iter().for_each(|position| world.log.release(*position, 1));
        world.checkpoint();
        world.fill_segment();
        assert!(!world.end_turn().contains(&file));
        assert_eq!(world.disk.set_aside, [file]);
    }
}

// A file with damage is not written any more, and all later records are kept.
#[test]
fn newest_segment() {
    for is_spoilt in [true, false] {
        let mut world = World::new();
        let bad = [10, 20, 30].map(|length| world.append(length))[2];
        world.commit();
        let (_, payload) = world.known.pop().expect("it has three");
        harm(&mut world, bad, payload.len(), is_spoilt);
        assert_eq!(world.log.message(bad), None);

        for length in [40, 50] {
            let position = world.append(length);
            assert!(world.log.hold(position, 1));
            world.commit();
            world.check();
        }
        assert_eq!((world.log.segments().len(), world.log.failures()), (2, 1));
        let (world, report, _) = world.reopen();
        world.check();
        assert_eq!(report.faults.len(), 1, "{report:?}");
    }
}
