//! Topic aliases that a client has set (MQTT 5, 3.3.2.3.4), each with the route of its topic as it
//! was found last: while that is current, nobody looks at the topic.
//!
//! Invariant: a place has a topic name, or none while it is taken or was never set. The route is of
//! that topic, or none.

use std::num::NonZero;

use crate::limits::ALIAS_TOPIC_BYTES_MAX;
use crate::mqtt::TopicName;

use super::routes::FoundRoute;

/// See the module.
#[derive(Default, Debug)]
pub(super) struct Aliases {
    /// By alias less 1, as far as they were used.
    list: Box<[Alias]>,
}

#[derive(Default, Debug)]
struct Alias {
    /// Empty: none.
    topic: String,
    found: FoundRoute,
}

impl Aliases {
    /// Takes what an alias stands for; `None`: nothing.
    #[inline]
    pub(super) fn take(&mut self, alias: NonZero<u16>) -> Option<(String, FoundRoute)> {
        let place = self.list.get_mut(usize::from(alias.get()) - 1)?;
        let topic = std::mem::take(&mut place.topic);
        (!topic.is_empty()).then_some((topic, place.found))
    }

    /// Gives it back.
    #[inline]
    pub(super) fn put_back(&mut self, alias: NonZero<u16>, topic: String, found: FoundRoute) {
        if let Some(place) = self.list.get_mut(usize::from(alias.get()) - 1) {
            *place = Alias { topic, found };
        }
    }

    /// Has an alias stand for a topic; false if all of them stand for too many bytes then.
    pub(super) fn set(&mut self, alias: NonZero<u16>, topic: TopicName<'_>) -> bool {
        let at = usize::from(alias.get()) - 1;
        if at >= self.list.len() {
            let mut list = std::mem::take(&mut self.list).into_vec();
            list.resize_with(at + 1, Alias::default);
            self.list = list.into();
        }
        let place = &mut self.list[at];
        // A client may well set an alias with each message.
        if place.topic != topic.as_str() {
            place.topic.clear();
            place.topic.push_str(topic.as_str());
            place.found = FoundRoute::default();
        }
        self.list.iter().map(|alias| alias.topic.len()).sum::<usize>() <= ALIAS_TOPIC_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::names::RouteHandle;
    use super::*;

    /// An alias stands for the topic that was set last, and has no other topic's route.
    #[test]
    fn routes_go_with_their_topic() {
        let [a, b] = ["a", "b"].map(|topic| TopicName::parse(topic).expect("a topic"));
        let alias = |number| NonZero::new(number).expect("not 0");
        let route = RouteHandle { at: 1, serial: 2, epoch: 3 };
        let mut aliases = Aliases::default();
        assert!(aliases.take(alias(1)).is_none());
        assert!(aliases.set(alias(2), a));
        assert!(aliases.take(alias(1)).is_none() && aliases.take(alias(3)).is_none());
        let (topic, found) = aliases.take(alias(2)).expect("it was set");
        assert_eq!((&*topic, found.0), ("a", RouteHandle::default()));
        aliases.put_back(alias(2), topic, (route, false, found.2));
        assert!(aliases.set(alias(2), a));
        let (topic, found) = aliases.take(alias(2)).expect("it was set");
        assert_eq!((&*topic, found.0), ("a", route));
        aliases.put_back(alias(2), topic, found);
        assert!(aliases.set(alias(2), b));
        let (topic, found) = aliases.take(alias(2)).expect("it was set");
        assert_eq!((&*topic, found.0), ("b", RouteHandle::default()));
    }

    /// Their topics' bytes are bounded.
    #[test]
    fn bytes_are_bounded() {
        let half = "x".repeat(ALIAS_TOPIC_BYTES_MAX / 2);
        let mut aliases = Aliases::default();
        for (number, allowed) in [(1, true), (2, true), (1, true), (3, false)] {
            let topic = TopicName::parse(&half).expect("a topic");
            let alias = NonZero::new(number).expect("not 0");
            assert_eq!(aliases.set(alias, topic), allowed, "{number}");
        }
    }
}
