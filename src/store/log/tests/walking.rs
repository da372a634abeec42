//! A walk finds every record, wherever a segment ends, and reports bytes that are none.

use std::collections::BTreeMap;

use super::*;
use crate::store::log::{LogEnd, Walked, index, segment_walks};
use disk::Images;

/// The report of a walk through all segments: records, damage (file, place, length), and the end of
/// the log.
#[derive(PartialEq, Eq, Default, Debug)]
struct Story {
    records: usize,
    damage: Vec<(FileId, u64, u64)>,
    end: Option<(FileId, LogEnd)>,
}

fn story(images: &Images) -> Story {
    story_with(images, &BTreeMap::new())
}

fn story_with(images: &Images, lengths: &BTreeMap<u64, u64>) -> Story {
    let found = Disk::of(images.clone()).found();
    let mut story = Story::default();
    for walk in segment_walks(&found, lengths) {
        let end = walk.walk(&mut |walked| match walked {
            Walked::Record { kind, .. } => {
                assert!(["message", "checkpoint begun"].contains(&kind), "{kind}");
                story.records += 1;
            }
            Walked::Damage { offset, bytes } => story.damage.push((walk.file, offset, bytes)),
        });
        assert!(story.end.is_none() || end.is_none(), "one is the newest");
        story.end = story.end.or(end.map(|end| (walk.file, end)));
    }
    story
}

/// Some segments, and the places of their records.
struct Segments {
    images: Images,
    /// By segment.
    files: Vec<FileId>,
    /// By segment: the beginning of each record in its file, then the end of the last.
    places: Vec<Vec<usize>>,
    /// Of all except the newest, by start, as in a checkpoint.
    lengths: BTreeMap<u64, u64>,
}

impl Segments {
    /// Has a checkpoint in the newest header that needs all segments, or only the last.
    fn new(is_early: bool) -> Self {
        let mut world = World::new();
        if is_early {
            world.checkpoint();
        }
        world.fill_segment();
        world.fill_segment();
        if !is_early {
            world.checkpoint();
        }
        world.fill_segment();
        world.append(40);
        world.commit();
        let facts: Vec<_> = world.log.segments().collect();
        let place = |start: u64, at: u64| 64 + index(at - start);
        let mut places = Vec::new();
        for segment in &facts {
            let (mut at, mut records) = (segment.start, Vec::new());
            while at < segment.end {
                records.push(place(segment.start, at));
                (_, at) = world.log.record_at(at).expect("it is whole");
            }
            records.push(place(segment.start, at));
            places.push(records);
        }
        let files = facts.iter().filter_map(|segment| segment.file).collect();
        let olds = facts.iter().rev().skip(1);
        let lengths = olds.map(|segment| (segment.start, segment.used)).collect();
        Self { images: world.disk.images(), files, places, lengths }
    }

    fn records(&self) -> usize {
        self.places.iter().map(|records| records.len() - 1).sum()
    }

    fn bytes(&mut self, segment: usize) -> &mut Vec<u8> {
        let file = self.files[segment];
        let image = self.images.iter_mut().find(|(id, _)| *id == file);
        &mut image.expect("each segment has a file").1
    }

    /// The last segment's file, and the end of its records.
    fn log_end(&self) -> (FileId, u64) {
        let (file, records) = (self.files.last(), self.places.last());
        let end = records.and_then(|records| records.last());
        (*file.expect("there are some"), *end.expect("there are some") as u64)
    }
}

// Every record is found, and the end of the log; nothing, without a file.
#[test]
fn finds_every_record() {
    assert_eq!(story(&Images::new()), Story::default());
    for is_early in [true, false] {
        let segments = Segments::new(is_early);
        let (file, offset) = segments.log_end();
        let end = LogEnd { offset, torn_bytes: 0, torn_records: 0 };
        let expected =
            Story { records: segments.records(), damage: vec![], end: Some((file, end)) };
        assert_eq!(story(&segments.images), expected);
    }
}

// A damaged record before another one is reported with its length if the segment's end is known;
// the others are found. If the end is unknown, an unfinished write would look the same.
#[test]
fn names_a_damaged_record() {
    for is_early in [true, false] {
        for segment in 0..3 {
            for at in [0, 1, 3] {
                let mut segments = Segments::new(is_early);
                let (from, to) = (segments.places[segment][at], segments.places[segment][at + 1]);
                for byte in [from, from + 5, to - 1] {
                    segments.bytes(segment)[byte] ^= 4;
                    let told = story_with(&segments.images, &segments.lengths);
                    let place = (segments.files[segment], from as u64, (to - from) as u64);
                    assert_eq!(told.damage, [place], "segment {segment} byte {byte}");
                    assert_eq!(told.records, segments.records() - 1);
                    let damage = if is_early || segment == 2 { vec![place] } else { vec![] };
                    assert_eq!(story(&segments.images).damage, damage);
                    segments.bytes(segment)[byte] ^= 4;
                }
            }
        }
    }
}

// The last record of a segment: if recovery continues after it, it must exist. Before the
// checkpoint a missing one looks the same as a retired segment, and a session that needs it finds
// it missing.
#[test]
fn judges_the_last_record() {
    for is_early in [true, false] {
        let mut segments = Segments::new(is_early);
        let [.., from, to] = segments.places[0][..] else { panic!("there are some") };
        segments.bytes(0)[to - 1] ^= 4;
        let place = (segments.files[0], from as u64, (to - from) as u64);
        let told = story(&segments.images);
        assert_eq!(told.damage, if is_early { vec![place] } else { vec![] });
        assert_eq!(told.records, segments.records() - 1);
    }
}

// After the log's end, bytes that are not a record are a torn write, also with records in them.
#[test]
fn tells_the_end_of_the_log() {
    let mut segments = Segments::new(false);
    let (file, offset) = segments.log_end();
    let end = |torn_bytes, torn_records| Some((file, LogEnd { offset, torn_bytes, torn_records }));
    let at = index(offset);
    let last = segments.files.len() - 1;
    segments.bytes(last)[at + 6] = 9;
    assert_eq!(story(&segments.images).end, end(7, 0));

    let mut segments = Segments::new(false);
    let mut record = Vec::new();
    let image = segments.bytes(last);
    let HeaderFound::Header(header) = HeaderFound::read(image) else { panic!("it has one") };
    let place = (header.start + offset - 64 + 20) ^ header.salt;
    message(b"torn").encode(place, false, &mut record);
    image[at + 20..at + 20 + record.len()].copy_from_slice(&record);
    let told = story(&segments.images);
    assert_eq!(told.end, end(20 + record.len() as u64, 1));
    assert_eq!((told.damage, told.records), (vec![], segments.records()));
}

// A retired segment leaves no trace before the checkpoint, even if it could be in the file of the
// one before.
#[test]
fn passes_over_what_went() {
    let mut segments = Segments::new(false);
    let file = segments.files[1];
    segments.images.retain(|(id, _)| *id != file);
    let told = story(&segments.images);
    assert_eq!(
        (told.damage, told.records),
        (vec![], segments.records() + 1 - segments.places[1].len())
    );
}
