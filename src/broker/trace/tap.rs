//! Packets that were written for traced connections, until the shard attributes them.
//!
//! Invariant: `bytes` is the memory that they take, at most [`TRACE_TAP_BYTES_MAX`] and one packet.

use crate::limits::TRACE_TAP_BYTES_MAX;
use crate::mqtt::{Publish, Version};

use super::super::names::ConnId;
use super::event::{Direction, TracedPacket};

/// See the module.
#[derive(Default, Debug)]
pub(crate) struct Tap {
    packets: Vec<(ConnId, TracedPacket)>,
    bytes: usize,
    /// Number of packets for which there was no room.
    skipped: u64,
    /// Number of payload bytes that are kept.
    payload_max: usize,
    /// Whether the traces take no packets now.
    is_closed: bool,
}

impl Tap {
    pub(crate) fn set_payload_max(&mut self, payload_max: usize) {
        self.payload_max = payload_max;
    }

    /// Notes a written packet, given as bytes.
    #[cold]
    pub(crate) fn note(&mut self, conn: ConnId, version: Version, bytes: &[u8]) {
        if self.has_room() {
            self.keep(conn, TracedPacket::of_bytes(Direction::Sent, version, bytes));
        }
    }

    /// Notes a written PUBLISH.
    #[cold]
    pub(crate) fn note_publish(&mut self, conn: ConnId, version: Version, publish: &Publish<'_>) {
        if self.has_room() {
            let payload_max = self.payload_max;
            let packet = TracedPacket::of_publish(Direction::Sent, version, publish, payload_max);
            self.keep(conn, packet);
        }
    }

    /// Sets whether packets are only counted, because no trace takes any now.
    pub(crate) fn set_closed(&mut self, is_closed: bool) {
        self.is_closed = is_closed;
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.bytes < TRACE_TAP_BYTES_MAX && !self.is_closed;
        self.skipped += u64::from(!has_room);
        has_room
    }

    fn keep(&mut self, conn: ConnId, packet: TracedPacket) {
        self.bytes += size_of::<(ConnId, TracedPacket)>() + packet.bytes.len();
        self.packets.push((conn, packet));
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty() && self.skipped == 0
    }

    /// Returns the packets since the last call, and the number of those without room.
    pub(crate) fn take(&mut self) -> (Vec<(ConnId, TracedPacket)>, u64) {
        self.bytes = 0;
        (std::mem::take(&mut self.packets), std::mem::take(&mut self.skipped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // However much is written between two calls, memory is bounded and the rest is counted.
    #[test]
    fn memory_is_bounded() {
        let conn = ConnId { slot: 0, generation: 0 };
        let mut tap = Tap::default();
        let packet = [0xd0; 1000];
        for _ in 0..1000 {
            tap.note(conn, Version::V311, &packet);
        }
        let (packets, skipped) = tap.take();
        let bytes: usize = packets.iter().map(|(_, packet)| packet.bytes.len()).sum();
        assert!(bytes <= TRACE_TAP_BYTES_MAX + 1000, "{bytes}");
        assert_eq!(packets.len() as u64 + skipped, 1000);
        assert!(tap.is_empty());
        tap.note(conn, Version::V311, &packet);
        assert_eq!(tap.take().0.len(), 1);
        tap.set_closed(true);
        tap.note(conn, Version::V311, &packet);
        let (packets, skipped) = tap.take();
        assert_eq!((packets.len(), skipped), (0, 1));
    }
}
