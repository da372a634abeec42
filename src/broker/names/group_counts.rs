//! Counts of the messages of one consumer group on one shard, since the broker's start.

use std::ops::AddAssign;

/// See the module.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct GroupCounts {
    /// Sent to members, including those at QoS 0 and those sent again.
    pub delivered: u64,
    /// Acknowledged by a member.
    pub acknowledged: u64,
    /// Sent again, to the same member or another.
    pub redelivered: u64,
    /// Refused by a member: PUBACK 0x80 or more.
    pub refused: u64,
    /// Dropped from the full group for a newer one.
    pub dropped_oldest: u64,
    /// Dropped because the group was full.
    pub dropped_newest: u64,
    /// Expired before they were sent.
    pub expired: u64,
    /// Lost because the disk could not read them.
    pub lost: u64,
    /// At QoS 0, while no member was connected.
    pub absent: u64,
    /// Dropped at the request of an operator.
    pub purged: u64,
}

impl AddAssign<&Self> for GroupCounts {
    fn add_assign(&mut self, more: &Self) {
        self.delivered += more.delivered;
        self.acknowledged += more.acknowledged;
        self.redelivered += more.redelivered;
        self.refused += more.refused;
        self.dropped_oldest += more.dropped_oldest;
        self.dropped_newest += more.dropped_newest;
        self.expired += more.expired;
        self.lost += more.lost;
        self.absent += more.absent;
        self.purged += more.purged;
    }
}

impl GroupCounts {
    /// Messages that no member got, by reason.
    pub fn dropped(&self) -> [(&'static str, u64); 6] {
        [
            ("full_oldest", self.dropped_oldest),
            ("full_newest", self.dropped_newest),
            ("expired", self.expired),
            ("disk_lost", self.lost),
            ("absent", self.absent),
            ("purged", self.purged),
        ]
    }
}
