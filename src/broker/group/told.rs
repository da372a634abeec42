//! A partition's groups and members in order, and their lanes and messages, for operators.

use std::ops::Bound;

use super::super::names::{GroupCounts, ShardId, VhostId};
use super::partition::{Partition, THERE};
use super::parts::Lane;
use crate::store::SessionKey;

/// A member's part of a group on one shard.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Held {
    /// Lanes whose messages are with it, or are kept for it.
    pub(crate) lanes: u64,
    /// Messages that it has and has not acknowledged.
    pub(crate) out: u64,
}

impl Partition {
    /// Counts an event of a group's message.
    #[inline]
    pub(crate) fn count(&mut self, group: u32, count: impl FnOnce(&mut GroupCounts)) {
        if let Some(group) = self.groups.get_mut(group) {
            count(&mut group.counts);
        }
    }

    /// As `count`, by a lane of the group.
    #[inline]
    pub(crate) fn count_of_lane(&mut self, slot: u32, count: impl FnOnce(&mut GroupCounts)) {
        if let Some(group) = self.lanes.get(slot).map(|lane| lane.group) {
            self.count(group, count);
        }
    }

    /// The number of groups.
    pub(crate) fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The first group after this one, by vhost and filter.
    pub(crate) fn group_after(&self, after: Option<(VhostId, &str)>) -> Option<u32> {
        let from = match after {
            Some((vhost, share)) => Bound::Excluded((vhost, Box::from(share))),
            None => Bound::Unbounded,
        };
        self.by_text.range((from, Bound::Unbounded)).next().map(|(_, group)| *group)
    }

    /// The lanes of a group with waiting messages, also those whose place others have taken.
    pub(crate) fn lanes_told(&self, group: u32) -> impl Iterator<Item = &Lane> {
        let lanes = self.groups.get(group).map(|group| &group.lanes[..]).unwrap_or_default();
        lanes.iter().flatten().flat_map(|slot| {
            let lane = self.lanes.get(*slot).expect(THERE);
            let before = lane.behind.and_then(|behind| self.lane_with(behind));
            before.and_then(|before| self.lanes.get(before)).into_iter().chain([lane])
        })
    }

    /// The first member of a group after this one, by shard and session. A former member that still
    /// has messages counts as one. Visits at most `looks` members of any group.
    ///
    /// # Errors
    /// The last visited member, if none was found by then.
    pub(crate) fn member_after(
        &self,
        group: u32,
        after: Option<(ShardId, SessionKey)>,
        looks: &mut u32,
    ) -> Result<Option<u32>, (ShardId, SessionKey)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        for (place, at) in self.by_session.range((from, Bound::Unbounded)) {
            *looks = looks.saturating_sub(1);
            let peer = self.peers.get(*at).expect("it is listed while it is there");
            if peer.seat(group).is_some() || peer.left.contains(&group) {
                return Ok(Some(*at));
            }
            if *looks == 0 {
                return Err(*place);
            }
        }
        Ok(None)
    }

    /// A member's part of a group here.
    pub(crate) fn held(&self, group: u32, peer: u32) -> Held {
        let mut held = Held::default();
        for lane in self.lanes_told(group).filter(|lane| lane.owner == Some(peer)) {
            held.lanes += 1;
            held.out += u64::from(lane.out);
        }
        held
    }
}
