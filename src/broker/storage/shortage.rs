//! What publishers wait for when their message needs the disk: time, space, or another shard's.
//!
//! ```text
//!          staged over its bound            staged below half of it
//!  behind ◄──────────────────────── fine ◄──────────────────────────
//!          free space below --disk-low      free space again
//!  low    ◄──────────────────────── fine ◄──────────────────────────
//!          files for the reserve only       a file more
//!  lacking ◄─────────────────────── fine ◄──────────────────────────
//! ```
//! Each alone makes publishers wait, here and, since other shards are told, there. What has been
//! sent by then is stored all the same; the reserve has room for it (see
//! [`crate::limits::RESERVE_FILES`]).
//!
//! A client that waits is not read from, so one that publishes and consumes over one connection
//! cannot acknowledge meanwhile what it has been sent; a disk that only such clients could empty
//! stays full until one of them connects again.
//!
//! Other requests that the log must know (a new session, SUBSCRIBE, UNSUBSCRIBE, what a publisher
//! says at QoS 2) may use the reserve, but not the last of it: without that no checkpoint could be
//! written that frees a segment. They wait for that, or while too much is staged; but for room not
//! if messages wait for their client: it may be one of those who empty the disk.

use log::{info, warn};

use crate::limits::{
    DISK_LOW_BYTES_DEFAULT, DISK_LOW_PERCENT_DEFAULT, MESH_RING_BYTES, SEGMENT_BYTES_FIRST,
    STAGED_BYTES_MAX,
};
use crate::store::{Log, Logs};

use super::super::names::{ConnId, Options, ShardId, ShardSet, Stats, Threshold};
use super::super::read_gate::{Pause, ReadGates};

/// Bytes of a message's record beside its topic and payload, and for each session it is for; not
/// less.
const RECORD_BYTES: usize = 64;
const TARGET_BYTES: usize = 12;

/// What another shard has on its way when it is told: a ring, and what found that full.
const ON_THE_WAY_BYTES: u64 = (MESH_RING_BYTES + MESH_RING_BYTES / 4) as u64;

/// Bytes of a record of which is not asked whether a segment has room for it: any has.
const PLAIN_BYTES: usize = 128 * 1024;

const _: () = assert!((PLAIN_BYTES as u64) < SEGMENT_BYTES_FIRST / 4);

/// Of the room of a first segment requests leave such a share alone, or what checkpoints take if
/// that is more.
const REQUESTS_LEAVE: u64 = 4;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shortage {
    here: ShardId,
    shards: u16,
    /// `--disk-low`.
    low_at: Option<Threshold>,
    behind: bool,
    low: bool,
    lacking: bool,
    /// The other shards were told.
    told: bool,
    /// In this turn messages are appended while the log ends before the first offset, and if they
    /// end before the second.
    staged_end: u64,
    room_end: u64,
    /// In this turn other requests are appended while the log ends before this offset.
    requests_end: u64,
    /// Other shards that are short.
    peers: ShardSet,
    waiting: Vec<ConnId>,
    /// Bytes of the smallest message that waits here.
    least: Option<u64>,
    waiting_for_peers: Vec<ConnId>,
    /// Their messages are larger than the files that are ready, and wait for one of their own.
    waiting_for_large: Vec<ConnId>,
    /// Some do, and there is no room for it.
    lacks_large: bool,
    /// Of the file system, when it was looked at last: free bytes, all, and the free ones below
    /// which it is low.
    space: [u64; 3],
    /// What they ask for is no message.
    waiting_for_log: Vec<ConnId>,
    pub(super) stats: Stats,
}

/// A message that may have to wait for the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Shards whose disk must have it.
    pub(crate) shards: ShardSet,
    /// Bytes of its topic and payload.
    pub(crate) bytes: usize,
    /// Sessions of this shard that it is for.
    pub(crate) targets: usize,
}

impl Shortage {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            here: options.shard,
            shards: options.shards,
            low_at: options.disk_low,
            behind: false,
            low: false,
            lacking: false,
            told: false,
            staged_end: 0,
            room_end: 0,
            requests_end: 0,
            peers: ShardSet::default(),
            waiting: Vec::new(),
            least: None,
            waiting_for_peers: Vec::new(),
            waiting_for_large: Vec::new(),
            lacks_large: false,
            space: [0; 3],
            waiting_for_log: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// Replaces the options; free space is looked at by them the next time.
    pub(crate) fn set_options(&mut self, options: &Options) {
        self.low_at = options.disk_low;
    }

    /// Whether it would be over if there were more space.
    pub(crate) fn is_of_space(&self) -> bool {
        self.low || self.lacking || self.lacks_large
    }

    /// Free bytes of the file system, all, and the free ones below which it is low.
    pub(crate) fn space(&self) -> [u64; 3] {
        self.space
    }

    pub(crate) fn is_any(&self) -> bool {
        self.behind || self.low || self.lacking
    }

    /// Whether too much is staged.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Whether a message with so many bytes of topic and payload need not wait, whatever disks must
    /// have it.
    #[inline]
    pub(crate) fn has_room_for(&self, bytes: usize, log: &Log) -> bool {
        let (bytes, appended) = (bytes + RECORD_BYTES, log.appended());
        bytes <= PLAIN_BYTES
            && appended < self.staged_end
            && appended + (bytes as u64) < self.room_end
            && self.peers.is_empty()
    }

    /// Whether a message must wait for a disk, here or on another shard. Then its publisher goes on
    /// later.
    #[cold]
    pub(crate) fn holds_up(
        &mut self,
        conn: ConnId,
        wanted: Wanted,
        log: &mut Log,
        gates: &mut ReadGates,
    ) -> bool {
        let bytes = (wanted.bytes + RECORD_BYTES + wanted.targets * TARGET_BYTES) as u64;
        if self.peers.iter().any(|shard| wanted.shards.contains(shard)) {
            self.waiting_for_peers.push(conn);
        } else if !wanted.shards.contains(self.here) {
            return false;
        } else {
            // One that may be larger than a file that is ready takes no room that others need: the
            // log says whether it has one for it.
            let is_large = bytes > log.capacity_min().min(PLAIN_BYTES as u64);
            let needed = if is_large { 1 } else { bytes };
            let appended = log.appended();
            if appended >= self.staged_end || appended + needed > self.room_end {
                self.waiting.push(conn);
                self.least = Some(self.least.map_or(needed, |least| least.min(needed)));
            } else if is_large && !log.is_ready_for(bytes) {
                self.waiting_for_large.push(conn);
            } else {
                return false;
            }
        }
        gates.pause(conn, Pause::Disk);
        self.stats.publishers_waited_disk += 1;
        true
    }

    /// Whether a message that nobody waits with cannot be taken now: a publisher would have to wait
    /// for a disk, here or on another shard.
    #[cold]
    pub(crate) fn refuses(&self, wanted: Wanted, log: &mut Log) -> bool {
        let bytes = (wanted.bytes + RECORD_BYTES + wanted.targets * TARGET_BYTES) as u64;
        if self.peers.iter().any(|shard| wanted.shards.contains(shard)) {
            return true;
        }
        let is_large = bytes > log.capacity_min().min(PLAIN_BYTES as u64);
        let (needed, appended) = (if is_large { 1 } else { bytes }, log.appended());
        let has_none = appended >= self.staged_end || appended + needed > self.room_end;
        wanted.shards.contains(self.here) && (has_none || is_large && !log.is_ready_for(bytes))
    }

    /// Whether a request that the log must know has to wait, unless its client is exempt.
    #[inline]
    pub(crate) fn holds_requests(&self, log: &Log) -> bool {
        log.appended() >= self.requests_end
    }

    /// Has a client wait with its request: it goes on later.
    pub(crate) fn hold_request(&mut self, conn: ConnId, gates: &mut ReadGates) {
        gates.pause(conn, Pause::Disk);
        self.stats.requests_waited_disk += 1;
        self.waiting_for_log.push(conn);
    }

    /// Looks at how the disk gets along, with a checkpoint of about so many bytes to be written;
    /// lets clients go on that waited for it.
    pub(super) fn update(
        &mut self,
        checkpoint_bytes: u64,
        logs: &mut Logs,
        gates: &mut ReadGates,
        now_ms: u64,
    ) {
        // A checkpoint may grow.
        let checkpoint = checkpoint_bytes * 2;
        let disk = &mut logs.disk;
        let each = ON_THE_WAY_BYTES.min(2 * disk.capacity());
        // A log that has little of its own is not worth a reserve of much.
        let on_the_way = u64::from(self.shards - 1) * each;
        disk.set_reserve(on_the_way.min(disk.written_bytes()), checkpoint);
        let (appended, staged) = (disk.appended(), disk.staged_bytes());
        let room = disk.room_for_messages();
        let left_alone = (checkpoint / 2).max(disk.capacity_min() / REQUESTS_LEAVE);
        let requests_room = disk.room().saturating_sub(left_alone);
        let bound = if self.behind { STAGED_BYTES_MAX / 2 } else { STAGED_BYTES_MAX };
        self.behind = staged >= bound;
        self.lacking = room < self.least.unwrap_or(1);
        self.lacks_large = disk.is_refused() && !self.waiting_for_large.is_empty();
        let is_closed = self.behind || self.low;
        self.staged_end = if is_closed { 0 } else { appended + STAGED_BYTES_MAX - staged };
        self.room_end = appended + room;
        let unstaged = if self.behind { 0 } else { STAGED_BYTES_MAX - staged };
        self.requests_end = appended + unstaged.min(requests_room);
        if !self.is_any() {
            self.least = None;
            resume(std::mem::take(&mut self.waiting), gates, now_ms);
        }
        if appended < self.requests_end {
            resume(std::mem::take(&mut self.waiting_for_log), gates, now_ms);
        }
    }

    /// Publishers of messages larger than a segment look again whether there is a file.
    pub(super) fn resume_large(&mut self, gates: &mut ReadGates, now_ms: u64) {
        resume(std::mem::take(&mut self.waiting_for_large), gates, now_ms);
    }

    /// Another shard's disk is short of something, or not any more.
    pub(crate) fn set_peer_short(
        &mut self,
        shard: ShardId,
        short: bool,
        gates: &mut ReadGates,
        now_ms: u64,
    ) {
        if short {
            return self.peers.insert(shard);
        }
        self.peers.take(shard);
        resume(std::mem::take(&mut self.waiting_for_peers), gates, now_ms);
    }

    /// Whether this shard's disk is short of something, if the other shards are to be told anew.
    pub(crate) fn take_news(&mut self) -> Option<bool> {
        let is_short = self.is_any();
        (std::mem::replace(&mut self.told, is_short) != is_short).then_some(is_short)
    }

    /// The file system's free space was looked at.
    pub(super) fn on_space(&mut self, free: u64, total: u64, logs: &mut Logs) {
        let percent = |share: u8| total / 100 * u64::from(share);
        let least = match self.low_at {
            Some(Threshold::Bytes(bytes)) => bytes,
            Some(Threshold::Percent(share)) => percent(share),
            None => DISK_LOW_BYTES_DEFAULT.min(percent(DISK_LOW_PERCENT_DEFAULT)),
        };
        self.space = [free, total, least];
        let low = free < least;
        if low == self.low {
            return;
        }
        self.low = low;
        logs.disk.set_sheds(low);
        let mib = free >> 20;
        if low {
            self.stats.disk_low += 1;
            warn!("{mib} MiB of disk left (--disk-low): publishers that need the disk wait");
        } else {
            info!("{mib} MiB of disk left: publishers go on");
        }
    }
}

fn resume(waiting: Vec<ConnId>, gates: &mut ReadGates, now_ms: u64) {
    for conn in waiting {
        gates.resume(conn, Pause::Disk, now_ms);
    }
}
