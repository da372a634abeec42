//! Checkpoints that are named in place, when there is no file for another segment.

use super::*;

/// Messages in some segments, with space in the newest, and a checkpoint that no header names.
fn world() -> (World, u64) {
    let mut world = World::new();
    (0..3).for_each(|_| world.fill_segment());
    let checkpoint = world.checkpoint();
    assert!(world.log.has_unnamed_checkpoint());
    (world, checkpoint)
}

// Once it is named, earlier segments are retired and recovery begins there; other bytes are not
// changed.
#[test]
fn segments_go_without_another_file() {
    let (mut world, checkpoint) = world();
    let files = world.files();
    assert_eq!(world.end_turn(), []);
    assert_eq!(world.log.reclaimable(), (files.len() as u64 - 1) * FILE_BYTES);
    world.log.name_checkpoint();
    assert!(world.log.is_naming());
    assert!(world.write());
    assert!(!world.log.is_naming() && !world.log.has_unnamed_checkpoint());
    let (newest, before) = files.split_last().unwrap();
    assert_eq!(world.end_turn(), before.iter().flatten().copied().collect::<Vec<_>>());
    assert_eq!(world.files(), [*newest]);
    world.append(10);
    world.commit();
    let last = world.known.pop().unwrap();
    let (world, report, replayed) = world.reopen();
    assert_eq!((replayed, report.faults), (vec![last], Vec::new()));
    assert_eq!(world.log.checkpoint(), checkpoint);
}

// A header that cannot be overwritten stays unchanged, and so does its file. The next header names
// the checkpoint, and nothing is lost.
#[test]
fn a_failure_loses_nothing() {
    for staged in [false, true] {
        let (mut world, _) = world();
        let count = world.log.segments().len();
        world.log.name_checkpoint();
        let write = world.log.next_write().expect("the header");
        assert_eq!((write.offset, write.bytes.len()), (0, 64));
        if staged {
            world.append(10);
        }
        assert!(world.log.next_write().is_none(), "one write at a time");
        drop(write);
        world.log.on_written(Err(io::Error::other("broken")));
        assert!(world.log.has_unnamed_checkpoint());
        assert_eq!(world.end_turn(), []);
        world.append(20);
        world.commit();
        assert!(!world.log.has_unnamed_checkpoint());
        assert_eq!(world.log.segments().len(), count + 1);
        assert_eq!(world.end_turn().len(), count - 1);
        world.log.name_checkpoint();
        assert!(world.log.next_write().is_none(), "it is named");
        let rest = world.known.split_off(world.known.len() - 1 - usize::from(staged));
        let (_, report, replayed) = world.reopen();
        assert_eq!((replayed, report.faults), (rest, Vec::new()));
    }
}

// While a file may have a newer header, of a segment that was not written, no header is
// overwritten.
#[test]
fn the_newest_header_is_written_over() {
    let (mut world, _) = world();
    let count = world.log.segments().len();
    while world.log.segments().len() == count {
        world.append(500);
        while world.log.segments().len() == count && world.write() {}
    }
    world.fail();
    world.log.name_checkpoint();
    let write = world.log.next_write().expect("the group again");
    assert!(write.bytes.len() > 64);
    world.disk.write(&write);
    drop(write);
    world.log.on_written(Ok(()));
    assert!(!world.log.has_unnamed_checkpoint());
    world.commit();
    world.check();
}
