//! The messages that wait in one session.

use std::ops::ControlFlow;

use log::info;

use crate::limits::{
    ASK_BYTES_MAX, ASK_SLOTS_MAX, PEEK_MESSAGES_MAX, PEEK_PAYLOAD_BYTES_MAX, PURGE_MESSAGES_MAX,
};
use crate::store::{QueueItem, SessionKey};

use super::super::super::inspect::{Awaits, Peek, Purge, Reply, Sheet, Step, WaitingRow};
use super::super::super::names::Context;
use super::super::Shard;

impl Shard {
    pub(super) fn answer_peek(
        &self,
        peek: &mut Peek,
        reply: &mut Reply,
        context: &Context<'_>,
    ) -> Step {
        if !matches!(reply, Reply::Waiting(_)) {
            *reply = Reply::Waiting(Sheet::default());
        }
        let Reply::Waiting(sheet) = reply else { unreachable!("it was just made") };
        let sessions = self.catalog.sessions();
        let Some(key) = sessions.find(peek.name.vhost, &peek.name.client_id) else {
            return Step::Done;
        };
        let (limit, before) = (peek.limit.min(PEEK_MESSAGES_MAX), sheet.bytes());
        let (mut step, mut looked_at) = (Step::Done, 0);
        let queue = &self.catalog.session(key).queue;
        let _ended = queue.visit(&self.logs, &mut |item| {
            let (QueueItem::Message { number, .. } | QueueItem::Released { number }) = item else {
                return ControlFlow::Continue(());
            };
            if number < peek.from {
                return ControlFlow::Continue(());
            }
            looked_at += 1;
            if sheet.is_full(limit) {
                return ControlFlow::Break(());
            }
            if sheet.bytes() - before >= ASK_BYTES_MAX || looked_at > ASK_SLOTS_MAX {
                step = Step::More;
                return ControlFlow::Break(());
            }
            peek.from = number + 1;
            let row = self.waiting_row(item, sheet, context);
            sheet.rows.extend(row);
            ControlFlow::Continue(())
        });
        step
    }

    fn waiting_row(
        &self,
        item: QueueItem,
        sheet: &mut Sheet<WaitingRow, u64>,
        context: &Context<'_>,
    ) -> Option<WaitingRow> {
        // A released message is not kept.
        let QueueItem::Message { number, entry, sent } = item else { return None };
        let position = entry.position();
        let stored = position.and_then(|position| self.logs.message(position));
        let on_disk = position.filter(|position| !position.is_volatile());
        let time_ms = self.time_ms(context.now_ms);
        let age_ms = on_disk
            .and_then(|position| self.logs.disk.message(position))
            .map(|record| self.catalog.timeline.age_ms(record.time_ms, time_ms, u64::MAX));
        let (topic, payload) =
            stored.as_ref().map_or(("", &[][..]), |stored| (stored.topic, stored.payload));
        let told = &payload[..payload.len().min(PEEK_PAYLOAD_BYTES_MAX)];
        Some(WaitingRow {
            number,
            topic: sheet.write(topic.as_bytes()),
            payload: sheet.write(told),
            payload_bytes: payload.len() as u64,
            qos: 1 + u8::from(entry.terms().exactly_once),
            retain: entry.terms().retain,
            sent,
            age_ms,
            is_lost: stored.is_none(),
        })
    }

    /// Waits until the drops of a purge that is over are committed; then answers.
    pub(super) fn await_purged(&self, awaits: &mut Awaits, purged: u64, reply: &mut Reply) -> Step {
        match *awaits {
            // The end of the turn has appended the drops to the log.
            Awaits::Turn => *awaits = Awaits::Log(self.logs.disk.appended()),
            Awaits::Log(end) if self.logs.disk.committed() < end => {}
            Awaits::Log(_) => {
                *reply = Reply::Purged(Some(purged));
                return Step::Done;
            }
        }
        Step::Wait
    }

    pub(super) fn answer_purge(
        &mut self,
        purge: &mut Purge,
        reply: &mut Reply,
        context: &mut Context<'_>,
    ) -> Step {
        if let Some(awaits) = &mut purge.awaits {
            return self.await_purged(awaits, purge.purged, reply);
        }
        let (vhost, client_id) = (purge.name.vhost, &*purge.name.client_id);
        let Some(key) = self.catalog.sessions().find(vhost, client_id) else {
            *reply = Reply::Purged((purge.purged > 0).then_some(purge.purged));
            return Step::Done;
        };
        let dropped = self.drop_waiting(key, context);
        purge.purged += dropped;
        if dropped < PURGE_MESSAGES_MAX {
            let count = purge.purged;
            info!(client = client_id, count; "{count} messages dropped, as an operator asked");
            purge.awaits = Some(Awaits::Turn);
        }
        Step::More
    }

    /// Drops some waiting messages of a session; returns how many.
    fn drop_waiting(&mut self, key: SessionKey, context: &mut Context<'_>) -> u64 {
        let mut dropped = 0;
        let mut session = self.catalog.session_mut(key);
        while dropped < PURGE_MESSAGES_MAX && session.drop_oldest_waiting(&mut self.logs) {
            dropped += 1;
        }
        drop(session);
        // The answer waits for the record of the drops, which the end of the turn appends.
        self.logs.promise_turn();
        self.stats.queued_purged += dropped;
        self.relieve_waiting(key, context);
        dropped
    }
}
