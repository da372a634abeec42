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
//! Who waits is not read from, so a client that publishes and consumes over one connection cannot
//! acknowledge meanwhile what it has been sent; a disk that only such clients could empty stays
//! full until one of them connects again.
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
use crate::mqtt::{Publish, QoS};

use super::connection::Phase;
use super::peers::{PeerMessage, ShardId, ShardSet};
use super::routes::Ticket;
use super::shard::{Context, Event, Shard};
use super::vhost::{DEFAULT_VHOST, VhostId};
use super::{ConnId, Options, Threshold, placement};

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
#[derive(Default, Debug)]
pub(super) struct Shortage {
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
}

impl Shortage {
    /// Whether it would be over if there were more space.
    pub(super) fn is_of_space(&self) -> bool {
        self.low || self.lacking || self.lacks_large
    }

    /// Free bytes of the file system, all, and the free ones below which it is low.
    pub(super) fn space(&self) -> [u64; 3] {
        self.space
    }

    pub(super) fn is_any(&self) -> bool {
        self.behind || self.low || self.lacking
    }
}

impl Shard {
    /// Whether a message must wait for a disk, here or on another shard. Then its publisher is
    /// noted: it is to go on later.
    #[inline]
    pub(super) fn waits_for_disk(
        &mut self,
        conn: ConnId,
        vhost: VhostId,
        route: Ticket,
        publish: &Publish<'_>,
    ) -> bool {
        let bytes = publish.topic.as_str().len() + publish.payload.len() + RECORD_BYTES;
        let (appended, shortage) = (self.out.logs.disk.appended(), &self.shortage);
        let is_plain = bytes <= PLAIN_BYTES
            && appended < shortage.staged_end
            && appended + (bytes as u64) < shortage.room_end
            && shortage.peers.is_empty();
        !is_plain && self.may_wait_for_disk(conn, vhost, route, publish, bytes)
    }

    #[cold]
    fn may_wait_for_disk(
        &mut self,
        conn: ConnId,
        vhost: VhostId,
        route: Ticket,
        publish: &Publish<'_>,
        bytes: usize,
    ) -> bool {
        let here = self.out.options.shard;
        let place = &self.vhosts[vhost];
        let route = place.exchange.routes.get(route);
        let is_kept = publish.qos > QoS::AtMostOnce;
        let mut concerned = if is_kept { route.remote } else { ShardSet::default() };
        if is_kept && route.stores {
            concerned.insert(here);
        }
        if publish.retain {
            let (topic, shards) = (publish.topic.as_str(), self.out.options.shards);
            concerned.insert(placement::keeper_of(&place.name, topic, shards));
        }
        let bytes = (bytes + route.targets.len() * TARGET_BYTES) as u64;
        let appended = self.out.logs.disk.appended();
        let shortage = &mut self.shortage;
        if shortage.peers.iter().any(|shard| concerned.contains(shard)) {
            shortage.waiting_for_peers.push(conn);
        } else if !concerned.contains(here) {
            return false;
        } else {
            // One that may be larger than a file that is ready takes no room that others need: the
            // log says whether it has one for it.
            let is_large = bytes > self.out.logs.disk.capacity_min().min(PLAIN_BYTES as u64);
            let needed = if is_large { 1 } else { bytes };
            if appended >= shortage.staged_end || appended + needed > shortage.room_end {
                shortage.waiting.push(conn);
                shortage.least = Some(shortage.least.map_or(needed, |least| least.min(needed)));
            } else if is_large && !self.out.logs.disk.is_ready_for(bytes) {
                shortage.waiting_for_large.push(conn);
            } else {
                return false;
            }
        }
        self.await_disk(conn);
        self.out.stats.publishers_waited_disk += 1;
        true
    }

    /// Whether a client's request that its durable session must know has to wait for the log. Then
    /// the client is noted: it is to go on later.
    #[inline]
    pub(super) fn waits_for_log(&mut self, conn: ConnId) -> bool {
        self.out.logs.disk.appended() >= self.shortage.requests_end && self.may_wait_for_log(conn)
    }

    #[cold]
    fn may_wait_for_log(&mut self, conn: ConnId) -> bool {
        let Some(connection) = self.out.connections.get(conn) else { return false };
        let is_exempt = match &connection.phase {
            Phase::Open(open) => {
                let session = self.catalog.sessions.get(open.session);
                session.clean || session.queue.stored_bytes() > 0 && !self.shortage.behind
            }
            Phase::Greeting(_) => false,
            Phase::Closed => true,
        };
        if !is_exempt {
            self.await_disk(conn);
            self.out.stats.requests_waited_disk += 1;
            self.shortage.waiting_for_log.push(conn);
        }
        !is_exempt
    }

    fn await_disk(&mut self, conn: ConnId) {
        if let Some(connection) = self.out.connections.get_mut(conn) {
            connection.needs_disk = true;
        }
    }

    /// Looks at how the disk gets along; lets publishers go on that waited for it.
    pub(super) fn judge_disk(&mut self) {
        // A checkpoint may grow.
        let checkpoint = self.housekeeping.checkpoint_bytes() * 2;
        let disk = &mut self.out.logs.disk;
        let each = ON_THE_WAY_BYTES.min(2 * disk.capacity());
        // A log that has little of its own is not worth a reserve of much.
        let on_the_way = u64::from(self.out.options.shards - 1) * each;
        disk.set_reserve(on_the_way.min(disk.written_bytes()), checkpoint);
        let (appended, staged) = (disk.appended(), disk.staged_bytes());
        let room = disk.room_for_messages();
        let left_alone = (checkpoint / 2).max(disk.capacity_min() / REQUESTS_LEAVE);
        let requests_room = disk.room().saturating_sub(left_alone);
        let shortage = &mut self.shortage;
        let bound = if shortage.behind { STAGED_BYTES_MAX / 2 } else { STAGED_BYTES_MAX };
        shortage.behind = staged >= bound;
        shortage.lacking = room < shortage.least.unwrap_or(1);
        shortage.lacks_large = disk.is_refused() && !shortage.waiting_for_large.is_empty();
        let is_closed = shortage.behind || shortage.low;
        shortage.staged_end = if is_closed { 0 } else { appended + STAGED_BYTES_MAX - staged };
        shortage.room_end = appended + room;
        let unstaged = if shortage.behind { 0 } else { STAGED_BYTES_MAX - staged };
        shortage.requests_end = appended + unstaged.min(requests_room);
        let requests_go_on = appended < shortage.requests_end;
        if !shortage.is_any() {
            shortage.least = None;
            let waiting = std::mem::take(&mut shortage.waiting);
            self.resume_publishers(waiting);
        }
        if requests_go_on {
            let waiting = std::mem::take(&mut self.shortage.waiting_for_log);
            self.resume_publishers(waiting);
        }
    }

    fn resume_publishers(&mut self, waiting: Vec<ConnId>) {
        for conn in waiting {
            if let Some(connection) = self.out.connections.get_mut(conn) {
                connection.needs_disk = false;
                self.out.events.push_back(Event::Resume(conn));
            }
        }
    }

    /// Publishers of messages larger than a segment look again whether there is a file.
    pub(super) fn resume_large(&mut self) {
        let waiting = std::mem::take(&mut self.shortage.waiting_for_large);
        self.resume_publishers(waiting);
    }

    /// Another shard's disk is short of something, or not any more.
    pub(super) fn set_peer_short(&mut self, shard: ShardId, short: bool) {
        if short {
            return self.shortage.peers.insert(shard);
        }
        self.shortage.peers.take(shard);
        let waiting = std::mem::take(&mut self.shortage.waiting_for_peers);
        self.resume_publishers(waiting);
    }

    /// Tells the other shards, if there is something new.
    pub(super) fn tell_of_shortage(&mut self, context: &mut Context<'_>) {
        let is_short = self.shortage.is_any();
        let Options { shard, shards, .. } = self.out.options;
        if std::mem::replace(&mut self.shortage.told, is_short) != is_short && shards > 1 {
            let message = if is_short { PeerMessage::Short } else { PeerMessage::Ample };
            message.send(DEFAULT_VHOST, ShardSet::all_but(shards, shard), context.peers);
        }
    }

    /// The file system's free space was looked at.
    pub fn on_space(&mut self, free: u64, total: u64) {
        let percent = |share: u8| total / 100 * u64::from(share);
        let least = match self.out.options.disk_low {
            Some(Threshold::Bytes(bytes)) => bytes,
            Some(Threshold::Percent(share)) => percent(share),
            None => DISK_LOW_BYTES_DEFAULT.min(percent(DISK_LOW_PERCENT_DEFAULT)),
        };
        self.shortage.space = [free, total, least];
        let low = free < least;
        if low != self.shortage.low {
            self.shortage.low = low;
            self.out.logs.disk.set_sheds(low);
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
}
