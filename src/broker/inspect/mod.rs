//! Asks: questions and orders of an operator to a shard while it runs.
//!
//! ```text
//!  admin thread ──Ask──► shard: some steps a turn ──► Ask with its reply ──► admin thread
//!                             └─ more to look at ─┘
//! ```
//! An [`Ask`] is a box with the question, the progress of the answer, and the memory that the
//! answer needs. The shard answers it in steps ([`Shard::answer`](super::Shard::answer)), each
//! bounded by [`ASK_SLOTS_MAX`](crate::limits::ASK_SLOTS_MAX) slots and
//! [`ASK_BYTES_MAX`](crate::limits::ASK_BYTES_MAX) bytes, and returns the box. All steps of a turn
//! together take about [`ASK_TURN_US_MAX`](crate::limits::ASK_TURN_US_MAX) at most.
//!
//! Invariant: a question changes nothing but what it names. [`Question::Kick`] ends one connection,
//! and perhaps its session; [`Question::Shed`] ends some connections; [`Question::Purge`] drops the
//! waiting messages of one session, [`Question::GroupPurge`] those of one group;
//! [`Question::GroupEnd`] ends a group; [`Question::Clear`] clears retained messages;
//! [`Question::Publish`] publishes; [`Question::Trace`] begins or ends a trace. All others only
//! read.
//!
//! This room has the questions and answers as values; `shard::inspect` makes the answers. A new
//! kind of ask needs a variant of [`Question`] with its state, a variant of [`Reply`] if the answer
//! is of a new kind, and an arm of [`Shard::answer`](super::Shard::answer).
//!
//! May use `names`, `meters`, `read_gate` (the names of reasons), `system` and `trace`.

mod backlog;
mod client;
mod closed;
mod end_group;
mod filter;
mod groups;
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
pub use super::names::{AddressRange, GroupCounts, TraceSet};
pub use super::system::{SystemTopic, SystemTopics, SystemUpdate};
pub use super::trace::{
    Decision, Direction, Happening, Outcome, TraceBatch, TraceEvent, TraceKind, TraceKinds,
    TraceSpec, TracedId, TracedPacket,
};
pub use backlog::{Backlog, Waiting};
pub use client::{ClientFacts, Pace};
pub use closed::{ClosedListing, ClosedPlace, ClosedRow};
pub use end_group::{GroupEnd, GroupEnded, GroupPurge};
pub use filter::Filter;
pub use groups::{
    GroupListing, GroupName, GroupRow, GroupsWanted, MemberListing, MemberPlace, MemberRow,
    OwnMember,
};
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
    /// The asker's number for it.
    pub id: u64,
    /// The question, and the progress of the answer.
    pub question: Question,
    /// The answer as far as it is complete.
    pub reply: Reply,
}

/// A question to a shard.
#[derive(Debug)]
pub enum Question {
    /// Whether the shard answers at all: [`Reply::Alive`].
    Alive,
    /// All figures of the shard: [`Reply::Figures`].
    Figures,
    /// The shard's part of each vhost, from this number on: [`Reply::Vhosts`].
    Vhosts(u16),
    /// One session, and its client if connected: [`Reply::Page`] with a row or none.
    Session(SessionName),
    /// A page of sessions or of clients: [`Reply::Page`].
    Listing(Listing),
    /// The sessions with the highest value of a measure: [`Reply::Page`], in descending order.
    Top(Top),
    /// A look at what clients have sent and received, for [`Measure::Rate`]: [`Reply::Sampled`].
    Sample(Sampling),
    /// The end of a connection: [`Reply::Kicked`].
    Kick(Kick),
    /// New values of the system topics: [`Reply::Updated`].
    System(SystemUpdate),
    /// Whether sessions here have subscribed to system topics, as soon as that differs from what
    /// the asker knows: [`Reply::WantsSystem`].
    WantsSystem(bool),
    /// The backlog of durable sessions and its age: [`Reply::Backlog`].
    Backlog(Backlog),
    /// The access policy of the shard: [`Reply::Policy`].
    Policy,
    /// Connections that have ended recently: [`Reply::Closed`].
    Closed(Box<ClosedListing>),
    /// Subscriptions: [`Reply::Subscriptions`].
    Subscriptions(Box<SubscriptionListing>),
    /// Topics with a retained message: [`Reply::Retained`].
    Retained(Box<RetainedListing>),
    /// The retained message of a topic: [`Reply::Message`].
    RetainedMessage(Box<RetainedMessage>),
    /// An order to clear retained messages: [`Reply::Cleared`].
    Clear(Box<Clearing>),
    /// The first messages of a session: [`Reply::Waiting`].
    Peek(Peek),
    /// An order to drop all waiting messages of a session: [`Reply::Purged`].
    Purge(Purge),
    /// Sessions that patterns name: [`Reply::Watched`].
    Watch(Box<Watch>),
    /// Consumer groups: [`Reply::Groups`].
    Groups(Box<GroupListing>),
    /// Members of a group: [`Reply::Members`].
    Members(Box<MemberListing>),
    /// The end of one: [`Reply::GroupEnded`], when that is kept.
    GroupEnd(Box<GroupEnd>),
    /// The end of what waits in one: [`Reply::Purged`].
    GroupPurge(Box<GroupPurge>),
    /// A message: [`Reply::Published`], when it is kept wherever it must be.
    Publish(Box<Publication>),
    /// An order to end connections until few enough are left: [`Reply::Shed`].
    Shed(Shed),
    /// The start or end of a trace: [`Reply::Traced`] with the events gathered before.
    Trace(TraceOrder),
    /// The events gathered by traces, as soon as there are any or no trace is on:
    /// [`Reply::Traced`].
    TraceEvents,
}

impl Question {
    /// Whether it is a message that was not routed yet.
    pub fn is_new_message(&self) -> bool {
        matches!(self, Self::Publish(publication) if publication.is_new())
    }

    /// Whether it may take several steps in a turn, because several steps do the same as a longer
    /// one.
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
            | Self::Groups(_)
            | Self::Members(_)
            | Self::Trace(_) => true,
            Self::Alive
            | Self::Figures
            | Self::Session(_)
            | Self::Kick(_)
            | Self::System(_)
            | Self::WantsSystem(_)
            | Self::Policy
            | Self::Purge(_)
            | Self::GroupEnd(_)
            | Self::GroupPurge(_)
            | Self::Publish(_)
            | Self::Shed(_)
            | Self::TraceEvents => false,
        }
    }

    /// Whether it may wait long for its answer ([`Step::Wait`]); a shard keeps one of each kind.
    pub(crate) fn may_wait(&self) -> bool {
        matches!(self, Self::WantsSystem(_) | Self::TraceEvents)
    }
}

/// An answer of a shard.
#[derive(Debug)]
pub enum Reply {
    /// No answer yet; in a returned box: the shard has too many asks to take another.
    None,
    /// The shard answers.
    Alive,
    /// All figures.
    Figures(Box<Snapshot>),
    /// The figures of vhosts.
    Vhosts(Vec<VhostReport>),
    /// Sessions and clients.
    Page(Page),
    /// What clients have sent and received was looked at so many milliseconds ago.
    Sampled(u64),
    /// The result of a kick.
    Kicked(Kicked),
    /// The values are stored, and on their way to subscribers.
    Updated,
    /// Whether sessions here have subscribed to system topics.
    WantsSystem(bool),
    /// The backlog of durable sessions.
    Backlog(Waiting),
    /// Sessions that patterns name.
    Watched(Watched),
    /// Consumer groups; the next answer begins after one.
    Groups(Sheet<GroupRow, GroupName>),
    /// Members of a group; the next answer begins after one.
    Members(Sheet<MemberRow, MemberPlace>),
    /// What became of the end of a group.
    GroupEnded(GroupEnded),
    /// What became of a message.
    Published(Published),
    /// The number of connected clients.
    Shed(u64),
    /// Events of traces.
    Traced(Box<TraceBatch>),
    /// The access policy.
    Policy(Arc<Policy>),
    /// Connections that have ended, the last one first.
    Closed(Sheet<ClosedRow, ClosedPlace>),
    /// Subscriptions.
    Subscriptions(Sheet<SubscriptionRow, SubscriptionPlace>),
    /// Topics with a retained message; the next answer begins after a topic.
    Retained(Sheet<RetainedRow, Box<str>>),
    /// A retained message, or none.
    Message(Option<Box<FoundMessage>>),
    /// The cleared messages, once the log has their end.
    Cleared(Cleared),
    /// Messages that wait in a session; the next answer begins with this number.
    Waiting(Sheet<WaitingRow, u64>),
    /// The number of dropped messages, once the log has the drops; none: there is no such session.
    Purged(Option<u64>),
}

/// The state of an answer after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The next step continues.
    More,
    /// It waits until it can be answered ([`Shard::may_answer`](super::Shard::may_answer)).
    Wait,
    /// The answer is complete.
    Done,
}
