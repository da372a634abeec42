//! [`Starved`]: links that wait for a receive buffer, in the order in which they receive again.
//!
//! A link that is read first may take every buffer of a turn. So a link that got some goes behind
//! all others, and one that got none stays in front: each turn reads at least the first. Only some
//! receive again in a turn, because the rest would find no buffer again.

use std::collections::VecDeque;

use crate::ring::Key;

/// See the file.
#[derive(Default, Debug)]
pub(super) struct Starved {
    /// In the order in which they receive again.
    queue: VecDeque<Key>,
    /// Those of this turn that got no buffer, in order; they go in front of the queue.
    unfed: Vec<Key>,
}

impl Starved {
    /// Adds a link; `was_fed`: it got a buffer since it was last here.
    pub(super) fn push(&mut self, key: Key, was_fed: bool) {
        if was_fed {
            self.queue.push_back(key);
        } else {
            self.unfed.push(key);
        }
    }

    /// Moves the first links out, at most `max`.
    pub(super) fn take(&mut self, max: usize, into: &mut Vec<Key>) {
        while let Some(key) = self.unfed.pop() {
            self.queue.push_front(key);
        }
        into.extend(self.queue.drain(..max.min(self.queue.len())));
        if self.queue.is_empty() {
            self.queue.shrink_to(QUEUE_KEPT_MAX);
            self.unfed.shrink_to(QUEUE_KEPT_MAX);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len() + self.unfed.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The places that are kept while nobody waits.
const QUEUE_KEPT_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// With buffers for one link a turn and places for two, everybody gets a buffer equally often,
    /// although a link that is read first takes all.
    #[test]
    fn everybody_is_fed() {
        let keys: Vec<Key> = (0..5).map(|slot| Key { slot, generation: 1 }).collect();
        let (mut starved, mut fed) = (Starved::default(), [0; 5]);
        keys.iter().for_each(|key| starved.push(*key, false));
        assert_eq!(starved.len(), 5);
        let mut armed = Vec::new();
        for _ in 0..50 {
            starved.take(2, &mut armed);
            assert_eq!(armed.len(), 2);
            for (at, key) in armed.drain(..).enumerate() {
                fed[key.slot as usize] += usize::from(at == 0);
                starved.push(key, at == 0);
            }
        }
        assert_eq!(fed, [10; 5]);
        starved.take(9, &mut armed);
        assert!(armed.len() == 5 && starved.is_empty());
    }
}
