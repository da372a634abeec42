//! The mesh rings from the other shards, and the settlement of their messages.
//!
//! Invariant: a message is reported as settled only when all that it appended to this shard's log
//! is settled: committed, or not needed by any session any more.

use std::collections::VecDeque;

use crate::broker::ShardId;
use crate::mesh::{Receiver, Record};

use super::outboxes::ShardMessage;

/// A ring from another shard, or without a number from the control or the admin thread.
pub type Inbox<S> = (Option<ShardId>, Receiver<ShardMessage<S>>);

/// Handled messages of an inbox, and the end of the log that must be settled for them.
#[derive(Clone, Copy, Debug)]
struct Handled {
    messages: u64,
    log: u64,
    /// Whether the sender may wait for any of them.
    awaited: bool,
}

/// See the file.
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

    /// The next message of an inbox, and its sender; `None` for the control thread.
    pub(super) fn next(
        &mut self,
        at: usize,
    ) -> Option<(Option<ShardId>, Record<'_, ShardMessage<S>>)> {
        let (from, inbox) = &mut self.inboxes[at];
        inbox.next().map(|record| (*from, record))
    }

    /// Notes that some of the messages taken from an inbox are refused: their sender learns it
    /// before they are settled.
    pub(super) fn note_refused(&mut self, at: usize, refused: u64) {
        self.inboxes[at].1.count_answers(refused);
    }

    /// Notes that the messages taken from an inbox are handled. Their sender learns that when the
    /// log is settled up to `log`, its present end.
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

    /// Reports to the senders which of their messages are settled, when the log is settled up to
    /// `settled`. Calls `wake` for the senders that may wait for that.
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
