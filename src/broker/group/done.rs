//! Answers of members, in the form in which they are sent to the shards of the lanes.

use crate::store::SessionKey;

use super::lane::LaneId;

/// A member's answer, for the lane's shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Done {
    pub(crate) session: SessionKey,
    pub(crate) incarnation: u32,
    pub(crate) lane: LaneId,
    pub(crate) number: u32,
    /// Whether the message was sent on an earlier connection.
    pub(crate) late: bool,
    /// Whether the client could not process it [MQTT-4.8.2-6].
    pub(crate) refused: bool,
}

/// Bytes of an encoded answer.
pub(crate) const DONE_BYTES: usize = 24;

const LATE: u32 = 1;
const REFUSED: u32 = 2;

impl Done {
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        let flags = if self.late { LATE } else { 0 } | if self.refused { REFUSED } else { 0 };
        out.extend_from_slice(&self.session.to_le_bytes());
        out.extend_from_slice(&self.incarnation.to_le_bytes());
        out.extend_from_slice(&self.lane.0.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
    }

    pub(crate) fn read(bytes: &[u8]) -> Self {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self {
            session: word(0),
            incarnation: word(4),
            lane: LaneId(u64::from(word(8)) | u64::from(word(12)) << 32),
            number: word(16),
            late: word(20) & LATE != 0,
            refused: word(20) & REFUSED != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An encoded answer reads back.
    #[test]
    fn done_reads_back() {
        for (late, refused) in [(false, false), (true, false), (false, true), (true, true)] {
            let lane = LaneId(u64::MAX - 7);
            let done = Done { session: 9, incarnation: 8, lane, number: 7, late, refused };
            let mut bytes = Vec::new();
            done.put(&mut bytes);
            assert_eq!((bytes.len(), Done::read(&bytes)), (DONE_BYTES, done));
        }
    }
}
