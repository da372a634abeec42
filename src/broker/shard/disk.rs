//! Requests to the disk, their results, and the clients that wait for them.

use crate::store::{FileId, GroupWrite, Mapping, Request};

use super::super::connection::Phase;
use super::super::names::{ConnId, Context, DEFAULT_VHOST, Options, ShardSet};
use super::super::peer::PeerMessage;
use super::super::storage::is_committed;
use super::Shard;

impl Shard {
    /// The next request of this shard to the disk's helper.
    pub fn next_disk_request(&mut self) -> Option<Request> {
        self.logs.disk.next_request().or_else(|| self.expiry.next_clock_request())
    }

    /// The number of bytes that are in the log but not committed.
    pub fn staged_bytes(&self) -> u64 {
        self.logs.disk.staged_bytes()
    }

    /// The next write, if none is under way. Bytes for which no reply waits are held for a short
    /// time to gather more.
    pub fn next_write(&mut self, now_ms: u64) -> Option<GroupWrite> {
        self.storage.next_write(&mut self.logs, now_ms)
    }

    /// A write has ended.
    pub fn on_written(&mut self, result: std::io::Result<()>, now_ms: u64) {
        self.storage.on_written(result, &mut self.logs, &mut self.gates, now_ms);
        self.meters.note_committed(self.logs.disk.committed());
    }

    /// A requested file has arrived.
    pub fn on_supplied(&mut self, id: FileId, mapping: Box<dyn Mapping>, now_ms: u64) {
        self.storage.on_supplied((id, mapping), &mut self.logs, &mut self.gates, now_ms);
    }

    /// A requested file cannot be had.
    pub fn on_supply_refused(&mut self, error: &std::io::Error, now_ms: u64) {
        self.storage.on_refused(error, &mut self.logs, &mut self.gates, now_ms);
    }

    /// Reports the file system's free space and its size, in bytes.
    pub fn on_space(&mut self, free: u64, total: u64, now_ms: u64) {
        self.storage.on_space((free, total), &mut self.logs, &mut self.gates, now_ms);
    }

    /// Records the end of the log if it is committed; nothing more is appended.
    pub fn end_log(&mut self) {
        if self.is_committed() {
            self.logs.disk.end();
        }
    }

    /// The end of the log, and the end of its part whose promises may be kept.
    pub fn log_marks(&mut self) -> (u64, u64) {
        (self.logs.disk.appended(), self.logs.settled())
    }

    /// Whether everything that was appended is committed.
    pub fn is_committed(&self) -> bool {
        is_committed(&self.logs)
    }

    /// Ends a turn: writes acknowledgements, releases free segments and takes a step of
    /// housekeeping. Returns whether there is more to do at once.
    pub fn end_turn(&mut self, context: &mut Context<'_>) -> bool {
        if self.traces.is_on() {
            self.collect_traced(context.now_ms);
        }
        self.flush_groups(context);
        let (time_ms, now_ms) = (self.time_ms(context.now_ms), context.now_ms);
        let (catalog, logs) = (&mut self.catalog, &mut self.logs);
        let more = self.storage.end_turn(catalog, logs, &mut self.gates, time_ms, now_ms);
        self.announce_shortage(context);
        more || self.gates.has_events()
    }

    /// Whether a client's request that changes its durable session has to wait for the log. Then it
    /// is handled later.
    #[inline]
    pub(super) fn waits_for_log(&mut self, conn: ConnId) -> bool {
        self.storage.shortage().holds_requests(&self.logs.disk) && self.may_wait_for_log(conn)
    }

    #[cold]
    fn may_wait_for_log(&mut self, conn: ConnId) -> bool {
        let is_exempt = match self.connections.phase(conn) {
            Some(Phase::Open(open)) => {
                let session = self.catalog.session(open.session);
                let is_behind = self.storage.shortage().is_behind();
                session.clean || session.queue.stored_bytes() > 0 && !is_behind
            }
            Some(Phase::Connecting(_)) => false,
            Some(Phase::Closed) | None => true,
        };
        if !is_exempt {
            self.storage.shortage_mut().hold_request(conn, &mut self.gates);
        }
        !is_exempt
    }

    /// Tells the other shards when this shard begins or ceases to be short of disk space or time.
    fn announce_shortage(&mut self, context: &mut Context<'_>) {
        let Options { shard, shards, .. } = self.options;
        if let Some(is_short) = self.storage.shortage_mut().take_news()
            && shards > 1
        {
            let message = if is_short { PeerMessage::Short } else { PeerMessage::Ample };
            message.send(DEFAULT_VHOST, ShardSet::all_but(shards, shard), context.peers);
        }
    }
}
