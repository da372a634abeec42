//! A segment is retired when nothing needs it any more, and not before.

use super::*;

/// A log of several full segments, with each record held once, and the start of each segment.
fn held_world() -> (World, Vec<u64>) {
    let mut world = World::new();
    (0..4).for_each(|_| world.fill_segment());
    for (position, _) in &world.known {
        assert!(world.log.hold(*position, 1));
    }
    let starts = world.log.segments().map(|facts| facts.start).collect();
    (world, starts)
}

/// Releases the records of the segment that starts at `start`.
fn release_segment(world: &mut World, start: u64) {
    for (position, _) in &world.known {
        if world.log.segment_of(*position) == Some(start) {
            world.log.release(*position, 1);
        }
    }
}

fn starts(world: &World) -> Vec<u64> {
    world.log.segments().map(|facts| facts.start).collect()
}

/// Sets a checkpoint, and makes a header name it.
fn pass_checkpoint(world: &mut World) {
    world.checkpoint();
    world.fill_segment();
}

// A segment with a held record stays, whatever happens to the others.
#[test]
fn held_segments_stay() {
    let (mut world, starts_before) = held_world();
    pass_checkpoint(&mut world);
    assert_eq!(world.end_turn(), []);
    let second = starts_before[1];
    let files = world.files();
    release_segment(&mut world, second);
    assert_eq!(world.end_turn(), [files[1].unwrap()]);
    let left: Vec<u64> = starts_before.iter().copied().filter(|start| *start != second).collect();
    assert_eq!(starts(&world)[..4], left);
    world.known.retain(|known| world.log.segment_of(known.0).is_some());
    world.check();

    let last = world.known.iter().rposition(|known| world.log.segment_of(known.0) == Some(0));
    let last = world.known[last.unwrap()].0;
    world.log.hold(last, 2);
    release_segment(&mut world, 0);
    world.log.release(last, 1);
    assert_eq!(world.end_turn(), []);
    world.log.release(last, 1);
    assert_eq!(world.end_turn(), [files[0].unwrap()]);
}

// Recovery must not need it: it stays until a header with a later checkpoint is committed.
#[test]
fn segments_stay_until_a_header_has_the_checkpoint() {
    let (mut world, starts) = held_world();
    let files: Vec<FileId> = world.files().into_iter().flatten().collect();
    starts[..4].iter().for_each(|start| release_segment(&mut world, *start));
    assert_eq!(world.end_turn(), [], "there is no checkpoint");
    world.checkpoint();
    assert_eq!(world.end_turn(), [], "no header has it");
    while world.log.segments().len() == starts.len() {
        world.append(500);
    }
    assert_eq!(world.end_turn(), [], "the header is staged");
    while world.log.committed() < world.log.segments().last().unwrap().start {
        assert!(world.write());
    }
    let header = world.log.next_write().unwrap();
    assert_eq!(world.end_turn(), [], "the header is in flight");
    world.disk.write(&header);
    world.log.on_written(Ok(()));
    assert_eq!(world.end_turn(), files[..4], "all but the one with the checkpoint");
    let (world, report, _) = world.reopen();
    assert_eq!(report.faults, []);
    assert_eq!(world.log.segments().len(), 2);
}

// The record that removed the last reference may be staged: it must be committed first. A new
// reference starts this again.
#[test]
fn segments_stay_until_the_release_is_committed() {
    let (mut world, _) = held_world();
    pass_checkpoint(&mut world);
    let file = world.files()[0].unwrap();
    let again = world.known[0].0;
    world.append(1);
    release_segment(&mut world, 0);
    assert_eq!(world.end_turn(), []);
    world.log.hold(again, 1);
    world.commit();
    assert_eq!(world.end_turn(), [], "held again");
    world.append(1);
    world.log.release(again, 1);
    assert_eq!(world.end_turn(), []);
    world.append(1);
    assert!(world.write());
    assert_eq!(world.end_turn(), [file]);
    assert_eq!(world.log.record_bytes(again), None);
    assert!(!world.log.hold(again, 1));
}

// The newest segment stays; it is retired when another one is the newest.
#[test]
fn the_newest_stays() {
    let mut world = World::new();
    let position = world.append(10);
    world.log.hold(position, 1);
    world.log.release(position, 1);
    world.commit();
    assert_eq!(world.end_turn(), []);
    let file = world.files()[0].unwrap();
    world.fill_segment();
    pass_checkpoint(&mut world);
    assert_eq!(world.end_turn(), [file]);
}

// After opening, the owner takes references to what it needs. Then the others are retired.
#[test]
fn opening_lets_go_the_rest() {
    let (mut world, starts_before) = held_world();
    pass_checkpoint(&mut world);
    let (mut world, _, _) = world.reopen();
    let held = world.known.iter().find(|known| known.0.offset() >= starts_before[1]).unwrap().0;
    world.log.hold(held, 1);
    assert_eq!(world.end_turn(), [], "the owner is not ready");
    world.log.finish_open();
    let files: Vec<FileId> = world.files().into_iter().flatten().collect();
    assert_eq!(world.end_turn(), [files[0], files[2], files[3]]);
    world.log.release(held, 1);
    assert_eq!(world.end_turn(), [files[1]]);
}

// Segments that are not needed at opening are retired before any commit: there may be no other file
// for the owner's next records.
#[test]
fn opening_needs_no_file_for_that() {
    let (mut world, _) = held_world();
    pass_checkpoint(&mut world);
    let (mut world, _, _) = world.reopen();
    world.append(10);
    world.log.finish_open();
    let files: Vec<FileId> = world.files().into_iter().flatten().collect();
    assert_eq!(world.end_turn(), files[..4]);
    assert!(world.log.staged_bytes() > 0);
}

// The live bytes of a segment are computed from its references.
#[test]
fn facts_tell_what_lives() {
    let mut world = World::new();
    let (first, second) = (world.append(100), world.append(100));
    let used = 2 * (100 + REST_BYTES) as u64;
    let facts = world.log.segments().next().unwrap();
    assert_eq!((facts.used, facts.live_bytes_estimate()), (used, 0), "nothing was ever held");
    world.log.hold(first, 3);
    world.log.hold(second, 1);
    world.log.release(first, 2);
    let facts = world.log.segments().next().unwrap();
    assert_eq!((facts.references, facts.holds), (2, 4));
    assert_eq!(facts.live_bytes_estimate(), used / 2);
    assert_eq!((facts.start, facts.end, facts.damaged), (0, used, false));
    assert_eq!(facts.file, Some(FileId(1)));
}
