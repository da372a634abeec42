//! Messages of consumer groups that no member takes: one that a member has refused (MQTT 5: PUBACK
//! 0x80 or more), and one with which members are lost again and again. If the group is declared
//! with a dead-letter topic, they are published to that; they leave the group when that is kept.

use std::ops::ControlFlow;

use log::warn;

use crate::mqtt::{QoS, TopicName};
use crate::store::{QueueItem, SessionKey};

use super::super::group::{Aside, Declared, Done, Why};
use super::super::names::{
    Context, GROUP_PROPERTY, REASON_PROPERTY, ShardId, TOPIC_PROPERTY, VhostId,
};
use super::super::output::{Message, Source};
use super::super::publish::InboundMessage;
use super::super::replies::Wait;
use super::Shard;
use super::groups::widen;

/// The property of an expiry interval, and its bytes.
const EXPIRY: u8 = 2;
const EXPIRY_BYTES: usize = 5;

/// The property of a user property.
const USER_PROPERTY: u8 = 0x26;

impl Shard {
    /// A member has refused a message of a lane here; whether its answer has to wait until the
    /// message is kept elsewhere.
    pub(super) fn is_set_aside(
        &mut self,
        shard: ShardId,
        done: Done,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(slot) = self.groups.partition.lane_with(done.lane) else { return false };
        let Some(lane) = self.groups.partition.lane(slot) else { return false };
        let number = widen(self.catalog.session(lane.key).queue.first(), done.number);
        self.set_aside((slot, number), Why::Refused, Some((shard, done)), context)
    }

    /// The oldest message of a lane was given out as often as it may be, and nobody has it now.
    pub(super) fn set_head_aside(&mut self, slot: u32, number: u64, context: &mut Context<'_>) {
        let Some(lane) = self.groups.partition.lane(slot).filter(|lane| !lane.is_setting_aside)
        else {
            return;
        };
        let (group, losses) = (lane.group, lane.losses);
        self.stats.group_set_aside += 1;
        self.groups.partition.count(group, |counts| counts.set_aside += 1);
        let share = self.groups.partition.group(group).map(|group| &*group.share);
        warn!(
            "group {:.80?}: {losses} members in a row were lost with the same message, which is \
             set aside (max-deliveries)",
            share.unwrap_or_default()
        );
        self.groups.partition.set_setting_aside(slot, true);
        if !self.set_aside((slot, number), Why::Deliveries, None, context) {
            self.drop_head(slot, number, context);
        }
    }

    /// Publishes a message of a lane to the dead-letter topic of its group; whether that is still
    /// to be kept.
    fn set_aside(
        &mut self,
        (slot, number): (u32, u64),
        why: Why,
        answer: Option<(ShardId, Done)>,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(lane) = self.groups.partition.lane(slot) else { return false };
        let (key, group) = (lane.key, lane.group);
        let Some(found) = self.groups.partition.group(group) else { return false };
        let Some(topic) = found.declared.as_deref().and_then(Declared::topic) else { return false };
        let (vhost, topic, share) = (found.vhost, Box::<str>::from(topic), found.share.clone());
        let Some((properties, payload)) = self.dead_letter(key, number, &share, why) else {
            return false;
        };
        let topic = TopicName::parse(&topic).expect("it was checked in the file");
        if topic.level_count() > self.options.topic_levels_max {
            let name = topic.as_str();
            warn!("dead-letter {name:.80?} has more levels than --max-topic-levels");
            return false;
        }
        let message = Message {
            topic,
            properties: &properties,
            payload: &payload,
            qos: QoS::AtLeastOnce,
            retain: false,
        };
        let wait = self.publish_dead_letter(vhost, &message, context);
        self.stats.group_dead_lettered += 1;
        self.groups.partition.count(group, |counts| counts.dead_lettered += 1);
        if !wait.peers && !wait.disk {
            return false;
        }
        let marks = (0..self.options.shards).map(|shard| context.peers.awaited(ShardId(shard)));
        let aside = Aside {
            lane: self.groups.partition.id_of(slot),
            number,
            marks: marks.collect(),
            log: if wait.disk { self.logs.disk.appended() } else { 0 },
            answer,
        };
        self.groups.aside.push(aside);
        true
    }

    fn publish_dead_letter(
        &mut self,
        vhost: VhostId,
        message: &Message<'_>,
        context: &mut Context<'_>,
    ) -> Wait {
        let route = self.route(vhost, message.topic);
        let mut inbound = InboundMessage::of(message, Source::Nobody);
        self.publish(vhost, route, &mut inbound, context).wait
    }

    /// The properties and the payload of a message of a lane, as they go to the dead-letter topic:
    /// without an expiry interval, and with what it was and why it is there.
    fn dead_letter(
        &self,
        key: SessionKey,
        number: u64,
        share: &str,
        why: Why,
    ) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut found = None;
        let _ended = self.catalog.session(key).queue.visit(&self.logs, &mut |item| match item {
            QueueItem::Message { number: of, entry, .. } if of == number => {
                found = entry.position();
                ControlFlow::Break(())
            }
            QueueItem::Message { number: of, .. } if of > number => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        let stored = self.logs.message(found?)?;
        let mut properties = stored.properties;
        if properties.first() == Some(&EXPIRY) {
            properties = &properties[EXPIRY_BYTES..];
        }
        let mut properties = properties.to_vec();
        let why = match why {
            Why::Refused => "refused",
            Why::Deliveries => "max-deliveries",
        };
        let told =
            [(GROUP_PROPERTY, share), (TOPIC_PROPERTY, stored.topic), (REASON_PROPERTY, why)];
        for (name, value) in told {
            properties.push(USER_PROPERTY);
            for text in [name, value] {
                let bytes = u16::try_from(text.len()).expect("topics and filters are bounded");
                properties.extend_from_slice(&bytes.to_be_bytes());
                properties.extend_from_slice(text.as_bytes());
            }
        }
        Some((properties, stored.payload.to_vec()))
    }

    /// Goes on with messages that were set aside and are kept elsewhere now.
    pub(super) fn end_asides(&mut self, context: &mut Context<'_>) {
        while self.has_due_aside(|shard| context.peers.settled(shard))
            && let Some(aside) = self.groups.aside.pop()
        {
            match aside.answer {
                Some((shard, done)) => self.end_answer(shard, done, context),
                None => {
                    if let Some(slot) = self.groups.partition.lane_with(aside.lane) {
                        self.drop_head(slot, aside.number, context);
                    }
                }
            }
            self.send_wishes(context);
        }
    }

    /// Whether there is one.
    pub(super) fn has_due_aside(&mut self, settled: impl Fn(ShardId) -> u64) -> bool {
        !self.groups.aside.is_empty() && {
            let log = self.logs.settled();
            self.groups.aside.is_kept(log, settled)
        }
    }

    /// A lane goes on without its oldest message.
    fn drop_head(&mut self, slot: u32, number: u64, context: &mut Context<'_>) {
        self.groups.partition.set_setting_aside(slot, false);
        let Some(lane) = self.groups.partition.lane(slot) else { return };
        let mut session = self.catalog.session_mut(lane.key);
        session.withdraw(number, &mut self.logs);
        let (is_empty, group) = (session.queue.is_empty(), lane.group);
        drop(session);
        self.account_lane(slot);
        if self.groups.blocked.contains_key(&group) {
            self.relieve_group(group, context);
        }
        if is_empty && self.groups.partition.lane(slot).is_some_and(|lane| lane.retired) {
            return self.end_lane(slot, context);
        }
        self.dispatch(slot, None, context);
    }
}
