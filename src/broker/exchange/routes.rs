//! Routes of topics: computed once and cached until a subscription changes.
//!
//! Invariant: a route whose epoch is the vhost's is the result that the trees would give now. A
//! route's handle becomes stale when its place goes to another topic or the route is computed
//! again.

use std::hash::BuildHasher;

use hashbrown::HashTable;

use crate::limits::{ROUTE_TARGETS_MAX, ROUTE_TOPIC_BYTES_MAX, ROUTES_MAX};
use crate::mqtt::QoS;
use crate::slots::make_room;

use crate::store::{Hashing, SessionKey, SubscriptionOptions};

use super::super::names::{RouteHandle, ShardSet, TraceSet};

/// The grant of a filter to a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Grant {
    /// The highest QoS.
    pub(crate) qos: QoS,
    /// Whether the session outlives its connection, so that QoS 1 and 2 for it are stored.
    pub(crate) durable: bool,
    /// The options of the subscription.
    pub(crate) options: GrantOptions,
}

/// Subscription options of MQTT 5 (3.8.3.1), beside the QoS.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct GrantOptions(u8);

impl GrantOptions {
    /// The session does not get messages of its own client [MQTT-3.8.3-3].
    pub(crate) const NO_LOCAL: Self = Self(1);
    /// RETAIN is forwarded as published [MQTT-3.3.1-13].
    pub(crate) const RETAIN_AS_PUBLISHED: Self = Self(1 << 1);
    /// The subscription has an identifier [MQTT-3.3.4-3].
    pub(crate) const IDENTIFIED: Self = Self(1 << 2);

    /// The options of a stored subscription.
    pub(crate) fn of(options: SubscriptionOptions) -> Self {
        Self::default()
            .with_if(options.no_local, Self::NO_LOCAL)
            .with_if(options.retain_as_published, Self::RETAIN_AS_PUBLISHED)
            .with_if(options.identifier > 0, Self::IDENTIFIED)
    }

    /// These options, and `more` if `set`.
    fn with_if(self, set: bool, more: Self) -> Self {
        if set { Self(self.0 | more.0) } else { self }
    }

    pub(crate) fn has(self, option: Self) -> bool {
        self.0 & option.0 != 0
    }
}

/// A session that receives a topic's messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RouteTarget {
    pub(crate) session: SessionKey,
    /// The highest QoS granted by the session's matching filters.
    pub(crate) granted: QoS,
    /// The highest QoS for messages of the session's own client; `None`: it does not get them.
    own: Option<QoS>,
    /// As [`Grant::durable`].
    pub(crate) durable: bool,
    /// The options of all its matching filters together.
    options: GrantOptions,
    /// Traces of its client that select the topic's messages.
    pub(crate) traces: TraceSet,
    /// The same for messages of the session's own client.
    own_options: GrantOptions,
}

impl RouteTarget {
    /// Whether one of its matching filters has options of MQTT 5.
    #[inline]
    pub(crate) fn has_options(&self) -> bool {
        self.options != GrantOptions::default()
    }

    /// The highest QoS for a message from this publisher's session; `None` if the target does not
    /// get it.
    #[inline]
    pub(crate) fn granted_from(&self, publisher: Option<SessionKey>) -> Option<QoS> {
        if self.is_screened(publisher) { self.own } else { Some(self.granted) }
    }

    /// Whether some of the target's filters do not apply to a message from this publisher's
    /// session: it is the target's own, and those filters have No Local.
    #[inline]
    pub(crate) fn is_screened(&self, publisher: Option<SessionKey>) -> bool {
        self.options.has(GrantOptions::NO_LOCAL) && publisher == Some(self.session)
    }

    /// Whether some of its filters have No Local and others have not.
    fn screens(&self) -> bool {
        self.options.has(GrantOptions::NO_LOCAL) && self.own.is_some()
    }

    /// The RETAIN flag of a new message from this publisher's session. It is kept if any matching
    /// filter has Retain As Published.
    #[inline]
    pub(crate) fn retain(&self, published: bool, publisher: Option<SessionKey>) -> bool {
        let screened = published && self.is_screened(publisher);
        let options = if screened { self.own_options } else { self.options };
        published && options.has(GrantOptions::RETAIN_AS_PUBLISHED)
    }

    /// Whether one of its matching filters has an identifier.
    #[inline]
    pub(crate) fn is_identified(&self) -> bool {
        self.options.has(GrantOptions::IDENTIFIED)
    }

    /// Merges the grant of another filter of the session.
    fn merge(&mut self, other: &Self) {
        self.granted = self.granted.max(other.granted);
        self.own = self.own.max(other.own);
        self.options.0 |= other.options.0;
        self.own_options.0 |= other.own_options.0;
    }
}

/// All receivers of a topic's messages.
#[derive(Default, Debug)]
pub(crate) struct Route {
    topic: Box<str>,
    epoch: u64,
    serial: u32,
    /// Sessions of this shard, each once.
    pub(crate) targets: Vec<RouteTarget>,
    /// Groups that share the messages published here, by number.
    pub(crate) groups: Vec<u32>,
    /// The lane of the topic in these groups.
    pub(crate) lane: u16,
    /// Identifiers of the targets' subscriptions, in the order of the targets.
    identifiers: Vec<(SessionKey, u32)>,
    /// Whether a durable target was granted more than QoS 0.
    pub(crate) stores: bool,
    /// Whether a target gets messages of its own client by only some of its filters.
    screens: bool,
    /// Other shards with a subscriber.
    pub(crate) remote: ShardSet,
    /// Traces of the topic.
    pub(crate) traces: TraceSet,
    /// Whether the traces are noted.
    pub(crate) traces_known: bool,
}

impl Route {
    /// Adds a session of a matching filter; a session may have several of them.
    pub(super) fn add(&mut self, session: SessionKey, grant: Grant) {
        let Grant { qos: granted, durable, options } = grant;
        self.stores |= durable && granted > QoS::AtMostOnce;
        let own = (!options.has(GrantOptions::NO_LOCAL)).then_some(granted);
        let own_options = own.map_or(GrantOptions::default(), |_| options);
        make_room(&mut self.targets);
        let traces = TraceSet::NONE;
        let target = RouteTarget { session, granted, own, durable, options, own_options, traces };
        self.targets.push(target);
    }

    fn len(&self) -> usize {
        self.targets.len() + self.identifiers.len() + self.groups.len()
    }

    /// The publisher's session, if it gets the message by only some of its filters.
    #[inline]
    pub(crate) fn screened(&self, publisher: Option<SessionKey>) -> Option<SessionKey> {
        if !self.screens {
            return None;
        }
        let is_it = |target: &&RouteTarget| Some(target.session) == publisher && target.screens();
        self.targets.iter().find(is_it).map(|target| target.session)
    }

    /// Overlapping filters of a session cause one copy, at the highest QoS [MQTT-3.3.5-1].
    fn merge_overlaps(&mut self) {
        self.targets.sort_unstable_by_key(|target| target.session);
        self.targets.dedup_by(|other, kept| {
            let is_same = other.session == kept.session;
            if is_same {
                kept.merge(other);
            }
            is_same
        });
        self.screens = self.targets.iter().any(RouteTarget::screens);
    }

    /// Identifiers of a session's matching subscriptions, if they were noted.
    pub(crate) fn identifiers(&self, session: SessionKey) -> impl Iterator<Item = u32> {
        let from = self.identifiers.partition_point(|(of, _)| *of < session);
        let own = self.identifiers[from..].iter().take_while(move |(of, _)| *of == session);
        own.map(|(_, identifier)| *identifier)
    }

    /// Notes the identifiers of the targets' subscriptions; `of` adds those of one session.
    fn note_identifiers(&mut self, of: impl Fn(SessionKey, &mut Vec<(SessionKey, u32)>)) {
        for target in self.targets.iter().filter(|target| target.is_identified()) {
            of(target.session, &mut self.identifiers);
        }
    }
}

/// A route as a publisher has found it: whether it may not publish to it, and the topic's traces.
pub(crate) type FoundRoute = (RouteHandle, bool, TraceSet);

/// Routes by topic. The first place is for topics that are not cached.
#[derive(Debug)]
pub(super) struct Routes {
    /// Counts changes of subscriptions; starts at 1, so that 0 is never current.
    epoch: u64,
    by_topic: HashTable<u32>,
    routes: Vec<Route>,
    /// Targets and identifiers of all routes.
    targets: usize,
    /// The last place that was given to another topic.
    hand: usize,
    hashing: Hashing,
}

impl Routes {
    pub(super) fn new(hashing: &Hashing) -> Self {
        Self {
            epoch: 1,
            by_topic: HashTable::new(),
            routes: vec![Route::default()],
            targets: 0,
            hand: 0,
            hashing: hashing.clone(),
        }
    }

    /// Makes all routes stale after a change of subscriptions.
    pub(super) fn invalidate(&mut self) {
        self.epoch += 1;
    }

    /// Whether the route has not changed.
    #[inline]
    pub(super) fn is_current(&self, handle: RouteHandle) -> bool {
        handle.epoch == self.epoch && self.routes[handle.at as usize].serial == handle.serial
    }

    /// # Panics
    /// If the handle is stale: holders of handles check that first.
    #[inline]
    pub(super) fn get(&self, handle: RouteHandle) -> &Route {
        let route = &self.routes[handle.at as usize];
        assert_eq!(route.serial, handle.serial, "the handle is current");
        route
    }

    /// Notes the traces of a route, and those of its targets' clients in the order of the targets.
    pub(super) fn trace(
        &mut self,
        handle: RouteHandle,
        traces: TraceSet,
        of_targets: impl IntoIterator<Item = TraceSet>,
    ) {
        let route = &mut self.routes[handle.at as usize];
        (route.traces, route.traces_known) = (traces, true);
        for (target, traces) in route.targets.iter_mut().zip(of_targets) {
            target.traces = traces;
        }
    }

    /// Finds the route of a topic; `fill` computes a stale or new one, and `identify` adds the
    /// identifiers of a session's matching subscriptions.
    pub(super) fn find(
        &mut self,
        topic: &str,
        fill: impl FnOnce(&mut Route),
        identify: impl Fn(SessionKey, &mut Vec<(SessionKey, u32)>),
    ) -> RouteHandle {
        let hash = self.hashing.hash_one(topic);
        let routes = &self.routes;
        let known = self.by_topic.find(hash, |at| *routes[*at as usize].topic == *topic).copied();
        let at = match known {
            Some(at) => at,
            None if topic.len() > ROUTE_TOPIC_BYTES_MAX => 0,
            None => self.add(topic, hash),
        };
        let route = &mut self.routes[at as usize];
        if at == 0 || route.epoch != self.epoch {
            self.targets -= route.len();
            route.targets.clear();
            route.groups.clear();
            route.identifiers.clear();
            route.stores = false;
            route.remote = ShardSet::default();
            (route.traces, route.traces_known) = (TraceSet::NONE, false);
            fill(route);
            route.merge_overlaps();
            route.targets.shrink_to_fit();
            route.note_identifiers(identify);
            route.epoch = self.epoch;
            route.serial = route.serial.wrapping_add(1);
            self.targets += route.len();
        }
        RouteHandle { at, serial: route.serial, epoch: self.epoch }
    }

    /// Gives a new topic a place.
    fn add(&mut self, topic: &str, hash: u64) -> u32 {
        while self.targets > ROUTE_TARGETS_MAX && self.routes.len() > 2 {
            let at = self.free_place();
            self.targets -= self.routes[at].len();
            self.routes[at].targets = Vec::new();
            self.routes[at].groups = Vec::new();
            self.routes[at].identifiers = Vec::new();
            if at == 1 {
                break;
            }
        }
        let at = if self.routes.len() <= ROUTES_MAX {
            self.routes.push(Route::default());
            self.routes.len() - 1
        } else {
            self.free_place()
        };
        let route = &mut self.routes[at];
        route.topic = topic.into();
        route.epoch = 0;
        let (routes, hashing) = (&self.routes, &self.hashing);
        let at = u32::try_from(at).expect("bounded above");
        self.by_topic.insert_unique(hash, at, |at| hashing.hash_one(&*routes[*at as usize].topic));
        at
    }

    /// Takes the next place in turn away from its topic.
    fn free_place(&mut self) -> usize {
        self.hand = self.hand % (self.routes.len() - 1) + 1;
        let at = self.hand;
        let hash = self.hashing.hash_one(&*self.routes[at].topic);
        if let Ok(entry) = self.by_topic.find_entry(hash, |known| *known as usize == at) {
            entry.remove();
        }
        let route = &mut self.routes[at];
        route.topic = Box::default();
        route.epoch = 0;
        route.serial = route.serial.wrapping_add(1);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOWEST: Grant = Grant { qos: QoS::AtMostOnce, durable: false, options: GrantOptions(0) };

    impl Routes {
        fn filled(&mut self, topic: &str, fill: impl FnOnce(&mut Route)) -> RouteHandle {
            self.find(topic, fill, |_, _| unreachable!("no subscription has an identifier"))
        }
    }

    /// A route is filled once in an epoch; overlapping filters of a session keep the highest QoS.
    #[test]
    fn filled_once_an_epoch() {
        let (mut routes, mut fills) = (Routes::new(&Hashing::default()), 0);
        let first = routes.filled("a", |_| fills += 1);
        assert_eq!(routes.filled("a", |_| fills += 1), first);
        assert_eq!(fills, 1);
        routes.invalidate();
        assert!(!routes.is_current(first) && !routes.is_current(RouteHandle::default()));
        let route = routes.filled("a", |route| {
            for (session, granted) in [
                (2, QoS::AtMostOnce),
                (1, QoS::AtMostOnce),
                (2, QoS::ExactlyOnce),
                (1, QoS::AtLeastOnce),
            ] {
                route.add(session, Grant { qos: granted, durable: true, ..LOWEST });
            }
        });
        let target = |session, granted| RouteTarget {
            session,
            granted,
            own: Some(granted),
            durable: true,
            options: GrantOptions::default(),
            traces: TraceSet::NONE,
            own_options: GrantOptions::default(),
        };
        let expected = [target(1, QoS::AtLeastOnce), target(2, QoS::ExactlyOnce)];
        assert_eq!(routes.get(route).targets, expected);
    }

    /// Filters with No Local do not pass on messages of the session's own client. Options and
    /// identifiers of overlapping filters add up.
    #[test]
    fn options_of_overlapping_filters_add_up() {
        use GrantOptions as Options;
        let grant = |qos, options| Grant { qos, durable: false, options };
        let mut routes = Routes::new(&Hashing::default());
        let handle = routes.find(
            "a",
            |route| {
                route.add(1, grant(QoS::ExactlyOnce, Options::NO_LOCAL));
                route.add(2, grant(QoS::AtLeastOnce, Options::NO_LOCAL));
                let identified = Options::IDENTIFIED.with_if(true, Options::RETAIN_AS_PUBLISHED);
                route.add(1, grant(QoS::AtMostOnce, identified));
                route.add(3, grant(QoS::AtMostOnce, Options::IDENTIFIED));
                let others = Options::NO_LOCAL.with_if(true, Options::RETAIN_AS_PUBLISHED);
                route.add(4, grant(QoS::AtMostOnce, others));
                route.add(4, grant(QoS::AtMostOnce, Options::default()));
            },
            |session, into| into.extend([(session, session * 10), (session, session * 10 + 1)]),
        );
        let route = routes.get(handle);
        let [first, second, third, fourth] = route.targets[..] else { panic!("four sessions") };
        assert_eq!(first.granted_from(Some(2)), Some(QoS::ExactlyOnce));
        assert_eq!(first.granted_from(Some(1)), Some(QoS::AtMostOnce));
        let retains = |published, publisher| first.retain(published, publisher);
        assert_eq!([retains(true, None), retains(false, None)], [true, false]);
        assert_eq!(second.granted_from(None), Some(QoS::AtLeastOnce));
        assert_eq!(second.granted_from(Some(2)), None);
        assert_eq!((second.retain(true, None), second.is_identified()), (false, false));
        assert!(third.is_identified());
        assert_eq!([fourth.retain(true, None), fourth.retain(true, Some(4))], [true, false]);
        let identifiers = |session| route.identifiers(session).collect::<Vec<_>>();
        assert_eq!(identifiers(1), [10, 11]);
        assert!(identifiers(2).is_empty());
        assert_eq!(identifiers(3), [30, 31]);
    }

    /// With any number of topics, each finds its own route, and a current handle names it.
    #[test]
    fn places_are_given_in_turn() {
        let mut routes = Routes::new(&Hashing::default());
        let session = |n: usize| u32::try_from(n).expect("small");
        let mut handles = Vec::new();
        for n in 0..ROUTES_MAX * 2 {
            let handle = routes.filled(&n.to_string(), |route| route.add(session(n), LOWEST));
            assert_eq!(routes.get(handle).targets[0].session, session(n));
            handles.push(handle);
        }
        assert_eq!(routes.routes.len(), ROUTES_MAX + 1);
        assert_eq!(routes.by_topic.len(), ROUTES_MAX);
        for (n, handle) in handles.into_iter().enumerate() {
            assert_eq!(routes.is_current(handle), n >= ROUTES_MAX);
        }
    }

    /// Topics that are too long to cache, and routes with very many targets, do not use up memory.
    #[test]
    fn memory_is_bounded() {
        let mut routes = Routes::new(&Hashing::default());
        for n in 0..1000_usize {
            let topic = format!("{n}{}", "x".repeat(ROUTE_TOPIC_BYTES_MAX));
            routes.filled(&topic, |route| route.add(1, LOWEST));
        }
        assert!(routes.by_topic.is_empty());
        for n in 0..100_usize {
            let many = u32::try_from(ROUTE_TARGETS_MAX / 10).expect("small");
            routes.filled(&n.to_string(), |route| {
                (0..many).for_each(|session| route.add(session, LOWEST));
            });
        }
        let held: usize = routes.routes.iter().map(|route| route.targets.capacity()).sum();
        assert!(held <= 3 * ROUTE_TARGETS_MAX, "{held}");
    }
}
