//! Events that recur in one session: the first is logged at once, the following ones once a minute
//! as a sum.
//!
//! Invariant: every event is in the immediate line, in a session's sums, or in the sums of all
//! other sessions.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use log::{Level, warn};

use crate::limits::DROPS_NAMED_MAX;
use crate::store::SessionKey;

/// The limit that is reached.
pub(super) const FULL: &str = "--session-max-bytes, or max-queued-bytes of its vhost";

/// Time between two sums, in milliseconds.
pub(super) const TELL_MS: u64 = 60_000;

/// The recurring events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SessionEvent {
    /// The session is full, and its oldest message was dropped for a new one.
    DroppedOldest,
    /// The session is full, and the new message was dropped.
    DroppedNewest,
    /// The client published to a denied topic.
    DeniedPublish,
    /// The client subscribed to a denied filter.
    DeniedSubscription,
}

const SESSION_EVENTS: [SessionEvent; 4] = [
    SessionEvent::DroppedOldest,
    SessionEvent::DroppedNewest,
    SessionEvent::DeniedPublish,
    SessionEvent::DeniedSubscription,
];

/// The dropped message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DropReason {
    /// The oldest one, for a new one.
    Oldest,
    /// The new one.
    Newest,
}

impl DropReason {
    pub(super) fn kind(self) -> SessionEvent {
        match self {
            Self::Oldest => SessionEvent::DroppedOldest,
            Self::Newest => SessionEvent::DroppedNewest,
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oldest => "its oldest message is dropped",
            Self::Newest => "a message for it is dropped",
        })
    }
}

impl SessionEvent {
    /// The number of events in words.
    fn words(self, count: u64) -> String {
        match self {
            Self::DroppedOldest => format!(
                "session full ({FULL}), {count} more messages dropped in the last minute, each the \
                 oldest (--session-overflow)"
            ),
            Self::DroppedNewest => format!(
                "session full ({FULL}), {count} more messages dropped in the last minute, each the \
                 newest (--session-overflow)"
            ),
            Self::DeniedPublish => {
                format!("{count} more messages in the last minute that it may not publish")
            }
            Self::DeniedSubscription => {
                format!("{count} more filters in the last minute that it may not subscribe to")
            }
        }
    }

    fn event(self) -> &'static str {
        match self {
            Self::DroppedOldest | Self::DroppedNewest => "session_full",
            Self::DeniedPublish => "publish_denied",
            Self::DeniedSubscription => "subscription_denied",
        }
    }
}

/// See the module.
#[derive(Default, Debug)]
pub(super) struct RepeatedEvents {
    /// The sums of at most [`DROPS_NAMED_MAX`] sessions.
    named: BTreeMap<SessionKey, Account>,
    /// The sums of all other sessions.
    rest: [u64; SESSION_EVENTS.len()],
    told_ms: u64,
}

#[derive(Debug)]
struct Account {
    client_id: Box<str>,
    /// Whether the immediate line was logged, and the later events that are not logged yet.
    counts: [Option<u64>; SESSION_EVENTS.len()],
    /// Whether no event came between the last two sums.
    is_quiet: bool,
}

impl RepeatedEvents {
    /// The level of an event's own line: the first of its kind in a while is logged as a warning or
    /// info, the others are counted.
    pub(super) fn level_of(
        &mut self,
        key: SessionKey,
        client_id: &str,
        kind: SessionEvent,
    ) -> Level {
        if self.is_first(key, client_id, kind) { Level::Warn } else { Level::Debug }
    }

    /// Counts an event; or, if it is the first of its kind in a while, tells the caller to log it.
    #[must_use]
    pub(super) fn is_first(
        &mut self,
        key: SessionKey,
        client_id: &str,
        kind: SessionEvent,
    ) -> bool {
        let room = self.named.len() < DROPS_NAMED_MAX;
        let account = match self.named.entry(key) {
            Entry::Vacant(free) if room => free.insert(Account {
                client_id: client_id.into(),
                counts: [None; SESSION_EVENTS.len()],
                is_quiet: false,
            }),
            // The key may belong to another session now.
            Entry::Occupied(known) if *known.get().client_id == *client_id => known.into_mut(),
            Entry::Vacant(_) | Entry::Occupied(_) => {
                self.rest[kind as usize] += 1;
                return false;
            }
        };
        let count = &mut account.counts[kind as usize];
        match count {
            None => *count = Some(0),
            Some(count) => {
                *count += 1;
                return false;
            }
        }
        true
    }

    /// The time at which sums are due, if there are any.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let is_any = !self.named.is_empty() || self.rest.iter().any(|count| *count > 0);
        is_any.then_some(self.told_ms + TELL_MS)
    }

    /// Logs the sums if they are due, and begins new ones.
    pub(super) fn tell(&mut self, now_ms: u64) {
        if self.due_ms().is_none_or(|due_ms| due_ms > now_ms) {
            return;
        }
        self.tell_all(now_ms);
    }

    /// Logs the sums that there are, due or not.
    pub(super) fn tell_all(&mut self, now_ms: u64) {
        self.take_sums(now_ms, |client, kind, count| match client {
            Some(client) => {
                let event = kind.event();
                warn!(client, event, count; "{}", kind.words(count));
            }
            None => {
                let event = kind.event();
                warn!(event, count; "other clients: {}", kind.words(count));
            }
        });
    }

    /// The sums, each with its session's client, if it has its own.
    fn take_sums(&mut self, now_ms: u64, mut tell: impl FnMut(Option<&str>, SessionEvent, u64)) {
        self.told_ms = now_ms;
        self.named.retain(|_, account| {
            let mut is_quiet = true;
            for (kind, count) in SESSION_EVENTS.into_iter().zip(&mut account.counts) {
                let sum = count.as_mut().map_or(0, std::mem::take);
                if sum > 0 {
                    is_quiet = false;
                    tell(Some(&account.client_id), kind, sum);
                }
            }
            !(is_quiet && std::mem::replace(&mut account.is_quiet, is_quiet))
        });
        for (kind, rest) in SESSION_EVENTS.into_iter().zip(&mut self.rest) {
            match std::mem::take(rest) {
                0 => {}
                sum => tell(None, kind, sum),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Sums = Vec<(Option<String>, SessionEvent, u64)>;

    fn sums(repeated_events: &mut RepeatedEvents, now_ms: u64) -> Sums {
        let mut sums = Sums::new();
        repeated_events.take_sums(now_ms, |client, kind, count| {
            sums.push((client.map(str::to_owned), kind, count));
        });
        sums
    }

    // The first event of a kind is logged at once, for a bounded number of sessions; later ones are
    // summed up by session and kind, and for all other sessions together.
    #[test]
    fn sums_by_session() {
        use SessionEvent::{DeniedPublish, DroppedOldest};
        let mut repeated_events = RepeatedEvents::default();
        assert_eq!((repeated_events.due_ms(), sums(&mut repeated_events, 5)), (None, Sums::new()));
        for key in 0..u32::try_from(DROPS_NAMED_MAX).expect("few") + 2 {
            for n in 0..=key {
                let is_first =
                    repeated_events.is_first(key, &format!("client {key}"), DroppedOldest);
                assert_eq!(is_first, n == 0 && (key as usize) < DROPS_NAMED_MAX);
            }
        }
        assert!(repeated_events.is_first(1, "client 1", DeniedPublish), "of its kind");
        assert!(
            !repeated_events.is_first(1, "another", DeniedPublish),
            "the session of that key is gone"
        );
        assert_eq!(repeated_events.due_ms(), Some(5 + TELL_MS));
        let told = sums(&mut repeated_events, 100_000);
        let client = |n| Some(format!("client {n}"));
        assert_eq!(told[0], (client(1), DroppedOldest, 1), "one was logged at once");
        assert_eq!(told[1], (client(2), DroppedOldest, 2));
        let rest = 2 * DROPS_NAMED_MAX as u64 + 3;
        let others = [(None, DroppedOldest, rest), (None, DeniedPublish, 1)];
        assert_eq!(told[DROPS_NAMED_MAX - 1..], others);
    }

    // Continuing events are logged each minute. After a minute without events the session is
    // forgotten, and its next event is logged at once again.
    #[test]
    fn quiet_sessions_are_forgotten() {
        let mut repeated_events = RepeatedEvents::default();
        let count = |repeated_events: &mut RepeatedEvents| {
            repeated_events.is_first(7, "x", SessionEvent::DroppedNewest)
        };
        assert!(count(&mut repeated_events));
        for now_ms in [TELL_MS, 2 * TELL_MS] {
            assert!(!count(&mut repeated_events));
            let sum = (Some("x".to_owned()), SessionEvent::DroppedNewest, 1);
            assert_eq!(sums(&mut repeated_events, now_ms), [sum]);
        }
        for now_ms in [3 * TELL_MS, 4 * TELL_MS] {
            assert_eq!(repeated_events.due_ms(), Some(now_ms));
            assert_eq!(sums(&mut repeated_events, now_ms), []);
        }
        assert_eq!(repeated_events.due_ms(), None);
        assert!(count(&mut repeated_events));
    }
}
