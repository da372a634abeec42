//! The one message of a client whose acknowledgement is timed.
//!
//! One message is timed at a time, and never one that was sent before: its acknowledgement may be
//! that of the first send (Karn's rule of TCP, RFC 6298).

use crate::mqtt::{AckRun, PacketId};

/// See the file.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Timed {
    /// The turn in which it was sent (`Meters::turn_stamp`).
    stamp: u32,
    /// Its packet identifier; 0: none is timed.
    packet_id: u16,
}

impl Timed {
    /// Notes that a message is sent in the turn of this stamp; `again`: it was sent before.
    #[inline]
    pub(super) fn note_sent(&mut self, packet_id: u16, again: bool, stamp: u32) {
        if self.packet_id == 0 && !again {
            *self = Self { stamp, packet_id };
        }
    }

    /// Takes the turn in which the timed message was sent, if it is among those acknowledged.
    #[inline]
    pub(super) fn take_of(&mut self, run: AckRun) -> Option<u32> {
        run.has(self.packet_id).then(|| std::mem::take(self).stamp)
    }

    /// Takes the turn in which the timed message was sent, if it is the one acknowledged.
    #[inline]
    pub(super) fn take(&mut self, packet_id: PacketId) -> Option<u32> {
        let is_it = self.packet_id == packet_id.get();
        is_it.then(|| std::mem::take(self).stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One message is timed at a time, from its turn to its acknowledgement, and none that was sent
    /// before.
    #[test]
    fn one_is_timed() {
        let id = |id| PacketId::new(id).expect("not 0");
        let mut timed = Timed::default();
        timed.note_sent(1, true, 100);
        assert_eq!(timed.take(id(1)), None, "it was sent before");
        timed.note_sent(2, false, 100);
        timed.note_sent(3, false, 200);
        assert_eq!(timed.take(id(3)), None, "another is timed");
        assert_eq!(timed.take(id(2)), Some(100));
        assert_eq!(timed.take(id(2)), None, "it is once");
        timed.note_sent(4, false, 200);
        assert_eq!(timed.take(id(4)), Some(200));
        timed.note_sent(5, false, 300);
        assert_eq!(timed.take_of(AckRun { first: id(3), count: 2 }), None, "it is not among them");
        assert_eq!(timed.take_of(AckRun { first: id(3), count: 3 }), Some(300));
        assert_eq!(timed.take_of(AckRun { first: id(3), count: 3 }), None, "it is once");
    }
}
