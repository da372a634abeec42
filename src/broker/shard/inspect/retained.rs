//! Retained messages: listing, reading and clearing.

use std::ops::ControlFlow;

use crate::limits::{
    ASK_BYTES_MAX, ASK_SLOTS_MAX, ASK_STEPS_MAX, PAGE_ROWS_MAX, TOLD_PAYLOAD_BYTES_MAX,
};
use crate::mqtt::TopicFilter;
use crate::store::ScanEnd;

use super::super::super::inspect::{
    Cleared, Clearing, FoundMessage, Reply, RetainedListing, RetainedMessage, RetainedRow, Sheet,
    Step,
};
use super::super::super::names::{Context, VhostId};
use super::super::super::retained::visit;
use super::super::Shard;

impl Shard {
    pub(super) fn answer_retained(&self, listing: &mut RetainedListing, reply: &mut Reply) -> Step {
        if !matches!(reply, Reply::Retained(_)) {
            *reply = Reply::Retained(Sheet::default());
        }
        let Reply::Retained(sheet) = reply else { unreachable!("it was just made") };
        let Some(store) = self.catalog.retained(listing.vhost) else { return Step::Done };
        let limit = listing.limit.min(PAGE_ROWS_MAX);
        let (before, visits_max) = (sheet.bytes(), ASK_SLOTS_MAX as usize);
        let after = listing.after.as_deref();
        let end = store.scan(&listing.prefix, after, visits_max, |topic, kept| {
            let topic = sheet.write(topic.as_bytes());
            sheet.rows.push(RetainedRow { topic, bytes: kept.bytes });
            match sheet.is_full(limit) || sheet.bytes() - before >= ASK_BYTES_MAX {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        sheet.next = None;
        let ScanEnd::After(topic) = end else { return Step::Done };
        if sheet.is_full(limit) {
            sheet.next = Some(topic);
            return Step::Done;
        }
        listing.after = Some(topic);
        Step::More
    }

    /// Reads a piece of the message in each step. If it was replaced or moved since the last step,
    /// reading starts again.
    pub(super) fn answer_retained_message(
        &self,
        wanted: &mut RetainedMessage,
        reply: &mut Reply,
        context: &Context<'_>,
    ) -> Step {
        let store = self.catalog.retained(wanted.vhost);
        let kept = store.and_then(|store| store.get(&wanted.topic));
        let stored = kept.and_then(|kept| Some((kept, self.logs.disk.message(kept.position)?)));
        let Some((kept, stored)) = stored else {
            *reply = Reply::Message(None);
            return Step::Done;
        };
        let position = kept.position.offset();
        if wanted.position.replace(position) != Some(position) {
            *reply = Reply::Message(Some(Box::default()));
        }
        let Reply::Message(Some(message)) = reply else { unreachable!("it was made before") };
        let time_ms = self.time_ms(context.now_ms);
        **message = FoundMessage {
            qos: stored.qos,
            age_ms: self.catalog.timeline.age_ms(stored.time_ms, time_ms, u64::MAX),
            payload_bytes: stored.payload.len() as u64,
            payload: std::mem::take(&mut message.payload),
        };
        let end = stored.payload.len().min(TOLD_PAYLOAD_BYTES_MAX);
        let from = message.payload.len();
        let until = end.min(from + ASK_BYTES_MAX);
        message.payload.extend_from_slice(&stored.payload[from..until]);
        if until < end { Step::More } else { Step::Done }
    }

    pub(super) fn answer_clearing(&mut self, clearing: &mut Clearing, reply: &mut Reply) -> Step {
        if let Some(end) = clearing.awaits {
            if self.logs.disk.committed() < end {
                return Step::Wait;
            }
            *reply = Reply::Cleared(std::mem::take(&mut clearing.cleared));
            return Step::Done;
        }
        let Ok(filter) = TopicFilter::parse(&clearing.filter) else {
            *reply = Reply::Cleared(Cleared::default());
            return Step::Done;
        };
        let (vhost, mut topics, mut count) = (VhostId(clearing.vhost), Vec::new(), 0);
        let (cleared, after) = (&mut clearing.cleared, clearing.after.as_deref());
        let end = visit(&self.catalog, vhost, filter, after, |topic, kept| {
            cleared.messages += 1;
            cleared.bytes += u64::from(kept.bytes);
            if !clearing.is_dry {
                topics.push(Box::<str>::from(topic));
            }
            count += 1;
            match count < ASK_SLOTS_MAX {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        for topic in topics {
            self.catalog.clear_retained(vhost.0, &topic, &mut self.logs);
        }
        clearing.steps += 1;
        if let ScanEnd::After(topic) = end {
            if clearing.steps < ASK_STEPS_MAX {
                clearing.after = Some(topic);
                return Step::More;
            }
            clearing.cleared.after = Some(topic);
        }
        clearing.awaits = Some(if clearing.is_dry { 0 } else { self.logs.disk.appended() });
        Step::More
    }
}
