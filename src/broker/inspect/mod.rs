//! Asks: what an operator wants to know of a shard, or have done there, while it runs.
//!
//! ```text
//!  admin thread ──Ask──► shard: some steps a turn ──► Ask with its reply ──► admin thread
//!                             └─ more to look at ─┘
//! ```
//! An [`Ask`] is a box that carries the question, how far the answer is, and the memory that the
//! answer needs. The shard answers it in steps ([`Shard::answer`](super::Shard::answer)), each
//! bounded by [`ASK_SLOTS_MAX`](crate::limits::ASK_SLOTS_MAX) slots and
//! [`ASK_BYTES_MAX`](crate::limits::ASK_BYTES_MAX) bytes, and gives the box back. Of all asks
//! together a turn takes no more steps than fit into
//! [`ASK_TURN_US_MAX`](crate::limits::ASK_TURN_US_MAX).
//!
//! Invariant: a question changes nothing but what it names: [`Question::Kick`] ends one
//! connection, and perhaps its session, [`Question::Shed`] some connections, [`Question::Purge`]
//! drops what waits in one session, [`Question::Clear`] clears retained messages,
//! [`Question::Publish`] publishes, and [`Question::Trace`] has more told; all others only read.
//!
//! Here is what is asked and answered, as values; the answers are made in `shard::inspect`. Another
//! kind of ask is a variant of [`Question`] with the state it needs, one of [`Reply`] if its answer
//! is of a new kind, and an arm of [`Shard::answer`](super::Shard::answer).
//!
//! May use `names`, `meters`, `read_gate` (the names of reasons), `system` and `trace`.

mod backlog;
mod client;
mod closed;
mod filter;
mod kick;
mod listing;
mod page;
mod publication;
mod retained;
mod sampling;
mod session_name;
mod shed;
mod sheet;
mod snapshot;
mod span;
mod subscriptions;
mod trace_order;
mod waiting;
mod watch;

pub use super::meters::{Histogram, Latency, ListenerLoad, Load, Meters};
pub use super::names::placement::{home_of, keeper_of};
pub use super::names::{AddressRange, TraceSet};
pub use super::system::{SystemTopic, SystemTopics, SystemUpdate};
pub use super::trace::{
    Decision, Direction, Happening, Outcome, TraceBatch, TraceEvent, TraceKind, TraceKinds,
    TraceSpec, TracedId, TracedPacket,
};
pub use backlog::{Backlog, Waiting};
pub use client::{ClientFacts, Pace};
pub use closed::{ClosedListing, ClosedPlace, ClosedRow};
pub use filter::Filter;
pub use kick::{Kick, Kicked};
pub use listing::{Listing, Measure, Top};
pub use page::{Page, Row};
pub(crate) use publication::Awaited;
pub use publication::{Publication, Published};
pub use retained::{
    Cleared, Clearing, FoundMessage, RetainedListing, RetainedMessage, RetainedRow,
};
pub(crate) use sampling::RateSample;
pub use sampling::Sampling;
pub use session_name::{SessionName, VhostReport};
pub use shed::Shed;
pub use sheet::Sheet;
pub use snapshot::{Gauges, Snapshot, WaitingConnections};
pub use span::Span;
pub use subscriptions::{SubscriptionListing, SubscriptionPlace, SubscriptionRow, Wanted};
pub use trace_order::TraceOrder;
pub(crate) use waiting::Awaits;
pub use waiting::{Peek, Purge, WaitingRow};
pub use watch::{SessionPattern, Watch, Watched};

use std::sync::Arc;

use crate::access::Policy;

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
    /// Nothing but whether the shard answers: [`Reply::Alive`].
    Alive,
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
    /// A look at what clients have sent and received, for [`Measure::Rate`]: [`Reply::Sampled`].
    Sample(Sampling),
    /// The end of a connection: [`Reply::Kicked`].
    Kick(Kick),
    /// New values of the topics of the system: [`Reply::Updated`].
    System(SystemUpdate),
    /// Whether anybody here has subscribed to topics of the system, as soon as that is not what the
    /// asker knows: [`Reply::WantsSystem`].
    WantsSystem(bool),
    /// How much is in durable sessions, and for how long: [`Reply::Backlog`].
    Backlog(Backlog),
    /// The rules that the shard goes by: [`Reply::Policy`].
    Policy,
    /// Connections that have ended lately: [`Reply::Closed`].
    Closed(Box<ClosedListing>),
    /// Subscriptions: [`Reply::Subscriptions`].
    Subscriptions(Box<SubscriptionListing>),
    /// Topics with a retained message: [`Reply::Retained`].
    Retained(Box<RetainedListing>),
    /// The retained message of a topic: [`Reply::Message`].
    RetainedMessage(Box<RetainedMessage>),
    /// The end of retained messages: [`Reply::Cleared`].
    Clear(Box<Clearing>),
    /// The first messages of a session: [`Reply::Waiting`].
    Peek(Peek),
    /// The end of all that waits in a session: [`Reply::Purged`].
    Purge(Purge),
    /// Sessions that patterns name: [`Reply::Watched`].
    Watch(Box<Watch>),
    /// A message: [`Reply::Published`], when it is kept wherever it must be.
    Publish(Box<Publication>),
    /// The end of so many connections that no more are left than may be: [`Reply::Shed`].
    Shed(Shed),
    /// The begin or the end of a trace: [`Reply::Traced`] with what gathered before.
    Trace(TraceOrder),
    /// What has gathered of traces, as soon as there is any, or none is on: [`Reply::Traced`].
    TraceEvents,
}

impl Question {
    /// Whether it is a message that was not passed on yet.
    pub fn is_new_message(&self) -> bool {
        matches!(self, Self::Publish(publication) if publication.is_new())
    }

    /// Whether it may take several steps in a turn: what it looks at, or clears, is the same as in
    /// one longer step.
    pub(crate) fn may_repeat(&self) -> bool {
        match self {
            Self::Vhosts(_)
            | Self::Listing(_)
            | Self::Top(_)
            | Self::Sample(_)
            | Self::Backlog(_)
            | Self::Closed(_)
            | Self::Subscriptions(_)
            | Self::Retained(_)
            | Self::RetainedMessage(_)
            | Self::Clear(_)
            | Self::Peek(_)
            | Self::Watch(_)
            | Self::Trace(_) => true,
            Self::Alive
            | Self::Figures
            | Self::Session(_)
            | Self::Kick(_)
            | Self::System(_)
            | Self::WantsSystem(_)
            | Self::Policy
            | Self::Purge(_)
            | Self::Publish(_)
            | Self::Shed(_)
            | Self::TraceEvents => false,
        }
    }

    /// Whether it may have to wait for its answer ([`Step::Wait`]): one of each kind does.
    pub(crate) fn may_wait(&self) -> bool {
        matches!(self, Self::WantsSystem(_) | Self::TraceEvents)
    }
}

/// What a shard answers.
#[derive(Debug)]
pub enum Reply {
    /// Nothing yet; or, when the box is back, that the shard has too many asks to take another.
    None,
    /// It answers.
    Alive,
    /// All figures.
    Figures(Box<Snapshot>),
    /// Vhosts in figures.
    Vhosts(Vec<VhostReport>),
    /// Sessions and clients.
    Page(Page),
    /// What clients have sent and received was looked at so many milliseconds ago.
    Sampled(u64),
    /// What became of a kick.
    Kicked(Kicked),
    /// The values are there, and on their way to subscribers.
    Updated,
    /// Whether anybody here has subscribed to topics of the system.
    WantsSystem(bool),
    /// What is in durable sessions.
    Backlog(Waiting),
    /// Sessions that patterns name.
    Watched(Watched),
    /// What became of a message.
    Published(Published),
    /// So many clients are connected.
    Shed(u64),
    /// Events of traces.
    Traced(Box<TraceBatch>),
    /// The rules.
    Policy(Arc<Policy>),
    /// Connections that have ended, the last one first.
    Closed(Sheet<ClosedRow, ClosedPlace>),
    /// Subscriptions.
    Subscriptions(Sheet<SubscriptionRow, SubscriptionPlace>),
    /// Topics with a retained message; the next answer begins behind a topic.
    Retained(Sheet<RetainedRow, Box<str>>),
    /// A message; none: there is none.
    Message(Option<Box<FoundMessage>>),
    /// What became of retained messages, when the log has it.
    Cleared(Cleared),
    /// Messages that wait in a session; the next answer would begin with this number.
    Waiting(Sheet<WaitingRow, u64>),
    /// So many messages were dropped, and the log has it; none: there is no such session.
    Purged(Option<u64>),
}

/// Whether a step was the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// There is more to look at in the next step.
    More,
    /// It is kept until there is an answer ([`Shard::may_answer`](super::Shard::may_answer)).
    Wait,
    /// The answer is there.
    Done,
}
