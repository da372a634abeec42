//! Links: sockets with their transports, by slot.
//!
//! Invariant: a slot is given away again only after the kernel has ended every operation on its
//! link (join before free), and then under a new generation.

use crate::broker::{ClientAddress, ConnId};
use crate::mesh::AddressPermit;
use crate::ring::{Key, RecvMode};
use crate::slots::{Slots, make_room, shorten};
use crate::transport::Transport;

use super::link_transfer::LinkTransfer;
use super::unread::UnreadBytes;

/// Generations count to this and begin again.
const GENERATION_MASK: u32 = 0x00ff_ffff;

/// Receives without a pause after which a link receives multishot again: more bytes than an output
/// holds, so that only a link whose subscribers keep up gets there.
const CALM_RECEIVES: u8 = u8::MAX;

/// The receive operation of a link in the kernel.
///
/// ```text
///  Off ──arm──► Armed ──cancel──► Ending ──last completion──► Off
///                 └──────────────last completion──────────────▲
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Receiving {
    Off,
    Armed(RecvMode),
    Ending,
}

/// Why a link's packets wait and nothing is received, for a reason of the link itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waiting {
    /// They do not.
    No,
    /// Other handshakes go first.
    Turn,
    /// It goes to its home shard when the send that is under way has ended.
    Send,
}

/// How a link goes down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Closing {
    /// It does not.
    No,
    /// The broker's remaining output is sent first.
    Flushing,
    /// Both directions are shut; the last completions are awaited.
    Shut,
}

/// A socket and everything between it and a connection.
#[derive(Debug)]
pub(super) struct Link<S> {
    pub(super) socket: S,
    pub(super) transport: Transport,
    pub(super) client_address: ClientAddress,
    /// Counts it among its caller's connections.
    pub(super) permit: Option<AddressPermit>,
    /// Its first bytes are a PROXY header, of which `unread` holds what has come. It does not
    /// travel before that.
    pub(super) awaits_header: bool,
    pub(super) unread: UnreadBytes,
    pub(super) receiving: Receiving,
    /// Receives in a row after which it was not paused, up to [`CALM_RECEIVES`].
    pub(super) calm: u8,
    /// The peer has closed its side; data received before must still be handled.
    pub(super) ended: bool,
    pub(super) sending: bool,
    pub(super) closing: Closing,
    /// It let others go first, and is on the list of those.
    pub(super) yielded: bool,
    pub(super) waiting: Waiting,
    /// Deadline of the timer that counts; others of this link are void. 0: none.
    pub(super) timer_ms: u64,
    /// When it last received something, low bits.
    pub(super) received_ms: u32,
}

impl<S> Link<S> {
    /// How to receive for an accepted connection. A multishot receive that is cancelled has brought
    /// much by then, all of which must be kept: a link that is paused now and then gets one buffer
    /// at a time.
    pub(super) fn recv_mode(&self) -> RecvMode {
        if self.calm < CALM_RECEIVES { RecvMode::Once } else { RecvMode::Multishot }
    }

    /// It has received something now: how long it had not before, milliseconds.
    pub(super) fn note_received(&mut self, now_ms: u64) -> u32 {
        #[allow(clippy::cast_possible_truncation, reason = "differences are taken modulo 2^32")]
        let now_ms = now_ms as u32;
        now_ms.wrapping_sub(std::mem::replace(&mut self.received_ms, now_ms))
    }

    /// Whether the kernel has an operation on it.
    pub(super) fn is_busy(&self) -> bool {
        self.sending || self.receiving != Receiving::Off
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Links<S> {
    slots: Slots<Link<S>>,
    /// By slot.
    generations: Vec<u32>,
    /// Slots that went have not had a later one, unless they have had all.
    generation_first: u32,
}

impl<S> Links<S> {
    pub(super) fn new() -> Self {
        Self { slots: Slots::default(), generations: Vec::new(), generation_first: 0 }
    }

    pub(super) fn insert(&mut self, transfer: LinkTransfer<S>) -> Key {
        let LinkTransfer { socket, transport, client_address, permit, unread } = transfer;
        let slot = self.slots.insert(Link {
            socket,
            transport,
            client_address,
            permit,
            awaits_header: false,
            unread,
            receiving: Receiving::Off,
            calm: CALM_RECEIVES,
            ended: false,
            sending: false,
            closing: Closing::No,
            yielded: false,
            waiting: Waiting::No,
            timer_ms: 0,
            received_ms: 0,
        });
        if slot as usize == self.generations.len() {
            make_room(&mut self.generations);
            self.generations.push(self.generation_first);
        }
        Key { slot, generation: self.generations[slot as usize] }
    }

    /// The link, if it is still the one that is meant.
    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Link<S>> {
        let current = *self.generations.get(key.slot as usize)? == key.generation;
        if current { self.slots.get_mut(key.slot) } else { None }
    }

    /// Takes a link out.
    ///
    /// # Panics
    /// If it is gone, or the kernel has an operation on it.
    pub(super) fn remove(&mut self, key: Key) -> Link<S> {
        let generation = &mut self.generations[key.slot as usize];
        assert_eq!(*generation, key.generation, "a link is removed once");
        let link = self.slots.remove(key.slot).expect("it is there under its generation");
        assert!(!link.is_busy(), "join before free");
        *generation = (key.generation + 1) & GENERATION_MASK;
        link
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        let key = |slot: u32| Key { slot, generation: self.generations[slot as usize] };
        self.slots.keys_from(0).map(key).collect()
    }

    /// Gives memory back that links which left have had, of `slots_max` at most; whether there is
    /// more.
    pub(super) fn reclaim(&mut self, slots_max: usize) -> bool {
        let more = self.slots.reclaim(slots_max);
        // Old keys must not find a link when a slot is used again.
        for generation in self.generations.drain(self.slots.end()..) {
            self.generation_first = self.generation_first.max(generation);
        }
        shorten(&mut self.generations, slots_max, |_| false) || more
    }
}

/// The connection of a link.
pub(super) fn conn_of(key: Key) -> ConnId {
    ConnId { slot: key.slot, generation: key.generation }
}

/// The link of a connection.
pub(super) fn key_of(conn: ConnId) -> Key {
    Key { slot: conn.slot, generation: conn.generation }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(socket: &'static str) -> LinkTransfer<&'static str> {
        let (transport, client_address) = (Transport::Plain, ClientAddress::default());
        LinkTransfer {
            socket,
            transport,
            client_address,
            permit: None,
            unread: UnreadBytes::default(),
        }
    }

    /// A key of an earlier owner of the slot finds no link.
    #[test]
    fn old_keys_find_nothing() {
        let mut links = Links::new();
        let first = links.insert(transfer("first"));
        links.remove(first);
        let second = links.insert(transfer("second"));
        assert_eq!(first.slot, second.slot);
        assert!(links.get_mut(first).is_none());
        assert_eq!(links.get_mut(second).map(|link| link.socket), Some("second"));
    }

    /// Nor does one of a slot that went meanwhile, and came again.
    #[test]
    fn old_keys_find_nothing_in_new_slots() {
        let mut links = Links::new();
        let first = links.insert(transfer("first"));
        links.remove(first);
        while links.reclaim(1) {}
        assert_eq!(links.slots.end() + links.generations.len(), 0);
        let second = links.insert(transfer("second"));
        assert_eq!(first.slot, second.slot);
        assert!(links.get_mut(first).is_none());
    }
}
