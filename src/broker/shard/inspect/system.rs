//! Answers about the topics of the system.

use crate::limits::ASK_SLOTS_MAX;

use super::super::super::inspect::{Ask, Awaits, Backlog, Question, Reply, Step, SystemUpdate};
use super::super::super::names::Context;
use super::super::Shard;

impl Shard {
    /// Whether an ask that waits ([`Step::Wait`]) has an answer now.
    #[inline]
    pub fn may_answer(&self, ask: &Ask) -> bool {
        match &ask.question {
            Question::WantsSystem(known) => self.exchanges.wants_system() != *known,
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
            // Nobody brings them up to date from now on.
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

    pub(super) fn answer_backlog(&self, backlog: &mut Backlog, reply: &mut Reply) -> Step {
        let sessions = self.catalog.sessions();
        let until = backlog.from.saturating_add(ASK_SLOTS_MAX).min(sessions.end());
        for key in sessions.keys_in(backlog.from..until) {
            let session = sessions.get(key);
            if !session.clean {
                backlog.messages += session.queue.waiting() + u64::from(session.queue.unacked());
            }
        }
        backlog.from = until;
        if until < sessions.end() {
            return Step::More;
        }
        *reply = Reply::Backlog(backlog.messages);
        Step::Done
    }
}
