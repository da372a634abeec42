//! Consumer groups that files declare: they exist without members, are on disk, and may have
//! options of their own. Every shard has the same policy, so each makes its part without asking.

use crate::access::{DeclaredGroup, DeclaredOrder};
use crate::store::{SessionKey, lane_of_name};

use super::super::group::Declared;
use super::super::names::{Context, GroupOrder, VhostId};
use super::Shard;

impl Shard {
    /// Makes the groups that the policy declares. Those that it does not declare any more go on as
    /// others; the time until they end without members begins.
    pub(super) fn declare_groups(&mut self, context: &mut Context<'_>) {
        let policy = self.admission.policy().clone();
        for (vhost, _) in policy.vhosts() {
            for declared in policy.groups(vhost) {
                self.declare_group(VhostId(vhost), declared, context);
            }
        }
        let groups: Vec<u32> = self.groups.partition.groups().collect();
        for group in groups {
            let Some(found) = self.groups.partition.group(group) else { continue };
            let is_declared = policy.declares(found.vhost.0, &found.share);
            if found.declared.is_some() && !is_declared {
                self.release_group(group, context);
            }
        }
    }

    fn declare_group(
        &mut self,
        vhost: VhostId,
        declared: &DeclaredGroup,
        context: &mut Context<'_>,
    ) {
        let group = self.group_or_new(vhost, &declared.share);
        let order = match declared.order {
            None => self.options.group_order,
            Some(DeclaredOrder::Topic) => GroupOrder::Topic,
            Some(DeclaredOrder::Sticky) => GroupOrder::Sticky,
            Some(DeclaredOrder::None) => GroupOrder::None,
        };
        let Some(found) = self.groups.partition.group_mut(group) else { return };
        found.order = order;
        found.declared = Some(Box::new(Declared {
            bytes_max: declared.bytes_max,
            expiry_ms: declared.expiry_ms,
            dead_letter: declared.dead_letter.clone(),
            deliveries_max: declared.deliveries_max,
        }));
        self.make_durable(group, context);
        self.recall_losses(group);
        if !self.groups.partition.has_members(group)
            && let Some(head) = self.head_of(group)
        {
            if self.catalog.session(head).left_ms == 0 {
                let time_ms = self.time_ms(context.now_ms);
                self.catalog.set_memberless(head, Some(time_ms), &mut self.logs);
            }
            self.expect_end_of_group(head, 0, context);
        }
        self.relieve_group(group, context);
    }

    /// A group is not declared any more.
    fn release_group(&mut self, group: u32, context: &mut Context<'_>) {
        let order = self.options.group_order;
        let Some(found) = self.groups.partition.group_mut(group) else { return };
        (found.declared, found.order) = (None, order);
        if !self.groups.partition.has_members(group)
            && let Some(head) = self.head_of(group)
        {
            let time_ms = self.time_ms(context.now_ms);
            self.catalog.set_memberless(head, Some(time_ms), &mut self.logs);
            self.expect_end_of_group(head, 0, context);
        }
    }

    /// How long what waits in a group is kept while it has no members, by the session of its lane
    /// 0; `None`: without end.
    pub(super) fn group_expiry_ms(&self, head: SessionKey) -> Option<u64> {
        let session = self.catalog.session(head);
        let share = lane_of_name(&session.client_id).map(|(_, share)| share);
        let group = share.and_then(|share| {
            let group = self.groups.partition.find(VhostId(session.vhost), share)?;
            self.groups.partition.group(group)
        });
        match group.and_then(|group| group.declared.as_ref()) {
            Some(declared) => declared.expiry_ms,
            None => Some(self.options.group_expiry_ms),
        }
    }

    /// What was noted of members that were lost with the oldest messages of a group's lanes, before
    /// the broker was started.
    fn recall_losses(&mut self, group: u32) {
        for slot in self.groups.partition.slots_told(group) {
            let Some(lane) = self.groups.partition.lane(slot) else { continue };
            let noted = self.catalog.session(lane.key).losses();
            if let Some((first, losses)) = noted.filter(|_| lane.losses == 0) {
                self.groups.partition.set_losses(slot, first, losses);
            }
        }
    }
}
