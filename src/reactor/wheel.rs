//! Timers of all links of a shard: one wheel, and no kernel timer for each link.
//!
//! A slot of the wheel covers [`TICK_MS`]. A deadline beyond one turn of the wheel stays in its
//! slot until its round comes. Timers are never removed: a timer that is not needed any more is
//! ignored when it fires. Invariant: a timer fires at its deadline or up to one tick later, never
//! before.

/// The milliseconds of a slot. Keep alive is in seconds, so this is fine enough.
const TICK_MS: u64 = 50;

/// The number of slots. One turn takes 102 seconds, so that most keep alives fire in their first.
const SLOTS: usize = 2048;

const WORDS: usize = SLOTS / 64;

#[derive(Clone, Copy, Debug)]
struct Timer<T> {
    deadline_ms: u64,
    owner: T,
}

/// See the file.
#[derive(Debug)]
pub(super) struct Wheel<T> {
    slots: Vec<Vec<Timer<T>>>,
    /// A bit for each slot with timers.
    occupied: [u64; WORDS],
    /// All timers before this tick have fired.
    tick: u64,
}

impl<T: Copy> Wheel<T> {
    pub(super) fn new(now_ms: u64) -> Self {
        let slots = (0..SLOTS).map(|_| Vec::new()).collect();
        Self { slots, occupied: [0; WORDS], tick: now_ms / TICK_MS }
    }

    /// Adds a timer; if it is due already, it fires at the next tick.
    pub(super) fn add(&mut self, deadline_ms: u64, owner: T) {
        let tick = deadline_ms.div_ceil(TICK_MS).max(self.tick);
        let slot = slot_of(tick);
        self.slots[slot].push(Timer { deadline_ms, owner });
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// The next time at which [`Wheel::fire`] may find timers, not later than the next deadline.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let from = slot_of(self.tick);
        // The words from the current slot on; the first word is visited again for the slots before
        // it.
        for step in 0..=WORDS {
            let word = (from / 64 + step) % WORDS;
            let mut bits = self.occupied[word];
            if step == 0 {
                bits &= u64::MAX << (from % 64);
            }
            if bits != 0 {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                let ahead = (slot + SLOTS - from) % SLOTS;
                return Some((self.tick + ahead as u64) * TICK_MS);
            }
        }
        None
    }

    /// Moves the timers due at `now_ms` to `fired`.
    pub(super) fn fire(&mut self, now_ms: u64, fired: &mut Vec<(u64, T)>) {
        let last = now_ms / TICK_MS;
        // After a long sleep, one turn of the wheel visits every slot.
        let first = self.tick.max((last + 1).saturating_sub(SLOTS as u64));
        for tick in first..=last {
            let slot = slot_of(tick);
            let timers = &mut self.slots[slot];
            timers.retain(|timer| {
                let due = timer.deadline_ms <= now_ms;
                if due {
                    fired.push((timer.deadline_ms, timer.owner));
                }
                !due
            });
            if timers.is_empty() {
                self.occupied[slot / 64] &= !(1 << (slot % 64));
                timers.shrink_to(8);
            }
        }
        self.tick = self.tick.max(last + 1);
    }
}

fn slot_of(tick: u64) -> usize {
    usize::try_from(tick % SLOTS as u64).expect("a remainder of a usize")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With steps of any size, every timer fires once, not before its deadline and at most a tick
    /// after.
    #[test]
    fn fires_once_and_in_time() {
        for step_ms in [1, 7, 49, 50, 51, 1000, 500_000] {
            let mut wheel = Wheel::new(1_000);
            let deadlines: Vec<u64> = (0..500).map(|n| 1_000 + n * n * 3 % 400_000).collect();
            for (owner, deadline) in deadlines.iter().enumerate() {
                wheel.add(*deadline, owner);
            }
            let (mut seen, mut fired, mut now_ms) = (vec![0; 500], Vec::new(), 1_000_u64);
            while now_ms < 500_000 {
                let due_before = now_ms.saturating_sub(TICK_MS);
                if let Some(next_ms) = wheel.next_ms() {
                    let earliest = deadlines.iter().zip(&seen).filter(|(_, n)| **n == 0);
                    let earliest = earliest.map(|(deadline, _)| *deadline).min();
                    assert!(next_ms <= earliest.expect("one is left") + TICK_MS);
                }
                now_ms += step_ms;
                wheel.fire(now_ms, &mut fired);
                for (deadline, owner) in fired.drain(..) {
                    assert_eq!(deadline, deadlines[owner]);
                    assert!(deadline <= now_ms);
                    assert!(step_ms > TICK_MS || deadline + step_ms >= due_before);
                    seen[owner] += 1;
                }
            }
            assert!(seen.iter().all(|n| *n == 1), "step {step_ms}");
            assert_eq!(wheel.next_ms(), None);
        }
    }
}
