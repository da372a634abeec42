//! Pages of sessions, and the sessions with the highest value of a measure.

use crate::limits::{ASK_BYTES_MAX, ASK_READS_MAX, ASK_SLOTS_MAX, ASK_STEPS_MAX};
use crate::store::{Session, SessionKey};

use super::super::super::inspect::{Filter, Listing, Measure, Page, Reply, SessionName, Step, Top};
use super::super::super::names::{Context, VhostId};
use super::super::Shard;

impl Shard {
    pub(super) fn answer_session(
        &self,
        name: &SessionName,
        reply: &mut Reply,
        context: &Context<'_>,
    ) -> Step {
        let page = page_of(reply);
        if let Some(key) = self.catalog.sessions().find(name.vhost, &name.client_id) {
            self.add_row(page, key, true, context);
        }
        Step::Done
    }

    pub(super) fn answer_listing(
        &self,
        listing: &mut Listing,
        reply: &mut Reply,
        context: &Context<'_>,
    ) -> Step {
        let page = page_of(reply);
        let (sessions, before) = (self.catalog.sessions(), page.bytes());
        let end = sessions.end();
        let until = listing.from.saturating_add(ASK_SLOTS_MAX).min(end);
        listing.steps += 1;
        let mut next = until;
        for key in sessions.keys_in(listing.from..until) {
            if page.is_full(listing.limit) || page.bytes() - before >= ASK_BYTES_MAX {
                next = key;
                break;
            }
            if self.is_wanted(&listing.filter, sessions.get(key), context.now_ms) {
                self.add_row(page, key, false, context);
            }
        }
        listing.from = next;
        page.next = (next < end).then_some(next);
        let is_last = page.is_full(listing.limit) || listing.steps >= ASK_STEPS_MAX;
        if page.next.is_none() || is_last { Step::Done } else { Step::More }
    }

    pub(super) fn answer_top(
        &self,
        top: &mut Top,
        reply: &mut Reply,
        context: &Context<'_>,
    ) -> Step {
        let page = page_of(reply);
        let sessions = self.catalog.sessions();
        if let Some(told) = &mut top.told {
            // Some sessions may have ended since.
            for (value, key) in top.best.iter().skip(*told).take(ASK_READS_MAX as usize) {
                if sessions.try_get(*key).is_none() {
                    continue;
                }
                self.add_row(page, *key, true, context);
                if let Some(row) = page.rows.last_mut().filter(|_| top.by == Measure::Rate) {
                    row.bytes_per_second = Some(*value);
                }
            }
            *told += ASK_READS_MAX as usize;
            return if *told < top.best.len() { Step::More } else { Step::Done };
        }
        let until = top.from.saturating_add(ASK_SLOTS_MAX).min(sessions.end());
        let (mut reads, mut next) = (0, until);
        for key in sessions.keys_in(top.from..until) {
            let session = sessions.get(key);
            if top.by == Measure::Lag && !session.queue.is_empty() {
                if reads == ASK_READS_MAX {
                    next = key;
                    break;
                }
                reads += 1;
            }
            top.note(self.measured(top.by, key, session, context.now_ms), key);
        }
        top.from = next;
        top.told = (next == sessions.end()).then_some(0);
        Step::More
    }

    fn is_wanted(&self, filter: &Filter, session: &Session, now_ms: u64) -> bool {
        let user = filter.user.as_deref();
        filter.vhost.is_none_or(|vhost| vhost == session.vhost)
            && session.client_id.starts_with(&*filter.id_prefix)
            && user.is_none_or(|user| session.owner().unwrap_or_default() == user)
            && session.queue.waiting() >= filter.backlog_min
            && session.dropped >= filter.dropped_min
            // Client facts are spread over several rooms, so they are checked late.
            && (!filter.is_of_clients()
                || filter.has_client(self.client_facts(session, now_ms).as_ref()))
            // The name of a deleted vhost is unknown here.
            && self.exchanges.is_named(VhostId(session.vhost))
    }

    fn measured(&self, by: Measure, key: SessionKey, session: &Session, now_ms: u64) -> u64 {
        match by {
            Measure::BacklogBytes => session.queue.stored_bytes(),
            Measure::BacklogMessages => session.queue.waiting(),
            Measure::Dropped => session.dropped.into(),
            Measure::Inflight => session.queue.unacked().into(),
            Measure::Outgoing => {
                self.client_facts(session, 0).map_or(0, |client| client.outgoing_bytes)
            }
            // A message that has just come is a message that waits.
            Measure::Lag => {
                self.lag_ms(session, self.time_ms(now_ms)).map_or(0, |lag_ms| lag_ms.max(1))
            }
            Measure::Rate => self.rate(key, session, now_ms),
        }
    }
}

/// The page in a reply; made if the reply has none yet.
fn page_of(reply: &mut Reply) -> &mut Page {
    if !matches!(reply, Reply::Page(_)) {
        *reply = Reply::Page(Page::default());
    }
    let Reply::Page(page) = reply else { unreachable!("it was just made") };
    page
}
