//! `check`: reads every record of every file, and whatever sessions and topics refer to.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;

use ringmq::store::{
    Fault, FaultKind, HEADER_BYTES, LogEnd, Logs, Losses, Position, QueueItem, SegmentFacts, Store,
    Walked, segment_walks,
};
use serde_json::{Value, json};

use crate::options::CheckFlags;
use crate::output::{Output, Stop, bytes, counted};
use crate::shards::{self, Files, Shards};

/// Checks a directory; whether something is damaged.
pub(crate) fn run(flags: &CheckFlags, output: &mut Output) -> Result<bool, Stop> {
    let shards = Shards::open(&flags.dir)?;
    let mut checks = Vec::new();
    for shard in shards.numbers() {
        let check = Check::of(&shards.files(shard)?, &mut shards.files(shard)?)?;
        if !flags.json {
            output.line(&check)?;
        }
        checks.push(check);
    }
    let damaged = checks.iter().any(Check::is_damaged);
    if flags.json {
        let shards: Vec<Value> = checks.iter().map(Check::json).collect();
        output.json(&json!({ "damaged": damaged, "shards": shards }))?;
    } else {
        output.line(if damaged { "damage was found" } else { "all is well" })?;
    }
    Ok(damaged)
}

/// Places of unreadable records that are told; all are counted.
const PLACES_MAX: usize = 10;

/// Records of one kind.
#[derive(Clone, Copy, Default)]
struct Count {
    records: u64,
    bytes: u64,
}

/// Damage: where, and what.
struct Damage {
    path: PathBuf,
    offset: u64,
    what: String,
    lost_bytes: u64,
    /// Records that are lost with it, at least.
    records: u64,
}

/// What is referred to.
#[derive(Clone, Copy, Default)]
struct References {
    queued: u64,
    blocks: u64,
    retained: u64,
}

/// What was found in one shard.
struct Check {
    shard: u16,
    files: usize,
    bytes: u64,
    free_files: usize,
    set_aside: usize,
    segments: usize,
    kinds: BTreeMap<&'static str, Count>,
    /// None if there is no segment.
    end: Option<(PathBuf, LogEnd)>,
    damage: Vec<Damage>,
    sessions: usize,
    references: References,
    /// Of those, the ones that cannot be read.
    unreadable: References,
    /// What opening did without.
    losses: Losses,
}

impl Check {
    /// Opens the store with `opening`, the same files once more.
    fn of(files: &Files, opening: &mut Files) -> Result<Self, Stop> {
        let (free_files, _) = files.files.free_files();
        let mut check = Self {
            shard: files.shard,
            files: files.found.len() + free_files,
            bytes: files.bytes(),
            free_files,
            set_aside: files.files.set_aside(),
            segments: 0,
            kinds: BTreeMap::new(),
            end: None,
            damage: Vec::new(),
            sessions: 0,
            references: References::default(),
            unreadable: References::default(),
            losses: Losses::default(),
        };
        let (store, opened) = shards::open(opening)?;
        check.walk(files, &opened.lengths);
        // What is wrong with records the walk has found, before the checkpoint as well.
        let faults = opened.report.faults.iter();
        for fault in faults.filter(|fault| fault.kind != FaultKind::Record) {
            let Fault { file, offset, kind, lost_bytes, records } = *fault;
            let (path, what) = (files.path(file), kind.to_string());
            check.damage.push(Damage { path, offset, what, lost_bytes, records });
        }
        if let Some((path, what)) = files.files.fault() {
            let what = what.to_owned();
            check.damage.push(Damage { path, offset: 0, what, lost_bytes: 0, records: 0 });
        }
        check.losses = opened.losses;
        check.follow(&store, files);
        Ok(check)
    }

    /// Reads every record.
    fn walk(&mut self, files: &Files, lengths: &BTreeMap<u64, u64>) {
        for segment in segment_walks(&files.found, lengths) {
            self.segments += 1;
            let path = files.path(segment.file);
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
            self.end = end.map(|end| (path, end)).or(self.end.take());
        }
    }

    /// Reads whatever sessions and topics refer to.
    fn follow(&mut self, store: &Store, files: &Files) {
        let Store { catalog, logs, .. } = store;
        let mut unreadable = Vec::new();
        for session in shards::keys(store).map(|key| catalog.sessions().get(key)) {
            self.sessions += 1;
            let _whole = session.queue.visit(logs, &mut |item| {
                unreadable.extend(self.follow_item(item, logs));
                ControlFlow::Continue(())
            });
        }
        for (_, kept) in shards::retained(store).flat_map(|(_, retained)| retained.iter()) {
            self.references.retained += 1;
            if logs.disk.message(kept.position).is_none() {
                self.unreadable.retained += 1;
                unreadable.push(kept.position);
            }
            unreadable.truncate(PLACES_MAX);
        }
        let segments: Vec<SegmentFacts> = logs.disk.segments().collect();
        for position in unreadable {
            let offset = position.offset();
            let at = segments.partition_point(|segment| segment.end <= offset);
            let segment = segments.get(at).filter(|segment| segment.start <= offset);
            // What is not in the log any more is counted, and has no place.
            let Some((segment, file)) = segment.and_then(|s| Some((s, s.file?))) else { continue };
            let offset = HEADER_BYTES + offset - segment.start;
            let (path, what) = (files.path(file), "something refers to what is no record");
            let (what, lost_bytes, records) = (what.to_owned(), 0, 0);
            self.damage.push(Damage { path, offset, what, lost_bytes, records });
        }
    }

    /// Reads what a part of a queue refers to; gives it if it cannot be read, for the first such.
    fn follow_item(&mut self, item: QueueItem, logs: &Logs) -> Option<Position> {
        let (position, is_there, lost) = match item {
            QueueItem::Message { entry, .. } => {
                self.references.queued += 1;
                let position = entry.position().expect("it is in the log");
                (position, logs.disk.message(position).is_some(), &mut self.unreadable.queued)
            }
            QueueItem::Block { position } => {
                self.references.blocks += 1;
                (position, logs.disk.block(position).is_some(), &mut self.unreadable.blocks)
            }
            QueueItem::Lost { count, .. } => {
                self.unreadable.queued += u64::from(count);
                return None;
            }
            QueueItem::Released { .. } => return None,
        };
        if is_there {
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
        if queued + blocks + retained > 0 {
            write!(f, "\n  DAMAGE: of these cannot be read: {queued} queued messages, ")?;
            write!(f, "{blocks} blocks, {retained} retained messages")?;
        }
        Ok(())
    }
}
