//! Groups that are full, or behind: their bounds, and what that means for publishers (see
//! [`super::super::group`]).

use crate::limits::{GROUP_LANES, GROUP_MEMORY_BYTES_MAX, LOG_BYTES_MAX};

use super::super::names::{Context, Overflow};
use super::super::output::Source;
use super::super::read_gate::Pause;
use super::Shard;

impl Shard {
    /// The most bytes that may wait in this shard's part of a group.
    fn group_bytes_max(&self, group: u32) -> u64 {
        let found = self.groups.partition.group(group);
        let declared = found.and_then(|found| found.declared.as_ref());
        let bytes_max = declared.and_then(|declared| declared.bytes_max);
        let mut bytes_max = bytes_max.unwrap_or(self.options.group_bytes_max);
        if found.is_some_and(|found| !found.durable) {
            bytes_max = bytes_max.min(GROUP_MEMORY_BYTES_MAX);
        }
        (bytes_max / u64::from(self.options.shards)).max(1)
    }

    /// Whether a full group refuses a message.
    pub(super) fn refuses(&mut self, group: u32) -> bool {
        if self.options.session_overflow != Overflow::DropNewest || !self.is_group_full(group) {
            return false;
        }
        self.stats.queued_dropped_newest += 1;
        self.groups.partition.count(group, |counts| counts.dropped_newest += 1);
        true
    }

    fn is_group_full(&self, group: u32) -> bool {
        let Some(found) = self.groups.partition.group(group) else { return false };
        let queued_bytes = self.catalog.totals(found.vhost.0).queued_bytes;
        let is_elsewhere_full = match found.durable {
            true => self.quotas.is_over(found.vhost, queued_bytes),
            false => self.logs.memory.memory_bytes() > LOG_BYTES_MAX,
        };
        found.bytes >= self.group_bytes_max(group) || is_elsewhere_full
    }

    /// Holds a publisher for a while if a group in memory is behind, so that its members can catch
    /// up: beyond what their outputs may hold, further messages would only take memory.
    fn hold_for_group(&mut self, group: u32, source: Source, context: &Context<'_>) {
        let Some(found) = self.groups.partition.group(group) else { return };
        let output_bytes = self.outputs.bytes_max() as u64;
        if found.durable || found.bytes < output_bytes {
            return;
        }
        let (_, live) = self.groups.partition.members(group);
        let high_bytes = output_bytes * live as u64;
        if found.bytes < high_bytes || live == 0 {
            return;
        }
        let Source::Here(conn) = source else { return };
        let deadline_ms = context.now_ms + self.options.qos0_patience_ms;
        if self.groups.paces.hold(group, conn, deadline_ms, high_bytes / 2) {
            self.stats.publishers_held += 1;
            self.gates.pause(conn, Pause::FullOutput);
        }
    }

    /// A member has answered a message: if less waits in a group that was behind, its publishers go
    /// on.
    pub(super) fn note_taken(&mut self, group: u32, context: &Context<'_>) {
        if !self.groups.paces.is_any_behind() {
            return;
        }
        let bytes = self.groups.partition.group(group).map_or(0, |found| found.bytes);
        if self.groups.paces.note_taken(group, bytes) {
            self.end_pace(group, context);
        }
    }

    /// A group is not behind any more, or ends.
    pub(super) fn end_pace(&mut self, group: u32, context: &Context<'_>) {
        for conn in self.groups.paces.end(group) {
            self.gates.resume(conn, Pause::FullOutput, context.now_ms);
        }
    }

    /// Publishers were held for long enough.
    pub(super) fn end_group_patience(&mut self, context: &Context<'_>) {
        let patience_ms = self.options.qos0_patience_ms;
        for conn in self.groups.paces.take_due(context.now_ms, patience_ms) {
            self.gates.resume(conn, Pause::FullOutput, context.now_ms);
        }
    }

    /// Bounds a group that is full: drops its oldest messages, or makes the publisher wait.
    pub(super) fn bound_group(
        &mut self,
        group: u32,
        slot: u32,
        source: Source,
        context: &mut Context<'_>,
    ) {
        self.hold_for_group(group, source, context);
        if !self.is_group_full(group) {
            return;
        }
        let is_memory_full =
            !self.is_lane_durable(slot) && self.logs.memory.memory_bytes() > LOG_BYTES_MAX;
        let publisher = match (self.options.session_overflow, source) {
            (Overflow::DropNewest, _) => return,
            (Overflow::Block, Source::Here(conn)) => Some(conn),
            (Overflow::Block | Overflow::DropOldest, _) => None,
        };
        if let Some(conn) = publisher
            && self.groups.blocked.entry(group).or_default().insert(conn)
        {
            return self.pause_for_full_session(conn);
        }
        let factor = if publisher.is_some() { 2 } else { 1 };
        let bytes_max = self.group_bytes_max(group) * factor;
        let number = self.groups.partition.lane(slot).map_or(0, |lane| usize::from(lane.number));
        let mut tried = 0;
        while tried < GROUP_LANES
            && self.groups.partition.group(group).is_some_and(|group| group.bytes > bytes_max)
        {
            let at = u16::try_from((number + tried) % GROUP_LANES).expect("few");
            let lane = self.groups.partition.lane_at(group, at);
            if !lane.is_some_and(|lane| self.drop_oldest_of(lane)) {
                tried += 1;
            }
        }
        if is_memory_full {
            self.drop_oldest_of(slot);
        }
        self.relieve_group(group, context);
    }

    /// Drops the oldest message of a lane that was not sent; returns whether there was one.
    fn drop_oldest_of(&mut self, slot: u32) -> bool {
        let Some(lane) = self.groups.partition.lane(slot) else { return false };
        let dropped = self.catalog.session_mut(lane.key).drop_oldest_waiting(&mut self.logs);
        if dropped {
            self.account_lane(slot);
            self.stats.queued_dropped_oldest += 1;
            self.groups.partition.count_of_lane(slot, |counts| counts.dropped_oldest += 1);
        }
        dropped
    }

    /// Resumes the publishers that wait for room in a group.
    pub(super) fn relieve_group(&mut self, group: u32, context: &mut Context<'_>) {
        let bytes = self.groups.partition.group(group).map_or(0, |group| group.bytes);
        let is_crowded = bytes > self.group_bytes_max(group) / 4 * 3;
        if is_crowded && self.options.session_overflow == Overflow::Block {
            return;
        }
        for conn in self.groups.blocked.remove(&group).unwrap_or_default() {
            self.resume_for_full_session(conn, context);
        }
    }
}
