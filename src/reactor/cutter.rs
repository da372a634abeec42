//! Received bytes, cut into packets that the broker handles.

use crate::broker::{CloseReason, ConnId, Context, Flow, Shard, ShardId};
use crate::limits::{LINK_WORK_MAX, PRE_CONNECT_BYTES_MAX};
use crate::mqtt::{
    AckRun, DecodeError, Foreign, Packet, Version, connect_version, decode_from_client, peek_frame,
};
use crate::ring::Wake;

use super::outboxes::Outboxes;

/// The reason to stop cutting bytes into packets.
pub(super) enum Cut {
    /// The remaining bytes are not a complete packet.
    Partial,
    /// The connection waits for the output of others.
    Pause,
    /// Other links go first: this one has had its share of the turn, or a ring to another shard is
    /// full.
    Yield,
    /// The connection has ended.
    Stop,
    /// The session lives on another shard.
    Move(ShardId),
}

/// See the file.
pub(super) struct Cutter<'a, P> {
    pub(super) broker: &'a mut Shard,
    pub(super) outboxes: &'a mut P,
    pub(super) now_ms: u64,
    pub(super) shard: ShardId,
    pub(super) packet_bytes_max: usize,
    /// The fault of the last bytes, if they were malformed.
    pub(super) fault: Option<DecodeError>,
}

impl<S: Send, W: Wake> Cutter<'_, Outboxes<S, W>> {
    /// Handles the complete packets at the start of `bytes`; returns their size.
    pub(super) fn cut(&mut self, conn: ConnId, bytes: &[u8]) -> (usize, Cut) {
        let mut used = 0;
        // There is one packet, or two or more with an enhanced authentication.
        while self.broker.is_connecting(conn) {
            match self.greet(conn, &bytes[used..]) {
                Ok(packet_bytes) => used += packet_bytes,
                Err(cut) => return (used, cut),
            }
            if self.broker.flow(conn) == Flow::Pause {
                return (used, Cut::Pause);
            }
        }
        let Some(version) = self.broker.version(conn) else {
            return (used, Cut::Stop);
        };
        let work_max = self.broker.work() + LINK_WORK_MAX;
        while used < bytes.len() {
            if self.outboxes.is_full() || self.broker.work() >= work_max {
                return (used, Cut::Yield);
            }
            let rest = &bytes[used..];
            let mut handled = self.next_acks(conn, rest, work_max);
            if handled.0 == 0 {
                handled = self.next(conn, version, rest, self.packet_bytes_max);
            }
            match handled {
                (_, Flow::Stop) => return (used, Cut::Stop),
                (0, _) => return (used, Cut::Partial),
                (packet_bytes, Flow::Continue) => used += packet_bytes,
                (packet_bytes, Flow::Pause) => {
                    return (used + packet_bytes, Cut::Pause);
                }
                (_, Flow::Wait) => return (used, Cut::Pause),
            }
        }
        (used, Cut::Partial)
    }

    /// Handles the first packet of a connection, if it is complete and this is its home shard.
    fn greet(&mut self, conn: ConnId, bytes: &[u8]) -> Result<usize, Cut> {
        let max = self.packet_bytes_max.min(PRE_CONNECT_BYTES_MAX);
        if self.broker.is_authenticating(conn) {
            return self.greet_next(conn, Version::V5, bytes, max);
        }
        if let Some(foreign) = Foreign::before_connect(bytes) {
            let mut context = Context { now_ms: self.now_ms, peers: self.outboxes };
            self.broker.close(conn, CloseReason::Foreign(foreign), &mut context);
            return Err(Cut::Stop);
        }
        if let Ok(Some(frame)) = peek_frame(Version::V311, bytes, max)
            && bytes.len() >= frame.total_bytes
            && let Ok(Packet::Connect(connect)) = decode_from_client(Version::V311, frame, bytes)
        {
            let home = self.broker.home_of(conn, &connect);
            if home != self.shard {
                return Err(Cut::Move(home));
            }
        }
        self.greet_next(conn, Version::V311, bytes, max)
    }

    fn greet_next(
        &mut self,
        conn: ConnId,
        version: Version,
        bytes: &[u8],
        max: usize,
    ) -> Result<usize, Cut> {
        match self.next(conn, version, bytes, max) {
            (_, Flow::Stop) => Err(Cut::Stop),
            (_, Flow::Wait) => Err(Cut::Pause),
            (0, _) => Err(Cut::Partial),
            (packet_bytes, _) => Ok(packet_bytes),
        }
    }

    /// Handles the run of acknowledgements at the start of `bytes`, as far as they can be handled
    /// together; returns their size, or 0.
    #[inline]
    fn next_acks(&mut self, conn: ConnId, bytes: &[u8], work_max: u64) -> (usize, Flow) {
        let count_max = u16::try_from(work_max - self.broker.work()).unwrap_or(u16::MAX);
        let Some(run) = AckRun::peek(bytes, count_max) else { return (0, Flow::Continue) };
        let mut context = Context { now_ms: self.now_ms, peers: self.outboxes };
        let (count, flow) = self.broker.handle_ack_run(conn, run, &mut context);
        (usize::from(count) * AckRun::PACKET_BYTES, flow)
    }

    /// Handles the packet at the start of `bytes`; returns its size, or 0 if it is incomplete.
    #[inline]
    fn next(&mut self, conn: ConnId, version: Version, bytes: &[u8], max: usize) -> (usize, Flow) {
        let mut context = Context { now_ms: self.now_ms, peers: self.outboxes };
        let frame = match peek_frame(version, bytes, max) {
            Ok(Some(frame)) if frame.total_bytes <= bytes.len() => frame,
            Ok(_) => return (0, Flow::Continue),
            Err(error) => return self.fail(conn, error, bytes),
        };
        // By reference, because a packet is large to move.
        match &decode_from_client(version, frame, bytes) {
            Ok(packet) => {
                (frame.total_bytes, self.broker.handle_packet(conn, packet, &mut context))
            }
            Err(error) => self.fail(conn, *error, bytes),
        }
    }

    /// Handles malformed bytes. In MQTT 5, a client with a malformed CONNECT gets an answer.
    #[cold]
    fn fail(&mut self, conn: ConnId, error: DecodeError, bytes: &[u8]) -> (usize, Flow) {
        self.fault = Some(error);
        let mut context = Context { now_ms: self.now_ms, peers: self.outboxes };
        let is_v5 =
            || self.broker.is_authenticating(conn) || connect_version(bytes) == Some(Version::V5);
        if self.broker.is_connecting(conn) && is_v5() {
            self.broker.refuse_malformed_v5(conn, error, &mut context);
        } else {
            self.broker.handle_fault(conn, error, &mut context);
        }
        (0, Flow::Stop)
    }
}
