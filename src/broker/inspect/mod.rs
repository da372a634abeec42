//! Asks: what an operator wants to know of a shard, or have done there, while it runs.
//!
//! ```text
//!  admin thread ──Ask──► shard: one step each turn ──► Ask with its reply ──► admin thread
//!                             └── more to look at ──┘
//! ```
//! An [`Ask`] is a box that carries the question, how far the answer is, and the memory that the
//! answer needs. The shard answers it in steps ([`Shard::answer`]), each bounded by
//! [`ASK_SLOTS_MAX`] slots and [`ASK_BYTES_MAX`] bytes, and gives the box back.
//!
//! Invariant: a question changes nothing but what it names: [`Question::Kick`] ends one
//! connection, and perhaps its session; all others only read.
//!
//! | file | noun |
//! |---|---|
//! | `meters`, `histogram` | what a shard measures of itself; how long things take |
//! | `snapshot` | all figures of one shard at one moment |
//! | `page`, `filter` | rows of sessions and clients; which are wanted |
//! | `listing` | pages of them, and those that have most of something |
//! | `kick` | the end of a connection that an operator wants gone |
//!
//! Another kind of ask is a variant of [`Question`] with the state it needs, one of [`Reply`] if
//! its answer is of a new kind, and an arm of [`Shard::answer`].
//!
//! It may use all of the broker, and the broker knows of it only `Meters`.

mod filter;
mod histogram;
mod kick;
mod listing;
mod meters;
mod page;
mod snapshot;

use crate::limits::{ASK_BYTES_MAX, ASK_SLOTS_MAX};

use super::counts::VhostReport;
use super::placement;
use super::shard::{Context, Shard};
use super::{SessionName, ShardId};

pub use filter::{AddressRange, Filter, Pace};
pub use histogram::Histogram;
pub use kick::{Kick, Kicked};
pub use listing::{Listing, Measure, Top};
pub use meters::{Latency, Load, Meters};
pub use page::{ClientFacts, Page, Row, Span};
pub use snapshot::{Gauges, Snapshot};

/// A question to one shard on its way there, and its answer on its way back.
#[derive(Debug)]
pub struct Ask {
    /// Tells the asker which it is.
    pub id: u64,
    /// What is asked, and how far the answer is.
    pub question: Question,
    /// The answer, as far as it is there.
    pub reply: Reply,
}

/// What can be asked of a shard.
#[derive(Debug)]
pub enum Question {
    /// All figures of the shard: [`Reply::Figures`].
    Figures,
    /// The shard's part of each vhost, from the one with this number on: [`Reply::Vhosts`].
    Vhosts(u16),
    /// One session, and its client if that is connected: [`Reply::Page`] with a row or none.
    Session(SessionName),
    /// A page of sessions or of clients: [`Reply::Page`].
    Listing(Listing),
    /// The sessions that have most of something: [`Reply::Page`], the first in front.
    Top(Top),
    /// The end of a connection: [`Reply::Kicked`].
    Kick(Kick),
}

/// What a shard answers.
#[derive(Debug)]
pub enum Reply {
    /// Nothing yet; or, when the box is back, that the shard has too many asks to take another.
    None,
    /// All figures.
    Figures(Box<Snapshot>),
    /// Vhosts in figures.
    Vhosts(Vec<VhostReport>),
    /// Sessions and clients.
    Page(Page),
    /// What became of a kick.
    Kicked(Kicked),
}

/// Whether a step was the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// There is more to look at in the next turn.
    More,
    /// The answer is there.
    Done,
}

/// The shard at which the session of a client lives, of so many.
pub fn home_of(vhost: &str, client_id: &str, shards: u16) -> ShardId {
    placement::home_of(vhost, client_id, shards)
}

impl Shard {
    /// Takes the next step of an answer.
    pub fn answer(&mut self, ask: &mut Ask, context: &mut Context<'_>) -> Step {
        let Ask { question, reply, .. } = ask;
        match question {
            Question::Figures => self.answer_figures(reply, context),
            Question::Vhosts(from) => self.answer_vhosts(from, reply),
            Question::Session(name) => self.answer_session(name, reply, context),
            Question::Listing(listing) => self.answer_listing(listing, reply, context),
            Question::Top(top) => self.answer_top(top, reply, context),
            Question::Kick(kick) => {
                *reply = Reply::Kicked(self.kick(kick, context));
                Step::Done
            }
        }
    }

    /// What this shard measures, for its reactor.
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
        for (vhost, place) in self.vhosts.iter().skip(before).take(ASK_SLOTS_MAX as usize) {
            looked_at += 1;
            let report = self.vhost_report(vhost, place);
            if report.figures.iter().any(|(_, count)| *count > 0) {
                bytes += report.vhost.len() + size_of::<VhostReport>();
                found.push(report);
            }
            if bytes >= ASK_BYTES_MAX {
                break;
            }
        }
        *from += looked_at;
        match self.vhosts.iter().nth(usize::from(*from)).is_some() {
            true => Step::More,
            false => Step::Done,
        }
    }
}
