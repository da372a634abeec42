//! The broker's state machines: connections, sessions, routing, delivery, retained messages, wills.
//!
//! Pure: no socket, clock, thread or atomic. Input comes as packets, peer messages and the time;
//! what is to happen comes out as bytes in connections' outputs, messages to [`Peers`] and
//! [`Event`]s. One [`Shard`] is one core's share; it is entered only through `&mut self`.
//!
//! | file | noun |
//! |---|---|
//! | `shard` | the hub: what a reactor calls |
//! | `admission`, `rights`, `review` | who may come in; what they may do, and new rules |
//! | `counts` | what happened in a vhost |
//! | `connect`, `subscribe` | CONNECT; SUBSCRIBE and UNSUBSCRIBE |
//! | `inbound`, `routing` | PUBLISH and its answers; who gets a message |
//! | `farewell`, `reason` | ends of connections and wills; why they end |
//! | `absences` | sessions whose clients are away, and which have expired |
//! | `deletion` | sessions that an operator has deleted |
//! | `refusal` | why clients are refused |
//! | `notices`, `accounts`, `takeovers`, `line_limit` | what the log says of clients; how often |
//! | `connection`, `output`, `vhost` | state; sessions and retained messages are in the store |
//! | `tree`, `routes` | filters to subscribers, and the cache of that by topic |
//! | `letter`, `delivery` | one message on its way; handing it to a session |
//! | `replay` | retained messages for a new subscription |
//! | `peers`, `placement` | what shards say to each other; who owns what |
//! | `promises` | replies that wait for other shards or the disk |
//! | `congestion` | who waits for whom when output is full |
//! | `meter`, `quota` | how fast a client may publish; what a vhost may use |
//! | `storage`, `shortage` | what the disk is given and asked for; who waits for it |
//! | `overflow` | sessions that are full, and who waits for them |

mod absences;
mod accounts;
mod admission;
mod congestion;
mod connect;
mod connection;
mod counts;
mod deletion;
mod delivery;
mod farewell;
mod inbound;
mod letter;
mod line_limit;
mod meter;
mod notices;
mod options;
mod output;
mod overflow;
mod peers;
mod placement;
mod promises;
mod quota;
mod reason;
mod reclaim;
mod refusal;
mod replay;
mod review;
mod rights;
mod routes;
mod routing;
mod shard;
mod shortage;
mod stats;
mod storage;
mod subscribe;
mod takeovers;
mod tree;
mod vhost;

pub use admission::{Answer, Caller, Inquiry, Secured};
pub use counts::VhostReport;
pub use deletion::SessionName;
pub use line_limit::LineLimit;
pub use meter::PublishRate;
pub use options::{OnDenied, Options, Overflow, Takeover, Threshold};
pub use peers::{Crowd, Peers, ShardId, ShardSet};
pub use placement::{home_of, keeper_of};
pub use reason::CloseReason;
pub use shard::{Context, Event, Shard};
pub use stats::Stats;

use std::num::NonZero;

use crate::store::Holder;

/// Names a connection: the slot of its link in the reactor's table and the slot's generation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId {
    /// Index in the reactor's table.
    pub slot: u32,
    /// Counts the slot's owners.
    pub generation: u32,
}

impl ConnId {
    fn holder(self) -> Holder {
        // One more: a holder is not 0. Generations have 24 bits.
        let bits = (u64::from(self.slot) << 32 | u64::from(self.generation)) + 1;
        Holder(NonZero::new(bits).expect("one was added"))
    }

    fn of(holder: Holder) -> Self {
        let [s3, s2, s1, s0, g3, g2, g1, g0] = (holder.0.get() - 1).to_be_bytes();
        let slot = u32::from_be_bytes([s3, s2, s1, s0]);
        Self { slot, generation: u32::from_be_bytes([g3, g2, g1, g0]) }
    }
}

/// Whether the caller goes on handing a connection's packets over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// The next packet may follow.
    Continue,
    /// Keep the rest until [`Event::Resume`] (what it feeds is full).
    Pause,
    /// Keep this packet as well until [`Event::Resume`]: it was not handled.
    Wait,
    /// The connection is at its end; the rest is void.
    Stop,
}
