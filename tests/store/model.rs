//! What a store must keep, in its simplest form: maps, and changes to them.
//!
//! A [`Change`] is the content of one record of the log. A store that is opened again equals its
//! former state with the changes up to some offset of the log.

use std::collections::{BTreeMap, BTreeSet};

use ringmq::store::{Origin, QueueTerms, SessionKey, SubscriptionOptions};

/// A message, named by its number: everything else follows from it.
pub(crate) type MessageId = u64;

/// A retained message's place: vhost, topic.
pub(crate) type Place = (u16, String);

/// See the module.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Model {
    pub(crate) sessions: BTreeMap<SessionKey, Session>,
    pub(crate) retained: BTreeMap<Place, MessageId>,
    pub(crate) origins: BTreeSet<Origin>,
}

/// A session that outlives its connection.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Session {
    pub(crate) vhost: u16,
    pub(crate) client: String,
    pub(crate) owner: Option<String>,
    pub(crate) expiry_s: Option<u32>,
    /// Its number: everything else follows from it.
    pub(crate) will: Option<u64>,
    pub(crate) serial: u64,
    /// 0: the client is connected.
    pub(crate) left_ms: u64,
    pub(crate) filters: BTreeMap<String, SubscriptionOptions>,
    /// For filters with a subscription identifier: the first message that may carry it.
    pub(crate) identified_from: BTreeMap<String, u64>,
    pub(crate) received: BTreeSet<u16>,
    /// The messages that are not completed, by number.
    pub(crate) messages: BTreeMap<u64, Waiting>,
    /// Messages ever pushed.
    pub(crate) end: u64,
    /// The messages below this number were sent.
    pub(crate) sent: u64,
    /// Number of the next to send, and how many of those before are not done with.
    pub(crate) next: u64,
    pub(crate) unacked: u32,
    /// One past the last released message that was taken ahead of others.
    owed: u64,
}

/// A message in a session's queue.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Waiting {
    pub(crate) message: MessageId,
    pub(crate) terms: QueueTerms,
    pub(crate) released: bool,
    /// Bytes of its record.
    pub(crate) bytes: u32,
}

/// The content of a record of the log.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Opened {
        key: SessionKey,
        vhost: u16,
        client: String,
        serial: u64,
        time_ms: u64,
    },
    Ended {
        key: SessionKey,
    },
    Attached {
        key: SessionKey,
    },
    Owned {
        key: SessionKey,
        user: Option<String>,
    },
    Expiry {
        key: SessionKey,
        interval_s: Option<u32>,
    },
    Will {
        key: SessionKey,
        will: Option<u64>,
    },
    Detached {
        key: SessionKey,
        sent: u64,
        time_ms: u64,
    },
    Subscribed {
        key: SessionKey,
        filter: String,
        options: SubscriptionOptions,
    },
    Unsubscribed {
        key: SessionKey,
        filter: String,
    },
    Stored {
        message: MessageId,
        bytes: u32,
        targets: Vec<(SessionKey, QueueTerms)>,
        retained: Option<Place>,
        received: Option<(SessionKey, u16)>,
        origin: Option<Origin>,
    },
    Queued {
        key: SessionKey,
        message: MessageId,
        terms: QueueTerms,
        bytes: u32,
    },
    Acks {
        key: SessionKey,
        done: Vec<u64>,
        released: Vec<u64>,
    },
    Received {
        key: SessionKey,
        packet_id: u16,
    },
    Freed {
        key: SessionKey,
        packet_id: u16,
    },
    FreedElsewhere(Origin),
    Cleared(Place),
}

/// What a session must send next.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Next {
    Publish { message: MessageId, number: u64, terms: QueueTerms, again: bool },
    Release { number: u64 },
}

impl Model {
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Opened { key, vhost, client, serial, time_ms } => {
                let session = Session::new(*vhost, client, *serial, *time_ms);
                self.sessions.insert(*key, session);
            }
            Change::Ended { key } => drop(self.sessions.remove(key)),
            Change::Stored { message, bytes, targets, retained, received, origin } => {
                for (key, terms) in targets {
                    self.session(*key).push(*message, *terms, *bytes);
                }
                if let Some(place) = retained {
                    self.retained.insert(place.clone(), *message);
                }
                if let Some((key, packet_id)) = received {
                    self.session(*key).received.insert(*packet_id);
                }
                self.origins.extend(*origin);
            }
            Change::Queued { key, message, terms, bytes } => {
                self.session(*key).push(*message, *terms, *bytes);
            }
            Change::FreedElsewhere(origin) => drop(self.origins.remove(origin)),
            Change::Cleared(place) => drop(self.retained.remove(place)),
            Change::Owned { key, user } => self.session(*key).owner.clone_from(user),
            Change::Expiry { key, interval_s } => self.session(*key).expiry_s = *interval_s,
            Change::Will { key, will } => self.session(*key).will = *will,
            Change::Attached { key } => self.session(*key).attach(),
            Change::Detached { key, sent, time_ms } => {
                let session = self.session(*key);
                session.rewind();
                session.left_ms = *time_ms;
                session.sent = session.sent.max(*sent);
            }
            Change::Subscribed { key, filter, options } => {
                let session = self.session(*key);
                let before = session.filters.insert(filter.clone(), *options);
                if options.identifier == 0 {
                    session.identified_from.remove(filter);
                } else if before.is_none_or(|before| before.identifier == 0) {
                    session.identified_from.insert(filter.clone(), session.end);
                }
            }
            Change::Unsubscribed { key, filter } => {
                let session = self.session(*key);
                session.filters.remove(filter);
                session.identified_from.remove(filter);
            }
            Change::Acks { key, done, released } => {
                let session = self.session(*key);
                for number in done {
                    session.messages.remove(number);
                }
                for number in released {
                    if let Some(waiting) = session.messages.get_mut(number) {
                        waiting.released = true;
                    }
                }
            }
            Change::Received { key, packet_id } => {
                self.session(*key).received.insert(*packet_id);
            }
            Change::Freed { key, packet_id } => {
                self.session(*key).received.remove(packet_id);
            }
        }
    }

    pub(crate) fn session(&mut self, key: SessionKey) -> &mut Session {
        self.sessions.get_mut(&key).expect("a change is of a session that is there")
    }

    /// Starts a new process: no client is connected, and each message may have been sent.
    pub(crate) fn restart(&mut self, time_ms: u64) {
        for session in self.sessions.values_mut() {
            session.rewind();
            if session.left_ms == 0 {
                session.left_ms = time_ms;
                session.sent = session.end;
            }
        }
    }
}

impl Session {
    fn new(vhost: u16, client: &str, serial: u64, time_ms: u64) -> Self {
        Self {
            vhost,
            client: client.to_owned(),
            owner: None,
            expiry_s: None,
            will: None,
            serial,
            left_ms: time_ms,
            filters: BTreeMap::new(),
            identified_from: BTreeMap::new(),
            received: BTreeSet::new(),
            messages: BTreeMap::new(),
            end: 0,
            sent: 0,
            next: 0,
            unacked: 0,
            owed: 0,
        }
    }

    fn push(&mut self, message: MessageId, terms: QueueTerms, bytes: u32) {
        let waiting = Waiting { message, terms, released: false, bytes };
        self.messages.insert(self.end, waiting);
        self.end += 1;
    }

    fn attach(&mut self) {
        self.left_ms = 0;
        self.rewind();
    }

    fn rewind(&mut self) {
        (self.next, self.unacked, self.owed) = (0, 0, 0);
    }

    pub(crate) fn stored_bytes(&self) -> u64 {
        let stored = self.messages.values().filter(|waiting| !waiting.released);
        stored.map(|waiting| u64::from(waiting.bytes)).sum()
    }

    pub(crate) fn take_next(&mut self, window: u16) -> Option<Next> {
        while let Some((number, waiting)) = self.messages.range(self.next..).next()
            && waiting.released
            && *number < self.owed
        {
            self.next = number + 1;
            self.unacked += 1;
        }
        if self.unacked >= u32::from(window) {
            let mut rest = self.messages.range(self.next.max(self.owed)..);
            let (number, _) = rest.find(|(_, waiting)| waiting.released)?;
            self.owed = number + 1;
            return Some(Next::Release { number: *number });
        }
        let (number, waiting) = self.messages.range(self.next..).next()?;
        let number = *number;
        let next = match waiting.released {
            true => Next::Release { number },
            false => Next::Publish {
                message: waiting.message,
                number,
                terms: waiting.terms,
                again: number < self.sent,
            },
        };
        self.next = number + 1;
        self.sent = self.sent.max(number + 1);
        self.unacked += 1;
        Some(next)
    }

    /// The message is done with.
    pub(crate) fn end(&mut self, number: u64) {
        self.messages.remove(&number).expect("it is there");
        self.unacked -= u32::from(number < self.next);
    }

    /// The oldest message that waits to be sent and is not released.
    pub(crate) fn oldest_waiting(&self) -> Option<u64> {
        let mut waiting = self.messages.range(self.next..);
        waiting.find(|(_, waiting)| !waiting.released).map(|(number, _)| *number)
    }
}
