//! What comes from other shards and the control thread, and how a shard stops.
//!
//! ```text
//!  No ──Drain──► Wills ──every shard's wills are in──► Closing ──links gone──► stopped
//! ```
//! Wills of all shards are published before any connection is closed, so that who wants them is
//! there to get them.

use log::{debug, info};

use crate::broker::{ShardId, ShardSet};
use crate::limits::{INBOX_RECORDS_MAX, STOP_MS_MAX};
use crate::mesh::Record;
use crate::ring::Ring;
use crate::store::Medium;

use super::outboxes::{Parcel, Traveller};
use super::turn::{Clock, Reactor};

/// How far a shard is with stopping.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stopping {
    No,
    /// Waiting for the wills of these shards.
    Wills {
        missing: ShardSet,
        deadline_ms: u64,
    },
    /// Waiting for links to say the rest.
    Closing {
        deadline_ms: u64,
    },
}

impl Stopping {
    pub(super) fn deadline_ms(self) -> Option<u64> {
        match self {
            Self::No => None,
            Self::Wills { deadline_ms, .. } | Self::Closing { deadline_ms } => Some(deadline_ms),
        }
    }
}

impl<R: Ring, C: Clock, M: Medium<File = R::File>> Reactor<R, C, M> {
    /// Tells the others what the sessions here subscribe to; lets clients in when they all have.
    pub(super) fn introduce(&mut self) {
        self.with_broker(|broker, context| broker.restore_bindings(context));
        self.strangers = self.outboxes.others();
        for shard in self.strangers.iter() {
            self.outboxes.send_parcel(shard, Parcel::Introduced);
        }
        self.let_in();
    }

    fn let_in(&mut self) {
        if !self.strangers.is_empty() || !self.is_running() {
            return;
        }
        for listener in 0..self.accepting.len() {
            self.ring.submit_accept(u32::try_from(listener).expect("few listeners"));
        }
        for traveller in std::mem::take(&mut self.early) {
            self.welcome(traveller);
        }
    }

    /// Handles what other shards sent, a bounded number of messages from each.
    pub(super) fn handle_inboxes(&mut self) {
        for at in 0..self.inboxes.len() {
            let mut awaited = false;
            for _ in 0..INBOX_RECORDS_MAX {
                let (from, inbox) = &mut self.inboxes[at];
                let from = *from;
                let parcel = match inbox.next() {
                    None => break,
                    Some(Record::Bytes(record)) => {
                        let from = from.expect("the control thread sends objects");
                        let mut context = crate::broker::Context {
                            now_ms: self.now_ms,
                            peers: &mut self.outboxes,
                        };
                        awaited |= self.broker.handle_peer(from, record, &mut context);
                        continue;
                    }
                    Some(Record::Object(parcel)) => parcel,
                };
                awaited |= self.handle_parcel(from, parcel);
            }
            let (_, inbox) = &mut self.inboxes[at];
            inbox.set_handled();
            self.note_handled(at, awaited);
        }
    }

    fn handle_parcel(&mut self, from: Option<ShardId>, parcel: Parcel<R::Socket>) -> bool {
        match (parcel, from) {
            (Parcel::Link(traveller), _) if !self.strangers.is_empty() => {
                self.early.push(*traveller);
            }
            (Parcel::Link(traveller), _) => self.welcome(*traveller),
            (Parcel::Introduced, Some(from)) => {
                self.strangers.take(from);
                self.let_in();
            }
            (Parcel::Large(record), Some(from)) => {
                return self
                    .with_broker(|broker, context| broker.handle_peer(from, &record, context));
            }
            (Parcel::Settings(settings), _) => self.set(*settings),
            (Parcel::Policy(policy), _) => {
                self.with_broker(|broker, context| broker.set_policy(policy, context));
            }
            (Parcel::Tls(setup), _) => self.tls = Some(setup),
            (Parcel::Delete(names), _) => {
                self.with_broker(|broker, context| broker.delete_sessions(&names, context));
            }
            // Who asked may have stopped waiting.
            (Parcel::Ask(answer), _) => drop(answer.send(self.report())),
            (Parcel::Drain, _) => self.begin_stopping(),
            (Parcel::Drained, Some(from)) => {
                if let Stopping::Wills { missing, .. } = &mut self.stopping {
                    missing.take(from);
                } else {
                    // It was told to stop before this shard was.
                    self.begin_stopping();
                    if let Stopping::Wills { missing, .. } = &mut self.stopping {
                        missing.take(from);
                    }
                }
            }
            (Parcel::Large(_) | Parcel::Introduced | Parcel::Drained, None) => {
                unreachable!("the control thread has no messages")
            }
        }
        false
    }

    /// A link came home.
    fn welcome(&mut self, traveller: Traveller<R::Socket>) {
        // Dropping the socket of one that came too late closes it.
        if self.is_running() {
            let key = self.adopt(traveller);
            self.note_output(key);
            self.resume(key);
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.stopping, Stopping::No)
    }

    /// Whether it was told to stop and has closed everything: there is nothing left to turn for.
    pub fn is_stopped(&self) -> bool {
        matches!(self.stopping, Stopping::Closing { .. })
            && self.links.is_empty()
            && (self.is_committed() || self.now_ms >= self.commit_deadline_ms)
    }

    fn begin_stopping(&mut self) {
        if !self.is_running() {
            return;
        }
        info!("stopping, {} connections open", self.links.len());
        let missing = self.outboxes.others();
        self.stopping = Stopping::Wills { missing, deadline_ms: self.now_ms + STOP_MS_MAX };
        for listener in 0..self.accepting.len() {
            // Where accepting has stopped it is not to begin again: nothing is due there any more.
            self.accepting[listener] = None;
            self.ring.cancel_accept(u32::try_from(listener).expect("few listeners"));
        }
        for key in self.links.keys() {
            self.stop_receiving(key);
        }
        self.with_broker(|broker, context| broker.publish_wills(context));
        for shard in missing.iter() {
            self.outboxes.send_parcel(shard, Parcel::Drained);
        }
    }

    pub(super) fn advance_stopping(&mut self) {
        match self.stopping {
            Stopping::No => {}
            Stopping::Wills { missing, deadline_ms } => {
                let ready = missing.is_empty() && !self.broker.has_promises();
                if ready || self.now_ms >= deadline_ms {
                    self.stopping = Stopping::Closing { deadline_ms };
                    self.commit_deadline_ms = self.now_ms + STOP_MS_MAX;
                    self.with_broker(|broker, context| broker.close_all(context));
                }
            }
            Stopping::Closing { deadline_ms } if self.now_ms >= deadline_ms => {
                debug!("{} links are cut off", self.links.len());
                for key in self.links.keys() {
                    self.shut(key);
                    self.after_last_completion(key);
                }
                let deadline_ms = u64::MAX;
                self.stopping = Stopping::Closing { deadline_ms };
            }
            Stopping::Closing { .. } => {}
        }
    }
}
