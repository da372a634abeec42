//! The published messages: on each topic 0, 1, 2, …, each once or more, and which of them the
//! broker has acknowledged.
//!
//! Each topic belongs to one publisher. The payload of a message and its retain flag follow from
//! the seed, its topic and its number.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::common::{Publish, Random, publish};

/// Topics of each publisher, by kind.
const TOPICS: [(Kind, usize); 3] = [(Kind::Live, 3), (Kind::Cleared, 2), (Kind::Kept, 2)];

/// The purpose of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// It has subscribers; few of its messages are retained.
    Live,
    /// Each message is retained, or clears the topic; it has no subscribers.
    Cleared,
    /// Each message is retained; it has no subscribers.
    Kept,
}

impl Kind {
    fn root(self) -> &'static str {
        match self {
            Self::Live => "m",
            Self::Cleared => "r",
            Self::Kept => "s",
        }
    }
}

/// One topic.
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) publisher: usize,
    pub(crate) qos: u8,
    pub(crate) kind: Kind,
}

/// The history of a topic. All vectors have one element for each message.
#[derive(Default)]
pub(crate) struct Book {
    /// How often it was sent.
    pub(crate) sends: Vec<u16>,
    /// The broker has taken it over.
    pub(crate) acked: Vec<bool>,
}

/// The effect of a message on the retained one of its topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    None,
    Set,
    Clear,
}

/// See the module.
pub(crate) struct Ledger {
    seed: u64,
    pub(crate) topics: Vec<Topic>,
    books: Vec<Mutex<Book>>,
    by_name: HashMap<String, usize>,
}

impl Ledger {
    pub(crate) fn new(seed: u64, publishers: usize) -> Self {
        let mut topics = Vec::new();
        for publisher in 0..publishers {
            for (kind, count) in TOPICS {
                topics.extend((0..count).map(|at| Topic {
                    name: format!("{}/{publisher}/{at}", kind.root()),
                    publisher,
                    qos: if at % 2 == 0 { 1 } else { 2 },
                    kind,
                }));
            }
        }
        let books = topics.iter().map(|_| Mutex::default()).collect();
        let names = topics.iter().enumerate().map(|(at, topic)| (topic.name.clone(), at));
        Self { seed, by_name: names.collect(), topics, books }
    }

    pub(crate) fn book(&self, topic: usize) -> MutexGuard<'_, Book> {
        self.books[topic].lock().expect("no holder panics")
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<usize> {
        self.by_name.get(str::from_utf8(name).ok()?).copied()
    }

    /// Enters a new message of a topic; gives its number.
    pub(crate) fn begin(&self, topic: usize) -> usize {
        let mut book = self.book(topic);
        book.sends.push(1);
        book.acked.push(false);
        book.sends.len() - 1
    }

    /// Messages of all topics.
    pub(crate) fn total(&self) -> usize {
        (0..self.topics.len()).map(|topic| self.book(topic).sends.len()).sum()
    }

    pub(crate) fn effect(&self, topic: usize, number: usize) -> Effect {
        let dice = self.random(topic, number).below(16);
        match (self.topics[topic].kind, dice) {
            (Kind::Cleared, 0..4) => Effect::Clear,
            (Kind::Kept | Kind::Cleared, _) | (Kind::Live, 0) => Effect::Set,
            (Kind::Live, _) => Effect::None,
        }
    }

    /// The message; its packet identifier is to be set.
    pub(crate) fn message(&self, topic: usize, number: usize) -> Publish {
        let effect = self.effect(topic, number);
        let mut payload = Vec::new();
        if effect != Effect::Clear {
            payload = format!("{topic} {number} ").into_bytes();
            let mut random = self.random(topic, number + (1 << 40));
            let most = match random.below(1000) {
                0 => 1_500_000,
                1..10 => 20_000,
                _ => 200,
            };
            let fill = random.byte();
            payload.resize(payload.len() + random.below(most), fill);
        }
        let message = publish(&self.topics[topic].name, payload).at(self.topics[topic].qos);
        if effect == Effect::None { message } else { message.retained() }
    }

    /// The number of a received message, if it equals a sent one.
    pub(crate) fn number(&self, topic: usize, payload: &[u8]) -> Option<usize> {
        let text = payload.get(..payload.len().min(40))?;
        let mut words = text.split(|byte| *byte == b' ').map(str::from_utf8);
        let named: usize = words.next()?.ok()?.parse().ok()?;
        let number: usize = words.next()?.ok()?.parse().ok()?;
        let sent = number < self.book(topic).sends.len();
        (named == topic && sent && self.message(topic, number).payload == payload).then_some(number)
    }

    /// The possible retained messages of a topic by number, `None` for no message: the effect of
    /// the last acknowledged message, or of a later one that was sent.
    pub(crate) fn retainable(&self, topic: usize) -> Vec<Option<usize>> {
        let book = self.book(topic);
        let mut may = vec![None];
        for (number, acked) in book.acked.iter().enumerate() {
            let left = match self.effect(topic, number) {
                Effect::None => continue,
                Effect::Set => Some(number),
                Effect::Clear => None,
            };
            if *acked {
                may.clear();
            }
            may.push(left);
        }
        may
    }

    fn random(&self, topic: usize, number: usize) -> Random {
        let mixed = (self.seed ^ ((topic as u64) << 48)).wrapping_add(number as u64);
        let mut random = Random::new(mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.bits();
        random
    }
}
