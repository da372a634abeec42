//! Tables by number whose memory is returned from the end when many values have left.
//!
//! Invariant: a new value takes the lowest free number. So the end of a table becomes vacant as
//! values leave, and its memory can return to the system.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use crate::limits::{OWN_MEMORY_BYTES_MIN, TABLE_HEAP_BYTES_MAX};

/// Values by number.
///
/// `len <= slots.len()`; the number of each vacant slot is in `vacant` once. Numbers from
/// `slots.len()` on in `vacant` belong to slots that were removed.
#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub struct Slots<T> {
    slots: Vec<Option<T>>,
    vacant: BinaryHeap<Reverse<u32>>,
    len: usize,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), vacant: BinaryHeap::new(), len: 0 }
    }
}

impl<T> Slots<T> {
    /// Adds a value; returns its number, the lowest free one.
    ///
    /// # Panics
    /// If there are 2³² values.
    pub fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        if let Some(Reverse(slot)) = self.vacant.pop()
            && let Some(place) = self.slots.get_mut(slot as usize)
        {
            assert!(place.is_none(), "slot {slot} is vacant");
            *place = Some(value);
            return slot;
        }
        // The lowest free number is beyond the end, and so are all others.
        self.vacant.clear();
        let slot = u32::try_from(self.slots.len()).expect("numbers have 32 bits");
        make_room(&mut self.slots);
        self.slots.push(Some(value));
        slot
    }

    /// Removes a value; `None` if there is none with this number.
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        let value = self.slots.get_mut(slot as usize)?.take()?;
        self.vacant.push(Reverse(slot));
        self.len -= 1;
        Some(value)
    }

    /// The value with this number, if there is one.
    #[inline]
    pub fn get(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// As [`Slots::get`].
    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// One past the highest number that a value has had since memory was last reclaimed.
    pub fn end(&self) -> usize {
        self.slots.len()
    }

    /// Whether the table has no values.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Numbers of the values from a number on, in order.
    pub fn keys_from(&self, from: u32) -> impl Iterator<Item = u32> {
        let slots = self.slots.get(from as usize..).unwrap_or_default();
        (from..).zip(slots).filter_map(|(slot, value)| value.as_ref().map(|_| slot))
    }

    /// Numbers of the values in a range, in order. It visits at most the slots of the range.
    pub fn keys_in(&self, range: Range<u32>) -> impl Iterator<Item = u32> {
        let end = (range.end as usize).min(self.slots.len());
        let slots = self.slots.get(range.start as usize..end).unwrap_or_default();
        (range.start..).zip(slots).filter_map(|(slot, value)| value.as_ref().map(|_| slot))
    }

    /// Returns the memory of values that have left; the time is bounded by `slots_max`. Returns
    /// whether there is more to do.
    pub fn reclaim(&mut self, slots_max: usize) -> bool {
        let more = shorten(&mut self.slots, slots_max, Option::is_none);
        if self.slots.is_empty() {
            self.vacant = BinaryHeap::new();
        }
        more
    }
}

/// Builds a table from values with given numbers, each number once.
impl<T> FromIterator<(u32, T)> for Slots<T> {
    fn from_iter<I: IntoIterator<Item = (u32, T)>>(values: I) -> Self {
        let mut new = Self::default();
        for (slot, value) in values {
            let at = slot as usize;
            if at >= new.slots.len() {
                new.slots.resize_with(at + 1, || None);
            }
            assert!(new.slots[at].is_none(), "slot {slot} is given once");
            new.slots[at] = Some(value);
            new.len += 1;
        }
        let numbered = (0..).zip(&new.slots);
        let vacant = numbered.filter(|(_, value)| value.is_none()).map(|(slot, _)| Reverse(slot));
        new.vacant = vacant.collect();
        new
    }
}

/// Makes room for one more entry in a table that may become large: from some size on in a mapping
/// of its own (see [`OWN_MEMORY_BYTES_MIN`]).
#[inline]
pub fn make_room<T>(table: &mut Vec<T>) {
    if table.len() == table.capacity() {
        grow(table);
    }
}

#[cold]
fn grow<T>(table: &mut Vec<T>) {
    let entry_bytes = size_of::<T>().max(1);
    let bytes = table.len() * entry_bytes;
    if (TABLE_HEAP_BYTES_MAX..OWN_MEMORY_BYTES_MIN / 2).contains(&bytes) {
        let entries = OWN_MEMORY_BYTES_MIN.div_ceil(entry_bytes);
        table.reserve_exact(entries - table.len());
    } else {
        table.reserve(1);
    }
}

/// Removes at most `entries_max` vacant entries from the end of a table, and frees their memory.
/// Returns whether there is more to do.
pub fn shorten<T>(table: &mut Vec<T>, entries_max: usize, is_vacant: impl Fn(&T) -> bool) -> bool {
    let from = table.len().saturating_sub(entries_max);
    let kept = table[from..].iter().rposition(|entry| !is_vacant(entry));
    table.truncate(from + kept.map_or(0, |at| at + 1));
    let (len, capacity) = (table.len(), table.capacity());
    // A table that has just grown has room for as many entries again.
    if capacity - len > len {
        table.shrink_to(len.max(capacity.saturating_sub(entries_max)));
    }
    kept.is_none() && len > 0 || table.capacity() - len > len
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The table behaves as a map that assigns the lowest free number, however memory is reclaimed
    /// in between.
    #[test]
    fn agrees_with_a_map() {
        let mut seed = 7_u64;
        let mut random = move |bound: u32| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            u32::try_from(seed % u64::from(bound)).expect("below a u32")
        };
        let (mut slots, mut model) = (Slots::default(), BTreeMap::new());
        for round in 0..50_000_u32 {
            let growing = round / 5_000 % 2 == 0;
            if random(10) < if growing { 7 } else { 3 } {
                let lowest = (0..).find(|slot| !model.contains_key(slot)).expect("endless");
                assert_eq!(slots.insert(round), lowest);
                model.insert(lowest, round);
            } else {
                let slot = random(400);
                assert_eq!(slots.remove(slot), model.remove(&slot));
            }
            if random(50) == 0 {
                slots.reclaim(random(100) as usize + 1);
            }
            if round % 97 == 0 {
                let from = random(50);
                let keys: Vec<u32> = model.range(from..).map(|(slot, _)| *slot).collect();
                assert_eq!(slots.keys_from(from).collect::<Vec<_>>(), keys);
                assert!(keys.iter().all(|slot| slots.get(*slot) == model.get(slot)));
                let again: Slots<u32> = model.iter().map(|(slot, at)| (*slot, *at)).collect();
                slots = if random(2) == 0 { again } else { slots };
            }
            assert_eq!(slots.len(), model.len());
        }
    }

    /// A table is small or has a mapping of its own; it is never copied at a size in between.
    #[test]
    fn grows_into_memory_of_its_own() {
        let mut table: Vec<[u8; 100]> = Vec::new();
        for _ in 0..100_000 {
            make_room(&mut table);
            let bytes = table.capacity() * 100;
            let between = 2 * TABLE_HEAP_BYTES_MAX + 200..OWN_MEMORY_BYTES_MIN;
            assert!(!between.contains(&bytes));
            table.push([0; 100]);
        }
        assert!(table.capacity() <= 200_000);
    }

    /// Memory of removed values is returned in bounded steps; the last step returns all of it.
    #[test]
    fn memory_goes_back_in_steps() {
        let mut slots: Slots<[u64; 4]> = Slots::default();
        for _ in 0..100_000 {
            slots.insert([0; 4]);
        }
        for (stay, capacity_max) in [(10_000, 20_000), (1, 2), (0, 0)] {
            for slot in stay..100_000 {
                slots.remove(slot);
            }
            let mut steps = 0;
            loop {
                let (len, capacity) = (slots.slots.len(), slots.slots.capacity());
                let more = slots.reclaim(1_000);
                assert!(len - slots.slots.len() <= 1_000);
                assert!(capacity - slots.slots.capacity() <= 1_000);
                steps += 1;
                if !more {
                    break;
                }
            }
            assert!(steps <= 250, "{steps}");
            assert!(slots.slots.capacity() <= capacity_max, "{}", slots.slots.capacity());
            assert!(!slots.reclaim(1_000), "nothing is left to do");
        }
        assert_eq!(slots.vacant.capacity(), 0);
    }
}
