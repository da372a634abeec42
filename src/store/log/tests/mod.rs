//! Tests of the log on a simulated disk: appended records are found again, whatever the disk does.

mod disk;
mod failing;
mod growing;
mod model;
mod naming;
mod opening;
mod retiring;
mod unreadable;
mod walking;
mod writing;

use std::fmt;
use std::io;

use super::super::medium::{Extent, FileId, Request};
use super::super::position::Position;
use super::super::record::{MessageRecord, Record, Targets};
use super::super::segment::{HEADER_BYTES, HeaderFound, SegmentHeader};
use super::{Fault, FaultKind, GroupWrite, Log, LogOptions, OpenError, OpenReport, Reading};
use disk::Disk;

const SHARD: u16 = 3;

/// Length of a segment's file.
const FILE_BYTES: u64 = 4096;

/// Bytes of records that one segment takes.
const CAPACITY: usize = 4096 - 64;

const OPTIONS: LogOptions = LogOptions {
    shard: SHARD,
    segment_bytes: FILE_BYTES,
    first_segment_bytes: FILE_BYTES,
    sync: true,
    zeros_bytes: 0,
};

/// Bytes of a record that [`message`] makes, without its payload.
const REST_BYTES: usize = 9 + 17 + 1;

/// A xorshift generator; prints as its seed.
struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    fn new(seed: u64) -> Self {
        Self { seed, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from((self.state >> 16) % end as u64).unwrap()
    }
}

impl fmt::Display for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}", self.seed)
    }
}

/// A record that the tests remember: its position, and its payload.
type Known = (Position, Vec<u8>);

fn message(payload: &[u8]) -> Record<'_> {
    Record::Message(MessageRecord {
        vhost: 0,
        qos: 1,
        retained: false,
        time_ms: 1,
        topic: "t",
        payload,
        properties: &[],
        moved_from: None,
        received: None,
        origin: None,
        targets: Targets(&[]),
        own: None,
    })
}

/// A payload that differs from others of its length.
fn payload(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (number * 31 + at).to_le_bytes()[0]).collect()
}

/// A log on its disk.
struct World {
    log: Log,
    disk: Disk,
    /// All appended records.
    known: Vec<Known>,
}

impl World {
    /// A new log that has its spare files.
    fn new() -> Self {
        Self::with(OPTIONS)
    }

    fn with(options: LogOptions) -> Self {
        let disk = Disk::default();
        let (log, report) = Log::open(options, Vec::new(), None, &mut |_, _, _| {}).unwrap();
        assert_eq!(report, OpenReport::default());
        let mut world = Self { log, disk, known: Vec::new() };
        world.serve();
        world
    }

    /// Appends a message with a payload of this length.
    fn append(&mut self, length: usize) -> Position {
        let payload = payload(self.known.len(), length);
        let position = self.log.append(&message(&payload));
        self.known.push((position, payload));
        position
    }

    /// A record "checkpoint begun", committed and set as the checkpoint.
    fn checkpoint(&mut self) -> u64 {
        let position = self.log.append(&Record::CheckpointBegun);
        self.commit();
        self.log.set_checkpoint(position.offset());
        position.offset()
    }

    /// Appends messages until another segment is opened, and commits all.
    fn fill_segment(&mut self) {
        let count = self.log.segments().len().max(1);
        while self.log.segments().len() <= count {
            self.append(500);
        }
        self.commit();
    }

    /// Answers the log's requests.
    fn serve(&mut self) {
        self.disk.serve(&mut self.log);
    }

    /// Writes the next group; returns false if there is none.
    fn write(&mut self) -> bool {
        let Some(write) = self.log.next_write() else { return false };
        self.disk.write(&write);
        drop(write);
        self.log.on_written(Ok(()));
        true
    }

    /// Makes the next group fail.
    fn fail(&mut self) -> GroupWrite {
        let write = self.log.next_write().expect("there is a group");
        self.log.on_written(Err(io::Error::other("broken")));
        write
    }

    /// Writes all staged groups.
    fn commit(&mut self) {
        self.serve();
        while self.write() {
            self.serve();
        }
        assert_eq!((self.log.committed(), self.log.staged_bytes()), (self.log.appended(), 0));
    }

    /// Ends a turn; returns the files that it releases.
    fn end_turn(&mut self) -> Vec<FileId> {
        self.log.end_turn();
        let before = self.disk.recycled.len();
        self.serve();
        self.disk.recycled[before..].to_vec()
    }

    fn files(&self) -> Vec<Option<FileId>> {
        self.log.segments().map(|facts| facts.file).collect()
    }

    /// Reads back all remembered records.
    fn check(&self) {
        for (position, payload) in &self.known {
            check_message(&self.log, *position, payload);
        }
    }

    /// Opens the log again on the disk's content; returns the replayed records.
    fn reopen(self) -> (Self, OpenReport, Vec<Known>) {
        self.reopen_with(OPTIONS)
    }

    fn reopen_with(self, options: LogOptions) -> (Self, OpenReport, Vec<Known>) {
        let Self { mut disk, known, .. } = self;
        let mut replayed = Vec::new();
        let (mut log, report) =
            Log::open(options, disk.found(), disk.noted, &mut |position, reading, _| {
                if let Reading::Whole(Record::Message(message)) = reading {
                    replayed.push((position, message.payload.to_vec()));
                }
            })
            .unwrap();
        disk.serve(&mut log);
        (Self { log, disk, known }, report, replayed)
    }
}

fn check_message(log: &Log, position: Position, payload: &[u8]) {
    let message = log.message(position).unwrap_or_else(|| panic!("no message at {position:?}"));
    assert!(message.payload == payload, "at {position:?}");
    assert_eq!(log.record_bytes(position), Some(REST_BYTES + payload.len()));
    let (record, next) = log.record_at(position.offset()).expect("a message was read there");
    assert!(matches!(record, Record::Message(_)));
    assert_eq!(next, position.offset() + (REST_BYTES + payload.len()) as u64);
}
