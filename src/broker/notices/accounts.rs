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

/// Time between two such accounts.
pub(super) const TELL_MS: u64 = 60_000;

/// What happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Matter {
    /// The session is full, and its oldest message was dropped for one that came.
    DroppedOldest,
    /// It is full, and the one that came was dropped.
    DroppedNewest,
    /// Its client may not publish what it published.
    DeniedPublish,
    /// Its client may not subscribe to what it asked for.
    DeniedSubscription,
}

const MATTERS: [Matter; 4] = [
    Matter::DroppedOldest,
    Matter::DroppedNewest,
    Matter::DeniedPublish,
    Matter::DeniedSubscription,
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
    pub(super) fn matter(self) -> Matter {
        match self {
            Self::Oldest => Matter::DroppedOldest,
            Self::Newest => Matter::DroppedNewest,
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

impl Matter {
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
pub(super) struct Accounts {
    /// Of at most [`DROPS_NAMED_MAX`] sessions.
    named: BTreeMap<SessionKey, Account>,
    /// Of all others.
    rest: [u64; MATTERS.len()],
    told_ms: u64,
}

#[derive(Debug)]
struct Account {
    client_id: Box<str>,
    /// Whether there was a line at once; and what happened after it and is not told.
    counts: [Option<u64>; MATTERS.len()],
    /// Nothing happened between the last two times that it was told.
    is_quiet: bool,
}

impl Accounts {
    /// The level of one's own line: the first of its kind in a while is for everybody to see, the
    /// others are counted.
    pub(super) fn level_of(&mut self, key: SessionKey, client_id: &str, matter: Matter) -> Level {
        if self.is_first(key, client_id, matter) { Level::Warn } else { Level::Debug }
    }

    /// Counts one; or, if it is the first of its kind in a while, has the caller log it.
    #[must_use]
    pub(super) fn is_first(&mut self, key: SessionKey, client_id: &str, matter: Matter) -> bool {
        let room = self.named.len() < DROPS_NAMED_MAX;
        let account = match self.named.entry(key) {
            Entry::Vacant(free) if room => free.insert(Account {
                client_id: client_id.into(),
                counts: [None; MATTERS.len()],
                is_quiet: false,
            }),
            // A key may have gone to another session meanwhile.
            Entry::Occupied(known) if *known.get().client_id == *client_id => known.into_mut(),
            Entry::Vacant(_) | Entry::Occupied(_) => {
                self.rest[matter as usize] += 1;
                return false;
            }
        };
        let count = &mut account.counts[matter as usize];
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
        self.take_sums(now_ms, |client, matter, count| match client {
            Some(client) => {
                let event = matter.event();
                warn!(client, event, count; "{}", matter.words(count));
            }
            None => {
                let event = matter.event();
                warn!(event, count; "other clients: {}", matter.words(count));
            }
        });
    }

    /// The sums, each with its session's client if that is named.
    fn take_sums(&mut self, now_ms: u64, mut tell: impl FnMut(Option<&str>, Matter, u64)) {
        self.told_ms = now_ms;
        self.named.retain(|_, account| {
            let mut is_quiet = true;
            for (matter, count) in MATTERS.into_iter().zip(&mut account.counts) {
                let sum = count.as_mut().map_or(0, std::mem::take);
                if sum > 0 {
                    is_quiet = false;
                    tell(Some(&account.client_id), matter, sum);
                }
            }
            !(is_quiet && std::mem::replace(&mut account.is_quiet, is_quiet))
        });
        for (matter, rest) in MATTERS.into_iter().zip(&mut self.rest) {
            match std::mem::take(rest) {
                0 => {}
                sum => tell(None, matter, sum),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Sums = Vec<(Option<String>, Matter, u64)>;

    fn sums(accounts: &mut Accounts, now_ms: u64) -> Sums {
        let mut sums = Sums::new();
        accounts.take_sums(now_ms, |client, matter, count| {
            sums.push((client.map(str::to_owned), matter, count));
        });
        sums
    }

    // The first of a kind is logged at once, of so many sessions; what follows is summed up by
    // session and kind, and for all others together.
    #[test]
    fn sums_by_session() {
        use Matter::{DeniedPublish, DroppedOldest};
        let mut accounts = Accounts::default();
        assert_eq!((accounts.due_ms(), sums(&mut accounts, 5)), (None, Sums::new()));
        for key in 0..u32::try_from(DROPS_NAMED_MAX).expect("few") + 2 {
            for n in 0..=key {
                let is_first = accounts.is_first(key, &format!("client {key}"), DroppedOldest);
                assert_eq!(is_first, n == 0 && (key as usize) < DROPS_NAMED_MAX);
            }
        }
        assert!(accounts.is_first(1, "client 1", DeniedPublish), "of its kind");
        assert!(!accounts.is_first(1, "another", DeniedPublish), "the session of that key is gone");
        assert_eq!(accounts.due_ms(), Some(5 + TELL_MS));
        let told = sums(&mut accounts, 100_000);
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
        let mut accounts = Accounts::default();
        let count = |accounts: &mut Accounts| accounts.is_first(7, "x", Matter::DroppedNewest);
        assert!(count(&mut accounts));
        for now_ms in [TELL_MS, 2 * TELL_MS] {
            assert!(!count(&mut accounts));
            let sum = (Some("x".to_owned()), Matter::DroppedNewest, 1);
            assert_eq!(sums(&mut accounts, now_ms), [sum]);
        }
        for now_ms in [3 * TELL_MS, 4 * TELL_MS] {
            assert_eq!(accounts.due_ms(), Some(now_ms));
            assert_eq!(sums(&mut accounts, now_ms), []);
        }
        assert_eq!(accounts.due_ms(), None);
        assert!(count(&mut accounts));
    }
}
