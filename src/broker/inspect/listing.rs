//! Pages of sessions, and those that have most of something: in the order of their slots, so that
//! who is there all the time is listed once, whoever comes and goes meanwhile.

use crate::limits::{ASK_BYTES_MAX, ASK_SLOTS_MAX, ASK_STEPS_MAX, TOP_ROWS_MAX};
use crate::store::{Session, SessionKey};

use super::super::SessionName;
use super::super::shard::{Context, Shard};
use super::super::vhost::VhostId;
use super::filter::Filter;
use super::page::Page;
use super::{Reply, Step};

/// A question for a page.
#[derive(Clone, Default, Debug)]
pub struct Listing {
    /// Where the page begins: [`Page::next`] of the one before.
    pub from: SessionKey,
    /// Rows it has at most.
    pub limit: usize,
    /// Which sessions are wanted.
    pub filter: Filter,
    /// Steps taken: one whose filter finds little ends before it has looked at everything.
    pub steps: u32,
}

/// What sessions may have most of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// Bytes of messages that wait or are not acknowledged.
    BacklogBytes,
    /// Messages that wait.
    BacklogMessages,
    /// Messages that were dropped because it was full.
    Dropped,
    /// Messages sent and not acknowledged.
    Inflight,
    /// Bytes of output that its client has not taken.
    Outgoing,
}

/// A question for those that have most.
#[derive(Clone, Debug)]
pub struct Top {
    /// Of what.
    pub by: Measure,
    /// How many are wanted.
    pub count: usize,
    /// Where the next step begins.
    from: SessionKey,
    /// The best so far, the first in front.
    best: Vec<(u64, SessionKey)>,
    /// All sessions were looked at.
    ranked: bool,
}

impl Top {
    /// The `count` sessions that have most of something; those that have none are left out.
    pub fn new(by: Measure, count: usize) -> Self {
        let count = count.min(TOP_ROWS_MAX);
        Self { by, count, from: 0, best: Vec::with_capacity(count + 1), ranked: false }
    }

    fn note(&mut self, value: u64, key: SessionKey) {
        let is_full = self.best.len() >= self.count;
        if value == 0 || is_full && self.best.last().is_none_or(|(least, _)| value <= *least) {
            return;
        }
        let at = self.best.partition_point(|(other, _)| *other >= value);
        self.best.insert(at, (value, key));
        self.best.truncate(self.count);
    }
}

impl Shard {
    pub(super) fn answer_session(
        &self,
        name: &SessionName,
        reply: &mut Reply,
        context: &Context<'_>,
    ) -> Step {
        let page = page_of(reply);
        if let Some(key) = self.catalog.sessions.find(name.vhost, &name.client_id) {
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
        let (sessions, before) = (&self.catalog.sessions, page.bytes());
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
        let sessions = &self.catalog.sessions;
        if top.ranked {
            // Some may have ended since.
            for (_, key) in &top.best {
                if sessions.try_get(*key).is_some() {
                    self.add_row(page, *key, true, context);
                }
            }
            return Step::Done;
        }
        let until = top.from.saturating_add(ASK_SLOTS_MAX).min(sessions.end());
        for key in sessions.keys_in(top.from..until) {
            top.note(self.measured(top.by, sessions.get(key)), key);
        }
        top.from = until;
        top.ranked = until == sessions.end();
        Step::More
    }

    fn is_wanted(&self, filter: &Filter, session: &Session, now_ms: u64) -> bool {
        let user = filter.user.as_deref();
        filter.vhost.is_none_or(|vhost| vhost == session.vhost)
            && session.client_id.starts_with(&*filter.id_prefix)
            && user.is_none_or(|user| session.owner().unwrap_or_default() == user)
            && session.queue.waiting() >= filter.backlog_min
            && session.dropped >= filter.dropped_min
            && filter.has_client(self.client_facts(session, now_ms).as_ref())
            // Nobody has told this shard of its name.
            && self.vhosts.is_named(VhostId(session.vhost))
    }

    fn measured(&self, measure: Measure, session: &Session) -> u64 {
        match measure {
            Measure::BacklogBytes => session.queue.stored_bytes(),
            Measure::BacklogMessages => session.queue.waiting(),
            Measure::Dropped => session.dropped.into(),
            Measure::Inflight => session.queue.unacked().into(),
            Measure::Outgoing => {
                self.client_facts(session, 0).map_or(0, |client| client.outgoing_bytes)
            }
        }
    }
}

/// The page that a reply is; made if it is none yet.
fn page_of(reply: &mut Reply) -> &mut Page {
    if !matches!(reply, Reply::Page(_)) {
        *reply = Reply::Page(Page::default());
    }
    let Reply::Page(page) = reply else { unreachable!("it was just made") };
    page
}
