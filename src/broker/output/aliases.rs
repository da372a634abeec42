//! Topic aliases towards one client of MQTT 5, as they were given.
//!
//! A route that is the same as before has the same topic. So the alias of a route that was written
//! to lately is found without a look at the topic.

use crate::limits::ALIAS_ROUTES;
use crate::mqtt::{TopicAlias, TopicName};
use crate::store::{Hashing, Map};

use super::super::names::RouteHandle;

/// See the module.
#[derive(Debug)]
pub(super) struct Aliases {
    by_topic: Map<Box<str>, TopicAlias>,
    /// By the route's place; routes that share one take turns.
    by_route: [Option<(RouteHandle, TopicAlias)>; ALIAS_ROUTES],
}

impl Aliases {
    pub(super) fn new(hashing: &Hashing) -> Self {
        let by_topic = Map::with_hasher(hashing.clone());
        Self { by_topic, by_route: [None; ALIAS_ROUTES] }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_topic.len()
    }

    /// Gives a topic an alias.
    pub(super) fn insert(&mut self, topic: TopicName<'_>, alias: TopicAlias) {
        self.by_topic.insert(topic.as_str().into(), alias);
    }

    /// The alias of a topic, if it has one. `route`: that of the topic, if it is known.
    #[inline]
    pub(super) fn find(&mut self, topic: TopicName<'_>, route: RouteHandle) -> Option<TopicAlias> {
        match self.by_route[route.place() % ALIAS_ROUTES] {
            Some((last, alias)) if last == route => Some(alias),
            _ => self.find_by_topic(topic, route),
        }
    }

    #[inline(never)]
    fn find_by_topic(&mut self, topic: TopicName<'_>, route: RouteHandle) -> Option<TopicAlias> {
        let alias = *self.by_topic.get(topic.as_str())?;
        if route != RouteHandle::default() {
            self.by_route[route.place() % ALIAS_ROUTES] = Some((route, alias));
        }
        Some(alias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each topic has its own alias, whichever routes share a place, whether or not they are known;
    /// a route that is another than before is looked up by its topic.
    #[test]
    fn routes_have_the_alias_of_their_topic() {
        let mut aliases = Aliases::new(&Hashing::default());
        let topics = ["a", "b", "c"].map(|topic| TopicName::parse(topic).expect("a topic"));
        let alias = |number| TopicAlias::new(number).expect("not 0");
        let far = u32::try_from(ALIAS_ROUTES).expect("few");
        let route = |at, serial| RouteHandle { at, serial, epoch: 1 };
        for (number, topic) in (1..).zip(topics) {
            assert_eq!(aliases.find(topic, route(1, 1)), None);
            if number < 3 {
                aliases.insert(topic, alias(number));
            }
        }
        let [a, b, c] = topics;
        for _ in 0..3 {
            assert_eq!(aliases.find(a, route(1, 1)), Some(alias(1)));
            assert_eq!(aliases.find(a, route(1, 1)), Some(alias(1)));
            assert_eq!(aliases.find(b, route(1 + far, 1)), Some(alias(2)));
            assert_eq!(aliases.find(b, RouteHandle::default()), Some(alias(2)));
            assert_eq!(aliases.find(a, RouteHandle::default()), Some(alias(1)));
            assert_eq!(aliases.find(b, route(1, 2)), Some(alias(2)));
            assert_eq!(aliases.find(c, route(2, 1)), None);
        }
        assert_eq!(aliases.len(), 2);
    }
}
