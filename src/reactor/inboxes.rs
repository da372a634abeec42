//! The mesh rings from the other shards, and how far the messages in them are settled.
//!
//! Invariant: a message is reported as settled only when everything that it appended to this
//! shard's log is settled: committed, or needed by no session any more.

use std::collections::VecDeque;

use crate::broker::ShardId;
use crate::mesh::{Receiver, Record};

use super::outboxes::ShardMessage;

/// A way from another shard, or, without its number, from the control or the admin thread.
pub type Inbox<S> = (Option<ShardId>, Receiver<ShardMessage<S>>);

/// Messages of one inbox that are handled, and how far the log must be settled for them.
#[derive(Clone, Copy, Debug)]
struct Handled {
    messages: u64,
    log: u64,
    /// Whether the sender may wait for one of them.
    awaited: bool,
}

/// See the module.
pub(super) struct Inboxes<S: Send> {
    inboxes: Vec<Inbox<S>>,
    /// By inbox.
    handled: Vec<VecDeque<Handled>>,
}

impl<S: Send> Inboxes<S> {
    pub(super) fn new(inboxes: Vec<Inbox<S>>) -> Self {
        let handled = inboxes.iter().map(|_| VecDeque::new()).collect();
        Self { inboxes, handled }
    }

    pub(super) fn len(&self) -> usize {
        self.inboxes.len()
    }

    /// Whether all inboxes are empty.
    pub(super) fn are_empty(&self) -> bool {
        self.inboxes.iter().all(|(_, inbox)| inbox.is_empty())
    }

    /// The next message of an inbox, and the shard that sent it; none: the control thread.
    pub(super) fn next(
        &mut self,
        at: usize,
    ) -> Option<(Option<ShardId>, Record<'_, ShardMessage<S>>)> {
        let (from, inbox) = &mut self.inboxes[at];
        inbox.next().map(|record| (*from, record))
    }

    /// Notes that the messages taken from an inbox are handled: their sender learns it when what
    /// they left in the log, which goes to `log` by now, is settled.
    pub(super) fn note_handled(&mut self, at: usize, log: u64, awaited: bool) {
        let (_, inbox) = &mut self.inboxes[at];
        inbox.set_handled();
        let messages = inbox.taken();
        let queue = &mut self.handled[at];
        match queue.back_mut() {
            Some(last) if last.messages == messages => {}
            Some(last) if last.log == log => {
                last.messages = messages;
                last.awaited |= awaited;
            }
            _ => queue.push_back(Handled { messages, log, awaited }),
        }
    }

    /// Tells the senders how far their messages are settled, when the log is so up to `settled`.
    /// Those that may wait for it are given to `wake`.
    pub(super) fn tell_settled(&mut self, settled: u64, mut wake: impl FnMut(ShardId)) {
        for ((from, inbox), queue) in self.inboxes.iter_mut().zip(&mut self.handled) {
            let mut awaited = false;
            while let Some(first) = queue.front().copied().filter(|first| first.log <= settled) {
                queue.pop_front();
                inbox.set_settled(first.messages);
                awaited |= first.awaited;
            }
            if let Some(from) = *from
                && awaited
            {
                wake(from);
            }
        }
    }
}
