//! Answers to operators' asks (see [`super::super::inspect`]), one bounded step a turn.

mod closed;
mod figures;
mod group_end;
mod groups;
mod kick;
mod listing;
mod publish;
mod rates;
mod retained;
mod rows;
mod shed;
mod subscriptions;
mod system;
mod waiting;
mod watch;

use std::sync::Arc;

use crate::limits::{ASK_BYTES_MAX, ASK_SLOTS_MAX};

use super::super::inspect::{Ask, Question, Reply, Step, VhostReport};
use super::super::meters::Meters;
use super::super::names::Context;
use super::Shard;

impl Shard {
    /// Takes the next step of an answer.
    pub fn answer(&mut self, ask: &mut Ask, context: &mut Context<'_>) -> Step {
        let Ask { question, reply, .. } = ask;
        match question {
            Question::Alive => {
                *reply = Reply::Alive;
                Step::Done
            }
            Question::Figures => self.answer_figures(reply, context),
            Question::Vhosts(from) => self.answer_vhosts(from, reply),
            Question::Session(name) => self.answer_session(name, reply, context),
            Question::Listing(listing) => self.answer_listing(listing, reply, context),
            Question::Top(top) => self.answer_top(top, reply, context),
            Question::Sample(sampling) => self.answer_sampling(sampling, reply, context),
            Question::Kick(kick) => {
                *reply = Reply::Kicked(self.kick(kick, context));
                Step::Done
            }
            Question::System(update) => self.answer_system(update, reply, context),
            Question::WantsSystem(known) => self.answer_wants_system(*known, reply),
            Question::Backlog(backlog) => self.answer_backlog(backlog, reply, context),
            Question::Groups(listing) => self.answer_groups(listing, reply, context),
            Question::Members(listing) => self.answer_members(listing, reply),
            Question::GroupEnd(end) => self.answer_group_end(end, reply, context),
            Question::GroupPurge(purge) => self.answer_group_purge(purge, reply, context),
            Question::Watch(watch) => self.answer_watch(watch, reply, context),
            Question::Publish(publication) => self.answer_publication(publication, reply, context),
            Question::Shed(shed) => self.shed(shed, reply, context),
            Question::Trace(order) => self.answer_trace(order, reply, context.now_ms),
            Question::TraceEvents => self.answer_trace_events(reply, context.now_ms),
            Question::Policy => {
                *reply = Reply::Policy(Arc::clone(self.admission.policy()));
                Step::Done
            }
            Question::Closed(listing) => self.answer_closed(listing, reply, context),
            Question::Subscriptions(listing) => self.answer_subscriptions(listing, reply, context),
            Question::Retained(listing) => self.answer_retained(listing, reply),
            Question::RetainedMessage(wanted) => {
                self.answer_retained_message(wanted, reply, context)
            }
            Question::Clear(clearing) => self.answer_clearing(clearing, reply),
            Question::Peek(peek) => self.answer_peek(peek, reply, context),
            Question::Purge(purge) => self.answer_purge(purge, reply, context),
        }
    }

    /// The measurements of this shard, for its reactor.
    pub fn meters_mut(&mut self) -> &mut Meters {
        &mut self.meters
    }

    fn answer_vhosts(&self, from: &mut u16, reply: &mut Reply) -> Step {
        if !matches!(reply, Reply::Vhosts(_)) {
            *reply = Reply::Vhosts(Vec::new());
        }
        let Reply::Vhosts(found) = reply else { unreachable!("it was just made") };
        let before = usize::from(*from);
        let mut bytes = 0;
        let mut looked_at = 0;
        for (vhost, _) in self.exchanges.vhosts().skip(before).take(ASK_SLOTS_MAX as usize) {
            looked_at += 1;
            // Those without figures too: a counter that begins at 0 shows its first change.
            let report = self.vhost_report(vhost);
            bytes += report.vhost.len() + size_of::<VhostReport>();
            found.push(report);
            if bytes >= ASK_BYTES_MAX {
                break;
            }
        }
        *from += looked_at;
        match self.exchanges.vhosts().nth(usize::from(*from)).is_some() {
            true => Step::More,
            false => Step::Done,
        }
    }
}
