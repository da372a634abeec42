//! The sockets that the kernel watches for this ring, and the last report on each.
//!
//! ```text
//!          event                    a receive that left room in its buffer, or found nothing
//!  Empty ─────────► Readable ──────────────────────────────────────────────────────► Empty
//!    ▲  └─────────────► Unsure ──a receive that found nothing──┐
//!    └─────────────────────────────────────────────────────────┘
//! ```
//! A socket is watched from the first operation that needs it until its link is released. The watch
//! is edge-triggered: the kernel reports a change once, so the report is kept here until an
//! operation finds that it does not hold any more.
//!
//! A receive that leaves room in its buffer has drained the socket: later data causes a new event
//! (epoll(7), question 9). That does not hold for an end, an error or urgent data in the stream,
//! because a receive stops there. Then only a receive that finds nothing has drained it.
//!
//! Invariant: an event is used only if its slot is watched with its generation.

use rustix::event::epoll::EventFlags;

use crate::ring::Key;
use crate::slots::{make_room, shorten};

use super::descriptor::Descriptor;

/// After one of these, a receive that leaves room may have left bytes, or the end.
const UNSURE: EventFlags =
    EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::ERR).union(EventFlags::PRI);

/// Events that are watched from the beginning. HUP and ERR are always watched.
pub(super) const INPUT: EventFlags =
    EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::PRI).union(EventFlags::ET);

/// Events that are watched after a send first found no room. A Unix socket reports room whenever
/// its peer reads, so room is not watched before.
pub(super) const INPUT_AND_ROOM: EventFlags = INPUT.union(EventFlags::OUT);

/// The result that a receive would have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Input {
    /// Nothing; an event will report data.
    Empty,
    /// Bytes; a receive that leaves room in its buffer is the last.
    Readable,
    /// Bytes, an end, an error or nothing.
    Unsure,
}

/// The watch of a link's socket. Idle links need this much memory, so it is small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    /// The generation of the link.
    generation: u32,
    pub(super) socket: Descriptor,
    pub(super) input: Input,
    /// Whether room for output is watched too.
    pub(super) room: bool,
    /// Whether it is on the list of links to receive from.
    pub(super) queued: bool,
    /// Whether the armed receive stays armed after it has brought data.
    pub(super) multishot: bool,
}

const _: () = assert!(size_of::<Option<Watch>>() <= 12);

/// The watched sockets, by their links' slots.
#[derive(Default)]
pub(super) struct Watches {
    slots: Vec<Option<Watch>>,
}

impl Watches {
    /// The watch of the link with this generation.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Watch> {
        let watch = self.slots.get_mut(key.slot as usize)?.as_mut()?;
        (watch.generation == key.generation).then_some(watch)
    }

    /// Notes that a link's socket is watched from now on; `room`: for room too.
    ///
    /// # Panics
    /// If another link's socket is still watched under this slot.
    pub(super) fn insert(&mut self, key: Key, socket: Descriptor, room: bool) -> &mut Watch {
        let at = key.slot as usize;
        while at >= self.slots.len() {
            make_room(&mut self.slots);
            self.slots.push(None);
        }
        let slot = &mut self.slots[at];
        assert!(slot.is_none(), "slot {at} is released before it is used again");
        let (input, queued, multishot) = (Input::Empty, false, false);
        let generation = key.generation;
        slot.insert(Watch { generation, socket, input, room, queued, multishot })
    }

    /// Removes a link's watch; returns whether there was one.
    pub(super) fn remove(&mut self, key: Key) -> bool {
        let is_watched = self.get_mut(key).is_some();
        if is_watched {
            self.slots[key.slot as usize] = None;
        }
        is_watched
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns memory of slots whose links have left, of `slots_max` at most; returns whether there
    /// is more to do.
    pub(super) fn reclaim(&mut self, slots_max: usize) -> bool {
        shorten(&mut self.slots, slots_max, Option::is_none)
    }
}

impl Watch {
    /// Notes an event.
    pub(super) fn note(&mut self, told: EventFlags) {
        if told.intersects(UNSURE) {
            self.input = Input::Unsure;
        } else if told.intersects(EventFlags::IN) && self.input == Input::Empty {
            self.input = Input::Readable;
        }
    }

    /// Notes that a receive brought bytes, and whether they filled its buffer.
    pub(super) fn note_received(&mut self, is_full: bool) {
        if !is_full && self.input == Input::Readable {
            self.input = Input::Empty;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::ring::Socket;

    /// The state of a link is that of its last event, until a receive finds another. A receive that
    /// may have left data does not drain.
    #[test]
    fn input_is_known() {
        let (ours, _theirs) = UnixStream::pair().expect("descriptors");
        let socket = Socket::from(OwnedFd::from(ours));
        let (own, other) = (Key { slot: 2, generation: 5 }, Key { slot: 2, generation: 6 });
        let mut watches = Watches::default();
        watches.insert(own, Descriptor::of(&socket), false);
        assert!(watches.get_mut(other).is_none() && !watches.remove(other));
        assert!(watches.get_mut(Key { slot: 7, generation: 5 }).is_none());
        let watch = watches.get_mut(own).expect("it is watched");
        let readable = EventFlags::IN | EventFlags::OUT;
        for (told, full, left) in [
            (EventFlags::OUT, false, Input::Empty),
            (readable, true, Input::Readable),
            (EventFlags::OUT, false, Input::Empty),
            (readable | EventFlags::PRI, false, Input::Unsure),
            (readable, false, Input::Unsure),
            (readable | EventFlags::RDHUP, true, Input::Unsure),
            (EventFlags::ERR, false, Input::Unsure),
        ] {
            watch.note(told);
            watch.note_received(full);
            assert_eq!(watch.input, left, "{told:?}");
        }
        assert!(watches.remove(own) && !watches.remove(own));
    }
}
