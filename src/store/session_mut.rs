//! A guard for changes of a session.
//!
//! Invariant: when a [`SessionMut`] is dropped, changes of the session's queue are noted. Messages
//! that its client has completed are listed for the next acknowledgement record, and its waiting
//! messages are counted with those of its vhost. A queue is changed in no other way, so neither can
//! be forgotten.

use std::ops::{Deref, Range};

use crate::limits::EXPIRED_LOOKS_MAX;

use super::lifetime::Lifetime;
use super::logs::{Logs, StoredMessage};
use super::position::Position;
use super::queue::{Answer, Entry, Next, TakeBound, Terms};
use super::record::SessionKey;
use super::session::Session;
use super::timeline::Timeline;

/// Totals of the sessions of a vhost.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SessionTotals {
    /// Sessions, including clean ones.
    pub sessions: u64,
    /// Clean sessions.
    pub clean: u64,
    /// Bytes of messages that wait in durable sessions.
    pub queued_bytes: u64,
}

/// See the file.
pub struct SessionMut<'a> {
    pub(super) key: SessionKey,
    pub(super) session: &'a mut Session,
    pub(super) totals: &'a mut SessionTotals,
    pub(super) noted: &'a mut Vec<SessionKey>,
    pub(super) timeline: &'a Timeline,
}

impl SessionMut<'_> {
    /// Its key.
    pub fn key(&self) -> SessionKey {
        self.key
    }

    /// Appends a message to its queue; a durable session takes only messages that are stored for it
    /// already.
    pub fn push(&mut self, entry: Entry, logs: &mut Logs) {
        let near = self.session.is_near();
        self.session.queue.push(entry, near, self.key, logs);
    }

    /// As [`super::Queue::take_next`].
    pub fn take_next(&mut self, window: u16, logs: &mut Logs) -> Option<Next> {
        self.session.queue.take_next(window, logs)
    }

    /// As [`super::Queue::pass`].
    #[inline]
    pub fn pass(&mut self, terms: Terms) -> Next {
        self.session.queue.pass(terms)
    }

    /// As [`super::Queue::take_next_before`].
    pub fn take_next_before(
        &mut self,
        bound: TakeBound,
        window: u16,
        logs: &mut Logs,
    ) -> Option<Next> {
        self.session.queue.take_next_before(bound, window, logs)
    }

    /// As [`super::Queue::forget_taken`].
    pub fn forget_taken(&mut self, logs: &mut Logs) {
        self.session.queue.forget_taken(logs);
    }

    /// PUBACK.
    #[inline]
    pub fn acknowledge(&mut self, packet_id: u16, logs: &mut Logs) -> Answer {
        self.session.queue.acknowledge(packet_id, logs)
    }

    /// As [`super::Queue::acknowledge_run`].
    pub fn acknowledge_run(&mut self, packet_id: u16, count: u16, logs: &mut Logs) -> u16 {
        self.session.queue.acknowledge_run(packet_id, count, logs)
    }

    /// PUBREC.
    pub fn release(&mut self, packet_id: u16, logs: &mut Logs) -> Answer {
        self.session.queue.release(packet_id, logs)
    }

    /// PUBREC with a reason code of 0x80 or more.
    pub fn refuse(&mut self, packet_id: u16, logs: &mut Logs) -> Answer {
        self.session.queue.refuse(packet_id, logs)
    }

    /// PUBCOMP.
    pub fn complete(&mut self, packet_id: u16, logs: &mut Logs) -> Answer {
        self.session.queue.complete(packet_id, logs)
    }

    /// As [`super::Queue::mark_gone`].
    pub fn mark_gone(&mut self, number: u64, logs: &mut Logs) {
        self.session.queue.mark_gone(number, logs);
    }

    /// As [`super::Queue::withdraw`].
    pub fn withdraw(&mut self, number: u64, logs: &mut Logs) -> bool {
        self.session.queue.withdraw(number, logs)
    }

    /// The remaining lifetime of a message at `now_ms` of the time line. An expired message that
    /// was never sent must be withdrawn [MQTT-3.3.2-5]; one that was sent is completed nevertheless
    /// [MQTT-4.3.3-7].
    #[inline]
    pub fn lifetime(&self, message: &StoredMessage<'_>, now_ms: u64) -> Lifetime {
        message.lifetime(self.timeline, now_ms)
    }

    /// The arrival of a message in milliseconds since 1970, by the present wall clock.
    pub fn wall_ms(&self, message: &StoredMessage<'_>) -> u64 {
        self.timeline.wall_ms(message.time_ms)
    }

    /// Drops expired messages among the oldest that were never sent, at most [`EXPIRED_LOOKS_MAX`];
    /// returns how many. So expired messages do not take the place of others.
    pub fn drop_expired(&mut self, now_ms: u64, logs: &mut Logs) -> u64 {
        let mut dropped = 0;
        while dropped < EXPIRED_LOOKS_MAX
            && let Some(entry) = self.session.queue.oldest_unsent(logs)
            && let Some(message) = entry.position().and_then(|position| logs.message(position))
            && message.lifetime(self.timeline, now_ms).is_over()
            && self.session.queue.drop_oldest_unsent(logs)
        {
            dropped += 1;
        }
        self.account();
        dropped
    }

    /// As [`super::Queue::take_lost`].
    pub fn take_lost(&mut self) -> u64 {
        self.session.queue.take_lost()
    }

    /// As [`super::Queue::drop_oldest_waiting`].
    pub fn drop_oldest_waiting(&mut self, logs: &mut Logs) -> bool {
        let dropped = self.session.queue.drop_oldest_waiting(logs);
        self.account();
        dropped
    }

    /// As [`super::Queue::rewind`].
    pub fn rewind(&mut self) {
        self.session.queue.rewind();
    }

    /// As [`super::Queue::push_released`].
    pub fn push_released(&mut self, logs: &mut Logs) {
        self.session.queue.push_released(self.key, logs);
    }

    /// As [`super::Queue::pass_over`].
    pub fn pass_over(&mut self, count: u16, logs: &mut Logs) {
        self.session.queue.pass_over(count, self.key, logs);
    }

    /// Forgets its acknowledgements; for a store that is not written.
    pub fn forget_acks(&mut self) {
        self.session.queue.take_acks();
    }

    /// As [`super::Queue::relocate`].
    pub(super) fn relocate(
        &mut self,
        range: &Range<u64>,
        map: &dyn Fn(Position) -> Option<Position>,
        logs: &mut Logs,
    ) {
        self.session.queue.relocate(range, map, self.key, logs);
    }

    /// As [`super::Queue::forgive_lost`].
    pub(super) fn forgive_lost(&mut self, count: u64) {
        self.session.queue.forgive_lost(count);
    }

    /// Counts a message that was dropped because the session is full.
    pub fn count_dropped(&mut self) {
        self.session.dropped = self.session.dropped.saturating_add(1);
    }

    /// Marks its waiting messages, which came under other access rules or for another user: they
    /// must be checked before they are sent.
    pub fn screen_waiting(&mut self) {
        self.session.screen_waiting();
    }

    /// Whether a message of its queue must be checked before it is sent.
    pub fn must_screen(&mut self, number: u64) -> bool {
        self.session.must_screen(number)
    }

    /// Forgets from when on its filters are identified, if that says nothing about its messages any
    /// more (see [`Session::may_carry`]).
    pub fn forget_identified_from(&mut self) {
        self.session.forget_identified_from();
    }

    /// Sets whether its waiting messages are withheld.
    pub fn withhold(&mut self, withheld: bool) {
        self.session.withhold(withheld);
    }

    /// The bytes that wait in all durable sessions of its vhost.
    pub fn vhost_queued_bytes(&self) -> u64 {
        self.totals.queued_bytes
    }

    /// Updates the count of its waiting bytes.
    #[inline]
    pub(super) fn account(&mut self) {
        if !self.session.clean {
            let bytes = self.session.queue.stored_bytes();
            let before = std::mem::replace(&mut self.session.counted_bytes, bytes);
            self.totals.queued_bytes = self.totals.queued_bytes - before + bytes;
        }
    }
}

impl Deref for SessionMut<'_> {
    type Target = Session;

    #[inline]
    fn deref(&self) -> &Session {
        self.session
    }
}

impl Drop for SessionMut<'_> {
    #[inline]
    fn drop(&mut self) {
        self.account();
        let session = &mut *self.session;
        if session.queue.has_acks()
            && !session.clean
            && !std::mem::replace(&mut session.noted, true)
        {
            self.noted.push(self.key);
        }
    }
}
