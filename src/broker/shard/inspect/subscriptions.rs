//! Subscriptions, session by session; each filter that is checked counts as a slot.

use crate::limits::{ASK_BYTES_MAX, ASK_SLOTS_MAX, ASK_STEPS_MAX};
use crate::mqtt::{TopicFilter, TopicName};
use crate::store::{Session, SessionKey};

use super::super::super::inspect::{
    Reply, Sheet, Step, SubscriptionListing, SubscriptionPlace, SubscriptionRow, Wanted,
};
use super::super::super::names::{Context, VhostId};
use super::super::Shard;

type Found = Sheet<SubscriptionRow, SubscriptionPlace>;

/// The remaining bounds of one step.
struct Budget {
    slots: u32,
    /// Bytes that the sheet may reach.
    bytes: usize,
}

/// The number of a session's filters that were checked.
enum Looked {
    AtAll,
    /// Some are left.
    AtSome,
}

impl Shard {
    pub(super) fn answer_subscriptions(
        &self,
        listing: &mut SubscriptionListing,
        reply: &mut Reply,
        context: &Context<'_>,
    ) -> Step {
        if !matches!(reply, Reply::Subscriptions(_)) {
            *reply = Reply::Subscriptions(Sheet::default());
        }
        let Reply::Subscriptions(found) = reply else { unreachable!("it was just made") };
        let mut budget = Budget { slots: ASK_SLOTS_MAX, bytes: found.bytes() + ASK_BYTES_MAX };
        listing.steps += 1;
        let sessions = self.catalog.sessions();
        let end = match &listing.session {
            None => sessions.end(),
            Some(name) => match sessions.find(name.vhost, &name.client_id) {
                Some(key) => {
                    listing.from.session = key;
                    key + 1
                }
                None => return Step::Done,
            },
        };
        while listing.from.session < end && budget.slots > 0 {
            budget.slots -= 1;
            let key = listing.from.session;
            let session = sessions.try_get(key).filter(|session| {
                listing.vhost.is_none_or(|vhost| vhost == session.vhost)
                    // The name of a deleted vhost is unknown here.
                    && self.exchanges.is_named(VhostId(session.vhost))
            });
            let looked = session.map_or(Looked::AtAll, |session| {
                self.add_filters((key, session), listing, found, &mut budget, context.now_ms)
            });
            if let Looked::AtSome = looked {
                break;
            }
            listing.from = SubscriptionPlace { session: key + 1, filters: 0 };
            (listing.after, listing.to_skip) = (None, None);
        }
        found.next = (listing.from.session < end).then_some(listing.from);
        let is_last = found.is_full(listing.limit) || listing.steps >= ASK_STEPS_MAX;
        // An answer may end among the filters of a session only after the skipped ones.
        let is_passing = listing.to_skip.is_some_and(|left| left > 0);
        if found.next.is_none() || is_last && !is_passing { Step::Done } else { Step::More }
    }

    /// Adds the wanted filters of a session, from the listing's place on.
    fn add_filters(
        &self,
        (key, session): (SessionKey, &Session),
        listing: &mut SubscriptionListing,
        found: &mut Found,
        budget: &mut Budget,
        now_ms: u64,
    ) -> Looked {
        let mut to_skip = listing.to_skip.unwrap_or(listing.from.filters);
        let topic = match &listing.wanted {
            Wanted::Topic(topic) => TopicName::parse(topic).ok(),
            Wanted::All | Wanted::Filter(_) => None,
        };
        let mut last = None;
        let mut looked = Looked::AtAll;
        for (filter, options) in session.subscriptions.iter_after(listing.after.as_deref()) {
            let is_over = found.is_full(listing.limit) || found.bytes() >= budget.bytes;
            if budget.slots == 0 || is_over {
                looked = Looked::AtSome;
                break;
            }
            budget.slots -= 1;
            last = Some(filter);
            if to_skip > 0 {
                to_skip -= 1;
                continue;
            }
            listing.from.filters += 1;
            let is_wanted = match (&listing.wanted, topic) {
                (Wanted::All, _) => true,
                (Wanted::Filter(wanted), _) => **wanted == *filter,
                (Wanted::Topic(_), Some(topic)) => {
                    TopicFilter::parse(filter).is_ok_and(|filter| filter.matches(topic))
                }
                (Wanted::Topic(_), None) => false,
            };
            if is_wanted {
                let row =
                    self.subscription_row((key, session), (filter, options.qos), found, now_ms);
                found.rows.push(row);
            }
        }
        if let Some(last) = last {
            listing.after = Some(last.into());
        }
        listing.to_skip = Some(to_skip);
        looked
    }

    fn subscription_row(
        &self,
        (key, session): (SessionKey, &Session),
        (filter, granted): (&str, u8),
        found: &mut Found,
        now_ms: u64,
    ) -> SubscriptionRow {
        SubscriptionRow {
            id: found.write(session.client_id.as_bytes()),
            vhost: found.write(self.exchanges.name(VhostId(session.vhost)).as_bytes()),
            vhost_number: session.vhost,
            user: found.write(session.owner().unwrap_or_default().as_bytes()),
            filter: found.write(filter.as_bytes()),
            qos: granted,
            clean: session.clean,
            pace: self.client_facts(session, now_ms).map(|client| client.pace),
            is_full: self.is_full(key),
            withheld: session.is_withheld(),
        }
    }

    /// Whether the bound of a session, or of its vhost, is reached.
    fn is_full(&self, key: SessionKey) -> bool {
        let session = self.catalog.session(key);
        let queued_bytes = self.catalog.totals(session.vhost).queued_bytes;
        let quota = self.quotas.get(VhostId(session.vhost));
        !session.clean
            && (session.queue.stored_bytes() >= self.options.session_bytes_max
                || queued_bytes >= quota.queued_bytes_max)
    }
}
