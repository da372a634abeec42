//! The reasons why publishers wait for the disk: time, space, or another shard's disk.
//!
//! ```text
//!          staged over its bound            staged below half of it
//!  behind ◄──────────────────────── fine ◄──────────────────────────
//!          free space below --disk-low      free space again
//!  low    ◄──────────────────────── fine ◄──────────────────────────
//!          files for the reserve only       a file more
//!  lacking ◄─────────────────────── fine ◄──────────────────────────
//! ```
//! Each of them makes publishers wait, on this shard and on the others, which are told. Messages
//! that are already on their way are stored nevertheless; the reserve has room for them (see
//! [`crate::limits::RESERVE_FILES`]).
//!
//! A waiting client is not read from. So a client that publishes and consumes over one connection
//! cannot acknowledge messages meanwhile. If only such clients could empty the disk, it stays full
//! until one of them reconnects.
//!
//! Other requests that are logged (a new session, SUBSCRIBE, UNSUBSCRIBE, a publisher's QoS 2
//! packets) may use the reserve except its last part: that is kept for the checkpoint that frees a
//! segment. Such requests wait for that part, or while too much is staged. They do not wait for
//! room if messages wait for their client, because it may be one that empties the disk.

use log::{info, warn};

use crate::limits::{
    DISK_LOW_BYTES_DEFAULT, DISK_LOW_PERCENT_DEFAULT, MESH_RING_BYTES, SEGMENT_BYTES_FIRST,
    STAGED_BYTES_MAX,
};
use crate::store::{Log, Logs};

use super::super::names::{ConnId, Options, ShardId, ShardSet, Stats, Threshold};
use super::super::read_gate::{Pause, ReadGates};

/// Upper bound of the bytes of a message's record beside its topic and payload, and of those for
/// each session.
const RECORD_BYTES: usize = 64;
const TARGET_BYTES: usize = 12;

/// Upper bound of the bytes that another shard has on its way when it is told: a ring, and the
/// messages that found it full.
const ON_THE_WAY_BYTES: u64 = (MESH_RING_BYTES + MESH_RING_BYTES / 4) as u64;

/// Size in bytes up to which any segment has room for a record.
const PLAIN_BYTES: usize = 128 * 1024;

const _: () = assert!((PLAIN_BYTES as u64) < SEGMENT_BYTES_FIRST / 4);

/// The share of a first segment that requests leave free, unless checkpoints take more.
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
    /// Whether the other shards were told.
    told: bool,
    /// In this turn messages are appended while the log ends before the first offset, if they end
    /// before the second one.
    staged_end: u64,
    room_end: u64,
    /// In this turn other requests are appended while the log ends before this offset.
    requests_end: u64,
    /// The other shards whose disks are short.
    peers: ShardSet,
    waiting: Vec<ConnId>,
    /// Size in bytes of the smallest waiting message.
    least: Option<u64>,
    waiting_for_peers: Vec<ConnId>,
    /// Publishers whose messages are larger than the ready files and wait for a file of their own.
    waiting_for_large: Vec<ConnId>,
    /// Whether there is no room for such a file.
    lacks_large: bool,
    /// The last known state of the file system: free bytes, all bytes, and the bound of free bytes
    /// below which it is low.
    space: [u64; 3],
    /// Clients whose request is not a message.
    waiting_for_log: Vec<ConnId>,
    pub(super) stats: Stats,
}

/// A message that may have to wait for the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The shards whose disks must store it.
    pub(crate) shards: ShardSet,
    /// Length of its topic and payload in bytes.
    pub(crate) bytes: usize,
    /// Number of this shard's sessions that receive it.
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

    /// Replaces the options, which hold from the next look at free space on.
    pub(crate) fn set_options(&mut self, options: &Options) {
        self.low_at = options.disk_low;
    }

    /// Whether more space would end it.
    pub(crate) fn is_of_space(&self) -> bool {
        self.low || self.lacking || self.lacks_large
    }

    /// Free bytes of the file system, all bytes, and the bound below which it is low.
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

    /// Whether a message with this length of topic and payload need not wait, whichever disks must
    /// store it.
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
            // A message that may be larger than a ready file takes no room that others need: the
            // log says whether it has a file for it.
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

    /// Whether a message without a publisher that could wait cannot be taken now: a publisher would
    /// have to wait for a disk, here or on another shard.
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

    /// Whether a logged request has to wait, unless its client is exempt.
    #[inline]
    pub(crate) fn holds_requests(&self, log: &Log) -> bool {
        log.appended() >= self.requests_end
    }

    /// Lets a client wait with its request, which goes on later.
    pub(crate) fn hold_request(&mut self, conn: ConnId, gates: &mut ReadGates) {
        gates.pause(conn, Pause::Disk);
        self.stats.requests_waited_disk += 1;
        self.waiting_for_log.push(conn);
    }

    /// Updates the state of the disk, with the approximate size of the next checkpoint in bytes;
    /// lets waiting clients go on if it allows.
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
        // A small log does not justify a large reserve.
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

    /// Lets publishers of messages larger than a segment check again for a file.
    pub(super) fn resume_large(&mut self, gates: &mut ReadGates, now_ms: u64) {
        resume(std::mem::take(&mut self.waiting_for_large), gates, now_ms);
    }

    /// Notes whether another shard's disk is short.
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

    /// Whether this shard's disk is short, if that is news for the other shards.
    pub(crate) fn take_news(&mut self) -> Option<bool> {
        let is_short = self.is_any();
        (std::mem::replace(&mut self.told, is_short) != is_short).then_some(is_short)
    }

    /// Takes the file system's free space.
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
