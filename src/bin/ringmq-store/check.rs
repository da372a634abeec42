//! `check`: reads every record of every file, and all data that sessions and topics refer to.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;

use ringmq::data::Snapshot;
use ringmq::store::{
    Fault, FaultKind, Found, HEADER_BYTES, LogEnd, Losses, Position, QueueItem, Store, Walked,
    segment_walks,
};
use serde_json::{Value, json};

use crate::options::CheckFlags;
use crate::output::{Output, Stop, bytes, counted};
use crate::shards::{self, Shards};

/// Checks a directory; returns whether there is damage.
pub(crate) fn run(flags: &CheckFlags, output: &mut Output) -> Result<bool, Stop> {
    let shards = Shards::open(&flags.dir)?;
    let mut checks = Vec::new();
    for shard in shards.numbers() {
        let check = Check::of(shard, &shards.snapshot(shard)?)?;
        if !flags.json {
            output.line(&check)?;
        }
        checks.push(check);
    }
    let (damaged, live) = (checks.iter().any(Check::is_damaged), shards.is_live());
    if flags.json {
        let shards: Vec<Value> = checks.iter().map(Check::json).collect();
        output.json(&json!({ "damaged": damaged, "shards": shards, "live": live }))?;
    } else {
        output.line(if damaged { "damage was found" } else { "all is well" })?;
    }
    Ok(damaged)
}

/// Places of unreadable records that are listed; all are counted.
const PLACES_MAX: usize = 10;

/// Records of one kind.
#[derive(Clone, Copy, Default)]
struct Count {
    records: u64,
    bytes: u64,
}

/// Damage: its place and its kind.
struct Damage {
    path: PathBuf,
    offset: u64,
    what: String,
    lost_bytes: u64,
    /// Least number of records that are lost with it.
    records: u64,
}

/// The number of references of each kind.
#[derive(Clone, Copy, Default)]
struct References {
    queued: u64,
    blocks: u64,
    retained: u64,
}

/// The findings of one shard.
struct Check {
    shard: u16,
    files: usize,
    bytes: u64,
    free_files: usize,
    set_aside: usize,
    segments: usize,
    kinds: BTreeMap<&'static str, Count>,
    /// `None` if there is no segment.
    end: Option<(PathBuf, LogEnd)>,
    damage: Vec<Damage>,
    sessions: usize,
    references: References,
    /// Of these, the unreadable ones.
    unreadable: References,
    /// Damage that opening the store has skipped.
    losses: Losses,
    /// References to data that the broker has released or moved in the meantime.
    gone: u64,
}

impl Check {
    fn of(shard: u16, seen: &Snapshot) -> Result<Self, Stop> {
        let (free_files, _) = seen.files.free_files();
        let mut check = Self {
            shard,
            files: seen.lengths.len() + free_files,
            bytes: shards::file_bytes(seen),
            free_files,
            set_aside: seen.files.set_aside(),
            segments: 0,
            kinds: BTreeMap::new(),
            end: None,
            damage: Vec::new(),
            sessions: 0,
            references: References::default(),
            unreadable: References::default(),
            losses: seen.opened.losses,
            gone: 0,
        };
        check.walk(seen, &seen.found().map_err(Stop::refused)?);
        // Damaged records before the checkpoint were found by the walk over all records.
        let faults = seen.opened.report.faults.iter();
        for fault in faults.filter(|fault| fault.kind != FaultKind::Record) {
            let Fault { file, offset, kind, lost_bytes, records } = *fault;
            let (path, what) = (seen.files.path(file), kind.to_string());
            check.damage.push(Damage { path, offset, what, lost_bytes, records });
        }
        if let Some((path, what)) = seen.files.fault() {
            let what = what.to_owned();
            check.damage.push(Damage { path, offset: 0, what, lost_bytes: 0, records: 0 });
        }
        check.follow(seen);
        Ok(check)
    }

    /// Reads every record.
    fn walk(&mut self, seen: &Snapshot, found: &[Found]) {
        for segment in segment_walks(found, &seen.opened.lengths) {
            let path = seen.files.path(segment.file);
            let (kinds, damage) = (self.kinds.clone(), self.damage.len());
            let end = segment.walk(&mut |walked| match walked {
                Walked::Record { bytes, kind } => {
                    let count = self.kinds.entry(kind).or_default();
                    count.records += 1;
                    count.bytes += bytes;
                }
                Walked::Damage { offset, bytes: lost_bytes } => {
                    let (path, what) = (path.clone(), FaultKind::Record.to_string());
                    self.damage.push(Damage { path, offset, what, lost_bytes, records: 1 });
                }
            });
            if !seen.files.is_current(segment.file) {
                // At least a part of the read bytes belongs to another segment.
                self.kinds = kinds;
                self.damage.truncate(damage);
                continue;
            }
            self.segments += 1;
            self.end = end.map(|end| (path, end)).or(self.end.take());
        }
    }

    /// Reads all data that sessions and topics refer to.
    fn follow(&mut self, seen: &Snapshot) {
        let Store { catalog, logs, .. } = &seen.store;
        let mut unreadable = Vec::new();
        let mut block = None;
        for session in shards::keys(&seen.store).map(|key| catalog.sessions().get(key)) {
            self.sessions += 1;
            let _whole = session.queue.visit(logs, &mut |item| {
                if let QueueItem::Block { position } = item {
                    block = Some(position);
                }
                unreadable.extend(self.follow_item(item, block, seen));
                ControlFlow::Continue(())
            });
        }
        for (_, kept) in shards::retained(&seen.store).flat_map(|(_, retained)| retained.iter()) {
            self.references.retained += 1;
            if logs.disk.message(kept.position).is_some() {
                continue;
            }
            if seen.is_gone(kept.position) {
                self.gone += 1;
                continue;
            }
            self.unreadable.retained += 1;
            unreadable.push(kept.position);
            unreadable.truncate(PLACES_MAX);
        }
        for position in unreadable {
            let offset = position.offset();
            let at = seen.segments.partition_point(|segment| segment.end <= offset);
            let segment = seen.segments.get(at).filter(|segment| segment.start <= offset);
            // Data that is no longer in the log is counted without a place.
            let Some((segment, file)) = segment.and_then(|s| Some((s, s.file?))) else { continue };
            let offset = HEADER_BYTES + offset - segment.start;
            let (path, what) = (seen.files.path(file), "something refers to what is no record");
            let (what, lost_bytes, records) = (what.to_owned(), 0, 0);
            self.damage.push(Damage { path, offset, what, lost_bytes, records });
        }
    }

    /// Reads the data of a part of a queue; returns the first part that cannot be read. `block` was
    /// reported last.
    fn follow_item(
        &mut self,
        item: QueueItem,
        block: Option<Position>,
        seen: &Snapshot,
    ) -> Option<Position> {
        let disk = &seen.store.logs.disk;
        let (position, is_there, lost) = match item {
            QueueItem::Message { entry, .. } => {
                self.references.queued += 1;
                let position = entry.position().expect("it is in the log");
                (position, disk.message(position).is_some(), &mut self.unreadable.queued)
            }
            QueueItem::Block { position } => {
                self.references.blocks += 1;
                (position, disk.block(position).is_some(), &mut self.unreadable.blocks)
            }
            QueueItem::Lost { count, .. } => {
                let is_gone = block.is_some_and(|block| seen.is_gone(block));
                let lost = if is_gone { &mut self.gone } else { &mut self.unreadable.queued };
                *lost += u64::from(count);
                return None;
            }
            QueueItem::Released { .. } => return None,
        };
        if is_there {
            return None;
        }
        if seen.is_gone(position) {
            self.gone += 1;
            return None;
        }
        *lost += 1;
        let References { queued, blocks, .. } = self.unreadable;
        (queued + blocks <= PLACES_MAX as u64).then_some(position)
    }

    fn is_damaged(&self) -> bool {
        let References { queued, blocks, retained } = self.unreadable;
        !self.damage.is_empty()
            || queued + blocks + retained > 0
            || self.losses != Losses::default()
    }

    fn json(&self) -> Value {
        let kinds = self.kinds.iter().map(|(kind, count)| {
            let Count { records, bytes } = count;
            ((*kind).to_owned(), json!({ "records": records, "bytes": bytes }))
        });
        let damage = self.damage.iter().map(|damage| {
            let Damage { path, offset, what, lost_bytes, records } = damage;
            json!({
                "file": path,
                "offset": offset,
                "what": what,
                "lost_bytes": lost_bytes,
                "lost_records_min": records,
            })
        });
        let end = self.end.as_ref().map(|(path, end)| {
            let LogEnd { offset, torn_bytes, torn_records } = end;
            json!({
                "file": path,
                "offset": offset,
                "torn_bytes": torn_bytes,
                "torn_records": torn_records,
            })
        });
        let references = |of: References| {
            let References { queued, blocks, retained } = of;
            json!({ "queued": queued, "blocks": blocks, "retained": retained })
        };
        let Losses { queued, retained, sessions, records } = self.losses;
        let losses = json!({
            "queued": queued, "retained": retained, "sessions": sessions, "records": records
        });
        json!({
            "shard": self.shard,
            "files": self.files,
            "bytes": self.bytes,
            "free_files": self.free_files,
            "set_aside": self.set_aside,
            "segments": self.segments,
            "records": kinds.collect::<serde_json::Map<_, _>>(),
            "end": end,
            "damage": damage.collect::<Vec<_>>(),
            "sessions": self.sessions,
            "references": references(self.references),
            "unreadable": references(self.unreadable),
            "losses": losses,
            "gone": self.gone,
        })
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shard, set_aside, references, unreadable, .. } = self;
        let (segments, free) = (self.segments as u64, self.free_files as u64);
        write!(f, "shard {shard}: {} in ", bytes(self.bytes))?;
        write!(f, "{}", counted(self.files as u64, "file"))?;
        writeln!(f, ", {} and {free} free", counted(segments, "segment"))?;
        for (kind, Count { records, bytes: size }) in &self.kinds {
            writeln!(f, "  {records} × {kind}, {}", bytes(*size))?;
        }
        if *set_aside > 0 {
            writeln!(f, "  {} set aside before", counted(*set_aside as u64, "damaged file"))?;
        }
        if let Some((path, LogEnd { offset, torn_bytes, torn_records })) = &self.end {
            write!(f, "  the log ends in {} at byte {offset}", path.display())?;
            if *torn_bytes > 0 {
                let torn = counted(*torn_bytes, "byte");
                write!(f, "; {torn} behind it of a write that was not finished (no damage)")?;
            }
            if *torn_records > 0 {
                let records = counted(*torn_records, "whole record");
                write!(f, ", {records} among them")?;
            }
            writeln!(f)?;
        }
        for Damage { path, offset, what, lost_bytes, records } in &self.damage {
            write!(f, "  DAMAGE: {} at byte {offset}: {what}; ", path.display())?;
            let lost = counted(*lost_bytes, "byte");
            writeln!(f, "{lost} lost, {} at least", counted(*records, "record"))?;
        }
        if self.losses != Losses::default() {
            writeln!(f, "  DAMAGE: lost with it: {}", self.losses)?;
        }
        let sessions = counted(self.sessions as u64, "session");
        let References { queued, blocks, retained } = references;
        write!(f, "  {sessions} with {queued} queued messages and {blocks} blocks; ")?;
        write!(f, "{retained} retained messages")?;
        let References { queued, blocks, retained } = unreadable;
        if self.gone > 0 {
            write!(f, "\n  {} of these were acknowledged or moved meanwhile", self.gone)?;
        }
        if queued + blocks + retained > 0 {
            write!(f, "\n  DAMAGE: of these cannot be read: {queued} queued messages, ")?;
            write!(f, "{blocks} blocks, {retained} retained messages")?;
        }
        Ok(())
    }
}
