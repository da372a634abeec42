//! The disk: what the broker's log wants written and supplied, and what other shards may know of
//! it.
//!
//! Invariant: what another shard is told to be committed was appended before its message's mark was
//! noted, and is committed.

use std::collections::{HashMap, VecDeque};
use std::io;

use crate::ring::Ring;
use crate::store::{FileId, Medium, MediumAnswer, Request};

use super::turn::{Clock, Reactor};

/// Messages of one inbox that are handled, and how far the log must be committed for them.
#[derive(Clone, Copy, Debug)]
struct Handled {
    messages: u64,
    log: u64,
    /// Whether the sender may wait for one of them.
    awaited: bool,
}

/// See the module.
pub(super) struct Storage<M: Medium> {
    medium: M,
    files: HashMap<FileId, M::File>,
    /// By inbox.
    handled: Vec<VecDeque<Handled>>,
    /// When the write that is under way was handed to the ring, microseconds.
    write_us: u64,
}

impl<M: Medium> Storage<M> {
    pub(super) fn new(medium: M, inboxes: usize) -> Self {
        let handled = (0..inboxes).map(|_| VecDeque::new()).collect();
        Self { medium, files: HashMap::new(), handled, write_us: 0 }
    }
}

impl<R: Ring, C: Clock, M: Medium<File = R::File>> Reactor<R, C, M> {
    /// Hands the medium what the broker asks for, and the ring what is to be written next.
    pub(super) fn serve_disk(&mut self) {
        while let Some(request) = self.broker.next_disk_request() {
            if let Request::Recycle(id) | Request::SetAside(id) = request {
                self.storage.files.remove(&id);
            }
            self.storage.medium.ask(request);
        }
        if let Some(write) = self.broker.next_write(self.now_ms) {
            let file = self.storage.files.get(&write.file).expect("its segment has this file");
            self.storage.write_us = self.clock.now_us();
            self.ring.submit_write(file, write.offset, write.bytes, write.sync);
        }
    }

    /// Nothing follows: where the log ends is noted, if all of it is committed.
    pub(super) fn end_disk(&mut self) {
        self.broker.end_log();
        while let Some(request) = self.broker.next_disk_request() {
            self.storage.medium.ask(request);
        }
    }

    /// Takes what the medium has to say.
    pub(super) fn hear_medium(&mut self) {
        while let Some(answer) = self.storage.medium.next_answer() {
            match answer {
                MediumAnswer::Supplied { id, file, mapping } => {
                    self.storage.files.insert(id, file);
                    self.broker.on_supplied(id, mapping, self.now_ms);
                }
                MediumAnswer::Refused(error) => {
                    self.broker.on_supply_refused(&error, self.now_ms);
                }
                MediumAnswer::Clocks(clocks) => self.broker.on_clocks(clocks, self.now_ms),
                MediumAnswer::Space { free, total } => {
                    self.broker.on_space(free, total, self.now_ms);
                }
            }
        }
    }

    pub(super) fn on_written(&mut self, result: io::Result<()>) {
        let took_us = self.clock.now_us().saturating_sub(self.storage.write_us);
        self.broker.meters_mut().latency.sync.record_n(took_us, 1);
        self.broker.on_written(result, self.now_ms);
        self.tell_committed();
    }

    /// Notes that messages of an inbox are handled: their sender learns it when what they left in
    /// the log is committed.
    pub(super) fn note_handled(&mut self, at: usize, awaited: bool) {
        let messages = self.inboxes[at].1.taken();
        // The rest of what they leave is appended by the turn's end: acknowledgements, which nobody
        // on another shard waits for.
        let (log, _) = self.broker.log_marks();
        let queue = &mut self.storage.handled[at];
        match queue.back_mut() {
            Some(last) if last.messages == messages => {}
            Some(last) if last.log == log => {
                last.messages = messages;
                last.awaited |= awaited;
            }
            _ => queue.push_back(Handled { messages, log, awaited }),
        }
        self.tell_committed();
    }

    /// Tells other shards how far their messages are committed.
    fn tell_committed(&mut self) {
        let (_, settled) = self.broker.log_marks();
        for (at, queue) in self.storage.handled.iter_mut().enumerate() {
            let mut awaited = false;
            while let Some(first) = queue.front().copied().filter(|first| first.log <= settled) {
                queue.pop_front();
                let (_, inbox) = &mut self.inboxes[at];
                inbox.set_committed(first.messages);
                awaited |= first.awaited;
            }
            if let Some(from) = self.inboxes[at].0
                && awaited
            {
                self.outboxes.ring(from);
            }
        }
    }

    /// Whether everything that was appended is committed.
    pub(super) fn is_committed(&self) -> bool {
        self.broker.is_committed()
    }
}
