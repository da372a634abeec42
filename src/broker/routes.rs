//! Where messages of a topic go: computed once, remembered while no subscription changes.
//!
//! Invariant: a route whose epoch is the vhost's is what the trees would give now.

use crate::limits::ROUTES_MAX;
use crate::mqtt::QoS;

use super::hashing::{Hashing, Map};
use super::peers::ShardSet;
use super::session::SessionKey;

/// A session that gets a topic's messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Target {
    pub(super) session: SessionKey,
    /// The highest QoS granted by the session's matching filters.
    pub(super) granted: QoS,
}

/// Everybody who gets a topic's messages.
#[derive(Default, Debug)]
pub(super) struct Route {
    epoch: u64,
    /// Sessions of this shard, each once.
    pub(super) targets: Vec<Target>,
    /// Other shards with a subscriber.
    pub(super) remote: ShardSet,
}

impl Route {
    /// Adds a session, or raises what it is granted: of overlapping filters one copy is sent, at
    /// the highest QoS [MQTT-3.3.5-1].
    pub(super) fn add(&mut self, session: SessionKey, granted: QoS) {
        match self.targets.iter_mut().find(|target| target.session == session) {
            Some(target) => target.granted = target.granted.max(granted),
            None => self.targets.push(Target { session, granted }),
        }
    }
}

/// Routes by topic.
#[derive(Debug)]
pub(super) struct Routes {
    /// Counts changes of subscriptions; starts at 1, so that 0 is never current.
    epoch: u64,
    by_topic: Map<Box<str>, u32>,
    routes: Vec<Route>,
}

impl Routes {
    pub(super) fn new(hashing: &Hashing) -> Self {
        let by_topic = Map::with_hasher(hashing.clone());
        Self { epoch: 1, by_topic, routes: Vec::new() }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Makes all routes stale: a subscription changed.
    pub(super) fn invalidate(&mut self) {
        self.epoch += 1;
    }

    pub(super) fn get(&self, route: u32) -> &Route {
        &self.routes[route as usize]
    }

    /// The route of a topic; a stale or new one is filled by `fill`.
    pub(super) fn find(&mut self, topic: &str, fill: impl FnOnce(&mut Route)) -> u32 {
        let route = match self.by_topic.get(topic) {
            Some(route) => *route,
            None => self.add(topic),
        };
        let slot = &mut self.routes[route as usize];
        if slot.epoch != self.epoch {
            slot.targets.clear();
            slot.remote = ShardSet::default();
            fill(slot);
            slot.epoch = self.epoch;
        }
        route
    }

    fn add(&mut self, topic: &str) -> u32 {
        if self.routes.len() == ROUTES_MAX {
            self.by_topic.clear();
            self.routes.clear();
            // Connections that remember a route by its number must not use it for another topic.
            self.invalidate();
        }
        let route = u32::try_from(self.routes.len()).expect("bounded above");
        self.routes.push(Route::default());
        self.by_topic.insert(topic.into(), route);
        route
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A route is filled once an epoch, also when the cache overflows.
    #[test]
    fn filled_once_an_epoch() {
        let (mut routes, mut fills) = (Routes::new(&Hashing::default()), 0);
        for _ in 0..3 {
            routes.find("a", |_| fills += 1);
        }
        assert_eq!(fills, 1);
        routes.invalidate();
        let route = routes.find("a", |route| {
            fills += 1;
            route.add(1, QoS::AtMostOnce);
            route.add(1, QoS::AtLeastOnce);
        });
        assert_eq!(fills, 2);
        let target = Target { session: 1, granted: QoS::AtLeastOnce };
        assert_eq!(routes.get(route).targets, [target]);
        let epoch = routes.epoch();
        for n in 0..ROUTES_MAX {
            routes.find(&n.to_string(), |_| ());
        }
        assert_ne!(routes.epoch(), epoch);
        routes.find("a", |_| fills += 1);
        assert_eq!(fills, 3);
    }
}
