//! Detects client ids that are taken over repeatedly: most likely two clients use the same one, and
//! each ends the other's connection when it reconnects.

use std::collections::BTreeMap;

use crate::limits::FLAPPING_IDS_MAX;

use super::super::names::VhostId;

/// Number of takeovers within [`WINDOW_MS`] that causes a warning.
const FLAPS: u32 = 4;

/// Time in milliseconds within which takeovers count, and in which one warning is logged.
const WINDOW_MS: u64 = 60_000;

/// See the module.
#[derive(Default, Debug)]
pub(super) struct Takeovers {
    /// The recent takeovers by vhost and client id; their number is bounded.
    recent: BTreeMap<(u16, Box<str>), Flaps>,
}

#[derive(Debug)]
struct Flaps {
    begun_ms: u64,
    count: u32,
}

impl Takeovers {
    /// Notes a takeover; returns the recent number if a warning is due.
    pub(super) fn note(&mut self, vhost: VhostId, client_id: &str, now_ms: u64) -> Option<u32> {
        if self.recent.len() >= FLAPPING_IDS_MAX {
            self.recent.retain(|_, flaps| now_ms < flaps.begun_ms + WINDOW_MS);
        }
        let key = (vhost.0, Box::from(client_id));
        if self.recent.len() >= FLAPPING_IDS_MAX && !self.recent.contains_key(&key) {
            // So many at once are caused by a network that came back, not by two clients with one
            // id.
            return None;
        }
        let flaps = self.recent.entry(key).or_insert(Flaps { begun_ms: now_ms, count: 0 });
        if now_ms >= flaps.begun_ms + WINDOW_MS {
            *flaps = Flaps { begun_ms: now_ms, count: 0 };
        }
        flaps.count += 1;
        (flaps.count == FLAPS).then_some(FLAPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // There is one warning a minute for a client id that alternates, and none for others.
    #[test]
    fn warns_once_a_minute() {
        let mut takeovers = Takeovers::default();
        let mut note = |id: &str, now_ms| takeovers.note(VhostId(0), id, now_ms).is_some();
        for begun_ms in [0, WINDOW_MS] {
            let warned: Vec<bool> = (0..8).map(|n| note("twins", begun_ms + n)).collect();
            let fourth = [false, false, false, true, false, false, false, false];
            assert_eq!(warned, fourth);
        }
        assert!((0..8).all(|n| !note("lone", n * WINDOW_MS / 2)));
        let crowd = FLAPPING_IDS_MAX * 2;
        assert!((0..crowd).all(|n| !note(&n.to_string(), 3 * WINDOW_MS)));
        assert!(takeovers.recent.len() <= FLAPPING_IDS_MAX);
    }
}
