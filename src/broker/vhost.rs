//! A vhost's share on one shard: its exchange `mqtt.default` (subscription tree and routes), and
//! its limits. Its sessions and retain store are in the shard's catalog. Nothing passes between
//! vhosts.

use std::ops::{Index, IndexMut};

use crate::mqtt::{TopicFilter, TopicName};
use crate::store::{Hashing, SessionKey};

use super::counts::Counts;
use super::peers::ShardId;
use super::quota::{Quota, Usage};
use super::rights::Readers;
use super::routes::{Grant, Routes, Ticket};
use super::tree::FilterTree;

/// Names a vhost; the same on every shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct VhostId(pub(super) u16);

/// The vhost of clients that name none.
pub(super) const DEFAULT_VHOST: VhostId = VhostId(0);

#[derive(Debug)]
pub(super) struct Vhost {
    /// Empty: nobody has told yet, or it was deleted.
    pub(super) name: Box<str>,
    pub(super) exchange: Exchange,
    pub(super) quota: Quota,
    pub(super) usage: Usage,
    pub(super) counts: Counts,
}

impl Vhost {
    /// Whether so much waits in its sessions that publishers who wait for room go on waiting.
    pub(super) fn is_crowded(&self) -> bool {
        self.usage.queued_bytes > self.quota.queued_bytes_max / 4 * 3
    }
}

/// All vhosts, by number. There is always the default one.
#[derive(Debug)]
pub(super) struct Vhosts {
    list: Vec<Vhost>,
    hashing: Hashing,
}

impl Vhosts {
    pub(super) fn new(hashing: Hashing) -> Self {
        let mut vhosts = Self { list: Vec::new(), hashing };
        vhosts.set_name(DEFAULT_VHOST, "/");
        vhosts
    }

    /// Notes that there is a vhost: another shard may know of it first.
    pub(super) fn introduce(&mut self, vhost: VhostId) {
        let Self { list, hashing } = self;
        let new = || Vhost {
            name: "".into(),
            exchange: Exchange::new(hashing),
            quota: Quota::NONE,
            usage: Usage::default(),
            counts: Counts::default(),
        };
        list.resize_with(list.len().max(usize::from(vhost.0) + 1), new);
    }

    /// Each vhost.
    pub(super) fn iter(&self) -> impl Iterator<Item = (VhostId, &Vhost)> {
        (0..).map(VhostId).zip(&self.list)
    }

    /// Notes the name of a vhost.
    pub(super) fn set_name(&mut self, vhost: VhostId, name: &str) {
        self.introduce(vhost);
        if *self[vhost].name != *name {
            self[vhost].name = name.into();
        }
    }

    /// Whether it exists under a name.
    pub(super) fn is_named(&self, vhost: VhostId) -> bool {
        self.list.get(usize::from(vhost.0)).is_some_and(|vhost| !vhost.name.is_empty())
    }

    /// Each vhost with its number.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u16, &mut Vhost)> {
        (0..).zip(&mut self.list)
    }

    /// A vhost, if anybody has told of it.
    pub(super) fn get_mut(&mut self, vhost: VhostId) -> Option<&mut Vhost> {
        self.list.get_mut(usize::from(vhost.0))
    }

    /// Gives memory back that filters which are gone have had, of `nodes_max` levels at most;
    /// whether there is more.
    pub(super) fn reclaim(&mut self, nodes_max: usize) -> bool {
        self.exchanges().any(|exchange| exchange.reclaim(nodes_max))
    }

    /// Each vhost's exchange.
    pub(super) fn exchanges(&mut self) -> impl Iterator<Item = &mut Exchange> {
        self.list.iter_mut().map(|vhost| &mut vhost.exchange)
    }
}

impl Index<VhostId> for Vhosts {
    type Output = Vhost;

    #[inline]
    fn index(&self, vhost: VhostId) -> &Vhost {
        &self.list[usize::from(vhost.0)]
    }
}

impl IndexMut<VhostId> for Vhosts {
    #[inline]
    fn index_mut(&mut self, vhost: VhostId) -> &mut Vhost {
        &mut self.list[usize::from(vhost.0)]
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

    /// As [`Vhosts::reclaim`].
    fn reclaim(&mut self, nodes_max: usize) -> bool {
        self.subscriptions.reclaim(nodes_max) || self.interests.reclaim(nodes_max)
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

    /// The route of a topic, to those of its subscribers that may read it.
    pub(super) fn route(&mut self, topic: TopicName<'_>, readers: &Readers<'_>) -> Ticket {
        let Self { subscriptions, interests, routes } = self;
        routes.find(topic.as_str(), |route| {
            subscriptions.matching(topic, |session, grant| {
                if readers.may_receive(session, topic) {
                    route.add(session, grant);
                }
            });
            interests.matching(topic, |shard, ()| route.remote.insert(shard));
        })
    }
}
