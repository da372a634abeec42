//! Passwords that wait to be verified, in two lanes: the usual lane goes first. In a lane addresses
//! take turns, so that an address with thousands of waiting passwords delays another by one
//! password only.
//!
//! Invariant: the passwords of one address are in order. `waiting` is the sum over all addresses,
//! and within the lane's bound. An address is in `turns` once if it has a waiting password,
//! otherwise not at all.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use crate::limits::{AUTH_SUSPECTS_MAX, AUTH_WAITING_MAX};

/// The lane of a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lane {
    /// From an address without recent wrong passwords.
    Usual,
    /// From an address with recent wrong passwords.
    Suspects,
}

/// Both lanes.
#[derive(Debug)]
pub(super) struct Queue<T> {
    usual: Turns<T>,
    suspects: Turns<T>,
}

/// One lane.
#[derive(Debug)]
struct Turns<T> {
    by_address: HashMap<Option<IpAddr>, VecDeque<T>>,
    turns: VecDeque<Option<IpAddr>>,
    waiting: usize,
    waiting_max: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { usual: Turns::new(AUTH_WAITING_MAX), suspects: Turns::new(AUTH_SUSPECTS_MAX) }
    }
}

impl<T> Queue<T> {
    /// Adds a password; returns whether there was room. An address may have as many waiting as
    /// there is room left, so that other addresses still find some.
    pub(super) fn push(&mut self, lane: Lane, address: Option<IpAddr>, item: T) -> bool {
        match lane {
            Lane::Usual => self.usual.push(address, item),
            Lane::Suspects => self.suspects.push(address, item),
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        self.usual.pop().or_else(|| self.suspects.pop())
    }
}

impl<T> Turns<T> {
    fn new(waiting_max: usize) -> Self {
        let (by_address, turns) = (HashMap::new(), VecDeque::new());
        Self { by_address, turns, waiting: 0, waiting_max }
    }

    fn push(&mut self, address: Option<IpAddr>, item: T) -> bool {
        let own = self.by_address.get(&address).map_or(0, VecDeque::len);
        if own >= self.waiting_max - self.waiting {
            return false;
        }
        if own == 0 {
            self.turns.push_back(address);
        }
        self.by_address.entry(address).or_default().push_back(item);
        self.waiting += 1;
        true
    }

    fn pop(&mut self) -> Option<T> {
        let address = self.turns.pop_front()?;
        let own = self.by_address.get_mut(&address)?;
        let item = own.pop_front()?;
        self.waiting -= 1;
        if own.is_empty() {
            self.by_address.remove(&address);
        } else {
            self.turns.push_back(address);
        }
        Some(item)
    }
}
