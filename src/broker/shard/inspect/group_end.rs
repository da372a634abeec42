//! The end of consumer groups, and of what waits in them, as an operator asks.

use log::info;

use crate::limits::{ASK_SLOTS_MAX, PURGE_MESSAGES_MAX};
use crate::store::SessionKey;

use super::super::super::inspect::{Awaited, Awaits, GroupEnd, GroupPurge, Reply, Step};
use super::super::super::names::{Context, ShardId, VhostId};
use super::super::Shard;

impl Shard {
    pub(super) fn answer_group_end(
        &mut self,
        end: &mut GroupEnd,
        reply: &mut Reply,
        context: &mut Context<'_>,
    ) -> Step {
        if let Some(awaited) = &end.awaited {
            if !self.is_kept(awaited, context.peers) {
                return Step::Wait;
            }
            *reply = Reply::GroupEnded(end.ended);
            return Step::Done;
        }
        let vhost = VhostId(end.name.vhost);
        if let Some(group) = self.groups.partition.find(vhost, &end.name.share) {
            if end.is_of_members {
                let members = self.groups.partition.members_of(group, self.options.shard);
                let (now, later) = members.split_at(members.len().min(ASK_SLOTS_MAX as usize));
                for key in now {
                    self.end_membership(vhost, *key, &end.name.share, context);
                    end.ended.left += 1;
                }
                if !later.is_empty() {
                    return Step::More;
                }
            } else if self.groups.partition.has_members(group) {
                end.ended.has_members = true;
            } else {
                let share = &end.name.share;
                info!("group {share:.80?} is ended, as an operator asked");
                self.end_group(group, context);
            }
        }
        let marks = (0..self.options.shards).map(|shard| context.peers.awaited(ShardId(shard)));
        let log = self.logs.disk.appended();
        end.awaited = Some(Awaited { marks: marks.collect(), log, matched: true });
        Step::Wait
    }

    /// Takes a member's subscription away.
    fn end_membership(
        &mut self,
        vhost: VhostId,
        key: SessionKey,
        share: &str,
        context: &mut Context<'_>,
    ) {
        self.catalog.unsubscribe(key, share, &mut self.logs);
        self.unsubscribe_shared(vhost, key, share, context);
        self.update_if_withheld(key, context);
    }

    pub(super) fn answer_group_purge(
        &mut self,
        purge: &mut GroupPurge,
        reply: &mut Reply,
        context: &mut Context<'_>,
    ) -> Step {
        if let Some(awaits) = &mut purge.awaits {
            return self.await_purged(awaits, purge.purged, reply);
        }
        let vhost = VhostId(purge.name.vhost);
        let dropped = match self.groups.partition.find(vhost, &purge.name.share) {
            Some(group) => self.purge_group(group, context),
            None => 0,
        };
        purge.purged += dropped;
        if dropped < PURGE_MESSAGES_MAX {
            let (count, share) = (purge.purged, &purge.name.share);
            info!("{count} messages of group {share:.80?} dropped, as an operator asked");
            purge.awaits = Some(Awaits::Turn);
        }
        Step::More
    }

    /// Drops some messages of a group that wait to be sent; how many.
    fn purge_group(&mut self, group: u32, context: &mut Context<'_>) -> u64 {
        let mut dropped = 0;
        for slot in self.groups.partition.slots_told(group) {
            let Some(lane) = self.groups.partition.lane(slot) else { continue };
            let mut session = self.catalog.session_mut(lane.key);
            let before = dropped;
            while dropped < PURGE_MESSAGES_MAX && session.drop_oldest_waiting(&mut self.logs) {
                dropped += 1;
            }
            drop(session);
            if dropped > before {
                self.account_lane(slot);
            }
        }
        // The note of it, which the end of the turn appends, is waited for.
        self.logs.promise_turn();
        self.stats.queued_purged += dropped;
        self.groups.partition.count(group, |counts| counts.purged += dropped);
        self.relieve_group(group, context);
        dropped
    }
}
