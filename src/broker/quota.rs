//! What a vhost may use on one shard, and what of that it uses.
//!
//! Invariant: `queued_bytes` is the sum of what was counted of each durable session of the vhost
//! here (`Session::counted_bytes`), and that is what waits in it, as of the last call that changed
//! it.

use crate::access::{Policy, VhostLimits};
use crate::limits::SESSIONS_MAX;
use crate::store::{Session, SessionKey};

use super::meter::{Budget, PublishRate};
use super::peers::Crowd;
use super::refusal::Why;
use super::shard::{Context, Shard};
use super::vhost::VhostId;

/// A vhost's limits; [`u64::MAX`] stands for none. Each but the first is this shard's share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Quota {
    /// On all shards together.
    pub(super) connections_max: u64,
    pub(super) sessions_max: u64,
    pub(super) retained_bytes_max: u64,
    pub(super) queued_bytes_max: u64,
    pub(super) publish_rate: PublishRate,
}

/// See the module.
#[derive(Default, Debug)]
pub(super) struct Usage {
    /// Sessions, clean ones included.
    pub(super) sessions: u64,
    pub(super) queued_bytes: u64,
    /// What its clients may still publish.
    pub(super) budget: Budget,
    /// Publishers may wait for bytes of its sessions, and not only for one session's.
    pub(super) awaited: bool,
}

impl Quota {
    pub(super) const NONE: Self = Self {
        connections_max: u64::MAX,
        sessions_max: u64::MAX,
        retained_bytes_max: u64::MAX,
        queued_bytes_max: u64::MAX,
        publish_rate: PublishRate { messages: 0, bytes: 0 },
    };

    /// The quota of a vhost with these limits, on each of so many shards.
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
                // No limit either: nobody publishes four billion messages a second.
                messages: rate.map_or(0, |rate| u32::try_from(rate).unwrap_or(u32::MAX)),
                bytes: 0,
            },
        }
    }
}

impl Usage {
    /// Counts what waits in a durable session of the vhost anew; what was counted of it before.
    #[inline]
    pub(super) fn count(&mut self, session: &mut Session) -> u64 {
        let bytes = session.queue.stored_bytes();
        let before = std::mem::replace(&mut session.counted_bytes, bytes);
        self.queued_bytes = self.queued_bytes - before + bytes;
        before
    }
}

impl Shard {
    /// Sets the quotas of all vhosts, as the policy has them.
    pub(super) fn set_quotas(&mut self, policy: &Policy) {
        policy.vhosts().for_each(|(number, _)| self.vhosts.introduce(VhostId(number)));
        for (number, vhost) in self.vhosts.iter_mut() {
            vhost.quota = Quota::of(policy.limits(number), self.out.options.shards);
        }
    }

    /// Whether one more client may come in, and one more session be opened for it if it has none;
    /// it counts from then on. Who takes over a connection gets its place, however many there are.
    pub(super) fn admit_to(
        &mut self,
        vhost: VhostId,
        client_id: &str,
        context: &mut Context<'_>,
    ) -> bool {
        let sessions = &self.catalog.sessions;
        let (quota, usage) = (&self.vhosts[vhost].quota, &self.vhosts[vhost].usage);
        match sessions.find(vhost.0, client_id) {
            Some(key) if sessions.get(key).holder.is_some() => return true,
            Some(_) => {}
            None if sessions.len() >= SESSIONS_MAX => {
                self.notices.refused_for(Why::Sessions);
                return false;
            }
            None if usage.sessions >= quota.sessions_max => {
                self.out.stats.refused_vhost_sessions += 1;
                self.notices.refused_for(Why::VhostSessions);
                return false;
            }
            None => {}
        }
        let admitted = context.peers.admit(vhost.0, quota.connections_max);
        self.out.stats.refused_vhost_connections += u64::from(admitted == Err(Crowd::Vhost));
        match admitted {
            Ok(()) => {}
            Err(Crowd::Vhost) => self.notices.refused_for(Why::VhostClients),
            Err(Crowd::Broker) => self.notices.refused_for(Why::Clients),
        }
        admitted.is_ok()
    }

    /// Counts what waits in a session anew, unless it is clean; what was counted of it before.
    pub(super) fn count_queued(&mut self, key: SessionKey) -> u64 {
        let session = self.catalog.sessions.get_mut(key);
        if session.clean {
            return 0;
        }
        self.vhosts[VhostId(session.vhost)].usage.count(session)
    }

    /// A session was opened, or found at start.
    pub(super) fn count_session(&mut self, key: SessionKey) {
        let vhost = VhostId(self.catalog.sessions.get(key).vhost);
        self.vhosts.introduce(vhost);
        self.vhosts[vhost].usage.sessions += 1;
        self.count_queued(key);
    }

    /// A session is about to end.
    pub(super) fn discount_session(&mut self, key: SessionKey) {
        let session = self.catalog.sessions.get_mut(key);
        let usage = &mut self.vhosts[VhostId(session.vhost)].usage;
        usage.sessions -= 1;
        usage.queued_bytes -= std::mem::take(&mut session.counted_bytes);
    }

    /// Whether a session or its vhost has more waiting than it may.
    #[inline]
    pub(super) fn is_over(&self, key: SessionKey) -> bool {
        let session = self.catalog.sessions.get(key);
        let vhost = &self.vhosts[VhostId(session.vhost)];
        session.queue.stored_bytes() > self.out.options.session_bytes_max
            || vhost.usage.queued_bytes > vhost.quota.queued_bytes_max
    }

    /// Lets those go on who wait for sessions of a vhost, if it has room again.
    pub(super) fn relieve_vhost(&mut self, vhost: VhostId, context: &mut Context<'_>) {
        let Some(place) = self.vhosts.get_mut(vhost) else { return };
        if !place.usage.awaited || place.is_crowded() {
            return;
        }
        place.usage.awaited = false;
        let sessions = &self.catalog.sessions;
        let is_here = |key: &SessionKey| {
            sessions.try_get(*key).is_some_and(|session| session.vhost == vhost.0)
        };
        let keys: Vec<SessionKey> = self.blocked.keys().copied().filter(is_here).collect();
        keys.into_iter().for_each(|key| self.relieve_session(key, context));
    }

    /// The same in all vhosts: their quotas have changed.
    pub(super) fn relieve_vhosts(&mut self, context: &mut Context<'_>) {
        let numbers: Vec<u16> = self.vhosts.iter_mut().map(|(number, _)| number).collect();
        numbers.into_iter().for_each(|number| self.relieve_vhost(VhostId(number), context));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A limit's share is at least one of what it allows, and nothing of nothing; connections are
    // counted on all shards together.
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
