//! The figures of sessions that an operator has named.

use crate::limits::{ASK_READS_MAX, ASK_SLOTS_MAX, WATCHED_SESSIONS_MAX};
use crate::store::SessionKey;

use super::super::super::inspect::{Reply, Step, Watch};
use super::super::super::names::{Context, VhostId};
use super::super::Shard;

impl Shard {
    pub(super) fn answer_watch(
        &self,
        watch: &mut Watch,
        reply: &mut Reply,
        context: &Context<'_>,
    ) -> Step {
        let is_over = match watch.looks_at_all {
            true => self.watch_all(watch, context),
            false => self.watch_named(watch, context),
        };
        if !is_over {
            return Step::More;
        }
        *reply = Reply::Watched(std::mem::take(&mut watch.found));
        Step::Done
    }

    /// Looks up the sessions whose names are complete; returns whether that was the last step.
    fn watch_named(&self, watch: &mut Watch, context: &Context<'_>) -> bool {
        let patterns = watch.patterns.clone();
        let until = watch.from.saturating_add(ASK_READS_MAX);
        for pattern in &patterns[watch.from as usize..patterns.len().min(until as usize)] {
            let found = self.catalog.sessions().find(pattern.vhost, &pattern.id);
            found.into_iter().for_each(|key| self.add_watched(watch, key, context));
        }
        watch.from = until;
        until as usize >= patterns.len()
    }

    /// Checks the next sessions against the patterns; returns whether they were the last.
    fn watch_all(&self, watch: &mut Watch, context: &Context<'_>) -> bool {
        let sessions = self.catalog.sessions();
        let until = watch.from.saturating_add(ASK_SLOTS_MAX).min(sessions.end());
        let (mut reads, mut next) = (0, until);
        for key in sessions.keys_in(watch.from..until) {
            if reads == ASK_READS_MAX {
                next = key;
                break;
            }
            let session = sessions.get(key);
            let is_it = watch.patterns.iter().any(|it| it.has(session.vhost, &session.client_id));
            // The name of a deleted vhost is unknown here.
            if is_it && self.exchanges.is_named(VhostId(session.vhost)) {
                reads += 1;
                self.add_watched(watch, key, context);
            }
        }
        watch.from = next;
        next == sessions.end()
    }

    fn add_watched(&self, watch: &mut Watch, key: SessionKey, context: &Context<'_>) {
        match watch.found.page.is_full(WATCHED_SESSIONS_MAX) {
            true => watch.found.left_out += 1,
            false => self.add_row(&mut watch.found.page, key, true, context),
        }
    }
}
