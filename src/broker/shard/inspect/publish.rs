//! A message that an operator publishes: it is routed as a client's message, and answered when a
//! client would get its acknowledgement.

use crate::mqtt::{QoS, TopicName};

use super::super::super::inspect::{Awaited, Publication, Published, Reply, Step};
use super::super::super::names::{Context, Options, Peers, ShardId, ShardSet, VhostId, placement};
use super::super::super::output::{Message, Source};
use super::super::super::publish::InboundMessage;
use super::super::super::storage::Wanted;
use super::super::Shard;

impl Shard {
    /// Whether a waiting message can take a step: it is kept wherever it must be, there is room for
    /// it, or it must be refused because the disk is full.
    pub(super) fn may_go_on(&mut self, publication: &Publication, peers: &dyn Peers) -> bool {
        match &publication.awaited {
            Some(awaited) => self.is_kept(awaited, peers),
            None => self.storage.shortage().is_of_space() || !self.lacks_room(publication),
        }
    }

    fn is_kept(&mut self, awaited: &Awaited, peers: &dyn Peers) -> bool {
        let mut marks = (0..).zip(&awaited.marks);
        awaited.log <= self.logs.settled()
            && marks.all(|(shard, mark)| peers.settled(ShardId(shard)) >= *mark)
    }

    pub(super) fn answer_publication(
        &mut self,
        publication: &mut Publication,
        reply: &mut Reply,
        context: &mut Context<'_>,
    ) -> Step {
        if let Some(awaited) = &publication.awaited {
            if !self.is_kept(awaited, context.peers) {
                return Step::Wait;
            }
            *reply = Reply::Published(Published::Done { matched: awaited.matched });
            return Step::Done;
        }
        if self.lacks_room(publication) {
            if !self.storage.shortage().is_of_space() {
                // A client's publisher would wait as well, without being read from.
                return Step::Wait;
            }
            *reply = Reply::Published(Published::NoRoom);
            return Step::Done;
        }
        match self.publish_for_operator(publication, context) {
            Ok(Some(awaited)) => {
                publication.awaited = Some(awaited);
                Step::Wait
            }
            Ok(None) => {
                let matched = self.has_subscribers(publication);
                *reply = Reply::Published(Published::Done { matched });
                Step::Done
            }
            Err(published) => {
                *reply = Reply::Published(published);
                Step::Done
            }
        }
    }

    /// Routes a message; returns what its answer has to wait for, if anything.
    fn publish_for_operator(
        &mut self,
        publication: &Publication,
        context: &mut Context<'_>,
    ) -> Result<Option<Awaited>, Published> {
        let Publication { qos, retain, payload, .. } = publication;
        let vhost = VhostId(publication.vhost);
        if !self.has_vhost(vhost) {
            return Err(Published::NoVhost);
        }
        let topic = TopicName::parse(&publication.topic).map_err(|_| Published::Denied)?;
        if topic.is_system() || topic.level_count() > self.options.topic_levels_max {
            return Err(Published::Denied);
        }
        self.stats.publishes_in += 1;
        match *qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.stats.publishes_in_qos1 += 1,
            QoS::ExactlyOnce => self.stats.publishes_in_qos2 += 1,
        }
        self.stats.payload_bytes_in += payload.len() as u64;
        self.quotas.counts_mut(vhost).publishes_in += 1;
        let message = Message { topic, properties: &[], payload, qos: *qos, retain: *retain };
        let route = self.route(vhost, topic);
        let mut inbound = InboundMessage::of(&message, Source::Nobody);
        let wait = self.publish(vhost, route, &mut inbound, context).wait;
        if *qos == QoS::AtMostOnce && !*retain || !wait.peers && !wait.disk {
            return Ok(None);
        }
        let matched = self.has_subscribers(publication);
        let marks = (0..self.options.shards).map(|shard| context.peers.awaited(ShardId(shard)));
        let log = if wait.disk { self.logs.disk.appended() } else { 0 };
        Ok(Some(Awaited { marks: marks.collect(), log, matched }))
    }

    /// Whether a client's publisher of this message would have to wait for a disk.
    fn lacks_room(&mut self, publication: &Publication) -> bool {
        let vhost = VhostId(publication.vhost);
        let Ok(topic) = TopicName::parse(&publication.topic) else { return false };
        if !self.has_vhost(vhost) {
            return false;
        }
        let bytes = publication.topic.len() + publication.payload.len();
        if self.storage.shortage().has_room_for(bytes, &self.logs.disk) {
            return false;
        }
        let Options { shard, shards, .. } = self.options;
        let route = self.route(vhost, topic);
        let route = self.exchanges.get(vhost, route);
        let is_kept = publication.qos > QoS::AtMostOnce;
        let mut concerned = if is_kept { route.remote } else { ShardSet::default() };
        if is_kept && route.stores {
            concerned.insert(shard);
        }
        if publication.retain {
            let name = self.exchanges.name(vhost);
            concerned.insert(placement::keeper_of(name, &publication.topic, shards));
        }
        let wanted = Wanted { shards: concerned, bytes, targets: route.targets.len() };
        self.storage.shortage_mut().refuses(wanted, &mut self.logs.disk)
    }

    fn has_vhost(&self, vhost: VhostId) -> bool {
        self.exchanges.vhosts().any(|(known, _)| known == vhost)
    }

    fn has_subscribers(&mut self, publication: &Publication) -> bool {
        let vhost = VhostId(publication.vhost);
        let topic = TopicName::parse(&publication.topic).expect("it was published to");
        let route = self.route(vhost, topic);
        let route = self.exchanges.get(vhost, route);
        !route.targets.is_empty() || !route.remote.is_empty()
    }
}
