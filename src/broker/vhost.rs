//! A vhost's share on one shard: its exchange `mqtt.default` (subscription tree and routes). Its
//! sessions and retain store are in the shard's catalog. Nothing passes between vhosts.

use crate::mqtt::{TopicFilter, TopicName};
use crate::store::{Hashing, SessionKey};

use super::peers::ShardId;
use super::routes::{Grant, Routes, Ticket};
use super::tree::FilterTree;

/// Names a vhost; the same on every shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct VhostId(pub(super) u16);

/// The vhost of clients that name none.
pub(super) const DEFAULT_VHOST: VhostId = VhostId(0);

#[derive(Debug)]
pub(super) struct Vhost {
    pub(super) name: Box<str>,
    pub(super) exchange: Exchange,
}

impl Vhost {
    pub(super) fn new(name: &str, hashing: &Hashing) -> Self {
        Self { name: name.into(), exchange: Exchange::new(hashing) }
    }
}

/// Who gets what: two trees and the routes computed from them.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Filters of this shard's sessions.
    subscriptions: FilterTree<SessionKey, Grant>,
    /// Filters that other shards have a subscriber for.
    interests: FilterTree<ShardId, ()>,
    pub(super) routes: Routes,
}

impl Exchange {
    fn new(hashing: &Hashing) -> Self {
        Self {
            subscriptions: FilterTree::new(hashing),
            interests: FilterTree::new(hashing),
            routes: Routes::new(hashing),
        }
    }

    /// Binds a session; true if it is the shard's first for this filter.
    pub(super) fn bind(&mut self, filter: TopicFilter<'_>, key: SessionKey, grant: Grant) -> bool {
        self.routes.invalidate();
        self.subscriptions.insert(filter, key, grant)
    }

    /// Unbinds a session; true if it was the shard's last for this filter.
    pub(super) fn unbind(&mut self, filter: TopicFilter<'_>, key: SessionKey) -> bool {
        self.routes.invalidate();
        self.subscriptions.remove(filter, key)
    }

    /// Notes whether another shard has a subscriber for a filter.
    pub(super) fn set_interest(&mut self, filter: TopicFilter<'_>, shard: ShardId, has: bool) {
        self.routes.invalidate();
        if has {
            self.interests.insert(filter, shard, ());
        } else {
            self.interests.remove(filter, shard);
        }
    }

    /// The route of a topic.
    pub(super) fn route(&mut self, topic: TopicName<'_>) -> Ticket {
        let Self { subscriptions, interests, routes } = self;
        routes.find(topic.as_str(), |route| {
            subscriptions.matching(topic, |session, grant| route.add(session, grant));
            interests.matching(topic, |shard, ()| route.remote.insert(shard));
        })
    }
}
