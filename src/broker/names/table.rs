//! A room's own state of each connection, by slot.
//!
//! Invariant: a value is found only by the name it was opened with; the name of a closed connection
//! finds none.

use crate::slots::{make_room, shorten};

use super::ConnId;

/// See the module.
#[derive(Debug)]
pub(crate) struct ConnTable<T> {
    slots: Vec<Option<Entry<T>>>,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: T,
}

impl<T> Default for ConnTable<T> {
    fn default() -> Self {
        Self { slots: Vec::new() }
    }
}

impl<T> ConnTable<T> {
    /// # Panics
    /// If the slot is taken: the reactor frees a link before it gives its slot away.
    pub(crate) fn open(&mut self, conn: ConnId, value: T) {
        let slot = conn.slot as usize;
        while slot >= self.slots.len() {
            make_room(&mut self.slots);
            self.slots.push(None);
        }
        assert!(self.slots[slot].is_none(), "slot {slot} is free");
        self.slots[slot] = Some(Entry { generation: conn.generation, value });
    }

    pub(crate) fn remove(&mut self, conn: ConnId) -> Option<T> {
        self.get(conn)?;
        self.slots[conn.slot as usize].take().map(|entry| entry.value)
    }

    #[inline]
    pub(crate) fn get(&self, conn: ConnId) -> Option<&T> {
        let entry = self.slots.get(conn.slot as usize)?.as_ref()?;
        (entry.generation == conn.generation).then_some(&entry.value)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, conn: ConnId) -> Option<&mut T> {
        let entry = self.slots.get_mut(conn.slot as usize)?.as_mut()?;
        (entry.generation == conn.generation).then_some(&mut entry.value)
    }

    /// Frees memory of closed connections, of at most `slots_max` slots; returns whether there is
    /// more.
    pub(crate) fn reclaim(&mut self, slots_max: usize) -> bool {
        shorten(&mut self.slots, slots_max, Option::is_none)
    }

    /// Names of the connections in `count` slots from `from` on; `None`: there are no more slots.
    pub(crate) fn ids_from(&self, slot: usize, slots: usize) -> Option<Vec<ConnId>> {
        let entries = self.slots.get(slot..).filter(|entries| !entries.is_empty())?;
        let first = u32::try_from(slot).expect("slots have 32 bits");
        let numbered = (first..).zip(entries.iter().take(slots));
        let ids = numbered.filter_map(|(slot, entry)| {
            entry.as_ref().map(|entry| ConnId { slot, generation: entry.generation })
        });
        Some(ids.collect())
    }

    /// All connections, in the order of slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConnId, &T)> {
        self.slots.iter().zip(0..).filter_map(|(entry, slot)| {
            let entry = entry.as_ref()?;
            Some((ConnId { slot, generation: entry.generation }, &entry.value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The name of a slot's former owner finds no value and removes none.
    #[test]
    fn old_names_find_nothing() {
        let [old, new] = [3, 4].map(|generation| ConnId { slot: 2, generation });
        let mut table = ConnTable::default();
        table.open(old, 'a');
        assert_eq!((table.get(old), table.get(new)), (Some(&'a'), None));
        assert_eq!((table.remove(new), table.remove(old)), (None, Some('a')));
        table.open(new, 'b');
        assert_eq!(table.get(old), None);
        assert_eq!(table.get_mut(new), Some(&mut 'b'));
        assert_eq!(table.iter().collect::<Vec<_>>(), [(new, &'b')]);
    }
}
