//! Which passwords were right or wrong lately, by a keyed hash of everything that decides it: who
//! reads this memory learns nothing that can be used elsewhere.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::limits::AUTH_REMEMBERED_MAX;

/// How long a right one is remembered: a device that was away for a moment comes back at once.
const RIGHT: Duration = Duration::from_secs(15 * 60);

/// How long a wrong one is: a device with an old password tries again and again.
const WRONG: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Default, Debug)]
pub(super) struct Memory {
    /// Whether it was right, and until when that is remembered.
    known: HashMap<[u8; 16], (bool, Instant)>,
}

impl Memory {
    pub(super) fn recall(&self, key: &[u8; 16], now: Instant) -> Option<bool> {
        let (right, until) = *self.known.get(key)?;
        (now < until).then_some(right)
    }

    /// When there is no room, what is over goes; if that is nothing, all goes: it costs a hash each
    /// to know it again.
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
