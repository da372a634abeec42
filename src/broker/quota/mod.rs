//! The limits of each vhost on this shard, and its counters.
//!
//! Verbs: [`Quotas::get`] returns the limits, [`Quotas::note_publish`] counts against them.
//!
//! May use `names`.

use crate::access::{Policy, VhostLimits};

use super::names::{Budget, PublishRate, VhostId};

/// Counted in a vhost, since the shard started if nothing else is said.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Counts {
    /// Connected now.
    pub(crate) clients: u64,
    pub(crate) clients_accepted: u64,
    pub(crate) publishes_in: u64,
    /// Wills included.
    pub(crate) publishes_denied: u64,
    pub(crate) subscriptions_denied: u64,
}

/// A vhost's limits; [`u64::MAX`] is no limit. Each but the first is this shard's share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Quota {
    /// The limit for all shards together.
    pub(crate) connections_max: u64,
    pub(crate) sessions_max: u64,
    pub(crate) retained_bytes_max: u64,
    pub(crate) queued_bytes_max: u64,
    pub(crate) publish_rate: PublishRate,
}

impl Quota {
    pub(crate) const NONE: Self = Self {
        connections_max: u64::MAX,
        sessions_max: u64::MAX,
        retained_bytes_max: u64::MAX,
        queued_bytes_max: u64::MAX,
        publish_rate: PublishRate { messages: 0, bytes: 0 },
    };

    /// The quota of a vhost with these limits on one of `shards` shards.
    fn of(limits: &VhostLimits, shards: u16) -> Self {
        let share =
            |whole: Option<u64>| whole.map_or(u64::MAX, |whole| whole.div_ceil(shards.into()));
        let rate = limits.publish_rate.map(|rate| rate.div_ceil(shards.into()));
        Self {
            connections_max: limits.connections_max.unwrap_or(u64::MAX),
            sessions_max: share(limits.sessions_max),
            retained_bytes_max: share(limits.retained_bytes_max),
            queued_bytes_max: share(limits.queued_bytes_max),
            publish_rate: PublishRate {
                // No limit either: four billion messages a second cannot be published.
                messages: rate.map_or(0, |rate| u32::try_from(rate).unwrap_or(u32::MAX)),
                bytes: 0,
            },
        }
    }
}

/// The quotas of all vhosts, by number. See the room.
#[derive(Default, Debug)]
pub(crate) struct Quotas {
    list: Vec<VhostQuota>,
}

#[derive(Debug)]
struct VhostQuota {
    quota: Quota,
    /// The publish budget that its clients have left.
    budget: Budget,
    /// Whether publishers may wait for bytes of all its sessions, and not only of one.
    awaited: bool,
    counts: Counts,
}

impl Quotas {
    /// Adds a vhost.
    pub(crate) fn introduce(&mut self, vhost: VhostId) {
        let new = || VhostQuota {
            quota: Quota::NONE,
            budget: Budget::default(),
            awaited: false,
            counts: Counts::default(),
        };
        self.list.resize_with(self.list.len().max(usize::from(vhost.0) + 1), new);
    }

    /// Sets the quotas of all vhosts to the policy's limits on one of `shards` shards.
    pub(crate) fn set(&mut self, policy: &Policy, shards: u16) {
        policy.vhosts().for_each(|(number, _)| self.introduce(VhostId(number)));
        for (number, vhost) in (0..).zip(&mut self.list) {
            vhost.quota = Quota::of(policy.limits(number), shards);
        }
    }

    #[inline]
    pub(crate) fn get(&self, vhost: VhostId) -> &Quota {
        &self.list[usize::from(vhost.0)].quota
    }

    /// The counters of a vhost.
    pub(crate) fn counts(&self, vhost: VhostId) -> Counts {
        self.list[usize::from(vhost.0)].counts
    }

    #[inline]
    pub(crate) fn counts_mut(&mut self, vhost: VhostId) -> &mut Counts {
        &mut self.list[usize::from(vhost.0)].counts
    }

    /// Counts a message of `bytes` against the publish rate of a vhost; returns the time at which
    /// the next may come, if that is later than now.
    pub(crate) fn note_publish(
        &mut self,
        vhost: VhostId,
        bytes: usize,
        now_ms: u64,
    ) -> Option<u64> {
        let VhostQuota { quota, budget, .. } = &mut self.list[usize::from(vhost.0)];
        budget.note(quota.publish_rate, bytes, now_ms)
    }

    /// Whether `queued_bytes` in its sessions exceed the vhost's limit.
    #[inline]
    pub(crate) fn is_over(&self, vhost: VhostId, queued_bytes: u64) -> bool {
        queued_bytes > self.get(vhost).queued_bytes_max
    }

    /// Whether its sessions hold so much that waiting publishers go on waiting.
    pub(crate) fn is_crowded(&self, vhost: VhostId, queued_bytes: u64) -> bool {
        queued_bytes > self.get(vhost).queued_bytes_max / 4 * 3
    }

    /// Notes that a publisher waits for one of its sessions, if it waits for the vhost as well.
    pub(crate) fn note_awaited(&mut self, vhost: VhostId, queued_bytes: u64) {
        let is_crowded = self.is_crowded(vhost, queued_bytes);
        self.list[usize::from(vhost.0)].awaited |= is_crowded;
    }

    /// Whether publishers waited for a vhost that has room again; this ends their wait.
    pub(crate) fn take_relieved(&mut self, vhost: VhostId, queued_bytes: u64) -> bool {
        let is_awaited = self.list.get(usize::from(vhost.0)).is_some_and(|vhost| vhost.awaited);
        let is_relieved = is_awaited && !self.is_crowded(vhost, queued_bytes);
        if is_relieved {
            self.list[usize::from(vhost.0)].awaited = false;
        }
        is_relieved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A shard's share of a limit is at least one, and zero of zero; connections are counted on all
    // shards together.
    #[test]
    fn shares() {
        assert_eq!(Quota::of(&VhostLimits::NONE, 4), Quota::NONE);
        for (whole, shards, share) in [(0, 4, 0), (1, 4, 1), (4, 4, 1), (5, 4, 2), (9, 1, 9)] {
            let limits = VhostLimits {
                connections_max: Some(whole),
                sessions_max: Some(whole),
                retained_bytes_max: Some(whole),
                queued_bytes_max: Some(whole),
                publish_rate: Some(whole),
            };
            let expected = Quota {
                connections_max: whole,
                sessions_max: share,
                retained_bytes_max: share,
                queued_bytes_max: share,
                publish_rate: PublishRate {
                    messages: u32::try_from(share).expect("small"),
                    bytes: 0,
                },
            };
            assert_eq!(Quota::of(&limits, shards), expected, "{whole} on {shards}");
        }
    }
}
