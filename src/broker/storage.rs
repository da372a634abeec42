//! What waits for the disk, and what keeps it in order: publishers while space or time is short,
//! publishers of sessions that are full, sessions that nobody comes back to.

use std::collections::{BTreeMap, BTreeSet};

use log::{info, warn};

use crate::limits::{
    DISK_LOW_BYTES_DEFAULT, DISK_LOW_PERCENT_DEFAULT, LAZY_BYTES_MAX, LAZY_MS, STAGED_BYTES_MAX,
};
use crate::store::{FileId, GroupWrite, Mapping, Request, SessionKey};

use super::letter::Source;
use super::peers::{PeerMessage, ShardId, ShardSet};
use super::shard::{Context, Event, Shard};
use super::vhost::DEFAULT_VHOST;
use super::{ConnId, Overflow, Threshold};

/// Sessions that one look for expired ones visits.
const EXPIRY_STEP: usize = 1024;

/// Longest time between two looks, milliseconds; a quarter of the expiry if that is less.
const EXPIRY_PERIOD_MS_MAX: u64 = 60_000;

/// Time between two tries to get a file, and between two notes of what was dropped, milliseconds.
const RETRY_MS: u64 = 1_000;
const DROPS_NOTED_MS: u64 = 60_000;

/// How the disk gets along, and who waits for it.
///
/// ```text
///        staged over its bound, or free space below --disk-low
///  Fine ──────────────────────────────────────────────────────► Short
///    ▲        staged below half of it, and free space again       │
///    └────────────────────────────────────────────────────────────┘
/// ```
#[derive(Default, Debug)]
pub(super) struct DiskState {
    short: bool,
    /// Free space is below the threshold.
    low: bool,
    waiting: Vec<ConnId>,
    retry_ms: Option<u64>,
    /// When what is staged and nobody waits for is to be written.
    lazy_ms: Option<u64>,
    /// When to look for sessions that have expired, and from which one on.
    expiry_ms: Option<u64>,
    expiry_from: Option<SessionKey>,
    drops_noted_ms: u64,
    drops_noted: u64,
}

impl DiskState {
    /// Whether publishers that need the disk must wait.
    #[inline]
    pub(super) fn is_short(&self) -> bool {
        self.short
    }
}

/// Publishers that wait for sessions to have room.
pub(super) type Blocked = BTreeMap<SessionKey, BTreeSet<(ShardId, ConnId)>>;

impl Shard {
    /// What this shard's part of the disk is asked for next.
    pub fn next_disk_request(&mut self) -> Option<Request> {
        self.out.logs.disk.next_request()
    }

    /// What is to be written next, if nothing is being written. What nobody waits for waits a
    /// little for more.
    pub fn next_write(&mut self, now_ms: u64) -> Option<GroupWrite> {
        let staged = self.out.logs.disk.staged_bytes();
        if staged == 0 {
            self.disk.lazy_ms = None;
            return None;
        }
        if self.out.logs.is_settled() && staged < LAZY_BYTES_MAX {
            let due_ms = *self.disk.lazy_ms.get_or_insert(now_ms + LAZY_MS);
            if now_ms < due_ms {
                return None;
            }
        }
        // Without one the end of another write, or a file, has it looked for again.
        self.disk.lazy_ms = None;
        self.out.logs.disk.next_write()
    }

    /// The write has ended.
    pub fn on_written(&mut self, result: std::io::Result<()>, now_ms: u64) {
        if result.is_err() {
            self.out.stats.disk_write_failures += 1;
            // After several in a row the log asks for no more files until it is told to.
            self.disk.retry_ms.get_or_insert(now_ms + RETRY_MS);
        }
        self.out.logs.disk.on_written(result);
        self.judge_disk();
    }

    /// A file has come that was asked for.
    pub fn on_supplied(&mut self, id: FileId, mapping: Box<dyn Mapping>) {
        self.out.logs.disk.on_supplied(id, mapping);
        self.judge_disk();
    }

    /// A file was asked for and there is none.
    pub fn on_supply_refused(&mut self, error: &std::io::Error, now_ms: u64) {
        self.out.stats.disk_supply_failures += 1;
        if self.out.stats.disk_supply_failures.is_power_of_two() {
            let count = self.out.stats.disk_supply_failures;
            warn!("no room for another segment file, trying again each second: {error} ({count})");
        }
        self.out.logs.disk.on_refused(error);
        self.disk.retry_ms = Some(now_ms + RETRY_MS);
        self.judge_disk();
    }

    /// The file system's free space was looked at.
    pub fn on_space(&mut self, free: u64, total: u64) {
        let percent = |share: u8| total / 100 * u64::from(share);
        let least = match self.out.options.disk_low {
            Some(Threshold::Bytes(bytes)) => bytes,
            Some(Threshold::Percent(share)) => percent(share),
            None => DISK_LOW_BYTES_DEFAULT.min(percent(DISK_LOW_PERCENT_DEFAULT)),
        };
        let low = free < least;
        if low != self.disk.low {
            self.disk.low = low;
            let mib = free >> 20;
            if low {
                self.out.stats.disk_low += 1;
                warn!("{mib} MiB of disk left (--disk-low): publishers that need the disk wait");
            } else {
                info!("{mib} MiB of disk left: publishers go on");
            }
        }
        self.judge_disk();
    }

    /// How far the log goes, and how far what it promises is kept.
    pub fn log_marks(&mut self) -> (u64, u64) {
        (self.out.logs.disk.appended(), self.out.logs.settled())
    }

    /// Whether everything that was appended is committed.
    pub fn is_committed(&self) -> bool {
        self.out.logs.disk.staged_bytes() == 0
    }

    /// Ends a turn: acknowledgements are written, segments that are free go, and housekeeping takes
    /// a step; whether it has more to do at once.
    pub fn end_turn(&mut self) -> bool {
        self.catalog.write_acks(&mut self.out.logs);
        self.out.logs.end_turn();
        self.out.logs.disk.end_turn();
        self.judge_disk();
        // Where space is low this is what makes some.
        let behind = self.out.logs.disk.staged_bytes() > STAGED_BYTES_MAX;
        !behind && self.housekeeping.step(&mut self.catalog, &mut self.out.logs)
    }

    /// Notes that a publisher's next message waits for the disk.
    pub(super) fn wait_for_disk(&mut self, conn: ConnId) {
        if let Some(connection) = self.out.connections.get_mut(conn)
            && !std::mem::replace(&mut connection.needs_disk, true)
        {
            self.disk.waiting.push(conn);
            self.out.stats.publishers_waited_disk += 1;
        }
    }

    fn judge_disk(&mut self) {
        let staged = self.out.logs.disk.staged_bytes();
        let bound = if self.disk.short { STAGED_BYTES_MAX / 2 } else { STAGED_BYTES_MAX };
        self.disk.short = self.disk.low || staged > bound;
        if self.disk.short {
            return;
        }
        for conn in std::mem::take(&mut self.disk.waiting) {
            if let Some(connection) = self.out.connections.get_mut(conn) {
                connection.needs_disk = false;
                self.out.events.push_back(Event::Resume(conn));
            }
        }
    }

    /// A session has more waiting than it may.
    pub(super) fn handle_overflow(
        &mut self,
        key: SessionKey,
        source: Source,
        context: &mut Context<'_>,
    ) {
        match self.out.options.session_overflow {
            Overflow::Block => return self.block(key, source, context),
            // The next one is not taken.
            Overflow::DropNewest => return,
            Overflow::DropOldest => {}
        }
        let session = self.catalog.sessions.get_mut(key);
        while session.queue.stored_bytes() > self.out.options.session_bytes_max
            && self.out.drop_oldest(session)
        {}
        self.catalog.note_acks(key);
    }

    /// Has a publisher wait until a session has room.
    fn block(&mut self, key: SessionKey, source: Source, context: &mut Context<'_>) {
        let Some((shard, publisher)) = self.publisher_of(source) else { return };
        if !self.blocked.entry(key).or_default().insert((shard, publisher)) {
            return;
        }
        self.out.stats.publishers_blocked += 1;
        if shard == self.out.options.shard {
            self.out.block(publisher);
        } else {
            let message = PeerMessage::Block { conn: publisher };
            message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
        }
    }

    /// Lets those go on who wait for a session, if it has room again or is gone.
    pub(super) fn relieve_session(&mut self, key: SessionKey, context: &mut Context<'_>) {
        if self.blocked.is_empty() {
            return;
        }
        let full = self.catalog.sessions.try_get(key).is_some_and(|session| {
            session.queue.stored_bytes() > self.out.options.session_bytes_max / 4 * 3
        });
        if full {
            return;
        }
        for (shard, publisher) in self.blocked.remove(&key).unwrap_or_default() {
            if shard == self.out.options.shard {
                self.unblock(publisher, context);
            } else {
                let message = PeerMessage::Unblock { conn: publisher };
                message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
            }
        }
    }

    /// A session this publisher waited for has room, or is gone.
    pub(super) fn unblock(&mut self, conn: ConnId, context: &mut Context<'_>) {
        let Some(connection) = self.out.connections.get_mut(conn) else { return };
        connection.blocks -= 1;
        if connection.blocks > 0 {
            return;
        }
        connection.last_packet_ms = context.now_ms;
        for reply in std::mem::take(&mut connection.withheld) {
            self.keep_promise(conn, &reply, context);
        }
        self.out.events.push_back(Event::Resume(conn));
    }

    /// When [`Shard::on_storage_due`] is due.
    pub(super) fn storage_due_ms(&self) -> Option<u64> {
        let disk = &self.disk;
        disk.retry_ms.into_iter().chain(disk.lazy_ms).chain(disk.expiry_ms).min()
    }

    /// Asks for a file again; looks for sessions whose clients stayed away too long.
    pub(super) fn on_storage_due(&mut self, context: &mut Context<'_>) {
        let is_due = |due_ms: Option<u64>| due_ms.is_some_and(|due_ms| due_ms <= context.now_ms);
        if is_due(self.disk.retry_ms) {
            self.disk.retry_ms = None;
            self.out.logs.disk.retry_supply();
        }
        if is_due(self.disk.expiry_ms) {
            self.expire_some(context);
        }
        self.note_drops(context.now_ms);
    }

    /// Has sessions looked at in a while: one may have expired then.
    pub(super) fn expect_expiry(&mut self, now_ms: u64) {
        let expiry_ms = self.out.options.session_expiry_ms;
        if expiry_ms > 0 && self.disk.expiry_ms.is_none() {
            let period_ms = (expiry_ms / 4).clamp(1, EXPIRY_PERIOD_MS_MAX);
            self.disk.expiry_ms = Some(now_ms + period_ms);
        }
    }

    fn expire_some(&mut self, context: &mut Context<'_>) {
        let expiry_ms = self.out.options.session_expiry_ms;
        let time_ms = self.out.time_ms(context);
        let from = self.disk.expiry_from.take().unwrap_or(0);
        let mut keys: Vec<SessionKey> =
            self.catalog.sessions.keys_from(from).take(EXPIRY_STEP + 1).collect();
        self.disk.expiry_from = keys.get(EXPIRY_STEP).copied();
        keys.truncate(EXPIRY_STEP);
        for key in keys {
            let session = self.catalog.sessions.get(key);
            if session.holder.is_none() && session.left_ms + expiry_ms <= time_ms {
                info!("{:?}: session expired (--session-expiry)", session.client_id);
                self.out.stats.sessions_expired += 1;
                self.end_session(key, context);
            }
        }
        self.disk.expiry_ms = None;
        if self.disk.expiry_from.is_some() {
            self.disk.expiry_ms = Some(context.now_ms);
        } else if !self.catalog.sessions.is_empty() {
            self.expect_expiry(context.now_ms);
        }
    }

    /// Says once a minute how much was dropped for full sessions.
    fn note_drops(&mut self, now_ms: u64) {
        let stats = &self.out.stats;
        let dropped = stats.queued_dropped_oldest + stats.queued_dropped_newest;
        if dropped == self.disk.drops_noted || now_ms < self.disk.drops_noted_ms + DROPS_NOTED_MS {
            return;
        }
        let count = dropped - self.disk.drops_noted;
        warn!("{count} messages for full sessions were dropped since the last such line");
        (self.disk.drops_noted, self.disk.drops_noted_ms) = (dropped, now_ms);
    }
}
