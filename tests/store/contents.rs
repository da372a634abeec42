//! The contents of a store, and the differences between two of them: what damage cost.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use ringmq::store::{Origin, QueueItem, Session, Store, SubscriptionOptions};

use super::model::{MessageId, Place};
use super::verify::{RECEIVED_MAX, origins};

/// Vhost and client id.
pub(crate) type Client = (u16, String);

/// Something that waits in a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waits {
    Message(MessageId),
    /// It cannot be read.
    Unreadable,
    Released,
}

/// See the module.
#[derive(PartialEq, Debug, Default)]
pub(crate) struct Contents {
    sessions: BTreeMap<Client, Held>,
    /// None: the message cannot be read.
    retained: BTreeMap<Place, Option<MessageId>>,
    origins: BTreeSet<Origin>,
}

#[derive(PartialEq, Debug, Default)]
struct Held {
    owner: Option<String>,
    expiry_s: Option<u32>,
    will: Option<String>,
    filters: BTreeMap<String, SubscriptionOptions>,
    received: BTreeSet<u16>,
    /// By message number.
    waits: BTreeMap<u64, Waits>,
    /// Messages that may not carry the identifier of a filter.
    too_early: BTreeSet<(u64, String)>,
}

/// One thing that one store has and another lacks or has differently.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Difference {
    SessionGone(Client),
    SessionBack(Client),
    Owner(Client),
    Expiry(Client),
    Will(Client),
    Filter(Client),
    Received(Client),
    /// The number of the message, and what it was.
    Gone(Client, u64, Waits),
    /// Under a number, one store has something else than the other, or only one of them has
    /// anything.
    Other(Client, u64, Waits),
    Retained(Place),
    RetainedGone(Place),
    OriginGone(Origin),
    OriginBack(Origin),
}

impl Contents {
    pub(crate) fn of(store: &Store) -> Self {
        let mut contents = Self::default();
        let sessions = store.catalog.sessions();
        for session in sessions.keys_from(0).map(|key| sessions.get(key)) {
            let client = (session.vhost, session.client_id.to_string());
            let known = contents.sessions.insert(client, Held::of(session, store));
            assert_eq!(known, None, "{}: one session a client", session.client_id);
        }
        for vhost in 0..2 {
            for (topic, kept) in store.catalog.retained(vhost).into_iter().flat_map(|s| s.iter()) {
                let read = store.logs.disk.message(kept.position);
                let message = read.map(|message| number_of(message.payload));
                contents.retained.insert((vhost, topic.to_owned()), message);
            }
        }
        contents.origins = origins().filter(|origin| store.catalog.has_origin(origin)).collect();
        contents
    }

    /// Messages that cannot be read.
    pub(crate) fn unreadable(&self) -> usize {
        let waits = self.sessions.values().flat_map(|held| held.waits.values());
        let retained = self.retained.values().filter(|message| message.is_none());
        waits.filter(|waits| **waits == Waits::Unreadable).count() + retained.count()
    }

    /// Messages that wait in each session and can be read.
    pub(crate) fn waiting(&self) -> BTreeMap<&Client, BTreeSet<MessageId>> {
        let messages = |held: &Held| {
            let waits = held.waits.values().filter_map(|waits| match waits {
                Waits::Message(message) => Some(*message),
                _ => None,
            });
            waits.collect()
        };
        self.sessions.iter().map(|(client, held)| (client, messages(held))).collect()
    }

    /// The differences of `self`, which was damaged, from `whole`.
    pub(crate) fn differences(&self, whole: &Self) -> Vec<Difference> {
        use Difference as D;
        let mut all = Vec::new();
        for (client, held) in &whole.sessions {
            match self.sessions.get(client) {
                None => all.push(D::SessionGone(client.clone())),
                Some(other) => other.differences(held, client, &mut all),
            }
        }
        let back = self.sessions.keys().filter(|client| !whole.sessions.contains_key(*client));
        all.extend(back.cloned().map(D::SessionBack));
        for (place, message) in &whole.retained {
            match self.retained.get(place) {
                Some(Some(other)) if message.as_ref() == Some(other) => {}
                Some(Some(_)) => all.push(D::Retained(place.clone())),
                None | Some(None) => all.push(D::RetainedGone(place.clone())),
            }
        }
        let back = self.retained.keys().filter(|place| !whole.retained.contains_key(*place));
        all.extend(back.cloned().map(D::Retained));
        all.extend(whole.origins.difference(&self.origins).copied().map(D::OriginGone));
        all.extend(self.origins.difference(&whole.origins).copied().map(D::OriginBack));
        all
    }
}

impl Held {
    fn of(session: &Session, store: &Store) -> Self {
        let mut waits = BTreeMap::new();
        let told = session.queue.visit(&store.logs, &mut |item| {
            match item {
                QueueItem::Message { number, entry, .. } => {
                    let position = entry.position().expect("what waits is stored");
                    let read = store.logs.message(position);
                    let read = read.map(|message| Waits::Message(number_of(message.payload)));
                    waits.insert(number, read.unwrap_or(Waits::Unreadable));
                }
                QueueItem::Released { number } => drop(waits.insert(number, Waits::Released)),
                QueueItem::Block { .. } => {}
                QueueItem::Lost { first, count } => {
                    let numbers = first..first + u64::from(count);
                    waits.extend(numbers.map(|number| (number, Waits::Unreadable)));
                }
            }
            ControlFlow::Continue(())
        });
        assert_eq!(told, ControlFlow::Continue(()));
        let mut too_early = BTreeSet::new();
        for (filter, _) in session.subscriptions.iter().filter(|(_, it)| it.identifier > 0) {
            let of = waits.keys().filter(|number| !session.may_carry(filter, **number));
            too_early.extend(of.map(|number| (*number, filter.to_owned())));
        }
        let filters = session.subscriptions.iter();
        Self {
            owner: session.owner().map(str::to_owned),
            expiry_s: session.expiry_s(),
            will: session.will().map(|will| format!("{will:?}")),
            filters: filters.map(|(filter, options)| (filter.to_owned(), options)).collect(),
            received: (1..=RECEIVED_MAX).filter(|id| session.has_received(*id)).collect(),
            waits,
            too_early,
        }
    }

    fn differences(&self, whole: &Self, client: &Client, all: &mut Vec<Difference>) {
        if self.owner != whole.owner {
            all.push(Difference::Owner(client.clone()));
        }
        if self.expiry_s != whole.expiry_s {
            all.push(Difference::Expiry(client.clone()));
        }
        if self.will != whole.will {
            all.push(Difference::Will(client.clone()));
        }
        if self.filters != whole.filters {
            all.push(Difference::Filter(client.clone()));
        }
        if self.received != whole.received {
            all.push(Difference::Received(client.clone()));
        }
        for (number, waits) in &whole.waits {
            match self.waits.get(number) {
                Some(other) if other == waits => {}
                None | Some(Waits::Unreadable) => {
                    all.push(Difference::Gone(client.clone(), *number, *waits));
                }
                Some(other) => all.push(Difference::Other(client.clone(), *number, *other)),
            }
        }
        let both = |(number, _): &&(u64, String)| {
            self.waits.contains_key(number) && whole.waits.contains_key(number)
        };
        if !self.too_early.iter().filter(both).eq(whole.too_early.iter().filter(both)) {
            all.push(Difference::Filter(client.clone()));
        }
        let back = self.waits.iter().filter(|(number, _)| !whole.waits.contains_key(*number));
        all.extend(back.map(|(number, waits)| Difference::Other(client.clone(), *number, *waits)));
    }
}

/// A message's payload begins with its number.
fn number_of(payload: &[u8]) -> MessageId {
    let number = payload.first_chunk().expect("each has a number");
    MessageId::from_le_bytes(*number)
}
