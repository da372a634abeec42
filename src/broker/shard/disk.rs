//! What the disk is asked for, what it answers, and the clients that wait for it.

use crate::store::{FileId, GroupWrite, Mapping, Request};

use super::super::connection::Phase;
use super::super::names::{ConnId, Context, DEFAULT_VHOST, Options, ShardSet};
use super::super::peer::PeerMessage;
use super::super::storage::is_committed;
use super::Shard;

impl Shard {
    /// What this shard's part of the disk is asked for next.
    pub fn next_disk_request(&mut self) -> Option<Request> {
        self.logs.disk.next_request().or_else(|| self.expiry.next_clock_request())
    }

    /// What is to be written next, if nothing is being written. What no reply waits for waits a
    /// little for more.
    pub fn next_write(&mut self, now_ms: u64) -> Option<GroupWrite> {
        self.storage.next_write(&mut self.logs, now_ms)
    }

    /// The write has ended.
    pub fn on_written(&mut self, result: std::io::Result<()>, now_ms: u64) {
        self.storage.on_written(result, &mut self.logs, &mut self.gates, now_ms);
        self.meters.note_committed(self.logs.disk.committed());
    }

    /// A file has come that was asked for.
    pub fn on_supplied(&mut self, id: FileId, mapping: Box<dyn Mapping>, now_ms: u64) {
        self.storage.on_supplied((id, mapping), &mut self.logs, &mut self.gates, now_ms);
    }

    /// A file was asked for and there is none.
    pub fn on_supply_refused(&mut self, error: &std::io::Error, now_ms: u64) {
        self.storage.on_refused(error, &mut self.logs, &mut self.gates, now_ms);
    }

    /// The file system's free space was looked at, of so many bytes in all.
    pub fn on_space(&mut self, free: u64, total: u64, now_ms: u64) {
        self.storage.on_space((free, total), &mut self.logs, &mut self.gates, now_ms);
    }

    /// Nothing more is appended: has the end of the log noted, if it is committed.
    pub fn end_log(&mut self) {
        if self.is_committed() {
            self.logs.disk.end();
        }
    }

    /// How far the log goes, and how far what it promises is kept.
    pub fn log_marks(&mut self) -> (u64, u64) {
        (self.logs.disk.appended(), self.logs.settled())
    }

    /// Whether everything that was appended is committed.
    pub fn is_committed(&self) -> bool {
        is_committed(&self.logs)
    }

    /// Ends a turn: acknowledgements are written, segments that are free go, and housekeeping takes
    /// a step; whether there is more to do at once.
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

    /// Whether a client's request that its durable session must know has to wait for the log. Then
    /// it goes on later.
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

    /// Tells the other shards whether this one is short of something, if that is new.
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
