//! Whether a store equals a model: it is opened from images of its files, compared, emptied and
//! dropped. Emptying it shows that it releases all that it refers to.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::ops::ControlFlow;

use ringmq::store::{
    Extent, FaultKind, Found, Holder, Losses, OpenReport, Opened, Origin, QueueItem, QueueNext,
    Retained, SessionKey, Store, StoreOptions,
};

use super::model::{Model, Next, Place, Session};
use super::texts::{Text, text, will, will_of};

/// The options of a run's stores, and what else a comparison needs.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) options: StoreOptions,
    pub(crate) tail_bytes_max: usize,
    pub(crate) payload_max: usize,
}

/// Identifiers of QoS 2 publishers in a run: 1 to this.
pub(crate) const RECEIVED_MAX: u16 = 6;

/// The user of a session; the store does not look at it.
pub(crate) const HOLDER: Holder = Holder(NonZeroU64::MIN);

/// Shards whose publishers have origins here.
pub(crate) const ORIGIN_SHARDS: u16 = 3;

impl Setting {
    pub(crate) fn open(&self, found: Vec<Found>) -> (Store, Opened) {
        self.open_noted(found, None)
    }

    /// The same with a noted extent of the log.
    pub(crate) fn open_noted(&self, found: Vec<Found>, noted: Option<Extent>) -> (Store, Opened) {
        let opened = Store::open(&self.options, found, noted);
        let (mut store, opened) = opened.expect("the files are this shard's");
        store.logs.tail_bytes_max = self.tail_bytes_max;
        (store, opened)
    }

    pub(crate) fn text(&self, message: u64) -> Text {
        text(message, self.payload_max)
    }

    /// Whether a store that was just opened is this model, after a restart.
    pub(crate) fn verify(&self, store: &mut Store, model: &Model) {
        let model = &self.without_expired(store, model);
        let sessions = store.catalog.sessions();
        assert_eq!(sessions.len(), model.sessions.len(), "sessions");
        for (key, expected) in &model.sessions {
            let found = sessions.find(expected.vhost, &expected.client);
            assert_eq!(found, Some(*key), "key of {}", expected.client);
            look_at_session(store, *key, expected);
        }
        let retained: usize =
            (0..2).filter_map(|vhost| store.catalog.retained(vhost)).map(|store| store.len()).sum();
        assert_eq!(retained, model.retained.len(), "retained messages");
        for (place, message) in &model.retained {
            self.look_at_retained(store, place, *message);
        }
        for origin in origins() {
            let expected = model.origins.contains(&origin);
            assert_eq!(store.catalog.has_origin(&origin), expected, "{origin:?}");
        }
        for (key, expected) in &model.sessions {
            self.drain(store, *key, expected);
        }
        empty(store, model);
    }

    /// The model without the expired messages that the store has dropped.
    pub(crate) fn without_expired(&self, store: &Store, model: &Model) -> Model {
        let mut model = model.clone();
        for (key, session) in &mut model.sessions {
            let Some(found) = store.catalog.sessions().try_get(*key) else { continue };
            let there = numbers_of(store, found);
            session.messages.retain(|number, waiting| {
                there.contains(number)
                    || waiting.released
                    || !self.text(waiting.message).is_expired()
            });
        }
        model.retained.retain(|(vhost, topic), message| {
            let found = store.catalog.retained(*vhost).and_then(|store| store.get(topic));
            found.is_some() || !self.text(*message).is_expired()
        });
        model
    }

    pub(crate) fn look_at_retained(&self, store: &Store, place: &Place, message: u64) {
        let (vhost, topic) = place;
        let found = store.catalog.retained(*vhost).and_then(|store| store.get(topic));
        let Some(Retained { position, bytes, .. }) = found else { panic!("{place:?} is lost") };
        let read = store.logs.disk.message(position);
        let read = read.unwrap_or_else(|| panic!("{place:?} at {position:?} cannot be read"));
        let expected = self.text(message);
        assert_eq!((read.vhost, read.topic, read.qos), (*vhost, &**topic, expected.qos));
        assert_eq!((read.payload, read.time_ms), (&*expected.payload, expected.time_ms));
        assert_eq!(read.properties, &*expected.properties);
        assert_eq!(bytes, expected.bytes());
    }

    /// Takes everything that waits in a session.
    fn drain(&self, store: &mut Store, key: SessionKey, expected: &Session) {
        let mut expected = expected.clone();
        let client = expected.client.clone();
        store.catalog.attach(key, HOLDER, &mut store.logs);
        loop {
            let taken = store.catalog.session_mut(key).take_next(u16::MAX, &mut store.logs);
            let next = expected.take_next(u16::MAX);
            assert!(self.is_next(store, taken, next.as_ref()), "{client}: {taken:?}, not {next:?}");
            if next.is_none() {
                break;
            }
        }
        let queue = &store.catalog.sessions().get(key).queue;
        assert_eq!(queue.waiting(), 0, "{client}");
        assert_eq!(u64::from(queue.unacked()), expected.messages.len() as u64, "{client}");
    }

    /// Uses a store with unknown losses: sessions are emptied, messages arrive, and everything
    /// ends.
    pub(crate) fn use_up(&self, store: &mut Store) {
        let sessions: Vec<SessionKey> = store.catalog.sessions().keys_from(0).collect();
        for key in sessions {
            store.catalog.attach(key, HOLDER, &mut store.logs);
            let mut session = store.catalog.session_mut(key);
            while let Some(next) = session.take_next(u16::MAX, &mut store.logs) {
                let QueueNext::Publish { entry, number, .. } = next else { continue };
                let position = entry.position().expect("what waits is stored");
                if store.logs.message(position).is_none() {
                    session.mark_gone(number, &mut store.logs);
                }
            }
            drop(session);
            store.catalog.write_acks(&mut store.logs);
            store.catalog.end_session(key, &mut store.logs);
        }
        while store.housekeeping.step(&mut store.catalog, &mut store.logs, 0, false) {}
    }

    /// Whether the item that was taken is the expected one.
    pub(crate) fn is_next(
        &self,
        store: &Store,
        taken: Option<QueueNext>,
        expected: Option<&Next>,
    ) -> bool {
        let id = |number: u64| u16::try_from(number % 65_535 + 1).expect("small");
        match (taken, expected) {
            (None, None) => true,
            (Some(QueueNext::Release { packet_id }), Some(Next::Release { number })) => {
                packet_id == id(*number)
            }
            (
                Some(QueueNext::Publish { entry, packet_id, number, again }),
                Some(Next::Publish { message, number: expected, terms, again: dup }),
            ) => {
                let position = entry.position().expect("what waits is stored");
                let read = store.logs.message(position);
                let read = read.unwrap_or_else(|| panic!("{position:?} cannot be read"));
                let text = self.text(*message);
                (read.topic, read.payload, read.qos) == (&*text.topic, &*text.payload, text.qos)
                    && (read.properties, read.time_ms) == (&*text.properties, text.time_ms)
                    && (number, packet_id, again) == (*expected, id(*expected), *dup)
                    && entry.terms() == *terms
                    && read.own.is_none_or(|own| Some(own.encoded()) == text.own.as_deref())
            }
            _ => false,
        }
    }
}

/// The numbers of the messages that wait in a session.
pub(crate) fn numbers_of(store: &Store, session: &ringmq::store::Session) -> BTreeSet<u64> {
    let mut numbers = BTreeSet::new();
    let _told = session.queue.visit(&store.logs, &mut |item| {
        match item {
            QueueItem::Message { number, .. } | QueueItem::Released { number } => {
                numbers.insert(number);
            }
            QueueItem::Lost { first, count } => numbers.extend(first..first + u64::from(count)),
            QueueItem::Block { .. } => {}
        }
        ControlFlow::Continue(())
    });
    numbers
}

/// Every origin that a run knows.
pub(crate) fn origins() -> impl Iterator<Item = Origin> {
    (1..=ORIGIN_SHARDS).flat_map(|shard| {
        (1..=RECEIVED_MAX).map(move |packet_id| Origin { shard, serial: 7, packet_id })
    })
}

pub(crate) fn look_at_session(store: &Store, key: SessionKey, expected: &Session) {
    let session = store.catalog.sessions().get(key);
    let client = &expected.client;
    assert_eq!((&*session.client_id, session.vhost), (&**client, expected.vhost));
    assert_eq!(session.owner(), expected.owner.as_deref(), "{client}");
    assert_eq!(session.expiry_s(), expected.expiry_s, "{client}");
    let expected_will = expected.will.map(will);
    assert_eq!(session.will(), expected_will.as_ref().map(will_of), "{client}");
    assert_eq!(session.left_ms, expected.left_ms, "{client}");
    assert_eq!(session.serial, expected.serial, "{client}");
    let filters = expected.filters.iter().map(|(filter, options)| (&**filter, *options));
    assert!(session.subscriptions.iter().eq(filters), "{client}");
    for (filter, from) in &expected.identified_from {
        for number in expected.messages.keys() {
            assert_eq!(session.may_carry(filter, *number), from <= number, "{client}: {filter}");
        }
    }
    for packet_id in 1..=RECEIVED_MAX {
        let expected = expected.received.contains(&packet_id);
        assert_eq!(session.has_received(packet_id), expected, "{client}: {packet_id}");
    }
    let queue = &session.queue;
    assert_eq!(queue.end(), expected.end, "{client}");
    assert_eq!(queue.stored_bytes(), expected.stored_bytes(), "{client}");
    // The queue may pass expired messages when it comes to them.
    assert!(!queue.is_empty() || expected.messages.is_empty(), "{client}");
    assert!(numbers_of(store, session).iter().eq(expected.messages.keys()), "{client}");
    let first = expected.messages.keys().next().copied().unwrap_or(expected.end);
    assert!(queue.first() <= first, "{client}: {} {first}", queue.first());
}

/// Ends everything: then no segment is referred to.
pub(crate) fn empty(store: &mut Store, model: &Model) {
    for key in model.sessions.keys() {
        store.catalog.end_session(*key, &mut store.logs);
    }
    for (vhost, topic) in model.retained.keys() {
        assert!(store.catalog.clear_retained(*vhost, topic, &mut store.logs));
    }
    for segment in store.logs.disk.segments() {
        assert_eq!(segment.references, 0, "{segment:?}");
    }
}

/// Without damage nothing is lost and no fault is reported, except a file that is found again
/// because its header could not be cleared.
pub(crate) fn assert_sound(opened: &Opened) {
    assert_eq!(opened.losses, Losses::default(), "{opened}");
    let OpenReport { unknown_records, faults, .. } = &opened.report;
    let damage = faults.iter().find(|fault| fault.kind != FaultKind::Superseded);
    assert_eq!((*unknown_records, damage), (0, None), "{opened}");
}
