//! `stat`: counts sessions, messages and files, and the part of the files that is needed.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, ControlFlow};

use ringmq::data::Snapshot;
use ringmq::limits::LIVE_LOOKS_MAX;
use ringmq::store::{Position, QueueItem, Session, Store};
use serde_json::{Value, json};

use crate::live::Live;
use crate::options::StatFlags;
use crate::output::{Output, Stop, bytes, counted};
use crate::session::Summary;
use crate::shards::{self, Shards};

/// Counts a directory.
pub(crate) fn run(flags: &StatFlags, output: &mut Output) -> Result<bool, Stop> {
    let shards = Shards::open(&flags.dir)?;
    let mut stats = Vec::new();
    for shard in shards.numbers() {
        let snapshot = look(shard, &shards)?;
        let file_bytes = shards::file_bytes(&snapshot);
        let mut stat = Stat { files: 0, file_bytes, ..Stat::default() };
        let (free_files, free_bytes) = snapshot.files.free_files();
        (stat.free_files, stat.free_bytes) = (free_files as u64, free_bytes);
        stat.files = snapshot.lengths.len() as u64 + stat.free_files;
        let store = &snapshot.store;
        stat.look(store);
        if flags.sessions {
            list(shard, store, &shards, flags.json, output)?;
        }
        stats.push(stat);
    }
    let live = shards.is_live();
    let total: Stat = stats.iter().copied().sum();
    if flags.json {
        let shards: Vec<Value> = stats.iter().map(|stat| stat.json()).collect();
        output.json(&json!({ "total": total.json(), "shards": shards, "live": live }))?;
    } else {
        for (shard, stat) in stats.iter().enumerate().filter(|_| stats.len() > 1) {
            output.line(format_args!("shard {shard}\n{stat}"))?;
        }
        output.line(format_args!("total\n{total}"))?;
    }
    Ok(false)
}

/// Counts a shard including all blocks of queues; while it changes, several attempts may be needed.
fn look(shard: u16, shards: &Shards) -> Result<Snapshot, Stop> {
    for _ in 0..LIVE_LOOKS_MAX {
        let snapshot = shards.snapshot(shard)?;
        let (mut stat, store) = (Stat::default(), &snapshot.store);
        for key in shards::keys(store).filter(|_| shards.is_live()) {
            stat.look_at(store.catalog.sessions().get(key), store, &mut |_, _| ());
        }
        if stat.lost == 0 || !snapshot.files.has_changed() {
            return Ok(snapshot);
        }
    }
    Err(shards.too_fast())
}

/// Writes a line for each session.
fn list(
    shard: u16,
    store: &Store,
    shards: &Shards,
    json: bool,
    output: &mut Output,
) -> Result<(), Stop> {
    for key in shards::keys(store) {
        let session = store.catalog.sessions().get(key);
        let summary = Summary::of(session, shard, store, shards);
        if json {
            output.json(&summary.json(&session.queue))?;
        } else {
            output.line(summary.line())?;
        }
    }
    Ok(())
}

/// The figures of one shard or of all.
#[derive(Clone, Copy, Default)]
struct Stat {
    sessions: u64,
    /// Lanes of consumer groups, their messages, and bytes of the records of these.
    lanes: u64,
    group_queued: u64,
    group_queued_bytes: u64,
    /// Wills that sessions hold.
    wills: u64,
    /// Messages of queues, and bytes of their records; a message counts for each queue.
    queued: u64,
    queued_bytes: u64,
    /// Messages of blocks that cannot be read.
    lost: u64,
    retained: u64,
    retained_bytes: u64,
    files: u64,
    file_bytes: u64,
    free_files: u64,
    free_bytes: u64,
    segments: u64,
    /// Bytes of all records.
    record_bytes: u64,
    /// Bytes of records with references.
    live_bytes: u64,
}

impl Stat {
    fn look(&mut self, store: &Store) {
        let Store { catalog, logs, .. } = store;
        let mut live = Live::default();
        let mut note = |position: Position, bytes: u64| {
            if let Some(start) = logs.disk.segment_of(position) {
                live.note(start, position.offset() - start, bytes);
            }
        };
        for key in shards::keys(store) {
            self.look_at(catalog.sessions().get(key), store, &mut note);
        }
        for (_, kept) in shards::retained(store).flat_map(|(_, retained)| retained.iter()) {
            self.retained += 1;
            self.retained_bytes += u64::from(kept.bytes);
            note(kept.position, kept.bytes.into());
        }
        for segment in logs.disk.segments() {
            self.segments += 1;
            self.record_bytes += segment.used;
            self.live_bytes += live.bytes(segment.start).min(segment.used);
        }
    }

    fn look_at(&mut self, session: &Session, store: &Store, note: &mut dyn FnMut(Position, u64)) {
        let is_lane = session.is_lane();
        self.sessions += u64::from(!is_lane);
        self.lanes += u64::from(is_lane);
        self.wills += u64::from(session.will().is_some());
        let mut queued = 0;
        let logs = &store.logs;
        let _whole = session.queue.visit(logs, &mut |item| {
            match item {
                QueueItem::Message { entry, .. } => {
                    queued += 1;
                    let position = entry.position().expect("it is in the log");
                    note(position, entry.bytes().into());
                }
                QueueItem::Released { .. } => queued += 1,
                QueueItem::Block { position } => {
                    let bytes = logs.disk.record_bytes(position).unwrap_or(0);
                    note(position, bytes as u64);
                }
                QueueItem::Lost { count, .. } => self.lost += u64::from(count),
            }
            ControlFlow::Continue(())
        });
        let (messages, bytes) = match is_lane {
            true => (&mut self.group_queued, &mut self.group_queued_bytes),
            false => (&mut self.queued, &mut self.queued_bytes),
        };
        *messages += queued;
        *bytes += session.queue.stored_bytes();
    }

    fn json(&self) -> Value {
        json!({
            "sessions": self.sessions,
            "wills": self.wills,
            "lanes": self.lanes,
            "group_queued": self.group_queued,
            "group_queued_bytes": self.group_queued_bytes,
            "queued": self.queued,
            "queued_bytes": self.queued_bytes,
            "retained": self.retained,
            "retained_bytes": self.retained_bytes,
            "files": self.files,
            "file_bytes": self.file_bytes,
            "free_files": self.free_files,
            "free_bytes": self.free_bytes,
            "segments": self.segments,
            "record_bytes": self.record_bytes,
            "live_bytes": self.live_bytes,
        })
    }
}

impl Add for Stat {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sessions: self.sessions + other.sessions,
            wills: self.wills + other.wills,
            lanes: self.lanes + other.lanes,
            group_queued: self.group_queued + other.group_queued,
            group_queued_bytes: self.group_queued_bytes + other.group_queued_bytes,
            queued: self.queued + other.queued,
            lost: self.lost + other.lost,
            queued_bytes: self.queued_bytes + other.queued_bytes,
            retained: self.retained + other.retained,
            retained_bytes: self.retained_bytes + other.retained_bytes,
            files: self.files + other.files,
            file_bytes: self.file_bytes + other.file_bytes,
            free_files: self.free_files + other.free_files,
            free_bytes: self.free_bytes + other.free_bytes,
            segments: self.segments + other.segments,
            record_bytes: self.record_bytes + other.record_bytes,
            live_bytes: self.live_bytes + other.live_bytes,
        }
    }
}

impl Sum for Stat {
    fn sum<I: Iterator<Item = Self>>(stats: I) -> Self {
        stats.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.live_bytes * 100).checked_div(self.record_bytes).unwrap_or(100);
        let (sessions, queued) = (self.sessions, self.queued);
        write!(f, "  sessions  {sessions}, {queued} queued in {}", bytes(self.queued_bytes))?;
        match self.wills {
            0 => writeln!(f)?,
            wills => writeln!(f, "; {}", counted(wills, "will"))?,
        }
        if self.lanes > 0 {
            let (lanes, queued) = (counted(self.lanes, "lane"), self.group_queued);
            writeln!(
                f,
                "  groups    {lanes}, {queued} queued in {}",
                bytes(self.group_queued_bytes)
            )?;
        }
        writeln!(f, "  retained  {} in {}", self.retained, bytes(self.retained_bytes))?;
        write!(f, "  segments  {} with {}", self.segments, bytes(self.record_bytes))?;
        writeln!(f, " of records, {percent} % of it needed")?;
        write!(f, "  files     {}", counted(self.files, "file"))?;
        write!(f, ", {}; {} free", bytes(self.file_bytes), self.free_files)
    }
}
