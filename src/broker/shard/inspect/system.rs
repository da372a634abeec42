//! Answers about system topics.

use crate::limits::{ASK_READS_MAX, ASK_SLOTS_MAX};

use super::super::super::inspect::{
    Ask, Awaits, Backlog, Question, Reply, Step, SystemUpdate, Waiting,
};
use super::super::super::names::{Context, Peers};
use super::super::Shard;

impl Shard {
    /// Whether a waiting ask ([`Step::Wait`]) can be answered now.
    #[inline]
    pub fn may_answer(&mut self, ask: &Ask, peers: &dyn Peers) -> bool {
        match &ask.question {
            Question::WantsSystem(known) => self.exchanges.wants_system() != *known,
            Question::Publish(publication) => self.may_go_on(publication, peers),
            Question::TraceEvents => self.traces.has_news(),
            Question::Clear(clearing) => {
                clearing.awaits.is_none_or(|end| end <= self.logs.disk.committed())
            }
            Question::Purge(purge) => match purge.awaits {
                Some(Awaits::Log(end)) => end <= self.logs.disk.committed(),
                Some(Awaits::Turn) | None => true,
            },
            _ => true,
        }
    }

    pub(super) fn answer_wants_system(&mut self, known: bool, reply: &mut Reply) -> Step {
        let wants = self.exchanges.wants_system();
        if wants == known {
            return Step::Wait;
        }
        if !wants {
            // The values are not updated from now on.
            self.system.clear();
        }
        *reply = Reply::WantsSystem(wants);
        Step::Done
    }

    pub(super) fn answer_system(
        &mut self,
        update: &mut SystemUpdate,
        reply: &mut Reply,
        context: &mut Context<'_>,
    ) -> Step {
        if self.exchanges.wants_system() && !self.advance_system(update, context) {
            return Step::More;
        }
        *reply = Reply::Updated;
        Step::Done
    }

    pub(super) fn answer_backlog(
        &self,
        backlog: &mut Backlog,
        reply: &mut Reply,
        context: &Context<'_>,
    ) -> Step {
        let time_ms = self.time_ms(context.now_ms);
        let sessions = self.catalog.sessions();
        let until = backlog.from.saturating_add(ASK_SLOTS_MAX).min(sessions.end());
        let (mut looks, mut next) = (0, until);
        for key in sessions.all_keys_in(backlog.from..until) {
            if looks == ASK_READS_MAX {
                next = key;
                break;
            }
            let session = sessions.get(key);
            let inflight = u64::from(session.queue.unacked());
            let is_lane = session.is_lane();
            if session.clean && !is_lane {
                backlog.found.inflight += inflight;
                continue;
            }
            if session.queue.is_empty() {
                continue;
            }
            looks += 1;
            let messages = session.queue.waiting() + inflight;
            if is_lane {
                backlog.found.add(&Waiting {
                    inflight,
                    group_messages: messages,
                    group_lag_ms_max: self.lane_lag_ms(session, time_ms).unwrap_or(0),
                    ..Waiting::default()
                });
                continue;
            }
            let lag_ms_max = self.lag_ms(session, time_ms).unwrap_or(0);
            backlog.found.add(&Waiting {
                messages,
                messages_max: messages,
                inflight,
                lag_ms_max,
                ..Waiting::default()
            });
        }
        backlog.from = next;
        if next < sessions.end() {
            return Step::More;
        }
        *reply = Reply::Backlog(backlog.found);
        Step::Done
    }
}
