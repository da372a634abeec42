//! The effect of new access rules on existing sessions.
//!
//! Rules may be wrong for a while, so no subscription is removed. A denied subscription stays
//! bound, but no route leads to it because its client may read none of its topics. If all
//! subscriptions of a session are denied, its waiting messages are kept back too. If only some are
//! denied, waiting messages go on, and a message whose topic the client may not read any more is
//! dropped when its turn comes: otherwise the messages behind it would wait for the rules.

use log::{info, warn};

use crate::access::Policy;
use crate::mqtt::TopicFilter;
use crate::store::SessionKey;

use super::super::admission::client_of;
use super::super::names::{ConnId, Context};
use super::Shard;

/// Subscriptions whose rights have changed in the same way.
#[derive(Default, Debug)]
struct Changed {
    count: u64,
    /// The client and the filter of the first one.
    first: Option<(String, String)>,
}

impl Changed {
    fn note(&mut self, client_id: &str, filter: TopicFilter<'_>) {
        self.count += 1;
        self.first.get_or_insert_with(|| (client_id.to_owned(), filter.as_str().to_owned()));
    }

    /// Describes their number and the first one.
    fn text(&self) -> Option<String> {
        let (client_id, filter) = self.first.as_ref()?;
        let count = self.count;
        let (these, others) = if count == 1 {
            ("1 subscription".to_owned(), String::new())
        } else {
            (format!("{count} subscriptions"), format!(", and {} more", count - 1))
        };
        Some(format!("{these}: {client_id:?} to {filter:.80?}{others}"))
    }
}

impl Shard {
    /// Reviews each session. `before` is the previous policy; at start there is none, and every
    /// denied subscription counts as newly denied.
    pub(super) fn review_sessions(&mut self, before: Option<&Policy>, context: &mut Context<'_>) {
        let (mut denied, mut allowed) = (Changed::default(), Changed::default());
        let keys: Vec<SessionKey> = self.catalog.sessions().keys_from(0).collect();
        for key in keys {
            self.review_session(key, before, &mut denied, &mut allowed);
            self.update_withheld(key, context);
            self.review_memberships(key, context);
        }
        self.stats.subscriptions_suspended += denied.count;
        self.stats.subscriptions_resumed += allowed.count;
        if let Some(these) = denied.text() {
            warn!(
                "the access rules deny {these}. They are kept, and bring nothing until the rules \
                 allow them again or their clients unsubscribe"
            );
        }
        if let Some(these) = allowed.text() {
            info!("the access rules allow again {these}");
        }
    }

    fn review_session(
        &mut self,
        key: SessionKey,
        before: Option<&Policy>,
        denied: &mut Changed,
        allowed: &mut Changed,
    ) {
        let policy = &**self.admission.policy();
        let vhost = self.catalog.session(key).vhost;
        if policy.has_rules(vhost) {
            self.catalog.session_mut(key).screen_waiting();
        } else if before.is_none_or(|before| !before.has_rules(vhost)) {
            return;
        }
        let session = self.catalog.session(key);
        let client = client_of(session);
        for (filter, _) in session.subscriptions.iter() {
            let Ok(filter) = TopicFilter::parse(filter) else { continue };
            let was = before.is_none_or(|before| before.may_subscribe(&client, filter));
            match (was, policy.may_subscribe(&client, filter)) {
                (true, false) => denied.note(&session.client_id, filter),
                (false, true) => allowed.note(&session.client_id, filter),
                (true, true) | (false, false) => {}
            }
        }
    }

    /// Withholds the waiting messages of a session or sends them, after a change of its
    /// subscriptions, its user or the rules.
    pub(super) fn update_withheld(&mut self, key: SessionKey, context: &mut Context<'_>) {
        let (session, policy) = (self.catalog.session(key), self.admission.policy());
        let may_read = |filter| {
            let filter = TopicFilter::parse(filter);
            filter.is_ok_and(|filter| policy.may_subscribe(&client_of(session), filter))
        };
        let withheld = policy.has_rules(session.vhost)
            && !session.subscriptions.is_empty()
            && !session.subscriptions.iter().any(|(filter, _)| may_read(filter));
        if withheld == session.is_withheld() {
            return;
        }
        let holder = session.holder.map(ConnId::of);
        self.catalog.session_mut(key).withhold(withheld);
        if withheld {
            // Publishers do not wait for room that may never be made.
            self.relieve_session(key, context);
        } else if let Some(conn) = holder {
            self.make_progress(conn, context);
        }
    }
}
