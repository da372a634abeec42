//! Links: sockets with their transports, by slot.
//!
//! Invariant: a slot is used again only after the kernel has ended every operation on its link
//! (join before free), and then with a new generation.

use crate::broker::{ClientAddress, ConnId};
use crate::mesh::AddressPermit;
use crate::ring::{Key, RecvMode};
use crate::slots::{Slots, make_room, shorten};
use crate::transport::Transport;

use super::link_transfer::LinkTransfer;
use super::unread::UnreadBytes;

/// Generations are counted up to this and begin again.
const GENERATION_MASK: u32 = 0x00ff_ffff;

/// Receives without a pause after which a link receives multishot again. They are more bytes than
/// an output holds, so only a link whose subscribers keep up reaches it.
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

/// The link's own reason for its packets to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waiting {
    /// They do not wait.
    No,
    /// Other handshakes go first.
    Turn,
    /// The link moves to its home shard when the present send has ended.
    Send,
}

/// The state of closing a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Closing {
    /// It is not closing.
    No,
    /// The broker's remaining output is sent first.
    Flushing,
    /// Both directions are shut; the last completions are awaited.
    Shut,
}

/// A socket and all layers between it and a connection.
#[derive(Debug)]
pub(super) struct Link<S> {
    pub(super) socket: S,
    pub(super) transport: Transport,
    pub(super) client_address: ClientAddress,
    /// Counts it for its address.
    pub(super) permit: Option<AddressPermit>,
    /// Whether it must begin with a PROXY header, whose received part is in `unread`. It does not
    /// move before.
    pub(super) awaits_header: bool,
    pub(super) unread: UnreadBytes,
    pub(super) receiving: Receiving,
    /// The number of receives in a row without a pause, up to [`CALM_RECEIVES`].
    pub(super) calm: u8,
    /// Whether its last completion of a receive brought data.
    pub(super) was_fed: bool,
    /// Whether it is on the list of links that wait for buffers.
    pub(super) is_starved: bool,
    /// Whether the peer has closed its side; data received before must still be handled.
    pub(super) ended: bool,
    pub(super) sending: bool,
    pub(super) closing: Closing,
    /// Whether it let others go first and is on the list of such links.
    pub(super) yielded: bool,
    pub(super) waiting: Waiting,
    /// The deadline of the valid timer; its other timers are ignored. 0: none.
    pub(super) timer_ms: u64,
    /// The time at which it last received something, low bits.
    pub(super) received_ms: u32,
}

impl<S> Link<S> {
    /// The mode in which an open connection receives. A cancelled multishot receive may have
    /// brought much data that must be kept, so a link that was paused recently gets one buffer at a
    /// time.
    pub(super) fn recv_mode(&self) -> RecvMode {
        if self.calm < CALM_RECEIVES { RecvMode::Once } else { RecvMode::Multishot }
    }

    /// Notes that it has received something; returns how long it was silent, in milliseconds.
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

/// See the file.
#[derive(Debug)]
pub(super) struct Links<S> {
    slots: Slots<Link<S>>,
    /// By slot.
    generations: Vec<u32>,
    /// No removed slot has had a later generation, unless it has had all.
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
            was_fed: false,
            is_starved: false,
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

    /// The link, if its generation is still the same.
    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Link<S>> {
        let current = *self.generations.get(key.slot as usize)? == key.generation;
        if current { self.slots.get_mut(key.slot) } else { None }
    }

    /// Removes a link.
    ///
    /// # Panics
    /// If it was removed, or the kernel has an operation on it.
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

    /// Returns memory of links that have left, of `slots_max` at most; returns whether there is
    /// more to do.
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

    /// The same for a slot that was removed and added again.
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
