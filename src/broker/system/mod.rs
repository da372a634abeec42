//! The broker's own topics `$SYS/…` (4.7.2) with the values that the admin thread computed last.
//! They are in no log, and no session keeps them.
//!
//! ```text
//!          somebody subscribes      values come
//!  unwanted ────────────► awaited ─────────────► known ──┐ values come: those that have changed go
//!     ▲                                            │ ▲   │ to subscribers
//!     └──────────── nobody is subscribed ──────────┘ └───┘
//! ```
//! Invariant: without a subscriber no values are known. So a new subscriber gets no old values; it
//! waits for new ones.
//!
//! Verbs: [`System::set`], [`System::clear`] and [`System::get`].
//!
//! May use `names`.

use std::sync::Arc;

use crate::mqtt::TopicName;

/// A topic and its value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SystemTopic {
    topic: Box<str>,
    payload: Box<str>,
}

impl SystemTopic {
    /// # Panics
    /// If it is not a topic of the system.
    pub fn new(topic: impl Into<Box<str>>, payload: impl Into<Box<str>>) -> Self {
        let (topic, payload) = (topic.into(), payload.into());
        let is_system = TopicName::parse(&topic).is_ok_and(TopicName::is_system);
        assert!(is_system, "{topic:?} is no topic of the system");
        Self { topic, payload }
    }

    /// The topic.
    pub fn topic(&self) -> TopicName<'_> {
        TopicName::parse(&self.topic).expect("it was checked when it was made")
    }

    /// Its value, as text.
    pub fn payload(&self) -> &str {
        &self.payload
    }
}

/// All topics with their values, in order, each once.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SystemTopics(Vec<SystemTopic>);

impl SystemTopics {
    /// Sorts the topics, and keeps one of equal ones.
    pub fn new(mut topics: Vec<SystemTopic>) -> Self {
        topics.sort_unstable();
        topics.dedup_by(|one, other| one.topic == other.topic);
        Self(topics)
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &SystemTopic> {
        self.0.iter()
    }

    /// The topics after `topic`, in order; all if it is `None`.
    pub(crate) fn after(&self, topic: Option<&str>) -> &[SystemTopic] {
        let begin = topic.map_or(0, |topic| self.0.partition_point(|known| *known.topic <= *topic));
        &self.0[begin..]
    }

    fn get(&self, topic: &str) -> Option<&str> {
        let found = self.0.binary_search_by(|known| (*known.topic).cmp(topic));
        found.ok().map(|at| &*self.0[at].payload)
    }

    /// Topics whose value has changed.
    fn changed_since(&self, before: &Self) -> Vec<SystemTopic> {
        let is_new = |now: &&SystemTopic| before.get(&now.topic) != Some(&*now.payload);
        self.0.iter().filter(is_new).cloned().collect()
    }
}

/// New values on their way to a shard and its subscribers.
#[derive(Clone, Debug)]
pub struct SystemUpdate {
    topics: Arc<SystemTopics>,
    /// The shard has the values; the changed ones still wait to be sent.
    pub(crate) changed: Option<Vec<SystemTopic>>,
}

impl SystemUpdate {
    /// An update that no shard has taken yet.
    pub fn new(topics: Arc<SystemTopics>) -> Self {
        Self { topics, changed: None }
    }
}

/// See the room.
#[derive(Debug)]
pub(crate) struct System {
    topics: Option<Arc<SystemTopics>>,
    /// Whether the admin thread publishes values at all.
    is_served: bool,
}

impl System {
    pub(crate) fn new(is_served: bool) -> Self {
        Self { topics: None, is_served }
    }

    /// Whether a subscriber waits for values.
    pub(crate) fn is_awaited(&self) -> bool {
        self.is_served && self.topics.is_none()
    }

    /// The values.
    pub(crate) fn get(&self) -> Option<&Arc<SystemTopics>> {
        self.topics.as_ref()
    }

    /// Takes the values of an update, and leaves the changed ones in it: none if no values were
    /// known, because a waiting subscriber gets all of them.
    pub(crate) fn set(&mut self, update: &mut SystemUpdate) {
        let before = self.topics.replace(update.topics.clone());
        let changed = before.map(|before| update.topics.changed_since(&before));
        update.changed = Some(changed.unwrap_or_default());
    }

    /// Drops the values after the last subscriber has gone.
    pub(crate) fn clear(&mut self) {
        self.topics = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(pairs: &[(&str, &str)]) -> Arc<SystemTopics> {
        let all = pairs.iter().map(|(topic, payload)| SystemTopic::new(*topic, *payload));
        Arc::new(SystemTopics::new(all.collect()))
    }

    /// Only changed values are sent, and none if no values were known.
    #[test]
    fn changes_are_found() {
        let mut system = System::new(true);
        assert!(system.is_awaited());
        for (values, changed) in [
            (&[("$SYS/b", "1"), ("$SYS/a", "1")][..], &[][..]),
            (&[("$SYS/a", "1"), ("$SYS/b", "2")], &["$SYS/b"]),
            (&[("$SYS/a", "1"), ("$SYS/b", "2")], &[]),
            (&[("$SYS/c", "3"), ("$SYS/a", "0")], &["$SYS/a", "$SYS/c"]),
        ] {
            let mut update = SystemUpdate::new(topics(values));
            system.set(&mut update);
            let found = update.changed.expect("it is set");
            let found: Vec<&str> = found.iter().map(|one| &*one.topic).collect();
            assert_eq!(found, changed);
        }
        system.clear();
        assert!(system.is_awaited() && !System::new(false).is_awaited());
    }

    /// A walk continues after the topic at which it stopped, even if that topic is gone.
    #[test]
    fn walks_go_on() {
        let all = topics(&[("$SYS/c", ""), ("$SYS/a", ""), ("$SYS/b", "")]);
        for (after, count) in [
            (None, 3),
            (Some("$SYS"), 3),
            (Some("$SYS/a"), 2),
            (Some("$SYS/bb"), 1),
            (Some("%"), 0),
        ] {
            assert_eq!(all.after(after).len(), count, "{after:?}");
        }
    }
}
