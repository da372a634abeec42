//! What happens to one session again and again: the first is logged at once, what follows once a
//! minute as a sum.
//!
//! Invariant: everything is in the line that was logged at once, in a session's sums, or in those
//! of all other sessions.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use log::{Level, warn};

use crate::limits::DROPS_NAMED_MAX;
use crate::store::SessionKey;

/// What is full, as an operator may set it.
pub(super) const FULL: &str = "--session-max-bytes, or max-queued-bytes of its vhost";

/// Time between two such repeated_events.
pub(super) const TELL_MS: u64 = 60_000;

/// What happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SessionEvent {
    /// The session is full, and its oldest message was dropped for one that came.
    DroppedOldest,
    /// It is full, and the one that came was dropped.
    DroppedNewest,
    /// Its client may not publish what it published.
    DeniedPublish,
    /// Its client may not subscribe to what it asked for.
    DeniedSubscription,
}

const SESSION_EVENTS: [SessionEvent; 4] = [
    SessionEvent::DroppedOldest,
    SessionEvent::DroppedNewest,
    SessionEvent::DeniedPublish,
    SessionEvent::DeniedSubscription,
];

/// Which message was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DropReason {
    /// The oldest, for one that came.
    Oldest,
    /// The one that came.
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
    /// How often it happened, in words.
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
    /// Of at most [`DROPS_NAMED_MAX`] sessions.
    named: BTreeMap<SessionKey, Account>,
    /// Of all others.
    rest: [u64; SESSION_EVENTS.len()],
    told_ms: u64,
}

#[derive(Debug)]
struct Account {
    client_id: Box<str>,
    /// Whether there was a line at once; and what happened after it and is not told.
    counts: [Option<u64>; SESSION_EVENTS.len()],
    /// Nothing happened between the last two times that it was told.
    is_quiet: bool,
}

impl RepeatedEvents {
    /// The level of one's own line: the first of its kind in a while is for everybody to see, the
    /// others are counted.
    pub(super) fn level_of(
        &mut self,
        key: SessionKey,
        client_id: &str,
        kind: SessionEvent,
    ) -> Level {
        if self.is_first(key, client_id, kind) { Level::Warn } else { Level::Debug }
    }

    /// Counts one; or, if it is the first of its kind in a while, has the caller log it.
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
            // A key may have gone to another session meanwhile.
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

    /// When to tell, if there is something.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let is_any = !self.named.is_empty() || self.rest.iter().any(|count| *count > 0);
        is_any.then_some(self.told_ms + TELL_MS)
    }

    /// Logs the sums, if it is time, and begins anew.
    pub(super) fn tell(&mut self, now_ms: u64) {
        if self.due_ms().is_none_or(|due_ms| due_ms > now_ms) {
            return;
        }
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

    /// The sums, each with its session's client if that is named.
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

    // The first of a kind is logged at once, of so many sessions; what follows is summed up by
    // session and kind, and for all others together.
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

    // What goes on is told each minute; after a minute without any it is forgotten, and the next
    // is logged at once again.
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
