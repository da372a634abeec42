//! The routing of messages. Each vhost has a name and an exchange `mqtt.default` (subscription tree
//! and routes). Sessions and retained messages are in the shard's catalog. No message passes
//! between vhosts.
//!
//! Invariant: a current route is the result that the trees would give now, restricted to the
//! subscribers that may read the topic.
//!
//! Verbs: [`Exchanges::bind`], [`Exchanges::unbind`] and [`Exchanges::set_interest`] change routes,
//! [`Exchanges::route`] and [`Exchanges::last_route`] find them; [`Exchanges::set_alias`] and
//! [`Exchanges::take_alias`] keep the topic aliases of a connection.
//!
//! May use `names`.

mod aliases;
mod identifiers;
mod routes;
mod tree;

use std::num::NonZero;

use crate::limits::GROUP_LANES;
use crate::mqtt::{TopicFilter, TopicName};
use crate::store::{Hashing, SessionKey};

use super::names::{
    ConnId, ConnTable, DEFAULT_VHOST, RouteHandle, ShardId, TraceSet, VhostId, placement,
};

use aliases::Aliases;
use routes::Routes;
use tree::FilterTree;

pub(crate) use identifiers::{find_identifiers, find_waiting_identifiers, is_identified};
pub(crate) use routes::{FoundRoute, Grant, GrantOptions, Route, RouteTarget};

/// The last topic to which a connection published.
#[derive(Default, Debug)]
struct LastTopic {
    topic: String,
    route: RouteHandle,
    denied: bool,
    traces: TraceSet,
    /// The topic aliases that its client has set.
    aliases: Aliases,
}

#[derive(Debug)]
struct Vhost {
    /// Empty if this shard does not know it yet, or if the vhost was deleted.
    name: Box<str>,
    exchange: Exchange,
}

/// The exchange of one vhost: two trees and the routes computed from them.
#[derive(Debug)]
struct Exchange {
    /// Filters of this shard's sessions.
    subscriptions: FilterTree<SessionKey, Grant>,
    /// Filters of groups, by the group's number on this shard.
    groups: FilterTree<u32, ()>,
    /// Filters for which other shards have a subscriber.
    interests: FilterTree<ShardId, ()>,
    routes: Routes,
}

/// The exchanges of all vhosts, by number. The default vhost always exists.
#[derive(Debug)]
pub(crate) struct Exchanges {
    list: Vec<Vhost>,
    last_topics: ConnTable<LastTopic>,
    /// Filters for system topics that sessions of the default vhost have.
    system_filters: usize,
    hashing: Hashing,
}

impl Exchanges {
    pub(crate) fn new(hashing: Hashing) -> Self {
        let last_topics = ConnTable::default();
        let mut exchanges = Self { list: Vec::new(), last_topics, system_filters: 0, hashing };
        exchanges.set_name(DEFAULT_VHOST, "/");
        exchanges
    }

    pub(crate) fn open(&mut self, conn: ConnId) {
        self.last_topics.open(conn, LastTopic::default());
    }

    pub(crate) fn remove(&mut self, conn: ConnId) {
        self.last_topics.remove(conn);
    }

    /// Notes a vhost that another shard may have learned first.
    pub(crate) fn introduce(&mut self, vhost: VhostId) {
        let Self { list, hashing, .. } = self;
        let new = || Vhost { name: "".into(), exchange: Exchange::new(hashing) };
        list.resize_with(list.len().max(usize::from(vhost.0) + 1), new);
    }

    /// Each vhost, with its name.
    pub(crate) fn vhosts(&self) -> impl Iterator<Item = (VhostId, &str)> {
        (0..).map(VhostId).zip(self.list.iter().map(|vhost| &*vhost.name))
    }

    /// Sets the name of a vhost.
    pub(crate) fn set_name(&mut self, vhost: VhostId, name: &str) {
        self.introduce(vhost);
        let known = &mut self.list[usize::from(vhost.0)].name;
        if **known != *name {
            *known = name.into();
        }
    }

    /// The name of a vhost; empty if it has none.
    pub(crate) fn name(&self, vhost: VhostId) -> &str {
        self.list.get(usize::from(vhost.0)).map_or("", |vhost| &vhost.name)
    }

    /// Whether a vhost exists under a name.
    pub(crate) fn is_named(&self, vhost: VhostId) -> bool {
        !self.name(vhost).is_empty()
    }

    /// Binds a session; returns whether it is the shard's first for this filter.
    pub(crate) fn bind(
        &mut self,
        vhost: VhostId,
        filter: TopicFilter<'_>,
        key: SessionKey,
        grant: Grant,
    ) -> bool {
        let exchange = self.exchange_mut(vhost);
        exchange.routes.invalidate();
        let is_first = exchange.subscriptions.insert(filter, key, grant);
        self.system_filters += usize::from(is_first && is_of_system(vhost, filter));
        is_first
    }

    /// Unbinds a session; returns whether it was the shard's last for this filter.
    pub(crate) fn unbind(
        &mut self,
        vhost: VhostId,
        filter: TopicFilter<'_>,
        key: SessionKey,
    ) -> bool {
        let exchange = self.exchange_mut(vhost);
        exchange.routes.invalidate();
        let is_last = exchange.subscriptions.remove(filter, key);
        self.system_filters -= usize::from(is_last && is_of_system(vhost, filter));
        is_last
    }

    /// Whether a session here has subscribed to system topics.
    #[inline]
    pub(crate) fn wants_system(&self) -> bool {
        self.system_filters > 0
    }

    /// The number of subscriptions of all sessions here.
    pub(crate) fn subscriptions(&self) -> u64 {
        let held = self.list.iter().map(|vhost| vhost.exchange.subscriptions.holders() as u64);
        held.sum()
    }

    /// Binds or unbinds a group.
    pub(crate) fn set_group(
        &mut self,
        vhost: VhostId,
        filter: TopicFilter<'_>,
        group: u32,
        is_there: bool,
    ) {
        let exchange = self.exchange_mut(vhost);
        exchange.routes.invalidate();
        if is_there {
            exchange.groups.insert(filter, group, ());
        } else {
            exchange.groups.remove(filter, group);
        }
    }

    /// Notes whether another shard has a subscriber for a filter.
    pub(crate) fn set_interest(
        &mut self,
        vhost: VhostId,
        filter: TopicFilter<'_>,
        shard: ShardId,
        has: bool,
    ) {
        let exchange = self.exchange_mut(vhost);
        exchange.routes.invalidate();
        if has {
            exchange.interests.insert(filter, shard, ());
        } else {
            exchange.interests.remove(filter, shard);
        }
    }

    /// Makes the routes of a vhost stale after a change of its clients' rights.
    pub(crate) fn invalidate(&mut self, vhost: VhostId) {
        self.exchange_mut(vhost).routes.invalidate();
    }

    /// As [`Exchanges::invalidate`], in all vhosts.
    pub(crate) fn invalidate_all(&mut self) {
        self.list.iter_mut().for_each(|vhost| vhost.exchange.routes.invalidate());
    }

    /// Finds the present route of a topic. `may_receive` tells whether a session may read it;
    /// `identify` adds the identifiers of a session's matching subscriptions.
    pub(crate) fn route(
        &mut self,
        vhost: VhostId,
        topic: TopicName<'_>,
        may_receive: impl Fn(SessionKey) -> bool,
        identify: impl Fn(SessionKey, &mut Vec<(SessionKey, u32)>),
    ) -> RouteHandle {
        let Exchange { subscriptions, groups, interests, routes } = self.exchange_mut(vhost);
        let fill = |route: &mut Route| {
            subscriptions.matching(topic, |session, grant| {
                if may_receive(session) {
                    route.add(session, grant);
                }
            });
            groups.matching(topic, |group, ()| route.groups.push(group));
            if !route.groups.is_empty() {
                let lanes = u16::try_from(GROUP_LANES).expect("few");
                route.lane = placement::lane_of(topic.as_str(), lanes);
            }
            interests.matching(topic, |shard, ()| route.remote.insert(shard));
        };
        routes.find(topic.as_str(), fill, identify)
    }

    /// Notes the traces of a route, and those of its targets' clients in the order of the targets.
    pub(crate) fn trace_route(
        &mut self,
        vhost: VhostId,
        route: RouteHandle,
        traces: TraceSet,
        of_targets: impl IntoIterator<Item = TraceSet>,
    ) {
        self.exchange_mut(vhost).routes.trace(route, traces, of_targets);
    }

    /// The route of the last topic to which a connection published, whether its client may not
    /// publish to it, and the topic's traces; `None` if the topic is another or something has
    /// changed.
    #[inline]
    pub(crate) fn last_route(
        &self,
        conn: ConnId,
        vhost: VhostId,
        topic: TopicName<'_>,
    ) -> Option<FoundRoute> {
        let last = self.last_topics.get(conn)?;
        let routes = &self.list[usize::from(vhost.0)].exchange.routes;
        let is_it = routes.is_current(last.route) && last.topic == topic.as_str();
        is_it.then_some((last.route, last.denied, last.traces))
    }

    /// Notes the topic to which a connection publishes, for [`Exchanges::last_route`]; returns the
    /// topic's traces.
    pub(crate) fn note_last(
        &mut self,
        conn: ConnId,
        vhost: VhostId,
        topic: TopicName<'_>,
        route: RouteHandle,
        denied: bool,
    ) -> TraceSet {
        let traces = self.get(vhost, route).traces;
        if let Some(last) = self.last_topics.get_mut(conn) {
            (last.route, last.denied, last.traces) = (route, denied, traces);
            last.topic.clear();
            last.topic.push_str(topic.as_str());
        }
        traces
    }

    /// Takes the topic that an alias of a connection stands for, and its route if that is current;
    /// `None` if it stands for no topic. [`Exchanges::return_alias`] is to follow.
    #[inline]
    pub(crate) fn take_alias(
        &mut self,
        conn: ConnId,
        vhost: VhostId,
        alias: NonZero<u16>,
    ) -> Option<(String, Option<FoundRoute>)> {
        let (topic, found) = self.last_topics.get_mut(conn)?.aliases.take(alias)?;
        let routes = &self.list[usize::from(vhost.0)].exchange.routes;
        Some((topic, Some(found).filter(|(route, ..)| routes.is_current(*route))))
    }

    /// Gives back the topic that was taken, after a message to it; `known`: its route, if that was
    /// known before.
    #[inline]
    pub(crate) fn return_alias(
        &mut self,
        conn: ConnId,
        alias: NonZero<u16>,
        topic: String,
        known: Option<FoundRoute>,
    ) {
        if let Some(last) = self.last_topics.get_mut(conn) {
            // A message whose route was not known is the last one that was published so.
            let last_found = (last.route, last.denied, last.traces);
            let found = known.or_else(|| (last.topic == topic).then_some(last_found));
            last.aliases.put_back(alias, topic, found.unwrap_or_default());
        }
    }

    /// Has an alias of a connection stand for a topic; false if its aliases stand for more than
    /// [`ALIAS_TOPIC_BYTES_MAX`](crate::limits::ALIAS_TOPIC_BYTES_MAX) then. That the number is
    /// within the bound is for the caller to see to.
    pub(crate) fn set_alias(
        &mut self,
        conn: ConnId,
        alias: NonZero<u16>,
        topic: TopicName<'_>,
    ) -> bool {
        let last = self.last_topics.get_mut(conn);
        last.is_none_or(|last| last.aliases.set(alias, topic))
    }

    /// The route that a handle names.
    ///
    /// # Panics
    /// If the handle is stale: holders of handles check that first.
    #[inline]
    pub(crate) fn get(&self, vhost: VhostId, handle: RouteHandle) -> &Route {
        self.list[usize::from(vhost.0)].exchange.routes.get(handle)
    }

    /// Returns memory of removed filters and connections, of `slots_max` at most; returns whether
    /// there is more to do.
    pub(crate) fn reclaim(&mut self, slots_max: usize) -> bool {
        let mut exchanges = self.list.iter_mut().map(|vhost| &mut vhost.exchange);
        let more_filters = exchanges.any(|exchange| exchange.reclaim(slots_max));
        self.last_topics.reclaim(slots_max) || more_filters
    }

    #[inline]
    fn exchange_mut(&mut self, vhost: VhostId) -> &mut Exchange {
        &mut self.list[usize::from(vhost.0)].exchange
    }
}

/// Only the default vhost has system topics.
fn is_of_system(vhost: VhostId, filter: TopicFilter<'_>) -> bool {
    vhost == DEFAULT_VHOST && filter.is_system()
}

impl Exchange {
    fn new(hashing: &Hashing) -> Self {
        Self {
            subscriptions: FilterTree::new(hashing),
            groups: FilterTree::new(hashing),
            interests: FilterTree::new(hashing),
            routes: Routes::new(hashing),
        }
    }

    fn reclaim(&mut self, nodes_max: usize) -> bool {
        self.subscriptions.reclaim(nodes_max) || self.interests.reclaim(nodes_max)
    }
}
