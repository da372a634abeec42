//! Results of recent password checks, by a keyed hash of all their inputs. The contents of this
//! memory are useless elsewhere.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::limits::AUTH_REMEMBERED_MAX;

/// How long a right password is remembered: a device that was away briefly reconnects at once.
const RIGHT: Duration = Duration::from_secs(15 * 60);

/// How long a wrong password is remembered: a device with an old password retries repeatedly.
const WRONG: Duration = Duration::from_secs(60);

/// The remembered results.
#[derive(Default, Debug)]
pub(super) struct Memory {
    /// Whether the password was right, and when the result expires.
    known: HashMap<[u8; 16], (bool, Instant)>,
}

impl Memory {
    pub(super) fn recall(&self, key: &[u8; 16], now: Instant) -> Option<bool> {
        let (right, until) = *self.known.get(key)?;
        (now < until).then_some(right)
    }

    /// Adds a result. If there is no room, expired results are removed; if there are none, all are
    /// removed, which costs one hash for each to learn it again.
    pub(super) fn keep(&mut self, key: [u8; 16], right: bool, now: Instant) {
        if self.known.len() >= AUTH_REMEMBERED_MAX {
            self.known.retain(|_, (_, until)| now < *until);
            if self.known.len() >= AUTH_REMEMBERED_MAX {
                self.known.clear();
            }
        }
        let for_long = if right { RIGHT } else { WRONG };
        self.known.insert(key, (right, now + for_long));
    }
}
