//! The mesh rings to the other shards, and messages that wait for room in them.
//!
//! Invariant: messages to a shard arrive in order: while one waits for room, all later ones wait
//! behind it. The number of waiting messages is bounded, because their publishers are not read from
//! meanwhile (invariant 6).

use std::collections::VecDeque;
use std::sync::{Arc, mpsc};

use bytes::Bytes;

use crate::access::Policy;
use crate::broker::inspect::Ask;
use crate::broker::{ClientLimit, Peers, SessionName, ShardId, ShardSet};
use crate::limits::{LARGE_BYTES_MAX, SHARE_BYTES_MIN};
use crate::mesh::{Bell, CountsFull, CountsMax, Sender, SharedCounts};
use crate::ring::Wake;

use super::link_transfer::LinkTransfer;
use super::report::Report;
use super::settings::Settings;
use crate::transport::TlsSetup;

/// A message to a shard that is passed as an object.
#[derive(Debug)]
pub enum ShardMessage<S> {
    /// A link whose session lives on the receiving shard.
    Link(Box<LinkTransfer<S>>),
    /// A message too large for a record.
    Large(Bytes),
    /// The sender has sent the subscriptions of the sessions that it found in its log.
    SubscriptionsSent,
    /// A command of the control thread.
    Control(ControlMessage),
    /// An ask of the admin thread, which returns with its answer.
    Ask(Box<Ask>),
    /// The sender will publish no more messages.
    Drained,
}

/// A command of the control thread to a shard.
#[derive(Debug)]
pub enum ControlMessage {
    /// Apply these settings. A policy follows.
    Settings(Box<Settings>),
    /// Apply this policy: users, vhosts and rules.
    Policy(Arc<Policy>),
    /// Use these certificates for new connections.
    Tls(Arc<TlsSetup>),
    /// Delete those of these sessions that live on the receiving shard.
    Delete(Arc<[SessionName]>),
    /// Whether to accept clients.
    Admit(bool),
    /// Confirm that all earlier messages were handled.
    Confirm(mpsc::Sender<()>),
    /// Send a report.
    Report(mpsc::Sender<Report>),
    /// Stop.
    Drain,
}

/// One other shard.
pub struct Outbox<S: Send, W> {
    /// The ring to it.
    pub sender: Sender<ShardMessage<S>>,
    /// Knows whether it sleeps.
    pub bell: Arc<Bell>,
    /// Wakes it.
    pub waker: W,
}

#[derive(Debug)]
enum Waiting<S> {
    Record(Vec<u8>),
    Object(ShardMessage<S>),
}

/// See the file.
pub(super) struct Outboxes<S: Send, W> {
    /// By shard; `None` for this one.
    boxes: Vec<Option<Outbox<S, W>>>,
    /// By shard.
    waiting: Vec<VecDeque<Waiting<S>>>,
    /// By shard: the number of the last message for which replies may wait.
    awaited: Vec<u64>,
    /// By shard: large messages that are not handled yet, each with its number and size.
    large: Vec<VecDeque<(u64, usize)>>,
    /// The bytes of all `large`.
    large_bytes: usize,
    /// The records in all `waiting`.
    waiting_count: usize,
    client_counts: Arc<SharedCounts>,
    clients_max: usize,
    /// The sessions of this shard in the count of all shards.
    sessions: usize,
}

impl<S: Send, W: Wake> Outboxes<S, W> {
    pub(super) fn new(
        boxes: Vec<Option<Outbox<S, W>>>,
        client_counts: Arc<SharedCounts>,
        clients_max: usize,
    ) -> Self {
        let waiting = boxes.iter().map(|_| VecDeque::new()).collect();
        let large = boxes.iter().map(|_| VecDeque::new()).collect();
        let awaited = vec![0; boxes.len()];
        Self {
            boxes,
            waiting,
            awaited,
            large,
            large_bytes: 0,
            waiting_count: 0,
            client_counts,
            clients_max,
            sessions: 0,
        }
    }

    /// Sets the number of this shard's sessions; returns that of all shards, if the number has
    /// changed.
    #[inline]
    pub(super) fn count_sessions(&mut self, now: usize) -> Option<usize> {
        let before = std::mem::replace(&mut self.sessions, now);
        (before != now).then(|| self.client_counts.sessions().replace(before, now))
    }

    /// Replaces `--max-connections`; open connections stay.
    pub(super) fn set_clients_max(&mut self, clients_max: usize) {
        self.clients_max = clients_max;
    }

    /// Whether a ring is full.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.waiting_count > 0 || self.large_bytes > LARGE_BYTES_MAX
    }

    /// The number of messages sent to a shard, including those that wait for room.
    fn sent(&self, to: ShardId) -> u64 {
        let waiting = self.waiting[usize::from(to.0)].len() as u64;
        self.get(to).map_or(0, |outbox| outbox.sender.pushed() + waiting)
    }

    pub(super) fn send_message(&mut self, to: ShardId, message: ShardMessage<S>) {
        let at = usize::from(to.0);
        let Some(outbox) = self.boxes[at].as_mut() else {
            return;
        };
        let refused = if self.waiting[at].is_empty() {
            outbox.sender.push_object(message).err()
        } else {
            Some(message)
        };
        if let Some(message) = refused {
            self.waiting[at].push_back(Waiting::Object(message));
            self.waiting_count += 1;
        }
    }

    fn send_record(&mut self, to: ShardId, parts: &[&[u8]]) {
        let at = usize::from(to.0);
        let Some(outbox) = self.boxes[at].as_mut() else { return };
        if !self.waiting[at].is_empty() || outbox.sender.push(parts).is_err() {
            self.waiting[at].push_back(Waiting::Record(parts.concat()));
            self.waiting_count += 1;
        }
    }

    /// Moves waiting messages into the rings as far as there is room, publishes them, and wakes
    /// sleeping shards.
    pub(super) fn publish(&mut self) {
        for at in 0..self.boxes.len() {
            let Some(outbox) = self.boxes[at].as_mut() else {
                continue;
            };
            while let Some(first) = self.waiting[at].pop_front() {
                let refused = match first {
                    Waiting::Record(bytes) => match outbox.sender.push(&[&bytes]) {
                        Ok(()) => None,
                        Err(_full) => Some(Waiting::Record(bytes)),
                    },
                    Waiting::Object(message) => {
                        outbox.sender.push_object(message).err().map(Waiting::Object)
                    }
                };
                match refused {
                    Some(refused) => {
                        self.waiting[at].push_front(refused);
                        break;
                    }
                    None => self.waiting_count -= 1,
                }
            }
            if outbox.sender.publish() && outbox.bell.must_ring() {
                outbox.waker.wake();
            }
            // Messages that the other shard has handled do not hold memory any more.
            let handled = outbox.sender.handled();
            while let Some((_, bytes)) =
                self.large[at].pop_front_if(|(number, _)| *number <= handled)
            {
                self.large_bytes -= bytes;
            }
        }
    }

    /// Wakes a shard that may wait for this one's progress.
    pub(super) fn ring(&self, shard: ShardId) {
        if let Some(outbox) = self.get(shard)
            && outbox.bell.must_ring()
        {
            outbox.waker.wake();
        }
    }

    /// The other shards.
    pub(super) fn others(&self) -> ShardSet {
        let mut set = ShardSet::default();
        for (shard, outbox) in (0..).zip(&self.boxes) {
            if outbox.is_some() {
                set.insert(ShardId(shard));
            }
        }
        set
    }

    fn get(&self, shard: ShardId) -> Option<&Outbox<S, W>> {
        self.boxes[usize::from(shard.0)].as_ref()
    }
}

impl<S: Send, W: Wake> Peers for Outboxes<S, W> {
    fn send(&mut self, to: ShardSet, parts: &[&[u8]], awaited: bool) {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        if bytes > SHARE_BYTES_MIN {
            let shared = Bytes::from(parts.concat());
            for shard in to.iter() {
                self.send_message(shard, ShardMessage::Large(shared.clone()));
                let number = self.sent(shard);
                self.large[usize::from(shard.0)].push_back((number, bytes));
                self.large_bytes += bytes;
            }
        } else {
            to.iter().for_each(|shard| self.send_record(shard, parts));
        }
        if awaited {
            to.iter().for_each(|shard| self.awaited[usize::from(shard.0)] = self.sent(shard));
        }
    }

    fn awaited(&self, shard: ShardId) -> u64 {
        self.awaited[usize::from(shard.0)]
    }

    fn settled(&self, shard: ShardId) -> u64 {
        self.get(shard).map_or(0, |outbox| outbox.sender.settled())
    }

    fn refused(&self, shard: ShardId) -> u64 {
        self.get(shard).map_or(0, |outbox| outbox.sender.answers())
    }

    fn is_congested(&self) -> bool {
        self.is_full()
    }

    fn admit(&mut self, vhost: u16, vhost_max: u64) -> Result<(), ClientLimit> {
        let part = usize::try_from(vhost_max).unwrap_or(usize::MAX);
        let max = CountsMax { all: self.clients_max, part };
        self.client_counts.try_take(usize::from(vhost), max).map_err(|full| match full {
            CountsFull::All => ClientLimit::Broker,
            CountsFull::Part => ClientLimit::Vhost,
        })
    }

    fn leave(&mut self, vhost: u16) {
        self.client_counts.give_back(usize::from(vhost));
    }
}
